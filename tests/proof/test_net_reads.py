"""What a net reads: random nets against the Jacobian of the interpreter, and the kernel against the checker."""

from __future__ import annotations

import math
from itertools import product
from random import Random

import pytest

import mintdsl
from mintdsl.core import ir
from mintdsl.core.canonical import Statement
from mintdsl.core.dual import variables
from mintdsl.core.interpret import parameters
from mintdsl.core.interpret_env import bind
from mintdsl.core.interpret_layer import apply_net
from mintdsl.core.interpret_weights import Weights
from mintdsl.core.orders import ORDERS
from mintdsl.proof.kernel.nets import read_by
from mintdsl.proof.reads import Scope, net_reads

VEC = {
    "data": (
        "L(data)",
        "S(data)",
        "M(data)",
        "O(hid)",
        "P(hid)",
        "Q(hid)",
        "tanh(data)",
        "data + data",
        "n(data)",
        "x",
        "x",
    ),
    "hid": ("I(data)", "J(data)", "H(hid)", "K(hid)", "hid * hid", "elu(hid)"),
}
OWN = {
    "own": ("E(data)", "E(data)", "G(data)", "R(hid)", "T(own)", "U(own)", "own * tanh(own)", "n(data)"),
    "data": (*VEC["data"][:6], "X(own)", "Y(own)", "tanh(data)", "x"),
    "hid": ("I(data)", "J(own)", "H(hid)", "elu(hid)"),
}
"""Two elements for each one of the data."""
SEQ = {
    "data": ("A(data)", "B(data)", "V(data)", "delay(data)", "data + data", "O(hid)", "n(data)", "x", "x"),
    "hid": ("I(data)", "F(hid)", "delay(hid)", "N(hid)", "hid + hid", "concat(data, data)"),
}
SHAPES = {
    "Vec": """  param L : linear lower
  param S : linear strict lower
  param M : linear upper
  param I, J : linear lower from Vec[D] to Vec[5]
  param H : linear lower on Vec[5]
  param K : linear strict lower on Vec[5]
  param O : linear strict lower from Vec[5] to Vec[D]
  param P : linear lower from Vec[5] to Vec[D]
  param Q : linear strict upper from Vec[5] to Vec[D]
""",
    "Own": """  space Own = Vec[2 * D] (degrees = own)
  param L : linear lower
  param S : linear strict lower
  param M : linear upper
  param I : linear lower from Vec[D] to Vec[5]
  param J : linear lower from Own to Vec[5]
  param H : linear lower on Vec[5]
  param O : linear strict lower from Vec[5] to Vec[D]
  param P : linear lower from Vec[5] to Vec[D]
  param Q : linear strict upper from Vec[5] to Vec[D]
  param E : linear strict lower from Vec[D] to Own
  param G : linear lower from Vec[D] to Own
  param R : linear strict lower from Vec[5] to Own
  param T : linear lower on Own
  param U : linear strict lower on Own
  param X : linear lower from Own to Vec[D]
  param Y : linear strict lower from Own to Vec[D]
""",
    "Seq": """  param A : attention lower
  param B : attention upper
  param V : linear
  param I : linear from Seq[T, D] to Seq[T, 2 * D]
  param O : linear from Seq[T, 2 * D] to Seq[T, D]
  param F : attention lower on Seq[T, 2 * D]
  param N : layer_norm on Seq[T, 2 * D]
""",
}
KINDS = ("Vec", "Own", "Seq")


def formula(kind: str, rng: Random, depth: int) -> str:
    """A random formula of the shape of the data, of hidden units, or of elements that share positions."""

    def make(goal: str, left: int) -> str:
        table = {"Vec": VEC, "Own": OWN, "Seq": SEQ}[kind]
        forms = [f for f in table[goal] if left or f == "x"] or ["G(data)" if goal == "own" else "I(data)"]
        text = rng.choice(forms)
        for word in ("data", "hid", "own"):
            while word in text:
                text = text.replace(word, f"({make(word, max(left - 1, 0))})", 1)
        return text

    return make("own" if kind == "Own" else "data", depth)


def program(kind: str, seed: int) -> str:
    rng = Random(seed)
    shape = {"Vec": "Vec[D]", "Own": "Vec[D]", "Seq": "Seq[T, D]"}[kind]
    result, wide = ("Own", "Vec[2 * D]") if kind == "Own" else (shape, shape)
    inner = formula(kind, rng, 2).replace("n(", "G(" if kind == "Own" else "tanh(")
    members = SHAPES[kind]
    last = (
        "  space Own = Vec[2 * D] (degrees = own)\n  param z : linear from Own to Vec[D]\n  map x -> x + z(n(b))"
        if kind == "Own"
        else "  map x -> x + n(b)"
    )
    return (
        f"mint 1\nnet Inner from {shape} to {result} {{\n{members}  map x -> {inner}\n}}\n"
        f"net Outer from {shape} to {result} {{\n{members}  param n : net Inner from {shape} to {wide}\n"
        f"  map x -> {formula(kind, rng, 4)}\n}}\n"
        f"layer Whole on {shape} {{\n  param b : bias (per = element)\n  param n : net Outer from {shape} to {wide}\n"
        f"{last}\n}}\n"
    )


@pytest.mark.parametrize(("kind", "seed"), list(product(KINDS, range(60))))
def test_random_nets(kind: str, seed: int) -> None:
    core, bag = mintdsl.loads(program(kind, seed)).core()
    assert not bag.has_errors, bag.sorted()
    key = core.main[-1]
    layer = core.definitions[key]
    assert isinstance(layer, ir.Layer)
    param = layer.param("n")
    assert isinstance(param.kind, ir.NetParam)
    order = ORDERS["time" if kind == "Seq" else "natural"]
    ((reads,),) = net_reads(param.kind, Scope({}, order), {})

    statement = Statement(core, key).data()
    definitions = {d["name"]: d for d in statement["definitions"]}  # type: ignore[index,union-attr,call-overload]
    (stated,) = (p["kind"] for p in definitions["Whole"]["params"] if p["name"] == "n")
    ((again,),) = read_by(definitions, stated, definitions["Whole"]["order"], {})
    assert {word.replace("*", "?") for word in reads} == again

    rng = Random(seed)
    dims = (3, 2) if kind == "Seq" else (4,)
    raw = {
        name: [rng.gauss(0, 0.7) for _ in range(math.prod(shape))]
        for name, shape in parameters(core, key, dims, {}).items()
    }
    weights = Weights(layer, bind(layer, dims, {}), raw).inside(param, ())
    (found,) = apply_net(weights, [variables([rng.gauss(0, 1) for _ in range(math.prod(dims))])])
    width = dims[1] if kind == "Seq" else 1
    each = 2 if kind == "Own" else width
    for p, dual in enumerate(found):
        for q, slope in enumerate(dual.row(math.prod(dims))):
            here, there = p // each, q // width
            word = "=" if here == there else "lower" if there < here else "upper"
            assert slope == 0 or word in reads or "*" in reads


def test_the_random_nets_have_every_class() -> None:
    """That the test above is about something: strict nets, causal ones and dense ones."""
    seen = set()
    for kind, seed in product(KINDS, range(60)):
        core, _ = mintdsl.loads(program(kind, seed)).core()
        layer = core.definitions[core.main[-1]]
        assert isinstance(layer, ir.Layer)
        own = layer.param("n").kind
        assert isinstance(own, ir.NetParam)
        seen.add(net_reads(own, Scope({}, ORDERS["time" if kind == "Seq" else "natural"]), {})[0][0])
    words = ({"="}, {"lower"}, {"lower", "="}, {"upper", "="}, {"*"})
    assert seen >= {frozenset(one) for one in words}


@pytest.mark.parametrize(("data", "width"), [(1, 3), (2, 1), (3, 2), (4, 7), (5, 4)])
@pytest.mark.parametrize("direction", ["lower", "upper"])
def test_counts_of_masks_between_spaces(data: int, width: int, direction: str) -> None:
    """What is counted as live is what a mask keeps, by the interpreter."""
    text = (
        f"mint 1\nnet M from Vec[D] to Vec[D] {{\n  param V : linear {direction} from Vec[D] to Vec[{width}]\n"
        f"  param H : linear {direction} on Vec[{width}]\n"
        f"  param W : linear strict {direction} from Vec[{width}] to Vec[D]\n"
        f"  map x -> W(H(V(x)))\n}}\nlayer L on Vec[{data}] {{\n  param n : net M\n  map x -> x + n(x)\n}}\n"
        f"flow F on Vec[{data}] {{ L }}\n"
    )
    spec = mintdsl.loads(text)
    counts = spec.check()["F"].counts
    core, _ = spec.core()
    layer = next(d for d in core.definitions.values() if isinstance(d, ir.Layer))
    key = next(k for k, d in core.definitions.items() if d is layer)
    raw = {name: [1.0] * math.prod(shape) for name, shape in parameters(core, key, (data,), {}).items()}
    inside = Weights(layer, bind(layer, (data,), {}), raw).inside(layer.param("n"), ())
    kept = sum(sum(map(bool, inside.of(name, ()))) for name in ("V", "H", "W"))
    assert counts is not None and counts.live == kept
