"""Masked convolutions and matrices, their anchors and orders, dense maps of constants; rules BASIC and COMP."""

from __future__ import annotations

from random import Random

from mintdsl.core.kinds import ANCHORS
from mintdsl.records import replace
from mintdsl.syntax import ast

from .. import phrases
from ..draft import Draft
from ..edit import change_one
from ..registry import CONSTANT, FLOOR, FREE, INJECTIVE, ONTO, STRICT, TRIANGULAR, WEAK, mutant, production

KINDS = {"option:dilation", "kind:conv", "kind:linear", "rule:BASIC", "rule:COMP", "direction:lower", "direction:upper"}
ANCHORED = {f"anchor:{a}" for a in (*ANCHORS, "given")}
INITS = {"init:identity", "init:near_identity", "init:xavier_normal", "init:fan_in_uniform"}


def mapped(draft: Draft) -> bool:
    """Whether maps act on this shape."""
    return draft.mapped


def matrix(draft: Draft, kind: str = "", top: float | None = None) -> str:
    """A map with a direction; `kind` says which constraint its diagonal has."""
    tail = (phrases.constraint(draft, kind, top) if kind else "") + phrases.init(draft, True)
    return draft.param("W", phrases.map_kind(draft), tail=tail)


@production(FLOOR, KINDS | ANCHORED | INITS | phrases.diagonal_covers(FLOOR), when=mapped, weight=2.5)
def map_from_below(draft: Draft) -> str:
    """A map whose diagonal has a lower bound."""
    return f"{matrix(draft, FLOOR)}({draft.make(FLOOR)})"


@production(ONTO, KINDS | ANCHORED | INITS | phrases.diagonal_covers(ONTO), when=mapped, weight=2.5)
def map_positive(draft: Draft) -> str:
    """A map with a positive diagonal."""
    return f"{matrix(draft, ONTO)}({draft.make(ONTO)})"


@production(INJECTIVE, when=mapped, weight=1.5)
def map_of_injective(draft: Draft) -> str:
    """A map with a positive diagonal of something strictly increasing."""
    return f"{matrix(draft, draft.pick((ONTO, FLOOR)))}({draft.make(INJECTIVE)})"


@production(WEAK, phrases.diagonal_covers(WEAK), when=mapped, weight=1.5)
def map_nonnegative(draft: Draft) -> str:
    """A map whose diagonal may vanish."""
    return f"{matrix(draft, WEAK)}({draft.make(WEAK)})"


@production(FREE, phrases.diagonal_covers(FREE), when=mapped, weight=2)
def map_either_way(draft: Draft) -> str:
    """A map whose diagonal has a free sign."""
    return f"{matrix(draft, FREE)}({draft.make(draft.pick((ONTO, FLOOR)))})"


@production(STRICT, KINDS, when=mapped, weight=4)
def strict_map(draft: Draft) -> str:
    """A strict map of anything triangular."""
    name = draft.param("S", phrases.map_kind(draft, strict=True), tail=phrases.init(draft, True))
    return f"{name}({draft.make(TRIANGULAR) if draft.chance(0.6) else 'x'})"


@production(STRICT, when=mapped)
def map_of_strict(draft: Draft) -> str:
    """Any map of what does not read its own coordinate."""
    return f"{matrix(draft)}({draft.strict_value()})"


@production(CONSTANT, when=mapped, weight=0.8)
def dense_of_constant(draft: Draft) -> str:
    """An unmasked map of a parameter."""
    kind = phrases.map_kind(draft, dense=True)
    name = draft.param("D", kind, tail=phrases.init(draft, True))
    value = draft.param("b", "bias")
    return f"{name}({value if draft.chance(0.6) else f'tanh({value})'})"


@production(CONSTANT, when=mapped, weight=0.3)
def dense_between_shapes(draft: Draft) -> str:
    """An unmasked map from another shape."""
    other, kind = ("Image[2, H, W]", "conv 3x3") if draft.space == "Image" else ("Vec[3]", "linear")
    here = "Image[C, H, W]" if draft.space == "Image" else "Vec[D]"
    if draft.sizes != (("C", "H", "W") if draft.space == "Image" else ("D",)):
        return draft.make(CONSTANT)
    value = draft.param("b", f"bias on {other}", indices=())
    return f"{draft.param('D', kind, indices=(), tail=f' from {other} to {here}')}({value})"


@production(TRIANGULAR, when=mapped)
def map_of_anything(draft: Draft) -> str:
    """A map without a constraint."""
    return f"{matrix(draft)}({draft.make(TRIANGULAR)})"


@production(TRIANGULAR, when=mapped, weight=0.1)
def dense_of_anything(draft: Draft) -> str:
    """An unmasked map of the variable: nothing is proved of it."""
    return f"{draft.param('D', phrases.map_kind(draft, dense=True))}({draft.make(TRIANGULAR)})"


# ---------------------------------------------------------------- mutants


@mutant(KINDS, weight=2)
def other_direction(module: ast.Module, rng: Random) -> ast.Module | None:
    """One map turns round, or loses its direction."""

    def turned(found: ast.KindMap) -> ast.KindMap | None:
        if found.direction is None:
            return None
        word = {"lower": "upper", "upper": "lower"}.get(found.direction.id, rng.choice(("lower", "upper")))
        if rng.random() < 0.2:
            return replace(found, direction=None, strict=False)
        return replace(found, direction=replace(found.direction, id=word))

    return change_one(module, rng, ast.KindMap, turned)


@mutant(KINDS, weight=3)
def drop_strict(module: ast.Module, rng: Random) -> ast.Module | None:
    """A strict map becomes one with a diagonal."""
    return change_one(module, rng, ast.KindMap, lambda k: replace(k, strict=False) if k.strict else None)


@mutant(KINDS)
def make_strict(module: ast.Module, rng: Random) -> ast.Module | None:
    """A map with a diagonal becomes strict, and loses its constraint."""

    def strict(found: ast.Param) -> ast.Param | None:
        kind = found.kind
        if not isinstance(kind, ast.KindMap) or kind.strict or kind.direction is None:
            return None
        return replace(found, kind=replace(kind, strict=True), constraints=())

    return change_one(module, rng, ast.Param, strict)


@mutant(ANCHORED)
def other_anchor(module: ast.Module, rng: Random) -> ast.Module | None:
    """Another anchor, which may be no tap of the kernel."""
    word = rng.choice(ANCHORS)

    def moved(found: ast.KindMap) -> ast.KindMap | None:
        if found.name.id != "conv":
            return None
        value: ast.Expr = ast.Name(word, found.span)
        if rng.random() < 0.5:
            numbers = [rng.randrange(n + 1) for n in found.size or (1, 1)]
            value = ast.Tuple(tuple(ast.Number(n, str(n), found.span) for n in numbers), found.span)
        arg = ast.Arg(ast.Name("anchor", found.span), "=", value, found.span)
        return replace(found, args=(arg,))

    return change_one(module, rng, ast.KindMap, moved)


@mutant({"option:dilation"})
def other_dilation(module: ast.Module, rng: Random) -> ast.Module | None:
    """Taps elsewhere, or all on one pixel, which is refused."""
    number = rng.choice((0, 1, 2, 3, 7))

    def apart(found: ast.KindMap) -> ast.KindMap | None:
        if found.name.id != "conv":
            return None
        others = tuple(arg for arg in found.args if arg.name is None or arg.name.id != "dilation")
        value = ast.Number(number, str(number), found.span)
        return replace(found, args=(*others, ast.Arg(ast.Name("dilation", found.span), "=", value, found.span)))

    return change_one(module, rng, ast.KindMap, apart)


@mutant({"option:boundary", "rule:CIRCULANT"})
def other_boundary(module: ast.Module, rng: Random) -> ast.Module | None:
    """Taps that wrap around, or no longer: a direction is then refused, and the anchor decides nothing."""
    word = rng.choice(("circular", "circular", "zero"))

    def around(found: ast.KindMap) -> ast.KindMap | None:
        if found.name.id != "conv":
            return None
        others = tuple(arg for arg in found.args if arg.name is None or arg.name.id != "boundary")
        arg = ast.Arg(ast.Name("boundary", found.span), "=", ast.Name(word, found.span), found.span)
        return replace(found, args=(*others, arg))

    return change_one(module, rng, ast.KindMap, around)


@mutant({"option:rank", "rule:LOWRANK"})
def other_rank(module: ast.Module, rng: Random) -> ast.Module | None:
    """A map is I + U V, or no longer, or of another rank: with a direction, more taps or another form it is refused."""
    value = rng.choice((None, 1, 2, 9))

    def ranked(found: ast.KindMap) -> ast.KindMap | None:
        if found.name.id not in ("conv", "linear"):
            return None
        others = tuple(arg for arg in found.args if arg.name is None or arg.name.id != "rank")
        if value is None:
            return replace(found, args=others) if others != found.args else None
        arg = ast.Arg(ast.Name("rank", found.span), "=", ast.Number(value, str(value), found.span), found.span)
        return replace(found, args=(*others, arg))

    return change_one(module, rng, ast.KindMap, ranked)


@mutant({"kind:conv"})
def other_size(module: ast.Module, rng: Random) -> ast.Module | None:
    """Another size of a kernel."""
    size = rng.choice(((1, 1), (3, 3), (2, 2), (1, 3), (3, 2), (5, 1)))
    return change_one(module, rng, ast.KindMap, lambda k: replace(k, size=size) if k.size else None)


@mutant({"rule:COMP"})
def wrap_in_map(module: ast.Module, rng: Random) -> ast.Module | None:
    """A parameter of the layer is applied once more, somewhere."""

    def wrapped(found: ast.Apply) -> ast.Apply | None:
        if not isinstance(found.fn, (ast.Name, ast.At)) or len(found.args) != 1:
            return None
        return replace(found, args=(replace(found.args[0], value=found),))

    return change_one(module, rng, ast.Apply, wrapped)
