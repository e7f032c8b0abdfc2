"""Bounds of maps and inverses: never exceeded by dense Jacobians or round trips; and why there is none."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, strategies as st

import mintdsl
from mintdsl.core import ir
from mintdsl.core.interpret import evaluate_flow, parameters
from mintdsl.proof.numerics import UNITS, Numerics, logit_numerics, numerics, over, plus, times
from mintdsl.proof.prover import Prover
from mintdsl.resources import resource
from mintdsl.tools.cli import cli
from mintdsl.tools.numerics import numerics_json, numerics_of, numerics_text, of_definition
from mintdsl.tools.show import Terminal

LAYERS = """mint 1
act kinked(u) = 0.5 * u + 0.25 * leaky_relu(u, 0.2)
layer Scale on S ensures diag >= 0.25, invertible {
  param s : scale with diag >= 0.25, diag <= 4
  param b : bias
  map x -> s * x + b
}
layer Signed on S ensures diagonal, invertible {
  param s, r : scale with diag >= 0.5, diag <= 3
  param b : bias
  map x -> -s * (r * x + b) / 2
}
layer Curved on S ensures diag > 0, invertible {
  param s : scale with diag >= 0.5, diag <= 2
  param b0 : bias
  map x -> s * x + tanh(x) - b0
}
layer Kinked on S ensures diag > 0, invertible { map x -> kinked(kinked(x)) + 0.125 * x }
layer Many on S ensures diag > 0, invertible {
  index i : 3
  param t[i] : scale with diag >= 0.125, diag <= 2
  map x -> sum[i](t[i] * x)
}
layer Divided on S ensures diag > 0, invertible {
  param s : scale with diag >= 0.5, diag <= 2
  map x -> x / s
}
flow Inner on Image[C, H, W] ensures invertible { Scale  squeeze 2  Signed  unsqueeze 2 }
"""
STEPS = (
    "Scale",
    "Signed",
    "Curved",
    "Kinked",
    "Many",
    "Divided",
    "Inner",
    "standardize(mean = 0.5, std = 0.25)",
    "squeeze 2  Curved  unsqueeze 2",
    "repeat 3 { Many }",
    "repeat 2 { Scale  Curved }",
)
SHAPE = (1, 2, 2)


def core_of(text: str) -> ir.Program:
    program = mintdsl.loads(text)
    assert program.check().ok, program.check().diagnostics
    return program.core()[0]


def found_in(text: str, name: str = "F", **sizes: int) -> Numerics:
    core = core_of(text)
    key = core.find(name)
    assert key is not None
    found = of_definition(core, Prover(core), key, sizes)
    assert found is not None
    return found


def flow(numbers: random.Random) -> str:
    steps = numbers.choices(STEPS, k=numbers.randint(1, 3))
    if numbers.random() < 0.5:
        steps.insert(0, f"logit({numbers.choice((0.01, 0.05, 0.3))})")
    if numbers.random() < 0.4:
        halves = [f"factor half (keep = {numbers.choice(('first', 'second'))})" for _ in range(2)]
        small = "standardize(mean = 0.5, std = 3)"
        steps += [
            "squeeze 2",
            halves[0],
            numbers.choice(("Curved", small)),
            halves[1],
            numbers.choice(("Scale", small)),
        ]
    return LAYERS + f"flow F on Image[1, 2, 2] ensures invertible {{ {'  '.join(steps)} }}"


@pytest.mark.parametrize("seed", range(40))
def test_dense_jacobians_stay_within_the_bounds(seed: int) -> None:
    numbers = random.Random(seed)
    text = flow(numbers)
    core = core_of(text)
    key = core.find("F")
    assert key is not None
    found = found_in(text)
    assert math.isfinite(found.inverse) and math.isfinite(found.data) == ("Many" not in text.split("flow F")[1])
    for spread in (0.5, 3.0, 40.0):
        raw = {
            name: [
                numbers.choice((-1.0, 1.0)) if name.endswith("_sign") else numbers.gauss(0.0, spread)
                for _ in range(math.prod(shape))
            ]
            for name, shape in parameters(core, key, SHAPE, {}).items()
        }
        for x in ([0.0] * 4, [1.0] * 4, [numbers.random() for _ in range(4)]):
            jacobian = np.array(evaluate_flow(core, key, x, SHAPE, {}, raw).jacobian)
            values = np.linalg.svd(jacobian, compute_uv=False)
            assert values[0] <= found.data * (1 + 1e-12)
            assert values[-1] >= 1 / found.inverse * (1 - 1e-12)
            rows = np.abs(jacobian).sum(axis=1).max()  # in the maximum norm
            assert rows <= found.data * (1 + 1e-12)
            assert np.abs(np.linalg.inv(jacobian)).sum(axis=1).max() <= found.inverse * (1 + 1e-9)


@pytest.mark.parametrize(
    ("steps", "data", "inverse"),
    [
        ("Scale", 4.0, 4.0),
        ("Signed", 4.5, 8.0),
        ("Curved", 3.0, 2.0),
        ("Kinked", 0.75**2 + 0.125, 1 / (0.55**2 + 0.125)),
        ("Many", math.inf, 8.0),  # proved for any number of terms
        ("Divided", 2.0, 2.0),
        ("standardize(mean = 0.5, std = 0.25)", 4.0, 0.25),
        ("logit(0.05)", 0.9 / (0.05 * 0.95), 1 / (4 * 0.9)),
        ("squeeze 2  logit(0.05)  unsqueeze 2", 0.9 / (0.05 * 0.95), 1 / (4 * 0.9)),
        ("repeat 3 { Scale }", 64.0, 64.0),
        ("squeeze 2  unsqueeze 2", 1.0, 1.0),
        ("squeeze 2  factor half  Scale", 4.0, 4.0),
        ("squeeze 2  factor half  standardize(mean = 0.5, std = 4)", 1.0, 4.0),  # what left keeps its slope
        ("squeeze 2  Scale  factor half  standardize(mean = 0.5, std = 0.25)  factor half  Curved", 48.0, 4.0),
        ("reverse  permute(axis = all)  patches 2  permute(axis = time)  flatten", 1.0, 1.0),
    ],
)
def test_bounds_are_the_best_ones(steps: str, data: float, inverse: float) -> None:
    found = found_in(LAYERS + f"flow F on Image[1, 2, 2] ensures invertible {{ {steps} }}")
    assert data <= found.data <= data * (1 + 1e-9)
    if steps == "Many":
        assert "any number of terms" in found.why_lip
        return
    assert inverse <= found.inverse <= inverse * (1 + 1e-9)
    if "logit" in steps:
        assert math.isinf(found.lip) and "towards the ends" in found.why_lip and not found.why_data
    else:
        assert found.lip == found.data and not found.why_lip


def test_what_leaves_through_a_net_has_no_bound() -> None:
    net = "net Split from S to (S, S) { map x -> (x, tanh(x)) }\n"
    text = (
        f"{LAYERS}{net}flow F on Image[1, 2, 2] ensures invertible {{ squeeze 2  factor half (prior = Split)  Scale }}"
    )
    found = found_in(text)
    assert found.steps == 3 and math.isinf(found.lip) and math.isinf(found.data) and math.isinf(found.inverse)
    assert "the net `Split` makes s of what goes on" in found.why_lip == found.why_inverse


@pytest.mark.parametrize("alpha", [1e-6, 0.05, 0.25, 0.49, 0.1 + 0.2])
def test_logit_bounds_hold_exactly(alpha: float) -> None:
    found, a = logit_numerics(alpha), Fraction(alpha)
    assert Fraction(found.data) >= (1 - 2 * a) / (a * (1 - a))
    assert Fraction(found.inverse) >= 1 / (4 * (1 - 2 * a))


positive = st.floats(min_value=1e-300, max_value=1e300)


@given(positive, positive)
def test_arithmetic_rounds_upwards(a: float, b: float) -> None:
    for got, exact in (
        (times(a, b), Fraction(a) * Fraction(b)),
        (plus(a, b), Fraction(a) + Fraction(b)),
        (over(a, b), Fraction(a) / Fraction(b)),
    ):
        assert math.isinf(got) or Fraction(got) >= exact


def test_arithmetic_at_the_ends() -> None:
    assert times(0.0, math.inf) == times(math.inf, 0.0) == 0.0
    assert times(5e-324, 0.25) > 0 and over(5e-324, 4.0) > 0
    assert times(math.inf, 2.0) == over(1.0, 0.0) == math.inf
    assert plus(0.0, 0.0) == 0.0


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_powers_are_copies(count: int) -> None:
    block = found_in(LAYERS + "flow F on Image[1, 2, 2] ensures invertible { Scale  Curved  squeeze 2  unsqueeze 2 }")
    one_by_one = Numerics()
    for _ in range(count):
        one_by_one = one_by_one.then(block)
    power = block.power(count)
    assert power.steps == one_by_one.steps == 4 * count
    for a, b in (
        (power.lip, one_by_one.lip),
        (power.inverse, one_by_one.inverse),
        (power.rounding, one_by_one.rounding),
        (power.solved, one_by_one.solved),
    ):
        assert a == pytest.approx(b, rel=1e-9)


def test_data_stays_in_the_unit_interval_only_where_entries_move() -> None:
    text = """mint 1
layer Squash on S ensures injective { map x -> sigmoid(x) }
flow F on Image[1, 2, 2] { Squash  logit(0.05) }"""
    report = mintdsl.loads(text).check()
    logit, moved = logit_numerics(0.05), Numerics(steps=1)
    assert moved.then(moved).then(logit).data == logit.data
    squash = found_in(text, "Squash")
    assert math.isinf(squash.then(logit).data) and squash.then(logit).why_data == logit.why_lip
    assert report.ok


# ---------------------------------------------------------------- no bound


def test_a_triangular_layer_has_none_and_could_not() -> None:
    text = """mint 1
layer T on Vec[D] ensures lower, diag == 1, invertible { param A : linear strict lower  map x -> x + A(x) }
flow F on Vec[2] ensures invertible { T }"""
    found = found_in(text)
    assert math.isinf(found.lip) and math.isinf(found.inverse) and math.isinf(found.rounding)
    assert "`A` off the diagonal" in found.why_lip and "`T` is triangular" in found.why_inverse
    core = core_of(text)
    key = core.find("F")
    assert key is not None
    raw = {"t.A": [0.0, 0.0, 1e6, 0.0]}
    names = parameters(core, key, (2,), {})
    raw = {name: raw["t.A"] for name in names}
    jacobian = np.array(evaluate_flow(core, key, [0.0, 0.0], (2,), {}, raw).jacobian)
    assert np.linalg.norm(np.linalg.inv(jacobian), 2) >= 1e6  # diagonal 1: 1/lo is no bound


LOOSE = """mint 1
layer L on Vec[D] ensures injective {{
  param s : scale with {bound}
  map x -> {formula}
}}
flow F on Vec[2] {{ L }}"""


@pytest.mark.parametrize(
    ("bound", "formula", "lip", "inverse", "repaired"),
    [
        ("diag > 0", "s * x", "`s` of `L` may be as large", "`s` of `L` may be as near to 0", ""),
        ("diag >= 0.5", "s * x", "`s` of `L` may be as large", "", ""),
        ("diag != 0", "s * x", "`s` of `L` may be as large", "`s` of `L` may be as near to 0", ""),
        ("diag > 0", "x / s", "`s` of `L` may be as large", "`s` of `L` may be as near to 0", ""),
        ("diag >= 0.5, diag <= 2", "tanh(s * x)", "", "the slope of `tanh` in `L` comes near 0", "s * x + tanh(s * x)"),
        ("diag >= 0.5, diag <= 2", "s * x + exp(x)", "the slope of `exp` in `L` has no upper", "", "s * x + elu(x)"),
    ],
)
def test_reasons_and_what_repairs_them(bound: str, formula: str, lip: str, inverse: str, repaired: str) -> None:
    found = found_in(LOOSE.format(bound=bound, formula=formula))
    assert found.why_lip.startswith(lip) and bool(lip) == bool(found.why_lip) == math.isinf(found.lip)
    assert found.why_inverse.startswith(inverse) and bool(inverse) == bool(found.why_inverse)
    assert math.isinf(found.inverse) == bool(inverse)
    after = LOOSE.format(bound="diag >= 0.5, diag <= 2", formula=repaired or formula)
    better = found_in(after)
    assert math.isfinite(better.lip) and math.isfinite(better.inverse) and not better.why_lip + better.why_inverse


def test_batch_norm_has_a_bound_one_way_only() -> None:
    text = """mint 1
layer Norm on S ensures diag > 0, invertible { param n : normalize  map x -> n(x) }
flow F on Image[1, 2, 2] { Norm }"""
    found = found_in(text)
    assert 316.2 < found.lip < 316.3  # 1 / sqrt(1e-5)
    assert math.isinf(found.inverse) and "running variance of `n`" in found.why_inverse


def test_copies_of_an_open_number() -> None:
    text = LAYERS + "flow F(N: Nat) on Image[1, 2, 2] ensures invertible { repeat N { BODY } }"
    scaled = found_in(text.replace("BODY", "Scale"))
    assert math.isinf(scaled.lip) and math.isinf(scaled.inverse) and math.isinf(scaled.rounding)
    assert "`repeat N` is not a known number" in scaled.why_lip
    assert found_in(text.replace("BODY", "Scale"), N=2).lip == pytest.approx(16)
    moved = found_in(text.replace("BODY", "squeeze 2  unsqueeze 2"))
    assert (moved.lip, moved.inverse, moved.rounding) == (1.0, 1.0, 0.0)
    half = "standardize(mean = 0.5, std = 0.5)"
    assert found_in(text.replace("BODY", half)).inverse == 1.0  # 0.5^N


# ---------------------------------------------------------------- round trips

TRIPS = (
    "Scale  Scale",
    "repeat 4 { Scale }",
    "Signed  squeeze 2  Scale",
    "standardize(mean = 0.5, std = 0.25)  Many  Divided",
    "logit(0.05)  Scale",
    "logit(1e-6)  repeat 3 { Scale }",
    "logit(0.49)  Signed",
    "Curved  Scale",
    "logit(0.05)  repeat 2 { Curved }",
)


@pytest.mark.parametrize("steps", TRIPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_round_trips_stay_within_what_is_printed(steps: str, dtype: torch.dtype) -> None:
    text = LAYERS + f"flow F on Image[1, 2, 2] ensures invertible {{ {steps} }}"
    found = found_in(text)
    torch.manual_seed(0)
    model = mintdsl.loads(text).compile("F")(dtype=dtype)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-11
    name = str(dtype).removeprefix("torch.")
    shares = []
    for spread in (0.1, 2.0, 20.0):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(spread * torch.randn_like(parameter))
        x = torch.rand(200, *SHAPE, dtype=dtype)
        x[0], x[1] = 0.0, 1.0
        with torch.no_grad():
            z, _ = model(x)
            again, _ = model.inverse(z)
            met = [
                14.0 if "logit" in steps else 2.0,
                *(float(p.abs().max()) for n, p in model.named_parameters() if n.split(".")[-1] in ("b", "b0")),
            ]
            met += [float(values.abs().max()) for _, values, _ in model.trace(x)]
        largest = 5 * max(met)  # inside a layer s * (r * x + b) / 2 also r * x occurs, at most 4 |z| + |b|
        error = float((again.double() - x.double()).abs().max())
        allowed = found.round_trip(name) * largest + found.solved * tolerance * (1 + largest)
        assert error <= allowed
        shares.append(error / allowed)
    assert max(shares) > 0 or dtype == torch.float64


def test_the_worst_weights_come_near_what_is_printed() -> None:
    """Scales at their floor multiply what the biases round away; the bound is not empty."""
    text = LAYERS + "flow F on Image[1, 2, 2] ensures invertible { repeat 4 { Scale } }"
    model = mintdsl.loads(text).compile("F")()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(-40.0 if name.endswith("s") else 1.3)
    torch.manual_seed(0)
    x = torch.rand(1000, *SHAPE)
    with torch.no_grad():
        z, _ = model(x)
        error = float((model.inverse(z)[0] - x).abs().max())
        largest = max(float(values.abs().max()) for _, values, _ in model.trace(x))
    allowed = found_in(text).round_trip("float32") * max(largest, 1.3)
    assert allowed / 40 <= error <= allowed


def test_splines_have_bounds_alone_and_none_in_couplings() -> None:
    alone = found_in(
        "mint 1\nlayer F on Vec[2] {\n  param w : bias on Vec[4]\n  param d : bias on Vec[2]\n"
        "  map x -> rq_spline(2 * x, widths = w, heights = w, slopes = d, floor = 0.125)\n}\n"
    )
    assert alone.lip == pytest.approx(64) and alone.inverse == pytest.approx(512)
    assert math.isinf(alone.solved) or math.isinf(alone.rounding)  # nothing is said of the rounding of knots
    for formula, reason in (("BENT", "bends `b` by splines"), ("BENT * exp(a)", "scales `b`")):
        found = found_in(
            "mint 1\nlayer F on Vec[4] {\n  param w : bias on Vec[4]\n  param d : bias on Vec[2]\n  map x {\n"
            f"    let (a, b) = split(x, halves)\n    return join(a, {formula})\n  }}\n}}\n".replace(
                "BENT", "rq_spline(b, widths = w, heights = w, slopes = d)"
            )
        )
        assert math.isinf(found.inverse) and reason in found.why_inverse


def test_units() -> None:
    for name, unit in UNITS.items():
        assert torch.finfo(getattr(torch, name)).eps / 2 == unit


# ---------------------------------------------------------------- what is shown


def test_every_packaged_spec_has_its_section() -> None:
    at = Terminal(False, 110, True)
    for path in sorted(resource("specs").glob("*/*.mint")):
        program = mintdsl.load(path)
        if program.check().ok:
            core, _ = program.core()
            text = "\n".join(numerics_text(*numerics_of(core, Prover(core), core.main, {}), at))
            for key in core.main:
                if of_definition(core, Prover(core), key, {}) is not None:
                    assert core.definitions[key].name in text


def test_prove_and_check_show_it() -> None:
    text = LAYERS + "flow F on Image[1, 2, 2] ensures invertible { dequantize 256  logit(0.05)  Scale  prior normal }"
    runner = CliRunner()
    output = runner.invoke(cli, ["prove", "-", "F", "--brief"], input=text).output
    section = output[output.index("Numerical: ") :]
    assert "Lipschitz bound 75.79 on data in [0, 1]; none beyond: `logit(0.05)` grows without bound" in section
    assert "the inverse  Lipschitz bound 1.111\n" in section
    assert "condition    at most 84.21 on data in [0, 1]\n" in section
    assert " m in float32 and " in section and "over 2 steps" in " ".join(section.split())
    line = runner.invoke(cli, ["check", "-", "F", "--output", "json"], input=text).output.splitlines()[-1]
    found = json.loads(line)["numerical"]
    assert found == numerics_json(found_in(text))
    assert found["lip"] is None and found["lip_on_unit"] == pytest.approx(4 * 0.9 / 0.0475)
    mint = runner.invoke(cli, ["prove", "mintnet/mnist.mint", "Mnist", "--brief"]).output
    assert "neither of the map nor of its inverse: `Mint` is triangular" in " ".join(mint.split())
    moved = runner.invoke(cli, ["prove", "-", "G"], input="mint 1\nflow G on Image[1, 2, 2] { squeeze 2 }").output
    assert "round trip   exact: entries only move" in moved


def test_nothing_is_said_of_what_is_not_proved() -> None:
    text = "mint 1\nlayer S on Vec[D] { param W : linear  map x -> W(x) }"
    core, _ = mintdsl.loads(text).core()
    (key,) = core.main
    assert of_definition(core, Prover(core), key, {}) is None
    assert numerics_json(None) is None
    assert isinstance(numerics, object)
