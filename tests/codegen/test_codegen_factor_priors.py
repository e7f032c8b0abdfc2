"""Parts that leave a flow through a net: the density against torch.distributions, by hand, in every combination."""

from __future__ import annotations

import math

import pytest
import torch
from codegen_oracle import Compiled, compile_text, dense_jacobian, near_initial, raw_of, reference, worst
from codegen_programs import HEAD
from torch import Tensor, nn
from torch.distributions import Laplace, Normal, TransformedDistribution

import mintdsl
from mintdsl.core.interpret import log_prior, parameters
from mintdsl.tools.architecture import architecture

torch.set_num_threads(1)

NETS = """
net Split(width: Nat = 2, h: Act = tanh) from Image[C, H, W] to (Image[C, H, W], Image[C, H, W]) {
  space Hid = Image[width, H, W]
  param V : conv 3x3 from Image[C, H, W] to Hid
  param m, s : conv 3x3 from Hid to Image[C, H, W]
  param b : bias
  map x { let u = h(V(x))  return (m(u) + b, s(u)) }
}
net Line from Vec[D] to (Vec[D], Vec[D]) { param U, V : linear  param a, b : bias  map x -> (U(x) + a, V(x) + b) }
net Bent from Vec[D] to (Vec[D], Vec[D]) { param U, V : linear  param b : bias  map x -> (U(tanh(x)), b - tanh(V(x))) }
net Token from Seq[T, D] to (Seq[T, D], Seq[T, D]) { param U, V : linear  map x -> (U(x), tanh(V(x))) }
layer A(tri: Dir = lower) on Image[C, H, W] ensures tri, diag > 0, invertible {
  param t : scale with diag >= 0.5
  param k : conv 3x3 tri with diag >= 0
  map x -> t * x + tanh(k(x))
}
layer E on S ensures diag > 0, invertible { param s : scale with diag > 0  param b : bias  map x -> s * x + b }
"""
FLOWS = {
    "image": "flow F on Image[2, 4, 2] ensures invertible { a: A  factor half (prior = Split)  c: A }",
    "second": "flow F on Image[2, 4, 2] ensures invertible { a: A  factor half (prior = Split, keep = second)  c: A }",
    "vector": "flow F on Vec[4] ensures invertible { a: E  factor half (prior = Line) }",
    "sequence": "flow F on Seq[3, 4] ensures invertible { a: E  factor half (keep = first, prior = Token)  c: E }",
    "scales": """flow F on Image[1, 4, 4] ensures invertible {
  squeeze 2  a: A  q: factor half (prior = Split(width = 3, h = elu))  squeeze 2
  factor half (keep = second, prior = Split)  c: E }""",
    "mixed": """flow F on Image[1, 4, 4] ensures invertible {
  squeeze 2  factor half  squeeze 2  factor half (prior = Split)  a: E  factor half  factor half (prior = Split) }""",
}
PRIORS = ("normal", "logistic", "learned_normal", "learned_normal(per = element)")


def text(name: str, prior: str = "normal") -> str:
    return HEAD + NETS + FLOWS[name].removesuffix("}") + f" prior {prior} }}"


def allowed(name: str, prior: str) -> bool:
    """A location a channel needs one last shape."""
    return not (name == "mixed" and prior == "learned_normal")


CASES = [(name, prior) for name in FLOWS for prior in PRIORS if allowed(name, prior)]


def made(name: str, prior: str = "normal", dtype: torch.dtype = torch.float64) -> tuple[Compiled, nn.Module]:
    at = compile_text(text(name, prior))
    return at, near_initial(at.build(), std=0.3).to(dtype)


def data(at: Compiled, batch: int = 3) -> Tensor:
    return torch.randn(batch, *at.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def tiles(x: Tensor) -> Tensor:
    """squeeze 2, written out."""
    return torch.cat([x[:, :, dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)], 1)


def by_hand(name: str, model: nn.Module, x: Tensor) -> tuple[list[tuple[Tensor, nn.Module | None, Tensor]], Tensor]:
    """What leaves, as it is, its net and what that reads, in order, then the last shape; and the layers' log-det."""
    found: list[tuple[Tensor, nn.Module | None, Tensor]] = []
    log_det = torch.zeros(len(x), dtype=x.dtype)

    def through(layer: nn.Module) -> None:
        nonlocal x, log_det
        x, term = layer(x)
        log_det = log_det + term

    def leave(net: nn.Module | None, keep: str = "first") -> None:
        nonlocal x
        size = x.shape[2 if x.dim() == 3 else 1] // 2
        axis = 2 if x.dim() == 3 else 1
        first, second = x.narrow(axis, 0, size), x.narrow(axis, size, size)
        x, part = (first, second) if keep == "first" else (second, first)
        found.append((part, net, x))

    match name:
        case "image" | "second":
            through(model.a)
            leave(model.factor_0, "second" if name == "second" else "first")
            through(model.c)
        case "vector":
            through(model.a)
            leave(model.factor_0)
        case "sequence":
            through(model.a)
            leave(model.factor_0)
            through(model.c)
        case "scales":
            x = tiles(x)
            through(model.a)
            leave(model.q)
            x = tiles(x)
            leave(model.factor_0, "second")
            through(model.c)
        case _:
            x = tiles(x)
            leave(None)
            x = tiles(x)
            leave(model.factor_1)
            through(model.a)
            leave(None)
            leave(model.factor_3)
    return [*found, (x, None, x)], log_det


def density(prior: str, model: nn.Module, rest: list[Tensor]) -> Tensor:
    """log p [B] of the parts that the flow's own prior is of."""
    z = torch.cat([part.flatten(1) for part in rest], 1)
    if prior == "logistic":
        return (-z - 2 * torch.nn.functional.softplus(-z)).sum(1)
    if prior == "normal":
        return Normal(0.0, 1.0).log_prob(z).sum(1)
    state = model.state_dict()
    location, scale = state["prior.rest.location"], state["prior.rest.log_scale"].exp()
    if prior == "learned_normal":
        shape = (-1, 1, 1) if rest[0].dim() == 4 else (-1,)
        location, scale = ((v.reshape(shape).expand(rest[0].shape[1:])) for v in (location, scale))
    return Normal(location.flatten(), scale.flatten()).log_prob(z).sum(1)


@pytest.mark.parametrize(("name", "prior"), CASES)
def test_a_density_of_conditional_normals(name: str, prior: str) -> None:
    """log p(x) is the sum of the normals that the nets name, of the flow's own prior, and of the layers' log-dets."""
    at, model = made(name, prior)
    x = data(at)
    parts, log_det = by_hand(name, model, x)
    expected = density(prior, model, [part for part, net, _ in parts if net is None]) + log_det
    for part, net, kept in parts:
        if net is not None:
            mean, log_scale = net(kept)
            expected = expected + Normal(mean, log_scale.exp()).log_prob(part).flatten(1).sum(1)
    assert worst(model.log_prob(x), expected) <= 1e-13
    assert worst(model.distribution().log_prob(x), expected) <= 1e-12
    assert worst(model.bits_per_dim(x), -expected / (math.prod(at.shape) * math.log(2))) <= 1e-13
    z, _ = model(x)
    raw = raw_of(at, model)
    plain = [log_prior(at.core, at.key, v.tolist(), at.shape, {}, raw) for v in z]
    assert worst(torch.tensor(plain, dtype=torch.float64), model.prior.log_prob(z)) <= 1e-13


@pytest.mark.parametrize("name", FLOWS)
def test_the_bijection_against_the_interpreter_and_autograd(name: str) -> None:
    at, model = made(name)
    x = data(at)
    z, log_det = model(x)
    other = reference(at, model, x)
    size = math.prod(at.shape)
    assert z.shape == (3, size) == (3, *model.latent_shape)
    assert worst(z, other.value) <= 1e-13 and worst(log_det, other.log_det) <= 1e-12
    jacobian = torch.stack([dense_jacobian(model, row) for row in x])
    assert worst(jacobian, other.jacobian) <= 1e-12
    assert worst(log_det, torch.linalg.slogdet(jacobian).logabsdet) <= 1e-12
    parts, steps = by_hand(name, model, x)
    written, total = [], steps
    for part, net, kept in parts:
        if net is not None:
            mean, log_scale = net(kept)
            part, total = (part - mean) / log_scale.exp(), total - log_scale.flatten(1).sum(1)
        written.append(part.flatten(1))
    assert worst(z, torch.cat(written, 1)) <= 1e-14 and worst(log_det, total) <= 1e-14
    back, inverse_det = model.inverse(z)
    assert worst(back, x) <= 1e-9 and worst(inverse_det, -log_det) <= 1e-9
    elsewhere = torch.randn_like(z)
    there, _ = model.inverse(elsewhere)
    assert worst(model(there)[0], elsewhere) <= 1e-9 and torch.equal(model.inverse(elsewhere)[0], there)


@pytest.mark.parametrize(("name", "prior"), CASES)
def test_stored_numbers(name: str, prior: str) -> None:
    """Keys, shapes and counts are those of the interpreter, the instance and the drawing."""
    at, model = made(name, prior)
    state = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    assert list(parameters(at.core, at.key, at.shape, {}).items()) == list(state.items())
    counts = mintdsl.loads(text(name, prior)).check()["F"].counts
    drawn = architecture(at.core, at.key, {}).counts
    own = sum(p.numel() for p in model.parameters())
    assert counts is not None and drawn is not None
    assert counts.stored == drawn.stored == own and counts.live == drawn.live
    assert counts.modules == sum(hasattr(m, "set_effective") for m in model.modules())
    again = at.build()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(data(at))[0], model(data(at))[0])


@pytest.mark.parametrize("prior", PRIORS)
def test_the_density_integrates_to_one(prior: str) -> None:
    flow = f"flow F on Vec[2] ensures invertible {{ a: E  factor half (prior = Bent)  prior {prior} }}"
    model = near_initial(compile_text(HEAD + NETS + flow).build(), seed=2, std=0.4)
    kept, gone = (torch.linspace(-40, 40, n + 1, dtype=torch.float64) for n in (400, 800))
    with torch.no_grad():
        mass = model.log_prob(torch.cartesian_prod(kept, gone)).exp().sum() * (80 / 400) * (80 / 800)
    assert float(mass) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("prior", PRIORS)
def test_samples_follow_the_net(prior: str) -> None:
    """Given what goes on, what leaves has the mean and the deviation that the net names, in this order."""
    flow = f"flow F on Vec[2] ensures invertible {{ factor half (prior = Line)  prior {prior} }}"
    model = near_initial(compile_text(HEAD + NETS + flow).build(), std=0.1)
    with torch.no_grad():
        model.factor_0.a.fill_(5.0)
        model.factor_0.b.fill_(-1.0)
        torch.manual_seed(4)
        x, scores = model.sample_and_log_prob((40_000,))
        mean, log_scale = model.factor_0(x[:, :1])
        noise = (x[:, 1:] - mean) / log_scale.exp()
    assert worst(scores, model.log_prob(x)) == 0.0
    assert abs(float(noise.mean())) <= 0.02 and abs(float(noise.std()) - 1) <= 0.02
    assert abs(float((noise < 0.7).double().mean()) - 0.5 * (1 + math.erf(0.7 / math.sqrt(2)))) <= 0.01
    assert float(x[:, 1].mean()) == pytest.approx(5.0, abs=0.3)


@pytest.mark.parametrize(("name", "prior"), [("scales", "logistic"), ("mixed", "learned_normal(per = element)")])
def test_batches_samples_gradients_and_distributions(name: str, prior: str) -> None:
    at, model = made(name, prior)
    size = math.prod(at.shape)
    x = torch.randn(2, 3, *at.shape, dtype=torch.float64)
    z, log_det = model(x)
    assert z.shape == (2, 3, size) and log_det.shape == model.log_prob(x).shape == (2, 3)
    assert worst(model.inverse(z)[0], x) <= 1e-9
    assert worst(model.log_prob(x)[1, 2], model.log_prob(x[1, 2])) <= 1e-13
    assert model.sample((4, 2)).shape == (4, 2, *at.shape) and model.sample().shape == at.shape
    model.rsample(2).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    density, base = model.distribution(), model.prior.distribution(x)
    assert density.event_shape == at.shape and density.rsample((5,)).shape == (5, *at.shape)
    assert worst(density.log_prob(x), model.log_prob(x)) <= 1e-12
    wide = base.expand((3,))
    assert wide.sample((2,)).shape == (2, 3, size) and not wide.sample().requires_grad
    assert worst(wide.log_prob(z), model.prior.log_prob(z)) == 0.0
    shifted = TransformedDistribution(wide, [torch.distributions.AffineTransform(1.0, 2.0)])
    assert worst(shifted.log_prob(1 + 2 * z).sum(), (model.prior.log_prob(z) - size * math.log(2)).sum()) <= 1e-12
    assert Laplace(0.0, 1.0).has_rsample == base.has_rsample
    layers = [path for path, _, _ in model.trace(x[0])]
    assert layers == [path for path in ("a", "c") if hasattr(model, path)]
    assert worst(model(torch.empty(0, *at.shape, dtype=torch.float64))[0], torch.empty(0, size)) == 0.0


@pytest.mark.parametrize("name", ["scales", "mixed"])
def test_float32_autocast_and_one_graph(name: str) -> None:
    at, wide = made(name, "learned_normal(per = element)")
    _, model = made(name, "learned_normal(per = element)", torch.float32)
    x = data(at)
    expected = wide.log_prob(x)
    assert worst(model.log_prob(x.float()).double(), expected) <= 1e-5
    z, log_det = model(x.float())
    assert z.dtype == log_det.dtype == torch.float32 and worst(model.inverse(z)[0], x.float()) <= 1e-4
    with torch.autocast("cpu", torch.bfloat16):
        narrow, term = model(x.float())
        assert term.dtype == torch.float32 and worst(model.log_prob(x.float()).double(), expected) <= 0.05
    torch._dynamo.reset()
    graph = torch.compile(wide.log_prob, fullgraph=True, backend="eager")
    assert worst(graph(x), expected) <= 1e-13
    score = torch.func.vmap(torch.func.jacrev(wide.log_prob))(x)
    point = x.clone().requires_grad_()
    assert worst(score, torch.autograd.grad(wide.log_prob(point).sum(), point)[0]) <= 1e-12


def test_sizes_that_are_given_late_and_names_that_are_taken() -> None:
    flow = "flow F on Vec[D] ensures invertible { inverse: factor half (prior = Line)  prior logistic }"
    model = compile_text(HEAD + NETS + flow, (6,)).build()
    x = torch.randn(2, 6, dtype=torch.float64)
    assert model.latent_parts == ((3,), (3,)) and isinstance(model.inverse_, nn.Module)
    assert model.steps == ("inverse_",) and worst(model.inverse(model(x)[0])[0], x) <= 1e-12
    with pytest.raises(ValueError, match="7"):
        type(model)((7,))


def test_layers_behind_it_are_initialised_from_data() -> None:
    text = """
layer N on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0 init from_data
  param b : bias init from_data
  map x -> s * (x + b)
}
flow F on Vec[4] ensures invertible { first: N  factor half (prior = Line)  second: N  prior normal }"""
    model = compile_text(HEAD + NETS + text).build()
    batch = 3 + 2 * torch.randn(64, 4, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="initialize"):
        model.log_prob(batch)
    model.initialize(batch)
    z = model(batch)[0]
    kept = z[:, 2:]
    assert worst(kept.mean(0), torch.zeros(2)) <= 1e-12 and worst(kept.std(0, correction=0), torch.ones(2)) <= 1e-6


def test_the_net_is_in_the_statement() -> None:
    """Another net behind a factor, or other arguments of it, is another program."""
    flows = [
        text("image"),
        text("image").replace("prior = Split", "prior = Split(width = 3)"),
        text("image").replace("prior = Split", "prior = Split(h = elu)"),
        text("image").replace("s(u))", "s(u) + b)"),
        text("image").replace(" (prior = Split)", ""),
    ]
    assert len({compile_text(flow).build().spec_hash for flow in flows}) == len(flows)


def test_a_part_from_a_box_gives_a_density_and_no_samples() -> None:
    flow = """layer Q on Vec[D] ensures injective { map x -> sigmoid(x) }
flow F on Vec[4] ensures injective { Q  factor half (prior = Line)  prior normal }"""
    model = compile_text(HEAD + NETS + flow).build()
    assert torch.isfinite(model.log_prob(torch.randn(3, 4, dtype=torch.float64))).all()
    with pytest.raises(RuntimeError, match="injective, but not onto"):
        model.sample(1)
