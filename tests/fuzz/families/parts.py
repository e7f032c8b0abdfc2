"""Layers that split their variable: every way to split, parts that read others in some order; rules JOIN and PICK."""

from __future__ import annotations

from random import Random

from mintdsl.core.steps import MASKS
from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Sketch
from ..edit import at, change_one, put, sites
from ..registry import mutant, whole
from .splines import spline

SHAPES = {
    "Image": ((2, 2, 2), (4, 1, 2), (4, 2, 1), (2, 3, 1), (6, 1, 1), (3, 2, 2)),
    "Vec": ((4,), (6,), (2,), (8,)),
    "Seq": ((2, 2), (1, 4), (3, 2)),
}
PARTS = {"rule:JOIN", "rule:PICK", "rule:ACT-P", *(f"mask:{m}" for m in (*MASKS, "declared"))}
UNARY = ("tanh", "sin", "softplus", "sigmoid", "relu", "gelu", "exp")
POSITIVE = ("exp(tanh({}))", "sigmoid({} + 2)", "exp(sin({}))", "(1 + softplus({}))", "(0.5 + sigmoid({}))")


@whole(PARTS, weight=2.5)
def coupled(sketch: Sketch) -> None:
    """A layer in parts, alone or in a flow."""
    rng = sketch.rng
    space = rng.choice(("Image", "Image", "Vec", "Vec", "Seq"))
    dims = rng.choice(SHAPES[space])
    how, count, masked = _way(sketch, space, dims)
    names = ["a", "b", "c", "d", "e", "f"][:count]
    axis = 0 if space == "Image" else len(dims) - 1
    part = list(dims) if masked else [d // count if k == axis else d for k, d in enumerate(dims)]
    shape = f"{space}[{', '.join(map(str, part))}]"
    members: list[str] = []
    order = rng.sample(names, count)
    formulas = {}
    for place, name in enumerate(order):
        known = order[:place]
        text = name
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            text = _link(sketch, text, known, name, members, shape, space, masked)
        formulas[name] = text
    start = rng.choice(("", "", ", start = 1", ", start = s"))
    formals = f"(s: Nat = {rng.choice((0, 1, 2))})" if start.endswith("= s") else ""
    parts = f", parts = {count}" if count != 2 or sketch.chance(0.2) else ""
    claims = rng.choice(
        (["invertible"], ["injective", "diag != 0"], ["invertible", "log_det exact", "inverse closed_form"])
    )
    if order == names and sketch.chance(0.5):
        claims = [*claims, "lower"]
    if order == names[::-1] and sketch.chance(0.5):
        claims = [*claims, "upper"]
    lines = [f"let ({', '.join(names)}) = split(x, {how}{parts}{start})"]
    lines.append(f"return join({', '.join(formulas[n] for n in names)})")
    body = "\n    ".join(lines)
    on = f"{space}[{', '.join(map(str, dims))}]"
    layer = sketch.fresh("P")
    declared = "".join(f"  {m}\n" for m in members)
    sketch.items.append(
        f"layer {layer}{formals} on {on} ensures {', '.join(claims)} {{\n{declared}  map x {{\n    {body}\n  }}\n}}"
    )
    if sketch.chance(0.5):
        again = f" {layer}(s = 3)" if formals else f" {layer}"
        sketch.items.append(f"flow {sketch.fresh('F')} on {on} ensures injective {{ {layer}{again} }}")


def _way(sketch: Sketch, space: str, dims: tuple[int, ...]) -> tuple[str, int, bool]:
    """How to split, into how many parts, and whether these keep the whole layout."""
    rng = sketch.rng
    size = dims[0] if space == "Image" else dims[-1]
    counts = [n for n in (2, 2, 3, 4) if size % n == 0]
    ways = ["channel", "strided"] if counts else []
    ways += ["halves"] if space == "Vec" else []
    ways += ["checkerboard", "cyclic"] if space == "Image" else []
    ways += ["declared"]
    how = rng.choice(ways)
    match how:
        case "checkerboard":
            return how, 2, True
        case "cyclic":
            return how, rng.choice((2, 3)), True
        case "declared":
            name, count = sketch.fresh("m"), rng.choice((2, 3))
            terms = {"Image": ("c", "h", "w"), "Vec": ("i",), "Seq": ("t", "d")}[space]
            text = " + ".join(f"{rng.choice((1, 1, 2, 3))} * {t}" for t in terms)
            sketch.items.append(f"mask {name} = {text}{rng.choice(('', ' + 1'))} mod {count}")
            return name, count, True
        case "halves":
            return how, 2, False
        case _:
            return how, rng.choice(counts), False


def _link(
    sketch: Sketch, text: str, known: list[str], own: str, members: list[str], shape: str, space: str, masked: bool
) -> str:
    """One more link around what becomes of the part `own`, from the parts in `known`."""
    rng = sketch.rng
    if sketch.chance(0.1):
        return f"(-{text})"
    if not masked and sketch.chance(0.08):
        name, axes = sketch.fresh("P"), ("channel", "all", "time") if space == "Seq" else ("channel", "all")
        members.append(f"param {name} : perm (axis = {rng.choice(axes)}, seed = {rng.randrange(9)}) on {shape}")
        return f"{name}({text})"
    if sketch.chance(0.15):
        return spline(sketch, text, known, members, shape, masked=masked)
    if known and sketch.chance(0.75):
        source = rng.choice(known)
        inner = f"spread({source})" if masked else source
        if len(known) > 1 and not masked and sketch.chance(0.3):
            inner = f"({source} {rng.choice('+*-')} {rng.choice(known)})"
        if sketch.chance(0.2):
            name, net = sketch.fresh("n"), sketch.fresh("E")
            sketch.items.append(f"extern net {net} from S to S")
            members.append(f"param {name} : net {net} on {shape}")
            inner = f"{name}({inner})"
        elif space != "Seq" and sketch.chance(0.5):
            name = sketch.fresh("V")
            members.append(f"param {name} : {'conv 3x3' if space == 'Image' else 'linear'} on {shape}")
            inner = f"{name}({inner})"
        shift = f"{rng.choice(UNARY)}({inner})" if sketch.chance(0.5) else inner
        scale = rng.choice(POSITIVE).format(inner)
        if masked:
            shift, scale = f"pick({shift}, {own})", f"pick({scale}, {own})"
    else:
        shift, scale = rng.choice(("0.5", "2", "-1")), rng.choice(("2", "0.25", "-3"))
        if not masked and sketch.chance(0.5):
            name = sketch.fresh("t")
            how = rng.choice((" with diag > 0", " with diag != 0", " with diag >= 0.5 via abs"))
            members.append(f"param {name} : scale{how} on {shape}".replace(f"{how} on {shape}", f" on {shape}{how}"))
            scale = name
    if sketch.chance(sketch.risk):
        scale = shift  # a factor that may be 0
    return rng.choice(
        (
            f"({text} + {shift})",
            f"({text} - {shift})",
            f"({shift} - {text})",
            f"({text} * {scale})",
            f"({text} / {scale})",
        )
    )


# ---------------------------------------------------------------- mutants


def _join(node: ast.Apply) -> bool:
    return isinstance(node.fn, ast.Name) and node.fn.id == "join" and len(node.args) > 1


@mutant({"rule:JOIN"}, weight=2)
def parts_exchanged(module: ast.Module, rng: Random) -> ast.Module | None:
    """Two arguments of a join change places."""

    def change(join: ast.Apply) -> ast.Apply | None:
        if not _join(join):
            return None
        args = list(join.args)
        i, k = rng.sample(range(len(args)), 2)
        args[i], args[k] = args[k], args[i]
        return replace(join, args=tuple(args))

    return change_one(module, rng, ast.Apply, change)


@mutant({"rule:JOIN", "rule:PICK"}, weight=3)
def another_part_read(module: ast.Module, rng: Random) -> ast.Module | None:
    """A name of a part in a join becomes that of another, which may close a circle or lose a part."""
    names = sorted({n.id for _, let in sites(module, ast.Let) if len(let.names) > 1 for n in let.names})
    joins = [path for path, node in sites(module, ast.Apply) if _join(node)]
    inside = [(*path, *rest) for path in joins for rest, name in sites(at(module, path), ast.Name) if name.id in names]
    if not inside or len(names) < 2:
        return None
    path = rng.choice(inside)
    old = at(module, path)
    assert isinstance(old, ast.Name)
    return put(module, path, replace(old, id=rng.choice([n for n in names if n != old.id])))
