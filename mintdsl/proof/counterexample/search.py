"""The search for a counter-example: which claim a diagnostic is about, candidates, simplification, confirmation.

It is deterministic and its budget is in evaluations, so the same program gets the same example on every machine. Where
nothing is found nothing is said: the claim may be true and only the rules too weak to prove it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from mintdsl.core import ir
from mintdsl.core.interval import REAL
from mintdsl.diagnostics.model import Diagnostic, Example, Tensor
from mintdsl.proof.counterexample.goals import Finding, Goal, fold, goal, no_value
from mintdsl.proof.counterexample.image import unreached
from mintdsl.proof.counterexample.knobs import PLAINEST, Draws, assignments, inputs, plainness
from mintdsl.proof.counterexample.points import Budget, Made, Point, Spent, make
from mintdsl.proof.counterexample.settings import Setting, plain, settings
from mintdsl.proof.prover import Prover
from mintdsl.records import record, replace
from mintdsl.source import Span

SEARCH, SIMPLIFY = 6000, 2000  # nodes of formulas that are evaluated, about

Bindings = Mapping[str, ir.Argument]


@record
class Question:
    """What is to be refuted: a claim of the definition `key`, or (`claim` None) that it has a value everywhere.

    `code` is that of the message: of E0602 it is known that the map is one to one, and E0402 takes two coordinates.
    """

    key: str
    bindings: Bindings
    claim: ir.Claim | None
    code: str = ""


def with_example(prover: Prover, key: str, bindings: Bindings, diagnostic: Diagnostic) -> Diagnostic:
    """`diagnostic`, found in the proof of `key`, with a counter-example if there is one within the budget."""
    asked = _question(prover, key, bindings, diagnostic)
    found = None if asked is None else example(prover.program, asked)
    if found is None and diagnostic.code == "E0602":
        found = _of_a_step(prover, key, bindings)
    return diagnostic if found is None else replace(diagnostic, example=found)


def _of_a_step(prover: Prover, key: str, bindings: Bindings) -> Example | None:
    """What the first step of a large flow that is not onto does not reach."""
    definition = prover.program.definitions[key]
    for use in _uses(definition.steps, None) if isinstance(definition, ir.Flow) else ():
        inside = prover.bindings_of(use, bindings)
        bijection = prover.prove(use.definition, inside).bijection
        if bijection is None or bijection.codomain != REAL:
            found = example(prover.program, Question(use.definition, inside, ir.Claim("invertible"), "E0602"))
            return found and replace(found, seen=f"of the step `{found.definition}`: {found.seen}")
    return None


def _question(prover: Prover, key: str, bindings: Bindings, diagnostic: Diagnostic) -> Question | None:
    """The claim that failed is the one that a label points at."""
    definition = prover.program.definitions[key]
    spans = {label.span for label in diagnostic.labels}
    for claim in definition.claims:
        if claim.span in spans:
            return Question(key, bindings, claim, diagnostic.code)
    if diagnostic.code in ("E0407", "E0411"):
        return Question(key, bindings, None)
    if isinstance(definition, ir.Flow):
        for use in _uses(definition.steps, spans):
            inside = prover.bindings_of(use, bindings)
            if prover.prove(use.definition, inside).bijection is None:
                return Question(use.definition, inside, ir.Claim("injective"), diagnostic.code)
    return None


def _uses(steps: Iterable[ir.Step], spans: set[Span] | None) -> Iterator[ir.Use]:
    """The uses at `spans`, or all."""
    for step in steps:
        match step.op:
            case ir.Use() as use if spans is None or step.span in spans:
                yield use
            case ir.Repeat(steps=inner) | ir.Pair(steps=inner):
                yield from _uses(inner, spans)
            case _:
                pass


# ---------------------------------------------------------------- search


def example(program: ir.Program, question: Question) -> Example | None:
    """Numbers that refute the claim; None if there are none, or none within the budget."""
    budget = Budget(SEARCH)
    found = None
    try:
        if question.code != "E0602" and plain(program, question.key, question.bindings):
            found = _refuted(program, question, budget)
        if found is None and question.claim is not None and question.claim.what in ("invertible", "onto"):
            found = _missed(program, question, budget)
    except Spent:
        pass
    return None if found is None else _example(*found)


def _missed(program: ir.Program, question: Question, budget: Budget) -> tuple[Made, Finding] | None:
    for setting in settings(program, question.key, question.bindings):
        for values in islice(assignments(setting.knobs), 4):
            made = make(setting, values)
            finding = unreached(made, budget)
            if finding is not None:
                return made, finding
    return None


def _refuted(program: ir.Program, question: Question, budget: Budget) -> tuple[Made, Finding] | None:
    least = 2 if question.code == "E0402" else 1
    every = [s for s in settings(program, question.key, question.bindings) if s.size >= least]
    for left, setting in zip(range(len(every), 0, -1), every, strict=True):
        wanted = no_value if question.claim is None else goal(question.claim, setting)
        if wanted is None:
            continue
        share = Budget(budget.left // min(left, 2))  # the smaller the sizes, the more of it
        before = share.left
        try:
            found = _search(setting, wanted, share)
        except Spent:
            found = None
        budget.left -= before - share.left
        if found is not None:
            return _polished(*_simplified(*found, wanted))
    return None


def _search(setting: Setting, wanted: Goal, budget: Budget) -> tuple[Made, Finding] | None:
    draws = Draws(7)
    if not setting.knobs:
        made = make(setting, ())
        finding = _look(made, wanted, islice(inputs(setting.size, draws), 100), budget)
        return None if finding is None else (made, finding)
    for values in assignments(setting.knobs):
        budget.spend(setting.making)
        made = make(setting, values)
        several = 1 if setting.affine else 11 if setting.size == 1 else 4
        finding = _look(made, wanted, islice(inputs(setting.size, draws), several), budget)
        if finding is not None:
            return made, finding
    return None


def _look(made: Made, wanted: Goal, xs: Iterable[Sequence[float]], budget: Budget) -> Finding | None:
    points: list[Point] = []
    for x in xs:
        point = made.at(x, budget)
        if point is None:
            continue
        points.append(point)
        finding = wanted(points, lambda other: made.at(other, budget))
        if finding is not None and all(map(made.confirmed, finding.points)):
            return finding
    return None


# ---------------------------------------------------------------- what was found, made plain


def _simplified(made: Made, finding: Finding, wanted: Goal) -> tuple[Made, Finding]:
    """Plainer numbers, as long as it stays a counter-example of the same kind."""
    budget = Budget(SIMPLIFY)
    try:
        changed = True
        while changed:
            changed = False
            cost = _cost(made.values, finding)
            for values, xs in _plainer(made, finding):
                if sum(map(plainness, values)) >= cost:
                    continue
                budget.spend(made.setting.making)
                other = make(made.setting, values)
                found = _look(other, wanted, xs, budget)
                if found is not None and found.kind == finding.kind and _cost(values, found) < cost:
                    made, finding, changed = other, found, True
                    break
    except Spent:
        pass
    return made, finding


def _plainer(made: Made, finding: Finding) -> Iterator[tuple[tuple[float, ...], list[tuple[float, ...]]]]:
    """Knobs and inputs with one number plainer, the least plain first; then with one other number changed as well."""
    count, size = len(made.values), made.setting.size
    numbers = (*made.values, *(v for point in finding.points for v in point.x))
    choices = [*(knob.choices for knob in made.setting.knobs), *[PLAINEST] * (len(numbers) - count)]
    ranked = sorted(range(len(numbers)), key=lambda k: -plainness(numbers[k]))
    steps = [(k, v) for k in ranked for v in sorted(choices[k], key=plainness) if plainness(v) < plainness(numbers[k])]

    def changed(by: Mapping[int, float]) -> tuple[tuple[float, ...], list[tuple[float, ...]]]:
        found = tuple(by.get(k, v) for k, v in enumerate(numbers))
        return found[:count], [found[k : k + size] for k in range(count, len(found), size)]

    for k, v in steps:
        yield changed({k: v})
    for k, v in steps:
        for m in ranked:
            if m != k:
                yield from (changed({k: v, m: w}) for w in choices[m][:6])


def _cost(values: Sequence[float], finding: Finding) -> float:
    return sum(map(plainness, values)) + sum(plainness(v) for point in finding.points for v in point.x)


def _polished(made: Made, finding: Finding) -> tuple[Made, Finding]:
    """Two inputs with one output, where there is one coordinate and its slope changes sign."""
    if finding.kind != "orientation" or made.setting.size != 1:
        return made, finding
    budget = Budget(SIMPLIFY)
    try:
        twice = fold(finding.points, lambda x: made.at(x, budget))
    except Spent:
        twice = None
    return (made, finding) if twice is None or not all(map(made.confirmed, twice.points)) else (made, twice)


def _example(made: Made, finding: Finding) -> Example:
    setting = made.setting
    names = ("x", "x'")
    inputs_ = [Tensor(name, setting.dims, point.x) for name, point in zip(names, finding.points, strict=False)]
    if finding.target:
        inputs_ = [Tensor("z", setting.dims, finding.target)]
    return Example(
        definition=setting.definition.name,
        settings=setting.shown,
        parameters=made.effective(),
        raw=made.stored(),
        inputs=tuple(inputs_),
        kind=finding.kind,
        seen=finding.seen,
    )
