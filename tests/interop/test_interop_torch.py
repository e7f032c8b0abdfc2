"""torch.distributions: what flows have of their own, and FlowDistribution."""

from __future__ import annotations

import pytest
import torch
from interop_modules import DENSITIES, Conditional, base_log_prob, build, data, losses, some, worst
from torch.distributions import ComposeTransform, Independent, Normal, TransformedDistribution
from torch.distributions.transforms import AffineTransform

from mintdsl.interop import InteropError
from mintdsl.interop.distributions import FlowDistribution, transform


@pytest.mark.parametrize("program", DENSITIES)
def test_own_distribution(program: str) -> None:
    model = build(program)
    density, x = model.distribution(), some(model)
    z, log_det = model(x)
    assert density.event_shape == tuple(model.event_shape) and density.batch_shape == ()
    assert worst(density.log_prob(x), base_log_prob(z) + log_det) <= 1e-12
    assert density.sample((2, 3)).shape == (2, 3, *model.event_shape)
    drawn = density.rsample((2,))
    drawn.sum().backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in model.parameters())
    assert density.expand((5,)).sample().shape == (5, *model.event_shape)


def test_own_distribution_runs_the_model_once() -> None:
    model = build("reals")
    runs = []
    model.A_0[0].register_forward_hook(lambda *_: runs.append(1))
    density, x = model.distribution(), some(model)
    density.log_prob(x)
    assert len(runs) == 1


def test_own_distribution_follows_the_weights() -> None:
    """The same tensor is scored again after a step: neither value, log-det nor graph may be the old ones."""
    model = build("reals")
    density, x = model.distribution(), some(model)
    first, last = losses([*model.parameters()], lambda: -density.log_prob(x).mean())
    assert last < first - 0.1
    assert worst(density.log_prob(x), model.log_prob(x)) <= 1e-12
    found = model.transform()
    with torch.no_grad():
        z = found(x)
    assert found.log_abs_det_jacobian(x, z).requires_grad
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1)
    assert torch.equal(found(x), model(x)[0]) and not torch.equal(found(x), z)


def test_own_transform_among_those_of_torch() -> None:
    model = build("reals")
    base = Independent(Normal(torch.zeros(3).double(), torch.ones(3).double()), 1)
    scale = AffineTransform(torch.full((3,), 2.0).double(), torch.full((3,), 0.5).double(), event_dim=1)
    for cache in (0, 1):
        stack = ComposeTransform([model.transform().inv, scale], cache_size=cache)
        x = some(model)
        z, log_det = model((x - 2.0) / 0.5)
        expected = base_log_prob(z) + log_det - 3 * torch.log(torch.tensor(0.5, dtype=torch.float64))
        assert worst(TransformedDistribution(base, [stack]).log_prob(x), expected) <= 1e-12


def test_layers_are_transforms_too() -> None:
    layer = build("vector layer")
    base = Independent(Normal(torch.zeros(3).double(), torch.ones(3).double()), 1)
    density, x = TransformedDistribution(base, [transform(layer).inv]), some(layer)
    z, log_det = layer(x)
    assert worst(density.log_prob(x), base_log_prob(z) + log_det) <= 1e-12
    assert density.sample((7,)).shape == (7, 3)


@pytest.mark.parametrize("program", DENSITIES)
def test_flow_distribution(program: str) -> None:
    model = build(program)
    density, x = FlowDistribution(model), data(model)
    torch.manual_seed(3)
    found = density.log_prob(x)
    torch.manual_seed(3)
    assert worst(found, model.log_prob(x)) <= 1e-12
    drawn = density.sample((2, 3))
    assert drawn.shape == (2, 3, *model.event_shape) and not drawn.requires_grad
    assert bool(density.support.check(drawn).all())
    assert density.has_rsample == (not model.levels)
    if model.levels:
        assert drawn.dtype == torch.int64
        with pytest.raises(RuntimeError, match="integers have no gradients"):
            density.rsample()
    else:
        x, log_prob = density.rsample_and_log_prob((4,))
        assert x.requires_grad and worst(log_prob, model.log_prob(x)) <= 1e-12
    wide = density.expand((5,))
    assert wide.batch_shape == (5,) and wide.sample((2,)).shape == (2, 5, *model.event_shape)
    assert wide.log_prob(x[0]).shape == (5,)
    with pytest.raises(InteropError, match="do not fit each other"):
        wide.log_prob(x[:4].clone())


def test_flow_distribution_with_a_context() -> None:
    model = Conditional()
    context = some(model, 5, seed=8)[:, :2]
    density = FlowDistribution(model, context)
    assert density.batch_shape == (5,) and density.event_shape == (3,)
    x = density.rsample((7,))
    assert x.shape == (7, 5, 3) and x.requires_grad
    assert worst(density.log_prob(x)[3], model.log_prob(x[3], context)) <= 1e-12
    assert density.log_prob(x[0, 0]).shape == (5,)
    with pytest.raises(InteropError, match="needs a context"):
        FlowDistribution(model).log_prob(x)
    with pytest.raises(InteropError, match="takes no context"):
        FlowDistribution(build("reals"), context).sample()


def test_flows_without_density() -> None:
    with pytest.raises(InteropError, match="F has no density: end the flow with `prior normal`"):
        FlowDistribution(build("no prior"))
    with pytest.raises(InteropError, match="F has no log-det"):
        FlowDistribution(build("padded"))
    injective = FlowDistribution(build("injective"))
    assert bool(torch.isfinite(injective.log_prob(torch.zeros(2, 3, dtype=torch.float64))).all())
    with pytest.raises(RuntimeError, match="not onto, so it cannot sample"):
        injective.sample()
