"""Weights from the whole allowed set, and inputs: normal, large, tiny, at kinks, beside each other, near the ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from mintdsl.core.interpret import parameters
from mintdsl.core.interval import REAL, Interval

from .meaning import Used
from .subject import Subject, layers_of

KINDS = ("initial", "small", "normal", "scales", "mixed", "large", "ends")
ENDINGS = ("", "_sign", "_order", "_mean", "_var")
"""Of the stored tensors of a parameter."""
EXACT = (0, 1, 2, 4)
"""Draws without weights so large that activations underflow at ordinary inputs."""
MODERATE = 3
"""The first draws are such that a rounding error stays small."""
POINTS = 4
"""Inputs at which the Jacobian is taken; each has neighbours along every coordinate."""


@dataclass(frozen=True)
class Inputs:
    """`x` is [R, B, D]: first the points, then for each point and coordinate one neighbour, then for the first point
    and each coordinate a second one, twice as far. `steps` are the displacements, [R, POINTS, D]."""

    x: Tensor
    steps: Tensor


def raw_draws(subject: Subject, model: nn.Module | None, made: torch.Generator) -> dict[str, Tensor]:
    """Stored tensors by key, [R, *shape], float64."""
    shapes = parameters(subject.core, subject.key, subject.env.dims, subject.args, subject.env.given)
    first = {} if model is None else stored(subject.uses, model)
    drawn = {}
    for key, shape in shapes.items():
        rows = [first[key].double() if key in first else _draw("small", key, shape, made)]
        rows += [_draw(kind, key, shape, made) for kind in KINDS[1:]]
        if ".field." in key and not key.endswith("_sign"):  # of continuous flows, which grow like exp of their slopes
            rows[1:] = [0.5 * row for row in rows[1:]]
        drawn[key] = torch.stack(rows)
    for used in subject.uses:
        for param in used.layer.params:
            if param.bound is not None and param.bound.via == "raw":  # what the proof assumes: no zeros
                values = drawn[used.prefix + param.name]
                drawn[used.prefix + param.name] = torch.where(values.abs() < 1e-3, 0.25, values)
    return drawn


def _draw(kind: str, key: str, shape: Sequence[int], made: torch.Generator) -> Tensor:
    normal = torch.randn(shape, generator=made, dtype=torch.float64)
    if key.endswith("_sign"):
        return torch.where(normal < 0, -1.0, 1.0).double()
    if key.endswith("_order"):  # of the rows of a P L U
        return normal.argsort(-1).double()
    chosen = torch.randint(0, 8, shape, generator=made)
    match kind:
        case "small":
            result = 0.4 * normal
        case "normal":
            result = normal
        case "scales":
            result = 10 ** (6 * torch.rand((), generator=made, dtype=torch.float64) - 3) * normal
        case "mixed":
            result = _choice(chosen, (0.0, -0.0, 1.0, -1.0), normal)
        case "large":
            result = _choice(chosen, (0.0, 60.0, -60.0, 25.0, -25.0), 3 * normal)
        case _:
            result = _choice(chosen, (0.0, -0.0, 1e4, -1e4, 1e-4, 1e-12), normal)
    return result.abs() if key.endswith("_var") else result


def _choice(chosen: Tensor, values: Sequence[float], other: Tensor) -> Tensor:
    result = other.clone()
    for place, value in enumerate(values):
        result = torch.where(chosen == place, value, result)
    return result


def end_draw(shape: Sequence[int], dtype: torch.dtype, made: torch.Generator) -> Tensor:
    """Numbers at the ends of a dtype: 0, -0, the largest, the smallest, and ordinary ones."""
    info = torch.finfo(dtype)
    values = (0.0, -0.0, info.max, -info.max, info.smallest_normal, -info.smallest_normal, 1e4)
    normal = 10 * torch.randn(shape, generator=made, dtype=torch.float64)
    return _choice(torch.randint(0, 12, shape, generator=made), values, normal).to(dtype)


def _names(used: Used, module: nn.Module) -> dict[str, str]:
    """Attribute of a module for each key of its parameters, the prefix left out."""
    members = dict(zip(module.names, module.members, strict=True))  # type: ignore[arg-type,call-overload]
    there = {name for name, _ in (*module.named_parameters(), *module.named_buffers())}
    layers = tuple(f"{path}." for path, m in module.named_modules() if path and hasattr(m, "set_effective"))
    kept = module.state_dict()  # no masks
    found = {
        name: name for name in there if "." in name and name in kept and not name.startswith(layers)
    }  # of its nets
    for param in used.layer.params:
        attribute = members.get(param.name, param.name)  # statistics are no members
        found |= {param.name + s: attribute + s for s in ENDINGS if attribute + s in there}
    return found


def _tensor(module: nn.Module, name: str) -> Tensor:
    """A parameter or buffer by its path."""
    owner, _, last = name.rpartition(".")
    found = getattr(module.get_submodule(owner), last)
    assert isinstance(found, Tensor)
    return found


def stored(uses: Sequence[Used], model: nn.Module) -> dict[str, Tensor]:
    """The stored tensors of a model by key."""
    found = {}
    for used, module in zip(uses, layers_of(model), strict=True):
        found |= {used.prefix + k: _tensor(module, a).detach().clone() for k, a in _names(used, module).items()}
    return found | {key: tensor.detach().clone() for key, tensor in _between(model).items()}


def _between(model: nn.Module) -> dict[str, Tensor]:
    """What a flow stores outside of its layers, by key: statistics of the data, nets of steps, a learned prior."""
    found = {}
    for path, net in model.named_children():
        if path != "head" and hasattr(net, "make_weights") and not hasattr(net, "inverse"):
            names, members = (cast("tuple[str, ...]", getattr(net, kind)) for kind in ("names", "members"))
            found |= {f"{path}.{name}": _tensor(net, a) for name, a in zip(names, members, strict=True)}
            found |= {f"{path}.{name}": p for name, p in net.named_parameters() if name.startswith("module.")}  # extern
    for path, module in model.named_modules():
        if type(module).__name__ in ("DataStandardize", "LearnedNormalPrior"):
            found |= {f"{path}.{k}": getattr(module, k) for k in module.state_dict() if k != "pending"}
        if type(module).__name__ == "OdeStep":
            field = module.get_submodule("field")
            names, members = (cast("tuple[str, ...]", getattr(field, kind)) for kind in ("names", "members"))
            spec = dict(zip(members, names, strict=True))
            found |= {f"{path}.field.{spec.get(k, k)}": _tensor(field, k) for k in field.state_dict()}
    return found


class Loader:
    """Puts one draw after another into a model."""

    def __init__(self, uses: Sequence[Used], model: nn.Module) -> None:
        self.places = [
            (used.prefix + key, _tensor(module, attribute))
            for used, module in zip(uses, layers_of(model), strict=True)
            for key, attribute in _names(used, module).items()
        ] + list(_between(model).items())

    @torch.no_grad()
    def load(self, raw: dict[str, Tensor], draw: int) -> None:
        """Store the numbers of a draw."""
        for key, tensor in self.places:
            tensor.copy_(raw[key][draw])


def inputs(draws: int, size: int, made: torch.Generator, domain: Interval = REAL) -> Inputs:
    """Points and their neighbours inside a box."""
    normal = torch.randn((draws, POINTS, size), generator=made, dtype=torch.float64)
    share = torch.rand((draws, POINTS, size), generator=made, dtype=torch.float64)
    towards = torch.where(torch.rand((draws, POINTS, size), generator=made) < 0.5, -1.0, 1.0)
    if domain != REAL:
        low, high = max(domain.lo, -10.0), min(domain.hi, 10.0)
        points = low + (high - low) * (1e-9 + (1 - 2e-9) * share)
        steps = (low + high - 2 * points) * (0.05 + 0.4 * torch.rand_like(points))
        steps = torch.where(steps == 0, 1e-3, steps)
    else:
        kinks = _choice(torch.randint(0, 5, (draws, size), generator=made), (0.0, 1.0, -1.0, 0.5), normal[:, 2])
        far = normal[:, 3] * 10 ** (4 * share[:, 3] - 2)
        points = torch.stack([normal[:, 0], 5 * normal[:, 1], kinks, far], 1)
        steps = torch.stack(
            [
                0.01 + 2 * share[:, 0],
                10 ** (4 * share[:, 1] - 2),
                torch.where(share[:, 2] < 0.5, 1.0, 2.0),
                10 ** (5 * share[:, 3] - 1),
            ],
            1,
        )
        steps = steps * towards
    beside = points.unsqueeze(2) + torch.diag_embed(steps)
    twice = points[:, :1].unsqueeze(2) + torch.diag_embed(2 * steps[:, :1])
    x = torch.cat([points, beside.flatten(1, 2), twice.flatten(1, 2)], 1)
    # the displacement that rounding leaves
    taken = (beside - points.unsqueeze(2)).diagonal(dim1=-2, dim2=-1)
    return Inputs(x, taken)


def outward(base: Tensor, distances: Sequence[float]) -> Tensor:
    """`base`, [R, D], moved along each coordinate by each distance: [R, len(distances) * D, D]."""
    size = base.shape[-1]
    eye = torch.eye(size, dtype=base.dtype)
    return torch.cat([base.unsqueeze(1) * (1 - eye) + d * eye for d in distances], 1)
