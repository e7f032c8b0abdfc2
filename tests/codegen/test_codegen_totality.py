"""Generated layers keep their constraints for every raw number that a dtype can hold, and at their initial values."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from codegen_oracle import compile_text
from codegen_programs import HEAD
from torch import Tensor, nn

from mintdsl.core.constraints import CONSTRAINTS, Constraint, Parametrisation

torch.set_num_threads(1)

KEPT = [(c, v) for c in CONSTRAINTS if c.quantity == "diag" and c.ready for v in c.via if v.ready and not v.assumed]
NAMES = [f"{c.cmp} via {v.name}" for c, v in KEPT]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
BOUNDS: dict[int, list[tuple[float, ...]]] = {
    0: [()],
    1: [(0.7,), (1e-30,), (1 / 3,), (3000.1,)],
    2: [(0.7, 0.71), (1e-30, 1e3), (0.3, 5000.3)],
}


def every_number(dtype: torch.dtype) -> Tensor:
    """All finite numbers of the 16-bit types, as numbers of `dtype` where they fit, and its own extremes."""
    bits = torch.arange(-(2**15), 2**15).to(torch.int16)
    info = torch.finfo(dtype)
    own = torch.tensor([info.max, -info.max, info.smallest_normal * info.eps], dtype=torch.float64).to(dtype)
    found = torch.cat([bits.view(torch.bfloat16).to(dtype), bits.view(torch.float16).to(dtype), own])
    return found[torch.isfinite(found)]


def text_of(constraint: Constraint, via: Parametrisation, bounds: tuple[float, ...], init: str = "") -> str:
    """A family of scales and one of matrices under the constraint, in a layer that is invertible whatever they are."""
    words = {">=": "diag >= {}", ">= <=": "diag >= {}, diag <= {}"}.get(constraint.cmp, f"diag {constraint.cmp}")
    kept = f"with {words.format(*bounds)} via {via.name}{init}"
    return HEAD + (
        "layer A(K: Nat) on Vec[D] ensures lower, diag == 1, invertible {\n  index i : K\n"
        f"  param s[i] : scale {kept}\n  param V[i] : linear lower {kept}\n  param N : linear strict lower\n"
        "  map x -> x + N(sum[i](V[i](s[i] * x)))\n}"
    )


def build(text: str, dtype: torch.dtype, count: int, width: int = 1) -> nn.Module:
    return compile_text(text, (width,)).cls((width,), K=count, dtype=dtype)


def inside(constraint: Constraint, bounds: tuple[float, ...], value: Tensor) -> bool:
    """Whether all stored numbers are finite and in the set, compared as rationals."""
    magnitude = (value.abs() if constraint.cmp == "!= 0" else value).detach()
    if not torch.isfinite(magnitude).all():
        return False
    interval = constraint.interval(*bounds)
    least, most = Fraction(magnitude.min().item()), Fraction(magnitude.max().item())
    above = least > interval.lo if interval.lo_open else least >= Fraction(interval.lo)
    return above and (interval.hi == math.inf or most <= Fraction(interval.hi))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("constraint", "via"), KEPT, ids=NAMES)
def test_effective_diagonals_stay_in_their_set(
    constraint: Constraint, via: Parametrisation, dtype: torch.dtype
) -> None:
    numbers = every_number(dtype)
    for bounds in BOUNDS[constraint.bounds]:
        layer = build(text_of(constraint, via, bounds), dtype, len(numbers))
        with torch.no_grad():
            layer.s.copy_(numbers[:, None])
            layer.V.copy_(numbers[:, None, None])
            for name, sign in layer.named_buffers():
                if name.endswith("_sign"):
                    sign.copy_(torch.where(torch.arange(len(numbers)) % 2 == 0, 1.0, -1.0).reshape(sign.shape))
        for name in ("s", "V"):
            value = layer.effective(name)
            assert value.dtype == dtype
            assert inside(constraint, bounds, value), bounds
            if via.signed:
                assert torch.equal(value.sign().flatten(), getattr(layer, f"{name}_sign").flatten())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("constraint", "via"), KEPT, ids=NAMES)
def test_initial_values_lie_in_the_set(constraint: Constraint, via: Parametrisation, dtype: torch.dtype) -> None:
    """Whatever is drawn is moved into the set as the dtype holds it: bounds that it rounds are no trap."""
    torch.manual_seed(0)
    for bounds in BOUNDS[constraint.bounds]:
        for init in ("zeros", "ones", "normal(std = 1000)", "normal(std = 0.000001)"):
            layer = build(text_of(constraint, via, bounds, f" init {init}"), dtype, 3, 4)
            matrix = layer.effective("V").detach()
            for diagonal in (layer.effective("s"), matrix.diagonal(dim1=-2, dim2=-1)):
                assert inside(constraint, bounds, diagonal), (bounds, init)
            assert not matrix.triu(1).any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_ties_hold_exactly(dtype: torch.dtype) -> None:
    """The product of tied diagonals is never negative, for all pairs out of every kind of number; zeros give zeros."""
    text = HEAD + (
        "layer A(K: Nat) on Vec[D] ensures lower, diag > 0, invertible {\n  index i : K\n"
        "  param t : scale with diag > 0\n  param U[i], V[i], W[i] : linear lower\n"
        "  param k[i] : linear lower with diag != 0\n  param r[i] : linear lower with diag != 0 via raw\n"
        "  tie diag(U[i]) * diag(V[i]) * diag(W[i]) >= 0\n  tie diag(k[i]) * diag(r[i]) * diag(N[i]) >= 0\n"
        "  param N[i] : linear lower\n"
        "  map x -> t * x + sum[i](U[i](tanh(V[i](tanh(W[i](x)))))) + sum[i](k[i](tanh(r[i](tanh(N[i](x))))))\n}"
    )
    numbers = every_number(dtype)
    layer = build(text, dtype, len(numbers))
    made = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in layer.named_parameters():
            if name != "t":
                p.copy_(numbers[torch.randperm(len(numbers), generator=made)].reshape(p.shape))
        layer.k_sign.copy_(torch.where(torch.rand(layer.k_sign.shape, generator=made) < 0.5, -1.0, 1.0))
    signs = {n: layer.effective(n).detach().sign().flatten() for n in ("U", "V", "W", "k", "r", "N")}
    for a, b, c in (("U", "V", "W"), ("k", "r", "N")):
        product = signs[a] * signs[b] * signs[c]
        assert (product >= 0).all() and (product > 0).any() and (product == 0).any()
    pivot = next(n for n in ("U", "V", "W") if not torch.equal(signs[n], getattr(layer, n).detach().sign().flatten()))
    others = [signs[n] for n in ("U", "V", "W") if n != pivot]
    assert torch.equal(signs[pivot], getattr(layer, pivot).detach().sign().abs().flatten() * others[0] * others[1])
