"""Products and quotients: rules MUL and DIV, with factors that are strict, constant, growing, or cross zero."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from .. import phrases
from ..draft import Draft, wrapped
from ..edit import change_one
from ..registry import FLOOR, INJECTIVE, ONTO, POSITIVE, STRICT, TRIANGULAR, WEAK, mutant, production


@production(ONTO, {"rule:MUL"}, weight=2)
def gated(draft: Draft) -> str:
    """Something onto times a positive factor that does not read the own coordinate."""
    rest, factor = wrapped(draft.make(ONTO)), wrapped(draft.make(POSITIVE))
    return f"{rest} * {factor}" if draft.chance(0.6) else f"{factor} * {rest}"


@production(ONTO, {"rule:DIV"}, weight=1.5)
def divided(draft: Draft) -> str:
    """Something onto divided by a positive factor."""
    return f"{wrapped(draft.make(ONTO))} / {wrapped(draft.make(POSITIVE))}"


@production(FLOOR, {"rule:MUL"})
def gated_from_below(draft: Draft) -> str:
    """Something steep times a factor with a lower bound."""
    act = draft.rng.choice(phrases.acts(phrases.positive))
    factor = f"({draft.number(0.1, 2)} + {phrases.called(draft, act, draft.strict_value())})"
    return f"{wrapped(draft.make(FLOOR))} * {factor}"


@production(FLOOR, {"rule:DIV"})
def divided_by_bounded(draft: Draft) -> str:
    """Something steep divided by a factor with an upper bound."""
    act = draft.rng.choice([a for a in phrases.acts(phrases.positive) if a.image.hi < 100])
    divisor = f"({draft.number(0.1, 2)} + {phrases.called(draft, act, draft.strict_value())})"
    return f"{wrapped(draft.make(FLOOR))} / {divisor}"


@production(FLOOR, {"rule:DIV"})
def over_a_number(draft: Draft) -> str:
    """A quotient by a number, or by minus one twice."""
    return f"{wrapped(draft.make(FLOOR))} / {draft.pick(('2', '0.3', '7'))}"


@production(WEAK, {"rule:MUL"})
def growing(draft: Draft) -> str:
    """A product of two increasing maps with values >= 0."""
    left = draft.pick([a.name for a in phrases.acts(lambda a: phrases.increasing(a) and a.image.nonnegative)])
    right = draft.pick([a.name for a in phrases.acts(lambda a: phrases.increasing(a) and a.image.nonnegative)])
    return f"{left}({draft.make(WEAK)}) * {right}({draft.make(WEAK)})"


@production(INJECTIVE, {"rule:MUL"})
def gated_injective(draft: Draft) -> str:
    """Something strictly increasing times a positive factor."""
    return f"{wrapped(draft.make(INJECTIVE))} * {wrapped(draft.make(POSITIVE))}"


@production(WEAK, {"rule:MUL"})
def gated_weak(draft: Draft) -> str:
    """Something increasing times or over a positive factor."""
    return f"{wrapped(draft.make(WEAK))} {draft.pick(('*', '/'))} {wrapped(draft.make(POSITIVE))}"


@production(POSITIVE)
def product_of_factors(draft: Draft) -> str:
    """A product or quotient of positive factors, or a square that is not 0."""
    return f"{wrapped(draft.make(POSITIVE))} {draft.pick(('*', '/'))} {wrapped(draft.make(POSITIVE))}"


@production(POSITIVE)
def negative_factors(draft: Draft) -> str:
    """A product of two negative factors."""
    return f"(-{wrapped(draft.make(POSITIVE))}) * (-{wrapped(draft.make(POSITIVE))})"


@production(STRICT)
def quotient_of_strict(draft: Draft) -> str:
    """A quotient that does not read the own coordinate."""
    return f"{wrapped(draft.strict_value())} / {wrapped(draft.make(POSITIVE))}"


@production(TRIANGULAR, weight=0.6)
def product_of_anything(draft: Draft) -> str:
    """A product of two maps."""
    return f"{wrapped(draft.make(TRIANGULAR))} * {wrapped(draft.make(TRIANGULAR))}"


# ---------------------------------------------------------------- mutants


@mutant({"rule:MUL"}, weight=2)
def crossing_factor(module: ast.Module, rng: Random) -> ast.Module | None:
    """A positive activation in a factor becomes one whose values cross zero, or is shifted below zero."""
    words = ("tanh", "identity", "sin", "elu", "relu", "gelu")

    def crossing(found: ast.Binary) -> ast.Binary | None:
        if found.op not in "*/":
            return None
        side = rng.choice(("left", "right"))
        factor = getattr(found, side)
        if isinstance(factor, ast.Apply) and isinstance(factor.fn, ast.Name) and rng.random() < 0.6:
            new: ast.Expr = replace(factor, fn=replace(factor.fn, id=rng.choice(words)), args=factor.args[:1])
        else:
            new = ast.Binary("-", factor, ast.Number(0.5, "0.5", found.span), found.span, found.span)
        return replace(found, **{side: new})

    return change_one(module, rng, ast.Binary, crossing)


@mutant({"rule:MUL", "rule:DIV"})
def own_factor(module: ast.Module, rng: Random) -> ast.Module | None:
    """A factor reads the own coordinate: `e * f` becomes `e * (f + e)` or `e * h(e)`."""

    def own(found: ast.Binary) -> ast.Binary | None:
        if found.op not in "*/":
            return None
        word = rng.choice(("exp", "sigmoid", "softplus", "tanh", "relu"))
        if rng.random() < 0.5:
            call = ast.Apply(ast.Name(word, found.span), (ast.Arg(None, None, found.left, found.span),), found.span)
            return replace(found, right=call)
        return replace(found, right=ast.Binary("+", found.right, found.left, found.span, found.span))

    return change_one(module, rng, ast.Binary, own)
