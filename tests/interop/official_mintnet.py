"""The equations of the authors' MintNet code as plain functions of a state dict with their names; no line of mintdsl.

Written from a description of the formulas. Slow and literal on purpose: masks entry by entry, ties one by one.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


# ---------------------------------------------------------------- one layer


@cache
def block(channels: int, size: int, upper: bool) -> Tensor:
    """Which entries of a C x C x k x k block are kept: variables ordered by (channel, row, column), centre included."""
    kept = torch.zeros(channels, channels, size, size, dtype=torch.float64)
    middle = size // 2
    for o in range(channels):
        for i in range(channels):
            for r in range(size):
                for s in range(size):
                    tap = (r - middle, s - middle)
                    if i == o:
                        live = tap >= (0, 0) if upper else tap <= (0, 0)
                    else:
                        live = i > o if upper else i < o
                    kept[o, i, r, s] = float(live)
    return kept


def masks(state: State, key: str, upper: bool) -> dict[int, Tensor]:
    """The masks of the three convolutions, every block the same."""
    hidden, channels, size, _ = state[f"{key}.weight1"].shape
    one, filters = block(channels, size, upper), hidden // channels
    wide = torch.cat([one] * filters, dim=1)
    return {1: torch.cat([one] * filters), 2: torch.cat([wide] * filters), 3: wide}


def effective(state: State, key: str, upper: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """w1, w2, w3 and t' as the network uses them."""
    kept = masks(state, key, upper)
    w1, w2, w3 = (state[f"{key}.weight{n}"] * kept[n] for n in (1, 2, 3))
    hidden, channels, size, _ = w1.shape
    filters, m = hidden // channels, size // 2
    tied = w2.clone()
    for a in range(filters):
        for b in range(filters):
            for c in range(channels):
                into, out = b * channels + c, a * channels + c
                sign = torch.sign(w3[c, out, m, m]) * torch.sign(w1[into, c, m, m])
                tied[out, into, m, m] = torch.abs(state[f"{key}.weight2"][out, into, m, m]) * sign.detach()
    floor = torch.tensor(1e-12, dtype=w1.dtype)
    return w1, tied, w3, torch.maximum(state[f"{key}.t"].abs(), floor)


def slope(v: Tensor, leaky: bool) -> Tensor:
    """h' of ELU, or of leaky ReLU 0.01."""
    if leaky:
        return torch.where(v > 0, torch.ones_like(v), torch.full_like(v, 0.01))
    return torch.where(v > 0, torch.ones_like(v), torch.exp(torch.clamp(v, max=70.0)))


def layer(
    state: State,
    key: str,
    x: Tensor,
    upper: bool,
    leaky: bool = False,
    weights: tuple[Tensor, Tensor, Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """f(x) and the diagonal of its Jacobian, both [B, C, H, W]; `weights` if they are already masked and tied."""
    w1, w2, w3, t = effective(state, key, upper) if weights is None else weights
    hidden, channels, size, _ = w1.shape
    filters, m = hidden // channels, size // 2
    h = (lambda v: F.leaky_relu(v, 0.01)) if leaky else F.elu
    a1 = F.conv2d(x, w1, state[f"{key}.bias1"], padding=m)
    a2 = F.conv2d(h(a1), w2, state[f"{key}.bias2"], padding=m)
    y = F.conv2d(h(a2), w3, state[f"{key}.bias3"], padding=m) + t * x
    s1, s2 = slope(a1, leaky), slope(a2, leaky)
    rows = []
    for c in range(channels):
        total = torch.zeros_like(x[:, c])
        for a in range(filters):
            for b in range(filters):
                into, out = b * channels + c, a * channels + c
                gain = (
                    torch.abs(w3[c, out, m, m])
                    * torch.abs(state[f"{key}.weight2"][out, into, m, m])
                    * torch.abs(w1[into, c, m, m])
                )
                total = total + gain * s2[:, out] * s1[:, into]
        rows.append(total)
    return y, t + torch.stack(rows, dim=1)


# ---------------------------------------------------------------- nets


def squeeze(x: Tensor) -> Tensor:
    """y[(dy * 2 + dx) * C + c, i, j] = x[c, 2 i + dy, 2 j + dx]."""
    return torch.cat([x[:, :, dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)], dim=1)


def unsqueeze(y: Tensor) -> Tensor:
    """The inverse of squeeze."""
    channels = y.shape[1] // 4
    x = y.new_zeros(y.shape[0], channels, 2 * y.shape[2], 2 * y.shape[3])
    for n in range(4):
        x[:, :, n // 2 :: 2, n % 2 :: 2] = y[:, n * channels : (n + 1) * channels]
    return x


def pairs(state: State) -> list[int | None]:
    """The numbers i in order, None for a squeeze."""
    there = {int(key.split(".")[1]) for key in state if key.startswith("layers.")}
    return [i if i in there else None for i in range(max(there) + 1)]


def net(state: State, x: Tensor) -> tuple[Tensor, Tensor]:
    """z and log |det| of a density model without its logit."""
    log_det = torch.zeros(x.shape[0], dtype=x.dtype)
    for i in pairs(state):
        if i is None:
            x = squeeze(x)
            continue
        for j in (0, 1):
            x, diagonal = layer(state, f"layers.{i}.{j}", x, upper=j == 1)
            log_det = log_det + torch.log(diagonal).flatten(1).sum(1)
    return x, log_det


def logit(x: Tensor, lam: float) -> tuple[Tensor, Tensor]:
    """y = logit(lambda + (1 - 2 lambda) x) and its log |det|."""
    p = lam + (1 - 2 * lam) * x
    y = torch.log(p) - torch.log(1 - p)
    return y, (math.log(1 - 2 * lam) + F.softplus(y) + F.softplus(-y)).flatten(1).sum(1)


def unlogit(y: Tensor, lam: float) -> Tensor:
    """The inverse of logit."""
    return (torch.sigmoid(y) - lam) / (1 - 2 * lam)


def classify(state: State, x: Tensor, training: bool = False) -> Tensor:
    """Logits of a classifier; x is what the data pipeline gives, not yet padded to 16. Training moves statistics."""
    x = torch.cat([x, x.new_zeros(x.shape[0], 16 - x.shape[1], *x.shape[2:])], dim=1)
    for i in pairs(state):
        if i is None:
            x = squeeze(x)
            continue
        for j in (0, 2):
            x = normalised(state, f"layers.{i}.{j}", x, training)
            x, _ = layer(state, f"layers.{i}.{j + 1}", x, upper=j == 2, leaky=True)
    return F.elu(x).mean(dim=(2, 3)) @ state["fc.weight"].T + state["fc.bias"]


def normalised(state: State, key: str, x: Tensor, training: bool) -> Tensor:
    """Batch norm with its running statistics, or in training with those of the batch."""
    mean, var = state[f"{key}.running_mean"], state[f"{key}.running_var"]
    if training:
        batch_mean, batch_var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), unbiased=False)
        count = x.numel() / x.shape[1]
        state[f"{key}.running_mean"] = (0.9 * mean + 0.1 * batch_mean).detach()
        state[f"{key}.running_var"] = (0.9 * var + 0.1 * batch_var * count / (count - 1)).detach()
        state[f"{key}.num_batches_tracked"] = state[f"{key}.num_batches_tracked"] + 1
        mean, var = batch_mean, batch_var
    scaled = (x - mean[:, None, None]) / torch.sqrt(var[:, None, None] + 1e-5)
    return state[f"{key}.weight"][:, None, None] * scaled + state[f"{key}.bias"][:, None, None]


def invert(state: State, z: Tensor, steps: int, divisor: float) -> Tensor:
    """The inversion of the authors: each layer `steps` times from z / t', never tested."""
    x = z
    for i in reversed(pairs(state)):
        if i is None:
            x = unsqueeze(x)
            continue
        for j in (1, 0):
            x = invert_layer(state, f"layers.{i}.{j}", x, j == 1, steps, divisor)
    return x


def invert_layer(state: State, key: str, z: Tensor, upper: bool, steps: int, divisor: float) -> Tensor:
    """x <- x + (z - f(x)) / (divisor * d(x)) from x = z / t'."""
    weights = effective(state, key, upper)
    x = z / weights[3]
    for _ in range(steps):
        y, diagonal = layer(state, key, x, upper, weights=weights)
        x = x + (z - y) / (divisor * diagonal)
    return x


# ---------------------------------------------------------------- states to test with

KINDS = ("plain", "zero_centres", "zero_t", "negative_t", "junk", "spread")


def random_layer(
    state: State, key: str, shape: tuple[int, int, int], filters: int, size: int, kind: str, made: torch.Generator
) -> None:
    """Raw tensors of one layer with log-determinants far from 0; `kind` adds what is awkward."""
    channels = shape[0]
    hidden = filters * channels

    def draw(*dims: int) -> Tensor:
        return torch.randn(*dims, generator=made, dtype=torch.float64)

    reach = math.sqrt(channels * size * size)
    state[f"{key}.weight1"] = 1.2 * draw(hidden, channels, size, size) / reach
    state[f"{key}.weight2"] = 1.2 * draw(hidden, hidden, size, size) / (reach * math.sqrt(filters))
    state[f"{key}.weight3"] = 1.2 * draw(channels, hidden, size, size) / (reach * math.sqrt(filters))
    state[f"{key}.bias1"], state[f"{key}.bias2"] = 0.3 * draw(hidden), 0.3 * draw(hidden)
    state[f"{key}.bias3"] = 0.3 * draw(channels)
    state[f"{key}.t"] = 0.3 + 0.5 * draw(1, *shape).abs()
    m = size // 2
    if kind == "zero_centres":
        for n in (1, 2, 3):
            centre = state[f"{key}.weight{n}"][:, :, m, m]
            centre[torch.rand(centre.shape, generator=made, dtype=torch.float64) < 0.3] = 0.0
    if kind == "zero_t":
        state[f"{key}.t"][torch.rand(1, *shape, generator=made, dtype=torch.float64) < 0.2] = 0.0
    if kind == "negative_t":
        state[f"{key}.t"] = state[f"{key}.t"] * draw(1, *shape).sign()
    if kind == "junk":
        for n in (1, 2, 3):
            weight = state[f"{key}.weight{n}"]
            dead = masks(state, key, key.endswith((".1", ".3")))[n] == 0
            weight[dead] = 1e6 * draw(*weight.shape)[dead]
    if kind == "spread":
        for n in (1, 2, 3):
            weight = state[f"{key}.weight{n}"]
            weight *= 10.0 ** (2.0 * draw(*weight.shape).clamp(-3.0, 0.3))


def random_net(
    shape: tuple[int, int, int], scales: list[tuple[int, int]], *, size: int = 3, kind: str = "plain", seed: int = 0
) -> State:
    """A density model: (pairs, filters) for each scale, a squeeze between scales."""
    made, state = torch.Generator().manual_seed(seed), State()
    i = 0
    for number, (count, filters) in enumerate(scales):
        if number:
            i, shape = i + 1, (4 * shape[0], shape[1] // 2, shape[2] // 2)
        for _ in range(count):
            for j in (0, 1):
                random_layer(state, f"layers.{i}.{j}", shape, filters, size, kind, made)
            i += 1
    return state


def random_classifier(side: int, scales: list[int], *, kind: str = "plain", seed: int = 0, classes: int = 10) -> State:
    """A classifier: the number of pairs for each scale, 16 channels at the first."""
    made, state = torch.Generator().manual_seed(seed), State()

    def draw(*dims: int) -> Tensor:
        return torch.randn(*dims, generator=made, dtype=torch.float64)

    i, shape = 0, (16, side, side)
    for number, count in enumerate(scales):
        if number:
            i, shape = i + 1, (4 * shape[0], shape[1] // 2, shape[2] // 2)
        for _ in range(count):
            for j in (0, 2):
                key, channels = f"layers.{i}.{j}", shape[0]
                state[f"{key}.weight"] = (0.5 + draw(channels).abs()) * draw(channels).sign()
                state[f"{key}.bias"] = 0.3 * draw(channels)
                state[f"{key}.running_mean"] = 0.3 * draw(channels)
                state[f"{key}.running_var"] = 0.2 + draw(channels).abs()
                state[f"{key}.num_batches_tracked"] = torch.tensor(17 + i)
                random_layer(state, f"layers.{i}.{j + 1}", shape, 1, 3, kind, made)
            i += 1
    state["fc.weight"], state["fc.bias"] = draw(classes, shape[0]) / math.sqrt(shape[0]), 0.3 * draw(classes)
    return state
