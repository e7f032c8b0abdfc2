"""Layers in both directions that are triangular in an order found from the taps; bounds of the Lipschitz constant."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Sketch
from ..edit import change_one
from ..registry import mutant, whole

KERNELS = ("1x3", "3x1", "3x3", "2x2", "1x2", "2x1")
CORNERS = ("bottom_right", "bottom_left", "top_right", "top_left")
ACTS = ("elu", "tanh", "softplus", "leaky_relu", "sigmoid")


@whole({"claim:invertible", "claim:diag", "claim:onto", "direction:lower", "direction:upper"}, weight=1.5)
def both_directions(sketch: Sketch) -> None:
    """A layer of maps in both directions: refused, unless one order suits all taps."""
    rng = sketch.rng
    name, order = sketch.fresh("L"), sketch.fresh("o")
    rows = rng.choice(("h, w", "w, h", "h + w", "h - w", "2 * h + w, c", "h, w, c", "c, h, w", "-h, w"))
    sketch.items.append(f"order {order} = ({rows})")
    channels = rng.choice(("1", "C"))
    params, terms = ["  param t : scale with diag > 0"], ["t * x"]
    for letter, direction in (("A", "lower"), ("B", "upper"), ("E", rng.choice(("lower", "upper")))):
        kernel = rng.choice(KERNELS)
        anchor = rng.choice(CORNERS) if "2" in kernel or sketch.chance(0.5) else "centre"
        strict = "strict " if sketch.chance(0.3) else ""
        bound = "" if strict else " with diag >= 0"
        params.append(f"  param {letter} : conv {kernel} {strict}{direction} (anchor = {anchor}){bound}")
    terms.append(rng.choice(("A({h}(B(x)))", "B({h}(A(x))) + E(x)", "A(x) + B(x)", "A({h}(E({h}(B(x)))))")))
    result = " + ".join(terms).replace("{h}", rng.choice(ACTS))
    used = [p for p in params if p.split()[1] in ("t", *(w for w in "ABE" if f"{w}(" in result))]
    claims = rng.sample(["diag > 0", "invertible", "injective", "onto", "inverse iterative", "lower"], 2)
    lines = [f"layer {name} on Image[{channels}, H, W] ensures {', '.join(claims)} {{", f"  order {order}", *used]
    sketch.items.append("\n".join([*lines, f"  map x -> {result}", "}"]))


@whole({"claim:lip", "flow claim:lip", "claim:inverse", "claim:log_det", "flow claim:onto"}, weight=1.0)
def gentle_flow(sketch: Sketch) -> None:
    """Elementwise layers with bounded slopes, and a flow of them, that claim a Lipschitz bound."""
    rng = sketch.rng
    name = sketch.fresh("L")
    low, high = rng.choice((("0.5", "2"), ("0.25", "1"), ("1", "4")))
    act = rng.choice(("tanh", "sin", "elu", "gelu", "silu", "softplus", "abs"))
    form = rng.choice(("s * x + {h}(x)", "s * x + 0.2 * {h}(s * x)", "{h}(s * x)", "x / s", "exp(tanh(s * x)) + s * x"))
    bound = rng.choice(("1.5", "2", "3.5", "5", "20", "200"))
    kind = rng.choice(("inverse elementwise", "inverse closed_form", "log_det exact", "injective", "onto"))
    sketch.items.append(
        f"layer {name} on S ensures lip <= {bound}{f', {kind}' if sketch.chance(0.4) else ''} {{\n"
        f"  param s : scale with diag >= {low}, diag <= {high}\n  map x -> {form.format(h=act)}\n}}"
    )
    copies = rng.choice((1, 2, 3))
    extra = rng.choice(("", "standardize(mean = 0.5, std = 0.25) ", "squeeze 2 "))
    claims = [f"lip < {rng.choice(('4', '10', '100', '10000'))}", *rng.sample(["onto", "inverse iterative"], 1)]
    sketch.items.append(
        f"flow {sketch.fresh('F')} on Image[1, 2, 2] ensures {', '.join(claims[: rng.choice((1, 2))])} {{\n"
        f"  {extra}repeat {copies} {{ {name} }}\n}}"
    )


@whole({"flow claim:log_det", "flow claim:inverse", "flow claim:injective"}, weight=0.3)
def kinds_of_flows(sketch: Sketch) -> None:
    """Flows that claim kinds."""
    rng = sketch.rng
    pad = rng.choice(("pad channels to 2", ""))
    claim = rng.choice(("log_det none", "log_det exact", "inverse closed_form", "inverse iterative"))
    sketch.items.append(
        f"flow {sketch.fresh('F')} on Image[1, 2, 2] ensures injective, {claim} {{\n"
        f"  {pad} {rng.choice(('squeeze 2', 'standardize(mean = 0.0, std = 2.0)'))}\n}}"
    )


# ---------------------------------------------------------------- mutants


@mutant({"direction:lower", "direction:upper"}, weight=1.5)
def taps_elsewhere(module: ast.Module, rng: Random) -> ast.Module | None:
    """A kernel takes another anchor, so that its taps point elsewhere."""

    def moved(found: ast.KindMap) -> ast.KindMap | None:
        if found.name.id != "conv":
            return None
        span = found.span
        anchor = ast.Arg(ast.Name("anchor", span), "=", ast.Name(rng.choice(CORNERS), span), span)
        return replace(found, args=(anchor,))

    return change_one(module, rng, ast.KindMap, moved)


@mutant({"claim:lip", "flow claim:lip"})
def tighter(module: ast.Module, rng: Random) -> ast.Module | None:
    """A bound becomes smaller."""

    def smaller(found: ast.ClaimBound) -> ast.ClaimBound | None:
        if found.name.id != "lip" or not isinstance(found.value, ast.Number):
            return None
        number = rng.choice(("0.9", "1.0", "1.9", "3.0"))
        return replace(found, value=ast.Number(float(number), number, found.span))

    return change_one(module, rng, ast.ClaimBound, smaller)
