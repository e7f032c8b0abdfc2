"""W0602, the blind border: it never fires where an output sees all, and what it says is true of the support."""

from __future__ import annotations

import random
import re

import pytest

import mintdsl
from mintdsl.core import ir
from mintdsl.diagnostics.codes import page
from mintdsl.driver import Report
from mintdsl.proof.stages import flat, network, place
from mintdsl.proof.support import support

ONE = """mint 1
order slanted = (2 * h - w, c)
layer One(tri: Dir = lower, o: Order = raster) on Image[C, H, W] ensures tri, diag > 0, invertible {
  order o
  param t : scale with diag > 0
  param A, B : conv 3x3 tri with diag > 0
  map x { let u = tanh(A(x))
    return t * x + B(u) + u }
}
layer Thin(tri: Dir = lower) on Image[C, H, W] ensures tri, diag > 0, invertible {
  param A : conv 1x2 tri (anchor = corner) with diag > 0
  map x -> A(x)
}
layer Scale on Image[C, H, W] ensures diag > 0, invertible { param t : scale with diag > 0  map x -> t * x }
flow Inner on Image[C, H, W] ensures invertible { One  Thin(tri = upper) }
"""


def checked(text: str) -> tuple[Report, list[str]]:
    report = mintdsl.loads(ONE + text).check("F")
    assert report.ok, report.diagnostics
    return report, [d.title for d in report.diagnostics if d.code == "W0602"]


STEPS = (
    "One",
    "One(tri = upper)",
    "One(tri = upper, o = channel_major)",
    "One(o = slanted)",
    "Thin",
    "Thin(tri = upper)",
    "Scale",
    "Inner",
    "pair { One(tri = lower)  One(tri = upper) }",
    "repeat 3 { pair { One(tri = lower)  One(tri = upper) } }",
    "repeat 2 { Inner  repeat 2 { Scale } }",
    "squeeze 2",
    "squeeze 2  One  unsqueeze 2",
    "squeeze 2 (layout = alternate)  reverse  One  permute(seed = 3)  unsqueeze 2",
    "reverse(axis = all)",
    "One  reverse(axis = all)  Thin",
    "repeat 3 { One  reverse(axis = all) }",
    "permute(axis = all)",
    "repeat 2 { squeeze 2  One(tri = upper, o = corner)  unsqueeze 2  Thin }",
)
SAID = re.compile(
    r"no output in the (first|last) (row|column) of the latent sees the (first|last) (\d+) of (\d+) (?:row|column)s, "
    r"for any weights"
)


def misses(core: ir.Program, dims: tuple[int, ...], title: str) -> None:
    """Each output in the row or column that the title names misses every input that it names."""
    said = SAID.fullmatch(title)
    assert said is not None, title
    end, axis, other, count, size = said[1], 1 + (said[2] == "column"), said[3], int(said[4]), int(said[5])
    assert dims[axis] == size and 0 < count < size and end != other
    key = core.find("F")
    assert key is not None
    found = support(network(core, key, dims, {}))
    border = 0 if end == "first" else found.outputs[axis] - 1
    lost = range(count) if other == "first" else range(size - count, size)
    for output in found.watched:
        if place(output, found.outputs)[axis] == border:
            assert not any(place(q, dims)[axis] in lost for q in found.seen(output))


@pytest.mark.parametrize("seed", range(60))
def test_what_it_says_is_true(seed: int) -> None:
    numbers = random.Random(seed)
    dims = (numbers.randint(1, 2), 4 * numbers.randint(1, 3), 4 * numbers.randint(1, 4))
    steps = ["One", *numbers.choices(STEPS, k=numbers.randint(0, 3))]
    halved = sum(s == "squeeze 2" for s in steps)
    steps = [s for s in steps if halved < 2 or "squeeze" not in s]
    text = f"flow F on Image[{', '.join(map(str, dims))}] ensures invertible {{ {'  '.join(steps)}  prior normal }}"
    report = mintdsl.loads(ONE + text)
    titles = checked(text)[1]
    for title in titles:
        misses(report.core()[0], dims, title)


def test_random_flows_meet_both_outcomes() -> None:
    found = []
    for copies in range(1, 8):
        found.append(bool(checked(f"flow F on Image[1, 9, 9] {{ repeat {copies} {{ Inner }}  prior normal }}")[1]))
    assert found == [True] * 7  # nothing reads down: `lower` in raster goes up, `Thin` stays in its row
    pairs = "repeat COUNT { pair { One(tri = lower)  One(tri = upper) } }"
    text = f"flow F on Image[1, 9, 9] ensures invertible {{ {pairs}  prior normal }}"
    assert [len(checked(text.replace("COUNT", str(n)))[1]) for n in (1, 2, 3, 4, 5)] == [1, 1, 1, 0, 0]


def test_the_bound_is_met_exactly_for_plain_pairs() -> None:
    """At the least number of pairs that is not warned of, a border sees the other one, though not yet all of it."""
    text = """flow F on Image[1, 9, 9] ensures invertible {
      repeat 4 { pair { One(tri = lower)  One(tri = upper) } }  prior normal }"""
    assert checked(text)[1] == []
    core, _ = mintdsl.loads(ONE + text).core()
    key = core.find("F")
    assert key is not None
    found = support(network(core, key, (1, 9, 9), {}))
    assert flat((0, 8, 8), (1, 9, 9)) in found.seen(0)


def test_where_it_is_silent() -> None:
    pair = "pair { One(tri = lower)  One(tri = upper) }"
    assert checked(f"flow F on Image[1, 9, 9] {{ {pair} }}")[1] == []  # no prior: a part of something
    assert checked(f"flow F on Image[1, H, W] {{ {pair}  prior normal }}")[1] == []  # sizes are open
    assert checked("flow F on Image[1, 9, 9] { Scale  prior normal }")[1] == []  # no convolution: meant so
    assert checked(f"flow F on Image[4, 1, 1] {{ {pair}  prior normal }}")[1] == []
    many = f"flow F on Image[1, 64, 64] {{ repeat 20000 {{ squeeze 2  {pair}  unsqueeze 2 }}  prior normal }}"
    assert checked(many)[1] == []


def test_an_image_in_front_of_a_vector() -> None:
    """What only moves entries of the image changes nothing; what mixes them ends the bound."""
    pair = "pair { One(tri = lower)  One(tri = upper) }"
    plain = checked(f"flow F on Image[1, 9, 9] {{ {pair}  prior normal }}")[1]
    assert len(plain) == 1
    swapped = "transpose(height, width)"
    for after in (
        "flatten",
        swapped,
        f"{swapped}  {swapped}  flatten",
        "reverse  patches 3",
        "patches 3  permute(axis = time)  flatten  reverse",
    ):
        assert checked(f"flow F on Image[1, 9, 9] {{ {pair}  {after}  prior normal }}")[1] == plain
    line = "layer Line on Vec[D] ensures lower, invertible { param A : linear lower with diag > 0  map x -> A(x) }\n"
    for after in ("flatten  Line", "permute(axis = all)", "transpose(channel, width)"):
        assert checked(f"{line}flow F on Image[1, 9, 9] {{ {pair}  {after}  prior normal }}")[1] == []


def test_vectors_are_left_alone() -> None:
    text = """mint 1
layer L(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible { param A : linear tri with diag > 0  map x -> A(x) }
flow F on Vec[6] ensures invertible { pair { L(tri = lower)  L(tri = upper) }  prior normal }"""
    assert not mintdsl.loads(text).check().diagnostics


def test_the_repaired_program_of_the_page_sees_everything() -> None:
    text = page("W0602").split("```mint accepted\n")[1].split("```")[0]
    core, _ = mintdsl.loads(text).core()
    key = core.find("F")
    assert key is not None
    assert not support(network(core, key, (1, 8, 8), {})).blind
