"""Multi-scale flows: halves that leave for the latent."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import SHAPES, Sketch
from ..edit import change_one
from ..registry import mutant, whole
from .flows import PRIORS, Dims, block, flows_of, squeezed, write_flow


def _halved(space: str, dims: Dims) -> Dims | None:
    axis = 1 if space == "Seq" else 0
    return None if dims[axis] % 2 else (*dims[:axis], dims[axis] // 2, *dims[axis + 1 :])


def _net(sketch: Sketch, space: str) -> str:
    """A net that makes mean and log-scale, and a use of it."""
    rng, name = sketch.rng, sketch.fresh("N")
    shape, kind, wide = {
        "Image": ("Image[C, H, W]", "conv 3x3", "Image[width, H, W]"),
        "Vec": ("Vec[D]", "linear", "Vec[width]"),
        "Seq": ("Seq[T, D]", "linear", "Seq[T, width]"),
    }[space]
    if sketch.chance(0.2):
        sketch.items.append(f"extern net {name} from {shape} to ({shape}, {shape})")
        return name
    hidden = sketch.chance(0.4)
    act = rng.choice(("tanh", "relu", "sin", "elu"))
    members = f"param U : {kind} from {shape} to {wide}  param V, W : {kind} from {wide} to {shape}"
    let, width = (f"let u = {act}(U(v))  ", "(width: Nat = 2)") if hidden else ("let u = v  ", "")
    mean = rng.choice(("V(u)", "V(u) + b", "b", "v"))
    scale = rng.choice(("tanh(W(u))", "tanh(W(u))", "0.1 * W(u)", "sin(v)", "b", "W(u)"))
    members = members if hidden else f"param V, W : {kind}"
    both = f"return ({mean}, {scale})"
    declared = f"{members}  param b : bias"
    sketch.items.append(
        f"net {name}{width} from {shape} to ({shape}, {shape}) {{ {declared}  map v {{ {let}{both} }} }}"
    )
    return f"{name}(width = 3)" if hidden and sketch.chance(0.5) else name


@whole(
    {"step:factor", "rule:FACTOR", *PRIORS, "flow claim:invertible", "flow claim:volume_preserving", "flow claim:lip"},
    weight=1.5,
)
def multi_scale(sketch: Sketch) -> None:
    """Halves leave for the latent, between steps of all kinds; where images are squeezed there is more to cut."""
    rng = sketch.rng
    space = rng.choice(("Image", "Image", "Vec", "Seq"))
    dims = here = rng.choice(
        [d for d in SHAPES[space] if _halved(space, d) or (space == "Image" and squeezed(d, False))]
    )
    steps = [f"logit({rng.choice(('0.05', '0.25'))})"] if sketch.chance(0.2) else []
    nets: list[bool] = []  # of each factor whether it has one
    for _ in range(rng.choice((1, 2, 2, 3))):
        if sketch.chance(0.6):
            steps += block(sketch, space, here, 1, (), keep=True)
        if space == "Image" and not _halved(space, here):
            if squeezed(here, False) is None:
                break
            steps.append("squeeze 2")
            here = squeezed(here, False) or here
        half = _halved(space, here)
        if half is None:
            break
        keep: list[str] = rng.choice(([], ["keep = first"], ["keep = second"]))
        nets.append(sketch.chance(0.4))
        options = [*keep, *([f"prior = {_net(sketch, space)}"] if nets[-1] else [])][:: rng.choice((1, -1))]
        label = f"{sketch.fresh('step')}: " if sketch.chance(0.15) else ""
        steps.append(f"{label}factor half" + (f" ({', '.join(options)})" if options else ""))
        here = half
    tail = ("standardize(mean = 0.5, std = 4)", "standardize(mean = 0, std = 0.5)", "logit(0.1)", "")
    steps.append(rng.choice(tail) if sketch.chance(0.5) else block(sketch, space, here, 1, (), keep=True)[0])
    if sketch.chance(0.1) and space == "Image":
        steps.append(f"pad channels to {here[0] + 1}")
    elif sketch.chance(0.4):
        priors = ["normal", "logistic", "learned_normal(per = element)", "learned_normal"]
        steps.append(f"prior {rng.choice(priors)}")
    claim = rng.choice(("invertible", "invertible", "invertible", "injective", "lip <= 4", "volume_preserving"))
    write_flow(sketch, space, dims, [s for s in steps if s], [claim], ())


# ---------------------------------------------------------------- mutants


@mutant({"step:factor", "rule:FACTOR"}, weight=1.5)
def cut_elsewhere(module: ast.Module, rng: Random) -> ast.Module | None:
    """A half leaves at another place, in a block or behind another step, or the other half does."""
    span = module.span
    word = ast.Name(rng.choice(("first", "second")), span)
    op = ast.Factor(ast.Name("half", span), (ast.Arg(ast.Name("keep", span), "=", word, span),))
    if rng.random() < 0.4:
        return change_one(module, rng, ast.Factor, lambda found: op if found.args != op.args else None)

    def more(steps: tuple[ast.Step, ...]) -> list[ast.Step]:
        place = rng.randrange(len(steps) + 1)
        return [*steps[:place], ast.Step(None, op, span), *steps[place:]]

    return flows_of(module, rng, more)


@mutant({"step:factor", "rule:FACTOR"}, weight=1.5)
def other_prior(module: ast.Module, rng: Random) -> ast.Module | None:
    """A half leaves through a net, through one that makes less than it should, or without the one that it had."""
    span = module.span
    names = [item.name.id for item in module.items if isinstance(item, ast.Net)]

    def changed(found: ast.Factor) -> ast.Factor | None:
        others = tuple(arg for arg in found.args if arg.name is not None and arg.name.id == "keep")
        if len(others) < len(found.args) and rng.random() < 0.5:
            return replace(found, args=others)
        if not names:
            return None
        prior = ast.Arg(ast.Name("prior", span), "=", ast.Name(rng.choice(names), span), span)
        return replace(found, args=(*others, prior))

    def fewer(found: ast.Net) -> ast.Net | None:
        if not isinstance(found.body.result, ast.Tuple):
            return None
        return replace(found, outputs=found.outputs[:1], body=replace(found.body, result=found.body.result.items[0]))

    if rng.random() < 0.2:
        return change_one(module, rng, ast.Net, fewer)
    return change_one(module, rng, ast.Factor, changed)
