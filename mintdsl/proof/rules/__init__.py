"""The rules of the calculus: one object a rule, one file a family; `RULES` enumerates them."""

from __future__ import annotations

from mintdsl.proof.rules import (
    algebra,
    apply,
    bends,
    cayley,
    chain,
    exponential,
    flows,
    modules,
    nets,
    ode,
    parts,
    residual,
    series,
)
from mintdsl.proof.rules.model import Rule

_ALL = (
    *modules.RULES,
    *algebra.RULES,
    *bends.RULES,
    *chain.RULES,
    *exponential.RULES,
    *apply.RULES,
    *residual.RULES,
    *cayley.RULES,
    *series.RULES,
    *nets.RULES,
    *parts.RULES,
    *flows.RULES,
    *ode.RULES,
)
RULES: dict[str, Rule] = {rule.name: rule for rule in _ALL}
