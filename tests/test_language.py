"""The language page: each of its programs does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mintdsl
from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.constraints import CONSTRAINTS
from mintdsl.core.inits import INITS
from mintdsl.core.kinds import KINDS
from mintdsl.core.steps import PRIORS, STEPS
from mintdsl.diagnostics.model import Severity
from mintdsl.syntax import tables

PAGE = Path(__file__).resolve().parents[1] / "docs" / "language.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [body for info, body in BLOCKS if info == kind]


def codes(text: str) -> set[str]:
    return {d.code for d in mintdsl.loads(text).check().diagnostics if d.severity is Severity.ERROR}


def test_every_block_is_of_a_known_kind() -> None:
    assert {info for info, _ in BLOCKS} == {"mint", "mint refused", "mint later", "python"}


@pytest.mark.parametrize("text", blocks("mint"))
def test_accepted(text: str) -> None:
    report = mintdsl.loads(text).check()
    assert report.diagnostics == ()
    assert report.results


@pytest.mark.parametrize("text", blocks("mint refused"))
def test_refused(text: str) -> None:
    assert codes(text) and "E0901" not in codes(text)


@pytest.mark.parametrize("text", blocks("mint later"))
def test_later(text: str) -> None:
    assert codes(text) == {"E0901"}


def section(heading: str) -> str:
    return TEXT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_what_is_built_is_said_first() -> None:
    top = section("What this version proves and generates")
    for registry in (KINDS, INITS, STEPS, PRIORS):
        for name, info in registry.items():
            assert f"`{name}`" in top
            built, later = top.split("**Only read.**")
            assert (f"`{name}`" in built) == info.ready, name
            assert (f"`{name}`" in later) != info.ready, name


def test_tables_list_the_registries() -> None:
    kinds = section("5. Kinds of parameters")
    assert all(f"`{name}" in kinds for name, kind in KINDS.items() if kind.ready)
    constraints = section("6. Constraints, and how each is kept")
    for constraint in CONSTRAINTS:
        if constraint.ready:
            assert f"`{constraint.text}`" in constraints
            assert all(f"`{via.name}`" in constraints for via in constraint.via)
    functions = section("8. Functions of formulas")
    assert all(f"`{name}" in functions for name in (*ACTIVATIONS, *BIJECTIONS))
    for bijection in BIJECTIONS.values():
        for word in (*bijection.parameters, *(option.name for option in bijection.options)):
            assert f"`{word}`" in TEXT


def test_reserved_words() -> None:
    listed = set(
        re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]*)`", section("9. Words").split("**Not words.**")[0])))
    )
    assert listed == set(tables.load().words)
