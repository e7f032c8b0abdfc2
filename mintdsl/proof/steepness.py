"""Lipschitz constants of nets: for each result a bound with respect to each input, for all weights, in one norm.

That is the 2-norm, the 1-norm or the maximum norm, of all entries of an expression as one vector (`core/norms.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from math import inf, nextafter, sqrt

from mintdsl.core import ir
from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.constraints import kept_by
from mintdsl.core.interval import REAL, ZERO, Interval, product_above, sum_above
from mintdsl.core.nat import Nat
from mintdsl.core.norms import EUCLIDEAN, norm_of_map
from mintdsl.core.postorder import postorder
from mintdsl.proof.acts import registered_facts
from mintdsl.proof.undefined import Undefined
from mintdsl.records import record
from mintdsl.source import Span

Bindings = Mapping[str, ir.Argument]
CLIP_SWISH_OF_SUMS = 1.0863
"""A Lipschitz constant of `clip_swish` in the 1-norm."""
SWISH = ACTIVATIONS["silu"].slope().magnitude
"""A Lipschitz constant of u sigmoid(b u), in every norm."""


@record
class Steep:
    """An expression in a net: `lips` bounds it with respect to each input, `values` holds all that it takes.

    `free` is the place where the first bound was lost.
    """

    lips: tuple[float, ...]
    values: Interval
    free: Span | None = None

    @property
    def constant(self) -> bool:
        """Whether it reads no input."""
        return not any(self.lips)

    def times(self, factor: float, values: Interval, span: Span) -> Steep:
        """After a map of this constant with these values."""
        return Steep(tuple(product_above(lip, factor) for lip in self.lips), values, self.free).at(span)

    def at(self, span: Span) -> Steep:
        """With the place where a bound was lost, if it was here."""
        return Steep(self.lips, self.values, span) if inf in self.lips and self.free is None else self


def net_steepness(kind: ir.NetParam, outer: Bindings, norm: float) -> list[Steep]:
    """The results of a net that is a parameter where formals have the values `outer`, in the norm of this order."""
    given = {name: outer[v.name] if isinstance(v, ir.FormalAct) else v for name, v in kind.args}
    return _Walk(kind.net, tuple(name for name, _ in kind.net.inputs), given, norm, {}, {}).results()


def steepness_of(
    node: ir.Call | ir.Chain | ir.Concat, layer: ir.Layer, outer: Bindings, lips: Sequence[float], norm: float
) -> Steep:
    """A net, a chain of nets or channels stacked in a formula of a layer; `lips` are the bounds of its arguments, in
    the norm of this order."""
    return _Walk(layer, ("",), outer, norm, {}, {}).of(node, [Steep((lip,), REAL) for lip in lips], {})


def limited(net: ir.Net) -> bool:
    """Whether a map in a net, or in one that it uses, has a bound of its norm."""
    return any(p.limited for p in net.params) or any(limited(kind.net) for _, kind in ir.net_params(net))


def beside(parts: Sequence[Steep], norm: float, *, weighted: bool) -> tuple[float, ...]:
    """The bounds of several expressions as one vector, with respect to each input.

    The p-th root of the sum of p-th powers: the sum in the 1-norm, the largest one in the maximum norm. Multiplied by
    weights whose squares add up to at most 1, the largest one in the 2-norm too, and in the 1-norm the root of the sum
    of squares (Cauchy and Schwarz).
    """
    if norm == inf or (weighted and norm == EUCLIDEAN):
        together: Callable[[Sequence[float]], float] = max
    else:
        together = _root if weighted or norm == EUCLIDEAN else _total
    return tuple(map(together, zip(*(part.lips for part in parts), strict=True)))


def _total(lips: Sequence[float]) -> float:
    return reduce(sum_above, lips)


def _root(lips: Sequence[float]) -> float:
    read = [lip for lip in lips if lip]
    if len(read) < 2:
        return read[0] if read else 0.0
    total = 0.0
    for lip in read:
        total = sum_above(total, product_above(lip, lip))
    return nextafter(sqrt(total), inf)  # sqrt rounds to nearest


@record
class _Walk:
    net: ir.Net | ir.Layer
    inputs: tuple[str, ...]
    bindings: Bindings
    norm: float
    lets: dict[str, Steep]
    inner: dict[str, list[Steep]]

    def results(self) -> list[Steep]:
        assert isinstance(self.net, ir.Net)
        if self.net.extern:
            return [self.same(inf, REAL, self.net.span) for _ in self.net.targets]
        for item in self.net.lets:
            self.lets[item.name] = self.formula(item.value, {})
        return [self.formula(result, {}) for result in self.net.results]

    def same(self, lip: float, values: Interval, span: Span) -> Steep:
        """The same bound with respect to every input."""
        return Steep(tuple(lip for _ in self.inputs), values).at(span)

    def formula(self, root: ir.Expr, arguments: Mapping[str, Steep]) -> Steep:
        """A formula of the net, or the body of an activation whose variable is among `arguments`."""
        done: list[Steep] = []
        for node in postorder(root):
            done.append(self.of(node.expr, [done[k] for k in node.operands], arguments))
        return done[-1]

    def of(self, expr: ir.Expr, below: Sequence[Steep], arguments: Mapping[str, Steep]) -> Steep:
        """A node whose operands are `below`."""
        span = expr.span
        match expr:
            case ir.Var(name=name) if name in arguments:
                return arguments[name]
            case ir.Var(name=name):
                return Steep(tuple(float(own == name) for own in self.inputs), REAL)
            case ir.Scalar(value=value):
                return self.same(0.0, self.number(value), span)
            case ir.Value(param=name):
                return self.same(0.0, self.scale(self.net.param(name)), span)
            case ir.Ref(name=name):
                return self.lets[name]
            case ir.Linear(param=name):
                param = self.net.param(name)
                return below[0].times(self.limit(param) if norm_of_map(param) == self.norm else inf, REAL, span)
            case ir.Apply(act=act):
                return self.activated(act, below[0], span)
            case ir.Neg():
                return Steep(below[0].lips, -below[0].values, below[0].free)
            case ir.Binary(op=op):
                return self.binary(op, below[0], below[1], span)
            case ir.Pool() | ir.MaxMin():  # a mean of n numbers has the norm 1 / sqrt(n), 1 / n of sums, 1 of maxima;
                return below[0]  # sorted, differences shrink
            case ir.Swish(twice=False):  # the slope of u sigmoid(b u) is that of silu at b u, for every b
                return below[0].times(SWISH, REAL, span)
            case ir.Swish():  # s' the slope of silu at b u, s'(u) + s'(-u) = 1: |(s', 1 - s')| is at most
                # |(1.09984, -0.09984)| < 1.1 * 1.004, in the 1-norm 1.19968 < 1.1 * 1.004 * 1.0863
                factor = CLIP_SWISH_OF_SUMS if self.norm == 1.0 else 1.0
                return below[0].times(factor, REAL, span)
            case ir.Delay():
                return Steep(below[0].lips, below[0].values.hull(ZERO), below[0].free)
            case ir.Concat(shapes=shapes) if all(
                shape.kind == shapes[0].kind or part.constant for shape, part in zip(shapes, below, strict=True)
            ):
                return Steep(beside(below, self.norm, weighted=bool(expr.weights)), REAL, _lost(below))
            case ir.Call(param=name, output=output):
                return self.called(name, output, below, span)
            case ir.Chain(param=name, index=index):
                return self.chained(name, dict(self.net.indices)[index], below[0], span)
            case _:
                constant = all(part.constant for part in below)
                return self.same(0.0 if constant else inf, REAL, span)

    def number(self, value: float | Nat | str) -> Interval:
        """A number, a size or a Real formal."""
        found = self.bindings[value] if isinstance(value, str) else value
        return Interval(found, found) if isinstance(found, float) else REAL

    def scale(self, param: ir.Param) -> Interval:
        """The values of a scale; those of a bias are free."""
        bound = param.bound
        if bound is None:
            return REAL
        if param.limited:
            limit = self.limit(param)
            return Interval(-limit, limit)
        how = kept_by(bound.quantity, bound.cmp, bound.via)
        return bound.interval.symmetric() if how.signed or how.assumed else bound.interval

    def limit(self, param: ir.Param) -> float:
        """The bound of the norm of a map or scale."""
        if param.bound is None or not param.limited:
            return inf
        found = self.bindings[param.bound.formal] if param.bound.formal else param.bound.numbers[0]
        return found if isinstance(found, float) and found > 0 else inf

    def activated(self, act: ir.Act, argument: Steep, span: Span) -> Steep:
        """An activation; one that the program defines is its body at the argument."""
        match act:
            case ir.FormalAct(name=name):
                bound = self.bindings[name]
                assert isinstance(bound, (ir.BuiltinAct, ir.DefinedAct))
                return self.activated(bound, argument, span)
            case ir.DefinedAct():
                return self.formula(act.body, {act.variable: argument})
            case ir.BuiltinAct():
                try:
                    facts = registered_facts(act, argument.values, self.bindings, span)
                except Undefined:
                    return self.same(inf, REAL, span)
                return argument.times(facts.slope.magnitude, facts.values, span)

    def binary(self, op: str, left: Steep, right: Steep, span: Span) -> Steep:
        """A sum, a difference, a product or a quotient."""
        if op in "+-":
            values = left.values + right.values if op == "+" else left.values - right.values
        elif op == "*":
            return self.product(left, right, span)
        elif right.values.one_signed:
            inverse = right.values.reciprocal()
            return self.product(left, right.times((inverse * inverse).magnitude, inverse, span), span)
        else:
            return self.same(0.0 if left.constant and right.constant else inf, REAL, span)
        lips = tuple(sum_above(a, b) for a, b in zip(left.lips, right.lips, strict=True))
        return Steep(lips, values, _lost((left, right)))

    def product(self, left: Steep, right: Steep, span: Span) -> Steep:
        """Quotients of a product are a' b + b' a."""
        a, b = left.values.magnitude, right.values.magnitude
        lips = tuple(
            sum_above(product_above(p, b), product_above(q, a)) for p, q in zip(left.lips, right.lips, strict=True)
        )
        return Steep(lips, left.values * right.values, _lost((left, right))).at(span)

    def inside(self, name: str) -> list[Steep]:
        """The results of a net in this one."""
        if name not in self.inner:
            kind = self.net.param(name).kind
            assert isinstance(kind, ir.NetParam)
            self.inner[name] = net_steepness(kind, self.bindings, self.norm)
        return self.inner[name]

    def called(self, name: str, output: int, below: Sequence[Steep], span: Span) -> Steep:
        """A result of a net in this one."""
        found, total = self.inside(name)[output], self.same(0.0, REAL, span)
        for lip, part in zip(found.lips, below, strict=True):
            total = self.binary("+", total, part.times(lip, REAL, span), span)
        return Steep(total.lips, REAL, found.free or total.free)

    def chained(self, name: str, count: Nat, argument: Steep, span: Span) -> Steep:
        """A net again and again; where the count is not known, one that is no steeper than 1."""
        (found,) = self.inside(name)
        lip, power = found.lips[0], 1.0
        if count.constant is None:
            power = lip if lip <= 1 else inf
        elif count.constant > 10_000:
            power = lip if lip <= 1 else inf
        else:
            for _ in range(count.constant):
                power = product_above(power, lip)
        result = argument.times(power, REAL, span)
        return Steep(result.lips, REAL, found.free or result.free)


def _lost(parts: Sequence[Steep]) -> Span | None:
    return next((part.free for part in parts if part.free is not None), None)
