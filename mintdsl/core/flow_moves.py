"""The steps that only move entries: squeeze, unsqueeze, permute, reverse, transpose, flatten, patches (rule PERM).

Each gives the step and the shape that it leaves, or reports why it cannot stand there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt, prod

from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.option_values import bind_options
from mintdsl.core.options import OptionValue
from mintdsl.core.steps import AXES, STEPS
from mintdsl.core.values import Values
from mintdsl.diagnostics.model import Bag, Fix, Label
from mintdsl.source import Span
from mintdsl.syntax import ast

Made = tuple[ir.Op, ir.Shape]

DIVIDES = {"squeeze": "height and width", "patches": "height and width", "unsqueeze": "channels"}


def move(op: ast.Simple, step: ast.Step, shape: ir.Shape, flow: ast.Flow, values: Values) -> Made | None:
    """A step that only moves entries. TooLarge where a size passes the limits."""
    options = bind_options(op.args, STEPS[op.word].options, f"`{op.word}`", step.span, values)
    number = values.whole(op.value) if op.value is not None else 1
    if options is None or number is None:
        return None
    made = _Move(op, step.span, shape, flow, values.bag)
    match op.word:
        case "squeeze" | "unsqueeze":
            return made.squeeze(number, str(options["layout"]))
        case "patches":
            return made.patches(number)
        case "transpose":
            return made.transpose(str(options["first"]), str(options["second"]))
        case "flatten":
            return (ir.Flatten(), ir.Shape("Vec", (entries(shape),))) if made.on("Image", "Seq") else None
        case _:
            return made.along(options)


def entries(shape: ir.Shape) -> Nat:
    """How many entries a shape has. TooLarge where that passes the limits of sizes."""
    return prod(shape.dims, start=Nat.of(1))


@dataclass(frozen=True, slots=True)
class _Move:
    """A step that moves entries of `shape`, and where it stands."""

    op: ast.Simple
    span: Span
    shape: ir.Shape
    flow: ast.Flow
    bag: Bag

    def on(self, *kinds: str) -> bool:
        """Whether the shape is of one of these kinds; reported if not."""
        if self.shape.kind not in kinds:
            known = " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))
            label = "not an image" if kinds == ("Image",) else "another kind of shape"
            self.bag.error("E0304", self.span, f"`{self.op.word}` acts on {known}, not on `{self.shape}`", label)
        return self.shape.kind in kinds

    def along(self, options: dict[str, OptionValue]) -> Made | None:
        """`permute` and `reverse`, which keep the shape."""
        axis, shape = str(options["axis"]), self.shape
        if not self.on("Image", "Vec", "Seq"):
            return None
        if axis == "time" and shape.kind != "Seq":
            said = (arg.value for arg in self.op.args)
            self.bag.error(
                "E0304",
                next(value.span for value in said if isinstance(value, ast.Name) and value.id == axis),
                f"`{self.op.word}` along `time` on `{shape}`: only a Seq has this axis",
                f"the axis of {'an' if shape.kind == 'Image' else 'a'} {shape.kind} is `channel`",
                notes=("`channel` is c of an Image, i of a Vec, d of a Seq; `all` stands for every entry",),
                fixes=(Fix("write `axis = channel`, or `axis = all`"),),
            )
            return None
        if axis == "all":
            entries(shape)  # it has to be a size
        seed = options.get("seed")
        return (ir.Permute(axis, seed) if isinstance(seed, int) else ir.Reverse(axis)), shape

    def transpose(self, first: str, second: str) -> Made | None:
        """Two axes exchanged; what was said of an order before does not hold of the new axes."""
        if not self.on(*AXES):
            return None
        words = AXES[self.shape.kind]
        strange = next((word for word in (first, second) if word not in words), None)
        if strange is not None or first == second:
            what = "twice the same axis" if strange is None else f"`{self.shape}` has no axis `{strange}`"
            fix = Fix(f"name two of {', '.join(f'`{word}`' for word in words)}")
            self.bag.error("E0304", self.span, f"`transpose` exchanges two axes: {what}", "two axes", fixes=(fix,))
            return None
        one, other = words.index(first), words.index(second)
        sizes = list(self.shape.dims)
        sizes[one], sizes[other] = sizes[other], sizes[one]
        return ir.Transpose(first, second), ir.Shape(self.shape.kind, tuple(sizes))

    def squeeze(self, factor: int, layout: str) -> Made | None:
        """`squeeze` and `unsqueeze`."""
        undo = self.op.word == "unsqueeze"
        if not self.fits(factor, 2) or not self.on("Image"):
            return None
        if layout == "alternate" and factor != 2:
            assert self.op.value is not None
            title = f"the layout `alternate` has the factor 2, not {factor}"
            note = "it puts the pixels of one colour of a chessboard into the first half of the channels"
            self.bag.error("E0209", self.op.value.span, title, "not 2", notes=(note,))
            return None
        c, h, w = self.shape.dims
        area, side = Nat.of(factor * factor), Nat.of(factor)
        if not self.divided(*([(c, factor * factor)] if undo else [(h, factor), (w, factor)])):
            return None
        result = (
            ir.Shape("Image", (c.over(factor * factor), h * side, w * side))
            if undo
            else ir.Shape("Image", (c * area, h.over(factor), w.over(factor)))
        )
        return ir.Squeeze(factor, layout, undo), result

    def patches(self, size: int) -> Made | None:
        """`patches`: the tiles of an image are tokens."""
        if not self.fits(size, 1) or not self.on("Image"):
            return None
        c, h, w = self.shape.dims
        if not self.divided((h, size), (w, size)):
            return None
        return ir.Patches(size), ir.Shape("Seq", (h.over(size) * w.over(size), c * Nat.of(size * size)))

    def fits(self, factor: int, least: int) -> bool:
        """Whether the factor of a squeeze or the side of a patch lies within its limits; reported if not."""
        if not least <= factor <= 4096:
            assert self.op.value is not None
            title = f"`{self.op.word} {factor}`: the factor goes from {least} to 4096"
            self.bag.error("E0209", self.op.value.span, title, "factor")
        return least <= factor <= 4096

    def divided(self, *sizes: tuple[Nat, int]) -> bool:
        """Whether each size that is a number is a multiple of the one beside it; reported if not."""
        for size, by in sizes:
            if size.constant is not None and size.constant % by:
                self.indivisible(size.constant, by)
                return False
        return True

    def indivisible(self, size: int, by: int) -> None:
        """Report a size that is no multiple of `by`."""
        word = self.op.word
        what = DIVIDES[word]
        also = [Label(self.flow.shape.span, "starts here")]
        for other in self.flow.steps:
            if not isinstance(other.op, ast.Simple) or other.span.end > self.span.start:
                continue
            if DIVIDES.get(other.op.word) == what and isinstance(number := other.op.value, ast.Number):
                divisor = number.value**2 if word == "unsqueeze" else number.value
                also.append(Label(other.span, f"divides {what} by {divisor}"))
        factor = isqrt(by) if word == "unsqueeze" else by
        self.bag.error(
            "E0302",
            self.span,
            f"`{word} {factor}` of `{self.shape}`: {by} does not divide {size}",
            f"{size} is not divisible by {by}",
            also=tuple(also[:8]),
            notes=(f"{word} needs {what} that {by} divides",),
        )
