"""Programs and layers in the making: names, members, and the choice of productions for what is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from .registry import CONSTANT, FLOOR, FREE, NEAR_MISS, PRODUCTIONS, SERVED_BY, STRICT, WHOLES, Production

EXTENTS = ("2", "3", "1", "2")
SPACES = ("Image", "Image", "Image", "Vec", "Vec", "Seq", "Any")

IMAGES = (
    (1, 2, 2), (2, 2, 2), (1, 3, 3), (2, 2, 3), (3, 2, 2), (2, 3, 2), (4, 1, 2), (1, 2, 3), (2, 1, 2), (3, 1, 1),
    (1, 4, 4), (4, 2, 2), (1, 3, 2), (2, 3, 1),
)  # fmt: skip
VECTORS = ((3,), (4,), (5,), (2,), (6,), (1,))
SEQUENCES = ((3, 2), (2, 3), (4, 1), (1, 3))
SHAPES = {"Image": IMAGES, "Vec": VECTORS, "Seq": SEQUENCES}


@dataclass
class Sketch:
    """A program in the making. `risk` is the chance that a goal is replaced by a weaker one; `conditional`: its layers
    may take a context called `c`, of their own shape.
    """

    rng: Random
    risk: float
    items: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    names: dict[str, int] = field(default_factory=dict)
    conditional: bool = False

    def fresh(self, stem: str) -> str:
        """A name that nothing in the program has."""
        number = self.names.get(stem, 0)
        self.names[stem] = number + 1
        return f"{stem}{number}"

    def chance(self, share: float) -> bool:
        """True in that share of the calls."""
        return self.rng.random() < share

    def text(self) -> str:
        """The program."""
        return "\n".join(["mint 1", *self.items]) + "\n"


@dataclass
class Draft:
    """A layer in the making.

    `direction` is the word that its maps take; `free` are the indices that parameters may carry here, `taken` all that
    are bound around this place.
    """

    sketch: Sketch
    space: str
    direction: str
    sizes: tuple[str, ...]
    fuel: int
    members: list[str] = field(default_factory=list)
    lets: list[str] = field(default_factory=list)
    indices: dict[str, str] = field(default_factory=dict)
    free: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    formals: list[str] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)
    depth: int = 0
    given: bool = False  # whether it reads a context

    @property
    def rng(self) -> Random:
        """The program's source of random choices."""
        return self.sketch.rng

    @property
    def mapped(self) -> bool:
        """Whether linear maps act on this shape."""
        return self.space in ("Image", "Vec")

    def chance(self, share: float) -> bool:
        """True in that share of the calls."""
        return self.sketch.chance(share)

    def pick(self, items: Sequence[str]) -> str:
        """One of the items."""
        return self.rng.choice(items)

    # ------------------------------------------------------------ expressions

    def make(self, need: str, *, exact: bool = False) -> str:
        """An expression that meets `need`, or now and then one that misses it narrowly."""
        if not exact and need in NEAR_MISS and self.chance(self.sketch.risk):
            need = self.pick(NEAR_MISS[need])
        self.depth += 1
        self.fuel -= 1
        tired = self.fuel < 0 or self.depth > 7
        fit = [p for p in PRODUCTIONS if p.need in SERVED_BY[need] and p.when(self) and (p.leaf or not tired)]
        # what was asked for, rather than something stronger
        weights = [p.weight * (4.0 if p.need == need else 1.0) for p in fit]
        chosen = self.rng.choices(fit, weights)[0]
        self.sketch.used.add(chosen.name)
        text = chosen.build(self)
        self.depth -= 1
        return text

    @contextmanager
    def bound(self, indices: Sequence[str]) -> Iterator[None]:
        """Inside, parameters may carry these indices too."""
        before = self.free, self.taken
        self.free, self.taken = [*self.free, *indices], [*self.taken, *indices]
        yield
        self.free, self.taken = before

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Inside, parameters carry none of the indices bound around."""
        before, self.free = self.free, []
        yield
        self.free = before

    # ------------------------------------------------------------ members

    def index(self) -> str:
        """An index that is not bound here."""
        unused = [i for i in self.indices if i not in self.taken]
        if unused and self.chance(0.7):
            return self.pick(unused)
        name = self.sketch.fresh("i")
        extents = [*EXTENTS, *(f.split(":")[0].strip() for f in self.formals if ": Nat" in f)]
        shared = list(self.indices.values())
        self.indices[name] = self.pick(shared) if shared and self.chance(0.6) else self.pick(extents)
        return name

    def carried(self, share: float = 0.7) -> tuple[str, ...]:
        """Some of the indices that are bound here."""
        return tuple(i for i in self.free if self.chance(share))

    def param(self, stem: str, kind: str, indices: Sequence[str] | None = None, tail: str = "") -> str:
        """Declare a parameter; the text that uses it."""
        chosen = self.carried() if indices is None else tuple(indices)
        name = self.sketch.fresh(stem)
        at = f"[{', '.join(chosen)}]" if chosen else ""
        self.members.append(f"param {name}{at} : {kind}{tail}")
        return name + at

    def let(self, text: str) -> str:
        """Bind an expression to a name; the name, with the indices that it carries."""
        name = self.sketch.fresh("u")
        used = [i for i in self.free if f"[{i}]" in text or f"[{i}," in text or f", {i}]" in text or f" {i}," in text]
        at = f"[{', '.join(used)}]" if used else ""
        self.lets.append(f"let {name}{at} = {text}")
        return name + at

    def number(self, low: float, high: float) -> str:
        """A literal between two numbers."""
        return f"{self.rng.uniform(low, high):.3g}"

    def strict_value(self) -> str:
        """Something that does not read its own coordinate."""
        return self.make(STRICT if self.mapped and self.chance(0.7) else CONSTANT)


def wrapped(text: str) -> str:
    """In brackets unless it is a name or call."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if depth == 0 and letter in "+-*/ " and not (letter == "-" and text[place - 1 : place] == "e"):
            return f"({text})"
    return text


def sketch_program(seed: str, only: str | None = None) -> Sketch:
    """A random program; the same for the same seed. `only` names the production of the whole."""
    rng = Random(seed)
    sketch = Sketch(rng, rng.choice((0.0, 0.0, 0.04, 0.12)))
    wholes = [w for w in WHOLES if only in (None, w.name)]
    chosen = rng.choices(wholes, [w.weight for w in wholes])[0]
    sketch.used.add(chosen.name)
    chosen.build(sketch)
    return sketch


__all__ = ["FLOOR", "FREE", "Draft", "Production", "Sketch", "sketch_program", "wrapped"]
