"""What the kernel takes for granted: the sets of constraints and the facts of registered activations.

Written apart from the checker's own tables, so that an error in one of the two shows when certificates are checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import inf
from sys import float_info
from typing import NamedTuple

from mintdsl.proof.kernel.exact import NONNEGATIVE, ONE, POSITIVE, REAL, UNIT, Number, Span, exact
from mintdsl.proof.kernel.reading import Json, Refused

TRUSTED = (
    "reading: the statement is compared with that of the spec, read anew; how a spec is read, its shapes, sizes and "
    "indices included, is not checked a second time",
    "meaning: nodes, maps and steps compute what the language says; a map with a direction keeps the entries later "
    "(upper: earlier) in the declared order and the diagonal; convolutions have zeros outside, circular ones the other "
    "side of the image, in layers stride 1, their anchor at offset 0 and their other taps whole steps of the dilation "
    "from it; "
    "a stride in a net only chooses the pixels at which it writes; "
    "a Cayley map is that of its operand as a function of the variable; "
    "the series of an exponential, of a norm of at most 4, is summed until what is left is below rounding",
    "splines: all bins are shares of at least the floor, of widths and of heights, slopes at knots from the floor to "
    "its inverse; there are at least two bins, and fewer than one over the floor",
    "mixtures: there is at least one component, each of a weight and a scale > 0",
    "solvers: one keeps its tolerance, and the solution that it approximates is what the step means",
    "parameters: each stays in the set of its constraint, in floating point and for every raw value; ties are solved "
    "as the statement writes them; sizes are at least 1; a deviation taken from data is positive",
    "activations: slopes, values, images, domains and smoothness are those of the kernel's table; maxmin and "
    "clip_swish make no difference larger, whatever the beta of a swish, whose slopes are those of silu",
    "numbers: values computed from the C library's functions are within sixteen rounding units, or 4e-16",
    "rules: as `mint list rules` states and cites them, over the real numbers, for continuous functions",
    "Python: its integers, and the standard modules that the kernel imports",
)
INVERSES = ("closed_form", "elementwise", "iterative", "solver")
LOG_DETS: Mapping[str, frozenset[str]] = {  # and what may be wrong with each, beyond the tolerance of a solver
    "exact": frozenset(),
    "bounded": frozenset({"bias"}),
    "unbiased": frozenset({"noise"}),
    "estimate": frozenset({"bias", "noise"}),
    "solver": frozenset({"bias", "solver"}),
    "estimated": frozenset({"bias", "noise", "solver"}),
    "none": frozenset({"bias", "noise", "solver", "lack"}),
}

# For each constraint the set that it makes, and the parametrisations that keep it.
SETS: Mapping[str, tuple[Callable[..., Span], tuple[str, ...]]] = {
    ">=": (lambda m: Span(m, inf, False, True), ("softplus", "abs", "exp")),
    "> 0": (lambda: POSITIVE, ("softplus", "exp")),
    ">= 0": (lambda: NONNEGATIVE, ("abs", "square")),
    "!= 0": (lambda: POSITIVE, ("signed", "signed_exp", "raw")),
    "== 1": (lambda: ONE, ("unit",)),
    ">= <=": (lambda m, top: Span(m, top), ("sigmoid",)),
    "det != 0": (
        lambda: POSITIVE,
        ("plu", "qr", "lower", "upper", "woodbury", "raw", "dominant"),
    ),  # of the magnitude, here and below
    "lip <=": (lambda c: Span(Fraction(0), c), ("spectral", "rows", "columns")),  # of each entry
    "length == 1": (lambda: Span(Fraction(0), Fraction(1)), ("softplus",)),  # of each entry; of all, the sum of squares
    "det == 1": (lambda: ONE, ("unit_lower", "unit_upper", "householder")),
}
METRICS: Mapping[str, float] = {"spectral": 2, "rows": inf, "columns": 1}  # the p of the p-norm that stays below c
FREE_SIGN = ("signed", "signed_exp", "raw", *METRICS)  # the set is that of the magnitude
ASSUMED = ("raw",)  # the module tests it
LOW_RANK = ("raw", "woodbury")  # of I + U V: it speaks of the small matrix I + V U
CIRCULAR = ("raw", "dominant")  # of a circular kernel: it speaks of the matrix of every frequency of the image
DOMINANT = ("dominant",)  # orthogonal at the anchor of a kernel, 2-norms of all other taps at most 1/2 in sum


def constrained(cmp: str, numbers: list[float], via: str) -> tuple[Span, bool]:
    """The set that a constraint keeps, and whether it is that of the magnitude, with a free sign."""
    span, known = SETS[cmp]
    if via not in known:
        raise Refused(f"nothing is known of a parametrisation {via!r}")
    return span(*map(Fraction, numbers)), via in FREE_SIGN


def norm(constraint: Json, metric: float | None = None) -> Number:
    """What a constraint lets a norm of a map be at most: the one of this metric, or any."""
    if not constraint or constraint[0] != "lip <=":
        return inf
    if not constraint[1][0] > 0:
        raise Refused("a norm has no bound above 0")
    return Fraction(constraint[1][0]) if metric in (None, METRICS[constraint[2]]) else inf


def metrics(definition: Json, nets: Mapping[str, Json]) -> set[float]:
    """The p of all p-norms that constraints of maps bound in a definition and in its nets."""
    found, work, seen = set[float](), [definition], {definition["name"]}
    while work:
        for param in work.pop()["params"]:
            bound, (kind, *rest) = param["with"], param["kind"]
            if bound and bound[0] == "lip <=" and kind != "scale":
                found.add(METRICS[bound[2]])
            if kind == "net" and rest[0] not in seen:
                seen.add(rest[0])
                work.append(nets[rest[0]])
    return found


def metric(definition: Json, nets: Mapping[str, Json]) -> float:
    """The p of the norm in which the Lipschitz constants of a layer are followed: that of its maps, else 2."""
    found = metrics(definition, nets)
    return found.pop() if len(found) == 1 else 2


class Elementwise(NamedTuple):
    """A function for arguments in some span: slopes and values there; its image of the whole domain; smoothness.

    `domain` is None where the image is not known. `slope` bounds difference quotients, so derivatives are not needed.
    """

    slope: Span
    values: Span
    image: Span
    domain: Span | None
    smooth: int


class Act(NamedTuple):
    """A registered function: its slope everywhere, image, domain and smoothness (2 analytic, 1 C1, 0 neither).

    Where the `derivative` is known it rises and falls between the `turns` and the ends of the domain, where its limits
    are `ends`. The image is exact where the slope has one sign, and else a bound.
    """

    slope: Callable[..., Span]
    image: Span
    domain: Span
    smooth: int
    value: Callable[..., float] | None = None
    derivative: Callable[..., float] | None = None
    turns: tuple[float, ...] = ()
    ends: Callable[..., tuple[float, float]] = lambda *_: (-inf, inf)


def _span(lo: str, hi: str, lo_open: bool = False, hi_open: bool = False) -> Span:
    return Span(-inf if lo == "-inf" else Fraction(lo), inf if hi == "inf" else Fraction(hi), lo_open, hi_open)


def _sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))


def _softplus(v: float) -> float:
    return max(v, 0.0) + math.log1p(math.exp(-abs(v)))


def _bell(v: float) -> float:
    return (2 * math.exp(-abs(v)) / (1 + math.exp(-2 * abs(v)))) ** 2


_BETWEEN, _ABOVE = _span("-1", "1"), _span("-1", "inf", True, True)
_UP, _EQUAL, _FLAT = lambda: (0.0, 1.0), lambda: (1.0, 1.0), lambda: (0.0, 0.0)
ACTS: Mapping[str, Act] = {
    "identity": Act(lambda: ONE, REAL, REAL, 2, lambda v: v, lambda v: 1.0, (), _EQUAL),
    "exp": Act(lambda: POSITIVE, POSITIVE, REAL, 2, math.exp, math.exp, (), lambda: (0.0, inf)),
    "log": Act(lambda: POSITIVE, REAL, POSITIVE, 2, math.log, lambda v: 1 / v, (), lambda: (inf, 0.0)),
    "abs": Act(lambda: _BETWEEN, NONNEGATIVE, REAL, 0, abs, lambda v: math.copysign(1, v), (), lambda: (-1.0, 1.0)),
    "elu": Act(
        lambda: _span("0", "1", True), _ABOVE, REAL, 1,
        lambda v: v if v > 0 else math.expm1(v), lambda v: 1.0 if v > 0 else math.exp(v), (), _UP,
    ),
    "relu": Act(
        lambda: _span("0", "1"), NONNEGATIVE, REAL, 0, lambda v: max(v, 0.0), lambda v: 1.0 if v > 0 else 0.0, (), _UP
    ),
    "leaky_relu": Act(
        lambda a: Span(Fraction(min(a, 1.0)), Fraction(max(a, 1.0))), REAL, REAL, 0,
        lambda v, a: v if v > 0 else a * v, lambda v, a: 1.0 if v > 0 else a, (), lambda a: (a, 1.0),
    ),
    "softplus": Act(lambda: UNIT, POSITIVE, REAL, 2, _softplus, _sigmoid, (), _UP),
    "tanh": Act(lambda: _span("0", "1", True), _span("-1", "1", True, True), REAL, 2, math.tanh, _bell, (0.0,), _FLAT),
    "sigmoid": Act(
        lambda: _span("0", "1/4", True), UNIT, REAL, 2, _sigmoid, lambda v: _sigmoid(v) * _sigmoid(-v), (0.0,), _FLAT
    ),
    "logit": Act(
        lambda: _span("4", "inf", False, True), REAL, UNIT, 2, lambda v: math.log(v) - math.log1p(-v),
        lambda v: 1 / (v * (1 - v)), (0.5,), lambda: (inf, inf),
    ),
    "gelu": Act(lambda: _span("-0.1289042", "1.1289042"), _span("-0.1699713", "inf", False, True), REAL, 2),
    "silu": Act(lambda: _span("-0.0998394", "1.0998394"), _span("-0.2784646", "inf", False, True), REAL, 2),
    "sin": Act(lambda: _BETWEEN, _BETWEEN, REAL, 2),
}  # fmt: skip


def nearby(function: Callable[..., float], *arguments: float) -> tuple[Number, Number]:
    """Bounds of a value that the C library computes."""
    try:
        value = function(*arguments)
    except OverflowError:
        value = inf
    if math.isinf(value):
        top = Fraction(float_info.max)
        return (top, inf) if value > 0 else (-inf, -top)
    margin = Fraction(abs(value)) / 2**48 + Fraction(1, 2**51)
    return Fraction(value) - margin, Fraction(value) + margin


def registered(name: str, options: list[float], argument: Span) -> Elementwise | None:
    """A registered function for arguments in `argument`; None outside its domain."""
    act = ACTS[name]
    if not argument.within(act.domain) or (name == "leaky_relu" and not options[0] > 0):
        return None
    slope, values = act.slope(*options), act.image
    if act.value is not None and act.derivative is not None:
        slopes = [nearby(act.derivative, t, *options) for t in act.turns if argument.lo < t < argument.hi]
        ends: list[Number] = []
        for side, end in enumerate(argument[:2]):
            limit, outer = exact(act.ends(*options)[side]), act.image[side]
            reached = not math.isinf(end) and Span(end, end).within(act.domain)
            slopes.append(nearby(act.derivative, float(end), *options) if reached else (limit, limit))
            ends.append(nearby(act.value, float(end), *options)[side] if reached else outer)
        if slope.lo >= 0:  # the function rises: its values lie between those at the ends
            values = Span(ends[0], ends[1], True, True).inside(act.image)
        slope = Span(min(low for low, _ in slopes), max(high for _, high in slopes)).inside(slope)
    return Elementwise(slope, values, act.image, act.domain, act.smooth)
