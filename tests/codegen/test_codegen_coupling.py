"""Couplings: numbers and logarithms named by lets, and how the generated text grows with the formula."""

from __future__ import annotations

import pytest
import torch
from codegen_programs import HEAD

import mintdsl
from mintdsl.verify import verify

torch.set_num_threads(1)

NET = "net N from Vec[A] to Vec[A] {\n  param V : linear\n  map a -> V(a)\n}\n"


def coupling(lines: str, result: str, size: str = "D", net: bool = True) -> str:
    """A coupling in halves of Vec[size]."""
    declared = f"  space Half = Vec[{size} / 2]\n  param n : net N from Half to Half\n" if net else ""
    return (
        f"{HEAD}{NET if net else ''}layer C on Vec[{size}] ensures invertible {{\n{declared}  map x {{\n"
        f"    let (a, b) = split(x, halves)\n{lines}    return join(a, {result})\n  }}\n}}\n"
    )


NUMBERS = coupling("    let c = 2.5\n    let d = c * c\n", "(b + tanh(a)) * d / exp(c)", net=False)
LOGS = coupling(
    "    let s = exp(tanh(n(a)))\n    let t = s * sigmoid(a)\n    let u = t / s * t\n", "(b - u) * (t * u) / s"
)


@pytest.mark.parametrize("text", [NUMBERS, LOGS], ids=["numbers", "logarithms of lets"])
def test_lets_of_couplings(text: str) -> None:
    result = verify(mintdsl.loads(text), "C")
    assert result.ok and {row.check for row in result.rows} >= {"value", "log_det", "inverse(forward(x)) = x"}


def test_a_scale_of_many_factors() -> None:
    source = mintdsl.loads(coupling("    let s = exp(tanh(n(a)))\n", f"b * ({' * '.join(['s'] * 1500)})")).generate()
    assert len(source) < 200_000


def test_lets_that_double_are_no_larger_than_their_text() -> None:
    def size(count: int) -> int:
        doubled = "".join(f"    let s{k + 1} = s{k} * s{k}\n" for k in range(count))
        return len(mintdsl.loads(coupling(f"    let s0 = exp(n(a))\n{doubled}", f"b * s{count}")).generate())

    once, twice, thrice = size(10), size(20), size(30)
    assert thrice - twice <= 2 * (twice - once)


TWICE = coupling("    let c = bent(bent(a))\n", "b * exp(c) + bent(bent(n(a)))").replace(
    HEAD, HEAD + "act bent(u) = 0.3 * u + tanh(u) + sigmoid(u)\n"
)
TWICE_BY_POSITION = (
    f"{HEAD}act bent(u) = 0.3 * u + 0.2 * sigmoid(u) - 0.1 * exp(-abs(u))\n"
    "layer C on Vec[D] ensures lower, diag > 0 {\n  param S : linear strict lower\n"
    "  map x -> x * (1.33 + sigmoid(S(bent(bent(x)))))\n}\n"
)


@pytest.mark.parametrize("text", [TWICE, TWICE_BY_POSITION], ids=["coupling", "autoregressive"])
def test_an_activation_of_the_program_applied_twice(text: str) -> None:
    """What stands in its body has another value at each call."""
    result = verify(mintdsl.loads(text), "C")
    assert result.ok, [row for row in result.rows if not row.ok]


@pytest.mark.parametrize("operator", ["*", "-"])
def test_many_terms_nest_no_brackets(operator: str) -> None:
    terms = "".join(f" {operator} exp(n(a + {k}))" for k in range(250))
    split = coupling("", f"b{terms}")
    by_position = (
        f"{HEAD}layer C on Vec[D] ensures lower, diag > 0 {{\n  param S : linear strict lower\n"
        f"  map x -> x{terms.replace('n(a', 'S(x')}\n}}\n"
    )
    for text in (split, by_position):
        module = mintdsl.loads(text).compile("C")((4,))
        z, _ = module(torch.randn(2, 4))
        assert z.shape == (2, 4)
