"""The value of a linear map of families: one folded map, with the sums around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mintdsl.codegen.lower.code import Code, rank_of
from mintdsl.codegen.shapes import size
from mintdsl.core import ir

if TYPE_CHECKING:
    from mintdsl.codegen.lower.formula import Lowering


def map_of(lowering: Lowering, node: ir.Linear, param: ir.Param, argument: Code, summed: tuple[str, ...]) -> Code:
    """The value of the folded map."""
    name = lowering.dense.get(param.name, lowering.local[param.name])
    weight = Code(name, node.indices, False, 4 if isinstance(param.kind, ir.Conv) else 2)
    only_weight = tuple(i for i in summed if i in weight.families and i not in argument.families)
    if only_weight:
        weight = lowering.algebra.total(weight, only_weight)
    only_argument = tuple(i for i in summed if i in argument.families and i not in weight.families)
    if only_argument:
        argument = lowering.algebra.total(argument, only_argument)
    lost = [i for i in summed if i not in (*only_weight, *only_argument, *weight.families)]
    if not argument.batch:
        sizes = ", ".join(size(d, lowering.members) for d in param.source.dims)
        ones = "1, " * len(argument.families)
        rank = rank_of(param.source)
        zeros = Code(f"{lowering.input}.new_zeros({lowering.input}.shape[0], {ones}{sizes})", (), True, rank)
        zeros = lowering.name(f"{lowering.at}_zeros", zeros)
        argument = Code(f"{argument.text} + {zeros.text}", argument.families, True, rank, atom=False)
    both = [i for i in lowering.order if i in weight.families and i in argument.families]
    inputs = [i for i in both if i in summed]
    shared = [i for i in both if i not in summed]
    outputs = [i for i in lowering.order if i in weight.families and i not in both]
    rest = [i for i in lowering.order if i in argument.families and i not in both]
    weight = lowering.algebra.layout(weight, (*shared, *outputs, *inputs))
    argument = lowering.algebra.layout(argument, (*rest, *shared, *inputs))
    if len(argument.text) + len(weight.text) > 60:
        argument = lowering.name(f"{lowering.at}_term", argument)
        weight = lowering.name(f"{lowering.local[param.name]}_term", weight) if len(weight.text) > 30 else weight
    extra = ""
    if inputs:
        extra += f", inputs={len(inputs)}"
    if shared:
        extra += f", shared={len(shared)}"
    if isinstance(param.kind, ir.Conv):
        if param.kind.dilation != (1, 1):
            extra += f", dilation={param.kind.dilation}"
        extra += ", circular=True" if param.kind.circular else ""
        extra += f", stride={param.kind.stride}" if param.kind.stride != (1, 1) else ""
        text = f"family_conv({argument.text}, {weight.text}, {lowering.anchors[param.name]}{extra})"
    else:
        text = f"family_linear({argument.text}, {weight.text}{extra})"
    result = lowering.algebra.sort(Code(text, (*rest, *shared, *outputs), True, rank_of(param.target)))
    for index in lost:
        result = lowering.mul(Code(f'self.extents["{index}"]'), result)
    return result
