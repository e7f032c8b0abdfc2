"""What the checker derived of an expression against numbers: structure, diagonal, secants, range, own coordinate.

This file is the only one that reads the checker's abstract domain, and it reads its conclusions, not its rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mintdsl.core.interval import REAL, Interval
from mintdsl.core.norms import norm_of
from mintdsl.proof.jacobian import DENSE, NONE, PARTS, Fibre, Jacobian, Monomial

from .draws import EXACT, MODERATE, POINTS, Inputs
from .meaning import Weights
from .tensors import Field


@dataclass(frozen=True)
class Failure:
    """Something false: which check, where, and the numbers."""

    check: str
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.where}: {self.detail}"


@dataclass
class Sight:
    """How to judge expressions of one layer at given inputs: its weights, the order, the neighbours.

    `later` is of the order in which the class is stated: the declared one, or one found from the taps.
    """

    weights: Weights
    inputs: Inputs
    later: Tensor
    checks: int = 0

    def direction(self, word: str) -> Tensor:
        """Which entries may differ from 0 beside the diagonal: a matrix [p, q]."""
        if word == PARTS:  # in some order of the parts
            return self.later | self.later.T
        return self.later if self.weights.direction(word) == "lower" else self.later.T

    def signs(self, monomial: Monomial, at: Mapping[str, int]) -> Tensor:
        """The product of the atoms, [R, 1, D]; 0 where a weight is 0, so that either sign may stand."""
        result = torch.ones_like(self.inputs.x[:, :1])
        for atom in monomial:
            values = self.weights.diagonal(atom.param, tuple(at[i] for i in atom.indices))
            result = result * values.sign().unsqueeze(1)
        return result

    def judge(self, fact: Jacobian, found: Field, at: Mapping[str, int], where: str) -> Iterator[Failure]:
        """Every way in which an expression does not have the class that was derived."""
        size = self.inputs.x.shape[-1]
        yield from self._range(fact, found, at, where)
        yield from self._steep(fact, found, where)
        if fact.off == DENSE:
            yield from self._regular(fact, found, where)
            return
        if found.value.shape[-1] != size:  # a number, or a value of another shape: constant, or in turn at the elements
            self.checks += 1
            share, rest = divmod(found.value.shape[-1], size)
            read = ((found.jacobian != 0) & ~torch.isnan(found.jacobian)).flatten(0, -3).any(0)
            if not fact.constant and fact.strict and fact.off != NONE and share and not rest:
                read = read & ~self.direction(fact.off).repeat_interleave(share, 0)
            elif not fact.constant:
                yield Failure("structure", where, f"a value of another shape is {fact.describe()}")
            if bool(read.any()):
                yield Failure("structure", where, "a value of another shape reads the variable")
            return
        yield from self._structure(fact, found, where)
        sign = self.signs(fact.diag.monomial, at)
        tangent = found.diagonal
        slack = 1e-9 * found.steep + 1e-300
        yield from self._within("diagonal", fact.diag.interval, tangent, sign, slack, where)
        yield from self._vanishes(fact, found, where)
        secant, slack = self.secants(found)
        yield from self._within("secant", fact.diag.interval, secant, sign, slack, where)
        yield from self._fibre(fact, found, where)

    def _steep(self, fact: Jacobian, found: Field, where: str) -> Iterator[Failure]:
        """The norm of the Jacobian, in that of the maps of the layer, is no larger than the Lipschitz constant."""
        if math.isinf(fact.lip):
            return
        self.checks += 1
        norm = torch.linalg.matrix_norm(found.jacobian.nan_to_num(0.0, 0.0, 0.0), norm_of(self.weights.layer))
        if bool((norm > fact.lip * (1 + 1e-9) + 1e-12).any()):
            yield Failure("lip", where, f"the norm of the Jacobian is {float(norm.max()):.9g}, above {fact.lip:.9g}")

    def _regular(self, fact: Jacobian, found: Field, where: str) -> Iterator[Failure]:
        """A bijection by composition: its Jacobian is nowhere singular, and of determinant 1 where it keeps volumes."""
        size = self.inputs.x.shape[-1]
        if not fact.chain or found.value.shape[-1] != size:
            return
        self.checks += 1
        mine = found.jacobian[:MODERATE].flatten(0, 1)
        mine = mine[torch.isfinite(mine).all(-1).all(-1)]
        # a slope of 1e-30 is no zero: rows are brought to size 1 first, which keeps a matrix singular or not
        rows = mine.abs().amax(-1, keepdim=True)
        spread = torch.linalg.svdvals(mine / torch.where(rows > 0, rows, 1.0))
        if bool((spread[:, -1] <= 1e-15 * spread[:, 0]).all()) and len(mine):
            yield Failure("regular", where, "the Jacobian is singular at every input")
        good = spread[:, -1] > 1e-8 * spread[:, 0]
        size_of = torch.linalg.slogdet(mine).logabsdet.abs()
        if fact.unit and bool((good & (size_of > 1e-6)).any()):
            yield Failure("volume", where, f"log |det| is {float(size_of.max()):.3g}")

    def secants(self, found: Field) -> tuple[Tensor, Tensor]:
        """Difference quotients along each own coordinate, [R, POINTS, D], and what rounding may do to them."""
        draws, _, size = self.inputs.x.shape
        beside = slice(POINTS, POINTS + POINTS * size)

        def own(values: Tensor) -> Tensor:
            return values[:, beside].reshape(draws, POINTS, size, size).diagonal(dim1=-2, dim2=-1)

        change = own(found.value) - found.value[:, :POINTS]
        error = own(found.error) + found.error[:, :POINTS]
        quotient = change / self.inputs.steps
        return quotient, 4 * error / self.inputs.steps.abs() + 1e-9 * quotient.abs() + 1e-300

    def _structure(self, fact: Jacobian, found: Field, where: str) -> Iterator[Failure]:
        size = self.inputs.x.shape[-1]
        allowed = torch.eye(size, dtype=torch.bool)
        if fact.strict:
            allowed = torch.zeros_like(allowed)
        if fact.off != NONE:
            allowed = allowed | self.direction(fact.off)
        self.checks += 2
        outside = found.jacobian * ~allowed
        if bool(((outside != 0) & ~torch.isnan(outside)).any()):
            yield Failure("structure", where, f"{fact.describe()}, but entries {_places(outside)} are not 0")
        draws = len(self.inputs.x)
        beside = found.value[:, POINTS : POINTS + POINTS * size].reshape(draws, POINTS, size, size)
        error = found.error[:, POINTS : POINTS + POINTS * size].reshape(draws, POINTS, size, size)
        # row: the coordinate that moved, column: the output
        change = (beside - found.value[:, :POINTS].unsqueeze(2)).abs() * ~allowed.T
        allowance = 4 * (error + found.error[:, :POINTS].unsqueeze(2))
        if bool(((change > allowance) & torch.isfinite(change)).any()):
            yield Failure("structure", where, f"{fact.describe()}, but an output moves with another coordinate")

    def _within(
        self, check: str, interval: Interval, values: Tensor, sign: Tensor, slack: Tensor, where: str
    ) -> Iterator[Failure]:
        self.checks += 1
        excess = [excess_of(interval, s * values) for s in (torch.where(sign == 0, 1.0, sign), -1.0)]
        over = torch.where(sign == 0, torch.minimum(*excess), excess[0]) - slack
        over = torch.where(torch.isfinite(values) & torch.isfinite(slack), over, -1.0)
        if bool((over > 0).any()):
            worst = int(over.argmax())
            shown = (
                f"{values.flatten()[worst]:.6g} is not in {interval} (rounding explains {slack.flatten()[worst]:.2g})"
            )
            yield Failure(check, where, f"{shown} at {_place(over)}")

    def _vanishes(self, fact: Jacobian, found: Field, where: str) -> Iterator[Failure]:
        """A diagonal that is never 0 is not 0 either where weights are: a sum of terms that all are 0 is."""
        if not fact.diag.interval.one_signed:
            return
        self.checks += 1
        exact = torch.isfinite(found.rough) & torch.isfinite(found.error[:, :POINTS]).all(-1)
        gone = (found.steep == 0) & exact.unsqueeze(-1)
        if bool(gone[list(EXACT)][:, [0, 2]].any()):
            yield Failure("vanishing diagonal", where, f"{fact.describe()}, but all its terms are 0")

    def _range(self, fact: Jacobian, found: Field, at: Mapping[str, int], where: str) -> Iterator[Failure]:
        if fact.range.interval == REAL:
            return
        sign = self.signs(fact.range.monomial, at) if fact.range.monomial else torch.ones_like(found.value[:, :1, :1])
        slack = 4 * found.error + 1e-12 * found.value.abs() + 1e-300
        yield from self._within("range", fact.range.interval, found.value, sign, slack, where)

    def _fibre(self, fact: Jacobian, found: Field, where: str) -> Iterator[Failure]:
        if fact.fibre is not Fibre.AFFINE:
            return
        self.checks += 1
        draws, _, size = self.inputs.x.shape
        start = POINTS + POINTS * size

        def own(values: Tensor, first: int) -> Tensor:
            return values[:, first : first + size].reshape(draws, size, size).diagonal(dim1=-2, dim2=-1)

        zero, one, two = found.value[:, 0], own(found.value, POINTS), own(found.value, start)
        error = found.error[:, 0] + 2 * own(found.error, POINTS) + own(found.error, start)
        bend = (two - 2 * one + zero).abs() - 4 * error - 1e-9 * (two.abs() + zero.abs() + one.abs())
        if bool(((bend > 0) & torch.isfinite(bend)).any()):
            yield Failure(
                "affine", where, f"a second difference is off by {float(bend[torch.isfinite(bend)].max()):.3g}"
            )


def excess_of(interval: Interval, values: Tensor) -> Tensor:
    """How far values lie outside an interval."""
    return torch.maximum(interval.lo - values, values - interval.hi)


def grows(fact: Jacobian, evaluate: Callable[[Tensor], Field], base: Tensor, where: str) -> Iterator[Failure]:
    """Whether the fibres reach as far as is claimed: past every number if onto R, to the ends of a box if onto that."""
    if fact.fibre not in (Fibre.AFFINE, Fibre.ONTO, Fibre.IMAGE):
        return
    from .draws import outward

    distances = (0.0, 1e6, 1e12, 1e60, -1e6, -1e12, -1e60)
    size = base.shape[-1]
    found = evaluate(outward(base, distances))
    draws = len(base)
    if found.value.shape[-1] != size:
        return
    values = found.value.reshape(draws, len(distances), size, size).diagonal(dim1=-2, dim2=-1)
    errors = found.error.reshape(draws, len(distances), size, size).diagonal(dim1=-2, dim2=-1)
    for first in (1, 4):
        middle, near, far = values[:, first], values[:, first + 1], values[:, first + 2]
        moved, error = (middle - values[:, 0]).abs(), errors[:, 0] + errors[:, first]
        # every bounded activation comes to its end like exp, or at least like 1 / x, so at 1e12 it is there to 1e-12;
        # log, which does not, is then at 28 and moves on to 138, which a small factor of it, a large value beside it,
        # or one left behind, must not hide
        reached = torch.isfinite(errors[:, first + 1]) & torch.isfinite(errors[:, first + 2])
        small = 1e-10 * torch.minimum(moved, far.abs() + near.abs())
        stuck = reached & (moved > 100 * error) & ((far - near).abs() <= small)
        if fact.fibre is Fibre.IMAGE:
            ends = [e for e in (fact.image.lo, fact.image.hi) if math.isfinite(e)]
            for end in ends:
                stuck = stuck & ((far - end).abs() > 1e-6 * (1 + abs(end)))
        if bool(stuck.any()):
            place = tuple(int(i) for i in stuck.nonzero()[0])
            yield Failure("onto", where, f"a fibre ends near {float(far[place]):.6g}, {fact.fibre.value} was derived")


def _places(values: Tensor) -> str:
    bad = ((values != 0) & ~torch.isnan(values)).flatten(0, 1).any(0)
    return ", ".join(str(tuple(int(i) for i in p)) for p in bad.nonzero()[:3])


def _place(values: Tensor) -> str:
    where = torch.unravel_index(values.argmax(), values.shape)
    return f"draw {int(where[0])}, input {int(where[1])}, element {int(where[2])}"
