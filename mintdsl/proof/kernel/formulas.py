"""A formula of the statement beside the facts that a certificate gives for its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import floor, inf
from typing import NamedTuple

from mintdsl.proof.kernel.exact import NONNEGATIVE, REAL, ZERO, Span
from mintdsl.proof.kernel.facts import ACTS, FREE_SIGN, SETS, act_on
from mintdsl.proof.kernel.reading import Json, read_fact
from mintdsl.proof.kernel.rules import (
    PLUS,
    VARIABLE,
    Fact,
    Refused,
    Signed,
    activate,
    add,
    constant,
    inverted,
    mapped,
    multiply,
    negated,
    normalized,
    total,
)


class Scope(NamedTuple):
    """Where a formula stands: the layer (None: an activation's own formula), what its names mean, what is proved."""

    statement: Json
    proof: Json
    layer: Json
    lets: dict[str, tuple[list[str], Fact]]
    acts: dict[int, Fact]

    def param(self, name: str) -> Json:
        return next(p for p in self.layer["params"] if p["name"] == name)

    def formula(self, nodes: Json, steps: Json, where: str) -> Fact:
        """The fact stated for the last node, each checked against those before it."""
        facts: list[Fact] = []
        if len(nodes) != len(steps):
            raise Refused(f"{where}: {len(steps)} facts for {len(nodes)} nodes")
        for k, ((word, *rest), (rule, stated)) in enumerate(zip(nodes, steps, strict=True)):
            name, found = self.node(word, rest, facts, nodes)
            fact = read_fact(stated)
            if rule != name:
                raise Refused(f"{where}, node {k}: the rule here is {name}, not {rule}")
            if not fact.allows(found):
                raise Refused(f"{where}, node {k}: what is stated does not follow by {rule}")
            facts.append(fact)
        return facts[-1]

    def node(self, word: str, rest: Json, facts: list[Fact], nodes: Json) -> tuple[str, Fact]:
        """The rule of a node, and what follows by it."""
        match word, rest:
            case "var", []:
                return "VAR", VARIABLE
            case "number", [value]:
                return "CONST", constant(Signed(PLUS, Span(Fraction(value), Fraction(value))))
            case "formal", [name]:
                value = Fraction(self.proof["bindings"][name]["real"])
                return "CONST", constant(Signed(PLUS, Span(value, value)))
            case "size", [size]:
                return "CONST", constant(Signed(PLUS, size_span(size)))
            case "value", [name, indices]:
                bias = self.param(name)["kind"][0] == "bias"
                return "CONST", constant(Signed(PLUS, REAL) if bias else self.diagonal(name, indices))
            case "let", [name, indices]:
                own, fact = self.lets[name]
                names = dict(zip(own, indices, strict=True))
                return "LET", fact._replace(diag=fact.diag.renamed(names), values=fact.values.renamed(names))
            case "map", [name, indices, arg]:
                return self.mapped(name, indices, facts[arg], nodes[arg] == ["var"])
            case "act", [act, arg]:
                return "ACT", activate(facts[arg], *self.act(act, facts[arg].values.forgotten))
            case "neg", [arg]:
                return "NEG", negated(facts[arg])
            case "+", [a, b]:
                return "ADD", add(facts[a], facts[b])
            case "-", [a, b]:
                return "ADD", add(facts[a], negated(facts[b]))
            case "*", [a, b]:
                return "MUL", multiply(facts[a], facts[b])
            case "/", [a, b]:
                return "DIV", multiply(facts[a], inverted(facts[b]))
            case "sum", [indices, arg]:
                return "SUM", total(facts[arg], indices)
            case _:
                raise Refused(f"no rule for a node {word!r}")

    def diagonal(self, name: str, indices: Sequence[str]) -> Signed:
        """The diagonal of a parameter: a tie makes it |raw| times the signs of the other factors."""
        param = self.param(name)
        if param["tie"] is not None:
            own, others, sign = param["tie"]
            names = dict(zip(own, indices, strict=True))
            result = Signed(PLUS, NONNEGATIVE if sign > 0 else NONNEGATIVE.minus())
            for other, where in others:
                signs, span = self.diagonal(other, [names[i] for i in where])
                negative = span.hi <= 0 and not span.zero
                result = Signed(result.signs ^ signs, result.span.minus() if negative else result.span)
            return result
        own_sign = frozenset({(name, tuple(indices))})
        if param["with"] is None:
            return Signed(own_sign, NONNEGATIVE)
        cmp, numbers, via = param["with"]
        return Signed(own_sign if via in FREE_SIGN else PLUS, SETS[cmp](*map(Fraction, numbers)))

    def mapped(self, name: str, indices: Sequence[str], f: Fact, direct: bool) -> tuple[str, Fact]:
        kind, *options = self.param(name)["kind"]
        if kind == "normalize":
            return "BN", normalized(f, options[0])
        direction, strict = options[-2:]
        if self.proof["order"] is not None and direction is not None:
            follows(self.proof["order"], self.layer, self.param(name), self.proof["bindings"])
            direction = "lower"
        diagonal = Signed(PLUS, ZERO) if strict or direction is None else self.diagonal(name, indices)
        return "BASIC" if direct else "COMP", mapped(f, direction, strict, diagonal)

    def act(self, act: Json, argument: Span) -> tuple[Span, Span, Span, Span | None, int]:
        """Slope, image, values, domain (None: not all of R is known to be met) and smoothness of an activation."""
        if "formal" in act:
            return self.act(self.proof["bindings"][act["formal"]], argument)
        if "defined" in act:
            place = act["defined"]
            if place not in self.acts:
                inner = self._replace(layer=None, lets={})
                _, nodes = self.statement["acts"][place]
                self.acts[place] = inner.formula(nodes, self.proof["acts"][str(place)], f"activation {place}")
            body = self.acts[place]
            image = {"affine": REAL, "onto": REAL, "injective": body.image}.get(body.own)
            values = body.values.forgotten
            return body.diag.forgotten, image or values, values, REAL if image else None, body.smooth
        options = [self.proof["bindings"][o]["real"] if isinstance(o, str) else o for o in act["options"]]
        found = act_on(act["act"], options, argument)
        if found is None:
            raise Refused(f"{act['act']} gets arguments outside its domain")
        known = ACTS[act["act"]]
        return found[0], known.image, found[1], known.domain, known.smooth


def size_span(size: Json) -> Span:
    """Sizes are whole numbers from 1 on."""
    if all(not symbols for _, _, symbols in size):
        value = sum((Fraction(top, bottom) for top, bottom, _ in size), Fraction(0))
        return Span(value, value)
    if len(size) != 1 or size[0][0] < 0:
        return REAL
    return Span(Fraction(size[0][0], size[0][1]), inf, False, True)


def follows(rows: Json, layer: Json, param: Json, bindings: Json) -> None:
    """That every tap that the mask of `param` lets through is later in the order `rows`, for all its channels."""
    word, (height, width), anchor, direction, _ = param["kind"]
    declared = order_of(layer, bindings)
    corner = {"lower": "bottom_right", "upper": "top_left"}[direction] if anchor == "corner" else anchor
    row = {"centre": height // 2, "bottom": height - 1, "top": 0}[corner.split("_")[0]]
    column = {"centre": width // 2, "right": width - 1, "left": 0}[corner.split("_")[-1]]
    channels = param["from"][1][0]
    last = 2**60 if any(symbols for _, _, symbols in channels) else int(size_span(channels).lo) - 1
    for u, v in product(range(height), range(width)):
        # along a line of channels the signs of both keys are constant between places where a row is 0
        turns = [floor(Fraction(-(b * (row - u) + c * (column - v)), a)) for a, b, c in [*declared, *rows] if a]
        for dc in {n + k for n in turns for k in (-1, 0, 1, 2)} | {-last, -1, 0, 1, last}:
            tap = (dc, row - u, column - v)
            kept = key_sign(declared, tap) == (1 if direction == "lower" else -1)
            if word == "conv" and abs(dc) <= last and kept and key_sign(rows, tap) <= 0:
                raise Refused(f"a tap of {param['name']} is not later in the order stated")


def key_sign(rows: Json, tap: Sequence[int]) -> int:
    """The sign of the first row that is not 0 on a difference of indices."""
    values = (sum(a * b for a, b in zip(row, tap, strict=True)) for row in rows)
    return next((1 if v > 0 else -1 for v in values if v), 0)


def order_of(layer: Json, bindings: Json) -> Json:
    order = layer["order"]
    return order["order"] if "order" in order else bindings[order["formal"]]["order"]
