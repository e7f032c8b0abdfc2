"""Initialisation from data: the layers whose scale and bias a batch can set, and the form of their formula.

Data set a map that is affine in each element alone: the variable, at most one scale and at most one bias, all of them
`init from_data`. Then there is one answer: the bias takes the mean away, the scale makes the deviation 1. Of any other
formula some parameter would have to be solved for, or none is there that could be.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.walks import uses
from mintdsl.diagnostics.model import Bag, Fix, Label
from mintdsl.records import record, replace
from mintdsl.source import Span

NAME = "from_data"
FORMS = "`s * (x + b)`, `s * x + b`, `x * s`, `x + b`, `(x - b) / s`"


@record
class FromData:
    """The form of a formula that data decide: the names of its scale and bias, empty where it has none.

    `inside`: the bias comes before the scale. `divides`, `subtracts`: by the scale, the bias.
    """

    scale: str = ""
    bias: str = ""
    inside: bool = False
    divides: bool = False
    subtracts: bool = False


def from_data(layer: ir.Layer | ir.Net) -> FromData | None:
    """What data decide in an elaborated layer; None where nothing is."""
    asked = _asked(layer)
    found = _read(layer, asked) if asked else None
    assert found is None or isinstance(found, FromData)
    return found


def waits(layer: ir.Layer | ir.Net) -> bool:
    """Whether a layer waits for data: itself, or one that it applies."""
    return bool(_asked(layer)) or any(waits(kind.layer) for _, kind in ir.applied_layers(layer))


def pending(program: ir.Program, keys: Sequence[str]) -> frozenset[str]:
    """Those of `keys`, used ones first, that wait for data: themselves or in what they use."""
    found: set[str] = set()
    for key in keys:
        definition = program.callable(key)
        match definition:
            case ir.Layer() | ir.Net():
                late = waits(definition)
            case ir.Flow():
                late = any(use.definition in found for use in uses(definition.steps)) or _estimates(definition.steps)
            case _:
                assert_never(definition)
        if late:
            found.add(key)
    return frozenset(found)


def _estimates(steps: Sequence[ir.Step]) -> bool:
    """Whether one of the steps, in blocks too, is standardised by data."""
    waiting = list(steps)
    while waiting:
        match waiting.pop().op:
            case ir.StandardizeData():
                return True
            case ir.Repeat(steps=inner) | ir.Pair(steps=inner):
                waiting.extend(inner)
            case _:
                pass
    return False


def check_from_data(layer: ir.Layer, bag: Bag) -> None:
    """Report what `init from_data` of a layer asks for and no data can give."""
    asked = _asked(layer)
    for name in asked:
        param = layer.param(name)
        why = _unfit(param)
        if why:
            _report(param.span, f"`init from_data` cannot set `{name}`: {why}", "set by no data", bag)
    if not asked or bag.has_errors:
        return
    found = _read(layer, asked)
    if not isinstance(found, FromData):
        also = tuple(Label(layer.param(name).span, "initialised from data") for name in asked)
        title = "`init from_data` needs an affine map of the variable alone"
        _report(found, title, "neither the variable, nor one scale or bias set by data", bag, also)
        return
    for name in asked:
        if name not in (found.scale, found.bias):
            title = f"`init from_data` cannot set `{name}`: it is not in the formula"
            _report(layer.param(name).span, title, "set by no data", bag)


def refuse_in_net(param: ir.Param, bag: Bag) -> None:
    """A net has no value whose mean and deviation would be known."""
    if _is(param):
        _report(param.span, f"`init from_data` cannot set `{param.name}`: it is in a net", "set by no data", bag)


def refuse_as_argument(init: ir.InitCall, span: Span, bag: Bag) -> bool:
    """Whether `from_data` is passed on, which is reported: the formula of a layer decides whether data can set it."""
    if init.formal or init.name != NAME:
        return False
    _report(span, "`from_data` cannot be passed on: it belongs to one formula", "no value of a formal", bag)
    return True


def _asked(layer: ir.Layer | ir.Net) -> tuple[str, ...]:
    return tuple(p.name for p in layer.params if _is(p))


def _is(param: ir.Param) -> bool:
    return param.init.name == NAME and not param.init.formal


def _unfit(param: ir.Param) -> str:
    """Why data cannot set a parameter, whatever the formula."""
    if not isinstance(param.kind, ir.Elementwise):
        return "it is a map, not a scale or a bias"
    if param.indices:
        return "it is a family"
    if param.source != param.target:
        return "it does not act on the layer's shape"
    if param.pivot is not None:
        return "a tie decides its sign"
    if param.bound is not None and param.bound.cmp == "== 1":
        return "it is always 1"
    if param.limited:
        return "its size is bounded"
    return ""


def _read(layer: ir.Layer | ir.Net, asked: Collection[str]) -> FromData | Span:
    """The form of the formula, from the result down to the variable; where it is none, the place."""
    assert isinstance(layer, ir.Layer)
    found, node = FromData(), layer.result
    while not isinstance(node, ir.Var):
        match node:
            case ir.Ref(name=name, indices=()):
                node = layer.let(name).value
                continue
            case ir.Binary(op="*" | "/" | "+" | "-" as op, left=left, right=right):
                kind = "scale" if op in "*/" else "bias"
                taken = found.scale if kind == "scale" else found.bias
                swapped = op in "*+" and not _value(layer, right, kind, asked)
                value, rest = (left, right) if swapped else (right, left)
                name = _value(layer, value, kind, asked)
                if not name or taken:
                    return node.span
                if kind == "scale":
                    found = replace(found, scale=name, divides=op == "/")
                else:
                    found = replace(found, bias=name, subtracts=op == "-", inside=bool(found.scale))
                node = rest
            case _:
                return node.span
    return found


def _value(layer: ir.Layer | ir.Net, node: ir.Expr, kind: str, asked: Collection[str]) -> str:
    """The name of a scale or bias set by data, and that acts on the layer's shape; empty for anything else."""
    if not isinstance(node, ir.Value) or node.param not in asked or node.indices:
        return ""
    param = layer.param(node.param)
    fits = isinstance(param.kind, ir.Elementwise) and param.kind.kind == kind and param.target == layer.shape
    return node.param if fits else ""


def _report(span: Span, title: str, label: str, bag: Bag, also: tuple[Label, ...] = ()) -> None:
    note = f"data can set one scale, one bias, or both, in formulas such as {FORMS}: each of them `init from_data`"
    fixes = (Fix("make that a layer of its own, or take `init ones` for a scale and `init zeros` for a bias"),)
    bag.error("E0710", span, title, label, also=also, notes=(note,), fixes=fixes)
