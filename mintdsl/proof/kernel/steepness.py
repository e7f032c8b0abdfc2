"""Lipschitz constants of nets, a second time: of each result with respect to each input, in a p-norm, p 1, 2 or inf.

Compositions multiply, sums add, channels side by side have the p-th root of the sum of p-th powers, with weights whose
squares add up to 1 the largest bound, for p = 1 the root of the sum of squares, and quotients of a product are a' b +
b' a. What nothing bounds is infinite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import inf, isqrt
from typing import NamedTuple

from mintdsl.proof.kernel.exact import REAL, ZERO, Number, Span, above, plus, point, times
from mintdsl.proof.kernel.facts import ACTS, ASSUMED, FREE_SIGN, constrained, norm, registered
from mintdsl.proof.kernel.reading import Json, read_size


class Steep(NamedTuple):
    """An expression: a bound with respect to each input, and all the values that it takes."""

    lips: tuple[Number, ...]
    values: Span = REAL

    def times(self, factor: Number, values: Span = REAL) -> Steep:
        """After what is no steeper than `factor`."""
        return Steep(tuple(times(lip, factor) for lip in self.lips), values)

    def plus(self, other: Steep) -> Steep:
        """Sums."""
        lips = zip(self.lips, other.lips, strict=True)
        return Steep(tuple(plus(a, b) for a, b in lips), self.values.plus(other.values))

    def by(self, other: Steep) -> Steep:
        """Products."""
        found = self.times(other.values.most).plus(other.times(self.values.most))
        return Steep(found.lips, self.values.by(other.values))


class Net(NamedTuple):
    """Where formulas stand: the definition, the values of its formals, and all nets and activations."""

    definition: Json
    bindings: Mapping[str, Json]
    nets: Mapping[str, Json]
    acts: Json
    inputs: int
    metric: float

    def results(self) -> list[Steep]:
        """The results of a net."""
        lets: dict[str, Steep] = {}
        for name, _, nodes in self.definition["lets"]:
            lets[name] = self.formula(nodes, lets, None)
        return [self.formula(nodes, lets, None) for nodes in self.definition["results"]]

    def formula(self, nodes: Json, lets: Mapping[str, Steep], argument: Steep | None) -> Steep:
        """A formula; `argument` is that of an activation whose body it is."""
        done: dict[int, Steep] = {}
        for k, (word, *rest) in enumerate(nodes):
            done[k] = self.node(word, rest, done, lets, argument)
        return done[len(nodes) - 1]

    def node(
        self, word: str, rest: Json, done: Mapping[int, Steep], lets: Mapping[str, Steep], argument: Steep | None
    ) -> Steep:
        """A node, after its operands."""
        match word, rest:
            case "input", [place]:
                return Steep(tuple(Fraction(k == place) for k in range(self.inputs)))
            case "var", [_] if argument is not None:
                return argument
            case "number", [value]:
                return self.free(0, point(value))
            case "formal", [name]:
                return self.free(0, point(self.bindings[name]["real"]))
            case "value", [name, _]:
                return self.free(0, self.scale(name))
            case "let", [name, _]:
                return lets[name]
            case "map", [name, _, arg]:
                return done[arg].times(norm(self.constraint(name), self.metric))
            case "act", [act, arg]:
                return self.activated(act, done[arg])
            case "neg", [arg]:
                return Steep(done[arg].lips, done[arg].values.minus())
            case "+", [a, b]:
                return done[a].plus(done[b])
            case "-", [a, b]:
                return done[a].plus(Steep(done[b].lips, done[b].values.minus()))
            case "*", [a, b]:
                return done[a].by(done[b])
            case "/", [a, b] if done[b].values.one_signed:
                inverse = done[b].values.inverse()
                return done[a].by(done[b].times(inverse.by(inverse).most, inverse))
            case "pool" | "maxmin", [arg]:
                return done[arg]
            case "swish", [beta, arg] if self.number(beta):  # the slope of u sigmoid(b u) is silu's at b u, for any b
                return done[arg].times(ACTS["silu"].slope().most)
            case "clip_swish", [beta, arg] if self.number(beta):
                return self.node(word, [arg], done, lets, argument)
            case "clip_swish", [arg]:  # two slopes s / 1.1044 and (1 - s) / 1.1044, -0.09984 <= s <= 1.09984
                return done[arg].times(Fraction("1.08628" if self.metric == 1 else 1))
            case "delay", [arg]:
                return Steep(done[arg].lips, done[arg].values.hull(ZERO))
            case (("net" | "chain" | "concat" | "weighted"), _):
                return self.applied(word, rest, done)
            case _:
                below = [done[arg] for arg in rest if type(arg) is int]
                return self.free(inf if any(any(part.lips) for part in below) else 0)

    def applied(self, word: str, rest: Json, done: Mapping[int, Steep]) -> Steep:
        """A net, a chain of nets, or channels stacked."""
        match word, rest:
            case "net", [name, _, output, *args]:
                found, total = self.inside(name)[output], self.free(0)
                for lip, arg in zip(found.lips, args, strict=True):
                    total = total.plus(done[arg].times(lip))
                return Steep(total.lips)
            case "chain", [name, index, arg]:
                (found,), count = self.inside(name), read_size(dict(self.definition["indices"])[index])
                lip = above(found.lips[0])
                power = lip if lip <= 1 else inf
                if count.lo == count.hi <= 10_000 and lip < inf:
                    power = above(Fraction(lip) ** int(count.lo))
                return done[arg].times(power)
            case _:
                weights, kinds, *args = rest if word == "weighted" else (None, *rest)
                parts = [done[arg] for arg in args]
                repeated = any(k != kinds[0] and any(part.lips) for k, part in zip(kinds, parts, strict=True))
                columns = zip(*(part.lips for part in parts), strict=True)
                lips = tuple(self.together(each, weights is not None) for each in columns)
                long = weights is not None and not self.unit(weights, len(args))
                return self.free(inf) if repeated or long else Steep(lips)

    def inside(self, name: str) -> list[Steep]:
        """The results of a net that is a parameter here."""
        _, callee, args, _, _ = self.param(name)["kind"]
        net = self.nets[callee]
        given = {formal: self.bindings[v["formal"]] if set(v) == {"formal"} else v for formal, v in args}
        inner = Net(net, given, self.nets, self.acts, len(net["from"]), self.metric)
        return [inner.free(inf) for _ in net["to"]] if net["kind"] == "extern" else inner.results()

    def together(self, lips: Sequence[Number], weighted: bool) -> Number:
        """A bound of several as one vector, with weights or without."""
        if self.metric == inf or (weighted and self.metric == 2):
            return max(lips)
        return root(lips) if weighted or self.metric == 2 else sum(lips, Fraction(0))

    def free(self, lip: Number, values: Span = REAL) -> Steep:
        """The same bound with respect to every input."""
        return Steep((Fraction(lip) if lip < inf else lip,) * self.inputs, values)

    def param(self, name: str) -> Json:
        """A parameter."""
        return next(p for p in self.definition["params"] if p["name"] == name)

    def constraint(self, name: str) -> Json:
        """Its constraint, with the number that a formal gives."""
        found = self.param(name)["with"]
        if found is None or not isinstance(found[1], dict):
            return found
        return [found[0], [self.bindings[found[1]["formal"]]["real"]], found[2]]

    def number(self, name: Json) -> bool:
        """Whether this is a scale of one number, which reads no input."""
        own = [p for p in self.definition["params"] if p["name"] == name]
        return [[p["kind"][0], p["from"], p["indices"]] for p in own] == [["scale", ["Vec", [[[1, 1, []]]]], []]]

    def unit(self, name: str, count: int) -> bool:
        """Whether the squares of the numbers of a scale, `count` of them, add up to at most 1."""
        found = self.param(name)
        own = found["kind"][0] == "scale" and found["from"] == ["Vec", [[[count, 1, []]]]] and not found["indices"]
        return own and found["with"] == ["length == 1", [], "softplus"]

    def scale(self, name: str) -> Span:
        """The values of a scale; those of a bias are free."""
        found = self.constraint(name)
        if found is None:
            return REAL
        span, _ = constrained(*found)
        return span.symmetric() if found[2] in (*FREE_SIGN, *ASSUMED) else span

    def activated(self, act: Json, argument: Steep) -> Steep:
        """An activation; one that the program defines is its body at the argument."""
        act = self.bindings[act["formal"]] if "formal" in act else act
        if "defined" in act:
            return self.formula(self.acts[act["defined"]][1], {}, argument)
        options = [self.bindings[o]["real"] if isinstance(o, str) else o for o in act["options"]]
        found = registered(act["act"], options, argument.values)
        return self.free(inf) if found is None else argument.times(found.slope.most, found.values)


def root(lips: Sequence[Number]) -> Number:
    """Above the root of the sum of squares."""
    read = [lip for lip in lips if lip]
    if len(read) < 2 or inf in read:
        return max(read, default=Fraction(0))
    top, bottom = sum((Fraction(lip) ** 2 for lip in read), Fraction(0)).as_integer_ratio()
    return Fraction(isqrt((top * bottom) << 200) + 1, bottom << 100)
