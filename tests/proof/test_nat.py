"""Symbolic sizes: a ring, with evaluation and substitution as its homomorphisms."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, strategies as st

from mintdsl.core.nat import Nat

NAMES = ("C", "H", "K")
SIZES = st.fixed_dictionaries({name: st.integers(1, 50) for name in NAMES})
LEAVES = st.one_of(st.integers(0, 12).map(Nat.of), st.sampled_from(NAMES).map(Nat.symbol))
NATS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] - p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] * p[1]),
        st.tuples(inner, st.integers(1, 9)).map(lambda p: p[0].over(p[1])),
    ),
    max_leaves=8,
)


def value(nat: Nat, sizes: dict[str, int]) -> Fraction:
    ratio = nat.evaluate(sizes)
    assert ratio.bottom >= 1
    result = Fraction(ratio.top, ratio.bottom)
    assert (result.numerator, result.denominator) == ratio  # lowest terms
    return result


@given(NATS, NATS, NATS)
def test_ring_laws(a: Nat, b: Nat, c: Nat) -> None:
    zero, one = Nat.of(0), Nat.of(1)
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a * b == b * a
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a + zero == a and a * one == a and a * zero == zero
    assert a - a == zero
    assert a - b == a + b * Nat.of(-1)


@given(NATS, NATS, st.integers(1, 9), SIZES)
def test_evaluation_keeps_operations(a: Nat, b: Nat, n: int, sizes: dict[str, int]) -> None:
    assert value(a + b, sizes) == value(a, sizes) + value(b, sizes)
    assert value(a - b, sizes) == value(a, sizes) - value(b, sizes)
    assert value(a * b, sizes) == value(a, sizes) * value(b, sizes)
    assert value(a.over(n), sizes) == value(a, sizes) / n
    assert a.over(n) * Nat.of(n) == a


@given(NATS, NATS, NATS, SIZES)
def test_substitution_is_evaluation_of_the_parts(a: Nat, for_c: Nat, for_h: Nat, sizes: dict[str, int]) -> None:
    changed = a.substitute({"C": for_c, "H": for_h})
    inner = {"C": value(for_c, sizes), "H": value(for_h, sizes), "K": Fraction(sizes["K"])}
    expected = Fraction(0)
    for monomial, ratio in a.terms:
        product = Fraction(ratio.top, ratio.bottom)
        for name in monomial:
            product *= inner[name]
        expected += product
    assert value(changed, sizes) == expected
    assert a.substitute({}) == a


@given(NATS, SIZES)
def test_constants_and_symbols(a: Nat, sizes: dict[str, int]) -> None:
    if a.constant is not None:
        assert value(a, sizes) == a.constant
    assert a.symbols <= set(NAMES)
    if not a.symbols:
        assert (value(a, sizes).denominator == 1) == (a.constant is not None)


@given(NATS, SIZES)
def test_the_text_means_the_value(a: Nat, sizes: dict[str, int]) -> None:
    exact = eval(str(a), {name: Fraction(size) for name, size in sizes.items()})
    assert Fraction(exact).limit_denominator(10**9) == value(a, sizes).limit_denominator(10**9)


def test_equal_sizes_are_equal() -> None:
    c, h = Nat.symbol("C"), Nat.symbol("H")
    assert (c.over(2)) * Nat.of(4) == c * Nat.of(2)
    assert (c + h) * (c - h) == c * c - h * h
    assert c != h
    assert Nat.of(6).over(4).constant is None
    assert Nat.of(8).over(4).constant == 2


def test_text() -> None:
    c, h = Nat.symbol("C"), Nat.symbol("H")
    assert str(Nat.of(0)) == "0"
    assert str(Nat.of(2) * c) == "2 * C"
    assert str(c.over(2)) == "C / 2"
    assert c.over(2).text(" // ") == "C // 2"
    assert str(h - Nat.of(3)) == "H - 3"


@given(NATS, NATS)
def test_quotients_are_exact(a: Nat, b: Nat) -> None:
    if b.terms:
        assert (a * b).quotient(b) == a
        found = a.quotient(b)
        assert found is None or found * b == a
        if b.symbols:
            assert (a * b + Nat.of(1)).quotient(b) is None
    assert a.quotient(Nat.of(0)) is None


def test_quotients_that_are_none() -> None:
    c, h, k = (Nat.symbol(name) for name in "CHK")
    assert (k * c + c.over(2)).quotient(c) == k + Nat.of(1).over(2)
    assert (k * c + h).quotient(c) is None
    assert (c * c - h * h).quotient(c + h) == c - h
    assert (c * c + h * h).quotient(c + h) is None
    assert Nat.of(0).quotient(c) == Nat.of(0)
