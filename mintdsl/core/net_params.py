"""Nets with places: `param n : net Cond(width = 64) from A, B to (C, D)`, `prior = NET` of a `factor`, `ode NET`."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.flow_uses import Resolve, find_net
from mintdsl.core.nat import Nat
from mintdsl.core.params import define_params
from mintdsl.core.spaces import laid_out
from mintdsl.core.steps import PRIORS
from mintdsl.core.values import Values
from mintdsl.diagnostics.model import Fix, Label
from mintdsl.source import Span
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
    bag = values.bag
    if node.constraints:
        bag.error("E0701", node.constraints[0].span, "a net takes no constraint", "it claims nothing")
        return None
    if node.init is not None:
        bag.error("E0211", node.init.span, "a net has no `init`: each of its parameters has its own", "not here")
        return None
    found = find_net(call, "net", values, resolve)
    if found is None:
        return None
    key, callee, arguments = found
    places = _places(node, call, callee, shape, values)
    if places is None:
        return None
    sources, targets = places
    span = node.place.span if node.place is not None else node.kind.span
    if not _fits(span, callee, arguments, (*sources, *targets), values):
        return None
    return ir.NetParam(key, arguments, sources, targets, callee)


def factor_prior(given: ast.Arg, half: ir.Shape, values: Values, resolve: Resolve) -> ir.NetParam | None:
    """The net that makes mean and log-scale of the half that leaves, both of its shape, of the half that goes on."""
    value, bag = given.value, values.bag
    match value:
        case ast.Name():
            call = ast.Call(value, (), value.span)
        case ast.Apply(fn=ast.Name() as name, args=args):
            call = ast.Call(name, args, value.span)
        case _:
            title, label = "`prior` takes a net: `prior = NET`, or `prior = NET(width = 64)`", "not a net"
            bag.error("E0209", value.span, title, label)
            return None
    if call.name.id in PRIORS:
        bag.error(
            "E0209",
            value.span,
            f"the `prior` of a factor is a net, and `{call.name.id}` is a distribution",
            "not a net",
            notes=(
                "what leaves without a net has the prior of the flow; "
                "what leaves through one is normal, and the net makes its mean and log-scale",
            ),
            fixes=(Fix("leave `prior` out here, and end the flow with a prior"),),
        )
        return None
    found = find_net(call, "prior", values, resolve)
    if found is None:
        return None
    key, callee, arguments = found
    counts = len(callee.inputs), len(callee.targets)
    if counts != (1, 2):
        bag.error(
            "E0304",
            value.span,
            "a prior makes two results of one input, mean and log-scale of what leaves of what goes on; "
            f"`{callee.name}` has {_count(counts[0], 'input')} and {_count(counts[1], 'result')}",
            f"`{half}` to `({half}, {half})` here",
            also=(Label(callee.name_span, "declared here"),),
        )
        return None
    if not _fits(value.span, callee, arguments, (half, half, half), values):
        return None
    return ir.NetParam(key, arguments, (half,), (half, half), callee)


def ode_field(call: ast.Call, shape: ir.Shape, values: Values, resolve: Resolve) -> ir.NetParam | None:
    """The net that makes dz/dt of z, of `shape`, and of the time, a Vec[1]."""
    found = find_net(call, "ode", values, resolve)
    if found is None:
        return None
    key, callee, arguments = found
    counts = len(callee.inputs), len(callee.targets)
    if counts != (2, 1):
        values.bag.error(
            "E0304",
            call.span,
            "the field of an ode makes one result, dz/dt, of two inputs, z and the time; "
            f"`{callee.name}` has {_count(counts[0], 'input')} and {_count(counts[1], 'result')}",
            f"`{shape}, {TIME}` to `{shape}` here",
            also=(Label(callee.name_span, "declared here"),),
        )
        return None
    if not _fits(call.span, callee, arguments, (shape, TIME, shape), values):
        return None
    return ir.NetParam(key, arguments, (shape, TIME), (shape,), callee)


TIME = ir.Shape("Vec", (Nat.of(1),))
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
    inputs, results = tuple(known[: counts[0]]), known[counts[0] :]
    if inputs[0] != shape:  # positions of another Vec mean nothing here
        return inputs, tuple(results)
    pairs = zip(results, callee.targets, strict=True)
    return inputs, tuple((pattern.each and laid_out(one, shape)) or one for one, pattern in pairs)


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
    span: Span, callee: ir.Net, args: tuple[tuple[str, ir.Argument], ...], places: Shapes, values: Values
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
            if place.each is not None and number >= len(callee.inputs):
                fits = fits and pattern.each is not None and pattern.each.substitute(bound) == place.each
        if not fits:
            which = "input" if number < len(callee.inputs) else "result"
            values.bag.error(
                "E0301",
                span,
                f"the {which} of `{callee.name}` is `{pattern}`, here it is `{place}`",
                f"gets {place}" if which == "input" else f"is to give {place}",
                also=(Label(callee.name_span, "declared here"),),
            )
            return False
    return True


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
