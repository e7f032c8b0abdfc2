"""The claims of a statement, and a certificate as a whole."""

from __future__ import annotations

from fractions import Fraction

from mintdsl.proof.kernel.definitions import Known, check_flow, check_layer, definition_of, key
from mintdsl.proof.kernel.exact import REAL, Span, exact
from mintdsl.proof.kernel.facts import INVERSES, LOG_DETS
from mintdsl.proof.kernel.reading import Json, read_number, read_span
from mintdsl.proof.kernel.rules import DENSE, NONE, Refused

LAYER = {"definition", "bindings", "order", "acts", "lets", "result", "map", "assumes"}
FLOW = {"definition", "bindings", "map", "assumes", "volume_preserving", "inverse", "log_det", "lip", "evaluation_only"}


def holds(claim: Json, known: Known, found: bool) -> bool:
    """Whether a claim follows; `found`: the triangle is in an order that is not the declared one."""
    what, cmp, value, strict, word = claim
    fact = known.fact
    match what:
        case "invertible" | "onto":
            return known.domain is not None and known.image == REAL
        case "injective":
            return known.domain is not None
        case "volume_preserving":
            return known.domain is not None and known.preserving
        case "log_det":
            return known.domain is not None and LOG_DETS.index(known.log_det) <= LOG_DETS.index(word)
        case "inverse":
            return known.domain is not None and INVERSES.index(known.inverse) <= INVERSES.index(word)
        case "lip":
            return known.lip < exact(value) or (cmp == "<=" and known.lip == exact(value))
        case _ if fact is None:
            return False
        case "diagonal":
            return fact.off == NONE
        case "diag":
            signs, span = fact.diag
            number = Fraction(value)
            return (
                fact.off != DENSE
                and {
                    ">": not signs and span.positive,
                    ">=": not signs and span.lo >= number,
                    "!=": span.one_signed,
                    "==": not signs and span == Span(number, number),
                }[cmp]
            )
        case direction:
            inside = fact.off == NONE or (fact.off == direction and not found)
            return inside and (fact.diag.span.zero or not strict)


def recheck(statement: Json, proofs: Json) -> list[str]:
    """What the proofs show of the statement's definitions, one line each; raises Refused where they do not."""
    try:
        return _recheck(statement, proofs)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError, StopIteration) as problem:
        raise Refused(f"not in the form of a certificate: {type(problem).__name__}, {problem}") from None
    except RecursionError:
        raise Refused("not in the form of a certificate: nested too deeply") from None


def _recheck(statement: Json, proofs: Json) -> list[str]:
    done: dict[str, Known] = {}
    lines = []
    for proof in proofs:
        name = proof["definition"]
        definition = definition_of(statement, name)
        layer = definition["kind"] == "layer"
        if set(proof) != (LAYER if layer else FLOW):
            raise Refused(f"{name}: a proof has other parts than it should")
        known = check_layer(statement, definition, proof) if layer else check_flow(statement, definition, proof, done)
        if not _implied(proof, known, layer):
            raise Refused(f"{name}: its conclusion is not what was checked")
        found = layer and proof["order"] is not None
        failed = [claim[0] for claim in definition["claims"] if not holds(claim, known, found)]
        if failed:
            raise Refused(f"{name}: the claim {failed[0]} does not follow")
        done[key(name, proof["bindings"])] = known
        lines.append(name)
    target = statement["definitions"][-1]
    defaults = {name: value for name, kind, value in target["formals"] if kind in ("Act", "Order", "Real")}
    if not proofs or key(target["name"], defaults) != key(proofs[-1]["definition"], proofs[-1]["bindings"]):
        raise Refused("the certificate says nothing of the definition that it is for")
    return lines


def _implied(proof: Json, known: Known, layer: bool) -> bool:
    """Whether the conclusion that a proof states follows from what was checked."""
    stated = proof["map"]
    if proof["assumes"] != list(known.assumes):
        return False
    if stated is not None:
        image = None if stated["onto"] is None else read_span(stated["onto"])
        if set(stated) != {"from", "onto"} or known.domain is None or image not in (None, known.image):
            return False
        if not _rounded(read_span(stated["from"]), known.domain):
            return False
    return layer or (
        (known.preserving or proof["volume_preserving"] is False)
        and INVERSES.index(known.inverse) <= INVERSES.index(proof["inverse"])
        and known.log_det == proof["log_det"]
        and known.lip <= read_number(proof["lip"])
        and (proof["evaluation_only"] is True or not known.evaluation)
    )


def _rounded(stated: Span, domain: Span) -> bool:
    """Whether a domain is stated up to the rounding of its ends to floats."""
    if domain == REAL:
        return stated == REAL
    for a, b in ((stated.lo, domain.lo), (stated.hi, domain.hi)):
        if max(a - b, b - a) > max(b, -b) / 2**50:
            return False
    return stated[2:] == domain[2:]
