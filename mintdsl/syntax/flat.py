"""Parts of a program as text on one line, with no more brackets than needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from mintdsl.syntax import ast
from mintdsl.syntax.chains import chain

# How tightly a formula holds together; an operand needs brackets if it is looser than its place.
SUM, PRODUCT, SIGN, POSTFIX = 1, 2, 3, 4


def is_sum(formula: ast.Binary) -> bool:
    """Whether it is a sum or a difference, not a product or a quotient."""
    return formula.op in "+-"


def level(formula: ast.Expr) -> int:
    """How tightly `formula` holds together."""
    match formula:
        case ast.Binary():
            return SUM if is_sum(formula) else PRODUCT
        case ast.Neg():
            return SIGN
    return POSTFIX


def operand(formula: ast.Expr, least: int) -> str:
    """`formula` at a place that wants at least the level `least`."""
    text = expr(formula)
    return text if level(formula) >= least else f"({text})"


def expr(formula: ast.Expr) -> str:
    """A formula."""
    match formula:
        case ast.Name(id=text) | ast.Number(text=text):
            return text
        case ast.Neg(inner):
            return "-" + operand(inner, SIGN)
        case ast.Binary():
            return _chain(formula)
        case ast.Apply(fn, arguments):
            return operand(fn, POSTFIX) + (args(arguments) or "()")
        case ast.At(base, indices):
            return f"{operand(base, POSTFIX)}[{exprs(indices)}]"
        case ast.Reduce(word, indices, body):
            return f"{word}[{names(indices)}]({expr(body)})"
        case ast.Tuple(items):
            return f"({exprs(items)})"
        case _:
            assert_never(formula)


def _chain(formula: ast.Binary) -> str:
    first, operations = chain(formula)
    parts, tight, opened = [expr(first)], level(first), 0
    for operation in operations:
        own = level(operation)
        if tight < own:
            opened += 1
            parts.append(")")
        parts += [" ", operation.op, " ", operand(operation.right, own + 1)]
        tight = own
    return "(" * opened + "".join(parts)


def exprs(formulas: Sequence[ast.Expr]) -> str:
    """Formulas, separated by commas."""
    return ", ".join(expr(formula) for formula in formulas)


def names(items: Sequence[ast.Name]) -> str:
    """Names, separated by commas."""
    return ", ".join(item.id for item in items)


def arg(item: ast.Arg) -> str:
    """One argument."""
    return f"{item.name.id} {item.cmp} {expr(item.value)}" if item.name else expr(item.value)


def args(items: Sequence[ast.Arg]) -> str:
    """Arguments in brackets; nothing if there are none."""
    return f"({', '.join(arg(item) for item in items)})" if items else ""


def spaced(items: Sequence[ast.Arg]) -> str:
    """Options after a space; nothing if there are none."""
    return f" {args(items)}" if items else ""


def call(item: ast.Call) -> str:
    """A name with options."""
    return item.name.id + args(item.args)


def shape(item: ast.Shape) -> str:
    """A shape."""
    return item.name.id + (f"[{exprs(item.dims)}]" if item.dims else "")


def shapes(items: Sequence[ast.Shape]) -> str:
    """Shapes, separated by commas."""
    return ", ".join(shape(item) for item in items)


def results(items: Sequence[ast.Shape]) -> str:
    """What a net gives: one shape, or several in brackets."""
    return shape(items[0]) if len(items) == 1 else f"({shapes(items)})"


def place(item: ast.Place) -> str:
    """Where a parameter acts."""
    return f"on {shape(item.inputs[0])}" if item.endo else f"from {shapes(item.inputs)} to {results(item.outputs)}"


def formal(item: ast.Formal) -> str:
    """One formal with its type and default."""
    default = f" = {expr(item.default)}" if item.default is not None else ""
    return f"{item.name.id}: {item.type.id}{default}"


def claim(item: ast.Claim) -> str:
    """One claim."""
    if isinstance(item, ast.ClaimClass):
        return f"strict {item.name.id}" if item.strict else item.name.id
    if isinstance(item, ast.ClaimKind):
        return f"{item.name.id} {item.kind.id}"
    return f"{item.name.id} {item.cmp} {expr(item.value)}"


def constraint(item: ast.Constraint) -> str:
    """One constraint with its parametrisation."""
    via = f" via {call(item.via)}" if item.via else ""
    return f"{item.name.id} {item.cmp} {expr(item.value)}{via}"


def binder(item: ast.Binder) -> str:
    """A parameter's name with its indices."""
    return item.name.id + (f"[{names(item.indices)}]" if item.indices else "")


def kind(item: ast.KindMap | ast.KindNet) -> str:
    """The kind of a parameter."""
    if isinstance(item, ast.KindNet):
        return f"net {call(item.call)}"
    parts = [item.name.id]
    if item.size is not None:
        parts.append(f"{item.size[0]}x{item.size[1]}")
    if item.strict:
        parts.append("strict")
    if item.direction is not None:
        parts.append(item.direction.id)
    return " ".join(parts) + spaced(item.args)


def pattern(item: ast.Let) -> str:
    """The left side of a `let`."""
    if len(item.names) > 1:
        return f"({names(item.names)})"
    return item.names[0].id + (f"[{names(item.indices)}]" if item.indices else "")


def op(item: ast.Op) -> str:
    """A step on one line."""
    match item:
        case ast.Use(used, log_det):
            return call(used) + (f" log_det {call(log_det)}" if log_det else "")
        case ast.Simple(word, value, options):
            if word == "logit" and value is not None:
                return f"logit({expr(value)})"
            if value is not None:
                return f"{word} {expr(value)}{spaced(options)}"
            return word + (args(options) or ("()" if word == "standardize" else ""))
        case ast.Pad(axis, size):
            return f"pad {axis.id} to {expr(size)}"
        case ast.Repeat(count, inner):
            return f"repeat {expr(count)} {block(inner)}"
        case ast.Pair(inner):
            return f"pair {block(inner)}"
        case ast.Factor(part, options):
            return f"factor {part.id}{spaced(options)}"
        case ast.Ode(field, by, log_det):
            solver = f" by {call(by)}" if by else ""
            return f"ode {call(field)}{solver}" + (f" log_det {call(log_det)}" if log_det else "")
        case ast.Prior(prior):
            return f"prior {call(prior)}"
        case ast.Classify(net):
            return f"classify {call(net)}"
        case _:
            assert_never(item)


def step(item: ast.Step) -> str:
    """A step with its label on one line."""
    return f"{item.label.id}: {op(item.op)}" if item.label else op(item.op)


def block(steps: Sequence[ast.Step]) -> str:
    """Steps in braces on one line."""
    return f"{{ {'  '.join(step(item) for item in steps)} }}" if steps else "{ }"
