"""When a mutant of a certificate is harmless: all that it states is implied by the original, or follows a third way.

Written apart from the kernel. The original's statements are true, so what they imply is true; a bound that is sharper
than the original's is taken only where `kernel_reference` finds it, from the facts that stand in the mutant.
"""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import product
from typing import Any

from kernel_reference import REAL, Bounds, at_node, bounds, follows, lip_of_steps, number
from kernel_steepness import Place

Json = Any


def text(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def holds_all(outer: Json, inner: Json, *, negated: bool = False) -> bool:
    """Whether the interval `outer` contains `inner`, or its negative."""
    lo, hi, lo_open, hi_open = (number(inner[0]), number(inner[1]), inner[2], inner[3])
    if negated:
        lo, hi, lo_open, hi_open = -hi, -lo, hi_open, lo_open
    low, high = number(outer[0]), number(outer[1])
    left = low < lo or (low == lo and (lo_open or not outer[2]))
    return left and (high > hi or (high == hi and (hi_open or not outer[3])))


def signed_implied(stated: Json, by: Json) -> bool:
    """Products of signs times intervals: without signs, members may be either way round."""
    signs, other = sorted(map(text, stated[0])), sorted(map(text, by[0]))
    if signs == other:
        return holds_all(stated[1], by[1])
    return not signs and holds_all(stated[1], by[1]) and holds_all(stated[1], by[1], negated=True)


def told(by: Json) -> Json:
    """A fact with what its parts say of each other: of quotients that are 0, and of those away from 0."""
    low, high = map(number, by["diag"][1][:2])
    if by["off"] == "<dense>":
        return by
    if low == 0 == high:
        constant = {"lip": 0.0, "smooth": 2} if by["off"] == "<diagonal>" else {}
        return by | {"own": "constant", "image": None} | constant
    return (
        by | {"own": "onto", "image": None} if (low > 0 or high < 0) and by["own"] not in ("affine", "formula") else by
    )


def discrete_implied(stated: Json, by: Json) -> bool:
    """The parts of a fact that are no bounds."""
    more = told(by)
    kinds = [("unknown", None), *((fact["own"], fact["image"]) for fact in (by, more))]
    own = (stated["own"], stated["image"]) in kinds
    parts = set(stated) | {"chain"} == set(by) | {"chain"}
    chain = stated.get("chain", 0) in range(by.get("chain", 0) + 1)
    return parts and chain and stated["off"] == by["off"] and own and stated["smooth"] <= more["smooth"]


def fact_implied(stated: Json, by: Json) -> bool:
    """Whether a fact follows from another of the same expression."""
    signed = signed_implied(stated["diag"], by["diag"]) and signed_implied(stated["range"], by["range"])
    return discrete_implied(stated, by) and signed and number(stated["lip"]) >= number(told(by)["lip"])


def same_signs(stated: Json, by: Json) -> bool:
    return all(sorted(map(text, stated[part][0])) == sorted(map(text, by[part][0])) for part in ("diag", "range"))


def formula_implied(stated: Json, by: Json, nodes: Json, where: Place) -> bool:
    """Node by node: as before or weaker, or a bound that is found a third way."""
    if len(stated) != len(by):
        return False
    for k, (step, before) in enumerate(zip(stated, by, strict=True)):
        if len(step) != 2 or step[0] != before[0] or not discrete_implied(step[1], before[1]):
            return False
        if fact_implied(step[1], before[1]):
            continue
        args = nodes[k][4:] if nodes[k][0] == "net" else nodes[k][1:]  # before them, which of its results
        operands = [stated[place][1] for place in args if type(place) is int]
        third = at_node(nodes[k], step[0], operands, where.params) if same_signs(step[1], before[1]) else None
        if third is None and (lip := where.lip(nodes[k], step[0], operands)) is not None:
            third = Bounds(REAL, REAL, lip)
        # each part may be as before, or as it is found now
        if third is None or not (follows(step[1], third) or follows(step[1], _sharper(third, before[1]))):
            return False
    return True


def _sharper(third: Any, before: Json) -> Any:
    """Of two true facts, part by part, that which is inside the other."""
    old = bounds(before)
    return third._replace(
        diag=third.diag if old.diag.holds(third.diag) else old.diag,
        range=third.range if old.range.holds(third.range) else old.range,
        lip=min(third.lip, old.lip),
    )


def order_holds(rows: Json, definition: Json, bindings: Json, most: int = 20) -> bool:
    """Whether every tap that a mask lets through is later in `rows`, tap by tap for channels that differ by `most`."""
    declared = definition["order"]
    ordered = declared if "order" in declared else bindings[declared["formal"]]
    if not rows or any(type(v) is not int for row in rows for v in row) or any(len(row) != 3 for row in rows):
        return False
    for param in definition["params"]:
        if param["kind"][0] != "conv" or param["kind"][3] is None:
            continue
        _, (height, width), anchor, direction, _ = param["kind"]
        if anchor == "corner":
            anchor = [height - 1, width - 1] if direction == "lower" else [0, 0]
        row, column = anchor
        for c, u, v in product(range(-most, most + 1), range(height), range(width)):
            tap = (c, row - u, column - v)
            kept = _sign(ordered["order"], tap) == {"lower": 1, "upper": -1}[direction]
            if kept and _sign(rows, tap) <= 0:
                return False
    return True


def _sign(rows: Json, tap: tuple[int, ...]) -> int:
    for row in rows:
        value = sum(a * b for a, b in zip(row, tap, strict=True))
        if value:
            return 1 if value > 0 else -1
    return 0


def map_implied(stated: Json, by: Json) -> bool:
    """A bijection from a box; a domain is stated up to the rounding of its ends."""
    if stated is None or by is None or set(stated) != {"from", "onto"} or stated["onto"] != by["onto"]:
        return stated is None and by is None
    ends = zip(stated["from"][:2], by["from"][:2], strict=True)
    near = all(a == b or abs(number(a) - number(b)) <= abs(number(b)) / 2**48 for a, b in ends)
    return near and stated["from"][2:] == by["from"][2:]


def proved_of(param: Json, changed: Json) -> Json:
    """The fact of a layer that a formula applies, where it is one formula without free signs, proved once."""
    if param["kind"][0] != "layer":
        return {}
    proofs = [p for p in changed["proofs"] if p["definition"] == param["kind"][1]]
    if len(proofs) != 1 or len(proofs[0]["formulas"]) != 1:
        return {}
    fact = proofs[0]["formulas"][0]["result"][-1][1]
    return {} if fact["diag"][0] or fact["range"][0] else {"proved": fact}


def proof_implied(stated: Json, by: Json, changed: Json) -> bool:
    """Whether all that a proof states follows from another proof of the same definition."""
    if set(stated) != set(by):
        return False
    statement = changed["statement"]
    definition = next(d for d in statement["definitions"] if d["name"] == stated["definition"])
    params = {p["name"]: p | proved_of(p, changed) for p in definition.get("params", [])}
    where = Place(params, stated["bindings"], statement)
    for name, value in stated.items():
        match name:
            case "formulas":
                written = {let: nodes for let, _, nodes in definition["lets"]}
                results = [nodes for _, nodes in definition["results"]]
                good = len(value) == len(by[name]) == len(results) and all(
                    set(one) == {"lets", "result"}
                    and sorted(let for let, _ in one["lets"]) == sorted(let for let, _ in other["lets"])
                    and all(formula_implied(a, dict(other["lets"])[let], written[let], where) for let, a in one["lets"])
                    and formula_implied(one["result"], other["result"], nodes, where)
                    for one, other, nodes in zip(value, by[name], results, strict=True)
                )
            case "acts":
                good = set(value) == set(by[name]) and all(
                    formula_implied(value[k], by[name][k], statement["acts"][int(k)][1], where) for k in value
                )
            case "lip":
                good = number(value) >= number(by[name]) or number(value) >= lip_of_flow(definition, changed)
            case "bias":
                good = weaker(value, by[name])
            case "estimates":
                good = set(value) == set(by[name]) and all(estimate_implied(value[k], by[name][k]) for k in value)
            case "map":
                good = map_implied(value, by[name])
            case "order":
                good = value == by[name] or order_holds(value, definition, stated["bindings"])
            case _:
                good = text(value) == text(by[name])
        if not good:
            return False
    return True


def weaker(value: Json, by: Json) -> bool:
    """Whether a bound is at least another one, but for what the checker adds for rounding."""
    return number(value) >= number(by) * (1 - Fraction(1, 10**11))


def estimate_implied(stated: Json, by: Json) -> bool:
    """Whether a log-det of as many terms is stated, with a bias that is a bound, and a probability above L^2.

    The checker takes (1 + L^2) / 2 where the program names none.
    """
    (terms, keep, bias), (known, q, least) = stated, by
    good = number(keep) == number(q) or (q != 0 and 2 * number(q) - 1 < number(keep) < 1)
    return text(terms) == text(known) and good and weaker(bias, least)


def lip_of_flow(definition: Json, changed: Json) -> Any:
    """The exact bound of a flow, from those that stand in the certificate for what it uses."""

    def known(name: str, args: Json) -> Any:
        proofs = [p for p in changed["proofs"] if p["definition"] == name]
        given = {k: text(v) for k, v in args}
        exact = [p for p in proofs if all(given.get(k) == text(v) for k, v in p["bindings"].items())]
        proofs = exact or proofs  # of the same values of formals, where these are written
        return max(number(p["lip"] if "lip" in p else p["formulas"][0]["result"][-1][1]["lip"]) for p in proofs)

    return lip_of_steps(definition["steps"], known)


def harmless(changed: Json, original: Json) -> bool:
    """Whether every statement of a changed certificate is true, given that those of the original are."""
    parts = ({k: v for k, v in one.items() if k != "proofs"} for one in (changed, original))
    if len(set(map(text, parts))) != 1:
        return False
    known = {text([p["definition"], p["bindings"]]): p for p in original["proofs"]}
    stated = {text([p["definition"], p["bindings"]]): p for p in changed["proofs"]}
    if set(stated) != set(known) or len(changed["proofs"]) != len(known):
        return False
    return all(proof_implied(proof, known[place], changed) for place, proof in stated.items())
