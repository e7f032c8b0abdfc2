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

TRUSTED = (
    "reading: the statement, which is compared with the spec read anew, is what its author means",
    "masks: a masked map keeps exactly the entries later (upper: earlier) in the declared order, and its diagonal",
    "parametrisations: each keeps its set in floating point, for every raw value of every dtype",
    "activations: the slopes, images, domains and smoothness in the kernel's own table",
    "numbers: values computed from the C library's functions are within sixteen rounding units, or 4e-16",
    "rules: as `mint list rules` states and cites them, over the real numbers",
)
FREE_SIGN, ASSUMED = ("signed", "signed_exp", "raw"), ("raw",)
INVERSES, LOG_DETS = ("closed_form", "elementwise", "iterative"), ("exact", "none")

SETS: Mapping[str, Callable[..., Span]] = {
    ">=": lambda m: Span(m, inf, False, True),
    "> 0": lambda: POSITIVE,
    ">= 0": lambda: NONNEGATIVE,
    "!= 0": lambda: POSITIVE,
    "== 1": lambda: ONE,
    ">= <=": lambda m, top: Span(m, top),
}


class Act(NamedTuple):
    """Slope everywhere, image, domain, smoothness; value, derivative, its turns, and it at the ends of the domain."""

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
    "gelu": Act(lambda: _span("-0.12905", "1.12905"), _span("-0.17005", "inf", False, True), REAL, 2),
    "silu": Act(lambda: _span("-0.09984", "1.09984"), _span("-0.27847", "inf", False, True), REAL, 2),
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


def act_on(name: str, options: list[float], argument: Span) -> tuple[Span, Span] | None:
    """Slope and values of a registered activation for arguments in `argument`; None outside its domain."""
    act = ACTS[name]
    if not argument.within(act.domain) or (name == "leaky_relu" and not options[0] > 0):
        return None
    slope, values = act.slope(*options), act.image
    if act.value is None or act.derivative is None:
        return slope, values
    found = [nearby(act.derivative, t, *options) for t in act.turns if argument.lo < t < argument.hi]
    ends: list[tuple[Number, bool]] = []
    for side, end in enumerate(argument[:2]):
        reached = not math.isinf(end) and Span(end, end).within(act.domain)
        limit = exact(act.ends(*options)[side])
        found.append(nearby(act.derivative, float(end), *options) if reached else (limit, limit))
        outer = (act.image.lo, act.image.hi)[side]
        value = nearby(act.value, float(end), *options)[side] if reached else outer
        ends.append((value, (argument.lo_open, argument.hi_open)[side] or not reached))
    if slope.lo >= 0:
        (lo, lo_open), (hi, hi_open) = ends
        values = Span(lo, hi, lo_open, hi_open).inside(act.image)
    return Span(min(d[0] for d in found), max(d[1] for d in found)).inside(slope), values
