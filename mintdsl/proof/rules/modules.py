"""Rules for the leaves of a formula: the variable, numbers, parameters, masked linear maps, ties."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nextafter, sqrt

from mintdsl.core.interval import NONNEGATIVE, REAL, Interval, product_above
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.jacobian import (
    DENSE,
    NONE,
    ONTO,
    PLUS as NO_SIGNS,
    VARIABLE,
    Chain,
    Fibre,
    Jacobian,
    Signed,
    constant,
)
from mintdsl.proof.rules.chain import broken, chained, linked
from mintdsl.proof.rules.model import MINTNET, Rule, vec
from mintdsl.records import replace
from mintdsl.source import Span


def variable() -> Jacobian:
    """Rule VAR."""
    return VARIABLE


def tied(sign: int, others: Sequence[Signed]) -> Signed:
    """Rule TIE: the diagonal of a pivot, |raw| times `sign` and the signs of the other factors, where sign(0) = 0."""
    result = Signed(NO_SIGNS, NONNEGATIVE if sign > 0 else -NONNEGATIVE)
    for other in others:
        negative = other.interval.nonpositive and not other.interval.is_zero
        result = Signed(result.monomial ^ other.monomial, -result.interval if negative else result.interval)
    return result


def normalized(argument: Jacobian, eps: float) -> Jacobian:
    """Rule BN: the class of `n(argument)` with frozen statistics."""
    steepest = nextafter(1.0 / nextafter(sqrt(eps), 0.0), inf)
    lip = product_above(argument.lip, steepest)
    if argument.off == DENSE or argument.constant:
        chain = linked(argument.chain, preserving=False)
        return replace(argument, range=Signed(NO_SIGNS, REAL), lip=lip, chain=chain)
    slope = Signed(NO_SIGNS, Interval(0.0, steepest, lo_open=True))
    fibre = argument.fibre if argument.fibre is not Fibre.IMAGE else Fibre.UNKNOWN
    return replace(argument, diag=argument.diag * slope, fibre=fibre, image=REAL, range=Signed(NO_SIGNS, REAL), lip=lip)


def apply_map(
    argument: Jacobian,
    direction: str | None,
    strict: bool,
    diagonal: Signed,
    *,
    name: str,
    span: Span,
    declared: Span,
    cycle: str,
    determinant: Interval | None = None,
    limit: float = inf,
) -> Jacobian:
    """Rule BASIC: the class of `W(argument)`. `cycle` says why directions that mix have no order.

    `determinant` has |det W| of a square matrix without a direction where a constraint keeps it (rule DET); `limit`
    bounds the 2-norm of a map without a direction.
    """
    if direction is None:
        why = _dense_map(name, span, declared) if determinant is None else not_triangular(name, span, declared)
        dense = _dense(argument, why, determinant, name, span)
        return dense if argument.constant or limit == inf else replace(dense, lip=product_above(argument.lip, limit))
    regular = None if strict else diagonal.interval
    if argument.off not in (NONE, direction, DENSE):
        why = _mixed(name, direction, argument.off, span, declared, cycle)
        return _dense(argument, why, regular, name, span)
    if argument.off == DENSE:
        return _dense(argument, argument.dense_why, regular, name, span)
    diag = diagonal * argument.diag
    fibre = argument.fibre
    if strict or argument.constant or argument.strict:
        fibre = Fibre.CONST
    elif fibre in ONTO:
        fibre = fibre if diagonal.interval.one_signed else Fibre.UNKNOWN
    else:
        fibre = Fibre.UNKNOWN
    off = NONE if argument.constant else direction
    lip = 0.0 if argument.constant else inf  # its weights are free
    return Jacobian(
        off, diag, fibre, Signed(NO_SIGNS, REAL), lip=lip, smooth=argument.smooth, sign_why=argument.sign_why
    )


def _dense(argument: Jacobian, why: Diagnostic | None, regular: Interval | None, name: str, span: Span) -> Jacobian:
    """A map whose diagonal, or determinant, lies in `regular`, or about which nothing is known."""
    if argument.constant:
        return constant(Signed(NO_SIGNS, REAL))
    unknown, chain = Signed(NO_SIGNS, REAL), Chain.NONE
    if regular is not None and regular.one_signed:
        chain = linked(chained(argument), preserving=regular.unit)
    why = argument.dense_why or why
    dense = Jacobian(DENSE, unknown, Fibre.UNKNOWN, unknown, smooth=argument.smooth, dense_why=why, chain=chain)
    return broken(dense, (argument,), span, f"nothing keeps the determinant of `{name}` away from 0")


def _dense_map(name: str, span: Span, declared: Span) -> Diagnostic:
    return Diagnostic(
        "E0409",
        f"`{name}` is a dense map: nothing proves it invertible",
        (Label(span, "dense here", primary=True), Label(declared, "declared without a direction")),
        ("a matrix that training moves freely can become singular",),
        (Fix("give it a direction and a diagonal: `lower with diag > 0`; or keep its determinant: `with det != 0`"),),
    )


def not_triangular(name: str, span: Span, declared: Span) -> Diagnostic:
    """Why a permutation, a map with a determinant that is kept, or an exponential has no triangular Jacobian."""
    return Diagnostic(
        "E0409",
        f"`{name}` is a dense map: its Jacobian is not triangular",
        (Label(span, "dense here", primary=True), Label(declared, "declared without a direction")),
        ("it is invertible all the same: claim `invertible`, not a direction",),
    )


def _mixed(name: str, direction: str, other: str, span: Span, declared: Span, cycle: str) -> Diagnostic:
    return Diagnostic(
        "E0402",
        f"`{direction}` after `{other}` inside one formula: the Jacobian is dense",
        (
            Label(span, f"{direction} of {other}: dense here", primary=True),
            Label(declared, f"`{name}` is {direction} triangular"),
        ),
        (
            f"the argument is {other} triangular",
            "the product of a lower and an upper triangular matrix has no diagonal to read off",
            *filter(None, [cycle]),
        ),
        (Fix("make two layers, each triangular, and compose them in a flow: `pair { LowerOne  UpperOne }`"),),
    )


VAR = Rule(
    "VAR",
    "x : diagonal, diag = 1, affine",
    "none",
    MINTNET + ", section 3",
    variable,
    vec("  map x -> x"),
    vec("  map x -> 0 * x"),
)
CONST = Rule(
    "CONST",
    "a parameter or number : constant; its values lie in its constraint's set",
    "it does not depend on the variable",
    MINTNET + ", section 3",
    constant,
    vec("  param b : bias\n  map x -> x + b"),
    vec("  param b : bias\n  map x -> x * b"),
)
BASIC = Rule(
    "BASIC",
    "e : triangular k, diag in D;  W masked by k, diag(W) in s [a, b]   =>   W(e) : triangular k, diag in s [a, b] D",
    "every stored non-zero entry (p, q) of W has p = q or key(p) > key(q); decided on the taps (output channel, input "
    "channel, offset), for every height and width; zero padding, stride 1, anchor at offset 0",
    MINTNET + ", Proposition 1 (basic module) and Figure 2 (masks)",
    apply_map,
    vec("  param W : linear lower with diag > 0\n  map x -> W(x)"),
    vec("  param W : linear\n  map x -> W(x)"),
)
TIE = Rule(
    "TIE",
    "tie diag(A) diag(P) diag(B) >= 0   =>   sign(P) = sign(A) sign(B), |diag(P)| in [0, inf)",
    "P carries every index of the tie, occurs once and is bound by nothing else; sign(0) = 0, so the bound of P is 0",
    MINTNET + ", section 4 (the constraint on W1, W2, W3)",
    tied,
    vec(
        "  param t : scale with diag > 0\n  param A, B : linear lower\n  tie diag(A) * diag(B) >= 0\n"
        "  map x -> t * x + A(elu(B(x)))"
    ),
    vec("  param t : scale with diag > 0\n  param A, B : linear lower\n  map x -> t * x + A(elu(B(x)))"),
)

BN = Rule(
    "BN",
    "e : class k, diag in D;  n normalize   =>   "
    "n(e) = (e - mean) / sqrt(var + eps) : class k, diag in (0, 1 / sqrt(eps)] D",
    "evaluation mode: mean and var are frozen numbers, var >= 0. In training the statistics are those of the batch, "
    "and the map of the batch is not injective",
    "Ioffe, Szegedy, ICML 2015, arXiv:1502.03167; in flows Dinh et al., ICLR 2017, arXiv:1605.08803",
    normalized,
    vec("  param n : normalize\n  param g : scale with diag != 0\n  map x -> g * n(x)", "diag != 0, invertible"),
    vec("  param n : normalize\n  param g : scale\n  map x -> g * n(x)", "diag != 0, invertible"),
)

RULES = (VAR, CONST, BASIC, TIE, BN)
