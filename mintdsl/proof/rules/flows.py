"""Rules for whole layers and for flows: when a class makes a bijection, and how bijections compose."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nextafter

from mintdsl.core.claim_words import CLOSED, EXACT, INVERSES, LOG_DETS, weakest
from mintdsl.core.interval import REAL, Interval, product_above
from mintdsl.proof.jacobian import DENSE, NONE, Fibre, Jacobian
from mintdsl.proof.rules.model import MINTNET, Rule, vec
from mintdsl.proof.rules.series import added_bias
from mintdsl.records import record, replace


@record
class Bijection:
    """What I-TRI concludes: from `domain` one to one; onto `codomain` (None: its image is not a fixed box)."""

    domain: Interval
    codomain: Interval | None
    why_not_onto: str = ""


def triangular(jacobian: Jacobian) -> Bijection | None:
    """Rule I-TRI; None when not even injectivity follows."""
    if jacobian.off == DENSE or not jacobian.diag.interval.one_signed:
        return None
    match jacobian.fibre:
        case Fibre.AFFINE | Fibre.FORMULA | Fibre.ONTO:
            return Bijection(REAL, REAL)
        case Fibre.IMAGE if jacobian.off == NONE:
            return Bijection(REAL, jacobian.image, f"every element's image is {jacobian.image}, not all of R")
        case _:
            return Bijection(
                REAL, None, "its slope has no positive lower bound, so values may run out before R is covered"
            )


@record
class Passage:
    """What is known of a chain of steps: one to one on `domain` (None: it moves entries, whatever box they lie in).

    Its values lie in the box `inside`; `image` is the box that it is onto, None when that is no fixed box; `why` says
    what is missed. The rest is that of the weakest step: `preserving` volumes, the kind of its `inverse`, a bound `lip`
    of its Lipschitz constant (in the 2-norm), `padded` when the dimension grows, `evaluation` when it holds for frozen
    statistics only, `assumptions` that the module tests; `silent` when a residual sum does not say how its log-det is
    computed, so that there is none; else the kind of the `log_det`, which may be off by `bias`, in
    nats for each dimension. Of one step: `both_solved` when neither direction is a formula.
    """

    domain: Interval | None = None
    image: Interval | None = None
    inside: Interval = REAL
    preserving: bool = True
    inverse: str = CLOSED
    lip: float = 1.0
    padded: bool = False
    evaluation: bool = False
    why: str = ""
    assumptions: tuple[str, ...] = ()
    silent: bool = False
    log_det: str = EXACT
    bias: float = 0.0
    both_solved: bool = False

    @property
    def absent(self) -> str:
        """Why there is no log-det; nothing where there is one."""
        return "the dimension grows" if self.padded else "a layer has no `log_det`" if self.silent else ""


IDENTITY = Passage()


def compose(before: Passage, step: Passage) -> Passage | str:
    """Rule I-COMP: a step after a chain; what arrives, in words, when it does not lie in the step's domain."""
    why, image, inside = before.why or step.why, step.image, step.inside
    if step.domain is None:
        image, inside = before.image, before.inside
    elif before.domain is not None:
        if not before.inside.within(step.domain):
            return f"values in {before.inside}"
        if before.image != step.domain:
            image = None
            arriving = f"a step leaves {before.inside}, the next one is a bijection of {step.domain}"
            why = before.why or arriving
    return Passage(
        step.domain if before.domain is None else before.domain,
        image,
        inside,
        before.preserving and step.preserving,
        weakest(INVERSES, before.inverse, step.inverse),
        product_above(before.lip, step.lip),
        before.padded or step.padded,
        before.evaluation or step.evaluation,
        why,
        tuple(dict.fromkeys((*before.assumptions, *step.assumptions))),
        before.silent or step.silent,
        weakest(LOG_DETS, before.log_det, step.log_det),
        added_bias(before.bias, step.bias),
    )


def inverse(step: Passage) -> Passage | None:
    """Rule INVERSE: a layer in its inverse direction, undone by itself; None where it is onto no fixed box.

    Nothing bounds how steep it is: 1 / lo bounds the diagonal of a triangular inverse, not the inverse.
    """
    if step.domain is None or step.image is None:
        return None
    return replace(
        step,
        domain=step.image,
        image=step.domain,
        inside=step.domain,
        inverse=step.inverse if step.both_solved else CLOSED,
        lip=inf,
        why="",
    )


def permutation() -> Passage:
    """Rule PERM."""
    return IDENTITY


def scaling(std: tuple[float, ...]) -> Passage:
    """Rule SCALE; without numbers they come from data, and only std > 0 is known."""
    return Passage(REAL, REAL, preserving=False, lip=nextafter(1.0 / min(std), inf) if std else inf)


def padding(extra: int) -> Passage:
    """Rule PAD."""
    why = f"`pad` appends {extra} channels that are always 0"
    return Passage(REAL, None, preserving=False, padded=True, why=why)


def conditioned() -> Passage:
    """Rule FACTOR with a net: a coupling, as its factor exp(-s) is never 0; nothing bounds how steep it is."""
    return Passage(REAL, REAL, preserving=False, lip=inf)


def factored(kept: Passage, left: Sequence[Passage]) -> Passage:
    """Rule FACTOR: a flow whose parts left after the passages `left`, each a beginning of the passage `kept`.

    A part that left while the chain only moved entries lies in the box that the flow is defined on.
    """
    if not left or kept.domain is None:
        return kept
    boxes = [kept.domain if part.domain is None else part.image for part in left]
    lip, image, why = max(kept.lip, *(part.lip for part in left)), kept.image, kept.why
    other = [box for box in boxes if box != image]
    if other:
        image, why = None, why or f"a part leaves for all of {other[0]}, the rest ends in {image}"
    return replace(kept, image=image, inside=image or REAL, lip=lip, why=why)


def logit(alpha: float) -> Passage:
    """Rule LOGIT; its slope is unbounded at the ends of its domain."""
    return Passage(logit_domain(alpha), REAL, preserving=False, lip=inf)


def logit_domain(alpha: float) -> Interval:
    """Where logit(alpha + (1 - 2 alpha) x) is defined."""
    margin = alpha / (1 - 2 * alpha)
    return Interval(-margin, 1 + margin, True, True)


def paired(found: Sequence[tuple[str, str]]) -> str:
    """Rule PAIR: why layers with these directions and orders are no pair; nothing if they are."""
    if len(found) != 2:
        return f"this one has {len(found)}"
    (a, order_a), (b, order_b) = found
    if {a, b} != {"lower", "upper"}:
        return f"both are {a}" if a == b else f"they are {a} and {b}"
    return "" if order_a == order_b else "their orders differ"


I_TRI = Rule(
    "I-TRI",
    "f : triangular k, every diagonal entry strictly of one sign, every fibre onto R   =>   f is a bijection of R^D, "
    "log|det J| = sum log|diag|",
    "a fibre is onto when its slope is bounded away from 0, or it is affine in its own coordinate with a non-zero "
    "slope; otherwise f is injective only, or a bijection onto a fixed box",
    MINTNET + ", Theorem 1",
    triangular,
    vec("  param t : scale with diag > 0\n  map x -> t * x + tanh(x)"),
    vec("  map x -> tanh(x)"),
)
I_COMP = Rule(
    "I-COMP",
    "f : A -> B and g : B -> C bijections   =>   g o f : A -> C is one; log-dets add",
    "the image of each step is the whole domain of the next; a smaller image leaves the composition injective only",
    "composition of functions; chain rule",
    compose,
    vec("  map x -> x") + "flow F on Vec[3] ensures invertible { Example  Example }\n",
    vec("  map x -> tanh(x)", "diag > 0") + "flow F on Vec[3] ensures invertible { Example  Example }\n",
)
PAIR = Rule(
    "PAIR",
    "f : lower k and g : upper k, both by I-TRI   =>   g o f is a bijection",
    "exactly one lower and one upper layer of one order; what each output can see is computed, not claimed",
    MINTNET + ", section 4 (paired Mint layers)",
    paired,
    "mint 1\nlayer Tri(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible {\n  param W : linear tri with diag > 0\n"
    "  map x -> W(x)\n}\nflow F on Vec[3] ensures invertible { pair { Tri(tri = lower)  Tri(tri = upper) } }\n",
    "mint 1\nlayer Tri(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible {\n  param W : linear tri with diag > 0\n"
    "  map x -> W(x)\n}\nflow F on Vec[3] ensures invertible { pair { Tri(tri = lower)  Tri(tri = lower) } }\n",
)
PERM = Rule(
    "PERM",
    "squeeze, unsqueeze, permute, reverse, transpose, flatten, patches, P perm : bijections, log-det 0; a formula P(e) "
    "is dense",
    "the factor divides the sizes; each entry moves to exactly one place; orders of later layers are of the shape that "
    "leaves",
    MINTNET + ", section 4 (squeezing); a permutation matrix has determinant 1 or -1",
    permutation,
    "mint 1\nflow F on Image[1, 4, 4] ensures invertible, volume_preserving { squeeze 2  permute  flatten }\n",
    "mint 1\nflow F on Image[1, 5, 4] ensures invertible, volume_preserving { squeeze 2 }\n",
)
INVERSE = Rule(
    "INVERSE",
    "f : A -> B a bijection   =>   F(direction = inverse) : B -> A is one, log|det J| = -log|det J f| at f^-1(z)",
    "f is onto a fixed box B, its domain is A; the inverse of a triangular map is triangular in the same direction, "
    "volumes stay preserved; its Lipschitz constant has no bound",
    "inverse function; Kingma et al., NeurIPS 2016, arXiv:1606.04934 (inverse autoregressive flow); Nagar, Varma, "
    "Inverse-Flow, AISTATS 2025, arXiv:2410.14634",
    inverse,
    vec("  param t : scale with diag > 0\n  map x -> t * x + tanh(x)")
    + "flow F on Vec[3] ensures invertible { Example(direction = inverse) }\n",
    vec("  param t : scale with diag > 0\n  map x -> log(1 + exp(t * x)) + tanh(x)", "diag > 0")
    + "flow F on Vec[3] ensures injective { Example(direction = inverse) }\n",
)
LOGIT = Rule(
    "LOGIT",
    "logit(a + (1 - 2a) x) : bijection from (-a / (1 - 2a), 1 + a / (1 - 2a)) to R, elementwise",
    "0 < a < 1/2; data lies in [0, 1], samples may leave it: that mass is part of the model",
    "Dinh, Sohl-Dickstein, Bengio, Real NVP, ICLR 2017, arXiv:1605.08803, section 4.1",
    logit,
    "mint 1\nflow F on Image[1, 4, 4] ensures invertible { dequantize 256  logit(0.05) }\n",
    "mint 1\nflow F on Image[1, 4, 4] ensures invertible { logit(0.05)  logit(0.05) }\n",
)

SCALE = Rule(
    "SCALE",
    "standardize: (x - mean) / std : bijection of R^D, log|det J| = -sum log std",
    "the numbers do not depend on x, std > 0; those from data are stored as log std, so every stored one fits",
    "change of variables",
    scaling,
    "mint 1\nflow F on Image[1, 4, 4] ensures invertible { standardize(mean = 0.5, std = 0.5) }\n",
    "mint 1\nflow F on Image[1, 4, 4] ensures volume_preserving { standardize(mean = 0.5, std = 0.5) }\n",
)
PAD = Rule(
    "PAD",
    "pad channels: injective; left inverse: drop the added channels after testing that they are 0",
    "the dimension grows, so there is no log-det, no density and no prior",
    "Behrmann et al., i-ResNet, ICML 2019, arXiv:1811.00995 (injective padding)",
    padding,
    "mint 1\nflow F on Image[1, 4, 4] ensures injective { pad channels to 4 }\n",
    "mint 1\nflow F on Image[1, 4, 4] ensures invertible { pad channels to 4 }\n",
)
FACTOR = Rule(
    "FACTOR",
    "factor half : bijection onto (kept, left), log-det 0; with prior = n, (m, s) = n(kept): left = (u - m) exp(-s), "
    "log-det -sum s; the steps after it act on the kept half alone: g x id, whose log-det is that of g",
    "the size is even; onto one box where every part that leaves and the rest are onto that box; lip(g x id) = "
    "max(1, lip(g)); with a prior all of R arrives, and nothing bounds lip",
    "Dinh, Sohl-Dickstein, Bengio, Real NVP, ICLR 2017, arXiv:1605.08803, section 3.6 (multi-scale architecture); "
    "Kingma, Dhariwal, Glow, NeurIPS 2018, arXiv:1807.03039 (the prior of what leaves)",
    factored,
    "mint 1\nflow F on Vec[4] ensures invertible, volume_preserving { factor half  factor half (keep = second) }\n",
    "mint 1\nflow F on Vec[4] ensures invertible { factor half  logit(0.05) }\n",
)
RULES = (I_TRI, I_COMP, INVERSE, PAIR, PERM, LOGIT, SCALE, PAD, FACTOR)
