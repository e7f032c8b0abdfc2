"""Layers in their inverse direction, of slopes with bounds for all weights: what is solved stays well conditioned."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Sketch
from ..edit import change_one, sites
from ..registry import mutant, whole

BODIES = (
    "param s : scale with diag >= 0.5, diag <= 2\n  map x -> s * x + tanh(x)",
    "param s : scale (per = channel) with diag >= 0.5, diag <= 2\n  map x -> leaky_relu(x / s, 0.3)",
    "param s : scale with lip <= 0.4\n  map x -> x - s * sin(x)",
    "param s : scale with diag >= 1, diag <= 3\n  map x -> s * (x + 0.5 * sigmoid(x)) - 1",
)
WORDS = ("inverse", "inverse", "forward")


@whole({"rule:INVERSE"}, weight=0.5)
def directions_of_layers(sketch: Sketch) -> None:
    """A flow of layers of which some stand in their inverse direction."""
    rng = sketch.rng
    names = [sketch.fresh("L") for _ in range(rng.randrange(1, 4))]
    for name in names:
        sketch.items.append(f"layer {name} on S ensures invertible {{\n  {rng.choice(BODIES)}\n}}")
    steps = [f"{rng.choice(names)}(direction = {rng.choice(WORDS)})" for _ in range(rng.randrange(1, 4))]
    if sketch.chance(0.3):
        steps = [f"repeat 2 {{ {'  '.join(steps)} }}"]
    place = rng.choice(("Vec[3]", "Image[2, 2, 1]", "Seq[2, 2]"))
    sketch.items.append(f"flow {sketch.fresh('F')} on {place} ensures invertible {{ {'  '.join(steps)} }}")


def _turned(found: ast.Arg) -> ast.Arg | None:
    if found.name is None or found.name.id != "direction" or not isinstance(found.value, ast.Name):
        return None
    word = "forward" if found.value.id == "inverse" else "inverse"
    return replace(found, value=ast.Name(word, found.value.span))


@mutant({"rule:INVERSE"}, weight=2)
def turned_round(module: ast.Module, rng: Random) -> ast.Module | None:
    """A layer in its other direction."""
    return change_one(module, rng, ast.Arg, _turned)


@mutant({"rule:INVERSE"}, weight=2)
def not_onto(module: ast.Module, rng: Random) -> ast.Module | None:
    """A layer of a program with inverse directions ends sooner than R, or nowhere that is known."""
    if not any(_turned(arg) is not None for _, arg in sites(module, ast.Arg)):
        return None
    word = ast.Name(rng.choice(("sigmoid", "tanh", "softplus", "elu", "relu")), module.span)

    def ended(found: ast.Layer) -> ast.Layer:
        inner = ast.Apply(word, (ast.Arg(None, None, found.body.result, module.span),), module.span)
        return replace(found, body=replace(found.body, result=inner), claims=())

    return change_one(module, rng, ast.Layer, ended)
