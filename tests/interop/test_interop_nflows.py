"""nflows: flows of generated modules, alone and between its own transforms."""

from __future__ import annotations

import copy

import pytest
import torch
from conftest import Library
from interop_modules import DENSITIES, Conditional, base_log_prob, build, data, dense_log_det, losses, some, worst

import mintdsl
from mintdsl.interop import InteropError


@pytest.mark.parametrize("program", [*DENSITIES, "image layer", "no prior"])
def test_flow_of_one_bijection(program: str, library: Library) -> None:
    library("nflows")
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow

    from mintdsl.interop.nflows import Bijection

    module = build(program)
    flow, x = Flow(Bijection(module), StandardNormal(module.latent_shape)), some(module)
    z, log_det = module(x)
    assert worst(flow.log_prob(x), base_log_prob(z) + log_det) <= 1e-12
    assert worst(flow.transform_to_noise(x), z) <= 1e-12
    single = Flow(Bijection(build(program, dtype=torch.float32)), StandardNormal(module.latent_shape))
    drawn, log_prob = single.sample_and_log_prob(5)
    assert drawn.shape == (5, *module.event_shape) and log_prob.shape == (5,)


def stack(context: int | None = None):
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.nn.nets import ResidualNet
    from nflows.transforms import (
        AffineCouplingTransform,
        CompositeTransform,
        MaskedAffineAutoregressiveTransform,
        ReversePermutation,
    )

    from mintdsl.interop.nflows import Bijection

    torch.manual_seed(2)

    def net(inputs: int, outputs: int) -> torch.nn.Module:
        return ResidualNet(inputs, outputs, 8, context_features=context)

    ours = [build("vector layer"), Conditional()] if context else [build("vector layer")]
    transforms = [
        AffineCouplingTransform(torch.tensor([1, 0, 1]), net),
        *(Bijection(m, ignore_context=context is not None and m.context_shape is None) for m in ours),
        ReversePermutation(3),
        MaskedAffineAutoregressiveTransform(3, 8, context_features=context),
    ]
    return Flow(CompositeTransform(transforms), StandardNormal((3,))).double()


@pytest.mark.parametrize("context", [None, 2])
def test_stack_with_transforms_of_nflows(context: int | None, library: Library) -> None:
    library("nflows")
    flow, x = stack(context), some(Conditional())
    c = None if context is None else some(Conditional(), seed=8)[:, :2]
    z, log_det = flow._transform(x, c)
    rows = [
        dense_log_det(lambda v, k=k: flow._transform(v, None if c is None else c[k : k + 1])[0], x[k : k + 1])
        for k in range(4)
    ]
    assert worst(log_det, torch.cat(rows)) <= 1e-12
    assert worst(flow.log_prob(x, c), base_log_prob(z) + log_det) <= 1e-12
    back, inverse_det = flow._transform.inverse(z, c)
    assert worst(back, x) <= 1e-9 and worst(inverse_det, -log_det) <= 1e-9
    first, last = losses([*flow.parameters()], lambda: -flow.log_prob(x, c).mean())
    assert last < first - 0.1
    fresh = stack(context)
    fresh.load_state_dict(flow.state_dict())
    assert torch.equal(fresh.log_prob(x, c), flow.log_prob(x, c))
    assert torch.equal(copy.deepcopy(flow).log_prob(x, c), flow.log_prob(x, c))


def test_stack_on_images(library: Library) -> None:
    library("nflows")
    from nflows.transforms import ActNorm, CompositeTransform, OneByOneConvolution, SqueezeTransform

    from mintdsl.interop.nflows import Bijection

    torch.manual_seed(2)
    layer = build("image layer")
    squeezed = type(layer)((8, 1, 2), dtype=torch.float64)
    stacked = CompositeTransform([Bijection(layer), ActNorm(2), OneByOneConvolution(2)])
    wide = CompositeTransform([SqueezeTransform(), Bijection(squeezed)])
    for made, shape in ((stacked, (2, 2, 3)), (wide, (2, 2, 4))):
        x = torch.rand(4, *shape, dtype=torch.float64)
        made.double()(x)  # ActNorm takes its numbers from the first batch
        made.eval()
        z, log_det = made(x)
        assert worst(log_det, dense_log_det(lambda v, made=made: made(v)[0], x)) <= 1e-10
        assert worst(made.inverse(z)[0], x) <= 1e-9


@pytest.mark.parametrize("program", DENSITIES)
def test_density(program: str, library: Library) -> None:
    library("nflows")
    from nflows.flows import Flow

    from mintdsl.interop.nflows import Density

    model = build(program)
    flow, x = Density(model), data(model)
    assert isinstance(flow, Flow) and flow.model is model
    torch.manual_seed(3)
    found = flow.log_prob(x)
    torch.manual_seed(3)
    assert worst(found, model.log_prob(x)) <= 1e-12
    assert worst(flow.transform_to_noise(some(model)), model(some(model))[0]) <= 1e-12
    for drawn in (flow.sample(6), flow.sample(6, batch_size=4), flow.sample_and_log_prob(6)[0]):
        assert drawn.shape == (6, *model.event_shape)
        assert drawn.dtype == (torch.int64 if model.levels else torch.float64)
    torch.manual_seed(4)
    drawn, log_prob = flow.sample_and_log_prob(6)
    if not model.levels:
        assert worst(log_prob, model.log_prob(drawn)) <= 1e-12
    first, last = losses([*flow.parameters()], lambda: -flow.log_prob(x).mean())
    assert last < first - 0.1
    fresh = Density(build(program, seed=1))
    fresh.load_state_dict(flow.state_dict())
    z = some(model)
    assert torch.equal(fresh.model(z)[0], model(z)[0])
    copied = copy.deepcopy(flow)
    assert copied.model is not model and torch.equal(copied.model(z)[0], model(z)[0])


def test_density_with_a_context(library: Library) -> None:
    library("nflows")
    from mintdsl.interop.nflows import Density

    model = Conditional()
    x, c = some(model, 5), some(model, 5, seed=8)[:, :2]
    flow = Density(model)
    assert worst(flow.log_prob(x, c), model.log_prob(x, c)) <= 1e-12
    assert flow.sample(7, c).shape == (5, 7, 3)
    drawn, log_prob = flow.sample_and_log_prob(7, c)
    assert drawn.shape == (5, 7, 3) and worst(log_prob[:, 3], model.log_prob(drawn[:, 3], c)) <= 1e-12
    net = torch.nn.Linear(4, 2).double()
    embedded, wide = Density(model, embedding_net=net), some(build("images"), 5).flatten(1)[:, :4]
    assert worst(embedded.log_prob(x, wide), model.log_prob(x, net(wide))) <= 1e-12
    assert embedded.sample(7, wide).shape == (5, 7, 3)
    with pytest.raises(InteropError, match="needs a context"):
        flow.log_prob(x)


def test_flows_without_density(library: Library) -> None:
    library("nflows")
    from mintdsl.interop.nflows import Density

    with pytest.raises(InteropError, match="F has no density"):
        Density(build("no prior"))
    with pytest.raises(RuntimeError, match="not onto, so it cannot sample"):
        Density(build("injective")).sample(2)


COUPLING = """mint 1
net Bins from Vec[D] to (Vec[5 * D], Vec[5 * D], Vec[4 * D]) {
  param W, K : linear from Vec[D] to Vec[5 * D]
  param S : linear from Vec[D] to Vec[4 * D]
  map a -> (W(a), K(a), S(a))
}
layer C on Vec[D] ensures lower, invertible, inverse closed_form {
  param n : net Bins from Vec[D / 2] to (Vec[5 * D / 2], Vec[5 * D / 2], Vec[2 * D])
  map x {
    let (a, b) = split(x, halves)
    let (w, k, d) = n(a)
    return join(a, rq_spline(b, widths = w, heights = k, slopes = d, bound = 2.5, floor = 1e-3))
  }
}
"""


def test_splines_are_those_of_nflows(library: Library) -> None:
    """The same coupling with the same parameters; nflows keeps those of an element side by side."""
    library("nflows")
    from nflows.transforms import PiecewiseRationalQuadraticCouplingTransform

    torch.manual_seed(3)
    ours = mintdsl.loads(COUPLING).compile()((6,), dtype=torch.float64)

    class Net(torch.nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            assert (inputs, outputs) == (3, 3 * 14)

        def forward(self, a: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
            return torch.cat([t.unflatten(-1, (3, -1)) for t in ours.n(a)], -1).flatten(-2)

    mask = torch.tensor([0, 0, 0, 1, 1, 1])
    theirs = PiecewiseRationalQuadraticCouplingTransform(
        mask, Net, num_bins=5, tails="linear", tail_bound=2.5, min_bin_width=1e-3, min_bin_height=1e-3
    )
    x = 2 * torch.randn(500, 6, dtype=torch.float64)
    assert 100 < int((x[:, 3:].abs() > 2.5).sum()) < 1400
    z, log_det = ours(x)
    expected, expected_log_det = theirs(x)
    assert worst(z, expected) <= 1e-12 and worst(log_det, expected_log_det) <= 1e-12
    back, inverse_log_det = ours.inverse(z)
    expected, expected_log_det = theirs.inverse(z)
    # slopes go down to 1e-4 here, and an inverse magnifies rounding by their inverses
    assert max(worst(back, x), worst(back, expected), worst(inverse_log_det, expected_log_det)) <= 1e-10
