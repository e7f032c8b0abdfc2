"""Names that a misspelled one may have meant."""

from __future__ import annotations

from collections.abc import Iterable

EFFORT = 500_000
"""Comparisons of letters for one name: candidates beyond it are not looked at."""


def suggest(name: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """At most three of `candidates` that are close to `name`, the closest first; case is no difference."""
    limit = max(1, len(name) // 3)
    found: list[tuple[int, str]] = []
    effort = EFFORT
    for candidate in dict.fromkeys(candidates):
        if candidate != name and abs(len(candidate) - len(name)) <= limit:
            effort -= len(candidate) * len(name)
            if effort < 0:
                break
            distance = _distance(name.lower(), candidate.lower())
            if distance <= limit and distance < max(len(name), len(candidate)):
                found.append((distance, candidate))
    return tuple(candidate for _, candidate in sorted(found)[:3])


def _distance(left: str, right: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that turn `left` into `right`."""
    before: list[int] = []
    above = list(range(len(right) + 1))
    for i, a in enumerate(left):
        row = [i + 1]
        for j, b in enumerate(right):
            cost = min(above[j + 1] + 1, row[j] + 1, above[j] + (a != b))
            if i and j and a == right[j - 1] and left[i - 1] == b:
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
