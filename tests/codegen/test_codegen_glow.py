"""The library's Glow against a transcription of its paper's equations (arXiv:1807.03039, tables 1 and 2, section 3)."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from codegen_oracle import compile_text, near_initial, worst
from codegen_programs import HEAD
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import conv2d

import mintdsl

torch.set_num_threads(1)

SPECS = Path(__file__).resolve().parents[2] / "specs"
DEPTH, WIDTH = 2, 5


def small(dtype: torch.dtype = torch.float64) -> nn.Module:
    model = mintdsl.load(SPECS / "glow" / "glow.mint").compile("Glow", depth=DEPTH, width=WIDTH)(dtype=dtype)
    return near_initial(model.double(), std=0.1).to(dtype).eval()


def squeezed(x: Tensor) -> Tensor:
    return torch.cat([x[:, :, dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)], 1)


def add(x: Tensor, bias: Tensor) -> Tensor:
    return x + bias[:, None, None]


def step(state: dict[str, Tensor], path: str, w: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Actnorm, 1x1 convolution, affine coupling; and the log-det [B]."""
    pixels = x.shape[2] * x.shape[3]
    log_s = state[f"{path}.ActNorm_0.s"].clamp(-60, 60)
    x = add(x, state[f"{path}.ActNorm_0.b"]) * log_s.exp()[:, None, None]
    log_det = pixels * log_s.sum() + pixels * torch.linalg.slogdet(w).logabsdet
    x = torch.einsum("oi,bihw->bohw", w, x)
    first, second = x.chunk(2, 1)
    net = {k: state[f"{path}.Coupling_0.n.{k}"] for k in ("V1", "V2", "V3", "V4", "b1", "b2", "b3", "b4")}
    hidden = add(conv2d(first, net["V1"], padding=1), net["b1"]).relu()
    hidden = add(conv2d(hidden, net["V2"]), net["b2"]).relu()
    scale = torch.sigmoid(add(conv2d(hidden, net["V3"], padding=1), net["b3"]) + 2)
    shift = add(conv2d(hidden, net["V4"], padding=1), net["b4"])
    return torch.cat((first, scale * (second + shift)), 1), log_det + scale.log().flatten(1).sum(1)


def paper(model: nn.Module, pixels: Tensor) -> Tensor:
    """log p [B] of images in the unit box."""
    state = dict(model.state_dict())
    x, total = pixels - 0.5, torch.zeros(len(pixels), dtype=pixels.dtype)
    for level in range(3):
        x = squeezed(x)
        for k in range(DEPTH):
            path = f"GlowStep_{level}.{k}"
            w = model.get_submodule(f"{path}.Inv1x1_0").effective("W")
            x, log_det = step(state, path, w.reshape(w.shape[:2]), x)
            total = total + log_det
        if level < 2:
            x, gone = x.chunk(2, 1)
            net = {k: state[f"factor_{level}.{k}"] for k in ("V1", "V2", "b1", "b2")}
            mean, log_sd = (add(conv2d(x, net[f"V{i}"], padding=1), net[f"b{i}"]) for i in (1, 2))
            total = total + Normal(mean, log_sd.exp()).log_prob(gone).flatten(1).sum(1)
    mean, log_sd = (state[f"prior.rest.{k}"][:, None, None] for k in ("location", "log_scale"))
    return total + Normal(mean.expand_as(x), log_sd.exp().expand_as(x)).log_prob(x).flatten(1).sum(1)


def test_the_density_is_that_of_the_paper() -> None:
    model = small()
    with torch.no_grad():
        x = torch.rand(3, 3, 32, 32, dtype=torch.float64)
        assert worst(model.distribution().log_prob(x), paper(model, x)) <= 1e-12
        z, _ = model(x)
        assert worst(model.inverse(z)[0], x) <= 1e-10
        images = torch.randint(0, 256, (3, 3, 32, 32))
        torch.manual_seed(7)
        found = model.bits_per_dim(images)
        torch.manual_seed(7)
        noisy = (images.double() + torch.rand(images.shape, dtype=torch.float64)) / 256
        assert worst(found, 8 - paper(model, noisy) / (3072 * math.log(2))) <= 1e-12


def test_it_starts_as_rotations_and_standard_normals() -> None:
    """After initialisation by data every activation is normalised, every matrix a rotation, every coupling the same."""
    torch.manual_seed(0)
    model = mintdsl.load(SPECS / "glow" / "glow.mint").compile("Glow", depth=DEPTH, width=WIDTH)()
    images = torch.randint(0, 256, (32, 3, 32, 32))
    model.initialize(images)
    for m in model.modules():
        if type(m).__name__ == "Inv1x1":
            w = m.effective("W").reshape(m.event_shape[0], -1)
            assert worst(w @ w.T, torch.eye(len(w))) <= 1e-5
    named = dict(model.named_modules())
    for level in (0, 1):
        mean, log_scale = named[f"factor_{level}"](torch.randn(2, *named[f"factor_{level}"].event_shape))
        assert not mean.any() and not log_scale.any()
    x = torch.rand(2, 3, 32, 32)
    assert worst(model.inverse(model(x)[0])[0], x) <= 1e-5
    assert model.sample(2).shape == (2, 3, 32, 32)


def test_counts_of_the_published_sizes() -> None:
    """By the shapes of the paper, for every level of C channels."""

    def step_count(c: int) -> int:
        half, w = c // 2, 512
        return 2 * c + c * c + 9 * half * w + w + w * w + w + 2 * (9 * w * half + half)

    def prior_count(c: int) -> int:
        return 2 * (9 * (c // 2) ** 2 + c // 2)

    for spec, name, depth in (("glow", "Glow", 32), ("imagenet32", "ImageNet32", 48)):
        counts = mintdsl.load(SPECS / "glow" / f"{spec}.mint").check(name)[name].counts
        assert counts is not None
        assert counts.stored == depth * sum(map(step_count, (12, 24, 48))) + prior_count(12) + prior_count(24) + 2 * 48


def test_the_published_matrix_is_an_assumption_that_is_tested() -> None:
    flow = 'import "glow/glow.mint" { RawStep }\nflow F on Image[4, 2, 2] ensures invertible { RawStep(width = 2) }'
    model = near_initial(compile_text(HEAD + flow).build(), std=0.1)
    x = torch.randn(2, 4, 2, 2, dtype=torch.float64)
    z, _ = model(x)
    assert worst(model.inverse(z)[0], x) <= 1e-10
    with torch.no_grad():
        model.RawStep_0.Inv1x1Raw_0.W[0] = model.RawStep_0.Inv1x1Raw_0.W[1]
    with pytest.raises(ValueError, match=r"det\(W\) is finite and not 0"):
        model.inverse(z)
