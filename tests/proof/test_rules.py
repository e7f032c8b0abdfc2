"""Every rule of the calculus: the program it proves, and the program it stops."""

from __future__ import annotations

import pytest

import mintdsl
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.rules import RULES as BY_NAME
from mintdsl.proof.rules.model import Rule

RULES = tuple(BY_NAME.values())
IN_A_NOTE = {"TIE"}
"""Rules that a derivation names in the note of the leaf where they apply."""


def nodes(tree: Derivation) -> list[Derivation]:
    return [tree, *(node for premise in tree.premises for node in nodes(premise))]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_accepted_program_is_proved_by_the_rule(rule: Rule) -> None:
    report = mintdsl.loads(rule.accepted).check()
    assert report.ok, [d.title for d in report.diagnostics]
    used = [node for result in report.results for node in nodes(result.proof.derivation)]
    if rule.name in IN_A_NOTE:
        assert any(rule.name in node.note for node in used)
    else:
        assert rule.name in {node.rule for node in used}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_refused_program_is_refused(rule: Rule) -> None:
    assert not mintdsl.loads(rule.refused).check().ok


def test_names_are_different_and_all_is_said() -> None:
    assert list(BY_NAME) == [rule.name for rule in RULES]
    for rule in RULES:
        assert rule.statement and rule.hypotheses and rule.citation


def test_every_rule_of_a_derivation_is_listed() -> None:
    structural = {"PART", "LET", "CLASS", "USE", "REPEAT", "DEQUANT", "PRIOR", "FAIL"}
    listed = {rule.name for rule in RULES}
    for rule in RULES:
        for program in (rule.accepted, rule.refused):
            for result in mintdsl.loads(program).check().results:
                assert result.proof.derivation.rules() <= listed | structural
