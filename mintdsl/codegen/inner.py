"""Modules inside of a layer or net: nets, layers that are applied, normalisation and attention."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.codegen import shapes
from mintdsl.codegen.context import LayerContext, places, takes_context_shape
from mintdsl.codegen.naming import Names
from mintdsl.core import ir
from mintdsl.core.nat import Nat


def concrete(shape: ir.Shape) -> bool:
    """Whether every size is a number, so that the constructor needs no shape."""
    return bool(shape.dims) and all(d.constant is not None for d in shape.dims)


def channels(shape: ir.Shape) -> Nat:
    """The channels of an image, the coordinates of a vector, the features of a token."""
    return shape.dims[0] if shape.kind == "Image" else shape.dims[-1]


def write_ready(c: LayerContext, param: ir.Param, kind: ir.Ready) -> None:
    """Layer normalisation or attention as a module of this one."""
    size = shapes.size(channels(param.target), c.names.argument)
    if isinstance(kind, ir.LayerNorm):
        axis = -3 if param.target.kind == "Image" else -1
        c.write(f"{c.member(param.name)} = ChannelNorm({size}, {axis}, {kind.eps!r}, **factory)")
        return
    heads = shapes.size(kind.heads, c.names.argument)
    way = "None" if kind.direction is None else c.direction(kind.direction)
    c.write(f"{c.member(param.name)} = Attention({size}, {heads}, {way}, **factory)")


def write_inner_net(c: LayerContext, param: ir.Param, kind: ir.NetParam) -> None:
    """A net as a module of this one; a family is a list of them, one list inside of another for each index."""
    names = c.names.argument
    args = net_arguments(kind, c.names, c.layer.formals, c.every[kind.definition])
    made = f"{c.classes[kind.definition]}({', '.join(args)})"
    extents = dict(c.layer.indices)
    for index in reversed(param.indices):
        made = f"nn.ModuleList({made} for _ in range({shapes.size(extents[index], names)}))"
    before, _, after = made.partition("(")
    c.write.call(f"{c.member(param.name)} = {before}", [after.removesuffix(")")], "")


def net_arguments(kind: ir.NetParam, names: Names, formals: Sequence[ir.Formal], inner: Names) -> list[str]:
    """What the constructor of a net is given, where it is used; `formals` are the user's, `inner` the net's names."""
    net = kind.net
    args = [] if concrete(net.shape) else [shapes.shape(kind.sources[0], names.argument)]
    numbers = [int(word.rpartition("_")[2]) for word, _ in places(net)[1:]]
    args += [shapes.shape((*kind.sources, *kind.targets)[number - 1], names.argument) for number in numbers]
    args += formal_arguments(net, kind.args, names, formals, inner)
    return [*args, *passed_on(inner), "**factory"]


def passed_on(inner: Names) -> list[str]:
    """The modules of extern nets, handed to what has these names: they have one name in the whole text."""
    return [f"{name}={name}" for name in inner.extern.values()]


def write_given(c: LayerContext, net: ir.Net) -> None:
    """The module of an extern net, in the constructor of its class."""
    sides = [shape for _, shape in net.inputs], net.targets
    for word, side in zip(("sources", "targets"), sides, strict=True):
        c.write.tuple(f"self.{word} = ", [shapes.shape(shape, c.names.argument) for shape in side])
    c.write(f'self.extern = "the extern net {c.key.rpartition("::")[2]} ({c.where(net.name_span)})"')
    args = [c.names.extern[c.key], "self.extern", "self.sources", "self.targets", "device", "dtype"]
    c.write.call("self.module = given_module", args, "")


def write_applied(c: LayerContext, param: ir.Param, kind: ir.LayerParam) -> None:
    """A layer that the formula applies as a module of this one."""
    place = shapes.event(kind.place, c.layer, c.names.argument)
    args = [] if concrete(kind.layer.shape) else [place]
    args += ["self.context_shape"] * takes_context_shape(kind.layer)
    args += formal_arguments(kind.layer, kind.args, c.names, c.layer.formals, c.every[kind.definition])
    args += passed_on(c.every[kind.definition])
    c.write.call(f"{c.member(param.name)} = {c.classes[kind.definition]}", [*args, "**factory"], "")


def formal_arguments(
    used: ir.Layer | ir.Net,
    args: Sequence[tuple[str, ir.Argument]],
    names: Names,
    formals: Sequence[ir.Formal],
    inner: Names,
) -> list[str]:
    """The formals of a net or layer at a use, but for those that keep their default; `formals` are the user's."""
    # acts and inits of formals are made by write_formals: take them from there
    members = {f.name: f"self.{names.member[f.name]}" for f in formals if f.type in ("Act", "Init")}
    defaults = {f.name: f.default for f in used.formals}
    given = [(n, v) for n, v in args if defaults[n] != v]
    return [f"{inner.argument[n]}={shapes.argument(v, {**names.argument, **members})}" for n, v in given]
