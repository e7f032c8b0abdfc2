"""Orders found from the taps: against brute force over the taps of many channels, and as proofs of layers."""

from __future__ import annotations

import itertools
import random

import pytest

import mintdsl
from mintdsl.core import interpret, ir
from mintdsl.core.orders import Order
from mintdsl.proof.check import LayerProof
from mintdsl.proof.jacobian import DENSE
from mintdsl.proof.orders import Family, common_rows, kept_families
from mintdsl.proof.prover import Prover

MANY = 40  # channels, far more than any tap of the tests needs


def layer_of(text: str) -> ir.Layer:
    core, bag = mintdsl.loads("mint 1\n" + text).core()
    assert not bag.has_errors, bag.sorted()
    (layer,) = core.definitions.values()
    assert isinstance(layer, ir.Layer)
    return layer


def key_sign(rows: tuple[tuple[int, ...], ...], tap: tuple[int, ...]) -> int:
    values = [sum(a * b for a, b in zip(row, tap, strict=True)) for row in rows]
    first = next((v for v in values if v), 0)
    return (first > 0) - (first < 0)


def random_order(generator: random.Random) -> str:
    rows = []
    for _ in range(generator.choice((1, 2, 3))):
        row = [generator.choice((-2, -1, 0, 1, 1, 2)) for _ in range(3)]
        rows.append(" + ".join(f"{v} * {n}" for v, n in zip(row, "chw", strict=True) if v).replace("+ -", "- ") or "h")
    return ", ".join(rows).replace("-", "- ").replace("- ", "-")


def brute(layer: ir.Layer, param: ir.Param) -> set[tuple[int, int, int]]:
    """The taps that the mask lets through, written from the definition of a mask."""
    kind = param.kind
    assert isinstance(kind, ir.Conv) and isinstance(layer.order, Order)
    rows, columns = kind.size
    assert kind.anchor != "corner"
    row, column = kind.anchor
    sign = 1 if kind.direction == "lower" else -1
    return {
        (dc, row - u, column - v)
        for dc in range(-MANY, MANY + 1)
        for u in range(rows)
        for v in range(columns)
        if key_sign(layer.order.rows, (dc, row - u, column - v)) == sign
    }


@pytest.mark.parametrize("seed", range(60))
def test_families_are_the_taps_of_the_mask(seed: int) -> None:
    generator = random.Random(seed)
    size, anchor = generator.choice(
        (("3x3", "centre"), ("2x2", "bottom_right"), ("3x2", "top_left"), ("1x3", "centre"), ("3x4", "(2, 1)"))
    )
    direction = generator.choice(("lower", "upper"))
    layer = layer_of(
        f"order own = ({random_order(generator)})\nlayer L on Image[C, H, W] {{\n  order own\n"
        f"  param W : conv {size} {direction} (anchor = {anchor})\n  map x -> W(x)\n}}\n"
    )
    (param,) = layer.params
    assert isinstance(layer.order, Order)
    covered = set()
    for family in kept_families(param, layer.order):
        steps = family.steps or ((0, 0, 0),)
        for n, step in itertools.product(range(2 * MANY + 1), steps):
            covered.add(tuple(a + n * b for a, b in zip(family.first, step, strict=True)))
    taps = brute(layer, param)
    assert {t for t in covered if abs(t[0]) <= MANY} >= taps
    # nothing that the mask drops is asked for, ends of ranges apart
    inside = {t for t in covered if abs(t[0]) <= MANY - 10}
    assert inside <= taps


@pytest.mark.parametrize("seed", range(300))
def test_an_order_is_found_exactly_when_no_taps_add_up_to_zero(seed: int) -> None:
    generator = random.Random(seed)
    taps = {tuple(generator.randint(-1, 1) for _ in range(3)) for _ in range(generator.randint(1, 5))} - {(0, 0, 0)}
    if not taps:
        return
    rows = common_rows([Family(t, ()) for t in taps])
    if rows is not None:
        assert all(key_sign(rows, t) == 1 for t in taps)
        return
    # a sum with small natural coefficients is 0
    ordered = sorted(taps)
    for counts in itertools.product(range(5), repeat=len(ordered)):
        if any(counts) and all(sum(n * t[k] for n, t in zip(counts, ordered, strict=True)) == 0 for k in range(3)):
            return
    raise AssertionError(f"no order and no cycle for {ordered}")


FOUND = """order pixels = (h, w)
layer Found on Image[C, H, W] ensures diag > 0, invertible {
  order pixels
  param A : conv 1x3 lower with diag >= 0
  param B : conv 3x1 upper with diag >= 0
  param t : scale with diag > 0
  map x -> t * x + A(elu(B(x))) + B(A(x))
}
"""


def test_a_layer_is_triangular_in_the_order_found() -> None:
    core, _ = mintdsl.loads("mint 1\n" + FOUND).core()
    (key,) = core.main
    proof = Prover(core).prove(key, {})
    assert isinstance(proof, LayerProof)
    assert proof.proved and proof.working.found and proof.order is not None
    dims, generator = (2, 3, 3), random.Random(0)
    layer = proof.layer
    raw = {
        p.name: [generator.gauss(0, 1) for _ in range(_count(interpret.param_shape(layer, p, dims, {})))]
        for p in layer.params
    }
    x = [generator.gauss(0, 1) for _ in range(18)]
    jacobian = interpret.evaluate_layer(core, key, x, dims, {}, raw).jacobian
    places = list(itertools.product(*map(range, dims)))
    read = 0
    for (p, a), (q, b) in itertools.product(enumerate(places), repeat=2):
        difference = tuple(m - n for m, n in zip(a, b, strict=True))
        if p != q and jacobian[p][q] != 0:
            read += 1
            assert proof.order.compare(difference) == 1
    assert read > 20


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


def test_without_an_order_the_taps_of_the_cycle_are_named() -> None:
    text = FOUND.replace("  order pixels\n", "")
    report = mintdsl.loads("mint 1\n" + text).check()
    (error,) = [d for d in report.diagnostics if d.code == "E0402"]
    assert any("lead back to (c, h, w)" in note for note in error.notes)
    (result,) = report.results
    assert isinstance(result.proof, LayerProof)
    assert result.proof.jacobian.off == DENSE


def test_one_channel_has_orders_that_many_do_not_have() -> None:
    text = FOUND.replace("  order pixels\n", "").replace("Image[C, H, W]", "Image[1, H, W]")
    assert mintdsl.loads("mint 1\n" + text).check().ok


def test_claims_of_a_direction_refer_to_the_declared_order() -> None:
    report = mintdsl.loads("mint 1\n" + FOUND.replace("ensures diag", "ensures lower, diag")).check()
    assert [d.code for d in report.diagnostics] == ["E0601"]
