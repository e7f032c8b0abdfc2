"""One case: a program or a mutant by its number, and what the checker and the oracles say of it."""

from __future__ import annotations

import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

import mintdsl

from . import families
from .adversary import attack
from .coverage import constructs_of
from .draft import sketch_program
from .edit import text_of, tree_of
from .facts import Failure
from .oracles import Verdict, examine
from .registry import MUTANTS
from .subject import Refused, subject_of

SECONDS = 60
"""A case that takes longer is a failure of its own."""
PROGRAM, MUTANT = "program", "mutant"


@dataclass(frozen=True)
class Case:
    """The text of a case and how it came about: productions, or the mutations of a program."""

    kind: str
    seed: str
    index: int
    text: str
    made_by: tuple[str, ...]
    exact: bool

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"{self.kind} {self.index} of seed {self.seed}"


@dataclass
class Outcome:
    """What happened: `code` of the first error, or "" for an accepted case; failures; counts."""

    index: int
    code: str = ""
    made_by: tuple[str, ...] = ()
    exact: bool = False
    failures: list[Failure] = field(default_factory=list)
    checks: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    constructs: frozenset[str] = frozenset()
    text: str = ""
    seconds: float = 0.0

    @property
    def accepted(self) -> bool:
        """Whether the checker proved what the case claims."""
        return not self.code


def program_case(seed: str, index: int, only: str | None = None) -> Case:
    """The program with this number; `only` names the production of the whole."""
    sketch = sketch_program(f"{seed}:{PROGRAM}:{index}", only)
    return Case(PROGRAM, seed, index, sketch.text(), tuple(sorted(sketch.used)), sketch.risk == 0)


def mutant_case(seed: str, index: int) -> Case:
    """The mutant with this number: an accepted program in which one to three things are changed."""
    rng = Random(f"{seed}:{MUTANT}:{index}")
    for attempt in range(50):
        text = sketch_program(f"{seed}:{MUTANT}:{index}:{attempt}").text()
        tree = tree_of(text)
        if tree is None or not mintdsl.loads(text).check().ok:
            continue
        names: list[str] = []
        for _ in range(rng.choice((1, 1, 1, 1, 2, 3))):
            for _ in range(20):
                mutant = rng.choices(MUTANTS, [m.weight for m in MUTANTS])[0]
                changed = mutant.change(tree, rng)
                if changed is not None and changed != tree:
                    tree = changed
                    names.append(mutant.name)
                    break
        changed_text = text_of(tree)
        if names and tree_of(changed_text) is not None:
            return Case(MUTANT, seed, index, changed_text, tuple(names), False)
    raise AssertionError(f"no mutant {index} of seed {seed}")


def case_of(kind: str, seed: str, index: int, only: str | None = None) -> Case:
    """The case with this number; `only` names the production of the whole of a program."""
    return program_case(seed, index, only) if kind == PROGRAM else mutant_case(seed, index)


class _Late(Exception):
    """A case took too long."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises where the block takes longer than that."""

    def late(_signal: int, _frame: object) -> None:
        raise _Late

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def outcome_of(text: str, seed: str, *, attacked: bool = False, examined: bool = True) -> Outcome:
    """Check a program; where it is accepted and `examined`, run every oracle."""
    outcome = Outcome(0, text=text)
    start = time.process_time()
    try:
        with limited(SECONDS):
            subject = subject_of(text, Random(seed))
            outcome.constructs = frozenset(constructs_of(subject))
            verdict = examine(subject, seed) if examined else Verdict()
            if attacked:
                attack(subject, seed, verdict)
            outcome.failures, outcome.checks, outcome.notes = verdict.failures, verdict.checks, verdict.notes
    except Refused as refused:
        outcome.code = refused.code
    except _Late:
        outcome.failures = [Failure("time", "the case", f"more than {SECONDS} s")]
    except Exception as error:  # whatever a program does to checker, generator or module is a finding
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
        outcome.failures = [Failure(type(error).__name__, where, str(error)[:300])]
    outcome.seconds = time.process_time() - start
    return outcome


def run_case(
    kind: str, seed: str, index: int, attack_share: float, *, examined: bool = True, only: str | None = None
) -> Outcome:
    """Make and judge one case."""
    case = case_of(kind, seed, index, only)
    attacked = Random(f"{seed}:attack:{kind}:{index}").random() < attack_share
    outcome = outcome_of(case.text, f"{seed}:{kind}:{index}", attacked=attacked, examined=examined)
    outcome.index, outcome.made_by, outcome.exact = index, case.made_by, case.exact
    if not outcome.failures:
        outcome.text = ""
    return outcome


__all__ = ["MUTANT", "PROGRAM", "Case", "Outcome", "case_of", "families", "outcome_of", "run_case"]
