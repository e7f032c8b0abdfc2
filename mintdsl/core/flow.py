"""Elaboration of a flow: its steps, the shapes between them, and the names of its parameters' paths."""

from __future__ import annotations

from dataclasses import dataclass, field

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.claim_words import CLAIMS
from mintdsl.core.flow_moves import Made
from mintdsl.core.flow_ode import ode
from mintdsl.core.flow_steps import factor, misplaced, pad, prior, simple
from mintdsl.core.flow_uses import Resolve, classify, use
from mintdsl.core.formals import bind_formals
from mintdsl.core.header import bind_claims, bind_context, bind_shape, unused_context
from mintdsl.core.nat import TooLarge
from mintdsl.core.scope import Entry, Locals, Scope
from mintdsl.core.steps import CALLED
from mintdsl.core.values import Stop, Values, not_yet, too_large, too_many
from mintdsl.diagnostics.model import Bag, Fix, Label
from mintdsl.source import Span
from mintdsl.syntax import ast


def elaborate_flow(item: ast.Flow, scope: Scope, bag: Bag, resolve: Resolve) -> ir.Flow | None:
    """The typed core of `item`; `resolve` elaborates the definitions it uses."""
    own = Bag(bag)
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
    loops: int = 0
    given: ir.Context | None = None
    conditioned: bool = False  # whether a step takes the context
    made: int = 0  # steps, those in blocks too
    again: int = 0  # of these the ones in further copies
    left: list[ir.Shape] = field(default_factory=list)  # shapes of what left for the flow's own prior

    @property
    def bag(self) -> Bag:
        return self.values.bag

    def run(self) -> ir.Flow | None:
        item, values = self.item, self.values
        formals = bind_formals(item.formals, values)
        shape = bind_shape(item.shape, values)
        if shape is None:
            raise Stop
        self.given = bind_context(item.given, shape, values)
        found = bind_claims(item.claims, values, tuple(c.name for c in CLAIMS.values() if c.flows), "a flow")
        self._positions(item.steps)
        steps = self._block(item.steps, shape)
        if steps is None:
            return None
        if self.given is not None and not self.conditioned:
            unused_context(self.given, f"the flow `{item.name.id}`", self.bag)
        places = item.span, item.name.span, item.shape.span
        return ir.Flow(item.name.id, formals, shape, found, steps, self.given, item.doc, *places)

    def _callee(self, entry: Entry, span: Span) -> ir.Definition | ir.Net | None:
        """The definition that a step uses."""
        callee = self.resolve(entry, span)
        self.conditioned |= not isinstance(callee, ir.Net | None) and callee.given is not None
        return callee

    def _positions(self, steps: tuple[ast.Step, ...]) -> None:
        """`dequantize` stands first, `prior` last, neither inside a block; nor does a `factor`."""
        flat = list(_nested(steps, 0))
        misplaced(flat, self.bag)
        for position, (depth, step) in enumerate(flat):
            match step.op:
                case ast.Simple(word="dequantize") if position or depth:
                    self.bag.error(
                        "E0605",
                        step.span,
                        "`dequantize` may only stand first" + (", outside of every block" if depth else ""),
                        "inside of a block" if depth else "not the first step",
                        also=() if depth else (Label(flat[0][1].span, "the first step"),),
                        notes=("it turns integers of the data into reals; after another step there are none",),
                        fixes=(Fix("make it the first step"),),
                    )
                case ast.Classify() | ast.Prior() if depth or position < len(flat) - 1:
                    word = "prior" if isinstance(step.op, ast.Prior) else "classify"
                    after = next((s for _, s in flat[position + 1 :]), None)
                    self.bag.error(
                        "E0604",
                        step.span,
                        f"`{word}` may only stand last" + (", outside of every block" if depth else ""),
                        "inside of a block" if depth else "not the last step",
                        also=() if depth or after is None else (Label(after.span, "this step follows"),),
                        fixes=(Fix("make it the last step"),),
                    )
                case _:
                    pass

    # ------------------------------------------------------------ steps

    def _block(self, steps: tuple[ast.Step, ...], shape: ir.Shape) -> tuple[ir.Step, ...] | None:
        """The steps of a block, each with the shape that the one before leaves; None where one of them failed."""
        result: list[ir.Step] = []
        failed = False
        current: ir.Shape | None = shape
        for step in steps:
            made = self._step(step, current) if current is not None else None
            if made is None:
                failed = True
                current = current if _keeps(step.op) else None
                continue
            result += made
            current = made[-1].result if made else current
        return None if failed else tuple(result)

    def _step(self, step: ast.Step, shape: ir.Shape) -> tuple[ir.Step, ...] | None:
        """What a step becomes: itself, or the copies of a repeated block that changes the shape."""
        self.made += 1
        try:
            if isinstance(step.op, ast.Repeat):
                return self._repeat(step, step.op, shape)
            made = self._made(step, shape)
        except TooLarge:
            too_large(self.bag, step.span)
            return None
        if made is None:
            return None
        op, result = made
        return (ir.Step(self._path(step), op, shape, result, step.span),)

    def _made(self, step: ast.Step, shape: ir.Shape) -> Made | None:
        op = step.op
        match op:
            case ast.Use(call, None) if call.name.id in CALLED and call.name.id not in self.values.names.scope.entries:
                return simple(ast.Simple(call.name.id, None, call.args), step, shape, self.item, self.values)
            case ast.Use():
                return use(op, step, shape, self.given, self._callee, self.values)
            case ast.Simple():
                return simple(op, step, shape, self.item, self.values)
            case ast.Pair():
                steps = self._block(op.steps, shape)
                if steps is None:
                    return None
                return ir.Pair(steps), steps[-1].result if steps else shape
            case ast.Prior():
                return prior(op, step, shape, tuple(self.left), self.values)
            case ast.Pad():
                return pad(op, step, shape, self.item, self.values)
            case ast.Factor():
                top = any(step is other for other in self.item.steps)  # where not, `misplaced` has said so
                made = factor(op, step, shape, self.resolve, self.values) if top else None
                match made:
                    case (ir.FactorOut(prior=None), half):
                        self.left.append(half)  # it has the shape of the other
                    case _:
                        pass
                return made
            case ast.Ode():
                return ode(op, step, shape, self.resolve, self.values)
            case ast.Classify():
                return classify(op, step, shape, self.resolve, self.values)
            case ast.Repeat():
                raise AssertionError("more than one step")

    def _repeat(self, step: ast.Step, op: ast.Repeat, shape: ir.Shape) -> tuple[ir.Step, ...] | None:
        self.loops += 1
        if too_many(self.loops, limits.LOOPS, step.span, self.bag):
            raise Stop
        count = self.values.nat(op.count)
        steps = self._block(op.steps, shape)
        self.loops -= 1
        if count is None or steps is None:
            return None
        if count.constant is not None and not 1 <= count.constant <= limits.STEPS.most:
            self.bag.error(
                "E0307",
                op.count.span,
                f"`repeat {count}`: a block is repeated 1 to {limits.STEPS.shown} times",
                "number of copies",
            )
            return None
        if not steps or steps[-1].result == shape:
            return (ir.Step("repeat", ir.Repeat(count, steps), shape, shape, step.span),)
        if count.constant is None:
            not_yet(
                self.bag, op.count.span, "a repeated block that changes the shape, by a number that a formal gives,"
            )
        for label in _labels(op.steps):
            self.bag.error(
                "E0204",
                label.span,
                f"`{label.id}` would be a step of each copy: a block that changes the shape is written out",
                "one label, several steps",
                also=(Label(step.span, f"from {shape} to {steps[-1].result}"),),
                fixes=(Fix("leave the label out, or write the copies one by one, each with labels of its own"),),
            )
            return None
        return self._copies(step, op, steps, count.constant or 1)

    def _copies(
        self, step: ast.Step, op: ast.Repeat, first: tuple[ir.Step, ...], count: int
    ) -> tuple[ir.Step, ...] | None:
        """The copies of a block one by one: each takes the shape that the one before leaves."""
        copies = [*first]
        for _ in range(count - 1):
            before = self.made
            more = self._block(op.steps, copies[-1].result)
            if more is None:
                return None
            copies += more
            self.again += self.made - before
            if self.again > limits.COPIES.most:
                title = f"written out, the further copies of blocks make {self.again:,} steps up to here"
                note = "copies are written out where a block changes the shape, as each acts on another one"
                label = f"more than {limits.COPIES.shown} further steps"
                self.bag.error("E0307", step.span, title, label, notes=(note,))
                raise Stop
        return tuple(copies)

    # ------------------------------------------------------------ names of paths

    def _path(self, step: ast.Step) -> str:
        """The name of a step: a use has its label or number, a built-in step its number, a block or an end its word."""
        match step.op:
            case ast.Use(call=call):
                return self._key(step, call.name.id)
            case ast.Simple(word="dequantize" as word):
                return word
            case ast.Simple(word=word):
                return self._name(word)
            case ast.Pad():
                return self._name("pad")
            case ast.Factor():
                return self._key(step, "factor")
            case ast.Pair():
                return "pair"
            case ast.Prior():
                return "prior"
            case ast.Classify():
                if "head" in self.labels:
                    also = (Label(step.span, "called `head`"),)
                    title = "another step is called `head`: the net of the classifier"
                    self.bag.error("E0204", self.labels["head"], title, "choose another label", also=also)
                return "head"
            case ast.Ode():
                return self._key(step, "ode")
            case ast.Repeat():
                raise AssertionError("more than one step")

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


def _labels(steps: tuple[ast.Step, ...]) -> list[ast.Name]:
    """The labels of steps, those in blocks too."""
    return [step.label for _, step in _nested(steps, 0) if step.label is not None]


def _keeps(op: ast.Op) -> bool:
    """Whether a step that failed surely keeps the shape, so that the steps after it can still be checked."""
    if isinstance(op, ast.Repeat):
        return all(isinstance(step.op, (ast.Repeat, ast.Pair)) or _keeps(step.op) for _, step in _nested(op.steps, 0))
    if isinstance(op, ast.Use):
        return op.call.name.id not in CALLED
    return isinstance(op, (ast.Pair, ast.Ode)) or (
        isinstance(op, ast.Simple) and op.word in ("logit", "dequantize", "permute", "reverse")
    )
