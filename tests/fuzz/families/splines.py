"""Splines whose bins come from parameters or from other parts; rule ACT-P."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Draft, Sketch
from ..edit import change_one
from ..registry import FLOOR, ONTO, mutant, production

PLACES = {"Image": ("C", "Image[{} * C, H, W]"), "Vec": ("D", "Vec[{} * D]"), "Seq": ("D", "Seq[T, {} * D]")}
OPTIONS = ("", "", ", bound = 1", ", bound = 8, floor = 0.02", ", floor = 0.05", ", floor = 1e-5")
RULE = {"rule:ACT-P"}


def placed(draft: Draft) -> bool:
    """Whether the layer's shape has names for its sizes."""
    return draft.space in PLACES and PLACES[draft.space][0] in draft.sizes


@production(FLOOR, RULE, when=placed, weight=0.7)
def bent(draft: Draft) -> str:
    """A spline of something steep."""
    return _of_parameters(draft, draft.make(FLOOR))


@production(ONTO, RULE, when=placed, weight=0.7)
def bent_onto(draft: Draft) -> str:
    """A spline of something that is onto R."""
    return _of_parameters(draft, draft.make(ONTO))


def _of_parameters(draft: Draft, inner: str) -> str:
    bins = draft.rng.choice((2, 3, 4))
    shape = PLACES[draft.space][1]
    names = []
    with draft.closed():
        for count in (bins, bins, bins - 1):
            per = draft.pick(("", " (per = element)"))
            names.append(draft.param("q", f"bias{per} on {shape.format(count)}", indices=()))
    return _called(inner, names, draft.pick(OPTIONS))


def _called(inner: str, params: list[str], options: str) -> str:
    given = ", ".join(f"{name} = {param}" for name, param in zip(("widths", "heights", "slopes"), params, strict=True))
    return f"rq_spline({inner}, {given}{options})"


def spline(sketch: Sketch, text: str, known: list[str], members: list[str], shape: str, *, masked: bool) -> str:
    """A spline of what becomes of a part, its bins made from the parts in `known`, or parameters."""
    rng = sketch.rng
    space, _, rest = shape.partition("[")
    dims = rest.rstrip("]").split(", ")
    axis = 1 if space == "Seq" else 0
    bins = rng.choice((2, 2, 3, 4))
    params = []
    for count in (bins, bins, bins - 1):
        wide = [str(int(size) * count) if k == axis else size for k, size in enumerate(dims)]
        place = f"{space}[{', '.join(wide)}]"
        source = rng.choice(known) if known else ""
        read = f"spread({source})" if masked else source
        if source and count == 1 and sketch.chance(0.4):
            params.append(f"tanh({read})" if sketch.chance(0.5) else read)
        elif source and space != "Seq" and sketch.chance(0.8):
            name = sketch.fresh("Q")
            kind = rng.choice(("conv 3x3", "conv 1x1")) if space == "Image" else "linear"
            members.append(f"param {name} : {kind} from {shape} to {place}")
            params.append(f"{name}({read})")
        else:
            name = sketch.fresh("q")
            members.append(f"param {name} : bias{rng.choice(('', ' (per = element)'))} on {place}")
            params.append(name)
    return _called(text, params, rng.choice(OPTIONS))


# ---------------------------------------------------------------- mutants


def _is_spline(node: ast.Apply) -> bool:
    return isinstance(node.fn, ast.Name) and node.fn.id == "rq_spline" and len(node.args) > 3


@mutant(RULE, weight=3)
def spline_of_itself(module: ast.Module, rng: Random) -> ast.Module | None:
    """A parameter of a spline becomes what the spline bends, or is multiplied with it."""

    def change(node: ast.Apply) -> ast.Apply | None:
        if not _is_spline(node):
            return None
        args, place = list(node.args), rng.choice((1, 2, 3, 3))
        bent_, old = args[0].value, args[place].value
        product = ast.Binary("*", old, bent_, node.span, node.span)
        args[place] = replace(args[place], value=bent_ if rng.random() < 0.6 else product)
        return replace(node, args=tuple(args))

    return change_one(module, rng, ast.Apply, change)


@mutant(RULE)
def another_floor(module: ast.Module, rng: Random) -> ast.Module | None:
    """The floor of a spline, or the interval on which it bends, is another one."""

    def change(node: ast.Apply) -> ast.Apply | None:
        if not _is_spline(node):
            return None
        name, value = rng.choice((("floor", 0.3), ("floor", 0.49), ("floor", 1e-7), ("bound", 0.01), ("bound", 0)))
        arg = ast.Arg(ast.Name(name, node.span), "=", ast.Number(value, str(value), node.span), node.span)
        kept = [a for a in node.args if a.name is None or a.name.id != name]
        return replace(node, args=(*kept, arg))

    return change_one(module, rng, ast.Apply, change)
