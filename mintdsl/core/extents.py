"""How large a flow is before its sizes are known: blocks inside each other, and steps, repeated ones each time.

Flows of flows, each used twice, double with every line of the program; a repeat of a repeat multiplies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.diagnostics.model import Bag


class Extent(NamedTuple):
    """`depth` counts the blocks and flows around the innermost step; `steps` is the least number of steps."""

    depth: int
    steps: int


ONE = Extent(0, 1)


def extent_of(steps: tuple[ir.Step, ...], flows: Mapping[str, Extent]) -> Extent:
    """The extent of a block; `flows` has those of the flows that it uses."""
    depth = total = 0
    for step in steps:
        match step.op:
            case ir.Use(definition=key):
                inner, copies = flows.get(key, ONE), 1
            case ir.Repeat(count=count, steps=block):
                inner, copies = extent_of(block, flows), count.constant or 1
            case ir.Pair(steps=block):
                inner, copies = extent_of(block, flows), 1
            case _:
                inner, copies = ONE, 1
        depth = max(depth, inner.depth)
        total += inner.steps * copies
    return Extent(depth + 1, total)


def within_limits(flow: ir.Flow, extent: Extent, bag: Bag) -> bool:
    """Whether a flow is neither too deep nor too long; reports it otherwise."""
    if extent.depth > limits.BLOCKS.most:
        title = f"`{flow.name}` is nested too deeply: its flows and blocks lie {extent.depth} deep in each other"
        bag.error("E0107", flow.name_span, title, f"more than {limits.BLOCKS.shown}")
        return False
    if extent.steps > limits.STEPS.most:
        title = f"`{flow.name}` has at least {extent.steps:,} steps, repeated ones counted each time"
        bag.error("E0307", flow.name_span, title, f"more than {limits.STEPS.shown}", notes=("nothing was allocated",))
        return False
    return True
