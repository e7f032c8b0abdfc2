"""Constructors: formals, sizes, raw tensors, masks, fronts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import lcm

from mintdsl.codegen import shapes
from mintdsl.codegen.context import (
    LayerContext,
    context_shape,
    is_circular,
    is_kernel,
    places,
    rank_of,
    takes_context_shape,
    via,
)
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.inner import channels, concrete, write_applied, write_given, write_inner_net, write_ready
from mintdsl.codegen.naming import Names
from mintdsl.codegen.residual import circular_det, limits, write_contraction
from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.walks import bends, moving_maps, moving_nets
from mintdsl.proof.jacobian import NONE

TYPES = {
    "Nat": "int",
    "Real": "float",
    "Dir": "str",
    "Order": "tuple[tuple[int, ...], ...]",
    "Act": "Activation",
    "Init": "Init",
}


def signature(
    shape: ir.Shape, formals: Sequence[ir.Formal], names: Names, sizes: Mapping[str, int], more: Sequence[str] = ()
) -> list[str]:
    """The arguments of a constructor; `sizes` replace defaults. Without a default after one with: keyword-only.

    `more` are the further shapes of a net.
    """
    args = ["self"] if concrete(shape) else ["self", "shape: tuple[int, ...]"]
    args += [f"{name}: tuple[int, ...]" for name in more]
    defaulted = keywords = False
    for formal in formals:
        name, kind = names.argument[formal.name], TYPES[formal.type]
        if formal.name in sizes:
            text, has = f"{name}: int = {sizes[formal.name]}", True
        elif formal.default is None:
            text, has = f"{name}: {kind}", False
        elif formal.type in ("Act", "Init"):
            text, has = f"{name}: {kind} | None = None", True
        else:
            text, has = f"{name}: {kind} = {shapes.argument(formal.default, {})}", True
        if defaulted and not has and not keywords:
            args.append("*")
            keywords = True
        defaulted = defaulted or has
        args.append(text)
    if not keywords:
        args.append("*")
    args += [f"{name}: nn.Module | Callable[..., nn.Module]" for name in names.extern.values()]
    return [*args, "device: torch.device | str | None = None", "dtype: torch.dtype | None = None"]


def write_formals(formals: Sequence[ir.Formal], names: Names, write: Writer) -> None:
    """Keep formals as attributes; acts and inits get their default here, where the helpers are defined."""
    for formal in formals:
        name, attribute = names.argument[formal.name], names.member[formal.name]
        if formal.type in ("Act", "Init") and formal.default is not None:
            write(f"self.{attribute} = {shapes.argument(formal.default, {})} if {name} is None else {name}")
        else:
            write(f"self.{attribute} = {name}")


def write_sizes(
    shape: ir.Shape,
    formals: Sequence[ir.Formal],
    names: Names,
    owner: str,
    write: Writer,
    more: Sequence[tuple[str, ir.Shape]] = (),
) -> None:
    """Bind the sizes of the shape, and of the further ones of a net, to their names, and test those that are known."""
    taken = {f.name for f in formals}
    for word, place in (("shape", shape), *more):
        rank = len(place.dims)
        if rank and not concrete(place):
            with write.block(f"if len({word}) != {rank}:"):
                write(f'raise ValueError(f"{owner} is on {place.kind}: {word} has {rank} sizes, not {{len({word})}}")')
        for position, dim in enumerate(place.dims):
            symbol = next(iter(dim.symbols), "")
            if symbol and symbol not in taken and dim == Nat.symbol(symbol):
                write(f"{names.argument[symbol]} = {word}[{position}]")
                taken.add(symbol)
            elif not concrete(place):
                expected = shapes.size(dim, names.argument)
                with write.block(f"if {word}[{position}] != {expected}:"):
                    message = (
                        f"{owner}: size {position} of {word} is {{{word}[{position}]}}, but must be {{{expected}}}"
                    )
                    write(f'raise ValueError(f"{message}")')


def write_checked_formals(formals: Sequence[ir.Formal], names: Names, owner: str, write: Writer) -> None:
    """Sizes are at least 1: for others nothing is proved."""
    for formal in formals:
        if formal.type == "Nat":
            with write.block(f"if self.{names.member[formal.name]} < {formal.least}:"):
                write(f'raise ValueError("{owner}: {formal.name} must be at least {formal.least}")')


def write_checked_sizes(sizes: Iterable[Nat], names: Names, owner: str, write: Writer) -> None:
    """Test every size that need not be a whole number >= 1 where its symbols are: `K - 1`, `C / 2`."""
    for value in dict.fromkeys(sizes):
        if all(ratio.bottom == 1 and ratio.top > 0 for _, ratio in value.terms) and value.terms:
            continue
        bottom = lcm(*(ratio.bottom for _, ratio in value.terms))
        top = shapes.size(value * Nat.of(bottom), names.argument)
        write(f'whole_size("{owner}", "{value}", {top}, {bottom})')


def drop_unused_sizes(write: Writer, start: int) -> None:
    """Remove sizes that the constructor binds from line `start` on and never reads."""
    for position in range(len(write.lines) - 1, start - 1, -1):
        name, _, source = write.lines[position].strip().partition(" = ")
        if re.match(r"(context_)?shape(_\d+)?\[", source) and name.isidentifier():
            rest = "\n".join(write.lines[position + 1 :])
            if not re.search(rf"\b{name}\b(?! = )(?<!self\.{name})(?<!\"{name})", rest):
                del write.lines[position]


def write_constructor(c: LayerContext) -> None:
    """`__init__` of a layer."""
    layer, write, names = c.layer, c.write, c.names
    start = len(write.lines)
    more = places(layer)[1:]
    arguments = signature(layer.shape, layer.formals, names, {}, [word for word, _ in more])
    if c.contracting:
        arguments.insert(-2, 'log_det: str | TraceSeries = "exact"')
    write.call("def __init__", arguments, " -> None:")
    write.depth += 1
    write("super().__init__()")
    write(f"self.event_shape = {shapes.shape(layer.shape, {}) if concrete(layer.shape) else 'tuple(shape)'}")
    for word, _ in more if isinstance(layer, ir.Net) else ():
        write(f"self.{word} = tuple({word})")
    late = c.given is not None and not takes_context_shape(layer)  # it is made of sizes that are bound first
    if c.given is None or not late:
        shown = context_shape(layer, names.argument)
        write(f'self.latent_shape, self.context_shape, self.path = self.event_shape, {shown}, ""')
    else:
        write('self.latent_shape, self.path = self.event_shape, ""')
    write("self.kept_weights: tuple[Tensor, ...] | None = None")
    if c.solved or c.contracting:
        write("self.last_inverse: InverseInfo | None = None")
    if c.cayley:
        write("self.last_forward: InverseInfo | None = None")
    own = [f'"{p.name}"' for p in c.params]
    write.tuple("self.names = ", own)
    kept = [f'"{names.member[p.name]}"' for p in c.params]
    if kept == own:
        write("self.members = self.names")
    else:
        write.tuple("self.members = ", kept)
    if c.factored:
        forms = [f'"{p.name}": ({c.form(p)[0]}, {c.anchors[p.name] or "()"})' for p in c.factored]
        write.braces("self.forms: dict[str, tuple[str, tuple[int, ...]]] = ", forms)
    write_sizes(layer.shape, layer.formals, names, layer.name, write, more)
    if late:
        write(f"self.context_shape = {context_shape(layer, names.argument)}")
    write_formals(layer.formals, names, write)
    if not isinstance(layer, ir.Net):
        write_checked_formals(layer.formals, names, layer.name, write)
    _proved_only(c)
    if c.contracting:
        write(f"self.log_det = kind_of_log_det(log_det{', odd=True' if c.cayley else ''})")
        write_contraction(c)
    sizes = [extent for _, extent in layer.indices]
    sizes += [d for p in layer.params for s in _sides(p) if s != layer.shape for d in s.dims]
    split = layer.split if isinstance(layer, ir.Layer) else None
    sizes += [d for shape in (() if split is None else split.shapes) for d in shape.dims]
    sizes += [node.count for node in bends(layer)]
    ranks = [(rank, channels(p.target)) for p in c.params if (rank := rank_of(p)) not in (None, Nat.of(1))]
    sizes += [rank for rank, _ in ranks]
    write_checked_sizes(sizes, names, layer.name, write)
    for rank, width in dict.fromkeys(ranks):
        write(f'check_rank("{layer.name}", {", ".join(shapes.size(n, names.argument) for n in (rank, width))})')
    for node in bends(layer):
        if node.bijection == "rq_spline" and node.count.constant is None:
            floor = node.options[-1]
            write(f'check_bins("{layer.name}", {shapes.size(node.count, names.argument)}, {floor!r})')
    if layer.indices:
        pairs = ", ".join(f'"{n}": {shapes.size(e, names.argument)}' for n, e in layer.indices)
        write(f"self.extents = {{{pairs}}}")
    _corners(c)
    if c.limited:
        write.braces("self.limits = ", limits(c))
    if c.assumed:
        taps = [f'"{p.name}": {_tap(c, p)}' for p in c.assumed]
        kind = "tuple[int, ...] | str | None" if any(p.factored for p in c.assumed) else "tuple[int, ...] | None"
        write.braces(f"self.assumed: dict[str, {kind}] = ", taps)
    if len(c.perms) < len(layer.params):
        write('factory = {"device": device, "dtype": dtype}')
    if c.statistics:
        write('self.statistics = "batch"  # in training mode; "running" uses the frozen ones there too')
    for param in c.statistics:
        size = _raw_shape(c, param)
        write(f'self.register_buffer("{param.name}_mean", torch.zeros({size}, **factory))')
        write(f'self.register_buffer("{param.name}_var", torch.ones({size}, **factory))')
        write(f'self.register_buffer("{param.name}_count", torch.zeros((), dtype=torch.long, device=device))')
    for param in c.params:
        write(f"{c.member(param.name)} = nn.Parameter(torch.empty({_raw_shape(c, param)}, **factory))")
        if param.bound is not None and via(param.bound).signed:
            sign = f"torch.ones({_sign_shape(c, param)}, **factory)"
            write(f'self.register_buffer("{names.member[param.name]}_sign", {sign})')
        if param.factored and param.bound is not None and param.bound.via == "plu":
            rows = f"torch.zeros({_sign_shape(c, param)}, dtype=torch.long, device=device)"
            write(f'self.register_buffer("{names.member[param.name]}_order", {rows})')
    for param in c.perms:
        empty = "torch.empty(0, dtype=torch.long, device=device)"
        write(f'self.register_buffer("{names.member[param.name]}_index", {empty}, persistent=False)')
    if c.from_data is not None:
        write('self.register_buffer("pending", torch.ones((), dtype=torch.bool, device=device))')
    for param in c.params:
        if isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.norm:
            size = shapes.listed([*_lead(c, param), shapes.size(channels(param.target), names.argument)])
            write(f"{c.member(param.name)}_gain = nn.Parameter(torch.empty({size}, **factory))")
    for param in layer.params:
        if isinstance(param.kind, ir.Ready):
            write_ready(c, param, param.kind)
    for param, net in ir.net_params(layer):
        write_inner_net(c, param, net)
    for param, used in ir.applied_layers(layer):
        write_applied(c, param, used)
    if c.buffers:
        write.tuple("self.masks = ", [f'"{mask}"' for mask in c.buffers])
        write("self.make_masks()")
    if isinstance(layer, ir.Net) and layer.extern:
        write_given(c, layer)
    elif names.extern:
        write("own_weights(self)")
    _fronts(c)
    write("self.reset_parameters()")
    write.depth -= 1
    drop_unused_sizes(write, start)


def _sides(param: ir.Param) -> tuple[ir.Shape, ...]:
    """The shapes that a parameter acts between."""
    if isinstance(param.kind, ir.NetParam):
        return (*param.kind.sources, *param.kind.targets)
    return param.source, param.target


def _proved_only(c: LayerContext) -> None:
    """Values of formals for which nothing is proved are refused; nets claim nothing."""
    if isinstance(c.layer, ir.Net):
        return
    deciding = [f for f in c.layer.formals if f.type in ("Act", "Order", "Real")]
    if not deciding:
        return
    given = [c.member(f.name) + (".name" if f.type == "Act" else "") for f in deciding]
    cases = [shapes.listed([c.proved_value(bindings[f.name]) for f in deciding]) for bindings in c.bindings]
    c.write.call(
        "proved_for", ["type(self).__name__", shapes.listed(given), shapes.listed(list(dict.fromkeys(cases)))], ""
    )


def _corners(c: LayerContext) -> None:
    done = set()
    for param in c.maps:
        kind, place = param.kind, c.anchors[param.name]
        if isinstance(kind, ir.Conv) and place.startswith("self.") and place not in done:
            assert kind.direction is not None
            c.write(f"{place} = corner_tap({c.direction(kind.direction)}, {kind.size})")
            done.add(place)


def _tap(c: LayerContext, param: ir.Param) -> str:
    """Where the diagonal of a parameter is, as the helpers of assumptions want it."""
    if is_circular(param):
        return circular_det(c, param)
    if rank_of(param) is not None:
        return '"low_rank"'
    if param.factored:
        return f"DetAt(*{c.anchors[param.name]})" if is_kernel(param) else '"det"'
    return "None" if isinstance(param.kind, ir.Elementwise) else c.anchors[param.name] or "()"


def _lead(c: LayerContext, param: ir.Param) -> list[str]:
    extents = dict(c.layer.indices)
    return [shapes.size(extents[i], c.names.argument) for i in param.indices]


def _raw_shape(c: LayerContext, param: ir.Param) -> str:
    parts, source, target = _lead(c, param), param.source, param.target

    def size(value: Nat) -> str:
        return shapes.size(value, c.names.argument)

    match param.kind:
        case ir.Normalize():
            if target.kind == "Any":
                return "(channel_count(self.event_shape),)"
            return shapes.listed([size(target.dims[-1] if target.kind == "Seq" else target.dims[0])])
        case ir.Elementwise(per=per):
            if target.kind == "Any":
                tail = "*self.event_shape" if per == "element" else "channel_count(self.event_shape)"
                return shapes.listed([*parts, tail])
            channel = target.dims[-1:] if target.kind == "Seq" else target.dims[:1]
            parts += [size(d) for d in (target.dims if per == "element" else channel)]
        case ir.Conv(rank=Nat() as rank) | ir.Dense(rank=Nat() as rank):
            parts += ["2", size(rank), size(channels(target))]
        case ir.Conv(size=taps):
            parts += [size(target.dims[0]), size(source.dims[0]), *map(str, taps)]
        case ir.Dense():
            parts += [size(target.dims[-1]), size(source.dims[-1])]
        case ir.NetParam() | ir.LayerParam() | ir.LayerNorm() | ir.Attention():
            raise AssertionError("a module of its own")
    return shapes.listed(parts)


def _sign_shape(c: LayerContext, param: ir.Param) -> str:
    if isinstance(param.kind, ir.Elementwise):
        return _raw_shape(c, param)
    rank = rank_of(param)
    if rank is not None:
        return shapes.listed([shapes.size(rank, c.names.argument)])
    return shapes.listed([*_lead(c, param), shapes.size(param.target.dims[0], c.names.argument)])


def _positions(c: LayerContext, shape: ir.Shape, direction: str) -> str:
    """The positions of the elements of a Vec in a net: those of hidden units repeat."""
    units, data = (shapes.size(s.dims[0], c.members) for s in (shape, c.layer.shape))
    if shape == c.layer.shape:
        return f"range({units})"
    return (
        f"hidden_positions({units}, {data}, {direction})" if shape.each is None else f"own_positions({units}, {data})"
    )


def write_masks(c: LayerContext) -> None:
    """The buffers of the masks, which are not stored: made, and kept through whatever moves the module."""
    write, done = c.write, set()
    with write.block("def make_masks(self) -> None:"):
        what = "The permutations" if c.perms and not c.masks else "Which entries the order lets through"
        write(f'"""{what}: buffers that are not stored."""')
        for param in c.maps:
            if not c.directed(param) or c.mask(param) in done:
                continue
            mask, kind = c.mask(param), param.kind
            done.add(mask)
            assert isinstance(kind, (ir.Conv, ir.Dense)) and kind.direction is not None
            channels = ", ".join(shapes.size(s.dims[0], c.members) for s in (param.target, param.source))
            args = [c.order, c.direction(kind.direction), str(kind.strict), f"({channels})"]
            if isinstance(kind, ir.Conv):
                args += [str(kind.size), c.anchors[param.name]]
                args += [] if kind.dilation == (1, 1) else [f"dilation={kind.dilation}"]
            elif isinstance(c.layer, ir.Net) and (param.source, param.target) != (c.layer.shape, c.layer.shape):
                sides = (param.target, param.source)
                write.call("places = ", [_positions(c, side, args[1]) for side in sides], "")
                args.append("positions=places")
            write.call(f"{mask} = kept_entries", args, "")
            write(f'self.register_buffer("{mask}", {mask}.to({c.member(param.name)}.device), persistent=False)')
        for param in c.perms:
            _permutation(c, param)
        if "residues" in c.buffers:
            assert isinstance(c.layer, ir.Layer) and c.layer.split is not None
            split = c.layer.split
            device = f"{c.member(c.params[0].name)}.device" if c.params else '"cpu"'
            write(f"residues = mask_values(self.event_shape, {split.functional}, {len(split.parts)})")
            write(f'self.register_buffer("residues", residues.to({device}), persistent=False)')
    write()
    with write.block("def _apply(self, *args: object, **kwargs: object) -> nn.Module:"):
        write('"""to, to_empty and the like; masks that were lost on the way are made again."""')
        write("before = masks_of(self)")
        write("super()._apply(*args, **kwargs)")
        write("return carry_masks(self, before)")


def _permutation(c: LayerContext, param: ir.Param) -> None:
    """The buffer of a permutation, on the device of the parameters, or of the one that it replaces."""
    kind, dims, name = param.kind, param.source.dims, c.names.member[param.name]
    assert isinstance(kind, ir.Perm)
    if kind.axis == "all":
        count = f"math.prod({shapes.event(param.source, c.layer, c.members)})"
    elif param.source.kind == "Any":
        count = "channel_count(self.event_shape)"
    else:
        last = kind.axis == "channel" and param.source.kind == "Seq"
        count = shapes.size(dims[-1 if last else 0], c.members)
    c.write.call("order = torch.tensor", [f"permutation({count}, {kind.seed})", 'device="cpu"'], "")
    device = f"{c.member(c.params[0].name)}.device" if c.params else f"self.{name}_index.device"
    c.write(f'self.register_buffer("{name}_index", order.to({device}), persistent=False)')


def _fronts(c: LayerContext) -> None:
    if not c.solved:
        return
    if all(p.jacobian.off == NONE for p in c.proofs):
        c.write("self.functional, self.fronts = (0,) * len(self.event_shape), 1")
        return
    masks: dict[tuple[str, ...], None] = {}  # a set that keeps its order
    for param in map(c.layer.param, moving_maps(c.layer)):
        kind = param.kind
        if isinstance(kind, (ir.Conv, ir.Dense)) and kind.direction is not None:
            size = str(kind.size) if isinstance(kind, ir.Conv) else "()"
            apart = f"dilation={kind.dilation}" if isinstance(kind, ir.Conv) and kind.dilation != (1, 1) else ""
            way, tap = c.direction(kind.direction), c.anchors[param.name] or "()"
            masks[c.order, way, size, tap, "self.event_shape", apart] = None
    if moving_nets(c.layer):
        way = c.direction(c.proofs[0].jacobian.off)  # a net that reads the variable is strict, so all go this way
        if c.layer.shape.kind == "Seq":
            c.write(f"differences = token_differences({way}, self.event_shape)")
        else:
            masks[c.order, way, "()", "()", "self.event_shape"] = None
    started = bool(moving_nets(c.layer)) and c.layer.shape.kind == "Seq"
    for position, mask in enumerate(masks, int(started)):
        c.write.call(f"differences {'|=' if position else '='} kept_differences", [*filter(None, mask)], "")
    c.write("self.functional = front_functional(differences, self.event_shape)")
    c.write("self.fronts = front_count(self.functional, self.event_shape)  # no dependency path is longer")
