"""The rules for log-dets of residual sums and Cayley maps that are not computed exactly: truncated series, and Russian
roulette.

log det(I + J) = tr J - tr J^2 / 2 + tr J^3 / 3 - ..., and |tr J^k| <= D L^k where L < 1 bounds a norm of J that belongs
to one of vectors, as no eigenvalue is larger. Of a Cayley map log det(I - J) - log det(I + J) = -2 (tr J + tr J^3 / 3 +
...): odd powers only. All bounds are of nats for each of the D dimensions, and rounded outwards.

Probes v of entries -1 and 1 hold in the 2-norm, the 1-norm and the maximum norm alike: |v' J^k v| is at most D L^k, by
Cauchy and Schwarz, or as |v|_1 = D and |v|_inf = 1; and the squares of the entries of J^k add up to at most D L^(2k):
in the 2-norm as those of its D singular values do, in the others since those of a column, or of a row, have a sum of
absolute values of at most L^k.
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
    each dimension; `contraction` is the L of the layer, `odd` says that the series is that of a Cayley map."""

    terms: int
    keep: float
    probes: int
    contraction: float
    bias: float
    odd: bool = False

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


def rest(contraction: float, terms: int, *, odd: bool = False) -> float:
    """A bound of the sum over k > n of L^k / k: what a series of n terms misses, in nats for each dimension.

    With `odd`, that of 2 L^k / k over the odd k > 2 n.
    """
    step, gap = (2, (1.0 - contraction) * (1.0 + contraction)) if odd else (1, 1.0 - contraction)
    k, ratio, last = step * terms + 1 - step, contraction**step, step * (terms + STEPS)
    power, total = step * contraction**k, 0.0
    while True:
        k, power = k + step, power * ratio
        beyond = power / (k * gap)  # that of this term on
        if beyond <= 1e-16 * total or k > last:
            return (total + beyond) * SLACK + 1e-300  # an underflow is no 0
        total += power / k


def terms_for(contraction: float, bias: float, *, odd: bool = False) -> int:
    """The least number of terms whose rest is at most `bias`; 0 where the most that are allowed miss more."""
    low, high = 0, 1
    while rest(contraction, high, odd=odd) > bias:
        if high >= limits.SERIES.most:
            return 0
        low, high = high, min(2 * high, limits.SERIES.most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if rest(contraction, middle, odd=odd) <= bias else (middle, high)
    return high


def deviations(estimate: Estimate) -> tuple[float, float]:
    """Bounds of the standard deviation in nats: of the number of terms, a multiple of D, and of the probes, one of
    sqrt(D)."""
    contraction, keep, odd = estimate.contraction, estimate.keep, estimate.odd
    rolled, probed = 0.0, 0.0
    if estimate.probes:
        steep = log1p(contraction) - log1p(-contraction) if odd else -log1p(-contraction)
        probed = sqrt(2.0 / estimate.probes) * steep * SLACK
    if keep:
        step = contraction * contraction if odd else contraction  # from one term to the next
        gap = (1.0 - contraction) * (1.0 + contraction * odd)  # 1 - step
        weight = 4.0 * contraction ** (4 * estimate.terms - 2) if odd else contraction ** (2 * estimate.terms)
        ratio = step * step / keep
        if ratio >= 1.0:  # to within rounding
            return inf, probed
        for k in range(estimate.terms + 1, estimate.terms + STEPS + 1):
            weight *= ratio
            rolled += weight / (2 * k - 1 if odd else k) ** 2
        rolled += weight * ratio / ((1.0 - ratio) * (2 * k + 1 if odd else k + 1) ** 2)
        rolled = sqrt(rolled * (1.0 + step) / gap) * SLACK
    return rolled, probed


def estimated(how: ir.LogDet, contraction: float, *, odd: bool = False) -> Estimate | Diagnostic:
    """Rules SERIES and ROULETTE: what holds of a log-det that a use asks for, the layer's branch has lip <= L.

    `odd`: of a Cayley map.
    """
    if how.kind == "series":
        terms = how.terms or terms_for(contraction, how.bits * LN2, odd=odd)
        if not terms:
            return _too_many(how, contraction, odd=odd)
        return Estimate(terms, 0.0, how.probes, contraction, rest(contraction, terms, odd=odd), odd)
    power = 4 if odd else 2
    keep = how.keep or (1.0 + contraction**power) / 2.0
    if not Fraction(contraction) ** power < Fraction(keep) < 1:
        return _stops_early(how.span, keep, contraction, power)
    return Estimate(how.terms, keep, how.probes, contraction, 0.0, odd)


def _too_many(how: ir.LogDet, contraction: float, *, odd: bool) -> Diagnostic:
    most = limits.SERIES.most
    reached = bits_per_dim(rest(contraction, most, odd=odd))
    return Diagnostic(
        "E0305",
        f"{limits.SERIES.shown} terms of the series miss up to {reached}, more than {how.bits:g}",
        (Label(how.span, f"for the proved lip(g) <= {number(contraction)}", primary=True),),
        (),
        (Fix("lower the bounds of the branch, or use `roulette`, which is unbiased"),),
    )


def _stops_early(span: Span, keep: float, contraction: float, power: int) -> Diagnostic:
    least = contraction**power
    return Diagnostic(
        "E0612",
        f"a roulette with keep = {number(keep)} has no finite variance: it needs keep > L^{power} = {number(least)}",
        (Label(span, f"for the proved lip(g) <= L = {number(contraction)}", primary=True),),
        (
            f"the weight of term k grows like 1 / keep^k, its square falls like L^({power}k) only: so the gradient's "
            "variance",
        ),
        (Fix(f"leave `keep` out: (1 + L^{power}) / 2 is taken then"),),
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
    "f = x + g, lip(g) <= L < 1   =>   |log det J_f - sum_{k <= n} (-1)^(k+1) tr J_g^k / k| <= D sum_{k > n} L^k / k; "
    "  f = (I - g)(I + g)^-1   =>   |log det J_f + 2 sum_{k <= n} tr G^(2k-1) / (2k-1)| <= 2 D sum_{k > n} L^(2k-1) / "
    "(2k-1), G as in rule CAYLEY",
    "L bounds g in the 2-norm, the 1-norm or the maximum norm; with m random probes instead of exact traces this "
    "bounds the bias, and the standard deviation is at most sqrt(2 D / m) |log(1 - L)|, of a Cayley map sqrt(2 D / m) "
    "log((1 + L) / (1 - L)); "
    "differentiable almost everywhere",
    "Behrmann, Grathwohl, Chen, Duvenaud, Jacobsen, Invertible Residual Networks, ICML 2019, arXiv:1811.00995, "
    "theorem 4",
    estimated,
    _example("series(terms = 20)"),
    _example("series(bits_per_dim <= 1e-3)").replace("lip <= 0.5", "lip <= 0.9999999"),
)
ROULETTE = Rule(
    "ROULETTE",
    "f = x + g, lip(g) <= L < 1, L^2 < q < 1, P(N >= k) = q^(k-n) for k > n   =>   sum_{k <= N} (-1)^(k+1) tr J_g^k / "
    "(k P(N >= k)) is unbiased for log det J_f, with finite variance of value and gradient; of a Cayley map likewise, "
    "with its terms, where L^4 < q",
    "L bounds g in the 2-norm, the 1-norm or the maximum norm; the gradient's terms have no 1 / k, so q = L^2 is not "
    "enough for it",
    "Chen, Behrmann, Duvenaud, Jacobsen, Residual Flows for Invertible Generative Modeling, NeurIPS 2019, "
    "arXiv:1906.02735",
    deviations,
    _example("roulette(first = 4, keep = 0.5)"),
    _example("roulette(first = 4, keep = 0.25)"),
)
RULES = (SERIES, ROULETTE)
