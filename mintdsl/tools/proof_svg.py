"""A proof as a picture: premises above what they prove, boxes with the shadow of each Jacobian, one panel a definition.

A layer's trees stand side by side where they fit. What is too wide or too deep, and every flow, is a list of boxes in
the order of proof, premises further right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mintdsl.core import ir
from mintdsl.proof.check import LayerProof
from mintdsl.tools.layout import COLOURS, FAINT, FRAME, FRAME_LINE, INK, LEGEND, RULE, SOFT, glyph
from mintdsl.tools.proof_document import Document, Section, Step, trees
from mintdsl.tools.proof_words import kind_of_step
from mintdsl.tools.scene import Path2D, Rect, Scene, Shape, Words, fitted, text_width

_MARGIN, _INSET, _GAP = 36.0, 18.0, 16.0
_HIGH, _RISE = 42.0, 30.0  # a box, and the room for edges above it
_GLYPH, _PAD = 18.0, 10.0
_TEXT, _SMALL, _TINY = 12.0, 10.5, 9.0
_WIDEST, _PAGE, _TREE, _TALLEST = 380.0, 980.0, 1400.0, 16  # of a box, of trees side by side, of one tree; in steps
_LEAN, _LINE, _LIST = 26.0, 50.0, 520.0  # in lists of boxes: to the right, down, and how wide a box gets
_DEEPEST = 12


def drawing(document: Document) -> Scene:
    """The picture of a proof."""
    page = _Page()
    y = page.heading(document)
    for section in document.sections:
        y = page.panel(section, y) + 22
    right = max(page.right, 560.0)
    low = page.legend(y + 12, right)
    frames = [Rect(_MARGIN, top, right - _MARGIN, high, 10, FRAME, FRAME_LINE, 1.1) for top, high in page.frames]
    rule: Shape = Path2D(((_MARGIN, y - 2), (right, y - 2)), stroke=RULE)
    words = "" if document.holds else "not proved: "
    return Scene(
        right + _MARGIN, low + 26, (*frames, rule, *page.shapes), f"Proof of {document.name}: {words}{_told(document)}"
    )


def _told(document: Document) -> str:
    return document.sections[-1].follows


@dataclass(slots=True)
class _Box:
    """A box of a step: its words, and how wide it is."""

    step: Step
    kind: str
    first: str
    second: str
    width: float


@dataclass(slots=True)
class _Tree:
    """A tree whose boxes have their places, from its own upper left corner."""

    boxes: list[tuple[_Box, float, float]]
    edges: list[tuple[int, list[int]]]
    width: float
    height: float


@dataclass(slots=True)
class _Page:
    shapes: list[Shape] = field(default_factory=list)
    frames: list[tuple[float, float]] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    right: float = 0.0

    def words(self, x: float, y: float, text: str, size: float, fill: str, room: float, *, bold: bool = False) -> None:
        """A line of text, cut where there is no room for it; the whole is a tip."""
        cut = fitted(text, size, room, bold=bold)
        self.right = max(self.right, x + text_width(cut, size, bold=bold) + _PAD)
        self.shapes.append(Words(x, y, cut, size, fill, bold=bold, whole="" if cut == text else text))

    # ------------------------------------------------------------ head and foot

    def heading(self, document: Document) -> float:
        steps = sum(len(section.steps) for section in document.sections)
        many = f"{len(document.sections)} definition{'s' * (len(document.sections) != 1)}, {steps:,} steps"
        self.words(_MARGIN, 46, f"Proof of {document.name}", 24, INK, _PAGE, bold=True)
        self.words(_MARGIN, 74, _told(document), 14, INK, _PAGE)
        told = f"{many}   |   statement {document.hash[:16]}" if document.hash else many
        self.words(_MARGIN, 95, told, 12, SOFT, _PAGE)
        return 122.0

    def legend(self, y: float, right: float) -> float:
        """Swatches of the kinds that occur; returns where it ends."""
        kinds = {"data" if kind in ("prior", "head") else kind for kind in self.kinds}
        x = _MARGIN
        for kind, text in LEGEND.items():
            if kind not in kinds:
                continue
            wide = 22 + text_width(text, 11.5) + 24
            if x + wide > right:
                x, y = _MARGIN, y + 22
            fill, line = COLOURS[kind]
            self.shapes += [Rect(x, y - 7, 14, 14, 3, fill, line, 1.2), Words(x + 22, y, text, 11.5, SOFT)]
            x += wide
        note = "Premises stand above what follows from them; the rule is named in the box."
        self.shapes.append(Words(_MARGIN, y + 22, note, 11.5, FAINT))
        return y + 22

    # ------------------------------------------------------------ panels

    def panel(self, section: Section, top: float) -> float:
        """One definition; returns where its panel ends."""
        left = _MARGIN + _INSET
        y = top + 24
        self.words(left, y, section.title, 14.5, INK, _PAGE - 2 * _INSET, bold=True)
        lines = ["; ".join(section.settled)] if section.settled else []
        lines.append(f"claims {', '.join(section.claims)}: " if section.claims else "claims nothing")
        for i, line in enumerate(lines):
            y += 19 if i else 21
            verdict = section.claims and i == len(lines) - 1
            self.words(left, y, line, 11.5, SOFT, _PAGE - 2 * _INSET - 320)
            if verdict:
                end = left + text_width(fitted(line, 11.5, _PAGE - 2 * _INSET - 320), 11.5) + 3
                self.words(end, y, section.verdict, 11.5, "#24805a" if section.holds else "#bb3530", 320, bold=True)
        y += 22
        found = self.side_by_side(section, left, y)
        if found is None:
            found = self.listed(section, left, y)
        low = found + _INSET
        self.frames.append((top, low - top))
        return low

    def box(self, box: _Box, x: float, y: float) -> None:
        """The box, its shadow of a Jacobian, and its words."""
        fill, line = COLOURS.get(box.kind, ("#ffffff", FRAME_LINE))
        self.kinds.add(box.kind)
        whole_proof = box.step.depth == 0 and box.step.node.rule != "LET"
        self.shapes.append(Rect(x, y, box.width, _HIGH, 6, fill, line, 2.2 if whole_proof else 1.2))
        start = x + _PAD
        if box.kind in COLOURS:
            self.shapes += glyph(box.kind, x + 8, y + (_HIGH - _GLYPH) / 2, _GLYPH)
            start = x + _GLYPH + 15
        rule = box.step.node.rule
        end = x + box.width - 8
        whole = f"{rule}: {box.step.node.note}" if box.step.node.note else ""
        colour = line if box.kind in COLOURS else SOFT
        self.shapes.append(Words(end, y + 13.5, rule, _TINY, colour, "r", bold=True, whole=whole))
        self.words(
            start, y + 14, box.first, _TEXT, INK, end - start - text_width(rule, _TINY, bold=True) - 8, bold=True
        )
        self.words(start, y + 29.5, box.second, _SMALL, SOFT, end - start)

    def head(self, x: float, tip: float) -> None:
        """The head of an arrow that points down."""
        self.shapes.append(Path2D(((x - 3.5, tip - 5.5), (x + 3.5, tip - 5.5), (x, tip)), fill=FAINT))

    # ------------------------------------------------------------ trees side by side

    def side_by_side(self, section: Section, left: float, top: float) -> float | None:
        """The trees of a layer in rows; None where one is too large for that."""
        found = _trees(section)
        if found is None:
            return None
        rows: list[list[_Tree]] = [[]]
        for tree in found:
            wide = sum(t.width + 2.5 * _GAP for t in rows[-1]) + tree.width
            if rows[-1] and wide > _PAGE - 2 * _INSET:
                rows.append([])
            rows[-1].append(tree)
        y = top
        for row in rows:
            high = max(tree.height for tree in row)
            x = left
            for tree in row:
                self.tree(tree, x, y + high - tree.height)
                x += tree.width + 2.5 * _GAP
            self.right = max(self.right, x - 2.5 * _GAP + _INSET)
            y += high + 26
        return y - 26

    def tree(self, tree: _Tree, left: float, top: float) -> None:
        for below, above in tree.edges:
            box, x, y = tree.boxes[below]
            middle, joint = left + x + box.width / 2, top + y - _RISE / 2
            ends = []
            for index in above:
                upper, ux, uy = tree.boxes[index]
                ends.append((left + ux + upper.width / 2, top + uy + _HIGH))
            for end in ends:
                bend = (end, (end[0], joint), (middle, joint)) if abs(end[0] - middle) > 0.5 else (end,)
                self.shapes.append(Path2D((*bend, (middle, top + y - 5)), stroke=FAINT, line=1.2))
            tip = top + y - 1
            self.shapes.append(
                Path2D(((middle - 3.5, tip - 5.5), (middle + 3.5, tip - 5.5), (middle, tip)), fill=FAINT)
            )
        for box, x, y in tree.boxes:
            self.box(box, left + x, top + y)

    # ------------------------------------------------------------ lists of boxes

    def listed(self, section: Section, left: float, top: float) -> float:
        """All steps in the order of proof, below each other."""
        y = top
        for root in section.roots:
            pieces = list(trees(section.tree(root), _DEEPEST))
            for rows in reversed(pieces):  # what is too deep for the tree that uses it stands before it
                y = self.piece(section, {row.step.number: (row.depth, row.below) for row in rows}, left, y) + 16
        return y - 16

    def piece(self, section: Section, places: dict[int, tuple[int, bool]], left: float, top: float) -> float:
        """One tree as a list; its boxes end at one line."""
        numbers = sorted(places)
        boxes = [_box(section.steps[n - 1], section, _LIST, apart=places[n][1]) for n in numbers]
        lefts = [left + places[n][0] * _LEAN for n in numbers]
        right = max(x + box.width for x, box in zip(lefts, boxes, strict=True))
        self.right = max(self.right, right + _INSET)
        y = top
        waiting: dict[int, list[float]] = {}  # by depth: the middles of boxes whose conclusion is still to come
        for number, box, x in zip(numbers, boxes, lefts, strict=True):
            depth = places[number][0]
            above = waiting.pop(depth + 1, [])
            for place in above:
                self.shapes.append(Path2D(((x + 12, place), (x + _LEAN, place)), stroke=FAINT, line=1.2))
            if above:
                self.shapes.append(Path2D(((x + 12, above[0]), (x + 12, y - 5)), stroke=FAINT, line=1.2))
                self.head(x + 12, y - 1)
            waiting.setdefault(depth, []).append(y + _HIGH / 2)
            box.width = right - x
            self.box(box, x, y)
            y += _LINE
        return y - (_LINE - _HIGH)


def _box(step: Step, section: Section, widest: float, *, apart: bool = False, named: str = "") -> _Box:
    kind = kind_of_step(step, section)
    text = f"{named} {step.text}" if named else step.text
    if apart:
        text += " (above)"
    known = step.node.conclusion
    rule = text_width(step.node.rule, _TINY, bold=True) + 8
    start = _GLYPH + 15 if kind in COLOURS else _PAD
    inner = max(text_width(text, _TEXT, bold=True) + rule, text_width(known, _SMALL) + 4)
    return _Box(step, kind, text, known, min(max(start + inner + 12, 84.0), widest))


# ---------------------------------------------------------------- the trees of a layer


def _trees(section: Section) -> list[_Tree] | None:
    """The trees of a layer's activations, `let`s and result; None where they do not fit on a page."""
    if not isinstance(section.definition, ir.Layer) or not isinstance(section.proved.proof, LayerProof):
        return None
    found = []
    for formula in section.formulas:
        last = formula.steps[-1]
        parent = next((s for s in section.steps[last.number :] if last.number in s.premises), None)
        named = parent.text if parent is not None and parent.node.rule == "LET" else ""
        final = parent if parent is not None and not named else None
        tree = _placed(formula.steps, section, named, final)
        if tree is None:
            return None
        found.append(tree)
    return found or None


def _placed(steps: Sequence[Step], section: Section, named: str, final: Step | None) -> _Tree | None:
    """One tree; `named` is what its conclusion defines, `final` a step that follows from it."""
    shown = [*steps, final] if final is not None else [*steps]
    base = 1 if final is not None else 0
    place = {step.number: i for i, step in enumerate(shown)}
    boxes = [_box(s, section, _WIDEST, named=named if s is steps[-1] else "") for s in shown]
    above = [[place[n] for n in step.premises if n in place] for step in shown]
    depths = [step.depth - steps[-1].depth + base for step in steps] + [0] * base
    if max(depths) >= _TALLEST:
        return None
    # How far each tree reaches to the left and right of the middle of its last box, and where its premises stand.
    reach: list[tuple[float, float]] = []
    shifts: list[list[float]] = []
    for box, parts in zip(boxes, above, strict=True):  # premises come first
        at, middles = 0.0, []
        for k in parts:
            middles.append(at + reach[k][0])
            at += sum(reach[k]) + _GAP
        joint = (middles[0] + middles[-1]) / 2 if middles else 0.0
        shifts.append([middle - joint for middle in middles])
        half = box.width / 2
        reach.append((max(half, joint), max(half, at - _GAP - joint)))
    wide = sum(reach[-1])
    if wide > _TREE:
        return None
    middles = [0.0] * len(shown)
    middles[-1] = reach[-1][0]
    for i in reversed(range(len(shown))):
        for k, shift in zip(above[i], shifts[i], strict=True):
            middles[k] = middles[i] + shift
    high = max(depths)
    placed = [
        (box, middle - box.width / 2, (high - depth) * (_HIGH + _RISE))
        for box, middle, depth in zip(boxes, middles, depths, strict=True)
    ]
    edges = [(i, parts) for i, parts in enumerate(above) if parts]
    return _Tree(placed, edges, wide, high * (_HIGH + _RISE) + _HIGH)
