"""Every rule against random instances: what it concludes must hold of numbers, by secants and dense Jacobians.

Layers of one rule each are evaluated by the reference interpreter with weights from the whole admissible set. Secants,
not only tangents: `diag in [lo, hi]` speaks of difference quotients.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping

import pytest

import mintdsl
from mintdsl.core import interpret, ir
from mintdsl.core.interpret_env import bind_net
from mintdsl.core.interpret_weights import order_shape, sign_shape
from mintdsl.core.interval import Interval
from mintdsl.core.orders import Order
from mintdsl.proof.check import LayerProof
from mintdsl.proof.jacobian import DENSE, NONE
from mintdsl.proof.prover import FlowProof, Prover
from mintdsl.proof.rules import RULES

PARAMS = """
  param s : scale
  param t : scale with diag > 0
  param n : scale with diag != 0
  param r : scale with diag >= 0.5, diag <= 2
  param A, B : linear lower
  param P : linear lower with diag >= 0
  param S : linear strict lower
  param c : bias (per = element)
"""

TERMS = {
    "VAR": ("x",),
    "CONST": ("x + c", "x + 3", "2 * x"),
    "BASIC": ("A(x)", "S(x)", "P(x)"),
    "ADD": ("t * x + P(x)", "A(x) + B(x)", "P(x) - t * x", "n * x + A(x)", "x + S(x)", "tanh(x) + r * x"),
    "NEG": ("-x", "-A(x)", "-(-P(x))"),
    "SUM": ("sum[i](F[i](x))", "sum[i](G[i](x))", "sum[i](d[i])+ x"),
    "COMP": ("A(B(x))", "P(S(x))", "P(P(x))", "A(t * x)"),
    "ACT": ("elu(A(x))", "tanh(n * x)", "sin(P(x))", "gelu(x)", "abs(t * x)", "exp(tanh(x))", "log(1 + softplus(x))"),
    "MUL": ("n * A(x)", "x * exp(S(x))", "s * x", "softplus(x) * exp(x)", "A(x) * S(x)", "tanh(x) * r"),
    "DIV": ("x / (1 + sigmoid(S(x)))", "A(x) / t", "1 / (1 + softplus(x))", "3 / r + x", "x / (2 + tanh(x))"),
    "TIE": ("t * x + U(elu(V(x)))", "U(V(x))", "V(x)"),
    "BN": ("m(x)", "t * m(A(x))", "n * m(x) + c"),
    "ACT-P": (
        "rq_spline(A(x), widths = w, heights = k, slopes = l, floor = 0.05)",
        "rq_spline(x, widths = w, heights = 3 * k, slopes = -l, bound = 10) + P(x)",
        "mix_logistic(A(x), logits = w, means = k, log_scales = w) + x",
        "-mix_logistic(n * x, logits = l, means = 2 * l, log_scales = -l)",
        "-rq_spline(n * rq_spline(x, widths = k, heights = w, slopes = l), widths = w, heights = w, slopes = l)",
    ),
    "APPLY": ("Low(2 * Low(x))", "Box(A(x)) + c", "x + Low(P(x))", "x + Last(Low(x))", "Box(c) * x", "Mix(Low(x))"),
    "NET": ("x + g(c)", "t * g(c)", "x * exp(tanh(g(g(c)))) + concat(e, f)"),
}
"""For each rule of formulas, layers on a vector in which it is applied."""

EXTRA = {
    "SUM": "  index i : K\n  param F[i] : linear lower with diag > 0\n  param G[i] : linear lower\n"
    "  param d[i] : bias (per = element)\n",
    "TIE": "  param U, V : linear lower\n  tie diag(U) * diag(V) >= 0\n",
    "BN": "  param m : normalize\n",
    "ACT-P": "  param w, k : bias on Vec[3 * D]\n  param l : bias on Vec[2 * D]\n",
    "NET": "  param g : net G\n  param e : bias on Vec[1]\n  param f : bias on Vec[D - 1]\n",
}
APPLIED = (
    "layer Low on Vec[D] {\n  param W : linear lower with diag > 0\n  map x -> W(x) + tanh(x)\n}\n"
    "layer Box on Vec[D] {\n  map x -> sigmoid(2 * x)\n}\n"
    "layer Last on Vec[D] {\n  param W : linear strict lower\n  map x -> W(x)\n}\n"
    "layer Mix on Vec[D] {\n  param P : perm\n  map x -> P(x)\n}\n"
)
NETS = "net G from Vec[D] to Vec[D] {\n  param V : linear\n  param b : bias\n  map x -> V(sin(x)) + b * b\n}\n"


def one_layer(rule: str, term: str) -> mintdsl.driver.Program:
    nets, formals = {"NET": NETS, "APPLY": APPLIED}.get(rule, ""), "(K: Nat = 2)" if rule == "SUM" else ""
    return mintdsl.loads(
        f"mint 1\n{nets}layer L{formals} on Vec[D] {{\n{PARAMS}{EXTRA.get(rule, '')}  map x -> {term}\n}}\n"
    )


Raw = dict[str, list[float]]


def draws(
    core: ir.Program, layer: ir.Layer, dims: tuple[int, ...], sizes: Mapping[str, int], seed: int
) -> Iterator[Raw]:
    """Raw tensors: normal, wide, extreme."""
    inside = {key: shape for key, shape in interpret.parameters(core, core.main[-1], dims, sizes).items() if "." in key}
    generator = random.Random(seed)
    for scale in (0.5, 3.0, 40.0):
        raw: Raw = {key: [generator.gauss(0, scale) for _ in range(math.prod(n))] for key, n in inside.items()}
        for param in layer.params:
            if isinstance(param.kind, ir.NetParam | ir.LayerParam):
                continue
            count = math.prod(interpret.param_shape(layer, param, dims, sizes))
            if isinstance(param.kind, ir.Normalize):
                raw[f"{param.name}_mean"] = [generator.gauss(0, scale) for _ in range(count)]
                raw[f"{param.name}_var"] = [abs(generator.gauss(0, scale)) for _ in range(count)]
                continue
            raw[param.name] = [generator.choice((0.0, generator.gauss(0, scale))) for _ in range(count)]
            signs = sign_shape(layer, param, dims, sizes)
            if signs is not None:
                raw[f"{param.name}_sign"] = [generator.choice((-1.0, 1.0)) for _ in range(math.prod(signs))]
        yield raw


def contains(interval: Interval, value: float, slack: float) -> bool:
    return interval.lo - slack <= value <= interval.hi + slack


@pytest.mark.parametrize(("rule", "term"), [(r, t) for r, terms in TERMS.items() for t in terms])
def test_rules_of_formulas(rule: str, term: str) -> None:
    program = one_layer(rule, term)
    core, bag = program.core()
    assert not bag.has_errors, bag.sorted()
    key = core.main[-1]
    proof = Prover(core).prove(key, {})
    assert isinstance(proof, LayerProof)
    used = {node.rule for node in proof.derivation.nodes()} | {
        "TIE" for node in proof.derivation.nodes() if "TIE" in node.note
    }
    assert rule in used
    layer, dims, sizes = proof.layer, (3,), {"K": 2} if rule == "SUM" else {}
    jacobian = proof.jacobian
    generator = random.Random(7)
    checked = 0
    for raw in draws(core, layer, dims, sizes, 11):

        def at(x: list[float], raw: Mapping[str, list[float]] = raw) -> interpret.Result:
            return interpret.evaluate_layer(core, key, x, dims, sizes, raw)

        signs: dict[int, int] = {}
        for scale in (0.1, 1.0, 20.0):
            x = [generator.gauss(0, scale) for _ in range(3)]
            here = at(x)
            for p in range(3):
                other = [v + generator.choice((1e-3, 0.7, -5.0)) * (q == p) for q, v in enumerate(x)]
                there = at(other)
                if not all(map(math.isfinite, (*here.value, *there.value))):
                    continue
                checked += 1
                # structure: what an entry may not read does not move it, exactly
                for q in range(3):
                    if q != p and (jacobian.off == NONE or (jacobian.off != DENSE and q < p)):
                        assert here.value[q] == there.value[q]
                        assert here.jacobian[q][p] == 0
                if jacobian.off == DENSE:
                    continue
                secant = (there.value[p] - here.value[p]) / (other[p] - x[p])
                noise = 1e-12 * (1 + abs(here.value[p]) + abs(there.value[p])) / abs(other[p] - x[p])
                signed = jacobian.diag
                for slope, slack in ((secant, noise), (here.diagonal[p], 1e-12 * (1 + abs(here.diagonal[p])))):
                    if not signed.monomial:
                        assert contains(signed.interval, slope, slack)
                        continue
                    # with a sign that the weights decide: one sign for each entry, for all inputs
                    assert contains(signed.interval.hull(-signed.interval), slope, slack)
                    if abs(slope) > slack and (signed.interval.nonnegative or signed.interval.nonpositive):
                        assert signs.setdefault(p, int(math.copysign(1, slope))) == math.copysign(1, slope)
                if not jacobian.range.monomial:
                    assert contains(jacobian.range.interval, here.value[p], 1e-12 * (1 + abs(here.value[p])))
            apart = math.dist(x, other)
            if math.isfinite(jacobian.lip) and apart:
                assert math.dist(here.value, there.value) <= jacobian.lip * apart * (1 + 1e-9) + 1e-9
    assert checked >= 20


FLOWS: dict[str, Callable[[], str]] = {
    "I-TRI": lambda: (
        "layer A on Vec[D] { param t : scale with diag > 0  param W : linear lower with diag >= 0\n"
        "map x -> t * x + W(tanh(x)) }\nflow F on Vec[3] { A }"
    ),
    "I-COMP": lambda: (
        "layer A on Vec[D] { param t : scale with diag != 0  map x -> t * x }\n"
        "layer B on Vec[D] { map x -> x + tanh(x) }\nflow F on Vec[3] { A B A }"
    ),
    "PAIR": lambda: (
        "layer A(tri: Dir) on Vec[D] { param W : linear tri with diag > 0  map x -> W(x) }\n"
        "flow F on Vec[3] { pair { A(tri = lower) A(tri = upper) } }"
    ),
    "CHAIN": lambda: (
        "layer A on Vec[D] { param P : perm  param L : linear lower with diag == 1  param U : linear upper with "
        "diag != 0\nparam s : scale with diag != 0  param b : bias\n"
        "map x -> b - leaky_relu(s * P(L(U(x)) + b), 0.5) / s }\nflow F on Vec[3] { A }"
    ),
    "DET": lambda: (
        "layer A on Vec[D] { param V : linear with det != 0 via qr  param W : linear with det != 0\n"
        "map x -> V(W(x)) }\n"
        "layer B on Vec[D] ensures volume_preserving { param V : linear with det == 1 via householder\n"
        "param W : linear with det == 1  map x -> V(W(x)) }\nflow F on Vec[3] { A B }"
    ),
    "HALF-PLANE": lambda: (
        "layer A on Image[C, H, W] { param V : conv 2x3 (anchor = top_right) with det != 0 via qr\n"
        "param W : conv 3x2 (anchor = bottom_left, dilation = 2) with det == 1  map x -> V(W(x)) }\n"
        "flow F on Image[2, 2, 3] { A }"
    ),
    "SERIES": lambda: (
        "layer A on Vec[D] { param V : linear with lip <= 0.8  map x -> x + V(tanh(x)) }\n"
        "flow F on Vec[3] { A log_det series(terms = 6)  repeat 2 { A log_det series(bits_per_dim <= 1e-3) } }"
    ),
    "ROULETTE": lambda: (
        "layer A on Vec[D] { param V : linear with lip <= 0.8  map x -> x + V(tanh(x)) }\n"
        "flow F on Vec[3] { A log_det roulette(first = 2, keep = 0.7)  A log_det roulette(first = 1) }"
    ),
    "CIRCULANT": lambda: (
        "layer A on Image[C, H, W] { param V : conv 2x3 (anchor = top_right, boundary = circular) with det != 0 "
        "via raw init orthogonal\nparam W : conv 3x4 (anchor = bottom_left, dilation = 2, boundary = circular) "
        "with det != 0 via dominant  map x -> V(W(x)) }\nflow F on Image[2, 2, 3] { A }"
    ),
    "DOMINANT": lambda: (
        "layer A on Image[C, H, W] { param V : conv 3x3 with det != 0 via dominant\n"
        "param W : conv 1x3 (dilation = 2) with det != 0 via dominant init near_identity  map x -> V(2 * W(x)) }\n"
        "flow F on Image[2, 2, 3] { A }"
    ),
    "LOWRANK": lambda: (
        "layer A on Vec[D] { param V : linear (rank = 2) with det != 0  param W : linear (rank = 1) with det != 0 "
        "via raw\nmap x -> V(W(x)) }\nlayer B(d: Nat) on Image[C, H, W] { param V : conv 1x1 (rank = d) with det != 0\n"
        "map x -> V(x) }\nflow F on Image[1, 1, 3] { transpose(channel, width)  B(d = 3)  B(d = 2)  flatten  A }"
    ),
    "RES": lambda: (
        "layer A(a: Real = 0.9) on Vec[D] { param V : linear from Vec[D] to Vec[2] with lip <= a\n"
        "param W : linear from Vec[2] to Vec[D] with lip <= 1  param s : scale with lip <= 0.5  param b : bias\n"
        "map x -> b + x - (W(sin(V(x))) * 0.5 + s * elu(x)) }\n"
        "layer B on Image[C, H, W] { param V : conv 3x3 with lip <= 0.99  map x -> V(tanh(x)) + x }\n"
        "layer C on Vec[D] { param V, W : linear with lip <= 0.4  param t : scale with diag >= 0.9, diag <= 2\n"
        "map x -> V(x) - t * x - W(sin(x)) - 0.2 * tanh(x) }\n"
        "flow F on Image[1, 2, 2] { B log_det exact  flatten  A log_det exact  C log_det exact }"
    ),
    "EXP": lambda: (
        "layer A(c: Real = 2) on Image[C, H, W] { param M : conv 3x3 with lip <= c  param N : conv 1x2 "
        "(anchor = top_left) with lip <= 0.5  map x -> exp(N)(2 * exp(M)(x)) }\n"
        "layer B on Vec[D] { param M : linear with lip <= 4  map x -> exp(M)(leaky_relu(x, 0.5)) }\n"
        "flow F on Image[1, 2, 2] { A  A(c = 0.3)  flatten  B }"
    ),
    "CAYLEY": lambda: (
        "layer A(a: Real = 0.5) on Image[C, H, W] { param K : conv 3x3 with lip <= a  map x -> cayley(K)(x) }\n"
        "layer B on Vec[D] { param M : linear with lip <= 0.8  map x -> cayley(M)(x) }\n"
        "flow F on Image[1, 2, 2] { A log_det exact  A(a = 0.95, direction = inverse) log_det exact  flatten\n"
        "B log_det exact }"
    ),
    "ODE": lambda: (
        "net N from Vec[D], Vec[1] to Vec[D] { param V : linear  param W : linear from Vec[1] to Vec[D]\n"
        "map x, t -> 0.3 * tanh(V(x) + W(t)) }\nflow F on Vec[2] { ode N by dopri5(until = 0.5) log_det exact }"
    ),
    "INVERSE": lambda: (
        "layer A(tri: Dir) on Vec[D] { param t : scale with diag >= 0.5  param W : linear tri with diag >= 0\n"
        "map x -> t * x + tanh(W(x)) }\nlayer S on Vec[D] { map x -> sigmoid(x) }\n"
        "layer P on Vec[D] ensures volume_preserving { param W : linear with det == 1  map x -> W(x) }\n"
        "flow F on Vec[3] { pair { A(tri = lower, direction = inverse)  A(tri = upper) }  P(direction = inverse)  S\n"
        "S(direction = inverse) }"
    ),
    "PERM": lambda: (
        "flow F on Image[1, 2, 4] { squeeze 2 (layout = alternate)  permute(seed = 1)  "
        "unsqueeze 2 (layout = colour_slow)  reverse(axis = all)  patches 2  permute(axis = time)  "
        "reverse(axis = time)  flatten  permute(axis = all) }"
    ),
    "LOGIT": lambda: "flow F on Image[1, 1, 2] { logit(0.1) }",
    "SCALE": lambda: "flow F on Image[1, 1, 2] { standardize(mean = 0.5, std = 0.25) }",
    "PAD": lambda: "flow F on Image[1, 1, 2] { pad channels to 3 }",
    "FACTOR": lambda: (
        "flow F on Vec[4] { standardize(mean = 0, std = 0.5)  factor half  standardize(mean = 1, std = 4)\n"
        "factor half (keep = second)  standardize(mean = 0, std = 0.125) }"
    ),
}


JOINED = {
    "JOIN": (
        ("Vec[4]", "halves", "a, b", "a, (b - tanh(a)) * exp(sin(a))"),
        ("Vec[6]", "strided, parts = 3, start = 2", "a, b, c", "a - b * c, b / (1 + exp(c)), -c"),
        ("Image[2, 1, 2]", "channel", "a, b", "(a + V(b)) * sigmoid(V(b) + 2), b"),
        ("Seq[2, 2]", "channel, start = 1", "a, b", "a * 2, a - b"),
        ("Vec[2]", "halves", "a, b", "a, rq_spline(b, widths = concat(a, -a), heights = concat(a, a), slopes = a)"),
    ),
    "PICK": (
        ("Image[1, 2, 3]", "checkerboard", "a, b", "a, b * pick(exp(tanh(W(spread(a)))), b) + pick(W(spread(a)), b)"),
        ("Image[2, 2, 1]", "cyclic, parts = 3", "a, b, c", "a - pick(softplus(spread(c)), a), b / pick(k, b), c"),
    ),
}


@pytest.mark.parametrize(("rule", "case"), [(r, c) for r, cases in JOINED.items() for c in cases])
def test_rules_of_parts(rule: str, case: tuple[str, str, str, str]) -> None:
    shape, how, names, parts = case
    params = "  param V : conv 3x3 on Image[1, 1, 2]\n" if "V(" in parts else ""
    params += "  param W : conv 3x3\n" if "W(" in parts else ""
    params += "  param k : scale with diag != 0\n" if "k" in parts.replace("pick", "") else ""
    text = f"layer L on {shape} {{\n{params}  map x {{ let ({names}) = split(x, {how})  return join({parts}) }}\n}}\n"
    core, bag = mintdsl.loads("mint 1\n" + text).core()
    assert not bag.has_errors, bag.sorted()
    (key,) = core.main
    proof = Prover(core).prove(key, {})
    assert isinstance(proof, LayerProof) and proof.bijection is not None and not proof.diagnostics
    assert rule in {node.rule for node in proof.derivation.nodes()}
    layer, split = proof.layer, proof.layer.split
    assert split is not None
    dims = tuple(d.constant or 0 for d in layer.shape.dims)
    size, start = math.prod(dims), split.start.constant or 0
    owner = [0] * size  # worked out again, from the meaning of the words
    for place, index in enumerate(itertools.product(*map(range, dims))):
        channel, count = index[0] if len(dims) == 3 else index[-1], len(split.parts)
        channels = dims[0] if len(dims) == 3 else dims[-1]
        residue = {
            "halves": channel * 2 // channels,
            "channel": channel * count // channels,
            "strided": channel,
            "checkerboard": sum(index[1:]),
            "cyclic": sum(index),
        }[split.how]
        owner[place] = (residue - start) % count
    generator = random.Random(3)
    for raw in draws(core, layer, dims, {}, 5):
        for scale in (0.1, 1.0, 5.0):
            x = [generator.gauss(0, scale) for _ in range(size)]
            here = interpret.evaluate_layer(core, key, x, dims, {}, raw)
            for p, q in itertools.product(range(size), repeat=2):
                part = proof.parts[owner[p]]
                if p != q and (owner[p] == owner[q] or split.parts[owner[q]] not in part.reads):
                    assert here.jacobian[p][q] == 0
                elif p == q:
                    interval = part.jacobian.diag.forget().interval
                    assert contains(interval, here.jacobian[p][p], 1e-12 * (1 + abs(here.jacobian[p][p])))


def test_every_rule_has_instances() -> None:
    assert set(TERMS) | set(FLOWS) | set(JOINED) == set(RULES)


@pytest.mark.parametrize("rule", FLOWS)
def test_rules_of_flows(rule: str) -> None:
    core, bag = mintdsl.loads("mint 1\n" + FLOWS[rule]()).core()
    assert not bag.has_errors, bag.sorted()
    key = core.find("F")
    assert key is not None
    proof = Prover(core).prove(key, {})
    assert isinstance(proof, FlowProof) and proof.bijection is not None
    steps = [node.rule for one in Prover(core).used([key]) for node in one.proof.derivation.nodes()]
    assert rule in steps
    dims = tuple(d.constant or 0 for d in core.definitions[key].shape.dims)
    generator = random.Random(3)
    domain = proof.bijection.domain
    low, high = max(domain.lo, -3.0), min(domain.hi, 3.0)
    for _ in range(20):
        raw: Raw = {}
        for name, count in tensors(core, key, dims):
            values = [generator.gauss(0, 1) for _ in range(count)]
            raw[name] = [math.copysign(1.0, v) for v in values] if name.endswith("_sign") else values
            if name.endswith("_order"):
                raw[name] = generator.sample(range(count), count)
        points = [[generator.uniform(low + 0.01, high - 0.01) for _ in range(math.prod(dims))] for _ in range(2)]
        one, two = (interpret.evaluate_flow(core, key, x, dims, {}, raw) for x in points)
        assert one.value != two.value  # injective
        if len(one.value) == len(points[0]):
            assert math.isfinite(one.log_det)
            assert not proof.passage.preserving or abs(one.log_det) < 1e-12
            if rule != "LOGIT":
                assert math.dist(one.value, two.value) <= proof.passage.lip * math.dist(*points) * (1 + 1e-9)
        else:
            assert proof.passage.padded and proof.bijection.codomain is None


def tensors(core: ir.Program, key: str, dims: tuple[int, ...]) -> list[tuple[str, int]]:
    found = []
    definition = core.definitions[key]
    whole = interpret.bind(definition, dims, {})
    for step in definition.steps if isinstance(definition, ir.Flow) else ():
        if isinstance(step.op, ir.Ode):
            field, env = step.op.field, bind_net(step.op.field, whole)
            found += [
                (f"{step.name}.field.{p.name}", math.prod(interpret.param_shape(field.net, p, env.dims, env.sizes)))
                for p in field.net.params
            ]
    for prefix, layer, env in interpret.layers(core, definition, whole, ""):
        for param in (p for p in layer.params if not isinstance(p.kind, ir.LayerParam)):
            found.append((prefix + param.name, math.prod(interpret.param_shape(layer, param, env.dims, env.sizes))))
            signs = sign_shape(layer, param, env.dims, env.sizes)
            if signs is not None:
                found.append((f"{prefix}{param.name}_sign", math.prod(signs)))
            order = order_shape(layer, param, env.dims, env.sizes)
            if order is not None:
                found.append((f"{prefix}{param.name}_order", math.prod(order)))
    return found


def test_an_order_is_a_key() -> None:
    """Tied indices are no later than each other: (h + w, c) does not tell (0, 1) from (1, 0)."""
    corner = Order("corner", "Image", ((0, 1, 1), (1, 0, 0)))
    assert corner.compare((0, 1, -1)) == 0
    assert corner.compare((1, 1, -1)) == 1
