"""A few hundred mutants of the repository's programs, the same each time; `make mutate` tries many more."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutate import Mutator, outcome, run, smallest

FOUND = sorted((Path(__file__).parent / "found").glob("*"))
"""Mutants that once raised, hung, or took too much memory."""


def test_mutants() -> None:
    done, failures = run(20, count=400)
    assert failures == []
    assert done["generated"] > 5 and done["refused"] > 100 and done["no text"] > 5


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found(path: Path) -> None:
    assert outcome(path.read_bytes())[1] == ""


def test_the_same_seed_makes_the_same_mutants() -> None:
    first, second = Mutator(7), Mutator(7)
    assert [first.mutant() for _ in range(50)] == [second.mutant() for _ in range(50)]


def test_failures_are_noticed_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(mutant: str | bytes) -> str:
        if b"flow" in (mutant if isinstance(mutant, bytes) else mutant.encode()):
            raise ZeroDivisionError
        return "refused"

    def hangs(mutant: str | bytes) -> str:
        while True:
            pass

    monkeypatch.setattr("mutate.survive", fails)
    text = "mint 1\nlayer A on Vec[D] { map x -> x }\nflow F on Vec[2] {\n  A\n}\n"
    word, wrong = outcome(text)
    assert (word, wrong) == ("failed", "ZeroDivisionError in mutate.py")
    assert smallest(text, wrong) == "flow"
    assert smallest(text.encode() + b"\xff", wrong) == b"flow"
    monkeypatch.setattr("mutate.survive", hangs)
    assert outcome(text, 0.1) == ("failed", "too slow")
