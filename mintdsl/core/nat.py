"""Symbolic natural numbers: the sizes of shapes and families.

A `Nat` is a polynomial with rational coefficients over named symbols (`C`, `H`, `K`), kept in a normal form, so
that two sizes are equal for all values of their symbols exactly when they are `==`. A quotient such as
`C / 2` is a coefficient 1/2; that it is a whole number is checked where the symbols get values.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from typing import NamedTuple

from mintdsl import limits
from mintdsl.records import record

Monomial = tuple[str, ...]  # sorted symbols with repetition: C*C*H is ("C", "C", "H")


class TooLarge(Exception):
    """A size beyond `limits.TERMS`, `DEGREE` or `COEFFICIENT`: products of sums grow without end."""


class Ratio(NamedTuple):
    """A rational number in lowest terms, denominator positive."""

    top: int
    bottom: int


def _ratio(top: int, bottom: int) -> Ratio:
    shared = gcd(top, bottom) or 1
    return Ratio(top // shared, bottom // shared)


@record
class Nat:
    """Sum of coefficient * product of symbols; terms are sorted by monomial and never zero."""

    terms: tuple[tuple[Monomial, Ratio], ...]

    @staticmethod
    def of(value: int) -> Nat:
        """The number `value`."""
        return Nat(((((), Ratio(value, 1))),) if value else ())

    @staticmethod
    def symbol(name: str) -> Nat:
        """The unknown `name`."""
        return Nat((((name,), Ratio(1, 1)),))

    @property
    def constant(self) -> int | None:
        """Its value when it is a whole number without symbols."""
        if not self.terms:
            return 0
        (monomial, ratio), *rest = self.terms
        return ratio.top if not rest and not monomial and ratio.bottom == 1 else None

    @property
    def symbols(self) -> frozenset[str]:
        """Every symbol that occurs."""
        return frozenset(name for monomial, _ in self.terms for name in monomial)

    def __add__(self, other: Nat) -> Nat:
        total = dict(self.terms)
        for monomial, ratio in other.terms:
            old = total.get(monomial, Ratio(0, 1))
            total[monomial] = _ratio(old.top * ratio.bottom + ratio.top * old.bottom, old.bottom * ratio.bottom)
        return _normal(total)

    def __mul__(self, other: Nat) -> Nat:
        total: dict[Monomial, Ratio] = {}
        for a, p in self.terms:
            for b, q in other.terms:
                monomial = tuple(sorted(a + b))
                old = total.get(monomial, Ratio(0, 1))
                new = _ratio(p.top * q.top, p.bottom * q.bottom)
                total[monomial] = _ratio(old.top * new.bottom + new.top * old.bottom, old.bottom * new.bottom)
        return _normal(total)

    def __sub__(self, other: Nat) -> Nat:
        return self + other * Nat.of(-1)

    def over(self, divisor: int) -> Nat:
        """The quotient by a positive whole number."""
        return Nat(tuple((m, _ratio(r.top, r.bottom * divisor)) for m, r in self.terms)).checked()

    @property
    def even(self) -> bool:
        """Whether it is a multiple of 2 for all whole values of its symbols, as its coefficients show."""
        return all(ratio.bottom == 1 and ratio.top % 2 == 0 for _, ratio in self.terms)

    def quotient(self, divisor: Nat) -> Nat | None:
        """The size that times `divisor` is this one for all values of the symbols; None where there is none."""
        if not divisor.terms:
            return None
        first, share = divisor._leading
        found, rest = Nat(()), self
        while rest.terms:
            monomial, ratio = rest._leading
            left = list(monomial)
            for name in first:
                if name not in left:
                    return None
                left.remove(name)
            sign = -1 if share.top < 0 else 1
            part = Nat(((tuple(left), _ratio(sign * ratio.top * share.bottom, sign * ratio.bottom * share.top)),))
            found, rest = found + part, rest - part * divisor
        return found

    @property
    def _leading(self) -> tuple[Monomial, Ratio]:
        """The term of the highest degree, of several the first: that of a product is the product of those."""
        return min(self.terms, key=lambda term: (-len(term[0]), term[0]))

    def checked(self) -> Nat:
        """Itself; raises TooLarge beyond the limits, as all arithmetic with symbols does."""
        if len(self.terms) > limits.TERMS.most:
            raise TooLarge
        for monomial, ratio in self.terms:
            if len(monomial) > limits.DEGREE.most or max(abs(ratio.top), ratio.bottom) > limits.COEFFICIENT.most:
                raise TooLarge
        return self

    def evaluate(self, values: Mapping[str, int]) -> Ratio:
        """Its value where every symbol has one; not whole when the denominator is not 1."""
        total = Ratio(0, 1)
        for monomial, ratio in self.terms:
            product = ratio.top
            for name in monomial:
                product *= values[name]
            total = _ratio(total.top * ratio.bottom + product * total.bottom, total.bottom * ratio.bottom)
        return total

    def substitute(self, values: Mapping[str, Nat]) -> Nat:
        """Replace symbols by sizes."""
        total = Nat(())
        for monomial, ratio in self.terms:
            product = Nat((((), ratio),))
            for name in monomial:
                product = product * values.get(name, Nat.symbol(name))
            total = total + product
        return total

    def text(self, quotient: str = " / ") -> str:
        """Readable form; `quotient` is `" // "` for Python, where every division is known to be exact."""
        if not self.terms:
            return "0"
        parts = []
        for monomial, ratio in reversed(self.terms):
            factors = ([str(abs(ratio.top))] if abs(ratio.top) != 1 or not monomial else []) + list(monomial)
            body = " * ".join(factors) + (f"{quotient}{ratio.bottom}" if ratio.bottom != 1 else "")
            parts.append(("- " if ratio.top < 0 else "+ ") + body)
        first, rest = parts[0], parts[1:]
        return " ".join([first[2:] if first[0] == "+" else "-" + first[2:], *rest])

    def __str__(self) -> str:
        text = self.text()
        return text if len(text) <= 200 else f"{text[:160]} ..."


def _normal(total: Mapping[Monomial, Ratio]) -> Nat:
    return Nat(tuple(sorted((m, r) for m, r in total.items() if r.top))).checked()
