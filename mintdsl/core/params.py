"""Parameters of layers and nets: their kinds, the shapes they act between, their indices and initialisations."""

from __future__ import annotations

from collections.abc import Mapping

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.acts import find_init
from mintdsl.core.bounds import bind_bound
from mintdsl.core.constraints import CONSTRAINTS
from mintdsl.core.formals import find_direction
from mintdsl.core.kinds import KINDS, Kind
from mintdsl.core.live import determined, named_tap
from mintdsl.core.low_rank import INIT, kept_low, ranked
from mintdsl.core.map_kinds import Anchor
from mintdsl.core.nat import Nat
from mintdsl.core.option_values import bind_options
from mintdsl.core.options import OptionValue
from mintdsl.core.scope import unknown
from mintdsl.core.strided import centred, lands, walks_alone
from mintdsl.core.values import IndexName, Values, not_yet, too_many
from mintdsl.diagnostics.model import Bag, Edit, Fix, Label, Safety
from mintdsl.records import replace
from mintdsl.source import Span
from mintdsl.syntax import ast


def declare(
    node: ast.Param, written: ast.KindMap, shape: ir.Shape, shape_span: Span, values: Values, *, net: bool = False
) -> list[ir.Param]:
    """The parameters of one `param`; `shape` is where they act when they name no place of their own."""
    made = _kind(written, values)
    place = _place(node, shape, values)
    param: ir.Param | None = None
    if made is not None and place is not None:
        info, kind = made
        source, target = place
        good = _fits(node, info, kind, (source, target), shape_span, net, values.bag) and _placed(
            node, info, kind, source, net, values.bag
        )
        bound = bind_bound(node.constraints, kind, info, values)
        if isinstance(kind, ir.Normalize) and node.init is not None:
            values.bag.error(
                "E0211", node.init.span, "`normalize` holds statistics, it has no `init`", "mean 0, variance 1"
            )
        if isinstance(kind, ir.Perm) and node.init is not None:
            values.bag.error("E0211", node.init.span, "`perm` is drawn from its seed, it has no `init`", "`seed = 0`")
        good = good and _square(bound, source, target, place_span(node), values.bag)
        good = good and _vector(bound, source, place_span(node), values.bag)
        good = good and _decided(bound, written, kind, values.bag)
        if isinstance(kind, ir.LayerNorm) and node.init is not None:
            values.bag.error(
                "E0211", node.init.span, "`layer_norm` has no `init`", "its scale is 1, its shift 0 at first"
            )
        if isinstance(kind, ir.Attention) and node.init is not None:
            not_yet(values.bag, node.init.span, "an `init` of `attention`")
        low = isinstance(kind, (ir.Conv, ir.Dense)) and kind.rank is not None
        default = INIT if low else ir.InitCall(info.init)
        init = default if node.init is None else find_init(node.init, values)
        good = good and init is not None and kept_low(node, kind, bound, init, values.bag)
        if good and init is not None and (bound is not None or not node.constraints):
            param = ir.Param("", (), kind, source, target, bound, None, init, (), node.doc, node.span)
    return define_params(node, param, values)


def define_params(node: ast.Param, param: ir.Param | None, values: Values) -> list[ir.Param]:
    """A parameter for each of the binders of `node`; without `param`, which was reported, their names are poisoned."""
    result = []
    for binder in node.binders:
        indices = _binder_indices(binder, values)
        one = None
        if param is not None and indices is not None:
            one = replace(param, name=binder.name.id, indices=indices, span=binder.span)
        values.names.define(binder.name, one, values.bag)
        if one is not None and indices and (isinstance(one.kind, ir.Perm) or one.factored):
            not_yet(values.bag, binder.span, "a family of permutations, or of matrices with a constraint on `det`,")
        if one is not None and binder.name.id in values.names.values:
            result.append(one)
    return result


def _binder_indices(binder: ast.Binder, values: Values) -> tuple[str, ...] | None:
    for index in binder.indices:
        if not isinstance(values.names.values.get(index.id), IndexName):
            if not values.names.silent(index.id):
                candidates = (n for n, v in values.names.values.items() if isinstance(v, IndexName))
                unknown(index, candidates, values.bag, "the indices of this layer", what="index")
            return None
    names = tuple(i.id for i in binder.indices)
    if too_many(len(names), limits.BOUND, binder.span, values.bag):
        return None
    if len(set(names)) != len(names):
        values.bag.error("E0408", binder.span, "an index occurs twice", "declare two indices: `index i, j : K`")
        return None
    return names


def _kind(node: ast.KindMap, values: Values) -> tuple[Kind, ir.MapKind] | None:
    info = KINDS.get(node.name.id)
    if info is None:
        unknown(node.name, KINDS, values.bag, "the kinds of parameters", what="kind of parameter")
        return None
    if not info.ready:
        not_yet(values.bag, node.span, f"the kind `{info.name}`")
    options = bind_options(node.args, info.options, f"`{info.name}`", node.span, values)
    direction = find_direction(node.direction, values) if node.direction is not None else None
    if options is None or (node.direction is not None and direction is None):
        return None
    if (node.size is None) is info.sized:
        name = node.name.span
        title = f"`{info.name}` needs a size, such as 3x3" if info.sized else f"`{info.name}` takes no size"
        fix = Fix("remove the size")
        if info.sized:
            fix = Fix(f"write `{info.name} 3x3`", (Edit(Span(name.file, name.end, name.end), " 3x3"),), Safety.UNSAFE)
        values.bag.error("E0306", node.span, title, "no size here" if info.sized else "a size", fixes=(fix,))
        return None
    if not info.directed and (node.direction is not None or node.strict):
        end = node.direction.span if node.direction is not None else None
        gone = (Edit(Span(end.file, node.name.span.end, end.end), ""),) if end is not None else ()
        fix = Fix("leave the direction out", gone, Safety.SAFE if gone else Safety.DISPLAY)
        values.bag.error("E0211", node.span, f"a {info.name} has no direction", "it is diagonal", fixes=(fix,))
        return None
    if node.strict and direction is None:
        fix = Fix("write `strict lower` or `strict upper`", text="lower")
        values.bag.error("E0211", node.span, "`strict` needs a direction", "none here", fixes=(fix,))
        return None
    norm = options.get("norm", "none") == "weight"
    if norm and direction is not None:
        title = "`norm = weight` and a direction: the length would count what the mask takes away"
        fix = Fix("leave one of them out; a masked map is bounded by `with diag ...`")
        values.bag.error("E0209", node.span, title, "masked and normalised", fixes=(fix,))
        return None
    if info.name == "attention" and node.strict:
        fix = Fix("use `attention lower` and `delay`, which moves its result one token later")
        values.bag.error(
            "E0211", node.span, "the first token of a strict attention reads nothing", "strict", fixes=(fix,)
        )
        return None
    if info.name in ("scale", "bias"):
        return info, ir.Elementwise(info.name, str(options["per"]))
    if info.name == "normalize":
        eps, momentum = options["eps"], options["momentum"]
        if not isinstance(eps, float) or not isinstance(momentum, float) or not 0 <= momentum <= 1:
            values.bag.error("E0209", node.span, "`normalize` takes numbers, with a momentum from 0 to 1", "options")
            return None
        return info, ir.Normalize(eps, momentum)
    if info.name == "perm":
        seed = options["seed"]
        assert isinstance(seed, int)
        return info, ir.Perm(str(options["axis"]), seed)
    if info.name == "layer_norm":
        return (info, ir.LayerNorm(options["eps"])) if isinstance(options["eps"], float) else None
    if info.name == "attention":
        heads = options["heads"]
        return info, ir.Attention(heads if isinstance(heads, Nat) else Nat.of(1), direction)
    if info.name == "linear":
        dense = ranked(ir.Dense(direction, node.strict, norm), options["rank"], node, values.bag)
        return None if dense is None else (info, dense)
    assert node.size is not None
    dilation = _apart(node, "dilation", options["dilation"], limits.DILATION, values.bag)
    stride = _apart(node, "stride", options["stride"], limits.STRIDE, values.bag)
    if dilation is None or stride is None:
        return None
    made = _conv(node, info, options["anchor"], direction, (stride, dilation), values.bag)
    if made is None:
        return None
    circular = options["boundary"] == "circular" and node.size != (1, 1)
    if circular and node.direction is not None:
        values.bag.error(
            "E0209",
            node.span,
            "`boundary = circular` and a direction: taps wrap around to the other side",
            "pixels read each other in circles",
            notes=("in any order some pixel then reads one that comes later, so no mask of taps makes it triangular",),
            fixes=(Fix("leave one of them out: a circular convolution is dense, a masked one has zeros outside"),),
        )
        return None
    conv = replace(made[1], norm=norm, dilation=dilation, circular=circular, stride=stride)
    if not walks_alone(node, conv, options["rank"], values.bag):
        return None
    kept = ranked(conv, options["rank"], node, values.bag)
    return None if kept is None else (info, kept)


def _apart(node: ast.KindMap, name: str, value: OptionValue, limit: limits.Limit, bag: Bag) -> tuple[int, int] | None:
    """A dilation or a stride: so many rows, and so many columns."""
    rows, columns = value if isinstance(value, tuple) else (value, value)
    assert isinstance(rows, int) and isinstance(columns, int)
    if not (1 <= min(rows, columns) and max(rows, columns) <= limit.most):
        title = f"a {name} of {rows} rows and {columns} columns"
        bag.error("E0306", node.span, title, f"1 to {limit.shown}")
        return None
    return rows, columns


def _conv(
    node: ast.KindMap,
    info: Kind,
    anchor: OptionValue,
    direction: str | None,
    apart: tuple[tuple[int, int], tuple[int, int]],
    bag: Bag,
) -> tuple[Kind, ir.Conv] | None:
    assert node.size is not None
    rows, columns = node.size
    if not (rows and columns and rows * columns <= limits.TAPS.most):
        bag.error("E0306", node.span, f"a kernel of {rows}x{columns} taps", f"1 to {limits.TAPS.shown} taps")
        return None
    if anchor == "centre" and not centred((rows, columns), *apart):
        bag.error(
            "E0306",
            node.span,
            f"a {rows}x{columns} kernel has no centre",
            "even size",
            notes=("the anchor is the tap that meets the pixel itself; the padding follows from it",),
            fixes=(_anchored(node, "corner" if direction is not None else "bottom_right"),),
        )
        return None
    if anchor == "corner" and direction is None:
        bag.error(
            "E0306",
            node.span,
            "`anchor = corner` follows a direction, and there is none",
            "name a corner",
            fixes=(_anchored(node, "bottom_right"),),
        )
        return None
    if isinstance(anchor, str):
        follows = anchor == "corner" and direction not in ("lower", "upper")
        tap: Anchor = "corner" if follows else named_tap(anchor, node.size, direction or "lower", apart[0])
        return info, ir.Conv(node.size, tap, direction, node.strict)
    assert isinstance(anchor, tuple)
    row, column = map(int, anchor)
    if not (0 <= row < rows and 0 <= column < columns):
        bag.error(
            "E0306",
            _anchor_given(node) or node.span,
            f"a {rows}x{columns} kernel has no tap ({row}, {column})",
            f"rows 0 to {rows - 1}, columns 0 to {columns - 1}",
            notes=("row and column of the anchor, the tap that meets the pixel itself, are counted from 0",),
            fixes=(_anchored(node, f"({min(max(row, 0), rows - 1)}, {min(max(column, 0), columns - 1)})"),),
        )
        return None
    return info, ir.Conv(node.size, (row, column), direction, node.strict)


def _kept(bound: ir.Bound, text: str) -> Fix:
    """The fix that writes another constraint."""
    return Fix(f"write `with {text}`", (Edit(bound.span, text),), Safety.UNSAFE)


def _anchor_given(node: ast.KindMap) -> Span | None:
    """Where a kernel says its anchor: by name, or as its first option."""
    named = (arg for k, arg in enumerate(node.args) if (k == 0 if arg.name is None else arg.name.id == "anchor"))
    return next((arg.value.span for arg in named), None)


def _anchored(node: ast.KindMap, tap: str) -> Fix:
    """The fix that names the anchor."""
    given = _anchor_given(node)
    end = node.args[-1].span if node.args else node.span
    text = tap if given else f", anchor = {tap}" if node.args else f" (anchor = {tap})"
    edit = Edit(given or Span(end.file, end.end, end.end), text)
    title = f"name the anchor: `(anchor = {tap})`, or another tap"
    return Fix(title, (edit,), Safety.UNSAFE)


def _place(node: ast.Param, shape: ir.Shape, values: Values) -> tuple[ir.Shape, ir.Shape] | None:
    if node.place is None:
        return shape, shape
    if len(node.place.inputs) != 1 or len(node.place.outputs) != 1:
        values.bag.error("E0304", node.place.span, "this kind maps one shape to one shape", "one `from`, one `to`")
        return None
    source = values.shape(node.place.inputs[0])
    target = values.shape(node.place.outputs[0])
    return None if source is None or target is None else (source, target)


def place_span(node: ast.Param) -> Span:
    """Where a parameter says between which shapes it acts, or its kind."""
    return node.place.span if node.place else node.kind.span


def _square(bound: ir.Bound | None, source: ir.Shape, target: ir.Shape, place: Span, bag: Bag) -> bool:
    """Only a square matrix has a determinant."""
    if bound is None or bound.quantity != "det" or source == target:
        return True
    bag.error("E0701", place, f"`det` needs a square matrix: `{source}` to `{target}` is none", "sizes differ")
    return False


def _vector(bound: ir.Bound | None, source: ir.Shape, place: Span, bag: Bag) -> bool:
    """Only the numbers of a vector have a length; each member of a family has its own."""
    if bound is None or bound.quantity != "length" or source.kind == "Vec":
        return True
    title = f"`length` needs a vector: `{source}` is none"
    bag.error("E0701", place, title, "not a Vec", fixes=(Fix("say where: `scale on Vec[2] with length == 1`"),))
    return False


def _decided(bound: ir.Bound | None, node: ast.KindMap, kind: ir.MapKind, bag: Bag) -> bool:
    """The determinant at the anchor of a kernel decides only where its other taps lie to one side, or weigh little."""
    if bound is None or bound.quantity != "det" or not isinstance(kind, (ir.Conv, ir.Dense)):
        return True
    if determined(kind, bound) is not None:
        return True
    if isinstance(kind, ir.Dense) or kind.size == (1, 1):
        title = "`via dominant` is for kernels: it scales the taps beside the anchor, and here is none"
        fixes = (_kept(bound, "det != 0"), _kept(bound, "det == 1 via householder"))
        bag.error("E0701", bound.span, title, "no other taps", fixes=fixes)
        return False
    rows, columns = kind.size
    if kind.circular:
        forms = [v.name for c in CONSTRAINTS if c.quantity == "det" for v in c.via if v.circular]
        bag.error(
            "E0701",
            bound.span,
            f"`det {bound.cmp} via {bound.via}` of this {rows}x{columns} kernel decides nothing: its taps wrap around",
            "it keeps the matrix at the anchor",
            notes=(
                "a row kernel of two ones is singular at every even width",
                "rule CIRCULANT: the matrix of each frequency of the image has to be regular",
            ),
            fixes=tuple(_kept(bound, f"det != 0 via {form}") for form in reversed(forms)),
        )
        return False
    bag.error(
        "E0701",
        bound.span,
        f"`det` of this {rows}x{columns} kernel decides nothing: its taps lie on both sides of the anchor",
        f"the anchor is tap {kind.anchor}",
        notes=(
            "pixels then read each other in circles, and whether the map is invertible depends on the size of the "
            "image: a row kernel of three ones is singular at width 2",
            "rule HALF-PLANE: with all other taps on one side, det J = det(A)^(H W), A the matrix at the anchor",
            "rule DOMINANT: an orthogonal A and other taps of norms of at most 1/2 in sum are regular at every size",
        ),
        fixes=(_anchored(node, "bottom_right"), _kept(bound, "det != 0 via dominant")),
    )
    return False


def _fits(
    node: ast.Param,
    info: Kind,
    kind: ir.MapKind,
    sides: tuple[ir.Shape, ir.Shape],
    shape_span: Span,
    net: bool,
    bag: Bag,
) -> bool:
    source, target = sides
    place = place_span(node)
    for side in (source, target):
        if side.kind not in info.spaces:
            also = (Label(shape_span, "the shape it acts on"),) if node.place is None else ()
            wanted = " or ".join(info.spaces)
            fixes: tuple[Fix, ...] = ()
            if info.name == "linear" and side.kind == "Image" and isinstance(node.kind, ast.KindMap):
                edit = Edit(node.kind.name.span, "conv 1x1")
                fixes = (Fix("a matrix of the channels, at every pixel, is `conv 1x1`", (edit,), Safety.UNSAFE),)
            bag.error(
                "E0304",
                place,
                f"`{info.name}` acts on {wanted}, not on `{side}`",
                "wrong kind of shape",
                also=also,
                fixes=fixes,
            )
            return False
    if isinstance(kind, ir.Perm) and kind.axis == "time" and source.kind != "Seq":
        bag.error("E0304", place, f"`axis = time` permutes the tokens of a Seq, not `{source}`", "no tokens here")
        return False
    if isinstance(kind, (ir.Elementwise, ir.Normalize, ir.Perm, ir.LayerNorm, ir.Attention)):
        if source != target:
            bag.error("E0301", place, f"a {info.name} keeps the shape: `{source}` is not `{target}`", "use `on SHAPE`")
            return False
        return True
    if isinstance(kind, ir.Conv) and not lands(kind, place, source, target, node.place is None, bag):
        return False
    if isinstance(kind, ir.Dense) and source.dims[:-1] != target.dims[:-1]:
        bag.error("E0301", place, f"`linear` keeps the tokens: `{source}` to `{target}`", "lengths differ")
        return False
    hidden = net and isinstance(kind, ir.Dense) and source.kind == "Vec"
    if kind.direction is not None and not net and source.each is not None:
        not_yet(bag, place, "a mask, in a layer, between elements that share positions")
    if kind.direction is not None and source != target and not hidden:
        not_yet(bag, place, "a mask between different spaces")
    if kind.direction is not None and source != target and node.constraints:
        label = "inputs and results are not the same"
        bag.error("E0701", node.constraints[0].span, "a map between different spaces has no diagonal", label)
        return False
    return True


def _placed(node: ast.Param, info: Kind, kind: ir.MapKind, source: ir.Shape, net: bool, bag: Bag) -> bool:
    """Whether a kind may stand in this definition."""
    if isinstance(kind, ir.Conv) and kind.stride != (1, 1) and not net:
        note = "it leaves pixels out, so that it is no map of the variable to itself"
        fix = Fix("put it into a net, or write a step `squeeze 2` and a convolution of stride 1")
        bag.error("E0304", node.kind.span, "a `stride` stands in nets only", "in a layer", notes=(note,), fixes=(fix,))
        return False
    if isinstance(kind, (ir.LayerNorm, ir.Attention)):
        if not net:
            note = "what it does to the Jacobian has no bound that a layer could state"
            fix = Fix("put it into a net, and give the layer that net: `param n : net NAME`")
            title = f"`{info.name}` stands in nets only"
            bag.error("E0304", node.kind.span, title, "in a layer here", notes=(note,), fixes=(fix,))
            return False
        if any(binder.indices for binder in node.binders):
            not_yet(bag, node.span, f"a family of `{info.name}`")
    if source.kind == "Seq" and info.name == "linear" and (not net or any(b.indices for b in node.binders)):
        not_yet(bag, node.span, "a family of linear maps on Seq" if net else "`linear` on Seq in a layer")
    return True


def check_inits(params: Mapping[str, ir.Param], bag: Bag) -> None:
    """`fan_in_uniform(of = W)` names a map of this layer."""
    for param in params.values():
        if param.init.name != "fan_in_uniform" or param.init.formal or isinstance(param.kind, ir.Attention):
            continue
        of = str(param.init.options[0]) if param.init.options else ""
        if of and of not in params:
            unknown(ast.Name(of, param.span), params, bag, "the parameters of this layer", what="parameter")
        elif not isinstance((params[of] if of else param).kind, (ir.Conv, ir.Dense)):
            bag.error(
                "E0210",
                param.span,
                "`fan_in_uniform` needs a map whose inputs count",
                "write `fan_in_uniform(of = W)`",
            )
