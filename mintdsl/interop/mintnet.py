"""State dicts of the authors' MintNet code into generated modules and back, and the authors' inversion.

Their names are `layers.{i}.{j}.{tensor}`: i counts pairs and squeezes in the order of execution, j counts the layers of
a pair. Raw numbers are copied, also those under the masks, so that loading and giving back is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import Tensor, nn

from mintdsl.interop.walk import (
    MINT,
    OfficialMismatch,
    Visit,
    buffer,
    head_of,
    is_mint,
    layers_of,
    listed,
    raw,
    replaced,
    walk,
)
from mintdsl.runtime.flow import zero_log_det
from mintdsl.runtime.inverse import authors_inversion
from mintdsl.runtime.protocols import LayerLike

if TYPE_CHECKING:
    from os import PathLike

FLOOR = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One of the authors' tensors: its name and shape, its value now, and what to copy where for a new value."""

    key: str
    shape: tuple[int, ...]
    read: Callable[[], Tensor]
    plan: Callable[[Tensor], list[tuple[Tensor, Tensor]]]


# ---------------------------------------------------------------- what is public


def load_official(model: nn.Module, state_dict: Mapping[str, Tensor] | Sequence[object] | str | PathLike[str]) -> None:
    """Give a generated flow or classifier made of Mint pairs and squeezes the weights of the authors' code.

    Takes a state dict, a checkpoint of their runner (a list that starts with one) or the path of a file with either;
    their frozen masks are not needed. All or nothing: OfficialMismatch, and no change, if a name or a shape differs or
    a layer would not compute what theirs does.
    """
    visits = walk(model)
    slots = all_slots(model, visits)
    given = tensors_of(state_dict)
    frozen = {f"{v.key}.{name}" for v in visits if v.kind == "mint" for name in mask_names()}
    compare(model, slots, {key: value for key, value in given.items() if key not in frozen})
    for visit in visits:
        same_order(visit, given.get(f"{visit.key}.mask1"))
    copies = [copy for slot in slots for copy in slot.plan(given[slot.key].detach())]
    kept = [(target, target.detach().clone()) for target, _ in copies]
    with torch.no_grad():
        try:
            for target, value in copies:
                target.copy_(value)
            for visit in visits:
                if visit.kind == "mint":
                    same_weights(visit)
        except BaseException:
            for target, value in kept:
                target.copy_(value)
            raise


def to_official(model: nn.Module, *, masks: bool = False) -> dict[str, Tensor]:
    """The state dict that the authors' code would have; copies. `masks` adds their frozen masks, for a strict load."""
    visits = walk(model)
    found = {slot.key: slot.read().detach().clone() for slot in all_slots(model, visits)}
    if masks:
        for visit in visits:
            if visit.kind == "mint":
                found |= official_masks(visit)
    return found


@torch.no_grad()
def authors_inverse(
    model: nn.Module,
    z: Tensor,
    steps: int = 100,
    divisor: float = 3.5,
    *,
    start: Literal["z / t", "z"] = "z / t",
) -> Tensor:
    """x of the authors' inversion: in each Mint layer `steps` damped steps, without any test of success.

    For comparison with `model.inverse`. Their divisors are 3.5 (MNIST), 1.1 (CIFAR-10) and 1.15 (ImageNet 32), their
    start is z / t, which is useless where t is near 0. Not while another thread uses the model.
    """

    def untested(layer: LayerLike) -> Callable[..., tuple[Tensor, Tensor]]:
        def inverse(z: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
            w = layer.effective_weights()
            first = z / w[layer.names.index("t")] if start == "z / t" else z
            return authors_inversion(lambda v: layer.value(v, w), z, steps, divisor, first), zero_log_det(z)

        return inverse

    with replaced("inverse", [layer for _, layer in layers_of(model) if is_mint(layer)], untested):
        inverse = cast(Callable[[Tensor], tuple[Tensor, Tensor]], model.inverse)
        return inverse(z)[0]


# ---------------------------------------------------------------- tensors of the authors and ours


def all_slots(model: nn.Module, visits: Sequence[Visit]) -> list[Slot]:
    """Every tensor of the authors' state dict but the masks. OfficialMismatch if a parameter of the model has none."""
    slots = [slot for v in visits for slot in (mint_slots(v) if v.kind == "mint" else norm_slots(v))]
    head = head_of(model)
    if head is not None:
        slots += head_slots(head)
    covered = {id(p) for v in visits for p in v.layer.parameters()}
    covered |= set() if head is None else {id(p) for p in head.parameters()}
    extra = [name for name, p in model.named_parameters() if id(p) not in covered]
    if extra:
        raise OfficialMismatch(f"the authors' code has no parameter for {listed(extra)} of {type(model).__name__}")
    return slots


def copied(
    key: str, target: Tensor, theirs: Callable[[Tensor], Tensor], ours: Callable[[Tensor], Tensor] | None = None
) -> Slot:
    """A tensor that is stored as the authors store it, up to the arrangement of its entries."""
    back = ours or (lambda value: value.reshape(target.shape))
    return Slot(
        key,
        tuple(theirs(target).shape),
        lambda: theirs(target),
        lambda value: [(target, back(value).to(target))],
    )


def mint_slots(visit: Visit) -> Iterator[Slot]:
    """weight1 to t of one layer; a hidden channel of the authors is filter * C + channel."""
    layer, key = visit.layer, visit.key
    k, c = raw(layer, "W1").shape[:2]
    taps = raw(layer, "W1").shape[3:]
    yield copied(f"{key}.weight1", raw(layer, "W1"), lambda w: w.reshape(k * c, c, *taps))
    yield copied(f"{key}.bias1", raw(layer, "b1"), lambda b: b.reshape(k * c))
    yield copied(
        f"{key}.weight2",
        raw(layer, "W2"),
        lambda w: w.permute(0, 2, 1, 3, 4, 5).reshape(k * c, k * c, *taps),
        lambda w: w.reshape(k, c, k, c, *taps).permute(0, 2, 1, 3, 4, 5),
    )
    yield copied(f"{key}.bias2", raw(layer, "b2"), lambda b: b.reshape(k * c))
    yield copied(
        f"{key}.weight3",
        raw(layer, "W3"),
        lambda w: w.permute(1, 0, 2, 3, 4).reshape(c, k * c, *taps),
        lambda w: w.reshape(c, k, c, *taps).permute(1, 0, 2, 3, 4),
    )
    yield copied(f"{key}.bias3", raw(layer, "b3"), lambda b: b)
    yield copied(f"{key}.t", raw(layer, "t"), lambda t: t[None])


def norm_slots(visit: Visit) -> Iterator[Slot]:
    """weight, bias and running statistics of one batch norm."""
    layer, key = visit.layer, visit.key
    shape = (layer.event_shape[0],)

    def gain(value: Tensor) -> list[tuple[Tensor, Tensor]]:
        if bool((value == 0).any()):
            channel = int((value == 0).nonzero()[0])
            raise OfficialMismatch(
                f"{key}.weight is 0 in channel {channel}: this batch norm forgets the channel, so it has no inverse, "
                f"and {visit.path} cannot hold it"
            )
        before = layer.make_weights()[layer.names.index("g")]
        try:
            raws = layer.raw("g", value.to(before).reshape(before.shape))
        except ValueError as error:
            raise OfficialMismatch(f"{key}.weight: {visit.path} cannot hold this gain: {error}") from None
        return [(buffer(layer, name), stored) for name, stored in raws.items()]

    yield Slot(f"{key}.weight", shape, lambda: layer.make_weights()[layer.names.index("g")].reshape(shape), gain)
    yield copied(f"{key}.bias", raw(layer, "b"), lambda b: b.reshape(shape))
    for name in ("mean", "var"):
        yield copied(f"{key}.running_{name}", buffer(layer, f"n_{name}"), lambda s: s.reshape(shape))
    yield copied(f"{key}.num_batches_tracked", buffer(layer, "n_count"), lambda s: s.reshape(()))


def head_slots(head: nn.Module) -> list[Slot]:
    """fc.weight and fc.bias."""
    named = dict(head.named_parameters())
    if set(named) != {"W", "b"} or named["W"].dim() != 2:
        raise OfficialMismatch(f"the head has parameters {listed(sorted(named))}, but the authors' has W and b")
    if getattr(getattr(head, "h", None), "name", "elu") != "elu":
        raise OfficialMismatch("the head of the authors' classifiers uses elu")
    return [copied("fc.weight", named["W"], lambda w: w), copied("fc.bias", named["b"], lambda b: b)]


def tensors_of(given: Mapping[str, Tensor] | Sequence[object] | str | PathLike[str]) -> dict[str, Tensor]:
    """The named tensors of a state dict, of a runner's checkpoint or of a file, without `module.` in front."""
    content: object = given
    if isinstance(given, str) or hasattr(given, "__fspath__"):
        try:
            content = torch.load(cast("str", given), map_location="cpu", weights_only=True)
        except OSError:
            raise
        except Exception as error:  # what a file of something else raises is not documented, and it is many things
            raise OfficialMismatch(f"{given} is no file that torch.load(weights_only=True) reads") from error
    if isinstance(content, Sequence) and not isinstance(content, str) and content:
        content = content[0]
    if not isinstance(content, Mapping):
        raise OfficialMismatch(f"a state dict or a list that starts with one is needed, not a {type(content).__name__}")
    odd = [str(key) for key, value in content.items() if not isinstance(key, str) or not isinstance(value, Tensor)]
    if odd:
        raise OfficialMismatch(f"a state dict holds named tensors, but here {listed(odd)} is something else")
    found = {str(key): cast(Tensor, value) for key, value in content.items()}
    if all(key.startswith("module.") for key in found):
        found = {key.removeprefix("module."): value for key, value in found.items()}
    return found


def compare(model: nn.Module, slots: Sequence[Slot], given: Mapping[str, Tensor]) -> None:
    """OfficialMismatch that names the first differences between the names and shapes of both sides."""
    wanted = {slot.key: slot.shape for slot in slots}
    missing = [f"{key} {list(shape)}" for key, shape in wanted.items() if key not in given]
    unexpected = [f"{key} {list(value.shape)}" for key, value in given.items() if key not in wanted]
    shapes = [
        f"{key} is {list(given[key].shape)} but must be {list(shape)}"
        for key, shape in wanted.items()
        if key in given and tuple(given[key].shape) != shape
    ]
    parts = [
        f"{len(found)} {what}: {listed(found)}"
        for what, found in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if found
    ]
    if parts:
        raise OfficialMismatch(f"the state dict does not fit {type(model).__name__}; {'; '.join(parts)}")


# ---------------------------------------------------------------- what the authors' code makes of raw weights


def mask_names() -> Iterator[str]:
    """The frozen masks that stand in each layer's state dict."""
    for n in (1, 2, 3):
        yield from (f"mask{n}", f"center_mask{n}")


def official_block(channels: int, taps: tuple[int, int], upper: bool) -> tuple[Tensor, Tensor]:
    """The mask of a pair of filters, channel-major, and its centre from a channel to itself: both bool [C, C, k, k]."""
    rows, columns = taps
    channel = torch.arange(channels)
    output, read = channel[:, None, None, None], channel[None, :, None, None]
    place = torch.arange(rows * columns).reshape(rows, columns)
    centre = (place == place[rows // 2, columns // 2]) & (output == read)
    passed = place < place[rows // 2, columns // 2]
    if upper:
        return (output < read) | ((output == read) & ~passed), centre
    return (output > read) | ((output == read) & passed) | centre, centre


def official_masks(visit: Visit) -> dict[str, Tensor]:
    """mask1 to center_mask3 of one layer, of the shapes of its weights."""
    w1 = raw(visit.layer, "W1")
    filters, channels, taps = w1.shape[0], w1.shape[1], (w1.shape[3], w1.shape[4])
    found = {}
    for name, block in zip(("mask", "center_mask"), official_block(channels, taps, visit.upper), strict=True):
        for n, grid in (1, (filters, 1)), (2, (filters, filters)), (3, (1, filters)):
            found[f"{visit.key}.{name}{n}"] = block.to(w1).repeat(*grid, 1, 1)
    return found


def same_order(visit: Visit, mask: Tensor | None) -> None:
    """OfficialMismatch if a stored mask of the authors lets through what channel-major order forbids."""
    if mask is None or visit.kind != "mint":
        return
    ours = official_masks(visit)[f"{visit.key}.mask1"]
    if mask.shape != ours.shape or bool(((mask.to(ours) != 0) & (ours == 0)).any()):
        raise OfficialMismatch(
            f"{visit.key}.mask1 is not that of the channel-major order (theirs has `rgb_last: false`?), which is the "
            f"one that {visit.path} has"
        )


def same_weights(visit: Visit) -> None:
    """OfficialMismatch unless the layer makes of its raw weights what the authors' code does.

    A layer of the same shapes may have another order, mask, tie or constraint, and would compute something else.
    """
    layer = visit.layer
    stored = {name: raw(layer, name) for name in MINT}
    taps = (stored["W1"].shape[3], stored["W1"].shape[4])
    kept, centre = (m.to(stored["t"].device) for m in official_block(stored["W1"].shape[1], taps, visit.upper))
    masked = {name: torch.where(kept, stored[name], 0.0) for name in ("W1", "W2", "W3")}
    middle = (..., taps[0] // 2, taps[1] // 2)
    sign1, sign3 = (masked[n][middle].diagonal(dim1=-2, dim2=-1).sign() for n in ("W1", "W3"))
    signs = sign3[:, None, :, None, None, None] * sign1[None, :, :, None, None, None]
    masked["W2"] = torch.where(centre, masked["W2"].abs() * signs, masked["W2"])
    expected = {**stored, **masked, "t": stored["t"].abs().clamp(min=FLOOR)}
    got = dict(zip(layer.names, layer.make_weights(), strict=True))
    info = torch.finfo(stored["t"].dtype)
    for name in MINT:
        close = torch.isclose(got[name], expected[name], rtol=4 * info.eps, atol=info.tiny, equal_nan=True)
        if not bool(close.all()):
            raise OfficialMismatch(
                f"{visit.path} makes another {name} of the same raw numbers than the authors' code: its order, mask, "
                f"tie or constraint is not the published one ({int((~close).sum())} entries differ)"
            )
