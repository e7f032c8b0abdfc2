"""Flows: uses, pairs, repeats, nested flows, squeezes, boxes (dequantize, logit, sigmoid), pad, classifiers, priors."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from .. import phrases
from ..draft import SHAPES, Sketch
from ..edit import change_one
from ..registry import FLOOR, FREE, INJECTIVE, ONTO, mutant, whole
from .data import by_data
from .layers import FORMALS, Written, claim_of, order, write_layer

FLOWS = {"rule:I-COMP", "flow claim:invertible", "flow claim:injective", "flow claim:volume_preserving"}
STEPS = {"step:repeat", "step:pair", "step:squeeze", "step:unsqueeze", "step:standardize", "step:prior"}
PRIORS = {"prior:normal", "prior:logistic", "prior:learned_normal"}
MOVES = {"step:permute", "step:reverse", "step:transpose", "step:flatten", "step:patches"}
BOXES = {"step:dequantize", "step:logit", "rule:LOGIT"}

LAYOUTS = ("colour_slow", "colour_fast", "alternate")

Dims = tuple[int, ...]


def call(sketch: Sketch, used: Written, space: str, outer: tuple[str, ...] = (), **fixed: str) -> str:
    """A use of a definition, with the arguments that it needs and some that it does not."""
    rng, args = sketch.rng, []
    for formal in used.formals:
        name, _, rest = formal.partition(":")
        kind, _, default = rest.strip().partition(" = ")
        if name not in fixed and default and sketch.chance(0.6):
            continue
        passed = [
            f.split(":")[0] for f in outer if f.partition(":")[2].strip().split(" ")[0] == kind and kind != "Real"
        ]
        if name in fixed:
            value = fixed[name]
        elif passed and sketch.chance(0.5):
            value = rng.choice(passed)
        elif kind == "Nat":
            value = rng.choice(("1", "2", "3"))
        elif kind == "Dir":
            value = rng.choice(("lower", "upper"))
        elif kind == "Real":
            value = rng.choice(("0.1", "0.5", "2", "1"))
        elif kind == "Act":
            value = rng.choice([a.name for a in phrases.acts(phrases.strictly) if not a.options])
        elif kind == "Order":
            value = order(sketch, space)
        else:
            value = rng.choice(("zeros", "normal", "normal(std = 0.3)"))
        args.append(f"{name} = {value}")
    return f"{used.name}({', '.join(args)})" if args else used.name


def _pair(sketch: Sketch, space: str, known: list[Written], outer: tuple[str, ...]) -> str:
    """`pair` of one layer with both directions."""
    if sketch.chance(0.3) and space == "Image":
        line = 'import "mintnet/mint.mint" { Mint, MintPair }'
        if line not in sketch.items:
            sketch.items.insert(0, line)
        used = Written("Mint", ("K: Nat", "tri: Dir", "h: Act = elu", "weights: Init = zeros"), FLOOR)
    else:
        used = write_layer(
            sketch, space, FLOOR, concrete=False, defaults=sketch.chance(0.7), direction="tri", triangular=True
        )
        known.append(used)
    fixed = {f.split(":")[0]: "2" for f in used.formals if ": Nat" in f and "=" not in f}
    for formal in used.formals:  # both take the same order
        if ": Order" in formal:
            fixed[formal.split(":")[0]] = order(sketch, space)
    directions = ["lower", "upper"] if sketch.chance(0.7) else ["upper", "lower"]
    if sketch.chance(sketch.risk):
        directions[1] = directions[0]
    uses = [call(sketch, used, space, outer, **fixed, tri=d) for d in directions]
    return f"pair {{ {uses[0]}  {uses[1]} }}"


def _layer(sketch: Sketch, space: str, known: list[Written], outer: tuple[str, ...], boxed: bool = False) -> str:
    """A use of a layer, written now or before."""
    if known and sketch.chance(0.35):
        used = sketch.rng.choice(known)
    else:
        strength = sketch.rng.choice((FLOOR, ONTO, FREE, ONTO) if not boxed else (INJECTIVE,))
        place = "Any" if sketch.chance(0.25) else space
        used = write_layer(sketch, place, strength, concrete=False, defaults=sketch.chance(0.7))
        if not boxed:
            known.append(used)
    label = f"{sketch.fresh('step')}: " if sketch.chance(0.15) else ""
    return label + call(sketch, used, space, outer)


def squeezed(dims: Dims, undo: bool) -> Dims | None:
    c, h, w = dims
    if undo:
        return (c // 4, 2 * h, 2 * w) if c % 4 == 0 else None
    return (4 * c, h // 2, w // 2) if h % 2 == 0 and w % 2 == 0 else None


def _rearranged(sketch: Sketch, space: str) -> str:
    """Entries in another order, the shape kept."""
    rng = sketch.rng
    axis = rng.choice(("channel", "all", *(["time"] * 2 if space == "Seq" or sketch.chance(sketch.risk / 4) else [])))
    named = "" if axis == "channel" and sketch.chance(0.4) else f"axis = {axis}"
    if sketch.chance(0.5):
        return f"reverse({named})" if named else "reverse"
    seed = rng.choice(("", f"seed = {rng.randrange(10)}"))
    options = ", ".join(filter(None, (named, seed)))
    return f"permute({options})" if options else "permute"


def _aside(sketch: Sketch, space: str, layer: str) -> list[str]:
    """A layer between two exchanges of axes."""
    axes = ["time", "channel"] if space == "Seq" else ["channel", "height", "width"]
    step = f"transpose({', '.join(sketch.rng.sample(axes, 2))})"
    return [step, layer, step]


def block(sketch: Sketch, space: str, dims: Dims, count: int, outer: tuple[str, ...], *, keep: bool) -> list[str]:
    """Some steps; `keep`: the shape that leaves is the one that enters."""
    rng = sketch.rng
    known: list[Written] = []
    steps: list[str] = []
    here = dims
    for _ in range(count):
        kinds = ("layer", "layer", "layer", "pair", "squeeze", "repeat", "standardize", "nested", "data", "rearranged")
        kinds += () if space == "Vec" else ("aside",)
        kind = rng.choice(kinds)
        if kind == "squeeze" and space == "Image":
            undo = sketch.chance(0.5)
            result = squeezed(here, undo)
            if result is not None:
                layout = rng.choice(("", "", *(f" (layout = {word})" for word in LAYOUTS)))
                steps.append(f"{'unsqueeze' if undo else 'squeeze'} 2{layout}")
                here = result
                continue
        further = squeezed(here, False) if space == "Image" else None
        if kind == "repeat" and further is not None and sketch.chance(0.3):
            copies = 2 if squeezed(further, False) is not None and sketch.chance(0.6) else 1
            steps.append(f"repeat {copies} {{ squeeze 2  {_layer(sketch, space, [], outer)} }}")
            here = further if copies == 1 else squeezed(further, False) or further
            continue
        if kind == "repeat" and count > 1:
            inner = block(sketch, space, here, rng.choice((1, 2)), outer, keep=True)
            nats = [f.split(":")[0] for f in outer if ": Nat" in f]
            times = rng.choice(nats) if nats and sketch.chance(0.5) else rng.choice(("1", "2", "3"))
            steps.append(f"repeat {times} {{ {'  '.join(inner)} }}")
        elif kind == "pair" and space != "Seq":
            steps.append(_pair(sketch, space, known, outer))
        elif kind == "data":
            steps.append("standardize(mean = data, std = data)" if sketch.chance(0.4) else by_data(sketch).name)
        elif kind == "standardize":
            means = rng.choice(("0.5", "0", "-2"))
            if space == "Image" and here[0] > 1 and sketch.chance(0.4):
                means = f"({', '.join(['0.25'] * here[0])})"
            steps.append(f"standardize(mean = {means}, std = {rng.choice(('0.5', '2', '1', '0.1'))})")
        elif kind == "aside":
            steps += _aside(sketch, space, _layer(sketch, space, known, outer))
        elif kind == "rearranged":
            steps.append(_rearranged(sketch, space))
        elif kind == "nested" and count > 1:
            steps.append(_nested(sketch, space, here))
        else:
            steps.append(_layer(sketch, space, known, outer))
    if keep and here != dims:
        for _ in range(8):
            if here == dims:
                break
            undo = here[0] > dims[0]
            steps.append(f"{'unsqueeze' if undo else 'squeeze'} 2")
            here = squeezed(here, undo) or dims
    return steps


def _nested(sketch: Sketch, space: str, dims: Dims) -> str:
    """A flow that is a step of another."""
    steps = block(sketch, space, dims, 1, (), keep=True)
    name = sketch.fresh("Inner")
    symbols = {"Image": "C, H, W", "Vec": "D", "Seq": "T, D"}[space]
    simple = all("squeeze" not in s for s in steps)
    on = symbols if simple and sketch.chance(0.7) else ", ".join(map(str, dims))
    sketch.items.append(f"flow {name} on {space}[{on}] ensures invertible {{\n  {'  '.join(steps)}\n}}")
    return name


def write_flow(
    sketch: Sketch, space: str, dims: Dims, steps: list[str], claims: list[str], formals: tuple[str, ...]
) -> None:
    head = f"({', '.join(formals)})" if formals else ""
    ensures = f" ensures {', '.join(claims)}" if claims else ""
    on = f"{space}[{', '.join(map(str, dims))}]"
    lines = [f"flow {sketch.fresh('F')}{head} on {on}{ensures} {{", *(f"  {s}" for s in steps), "}"]
    sketch.items.append("\n".join(lines))


@whole(FLOWS | STEPS | PRIORS | BOXES | FORMALS | {"rule:PAIR", "rule:PERM", "rule:SCALE"}, weight=3)
def a_flow(sketch: Sketch) -> None:
    """A flow of layers."""
    rng = sketch.rng
    space = rng.choice(("Image", "Image", "Image", "Vec", "Vec", "Seq"))
    dims = rng.choice(SHAPES[space])
    formals = ("N: Nat = 2",) if sketch.chance(0.3) else ()
    steps = []
    if sketch.chance(0.4):
        steps = [f"logit({rng.choice(('0.05', '1e-3', '0.25'))})"]
        if sketch.chance(0.6):
            steps.insert(0, f"dequantize {rng.choice((2, 8, 256))}")
    elif sketch.chance(0.15):
        steps = ["dequantize 256"]
    steps += block(sketch, space, dims, rng.choice((1, 2, 2, 3)), formals, keep=False)
    if sketch.chance(0.4):
        learned = ("learned_normal", "learned_normal(per = element)", "learned_normal(per = channel)")
        steps.append(f"prior {rng.choice(('normal', 'normal', 'logistic', *learned))}")
    write_flow(sketch, space, dims, steps, [] if sketch.chance(0.1) else ["invertible"], formals)


@whole(MOVES | {"shape:Seq", "shape:Vec", "rule:PERM", "rule:I-COMP"}, weight=0.8)
def out_of_the_image(sketch: Sketch) -> None:
    """An image that becomes a sequence or a vector, with layers before and behind."""
    rng = sketch.rng
    dims = rng.choice([d for d in SHAPES["Image"] if d[1] * d[2] > 1])
    steps = ["logit(0.05)"] if sketch.chance(0.3) else []
    steps += block(sketch, "Image", dims, rng.choice((0, 1, 1)), (), keep=True)
    sides = [n for n in (1, 2, 3) if dims[1] % n == 0 and dims[2] % n == 0]
    if sketch.chance(0.5):
        n = rng.choice((1, 2, 3)) if sketch.chance(sketch.risk / 4) else rng.choice(sides)
        steps.append(f"patches {n}")
        tokens = (dims[1] // n * (dims[2] // n), n * n * dims[0])
        steps += block(sketch, "Seq", tokens, rng.choice((0, 1, 2)), (), keep=True)
    if sketch.chance(0.7):
        steps.append("flatten")
        steps += block(sketch, "Vec", (dims[0] * dims[1] * dims[2],), rng.choice((1, 1, 2)), (), keep=True)
    if sketch.chance(0.3):
        steps.append("prior normal")
    write_flow(sketch, "Image", dims, steps, ["invertible"], ())


@whole(MOVES | {"step:squeeze", "step:unsqueeze", "flow claim:volume_preserving", "rule:PERM"}, weight=0.7)
def moves_only(sketch: Sketch) -> None:
    """A flow that keeps volume: moves of entries, and layers with slope 1."""
    rng = sketch.rng
    dims = rng.choice([d for d in SHAPES["Image"] if d[1] % 2 == 0 and d[2] % 2 == 0])
    line = "layer Unit on Image[C, H, W] ensures lower, diag == 1 { param S : conv 3x3 strict lower map x -> x + S(x) }"
    sketch.items.append(line)
    undo = rng.choice(("unsqueeze 2", *(f"unsqueeze 2 (layout = {word})" for word in LAYOUTS)))
    steps = ["squeeze 2", *(["Unit"] if sketch.chance(0.7) else []), undo, *(["Unit"] if sketch.chance(0.5) else [])]
    for _ in range(rng.choice((0, 1, 1, 2))):
        steps.insert(rng.randrange(len(steps) + 1), _rearranged(sketch, "Image"))
    if sketch.chance(0.3):
        steps.insert(rng.choice((0, len(steps))), "transpose(height, width)")
    if sketch.chance(0.4):
        steps += rng.choice((["flatten"], ["patches 2"], ["patches 2", "permute(axis = time)", "flatten", "reverse"]))
    claims = ["volume_preserving"] if sketch.chance(0.6) else ["invertible", "volume_preserving"]
    write_flow(sketch, "Image", dims, steps, claims, ())


@whole({"flow claim:injective", *BOXES}, weight=1.2)
def boxes(sketch: Sketch) -> None:
    """Steps that end in boxes, and steps that start in them."""
    rng = sketch.rng
    space = rng.choice(("Image", "Vec"))
    dims = rng.choice(SHAPES[space])
    act = rng.choice([a.name for a in phrases.acts(phrases.strictly) if not a.options])
    shift = rng.choice(("", "", " + 1", " / 2"))
    sketch.items.append(f"layer Squash on S ensures diag > 0, injective {{ map x -> {act}(x){shift} }}")
    sketch.items.append(
        f"flow Opened on {space}[{', '.join(map(str, dims))}] {{ logit({rng.choice(('0.05', '0.25'))}) }}"
    )
    pool = ["Squash", "Squash", "Opened", _layer(sketch, space, [], ())]
    if sketch.chance(0.4):
        pool.append(_layer(sketch, space, [], (), boxed=True))
    steps = [rng.choice(pool) for _ in range(rng.choice((1, 2, 2, 3)))]
    if sketch.chance(0.3):
        steps.insert(0, "logit(0.1)")
    if sketch.chance(0.15):
        steps = [f"repeat {rng.choice((1, 2, 3))} {{ {'  '.join(steps)} }}"]
    claims = [rng.choice(("injective", "injective", "injective", "invertible"))]
    write_flow(sketch, space, dims, steps, claims, ())


@whole({"step:pad", "step:classify", "rule:PAD", "shape:Image"}, weight=0.5)
def padded(sketch: Sketch) -> None:
    """Zero channels, and perhaps a head: injective only."""
    rng = sketch.rng
    dims = rng.choice([d for d in SHAPES["Image"] if d[0] <= 2 and d[1] * d[2] <= 4])
    more = rng.choice([c for c in (2, 3, 4) if c > dims[0] and c * dims[1] * dims[2] <= 16] or [dims[0] + 1])
    steps = ["standardize(mean = 0.5, std = 0.5)"] if sketch.chance(0.4) else []
    steps += block(sketch, "Image", dims, 1, (), keep=True) if sketch.chance(0.5) else []
    steps.append(f"pad channels to {more}")
    steps += block(sketch, "Image", (more, *dims[1:]), 1, (), keep=False)
    if sketch.chance(0.4):
        sketch.items.append(
            "net Head(n: Nat) from Image[C, H, W] to Vec[n] {\n  param W : linear from Vec[C] to Vec[n]\n"
            "  map x -> W(mean_pool(relu(x)))\n}"
        )
        steps.append("classify Head(n = 3)")
    write_flow(sketch, "Image", dims, steps, ["injective"], ())


# ---------------------------------------------------------------- mutants


def flows_of(
    module: ast.Module, rng: Random, change: Callable[[tuple[ast.Step, ...]], list[ast.Step] | None]
) -> ast.Module | None:
    """Change the steps of one flow or block."""
    kind = rng.choice((ast.Flow, ast.Flow, ast.Repeat, ast.Pair))

    def changed(found: ast.Flow | ast.Repeat | ast.Pair) -> object | None:
        new = change(found.steps)
        return None if new is None else replace(found, steps=tuple(new))

    return change_one(module, rng, kind, changed)


@mutant(FLOWS | STEPS, weight=2)
def swap_steps(module: ast.Module, rng: Random) -> ast.Module | None:
    """Two steps change places."""

    def swapped(steps: tuple[ast.Step, ...]) -> list[ast.Step] | None:
        if len(steps) < 2:
            return None
        items = list(steps)
        a, b = rng.sample(range(len(items)), 2)
        items[a], items[b] = items[b], items[a]
        return items

    return flows_of(module, rng, swapped)


@mutant(FLOWS | STEPS, weight=2)
def drop_step(module: ast.Module, rng: Random) -> ast.Module | None:
    """A step goes."""

    def less(steps: tuple[ast.Step, ...]) -> list[ast.Step] | None:
        place = rng.randrange(len(steps)) if steps else 0
        return [s for n, s in enumerate(steps) if n != place] if steps else None

    return flows_of(module, rng, less)


@mutant(FLOWS | BOXES)
def double_step(module: ast.Module, rng: Random) -> ast.Module | None:
    """A step stands twice."""

    def more(steps: tuple[ast.Step, ...]) -> list[ast.Step] | None:
        if not steps:
            return None
        place = rng.randrange(len(steps))
        return [*steps[:place], replace(steps[place], label=None), *steps[place:]]

    return flows_of(module, rng, more)


@mutant(BOXES)
def other_margin(module: ast.Module, rng: Random) -> ast.Module | None:
    """Another margin of a logit, or other levels, factors, numbers of a step."""
    text = rng.choice(("0.4", "1e-6", "0.25", "2", "3", "0.0"))
    value = float(text)
    number = ast.Number(int(text) if text.isdigit() else value, text, module.span)
    return change_one(module, rng, ast.Simple, lambda s: replace(s, value=number) if s.value is not None else None)


@mutant({"step:repeat"})
def repeat_it(module: ast.Module, rng: Random) -> ast.Module | None:
    """A step is repeated, or a block stands once."""
    count = ast.Number(2, "2", module.span)
    if rng.random() < 0.4:
        return change_one(module, rng, ast.Repeat, lambda r: replace(r, count=ast.Number(3, "3", module.span)))
    return change_one(module, rng, ast.Step, lambda s: replace(s, label=None, op=ast.Repeat(count, (s,))))


@mutant({"step:pair", "rule:PAIR"})
def pair_them(module: ast.Module, rng: Random) -> ast.Module | None:
    """Two steps become a pair, or a pair takes other arguments."""

    def paired(steps: tuple[ast.Step, ...]) -> list[ast.Step] | None:
        if len(steps) < 2:
            return None
        place = rng.randrange(len(steps) - 1)
        new = ast.Step(None, ast.Pair(steps[place : place + 2]), steps[0].span)
        return [*steps[:place], new, *steps[place + 2 :]]

    return flows_of(module, rng, paired)


@mutant(FORMALS, weight=2)
def other_argument(module: ast.Module, rng: Random) -> ast.Module | None:
    """An argument of a use takes another value of its type, or is left out."""
    turned = {"lower": "upper", "upper": "lower"}
    words = ("sin", "relu", "tanh", "gelu", "exp", "raster", "channel_major", "corner")

    def other(found: ast.Use) -> ast.Use | None:
        args = list(found.call.args)
        if not args:
            return None
        place = rng.randrange(len(args))
        value = args[place].value
        if rng.random() < 0.2:
            del args[place]
        elif isinstance(value, ast.Name):
            word = turned.get(value.id, rng.choice(words))
            args[place] = replace(args[place], value=ast.Name(word, value.span))
        else:
            number = rng.choice(("1", "2", "3"))
            args[place] = replace(args[place], value=ast.Number(int(number), number, value.span))
        return replace(found, call=replace(found.call, args=tuple(args)))

    return change_one(module, rng, ast.Use, other)


@mutant(FLOWS, weight=2)
def flow_claims_more(module: ast.Module, rng: Random) -> ast.Module | None:
    """A flow claims more."""
    text = rng.choice(
        ("invertible", "invertible", "volume_preserving", "injective", "onto", "lip <= 1.0", "lip < 4.0",
         "log_det exact", "inverse closed_form", "inverse elementwise", "inverse iterative")
    )  # fmt: skip

    def more(found: ast.Flow) -> ast.Flow:
        return replace(found, claims=(*found.claims, claim_of(text, module)))

    return change_one(module, rng, ast.Flow, more)


@mutant({"step:pad", "step:prior", "step:standardize", "rule:PAD", "rule:SCALE", "rule:LOGIT"})
def insert_step(module: ast.Module, rng: Random) -> ast.Module | None:
    """A built-in step stands at another place."""
    span = module.span
    number = ast.Number(0.1, "0.1", span)
    two, data = ast.Number(2, "2", span), ast.Name("data", span)
    ops = (
        ast.Simple("logit", number, ()),
        ast.Simple("squeeze", two, ()),
        ast.Simple("unsqueeze", two, ()),
        ast.Prior(ast.Call(ast.Name(rng.choice(("normal", "logistic", "learned_normal")), span), (), span)),
        ast.Simple("standardize", None, tuple(ast.Arg(ast.Name(n, span), "=", data, span) for n in ("mean", "std"))),
        ast.Simple("permute", None, ()),
        ast.Simple("reverse", None, ()),
        ast.Simple("flatten", None, ()),
        ast.Simple("patches", two, ()),
        ast.Pad(ast.Name("channels", span), ast.Number(5, "5", span)),
    )

    def more(steps: tuple[ast.Step, ...]) -> list[ast.Step]:
        place = rng.randrange(len(steps) + 1)
        return [*steps[:place], ast.Step(None, rng.choice(ops), span), *steps[place:]]

    return flows_of(module, rng, more)


@mutant({"step:squeeze", "step:unsqueeze", "rule:PERM"})
def other_layout(module: ast.Module, rng: Random) -> ast.Module | None:
    """Another layout of a squeeze."""

    def changed(found: ast.Simple) -> ast.Simple | None:
        if found.word not in ("squeeze", "unsqueeze"):
            return None
        word = rng.choice(("colour_slow", "alternate")) if not found.args else "colour_fast"
        return replace(
            found, args=(ast.Arg(ast.Name("layout", module.span), "=", ast.Name(word, module.span), module.span),)
        )

    return change_one(module, rng, ast.Simple, changed)


@mutant(MOVES | {"rule:PERM"})
def other_axis(module: ast.Module, rng: Random) -> ast.Module | None:
    """Another axis or seed of a permutation, or the other step of the two that put entries in another order."""
    span = module.span
    axis = ast.Arg(ast.Name("axis", span), "=", ast.Name(rng.choice(("channel", "time", "all")), span), span)
    seed = ast.Arg(ast.Name("seed", span), "=", ast.Number(5, "5", span), span)

    def changed(found: ast.Simple) -> ast.Simple | None:
        if found.word not in ("permute", "reverse"):
            return None
        word = rng.choice(("permute", "reverse"))
        return replace(found, word=word, args=(axis, seed) if word == "permute" and rng.random() < 0.5 else (axis,))

    return change_one(module, rng, ast.Simple, changed)
