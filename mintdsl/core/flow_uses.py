"""The definitions that the steps of a flow use: layers, flows, and nets, with their arguments.

A use fits when the shape that enters it is the shape its definition is on; names of that shape are bound by it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from mintdsl.core import ir
from mintdsl.core.flow_moves import Made
from mintdsl.core.formals import argument
from mintdsl.core.from_data import waits
from mintdsl.core.log_dets import log_det_of
from mintdsl.core.nat import Nat
from mintdsl.core.scope import Entry, article, unknown
from mintdsl.core.steps import STEPS
from mintdsl.core.values import Values, not_yet
from mintdsl.diagnostics.model import Bag, Fix, Label
from mintdsl.records import derived, replace
from mintdsl.source import Span
from mintdsl.syntax import ast

DIRECTION = "direction"
DIRECTIONS = ("forward", "inverse")
"""The option of a use, and its values."""

ENDS = (ir.Prior, ir.Dequantize, ir.Classify)  # these stand first or last, and in the outermost flow only

# Elaborates a definition that a step uses; None if it has errors, which are reported once.
Resolve = Callable[[Entry, Span], ir.Definition | ir.Net | None]


def use(
    op: ast.Use, step: ast.Step, shape: ir.Shape, given: ir.Context | None, resolve: Resolve, values: Values
) -> Made | None:
    """A layer or a flow as a step, in a flow with the context `given`."""
    name = op.call.name
    entry = values.names.scope.entries.get(name.id)
    if entry is None:
        if not values.names.silent(name.id):
            known = (n for n, e in values.names.scope.entries.items() if e.kind in ("layer", "flow"))
            unknown(name, chain(known, STEPS), values.bag, values.names.where, what="step")
        return None
    if entry.kind not in ("layer", "flow"):
        net = entry.kind == "net"
        values.bag.error(
            "E0208",
            name.span,
            f"a step of a flow is a layer or a flow; `{name.id}` is {article(entry.kind)}"
            + (" and claims nothing" if net else ""),
            f"not a step: {article(entry.kind)}",
            fixes=(Fix(f"put it into a layer: `layer NAME on S {{ map x -> {name.id}(x) }}`"),)
            if entry.kind == "act"
            else (),
        )
        return None
    callee = resolve(entry, name.span)
    how = log_det_of(op.log_det, callee, values)
    if callee is None or how is None:
        return None
    assert not isinstance(callee, ir.Net)
    way = direction_of(op.call, callee, values)
    if way is None:
        return None
    call, inverted = way
    if inverted and isinstance(callee, ir.Flow):
        not_yet(values.bag, step.span, "a flow in its inverse direction")
    if inverted and isinstance(callee, ir.Layer) and waits(callee):
        not_yet(values.bag, step.span, "a layer with `init from_data` in its inverse direction")
    if isinstance(callee, ir.Flow) and any(isinstance(s.op, ENDS) for s in (*callee.steps[:1], *callee.steps[-1:])):
        _inner_ends(name, callee, values.bag)
        return None
    if isinstance(callee, ir.Flow) and callee.left:
        _inner_factor(name, callee, values.bag)
        return None
    arguments = bind_arguments(call, callee, values)
    if arguments is None or not _enters(step, name, callee, arguments, shape, values.bag):
        return None
    if not gets_context(step.span, name, callee, arguments, shape, given, "the flow", values.bag):
        return None
    result = shape
    if isinstance(callee, ir.Flow) and callee.steps:
        bound = _binding(callee, arguments, shape, given)
        last = callee.steps[-1].result
        result = ir.Shape(last.kind, tuple(d.substitute(bound) for d in last.dims))
    return ir.Use(entry.key, arguments, how, inverted), result


def direction_of(call: ast.Call, callee: ir.Definition, values: Values) -> tuple[ast.Call, bool] | None:
    """The call without its option `direction`, and whether that is `inverse`; None where it was reported.

    A formal of the callee that is called so comes first: such a definition has one direction.
    """
    given = [arg for arg in call.args if arg.name is not None and arg.name.id == DIRECTION]
    if not given or any(formal.name == DIRECTION for formal in callee.formals):
        return call, False
    for again in given[1:]:
        values.bag.error("E0204", again.span, f"option `{DIRECTION}` is given twice", "given again here")
    value = given[0].value
    word = value.id if isinstance(value, ast.Name) and given[0].cmp == "=" else ""
    if word not in DIRECTIONS:
        fix = Fix(f"write `{DIRECTION} = inverse`, or leave it out")
        title = f"`{DIRECTION}` of a use is `forward` or `inverse`"
        values.bag.error("E0209", given[0].span, title, "neither of them", fixes=(fix,))
    if len(given) > 1 or word not in DIRECTIONS:
        return None
    return replace(call, args=tuple(arg for arg in call.args if arg is not given[0])), word == "inverse"


def classify(op: ast.Classify, step: ast.Step, shape: ir.Shape, resolve: Resolve, values: Values) -> Made | None:
    """The net that reads the last shape."""
    name, found = op.call.name, find_net(op.call, "classify", values, resolve)
    if found is None:
        return None
    key, callee, arguments = found
    if not _enters(step, name, callee, arguments, shape, values.bag):
        return None
    bound = _binding(callee, arguments, shape)
    target = callee.targets[0]
    if len(callee.inputs) != 1 or len(callee.targets) != 1 or target.kind != "Vec":
        given = ", ".join(map(str, callee.targets))
        values.bag.error(
            "E0304",
            step.span,
            f"a head makes one Vec of logits from one input, `{name.id}` gives `{given}`"
            + (f" from {len(callee.inputs)} inputs" if len(callee.inputs) > 1 else ""),
            "not a head",
        )
        return None
    result = ir.Shape("Vec", tuple(d.substitute(bound) for d in target.dims))
    if not target.dims[0].symbols <= set(bound):
        values.bag.error(
            "E0304",
            step.span,
            f"the number of logits, `{target.dims[0]}`, is not known here",
            "each use chooses it",
            fixes=(Fix(f"make it a formal: `net {name.id}(classes: Nat) from ... to Vec[classes]`"),),
        )
        return None
    return ir.Classify(key, arguments), result


def find_net(
    call: ast.Call, taker: str, values: Values, resolve: Resolve
) -> tuple[str, ir.Net, tuple[tuple[str, ir.Argument], ...]] | None:
    """The key of the net that `taker` is given, the net, and the values of its formals; reported where it is none."""
    name = call.name
    entry = values.names.scope.entries.get(name.id)
    if entry is None:
        if not values.names.silent(name.id):
            nets = (n for n, e in values.names.scope.entries.items() if e.kind == "net")
            unknown(name, nets, values.bag, values.names.where, what="net")
        return None
    if entry.kind != "net":
        title = f"`{taker}` takes a net; `{name.id}` is {article(entry.kind)}"
        values.bag.error("E0208", name.span, title, "not a net")
        return None
    callee = resolve(entry, name.span)
    if not isinstance(callee, ir.Net):
        return None
    arguments = bind_arguments(call, callee, values)
    return None if arguments is None else (entry.key, callee, arguments)


def _inner_ends(name: ast.Name, callee: ir.Flow, bag: Bag) -> None:
    last = next(s for s in callee.steps if isinstance(s.op, ENDS))
    word = {ir.Prior: "prior", ir.Classify: "classify"}.get(type(last.op), "dequantize")
    place = "first" if word == "dequantize" else "last"
    bag.error(
        "E0604",
        name.span,
        f"`{word}` stands {place} in the outermost flow; `{callee.name}` has one, so it cannot be a step",
        "used as a step here",
        also=(Label(last.span, f"its {word}"),),
    )


def _inner_factor(name: ast.Name, callee: ir.Flow, bag: Bag) -> None:
    bag.error(
        "E0607",
        name.span,
        f"`factor` stands in the outermost flow; `{callee.name}` has one, so it cannot be a step",
        "used as a step here",
        also=(Label(callee.left[0].span, "a part leaves here"),),
        notes=("what leaves goes to the latent of the whole flow, past every step that follows",),
        fixes=(Fix(f"write the steps of `{callee.name}` here"),),
    )


def bind_arguments(
    call: ast.Call, callee: ir.Definition | ir.Net, values: Values
) -> tuple[tuple[str, ir.Argument], ...] | None:
    """The values of the formals of `callee`, defaults filled in; None where something was reported."""
    by_name = {f.name: f for f in callee.formals}
    found: dict[str, tuple[str, ir.Argument]] = {}
    good = True
    for position, arg in enumerate(call.args):
        if arg.cmp not in (None, "="):
            values.bag.error("E0209", arg.span, "an argument is `name = value`", "a bound is no argument")
            good = False
            continue
        if arg.name is not None:
            formal = by_name.get(arg.name.id)
            if formal is None:
                unknown(arg.name, by_name, values.bag, f"the formals of `{callee.name}`", code="E0209", what="argument")
                good = False
                continue
        elif position < len(callee.formals):
            formal = callee.formals[position]
        else:
            values.bag.error("E0209", arg.span, f"`{callee.name}` takes {_count(len(callee.formals))}", "one too many")
            good = False
            continue
        value = argument(arg.value, formal.type, formal.name, values)
        if formal.name in found:
            values.bag.error("E0204", arg.span, f"`{formal.name}` is given twice", "given again here")
        if value is None or formal.name in found:
            good = False
            continue
        found[formal.name] = formal.name, value
    for formal in callee.formals:
        if formal.name not in found and formal.default is not None:
            # the same pair at every use: a flow may have many
            found[formal.name] = derived(formal, "default_pair", _default)
        elif formal.name not in found and good:
            values.bag.error(
                "E0210",
                call.span,
                f"`{callee.name}` needs the argument `{formal.name}`",
                f"add `{formal.name} = ...`" if call.args else f"write `{callee.name}({formal.name} = ...)`",
                also=(Label(formal.span, "declared without a default"),),
            )
            good = False
    return tuple(found[f.name] for f in callee.formals) if good else None


def _default(formal: ir.Formal) -> tuple[str, ir.Argument]:
    assert formal.default is not None
    return formal.name, formal.default


def _count(number: int) -> str:
    return f"{number or 'no'} argument{'s' * (number != 1)}"


def _binding(
    callee: ir.Definition | ir.Net,
    args: tuple[tuple[str, ir.Argument], ...],
    shape: ir.Shape,
    given: ir.Context | None = None,
) -> dict[str, Nat]:
    bound = {name: value for name, value in args if isinstance(value, Nat)}
    formals = {f.name for f in callee.formals}
    sizes = [*zip(callee.shape.dims, shape.dims, strict=False)]
    if given is not None and not isinstance(callee, ir.Net) and callee.given is not None:
        sizes += zip(callee.given.shape.dims, given.shape.dims, strict=False)
    for pattern, size in sizes:
        if len(pattern.terms) == 1 and len(pattern.symbols) == 1 and pattern == Nat.symbol(next(iter(pattern.symbols))):
            symbol = next(iter(pattern.symbols))
            if symbol not in formals:
                bound.setdefault(symbol, size)
    return bound


def fits(callee: ir.Definition | ir.Net, args: tuple[tuple[str, ir.Argument], ...], shape: ir.Shape) -> bool:
    """Whether `shape` is one that the callee is on."""
    wanted = callee.shape
    if wanted.kind == "Any":
        return True
    if wanted.kind != shape.kind:
        return False
    bound = _binding(callee, args, shape)
    return tuple(d.substitute(bound) for d in wanted.dims) == shape.dims


def _enters(
    step: ast.Step,
    name: ast.Name,
    callee: ir.Definition | ir.Net,
    args: tuple[tuple[str, ir.Argument], ...],
    shape: ir.Shape,
    bag: Bag,
) -> bool:
    """Whether `shape` fits the shape that the callee is on; reported if not."""
    if fits(callee, args, shape):
        return True
    wanted = callee.shape
    bag.error(
        "E0301",
        step.span,
        f"`{name.id}` is on `{wanted}`, here it gets `{shape}`",
        f"gets {shape}",
        also=(Label(callee.name_span, f"declared on {wanted}"),),
    )
    return False


def gets_context(
    span: Span,
    name: ast.Name,
    callee: ir.Definition,
    args: tuple[tuple[str, ir.Argument], ...],
    shape: ir.Shape,
    given: ir.Context | None,
    user: str,
    bag: Bag,
) -> bool:
    """Whether the callee gets the context that it declares: that of its user, of the same name and shape."""
    wanted = callee.given
    if wanted is None:
        return True
    also = (Label(wanted.span, "declared here"),)
    if given is None or given.name != wanted.name:
        what = "none" if given is None else f"`{given.name}`"
        bag.error(
            "E0215",
            span,
            f"`{name.id}` needs the context `{wanted.name} : {wanted.shape}`, {user} has {what}",
            f"gets no `{wanted.name}`",
            also=also,
            notes=(f"{user}'s context reaches every layer below it that declares one of the same name",),
            fixes=(Fix(f"declare it after the shape of {user}: `given {wanted.name} : {wanted.shape}`"),),
        )
        return False
    bound, expected = _binding(callee, args, shape, given), shape  # that of `on S given c : S`
    if wanted.shape.kind != "Any":
        expected = ir.Shape(wanted.shape.kind, tuple(d.substitute(bound) for d in wanted.shape.dims))
    if expected == given.shape:
        return True
    bag.error(
        "E0301",
        span,
        f"`{name.id}` takes the context `{wanted.name} : {wanted.shape}`, {user}'s is `{given.shape}`",
        f"gets {given.shape}",
        also=(*also, Label(given.span, f"{user}'s context")),
    )
    return False
