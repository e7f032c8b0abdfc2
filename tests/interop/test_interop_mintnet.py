"""Generated MintNets against the authors' equations, on state dicts with the authors' names."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import official_mintnet as official
import pytest
import torch
from official_mintnet import KINDS, State
from torch import Tensor, nn

import mintdsl
from mintdsl.interop.mintnet import OfficialMismatch, authors_inverse, load_official, to_official
from mintdsl.resources import resource

TOL = 1e-9
LIBRARY = (resource("specs") / "mintnet" / "mint.mint").read_text(encoding="utf-8")
SMALL = """mint 1
import "mintnet/mint.mint" { MintPair }
flow Small(A: Nat, B: Nat, D: Nat) on Image[2, 8, 8] ensures invertible {
  dequantize 256
  logit(0.05)
  repeat 2 { MintPair(K = A) }
  squeeze 2
  MintPair(K = B)
  squeeze 2
  repeat 2 { MintPair(K = D) }
  prior normal
}
"""
TINY = """mint 1
import "mintnet/mint.mint" { MintPair }
flow Tiny on Image[1, 4, 4] ensures invertible {
  logit(0.05)
  MintPair(K = 3)
  squeeze 2
  MintPair(K = 2)
  prior normal
}
"""
CLASSIFIER = """mint 1
import "mintnet/mnist_classifier.mint" { NormPair }
import "std/heads.mint" { PooledLinear }
flow Classifier on Image[1, 6, 6] {
  standardize(mean = 0.5, std = 0.5)
  pad channels to 16
  repeat 1 { NormPair }
  squeeze 2
  NormPair
  classify PooledLinear(classes = 7)
}
"""
SCALES = [(2, 5), (1, 2), (2, 1)]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The tensors are so small that threads which wait for each other cost ten times the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def pair_class(size: int = 3) -> type[nn.Module]:
    return mintdsl.loads(LIBRARY.replace("conv 3x3", f"conv {size}x{size}")).compile("MintPair")


@cache
def compiled(text: str) -> type[nn.Module]:
    return mintdsl.loads(text).compile()


def small() -> nn.Module:
    (_, a), (_, b), (_, d) = SCALES
    return compiled(SMALL)(A=a, B=b, D=d, dtype=torch.float64)


def classifier() -> nn.Module:
    return compiled(CLASSIFIER)(dtype=torch.float64)


def pictures(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(ours: Tensor, theirs: Tensor, tol: float = TOL) -> None:
    assert ours.shape == theirs.shape
    worst = float((ours - theirs).detach().abs().max() / theirs.detach().abs().max().clamp(min=1e-300))
    assert worst <= tol, f"relative error {worst:.2e}"


def leaves(state: State) -> State:
    return {k: v.clone().requires_grad_() if v.is_floating_point() else v for k, v in state.items()}


def gradients(model: nn.Module, state: State) -> State:
    """The gradients of the raw parameters, in the authors' names and layout."""
    carrier = copy.deepcopy(model)
    with torch.no_grad():
        for mine, its in zip(carrier.parameters(), model.parameters(), strict=True):
            mine.copy_(torch.zeros_like(its) if its.grad is None else its.grad)
    found = {key: value for key, value in to_official(carrier).items() if key in state}
    norms = [key.removesuffix("running_mean") for key in state if key.endswith("running_mean")]
    for key, norm in zip(norms, (m for m in model.modules() if hasattr(m, "g_sign")), strict=True):
        # the gain is stored as sign * (2^-20 + softplus(raw))
        found[f"{key}weight"] = norm.g.grad / (norm.g_sign * torch.sigmoid(norm.g.detach()))
    return found


def same_gradients(model: nn.Module, ours: Tensor, theirs: Tensor, state: State, inputs: tuple[Tensor, Tensor]) -> None:
    ours.backward()
    theirs.backward()
    assert inputs[0].grad is not None and inputs[1].grad is not None
    close(inputs[0].grad, inputs[1].grad)
    found = gradients(model, state)
    assert found.keys() == state.keys()
    for key, leaf in state.items():
        if not leaf.requires_grad or "running" in key:
            continue
        expected = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        close(found[key], expected) if bool(expected.any()) else close(found[key] + 1, expected + 1)


# ---------------------------------------------------------------- exactness


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("channels", "filters", "size"), [(1, 4, 3), (3, 1, 3), (3, 3, 3), (2, 2, 5)])
def test_layers_are_those_of_the_authors(kind: str, channels: int, filters: int, size: int) -> None:
    shape = (channels, 6, 5)
    state = official.random_net(shape, [(1, filters)], size=size, kind=kind, seed=channels + 10 * filters)
    pair = pair_class(size)(shape, K=filters, dtype=torch.float64)
    load_official(pair, state)
    for j, layer in enumerate((pair.Mint_0, pair.Mint_1)):
        x = 2 * pictures(4, *shape) - 1
        mine, its = x.clone().requires_grad_(), x.clone().requires_grad_()
        theirs = {k: v for k, v in leaves(state).items() if k.startswith(f"layers.0.{j}")}
        y, log_det = layer(mine)
        expected, diagonal = official.layer(theirs, f"layers.0.{j}", its, upper=j == 1)
        close(y, expected)
        close(layer.jacobian_diagonal(x), diagonal.detach())
        close(log_det, diagonal.log().flatten(1).sum(1))
        pair.zero_grad()
        both = {k: v for k, v in leaves(state).items() if k not in theirs} | theirs
        weights = pictures(*y.shape, seed=2)
        ours = (weights * y).sum() + log_det.sum()
        ref = (weights * expected).sum() + diagonal.log().sum()
        same_gradients(pair, ours, ref, both, (mine, its))


@pytest.mark.parametrize("kind", KINDS)
def test_flows_are_those_of_the_authors(kind: str) -> None:
    state = official.random_net((2, 8, 8), SCALES, kind=kind)
    assert official.pairs(state) == [0, 1, None, 3, None, 5, 6]
    model = small()
    load_official(model, state)
    x = pictures(3, 2, 8, 8)
    mine, its, theirs = x.clone().requires_grad_(), x.clone().requires_grad_(), leaves(state)
    z, log_det = model(mine)
    y, first = official.logit(its, 0.05)
    expected, rest = official.net(theirs, y)
    close(z, expected)
    close(log_det, first + rest)
    assert float((rest.detach().abs() / y[0].numel()).min()) > 0.05
    ours, ref = z.square().mean() + log_det.mean(), expected.square().mean() + (first + rest).mean()
    same_gradients(model, ours, ref, theirs, (mine, its))


def test_autograd_of_their_equations_has_the_diagonal_they_claim() -> None:
    state = official.random_net((2, 3, 3), [(1, 2)], kind="negative_t")
    x = 2 * pictures(1, 2, 3, 3) - 1
    for j in (0, 1):
        value = partial(official.layer, state, f"layers.0.{j}", upper=j == 1)
        full = torch.autograd.functional.jacobian(lambda v, f=value: f(v)[0], x).reshape(18, 18)
        assert not bool((full.tril(-1) if j else full.triu(1)).any())
        close(full.diagonal(), official.layer(state, f"layers.0.{j}", x, j == 1)[1].flatten())


@pytest.mark.parametrize("kind", ["plain", "zero_t", "junk"])
def test_classifiers_are_those_of_the_authors(kind: str) -> None:
    state = official.random_classifier(6, [1, 1], kind=kind, classes=7)
    assert official.pairs(state) == [0, None, 2]
    model = classifier()
    load_official(model.eval(), state)
    x = pictures(3, 1, 6, 6)
    mine, its, theirs = x.clone().requires_grad_(), x.clone().requires_grad_(), leaves(state)
    logits, expected = model.logits(mine), official.classify(theirs, (its - 0.5) / 0.5)
    close(logits, expected)
    target = torch.tensor([0, 3, 6])
    loss = partial(nn.functional.cross_entropy, target=target)
    same_gradients(model, loss(logits), loss(expected), theirs, (mine, its))


def test_classifiers_train_as_those_of_the_authors() -> None:
    state = official.random_classifier(6, [1, 1], classes=7)
    model = classifier()
    load_official(model.train(), state)
    x = pictures(5, 1, 6, 6)
    close(model.logits(x), official.classify(state, (x - 0.5) / 0.5, training=True))
    back = to_official(model)
    assert int(back["layers.2.2.num_batches_tracked"]) == 20
    for key, value in state.items():
        close(back[key], value) if value.is_floating_point() else close(back[key] / 1, value / 1)


def test_full_mnist_model_has_their_parameters() -> None:
    model = mintdsl.load(resource("specs") / "mintnet" / "mnist.mint").compile()()
    assert sum(p.numel() for p in model.parameters()) == 805_272
    assert sum(v.numel() for v in to_official(model).values()) == 805_272
    frozen = to_official(model, masks=True)
    assert sum(v.numel() for k, v in frozen.items() if "mask" in k) == 1_540_872
    live = sum(v.numel() for k, v in to_official(model).items() if "weight" not in k)
    live += int(sum(v.sum() for k, v in frozen.items() if ".mask" in k))
    assert live == 437_200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "count"),
    [("cifar10", 27_460_944), ("mnist_classifier", 26_684_618), ("cifar10_classifier", 26_830_538)],
)
def test_full_models_have_their_parameters(file: str, count: int) -> None:
    model = mintdsl.load(resource("specs") / "mintnet" / f"{file}.mint").compile()()
    assert sum(p.numel() for p in model.parameters()) == count
    given = to_official(model)
    assert sum(v.numel() for k, v in given.items() if "running" not in k and "tracked" not in k) == count
    assert sum(key.endswith("weight1") for key in given) == (42 if file == "cifar10" else 38)


@pytest.mark.slow
def test_full_mnist_model_is_that_of_the_authors() -> None:
    state = official.random_net((1, 28, 28), [(6, 45), (6, 11), (8, 2)], seed=5)
    model = mintdsl.load(resource("specs") / "mintnet" / "mnist.mint").compile()(dtype=torch.float64)
    load_official(model, state)
    x = pictures(2, 1, 28, 28)
    z, log_det = model(x)
    y, first = official.logit(x, 1e-6)
    expected, rest = official.net(state, y)
    close(z, expected)
    close(log_det, first + rest)


# ---------------------------------------------------------------- loading and giving back


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_is_exact(kind: str) -> None:
    state = official.random_net((2, 8, 8), SCALES, kind=kind)
    model = small()
    load_official(model, state)
    back = to_official(model)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)
    with_masks = to_official(model, masks=True)
    assert len(with_masks) == len(back) + 6 * 10
    for key in {key.rsplit(".", 1)[0] for key in state}:
        shape = state[f"{key}.weight1"].shape
        filters, channels = shape[0] // shape[1], shape[1]
        for n, kept in official.masks(state, key, key.endswith("1")).items():
            assert torch.equal(with_masks[f"{key}.mask{n}"], kept)
            centre = with_masks[f"{key}.center_mask{n}"]
            assert int(centre.sum()) == channels * filters ** (2 if n == 2 else 1) == int(centre[..., 1, 1].sum())
            assert not bool((centre > kept).any())


def test_copies_share_no_memory() -> None:
    model, state = small(), official.random_net((2, 8, 8), SCALES)
    load_official(model, state)
    to_official(model)["layers.0.0.t"].zero_()
    state["layers.0.0.t"].zero_()
    assert float(model.MintPair_0[0].Mint_0.t.detach().abs().min()) > 0


@pytest.mark.parametrize("form", ["prefix", "masks", "checkpoint", "file", "checkpoint file"])
def test_forms_of_a_state_dict(form: str, tmp_path: Path) -> None:
    state = official.random_net((2, 8, 8), SCALES)
    model = small()
    load_official(model, state)
    given = to_official(model, masks=True) if form != "file" else state
    named = {f"module.{key}": value for key, value in given.items()} if form in ("prefix", "checkpoint file") else given
    optimiser = torch.optim.Adam(model.parameters(), amsgrad=True)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [250, 350, 450])
    whole = [named, optimiser.state_dict(), 3, 1000, schedule.state_dict()] if "checkpoint" in form else named
    fresh = small()
    if "file" in form:
        torch.save(whole, tmp_path / "checkpoint.pth")
        load_official(fresh, tmp_path / "checkpoint.pth")
        load_official(fresh, str(tmp_path / "checkpoint.pth"))
    else:
        load_official(fresh, whole)
    back = to_official(fresh)
    assert all(torch.equal(back[key], state[key]) for key in state)


def test_round_trip_of_a_classifier() -> None:
    state = official.random_classifier(6, [1, 1], kind="junk", classes=7)
    model = classifier()
    load_official(model, state)
    back = to_official(model)
    assert back.keys() == state.keys()
    for key, value in state.items():
        if key.endswith((".0.weight", ".2.weight")) and "fc" not in key:
            close(back[key], value, 1e-15)  # a gain is stored by softplus
        else:
            assert torch.equal(back[key], value) and back[key].dtype == value.dtype


def refused(model: nn.Module, state: object) -> str:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(OfficialMismatch) as caught:
        load_official(model, state)  # type: ignore[arg-type]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


def test_differences_are_named_and_nothing_changes(tmp_path: Path) -> None:
    state = official.random_net((2, 8, 8), SCALES)
    short = {k: v for k, v in state.items() if not k.startswith("layers.6")}
    assert "14 missing: layers.6.0.weight1 [32, 32, 3, 3]" in refused(small(), short)
    assert "and 11 more" in refused(small(), short)
    assert "2 unexpected: fc.weight [3], layers.2.0.mask1 [1]" in refused(
        small(), state | {"fc.weight": torch.zeros(3), "layers.2.0.mask1": torch.zeros(1)}
    )
    wide = official.random_net((2, 8, 8), [(2, 6), *SCALES[1:]])
    assert "layers.0.0.weight1 is [12, 2, 3, 3] but must be [10, 2, 3, 3]" in refused(small(), wide)
    big = official.random_net((2, 8, 8), SCALES, size=5)
    assert "layers.0.0.weight1 is [10, 2, 5, 5] but must be [10, 2, 3, 3]" in refused(small(), big)
    last = dict(state)
    last["layers.6.1.t"] = last["layers.6.1.t"][:, :, :1]
    assert "layers.6.1.t is [1, 32, 1, 2] but must be [1, 32, 2, 2]" in refused(small(), last)
    assert "is something else" in refused(small(), state | {"epoch": 3})
    assert "not a int" in refused(small(), [3, state])
    assert "needed, not a list" in refused(small(), [])
    (tmp_path / "text").write_text("hello")
    assert "is no file that" in refused(small(), tmp_path / "text")


@pytest.mark.parametrize(("gain", "message"), [(0.0, "is 0 in channel 5"), (1e-8, "cannot hold this gain")])
def test_a_gain_of_zero_is_refused(gain: float, message: str) -> None:
    state = official.random_classifier(6, [1, 1], classes=7)
    state["layers.2.2.weight"][5] = gain
    assert message in refused(classifier(), state)
    assert "layers.2.2.weight" in refused(classifier(), state)


def test_differences_of_classifiers_are_named() -> None:
    state = official.random_classifier(6, [1, 1], classes=9)
    assert "fc.weight is [9, 64] but must be [7, 64], fc.bias is [9]" in refused(classifier(), state)
    del state["fc.bias"], state["layers.0.0.running_var"]
    assert "2 missing: layers.0.0.running_var [16], fc.bias [7]" in refused(classifier(), state)


def test_another_order_of_theirs_is_refused() -> None:
    model = small()
    state = to_official(model, masks=True)
    state["layers.0.0.mask1"] = torch.ones_like(state["layers.0.0.mask1"])
    assert "channel-major" in refused(model, state)


FLOW = """mint 1
import "mintnet/mint.mint" {{ Mint, MintPair }}
{more}
flow Other on Image[2, 4, 4] ensures invertible {{
  {steps}
  prior normal
}}
"""
GAIN = "layer Gain on Image[C, H, W] { param s : scale with diag > 0 map x -> s * x }"
PIXEL_MAJOR = LIBRARY.split("## One lower")[0].split("layer Mint", 1)[1].replace("channel_major", "raster")


@pytest.mark.parametrize(
    ("steps", "more", "message"),
    [
        ("MintPair(K = 2) ; squeeze 2 (layout = colour_slow) ; MintPair(K = 2)", "", "only `squeeze 2`"),
        ("MintPair(K = 2) ; squeeze 4 ; MintPair(K = 2)", "", "only `squeeze 2`"),
        ("MintPair(K = 2) ; Mint(K = 2, tri = lower)", "", "upper missing"),
        ("Mint(K = 2, tri = upper) ; Mint(K = 2, tri = lower)", "", "is upper, but"),
        ("Mint(K = 2, tri = lower, h = tanh) ; Mint(K = 2, tri = upper, h = tanh)", "", "uses tanh, but"),
        ("Mint(K = 2, tri = lower) ; squeeze 2 ; Mint(K = 2, tri = upper)", "", "inside a pair"),
        ("NormPair", 'import "mintnet/mnist_classifier.mint" { NormPair }', "17 missing: layers.0.0.weight [2]"),
        ("Gain ; MintPair(K = 2)", GAIN, "is a Gain"),
        ("Gain", GAIN, "Gain_0 is a Gain: the authors' code has no such layer"),
        ("logit(0.1)", "", "has no Mint layer"),
        ("Pixel(K = 2, tri = lower) ; Pixel(K = 2, tri = upper)", f"layer Pixel{PIXEL_MAJOR}", "its order, mask"),
        ("Soft(K = 2, tri = lower) ; Soft(K = 2, tri = upper)", "soft", "makes another t"),
    ],
)
def test_models_that_their_code_does_not_have(steps: str, more: str, message: str) -> None:
    if more == "soft":
        more = "layer Soft" + PIXEL_MAJOR.replace("raster", "channel_major").replace(" via abs", "")
    text = FLOW.format(steps="\n  ".join(steps.split(" ; ")), more=more)
    model = compiled(text)(dtype=torch.float64)
    state = official.random_net((2, 4, 4), [(1, 2)])
    assert message in refused(model, state)


# ---------------------------------------------------------------- inversion


def test_small_flow_is_inverted() -> None:
    model = small()
    load_official(model, official.random_net((2, 8, 8), SCALES))
    x = pictures(4, 2, 8, 8)
    z, log_det = model(x)
    back, inverse_log_det = model.inverse(z)
    close(back, x)
    close(-inverse_log_det, log_det)


def zero_t_pair() -> tuple[nn.Module, State]:
    """A pair whose upper layer has t = 0 in one place; alone, that element is then flat at both ends."""
    state = official.random_net((1, 6, 6), [(1, 3)], seed=3)
    state["layers.0.1.t"][0, 0, 2, 3] = 0.0
    for name, sign in ("weight1", 1.0), ("weight3", -1.0):
        centre = state[f"layers.0.1.{name}"][:, :, 1, 1]
        centre.copy_(sign * centre.abs())
    pair = pair_class()((1, 6, 6), K=3, dtype=torch.float64)
    load_official(pair, state)
    return pair, state


@torch.no_grad()
def test_a_zero_of_t_is_inverted_where_the_authors_cycle() -> None:
    pair, state = zero_t_pair()
    x = 2 * pictures(2, 1, 6, 6) - 1
    z, _ = pair(x)
    found, _ = pair.inverse(z)
    for layer in (pair.Mint_0, pair.Mint_1):
        assert float(layer.last_inverse.residual.max()) <= 1e-11
    close(pair(found)[0], z)
    y = pair.Mint_0(x)[0]
    for divisor, steps in (1.0, 100), (1.0, 101), (1.1, 100):
        # from z / t both ends throw the iterate to the other one
        assert float((official.invert_layer(state, "layers.0.1", z, True, steps, divisor) - y).abs().max()) > 1e6
        assert not float((pair(authors_inverse(pair, z, steps, divisor))[0] - z).abs().max()) < 0.1


@torch.no_grad()
@pytest.mark.parametrize(("steps", "divisor"), [(1, 3.5), (7, 1.1), (40, 1.15), (100, 3.5)])
def test_authors_inverse_is_theirs_step_by_step(steps: int, divisor: float) -> None:
    model, state = compiled(TINY)(dtype=torch.float64), official.random_net((1, 4, 4), [(1, 3), (1, 2)])
    load_official(model, state)
    x = pictures(2, 1, 4, 4)
    z, _ = model(x)
    expected = official.unlogit(official.invert(state, z, steps, divisor), 0.05)
    close(authors_inverse(model, z, steps, divisor), expected)
    if steps >= 40:
        close(expected, x)
        close(authors_inverse(model, z, steps, divisor, start="z"), x)
    close(model.inverse(z)[0], x)  # the model itself is as before
