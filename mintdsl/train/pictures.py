"""Pictures of a flow at work: rows of images, and the course of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mintdsl.train.loop import History, Record

Colour = tuple[int, int, int]
Point = tuple[float, float]

_PAPER: Colour = (255, 255, 255)
_INK: Colour = (34, 38, 46)
_FAINT: Colour = (110, 116, 126)
_GRID: Colour = (228, 231, 236)
_LINE: Colour = (31, 95, 191)
_CLOUD: Colour = (190, 210, 240)
_MARK: Colour = (200, 80, 30)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def picture(
    rows: Sequence[tuple[str, Tensor]],
    path: str | Path,
    *,
    scale: int = 3,
    columns: int = 16,
) -> None:
    """Write a PNG of rows of images, each with its caption above it.

    `rows`: captions and images [N, C, H, W], C = 1 (grey) or 3 (RGB), as grey levels 0 to 255;
    other values are clipped, fractions rounded, and NaN drawn black. Each pixel becomes `scale` x
    `scale`. More than `columns` images go on in another line of the same row.

    Raises ValueError for no rows or other shapes, OSError where `path` cannot be written.
    """
    if not rows:
        raise ValueError("There are no rows to draw.")
    if scale < 1 or columns < 1:
        raise ValueError("`scale` and `columns` must be at least 1.")
    margin, gap, size = 20, 4, 17
    caption, between = size + 10, 18
    tiles = [(label, _tiles(label, images, scale)) for label, images in rows]
    width = 2 * margin + max(
        max(_width(label, size), _span([tile.width for tile in line], gap))
        for label, images in tiles
        for line in _lines(images, columns)
    )
    height = 2 * margin - between
    for _, images in tiles:
        height += caption + between + _span([line[0].height for line in _lines(images, columns)], gap)
    canvas = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    top = margin
    for label, images in tiles:
        draw.text((margin, top), label, fill=_INK, font=_font(size))
        top += caption
        for line in _lines(images, columns):
            left = margin
            for tile in line:
                canvas.paste(tile, (left, top))
                left += tile.width + gap
            top += line[0].height + gap
        top += between - gap
    canvas.save(Path(path), format="PNG", optimize=True)


def _width(text: str, size: int) -> int:
    return math.ceil(_font(size).getlength(text))


def _span(sides: Sequence[int], gap: int) -> int:
    return sum(sides) + gap * (len(sides) - 1)


def _lines(images: Sequence[Image.Image], columns: int) -> list[Sequence[Image.Image]]:
    return [images[start : start + columns] for start in range(0, len(images), columns)]


def _tiles(label: str, images: Tensor, scale: int) -> list[Image.Image]:
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not images.numel():
        raise ValueError(f"Row {label!r}: images must be [N, 1 or 3, H, W] and not empty, not {list(images.shape)}.")
    levels = images.detach().to("cpu", torch.float64).nan_to_num(0.0, 255.0, 0.0).round().clamp(0, 255).to(torch.uint8)
    pixels = levels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy()
    size = (images.shape[3] * scale, images.shape[2] * scale)
    return [Image.fromarray(image).resize(size, Image.Resampling.NEAREST) for image in pixels]


@dataclass(frozen=True, slots=True)
class _Axes:
    """The frame of a chart in pixels of the drawing, and the values at its edges."""

    left: float
    top: float
    right: float
    bottom: float
    x_max: float
    y_min: float
    y_max: float

    def point(self, x: float, y: float) -> Point:
        """Where the value (x, y) lies in the drawing."""
        across = self.left + (self.right - self.left) * x / self.x_max
        up = (y - self.y_min) / (self.y_max - self.y_min)
        return across, self.bottom - (self.bottom - self.top) * up


def curve(history: History, path: str | Path, *, held_out: float | None = None) -> None:
    """Write a PNG chart of training's loss against seconds.

    Each step is drawn lightly and the running mean over it; steps far above the rest (usually the
    first few) leave the frame at its top. `held_out`: the loss on held-out images, drawn as a
    dashed line.

    Raises ValueError for an empty history, OSError where `path` cannot be written.
    """
    if not history.records:
        raise ValueError("The history has no steps to draw.")
    window = max(1, min(50, len(history.records) // 10))
    smooth = history.smoothed(window)
    # Drawn three times as large and scaled down: Pillow's lines are not antialiased.
    fine = 3
    width, height, size = 840, 460, 15
    canvas = Image.new("RGB", (width * fine, height * fine), _PAPER)
    draw = ImageDraw.Draw(canvas)
    y_min, y_max, y_step = _y_range(history.records, smooth, held_out)
    x_max = max(history.last.seconds, 1e-9)
    x_step = _nice_step(x_max, 7)
    axes = _Axes(74 * fine, 56 * fine, (width - 30) * fine, (height - 62) * fine, x_max, y_min, y_max)
    font, small = _font(size * fine), _font(13 * fine)

    for value in _ticks(y_min, y_max, y_step):
        _, y = axes.point(0, value)
        draw.line([(axes.left, y), (axes.right, y)], fill=_GRID, width=fine)
        draw.text((axes.left - 9 * fine, y), _label(value, y_step), fill=_FAINT, font=small, anchor="rm")
    for value in _ticks(0, x_max, x_step):
        x, _ = axes.point(value, y_min)
        draw.line([(x, axes.bottom), (x, axes.bottom + 5 * fine)], fill=_FAINT, width=fine)
        draw.text((x, axes.bottom + 10 * fine), _label(value, x_step), fill=_FAINT, font=small, anchor="mt")

    _trace(draw, axes, history.records, _CLOUD, fine)
    _trace(draw, axes, smooth, _LINE, round(2.4 * fine))
    # The traces may run over the top edge: cover it before writing there.
    draw.rectangle([0, 0, width * fine, axes.top - 1], fill=_PAPER)
    draw.line([(axes.left, axes.bottom), (axes.right, axes.bottom)], fill=_FAINT, width=fine)
    words: list[tuple[str, Colour]] = [(f"training {smooth[-1].loss:.3f}", _LINE)]
    if held_out is not None:
        _dashes(draw, axes, held_out, 2 * fine, 8 * fine)
        words.append((f"held-out {held_out:.3f}", _MARK))
    draw.text((20 * fine, 22 * fine), history.unit, fill=_INK, font=font, anchor="lt")
    seconds = f"seconds ({history.last.step:,} steps)"
    draw.text(((axes.left + axes.right) / 2, (height - 18) * fine), seconds, fill=_INK, font=font, anchor="ms")
    right = axes.right
    for text, colour in reversed(words):
        draw.text((right, 22 * fine), text, fill=colour, font=font, anchor="rt")
        right -= font.getlength(text) + 24 * fine
    canvas.resize((width, height), Image.Resampling.LANCZOS).save(Path(path), format="PNG", optimize=True)


def _y_range(records: Sequence[Record], smooth: Sequence[Record], held_out: float | None) -> tuple[float, float, float]:
    """The least and greatest value shown, and the distance of ticks."""
    values = sorted(record.loss for record in records)
    low, high = values[0], values[-1]
    # The first steps may be many times the rest: without a limit all else would be one flat line.
    usual = values[int(0.9 * (len(values) - 1))]
    high = min(high, usual + 0.8 * (usual - low)) if usual > low else high
    last = smooth[-1].loss
    low = min(low, last if held_out is None else held_out)
    high = max(high, last if held_out is None else held_out)
    spread = max(high - low, 0.02)
    step = _nice_step(spread, 6)
    return math.floor((low - 0.03 * spread) / step) * step, high + 0.05 * spread, step


def _nice_step(span: float, count: int) -> float:
    """The least of 1, 2, 2.5 and 5 times a power of ten that divides `span` into at most `count` parts."""
    unit = 10.0 ** math.floor(math.log10(span / count))
    return next(unit * factor for factor in (1, 2, 2.5, 5, 10, 20) if unit * factor * count >= span)


def _ticks(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _label(value: float, step: float) -> str:
    decimals = next((places for places in range(9) if math.isclose(step, round(step, places))), 9)
    return f"{value:.{decimals}f}"


def _trace(draw: ImageDraw.ImageDraw, axes: _Axes, records: Sequence[Record], colour: Colour, width: int) -> None:
    points = [axes.point(record.seconds, record.loss) for record in records]
    if len(points) == 1:
        (x, y), radius = points[0], 2 * width
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
        return
    draw.line(points, fill=colour, width=width, joint="curve")


def _dashes(draw: ImageDraw.ImageDraw, axes: _Axes, value: float, width: int, dash: int) -> None:
    _, y = axes.point(0, value)
    x = axes.left
    while x < axes.right:
        draw.line([(x, y), (min(x + dash, axes.right), y)], fill=_MARK, width=width)
        x += 2 * dash
