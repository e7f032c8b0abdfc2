"""Elementwise bijections in formulas, `rq_spline(b, widths = w, ...)`: parameters, options, numbers for each element.

What cannot be typed is reported once and becomes None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mintdsl.core import ir
from mintdsl.core.bijections import BIJECTIONS, Bijection
from mintdsl.core.nat import Nat, TooLarge
from mintdsl.core.option_values import bind_options
from mintdsl.core.options import OptionValue
from mintdsl.core.scope import unknown
from mintdsl.core.typed import Typed
from mintdsl.core.values import Values, not_yet, too_large
from mintdsl.diagnostics.model import Fix, Label
from mintdsl.records import replace
from mintdsl.syntax import ast

Elaborate = Callable[[ast.Expr], Typed | None]


def bend(node: ast.Apply, info: Bijection, expr: Elaborate, values: Values) -> Typed | None:
    """The bijection `info` of an expression; its parameters have the channels of each element side by side."""
    if not isinstance(node.fn, ast.Name):
        values.bag.error("E0213", node.fn.span, f"`{info.name}` takes no indices", "not a formula")
        return None
    given = _given(node, info, values)
    options = [arg for arg in node.args if arg.name is not None and arg.name.id not in info.parameters]
    numbers = bind_options(tuple(options), info.options, f"`{info.name}`", node.span, values) if given else None
    typed = [expr(arg.value) for arg in given or ()]
    if given is None or numbers is None or None in typed:
        return None
    known = _numbers(node, info, numbers, values)
    if known is None:
        return None
    whole, *params = [one for one in typed if one is not None]
    if whole.shape is None or whole.shape.kind == "Any":
        what = whole.shape or "a number"
        title = f"`{info.name}` takes an Image, a Vec or a Seq"
        values.bag.error("E0304", given[0].value.span, title, f"this is {what}")
        return None
    shape = whole.shape
    try:
        count = _count(given, info, shape, [one.shape for one in params], known, values)
    except TooLarge:
        count = too_large(values.bag, node.span)
    if count is None:
        return None
    taken = tuple(one.expr for one in params)
    each = zip(params, info.fewer, strict=True)
    own = tuple(_own(one.shape, shape, count - Nat.of(less)) for one, less in each)
    return Typed(ir.Bend(info.name, whole.expr, taken, count, known, shape, own, node.span), shape)


def _given(node: ast.Apply, info: Bijection, values: Values) -> list[ast.Arg] | None:
    """The arguments that are formulas: what is bent, then the parameters in their order."""
    words = (*info.parameters, *(option.name for option in info.options))
    found: dict[str, ast.Arg] = {}
    good = True
    for position, arg in enumerate(node.args):
        name = "" if arg.name is None else arg.name.id
        if arg.name is not None and name not in words:
            unknown(arg.name, words, values.bag, f"`{info.name}`", code="E0209", what=f"argument of `{info.name}`:")
            good = False
        elif (arg.name is None and position) or arg.cmp not in (None, "="):
            title, pair = (
                f"the parameters of `{info.name}` are given by name",
                f"{info.parameters[0]} = {info.letters[0]}",
            )
            values.bag.error("E0209", arg.span, title, f"`{pair}`")
            good = False
        elif name in found:
            values.bag.error("E0204", arg.span, f"`{name}` is given twice", "given again here")
            good = False
        elif name in ("", *info.parameters):
            found[name] = arg
    missing = [f"`{name}`" if name else "an argument" for name in ("", *info.parameters) if name not in found]
    if missing and good:
        title = f"`{info.name}` needs {', '.join(missing)}"
        values.bag.error("E0210", node.span, title, "missing", fixes=(Fix(f"write `{info.call}`"),))
    return [found[name] for name in ("", *info.parameters)] if good and not missing else None


def _numbers(
    node: ast.Apply, info: Bijection, numbers: dict[str, OptionValue], values: Values
) -> tuple[float, ...] | None:
    """The values of the options, if floats can hold such a bijection; reported if not."""
    written = {arg.name.id: arg.span for arg in node.args if arg.name is not None}
    known = [value for option in info.options if isinstance(value := numbers[option.name], float)]
    if len(known) < len(info.options):
        names = " or ".join(f"`{option.name}`" for option in info.options)
        not_yet(values.bag, node.span, f"a Real formal as {names} of `{info.name}`")
    good = True
    for option, value, (low, high) in zip(info.options, known, info.limits, strict=True):
        if not low <= value <= high:
            title = f"the option `{option.name}` is {value:g}, and must lie in [{low:g}, {high:g}]"
            values.bag.error("E0209", written.get(option.name, node.span), title, "a spline that floats cannot hold")
            good = False
    return tuple(known) if good else None


def _count(
    given: list[ast.Arg],
    info: Bijection,
    shape: ir.Shape,
    params: list[ir.Shape | None],
    options: Sequence[float],
    values: Values,
) -> Nat | None:
    """How many values the parameters have for each element of `shape`."""
    first = params[0]
    count = None if first is None else _each(first, shape)
    if count is None:
        wanted = f"`{_with(shape, Nat.symbol(info.count))}` for some number of {info.count}"
        _mismatch(given, info, 0, wanted, shape, first, values)
        return None
    for place, less in enumerate(info.fewer):
        wanted_shape = _with(shape, count - Nat.of(less))
        if _plain(params[place]) != wanted_shape:
            _mismatch(given, info, place, f"`{wanted_shape}` for {count} {info.count}", shape, params[place], values)
            return None
    problem = too_few_or_many(info.name, count.constant, options)
    if problem is not None:
        values.bag.error("E0305", given[1].value.span, *problem)
        return None
    return count


def _each(params: ir.Shape, shape: ir.Shape) -> Nat | None:
    """How many channels `params` has for each one of `shape`; None where that is no one number."""
    axis = _axis(shape)
    count = params.dims[axis].quotient(shape.dims[axis]) if params.kind == shape.kind else None
    return count if count is not None and _with(shape, count) == _plain(params) else None


def _plain(shape: ir.Shape | None) -> ir.Shape | None:
    """The shape without the positions of its elements."""
    return None if shape is None else replace(shape, each=None)


def _own(params: ir.Shape | None, shape: ir.Shape, count: Nat) -> bool:
    """Whether the parameters of each element of `shape` stand where it stands."""
    one = Nat.of(1)
    if params is None or shape.kind != "Vec" or shape.part is not None:
        return False
    return (params.each or one) == count * (shape.each or one)


def _axis(shape: ir.Shape) -> int:
    return 1 if shape.kind == "Seq" else 0


def _with(shape: ir.Shape, count: Nat) -> ir.Shape:
    """`count` channels for each one of `shape`; of a part of a mask the parameters have all places."""
    axis = _axis(shape)
    dims = [count * size if k == axis else size for k, size in enumerate(shape.dims)]
    return replace(shape, dims=tuple(dims), part=None, each=None)


def _mismatch(
    given: list[ast.Arg],
    info: Bijection,
    place: int,
    wanted: str,
    shape: ir.Shape,
    found: ir.Shape | None,
    values: Values,
) -> None:
    pairs = [f"{name} have {per}" for name, per in zip(info.parameters, info.per, strict=True)]
    values.bag.error(
        "E0301",
        given[place + 1].value.span,
        f"`{info.parameters[place]}` is `{found or 'a number'}`, and must be {wanted}",
        str(found or "a number"),
        also=(Label(given[0].value.span, f"`{shape}` is bent here"),),
        notes=(f"{', '.join(pairs)} values for each element, side by side",),
    )


def too_few_or_many(name: str, count: int | None, options: Sequence[float]) -> tuple[str, str] | None:
    """What to say of a number that a bijection cannot have; a number that is not known is looked at later."""
    info = BIJECTIONS[name]
    if count is not None and count < info.least:
        return f"`{name}` has {count} {info.count[: -1 if count == 1 else None]}, and needs at least {info.least}", (
            f"too few {info.count}"
        )
    floor = next((v for o, v in zip(info.options, options, strict=True) if o.name == "floor"), 0.0)
    if count is not None and count * floor >= 1:
        share = f"{count} {info.count} of at least {floor:g} of the interval each"
        return f"{share}: {count * floor:g} must be below 1", "too many"
    return None
