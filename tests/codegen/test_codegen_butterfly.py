"""The butterfly of the library against the product of its levels, written out as dense matrices."""

from __future__ import annotations

import torch
from codegen_oracle import dense_jacobian, draw, worst
from torch import Tensor, nn

import mintdsl
from mintdsl.resources import resource

torch.set_num_threads(1)

LEVELS = (("Half", 4), ("Two", 2), ("One", 1))
PAIRS = {
    "Half": [(("u", k), ("s", k), ("l", k), ("t", k)) for k in range(4)],
    "One": [(("u", k), ("s", k), ("l", k), ("t", k)) for k in range(4)],
    "Two": [
        (("u", 0), ("p", 0), ("l", 0), ("s", 0)),
        (("v", 0), ("q", 0), ("m", 0), ("t", 0)),
        (("u", 1), ("p", 1), ("l", 1), ("s", 1)),
        (("v", 1), ("q", 1), ("m", 1), ("t", 1)),
    ],
}


def level(upper: nn.Module, lower: nn.Module, word: str, stride: int) -> Tensor:
    """The matrix of a level: pairs (i, i + stride), each by a 2x2 matrix of its own."""
    found = torch.zeros(8, 8, dtype=torch.float64)
    firsts = [i for i in range(8) if i // stride % 2 == 0]
    for i, names in zip(firsts, PAIRS[word], strict=True):
        u = upper.effective(names[0][0])[names[0][1]]
        s, low, t = (lower.effective(name)[k] for name, k in names[1:])
        pair = torch.stack((torch.stack((s, s * u)), torch.stack((low, low * u + t)))).detach()
        places = torch.tensor([i, i + stride])
        found[places[:, None], places] = pair
    return found


def test_the_butterfly_is_the_product_of_its_levels() -> None:
    cls = mintdsl.load(resource("specs") / "std" / "butterfly.mint").compile("Butterfly")
    model = draw(cls(dtype=torch.float64))
    whole = torch.eye(8, dtype=torch.float64)
    for word, stride in LEVELS:
        one = level(getattr(model, f"{word}Upper_0"), getattr(model, f"{word}Lower_0"), word, stride)
        assert int((one != 0).sum()) == 16  # two in each row
        whole = one @ whole
    x = torch.randn(3, 8, dtype=torch.float64)
    z, log_det = model(x)
    assert worst(z, x @ whole.T) <= 1e-12 and worst(dense_jacobian(model, x[0]), whole) <= 1e-12
    assert worst(log_det, torch.linalg.slogdet(whole)[1].expand(3)) <= 1e-10
    assert bool((whole != 0).all())  # every output sees every input
    assert worst(model.inverse(z)[0], x) <= 1e-10
