"""Autoregressive layers: affine in each coordinate, with terms from masked nets that are strict."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from ..draft import Sketch
from ..edit import change_one
from ..registry import mutant, whole
from .residuals import BETAS

UNARY = ("tanh", "sin", "softplus", "sigmoid", "relu", "gelu")
POSITIVE = ("exp(tanh({}))", "exp({} / 2)", "(1 + softplus({}))", "(0.3 + sigmoid({}))", "exp(-sin({}))")


@whole({"rule:NET", "given:layer"}, weight=2.0)
def autoregressive(sketch: Sketch) -> None:
    """A layer around a masked net, alone or in a flow with its order turned."""
    size = sketch.rng.choice((1, 2, 3, 4, 5, 6))
    direction = sketch.rng.choice(("lower", "upper", "way"))
    conditional = sketch.chance(0.3)
    context = " given c : Vec[D]" if conditional else ""
    formal = f"(way: Dir = {sketch.rng.choice(('lower', 'upper'))})" if direction == "way" else ""
    net, results = _net(sketch, direction, formal, size, conditional)
    args = ", ".join(["x", *(["c"] if conditional else [])])
    shapes = ", ".join(["Vec[D]"] * (1 + conditional))
    made = "Vec[D]" if results == 1 else f"({', '.join(['Vec[D]'] * results)})"
    use = f"{net}(way = way)" if formal else net
    members = [f"param n : net {use} from {shapes} to {made}"]
    names = ["m", "a", "e"][:results]
    text = "x"
    for _ in range(sketch.rng.choice((1, 2, 2, 3))):
        text = _link(sketch, text, names, direction, members)
    bound = f"let ({', '.join(names)}) = n({args})" if results > 1 else f"let m = n({args})"
    claims = sketch.rng.choice(("invertible", "invertible, diag != 0", "injective", "log_det exact, invertible"))
    layer = sketch.fresh("A")
    declared = "".join(f"  {m}\n" for m in members)
    sketch.items.append(
        f"layer {layer}{formal} on Vec[D]{context} ensures {direction}, {claims} {{\n{declared}  map x {{\n"
        f"    {bound}\n    return {text}\n  }}\n}}"
    )
    again = sketch.rng.choice(("", f" reverse {layer}", f" {layer}(way = upper)" if formal else ""))
    on = f"Vec[{size}]{context.replace('D', str(size))}"
    sketch.items.append(f"flow {sketch.fresh('F')} on {on} ensures injective {{ {layer}{again} }}")


def _net(sketch: Sketch, direction: str, formal: str, size: int, conditional: bool) -> tuple[str, int]:
    """Write a masked net; its name, and how many results it has."""
    rng = sketch.rng
    width, results = max(size - 1, 1) * rng.choice((1, 2)) + rng.choice((0, 1)), rng.choice((1, 2, 2, 3))
    strict = "strict " if not sketch.chance(sketch.risk) else ""
    params = [f"V : linear {direction} from Vec[D] to Hid", "b : bias on Hid init normal(std = 0.3)"]
    lines = [f"let u = {rng.choice(UNARY)}(V(v) + b)"]
    if sketch.chance(0.5):
        params.append(f"W : linear {direction} on Hid")
        lines.append(f"let w = u + W({rng.choice(UNARY)}(u))" if sketch.chance(0.5) else "let w = tanh(W(u))")
    if sketch.chance(0.2):
        params.append(f"c : scale on Vec[1] with {rng.choice(BETAS)}")
        lines[0] = f"let u = swish({lines[0].removeprefix('let u = ')}, beta = c)"
    last = "w" if len(lines) > 1 else "u"
    if conditional:
        params.append("U : linear from Vec[D] to Hid")
        lines[0] = lines[0].replace("+ b", "+ U(k) + b")
    found = []
    for k in range(results):
        params.append(f"R{k} : linear {strict}{direction} from Hid to Vec[D]")
        term = f"R{k}({last})"
        if sketch.chance(0.4):
            params.append(f"s{k} : {rng.choice(('bias', 'scale'))} on Vec[D]")
            term += f" {rng.choice('+-')} s{k}" if f"s{k} : bias" in params[-1] else f" * s{k}"
        if sketch.chance(0.3):
            params.append(f"T{k} : linear strict {direction} on Vec[D]")
            term += f" + T{k}({rng.choice(('v', 'tanh(v)'))})"
        found.append(term)
    name = sketch.fresh("M")
    inputs = "Vec[D], Vec[D]" if conditional else "Vec[D]"
    outputs = "Vec[D]" if results == 1 else f"({', '.join(['Vec[D]'] * results)})"
    body = "\n    ".join([*lines, f"return {found[0]}" if results == 1 else f"return ({', '.join(found)})"])
    declared = "".join(f"  param {p}\n" for p in params)
    sketch.items.append(
        f"net {name}{formal} from {inputs} to {outputs} {{\n  space Hid = Vec[{width}]\n{declared}"
        f"  map {'v, k' if conditional else 'v'} {{\n    {body}\n  }}\n}}"
    )
    return name, results


def _link(sketch: Sketch, text: str, names: list[str], direction: str, members: list[str]) -> str:
    """One more link around what becomes of the variable."""
    rng = sketch.rng
    term = rng.choice(names)
    if sketch.chance(0.2):
        name = sketch.fresh("S")
        members.append(f"param {name} : linear strict {direction}")
        term = f"{name}({rng.choice(('x', 'tanh(x)'))})"
    scale = rng.choice(POSITIVE).format(term)
    if sketch.chance(0.1):
        return f"(-{text})"
    if sketch.chance(sketch.risk):
        scale = term  # a factor that may be 0
    return rng.choice(
        (f"({text} + {term})", f"({text} - {term})", f"({term} - {text})", f"({text} * {scale})", f"({text} / {scale})")
    )


# ---------------------------------------------------------------- mutants


@mutant({"rule:NET"}, weight=2)
def matrices_of_a_net_exchanged(module: ast.Module, rng: Random) -> ast.Module | None:
    """A net applies one of its matrices where it applied another."""

    def other(net: ast.Net) -> ast.Net | None:
        maps = [b.name.id for p in net.members if isinstance(p, ast.Param) for b in p.binders if b.name.id[0] in "VWRT"]
        if len(maps) < 2:
            return None
        old, new = rng.sample(maps, 2)

        def renamed(found: ast.Apply) -> ast.Apply | None:
            if not isinstance(found.fn, ast.Name) or found.fn.id != old:
                return None
            return replace(found, fn=replace(found.fn, id=new))

        return change_one(net, rng, ast.Apply, renamed)

    return change_one(module, rng, ast.Net, other)
