"""`verify`: passes for what the generator writes, fails for a module that was tampered with."""

from __future__ import annotations

import pytest
import torch
from codegen_oracle import compile_text, source
from codegen_programs import HEAD, PROGRAMS

import mintdsl
from mintdsl.resources import resource
from mintdsl.runtime.loading import load_class
from mintdsl.verify import Verification, verify

torch.set_num_threads(1)

SAMPLE = (
    "tie_three",
    "family_three",
    "conv_corner",
    "free_sign_triangular",
    "act_passed",
    "names_of_python",
    "flow_image",
    "flow_batch_norm",
    "flow_classifier",
    "flow_on_sequences",
    "flow_sizes_divided",
)


def failures(found: Verification) -> list[str]:
    return [f"{row.check}: {row.where}: {row.worst}" for row in found.rows if not row.ok]


@pytest.mark.parametrize("name", SAMPLE)
def test_generated_modules_pass(name: str) -> None:
    found = verify(mintdsl.loads(PROGRAMS[name]))
    assert not failures(found) and found.ok
    checks = {row.check for row in found.rows}
    assert {"value", "jacobian", "structure", "log_det", "effective weights", "residual"} <= checks


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in SAMPLE])
def test_every_program_passes(name: str) -> None:
    assert not failures(verify(mintdsl.loads(PROGRAMS[name])))


def test_same_seed_same_rows() -> None:
    program = mintdsl.loads(PROGRAMS["tie_two"])
    assert verify(program, seed=3) == verify(program, seed=3)
    assert verify(program, seed=3).rows != verify(program, seed=4).rows


def test_threads_and_random_state_are_left_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    before = torch.get_num_threads()
    verify(mintdsl.loads(PROGRAMS["tie_two"]))
    assert torch.equal(torch.rand(3), expected) and torch.get_num_threads() == before


def test_layers_by_name_and_sizes() -> None:
    program = mintdsl.loads(
        HEAD + 'import "mintnet/mint.mint" { Mint, MintPair }\nflow F on Image[1, 2, 2] { MintPair(K = 1) }'
    )
    found = verify(program, "Mint", {"K": 1})
    assert found.ok and found.name == "Mint"
    assert any("tri = lower" in row.where and "K = 1" in row.where for row in found.rows)
    assert any("tri = upper" in row.where for row in found.rows)


def test_refused_programs_raise() -> None:
    with pytest.raises(mintdsl.SpecError):
        verify(mintdsl.loads(HEAD + "layer A on Vec[D] { param V : linear map x -> V(x) }"))


TIED = (
    HEAD
    + """
layer A(K: Nat = 2) on Vec[D] ensures lower, invertible {
  index i, j : K
  param t        : scale with diag >= 1e-12 via abs init ones
  param W1[j]    : linear lower
  param W2[i, j] : linear lower
  param W3[i]    : linear lower
  tie diag(W3[i]) * diag(W2[i, j]) * diag(W1[j]) >= 0
  map x {
    let u[j] = elu(W1[j](x))
    let v[i] = elu(sum[j](W2[i, j](u[j])))
    return t * x + sum[i](W3[i](v[i]))
  }
}"""
)
TAMPERED = {
    "log_det without its last factor": (
        TIED,
        "else diagonal).log().flatten(1).sum(1)",
        "else diagonal).log().flatten(1)[:, 1:].sum(1)",
        "log_det",
    ),
    "a mask that lets an entry through": (
        TIED,
        'self.register_buffer("kept", kept.to(',
        'self.register_buffer("kept", torch.ones_like(kept).to(',
        "structure",
    ),
    "a tie that is not kept": (
        TIED,
        "tied(diagonal_of(self.W2), sign)",
        "diagonal_of(self.W2)",
        "effective weights",
    ),
    "a wrong slope": (TIED, "elu_slope(u_in)", "elu_slope(u)", "jacobian_diagonal"),
    "a bound that is not kept": (TIED, "at_least_abs(self.t, 1e-12)", "self.t - 1", "diagonal in its proved interval"),
    "an inverse that is not one": (
        TIED,
        "return x, -log_abs_det(diagonal)",
        "return 1.001 * x, -log_abs_det(diagonal)",
        "residual",
    ),
    "an inverse log_det of the wrong sign": (
        TIED,
        "return x, -log_abs_det(diagonal)",
        "return x, log_abs_det(diagonal)",
        "log_det of both directions",
    ),
    "an inverse that does not test what is assumed": (
        PROGRAMS["linear_raw"],
        "        check_assumptions(self)  # what the proof assumes of stored numbers\n",
        "",
        "calls that take a diag(V) of 0",
    ),
    "a state that is loaded without a test": (
        PROGRAMS["linear_raw"],
        "        check_state(self, state_dict, prefix, rest[0])\n",
        "",
        "calls that take a diag(V) of 0",
    ),
    "steps in the wrong order": (
        PROGRAMS["linear_twice"],
        "x, term = self.A_0(x)",
        "x, term = self.A_1(x)",
        "value",
    ),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_tampered_modules_fail(case: str) -> None:
    spec, old, new, check = TAMPERED[case]
    text = source(spec)
    assert old in text, "the generated text has changed: adapt this test"
    name = compile_text(spec).cls.__name__
    found = verify(mintdsl.loads(spec), module=load_class(text.replace(old, new), name))
    assert not found.ok
    assert check in {row.check for row in found.rows if not row.ok}


@pytest.mark.slow
def test_small_mintnet() -> None:
    found = verify(mintdsl.load(resource("specs") / "mintnet/mnist_small.mint"))
    assert not failures(found)


def test_numbers_too_large_for_a_float_fail_the_checks_and_not_the_verification() -> None:
    steep = "map x { let (a, b) = split(x, halves)  return join(a, b * exp(100000 * a)) }"
    layer = f"layer Steep on Vec[D] ensures invertible {{ {steep} }}"
    program = mintdsl.loads(f"mint 1\n{layer}\nflow F on Vec[4] ensures invertible {{ Steep  prior normal }}\n")
    found = verify(program, "F")
    assert {"value", "log_det"} <= {row.check for row in found.rows if not row.ok}
