"""What a rule is: its statement, where it comes from, and the function that applies it."""

from __future__ import annotations

from collections.abc import Callable

from mintdsl.records import record


@record
class Rule:
    """One rule: `statement` as an inference in words and symbols, `hypotheses` what must hold, `citation` its source.

    `function` draws the conclusion. `accepted` and `refused` are programs, run by the tests, that the rule proves and
    that it stops; `tests/proof/test_rule_properties.py` holds each rule against random instances.
    """

    name: str
    statement: str
    hypotheses: str
    citation: str
    function: Callable[..., object]
    accepted: str
    refused: str


def vec(body: str, claims: str = "lower, diag > 0, invertible") -> str:
    """An example program: one layer on a vector."""
    return f"mint 1\nlayer Example on Vec[D] ensures {claims} {{\n{body}\n}}\n"


MINTNET = "Song, Meng, Ermon, MintNet, NeurIPS 2019, arXiv:1907.07945"
