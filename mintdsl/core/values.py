"""Evaluation of what stands outside formulas: sizes, numbers, names and shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.nat import Nat, TooLarge
from mintdsl.core.orders import Order
from mintdsl.core.scope import BUILTIN, Entry, Known, Locals, article, shortened, unknown
from mintdsl.core.steps import SHAPES
from mintdsl.diagnostics.model import Bag
from mintdsl.records import record
from mintdsl.source import Span
from mintdsl.syntax import ast
from mintdsl.syntax.chains import chain


class Stop(Exception):
    """Elaboration of the current definition ends here; the reason is in the bag."""


@record
class RealFormal:
    """A Real formal, in scope under its own name."""

    name: str


@record
class DirFormal:
    """A Dir formal."""

    name: str


@record
class Variable:
    """The variable of a map or of an activation, a part of it, or context (`given`)."""

    shape: ir.Shape
    given: bool = False


@record
class IndexName:
    """A declared index and its extent."""

    name: str
    extent: Nat


def not_yet(bag: Bag, span: Span, what: str) -> NoReturn:
    """Report a construct that parses but is not built, and stop this definition."""
    bag.error(
        "E0901",
        span,
        f"{what} is not yet in this version",
        "parsed, but neither proved nor generated",
        notes=("`mint list` names what this version can prove",),
    )
    raise Stop


@record
class Values:
    """Evaluates in the scope of one definition; reports to `bag` and returns None where it cannot."""

    names: Locals
    bag: Bag
    active: tuple[str, ...] = ()

    # ------------------------------------------------------------ sizes and numbers

    def nat(self, expr: ast.Expr) -> Nat | None:
        """A size: whole numbers, Nat formals, dims, constants, `+ - *` and `/` by a number."""
        try:
            return self._nat(expr)
        except TooLarge:
            too_large(self.bag, expr.span)
            return None

    def _nat(self, expr: ast.Expr) -> Nat | None:
        match expr:
            case ast.Number(value=int() as value):
                return Nat.of(value)
            case ast.Name():
                found = self.names.sizes.get(expr.id) or self.lookup(expr)
                if isinstance(found, Nat):
                    return found.checked()
                if found is None:
                    return None
                return self.wrong(expr.span, "a size", f"`{expr.id}` is {describe(found)}")
            case ast.Binary():
                first, operations = chain(expr)
                total = self._nat(first)
                for operation in operations:
                    right = self._nat(operation.right)
                    total = None if total is None or right is None else self._sum(operation, total, right)
                return total
            case ast.Neg():
                return self.wrong(expr.span, "a size", "a size is not negative")
            case _:
                return self.wrong(expr.span, "a size", "this is no whole number")

    def _sum(self, expr: ast.Binary, left: Nat, right: Nat) -> Nat | None:
        match expr.op:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case _:
                divisor = right.constant
                if divisor is None or divisor < 1:
                    return self.wrong(
                        expr.right.span, "a whole number to divide by", "a size is divided by numbers only"
                    )
                return left.over(divisor)

    def number(self, expr: ast.Expr) -> float | None:
        """A number: literals, constants and arithmetic; no formals. It must keep its value in every dtype."""
        value = self._number(expr)
        if value is None or fits_every_dtype(value):
            return value
        self.bag.error(
            "E0106",
            expr.span,
            f"the number {value:g} does not fit every floating-point type",
            "numbers are 0 or from 1e-30 to 1e30 in magnitude",
        )
        return None

    def _number(self, expr: ast.Expr) -> float | None:
        match expr:
            case ast.Number():
                return float(expr.value)
            case ast.Neg():
                value = self.number(expr.operand)
                return None if value is None else -value
            case ast.Binary():
                first, operations = chain(expr)
                total = self._number(first)
                for operation in operations:
                    right = self._number(operation.right)
                    if total is None or right is None:
                        total = None
                    elif operation.op == "/" and right == 0:
                        total = self.wrong(operation.right.span, "a number other than 0", "division by zero")
                    else:
                        total = _arithmetic(operation.op, total, right)
                return total
            case ast.Name():
                found = self.lookup(expr)
                if isinstance(found, Nat) and found.constant is not None:
                    return float(found.constant)
                if isinstance(found, float) or found is None:
                    return found
                if isinstance(found, (RealFormal, Nat)):
                    not_yet(self.bag, expr.span, f"a number that depends on the formal `{expr.id}`")
                return self.wrong(expr.span, "a number", f"`{expr.id}` is {describe(found)}")
            case _:
                return self.wrong(expr.span, "a number", "this is none")

    def whole(self, expr: ast.Expr) -> int | None:
        """A size without symbols."""
        value = self.nat(expr)
        if value is None:
            return None
        if value.constant is None:
            return self.wrong(expr.span, "a number", f"`{value}` depends on formals")
        return value.constant

    # ------------------------------------------------------------ names

    def lookup(self, name: ast.Name) -> object | None:
        """The value of a name that is not a formula's: local first, then the file's constants and acts."""
        if name.id in self.names.values:
            return self.names.values[name.id]
        if name.id in self.names.sizes:
            return self.names.sizes[name.id]
        if self.names.silent(name.id):
            return None
        entry = self.names.scope.entries.get(name.id)
        if entry is not None:
            return self.entry(entry)
        if name.id in BUILTIN:
            return BUILTIN[name.id]
        numbers = [*self.names.sizes, *self.names.named((Nat, float, RealFormal), "const")]
        unknown(name, numbers, self.bag, self.names.where)
        return None

    def entry(self, entry: Entry) -> object | None:
        """The value of a definition at the top of a file: a constant's number, else the entry itself."""
        if not isinstance(entry.item, ast.Const):
            return entry
        item = entry.item
        return self.once(entry, item.name, lambda outer: _constant(outer.number(item.value)))

    def once(self, entry: Entry, name: ast.Name, make: Callable[[Values], object | None]) -> object | None:
        """What `make` gives for a definition of a file, worked out once; each user hears what was reported of it.

        None, and a report, if the definition needs itself.
        """
        scope = self.names.scope
        made = scope.made.get(entry.key)
        if made is None:
            if entry.key in self.active or entry.key in scope.pending:
                keys = [*scope.pending, *self.active]
                circle = [key.rpartition("::")[2] for key in keys[keys.index(entry.key) :]]
                notes = (" -> ".join(shortened([*circle, name.id])),) if len(circle) > 1 else ()
                self.bag.error(
                    "E0212", name.span, f"`{name.id}` is defined by itself", "needs its own value", notes=notes
                )
                return None
            own, stopped, value = Bag(self.bag), False, None
            outer = Values(Locals(scope.files[entry.file], "this file"), own, (*self.active, entry.key))
            try:
                value = make(outer)
            except Stop:
                stopped = True
            found = own.sorted()
            self.bag.extend(found)
            made = scope.made[entry.key] = Known(value, found[:10], stopped)
        self.bag.extend(made.diagnostics)
        if made.stopped:
            raise Stop
        return made.value

    def wrong(self, span: Span, wanted: str, label: str) -> None:
        """Report a value of the wrong type; `label` says what it is."""
        self.bag.error("E0211", span, f"{wanted} is needed here: {label}", f"not {wanted}")

    # ------------------------------------------------------------ shapes

    def shape(self, shape: ast.Shape) -> ir.Shape | None:
        """A shape whose names are all defined."""
        name = shape.name
        if name.id in SHAPES:
            if len(shape.dims) != SHAPES[name.id]:
                self.bag.error(
                    "E0304",
                    shape.span,
                    f"`{name.id}` takes {SHAPES[name.id]} sizes, not {len(shape.dims)}",
                    "shapes: Image[C, H, W], Vec[D], Seq[T, D]",
                )
                return None
            dims = [self.nat(d) for d in shape.dims]
            known = tuple(d for d in dims if d is not None)
            return ir.Shape(name.id, known) if len(known) == len(dims) else None
        if name.id in self.names.values:
            value = self.names.values[name.id]
            if isinstance(value, ir.Shape) and not shape.dims:
                return value
            return self.wrong(shape.span, "a shape", f"`{name.id}` is {describe(value)}")
        if self.names.silent(name.id):
            return None
        entry = self.names.scope.entries.get(name.id)
        if entry is None:
            shapes = [*SHAPES, *self.names.named((ir.Shape,), "space")]
            unknown(name, shapes, self.bag, self.names.where, what="shape")
            return None
        if isinstance(entry.item, ast.Space):
            found = self.once(entry, entry.item.name, _space(entry.item))
            assert found is None or isinstance(found, ir.Shape)
            return found
        return self.wrong(shape.span, "a shape", f"`{name.id}` is {article(entry.kind)}")


def too_large(bag: Bag, span: Span) -> None:
    """Report a size beyond the limits of arithmetic with symbols."""
    bag.error(
        "E0305",
        span,
        "this size is too large to compute with",
        f"more than {limits.TERMS.shown} terms, {limits.DEGREE.shown} factors, or a number above "
        f"{limits.COEFFICIENT.shown}",
    )


def too_many(count: int, most: limits.Limit, span: Span, bag: Bag) -> bool:
    """Whether `count` is beyond a limit; reported if so."""
    if count <= most.most:
        return False
    bag.error(most.code, span, f"{count:,} {most.what}; {most.shown} are allowed", "too many")
    return True


def _arithmetic(op: str, left: float, right: float) -> float:
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right


def _constant(value: float | None) -> Nat | float | None:
    return Nat.of(int(value)) if value is not None and value.is_integer() and value >= 0 else value


def _space(item: ast.Space) -> Callable[[Values], ir.Shape | None]:
    def shape(values: Values) -> ir.Shape | None:
        if item.options:
            not_yet(values.bag, item.span, "a space with options")
        return values.shape(item.shape)

    return shape


def fits_every_dtype(value: float) -> bool:
    """Whether a number is 0 or keeps its order of magnitude in float32 and bfloat16."""
    return value == 0 or 1e-30 <= abs(value) <= 1e30


def describe(value: object) -> str:
    """What a value is, for messages."""
    match value:
        case Nat():
            return "a size"
        case float() | RealFormal():
            return "a number"
        case DirFormal():
            return "a direction"
        case ir.FormalOrder() | Order():
            return "an order (a value of type Order)"
        case ir.BuiltinAct() | ir.DefinedAct() | ir.FormalAct():
            return "an activation"
        case ir.InitCall():
            return "an initialisation"
        case ir.Shape():
            return "a shape"
        case ir.Param():
            return "a net" if isinstance(value.kind, ir.NetParam) else "a parameter"
        case IndexName():
            return "an index"
        case Entry():
            return article(value.kind)
        case str():
            return value
        case _:
            return "a variable of the map"
