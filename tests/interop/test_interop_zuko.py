"""zuko: flows of generated modules, alone and between its own transforms."""

from __future__ import annotations

import copy

import pytest
import torch
from conftest import Library, effects_of_zuko
from interop_modules import DENSITIES, Conditional, base_log_prob, build, data, dense_log_det, losses, some, worst
from torch.distributions import Distribution, Normal, Transform

from mintdsl.interop import InteropError


def standard(zuko, *shape: int):
    zeros, ones = torch.zeros(shape).double(), torch.ones(shape).double()
    return zuko.lazy.UnconditionalDistribution(
        zuko.distributions.DiagNormal, zeros, ones, ndims=len(shape), buffer=True
    )


@pytest.mark.parametrize("program", [*DENSITIES, "image layer", "no prior"])
def test_flow_of_one_bijection(program: str, library: Library) -> None:
    zuko = library("zuko")
    from mintdsl.interop.zuko import Bijection

    module = build(program)
    flow = zuko.flows.Flow(Bijection(module), standard(zuko, *module.latent_shape))
    x = some(module)
    z, log_det = module(x)
    assert worst(flow().log_prob(x), base_log_prob(z) + log_det) <= 1e-12
    x, log_prob = flow().rsample_and_log_prob((2, 3))
    assert x.shape == (2, 3, *module.event_shape)
    assert worst(log_prob, flow().log_prob(x)) <= 1e-9
    assert flow().event_shape == tuple(module.event_shape)


def stack(zuko, module=None):
    from mintdsl.interop.zuko import Bijection

    torch.manual_seed(2)
    module = build("vector layer") if module is None else module
    context = 0 if module.context_shape is None else 2
    transforms = [
        zuko.flows.GeneralCouplingTransform(3, context, mask=torch.tensor([True, False, True])).double(),
        Bijection(module),
        zuko.flows.MaskedAutoregressiveTransform(3, context).double(),
    ]
    return zuko.flows.Flow(transforms, standard(zuko, 3))


def test_stack_with_transforms_of_zuko(library: Library) -> None:
    zuko = library("zuko")
    flow = stack(zuko)
    x = some(build("vector layer"))
    z, log_det = flow.transform().call_and_ladj(x)
    assert worst(log_det, dense_log_det(lambda v: flow.transform()(v), x)) <= 1e-12
    assert worst(flow().log_prob(x), base_log_prob(z) + log_det) <= 1e-12
    assert worst(flow.transform().inv(z), x) <= 1e-9
    assert worst(flow.transform.inv().call_and_ladj(z)[1], -log_det) <= 1e-9
    first, last = losses([*flow.parameters()], lambda: -flow().log_prob(x).mean())
    assert last < first - 0.1
    fresh = stack(zuko)
    fresh.load_state_dict(flow.state_dict())
    assert torch.equal(fresh().log_prob(x), flow().log_prob(x))
    assert torch.equal(copy.deepcopy(flow)().log_prob(x), flow().log_prob(x))


def test_stack_with_a_context(library: Library) -> None:
    zuko = library("zuko")
    from mintdsl.interop.zuko import Bijection

    flow = stack(zuko, Conditional())
    x, c = some(Conditional(), 5), some(Conditional(), 5, seed=8)[:, :2]
    z, log_det = flow.transform(c).call_and_ladj(x)
    rows = [dense_log_det(lambda v, k=k: flow.transform(c[k])(v), x[k : k + 1]) for k in range(5)]
    assert worst(log_det, torch.cat(rows)) <= 1e-12
    assert flow(c).sample((7,)).shape == (7, 5, 3)
    assert flow(c).log_prob(x.repeat(2, 1, 1)).shape == (2, 5)
    mixed = zuko.flows.Flow(
        [Bijection(Conditional()), Bijection(build("vector layer"), ignore_context=True)], standard(zuko, 3)
    )
    assert mixed(c).sample((7,)).shape == (7, 5, 3)


@pytest.mark.parametrize("program", DENSITIES)
def test_density(program: str, library: Library) -> None:
    library("zuko")
    from mintdsl.interop.zuko import Density

    model = build(program)
    flow, x = Density(model), data(model)
    torch.manual_seed(3)
    found = flow().log_prob(x)
    torch.manual_seed(3)
    assert worst(found, model.log_prob(x)) <= 1e-12
    assert flow().sample((2, 3)).shape == (2, 3, *model.event_shape)
    assert flow().sample().dtype == (torch.int64 if model.levels else torch.float64)
    first, last = losses([*flow.parameters()], lambda: -flow().log_prob(x).mean())
    assert last < first - 0.1
    fresh = Density(build(program, seed=1))
    fresh.load_state_dict(flow.state_dict())
    z = some(model)
    assert torch.equal(fresh.model(z)[0], flow.model(z)[0])


def test_density_with_a_context(library: Library) -> None:
    library("zuko")
    from mintdsl.interop.zuko import Density

    model = Conditional()
    x, c = some(model, 5), some(model, 5, seed=8)[:, :2]
    assert worst(Density(model)(c).log_prob(x), model.log_prob(x, c)) <= 1e-12
    assert Density(model)(c).rsample((7,)).shape == (7, 5, 3)


def test_density_needs_a_prior(library: Library) -> None:
    library("zuko")
    from mintdsl.interop.zuko import Density

    with pytest.raises(InteropError, match="F has no density"):
        Density(build("no prior"))


def test_effects_of_zuko_do_not_reach_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Distribution, "_validate_args", True)  # torch.compile turns it off as well
    with effects_of_zuko():
        Normal(0.0, -1.0)
        assert hasattr(Transform, "call_and_ladj")
    assert not hasattr(Transform, "call_and_ladj")
    assert isinstance(Distribution.arg_constraints, property)
    with pytest.raises(ValueError, match="constraint"):
        Normal(0.0, -1.0)
