"""Large programs: the same answers as small ones, work that grows as they do, and no stack that grows with them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from math import prod
from pathlib import Path
from types import FrameType

import hostile_large as large
import pytest
import torch

import mintdsl
from mintdsl.core.interpret import evaluate_layer, parameters
from mintdsl.core.interval import Interval
from mintdsl.driver import Report
from mintdsl.proof.check import LayerProof
from mintdsl.proof.derivation import Derivation
from mintdsl.source import Source
from mintdsl.syntax.format import format_module
from mintdsl.syntax.parse import parse

FAULTY = {"unknown_names"}
SMALL = 96
"""Parts of the programs whose work is counted: enough for the growth to show."""


def check(text: str) -> Report:
    return mintdsl.loads(text).check()


def calls(run: Callable[[], object]) -> int:
    """How many functions of mintdsl are entered: a measure of work that does not depend on the machine."""
    count = 0

    def entered(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        if event == "call" and "mintdsl" in frame.f_code.co_filename:
            count += 1

    before = sys.getprofile()
    sys.setprofile(entered)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count


def nodes(report: Report) -> int:
    """Applications of rules in all proofs."""
    total, waiting = 0, [r.proof.derivation for r in report.results]
    while waiting:
        node: Derivation = waiting.pop()
        total += 1
        waiting.extend(node.premises)
    return total


def _sizes(name: str) -> tuple[int, ...]:
    unit = 10 * SMALL if name == "arguments" else SMALL
    return unit, 2 * unit, 4 * unit


@pytest.mark.parametrize("name", large.FAMILIES)
def test_work_grows_as_the_program(name: str) -> None:
    make = large.FAMILIES[name]
    check(make(32))  # what is loaded once
    small, middle, double = (calls(lambda n=n: check(make(n))) for n in _sizes(name))
    assert double - middle < 2.3 * (middle - small) + 500


@pytest.mark.parametrize("name", large.FAMILIES)
def test_answers_do_not_depend_on_length(name: str) -> None:
    make = large.FAMILIES[name]
    few, many = check(make(SMALL)), check(make(8 * SMALL))
    assert few.ok is many.ok is (name not in FAULTY)
    assert nodes(many) <= 8.5 * nodes(few)
    assert [r.name for r in few.results] == [r.name for r in many.results][
        : len(few.results)
    ] or name == "different_steps"


@pytest.mark.slow
def test_generated_work_grows_as_the_program() -> None:
    for name in (
        "terms",
        "calls",
        "lets",
        "parameters",
        "signs",
        "ties",
        "families",
        "steps",
        "labelled_steps",
        "bindings",
    ):
        programs = [mintdsl.loads(large.FAMILIES[name](n)) for n in (40, 80, 160)]
        mintdsl.loads(large.FAMILIES[name](32)).generate()
        small, middle, double = (calls(lambda p=program: p.generate()) for program in programs)
        assert double - middle < 2.3 * (middle - small) + 500, name


@pytest.mark.parametrize("terms", [2_000, 10_000])
def test_a_sum_of_thousands_of_terms(terms: int) -> None:
    report = check(large.terms(terms))
    assert report.ok
    proof = report["L"].proof
    assert isinstance(proof, LayerProof)
    # the layer; x; each term with its map and its variable
    assert nodes(report) == 2 + 3 * terms
    assert proof.jacobian.diag.interval == Interval(1.0, float("inf"), True, True)


def test_a_sum_of_2000_terms_means_what_it_says() -> None:
    """The module of a long sum, against the interpreter and against the same map written short."""
    program = mintdsl.loads(large.terms(2_000))
    core, _ = program.core()
    raw = {k: [0.01 * (i - 2) for i in range(prod(s))] for k, s in parameters(core, core.main[0], (3,), {}).items()}
    x = [0.3, -1.0, 2.0]
    expected = evaluate_layer(core, core.main[0], x, (3,), {}, raw)
    layer = program.compile("L")((3,), dtype=torch.float64).eval()
    short = mintdsl.loads(large.layer("  param W : linear lower with diag > 0", "x + 2000 * W(x)")).compile("L")
    other = short((3,), dtype=torch.float64).eval()
    with torch.no_grad():
        for model in (layer, other):
            model.W.copy_(torch.tensor(raw["W"], dtype=torch.float64).reshape(3, 3))
        z, log_det = layer(torch.tensor([x], dtype=torch.float64))
        again, log_det_again = other(torch.tensor([x], dtype=torch.float64))
        back, _ = layer.inverse(z)
    torch.testing.assert_close(z[0], torch.tensor(expected.value, dtype=torch.float64))
    torch.testing.assert_close((z, log_det), (again, log_det_again))
    torch.testing.assert_close(back[0], torch.tensor(x, dtype=torch.float64))


def test_a_flow_of_10000_steps() -> None:
    report = check(large.steps(10_000))
    assert report.ok
    counts = report["F"].counts
    assert counts is not None and counts[:3] == (40_000, 40_000, 10_000)
    assert nodes(report) == 4 + 1 + 10_000  # the layer with its product, the flow with its steps


# ---------------------------------------------------------------- text of long formulas


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "+ x *", "* x -"])
def test_long_chains_are_formatted(operator: str) -> None:
    text = f"mint 1\nlayer L on Vec[D] {{ map x -> {f' {operator} '.join(['x'] * 3_000)} }}\n"
    module, found = parse(Source("", text))
    assert found == ()
    after = Source("", format_module(module, Source("", text)))
    again, found = parse(after)
    assert found == () and again == module
    assert format_module(again, after) == after.text
    assert all(len(line) <= 100 for line in after.text.splitlines())


def test_brackets_of_long_chains_are_kept() -> None:
    inner = "(" * 40 + "x" + "".join(f" + x * x) * x - {k})" for k in range(20))
    text = f"mint 1\nlayer L on Vec[D] {{ map x -> {inner} }}\n"
    module, found = parse(Source("", text))
    assert found == ()
    assert parse(Source("", format_module(module, Source("", text))))[0] == module


def test_trees_of_long_chains_compare_hash_and_show() -> None:
    one, other = (parse(Source(file, large.operators(6_000)))[0].items[0] for file in ("a", "b"))
    third = parse(Source("", large.operators(6_003)))[0].items[0]
    assert one == other and hash(one) == hash(other)
    assert one != third
    assert repr(one) == repr(other) and repr(one).startswith("Layer(name=Name(id='L')") and len(repr(one)) > 200_000


# ---------------------------------------------------------------- the stack


DEEP = {
    "calls": large.layer("", "softplus(" * 90 + "x" + ")" * 90, "diagonal"),
    "maps": large.layer("  param W : linear lower with diag > 0", "W(" * 90 + "x" + ")" * 90),
    "brackets": large.layer("  param W : linear lower with diag > 0", "(x + W(" * 48 + "x" + "))" * 48),
    "activation": "mint 1\nact h(u) = " + "tanh(" * 95 + "u" + ")" * 95 + "\n"
    "layer L(g: Act) on Vec[D] { map x -> " + "g(" * 95 + "x" + ")" * 95 + " }\nflow F on Vec[2] { L(g = h) }\n",
    "flows": large.flow("F90", large.SCALE + "flow F0 on Vec[4] { A }\n" + "".join(
        f"flow F{k} on Vec[4] {{ F{k - 1} }}\n" for k in range(1, 91))),
    "flows_backwards": large.flow("F90", large.SCALE + "".join(
        f"flow F{k} on Vec[4] {{ F{k - 1} }}\n" for k in range(90, 0, -1)) + "flow F0 on Vec[4] { A }\n"),
    "repeats": large.flow("repeat 1 { " * 16 + "A" + " }" * 16),
    "numbers": "mint 1\nconst K = " + "(" * 95 + "1" + " + 1)" * 95 + "\n" + large.SCALE,
    "ties": large.layer(
        "".join(f"  param W{k} : linear lower\n" for k in range(60)) +
        "".join(f"  tie diag(W{k}) * diag(W{k + 1}) >= 0\n" for k in range(59)),
        "x" + "".join(f" + W{k}(W{k + 1}(x))" for k in range(59))),
    "circle": "mint 1\n" + "".join(f"const c{k} = c{(k + 1) % 3000}\n" for k in range(3_000)),
    "circle_of_flows": "mint 1\n" + "".join(f"flow F{k} on Vec[2] {{ F{(k + 1) % 3000} }}\n" for k in range(3_000)),
}  # fmt: skip
CIRCLES = {"circle": "E0212", "circle_of_flows": "E0308"}


def everything(text: str) -> str:
    """Check, show, format and generate."""
    program = mintdsl.loads(text)
    report = program.check()
    format_module(program.modules[program.main], program.sources[program.main])
    return program.generate() if report.ok else " ".join(d.code for d in report.diagnostics)


@pytest.mark.parametrize("name", DEEP)
def test_what_is_nested_fits_on_the_default_stack(name: str) -> None:
    """The usual limit of Python is 1,000 frames, of which a caller may have used 350."""
    depth, frame = 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 650)
    try:
        result = everything(DEEP[name])
    finally:
        sys.setrecursionlimit(before)
    assert result == CIRCLES[name] if name in CIRCLES else "class " in result


@pytest.mark.parametrize("name", ["terms", "flows_of_flows", "constants_backwards", "lets"])
def test_small_stacks_and_several_threads(name: str) -> None:
    """Threads have a smaller stack than the process, and share the limit of recursion: nothing changes it."""
    found: list[str] = []
    limit = sys.getrecursionlimit()
    text = large.FAMILIES[name](1_500)
    before = threading.stack_size(256 * 1024)
    try:
        threads = [threading.Thread(target=lambda: found.append(str(check(text).ok))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.stack_size(before)
    assert found == ["True", "True"]
    assert sys.getrecursionlimit() == limit


def test_files_that_import_files(tmp_path: Path) -> None:
    for file, text in large.files(300).items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    report = mintdsl.load(tmp_path / "f0.mint").check()
    assert report.ok and len(report.sources) == 300
