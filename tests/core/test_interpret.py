"""The reference interpreter against definitions written out a second time, differences, and brute force."""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

import pytest

import mintdsl
from mintdsl.core import ir
from mintdsl.core.interpret import (
    Argument,
    Raw,
    Result,
    determinant,
    effective,
    evaluate_flow,
    evaluate_layer,
    evaluate_size,
    log_prior,
    param_shape,
    parameters,
)
from mintdsl.core.nat import Nat
from mintdsl.core.orders import ORDERS

MINT = 'import "mintnet/mint.mint" { Mint, MintPair }\n'


def program(text: str) -> ir.Program:
    core, bag = mintdsl.loads("mint 1\n" + text).core()
    assert not bag.has_errors, bag.sorted()
    return core


def key_of(core: ir.Program, name: str) -> str:
    key = core.find(name)
    assert key is not None
    return key


def layer_of(core: ir.Program, name: str) -> ir.Layer:
    layer = core.definitions[key_of(core, name)]
    assert isinstance(layer, ir.Layer)
    return layer


def numbers(count: int, seed: int, scale: float = 1.0) -> list[float]:
    generator = random.Random(seed)
    return [generator.gauss(0.0, scale) for _ in range(count)]


def random_raw(
    core: ir.Program, name: str, shape: tuple[int, ...], args: Mapping[str, Argument], seed: int = 0, scale: float = 0.5
) -> dict[str, list[float]]:
    """Normal numbers for every tensor, signs for sign buffers."""
    raw = {}
    for k, (key, sizes) in enumerate(parameters(core, key_of(core, name), shape, args).items()):
        values = numbers(math.prod(sizes), 1000 * seed + k, scale)
        raw[key] = [math.copysign(1.0, v) for v in values] if key.endswith("_sign") else values
    return raw


def differences(f: Callable[[list[float]], list[float]], x: Sequence[float], step: float = 1e-5) -> list[list[float]]:
    columns = []
    for k in range(len(x)):
        ahead = f([v + step * (k == n) for n, v in enumerate(x)])
        behind = f([v - step * (k == n) for n, v in enumerate(x)])
        columns.append([(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)])
    return [list(row) for row in zip(*columns, strict=True)]


def close(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]], tolerance: float = 1e-7) -> bool:
    return all(
        abs(x - y) <= tolerance * (1 + abs(x)) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)
    )


def run(core: ir.Program, name: str, shape: tuple[int, ...], raw: Raw, x: Sequence[float], **args: Argument) -> Result:
    """The layer's result, its Jacobian compared with differences."""
    key = key_of(core, name)
    result = evaluate_layer(core, key, x, shape, args, raw)
    assert close(result.jacobian, differences(lambda v: evaluate_layer(core, key, v, shape, args, raw).value, x))
    assert result.diagonal == [row[p] for p, row in enumerate(result.jacobian)]
    return result


def positions(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return list(itertools.product(*map(range, shape)))


def order_key(rows: Sequence[Sequence[int]], place: Sequence[int]) -> tuple[int, ...]:
    return tuple(sum(a * b for a, b in zip(row, place, strict=True)) for row in rows)


# ---------------------------------------------------------------- masks

ORDER_ROWS = {
    "raster": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "channel_major": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "corner": ((0, 1, 1), (1, 0, 0)),
    "cinc": ((0, 1, 1), (-1, 0, 0)),
}
ANCHORS = {  # of a 2x3 kernel; "corner" follows the direction
    "bottom_right": (1, 2),
    "bottom_left": (1, 0),
    "top_right": (0, 2),
    "top_left": (0, 0),
    "(0, 1)": (0, 1),
    "(1, 1)": (1, 1),
}


@pytest.mark.parametrize("order", ORDER_ROWS)
@pytest.mark.parametrize("direction", ["lower", "upper"])
@pytest.mark.parametrize("anchor", [*ANCHORS, "corner"])
@pytest.mark.parametrize("strict", ["", "strict"])
def test_masks_against_pairs_of_places(order: str, direction: str, anchor: str, strict: str) -> None:
    """Each entry is kept when the output's place comes after (before) that of the input it reads, or is the same."""
    core = program(f"""
order cinc = (h + w, -c)
layer L on Image[C, H, W] {{
  order {order}
  param W : conv 2x3 {strict} {direction} (anchor = {anchor})
  map x -> x + W(x)
}}""")
    layer = layer_of(core, "L")
    raw = [float(k + 1) for k in range(2 * 2 * 2 * 3)]
    found = effective(layer, "W", {"W": raw}, {"C": 2, "H": 5, "W": 5}, {})
    word = {"lower": "bottom_right", "upper": "top_left"}[direction] if anchor == "corner" else anchor
    row, column = ANCHORS[word]
    expected = []
    for weight, (o, i, u, v) in zip(raw, positions((2, 2, 2, 3)), strict=True):
        out, read = (o, 10, 10), (i, 10 + u - row, 10 + v - column)
        a, b = order_key(ORDER_ROWS[order], out), order_key(ORDER_ROWS[order], read)
        later = a > b if direction == "lower" else a < b
        expected.append(weight if later or (out == read and not strict) else 0.0)
    assert found == expected


@pytest.mark.parametrize("order", ORDER_ROWS)
@pytest.mark.parametrize("direction", ["lower", "upper"])
def test_convolution_is_triangular_in_its_order(order: str, direction: str) -> None:
    core = program(f"""
order cinc = (h + w, -c)
layer L(tri: Dir, o: Order) on Image[C, H, W] {{
  order o
  param W : conv 2x2 tri (anchor = corner) with diag > 0
  map x -> W(x)
}}
flow F on Image[2, 3, 4] {{ L(tri = {direction}, o = {order}) }}""")
    shape = (2, 3, 4)
    raw = random_raw(core, "F", shape, {})
    result = evaluate_flow(core, key_of(core, "F"), numbers(24, 1), shape, {}, raw)
    places = positions(shape)
    keys = [order_key(ORDER_ROWS[order], p) for p in places]
    for p, q in itertools.product(range(24), repeat=2):
        later = keys[p] > keys[q] if direction == "lower" else keys[p] < keys[q]
        if p != q and not later:
            assert result.jacobian[p][q] == 0.0
    assert result.log_det == pytest.approx(sum(math.log(result.jacobian[p][p]) for p in range(24)), abs=1e-12)


@pytest.mark.parametrize("direction", ["lower", "upper", "strict lower"])
def test_linear_mask(direction: str) -> None:
    core = program(f"layer L on Vec[D] {{ param A : linear {direction} map x -> x + A(x) }}")
    raw = numbers(9, 3)
    expected = {
        "lower": [raw[0], 0, 0, raw[3], raw[4], 0, *raw[6:]],
        "upper": [*raw[:3], 0, raw[4], raw[5], 0, 0, raw[8]],
        "strict lower": [0, 0, 0, raw[3], 0, 0, raw[6], raw[7], 0],
    }[direction]
    assert effective(layer_of(core, "L"), "A", {"A": raw}, {"D": 3}, {}) == expected
    result = run(core, "L", (3,), {"A": raw}, numbers(3, 4))
    flat = [v - (p == q) for p, row in enumerate(result.jacobian) for q, v in enumerate(row)]
    assert flat == pytest.approx(expected)


# ---------------------------------------------------------------- constraints

CASES: list[tuple[str, Callable[[float], float]]] = [
    ("diag >= 0.5", lambda r: 0.5 + math.log1p(math.exp(r))),
    ("diag >= 0.5 via abs", lambda r: max(abs(r), 0.5)),
    ("diag >= 0.5 via exp", lambda r: 0.5 + math.exp(r)),
    ("diag > 0", lambda r: 2**-20 + math.log1p(math.exp(r))),
    ("diag > 0 via exp", math.exp),
    ("diag >= 0", abs),
    ("diag >= 0 via square", lambda r: r * r),
    ("diag == 1", lambda r: 1.0),
    ("diag >= 0.5, diag <= 2", lambda r: 0.5 + 1.5 / (1 + math.exp(-r))),
]


@pytest.mark.parametrize(("bound", "value"), CASES, ids=[c[0] for c in CASES])
def test_constraints_act_on_the_diagonal_only(bound: str, value: Callable[[float], float]) -> None:
    core = program(f"""
layer L on Image[C, H, W] {{
  index i : 2
  param t : scale with {bound}
  param W[i] : conv 1x1 lower with {bound}
  map x -> t * sum[i](W[i](x))
}}""")
    raw = {"t": numbers(2, 1), "W": numbers(8, 2)}
    layer, sizes = layer_of(core, "L"), {"C": 2, "H": 1, "W": 1}
    assert effective(layer, "t", raw, sizes, {}) == pytest.approx([value(r) for r in raw["t"]])
    found = effective(layer, "W", raw, sizes, {})
    w = raw["W"]
    assert found == pytest.approx([value(w[0]), 0, w[2], value(w[3]), value(w[4]), 0, w[6], value(w[7])])


def test_signed_diagonals_take_their_sign_buffer() -> None:
    core = program("""
layer L on Image[C, H, W] {
  index i : 2
  param s : scale with diag != 0 via signed_exp
  param W[i] : conv 3x3 lower with diag != 0
  map x -> s * sum[i](W[i](x))
}""")
    shapes = parameters(core, key_of(core, "L"), (2, 2, 1), {})
    assert list(shapes.items()) == [
        ("s", (2, 2, 1)),
        ("W", (2, 2, 2, 3, 3)),
        ("s_sign", (2, 2, 1)),
        ("W_sign", (2, 2)),
    ]
    raw = {"s": numbers(4, 1), "s_sign": [1.0, -1.0, -1.0, 1.0], "W": numbers(72, 2), "W_sign": [-1.0, 1.0, 1.0, -1.0]}
    layer, sizes = layer_of(core, "L"), {"C": 2, "H": 2, "W": 1}
    assert effective(layer, "s", raw, sizes, {}) == pytest.approx(
        [sign * math.exp(r) for r, sign in zip(raw["s"], raw["s_sign"], strict=True)]
    )
    found = effective(layer, "W", raw, sizes, {})
    for i, c in itertools.product(range(2), repeat=2):
        place = ((i * 2 + c) * 2 + c) * 9 + 4
        assert found[place] == pytest.approx(
            raw["W_sign"][i * 2 + c] * (2**-20 + math.log1p(math.exp(raw["W"][place])))
        )


# ---------------------------------------------------------------- ties


def sign(value: float) -> int:
    return (value > 0) - (value < 0)


def mint_diagonals(core: ir.Program, raw: Raw, c: int, k: int, tri: str) -> dict[str, list[float]]:
    sizes = {"C": c, "H": 3, "W": 3, "K": k}
    layer = layer_of(core, "Mint")
    result = {}
    for name in ("W1", "W2", "W3"):
        flat = effective(layer, name, raw, sizes, {"tri": tri})
        result[name] = [flat[((m * c + o) * c + o) * 9 + 4] for m in range(len(flat) // (c * c * 9)) for o in range(c)]
    return result


def test_mint_tie_including_zero_weights() -> None:
    core = program(MINT)
    args: dict[str, Argument] = {"K": 3, "tri": "lower"}
    raw = random_raw(core, "Mint", (2, 3, 3), args)
    raw["W3"][4] = 0.0  # the diagonal of W3[0], channel 0
    raw["W1"][(2 * 2 * 2 + 3) * 9 + 4] = 0.0  # and of W1[2], channel 1
    found = mint_diagonals(core, raw, 2, 3, "lower")
    for i, j, c in itertools.product(range(3), range(3), range(2)):
        w3, w2, w1 = found["W3"][i * 2 + c], found["W2"][(i * 3 + j) * 2 + c], found["W1"][j * 2 + c]
        stored = raw["W2"][(((i * 3 + j) * 2 + c) * 2 + c) * 9 + 4]
        assert w2 == abs(stored) * sign(w3) * sign(w1)
        assert w3 * w2 * w1 >= 0
        assert (w2 == 0) == (w3 == 0 or w1 == 0)


def test_ties_through_ties_scales_and_renamed_indices() -> None:
    core = program("""
layer L on Image[C, H, W] {
  index i, j : 2
  param A[i] : conv 1x1 lower
  param B[i, j] : conv 1x1 lower
  param S[j, i] : scale
  tie -diag(A[j]) * diag(B[j, i]) >= 0
  tie diag(B[i, j]) * diag(S[i, j]) <= 0
  map x -> sum[i, j](S[j, i] * B[i, j](A[i](x)))
}""")
    shape = (2, 1, 2)
    raw = random_raw(core, "L", shape, {}, seed=4)
    layer, sizes = layer_of(core, "L"), {"C": 2, "H": 1, "W": 2}
    a, b, s = (effective(layer, name, raw, sizes, {}) for name in ("A", "B", "S"))
    for m, n, c in itertools.product(range(2), repeat=3):
        one = a[(m * 2 + c) * 2 + c]
        two = b[((m * 2 + n) * 2 + c) * 2 + c]
        assert two == -abs(raw["B"][((m * 2 + n) * 2 + c) * 2 + c]) * sign(one)
        for w in range(2):
            place = ((m * 2 + n) * 2 + c) * 2 + w
            assert s[place] == -abs(raw["S"][place]) * sign(two)
    run(core, "L", shape, raw, numbers(4, 5))


# ---------------------------------------------------------------- values of formulas


def loop_conv(kernel: Sequence[float], x: Sequence[float], c: int, h: int, w: int) -> list[float]:
    """A 3x3 convolution around the centre, from inputs to outputs: each input adds to the places that read it."""
    y = [0.0] * (c * h * w)
    for i, a, b in positions((c, h, w)):
        for o, u, v in positions((c, 3, 3)):
            row, column = a - (u - 1), b - (v - 1)
            if 0 <= row < h and 0 <= column < w:
                y[(o * h + row) * w + column] += kernel[((o * c + i) * 3 + u) * 3 + v] * x[(i * h + a) * w + b]
    return y


@pytest.mark.parametrize("tri", ["lower", "upper"])
def test_mint_is_its_equation(tri: str) -> None:
    core = program(MINT)
    c, h, w, k = 2, 3, 2, 3
    shape = (c, h, w)
    raw = random_raw(core, "Mint", shape, {"K": k, "tri": tri}, seed=2)
    layer, sizes = layer_of(core, "Mint"), {"C": c, "H": h, "W": w, "K": k}
    size = c * c * 9

    def weight(name: str, member: int) -> list[float]:
        return effective(layer, name, raw, sizes, {"tri": tri})[member * size : (member + 1) * size]

    def elu(v: float) -> float:
        return v if v > 0 else math.exp(v) - 1

    def act(terms: list[list[float]], bias: list[float]) -> list[float]:
        return [elu(sum(column) + bias[p // (h * w)]) for p, column in enumerate(zip(*terms, strict=True))]

    x = numbers(c * h * w, 7)
    hidden = [act([loop_conv(weight("W1", j), x, c, h, w)], raw["b1"][j * c : (j + 1) * c]) for j in range(k)]
    second = [
        act([loop_conv(weight("W2", i * k + j), hidden[j], c, h, w) for j in range(k)], raw["b2"][i * c : (i + 1) * c])
        for i in range(k)
    ]
    third = [loop_conv(weight("W3", i), second[i], c, h, w) for i in range(k)]
    expected = [
        max(abs(raw["t"][p]), 1e-12) * x[p] + sum(t[p] for t in third) + raw["b3"][p // (h * w)]
        for p in range(c * h * w)
    ]
    result = run(core, "Mint", shape, raw, x, K=k, tri=tri)
    assert result.value == pytest.approx(expected, abs=1e-12)
    for p, q in itertools.combinations(range(len(x)), 2):  # channel_major is the order of the flat tensor
        assert (result.jacobian[p][q] if tri == "lower" else result.jacobian[q][p]) == 0
    assert min(result.diagonal) > 0
    logs = sum(math.log(d) for d in result.diagonal)
    assert determinant(result.jacobian).log_abs == pytest.approx(logs, abs=1e-10)


def test_indices_are_renamed_at_uses() -> None:
    core = program("""
layer L on Vec[D] {
  index i, j : 2
  param a[i] : scale
  param b[i, j] : bias
  let u[i, j] = a[j] * x + b[j, i]
  map x -> sum[i](sum[j](a[j] * u[j, i])) + 3 * sum[i, j](u[i, j])
}""")
    raw = {"a": [2.0, 3.0], "b": [5.0, 7.0, 11.0, 13.0]}
    result = run(core, "L", (1,), raw, [0.5])

    def u(i: int, j: int) -> float:
        return raw["a"][j] * 0.5 + raw["b"][2 * j + i]

    expected = sum(raw["a"][j] * u(j, i) for i in range(2) for j in range(2))
    expected += 3 * sum(u(i, j) for i in range(2) for j in range(2))
    assert result.value == pytest.approx([expected])


def test_activations_formals_and_arithmetic() -> None:
    core = program("""
act leaky(u) = 0.1 * u + 0.9 * softplus(u)
layer L(a: Real, h: Act, g: Act = leaky_relu(0.25)) on Vec[D] {
  act mine(u) = tanh(a * h(u)) - u / (2 + exp(-u))
  act soft = leaky_relu(a)
  param s : scale (per = channel) with diag > 0
  map x -> D * (mine(x) + leaky(soft(x))) / (s * s) - -g(x) * sigmoid(x)
}
layer Plain on Vec[D] { map x -> 2 }
""")
    args: dict[str, Argument] = {"a": 0.5, "h": ir.BuiltinAct("elu")}
    x = [-1.5, 0.75]
    result = run(core, "L", (2,), {"s": [0.3, -0.2]}, x, **args)

    def softplus(u: float) -> float:
        return math.log(1 + math.exp(u))

    def expected(u: float, r: float) -> float:
        s = 2**-20 + softplus(r)
        inner = math.tanh(0.5 * (u if u > 0 else math.exp(u) - 1)) - u / (2 + math.exp(-u))
        soft = u if u > 0 else 0.5 * u
        g = u if u > 0 else 0.25 * u
        return 2 * (inner + 0.1 * soft + 0.9 * softplus(soft)) / (s * s) + g / (1 + math.exp(-u))

    assert result.value == pytest.approx([expected(x[0], 0.3), expected(x[1], -0.2)])
    assert run(core, "Plain", (2,), {}, x) == ([2.0, 2.0], [[0.0, 0.0]] * 2, [0.0, 0.0])


@pytest.mark.parametrize("shape", [(2, 2, 3), (6,), (2, 3)])
def test_per_element_and_per_channel_on_any_shape(shape: tuple[int, ...]) -> None:
    core = program("""
layer L on S {
  param s : scale with diag > 0
  param b : bias
  param c : bias (per = element)
  map x -> s * x + b + c
}""")
    channels = {3: 2, 1: 6, 2: 3}[len(shape)]
    assert parameters(core, key_of(core, "L"), shape, {}) == {"s": shape, "b": (channels,), "c": shape}
    raw = random_raw(core, "L", shape, {})
    x = numbers(math.prod(shape), 1)
    result = run(core, "L", shape, raw, x)
    s = effective(layer_of(core, "L"), "s", raw, {}, {}, dims=shape)
    for p, place in enumerate(positions(shape)):
        channel = place[0] if len(shape) != 2 else place[1]
        assert result.value[p] == pytest.approx(s[p] * x[p] + raw["b"][channel] + raw["c"][p])


def test_maps_between_spaces() -> None:
    core = program("""
layer L(N: Nat) on Image[C, H, W] {
  space Wide = Image[N * C, H, W]
  param V : conv 1x1 from Image[C, H, W] to Wide
  param U : conv 3x1 (anchor = top_left) from Wide to Image[C, H, W]
  map x -> x + U(tanh(V(x)))
}
layer M on Vec[D] {
  param V : linear from Vec[D] to Vec[2 * D]
  param U : linear from Vec[2 * D] to Vec[D]
  map x -> x + U(tanh(V(x)))
}""")
    shape, args = (1, 3, 1), {"N": 2}
    assert parameters(core, key_of(core, "L"), shape, args) == {"V": (2, 1, 1, 1), "U": (1, 2, 3, 1)}
    raw = {"V": [2.0, -1.0], "U": [1.0, 10.0, 100.0, 3.0, 30.0, 300.0]}
    x = [0.3, -0.2, 0.5]
    result = run(core, "L", shape, raw, x, **args)
    first, second = [math.tanh(2 * v) for v in x], [math.tanh(-v) for v in x]
    expected = [
        x[p]
        + sum(
            10**u * (first[p + u] + 3 * second[p + u]) for u in range(3) if p + u < 3
        )  # reads its own row and those below
        for p in range(3)
    ]
    assert result.value == pytest.approx(expected)
    raw = random_raw(core, "M", (2,), {})
    x = [0.4, -0.9]
    hidden = [math.tanh(raw["V"][2 * o] * x[0] + raw["V"][2 * o + 1] * x[1]) for o in range(4)]
    expected = [x[p] + sum(raw["U"][4 * p + k] * hidden[k] for k in range(4)) for p in range(2)]
    assert run(core, "M", (2,), raw, x).value == pytest.approx(expected)


# ---------------------------------------------------------------- flows

SMALL = (
    MINT
    + """
flow Inner(K: Nat, h: Act) on Image[C, H, W] ensures invertible {
  Mint(K = K, tri = upper, h = h)  last: Mint(K = 1, tri = lower)
}
flow Small(K: Nat = 2) on Image[1, 4, 4] ensures invertible {
  dequantize 256
  logit(0.05)
  repeat 2 { MintPair(K = K) }
  squeeze 2
  repeat 2 { MintPair(K = K / 2)  repeat 2 { Inner(K = 1, h = tanh) } }
  unsqueeze 2 (layout = colour_slow)
  prior normal
}"""
)


def test_flow_jacobian_and_log_det() -> None:
    core = program(SMALL)
    key = key_of(core, "Small")
    raw = random_raw(core, "Small", (1, 4, 4), {}, scale=0.2)
    raw |= {name: [1 + v for v in values] for name, values in raw.items() if name.endswith(".t")}
    generator = random.Random(5)
    x = [generator.random() for _ in range(16)]
    result = evaluate_flow(core, key, x, (1, 4, 4), {}, raw)
    for seed in range(3):
        direction = numbers(16, seed)

        def along(t: list[float], d: list[float] = direction) -> list[float]:
            return evaluate_flow(core, key, [v + t[0] * s for v, s in zip(x, d, strict=True)], (1, 4, 4), {}, raw).value

        product = [[sum(a * s for a, s in zip(row, direction, strict=True))] for row in result.jacobian]
        assert close(product, differences(along, [0.0]), 1e-6)
    # the same log-det, layer by layer from the diagonals of triangular Jacobians
    total = sum(math.log(0.9 / (s * (1 - s))) for s in (0.05 + 0.9 * v for v in x))
    trace = dict(result.trace)
    assert [path for path, _ in result.trace] == list(trace)
    value = list(x)
    shape: tuple[int, ...] = (1, 4, 4)
    mint = key_of(core, "Mint")
    for path, after in result.trace:
        if "Mint" in path or "last" in path:
            inner, pair = "Inner" in path, path.startswith("MintPair_0")
            tri = "upper" if path.endswith("Mint_1") or inner and path.endswith("Mint_0") else "lower"
            args: dict[str, Argument] = {"K": 2 if pair else 1, "tri": tri}
            if inner and path.endswith("Mint_0"):
                args["h"] = ir.BuiltinAct("tanh")
            one = evaluate_layer(core, mint, value, shape, args, raw, path + ".")
            assert one.value == pytest.approx(after)
            total += sum(math.log(d) for d in one.diagonal)
        shape = (4, 2, 2) if path == "squeeze_0" else (1, 4, 4) if path == "unsqueeze_0" else shape
        value = after
    assert result.log_det == pytest.approx(total, abs=1e-9)
    assert result.value == value


def test_keys_of_a_flow() -> None:
    core = program(SMALL)
    found = parameters(core, key_of(core, "Small"), (1, 4, 4), {})
    prefixes = list(dict.fromkeys(key.rpartition(".")[0] for key in found))
    assert prefixes == [
        "MintPair_0.0.Mint_0",
        "MintPair_0.0.Mint_1",
        "MintPair_0.1.Mint_0",
        "MintPair_0.1.Mint_1",
        "MintPair_1.0.Mint_0",
        "MintPair_1.0.Mint_1",
        "MintPair_1.1.Mint_0",
        "MintPair_1.1.Mint_1",
        *(f"Inner_0.{a}.{b}.{name}" for a in range(2) for b in range(2) for name in ("Mint_0", "last")),
    ]
    assert found["MintPair_0.1.Mint_0.W2"] == (2, 2, 1, 1, 3, 3)
    assert found["MintPair_1.0.Mint_1.W2"] == (1, 1, 4, 4, 3, 3)
    assert found["Inner_0.1.0.last.t"] == (4, 2, 2)
    trace = evaluate_flow(
        core, key_of(core, "Small"), [0.5] * 16, (1, 4, 4), {}, random_raw(core, "Small", (1, 4, 4), {})
    ).trace
    assert [path for path, _ in trace] == [
        "logit_0",
        *prefixes[:4],
        "squeeze_0",
        *prefixes[4:6],
        *prefixes[8:12],
        *prefixes[6:8],
        *prefixes[12:],
        "unsqueeze_0",
    ]


CORNERS = {"colour_fast": (0, 1, 2, 3), "alternate": (0, 2, 3, 1)}
"""Which quarter of the channels the pixels (dy, dx) = (0, 0), (0, 1), (1, 0), (1, 1) of a tile become."""


@pytest.mark.parametrize("layout", ["colour_fast", "colour_slow", "alternate"])
def test_squeeze_layouts(layout: str) -> None:
    text = f"flow F on Image[3, 4, 6] {{ squeeze 2 (layout = {layout}) }}"
    core = program(text + f"flow G on Image[12, 2, 3] {{ unsqueeze 2 (layout = {layout}) }}")
    c, h, w, f = 3, 4, 6, 2
    x = [float(k) for k in range(c * h * w)]
    result = evaluate_flow(core, key_of(core, "F"), x, (c, h, w), {}, {})
    for k, dy, dx, i, j in positions((c, f, f, h // f, w // f)):
        corner = dy * f + dx
        channel = k * f * f + corner if layout == "colour_slow" else CORNERS[layout][corner] * c + k
        assert result.value[(channel * (h // f) + i) * (w // f) + j] == x[(k * h + f * i + dy) * w + f * j + dx]
    assert result.log_det == 0
    back = evaluate_flow(core, key_of(core, "G"), result.value, (12, 2, 3), {}, {})
    assert back.value == x


@pytest.mark.parametrize(("space", "dims", "axis"), [("Image", (4, 2, 3), 0), ("Vec", (8,), 0), ("Seq", (3, 4), 1)])
def test_what_leaves_first_comes_first(space: str, dims: tuple[int, ...], axis: int) -> None:
    on = f"{space}[{', '.join(map(str, dims))}]"
    core = program(f"flow F on {on} {{ factor half  factor half (keep = second) }}")
    x = [float(k) for k in range(math.prod(dims))]
    quarter = dims[axis] // 4
    place = dict(zip(itertools.product(*map(range, dims)), x, strict=True))
    cuts = ((2 * quarter, 4 * quarter), (0, quarter), (quarter, 2 * quarter))  # left, left, kept
    expected = [v for low, high in cuts for at, v in place.items() if low <= at[axis] < high]
    result = evaluate_flow(core, key_of(core, "F"), x, dims, {}, {})
    assert result.value == expected and result.log_det == 0
    assert [(t.path, len(t.value)) for t in result.trace] == [("factor_0", len(x) // 2), ("factor_1", len(x) // 4)]


def test_layers_behind_a_factor_act_on_the_kept_half() -> None:
    core = program(
        "layer A on Vec[D] { param s : scale with diag != 0 via raw  map x -> s * x }\n"
        "flow F on Vec[4] { A  factor half (keep = second)  A }"
    )
    assert parameters(core, key_of(core, "F"), (4,), {}) == {"A_0.s": (4,), "A_1.s": (2,)}
    raw = {"A_0.s": [1.0, -2.0, 3.0, 4.0], "A_1.s": [10.0, 100.0]}
    result = evaluate_flow(core, key_of(core, "F"), [1.0, 1.0, 1.0, 2.0], (4,), {}, raw)
    assert result.value == [1.0, -2.0, 30.0, 800.0]
    assert result.log_det == pytest.approx(math.log(24 * 1000))
    with pytest.raises(ValueError, match="has no halves"):
        core = program("flow F on Vec[D] { factor half }")
        evaluate_flow(core, key_of(core, "F"), [0.0] * 3, (3,), {}, {})


def test_a_net_makes_mean_and_log_scale_of_what_leaves() -> None:
    core = program(
        "net N from Vec[D] to (Vec[D], Vec[D]) { param m, s : scale  map x -> (m * x, s * x) }\n"
        "flow F on Vec[4] { factor half (prior = N)  prior learned_normal }"
    )
    key, shapes = key_of(core, "F"), {"factor_0.m": (2,), "factor_0.s": (2,)}
    own = {"prior.rest.location": (2,), "prior.rest.log_scale": (2,)}
    assert parameters(core, key, (4,), {}) == shapes | own
    raw = {"factor_0.m": [2.0, 3.0], "factor_0.s": [0.5, -1.0]}
    raw |= {"prior.rest.location": [1.0, 0.0], "prior.rest.log_scale": [0.0, math.log(2.0)]}
    result = evaluate_flow(core, key, [1.0, 2.0, 7.0, -4.0], (4,), {}, raw)
    z = [(7.0 - 2.0) / math.exp(0.5), (-4.0 - 6.0) / math.exp(-2.0), 1.0, 2.0]
    assert result.value == pytest.approx(z, rel=1e-15) and result.log_det == pytest.approx(1.5)
    squares = [z[0] ** 2, z[1] ** 2, 0.0, 1.0]
    expected = -sum(squares) / 2 - math.log(2.0) - 2 * math.log(2 * math.pi)
    assert log_prior(core, key, z, (4,), {}, raw) == pytest.approx(expected, rel=1e-15)


def test_half_of_the_channels_of_an_alternate_squeeze_is_one_colour_of_the_chessboard() -> None:
    core = program("flow F on Image[2, 4, 4] { squeeze 2 (layout = alternate) }")
    colour = [float((i + j) % 2) for _, i, j in positions((2, 4, 4))]
    assert evaluate_flow(core, key_of(core, "F"), colour, (2, 4, 4), {}, {}).value == [0.0] * 16 + [1.0] * 16


def moved(text: str, shape: tuple[int, ...]) -> list[int]:
    """For each entry that leaves a flow, the one that it was; that this is all is seen from the Jacobian."""
    core = program(f"flow F on {text}")
    result = evaluate_flow(core, key_of(core, "F"), [float(k) for k in range(math.prod(shape))], shape, {}, {})
    assert result.log_det == 0
    found = [int(v) for v in result.value]
    assert result.jacobian == [[float(q == source) for q in range(len(found))] for source in found]
    return found


def test_patches_are_tokens_row_by_row() -> None:
    c, h, w, n = 3, 4, 6, 2
    found = iter(moved("Image[3, 4, 6] { patches 2 }", (c, h, w)))
    for i, j, dy, dx, k in positions((h // n, w // n, n, n, c)):
        assert next(found) == (k * h + n * i + dy) * w + n * j + dx
    assert moved("Image[2, 1, 2] { patches 1 }", (2, 1, 2)) == [0, 2, 1, 3]
    assert moved("Image[2, 3, 3] { patches 3  flatten }", (2, 3, 3)) == [9 * k + q for q in range(9) for k in range(2)]


@pytest.mark.parametrize("text", ["Image[2, 3, 4] { flatten }", "Seq[4, 6] { flatten }"])
def test_flatten_keeps_the_order_of_the_numbers(text: str) -> None:
    assert moved(text, (2, 3, 4) if "Image" in text else (4, 6)) == list(range(24))


def test_reversed_axes() -> None:
    image, sequence = positions((2, 3, 4)), positions((3, 4))
    assert moved("Image[2, 3, 4] { reverse }", (2, 3, 4)) == [((1 - c) * 3 + h) * 4 + w for c, h, w in image]
    assert moved("Image[2, 3, 4] { reverse(axis = all) }", (2, 3, 4)) == list(range(23, -1, -1))
    assert moved("Seq[3, 4] { reverse(channel) }", (3, 4)) == [t * 4 + 3 - d for t, d in sequence]
    assert moved("Seq[3, 4] { reverse(axis = time) }", (3, 4)) == [(2 - t) * 4 + d for t, d in sequence]
    assert moved("Seq[3, 4] { reverse(axis = all) }", (3, 4)) == list(range(11, -1, -1))
    for axis in ("", "(axis = channel)", "(axis = all)"):
        assert moved(f"Vec[5] {{ reverse{axis} }}", (5,)) == [4, 3, 2, 1, 0]


PERMUTATIONS = {
    (8, 0): [0, 3, 4, 7, 1, 2, 5, 6],
    (8, 7): [5, 4, 6, 7, 0, 3, 1, 2],
    (1, 3): [0],
}
"""By (size, seed). They stand in programs that are trained: these lists may not change."""


@pytest.mark.parametrize(("size", "seed"), PERMUTATIONS)
def test_permutations_are_the_same_everywhere(size: int, seed: int) -> None:
    assert moved(f"Vec[{size}] {{ permute(seed = {seed}) }}", (size,)) == PERMUTATIONS[size, seed]


def test_permuted_axes() -> None:
    three, six = (moved(f"Vec[{n}] {{ permute(seed = 2) }}", (n,)) for n in (3, 6))
    image, sequence = positions((3, 1, 2)), positions((3, 6))
    assert moved("Image[3, 1, 2] { permute(seed = 2) }", (3, 1, 2)) == [three[c] * 2 + w for c, _, w in image]
    assert moved("Image[3, 1, 2] { permute(axis = all, seed = 2) }", (3, 1, 2)) == six
    assert moved("Seq[3, 6] { permute(seed = 2) }", (3, 6)) == [t * 6 + six[d] for t, d in sequence]
    assert moved("Seq[3, 6] { permute(time, 2) }", (3, 6)) == [three[t] * 6 + d for t, d in sequence]
    assert moved("Seq[3, 2] { permute(all, 2) }", (3, 2)) == six


@pytest.mark.parametrize(
    ("steps", "shape"),
    [
        ("patches 4", (1, 2, 8)),  # the number of tokens would be whole
        ("squeeze 2 (layout = alternate)", (1, 2, 3)),
        ("unsqueeze 2", (2, 2, 2)),
    ],
)
def test_sizes_that_do_not_divide(steps: str, shape: tuple[int, ...]) -> None:
    core = program(f"flow F on Image[C, H, W] {{ {steps} }}")
    with pytest.raises(ValueError, match="does not divide the sizes"):
        evaluate_flow(core, key_of(core, "F"), [0.0] * math.prod(shape), shape, {}, {})


def test_formals_reach_through_flows() -> None:
    core = program("""
layer L(h: Act, o: Order, tri: Dir) on Image[C, H, W] {
  order o
  param W : conv 3x3 tri with diag > 0
  map x -> x + softplus(h(W(x)))
}
flow Mid(g: Act, o: Order, d: Dir) on Image[C, H, W] { L(h = g, o = o, tri = d) }
flow Top on Image[2, 2, 2] { Mid(g = leaky_relu(0.25), o = corner, d = upper) }""")
    raw = random_raw(core, "Top", (2, 2, 2), {})
    assert list(raw) == ["Mid_0.L_0.W"]
    x = numbers(8, 1)
    whole = evaluate_flow(core, key_of(core, "Top"), x, (2, 2, 2), {}, raw)
    args: dict[str, Argument] = {"h": ir.BuiltinAct("leaky_relu", (0.25,)), "o": ORDERS["corner"], "tri": "upper"}
    one = evaluate_layer(core, key_of(core, "L"), x, (2, 2, 2), args, raw, "Mid_0.L_0.")
    assert (whole.value, whole.jacobian) == (one.value, one.jacobian)


# ---------------------------------------------------------------- sizes, determinants, messages


def test_determinant_against_leibniz() -> None:
    for seed in range(20):
        m = [numbers(3, 10 * seed + r) for r in range(3)]
        if seed % 4 == 0:
            m[0][0] = 0.0  # elimination has to exchange rows
        expected = 0.0
        for p in itertools.permutations(range(3)):
            parity = (-1) ** sum(p[a] > p[b] for a, b in itertools.combinations(range(3), 2))
            expected += parity * m[0][p[0]] * m[1][p[1]] * m[2][p[2]]
        found = determinant(m)
        assert found.sign * math.exp(found.log_abs) == pytest.approx(expected, rel=1e-9)
    assert determinant([[1.0, 2.0], [2.0, 4.0]]) == (0, -math.inf)
    with pytest.raises(ValueError, match="square"):
        determinant([[1.0, 2.0]])


def test_sizes() -> None:
    size = (Nat.symbol("C") * Nat.symbol("H")).over(2)
    assert evaluate_size(size, {"C": 2, "H": 3}) == 3
    with pytest.raises(ValueError, match=r"is 15 / 2, not a whole number"):
        evaluate_size(size, {"C": 3, "H": 5})
    with pytest.raises(ValueError, match="needs a value of `H`"):
        evaluate_size(size, {"C": 3})
    core = program(MINT)
    layer = layer_of(core, "Mint")
    assert param_shape(layer, layer.param("W2"), (3, 4, 4), {"K": 5}) == (5, 5, 3, 3, 3, 3)
    assert param_shape(layer, layer.param("t"), (3, 4, 5), {"K": 5}) == (3, 4, 5)


def test_messages() -> None:
    core = program(
        MINT
        + "layer Log on Vec[D] { map x -> log(x) / x }\n"
        + "layer Div on Vec[D] { map x -> 1 / x }\n"
        + "flow F on Vec[2] { logit(0.1) }"
    )
    key = key_of(core, "Mint")
    args: dict[str, Argument] = {"K": 1, "tri": "lower"}
    raw = random_raw(core, "Mint", (1, 2, 2), args)

    def says(text: str, call: Callable[[], object]) -> None:
        with pytest.raises(ValueError) as caught:
            call()
        assert text in str(caught.value)

    def mint(shape: tuple[int, ...] = (1, 2, 2), a: Mapping[str, Argument] = args, r: Raw = raw, n: int = 4) -> Result:
        return evaluate_layer(core, key, [0.1] * n, shape, a, r)

    mint()
    says(
        "the raw tensor `W1` has 3 numbers, its shape [1, 1, 1, 3, 3] takes 9", lambda: mint(r={**raw, "W1": [1.0] * 3})
    )
    says("the raw tensor `t` of shape [1, 2, 2] is missing", lambda: mint(r={k: v for k, v in raw.items() if k != "t"}))
    says("the input has 3 numbers, its shape [1, 2, 2] takes 4", lambda: mint(n=3))
    says("`Mint` is on `Image[C, H, W]`, not on sizes [4]", lambda: mint((4,)))
    says("the formal `tri` of `Mint` has no value", lambda: mint(a={"K": 1}))
    says("needs a value of `K`", lambda: mint(a={"tri": "lower"}))
    says("`Mint` has no formal `k`", lambda: mint(a={"k": 1}))
    says("`tri` of `Mint` is of type Dir, not 2", lambda: mint(a={"K": 1, "tri": 2}))
    says("the program has no definition `Mint`", lambda: evaluate_layer(core, "Mint", [], (), {}, {}))
    says("is a flow", lambda: evaluate_layer(core, key_of(core, "F"), [0.5, 0.5], (2,), {}, {}))
    says("`F` is on `Vec[2]`", lambda: evaluate_flow(core, key_of(core, "F"), [0.5], (1,), {}, {}))
    says("`logit(0.1)` is not defined at 1.5", lambda: evaluate_flow(core, key_of(core, "F"), [0.5, 1.5], (2,), {}, {}))
    says("`log` is defined on", lambda: evaluate_layer(core, key_of(core, "Log"), [-1.0], (1,), {}, {}))
    says("division of 1.0 by 0", lambda: evaluate_layer(core, key_of(core, "Div"), [0.0], (1,), {}, {}))


def test_no_tensor_library_is_imported() -> None:
    code = "import sys, mintdsl.core.interpret; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
