"""The free numbers of a layer: where each is stored, and the plain effective values that it may take.

A value is turned into the stored number that gives it, so nothing is tried that a constraint, mask or tie keeps out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import isfinite, prod
from typing import NamedTuple, assert_never

from mintdsl.core import ir
from mintdsl.core.constraints import Parametrisation
from mintdsl.core.interpret_env import Env
from mintdsl.core.interpret_weights import Weights, param_shape, parametrisation, sign_shape
from mintdsl.core.interval import Interval
from mintdsl.core.live import anchor, differences
from mintdsl.core.orders import DIRECTIONS
from mintdsl.records import record, replace

NUMBERS = (
    1.0,
    0.0,
    -1.0,
    2.0,
    -2.0,
    0.5,
    -0.5,
    3.0,
    -3.0,
    4.0,
    -4.0,
    1.5,
    -1.5,
    0.25,
    -0.25,
    2.5,
    -2.5,
    8.0,
    -8.0,
    0.125,
)
FEW = 4  # knobs that are turned one by one
VARIANCES = (1.0, 4.0, 0.25, 16.0)
# Numbers of a program or a constraint beyond these could cancel by rounding alone.
SMALL, GREAT = 1e-6, 1e4


class Part(NamedTuple):
    """One layer of what is evaluated: the prefix of its keys in the state dict, and the values of its formals."""

    prefix: str
    layer: ir.Layer
    env: Env


@record
class Knob:
    """One free number: where it is stored, and the effective values that it may take, the usual one first.

    `own` ones stand on the diagonal of their map. `sign` is the place in the sign buffer, where there is one.
    """

    key: str
    place: int
    choices: tuple[float, ...]
    own: bool
    via: Parametrisation | None = None
    bounds: tuple[float, ...] = ()
    sign: int | None = None

    def store(self, tensors: Mapping[str, list[float]], value: float) -> None:
        """Put the stored number for the effective `value` in its place."""
        if self.sign is not None:
            tensors[f"{self.key}_sign"][self.sign] = 1.0 if value > 0 else -1.0
            value = abs(value)
        if self.via is not None:
            found = preimage(self.via, self.bounds, value)
            assert found is not None  # values without one are no choices
            value = found
        tensors[self.key][self.place] = value


@lru_cache(maxsize=1024)
def preimage(via: Parametrisation, bounds: tuple[float, ...], wanted: float) -> float | None:
    """A stored number whose value is `wanted` up to rounding; None if there is none.

    Every parametrisation is monotone on both sides of 0 and increases on one of them.
    """
    if via.value(wanted, *bounds) == wanted:
        return wanted
    low, high = (0.0, 1024.0) if via.value(0.0, *bounds) <= wanted else (-256.0, 0.0)
    for _ in range(80):
        middle = (low + high) / 2
        if via.value(middle, *bounds) < wanted:
            low = middle
        else:
            high = middle
    return high if abs(via.value(high, *bounds) - wanted) <= 1e-12 * (1 + abs(wanted)) else None


def plainness(value: float) -> float:
    """How much a number asks of its reader: 0 the least, then 1, -1, 2."""
    return abs(value) + (value < 0) / 2 + 8 * (value != int(value))


def short(value: float) -> float:
    """The number as it is written with twelve digits: what rounding left behind is gone."""
    return float(f"{value:.12g}") + 0.0  # -0 is 0


PLAINEST = tuple(sorted(NUMBERS, key=plainness))


def knobs(part: Part) -> Iterator[Knob]:
    """The free numbers of a layer, masked entries left out. ValueError where a constraint admits no plain number."""
    prefix, layer, env = part
    joint = any(via is not None and via.joint for via in map(parametrisation, layer.params))
    if joint or any(isinstance(p.kind, ir.Perm) or p.factored or p.limited for p in layer.params):
        raise ValueError("permutations, factors and what is scaled down have no plain numbers")
    free = replace(layer, params=tuple(replace(p, bound=None, pivot=None) for p in layer.params))
    shapes = {p.name: param_shape(layer, p, env.dims, env.sizes) for p in layer.params}
    ones = Weights(free, env, {name: [1.0] * prod(shape) for name, shape in shapes.items()})
    for param in layer.params:
        key, shape = prefix + param.name, shapes[param.name]
        if isinstance(param.kind, ir.Normalize):
            for place in range(prod(shape)):
                yield Knob(f"{key}_mean", place, PLAINEST, own=False)
                yield Knob(f"{key}_var", place, VARIANCES, own=False)
            continue
        live = [value for member in ones.members(param.indices) for value in ones.of(param.name, member)]
        diagonal = _diagonal(param, shape, env)
        buffered = sign_shape(layer, param, env.dims, env.sizes) is not None
        via = parametrisation(param)
        for place in (place for place, value in enumerate(live) if value and _reaches(param, shape, place, env)):
            if place not in diagonal:
                yield Knob(key, place, PLAINEST, own=False)
            elif param.pivot is not None:  # a magnitude: its sign is that of the others
                yield Knob(key, place, tuple(v for v in NUMBERS if v >= 0), own=True)
            elif param.bound is None or via is None:
                yield Knob(key, place, NUMBERS, own=True)
            else:
                sign = diagonal[place] if buffered else None
                yield Knob(key, place, _choices(param.bound, via), True, via, param.bound.numbers, sign)


def _reaches(param: ir.Param, shape: tuple[int, ...], place: int, env: Env) -> bool:
    """Whether a tap of a kernel meets an image of this size anywhere."""
    if not isinstance(param.kind, ir.Conv) or param.kind.circular:
        return True
    word = param.kind.direction or "lower"  # without a direction the anchor is named
    apart = differences(param.kind, word if word in DIRECTIONS else env.look(env.directions, word))
    _, height, width = env.shape(param.source)
    down, across = apart[place % len(apart)]
    return abs(down) < height and abs(across) < width


def _diagonal(param: ir.Param, shape: tuple[int, ...], env: Env) -> dict[int, int]:
    """The places of diagonal entries in the flat tensor, each with its place in a sign buffer."""
    match param.kind:
        case ir.Elementwise(kind=kind):
            return {k: k for k in range(prod(shape))} if kind == "scale" else {}
        case (
            ir.Conv(direction=None)
            | ir.Dense(direction=None)
            | ir.Normalize()
            | ir.Perm()
            | ir.NetParam()
            | ir.LayerParam()
            | ir.LayerNorm()
            | ir.Attention()
        ):
            return {}
        case ir.Dense():
            rows, columns = shape[-2:]
            of_map = [o * columns + o for o in range(min(rows, columns))]
        case ir.Conv(direction=str() as word) as conv:
            rows, columns, height, width = shape[-4:]
            row, column = anchor(conv, word if word in DIRECTIONS else env.look(env.directions, word))
            of_map = [((o * columns + o) * height + row) * width + column for o in range(min(rows, columns))]
        case ir.Conv():
            return {}
        case other:
            assert_never(other)
    entries = prod(shape[len(param.indices) :])
    copies = prod(shape[: len(param.indices)])
    return {c * entries + place: c * rows + o for c in range(copies) for o, place in enumerate(of_map)}


def _choices(bound: ir.Bound, via: Parametrisation) -> tuple[float, ...]:
    interval = bound.interval
    ends = [v for v in (interval.lo, interval.hi, (interval.lo + interval.hi) / 2) if isfinite(v)]
    both = bound.cmp == "!= 0"  # its interval is that of the magnitude
    found = []
    for value in (*NUMBERS, *map(short, ends)):
        signs = (value, -value) if both else (value,)
        if is_plain(value) and any(Interval(v, v).within(interval) for v in signs):
            if preimage(via, bound.numbers, abs(value) if via.signed else value) is not None:
                found.append(value)
    if not found:
        raise ValueError("no plain number satisfies the constraint")
    return tuple(dict.fromkeys(found))


def is_plain(value: float) -> bool:
    """Whether sums and products of a few such numbers are exact, or nearly so."""
    return value == 0 or SMALL <= abs(value) <= GREAT


class Draws:
    """A fixed sequence of pseudo-random choices (a linear congruential generator)."""

    def __init__(self, seed: int = 1) -> None:
        self.state = seed

    def below(self, count: int) -> int:
        """A number from 0 to count - 1."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % count


def assignments(free: Sequence[Knob]) -> Iterator[tuple[float, ...]]:
    """Values for all knobs, without an end: the usual ones, then one knob changed, then drawn ones."""
    usual = tuple(knob.choices[0] for knob in free)
    yield usual
    if not free:
        return
    if len(free) <= FEW:
        for rank in range(1, 5):
            for place, knob in enumerate(free):
                if rank < len(knob.choices):
                    yield (*usual[:place], knob.choices[rank], *usual[place + 1 :])
    plainest = tuple(min(knob.choices, key=plainness) for knob in free)
    draws = Draws()
    while True:
        for few in (4, 6, len(NUMBERS)):
            for diagonal in (usual, plainest):
                yield tuple(own if k.own else _draw(k, few, draws) for k, own in zip(free, diagonal, strict=True))
            yield tuple(_draw(knob, few, draws) for knob in free)


def _draw(knob: Knob, few: int, draws: Draws) -> float:
    if not knob.own and draws.below(3) == 0:
        return knob.choices[0]
    return knob.choices[draws.below(min(few, len(knob.choices)))]


def inputs(size: int, draws: Draws) -> Iterator[tuple[float, ...]]:
    """Inputs with `size` coordinates, simple ones first."""
    if size == 1:
        yield from ((v,) for v in (0.0, *(v for v in NUMBERS if v)))
        yield from ((k / 4,) for k in range(-32, 33) if k / 4 not in NUMBERS)
        return
    yield (0.0,) * size
    yield (1.0,) * size
    yield (-1.0,) * size
    while True:
        for few in (5, 7, len(PLAINEST)):
            yield tuple(PLAINEST[draws.below(few)] for _ in range(size))
