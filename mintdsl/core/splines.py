"""`rq_spline(b, widths = w, heights = k, slopes = d)` in formulas: its parameters, options and number of bins.

What cannot be typed is reported once and becomes None.
"""

from __future__ import annotations

from collections.abc import Callable

from mintdsl.core import ir
from mintdsl.core.bijections import BIJECTIONS, BOUNDS, LEAST_FLOOR
from mintdsl.core.nat import Nat, TooLarge
from mintdsl.core.option_values import bind_options
from mintdsl.core.scope import unknown
from mintdsl.core.typed import Typed
from mintdsl.core.values import Values, not_yet, too_large
from mintdsl.diagnostics.model import Fix, Label
from mintdsl.records import replace
from mintdsl.syntax import ast

Elaborate = Callable[[ast.Expr], Typed | None]
INFO = BIJECTIONS["rq_spline"]
WORDS = (*INFO.parameters, *(option.name for option in INFO.options))


def spline(node: ast.Apply, expr: Elaborate, values: Values) -> Typed | None:
    """The spline of an expression; its parameters have the channels of their bins side by side."""
    if not isinstance(node.fn, ast.Name):
        values.bag.error("E0213", node.fn.span, "`rq_spline` takes no indices", "not a formula")
        return None
    given = _given(node, values)
    options = [arg for arg in node.args if arg.name is not None and arg.name.id not in INFO.parameters]
    numbers = bind_options(tuple(options), INFO.options, "`rq_spline`", node.span, values) if given else None
    typed = [expr(arg.value) for arg in given or ()]
    if given is None or numbers is None or None in typed:
        return None
    bound, floor = numbers["bound"], numbers["floor"]
    if not isinstance(bound, float) or not isinstance(floor, float):
        not_yet(values.bag, node.span, "a Real formal as `bound` or `floor` of `rq_spline`")
    if not _in_range(node, bound, floor, values):
        return None
    whole, *params = [one for one in typed if one is not None]
    if whole.shape is None or whole.shape.kind == "Any":
        what = whole.shape or "a number"
        values.bag.error("E0304", given[0].value.span, "`rq_spline` takes an Image, a Vec or a Seq", f"this is {what}")
        return None
    shape = whole.shape
    try:
        bins = _bins(given, shape, [one.shape for one in params], floor, values)
    except TooLarge:
        bins = too_large(values.bag, node.span)
    if bins is None:
        return None
    widths, heights, slopes = (one.expr for one in params)
    return Typed(ir.Spline(whole.expr, widths, heights, slopes, bins, bound, floor, shape, node.span), shape)


def _given(node: ast.Apply, values: Values) -> list[ast.Arg] | None:
    """The arguments that are formulas: what is bent, widths, heights, slopes."""
    found: dict[str, ast.Arg] = {}
    good = True
    for position, arg in enumerate(node.args):
        name = "" if arg.name is None else arg.name.id
        if arg.name is not None and name not in WORDS:
            unknown(arg.name, WORDS, values.bag, "`rq_spline`", code="E0209", what="argument of `rq_spline`:")
            good = False
        elif (arg.name is None and position) or arg.cmp not in (None, "="):
            values.bag.error("E0209", arg.span, "the parameters of `rq_spline` are given by name", "`widths = w`")
            good = False
        elif name in found:
            values.bag.error("E0204", arg.span, f"`{name}` is given twice", "given again here")
            good = False
        elif name in ("", *INFO.parameters):
            found[name] = arg
    missing = [f"`{name}`" if name else "an argument" for name in ("", *INFO.parameters) if name not in found]
    if missing and good:
        shown = ", ".join(missing)
        fix = Fix("write `rq_spline(b, widths = w, heights = k, slopes = d)`")
        values.bag.error("E0210", node.span, f"`rq_spline` needs {shown}", "missing", fixes=(fix,))
    return [found[name] for name in ("", *INFO.parameters)] if good and not missing else None


def _in_range(node: ast.Apply, bound: float, floor: float, values: Values) -> bool:
    """Whether floats can hold such a spline; reported if not."""
    written, good = {arg.name.id: arg.span for arg in node.args if arg.name is not None}, True
    for name, value, low, high in (("bound", bound, *BOUNDS), ("floor", floor, LEAST_FLOOR, 0.5)):
        if not low <= value <= high:
            title = f"the option `{name}` is {value:g}, and must lie in [{low:g}, {high:g}]"
            values.bag.error("E0209", written.get(name, node.span), title, "a spline that floats cannot hold")
            good = False
    return good


def _bins(
    given: list[ast.Arg], shape: ir.Shape, params: list[ir.Shape | None], floor: float, values: Values
) -> Nat | None:
    """How many bins the parameters have for each element of `shape`."""
    widths = params[0]
    bins = None if widths is None else _each(widths, shape)
    if bins is None:
        _mismatch(given, 0, f"`{_with(shape, Nat.symbol('bins'))}` for some number of bins", shape, widths, values)
        return None
    for place, count in ((1, bins), (2, bins - Nat.of(1))):
        wanted = _with(shape, count)
        if params[place] != wanted:
            _mismatch(given, place, f"`{wanted}` for {bins} bins", shape, params[place], values)
            return None
    problem = too_few_or_many(bins.constant, floor)
    if problem is not None:
        values.bag.error("E0305", given[1].value.span, *problem)
        return None
    return bins


def _each(params: ir.Shape, shape: ir.Shape) -> Nat | None:
    """How many channels `params` has for each one of `shape`; None where that is no one number."""
    axis = _axis(shape)
    bins = params.dims[axis].quotient(shape.dims[axis]) if params.kind == shape.kind else None
    return bins if bins is not None and _with(shape, bins) == params else None


def _axis(shape: ir.Shape) -> int:
    return 1 if shape.kind == "Seq" else 0


def _with(shape: ir.Shape, count: Nat) -> ir.Shape:
    """`count` channels for each one of `shape`; of a part of a mask the parameters have all places."""
    axis = _axis(shape)
    dims = [count * size if k == axis else size for k, size in enumerate(shape.dims)]
    return replace(shape, dims=tuple(dims), part=None)


def _mismatch(
    given: list[ast.Arg], place: int, wanted: str, shape: ir.Shape, found: ir.Shape | None, values: Values
) -> None:
    name = INFO.parameters[place]
    values.bag.error(
        "E0301",
        given[place + 1].value.span,
        f"`{name}` is `{found or 'a number'}`, and must be {wanted}",
        str(found or "a number"),
        also=(Label(given[0].value.span, f"`{shape}` is bent here"),),
        notes=("widths and heights have `bins` values for each element, slopes one less; bins lie side by side",),
    )


def too_few_or_many(bins: int | None, floor: float) -> tuple[str, str] | None:
    """What to say of a number of bins that a spline cannot have; a number that is not known is looked at later."""
    if bins is not None and bins < 2:
        return f"`rq_spline` has {bins} bin{'s' * (bins != 1)}, and needs at least 2", "too few bins"
    if bins is not None and bins * floor >= 1:
        return f"{bins} bins of at least {floor:g} of the interval each: {bins * floor:g} must be below 1", "too many"
    return None
