"""Generated MintNets against the authors' equations, on state dicts with the authors' names."""

from __future__ import annotations

import copy
from functools import cache
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
WORST=[]
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
SCALES = [(2, 5), (1, 2), (2, 1)]


@cache
def pair_class(size: int = 3) -> type[nn.Module]:
    return mintdsl.loads(LIBRARY.replace("conv 3x3", f"conv {size}x{size}")).compile("MintPair")


@cache
def compiled(text: str) -> type[nn.Module]:
    return mintdsl.loads(text).compile()


def small() -> nn.Module:
    (_, a), (_, b), (_, d) = SCALES
    return compiled(SMALL)(A=a, B=b, D=d, dtype=torch.float64)


def pictures(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(ours: Tensor, theirs: Tensor, tol: float = TOL) -> None:
    assert ours.shape == theirs.shape
    worst = float((ours - theirs).detach().abs().max() / theirs.detach().abs().max().clamp(min=1e-300))
    WORST.append((worst, len(WORST)))
    assert worst <= tol, f"relative error {worst:.2e}"


def leaves(state: State) -> State:
    return {k: v.clone().requires_grad_() if v.is_floating_point() else v for k, v in state.items()}


def gradients(model: nn.Module) -> State:
    """The gradients of the raw parameters, in the authors' names and layout."""
    carrier = copy.deepcopy(model)
    with torch.no_grad():
        for mine, its in zip(carrier.parameters(), model.parameters(), strict=True):
            mine.copy_(torch.zeros_like(its) if its.grad is None else its.grad)
    return to_official(carrier)


def same_gradients(model: nn.Module, ours: Tensor, theirs: Tensor, state: State, inputs: tuple[Tensor, Tensor]) -> None:
    ours.backward()
    theirs.backward()
    assert inputs[0].grad is not None and inputs[1].grad is not None
    close(inputs[0].grad, inputs[1].grad)
    found = gradients(model)
    assert found.keys() == state.keys()
    for key, leaf in state.items():
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
    assert float((rest.abs() / y[0].numel()).min()) > 0.05
    same_gradients(model, z.square().mean() + log_det.mean(), expected.square().mean() + (first + rest).mean(), theirs, (mine, its))


def test_autograd_of_their_equations_has_the_diagonal_they_claim() -> None:
    state = official.random_net((2, 3, 3), [(1, 2)], kind="negative_t")
    x = 2 * pictures(1, 2, 3, 3) - 1
    for j in (0, 1):
        full = torch.autograd.functional.jacobian(lambda v, j=j: official.layer(state, f"layers.0.{j}", v, j == 1)[0], x)
        full = full.reshape(18, 18)
        assert not bool((full.tril(-1) if j else full.triu(1)).any())
        close(full.diagonal(), official.layer(state, f"layers.0.{j}", x, j == 1)[1].flatten())


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
def test_full_cifar_model_has_their_parameters() -> None:
    model = mintdsl.load(resource("specs") / "mintnet" / "cifar10.mint").compile()()
    assert sum(v.numel() for v in to_official(model).values()) == 27_460_944


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
    assert float(model.MintPair_0[0].Mint_0.t.abs().min()) > 0


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
PIXEL_MAJOR = LIBRARY.split("## One lower")[0].split("layer Mint", 1)[1].replace("channel_major", "pixel_major")


@pytest.mark.parametrize(
    ("steps", "more", "message"),
    [
        ("MintPair(K = 2) ; squeeze 2 (layout = colour_slow) ; MintPair(K = 2)", "", "only `squeeze 2`"),
        ("MintPair(K = 2) ; squeeze 4 ; MintPair(K = 2)", "", "only `squeeze 2`"),
        ("MintPair(K = 2) ; Mint(K = 2, tri = lower)", "", "upper missing"),
        ("Mint(K = 2, tri = upper) ; Mint(K = 2, tri = lower)", "", "is upper, but"),
        ("Mint(K = 2, tri = lower, h = tanh) ; Mint(K = 2, tri = upper, h = tanh)", "", "uses tanh, but"),
        ("Mint(K = 2, tri = lower) ; squeeze 2 ; Mint(K = 2, tri = upper)", "", "inside a pair"),
        ("Actnorm ; MintPair(K = 2)", 'import "std/actnorm.mint" { Actnorm }', "is a Actnorm"),
        ("Actnorm", 'import "std/actnorm.mint" { Actnorm }', "is a Actnorm"),
        ("Pixel(K = 2, tri = lower) ; Pixel(K = 2, tri = upper)", f"layer Pixel{PIXEL_MAJOR}", "its order, mask"),
        ("Soft(K = 2, tri = lower) ; Soft(K = 2, tri = upper)", "soft", "makes another t"),
    ],
)
def test_models_that_their_code_does_not_have(steps: str, more: str, message: str) -> None:
    if more == "soft":
        more = "layer Soft" + PIXEL_MAJOR.replace("pixel_major", "channel_major").replace(" via abs", "")
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
    """A pair whose upper layer has t = 0 in one place, where the authors' start is 1e12 away from the solution."""
    state = official.random_net((1, 6, 6), [(1, 3)], seed=3)
    state["layers.0.1.t"][0, 0, 2, 3] = 0.0
    pair = pair_class()((1, 6, 6), K=3, dtype=torch.float64)
    load_official(pair, state)
    return pair, state


def test_a_zero_of_t_is_inverted_where_the_authors_cycle() -> None:
    pair, state = zero_t_pair()
    x = 2 * pictures(2, 1, 6, 6) - 1
    z, _ = pair(x)
    found, _ = pair.inverse(z)
    for layer in (pair.Mint_0, pair.Mint_1):
        assert float(layer.last_inverse.residual.max()) <= 1e-11
    assert float(((pair(found)[0] - z).abs() / (1 + z.abs())).max()) <= 1e-9
    y = pair.Mint_0(x)[0]
    even, odd = (official.invert_layer(state, "layers.0.1", z, True, steps, 1.0) for steps in (100, 101))
    print("cycle", (even - y).abs().max(), (odd - y).abs().max())
    assert float((even - y).abs().max()) > 1e3


@pytest.mark.parametrize(("steps", "divisor"), [(1, 3.5), (7, 1.1), (40, 1.15), (100, 3.5)])
def test_authors_inverse_is_theirs_step_by_step(steps: int, divisor: float) -> None:
    model, state = small(), official.random_net((2, 8, 8), SCALES)
    load_official(model, state)
    x = pictures(2, 2, 8, 8)
    z, _ = model(x)
    expected = official.unlogit(official.invert(state, z, steps, divisor), 0.05)
    close(authors_inverse(model, z, steps, divisor), expected)
    if steps >= 40:
        close(expected, x)
        close(authors_inverse(model, z, steps, divisor, start="z"), x)
    close(model.inverse(z)[0], x)  # the model itself is as before
