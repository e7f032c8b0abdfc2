"""What this version generates of layers that split their variable: chains of links for each part."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.links import beside, links
from mintdsl.diagnostics.model import Bag, Fix


def coupled(layer: ir.Layer, bag: Bag) -> bool:
    """Whether the own map of each part can be generated; reported if not."""
    if layer.split is None:
        return True
    for param in layer.params:
        if getattr(param.kind, "direction", None) is not None or isinstance(param.kind, ir.Normalize):
            _not_yet(bag, param, "a masked map or `normalize` in a layer with `split`")
            return False
    for variable, result in layer.results:
        found, end = links(layer, variable, result)
        if not isinstance(end, ir.Var):
            known = "elementwise bijections, sums, products and quotients with what does not read it"
            bag.error(
                "E0901",
                end.span,
                f"`{variable}` under anything but {known} is not yet in this version",
                "proved, but not generated",
                fixes=(Fix("make this a layer of its own, and compose the two in a flow"),),
            )
            return False
        whole = [link.operand for link in found if link.word in ("layer", "exp") and link.operand]
        stray = beside(layer, result, whole)
        if stray is not None:
            bag.error(
                "E0901",
                stray.span,
                f"a layer, or an exponential, applied to what changes `{variable}` is not yet in this version",
                f"does not act on `{variable}` alone",
                fixes=(Fix("apply a net there, or compose layers in a flow"),),
            )
            return False
    return True


def _not_yet(bag: Bag, param: ir.Param, what: str) -> None:
    bag.error(
        "E0901",
        param.span,
        f"{what} is not yet in this version",
        "parsed, but neither proved nor generated",
        fixes=(Fix("make it a layer of its own, and compose the two in a flow"),),
    )
