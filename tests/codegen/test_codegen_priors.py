"""Priors: closed forms in float64, tails, samples, gradients, torch.distributions, names and counts of parameters."""

from __future__ import annotations

import math

import pytest
import torch
from codegen_oracle import compile_text, draw, raw_of, worst
from codegen_programs import HEAD
from torch import Tensor, nn

import mintdsl
from mintdsl.core.interpret import log_prior, parameters
from mintdsl.tools.architecture import architecture

torch.set_num_threads(1)

PRIORS = ("normal", "logistic", "learned_normal", "learned_normal(per = element)")
SHAPES = {"Image[2, 3, 2]": (2, 3, 2), "Vec[3]": (3,), "Seq[3, 2]": (3, 2)}
BODY = "layer A on S ensures diag > 0, invertible {\n  param s : scale with diag > 0\n  map x -> s * x\n}\n"


def flow(prior: str, shape: str = "Vec[3]") -> str:
    return f"{HEAD}{BODY}flow F on {shape} ensures invertible {{ A  prior {prior} }}"


def model_of(prior: str, shape: str = "Vec[3]", seed: int = 0) -> nn.Module:
    return draw(compile_text(flow(prior, shape)).build(), seed)


def numbers(model: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    """Location and scale of every element of the latent, written out from the state dict."""
    state = model.state_dict()
    if "prior.location" not in state:
        return torch.zeros_like(z), torch.ones_like(z)
    location, scale = state["prior.location"], state["prior.log_scale"].exp()
    if location.shape != z.shape[1:] and z.dim() == 4:
        location, scale = location.reshape(-1, 1, 1), scale.reshape(-1, 1, 1)
    return location.expand_as(z), scale.expand_as(z)


def closed(prior: str, model: nn.Module, z: Tensor) -> Tensor:
    """log-density [B] by the textbook formulas; exponentials as they stand, so for moderate z only."""
    if prior == "logistic":
        terms = torch.exp(-z) / (1 + torch.exp(-z)) ** 2
    else:
        location, scale = numbers(model, z)
        terms = torch.exp(-((z - location) ** 2) / (2 * scale**2)) / (scale * math.sqrt(2 * math.pi))
    return terms.log().flatten(1).sum(1)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("shape", SHAPES)
def test_closed_forms(prior: str, shape: str) -> None:
    model = model_of(prior, shape)
    x = torch.randn(5, *SHAPES[shape], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    z, log_det = model(x)
    expected = closed(prior, model, z.detach()) + log_det
    assert worst(model.log_prob(x), expected) <= 1e-13
    assert worst(model.bits_per_dim(x), -expected / (x[0].numel() * math.log(2))) <= 1e-13
    density = model.distribution()
    assert density.event_shape == SHAPES[shape]
    assert worst(density.log_prob(x), expected) <= 1e-12
    at = compile_text(flow(prior, shape))
    raw = raw_of(at, model)
    plain = [log_prior(at.core, at.key, v.flatten().tolist(), SHAPES[shape], {}, raw) for v in z]
    assert worst(torch.tensor(plain, dtype=torch.float64), expected - log_det) <= 1e-13


@pytest.mark.parametrize("prior", PRIORS)
def test_densities_integrate_to_one(prior: str) -> None:
    model = model_of(prior, "Vec[1]")
    line = torch.linspace(-120, 120, 480001, dtype=torch.float64)
    with torch.no_grad():
        mass = model.log_prob(line[:, None]).exp().sum() * (line[1] - line[0])
    assert float(mass) == pytest.approx(1.0, abs=1e-9)


def test_tails_of_the_logistic() -> None:
    """log p(z) is -|z| for large |z|, where e^z is no number; its slope is -tanh(z / 2)."""
    model = compile_text(flow("logistic", "Vec[1]")).build()
    z = torch.tensor([-1e6, -800.0, -40.0, -1.0, 0.0, 2.0, 50.0, 900.0], dtype=torch.float64, requires_grad=True)
    found = model.prior.log_prob(z[:, None])
    exact = -z.detach().abs() - 2 * torch.log1p(torch.exp(-z.detach().abs()))
    assert worst(found, exact) <= 1e-16 and torch.isfinite(found).all()
    (slope,) = torch.autograd.grad(found.sum(), z, create_graph=True)
    assert worst(slope, -torch.tanh(z.detach() / 2)) <= 1e-15
    (second,) = torch.autograd.grad(slope.sum(), z)
    assert worst(second, -0.5 / torch.cosh(z.detach().clamp(-300, 300) / 2) ** 2) <= 1e-15


MOMENTS = {"normal": 1.0, "logistic": math.pi / math.sqrt(3.0)}


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_samples_have_the_moments_of_the_prior(prior: str, dtype: torch.dtype) -> None:
    model = model_of(prior, "Image[2, 3, 2]").to(dtype)
    torch.manual_seed(0)
    with torch.no_grad():
        z = model.prior.draw((40000,), torch.zeros((), dtype=dtype)).double()
    assert z.shape == (40000, 2, 3, 2) and torch.isfinite(z).all()
    location, scale = numbers(model.double(), z[:1])
    scale = scale * MOMENTS.get(prior, 1.0)
    slack = 0.02 if dtype == torch.bfloat16 else 0.0
    assert ((z.mean(0) - location[0]).abs() <= 5 * scale[0] / 200 + slack * (1 + location[0].abs())).all()
    assert ((z.std(0) / scale[0] - 1).abs() <= 0.025 + slack).all()
    # the share below a place is that of the distribution function
    cut = (z - location) / scale * MOMENTS.get(prior, 1.0)
    share = float((cut < 0.7).double().mean())
    exact = 1 / (1 + math.exp(-0.7)) if prior == "logistic" else 0.5 * (1 + math.erf(0.7 / math.sqrt(2)))
    assert share == pytest.approx(exact, abs=0.005 + slack / 4)


@pytest.mark.parametrize("prior", PRIORS)
def test_samples_of_flows(prior: str) -> None:
    model = model_of(prior)
    torch.manual_seed(1)
    x, log_prob = model.sample_and_log_prob((4, 2))
    assert x.shape == (4, 2, 3) and not x.requires_grad and worst(model.log_prob(x), log_prob) == 0.0
    x = model.rsample(3)
    x.sum().backward()
    learned = [p for name, p in model.named_parameters() if name.startswith("prior.")]
    assert all(p.grad is not None and (p.grad != 0).any() for p in learned)
    assert bool(learned) == prior.startswith("learned")
    drawn = model.distribution().rsample((5,))
    assert drawn.shape == (5, 3) and torch.isfinite(model.log_prob(drawn)).all()
    transform = model.transform()
    assert worst(transform.inv(transform(x)), x) <= 1e-12


def test_a_learned_prior_starts_as_the_standard_normal_and_trains() -> None:
    model = compile_text(flow("learned_normal")).build()
    assert set(model.state_dict()) == {"A_0.s", "prior.location", "prior.log_scale"}
    x = torch.randn(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    other = compile_text(flow("normal")).build()
    other.load_state_dict({"A_0.s": model.state_dict()["A_0.s"]})
    assert worst(model.log_prob(x), other.log_prob(x)) <= 1e-15
    data = 4.0 + 0.25 * x
    optimizer = torch.optim.Adam(model.prior.parameters(), 0.05)
    for _ in range(400):
        loss = -model.log_prob(data).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    z = model(data)[0].detach()
    assert worst(model.prior.location, z.mean(0)) <= 1e-2
    assert worst(model.prior.log_scale.exp(), z.std(0, correction=0)) <= 1e-2


COUNTED = (
    ("normal", "Image[2, 4, 4]", "A", 0),
    ("logistic", "Image[2, 4, 4]", "A", 0),
    ("learned_normal", "Image[2, 4, 4]", "A", 4),
    ("learned_normal", "Image[2, 4, 4]", "squeeze 2  A", 16),
    ("learned_normal(per = element)", "Image[2, 4, 4]", "squeeze 2  A", 64),
    ("learned_normal(per = channel)", "Seq[3, 2]", "A", 4),
    ("learned_normal(per = element)", "Seq[3, 2]", "A", 12),
    ("learned_normal(per = channel)", "Vec[5]", "A", 10),
    ("learned_normal(per = element)", "Vec[2]", "factor half  A", 4),
    ("learned_normal(per = element)", "Image[2, 4, 4]", "factor half  squeeze 2  factor half  A", 64),
    ("learned_normal(per = channel)", "Image[2, 4, 4]", "factor half  squeeze 2  factor half  A", 10),
    ("learned_normal(per = channel)", "Seq[3, 4]", "A  factor half (keep = second)", 8),
    ("learned_normal(per = channel)", "Image[2, 2, 2]", "factor half  flatten  factor half  A", 10),
    ("learned_normal(per = element)", "Seq[3, 4]", "A  factor half (keep = second)", 24),
)


@pytest.mark.parametrize(("prior", "shape", "steps", "count"), COUNTED)
def test_parameters_of_the_prior_are_counted(prior: str, shape: str, steps: str, count: int) -> None:
    text = f"{HEAD}{BODY}flow F on {shape} ensures invertible {{ {steps}  prior {prior} }}"
    counts = mintdsl.loads(text).check()["F"].counts
    assert counts is not None
    made = compile_text(text)
    model = made.build()
    assert parameters(made.core, made.key, made.shape, {}) == {k: tuple(v.shape) for k, v in model.state_dict().items()}
    drawn = architecture(made.core, made.key, {}).counts
    assert drawn is not None and (drawn.stored, drawn.live) == (counts.stored, counts.live)
    own = sum(p.numel() for p in model.parameters())
    assert counts.stored == counts.live == own
    assert sum(p.numel() for name, p in model.named_parameters() if name.startswith("prior.")) == count


@pytest.mark.parametrize("prior", PRIORS)
def test_autocast_and_narrow_types(prior: str) -> None:
    model = model_of(prior, "Image[2, 3, 2]")
    x = torch.randn(4, 2, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    expected = model.log_prob(x)
    narrow = model_of(prior, "Image[2, 3, 2]").float()
    with torch.autocast("cpu", torch.bfloat16):
        found = narrow.log_prob(x.float())
    assert found.dtype == torch.float32 and worst(found.double(), expected) <= 1e-5
    for dtype in (torch.bfloat16, torch.float16):
        found = model_of(prior, "Image[2, 3, 2]").to(dtype).log_prob(x.to(dtype))
        assert found.dtype == dtype and worst(found.double(), expected) <= 0.1


@pytest.mark.parametrize("prior", PRIORS)
def test_one_graph_and_vmap(prior: str) -> None:
    torch._dynamo.reset()
    model, x = model_of(prior), torch.randn(4, 3, dtype=torch.float64)
    log_prob = torch.compile(model.log_prob, fullgraph=True, backend="eager")
    assert worst(log_prob(x), model.log_prob(x)) <= 1e-13
    score = torch.func.vmap(torch.func.jacrev(model.log_prob))(x)
    point = x.clone().requires_grad_()
    assert worst(score, torch.autograd.grad(model.log_prob(point).sum(), point)[0]) <= 1e-13


def test_the_statement_names_the_prior() -> None:
    """Another prior is another density, so another hash; the standard normal's stays what it was."""
    hashes = {compile_text(flow(prior)).build().spec_hash for prior in PRIORS}
    assert len(hashes) == len(PRIORS)
    assert compile_text(flow("learned_normal(per = channel)")).build().spec_hash in hashes
