"""What every generated module promises, whatever its formula: shapes, dtypes, errors, weights, densities, tools."""

from __future__ import annotations

import copy
import functools
import importlib.util
import math
import pickle
import sys
from pathlib import Path

import pytest
import torch
from codegen_oracle import compile_text, compiled, data_of, draw, near_initial, source, worst
from codegen_programs import HEAD, PROGRAMS
from torch import Tensor, nn

torch.set_num_threads(1)

IMAGES = (
    HEAD
    + """
import "mintnet/mint.mint" { MintPair }
flow Images(K: Nat = 2) on Image[1, 4, 4] ensures invertible {
  dequantize 8
  logit(0.05)
  repeat 2 { MintPair(K = K) }
  squeeze 2
  MintPair(K = 1)
  prior normal
}"""
)
REALS = (
    HEAD
    + """
layer A(tri: Dir) on Vec[D] ensures tri, invertible {
  param U : linear tri with diag > 0
  param V : linear tri with diag >= 0
  param b : bias
  map x -> U(x) + V(tanh(x)) + b
}
layer S on Vec[D] ensures invertible {
  param s : scale with diag != 0
  map x -> s * x
}
flow Reals on Vec[3] ensures invertible { repeat 2 { A(tri = lower)  S  A(tri = upper) }  prior normal }"""
)
LAYER = (
    HEAD
    + """
layer L on Image[C, H, W] ensures lower, invertible {
  param t : scale with diag >= 0.5
  param s : scale (per = channel) with diag != 0
  param U, V : conv 3x3 lower
  param k : conv 3x3 lower with diag >= 0.25, diag <= 4
  param l : conv 3x3 lower with diag == 1
  tie diag(U) * diag(V) >= 0
  map x -> t * k(l(x)) + U(elu(V(x)))
}"""
)
EVERYTHING = [
    "images",
    "reals",
    "tie_three",
    "elementwise",
    "flow_of_library",
    "family_three",
    "conv_signed",
    "flow_by_data",
]
EVERYTHING += ["flow_three_scales", "flow_moved", "exp_kernels", "inverse_corner"]
CHAINS = ["chain_by_hand", "chain_plu_conv", "chain_qr_linear", "chain_householder_conv", "chain_raw_conv"]
CHAINS += ["chain_of_masked_kernels"]
EVERYTHING += [*CHAINS, "chain_elementwise", "chain_on_sequences", "kernel_plu", "kernel_chain", "kernels_in_corners"]
EVERYTHING += ["perms_in_parts"]
EVERYTHING += ["circular_raw", "circular_dominant", "circular_residual", "dominant"]
EVERYTHING += ["low_rank", "low_rank_raw", "flow_transposed", "strided"]
EVERYTHING += ["extern_coupling", "extern_by_solver", "spline_autoregressive"]
RESIDUAL = [
    "residual_matrices",
    "residual_convolutions",
    "residual_branches",
    "residual_terms",
    "residual_nets",
    "residual_flow",
]
EVERYTHING += ["lip_scales", *RESIDUAL]


def model_of(name: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> nn.Module:
    text = {"images": IMAGES, "reals": REALS, "layer": LAYER}.get(name)
    at = compiled(name) if text is None else compile_text(text)
    return near_initial(at.build(dtype), seed)


def some(model: nn.Module, *lead: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Arguments of `forward`, in (0, 1): inside every domain."""
    made = torch.Generator().manual_seed(5)
    return (0.05 + 0.9 * torch.rand(*lead, *model.event_shape, generator=made, dtype=torch.float64)).to(dtype)


# ---------------------------------------------------------------- shapes and dtypes


@pytest.mark.parametrize("name", EVERYTHING)
def test_leading_dimensions(name: str) -> None:
    model = model_of(name)
    x = some(model, 2, 3)
    z, log_det = model(x)
    assert z.shape == (2, 3, *model.latent_shape) and log_det.shape == (2, 3)
    one, one_det = model(x[1, 2])
    assert one.shape == tuple(model.latent_shape) and one_det.shape == ()
    assert worst(one, z[1, 2]) <= 1e-14 and worst(one_det, log_det[1, 2]) <= 1e-14
    back, inverse_det = model.inverse(z)
    assert back.shape == x.shape and inverse_det.shape == (2, 3)
    assert worst(back, x) <= 1e-9
    assert worst(model.inverse(one)[0], x[1, 2]) <= 1e-9


@pytest.mark.parametrize("name", EVERYTHING)
def test_empty_batch(name: str) -> None:
    model = model_of(name)
    x = some(model, 0)
    z, log_det = model(x)
    assert z.shape == (0, *model.latent_shape) and log_det.shape == (0,)
    back, inverse_det = model.inverse(z)
    assert back.shape == x.shape and inverse_det.shape == (0,)
    if hasattr(model, "sample"):
        assert model.sample(0).shape == (0, *model.event_shape)


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_other_dtypes(name: str, dtype: torch.dtype) -> None:
    wide, model = model_of(name), model_of(name).to(dtype)
    x = some(model, 3, dtype=dtype)
    z, log_det = model(x)
    assert z.dtype == dtype and log_det.dtype == dtype
    expected, expected_det = wide(x.double())
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 0.1, torch.float16: 0.02}[dtype]
    assert worst(z.double(), expected) <= tolerance
    assert worst(log_det.double(), expected_det) <= tolerance
    back, inverse_det = model.inverse(z)
    assert back.dtype == dtype and inverse_det.dtype == dtype
    if dtype == torch.float32:
        assert worst(back.double(), x.double()) <= 5e-4


@pytest.mark.parametrize("name", [n for n in EVERYTHING if n not in ("extern_coupling", "strided")])  # nets in 16 bits
def test_autocast(name: str) -> None:
    model = model_of(name).float()
    x = some(model, 3, dtype=torch.float32)
    expected, expected_det = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        z, log_det = model(x)
        back, inverse_det = model.inverse(expected)
    assert log_det.dtype == torch.float32 and inverse_det.dtype == torch.float32
    assert worst(z.float(), expected) <= 0.05
    assert worst(log_det, expected_det) <= 0.05
    assert worst(back, x) <= 5e-4  # the inverse is solved in float32


ERRORS = (
    (lambda m: m(torch.zeros(2, 3, 3)), ValueError, "x has shape [2, 3, 3], but must end in [1, 4, 4] (<text>:4)"),
    (lambda m: m(torch.zeros(4)), ValueError, "x has shape [4], but must end in [1, 4, 4] (<text>:4)"),
    (lambda m: m(torch.zeros(1, 4, 4).long()), ValueError, "x has dtype torch.int64, but must be floating (<text>:4)"),
    (lambda m: m.inverse(torch.zeros(1, 4, 4)), ValueError, "z has shape [1, 4, 4], but must end in [4, 2, 2]"),
    (lambda m: m(torch.zeros(1, 4, 4), torch.zeros(3)), ValueError, "Images takes no context"),
    (lambda m: m.inverse(torch.zeros(4, 2, 2), torch.zeros(3)), ValueError, "Images takes no context"),
    (lambda m: m.log_prob(torch.full((1, 4, 4), 8)), ValueError, "x must hold integers from 0 to 7"),
    (lambda m: m.log_prob(torch.full((1, 4, 4), -1)), ValueError, "x must hold integers from 0 to 7"),
    (lambda m: m.log_prob(torch.zeros(1, 3, 4).long()), ValueError, "but must end in [1, 4, 4]"),
    (lambda m: m.rsample((2,)), RuntimeError, "integers have no gradients"),
    (lambda m: m.MintPair_0[0].Mint_0.effective("W9"), KeyError, "Mint has no parameter 'W9'; it has t, W1, W2, W3"),
    (lambda m: m.log_prob(torch.zeros(1, 4, 4).long(), torch.zeros(3)), ValueError, "takes no context"),
    (lambda m: m.inverse(torch.full((4, 2, 2), math.nan).double()), RuntimeError, "z is not finite"),
)


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors_in_one_sentence(case: int) -> None:
    call, kind, text = ERRORS[case]
    with pytest.raises(kind) as caught:
        call(model_of("images", torch.float32 if "end in" in text else torch.float64))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_constructor_shapes() -> None:
    at = compile_text(LAYER)
    with pytest.raises(ValueError, match="L is on Image: shape has 3 sizes, not 1|L.*shape"):
        at.cls((4,))
    doubled = compile_text(HEAD + "layer A on Image[2, H, W] ensures invertible { map x -> 2 * x }", (2, 3, 3))
    doubled.build()
    with pytest.raises(ValueError, match="size 0 of shape is 3, but must be 2"):
        doubled.cls((3, 3, 3))


def test_sizes_for_which_nothing_is_proved_are_refused() -> None:
    """An empty sum is 0 and no bijection; half a size is rounded to another one."""
    head, body = "mint 1\nlayer A(K: Nat) on Vec[D] ensures invertible {", "map x -> sum[i](exp(x) + x) }\n"
    less = compile_text(f"{head} index i : K - 1 {body}", (3,))
    half = compile_text(f"{head} index i : K / 2 {body}", (3,))
    flow = compile_text(f"{head} index i : K {body}flow F(N: Nat) on Vec[3] {{ repeat N - 1 {{ A(K = N) }} }}")
    for cls, size, message in (
        (less.cls, 1, "A: the size K - 1 is 0, not a whole number >= 1"),
        (half.cls, 3, "A: the size K / 2 is 3 / 2, not a whole number >= 1"),
        (less.cls, 0, "A: K must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            cls((3,), size)
    for size, message in ((0, "F: N must be at least 1"), (1, "F: the size N - 1 is 0, not a whole number >= 1")):
        with pytest.raises(ValueError, match=message):
            flow.cls(size)
    less.cls((3,), 2), half.cls((3,), 4), flow.cls(2)


def test_unreachable_tolerance_names_the_layer() -> None:
    model = model_of("images")
    z = model(some(model, 2))[0]
    with pytest.raises(RuntimeError) as caught:
        model.inverse(z, tol=0.0)
    error = caught.value
    assert type(error).__name__ == "InversionError"
    assert error.layer == "MintPair_1.Mint_1"  # the last layer is the first to be inverted
    assert str(error).startswith("MintPair_1.Mint_1: the inverse did not converge")
    assert error.tol == 0.0 and error.residual < 1e-13
    assert 0 <= error.sample < 2 and len(error.element) == 3
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    with pytest.raises(RuntimeError, match="did not converge"):
        model.inverse(z, max_iter=1)


def test_inverse_reports_how_it_went() -> None:
    model = model_of("images")
    z = model(some(model, 2))[0]
    model.inverse(z, tol=1e-6)
    info = model.MintPair_0[1].Mint_0.last_inverse
    assert info.residual.shape == (2,) and float(info.residual.max()) <= 1e-6 and info.steps >= 1


# ---------------------------------------------------------------- weights


def test_masks_are_not_stored() -> None:
    model = model_of("layer")
    assert set(model.state_dict()) == {"t", "s", "s_sign", "U", "V", "k", "l"}
    assert {name for name, _ in model.named_buffers()} >= {"kept", "s_sign"}


def test_state_dict_is_loaded_strictly(tmp_path: Path) -> None:
    for name in EVERYTHING:
        model, other = model_of(name, seed=1), model_of(name, seed=2)
        torch.save(model.state_dict(), tmp_path / "state.pt")
        other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True), strict=True)
        x = some(model, 2)
        assert torch.equal(model(x)[0], other(x)[0])
        with pytest.raises(RuntimeError, match="Missing key"):
            other.load_state_dict({}, strict=True)


@pytest.mark.parametrize(
    "name",
    [
        "layer",
        "tie_three",
        "conv_signed",
        "family_three",
        "scale_sigmoid",
        "conv_unit",
        "lip_scales",
        *CHAINS,
        *RESIDUAL,
    ],
)
def test_set_effective_of_effective_is_the_identity(name: str) -> None:
    layer = next(m for m in model_of(name).modules() if hasattr(m, "set_effective"))
    x = some(layer, 2)
    before = {n: layer.effective(n).detach().clone() for n in layer.names}
    z = layer(x)[0]
    for n in layer.names:
        layer.set_effective(n, before[n])
    for n in layer.names:
        assert worst(layer.effective(n), before[n]) <= 1e-14
    assert worst(layer(x)[0], z) <= 1e-13


def test_set_effective_sets() -> None:
    layer = model_of("layer")
    for name, value in (("t", layer.effective("t") + 1.5), ("s", layer.effective("s") * -2.0)):
        layer.set_effective(name, value)
        assert worst(layer.effective(name), value) <= 1e-14
    free, pivot = ("U", "V") if tied_by_sign(layer, "V") else ("V", "U")
    magnitude = diagonal(layer.effective(pivot)).abs()
    layer.set_effective(free, -2.0 * layer.effective(free))
    assert worst(diagonal(layer.effective(pivot)).abs(), magnitude) <= 1e-14  # and its signs follow
    assert (diagonal(layer.effective("U")) * diagonal(layer.effective("V")) >= 0).all()


def tied_by_sign(layer: nn.Module, name: str) -> bool:
    """Whether a tie decides the signs of a parameter."""
    try:
        layer.set_effective(name, -layer.effective(name))
    except ValueError:
        return True
    layer.set_effective(name, -layer.effective(name))
    return False


def diagonal(weight: Tensor) -> Tensor:
    return weight.detach()[..., 1, 1].diagonal(dim1=-2, dim2=-1)


REFUSALS = [
    ("U", "masked"),
    ("k", "above"),
    ("k", "below"),
    ("t", "below"),
    ("s", "zero"),
    ("l", "not one"),
    ("t", "nan"),
    ("t", "infinite"),
    ("U", "shape"),
    ("pivot", "sign"),
]


@pytest.mark.parametrize(("name", "how"), REFUSALS)
def test_set_effective_refuses_and_changes_nothing(name: str, how: str) -> None:
    layer = model_of("layer")
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    if name == "pivot":
        name = "V" if tied_by_sign(layer, "V") else "U"
    value = layer.effective(name).detach().clone()
    match how:
        case "masked":
            value[0, 1, 2, 2] = 1.0
        case "above":
            value[0, 0, 1, 1] = 5.0
        case "below":
            value.view(-1)[0] = 0.1
            if name == "k":
                value[0, 0, 1, 1] = 0.1
        case "zero":
            value[0] = 0.0
        case "not one":
            value[1, 1, 1, 1] = 1.25
        case "nan":
            value.view(-1)[1] = math.nan
        case "infinite":
            value.view(-1)[1] = math.inf
        case "shape":
            value = value[..., :2]
        case "sign":
            value[0, 0, 1, 1] *= -1.0
    with pytest.raises(ValueError) as caught:
        layer.set_effective(name, value)
    assert "\n" not in str(caught.value)
    for key, tensor in layer.state_dict().items():
        assert torch.equal(tensor, before[key])


def test_frozen_weights() -> None:
    for name in ("images", "reals"):
        model = model_of(name).eval()
        x = some(model, 2)
        z, log_det = model(x)
        with model.frozen() as same:
            assert same is model
            frozen, frozen_det = model(x)
            assert torch.equal(frozen, z) and torch.equal(frozen_det, log_det)
            assert torch.allclose(model.inverse(z)[0], x, atol=1e-9)
            model.train()
            with pytest.raises(RuntimeError, match="no gradients"):
                model(x)
            with torch.no_grad():
                assert torch.equal(model(x)[0], z)
        model(x)[0].sum().backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_frozen_weights_end_with_an_error() -> None:
    model = model_of("reals")
    with pytest.raises(ZeroDivisionError), model.frozen():
        raise ZeroDivisionError
    with torch.no_grad():
        next(iter(model.parameters())).add_(1.0)
    assert all(getattr(m, "kept_weights", None) is None for m in model.modules())


def test_copies_are_independent() -> None:
    for name in EVERYTHING:
        model = model_of(name)
        other = copy.deepcopy(model)
        x = some(model, 2)
        assert torch.equal(model(x)[0], other(x)[0])
        with torch.no_grad():
            for p in other.parameters():
                p.copy_(0.1 - 0.5 * p)  # elsewhere, also where a value is cut
        assert not torch.equal(model(x)[0], other(x)[0])


def test_a_module_in_a_file_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k, (text, cls) in enumerate(((IMAGES, "Images"), (REALS, "Reals"), (PROGRAMS["act_passed"], "F"))):
        cls = compile_text(text).cls.__name__
        file = tmp_path / f"generated_for_pickling_{k}.py"
        file.write_text(source(text), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, file.stem, module)
        spec.loader.exec_module(module)
        model = draw(getattr(module, cls)(dtype=torch.float64))
        x = some(model, 2)
        again = pickle.loads(pickle.dumps(model))
        assert torch.equal(again(x)[0], model(x)[0])
        torch.save(model, tmp_path / "model.pt")
        assert torch.equal(torch.load(tmp_path / "model.pt", weights_only=False)(x)[0], model(x)[0])


# ---------------------------------------------------------------- densities


def normal(z: Tensor) -> Tensor:
    return (-0.5 * z * z - 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)


def test_log_prob_of_reals() -> None:
    model = model_of("reals")
    x = torch.randn(5, 3, dtype=torch.float64)
    z, log_det = model(x)
    assert worst(model.log_prob(x), normal(z) + log_det) <= 1e-14
    assert worst(model.bits_per_dim(x), -(normal(z) + log_det) / (3 * math.log(2))) <= 1e-14
    jacobian = torch.autograd.functional.jacobian(lambda v: model(v)[0], x[0])
    assert worst(model.log_prob(x[0]), normal(z[:1])[0] + torch.linalg.slogdet(jacobian).logabsdet) <= 1e-12
    drawn, log_prob = model.sample_and_log_prob((4, 2))
    assert drawn.shape == (4, 2, 3) and log_prob.shape == (4, 2)
    assert worst(model.log_prob(drawn), log_prob) <= 1e-12
    assert model.sample().shape == (3,) and model.sample(7).shape == (7, 3)
    torch.manual_seed(1)
    plain = model.sample((6,))
    torch.manual_seed(1)
    attached = model.rsample((6,))
    assert torch.equal(plain, attached.detach()) and not plain.requires_grad and attached.requires_grad


def test_density_integrates_to_one() -> None:
    at = compile_text(
        HEAD
        + """
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  param b : bias
  map x -> V(x) + 0.5 * tanh(V(x)) + b
}
flow F on Vec[2] ensures invertible { A  A  prior normal }"""
    )
    model = draw(at.build(), 3, 0.3)
    line = torch.linspace(-12, 12, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        mass = model.log_prob(grid).exp().sum() * (line[1] - line[0]) ** 2
        assert float(mass) == pytest.approx(1.0, abs=1e-6)
        # samples have the moments of the density
        torch.manual_seed(0)
        drawn = model.sample((20000,))
        weight = model.log_prob(grid).exp() * (line[1] - line[0]) ** 2
        mean = (weight[:, None] * grid).sum(0)
        deviation = ((weight[:, None] * (grid - mean) ** 2).sum(0)).sqrt()
    assert ((drawn.mean(0) - mean).abs() <= 5 * deviation / math.sqrt(20000)).all()
    assert ((drawn.std(0) / deviation - 1).abs() <= 0.03).all()


def test_bits_per_dim_of_integers() -> None:
    """-log2 of p((x + u) / 8) / 8^D with u from the same noise, over D: written out once more."""
    model = model_of("images")
    x = torch.randint(0, 8, (5, 1, 4, 4))
    torch.manual_seed(11)
    found = model.bits_per_dim(x)
    torch.manual_seed(11)
    unit = (x.double() + torch.rand(x.shape, dtype=torch.float64)) / 8
    z = torch.log(0.05 + 0.9 * unit) - torch.log(1 - 0.05 - 0.9 * unit)
    s = 0.05 + 0.9 * unit
    log_det = (math.log(0.9) - torch.log(s) - torch.log(1 - s)).flatten(1).sum(1)
    for pair in model.MintPair_0:
        z, term = pair(z)
        log_det = log_det + term
    z = z.reshape(5, 1, 2, 2, 2, 2).permute(0, 3, 5, 1, 2, 4).reshape(5, 4, 2, 2)
    z, term = model.MintPair_1(z)
    log_p = normal(z) + log_det + term - 16 * math.log(8)
    assert worst(found, -log_p / (16 * math.log(2))) <= 1e-12
    for kind in (torch.uint8, torch.int64, torch.float32):
        torch.manual_seed(11)
        assert worst(model.bits_per_dim(x.to(kind)), found) <= 1e-12


def test_samples_of_integers() -> None:
    model = model_of("images")
    x = model.sample((6,))
    assert x.dtype == torch.int64 and x.shape == (6, 1, 4, 4)
    assert int(x.min()) >= 0 and int(x.max()) <= 7
    drawn, log_prob = model.sample_and_log_prob(3)
    assert drawn.dtype == torch.int64 and log_prob.shape == (3,) and torch.isfinite(log_prob).all()


def test_injective_flows_have_a_density_but_no_samples() -> None:
    model = model_of("flow_injective")
    assert torch.isfinite(model.log_prob(torch.randn(3, 4, dtype=torch.float64))).all()
    for call in (model.sample, model.rsample, model.sample_and_log_prob, model.distribution):
        with pytest.raises(RuntimeError, match="injective, but not onto"):
            call()


def test_an_image_that_is_half_a_line_gives_no_samples() -> None:
    text = "mint 1\nlayer A on S ensures injective { map x -> exp(x) }\nflow F on Vec[2] { A  prior normal }\n"
    with pytest.raises(RuntimeError, match="cannot sample"):
        compile_text(text).build().sample((2,))


def test_initial_values_at_a_bound_that_float32_rounds() -> None:
    text = (
        "mint 1\nlayer A on Vec[D] ensures diagonal, diag >= 0.9, invertible {\n"
        "  param s : scale with diag >= 0.9 init zeros\n  param t : scale with diag >= 0.1, diag <= 0.7 init zeros\n"
        "  param r : scale with diag >= 0.1, diag <= 0.7 init ones\n  map x -> s * x + r * x + t * x\n}\n"
    )
    for dtype in (torch.bfloat16, torch.float32, torch.float64):
        model = compile_text(text, (3,)).build(dtype)
        assert (model.effective("s").double() >= 0.9).all()
        assert (model.effective("t").double() >= 0.1).all() and (model.effective("r").double() <= 0.7).all()


def test_distribution_and_transform() -> None:
    model = model_of("reals")
    density = model.distribution()
    assert density.event_shape == (3,)
    x = torch.randn(5, 3, dtype=torch.float64)
    assert worst(density.log_prob(x), model.log_prob(x)) <= 1e-9
    assert density.sample((4,)).shape == (4, 3)
    transform = model.transform()
    z = transform(x)
    assert worst(z, model(x)[0]) == 0.0
    assert worst(transform.log_abs_det_jacobian(x, z), model(x)[1]) == 0.0
    assert worst(transform.inv(z), x) <= 1e-9
    value, ladj = transform.call_and_ladj(x)
    assert torch.equal(value, z) and torch.equal(ladj, model(x)[1])
    images = model_of("images").transform()
    assert images.forward_shape(torch.Size((7, 1, 4, 4))) == (7, 4, 2, 2)
    assert images.inverse_shape(torch.Size((7, 4, 2, 2))) == (7, 1, 4, 4)


def test_trace_and_steps() -> None:
    model = model_of("images")
    x = some(model, 2)
    rows = model.trace(x)
    layers = [row for row in rows if row[0].rpartition(".")[2].startswith("Mint_")]
    assert [row[0] for row in layers] == [
        f"{pair}.Mint_{k}" for pair in ("MintPair_0.0", "MintPair_0.1", "MintPair_1") for k in (0, 1)
    ]
    assert model.steps == ("logit_0", "MintPair_0", "squeeze_0", "MintPair_1")
    assert worst(rows[-1][1], model(x)[0]) == 0.0
    assert not any(m._forward_hooks for m in model.modules())


def test_batch_norm_needs_evaluation() -> None:
    model = model_of("flow_batch_norm")
    x = some(model, 4)
    expected = model(x)[0]
    model.train()
    for call in (lambda: model.inverse(expected), lambda: model.log_prob(x), lambda: model.sample(2)):
        with pytest.raises(RuntimeError, match="evaluation mode"):
            call()
    model(x)  # a surrogate, which moves the running statistics
    model.eval()
    assert not torch.equal(model(x)[0], expected)


def test_padded_channels() -> None:
    model = model_of("flow_padded")
    x = some(model, 3)
    z, log_det = model(x)
    assert log_det is None and z.shape[1:] == tuple(model.latent_shape)
    assert worst(model.inverse(z)[0], x) <= 1e-9
    assert not hasattr(model, "log_prob") and not hasattr(model, "sample")
    last = compile_text(
        HEAD + "flow F on Image[1, 2, 2] { standardize(mean = 0.5, std = 2)  pad channels to 3 }"
    ).build()
    z = last(some(last, 2))[0]
    assert worst(last.inverse(z)[0], some(last, 2)) <= 1e-14
    with pytest.raises((RuntimeError, ValueError), match="channels"):
        last.inverse(z + 1.0)  # not in the image


def test_classifier() -> None:
    model = model_of("flow_classifier")
    x = some(model, 5)
    logits = model.logits(x)
    z = model(x)[0]
    pooled = torch.nn.functional.elu(z).mean((-2, -1))
    assert worst(logits, pooled @ model.head.W.T + model.head.b) <= 1e-12
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 1, 0])).backward()


# ---------------------------------------------------------------- torch's tools


@pytest.mark.parametrize("name", EVERYTHING)
def test_meta_device(name: str) -> None:
    text = {"images": IMAGES, "reals": REALS}.get(name, PROGRAMS.get(name, ""))
    model = (compiled(name) if text == PROGRAMS.get(name) else compile_text(text)).build(device="meta")
    assert all(t.is_meta for t in model.parameters())
    z, log_det = model(torch.zeros(2, *model.event_shape, device="meta", dtype=torch.float64))
    assert z.is_meta and tuple(log_det.shape) == (2,)
    model.to_empty(device="cpu")
    for m in model.modules():
        if hasattr(m, "reset_parameters"):
            m.reset_parameters()
    real = model_of(name)
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in real.state_dict().items()}
    loaded = (compiled(name) if text == PROGRAMS.get(name) else compile_text(text)).build(device="meta")
    loaded.load_state_dict(real.state_dict(), strict=True, assign=True)


DEFERRED = ["images", "reals", "layer", "conv_signed", "flow_batch_norm", "conv_corner", "flow_classifier"]
DEFERRED += ["flow_moved", *CHAINS]


@pytest.mark.parametrize("name", DEFERRED)
@pytest.mark.parametrize("how", ["reset", "load", "assign", "context", "moved"])
def test_masks_survive_deferred_construction(name: str, how: str) -> None:
    """Masks are not in a state dict: left unset by to_empty, they would let any weight reach any output."""
    text = {"images": IMAGES, "reals": REALS, "layer": LAYER}.get(name)
    at = compiled(name) if text is None else compile_text(text)
    real = near_initial(at.build())
    if how == "context":
        with torch.device("meta"):
            model = at.build()
    else:
        model = at.build(device=None if how == "moved" else "meta")
    if how != "assign":
        model.to_empty(device="cpu")
    poison(model)
    if how == "reset":
        for m in model.modules():
            if hasattr(m, "reset_parameters"):
                m.reset_parameters()
    else:
        model.load_state_dict(real.state_dict(), assign=how == "assign")
        x = some(real, 2)
        assert torch.equal(model(x)[0], real(x)[0])
    wanted = {k: v for k, v in real.named_buffers() if k not in real.state_dict()}
    found = dict(model.named_buffers())
    assert all(torch.equal(found[k], v) for k, v in wanted.items())
    fresh = dict(at.build().named_buffers())
    if how == "reset":
        assert all(torch.equal(v, fresh[k]) for k, v in found.items() if k.endswith(("_mean", "_var", "_count")))
    model.half().double().to("cpu")
    assert all(torch.equal(dict(model.named_buffers())[k], v) for k, v in wanted.items())


@torch.no_grad()
def poison(model: nn.Module) -> None:
    """What memory may hold after to_empty, wherever a state dict or reset_parameters has to write."""
    stored = model.state_dict(keep_vars=True)  # masks and permutations are not
    for t in stored.values():
        if not t.is_meta:
            t.fill_(77)
    for layer in model.modules():  # permutations are made again with the masks, not stored
        for name in getattr(layer, "masks", ()):
            if getattr(layer, name).dtype == torch.long:
                layer.make_masks()


@pytest.mark.parametrize("name", EVERYTHING)
def test_new_tensors_are_made_where_the_arguments_are(name: str) -> None:
    """With another default device, a tensor made without a device would meet those of the arguments and raise."""
    model = model_of(name)
    x = some(model, 3)
    expected = model(x)[0].detach()
    with torch.device("meta"):
        z, log_det = model(x)
        back, _ = model.inverse(expected)
        (log_det.sum() + model.inverse(expected)[0].sum()).backward()
        if hasattr(model, "log_prob"):
            data = model.sample((2,))
            assert torch.isfinite(model.log_prob(data)).all()
            model.transform()(x)
    assert torch.equal(z, expected) and worst(back, x) <= 1e-9


@pytest.mark.parametrize(
    "name",
    [
        "images",
        "reals",
        "family_grouped_rest_free_summed",
        "act_passed",
        "flow_three_scales",
        "flow_factored_by_nets",
        "flow_by_data",
        "flow_moved",
        "exp_kernels",
        "exp_in_parts",
        "flow_transposed",
        "low_rank",
        *CHAINS,
    ],
)
def test_compiles_in_one_graph(name: str) -> None:
    torch._dynamo.reset()
    model = model_of(name)
    x = some(model, 3)
    compiled_model = torch.compile(model, fullgraph=True, backend="eager")
    z, log_det = compiled_model(x)
    expected, expected_det = model(x)
    assert worst(z, expected) <= 1e-12 and worst(log_det, expected_det) <= 1e-12
    if hasattr(model, "log_prob") and not model.levels:
        log_prob = torch.compile(model.log_prob, fullgraph=True, backend="eager")
        assert worst(log_prob(x), model.log_prob(x)) <= 1e-12


def test_log_prob_of_integers_compiles() -> None:
    torch._dynamo.reset()
    model = model_of("images")
    x = torch.randint(0, 8, (3, 1, 4, 4))
    log_prob = torch.compile(model.log_prob, fullgraph=True, backend="eager")
    torch.manual_seed(3)
    found = log_prob(x)
    torch.manual_seed(3)
    assert worst(found, model.log_prob(x)) <= 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("name", ["images", "reals", "flow_three_scales"])
def test_compiles_with_inductor(name: str) -> None:
    torch._dynamo.reset()
    model = model_of(name)
    x = some(model, 3).requires_grad_()
    z, log_det = torch.compile(model, fullgraph=True)(x)
    expected, expected_det = model(x)
    assert worst(z, expected) <= 1e-10 and worst(log_det, expected_det) <= 1e-10
    (found,) = torch.autograd.grad(log_det.sum() + z.sum(), x)
    (wanted,) = torch.autograd.grad(expected_det.sum() + expected.sum(), x)
    assert worst(found, wanted) <= 1e-10


@pytest.mark.parametrize("name", ["images", "reals", "flow_three_scales", "flow_moved", "flow_factored_by_nets"])
def test_exports(name: str) -> None:
    model = model_of(name).eval()
    x = some(model, 3)
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(model, (x,), dynamic_shapes={"x": {0: batch}}, strict=False)
    for count in (3, 5):
        more = some(model, count)
        z, log_det = program.module()(more)
        assert worst(z, model(more)[0]) <= 1e-12 and worst(log_det, model(more)[1]) <= 1e-12


def test_vmap_of_the_score() -> None:
    model = model_of("reals")
    x = torch.randn(4, 3, dtype=torch.float64)
    score = torch.func.vmap(torch.func.jacrev(model.log_prob))(x)
    point = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model.log_prob(point).sum(), point)
    assert worst(score, expected) <= 1e-12
    state = dict(model.named_parameters())
    gradient = torch.func.grad(lambda s: torch.func.functional_call(model, s, (x,))[1].sum())(state)
    assert set(gradient) == set(state)


def test_gradcheck_of_the_log_prob() -> None:
    model = model_of("reals")
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model.log_prob, (x,))
    assert torch.autograd.gradgradcheck(model.log_prob, (x,))


def test_trains() -> None:
    """A few steps towards a shifted normal raise the likelihood."""
    model = compile_text(REALS).build()
    made = torch.Generator().manual_seed(0)
    data = 2.0 + 0.5 * torch.randn(256, 3, generator=made, dtype=torch.float64)
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    first = float(-model.log_prob(data).mean().detach())
    for _ in range(60):
        loss = -model.log_prob(data).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    last = float(loss.detach())
    assert last < first - 1.0
    assert last < 3 * (0.5 * math.log(2 * math.pi * math.e) + math.log(0.5)) + 0.3


def test_spec_hash() -> None:
    at = compile_text(REALS)
    model = at.build()
    assert len(model.spec_hash) == 64 and f"spec_hash {model.spec_hash}" in source(REALS)
    spaced = REALS.replace("map x -> U(x)", "map x ->  U(x)")
    assert compile_text(spaced).build().spec_hash == model.spec_hash  # layout and comments do not count
    changed = REALS.replace("diag >= 0\n", "diag >= 0 via square\n")
    assert changed != REALS and compile_text(changed).build().spec_hash != model.spec_hash


def test_domain_of_the_data() -> None:
    at = compiled("flow_logit_in_a_step")
    model = at.build()
    assert torch.isfinite(model(data_of(at, 2))[0]).all()


def test_functions_do_not_hold_batches() -> None:
    """Nothing of a call stays behind but the report of the last inverse."""
    model = model_of("reals")
    before = {k for m in model.modules() for k in vars(m)}
    z = model(some(model, 3))[0]
    model.inverse(z)
    model.log_prob(z)
    assert {k for m in model.modules() for k in vars(m)} == before
    assert functools.reduce(lambda a, m: a and getattr(m, "kept_weights", None) is None, model.modules(), True)
