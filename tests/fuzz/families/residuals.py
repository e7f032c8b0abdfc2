"""Residual sums and maps of bounded norm; rule RES, and what makes a branch steeper."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Sketch
from ..edit import change_one
from ..registry import mutant, whole

RULE = {"rule:RES"}
LIP = "constraint:lip <= c, c > 0:spectral"
SPACES = {"Image": "Image[C, H, W]", "Vec": "Vec[D]"}
FLAT = ("elu", "tanh", "relu", "softplus", "sin", "abs", "sigmoid")


class _Branch:
    """A branch in the making: its members, and how much of its bound is left."""

    def __init__(self, sketch: Sketch, space: str, formal: bool) -> None:
        self.sketch, self.space, self.formal = sketch, space, formal
        self.members: list[str] = []
        self.text, self.steepest = "x", 1.0

    def param(self, stem: str, kind: str) -> str:
        name = self.sketch.fresh(stem)
        self.members.append(f"param {name} : {kind}")
        return name

    @property
    def mapping(self) -> str:
        taps = self.sketch.rng.choice(("3x3", "1x1", "1x3", "2x2 (anchor = top_left)"))
        return f"conv {taps}" if self.space == "Image" else "linear"

    def mapped(self) -> None:
        rng = self.sketch.rng
        limit = rng.choice((0.3, 0.6, 0.9, 0.99))
        shown = "bound" if self.formal and rng.random() < 0.3 else str(limit)
        self.steepest *= 0.9 if shown == "bound" else limit
        via = rng.choice(("", "", " via spectral"))
        self.text = f"{self.param('V', f'{self.mapping} with lip <= {shown}{via}')}({self.text})"

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
        flat, more = rng.choice(FLAT), self.steepest + 0.01
        scale = self.param("t", f"scale with diag >= {more:.3g}, diag <= {rng.choice((2, 5))}")
        if left < 0.05:
            return (f"{scale} * x + {{}}",)
        other = self.param("V", f"{self.mapping} with lip <= {rng.uniform(0.01, left):.3f}")
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
            claims.append("invertible, lip < 2")
        formals = "(bound: Real = 0.9)" if self.formal else ""
        lines = [f"layer {name}{formals} on {SPACES[self.space]} ensures {rng.choice(claims)} {{"]
        lines += [f"  {member}" for member in self.members]
        lines += [f"  map x -> {form.format(self.text)}", "}"]
        self.sketch.items.append("\n".join(lines))
        return name


def _residual(sketch: Sketch, space: str) -> str:
    return _Branch(sketch, space, sketch.chance(0.3)).layer()


@whole({*RULE, LIP, "rule:CHAIN"}, weight=1.5)
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


# ---------------------------------------------------------------- mutants


def _limited(found: ast.Param) -> bool:
    return any(c.name.id == "lip" for c in found.constraints)


@mutant(RULE, weight=2)
def larger_limit(module: ast.Module, rng: Random) -> ast.Module | None:
    """A norm may be larger than before: by a little, up to 1, or by much."""

    def larger(found: ast.Param) -> ast.Param | None:
        if not _limited(found):
            return None
        (old,) = found.constraints
        text = rng.choice(("0.999999", "1.0", "1.05", "1.5", "4", "100"))
        return replace(found, constraints=(replace(old, value=ast.Number(float(text), text, old.span)),))

    return change_one(module, rng, ast.Param, larger)


@mutant(RULE, weight=1.5)
def free_norm(module: ast.Module, rng: Random) -> ast.Module | None:
    """A map loses the bound of its norm."""

    def free(found: ast.Param) -> ast.Param | None:
        return replace(found, constraints=()) if _limited(found) else None

    return change_one(module, rng, ast.Param, free)


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


@mutant(RULE)
def steeper_function(module: ast.Module, rng: Random) -> ast.Module | None:
    """A function of slopes up to 1 becomes one that is steeper."""

    def steeper(found: ast.Apply) -> ast.Apply | None:
        if not isinstance(found.fn, ast.Name) or found.fn.id not in FLAT:
            return None
        return replace(found, fn=replace(found.fn, id=rng.choice(("silu", "gelu", "exp"))))

    return change_one(module, rng, ast.Apply, steeper)
