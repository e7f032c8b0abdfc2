"""Support: which inputs each output can see through the masks, over all weights, at concrete sizes.

An input that is not in the support of an output is never seen by it, whatever the weights: a blind spot. One that is
in it is seen for generic weights, unless the formula cancels itself (`x - x`) or multiplies by what is always 0.

A set of cells is one whole number. It holds, for each cell of a grid, a word of `width` bits, one bit for each
watched output, so that all outputs go through the masks together. Sets are sent backwards, from the outputs to the
inputs: a convolution is one shift under a border mask for each tap, spread over channels; elementwise parts keep
cells, sums and products unite them, a `let` is met once with all that its uses need. Families collapse, as every
member of one reads alike. The cost is linear in the formula and in the number of bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.calls import concatenated
from mintdsl.core.counts import Sizes
from mintdsl.core.interpret_env import Env, bind_layer, evaluate_size
from mintdsl.core.live import half_plane
from mintdsl.core.nat import Nat
from mintdsl.core.orders import ORDERS, Order
from mintdsl.core.places import part_places
from mintdsl.proof.cells import around, convolved, lanes, mixed, moved, taps
from mintdsl.proof.stages import (
    Append,
    Apply,
    Beyond,
    Copies,
    Leave,
    Mix,
    Move,
    Network,
    Pair,
    Stage,
    flat,
    leaving,
    sources,
)
from mintdsl.records import record

MAX_CELLS = 2**20
MAX_BITS = 2**24
"""Above so many bits (cells times outputs) a sample of the outputs is watched: CIFAR-10 with 3,072 of each is below."""


@record
class Support:
    """What the outputs `watched` (flat indices) can see: `cells` has bit (input * width + k) for the k-th of them."""

    inputs: Sizes
    outputs: Sizes
    watched: tuple[int, ...]
    width: int
    cells: int
    counts: tuple[int, ...]

    @property
    def sampled(self) -> bool:
        """Whether only some of the outputs were watched."""
        return len(self.watched) < prod(self.outputs)

    @property
    def blind(self) -> tuple[int, ...]:
        """The watched outputs that some input can never reach."""
        return tuple(p for p, n in zip(self.watched, self.counts, strict=True) if n < prod(self.inputs))

    def count(self, output: int) -> int:
        """How many inputs a watched output can see."""
        return self.counts[self.watched.index(output)]

    def seen(self, output: int) -> frozenset[int]:
        """The inputs that a watched output can see, by flat index."""
        lane = lanes(self.cells, prod(self.inputs), self.width)[self.watched.index(output) :: self.width]
        return frozenset(q for q, bit in enumerate(lane) if bit == "1")


# ---------------------------------------------------------------- what is asked


def support(net: Network, outputs: Sequence[int] | None = None) -> Support:
    """What each of `outputs` can see; without them all outputs, or the sample of `sample` where those are too many.

    ValueError for a grid of more than MAX_CELLS cells, or where a direction or order has no value.
    """
    return _Watch.start(net, outputs).after(net.stages).support(net.inputs)


def sample(dims: Sizes) -> tuple[int, ...]:
    """The outputs watched on a large grid: first, middle and last along each axis, in every combination."""
    places = [sorted({0, n // 2, n - 1}) for n in dims]
    return tuple(sorted({flat(place, dims) for place in product(*places)}))


@record
class Growth:
    """What copies of one block see: `after[n - 1]` with n of them.

    `enough` is the least number of copies without a blind spot; None when there is none among them, and then `stuck`
    tells that a further copy adds nothing, so that no number is enough.
    """

    dims: Sizes
    after: tuple[Support, ...]
    enough: int | None
    stuck: bool


def growth(stages: Sequence[Stage], dims: Sizes, most: int = 100) -> Growth:
    """Copies of a block that keeps its shape, one after the other, until nothing is blind or `most` are made.

    A bijection that sees everything still does so after one more copy, so `enough` is a threshold.
    """
    watch = _Watch.start(Network(tuple(stages), dims, dims, prod(dims)), None)
    found: list[Support] = []
    for _ in range(most):
        before, watch = watch.cells, watch.after(stages)
        found.append(watch.support(dims))
        if not found[-1].blind:
            return Growth(dims, tuple(found), len(found), False)
        if watch.cells == before:
            return Growth(dims, tuple(found), None, True)
    return Growth(dims, tuple(found), None, False)


# ---------------------------------------------------------------- sets of cells


@record
class _Watch:
    """A set on its way back: `cells` on the grid reached, words of `width` bits, for the outputs `watched`."""

    outputs: Sizes
    watched: tuple[int, ...]
    width: int
    cells: int

    @staticmethod
    def start(net: Network, outputs: Sequence[int] | None) -> _Watch:
        if net.largest > MAX_CELLS:
            raise ValueError(f"a grid of {net.largest:,} cells is more than the {MAX_CELLS:,} that are walked")
        total = prod(net.outputs)
        if outputs is None:
            outputs = range(total) if net.largest * total <= MAX_BITS else sample(net.outputs)
        width = 8 * ((len(outputs) + 7) // 8)  # whole bytes, so that words can be moved as bytes
        cells = bytearray(total * width // 8)
        for k, output in enumerate(outputs):
            cells[output * width // 8 + k // 8] |= 1 << k % 8
        return _Watch(net.outputs, tuple(outputs), width, int.from_bytes(cells, "little"))

    def after(self, stages: Sequence[Stage]) -> _Watch:
        return _Watch(self.outputs, self.watched, self.width, _back(stages, self.cells, self.width))

    def support(self, inputs: Sizes) -> Support:
        bits = lanes(self.cells, prod(inputs), self.width)
        counts = tuple(bits[k :: self.width].count("1") for k in range(len(self.watched)))
        return Support(inputs, self.outputs, self.watched, self.width, self.cells, counts)


def _back(stages: Sequence[Stage], cells: int, width: int) -> int:
    """The cells in front of the stages that those behind them can see."""
    for stage in reversed(stages):
        match stage:
            case Apply(layer=layer, env=env, inverted=False):
                cells = _through(layer, env, cells, width)
            case Apply(layer=layer, env=env):
                cells = _undone(layer, env, cells, width)
            case Move():
                cells = moved(cells, sources(stage), width // 8)
            case Append(dims=dims):
                cells &= (1 << prod(dims) * width) - 1
            case Leave(half=half, given=given):
                if given:  # what goes through a net is not told apart
                    size = prod(half)
                    gone = cells & (1 << size * width) - 1
                    cells |= everywhere(together(gone, size, width), size, width) << size * width
                cells = moved(cells, leaving(stage), width // 8)
            case Mix(dims=dims):
                cells = everywhere(together(cells, prod(dims), width), prod(dims), width)
            case Beyond(left=left, stage=one):
                low = left * width
                cells = cells & ((1 << low) - 1) | _back((one,), cells >> low, width) << low
            case Pair(stages=inner):
                cells = _back(inner, cells, width)
            case Copies(count=count, stages=inner):
                for _ in range(count):
                    before, cells = cells, _back(inner, cells, width)
                    if cells == before:
                        break
            case other:
                assert_never(other)
    return cells


def together(cells: int, count: int, width: int) -> int:
    """The word of `count` cells in one."""
    while count > 1:
        half = (count + 1) // 2 * width
        cells, count = cells >> half | cells & (1 << half) - 1, (count + 1) // 2
    return cells


def everywhere(word: int, count: int, width: int) -> int:
    """The same word in each of `count` cells."""
    return word * (((1 << count * width) - 1) // ((1 << width) - 1))


def _through(layer: ir.Layer, env: Env, cells: int, width: int) -> int:
    """The inputs of a layer that its outputs `cells` can see."""
    places = {}
    if layer.split is not None:
        start = evaluate_size(layer.split.start, env.sizes, 0)
        places = dict(zip(layer.split.parts, part_places(layer.split, start, env.dims), strict=True))
    formula = _Formula(layer, env, width, {item.name: 0 for item in layer.lets}, places)
    inputs = formula.back(layer.result, cells)
    for item in reversed(layer.lets):
        inputs |= formula.back(item.value, formula.wanted[item.name])
    return inputs


def _undone(layer: ir.Layer, env: Env, cells: int, width: int) -> int:
    """The cells that the inverse of a layer can see: J^-1 is a polynomial in J, so what many layers in a row would."""
    before = -1
    while cells != before:
        before, cells = cells, cells | _through(layer, env, cells, width)
    return cells


@record
class _Formula:
    """One way back through a layer; `wanted` collects the cells of each let that its uses need."""

    layer: ir.Layer
    env: Env
    width: int
    wanted: dict[str, int]
    places: dict[str, list[int]]  # of each part of a split

    def back(self, top: ir.Expr, cells: int) -> int:
        """The inputs that `cells` of an expression can see, apart from its lets."""
        inputs = 0
        stack = [(top, cells)] if cells else []
        while stack:
            node, at = stack.pop()
            match node:
                case ir.Var(name=name):
                    inputs |= self.whole(name, at) if self.places else at
                case ir.Scalar() | ir.Value() | ir.Given():
                    pass
                case ir.Ref(name=name):
                    self.wanted[name] |= at
                case ir.Linear():
                    stack.append((node.arg, self.read(self.layer.param(node.param), at)))
                case ir.Exponential():  # a series of M, M M, ...
                    before = 0
                    while at != before:
                        before, at = at, at | self.read(self.layer.param(node.param), at)
                    stack.append((node.arg, at))
                case ir.Apply() | ir.Neg():
                    stack.append((node.arg, at))
                case ir.Cayley(branch=branch):  # a series of g, g of what g reads, ...
                    before = 0
                    while at != before:
                        before, at = at, at | self.back(branch, at)
                    inputs |= at
                case ir.Sum():
                    stack.append((node.body, at))
                case ir.Binary():
                    stack += [(node.left, at), (node.right, at)]
                case ir.Spread() | ir.Pick():
                    stack.append((node.arg, at))
                case ir.Bend(bijection=name, params=params, count=count):
                    stack.append((node.arg, at))
                    for param, less in zip(params, BIJECTIONS[name].fewer, strict=True):
                        stack.append((param, self.numbers(at, node.shape, count - Nat.of(less))))
                case ir.Join():
                    stack += [(part, self.part(name, at)) for name, part in zip(self.places, node.parts, strict=True)]
                case ir.Call() | ir.Chain():
                    kind = self.layer.param(node.param).kind
                    assert isinstance(kind, ir.NetParam)
                    word = self.together(at, kind.targets[node.output if isinstance(node, ir.Call) else 0])
                    args = node.args if isinstance(node, ir.Call) else (node.arg,)
                    stack += [(a, self.everywhere(word, s)) for a, s in zip(args, kind.sources, strict=True)]
                case ir.Inline():
                    applied = self.layer.param(node.param).kind
                    assert isinstance(applied, ir.LayerParam)
                    inner = _through(applied.layer, bind_layer(applied, self.env), at, self.width)
                    stack.append((node.arg, inner))
                case ir.Concat():
                    whole = concatenated(node.shapes)
                    assert whole is not None
                    word = self.together(at, whole)
                    stack += [(a, self.everywhere(word, s)) for a, s in zip(node.args, node.shapes, strict=True)]
                case ir.Pool() | ir.Delay() | ir.MaxMin() | ir.Swish():
                    raise AssertionError("these stand in nets, and nets are no part of a layer")
                case other:
                    assert_never(other)
        return inputs

    def part(self, name: str, cells: int) -> int:
        """The cells of a part, of those of the whole."""
        return self._moved(name, cells, inwards=True)

    def whole(self, name: str, cells: int) -> int:
        """The cells of the whole, of those of a part."""
        return self._moved(name, cells, inwards=False)

    def _moved(self, name: str, cells: int, *, inwards: bool) -> int:
        """Cells by runs of neighbours that stay neighbours; a part of a mask keeps its places."""
        split = self.layer.split
        assert split is not None
        found, first, own = 0, 0, self.places[name]
        while first < len(own):
            last = first
            while last + 1 < len(own) and own[last + 1] == own[last] + 1:
                last += 1
            size, there = (last + 1 - first) * self.width, own[first] * self.width
            here = there if split.functional is not None else first * self.width
            source, target = (there, here) if inwards else (here, there)
            found |= (cells >> source & ((1 << size) - 1)) << target
            first = last + 1
        return found

    def numbers(self, cells: int, shape: ir.Shape, each: Nat) -> int:
        """The cells of a parameter of a bijection: `each` copies of each channel's, side by side."""
        dims, count = self.env.shape(shape), evaluate_size(each, self.env.sizes)
        block = self.width // 8 * (dims[1] * dims[2] if len(dims) == 3 else 1)
        data = cells.to_bytes(prod(dims) * self.width // 8, "little")
        copies = (data[k : k + block] * count for k in range(0, len(data), block))
        return int.from_bytes(b"".join(copies), "little")

    def together(self, cells: int, shape: ir.Shape) -> int:
        """The word of all cells of a shape in one."""
        return together(cells, prod(self.env.shape(shape)), self.width)

    def everywhere(self, word: int, shape: ir.Shape) -> int:
        """The same word in every cell of a shape: what is stacked or goes through a net is not told apart."""
        return everywhere(word, prod(self.env.shape(shape)), self.width)

    def read(self, param: ir.Param, cells: int) -> int:
        """The cells that a linear map reads for the outputs `cells`."""
        source, target = self.env.shape(param.source), self.env.shape(param.target)
        match param.kind:
            case ir.Normalize():
                return cells
            case ir.Perm(axis=axis, seed=seed):
                return moved(cells, sources(Move(ir.Permute(axis, seed), source)), self.width // 8)
            case ir.Conv() as conv:
                kept = taps(conv, target[0], source[0], *self.order(conv, param))
                kept = around(kept, target) if conv.circular else kept
                return convolved(cells, kept, source[0], target, self.width)
            case ir.Dense() as dense:
                if len(source) != 1:
                    raise ValueError(f"`{param.name}` is a linear map on sizes {list(source)}; only Vec is followed")
                return mixed(cells, dense, target[0], source[0], *self.order(dense, param), self.width)
            case ir.Elementwise() | ir.NetParam() | ir.LayerParam() | ir.LayerNorm() | ir.Attention():
                raise AssertionError("this is no linear map")
            case other:
                assert_never(other)

    def order(self, kind: ir.Conv | ir.Dense, param: ir.Param) -> tuple[Order | None, str]:
        """The order that masks a map, and its direction; no order where it is not masked."""
        if param.factored and param.bound is not None and param.bound.via.removeprefix("unit_") in ("lower", "upper"):
            word = param.bound.via.removeprefix("unit_")
            if not isinstance(kind, ir.Conv):
                return ORDERS["natural"], word
            # at the anchor the triangle, at other taps all: they come first in the order of the fronts
            sign = 1 if word == "lower" else -1
            down, right = half_plane(kind) or (0, 0)
            return Order("fronts", "Image", ((0, sign * down, sign * right), (1, 0, 0))), word
        if kind.direction is None:
            return None, "lower"
        order = self.layer.order
        order = order if isinstance(order, Order) else self.env.look(self.env.orders, order.name)
        word = kind.direction
        return order, word if word in ("lower", "upper") else self.env.look(self.env.directions, word)
