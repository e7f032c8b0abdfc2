"""The rule for exponentials of linear maps, exp(M): bijections for every M, by a series whose terms are counted."""

from __future__ import annotations

import math

from mintdsl.core.interval import REAL, number, product_above
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.jacobian import DENSE, PLUS, Fibre, Jacobian, Signed, constant
from mintdsl.proof.rules.chain import chained, linked
from mintdsl.proof.rules.model import Rule
from mintdsl.records import replace
from mintdsl.source import Span

MOST = 4.0
"""The largest bound of a norm: with c, what a round trip loses grows as exp(2 c)."""


def exponential(e: Jacobian, limit: float, why: Diagnostic) -> Jacobian:
    """Rule EXP: exp(M) after e, M of a norm of at most `limit`; `why` says why it is not triangular."""
    if e.constant:
        return constant(Signed(PLUS, REAL))
    lip = product_above(e.lip, math.exp(limit) * (1 + 2.0**-45))
    dense = Jacobian(DENSE, Signed(PLUS, REAL), Fibre.UNKNOWN, Signed(PLUS, REAL), REAL, lip, e.smooth)
    sign_why = e.sign_why if e.off == DENSE else None
    return replace(dense, dense_why=e.dense_why or why, sign_why=sign_why, chain=linked(chained(e), preserving=False))


def unbounded(name: str, limit: float, span: Span, declared: Span) -> Diagnostic | None:
    """Why the series of an exponential cannot be counted; None where it can."""
    if limit <= MOST:
        return None
    free = limit == math.inf
    return Diagnostic(
        "E0417",
        f"`exp({name})` needs a bound of the norm of `{name}`" + ("" if free else f" that is at most {MOST:g}"),
        (
            Label(span, "how many terms of the series are enough is not known" if free else "too steep", primary=True),
            Label(declared, "nothing bounds it" if free else f"its norm is at most {number(limit)}"),
        ),
        (
            "exp(M) is a bijection for every M; a series cut off too early is not: I + M with M = -I is 0",
            "rule EXP: with norm at most c, what is cut off after T terms is at most c^(T+1) / (T+1)! exp(c)",
        ),
        (Fix("bound it: `with lip <= 0.95`"),),
    )


def _example(bound: str) -> str:
    return (
        "mint 1\nlayer Example on Image[C, H, W] ensures invertible {\n"
        f"  param M : conv 3x3{bound}\n  map x -> exp(M)(x)\n}}\n"
    )


EXP = Rule(
    "EXP",
    "e : bijection of R^D;  M a linear map of one space, |M| <= c   =>   exp(M)(e) : bijection of R^D, inverse "
    "exp(-M), log|det J| = trace M, of a kernel H W trace(A), A the matrix at the anchor (of a circular one with all "
    "taps that come back to it); lip <= lip(e) exp(c)",
    f"c <= {MOST:g} bounds a norm for all weights, 2, 1 or inf; the series ends after T terms, T the first with "
    "c^(T+1) / (T+1)! exp(2c) below half a unit of rounding: so what is cut off is below exp(-c), as exp(M) makes "
    "nothing smaller than that, and what is evaluated is itself regular; lip in the norm of c",
    "exp(M) exp(-M) = I, det exp(M) = exp(trace M); Hoogeboom, Garcia Satorras, Tomczak, Welling, The Convolution "
    "Exponential and Generalized Sylvester Flows, NeurIPS 2020, arXiv:2006.01910, section 3.1",
    exponential,
    _example(" with lip <= 0.95"),
    _example(""),
)
RULES = (EXP,)
