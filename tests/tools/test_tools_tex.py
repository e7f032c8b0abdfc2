"""Formulas and words in LaTeX: what they look like, and that no name or text breaks out of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from tools_documents import check_body

import mintdsl
from mintdsl.core import ir
from mintdsl.core.interval import Interval
from mintdsl.core.nat import Nat
from mintdsl.core.postorder import postorder
from mintdsl.source import Span
from mintdsl.tools import tex

NOWHERE = Span("", 0, 0)
NAMES = st.text(st.sampled_from("abWxyzK_0129"), min_size=1, max_size=60).filter(lambda s: not s[0].isdigit())
TEXTS = st.text(max_size=60)


def typeset(expression: str, widest: int = 1000) -> str:
    """The formula of a layer on vectors with a parameter of each kind."""
    text = f"""mint 1
act soft(u) = u + sigmoid(u)
layer L(h: Act = soft, a: Real = 0.5, K: Nat) on Vec[D] {{
  index i, j : K
  param t, shift, s_1 : scale
  param b2[i] : bias
  param A, W1[i], W22[i, j] : linear lower
  map x -> {expression}
}}
"""
    core, found = mintdsl.loads(text).core()
    assert all(d.code.startswith("W") for d in found.sorted()), found.sorted()
    layer = core.definitions["<text>::L"]
    assert isinstance(layer, ir.Layer)
    steps = [(i + 1, "source") for i, _ in enumerate(postorder(layer.result))]
    return tex.formula(layer.result, steps, widest)[-1].tex


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("x", "x"),
        ("t * x + shift", r"t \odot x + \mathit{shift}"),
        ("(x + t) * s_1", r"(x + t) \odot \mathit{s\_}_{1}"),
        ("x - (t - x)", "x - (t - x)"),
        ("x - t - x", "x - t - x"),
        ("x + (t + x)", "x + (t + x)"),
        ("x + (-t)", "x + (-t)"),
        ("-(x + t)", "-(x + t)"),
        ("-(-x)", "-(-x)"),
        ("x * (t * x)", r"x \odot (t \odot x)"),
        ("2 * x", r"2 \, x"),
        ("x * 2", r"x \cdot 2"),
        ("a * x", r"a \, x"),
        ("0.000001 * x + 1e-9", r"10^{-6} \, x + 10^{-9}"),
        ("1.5e-7 * x", r"1.5 \cdot 10^{-7} \, x"),
        ("x / (1 + t)", r"\frac{x}{1 + t}"),
        ("h(A(x) + t)", r"h(A\,x + t)"),
        ("soft(A(A(x)))", r"\mathrm{soft}(A\,A\,x)"),
        ("A(x + t)", "A(x + t)"),
        ("A(t * x)", r"A(t \odot x)"),
        ("tanh(x) + exp(x) + log(exp(x))", r"\tanh(x) + \exp(x) + \log(\exp(x))"),
        ("abs(x)", r"\lvert x \rvert"),
        ("leaky_relu(x, 0.1)", r"\mathrm{leaky\_relu}_{0.1}(x)"),
        ("sum[i](W1[i](x) + b2[i])", r"\sum_{i} (W_{1}^{(i)}\,x + b_{2}^{(i)})"),
        ("sum[i, j](W22[i, j](x)) + x", r"\sum_{i, j} W_{22}^{(i, j)}\,x + x"),
        ("sum[i](W1[i](x)) * t", r"(\sum_{i} W_{1}^{(i)}\,x) \odot t"),
        ("x - sum[i](W1[i](x))", r"x - \sum_{i} W_{1}^{(i)}\,x"),
        ("K * x", r"K \, x"),
    ],
)
def test_formulas(expression: str, expected: str) -> None:
    found = typeset(expression)
    assert found == expected
    check_body(f"${found}$")


def test_wide_formulas_name_their_parts() -> None:
    assert typeset("h(x + x + x + x) + h(x + x)", widest=24) == r"\langle 8 \rangle + \langle 12 \rangle"
    assert typeset(" + ".join(["x"] * 100), widest=20) == r"\langle 193 \rangle + x + x + x"


def test_numbers_and_sizes() -> None:
    assert [tex.number(v) for v in (1.0, -0.0, 0.1, 1e30, -1e-12, 2.5e-8, float("inf"), float("-inf"))] == [
        "1", "0", "0.1", "10^{30}", "-10^{-12}", r"2.5 \cdot 10^{-8}", r"\infty", r"-\infty",
    ]  # fmt: skip
    assert tex.interval(Interval(1e-12, float("inf"))) == r"[10^{-12}, \infty)"
    assert tex.interval(Interval(0, 1, lo_open=True)) == "(0, 1]"
    k = Nat.symbol("K")
    assert tex.size(k * Nat.of(2) + Nat.of(1)) == r"2\,K + 1"
    assert tex.size(k.over(4)) == "K/4" and tex.size(Nat.of(0)) == "0"
    assert tex.size(Nat.of(3) - k) == "- K + 3" or tex.size(Nat.of(3) - k) == "-K + 3"
    assert tex.space(ir.Shape("Vec", (k,))) == r"\mathbb{R}^{K}"


def test_sentences() -> None:
    assert tex.prose("bijection of (-1e-06, 1)^D onto R^D") == r"bijection of $(-10^{-6}, 1)^{D}$ onto $\mathbb{R}^{D}$"
    assert tex.prose("onto R, elementwise") == r"onto $\mathbb{R}$, elementwise"
    assert tex.prose("layer R") == "layer R"
    assert tex.prose("diag in sign(W1[i, j]) * [0, inf)") == (
        r"diag in $\operatorname{sign}(W_{1}^{(i, j)})$ $\cdot$ $[0, \infty)$"
    )
    assert tex.prose("3x3 convolution, a >= 3e-4") == r"$3 \times 3$ convolution, a $\geq$ $3 \cdot 10^{-4}$"
    assert tex.prose("50% of {a_b}") == r"50\% of \{a\_b\}"


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_out(words: str) -> None:
    for found in (tex.text(words), tex.code(words), tex.prose(words), rf"{{\itshape {tex.text(words)}}}"):
        assert found.isascii()
        check_body(found)


@given(st.one_of(NAMES, TEXTS.filter(bool)), st.lists(NAMES, max_size=3))
@settings(max_examples=300, deadline=None)
def test_no_name_breaks_out(word: str, indices: list[str]) -> None:
    check_body(f"${tex.family(word, indices)}$")
    check_body(f"${tex.upright(word)}$")
    own = ir.DefinedAct(word, "u", ir.Var("u", NOWHERE))
    check_body(f"${tex.activation(ir.FormalAct(word))} + {tex.activation(own)}$")


@given(NAMES, NAMES)
@settings(max_examples=200, deadline=None)
def test_different_names_look_different(a: str, b: str) -> None:
    assert (tex.name(a) == tex.name(b)) == (a == b)


@given(
    st.lists(st.sampled_from(["R^D", "(0, 1]", " * ", "->", "sign(A)", "diag(B[i])", "1e-3", "{", "$", "\\", "3x3"]))
)
def test_sentences_of_pieces(pieces: list[str]) -> None:
    check_body(tex.prose("".join(pieces)))
