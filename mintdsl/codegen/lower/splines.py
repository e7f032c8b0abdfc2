"""Splines as tensor statements: the arguments of the runtime's helpers, value and diagonal."""

from __future__ import annotations

from mintdsl.codegen.lower.calls import Walk, whole
from mintdsl.codegen.lower.code import ZERO, Code, rank_of
from mintdsl.core import ir


def options(node: ir.Spline) -> str:
    """The axis of the bins, and the numbers of the spline."""
    axis = -3 if node.shape.kind == "Image" else -1
    return f"axis={axis}, bound={node.bound!r}, floor={node.floor!r}"


def lowered(walk: Walk, node: ir.Spline) -> tuple[Code, Code]:
    """The spline of its argument, and its diagonal."""
    argument, diagonal = walk.expr(node.arg)
    if walk.mode == "bound":
        walk.bounded = walk.bounded and diagonal == ZERO  # the bound of its slope is too loose to step by
        return ZERO, ZERO
    families, batch, texts = _arguments(walk, node, argument)
    if diagonal == ZERO or walk.mode not in ("value", "fibre"):
        return Code(f"rq_spline({texts}, {options(node)})[0]", families, batch, rank_of(node.shape)), ZERO
    names = walk.fresh(f"{walk.at}_bent"), walk.fresh(f"{walk.at}_log_slope")
    walk.lines.append(f"{', '.join(names)} = rq_spline({texts}, {options(node)})")
    bent, slope = (Code(name, families, batch, rank_of(node.shape)) for name in names)
    return bent, walk.mul(Code(f"{slope.text}.exp()", families, batch, slope.rank), diagonal)


def _arguments(walk: Walk, node: ir.Spline, argument: Code) -> tuple[tuple[str, ...], bool, str]:
    """The index axes of the result, whether it has a batch axis, and the tensors that the helper takes."""
    params = [walk.expr(one)[0] for one in (node.widths, node.heights, node.slopes)]
    codes = (argument, *params)
    families = tuple(i for i in walk.order if any(i in code.families for code in codes))
    batch = any(code.batch for code in codes)
    full = Code(whole(walk, argument, node.shape, families, batch=batch), families, batch, rank_of(node.shape))
    texts = [walk.name(f"{walk.at}_in", full).text]
    for code in params:
        code = walk.algebra.align(walk.algebra.sort(code), families, batch)
        texts.append(walk.name(f"{walk.at}_bins", code).text)
    return families, batch, ", ".join(texts)
