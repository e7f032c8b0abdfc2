"""Elaboration of a layer: formals, members, ties and formula to one `ir.Layer`."""

from __future__ import annotations

from mintdsl import limits
from mintdsl.core import ir, ties
from mintdsl.core.acts import act_item, find_act
from mintdsl.core.applied import Applied
from mintdsl.core.claim_words import CLAIMS
from mintdsl.core.flow_uses import Resolve
from mintdsl.core.formals import bind_formals
from mintdsl.core.formula import Formula
from mintdsl.core.from_data import check_from_data
from mintdsl.core.header import bind_claims, bind_context, bind_shape, unused_context
from mintdsl.core.net_params import declare_net
from mintdsl.core.order_items import find_order
from mintdsl.core.orders import DEFAULT_ORDER, Order
from mintdsl.core.params import check_inits, declare
from mintdsl.core.parts import find_split, is_split, positions
from mintdsl.core.scope import Locals, Scope
from mintdsl.core.spaces import member_space
from mintdsl.core.structure import is_join, join
from mintdsl.core.typed import Typed
from mintdsl.core.values import IndexName, Stop, Values, Variable, not_yet, too_many
from mintdsl.core.walks import layer_written, too_deep, too_much
from mintdsl.diagnostics.model import Bag, Fix, Label, Severity
from mintdsl.records import replace
from mintdsl.source import Span
from mintdsl.syntax import ast


def elaborate_layer(item: ast.Layer, scope: Scope, bag: Bag, resolve: Resolve) -> ir.Layer | None:
    """The typed core of `item`; None when anything in it was reported as an error."""
    own = Bag(bag)
    try:
        layer = Elaboration(item, Values(Locals(scope, f"the layer `{item.name.id}`"), own), resolve).run()
    except Stop:
        layer = None
    bag.extend(own.sorted())
    return None if own.has_errors else layer


class Elaboration:
    """One run over one layer, or what a net has in common with one."""

    def __init__(self, item: ast.Layer | ast.Net, values: Values, resolve: Resolve) -> None:
        self.item = item
        self.values = values
        self.bag = values.bag
        self.resolve = resolve

    @property
    def shape_span(self) -> Span:
        """Where the shape stands."""
        return self.item.shape.span if isinstance(self.item, ast.Layer) else self.item.inputs[0].span

    def run(self) -> ir.Layer | None:
        item, values = self.item, self.values
        assert isinstance(item, ast.Layer)
        formals = bind_formals(item.formals, values, positions(item))
        shape = bind_shape(item.shape, values)
        if shape is None:
            raise Stop
        given = bind_context(item.given, shape, values)
        found_claims = bind_claims(item.claims, values, tuple(CLAIMS), "a layer")
        order = self.first_members(shape)
        params = self.params(shape)
        solved = ties.solve([m for m in item.members if isinstance(m, ast.Tie)], params, values)
        for name, param in solved.items():
            values.names.values[name] = param
        check_inits(solved, self.bag)
        if given is not None:
            values.names.define(item.given[0].name, Variable(given.shape, given=True), self.bag)
        layers = Applied(values, self.resolve, given)
        formula = Formula(values, find_act, layer=layers.apply)
        lets, result = self._body(formula, shape)
        self.unused(solved, formula)
        passed_on = any(isinstance(p.kind, ir.LayerParam) and p.kind.given is not None for p in layers.params.values())
        if given is not None and result is not None and given.name not in formula.used and not passed_on:
            unused_context(given, f"the layer `{item.name.id}`", self.bag)
        if result is None or order is None or (formula.split is None) == isinstance(result.expr, ir.Join):
            return None
        applied = tuple(layers.params.values())
        if too_many(len(solved) + len(applied), limits.PARAMS, item.name.span, self.bag):
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
            )
            + applied,
            variable=item.body.args[0].id,
            lets=tuple(lets),
            result=result.expr,
            split=formula.split,
            given=given,
            doc=item.doc,
            span=item.span,
            name_span=item.name.span,
            shape_span=item.shape.span,
        )
        if too_deep(layer, item.name, self.bag) or too_much(
            layer_written(layer), limits.OPERATIONS, item.name, self.bag
        ):
            return None
        check_from_data(layer, self.bag)
        return layer

    def first_members(self, shape: ir.Shape) -> Order | ir.FormalOrder | None:
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
                    values.names.define(member.name, member_space(member, shape, self.shape_span, values), self.bag)
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

    def params(self, shape: ir.Shape) -> dict[str, ir.Param]:
        members = [m for m in self.item.members if isinstance(m, ast.Param)]
        count = sum(len(m.binders) for m in members)
        if too_many(count, limits.PARAMS, self.item.name.span, self.bag):
            raise Stop
        return {p.name: p for m in members for p in self._declared(m, shape)}

    def _declared(self, node: ast.Param, shape: ir.Shape) -> list[ir.Param]:
        if isinstance(node.kind, ast.KindNet):
            return declare_net(node, node.kind, shape, self.values, self.resolve)
        net = isinstance(self.item, ast.Net)
        return declare(node, node.kind, shape, self.shape_span, self.values, net=net)

    def _body(self, formula: Formula, shape: ir.Shape) -> tuple[list[ir.Let], Typed | None]:
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
        lets = self.lets(formula, shape)
        last = body.result
        if isinstance(last, ast.Apply) and is_join(last) and isinstance(self.item, ast.Layer):
            result = join(last, formula.split, shape, formula.expr, self.bag)
        else:
            result = formula.expr(last)
            if result is not None and formula.split is not None:
                self.bag.error(
                    "E0213",
                    last.span,
                    "a layer that splits its variable ends in `join`",
                    "not a join",
                    also=(Label(formula.split.span, "cut into parts here"),),
                )
                return lets, None
        if result is not None and result.shape is not None and result.shape != shape:
            self.bag.error(
                "E0301",
                body.result.span,
                f"the result is `{result.shape}`, the layer is on `{shape}`",
                str(result.shape),
                also=(Label(self.shape_span, "declared here"),),
            )
            return lets, None
        return lets, result

    def _split(self, item: ast.Let, formula: Formula, shape: ir.Shape) -> None:
        """Cut the variable: from here on formulas read its parts."""
        if formula.split is not None:
            not_yet(self.bag, item.span, "a second split")
        values, variable = self.values, self.item.body.args[0].id
        split = find_split(item, variable, shape, values)
        for k, name in enumerate(item.names):
            part = None if split is None else Variable(split.shapes[k])
            values.names.define(name, part, self.bag)
        if split is None:
            raise Stop
        if variable in formula.read:
            self.bag.error(
                "E0213",
                formula.read[variable],
                f"`{variable}` is read as a whole and in parts",
                "read as a whole here",
                also=(Label(item.span, "cut into parts here"),),
                fixes=(Fix(f"read its parts: {', '.join(f'`{p}`' for p in split.parts)}"),),
            )
        formula.split, formula.whole = split, variable

    def lets(self, formula: Formula, shape: ir.Shape) -> list[ir.Let]:
        """The lets of the members and of the map, in order; their names are defined."""
        found = []
        for item in (*(m for m in self.item.members if isinstance(m, ast.Let)), *self.item.body.lets):
            if is_split(item) and isinstance(self.item, ast.Layer):
                self._split(item, formula, shape)
                continue
            for name, bound in zip(item.names, formula.let(item), strict=True):
                self.values.names.define(name, bound, self.bag)
                if bound is not None:
                    found.append(bound.let)
        return found

    def unused(self, params: dict[str, ir.Param], formula: Formula) -> None:
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
