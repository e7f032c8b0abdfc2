"""What data decide: layers whose scale and bias are set by a batch, in every form that there is."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import SHAPES, Sketch
from ..edit import change_one
from ..registry import FLOOR, mutant, whole
from .layers import Written

FORMS = ("s * (x + b)", "(x + b) * s", "s * x + b", "b + x * s", "x * s", "s * x", "x + b", "b + x", "x - b",
         "(x - b) / s", "x / s", "x / s - b")  # fmt: skip
BOUNDS = ("diag > 0", "diag > 0 via exp", "diag != 0", "diag != 0 via signed_exp", "diag >= 1e-3")


def by_data(sketch: Sketch) -> Written:
    """A layer that data set; now and then one that they cannot."""
    rng, name = sketch.rng, sketch.fresh("Norm")
    form = rng.choice(FORMS)
    if sketch.chance(sketch.risk):
        form = rng.choice((f"{form} + x", "s * tanh(x) + b", "b - x", "s * (s * x)", "x"))
    per = (rng.choice(("", " (per = channel)")), rng.choice(("", " (per = element)")))
    lines = [f"layer {name} on S ensures invertible {{"]
    if "s" in form.replace("tanh", ""):
        lines.append(f"  param s : scale{per[0]} with {rng.choice(BOUNDS)} init from_data")
    if "b" in form:
        lines.append(f"  param b : bias{per[1]} init from_data")
    sketch.items.append("\n".join([*lines, f"  map x -> {form}", "}"]))
    return Written(name, (), FLOOR)


@whole({"init:from_data", "shape:Any", "step:standardize"}, weight=0.4)
def set_by_data(sketch: Sketch) -> None:
    """A layer that data set, alone or a few times in a flow."""
    rng = sketch.rng
    used = by_data(sketch)
    if sketch.chance(0.3):
        return
    space = rng.choice(("Image", "Vec", "Seq"))
    dims = ", ".join(map(str, rng.choice(SHAPES[space])))
    pool = (used.name, used.name, "standardize(mean = data, std = data)", f"repeat 2 {{ {used.name} }}")
    steps = [rng.choice(pool) for _ in range(rng.choice((1, 2, 3)))]
    prior = rng.choice(("", "  prior normal", "  prior learned_normal"))
    sketch.items.append(f"flow {sketch.fresh('F')} on {space}[{dims}] {{ {'  '.join(steps)}{prior} }}")


@mutant({"init:from_data"})
def from_data_instead(module: ast.Module, rng: Random) -> ast.Module | None:
    """A parameter is left to the data, whatever its formula."""
    call = ast.Call(ast.Name("from_data", module.span), (), module.span)
    return change_one(module, rng, ast.Param, lambda p: replace(p, init=call))
