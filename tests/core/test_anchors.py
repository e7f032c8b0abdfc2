"""Anchors of kernels: what words mean, and those that are given by row and column."""

from __future__ import annotations

import pytest

import mintdsl
from mintdsl.core import ir
from mintdsl.core.canonical import Statement
from mintdsl.core.map_kinds import Anchor
from mintdsl.driver import Program
from mintdsl.tools.fixes import formatted

NAMED = [  # rows and columns of the kernel, a direction, a word and the tap that it stands for
    ("3x3", "", "centre", (1, 1)),
    ("1x5", "", "centre", (0, 2)),
    ("2x4", "", "top_left", (0, 0)),
    ("2x4", "", "top_right", (0, 3)),
    ("2x4", "", "bottom_left", (1, 0)),
    ("2x4", "upper", "bottom_right", (1, 3)),
    ("2x4", "lower", "corner", (1, 3)),
    ("2x4", "upper", "corner", (0, 0)),
    ("1x1", "lower", "corner", (0, 0)),
]


def program(kind: str, formals: str = "") -> Program:
    return mintdsl.loads(
        f"mint 1\nconst two = 2\nlayer L{formals} on Image[C, H, W] {{\n  param W : {kind}\n  map x -> W(x)\n}}\n"
    )


def anchored(kind: str, formals: str = "") -> tuple[Anchor, object]:
    """The anchor of the kernel, and the statement."""
    core, bag = program(kind, formals).core()
    assert not bag.has_errors
    key = core.find("L")
    assert key is not None
    layer = core.definitions[key]
    assert isinstance(layer, ir.Layer) and isinstance(layer.params[0].kind, ir.Conv)
    return layer.params[0].kind.anchor, Statement(core, key).data()


@pytest.mark.parametrize(("size", "direction", "word", "tap"), NAMED)
def test_a_word_and_its_numbers_are_one_program(size: str, direction: str, word: str, tap: tuple[int, int]) -> None:
    named, given = (anchored(f"conv {size} {direction} (anchor = {anchor})") for anchor in (word, tap))
    assert named == given and named[0] == tap


def test_only_a_corner_that_follows_a_formal_stays_a_word() -> None:
    for word, found in (("corner", "corner"), ("bottom_left", (1, 0)), ("(0, 1)", (0, 1)), ("(two - 1, two)", (1, 2))):
        assert anchored(f"conv 2x4 tri (anchor = {word})", "(tri: Dir)")[0] == found


@pytest.mark.parametrize(
    ("kind", "code", "title", "repaired"),
    [
        ("3x4 (anchor = (3, 0))", "E0306", "a 3x4 kernel has no tap (3, 0)", "3x4 (anchor = (2, 0))"),
        ("3x4 (anchor = (0, 4))", "E0306", "a 3x4 kernel has no tap (0, 4)", "3x4 (anchor = (0, 3))"),
        ("3x4 (anchor = (0 - 1, 9))", "E0306", "a 3x4 kernel has no tap (-1, 9)", "3x4 (anchor = (0, 3))"),
        ("3x4 ((7, 7), norm = none)", "E0306", "a 3x4 kernel has no tap (7, 7)", "3x4 ((2, 3), norm = none)"),
        ("2x4 (centre)", "E0306", "a 2x4 kernel has no centre", "2x4 (bottom_right)"),
        ("3x4 (anchor = 1)", "E0209", "this is no value of the option `anchor`", ""),
        ("3x4 (anchor = middle)", "E0209", "`middle` is no value of the option `anchor`", ""),
        ("3x4 (anchor = (1, 2, 0))", "E0209", "`anchor` takes a row and a column", ""),
        ("3x4 (anchor = (C, 0))", "E0211", "a number is needed here: `C` depends on formals", ""),
        ("3x4 (anchor = (1.5, 0))", "E0211", "a size is needed here: this is no whole number", ""),
        ("3x4 (anchor = (-1, 0))", "E0211", "a size is needed here: a size is not negative", ""),
    ],
)
def test_what_is_no_tap_is_refused(kind: str, code: str, title: str, repaired: str) -> None:
    made = program(f"conv {kind}")
    (found,) = (d for d in made.check().diagnostics if d.code != "W0201")
    assert (found.code, found.title) == (code, title)
    if repaired:
        text = made.sources[made.main].text
        for edit in found.fixes[0].edits:
            text = text[: edit.span.start] + edit.text + text[edit.span.end :]
        assert repaired in text
        assert not mintdsl.loads(text).core()[1].has_errors


def test_the_formatter_keeps_the_pair() -> None:
    made = program("conv 3x4 lower(anchor=( 1,2 ),dilation=2)")
    text = formatted(made)
    assert "conv 3x4 lower (anchor = (1, 2), dilation = 2)" in text
    assert formatted(mintdsl.loads(text)) == text
