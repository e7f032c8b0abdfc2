"""Layers that apply others beside their proofs: support, reach, bounds, counts, and certificates that are forged."""

from __future__ import annotations

import json
import random
from itertools import product
from math import inf, prod
from typing import Any

import pytest

import mintdsl
from mintdsl.core import interpret
from mintdsl.core.canonical import Statement, digest
from mintdsl.proof.certificate import certificate
from mintdsl.proof.kernel import Refused, recheck
from mintdsl.proof.numerics import numerics
from mintdsl.proof.prover import Prover
from mintdsl.proof.stages import network
from mintdsl.proof.support import support

Json = Any
TRI = """
layer Tri(tri: Dir) on Image[C, H, W] ensures tri, diag > 0, invertible {
  order channel_major
  param W : conv 3x1 tri with diag > 0
  map x -> W(x) + tanh(x)
}
"""
PARTS = """
layer A on Image[4, 3, 2] ensures invertible {
  map x {
    let (a, b) = split(x, strided)
    return join(Tri(tri = upper)(a), Tri(tri = lower)(b) * exp(tanh(a)))
  }
}
"""


@pytest.mark.parametrize(
    "text",
    [
        PARTS,
        "layer A on Image[2, 3, 3] ensures invertible { map x -> Tri(tri = upper)(2 * Tri(tri = lower)(x)) - 1 }",
        "layer B on Image[C, H, W] ensures lower { map x -> Tri(tri = lower)(Tri(lower)(x)) }\n"
        "flow A on Image[1, 4, 4] ensures invertible { squeeze 2 B }",
    ],
)
def test_support_is_that_of_the_jacobian(text: str) -> None:
    core, bag = mintdsl.loads("mint 1\n" + TRI + text).core()
    assert not bag.has_errors
    key = core.find("A")
    assert key is not None
    dims = tuple(d.constant or 0 for d in core.definitions[key].shape.dims)
    found, numbers = support(network(core, key, dims, {})), random.Random(1)
    seen: list[set[int]] = [set() for _ in range(prod(dims))]
    for _ in range(3):
        raw = {
            name: [numbers.gauss(0, 1) for _ in range(prod(sizes))]
            for name, sizes in interpret.parameters(core, key, dims, {}).items()
        }
        x = [numbers.gauss(0, 1) for _ in range(prod(dims))]
        for p, row in enumerate(interpret.evaluate_flow(core, key, x, dims, {}, raw).jacobian):
            seen[p] |= {q for q, slope in enumerate(row) if slope}
    assert [found.seen(p) for p in found.watched] == seen


def test_blind_borders_are_seen_through_applied_layers() -> None:
    flow = "flow F on Image[1, 28, 28] ensures invertible {{ repeat {} {{ A }} prior normal }}\n"
    layer = "layer A on Image[C, H, W] ensures invertible { map x -> Tri(tri = upper)(Tri(tri = lower)(x)) }\n"
    wide = TRI.replace("conv 3x1", "conv 3x3")

    def codes(copies: int) -> list[str]:
        return [d.code for d in mintdsl.loads("mint 1\n" + wide + layer + flow.format(copies)).check().diagnostics]

    assert codes(2) == ["W0602"] and codes(28) == []


def test_no_bound_is_claimed_and_all_parameters_are_counted() -> None:
    program = mintdsl.loads("mint 1\n" + TRI + PARTS)
    report = program.check()
    assert report.ok
    counts = report["A"].counts
    assert counts is not None and counts[:3] == (24, 14, 3)  # of 2 * 2 channels and 3 taps, 7 stay
    core, _ = program.core()
    key = core.find("A")
    assert key is not None
    found = numerics(Prover(core), key, {}, {})
    assert found.inverse == inf and "applies `Tri`" in found.why_inverse


# ---------------------------------------------------------------- certificates


def certified(text: str) -> Json:
    core, _ = mintdsl.loads("mint 1\n" + TEXT + text).core()
    key = core.find("A")
    assert key is not None
    return json.loads(json.dumps(certificate(core, key, Prover(core))))


def statement(text: str) -> Json:
    core, bag = mintdsl.loads("mint 1\n" + TEXT + text).core()
    assert not bag.has_errors
    key = core.find("A")
    assert key is not None
    return json.loads(json.dumps(Statement(core, key).data()))


TEXT = """
layer Mix on Vec[D] ensures invertible {
  param L : linear lower with diag == 1
  param U : linear upper with diag > 0
  map x -> L(U(x))
}
layer Low on Vec[D] ensures lower, diag > 0, invertible {
  param W : linear lower with diag > 0
  map x -> W(x)
}
"""


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("map x -> Mix(x) + 1", "map x -> Mix(x) + x"),
        ("map x -> Low(Low(x))", "map x -> Low(-Low(x))"),
        ("map x { let (a, b) = split(x, halves) return join(a, Mix(b) + a) }",
         "map x { let (a, b) = split(x, halves) return join(a, Mix(a) + b) }"),
        ("map x { let (a, b) = split(x, halves) return join(a, Mix(b) + a) }",
         "map x { let (a, b) = split(x, halves) return join(a, Mix(b) + b) }"),
    ],
)  # fmt: skip
def test_a_proof_of_another_formula_is_refused(true: str, false: str) -> None:
    head = "layer A on Vec[D] ensures {} {{ {} }}\n"
    claims = "lower, diag > 0" if "Low" in true else "invertible"
    good = certified(head.format(claims, true))
    assert recheck(good, good["statement"])[-1] == "A"
    other = statement(head.format(claims, false))
    forged = good | {"statement": other, "hash": digest(other)}
    with pytest.raises(Refused):
        recheck(forged, other)


def test_every_claim_of_a_direction_needs_one_order() -> None:
    """The class of a layer in one order says nothing in another one."""
    text = "layer Low2 on Image[C, H, W] ensures lower, diag > 0 {{ order {} param W : conv 3x3 lower with diag > 0\n"
    text += "map x -> W(x) }}\nlayer A on Image[C, H, W] ensures lower, diag > 0 {{ order {} map x -> Low2(x) }}\n"
    orders = ("raster", "channel_major")
    for inner, outer in product(orders, orders):
        report = mintdsl.loads("mint 1\n" + text.format(inner, outer)).check()
        assert report.ok == (inner == outer)
    good = certified(text.format("raster", "raster"))
    other = statement(text.format("channel_major", "raster"))
    with pytest.raises(Refused):
        recheck(good | {"statement": other, "hash": digest(other)}, other)
