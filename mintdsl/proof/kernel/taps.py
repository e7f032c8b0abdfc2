"""The taps of convolutions in a statement: where they read, which of them decide a determinant, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import floor, inf

from mintdsl.proof.kernel.exact import Number
from mintdsl.proof.kernel.facts import CIRCULAR, DOMINANT, LOW_RANK, norm
from mintdsl.proof.kernel.reading import Json, Refused, read_size, text


def determinant(param: Json) -> str:
    """The rule of a constraint on a determinant, "" without one: of a matrix, or of that at the anchor of a kernel.

    Where the anchor is a corner, every other tap reads a pixel before the one that it writes, along one diagonal. A
    dominant anchor is stronger than all other taps together, wherever they lie.
    """
    if not param["with"] or not param["with"][0].startswith("det"):
        return ""
    if text(param["from"]) != text(param["to"]):
        raise Refused(f"{param['name']} is not square")
    kind, dominant = param["kind"], param["with"][2] in DOMINANT
    if dominant and (kind[0] != "conv" or kind[1] == [1, 1]):
        raise Refused(f"{param['name']} has no other taps")
    if "rank" in param:
        if kind != ["linear", None, False] and (kind[:2] != ["conv", [1, 1]] or kind[-2:] != [None, False]):
            raise Refused(f"{param['name']} has a rank, and is no matrix")
        if param["with"][0] != "det != 0" or param["with"][2] not in LOW_RANK:
            raise Refused(f"{param['name']} is I + U V, and this is not kept of it")
        return "LOWRANK"
    if param["with"][2] == "woodbury":
        raise Refused(f"{param['name']} has no rank")
    if kind == ["linear", None, False]:
        return "DET"
    if kind[0] != "conv" or kind[-2:] != [None, False]:
        raise Refused(f"{param['name']} has no determinant")
    if "circular" in kind:
        if param["with"][0] != "det != 0" or param["with"][2] not in CIRCULAR:
            raise Refused(f"{param['name']} wraps around, which its anchor does not decide")
        return "CIRCULANT"
    taps = differences(param, "")
    if taps.count((0, 0)) != 1:
        raise Refused(f"{param['name']} has no one anchor")
    if any(all(a * dh + b * dw > 0 for dh, dw in taps if (dh, dw) != (0, 0)) for a, b in product((1, -1), (1, -1))):
        return "DET" if kind[1] == [1, 1] else "HALF-PLANE"
    if not dominant:
        raise Refused(f"{param['name']} has taps on both sides of its anchor")
    return "DOMINANT"


def steepness(param: Json) -> Number:
    """The bound of the norm of a map of which an exponential is taken: of one space, without a direction."""
    bound, kind = norm(param["with"]), param["kind"]
    if kind[0] not in ("conv", "linear") or kind[-2:] != [None, False] or text(param["from"]) != text(param["to"]):
        raise Refused(f"{param['name']} has no exponential")
    if not 0 < bound <= 4:
        raise Refused(f"the norm of {param['name']} has no bound that counts the terms of its exponential")
    return bound


def differences(param: Json, corner: str) -> list[tuple[int, int]]:
    """Rows and columns from the pixel that each tap of a kernel reads to the one that it writes."""
    word, (height, width), anchor, *dilation, _, _ = [part for part in param["kind"] if part != "circular"]
    [(down, right)] = dilation or [(1, 1)]
    if word != "conv" or any(type(n) is not int or n < 1 for n in (height, width, down, right)):
        raise Refused(f"{param['name']} is no kernel")
    vertical, _, horizontal = (corner if anchor == "corner" else anchor).partition("_")
    row = {"centre": height // 2, "bottom": height - 1, "top": 0}[vertical]
    column = {"centre": width // 2, "right": width - 1, "left": 0}[horizontal or vertical]
    return [((row - u) * down, (column - v) * right) for u, v in product(range(height), range(width))]


def follows(rows: Json, declared: Json, param: Json) -> None:
    """That every tap that a mask of the declared order lets through is later in the order `rows`, for all channels."""
    sign, corner = {"lower": (1, "bottom_right"), "upper": (-1, "top_left")}[param["kind"][-2]]
    if any(type(factor) is not int for row in rows for factor in row):
        raise Refused("an order of another form than it should have")
    channels = read_size(param["from"][1][0])
    last = int(channels.hi) - 1 if channels.hi < inf else 2**60
    for dh, dw in differences(param, corner):
        # along a line of channels the signs of both keys are constant between the places where a row is 0
        turns = [floor(Fraction(-(b * dh + c * dw), a)) for a, b, c in [*declared, *rows] if a]
        for dc in {n + k for n in turns for k in (-1, 0, 1, 2)} | {-last, last}:
            tap = (dc, dh, dw)
            if abs(dc) <= last and key_sign(declared, tap) == sign and key_sign(rows, tap) <= 0:
                raise Refused(f"a tap of {param['name']} is not later in the order stated")


def key_sign(rows: Json, tap: Sequence[int]) -> int:
    """The sign of the first row that is not 0 on a difference of indices."""
    values = (sum(a * b for a, b in zip(row, tap, strict=True)) for row in rows)
    return next((1 if v > 0 else -1 for v in values if v), 0)
