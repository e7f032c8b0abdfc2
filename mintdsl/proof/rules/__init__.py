"""The rules of the calculus: one object a rule, one file a family; `RULES` enumerates them."""

from __future__ import annotations

from mintdsl.proof.rules import algebra, chain, flows, modules
from mintdsl.proof.rules.model import Rule

RULES: dict[str, Rule] = {rule.name: rule for rule in (*modules.RULES, *algebra.RULES, *chain.RULES, *flows.RULES)}
