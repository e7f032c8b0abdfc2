"""The abstract domain: what is known of the Jacobian of an expression with respect to the layer's variable.

All statements are over all inputs and all admissible parameters, by difference quotients, so that no rule needs
differentiability: `diag in m * [lo, hi]` says that for each index p and all a != b the quotient
(f_p(x, x_p = a) - f_p(x, x_p = b)) / (a - b) lies there, m a product of signs that are fixed over x.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from math import inf
from typing import NamedTuple

from mintdsl.core.interval import ONE, REAL, ZERO, Interval, product_above, sum_above
from mintdsl.diagnostics.model import Diagnostic
from mintdsl.records import record, replace


def family(name: str, indices: tuple[str, ...]) -> str:
    """`W2[i, j]`, or the bare name."""
    return f"{name}[{', '.join(indices)}]" if indices else name


class Atom(NamedTuple):
    """The sign of a parameter's diagonal, at indices: a number in {-1, +1} fixed over x."""

    param: str
    indices: tuple[str, ...]

    def __str__(self) -> str:
        return f"sign({family(self.param, self.indices)})"


Monomial = frozenset[Atom]
PLUS: Monomial = frozenset()


@record
class Signed:
    """Product of the atoms of `monomial` times a number in `interval`. A square of an atom is 1."""

    monomial: Monomial
    interval: Interval

    def __mul__(self, other: Signed) -> Signed:
        interval = self.interval * other.interval
        return Signed(PLUS if interval.is_zero else self.monomial ^ other.monomial, interval)

    def __neg__(self) -> Signed:
        return Signed(self.monomial, -self.interval)

    def forget(self) -> Signed:
        """Without the sign: atoms may be +1 or -1."""
        return Signed(PLUS, self.interval.symmetric()) if self.monomial else self

    def rename(self, indices: Mapping[str, str]) -> Signed:
        """At other indices; atoms that become one cancel, since a square of a sign is 1."""
        monomial = PLUS
        for atom in self.monomial:
            monomial ^= {Atom(atom.param, tuple(indices.get(i, i) for i in atom.indices))}
        return replace(self, monomial=monomial)

    def __str__(self) -> str:
        signs = " * ".join(str(a) for a in sorted(self.monomial))
        return f"{signs} * {self.interval}" if signs else str(self.interval)


class Fibre(Enum):
    """What is known of x_p -> f_p with all other coordinates frozen (the own-coordinate kind)."""

    CONST = "constant"
    AFFINE = "affine"
    FORMULA = "formula"  # onto R, and of splines and affine maps only: its inverse is a formula
    ONTO = "onto"
    IMAGE = "injective"
    UNKNOWN = "unknown"


ONTO = (Fibre.AFFINE, Fibre.FORMULA, Fibre.ONTO)
"""The kinds that take all values of R."""


class Smooth(IntEnum):
    """How smooth a function is; the order of the values is that of strength."""

    KINKS = 0
    C1 = 1
    ANALYTIC = 2


class Chain(IntEnum):
    """Whether x -> f(x) is a bijection of R^D by composition, and then whether it keeps volumes.

    A larger value says more.
    """

    NONE = 0
    BIJECTION = 1
    PRESERVING = 2


# no name of a program can be one of these
NONE = "<diagonal>"
DENSE = "<dense>"
PARTS = "<parts>"  # triangular in some order of the parts of a split, not the one in which they are written


@record
class Jacobian:
    """The class of an expression.

    `off` tells on which *other* coordinates it depends: NONE, a direction ("lower", "upper" or a Dir formal) of the
    layer's order, or DENSE. `diag` is the own coordinate's part, `fibre` its kind with the fixed `image` when that is
    known, `range` the values. `lip` bounds the Lipschitz constant in the 2-norm for every admissible weight; `smooth`
    is the least that the pieces of the formula are. `dense_why` and `sign_why` say where triangularity and the sign
    were lost. `chain` is what a dense expression may still be, a bijection by composition (rule CHAIN); that of a
    triangular one follows from its diagonal.
    """

    off: str
    diag: Signed
    fibre: Fibre
    range: Signed
    image: Interval = REAL
    lip: float = inf
    smooth: Smooth = Smooth.ANALYTIC
    dense_why: Diagnostic | None = None
    sign_why: Diagnostic | None = None
    chain: Chain = Chain.NONE

    @property
    def constant(self) -> bool:
        """Whether it does not depend on the variable at all."""
        return self.off == NONE and self.diag.interval.is_zero

    @property
    def unit(self) -> bool:
        """Whether volumes are preserved: every entry of a triangular one's diagonal is 1 or -1, or by composition."""
        return self.diag.interval.unit if self.off != DENSE else self.chain is Chain.PRESERVING

    @property
    def strict(self) -> bool:
        """Whether it does not depend on its own coordinate."""
        return self.diag.interval.is_zero

    def rename(self, indices: Mapping[str, str]) -> Jacobian:
        """At other indices."""
        return replace(self, diag=self.diag.rename(indices), range=self.range.rename(indices))

    def describe(self) -> str:
        """One line: class and diagonal."""
        if self.constant:
            return "constant"
        if self.off == DENSE:
            return {Chain.NONE: "dense", Chain.BIJECTION: "dense, bijection by composition"}.get(
                self.chain, "dense, volume-preserving bijection by composition"
            )
        off = {NONE: "diagonal", PARTS: "triangular in its parts"}.get(self.off, self.off)
        name = off if not self.strict else f"strict {off}"
        return f"{name}, diag in {self.diag}" if not self.strict else name


VARIABLE = Jacobian(NONE, Signed(PLUS, ONE), Fibre.AFFINE, Signed(PLUS, REAL), lip=1.0)


def constant(values: Signed) -> Jacobian:
    """A value that does not depend on the variable."""
    return Jacobian(NONE, Signed(PLUS, ZERO), Fibre.CONST, values, lip=0.0)


def settled(jacobian: Jacobian) -> Jacobian:
    """With what a bound away from zero implies: such a fibre is onto R (rule I-TRI, `rules` item 11)."""
    interval = jacobian.diag.interval
    if jacobian.fibre in (Fibre.IMAGE, Fibre.UNKNOWN) and (interval.lo > 0 or interval.hi < 0):
        return replace(jacobian, fibre=Fibre.ONTO, image=REAL)
    return jacobian


@record
class Split:
    """An expression as h(x) + g(x): h acts on each coordinate alone, with slopes in `own`; `rest` bounds lip(g)."""

    own: Interval
    rest: float

    def __add__(self, other: Split) -> Split:
        return Split(self.own + other.own, sum_above(self.rest, other.rest))

    def __neg__(self) -> Split:
        return Split(-self.own, self.rest)

    @property
    def least(self) -> float:
        """The least magnitude of a slope of h."""
        return max(self.own.lo, -self.own.hi, 0.0)

    @property
    def divisor(self) -> float:
        """The number d for which x - f(x) / d is a contraction: 1 for h(x) = x."""
        return self.own.lo + 0.5 * (self.own.hi - self.own.lo)

    @property
    def contraction(self) -> float:
        """A bound of the Lipschitz constant of x - f(x) / d, the divisor d."""
        if self.own.unit:
            return self.rest
        inverse = Interval(self.divisor, self.divisor).reciprocal()
        flatter = (ONE - self.own * inverse).magnitude
        return sum_above(flatter, product_above(self.rest, inverse.magnitude))

    @property
    def bijective(self) -> bool:
        """Whether rule RES holds of it."""
        return self.rest < self.least and self.own.magnitude < inf and self.contraction < 1
