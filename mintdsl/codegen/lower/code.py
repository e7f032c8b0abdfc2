"""Tensor expressions as text, and their arithmetic: index axes are sorted and aligned here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mintdsl.codegen.shapes import real
from mintdsl.core import ir
from mintdsl.records import record, replace

LETTERS = "ijklmnopqrstuvxyz"


@record
class Code:
    """A tensor expression: `families` are its index axes, `batch` whether it has a batch axis, `rank` of the event.

    `atom` says that it needs no brackets. Rank 0 is a plain number.
    """

    text: str
    families: tuple[str, ...] = ()
    batch: bool = False
    rank: int = 0
    atom: bool = True

    @property
    def wrapped(self) -> str:
        """With brackets where an operator needs them."""
        return self.text if self.atom else f"({self.text})"


LETTERS = "ijklmnopqrstuvxyz"
ZERO = Code("0.0")
ONE = Code("1.0")


@dataclass(frozen=True, slots=True)
class Algebra:
    """Arithmetic of expressions whose index axes stand in `order`, the order of declaration."""

    order: tuple[str, ...]

    def sort(self, code: Code) -> Code:
        """With its index axes in the order of declaration."""
        order = tuple(i for i in self.order if i in code.families)
        if order == code.families:
            return code
        return self.layout(code, order)

    def align(self, code: Code, families: tuple[str, ...], batch: bool) -> Code:
        """With singleton axes so that it broadcasts against `families`."""
        if code.rank == 0 or code.families == families or not code.families and not code.batch:
            return code
        code = self.sort(code)
        missing = [i for i in families if i not in code.families]
        if not missing:
            return code
        inner = (
            families
            if code.batch
            else tuple(i for i in families if families.index(i) >= families.index(code.families[0]))
        )
        index = [":"] * code.batch + [":" if i in code.families else "None" for i in inner]
        while index and index[-1] == ":":
            index.pop()
        if "None" not in index:
            return code
        return replace(code, text=f"{code.wrapped}[{', '.join(index)}]", atom=True, families=families)

    def binary(self, op: str, a: Code, b: Code) -> Code:
        families = tuple(i for i in self.order if i in a.families or i in b.families)
        batch = a.batch or b.batch
        a, b = self.align(a, families, batch), self.align(b, families, batch)
        left = a.wrapped if op in "*/" else a.text
        right = b.wrapped if op in "*/-" else b.text
        return Code(f"{left} {op} {right}", families, batch, max(a.rank, b.rank), atom=False)

    def add(self, a: Code, b: Code) -> Code:
        if a == ZERO:
            return b
        return a if b == ZERO else self.binary("+", a, b)

    def sub(self, a: Code, b: Code) -> Code:
        if b == ZERO:
            return a
        return self.neg(b) if a == ZERO else self.binary("-", a, b)

    def mul(self, a: Code, b: Code) -> Code:
        if ZERO in (a, b):
            return ZERO
        if a == ONE:
            return b
        return a if b == ONE else self.binary("*", a, b)

    def neg(self, a: Code) -> Code:
        """`-a`, without a second minus in front of a first."""
        if a == ZERO:
            return a
        if not a.text.startswith("-"):
            return replace(a, text=f"-{a.wrapped}", atom=False)
        simple = " " not in a.text
        return replace(a, text=a.text[1:] if simple else f"0.0 - ({a.text})", atom=simple)

    def total(self, code: Code, indices: tuple[str, ...]) -> Code:
        """Sum over index axes; an index that it lacks counts its extent."""
        if code == ZERO:
            return ZERO
        present = [i for i in indices if i in code.families]
        if present:
            first = 1 if code.batch else 0
            axes = tuple(first + code.families.index(i) for i in present)
            families = tuple(i for i in code.families if i not in present)
            shown = str(axes[0]) if len(axes) == 1 else str(axes)
            code = replace(code, text=f"{code.wrapped}.sum({shown})", families=families, atom=True)
        for index in indices:
            if index not in present:
                code = self.mul(Code(f'self.extents["{index}"]'), code)
        return code

    def layout(self, code: Code, families: tuple[str, ...]) -> Code:
        """With its index axes in the order `families`."""
        if code.families == families:
            return code
        first = 1 if code.batch else 0
        old = tuple(first + code.families.index(i) for i in families)
        new = tuple(range(first, first + len(families)))
        return replace(code, text=f"{code.wrapped}.movedim({old}, {new})", families=families, atom=True)


def rank_of(shape: ir.Shape) -> int:
    """Event axes of a tensor of this shape; one where the shape is not known."""
    return {"Image": 3, "Seq": 2}.get(shape.kind, 1)


def letters(indices: Sequence[str]) -> dict[str, str]:
    """A letter for each index, in einsum: its own where that is free."""
    used: dict[str, str] = {}
    for index in dict.fromkeys(indices):
        own = index if len(index) == 1 and index in LETTERS and index not in used.values() else ""
        used[index] = own or next(c for c in LETTERS if c not in used.values() and c not in indices)
    return used


def act_functions(
    act: ir.BuiltinAct | ir.FormalAct, members: Mapping[str, str]
) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """Value and slope of an activation as text of their argument's text."""
    if isinstance(act, ir.FormalAct):
        name = members[act.name]
        return lambda v: f"{name}.value({v})", lambda v: f"{name}.slope({v})"
    options = "".join(f", {real(o, members)}" for o in act.options)
    return lambda v: f"{act.name}_value({v}{options})", lambda v: f"{act.name}_slope({v}{options})"


def shown(let: ir.Let) -> str:
    """A let as its spec writes it."""
    return f"{let.name}[{', '.join(let.indices)}]" if let.indices else let.name


def moved(param: ir.Param, argument: str, order: str) -> str:
    """A permutation, by the tensor `order`, of a tensor whose last axes are those of the event."""
    assert isinstance(param.kind, ir.Perm)
    rank = {"Image": "3", "Vec": "1", "Seq": "2"}.get(param.source.kind, "len(self.event_shape)")
    channel = {"Image": "-3", "Any": "channel_axis(self.event_shape)"}.get(param.source.kind, "-1")
    places = {"all": f"-1, {rank}", "time": "-2", "channel": channel}[param.kind.axis]
    return f"permuted({argument}, {order}, {places})"
