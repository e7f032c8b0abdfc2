"""Every limit of the table: what is within it is read and proved, one more is answered by its code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostile_large import SCALE, flow, layer

import mintdsl
from mintdsl import limits
from mintdsl.diagnostics.model import Severity
from mintdsl.driver import Report
from mintdsl.source import Source
from mintdsl.syntax.parse import parse

ROOT = Path(__file__).parents[2]


def codes(report: Report) -> list[str]:
    return [d.code for d in report.diagnostics if d.severity is Severity.ERROR]


def names(what: str, n: int) -> Iterator[str]:
    return (f"{what}{k}" for k in range(n))


# ---------------------------------------------------------------- programs with exactly n of what is limited


def nesting(n: int) -> str:
    return layer("", "softplus(" * (n - 2) + "x" + ")" * (n - 2), "diagonal")  # two braces are around it


def nested_signs(n: int) -> str:
    return "mint 1\nconst K = 1 - " + "-" * (n - 1) + "1\n" + SCALE


def nested_activations(n: int) -> str:
    acts = "".join(f"act h{k}(u) = h{k - 1}(u) + u\n" for k in range(1, n - 1))
    return f"mint 1\nact h0(u) = u + u\n{acts}layer L on Vec[D] {{ map x -> h{n - 2}(x) + x }}\n"


def blocks(n: int) -> str:
    flows = "".join(f"flow F{k} on Vec[4] {{ F{k - 1} }}\n" for k in range(1, n - 1))
    return flow(f"F{n - 2}", f"{SCALE}flow F0 on Vec[4] {{ A }}\n{flows}")


def nets(n: int) -> str:
    inner = "".join(
        f"net N{k} from Vec[D] to Vec[D] {{ param n : net N{k - 1} map x -> n(n(x)) }}\n" for k in range(1, n)
    )
    layer = f"layer A on Vec[D] ensures invertible {{ param b : bias param n : net N{n - 1} map x -> x + n(b) }}\n"
    return f"mint 1\nnet N0 from Vec[D] to Vec[D] {{ map x -> x }}\n{inner}{layer}"


def applied(n: int) -> str:
    """Layers that apply each other, the last one with n inside."""
    first = "layer A0 on Vec[D] ensures diag > 0, invertible { param s : scale with diag > 0 map x -> s * x }\n"
    return f"mint 1\n{first}" + "".join(
        f"layer A{k} on Vec[D] ensures diag > 0, invertible {{ map x -> 2 * A{k - 1}(x) }}\n" for k in range(1, n + 1)
    )


def applied_twice(n: int) -> str:
    """A layer with n operations, those that it applies written out, each of which applies the one before twice."""
    text, size = "layer A0 on Vec[D] { map x -> x + 1 }\n", 3
    k = 0
    while 2 * size + 3 + 2 < n:
        k += 1
        text, size = f"{text}layer A{k} on Vec[D] {{ map x -> A{k - 1}(A{k - 1}(x)) }}\n", 2 * size + 3
    odd, pairs = (" + -1", (n - size - 5) // 2) if (n - size) % 2 else ("", (n - size - 2) // 2)
    return f"mint 1\n{text}layer A on Vec[D] {{ map x -> A{k}(x){' + 1' * pairs}{odd} }}\n"


def loops(n: int) -> str:
    return flow("repeat 1 { " * n + "A" + " }" * n)


def written_out(n: int) -> str:
    odd, pairs = ("", (n - 1) // 2) if n % 2 else (" + -1", (n - 4) // 2)
    return f"mint 1\nact h(u) = u{' + 1' * pairs}{odd}\n{SCALE}"


def operations(n: int) -> str:
    """An activation of 21 operations, applied as often as fits, and a sum for the rest."""
    applied, rest = divmod(n - 1, 24)
    odd, pairs = (" + -x", (rest - 3) // 2) if rest % 2 else ("", rest // 2)
    result = "x" + " + h(x)" * applied + odd + " + x" * pairs
    return f"mint 1\nact h(u) = u{' + 1' * 10}\nlayer L on Vec[D] {{ map x -> {result} }}\n"


def formals(n: int) -> str:
    return "mint 1\n" + SCALE.replace("A on", f"A({', '.join(f'{k}: Nat' for k in names('k', n))}) on")


def params(n: int) -> str:
    return layer(f"  param {', '.join(names('b', n))} : bias", "x" + "".join(f" + {b}" for b in names("b", n)))


def indices(n: int) -> str:
    return layer(f"  index {', '.join(names('i', n))} : 2", "x")


def keys(n: int) -> str:
    text = "mint 1\norder o = (" + ", ".join(["h"] * n) + ")\n"
    return text + "layer L on Image[C, H, W] { order o map x -> x }\n"


def bound(n: int) -> str:
    all_of_them = ", ".join(names("i", n))
    members = f"  index {all_of_them} : 2\n  param W[{all_of_them}] : linear lower with diag > 0"
    return layer(members, f"x + sum[{all_of_them}](W[{all_of_them}](x))")


def ties(n: int) -> str:
    members = f"  param {', '.join(names('U', n))} : linear lower\n  param {', '.join(names('V', n))} : linear lower\n"
    members += "".join(f"  tie diag(U{k}) * diag(V{k}) >= 0\n" for k in range(n))
    return layer(members, "x" + "".join(f" + U{k}(V{k}(x))" for k in range(n)))


def factors(n: int) -> str:
    members = f"  param {', '.join(names('U', n))} : linear lower\n"
    members += f"  tie {' * '.join(f'diag({u})' for u in names('U', n))} >= 0"
    return layer(members, "x + " + "".join(f"{u}(" for u in names("U", n)) + "x" + ")" * n)


def parts(n: int) -> str:
    names_ = ", ".join(names("a", n))
    body = f"let ({names_}) = split(x, strided, parts = {n})  return join({names_})"
    return f"mint 1\nlayer A on Vec[D] {{ map x {{ {body} }} }}\n"


def tied(n: int) -> str:
    members = f"  param {', '.join(names('U', n + 1))} : linear lower\n"
    members += "".join(f"  tie diag(U{k}) * diag(U{k + 1}) >= 0\n" for k in range(n))
    return layer(members, "x" + "".join(f" + U{k}(U{k + 1}(x))" for k in range(n)))


def signs(n: int) -> str:
    """Pivots of pivots: 2, 5, 11, ... factors written out, and a last one that makes up for the rest."""
    members, uses, size, count = "", [], 1, 0
    while size * 2 + 1 <= n:
        members += f"  tie diag(U{count}) * diag(U{count}) * diag(U{count + 1}) >= 0\n"
        uses.append(f"U{count}(U{count}(U{count + 1}(x)))")
        size, count = size * 2 + 1, count + 1
    rest = n - size - 1
    while rest > 0:
        others = min(rest, 12)
        fresh = [f"V{count}_{k}" for k in range(others)]
        factors_ = [f"U{count}", *fresh, f"U{count + 1}"]
        members += f"  param {', '.join(fresh)} : linear lower\n"
        members += f"  tie {' * '.join(f'diag({name})' for name in factors_)} >= 0\n"
        uses.append("(".join(factors_) + "(x" + ")" * len(factors_))
        rest, count = rest - others - 1, count + 1
    members = f"  param {', '.join(names('U', count + 1))} : linear lower\n" + members
    return layer(members, "x" + "".join(f" + {use}" for use in uses))


def proofs(n: int) -> str:
    """Layers of 3 operations, a flow that uses them."""
    k = n // 4
    return flow(
        "\n".join([*names("A", k), *["A0"] * (n % 4)]), "".join(SCALE.replace("A", name) for name in names("A", k))
    )


def instances(n: int) -> str:
    """A layer of one parameter at n / 3 sizes, each once in a flow: 2 for the layer, 1 for the step."""
    k, rest = divmod(n - 1, 3)
    steps = "".join(f"A(K = {size})\n" for size in range(1, k + 1))
    return flow(steps + "A(K = 1)\n" * rest, SCALE.replace("A on", "A(K: Nat) on"))


def terms(n: int) -> str:
    dims = " + ".join(names("K", n))
    return f"mint 1\nlayer L({', '.join(f'{k}: Nat' for k in names('K', n))}) on Vec[{dims}] {{ map x -> x }}\n"


def degree(n: int) -> str:
    return f"mint 1\nlayer L(K: Nat) on Vec[{' * '.join(['K'] * n)}] {{ map x -> x }}\n"


def coefficient(n: int) -> str:
    high, low = divmod(n, 10**9)
    return f"mint 1\nlayer L(K: Nat) on Vec[{high} * 1000000000 * K + {low} * K] {{ map x -> x }}\n"


def size(n: int) -> str:
    return f"mint 1\nlayer L on Image[1, {n}, 1] {{ map x -> x }}\n"


def estimated(how: str) -> str:
    layer = "layer L on Vec[D] { param V : linear with lip <= 0.5 map x -> x + V(tanh(x)) }"
    return f"mint 1\n{layer}\nflow F on Vec[3] {{ L log_det {how} prior normal }}\n"


def series(n: int) -> str:
    return estimated(f"series(terms = {n})")


def first_terms(n: int) -> str:
    return estimated(f"roulette(first = {n})")


def probes(n: int) -> str:
    return estimated(f"series(terms = 3, probes = {n})")


def taps(n: int) -> str:
    return f"mint 1\nlayer L on Image[C, H, W] {{ param k : conv 1x{n} lower (anchor = corner) map x -> k(x) }}\n"


def dilation(n: int) -> str:
    kind = f"conv 3x3 lower (dilation = (1, {n}))"
    return f"mint 1\nlayer L on Image[C, H, W] {{ param k : {kind} map x -> k(x) }}\n"


def stride(n: int) -> str:
    kind = f"conv 3x3 (stride = (1, {n})) from Image[C, H, W] to Image[C, H, W / {n}]"
    return f"mint 1\nnet N from Image[C, H, W] to Image[C, H, W / {n}] {{ param k : {kind} map x -> k(x) }}\n"


def steps(n: int) -> str:
    return flow(f"repeat {n} {{ A }}")


def copies(n: int) -> str:
    """A block of n steps that halves an image, twice."""
    layer = "layer A on S ensures invertible { map x -> 2 * x }\n"
    return f"mint 1\n{layer}flow F on Image[1, 4, 4] {{ repeat 2 {{ squeeze 2  {'A ' * (n - 1)} }} }}\n"


def permuted(n: int) -> str:
    return f"mint 1\nflow F on Vec[{n}] ensures invertible {{ permute }}\n"


def parameters(n: int) -> str:
    return SCALE.join(["mint 1\n", f"flow F on Vec[{n}] ensures invertible {{ A }}\n"])


def name(n: int) -> str:
    return "mint 1\n" + SCALE.replace("A", "A" * n)


def integer(n: int) -> str:
    return f"mint 1\nconst K = {n}\n{SCALE}"


def file(n: int) -> str:
    text = f"mint 1\n{SCALE}"
    return text + " " * (n - len(text))


def tokens(n: int) -> str:
    text = f"mint 1\n{SCALE}"
    module, _ = parse(Source("", text))
    return text + "#\n" * (n + 1 - module.tokens)


CASES: dict[str, tuple[Callable[[int], str], ...]] = {
    "FILE": (file,),
    "TOKENS": (tokens,),
    "NESTING": (nesting, nested_signs, nested_activations),
    "NAME": (name,),
    "INTEGER": (integer,),
    "BLOCKS": (blocks,),
    "LOOPS": (loops,),
    "WRITTEN_OUT": (written_out,),
    "OPERATIONS": (operations, applied_twice),
    "FORMALS": (formals,),
    "PARAMS": (params,),
    "INDICES": (indices,),
    "NETS": (nets, applied),
    "KEYS": (keys,),
    "BOUND": (bound,),
    "TIES": (ties,),
    "PARTS": (parts,),
    "FACTORS": (factors,),
    "TIED": (tied,),
    "SIGNS": (signs,),
    "PROOFS": (proofs,),
    "INSTANCES": (instances,),
    "TERMS": (terms,),
    "DEGREE": (degree,),
    "COEFFICIENT": (coefficient,),
    "SIZE": (size,),
    "TAPS": (taps,),
    "DILATION": (dilation,),
    "STRIDE": (stride,),
    "STEPS": (steps,),
    "COPIES": (copies,),
    "PERMUTED": (permuted,),
    "PARAMETERS": (parameters,),
    "SERIES": (series, first_terms),
    "PROBES": (probes,),
}
LOWERED = {"TOKENS": 1_000, "OPERATIONS": 5_000, "PARAMS": 500, "TIES": 200, "PROOFS": 400, "INSTANCES": 400}
"""Limits that the test lowers: up to the real ones a program takes seconds."""
APART = {"FILES", "MESSAGES", "HINTS"}


@pytest.mark.parametrize(("limit", "make"), [(n, m) for n, found in CASES.items() for m in found])
def test_limits(limit: str, make: Callable[[int], str], monkeypatch: pytest.MonkeyPatch) -> None:
    own = getattr(limits, limit)
    if limit in LOWERED:
        own = own._replace(most=LOWERED[limit])
        monkeypatch.setattr(limits, limit, own)
    within = mintdsl.loads(make(own.most)).check()
    assert codes(within) == []
    beyond = mintdsl.loads(make(own.most + 1)).check()
    assert set(codes(beyond)) == {own.code}
    assert all(len(d.title) < 300 for d in beyond.diagnostics)


def test_every_limit_is_tested() -> None:
    assert set(CASES) | APART == set(limits.LIMITS)


def test_number_of_files(tmp_path: Path) -> None:
    most = limits.FILES.most
    for k in range(most):
        (tmp_path / f"f{k}.mint").write_text(f"mint 1\nconst c{k} = {k}\n", encoding="utf-8")
    imports = [f'import "./f{k}.mint" {{ c{k} }}\n' for k in range(most)]
    for count, expected in ((most - 1, []), (most, ["E0205"])):
        main = tmp_path / "main.mint"
        main.write_text("mint 1\n" + "".join(imports[:count]), encoding="utf-8")
        assert codes(mintdsl.load(main).check()) == expected


def test_tokens_of_all_files_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TOKENS", limits.TOKENS._replace(most=100))
    (tmp_path / "one.mint").write_text("mint 1\nconst A = 1\n" + "#\n" * 60, encoding="utf-8")
    (tmp_path / "two.mint").write_text("mint 1\nconst B = 1\n" + "#\n" * 60, encoding="utf-8")
    main = tmp_path / "main.mint"
    main.write_text('mint 1\nimport "./one.mint" { A }\nimport "./two.mint" { B }\nconst C = A + B\n', encoding="utf-8")
    assert codes(mintdsl.load(main).check()) == ["E0107"]


def test_number_of_messages() -> None:
    most = limits.MESSAGES.most
    unknown = "".join(f" + paramete{k}" for k in range(most + 10))
    report = mintdsl.loads(f"mint 1\nlayer L on Vec[D] {{ param parameter : bias map x -> x{unknown} }}\n").check()
    assert len(report.diagnostics) == most
    assert not report.ok
    assert sum(bool(d.fixes) for d in report.diagnostics) == limits.HINTS.most


def test_warnings_do_not_push_out_errors() -> None:
    unused = ", ".join(names("b", limits.MESSAGES.most + 10))
    warned = f"layer A on Vec[D] {{ param {unused} : bias map x -> x }}\n"
    report = mintdsl.loads(f"mint 1\n{warned}layer B on Vec[D] {{ map x -> y }}\n").check()
    assert codes(report) == ["E0201"]
    assert not report.ok


def test_limits_are_documented() -> None:
    rows = [
        [cell.strip() for cell in line.strip("| \n").split(" | ")]
        for line in (ROOT / "docs" / "limits.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and not line.startswith(("| most ", "| ---"))
    ]
    assert rows == [[one.shown, one.what, one.code or "-"] for one in limits.LIMITS.values()]
