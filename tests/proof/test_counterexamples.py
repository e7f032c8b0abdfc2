"""Counter-examples: each is verified anew from its numbers, by evaluation without derivatives, and by hand for some.

The goldens are tests/golden/counterexamples.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

import mintdsl
from mintdsl.core import ir
from mintdsl.core.constraints import CONSTRAINTS
from mintdsl.core.interpret import Argument, effective, evaluate_flow, evaluate_layer
from mintdsl.core.interpret_env import any_context
from mintdsl.diagnostics.model import Diagnostic, Example, Tensor
from mintdsl.diagnostics.render import numbers, render
from mintdsl.driver import Program, Report
from mintdsl.proof.check import Bindings
from mintdsl.proof.counterexample import points, search
from mintdsl.proof.counterexample.knobs import preimage
from mintdsl.proof.prover import Prover
from mintdsl.tools.forms import diagnostic_json

ROOT = Path(__file__).parents[2]
REFUSED = sorted([*(ROOT / "tests/proof/refused").glob("*.mint"), *(ROOT / "tests/programs/refused").glob("*.mint")])
ACCEPTED = sorted([*(ROOT / "tests/proof/accepted").glob("*.mint"), *(ROOT / "specs/mintnet").glob("*.mint")])

# Codes of claims and formulas that numbers can refute.
REFUTABLE = {f"E04{n:02}" for n in (1, 2, 3, 4, 6, 7, 9, 10, 11, 13, 15)} | {"E0601", "E0602"}

WITHOUT = {
    "act_defined_on_less": "true: log meets exp(x) > 0 here; an act has to have a value for every real number",
    "bound_equal_to_slope": "true: x + sin(x) increases, its slope is 0 at single places only",
    "growing_product_may_vanish": "true: the slope of exp(x) * exp(x) is 2 * exp(2 * x)",
    "chain_claims_volume": "a matrix with a constrained determinant has no plain numbers to try",
    "exp_claims_lip": "weights that are scaled down have no plain numbers to try",
    "exp_claims_lower": "weights that are scaled down have no plain numbers to try",
    "exp_claims_volume": "weights that are scaled down have no plain numbers to try",
    "claim_lip_by_rows": "weights that are scaled down have no plain numbers to try",
    "cayley_claims_lip": "weights that are scaled down have no plain numbers to try",
    "cayley_claims_lower": "weights that are scaled down have no plain numbers to try",
    "cayley_claims_volume": "weights that are scaled down have no plain numbers to try",
    "cayley_inverse_claims_closed_form": "a kind, as below",
    "dominant_closed_form": "a kind, as below",
    "length_may_leave_nothing": "numbers that are divided by their length are no plain numbers to try",
    "chain_of_added_kernels": "permutations have no plain numbers to try",
    "dominant_volume": "a kernel with a constrained determinant has no plain numbers to try",
    "factor_net_divides_by_zero": "the numbers of a net are not tried",
    "flow_claims_log_det_of_residual": "a kind, as below",
    "ode_divisor_of_time": "the numbers of a field are not tried",
    "ode_outside": "the numbers of a field are not tried",
    "ode_keeps_no_volume": "the numbers of a field are not tried",
    "ode_exact_log_det": "a kind, as below",
    "ode_iterative": "a kind, as below",
    "probes_are_not_bounded": "a kind, as below",
    "roulette_is_not_bounded": "a kind, as below",
    "series_is_not_exact": "a kind, as below",
    "series_is_not_unbiased": "a kind, as below",
    "lip_says_nothing_of_signs": "weights that are scaled down have no plain numbers to try",
    "chain_claims_lower": "a permutation has no numbers to try",
    "chain_of_not_onto": "false, but the search for values that are missed knows no dense maps",
    "half_plane_is_no_triangle": "a kernel with a constrained determinant has no plain numbers to try",
    "half_plane_volume": "a kernel with a constrained determinant has no plain numbers to try",
    "mixture_closed_form": "a kind, as below",
    "mixture_of_itself": "false, but the numbers of a bijection are not tried",
    "image_rounded": "true over the real numbers: 1 + 1e-17 is more than 0.9999999999999999",
    "claim_inverse_kind": "a kind is what the checker knows of a map, no property that an input refutes",
    "claim_log_det_of_pad": "a kind, as above",
    "flow_factor_prior_lip": "the numbers of a net are not tried",
    "flow_factor_prior_preserves_no_volume": "the numbers of a net are not tried",
    "flow_factor_two_boxes": "values that are not reached are looked for in layers only",
    "spline_slope_below": "false, but it takes bins as uneven as their floor allows, and no such numbers are tried",
    "standardize_by_data_preserves_nothing": "the deviations of data are no numbers that are tried",
    "slope_without_floor": "false, x - softplus(x) < 0, but the bounds of a difference do not see it",
}
"""Refused programs for which nothing is found, and why."""


def refusals(path: Path) -> list[Diagnostic]:
    """What is refutable in a program."""
    return [d for d in mintdsl.load(path).check().diagnostics if d.code in REFUTABLE]


EXAMPLES = [
    pytest.param(path, d, id=f"{path.parts[-3]}-{path.stem}-{d.code}")
    for path in REFUSED
    for d in refusals(path)
    if d.example is not None
]


# ---------------------------------------------------------------- verification


class Again:
    """A definition on the numbers of an example: the map from x to its value."""

    def __init__(self, program: Program, example: Example) -> None:
        self.core, _ = program.core()
        self.example = example
        self.key, self.bindings = _definition(self.core, example)
        self.definition = self.core.definitions[self.key]
        self.shape = example.inputs[0].shape
        formals = {f.name for f in self.definition.formals if f.type in ("Nat", "Dir")}
        sizes = {name: value for name, value in example.settings if name in formals}
        self.args: dict[str, Argument] = {**self.bindings, **sizes}  # type: ignore[dict-item]
        self.raw = {tensor.name: list(tensor.numbers) for tensor in example.raw}

    def input(self, name: str) -> list[float]:
        return list(next(tensor.numbers for tensor in self.example.inputs if tensor.name == name))

    def value(self, x: Sequence[float]) -> list[float]:
        evaluate = evaluate_layer if isinstance(self.definition, ir.Layer) else evaluate_flow
        given = any_context(self.definition, self.shape, self.args)
        return list(evaluate(self.core, self.key, x, self.shape, self.args, self.raw, given=given).value)

    def slopes(self, x: Sequence[float], step: float = 2.0**-18) -> np.ndarray:
        """The Jacobian by differences of values."""
        columns = []
        for k in range(len(x)):
            ahead, behind = ([v + sign * step * (k == n) for n, v in enumerate(x)] for sign in (1, -1))
            columns.append((np.array(self.value(ahead)) - self.value(behind)) / (2 * step))
        return np.array(columns).T

    def place(self, index: str) -> int:
        return int(np.ravel_multi_index(tuple(map(int, index.split(","))), self.shape))


def _definition(core: ir.Program, example: Example) -> tuple[str, Bindings]:
    prover = Prover(core)
    for key in core.main:
        bindings = prover.defaults(key)
        if bindings is not None:
            prover.prove(key, bindings)
    shown = dict(example.settings)
    for key, bound in prover.done:
        acts = {name: str(v) for name, v in bound if isinstance(v, ir.BuiltinAct | ir.DefinedAct)}
        if key.rpartition("::")[2] == example.definition and acts.items() <= shown.items():
            return key, dict(bound)
    raise AssertionError(example.definition)


STEEP = re.compile(r"\|d y / d x\[[\d, ]+\]\| = (\S+), the claim asks (<=?) (\S+)")
ENTRY = re.compile(r"d y\[([\d, ]+)\] / d x\[([\d, ]+)\] = (\S+?)(?: at x and (\S+) at x')?, the claim(.*) asks (.*)$")
MARGIN = 1e-5  # of differences


def verify(program: Program, diagnostic: Diagnostic) -> None:
    """The example shows what it says, and that is against the claim."""
    example = diagnostic.example
    assert example is not None
    again = Again(program, example)
    _verify_parameters(again)
    match example.kind:
        case "no value":
            with pytest.raises(ValueError, match="is defined on|division"):
                again.value(again.input("x"))
        case "value not reached":
            (z,) = {*again.input("z")}
            reached = [v for k in range(-400, 401) for v in _values(again, k / 10)]
            assert reached and (all(v < z for v in reached) or all(v > z for v in reached))
        case "one output":
            x, other = again.input("x"), again.input("x'")
            assert max(abs(a - b) for a, b in zip(x, other, strict=True)) > 1e-3
            assert np.allclose(again.value(x), again.value(other), rtol=0, atol=1e-9)
            # and not because it is flat by rounding: it folds, or does not move at all
            first, second = np.linalg.det(again.slopes(x)), np.linalg.det(again.slopes(other))
            assert first * second < -1e-6 or abs(first) + abs(second) < MARGIN
        case "orientation":
            first, second = (np.linalg.det(again.slopes(again.input(name))) for name in ("x", "x'"))
            assert first * second < -1e-6
        case "volume":
            volume = abs(np.linalg.det(again.slopes(again.input("x"))))
            shown = float(example.seen.split(" = ")[1].split(",")[0])
            assert math.isclose(volume, shown, rel_tol=1e-3, abs_tol=MARGIN) and abs(shown - 1) > 1e-3
        case "diagonal entry" | "diagonal changes sign" | "entry outside":
            found = ENTRY.fullmatch(example.seen)
            assert found is not None, example.seen
            row, column, a, b, _, asks = found.groups()
            p, q = again.place(row), again.place(column)
            first = again.slopes(again.input("x"))[p, q]
            assert math.isclose(first, float(a), rel_tol=MARGIN, abs_tol=MARGIN)
            if b is not None:
                second = again.slopes(again.input("x'"))[p, q]
                assert p == q and first * second < 0 and asks == "one sign"
            elif example.kind == "entry outside":
                assert asks == "0" and abs(first) > MARGIN
            else:
                cmp, bound = asks.split()
                broken = {
                    ">": first < MARGIN,
                    ">=": first < float(bound) - MARGIN,
                    "!=": abs(first) < MARGIN,
                    "==": abs(first - float(bound)) > MARGIN,
                }
                assert p == q and broken[cmp]
        case "steep":
            norm, cmp, bound = STEEP.fullmatch(example.seen).groups()  # type: ignore[union-attr]
            column = max(np.linalg.norm(again.slopes(again.input("x")), axis=0))
            assert math.isclose(column, float(norm), rel_tol=MARGIN)
            assert column > float(bound) * (1 - 1e-6) if cmp == "<" else column > float(bound) * (1 + MARGIN)
        case other:
            raise AssertionError(other)


def _values(again: Again, x: float) -> list[float]:
    try:
        return again.value([x] * math.prod(again.shape))
    except (ValueError, OverflowError):
        return []  # outside the domain of a first `logit`


def _verify_parameters(again: Again) -> None:
    """What is stored makes the effective values that are shown."""
    if not isinstance(again.definition, ir.Layer):
        return
    sizes = {name: value for name, value in again.example.settings if isinstance(value, int)}
    others = {name: value for name, value in again.args.items() if name not in sizes}
    shown = {tensor.name: tensor for tensor in again.example.parameters}
    for param in again.definition.params:
        if isinstance(param.kind, ir.Normalize):
            continue
        made = effective(again.definition, param.name, again.raw, sizes, others, dims=again.shape)
        assert np.allclose(made, shown[param.name].numbers, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("path", "diagnostic"), EXAMPLES)
def test_the_example_is_one(path: Path, diagnostic: Diagnostic) -> None:
    verify(mintdsl.load(path), diagnostic)


# ---------------------------------------------------------------- by hand


def elu(v: float) -> float:
    return v if v > 0 else math.expm1(v)


HAND: dict[str, Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]] = {
    "difference_of_slopes": lambda w, x: x - np.tanh(2 * x),
    "act_sin": lambda w, x: w["t"] * x + np.sin(w["W"] @ x),
    "untied_pair": lambda w, x: w["t"] * x + w["A"] @ np.vectorize(elu)(w["B"] @ x),
    "sum_of_own_signs": lambda w, x: sum(w["s"][i] * x for i in range(len(w["s"]))),
    "mixed_sum": lambda w, x: w["L"] @ x + w["U"] @ x,
    "mixed_product": lambda w, x: w["L"] @ x * np.exp(w["U"] @ x),
    "made_not_strict": lambda w, x: x * np.exp(w["W"] @ x),
    "dense_residual": lambda w, x: x + w["W"] @ np.tanh(x),
    "own_divisor": lambda w, x: x / (1 + np.exp(x)),
}


@pytest.mark.parametrize("name", HAND)
def test_by_hand(name: str) -> None:
    (diagnostic,) = refusals(ROOT / "tests/proof/refused" / f"{name}.mint")
    example = diagnostic.example
    assert example is not None
    weights = {t.name: np.array(t.numbers).reshape(t.shape) for t in example.parameters}
    x, *rest = [np.array(t.numbers) for t in example.inputs]

    def slopes(at: np.ndarray) -> np.ndarray:
        steps = 1e-6 * np.eye(len(at))
        return np.array([(HAND[name](weights, at + s) - HAND[name](weights, at - s)) / 2e-6 for s in steps]).T

    if example.kind == "one output":
        assert np.allclose(HAND[name](weights, x), HAND[name](weights, rest[0]), atol=1e-9)
        assert abs(x - rest[0]).max() > 0.1
    elif example.kind == "orientation":
        assert np.linalg.det(slopes(x)) * np.linalg.det(slopes(rest[0])) < -0.01
    else:
        assert example.kind == "diagonal entry"
        assert slopes(x)[0, 0] < 1e-6


# ---------------------------------------------------------------- how much is found


def test_what_is_found() -> None:
    found, missed = set(), set()
    for path in REFUSED:
        unseen = any(words in path.read_text(encoding="utf-8") for words in (" : net ", "norm = weight"))
        if unseen or path.stem.startswith("apply_"):
            # the numbers of a net or of a layer that is applied, and weights by length and direction, are not tried
            assert all(d.example is None for d in refusals(path))
            continue
        for d in refusals(path):
            (missed if d.example is None else found).add((path.stem, d.code))
    assert {name for name, _ in missed} == set(WITHOUT)
    # of what is true, or is no property of the map, there is no counter-example to find
    untried = "no plain numbers", "not tried"  # parameters of kinds that the search leaves alone, as it does nets
    false = [name for name, _ in missed if not WITHOUT[name].startswith(("true", "a kind"))]
    false = [name for name in false if not any(words in WITHOUT[name] for words in untried)]
    assert len(found) >= 0.9 * (len(found) + len(false))


def test_every_claim_is_refuted_somewhere() -> None:
    kinds = {d.example.kind for path in REFUSED for d in refusals(path) if d.example is not None}
    assert kinds == {"diagonal entry", "entry outside", "one output", "orientation", "volume", "no value", "steep"} | {
        "value not reached"
    }


def test_other_messages_have_none() -> None:
    for path in REFUSED:
        for d in mintdsl.load(path).check().diagnostics:
            assert d.example is None or d.code in REFUTABLE


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_nothing_refutes_what_is_proved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SEARCH", 2000)
    core, _ = mintdsl.load(path).core()
    prover = Prover(core)
    for key in core.main:
        bindings = prover.defaults(key)
        if bindings is None:
            continue
        proof = prover.prove(key, bindings)
        assert not proof.diagnostics
        claims = [*core.definitions[key].claims, *[ir.Claim("injective")] * (proof.bijection is not None)]
        for claim in claims:
            assert search.example(core, search.Question(key, bindings, claim)) is None, claim
        if isinstance(core.definitions[key], ir.Layer):
            assert search.example(core, search.Question(key, bindings, None)) is None


def layer(body: str, claims: str) -> Report:
    return mintdsl.loads(f"mint 1\nlayer A on Vec[D] ensures {claims} {{\n{body}\n}}\n").check()


@pytest.mark.parametrize(
    ("body", "claims", "why"),
    [
        ("map x -> x * x * x", "diag > 0", "it increases, though its slope is 0 at one place"),
        ("map x -> x * x * x", "injective", "it increases"),
        ("map x -> tanh(x + 100) * exp(x)", "diag > 0", "floats see a slope of 0 where there is none"),
        ("map x -> exp(-exp(x + 8)) * exp(x)", "injective", "an exponential that underflows is not 0"),
        ("map x -> 1e9 * x * x - 1e9 * x * x + x", "injective", "large numbers cancel by rounding alone"),
        ("map x -> x + 0.5 * sin(x) * sin(x)", "injective", "the slope is at least 1/2"),
        ("map x -> relu(x) - relu(-x)", "diag > 0", "it is x, though the slopes at the kink are taken to be 0"),
    ],
)
def test_what_is_true_is_not_refuted(body: str, claims: str, why: str) -> None:
    found = layer(body, claims).diagnostics
    assert found, "the checker proves it now: take another program"
    assert all(d.example is None for d in found), why


# ---------------------------------------------------------------- the search


SLOWEST = ("two_directions", "mixed_through_let", "mixed_composition", "formal_meets_lower", "tied_only_in_part")


@pytest.mark.parametrize("name", SLOWEST)
def test_the_budget_is_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluations, spent = [0], [0]
    apply, spend = points.apply_weights, points.Budget.spend

    def counted(*arguments: object) -> object:
        evaluations[0] += 1
        return apply(*arguments)  # type: ignore[arg-type]

    def counting(self: points.Budget, cost: int) -> None:
        spend(self, cost)
        spent[0] += cost

    monkeypatch.setattr(points, "apply_weights", counted)
    monkeypatch.setattr(points.Budget, "spend", counting)
    refusals(ROOT / "tests/proof/refused" / f"{name}.mint")
    assert 0 < spent[0] <= search.SEARCH + 2 * search.SIMPLIFY
    assert 0 < evaluations[0] <= spent[0]


def test_large_programs_are_left_alone() -> None:
    text = (
        "mint 1\nlayer A on Image[C, H, W] ensures invertible {\n  param V : conv 3x3\n  map x -> x + V(tanh(x))\n}\n"
        "flow F on Image[64, 64, 64] ensures invertible, volume_preserving { repeat 1000 { A } }\n"
    )
    found = mintdsl.loads(text).check().diagnostics
    assert [d.code for d in found] == ["E0409"]
    assert found[0].example is not None


def test_formulas_that_multiply_are_left_alone() -> None:
    """Found by random programs: written out, the formula of the coordinates has more than 10^18 nodes."""
    text = (
        "mint 1\nact f(u) = u + 0.1 * tanh(u)\nlayer A on S ensures injective { map x -> sigmoid(x) }\n"
        "layer B on S { index i : 3  map x -> sum[i](f(x) + f(x)) }\n"
        "flow F on Image[1, 2, 2] ensures invertible { repeat 12 { B  B } A }\n"
    )
    (found,) = mintdsl.loads(text).check().diagnostics
    assert found.code == "E0602"


def test_a_large_flow_shows_its_step() -> None:
    text = (
        "mint 1\nlayer A on S ensures injective { map x -> sigmoid(x) }\n"
        "layer B on S ensures invertible { map x -> 2 * x }\n"
        "flow F on Image[3, 32, 32] ensures invertible { repeat 3 { B } A }\n"
    )
    (found,) = mintdsl.loads(text).check().diagnostics
    assert found.example is not None
    assert found.example.seen == "of the step `A`: f(x) lies in (0, 1) for all x, so no x gives z"


def test_every_parametrisation_is_inverted() -> None:
    for constraint in CONSTRAINTS:
        bounds = (0.5, 2.0)[: constraint.bounds]
        for via in constraint.via:
            for value in (0.75, 1.0, 1.5):
                stored = preimage(via, bounds, value)
                one = (constraint.cmp == "== 1" and not via.joint) or via.name == "dominant"
                if (one and value != 1) or constraint.quantity == "lip":  # all are above 0.5
                    assert stored is None
                else:
                    assert stored is not None and math.isclose(via.value(stored, *bounds), value, rel_tol=1e-12)
                    assert math.isfinite(stored)


def run(path: str, seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "mintdsl.tools.cli", "check", path, "--output", "json"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("name", ["mixed_composition", "untied_families"])
def test_the_same_program_gets_the_same_example(name: str) -> None:
    path = f"tests/proof/refused/{name}.mint"
    once = run(path, "1")
    assert '"example": {' in once
    assert once == run(path, "2")


def test_a_proved_program_searches_nothing() -> None:
    program = (
        "import sys, mintdsl; mintdsl.load('specs/mintnet/mint.mint').check(); "
        "print([m for m in sys.modules if 'counterexample' in m])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- what is shown


@pytest.mark.parametrize("name", ["mixed_sum", "untied_families", "step_not_onto"])
def test_the_text(name: str, golden: Callable[[str, str], None]) -> None:
    path = ROOT / "tests/proof/refused" / f"{name}.mint"
    report = mintdsl.loads(path.read_text(encoding="utf-8"), f"{name}.mint").check()
    text = render(report.diagnostics, report.sources, color=False, width=100)
    golden(f"counterexamples/{name}.txt", text)


def test_json() -> None:
    report = mintdsl.load(ROOT / "tests/proof/refused/mixed_sum.mint").check()
    (diagnostic,) = report.diagnostics
    shown = json.loads(json.dumps(diagnostic_json(diagnostic, report.sources)["example"]))
    example = diagnostic.example
    assert example is not None
    assert list(shown) == ["definition", "settings", "parameters", "raw", "inputs", "kind", "seen"]
    assert shown["definition"] == "A" and shown["settings"] == {"D": 2} and shown["kind"] == example.kind
    assert set(shown["inputs"]) == {"x", "x'"}

    def flat(nested: object) -> list[float]:
        return [v for part in nested for v in flat(part)] if isinstance(nested, list) else [nested]  # type: ignore[list-item]

    tensors: tuple[tuple[str, tuple[Tensor, ...]], ...] = (
        ("parameters", example.parameters),
        ("raw", example.raw),
        ("inputs", example.inputs),
    )
    for field, kept in tensors:
        for tensor in kept:
            assert np.shape(shown[field][tensor.name]) == tensor.shape
            assert flat(shown[field][tensor.name]) == list(tensor.numbers)


def test_json_says_when_there_is_none() -> None:
    report = mintdsl.load(ROOT / "tests/proof/refused/bound_equal_to_slope.mint").check()
    (diagnostic,) = report.diagnostics
    assert diagnostic_json(diagnostic, report.sources)["example"] is None


def test_the_language_page_shows_a_real_one() -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    program = next(part for part in page.split("```mint refused\n")[1:] if "layer Block" in part).split("```")[0]
    (diagnostic,) = mintdsl.loads(program).check().diagnostics
    assert diagnostic.example is not None
    numbers_, seen = ", ".join(numbers(diagnostic.example)), diagnostic.example.seen.split(",")[0]
    assert f"(here `{numbers_}` and `{seen}`)" in page


def test_a_formula_of_a_thousand_factors() -> None:
    product = " * ".join(["x"] * 1500)
    text = f"mint 1\nlayer A on Vec[D] ensures injective {{ map x -> {product} }}\n"
    assert any(found.code.startswith("E") for found in mintdsl.loads(text).check().diagnostics)
