"""Layers that apply other layers: as links of compositions and of parts, in one order or in several; rule APPLY."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Sketch
from ..edit import at, change_one, put, sites
from ..registry import mutant, whole
from .chains import _chain
from .parts import _link, _way

SPACES = {"Image": "Image[C, H, W]", "Vec": "Vec[D]"}
SHAPES = {"Image": ((2, 2, 2), (4, 1, 2), (2, 3, 1), (3, 2, 2)), "Vec": ((4,), (6,), (2,), (8,))}
CONTEXT = "given ctx : Vec[M]"
COVERS = {"rule:APPLY", "rule:JOIN", "rule:CHAIN"}


@dataclass(frozen=True)
class Inner:
    """A layer to be applied: how it is called, and what stays of a direction; "" where nothing does."""

    call: str
    direction: str = ""


def _inner(sketch: Sketch, space: str, order: str, direction: str) -> Inner:
    """A new layer on a space; a triangular one in `order` and `direction`, where that is wanted."""
    rng, on = sketch.rng, SPACES[space]
    name = sketch.fresh("I")
    kinds = ["own", "own", "tri", "tri", "tri", "chain", "signed", "data", *(["context"] if space == "Vec" else [])]
    kinds += ["box"] * sketch.chance(sketch.risk)
    match rng.choice(kinds):
        case "tri":
            kind = rng.choice(("conv 3x3", "conv 1x1", "conv 3x1")) if space == "Image" else "linear"
            how = rng.choice(("diag > 0", "diag >= 0.5", "diag > 0 via exp"))
            rest = rng.choice(("W(x) + tanh(x)", "W(x + c)", "W(elu(x)) + x", "W(x) + softplus(x) - c"))
            bias = "  param c : bias\n" if "c" in rest else ""
            named = "" if order == "" else f"  order {order}\n"
            sketch.items.append(
                f"layer {name}(tri: Dir) on {on} ensures tri, diag > 0, invertible {{\n{named}"
                f"  param W : {kind} tri with {how}\n{bias}  map x -> {rest}\n}}"
            )
            given = direction or rng.choice(("lower", "upper"))
            return Inner(f"{name}({rng.choice(('', 'tri = '))}{given})", given)
        case "chain":
            return Inner(_chain(sketch, space))
        case "context":
            body = rng.choice(("x * exp(n(x, ctx))", "x + n(x, ctx)", "(x - n(x, ctx)) * exp(-n(x, ctx))"))
            sketch.items.append(
                f"net {name}Net from Vec[D], Vec[M] to Vec[D] {{\n"
                f"  param V : linear strict lower from Vec[D] to Vec[D]\n"
                f"  param U : linear from Vec[M] to Vec[D]\n  map x, ctx -> tanh(V(x) + U(ctx))\n}}\n"
                f"layer {name} on {on} {CONTEXT} ensures lower, diag > 0, invertible {{\n"
                f"  param n : net {name}Net from {on}, Vec[M] to {on}\n  map x -> {body}\n}}"
            )
            return Inner(name, "lower" if order == "" else "")
        case "data":
            body = rng.choice(("s * (x + b)", "x * s + b", "(x - b) / s"))
            sketch.items.append(
                f"layer {name} on {rng.choice((on, 'S'))} ensures diag > 0, invertible {{\n"
                "  param s : scale with diag > 0 init from_data\n  param b : bias init from_data\n"
                f"  map x -> {body}\n}}"
            )
            return Inner(name, "any")
        case "signed":
            via = rng.choice(("", " via signed_exp", " via raw"))
            sketch.items.append(
                f"layer {name} on {rng.choice((on, 'S'))} ensures diag != 0, invertible {{\n"
                f"  param s : scale with diag != 0{via}\n  map x -> s * x + 1\n}}"
            )
            return Inner(name)
        case "box":
            sketch.items.append(f"layer {name} on {on} ensures injective {{\n  map x -> sigmoid(x)\n}}")
            return Inner(f"{name}()", "any")
        case _:
            body = rng.choice(("s * x + tanh(x)", "s * (x + 1)", "leaky_relu(s * x, 0.5)", "x / s + elu(x)", "s * x"))
            sketch.items.append(
                f"layer {name} on {rng.choice((on, 'S'))} ensures diag > 0, invertible {{\n"
                f"  param s : scale{rng.choice(('', ' (per = channel)'))} with diag > 0\n  map x -> {body}\n}}"
            )
            return Inner(rng.choice((name, f"{name}()")), "any")


@whole(COVERS, weight=0.7)
def applied_in_a_formula(sketch: Sketch) -> None:
    """A layer that is a chain of links and applications; where all keep a direction it is claimed."""
    rng = sketch.rng
    space = rng.choice(("Image", "Vec"))
    order = rng.choice(("", "channel_major", "corner")) if space == "Image" else ""
    direction = rng.choice(("lower", "upper", ""))
    kept, signed, text = True, False, "x"
    members, lets = [], []
    for _ in range(rng.choice((1, 2, 2, 3))):
        inner = _inner(sketch, space, order, direction)
        kept = kept and inner.direction in ("any", direction)
        text = f"{inner.call}({text})"
        match rng.choice(("plus", "times", "minus", "let", "none")):
            case "plus":
                members.append(f"param {sketch.fresh('b')} : bias")
                text = f"({text} - {members[-1].split()[1]})"
            case "times":
                members.append(f"param {sketch.fresh('t')} : scale with diag > 0")
                text = f"{members[-1].split()[1]} * {text}"
            case "minus":
                text, signed = f"({rng.choice(('1 - ', '-'))}{text})", not signed
            case "let":
                lets.append(f"let {sketch.fresh('u')} = {text}")
                text = lets[-1].split()[1]
            case _:
                pass
    boxed = any("sigmoid" in item for item in sketch.items)
    claims = ["injective"] if boxed else ["invertible"]
    if kept and direction:
        claims += [direction, *(["diag > 0"] if not signed else [])]
    _write(sketch, SPACES[space], order, claims, members, [*lets, f"return {text}"])


@whole(COVERS, weight=0.7)
def applied_in_parts(sketch: Sketch) -> None:
    """A layer in parts, each a chain of links and of applications in any order."""
    rng = sketch.rng
    space = rng.choice(("Image", "Vec"))
    masked = True
    while masked:
        dims = rng.choice(SHAPES[space])
        if not any(dims[0] % n == 0 for n in (2, 3, 4)):
            continue
        how, count, masked = _way(sketch, space, dims)
    names = ["a", "b", "c", "d"][:count]
    part = f"{space}[{', '.join(map(str, (dims[0] // count, *dims[1:])))}]"
    order = rng.sample(names, count)
    members: list[str] = []
    formulas = {}
    for place, name in enumerate(order):
        text = name
        for _ in range(rng.choice((0, 1, 2, 3))):
            if sketch.chance(0.5):
                text = f"{_inner(sketch, space, '', '').call}({text})"
            else:
                text = _link(sketch, text, order[:place], name, members, part, space, False)
        formulas[name] = text
    boxed = any("sigmoid(x)" in item for item in sketch.items)
    lines = [f"let ({', '.join(names)}) = split(x, {how}, parts = {count})"]
    lines.append(f"return join({', '.join(formulas[n] for n in names)})")
    _write(
        sketch, f"{space}[{', '.join(map(str, dims))}]", "", ["injective" if boxed else "invertible"], members, lines
    )


def _write(sketch: Sketch, on: str, order: str, claims: list[str], members: list[str], lines: list[str]) -> None:
    """The layer, and now and then one that applies it again."""
    name, body = sketch.fresh("A"), "\n    ".join(lines)
    if any(CONTEXT in item for item in sketch.items):
        on = f"{on} {CONTEXT}"
    declared = "".join(f"  {m}\n" for m in [*([f"order {order}"] if order else []), *members])
    sketch.items.append(
        f"layer {name} on {on} ensures {', '.join(claims)} {{\n{declared}  map x {{\n    {body}\n  }}\n}}"
    )
    if sketch.chance(0.25):
        sketch.items.append(f"layer {sketch.fresh('A')} on {on} ensures {claims[0]} {{\n  map x -> 2 * {name}(x)\n}}")


# ---------------------------------------------------------------- mutants


def _applies(node: ast.Apply) -> bool:
    """Whether a node applies one of the layers of this family."""
    name = node.fn.fn if isinstance(node.fn, ast.Apply) else node.fn
    return (
        isinstance(name, ast.Name)
        and name.id[:1] in ("I", "A", "L")
        and len(node.args) == 1
        and node.args[0].name is None
    )


@mutant({"rule:APPLY"}, weight=3)
def added_to_its_argument(module: ast.Module, rng: Random) -> ast.Module | None:
    """`I(e)` becomes `e + I(e)` or `e - I(e)`."""

    def beside(found: ast.Apply) -> ast.Binary | None:
        if not _applies(found):
            return None
        return ast.Binary(rng.choice("+-*"), found.args[0].value, found, found.span, found.span)

    return change_one(module, rng, ast.Apply, beside)


@mutant({"rule:APPLY"}, weight=2)
def applied_the_other_way(module: ast.Module, rng: Random) -> ast.Module | None:
    """One application gets the other direction, or a layer another order."""

    def turned(found: ast.Arg) -> ast.Arg | None:
        if not isinstance(found.value, ast.Name) or found.value.id not in ("lower", "upper"):
            return None
        other = {"lower": "upper", "upper": "lower"}[found.value.id]
        return replace(found, value=replace(found.value, id=other))

    def ordered(found: ast.OrderUse) -> ast.OrderUse:
        return replace(found, name=replace(found.name, id=rng.choice(("raster", "channel_major", "corner"))))

    if rng.random() < 0.5:
        return change_one(module, rng, ast.OrderUse, ordered)
    return change_one(module, rng, ast.Arg, turned)


@mutant({"rule:APPLY", "rule:JOIN"}, weight=2)
def applied_to_another_name(module: ast.Module, rng: Random) -> ast.Module | None:
    """A name below an application becomes that of another part, let or parameter."""
    places = [path for path, node in sites(module, ast.Apply) if _applies(node)]
    inside = [
        (*path, *rest) for path in places for rest, name in sites(at(module, path), ast.Name) if name.id.islower()
    ]
    names = sorted({n.id for _, let in sites(module, ast.Let) for n in let.names} | {"x"})
    if not inside or len(names) < 2:
        return None
    path = rng.choice(inside)
    old = at(module, path)
    assert isinstance(old, ast.Name)
    return put(module, path, replace(old, id=rng.choice([n for n in names if n != old.id])))


@mutant({"rule:APPLY"}, weight=2)
def inner_layer_unproved(module: ast.Module, rng: Random) -> ast.Module | None:
    """A layer keeps neither its constraints nor its claims."""

    def weaker(found: ast.Layer) -> ast.Layer | None:
        if found.name.id[:1] != "I":
            return None
        free = tuple(replace(m, constraints=()) if isinstance(m, ast.Param) else m for m in found.members)
        return replace(found, members=free, claims=())

    return change_one(module, rng, ast.Layer, weaker)
