"""A generated MintNet as the authors' code numbers it: which layers, in which order, with which squeezes between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from mintdsl.runtime.flow import zero_log_det
from mintdsl.runtime.protocols import LayerLike
from mintdsl.runtime.steps import squeeze

MINT = ("t", "W1", "W2", "W3", "b1", "b2", "b3")
SHOWN = 3


class OfficialMismatch(ValueError):
    """A state dict and a model that do not belong together, or a model that the authors' code cannot express."""


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """A layer as the execution meets it: its place in the authors' numbering, and its kind."""

    layer: LayerLike
    path: str
    key: str
    kind: Literal["mint", "norm"]
    upper: bool


def head_of(model: nn.Module) -> nn.Module | None:
    """The head of a classifier."""
    head = getattr(model, "head", None)
    return head if isinstance(head, nn.Module) else None


def layers_of(model: nn.Module) -> list[tuple[str, LayerLike]]:
    """(path, layer) of every layer that has weights of its own, without a head."""
    inside = set() if head_of(model) is None else set(cast(nn.Module, head_of(model)).modules())
    found = [(p, m) for p, m in model.named_modules() if hasattr(m, "make_weights") and m not in inside]
    return [(path, cast(LayerLike, module)) for path, module in found]


def is_mint(layer: LayerLike) -> bool:
    """Whether the layer has the parameters of the published one, in the published shapes."""
    if set(layer.names) != set(MINT) or len(layer.event_shape) != 3:
        return False
    size, c = {name: tuple(raw(layer, name).shape) for name in MINT}, layer.event_shape[0]
    if len(size["W1"]) != 5 or size["W1"][1:3] != (c, c):
        return False
    k, taps = size["W1"][0], size["W1"][3:]
    return size == {
        "t": layer.event_shape,
        "W1": (k, c, c, *taps),
        "W2": (k, k, c, c, *taps),
        "W3": (k, c, c, *taps),
        "b1": (k, c),
        "b2": (k, c),
        "b3": (c,),
    }


def is_norm(layer: LayerLike) -> bool:
    """Whether the layer is a batch norm with a gain, a bias and running statistics, one number each per channel."""
    return {"g", "b"} <= set(layer.names) and all(hasattr(layer, name) for name in ("n_mean", "n_var", "n_count"))


def raw(layer: LayerLike, name: str) -> Tensor:
    """The stored tensor of a parameter."""
    return cast(Tensor, getattr(layer, layer.members[layer.names.index(name)]))


def buffer(layer: LayerLike, name: str) -> Tensor:
    """A tensor that the layer stores beside its parameters."""
    return cast(Tensor, getattr(layer, name))


@contextmanager
def replaced(
    method: str, layers: Iterable[LayerLike], make: Callable[[LayerLike], Callable[..., tuple[Tensor, Tensor]]]
) -> Iterator[None]:
    """Inside, each layer has another `forward` or `inverse`; the model itself knows the steps around its layers."""
    changed = list(layers)
    try:
        for layer in changed:
            setattr(layer, method, make(layer))
        yield
    finally:
        for layer in changed:
            layer.__dict__.pop(method, None)


def walk(model: nn.Module) -> list[Visit]:
    """The layers in the order of execution, with the authors' names. OfficialMismatch where their code has no such net.

    The model runs once, on a picture of distinct numbers that its layers pass on unchanged: so the order, the squeezes
    between the layers and their layout are those of the computation and not a guess from names.
    """
    name, layers = type(model).__name__, layers_of(model)
    for path, layer in layers:
        if not is_mint(layer) and not is_norm(layer):
            raise OfficialMismatch(f"{path or name} is a {type(layer).__name__}: the authors' code has no such layer")
    if not any(is_mint(layer) for _, layer in layers):
        raise OfficialMismatch(f"{name} has no Mint layer, so the authors' code has no state dict for it")
    met: list[tuple[LayerLike, Tensor]] = []

    def passing(layer: LayerLike) -> Callable[..., tuple[Tensor, Tensor]]:
        def forward(x: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
            met.append((layer, x))
            return x, zero_log_det(x)

        return forward

    shape = cast(tuple[int, ...], model.event_shape)
    like = next(layers[0][1].parameters())
    numbers = torch.arange(1, 1 + torch.Size(shape).numel(), device=like.device, dtype=torch.float64)
    probe = (numbers / (1 + numbers.numel())).to(like.dtype).reshape(1, *shape)
    with replaced("forward", [layer for _, layer in layers], passing), torch.no_grad():
        z = model(probe)[0]
    if len({id(layer) for layer, _ in met}) != len(met) or len(met) != len(layers):
        raise OfficialMismatch(f"{name} does not run each of its layers once, as the authors' nets do")
    paths = {id(layer): path or name for path, layer in layers}
    squeezes_between(met[-1][1], z, f"after {paths[id(met[-1][0])]}")
    normed = head_of(model) is not None or any(is_norm(layer) for _, layer in layers)
    return list(numbered(met, paths, shape, normed))


def numbered(
    met: list[tuple[LayerLike, Tensor]], paths: Mapping[int, str], shape: tuple[int, ...], normed: bool
) -> Iterator[Visit]:
    """Group the layers into pairs of a lower and an upper one, in classifiers each of them after a batch norm."""
    pattern = ("norm", "lower", "norm", "upper") if normed else ("lower", "upper")
    activation = "leaky_relu(0.01)" if normed else "elu"
    first = met[0][1].shape[-1]
    i, j, before = (shape[-1] // first).bit_length() - 2, len(pattern), met[0][1]
    for layer, x in met:
        path = paths[id(layer)]
        crossed = squeezes_between(before, x, f"before {path}")
        if j == len(pattern):
            i, j = i + 1 + crossed, 0
        elif crossed:
            raise OfficialMismatch(f"a squeeze stands inside a pair, before {path}: the authors' nets have none there")
        direction = "norm" if is_norm(layer) else str(getattr(layer, "tri", pattern[j]))
        if direction != pattern[j]:
            expected = " ".join(pattern)
            raise OfficialMismatch(f"{path} is {direction}, but the authors' pairs are {expected}")
        h = getattr(getattr(layer, "h", None), "name", activation)
        if h != activation:
            raise OfficialMismatch(f"{path} uses {h}, but the authors' nets of this kind use {activation}")
        kind: Literal["mint", "norm"] = "norm" if direction == "norm" else "mint"
        yield Visit(layer, path, f"layers.{i}.{j}", kind, direction == "upper")
        before, j = x, j + 1
    if j != len(pattern):
        raise OfficialMismatch(f"the last pair of layers is not complete: {' '.join(pattern[j:])} missing")


def squeezes_between(before: Tensor, after: Tensor, where: str) -> int:
    """How many squeezes, colour fastest, make `after` of `before`; OfficialMismatch if anything else happened."""
    count = 0
    while before.shape[-1] > after.shape[-1] and before.shape[-1] % 2 == 0 and before.shape[-2] % 2 == 0:
        before, count = squeeze(before, 2), count + 1
    if not torch.equal(before, after):
        raise OfficialMismatch(f"{where} stands a step that the authors' nets lack: they have only `squeeze 2` there")
    return count


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
