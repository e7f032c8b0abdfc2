"""Numbers with their Jacobian, their rounding error and what is needed to judge them: the arithmetic of the oracle.

A `Field` holds many evaluations at once: R draws of weights, B inputs, D elements. Errors are running bounds, first
order, of everything that rounding may have done; they decide what a comparison allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

EPS = 2.3e-16
"""The rounding unit that errors are counted in."""
LEAST = 1e-300
"""Stands for positive numbers that underflow, so that 0 means 0."""


@contextmanager
def single_precision() -> Iterator[None]:
    """Inside, errors are those of an evaluation in float32."""
    global EPS, LEAST
    before = EPS, LEAST
    EPS, LEAST = 1.2e-7, 1e-36
    try:
        yield
    finally:
        EPS, LEAST = before


@dataclass(frozen=True)
class Field:
    """`value` and `error` are [R, B, D]; `jacobian` is [R, J, D, D] at the first J inputs.

    `steep` bounds the terms of which the diagonal is a sum, [R, J, D]. `rough`, [R, J], bounds the relative error of
    slopes (infinite at a kink), and `gain` the Jacobian that there would be with every slope at least 1.
    """

    value: Tensor
    error: Tensor
    jacobian: Tensor
    steep: Tensor
    rough: Tensor
    gain: Tensor

    @property
    def diagonal(self) -> Tensor:
        """The own coordinate's slope, [R, J, D]."""
        return self.jacobian.diagonal(dim1=-2, dim2=-1)


def variable(x: Tensor, points: int) -> Field:
    """The inputs x, [R, B, D], differentiated at the first `points` of them."""
    draws, _, size = x.shape
    eye = torch.eye(size, dtype=x.dtype).expand(draws, points, size, size)
    ones = torch.ones((draws, points, size), dtype=x.dtype)
    return Field(x, torch.zeros_like(x), eye, ones, torch.zeros_like(ones[..., 0]), ones[..., 0])


def constant(value: Tensor, like: Field) -> Field:
    """Values [R, 1, D] that do not depend on the inputs; one element stands for a number, which fits every shape."""
    draws, inputs, _ = like.value.shape
    points, size = like.jacobian.shape[1], value.shape[-1]
    full = value.expand(draws, inputs, size)
    zeros = torch.zeros((draws, points, size, like.jacobian.shape[-1]), dtype=value.dtype)
    return Field(
        full, EPS * full.abs(), zeros, zeros[..., 0], torch.zeros_like(like.rough), torch.zeros_like(like.gain)
    )


def exact(value: Tensor, like: Field) -> Field:
    """Constants without an error: zeros and ones."""
    found = constant(value, like)
    return replace(found, error=torch.zeros_like(found.error))


def taken(a: Field, places: Sequence[int]) -> Field:
    """Some of the elements."""
    at = list(places)
    return Field(
        a.value[..., at], a.error[..., at], a.jacobian[:, :, at], a.steep[..., at], a.rough, a.gain
    )  # fmt: skip


def stacked(pieces: Sequence[Field]) -> Field:
    """Elements side by side."""
    return Field(
        torch.cat([p.value for p in pieces], -1),
        torch.cat([p.error for p in pieces], -1),
        torch.cat([p.jacobian for p in pieces], 2),
        torch.cat([p.steep for p in pieces], -1),
        torch.stack([p.rough for p in pieces]).amax(0),
        torch.stack([p.gain for p in pieces]).amax(0),
    )


def add(a: Field, b: Field) -> Field:
    """a + b"""
    value = a.value + b.value
    return Field(
        value,
        a.error + b.error + EPS * value.abs(),
        a.jacobian + b.jacobian,
        a.steep + b.steep,
        torch.maximum(a.rough, b.rough),
        a.gain + b.gain,
    )


def negate(a: Field) -> Field:
    """-a"""
    return replace(a, value=-a.value, jacobian=-a.jacobian)


def multiply(a: Field, b: Field) -> Field:
    """a b, elementwise"""
    points = a.jacobian.shape[1]
    value = a.value * b.value
    p, q = a.value[:, :points], b.value[:, :points]
    return Field(
        value,
        times(a.value.abs(), b.error) + times(b.value.abs(), a.error) + EPS * value.abs(),
        times(q.unsqueeze(-1), a.jacobian) + times(p.unsqueeze(-1), b.jacobian),
        times(q.abs(), a.steep) + times(p.abs(), b.steep),
        torch.maximum(a.rough, b.rough) + _relative(a, points) + _relative(b, points),
        q.abs().amax(-1) * a.gain + p.abs().amax(-1) * b.gain,
    )


def reciprocal(a: Field) -> Field:
    """1 / a, elementwise"""
    points = a.jacobian.shape[1]
    value = 1.0 / a.value
    slope = value[:, :points].square()
    return Field(
        value,
        value.square() * a.error + EPS * value.abs(),
        -times(slope.unsqueeze(-1), a.jacobian),
        times(slope, a.steep),
        a.rough + 2 * _relative(a, points),
        slope.amax(-1) * a.gain,
    )


def linear(matrix: Tensor, a: Field) -> Field:
    """matrix a; matrix is [R, E, D], a structural 0 in it is no dependency."""
    size = matrix.abs()
    value = torch.einsum("red,rbd->rbe", matrix, a.value)
    spread = torch.einsum("red,rbd->rbe", size, a.error + matrix.shape[-1] * EPS * a.value.abs())
    jacobian = torch.einsum("red,rjdk->rjek", matrix, a.jacobian)
    square = matrix.shape[-1] == matrix.shape[-2] == a.steep.shape[-1]
    steep = times(size.diagonal(dim1=-2, dim2=-1).unsqueeze(1), a.steep) if square else torch.zeros(jacobian.shape[:3])
    return Field(value, spread, jacobian, steep.to(value.dtype), a.rough, size.sum(-1).amax(-1, keepdim=True) * a.gain)


def apply(a: Field, h: Callable[[Tensor], tuple[Tensor, Tensor]], kinks: tuple[float, ...] = ()) -> Field:
    """h(a); h gives value and slope."""
    points = a.jacobian.shape[1]
    value, slope = h(a.value)
    (low, before), (high, after) = h(a.value - a.error), h(a.value + a.error)
    beside = before.abs(), after.abs()
    steepest = torch.maximum(torch.maximum(*beside).nan_to_num(torch.inf), slope.abs())
    steepest = torch.where(a.error > 1e-3, steepest.clamp(min=1.0), steepest)  # anything between may be steeper
    error = torch.maximum((low - value).abs(), (high - value).abs()).nan_to_num(torch.inf)
    error = torch.maximum(error, times(steepest, a.error))
    error = error + LEAST + 4 * EPS * (value.abs() + times(slope.abs(), a.value.abs()))
    near = slope[:, :points]
    moves = (beside[0] - beside[1]).abs()[:, :points] / near.abs()
    rough = a.rough + moves.nan_to_num(0.0, torch.inf).amax(-1)
    for place in kinks:
        at = ((a.value - place).abs() <= a.error)[:, :points].any(-1)
        rough = rough.masked_fill(at, torch.inf)
    gain = a.gain * near.abs().amax(-1).clamp(min=1.0)
    return Field(value, error, times(near.unsqueeze(-1), a.jacobian), times(near.abs(), a.steep), rough, gain)


def sorted_pairs(a: Field, first: Sequence[int], second: Sequence[int]) -> Field:
    """The larger of each two elements in the first one's place, the other one in the second's; kinks where they tie."""
    one, two = taken(a, first), taken(a, second)
    points, swap, error = a.jacobian.shape[1], two.value > one.value, torch.maximum(one.error, two.error)
    near = swap[:, :points]
    tied = ((one.value - two.value).abs() <= one.error + two.error)[:, :points].any(-1)

    def chosen(p: Field, q: Field) -> Field:
        jacobian = torch.where(near.unsqueeze(-1), q.jacobian, p.jacobian)
        steep, rough = torch.maximum(p.steep, q.steep), a.rough.masked_fill(tied, torch.inf)
        return Field(torch.where(swap, q.value, p.value), error, jacobian, steep, rough, a.gain)

    both = stacked([chosen(one, two), chosen(two, one)])
    places = [*first, *second]
    return taken(both, [places.index(p) for p in range(len(places))])


def _relative(a: Field, points: int) -> Tensor:
    return (a.error[:, :points] / a.value[:, :points].abs()).nan_to_num(0.0, torch.inf).amax(-1)


def times(a: Tensor, b: Tensor) -> Tensor:
    """a b, where 0 times infinity is 0: a structural zero stays one."""
    return (a * b).masked_fill((a == 0) | (b == 0), 0.0)
