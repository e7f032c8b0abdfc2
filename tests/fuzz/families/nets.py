"""Nets as parameters of layers: what they make of constants."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Draft
from ..edit import change_one, sites
from ..registry import CONSTANT, mutant, production

PLACES = {"Image": ("Image[C, H, W]", "conv 3x3"), "Vec": ("Vec[D]", "linear")}


@production(CONSTANT, {"rule:NET"}, weight=0.5, when=lambda draft: draft.space in PLACES)
def conditioned(draft: Draft) -> str:
    """A net of a bias, or of what another net makes of one."""
    shape, kind = PLACES[draft.space]
    name = draft.sketch.fresh("N")
    act = draft.pick(("tanh", "relu", "sin", "gelu"))
    bodies = f"{act}(V(v) + b)", f"v + V({act}(v))", f"V(V({act}(v) * b))", f"b - {act}(v)", "V(b - swish(v, beta = c))"
    body, beta = draft.pick(bodies), "scale on Vec[1] with diag > 0"
    members = "".join(f" param {p} : {k}" for p, k in (("V", kind), ("b", "bias"), ("c", beta)) if p in body)
    draft.sketch.items.append(f"net {name} from {shape} to {shape} {{{members} map v -> {body} }}")
    with draft.closed():
        net = draft.param("n", f"net {name}", indices=())
        inner = draft.param("b", "bias" + draft.pick(("", " (per = element)")), indices=())
        return f"{net}({inner})" if draft.chance(0.7) else f"{net}({net}({inner}))"


STRIDED = (
    ("2", "3x3 (stride = 2)"),
    ("2", "4x4 (stride = 2)"),
    ("2", "1x2 (anchor = top_left, stride = (2, 2))"),
    ("3", "2x3 (anchor = bottom_left, dilation = 2, stride = 3)"),
)


@production(CONSTANT, {"rule:NET", "option:stride"}, weight=0.3, when=lambda draft: "H" in draft.sizes)
def reads_every_second_pixel(draft: Draft) -> str:
    """A net of a wider bias: its convolution leaves pixels out."""
    times, taps = draft.rng.choice(STRIDED)
    name, kept = draft.sketch.fresh("N"), draft.pick((" with lip <= 0.7", " with lip <= 2", ""))
    narrow = f"Image[K, H / {times}, W / {times}]"
    draft.sketch.items.append(
        f"net {name}(K: Nat) from Image[C, H, W] to {narrow} {{\n"
        f"  param V : conv {taps} from Image[C, H, W] to {narrow}{kept}\n"
        f"  map v -> {draft.pick(('V(tanh(v))', 'sin(V(v))', 'V(v)'))}\n}}"
    )
    wide = f"Image[2, {times} * H, {times} * W]"
    with draft.closed():
        inner = draft.param("b", f"bias (per = element) on {wide}", indices=())
        net = draft.param("n", f"net {name}(K = C) from {wide} to Image[C, H, W]", indices=())
        return f"{net}({inner})"


@production(CONSTANT, {"rule:NET"}, weight=0.3)
def given_by_the_user(draft: Draft) -> str:
    """An extern net of a bias, alone or inside of another net."""
    extern, name = draft.sketch.fresh("E"), draft.sketch.fresh("N")
    draft.sketch.items.append(f"extern net {extern} from S to S")
    if draft.chance(0.3):
        draft.sketch.items.append(f"net {name} from S to S {{ param e : net {extern} map v -> v + e(sin(v)) }}")
    else:
        name = extern
    with draft.closed():
        inner = draft.param("b", "bias" + draft.pick(("", " (per = element)")), indices=())
        return f"{draft.param('n', f'net {name}', indices=())}({inner})"


# ---------------------------------------------------------------- mutants


@mutant({"rule:NET"}, weight=2)
def net_without_a_body(module: ast.Module, rng: Random) -> ast.Module | None:
    """A net becomes an extern one, which has no masks and promises no values."""

    def changed(found: ast.Net) -> ast.Extern | None:
        return None if found.formals else ast.Extern(found.name, found.inputs, found.outputs, found.doc, found.span)

    return change_one(module, rng, ast.Net, changed)


@mutant({"rule:NET"}, weight=3)
def net_of_the_variable(module: ast.Module, rng: Random) -> ast.Module | None:
    """A net of a layer reads the variable."""
    nets = {b.name.id for _, p in sites(module, ast.Param) if isinstance(p.kind, ast.KindNet) for b in p.binders}
    names = sorted({m.args[0].id for _, m in sites(module, ast.Map) if m.args[0].id != "v"})

    def changed(found: ast.Apply) -> ast.Apply | None:
        if not names or not isinstance(found.fn, ast.Name) or found.fn.id not in nets:
            return None
        value = ast.Name(names[0], found.span)
        return replace(found, args=tuple(replace(arg, value=value) for arg in found.args))

    return change_one(module, rng, ast.Apply, changed)
