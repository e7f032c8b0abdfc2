"""Mixtures of logistics by their definition, in numbers that carry gradients.

Ho, Chen, Srinivas, Duan, Abbeel, Flow++, ICML 2019, arXiv:1902.00275, equations 11 to 13: y = logit(F(x)), F(x) the sum
of softmax(logits)_k sigmoid((x - mean_k) exp(-log_scale_k)). Probabilities are kept as logarithms, so tails count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mintdsl.core.dual import Dual, combine

WIDEST = 16.0
"""Log-scales below -16 count as -16, those above 16 as 16."""


def mixed(x: Dual, logits: Sequence[Dual], means: Sequence[Dual], log_scales: Sequence[Dual]) -> Dual:
    """The logit of the distribution function at x."""
    within = [min(max(one.value, -WIDEST), WIDEST) for one in log_scales]
    steep = [math.exp(-s) for s in within]
    z = [(x.value - mean.value) * e for mean, e in zip(means, steep, strict=True)]
    below, shares = _log_sum([one.value + _log_sigmoid(v) for one, v in zip(logits, z, strict=True)])
    above, others = _log_sum([one.value + _log_sigmoid(-v) for one, v in zip(logits, z, strict=True)])
    terms: list[tuple[float, Dual]] = []
    for k, v in enumerate(z):
        by_z = shares[k] * math.exp(_log_sigmoid(-v)) + others[k] * math.exp(_log_sigmoid(v))
        terms += [(by_z * steep[k], x), (-by_z * steep[k], means[k]), (shares[k] - others[k], logits[k])]
        if within[k] == log_scales[k].value:
            terms.append((-by_z * v, log_scales[k]))
    return Dual(below - above, combine(terms).gradient)


def _log_sigmoid(v: float) -> float:
    return min(v, 0.0) - math.log1p(math.exp(-abs(v)))


def _log_sum(values: Sequence[float]) -> tuple[float, list[float]]:
    """log of the sum of exp, and the share of each term."""
    top = max(values)
    powers = [math.exp(value - top) for value in values]
    total = sum(powers)
    return top + math.log(total), [power / total for power in powers]
