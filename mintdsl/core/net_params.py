"""Nets as parameters, `param n : net Cond(width = 64) from A, B to (C, D)`: which net, its arguments, its places."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.flow_uses import Resolve, bind_arguments
from mintdsl.core.nat import Nat
from mintdsl.core.params import define_params
from mintdsl.core.scope import article, unknown
from mintdsl.core.values import Values, not_yet
from mintdsl.diagnostics.model import Fix, Label
from mintdsl.syntax import ast


def declare_net(
    node: ast.Param, kind: ast.KindNet, shape: ir.Shape, values: Values, resolve: Resolve
) -> list[ir.Param]:
    """The parameters of one `param` of a net; without a place it keeps `shape`."""
    found = _found(node, kind.call, shape, values, resolve)
    param = None
    if found is not None:
        init = ir.InitCall("")  # each parameter of a net has its own
        param = ir.Param("", (), found, found.sources[0], found.targets[0], None, None, init, (), node.doc, node.span)
    return define_params(node, param, values)


def _found(node: ast.Param, call: ast.Call, shape: ir.Shape, values: Values, resolve: Resolve) -> ir.NetParam | None:
    name, bag = call.name, values.bag
    if node.constraints:
        bag.error("E0701", node.constraints[0].span, "a net takes no constraint", "it claims nothing")
        return None
    if node.init is not None:
        bag.error("E0211", node.init.span, "a net has no `init`: each of its parameters has its own", "not here")
        return None
    entry = values.names.scope.entries.get(name.id)
    if entry is None:
        if not values.names.silent(name.id):
            nets = (n for n, e in values.names.scope.entries.items() if e.kind == "net")
            unknown(name, nets, bag, values.names.where, what="net")
        return None
    if entry.kind != "net":
        bag.error("E0208", name.span, f"`net` takes a net; `{name.id}` is {article(entry.kind)}", "not a net")
        return None
    if not isinstance(entry.item, ast.Net):
        not_yet(bag, name.span, "an extern net")
    callee = resolve(entry, name.span)
    if not isinstance(callee, ir.Net):
        return None
    arguments = bind_arguments(call, callee, values)
    places = _places(node, call, callee, shape, values)
    if arguments is None or places is None:
        return None
    sources, targets = places
    if not _fits(node, callee, arguments, (*sources, *targets), values):
        return None
    return ir.NetParam(entry.key, arguments, sources, targets, callee)


Shapes = tuple[ir.Shape, ...]


def _places(
    node: ast.Param, call: ast.Call, callee: ir.Net, shape: ir.Shape, values: Values
) -> tuple[Shapes, Shapes] | None:
    if node.place is None:
        if len(callee.inputs) == len(callee.targets) == 1:
            return (shape,), (shape,)
        values.bag.error(
            "E0304",
            call.span,
            f"`{callee.name}` has {_count(len(callee.inputs), 'input')} and {_count(len(callee.targets), 'result')}: "
            "this parameter needs a place",
            "only a net that keeps the shape goes without",
            also=(Label(callee.name_span, "declared here"),),
            fixes=(Fix(f"write `{node.binders[0].name.id} : net {callee.name} from ... to ...`"),),
        )
        return None
    counts = len(node.place.inputs), len(node.place.outputs)
    wanted = len(callee.inputs), len(callee.targets)
    if counts != wanted:
        values.bag.error(
            "E0304",
            node.place.span,
            f"`{callee.name}` has {_count(wanted[0], 'input')} and {_count(wanted[1], 'result')}, "
            f"this place {counts[0]} and {counts[1]}",
            "another number of shapes",
            also=(Label(callee.name_span, "declared here"),),
        )
        return None
    sources = [values.shape(s) for s in node.place.inputs]
    targets = sources if node.place.endo else [values.shape(s) for s in node.place.outputs]
    known = [s for s in (*sources, *targets) if s is not None]
    if len(known) != sum(counts):
        return None
    return tuple(known[: counts[0]]), tuple(known[counts[0] :])


def bound_sizes(callee: ir.Net, args: tuple[tuple[str, ir.Argument], ...], places: Shapes) -> dict[str, Nat]:
    """The sizes that a use of a net at `places` (inputs, then results) gives to its symbols."""
    bound = {name: value for name, value in args if isinstance(value, Nat)}
    for pattern, place in zip(callee.places, places, strict=True):
        for dim, size in zip(pattern.dims, place.dims, strict=False):
            for symbol in dim.symbols:
                if dim == Nat.symbol(symbol):
                    bound.setdefault(symbol, size)
    return bound


def _fits(
    node: ast.Param, callee: ir.Net, args: tuple[tuple[str, ir.Argument], ...], places: Shapes, values: Values
) -> bool:
    """Whether every place has the shape that the net has there."""
    bound = bound_sizes(callee, args, places)
    whole: ir.Shape | None = None  # what `from S` stands for
    for number, (pattern, place) in enumerate(zip(callee.places, places, strict=True)):
        if pattern.kind == "Any":
            whole = whole or place
            fits = place == whole
        else:
            fits = pattern.kind == place.kind and tuple(d.substitute(bound) for d in pattern.dims) == place.dims
        if not fits:
            which = "input" if number < len(callee.inputs) else "result"
            values.bag.error(
                "E0301",
                node.place.span if node.place is not None else node.kind.span,
                f"the {which} of `{callee.name}` is `{pattern}`, here it is `{place}`",
                f"gets {place}" if which == "input" else f"is to give {place}",
                also=(Label(callee.name_span, "declared here"),),
            )
            return False
    return True


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
