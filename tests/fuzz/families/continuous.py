"""Continuous flows: fields that are Lipschitz, bounded or of the time alone, and what makes them neither."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from mintdsl.core.solvers import SOLVERS
from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Sketch
from ..edit import change_one, expressions, put, sites
from ..registry import SOLVED, mutant, whole

RULE = {"rule:ODE"}
STEP = {"step:ode", *(f"solver:{name}" for name in SOLVERS)}
STEEPEST = ("tanh", "softplus", "sigmoid", "elu", "sin", "gelu", "silu", "lip_swish", "bent", "relu", "abs")
"""Functions with a largest slope."""
KINKED = ("relu", "abs")
"""Those with kinks, where methods of high order take many steps."""
WITHIN = ("tanh", "sigmoid", "sin")
SPACES = (
    ("Vec[D]", ("Vec[2]", "Vec[3]", "Vec[1]", "Vec[4]")),
    ("Image[C, H, W]", ("Image[1, 2, 2]", "Image[2, 1, 2]")),
)
TIMES = ("time", "1 - time", "sin(3 * time)", "exp(0 - time)", "time * time", "1 / (2 + tanh(time))")
ACTS = "act lip_swish(u) = silu(u) / 1.1\nact bent(u) = 0.5 * u + tanh(u)"
TOLERANCES = {"dopri8": "1e-8", "dopri5": "1e-7", "bosh3": "1e-5", "adaptive_heun": "1e-4"}


class _Fielded:
    """A field in the making: how its formula depends on the state is known of every piece."""

    def __init__(self, sketch: Sketch, space: str) -> None:
        self.sketch, self.space = sketch, space
        self.members: list[str] = []
        self.lets: list[str] = []

    @property
    def rng(self) -> Random:
        return self.sketch.rng

    @property
    def image(self) -> bool:
        return self.space.startswith("Image")

    def param(self, stem: str, kind: str) -> str:
        name = self.sketch.fresh(stem)
        self.members.append(f"param {name} : {kind}")
        return name

    def more(self, channels: str) -> str:
        return f"Image[{channels}, H, W]" if self.image else f"Vec[{channels}]"

    def mapped(self, text: str, source: str = "", target: str = "") -> str:
        """A linear map of an expression, now and then of bounded norm or weight-normalised."""
        kind = self.rng.choice(("conv 3x3", "conv 1x1", "conv 2x1 (anchor = top_left)")) if self.image else "linear"
        ends = f" from {source or self.space} to {target or self.space}" if source or target else ""
        kept = self.rng.choice(("", "", " with lip <= 0.9"))
        return f"{self.param('V', f'{kind}{ends}{kept}')}({text})"

    def fixed(self) -> str:
        """What does not read the state."""
        own = [self.param("s", "scale"), "0.7"]
        if not self.image:
            mapped = f"{self.param('U', 'linear from Vec[1] to Vec[D]')}({self.rng.choice(TIMES)})"
            own += [mapped, f"{self.rng.choice(STEEPEST)}({mapped})", f"1 / (1 + exp({mapped}))"]
        return self.rng.choice(own)

    def bounded(self, fuel: int) -> str:
        """What is bounded and Lipschitz."""
        rng = self.rng
        form = rng.choice(("act", "act", "product", "exp", "divided", "scaled") if fuel > 0 else ("act",))
        if form == "product":
            return f"{self.bounded(fuel - 1)} * {self.bounded(fuel - 1)}"
        if form == "exp":
            return f"exp({self.bounded(fuel - 1)})"
        if form == "divided":
            return f"{self.bounded(fuel - 1)} / ({rng.choice(('2', '1.5'))} + {rng.choice(WITHIN)}({self.grown(0)}))"
        if form == "scaled":
            return f"{self.fixed()} * {self.bounded(fuel - 1)}"
        return f"{rng.choice(WITHIN)}({self.grown(fuel - 1)})"

    def grown(self, fuel: int) -> str:
        """What is Lipschitz."""
        rng = self.rng
        forms = ("map", "time", "act", "act", "hidden", "sum", "gate", "bounded", "let", "net", "stacked", "swish")
        match rng.choice(forms if fuel > 0 else ("x", "x", "map", "time")):
            case "x":
                return "x"
            case "map":
                return self.mapped(self.grown(fuel - 1))
            case "time":
                wide = self.more("C + 1" if self.image else "D + 1")
                return self.mapped(f"concat({self.grown(fuel - 1)}, time)", wide)
            case "act":
                return f"{rng.choice(STEEPEST)}({self.grown(fuel - 1)})"
            case "hidden":
                wide, own = self.more(rng.choice(("2", "3"))), self.param("b", "bias")
                inner = f"{rng.choice(STEEPEST)}({self.mapped(f'{self.grown(fuel - 1)} + {own}', target=wide)})"
                return self.mapped(inner, wide, self.space)
            case "sum":
                return f"({self.grown(fuel - 1)} {rng.choice('+-')} {self.grown(fuel - 1)})"
            case "gate":
                return f"{self.fixed()} * {self.grown(fuel - 1)}"
            case "let":
                name = self.sketch.fresh("u")
                self.lets.append(f"let {name} = {self.grown(fuel - 1)}")
                return f"({name} + {self.bounded(0)})"
            case "net":
                name, act = self.sketch.fresh("Block"), rng.choice(STEEPEST)
                text = rng.choice((f"x + V({act}(x))", f"{act}(x) - 0.5 * V(x)", "tanh(V(x)) * sigmoid(x)"))
                mapping = "conv 3x3" if self.image else "linear"
                self.sketch.items.append(
                    f"net {name} from {self.space} to {self.space} {{ param V : {mapping} map x -> {text} }}"
                )
                return f"{self.param('n', f'net {name}')}({self.grown(fuel - 2)})"
            case "swish":
                return f"swish({self.grown(fuel - 1)}, beta = {self.param('c', 'scale on Vec[1] with diag > 0')})"
            case "stacked":
                pair = f"concat({self.grown(fuel - 1)}, {self.bounded(fuel - 1)})"
                return self.mapped(pair, self.more("2 * C" if self.image else "2 * D"), self.space)
            case _:
                return self.bounded(fuel - 1)

    def written(self) -> str:
        """The net; its name."""
        text, name = self.grown(self.rng.choice((1, 1, 2, 2))), self.sketch.fresh("Field")
        if "x" not in text.replace("exp", ""):
            text = f"{text} + tanh(x)"
        body = "".join(f"  {m}\n" for m in self.members)
        if self.lets:
            body += "  map x, time {\n" + "".join(f"    {let}\n" for let in self.lets) + f"    return {text}\n  }}\n"
        else:
            body += f"  map x, time -> {text}\n"
        self.sketch.items.append(f"net {name} from {self.space}, Vec[1] to {self.space} {{\n{body}}}")
        return name


def _ode(sketch: Sketch, space: str) -> tuple[str, str]:
    """A step, and the kind of its log-det."""
    rng = sketch.rng
    field = _Fielded(sketch, space).written()
    bent = any(f"{act}(" in item for act in KINKED for item in sketch.items)
    method = rng.choice(("bosh3", "adaptive_heun") if bent else ("dopri8",) * 4 + ("dopri5",) * 2 + ("bosh3",))
    until, tol = rng.choice(("0.1", "0.2", "0.3", "0.5")), TOLERANCES[method]
    by = rng.choice((f" by {method}(until = {until}, tol = {tol})", f" by {method}(tol = {tol}, until = {until})"))
    how, kind = rng.choice(
        (("exact", "solver"), ("exact", "solver"), ("hutchinson", "estimated"), ("hutchinson(probes = 3)", "estimated"))
    )
    return f"ode {field}{by} log_det {how}", kind


@whole(RULE | STEP, weight=0.6 if SOLVED else 0.0)
def continuous_flow(sketch: Sketch) -> None:
    """A flow with a continuous step, or with two and what stands between them."""
    rng = sketch.rng
    space, shapes = rng.choice(SPACES)
    dims = rng.choice(shapes)
    sketch.items.append(ACTS)
    steps, kinds = [], []
    for _ in range(rng.choice((1, 1, 1, 2))):
        step, kind = _ode(sketch, space)
        steps.append(rng.choice((step, step, step, f"repeat 2 {{ {step} }}", f"{sketch.fresh('flowing')}: {step}")))
        kinds.append(kind)
        if sketch.chance(0.4):
            steps.append(rng.choice(("reverse", "permute", "standardize(mean = 0.1, std = 2)")))
    if sketch.chance(0.2) and dims in ("Vec[2]", "Vec[4]", "Image[2, 1, 2]"):
        steps.append("factor half")
    if sketch.chance(0.3):
        steps.append("prior normal")
    kind = "estimated" if "estimated" in kinds else "solver"
    claims = rng.choice(("invertible", f"invertible, log_det {kind}", f"invertible, log_det {kind}, inverse solver"))
    sketch.items.append(f"flow {sketch.fresh('F')} on {dims} ensures {claims} {{\n  " + "\n  ".join(steps) + "\n}")


# ---------------------------------------------------------------- mutants


def _fielded(module: ast.Module, rng: Random, change: Callable[[ast.Expr], ast.Expr | None]) -> ast.Module | None:
    """Change one expression of a net that is a field."""
    if not any(sites(module, ast.Ode)):
        return None
    nets = [path for path, net in sites(module, ast.Net) if len(net.inputs) == 2]
    found = [(path, e) for path, e in expressions(module) if any(path[: len(net)] == net for net in nets)]
    rng.shuffle(found)
    for path, node in found:
        new = change(node)
        if new is not None and new != node:
            return put(module, path, new)
    return None


@mutant(RULE, weight=2)
def steeper_field(module: ast.Module, rng: Random) -> ast.Module | None:
    """A function of a field becomes one without a largest slope, or is left out."""

    def steeper(node: ast.Expr) -> ast.Expr | None:
        if not isinstance(node, ast.Apply) or not isinstance(node.fn, ast.Name) or node.fn.id not in STEEPEST:
            return None
        return rng.choice((replace(node, fn=replace(node.fn, id="exp")), node.args[0].value))

    return _fielded(module, rng, steeper)


@mutant(RULE, weight=2)
def grown_field(module: ast.Module, rng: Random) -> ast.Module | None:
    """An expression of a field meets itself or the state in a product or quotient, or a sum becomes one."""

    def grown(node: ast.Expr) -> ast.Expr | None:
        if isinstance(node, ast.Binary) and node.op in "+-" and rng.random() < 0.5:
            return replace(node, op=rng.choice("*/"))
        state = ast.Name("x", node.span)
        return ast.Binary(rng.choice("**/"), node, rng.choice((node, state)), node.span, node.span)

    return _fielded(module, rng, grown)


@mutant(RULE)
def time_before_the_state(module: ast.Module, rng: Random) -> ast.Module | None:
    """A field takes its inputs in the other order."""

    def swapped(found: ast.Map) -> ast.Map | None:
        return replace(found, args=found.args[::-1]) if len(found.args) == 2 else None

    return change_one(module, rng, ast.Map, swapped)


@mutant(RULE)
def another_trace(module: ast.Module, rng: Random) -> ast.Module | None:
    """The trace is made in another way, while the claims stay; or nothing says how."""

    def other(found: ast.Ode) -> ast.Ode | None:
        if found.log_det is None:
            return None
        name = found.log_det.name
        word = "exact" if name.id != "exact" else "hutchinson"
        new = replace(found.log_det, name=replace(name, id=word), args=())
        return replace(found, log_det=rng.choice((new, new, None)))

    return change_one(module, rng, ast.Ode, other)


@mutant(RULE)
def another_end(module: ast.Module, rng: Random) -> ast.Module | None:
    """The end of the time or the tolerance is another number, which may be none that a solver takes."""

    def other(found: ast.Ode) -> ast.Ode | None:
        if found.by is None or not found.by.args:
            return None
        args = list(found.by.args)
        place = rng.randrange(len(args))
        text = rng.choice(("0", "0.7", "1e-4", "1e-5"))
        args[place] = replace(args[place], value=ast.Number(float(text), text, args[place].span))
        return replace(found, by=replace(found.by, args=tuple(args)))

    return change_one(module, rng, ast.Ode, other)
