"""The distributions of a latent: log-density, draws, and the same as torch.distributions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import (
    Distribution,
    Independent,
    Normal,
    SigmoidTransform,
    TransformedDistribution,
    Uniform,
    constraints,
)

from mintdsl.runtime.families import by_channel, channel_count
from mintdsl.runtime.layer import narrowed_by_autocast
from mintdsl.runtime.protocols import PriorLike


def summed(terms: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Log-densities of the elements [*lead, *shape] summed to [*lead]."""
    return terms.flatten(terms.dim() - len(shape)).sum(-1)


def wide_latent(z: Tensor) -> Tensor:
    """z, in float32 where autocast made it narrower: a sum of many terms needs the digits."""
    return z.float() if narrowed_by_autocast(z) else z


class NormalPrior:
    """Independent standard normals on `shape`."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) [*lead] of z [*lead, *shape]."""
        z = wide_latent(z)
        return summed(-0.5 * z * z - 0.5 * math.log(2.0 * math.pi), self.shape)

    def draw(self, lead: tuple[int, ...], like: Tensor) -> Tensor:
        """A sample [*lead, *shape] in the dtype and on the device of `like`."""
        return torch.randn(*lead, *self.shape, dtype=like.dtype, device=like.device)

    def distribution(self, like: Tensor) -> Distribution:
        """The same for torch.distributions."""
        zeros = torch.zeros(self.shape, dtype=like.dtype, device=like.device)
        return Independent(Normal(zeros, torch.ones_like(zeros)), len(self.shape))


class LogisticPrior:
    """Independent standard logistics on `shape`: p(z) = e^z / (1 + e^z)^2."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) [*lead] of z [*lead, *shape], as a product of sigmoids, which keeps its digits in both tails."""
        z = wide_latent(z)
        return summed(nn.functional.logsigmoid(z) + nn.functional.logsigmoid(-z), self.shape)

    def draw(self, lead: tuple[int, ...], like: Tensor) -> Tensor:
        """A sample [*lead, *shape]: the logarithm of a ratio of two exponentials, which are never 0."""
        wide = torch.promote_types(like.dtype, torch.float32)
        a, b = torch.empty(2, *lead, *self.shape, dtype=wide, device=like.device).exponential_().log()
        sample: Tensor = (a - b).to(like.dtype)
        return sample

    def distribution(self, like: Tensor) -> Distribution:
        """The same for torch.distributions: the logit of a uniform number."""
        zeros = torch.zeros(self.shape, dtype=like.dtype, device=like.device)
        base = Independent(Uniform(zeros, torch.ones_like(zeros)), len(self.shape))
        return TransformedDistribution(base, [SigmoidTransform().inv])


class LearnedNormalPrior(nn.Module):
    """Independent normals with trained location and log-scale, one of each a channel or an element; 0 at first.

    The scale is exp(log_scale), so it is positive whatever training does. Of a flat `shape` the channels are those of
    the `parts` that it is made of, part by part.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        per: str,
        parts: tuple[tuple[int, ...], ...] = (),
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.per, self.parts = tuple(shape), per, parts or (tuple(shape),)
        own = self.shape if per == "element" else (sum(map(channel_count, self.parts)),)
        self.location = nn.Parameter(torch.empty(own, device=device, dtype=dtype))
        self.log_scale = nn.Parameter(torch.empty(own, device=device, dtype=dtype))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """The standard normal."""
        self.location.zero_()
        self.log_scale.zero_()

    def numbers(self) -> tuple[Tensor, Tensor]:
        """Location and log-scale, ready to meet a tensor of the latent's shape."""
        if self.per == "element":
            return self.location, self.log_scale
        if len(self.parts) == 1:
            return by_channel(self.location, self.shape), by_channel(self.log_scale, self.shape)
        return self.by_part(self.location), self.by_part(self.log_scale)

    def by_part(self, value: Tensor) -> Tensor:
        """The numbers of the channels of all parts at every element of the flat latent."""
        own = torch.split(value, [channel_count(part) for part in self.parts])
        pairs = zip(own, self.parts, strict=True)
        return torch.cat([by_channel(numbers, part).expand(part).flatten() for numbers, part in pairs])

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) [*lead] of z [*lead, *shape]."""
        location, log_scale = self.numbers()
        scaled = (wide_latent(z) - location) * torch.exp(-log_scale)
        return summed(-0.5 * scaled * scaled - log_scale - 0.5 * math.log(2.0 * math.pi), self.shape)

    def draw(self, lead: tuple[int, ...], like: Tensor) -> Tensor:
        """A sample [*lead, *shape] with gradients to the parameters."""
        location, log_scale = self.numbers()
        noise = torch.randn(*lead, *self.shape, dtype=location.dtype, device=location.device)
        return location + log_scale.exp() * noise

    def distribution(self, like: Tensor) -> Distribution:
        """The same for torch.distributions."""
        location, log_scale = (value.expand(self.shape) for value in self.numbers())
        return Independent(Normal(location, log_scale.exp()), len(self.shape))


class PartsPrior(nn.Module):
    """A flat latent of parts of these shapes: those numbered in `normal`, which left through nets, are standard normal.

    All others together have the prior `rest`.
    """

    def __init__(self, shapes: tuple[tuple[int, ...], ...], normal: tuple[int, ...], rest: PriorLike) -> None:
        super().__init__()
        self.sizes, self.normal, self.rest = [math.prod(shape) for shape in shapes], normal, rest
        self.standard = NormalPrior((sum(self.sizes[k] for k in normal),))

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) [*lead] of z [*lead, D]."""
        parts = torch.split(z, self.sizes, -1)
        normal = torch.cat([part for k, part in enumerate(parts) if k in self.normal], -1)
        rest = torch.cat([part for k, part in enumerate(parts) if k not in self.normal], -1)
        return self.standard.log_prob(normal) + self.rest.log_prob(rest.reshape(*z.shape[:-1], *self.rest.shape))

    def draw(self, lead: tuple[int, ...], like: Tensor) -> Tensor:
        """A sample [*lead, D]."""
        sizes = [[n for k, n in enumerate(self.sizes) if (k in self.normal) == normal] for normal in (True, False)]
        drawn = (self.standard.draw(lead, like), self.rest.draw(lead, like).reshape(*lead, sum(sizes[1])))
        normal, rest = (iter(torch.split(z, own, -1)) for z, own in zip(drawn, sizes, strict=True))
        return torch.cat([next(normal if k in self.normal else rest) for k in range(len(self.sizes))], -1)

    def distribution(self, like: Tensor) -> Distribution:
        """The same for torch.distributions."""
        return PartsDistribution(self, like)


class PartsDistribution(Distribution):
    """A PartsPrior as a torch distribution."""

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, prior: PartsPrior, like: Tensor, batch_shape: torch.Size | list[int] | tuple[int, ...] = ()
    ) -> None:
        self.prior, self.like = prior, like
        super().__init__(torch.Size(batch_shape), torch.Size((sum(prior.sizes),)), validate_args=False)

    def expand(
        self, batch_shape: torch.Size | list[int] | tuple[int, ...], _instance: Distribution | None = None
    ) -> Distribution:
        """The same for a larger batch."""
        return PartsDistribution(self.prior, self.like, batch_shape)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """A sample with gradients to the parameters."""
        return self.prior.draw((*sample_shape, *self.batch_shape), self.like)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value)."""
        return self.prior.log_prob(value)
