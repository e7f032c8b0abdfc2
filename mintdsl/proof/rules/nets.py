"""The rule of nets: what does not read the variable stays so, and anything else is dense."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.core.interval import REAL
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.jacobian import DENSE, PLUS, Fibre, Jacobian, Signed, Smooth, constant
from mintdsl.proof.rules.model import Rule
from mintdsl.source import Span


def apply_net(arguments: Sequence[Jacobian], *, name: str, span: Span) -> Jacobian:
    """Rule NET: the class of each result of a net, or of channels stacked."""
    values = Signed(PLUS, REAL)
    if all(argument.constant for argument in arguments):
        return constant(values)
    why = next((argument.dense_why for argument in arguments if argument.dense_why is not None), None)
    return Jacobian(DENSE, values, Fibre.UNKNOWN, values, smooth=Smooth.KINKS, dense_why=why or _dense_net(name, span))


def _dense_net(name: str, span: Span) -> Diagnostic:
    if name == "concat":
        title, label = "`concat` moves channels: the Jacobian is dense", "stacked here"
    else:
        title, label = f"the net `{name}` reads the variable: the Jacobian is dense", "a net is dense"
    return Diagnostic(
        "E0402",
        title,
        (Label(span, label, primary=True),),
        ("rule NET: a net claims nothing; of what does not read the variable it makes a constant",),
        (Fix("let it read what the map leaves alone only, or use a masked map of the layer: `conv 3x3 lower`"),),
    )


def _example(body: str) -> str:
    net = "net Shift from Vec[D] to Vec[D] {\n  param V : linear\n  map x -> tanh(V(x))\n}\n"
    layer = f"layer Example on Vec[D] ensures lower, diag > 0, invertible {{\n{body}\n}}\n"
    return f"mint 1\n{net}{layer}"


NET = Rule(
    "NET",
    "e1, ..., en : constant   =>   n(e1, ..., en) : constant, with values in R;  otherwise dense, nothing else known",
    "none: a net claims nothing. `chain` and `concat` likewise",
    "Dinh, Krueger, Bengio, NICE, ICLR 2015 workshop, arXiv:1410.8516, section 3.2: m is arbitrary",
    apply_net,
    _example("  param n : net Shift\n  param b : bias (per = element)\n  map x -> x + n(b)"),
    _example("  param n : net Shift\n  map x -> x + n(x)"),
)

RULES = (NET,)
