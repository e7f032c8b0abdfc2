"""Claims of layers and flows against numbers, each from the meaning of its words."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mintdsl.core.claim_words import LOG_DETS
from mintdsl.proof.check import LayerProof

from .facts import Failure, Sight
from .meaning import Used
from .tensors import Field


def claims_hold(used: Used, proof: LayerProof, sight: Sight, found: Field, where: str) -> Iterator[Failure]:
    """Every claim of a layer that is proved."""
    tangent = found.diagonal
    secant, slack = sight.secants(found)
    rounding = 1e-9 * found.steep + 1e-300
    size = tangent.shape[-1]
    later = sight.weights.later()  # claims speak of the declared order
    for claim in proof.layer.claims:
        at = f"claim `{claim}` of {where}"
        match claim.what:
            case "diag":
                for values, allowed in ((tangent, rounding), (secant, slack)):
                    yield from _bounded(claim.cmp, claim.value, values, allowed, at)
            case "diagonal":
                yield from _zero(found.jacobian, torch.eye(size, dtype=torch.bool), at)
            case "volume_preserving" | "inverse" if proof.composed:
                pass  # its determinant is tested with its class, its inverse by going there and back
            case "volume_preserving":
                yield from _bounded("unit", 1.0, tangent, rounding, at)
            case "invertible" | "injective" | "onto":
                pass  # the fibres and the inverse are tested
            case "lip":
                yield from _gentle(claim.value, found, at)
            case "log_det":
                assert claim.word in LOG_DETS  # a layer's own is exact
            case "inverse":
                if claim.word == "closed_form" and used.layer.split is None:  # else slopes vary with other parts
                    yield from _affine(tangent, rounding, at)
            case word:
                direction = used.env.directions.get(word, word)
                kept = later if direction == "lower" else later.T
                own = torch.zeros(size, size, dtype=torch.bool) if claim.strict else torch.eye(size, dtype=torch.bool)
                yield from _zero(found.jacobian, kept | own, at)


def _gentle(bound: float, found: Field, where: str) -> Iterator[Failure]:
    """The 2-norm of the Jacobian and the distances between outputs, against the bound of the Lipschitz constant."""
    norm = torch.linalg.matrix_norm(found.jacobian.nan_to_num(0.0, 0.0, 0.0), 2)
    if bool((norm > bound * (1 + 1e-9) + 1e-12).any()):
        yield Failure("claim", where, f"the norm of the Jacobian is {float(norm.max()):.9g}")


def _affine(tangent: Tensor, rounding: Tensor, where: str) -> Iterator[Failure]:
    """A formula for the inverse: every element is an affine function of itself, of one slope at all points."""
    spread = tangent.amax(1) - tangent.amin(1)
    allowed = rounding.amax(1) if rounding.dim() == tangent.dim() else rounding
    if bool(((spread > allowed) & torch.isfinite(spread)).any()):
        yield Failure("claim", where, f"slopes differ by {float(spread.max()):.3g}")


def _zero(jacobian: Tensor, allowed: Tensor, where: str) -> Iterator[Failure]:
    outside = jacobian * ~allowed
    if bool(((outside != 0) & ~torch.isnan(outside)).any()):
        yield Failure("claim", where, "a forbidden entry is not 0")


def _bounded(cmp: str, value: float, values: Tensor, slack: Tensor, where: str) -> Iterator[Failure]:
    good = torch.isfinite(values) & torch.isfinite(slack)
    match cmp:
        case ">" | ">=":
            bad = values < value - slack
        case "==":
            bad = (values - value).abs() > slack
        case "unit":
            bad = (values.abs() - value).abs() > slack
        case _:  # != 0: of one sign along each fibre, which the class says; here only that it is not 0 throughout
            bad = torch.zeros_like(good)
    if bool((bad & good).any()):
        place = (bad & good).nonzero()[0]
        yield Failure("claim", where, f"found {float(values[tuple(place)]):.9g}")
