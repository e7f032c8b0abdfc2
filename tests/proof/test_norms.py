"""Lipschitz constants in the 2-norm, the 1-norm and the maximum norm: of nets, of layers, and what the kernel makes."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest

import mintdsl
from mintdsl.core.canonical import digest
from mintdsl.proof.certificate import certificate
from mintdsl.proof.kernel import Refused, recheck
from mintdsl.proof.layer_proof import LayerProof
from mintdsl.proof.prover import Prover

VIAS = {"spectral": 2.0, "rows": math.inf, "columns": 1.0}
WIDE = "  param W : linear from Vec[2 * D] to Vec[D] with lip <= LIMIT via VIA\n"
FORMULAS = {
    "W(concat(0.6 * x, 0.8 * V(x)))": {"spectral": 1.0, "rows": 0.8, "columns": 1.4},
    "W(concat(x, tanh(V(x)), weights = w))": {"spectral": 1.0, "rows": 1.0, "columns": math.sqrt(2.0)},
    "W(clip_swish(V(x)))": {"spectral": 1.0, "rows": 1.0, "columns": 1.0863},
    "0.5 * W(clip_swish(V(x), beta = b)) + 0.5 * W(concat(swish(x, beta = b) / 1.09984, 0.5 * V(x)))": {
        "spectral": 0.5 + 0.5 * math.sqrt(1.25), "rows": 1.0, "columns": 0.5 * 1.0863 + 0.75,
    },
    "W(maxmin(concat(0.6 * x, 0.8 * V(x))))": {"spectral": 1.0, "rows": 0.8, "columns": 1.4},
    "0.5 * W(concat(V(x), V(x))) - 0.25 * s * sin(x)": {
        "spectral": 0.5 * math.sqrt(2) + 0.125, "rows": 0.625, "columns": 1.125,
    },
}  # fmt: skip
"""Of a limit of 1 of each map, 0.5 of s."""


def text_of(formula: str, via: str, limit: float = 1.0, other: str = "") -> str:
    members = "  param w : scale on Vec[2] with length == 1\n" if "weights" in formula else ""
    members += "  param b : scale on Vec[1] with diag > 0\n" if "beta" in formula else ""
    members += "  param s : scale with lip <= 0.5\n" if "s *" in formula else ""
    members += f"  param V : linear with lip <= 1 via {other or via}\n"
    members += WIDE.replace("LIMIT", repr(limit)).replace("VIA", via)
    return (
        f"mint 1\nnet N from Vec[D] to Vec[D] {{\n{members}  map x -> {formula}\n}}\n"
        "layer A on Vec[D] ensures invertible {\n  param n : net N\n  map x -> x + n(x)\n}\n"
    )


def proof_of(text: str) -> tuple[LayerProof, Any]:
    core, bag = mintdsl.loads(text).core()
    assert not bag.has_errors, bag.sorted()
    prover, key = Prover(core), core.main[-1]
    proof = prover.prove(key, {})
    assert isinstance(proof, LayerProof)
    return proof, None if proof.diagnostics else json.loads(json.dumps(certificate(core, key, prover)))


@pytest.mark.parametrize(("formula", "via"), list(itertools.product(FORMULAS, VIAS)))
def test_each_norm_has_its_own_constant(formula: str, via: str) -> None:
    """The constant of the branch is that of the table times the limit of W: just below 1 it is proved, above it not."""
    own = FORMULAS[formula][via]
    slack = 0.125 if "s *" in formula else 0.0  # the term that does not go through W
    for share, good in ((0.999, True), (1.001, False)):
        limit = (share - slack) / (own - slack)
        proof, written = proof_of(text_of(formula, via, limit))
        assert proof.norm == VIAS[via]
        lip = next(node.fact.lip for node in proof.derivation.nodes() if node.rule == "NET" and node.fact)
        assert lip == pytest.approx(share, rel=1e-9)
        assert (proof.bijection is not None) == good
        assert [d.code for d in proof.diagnostics] == ([] if good else ["E0416"])
        if good:
            assert recheck(written, written["statement"]) == ["A"]


@pytest.mark.parametrize(("via", "other"), [p for p in itertools.product(VIAS, VIAS) if p[0] != p[1]])
def test_maps_of_several_norms_have_no_constant_together(via: str, other: str) -> None:
    proof, _ = proof_of(text_of("W(concat(0.1 * x, 0.1 * V(x)))", via, 0.1, other))
    (found,) = proof.diagnostics
    words = {"spectral": "in the 2-norm", "rows": "in the maximum norm", "columns": "in the 1-norm"}
    assert found.code == "E0416" and any(words[via] in n and words[other] in n for n in found.notes)
    assert "no bound" in found.title


@pytest.mark.parametrize(("formula", "via"), list(itertools.product(FORMULAS, VIAS)))
def test_the_kernel_refuses_another_norm(formula: str, via: str) -> None:
    """A statement whose maps are bounded in another norm has another constant; one map of another norm gives none."""
    own = FORMULAS[formula]
    slack = 0.125 if "s *" in formula else 0.0
    _, written = proof_of(text_of(formula, via, (0.999 - slack) / (own[via] - slack)))
    for other in (v for v in VIAS if v != via):
        for names in ("V", "W", "VW"):
            forged = json.loads(json.dumps(written))
            net = next(d for d in forged["statement"]["definitions"] if d["name"] == "N")
            for param in net["params"]:
                if param["name"] in names:
                    param["with"][2] = other
            forged["hash"] = digest(forged["statement"])
            if names == "VW" and own[other] <= own[via]:
                assert recheck(forged, forged["statement"]) == ["A"]
                continue
            with pytest.raises(Refused):
                recheck(forged, forged["statement"])


@pytest.mark.parametrize("via", VIAS)
def test_a_claim_and_a_flow_are_of_the_2_norm(via: str) -> None:
    text = text_of("W(clip_swish(V(x)))", via, 0.5).replace("invertible", "invertible, lip < 2")
    flow = "flow F on Vec[3] ensures lip < 2 { A log_det exact }\n"
    for program in (text, text.replace(", lip < 2", "") + flow):
        core, bag = mintdsl.loads(program).core()
        assert not bag.has_errors
        prover = Prover(core)
        proof = prover.prove(core.main[-1], {})
        assert [d.code for d in proof.diagnostics] == ([] if via == "spectral" else ["E0601"])
        if via == "spectral":
            written = json.loads(json.dumps(certificate(core, core.main[-1], prover)))
            for other in ("rows", "columns"):
                forged = json.loads(json.dumps(written).replace('"spectral"', f'"{other}"'))
                forged["hash"] = digest(forged["statement"])
                with pytest.raises(Refused):
                    recheck(forged, forged["statement"])
    if via == "rows":
        proof, _ = proof_of(text)
        (found,) = proof.diagnostics
        assert "the Lipschitz bound is 1.5 in the maximum norm, the claim of the 2-norm" in found.title


def test_a_layer_that_is_applied_brings_its_own_norm() -> None:
    """What its maps bound in the maximum norm bounds nothing in the 2-norm; what reads single entries does in both."""
    head = (
        "mint 1\nlayer Dense on Vec[D] ensures invertible {\n  param V : linear with lip <= 0.5 via INNER\n"
        "  map x -> exp(V)(x)\n}\nlayer Plain on Vec[D] ensures invertible { map x -> 0.25 * (x + tanh(x)) }\n"
    )
    body = (
        "layer A on Vec[D] ensures invertible {\n  param W : linear with lip <= 0.5 via OUTER\n"
        "  map x -> W(USED(x))\n}\n"
    )
    for used, inner, outer in itertools.product(("Dense", "Plain"), VIAS, VIAS):
        text = (head + body).replace("INNER", inner).replace("OUTER", outer).replace("USED", used)
        core, bag = mintdsl.loads(text.replace("ensures invertible {\n  param W", "{\n  param W")).core()
        assert not bag.has_errors
        prover, key = Prover(core), core.main[-1]
        proof = prover.prove(key, {})
        assert isinstance(proof, LayerProof)
        known = used == "Plain" or inner == outer
        wanted = 0.25 if used == "Plain" else 0.5 * math.exp(0.5)
        assert proof.jacobian.lip == (pytest.approx(wanted) if known else math.inf)


def test_a_scale_has_no_rows() -> None:
    core, bag = mintdsl.loads(
        "mint 1\nlayer A on Vec[D] ensures invertible {\n  param s : scale with lip <= 0.5 via rows\n"
        "  map x -> x + s * tanh(x)\n}\n"
    ).core()
    (found,) = bag.sorted()
    assert found.code == "E0701" and "its largest factor bounds it in every norm" in found.title
    assert core is not None


@pytest.mark.parametrize("via", VIAS)
def test_cayley_maps_and_exponentials_in_each_norm(via: str) -> None:
    """The bounds of their slopes are those of the norm; a matrix that has a small one in another norm says nothing."""
    text = (
        f"mint 1\nlayer A on Vec[D] ensures invertible {{\n  param M : linear with lip <= 0.5 via {via}\n"
        "  map x -> cayley(M)(x)\n}\n"
    )
    proof, written = proof_of(text)
    assert proof.cayley == 0.5 and proof.jacobian.lip == pytest.approx(3.0) and proof.norm == VIAS[via]
    assert recheck(written, written["statement"]) == ["A"]
    proof, written = proof_of(text.replace("cayley(M)", "exp(M)"))
    assert proof.jacobian.lip == pytest.approx(math.exp(0.5))
    assert recheck(written, written["statement"]) == ["A"]
    assert proof.lip() == (proof.jacobian.lip if via == "spectral" else math.inf)
