"""The variable, numbers, sizes, scales and biases; constraints on scales."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from .. import phrases
from ..draft import Draft, wrapped
from ..edit import change_one, expressions, put, sites
from ..registry import CONSTANT, FLOOR, FREE, ONTO, POSITIVE, TRIANGULAR, WEAK, mutant, production

PER = ("", "", " (per = element)", " (per = channel)")


@production(FLOOR, {"rule:VAR"}, leaf=True, weight=1.5)
def variable(draft: Draft) -> str:
    """The variable itself."""
    return "x"


@production(CONSTANT, {"kind:bias", "init:zeros", "init:ones", "init:normal", "rule:CONST"}, leaf=True, weight=2)
def bias(draft: Draft) -> str:
    """A bias."""
    return draft.param("b", "bias" + draft.pick(PER), tail=phrases.init(draft, False))


@production(CONSTANT, {"rule:CONST"}, leaf=True)
def literal(draft: Draft) -> str:
    """A number, or a quotient of numbers."""
    if draft.chance(0.2):
        return f"({draft.pick(('1', '2', '7'))} / {draft.pick(('3', '4', '10'))})"
    return draft.pick(("0.5", "1", "2", "0", "-1", "1e-3", "0.1")) if draft.chance(0.7) else draft.number(-2, 2)


@production(CONSTANT, {"formal:Nat"}, leaf=True, weight=0.4, when=lambda d: bool(d.sizes))
def size(draft: Draft) -> str:
    """A size of the shape, or a Nat formal, as a number."""
    return draft.pick(draft.sizes)


@production(CONSTANT, leaf=True, weight=0.6)
def free_scale(draft: Draft) -> str:
    """A scale without a constraint, as a value."""
    return draft.param("s", "scale" + draft.pick(PER), tail=phrases.init(draft, False))


def positive_scale(draft: Draft, kind: str, top: float | None = None) -> str:
    """A scale under a constraint of this kind."""
    tail = phrases.constraint(draft, kind, top) + phrases.init(draft, False)
    return draft.param("t", "scale" + draft.pick(PER), tail=tail)


@production(FLOOR, {"kind:scale", "rule:MUL", *phrases.diagonal_covers(FLOOR)}, weight=1.5)
def scaled_from_below(draft: Draft) -> str:
    """A scale with a lower bound times something as steep."""
    factor, rest = positive_scale(draft, FLOOR), wrapped(draft.make(FLOOR))
    return f"{factor} * {rest}" if draft.chance(0.8) else f"{rest} * {factor}"


@production(ONTO, {"kind:scale", "rule:MUL", *phrases.diagonal_covers(ONTO)}, weight=1.5)
def scaled(draft: Draft) -> str:
    """A positive scale times something onto."""
    return f"{positive_scale(draft, ONTO)} * {wrapped(draft.make(ONTO))}"


@production(WEAK, phrases.diagonal_covers(WEAK))
def scaled_or_lost(draft: Draft) -> str:
    """A scale that may vanish."""
    return f"{positive_scale(draft, WEAK)} * {wrapped(draft.make(WEAK))}"


@production(FREE, {*phrases.diagonal_covers(FREE), "claim:diag"}, weight=2)
def scaled_either_way(draft: Draft) -> str:
    """A scale of free sign."""
    return f"{positive_scale(draft, FREE)} * {wrapped(draft.make(draft.pick((ONTO, FLOOR))))}"


@production(FREE, leaf=True)
def variable_either_way(draft: Draft) -> str:
    """A scale of free sign times the variable."""
    return f"{positive_scale(draft, FREE)} * x"


@production(FREE)
def shifted_either_way(draft: Draft) -> str:
    """A monotone map and a shift."""
    return f"{draft.make(FREE)} + {wrapped(draft.strict_value())}"


@production(ONTO, phrases.diagonal_covers(FREE))
def scaled_twice(draft: Draft) -> str:
    """A scale of free sign used twice: a square of a sign is 1."""
    factor = positive_scale(draft, FREE)
    inner = wrapped(draft.make(ONTO))
    if draft.chance(0.5):
        inner = f"{draft.pick([a.name for a in phrases.acts(phrases.steep) if not a.options])}({factor} * {inner})"
        return f"{factor} * {inner}"
    return f"{factor} * ({factor} * {inner})"


@production(WEAK, phrases.diagonal_covers(FREE))
def scaled_around(draft: Draft) -> str:
    """r * h(r * e) with an increasing h."""
    factor = positive_scale(draft, FREE)
    h = draft.rng.choice(phrases.acts(phrases.increasing))
    return f"{factor} * {phrases.called(draft, h, f'{factor} * {wrapped(draft.make(WEAK))}')}"


@production(POSITIVE, phrases.diagonal_covers(FLOOR), leaf=True)
def bounded_scale(draft: Draft) -> str:
    """A scale that is never 0."""
    return positive_scale(draft, draft.pick((FLOOR, ONTO)))


@production(POSITIVE, leaf=True, weight=0.4)
def positive_number(draft: Draft) -> str:
    """A number > 0."""
    return draft.pick(("0.5", "2", "1e-3", "(2 / 3)"))


@production(TRIANGULAR, weight=0.5)
def scaled_by_anything(draft: Draft) -> str:
    """A free scale times an expression."""
    return f"{draft.param('s', 'scale')} * {wrapped(draft.make(TRIANGULAR))}"


@production(ONTO, {"kind:normalize", "rule:BN"}, weight=0.7)
def normalized(draft: Draft) -> str:
    """Running statistics."""
    with draft.closed():
        options = draft.pick(("", "", " (eps = 0.1)", " (per = channel, momentum = 0.5)", " (eps = 4)"))
        name = draft.param("n", "normalize" + options, indices=())
        return f"{name}({draft.make(ONTO)})"


# ---------------------------------------------------------------- mutants


@mutant(phrases.diagonal_covers(FLOOR), weight=2)
def drop_constraint(module: ast.Module, rng: Random) -> ast.Module | None:
    """A parameter loses its constraints."""
    return change_one(
        module, rng, ast.Param, lambda p: replace(p, constraints=()) if p.constraints else None
    )  # fmt: skip


@mutant(phrases.diagonal_covers(FLOOR), weight=2)
def weaken_constraint(module: ast.Module, rng: Random) -> ast.Module | None:
    """`diag >= m` becomes `diag > 0`, that becomes `diag >= 0`, or `!= 0`."""
    zero = ast.Number(0, "0", module.span)

    def weaker(found: ast.Param) -> ast.Param | None:
        if not found.constraints:
            return None
        cmp = rng.choice([c for c in (">", ">=", "!=") if c != found.constraints[0].cmp] or [">="])
        return replace(found, constraints=(replace(found.constraints[0], cmp=cmp, value=zero, via=None),))

    return change_one(module, rng, ast.Param, weaker)


@mutant(phrases.diagonal_covers(WEAK))
def move_bound(module: ast.Module, rng: Random) -> ast.Module | None:
    """Another number in a constraint."""
    number = rng.choice(("1e-3", "0.25", "0.5", "1.0", "4.0"))

    def moved(found: ast.Constraint) -> ast.Constraint | None:
        if found.cmp not in (">=", "<=") or not isinstance(found.value, ast.Number) or found.value.value == 0:
            return None
        return replace(found, value=ast.Number(float(number), number, found.span))

    return change_one(module, rng, ast.Constraint, moved)


@mutant({"kind:bias", "kind:scale", "rule:CONST"})
def swap_scale_and_bias(module: ast.Module, rng: Random) -> ast.Module | None:
    """A bias becomes a scale that is free, or a scale that is used as a value a bias."""

    def swapped(found: ast.Param) -> ast.Param | None:
        if not isinstance(found.kind, ast.KindMap) or found.kind.name.id not in ("scale", "bias"):
            return None
        word = "bias" if found.kind.name.id == "scale" else "scale"
        kind = replace(found.kind, name=replace(found.kind.name, id=word))
        return replace(found, kind=kind, constraints=(), init=None)

    return change_one(module, rng, ast.Param, swapped)


@mutant({"rule:VAR"})
def variable_to_constant(module: ast.Module, rng: Random) -> ast.Module | None:
    """One use of the variable becomes a number, or a number the variable."""
    names = sorted({m.args[0].id for _, m in sites(module, ast.Map)})
    found = [
        (path, node)
        for path, node in expressions(module)
        if isinstance(node, ast.Number) or isinstance(node, ast.Name) and node.id in names
    ]
    if not found:
        return None
    path, node = rng.choice(found)
    span = module.span
    return put(module, path, ast.Number(2, "2", span) if isinstance(node, ast.Name) else ast.Name(names[0], span))


@mutant({"kind:normalize", "rule:BN"})
def other_statistics(module: ast.Module, rng: Random) -> ast.Module | None:
    """Another eps of running statistics, or a bias or scale that becomes them."""

    def other(found: ast.Param) -> ast.Param | None:
        kind = found.kind
        if not isinstance(kind, ast.KindMap) or kind.name.id != "normalize":
            return None
        number = rng.choice(("1e-5", "0.25", "9.0"))
        value = ast.Number(float(number), number, found.span)
        return replace(found, kind=replace(kind, args=(ast.Arg(ast.Name("eps", found.span), "=", value, found.span),)))

    return change_one(module, rng, ast.Param, other)
