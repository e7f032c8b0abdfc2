"""normflows: flows of generated modules, alone and between its own flows."""

from __future__ import annotations

import copy

import pytest
import torch
from conftest import Library
from interop_modules import DENSITIES, Conditional, base_log_prob, build, data, dense_log_det, losses, some, worst
from torch import Tensor

from mintdsl.interop import InteropError


@pytest.mark.parametrize("program", [*DENSITIES, "image layer", "no prior"])
def test_flow_of_one_bijection(program: str, library: Library) -> None:
    nf = library("normflows")
    from mintdsl.interop.normflows import Bijection

    module = build(program)
    base = nf.distributions.DiagGaussian(tuple(module.latent_shape), trainable=False).double()
    flow, x = nf.NormalizingFlow(base, [Bijection(module)]), some(module)
    z, log_det = module(x)
    assert worst(flow.log_prob(x), base_log_prob(z) + log_det) <= 1e-12
    assert worst(flow.inverse(x), z) <= 1e-12 and worst(flow.forward(z), x) <= 1e-9
    drawn, log_q = flow.sample(6)
    assert drawn.shape == (6, *module.event_shape)
    assert worst(log_q, flow.log_prob(drawn)) <= 1e-8


def stack(nf):
    from mintdsl.interop.normflows import Bijection

    torch.manual_seed(2)
    # init_zeros would leave the couplings at the identity
    nets = [nf.nets.MLP([2, 8, 2]), nf.nets.MLP([1, 8, 4])]
    flows = [
        nf.flows.AffineCouplingBlock(nets[0], split_mode="channel"),
        Bijection(build("vector layer")),
        nf.flows.Permute(3, mode="swap"),
        nf.flows.AffineCouplingBlock(nets[1], split_mode="channel_inv"),
        nf.flows.AutoregressiveRationalQuadraticSpline(3, 1, 8, init_identity=False),
    ]
    return nf.NormalizingFlow(nf.distributions.DiagGaussian(3), flows).double()


def through(flows: torch.nn.ModuleList, x: Tensor) -> tuple[Tensor, Tensor]:
    """Data to latent and log-det; normflows' own method accumulates in float32."""
    total = torch.zeros(len(x), dtype=x.dtype)
    for flow in reversed(flows):
        x, log_det = flow.inverse(x)
        total = total + log_det
    return x, total


def test_stack_with_flows_of_normflows(library: Library) -> None:
    nf = library("normflows")
    flow, x = stack(nf), some(build("vector layer"))
    z, log_det = through(flow.flows, x)
    assert worst(log_det, dense_log_det(lambda v: through(flow.flows, v)[0], x)) <= 1e-12
    assert worst(flow.log_prob(x), base_log_prob(z) + log_det) <= 1e-12
    assert worst(flow.forward(z), x) <= 1e-9
    first, last = losses([*flow.parameters()], lambda: flow.forward_kld(x))
    assert last < first - 0.1
    fresh = stack(nf)
    fresh.load_state_dict(flow.state_dict())
    assert torch.equal(fresh.log_prob(x), flow.log_prob(x))
    assert torch.equal(copy.deepcopy(flow).log_prob(x), flow.log_prob(x))


def test_stack_on_images(library: Library) -> None:
    nf = library("normflows")
    from mintdsl.interop.normflows import Bijection

    torch.manual_seed(2)
    layer = build("image layer")
    flows = torch.nn.ModuleList(
        [nf.flows.Invertible1x1Conv(2), Bijection(layer), nf.flows.ActNorm((2, 1, 1)), Bijection(layer)]
    ).double()
    x = torch.rand(4, 2, 2, 3, dtype=torch.float64)
    through(flows, x)  # ActNorm takes its numbers from the first batch
    z, log_det = through(flows, x)
    assert worst(log_det, dense_log_det(lambda v: through(flows, v)[0], x)) <= 1e-10
    for flow in flows:
        z, _ = flow(z)
    assert worst(z, x) <= 1e-9


def test_stack_with_a_context(library: Library) -> None:
    nf = library("normflows")
    from mintdsl.interop.normflows import Bijection

    torch.manual_seed(2)
    flows = [
        nf.flows.MaskedAffineAutoregressive(3, 8, context_features=2),
        Bijection(Conditional()),
        Bijection(build("vector layer"), ignore_context=True),
    ]
    flow = nf.ConditionalNormalizingFlow(nf.distributions.DiagGaussian(3), flows).double()
    x, c = some(Conditional()), some(Conditional(), seed=8)[:, :2]
    z = flow.inverse(x, c)
    rows = [dense_log_det(lambda v, k=k: flow.inverse(v, c[k : k + 1]), x[k : k + 1]) for k in range(4)]
    assert worst(flow.log_prob(x, c), base_log_prob(z) + torch.cat(rows)) <= 1e-12
    assert flow.sample(4, c)[0].shape == (4, 3)


@pytest.mark.parametrize("program", DENSITIES)
def test_density(program: str, library: Library) -> None:
    nf = library("normflows")
    from mintdsl.interop.normflows import Density

    model = build(program)
    flow, x = Density(model), data(model)
    assert isinstance(flow, nf.NormalizingFlow) and flow.model is model
    for own, found in (
        (lambda: model.log_prob(x), lambda: flow.log_prob(x)),
        (lambda: -model.log_prob(x).mean(), lambda: flow.forward_kld(x)),
    ):
        torch.manual_seed(3)
        expected = own()
        torch.manual_seed(3)
        assert worst(found(), expected) <= 1e-12
    y = some(model)
    for mine, its in (
        (flow.inverse_and_log_det(y), model(y)),
        (flow.forward_and_log_det(model(y)[0]), model.inverse(model(y)[0])),
    ):
        assert worst(mine[0], its[0]) <= 1e-12 and worst(mine[1], its[1]) <= 1e-12
    drawn, log_q = flow.sample(6)
    assert drawn.shape == (6, *model.event_shape) and log_q.shape == (6,)
    assert drawn.dtype == (torch.int64 if model.levels else torch.float64)
    if not model.levels:
        assert worst(log_q, model.log_prob(drawn)) <= 1e-12
    assert flow.q0(5)[0].dtype == torch.float64
    first, last = losses([*flow.parameters()], lambda: flow.forward_kld(x))
    assert last < first - 0.1
    fresh = Density(build(program, seed=1))
    fresh.load_state_dict(flow.state_dict())
    assert torch.equal(fresh.model(y)[0], model(y)[0])
    copied = copy.deepcopy(flow)
    assert copied.model is not model and torch.equal(copied.model(y)[0], model(y)[0])


def test_reverse_kld(library: Library) -> None:
    """normflows' loss for a known target trains the module through its inverse."""
    nf = library("normflows")
    from mintdsl.interop.normflows import Density

    target = nf.distributions.DiagGaussian(3, trainable=False).double()
    with torch.no_grad():
        target.loc.fill_(2.0)
    flow = Density(build("reals"), p=target)
    first, last = losses([*flow.model.parameters()], lambda: flow.reverse_kld(256))
    assert last < first - 0.5


def test_density_with_a_context(library: Library) -> None:
    library("normflows")
    from mintdsl.interop.normflows import Density

    model = Conditional()
    x, c = some(model, 5), some(model, 5, seed=8)[:, :2]
    flow = Density(model)
    assert worst(flow.log_prob(x, c), model.log_prob(x, c)) <= 1e-12
    for context in (c, c[:1]):
        drawn, log_q = flow.sample(5, context)
        assert drawn.shape == (5, 3) and worst(log_q, model.log_prob(drawn, context.expand(5, 2))) <= 1e-12
    with pytest.raises(InteropError, match="needs a context"):
        flow.log_prob(x)


def test_flows_without_density(library: Library) -> None:
    library("normflows")
    from mintdsl.interop.normflows import Density

    with pytest.raises(InteropError, match="F has no density"):
        Density(build("no prior"))
    with pytest.raises(RuntimeError, match="not onto, so it cannot sample"):
        Density(build("injective")).sample(2)
