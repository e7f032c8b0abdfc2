"""What other libraries answer with a wrong number and no message: here each is refused or raises, in its own sentence.

The cases are those that couplings, masked nets and elementwise maps can lead to; the conditioner of the wrong width is
the construction of normflows#29.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import mintdsl
from mintdsl.driver import SpecError

NET = """
net Cond(width: Nat) from Vec[D] to (Vec[E], Vec[E]) {
  param V1 : linear from Vec[D] to Vec[width]
  param Vm, Vs : linear from Vec[width] to Vec[E]
  map a {
    let u = tanh(V1(a))
    return (Vm(u), Vs(u))
  }
}
"""
MADE = """
net Made(width: Nat) from Vec[D], Vec[M] to (Vec[D], Vec[D]) {
  space Hid = Vec[width]
  param V : linear lower from Vec[D] to Hid
  param U : linear from Vec[M] to Hid
  param Vm, Va : linear strict lower from Hid to Vec[D]
  map x, c {
    let u = tanh(V(x) + U(c))
    return (Vm(u), Va(u))
  }
}
layer Maf(width: Nat = 8) on Vec[D] given c : Vec[M] ensures lower, diag > 0, invertible {
  param n : net Made(width = width) from Vec[D], Vec[M] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(x, c)
    return (x - m) * exp(-a)
  }
}
"""
CONDITIONAL = MADE + "flow F on Vec[4] given c : Vec[3] ensures invertible { Maf  reverse  Maf  prior normal }"
PLAIN = """
layer A on Vec[D] ensures lower, diag > 0, invertible {
  space Half = Vec[D / 2]
  param W : linear on Half
  map x {
    let (a, b) = split(x, halves)
    return join(a, b * exp(tanh(W(a))))
  }
}
flow F on Vec[4] ensures invertible { A  reverse  A  prior normal }
"""


def model_of(text: str, dtype: torch.dtype = torch.float64, spread: float = 0.3) -> nn.Module:
    torch.manual_seed(0)
    model = mintdsl.loads("mint 1" + text).compile()(dtype=dtype).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(spread * torch.randn_like(p))
    return model


def said(text: str) -> list[str]:
    return [d.title for d in mintdsl.loads("mint 1" + text).check().diagnostics]


def test_a_conditioner_of_the_wrong_width() -> None:
    layer = """
layer A on Vec[D] ensures lower, diag > 0, invertible {
  space Half = Vec[D / 2]
  param n : net Cond(width = 64) from Half to (Vec[1], Vec[1])
  map x {
    let (a, b) = split(x, halves)
    let (m, s) = n(a)
    return join(a, b * exp(s) + m)
  }
}"""
    assert said(NET + layer) == ["shapes do not match: `Vec[D / 2]` * `Vec[1]`"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_scalar_inverse_far_outside_any_bracket(dtype: torch.dtype) -> None:
    text = """
act bent(u) = u + 0.5 * tanh(u) + 0.3 * sin(u)
layer A on Vec[D] ensures diag > 0, invertible { map x -> bent(x) }
flow F on Vec[6] ensures invertible { A  prior normal }"""
    model = model_of(text, dtype)
    x = torch.tensor([[8000.0, -8000.0, 25.0, -11.0, 3e4, 0.1]], dtype=dtype)
    back, _ = model.inverse(model(x)[0])
    assert torch.allclose(back, x, rtol=1e-5 if dtype == torch.float32 else 1e-11)


def test_an_activation_that_is_not_monotone() -> None:
    text = "\nlayer A on Vec[D] ensures diag > 0, invertible { map x -> sin(x) }"
    report = mintdsl.loads("mint 1" + text).check()
    assert [d.code for d in report.diagnostics] == ["E0406"]


def test_a_context_that_is_forgotten() -> None:
    model = model_of(CONDITIONAL)
    x = torch.zeros(2, 4, dtype=torch.float64)
    for call in (model, model.log_prob, model.inverse):
        with pytest.raises(ValueError, match=r"a context that ends in \[3\] is needed"):
            call(x)
    assert said(MADE + "flow F on Vec[4] ensures invertible { Maf  prior normal }") == [
        "`Maf` needs the context `c : Vec[M]`, the flow has none"
    ]


def test_a_context_where_none_is_declared() -> None:
    model = model_of(PLAIN)
    with pytest.raises(ValueError, match="takes no context: its spec declares none with `given`"):
        model.log_prob(torch.zeros(2, 4, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64))


def test_one_point_is_one_point() -> None:
    model = model_of(PLAIN)
    x = torch.randn(4, dtype=torch.float64)
    assert model.log_prob(x).shape == () and torch.equal(model.log_prob(x), model.log_prob(x[None])[0])
    with pytest.raises(ValueError, match=r"x has shape \[5\], but must end in \[4\]"):
        model.log_prob(torch.zeros(5, dtype=torch.float64))


def test_a_permutation_repeats_nothing() -> None:
    with pytest.raises(SpecError):
        mintdsl.loads("mint 1 flow F on Vec[4] ensures invertible { permute(0, 0, 1, 2) }").generate()
    for seed in range(20):
        model = mintdsl.loads(f"mint 1 flow F on Vec[9] ensures invertible {{ permute(seed = {seed}) }}").compile()()
        x = torch.arange(9.0)
        assert sorted(model(x)[0].tolist()) == x.tolist() and torch.equal(model.inverse(model(x)[0])[0], x)


def test_a_mask_with_an_empty_part() -> None:
    coupling = """
layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, all)
    return join(a, 2 * b)
  }
}"""
    assert said("\nmask all = 2 * i mod 2" + coupling) == [
        "`all` leaves parts without places: its values differ by multiples of 2, mod 2"
    ]
    assert said("\nmask all = i mod 2" + coupling + "flow F on Vec[1] ensures invertible { A }") == [
        "the part `b` of `all` has no place on Vec[D] of sizes [1]"
    ]


def test_too_few_hidden_units() -> None:
    (title,) = said(MADE + "flow F on Vec[8] given c : Vec[3] ensures invertible { Maf(width = 3) }")
    assert title == "`Vec[width]` has 3 hidden units for 7 positions: the last of 8 results cannot read input 4"


def test_the_module_is_called_on_data_and_the_distribution_on_a_context() -> None:
    model = model_of(PLAIN)
    x = torch.randn(3, 4, dtype=torch.float64)
    z, log_det = model(x)
    assert isinstance(z, Tensor) and log_det.shape == (3,)
    with pytest.raises(ValueError, match="takes no context"):
        model.distribution(x).log_prob(x)


def test_float64_stays_float64() -> None:
    for text, context in ((PLAIN, ()), (CONDITIONAL, (torch.randn(3, 3, dtype=torch.float64),))):
        model = model_of(text)
        x = torch.randn(3, 4, dtype=torch.float64)
        z, log_det = model(x, *context)
        normal = -z.square().sum(1) / 2 - 2 * math.log(2 * math.pi)
        found = (model.log_prob(x, *context), model.bits_per_dim(x, *context), model.sample((2,), *context))
        assert all(t.dtype == torch.float64 for t in (z, log_det, *found, *model.inverse(z, *context)))
        assert float((found[0] - normal - log_det).detach().abs().max()) < 1e-13


def test_samples_of_a_network_with_wild_weights() -> None:
    text = """
import "mintnet/mint.mint" { Mint }
flow F on Image[1, 4, 4] ensures invertible { Mint(K = 4, tri = lower)  Mint(K = 4, tri = upper)  prior normal }"""
    torch.manual_seed(0)
    model = mintdsl.loads("mint 1" + text).compile()(dtype=torch.float64).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.normal_()
        z = torch.randn(4, 1, 4, 4, dtype=torch.float64)
        try:
            x, _ = model.inverse(z)
        except RuntimeError as error:  # it says so
            assert type(error).__name__ == "InversionError"
        else:
            assert float(((model(x)[0] - z).abs() / (1 + z.abs())).max()) < 1e-6  # after two layers, each within 1e-11
