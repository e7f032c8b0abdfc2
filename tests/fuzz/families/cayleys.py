"""Cayley maps of nets and maps of bounded norm; rule CAYLEY, and what is no Cayley map or has a steep branch."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Sketch
from ..edit import change_one
from ..registry import mutant, whole
from .residuals import BETAS, EUCLIDEAN, FLAT, LIP, NORMS

RULE = {"rule:CAYLEY"}
SPACES = (("Image[C, H, W]", "Image[2 * C, H, W]", "Image[2, 1, 2]"), ("Vec[D]", "Vec[2 * D]", "Vec[3]"))
KERNELS = ("conv 3x3", "conv 1x3", "conv 2x2 (anchor = top_left)")
BRANCHES = (
    "W({f}(V(x) + b))",
    "{f}(s * W(concat(0.6 * x, 0.8 * {g}(x))))",
    "0.5 * W({f}(V(x))) - 0.4 * {g}(x - b)",
    "W(concat(0.7 * x, 0.7 * V(x)) / 1.4)",
    "W(maxmin(concat(0.6 * V(x), 0.8 * {f}(x))))",
    "W(clip_swish(s * V(x)))",
    "W(clip_swish(s * {f}(x), beta = c))",
    "swish(0.9 * {f}(V(x)), beta = c)",
)
"""Formulas whose Lipschitz constant is below 1: V has at most 1, W 0.9, s 1."""


def _layer(sketch: Sketch, place: tuple[str, str, str]) -> str:
    """A Cayley map of a map or a net; its name."""
    rng, name, (space, wide, _) = sketch.rng, sketch.fresh("Y"), place
    kind = rng.choice(KERNELS) if space.startswith("Image") else "linear"
    via = rng.choice(NORMS)
    last = ("invertible, lip < 200",) if via in EUCLIDEAN else ()
    claims = rng.choice(("invertible", "invertible, inverse iterative", "onto, log_det exact", *last))
    if sketch.chance(0.4):
        member = f"param m : {kind} with lip <= {rng.choice(('0.3', '0.8', '0.95'))}{via}"
    else:
        f, g = rng.choices(FLAT, k=2)
        text, net = rng.choice(BRANCHES).format(f=f, g=g), sketch.fresh("N")
        source = wide if "concat" in text or "clip_swish" in text else space
        kinds = {
            "V": f"{kind} with lip <= {rng.choice(('0.5', '1'))}{via}",
            "W": f"{kind} from {source} to {space} with lip <= 0.9{via}",
            "s": "scale with lip <= 1",
            "b": "bias (per = element)",
            "c": f"scale on Vec[1] with {rng.choice(BETAS)}",
        }
        words = set("".join(ch if ch.isalnum() else " " for ch in text).split())
        members = [f"  param {one} : {kinds[one]}" for one in kinds if one in words]
        sketch.items.append("\n".join([f"net {net} from {space} to {space} {{", *members, f"  map x -> {text}", "}"]))
        member = f"param m : net {net} from {space} to {space}"
    sketch.items.append(f"layer {name} on {space} ensures {claims} {{\n  {member}\n  map x -> cayley(m)(x)\n}}")
    return name


@whole({*RULE, LIP, "rule:CHAIN"}, weight=0.9)
def cayley_layer(sketch: Sketch) -> None:
    """A layer that is a Cayley map."""
    _layer(sketch, sketch.rng.choice(SPACES))


@whole({*RULE, "rule:SERIES", "rule:ROULETTE", "rule:INVERSE"}, weight=0.6)
def flow_of_cayley_maps(sketch: Sketch) -> None:
    """A flow of two Cayley maps, of which one may stand in its inverse direction, with log-dets of all kinds."""
    rng = sketch.rng
    place = rng.choice(SPACES)
    kind, hows = rng.choice(
        (
            ("exact", ("exact", "exact")),
            ("bounded", ("exact", f"series(terms = {rng.choice((1, 4))}, probes = 0)")),
            ("unbiased", ("roulette(first = 1)", "exact")),
            ("estimate", ("series(bits_per_dim <= 0.5)", "roulette(first = 2, probes = 2)")),
        )
    )
    way = rng.choice(("", "(direction = inverse)"))
    first, second = (_layer(sketch, place) for _ in range(2))
    steps = f"{first}{way} log_det {hows[0]}  {second} log_det {hows[1]}"
    sketch.items.append(f"flow {sketch.fresh('F')} on {place[2]} ensures invertible, log_det {kind} {{ {steps} }}")


# ---------------------------------------------------------------- mutants


def _cayley(found: ast.Apply) -> bool:
    return isinstance(found.fn, ast.Apply) and isinstance(found.fn.fn, ast.Name) and found.fn.fn.id == "cayley"


@mutant(RULE, weight=2)
def one_step_of_it(module: ast.Module, rng: Random) -> ast.Module | None:
    """`cayley(m)(x)` becomes its branch, or a sum of x and twice its branch, the first step of the iteration."""

    def cut(found: ast.Apply) -> ast.Expr | None:
        if not _cayley(found):
            return None
        assert isinstance(found.fn, ast.Apply)
        span, plain = found.span, replace(found, fn=found.fn.args[0].value)
        twice = ast.Binary("+", plain, plain, span, span)
        return rng.choice((plain, ast.Binary("-", found.args[0].value, twice, span, span)))

    return change_one(module, rng, ast.Apply, cut)


@mutant(RULE, weight=2)
def beside_a_cayley_map(module: ast.Module, rng: Random) -> ast.Module | None:
    """`cayley(m)(x)` becomes a sum, difference or product with its argument, or that of another expression."""

    def beside(found: ast.Apply) -> ast.Expr | None:
        if not _cayley(found):
            return None
        span, op = found.span, rng.choice("+-*m")
        if op != "m":
            return ast.Binary(op, found, found.args[0].value, span, span)
        value = ast.Binary("+", found.args[0].value, found.args[0].value, span, span)
        return replace(found, args=(replace(found.args[0], value=value),))

    return change_one(module, rng, ast.Apply, beside)


@mutant(RULE, weight=2)
def steeper_branch(module: ast.Module, rng: Random) -> ast.Module | None:
    """A map of a program with Cayley maps has a larger bound of its norm, or none."""
    if not any(isinstance(layer, ast.Layer) and "cayley" in str(layer.body) for layer in module.items):
        return None

    def larger(found: ast.Param) -> ast.Param | None:
        if not any(c.name.id == "lip" for c in found.constraints):
            return None
        (old,) = found.constraints
        text = rng.choice(("0.999", "1.0", "1.2", "3"))
        more = replace(old, value=ast.Number(float(text), text, old.span))
        return replace(found, constraints=rng.choice(((more,), (more,), ())))

    return change_one(module, rng, ast.Param, larger)
