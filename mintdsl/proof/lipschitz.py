"""Whether the field of a continuous flow is Lipschitz in its state: a walk over the formulas of its net (rule ODE)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.claim_words import LOG_DETS
from mintdsl.core.interval import REAL, ZERO, Interval
from mintdsl.core.nat import Nat
from mintdsl.core.postorder import Node, postorder
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.acts import registered_facts, scale_values
from mintdsl.proof.jacobian import PLUS, Signed, Smooth, constant
from mintdsl.proof.rules import ode
from mintdsl.proof.rules.flows import Passage
from mintdsl.proof.rules.ode import Growth, Level
from mintdsl.proof.undefined import Undefined, divides_by_zero
from mintdsl.source import Span

Bindings = Mapping[str, ir.Argument]

MOST = 4096
"""Different uses of nets inside of each other that are followed."""


def ode_passage(step: ir.Step, op: ir.Ode, bindings: Bindings) -> tuple[Passage | Diagnostic, str]:
    """What rule ODE gives for a step, or why it does not apply; and the conclusion in words."""
    try:
        growth = field_growth(op, bindings)
    except Undefined as undefined:
        return undefined.diagnostic, "nothing is proved"
    name, own = op.field.net.name, ode.continuous(growth, op.probes is not None)
    if own is None:
        return not_lipschitz(step, name, growth), "nothing is proved"
    kind = "bi-Lipschitz bijection" if growth.smooth is Smooth.KINKS else "diffeomorphism"
    return own, f"{kind} of R^D, as {name} is Lipschitz in the state; log-det {LOG_DETS[own.log_det]}"


def field_growth(step: ir.Ode, bindings: Bindings) -> Growth:
    """How the field depends on the state, with the flow's bindings. Raises Undefined where it has no value."""
    state, time = Growth(Level.LIPSCHITZ), Growth(Level.FIXED, Interval(0.0, step.until))
    return _Walk({}).net(step.field, bindings, (state, time))[0]


def not_lipschitz(step: ir.Step, name: str, growth: Growth) -> Diagnostic:
    """Why rule ODE does not apply."""
    assert growth.why is not None
    place, reason = growth.why
    return Diagnostic(
        "E0610",
        f"the field `{name}` is not proved Lipschitz in the state: the flow may leave every bound in finite time",
        (Label(place, reason, primary=True), Label(step.span, "the field of this step")),
        (
            "rule ODE: where dz/dt = f(z, t) has a field with |f(z, t) - f(z', t)| <= L |z - z'|, its flow is a "
            "bijection; dz/dt = z^2 reaches infinity at the time 1 / z",
        ),
        (Fix("use linear maps and functions with a largest slope: `tanh`, `softplus`, `elu`, `sigmoid`, `silu`"),),
    )


def _inside(kind: ir.NetParam, outer: Bindings) -> dict[str, ir.Argument]:
    """The values of a net's own formals."""
    found: dict[str, ir.Argument] = {}
    for name, value in kind.args:
        known = outer.get(value.name) if isinstance(value, (ir.FormalAct, ir.FormalOrder)) else value
        if known is not None:
            found[name] = known
    return found


@dataclass(slots=True)
class _Walk:
    """What is known of nets, by net, values of formals and levels of inputs: each is followed once."""

    known: dict[tuple[object, ...], list[Growth]] = field(default_factory=dict)

    def net(self, kind: ir.NetParam, outer: Bindings, inputs: Sequence[Growth]) -> list[Growth]:
        """The class of each result of a net."""
        bindings = _inside(kind, outer)
        place = (kind.definition, tuple(bindings.items()), tuple(inputs))
        if place not in self.known:
            self.known[place] = self._followed(kind.net, bindings, inputs)
        return self.known[place]

    def _followed(self, net: ir.Net, bindings: Bindings, inputs: Sequence[Growth]) -> list[Growth]:
        if net.extern or len(self.known) > MOST:
            reason = "nothing is known of an extern net" if net.extern else "too many nets inside of each other"
            return [ode.opaque(inputs, reason, net.name_span) for _ in net.targets]
        named = {name: growth for (name, _), growth in zip(net.inputs, inputs, strict=True)}
        formulas = _Formulas(self, net, bindings, named, {})
        for item in net.lets:
            formulas.lets[item.name] = formulas.of(item.value)
        return [formulas.of(result) for result in net.results]


@dataclass(slots=True)
class _Formulas:
    """The formulas of one net, or that of an activation, which has neither parameters nor lets."""

    walk: _Walk
    net: ir.Net | None
    bindings: Bindings
    variables: Mapping[str, Growth]
    lets: dict[str, Growth]

    def of(self, root: ir.Expr) -> Growth:
        """The class of a formula, every node after its operands."""
        done: list[Growth] = []
        for node in postorder(root):
            done.append(self._node(node, [done[k] for k in node.operands]))
        return done[-1]

    def _node(self, node: Node, below: Sequence[Growth]) -> Growth:
        expr = node.expr
        match expr:
            case ir.Var(name=name):
                return self.variables[name]
            case ir.Ref(name=name):
                return self.lets[name]
            case ir.Scalar(value=value):
                return Growth(Level.FIXED, self._number(value))
            case ir.Value(param=name):
                return Growth(Level.FIXED, scale_values(self._param(name)))
            case ir.Linear(param=name):
                return self._mapped(self._param(name).kind, below[0], expr.span)
            case ir.Apply(act=act):
                return self._act(act, below[0], expr.span)
            case ir.Neg():
                return ode.together(below, -below[0].values)
            case ir.Binary(op=op):
                return self._binary(op, below[0], below[1], expr)
            case ir.Sum() | ir.Given() | ir.Pick() | ir.Spread() | ir.Swish():
                return ode.together(below, REAL)
            case ir.Pool():
                return below[0]
            case ir.MaxMin():
                return Growth(below[0].level, below[0].values, Smooth.KINKS, below[0].why)
            case ir.Delay():
                return ode.together(below, below[0].values.hull(ZERO))
            case ir.Concat():
                values = below[0].values
                for one in below[1:]:
                    values = values.hull(one.values)
                return ode.together(below, values.hull(ZERO) if expr.weights else values)
            case ir.Call(param=name, output=output):
                return self._called(name, below)[output]
            case ir.Chain(param=name):
                found = below[0]
                for _ in Level:  # a copy that changes nothing is the last that has to be followed
                    found = self._called(name, [found])[0]
                return found
            case ir.Bend():
                return ode.opaque(below, f"`{expr.bijection}` reads the state", expr.span)
            case ir.Join() | ir.Inline() | ir.Exponential() | ir.Cayley():
                raise AssertionError("these stand in layers")
            case _:
                assert_never(expr)

    def _param(self, name: str) -> ir.Param:
        assert self.net is not None
        return self.net.param(name)

    def _called(self, name: str, below: Sequence[Growth]) -> list[Growth]:
        """A net inside of this one; of its inputs the level alone goes in, so that few cases are followed."""
        kind = self._param(name).kind
        assert isinstance(kind, ir.NetParam)
        return self.walk.net(kind, self.bindings, [Growth(one.level, REAL, one.smooth, one.why) for one in below])

    def _number(self, value: float | Nat | str) -> Interval:
        if isinstance(value, str):
            known = self.bindings.get(value)
        else:
            known = value if isinstance(value, float) else value.constant
        return Interval(float(known), float(known)) if isinstance(known, (int, float)) else REAL

    def _mapped(self, kind: ir.Kind, argument: Growth, span: Span) -> Growth:
        match kind:
            case ir.Attention():
                return ode.opaque([argument], "attention reads the state: its slope grows with it", span)
            case ir.LayerNorm():
                return ode.normalized(argument)
            case ir.Normalize():
                return ode.opaque([argument], "statistics of a batch change while the solver works", span)
            case _:
                return ode.together([argument], REAL)

    def _act(self, act: ir.Act, argument: Growth, span: Span) -> Growth:
        match act:
            case ir.FormalAct(name=name):
                bound = self.bindings[name]
                assert isinstance(bound, (ir.BuiltinAct, ir.DefinedAct))
                return self._act(bound, argument, span)
            case ir.DefinedAct():
                return _Formulas(self.walk, None, self.bindings, {act.variable: argument}, {}).of(act.body)
            case ir.BuiltinAct():
                facts = registered_facts(act, argument.values, self.bindings, span)
                about = facts.slope, facts.values, facts.domain, facts.smooth
                return ode.bounded_slope(argument, *about, facts.name, span)
            case _:
                assert_never(act)

    def _binary(self, op: str, left: Growth, right: Growth, node: ir.Binary) -> Growth:
        match op:
            case "+":
                return ode.together((left, right), left.values + right.values)
            case "-":
                return ode.together((left, right), left.values - right.values)
            case "*":
                return ode.product(left, right, node.span)
            case _:
                if not right.values.one_signed:
                    raise Undefined(divides_by_zero(constant(Signed(PLUS, right.values)), node.right.span))
                return ode.product(left, ode.reciprocal(right, node.right.span), node.span)
