"""The registry of constraints (`with diag >= m`) and of the parametrisations that keep them (`via abs`).

A parametrisation maps every finite raw number into the constraint's set. Its value is written here once in plain
Python for the interpreter; `runtime` names the tensor version of `mintdsl.runtime.parametrise`, written
separately, so that the two check each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from mintdsl.core.interval import NONNEGATIVE, ONE, POSITIVE, Interval
from mintdsl.records import record

TINY = 2.0**-20


@record
class Parametrisation:
    """How raw numbers become values: `value(raw, bounds...)`; `signed` ones multiply a stored sign buffer.

    An `assumed` one keeps nothing: the value is stored as it is, the proof holds while it is in the set, and the module
    tests that. A `circular` one keeps the determinant of a convolution with a circular boundary too, a
    `low_rank` one that of I + U V. A `joint` one divides the values by their length as a vector. One of `lip` bounds
    the norm of the order `norm`: 2, 1 (largest sum of a column) or inf (of a row).
    """

    name: str
    formula: str
    runtime: str
    value: Callable[..., float]
    signed: bool = False
    assumed: bool = False
    circular: bool = False
    low_rank: bool = False
    joint: bool = False
    norm: float = 0.0
    ready: bool = True


@record
class Constraint:
    """What `with QUANTITY CMP bound` means, and the parametrisations that keep it, the default first.

    `bounds` counts the numbers it takes from the program; a lower and an upper bound on one parameter are the
    one constraint `>= and <=`.
    """

    quantity: str
    cmp: str
    text: str
    interval: Callable[..., Interval]
    via: tuple[Parametrisation, ...]
    bounds: int = 0
    ready: bool = True


def _softplus(v: float) -> float:
    return max(v, 0.0) + math.log1p(math.exp(-abs(v)))


def _factor(v: float) -> float:
    """The magnitude of a diagonal entry of a triangular factor."""
    return TINY + _softplus(v)


def _exp(v: float) -> float:
    return math.exp(min(max(v, -60.0), 60.0))


def _between(v: float, m: float, top: float) -> float:
    s = 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))
    return min(max(m + (top - m) * s, m), top)


def _cut(v: float, c: float) -> float:
    """A scale, and a map of one entry, kept at a norm of at most c."""
    return min(max(v, -c), c)


_ALL = (
    Constraint(
        "diag",
        ">=",
        "diag >= m, m > 0",
        lambda m: Interval(m, math.inf),
        (
            Parametrisation("softplus", "m + softplus(r)", "at_least_softplus", lambda r, m: m + _softplus(r)),
            Parametrisation("abs", "max(|r|, m)", "at_least_abs", lambda r, m: max(abs(r), m)),
            Parametrisation("exp", "m + exp(clip r)", "at_least_exp", lambda r, m: m + _exp(r)),
        ),
        bounds=1,
    ),
    Constraint(
        "diag",
        "> 0",
        "diag > 0",
        lambda: POSITIVE,
        (
            Parametrisation("softplus", "2^-20 + softplus(r)", "positive_softplus", lambda r: TINY + _softplus(r)),
            Parametrisation("exp", "exp(clip r)", "positive_exp", _exp),
        ),
    ),
    Constraint(
        "diag",
        ">= 0",
        "diag >= 0",
        lambda: NONNEGATIVE,
        (
            Parametrisation("abs", "|r|", "nonnegative_abs", abs),
            Parametrisation("square", "r^2", "nonnegative_square", lambda r: r * r),
        ),
    ),
    Constraint(
        "diag",
        "!= 0",
        "diag != 0",
        lambda: POSITIVE,  # of the magnitude; the sign is an atom
        (
            Parametrisation(
                "signed", "sign * (2^-20 + softplus(r))", "nonzero_signed", lambda r: TINY + _softplus(r), signed=True
            ),
            Parametrisation("signed_exp", "sign * exp(clip r)", "nonzero_signed_exp", _exp, signed=True),
            Parametrisation("raw", "r, a checked assumption", "", lambda r: r, assumed=True),
        ),
    ),
    Constraint("diag", "== 1", "diag == 1", lambda: ONE, (Parametrisation("unit", "1", "", lambda r: 1.0),)),
    Constraint(
        "diag",
        ">= <=",
        "diag >= m, diag <= M",
        lambda m, top: Interval(m, top),
        (Parametrisation("sigmoid", "m + (M - m) sigmoid(r)", "between_sigmoid", _between),),
        bounds=2,
    ),
    Constraint(
        "det",
        "!= 0",
        "det != 0",
        lambda: POSITIVE,  # of the magnitude
        (
            Parametrisation(
                "plu", "P L U, P fixed, diag(L) = 1, diag(U) signed", "nonzero_signed", _factor, signed=True
            ),
            Parametrisation("qr", "Q R, Q of reflections, diag(R) signed", "nonzero_signed", _factor, signed=True),
            Parametrisation("lower", "lower triangular, diagonal signed", "nonzero_signed", _factor, signed=True),
            Parametrisation("upper", "upper triangular, diagonal signed", "nonzero_signed", _factor, signed=True),
            Parametrisation(
                "woodbury",
                "of a map with a rank: Q [[K, V], [0, I]] Q', Q of reflections, K as by qr",
                "nonzero_signed",
                _factor,
                signed=True,
                low_rank=True,
            ),
            Parametrisation(
                "raw", "r, a checked assumption", "", lambda r: r, assumed=True, circular=True, low_rank=True
            ),
            Parametrisation(
                "dominant",
                "of a kernel: Q D at the anchor as by householder, norms of all other taps at most 1/2 in sum",
                "signs_only",
                lambda r: 1.0,
                signed=True,
                circular=True,
            ),
        ),
    ),
    Constraint(
        "det",
        "== 1",
        "det == 1",  # householder: of the magnitude
        lambda: ONE,
        (
            Parametrisation("unit_lower", "lower triangular, diagonal 1", "", lambda r: 1.0),
            Parametrisation("unit_upper", "upper triangular, diagonal 1", "", lambda r: 1.0),
            Parametrisation(
                "householder", "Q D, Q of reflections, D of signs: |det| = 1", "signs_only", lambda r: 1.0, signed=True
            ),
        ),
    ),
    Constraint(
        "lip",
        "<=",
        "lip <= c, c > 0",
        lambda c: Interval(0, c),  # of the magnitude of each entry
        (
            Parametrisation(
                "spectral",
                "W min(1, c / s), s >= norm of W; of a scale: cut to [-c, c]",
                "spectral_scale",
                _cut,
                norm=2.0,
            ),
            Parametrisation(
                "rows",
                "each row, an output, by min(1, c / s), s its sum of |W|: the norm of the maximum",
                "rows_below",
                _cut,
                norm=math.inf,
            ),
            Parametrisation(
                "columns",
                "each column, an input, by min(1, c / s), s its sum of |W|: the norm of sums",
                "columns_below",
                _cut,
                norm=1.0,
            ),
        ),
        bounds=1,
    ),
    Constraint(
        "length",
        "== 1",
        "length == 1",
        lambda: Interval(0, 1),  # of each entry; the squares of all add up to 1, rounded down
        (Parametrisation("softplus", "v / |v|, v = 2^-20 + softplus(r)", "unit_softplus", _factor, joint=True),),
    ),
)

CONSTRAINTS: tuple[Constraint, ...] = _ALL


def kept_by(quantity: str, cmp: str, via: str) -> Parametrisation:
    """The parametrisation `via` of a registered constraint."""
    constraint = next(c for c in CONSTRAINTS if c.quantity == quantity and c.cmp == cmp)
    return next(v for v in constraint.via if v.name == via)
