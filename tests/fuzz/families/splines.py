"""Splines and mixtures whose numbers come from parameters or from other parts; rule ACT-P."""

from __future__ import annotations

from random import Random

from mintdsl.core.bijections import BIJECTIONS
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


@production(ONTO, RULE, when=placed, weight=0.7)
def mixed_onto(draft: Draft) -> str:
    """A mixture of something that is onto R."""
    return _of_parameters(draft, draft.make(ONTO), "mix_logistic")


@production(FLOOR, RULE, when=placed, weight=0.7)
def bent(draft: Draft) -> str:
    """A spline of something steep."""
    return _of_parameters(draft, draft.make(FLOOR))


@production(ONTO, RULE, when=placed, weight=0.7)
def bent_onto(draft: Draft) -> str:
    """A spline of something that is onto R."""
    return _of_parameters(draft, draft.make(ONTO))


def _of_parameters(draft: Draft, inner: str, name: str = "rq_spline") -> str:
    count = draft.rng.choice((2, 3, 4) if name == "rq_spline" else (1, 2, 3))
    shape = PLACES[draft.space][1]
    names = []
    with draft.closed():
        for less in BIJECTIONS[name].fewer:
            per = draft.pick(("", " (per = element)"))
            names.append(draft.param("q", f"bias{per} on {shape.format(count - less)}", indices=()))
    return _called(name, inner, names, draft.pick(OPTIONS))


def _called(name: str, inner: str, params: list[str], options: str) -> str:
    info = BIJECTIONS[name]
    given = ", ".join(f"{word} = {param}" for word, param in zip(info.parameters, params, strict=True))
    return f"{name}({inner}, {given}{options if info.options else ''})"


def spline(sketch: Sketch, text: str, known: list[str], members: list[str], shape: str, *, masked: bool) -> str:
    """A spline or a mixture of what becomes of a part, its numbers made from the parts in `known`, or parameters."""
    rng = sketch.rng
    kind = rng.choice(("rq_spline", "rq_spline", "mix_logistic"))
    space, _, rest = shape.partition("[")
    dims = rest.rstrip("]").split(", ")
    axis = 1 if space == "Seq" else 0
    most = rng.choice((2, 2, 3, 4) if kind == "rq_spline" else (1, 2, 3))
    params = []
    for less in BIJECTIONS[kind].fewer:
        count = most - less
        wide = [str(int(size) * count) if k == axis else size for k, size in enumerate(dims)]
        place = f"{space}[{', '.join(wide)}]"
        source = rng.choice(known) if known else ""
        read = f"spread({source})" if masked else source
        if source and count == 1 and sketch.chance(0.4):
            params.append(f"tanh({read})" if sketch.chance(0.5) else read)
        elif source and space != "Seq" and sketch.chance(0.8):
            name = sketch.fresh("Q")
            map_ = rng.choice(("conv 3x3", "conv 1x1")) if space == "Image" else "linear"
            members.append(f"param {name} : {map_} from {shape} to {place}")
            params.append(f"{name}({read})")
        else:
            name = sketch.fresh("q")
            members.append(f"param {name} : bias{rng.choice(('', ' (per = element)'))} on {place}")
            params.append(name)
    return _called(kind, text, params, rng.choice(OPTIONS))


# ---------------------------------------------------------------- mutants


def _bends(node: ast.Apply, *names: str) -> bool:
    return isinstance(node.fn, ast.Name) and node.fn.id in names and len(node.args) > 3


@mutant(RULE, weight=3)
def spline_of_itself(module: ast.Module, rng: Random) -> ast.Module | None:
    """A parameter of a spline or mixture becomes what it bends, or is multiplied with it."""

    def change(node: ast.Apply) -> ast.Apply | None:
        if not _bends(node, *BIJECTIONS):
            return None
        args, place = list(node.args), rng.choice((1, 2, 3, 3))
        bent_, old = args[0].value, args[place].value
        product = ast.Binary("*", old, bent_, node.span, node.span)
        args[place] = replace(args[place], value=bent_ if rng.random() < 0.6 else product)
        return replace(node, args=tuple(args))

    return change_one(module, rng, ast.Apply, change)


@mutant(RULE)
def other_bijection(module: ast.Module, rng: Random) -> ast.Module | None:
    """A mixture in the place of a spline, with the claims of the spline, or the reverse."""
    words = {name: info.parameters for name, info in BIJECTIONS.items()}
    others = {"rq_spline": "mix_logistic", "mix_logistic": "rq_spline"}

    def change(node: ast.Apply) -> ast.Apply | None:
        if not _bends(node, *BIJECTIONS) or not isinstance(node.fn, ast.Name):
            return None
        own, other = words[node.fn.id], words[others[node.fn.id]]
        names = dict(zip(own, other, strict=True))
        kept = [a for a in node.args if a.name is None or a.name.id in own]
        args = [a if a.name is None else replace(a, name=replace(a.name, id=names[a.name.id])) for a in kept]
        return replace(node, fn=replace(node.fn, id=others[node.fn.id]), args=tuple(args))

    return change_one(module, rng, ast.Apply, change)


@mutant(RULE)
def another_floor(module: ast.Module, rng: Random) -> ast.Module | None:
    """The floor of a spline, or the interval on which it bends, is another one."""

    def change(node: ast.Apply) -> ast.Apply | None:
        if not _bends(node, "rq_spline"):
            return None
        name, value = rng.choice((("floor", 0.3), ("floor", 0.49), ("floor", 1e-7), ("bound", 0.01), ("bound", 0)))
        arg = ast.Arg(ast.Name(name, node.span), "=", ast.Number(value, str(value), node.span), node.span)
        kept = [a for a in node.args if a.name is None or a.name.id != name]
        return replace(node, args=(*kept, arg))

    return change_one(module, rng, ast.Apply, change)
