"""What a run found, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .cases import Outcome
from .registry import constructs


@dataclass
class Tally:
    """The sum of outcomes of one kind of case."""

    kind: str
    cases: int = 0
    accepted: int = 0
    seconds: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)
    exact_codes: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    made_by: Counter[str] = field(default_factory=Counter)
    accepted_by: Counter[str] = field(default_factory=Counter)
    constructs: Counter[str] = field(default_factory=Counter)
    failing: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count outcomes."""
        for outcome in outcomes:
            self.cases += 1
            self.seconds += outcome.seconds
            self.made_by.update(outcome.made_by)
            self.checks.update(outcome.checks)
            self.constructs.update(outcome.constructs)
            self.notes += outcome.notes[:1]
            if outcome.failures:
                self.failing.append(outcome)
            if outcome.accepted:
                self.accepted += 1
                self.accepted_by.update(outcome.made_by)
            else:
                self.codes[outcome.code] += 1
                if outcome.exact:  # the generator meant it to be true
                    self.exact_codes[outcome.code] += 1

    @property
    def missing(self) -> list[str]:
        """Constructs that no accepted case used."""
        return sorted(constructs() - set(self.constructs))


def lines(tally: Tally) -> Iterator[str]:
    """The tally as text."""
    share = tally.accepted / max(1, tally.cases)
    cost = 1000 * tally.seconds / max(1, tally.accepted)
    yield f"{tally.kind}s: {tally.cases}, accepted {tally.accepted} ({share:.0%}), {cost:.0f} ms of CPU for each"
    yield "  refused: " + _counts(tally.codes)
    if tally.exact_codes:
        yield "  refused though meant to be true: " + _counts(tally.exact_codes)
    yield f"  checks: {sum(tally.checks.values())}: " + _counts(tally.checks)
    missed, tried = tally.checks["inverse missed"], tally.checks["inverse"]
    yield f"  inverses that missed their tolerance and said so: {missed} of {tried}"
    yield f"  failures: {len(tally.failing)}"


def coverage(tallies: Iterable[Tally]) -> Iterator[str]:
    """How often each construct occurs in accepted cases."""
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(tally.constructs)
    groups: dict[str, list[str]] = {}
    for name in sorted(constructs()):
        group, _, rest = name.partition(":")
        groups.setdefault(group, []).append(f"{rest} {total[name]}")
    yield "coverage, by accepted cases:"
    for group, entries in groups.items():
        yield f"  {group}: {', '.join(entries)}"


def made(tally: Tally) -> str:
    """How many cases each production or mutant had a part in, and how many of these were accepted."""
    rows = [f"{name} {tally.accepted_by[name]}/{count}" for name, count in sorted(tally.made_by.items())]
    return f"  accepted by {'mutation' if tally.kind == 'mutant' else 'production'}: {', '.join(rows)}"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common()) or "none"
