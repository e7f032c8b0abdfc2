"""The rule of nets: what does not read the variable stays so, and anything else is dense."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from mintdsl.core.interval import REAL, ZERO
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.jacobian import DENSE, NONE, PLUS, Fibre, Jacobian, Signed, Smooth, constant
from mintdsl.proof.rules.model import Rule
from mintdsl.source import Span


def apply_net(
    arguments: Sequence[Jacobian], *, name: str, span: Span, strict: Sequence[str | None] = (), lip: float = inf
) -> Jacobian:
    """Rule NET: the class of a result of a net, or of channels stacked.

    `strict` has, for each argument, the direction in which the result reads it strictly; None where nothing is known,
    "" where it does not read it. `lip` bounds its Lipschitz constant.
    """
    values = Signed(PLUS, REAL)
    known = list(strict) or [None] * len(arguments)
    read = [(e, way) for e, way in zip(arguments, known, strict=True) if not e.constant and way != ""]
    if not read:
        return constant(values)
    ways = {way for _, way in read}
    way = read[0][1]
    if len(ways) == 1 and way is not None and all(e.off in (NONE, way) for e, _ in read):
        return Jacobian(way, Signed(PLUS, ZERO), Fibre.CONST, values, lip=lip, smooth=Smooth.KINKS)
    why = next((argument.dense_why for argument in arguments if argument.dense_why is not None), None)
    why = why or _dense_net(name, span)
    return Jacobian(DENSE, values, Fibre.UNKNOWN, values, lip=lip, smooth=Smooth.KINKS, dense_why=why)


def _dense_net(name: str, span: Span) -> Diagnostic:
    if name == "concat":
        title, label = "`concat` moves channels: the Jacobian is dense", "stacked here"
    else:
        title, label = f"the net `{name}` reads the variable: the Jacobian is dense", "a net is dense"
    return Diagnostic(
        "E0402",
        title,
        (Label(span, label, primary=True),),
        (
            "rule NET: a net claims nothing; of what does not read the variable it makes a constant",
            "it is triangular where its masks make it strict in the order of the layer: `linear strict lower`, "
            "`delay`; an `extern` net has no masks",
        ),
        (Fix("let it read what the map leaves alone only, or use a masked map of the layer: `conv 3x3 lower`"),),
    )


def _example(body: str) -> str:
    net = "net Shift from Vec[D] to Vec[D] {\n  param V : linear\n  map x -> tanh(V(x))\n}\n"
    layer = f"layer Example on Vec[D] ensures lower, diag > 0, invertible {{\n{body}\n}}\n"
    return f"mint 1\n{net}{layer}"


NET = Rule(
    "NET",
    "e1, ..., en : constant   =>   n(e1, ..., en) : constant, with values in R;  e1, ..., en : triangular k, and n "
    "strict k in those that read x   =>   n(e1, ..., en) : strict k;  otherwise dense;  "
    "lip(n(e1, ..., en)) <= sum of lip_k(n) lip(ek)",
    "strict k in the order of the layer, on Vec or in the order time, by the masks of n: each map, attention and delay "
    "of n reads positions up to its own or before it, all else the same position. `chain` and `concat` likewise; "
    "lip_k(n) is followed through n in the norm of its maps, 2, 1 or inf: compositions multiply, sums add, "
    "swish(u, beta = b), u sigmoid(b u), has the bound of silu for every b, as its slope is that of silu at b u; "
    "concat(u, v) has the root of the sum of squares, in the 1-norm the sum, in the maximum norm the larger one, and "
    "with weights w, w1^2 + w2^2 <= 1, the larger one, in the 1-norm that root; maps and scales need "
    "`with lip <= c`. n has a value for every input: its functions get arguments in their domains, its divisors are of "
    "one sign and never 0",
    "Dinh, Krueger, Bengio, NICE, ICLR 2015 workshop, arXiv:1410.8516, section 3.2: m is arbitrary",
    apply_net,
    _example("  param n : net Shift\n  param b : bias (per = element)\n  map x -> x + n(b)"),
    _example("  param n : net Shift\n  map x -> x + n(x)"),
)

RULES = (NET,)
