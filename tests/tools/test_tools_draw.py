"""The drawing: well-formed, deterministic, complete, without overlaps."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import mintdsl
from mintdsl.core.claim_words import CLOSED, INVERSES
from mintdsl.resources import resource
from mintdsl.tools.architecture import Architecture, architecture
from mintdsl.tools.cli import cli
from mintdsl.tools.draw import digraph
from mintdsl.tools.layout import glyph, layout
from mintdsl.tools.scene import Rect, Words, bounds, fitted, pieces, svg, text_width

SMALL = "mintnet/mnist_small.mint"
LONG = """mint 1
import "mintnet/mint.mint" { MintPair }
layer AVeryLongNameOfALayerThatNobodyShouldWriteButSomebodyWill(tri: Dir) on Image[C, H, W] ensures tri, invertible {
  param t : scale with diag >= 0.25, diag <= 4
  param W : conv 3x3 strict tri
  map x -> t * x + W(tanh(x))
}
layer Rescale on Image[C, H, W] ensures diag > 0, invertible {
  param t : scale with diag > 0
  map x -> t * x
}
flow Inner(K: Nat) on Image[C, H, W] ensures invertible {
  Rescale
  repeat 3 { MintPair(K = K)  Rescale }
  AVeryLongNameOfALayerThatNobodyShouldWriteButSomebodyWill(tri = upper)
}
flow Long(K: Nat = 4) on Image[3, 32, 32] ensures invertible {
  dequantize 256
  logit(0.05)
  squeeze 2
  repeat 6 { Inner(K = K) }
  repeat 5 { Rescale }
  prior normal
}
"""


def mint(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, list(args), input=stdin)


def drawn(text: str, name: str, **sizes: int) -> Architecture:
    program = mintdsl.loads(text)
    assert program.check(name, **sizes).ok
    core, _ = program.core()
    key = core.find(name)
    assert key is not None
    return architecture(core, key, sizes)


def small(**sizes: int) -> Architecture:
    return drawn((resource("specs") / SMALL).read_text(encoding="utf-8"), "MnistSmall", **sizes)


def test_blocks_of_the_small_network() -> None:
    found = small()
    kinds = [b.kind for b in found.blocks]
    assert kinds == ["data", "diagonal", "group", "permutation", "group", "permutation", "group", "prior"]
    first = found.blocks[2]
    assert first.copies == "2" and first.pair and first.title == "MintPair(K = 16): pair"
    assert [p.kind for p in first.parts] == ["lower", "upper"]
    assert [b.shape for b in found.blocks][3:5] == ["Image[1, 28, 28]", "Image[4, 14, 14]"]


CONDITIONAL = """mint 1
layer Shift on Vec[D] given h: Vec[D] ensures invertible { map x { return x + h } }
layer Plain on Vec[D] ensures invertible { map x { return 2 * x } }
flow F on Vec[3] given h: Vec[3] ensures invertible { Shift  Plain  prior normal }
"""


def test_the_context_is_shown_where_it_enters() -> None:
    found = drawn(CONDITIONAL, "F")
    assert found.given == "h: Vec[3]"
    assert [b.title for b in found.blocks] == ["Shift given h", "Plain", "prior normal"]
    assert "given h: Vec[3]" in svg(layout(found))
    assert "given h: Vec[3]" in digraph(found).source
    assert small().given == ""


def test_steps_that_move_entries_are_drawn_as_they_are_written() -> None:
    moves = (
        "squeeze 2",
        "permute(axis = all, seed = 4)",
        "unsqueeze 2",
        "reverse(axis = channel)",
        "transpose(height, width)",
        "patches 2",
        "flatten",
    )
    found = drawn(f"mint 1\nflow F on Image[1, 4, 6] {{ {'  '.join(moves)} }}", "F")
    assert tuple(b.title for b in found.blocks) == moves
    assert {(b.kind, b.log_det) for b in found.blocks} == {("permutation", "0")}
    shapes = ["Image[1, 4, 6]", *["Image[4, 2, 3]"] * 2, *["Image[1, 4, 6]"] * 2, "Image[1, 6, 4]", "Seq[6, 4]"]
    assert [b.shape for b in found.blocks] == shapes and found.blocks[-1].result == "Vec[24]"
    scene = layout(found)
    assert "reverse(axis = channel)" in [w.text for w in scene.shapes if isinstance(w, Words)]


@pytest.mark.parametrize("sizes", [{}, {"K": 32}, {"K": 64}])
def test_counts_agree_with_check(sizes: dict[str, int]) -> None:
    counts = mintdsl.load(resource("specs") / SMALL).check("MnistSmall", **sizes).results[0].counts
    found = small(**sizes).counts
    assert found is not None and counts is not None
    assert (found.stored, found.live) == (counts.stored, counts.live)


def test_svg_is_well_formed_and_deterministic() -> None:
    text = svg(layout(small()))
    assert text == svg(layout(small()))
    root = ET.fromstring(text)
    words = ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]
    for expected in ("MnistSmall", "dequantize 256", "x 2", "Image[16, 7, 7]", "2 x 6,818 / 4,514", "prior normal"):
        assert expected in words
    assert "bijection of (-1e-06, 1)784 onto R784" in words  # exponents are raised


def test_every_accepted_spec_can_be_drawn() -> None:
    for path in sorted(resource("specs").glob("*/*.mint")):
        program = mintdsl.load(path)
        report = program.check()
        core, _ = program.core()
        for result in report.results if report.ok else ():
            scene = layout(architecture(core, result.key, {}))
            ET.fromstring(svg(scene))
            right, bottom = bounds(scene.shapes)
            assert right <= scene.width and bottom <= scene.height


def test_nothing_overlaps() -> None:
    scene = layout(drawn(LONG, "Long"))
    right, bottom = bounds(scene.shapes)
    assert right <= scene.width - 20 and bottom <= scene.height - 10
    words = [w for w in scene.shapes if isinstance(w, Words)]
    boxes = []
    for w in words:
        wide = text_width(w.text, w.size, bold=w.bold)
        left = w.x - {"l": 0.0, "m": wide / 2, "r": wide}[w.anchor]
        boxes.append((left, w.y - w.size / 2, left + wide, w.y + w.size / 2, w.text))
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart, (a[4], b[4])
    rects = [(r.x, r.y, r.x + r.width, r.y + r.height) for r in scene.shapes if isinstance(r, Rect) and r.height > 30]
    for i, a2 in enumerate(rects):
        for b2 in rects[:i]:
            apart = a2[2] <= b2[0] or b2[2] <= a2[0] or a2[3] <= b2[1] or b2[3] <= a2[1]
            inside = a2[0] >= b2[0] and a2[1] >= b2[1] and a2[2] <= b2[2] and a2[3] <= b2[3]
            sheet = abs(a2[0] - b2[0]) <= 6 and abs(a2[1] - b2[1]) <= 6  # the sheet behind a repeated frame
            assert apart or inside or sheet, (a2, b2)


def test_long_names_are_cut_and_kept_as_a_tip() -> None:
    text = svg(layout(drawn(LONG, "Long")))
    assert "<title>AVeryLongNameOfALayerThatNobodyShouldWriteButSomebodyWill(tri = upper)</title>" in text
    assert text_width(fitted("W" * 500, 12, 100), 12) <= 100


def test_symbols_stay_symbols() -> None:
    found = drawn(LONG, "Inner")
    assert found.counts is None and found.shape == "Image[C, H, W]"
    layer = drawn(LONG, "AVeryLongNameOfALayerThatNobodyShouldWriteButSomebodyWill")
    assert layer.blocks[0].kind == "triangular"
    assert list(pieces("R^784 onto R^D")) == [("R", False), ("784", True), (" onto R", False), ("D", True)]


def test_files(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("a.svg", "a.png", "a.dot"):
        assert mint("draw", SMALL, "-o", str(tmp_path / name)).exit_code == 0
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 1000 and len(image.getcolors(10**6) or ()) > 50
    assert (tmp_path / "a.dot").read_text().startswith("digraph MnistSmall {")
    assert mint("draw", SMALL, "-o", "-").output == (tmp_path / "a.svg").read_text()
    for wrong in ("a.txt", "a", "no/such/a.svg", "no/such/a.png"):
        result = mint("draw", SMALL, "-o", str(tmp_path / wrong))
        assert result.exit_code == 2 and result.stderr.startswith("mint: ")
    assert mint("draw", SMALL, "-o", str(tmp_path / "a.pdf"), "--engine", "mint").exit_code == 2


def test_refused_programs_are_not_drawn(tmp_path: Path) -> None:
    out = tmp_path / "x.svg"
    text = "mint 1\nlayer S on Vec[D] ensures invertible {\n  map x -> tanh(x)\n}\n"
    assert mint("draw", "-", "-o", str(out), stdin=text).exit_code == 1
    assert not out.exists()


def test_without_dot_the_message_is_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = mint("draw", SMALL, "-o", str(tmp_path / "a.pdf"))
    assert result.exit_code == 2
    assert "apt install graphviz" in result.stderr and ".svg and .png" in result.stderr
    assert mint("draw", SMALL, "-o", str(tmp_path / "a.svg")).exit_code == 0


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_with_dot(tmp_path: Path) -> None:
    for name in ("a.svg", "a.pdf", "a.png"):
        assert mint("draw", SMALL, "-o", str(tmp_path / name), "--engine", "dot").exit_code == 0
        assert (tmp_path / name).stat().st_size > 1000


def test_too_many_steps(tmp_path: Path) -> None:
    steps = "\n".join(["  squeeze 2", "  unsqueeze 2"] * 1500)
    text = f"mint 1\nflow F on Image[4, 4, 4] ensures invertible {{\n{steps}\n}}\n"
    result = mint("draw", "-", "-o", str(tmp_path / "x.svg"), stdin=text)
    assert result.exit_code == 2 and "repeat" in result.stderr


def test_a_dense_layer_is_a_composition() -> None:
    text = "layer A on Image[C, H, W] { param W : conv 1x1 with det != 0  map x -> W(x) }\n"
    found = drawn(f"mint 1\n{text}flow F on Image[2, 4, 4] {{ A }}\n", "F").blocks[0]
    assert (found.kind, found.proof) == ("composed", "a bijection by composition")
    assert glyph("composed", 0, 0, 20)


def test_halves_that_leave() -> None:
    text = "mint 1\nflow F(N: Nat = 4) on Image[N, 4, 4] { squeeze 2  factor half  factor half (keep = second) }\n"
    found = drawn(text, "F")
    assert [block.title for block in found.blocks] == ["squeeze 2", "factor half", "factor half"]
    assert [block.result for block in found.blocks] == ["Image[16, 2, 2]", "Image[8, 2, 2]", "Image[4, 2, 2]"]
    assert "second half leaves" in found.blocks[1].proof and "first half leaves" in found.blocks[2].proof
    assert found.shape == "Image[4, 4, 4]" and found.result == "Vec[64]"
    net = "net N(w: Nat) from Vec[D] to (Vec[D], Vec[D]) { param V : linear from Vec[D] to Vec[w]\n"
    net += "  param W : linear from Vec[w] to Vec[D]  map x -> (W(V(x)), x) }\n"
    given = drawn(f"mint 1\n{net}flow F on Vec[4] {{ factor half (prior = N(w = 3)) }}\n", "F").blocks[0]
    assert (given.title, given.kind, given.log_det, given.inverse) == (
        "factor half, prior N",
        "lower",
        "exact",
        INVERSES[CLOSED],
    )
    assert given.counts is not None and given.counts.stored == 12 and "by a net" in given.proof
    free = drawn("mint 1\nflow F on Vec[D] { factor half }\n", "F")
    assert free.result == "flat, of Vec[D / 2] and Vec[D / 2]"
    assert "Vec[64]" in svg(layout(found))
