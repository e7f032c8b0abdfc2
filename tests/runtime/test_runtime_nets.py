"""What nets need: weight normalisation at the ends of the floats, attention that looks one way, tokens moved."""

from __future__ import annotations

import math

import pytest
import torch

from mintdsl.runtime.nets import (
    Attention,
    ChannelNorm,
    as_wide_as,
    chain_nets,
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


def test_weights_follow_a_wider_input() -> None:
    w = torch.ones(2)
    assert as_wide_as(torch.ones(1, dtype=torch.float64), (w,))[0].dtype == torch.float64
    assert as_wide_as(torch.ones(1, dtype=torch.bfloat16), (w,))[0].dtype == torch.float32
