"""Convolutions with a stride, `conv 4x4 (stride = 2)` from `Image[C, H, W]` to `Image[K, H / 2, W / 2]`, in nets."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.nat import Nat, Ratio
from mintdsl.core.options import OptionValue
from mintdsl.diagnostics.model import Bag, Fix
from mintdsl.source import Span
from mintdsl.syntax import ast


def centred(size: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]) -> bool:
    """Whether a kernel has a centre, a tap or the middle of the pixels that the stride steps over.

    An even kernel lies in the middle of an even number of pixels, with as many taps before them as behind.
    """
    return all(k % 2 == 1 or (s % 2 == 0 and k >= s and d == 1) for k, s, d in zip(size, stride, dilation, strict=True))


def walks_alone(node: ast.KindMap, conv: ir.Conv, rank: OptionValue, bag: Bag) -> bool:
    """Whether nothing else of a kernel with a stride needs it to keep the image; reported if not."""
    if conv.stride == (1, 1):
        return True
    why = ""
    if conv.direction is not None:
        why = "it has a direction, which is one between the places of one image"
    elif conv.circular:
        why = (
            "`boundary = circular` is for maps that keep the image; how far taps wrap around would depend on the stride"
        )
    elif isinstance(rank, Nat):
        why = "with a rank it is I + U V, which keeps the image"
    if why:
        fix = Fix("leave one of them out")
        bag.error("E0209", node.span, "`stride` of this convolution means nothing", why, fixes=(fix,))
    return not why


def lands(conv: ir.Conv, place: Span, source: ir.Shape, target: ir.Shape, bare: bool, bag: Bag) -> bool:
    """Whether the sides of the source are those of the target times the stride; `bare`: no place was written."""
    parts = [Nat((((), Ratio(1, s)),)) for s in conv.stride]
    made = ir.Shape("Image", (target.dims[0], *(a * b for a, b in zip(source.dims[1:], parts, strict=True))))
    if made.dims == target.dims:
        return True
    if conv.stride == (1, 1):
        bag.error("E0301", place, f"a convolution keeps height and width: `{source}` to `{target}`", "sizes differ")
        return False
    down, right = conv.stride
    shown = f"{down}" if down == right else f"({down}, {right})"
    why = "it needs a place, `from ... to ...`" if bare else f"`{target}` is another shape"
    title = f"a convolution of stride {shown} makes `{made}` of `{source}`: {why}"
    fix = Fix(f"write `from {source} to {made}`, or with another number of channels")
    bag.error("E0301", place, title, "height and width are those of the input over the stride", fixes=(fix,))
    return False
