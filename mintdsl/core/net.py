"""Elaboration of a net: the members of a layer, no claims, several inputs and results."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.acts import find_act
from mintdsl.core.flow_uses import Resolve
from mintdsl.core.formals import bind_formals
from mintdsl.core.formula import Formula
from mintdsl.core.from_data import refuse_in_net
from mintdsl.core.header import bind_shape
from mintdsl.core.layer import Elaboration
from mintdsl.core.orders import DEFAULT_ORDER, Order
from mintdsl.core.params import check_inits
from mintdsl.core.scope import Locals, Scope
from mintdsl.core.steps import SHAPES
from mintdsl.core.typed import Typed
from mintdsl.core.values import IndexName, Stop, Values, Variable, not_yet
from mintdsl.core.walks import layer_written, too_deep, too_much
from mintdsl.diagnostics.model import Bag, Label
from mintdsl.syntax import ast


def elaborate_net(item: ast.Net, scope: Scope, bag: Bag, resolve: Resolve) -> ir.Net | None:
    """The typed core of a net; None when anything in it was reported."""
    own = Bag(bag)
    try:
        net = _net(item, Elaboration(item, Values(Locals(scope, f"the net `{item.name.id}`"), own), resolve))
    except Stop:
        net = None
    bag.extend(own.sorted())
    return None if own.has_errors else net


def elaborate_extern(item: ast.Extern, scope: Scope, bag: Bag) -> ir.Net | None:
    """The typed core of an extern net: its shapes; None when anything in it was reported."""
    own = Bag(bag)
    values = Values(Locals(scope, f"the extern net `{item.name.id}`"), own)
    net = None
    with suppress(Stop):
        inputs = _inputs(item, values)
        bound = _bound_targets(item, values)
        targets = _targets(item, bound, values)
        named = tuple((f"x_{k}" if k > 1 else "x", shape) for k, shape in enumerate(inputs, 1))
        order, spans = DEFAULT_ORDER[inputs[0].kind], (item.span, item.name.span, item.inputs[0].span)
        net = ir.Net(item.name.id, (), named, targets, order, (), (), (), (), item.doc, *spans, extern=True)
    bag.extend(own.sorted())
    return None if own.has_errors else net


def _inputs(item: ast.Net | ast.Extern, values: Values) -> tuple[ir.Shape, ...]:
    """The shapes of the inputs."""
    shapes = _known([bind_shape(shape, values) for shape in item.inputs])
    if len(shapes) > 1 and any(s.kind == "Any" for s in shapes):
        not_yet(values.bag, item.name.span, "a net of several inputs of any shape")
    return shapes


def _bound_targets(item: ast.Net | ast.Extern, values: Values) -> list[ir.Shape | None]:
    """The shapes of the results that have no name; a size that only they name is bound as well: each use chooses it."""
    return [bind_shape(s, values) if s.name.id in SHAPES else None for s in item.outputs]


def _targets(item: ast.Net | ast.Extern, bound: Sequence[ir.Shape | None], values: Values) -> tuple[ir.Shape, ...]:
    """The shapes of all results."""
    pairs = zip(item.outputs, bound, strict=True)
    return _known([one if s.name.id in SHAPES else values.shape(s) for s, one in pairs])


def _known(shapes: Sequence[ir.Shape | None]) -> tuple[ir.Shape, ...]:
    known = tuple(shape for shape in shapes if shape is not None)
    if len(known) != len(shapes):
        raise Stop
    return known


def _net(item: ast.Net, run: Elaboration) -> ir.Net | None:
    values, bag = run.values, run.bag
    formals = bind_formals(item.formals, values)
    shapes = _inputs(item, values)
    bound = _bound_targets(item, values)
    order = run.first_members(shapes[0])  # spaces among them, in which results may be
    known = _targets(item, bound, values)
    params = run.params(shapes[0])
    for param in params.values():
        if isinstance(param.kind, ir.Normalize) or getattr(param.kind, "direction", None) is not None:
            if isinstance(param.kind, ir.Normalize):
                not_yet(bag, param.span, "`normalize` in a net")
            vector = isinstance(order, Order) and order.space == "Vec"
            if not isinstance(param.kind, ir.Attention) and not (vector and param.source.kind == "Vec"):
                not_yet(bag, param.span, "a masked map in a net, but for matrices between Vecs in the order of a Vec,")
            apart = (param.source, param.target) != (shapes[0], shapes[0])
            if isinstance(param.kind, ir.Dense) and apart and isinstance(order, Order) and order.rows != ((1,),):
                not_yet(bag, param.span, "a mask of hidden units in another order than `natural`")
            if param.bound is not None and param.source != shapes[0]:
                label = "units of one position read each other"
                bag.error("E0701", param.bound.span, "a masked map of hidden units has no diagonal", label)
        if isinstance(param.kind, ir.Perm) or param.factored:
            not_yet(bag, param.span, "`perm`, or a constraint on `det`, in a net")
    for member in item.members:
        if isinstance(member, ast.Tie):
            bag.error("E0405", member.span, "a net has no ties", "it claims nothing")
    check_inits(params, bag)
    for param in params.values():
        refuse_in_net(param, bag)
    if len(item.body.args) != len(shapes):
        count = f"{len(shapes)} input{'s' * (len(shapes) > 1)}"
        title = f"the net has {count}, its map {len(item.body.args)} variable{'s' * (len(item.body.args) > 1)}"
        bag.error("E0304", item.body.args[-1].span, title, "one variable for each input")
        raise Stop
    formula = Formula(values, find_act, net=True)
    for name, shape in zip(item.body.args, shapes, strict=True):
        values.names.define(name, Variable(shape), bag, hides="an order")  # orders have no place in formulas
    lets = run.lets(formula, shape)
    results = _results(item, formula, known, bag)
    run.unused(params, formula)
    if results is None or order is None:
        return None
    net = ir.Net(
        item.name.id,
        formals,
        tuple((name.id, shape) for name, shape in zip(item.body.args, shapes, strict=True)),
        known,
        order,
        tuple((v.name, v.extent) for v in values.names.values.values() if isinstance(v, IndexName)),
        tuple(params.values()),
        tuple(lets),
        results,
        item.doc,
        item.span,
        item.name.span,
        item.inputs[0].span,
    )
    if too_deep(net, item.name, bag):
        return None
    return None if too_much(layer_written(net), limits.OPERATIONS, item.name, bag) else net


def _results(item: ast.Net, formula: Formula, targets: tuple[ir.Shape, ...], bag: Bag) -> tuple[ir.Expr, ...] | None:
    """What the map gives, one formula for each result."""
    written = item.body.result
    parts = written.items if isinstance(written, ast.Tuple) else (written,)
    if len(parts) != len(targets):
        title = f"the net has {len(targets)} result{'s' * (len(targets) > 1)}, its map gives {len(parts)}"
        bag.error("E0304", written.span, title, "one formula for each result")
        return None
    found: list[Typed] = []
    for part, target, place in zip(parts, targets, item.outputs, strict=True):
        typed = formula.expr(part)
        if typed is None:
            continue
        if typed.shape is None or typed.shape == target:
            found.append(typed)
            continue
        bag.error(
            "E0301",
            part.span,
            f"the result is `{typed.shape}`, the net gives `{target}`",
            str(typed.shape),
            also=(Label(place.span, "declared here"),),
        )
    return tuple(typed.expr for typed in found) if len(found) == len(targets) else None
