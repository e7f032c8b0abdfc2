"""Initialisation from data: what it gives, in every form; what it refuses; and what raises until then."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from codegen_oracle import Compiled, compile_text, compiled, worst
from codegen_programs import HEAD
from torch import Tensor, nn

import mintdsl
from mintdsl.train import TrainSettings, fit, silent

torch.set_num_threads(1)

FORMS = ("s * (x + b)", "(x + b) * s", "s * x + b", "b + x * s", "x * s", "x + b", "b + x", "x - b", "(x - b) / s",
         "x / s", "x / s - b", "s * (x - b)")  # fmt: skip
PERS = (("channel", "channel"), ("element", "element"), ("channel", "element"), ("element", "channel"))
SHAPES = ((2, 3, 2), (3,), (3, 2))
FLOW = (
    HEAD
    + """
import "std/actnorm.mint" { ActNorm }
layer Mix on Image[C, H, W] ensures lower, invertible {
  param V : conv 3x3 lower with diag > 0 init near_identity(std = 0.3)
  map x -> V(x) + tanh(V(x))
}
flow Inner on Image[C, H, W] ensures invertible { Mix  standardize(mean = data, std = data)  ActNorm }
flow F on Image[2, 4, 4] ensures invertible {
  squeeze 2
  repeat 2 { ActNorm  Mix  Inner }
  last: ActNorm
  prior normal
}"""
)


def layer(form: str, scale: str, bias: str, bound: str = "diag != 0") -> str:
    lines = [f"  param s : scale (per = {scale}) with {bound} init from_data"] if "s" in form else []
    lines += [f"  param b : bias (per = {bias}) init from_data"] if "b" in form else []
    return "\n".join([HEAD + "layer A on S ensures diag != 0, invertible {", *lines, f"  map x -> {form}", "}"])


def batch(*shape: int, seed: int = 0) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=made, dtype=torch.float64)
    channel = [1] * len(shape)
    channel[2 if len(shape) == 3 else 1] = -1
    count = shape[2 if len(shape) == 3 else 1]
    scales = torch.linspace(0.5, 30.0, count, dtype=torch.float64).reshape(channel)
    return 7.0 + scales * (x + x.pow(3) / 5)


def axes(x: Tensor, per: str) -> list[int]:
    return [0] if per == "element" else [a for a in range(x.dim()) if a != (2 if x.dim() == 3 else 1)]


def state(model: nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


# ---------------------------------------------------------------- what it gives


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_mean_0_and_deviation_1_in_every_form(form: str, shape: tuple[int, ...]) -> None:
    for scale, bias in PERS:
        model = compile_text(layer(form, scale, bias), shape).build()
        x = batch(40, *shape)
        assert model.initialize(x) is model
        y = model(x)[0].detach()
        if "b" in form:
            assert float(y.mean(axes(y, bias)).abs().max()) <= 1e-13
        if "s" in form:
            # the deviation of what the bias leaves is 1; without a bias, of what arrives
            centred = y if "b" not in form else y - y.mean(axes(y, bias), keepdim=True)
            assert float((centred.std(axes(y, scale), correction=0) - 1).abs().max()) <= 1e-13


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_narrow_models_are_initialised_as_well_as_they_can_be(dtype: torch.dtype) -> None:
    model = compile_text(layer("s * (x + b)", "channel", "channel", "diag > 0 via exp"), (3,)).build(dtype)
    x = batch(400, 3).to(dtype)
    y = model.initialize(x)(x)[0].detach().double()
    digits = torch.finfo(dtype).eps
    assert float(y.mean(0).abs().max()) <= 40 * digits  # the bias is of the size of the mean, 7 deviations or more
    assert float((y.std(0, correction=0) - 1).abs().max()) <= 4 * digits


def test_each_gets_what_the_ones_before_make() -> None:
    """In repeats, nested flows and after squeezes: every result has mean 0 and deviation 1 by channel."""
    model = compile_text(FLOW).build()
    x = batch(30, 2, 4, 4)
    model.initialize(x)
    rows = [(path, y.detach()) for path, y, _ in model.trace(x)]
    given = [(p, y) for p, y in rows if p == "last" or "ActNorm" in p or "standardize" in p]
    assert len(given) == 2 + 2 * 2 + 1
    for path, y in given:
        assert float(y.mean((0, 2, 3)).abs().max()) <= 1e-12, path
        assert float((y.std((0, 2, 3), correction=0) - 1).abs().max()) <= 1e-12, path
    z, log_det = model(x)
    back, inverse_log_det = model.inverse(z)
    assert worst(back, x) <= 1e-9 and worst(inverse_log_det, -log_det) <= 1e-9


def test_integers_are_dequantised_first() -> None:
    text = (
        HEAD
        + "flow F on Vec[3] ensures invertible { dequantize 8  standardize(mean = data, std = data)  prior normal }"
    )
    model = compile_text(text).build()
    x = torch.randint(0, 8, (50, 3), generator=torch.Generator().manual_seed(0))
    torch.manual_seed(3)
    model.initialize(x)
    torch.manual_seed(3)
    unit = (x.double() + torch.rand(x.shape, dtype=torch.float64)) / 8
    assert worst(model.standardize_0.mean, unit.mean(0)) <= 1e-15
    assert worst(model.standardize_0.log_std, unit.std(0, correction=0).log()) <= 1e-14
    fresh = compile_text(text).build()
    with pytest.raises(ValueError, match="integers from 0 to 7"):
        fresh.initialize(x + 1)
    assert bool(fresh.standardize_0.pending)


def test_leading_dimensions_and_single_layers() -> None:
    model = compile_text(layer("s * x + b", "channel", "channel"), (2, 3, 2)).build()
    x = batch(24, 2, 3, 2)
    model.initialize(x.reshape(4, 6, 2, 3, 2))
    other = compile_text(layer("s * x + b", "channel", "channel"), (2, 3, 2)).build().initialize(x)
    assert same(state(model), state(other))


def test_what_is_set_stays() -> None:
    model = compile_text(FLOW).build().initialize(batch(30, 2, 4, 4))
    before = state(model)
    model.initialize(batch(30, 2, 4, 4, seed=1))
    assert same(state(model), before)
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    with pytest.raises(RuntimeError, match="initialize"):
        model.sample(2)


APPLIED = (
    HEAD
    + """
layer Own on S ensures diag > 0, invertible {
  param s : scale with diag > 0 init from_data
  param b : bias init from_data
  map x -> s * (x + b)
}
layer Parts on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(Own(a), Own(3 * Own(b)) * 2)
  }
}
flow F on Vec[4] ensures invertible { Parts  prior normal }"""
)


def test_layers_that_a_formula_applies_are_set_by_what_arrives_at_them() -> None:
    model, x = compile_text(APPLIED).build(), batch(50, 4)
    for early in (lambda: model.sample(2), lambda: model.Parts_0.inverse(x)):
        with pytest.raises(RuntimeError, match=r"Own_0 is not initialised from data"):
            early()
    z, _ = model.initialize(x)(x)
    unit = torch.ones(2, dtype=torch.float64)
    assert worst(z[:, :2].mean(0), 0 * unit) <= 1e-13 and worst(z[:, :2].std(0, correction=0), unit) <= 1e-13
    assert worst(z[:, 2:].std(0, correction=0), 2 * unit) <= 1e-13
    first = model.Parts_0.Own_1.effective("s")
    assert worst(first, 1 / x[:, 2:].std(0, correction=0)) <= 1e-13
    assert worst(model.inverse(z)[0], x) <= 1e-12
    alone = model.Parts_0.__class__((4,), dtype=torch.float64).initialize(x)
    assert worst(alone(x)[0], z) <= 1e-13


def test_random_numbers_and_modes_are_left() -> None:
    model = compile_text(FLOW).build().train()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model.initialize(batch(30, 2, 4, 4))
    assert torch.equal(torch.rand(3), expected) and model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


# ---------------------------------------------------------------- before that

CALLS: dict[str, Callable[[nn.Module, Tensor], object]] = {
    "inverse": lambda m, x: m.inverse(m(x)[0]),
    "log_prob": lambda m, x: m.log_prob(x),
    "bits_per_dim": lambda m, x: m.bits_per_dim(x),
    "sample": lambda m, x: m.sample(2),
    "rsample": lambda m, x: m.rsample(2),
    "sample_and_log_prob": lambda m, x: m.sample_and_log_prob(2),
    "distribution": lambda m, x: m.distribution(),
    "transform": lambda m, x: m.transform().inv(m(x)[0]),
    "inverse of a nested flow": lambda m, x: m.Inner_0[0].inverse(torch.zeros(8, 2, 2, dtype=x.dtype)),
    "inverse of a layer": lambda m, x: m.last.inverse(torch.zeros(8, 2, 2, dtype=x.dtype)),
    "inverse of a step": lambda m, x: m.Inner_0[0].standardize_0.inverse(torch.zeros(1, 8, 2, 2, dtype=x.dtype)),
}


@pytest.mark.parametrize("name", CALLS)
def test_pending_models_raise(name: str) -> None:
    model, x = compile_text(FLOW).build(), batch(30, 2, 4, 4)
    with pytest.raises(RuntimeError, match=r"is not initialised from data: call model\.initialize\(batch\) first"):
        CALLS[name](model, x)
    model.initialize(x)
    CALLS[name](model, x)


def test_forward_works_before() -> None:
    """With neutral values it is the map without these layers; a scale of 1 and a bias of 0."""
    model, x = compile_text(FLOW).build(), batch(5, 2, 4, 4)
    assert (model.last.effective("s") == 1).all() and (model.last.effective("b") == 0).all()
    z, log_det = model(x)
    rows = {path: (y, d) for path, y, d in model.trace(x)}
    for path in ("ActNorm_0.0", "Inner_0.0.standardize_0", "last"):
        assert (rows[path][1] == 0).all()
    assert torch.isfinite(z).all() and torch.isfinite(log_det).all()


def test_the_first_that_waits_is_named() -> None:
    model = compile_text(FLOW).build()
    with pytest.raises(RuntimeError, match=r"^ActNorm_0\.0 is not"):
        model.sample(1)
    with torch.no_grad():
        for module in model.modules():
            if hasattr(module, "pending"):
                module.pending.fill_(False)
        model.Inner_0[1].standardize_0.pending.fill_(True)
    with pytest.raises(RuntimeError, match=r"^Inner_0\.1\.standardize_0 is not"):
        model.sample(1)


def test_models_that_take_nothing_from_data_have_no_initialize() -> None:
    assert not hasattr(compiled("flow_repeat_of_several").build(), "initialize")


# ---------------------------------------------------------------- what it refuses

REFUSALS = {
    "constant channel": (lambda x: torch.cat([x[:, :1], torch.full_like(x[:, 1:], 3.1)], 1), "channel 1 is constant"),
    "constant up to rounding": (lambda x: torch.cat([x[:, :1], 3.1 + 1e-16 * x[:, 1:]], 1), "channel 1 is constant"),
    "too few": (lambda x: x[:1], "1 value of each channel; to initialise takes at least 2"),
    "none": (lambda x: x[:0], "0 values of each channel"),
    "not finite": (lambda x: torch.cat([x, x[:1] / 0.0]), "channel 0 of what arrives is not finite"),
    "wrong shape": (lambda x: x[:, :2], "must end in"),
    "integers": (lambda x: x.long(), "must be floating"),
}


@pytest.mark.parametrize("how", REFUSALS)
def test_refused_batches_change_nothing(how: str) -> None:
    text = (
        HEAD
        + 'import "std/actnorm.mint" { ActNorm }\nflow F on Vec[3] ensures invertible { one: ActNorm  two: ActNorm }'
    )
    model, x = compile_text(text).build(), batch(20, 3)
    before = state(model)
    make, message = REFUSALS[how]
    with pytest.raises(ValueError) as caught:
        model.initialize(make(x))
    assert message in str(caught.value) and "\n" not in str(caught.value)
    if how not in ("wrong shape", "integers"):
        assert str(caught.value).startswith("one: ")
    assert same(state(model), before)
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_a_later_layer_that_cannot_be_set_leaves_the_earlier_ones() -> None:
    text = (
        HEAD
        + """
import "std/actnorm.mint" { ActNorm }
layer Element on S ensures diag > 0, invertible {
  param s : scale with diag > 0 init from_data
  map x -> s * x
}
flow F on Image[1, 2, 2] ensures invertible { ActNorm  standardize(mean = data, std = data)  Element }"""
    )
    model, x = compile_text(text).build(), batch(9, 1, 2, 2)
    x[:, 0, 1, 0] = 2.5
    before = state(model)
    with pytest.raises(ValueError, match=r"^Element_0: element \[0, 1, 0\] is constant"):
        model.initialize(x)
    assert same(state(model), before)


def test_a_constraint_may_not_hold_the_scale() -> None:
    model, x = compile_text(layer("s * x", "channel", "channel", "diag >= 0.5"), (3,)).build(), batch(20, 3)
    before = state(model)
    with pytest.raises(ValueError):
        model.initialize(x)  # deviations up to 30 need scales down to 1/30
    assert same(state(model), before)
    model.initialize(x / 30.0)


def test_batch_statistics_are_refused() -> None:
    text = (
        HEAD
        + """
import "std/actnorm.mint" { ActNorm }
import "std/batch_norm.mint" { BatchNorm }
flow F on Vec[3] ensures invertible { BatchNorm  ActNorm  prior normal }"""
    )
    model, x = compile_text(text).build().train(), batch(20, 3)
    before = state(model)
    with pytest.raises(RuntimeError, match="evaluation mode"):
        model.initialize(x)
    assert same(state(model), before)
    model.eval().initialize(x)
    assert torch.isfinite(model.log_prob(x)).all()


# ---------------------------------------------------------------- stored numbers


def test_whether_it_was_done_is_stored(tmp_path: Path) -> None:
    at, x = compile_text(FLOW), batch(30, 2, 4, 4)
    fresh, done = at.build(), at.build().initialize(x)
    flags = [k for k in done.state_dict() if k.endswith("pending")]
    assert len(flags) == 7 and all(done.state_dict()[k].dtype == torch.bool for k in flags)
    torch.save(done.state_dict(), tmp_path / "done.pt")
    torch.save(fresh.state_dict(), tmp_path / "fresh.pt")
    model = at.build()
    model.load_state_dict(torch.load(tmp_path / "done.pt", weights_only=True))
    assert torch.equal(model.log_prob(x), done.log_prob(x))
    model.load_state_dict(torch.load(tmp_path / "fresh.pt", weights_only=True))
    with pytest.raises(RuntimeError, match="initialize"):
        model.log_prob(x)
    again = copy.deepcopy(done)
    assert torch.equal(again.sample_and_log_prob(0)[1], torch.zeros(0, dtype=torch.float64))
    assert not any(bool(v) for k, v in done.to(torch.float32).double().state_dict().items() if k in flags)


@pytest.mark.parametrize("how", ["reset", "load", "assign"])
def test_deferred_construction(how: str) -> None:
    at, x = compile_text(FLOW), batch(30, 2, 4, 4)
    done, model = at.build().initialize(x), at.build(device="meta")
    if how != "assign":
        model.to_empty(device="cpu")
        with torch.no_grad():
            for tensor in (*model.parameters(), *(b for b in model.buffers() if b.dtype != torch.bool)):
                tensor.fill_(77)
    if how == "reset":
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        model.initialize(x)
        assert torch.isfinite(model.log_prob(x)).all()
    else:
        model.load_state_dict(done.state_dict(), assign=how == "assign")
        assert torch.equal(model.log_prob(x), done.log_prob(x))


def test_a_stored_deviation_is_positive_whatever_is_loaded() -> None:
    text = HEAD + "flow F on Vec[5] ensures invertible { standardize(mean = data, std = data) }"
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        model = compile_text(text).build(dtype)
        info = torch.finfo(dtype)
        step = model.standardize_0
        log_std = torch.tensor([info.min, -100.0, 0.0, 100.0, info.max], dtype=dtype)
        model.load_state_dict(
            {**model.state_dict(), "standardize_0.log_std": log_std, "standardize_0.pending": torch.tensor(False)}
        )
        std = step.numbers()[1]
        assert (std > 0).all() and torch.isfinite(std).all()
        with torch.no_grad():
            x = torch.randn(3, 5, dtype=dtype)
            assert torch.isfinite(model(x)[1]).all()


def test_a_flow_with_an_initialised_layer_pickles(tmp_path: Path) -> None:
    model = compile_text(FLOW).build().initialize(batch(30, 2, 4, 4))
    kept = pickle.loads(pickle.dumps(model.state_dict()))
    assert same(kept, state(model))


# ---------------------------------------------------------------- torch's tools, training, tools


def test_compiles_before_and_after() -> None:
    torch._dynamo.reset()
    model, x = compile_text(FLOW).build(), batch(30, 2, 4, 4)
    forward = torch.compile(model, fullgraph=True, backend="eager")
    assert worst(forward(x)[0], model(x)[0]) <= 1e-12
    log_prob = torch.compile(model.log_prob, fullgraph=True, backend="eager")
    with pytest.raises(RuntimeError, match="initialize"):
        log_prob(x)  # the test is a part of the graph
    model.initialize(x)
    assert worst(log_prob(x), model.log_prob(x)) <= 1e-12
    assert worst(forward(x)[0], model(x)[0]) <= 1e-12


def test_vmap_and_gradients() -> None:
    model, x = compile_text(FLOW).build(), batch(4, 2, 4, 4)
    model.initialize(x)
    score = torch.func.vmap(torch.func.jacrev(model.log_prob))(x)
    point = x.clone().requires_grad_()
    assert worst(score, torch.autograd.grad(model.log_prob(point).sum(), point)[0]) <= 1e-11


class Recorder:
    """The sizes of the batches that a model is initialised from."""

    def __init__(self, at: Compiled) -> None:
        self.model = at.build(torch.float32)
        self.sizes: list[tuple[int, ...]] = []
        own = self.model.initialize

        def initialize(batch: Tensor) -> object:
            self.sizes.append(tuple(batch.shape))
            return own(batch)

        self.model.initialize = initialize  # type: ignore[assignment]


@pytest.mark.parametrize(("images", "size", "expected"), [(600, 32, 256), (600, 300, 300), (40, 32, 40)])
def test_training_initialises(images: int, size: int, expected: int) -> None:
    text = HEAD + (
        'import "std/actnorm.mint" { ActNorm }\n'
        "flow F on Image[1, 4, 4] ensures invertible { dequantize 256  ActNorm  prior normal }"
    )
    recorder = Recorder(compile_text(text))
    data = torch.randint(0, 256, (images, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    settings = TrainSettings(steps=2, batch_size=size, learning_rate=1e-4)
    history = fit(recorder.model, data, settings=settings, progress=silent)
    assert recorder.sizes == [(expected, 1, 4, 4)]
    # normals of the deviation of uniform noise: log2(256 sqrt(2 pi e / 12)) bits
    assert history.last.loss == pytest.approx(8.25, abs=0.1)


def test_the_library_layer_is_verified() -> None:
    from mintdsl.verify import verify

    found = verify(mintdsl.load(Path(__file__).parents[2] / "specs" / "std" / "actnorm.mint"))
    assert found.ok and len(found.rows) > 20
    flow = verify(mintdsl.loads(FLOW.replace("Image[2, 4, 4]", "Image[1, 4, 4]")))
    assert flow.ok and any(row.check == "log_prob" for row in flow.rows)
