"""What the checker accepts, the generator must write: programs of the checker's tests, held against the interpreter."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

import mintdsl
from mintdsl.verify import verify

ACCEPTED = sorted((Path(__file__).parents[1] / "proof" / "accepted").glob("*.mint"))
QUICK = {"quotient_own", "act_on_part", "act_either_way", "order_found", "other_direction_of_a_constant"}
"""Constructs whose diagonal or schedule is easily got wrong; the others are run by `make slow`."""


def case(path: Path) -> ParameterSet:
    return pytest.param(path, id=path.stem, marks=[] if path.stem in QUICK else [pytest.mark.slow])


@pytest.mark.parametrize("path", [case(p) for p in ACCEPTED])
def test_the_module_is_what_was_proved(path: Path) -> None:
    program = mintdsl.load(path)
    core, _ = program.core()
    for key in core.main:
        name = key.rpartition("::")[2]
        results = [r for r in program.check(name).results if r.proof.bijection is not None]
        if not results:
            continue  # nothing is proved of it, or only where it is used
        try:
            found = verify(program, name)
        except ValueError as problem:
            assert "no small shape fits" in str(problem)
            continue
        assert [row for row in found.rows if not row.ok] == []
