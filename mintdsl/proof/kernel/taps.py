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
    taps = differences(param)
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


def differences(param: Json) -> list[tuple[int, int]]:
    """Rows and columns from the pixel that each tap of a kernel reads to the one that it writes: (0, 0) of one tap."""
    kind = [part for part in param["kind"] if part != "circular"]
    word, (height, width), anchor, *dilation, direction, strict = kind
    if kind != param["kind"] and (direction is not None or strict):
        raise Refused(f"{param['name']} wraps around: it has no direction")
    [(down, right)] = dilation or [(1, 1)]
    if anchor == "corner" and direction is not None:
        anchor = (0, 0) if direction == "upper" else (height - 1, width - 1)
    row, column = anchor
    if word != "conv" or any(type(n) is not int for n in (row, column, height, width, down, right)):
        raise Refused(f"{param['name']} is no kernel")
    if min(down, right) < 1 or not (0 <= row < height and 0 <= column < width):
        raise Refused(f"{param['name']} is no kernel with a tap at its anchor")
    return [((row - u) * down, (column - v) * right) for u, v in product(range(height), range(width))]


def follows(rows: Json, declared: Json, param: Json) -> None:
    """That every tap that a mask of the declared order lets through is later in the order `rows`, for all channels."""
    sign = {"lower": 1, "upper": -1}[param["kind"][-2]]
    if any(type(factor) is not int for row in rows for factor in row):
        raise Refused("an order of another form than it should have")
    channels = read_size(param["from"][1][0])
    last = int(channels.hi) - 1 if channels.hi < inf else 2**60
    for dh, dw in differences(param):
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
