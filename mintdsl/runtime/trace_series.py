"""log det(I + J) of a layer x + g(x) as tr J - tr J^2 / 2 + tr J^3 / 3 - ..., truncated or by Russian roulette.

Of a layer h(x) + g(x) with slopes of h around a divisor d it is that of the layer over d, and D log |d|. Of a Cayley
map (I - g)(I + g)^-1 it is log det(I - J) - log det(I + J) = -2 (tr J + tr J^3 / 3 + ...), J that of g: `odd`.

With |J| <= L < 1 in the norm of the layer the terms fall like D L^k / k. The gradient is the Neumann series tr(sum
(-J)^k dJ), of which one product w' dJ v is differentiated at the end: memory does not grow with the number of terms.
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
    odd: bool = False


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
    Of an odd series it is that of the Cayley map of value(x) - x. A batch shares the number of terms, all terms have
    the same probes. Random numbers are torch's own, or those of a generator on the device of x, where the number of
    terms is drawn too.
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
        total, adjoint = torch.zeros(x.shape[0], dtype=wide, device=x.device), torch.zeros_like(v)
        weight = -2.0 if how.odd else 1.0
        for k in range(1, count + 1):
            weight = -weight if k > 1 and not how.odd else weight
            w = times(w) if k > 1 and how.odd else w
            if k > how.terms:
                weight = weight / how.keep  # by the probability that the term is taken
            adjoint = adjoint + weight * w
            w = times(w)
            total = total + (weight / (2 * k - 1 if how.odd else k)) * traces(w)
        total = total + x[0].numel() * math.log(abs(divisor))
    if not torch.is_grad_enabled():
        return total
    # counts as zero; its gradient is that of tr(adjoint dJ)
    slope = traces(transposed_branch(value, x, divisor)(adjoint))
    return total + (slope - slope.detach())


def series_rest(contraction: float, terms: int, *, odd: bool = False) -> float:
    """A bound of the sum over k > n of L^k / k, rounded upwards: what n terms miss, in nats for each dimension.

    With `odd`, that of 2 L^k / k over the odd k > 2 n.
    """
    step, gap = (2, (1.0 - contraction) * (1.0 + contraction)) if odd else (1, 1.0 - contraction)
    k, total, last = step * terms + 1 - step, 0.0, step * (terms + 1000)
    power = step * contraction**k
    while True:
        k, power = k + step, power * contraction**step
        beyond = power / (k * gap)
        if beyond <= 1e-16 * total or k > last:
            return (total + beyond) * (1.0 + 1e-12) + 1e-300
        total += power / k


def roulette_variance(contraction: float, how: TraceSeries) -> float:
    """A bound of the variance that the number of terms makes, in nats^2 for D^2; inf unless keep > L^2."""
    step, gap = (2, (1.0 - contraction) * (1.0 + contraction)) if how.odd else (1, 1.0 - contraction)
    ratio = contraction ** (2 * step) / how.keep
    if ratio >= 1.0:
        return math.inf
    k, total, last = step * how.terms + 1 - step, 0.0, step * (how.terms + 1000)
    weight = step**2 * contraction ** (2 * k)
    while True:
        k, weight = k + step, weight * ratio
        beyond = weight / (k * k * (1.0 - ratio))
        if beyond <= 1e-16 * total or k > last:
            return (total + beyond) * (1.0 + contraction**step) / gap * (1.0 + 1e-12)
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
        bias = 0.0 if how.keep else size * series_rest(contraction, how.terms, odd=how.odd)
        steep = math.log1p(contraction) * how.odd - math.log1p(-contraction)
        probed = 2.0 * size / how.probes * steep**2 if how.probes else 0.0
        rolled = size * size * roulette_variance(contraction, how) if how.keep else 0.0
        found.append(LogDetBound(path, how, contraction, bias, math.sqrt(probed + rolled)))
    return found
