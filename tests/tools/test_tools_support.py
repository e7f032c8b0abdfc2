"""`mint prove --support` and `mint draw --support`: the figures shown are those of the analysis."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from math import prod
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import mintdsl
from mintdsl.proof.stages import Network, flat, network
from mintdsl.proof.support import support
from mintdsl.resources import resource
from mintdsl.tools.cli import cli
from mintdsl.tools.scene import Rect, Words, bounds, svg
from mintdsl.tools.support import index
from mintdsl.tools.support_picture import MOST_PANELS, Picture, middle, picture, scene

PROGRAM = """mint 1
layer One(tri: Dir) on Image[C, H, W] ensures tri, diag > 0, invertible {
  param A : conv 3x3 tri with diag > 0
  map x -> A(x)
}
layer Scale on Image[C, H, W] ensures diag > 0, invertible { param t : scale with diag > 0  map x -> t * x }
layer Full(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible { param A : linear tri with diag > 0  map x -> A(x) }
flow Blind(N: Nat = 2) on Image[2, 4, 6] ensures invertible {
  repeat N { Scale  One(tri = lower) }
  squeeze 2
  One(tri = upper)
}
flow Paired on Image[6, 4, 4] ensures invertible { pair { One(tri = lower)  One(tri = upper) }  One(tri = upper) }
flow Row on Vec[40] ensures invertible { pair { Full(tri = lower)  Full(tri = upper) } }
flow Still on Image[1, 2, 2] ensures invertible { squeeze 2 }
flow Moved on Image[1, 4, 4] ensures invertible {
  One(tri = lower)
  reverse(axis = all)
  patches 2
  flatten
  Full(tri = lower)
}
flow Long on Image[1, 40, 2] ensures invertible { repeat 30 { One(tri = lower) } }
flow Halves on Image[2, 4, 4] ensures invertible {
  pair { One(tri = lower)  One(tri = upper) }
  factor half
  squeeze 2
  repeat 2 { pair { One(tri = lower)  One(tri = upper) } }
  factor half (keep = second)
  One(tri = lower)
}
flow Open on Image[C, 4, 4] ensures invertible { One(tri = lower) }
"""


def mint(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, list(args), input=stdin)


def net_of(name: str, dims: tuple[int, ...], **args: int) -> Network:
    core, _ = mintdsl.loads(PROGRAM).core()
    key = core.find(name)
    assert key is not None
    return network(core, key, dims, args)


def mnist() -> Network:
    core, _ = mintdsl.load(resource("specs") / "mintnet/mnist.mint").core()
    key = core.find("Mnist")
    assert key is not None
    return network(core, key, (1, 28, 28), {})


# ---------------------------------------------------------------- prove


def test_prove_shows_the_published_figures() -> None:
    result = mint("prove", "mintnet/mnist.mint", "Mnist", "--brief", "--support")
    assert result.exit_code == 0
    section = result.output[result.output.index("\nSupport: ") :]
    assert "flow Mnist on Image[1, 28, 28]\n    each of 784 outputs sees each of 784 inputs\n" in section
    assert re.findall(r"(\d+) +(\d+) of 784 +(\d+) of 784 +(\d+ of 784|none)\n", section)[:9] == [
        ("1", "79", "16", "784 of 784"),
        ("2", "283", "64", "784 of 784"),
        ("3", "507", "139", "784 of 784"),
        ("4", "696", "241", "784 of 784"),
        ("5", "784", "370", "756 of 784"),
        ("6", "784", "487", "594 of 784"),
        ("7", "784", "595", "378 of 784"),
        ("8", "784", "694", "180 of 784"),
        ("9", "784", "784", "none"),
    ]
    assert "the centre sees all 784 inputs after 5 pairs, every output after 9\n" in section
    assert section.count("copies of the pair Mint(tri = lower) and Mint(tri = upper) alone") == 3


def test_without_the_option_nothing_is_walked() -> None:
    assert "Support: " not in mint("prove", "mintnet/mnist.mint", "Mnist", "--brief").output


def test_prove_names_blind_outputs() -> None:
    found = support(net_of("Blind", (2, 4, 6), N=3))
    output = mint("prove", "-", "Blind", "-D", "N=3", "--support", stdin=PROGRAM).output
    worst = min(found.counts)
    assert 0 < worst < 48
    assert f"{len(found.blind)} of 48 outputs have blind spots among the 48 inputs" in output
    assert re.search(rf"the worst, such as \(\d, \d, \d\), sees {worst}\n", output)
    assert re.search(rf"the best, such as \(\d, \d, \d\), sees {max(found.counts)}\n", output)


def test_prove_says_what_it_does_not_compute() -> None:
    result = mint("prove", "-", "--support", stdin=PROGRAM)
    assert result.exit_code == 0
    assert "not computed: `Image[C, 4, 4]` leaves sizes open" in result.output
    assert "layer One on Image[C, H, W]" in result.output
    assert "of 27 sampled outputs" not in result.output
    sampled = mint("prove", "mintnet/mnist_classifier.mint", "MnistClassifier", "--support")
    assert "sampled: 27 of 12,544 outputs, first, middle and last along each axis" in sampled.output
    assert "each of 27 sampled outputs sees each of 784 inputs" in sampled.output


def test_prove_of_pairs_that_stay_blind() -> None:
    text = """mint 1
layer Row(tri: Dir) on Image[C, H, W] ensures tri, diag > 0, invertible {
  param A : conv 1x3 tri with diag > 0
  map x -> A(x)
}
flow F on Image[1, 3, 4] ensures invertible { repeat 2 { pair { Row(tri = lower)  Row(tri = upper) } } }"""
    output = mint("prove", "-", "F", "--support", stdin=text).output
    assert "no number of pairs is enough: after 4 pairs one more adds nothing" in output
    assert "12 of 12 outputs have blind spots among the 12 inputs" in output


def test_a_refused_program_has_no_section() -> None:
    text = "mint 1\nflow F on Image[1, 3, 3] ensures invertible { squeeze 2 }"
    result = mint("prove", "-", "F", "--support", stdin=text)
    assert result.exit_code == 1 and "Support: " not in result.output


# ---------------------------------------------------------------- draw


def words(found: Picture) -> list[str]:
    return [shape.text for shape in scene(found).shapes if isinstance(shape, Words)]


def test_panels_of_the_published_model() -> None:
    net = mnist()
    found = picture(net, "Mnist", middle(net))
    assert found.own == flat((0, 14, 14), (1, 28, 28)) and found.output == "(12, 3, 3)"
    assert [len(panel.seen) for panel in found.panels] == [79, 283, 507, 696, 784, 784, 784, 784]
    worst = [min(panel.every.counts) for panel in found.panels if panel.every is not None]
    assert worst == [16, 64, 139, 241, 370, 487, 725, 784]
    assert [sorted(panel.places) for panel in found.panels] == [list(range(784))] * 8
    said = words(found)
    assert "after 1 pair" in said and "it sees 79 of 784" in said and "the worst output sees 16" in said
    assert "Of 20 pairs: it sees all after 5 pairs, every output does after 8 pairs" in said


@pytest.mark.parametrize(
    ("name", "dims", "titles"),
    [
        ("Blind", (2, 4, 6), ["1 layer", "2 layers", "3 layers"]),
        ("Paired", (6, 4, 4), ["1 pair", "all steps"]),
        ("Row", (40,), ["1 pair"]),
        ("Still", (1, 2, 2), ["all steps"]),
        ("Moved", (1, 4, 4), ["1 layer", "2 layers"]),
        ("Long", (1, 40, 2), [f"{n} layer{'s' * (n > 1)}" for n in range(1, MOST_PANELS)] + ["all steps"]),
    ],
)
def test_panels_and_their_page(name: str, dims: tuple[int, ...], titles: list[str]) -> None:
    net = net_of(name, dims, **({"N": 2} if name == "Blind" else {}))
    for output in {0, middle(net), prod(net.outputs) - 1}:
        found = picture(net, name, output)
        last = found.panels[-1]
        if output == middle(net):
            assert [panel.title for panel in found.panels] == titles
        whole = support(net)
        assert last.seen == whole.seen(output)
        assert last.every is not None and last.every.counts == whole.counts
        assert found.own == last.places[output]
        page = scene(found)
        assert svg(page) == svg(scene(found))
        ET.fromstring(svg(page))
        right, bottom = bounds(page.shapes)
        assert right <= page.width - 20 and bottom <= page.height - 10


def test_cells_are_where_they_belong() -> None:
    """On a page of one panel of one plane, rectangles of the colour of seen inputs cover those and no others."""
    net = net_of("Long", (1, 40, 2))
    found = picture(net, "Long", 41)
    panel = found.panels[1]
    alone = Picture(found.name, found.inputs, found.output, found.own, (panel,), found.whole)
    cell = 168 / 40
    seen = set()
    for shape in scene(alone).shapes:
        if isinstance(shape, Rect) and shape.fill == "#2a68b0" and shape.radius == 0:
            row, column = round((shape.y - 150) / cell), round((shape.x - 40) / cell)
            seen |= {row * 2 + column + k for k in range(round(shape.width / cell))}
    assert seen == panel.seen and 0 < len(seen) < 80


def test_files(tmp_path: Path) -> None:
    from PIL import Image

    out = tmp_path / "seen.png"
    assert mint("draw", "mintnet/mnist.mint", "-o", str(out), "--support").exit_code == 0
    with Image.open(out) as image:
        assert image.width > 1000 and len(image.getcolors(10**6) or ()) > 20
    spec = tmp_path / "p.mint"
    spec.write_text(PROGRAM)
    drawn = mint("draw", str(spec), "Blind", "-D", "N=3", "--support", "7,1,2", "-o", "-")
    assert drawn.exit_code == 0
    assert "What output (7, 1, 2) can see of 48 inputs (2 x 4 x 6)" in drawn.output
    assert "after 4 layers" in drawn.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--support", "8,0,0"], "outputs go from 0,0,0 to 7,1,2"),
        (["--support", "0,0"], "outputs go from 0,0,0 to 7,1,2"),
        (["--support", "corner"], "give an output such as 0,0,0, or centre"),
        (["--support", "9" * 40], "give an output such as 0,0,0, or centre"),
        (["--support", "centre", "-o", "x.pdf"], "must end in .svg or .png"),
        (["--support", "centre", "--engine", "dot"], "drawn by mint itself"),
    ],
)
def test_what_cannot_be_drawn(arguments: list[str], said: str, tmp_path: Path) -> None:
    spec = tmp_path / "p.mint"
    spec.write_text(PROGRAM)
    result = mint("draw", str(spec), "Blind", *arguments)
    assert result.exit_code == 2 and said in result.stderr
    result = mint("draw", str(spec), "Open", "--support")
    assert result.exit_code == 2 and "leaves sizes open" in result.stderr


def test_index() -> None:
    assert index("1,2,3", (2, 3, 4)) == 23
    with pytest.raises(ValueError, match="0,0,0 to 1,2,3"):
        index("1,3,0", (2, 3, 4))


def test_a_latent_of_parts() -> None:
    """Panels go on behind a factor, with what left at its place among the inputs."""
    net = net_of("Halves", (2, 4, 4))
    assert net.outputs == (32,)
    found = picture(net, "Halves", middle(net))
    assert [panel.title for panel in found.panels] == ["1 pair", "2 pairs", "3 pairs", "all steps"]
    assert all(sorted(panel.places) == list(range(32)) for panel in found.panels)
    whole = support(net)
    assert whole.watched == tuple(range(32)) and found.panels[-1].every == whole
    assert found.panels[-1].seen == whole.seen(middle(net))
    # the 16 that leave first have been through one pair alone, as in a flow of that pair
    first = found.panels[0].every
    assert first is not None and [whole.seen(k) for k in range(16)] == [first.seen(k) for k in range(16, 32)]
    assert svg(scene(found)).count("<rect") > 4 * 32
    shown = mint("prove", "-", "Halves", "--brief", "--support", stdin=PROGRAM)
    assert shown.exit_code == 0 and "the centre (16) sees" in shown.output
    assert shown.output.count("copies of the pair") == 2
    drawn = mint("draw", "-", "Halves", "--support", "31", "-o", "-", stdin=PROGRAM)
    assert drawn.exit_code == 0 and "What output (31) can see" in drawn.output
