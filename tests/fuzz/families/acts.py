"""Activations: registered, named, defined by an expression at the top or in a layer, nested; rule ACT."""

from __future__ import annotations

from random import Random

from mintdsl.core.activations import ACTIVATIONS
from mintdsl.records import replace
from mintdsl.syntax import ast

from .. import phrases
from ..draft import Draft, wrapped
from ..edit import change_one, put, sites
from ..registry import (
    CONSTANT,
    FLOOR,
    INJECTIVE,
    ONTO,
    POSITIVE,
    STRICT,
    TRIANGULAR,
    WEAK,
    mutant,
    production,
)


def named(names: list[str]) -> set[str]:
    """Names of activations as constructs."""
    return {f"act:{name}" for name in names}


ALL = {"rule:ACT", *named(list(ACTIVATIONS))}
STEEP = named([a.name for a in phrases.acts(phrases.steep)])
STRICTLY = named([a.name for a in phrases.acts(phrases.strictly)])
INCREASING = named([a.name for a in phrases.acts(phrases.increasing)])
FOLDED = named([a.name for a in phrases.acts(phrases.folded)])
POSITIVES = named([a.name for a in phrases.acts(phrases.positive)])
PAIRED = named([a.name for pair in phrases.inverse_pairs() for a in pair])


@production(FLOOR, {"rule:ACT", *STEEP})
def steep(draft: Draft) -> str:
    """A registered activation with a slope away from 0."""
    return phrases.called(draft, draft.rng.choice(phrases.acts(phrases.steep)), draft.make(FLOOR))


@production(INJECTIVE, {"rule:ACT", *STRICTLY}, weight=2)
def strictly(draft: Draft) -> str:
    """A strictly increasing activation."""
    return phrases.called(draft, draft.rng.choice(phrases.acts(phrases.strictly)), draft.make(INJECTIVE))


@production(WEAK, {"rule:ACT", *INCREASING}, weight=2)
def increasing(draft: Draft) -> str:
    """An increasing activation."""
    return phrases.called(draft, draft.rng.choice(phrases.acts(phrases.increasing)), draft.make(WEAK))


@production(ONTO, PAIRED, weight=1.5)
def there_and_back(draft: Draft) -> str:
    """An activation whose image is the domain of the next, which ends in R: `log(softplus(e))`."""
    inner, outer = draft.rng.choice(phrases.inverse_pairs())
    return phrases.called(draft, outer, phrases.called(draft, inner, draft.make(ONTO)))


@production(FLOOR, FOLDED, weight=1.5)
def small_fold(draft: Draft) -> str:
    """Something steep and a fold that is less steep."""
    act = draft.rng.choice(phrases.acts(phrases.folded))
    steepest = max(-phrases.slope(act).lo, phrases.slope(act).hi)
    share = draft.rng.choice((0.25, 0.5, 0.75, 0.85)) / steepest
    inner = "x"
    if draft.mapped and draft.chance(0.4):
        kind = phrases.map_kind(draft)
        inner = f"{draft.param('W', kind, tail=' with diag >= 0.25, diag <= 1')}(x)"
    sign = draft.pick(("+", "-"))
    fold = f"{share:.3g} * {phrases.called(draft, act, inner)}"
    return f"{draft.make(FLOOR)} {sign} {fold}" if draft.chance(0.3) else f"x {sign} {fold}"


@production(STRICT, ALL - PAIRED | {"act:tanh"}, weight=2)
def of_strict(draft: Draft) -> str:
    """Any activation of what does not read its own coordinate."""
    act = draft.rng.choice(phrases.acts(lambda a: a.domain == REAL_LINE))
    return phrases.called(draft, act, draft.strict_value())


REAL_LINE = ACTIVATIONS["identity"].domain


@production(CONSTANT)
def of_constant(draft: Draft) -> str:
    """An activation of a constant."""
    act = draft.rng.choice(phrases.acts(lambda a: a.domain == REAL_LINE))
    return phrases.called(draft, act, draft.make(CONSTANT))


@production(POSITIVE, POSITIVES, weight=3)
def gate(draft: Draft) -> str:
    """A positive activation of what does not read its own coordinate, perhaps bounded from below."""
    act = draft.rng.choice(phrases.acts(phrases.positive))
    value = phrases.called(draft, act, draft.strict_value())
    return value if draft.chance(0.6) else f"({draft.pick(('0.5', '1', '1e-3'))} + {value})"


@production(TRIANGULAR, FOLDED)
def folded(draft: Draft) -> str:
    """A fold."""
    return phrases.called(draft, draft.rng.choice(phrases.acts(phrases.folded)), draft.make(TRIANGULAR))


# ---------------------------------------------------------------- activations of the program


def formula(draft: Draft, kind: str) -> str:
    """The right side of `act f(u) = ...` of this kind."""
    rng = draft.rng
    strict = rng.choice([a.name for a in phrases.acts(phrases.strictly)])
    fold = rng.choice(phrases.acts(phrases.folded))
    bound = max(-phrases.slope(fold).lo, phrases.slope(fold).hi)
    rise = rng.choice([a.name for a in phrases.acts(phrases.increasing)])
    a, b = draft.number(0.05, 1.5), draft.number(0.05, 2)
    if kind == FLOOR:
        return rng.choice(
            (
                f"{a} * u + {b} * {rise}(u)",
                f"u + {0.9 / bound:.3g} * {fold.name}(u)",
                f"{a} * u - {b} * {rise}(-u)",
                f"leaky_relu({a} * u, {b}) + 0.5",
                f"-(-u / {b} - {rise}(u))",
                f"({rise}(u) + u) * {a} - {b}",
            )
        )
    if kind == ONTO:
        return rng.choice(
            (
                f"log(exp({a} * u)) + {rise}(u)",
                "log(softplus(u))",
                "logit(sigmoid(u))",
                f"exp(u) - exp(-u) + {a} * u",
                f"log(exp(u) + {a})",
            )
        )
    if kind == INJECTIVE:
        return rng.choice(
            (
                f"{a} * {strict}({b} * u) + {a}",
                f"{strict}({strict}(u))",
                f"{strict}(u) - {rise}(-u)",
                f"-{strict}(-u)",
                f"{strict}(u) / {b}",
            )
        )
    return rng.choice(
        (
            f"{rise}({a} * u)",
            f"{rise}(u) - {rise}(-u)",
            "softplus(u) * exp(u)",
            "relu(u) * sigmoid(u)",
            f"{rise}({rise}(u))",
            f"relu(u) * relu(u) / {b}",
        )
    )


def own(draft: Draft, kind: str) -> str:
    """The name of an activation of the program that is of this kind."""
    name = draft.sketch.fresh("f")
    if kind == FLOOR and draft.chance(0.25):
        text = f"act {name} = leaky_relu({draft.number(0.05, 2)})"
    else:
        text = f"act {name}(u) = {formula(draft, kind)}"
    if draft.chance(0.7):
        draft.sketch.items.append(text)
    else:
        draft.members.append(text)
    return name


@production(FLOOR, {"act:identity"})
def own_floor(draft: Draft) -> str:
    """An activation of the program, steep."""
    return f"{own(draft, FLOOR)}({draft.make(FLOOR)})"


@production(ONTO)
def own_onto(draft: Draft) -> str:
    """An activation of the program, onto."""
    return f"{own(draft, ONTO)}({draft.make(ONTO)})"


@production(INJECTIVE)
def own_injective(draft: Draft) -> str:
    """An activation of the program, strictly increasing."""
    return f"{own(draft, INJECTIVE)}({draft.make(INJECTIVE)})"


@production(WEAK)
def own_weak(draft: Draft) -> str:
    """An activation of the program, increasing."""
    return f"{own(draft, WEAK)}({draft.make(WEAK)})"


@production(FLOOR)
def turned_twice(draft: Draft) -> str:
    """Two decreasing activations."""
    name = draft.sketch.fresh("f")
    draft.sketch.items.append(f"act {name}(u) = -({formula(draft, FLOOR)})")
    return f"{name}({name}({draft.make(FLOOR)}))" if draft.chance(0.5) else f"-{name}({draft.make(FLOOR)})"


@production(INJECTIVE, {"formal:Act"}, when=lambda d: bool(d.acts), weight=3)
def formal(draft: Draft) -> str:
    """An activation that is a formal; its default increases strictly."""
    return f"{draft.pick(draft.acts)}({draft.make(INJECTIVE)})"


@production(FLOOR, {"formal:Act"}, when=lambda d: bool(d.acts))
def formal_beside(draft: Draft) -> str:
    """Something steep and an activation that is a formal."""
    return f"{draft.make(FLOOR)} + {draft.pick(draft.acts)}({wrapped(draft.make(WEAK))})"


# ---------------------------------------------------------------- mutants


@mutant(ALL, weight=3)
def other_activation(module: ast.Module, rng: Random) -> ast.Module | None:
    """Another registered activation: one that folds, or is not onto."""
    fold = [a.name for a in phrases.acts(phrases.folded)]
    known = set(ACTIVATIONS)
    word = rng.choice([*fold, "relu", "tanh", "exp", "softplus", "abs", *known])

    def other(found: ast.Apply | ast.Formal) -> object | None:
        if isinstance(found, ast.Formal):
            return replace(found, default=ast.Name(word, found.span)) if found.type.id == "Act" else None
        if isinstance(found.fn, ast.Name) and found.fn.id in known:
            return replace(found, fn=replace(found.fn, id=word), args=found.args[:1])
        return None

    kind = rng.choice((ast.Apply, ast.Apply, ast.Formal))
    return change_one(module, rng, kind, other)


@mutant(ALL, weight=2)
def move_inside(module: ast.Module, rng: Random) -> ast.Module | None:
    """`h(e) + g` becomes `h(e + g)`, or `h(e + g)` becomes `h(e) + g`."""

    def inside(found: ast.Binary) -> object | None:
        call = found.left
        if found.op in "+-" and isinstance(call, ast.Apply) and call.args:
            argument = replace(found, left=call.args[0].value)
            return replace(call, args=(replace(call.args[0], value=argument), *call.args[1:]))
        return None

    def outside(found: ast.Apply) -> object | None:
        if found.args and isinstance(found.args[0].value, ast.Binary) and found.args[0].value.op in "+-":
            inner = found.args[0].value
            call = replace(found, args=(replace(found.args[0], value=inner.left), *found.args[1:]))
            return replace(inner, left=call)
        return None

    if rng.random() < 0.5:
        return change_one(module, rng, ast.Binary, inside)
    return change_one(module, rng, ast.Apply, outside)


@mutant(ALL)
def drop_activation(module: ast.Module, rng: Random) -> ast.Module | None:
    """`h(e)` becomes `e`, or `e` becomes `h(e)` around a result."""
    if rng.random() < 0.5:
        return change_one(module, rng, ast.Apply, lambda a: a.args[0].value if a.args else None)
    word = rng.choice(list(ACTIVATIONS))

    def wrap(found: ast.Map) -> ast.Map:
        span = found.span
        return replace(found, result=ast.Apply(ast.Name(word, span), (ast.Arg(None, None, found.result, span),), span))

    return change_one(module, rng, ast.Map, wrap)


@mutant(ALL)
def steeper_fold(module: ast.Module, rng: Random) -> ast.Module | None:
    """A number of a formula is multiplied by something."""
    factor = rng.choice((-1.0, 0.0, 1.5, 4.0, 0.1))

    def scaled(found: ast.Number) -> ast.Number:
        value = factor * found.value
        return ast.Number(value, f"{abs(value)!r}", found.span)

    def signed(found: ast.Number) -> ast.Expr:
        new = scaled(found)
        return ast.Neg(new, found.span) if new.value < 0 else new

    return change_one(module, rng, ast.Number, signed, within=(ast.Map, ast.ActDefined))


@mutant({"act:leaky_relu"})
def other_option(module: ast.Module, rng: Random) -> ast.Module | None:
    """An option of an activation becomes negative, 0 or large."""
    found = [(path, node) for path, node in sites(module, ast.Apply) if len(node.args) > 1]
    if not found:
        return None
    path, node = rng.choice(found)
    number = rng.choice(("0.0", "1e-30", "3.0", "1.0"))
    new: ast.Expr = ast.Number(float(number), number, node.span)
    if rng.random() < 0.3:
        new = ast.Neg(ast.Number(0.5, "0.5", node.span), node.span)
    return put(module, path, replace(node, args=(node.args[0], replace(node.args[1], value=new))))
