"""Elaboration of a layer: formals, members, ties and formula to one `ir.Layer`."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.core import ir, ties
from mintdsl.core.constraints import CONSTRAINTS, Constraint
from mintdsl.core.formula import Bound, Formula, Typed, Variable
from mintdsl.core.kinds import KINDS, Kind
from mintdsl.core.nat import Nat
from mintdsl.core.orders import DEFAULT_ORDER, Order
from mintdsl.core.scope import BUILTIN, Locals, Scope, unknown
from mintdsl.core.steps import SHAPES
from mintdsl.core.values import DirFormal, IndexName, Stop, Values, not_yet
from mintdsl.diagnostics.model import Bag, Fix, Label, Severity
from mintdsl.records import replace
from mintdsl.source import Span
from mintdsl.syntax import ast

CLASS_CLAIMS = ("lower", "upper", "diagonal", "injective", "invertible", "volume_preserving")


def elaborate_layer(item: ast.Layer, scope: Scope, bag: Bag) -> ir.Layer | None:
    """The typed core of `item`; None when anything in it was reported as an error."""
    own = Bag()
    try:
        layer = _Layer(item, Values(Locals(scope, f"the layer `{item.name.id}`"), own)).run()
    except Stop:
        layer = None
    bag.extend(own.sorted())
    return None if own.has_errors else layer


def elaborate_net(item: ast.Net, scope: Scope, bag: Bag) -> ir.Net | None:
    """The typed core of a net of one input and one output; None when anything in it was reported."""
    own = Bag()
    try:
        net = _Layer(item, Values(Locals(scope, f"the net `{item.name.id}`"), own)).run_net(item)
    except Stop:
        net = None
    bag.extend(own.sorted())
    return None if own.has_errors else net


def bind_shape(shape: ast.Shape, values: Values) -> ir.Shape | None:
    """The shape after `on`: its unknown names are bound here, for each use anew."""
    if shape.name.id not in SHAPES and not shape.dims:
        known = shape.name.id in values.names.scope.entries or values.names.silent(shape.name.id)
        if not known and shape.name.id not in BUILTIN:
            result = ir.Shape("Any", (), shape.name.id)
            values.names.define(shape.name, result, values.bag)
            return result
    for dim in shape.dims:
        if isinstance(dim, ast.Name):
            entry = values.names.scope.entries.get(dim.id)
            taken = dim.id in values.names.values or (entry is not None and entry.kind == "const")
            if not taken and not values.names.silent(dim.id):
                values.names.sizes[dim.id] = Nat.symbol(dim.id)
    return values.shape(shape)


def claims(items: Sequence[ast.Claim], values: Values, allowed: tuple[str, ...], what: str) -> tuple[ir.Claim, ...]:
    """The claims after `ensures`."""
    result = []
    for item in items:
        if isinstance(item, ast.ClaimBound):
            if item.name.id == "lip":
                not_yet(values.bag, item.span, "the claim `lip`")
            if item.name.id != "diag" or "diag" not in allowed:
                unknown(item.name, allowed, values.bag, f"the claims of {what}", code="E0214", what="claim")
                continue
            value = values.number(item.value)
            if value is None:
                continue
            if (item.cmp, value) not in ((">", 0.0), ("!=", 0.0), ("==", 1.0)) and not (item.cmp == ">=" and value > 0):
                values.bag.error(
                    "E0214",
                    item.span,
                    f"`diag {item.cmp} {value:g}` is no claim",
                    "claims: diag > 0, diag >= e with e > 0, diag != 0, diag == 1",
                )
                continue
            result.append(ir.Claim("diag", item.cmp, value, span=item.span))
            continue
        formal = values.names.values.get(item.name.id)
        if item.name.id in allowed or isinstance(formal, DirFormal) and "lower" in allowed:
            result.append(ir.Claim(item.name.id, strict=item.strict, span=item.span))
        elif not values.names.silent(item.name.id):
            unknown(item.name, allowed, values.bag, f"the claims of {what}", code="E0214", what="claim")
    return tuple(result)


class _Layer:
    """One run over one layer."""

    def __init__(self, item: ast.Layer | ast.Net, values: Values) -> None:
        self.item = item
        self.values = values
        self.bag = values.bag

    @property
    def shape_span(self) -> Span:
        """Where the shape stands."""
        return self.item.shape.span if isinstance(self.item, ast.Layer) else self.item.inputs[0].span

    def run_net(self, item: ast.Net) -> ir.Net | None:
        """A net: the same members, no claims, no ties; its result may have another shape."""
        values = self.values
        formals = values.formals(item.formals)
        if len(item.inputs) != 1 or len(item.outputs) != 1 or len(item.body.args) != 1:
            not_yet(self.bag, item.name.span, "a net of several inputs or results")
        shape = bind_shape(item.inputs[0], values)
        for dim in item.outputs[0].dims:
            if isinstance(dim, ast.Name) and dim.id not in values.names.sizes and values.names.unknown(dim.id):
                not_yet(self.bag, dim.span, "a size of a result that each use chooses")
        target = values.shape(item.outputs[0])
        if shape is None or target is None:
            raise Stop
        order = self._first_members(shape)
        params = {p.name: p for m in item.members if isinstance(m, ast.Param) for p in self._param(m, shape)}
        for param in params.values():
            if isinstance(param.kind, ir.Normalize) or getattr(param.kind, "direction", None) is not None:
                not_yet(self.bag, param.span, "a masked map or `normalize` in a net")
        for member in item.members:
            if isinstance(member, ast.Tie):
                self.bag.error("E0405", member.span, "a net has no ties", "it claims nothing")
        self._init_of(params)
        formula = Formula(values, net=True)
        lets, result = self._body(formula, shape, target)
        self._unused(params, formula)
        if result is None or order is None:
            return None
        return ir.Net(
            item.name.id,
            formals,
            shape,
            target,
            order,
            tuple((v.name, v.extent) for v in values.names.values.values() if isinstance(v, IndexName)),
            tuple(params.values()),
            item.body.args[0].id,
            tuple(lets),
            result.expr,
            item.doc,
            item.span,
            item.name.span,
            item.inputs[0].span,
        )

    def run(self) -> ir.Layer | None:
        item, values = self.item, self.values
        assert isinstance(item, ast.Layer)
        formals = values.formals(item.formals)
        if item.given:
            not_yet(self.bag, item.given[0].span, "`given` context")
        shape = bind_shape(item.shape, values)
        if shape is None:
            raise Stop
        found_claims = claims(item.claims, values, (*CLASS_CLAIMS, "diag"), "a layer")
        order = self._first_members(shape)
        params = [p for m in item.members if isinstance(m, ast.Param) for p in self._param(m, shape)]
        by_name = {p.name: p for p in params}
        solved = ties.solve([m for m in item.members if isinstance(m, ast.Tie)], by_name, values)
        for name, param in solved.items():
            values.names.values[name] = param
        self._init_of(solved)
        formula = Formula(values)
        lets, result = self._body(formula, shape, shape)
        self._unused(solved, formula)
        if result is None or order is None:
            return None
        return ir.Layer(
            name=item.name.id,
            formals=formals,
            shape=shape,
            claims=found_claims,
            order=order,
            indices=tuple((v.name, v.extent) for v in values.names.values.values() if isinstance(v, IndexName)),
            params=tuple(
                replace(p, summed=tuple(i for i in p.indices if i in formula.summed.get(p.name, ())))
                for p in solved.values()
            ),
            variable=item.body.args[0].id,
            lets=tuple(lets),
            result=result.expr,
            doc=item.doc,
            span=item.span,
            name_span=item.name.span,
            shape_span=item.shape.span,
        )

    def _first_members(self, shape: ir.Shape) -> Order | ir.FormalOrder | None:
        """Indices, spaces, acts and the order: they may be used before they stand."""
        values = self.values
        order: Order | ir.FormalOrder | None = DEFAULT_ORDER[shape.kind]
        orders: list[ast.OrderUse] = []
        for member in self.item.members:
            match member:
                case ast.Index():
                    extent = values.nat(member.extent)
                    for name in member.names:
                        values.names.define(name, None if extent is None else IndexName(name.id, extent), self.bag)
                case ast.Space():
                    if member.options:
                        not_yet(self.bag, member.span, "a space with options")
                    values.names.define(member.name, values.shape(member.shape), self.bag)
                case ast.OrderUse():
                    orders.append(member)
                case _:
                    pass
        for member in self.item.members:
            if isinstance(member, (ast.ActNamed, ast.ActDefined)):
                values.names.define(member.name, values.act_item(member), self.bag)
        for extra in orders[1:]:
            self.bag.error(
                "E0204",
                extra.span,
                "a layer has one order",
                "a second one",
                also=(Label(orders[0].span, "the first one"),),
            )
        return values.order(orders[0].name, shape) if orders else order

    # ------------------------------------------------------------ parameters

    def _param(self, node: ast.Param, shape: ir.Shape) -> list[ir.Param]:
        if isinstance(node.kind, ast.KindNet):
            not_yet(self.bag, node.kind.span, "a net as a parameter")
        made = self._kind(node.kind)
        place = self._place(node, shape)
        param: ir.Param | None = None
        if made is not None and place is not None:
            info, kind = made
            source, target = place
            good = self._fits(node, info, kind, source, target)
            bound = self._bound(node.constraints, kind, info)
            if isinstance(kind, ir.Normalize) and node.init is not None:
                self.bag.error(
                    "E0211", node.init.span, "`normalize` holds statistics, it has no `init`", "mean 0, variance 1"
                )
            init = ir.InitCall(info.init) if node.init is None else self.values.init(node.init)
            if good and init is not None and (bound is not None or not node.constraints):
                param = ir.Param("", (), kind, source, target, bound, None, init, (), node.doc, node.span)
        result = []
        for binder in node.binders:
            indices = self._binder_indices(binder)
            one = None
            if param is not None and indices is not None:
                one = replace(param, name=binder.name.id, indices=indices, span=binder.span)
            self.values.names.define(binder.name, one, self.bag)
            if one is not None and binder.name.id in self.values.names.values:
                result.append(one)
        return result

    def _binder_indices(self, binder: ast.Binder) -> tuple[str, ...] | None:
        for index in binder.indices:
            if not isinstance(self.values.names.values.get(index.id), IndexName):
                if not self.values.names.silent(index.id):
                    candidates = [n for n, v in self.values.names.values.items() if isinstance(v, IndexName)]
                    unknown(index, candidates, self.bag, "the indices of this layer", what="index")
                return None
        names = tuple(i.id for i in binder.indices)
        if len(set(names)) != len(names):
            self.bag.error("E0408", binder.span, "an index occurs twice", "declare two indices: `index i, j : K`")
            return None
        return names

    def _kind(self, node: ast.KindMap) -> tuple[Kind, ir.Kind] | None:
        info = KINDS.get(node.name.id)
        if info is None:
            unknown(node.name, KINDS, self.bag, "the kinds of parameters", what="kind of parameter")
            return None
        if not info.ready:
            not_yet(self.bag, node.span, f"the kind `{info.name}`")
        options = self.values.options(node.args, info.options, f"`{info.name}`", node.span)
        direction = self.values.direction(node.direction) if node.direction is not None else None
        if options is None or (node.direction is not None and direction is None):
            return None
        if (node.size is None) is info.sized:
            label = f"write `{info.name} 3x3`" if info.sized else "this kind has no size"
            self.bag.error("E0306", node.span, f"`{info.name}` {'needs' if info.sized else 'takes no'} size", label)
            return None
        if not info.directed and (node.direction is not None or node.strict):
            self.bag.error("E0211", node.span, f"a {info.name} has no direction", "it is diagonal")
            return None
        if node.strict and direction is None:
            self.bag.error("E0211", node.span, "`strict` needs a direction", "write `strict lower` or `strict upper`")
            return None
        if options.get("norm", "none") != "none":
            not_yet(self.bag, node.span, "the option `norm = weight`")
        if info.name in ("scale", "bias"):
            return info, ir.Elementwise(info.name, str(options["per"]))
        if info.name == "normalize":
            eps, momentum = options["eps"], options["momentum"]
            if not isinstance(eps, float) or not isinstance(momentum, float) or not 0 <= momentum <= 1:
                self.bag.error("E0209", node.span, "`normalize` takes numbers, with a momentum from 0 to 1", "options")
                return None
            return info, ir.Normalize(eps, momentum)
        if info.name == "linear":
            return info, ir.Dense(direction, node.strict)
        assert node.size is not None
        return self._conv(node, info, str(options["anchor"]), direction)

    def _conv(self, node: ast.KindMap, info: Kind, anchor: str, direction: str | None) -> tuple[Kind, ir.Kind] | None:
        assert node.size is not None
        rows, columns = node.size
        if not (1 <= rows <= 1024 and 1 <= columns <= 1024):
            self.bag.error("E0306", node.span, f"a kernel of {rows}x{columns} taps", "sizes go from 1 to 1024")
            return None
        if anchor == "centre" and (rows % 2 == 0 or columns % 2 == 0):
            self.bag.error(
                "E0306",
                node.span,
                f"a {rows}x{columns} kernel has no centre",
                "even size",
                notes=("the anchor is the tap that meets the pixel itself; the padding follows from it",),
                fixes=(Fix("name the anchor: `(anchor = corner)`, or bottom_right, bottom_left, top_right, top_left"),),
            )
            return None
        if anchor == "corner" and direction is None:
            self.bag.error(
                "E0306", node.span, "`anchor = corner` follows a direction, and there is none", "name a corner"
            )
            return None
        return info, ir.Conv(node.size, anchor, direction, node.strict)

    def _place(self, node: ast.Param, shape: ir.Shape) -> tuple[ir.Shape, ir.Shape] | None:
        if node.place is None:
            return shape, shape
        if len(node.place.inputs) != 1 or len(node.place.outputs) != 1:
            self.bag.error("E0304", node.place.span, "this kind maps one shape to one shape", "one `from`, one `to`")
            return None
        source = self.values.shape(node.place.inputs[0])
        target = self.values.shape(node.place.outputs[0])
        return None if source is None or target is None else (source, target)

    def _fits(self, node: ast.Param, info: Kind, kind: ir.Kind, source: ir.Shape, target: ir.Shape) -> bool:
        place = node.place.span if node.place else node.kind.span
        for side in (source, target):
            if side.kind not in info.spaces:
                also = (Label(self.shape_span, "the shape it acts on"),) if node.place is None else ()
                wanted = " or ".join(info.spaces)
                self.bag.error(
                    "E0304", place, f"`{info.name}` acts on {wanted}, not on `{side}`", "wrong kind of shape", also=also
                )
                return False
        if source.kind == "Seq" and info.name == "linear":
            not_yet(self.bag, node.span, "`linear` on Seq")
        if isinstance(kind, (ir.Elementwise, ir.Normalize)):
            if source != target:
                self.bag.error(
                    "E0301", place, f"a {info.name} keeps the shape: `{source}` is not `{target}`", "use `on SHAPE`"
                )
                return False
            return True
        if isinstance(kind, ir.Conv) and source.dims[1:] != target.dims[1:]:
            self.bag.error(
                "E0301", place, f"a convolution keeps height and width: `{source}` to `{target}`", "sizes differ"
            )
            return False
        if kind.direction is not None and source != target:
            not_yet(self.bag, place, "a mask between different spaces")
        return True

    # ------------------------------------------------------------ constraints and inits

    def _bound(self, nodes: tuple[ast.Constraint, ...], kind: ir.Kind, info: Kind) -> ir.Bound | None:
        if not nodes:
            return None
        span = nodes[0].span.to(nodes[-1].span)
        for node in nodes:
            if node.name.id in ("det", "lip"):
                not_yet(self.bag, node.span, f"the constraint `{node.name.id}`")
            if node.name.id != "diag":
                unknown(node.name, ("diag", "det", "lip"), self.bag, "the constraints", code="E0701", what="constraint")
                return None
        if isinstance(kind, ir.Normalize):
            self.bag.error("E0701", span, "`normalize` takes no constraint", "its slope is positive by itself")
            return None
        if isinstance(kind, ir.Elementwise):
            if kind.kind == "bias":
                self.bag.error("E0701", span, "a bias has no diagonal", "it is added, not multiplied")
                return None
        elif kind.strict or kind.direction is None:
            why = "it is strict, its diagonal is 0" if kind.strict else "it is dense"
            fixes = () if kind.strict else (Fix(f"give it a direction: `{info.name} ... lower`"),)
            self.bag.error(
                "E0701",
                span,
                f"`diag` of this {info.name} means nothing: {why}",
                "no diagonal to constrain",
                fixes=fixes,
            )
            return None
        numbers = [self.values.number(node.value) for node in nodes]
        known = [n for n in numbers if n is not None]
        if len(known) != len(numbers):
            return None
        form, bounds = _form(nodes, known)
        constraint = next((c for c in CONSTRAINTS if c.quantity == "diag" and c.cmp == form and c.ready), None)
        if constraint is None:
            self.bag.error(
                "E0701",
                span,
                "no parametrisation keeps this constraint",
                "not one of the constraints of `mint list constraints`",
                notes=("constraints: " + "; ".join(c.text for c in CONSTRAINTS if c.quantity == "diag"),),
            )
            return None
        if form == ">= <=" and not 0 < bounds[0] < bounds[1]:
            self.bag.error(
                "E0701", span, f"`diag` from {bounds[0]:g} to {bounds[1]:g} holds no room", "0 < m < M is needed"
            )
            return None
        return self._via(constraint, bounds, nodes, span)

    def _via(
        self, constraint: Constraint, bounds: tuple[float, ...], nodes: tuple[ast.Constraint, ...], span: Span
    ) -> ir.Bound | None:
        calls = [n.via for n in nodes if n.via is not None]
        via = constraint.via[0]
        if calls:
            call = calls[0]
            found = next((v for v in constraint.via if v.name == call.name.id), None)
            if found is None or call.args:
                names = [v.name for v in constraint.via]
                unknown(
                    call.name, names, self.bag, f"the parametrisations of `{constraint.text}`", what="parametrisation"
                )
                return None
            if not found.ready:
                not_yet(self.bag, call.span, f"the parametrisation `{found.name}`")
            via = found
        return ir.Bound(constraint.cmp, bounds, via.name, constraint.interval(*bounds), span)

    def _init_of(self, params: dict[str, ir.Param]) -> None:
        """`fan_in_uniform(of = W)` names a map of this layer."""
        for param in params.values():
            if param.init.name != "fan_in_uniform" or param.init.formal:
                continue
            of = str(param.init.options[0]) if param.init.options else ""
            if of and of not in params:
                unknown(ast.Name(of, param.span), params, self.bag, "the parameters of this layer", what="parameter")
            elif isinstance((params[of] if of else param).kind, ir.Elementwise):
                self.bag.error(
                    "E0210",
                    param.span,
                    "`fan_in_uniform` needs a map whose inputs count",
                    "write `fan_in_uniform(of = W)`",
                )

    # ------------------------------------------------------------ the body

    def _body(self, formula: Formula, shape: ir.Shape, target: ir.Shape) -> tuple[list[ir.Let], Typed | None]:
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
        lets = []
        for item in (*(m for m in self.item.members if isinstance(m, ast.Let)), *body.lets):
            bound = formula.let(item)
            for name in item.names:
                values.names.define(name, bound, self.bag)
            if isinstance(bound, Bound):
                lets.append(bound.let)
        result = formula.expr(body.result)
        if result is not None and result.shape is not None and result.shape != target:
            wanted = f"the layer is on `{target}`" if isinstance(self.item, ast.Layer) else f"the net gives `{target}`"
            self.bag.error(
                "E0301",
                body.result.span,
                f"the result is `{result.shape}`, {wanted}",
                str(result.shape),
                also=(Label(self.shape_span, "declared here"),),
            )
            return lets, None
        return lets, result

    def _unused(self, params: dict[str, ir.Param], formula: Formula) -> None:
        if self.bag.has_errors:
            return
        for param in params.values():
            if param.name not in formula.used:
                self.bag.error(
                    "W0201",
                    param.span,
                    f"the parameter `{param.name}` is never used",
                    "not in the formula",
                    severity=Severity.WARNING,
                )


def _form(nodes: tuple[ast.Constraint, ...], numbers: list[float]) -> tuple[str, tuple[float, ...]]:
    """The registry's name of a constraint, and its numbers."""
    pairs = sorted(zip((n.cmp for n in nodes), numbers, strict=True), reverse=True)
    match pairs:
        case [(">=", m)] if m > 0:
            return ">=", (m,)
        case [(cmp, value)] if (cmp, value) in ((">=", 0.0), (">", 0.0), ("!=", 0.0), ("==", 1.0)):
            return f"{cmp} {value:g}", ()
        case [(">=", m), ("<=", top)]:
            return ">= <=", (m, top)
        case _:
            return "", ()
