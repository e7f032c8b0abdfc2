"""Evaluations of a definition on numbers that are all chosen, by the interpreter, where floats are accurate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp, isfinite, prod
from typing import NamedTuple

from mintdsl.core import ir
from mintdsl.core.activations import Activation
from mintdsl.core.dual import Dual, determinant, variables
from mintdsl.core.interpret import evaluate_flow, evaluate_layer
from mintdsl.core.interpret_layer import apply_weights
from mintdsl.core.interpret_weights import Weights, param_shape
from mintdsl.core.interval import Interval, number
from mintdsl.diagnostics.model import Tensor
from mintdsl.proof.counterexample.knobs import short
from mintdsl.proof.counterexample.settings import Setting
from mintdsl.records import record

FAR = 8.0  # smooth slopes up to here are far from underflow, and accurate to nine digits
GREAT = 1e6
CLEAR = 1e-3  # what differs by less, relative to the largest entry, is not shown: it could be rounding


class Spent(Exception):
    """The evaluations that were granted are used up."""


class Budget:
    """How much may still be evaluated."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, cost: int) -> None:
        """Take `cost`, or raise Spent."""
        if cost > self.left:
            raise Spent
        self.left -= cost


class Point(NamedTuple):
    """An input and what the map does there; `problem` says why it has no value, and then the rest is empty."""

    x: tuple[float, ...]
    value: tuple[float, ...] = ()
    jacobian: tuple[tuple[float, ...], ...] = ()
    problem: str = ""

    @property
    def scale(self) -> float:
        """The size of the largest entry, at least 1."""
        return max(1.0, *(abs(v) for row in self.jacobian for v in row))


class _NoValue(Exception):
    """The map has no value at an input."""


class _Unsure(Exception):
    """Floats may not be accurate enough to say anything."""


@record
class Made:
    """A setting with all its numbers: values of the knobs, and the effective tensors that they make."""

    setting: Setting
    values: tuple[float, ...]
    weights: tuple[Weights, ...]

    def raw(self) -> dict[str, list[float]]:
        """The stored tensors."""
        return _stored(self.setting, self.values)

    def at(self, x: Sequence[float], budget: Budget) -> Point | None:
        """The map at `x`, with the effective numbers; None where floats may not be accurate enough."""
        setting = self.setting
        budget.spend(setting.cost)
        kinks: list[str] = []

        def watch(info: Activation, argument: Dual) -> None:
            _meets(info, argument.value)
            if argument.value == 0 and _kinked(info) and any(argument.gradient.values()):
                kinks.append(info.name)

        try:
            if isinstance(setting.definition, ir.Layer):
                outputs = apply_weights(self.weights[0], variables(x), watch)
                return None if kinks else _point(x, outputs)  # at a kink there is no derivative
            flow = evaluate_flow(
                setting.program, setting.key, x, setting.dims, setting.args, self.raw(), watch, setting.given
            )
            return None if kinks else _checked(Point(tuple(x), tuple(flow.value), tuple(map(tuple, flow.jacobian))))
        except _NoValue as why:
            return Point(tuple(x), problem=str(why))
        except ValueError as why:  # sizes and tensors fit, so it is a divisor
            return Point(tuple(x), problem="the divisor is 0") if "division" in str(why) else None
        except (_Unsure, ArithmeticError):
            return None

    def confirmed(self, point: Point) -> bool:
        """Whether the stored tensors, constrained, masked and tied anew, give the same value and Jacobian."""
        setting = self.setting
        if isinstance(setting.definition, ir.Flow):
            return True  # evaluated that way already
        try:
            again = evaluate_layer(
                setting.program, setting.key, point.x, setting.dims, setting.args, self.raw(), given=setting.given
            )
        except (ValueError, ArithmeticError):
            return bool(point.problem)
        if point.problem:
            return False
        pairs = [*zip(again.value, point.value, strict=True)]
        for row, other in zip(again.jacobian, point.jacobian, strict=True):
            pairs += zip(row, other, strict=True)
        return all(abs(a - b) <= 1e-9 * (1 + abs(b)) for a, b in pairs)

    def effective(self) -> tuple[Tensor, ...]:
        """The effective tensors by name."""
        found = []
        for made in self.weights:
            for param in made.layer.params:
                name, shape = made.prefix + param.name, param_shape(made.layer, param, made.env.dims, made.env.sizes)
                flat = tuple(v for member in made.members(param.indices) for v in made.of(param.name, member))
                if isinstance(param.kind, ir.Normalize):
                    half = len(flat) // 2
                    found += [Tensor(f"{name}_mean", shape, flat[:half]), Tensor(f"{name}_var", shape, flat[half:])]
                else:
                    found.append(Tensor(name, shape, flat))
        return tuple(found)

    def stored(self) -> tuple[Tensor, ...]:
        """The stored tensors by their keys in the state dict."""
        return tuple(Tensor(key, self.setting.shapes[key], tuple(flat)) for key, flat in self.raw().items())


def make(setting: Setting, values: tuple[float, ...]) -> Made:
    """All tensors for these values of the free numbers. What has no knob is masked, and so 0."""
    flat = {key: [0.0] * prod(shape) for key, shape in setting.shapes.items()}
    for knob, value in zip(setting.knobs, values, strict=True):
        flat[knob.key][knob.place] = value
    weights = []
    for prefix, layer, env in setting.parts:
        effective: dict[tuple[str, tuple[int, ...]], list[float]] = {}
        made = Weights(layer, env, {}, prefix, effective)
        for param in layer.params:
            key = prefix + param.name
            if isinstance(param.kind, ir.Normalize):
                effective[(param.name, ())] = flat[f"{key}_mean"] + flat[f"{key}_var"]
                continue
            members = list(made.members(param.indices))
            of_one = len(flat[key]) // len(members)
            stored = Weights(layer, env, _stored(setting, values), prefix) if param.pivot is not None else None
            for k, member in enumerate(members):
                tied = [short(v) for v in stored.of(param.name, member)] if stored is not None else None
                effective[(param.name, member)] = tied or flat[key][k * of_one : (k + 1) * of_one]
        weights.append(made)
    return Made(setting, values, tuple(weights))


def _stored(setting: Setting, values: tuple[float, ...]) -> dict[str, list[float]]:
    raw = {k: [1.0 if k.endswith("_sign") else 0.0] * prod(shape) for k, shape in setting.shapes.items()}
    for knob, value in zip(setting.knobs, values, strict=True):
        knob.store(raw, value)
    return raw


def _point(x: Sequence[float], outputs: Sequence[Dual]) -> Point:
    value = tuple(dual.value for dual in outputs)
    return _checked(Point(tuple(x), value, tuple(tuple(dual.row(len(x))) for dual in outputs)))


def _checked(point: Point) -> Point:
    numbers = [*point.value, *(v for row in point.jacobian for v in row)]
    if not all(abs(v) < GREAT for v in numbers):  # nor is any of them NaN
        raise _Unsure
    return point


def _kinked(info: Activation) -> bool:
    return info.smooth.startswith("kink")


def _meets(info: Activation, argument: float) -> None:
    """Raise where an activation has no value, or one that floats may not show."""
    domain = info.domain
    if not isfinite(argument):
        raise _Unsure
    if not Interval(argument, argument).within(domain):
        beyond = max(domain.lo - argument, argument - domain.hi)
        if 0 < beyond < CLEAR:
            raise _Unsure
        raise _NoValue(f"`{info.name}` is defined on {domain}, not at {number(argument)}")
    if abs(argument) > FAR and not _kinked(info):
        raise _Unsure


@lru_cache(maxsize=1024)
def volume(jacobian: tuple[tuple[float, ...], ...]) -> float:
    """The determinant of a Jacobian; NaN where rounding may spoil even its third digit."""
    scale = 1.0
    for row in jacobian:
        if not any(row):
            return 0.0
        scale *= max(1.0, *map(abs, row))
    found = determinant(jacobian)
    return found.sign * exp(found.log_abs) if found.sign and scale < GREAT else float("nan")
