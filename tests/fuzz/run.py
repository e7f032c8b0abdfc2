"""A run: cases by number over several processes, until enough are done; failures are shrunk and saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from mintdsl.diagnostics.model import Diagnostic
from mintdsl.proof.counterexample import search
from mintdsl.proof.counterexample.search import Bindings
from mintdsl.proof.prover import Prover

from .cases import MUTANT, PROGRAM, Case, Outcome, case_of, outcome_of, run_case
from .registry import SOLVED
from .report import Tally, coverage, lines, made
from .shrink import shrunk

CHUNK = 20


@dataclass(frozen=True)
class Settings:
    """What to run: accepted programs and mutants to examine, from which seed, for how long, where failures go."""

    accepted: int
    mutants: int
    seed: str
    seconds: float
    jobs: int
    out: Path | None
    attack: float = 0.05
    shrink_seconds: float = 60.0


EXAMPLES = 10
"""Of so many refused programs one is searched for a counter-example, which takes longer than to check it."""


def _prepare() -> None:
    torch.set_num_threads(1)


def _chunk(kind: str, seed: str, first: int, attack: float) -> list[Outcome]:
    found = search.with_example
    outcomes = []
    for index in range(first, first + CHUNK):
        search.with_example = found if index % EXAMPLES == 0 else _without
        try:
            outcomes.append(run_case(kind, seed, index, attack))
        finally:
            search.with_example = found
    return outcomes


def _without(prover: Prover, key: str, bindings: Bindings, diagnostic: Diagnostic) -> Diagnostic:
    return diagnostic


def chunks(kind: str, settings: Settings, until: float) -> Iterator[list[Outcome]]:
    """Outcomes in the order of their numbers, until time is over or nobody asks for more."""
    if settings.jobs == 1:
        _prepare()
        first = 0
        while time.monotonic() < until:
            yield _chunk(kind, settings.seed, first, settings.attack)
            first += CHUNK
        return
    with ProcessPoolExecutor(settings.jobs, get_context("spawn"), _prepare) as pool:
        waiting: list[Future[list[Outcome]]] = []
        first = 0
        try:
            while time.monotonic() < until:
                while len(waiting) < 2 * settings.jobs:
                    waiting.append(pool.submit(_chunk, kind, settings.seed, first, settings.attack))
                    first += CHUNK
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


def run(settings: Settings, say: Callable[[str], None]) -> tuple[Tally, Tally]:
    """Run programs, then mutants; `say` prints a line of the report."""
    start = time.monotonic()
    if not SOLVED:
        say("torchdiffeq is missing: no continuous flows")
    programs, mutants = Tally(PROGRAM), Tally(MUTANT)
    share = settings.accepted / max(1, settings.accepted + settings.mutants)
    for tally, wanted, counted, until in (
        (programs, settings.accepted, lambda t: t.accepted, start + share * settings.seconds),
        (mutants, settings.mutants, lambda t: t.cases, start + settings.seconds),
    ):
        if not wanted:
            continue
        shown = time.monotonic()
        for outcomes in chunks(tally.kind, settings, until):
            for outcome in outcomes:
                if counted(tally) < wanted:
                    tally.add([outcome])
                    if outcome.failures:
                        say(f"FAILURE in {tally.kind} {outcome.index} of seed {settings.seed}: {outcome.failures[0]}")
            if counted(tally) >= wanted:
                break
            if time.monotonic() - shown > 60:
                shown = time.monotonic()
                say(f"... {tally.cases} {tally.kind}s, {tally.accepted} accepted, {len(tally.failing)} failures")
        for line in lines(tally):
            say(line)
        say(made(tally))
    for line in coverage((programs, mutants)):
        say(line)
    say(f"seed {settings.seed}, {time.monotonic() - start:.0f} s on {settings.jobs} processes")
    for tally in (programs, mutants):
        _explain(tally, settings, say)
    return programs, mutants


def _explain(tally: Tally, settings: Settings, say: Callable[[str], None]) -> None:
    """Shrink the first case of each kind of failure, print it, save it."""
    seen: set[str] = set()
    for outcome in tally.failing:
        failure = outcome.failures[0]
        if failure.check in seen:
            continue
        seen.add(failure.check)
        seed = f"{settings.seed}:{tally.kind}:{outcome.index}"
        small = smallest(outcome.text, seed, failure.check, settings.shrink_seconds)
        text = (
            f"# {failure}\n# from {tally.kind} {outcome.index} of seed {settings.seed}: "
            f"python -m tests.fuzz --seed {settings.seed} --only {outcome.index}"
            f"{' --mutant' if tally.kind == MUTANT else ''}\n{small}"
        )
        say(f"\n{text}")
        if settings.out is not None:
            settings.out.mkdir(parents=True, exist_ok=True)
            name = f"{failure.check.replace(' ', '_')}_{tally.kind}_{settings.seed}_{outcome.index}.mint"
            (settings.out / name).write_text(text, encoding="utf-8")


def smallest(text: str, seed: str, check: str, seconds: float) -> str:
    """The text made small while the check still fails."""

    def fails(tried: str) -> bool:
        attacked = check.startswith("attack")
        return any(f.check == check for f in outcome_of(tried, seed, attacked=attacked).failures)

    return shrunk(text, fails, seconds)


def reproduce(kind: str, seed: str, index: int, say: Callable[[str], None]) -> Outcome:
    """One case again, with everything that is found."""
    _prepare()
    case: Case = case_of(kind, seed, index)
    say(case.text)
    say(f"made by: {', '.join(case.made_by)}")
    outcome = outcome_of(case.text, f"{seed}:{kind}:{index}", attacked=True)
    say(f"refused: {outcome.code}" if outcome.code else f"accepted, {sum(outcome.checks.values())} checks")
    for failure in outcome.failures:
        say(f"FAILURE {failure}")
    for note in outcome.notes:
        say(f"note: {note}")
    return outcome
