"""Exponentials of maps of bounded norm; rule EXP, and what takes the bound away or stands beside them."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Sketch
from ..edit import change_one
from ..registry import mutant, whole
from .residuals import NORMS

RULE = {"rule:EXP"}
SPACES = {"Image": "Image[C, H, W]", "Vec": "Vec[D]"}
KERNELS = ("conv 3x3", "conv 1x1", "conv 1x3", "conv 2x3 (anchor = (1, 1))", "conv 3x3 (dilation = 2)")
CIRCULAR = ("conv 3x3 (boundary = circular)", "conv 2x4 (anchor = top_right, dilation = 2, boundary = circular)")


def _map(sketch: Sketch, space: str, members: list[str], on: str = "") -> str:
    """A map with a bound of its norm; its name."""
    name, rng = sketch.fresh("M"), sketch.rng
    kind = rng.choice(KERNELS + CIRCULAR) if space == "Image" else "linear"
    limit = rng.choice(("0.3", "0.95", "0.95", "2", "4"))
    members.append(f"param {name} : {kind}{on} with lip <= {limit}{rng.choice(NORMS)}")
    return name


@whole({*RULE, "rule:CHAIN"}, weight=0.8)
def exponential_links(sketch: Sketch) -> None:
    """A composition of exponentials and other links."""
    rng, space = sketch.rng, sketch.rng.choice(("Image", "Image", "Vec"))
    members: list[str] = []
    text = "x"
    for _ in range(rng.randrange(1, 4)):
        text = rng.choice((f"exp({_map(sketch, space, members)})({text})",) * 3 + (f"({text} - 0.5)", f"-({text})"))
        if sketch.chance(0.3):
            name = sketch.fresh("s")
            members.append(f"param {name} : scale with diag >= 0.5, diag <= 2")
            text = f"{name} * {text}"
    if sketch.chance(0.3):
        text = f"leaky_relu({text}, 0.4)"
    lines = "".join(f"  {member}\n" for member in members)
    claims = rng.choice(("invertible", "invertible, inverse closed_form", "onto, log_det exact"))
    sketch.items.append(
        f"layer {sketch.fresh('E')} on {SPACES[space]} ensures {claims} {{\n{lines}  map x -> {text}\n}}"
    )


@whole({*RULE, "rule:JOIN"}, weight=0.4)
def exponentials_in_parts(sketch: Sketch) -> None:
    """One part by an exponential, the other by one that the first shifts."""
    members = ["space Half = Vec[D / 2]", "param V : linear on Half"]
    first, second = (_map(sketch, "Vec", members, " on Half") for _ in range(2))
    left, right = sketch.rng.choice((("a", "b"), ("b", "a")))
    results = {left: f"exp({first})({left})", right: f"exp({second})({right} + V({left}))"}
    lines = "".join(f"  {member}\n" for member in members)
    sketch.items.append(
        f"layer {sketch.fresh('E')} on Vec[D] ensures invertible {{\n{lines}  map x {{\n"
        f"    let (a, b) = split(x, halves)\n    return join({results['a']}, {results['b']})\n  }}\n}}"
    )


# ---------------------------------------------------------------- mutants


def _exponential(found: ast.Apply) -> bool:
    return isinstance(found.fn, ast.Apply) and isinstance(found.fn.fn, ast.Name) and found.fn.fn.id == "exp"


@mutant(RULE, weight=2)
def series_of_one_term(module: ast.Module, rng: Random) -> ast.Module | None:
    """`exp(M)(e)` becomes `e + M(e)`, `e - M(e)` or `M(e)`."""

    def cut(found: ast.Apply) -> ast.Expr | None:
        if not _exponential(found):
            return None
        assert isinstance(found.fn, ast.Apply)
        span, plain = found.span, replace(found, fn=found.fn.args[0].value)
        op = rng.choice("+-m")
        return plain if op == "m" else ast.Binary(op, found.args[0].value, plain, span, span)

    return change_one(module, rng, ast.Apply, cut)


@mutant(RULE, weight=2)
def beside_an_exponential(module: ast.Module, rng: Random) -> ast.Module | None:
    """`exp(M)(e)` becomes a sum, difference or product with its argument."""

    def beside(found: ast.Apply) -> ast.Binary | None:
        span, op = found.span, rng.choice("+-*")
        return ast.Binary(op, found, found.args[0].value, span, span) if _exponential(found) else None

    return change_one(module, rng, ast.Apply, beside)


@mutant(RULE)
def exponential_of_another(module: ast.Module, rng: Random) -> ast.Module | None:
    """The exponential is that of something else: of the function, of a free map, of a scale."""
    names = [param.binders[0].name for layer in module.items if isinstance(layer, ast.Layer)
             for param in layer.members if isinstance(param, ast.Param)]  # fmt: skip

    def other(found: ast.Apply) -> ast.Apply | None:
        if not _exponential(found) or not names:
            return None
        assert isinstance(found.fn, ast.Apply)
        arg = replace(found.fn.args[0], value=rng.choice(names))
        return replace(found, fn=replace(found.fn, args=(arg,)))

    return change_one(module, rng, ast.Apply, other)
