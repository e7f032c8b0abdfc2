"""Generated modules and the interpreter side by side, on the same raw numbers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from codegen_programs import IMAGE, PROGRAMS, SHAPES, VECTOR
from torch import Tensor, nn

import mintdsl
from mintdsl.codegen.naming import class_name
from mintdsl.core import ir
from mintdsl.core.interpret import evaluate_flow, parameters
from mintdsl.core.interpret_env import Env, Given, any_context, bind, bind_layer, evaluate_size
from mintdsl.core.interpret_moves import leaves
from mintdsl.core.interpret_weights import Weights
from mintdsl.runtime.loading import load_class
from mintdsl.runtime.stand_in import stand_ins


@dataclass(frozen=True)
class Compiled:
    """A program's last definition: its class, the core, and the shape at which it is built."""

    cls: type[nn.Module]
    core: ir.Program
    key: str
    shape: tuple[int, ...]
    given: Given | None = None  # a context of zeros, of the shape at which it is built

    @property
    def concrete(self) -> bool:
        """Whether the constructor takes no shape."""
        dims = self.core.definitions[self.key].shape.dims
        return bool(dims) and all(d.constant is not None for d in dims)

    def build(self, dtype: torch.dtype = torch.float64, **kwargs: object) -> nn.Module:
        """An instance with initial weights, in evaluation mode."""
        args = () if self.concrete else (self.shape,)
        if "context_shape" in inspect.signature(self.cls).parameters:
            assert self.given is not None
            args = (*args, self.given.dims)
        return self.cls(*args, dtype=dtype, **{**stand_ins(self.cls), **kwargs}).eval()


@cache
def source(text: str) -> str:
    """The generated text."""
    return mintdsl.loads(text).generate()


@cache
def compiled(name: str) -> Compiled:
    """The program called `name`."""
    return compile_text(PROGRAMS[name], SHAPES.get(name))


@cache
def compile_text(text: str, shape: tuple[int, ...] | None = None, context: tuple[int, ...] | None = None) -> Compiled:
    """The last definition of a program."""
    core, _ = mintdsl.loads(text).core()
    key = core.main[-1]
    cls = load_class(source(text), class_name(key.rpartition("::")[2]))
    own = core.definitions[key].shape
    if own.dims and all(d.constant is not None for d in own.dims):
        shape = tuple(d.constant or 0 for d in own.dims)
    shape = shape or {"Image": IMAGE, "Vec": VECTOR}.get(own.kind, VECTOR)
    given = any_context(core.definitions[key], shape, {})
    if context is not None:
        given = Given(context, (0.0,) * math.prod(context))
    return Compiled(cls, core, key, shape, given)


@torch.no_grad()
def draw(model: nn.Module, seed: int = 0, std: float = 0.5) -> nn.Module:
    """Normal raw numbers, random signs: the same for the same seed."""
    made = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.copy_(std * torch.randn(p.shape, generator=made, dtype=torch.float64))
    for name, b in model.named_buffers():
        if name.endswith("_sign"):
            b.copy_(torch.where(torch.rand(b.shape, generator=made) < 0.5, -1.0, 1.0))
        elif name.endswith(("_mean", "_var")):
            drawn = std * torch.randn(b.shape, generator=made, dtype=torch.float64)
            b.copy_(drawn if name.endswith("_mean") else drawn.exp())
        elif name.endswith((".mean", ".log_std")):
            b.copy_(std * torch.randn(b.shape, generator=made, dtype=torch.float64))
    return initialized(model)


@torch.no_grad()
def initialized(model: nn.Module) -> nn.Module:
    """Nothing waits for data any more; the numbers stay."""
    for name, b in model.named_buffers():
        if is_flag(name):
            b.fill_(False)
    return model


def is_flag(key: str) -> bool:
    """Whether a buffer says that something waits for data."""
    return key.rpartition(".")[2] == "pending"


@torch.no_grad()
def near_initial(model: nn.Module, seed: int = 0, std: float = 0.2) -> nn.Module:
    """Initial values and normal noise: weights with which every inverse is well conditioned."""
    torch.manual_seed(seed)
    for m in model.modules():
        if hasattr(m, "reset_parameters"):
            m.reset_parameters()
    for p in model.parameters():
        p.add_(std * torch.randn(p.shape, dtype=torch.float64))
    return initialized(model)


def raw_of(at: Compiled, model: nn.Module) -> dict[str, list[float]]:
    """The state dict under the spec's names, as the interpreter takes it."""
    found: dict[str, list[float]] = {}
    for prefix, module in used(at, model).items():
        spec = dict(zip(module.members, module.names, strict=True))
        for key, value in module.state_dict().items():
            stems = (key, key.removesuffix("_sign"), key.removesuffix("_order"))
            stem = next((s for s in stems if s in spec), key)
            found[prefix + spec.get(stem, stem) + key[len(stem) :]] = value.double().flatten().tolist()
    for name, module in model.named_children():
        if hasattr(module, "make_weights") and not hasattr(module, "inverse"):  # the net of a factor
            found |= {f"{name}.{key}": v.double().flatten().tolist() for key, v in module.state_dict().items()}
    for key, value in model.state_dict().items():
        if key.startswith("prior.") or key.endswith((".mean", ".log_std")):
            found[key] = value.double().flatten().tolist()
    shapes = {key: math.prod(shape) for key, shape in expected_keys(at).items()}
    assert {key: len(found.get(key, ())) for key in shapes} == shapes
    return found


def used(at: Compiled, model: nn.Module) -> dict[str, nn.Module]:
    """Every layer of a model by the prefix of its keys in the spec."""
    definition = at.core.definitions[at.key]
    prefixes = [
        prefix for prefix, _, _ in layers(at.core, definition, bind(definition, at.shape, {}, given=at.given), "")
    ]
    modules = [m for m in model.modules() if hasattr(m, "set_effective")]
    # repeats keep their copies side by side in the module, and block by block in the walk above
    order = sorted(prefixes, key=lambda p: path_key(at, p))
    return dict(zip(order, modules, strict=True))


def path_key(at: Compiled, prefix: str) -> list[tuple[int, int]]:
    """Sorts prefixes as `named_modules` does: by the step's place in the text, then by copy."""
    key, definition = [], at.core.definitions[at.key]
    for part in prefix.rstrip(".").split(".") if prefix else []:
        if part.isdigit():
            key.append((0, int(part)))
            continue
        if isinstance(definition, ir.Layer):
            key.append((1, [param.name for param, _ in ir.applied_layers(definition)].index(part)))
            definition = next(use.layer for param, use in ir.applied_layers(definition) if param.name == part)
            continue
        assert isinstance(definition, ir.Flow)
        steps = list(flat(definition.steps))
        place = next(k for k, step in enumerate(steps) if step.name == part)
        key.append((1, place))
        op = steps[place].op
        assert isinstance(op, ir.Use)
        definition = at.core.definitions[op.definition]
    return key


def flat(steps: Sequence[ir.Step]) -> Iterator[ir.Step]:
    """Steps without their blocks."""
    for step in steps:
        if isinstance(step.op, (ir.Repeat, ir.Pair)):
            yield from flat(step.op.steps)
        else:
            yield step


def data_of(at: Compiled, batch: int, seed: int = 0) -> Tensor:
    """Arguments in the domain: the unit interval where the flow starts with logit, else normal numbers."""
    made = torch.Generator().manual_seed(1000 + seed)
    shape = (batch, *at.shape)
    if starts_with_logit(at.core, at.key):
        return torch.rand(shape, generator=made, dtype=torch.float64)
    return torch.randn(shape, generator=made, dtype=torch.float64)


def starts_with_logit(core: ir.Program, key: str) -> bool:
    """Whether the first step of the bijection is a logit."""
    definition = core.definitions[key]
    if isinstance(definition, ir.Layer):
        return False
    for step in definition.steps:
        match step.op:
            case ir.Logit():
                return True
            case ir.Use(definition=inner):
                return starts_with_logit(core, inner)
            case ir.Dequantize():
                continue
            case _:
                return False
    return False


@dataclass(frozen=True)
class Reference:
    """What the interpreter says of a batch: value, Jacobian, log |det|."""

    value: Tensor
    jacobian: Tensor
    log_det: Tensor


def reference(at: Compiled, model: nn.Module, x: Tensor, contexts: Tensor | None = None) -> Reference:
    """The interpreter on the numbers of `model`, with a context for each x if it takes one."""
    raw = raw_of(at, model)
    given: list[Given | None] = [None] * len(x)
    if contexts is not None and at.given is not None:
        given = [Given(at.given.dims, tuple(c.flatten().tolist())) for c in contexts]
    results = [
        evaluate_flow(at.core, at.key, row.flatten().tolist(), at.shape, {}, raw, given=context)
        for row, context in zip(x, given, strict=True)
    ]

    def tensor(values: Sequence[object]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)

    return Reference(
        tensor([r.value for r in results]), tensor([r.jacobian for r in results]), tensor([r.log_det for r in results])
    )


def expected_keys(at: Compiled) -> dict[str, tuple[int, ...]]:
    """Shapes of the state dict, by the interpreter."""
    return parameters(at.core, at.key, at.shape, {}, at.given)


def expected_weights(at: Compiled, model: nn.Module) -> dict[str, list[float]]:
    """The effective values of every parameter, by the interpreter, under `path.name` as the spec calls it."""
    raw = raw_of(at, model)
    found = {}
    definition = at.core.definitions[at.key]
    for prefix, layer, env in layers(at.core, definition, bind(definition, at.shape, {}, given=at.given), ""):
        weights = Weights(layer, env, raw, prefix)
        for p in (
            p for p in layer.params if not isinstance(p.kind, ir.Normalize | ir.Perm | ir.NetParam | ir.LayerParam)
        ):
            found[prefix + p.name] = [v for m in weights.members(p.indices) for v in weights.of(p.name, m)]
    return found


def layers(core: ir.Program, definition: ir.Definition, env: Env, prefix: str) -> Iterator[tuple[str, ir.Layer, Env]]:
    """Every layer below a definition that keeps its shape, with the prefix of its keys."""
    if isinstance(definition, ir.Layer):
        yield prefix, definition, env
        for param, used in ir.applied_layers(definition):
            yield from layers(core, used.layer, bind_layer(used, env), f"{prefix}{param.name}.")
        return
    dims = env.dims

    def walk(steps: Sequence[ir.Step], copies: tuple[int, ...]) -> Iterator[tuple[str, ir.Layer, Env]]:
        nonlocal dims
        for step in steps:
            match step.op:
                case ir.Use() as use:
                    inner = core.definitions[use.definition]
                    path = prefix + ".".join([step.name, *map(str, copies)]) + "."
                    bound = bind(inner, dims, dict(use.args), env)
                    yield from layers(core, inner, bound, path)
                    dims = after(core, inner, bound)
                case ir.Repeat(count=count, steps=block):
                    for k in range(evaluate_size(count, env.sizes)):
                        yield from walk(block, (*copies, k))
                case ir.Pair(steps=block):
                    yield from walk(block, copies)
                case ir.Move() as op:
                    dims = leaves(op, dims)
                case ir.Pad(extra=extra):
                    dims = (dims[0] + extra, *dims[1:])
                case ir.FactorOut():
                    dims = (dims[0], dims[1] // 2) if len(dims) == 2 else (dims[0] // 2, *dims[1:])
                case _:
                    pass

    yield from walk(definition.steps, ())


def after(core: ir.Program, definition: ir.Definition, env: Env) -> tuple[int, ...]:
    """The shape that leaves a definition."""
    dims = env.dims
    if isinstance(definition, ir.Layer):
        return dims
    for step in definition.steps:
        match step.op:
            case ir.Use() as use:
                inner = core.definitions[use.definition]
                dims = after(core, inner, bind(inner, dims, dict(use.args), env))
            case ir.Move() as op:
                dims = leaves(op, dims)
            case ir.Pad(extra=extra):
                dims = (dims[0] + extra, *dims[1:])
            case _:
                pass
    return dims


def dense_jacobian(model: nn.Module, x: Tensor) -> Tensor:
    """[D, D] at one x, by reverse differentiation."""
    n = math.prod(x.shape)
    rows = torch.autograd.functional.jacobian(lambda v: model(v)[0], x)
    return rows.reshape(-1, n)


def worst(a: Tensor, b: Tensor) -> float:
    """max |a - b| / (1 + max |b|)."""
    a, b = a.detach(), b.detach()
    return float((a - b).abs().max() / (1.0 + b.abs().max())) if b.numel() else 0.0
