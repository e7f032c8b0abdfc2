"""The fuzzer in small: every construct has its production, a short run finds nothing, and planted holes are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from math import inf
from random import Random

import pytest

from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.constraints import CONSTRAINTS
from mintdsl.core.interval import REAL, Interval
from mintdsl.proof.rules import RULES
from mintdsl.records import replace

from .cases import MUTANT, PROGRAM, Outcome, case_of, outcome_of, run_case
from .draft import sketch_program
from .edit import text_of, tree_of
from .meaning import ACTS, CONSTRAINED
from .registry import MUTANTS, PRODUCTIONS, WHOLES, Mutant, constructs, covered
from .report import Tally
from .shrink import shrunk

PROGRAMS, MUTATIONS, EXAMINED = 100, 250, 60
SEED = "covered 52"


def test_every_construct_has_a_production() -> None:
    assert sorted(constructs() - covered()) == []


def test_every_rule_has_a_mutant() -> None:
    spoiled = {c for m in MUTANTS for c in m.covers}
    assert sorted(f"rule:{name}" for name in RULES if f"rule:{name}" not in spoiled) == []


def test_names_are_different() -> None:
    for entries in ((*PRODUCTIONS, *WHOLES), MUTANTS):
        names = [e.name for e in entries]
        assert len(set(names)) == len(names)


def test_the_oracle_knows_every_activation_and_constraint() -> None:
    assert set(ACTIVATIONS) <= set(ACTS)
    ready = {
        (c.cmp, v.name)
        for c in CONSTRAINTS
        if c.ready and c.quantity in ("diag", "lip", "length")
        for v in c.via
        if v.ready
    }
    assert ready <= set(CONSTRAINED)


def test_same_seed_same_case() -> None:
    for kind in (PROGRAM, MUTANT):
        assert case_of(kind, SEED, 3) == case_of(kind, SEED, 3)
        assert case_of(kind, SEED, 3).text != case_of(kind, SEED, 4).text
    assert run_case(PROGRAM, SEED, 3, 1.0).checks == run_case(PROGRAM, SEED, 3, 1.0).checks


def test_changed_trees_stay_programs() -> None:
    for index in range(40):
        text = case_of(MUTANT, SEED, index).text
        tree = tree_of(text)
        assert tree is not None and text_of(tree) == text


def test_programs_pass_every_oracle() -> None:
    tally = Tally(PROGRAM)
    for index in range(PROGRAMS):
        tally.add([run_case(PROGRAM, SEED, index, 0.05)])
    assert 0.4 <= tally.accepted / tally.cases <= 0.95
    for rule in missing_rules(tally):  # rare ones, by the productions that are made for them
        wholes = [w.name for w in WHOLES if rule in w.covers]
        for index, only in product(range(30), wholes):
            if rule in missing_rules(tally):
                tally.add([run_case(PROGRAM, SEED, index, 0.0, only=only)])
    assert [f"{o.index}: {o.failures[0]}" for o in tally.failing] == []
    assert missing_rules(tally) == []


def missing_rules(tally: Tally) -> list[str]:
    return [c for c in tally.missing if c.startswith("rule:")]


def test_mutants_are_refused_or_true() -> None:
    """All of them are checked, the first are examined."""
    tally = Tally(MUTANT)
    for index in range(MUTATIONS):
        tally.add([run_case(MUTANT, SEED, index, 0.0, examined=index < EXAMINED)])
    assert [f"{o.index}: {o.failures[0]}" for o in tally.failing] == []
    assert 0.2 <= tally.accepted / tally.cases <= 0.7
    for mutant in MUTANTS:  # rare ones, on programs that are made for what they spoil
        if mutant.name not in tally.made_by:
            tally.add(spoiled(mutant))
    assert [f"{o.made_by}: {o.failures[0]}" for o in tally.failing] == []
    assert sorted({m.name for m in MUTANTS} - set(tally.made_by)) == []


def spoiled(mutant: Mutant) -> list[Outcome]:
    """The first program that a mutant can change, changed and checked; none where it finds nothing to change."""
    wholes = [w.name for w in WHOLES if w.covers & mutant.covers and w.weight] or [None]
    for index, only in product(range(40), wholes):
        name = f"{SEED}:{mutant.name}:{index}"
        tree = tree_of(sketch_program(name, only).text())
        changed = tree and mutant.change(tree, Random(name))
        if changed and changed != tree:
            outcome = outcome_of(text_of(changed), name, examined=False)
            outcome.made_by = (mutant.name,)
            return [outcome]
    return []


# ---------------------------------------------------------------- planted holes


@contextmanager
def other_facts(name: str, **facts: object) -> Iterator[None]:
    """An activation with a wrong entry in the registry."""
    right = ACTIVATIONS[name]
    ACTIVATIONS[name] = replace(right, **facts)
    try:
        yield
    finally:
        ACTIVATIONS[name] = right


@contextmanager
def other_arithmetic(name: str, function: Callable[..., Interval]) -> Iterator[None]:
    """Intervals with a wrong operation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Interval, name, function)
        yield


def _blind_hull(self: Interval, other: Interval) -> Interval:
    return Interval(min(self.lo, other.lo), self.hi, self.lo_open, self.hi_open)


def _deaf_reciprocal(self: Interval) -> Interval:
    return Interval(1.0, inf) if self.positive else Interval(-inf, -1.0)


HOLES = {
    "sin increases": lambda: other_facts("sin", slope=lambda: Interval(0, 1)),
    "abs increases": lambda: other_facts("abs", slope=lambda: Interval(0, 1)),
    "relu never rests": lambda: other_facts("relu", slope=lambda: Interval(0, 1, lo_open=True)),
    "sigmoid is flatter": lambda: other_facts("sigmoid", slope=lambda: Interval(0, 0.2, lo_open=True)),
    "silu is flatter": lambda: other_facts("silu", slope=lambda: Interval(-0.09984, 1.0)),
    "tanh ends sooner": lambda: other_facts("tanh", image=Interval(-0.9, 0.9)),
    "softplus starts later": lambda: other_facts("softplus", image=Interval(0.1, inf)),
    "elu is onto": lambda: other_facts("elu", image=REAL),
    "exp is onto": lambda: other_facts("exp", image=REAL),
    "a forgotten sign keeps its side": lambda: other_arithmetic("hull", _blind_hull),
    "a divisor is no smaller than 1": lambda: other_arithmetic("reciprocal", _deaf_reciprocal),
}
QUICK = ("sin increases", "tanh ends sooner", "a divisor is no smaller than 1")


def found_in(hole: str, cases: int) -> str:
    """The first failure with a hole planted in the checker; "" if nothing is noticed."""
    with HOLES[hole]():
        for index in range(cases):
            for kind in (PROGRAM, MUTANT):
                outcome = run_case(kind, "holes", index, 0.0)
                if outcome.failures:
                    return str(outcome.failures[0])
    return ""


@pytest.mark.parametrize("hole", QUICK)
def test_holes_are_found(hole: str) -> None:
    assert found_in(hole, 120)


@pytest.mark.slow
@pytest.mark.parametrize("hole", [h for h in HOLES if h not in QUICK])
def test_more_holes_are_found(hole: str) -> None:
    assert found_in(hole, 600)


def test_failures_are_made_small() -> None:
    text = (
        "mint 1\nact f(u) = u + 0.5 * tanh(u)\nlayer A on Vec[D] ensures diag > 0 {\n  param b : bias\n"
        "  param S : linear strict lower\n  param t : scale with diag >= 0.5\n"
        "  map x -> t * f(x) + sin(x + b) + tanh(S(x))\n}\n"
    )
    with HOLES["sin increases"]():
        before = outcome_of(text, "small").failures
        checks = {f.check for f in before}
        assert "diagonal" in checks
        small = shrunk(text, lambda t: any(f.check == "diagonal" for f in outcome_of(t, "small").failures), 20.0)
    assert "sin" in small
    assert len(small) < 0.5 * len(text)
