"""Several mistakes in one file: each is reported once, and none brings others after it."""

from __future__ import annotations

import mintdsl
from mintdsl.diagnostics.model import Severity


def found(text: str) -> list[tuple[str, str]]:
    report = mintdsl.loads(text).check()
    return [
        (d.code, report.sources[d.primary.file].slice(d.primary))
        for d in report.diagnostics
        if d.severity is Severity.ERROR
    ]


def test_four_mistakes_in_four_places() -> None:
    text = """mint 1
layer A on Vec[D] ensures invertible {
  param b : bias
  map x -> x + c
}
layer B on Vec[D] ensures lower, diag > 0 {
  param V : linear lower with diag >= 0
  map x -> x - V(x)
}
layer Corner on Image[C, H, W] ensures invertible {
  param k : conv 2x2 lower with diag > 0
  map x -> k(x)
}
flow F on Image[1, 7, 7] ensures invertible {
  squeeze 2
}
"""
    assert found(text) == [("E0201", "c"), ("E0403", "V(x)"), ("E0306", "conv 2x2 lower"), ("E0302", "squeeze 2")]


def test_four_mistakes_in_one_layer() -> None:
    text = """mint 1
layer A(K: Int) on Vec[D] ensures invertble {
  param s : scale with diag > 0 via soft
  param V : lineer lower
  map x -> V(s * x) + t
}
"""
    assert found(text) == [
        ("E0201", "Int"),
        ("E0214", "invertble"),
        ("E0201", "soft"),
        ("E0201", "lineer"),
        ("E0201", "t"),
    ]


def test_syntax_and_meaning_together() -> None:
    text = """mint 1
layer A on Vec[D] ensures diag = 1 {
  map x -> x
}
layer B on Vec[D] ensures invertible {
  param s : scale with diag > 0
  map x -> s * x ** 2
}
layer C on Vec[D] ensures invertible {
  param W : linear
  map x -> W(x)
}
flow F on Vec[4] {
  repeat 0 { C }
  dequantize 256
}
"""
    assert found(text) == [
        ("E0101", "="),
        ("E0103", "**"),
        ("E0409", "W(x)"),
        ("E0307", "0"),
        ("E0605", "dequantize 256"),
    ]


def test_a_definition_that_cannot_be_read_poisons_its_name() -> None:
    text = """mint 1
layer A on Vec[D] ensures invertible {
  param s : scale
}
layer B on Vec[D] ensures invertible {
  param V : linear upper lower
  map x -> V(x)
}
flow F on Vec[4] ensures invertible {
  A
  B
}
"""
    codes = [code for code, _ in found(text)]
    assert codes == ["E0101", "E0101"]


def test_a_broken_parameter_is_silent_where_it_is_used() -> None:
    text = """mint 1
layer A on Vec[D] ensures invertible {
  param V : lineal lower with diag > 0
  map x {
    let u = V(x)
    let v = u + V(u)
    return x + v
  }
}
flow F on Vec[4] ensures invertible { A  repeat 3 { A } }
"""
    assert found(text) == [("E0201", "lineal")]


def test_a_broken_import_is_silent_where_it_is_used() -> None:
    text = """mint 1
import "mintnet/none.mint" { Mint, MintPair }
flow F on Image[1, 4, 4] ensures invertible {
  Mint(K = 1, tri = lower)
  MintPair(K = 2)
}
"""
    assert found(text) == [("E0202", '"mintnet/none.mint"')]


def test_a_refused_layer_is_blamed_once_for_all_its_uses() -> None:
    text = """mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param s : scale
  map x -> s * x
}
flow F on Vec[4] { A  A  repeat 3 { A } }
flow G on Vec[4] { A  A }
"""
    assert found(text) == [("E0401", "s")]


def test_a_refused_layer_is_blamed_once_below_flows_of_flows() -> None:
    text = """mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param s : scale
  map x -> s * x
}
flow F on Vec[4] ensures invertible { A }
flow G on Vec[4] ensures invertible { F  A }
"""
    assert found(text) == [("E0401", "s")]


def test_a_broken_const_is_reported_where_it_stands() -> None:
    text = """mint 1
const N = M
layer A(K: Nat) on Vec[D] ensures diag > 0 {
  param s : scale with diag > 0
  map x -> s * x
}
flow F on Vec[4] ensures invertible { A(K = N) }
"""
    assert found(text) == [("E0201", "M")]
