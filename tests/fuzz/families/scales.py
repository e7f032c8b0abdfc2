"""Multi-scale flows: halves that leave for the latent."""

from __future__ import annotations

from random import Random

from mintdsl.syntax import ast

from ..draft import SHAPES, Sketch
from ..edit import change_one
from ..registry import mutant, whole
from .flows import Dims, block, flows_of, squeezed, write_flow


def _halved(space: str, dims: Dims) -> Dims | None:
    axis = 1 if space == "Seq" else 0
    return None if dims[axis] % 2 else (*dims[:axis], dims[axis] // 2, *dims[axis + 1 :])


@whole(
    {"step:factor", "rule:FACTOR", "flow claim:invertible", "flow claim:volume_preserving", "flow claim:lip"},
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
        steps.append(f"factor half{rng.choice(('', ' (keep = first)', ' (keep = second)'))}")
        here = half
    tail = ("standardize(mean = 0.5, std = 4)", "standardize(mean = 0, std = 0.5)", "logit(0.1)", "")
    steps.append(rng.choice(tail) if sketch.chance(0.5) else block(sketch, space, here, 1, (), keep=True)[0])
    if sketch.chance(0.1) and space == "Image":
        steps.append(f"pad channels to {here[0] + 1}")
    elif sketch.chance(0.4):
        steps.append("prior normal")
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
