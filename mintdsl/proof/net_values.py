"""Whether a net has a value for every input and all weights: no argument outside a domain, no divisor that may be 0.

Rule NET takes a net as any function; one that is infinite or undefined somewhere is none. The values of each formula
are followed as an interval, those of inputs and of what maps give as all of R.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mintdsl.core import ir
from mintdsl.core.interval import REAL, Interval
from mintdsl.core.nat import Nat
from mintdsl.core.postorder import Node, postorder
from mintdsl.proof.acts import registered_facts, scale_values, size_of
from mintdsl.proof.undefined import Undefined, divides_by_zero
from mintdsl.records import record

Bindings = Mapping[str, ir.Argument]


def check_values(nets: Iterable[ir.NetParam], bindings: Bindings) -> None:
    """Raises Undefined for the first of these nets, used with these bindings, or of the nets in them, that is none."""
    work, seen = [(kind, bindings) for kind in nets], set()
    while work:
        kind, outer = work.pop()
        own = {n: outer[v.name] if isinstance(v, (ir.FormalAct, ir.FormalOrder)) else v for n, v in kind.args}
        key = kind.definition, frozenset((n, v) for n, v in own.items() if not isinstance(v, (Nat, ir.InitCall)))
        if key not in seen:
            seen.add(key)
            walk = _Walk(own, kind.net, {})
            for item in kind.net.lets:
                walk.lets[item.name] = walk.formula(item.value)
            for result in kind.net.results:
                walk.formula(result)
            work += [(inner, own) for _, inner in ir.net_params(kind.net)]


@record
class _Walk:
    bindings: Bindings
    net: ir.Net | None  # None in the formula of an activation
    lets: dict[str, Interval]

    def formula(self, root: ir.Expr) -> Interval:
        """What its values lie in."""
        done: list[Interval] = []
        for node in postorder(root):
            done.append(self.of(node, [done[place] for place in node.operands]))
        return done[-1]

    def of(self, node: Node, below: list[Interval]) -> Interval:
        """What the values of a node lie in."""
        match node.expr:
            case ir.Scalar(value=float() as value):
                return Interval(value, value)
            case ir.Scalar(value=str() as name):
                number = self.bindings.get(name)
                return Interval(number, number) if isinstance(number, float) else REAL
            case ir.Scalar(value=Nat() as size):
                return size_of(size)
            case ir.Value(param=name):
                assert self.net is not None
                return scale_values(self.net.param(name))
            case ir.Ref(name=name):
                return self.lets[name]
            case ir.Apply(act=act):
                return self.act(act, below[0], node)
            case ir.Neg():
                return -below[0]
            case ir.Binary(op="+"):
                return below[0] + below[1]
            case ir.Binary(op="-"):
                return below[0] - below[1]
            case ir.Binary(op="*"):
                return below[0] * below[1]
            case ir.Binary():
                return self.quotient(node.expr, below)
            case _:
                return REAL

    def act(self, act: ir.Act, argument: Interval, node: Node) -> Interval:
        """The values of an activation on an interval; raises where it is not defined there."""
        match act:
            case ir.FormalAct(name=name):
                bound = self.bindings[name]
                assert isinstance(bound, (ir.BuiltinAct, ir.DefinedAct))
                return self.act(bound, argument, node)
            case ir.DefinedAct(body=body):
                return _Walk(self.bindings, None, {}).formula(body)  # defined on all of R, or nowhere
            case ir.BuiltinAct():
                return registered_facts(act, argument, self.bindings, node.expr.span).values

    def quotient(self, node: ir.Binary, below: Sequence[Interval]) -> Interval:
        """Values of a quotient; raises where the divisor may be 0."""
        if not below[1].one_signed:
            raise Undefined(divides_by_zero(below[1], node.right.span))
        return below[0] * below[1].reciprocal()
