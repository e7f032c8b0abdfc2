"""Lipschitz bounds of compositions with dominant kernels and of their inverses, in the Euclidean norm."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.interval import product_above
from mintdsl.proof.check import LayerProof, act_slope


def dominated(proof: LayerProof) -> tuple[float, float] | None:
    """Bounds of a composition and of its inverse; None where a link has none, or no kernel is dominant.

    A dominant kernel has all singular values in [1/2, 3/2]: rules DOMINANT and CIRCULANT.
    """
    lip, inverse, kernels = 1.0, 1.0, 0
    for link in proof.links:
        match link:
            case ir.Linear(param=name):
                param = proof.layer.param(name)
                if param.bound is not None and param.bound.via == "dominant":
                    lip, inverse, kernels = product_above(lip, 1.5), product_above(inverse, 2.0), kernels + 1
                elif not isinstance(param.kind, ir.Perm):
                    return None
            case ir.Apply(act=ir.BuiltinAct() as act):
                slope = act_slope(act)
                if slope is None or not slope.positive:
                    return None
                lip, inverse = product_above(lip, slope.hi), product_above(inverse, slope.reciprocal().hi)
            case ir.Neg() | ir.Binary(op="+" | "-"):
                pass
            case _:
                return None
    return (lip, inverse) if kernels else None
