"""The facts of activations that rule ACT uses: slope, image and values on the range of the argument."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mintdsl.core import ir
from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.constraints import kept_by
from mintdsl.core.interval import REAL, ZERO, Interval
from mintdsl.core.nat import Nat
from mintdsl.core.options import Option
from mintdsl.proof.jacobian import ONTO, Fibre, Jacobian, Smooth
from mintdsl.proof.rules.algebra import ActFacts
from mintdsl.proof.undefined import Undefined, not_positive, outside
from mintdsl.source import Span

SMOOTH = {"analytic": Smooth.ANALYTIC, "C1": Smooth.C1}


def registered_facts(
    act: ir.BuiltinAct, argument: Interval, bindings: Mapping[str, ir.Argument], span: Span
) -> ActFacts:
    """The facts that the registry states, for arguments in `argument`; raises where it is not defined there."""
    info = ACTIVATIONS[act.name]
    options = tuple(_option(o, i, bindings, span) for o, i in zip(act.options, info.options, strict=True))
    if not argument.within(info.domain):
        raise Undefined(outside(str(act), argument, info.domain, span))
    values = info.image_of(argument, options)
    smooth = SMOOTH.get(info.smooth, Smooth.KINKS)
    return ActFacts(str(act), info.slope_on(argument, options), info.image, values, info.domain, smooth)


def _option(value: float | str, option: Option, bindings: Mapping[str, ir.Argument], span: Span) -> float:
    number = value if isinstance(value, float) else bindings[value]
    assert isinstance(number, float)
    if option.positive and number <= 0:
        raise Undefined(not_positive(option.name, number, span))
    return number


def defined_facts(name: str, body: Jacobian) -> ActFacts:
    """The facts of an activation of the program: those proved of its formula, on all of R."""
    slope = body.diag.forget().interval
    image = REAL if body.fibre in ONTO else body.image if body.fibre is Fibre.IMAGE else None
    values = body.range.forget().interval
    domain = REAL if image is not None else ZERO
    return ActFacts(name, slope, image if image is not None else values, values, domain, body.smooth)


def size_of(nat: Nat) -> Interval:
    """Sizes are at least 1, so a product of them is at least its coefficient."""
    if nat.constant is not None:
        return Interval(float(nat.constant), float(nat.constant))
    if len(nat.terms) != 1 or nat.terms[0][1].top < 0:
        return REAL
    (_, ratio), *_ = nat.terms
    least = ratio.top / ratio.bottom
    return Interval(math.nextafter(least, 0.0) if ratio.bottom != 1 else least, math.inf)


def scale_values(param: ir.Param) -> Interval:
    """The values of a scale or bias in a net; where the sign is free nothing is said of them."""
    bound = param.bound
    if bound is None or bound.formal or bound.quantity != "diag":
        return REAL
    via = kept_by(bound.quantity, bound.cmp, bound.via)
    return REAL if via.signed or via.assumed else bound.interval
