"""How steep what reads all coordinates is, a third time: norms of maps multiplied, in sixty digits.

Only what the examples need: one input, products with numbers, and functions that `kernel_reference` knows.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

from kernel_reference import DIGITS, Number, activation, box, greatest, number, outer, times

Json = Any
LINE = box(["-inf", "inf", True, True])


class Unknown(Exception):
    """This module does not say."""


class Place(NamedTuple):
    """Where a node stands: the parameters, the values of formals, the statement that has nets and activations."""

    params: dict[str, Json]
    bindings: dict[str, Json]
    statement: Json

    def norm(self, name: str) -> Number:
        """The bound that a parameter declares for its map."""
        constraint = self.params[name]["with"]
        if not constraint or constraint[0] != "lip <=":
            return inf
        value = constraint[1]
        return Fraction(self.bindings[value["formal"]]["real"] if isinstance(value, dict) else value[0])

    def slope(self, act: Json) -> Number:
        """The greatest slope of an activation on the whole line."""
        act = self.bindings[act["formal"]] if "formal" in act else act
        if "defined" in act:
            return self.formula(self.statement["acts"][act["defined"]][1])
        if act["act"] == "elu":
            return Fraction(1)
        found = activation(act["act"], LINE)
        if found is None:
            raise Unknown
        return greatest(found[0])

    def formula(self, nodes: Json) -> Number:
        """A formula of one argument: of each node, the bound and the number that it is, if any."""
        done: list[tuple[Number, Number | None]] = []
        for node in nodes:
            done.append(self.node(node, done))
        return done[-1][0]

    def node(self, node: Json, done: list[tuple[Number, Number | None]]) -> tuple[Number, Number | None]:
        """A node, after its operands."""
        zero = Fraction(0)
        match node:
            case ["input", 0] | ["var", _]:
                return Fraction(1), None
            case ["number", value]:
                return zero, Fraction(value)
            case ["formal", name]:
                return zero, Fraction(self.bindings[name]["real"])
            case ["value", _, _]:
                return zero, None
            case ["map", name, _, arg]:
                return times(done[arg][0], self.norm(name)), None
            case ["act", act, arg]:
                return times(done[arg][0], self.slope(act)), None
            case ["+" | "-", a, b]:
                return done[a][0] + done[b][0], None
            case ["*", a, b]:
                (one, known), (other, factor) = done[a], done[b]
                if known is not None:
                    return times(other, abs(known)), None
                if factor is not None:
                    return times(one, abs(factor)), None
            case ["/", a, b]:
                below = done[b][1]
                if below is not None:
                    return times(done[a][0], 1 / abs(below)), None
            case ["swish", _, arg]:
                return times(done[arg][0], self.slope({"act": "silu"})), None
            case ["clip_swish", *_, arg]:
                return done[arg][0], None
            case ["concat", _, *args]:
                squares = sum((Fraction(done[a][0]) ** 2 for a in args), zero)
                return root(squares), None
            case ["net", name, _, 0, arg]:
                return times(done[arg][0], self.net(name)), None
        raise Unknown

    def net(self, name: str) -> Number:
        """The one result of a net with one input."""
        _, callee, args, _, _ = self.params[name]["kind"]
        net = next(d for d in self.statement["definitions"] if d["name"] == callee)
        if net["kind"] != "net" or net["lets"] or len(net["from"]) != 1 or len(net["results"]) != 1:
            raise Unknown
        given = {formal: self.bindings[v["formal"]] if set(v) == {"formal"} else v for formal, v in args}
        inside = Place({p["name"]: p for p in net["params"]}, given, self.statement)
        return inside.formula(net["results"][0])

    def lip(self, node: Json, rule: str, operands: list[Json]) -> Number | None:
        """What a node of a layer makes of the bounds of its operands; None where this module does not say."""
        lips = [number(fact["lip"]) for fact in operands]
        try:
            match rule, lips:
                case "EXP", [lip]:
                    power = Fraction(self.norm(node[1]))
                    place = DIGITS.divide(Decimal(power.numerator), Decimal(power.denominator))
                    return times(lip, outer(place.exp(DIGITS))[1])
                case "CAYLEY", [lip]:
                    return (1 + Fraction(lip)) / (1 - Fraction(lip))
                case "BASIC" | "COMP" | "DET" | "HALF-PLANE" | "CIRCULANT" | "DOMINANT", [lip]:
                    return times(lip, self.norm(node[1]))
                case "ACT", [lip]:
                    return times(lip, self.slope(node[1]))
                case "ADD", [a, b]:
                    return a + b
                case "NET", [lip] if node[0] == "net":
                    return times(lip, self.net(node[1]))
        except (Unknown, KeyError):
            return None
        return None


def root(square: Fraction) -> Fraction:
    """Above a square root."""
    return outer(DIGITS.sqrt(DIGITS.divide(Decimal(square.numerator), Decimal(square.denominator))))[1]
