"""The claims of a statement, and a certificate as a whole."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from math import inf

from mintdsl.proof.kernel.exact import REAL, Number, Span
from mintdsl.proof.kernel.facts import INVERSES, LOG_DETS
from mintdsl.proof.kernel.flows import BOUND, FACTORS, IDENTITY, Flows, Known
from mintdsl.proof.kernel.layers import check_layer, functions
from mintdsl.proof.kernel.reading import Json, Refused, read_number, read_span, text
from mintdsl.proof.kernel.rules import DENSE, NONE

FORMAT = "1"
LAYER = {"definition", "bindings", "order", "acts", "formulas", "map", "assumes"}
FLOW = {"definition", "bindings", "map", "assumes", "volume_preserving", "inverse", "log_det", "bias", "estimates"}
FLOW |= {"lip", "evaluation_only"}
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def recheck(certificate: Json, statement: Json) -> list[str]:
    """The definitions of `statement` that the certificate proves, in its order; raises Refused where it does not.

    `statement` is that of the spec, read anew: the one that is written in the certificate must be the same.
    """
    try:
        return _recheck(certificate, statement)
    except MALFORMED as problem:
        raise Refused(f"not in the form of a certificate: {type(problem).__name__}, {problem}") from None


def _recheck(certificate: Json, statement: Json) -> list[str]:
    if set(certificate) != {"certificate", "hash", "statement", "proofs"} or text(certificate["certificate"]) != FORMAT:
        raise Refused(f"not a certificate of format {FORMAT}")
    if text(certificate["statement"]) != text(statement):
        raise Refused("the certificate is one of another statement")
    if certificate["hash"] != hashlib.sha256(text(statement).encode()).hexdigest():
        raise Refused("the hash is not that of the statement")
    definitions = statement["definitions"]
    halved = {d["name"] for d in definitions if any(op[:2] in FACTORS for _, op, _ in d.get("steps", ()))}
    flows = Flows({d["name"]: d for d in definitions}, {}, set(), halved, statement["acts"], {}, set())
    for proof in certificate["proofs"]:
        name, bindings = proof["definition"], proof["bindings"]
        definition, place = flows.definitions[name], text([name, bindings])
        layer = definition["kind"] == "layer"
        if set(proof) != (LAYER if layer else FLOW) or place in flows.done:
            raise Refused(f"{name}: a second proof, or one with other parts than it should have")
        if layer:
            known = check_layer(definition, statement["acts"], proof, flows)
        else:
            priors = [op[2] for _, op, _ in definition["steps"] if op[:2] in FACTORS and len(op) > 2]
            functions(priors, bindings, statement["acts"], flows.definitions)
            here = flows._replace(stated=proof["estimates"], met=set())
            known = (here.flow(definition["steps"], bindings) or IDENTITY)._replace(fact=None, order=None, parts=())
            if here.met != set(here.stated):
                raise Refused(f"{name}: a log-det is estimated that no step asks for")
        if not concludes(proof, known):
            raise Refused(f"{name}: its conclusion is not what was checked")
        directions = {"lower", "upper"} | {formal for formal, kind, _ in definition["formals"] if kind == "Dir"}
        found = layer and proof["order"] is not None
        for claim in definition["claims"]:
            if not holds(claim, known, directions, found):
                raise Refused(f"{name}: the claim {claim[0]} does not follow")
        flows.done[place] = known
    target = statement["definitions"][-1]
    goal = text([target["name"], {name: value for name, kind, value in target["formals"] if kind in BOUND}])
    if list(flows.done)[-1:] != [goal] or flows.used != set(flows.done) - {goal}:
        raise Refused("the last proof is not of the definition that the certificate is for, or one is used by nothing")
    return [proof["definition"] for proof in certificate["proofs"]]


def holds(claim: Json, known: Known, directions: set[str], found: bool) -> bool:
    """Whether a claim follows; `found`: the triangle is in an order that is not the declared one.

    Of a layer in parts a claim about the Jacobian holds if it does of each, and the parts that each reads stand on the
    right side of it.
    """
    what, cmp, value, strict, word = claim
    fact, number = known.fact, Fraction(value)
    if known.parts and what in {"diag", "diagonal"} | directions:
        each = [known._replace(fact=fact, parts=()) for fact, _ in known.parts]
        placed = what == "diag" or all(what in sides for _, sides in known.parts)
        return placed and all(holds(claim, one, directions, found) for one in each)
    match what:
        case "invertible" | "onto":
            return known.domain is not None and known.onto and known.inside == REAL
        case "injective":
            return known.domain is not None
        case "volume_preserving":
            return known.domain is not None and known.preserving
        case "log_det":
            return known.domain is not None and LOG_DETS[known.log_det] <= LOG_DETS[word]
        case "inverse" if word:
            return known.domain is not None and INVERSES.index(known.inverse) <= INVERSES.index(word)
        case "lip":
            return known.steep(2) < number or (cmp == "<=" and known.steep(2) == number)
        case "diagonal" if fact is not None:
            return fact.off == NONE
        case "diag" if fact is not None and fact.off != DENSE:
            if cmp == "!=":
                return number == 0 and fact.diag.span.one_signed
            asked = Span(number, number if cmp == "==" else inf, {">": True, ">=": False, "==": False}[cmp])
            return not fact.diag.signs and fact.diag.span.within(asked)
        case _ if fact is not None and what in directions:
            return (fact.off == NONE or (fact.off == what and not found)) and (fact.strict or not strict)
        case _:
            return False


def concludes(proof: Json, known: Known) -> bool:
    """Whether what a proof concludes is what was checked; a bound may be larger, and ends of a domain are rounded."""
    checked: dict[str, Json] = {
        "assumes": list(known.assumes),
        "volume_preserving": known.preserving,
        "inverse": known.inverse,
        "log_det": known.log_det,
        "evaluation_only": known.evaluation,
    }
    same = all(text(proof[name]) == text(value) for name, value in checked.items() if name in proof)
    stated, lip = proof["map"], read_number(proof.get("lip", "inf"))
    same = same and read_number(proof.get("bias", 0)) >= known.bias
    if not same or lip < known.lip or stated is None or known.domain is None:
        return same and lip >= known.lip and stated is None and known.domain is None
    onto = read_span(stated["onto"]) == known.inside if known.onto else stated["onto"] is None
    return onto and rounded(read_span(stated["from"]), known.domain) and set(stated) == {"from", "onto"}


def rounded(stated: Span, domain: Span) -> bool:
    """Whether a domain is stated up to the rounding of its ends to floats."""
    ends: list[tuple[Number, Number]] = [(stated.lo, domain.lo), (stated.hi, domain.hi)]
    near = all(a == b or max(a - b, b - a) * 2**50 <= max(b, -b) < inf for a, b in ends)
    return near and stated[2:] == domain[2:]
