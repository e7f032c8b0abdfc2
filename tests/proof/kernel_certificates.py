"""Certificates of every accepted program, and mutants of them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from math import inf, nextafter
from pathlib import Path
from typing import Any

import mintdsl
from mintdsl.core import ir
from mintdsl.core.canonical import Statement, digest
from mintdsl.driver import Program
from mintdsl.proof.certificate import certificate
from mintdsl.proof.prover import Prover
from mintdsl.proof.rules import RULES

ROOT = Path(__file__).resolve().parents[2]
Json = Any

MORE = {
    "actnorm stored as it is": "layer A on Image[C, H, W] ensures invertible { param s : scale (per = channel) "
    "with diag != 0 via raw\n map x -> s * x }\nflow F on Image[2, 2, 2] ensures invertible { A A }",
    "argument already plain": "layer A on Vec[D] ensures lower, invertible { param W : linear lower with diag > 0\n"
    "map x -> W(-(-x)) }",
    "bounded slopes": "layer A on Vec[D] ensures lip <= 1.75, inverse elementwise { param t : scale with diag >= 0.5, "
    "diag <= 1\n map x -> t * x + 3 * sigmoid(x) }\nflow F on Vec[3] ensures lip < 10 { repeat 3 { A } }",
    "four kinds of slopes": "layer A on Vec[D] ensures diagonal { param s : scale with diag != 0\n"
    "map x -> gelu(x) + silu(s * x) + sin(x) + abs(x) }",
    "formals of all types": "layer A(h: Act, o: Order, a: Real, d: Dir) on Image[C, H, W] ensures d, invertible {\n"
    "  order o\n  param t : scale with diag >= 1\n  param W : conv 3x3 d with diag >= 0\n"
    "  act g(u) = u + a * h(u)\n  map x -> t * x + g(W(leaky_relu(x, a))) }\n"
    "flow F on Image[3, 4, 4] ensures invertible {\n"
    "  A(h = tanh, o = raster, a = 0.5, d = lower) A(h = elu, o = corner, a = 2, d = upper)\n"
    "  pair { A(h = elu, o = corner, a = 2, d = upper) A(h = tanh, o = corner, a = 0.5, d = lower) } }",
    "inverse of growth": "layer A on Vec[D] ensures injective { map x -> softplus(x) / (1 + exp(-(x))) }",
    "lower and upper of one order": "layer A on Image[C, H, W] ensures invertible {\n  param t : scale with diag >= 1\n"
    "  param V : conv 3x1 strict lower\n  param W : conv 1x3 (anchor = centre) strict upper\n  order spatial\n"
    "  map x -> t * x + V(W(x)) + W(x) }\norder spatial = (w, h)",
    "nested repeats": "flow F(N: Nat) on Image[1, 4, 4] ensures invertible, log_det exact, inverse closed_form {\n"
    "  repeat 3 { repeat N { standardize(mean = 0, std = 2) } standardize(mean = 0.1, std = 0.3) } }",
    "numbers of the data": "layer A on S ensures diag > 0, invertible {\n"
    "  param s : scale with diag > 0 init from_data\n  param b : bias init from_data\n  map x -> s * (x + b) }\n"
    "flow F(N: Nat) on Image[1, 4, 4] ensures invertible, log_det exact, inverse closed_form {\n"
    "  repeat N { standardize(mean = data, std = data) A } prior learned_normal(per = element) }",
    "quotients": "layer A on Vec[D] ensures lower { param S : linear strict lower\n param t : scale with diag != 0\n"
    "map x { let u = x / (2 + tanh(S(x)))\n return u / t + log(1 + exp(S(u))) } }",
    "sum of families": "layer A(K: Nat) on Vec[D] ensures lower, diag > 0 { index i, j : K\n"
    "  param a[i], b[j], c[i, j] : scale with diag >= 0.1\n  param U[i, j] : linear lower\n"
    "  param V[j] : linear lower\n  tie diag(U[i, j]) * diag(V[j]) <= 0\n"
    "  map x { let v[j] = tanh(-(V[j](b[j] * x)))\n  return sum[i, j](c[i, j] * (U[i, j](v[j]) + a[i] * x)) } }",
    "estimated log-dets": "layer A(b: Real = 0.5) on Vec[D] ensures invertible { param W : linear with lip <= b\n"
    "map x { let u = W(tanh(x))\n return 0.5 + (x - u) } }\n"
    "flow I on Vec[4] ensures log_det estimate { repeat 3 { A log_det series(bits_per_dim <= 1e-3) } }\n"
    "flow F on Vec[4] ensures invertible, log_det estimate { I A(b = 0.8) log_det roulette(first = 2)\n"
    "  A log_det roulette(first = 1, keep = 0.3, probes = 0) A log_det series(terms = 3, probes = 0) prior normal }",
    "unit box": "layer S on Image[C, H, W] ensures injective { map x -> sigmoid(x) }\n"
    "flow F on Image[1, 4, 4] ensures injective { logit(0.1) S logit(0.2) }",
    "continuous flows": "act bent(u) = 0.5 * u + tanh(u)\nnet Block(h: Act) from Vec[D] to Vec[D] { param W : linear\n"
    "param n : layer_norm\nmap x -> x + W(h(n(x))) }\nnet Field(h: Act) from Vec[D], Vec[1] to Vec[D] {\n"
    "param V : linear from Vec[D + 1] to Vec[D]\nparam B : net Block(h = h)\nparam s : scale with diag > 0\n"
    "map x, time { let u = V(concat(x, time))\n return B(bent(u)) * sigmoid(time) / (s + 1) - tanh(x) * tanh(u) } }\n"
    "flow F(h: Act = softplus) on Vec[3] ensures invertible, log_det estimated, inverse solver {\n"
    "repeat 2 { ode Field(h = h) by dopri5(until = 0.5, tol = 1e-4) log_det hutchinson(probes = 2) }\n"
    "ode Field(h = elu) log_det exact }",
    "three scales": "layer A on Image[C, H, W] ensures lower, invertible { param k : conv 3x3 lower with diag > 0\n"
    "map x -> k(x) }\nflow F on Image[1, 8, 4] ensures invertible { squeeze 2 A factor half squeeze 2 repeat 2 { A }\n"
    "factor half (keep = second) A prior normal }",
    "halves of one box": "layer S on Vec[D] ensures injective { map x -> sigmoid(x) }\n"
    "flow F on Vec[8] ensures injective, log_det exact { S factor half factor half (keep = second) }",
    "halves of two boxes": "flow F on Vec[8] ensures injective { factor half logit(0.1) factor half }",
    "halves that only move": "flow F on Seq[3, 4] ensures invertible, volume_preserving, lip <= 1 { factor half }",
    "slopes beside what left": "flow F on Vec[8] ensures lip < 8.1, invertible { standardize(mean = 0, std = 0.5)\n"
    "factor half standardize(mean = 0, std = 4) factor half (keep = second) standardize(mean = 0, std = 0.0625) }",
    "halves by nets": "net N(h: Act = tanh) from S to (S, S) { map x -> (x, h(x)) }\n"
    "layer A on S ensures diag > 0, invertible { param s : scale with diag > 0\n map x -> s * x }\n"
    "flow F on Image[2, 4, 4] ensures invertible, log_det exact, inverse closed_form { squeeze 2 A\n"
    "  factor half (prior = N) A factor half factor half (keep = second, prior = N(h = elu)) prior logistic }",
    "halves of a box by nets": "net N from S to (S, S) { map x -> (x, x) }\n"
    "layer S on Vec[D] ensures injective { map x -> sigmoid(x) }\n"
    "flow F on Vec[8] ensures injective { factor half (prior = N) S factor half (prior = N) }",
    "exponentials": "layer E(c: Real = 2) on Image[C, H, W] ensures invertible, lip < 8 {\n"
    "  param M : conv 3x3 with lip <= c\n  param b : bias\n  map x -> exp(M)(x - b) }\n"
    "layer V on Vec[D] ensures invertible, lip <= 3 { param M : linear with lip <= 0.5\n"
    "map x -> exp(M)(leaky_relu(exp(M)(x), 0.5)) }\n"
    "flow F on Image[2, 2, 2] ensures invertible, inverse closed_form { E E(c = 0.5) flatten V }",
    "cayley maps": "net N(h: Act = tanh) from Vec[D] to Vec[D] { param V, W : linear with lip <= 0.9\n"
    "map x -> W(h(V(x))) }\nlayer A on Vec[D] ensures invertible, lip < 10 { param n : net N map x -> cayley(n)(x) }\n"
    "layer K(a: Real = 0.5) on Image[C, H, W] ensures invertible, lip < 3.1 { param M : conv 3x3 with lip <= a\n"
    "map x -> cayley(M)(x) }\nflow F on Image[1, 2, 2] ensures invertible, log_det estimate {\n"
    "K log_det exact K(a = 0.9, direction = inverse) log_det roulette(first = 1, keep = 0.7)\n"
    "flatten A log_det series(bits_per_dim <= 1e-3) repeat 2 { A log_det exact } }",
    "sorted pairs": "net N from Vec[D] to Vec[D] { space Hid = Vec[2 * D]\nparam V : linear from Vec[D] to Hid with "
    "lip <= 0.9\nparam W : linear from Hid to Vec[D] with lip <= 0.9\nmap x -> W(maxmin(V(x))) }\n"
    "net M from Vec[2], Vec[1] to Vec[2] { map x, t -> maxmin(x * tanh(t)) }\n"
    "layer A on Vec[D] ensures invertible, lip < 1.9 { param n : net N map x -> x - n(x) }\n"
    "flow F on Vec[2] ensures invertible, log_det solver { A log_det exact\n"
    "ode M by dopri5(until = 0.5, tol = 1e-4) log_det exact }",
    "concatenated swish": "net N from Vec[D] to Vec[D] { param V : linear with lip <= 0.9\n"
    "param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.9\nmap x -> W(clip_swish(V(x))) }\n"
    "net M from Vec[2], Vec[1] to Vec[2] { param W : linear from Vec[4] to Vec[2]\n"
    "map x, t -> W(clip_swish(tanh(x)) * clip_swish(tanh(x))) }\n"
    "layer A on Vec[D] ensures invertible, lip < 1.9 { param n : net N map x -> x - n(x) }\n"
    "flow F on Vec[2] ensures invertible, log_det solver { A log_det exact\n"
    "ode M by dopri5(until = 0.5, tol = 1e-4) log_det exact }",
    "a learned swish": "net N from Vec[D] to Vec[D] { param V : linear with lip <= 0.9\n"
    "param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.5\nparam b : scale on Vec[1] with diag > 0\n"
    "map x -> W(clip_swish(V(x), beta = b)) - swish(V(x) / 3, beta = b) }\n"
    "net T from Vec[D] to Vec[D] { param V : linear strict lower\nparam b : scale on Vec[1] with diag >= 0.1\n"
    "map x -> swish(V(x), beta = b) }\nlayer L on Vec[D] ensures diag == 1, invertible { param n : net T\n"
    "map x -> x + n(x) }\n"
    "net M from Vec[2], Vec[1] to Vec[2] { param W : linear from Vec[4] to Vec[2]\n"
    "param b : scale on Vec[1] with diag > 0\nmap x, t -> W(clip_swish(x, beta = b)) + swish(x, beta = b) }\n"
    "layer A on Vec[D] ensures invertible, lip < 1.9 { param n : net N map x -> x - n(x) }\n"
    "flow F on Vec[2] ensures invertible, log_det solver { A log_det exact\n"
    "L ode M by dopri5(until = 0.5, tol = 1e-4) log_det exact }",
    "weights of a concat": "net N(h: Act = tanh) from Vec[D] to Vec[D] { param w : scale on Vec[2] with length == 1\n"
    "param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.9\nmap x -> W(concat(x, h(x), weights = w)) }\n"
    "net M from Vec[2], Vec[1] to Vec[2] { param w : scale on Vec[3] with length == 1\n"
    "param W : linear from Vec[4] to Vec[2]\nparam s : scale on Vec[1] with length == 1\n"
    "map x, t -> W(concat(x, s * t, t, weights = w)) }\n"
    "layer A on Vec[D] ensures invertible, lip < 1.9 { param n : net N map x -> x - n(x) }\n"
    "flow F on Vec[2] ensures invertible, log_det solver { A log_det exact\n"
    "ode M by dopri5(until = 0.5, tol = 1e-4) log_det exact }",
    "inverse directions": "layer S on Vec[D] ensures injective { map x -> sigmoid(x) }\n"
    "layer L(tri: Dir) on Vec[D] ensures tri, invertible { param W : linear tri with diag == 1\n map x -> W(x) }\n"
    "flow F on Vec[3] ensures injective, inverse closed_form { S(direction = inverse) "
    "repeat 2 { pair { L(tri = lower, direction = inverse) L(tri = upper) } } S }",
    "dominant kernels": "layer A on Image[C, H, W] ensures invertible, inverse iterative {\n"
    "  param W : conv 3x5 (dilation = 2) with det != 0 via dominant\n  param b : bias\n  map x -> W(-x - W(b)) }\n"
    "layer B on Image[C, H, W] ensures invertible, inverse closed_form {\n"
    "  param W : conv 3x3 (boundary = circular) with det != 0 via dominant\n"
    "  param V : conv 2x1 (anchor = top_left) with det != 0 via dominant\n  map x -> V(W(x)) }\n"
    "flow F on Image[2, 2, 2] ensures invertible, log_det exact, inverse iterative { A B A(direction = inverse) }",
    "strided nets": "net N from Image[C, H, W] to Image[C, H / 2, W / 2] {\n"
    "  param V : conv 4x4 (stride = 2) from Image[C, H, W] to Image[C, H / 2, W / 2] with lip <= 0.5\nmap x -> V(x) }\n"
    "layer A on Image[C, H, W] ensures diag == 1, invertible {\n"
    "  param b : bias (per = element) on Image[C, 2 * H, 2 * W]\n  param n : net N from Image[C, 2 * H, 2 * W] "
    "to Image[C, H, W]\n  map x -> x + n(b) }\n"
    "flow F on Image[1, 2, 2] ensures invertible, volume_preserving { A }",
    "masked kernels in a row": "layer A(d: Dir) on Image[C, H, W] ensures invertible, inverse closed_form {\n"
    "  order channel_major\n  param P : perm\n  param L : conv 3x3 d with diag != 0\n"
    "  param U : conv 2x3 upper (anchor = (0, 1)) with diag > 0\n  map x -> U(leaky_relu(P(L(x)), 0.5)) }\n"
    "flow F on Image[2, 2, 3] ensures invertible { A(d = lower) A(d = upper) }",
    "anchors by number": "layer A(tri: Dir) on Image[C, H, W] ensures tri, diag > 0, invertible {\n"
    "  param V : conv 4x3 tri (anchor = (1, 2)) with diag > 0\n"
    "  param W : conv 2x2 tri (anchor = corner) with diag >= 0\n  map x -> V(x) + W(x) }\n"
    "layer B on Image[C, H, W] ensures invertible, inverse closed_form {\n"
    "  param V : conv 2x3 (anchor = (1, 0)) with det != 0\n  param W : conv 1x4 (anchor = (0, 3)) with det == 1\n"
    "  map x -> V(W(x)) }\nlayer C on Image[C, H, W] ensures invertible {\n"
    "  param W : conv 4x3 (anchor = (2, 0), dilation = 2) with det != 0 via dominant\n  map x -> W(x) }\n"
    "flow F on Image[2, 3, 3] ensures invertible { pair { A(tri = lower) A(tri = upper) } B C }",
    "zeros padded": "flow F on Image[1, 4, 4] ensures injective, log_det none { squeeze 2 pad channels to 6 }",
}


@dataclass(frozen=True)
class Example:
    """A certificate, and the statement that it is for, as texts: each use reads them anew."""

    label: str
    program: Program
    certificate: str
    statement: str

    def read(self) -> tuple[Json, Json]:
        return json.loads(self.certificate), json.loads(self.statement)


def programs() -> Iterator[tuple[str, Program]]:
    """Every program of the tests, the library and the pages, accepted or not."""
    folders = ("tests/proof/accepted", "tests/proof/refused", "tests/programs", "specs")
    for path in sorted(p for folder in folders for p in (ROOT / folder).rglob("*.mint")):
        yield path.relative_to(ROOT).as_posix(), mintdsl.load(path)
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        blocks = re.findall(r"^```mint\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        for number, block in enumerate(blocks):
            yield f"{page.name}, block {number + 1}", mintdsl.loads(block)
    for rule in RULES.values():
        yield f"rule {rule.name}", mintdsl.loads(rule.accepted)
    for label, body in MORE.items():
        yield label, mintdsl.loads("mint 1\n" + body)


def example(label: str, program: Program, key: str) -> Example | None:
    """The certificate of a definition; None where it, or something that it uses, is not proved."""
    core, _ = program.core()
    prover = Prover(core)
    used = prover.used([key])
    if not used or any(one.proof.diagnostics or one.proof.bijection is None for one in used[:-1]):
        return None
    last = used[-1].proof
    if last.diagnostics or (isinstance(core.definitions[key], ir.Flow) and last.bijection is None):
        return None
    written = certificate(core, key, prover)
    return Example(f"{label}: {used[-1].key}", program, json.dumps(written), json.dumps(Statement(core, key).data()))


@cache
def examples() -> tuple[Example, ...]:
    """One for each proved definition of each program."""
    found: dict[str, Example] = {}
    for label, program in programs():
        core, _ = program.core()
        for key in core.main:
            one = example(label, program, key)
            if one is not None:
                found.setdefault(one.certificate, one)
    return tuple(found.values())


# ---------------------------------------------------------------- trees

Path_ = tuple[str | int, ...]


def leaves(value: Json, path: Path_ = ()) -> Iterator[tuple[Path_, Json]]:
    """Every value in a tree with its path, inner ones too."""
    yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield from leaves(inner, (*path, k))


def at(value: Json, path: Path_) -> Json:
    for step in path:
        value = value[step]
    return value


def put(value: Json, path: Path_, new: Json) -> None:
    at(value, path[:-1])[path[-1]] = new


# ---------------------------------------------------------------- mutants

Mutator = Callable[[random.Random, Json, Json], None]
MUTATORS: dict[str, Mutator] = {}


class Nothing(Exception):
    """There is nothing of the kind in this certificate."""


def mutator(function: Mutator) -> Mutator:
    MUTATORS[function.__name__] = function
    return function


def choose(generator: random.Random, found: list[Any]) -> Any:
    if not found:
        raise Nothing
    return generator.choice(found)


def is_number(value: Json) -> bool:
    return isinstance(value, float) or value in ("inf", "-inf")


def numbers(certificate: Json) -> list[Path_]:
    return [("proofs", *p) for p, v in leaves(certificate["proofs"]) if is_number(v)]


def facts(certificate: Json) -> list[Path_]:
    return [("proofs", *p) for p, v in leaves(certificate["proofs"]) if isinstance(v, dict) and "own" in v]


def steps(certificate: Json) -> list[Path_]:
    return [f[:-1] for f in facts(certificate)]


def formulas(certificate: Json) -> list[Path_]:
    return list(dict.fromkeys(s[:-1] for s in steps(certificate)))


def change_number(generator: random.Random, certificate: Json, other: Json) -> None:
    path = choose(generator, numbers(certificate))
    value = float(at(certificate, path))
    step = generator.choice((1e-15, 1e-13, 1e-9, 1e-3, 0.5))
    new = generator.choice(
        (
            nextafter(value, inf),
            nextafter(value, -inf),
            value + step,
            value - step,
            value * (1 + step),
            value * (1 - step),
            2 * value,
            -value,
            0.0,
            1.0,
            inf,
            -inf,
            generator.uniform(-3, 3),
        )
    )
    if new == value:
        raise Nothing
    put(certificate, path, new if abs(new) != inf else "inf" if new > 0 else "-inf")


MUTATORS["change_number"] = change_number


@mutator
def other_form_of_a_number(generator: random.Random, certificate: Json, other: Json) -> None:
    path = choose(generator, numbers(certificate))
    value = at(certificate, path)
    forms: list[Json] = [str(value), [value], True, None, float("nan"), {"value": value}]
    if isinstance(value, float):
        forms += [value.hex(), 10**400]
    put(certificate, path, generator.choice(forms))


@mutator
def flip_a_flag(generator: random.Random, certificate: Json, other: Json) -> None:
    path = choose(generator, [("proofs", *p) for p, v in leaves(certificate["proofs"]) if isinstance(v, bool)])
    put(certificate, path, not at(certificate, path))


@mutator
def a_flag_as_a_number(generator: random.Random, certificate: Json, other: Json) -> None:
    path = choose(generator, [("proofs", *p) for p, v in leaves(certificate["proofs"]) if isinstance(v, bool)])
    put(certificate, path, generator.choice((int(at(certificate, path)), float(at(certificate, path)), "true", None)))


@mutator
def rename_a_rule(generator: random.Random, certificate: Json, other: Json) -> None:
    path = choose(generator, steps(certificate))
    names = {"LET", "I-TRI", "CLASS", "", *RULES} - {at(certificate, path)[0]}
    at(certificate, path)[0] = generator.choice(sorted(names))


@mutator
def rotate_rules(generator: random.Random, certificate: Json, other: Json) -> None:
    nodes = at(certificate, choose(generator, formulas(certificate)))
    rules = [node[0] for node in nodes]
    if rules == rules[1:] + rules[:1]:
        raise Nothing
    for node, rule in zip(nodes, rules[1:] + rules[:1], strict=True):
        node[0] = rule


@mutator
def swap_facts(generator: random.Random, certificate: Json, other: Json) -> None:
    a, b = choose(generator, facts(certificate)), choose(generator, facts(certificate))
    one, two = at(certificate, a), at(certificate, b)
    put(certificate, a, two)
    put(certificate, b, one)


@mutator
def copy_a_fact(generator: random.Random, certificate: Json, other: Json) -> None:
    put(certificate, choose(generator, facts(certificate)), at(certificate, choose(generator, facts(certificate))))


@mutator
def fact_of_another(generator: random.Random, certificate: Json, other: Json) -> None:
    put(certificate, choose(generator, facts(certificate)), at(other, choose(generator, facts(other))))


@mutator
def formula_of_another(generator: random.Random, certificate: Json, other: Json) -> None:
    put(certificate, choose(generator, formulas(certificate)), at(other, choose(generator, formulas(other))))


@mutator
def proof_of_another(generator: random.Random, certificate: Json, other: Json) -> None:
    k = generator.randrange(len(certificate["proofs"]))
    name = certificate["proofs"][k]["definition"]
    certificate["proofs"][k] = generator.choice(other["proofs"])
    if generator.random() < 0.5:
        certificate["proofs"][k]["definition"] = name


@mutator
def part_of_a_proof_of_another(generator: random.Random, certificate: Json, other: Json) -> None:
    mine, theirs = generator.choice(certificate["proofs"]), generator.choice(other["proofs"])
    name = choose(generator, sorted(set(mine) & set(theirs)))
    mine[name] = theirs[name]


@mutator
def part_of_the_envelope_of_another(generator: random.Random, certificate: Json, other: Json) -> None:
    name = generator.choice(sorted(certificate))
    certificate[name] = other[name]


@mutator
def reorder_a_list(generator: random.Random, certificate: Json, other: Json) -> None:
    lists = [p for p, v in leaves(certificate) if isinstance(v, list) and len(v) > 1]
    chosen = at(certificate, choose(generator, [p for p in lists if p[0] == "proofs"]))
    k = generator.randrange(len(chosen) - 1)
    chosen[k], chosen[k + 1] = chosen[k + 1], chosen[k]


@mutator
def drop_an_item(generator: random.Random, certificate: Json, other: Json) -> None:
    lists = [p for p, v in leaves(certificate) if isinstance(v, list) and v and p[0] == "proofs"]
    chosen = at(certificate, choose(generator, lists))
    del chosen[generator.randrange(len(chosen))]


@mutator
def double_an_item(generator: random.Random, certificate: Json, other: Json) -> None:
    lists = [p for p, v in leaves(certificate) if isinstance(v, list) and v and p[0] == "proofs"]
    chosen = at(certificate, choose(generator, lists))
    k = generator.randrange(len(chosen))
    chosen.insert(generator.randrange(len(chosen) + 1), chosen[k])


@mutator
def truncate_a_list(generator: random.Random, certificate: Json, other: Json) -> None:
    lists = [p for p, v in leaves(certificate) if isinstance(v, list) and v and p[0] == "proofs"]
    chosen = at(certificate, choose(generator, lists))
    del chosen[generator.randrange(len(chosen)) :]


@mutator
def drop_a_field(generator: random.Random, certificate: Json, other: Json) -> None:
    chosen = at(certificate, choose(generator, [p for p, v in leaves(certificate) if isinstance(v, dict) and v]))
    del chosen[generator.choice(sorted(chosen))]


@mutator
def add_a_field(generator: random.Random, certificate: Json, other: Json) -> None:
    chosen = at(certificate, choose(generator, [p for p, v in leaves(certificate) if isinstance(v, dict)]))
    chosen[generator.choice(("note", "0", "7", "-1", "image", "direction", "formal", "defined"))] = generator.choice(
        (None, 0, [], {}, "x")
    )


WORDS = (
    "<diagonal>",
    "<dense>",
    "lower",
    "upper",
    "tri",
    "constant",
    "affine",
    "formula",
    "onto",
    "injective",
    "unknown",
    "closed_form",
    "elementwise",
    "iterative",
    "exact",
    "none",
    "",
)


@mutator
def change_a_word(generator: random.Random, certificate: Json, other: Json) -> None:
    found = [p for p, v in leaves(certificate["proofs"]) if isinstance(v, str) and v not in ("inf", "-inf")]
    path = ("proofs", *choose(generator, found))
    put(certificate, path, generator.choice([w for w in WORDS if w != at(certificate, path)]))


@mutator
def change_off(generator: random.Random, certificate: Json, other: Json) -> None:
    chosen = at(certificate, choose(generator, facts(certificate)))
    chosen["off"] = generator.choice([w for w in ("<diagonal>", "<dense>", "lower", "upper") if w != chosen["off"]])


@mutator
def change_own(generator: random.Random, certificate: Json, other: Json) -> None:
    chosen = at(certificate, choose(generator, facts(certificate)))
    kinds = ("constant", "affine", "formula", "onto", "injective", "unknown")
    chosen["own"] = generator.choice([k for k in kinds if k != chosen["own"]])
    if generator.random() < 0.5:
        whole = ["-inf", "inf", True, True]
        chosen["image"] = generator.choice((None, whole, [0.0, "inf", True, True], [0.0, 1.0, True, True]))


@mutator
def change_image(generator: random.Random, certificate: Json, other: Json) -> None:
    chosen = at(certificate, choose(generator, facts(certificate)))
    chosen["image"] = ["-inf", "inf", True, True] if chosen["image"] is None else None


@mutator
def change_smooth(generator: random.Random, certificate: Json, other: Json) -> None:
    chosen = at(certificate, choose(generator, facts(certificate)))
    values = (0, 1, 2, 3, -1, True, 1.0, None)
    chosen["smooth"] = generator.choice([v for v in values if (v, type(v)) != (chosen["smooth"], int)])


@mutator
def change_chain(generator: random.Random, certificate: Json, other: Json) -> None:
    chosen = at(certificate, choose(generator, facts(certificate)))
    chosen["chain"] = generator.choice([v for v in (0, 1, 2, 3, -1, True, None) if v != chosen.get("chain", 0)])


@mutator
def change_signs(generator: random.Random, certificate: Json, other: Json) -> None:
    chosen = at(certificate, choose(generator, facts(certificate)))
    signed = chosen[generator.choice(("diag", "range"))]
    match generator.randrange(4):
        case 0:
            signed[0].append(["t", []])
        case 1:
            signed[0] = []
        case 2:
            signed[0] = [*signed[0], *signed[0]]
        case _:
            signed[0] = [[name, ["k", *where]] for name, where in signed[0]] or [["W", ["i"]]]


@mutator
def forget_a_bound(generator: random.Random, certificate: Json, other: Json) -> None:
    """Weaker: this may be accepted."""
    chosen = at(certificate, choose(generator, facts(certificate)))
    match generator.randrange(4):
        case 0:
            chosen["diag"] = [[], ["-inf", "inf", True, True]]
        case 1:
            chosen["range"] = [[], ["-inf", "inf", True, True]]
        case 2:
            chosen["lip"] = "inf"
        case _:
            chosen["own"], chosen["image"] = "unknown", None


@mutator
def change_bindings(generator: random.Random, certificate: Json, other: Json) -> None:
    chosen = generator.choice(certificate["proofs"])["bindings"]
    acts = [{"act": name, "options": []} for name in ("identity", "sin", "relu")]
    name = generator.choice([*chosen, "h"])
    chosen[name] = generator.choice([*acts, {"real": 1.0}, {"real": -1.0}, {"formal": name}, {"defined": 0}, None, {}])


@mutator
def change_the_order(generator: random.Random, certificate: Json, other: Json) -> None:
    found = [p for p in certificate["proofs"] if "order" in p]
    chosen = choose(generator, found)
    rows = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    generator.shuffle(rows)
    changed = generator.choice((rows, [[-v for v in row] for row in rows], rows[:1], [], [[0.5, 1.0, 1]], [[1]], None))
    if changed == chosen["order"]:
        raise Nothing
    chosen["order"] = changed


@mutator
def change_what_is_assumed(generator: random.Random, certificate: Json, other: Json) -> None:
    chosen = generator.choice(certificate["proofs"])
    chosen["assumes"] = generator.choice(([*chosen["assumes"], "diag(t) != 0 of A"], chosen["assumes"][1:], "", [[]]))


@mutator
def change_the_conclusion(generator: random.Random, certificate: Json, other: Json) -> None:
    chosen = generator.choice(certificate["proofs"])
    whole, unit = ["-inf", "inf", True, True], [0.0, 1.0, True, True]
    chosen["map"] = generator.choice(
        (None, {"from": whole, "onto": whole}, {"from": unit, "onto": whole}, {"from": whole, "onto": None}, {}, [])
    )


@mutator
def change_any_value(generator: random.Random, certificate: Json, other: Json) -> None:
    path = choose(generator, [p for p, _ in leaves(certificate) if p])
    new = generator.choice((None, True, False, 0, -1, 10**30, 1.5, "", "inf", [], {}, [[]], [None] * 3, {"a": 1}))
    put(certificate, path, new)


@mutator
def nest_deeply(generator: random.Random, certificate: Json, other: Json) -> None:
    path = choose(generator, [("proofs", *p) for p, _ in leaves(certificate["proofs"]) if p])
    deep: Json = at(certificate, path)
    for _ in range(20_000):
        deep = [deep]
    put(certificate, path, deep)


@mutator
def change_the_envelope(generator: random.Random, certificate: Json, other: Json) -> None:
    name = generator.choice(sorted(certificate))
    certificate[name] = generator.choice(
        (None, "", 1.0, 2, True, [], {}, certificate["hash"][::-1], certificate["proofs"])
    )


@mutator
def strengthen_a_claim(generator: random.Random, certificate: Json, other: Json) -> None:
    """In the statement of the certificate, with the hash that it then has."""
    definition = generator.choice([d for d in certificate["statement"]["definitions"] if "claims" in d])
    definition["claims"].append(generator.choice(CLAIMS))
    certificate["hash"] = digest(certificate["statement"])


CLAIMS: list[Json] = [
    ["lower", "", 0.0, False, ""],
    ["upper", "", 0.0, False, ""],
    ["lower", "", 0.0, True, ""],
    ["upper", "", 0.0, True, ""],
    ["diagonal", "", 0.0, False, ""],
    ["injective", "", 0.0, False, ""],
    ["onto", "", 0.0, False, ""],
    ["invertible", "", 0.0, False, ""],
    ["volume_preserving", "", 0.0, False, ""],
    ["log_det", "", 0.0, False, "exact"],
    ["log_det", "", 0.0, False, "none"],
    *(["inverse", "", 0.0, False, kind] for kind in ("closed_form", "elementwise", "iterative")),
    *(["diag", cmp, value, False, ""] for cmp, value in ((">", 0.0), ("!=", 0.0), ("==", 1.0), (">=", 0.5))),
    *(["lip", cmp, value, False, ""] for cmp in ("<", "<=") for value in (0.25, 1.0, 1.75, 4.0)),
]


def mutant(name: str, one: Example, other: Example, seed: str) -> Json | None:
    """A mutant of one certificate, perhaps with parts of another; None where there is nothing to change."""
    generator = random.Random(seed)
    changed = json.loads(one.certificate)
    try:
        MUTATORS[name](generator, changed, json.loads(other.certificate))
    except Nothing:
        return None
    if json.dumps(changed) == one.certificate if name != "nest_deeply" else False:
        return None
    return changed
