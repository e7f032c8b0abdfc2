"""Elaboration of a flow: its steps, the shapes between them, and the names of its parameters' paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mintdsl.core import ir
from mintdsl.core.layer import bind_shape, claims
from mintdsl.core.nat import Nat
from mintdsl.core.scope import Entry, Locals, Scope, article, unknown
from mintdsl.core.steps import PRIORS, STEPS
from mintdsl.core.values import Stop, Values, not_yet
from mintdsl.diagnostics.model import Bag, Fix, Label
from mintdsl.source import Span
from mintdsl.syntax import ast

FLOW_CLAIMS = ("injective", "invertible", "volume_preserving")
MAX_STEPS = 100_000
ENDS = (ir.Prior, ir.Dequantize, ir.Classify)  # these stand in the outermost flow only

Resolve = Callable[[Entry, Span], ir.Definition | ir.Net | None]


def elaborate_flow(item: ast.Flow, scope: Scope, bag: Bag, resolve: Resolve) -> ir.Flow | None:
    """The typed core of `item`; `resolve` elaborates the definitions it uses."""
    own = Bag()
    try:
        flow = _Flow(item, Values(Locals(scope, f"the flow `{item.name.id}`"), own), resolve).run()
    except Stop:
        flow = None
    bag.extend(own.sorted())
    return None if own.has_errors else flow


@dataclass(slots=True)
class _Flow:
    item: ast.Flow
    values: Values
    resolve: Resolve
    ordinals: dict[str, int] = field(default_factory=dict)
    labels: dict[str, Span] = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)
    broken: bool = False

    @property
    def bag(self) -> Bag:
        return self.values.bag

    def run(self) -> ir.Flow | None:
        item, values = self.item, self.values
        formals = values.formals(item.formals)
        if item.given:
            not_yet(self.bag, item.given[0].span, "`given` context")
        shape = bind_shape(item.shape, values)
        if shape is None:
            raise Stop
        found = claims(item.claims, values, FLOW_CLAIMS, "a flow")
        self._positions(item.steps)
        steps = self._block(item.steps, shape)
        if steps is None or self.broken:
            return None
        return ir.Flow(item.name.id, formals, shape, found, steps, item.doc, item.span, item.name.span, item.shape.span)

    def _positions(self, steps: tuple[ast.Step, ...]) -> None:
        """`dequantize` stands first, `prior` last, neither inside a block."""
        flat = list(_nested(steps, 0))
        for position, (depth, step) in enumerate(flat):
            match step.op:
                case ast.Simple(word="dequantize") if position or depth:
                    self.bag.error(
                        "E0605",
                        step.span,
                        "`dequantize` may only stand first",
                        "not the first step",
                        also=(Label(flat[0][1].span, "the first step"),) if position else (),
                        notes=("it turns integers of the data into reals; after another step there are none",),
                    )
                case ast.Classify() if depth or position < len(flat) - 1:
                    self.bag.error(
                        "E0604", step.span, "`classify` may only stand last", "steps follow, or a block is around it"
                    )
                case ast.Prior() if depth or position < len(flat) - 1:
                    self.bag.error(
                        "E0604", step.span, "`prior` may only stand last", "steps follow, or a block is around it"
                    )
                case _:
                    pass

    # ------------------------------------------------------------ steps

    def _block(self, steps: tuple[ast.Step, ...], shape: ir.Shape) -> tuple[ir.Step, ...] | None:
        """The steps of a block; each takes the shape that the one before leaves."""
        result = []
        current: ir.Shape | None = shape
        for step in steps:
            made = self._step(step, current) if current is not None else None
            if made is None:
                self.broken = True
                current = current if _keeps(step.op) else None
                continue
            result.append(made)
            current = made.result
        return tuple(result)

    def _step(self, step: ast.Step, shape: ir.Shape) -> ir.Step | None:
        op = step.op
        match op:
            case ast.Use():
                return self._use(step, op, shape)
            case ast.Simple(word="squeeze" | "unsqueeze"):
                return self._squeeze(step, op, shape)
            case ast.Simple(word="logit"):
                return self._logit(step, op, shape)
            case ast.Simple(word="dequantize"):
                assert op.value is not None
                levels = self.values.whole(op.value)
                if levels is not None and not 2 <= levels <= 2**24:
                    self.bag.error(
                        "E0209", op.value.span, f"`dequantize {levels}`: levels go from 2 to 2^24", "number of levels"
                    )
                    return None
                return None if levels is None else ir.Step("dequantize", ir.Dequantize(levels), shape, shape, step.span)
            case ast.Repeat():
                return self._repeat(step, op, shape)
            case ast.Pair():
                steps = self._block(op.steps, shape)
                if steps is None:
                    return None
                return ir.Step("pair", ir.Pair(steps), shape, steps[-1].result if steps else shape, step.span)
            case ast.Prior():
                return self._prior(step, op, shape)
            case ast.Simple(word="standardize"):
                return self._standardize(step, op, shape)
            case ast.Simple():
                not_yet(self.bag, step.span, f"the step `{op.word}`")
            case ast.Pad():
                return self._pad(step, op, shape)
            case ast.Factor():
                not_yet(self.bag, step.span, "the step `factor`")
            case ast.Ode():
                not_yet(self.bag, step.span, "the step `ode`")
            case ast.Classify():
                return self._classify(step, op, shape)

    def _standardize(self, step: ast.Step, op: ast.Simple, shape: ir.Shape) -> ir.Step | None:
        found: dict[str, tuple[float, ...]] = {}
        for arg in op.args:
            if arg.name is None or arg.name.id not in ("mean", "std") or arg.cmp != "=" or arg.name.id in found:
                self.bag.error(
                    "E0209", arg.span, "`standardize` takes `mean = ...` and `std = ...`", "not one of these"
                )
                return None
            if isinstance(arg.value, ast.Name) and arg.value.id == "data":
                not_yet(self.bag, arg.span, "`standardize` from the data")
            items = arg.value.items if isinstance(arg.value, ast.Tuple) else (arg.value,)
            numbers = [self.values.number(item) for item in items]
            known = tuple(n for n in numbers if n is not None)
            if len(known) != len(numbers):
                return None
            channels = shape.dims[0].constant if shape.dims else None
            if len(known) > 1 and (channels is None or channels != len(known)):
                title = f"{len(known)} numbers for {shape.dims[0] if shape.dims else 'unknown'} channels"
                self.bag.error("E0301", arg.value.span, title, "one number, or one a channel")
                return None
            if arg.name.id == "std" and min(known) <= 0:
                self.bag.error("E0209", arg.value.span, "a standard deviation is > 0", "not positive")
                return None
            found[arg.name.id] = known
        if len(found) != 2:
            self.bag.error("E0210", step.span, "`standardize` needs `mean` and `std`", "one is missing")
            return None
        return ir.Step(self._name("standardize"), ir.Standardize(found["mean"], found["std"]), shape, shape, step.span)

    def _pad(self, step: ast.Step, op: ast.Pad, shape: ir.Shape) -> ir.Step | None:
        self._pad_and_prior(step)
        if op.axis.id != "channels":
            unknown(op.axis, ("channels",), self.bag, "what `pad` can raise", code="E0209", what="axis")
            return None
        size = self.values.whole(op.size)
        if size is None:
            return None
        channels = shape.dims[0].constant if shape.kind == "Image" else None
        if channels is None:
            self.bag.error(
                "E0304", step.span, f"`pad` acts on an Image of known channels, not on `{shape}`", "not known here"
            )
            return None
        if not channels < size <= 2**20:
            self.bag.error(
                "E0209", op.size.span, f"`pad channels to {size}` of {channels}: no channel to add", "too few"
            )
            return None
        result = ir.Shape("Image", (Nat.of(size), *shape.dims[1:]))
        return ir.Step(self._name("pad"), ir.Pad(size - channels), shape, result, step.span)

    def _classify(self, step: ast.Step, op: ast.Classify, shape: ir.Shape) -> ir.Step | None:
        name = op.call.name
        entry = self.values.names.scope.entries.get(name.id)
        if entry is None:
            if not self.values.names.silent(name.id):
                nets = [n for n, e in self.values.names.scope.entries.items() if e.kind == "net"]
                unknown(name, nets, self.bag, self.values.names.where, what="net")
            return None
        if entry.kind != "net":
            self.bag.error(
                "E0208", name.span, f"`classify` takes a net; `{name.id}` is {article(entry.kind)}", "not a net"
            )
            return None
        if not isinstance(entry.item, ast.Net):
            not_yet(self.bag, name.span, "an extern net")
        callee = self.resolve(entry, name.span)
        if callee is None:
            return None
        assert isinstance(callee, ir.Net)
        arguments = self._arguments(op.call, callee)
        if arguments is None or not self._enters(step, name, callee, arguments, shape):
            return None
        bound = self._binding(callee, arguments, shape)
        if callee.target.kind != "Vec":
            self.bag.error(
                "E0304", step.span, f"a head gives a Vec of logits, `{name.id}` gives `{callee.target}`", "not a Vec"
            )
            return None
        result = ir.Shape("Vec", tuple(d.substitute(bound) for d in callee.target.dims))
        return ir.Step("head", ir.Classify(entry.key, arguments), shape, result, step.span)

    def _pad_and_prior(self, step: ast.Step) -> None:
        for other in self.item.steps:
            if isinstance(other.op, ast.Prior):
                self.bag.error(
                    "E0604",
                    other.span,
                    "a flow that pads has no density: it takes no prior",
                    "no log_prob exists here",
                    also=(Label(step.span, "raises the dimension: the flow is injective only"),),
                )
                raise Stop

    def _repeat(self, step: ast.Step, op: ast.Repeat, shape: ir.Shape) -> ir.Step | None:
        count = self.values.nat(op.count)
        steps = self._block(op.steps, shape)
        if count is None or steps is None:
            return None
        if count.constant is not None and not 1 <= count.constant <= MAX_STEPS:
            self.bag.error(
                "E0307",
                op.count.span,
                f"`repeat {count}`: a block is repeated 1 to {MAX_STEPS} times",
                "number of copies",
            )
            return None
        result = steps[-1].result if steps else shape
        if result != shape:
            not_yet(self.bag, step.span, "a repeated block that changes the shape")
        return ir.Step("repeat", ir.Repeat(count, steps), shape, shape, step.span)

    def _logit(self, step: ast.Step, op: ast.Simple, shape: ir.Shape) -> ir.Step | None:
        assert op.value is not None
        alpha = self.values.number(op.value)
        if alpha is None:
            return None
        if not 0 < alpha < 0.5:
            self.bag.error(
                "E0209",
                op.value.span,
                f"`logit({alpha:g})`: the margin lies between 0 and 1/2",
                "not between 0 and 1/2",
                notes=("logit(a + (1 - 2a) x); with a = 0 a pixel that is black or white goes to infinity",),
            )
            return None
        return ir.Step(self._name("logit"), ir.Logit(alpha), shape, shape, step.span)

    def _squeeze(self, step: ast.Step, op: ast.Simple, shape: ir.Shape) -> ir.Step | None:
        assert op.value is not None
        options = self.values.options(op.args, STEPS[op.word].options, f"`{op.word}`", step.span)
        factor = self.values.whole(op.value)
        if options is None or factor is None:
            return None
        if not 2 <= factor <= 4096:
            self.bag.error("E0209", op.value.span, f"`{op.word} {factor}`: the factor goes from 2 to 4096", "factor")
            return None
        if options["layout"] == "alternate":
            not_yet(self.bag, step.span, "the layout `alternate`")
        if shape.kind != "Image":
            self.bag.error("E0304", step.span, f"`{op.word}` acts on Image, not on `{shape}`", "not an image")
            return None
        undo = op.word == "unsqueeze"
        c, h, w = shape.dims
        area, side = Nat.of(factor * factor), Nat.of(factor)
        divided = [(c, factor * factor)] if undo else [(h, factor), (w, factor)]
        for size, by in divided:
            if size.constant is not None and size.constant % by:
                self._indivisible(step, op.word, factor, shape, size.constant, by)
                return None
        result = (
            ir.Shape("Image", (c.over(factor * factor), h * side, w * side))
            if undo
            else ir.Shape("Image", (c * area, h.over(factor), w.over(factor)))
        )
        return ir.Step(self._name(op.word), ir.Squeeze(factor, str(options["layout"]), undo), shape, result, step.span)

    def _indivisible(self, step: ast.Step, word: str, factor: int, shape: ir.Shape, size: int, by: int) -> None:
        also = [Label(self.item.shape.span, "starts here")]
        also += [
            Label(other.span, "halves height and width" if other.op.value else "")
            for other in self.item.steps
            if isinstance(other.op, ast.Simple) and other.op.word == word and other.span.end <= step.span.start
        ]
        what = "channels" if word == "unsqueeze" else "height and width"
        self.bag.error(
            "E0302",
            step.span,
            f"`{word} {factor}` of `{shape}`: {by} does not divide {size}",
            f"{size} is not divisible by {by}",
            also=tuple(also),
            notes=(f"{word} needs {what} that {by} divides",),
        )

    def _prior(self, step: ast.Step, op: ast.Prior, shape: ir.Shape) -> ir.Step | None:
        info = PRIORS.get(op.call.name.id)
        if info is None:
            unknown(op.call.name, PRIORS, self.bag, "the priors", what="prior")
            return None
        if not info.ready:
            not_yet(self.bag, step.span, f"the prior `{info.name}`")
        if self.values.options(op.call.args, (), f"`{info.name}`", step.span) is None:
            return None
        return ir.Step("prior", ir.Prior(info.name), shape, shape, step.span)

    # ------------------------------------------------------------ uses

    def _use(self, step: ast.Step, op: ast.Use, shape: ir.Shape) -> ir.Step | None:
        name = op.call.name
        entry = self.values.names.scope.entries.get(name.id)
        if entry is None:
            if not self.values.names.silent(name.id):
                known = [n for n, e in self.values.names.scope.entries.items() if e.kind in ("layer", "flow")]
                unknown(name, [*known, *STEPS], self.bag, self.values.names.where, what="step")
            return None
        if entry.kind not in ("layer", "flow"):
            net = entry.kind == "net"
            self.bag.error(
                "E0208",
                name.span,
                f"a step of a flow is a layer or a flow; `{name.id}` is {article(entry.kind)}"
                + (" and claims nothing" if net else ""),
                f"not a step: {article(entry.kind)}",
            )
            return None
        callee = self.resolve(entry, name.span)
        if op.log_det is not None:
            not_yet(self.bag, op.log_det.span, "`log_det` at a use")
        if callee is None:
            return None
        assert not isinstance(callee, ir.Net)
        if isinstance(callee, ir.Flow) and any(isinstance(s.op, ENDS) for s in callee.steps):
            self._inner_ends(name, callee)
            return None
        arguments = self._arguments(op.call, callee)
        if arguments is None or not self._enters(step, name, callee, arguments, shape):
            return None
        result = shape
        if isinstance(callee, ir.Flow) and callee.steps:
            bound = self._binding(callee, arguments, shape)
            last = callee.steps[-1].result
            result = ir.Shape(last.kind, tuple(d.substitute(bound) for d in last.dims))
        return ir.Step(self._key(step, name.id), ir.Use(entry.key, arguments), shape, result, step.span)

    def _inner_ends(self, name: ast.Name, callee: ir.Flow) -> None:
        last = next(s for s in callee.steps if isinstance(s.op, ENDS))
        word = {ir.Prior: "prior", ir.Classify: "classify"}.get(type(last.op), "dequantize")
        place = "first" if word == "dequantize" else "last"
        self.bag.error(
            "E0604",
            name.span,
            f"`{word}` stands {place} in the outermost flow; `{callee.name}` has one, so it cannot be a step",
            "used as a step here",
            also=(Label(last.span, f"its {word}"),),
        )

    def _arguments(self, call: ast.Call, callee: ir.Definition | ir.Net) -> tuple[tuple[str, ir.Argument], ...] | None:
        by_name = {f.name: f for f in callee.formals}
        found: dict[str, ir.Argument] = {}
        good = True
        for position, arg in enumerate(call.args):
            if arg.cmp not in (None, "="):
                self.bag.error("E0209", arg.span, "an argument is `name = value`", "a bound is no argument")
                good = False
                continue
            if arg.name is not None:
                formal = by_name.get(arg.name.id)
                if formal is None:
                    unknown(
                        arg.name, by_name, self.bag, f"the formals of `{callee.name}`", code="E0209", what="argument"
                    )
                    good = False
                    continue
            elif position < len(callee.formals):
                formal = callee.formals[position]
            else:
                self.bag.error(
                    "E0209", arg.span, f"`{callee.name}` takes {len(callee.formals)} arguments", "one too many"
                )
                good = False
                continue
            value = self.values.argument(arg.value, formal.type, formal.name)
            if formal.name in found:
                self.bag.error("E0204", arg.span, f"`{formal.name}` is given twice", "given again here")
            if value is None or formal.name in found:
                good = False
                continue
            found[formal.name] = value
        for formal in callee.formals:
            if formal.name not in found and formal.default is not None:
                found[formal.name] = formal.default
            elif formal.name not in found and good:
                self.bag.error(
                    "E0210",
                    call.span,
                    f"`{callee.name}` needs `{formal.name}`",
                    f"write `{callee.name}({formal.name} = ...)`",
                    also=(Label(formal.span, "declared without a default"),),
                )
                good = False
        return tuple((f.name, found[f.name]) for f in callee.formals) if good else None

    def _binding(
        self, callee: ir.Definition | ir.Net, args: tuple[tuple[str, ir.Argument], ...], shape: ir.Shape
    ) -> dict[str, Nat]:
        bound = {name: value for name, value in args if isinstance(value, Nat)}
        formals = {f.name for f in callee.formals}
        for pattern, size in zip(callee.shape.dims, shape.dims, strict=False):
            if (
                len(pattern.terms) == 1
                and len(pattern.symbols) == 1
                and pattern == Nat.symbol(next(iter(pattern.symbols)))
            ):
                symbol = next(iter(pattern.symbols))
                if symbol not in formals:
                    bound.setdefault(symbol, size)
        return bound

    def _enters(
        self,
        step: ast.Step,
        name: ast.Name,
        callee: ir.Definition | ir.Net,
        args: tuple[tuple[str, ir.Argument], ...],
        shape: ir.Shape,
    ) -> bool:
        """Whether `shape` fits the shape that the callee is on."""
        wanted = callee.shape
        if wanted.kind == "Any":
            return True
        if wanted.kind == shape.kind:
            bound = self._binding(callee, args, shape)
            dims = tuple(d.substitute(bound) for d in wanted.dims)
            if dims == shape.dims:
                return True
        fixes: tuple[Fix, ...] = ()
        self.bag.error(
            "E0301",
            step.span,
            f"`{name.id}` is on `{wanted}`, here it gets `{shape}`",
            f"gets {shape}",
            also=(Label(callee.name_span, f"declared on {wanted}"),),
            fixes=fixes,
        )
        return False

    # ------------------------------------------------------------ names of paths

    def _key(self, step: ast.Step, callee: str) -> str:
        """The label, or the callee's name with its ordinal among the uses of that callee in this flow."""
        if step.label is None:
            return self._name(callee)
        label = step.label
        if label.id in self.labels:
            self.bag.error(
                "E0204",
                label.span,
                f"the label `{label.id}` stands twice",
                "again here",
                also=(Label(self.labels[label.id], "first here"),),
            )
        self.labels[label.id] = label.span
        if label.id in self.paths:
            self.bag.error("E0204", label.span, f"another step is called `{label.id}` already", "choose another label")
        self.paths.add(label.id)
        return label.id

    def _name(self, word: str) -> str:
        ordinal = self.ordinals.get(word, 0)
        while f"{word}_{ordinal}" in self.paths:  # a label has this name
            ordinal += 1
        self.ordinals[word] = ordinal + 1
        self.paths.add(f"{word}_{ordinal}")
        return f"{word}_{ordinal}"


def _nested(steps: tuple[ast.Step, ...], depth: int) -> list[tuple[int, ast.Step]]:
    result = []
    for step in steps:
        result.append((depth, step))
        if isinstance(step.op, (ast.Repeat, ast.Pair)):
            result += _nested(step.op.steps, depth + 1)
    return result


def _keeps(op: ast.Op) -> bool:
    """Whether a step that failed surely keeps the shape, so that the steps after it can still be checked."""
    return isinstance(op, (ast.Use, ast.Pair, ast.Repeat)) or (
        isinstance(op, ast.Simple) and op.word in ("logit", "dequantize")
    )
