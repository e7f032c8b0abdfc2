"""A proof as a document: what all its forms (text, Markdown, LaTeX, SVG, HTML) show, in the order of proof.

Steps are numbered within a definition, premises before what they prove. Everything here takes time linear in the size
of the proof: walks do not recurse, and the text of an expression is cut where it is long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mintdsl.core import ir
from mintdsl.core.canonical import spec_hash
from mintdsl.core.postorder import Node, postorder
from mintdsl.core.walks import needed_lets
from mintdsl.diagnostics.model import Diagnostic, Severity
from mintdsl.diagnostics.render import printable
from mintdsl.proof.check import LayerProof
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.jacobian import Jacobian
from mintdsl.proof.prover import FlowProof, Proved
from mintdsl.proof.rules import RULES
from mintdsl.proof.rules.model import Rule
from mintdsl.records import record
from mintdsl.source import Source, Span
from mintdsl.tools.show import class_of, facts, free, located, proved_word

LONGEST = 160
"""Characters of an expression that are shown; the middle of longer ones is left out."""

NOT_CLAIMED = (
    "A bound of the inverse is not claimed. A diagonal of at least m bounds the diagonal of the inverse by 1/m, not "
    "the inverse: [[1, 0], [1e6, 1]] has diagonal 1 and an inverse of norm 1e6. Numerical inverses are tested by their "
    "residual, which bounds the error only through the condition of the layer. Where a diagonal entry is tiny (its "
    "bound below 3e-4, the root of float32's rounding unit), x itself is not determined in float32: the residual is "
    "met, x may differ. Which inputs an output depends on is not claimed either."
)

NUMERICAL = "Numerical: bounds over all inputs and weights, in the Euclidean and the maximum norm"
ASSUMED = "what is assumed, the module checks when weights are loaded and before each inverse"

BOOKKEEPING = {
    "LET": "names a subformula; its proof stands above",
    "USE": "a definition whose proof stands above, at its arguments",
    "PART": "what becomes of one part, the others held fixed",
    "REPEAT": "copies of a block, proved once",
    "CLASS": "what the formula gives when it proves no bijection",
    "DEQUANT": "uniform noise on integers; outside the bijection",
    "PRIOR": "the distribution of the latent; outside the bijection",
    "HEAD": "a classifier's net; outside the bijection",
    "FAIL": "the formula has no value for some input",
}


@record
class Step:
    """One step of a proof: `node` with its number, how deep it stands, and the numbers of its premises.

    `refers` is the step, or the definition, that a name stands for. `expr` is the formula where the step is of one.
    """

    number: int
    depth: int
    premises: tuple[int, ...]
    node: Derivation
    text: str
    expr: ir.Expr | None = None
    refers: int | str | None = None

    @property
    def fact(self) -> Jacobian | None:
        """The class of its expression, also where a name is given to it."""
        named = self.node.rule == "LET" and self.node.premises
        return self.node.premises[0].fact if named else self.node.fact


@record
class Formula:
    """A formula of a layer: what it defines (an activation, a `let`, the layer), and the step of each of its nodes."""

    of: ir.DefinedAct | ir.Let | ir.Layer
    variable: str
    root: ir.Expr
    steps: tuple[Step, ...]


@record
class Section:
    """The proof of one definition with one binding of its formals; `roots` are the last steps of its trees."""

    definition: ir.Definition
    proved: Proved
    kind: str
    name: str
    place: str
    settled: tuple[str, ...]
    claims: tuple[str, ...]
    holds: bool
    follows: str
    steps: tuple[Step, ...]
    roots: tuple[int, ...]
    formulas: tuple[Formula, ...]

    @property
    def title(self) -> str:
        """`layer Mint on Image[C, H, W]`."""
        return f"{self.kind} {self.name} on {located(self.definition)}"

    @property
    def verdict(self) -> str:
        """`proved`, under which checked assumptions, or `NOT PROVED`."""
        return proved_word(self.proved.proof) if self.holds else "NOT PROVED"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the proof takes for granted and the module tests."""
        return self.proved.proof.assumptions

    def tree(self, root: int) -> tuple[Step, ...]:
        """The steps of the tree that ends in `root`."""
        before = max((r for r in self.roots if r < root), default=0)
        return self.steps[before:root]


@record
class Numbers:
    """What is known of one definition in floating point, name and words."""

    title: str
    rows: tuple[tuple[str, str], ...]


@record
class Document:
    """All that is shown: the definitions, those used first first, and the rules; `hash` when all is proved.

    `numerical` has bounds over all inputs and weights, and `formula` says what the errors in them mean.
    """

    sections: tuple[Section, ...]
    rules: tuple[Rule, ...]
    bookkeeping: tuple[tuple[str, str], ...]
    sources: Mapping[str, Source]
    diagnostics: tuple[Diagnostic, ...] = ()
    hash: str = ""
    numerical: tuple[Numbers, ...] = ()
    formula: str = ""

    @property
    def name(self) -> str:
        """The definition that all is about."""
        return self.sections[-1].name

    @property
    def holds(self) -> bool:
        """Whether everything that is claimed is proved."""
        return all(section.holds for section in self.sections)


def document(
    found: Sequence[Proved],
    program: ir.Program,
    sources: Mapping[str, Source],
    diagnostics: tuple[Diagnostic, ...] = (),
) -> Document:
    """The document of the proofs `found`, of which there is at least one."""
    texts = Texts(sources)
    sections = tuple(_section(one, program, texts) for one in found)
    nodes = [step.node for section in sections for step in section.steps]
    names = {node.rule for node in nodes} | {"TIE" for node in nodes if "TIE" in node.note}
    rules = tuple(rule for name, rule in RULES.items() if name in names)
    words = tuple((name, text) for name, text in BOOKKEEPING.items() if name in names)
    holds = all(section.holds for section in sections)
    errors = any(d.severity is Severity.ERROR for d in diagnostics)
    found_hash = spec_hash(program, found[-1].key) if holds and not errors else ""
    return Document(sections, rules, words, sources, diagnostics, found_hash)


# ---------------------------------------------------------------- texts


@dataclass(slots=True)
class Texts:
    """Expressions as the source has them, on one line and without comments."""

    sources: Mapping[str, Source]
    plain: dict[str, str] = field(default_factory=dict)

    def of(self, span: Span) -> str:
        """The text of a span, its middle left out where it is long."""
        if span.file not in self.sources:
            return "?"
        if span.file not in self.plain:
            whole = self.sources[span.file].text
            self.plain[span.file] = re.sub(r"#[^\n]*", lambda comment: " " * len(comment[0]), whole)
        text = self.plain[span.file]
        if span.end - span.start <= 8 * LONGEST:
            return shortened(printable(" ".join(text[span.start : span.end].split())))
        head, tail = text[span.start : span.start + 4 * LONGEST], text[span.end - 4 * LONGEST : span.end]
        return shortened(printable(" ".join(head.split()) + " " + " ".join(tail.split())), always=True)

    def line(self, span: Span) -> int:
        """The line in which a span starts."""
        source = self.sources.get(span.file)
        return source.position(span.start).line if source else 0


def shortened(text: str, *, always: bool = False) -> str:
    """`text` with dots in its middle if it is longer than LONGEST."""
    if len(text) <= LONGEST and not always:
        return text
    head, tail = text[: LONGEST * 2 // 3].rstrip(), text[-LONGEST // 3 :].lstrip()
    return f"{head} ... {tail}"


# ---------------------------------------------------------------- sections


def _section(one: Proved, program: ir.Program, texts: Texts) -> Section:
    definition, proof = program.definitions[one.key], one.proof
    is_layer = isinstance(proof, LayerProof)
    bound = [f"{name} = {value}" for name, value in one.bindings.items() if not isinstance(value, ir.FormalOrder)]
    settled = [f"for all {free(definition)}"] if free(definition) else []
    settled += bound
    if isinstance(proof, LayerProof) and str(proof.working):
        settled.insert(0, f"order {proof.working}")
    follows = facts(proof, None).conclusion
    if isinstance(proof, LayerProof):
        follows = f"{class_of(proof)}; {follows}"
    formulas = list(_formulas(definition, proof))
    exprs = {id(n): node.expr for _, _, _, nodes in formulas for n, node in nodes}
    steps = tuple(_steps(_roots(proof), exprs, texts))
    by_node = {id(step.node): step for step in steps}
    return Section(
        definition,
        one,
        "layer" if is_layer else "flow",
        definition.name,
        f"{printable(definition.name_span.file)}:{texts.line(definition.name_span)}",
        tuple(settled),
        tuple(map(str, definition.claims)),
        not proof.diagnostics and not (isinstance(proof, FlowProof) and proof.excused),
        follows,
        steps,
        tuple(step.number for step in steps if step.depth == 0),
        tuple(Formula(of, x, root, tuple(by_node[id(n)] for n, _ in nodes)) for of, x, root, nodes in formulas),
    )


def _roots(proof: LayerProof | FlowProof) -> list[Derivation]:
    """The trees of a proof: first those of the activations that the program defines, then its own."""
    trees = []
    for act, inner in proof.acts if isinstance(proof, LayerProof) else ():
        title = f"{act.name}({act.variable}) ="
        trees.append(Derivation("LET", inner.subject, inner.conclusion, (inner,), title=title))
    return [*trees, proof.derivation]


_Found = tuple[ir.DefinedAct | ir.Let | ir.Layer, str, ir.Expr, list[tuple[Derivation, Node]]]


def _formulas(definition: ir.Definition, proof: LayerProof | FlowProof) -> Iterator[_Found]:
    """What each formula of a layer defines, its variable, the formula, and the derivation of each of its nodes."""
    if not isinstance(definition, ir.Layer) or not isinstance(proof, LayerProof):
        return
    found: list[tuple[ir.DefinedAct | ir.Let | ir.Layer, str, ir.Expr, Derivation]] = []
    found += [(act, act.variable, act.body, inner) for act, inner in proof.acts]
    wholes = [part.derivation for part in proof.parts] or [proof.derivation]
    for (x, formula), whole in zip(definition.results, wholes, strict=False):
        *lets, result = whole.premises or (whole,)
        items = needed_lets(formula, definition) if proof.parts else definition.lets
        found += [(let, x, let.value, tree.premises[0]) for let, tree in zip(items, lets, strict=False)]
        found.append((definition, x, formula, result))
    for of, variable, root, derivation in found:
        steps = [node for node in derivation.nodes() if node.fact is not None]
        nodes = postorder(root)
        if len(steps) == len(nodes):  # not where a formula has no value: it has no derivation
            yield of, variable, root, list(zip(steps, nodes, strict=True))


def _steps(roots: Sequence[Derivation], exprs: Mapping[int, ir.Expr], texts: Texts) -> Iterator[Step]:
    lets: dict[str, int] = {}
    number = 0
    for root in roots:
        waiting: list[int] = []
        for node, depth in _with_depths(root):
            number += 1
            count = len(node.premises)
            premises = tuple(waiting[len(waiting) - count :]) if count else ()
            del waiting[len(waiting) - count :]
            waiting.append(number)
            expr = exprs.get(id(node))
            text = printable(node.title) or texts.of(node.subject)
            if node.rule == "LET" and node.title:
                lets[re.split(r"[\[ (]", node.title)[0]] = number
            refers: int | str | None = lets.get(expr.name) if isinstance(expr, ir.Ref) else None
            if node.rule in ("USE", "INVERSE"):
                refers = node.title.partition("(")[0]
            yield Step(number, depth, premises, node, text, expr, refers)


def _with_depths(root: Derivation) -> list[tuple[Derivation, int]]:
    """The nodes of a tree, premises first, and how far each is from the root."""
    found: list[tuple[Derivation, int]] = []
    stack = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        found.append((node, depth))
        stack.extend((premise, depth + 1) for premise in node.premises)
    return found[::-1]


# ---------------------------------------------------------------- trees from the conclusion down


@record
class Row:
    """A step in a tree that is read from its conclusion; `below`: its premises stand in a tree of their own, later."""

    step: Step
    depth: int
    last: bool
    below: bool


def trees(steps: Sequence[Step], deepest: int) -> Iterator[list[Row]]:
    """The tree of `steps` from its conclusion, cut where it is deeper than `deepest`; the cut parts follow."""
    first = steps[0].number
    queue = [steps[-1]]
    for top in queue:  # it grows while it is read
        rows: list[Row] = []
        stack = [(top, 0, True)]
        while stack:
            step, depth, last = stack.pop()
            below = depth == deepest and bool(step.premises)
            rows.append(Row(step, depth, last, below))
            if below:
                queue.append(step)
                continue
            for i, number in enumerate(reversed(step.premises)):
                stack.append((steps[number - first], depth + 1, i == 0))
        yield rows
