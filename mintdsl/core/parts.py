"""Splits and joins: how a layer's variable is cut into parts, and the parts put together again.

`channel`, `halves` and `strided` give parts of the plain smaller shape. The parts of a mask keep the whole layout.
"""

from __future__ import annotations

from math import gcd

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.order_items import functional
from mintdsl.core.orders import COORDINATES
from mintdsl.core.scope import unknown
from mintdsl.core.steps import MASKS
from mintdsl.core.values import Values, not_yet, too_many
from mintdsl.diagnostics.model import Fix, Label
from mintdsl.records import parts, replace
from mintdsl.syntax import ast

REGISTERED = {"checkerboard": ((0, 1, 1, 0), 2), "cyclic": ((1, 1, 1, 0), 0)}
"""Coefficients of (c, h, w) and a constant, and the number of parts; 0: as many as are asked for."""


def is_split(item: ast.Let) -> bool:
    """Whether a let is `let (a, b) = split(...)`."""
    value = item.value
    return isinstance(value, ast.Apply) and isinstance(value.fn, ast.Name) and value.fn.id == "split"


def find_split(item: ast.Let, variable: str, shape: ir.Shape, values: Values) -> ir.Split | None:
    """The split of `let (a, b) = split(x, HOW, parts = n, start = k)`."""
    call = item.value
    assert isinstance(call, ast.Apply)
    bag = values.bag
    plain = [a for a in call.args if a.name is None]
    named = {a.name.id: a for a in call.args if a.name is not None}
    extra = [*plain[2:], *(a for name, a in named.items() if name not in ("parts", "start"))]
    for arg in (*extra, *(a for a in call.args if a.cmp not in (None, "="))):
        bag.error("E0209", arg.span, "`split` takes what is split, how, `parts = n` and `start = k`", "none of these")
        return None
    if len(plain) < 2 or not isinstance(plain[1].value, ast.Name):
        bag.error("E0210", call.span, "`split` needs what is split and how", f"write `split({variable}, {MASKS[0]})`")
        return None
    what, how = plain[0].value, plain[1].value
    if not isinstance(what, ast.Name) or what.id != variable:
        not_yet(bag, what.span, f"a split of anything but the variable `{variable}`")
    count = 2
    if "parts" in named:
        whole = values.whole(named["parts"].value)
        if whole is None:
            return None
        count = whole
    start = values.nat(named["start"].value) if "start" in named else Nat.of(0)
    if start is None or too_many(len(item.names), limits.PARTS, item.span, bag):
        return None
    if shape.kind == "Any":
        bag.error(
            "E0304",
            call.span,
            f"`split` needs to know what `{shape}` is",
            "any shape",
            fixes=(Fix("give the layer the shape it is on: `on Image[C, H, W]`"),),
        )
        return None
    cut = _cut(how, named.get("parts"), count, shape, values)
    if cut is None:
        return None
    shapes, rule = cut
    if len(shapes) != len(item.names) or len(shapes) < 2:
        title = f"{len(shapes)} parts, {len(item.names)} names"
        if len(shapes) < 2:
            title = "a split has at least 2 parts"
        bag.error(
            "E0209",
            item.span,
            title,
            "one name for each part",
            notes=("`split` gives 2 parts unless `parts` says more",),
        )
        return None
    return ir.Split(how.id, tuple(n.id for n in item.names), shapes, start, rule, item.span)


Cut = tuple[tuple[ir.Shape, ...], tuple[int, ...] | None]


def _cut(how: ast.Name, given: ast.Arg | None, count: int, shape: ir.Shape, values: Values) -> Cut | None:
    """The shapes of the parts, and the functional of a mask."""
    entry = values.names.scope.entries.get(how.id)
    if entry is not None and isinstance(entry.item, ast.Mask):
        found = functional(entry.item.value, COORDINATES[shape.kind])
        modulus = values.whole(entry.item.modulus)
        if modulus is not None and modulus < 2:
            return None  # reported where the mask is declared
        if found is None or modulus is None:
            coordinates = " ".join(COORDINATES[shape.kind])
            values.bag.error(
                "E0211",
                how.span,
                f"`{how.id}` is no mask of {shape}",
                "not an integer combination of its coordinates",
                also=(Label(entry.item.span, "declared here"),),
                notes=(f"the coordinates of {shape.kind} are {coordinates}",),
            )
            return None
        return _masked(how, found, modulus, given, count, shape, values)
    if how.id not in MASKS:
        if not values.names.silent(how.id):
            masks = [n for n, e in values.names.scope.entries.items() if isinstance(e.item, ast.Mask)]
            unknown(how, (*MASKS, *masks), values.bag, "the ways to split", what="mask")
        return None
    if how.id in REGISTERED:
        rule, modulus = REGISTERED[how.id]
        if shape.kind != "Image":
            values.bag.error("E0304", how.span, f"`{how.id}` is a mask of images, this is `{shape}`", "not an image")
            return None
        return _masked(how, rule, modulus or count, given, count, shape, values)
    if how.id == "halves" and (shape.kind != "Vec" or count != 2):
        what = f"`{shape}`" if shape.kind != "Vec" else f"{count} parts"
        values.bag.error(
            "E0304", how.span, f"`halves` cuts a Vec into 2 blocks, this is {what}", "not halves",
            fixes=(Fix("cut blocks of channels: `channel`", text="channel"),),
        )  # fmt: skip
        return None
    axis = 0 if shape.kind == "Image" else len(shape.dims) - 1
    if count < 2:
        return (), None
    if too_many(count, limits.PARTS, how.span, values.bag):
        return None
    dims = [d.over(count) if k == axis else d for k, d in enumerate(shape.dims)]
    return (ir.Shape(shape.kind, tuple(dims)),) * count, None


def check_mask(item: ast.Mask, values: Values) -> None:
    """Report a mask that is one of no kind of shape, whether it is used or not."""
    modulus = values.whole(item.modulus)
    if modulus is not None and modulus < 2:
        values.bag.error("E0209", item.modulus.span, f"a mask has at least 2 parts, `mod {modulus}` gives 1", "too few")
    elif all(functional(item.value, coordinates) is None for coordinates in COORDINATES.values()):
        values.bag.error(
            "E0211",
            item.value.span,
            "a mask is an integer combination of coordinates, mod a number",
            "coordinates: c h w on Image, i on Vec, t d on Seq",
        )


def _masked(
    how: ast.Name,
    rule: tuple[int, ...],
    modulus: int,
    given: ast.Arg | None,
    count: int,
    shape: ir.Shape,
    values: Values,
) -> Cut | None:
    if given is not None and modulus != count:
        values.bag.error("E0209", given.span, f"`{how.id}` has {modulus} parts", f"not {count}")
        return None
    if too_many(modulus, limits.PARTS, how.span, values.bag):
        return None
    step = gcd(modulus, *rule[:-1])
    if step > 1:
        values.bag.error(
            "E0209",
            how.span,
            f"`{how.id}` leaves parts without places: its values differ by multiples of {step}, mod {modulus}",
            "some parts are always empty",
        )
        return None
    return tuple(replace(shape, part=k) for k in range(modulus)), rule


def positions(item: ast.Layer) -> frozenset[str]:
    """The formals that only say which part comes first (`start = k`): these may be 0."""
    found, elsewhere = set[str](), set[str]()
    for let in (*(m for m in item.members if isinstance(m, ast.Let)), *item.body.lets):
        if is_split(let):
            assert isinstance(let.value, ast.Apply)
            found |= {
                a.value.id
                for a in let.value.args
                if a.name is not None and a.name.id == "start" and isinstance(a.value, ast.Name)
            }
    waiting: list[object] = [item.shape, item.given, item.claims, item.members, item.body]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Arg(name=ast.Name(id="start")):
                pass
            case ast.Name():
                elsewhere.add(node.id)
            case tuple():
                waiting.extend(node)
            case _:
                waiting.extend(parts(node) or ())
    return frozenset(found - elsewhere)
