"""The registry of elementwise functions: their facts, and their values in plain Python.

The facts (slope, image, domain) are theorems about the functions on the real line; the checker rests on them.
An activation that a program defines by an expression gets its facts from these by the interval rules.
`runtime` names the function of `mintdsl.runtime.activations` that the generated module uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from math import inf

from mintdsl.core.interval import NONNEGATIVE, ONE, POSITIVE, REAL, UNIT, Interval
from mintdsl.core.options import Option, real
from mintdsl.records import record


@record
class Activation:
    """One elementwise function; facts are functions of its options (in the order of `options`).

    `turns` are the places where its derivative stops rising or falling (None: not known), and `ends` the derivative
    at the lower and upper end of the domain; together they bound the slope on a part of the domain.
    """

    name: str
    formula: str
    slope: Callable[..., Interval]
    image: Interval
    value: Callable[..., float]
    derivative: Callable[..., float]
    domain: Interval = REAL
    options: tuple[Option, ...] = ()
    smooth: str = "analytic"
    turns: tuple[float, ...] | None = None
    ends: Callable[..., tuple[float, float]] = lambda *_: (-inf, inf)

    def slope_bounds(self, options: tuple[float, ...]) -> Interval:
        """Bounds of all difference quotients on the domain."""
        return self.slope(*options)

    def slope_on(self, argument: Interval, options: tuple[float, ...]) -> Interval:
        """Bounds of all difference quotients between arguments in `argument`."""
        whole = self.slope_bounds(options)
        if self.turns is None:
            return whole
        found = [self.derivative(t, *options) for t in self.turns if argument.lo < t < argument.hi]
        for end, limit in zip((argument.lo + 0.0, argument.hi + 0.0), self.ends(*options), strict=True):
            inside = not math.isinf(end) and Interval(end, end).within(self.domain)
            found.append(self.derivative(end, *options) if inside else limit)
        lo, hi = _outwards(min(found), -inf), _outwards(max(found), inf)
        lo, lo_open = (whole.lo, whole.lo_open) if lo <= whole.lo else (lo, False)
        hi, hi_open = (whole.hi, whole.hi_open) if hi >= whole.hi else (hi, False)
        return Interval(lo, hi, lo_open, hi_open)

    def image_of(self, argument: Interval, options: tuple[float, ...]) -> Interval:
        """Bounds of the values for arguments in `argument`; exact ends only for monotone functions."""
        slope = self.slope_bounds(options)
        if not (slope.nonnegative or slope.nonpositive):
            return self.image
        ends = [(argument.lo, argument.lo_open, self.image.lo), (argument.hi, argument.hi_open, self.image.hi)]
        if slope.nonpositive and not slope.nonnegative:
            return self.image
        bounds = []
        for (end, is_open, limit), towards in zip(ends, (-inf, inf), strict=True):
            if math.isinf(end) or not Interval(end, end).within(self.domain):
                bounds.append((limit, True))
            else:
                bounds.append((_outwards(self.value(end, *options), towards), is_open))
        (lo, lo_open), (hi, hi_open) = bounds
        whole = self.image
        lo, lo_open = (whole.lo, whole.lo_open) if lo <= whole.lo else (lo, lo_open)
        hi, hi_open = (whole.hi, whole.hi_open) if hi >= whole.hi else (hi, hi_open)
        return Interval(lo, hi, lo_open, hi_open)


def _outwards(value: float, towards: float) -> float:
    """A bound of the exact value, a few roundings away from the computed one; 1e308 is below every overflow."""
    if math.isinf(value):
        return value if (value > 0) == (towards > 0) else math.copysign(1e308, value)
    margin = 1e-14 * abs(value) + 1e-15
    return value + margin if towards > 0 else value - margin


def _sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))


def _softplus(v: float) -> float:
    return max(v, 0.0) + math.log1p(math.exp(-abs(v)))


def _phi(v: float) -> float:
    return 0.5 * math.erfc(-v / math.sqrt(2))


def _gelu_slope(v: float) -> float:
    return _phi(v) + v * math.exp(-v * v / 2) / math.sqrt(2 * math.pi)


def _silu_slope(v: float) -> float:
    s = _sigmoid(v)
    return s * (1 + v * (1 - s))


def _exp(v: float) -> float:
    return math.exp(v) if v < 709.7 else inf


_ALL = (
    Activation("identity", "u", lambda: ONE, REAL, lambda v: v, lambda v: 1.0, turns=(), ends=lambda: (1.0, 1.0)),
    Activation("exp", "exp(u)", lambda: POSITIVE, POSITIVE, _exp, _exp, turns=(), ends=lambda: (0.0, inf)),
    Activation(
        "log",
        "log(u)",
        lambda: POSITIVE,
        REAL,
        math.log,
        lambda v: 1 / v,
        domain=POSITIVE,
        turns=(),
        ends=lambda: (inf, 0.0),
    ),
    Activation(
        "abs",
        "|u|",
        lambda: Interval(-1, 1),
        NONNEGATIVE,
        abs,
        lambda v: math.copysign(1.0, v),
        smooth="kink at 0",
        turns=(),
        ends=lambda: (-1.0, 1.0),
    ),
    Activation(
        "elu",
        "u for u > 0, else exp(u) - 1",
        lambda: Interval(0, 1, lo_open=True),
        Interval(-1, inf, lo_open=True),
        lambda v: v if v > 0 else math.expm1(v),
        lambda v: 1.0 if v > 0 else math.exp(v),
        smooth="C1",
        turns=(),
        ends=lambda: (0.0, 1.0),
    ),
    Activation(
        "relu",
        "max(u, 0)",
        lambda: Interval(0, 1),
        NONNEGATIVE,
        lambda v: max(v, 0.0),
        lambda v: 1.0 if v > 0 else 0.0,
        smooth="kink at 0",
        turns=(),
        ends=lambda: (0.0, 1.0),
    ),
    Activation(
        "leaky_relu",
        "u for u > 0, else a u",
        lambda a: Interval(min(a, 1.0), max(a, 1.0)),
        REAL,
        lambda v, a: v if v > 0 else a * v,
        lambda v, a: 1.0 if v > 0 else a,
        options=(real("a", 0.01, positive=True),),
        smooth="kink at 0",
        turns=(),
        ends=lambda a: (a, 1.0),
    ),
    Activation(
        "softplus",
        "log(1 + exp(u))",
        lambda: Interval(0, 1, True, True),
        POSITIVE,
        _softplus,
        _sigmoid,
        turns=(),
        ends=lambda: (0.0, 1.0),
    ),
    Activation(
        "tanh",
        "tanh(u)",
        lambda: Interval(0, 1, lo_open=True),
        Interval(-1, 1, True, True),
        math.tanh,
        lambda v: 1 / math.cosh(v) ** 2 if abs(v) < 350 else 0.0,
        turns=(0.0,),
        ends=lambda: (0.0, 0.0),
    ),
    Activation(
        "sigmoid",
        "1 / (1 + exp(-u))",
        lambda: Interval(0, 0.25, lo_open=True),
        UNIT,
        _sigmoid,
        lambda v: _sigmoid(v) * _sigmoid(-v),
        turns=(0.0,),
        ends=lambda: (0.0, 0.0),
    ),
    Activation(
        "logit",
        "log(u / (1 - u))",
        lambda: Interval(4, inf),
        REAL,
        lambda v: math.log(v) - math.log1p(-v),
        lambda v: 1 / (v * (1 - v)),
        domain=UNIT,
        turns=(0.5,),
        ends=lambda: (inf, inf),
    ),
    Activation(
        "gelu",
        "u Phi(u)",
        lambda: Interval(-0.12905, 1.12905),
        Interval(-0.17005, inf),
        lambda v: v * _phi(v),
        _gelu_slope,
    ),
    Activation(
        "silu",
        "u sigmoid(u)",
        lambda: Interval(-0.09984, 1.09984),
        Interval(-0.27847, inf),
        lambda v: v * _sigmoid(v),
        _silu_slope,
    ),
    Activation("sin", "sin(u)", lambda: Interval(-1, 1), Interval(-1, 1), math.sin, math.cos),
)

ACTIVATIONS: dict[str, Activation] = {a.name: a for a in _ALL}
