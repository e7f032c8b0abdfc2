"""Whole layers: the shape they are on, their formals, order, claims; programs of one layer; mutants of claims."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from mintdsl.core.claim_words import CLAIMS as CLAIM_WORDS, KINDS_OF
from mintdsl.core.orders import COORDINATES, ORDERS
from mintdsl.records import replace
from mintdsl.syntax import ast

from .. import phrases
from ..draft import SHAPES, SPACES, Draft, Sketch, wrapped
from ..edit import change_one, put, sites
from ..registry import FLOOR, FREE, INJECTIVE, ONTO, STRICT, TRIANGULAR, WEAK, mutant, whole
from .values import positive_scale

CLAIMS = {f"claim:{c}" for c in CLAIM_WORDS}
FORMALS = {f"formal:{t}" for t in ("Nat", "Real", "Dir", "Order", "Act", "Init")}
ORDERED = {f"order:{o}" for o in (*ORDERS, "declared")}
BLOCK = "steep, and blocks that do not oppose it"
PLACES = {"shape:Image", "shape:Vec", "shape:Seq", "shape:Any"}


def order(sketch: Sketch, space: str) -> str:
    """The name of an order of this space, perhaps one that the program declares."""
    known = [o.name for o in ORDERS.values() if o.space == space]
    if sketch.chance(0.5) or space == "Seq":
        return sketch.rng.choice(known)
    name = sketch.fresh("o")
    rows = []
    for _ in range(sketch.rng.choice((1, 1, 2, 3))):
        coordinates = COORDINATES[space]
        terms = [(sketch.rng.choice((-3, -2, -1, -1, 0, 1, 1, 1, 2)), c) for c in coordinates]
        text = " ".join(f"{'-' if k < 0 else '+'} {f'{abs(k)} * ' if abs(k) > 1 else ''}{c}" for k, c in terms if k)
        rows.append(text.removeprefix("+ ").replace("- ", "-", 1) if text.startswith("- ") else text.removeprefix("+ "))
    rows = [r for r in rows if r] or [COORDINATES[space][0]]
    sketch.items.append(f"order {name} = ({', '.join(rows)})")
    return name


def place(sketch: Sketch, space: str, concrete: bool) -> tuple[str, tuple[str, ...]]:
    """The shape after `on`, and the sizes that it has as symbols."""
    if space == "Any":
        return "S", ()
    if concrete:
        dims = ", ".join(map(str, sketch.rng.choice(SHAPES[space])))
        if sketch.chance(0.2):
            name = sketch.fresh("Space")
            sketch.items.append(f"space {name} = {space}[{dims}]")
            return name, ()
        return f"{space}[{dims}]", ()
    symbols = {"Image": ("C", "H", "W"), "Vec": ("D",), "Seq": ("T", "D")}[space]
    return f"{space}[{', '.join(symbols)}]", symbols


@dataclass(frozen=True)
class Written:
    """A definition that was written: its name, its formals as they stand there, what it keeps."""

    name: str
    formals: tuple[str, ...]
    strength: str


def write_layer(
    sketch: Sketch,
    space: str,
    strength: str,
    *,
    concrete: bool,
    defaults: bool,
    direction: str | None = None,
    triangular: bool = False,
) -> Written:
    """Write a layer of this strength into the sketch; `triangular`: it surely reads other coordinates."""
    rng = sketch.rng
    on, sizes = place(sketch, space, concrete)
    formals: list[str] = []
    acts: list[str] = []
    if direction is None:
        direction = rng.choice(("lower", "upper", "tri"))
    if direction == "tri":
        formals.append("tri: Dir" + (f" = {rng.choice(('lower', 'upper'))}" if defaults or sketch.chance(0.5) else ""))
    if sketch.chance(0.25):
        formals.append(f"K: Nat = {rng.choice((1, 2, 3))}" if defaults or sketch.chance(0.8) else "K: Nat")
        sizes = (*sizes, "K")
    if sketch.chance(0.2):
        strict = rng.choice([a for a in phrases.acts(phrases.strictly) if not a.options])
        formals.append(f"h: Act = {strict.name}" if defaults or sketch.chance(0.8) else "h: Act")
        acts.append("h")
    if sketch.chance(0.15):
        formals.append(f"r: Real = {rng.choice(('0.1', '0.5', '2'))}" if defaults or sketch.chance(0.8) else "r: Real")
    if sketch.chance(0.15):
        formals.append("begin: Init = normal(std = 0.1)")
    chosen = ""
    if space in ("Image", "Vec", "Seq") and sketch.chance(0.6):
        chosen = order(sketch, space)
        if sketch.chance(0.25):
            formals.append(f"o: Order = {chosen}")
            chosen = "o"
    draft = Draft(sketch, space, direction, sizes, rng.choice((3, 6, 10, 16)), formals=formals, acts=acts)
    result = _block(draft) if strength == BLOCK else draft.make(strength)
    if triangular:
        result += f" + {draft.param('S', phrases.map_kind(draft, strict=True), ())}(tanh(x))"
    masked = any(m.startswith("param") and f" {direction}" in m for m in draft.members)
    claimed = direction if masked or sketch.chance(0.2) else "diagonal"
    claims = _claims(sketch, strength, claimed)
    if sketch.chance(0.1):
        number = sketch.fresh("M")
        sketch.items.append(f"const {number} = 0.5")
        draft.members = [m.replace("diag >= 0.5", f"diag >= {number}") for m in draft.members]
    _write(sketch, draft, on, claims, chosen, result, name := sketch.fresh("L"))
    return Written(name, tuple(formals), strength)


def _block(draft: Draft) -> str:
    own = draft.make(draft.pick((FLOOR, ONTO))) if draft.chance(0.3) else f"{positive_scale(draft, FLOOR)} * x"
    blocks = [draft.make(WEAK) for _ in range(draft.rng.choice((1, 1, 2)))]
    return " + ".join([own, *map(wrapped, blocks)])


def _claims(sketch: Sketch, strength: str, direction: str) -> list[str]:
    rng = sketch.rng
    if sketch.chance(0.1):
        return []
    claims = [direction] if sketch.chance(0.85) else []
    match strength:
        case _ if strength in (FLOOR, ONTO, BLOCK):
            options = ["diag > 0", "diag != 0", "invertible", "injective", "onto", "log_det exact", "inverse iterative"]
            if strength == FLOOR and sketch.chance(0.4):
                options += ["diag >= " + rng.choice(("0.01", "0.1", "0.25", "0.5", "1", "1e-12"))] * 2
            if sketch.chance(0.03):
                options = ["volume_preserving", "diag == 1"]
            claims += rng.sample(sorted(set(options)), min(len(set(options)), rng.choice((1, 2, 2, 3))))
        case _ if strength == FREE:
            claims += rng.sample(["diag != 0", "invertible", "injective"], rng.choice((1, 2)))
        case _ if strength == INJECTIVE:
            claims += rng.sample(["diag > 0", "injective", "diag != 0"], rng.choice((1, 2)))
        case _ if strength == STRICT:
            claims = [f"strict {direction}"]
        case _ if strength in (WEAK, TRIANGULAR):
            claims.append(rng.choice(("injective", "diag > 0", "invertible", direction)))
        case _:
            pass
    return claims


def _write(sketch: Sketch, draft: Draft, on: str, claims: list[str], order_name: str, result: str, name: str) -> None:
    indices: dict[str, list[str]] = {}
    for index, extent in draft.indices.items():
        indices.setdefault(extent, []).append(index)
    members = [f"order {order_name}"] if order_name else []
    members += [f"index {', '.join(names)} : {extent}" for extent, names in indices.items()]
    members += draft.members
    formals = f"({', '.join(draft.formals)})" if draft.formals else ""
    ensures = f" ensures {', '.join(claims)}" if claims else ""
    given = f" given c : {on}" if draft.given else ""
    lines = [f"layer {name}{formals} on {on}{given}{ensures} {{", *(f"  {m}" for m in members)]
    if draft.lets:
        lines += ["  map x {", *(f"    {item}" for item in draft.lets), f"    return {result}", "  }"]
    else:
        lines += [f"  map x -> {result}"]
    sketch.items.append("\n".join([*lines, "}"]))


@whole(CLAIMS | FORMALS | ORDERED | PLACES | {"rule:I-TRI"}, weight=6)
def one_layer(sketch: Sketch) -> None:
    """A program of one layer."""
    strength = sketch.rng.choice((FLOOR, FLOOR, FLOOR, ONTO, ONTO, ONTO, FREE, FREE, INJECTIVE))
    space = sketch.rng.choice(SPACES)
    write_layer(sketch, space, strength, concrete=sketch.chance(0.4), defaults=sketch.chance(0.8))


@whole({"rule:TIE", "rule:SUM", "rule:ADD", "rule:I-TRI"}, weight=3)
def block_layer(sketch: Sketch) -> None:
    """t * x and one or two blocks that do not oppose it, as in MintNet."""
    write_layer(sketch, sketch.rng.choice(("Image", "Vec")), BLOCK, concrete=sketch.chance(0.5), defaults=True)


@whole({"claim:diag", "claim:volume_preserving", "claim:diagonal"}, weight=0.7)
def unit_layer(sketch: Sketch) -> None:
    """A layer whose diagonal is 1 or -1: it keeps volume."""
    rng = sketch.rng
    space = rng.choice(("Image", "Vec"))
    on, sizes = place(sketch, space, sketch.chance(0.5))
    direction = rng.choice(("lower", "upper"))
    draft = Draft(sketch, space, direction, sizes, 6)
    sign = rng.choice(("", "", "-"))
    own = rng.choice(("x", f"{draft.param('t', 'scale', (), ' with diag == 1')} * x"))
    if sketch.chance(0.5):
        own = f"{draft.param('W', phrases.map_kind(draft), (), ' with diag == 1')}(x)"
    strict = (
        draft.make(STRICT) if sketch.chance(0.8) else f"{draft.param('S', phrases.map_kind(draft, strict=True))}(x)"
    )
    claims = ["volume_preserving", "invertible", *(["diag == 1", "diag >= 1"] if not sign else [])]
    chosen = order(sketch, space) if sketch.chance(0.5) else ""
    _write(sketch, draft, on, [direction, *claims], chosen, f"{sign}{own} + {strict}", sketch.fresh("L"))


@whole({"claim:lower", "claim:upper"}, weight=0.4)
def strict_layer(sketch: Sketch) -> None:
    """A layer that claims to be strict and nothing else: it is no bijection."""
    space = sketch.rng.choice(("Image", "Vec"))
    write_layer(sketch, space, STRICT, concrete=sketch.chance(0.5), defaults=True)


@whole({"claim:injective"}, weight=0.3)
def loose_layer(sketch: Sketch) -> None:
    """A layer that is triangular at most, and claims what it may not keep."""
    space = sketch.rng.choice(("Image", "Vec"))
    write_layer(sketch, space, sketch.rng.choice((TRIANGULAR, WEAK)), concrete=sketch.chance(0.5), defaults=True)


# ---------------------------------------------------------------- mutants


def claim_of(text: str, module: ast.Module) -> ast.Claim:
    name, _, rest = text.partition(" ")
    span = module.span
    if name in KINDS_OF:
        return ast.ClaimKind(ast.Name(name, span), ast.Name(rest, span), span)
    if not rest:
        return ast.ClaimClass(False, ast.Name(name, span), span)
    if name == "strict":
        return ast.ClaimClass(True, ast.Name(rest, span), span)
    cmp, number = rest.split()
    return ast.ClaimBound(ast.Name(name, span), cmp, ast.Number(float(number), number, span), span)


@mutant({"rule:I-TRI", *CLAIMS}, weight=5)
def claim_more(module: ast.Module, rng: Random) -> ast.Module | None:
    """One more claim."""
    text = rng.choice(
        ("invertible", "invertible", "volume_preserving", "diag > 0", "diag >= 0.5", "diag >= 1", "diag >= 0.01",
         "diag >= 2", "diag != 0", "diag == 1", "diagonal", "lower", "upper", "strict lower", "injective", "onto",
         "lip <= 1.0", "lip < 2.0", "lip <= 10.0", "log_det exact", "log_det none", "inverse closed_form",
         "inverse elementwise", "inverse iterative")
    )  # fmt: skip
    return change_one(module, rng, ast.Layer, lambda i: replace(i, claims=(*i.claims, claim_of(text, module))))


@mutant(CLAIMS, weight=2)
def other_claim(module: ast.Module, rng: Random) -> ast.Module | None:
    """A claim becomes a stronger one."""

    def stronger(found: ast.ClaimClass | ast.ClaimBound) -> object | None:
        if isinstance(found, ast.ClaimBound):
            number = rng.choice(("0.1", "0.5", "1.0", "2.0"))
            return replace(found, cmp=">=", value=ast.Number(float(number), number, found.span))
        word = {"lower": "upper", "upper": "lower", "injective": "invertible"}.get(found.name.id, "diagonal")
        return replace(found, name=replace(found.name, id=word))

    return change_one(module, rng, rng.choice((ast.ClaimClass, ast.ClaimBound)), stronger)


@mutant(ORDERED, weight=2)
def other_order(module: ast.Module, rng: Random) -> ast.Module | None:
    """A layer takes another order, or a declared order another coefficient."""

    def changed(found: ast.OrderDef) -> ast.OrderDef:
        keys = list(found.keys)
        if len(keys) > 1 and rng.random() < 0.5:
            keys = keys[::-1] if rng.random() < 0.5 else keys[1:]
        else:
            keys[0] = ast.Neg(keys[0], found.span)
        return replace(found, keys=tuple(keys))

    word = rng.choice(list(ORDERS))
    named = change_one(module, rng, ast.OrderUse, lambda o: replace(o, name=replace(o.name, id=word)))
    declared = change_one(module, rng, ast.OrderDef, changed)
    found = [m for m in (named, declared) if m is not None]
    return rng.choice(found) if found else None


@mutant(FORMALS)
def other_default(module: ast.Module, rng: Random) -> ast.Module | None:
    """Another default of a Real or Nat formal."""

    def other(found: ast.Formal) -> ast.Formal | None:
        if found.type.id == "Real":
            text = rng.choice(("0", "1", "3", "1e-6"))
            value: ast.Expr = ast.Number(float(text), text if "." in text or "e" in text else f"{text}.0", found.span)
            return replace(found, default=ast.Neg(value, found.span) if rng.random() < 0.3 else value)
        if found.type.id == "Nat":
            number = rng.choice((1, 2, 3))
            return replace(found, default=ast.Number(number, str(number), found.span))
        return None

    return change_one(module, rng, ast.Formal, other)


@mutant(PLACES)
def other_shape(module: ast.Module, rng: Random) -> ast.Module | None:
    """A layer of a known shape takes any shape of that kind."""
    symbols = {"Image": "CHW", "Vec": "D", "Seq": "TD"}

    def general(found: ast.Layer) -> ast.Layer | None:
        shape = found.shape
        if shape.name.id not in symbols or any(isinstance(d, ast.Name) for d in shape.dims):
            return None
        dims = tuple(ast.Name(s, shape.span) for s in symbols[shape.name.id])
        return replace(found, shape=replace(shape, dims=dims))

    return change_one(module, rng, ast.Layer, general)


@mutant({"claim:diag"})
def drop_let(module: ast.Module, rng: Random) -> ast.Module | None:
    """A use of a let becomes the variable."""
    names = {n.id for _, item in sites(module, ast.Let) for n in item.names}
    variables = [m.args[0].id for _, m in sites(module, ast.Map)]
    found = [path for path, n in sites(module, ast.Name) if n.id in names and ("names", 0) not in path]
    if not found or not variables:
        return None
    path = rng.choice(found)
    if path[-1][0] == "base":
        path = path[:-1]
    return put(module, path, ast.Name(variables[0], module.span))
