"""The rules for log-dets of residual sums that are not computed exactly: truncated series, and Russian roulette.

log det(I + J) = tr J - tr J^2 / 2 + tr J^3 / 3 - ..., and |tr J^k| <= D L^k where L < 1 bounds the 2-norm of J. All
bounds are of nats for each of the D dimensions, and rounded outwards.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Context
from fractions import Fraction
from math import inf, isinf, log1p, sqrt

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.claim_words import kind_of_log_det
from mintdsl.core.interval import number
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.rules.model import Rule
from mintdsl.records import record
from mintdsl.source import Span

LN2 = 0.6931471805599453  # a little less than log(2)
STEPS = 1000
"""Terms of the rest of a series that are added up; what follows them is bounded by a geometric series."""
SLACK = 1.0 + 1e-12
"""Makes up for the rounding of a thousand operations on positive numbers."""
UPWARDS = Context(prec=4, rounding=ROUND_CEILING)


@record
class Estimate:
    """How a log-det is estimated at a use, with what the proof decides: `terms` that are always taken, and the
    probability `keep` of each further one, 0 where there is none. `bias` bounds what truncation misses, in nats for
    each dimension; `contraction` is the L of the layer."""

    terms: int
    keep: float
    probes: int
    contraction: float
    bias: float

    @property
    def noisy(self) -> bool:
        """Whether it is random."""
        return self.keep > 0 or self.probes > 0

    @property
    def kind(self) -> str:
        """The kind of the log-det."""
        return kind_of_log_det(biased=self.bias > 0, noisy=self.noisy)

    @property
    def said(self) -> str:
        """What holds of it, in words."""
        traces = f"{self.probes} probe{'s' * (self.probes != 1)}" if self.probes else "exact traces"
        count = f"{self.terms} term{'s' * (self.terms != 1)}"
        if self.keep:
            found = [f"{count}, then each further one with probability {number(self.keep)}", traces, "unbiased"]
        else:
            found = [count, traces, f"bias <= {bits_per_dim(self.bias)} ({upwards(self.bias)} nats/dim)"]
        rolled, probed = deviations(self)
        parts = [f"{upwards(rolled)} D"] * (rolled > 0) + [f"{upwards(probed)} sqrt(D)"] * (probed > 0)
        if parts:
            found.append(f"standard deviation <= {' + '.join(parts)} nats")
        return ", ".join(found)


def bits_per_dim(nats: float) -> str:
    """A bound of nats for each dimension, in bits."""
    return f"{upwards(nats / LN2 * SLACK)} bits/dim"


def upwards(value: float) -> str:
    """A bound with four digits, not below it."""
    return f"{float(UPWARDS.create_decimal(value)):.4g}"


def rest(contraction: float, terms: int) -> float:
    """A bound of the sum over k > n of L^k / k: what a series of n terms misses, in nats for each dimension."""
    power, total, k = contraction**terms, 0.0, terms
    while True:
        k, power = k + 1, power * contraction
        beyond = power / (k * (1.0 - contraction))  # that of this term on
        if beyond <= 1e-16 * total or k > terms + STEPS:
            return (total + beyond) * SLACK + 1e-300  # an underflow is no 0
        total += power / k


def terms_for(contraction: float, bias: float) -> int:
    """The least number of terms whose rest is at most `bias`; 0 where the most that are allowed miss more."""
    low, high = 0, 1
    while rest(contraction, high) > bias:
        if high >= limits.SERIES.most:
            return 0
        low, high = high, min(2 * high, limits.SERIES.most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if rest(contraction, middle) <= bias else (middle, high)
    return high


def deviations(estimate: Estimate) -> tuple[float, float]:
    """Bounds of the standard deviation in nats: of the number of terms, a multiple of D, and of the probes, one of
    sqrt(D)."""
    contraction, keep = estimate.contraction, estimate.keep
    rolled, probed = 0.0, 0.0
    if estimate.probes:
        probed = sqrt(2.0 / estimate.probes) * -log1p(-contraction) * SLACK
    if keep:
        ratio, weight = contraction * contraction / keep, contraction ** (2 * estimate.terms)
        if ratio >= 1.0:  # to within rounding
            return inf, probed
        for k in range(estimate.terms + 1, estimate.terms + STEPS + 1):
            weight *= ratio
            rolled += weight / (k * k)
        rolled += weight * ratio / ((1.0 - ratio) * (k + 1) ** 2)
        rolled = sqrt(rolled * (1.0 + contraction) / (1.0 - contraction)) * SLACK
    return rolled, probed


def estimated(how: ir.LogDet, contraction: float) -> Estimate | Diagnostic:
    """Rules SERIES and ROULETTE: what holds of a log-det that a use asks for, the layer's branch has lip <= L."""
    if how.kind == "series":
        terms = how.terms or terms_for(contraction, how.bits * LN2)
        if not terms:
            return _too_many(how, contraction)
        return Estimate(terms, 0.0, how.probes, contraction, rest(contraction, terms))
    square = Fraction(contraction) ** 2
    keep = how.keep or (1.0 + contraction * contraction) / 2.0
    if not square < Fraction(keep) < 1:
        return _stops_early(how.span, keep, contraction)
    return Estimate(how.terms, keep, how.probes, contraction, 0.0)


def _too_many(how: ir.LogDet, contraction: float) -> Diagnostic:
    most = limits.SERIES.most
    reached = bits_per_dim(rest(contraction, most))
    return Diagnostic(
        "E0305",
        f"{limits.SERIES.shown} terms of the series miss up to {reached}, more than {how.bits:g}",
        (Label(how.span, f"for the proved lip(g) <= {number(contraction)}", primary=True),),
        (),
        (Fix("lower the bounds of the branch, or use `roulette`, which is unbiased"),),
    )


def _stops_early(span: Span, keep: float, contraction: float) -> Diagnostic:
    square = contraction * contraction
    return Diagnostic(
        "E0612",
        f"a roulette with keep = {number(keep)} has no finite variance: it needs keep > L^2 = {number(square)}",
        (Label(span, f"for the proved lip(g) <= L = {number(contraction)}", primary=True),),
        ("the weight of term k grows like 1 / keep^k, its square falls like L^(2k) only: so the gradient's variance",),
        (Fix("leave `keep` out: (1 + L^2) / 2 is taken then"),),
    )


def total_bias(bias: float, count: int | None) -> float:
    """A bound of the sum of `count` equal biases; None where their number is not known."""
    return 0.0 if bias == 0 else inf if count is None or isinf(bias) else bias * count * SLACK


def added_bias(first: float, second: float) -> float:
    """A bound of the sum of two biases."""
    return max(first, second) if not first or not second else (first + second) * SLACK


def _example(how: str) -> str:
    return (
        "mint 1\nlayer Example on Vec[D] ensures invertible {\n  param V : linear with lip <= 0.5\n"
        "  map x -> x + V(tanh(x))\n}\n"
        f"flow Flow on Vec[6] ensures invertible {{ Example log_det {how}  prior normal }}\n"
    )


SERIES = Rule(
    "SERIES",
    "f = x + g, lip(g) <= L < 1   =>   |log det J_f - sum_{k <= n} (-1)^(k+1) tr J_g^k / k| <= D sum_{k > n} L^k / k",
    "L bounds g in the 2-norm; with m random probes instead of exact traces this bounds the bias, and the standard "
    "deviation is at most sqrt(2 D / m) |log(1 - L)|; differentiable almost everywhere",
    "Behrmann, Grathwohl, Chen, Duvenaud, Jacobsen, Invertible Residual Networks, ICML 2019, arXiv:1811.00995, "
    "theorem 4",
    estimated,
    _example("series(terms = 20)"),
    _example("series(bits_per_dim <= 1e-3)").replace("lip <= 0.5", "lip <= 0.9999999"),
)
ROULETTE = Rule(
    "ROULETTE",
    "f = x + g, lip(g) <= L < 1, L^2 < q < 1, P(N >= k) = q^(k-n) for k > n   =>   sum_{k <= N} (-1)^(k+1) tr J_g^k / "
    "(k P(N >= k)) is unbiased for log det J_f, with finite variance of value and gradient",
    "L bounds g in the 2-norm; the gradient's terms have no 1 / k, so q = L^2 is not enough for it",
    "Chen, Behrmann, Duvenaud, Jacobsen, Residual Flows for Invertible Generative Modeling, NeurIPS 2019, "
    "arXiv:1906.02735",
    deviations,
    _example("roulette(first = 4, keep = 0.5)"),
    _example("roulette(first = 4, keep = 0.25)"),
)
RULES = (SERIES, ROULETTE)
