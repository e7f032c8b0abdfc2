"""The invertible convolutions of the library at random sizes, against Jacobians made entry by entry in float64."""

from __future__ import annotations

import itertools
import math
import random
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from codegen_oracle import near_initial
from torch import Tensor, nn

import mintdsl

torch.set_num_threads(1)

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "cinc.py"
Pair = tuple[int, int]
Place = tuple[int, int, int]

COUNTS: dict[tuple[str, str], Callable[[int], int]] = {
    ("cinc/conv", "CInC"): lambda n: 9 * n**2 - n * (n - 1) // 2 + n,  # and a bias a channel
    ("cinc/conv", "CInCRaw"): lambda n: 9 * n**2 - n * (n - 1) // 2 + n,
    ("cinc/conv", "CInCUnit"): lambda n: 9 * n**2 - n * (n + 1) // 2 + n,
    ("emerging/pair", "Emerging"): lambda n: 7 * n**2 + n,
    ("emerging/autoregressive", "Autoregressive(tri = upper)"): lambda n: 4 * n**2 + n * (n + 1) // 2,
    ("finc/unit", "FInC"): lambda n: 4 * (9 * (n // 4) ** 2 - (n // 4) * (n // 4 + 1) // 2),
    ("std/inv1x1", "Inv1x1"): lambda n: n**2,
    ("std/inv1x1", "Inv1x1QR"): lambda n: n**2,
}
"""Free weights for n channels, as the papers or the released code have them; the specs say where the two differ."""


def flow(spec: str, use: str, shape: str = "C, H, W") -> mintdsl.Program:
    """A flow of one use of the library, on images of any size."""
    name = use.partition("(")[0]
    return mintdsl.loads(
        f'mint 1\nimport "{spec}.mint" {{ {name} }}\nflow F on Image[{shape}] ensures invertible {{ {use} }}\n'
    )


@pytest.mark.parametrize(("spec", "use"), COUNTS)
def test_free_weights_are_those_of_the_papers(spec: str, use: str) -> None:
    for n in (4, 12, 48):
        counts = flow(spec, use, f"{n}, 4, 4").check()["F"].counts
        assert counts is not None and counts.live == COUNTS[spec, use](n)


def brute(kernel: Tensor, anchor: Pair, dilation: Pair, image: Pair) -> Tensor:
    """dy/dx [C H W, C H W] of y[o, p] = sum of kernel[o, i, tap] x[i, p + (tap - anchor) * dilation], 0 outside."""
    outputs, inputs, rows, columns = kernel.shape
    found = torch.zeros(outputs, *image, inputs, *image, dtype=torch.float64)
    for h, w, u, v in itertools.product(*map(range, (*image, rows, columns))):
        down, right = h + (u - anchor[0]) * dilation[0], w + (v - anchor[1]) * dilation[1]
        if 0 <= down < image[0] and 0 <= right < image[1]:
            found[:, h, w, :, down, right] += kernel[:, :, u, v]
    return found.reshape(outputs * math.prod(image), -1)


def held_against(module: nn.Module, dense: Tensor, x: Tensor) -> None:
    """Value, log-det and inverse of a layer without shift are those of its matrix, to 1e-10."""
    z, log_det = module(x)
    assert torch.allclose(z.flatten(1), x.flatten(1) @ dense.mT, atol=1e-10)
    expected = torch.linalg.slogdet(dense).logabsdet
    assert torch.allclose(log_det, expected.expand(len(x)), rtol=1e-10, atol=1e-10)
    solved = torch.linalg.solve(dense, z.flatten(1).mT).mT.reshape(x.shape)
    back, log_back = module.inverse(z)
    assert (back - solved).abs().max() <= 1e-10
    assert torch.allclose(log_back, -log_det, atol=1e-10)


CORNERS = {"bottom_right": (1, 1), "bottom_left": (1, 0), "top_right": (0, 1), "top_left": (0, 0)}


@torch.no_grad()
@pytest.mark.parametrize("how", ["!= 0", "!= 0 via qr", "!= 0 via raw", "== 1", "== 1 via unit_lower"])
def test_kernels_with_a_determinant_at_a_corner(how: str) -> None:
    """Kernels of any size and dilation on images of any size, those too that taps reach beyond."""
    made = random.Random(how)
    for number, (corner, place) in enumerate(CORNERS.items()):
        size, dilation = (made.randint(1, 4), made.randint(1, 4)), (made.randint(1, 3), made.randint(1, 2))
        channels, image = made.randint(1, 4), (made.randint(1, 6), made.randint(1, 6))
        options = f"anchor = {corner}, dilation = ({dilation[0]}, {dilation[1]})"
        text = (
            "mint 1\nlayer L on Image[C, H, W] ensures invertible {\n"
            f"  param W : conv {size[0]}x{size[1]} ({options}) with det {how} init near_identity(std = 0.02)\n"
            "  map x -> W(x)\n}\n"
        )
        module = mintdsl.loads(text).compile("L")((channels, *image), dtype=torch.float64)
        near_initial(module, number, 0.1).eval()
        anchor = (place[0] * (size[0] - 1), place[1] * (size[1] - 1))
        dense = brute(module.effective("W"), anchor, dilation, image)
        held_against(module, dense, torch.randn(2, channels, *image, dtype=torch.float64))


ORDERS: dict[str, Callable[[Place], tuple[int, ...]]] = {
    "raster": lambda p: (p[1], p[2], p[0]),
    "channel_major": lambda p: p,
    "corner": lambda p: (p[1] + p[2], p[0]),
    "cinc": lambda p: (p[1] + p[2], -p[0]),
    "slanted": lambda p: (2 * p[1] - p[2], p[0]),
}


@torch.no_grad()
@pytest.mark.parametrize("word", ["lower", "upper"])
@pytest.mark.parametrize("order", ORDERS)
def test_masked_kernels_in_any_order(order: str, word: str) -> None:
    """Besides the solve, the structure: nothing is kept that the order puts on the wrong side."""
    made, later = random.Random(f"{order} {word}"), ORDERS[order]
    for number in range(3):
        size, dilation = (made.choice((1, 3)), made.choice((1, 3, 5))), (made.randint(1, 2), made.randint(1, 3))
        channels, image = made.randint(1, 3), (made.randint(1, 5), made.randint(1, 5))
        text = (
            "mint 1\norder cinc = (h + w, -c)\norder slanted = (2 * h - w, c)\n"
            f"layer L on Image[C, H, W] ensures {word}, diag > 0, invertible {{\n  order {order}\n"
            f"  param W : conv {size[0]}x{size[1]} {word} (dilation = ({dilation[0]}, {dilation[1]})) with diag > 0 "
            "init near_identity(std = 0.02)\n  map x -> W(x)\n}\n"
        )
        module = mintdsl.loads(text).compile("L")((channels, *image), dtype=torch.float64)
        near_initial(module, number, 0.1).eval()
        dense = brute(module.effective("W"), (size[0] // 2, size[1] // 2), dilation, image)
        places = list(itertools.product(range(channels), *map(range, image)))
        for (i, p), (j, q) in itertools.product(enumerate(places), repeat=2):
            after = later(p) > later(q) if word == "lower" else later(p) < later(q)
            assert after or (i != j and dense[i, j] == 0) or (i == j and dense[i, j] > 0)
        held_against(module, dense, torch.randn(2, channels, *image, dtype=torch.float64))


LAYERS = (
    ("cinc/conv", "CInC"),
    ("cinc/conv", "CInCUnit"),
    ("cinc/conv", "CInCRaw"),
    ("emerging/pair", "Emerging"),
    ("emerging/autoregressive", "Autoregressive(tri = lower)"),
    ("emerging/autoregressive", "Autoregressive(tri = upper)"),
    ("finc/unit", "FInC"),
    ("finc/cifar10", "FInCCoupling(width = 5)"),
    ("finc/cifar10", "FInCStep(width = 5)"),
    ("emerging/cifar10", "EmergingStep(width = 5)"),
    ("emerging/cifar10", "EmergingQRStep(width = 5)"),
    ("cinc/quad", "QuadCoupling(width = 5)"),
    ("cinc/quad", "QuadFromLast(width = 5)"),
    ("cinc/cifar10", "CInCStep(width = 5)"),
)


@pytest.mark.parametrize(("spec", "use"), LAYERS)
def test_layers_of_the_library_at_random_sizes(spec: str, use: str) -> None:
    """Log-det and inverse against the dense Jacobian by automatic differentiation, at three sizes."""
    made, cls = random.Random(use), flow(spec, use).compile()
    for number in range(3):
        shape = (4 * made.randint(1, 2), made.randint(1, 4), made.randint(1, 5))
        module = cls(shape, dtype=torch.float64)
        near_initial(module.double(), number, 0.05).eval()
        x = torch.randn(2, *shape, dtype=torch.float64)
        z, log_det = module(x)
        for k in range(2):
            dense = torch.autograd.functional.jacobian(lambda v, f=module: f(v[None])[0][0], x[k])
            expected = torch.linalg.slogdet(dense.reshape(math.prod(shape), -1)).logabsdet
            assert torch.allclose(log_det[k], expected, rtol=1e-10, atol=1e-10)
        back, log_back = module.inverse(z)
        assert (back - x).abs().max() <= 1e-10
        assert (log_back + log_det).abs().max() <= 1e-10


@pytest.mark.parametrize("shape", [(4, 1, 1), (4, 3, 5), (8, 4, 2), (16, 5, 5)])
@pytest.mark.parametrize("name", ["QuadCoupling", "QuadFromLast"])
def test_quad_coupling_comes_back(name: str, shape: tuple[int, int, int]) -> None:
    """To 1e-12 from either end, where the released code is off by orders of magnitude: its inverse begins at the wrong
    block. One block passes, and block k reads none but itself and those before it (behind it)."""
    layer = flow("cinc/quad", f"{name}(width = 7)").compile()(shape, dtype=torch.float64)
    near_initial(layer.double(), 3, 0.1).eval()
    x = torch.randn(3, *shape, dtype=torch.float64)
    z, log_det = layer(x)
    back, log_back = layer.inverse(z)
    assert (back - x).abs().max() <= 1e-12
    assert (log_back + log_det).abs().max() <= 1e-12
    quarter, kept = shape[0] // 4, 0 if name == "QuadCoupling" else 3
    assert torch.equal(z.chunk(4, 1)[kept], x.chunk(4, 1)[kept])
    dense = torch.autograd.functional.jacobian(lambda v: layer(v[None])[0][0], x[0])
    n = quarter * math.prod(shape[1:])
    blocks = dense.reshape(4, n, 4, n).transpose(1, 2)
    for i, j in itertools.product(range(4), repeat=2):
        if i == j:
            assert torch.equal(blocks[i, i], torch.diag(blocks[i, i].diagonal()))
            assert blocks[i, i].diagonal().min() > 0
        else:
            reads = j < i if kept == 0 else j > i
            assert bool(blocks[i, j].abs().max() > 0) == reads
    assert abs(float(log_det[0].detach() - torch.linalg.slogdet(dense.reshape(4 * n, -1)).logabsdet)) <= 1e-10


def test_a_trained_flow_has_the_density_of_its_dense_jacobian() -> None:
    """30 batches of real images; then crops, with the trained weights, and whole images back again."""
    measured = runpy.run_path(str(BENCHMARK))["measured"]
    found = measured(30, 2, 8)
    assert found.after < found.before - 0.4
    assert len(found.nats) == 4 and found.worst_nats <= 1e-9
    assert found.round_trip <= 1e-9
