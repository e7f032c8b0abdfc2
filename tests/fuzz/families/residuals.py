"""Residual sums and maps of bounded norm; rule RES, and what makes a branch steeper."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Sketch
from ..edit import change_one
from ..registry import mutant, whole

RULE = {"rule:RES"}
LIP = "constraint:lip <= c, c > 0:spectral"
EUCLIDEAN = ("", "", " via spectral")
NORMS = (*EUCLIDEAN, " via rows", " via columns")
SUMS = {f"constraint:lip <= c, c > 0:{via}" for via in ("rows", "columns")}
SPACES = {"Image": "Image[C, H, W]", "Vec": "Vec[D]"}
BETAS = ("diag > 0", "diag > 0 via exp", "diag >= 0.5", "diag >= 0.1, diag <= 20")
FLAT = ("elu", "tanh", "relu", "softplus", "sin", "abs", "sigmoid")


class _Branch:
    """A branch in the making: its members, and how much of its bound is left."""

    def __init__(self, sketch: Sketch, space: str, formal: bool) -> None:
        self.sketch, self.space, self.formal = sketch, space, formal
        self.members: list[str] = []
        self.text, self.steepest, self.via = "x", 1.0, sketch.rng.choice(NORMS)

    def param(self, stem: str, kind: str) -> str:
        name = self.sketch.fresh(stem)
        self.members.append(f"param {name} : {kind}")
        return name

    @property
    def mapping(self) -> str:
        circular = ("3x3 (boundary = circular)", "2x3 (anchor = top_right, dilation = (1, 2), boundary = circular)")
        taps = self.sketch.rng.choice(("3x3", "1x1", "1x3", "2x3 (anchor = (1, 1))", *circular))
        return f"conv {taps}" if self.space == "Image" else "linear"

    def mapped(self) -> None:
        rng = self.sketch.rng
        limit = rng.choice((0.3, 0.6, 0.9, 0.99))
        shown = "bound" if self.formal and rng.random() < 0.3 else str(limit)
        self.steepest *= 0.9 if shown == "bound" else limit
        self.text = f"{self.param('V', f'{self.mapping} with lip <= {shown}{self.via}')}({self.text})"

    def bent(self) -> None:
        self.text = f"{self.sketch.rng.choice(FLAT)}({self.text})"

    def scaled(self) -> None:
        rng = self.sketch.rng
        limit = rng.choice((0.5, 1.0))
        self.steepest *= limit
        per = rng.choice(("", " (per = channel)"))
        self.text = f"{self.param('s', f'scale{per} with lip <= {limit}')} * {self.text}"

    def shifted(self) -> None:
        self.text = f"({self.text} {self.sketch.rng.choice('+-')} {self.param('b', 'bias')})"

    def longer(self) -> tuple[str, ...]:
        """Sums of more terms: they share what is left, and what reads one coordinate alone leaves more."""
        rng, left = self.sketch.rng, 0.99 - self.steepest
        flat, more = rng.choice(FLAT), self.steepest + 0.2
        scale = self.param("t", f"scale with diag >= {more:.3g}, diag <= {rng.choice((2, 5))}")
        if left < 0.05:
            return (f"{scale} * x + {{}}",)
        other = self.param("V", f"{self.mapping} with lip <= {rng.uniform(0.01, left):.3f}{self.via}")
        both = f"x {rng.choice('+-')} {{}} {rng.choice('+-')} {other}({flat}(x))"
        return both, f"{scale} * x - {{}}", f"{{}} - {scale} * x - elu(x)", f"2 * x + {{}} - {other}(x)"

    def layer(self) -> str:
        """The layer; its name."""
        rng, name = self.sketch.rng, self.sketch.fresh("R")
        self.mapped()
        for _ in range(rng.choice((0, 1, 2, 3, 4))):
            rng.choice((self.mapped, self.bent, self.bent, self.scaled, self.shifted))()
        if rng.random() < 0.3 and self.steepest < 0.85:
            self.text = f"({self.text} {rng.choice('+-')} 0.1 * {rng.choice(FLAT)}(x))"
            self.steepest += 0.1
        claims = ["invertible", "invertible, inverse iterative", "onto, log_det exact"]
        if rng.random() < 0.4:
            form = rng.choice(self.longer())
        else:
            form = rng.choice(("x + {}", "x - {}", "{} + x", "x + {} + 0.5", "(x - 0.5) - {}"))
            claims += ["invertible, lip < 2"] if self.via in EUCLIDEAN else []
        formals = "(bound: Real = 0.9)" if self.formal else ""
        lines = [f"layer {name}{formals} on {SPACES[self.space]} ensures {rng.choice(claims)} {{"]
        lines += [f"  {member}" for member in self.members]
        lines += [f"  map x -> {form.format(self.text)}", "}"]
        self.sketch.items.append("\n".join(lines))
        return name


def _residual(sketch: Sketch, space: str) -> str:
    return _Branch(sketch, space, sketch.chance(0.3)).layer()


@whole({*RULE, LIP, *SUMS, "rule:CHAIN"}, weight=1.5)
def residual_layer(sketch: Sketch) -> None:
    """A layer that is a residual sum."""
    _residual(sketch, sketch.rng.choice(("Image", "Vec", "Vec")))


@whole({*RULE, LIP, "rule:I-COMP"}, weight=0.7)
def flow_of_residual_layers(sketch: Sketch) -> None:
    """A flow of two such layers, of which one may have no log-det."""
    space, dims = sketch.rng.choice((("Image", "Image[2, 1, 2]"), ("Vec", "Vec[3]")))
    first, second = (_residual(sketch, space) for _ in range(2))
    how, kind = sketch.rng.choice(((" log_det exact", "exact"), ("", "none")))
    steps = f"{first}{how}  {second} log_det exact"
    sketch.items.append(f"flow {sketch.fresh('F')} on {dims} ensures invertible, log_det {kind} {{ {steps} }}")


BRANCHES = (
    "W(concat({a} * V(x), {b} * {f}(U(x))))",
    "{f}(W(concat({a} * x, {b} * V({g}(x)))))",
    "W(concat(V(x), {f}(x))) * {a} - {b} * U({g}(U(x)))",
    "chain[l](again[l])({f}(V(x))) * {a} - W(concat({b} * x, b))",
    "s * {f}(W(concat({a} * x, {b} * x))) + 0.1 * (x - b)",
    "W(maxmin(concat({a} * V(x), {b} * {f}(x)))) * {a}",
    "W(clip_swish(V(x))) - {a} * {b} * {f}(x)",
    "W(clip_swish(V(x), beta = c)) - {a} * {b} * {f}(x)",
    "swish(V(x), beta = c) + {a} * swish({b} * {g}(x), beta = c)",
    "W(concat(U(x), {f}(V(x)), weights = w)) - {a} * {g}(x)",
)
"""Formulas of nets whose Lipschitz constant is below 1.65, in the 1-norm below 1.99: V and U have at most 1, W 0.9, s
0.5, a^2 + b^2 <= 0.9."""


@whole({*RULE, LIP, *SUMS, "rule:NET", "constraint:length == 1:softplus"}, weight=1.4)
def residual_net(sketch: Sketch) -> None:
    """A residual sum whose branch is a net, which stacks channels and uses a net itself."""
    rng, link, net = sketch.rng, sketch.fresh("Link"), sketch.fresh("Net")
    space, more = rng.choice((("Image[C, H, W]", "Image[2 * C, H, W]"), ("Vec[D]", "Vec[2 * D]")))
    mapping = rng.choice(("conv 3x3", "conv 2x1 (anchor = top_left)")) if space.startswith("Image") else "linear"
    a = rng.uniform(0.1, 0.6)
    b, (f, g) = (0.9 - a * a) ** 0.5 * rng.uniform(0.1, 0.55), rng.choices(FLAT, k=2)
    text, via = rng.choice(BRANCHES).format(a=f"{a:.3f}", b=f"{b:.3f}", f=f, g=g), rng.choice(NORMS)
    kinds = {
        "V": f"{mapping} with lip <= {rng.choice((0.5, 1.0))}{via}",
        "U": f"{mapping} with lip <= 1.0{via}",
        "W": f"{mapping} from {more} to {space} with lip <= {rng.choice((0.5, 0.9))}{via}",
        "s": "scale with lip <= 0.5",
        "b": "bias (per = element)",
        "w": f"scale on Vec[2] with length == 1{rng.choice(('', ' via softplus'))}",
        "c": f"scale on Vec[1] with {rng.choice(BETAS)}",
        "again": f"net {link}",
    }
    words = set("".join(ch if ch.isalnum() else " " for ch in text).split())
    members = [f"  param {name}{'[l]' * (name == 'again')} : {kinds[name]}" for name in kinds if name in words]
    if "again" in words:
        members.insert(0, f"  index l : {rng.choice((1, 2, 3))}")
    sketch.items += [
        f"net {link} from {space} to {space} {{\n  param V : {mapping} with lip <= 1{via}\n  map x -> {g}(V(x))\n}}",
        "\n".join([f"net {net} from {space} to {space} {{", *members, f"  map x -> {text}", "}"]),
        f"layer {sketch.fresh('R')} on {space} ensures invertible {{\n  param n : net {net}\n"
        f"  map x -> {rng.choice(('x + 0.6 * n(x)', 'x - 0.6 * n(x)', '2 * x + n(x)'))}\n}}",
    ]


@whole({*RULE, "rule:SERIES", "rule:ROULETTE"}, weight=0.7)
def estimated_log_dets(sketch: Sketch) -> None:
    """A flow of residual layers whose log-dets are estimated, and of the kind that follows."""
    rng = sketch.rng
    space, dims = rng.choice((("Image", "Image[2, 1, 2]"), ("Vec", "Vec[3]")))
    traces, ends = rng.choice((("", "estimate"), (", probes = 3", "estimate"), (", probes = 0", "bounded")))
    roulette = f"roulette(first = {rng.choice((1, 4))}{traces})"
    hows = {
        ends: (f"series(terms = {rng.choice((1, 5, 30))}{traces})", f"series(bits_per_dim <= 0.5{traces})"),
        "unbiased": (roulette, f"roulette(first = 2, keep = 0.9999{traces})"),
        "estimate": (roulette, f"series(terms = 2{traces})"),
    }
    kind = rng.choice(list(hows))
    first, second = hows[kind]
    steps = f"{_residual(sketch, space)} log_det {first}  {_residual(sketch, space)} log_det {second}"
    sketch.items.append(f"flow {sketch.fresh('F')} on {dims} ensures invertible, log_det {kind} {{ {steps} }}")


# ---------------------------------------------------------------- mutants


def _limited(found: ast.Param) -> bool:
    return any(c.name.id == "lip" for c in found.constraints)


def _other_bound(
    module: ast.Module, rng: Random, change: Callable[[ast.Constraint], ast.Constraint]
) -> ast.Module | None:
    """One bound of a norm becomes another."""

    def changed(found: ast.Param) -> ast.Param | None:
        if not _limited(found):
            return None
        (old,) = found.constraints
        return replace(found, constraints=(change(old),))

    return change_one(module, rng, ast.Param, changed)


@mutant(RULE, weight=2)
def larger_limit(module: ast.Module, rng: Random) -> ast.Module | None:
    """A norm may be larger than before: by a little, near 1 (nearer takes steps without end), or by much."""

    def larger(old: ast.Constraint) -> ast.Constraint:
        text = rng.choice(("0.999", "1.0", "1.05", "1.5", "4", "100"))
        return replace(old, value=ast.Number(float(text), text, old.span))

    return _other_bound(module, rng, larger)


@mutant(RULE, weight=1.5)
def other_norm(module: ast.Module, rng: Random) -> ast.Module | None:
    """A map keeps its bound in another norm than the rest, or all of them do."""

    def other(old: ast.Constraint) -> ast.Constraint:
        via = ast.Call(ast.Name(rng.choice(("spectral", "rows", "columns")), old.span), (), old.span)
        return replace(old, via=via)

    return _other_bound(module, rng, other)


@mutant(RULE, weight=1.5)
def free_norm(module: ast.Module, rng: Random) -> ast.Module | None:
    """A map loses the bound of its norm."""

    def free(found: ast.Param) -> ast.Param | None:
        return replace(found, constraints=()) if _limited(found) else None

    return change_one(module, rng, ast.Param, free)


@mutant(RULE)
def unweighted(module: ast.Module, rng: Random) -> ast.Module | None:
    """What is stacked loses its weights: it is as steep as all together."""

    def plain(found: ast.Apply) -> ast.Apply | None:
        left = tuple(arg for arg in found.args if arg.name is None)
        return replace(found, args=left) if len(left) < len(found.args) else None

    return change_one(module, rng, ast.Apply, plain)


@mutant(RULE)
def other_beta(module: ast.Module, rng: Random) -> ast.Module | None:
    """The beta of a swish may be 0 or negative, or there is one for each element."""

    def other(found: ast.Param) -> ast.Param | None:
        kind = found.kind
        if not isinstance(kind, ast.KindMap) or kind.name.id != "scale" or found.place is None:
            return None
        return rng.choice((replace(found, constraints=()), replace(found, place=None)))

    return change_one(module, rng, ast.Param, other)


@mutant(RULE)
def wider_scale(module: ast.Module, rng: Random) -> ast.Module | None:
    """A scale of the variable may be smaller than before, or has no bound from above."""

    def wider(found: ast.Param) -> ast.Param | None:
        if len(found.constraints) != 2:
            return None
        low, high = found.constraints
        text = rng.choice(("0.01", "0.2", "0.5"))
        smaller = replace(low, value=ast.Number(float(text), text, low.span))
        return replace(found, constraints=rng.choice(((smaller, high), (low,))))

    return change_one(module, rng, ast.Param, wider)


@mutant(RULE)
def silent_use(module: ast.Module, rng: Random) -> ast.Module | None:
    """A use no longer says how its log-det is computed."""

    def silent(found: ast.Use) -> ast.Use | None:
        return replace(found, log_det=None) if found.log_det is not None else None

    return change_one(module, rng, ast.Use, silent)


@mutant({"rule:SERIES", "rule:ROULETTE"}, weight=1.5)
def other_estimate(module: ast.Module, rng: Random) -> ast.Module | None:
    """A log-det is estimated with another number: of terms, of probes, another bound, another probability."""

    def other(found: ast.Use) -> ast.Use | None:
        if found.log_det is None or not found.log_det.args:
            return None
        args = list(found.log_det.args)
        place = rng.randrange(len(args))
        text = rng.choice(("0", "1", "2", "0.3", "0.81", "0.999999", "1e-9", "10001"))
        args[place] = replace(args[place], value=ast.Number(float(text), text, args[place].span))
        return replace(found, log_det=replace(found.log_det, args=tuple(args)))

    return change_one(module, rng, ast.Use, other)


@mutant({"rule:SERIES", "rule:ROULETTE"})
def another_kind(module: ast.Module, rng: Random) -> ast.Module | None:
    """A flow claims another kind of log-det than it has."""

    def another(found: ast.ClaimKind) -> ast.ClaimKind | None:
        if found.name.id != "log_det":
            return None
        words = [w for w in ("exact", "bounded", "unbiased", "estimate", "none") if w != found.kind.id]
        return replace(found, kind=replace(found.kind, id=rng.choice(words)))

    return change_one(module, rng, ast.ClaimKind, another)


@mutant(RULE)
def steeper_function(module: ast.Module, rng: Random) -> ast.Module | None:
    """A function of slopes up to 1 becomes one that is steeper."""

    def steeper(found: ast.Apply) -> ast.Apply | None:
        if not isinstance(found.fn, ast.Name) or found.fn.id not in FLAT:
            return None
        return replace(found, fn=replace(found.fn, id=rng.choice(("silu", "gelu", "exp"))))

    return change_one(module, rng, ast.Apply, steeper)
