"""Kinds of defects found in published code of flows, and what of this language leaves no room for each.

Every entry has a program that holds the same mistake as far as it can be written, and is refused, and a right one.
"""

from __future__ import annotations

from typing import NamedTuple


class Defect(NamedTuple):
    """A kind of defect.

    `seen` is where it was, `effect` what it did there, `code` the message that the program `refused` gets, `rule` the
    rule whose hypotheses it lacks and which proves `accepted`.
    """

    name: str
    seen: str
    effect: str
    code: str
    rule: str
    why: str
    refused: str
    accepted: str


def _layer(head: str, *lines: str) -> str:
    return "\n".join(
        ["mint 1", f"layer Example on Image[C, H, W] ensures {head} {{", *(f"  {x}" for x in lines), "}\n"]
    )


def _halves(head: str, first: str, nets: str) -> str:
    space, maps = "space Half = Image[C / 2, H, W]", f"param {nets} : conv 3x3 on Half"
    body = ("map x {", "  let (a, b) = split(x, channel)", f"  return join({first}, b * exp(tanh(g(a))))", "}")
    return _layer(head, space, maps, *body)


_FUSED = ("param W : conv 1x1 with det != 0", "param k : conv 3x3 (anchor = bottom_right) with det == 1")
_CORNER = "param k : conv 3x3 (anchor = bottom_right)"

DEFECTS: dict[str, Defect] = {
    defect.name: defect
    for defect in (
        Defect(
            "inverse-by-hand",
            "the quad-coupling of CInC Flow (2021), released code",
            "the inverse began at the last block, the map at the first: samples wrong by up to 1e16, likelihoods right",
            "E0412",
            "JOIN",
            "A program has no inverse of its own to get wrong: the module's is made from the map and its proof. A map "
            "that kept the first block and one that kept the last agree only where each reads the other, a circle.",
            _halves("invertible", "a * exp(tanh(f(b)))", "f, g"),
            _halves("invertible", "a", "g"),
        ),
        Defect(
            "factor-left-out",
            "the fused 1x1 convolution of Emerging (2019), released code; the published runs do not use it",
            "the log-det of the 1x1 convolution was not counted on the way there, and counted twice on the way back",
            "E0601",
            "CHAIN",
            "The log-det of a composition is the sum of those of its links, each made with its link. To leave one out "
            "is to claim that the link keeps volumes, and that claim is tested like any other.",
            _layer("invertible, volume_preserving", *_FUSED, "map x -> k(W(x))"),
            _layer("invertible", *_FUSED, "map x -> k(W(x))"),
        ),
        Defect(
            "kept-by-training",
            "FInC Flow (2023), released code",
            "a mask on gradients kept the kernel invertible: weight decay or any other change of weights undoes it",
            "E0409",
            "HALF-PLANE",
            "A weight that training moves freely proves nothing. A constraint is kept by a parametrisation, whatever "
            "numbers are stored, so no training loop has to know of it.",
            _layer("invertible, volume_preserving", _CORNER, "map x -> k(x)"),
            _layer("invertible, volume_preserving", f"{_CORNER} with det == 1 via unit_lower", "map x -> k(x)"),
        ),
        Defect(
            "diagonal-elsewhere",
            "Inverse-Flow (2025), released code",
            "the ones stood in the column of the last channel, and no mask made a triangle: log-det 0, not the true 1",
            "E0601",
            "HALF-PLANE",
            "Volumes are kept only where the matrix at the anchor has determinant 1 by its parametrisation, which "
            "places its diagonal itself; a kernel that merely starts with ones has the log-det of that matrix.",
            _layer("invertible, volume_preserving", f"{_CORNER} with det != 0 via raw", "map x -> k(x)"),
            _layer("invertible, volume_preserving", f"{_CORNER} with det == 1", "map x -> k(x)"),
        ),
        Defect(
            "epsilon-in-the-inverse",
            "MaCow (2019), released code",
            "the way back divided by s + 1e-12, the way there multiplied by s: an inverse of another map",
            "E0401",
            "MUL",
            "An epsilon guards against a factor that can be 0, where there is no inverse to guard. The factor is "
            "proved to have one sign, and the inverse divides by what the map multiplied with.",
            _layer("lower, diag > 0, invertible", "param n : conv 3x3 strict lower", "map x -> x * relu(n(x))"),
            _layer("lower, diag > 0, invertible", "param n : conv 3x3 strict lower", "map x -> x * sigmoid(n(x) + 2)"),
        ),
        Defect(
            "truncated-series",
            "the convolution exponential (2020), used with a kernel of large norm",
            "a series cut off after some terms is another map, which may be singular: I + M is, for M = -I",
            "E0417",
            "EXP",
            "The norm of the map is kept to a bound by its parametrisation, and the number of terms follows from the "
            "bound: what is cut off is less than the least singular value, so what is evaluated is regular too.",
            _layer("invertible", "param M : conv 3x3", "map x -> exp(M)(x)"),
            _layer("invertible", "param M : conv 3x3 with lip <= 0.95", "map x -> exp(M)(x)"),
        ),
        Defect(
            "clamped-log",
            "decomposable convolutions with taps on both sides, released code",
            "logarithms were clamped at 1e-5: a singular kernel silently had a finite log-det",
            "E0701",
            "HALF-PLANE",
            "With taps on both sides no condition on the weights alone is right at every size: a row (1, 1, 1) is "
            "singular at widths 2, 5, 8. So the kernel is refused, and no log-det has anything to clamp.",
            _layer("invertible", "param k : conv 1x3 with det != 0", "map x -> k(x)"),
            _layer("invertible", "param k : conv 1x3 (anchor = bottom_right) with det != 0", "map x -> k(x)"),
        ),
    )
}
"""By name; none of the entries says that published results are wrong."""
