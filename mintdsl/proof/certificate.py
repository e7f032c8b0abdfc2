"""Certificates: a proof as plain data, so that somebody else can check every step of it.

A certificate holds the statement (`core.canonical`), its hash, and for each definition with each binding of its
formals what is proved: one fact for each node of its formulas, in the order of the statement, and the conclusion.
`proof.kernel` re-checks it without any of the checker's code.
"""

from __future__ import annotations

from math import inf, isinf

from mintdsl.core import ir
from mintdsl.core.canonical import FORMAT, Json, Statement, digest, dumps
from mintdsl.core.interval import Interval
from mintdsl.proof.check import Bindings, LayerProof
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.jacobian import Fibre, Jacobian, Signed
from mintdsl.proof.prover import FlowProof, Prover
from mintdsl.proof.rules.flows import Bijection


def certificate(program: ir.Program, key: str, prover: Prover) -> dict[str, Json]:
    """The certificate of definition `key`, which must be proved, with all that it uses."""
    statement = Statement(program, key)
    data = statement.data()
    proofs: dict[str, Json] = {}  # two names of one order or activation are one binding
    for one in prover.used([key]):
        head: dict[str, Json] = {
            "definition": statement.known[one.key],
            "bindings": _bindings(statement, one.bindings),
        }
        body = _layer(statement, one.proof) if isinstance(one.proof, LayerProof) else _flow(one.proof)
        proofs.setdefault(dumps(head), head | body)
    return {"certificate": FORMAT, "hash": digest(data), "statement": data, "proofs": list(proofs.values())}


def _bindings(statement: Statement, bindings: Bindings) -> dict[str, Json]:
    return {name: statement.argument(value) for name, value in bindings.items()}


def _layer(statement: Statement, proof: LayerProof) -> dict[str, Json]:
    whole = proof.derivation.premises
    formulas = [part.derivation.premises for part in proof.parts] or [whole]
    acts: dict[str, Json] = {}
    for act, derivation in proof.acts:
        place = statement.act(act)
        assert isinstance(place, dict)
        acts[str(place["defined"])] = _steps(derivation)
    order = proof.working.order if proof.working.found else None
    return {
        "order": None if order is None else [list(row) for row in order.rows],
        "acts": acts,
        "formulas": [
            {
                "lets": [[let.title.partition("[")[0].partition(" ")[0], _steps(let.premises[0])] for let in lets],
                "result": _steps(result),
            }
            for *lets, result in formulas
        ],
        "map": _map(proof.bijection),
        "assumes": list(proof.assumptions),
    }


def _flow(proof: FlowProof) -> dict[str, Json]:
    return {
        "map": _map(proof.bijection),
        "volume_preserving": proof.passage.preserving,
        "inverse": proof.inverse,
        "log_det": proof.log_det,
        "bias": _number(proof.passage.bias),
        "estimates": {name: [e.terms, e.keep, _number(e.bias)] for name, e in proof.estimates.items()},
        "lip": _number(proof.passage.lip),
        "evaluation_only": proof.evaluation_only,
        "assumes": list(proof.assumptions),
    }


def _steps(derivation: Derivation) -> list[Json]:
    """Rule and fact of every node of a formula, operands first: the order of the statement's nodes."""
    return [[node.rule, _fact(node.fact)] for node in derivation.nodes() if node.fact is not None]


def _fact(fact: Jacobian) -> Json:
    data: dict[str, Json] = {
        "off": fact.off,
        "diag": _signed(fact.diag),
        "own": fact.fibre.value,
        "image": _interval(fact.image) if fact.fibre is Fibre.IMAGE else None,
        "range": _signed(fact.range),
        "lip": _number(fact.lip),
        "smooth": int(fact.smooth),
    }
    return data | ({"chain": int(fact.chain)} if fact.chain else {})


def _signed(signed: Signed) -> Json:
    return [[[a.param, list(a.indices)] for a in sorted(signed.monomial)], _interval(signed.interval)]


def _interval(interval: Interval) -> Json:
    return [_number(interval.lo), _number(interval.hi), interval.lo_open, interval.hi_open]


def _number(value: float) -> Json:
    """Floats keep all their digits; infinities are words, since JSON has no numbers for them."""
    if isinf(value):
        return "inf" if value == inf else "-inf"
    return value + 0.0


def _map(bijection: Bijection | None) -> Json:
    if bijection is None:
        return None
    onto = None if bijection.codomain is None else _interval(bijection.codomain)
    return {"from": _interval(bijection.domain), "onto": onto}
