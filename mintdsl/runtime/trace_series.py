"""log det(I + J) of a layer x + g(x) as tr J - tr J^2 / 2 + tr J^3 / 3 - ..., truncated or by Russian roulette.

Of a layer h(x) + g(x) with slopes of h around a divisor d it is that of the layer over d, and D log |d|.

With |J| <= L < 1 in the 2-norm the terms fall like D L^k / k. The gradient is the Neumann series tr(sum (-J)^k dJ),
of which one product w' dJ v is differentiated at the end: memory does not grow with the number of terms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

TRACE_LIMIT = 4096


class TraceSeries(NamedTuple):
    """How a log-det is estimated: `terms` are always taken, each further one with probability `keep`.

    Traces are those of `probes` random vectors with entries -1 and 1, or exact ones where that is 0: D products a term.
    """

    terms: int
    keep: float = 0.0
    probes: int = 1


def drawn_terms(how: TraceSeries, generator: torch.Generator | None = None) -> int:
    """How many terms this call takes: n, and k more or at least that with probability keep^k."""
    if not how.keep:
        return how.terms
    u = 1.0 - float(torch.rand((), dtype=torch.float64, generator=generator, device="cpu"))
    return how.terms + int(math.log(u) / math.log(how.keep))


def probe_vectors(how: TraceSeries, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """[m, B, *event]: -1 and 1 at random, for each sample anew; or all D unit vectors."""
    if how.probes:
        bits = torch.randint(0, 2, (how.probes, *x.shape), generator=generator, device=x.device)
        return bits.to(x.dtype) * 2 - 1
    size = math.prod(x.shape[1:])
    if size > TRACE_LIMIT:
        raise ValueError(f"`probes = 0` takes exact traces, for at most {TRACE_LIMIT} elements; there are {size}")
    unit = torch.eye(size, dtype=x.dtype, device=x.device)
    return unit.reshape(size, 1, *x.shape[1:]).expand(size, *x.shape)


def transposed_branch(value: Callable[[Tensor], Tensor], x: Tensor, divisor: float) -> Callable[[Tensor], Tensor]:
    """w -> J' w for w [m, B, *event], J the Jacobian of value(x) / divisor - x at x."""
    pull: Callable[[Tensor], tuple[Tensor]] = torch.func.vjp(value, x)[1]

    def one(w: Tensor) -> Tensor:
        return pull(w)[0] / divisor - w

    return lambda w: one(w[0])[None] if len(w) == 1 else torch.vmap(one)(w)


def series_log_det(
    value: Callable[[Tensor], Tensor],
    x: Tensor,
    how: TraceSeries,
    divisor: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """An estimate [B] of log |det| of the Jacobian of `value` at x [B, *event]; float32 at least.

    It is D log |divisor| and the series of the Jacobian over the divisor, whose distance to I is less than 1.
    A batch shares the number of terms, all terms have the same probes. Random numbers are torch's own, or those of a
    generator on the device of x, where the number of terms is drawn too.
    """
    if not x.shape[0]:
        return x.flatten(1).sum(1)
    wide = torch.promote_types(x.dtype, torch.float32)
    count, v = drawn_terms(how, generator), probe_vectors(how, x, generator)
    share = 1.0 / max(how.probes, 1)

    def traces(w: Tensor) -> Tensor:
        products: Tensor = (w * v).to(wide).flatten(2)
        return share * products.sum((0, 2))

    with torch.no_grad():
        times, w = transposed_branch(value, x, divisor), v
        total, adjoint, weight = torch.zeros(x.shape[0], dtype=wide, device=x.device), torch.zeros_like(v), 1.0
        for k in range(1, count + 1):
            weight = -weight if k > 1 else weight
            if k > how.terms:
                weight = weight / how.keep  # by the probability that the term is taken
            adjoint = adjoint + weight * w
            w = times(w)
            total = total + (weight / k) * traces(w)
        total = total + x[0].numel() * math.log(abs(divisor))
    if not torch.is_grad_enabled():
        return total
    # counts as zero; its gradient is that of tr(adjoint dJ)
    slope = traces(transposed_branch(value, x, divisor)(adjoint))
    return total + (slope - slope.detach())


def series_rest(contraction: float, terms: int) -> float:
    """A bound of the sum over k > n of L^k / k, rounded upwards: what n terms miss, in nats for each dimension."""
    power, total, k = contraction**terms, 0.0, terms
    while True:
        k, power = k + 1, power * contraction
        beyond = power / (k * (1.0 - contraction))
        if beyond <= 1e-16 * total or k > terms + 1000:
            return (total + beyond) * (1.0 + 1e-12) + 1e-300
        total += power / k


def roulette_variance(contraction: float, how: TraceSeries) -> float:
    """A bound of the variance that the number of terms makes, in nats^2 for D^2; inf unless keep > L^2."""
    ratio = contraction * contraction / how.keep
    if ratio >= 1.0:
        return math.inf
    weight, total, k = contraction ** (2 * how.terms), 0.0, how.terms
    while True:
        k, weight = k + 1, weight * ratio
        beyond = weight / (k * k * (1.0 - ratio))
        if beyond <= 1e-16 * total or k > how.terms + 1000:
            return (total + beyond) * (1.0 + contraction) / (1.0 - contraction) * (1.0 + 1e-12)
        total += weight / (k * k)


class LogDetBound(NamedTuple):
    """Of a layer whose log-det is estimated: bounds of its bias and of its standard deviation, in nats."""

    name: str
    how: TraceSeries
    contraction: float
    bias: float
    deviation: float

    def __str__(self) -> str:
        rest = f", each further one with probability {self.how.keep:g}" if self.how.keep else ""
        return (
            f"{self.name}: log_det of {self.how.terms} terms{rest}, lip(g) <= {self.contraction:g}: "
            f"bias <= {self.bias:.3e} nats, standard deviation <= {self.deviation:.3e} nats"
        )


def log_det_bounds(module: nn.Module) -> list[LogDetBound]:
    """What holds of the log-dets that are estimated in a module, for all inputs and weights."""
    found = []
    for path, layer in module.named_modules():
        how = getattr(layer, "log_det", None)
        if not isinstance(how, TraceSeries):
            continue
        contraction, size = float(layer.contraction), math.prod(layer.event_shape)
        bias = 0.0 if how.keep else size * series_rest(contraction, how.terms)
        probed = 2.0 * size / how.probes * math.log1p(-contraction) ** 2 if how.probes else 0.0
        rolled = size * size * roulette_variance(contraction, how) if how.keep else 0.0
        found.append(LogDetBound(path, how, contraction, bias, math.sqrt(probed + rolled)))
    return found
