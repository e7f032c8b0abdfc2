"""Evaluation of everything outside formulas: sizes, numbers, shapes, options, and arguments of formals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from mintdsl.core import ir
from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.inits import INITS
from mintdsl.core.nat import Nat
from mintdsl.core.options import Option, OptionValue
from mintdsl.core.orders import COORDINATES, DIRECTIONS, ORDERS, Order
from mintdsl.core.scope import BUILTIN, Entry, Locals, article, unknown
from mintdsl.core.steps import SHAPES
from mintdsl.diagnostics.model import Bag, Fix, Label
from mintdsl.records import record
from mintdsl.source import Span
from mintdsl.syntax import ast

MAX_NUMBER = 10**15


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


@dataclass(slots=True)
class Values:
    """Evaluates in the scope of one definition; reports to `bag` and returns None where it cannot."""

    names: Locals
    bag: Bag
    active: tuple[str, ...] = ()

    # ------------------------------------------------------------ sizes and numbers

    def nat(self, expr: ast.Expr) -> Nat | None:
        """A size: whole numbers, Nat formals, dims, constants, `+ - *` and `/` by a number."""
        match expr:
            case ast.Number(value=int() as value):
                return Nat.of(value)
            case ast.Name():
                found = self.names.sizes.get(expr.id) or self.lookup(expr)
                if isinstance(found, Nat) or found is None:
                    return found
                return self.wrong(expr.span, "a size", f"`{expr.id}` is {describe(found)}")
            case ast.Binary():
                left, right = self.nat(expr.left), self.nat(expr.right)
                if left is None or right is None:
                    return None
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
            case ast.Neg():
                return self.wrong(expr.span, "a size", "sizes are not negative")
            case _:
                return self.wrong(expr.span, "a size", "not a whole number")

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
                left, right = self._number(expr.left), self._number(expr.right)
                if left is None or right is None:
                    return None
                if expr.op == "/" and right == 0:
                    return self.wrong(expr.right.span, "a number other than 0", "division by zero")
                result = {"+": left + right, "-": left - right, "*": left * right}.get(expr.op)
                return left / right if result is None else result
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
                return self.wrong(expr.span, "a number", "not a number")

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
        unknown(name, self.names.candidates(), self.bag, self.names.where)
        return None

    def entry(self, entry: Entry) -> object | None:
        """The value of a definition at the top of a file: a constant's number, else the entry itself."""
        if not isinstance(entry.item, ast.Const):
            return entry
        outer = self.outer(entry, entry.item.name)
        value = outer.number(entry.item.value) if outer else None
        return Nat.of(int(value)) if value is not None and value.is_integer() and value >= 0 else value

    def outer(self, entry: Entry, name: ast.Name) -> Values | None:
        """Evaluates in the file that defines `entry`; None, and a report, if that definition needs itself."""
        if entry.key in self.active:
            self.bag.error("E0212", name.span, f"`{name.id}` is defined by itself", "needs its own value")
            return None
        locals_ = Locals(self.names.scope.files[entry.file], "this file")
        return Values(locals_, self.bag, (*self.active, entry.key))

    def wrong(self, span: Span, wanted: str, label: str) -> None:
        """Report a value of the wrong type."""
        self.bag.error("E0211", span, f"{wanted} is needed here", label)

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
            unknown(name, [*SHAPES, *self.names.candidates()], self.bag, self.names.where, what="shape")
            return None
        if isinstance(entry.item, ast.Space):
            if entry.item.options:
                not_yet(self.bag, entry.item.span, "a space with options")
            outer = self.outer(entry, entry.item.name)
            return outer.shape(entry.item.shape) if outer else None
        return self.wrong(shape.span, "a shape", f"`{name.id}` is {article(entry.kind)}")

    # ------------------------------------------------------------ options

    def options(
        self, args: tuple[ast.Arg, ...], options: tuple[Option, ...], what: str, span: Span
    ) -> dict[str, OptionValue] | None:
        """Values of options by name, defaults filled in; positional arguments take the options' order."""
        found: dict[str, OptionValue] = {}
        by_name = {o.name: o for o in options}
        good = True
        for position, arg in enumerate(args):
            if arg.cmp not in (None, "="):
                self.bag.error("E0209", arg.span, f"{what} takes no bound here", "write `name = value`")
                good = False
                continue
            if arg.name is not None:
                option = by_name.get(arg.name.id)
                if option is None:
                    unknown(arg.name, by_name, self.bag, what, code="E0209", what=f"option of {what}:")
                    good = False
                    continue
            elif position < len(options):
                option = options[position]
            else:
                count = "no options" if not options else f"{len(options)} option{'s' * (len(options) > 1)}"
                self.bag.error("E0209", arg.span, f"{what} takes {count}", "one too many")
                good = False
                continue
            value = self._option(option, arg.value)
            if value is None or option.name in found:
                good = False
                if value is not None:
                    self.bag.error("E0204", arg.span, f"option `{option.name}` is given twice", "given again here")
                continue
            found[option.name] = value
        for option in options:
            if option.name in found:
                continue
            if option.default is None:
                if good:
                    self.bag.error("E0210", span, f"{what} needs the option `{option.name}`", f"{option} is missing")
                good = False
            else:
                found[option.name] = option.default
        return found if good else None

    def _option(self, option: Option, expr: ast.Expr) -> OptionValue | None:
        if option.type in ("choice", "param"):
            if isinstance(expr, ast.Name) and (option.type == "param" or expr.id in option.choices):
                return expr.id
            shown = expr.id if isinstance(expr, ast.Name) else "this"
            self.bag.error(
                "E0209",
                expr.span,
                f"`{shown}` is no value of the option `{option.name}`",
                f"one of: {', '.join(option.choices)}",
            )
            return None
        if option.type == "nat":
            return self.whole(expr)
        if isinstance(expr, ast.Name) and isinstance(self.names.values.get(expr.id), RealFormal):
            return expr.id
        value = self.number(expr)
        if value is not None and option.positive and value <= 0:
            self.bag.error(
                "E0209", expr.span, f"the option `{option.name}` must be > 0, it is {value:g}", "not positive"
            )
            return None
        return value

    # ------------------------------------------------------------ acts, inits, orders

    def init(self, call: ast.Call) -> ir.InitCall | None:
        """An initialisation, or a formal that stands for one."""
        local = self.names.values.get(call.name.id)
        if isinstance(local, ir.InitCall):
            return local
        info = INITS.get(call.name.id)
        if info is None:
            if not self.names.silent(call.name.id):
                unknown(call.name, [*INITS, *self.names.values], self.bag, "the initialisations", what="initialisation")
            return None
        if not info.ready:
            not_yet(self.bag, call.span, f"the initialisation `{info.name}`")
        options = self.options(call.args, info.options, f"`{info.name}`", call.span)
        if options is None:
            return None
        return ir.InitCall(info.name, tuple(_text(options[o.name]) for o in info.options))

    def act(self, name: ast.Name, args: tuple[ast.Arg, ...], span: Span) -> ir.Act | None:
        """An activation: registered (with options), defined by the program, or a formal."""
        local = self.names.values.get(name.id)
        if local is not None:
            if isinstance(local, (ir.BuiltinAct, ir.DefinedAct, ir.FormalAct)) and not args:
                return local
            return self.wrong(span, "an activation", f"`{name.id}` is {describe(local)}")
        if self.names.silent(name.id):
            return None
        entry = self.names.scope.entries.get(name.id)
        if entry is not None:
            if isinstance(entry.item, (ast.ActNamed, ast.ActDefined)):
                outer = self.outer(entry, entry.item.name)
                return outer.act_item(entry.item) if outer else None
            return self.wrong(span, "an activation", f"`{name.id}` is {article(entry.kind)}")
        info = ACTIVATIONS.get(name.id)
        if info is None:
            if name.id in BUILTIN:
                if BUILTIN[name.id] == "a function":
                    not_yet(self.bag, span, f"the function `{name.id}`")
                return self.wrong(span, "an activation", f"`{name.id}` is {BUILTIN[name.id]}")
            unknown(name, [*ACTIVATIONS, *self.names.candidates()], self.bag, self.names.where, what="activation")
            return None
        options = self.options(args, info.options, f"`{info.name}`", span)
        if options is None:
            return None
        return ir.BuiltinAct(info.name, tuple(_real(options[o.name]) for o in info.options))

    def act_item(self, item: ast.ActNamed | ast.ActDefined) -> ir.Act | None:
        """The activation that an `act` defines."""
        if isinstance(item, ast.ActNamed):
            return self.act(item.base, item.args, item.span)
        from mintdsl.core.formula import act_body  # formulas evaluate acts: the two need each other

        return act_body(item, self)

    def order(self, name: ast.Name, shape: ir.Shape) -> Order | ir.FormalOrder | None:
        """The order called `name`, for an index set of the kind of `shape`."""
        local = self.names.values.get(name.id)
        if isinstance(local, ir.FormalOrder):
            return local
        order = ORDERS.get(name.id)
        entry = self.names.scope.entries.get(name.id)
        if order is None and entry is not None and isinstance(entry.item, ast.OrderDef):
            order = self.order_item(entry.item)
            if order is None:
                return None
        if order is None:
            if name.id == "parts":
                not_yet(self.bag, name.span, "the order `parts`")
            if not self.names.silent(name.id):
                declared = [n for n, e in self.names.scope.entries.items() if e.kind == "order"]
                unknown(name, [*ORDERS, *declared], self.bag, "the orders", what="order")
            return None
        if shape.kind not in ("Any", order.space):
            self.bag.error(
                "E0304",
                name.span,
                f"the order `{name.id}` is one of {order.space}, this layer acts on {shape}",
                f"its coordinates are {', '.join(COORDINATES[order.space])}",
            )
            return None
        return order

    def order_item(self, item: ast.OrderDef) -> Order | None:
        """The rows of a declared order; its coordinates tell its space."""
        used = [name for key in item.keys for name in _names(key)]
        for space, coordinates in COORDINATES.items():
            if set(used) <= set(coordinates) and used:
                rows = [_row(key, coordinates) for key in item.keys]
                good = [row for row in rows if row is not None]
                if len(good) == len(rows):
                    return Order(item.name.id, space, tuple(good))
        self.bag.error(
            "E0211",
            item.keys[0].span.to(item.keys[-1].span),
            "an order is a tuple of integer combinations of coordinates",
            "coordinates: c h w on Image, i on Vec, t d on Seq",
        )
        return None

    # ------------------------------------------------------------ formals and arguments

    def formals(self, formals: tuple[ast.Formal, ...]) -> tuple[ir.Formal, ...]:
        """Define the formals of a definition."""
        result = []
        for formal in formals:
            if formal.type.id not in FORMAL_TYPES:
                unknown(formal.type, FORMAL_TYPES, self.bag, "the types of formals", what="type")
                self.names.define(formal.name, None, self.bag)
                continue
            default = None
            if formal.default is not None:
                default = self.argument(formal.default, formal.type.id, formal.name.id)
                if default is not None and mentions_formals(default):
                    not_yet(self.bag, formal.default.span, "a default that depends on another formal")
            self.names.define(formal.name, _symbol(formal), self.bag)
            result.append(ir.Formal(formal.name.id, formal.type.id, default, formal.span))
        return tuple(result)

    def argument(self, expr: ast.Expr, type_: str, formal: str) -> ir.Argument | None:
        """The value of `expr` as an argument of a formal of type `type_`."""
        if type_ == "Nat":
            return self.nat(expr)
        if type_ == "Real":
            if isinstance(expr, ast.Name) and isinstance(self.names.values.get(expr.id), RealFormal):
                not_yet(self.bag, expr.span, "a Real formal passed on to another definition")
            return self.number(expr)
        if isinstance(expr, ast.Apply) and isinstance(expr.fn, ast.Name):
            name, args = expr.fn, expr.args
        elif isinstance(expr, ast.Name):
            name, args = expr, ()
        else:
            return self.wrong(expr.span, f"{article(TYPE_NAMES[type_])}", f"`{formal}` has type {type_}")
        if type_ in ("Act", "Init"):
            call = ast.Call(name, args, expr.span)
            found = self.act(name, args, expr.span) if type_ == "Act" else self.init(call)
            if found is not None and mentions_reals(found):
                not_yet(self.bag, expr.span, "a Real formal passed on to another definition")
            return found
        if type_ == "Order":
            return self.order(name, ir.Shape("Any", ()))
        return self.direction(name)

    def direction(self, name: ast.Name) -> ir.Direction | None:
        """`lower`, `upper`, or a Dir formal."""
        if name.id in DIRECTIONS:
            return name.id
        value = self.names.values.get(name.id)
        if isinstance(value, DirFormal):
            return value.name
        if self.names.silent(name.id):
            return None
        if value is None and name.id not in BUILTIN:
            candidates = [*DIRECTIONS, *(n for n, v in self.names.values.items() if isinstance(v, DirFormal))]
            unknown(name, candidates, self.bag, self.names.where, what="direction")
            return None
        kind = describe(value) if value is not None else BUILTIN[name.id]
        self.bag.error(
            "E0211",
            name.span,
            f"a direction (lower or upper) is needed here; `{name.id}` is {kind}",
            "not a direction",
            also=(Label(self.names.places[name.id], "declared here"),) if name.id in self.names.places else (),
            fixes=(Fix("a direction has type Dir; the order of a layer is given once, by its member `order NAME`"),),
        )
        return None


def mentions_formals(value: ir.Argument) -> bool:
    """Whether an argument depends on a formal of the definition it stands in."""
    match value:
        case Nat():
            return bool(value.symbols)
        case str():
            return value not in DIRECTIONS
        case ir.FormalAct() | ir.FormalOrder():
            return True
        case ir.InitCall():
            return value.formal or mentions_reals(value)
        case ir.BuiltinAct() | ir.DefinedAct():
            return mentions_reals(value)
        case _:
            return False


def mentions_reals(value: ir.Act | ir.InitCall) -> bool:
    """Whether an activation or initialisation contains a Real formal."""
    match value:
        case ir.FormalAct():
            return False
        case ir.InitCall():
            return value.name != "fan_in_uniform" and any(isinstance(o, str) for o in value.options)
        case ir.BuiltinAct():
            return any(isinstance(o, str) for o in value.options)
        case ir.DefinedAct():
            stack: list[ir.Expr] = [value.body]
            while stack:
                node = stack.pop()
                match node:
                    case ir.Scalar(value=str()):
                        return True
                    case ir.Apply():
                        if isinstance(node.act, ir.FormalAct) or mentions_reals(node.act):
                            return True
                        stack.append(node.arg)
                    case ir.Neg():
                        stack.append(node.arg)
                    case ir.Binary():
                        stack += [node.left, node.right]
                    case _:
                        pass
            return False


FORMAL_TYPES = ("Nat", "Real", "Dir", "Order", "Act", "Init")
TYPE_NAMES = {
    "Nat": "size",
    "Real": "number",
    "Dir": "direction",
    "Order": "order",
    "Act": "activation",
    "Init": "initialisation",
}


def _symbol(formal: ast.Formal) -> object:
    name = formal.name.id
    match formal.type.id:
        case "Nat":
            return Nat.symbol(name)
        case "Real":
            return RealFormal(name)
        case "Dir":
            return DirFormal(name)
        case "Order":
            return ir.FormalOrder(name)
        case "Act":
            return ir.FormalAct(name)
        case _:
            return ir.InitCall(name, (), formal=True)


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
            return "a parameter"
        case IndexName():
            return "an index"
        case Entry():
            return article(value.kind)
        case str():
            return value
        case _:
            return "a variable of the map"


def _text(value: OptionValue) -> float | str:
    return value if isinstance(value, str) else _real(value)


def _real(value: OptionValue) -> float | str:
    assert not isinstance(value, tuple)
    return value if isinstance(value, str) else float(value)


def _names(expr: ast.Expr) -> list[str]:
    match expr:
        case ast.Name():
            return [expr.id]
        case ast.Neg():
            return _names(expr.operand)
        case ast.Binary():
            return _names(expr.left) + _names(expr.right)
        case _:
            return []


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
        case ast.Binary(op="+" | "-"):
            left, right = _linear(expr.left), _linear(expr.right)
            if left is None or right is None:
                return None
            sign = 1 if expr.op == "+" else -1
            return {k: left.get(k, 0) + sign * right.get(k, 0) for k in {**left, **right}}
        case ast.Binary(op="*"):
            left, right = _linear(expr.left), _linear(expr.right)
            if left is None or right is None:
                return None
            if set(left) == {""}:
                return {k: left[""] * v for k, v in right.items()}
            if set(right) == {""}:
                return {k: right[""] * v for k, v in left.items()}
            return None
        case _:
            return None
