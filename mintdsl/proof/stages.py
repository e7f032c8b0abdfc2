"""A definition at concrete sizes as a chain of stages on index grids, and the numbering of a grid's cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import TypeAlias, assert_never

from mintdsl.core import interpret_moves, ir
from mintdsl.core.counts import Sizes
from mintdsl.core.interpret_env import Argument, Env, any_context, bind, evaluate_size
from mintdsl.records import record


@record
class Apply:
    """A layer, its formals bound in `env`; `inverted` in its inverse direction."""

    layer: ir.Layer
    env: Env
    inverted: bool = False


@record
class Move:
    """A step that only moves entries, entered by a grid of sizes `dims`."""

    op: ir.Moves
    dims: Sizes

    @property
    def result(self) -> Sizes:
        """The sizes that leave."""
        return interpret_moves.leaves(self.op, self.dims)


@record
class Append:
    """`extra` constant channels after those of a grid of sizes `dims`."""

    dims: Sizes
    extra: int

    @property
    def result(self) -> Sizes:
        """The sizes that leave."""
        return (self.dims[0] + self.extra, *self.dims[1:])


@record
class Leave:
    """Half of a grid of sizes `dims` leaves: behind it stand the cells that leave, then those of the other half.

    `given`: a net makes something of the other half that comes into each cell that leaves.
    """

    dims: Sizes
    keep: str
    given: bool

    @property
    def half(self) -> Sizes:
        """The sizes of a half."""
        axis = _halved(self.dims)
        return (*self.dims[:axis], self.dims[axis] // 2, *self.dims[axis + 1 :])

    @property
    def result(self) -> Sizes:
        """The sizes that leave: all cells in a row."""
        return (prod(self.dims),)


@record
class Mix:
    """A step on a grid of sizes `dims` whose outputs see every input: a continuous flow."""

    dims: Sizes


@record
class Beyond:
    """A stage on the cells after the first `left` ones, which left for the latent before it."""

    left: int
    stage: Stage


@record
class Copies:
    """`count` copies of stages that keep the shape."""

    count: int
    stages: tuple[Stage, ...]


@record
class Pair:
    """A `pair`, on a grid of sizes `dims`."""

    stages: tuple[Stage, ...]
    dims: Sizes


Stage: TypeAlias = Apply | Move | Append | Leave | Mix | Beyond | Copies | Pair


@record
class Network:
    """A layer or flow at concrete sizes: its stages, the sizes that enter and leave, and the most cells between."""

    stages: tuple[Stage, ...]
    inputs: Sizes
    outputs: Sizes
    largest: int


def network(program: ir.Program, key: str, dims: Sizes, args: Mapping[str, Argument]) -> Network:
    """The definition `key` on a shape. ValueError where a formal that decides has no value, or a size is not whole."""
    definition = program.definitions[key]
    env = bind(definition, dims, args, given=any_context(definition, dims, args))
    build = _Build(program)
    build.enter(dims)
    if isinstance(definition, ir.Layer):
        return Network((build.apply(definition, env),), dims, dims, build.largest)
    stages, outputs = build.flow(definition.steps, env, dims)
    return Network(stages, dims, outputs, build.largest)


def pairs(stages: Sequence[Stage]) -> Iterator[Pair]:
    """Each pair below the stages once, whatever the number of its copies, in order."""
    for stage in stages:
        match stage:
            case Pair():
                yield stage
            case Copies(stages=inner):
                yield from pairs(inner)
            case Beyond(stage=one):
                yield from pairs((one,))
            case Apply() | Move() | Append() | Leave() | Mix():
                pass
            case other:
                assert_never(other)


def unrolled(net: Network) -> tuple[Stage, ...]:
    """The stages with their copies one by one; pairs stay whole."""
    return tuple(_unrolled(net.stages))


def _unrolled(stages: Sequence[Stage]) -> Iterator[Stage]:
    for stage in stages:
        match stage:
            case Copies(count=count, stages=inner):
                for _ in range(count):
                    yield from _unrolled(inner)
            case Beyond(left=left, stage=one):
                for inside in _unrolled((one,)):
                    yield Beyond(left, inside)
            case Apply() | Move() | Append() | Leave() | Mix() | Pair():
                yield stage
            case other:
                assert_never(other)


def entered_from(stage: Stage, cell: int) -> int:
    """The cell in front of a stage at the place of a cell behind it; a channel that is appended stands on another."""
    match stage:
        case Move():
            return sources(stage)[cell]
        case Append():
            return cell % prod(stage.dims)
        case Leave():
            return leaving(stage)[cell]
        case Beyond(left=left, stage=inner):
            return cell if cell < left else left + entered_from(inner, cell - left)
        case Apply() | Mix() | Copies() | Pair():
            return cell
        case other:
            assert_never(other)


def behind(stage: Stage, dims: Sizes) -> Sizes:
    """The sizes behind a stage that `dims` enter."""
    match stage:
        case Move() | Append() | Leave():
            return stage.result
        case Beyond(left=left, stage=inner):
            return (left + prod(behind(inner, (dims[0] - left,))),)
        case Apply() | Mix() | Copies() | Pair():
            return dims
        case other:
            assert_never(other)


# ---------------------------------------------------------------- cells


def centre(dims: Sizes) -> int:
    """The cell in the middle."""
    return flat(tuple(n // 2 for n in dims), dims)


def flat(place: Sequence[int], dims: Sizes) -> int:
    """The row-major index of a cell."""
    index = 0
    for position, size in zip(place, dims, strict=True):
        index = index * size + position
    return index


def place(index: int, dims: Sizes) -> tuple[int, ...]:
    """The coordinates of a cell."""
    found: list[int] = []
    for size in reversed(dims):
        index, position = divmod(index, size)
        found.append(position)
    return tuple(reversed(found))


# ---------------------------------------------------------------- the steps of a flow


class _Build:
    """Makes the stages of a flow at concrete sizes; `largest` is the most cells met."""

    def __init__(self, program: ir.Program) -> None:
        self.program = program
        self.largest = 0

    def enter(self, *grids: Sizes) -> None:
        """Note the grids that are met."""
        self.largest = max([self.largest, *map(prod, grids)])

    def apply(self, layer: ir.Layer, env: Env, inverted: bool = False) -> Apply:
        """A layer and the grids inside it."""
        self.enter(*(env.shape(s) for p in layer.params for s in (p.source, p.target)))
        return Apply(layer, env, inverted)

    def flow(self, steps: Sequence[ir.Step], env: Env, dims: Sizes) -> tuple[tuple[Stage, ...], Sizes]:
        """The stages of a whole flow; after a part left, all cells stand in a row, those that left first."""
        found: list[Stage] = []
        start, left = 0, 0
        for n, step in enumerate((*steps, None)):
            if step is not None and not isinstance(step.op, ir.FactorOut):
                continue
            made, dims = self.steps(steps[start:n], env, dims)
            found += [Beyond(left, stage) if left else stage for stage in made]
            if step is not None and isinstance(step.op, ir.FactorOut):
                leave = Leave(dims, step.op.keep, step.op.prior is not None)
                found.append(Beyond(left, leave) if left else leave)
                start, left, dims = n + 1, left + prod(leave.half), leave.half
        return tuple(found), (left + prod(dims),) if left else dims

    def steps(self, steps: Sequence[ir.Step], env: Env, dims: Sizes) -> tuple[tuple[Stage, ...], Sizes]:
        """The stages of `steps`, entered with sizes `dims`; and the sizes that leave."""
        found: list[Stage] = []
        for step in steps:
            match step.op:
                case ir.Use(definition=key, args=args, inverted=inverted):
                    callee = self.program.definitions[key]
                    inner = bind(callee, dims, dict(args), env)
                    if isinstance(callee, ir.Layer):
                        found.append(self.apply(callee, inner, inverted))
                    else:
                        more, dims = self.steps(callee.steps, inner, dims)
                        found += more
                case ir.Repeat(count=count, steps=block):
                    more, dims = self.steps(block, env, dims)
                    found.append(Copies(evaluate_size(count, env.sizes), more))
                case ir.Pair(steps=block):
                    before = dims
                    more, dims = self.steps(block, env, dims)
                    found.append(Pair(more, before))
                case ir.Move() as op:
                    move = Move(op, dims)
                    found.append(move)
                    dims = move.result
                case ir.Pad(extra=extra):
                    append = Append(dims, extra)
                    found.append(append)
                    dims = append.result
                case ir.Logit() | ir.Standardize() | ir.StandardizeData():
                    pass  # elementwise
                case ir.Ode():
                    found.append(Mix(dims))
                case ir.Dequantize() | ir.Prior() | ir.Classify():
                    pass  # outside the bijection
                case ir.FactorOut():
                    raise AssertionError("stands between the steps of a flow, not in a block")
                case other:
                    assert_never(other)
            self.enter(dims)
        return tuple(found), dims


def _halved(dims: Sizes) -> int:
    """The axis that `factor half` cuts: channels, coordinates, or the features of a Seq."""
    return 1 if len(dims) == 2 else 0


@lru_cache(maxsize=16)
def leaving(leave: Leave) -> tuple[int, ...]:
    """For each cell behind it, the cell that it was on entering."""
    axis = _halved(leave.dims)
    second = [where[axis] >= leave.half[axis] for where in product(*map(range, leave.dims))]
    gone = leave.keep == "first"  # then the second half leaves
    return tuple(sorted(range(len(second)), key=lambda cell: second[cell] != gone))


@lru_cache(maxsize=16)
def sources(move: Move) -> tuple[int, ...]:
    """For each cell that leaves, the cell that it was on entering."""
    return tuple(interpret_moves.sources(move.op, move.dims))
