"""Orders by name: registered, formals, or declared by the program as rows of integer combinations of coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.orders import COORDINATES, ORDERS, Order
from mintdsl.core.scope import Entry, unknown
from mintdsl.core.values import Values, not_yet, too_many
from mintdsl.diagnostics.model import Bag
from mintdsl.syntax import ast
from mintdsl.syntax.chains import chain


def find_order(name: ast.Name, shape: ir.Shape, values: Values) -> Order | ir.FormalOrder | None:
    """The order called `name`, for an index set of the kind of `shape`."""
    local = values.names.values.get(name.id)
    if isinstance(local, ir.FormalOrder):
        return local
    order = ORDERS.get(name.id)
    entry = values.names.scope.entries.get(name.id)
    if order is None and entry is not None and isinstance(entry.item, ast.OrderDef):
        order = file_order(entry, entry.item, values)
        if order is None:
            return None
    if order is None:
        if name.id == "parts":
            not_yet(values.bag, name.span, "the order `parts`")
        if not values.names.silent(name.id):
            declared = values.names.named((ir.FormalOrder,), "order")
            unknown(name, [*ORDERS, *declared], values.bag, "the orders", what="order")
        return None
    if shape.kind not in ("Any", order.space):
        values.bag.error(
            "E0304",
            name.span,
            f"the order `{name.id}` is one of {order.space}, this layer acts on {shape}",
            f"its coordinates are {', '.join(COORDINATES[order.space])}",
        )
        return None
    return order


def file_order(entry: Entry, item: ast.OrderDef, values: Values) -> Order | None:
    """The order that a file declares."""
    found = values.once(entry, item.name, lambda outer: order_item(item, outer.bag))
    assert found is None or isinstance(found, Order)
    return found


def order_item(item: ast.OrderDef, bag: Bag) -> Order | None:
    """The rows of a declared order; its coordinates tell its space."""
    if too_many(len(item.keys), limits.KEYS, item.name.span, bag):
        return None
    used = [name for key in item.keys for name in _names(key)]
    for space, coordinates in COORDINATES.items():
        if set(used) <= set(coordinates) and used:
            rows = [_row(key, coordinates) for key in item.keys]
            good = [row for row in rows if row is not None]
            if len(good) == len(rows):
                return Order(item.name.id, space, tuple(good))
    bag.error(
        "E0211",
        item.keys[0].span.to(item.keys[-1].span),
        "an order is a tuple of integer combinations of coordinates",
        "coordinates: c h w on Image, i on Vec, t d on Seq",
    )
    return None


def _names(expr: ast.Expr) -> Iterator[str]:
    waiting = [expr]
    while waiting:
        match waiting.pop():
            case ast.Name(id=name):
                yield name
            case ast.Neg(operand=inner):
                waiting.append(inner)
            case ast.Binary(left=left, right=right):
                waiting += (left, right)
            case _:
                pass


def _row(expr: ast.Expr, coordinates: tuple[str, ...]) -> tuple[int, ...] | None:
    """Coefficients of an integer combination of coordinates."""
    linear = _linear(expr)
    if linear is None or "" in linear:
        return None
    row = tuple(linear.get(name, 0) for name in coordinates)
    return row if all(abs(v) <= 10**6 for v in row) else None


def _linear(expr: ast.Expr) -> Mapping[str, int] | None:
    match expr:
        case ast.Name():
            return {expr.id: 1}
        case ast.Number(value=int() as value):
            return {"": value}
        case ast.Neg():
            inner = _linear(expr.operand)
            return None if inner is None else {k: -v for k, v in inner.items()}
        case ast.Binary():
            first, operations = chain(expr)
            total = _linear(first)
            for operation in operations:
                right = _linear(operation.right)
                total = None if total is None or right is None else _operation(operation.op, total, right)
            return total
        case _:
            return None


def functional(expr: ast.Expr, coordinates: tuple[str, ...]) -> tuple[int, ...] | None:
    """Coefficients of an integer combination of coordinates, then a constant; None for anything else."""
    linear = _linear(expr)
    if linear is None or not set(linear) <= {"", *coordinates} or not any(linear.get(c, 0) for c in coordinates):
        return None
    row = tuple(linear.get(name, 0) for name in (*coordinates, ""))
    return row if all(abs(v) <= 10**6 for v in row) else None


def _operation(op: str, left: Mapping[str, int], right: Mapping[str, int]) -> Mapping[str, int] | None:
    match op:
        case "+" | "-":
            sign = 1 if op == "+" else -1
            result = {k: left.get(k, 0) + sign * right.get(k, 0) for k in {**left, **right}}
        case "*" if set(left) == {""}:
            result = {k: left[""] * v for k, v in right.items()}
        case "*" if set(right) == {""}:
            result = {k: right[""] * v for k, v in left.items()}
        case _:
            return None
    return result if all(abs(v) <= limits.COEFFICIENT.most for v in result.values()) else None
