"""Support against brute force: nonzero patterns of dense Jacobians, paths searched cell by cell, published figures."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from math import prod

import pytest

import mintdsl
from mintdsl.core import ir
from mintdsl.core.interpret import Argument, evaluate_flow, parameters
from mintdsl.proof import support as module
from mintdsl.proof.stages import (
    Append,
    Move,
    Network,
    Pair,
    centre,
    entered_from,
    flat,
    network,
    pairs,
    place,
    unrolled,
)
from mintdsl.proof.support import Growth, Support, growth, sample, support
from mintdsl.resources import resource

Shape = tuple[int, ...]


def program(text: str) -> ir.Program:
    core, bag = mintdsl.loads("mint 1\n" + text).core()
    assert not bag.has_errors, (text, bag.sorted())
    return core


def key_of(core: ir.Program, name: str) -> str:
    key = core.find(name)
    assert key is not None
    return key


def packaged(path: str, name: str, dims: Shape, **args: int) -> Network:
    core, _ = mintdsl.load(resource("specs") / path).core()
    return network(core, key_of(core, name), dims, args)


def dense(core: ir.Program, name: str, dims: Shape, args: Mapping[str, Argument], seed: int) -> list[set[int]]:
    """For each output the inputs with a nonzero entry in one of a few Jacobians with random weights and inputs."""
    key = key_of(core, name)
    found: list[set[int]] = []
    for draw in range(4):
        numbers = random.Random(10 * seed + draw)
        raw = {}
        for tensor, sizes in parameters(core, key, dims, args).items():
            if tensor.endswith("_sign"):
                raw[tensor] = [numbers.choice((-1.0, 1.0)) for _ in range(prod(sizes))]
            elif tensor.endswith("_var"):
                raw[tensor] = [numbers.uniform(0.5, 2.0) for _ in range(prod(sizes))]
            else:
                raw[tensor] = [numbers.gauss(0.0, 1.0) for _ in range(prod(sizes))]
        x = [numbers.uniform(0.1, 0.9) for _ in range(prod(dims))]
        jacobian = evaluate_flow(core, key, x, dims, args, raw).jacobian
        found = found or [set() for _ in jacobian]
        for row, seen in zip(jacobian, found, strict=True):
            seen |= {q for q, slope in enumerate(row) if slope}
    return found


def same(core: ir.Program, name: str, dims: Shape, args: Mapping[str, Argument], seed: int) -> Support:
    """The support, compared with the Jacobians output by output."""
    found = support(network(core, key_of(core, name), dims, args))
    expected = dense(core, name, dims, args, seed)
    assert found.watched == tuple(range(len(expected)))
    assert [found.seen(p) for p in found.watched] == expected
    assert list(found.counts) == [len(seen) for seen in expected]
    return found


# ---------------------------------------------------------------- random layers and flows

ORDERS = ("raster", "channel_major", "corner", "cinc", "mirrored", "slanted", "flat_key")
DECLARED = """
order cinc = (h + w, -c)
order mirrored = (-h, w, -c)
order slanted = (2 * h - w + 3 * c, w)
order flat_key = (h)
"""
ANCHORS = ("bottom_right", "bottom_left", "top_right", "top_left", "corner")
FORMULAS = (
    "t * x + A(x) + b",
    "t * x + A(tanh(B(x)))",
    "t * x + sum[i](F[i](elu(G[i](x) + b)))",
    "x * exp(tanh(A(x))) - B(x)",
    "x / (1 + exp(A(x)))",
    "-A(x)",
    "n(x) + A(n(x))",
)
LETS = (
    """{
    let u[j] = elu(G[j](x) + b)
    let v[i] = tanh(sum[j](M[i, j](u[j])))
    return t * x + sum[i](F[i](v[i]))
  }""",
    """{
    let u = A(x)
    let unread = D(x)
    let v = tanh(B(u)) * (u + b)
    return x + v + A(v)
  }""",
    """{
    let wide = tanh(U(x))
    return V(wide) + x
  }""",
)


def conv(numbers: random.Random, direction: str) -> str:
    rows, columns = numbers.randint(1, 3), numbers.randint(1, 3)
    named = ANCHORS if direction else ANCHORS[:-1]  # without a direction there is no corner
    anchor = numbers.choice(named + ("centre",) * 3 * (rows % 2 * columns % 2))
    strict = "strict " * (rows * columns > 1 and numbers.random() < 0.3)
    return f"conv {rows}x{columns} {strict if direction else ''}{direction} (anchor = {anchor})"


def layer(name: str, numbers: random.Random) -> str:
    order, direction = numbers.choice(ORDERS), numbers.choice(("lower", "upper", "tri"))
    maps = {key: conv(numbers, direction) for key in ("A", "B", "F[i]", "G[i]", "M[i, j]")}
    params = "\n".join(f"  param {key} : {kind}" for key, kind in maps.items())
    formula = numbers.choice(LETS) if numbers.random() < 0.4 else f"-> {numbers.choice(FORMULAS)}"
    return f"""
layer {name}(tri: Dir = {numbers.choice(("lower", "upper"))}) on Image[C, H, W] {{
  order {order}
  space Wide = Image[C + 2, H, W]
  index i, j : 2
  param t : scale with diag > 0
  param n : normalize
  param b : bias
  param D : {conv(numbers, "")}
  param U : {conv(numbers, "")} from Image[C, H, W] to Wide
  param V : {conv(numbers, "")} from Wide to Image[C, H, W]
{params}
  map x {formula}
}}"""


@pytest.mark.parametrize("seed", range(60))
def test_random_layers(seed: int) -> None:
    numbers = random.Random(seed)
    core = program(DECLARED + layer("L", numbers))
    dims = (numbers.randint(1, 3), numbers.randint(1, 4), numbers.randint(1, 4))
    same(core, "L", dims, {"tri": numbers.choice(("lower", "upper"))}, seed)


FLOWS = (
    "squeeze 2 (layout = LAYOUT)  One  unsqueeze 2 (layout = OTHER)  Two",
    "standardize(mean = 0.5, std = 2)  One  pad channels to 3  Two(tri = upper)",
    "logit(0.05)  repeat 2 { One  Inner }  squeeze 2 (layout = LAYOUT)  Two",
    "repeat 3 { squeeze 2 (layout = LAYOUT)  One(tri = upper)  unsqueeze 2 (layout = LAYOUT) }",
    "Inner  squeeze 2 (layout = LAYOUT)  pad channels to 6  Inner",
    "squeeze 2 (layout = LAYOUT)  One  factor half (keep = HALF)  repeat 2 { Two  Inner }  factor half  One",
    "One  squeeze 2  factor half (keep = HALF)  One  pad channels to 4  factor half (keep = HALF)  Inner  Two",
    "One  reverse(axis = all)  repeat 2 { Two  permute(axis = all, seed = 3) }  squeeze 2 (layout = LAYOUT)  Two",
    "squeeze 2 (layout = LAYOUT)  One  permute  Two(tri = upper)  reverse  patches 1  permute(axis = time)",
    "One  permute(axis = all)  flatten  Line  reverse  Line",
    "squeeze 2  One  factor half (keep = HALF, prior = Split)  Two  factor half  repeat 2 { Two }",
    "squeeze 2 (layout = LAYOUT)  Two  factor half (keep = HALF)  One  factor half (keep = HALF, prior = Split)  Two",
)


@pytest.mark.parametrize("seed", range(96))
def test_random_flows(seed: int) -> None:
    numbers = random.Random(1000 + seed)
    steps = FLOWS[seed % len(FLOWS)]
    for word in ("LAYOUT", "OTHER"):
        steps = steps.replace(word, numbers.choice(("colour_fast", "colour_slow", "alternate")))
    while "HALF" in steps:
        steps = steps.replace("HALF", numbers.choice(("first", "second")), 1)
    core = program(f"""{DECLARED}
layer One(tri: Dir = lower) on Image[C, H, W] {{
  order {numbers.choice(ORDERS)}
  param A : {conv(numbers, "tri")}
  map x -> x + tanh(A(x))
}}
layer Two(tri: Dir = lower) on Image[C, H, W] {{
  order {numbers.choice(ORDERS)}
  param A : {conv(numbers, "tri")}
  map x -> x + tanh(A(x))
}}
net Split from Image[C, H, W] to (Image[C, H, W], Image[C, H, W]) {{
  param m, s : conv 3x3
  map x -> (m(x), s(x))
}}
layer Line on Vec[D] {{ param A : linear strict lower  map x -> x + tanh(A(x)) }}
flow Inner on Image[C, H, W] {{ One  Two }}
flow F on Image[1, 4, 2] {{ {steps} }}""")
    same(core, "F", (1, 4, 2), {}, seed)


@pytest.mark.parametrize("via", ["lower", "upper", "unit_lower", "unit_upper", "qr"])
@pytest.mark.parametrize("corner", ["bottom_right", "bottom_left", "top_right", "top_left"])
def test_kernels_with_a_determinant(via: str, corner: str) -> None:
    """The anchor reads what its triangle lets through, every other tap all channels."""
    numbers = random.Random(f"{via} {corner}")
    size, apart = f"{numbers.randint(1, 3)}x{numbers.randint(2, 3)}", numbers.choice(("1", "2", "(1, 2)"))
    det = "== 1" if "unit" in via else "!= 0"
    core = program(f"""
layer L on Image[C, H, W] {{
  param A : conv {size} (anchor = {corner}, dilation = {apart}) with det {det} via {via}
  map x -> A(x)
}}""")
    same(core, "L", (2, numbers.randint(1, 4), numbers.randint(1, 4)), {}, 1)


@pytest.mark.parametrize("direction", ["lower", "upper"])
@pytest.mark.parametrize("strict", ["", "strict "])
@pytest.mark.parametrize("order", ["natural", "backwards"])
def test_linear_maps(direction: str, strict: str, order: str) -> None:
    core = program(f"""
order backwards = (-i)
layer L on Vec[D] {{
  order {order}
  param A : linear {strict}{direction}
  map x -> tanh(A(x))
}}
layer Mixed on Vec[D] {{
  param A : linear strict lower
  param B : linear
  param t : scale
  map x -> t * x * exp(A(B(t)))
}}
flow F on Vec[5] {{ L  Mixed }}""")
    found = same(core, "F", (5,), {}, 0)
    reads_before = (direction == "lower") == (order == "natural")
    inclusive = 0 if strict else 1
    assert found.counts == tuple((p if reads_before else 4 - p) + inclusive for p in range(5))


def test_a_kernel_wider_than_the_image() -> None:
    core = program("layer L on Image[C, H, W] { param A : conv 7x5 lower  map x -> x + A(x) }")
    same(core, "L", (2, 2, 1), {}, 3)


def test_constants_see_nothing_and_padded_channels_neither() -> None:
    core = program("""
layer Const on Image[C, H, W] { param b : bias (per = element)  map x -> b + 0 * b }
flow Padded on Image[1, 2, 2] { pad channels to 3 }""")
    assert support(network(core, key_of(core, "Const"), (1, 2, 2), {})).counts == (0, 0, 0, 0)
    found = same(core, "Padded", (1, 2, 2), {}, 1)
    assert found.counts == (1,) * 4 + (0,) * 8
    assert found.blind == tuple(range(12))


# ---------------------------------------------------------------- published figures

CENTRE = flat((0, 14, 14), (1, 28, 28))


def search(kept: list[set[tuple[int, int]]], copies: int, start: tuple[int, int], side: int) -> set[tuple[int, int]]:
    """The pixels that paths from `start` reach: `copies` of these tap sets, one after the other, cell by cell."""
    cells = {start}
    for taps in kept * copies:
        cells = {(h + a, w + b) for h, w in cells for a, b in taps if 0 <= h + a < side and 0 <= w + b < side}
    return cells


RASTER_LOWER = {(0, 0), (0, -1), (-1, -1), (-1, 0), (-1, 1)}
RASTER_UPPER = {(-a, -b) for a, b in RASTER_LOWER}


def mint_pair() -> Growth:
    (pair,) = pairs(packaged("mintnet/mint.mint", "MintPair", (1, 28, 28), K=45).stages)
    return growth([pair], pair.dims)


def test_pairs_of_the_published_mnist_model() -> None:
    found = mint_pair()
    assert [s.count(CENTRE) for s in found.after[:5]] == [79, 283, 507, 696, 784]
    assert [min(s.counts) for s in found.after] == [16, 64, 139, 241, 370, 487, 595, 694, 784]
    assert found.enough == 9 and not found.stuck
    assert [len(s.blind) for s in found.after[-2:]] == [180, 0]


@pytest.mark.parametrize("start", [(14, 14), (0, 0), (27, 0), (27, 27), (3, 20)])
def test_pairs_against_a_search_cell_by_cell(start: tuple[int, int]) -> None:
    # The first layer of a pair is lower; from an output the way back meets the upper one first.
    kept = [RASTER_UPPER] * 3 + [RASTER_LOWER] * 3
    for copies, found in enumerate(mint_pair().after, 1):
        expected = {flat((0, h, w), (1, 28, 28)) for h, w in search(kept, copies, start, 28)}
        assert found.seen(flat((0, *start), (1, 28, 28))) == expected


@pytest.mark.parametrize(
    ("spec", "name", "dims", "args", "enough"),
    [
        ("mnist", "Mnist", (1, 28, 28), {}, [9, 3, 2]),
        ("mnist_small", "MnistSmall", (1, 28, 28), {"K": 16}, [9, 3, 2]),
        ("cifar10", "Cifar10", (3, 32, 32), {}, [7, 3, 2]),
    ],
)
def test_published_models_see_everything(
    spec: str, name: str, dims: Shape, args: dict[str, int], enough: list[int]
) -> None:
    net = packaged(f"mintnet/{spec}.mint", name, dims, **args)
    found = support(net)
    assert not found.sampled and not found.blind and set(found.counts) == {prod(dims)}
    assert [growth([p], p.dims).enough for p in pairs(net.stages)] == enough


def test_copies_that_never_see_everything() -> None:
    core = program("""
layer Ahead on Image[C, H, W] { param A : conv 3x3 lower  map x -> x + A(x) }
flow F on Image[1, 4, 4] { repeat 2 { Ahead } }""")
    net = network(core, key_of(core, "F"), (1, 4, 4), {})
    found = growth(net.stages, (1, 4, 4))
    assert found.enough is None and found.stuck
    starts = itertools.product(range(4), repeat=2)
    assert found.after[-1].counts == tuple(len(search([RASTER_LOWER], 16, start, 4)) for start in starts)
    assert growth(net.stages, (1, 4, 4), most=1).stuck is False


# ---------------------------------------------------------------- large shapes, cost, indices


@pytest.mark.parametrize("side", [4, 16])
def test_cost_is_linear_in_the_formula(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each map is crossed once for all outputs, however many paths use it; copies stop where nothing is added."""
    lets = "\n".join(f"let u{k + 1} = A(tanh(u{k})) + tanh(u{k}) + u{k}" for k in range(40))
    core = program(f"""
layer Deep on Image[C, H, W] {{ param A : conv 3x3 lower  map x {{ let u0 = x\n{lets}\nreturn u40 + u20 }} }}
flow F on Image[1, {side}, {side}] {{ repeat 90000 {{ Deep }} }}""")
    calls = []
    convolved = module.convolved
    monkeypatch.setattr(module, "convolved", lambda *args: calls.append(None) or convolved(*args))
    found = support(network(core, key_of(core, "F"), (1, side, side), {}))
    assert len(calls) == 40 * 2  # the second copy adds nothing
    assert len(found.watched) == side * side


def test_large_shapes_are_sampled_and_agree_with_the_whole() -> None:
    net = packaged("mintnet/cifar10.mint", "Cifar10", (3, 32, 32))
    (pair, *_) = pairs(net.stages)
    alone = Network((pair,), pair.dims, pair.dims, prod(pair.dims))
    whole, some = support(alone), support(alone, sample(pair.dims))
    assert some.sampled and not whole.sampled
    assert [some.seen(p) for p in some.watched] == [whole.seen(p) for p in some.watched]
    large = support(packaged("mintnet/mnist_classifier.mint", "MnistClassifier", (1, 28, 28)))
    assert large.sampled and large.watched == sample((256, 7, 7)) and len(large.watched) == 27
    assert set(large.counts) == {784}


def test_indices() -> None:
    dims = (3, 4, 5)
    for p, q in enumerate(itertools.product(*map(range, dims))):
        assert flat(q, dims) == p and place(p, dims) == q
    assert place(centre((1, 28, 28)), (1, 28, 28)) == (0, 14, 14)
    assert sample((1, 2, 9)) == tuple(flat((0, a, b), (1, 2, 9)) for a in (0, 1) for b in (0, 4, 8))


def test_copies_one_by_one_and_the_places_of_cells() -> None:
    net = packaged("mintnet/mnist.mint", "Mnist", (1, 28, 28))
    stages = unrolled(net)
    assert [type(s) for s in stages] == [Pair] * 6 + [Move] + [Pair] * 6 + [Move] + [Pair] * 8
    cell = flat((6, 1, 2), (16, 7, 7))  # colour_fast: 6 is the second pixel of the second row of blocks, and so on
    for stage in reversed(stages):
        cell = entered_from(stage, cell)
    moved = support(Network(tuple(s for s in net.stages if isinstance(s, Move)), net.inputs, net.outputs, net.largest))
    assert moved.seen(flat((6, 1, 2), (16, 7, 7))) == {cell}
    assert entered_from(Append((1, 2, 2), 1), 6) == 2


def test_what_cannot_be_walked_is_said() -> None:
    core = program("flow F on Image[3, 1024, 1024] { squeeze 2 }")
    with pytest.raises(ValueError, match="3,145,728 cells"):
        support(network(core, key_of(core, "F"), (3, 1024, 1024), {}))


def test_sizes_that_decide_must_be_given() -> None:
    core, _ = mintdsl.load(resource("specs") / "mintnet/mint.mint").core()
    net = network(core, key_of(core, "Mint"), (1, 4, 4), {"K": 1})
    with pytest.raises(ValueError, match="`tri`"):
        support(net)


@pytest.mark.parametrize(
    ("how", "parts", "dims"),
    [
        ("channel", "a, rq_spline(b, widths = V(a), heights = q, slopes = a)", (4, 3, 2)),
        ("channel, start = 1", "rq_spline(a, widths = q, heights = q, slopes = U(b)) + b, b", (2, 2, 3)),
        ("checkerboard", "a, rq_spline(b, widths = M(spread(a)), heights = q, slopes = spread(a))", (1, 3, 3)),
    ],
)
def test_splines(how: str, parts: str, dims: Shape) -> None:
    """Each element sees what its own bins see."""
    half = "Image[C, H, W]" if how == "checkerboard" else "Image[C / 2, H, W]"
    wide = "Image[2 * C, H, W]" if how == "checkerboard" else "Image[C, H, W]"
    params = {
        "V": f"conv 3x1 from {half} to {wide}",
        "U": f"conv 1x3 on {half}",
        "M": f"conv 1x1 from {half} to {wide}",
    }
    members = "".join(f"  param {n} : {kind}\n" for n, kind in params.items() if f"{n}(" in parts)
    core = program(
        f"layer L on Image[C, H, W] {{\n{members}  param q : bias (per = element) on {wide}\n"
        f"  map x {{\n    let (a, b) = split(x, {how})\n    return join({parts})\n  }}\n}}"
    )
    same(core, "L", dims, {}, 1)


def test_inverses_and_exponentials_see_what_many_layers_would() -> None:
    text = (
        "mint 1\nlayer E on Image[C, H, W] ensures invertible { param M : conv 3x3 with lip <= 1\n"
        "map x -> exp(M)(x) }\n"
        "layer L on Vec[D] ensures invertible { param W : linear strict lower\nmap x -> x + W(x) }\n"
        "layer K on Image[C, H, W] ensures invertible {\n"
        "  param k : conv 1x2 (anchor = bottom_right) with det == 1\nmap x -> k(x) }\n"
        "layer Y on Image[C, H, W] ensures invertible { param M : conv 3x3 with lip <= 0.5\nmap x -> cayley(M)(x) }\n"
        "layer Z on Image[C, H, W] ensures invertible { param M : conv 1x1 with lip <= 0.5\nmap x -> cayley(M)(x) }\n"
        "flow A on Image[1, 2, 5] ensures invertible { E }\n"
        "flow B on Vec[4] ensures invertible { L(direction = inverse) }\n"
        "flow C on Image[1, 1, 4] ensures invertible { K(direction = inverse) }\n"
        "flow D on Image[1, 1, 4] ensures invertible { K }\n"
        "flow G on Image[1, 2, 5] ensures invertible { Y log_det exact }\n"
        "flow H on Image[3, 1, 2] ensures invertible { Z log_det exact }\n"
    )
    core, bag = mintdsl.loads(text).core()
    assert not bag.has_errors
    found = {}
    for name, dims in (
        ("A", (1, 2, 5)),
        ("B", (4,)),
        ("C", (1, 1, 4)),
        ("D", (1, 1, 4)),
        ("G", (1, 2, 5)),
        ("H", (3, 1, 2)),
    ):
        key = core.find(name)
        assert key is not None
        found[name] = support(network(core, key, dims, {})).counts
    assert found == {
        "A": (10,) * 10, "B": (1, 2, 3, 4), "C": (1, 2, 3, 4), "D": (1, 2, 2, 2), "G": (10,) * 10, "H": (3,) * 6,
    }  # fmt: skip
