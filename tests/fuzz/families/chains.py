"""Bijections by composition: permutations, determinants, links; rules CHAIN, DET and PERM, and what breaks them."""

from __future__ import annotations

from random import Random

from mintdsl.core.constraints import CONSTRAINTS, Parametrisation
from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Sketch
from ..edit import change_one
from ..phrases import CORNERS, any_tap, spaced
from ..registry import mutant, whole

FORMS = [(c, v) for c in CONSTRAINTS if c.quantity == "det" and c.ready for v in c.via if v.ready]
DETS = {f"constraint:{c.text}:{v.name}" for c, v in FORMS}
SPACES = {"Image": "Image[C, H, W]", "Vec": "Vec[D]", "Seq": "Seq[T, D]"}


class _Chain:
    """A formula in the making: its members, and the expression so far."""

    def __init__(self, sketch: Sketch, space: str) -> None:
        self.sketch, self.space = sketch, space
        self.members: list[str] = []
        self.lets: list[str] = []
        self.text = "x"
        self.preserving = True
        self.closed = True

    def param(self, stem: str, kind: str) -> str:
        name = self.sketch.fresh(stem)
        self.members.append(f"param {name} : {kind}")
        return name

    @property
    def matrix(self) -> str:
        return "conv 1x1" if self.space == "Image" else "linear"

    def link(self) -> None:
        """One more link, of a kind drawn by chance."""
        rng = self.sketch.rng
        links = [self.permuted, self.permuted, self.shifted, self.scaled, self.negated, self.bent, self.named]
        if self.space != "Seq":
            links += [self.regular] * 3 + [self.triangular] * 2
        rng.choice(links)()

    def permuted(self) -> None:
        rng = self.sketch.rng
        axes = ("channel", "all", "time") if self.space == "Seq" else ("channel", "all")
        options = rng.choice(("", f" (axis = {rng.choice(axes)}, seed = {rng.randrange(9)})"))
        self.text = f"{self.param('P', 'perm' + options)}({self.text})"

    def regular(self) -> None:
        rng = self.sketch.rng
        constraint, via = rng.choice(FORMS)
        how = "" if via is constraint.via[0] and rng.random() < 0.5 else f" via {via.name}"
        init = rng.choice(("", " init orthogonal", " init near_identity"))
        low = via.name == "woodbury" or (via.name == "raw" and rng.random() < 0.3)
        if via.name == "raw" and not init:
            init = " init orthogonal"
        self.preserving = self.preserving and constraint.cmp == "== 1"
        if via.name == "dominant" and self.space != "Image":
            constraint, via, how = *FORMS[0], ""
        kind = kernel(rng, via) if self.space == "Image" and rng.random() < 0.6 else self.matrix
        if via.name == "dominant":
            kind = rng.choice((circular, centred, centred, cornered))(rng)
            self.closed = self.closed and "anchor" in kind
        if low:
            kind = f"{self.matrix} (rank = {rng.choice(('1', 'C' if self.space == 'Image' else 'D'))})"
            init = rng.choice(("", " init near_identity", " init near_identity(std = 0.5)", " init identity"))
        self.text = f"{self.param('W', f'{kind} with det {constraint.cmp}{how}{init}')}({self.text})"

    def triangular(self) -> None:
        rng = self.sketch.rng
        how = rng.choice(("diag == 1", "diag > 0", "diag != 0", "diag >= 0.5"))
        self.preserving = self.preserving and how == "diag == 1"
        matrix, options = self.matrix, ""
        if self.space == "Image" and rng.random() < 0.5:
            rows, columns = rng.choice(((2, 2), (3, 3), (2, 3), (1, 2)))
            matrix, options = f"conv {rows}x{columns}", f" (anchor = {any_tap(rng, rows, columns)}{spaced(rng)})"
        kind = f"{matrix} {rng.choice(('lower', 'upper'))}{options} with {how}"
        self.text = f"{self.param('L', kind)}({self.text})"

    def shifted(self) -> None:
        rng, b = self.sketch.rng, self.param("b", "bias")
        shift = rng.choice((b, f"exp({b})", f"(2 * {b})", "0.5"))
        self.text = rng.choice((f"({self.text} + {shift})", f"({shift} - {self.text})", f"({self.text} - {shift})"))

    def scaled(self) -> None:
        rng = self.sketch.rng
        s = self.param("s", f"scale with {rng.choice(('diag > 0', 'diag != 0', 'diag >= 0.5'))}")
        self.preserving = False
        self.text = rng.choice(
            (f"{s} * {self.text}", f"{self.text} * (-{s})", f"{self.text} / {s}", f"3 * {self.text}")
        )

    def negated(self) -> None:
        self.text = f"(-{self.text})"

    def bent(self) -> None:
        self.preserving = False
        self.text = f"leaky_relu({self.text}, {self.sketch.rng.choice(('0.1', '0.5', '2'))})"

    def named(self) -> None:
        name = self.sketch.fresh("u")
        self.lets.append(f"let {name} = {self.text}")
        self.text = name

    def layer(self) -> str:
        """The layer; its name."""
        name = self.sketch.fresh("L")
        inverse = "inverse closed_form" if self.closed else "inverse iterative"
        claims = ["invertible", inverse, *(["volume_preserving"] if self.preserving else [])]
        lines = [f"layer {name} on {SPACES[self.space]} ensures {', '.join(claims)} {{"]
        lines += [f"  {member}" for member in self.members]
        lines += ["  map x {", *(f"    {item}" for item in self.lets), f"    return {self.text}", "  }", "}"]
        self.sketch.items.append("\n".join(lines))
        return name


def _chain(sketch: Sketch, space: str) -> str:
    chain = _Chain(sketch, space)
    chain.permuted()
    for _ in range(sketch.rng.choice((0, 1, 2, 3, 5))):
        chain.link()
    return chain.layer()


def circular(rng: Random) -> str:
    """A convolution whose taps wrap around."""
    rows, columns = rng.choice(((2, 2), (3, 3), (2, 3), (3, 1), (1, 2), (5, 4)))
    tap = rng.choice((*CORNERS, any_tap(rng, rows, columns)))
    return f"conv {rows}x{columns} (anchor = {tap}{spaced(rng)}, boundary = circular)"


def kernel(rng: Random, via: Parametrisation) -> str:
    """A convolution whose anchor is a corner, or whose taps wrap around where its form can keep that regular."""
    if via.name == "woodbury":
        return "conv 1x1 (rank = 1)"
    if via.name == "dominant":
        return rng.choice((circular, centred, anywhere, cornered))(rng)
    if via.circular and rng.random() < 0.5:
        return circular(rng)
    return cornered(rng) if rng.random() < 0.8 else f"conv 1x1 (anchor = {rng.choice(CORNERS)})"


def cornered(rng: Random) -> str:
    """A convolution with all other taps on one side of its anchor."""
    rows, columns = rng.choice(((2, 2), (3, 3), (2, 3), (3, 1), (1, 2)))
    tap = rng.choice((*CORNERS, f"({rng.choice((0, rows - 1))}, {rng.choice((0, columns - 1))})"))
    return f"conv {rows}x{columns} (anchor = {tap}{spaced(rng)})"


def anywhere(rng: Random) -> str:
    """A convolution with taps on two or four sides of its anchor, which is no corner."""
    tap = rng.choice(("3x3 (anchor = (0, 1)", "4x4 (anchor = (1, 2)", "3x2 (anchor = (1, 1)", "1x4 (anchor = (0, 2)"))
    return f"conv {tap}{spaced(rng)})"


def centred(rng: Random) -> str:
    """A convolution with taps on all sides of its anchor."""
    apart = spaced(rng).removeprefix(", ")
    return f"conv {rng.choice(('3x3', '1x3', '5x1', '3x5'))}{f' ({apart})' if apart else ''}"


@whole(
    {
        "rule:CHAIN",
        "rule:DET",
        "rule:HALF-PLANE",
        "rule:CIRCULANT",
        "rule:DOMINANT",
        "option:boundary",
        "rule:LOWRANK",
        "option:rank",
        "rule:PERM",
        "kind:perm",
        "init:orthogonal",
        *DETS,
    },
    weight=2,
)
def composed_layer(sketch: Sketch) -> None:
    """A layer that is a composition of links."""
    _chain(sketch, sketch.rng.choice(("Image", "Image", "Vec", "Vec", "Seq")))


@whole({"rule:CHAIN", "rule:I-COMP"}, weight=0.7)
def flow_of_composed_layers(sketch: Sketch) -> None:
    """A flow of two such layers."""
    names = [_chain(sketch, "Image") for _ in range(2)]
    sketch.items.append(f"flow {sketch.fresh('F')} on Image[3, 1, 2] ensures invertible {{ {'  '.join(names)} }}")


@whole({"rule:HALF-PLANE", "rule:JOIN"}, weight=0.7)
def kernels_in_parts(sketch: Sketch) -> None:
    """Channel blocks, each with a convolution of its own corner, one of which may read the other."""
    rng = sketch.rng
    constraint, via = rng.choice([(c, v) for c, v in FORMS if not v.assumed])
    members = [
        f"  param {name} : {kernel(rng, via)} on Q with det {constraint.cmp} via {via.name} init near_identity"
        for name in "VW"
    ]
    members.append(f"  param P : perm (axis = {rng.choice(('channel', 'all'))}, seed = {rng.randrange(5)}) on Q")
    first = rng.choice(("V(a)", "V(W(a))", "-V(a) / 2", "a", "P(V(a))", "P(-P(a) / 3)"))
    second = rng.choice(
        ("W(b)", "W(V(b)) - a", "W(b * exp(tanh(a)))", "2 * W(b + V(a))", "P(W(b) + P(a))", "P(b * exp(sin(P(a))))")
    )
    channels, height = rng.choice((2, 4)), rng.choice((1, 2))
    lines = [f"layer {sketch.fresh('L')} on Image[{channels}, {height}, 2] ensures invertible {{"]
    lines += [f"  space Q = Image[{channels // 2}, {height}, 2]", *members, "  map x {"]
    lines += [f"    let (a, b) = split(x, {rng.choice(('channel', 'strided'))})"]
    sketch.items.append("\n".join([*lines, f"    return join({first}, {second})", "  }", "}"]))


@whole({"rule:DOMINANT", "rule:CIRCULANT", "rule:CHAIN"})
def dominant_kernels(sketch: Sketch) -> None:
    """Kernels with taps on all sides of anchors that outweigh them, circular ones too, and other links between them."""
    rng, members, text = sketch.rng, ["  param b : bias"], "x"
    for name in rng.choice(("V", "V", "VW")):
        init = rng.choice(("", " init near_identity", " init orthogonal"))
        kind = rng.choice((centred, centred, circular))(rng)
        members.append(f"  param {name} : {kind} with det != 0 via dominant{init}")
        text = f"{name}({rng.choice((text, f'{text} + b', f'-({text})', f'leaky_relu({text}, 0.5)'))})"
    lines = [f"layer {sketch.fresh('L')} on Image[C, H, W] ensures invertible, inverse iterative, log_det exact {{"]
    sketch.items.append("\n".join([*lines, *members, f"  map x -> {text}", "}"]))


# ---------------------------------------------------------------- mutants


@mutant({"rule:CHAIN"}, weight=1.5)
def second_path(module: ast.Module, rng: Random) -> ast.Module | None:
    """What a map is applied to is added to what it gives: `W(e)` becomes `e + W(e)`, or minus."""

    def beside(found: ast.Apply) -> ast.Binary | None:
        if not isinstance(found.fn, ast.Name) or not found.fn.id.startswith(("P", "W", "L")) or len(found.args) != 1:
            return None
        return ast.Binary(rng.choice("+-"), found.args[0].value, found, found.span, found.span)

    return change_one(module, rng, ast.Apply, beside)


@mutant({"rule:CHAIN"})
def link_not_onto(module: ast.Module, rng: Random) -> ast.Module | None:
    """A leaky ReLU in a composition becomes a function that rests, turns, or is not onto R."""

    def other(found: ast.Apply) -> ast.Apply | None:
        if not isinstance(found.fn, ast.Name) or found.fn.id != "leaky_relu":
            return None
        name = replace(found.fn, id=rng.choice(("relu", "elu", "tanh", "sin", "softplus", "exp", "gelu")))
        return replace(found, fn=name, args=found.args[:1])

    return change_one(module, rng, ast.Apply, other)


@mutant({"rule:DET"}, weight=1.5)
def free_determinant(module: ast.Module, rng: Random) -> ast.Module | None:
    """A matrix loses what keeps its determinant."""

    def free(found: ast.Param) -> ast.Param | None:
        kept = [c for c in found.constraints if c.name.id in ("det", "diag")]
        return replace(found, constraints=()) if kept else None

    return change_one(module, rng, ast.Param, free)


@mutant({"rule:HALF-PLANE"}, weight=1.5)
def other_place_of_taps(module: ast.Module, rng: Random) -> ast.Module | None:
    """A kernel gets its anchor, or its direction, elsewhere: into the middle, or it is masked."""

    def other(found: ast.KindMap) -> ast.KindMap | None:
        if found.size in (None, (1, 1)) or found.direction is not None:
            return None
        if rng.random() < 0.3:
            return replace(found, direction=ast.Name("lower", found.span))
        return replace(found, size=rng.choice(((3, 3), (1, 3), (5, 1))), args=())

    return change_one(module, rng, ast.KindMap, other)


@mutant({"rule:DOMINANT", "rule:DET"}, weight=1.5)
def other_form(module: ast.Module, rng: Random) -> ast.Module | None:
    """A determinant is kept in another form, or `dominant`: on both sides of an anchor only that decides."""
    word = rng.choice(("plu", "qr", "raw", "lower", "dominant"))
    call = ast.Call(ast.Name(word, module.span), (), module.span)

    def other(found: ast.Constraint) -> ast.Constraint | None:
        if found.name.id != "det":
            return None
        return replace(found, cmp="!=", value=ast.Number(0, "0", found.span), via=call)

    return change_one(module, rng, ast.Constraint, other)


@mutant({"rule:PERM", "rule:DET", "rule:DOMINANT"})
def claims_more(module: ast.Module, rng: Random) -> ast.Module | None:
    """A layer claims that it keeps volumes, or is triangular."""

    def more(found: ast.Layer) -> ast.Layer | None:
        if not found.claims:
            return None
        span = found.claims[0].span
        if rng.random() < 0.2:
            closed = ast.ClaimKind(ast.Name("inverse", span), ast.Name("closed_form", span), span)
            return replace(found, claims=(*found.claims, closed))
        word = rng.choice(("volume_preserving", "lower", "diagonal"))
        return replace(found, claims=(*found.claims, ast.ClaimClass(False, ast.Name(word, span), span)))

    return change_one(module, rng, ast.Layer, more)
