"""Splines and mixtures whose numbers come from parameters or from other parts; rule ACT-P."""

from __future__ import annotations

from random import Random

from mintdsl.core.bijections import BIJECTIONS
from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Draft, Sketch
from ..edit import change_one
from ..registry import FLOOR, ONTO, mutant, production, whole

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


@whole(RULE | {"rule:NET"}, weight=1.5)
def autoregressive_bends(sketch: Sketch) -> None:
    """A layer that bends what becomes of its variable, the numbers made of earlier elements by a masked net."""
    rng = sketch.rng
    kind, way = rng.choice(("rq_spline", "mix_logistic")), rng.choice(("lower", "upper"))
    count = rng.choice((2, 3) if kind == "rq_spline" else (1, 2))
    size, net, layer = rng.choice((1, 2, 3, 4)), sketch.fresh("B"), sketch.fresh("A")
    width = max(size - 1, 1) + rng.choice((0, 2))
    members = [f"  space Hid = Vec[{width}]", f"  param V : linear {way} from Vec[D] to Hid"]
    sizes, results, made = [count - less for less in BIJECTIONS[kind].fewer], [], []
    for k, per in enumerate(sizes):
        strict = "" if sketch.chance(sketch.risk / 2) else "strict "
        own = "" if sketch.chance(sketch.risk / 2) and per > 1 else " (degrees = own)"
        members.append(f"  space S{k} = Vec[{per} * D]{own}")
        members.append(f"  param R{k} : linear {strict}{way} from Hid to S{k}")
        term = f"R{k}({rng.choice(('u', 'tanh(u)', 'u * u'))})"
        if sketch.chance(0.4):
            members.append(f"  param T{k} : linear {way} on S{k}")
            term = f"T{k}(tanh({term}))"
        if sketch.chance(0.4):
            members.append(f"  param b{k} : bias (per = element) on S{k} init normal(std = 0.5)")
            term = f"{term} + b{k}"
        results.append(f"S{k}")
        made.append(term)
    sketch.items.append(
        f"net {net} from Vec[D] to ({', '.join(results)}) {{\n" + "\n".join(members) + "\n  map x {\n"
        f"    let u = {rng.choice(('tanh', 'sin', 'gelu'))}(V(x))\n    return ({', '.join(made)})\n  }}\n}}"
    )
    inner, own_member = rng.choice((("x", ""), ("x + w0", "  param w0 : bias\n"), ("1.5 * x - 0.3", "")))
    if sketch.chance(0.4):
        turned = {"lower": "upper", "upper": "lower"}[way] if sketch.chance(sketch.risk / 2) else way
        inner, own_member = "W(x)", f"  param W : linear {turned} with diag > 0\n"
    names = ("l", "m", "s")
    text = _called(kind, inner, list(names), rng.choice(OPTIONS))
    text = rng.choice((text, text, f"-{text}", f"{text} - 0.4"))
    places = ", ".join(f"Vec[{per} * D]" for per in sizes)
    sketch.items.append(
        f"layer {layer} on Vec[D] ensures {way}, invertible {{\n{own_member}"
        f"  param n : net {net} from Vec[D] to ({places})\n  map x {{\n"
        f"    let ({', '.join(names)}) = n(x)\n    return {text}\n  }}\n}}"
    )
    again = rng.choice(("", " reverse", f" reverse {layer}"))
    sketch.items.append(f"flow {sketch.fresh('F')} on Vec[{size}] ensures injective {{ {layer}{again} }}")


# ---------------------------------------------------------------- mutants


@mutant(RULE, weight=2)
def numbers_of_later_elements(module: ast.Module, rng: Random) -> ast.Module | None:
    """A mask of a net that makes numbers of earlier elements is no longer strict, or goes the other way."""

    def change(kind: ast.KindMap) -> ast.KindMap | None:
        if kind.direction is None or kind.name.id != "linear":
            return None
        if kind.strict and rng.random() < 0.5:
            return replace(kind, strict=False)
        other = {"lower": "upper", "upper": "lower"}.get(kind.direction.id)
        return other and replace(kind, direction=replace(kind.direction, id=other))

    def inside(net: ast.Net) -> ast.Net | None:
        spaces = any(isinstance(member, ast.Space) and member.options for member in net.members)
        return change_one(net, rng, ast.KindMap, change) if spaces else None

    return change_one(module, rng, ast.Net, inside)


@mutant(RULE, weight=2)
def other_positions(module: ast.Module, rng: Random) -> ast.Module | None:
    """A space of a net loses the positions of its elements: they are hidden units then."""

    def change(space: ast.Space) -> ast.Space | None:
        return replace(space, options=()) if space.options else None

    return change_one(module, rng, ast.Space, change)


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
