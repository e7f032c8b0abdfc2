"""What a rule is: its statement and where it comes from. The function that applies it stands beside it."""

from __future__ import annotations

from mintdsl.records import record


@record
class Rule:
    """One rule: `statement` as an inference in words and symbols, `hypotheses` what must hold, `citation` its source.

    `accepted` and `refused` are programs, run by the tests, that the rule proves and that it stops.
    """

    name: str
    statement: str
    hypotheses: str
    citation: str
    accepted: str
    refused: str


def vec(body: str, claims: str = "lower, diag > 0, invertible") -> str:
    """An example program: one layer on a vector."""
    return f"mint 1\nlayer Example on Vec[D] ensures {claims} {{\n{body}\n}}\n"


MINTNET = "Song, Meng, Ermon, MintNet, NeurIPS 2019, arXiv:1907.07945"
