"""Names that an unknown one may have meant: misspelled, or called so by other systems."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mintdsl.diagnostics.model import Edit, Fix, Safety
from mintdsl.source import Span

HABITS = {
    "batchnorm": "normalize",
    "batch_norm": "normalize",
    "bijection": "invertible",
    "bijective": "invertible",
    "conv2d": "conv",
    "dense": "linear",
    "float": "Real",
    "gaussian": "normal",
    "int": "Nat",
    "lrelu": "leaky_relu",
    "matrix": "linear",
    "one_to_one": "injective",
    "swish": "silu",
    "vector": "Vec",
}
"""What other systems and papers call a word of the language, in small letters."""

MOST = 3

EFFORT = 500_000
"""Comparisons of letters for one name: candidates beyond it are not looked at."""


def suggest(name: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """At most three of `candidates` that may be meant by `name`, the likeliest first; case is no difference."""
    known = set(candidates) - {name}
    limit = max(1, len(name) // 3)
    habit = HABITS.get(name.lower())
    found: list[tuple[int, str]] = [(0, habit)] if habit in known and habit is not None else []
    effort = EFFORT
    for candidate in sorted(known - {habit}):
        if abs(len(candidate) - len(name)) <= limit:
            effort -= len(candidate) * len(name)
            if effort < 0:
                break
            distance = _distance(name.lower(), candidate.lower())
            if distance <= limit and distance < max(len(name), len(candidate)):
                found.append((distance, candidate))
    return tuple(candidate for _, candidate in sorted(found)[:MOST])


def meant(span: Span, close: Sequence[str], *, quote: str = "", everywhere: bool = False) -> tuple[Fix, ...]:
    """The fix that writes the first of `close` at `span`: safe if it is the only one, for then nothing is chosen.

    `everywhere`: the other uses of the name in the file are meant too; `syntax/repairs.py` finds them.
    """
    if not close:
        return ()
    word = f"{quote}{close[0]}{quote}"
    safety = Safety.SAFE if len(close) == 1 else Safety.UNSAFE
    edits = () if everywhere else (Edit(span, word),)
    return (Fix(f"did you mean {word if quote else f'`{word}`'}?", edits, safety, text=word),)


def others(close: Sequence[str]) -> tuple[str, ...]:
    """The note that lists `close` where there are several."""
    return (f"similar names: {', '.join(f'`{c}`' for c in close)}",) if len(close) > 1 else ()


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
