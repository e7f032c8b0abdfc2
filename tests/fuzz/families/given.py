"""Context: what a layer is given besides its variable, and the flows that hand it on."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import SHAPES, Draft, Sketch
from ..edit import change_one, sites
from ..registry import CONSTANT, FLOOR, ONTO, mutant, production, whole
from .flows import call
from .layers import write_layer

GIVEN = {"given:layer", "given:flow"}


@production(CONSTANT, {"given:layer", "rule:CONST"}, leaf=True, weight=5, when=lambda draft: draft.sketch.conditional)
def context(draft: Draft) -> str:
    """The context, or a function of it."""
    draft.given = True
    return draft.pick(("c", "c", "tanh(c)", "sin(c)", "exp(0.5 * c)", "(c - 1)"))


@whole({"given:layer", "rule:I-TRI"}, weight=0.6)
def conditional_layer(sketch: Sketch) -> None:
    """One layer with a context."""
    sketch.conditional = True
    space = sketch.rng.choice(("Image", "Vec", "Vec", "Any"))
    write_layer(sketch, space, sketch.rng.choice((FLOOR, ONTO)), concrete=sketch.chance(0.4), defaults=True)


@whole({*GIVEN, "rule:I-COMP", "flow claim:invertible"}, weight=0.8)
def conditional_flow(sketch: Sketch) -> None:
    """A flow with a context of its own shape, some of whose layers take it."""
    sketch.conditional = True
    rng = sketch.rng
    space = rng.choice(("Image", "Vec", "Vec"))
    dims = rng.choice(SHAPES[space])
    symbols = {"Image": "C, H, W", "Vec": "D"}[space]
    names = []
    for _ in range(rng.choice((1, 2, 2, 3))):
        place = "Any" if sketch.chance(0.25) else space
        used = write_layer(sketch, place, rng.choice((FLOOR, ONTO)), concrete=False, defaults=True)
        names.append(call(sketch, used, space))
        if sketch.chance(0.2):
            names.append(rng.choice(("reverse", "standardize(mean = 0.5, std = 2)")))
    if len(names) > 1 and sketch.chance(0.4):  # some of them in a flow of their own, or in a block
        inner, names = names[:-1], names[-1:]
        if sketch.chance(0.5):
            name = sketch.fresh("Inner")
            on = f"{space}[{symbols}]"
            sketch.items.append(f"flow {name} on {on} given c : {on} ensures invertible {{\n  {'  '.join(inner)}\n}}")
            names.insert(0, name)
        else:
            names.insert(0, f"repeat {rng.choice(('1', '2'))} {{ {'  '.join(inner)} }}")
    if sketch.chance(0.5):
        names.append(rng.choice(("prior normal", "prior logistic", "prior learned_normal")))
    on = f"{space}[{', '.join(map(str, dims))}]"
    steps = "".join(f"  {name}\n" for name in names)
    sketch.items.append(f"flow {sketch.fresh('F')} on {on} given c : {on} ensures invertible {{\n{steps}}}")


# ---------------------------------------------------------------- mutants


@mutant(GIVEN, weight=2)
def variable_for_context(module: ast.Module, rng: Random) -> ast.Module | None:
    """A layer reads its variable where it read its context, or the other way round."""
    if not any(item.given for _, item in sites(module, ast.Layer)):
        return None

    def other(found: ast.Binary | ast.Apply) -> ast.Binary | ast.Apply | None:
        turned = {"x": "c", "c": "x"}
        if isinstance(found, ast.Apply):
            args = [a for a in found.args if isinstance(a.value, ast.Name) and a.value.id in turned]
            if not args:
                return None
            chosen = rng.choice(args)
            assert isinstance(chosen.value, ast.Name)
            new = replace(chosen, value=replace(chosen.value, id=turned[chosen.value.id]))
            return replace(found, args=tuple(new if a is chosen else a for a in found.args))
        side = rng.choice(("left", "right"))
        value = found.left if side == "left" else found.right
        if not isinstance(value, ast.Name) or value.id not in turned:
            return None
        name = replace(value, id=turned[value.id])
        return replace(found, left=name) if side == "left" else replace(found, right=name)

    return change_one(module, rng, rng.choice((ast.Binary, ast.Apply)), other)


@mutant(GIVEN)
def without_context(module: ast.Module, rng: Random) -> ast.Module | None:
    """A layer or flow loses its context, or gets another name for it."""

    def less(found: ast.Layer | ast.Flow) -> ast.Layer | ast.Flow | None:
        if not found.given:
            return None
        if rng.random() < 0.5:
            return replace(found, given=())
        (one,) = found.given
        return replace(found, given=(replace(one, name=replace(one.name, id="k")),))

    return change_one(module, rng, rng.choice((ast.Layer, ast.Flow)), less)
