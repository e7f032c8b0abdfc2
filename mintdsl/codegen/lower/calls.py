"""Nets in formulas as tensor statements: calls, chains, channels stacked.

A net is evaluated once for equal arguments, whatever results of it are used. Axes of indices are more leading axes to
it. On a fibre of a layer its results are frozen, like what a map adds from the other elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mintdsl.codegen.lower.code import Algebra, Code, rank_of
from mintdsl.codegen.shapes import listed, residue, size
from mintdsl.core import ir
from mintdsl.core.calls import concatenated
from mintdsl.records import replace


class Walk(Protocol):
    """What the walk over a formula offers here."""

    layer: ir.Layer | ir.Net
    mode: str
    local: dict[str, str]
    members: dict[str, str]
    attributes: dict[str, str]
    order: tuple[str, ...]
    algebra: Algebra
    lines: list[str]
    rests: list[str]
    called: dict[tuple[object, ...], list[Code]]
    variables: dict[str, Code]
    spread: dict[str, Code]
    at: str
    bounded: bool

    @property
    def input(self) -> str: ...

    def expr(self, node: ir.Expr) -> tuple[Code, Code]: ...

    def name(self, wanted: str, code: Code) -> Code: ...

    def fresh(self, wanted: str) -> str: ...

    def mul(self, a: Code, b: Code) -> Code: ...


def given(walk: Walk, node: ir.Given) -> Code:
    """The context of a layer."""
    assert isinstance(walk.layer, ir.Layer) and walk.layer.given is not None
    return Code(walk.local[node.name], (), True, rank_of(walk.layer.given.shape))


def spread(walk: Walk, part: ir.Var) -> Code:
    """A part of a mask at its own places, 0 elsewhere."""
    split = walk.layer.split if isinstance(walk.layer, ir.Layer) else None
    assert split is not None
    if part.name not in walk.spread:
        code, number = walk.variables[part.name], residue(split, part.name, walk.members)
        text = f"torch.where(self.residues == {number}, {code.text}, 0.0)"
        walk.spread[part.name] = walk.name(f"spread_{code.text}", replace(code, text=text, atom=True))
    return walk.spread[part.name]


def variable(walk: Walk, node: ir.Var, rank: int) -> Code:
    """The variable of a layer, or an input of a net."""
    if isinstance(walk.layer, ir.Layer):
        return Code(walk.input, (), True, rank)
    place = [name for name, _ in walk.layer.inputs].index(node.name)
    return Code("x" if place == 0 else f"x_{place + 1}", (), True, rank_of(walk.layer.inputs[place][1]))


def whole(walk: Walk, code: Code, shape: ir.Shape, families: tuple[str, ...] = (), *, batch: bool = True) -> str:
    """`code` in all of a shape: what broadcasts is written out."""
    full = code.batch and set(code.families) == set(families)
    code = walk.algebra.align(walk.algebra.sort(code), families, batch)
    if full:
        return code.text
    extents = [f'self.extents["{index}"]' for index in families]
    sizes = ["*self.event_shape"] if shape.kind == "Any" else [size(d, walk.members) for d in shape.dims]
    lead = ["-1"] if code.batch else [f"{walk.input}.shape[0]"] if batch else []
    if code.rank == 0:
        return f"{walk.input}.new_full({listed([*lead, *extents, *sizes])}, {code.text})"
    return f"{code.wrapped}.expand({', '.join([*lead, *extents, *sizes])})"


def call(walk: Walk, node: ir.Call) -> Code:
    """One result of a net."""
    key = (node.param, node.indices, node.args)
    if key not in walk.called:
        kind = walk.layer.param(node.param).kind
        assert isinstance(kind, ir.NetParam)
        walk.called[key] = _called(walk, node, kind)
    return walk.called[key][node.output]


def _called(walk: Walk, node: ir.Call, kind: ir.NetParam) -> list[Code]:
    args = [walk.expr(arg)[0] for arg in node.args]
    families, batch = _axes(walk, args)
    codes = [Code("", families, batch, rank_of(shape)) for shape in kind.targets]
    if walk.mode == "fibre":
        return [_frozen(walk, code) for code in codes]
    texts = [whole(walk, a, s, families, batch=batch) for a, s in zip(args, kind.sources, strict=True)]
    names = [result_name(walk, node, k) for k in range(len(codes))]
    walk.lines.append(f"{', '.join(names)} = {walk.attributes[node.param]}({', '.join(texts)})")
    found = [Code(name, families, batch, code.rank) for name, code in zip(names, codes, strict=True)]
    if walk.mode == "rests":
        walk.rests += [whole(walk, c, s, families) for c, s in zip(found, kind.targets, strict=True)]
    return found


def result_name(walk: Walk, node: ir.Call, output: int) -> str:
    """The variable of a result: that of the let that takes it, if one does."""
    for item in walk.layer.lets:
        value = item.value
        if isinstance(value, ir.Call) and not item.indices and replace(node, output=output) == value:
            return walk.local[item.name]
    return walk.fresh(f"{walk.local[node.param]}_{output + 1}")


def chained(walk: Walk, node: ir.Chain) -> Code:
    """The nets of a family one after the other."""
    key = (node.param, node.index, node.arg)
    if key not in walk.called:
        kind = walk.layer.param(node.param).kind
        assert isinstance(kind, ir.NetParam)
        arg, shape = walk.expr(node.arg)[0], kind.targets[0]
        code = Code("", arg.families, arg.batch, rank_of(shape))
        if walk.mode == "fibre":
            walk.called[key] = [_frozen(walk, code)]
        else:
            text = whole(walk, arg, shape, arg.families, batch=arg.batch)
            name = walk.fresh(f"{walk.local[node.param]}_1")
            walk.lines.append(f"{name} = chain_nets({walk.attributes[node.param]}, {text})")
            walk.called[key] = [Code(name, arg.families, arg.batch, code.rank)]
            if walk.mode == "rests":
                walk.rests.append(whole(walk, walk.called[key][0], shape, arg.families))
    return walk.called[key][0]


def _axes(walk: Walk, args: Sequence[Code]) -> tuple[tuple[str, ...], bool]:
    families = tuple(i for i in walk.order if any(i in arg.families for arg in args))
    return families, any(arg.batch for arg in args)


def _frozen(walk: Walk, code: Code) -> Code:
    found = Code(f"rests[{len(walk.rests)}]", code.families, True, code.rank)
    walk.rests.append(found.text)
    return found


def rearranged(walk: Walk, node: ir.Concat | ir.Delay | ir.Pool | ir.MaxMin | ir.Swish) -> Code:
    """What moves entries or takes means of them, and what stacks functions of them."""
    match node:
        case ir.Concat():
            return concat(walk, node)
        case ir.Delay():
            return delayed(walk, node)
        case ir.Pool():
            return pooled(walk, node)
        case ir.MaxMin():
            return of_channels(walk, node.arg, node.shape, "maxmin")
        case ir.Swish(beta=beta, twice=True):
            return of_channels(walk, node.arg, node.source, "clip_swish", *([walk.local[beta]] if beta else []))
        case ir.Swish():
            value, beta = walk.expr(node.arg)[0], walk.local[node.beta]
            text = whole(walk, value, node.source, value.families)
            bent = walk.name(f"{walk.at}_bent", replace(value, text=text, rank=rank_of(node.source), batch=True)).text
            return replace(value, text=f"{bent} * torch.sigmoid({beta} * {bent})", batch=True, atom=False)


def delayed(walk: Walk, node: ir.Delay) -> Code:
    """Tokens one place later."""
    value = walk.expr(node.arg)[0]
    return replace(value, text=f"delayed({whole(walk, value, node.shape, value.families)})", batch=True, atom=True)


def of_channels(walk: Walk, arg: ir.Expr, shape: ir.Shape, function: str, *more: str) -> Code:
    """A helper of all channels, at each pixel or token: channels in pairs, or beside their negatives."""
    value = walk.expr(arg)[0]
    axis = -3 if shape.kind == "Image" else -1
    text = f"{function}({', '.join([whole(walk, value, shape, value.families), str(axis), *more])})"
    return replace(value, text=text, rank=rank_of(shape), batch=True, atom=True)


def pooled(walk: Walk, node: ir.Pool) -> Code:
    """The mean of each channel."""
    value = walk.expr(node.arg)[0]
    return replace(value, text=f"{value.wrapped}.mean((-2, -1))", rank=1, atom=True)


def applied(walk: Walk, param: ir.Param, arg: Code) -> Code:
    """A parameter that is a module of its own, applied."""
    text = whole(walk, arg, param.source, arg.families)
    return Code(f"{walk.attributes[param.name]}({text})", arg.families, True, rank_of(param.target))


def concat(walk: Walk, node: ir.Concat) -> Code:
    """Channels stacked, each multiplied by its weight; a vector is repeated at each pixel or token."""
    result = concatenated(node.shapes)
    assert result is not None
    args = [walk.expr(arg)[0] for arg in node.args]
    families, batch = _axes(walk, args)
    texts = []
    for arg, shape in zip(args, node.shapes, strict=True):
        if shape.kind != result.kind:
            spread = "[..., None, None]" if result.kind == "Image" else "[..., None, :]"
            dims = (*shape.dims, *result.dims[1:]) if result.kind == "Image" else (result.dims[0], *shape.dims)
            text = whole(walk, arg, shape, families, batch=batch)
            text = text if text.isidentifier() else f"({text})"
            arg = Code(f"{text}{spread}", families, batch, rank_of(result))
            texts.append(_expanded(walk, arg, ir.Shape(result.kind, dims), families))
        else:
            texts.append(whole(walk, arg, shape, families, batch=batch))
    axis = -3 if result.kind == "Image" else -1
    rank = rank_of(result)
    names = [walk.name(f"{walk.at}_part", Code(text, families, batch, rank)).text for text in texts]
    if node.weights:
        names = [f"{walk.local[node.weights]}[{k}] * {name}" for k, name in enumerate(names)]
    code = Code(f"torch.cat(({', '.join(names)}), {axis})", families, batch, rank)
    return walk.name(f"{walk.at}_in", code)


def _expanded(walk: Walk, code: Code, shape: ir.Shape, families: tuple[str, ...]) -> str:
    lead = ["-1"] * (code.batch + len(families))
    return f"{code.text}.expand({', '.join([*lead, *(size(d, walk.members) for d in shape.dims)])})"
