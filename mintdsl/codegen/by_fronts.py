"""The inverse of a layer that is one convolution: all channels of a front of pixels at once, one front after the other.

The solver tests what `substituted` gives, and refines it where it has to.
"""

from __future__ import annotations

from collections.abc import Iterable

from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.convolution import Convolved, Summand
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.lower.code import Code
from mintdsl.codegen.lower.formula import Lowering
from mintdsl.codegen.terms import in_short, undone
from mintdsl.core import ir
from mintdsl.core.links import Link
from mintdsl.core.walks import needed_lets
from mintdsl.records import replace

START = ", start=self.substituted, affine=True"
FRONTS = "All pixels of a front at once, one front after the other; steps of Algorithm 1 refine that."


def write_fronts(c: LayerContext, found: Convolved) -> None:
    """The inverse as a method: links undone, the convolution solved, links undone."""
    layer = c.layer
    assert isinstance(layer, ir.Layer)
    attributes = {p.name: c.member(p.name) for p in layer.params}
    lowering = Lowering(layer, "plain", c.names.local, c.members, attributes, c.anchors, c.steepest)
    lowering.dense, lowering.indices = c.dense, {p.name: f"{c.member(p.name)}_index" for p in c.perms}
    lowering.around = "z"
    lowering.begin()
    links = [link for link in (*found.after, *found.before) if link.operand is not None]
    operands = [operand for one in found.summands for _, operand in one.factors]
    operands += [link.operand for link in links if link.operand is not None]
    wanted = {item.name for operand in operands for item in needed_lets(operand, layer)}
    for item in layer.lets:
        if item.name in wanted:
            lowering.let(item)
    lowering.at = "term"
    after, before = ([(link.word, _term(lowering, link)) for link in part] for part in (found.after, found.before))
    kernels = [_kernel(c, lowering, one) for one in found.summands]
    inner = Writer()
    inner.depth = c.write.depth + 1
    for line in lowering.lines:
        inner(line)
    value = _undone(inner, "z", after)
    if len(kernels) == 1:
        kernel, anchor, dilation = kernels[0]
        sum_of = [kernel, anchor, *([dilation] if dilation != "(1, 1)" else [])]
    else:
        sum_of = [f"*added_kernels({', '.join(f'({k}, {a}, {apart})' for k, a, apart in kernels)})"]
    inner.call("x = solve_fronts" if before else "return solve_fronts", [value, *sum_of], "")
    if before:
        inner(f"return {_undone(inner, 'x', before)}")
    write = c.write
    with write.block("def substituted(self, z: Tensor, w: tuple[Tensor, ...]) -> Tensor:"):
        write('"""x [B, *event_shape] with f(x) = z: what is around the convolution undone, and its taps by fronts."""')
        used = set(_words("\n".join(inner.lines)))
        names = [name if name in used else "_" for name in c.carried]
        if set(names) - {"_"}:
            write(f"{', '.join(names)} = w" if len(names) > 1 else f"({names[0]},) = w")
        write.lines += inner.lines


def _term(lowering: Lowering, link: Link) -> str:
    return "" if link.operand is None else lowering.expr(link.operand)[0].wrapped


def _undone(write: Writer, value: str, links: Iterable[tuple[str, str]]) -> str:
    at = value
    for word, term in links:
        value = in_short(write, undone(value, word, term), at)
    return value


def _kernel(c: LayerContext, lowering: Lowering, one: Summand) -> tuple[str, str, str]:
    """The kernel of a summand, its anchor and its dilation."""
    algebra, anchor, dilation = lowering.algebra, "(0, 0)", (1, 1)
    code = Code("unit_kernel(z)", (), False, 4)
    if one.linear is not None:
        kind, anchor = c.layer.param(one.linear.param).kind, c.anchors[one.linear.param]
        assert isinstance(kind, ir.Conv)
        dilation = kind.dilation
        code = algebra.total(Code(lowering.local[one.linear.param], one.linear.indices, False, 4), one.summed)
    for op, operand in one.factors:
        factor = lowering.expr(operand)[0]
        if factor.rank:
            factor = replace(factor, text=f"{factor.wrapped}[:, None]", rank=4, atom=True)
        code = algebra.binary(op, code, factor)
    return (algebra.neg(code) if one.minus else code).text, anchor, str(dilation)


def _words(text: str) -> list[str]:
    return "".join(ch if ch.isalnum() or ch == "_" else " " for ch in text).split()
