"""`mint draw --support`: which inputs one output can see, and how many each output sees, after 1, 2, 3, ... pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import ceil, prod

from mintdsl.core import ir
from mintdsl.core.counts import Sizes
from mintdsl.core.walks import with_applied
from mintdsl.proof.stages import Apply, Beyond, Network, Pair, Stage, behind, centre, entered_from, pairs, unrolled
from mintdsl.proof.support import Support, support
from mintdsl.tools.scene import Path2D, Rect, Scene, Shape, Words, fitted, text_width
from mintdsl.tools.support import spot

MOST_PANELS = 12
MOST_PLANES = 4  # with more channels one plane shows them all
LINE = 32  # coordinates of a vector in a row
_LEVELS = 20

_SEEN, _UNSEEN, _OWN = "#2a68b0", "#e4e8ee", "#f2902f"
_CLEAR, _FEW, _MANY = "#a5d8bc", "#fbe3cc", "#8f3a12"
_INK, _SOFT, _FAINT, _RULE = "#1f2530", "#5a6372", "#8a93a1", "#dfe3e9"
_MARGIN, _GAP, _BETWEEN, _PAGE = 40.0, 32.0, 8.0, 1000.0
_TEXT, _SMALL = 13.0, 11.5


@dataclass(frozen=True, slots=True)
class Panel:
    """The network up to one place: what the chosen output sees there, and what every output sees."""

    title: str
    seen: frozenset[int]
    every: Support | None  # None where there are too many outputs
    places: tuple[int, ...]  # of the outputs, among the inputs


@dataclass(frozen=True, slots=True)
class Picture:
    """Panels for ever more of a network, up to the one from which nothing is blind; `own` is the output's place."""

    name: str
    inputs: Sizes
    output: str
    own: int
    panels: tuple[Panel, ...]
    whole: str


def middle(net: Network) -> int:
    """The output at the place of the input in the centre."""
    return _places(unrolled(net), net.outputs).index(centre(net.inputs))


def picture(net: Network, name: str, output: int) -> Picture:
    """The panels for an output of the whole network, by its flat index."""
    stages = unrolled(net)
    paired = next(pairs(net.stages), None) is not None
    word = "pair" if paired else "layer"
    ends = [n for n, stage in enumerate(stages, 1) if (_is_pair(stage) if paired else _mixes(stage))]
    cells = [output]  # the cell at the output's place, behind ever fewer stages
    for stage in reversed(stages):
        cells.append(entered_from(stage, cells[-1]))
    cells.reverse()
    panels: list[Panel] = []
    for count, end in enumerate(ends[: MOST_PANELS - 1], 1):
        panels.append(_panel(net, stages[:end], cells[end], _count(count, word)))
        if _clear(panels[-1], net.inputs):
            break
    more = any(_mixes(stage) for stage in stages[ends[len(panels) - 1] if panels else 0 :])
    if not panels or (more and not _clear(panels[-1], net.inputs)):
        panels.append(_panel(net, stages, output, "all steps"))
    return Picture(name, net.inputs, spot(output, net.outputs), cells[0], tuple(panels), _count(len(ends), word))


def _is_pair(stage: Stage) -> bool:
    return isinstance(stage.stage if isinstance(stage, Beyond) else stage, Pair)


def _mixes(stage: Stage) -> bool:
    """Whether a stage lets outputs see more than their own place."""
    if isinstance(stage, Beyond):
        return _mixes(stage.stage)
    if isinstance(stage, Apply):
        params = (p for layer in with_applied(stage.layer) for p in layer.params)
        return any(isinstance(p.kind, (ir.Conv, ir.Dense)) for p in params)
    return isinstance(stage, Pair)


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'s' * (n != 1)}"


def _clear(panel: Panel, inputs: Sizes) -> bool:
    """Whether nothing is blind, as far as it is known."""
    return len(panel.seen) == prod(inputs) and (panel.every is None or not panel.every.blind)


def _panel(net: Network, stages: Sequence[Stage], output: int, title: str) -> Panel:
    dims = net.inputs
    for stage in stages:
        dims = behind(stage, dims)
    part = Network(tuple(stages), net.inputs, dims, net.largest)
    every = support(part)
    alone = every if output in every.watched else support(part, [output])
    return Panel(title, alone.seen(output), None if every.sampled else every, _places(stages, dims))


def _places(stages: Sequence[Stage], outputs: Sizes) -> tuple[int, ...]:
    """For each output the input at its place."""
    found = list(range(prod(outputs)))
    for stage in reversed(stages):
        found = found if isinstance(stage, (Apply, Pair)) else [entered_from(stage, cell) for cell in found]
    return tuple(found)


# ---------------------------------------------------------------- the page


def scene(found: Picture) -> Scene:
    """The page of a picture."""
    return _Page(found).draw()


@dataclass(slots=True)
class _Page:
    found: Picture
    shapes: list[Shape] = field(default_factory=list)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Planes, rows and columns of the inputs."""
        dims = self.found.inputs
        match len(dims):
            case 3:
                return (dims[0] if dims[0] <= MOST_PLANES else 1), dims[1], dims[2]
            case 2:
                return 1, dims[0], dims[1]
            case _:
                return 1, ceil(dims[0] / LINE), min(dims[0], LINE)

    @property
    def cell(self) -> float:
        planes, rows, columns = self.grid
        return max(0.5, min(14.0, (168 if planes == 1 else 96) / max(rows, columns)))

    @property
    def wide(self) -> float:
        """The width of a panel: of its planes, and of its words."""
        planes, _, columns = self.grid
        return max(planes * columns * self.cell + (planes - 1) * _BETWEEN, 150.0)

    def draw(self) -> Scene:
        found = self.found
        _, rows, _ = self.grid
        high = rows * self.cell
        shown = all(panel.every is not None for panel in found.panels)
        tall = 26 + high + 26 + ((high + 26) if shown else 0)
        across = max(1, int((_PAGE + _GAP) // (self.wide + _GAP)))
        right = _MARGIN + max(min(across, len(found.panels)) * (self.wide + _GAP) - _GAP, 640.0)
        self.heading(right)
        for n, panel in enumerate(found.panels):
            left = _MARGIN + n % across * (self.wide + _GAP)
            self.panel(panel, left, 128 + n // across * (tall + _GAP), high, shown)
        bottom = 128 + ceil(len(found.panels) / across) * (tall + _GAP)
        bottom = self.legend(bottom + 6, right, shown)
        title = f"{found.name}: what output {found.output} can see"
        return Scene(right + _MARGIN, bottom + 26, tuple(self.shapes), title)

    def heading(self, right: float) -> None:
        found, room = self.found, right - _MARGIN
        total = prod(found.inputs)
        shape = f" ({' x '.join(map(str, found.inputs))})" if len(found.inputs) > 1 else ""
        first = f"What output {found.output} can see of {total:,} inputs{shape}, through the masks, over all weights"
        self.shapes += [
            Words(_MARGIN, 46, fitted(found.name, 26, room, bold=True), 26, _INK, bold=True),
            Words(_MARGIN, 76, fitted(first, 14.5, room), 14.5, _INK),
            Words(_MARGIN, 98, fitted(_outcome(found), _TEXT, room), _TEXT, _SOFT),
        ]

    def panel(self, panel: Panel, left: float, top: float, high: float, shown: bool) -> None:
        total = prod(self.found.inputs)
        self.shapes.append(Words(left, top + 8, f"after {panel.title}", _TEXT, _INK, bold=True))
        share = self.shares([float(q in panel.seen) for q in range(total)])
        y = top + 22
        self.cells(share, left, y, lambda value: _mixed(_UNSEEN, _SEEN, value))
        self.own(left, y)
        text = f"it sees {len(panel.seen):,} of {total:,}" if len(panel.seen) < total else f"it sees all {total:,}"
        self.shapes.append(Words(left, y + high + 13, text, _SMALL, _SOFT))
        if not shown or panel.every is None:
            return
        y += high + 30
        lost = [0.0] * total
        for cell, count in zip(panel.places, panel.every.counts, strict=True):
            lost[cell] = max(lost[cell], 1 - count / total)
        self.cells(self.shares(lost), left, y, _loss)
        blind = panel.every.blind
        text = f"the worst output sees {min(panel.every.counts):,}" if blind else "every output sees all"
        self.shapes.append(Words(left, y + high + 13, text, _SMALL, _SOFT))

    def shares(self, values: list[float]) -> list[float]:
        """One value for each cell drawn: where one plane stands for all channels, their mean."""
        planes, rows, columns = self.grid
        size = rows * columns
        if len(self.found.inputs) == 3 and self.found.inputs[0] > planes:
            return [sum(values[k::size]) / self.found.inputs[0] for k in range(size)]
        return values

    def cells(self, values: Sequence[float], left: float, top: float, colour: Callable[[float], str]) -> None:
        """Planes of cells, equal neighbours in a row as one rectangle, under white lines."""
        planes, rows, columns = self.grid
        cell = self.cell
        for plane in range(planes):
            x = left + plane * (columns * cell + _BETWEEN)
            for row in range(rows):
                start = (plane * rows + row) * columns
                at = 0
                for fill, run in groupby(colour(value) for value in values[start : start + columns]):
                    length = len(list(run))
                    self.shapes.append(Rect(x + at * cell, top + row * cell, length * cell, cell, 0, fill))
                    at += length
            if cell >= 4:
                self.lines(x, top)

    def lines(self, x: float, top: float) -> None:
        _, rows, columns = self.grid
        cell = self.cell
        ends = (x + columns * cell, top + rows * cell)
        for k in range(1, columns):
            self.shapes.append(Path2D(((x + k * cell, top), (x + k * cell, ends[1])), stroke="#ffffff", line=0.7))
        for k in range(1, rows):
            self.shapes.append(Path2D(((x, top + k * cell), (ends[0], top + k * cell)), stroke="#ffffff", line=0.7))

    def own(self, left: float, top: float) -> None:
        """A dot at the output's own place."""
        planes, rows, columns = self.grid
        plane, rest = divmod(self.found.own, rows * columns)
        row, column = divmod(rest, columns)
        cell = self.cell
        x = left + (plane if planes > 1 else 0) * (columns * cell + _BETWEEN) + column * cell
        side = max(0.7 * cell, 3.0)
        inset = (cell - side) / 2
        self.shapes.append(Rect(x + inset, top + row * cell + inset, side, side, side / 2, _OWN))

    # ------------------------------------------------------------ foot

    def legend(self, y: float, right: float, shown: bool) -> float:
        self.shapes.append(Path2D(((_MARGIN, y - 16), (right, y - 16)), stroke=_RULE))
        rows: list[list[tuple[tuple[str, ...], str]]] = [
            [
                ((_OWN,), "the place of the output"),
                ((_SEEN,), "an input that it can see"),
                ((_UNSEEN,), "an input that it never sees, whatever the weights"),
            ]
        ]
        if shown:
            shades = tuple(_loss(k / 6) for k in range(1, 7))
            rows.append([((_CLEAR,), "an output that sees every input"), (shades, "few to all inputs never seen")])
        for row in rows:
            x = _MARGIN
            for colours, text in row:
                for k, colour in enumerate(colours):
                    radius = 7 if colour == _OWN else 3 if len(colours) == 1 else 0
                    self.shapes.append(Rect(x + 14 * k, y + 4 - 7, 14, 14, radius, colour))
                x += 14 * len(colours) + 8
                self.shapes.append(Words(x, y + 4, text, _SMALL, _SOFT))
                x += text_width(text, _SMALL) + 24
            y += 22
        note = "Every cell stands at its place among the inputs, where steps that move entries take it back to."
        if self.grid[0] == 1 and len(self.found.inputs) == 3 and self.found.inputs[0] > 1:
            note = f"A cell stands for its {self.found.inputs[0]} channels: the darker, the more of them are meant."
        self.shapes.append(Words(_MARGIN, y + 4, fitted(note, _SMALL, right - _MARGIN), _SMALL, _FAINT))
        return y


def _outcome(found: Picture) -> str:
    """From where on nothing is blind, in one sentence."""
    total, end = prod(found.inputs), found.panels[-1]
    first = next((p.title for p in found.panels if len(p.seen) == total), None)
    clear = next((p.title for p in found.panels if p.every is not None and not p.every.blind), None)
    parts = [f"it sees all after {first}" if first else f"it sees {len(end.seen):,} after {end.title}"]
    if clear is not None:
        parts.append(f"every output does after {clear}" if first else f"every output sees all after {clear}")
    elif end.every is not None:
        parts.append(f"{len(end.every.blind):,} of {len(end.every.watched):,} outputs keep blind spots")
    return f"Of {found.whole}: {', '.join(parts)}"


def _loss(value: float) -> str:
    """The colour of an output that misses this share of the inputs."""
    return _CLEAR if value <= 0 else _mixed(_FEW, _MANY, value)


def _mixed(low: str, high: str, share: float) -> str:
    """A colour between two, in a few steps, so that near ones are equal."""
    part = ceil(share * _LEVELS) / _LEVELS
    ends = [[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in (low, high)]
    return "#" + "".join(f"{round(a + part * (b - a)):02x}" for a, b in zip(*ends, strict=True))
