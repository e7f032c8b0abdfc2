"""Rule ODE, a second time: how a net of the statement depends on the state of a continuous flow, for finite weights.

Levels: 0 not at all, 1 Lipschitz and bounded, 2 Lipschitz, 3 nothing known. Constants may depend on the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import inf
from typing import NamedTuple

from mintdsl.proof.kernel.exact import REAL, ZERO, Span, point
from mintdsl.proof.kernel.facts import FREE_SIGN, constrained, registered
from mintdsl.proof.kernel.reading import Json, Refused, read_size, text


class Level(NamedTuple):
    """A level, and an interval of the values."""

    level: int
    values: Span = REAL


def lipschitz(nets: Mapping[str, Json], acts: Json, kind: Json, until: float, bindings: Json) -> bool:
    """Whether a field of the state and the time, which goes from 0 to `until`, is Lipschitz in the state."""
    walk = Fields(nets, acts, {})
    state, time = Level(2), Level(0, Span(Fraction(0), Fraction(until)))
    return walk.net(kind, bindings, [state, time])[0].level < 3


class Fields(NamedTuple):
    """The definitions and activations of a statement, and the nets that are followed, by their uses."""

    nets: Mapping[str, Json]
    acts: Json
    known: dict[str, list[Level]]

    def net(self, kind: Json, outer: Json, inputs: Sequence[Level]) -> list[Level]:
        """Each result of a net that is a parameter."""
        _, name, args, _, _ = kind
        net = self.nets[name]
        given = {formal: outer.get(v["formal"]) if "formal" in v else v for formal, v in args}
        place = text([name, given, [[one.level, str(one.values)] for one in inputs]])
        if place not in self.known:
            if net["kind"] != "net" or len(net["from"]) != len(inputs):
                raise Refused(f"nothing is known of the net {name}")
            params, lets = {p["name"]: p for p in net["params"]}, dict[str, Level]()
            for let, _, nodes in net["lets"]:
                lets[let] = self.formula(nodes, inputs, given, params, lets)
            self.known[place] = [self.formula(nodes, inputs, given, params, lets) for nodes in net["results"]]
        return self.known[place]

    def formula(
        self, nodes: Json, inputs: Sequence[Level], given: Json, params: Mapping[str, Json], lets: Mapping[str, Level]
    ) -> Level:
        """The last node; the one input of an activation is its variable."""
        done: list[Level] = []
        for word, *rest in nodes:
            match word, rest:
                case "input", [place]:
                    found = inputs[place]
                case "var", [_]:
                    found = inputs[0]
                case "number", [value]:
                    found = Level(0, point(value))
                case "formal", [name]:
                    found = Level(0, point(given[name]["real"]))
                case "size", [size]:
                    found = Level(0, read_size(size))
                case "value", [name, _]:
                    found = Level(0, values(params[name]))
                case "let", [name, _]:
                    found = lets[name]
                case "map", [name, _, arg]:
                    found = mapped(params[name]["kind"][0], done[arg])
                case "act", [act, arg]:
                    found = self.act(act, done[arg], given)
                case "neg", [arg]:
                    found = done[arg]._replace(values=done[arg].values.minus())
                case ("clip_swish", [arg]) | (
                    "swish" | "clip_swish",
                    [str(), arg],
                ):
                    found = Level(done[arg].level)
                case "sum", [_, arg]:
                    found = Level(done[arg].level)
                case "pool" | "maxmin", [arg]:
                    found = done[arg]
                case "delay", [arg]:
                    found = done[arg]._replace(values=done[arg].values.hull(ZERO))
                case "concat", [_, first, *more]:
                    found = done[first]
                    for arg in more:
                        found = Level(max(found.level, done[arg].level), found.values.hull(done[arg].values))
                case "weighted", [_, _, *args]:
                    found = Level(max(done[arg].level for arg in args))
                case "net", [name, _, output, *args]:
                    found = self.net(params[name]["kind"], given, [Level(done[arg].level) for arg in args])[output]
                case "chain", [name, _, arg]:
                    found = done[arg]
                    for _ in range(4):  # there are four levels, so then nothing changes any more
                        found = self.net(params[name]["kind"], given, [Level(found.level)])[0]
                case "+", [a, b]:
                    found = Level(max(done[a].level, done[b].level), done[a].values.plus(done[b].values))
                case "-", [a, b]:
                    found = Level(max(done[a].level, done[b].level), done[a].values.plus(done[b].values.minus()))
                case "*", [a, b]:
                    found = product(done[a], done[b])
                case "/", [a, b]:
                    found = product(done[a], inverted(done[b]))
                case _, args:  # a bijection with parameters: nothing is known where it reads the state
                    operands = args[-4:] if word in BIJECTIONS else []
                    still = operands and not any(done[arg].level for arg in operands)
                    found = Level(0 if still else 3)
            done.append(found)
        return done[-1]

    def act(self, act: Json, argument: Level, given: Json) -> Level:
        """An activation: a registered one has a largest slope there, or acts on what is bounded and is defined on R."""
        act = given[act["formal"]] if "formal" in act else act
        if "defined" in act:
            return self.formula(self.acts[act["defined"]][1], [argument], given, {}, {})
        options = [given[o]["real"] if isinstance(o, str) else o for o in act["options"]]
        known = registered(act["act"], options, argument.values)
        if known is None:
            raise Refused(f"{act['act']} gets arguments outside its domain")
        if argument.level in (0, 3):
            return Level(argument.level, known.values)
        if known.slope.most == inf and not (argument.level == 1 and known.domain == REAL):
            return Level(3)
        return Level(1 if argument.level == 1 or known.values.most < inf else 2, known.values)


BIJECTIONS = ("rq_spline", "mix_logistic")
LINEAR = ("conv", "linear", "perm")


def values(param: Json) -> Span:
    """The values of a scale or bias that has a constraint on itself, of one sign."""
    if not param["with"] or isinstance(param["with"][1], dict):
        return REAL
    span, free = constrained(*param["with"])
    return REAL if free or param["with"][2] in FREE_SIGN else span


def mapped(word: str, argument: Level) -> Level:
    """A map of the argument: linear, or a normalisation, whose slope and values are bounded."""
    if word in LINEAR or not argument.level:
        return Level(argument.level)
    return Level(max(1, 3 * (argument.level == 3))) if word == "layer_norm" else Level(3)


def product(a: Level, b: Level) -> Level:
    """At most one factor reads the state, or both are bounded."""
    level = max(a.level, b.level)
    return Level(level if 0 in (a.level, b.level) or level == 1 else 3, a.values.by(b.values))


def inverted(e: Level) -> Level:
    """1 / e: where it reads the state it stays away from 0."""
    if not e.values.one_signed:
        raise Refused("a divisor may be 0")
    inverse = e.values.inverse()
    return Level(e.level and (1 if e.level < 3 and inverse.most < inf else 3), inverse)
