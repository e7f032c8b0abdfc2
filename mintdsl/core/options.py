"""Typed signatures of options: `conv 3x3 (anchor = corner)`, `leaky_relu(0.1)`, `squeeze 2 (layout = ...)`.

Every registry entry declares its options with these; errors, documentation and completion read them.
"""

from __future__ import annotations

from mintdsl.core.nat import Nat
from mintdsl.records import record

OptionValue = int | float | str | Nat | tuple[float, ...]


@record
class Option:
    """One option. `type` is "nat", "pair" (one whole number or two), "size" (with formals; or one of the `choices`),
    "tap" (a row and a column; or one of the `choices`), "real", "choice", "param" (the name of a parameter) or "net".

    `default` None means that a value must be given. `choices` are the words a choice may be; the first is the default.
    """

    name: str
    type: str
    default: OptionValue | None = None
    choices: tuple[str, ...] = ()
    positive: bool = False

    def __str__(self) -> str:
        if self.type == "choice":
            return f"{self.name} = {' | '.join(self.choices)}"
        if self.type == "tap":
            return f"{self.name} = {' | '.join(self.choices)} | (row, column)"
        plain = self.default is None or self.type == "net"
        return f"{self.name} : {self.type}" if plain else f"{self.name} = {self.default}"


def choice(name: str, *choices: str) -> Option:
    """An option that is one of some words."""
    return Option(name, "choice", choices[0], choices)


def real(name: str, default: float | None = None, *, positive: bool = False) -> Option:
    """An option that is a number."""
    return Option(name, "real", default, (), positive)


def net(name: str) -> Option:
    """An option that is a net and may be left out; the step that has it looks it up."""
    return Option(name, "net", "")


def pair(name: str, default: int) -> Option:
    """An option that is two whole numbers, of rows and of columns, or one for both."""
    return Option(name, "pair", default)


def tap(name: str, *choices: str) -> Option:
    """An option that is a tap of a kernel: one of some words, or its row and column."""
    return Option(name, "tap", choices[0], choices)


def nat(name: str, default: int | None = None) -> Option:
    """An option that is a whole number, not negative."""
    return Option(name, "nat", default)
