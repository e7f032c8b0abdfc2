"""Convolutions with a determinant, and dilated ones, against dense Jacobians made here entry by entry in float64.

Nothing of the checker's own geometry is used: a half plane is found from angles, a Jacobian from the definition of the
convolution, a verdict from singular values.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

import mintdsl
from mintdsl.core.kinds import ANCHORS
from mintdsl.core.live import half_plane
from mintdsl.core.map_kinds import Conv
from mintdsl.driver import Program, Report
from mintdsl.proof.kernel.reading import Refused
from mintdsl.proof.kernel.taps import determinant
from mintdsl.resources import resource
from mintdsl.runtime.assumptions import CircularDet, circular_regularity
from mintdsl.runtime.circulant import apply_circular, circular_log_det, solve_circular
from mintdsl.runtime.conv_inverse import apply_kernel, solve_kernel
from mintdsl.runtime.dominant import (
    apply_dominant,
    banded_log_det,
    dominant_kernel,
    dominant_log_det,
    halvings,
    solve_dominant,
)
from mintdsl.runtime.families import family_conv
from mintdsl.runtime.fronts import solve_fronts

WORDS = [word for word in ANCHORS if word != "corner"]
Pair = tuple[int, int]


def tap_of(word: str, size: Pair) -> Pair:
    if word[0] == "(":
        row, column = word[1:-1].split(", ")
        return int(row), int(column)
    row = {"bottom": size[0] - 1, "top": 0}.get(word.split("_")[0], size[0] // 2)
    return row, {"right": size[1] - 1, "left": 0}.get(word.split("_")[-1], size[1] // 2)


def jacobian(kernel: Tensor, anchor: Pair, dilation: Pair, image: Pair) -> Tensor:
    """dy/dx [O H W, I H W] of y[o, p] = sum of kernel[o, i, tap] x[i, p + (tap - anchor) * dilation], 0 outside."""
    outputs, inputs, rows, columns = kernel.shape
    found = torch.zeros(outputs, *image, inputs, *image, dtype=torch.float64)
    for h, w, u, v in itertools.product(*map(range, (*image, rows, columns))):
        down, right = h + (u - anchor[0]) * dilation[0], w + (v - anchor[1]) * dilation[1]
        if 0 <= down < image[0] and 0 <= right < image[1]:
            found[:, h, w, :, down, right] += kernel[:, :, u, v]
    return found.reshape(outputs * math.prod(image), -1)


def one_sided(size: Pair, anchor: Pair, dilation: Pair) -> bool:
    """Whether the directions of all other taps leave a gap of more than half a turn."""
    places = itertools.product(*map(range, size))
    steps = [((u - anchor[0]) * dilation[0], (v - anchor[1]) * dilation[1]) for u, v in places if (u, v) != anchor]
    angles = sorted(math.atan2(*step) for step in steps)
    gaps = [b - a for a, b in zip(angles, [*angles[1:], *(a + math.tau for a in angles[:1])], strict=True)]
    return not angles or max(gaps) > math.pi + 1e-9


def checked(size: Pair, word: str, dilation: Pair, how: str) -> Report:
    return written(size, word, dilation, how).check()


def written(size: Pair, word: str, dilation: Pair, how: str) -> Program:
    options = f"anchor = {word}, dilation = ({dilation[0]}, {dilation[1]})"
    kind = f"conv {size[0]}x{size[1]} ({options}) with det {how}"
    return mintdsl.loads(
        f"mint 1\nlayer L on Image[C, H, W] ensures invertible {{\n  param W : {kind}\n  map x -> W(x)\n}}\n"
    )


GEOMETRIES = [
    (size, word, dilation)
    for size in itertools.product((1, 2, 3, 5), (1, 2, 3, 4))
    for word in WORDS
    for dilation in ((1, 1), (2, 1), (3, 2))
    if word != "centre" or all(n % 2 for n in size)
]
GEOMETRIES += [
    (size, str(tap), dilation)
    for size, dilation in (((1, 3), (1, 1)), ((3, 1), (2, 1)), ((2, 2), (1, 1)), ((3, 3), (1, 1)), ((3, 4), (3, 2)))
    for tap in itertools.product(*map(range, size))
]


def test_every_geometry_is_judged_by_the_half_plane_alone() -> None:
    """Checker, kernel and elaboration accept those that angles let through, and no other."""
    for size, word, dilation in GEOMETRIES:
        tap = tap_of(word, size)
        expected = one_sided(size, tap, dilation)
        assert (half_plane(Conv(size, tap, None, False, dilation=dilation)) is not None) == expected
        kind = ["conv", list(size), list(tap), *([] if dilation == (1, 1) else [list(dilation)]), None, False]
        param = {"name": "W", "kind": kind, "with": ["det != 0", [], "plu"], "from": ["Image", []], "to": ["Image", []]}
        dominant = param | {"with": ["det != 0", [], "dominant"]}
        if expected:
            assert determinant(param) == ("DET" if size == (1, 1) else "HALF-PLANE")
        else:
            with pytest.raises(Refused, match="both sides"):
                determinant(param)
        if size == (1, 1):
            with pytest.raises(Refused, match="no other taps"):
                determinant(dominant)
        else:
            assert determinant(dominant) == ("HALF-PLANE" if expected else "DOMINANT")
        report = checked(size, word, dilation, "!= 0")
        assert report.ok == expected
        assert expected or [d.code for d in report.diagnostics] == ["E0701"]
        assert checked(size, word, dilation, "!= 0 via dominant").ok == (size != (1, 1))


@pytest.mark.parametrize("dilation", [[0, 1], [1, -1], [1.0, 1], [1, True], [1], [1, 1, 1]])
def test_the_kernel_takes_no_other_dilation(dilation: list[object]) -> None:
    """With 0 all taps meet one pixel, and the matrix at the anchor decides nothing."""
    kind = ["conv", [2, 2], [1, 1], dilation, None, False]
    param = {"name": "W", "kind": kind, "with": ["det != 0", [], "plu"], "from": [], "to": []}
    with pytest.raises((Refused, ValueError)):
        determinant(param)


def test_what_is_accepted_has_the_determinant_of_its_anchor() -> None:
    """log |det J| = H W log |det A| at random sizes, for anchors with zeros on their diagonal too."""
    made = random.Random(1)
    accepted = [g for g in GEOMETRIES if one_sided(g[0], tap_of(g[1], g[0]), g[2])]
    for number, (size, word, dilation) in enumerate(made.sample(accepted, 60)):
        torch.manual_seed(number)
        channels, image = made.randint(1, 3), (made.randint(1, 5), made.randint(1, 5))
        kernel = torch.randn(channels, channels, *size, dtype=torch.float64)
        row, column = anchor = tap_of(word, size)
        if number % 3 == 0:
            kernel[..., row, column] = torch.eye(channels).roll(1, 0)  # a permutation
        own, matrix = kernel[..., row, column], jacobian(kernel, anchor, dilation, image)
        expected = math.prod(image) * float(torch.linalg.slogdet(own)[1])
        assert abs(float(torch.linalg.slogdet(matrix)[1]) - expected) <= 1e-8 * (1 + abs(expected))
        x = torch.randn(2, channels, *image, dtype=torch.float64)
        z = family_conv(x, kernel, anchor, dilation=dilation)
        assert torch.allclose(z.flatten(1), x.flatten(1) @ matrix.mT, atol=1e-10)
        # a solve as good as elimination on the whole matrix
        error = (solve_fronts(z, kernel, anchor, dilation) - x).abs().max()
        assert error <= 1e-14 * torch.linalg.cond(matrix) + 1e-12


def test_what_is_refused_is_singular_at_some_size() -> None:
    """With 1 at the anchor and at two taps opposite each other, two pixels a dilation apart hold [[1, 1], [1, 1]]."""
    for size, word, dilation in GEOMETRIES:
        row, column = anchor = tap_of(word, size)
        if one_sided(size, anchor, dilation):
            continue
        kernel = torch.zeros(1, 1, *size, dtype=torch.float64)
        along = (0, 1) if 0 < column < size[1] - 1 else (1, 0)
        for step in (-1, 0, 1):
            kernel[0, 0, row + step * along[0], column + step * along[1]] = 1.0
        assert kernel[0, 0, row, column] == 1.0  # det A = 1
        image = (1 + along[0] * dilation[0], 1 + along[1] * dilation[1])
        assert torch.linalg.svdvals(jacobian(kernel, anchor, dilation, image))[-1] <= 1e-12


def test_a_singular_anchor_makes_every_size_singular() -> None:
    """So det != 0 is needed: entries != 0 on the anchor's diagonal are not enough."""
    kernel = torch.randn(2, 2, 3, 3, dtype=torch.float64)
    kernel[..., 2, 2] = 1.0
    assert torch.linalg.svdvals(jacobian(kernel, (2, 2), (1, 1), (3, 2)))[-1] <= 1e-12
    base = "mint 1\nlayer L on Image[C, H, W] ensures invertible {\n  param W : conv 3x3 (anchor = bottom_right)"
    for constraint in ("", " with diag != 0", " with diag == 1"):
        assert not mintdsl.loads(f"{base}{constraint}\n  map x -> W(x)\n}}\n").check().ok


@pytest.mark.parametrize("form", ["plu", "qr", "lower", "upper", "raw", "unit_lower", "unit_upper", "householder"])
def test_factors_at_the_anchor_and_gradients_of_both_ways(form: str) -> None:
    """apply_kernel and solve_kernel are inverse to each other, and their gradients are those of finite differences."""
    torch.manual_seed(3)
    kernel = 0.3 * torch.randn(3, 3, 2, 3, dtype=torch.float64)
    own = torch.randn(3, 3, dtype=torch.float64)
    unit = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64) if form == "householder" else torch.ones(3)
    kernel[..., 1, 0] = own - torch.diag(own.diagonal() - unit) if form != "raw" else own
    order = torch.tensor([2, 0, 1]) if form == "plu" else None
    x = torch.randn(2, 3, 3, 4, dtype=torch.float64)
    arguments = ((1, 0), (1, 2), order)
    z = apply_kernel(form, kernel, x, *arguments)
    assert (solve_kernel(form, kernel, z, *arguments) - x).abs().max() <= 1e-11
    for way in (apply_kernel, solve_kernel):
        inputs = (kernel.clone().requires_grad_(), x[:1, :, :2, :3].clone().requires_grad_())
        assert torch.autograd.gradcheck(lambda k, v, way=way: way(form, k, v, *arguments), inputs)


def test_gradients_of_any_order_and_of_nothing() -> None:
    kernel = 0.2 * torch.randn(2, 2, 2, 2, dtype=torch.float64)
    kernel[..., 0, 1] += torch.eye(2)
    z = torch.randn(1, 2, 2, 3, dtype=torch.float64)
    inputs = (z.requires_grad_(), kernel.requires_grad_())
    assert torch.autograd.gradgradcheck(lambda a, k: solve_fronts(a, k, (0, 1), (1, 2)), inputs)
    assert solve_fronts(z[:0], kernel, (0, 1)).shape == (0, 2, 2, 3)
    assert solve_fronts(z.bfloat16(), kernel.bfloat16(), (0, 1)).dtype == torch.bfloat16


@pytest.mark.parametrize("word", ["lower", "upper"])
@pytest.mark.parametrize("order", ["raster", "channel_major", "corner", "odd"])
def test_dilated_masks_are_triangular_in_their_order(word: str, order: str) -> None:
    """The module's own Jacobian, by automatic differentiation, keeps nothing that is not later in the order."""
    keys = {
        "raster": lambda c, h, w: (h, w, c),
        "channel_major": lambda c, h, w: (c, h, w),
        "corner": lambda c, h, w: (h + w, c),
        "odd": lambda c, h, w: (h - 2 * w, -c),
    }[order]
    made = random.Random(f"{word} {order}")
    places = list(itertools.product(range(2), range(3), range(4)))
    for _ in range(4):
        size, dilation = (made.choice((1, 2, 3)), made.choice((2, 3))), (made.choice((1, 2)), made.choice((1, 2, 3)))
        anchor = made.choice(("corner", *WORDS[1:], *(str((made.randrange(size[0]), made.randrange(size[1]))),) * 4))
        text = (
            f"mint 1\norder odd = (h - 2 * w, -c)\nlayer L on Image[2, 3, 4] ensures {word}, diag > 0, invertible {{\n"
            f"  order {order}\n  param W : conv {size[0]}x{size[1]} {word} (anchor = {anchor}, "
            f"dilation = ({dilation[0]}, {dilation[1]})) with diag > 0\n  map x -> W(x)\n}}\n"
        )
        module = mintdsl.loads(text).compile("L")(dtype=torch.float64)
        with torch.no_grad():
            module.W.copy_(torch.randn_like(module.W))
        x = torch.randn(1, 2, 3, 4, dtype=torch.float64)
        dense = torch.autograd.functional.jacobian(lambda v, module=module: module(v)[0], x).reshape(24, 24)
        for (p, a), (q, b) in itertools.product(enumerate(places), repeat=2):
            later = keys(*a) > keys(*b) if word == "lower" else keys(*a) < keys(*b)
            assert p == q or later or dense[p, q] == 0.0
        tap = tap_of(anchor if anchor != "corner" else {"lower": "bottom_right", "upper": "top_left"}[word], size)
        assert torch.allclose(dense, jacobian(module.effective("W"), tap, dilation, (3, 4)))
        assert torch.allclose(module(x)[1], torch.linalg.slogdet(dense)[1])
        assert (module.inverse(module(x)[0])[0] - x).abs().max() <= 1e-6


def test_a_finc_unit_keeps_volumes_and_mixes_no_groups() -> None:
    """Four groups of C/4 channels, a corner each (Kallappa, Nagar, Varma, 2023): 300 free weights of 12 channels."""
    program = mintdsl.loads(
        'mint 1\nimport "finc/unit.mint" { FInC }\n'
        "flow F on Image[12, 4, 4] ensures invertible, volume_preserving { FInC }\n"
    )
    counts = program.check()["F"].counts
    assert counts is not None and counts[:3] == (324, 300, 1)
    unit = mintdsl.load(resource("specs") / "finc" / "unit.mint").compile("FInC")((8, 3, 2), dtype=torch.float64)
    with torch.no_grad():
        for weight in unit.parameters():
            weight.copy_(0.5 * torch.randn_like(weight))
    x = torch.randn(1, 8, 3, 2, dtype=torch.float64)
    z, log_det = unit(x)
    dense = torch.autograd.functional.jacobian(lambda v: unit(v)[0], x).reshape(48, 48)
    corners = {"tl": (2, 2), "tr": (2, 0), "bl": (0, 2), "br": (0, 0)}
    blocks = [jacobian(unit.effective(name), corner, (1, 1), (3, 2)) for name, corner in corners.items()]
    assert torch.allclose(dense, torch.block_diag(*blocks))
    assert float(log_det.detach().abs()) == 0.0 and abs(float(torch.linalg.slogdet(dense)[1])) <= 1e-12
    assert (unit.inverse(z)[0] - x).abs().max() <= 1e-10


def circular_jacobian(kernel: Tensor, anchor: Pair, dilation: Pair, image: Pair) -> Tensor:
    """The same where x goes on with its other side."""
    outputs, inputs, rows, columns = kernel.shape
    found = torch.zeros(outputs, *image, inputs, *image, dtype=torch.float64)
    for h, w, u, v in itertools.product(*map(range, (*image, rows, columns))):
        down, right = h + (u - anchor[0]) * dilation[0], w + (v - anchor[1]) * dilation[1]
        found[:, h, w, :, down % image[0], right % image[1]] += kernel[:, :, u, v]
    return found.reshape(outputs * math.prod(image), -1)


def test_circular_taps_meet_the_other_side() -> None:
    """Any anchor, dilation and size, even kernels, and those larger than the image, which wrap around often."""
    made = random.Random(5)
    for number, (size, word, dilation) in enumerate(made.sample(GEOMETRIES, 60)):
        torch.manual_seed(number)
        image = (made.randint(1, 5), made.randint(1, 5))
        kernel = torch.randn(3, 2, *size, dtype=torch.float64)
        x = torch.randn(2, 2, *image, dtype=torch.float64)
        found = family_conv(x, kernel, tap_of(word, size), dilation=dilation, circular=True)
        matrix = circular_jacobian(kernel, tap_of(word, size), dilation, image)
        assert torch.allclose(found.flatten(1), x.flatten(1) @ matrix.mT, atol=1e-12)


def test_circular_kernels_in_nets() -> None:
    """The values of a module are those of dense matrices."""
    text = (resource("specs").parent / "tests" / "proof" / "accepted" / "conv_circular.mint").read_text("utf-8")
    program = mintdsl.loads(text)
    assert program.check().ok
    module = program.compile("A")((2, 2, 3), dtype=torch.float64)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn_like(weight))
    x = torch.randn(2, 2, 2, 3, dtype=torch.float64)
    z, log_det = module(x)
    assert float(log_det.detach().abs().max()) == 0.0
    v, u = (module.n.get_parameter(name).detach() for name in ("V", "U"))
    half = torch.relu(x[:, :1].flatten(1) @ circular_jacobian(v, (1, 1), (1, 1), (2, 3)).mT)
    expected = x[:, 1:].flatten(1) + half @ circular_jacobian(u, (0, 3), (2, 1), (2, 3)).mT
    assert torch.allclose(z[:, 1:].flatten(1), expected)
    assert (module.inverse(z)[0] - x).abs().max() <= 1e-10


def test_circular_determinants_and_inverses_against_dense_matrices() -> None:
    """By frequencies: any size, even and odd, any dilation and anchor, and kernels larger than the image."""
    made = random.Random(7)
    for number, (size, word, dilation) in enumerate(made.sample(GEOMETRIES, 60)):
        torch.manual_seed(number)
        channels, image, anchor = made.randint(1, 3), (made.randint(1, 5), made.randint(1, 6)), tap_of(word, size)
        kernel = torch.randn(channels, channels, *size, dtype=torch.float64)
        matrix = circular_jacobian(kernel, anchor, dilation, image)
        x = torch.randn(2, channels, *image, dtype=torch.float64)
        z, condition = apply_circular(kernel, x, anchor, dilation), float(torch.linalg.cond(matrix))
        sizes = circular_regularity(kernel, CircularDet(anchor, dilation, image))
        assert abs(float(sizes.min()) * condition - 1.0) <= 1e-6 or condition > 1e8
        if condition > 1e8:
            continue
        expected = float(torch.linalg.slogdet(matrix)[1])
        assert abs(float(circular_log_det(kernel, x, anchor, dilation)) - expected) <= 1e-10 * (1 + abs(expected))
        assert (solve_circular(kernel, z, anchor, dilation) - x).abs().max() <= 1e-13 * condition


@pytest.mark.parametrize(
    ("taps", "singular"),
    [((1, 1), (2, 4, 6, 8)), ((1, 1, 1), (3, 6, 9)), ((-1, 0, 1), range(1, 10)), ((1, -2, 1), range(1, 10))],
)
def test_the_width_decides_which_circular_rows_are_singular(taps: tuple[int, ...], singular: Sequence[int]) -> None:
    """So nothing is proved of free weights, and the module tests those that it has at its own size."""
    kernel = torch.tensor(taps, dtype=torch.float64).reshape(1, 1, 1, -1)
    anchor = (0, len(taps) // 2)
    for dtype, width in itertools.product((torch.float64, torch.float32, torch.bfloat16), range(1, 10)):
        matrix = circular_jacobian(kernel, anchor, (1, 1), (1, width))
        assert (float(torch.linalg.svdvals(matrix)[-1]) <= 1e-12) == (width in singular)
        found = circular_regularity(kernel.to(dtype), CircularDet(anchor, (1, 1), (1, width)))
        assert (float(found.min()) == 0.0) == (width in singular)


def test_a_module_names_the_frequency_that_fails() -> None:
    text = (
        "mint 1\nlayer L on Image[C, H, W] ensures invertible {\n"
        "  param W : conv 1x2 (anchor = top_left, boundary = circular) with det != 0 via raw init orthogonal\n"
        "  map x -> W(x)\n}\n"
    )
    cls = mintdsl.loads(text).compile("L")
    for width in range(1, 7):
        module = cls((1, 2, width), dtype=torch.float64)
        ones = torch.ones(1, 1, 1, 2, dtype=torch.float64)
        if width % 2:
            module.set_effective("W", ones)
            z = torch.randn(1, 1, 2, width, dtype=torch.float64)
            assert (module(module.inverse(z)[0])[0] - z).abs().max() <= 1e-12
            continue
        with pytest.raises(ValueError, match="det") as caught:
            module.set_effective("W", ones)
        assert caught.value.element[1] == width // 2
        with torch.no_grad():
            module.W.copy_(ones)
        with pytest.raises(ValueError, match="det"):
            module.inverse(torch.zeros(1, 1, 2, width, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dominant_kernels_keep_their_singular_values_at_every_size(dtype: torch.dtype) -> None:
    """From any finite raw kernel: those of the dense Jacobian lie in [1/2, 3/2], up to the rounding of the anchor."""
    made, slack = random.Random(9), 4 * torch.finfo(dtype).eps
    for number, scale in itertools.product(range(4), (0.0, 1e-30, 1.0, 1e4, 1e30)):
        torch.manual_seed(number)
        size, word, dilation = made.choice(GEOMETRIES)
        raw = (scale * torch.randn(3, 3, *size)).to(dtype)
        sign = torch.tensor([1.0, -1.0, 1.0], dtype=dtype)
        kernel = dominant_kernel(raw, sign, tap_of(word, size))
        assert kernel.dtype == dtype
        wide = kernel.double()
        # entries of a tap of norm s are at least s / C, which numbers of `dtype` may not tell from those at the end
        for image, dense in itertools.product(((1, 1), (2, 3), (4, 3)), (circular_jacobian, jacobian)):
            values = torch.linalg.svdvals(dense(wide, tap_of(word, size), dilation, image))
            assert 0.5 - slack <= float(values[-1]) and float(values[0]) <= 1.5 + slack


def test_dominant_kernels_are_set_up_to_their_bound_and_not_beyond() -> None:
    text = (
        "mint 1\nlayer L on Image[C, H, W] ensures invertible {\n"
        "  param W : conv 1x3 (boundary = circular) with det != 0 via dominant\n  map x -> W(x)\n}\n"
    )
    module = mintdsl.loads(text).compile("L")((1, 2, 4), dtype=torch.float64)
    for beside in (0.0, 0.1, 0.2499):
        kernel = torch.tensor([beside, -1.0, -beside], dtype=torch.float64).reshape(1, 1, 1, 3)
        module.set_effective("W", kernel)
        assert torch.allclose(module.effective("W"), kernel, atol=1e-12)
    for taps in ((0.3, -1.0, 0.3), (0.5, 1.0, 0.5), (0.1, 2.0, 0.1)):  # at (0.5, 1, 0.5) width 2 is singular
        with pytest.raises(ValueError, match="1/2 in sum"):
            module.set_effective("W", torch.tensor(taps, dtype=torch.float64).reshape(1, 1, 1, 3))


def test_gradients_of_circular_convolutions() -> None:
    torch.manual_seed(2)
    kernel = 0.2 * torch.randn(2, 2, 2, 3, dtype=torch.float64)
    kernel[..., 1, 0] += torch.eye(2)
    x = torch.randn(1, 2, 2, 3, dtype=torch.float64)
    inputs = (kernel.requires_grad_(), x.requires_grad_())
    for way in (apply_circular, solve_circular, circular_log_det):
        assert torch.autograd.gradcheck(lambda k, v, way=way: way(k, v, (1, 0), (1, 2)), inputs)
        assert torch.autograd.gradgradcheck(lambda k, v, way=way: way(k, v, (1, 0), (1, 2)), inputs)


@pytest.mark.parametrize("via", ["", " via plu", " via qr", " via lower", " via upper"])
@pytest.mark.parametrize("anchor", WORDS[1:])
def test_the_anchor_proves_nothing_of_circular_kernels(via: str, anchor: str) -> None:
    base = "mint 1\nlayer L on Image[C, H, W] ensures invertible {\n  param W : conv 1x2"
    report = mintdsl.loads(
        f"{base} (anchor = {anchor}, boundary = circular) with det != 0{via} map x -> W(x) }}"
    ).check()
    assert [d.code for d in report.diagnostics] == ["E0701"]
    kind = ["conv", [1, 2], list(tap_of(anchor, (1, 2))), "circular", None, False]
    param = {"name": "W", "kind": kind, "with": ["det != 0", [], via[5:] or "plu"], "from": [], "to": []}
    with pytest.raises(Refused, match="wraps around"):
        determinant(param)


# ---------------------------------------------------------------- anchors that outweigh all other taps


def dominant(number: int, made: random.Random, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Pair]:
    """A kernel with taps anywhere around its anchor, which may be any of them, at its bound or below it."""
    size, channels = (made.randint(1, 5), made.randint(1, 4)), made.randint(1, 3)
    anchor = (made.randrange(size[0]), made.randrange(size[1]))
    torch.manual_seed(number)
    signs = torch.tensor([made.choice((-1.0, 1.0)) for _ in range(channels)], dtype=dtype)
    raw = made.choice((0.03, 3.0)) * torch.randn(channels, channels, *size, dtype=dtype)
    return dominant_kernel(raw, signs, anchor), anchor


def test_dominant_kernels_against_dense_matrices() -> None:
    """Values, inverses and determinants at any size, oblong ones too, with any anchor and dilation."""
    made = random.Random(11)
    for number in range(80):
        kernel, anchor = dominant(number, made)
        image, dilation = (made.randint(1, 7), made.randint(1, 7)), (made.randint(1, 3), made.randint(1, 3))
        matrix = jacobian(kernel, anchor, dilation, image)
        x = torch.randn(2, kernel.shape[0], *image, dtype=torch.float64)
        z = apply_dominant(kernel, x, anchor, dilation)
        assert (z.flatten(1) - x.flatten(1) @ matrix.mT).abs().max() <= 1e-13
        assert (solve_dominant(kernel, z, anchor, dilation) - x).abs().max() <= 1e-13
        expected, found = torch.linalg.slogdet(matrix), dominant_log_det(kernel, x, anchor, dilation, "W")
        assert abs(float(found - expected[1])) <= 1e-12
        own = torch.linalg.slogdet(kernel[..., anchor[0], anchor[1]])[0]
        assert float(expected[0]) == float(own) ** math.prod(image)


def test_larger_images_are_eliminated_row_by_row() -> None:
    """Blocks that fill the image and such that do not, from above and from the left, against the dense determinant."""
    made = random.Random(2)
    for size, anchor, image in (
        ((5, 3), (2, 1), (9, 4)),
        ((5, 3), (2, 1), (8, 4)),
        ((3, 5), (1, 2), (4, 11)),
        ((4, 2), (0, 1), (10, 3)),
        ((1, 3), (0, 1), (3, 12)),
    ):
        raw = torch.randn(2, 2, *size, dtype=torch.float64)
        kernel = dominant_kernel(raw, torch.ones(2, dtype=torch.float64), anchor)
        expected = torch.linalg.slogdet(jacobian(kernel, anchor, (1, 1), image))[1]
        assert abs(float(banded_log_det(kernel, anchor, image, "W") - expected)) <= 1e-12
        x = torch.empty(made.randint(0, 2), 2, *image)
        found = dominant_log_det(kernel.float(), x, anchor, (1, 1), "W")
        assert found.dtype == torch.float32 and abs(float(found) - float(expected)) <= 1e-4
    wide = torch.zeros(64, 64, 3, 3)
    with pytest.raises(ValueError, match="log-det of `W` .* at most 4096 elements; here are 4160"):
        dominant_log_det(wide, torch.empty(1, 64, 65, 65), (1, 1), (1, 1), "W")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_steps_of_a_dominant_kernel_are_counted_before_the_first(dtype: torch.dtype) -> None:
    """At the bound: two taps of 1/4 on both sides of 1, of one sign; rounded weights of many channels too."""
    wide = torch.promote_types(dtype, torch.float32)
    assert halvings(wide, 0.0) == {torch.float64: 53, torch.float32: 24}[wide]
    for channels, taps in ((1, (0.25, 1.0, 0.25)), (1, (-0.25, -1.0, -0.25)), (48, None)):
        kernel = torch.zeros(channels, channels, 1, 3, dtype=dtype)
        if taps is not None:
            kernel[0, 0, 0] = torch.tensor(taps)
        else:
            torch.manual_seed(4)
            kernel = dominant_kernel(torch.randn(kernel.shape).to(dtype), torch.ones(channels, dtype=dtype), (0, 1))
        x = torch.randn(1, channels, 2, 50, dtype=wide)
        z = family_conv(x.double(), kernel.double(), (0, 1)).to(wide)
        error = (solve_dominant(kernel, z, (0, 1), (1, 1)) - x).abs().max()
        assert error <= 16 * torch.finfo(wide).eps * float(x.abs().max())


def test_gradients_of_dominant_kernels() -> None:
    """Of any order; the ways back by steps, and by elimination."""
    torch.manual_seed(2)
    for channels, size, image, second in ((2, (1, 3), (1, 3), False), (1, (3, 3), (2, 2), True)):
        anchor, raw = (size[0] // 2, 1), torch.randn(channels, channels, *size, dtype=torch.float64)
        kernel = dominant_kernel(raw, torch.ones(channels, dtype=torch.float64), anchor)
        x = torch.randn(1, channels, *image, dtype=torch.float64)
        inputs = (kernel.requires_grad_(), x.requires_grad_())
        for way in (apply_dominant, solve_dominant, lambda *given: dominant_log_det(*given, "W")):
            check = torch.autograd.gradgradcheck if second else torch.autograd.gradcheck
            assert check(lambda k, v, way=way, anchor=anchor: way(k, v, anchor, (1, 1)), inputs)


@pytest.mark.parametrize(
    ("taps", "singular"), [((1, 1, 1), (2, 5, 8)), ((-1, 0, 1), (1, 3, 5, 7, 9)), ((0.5, 1, 0.5), ())]
)
def test_the_width_decides_which_rows_with_zeros_around_are_singular(
    taps: tuple[float, ...], singular: Sequence[int]
) -> None:
    """So free taps on both sides are never accepted; under `dominant` no such row can be stored."""
    kernel = torch.tensor(taps, dtype=torch.float64).reshape(1, 1, 1, -1)
    for width in range(1, 10):
        matrix = jacobian(kernel, (0, 1), (1, 1), (1, width))
        assert (float(torch.linalg.svdvals(matrix)[-1]) <= 1e-12) == (width in singular)
    for how in ("!= 0", "!= 0 via raw", "!= 0 via qr", "!= 0 via upper", "== 1", "== 1 via householder"):
        assert [d.code for d in checked((1, 3), "centre", (1, 1), how).diagnostics] == ["E0701"]
    program = written((1, 3), "centre", (1, 1), "!= 0 via dominant")
    assert program.check().ok
    module = program.compile("L")((1, 1, 2), dtype=torch.float64)
    with pytest.raises(ValueError, match="1/2 in sum"):
        module.set_effective("W", kernel)
    with torch.no_grad():
        module.W.copy_(kernel)  # stored, it counts as the nearest one that is regular
    small = module.effective("W").detach().flatten()
    assert float(small[1].abs()) == 1.0 and float(small[0].abs() + small[2].abs()) <= 0.5
    z = torch.randn(3, 1, 1, 2, dtype=torch.float64)
    assert (module(module.inverse(z)[0])[0] - z).abs().max() <= 1e-14
