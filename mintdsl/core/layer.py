"""Elaboration of a layer: formals, members, ties and formula to one `ir.Layer`."""

from __future__ import annotations

from mintdsl import limits
from mintdsl.core import ir, ties
from mintdsl.core.acts import act_item, find_act
from mintdsl.core.claim_words import CLAIMS
from mintdsl.core.formals import bind_formals
from mintdsl.core.formula import Bound, Formula, Typed, Variable
from mintdsl.core.header import bind_claims, bind_shape
from mintdsl.core.order_items import find_order
from mintdsl.core.orders import DEFAULT_ORDER, Order
from mintdsl.core.params import check_inits, declare
from mintdsl.core.scope import Locals, Scope
from mintdsl.core.values import IndexName, Stop, Values, not_yet, too_many
from mintdsl.core.walks import layer_written, too_much
from mintdsl.diagnostics.model import Bag, Fix, Label, Severity
from mintdsl.records import replace
from mintdsl.source import Span
from mintdsl.syntax import ast


def elaborate_layer(item: ast.Layer, scope: Scope, bag: Bag) -> ir.Layer | None:
    """The typed core of `item`; None when anything in it was reported as an error."""
    own = Bag(bag)
    try:
        layer = _Layer(item, Values(Locals(scope, f"the layer `{item.name.id}`"), own)).run()
    except Stop:
        layer = None
    bag.extend(own.sorted())
    return None if own.has_errors else layer


def elaborate_net(item: ast.Net, scope: Scope, bag: Bag) -> ir.Net | None:
    """The typed core of a net of one input and one output; None when anything in it was reported."""
    own = Bag(bag)
    try:
        net = _Layer(item, Values(Locals(scope, f"the net `{item.name.id}`"), own)).run_net(item)
    except Stop:
        net = None
    bag.extend(own.sorted())
    return None if own.has_errors else net


class _Layer:
    """One run over one layer."""

    def __init__(self, item: ast.Layer | ast.Net, values: Values) -> None:
        self.item = item
        self.values = values
        self.bag = values.bag

    @property
    def shape_span(self) -> Span:
        """Where the shape stands."""
        return self.item.shape.span if isinstance(self.item, ast.Layer) else self.item.inputs[0].span

    def run_net(self, item: ast.Net) -> ir.Net | None:
        """A net: the same members, no claims, no ties; its result may have another shape."""
        values = self.values
        formals = bind_formals(item.formals, values)
        if len(item.inputs) != 1 or len(item.outputs) != 1 or len(item.body.args) != 1:
            not_yet(self.bag, item.name.span, "a net of several inputs or results")
        shape = bind_shape(item.inputs[0], values)
        for dim in item.outputs[0].dims:
            if isinstance(dim, ast.Name) and dim.id not in values.names.sizes and values.names.unknown(dim.id):
                not_yet(self.bag, dim.span, "a size of a result that each use chooses")
        target = values.shape(item.outputs[0])
        if shape is None or target is None:
            raise Stop
        order = self._first_members(shape)
        params = self._params(shape)
        for param in params.values():
            if isinstance(param.kind, ir.Normalize) or getattr(param.kind, "direction", None) is not None:
                not_yet(self.bag, param.span, "a masked map or `normalize` in a net")
            if isinstance(param.kind, ir.Perm) or param.factored:
                not_yet(self.bag, param.span, "`perm`, or a constraint on `det`, in a net")
        for member in item.members:
            if isinstance(member, ast.Tie):
                self.bag.error("E0405", member.span, "a net has no ties", "it claims nothing")
        check_inits(params, self.bag)
        formula = Formula(values, find_act, net=True)
        lets, result = self._body(formula, shape, target)
        self._unused(params, formula)
        if result is None or order is None:
            return None
        net = ir.Net(
            item.name.id,
            formals,
            shape,
            target,
            order,
            tuple((v.name, v.extent) for v in values.names.values.values() if isinstance(v, IndexName)),
            tuple(params.values()),
            item.body.args[0].id,
            tuple(lets),
            result.expr,
            item.doc,
            item.span,
            item.name.span,
            item.inputs[0].span,
        )
        return None if too_much(layer_written(net), limits.OPERATIONS, item.name, self.bag) else net

    def run(self) -> ir.Layer | None:
        item, values = self.item, self.values
        assert isinstance(item, ast.Layer)
        formals = bind_formals(item.formals, values)
        if item.given:
            not_yet(self.bag, item.given[0].span, "`given` context")
        shape = bind_shape(item.shape, values)
        if shape is None:
            raise Stop
        found_claims = bind_claims(item.claims, values, tuple(CLAIMS), "a layer")
        order = self._first_members(shape)
        params = self._params(shape)
        solved = ties.solve([m for m in item.members if isinstance(m, ast.Tie)], params, values)
        for name, param in solved.items():
            values.names.values[name] = param
        check_inits(solved, self.bag)
        formula = Formula(values, find_act)
        lets, result = self._body(formula, shape, shape)
        self._unused(solved, formula)
        if result is None or order is None:
            return None
        layer = ir.Layer(
            name=item.name.id,
            formals=formals,
            shape=shape,
            claims=found_claims,
            order=order,
            indices=tuple((v.name, v.extent) for v in values.names.values.values() if isinstance(v, IndexName)),
            params=tuple(
                replace(p, summed=tuple(i for i in p.indices if i in formula.summed.get(p.name, ())))
                for p in solved.values()
            ),
            variable=item.body.args[0].id,
            lets=tuple(lets),
            result=result.expr,
            doc=item.doc,
            span=item.span,
            name_span=item.name.span,
            shape_span=item.shape.span,
        )
        return None if too_much(layer_written(layer), limits.OPERATIONS, item.name, self.bag) else layer

    def _first_members(self, shape: ir.Shape) -> Order | ir.FormalOrder | None:
        """Indices, spaces, acts and the order: they may be used before they stand."""
        values = self.values
        order: Order | ir.FormalOrder | None = DEFAULT_ORDER[shape.kind]
        orders: list[ast.OrderUse] = []
        indices = [name for member in self.item.members if isinstance(member, ast.Index) for name in member.names]
        if too_many(len(indices), limits.INDICES, self.item.name.span, self.bag):
            raise Stop
        for member in self.item.members:
            match member:
                case ast.Index():
                    extent = values.nat(member.extent)
                    for name in member.names:
                        values.names.define(name, None if extent is None else IndexName(name.id, extent), self.bag)
                case ast.Space():
                    if member.options:
                        not_yet(self.bag, member.span, "a space with options")
                    values.names.define(member.name, values.shape(member.shape), self.bag)
                case ast.OrderUse():
                    orders.append(member)
                case _:
                    pass
        for member in self.item.members:
            if isinstance(member, (ast.ActNamed, ast.ActDefined)):
                values.names.define(member.name, act_item(member, values), self.bag)
        for extra in orders[1:]:
            self.bag.error(
                "E0204",
                extra.span,
                "a layer has one order",
                "a second one",
                also=(Label(orders[0].span, "the first one"),),
            )
        return find_order(orders[0].name, shape, values) if orders else order

    def _params(self, shape: ir.Shape) -> dict[str, ir.Param]:
        members = [m for m in self.item.members if isinstance(m, ast.Param)]
        count = sum(len(m.binders) for m in members)
        if too_many(count, limits.PARAMS, self.item.name.span, self.bag):
            raise Stop
        return {p.name: p for m in members for p in declare(m, shape, self.shape_span, self.values)}

    def _body(self, formula: Formula, shape: ir.Shape, target: ir.Shape) -> tuple[list[ir.Let], Typed | None]:
        values, body = self.values, self.item.body
        if len(body.args) != 1:
            self.bag.error(
                "E0304",
                body.args[1].span,
                "a layer is a formula in one variable",
                "only nets take several",
                notes=("context is declared with `given`",),
            )
            raise Stop
        values.names.define(body.args[0], Variable(shape), self.bag)
        lets = []
        for item in (*(m for m in self.item.members if isinstance(m, ast.Let)), *body.lets):
            bound = formula.let(item)
            for name in item.names:
                values.names.define(name, bound, self.bag)
            if isinstance(bound, Bound):
                lets.append(bound.let)
        result = formula.expr(body.result)
        if result is not None and result.shape is not None and result.shape != target:
            wanted = f"the layer is on `{target}`" if isinstance(self.item, ast.Layer) else f"the net gives `{target}`"
            self.bag.error(
                "E0301",
                body.result.span,
                f"the result is `{result.shape}`, {wanted}",
                str(result.shape),
                also=(Label(self.shape_span, "declared here"),),
            )
            return lets, None
        return lets, result

    def _unused(self, params: dict[str, ir.Param], formula: Formula) -> None:
        if self.bag.has_errors:
            return
        for param in params.values():
            if param.name not in formula.used:
                self.bag.error(
                    "W0201",
                    param.span,
                    f"the parameter `{param.name}` is never used",
                    "not in the formula",
                    fixes=(Fix("remove it"),),
                    severity=Severity.WARNING,
                )
