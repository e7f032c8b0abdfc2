"""Nets with strided convolutions: within their norm while they train, from a condition of another size."""

from __future__ import annotations

import pytest
import torch
from codegen_oracle import compile_text, draw
from torch import Tensor, nn

torch.set_num_threads(1)

TEXT = """mint 1
net Down(width: Nat) from Image[C, H, W] to Image[K, H / 2, W / 2] {
  param V : conv 4x4 (stride = 2) from Image[C, H, W] to Image[width, H / 2, W / 2] with lip <= 0.7
  param W : conv 3x3 from Image[width, H / 2, W / 2] to Image[K, H / 2, W / 2] with lip <= 0.9
  map c -> W(elu(V(c)))
}
layer A on Image[C, H, W] given c: Image[3, 2 * H, 2 * W] ensures invertible {
  param m, s : net Down(width = 4) from Image[3, 2 * H, 2 * W] to Image[C, H, W]
  map x -> x * exp(tanh(s(c))) + m(c)
}
flow F on Image[2, 4, 3] given c: Image[3, 8, 6] ensures invertible, log_det exact { A  prior normal }
"""


def norm_of(weight: Tensor) -> float:
    """The norm of a 4x4 kernel of stride 2 on 8x6 images, by PyTorch's own convolution."""
    units = torch.eye(3 * 8 * 6, dtype=torch.float64).reshape(-1, 3, 8, 6)
    rows = nn.functional.conv2d(units, weight.detach().double(), stride=2, padding=1).flatten(1)
    return float(torch.linalg.matrix_norm(rows, 2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_norms_stay_within_their_limit_while_the_model_trains(dtype: torch.dtype) -> None:
    model = draw(compile_text(TEXT).build(), std=0.5).to(dtype)
    made = torch.Generator().manual_seed(0)
    x = torch.randn(8, 2, 4, 3, generator=made, dtype=torch.float64).to(dtype)
    c = torch.randn(8, 3, 8, 6, generator=made, dtype=torch.float64).to(dtype)
    optimiser, norms, losses = torch.optim.SGD(model.parameters(), lr=1.0), [], []
    for _ in range(12):
        optimiser.zero_grad()
        loss = -model.log_prob(x, c).mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        norms += [norm_of(net.effective_weights()[0]) for net in (model.A_0.m, model.A_0.s)]
    assert max(norms) <= 0.7 and min(norms) >= 0.5
    assert losses[-1] < losses[0] - 0.1
    for found in model.certify():
        assert found.lower <= found.upper <= found.limit


def test_a_condition_without_halves_is_refused() -> None:
    net = type(compile_text(TEXT).build().A_0.m)
    assert net((3, 8, 6), (2, 4, 3), 4)(torch.zeros(5, 3, 8, 6)).shape == (5, 2, 4, 3)
    with pytest.raises(ValueError, match="size 1 of shape_2 is 4, but must be 3"):
        net((3, 7, 6), (2, 4, 3), 4)
