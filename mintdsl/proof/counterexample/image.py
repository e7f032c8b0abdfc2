"""Values that a map never reaches: an injective map that is not onto, with its numbers chosen.

With diagonal maps and equal entries each coordinate goes through one formula of one variable. The interval rules of
the checker bound the values of that formula for all inputs, so the bound is proved and not only seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from math import ceil, floor, isfinite, sqrt
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.interpret_env import BoundAct, Env, bind, evaluate_size
from mintdsl.core.interpret_weights import Weights
from mintdsl.core.interval import Interval
from mintdsl.core.nat import Nat
from mintdsl.core.orders import DEFAULT_ORDER
from mintdsl.proof.check import check_layer
from mintdsl.proof.counterexample.goals import Finding
from mintdsl.proof.counterexample.points import Budget, Made
from mintdsl.records import replace
from mintdsl.source import NOWHERE

LONGEST = 2000  # nodes of a formula of one variable, written out: what stands twice counts twice


class _Unlike(Exception):
    """The coordinates do not all go through one formula."""


def unreached(made: Made, budget: Budget) -> Finding | None:
    """A value outside the image of every coordinate; None where the bounds say nothing."""
    try:
        formula = _Formula(made).run(made.setting.definition)
    except (_Unlike, ValueError):
        return None
    bounds = _values(formula)
    if bounds is None:
        return None
    ends = [end for end in (bounds.hi, bounds.lo) if isfinite(end)]
    if not ends:
        return None
    target = float(floor(bounds.hi) + 1 if ends[0] == bounds.hi else ceil(bounds.lo) - 1)
    points = []
    for value in (0.0, 1.0, -1.0):  # the interpreter has to agree
        point = made.at([value] * made.setting.size, budget)
        if point is None or point.problem:
            continue
        if not all(Interval(v, v).within(bounds) for v in point.value):
            return None
        points.append(point)
    if not points or len(points[0].value) != made.setting.size:
        return None
    where = "f(x) lies" if made.setting.size == 1 else "every coordinate of f(x) lies"
    seen = f"{where} in {bounds} for all x, so no x gives z"
    return Finding("value not reached", (points[0],), seen, (target,) * made.setting.size)


def _values(formula: ir.Expr) -> Interval | None:
    """Bounds of a formula of one variable, by the rules of the checker."""
    shape = ir.Shape("Vec", (Nat.of(1),))
    layer = ir.Layer(
        name="closed",
        formals=(),
        shape=shape,
        claims=(),
        order=DEFAULT_ORDER["Vec"],
        indices=(),
        params=(),
        variable="x",
        lets=(),
        result=formula,
        split=None,
        given=None,
        doc=None,
        span=NOWHERE,
        name_span=NOWHERE,
        shape_span=NOWHERE,
    )
    proof = check_layer(layer, {})
    return None if proof.diagnostics else proof.jacobian.range.forget().interval


class _Formula:
    """One walk through a definition, building the formula that every coordinate goes through.

    It raises _Unlike where there is no common one.
    """

    def __init__(self, made: Made) -> None:
        setting = made.setting
        self.program = setting.program
        self.env = bind(setting.definition, setting.dims, setting.args, given=setting.given)
        self.weights = {weights.prefix: weights for weights in made.weights}
        self.result: ir.Expr = ir.Var("x", NOWHERE)
        self.size = 1  # nodes of the result

    def run(self, definition: ir.Definition) -> ir.Expr:
        """The formula of `definition`."""
        if isinstance(definition, ir.Layer):
            self.layer("")
        else:
            self.steps(definition.steps, "", (), self.env)
        return self.result

    def steps(self, steps: Sequence[ir.Step], prefix: str, copies: tuple[int, ...], env: Env) -> None:
        for step in steps:
            path = prefix + ".".join([step.name, *map(str, copies)]) + "."
            match step.op:
                case ir.Use(definition=used, inverted=False):
                    definition = self.program.definitions[used]
                    if isinstance(definition, ir.Layer):
                        self.layer(path)
                    else:
                        self.steps(definition.steps, path, (), Env(definition.name))
                case ir.Repeat(count=count, steps=inner):
                    for copy in range(evaluate_size(count, env.sizes)):
                        self.steps(inner, prefix, (*copies, copy), env)
                case ir.Pair(steps=inner):
                    self.steps(inner, prefix, copies, env)
                case ir.Move() | ir.Dequantize() | ir.Prior():
                    pass  # entries move, or nothing happens
                case ir.Logit() if isinstance(self.result, ir.Var):
                    pass  # onto R from its domain, so what follows starts from any real number
                case ir.Logit(alpha=alpha):
                    inside = _binary("+", _scalar(alpha), _binary("*", _scalar(1 - 2 * alpha), self.result))
                    self.result = ir.Apply(ir.BuiltinAct("logit"), inside, NOWHERE)
                case ir.Standardize(mean=(mean,), std=(std,)):
                    self.result = _binary("/", _binary("-", self.result, _scalar(mean)), _scalar(std))
                case _:
                    raise _Unlike

    def layer(self, prefix: str) -> None:
        weights = self.weights[prefix]
        closed = _Closed(weights, self.result, self.size)
        self.result, self.size = closed.expr(ir.formulas(weights.layer)[-1], {}), closed.nodes


class _Closed:
    """A layer's formula with numbers for its parameters, applied to `argument`; a family is written out.

    `size` is the number of nodes of the argument, which may stand many times in the result; `nodes` counts them all.
    """

    def __init__(self, weights: Weights, argument: ir.Expr, size: int, nodes: int = 0) -> None:
        self.weights = weights
        self.argument = argument
        self.size = size
        self.nodes = nodes

    def expr(self, node: ir.Expr, at: Mapping[str, int]) -> ir.Expr:
        self.nodes += self.size if isinstance(node, ir.Var) else 1
        if self.nodes > LONGEST:
            raise _Unlike
        match node:
            case ir.Var():
                return self.argument
            case ir.Scalar(value=value):
                return _scalar(self.number(value, self.weights.env))
            case ir.Value(param=name, indices=indices):
                return _scalar(_common(self.weights.elements(name, tuple(at[i] for i in indices))))
            case ir.Ref(name=name, indices=indices):
                let = self.weights.layer.let(name)
                return self.expr(let.value, {own: at[i] for own, i in zip(let.indices, indices, strict=True)})
            case ir.Linear():
                return self.linear(node, self.expr(node.arg, at), tuple(at[i] for i in node.indices))
            case ir.Apply(act=act, arg=arg):
                before = self.nodes
                argument = self.expr(arg, at)
                return self.apply(BoundAct(act, self.weights.env), argument, self.nodes - before)
            case ir.Neg(arg=arg):
                return ir.Neg(self.expr(arg, at), NOWHERE)
            case ir.Binary(op=op, left=left, right=right):
                return _binary(op, self.expr(left, at), self.expr(right, at))
            case ir.Sum(indices=indices, body=body):
                members = self.weights.members(indices)
                terms = [self.expr(body, {**at, **dict(zip(indices, member, strict=True))}) for member in members]
                return reduce(lambda a, b: _binary("+", a, b), terms)
            case (
                ir.Pool()
                | ir.MaxMin()
                | ir.Swish()
                | ir.Delay()
                | ir.Call()
                | ir.Chain()
                | ir.Concat()
                | ir.Inline()
                | ir.Exponential()
                | ir.Cayley()
                | ir.Spread()
                | ir.Pick()
                | ir.Join()
            ):
                raise _Unlike
            case ir.Given() | ir.Bend():
                raise _Unlike
            case other:
                assert_never(other)

    def number(self, value: float | Nat | str, env: Env) -> float:
        match value:
            case Nat():
                return float(evaluate_size(value, env.sizes))
            case str():
                return env.look(env.numbers, value)
            case _:
                return float(value)

    def linear(self, node: ir.Linear, argument: ir.Expr, member: tuple[int, ...]) -> ir.Expr:
        param = self.weights.layer.param(node.param)
        env = self.weights.env
        values = self.weights.of(node.param, member)
        if isinstance(param.kind, ir.Normalize):
            half = len(values) // 2
            scale = 1 / sqrt(max(_common(values[half:]), 0.0) + param.kind.eps)
            return _binary("*", _scalar(scale), _binary("-", argument, _scalar(_common(values[:half]))))
        rows = env.shape(param.target)[0]
        of_row = len(values) // rows
        if env.shape(param.source) != env.shape(param.target):
            raise _Unlike
        kept = [[v for v in values[k * of_row : (k + 1) * of_row] if v] for k in range(rows)]
        if any(len(row) > 1 for row in kept):
            raise _Unlike  # it reads other coordinates
        return _binary("*", _scalar(_common([sum(row, 0.0) for row in kept])), argument)

    def apply(self, bound: BoundAct, argument: ir.Expr, size: int) -> ir.Expr:
        act, env = bound
        match act:
            case ir.FormalAct():
                return self.apply(env.look(env.acts, act.name), argument, size)
            case ir.BuiltinAct(name=name, options=options):
                numbers = tuple(self.number(option, env) for option in options)
                return ir.Apply(ir.BuiltinAct(name, numbers), argument, NOWHERE)
            case ir.DefinedAct():
                inside = Weights(replace(self.weights.layer, lets=()), env, {})
                closed = _Closed(inside, argument, size, self.nodes)
                result = closed.expr(act.body, {})
                self.nodes = closed.nodes
                return result
            case other:
                assert_never(other)


def _common(values: Sequence[float]) -> float:
    if len(set(values)) != 1:
        raise _Unlike
    return values[0]


def _scalar(value: float) -> ir.Expr:
    return ir.Scalar(value, NOWHERE)


def _binary(op: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    return ir.Binary(op, left, right, NOWHERE)
