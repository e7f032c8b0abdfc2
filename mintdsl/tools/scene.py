"""A drawing as shapes at places, and its two forms: SVG text, and pixels by Pillow."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from xml.sax.saxutils import escape, quoteattr

Point = tuple[float, float]

# Widths of Helvetica in thousandths of the size, from the space to the tilde: near enough for every sans serif.
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
)  # fmt: skip
_FAMILY = "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"
_MAX_PIXELS = 36e6


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle with round corners."""

    x: float
    y: float
    width: float
    height: float
    radius: float = 0.0
    fill: str = "none"
    stroke: str = "none"
    line: float = 1.0


@dataclass(frozen=True, slots=True)
class Path2D:
    """A line through points; closed ones are filled."""

    points: tuple[Point, ...]
    fill: str = "none"
    stroke: str = "none"
    line: float = 1.0


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text; (x, y) is its left, middle or right end (`anchor` l, m, r) at half the height of capitals.

    An exponent of digits or capitals, as in R^784, is raised.
    """

    x: float
    y: float
    text: str
    size: float
    fill: str
    anchor: str = "l"
    bold: bool = False
    whole: str = ""  # the text before it was cut, shown by a viewer as a tip


Shape: TypeAlias = Rect | Path2D | Words


@dataclass(frozen=True, slots=True)
class Scene:
    """A page of shapes, the first at the back."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    title: str


_RAISED = 0.7  # the size of an exponent


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """`text` in parts, and whether each is an exponent."""
    for i, part in enumerate(re.split(r"\^(\d+|[A-Z]\b)", text)):
        if part:
            yield part, i % 2 == 1


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """About how wide `text` is."""
    total = 0.0
    for part, raised in pieces(text):
        wide = sum(_WIDTHS[ord(c) - 32] if " " <= c <= "~" else 800 for c in part)
        total += wide * (_RAISED if raised else 1.0)
    return total * size / 1000 * (1.07 if bold else 1.0)


def fitted(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """`text`, cut with dots so that it takes at most `room`."""
    if text_width(text, size, bold=bold) <= room:
        return text
    fits = bisect_right(range(len(text)), room, key=lambda n: text_width(text[:n] + "...", size, bold=bold))
    text = text[: max(fits - 1, 0)]
    while text and text_width(text + "...", size, bold=bold) > room:  # a raised exponent is narrower than its sign
        text = text[:-1]
    return text.rstrip() + "..."


# ---------------------------------------------------------------- SVG


def svg(scene: Scene) -> str:
    """The scene as SVG; the same scene always gives the same text."""
    size = f'width="{_n(scene.width)}" height="{_n(scene.height)}" viewBox="0 0 {_n(scene.width)} {_n(scene.height)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{_FAMILY}" role="img">',
        f"<title>{escape(scene.title)}</title>",
        f'<rect width="{_n(scene.width)}" height="{_n(scene.height)}" fill="#ffffff"/>',
        *(_element(shape) for shape in scene.shapes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _element(shape: Shape) -> str:
    match shape:
        case Rect():
            paint = f'fill="{shape.fill}" stroke="{shape.stroke}" stroke-width="{_n(shape.line)}"'
            place = f'x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.width)}" height="{_n(shape.height)}"'
            return f'<rect {place} rx="{_n(shape.radius)}" {paint}/>'
        case Path2D():
            points = " ".join(f"{_n(x)},{_n(y)}" for x, y in shape.points)
            tag = "polygon" if shape.fill != "none" else "polyline"
            round_ = ' stroke-linecap="round" stroke-linejoin="round"' if shape.stroke != "none" else ""
            return (
                f'<{tag} points="{points}" fill="{shape.fill}" stroke="{shape.stroke}" '
                f'stroke-width="{_n(shape.line)}"{round_}/>'
            )
        case Words():
            anchor = {"l": "start", "m": "middle", "r": "end"}[shape.anchor]
            weight = ' font-weight="600"' if shape.bold else ""
            tip = f"<title>{escape(shape.whole)}</title>" if shape.whole else ""
            # Capitals are about 0.72 of the size: placed by the baseline, which every viewer agrees on.
            place = f'x="{_n(shape.x)}" y="{_n(shape.y + 0.36 * shape.size)}" font-size="{_n(shape.size)}"'
            text = _runs(shape.text, shape.size)
            return f'<text {place} fill={quoteattr(shape.fill)} text-anchor="{anchor}"{weight}>{tip}{text}</text>'


def _runs(text: str, size: float) -> str:
    """The parts of a text as SVG: exponents small and raised, what follows them back on the line."""
    up, found, high = _n(0.36 * size), [], False
    for part, raised in pieces(text):
        if raised:
            found.append(f'<tspan dy="-{up}" font-size="{_n(_RAISED * size)}">{escape(part)}</tspan>')
        else:
            found.append(f'<tspan dy="{up}">{escape(part)}</tspan>' if high else escape(part))
        high = raised
    return "".join(found)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


# ---------------------------------------------------------------- PNG


def png(scene: Scene, path: Path, scale: float = 2.0) -> None:
    """The scene as a PNG, `scale` pixels a unit (fewer for very large scenes), drawn larger and scaled down."""
    from PIL import Image, ImageDraw

    area = scene.width * scene.height
    scale = min(scale, (_MAX_PIXELS / 4 / area) ** 0.5)
    fine = 2 * scale
    canvas = Image.new("RGB", (round(scene.width * fine), round(scene.height * fine)), "#ffffff")
    pen = _Pen(ImageDraw.Draw(canvas), fine)
    for shape in scene.shapes:
        pen.draw(shape)
    size = (max(1, round(scene.width * scale)), max(1, round(scene.height * scale)))
    canvas.resize(size, Image.Resampling.LANCZOS).save(path, format="PNG", optimize=True)


class _Pen:
    def __init__(self, target: object, fine: float) -> None:
        from PIL import ImageDraw

        assert isinstance(target, ImageDraw.ImageDraw)
        self.target = target
        self.fine = fine

    def draw(self, shape: Shape) -> None:
        fine, target = self.fine, self.target
        match shape:
            case Rect():
                half = shape.line / 2 if shape.stroke != "none" else 0.0
                box = (
                    (shape.x - half) * fine,
                    (shape.y - half) * fine,
                    (shape.x + shape.width + half) * fine,
                    (shape.y + shape.height + half) * fine,
                )
                fill = None if shape.fill == "none" else shape.fill
                outline = None if shape.stroke == "none" else shape.stroke
                width = max(1, round(shape.line * fine)) if outline else 0
                target.rounded_rectangle(box, (shape.radius + half) * fine, fill, outline, width)
            case Path2D():
                points = [(x * fine, y * fine) for x, y in shape.points]
                if shape.fill != "none":
                    target.polygon(points, fill=shape.fill)
                if shape.stroke != "none":
                    width = max(1, round(shape.line * fine))
                    target.line(points, fill=shape.stroke, width=width, joint="curve")
                    for x, y in (points[0], points[-1]):
                        target.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=shape.stroke)
            case Words():
                self.words(shape)

    def words(self, shape: Words) -> None:
        from PIL import ImageFont

        size = shape.size * self.fine
        font = ImageFont.load_default(size)
        # The font that comes with Pillow has one weight: bold is drawn with a thin outline of its own colour.
        stroke = 0.02 * size if shape.bold else 0
        small = ImageFont.load_default(size * _RAISED)
        parts = [(part, up, (small if up else font).getlength(part)) for part, up in pieces(shape.text)]
        wide = sum(part[2] for part in parts)
        x = shape.x * self.fine - {"l": 0.0, "m": wide / 2, "r": wide}[shape.anchor]
        y = shape.y * self.fine + 0.36 * size
        for part, up, length in parts:
            at = (x, y - 0.36 * size) if up else (x, y)
            self.target.text(at, part, shape.fill, small if up else font, anchor="ls", stroke_width=stroke)
            x += length


def bounds(shapes: Sequence[Shape]) -> tuple[float, float]:
    """Right and bottom ends of what is drawn, for tests of overlaps and margins."""
    right = bottom = 0.0
    for shape in shapes:
        match shape:
            case Rect():
                right, bottom = max(right, shape.x + shape.width), max(bottom, shape.y + shape.height)
            case Path2D():
                right = max([right, *(x for x, _ in shape.points)])
                bottom = max([bottom, *(y for _, y in shape.points)])
            case Words():
                wide = text_width(shape.text, shape.size, bold=shape.bold)
                end = shape.x + {"l": wide, "m": wide / 2, "r": 0.0}[shape.anchor]
                right, bottom = max(right, end), max(bottom, shape.y + shape.size / 2)
    return right, bottom
