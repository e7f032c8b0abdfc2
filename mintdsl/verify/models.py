"""What `verify` tests: uses of a definition on small shapes, their modules, and the weights and inputs they get."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from typing import cast

import torch
from torch import Tensor, nn

from mintdsl.core import ir
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.interpret_env import Argument, Env, Given, any_context, bind, bind_layer, bind_net
from mintdsl.core.interpret_weights import extents, param_shape
from mintdsl.core.interval import REAL, Interval
from mintdsl.core.live import anchor
from mintdsl.core.walks import bends
from mintdsl.proof.rules.series import rest
from mintdsl.runtime.factors import DENSE_LIMIT
from mintdsl.runtime.residual import sizes_in
from mintdsl.runtime.stand_in import stand_ins
from mintdsl.runtime.trace_series import TraceSeries

SHAPES: Mapping[str, tuple[tuple[int, ...], ...]] = {  # the preferred one first
    "Image": (
        (2, 3, 4),
        (1, 3, 4),
        (1, 4, 4),
        (4, 2, 3),
        (3, 4, 4),
        (4, 4, 4),
        (1, 8, 8),
        (8, 2, 2),
        (16, 2, 2),
        (8, 8, 8),
        (16, 16, 16),
    ),
    "Vec": ((5,), (4,), (6,), (8,), (9,), (12,), (16,)),
    "Seq": ((3, 2), (2, 4), (4, 3), (4, 4)),
}
SIZES = (2, 1, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # for Nat formals
TRACED = 64  # elements of a layer whose series is tested with exact traces
EXTREMES = {
    "softplus": -25.0,
    "exp": -25.0,
    "signed": -25.0,
    "signed_exp": -25.0,
    "sigmoid": -30.0,
    "raw": -(2.0**-20),
}
"""Raw numbers at the end of each parametrisation; 0 for the others."""


class NoShape(ValueError):
    """No shape that is tried fits a definition."""


def fitting(definition: ir.Definition, args: Mapping[str, Argument], test: Callable[[Env], object]) -> Env:
    """The definition at its own shape, or at the first small one on which its sizes are whole numbers."""
    for shape in _shapes(definition.shape, None):
        try:
            env = bound(definition, shape, args)
            test(env)
        except ValueError:
            continue
        return env
    raise NoShape(f"no small shape fits {definition.name} on {definition.shape}")


def bound(definition: ir.Definition, shape: tuple[int, ...], args: Mapping[str, Argument]) -> Env:
    """A definition on a shape, with a context of random numbers if it declares one."""
    given = any_context(definition, shape, args)
    if given is not None:
        made = torch.Generator().manual_seed(len(given.values))
        values = torch.randn(len(given.values), generator=made, dtype=torch.float64).tolist()
        given = given._replace(values=tuple(values))
    return bind(definition, shape, args, given=given)


def conditioned(module: nn.Module, given: Given | None) -> nn.Module:
    """The module with this context in every call."""
    if given is not None:
        context = torch.tensor(given.values, dtype=torch.float64).reshape(given.dims)
        for name in ("forward", "inverse", "jacobian_diagonal", "log_prob", "initialize"):
            if hasattr(module, name):
                setattr(module, name, _with_default(getattr(module, name), context))
    return module


def _with_default(method: Callable[..., object], given: Tensor) -> Callable[..., object]:
    """A method of a module with a context where its caller gives none."""

    def call(x: Tensor, context: Tensor | None = None, **options: object) -> object:
        return method(x, given if context is None else context, **options)

    return call


def _shapes(shape: ir.Shape, rank: int | None) -> list[tuple[int, ...]]:
    """Small shapes that may fit the pattern."""
    fixed = [d.constant for d in shape.dims] or [None] * 3
    if None not in fixed:
        return [tuple(c for c in fixed if c is not None)]
    kind = {1: "Vec", 2: "Seq"}.get(rank or 3, "Image") if shape.kind == "Any" else shape.kind
    tried = [tuple(s if c is None else c for s, c in zip(small, fixed, strict=False)) for small in SHAPES[kind]]
    return list(dict.fromkeys(tried))


def smaller(layer: ir.Layer, env: Env) -> Env:
    """The same use of a layer at sizes that the interpreter takes, every quotient still whole."""
    names = [f.name for f in layer.formals if f.type == "Nat"]
    choices = [[n for n in SIZES if n <= env.sizes[k]] or [env.sizes[k]] for k in names]
    for shape in _shapes(layer.shape, len(env.dims)):
        for values in product(*choices):
            try:
                there = bound(layer, shape, dict(zip(names, values, strict=True)))
                small = replace(env, dims=shape, sizes={**env.sizes, **there.sizes}, given=there.given)
                whole(layer, small)
            except ValueError:
                continue
            return small
    return env


def whole(layer: ir.Layer, env: Env) -> None:
    """ValueError where a size of the layer is not a whole number >= 1."""
    extents(layer, [name for name, _ in layer.indices], env.sizes)
    for param in layer.params:
        if isinstance(param.kind, ir.NetParam):
            bind_net(param.kind, env)
            continue
        if isinstance(param.kind, ir.LayerParam):
            whole(param.kind.layer, bind_layer(param.kind, env))
            continue
        param_shape(layer, param, env.dims, env.sizes)
        env.shape(param.source)
    for part in layer.split.shapes if layer.split is not None else ():
        env.shape(part)


def title(layer: ir.Layer, env: Env) -> str:
    """A use of a layer in words: its name, its arguments, its shape."""
    values: dict[str, object] = {**env.sizes, **env.directions, **env.numbers}
    values |= {**{k: o.name for k, o in env.orders.items()}, **{k: a.act for k, a in env.acts.items()}}
    shown = [f"{f.name} = {values[f.name]}" for f in layer.formals if f.name in values]
    return f"{layer.name}{'(' if shown else ''}{', '.join(shown)}{')' if shown else ''} on {list(env.dims)}"


def build(cls: type[nn.Module], definition: ir.Definition, env: Env, like: nn.Module | None) -> nn.Module:
    """An instance in float64; activations and initialisations are those of `like`."""
    known = inspect.signature(cls).parameters
    own = [n for n in known if n not in ("shape", "context_shape", "device", "dtype")]
    values: dict[str, object] = {**env.sizes, **env.numbers, **env.directions}
    values |= {name: order.rows for name, order in env.orders.items()}
    kwargs: dict[str, object] = {"dtype": torch.float64, **stand_ins(cls)}
    for formal in definition.formals:
        name = next(n for n in own if n.rstrip("_") == formal.name.rstrip("_"))
        kept = [getattr(like, n) for n in (f"{formal.name}_", formal.name) if hasattr(like, n)]
        if formal.name in values or kept:
            kwargs[name] = values[formal.name] if formal.name in values else kept[0]
    if "context_shape" in known and env.given is not None:
        kwargs["context_shape"] = env.given.dims
    return conditioned(cls(env.dims, **kwargs) if "shape" in known else cls(**kwargs), env.given)


def layers(model: nn.Module) -> list[nn.Module]:
    """The layers of a flow in its order, after each those that it applies, without the nets of heads."""
    return [m for m in model.modules() if hasattr(m, "set_effective")]


def raw(module: nn.Module, prefix: str) -> dict[str, list[float]]:
    """The state of a layer, and of the nets in it, under the names of the spec."""
    found = {}
    for key, value in module.state_dict().items():
        owner, dot, last = key.rpartition(".")
        inner = module.get_submodule(owner)
        names = cast("tuple[str, ...]", getattr(inner, "names", ()))
        spec = dict(zip(cast("tuple[str, ...]", getattr(inner, "members", names)), names, strict=True))
        stems = (last, last.removesuffix("_sign"), last.removesuffix("_order"))
        stem = next((s for s in stems if s in spec), last)
        found[prefix + owner + dot + spec.get(stem, stem) + last[len(stem) :]] = value.double().flatten().tolist()
    return found


def step_nets(model: nn.Module, prefixes: Sequence[str]) -> dict[str, list[float]]:
    """The state of the nets that belong to steps of a flow, with these prefixes, under the names of the spec."""
    head = getattr(model, "head", None)
    found = [m for m in model.children() if hasattr(m, "make_weights") and not hasattr(m, "inverse") and m is not head]
    return {k: v for p, m in zip(prefixes, found, strict=True) for k, v in raw(m, p).items()}


def solvers(model: nn.Module) -> list[nn.Module]:
    """The continuous flows of a model, in its order."""
    return [m for m in model.modules() if type(m).__name__ == "OdeStep"]


def tolerances(model: nn.Module) -> list[tuple[float, int]]:
    """The tolerance and the number of draws for the trace, 0 if that is exact, of every continuous flow."""
    return [(cast("float", m.tol), cast("int", m.probes)) for m in solvers(model)]


@contextmanager
def tight(model: nn.Module, tol: float) -> Iterator[None]:
    """Inside, continuous flows are solved to this tolerance by a method of high order, with exact traces, and
    differentiated step by step."""
    found, inside = solvers(model), {"method": "dopri5", "tol": tol, "probes": 0, "adjoint": False}
    kept = [{name: getattr(m, name) for name in inside} for m in found]
    for m in found:
        for name, value in inside.items():
            setattr(m, name, value)
    try:
        yield
    finally:
        for m, own in zip(found, kept, strict=True):
            for name, value in own.items():
                setattr(m, name, value)


def field_weights(model: nn.Module, prefixes: Sequence[str]) -> dict[str, list[float]]:
    """The state of the fields of continuous flows, with these prefixes, under the names of the spec."""
    pairs = zip(prefixes, solvers(model), strict=True)
    return {k: v for p, m in pairs for k, v in raw(m.get_submodule("field"), p).items()}


def estimated(model: nn.Module, prefixes: Sequence[str]) -> dict[str, list[float]]:
    """What is stored outside of layers, under the names of the spec: statistics of the data, a learned prior."""
    found = [m for m in model.modules() if type(m).__name__ == "DataStandardize"]
    kept = {p + k: v for p, m in zip(prefixes, found, strict=True) for k, v in m.state_dict().items()}
    kept |= {k: v for k, v in model.state_dict().items() if k.startswith("prior.")}
    return {k: v.double().flatten().tolist() for k, v in kept.items() if not k.endswith("pending")}


@torch.no_grad()
def draw(model: nn.Module, kind: str, seed: int, batch: Tensor, std: float = 1.0) -> None:
    """Initial values, from `batch` where data decide, or normal ones with random signs."""
    torch.manual_seed(seed)
    for m in model.modules():
        reset = getattr(m, "reset_parameters", None)
        if reset is not None:
            reset()
    if kind == "initial":
        if hasattr(model, "initialize"):
            cast("Callable[[Tensor], object]", model.initialize)(batch)
        return
    for p in model.parameters():
        p.copy_(std * torch.randn(p.shape, dtype=torch.float64))
    for name, b in model.named_buffers():
        if name.endswith("_sign"):
            b.copy_(torch.where(torch.rand(b.shape) < 0.5, -1.0, 1.0))
        elif name.endswith(("_mean", "_var")):
            drawn = torch.randn(b.shape, dtype=torch.float64)
            b.copy_(drawn if name.endswith("_mean") else drawn.exp())
        elif name.endswith((".mean", ".log_std")):
            b.copy_(torch.randn(b.shape, dtype=torch.float64))
        elif name.rpartition(".")[2] == "pending":
            b.fill_(False)


def spread(layers: Iterable[ir.Layer], most: float) -> float:
    """The deviation of weights to draw: less where slopes have no bound, and could leave what floats hold."""
    found = (BIJECTIONS[node.bijection].slope(*node.options) for layer in layers for node in bends(layer))
    return 0.1 * most if any(math.isinf(slope.hi) for slope in found) else most


@torch.no_grad()
def to_the_ends(layer: ir.Layer, env: Env, module: nn.Module, seed: int) -> None:
    """Half of the diagonals go to an end of their sets: zeros in centre taps, the smallest scales."""
    made = torch.Generator().manual_seed(seed)
    for param in layer.params:
        place = diagonal(module, param, env)
        if place is not None:
            end = EXTREMES.get(param.bound.via, 0.0) if param.bound is not None else 0.0
            place.copy_(torch.where(torch.rand(place.shape, generator=made) < 0.5, end, place))


def diagonal(module: nn.Module, param: ir.Param, env: Env) -> Tensor | None:
    """A view of the stored diagonal of a parameter; None where it has none."""
    names, members = cast("tuple[str, ...]", module.names), cast("tuple[str, ...]", module.members)
    stored: dict[str, Tensor] = dict(zip(names, (getattr(module, m).detach() for m in members), strict=True))
    match param.kind:
        case ir.Elementwise(kind="scale"):
            return stored[param.name]
        case ir.Conv(direction=str(direction), strict=False) as conv:
            row, column = anchor(conv, env.directions.get(direction, direction))
            return stored[param.name][..., row, column].diagonal(dim1=-2, dim2=-1)
        case ir.Dense(direction=str(), strict=False):
            return stored[param.name].diagonal(dim1=-2, dim2=-1)
        case _:
            return None


def inside(domain: Interval, shape: tuple[int, ...], seed: int) -> Tensor:
    """Numbers inside the domain: normal ones on R, else uniform ones."""
    made = torch.Generator().manual_seed(seed + 1)
    if domain == REAL:
        return torch.randn(shape, generator=made, dtype=torch.float64)
    share = 0.02 + 0.96 * torch.rand(shape, generator=made, dtype=torch.float64)
    return max(domain.lo, -3.0) + (min(domain.hi, 3.0) - max(domain.lo, -3.0)) * share


def settle(model: nn.Module) -> float:
    """Leave nothing random in the log-dets of a model: truncated series of exact traces, exact ones of large layers.

    How far they may be off then, in nats; inf where a layer is too large for both.
    """
    missed = 0.0
    for layer in model.modules():
        how: object = getattr(layer, "log_det", None)
        if not isinstance(how, tuple):
            continue
        size = math.prod(cast("tuple[int, ...]", layer.event_shape))
        if size > DENSE_LIMIT:
            return math.inf
        series, contraction = cast("TraceSeries", how), cast("float", layer.contraction)
        missed += size * rest(contraction, series.terms, odd=series.odd) if size <= TRACED else 0.0
        settled = series._replace(keep=0.0, probes=0) if size <= TRACED else "exact"
        layer.log_det = cast("nn.Module", settled)  # a plain attribute: nn.Module's types know modules and tensors only
    return missed


def size_in(module: nn.Module, x: Tensor) -> Tensor:
    """The size [B] of x in the norm in which a layer bounds its branch."""
    return sizes_in(x, cast("float", module.norm_order))


def error_bound(module: nn.Module, z: Tensor) -> Tensor | None:
    """What the last inverse, of z, said that its error [B] is at most; None where it says nothing.

    In the norm of the layer. With what z is off: by rounding, and where the value is a solve too (a Cayley map) by the
    error of that.
    """
    how, there = (getattr(module, name, None) for name in ("last_inverse", "last_forward"))
    error: Tensor | None = None if how is None else how.error
    if error is None:
        return None
    contraction = cast("float", module.contraction)
    shrink = abs(cast("float", getattr(module, "divisor", 1.0))) * (1.0 - contraction)
    off: Tensor = 1e-13 * size_in(module, 1.0 + z.abs()) / shrink
    if there is not None and there.error is not None:
        off = off + there.error * (1.0 + contraction) / (1.0 - contraction)
    return error + off
