"""Maps of low rank beside the identity, `conv 1x1 (rank = d)` and `linear (rank = d)`: I + U V, stored as U and V."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.constraints import CONSTRAINTS, kept_by
from mintdsl.core.nat import Nat
from mintdsl.core.options import OptionValue
from mintdsl.diagnostics.model import Bag, Fix
from mintdsl.records import replace
from mintdsl.syntax import ast

FORMS = tuple(v.name for c in CONSTRAINTS if c.quantity == "det" for v in c.via if v.low_rank)
"""The parametrisations that store U and V, the default first."""
INIT = ir.InitCall("near_identity", (0.01,))
"""The default init: U and V normal with the deviation of Lu and Huang's code."""
INITS = ("identity", "near_identity")


def ranked(kind: ir.Conv | ir.Dense, value: OptionValue, node: ast.KindMap, bag: Bag) -> ir.Conv | ir.Dense | None:
    """The kind with its option `rank`; None where it cannot have one, which is reported."""
    if not isinstance(value, Nat):
        return kind
    why = ""
    if isinstance(kind, ir.Conv) and kind.size != (1, 1):
        why = f"its kernel has {kind.size[0]} x {kind.size[1]} taps: only a matrix has a rank"
    elif kind.direction is not None:
        why = "it has a direction: a mask would take most of U V away"
    elif kind.norm:
        why = "`norm = weight` wants rows of their own, which U V has not"
    elif value.constant == 0:
        why = "a rank is at least 1"
    if why:
        fix = Fix("write `conv 1x1 (rank = d) with det != 0`, or leave the rank out")
        bag.error("E0209", node.span, f"`rank` of this {node.name.id} means nothing", why, fixes=(fix,))
        return None
    return replace(kind, rank=value)


def kept_low(node: ast.Param, kind: ir.MapKind, bound: ir.Bound | None, init: ir.InitCall, bag: Bag) -> bool:
    """Whether a map with a rank has a constraint and an init that U and V can keep, and one without has none of these;
    reported if not."""
    low = isinstance(kind, (ir.Conv, ir.Dense)) and kind.rank is not None
    if bound is not None and bound.via == "woodbury" and not low:
        fix = Fix("write the rank: `conv 1x1 (rank = 16) with det != 0 via woodbury`")
        bag.error("E0701", bound.span, "`via woodbury` stores I + U V, and needs a rank", "none here", fixes=(fix,))
        return False
    if not low or (bound is None and node.constraints):
        return True
    ways = " or ".join(f"`with det != 0 via {form}`" for form in FORMS)
    kept = bound is not None and bound.quantity == "det" and kept_by("det", bound.cmp, bound.via).low_rank
    if not kept:
        span = node.kind.span if bound is None else bound.span
        bag.error(
            "E0701",
            span,
            "a map with a rank is I + U V, and only `det != 0` is kept of it",
            "no constraint" if bound is None else "this is not kept",
            notes=("I + U V is regular exactly if the small matrix I + V U is: rule LOWRANK",),
            fixes=(Fix(f"write {ways}"),),
        )
    elif init.formal or init.name not in INITS:
        kept = False
        assert node.init is not None
        bag.error(
            "E0211",
            node.init.span,
            f"`init {init.name}` draws a whole matrix, and I + U V holds only some",
            "a map with a rank",
            notes=("`near_identity(std = s)` draws U and V with deviation s, `identity` has V = 0",),
            fixes=(Fix("write `init near_identity(std = 0.01)`, the default, or `init identity`"),),
        )
    return kept
