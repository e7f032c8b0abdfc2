"""The tensors that a definition is stored as, by key: those of its layers, of the nets of its steps, of its prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import NamedTuple, TypeAlias, assert_never

from mintdsl.core import ir
from mintdsl.core.interpret_env import Argument, Env, Given, bind, bind_layer, bind_net, evaluate_size
from mintdsl.core.interpret_extern import stand_in_tensors
from mintdsl.core.interpret_layer import parts_of
from mintdsl.core.interpret_moves import halves, leaves
from mintdsl.core.interpret_weights import channel_of, channels_of, extents, order_shape, param_shape, sign_shape


def parameters(
    program: ir.Program,
    key: str,
    shape: Sequence[int],
    args: Mapping[str, Argument],
    given: Given | None = None,
) -> dict[str, tuple[int, ...]]:
    """Shapes of all raw tensors of a layer or flow by state-dict key.

    Of each layer its parameters, then its sign buffers; of `standardize` by data its statistics; of a `factor` those of
    its net. They come in the order of their steps in the text, copies of one step after another, the prior last.
    ValueError for wrong sizes.
    """
    definition = find(program, key)
    found: dict[str, tuple[int, ...]] = {}
    own = bind(definition, shape, args, given=given)
    for prefix, layer, env in _parts(program, definition, own, "")[0]:
        if isinstance(layer, ir.StandardizeData):
            found |= dict.fromkeys((f"{prefix}mean", f"{prefix}log_std"), (channels_of(env.dims),))
            continue
        found |= _tensors(layer, env, prefix)
    place = prior_place(program, definition, own)
    if place is not None and place.prior.per:
        found |= dict.fromkeys((f"{place.prefix}location", f"{place.prefix}log_scale"), place.own)
    return found


def _tensors(layer: ir.Layer | ir.Net, env: Env, prefix: str) -> dict[str, tuple[int, ...]]:
    """The raw tensors of a layer or net, then those of its nets; a layer that it applies is a layer of its own."""
    found: dict[str, tuple[int, ...]] = {}
    if isinstance(layer, ir.Net) and layer.extern:
        found |= {prefix + name: shape for name, shape in stand_in_tensors(layer, env).items()}
    for param in layer.params:
        if isinstance(param.kind, (ir.NetParam, ir.LayerParam, ir.LayerNorm, ir.Attention)):
            found |= {f"{prefix}{param.name}.{name}": shape for name, shape in parts_of(param, env).items()}
            continue
        if isinstance(param.kind, ir.Perm):
            continue
        shape_ = param_shape(layer, param, env.dims, env.sizes)
        if isinstance(param.kind, ir.Normalize):
            found |= {f"{prefix}{param.name}_mean": shape_, f"{prefix}{param.name}_var": shape_}
        else:
            found[prefix + param.name] = shape_
        if isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.norm:
            found[f"{prefix}{param.name}_gain"] = shape_[: len(param.indices) + 1]
    for param in layer.params:
        signs = sign_shape(layer, param, env.dims, env.sizes)
        if signs is not None:
            found[f"{prefix}{param.name}_sign"] = signs
        order = order_shape(layer, param, env.dims, env.sizes)
        if order is not None:
            found[f"{prefix}{param.name}_order"] = order
    for param, kind in ir.net_params(layer):
        for member in product(*map(range, extents(layer, param.indices, env.sizes))):
            path = ".".join([param.name, *map(str, member)])
            found |= _tensors(kind.net, bind_net(kind, env), f"{prefix}{path}.")
    return found


class PriorPlace(NamedTuple):
    """The prior of a flow, the prefix of its keys, and the sizes `dims` of what it is the distribution of.

    `parts` are the sizes of the parts of the latent, in order, each with whether the prior is its own: what left
    through a net is standard normal.
    """

    prior: ir.Prior
    prefix: str
    dims: tuple[int, ...]
    parts: tuple[tuple[tuple[int, ...], bool], ...]

    @property
    def own(self) -> tuple[int, ...]:
        """The shape of a learned location."""
        return (
            self.dims if self.prior.per == "element" else (sum(channels_of(part) for part, own in self.parts if own),)
        )

    @property
    def numbers(self) -> list[int]:
        """For each entry that the prior is the distribution of, the place of its location."""
        if self.prior.per == "element":
            return list(range(prod(self.dims)))
        found: list[int] = []
        first = 0
        for part in (part for part, own in self.parts if own):
            found += [first + channel_of(p, part) for p in range(prod(part))]
            first += channels_of(part)
        return found


def prior_place(program: ir.Program, definition: ir.Definition, env: Env) -> PriorPlace | None:
    """The prior of a definition that is bound in `env`; None where it has none."""
    steps = definition.steps if isinstance(definition, ir.Flow) else ()
    prior = next((step.op for step in steps if isinstance(step.op, ir.Prior)), None)
    if prior is None:
        return None
    last = _parts(program, definition, env, "")[1]
    parts = [(env.shape(step.result), step.op.prior is None) for step in steps if isinstance(step.op, ir.FactorOut)]
    rest = sum(prod(part) for part, own in parts if own) + prod(last)
    dims = last if rest == prod(last) else (rest,)
    return PriorPlace(prior, "prior." if all(own for _, own in parts) else "prior.rest.", dims, (*parts, (last, True)))


def find(program: ir.Program, key: str) -> ir.Definition:
    """The definition of a key. ValueError if there is none."""
    if key not in program.definitions:
        raise ValueError(f"the program has no definition `{key}`; it has {', '.join(program.definitions) or 'none'}")
    return program.definitions[key]


def path_of(prefix: str, step: ir.Step, copies: tuple[int, ...]) -> str:
    """The prefix of the keys of a step, without the last dot; `copies` are the numbers of the repeats around it."""
    return prefix + ".".join([step.name, *map(str, copies)])


def layers(program: ir.Program, definition: ir.Definition, env: Env, prefix: str) -> list[tuple[str, ir.Layer, Env]]:
    """Every layer below a definition with the prefix of its keys, by steps in the text, then by copies.

    After a layer come those that its formula applies.
    """
    parts, _ = _parts(program, definition, env, prefix)
    return [(place, part, inner) for place, part, inner in parts if isinstance(part, ir.Layer)]


def estimates(program: ir.Program, definition: ir.Definition, env: Env) -> list[str]:
    """The prefix of the keys of every `standardize` by data below a definition, in the same order."""
    return [place for place, part, _ in _parts(program, definition, env, "")[0] if isinstance(part, ir.StandardizeData)]


FIELD = ".field."
"""Behind the path of a continuous flow: where the keys of its field begin."""


def fields(program: ir.Program, definition: ir.Definition, env: Env) -> list[str]:
    """The prefix of the keys of the field of every continuous flow below a definition, in the same order."""
    return [place for place, _, _ in _parts(program, definition, env, "")[0] if place.endswith(FIELD)]


Part: TypeAlias = tuple[str, ir.Layer | ir.Net | ir.StandardizeData, Env]


def _parts(program: ir.Program, definition: ir.Definition, env: Env, prefix: str) -> tuple[list[Part], tuple[int, ...]]:
    """All below a definition that has tensors of its own, with its keys' prefix; and the sizes that leave."""
    if isinstance(definition, ir.Layer):
        return _with_applied(definition, env, prefix), env.dims
    return _uses(program, definition.steps, env, prefix, [()], env.dims)


def _with_applied(layer: ir.Layer, env: Env, prefix: str) -> list[Part]:
    """A layer, then those that its formula applies."""
    found: list[Part] = [(prefix, layer, env)]
    for param, used in ir.applied_layers(layer):
        found += _with_applied(used.layer, bind_layer(used, env), f"{prefix}{param.name}.")
    return found


def _uses(
    program: ir.Program,
    steps: Sequence[ir.Step],
    env: Env,
    prefix: str,
    copies: Sequence[tuple[int, ...]],
    dims: tuple[int, ...],
) -> tuple[list[Part], tuple[int, ...]]:
    """The parts of `steps`, entered with sizes `dims` in each of `copies`; and the sizes that leave."""
    found: list[Part] = []
    for step in steps:
        match step.op:
            case ir.Use() as use:
                callee = program.definitions[use.definition]
                inner = bind(callee, dims, dict(use.args), env)
                for copy in copies:
                    found += _parts(program, callee, inner, path_of(prefix, step, copy) + ".")[0]
                if isinstance(callee, ir.Flow):
                    dims = _uses(program, callee.steps, inner, prefix, [], dims)[1]
            case ir.StandardizeData() as op:
                found += [(path_of(prefix, step, copy) + ".", op, replace(env, dims=dims)) for copy in copies]
            case ir.Repeat(count=count, steps=block):
                numbers = [(*copy, k) for copy in copies for k in range(evaluate_size(count, env.sizes))]
                found += _uses(program, block, env, prefix, numbers, dims)[0]  # a repeated block keeps the sizes
            case ir.Pair(steps=block):
                more, dims = _uses(program, block, env, prefix, copies, dims)
                found += more
            case ir.Move() as move:
                dims = leaves(move, dims)
            case ir.Pad(extra=extra):
                dims = (dims[0] + extra, *dims[1:])
            case ir.FactorOut(prior=prior):
                dims = halves(dims)[0]
                if prior is not None:
                    found += [(path_of(prefix, step, copy) + ".", prior.net, bind_net(prior, env)) for copy in copies]
            case ir.Ode(field=field):
                inner = bind_net(field, env)
                found += [(path_of(prefix, step, copy) + FIELD, field.net, inner) for copy in copies]
            case ir.Logit() | ir.Standardize() | ir.Dequantize() | ir.Prior() | ir.Classify():
                pass
            case other:
                assert_never(other)
    return found, dims
