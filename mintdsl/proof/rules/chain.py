"""Rules for bijections by composition inside one formula, whose Jacobian is dense: its links, and what keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.core import ir
from mintdsl.core.interval import REAL
from mintdsl.core.live import half_plane
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.jacobian import DENSE, PLUS, Chain, Fibre, Jacobian, Signed, constant
from mintdsl.proof.rules.flows import Bijection, triangular
from mintdsl.proof.rules.model import Rule
from mintdsl.records import replace
from mintdsl.source import Span


def chained(e: Jacobian) -> Chain:
    """Whether e is a bijection of R^D: by composition, or where it is triangular by rule I-TRI."""
    if e.off == DENSE:
        return e.chain
    found = triangular(e)
    if found is None or found.codomain != REAL:
        return Chain.NONE
    return Chain.PRESERVING if e.unit else Chain.BIJECTION


def linked(chain: Chain, *, preserving: bool) -> Chain:
    """A bijection of R^D, which keeps volumes or not, after `chain`."""
    return chain if preserving else min(chain, Chain.BIJECTION)


def shifted(left: Jacobian, right: Jacobian) -> Chain:
    """The chain of a sum: a constant shifts it, anything else may make it fold."""
    return left.chain if right.constant else right.chain if left.constant else Chain.NONE


def scaled(left: Jacobian, right: Jacobian) -> Chain:
    """The chain of a product: kept by a constant factor without a 0."""
    factor, whole = (left, right) if left.constant else (right, left)
    interval = factor.range.interval
    return linked(whole.chain, preserving=interval.unit) if factor.constant and interval.one_signed else Chain.NONE


def permuted(e: Jacobian, why: Diagnostic) -> Jacobian:
    """Rule PERM inside a formula. The signs of values are each entry's own, so they are forgotten."""
    values = Signed(PLUS, e.range.forget().interval)
    if e.constant:
        return constant(values)
    dense = Jacobian(DENSE, Signed(PLUS, REAL), Fibre.UNKNOWN, values, REAL, e.lip, e.smooth)
    return replace(dense, dense_why=e.dense_why or why, sign_why=_earlier(e), chain=chained(e))


def broken(result: Jacobian, below: Sequence[Jacobian], span: Span, label: str) -> Jacobian:
    """`result` with the place, `span`, where a bijection by composition among its operands `below` was lost."""
    why = next(filter(None, map(_earlier, below)), None)
    if why is None and result.chain is Chain.NONE and any(e.off == DENSE and e.chain is not Chain.NONE for e in below):
        why = Diagnostic(
            "E0414",
            "a bijection by composition is lost here",
            (Label(span, label, primary=True),),
            (
                "rule CHAIN: a permutation, a map with `det != 0` or `diag != 0`, a constant shift or factor != 0, "
                "a layer that is a bijection, or a strictly monotone function onto R may follow; nothing else",
            ),
            (Fix("make two layers and compose them in a flow, or keep to such links"),),
        )
    return replace(result, sign_why=why) if result.off == DENSE else result


def _earlier(e: Jacobian) -> Diagnostic | None:
    """Why a dense expression is no bijection by composition, where that is known."""
    return e.sign_why if e.off == DENSE else None


def composed(jacobian: Jacobian) -> Bijection | None:
    """Rule CHAIN, for a whole formula; None where its links are not all bijections of R^D."""
    return Bijection(REAL, REAL) if chained(jacobian) is not Chain.NONE else None


def why_regular(rule: str, kind: ir.Conv | ir.Dense, bound: ir.Bound) -> str:
    """What keeps a map regular by one of the rules below, in words."""
    kept = f"{bound.cmp} kept by {bound.via}"
    match rule, kind:
        case "CIRCULANT", _:
            return f"taps wrap around: a matrix for each frequency, {kept}"
        case "DOMINANT", _:
            return f"norms of all other taps at most 1/2 in sum, det {kept}: singular values in [1/2, 3/2]"
        case "LOWRANK", _:
            return f"I + U V of rank {kind.rank}, det {kept}"
        case "HALF-PLANE", ir.Conv():
            return f"taps on one side of the anchor: fronts along {half_plane(kind)}, det {kept} at the anchor"
        case _:
            return f"dense map, {kept}"


_TOP = "mint 1\nlayer Example on Vec[D] ensures invertible {\n"
CHAIN = Rule(
    "CHAIN",
    "e : bijection of R^D;  g a permutation, a map with det != 0 (rules DET, HALF-PLANE, CIRCULANT, DOMINANT, "
    "LOWRANK), a triangular map (of any order) with diag != 0, a constant shift or factor != 0, a layer that is a "
    "bijection (rule APPLY), a strictly monotone function onto R   =>   g(e) : bijection of R^D, log-dets add",
    "every link is onto R^D; a sum of two terms that both read the variable is no link",
    "composition of functions; chain rule; for P L U Kingma, Dhariwal, Glow, NeurIPS 2018, arXiv:1807.03039, "
    "section 3.2",
    composed,
    _TOP + "  param L : linear lower with diag == 1\n  param U : linear upper with diag != 0\n  map x -> L(U(x))\n}\n",
    _TOP + "  param L : linear lower with diag == 1\n  param U : linear upper with diag != 0\n"
    "  map x -> x + L(U(x))\n}\n",
)
DET = Rule(
    "DET",
    "e : bijection of R^D;  W square, det(W) != 0   =>   W(e) : bijection of R^D, log|det J| = H W log|det W|",
    "W is a matrix, or a 1x1 convolution, whose parametrisation keeps det != 0; as it is stored (`via raw`) it is an "
    "assumption that the module tests",
    "Kingma, Dhariwal, Glow, NeurIPS 2018, arXiv:1807.03039, section 3.2; Q R: Hoogeboom, van den Berg, Welling, "
    "ICML 2019, arXiv:1901.11137, section 3.3",
    linked,
    _TOP + "  param W : linear with det != 0\n  map x -> W(x)\n}\n",
    _TOP + "  param W : linear\n  map x -> W(x)\n}\n",
)
_IMAGE = "mint 1\nlayer Example on Image[C, H, W] ensures invertible {\n"
HALF_PLANE = Rule(
    "HALF-PLANE",
    "e : bijection of R^D;  W a kernel from C channels to C, lambda > 0 on the differences of its other taps, A the "
    "matrix at its anchor, det(A) != 0   =>   W(e) : bijection of R^D, log|det J| = H W log|det A|",
    "stride 1, zero padding, anchor at offset 0; a functional lambda of rows and columns is positive on every other "
    "tap (pixel written minus pixel read): then J is block triangular with blocks A in the order of lambda, for every "
    "H and W; true of every kernel whose anchor is a corner",
    "Nagar, Dufraisse, Varma, CInC Flow, 2021, arXiv:2107.01358 (corner padding); Hoogeboom, van den Berg, Welling, "
    "ICML 2019, arXiv:1901.11137, section 3.1 (autoregressive kernels); determinant of a block triangular matrix",
    half_plane,
    _IMAGE + "  param W : conv 3x3 (anchor = bottom_right) with det != 0\n  map x -> W(x)\n}\n",
    _IMAGE + "  param W : conv 3x3 (anchor = bottom_right)\n  map x -> W(x)\n}\n",
)
CIRCULANT = Rule(
    "CIRCULANT",
    "e : bijection of R^D;  W a circular kernel from C channels to C, det(What(f)) != 0 at each of the H W frequencies "
    "f   =>   W(e) : bijection of R^D, log|det J| = sum over f of log|det What(f)|",
    "stride 1, the image goes on with its other side; What(f) = sum of W(d) exp(2 pi i f.d) over the taps, d the "
    "pixel read minus the pixel written. `via dominant`: A at the anchor is orthogonal and the 2-norms of all other "
    "taps add up to r <= 1/2 < 1, so the singular values of What(f) lie in [1 - r, 1 + r] at every size. `via raw`: as "
    "stored, an assumption that the module tests at its own size, which decides the frequencies there are",
    "Hoogeboom, van den Berg, Welling, ICML 2019, arXiv:1901.11137, section 3.2 (periodic convolutions); `dominant` "
    "derived: |A x| >= |x|, every shift has norm 1, Neumann series",
    linked,
    _IMAGE + "  param W : conv 3x3 (boundary = circular) with det != 0 via dominant\n  map x -> W(x)\n}\n",
    _IMAGE + "  param W : conv 3x3 (boundary = circular)\n  map x -> W(x)\n}\n",
)
DOMINANT = Rule(
    "DOMINANT",
    "e : bijection of R^D;  W a kernel from C channels to C, A at its anchor orthogonal, r = sum of the 2-norms of all "
    "other taps <= 1/2   =>   W(e) : bijection of R^D, (1 - r)^D <= |det J| <= (1 + r)^D, lip(inverse) <= 1 / (1 - r)",
    "stride 1, zero padding, any taps on any side of the anchor, which is at offset 0. J = A + E, |E| <= r at every "
    "size: a shift that drops what leaves the image has norm <= 1, so a tap is no steeper than its matrix. Inverse: x "
    "<- x + A'(z - W x), of factor r, so the number of steps is known. log|det J| by elimination of rows: the first "
    "rows alone are the Jacobian of a smaller image, so every pivot is regular; sign(det J) = sign(det A)^(H W)",
    "derived: Weyl's inequality for singular values, Banach's fixed-point theorem; Horn, Johnson, Matrix Analysis, "
    "2013, section 5.6 (I + E, |E| < 1, is regular)",
    linked,
    _IMAGE + "  param W : conv 3x3 with det != 0 via dominant\n  map x -> W(x)\n}\n",
    _IMAGE + "  param W : conv 3x3 with det != 0\n  map x -> W(x)\n}\n",
)
LOWRANK = Rule(
    "LOWRANK",
    "e : bijection of R^D;  U [C, d], V [d, C], det(I + V U) != 0   =>   e + U V e : bijection of R^D, log|det J| = "
    "H W log|det(I + V U)|, its inverse I - U (I + V U)^-1 V",
    "the map is I + U V at every pixel, or of a vector, with a whole d from 1 to C. `via woodbury`: I + U V = "
    "Q [[K, V'], [0, I]] Q', Q the product of d reflections and K [d, d] regular as by qr, so det(I + V U) = det(K); "
    "every regular I + U V has this form, with Q' that maps the columns of U to the first d coordinates. `via raw`: U "
    "and V as stored, and det(I + V U) != 0 an assumption that the module tests",
    "Lu, Huang, Woodbury Transformations for Deep Generative Flows, NeurIPS 2020, arXiv:2002.12229, section 3; "
    "identities of Woodbury and of Sylvester; the form by reflections derived: Householder QR of U",
    linked,
    _IMAGE + "  param W : conv 1x1 (rank = 2) with det != 0\n  map x -> W(x)\n}\n",
    _IMAGE + "  param U : conv 1x1 from Image[C, H, W] to Image[2, H, W]\n"
    "  param V : conv 1x1 from Image[2, H, W] to Image[C, H, W]\n  map x -> x + V(U(x))\n}\n",
)
RULES = (CHAIN, DET, HALF_PLANE, CIRCULANT, DOMINANT, LOWRANK)
