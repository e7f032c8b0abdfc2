"""The rule of layers that a formula applies: a composition with what is proved of them."""

from __future__ import annotations

from mintdsl.core.interval import REAL, Interval, product_above
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.jacobian import DENSE, NONE, ONTO, PLUS, Chain, Fibre, Jacobian, Signed, constant, settled
from mintdsl.proof.rules.chain import broken, chained
from mintdsl.proof.rules.flows import Bijection
from mintdsl.proof.rules.model import Rule
from mintdsl.records import replace
from mintdsl.source import Span


def whole_chain(bijection: Bijection | None, *, preserving: bool) -> Chain:
    """What a layer is by itself: a bijection of R^D, which keeps volumes or not."""
    if bijection is None or bijection.codomain != REAL:
        return Chain.NONE
    return Chain.PRESERVING if preserving else Chain.BIJECTION


def apply_layer(
    argument: Jacobian,
    inner: Jacobian,
    direction: str,
    whole: Chain,
    *,
    name: str,
    span: Span,
    blame: Diagnostic | None,
) -> Jacobian:
    """Rule APPLY: the class of `name(argument)`.

    `inner` is the class of the layer, `direction` the one in which it is triangular in the order of this formula: NONE
    where it is diagonal, DENSE where nothing is known. `whole` is what it is by itself, and `blame` why it is nothing.
    """
    values = Signed(PLUS, inner.range.forget().interval)
    if argument.constant:
        return constant(values)
    lip, smooth = product_above(argument.lip, inner.lip), min(argument.smooth, inner.smooth)
    off = argument.off if direction == NONE else direction if argument.off in (NONE, direction) else DENSE
    if off == DENSE:
        unknown, chain = Signed(PLUS, REAL), min(chained(argument), whole)
        why = argument.dense_why or _dense(name, span)
        dense = Jacobian(DENSE, unknown, Fibre.UNKNOWN, values, REAL, lip, smooth, dense_why=why, chain=chain)
        dense = broken(dense, (argument,), span, f"`{name}` is not proved to be a bijection of R^D")
        if not chain and dense.sign_why is None:
            what = f"`{name}`" if whole is Chain.NONE else f"what `{name}` is applied to"
            dense = replace(dense, sign_why=_unproved(blame, what, span))
        return dense
    diag = inner.diag * argument.diag
    fibre, image = _fibre(argument, inner)
    kept = inner.diag.interval.one_signed or inner.strict
    lost = argument.sign_why or (None if kept else _unproved(blame, f"`{name}`", span))
    return settled(Jacobian(off, diag, fibre, values, image, lip, smooth, sign_why=lost))


def _fibre(argument: Jacobian, inner: Jacobian) -> tuple[Fibre, Interval]:
    """The own-coordinate kind of a composition: where the argument takes all values of R, that of the layer."""
    if argument.strict or inner.strict:
        return Fibre.CONST, REAL
    if argument.fibre not in ONTO:
        return Fibre.UNKNOWN, REAL
    if inner.fibre is Fibre.AFFINE:
        return argument.fibre, REAL
    if inner.fibre is Fibre.FORMULA and argument.fibre is Fibre.ONTO:
        return Fibre.ONTO, REAL
    return inner.fibre, inner.image


def _dense(name: str, span: Span) -> Diagnostic:
    return Diagnostic(
        "E0409",
        f"`{name}` is applied here: the Jacobian is not triangular in the order of this layer",
        (Label(span, "dense here", primary=True),),
        (
            "rule APPLY keeps a direction where both are triangular in one order and direction, and no sign is free",
            "it may be invertible all the same: claim `invertible`, not a direction",
        ),
    )


def _unproved(blame: Diagnostic | None, what: str, span: Span) -> Diagnostic:
    """Why a layer and what it is applied to are no bijection together; `blame` is why the layer is none."""
    if blame is not None:
        label = f"so nothing is proved of {what}, which is applied here"
        return replace(blame, labels=(*blame.labels, Label(span, label)))
    return Diagnostic(
        "E0414",
        f"{what} is not proved to be a bijection of R^D, so the composition is not either",
        (Label(span, "applied here", primary=True),),
        ("rule APPLY: both the layer and its argument are bijections, or both are triangular in one order",),
        (Fix("apply a layer that is proved `invertible`"),),
    )


_ROTATION = (
    "layer Mix on Vec[D] ensures invertible {\n  param L : linear lower with diag == 1\n"
    "  param U : linear upper with diag > 0\n  map x -> L(U(x))\n}\n"
)
_COUPLED = "layer Example on Vec[D] ensures invertible {\n  map x {\n    let (a, b) = split(x, halves)\n"

APPLY = Rule(
    "APPLY",
    "e, f : bijections of R^D   =>   f(e) : bijection of R^D, log-dets add;  e, f : triangular k, diag in D, E   =>   "
    "f(e) : triangular k, diag in E D",
    "f is a layer that is proved by itself; of the second, one order and direction, and no sign of a parameter of f is "
    "free. Each application has parameters of its own",
    "composition of functions; chain rule; Song, Meng, Ermon, MintNet, NeurIPS 2019, arXiv:1907.07945, Proposition 1",
    apply_layer,
    f"mint 1\n{_ROTATION}{_COUPLED}    return join(a, Mix(Mix(b)) * exp(tanh(a)) + a)\n  }}\n}}\n",
    f"mint 1\n{_ROTATION}{_COUPLED}    return join(a, b + Mix(b))\n  }}\n}}\n",
)
RULES = (APPLY,)
