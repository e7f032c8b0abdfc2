"""Sums, differences, negations and lets: rules ADD, NEG, and expressions used more than once."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Draft, wrapped
from ..edit import change_one, expressions, put
from ..registry import CONSTANT, FLOOR, INJECTIVE, ONTO, STRICT, TRIANGULAR, WEAK, mutant, production


def _added(draft: Draft, strong: str) -> str:
    """Something strong and something that does not oppose it, or that does not matter."""
    rest = draft.make(WEAK) if draft.chance(0.6) else draft.strict_value()
    first = draft.make(strong)
    if draft.chance(0.2):
        return f"{first} - {wrapped('-' + wrapped(rest))}"
    return f"{first} + {rest}" if draft.chance(0.7) else f"{rest} + {wrapped(first)}"


@production(FLOOR, {"rule:ADD"}, weight=2)
def added_to_floor(draft: Draft) -> str:
    """A sum with a steep term."""
    return _added(draft, FLOOR)


@production(ONTO, {"rule:ADD"}, weight=2)
def added_to_onto(draft: Draft) -> str:
    """A sum with a term that is onto."""
    return _added(draft, ONTO)


@production(INJECTIVE, {"rule:ADD"}, weight=1.5)
def added_to_injective(draft: Draft) -> str:
    """A sum with a strictly increasing term."""
    return _added(draft, INJECTIVE)


@production(WEAK, {"rule:ADD"})
def two_weak(draft: Draft) -> str:
    """Two increasing terms."""
    return f"{draft.make(WEAK)} + {wrapped(draft.make(WEAK))}"


@production(STRICT, {"rule:ADD"})
def two_strict(draft: Draft) -> str:
    """Two terms that do not read the own coordinate."""
    return f"{draft.strict_value()} {draft.pick(('+', '-', '*'))} {wrapped(draft.strict_value())}"


@production(CONSTANT)
def two_constant(draft: Draft) -> str:
    """Arithmetic of constants."""
    return f"{draft.make(CONSTANT)} {draft.pick(('+', '-', '*'))} {wrapped(draft.make(CONSTANT))}"


@production(TRIANGULAR)
def opposed(draft: Draft) -> str:
    """A difference of two maps."""
    return f"{draft.make(TRIANGULAR)} - {wrapped(draft.make(TRIANGULAR))}"


@production(ONTO, {"rule:NEG"})
def negated_twice(draft: Draft) -> str:
    """`-(-e)`, or a difference turned round."""
    inner = draft.make(ONTO)
    if draft.chance(0.5):
        return f"-(-{wrapped(inner)})"
    return f"-({draft.strict_value()} - {wrapped(inner)})"


@production(WEAK, {"rule:NEG"}, weight=0.7)
def mirrored(draft: Draft) -> str:
    """`-h(-e)`."""
    return f"-{draft.pick(('elu', 'softplus', 'relu', 'tanh'))}(-{wrapped(draft.make(WEAK))})"


@production(ONTO)
def bound_by_let(draft: Draft) -> str:
    """A let, used twice."""
    name = draft.let(draft.make(ONTO))
    return name if draft.chance(0.3) else f"{name} + {draft.pick(('elu', 'tanh', 'relu'))}({name})"


@production(WEAK)
def weak_by_let(draft: Draft) -> str:
    """A let, used once or twice."""
    name = draft.let(draft.make(WEAK))
    return f"{name} + {name}" if draft.chance(0.4) else name


@production(STRICT)
def strict_by_let(draft: Draft) -> str:
    """A let that does not read its own coordinate, used twice."""
    name = draft.let(draft.strict_value())
    return f"{name} * {name}" if draft.chance(0.4) else name


# ---------------------------------------------------------------- mutants


@mutant({"rule:ADD", "rule:NEG"}, weight=3)
def flip_sign(module: ast.Module, rng: Random) -> ast.Module | None:
    """`+` becomes `-` or the other way round."""
    flipped = {"+": "-", "-": "+"}
    return change_one(
        module, rng, ast.Binary, lambda b: replace(b, op=flipped[b.op]) if b.op in flipped else None
    )  # fmt: skip


@mutant({"rule:NEG"})
def drop_negation(module: ast.Module, rng: Random) -> ast.Module | None:
    """`-e` becomes `e`, or the result its negative."""
    if rng.random() < 0.6:
        return change_one(module, rng, ast.Neg, lambda n: n.operand)
    return change_one(module, rng, ast.Map, lambda m: replace(m, result=ast.Neg(m.result, m.span)))


@mutant({"rule:ADD"}, weight=2)
def drop_term(module: ast.Module, rng: Random) -> ast.Module | None:
    """One side of an operator goes."""
    return change_one(module, rng, ast.Binary, lambda b: rng.choice((b.left, b.right)))


@mutant({"rule:MUL", "rule:DIV", "rule:ADD"}, weight=2)
def other_operator(module: ast.Module, rng: Random) -> ast.Module | None:
    """Another operator."""
    return change_one(module, rng, ast.Binary, lambda b: replace(b, op=rng.choice([o for o in "+-*/" if o != b.op])))


@mutant({"rule:ADD"})
def swap_operands(module: ast.Module, rng: Random) -> ast.Module | None:
    """The two sides change places."""
    return change_one(module, rng, ast.Binary, lambda b: replace(b, left=b.right, right=b.left))


@mutant({"rule:ADD"}, weight=2)
def copy_expression(module: ast.Module, rng: Random) -> ast.Module | None:
    """An expression of a formula stands at another place as well."""
    places = list(expressions(module))
    if len(places) < 2:
        return None
    (path, _), (_, new) = rng.choice(places), rng.choice(places)
    changed = put(module, path, new)
    return None if changed == module else changed
