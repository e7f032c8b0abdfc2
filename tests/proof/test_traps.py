"""Wordings of the rules that look right and are unsound, each with the program that a naive checker would accept.

The counter-example of each trap is computed here, not only cited: the map that must be refused is shown not to be
invertible, and the nearest sound program is accepted. Traps of constructs that this version only reads come with them.
"""

from __future__ import annotations

import itertools
import math

import pytest

import mintdsl
from mintdsl.core import interpret
from mintdsl.driver import Report
from mintdsl.proof.check import LayerProof
from mintdsl.proof.jacobian import Fibre


def check(body: str, head: str = "layer L on Vec[D] ensures {claims}", claims: str = "invertible") -> Report:
    return mintdsl.loads(f"mint 1\n{head.format(claims=claims)} {{\n{body}\n}}\n").check()


def codes(report: Report) -> list[str]:
    return [d.code for d in report.diagnostics]


def proof_of(report: Report) -> LayerProof:
    (result,) = report.results
    assert isinstance(result.proof, LayerProof)
    return result.proof


# ---------------------------------------------------------------- orders


def test_reading_an_index_of_equal_key_is_never_lower() -> None:
    """Under (h + w, c) the taps (0, 0), (+1, -1), (-1, +1) tie; with weights 1 the map is singular on 2 x 2."""
    places = list(itertools.product(range(2), repeat=2))
    matrix = [[float((a[0] - b[0], a[1] - b[1]) in ((0, 0), (1, -1), (-1, 1))) for b in places] for a in places]
    assert interpret.determinant(matrix).sign == 0
    text = (
        "layer L on Image[C, H, W] ensures lower, diag == 1, invertible {\n  order corner\n"
        "  param k : conv 3x3 lower with diag == 1\n  map x -> k(x)\n}\n"
    )
    program = mintdsl.loads("mint 1\n" + text)
    assert program.check().ok
    core, _ = program.core()
    (key,) = core.main
    result = interpret.evaluate_layer(core, key, [0.5] * 4, (1, 2, 2), {}, {"k": [1.0] * 9})
    for (p, a), (q, b) in itertools.product(enumerate(places), repeat=2):
        if p != q and sum(a) == sum(b):
            assert result.jacobian[p][q] == 0.0  # the mask drops what ties
    assert interpret.determinant(result.jacobian).log_abs == 0.0


def test_negative_coefficients_make_other_orders() -> None:
    text = (
        "mint 1\norder falling = (h - w, -c)\nlayer L on Image[2, 2, 2] ensures lower, diag > 0 {{\n  order {order}\n"
        "  param k : conv 3x3 lower with diag > 0\n  map x -> k(x)\n}}\n"
    )
    seen = {}
    for order in ("falling", "raster"):
        program = mintdsl.loads(text.format(order=order))
        assert program.check().ok
        core, _ = program.core()
        result = interpret.evaluate_layer(core, core.main[0], [1.0] * 8, (2, 2, 2), {}, {"k": [1.0] * 36})
        seen[order] = result.jacobian
    assert seen["falling"][0][4] != 0.0 and seen["raster"][0][4] == 0.0  # channel 0 reads channel 1, and does not
    assert seen["falling"][2][1] != 0.0 and seen["raster"][1][0] != 0.0


# ---------------------------------------------------------------- diagonals, signs, fibres


def test_statements_are_about_difference_quotients() -> None:
    """|u| has slope 1 or -1 almost everywhere and folds the line: its secants reach 0."""
    assert codes(check("  map x -> abs(x)")) == ["E0406"]
    assert abs(-1.0) == abs(1.0)


def test_one_sign_for_each_index_not_one_for_all() -> None:
    assert check("  param s : scale with diag != 0\n  map x -> s * x").ok


def test_affine_in_the_own_coordinate_is_onto_though_the_slope_has_no_floor() -> None:
    report = check("  param S : linear strict lower\n  map x -> x * exp(S(x))")
    assert report.ok
    assert proof_of(report).jacobian.fibre is Fibre.AFFINE
    assert proof_of(report).jacobian.diag.interval.lo == 0.0


def test_an_image_that_moves_is_not_onto() -> None:
    """sigmoid(x) + m(earlier): every fibre is injective, and no box is the image."""
    body = "  param S : linear strict lower\n  map x -> sigmoid(x) + S(x)"
    assert codes(check(body)) == ["E0602"]
    assert check(body, claims="injective, lower").ok


def test_half_of_the_unit_interval_is_not_all_of_it() -> None:
    """x / 2 maps (0, 1) into itself with slope > 0; what follows a smaller image is injective only."""
    text = (
        "mint 1\nlayer Half on Vec[D] ensures injective { map x -> sigmoid(x) / 2 }\n"
        "layer Log on Vec[D] ensures injective { map x -> tanh(x) }\nflow F on Vec[2] ensures invertible { Half Log }\n"
    )
    assert codes(mintdsl.loads(text).check()) == ["E0602"]


def test_domains_meet_at_every_seam() -> None:
    text = (
        "mint 1\nlayer Mint on S ensures injective { map x -> x + tanh(x) }\n"
        "flow F on Image[1, 2, 2] ensures invertible { Mint logit(0.1) }\n"
    )
    assert codes(mintdsl.loads(text).check()) == ["E0606"]


def test_a_tie_with_sign_zero_has_no_floor() -> None:
    """With A = 0 the tied diagonal is 0 whatever is stored: `diag != 0` of the product would be false."""
    body = "  param A, P : linear lower\n  tie diag(A) * diag(P) >= 0\n  map x -> P(x)"
    assert "E0401" in codes(check(body, claims="diag != 0"))
    program = mintdsl.loads(f"mint 1\nlayer L on Vec[D] {{\n{body}\n}}\n")
    core, _ = program.core()
    result = interpret.evaluate_layer(core, core.main[0], [1.0], (1,), {}, {"A": [0.0], "P": [5.0]})
    assert result.diagonal == [0.0]


def test_a_tie_and_a_constraint_on_one_factor() -> None:
    body = (
        "  param A : linear lower\n  param P : linear lower with diag != 0\n  tie diag(A) * diag(P) >= 0\n"
        "  map x -> A(elu(P(x)))"
    )
    report = check(body, claims="diag > 0")
    assert "E0401" in codes(report)  # A is the pivot; its bound is 0


def test_two_ties_share_a_factor_when_their_pivots_differ() -> None:
    body = (
        "  param t : scale with diag > 0\n  param A, B, C : linear lower\n"
        "  tie diag(A) * diag(B) >= 0\n  tie diag(B) * diag(C) >= 0\n  map x -> t * x + A(elu(C(x)))"
    )
    assert check(body, claims="diag > 0, invertible").ok


@pytest.mark.parametrize("tie", ["diag(F[i, j]) * diag(F[j, i])", "diag(G[i]) * diag(G[j])"])
def test_a_tie_of_a_family_with_itself_is_circular(tie: str) -> None:
    body = (
        f"  index i, j : K\n  param F[i, j], G[i] : linear lower\n  tie {tie} >= 0\n"
        "  map x -> x + sum[i, j](F[i, j](G[i](x)))"
    )
    report = check(body, head="layer L(K: Nat) on Vec[D] ensures {claims}")
    assert codes(report) == ["E0405"]


def test_depth_four_needs_two_ties() -> None:
    body = (
        "  index i, k, j : K\n  param t : scale with diag > 0\n"
        "  param A[i], B[i, k], C[k, j], E[j] : linear lower\n"
        "  tie diag(A[i]) * diag(B[i, k]) * diag(C[k, j]) * diag(E[j]) >= 0\n  map x -> t * x"
    )
    assert "E0405" in codes(check(body, head="layer L(K: Nat) on Vec[D] ensures {claims}"))
    body = (
        "  index i, k, j : K\n  param t : scale with diag > 0\n"
        "  param A[i], B[i, k], C[k, j], E[j] : linear lower\n"
        "  tie diag(A[i]) * diag(B[i, k]) >= 0\n  tie diag(C[k, j]) * diag(E[j]) >= 0\n"
        "  map x -> t * x + sum[i](A[i](elu(sum[k](B[i, k](elu(sum[j](C[k, j](elu(E[j](x))))))))))"
    )
    assert check(body, head="layer L(K: Nat) on Vec[D] ensures {claims}", claims="diag > 0, invertible").ok


def test_a_scale_by_element_cannot_be_signed_by_a_convolution() -> None:
    """The convolution has one diagonal for a channel, the scale one for each element."""
    body = "  param s : scale\n  param k : conv 3x3 lower\n  tie diag(s) * diag(k) >= 0\n  map x -> s * k(x)"
    head = "layer L on Image[C, H, W] ensures {claims}"
    report = mintdsl.loads(f"mint 1\n{head.format(claims='lower')} {{\n{body}\n}}\n").check()
    assert report.ok
    param = proof_of(report).layer.param("s")
    assert param.pivot is not None  # the finer one is the pivot


def test_a_decreasing_activation_turns_the_sign() -> None:
    body = (
        "  param t : scale with diag > 0\n  param W : linear lower with diag >= 0\n  act down(u) = -2 * u\n"
        "  map x -> t * x {} down(W(x))"
    )
    assert codes(check(body.format("+"), claims="diag > 0")) == ["E0403"]
    assert check(body.format("-"), claims="diag > 0").ok


def test_ends_of_slopes_are_open_or_closed() -> None:
    for act, good in (("elu", True), ("relu", False), ("leaky_relu", True), ("softplus", True)):
        assert check(f"  map x -> {act}(x)", claims="diag > 0").ok is good


def test_zero_times_infinity_is_zero() -> None:
    report = check("  param W : linear strict lower\n  map x -> x + W(x) * exp(W(x))", claims="lower, diag == 1")
    assert report.ok


def test_lip_of_a_steep_falling_activation() -> None:
    """h(v) = -2 v has slope in [-2, -2]: lip is 2, not -2."""
    body = "  act h(u) = -2 * u\n  map x -> h(x)"
    assert check(body, claims="lip <= 2").ok
    assert codes(check(body, claims="lip < 2")) == ["E0601"]
    assert proof_of(check(body, claims="lip <= 2")).jacobian.lip == 2.0


def test_unknown_signs_leave_a_bound() -> None:
    """x + g with |slope of g| <= 0.9 is increasing, whatever the sign of g's slope."""
    assert check("  act h(u) = u + 0.9 * sin(u)\n  map x -> h(x)", claims="diag >= 0.09, invertible").ok
    assert codes(check("  act h(u) = u + 1.1 * sin(u)\n  map x -> h(x)", claims="diag > 0")) == ["E0406"]
    slopes = [1 + 1.1 * math.cos(u / 100) for u in range(700)]
    assert min(slopes) < 0


def test_a_product_of_two_maps_of_one_coordinate() -> None:
    assert codes(check("  map x -> x * x", claims="diag > 0")) == ["E0410"]
    assert check("  map x -> softplus(x) * exp(x)", claims="lower").ok


def test_a_divisor_that_reads_the_own_coordinate() -> None:
    """1 / (1 + softplus) falls: its slope is that of the divisor with the other sign."""
    assert codes(check("  map x -> 1 / (1 + softplus(x))", claims="diag > 0")) in (["E0401"], ["E0601"])
    report = check("  map x -> -(1 / (1 + softplus(x)))", claims="diag > 0")
    assert report.ok
    values = [-1 / (1 + math.log1p(math.exp(v))) for v in (-2.0, 0.0, 2.0)]
    assert values == sorted(values)


def test_a_floor_of_the_diagonal_does_not_bound_the_inverse() -> None:
    """[[1, 0], [1e6, 1]] has diagonal 1 and an inverse of norm 1e6: no `lip` of an inverse follows from `diag >= 1`."""
    report = check("  param W : linear lower with diag == 1\n  map x -> W(x)", claims="diag == 1, volume_preserving")
    assert report.ok
    assert math.isinf(proof_of(report).jacobian.lip)


# ---------------------------------------------------------------- statistics, padding, kernels


def test_batch_norm_is_a_bijection_in_evaluation_only() -> None:
    report = check("  param n : normalize\n  param g : scale with diag != 0\n  map x -> g * n(x)", claims="invertible")
    assert report.ok and proof_of(report).evaluation_only
    assert codes(check("  param n : normalize\n  param g : scale\n  map x -> g * n(x)", claims="diag != 0")) != []


def test_padding_is_injective_and_has_no_density() -> None:
    text = "mint 1\nflow F on Image[1, 2, 2] ensures {} {{ pad channels to 3 {} }}\n"
    assert mintdsl.loads(text.format("injective, log_det none", "")).check().ok
    assert codes(mintdsl.loads(text.format("invertible", "")).check()) == ["E0602"]
    assert codes(mintdsl.loads(text.format("log_det exact", "")).check()) == ["E0601"]
    assert codes(mintdsl.loads(text.format("injective", "prior normal")).check()) == ["E0604"]


def test_even_kernels_have_no_centre() -> None:
    body = "  param k : conv 2x2 lower{} with diag > 0\n  map x -> k(x)"
    head = "layer L on Image[C, H, W] ensures {claims}"
    assert codes(check(body.format(""), head=head)) == ["E0306"]
    assert check(body.format(" (anchor = corner)"), head=head).ok


def test_sums_of_masked_maps_are_not_blocks() -> None:
    """x + leaky(A x) with positive diagonal A = [[.1, 5], [5, .1]]: det 0.9995 at one place, -23.8 at another."""
    assert 1.001**2 - 0.05**2 > 0 > 1.1**2 - 5.0**2
    assert codes(check("  param A : linear\n  map x -> x + leaky_relu(A(x))")) == ["E0409"]
