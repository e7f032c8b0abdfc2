"""Calls in formulas: a net applied, `n(a, y)`, a family of nets in a row, `chain[l](B[l])(e)`, and `concat`.

What cannot be typed is reported once and becomes None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.scope import Entry
from mintdsl.core.typed import Typed
from mintdsl.core.values import IndexName, Values, not_yet
from mintdsl.diagnostics.model import Fix, Label
from mintdsl.records import replace
from mintdsl.source import Span
from mintdsl.syntax import ast

Operands = Sequence[Typed | None]


def call(
    node: ast.Apply, name: ast.Name, param: ir.Param, indices: tuple[str, ...], args: Operands, values: Values
) -> list[Typed] | None:
    """The results of a net; `args` are the typed arguments of `node`."""
    kind = param.kind
    assert isinstance(kind, ir.NetParam)
    if param.indices or indices:
        not_yet(values.bag, node.span, "a family of nets outside of `chain`")
    if not _given(node, name, len(kind.sources), values):
        return None
    exprs = _fitting(node, name, param, kind.sources, args, values)
    if exprs is None:
        return None
    return [Typed(ir.Call(name.id, (), exprs, k, node.span), shape) for k, shape in enumerate(kind.targets)]


def single(node: ast.Apply, name: ast.Name, results: list[Typed] | None, values: Values) -> Typed | None:
    """The result of a net that has one, as a formula needs it."""
    if results is None or len(results) == 1:
        return results[0] if results else None
    names = ", ".join("abcdefgh"[: len(results)]) if len(results) <= 8 else "a, b, ..."
    values.bag.error(
        "E0213",
        node.span,
        f"`{name.id}` gives {len(results)} results, a formula takes one",
        "several results",
        fixes=(Fix(f"take them apart first: `let ({names}) = {name.id}(...)`"),),
    )
    return None


def apart(item: ast.Let, results: list[Typed] | None, values: Values) -> list[Typed] | None:
    """The results that the names of a `let` stand for, one each."""
    if results is None or len(results) == len(item.names):
        return results
    values.bag.error(
        "E0213",
        item.span,
        f"{len(item.names)} names for {len(results)} result{'s' * (len(results) != 1)}",
        "one name for each result",
    )
    return None


def chained(
    node: ast.Apply, fn: ast.Reduce, param: ir.Param, index: str, arg: Typed | None, values: Values
) -> Typed | None:
    """`chain[index](B[index])(e)`, B a family of nets that keep a shape."""
    kind = param.kind
    assert isinstance(kind, ir.NetParam)
    name = ast.Name(param.name, fn.body.span)
    if len(kind.sources) != 1 or kind.sources != kind.targets:
        values.bag.error(
            "E0304",
            fn.span,
            f"`{param.name}` does not keep its shape, so it cannot follow itself",
            "a chain takes nets of one input and one result of its shape",
            also=(Label(param.span, "declared here"),),
        )
        return None
    if not _given(node, name, 1, values):
        return None
    exprs = _fitting(node, name, param, kind.sources, [arg], values)
    return None if exprs is None else Typed(ir.Chain(param.name, index, exprs[0], node.span), kind.targets[0])


def _given(node: ast.Apply, name: ast.Name, wanted: int, values: Values) -> bool:
    if len(node.args) == wanted and all(arg.name is None for arg in node.args):
        return True
    count = f"{wanted} argument{'s' * (wanted != 1)}"
    values.bag.error("E0210", node.span, f"`{name.id}` takes {count}", f"{len(node.args)} given")
    return False


def _fitting(
    node: ast.Apply, name: ast.Name, param: ir.Param, sources: tuple[ir.Shape, ...], args: Operands, values: Values
) -> tuple[ir.Expr, ...] | None:
    """The arguments, if each has the shape of its source."""
    exprs: list[ir.Expr] = []
    for written, arg, source in zip(node.args, args, sources, strict=True):
        if arg is None:
            continue
        if arg.shape is None:
            title = f"`{name.id}` acts on a tensor, this is a number"
            values.bag.error("E0213", written.span, title, "not a formula")
        elif arg.shape != source:
            values.bag.error(
                "E0301",
                written.value.span,
                f"shapes do not match: `{name.id}` takes `{source}`, this is `{arg.shape}`",
                str(arg.shape),
                also=(Label(param.span, f"`{name.id}` is declared here"),),
            )
        else:
            exprs.append(arg.expr)
    return tuple(exprs) if len(exprs) == len(sources) else None


def exponential(
    node: ast.Apply, fn: ast.Apply, args: Operands, used: set[str], where: str, values: Values
) -> Typed | None:
    """`exp(W)(e)`, W a convolution or matrix that keeps the shape; `where` says where it stands, if not in the open."""
    if where:
        not_yet(values.bag, node.span, f"the exponential of a map {where}")
    given = fn.args[0].value if len(fn.args) == 1 and fn.args[0].name is None else None
    param = values.names.values.get(given.id) if isinstance(given, ast.Name) else None
    if not isinstance(param, ir.Param) or not isinstance(param.kind, (ir.Conv, ir.Dense)):
        if not (isinstance(given, ast.Name) and values.names.silent(given.id)):
            fix = Fix("write `exp(W)(x)`, W a `conv` or `linear`; of numbers `exp(e)` is a value and not applied")
            values.bag.error("E0213", fn.span, "only the exponential of a map is applied", "no map", fixes=(fix,))
        return None
    assert isinstance(given, ast.Name)
    used.add(given.id)
    if param.indices:
        not_yet(values.bag, fn.span, "the exponential of a family of maps")
    if param.source != param.target:
        title = f"`exp` needs a map that keeps the shape: `{param.name}` goes from `{param.source}` to `{param.target}`"
        also = (Label(param.span, "declared here"),)
        values.bag.error("E0301", fn.span, title, "not of one space", also=also)
        return None
    if not _given(node, given, 1, values):
        return None
    exprs = _fitting(node, given, param, (param.source,), args, values)
    return None if exprs is None else Typed(ir.Exponential(param.name, exprs[0], node.span), param.target)


def _of_cayley(fn: ast.Apply, values: Values) -> tuple[ast.Expr | None, ir.Param | None]:
    """What stands in the brackets of `cayley(n)`, and the net or map that it names."""
    given = fn.args[0].value if len(fn.args) == 1 and fn.args[0].name is None else None
    param = values.names.values.get(given.id) if isinstance(given, ast.Name) else None
    known = isinstance(param, ir.Param) and isinstance(param.kind, (ir.Conv, ir.Dense, ir.NetParam))
    return given, param if known and isinstance(param, ir.Param) else None


def cayley_fix(fn: ast.Apply, values: Values) -> Fix:
    """What to do with `cayley(n)` that is no map, or is not applied."""
    if _of_cayley(fn, values)[1] is not None:
        return Fix("apply it: `cayley(n)(x)`")
    return Fix("write `cayley(n)(x)`, n a `net`, `conv` or `linear` of bounded norm")


def cayley(node: ast.Apply, fn: ast.Apply, args: Operands, used: set[str], where: str, values: Values) -> Typed | None:
    """`cayley(n)(x)`, n a net, a convolution or a matrix from the shape of the variable x to itself; `where` says where
    it stands, if not in the open. A net may take the context too."""
    if where:
        not_yet(values.bag, node.span, f"a Cayley map {where}")
    given, param = _of_cayley(fn, values)
    if not isinstance(param, ir.Param) or not isinstance(given, ast.Name):
        if not (isinstance(given, ast.Name) and values.names.silent(given.id)):
            title, fix = "a Cayley map is that of a net or map", cayley_fix(fn, values)
            values.bag.error("E0213", fn.span, title, "no net or map", fixes=(fix,))
        return None
    used.add(given.id)
    if param.indices:
        not_yet(values.bag, fn.span, "the Cayley map of a family")
    net = param.kind if isinstance(param.kind, ir.NetParam) else None
    sources, targets = (net.sources, net.targets) if net else ((param.source,), (param.target,))
    if targets != sources[:1]:
        shown = [", ".join(f"`{shape}`" for shape in shapes) for shapes in (sources, targets)]
        title = f"`cayley` needs a map that keeps the shape: `{param.name}` goes from {shown[0]} to {shown[1]}"
        values.bag.error("E0301", fn.span, title, "not of one space", also=(Label(param.span, "declared here"),))
        return None
    if not _given(node, given, len(sources), values):
        return None
    exprs = _fitting(node, given, param, sources, args, values)
    if exprs is None:
        return None
    if not isinstance(exprs[0], ir.Var) or not all(isinstance(expr, ir.Given) for expr in exprs[1:]):
        not_yet(values.bag, node.span, "a Cayley map of anything but the variable, and the context,")
    place = given.span
    one = ir.Call(param.name, (), exprs, 0, place) if net else ir.Linear(param.name, (), exprs[0], place)
    return Typed(ir.Cayley(one, node.span), targets[0])


def delay(node: ast.Apply, args: Operands, values: Values) -> Typed | None:
    """Tokens one place later."""
    found = _only(node, "delay", args, ("Seq",), "a Seq", values)
    return found and Typed(ir.Delay(*found, node.span), found[1])


def maxmin(node: ast.Apply, args: Operands, values: Values) -> Typed | None:
    """Channels in pairs, the larger one first; their number must be even for all sizes."""
    found = _only(node, "maxmin", args, CHANNELS, "channels", values)
    if found is None:
        return None
    shape = found[1]
    count = shape.dims[-1 if shape.kind == "Seq" else 0]
    if not count.even:
        title = f"`maxmin` takes channels in pairs: `{count}` may be odd"
        fixes = (Fix("name a space of an even number of channels: `space Hid = Vec[2 * width]`"),)
        values.bag.error("E0303", node.span, title, f"of `{shape}`", fixes=fixes)
        return None
    return Typed(ir.MaxMin(*found, node.span), shape)


def learned(node: ast.Apply) -> bool:
    """Whether a `beta` is given: without one a `swish` is `silu`."""
    return any(arg.name is not None and arg.name.id == "beta" for arg in node.args)


def swish(
    node: ast.Apply, name: str, inside: Callable[[ast.Expr], Typed | None], used: set[str], values: Values, *, net: bool
) -> Typed | None:
    """`swish(v, beta = b)`, or `clip_swish(v)`: LipSwish of the channels, then of their negatives; in nets."""
    if not net:
        not_yet(values.bag, node.span, f"the function `{name}` in a layer or an activation")
    given = [arg for arg in node.args if arg.name is not None and arg.name.id == "beta"]
    plain = tuple(arg for arg in node.args if arg not in given)
    args = [inside(arg.value) for arg in plain]
    if len(given) > 1:
        title = f"`{name}` takes one argument, and `beta` once"
        values.bag.error("E0210", node.span, title, f"{len(args)} and {len(given)} given")
        return None
    found = _only(replace(node, args=plain), name, args, CHANNELS, "channels", values)
    beta = _beta(given[0].value, used, values) if given else ""
    if found is None or beta is None:
        return None
    twice = name == "clip_swish"
    shape = concatenated((found[1], found[1])) if twice else found[1]
    return Typed(ir.Swish(*found, node.span, beta, twice), shape) if shape else None


def _beta(node: ast.Expr, used: set[str], values: Values) -> str | None:
    """The scale whose number is the beta of a swish."""
    param = _parameter("beta", node, "`scale on Vec[1] with diag > 0`", used, values)
    if param is None:
        return None
    positive = param.bound is not None and (param.bound.quantity, param.bound.cmp) in POSITIVE
    scale = isinstance(param.kind, ir.Elementwise) and param.kind.kind == "scale"
    if not (positive and scale and param.source == ir.Shape("Vec", (Nat.of(1),))):
        title = "`beta` is a `scale on Vec[1] with diag > 0`: one number, of all entries"
        also = (Label(param.span, "declared here"),)
        values.bag.error("E0304", node.span, title, f"on `{param.source}`", also=also)
        return None
    return param.name


POSITIVE = (("diag", "> 0"), ("diag", ">="), ("diag", ">= <="))
"""Constraints that keep numbers positive."""


def pooled(node: ast.Apply, args: Operands, values: Values) -> Typed | None:
    """The mean of each channel of an image."""
    found = _only(node, "mean_pool", args, ("Image",), "an Image", values)
    return found and Typed(ir.Pool(*found, node.span), ir.Shape("Vec", found[1].dims[:1]))


CHANNELS = ("Image", "Vec", "Seq")


def _only(
    node: ast.Apply, name: str, args: Operands, kinds: Sequence[str], wanted: str, values: Values
) -> tuple[ir.Expr, ir.Shape] | None:
    """The one argument of a function and its shape, which is one of `kinds`; in words, `wanted`."""
    if len(args) != 1 or node.args[0].name is not None:
        values.bag.error("E0210", node.span, f"`{name}` takes one argument", f"{len(args)} given")
        return None
    (arg,) = args
    if arg is None:
        return None
    if arg.shape is None or arg.shape.kind not in kinds:
        values.bag.error("E0304", node.span, f"`{name}` takes {wanted}", f"this is {arg.shape or 'a number'}")
        return None
    return arg.expr, arg.shape


def callee(node: ast.Apply, values: Values) -> tuple[Entry, ast.Call] | None:
    """The layer that `node` applies, with its arguments; None where it applies something else."""
    match node.fn:
        case ast.Apply(fn=ast.Name() as name, args=args):
            pass
        case ast.Name() as name:
            args = ()
        case _:
            return None
    entry = values.names.scope.entries.get(name.id)
    if name.id in values.names.values or entry is None or entry.kind != "layer":
        return None
    return entry, ast.Call(name, args, node.fn.span)


def concat(
    node: ast.Apply, inside: Callable[[ast.Expr], Typed | None], used: set[str], values: Values, *, net: bool
) -> Typed | None:
    """Channels stacked: of images of one height and width, of sequences of one length, of vectors. In nets
    `weights = w` multiplies them by numbers whose squares add up to 1."""
    given = [arg for arg in node.args if arg.name is not None and arg.name.id == "weights"]
    plain = [arg for arg in node.args if arg not in given]
    args = [inside(arg.value) for arg in plain]
    if len(args) < 2 or any(arg.name is not None for arg in plain) or len(given) > 1:
        title = "`concat` takes two or more arguments, and `weights` once"
        values.bag.error(
            "E0210", node.span, title, f"{len(args)} and {len(given)} given" if given else f"{len(args)} given"
        )
        return None
    weights = _weights(given[0].value, len(args), used, values) if given else ""
    if given and not net:
        not_yet(values.bag, given[0].span, "`weights` of a `concat` in a layer")
    known = [arg for arg in args if arg is not None]
    shapes = tuple(arg.shape for arg in known if arg.shape is not None)
    if len(known) != len(args) or weights is None:
        return None
    if len(shapes) != len(args):
        values.bag.error("E0213", node.span, "`concat` takes tensors, a number has no channels", "not a formula")
        return None
    whole = concatenated(shapes)
    if whole is None:
        listed = ", ".join(f"`{shape}`" for shape in shapes)
        values.bag.error(
            "E0301",
            node.span,
            f"shapes do not match: `concat` of {listed}",
            "these do not lie side by side",
            notes=("images share height and width, sequences their length; a Vec is repeated at each pixel or token",),
        )
        return None
    return Typed(ir.Concat(tuple(arg.expr for arg in known), shapes, node.span, weights), whole)


def _parameter(word: str, node: ast.Expr, wanted: str, used: set[str], values: Values) -> ir.Param | None:
    """The parameter that an option names; `wanted` says which."""
    param = values.names.values.get(node.id) if isinstance(node, ast.Name) else None
    if not isinstance(param, ir.Param):
        if not (isinstance(node, ast.Name) and values.names.silent(node.id)):
            fix = Fix(f"declare it: `param {word[0]} : {wanted[1:]}")
            values.bag.error("E0304", node.span, f"`{word}` takes a parameter, {wanted}", "none", fixes=(fix,))
        return None
    used.add(param.name)
    if param.indices:
        not_yet(values.bag, node.span, f"a family as `{word}`")
    return param


def _weights(node: ast.Expr, count: int, used: set[str], values: Values) -> str | None:
    """The scale that weighs the `count` arguments of a concat."""
    wanted = f"`scale on Vec[{count}] with length == 1`"
    param = _parameter("weights", node, wanted, used, values)
    if param is None:
        return None
    if param.bound is None or param.bound.quantity != "length" or param.source != ir.Shape("Vec", (Nat.of(count),)):
        title = f"`weights` of {count} arguments are a {wanted}: their squares add up to 1"
        also = (Label(param.span, "declared here"),)
        values.bag.error("E0304", node.span, title, f"on `{param.source}`", also=also)
        return None
    return param.name


def concatenated(shapes: tuple[ir.Shape, ...]) -> ir.Shape | None:
    """The shape of a `concat`; None where the shapes do not lie side by side."""
    place = next((shape for shape in shapes if shape.kind in ("Image", "Seq")), shapes[0])
    if any(shape.kind not in (place.kind, "Vec") or shape.kind == "Any" for shape in shapes):
        return None
    rest = _beside(place)
    if any(_beside(shape) != rest for shape in shapes if shape.kind == place.kind):
        return None
    channels = [shape.dims[-1] if shape.kind == "Seq" else shape.dims[0] for shape in shapes]
    total = channels[0]
    for more in channels[1:]:
        total = total + more
    match place.kind:
        case "Image":
            return ir.Shape("Image", (total, *place.dims[1:]))
        case "Seq":
            return ir.Shape("Seq", (place.dims[0], total))
        case _:
            return ir.Shape("Vec", (total,))


def _beside(shape: ir.Shape) -> tuple[object, ...]:
    """The sizes that are not channels."""
    return shape.dims[:-1] if shape.kind == "Seq" else shape.dims[1:]


def family(name: ast.Name, declared: tuple[str, ...], given: tuple[str, ...], span: Span, values: Values) -> bool:
    """Whether `given` are as many indices as declared, each once, of the same extents."""
    if len(set(given)) != len(given):
        values.bag.error(
            "E0408", span, "an index occurs twice", "the diagonal of a family is not a family of this language"
        )
        return False
    if len(declared) != len(given):
        wanted = f"`{name.id}[{', '.join(declared)}]`" if declared else f"`{name.id}` without indices"
        values.bag.error("E0408", span, f"`{name.id}` has {_count(declared)}, {_count(given)} given", f"write {wanted}")
        return False
    for own, used in zip(declared, given, strict=True):
        a, b = values.names.values[own], values.names.values[used]
        assert isinstance(a, IndexName) and isinstance(b, IndexName)
        if a.extent != b.extent:
            values.bag.error(
                "E0301", span, f"`{used}` runs to {b.extent}, `{name.id}` has {a.extent} there", "extents differ"
            )
            return False
    return True


def _count(indices: tuple[str, ...]) -> str:
    return f"{len(indices) or 'no'} ind{'ex' if len(indices) == 1 else 'ices'}"
