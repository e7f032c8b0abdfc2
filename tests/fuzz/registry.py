"""What the fuzzer can write and how it spoils it: productions and mutants, each with the constructs that it covers.

A family of the language is one file in `families/`: its productions, then its mutants. Constructs have names made from
the registries of the language (`act:elu`, `constraint:diag >= 0:square`, `rule:TIE`, `step:squeeze`), so a new entry of
a registry is a construct that no production covers until somebody writes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from random import Random
from typing import TYPE_CHECKING

from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.claim_words import CLAIMS
from mintdsl.core.constraints import CONSTRAINTS
from mintdsl.core.formals import FORMAL_TYPES
from mintdsl.core.inits import INITS
from mintdsl.core.kinds import ANCHORS, KINDS
from mintdsl.core.orders import DIRECTIONS, ORDERS
from mintdsl.core.solvers import SOLVERS
from mintdsl.core.steps import MASKS, PRIORS, SHAPES, STEPS
from mintdsl.proof.rules import RULES
from mintdsl.syntax import ast

if TYPE_CHECKING:
    from .draft import Draft, Sketch

# What an expression shall be as a map of its own coordinate (increasing), or as a value.
FLOOR = "slope at least some number > 0"
ONTO = "strictly increasing, every fibre onto R"
INJECTIVE = "strictly increasing"
WEAK = "not decreasing"
TRIANGULAR = "triangular, whatever its diagonal"
STRICT = "does not read its own coordinate"
CONSTANT = "does not read the variable"
POSITIVE = "values > 0, does not read its own coordinate"
FREE = "strictly monotone, every fibre onto R, its sign left to the parameters"

SERVED_BY = {
    FLOOR: (FLOOR,),
    ONTO: (FLOOR, ONTO),
    INJECTIVE: (FLOOR, ONTO, INJECTIVE),
    WEAK: (FLOOR, ONTO, INJECTIVE, WEAK),
    TRIANGULAR: (FLOOR, ONTO, INJECTIVE, WEAK, TRIANGULAR, STRICT, CONSTANT, FREE),
    STRICT: (STRICT, CONSTANT),
    CONSTANT: (CONSTANT,),
    POSITIVE: (POSITIVE,),
    FREE: (FREE,),
}
NEAR_MISS = {
    FLOOR: (INJECTIVE, WEAK),
    ONTO: (INJECTIVE, WEAK),
    INJECTIVE: (WEAK,),
    WEAK: (TRIANGULAR,),
    STRICT: (WEAK, TRIANGULAR),
    CONSTANT: (STRICT, WEAK),
    POSITIVE: (STRICT, CONSTANT),
    FREE: (WEAK,),
}
"""What a goal is replaced by now and then, so that refused and barely accepted programs are made as well."""


@dataclass(frozen=True)
class Production:
    """Writes an expression that meets `need`; `leaf` ones call no other, `when` says where it can be used."""

    name: str
    need: str
    covers: frozenset[str]
    build: Callable[[Draft], str]
    when: Callable[[Draft], bool]
    leaf: bool
    weight: float


@dataclass(frozen=True)
class Whole:
    """Writes a whole program into a sketch."""

    name: str
    covers: frozenset[str]
    build: Callable[[Sketch], None]
    weight: float


@dataclass(frozen=True)
class Mutant:
    """Changes one thing in a program, so that a checker with a hole would still accept it; None where it cannot."""

    name: str
    covers: frozenset[str]
    change: Callable[[ast.Module, Random], ast.Module | None]
    weight: float


PRODUCTIONS: list[Production] = []
WHOLES: list[Whole] = []
MUTANTS: list[Mutant] = []


def always(draft: Draft) -> bool:
    """A production that can stand anywhere."""
    return True


def production(
    need: str,
    covers: Iterable[str] = (),
    *,
    when: Callable[[Draft], bool] = always,
    leaf: bool = False,
    weight: float = 1.0,
) -> Callable[[Callable[[Draft], str]], Callable[[Draft], str]]:
    """Register a function that writes an expression."""

    def note(build: Callable[[Draft], str]) -> Callable[[Draft], str]:
        name = build.__name__
        PRODUCTIONS.append(Production(name, need, frozenset(covers), build, when, leaf, weight))
        return build

    return note


def whole(
    covers: Iterable[str] = (), *, weight: float = 1.0
) -> Callable[[Callable[[Sketch], None]], Callable[[Sketch], None]]:
    """Register a function that writes a program."""

    def note(build: Callable[[Sketch], None]) -> Callable[[Sketch], None]:
        WHOLES.append(Whole(build.__name__, frozenset(covers), build, weight))
        return build

    return note


Change = Callable[[ast.Module, Random], ast.Module | None]


def mutant(covers: Iterable[str] = (), *, weight: float = 1.0) -> Callable[[Change], Change]:
    """Register a function that changes a program."""

    def note(change: Change) -> Change:
        MUTANTS.append(Mutant(change.__name__, frozenset(covers), change, weight))
        return change

    return note


# ---------------------------------------------------------------- what there is to cover


SOLVED = find_spec("torchdiffeq") is not None
"""Whether continuous flows can be solved: the library is optional, and without it nothing writes them."""


def constructs() -> set[str]:
    """The name of every construct that this version can prove, from the registries."""
    found = {f"act:{name}" for name in ACTIVATIONS}
    found |= {f"constraint:{c.text}:{v.name}" for c in CONSTRAINTS if c.ready for v in c.via if v.ready}
    found |= {f"kind:{k.name}" for k in KINDS.values() if k.ready and not k.nets}  # what stands in nets is tested apart
    found |= {f"init:{i.name}" for i in INITS.values() if i.ready}
    found |= {f"step:{s.name}" for s in STEPS.values() if s.ready}
    found |= {f"prior:{p.name}" for p in PRIORS.values() if p.ready}
    found |= {f"order:{name}" for name in (*ORDERS, "declared")}
    found |= {f"anchor:{name}" for name in (*ANCHORS, "given")}
    found |= {f"option:{name}" for name in ("dilation", "boundary", "rank", "stride")}
    found |= {f"mask:{name}" for name in (*MASKS, "declared")}
    found |= {f"formal:{name}" for name in FORMAL_TYPES}
    found |= {f"direction:{name}" for name in DIRECTIONS}
    found |= {f"claim:{name}" for name in CLAIMS}
    found |= {f"flow claim:{c.name}" for c in CLAIMS.values() if c.flows}
    found |= {f"shape:{name}" for name in (*SHAPES, "Any")}
    found |= {"given:layer", "given:flow"}
    found |= {f"solver:{name}" for name in SOLVERS} | {f"rule:{name}" for name in RULES}
    return found if SOLVED else {c for c in found if c not in ("step:ode", "rule:ODE") and not c.startswith("solver:")}


def covered() -> set[str]:
    """Every construct that some production names."""
    return {c for p in (*PRODUCTIONS, *WHOLES) for c in p.covers}
