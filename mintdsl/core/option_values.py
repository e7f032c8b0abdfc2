"""Values of the options that a registry declares: `(anchor = corner)` after a kind, `(0.1)` after an activation."""

from __future__ import annotations

from mintdsl.core.options import Option, OptionValue
from mintdsl.core.scope import unknown
from mintdsl.core.values import RealFormal, Values
from mintdsl.source import Span
from mintdsl.syntax import ast
from mintdsl.syntax.suggest import meant, others, suggest


def bind_options(
    args: tuple[ast.Arg, ...], options: tuple[Option, ...], what: str, span: Span, values: Values
) -> dict[str, OptionValue] | None:
    """Values of options by name, defaults filled in; positional arguments take the options' order."""
    found: dict[str, OptionValue] = {}
    by_name = {o.name: o for o in options}
    good = True
    for position, arg in enumerate(args):
        if arg.cmp not in (None, "="):
            values.bag.error("E0209", arg.span, f"{what} takes no bound here", "write `name = value`")
            good = False
            continue
        if arg.name is not None:
            option = by_name.get(arg.name.id)
            if option is None:
                unknown(arg.name, by_name, values.bag, what, code="E0209", what=f"option of {what}:")
                good = False
                continue
        elif position < len(options):
            option = options[position]
        else:
            count = "no options" if not options else f"{len(options)} option{'s' * (len(options) > 1)}"
            values.bag.error("E0209", arg.span, f"{what} takes {count}", "one too many")
            good = False
            continue
        value = _option(option, arg.value, values)
        if value is None or option.name in found:
            good = False
            if value is not None:
                values.bag.error("E0204", arg.span, f"option `{option.name}` is given twice", "given again here")
            continue
        found[option.name] = value
    for option in options:
        if option.name in found:
            continue
        if option.default is None:
            if good:
                values.bag.error("E0210", span, f"{what} needs the option `{option.name}`", f"{option} is missing")
            good = False
        else:
            found[option.name] = option.default
    return found if good else None


def _option(option: Option, expr: ast.Expr, values: Values) -> OptionValue | None:
    if option.type in ("pair", "tap") and isinstance(expr, ast.Tuple):
        if len(expr.items) != 2:
            title = f"`{option.name}` takes {'one number, or two' if option.type == 'pair' else 'a row and a column'}"
            values.bag.error("E0209", expr.span, title, "rows, columns" if option.type == "pair" else "not two numbers")
            return None
        both = [values.whole(item) for item in expr.items]
        return None if None in both else tuple(n for n in both if n is not None)
    if option.type in ("choice", "param", "tap"):
        if isinstance(expr, ast.Name) and (option.type == "param" or expr.id in option.choices):
            return expr.id
        known = f"one of: {', '.join(option.choices)}{' or (row, column)' * (option.type == 'tap')}"
        title = f"{f'`{expr.id}`' if isinstance(expr, ast.Name) else 'this'} is no value of the option `{option.name}`"
        close = suggest(expr.id, option.choices) if isinstance(expr, ast.Name) else ()
        values.bag.error("E0209", expr.span, title, known, notes=others(close), fixes=meant(expr.span, close))
        return None
    if option.type == "net":
        values.bag.error("E0209", expr.span, f"a net is given by name: `{option.name} = NET`", "no name here")
        return None
    if option.type in ("nat", "pair"):
        return values.whole(expr)
    if option.type == "size":
        return expr.id if isinstance(expr, ast.Name) and expr.id in option.choices else values.nat(expr)
    if isinstance(expr, ast.Name) and isinstance(values.names.values.get(expr.id), RealFormal):
        return expr.id
    value = values.number(expr)
    if value is not None and option.positive and value <= 0:
        values.bag.error("E0209", expr.span, f"the option `{option.name}` must be > 0, it is {value:g}", "not positive")
        return None
    return value
