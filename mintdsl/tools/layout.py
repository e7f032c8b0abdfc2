"""Where the blocks of an architecture stand on the page: a column of boxes, and a table beside it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mintdsl.core.counts import Counts
from mintdsl.tools.architecture import Architecture, Block
from mintdsl.tools.scene import Path2D, Rect, Scene, Shape, Words, fitted, text_width

# Colours carry meaning: what a step's Jacobian looks like. (fill, line)
COLOURS = {
    "lower": ("#e4eefa", "#2a68b0"),
    "upper": ("#fdebdc", "#c4611a"),
    "triangular": ("#e2f1f4", "#1f7a8c"),
    "diagonal": ("#e1f3ea", "#24805a"),
    "permutation": ("#eeeaf8", "#7457b0"),
    "pad": ("#fbf3d6", "#96751a"),
    "composed": ("#f7e6f2", "#a03d80"),
    "dense": ("#fbe4e4", "#bb3530"),
    "data": ("#f0f1f4", "#677080"),
    "prior": ("#f0f1f4", "#677080"),
    "head": ("#f0f1f4", "#677080"),
}
LEGEND = {
    "lower": "lower triangular",
    "upper": "upper triangular",
    "triangular": "lower or upper triangular, as the use says",
    "diagonal": "diagonal",
    "permutation": "permutation",
    "pad": "raises the dimension",
    "composed": "dense, a composition of bijections",
    "dense": "not proved",
    "data": "outside the bijection",
}
INK, SOFT, FAINT, RULE = "#1f2530", "#5a6372", "#8a93a1", "#dfe3e9"
FRAME, FRAME_LINE = "#fafbfc", "#b9c1cd"

_MARGIN, _BOX, _HIGH = 40.0, 284.0, 38.0
_INSET, _HEAD, _FOOT = 14.0, 30.0, 12.0
_ARROW, _SHORT = 30.0, 13.0
_TEXT, _SMALL = 13.0, 11.5
_MOST = 330.0  # the widest a column of the table gets


def layout(found: Architecture) -> Scene:
    """The page for one architecture."""
    page = _Page(_depth(found.blocks))
    return page.draw(found)


def _depth(blocks: tuple[Block, ...]) -> int:
    return max(((1 + _depth(b.parts)) if b.parts else 0 for b in blocks), default=0)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the table beside the box whose middle is at `y`."""

    y: float
    cells: tuple[str, str, str, str]
    strong: bool


@dataclass(slots=True)
class _Page:
    depth: int
    shapes: list[Shape] = field(default_factory=list)
    lines: list[_Line] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    y: float = 0.0

    @property
    def centre(self) -> float:
        return _MARGIN + self.depth * _INSET + _BOX / 2

    def draw(self, found: Architecture) -> Scene:
        self.y = top = 148.0
        self.shape(f"{found.shape}   given {found.given}" if found.given else found.shape)
        self.steps(found.blocks, inside=False)
        if found.blocks and found.blocks[-1].kind != "prior":
            self.arrow(20)
            self.shapes.append(Words(self.centre, self.y + 8, fitted(found.result, _SMALL, _BOX), _SMALL, SOFT, "m"))
            self.y += 14
        bottom = self.y
        widths = self.table(top - 8)
        left = _MARGIN + 2 * self.depth * _INSET + _BOX + 34
        right = max(left + sum(widths) + 22 * (len(widths) - 1), 560.0)
        legend = self.legend(bottom + 34, right)
        head = self.heading(found, right)
        size = (right + _MARGIN, legend + 30)
        return Scene(*size, (*head, *self.shapes), f"{found.name}: {found.conclusion}")

    # ------------------------------------------------------------ head and foot

    def heading(self, found: Architecture, right: float) -> list[Shape]:
        room = right - _MARGIN
        parts = [f"log-det {found.log_det}", f"inverse {found.inverse}"] if found.log_det else []
        if found.counts is not None:
            parts.append(f"{found.counts.stored:,} parameters ({found.counts.live:,} live)")
        second = "   |   ".join(parts)
        name = fitted(found.name, 26, room, bold=True)
        first = fitted(found.conclusion, 14.5, room)
        return [
            Words(_MARGIN, 46, name, 26, INK, bold=True, whole="" if name == found.name else found.name),
            Words(_MARGIN, 76, first, 14.5, INK, whole="" if first == found.conclusion else found.conclusion),
            Words(_MARGIN, 98, fitted(second, _TEXT, room), _TEXT, SOFT),
        ]

    def legend(self, y: float, right: float) -> float:
        """Swatches of the kinds that occur; returns where it ends."""
        self.shapes.append(Path2D(((_MARGIN, y - 16), (right, y - 16)), stroke=RULE))
        kinds = {"data" if k in ("prior", "head") else k for k in self.kinds}
        x, y = _MARGIN, y + 4
        for kind, text in LEGEND.items():
            if kind not in kinds:
                continue
            wide = 22 + text_width(text, _SMALL) + 24
            if x + wide > right:
                x, y = _MARGIN, y + 22
            fill, line = COLOURS[kind]
            self.shapes += [
                Rect(x, y - 7, 14, 14, 3, fill, line, 1.2),
                Words(x + 22, y, text, _SMALL, SOFT),
            ]
            x += wide
        note = "The small square is the shadow of the step's Jacobian. Live parameters are those no mask removes."
        y += 24
        self.shapes.append(Words(_MARGIN, y, fitted(note, _SMALL, right - _MARGIN), _SMALL, FAINT))
        return y

    # ------------------------------------------------------------ the column

    def shape(self, text: str) -> None:
        """The shape of what enters, above the first step."""
        self.shapes.append(Words(self.centre, self.y - 8, fitted(text, _SMALL, _BOX), _SMALL, SOFT, "m"))
        self.y += 2

    def arrow(self, length: float, text: str = "") -> None:
        x, y = self.centre, self.y
        tip = y + length - 2
        self.shapes += [
            Path2D(((x, y + 2), (x, tip - 5)), stroke=SOFT, line=1.3),
            Path2D(((x - 4, tip - 6.5), (x + 4, tip - 6.5), (x, tip)), fill=SOFT),
        ]
        if text:
            cut = fitted(text, _SMALL, _BOX / 2 - 8)
            self.shapes.append(Words(x + 11, y + length / 2 - 1, cut, _SMALL, SOFT, whole="" if cut == text else text))
        self.y += length

    def steps(self, blocks: tuple[Block, ...], *, inside: bool) -> None:
        for i, block in enumerate(blocks):
            if not inside or i:
                # Inside a frame the shape is the frame's, unless a step changes it.
                moved = inside and block.shape == blocks[i - 1].shape
                text = "" if i == 0 or moved else block.shape
                self.arrow(_SHORT if inside and not text else _ARROW if i else 20, text)
            if block.parts or block.copies != "1":
                self.group(block)
            else:
                self.box(block)

    def group(self, block: Block) -> None:
        top, at = self.y, len(self.shapes)
        single = not block.parts
        parts = (replace(block, copies="1"),) if single else block.parts
        self.y += _HEAD
        self.steps(parts, inside=True)
        self.y += _FOOT
        deep = _depth(parts) + 1
        wide = _BOX + 2 * _INSET * deep
        left, high = self.centre - wide / 2, self.y - top
        behind: list[Shape] = []
        if block.copies != "1":  # a second sheet shows through: copies
            behind = [Rect(left + 5, top + 5, wide, high, 10, "#ffffff", FRAME_LINE, 1.1)]
        fill = FRAME if deep % 2 else "#f3f5f8"
        self.shapes[at:at] = [*behind, Rect(left, top, wide, high, 10, fill, FRAME_LINE, 1.2)]
        room = wide - 2 * _INSET
        if block.copies != "1":
            badge = f"x {block.copies}"
            size = max(text_width(badge, 12, bold=True) + 18, 38)
            self.shapes += [
                Rect(left + wide - size - 9, top + 6, size, 19, 9.5, INK),
                Words(left + wide - 9 - size / 2, top + 15.5, badge, 12, "#ffffff", "m", bold=True),
            ]
            room -= size
        title = "repeat" if single else block.title
        cut = fitted(title, 12.5, room, bold=True)
        self.shapes.append(
            Words(left + _INSET, top + 16, cut, 12.5, INK, bold=True, whole="" if cut == title else title)
        )
        if single:  # the box itself tells of one copy
            self.lines.append(_Line(top + 16, ("", "", "", _counts(block.counts, block.copies)), True))
        else:
            self.line(top + 16, block, strong=True)
        if block.copies != "1":
            self.y += 5

    def box(self, block: Block) -> None:
        fill, line = COLOURS[block.kind]
        self.kinds.add(block.kind)
        left, top = self.centre - _BOX / 2, self.y
        title = fitted(block.title, _TEXT, _BOX - 56, bold=True)
        self.shapes += [
            Rect(left, top, _BOX, _HIGH, 7, fill, line, 1.3),
            *glyph(block.kind, left + 9, top + 8, _HIGH - 16),
            Words(
                left + 42,
                top + _HIGH / 2,
                title,
                _TEXT,
                INK,
                bold=True,
                whole="" if title == block.title else block.title,
            ),
        ]
        self.line(top + _HIGH / 2, block, strong=False)
        self.y += _HIGH

    # ------------------------------------------------------------ the table

    def line(self, y: float, block: Block, *, strong: bool) -> None:
        cells = (block.proof, block.log_det, _short(block.inverse), _counts(block.counts, block.copies))
        self.lines.append(_Line(y, cells, strong))

    def table(self, top: float) -> list[float]:
        """The columns beside the boxes; returns their widths."""
        heads = ("proved", "log-det", "inverse", "parameters / live")
        widths = [
            min(_MOST, max(text_width(line.cells[i], 12, bold=line.strong) * 1.04 for line in self.lines) + 2)
            for i in range(4)
        ]
        widths = [max(w, text_width(h, _SMALL, bold=True) + 4) for w, h in zip(widths, heads, strict=True)]
        left = _MARGIN + 2 * self.depth * _INSET + _BOX + 34
        edges = []
        for width in widths:
            edges.append((left, left + width))
            left += width + 22
        for (start, end), head, right in zip(edges, heads, (False, False, False, True), strict=True):
            place = end if right else start
            self.shapes.append(Words(place, top, head, _SMALL, FAINT, "r" if right else "l", bold=True))
        self.shapes.append(Path2D(((edges[0][0], top + 13), (edges[-1][1], top + 13)), stroke=RULE))
        for line in self.lines:
            colour = INK if line.strong else SOFT
            for i, ((start, end), cell) in enumerate(zip(edges, line.cells, strict=True)):
                cut = fitted(cell, 12, end - start + 2, bold=line.strong)
                whole = "" if cut == cell else cell
                place, anchor = (end, "r") if i == 3 else (start, "l")
                self.shapes.append(Words(place, line.y, cut, 12, colour, anchor, bold=line.strong, whole=whole))
        return widths


def _short(inverse: str) -> str:
    return inverse.replace("iterative to a tested residual", "iterative, tested residual")


def _counts(counts: Counts | None, copies: str) -> str:
    if counts is None:
        return "depends on sizes"
    if not counts.stored:
        return ""
    each = f"{counts.stored:,} / {counts.live:,}"
    return f"{copies} x {each}" if copies != "1" else each


def glyph(kind: str, x: float, y: float, side: float) -> list[Shape]:
    """A picture of the Jacobian: rows are outputs, columns inputs."""
    _, colour = COLOURS[kind]
    right, bottom = x + side, y + side
    frame = Rect(x, y, side, side, 2, "#ffffff", colour, 1.0)
    diagonal = Path2D(((x + 2, y + 2), (right - 2, bottom - 2)), stroke=colour, line=2.4)
    pale = {"lower": "#a9c8ea", "upper": "#f3c49c", "composed": "#e5b5d4", "dense": "#eeb0ae"}.get(kind, "#ffffff")
    match kind:
        case "triangular":
            return [frame, diagonal]
        case "lower":
            corner = Path2D(((x + 1, y + 1), (right - 1, bottom - 1), (x + 1, bottom - 1)), fill=pale)
            return [frame, corner, diagonal]
        case "upper":
            corner = Path2D(((x + 1, y + 1), (right - 1, bottom - 1), (right - 1, y + 1)), fill=pale)
            return [frame, corner, diagonal]
        case "diagonal":
            return [frame, diagonal]
        case "permutation":
            cell = (side - 4) / 4
            dots: list[Shape] = []
            for row, column in enumerate((1, 3, 0, 2)):
                dots.append(Rect(x + 2.6 + column * cell, y + 2.6 + row * cell, cell - 1.2, cell - 1.2, 1, colour))
            return [frame, *dots]
        case "pad":
            half = Path2D(((x + 2, y + 2), (right - 2, y + side / 2)), stroke=colour, line=2.4)
            return [frame, half]
        case "dense" | "composed":
            return [frame, Rect(x + 2, y + 2, side - 4, side - 4, 1, pale)]
        case "head":
            bars = ((0.08, 0.45), (0.32, 0.15), (0.56, 0.6), (0.8, 0.35))
            base = 0.9 * side
            return [Rect(x + a * side, y + b * side, 0.14 * side, base - b * side, 1, colour) for a, b in bars]
        case "prior":
            bell = ((0.06, 0.80), (0.22, 0.76), (0.34, 0.58), (0.43, 0.30), (0.5, 0.2), (0.57, 0.30), (0.66, 0.58))
            points = [*bell, (0.78, 0.76), (0.94, 0.80)]
            return [Path2D(tuple((x + a * side, y + b * side) for a, b in points), stroke=colour, line=1.8)]
        case _:
            stairs = ((0.06, 0.86), (0.3, 0.86), (0.3, 0.62), (0.54, 0.62), (0.54, 0.38), (0.78, 0.38), (0.78, 0.14))
            points = [*stairs, (0.96, 0.14)]
            return [Path2D(tuple((x + a * side, y + b * side) for a, b in points), stroke=colour, line=1.8)]
