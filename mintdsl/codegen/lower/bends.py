"""Elementwise bijections with parameters as tensor statements: the arguments of helpers, value and diagonal."""

from __future__ import annotations

from mintdsl.codegen.lower.calls import Walk, whole
from mintdsl.codegen.lower.code import ZERO, Code, rank_of
from mintdsl.core import ir
from mintdsl.core.bijections import BIJECTIONS


def options(node: ir.Bend) -> str:
    """The axis of the parameters, and the options, by name."""
    given = [f"axis={-3 if node.shape.kind == 'Image' else -1}"]
    pairs = zip(BIJECTIONS[node.bijection].options, node.options, strict=True)
    return ", ".join(given + [f"{option.name}={value!r}" for option, value in pairs])


def lowered(walk: Walk, node: ir.Bend) -> tuple[Code, Code]:
    """The bijection of its argument, and its diagonal."""
    argument, diagonal = walk.expr(node.arg)
    if walk.mode == "bound":
        walk.bounded = walk.bounded and diagonal == ZERO  # there is no bound of its slope, or one too loose to step by
        return ZERO, ZERO
    families, batch, texts = _arguments(walk, node, argument)
    if diagonal == ZERO or walk.mode not in ("value", "fibre"):
        return Code(f"{node.bijection}({texts}, {options(node)})[0]", families, batch, rank_of(node.shape)), ZERO
    names = walk.fresh(f"{walk.at}_bent"), walk.fresh(f"{walk.at}_log_slope")
    walk.lines.append(f"{', '.join(names)} = {node.bijection}({texts}, {options(node)})")
    bent, slope = (Code(name, families, batch, rank_of(node.shape)) for name in names)
    return bent, walk.mul(Code(f"{slope.text}.exp()", families, batch, slope.rank), diagonal)


def _arguments(walk: Walk, node: ir.Bend, argument: Code) -> tuple[tuple[str, ...], bool, str]:
    """The index axes of the result, whether it has a batch axis, and the tensors that the helper takes."""
    params = [walk.expr(one)[0] for one in node.params]
    codes = (argument, *params)
    families = tuple(i for i in walk.order if any(i in code.families for code in codes))
    batch = any(code.batch for code in codes)
    full = Code(whole(walk, argument, node.shape, families, batch=batch), families, batch, rank_of(node.shape))
    texts = [walk.name(f"{walk.at}_in", full).text]
    for code in params:
        code = walk.algebra.align(walk.algebra.sort(code), families, batch)
        texts.append(walk.name(f"{walk.at}_{BIJECTIONS[node.bijection].count}", code).text)
    return families, batch, ", ".join(texts)
