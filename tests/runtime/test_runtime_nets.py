"""What nets need: weight normalisation at the ends of the floats, attention that looks one way, tokens moved."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from mintdsl.core.activations import ACTIVATIONS
from mintdsl.proof.kernel.facts import ACTS
from mintdsl.runtime.nets import (
    Attention,
    ChannelNorm,
    as_wide_as,
    chain_nets,
    clip_swish,
    delayed,
    length_of,
    maxmin,
    pointing,
    weight_normed,
)

DTYPES = (torch.float32, torch.float64, torch.bfloat16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_weight_norm_is_total(dtype: torch.dtype) -> None:
    info = torch.finfo(dtype)
    rows = [0.0, info.max, info.tiny, -info.max, 1.0, 1e-30]
    v = torch.tensor([[a, b, 0.0] for a in rows for b in rows], dtype=dtype, requires_grad=True)
    gain = torch.linspace(-3, 3, len(v)).to(dtype).requires_grad_()
    w = weight_normed(v, gain, 1)
    assert torch.isfinite(w).all()
    lengths = torch.linalg.vector_norm(w.double(), dim=1)
    whole = v.detach().abs().amax(1) > 0
    assert torch.allclose(lengths[whole], gain.double().abs()[whole], rtol=20 * info.eps, atol=0)
    assert not lengths[~whole].any()
    w.square().sum().backward()
    assert gain.grad is not None and torch.isfinite(gain.grad).all()


def test_weight_norm_by_the_definition() -> None:
    v = torch.randn(2, 3, 4, 3, 3, dtype=torch.float64)  # a family of two kernels
    gain = torch.randn(2, 3, dtype=torch.float64)
    expected = gain[..., None, None, None] * v / v.square().sum((2, 3, 4), keepdim=True).sqrt()
    assert torch.allclose(weight_normed(v, gain, 3), expected, rtol=1e-13)


@pytest.mark.parametrize("zeros", [False, True])
def test_a_weight_comes_back_from_length_and_direction(zeros: bool) -> None:
    w = torch.randn(4, 5, dtype=torch.float64) * torch.tensor([[0.0 if zeros else 2.0], [1.0], [1.0], [1e-200]])
    again = weight_normed(pointing(w, 1), length_of(w, 1), 1)
    assert torch.allclose(again, w, rtol=1e-13, atol=0)
    assert pointing(w, 1).abs().sum(1).gt(0).all()  # a direction that gradients can turn


@pytest.mark.parametrize(
    ("direction", "reads"), [("lower", torch.ones(5, 5).tril()), ("upper", torch.ones(5, 5).triu())]
)
def test_attention_reads_one_way(direction: str, reads: torch.Tensor) -> None:
    module = Attention(4, 2, direction, dtype=torch.float64)
    x = torch.randn(5, 4, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(module, x).abs().amax((1, 3))
    assert ((jacobian > 0) == (reads > 0)).all()


def test_attention_as_torch_has_it() -> None:
    own, theirs = (
        Attention(6, 3, None, dtype=torch.float64),
        torch.nn.MultiheadAttention(6, 3, bias=False, dtype=torch.float64),
    )
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat((own.query, own.key, own.value)))
        theirs.out_proj.weight.copy_(own.out)
    x = torch.randn(4, 2, 6, dtype=torch.float64)
    expected = theirs(x, x, x)[0]
    assert torch.allclose(own(x.movedim(0, 1)).movedim(0, 1), expected, rtol=1e-12)


def test_heads_divide_the_width() -> None:
    with pytest.raises(ValueError, match="3 heads do not divide 4 channels"):
        Attention(4, 3, None)


def test_layer_norm_as_torch_has_it() -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    own = ChannelNorm(3, -3, 1e-5, dtype=torch.float64)
    expected = torch.nn.functional.layer_norm(x.movedim(1, -1), (3,), eps=1e-5).movedim(-1, 1)
    assert torch.allclose(own(x), expected, rtol=1e-12)
    tokens = ChannelNorm(5, -1, 0.1, dtype=torch.float64)
    assert torch.allclose(tokens(x), torch.nn.functional.layer_norm(x, (5,), eps=0.1), rtol=1e-12)


def test_delay_and_chain() -> None:
    x = torch.arange(6.0).reshape(1, 3, 2)
    assert delayed(x).tolist() == [[[0, 0], [0, 1], [2, 3]]]
    assert delayed(x[:, :1]).tolist() == [[[0, 0]]]
    assert chain_nets([torch.nn.ReLU(), torch.nn.Flatten()], -x).tolist() == [[0] * 6]


def test_channels_in_pairs_the_larger_one_first() -> None:
    x = torch.tensor([[1.0, 2.0, 5.0, 4.0], [math.nan, 1.0, -0.5, -0.5]])
    assert maxmin(x, -1)[0].tolist() == [2.0, 1.0, 5.0, 4.0]
    assert maxmin(x, -1)[1, :2].isnan().all() and maxmin(x, -1)[1, 2:].tolist() == [-0.5, -0.5]
    made = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 6, 2, 4, generator=made, dtype=torch.float64)  # families, batch, channels
    pairs = images.unflatten(2, (3, 2)).sort(3, descending=True).values.flatten(2, 3)
    assert torch.equal(maxmin(images, -3), pairs)
    assert torch.equal(maxmin(images.movedim(2, -1), -1), pairs.movedim(2, -1))
    other = images + 0.7 * torch.randn(images.shape, generator=made, dtype=torch.float64)
    apart = (maxmin(images, -3) - maxmin(other, -3)).flatten(2).norm(dim=-1)
    assert bool((apart <= (images - other).flatten(2).norm(dim=-1) * (1 + 1e-15)).all())
    assert maxmin(images[:0], -3).shape == (0, 3, 6, 2, 4)


def test_lipswish_beside_that_of_the_negative() -> None:
    made = torch.Generator().manual_seed(0)
    images = 3 * torch.randn(2, 3, 6, 2, 4, generator=made, dtype=torch.float64)  # families, batch, channels
    both = [u / (1 + (-u).exp()) / 1.1 for u in (images, -images)]
    assert torch.allclose(clip_swish(images, -3), torch.cat(both, 2) / 1.004, rtol=1e-14, atol=0)
    assert torch.equal(clip_swish(images.movedim(2, -1), -1), clip_swish(images, -3).movedim(2, -1))
    other = images + 0.7 * torch.randn(images.shape, generator=made, dtype=torch.float64)
    apart = (clip_swish(images, -3) - clip_swish(other, -3)).flatten(2).norm(dim=-1)
    assert bool((apart <= (images - other).flatten(2).norm(dim=-1)).all())
    ends = torch.tensor([[-1e30, 1e30, 0.0, math.nan]])
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        found = clip_swish(ends.to(dtype), -1)
        assert found.dtype == dtype and found[0, [0, 2, 5, 6]].tolist() == [0.0] * 4
        assert found[0, 1] == found[0, 4] and found[0, 1] > 0.9e30 and bool(found[0, [3, 7]].isnan().all())
    assert clip_swish(images[:0], -3).shape == (0, 3, 12, 2, 4)


def test_lipswish_on_both_sides_is_1_lipschitz_together() -> None:
    """With s = sigmoid(u) and t = s + u s (1 - s) the slope of silu at u, that at -u is 1 - t. So a difference grows by
    at most (t^2 + (1 - t)^2)^(1/2) / 1.1044, a convex function of t. The slopes of the tables bound t; a grid bounds it
    closer: |t'| <= 1/2, and beyond 30 it is within 1e-11 of 0 or 1."""
    for table in (ACTIVATIONS["silu"].slope(), ACTS["silu"].slope()):
        for t in (Fraction(table.lo), Fraction(table.hi)):
            assert t**2 + (1 - t) ** 2 < (Fraction("1.1") * Fraction("1.004")) ** 2
    step = 2.0**-14
    u = torch.arange(0.0, 30.0, step, dtype=torch.float64)
    s = torch.sigmoid(u)
    t, other = s + u * s * (1 - s), 1 - s - u * s * (1 - s)
    assert torch.allclose(other, torch.func.vmap(torch.func.grad(torch.nn.functional.silu))(-u), rtol=1e-12, atol=1e-13)
    largest = float(t.max()) + step / 4  # half a step away, or less
    joint = math.hypot(largest, 1 - largest)
    assert 1.10436154 < joint < 1.1044 <= 1.1 * 1.004 + 1e-15
    assert math.isclose(float(torch.hypot(t, other).max()), 1.1043615440343844, rel_tol=1e-9)
    place = u[t.argmax()].reshape(1, 1).requires_grad_()
    (value,) = clip_swish(place, -1)
    slopes = [torch.autograd.grad(one, place, retain_graph=True)[0].item() for one in value]
    assert math.isclose(math.hypot(*slopes), 1.1043615440343844 / 1.1044, rel_tol=1e-9)


BETAS = torch.logspace(-6, 6, 13, dtype=torch.float64)


@pytest.mark.parametrize("beta", [*BETAS.tolist(), 0.974, 2.0**-20, 0.0, -3.0])
def test_the_constants_hold_for_every_beta(beta: float) -> None:
    """On a dense grid of beta u, and one of u: slopes of u sigmoid(beta u) within the registered bounds of silu, which
    are reached; the two of clip_swish are no steeper than 1 together, in the 1-norm than 1.0863."""
    b = torch.tensor([beta], dtype=torch.float64)
    grid = torch.linspace(-40.0, 40.0, 80_001, dtype=torch.float64)
    u = torch.cat((grid, grid / beta if beta else grid)).requires_grad_()
    half = u.numel() // 2
    (slope,) = torch.autograd.grad((u * torch.sigmoid(b * u)).sum(), u)
    known = ACTIVATIONS["silu"].slope()
    assert known.lo <= slope.min() and slope.max() <= known.hi
    if beta:
        assert math.isclose(float(slope[half:].max()), 1.0998394, rel_tol=1e-6)
        assert math.isclose(float(slope[half:].min()), -0.0998394, rel_tol=1e-5)
    both = clip_swish(u[:, None], -1, b)
    first, second = (torch.autograd.grad(one.sum(), u, retain_graph=True)[0] for one in both.unbind(-1))
    assert torch.allclose(1.1044 * (first - second), torch.ones_like(u), rtol=1e-12)
    assert float(torch.hypot(first, second).max()) <= 1.0
    assert float((first.abs() + second.abs()).max()) <= 1.0863
    assert float(first.abs().max()) <= 1.0 and float(second.abs().max()) <= 1.0
    apart = u[1:, None] - u[:-1, None]
    assert bool(((both[1:] - both[:-1]).norm(dim=-1) <= apart.abs()[:, 0] + 1e-15 * u.abs().max()).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_learned_beta_at_the_ends(dtype: torch.dtype) -> None:
    """As without one where it is 1; of the largest numbers no more than they are; a nan stays."""
    made = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 6, 2, 4, generator=made, dtype=torch.float64).to(dtype)
    one = torch.ones(1, dtype=dtype)
    near = 4 * torch.finfo(dtype).eps
    assert torch.allclose(clip_swish(images, -3, one), clip_swish(images, -3), rtol=near, atol=near)
    ends = torch.tensor([[-1e30, 1e30, 0.0, math.nan]], dtype=dtype)
    for beta in (2.0**-20, 1.0, 1e30):
        found = clip_swish(ends, -1, torch.tensor([beta], dtype=dtype))
        assert found.dtype == dtype and found[0, [0, 2, 5, 6]].tolist() == [0.0] * 4
        assert found[0, 1] == found[0, 4] and found[0, 1] > 0.9e30 and bool(found[0, [3, 7]].isnan().all())
    assert clip_swish(images[:0], -3, one).shape == (0, 3, 12, 2, 4)


def test_weights_follow_a_wider_input() -> None:
    w = torch.ones(2)
    assert as_wide_as(torch.ones(1, dtype=torch.float64), (w,))[0].dtype == torch.float64
    assert as_wide_as(torch.ones(1, dtype=torch.bfloat16), (w,))[0].dtype == torch.float32
