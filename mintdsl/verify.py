"""A generated module against its meaning: the reference interpreter, autograd, exact determinants, its own inverse.

Everything runs in float64. Each layer that the program uses is built anew on a small shape and held against the
interpreter with three draws of weights; a flow too large for the interpreter is tested by its round trip.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import product
from typing import cast

import torch
from torch import Tensor, nn

from mintdsl.core import interpret, ir
from mintdsl.core.dual import variables
from mintdsl.core.interpret_layer import apply_layer
from mintdsl.core.interpret_weights import Argument, Env, Weights, bind, bind_net, evaluate_size, extents, param_shape
from mintdsl.core.interval import REAL, Interval
from mintdsl.core.live import anchor
from mintdsl.core.orders import DEFAULT_ORDER
from mintdsl.core.places import part_places
from mintdsl.driver import Program
from mintdsl.proof.check import LayerProof, check_layer
from mintdsl.proof.jacobian import DENSE, NONE
from mintdsl.proof.prover import FlowProof, Prover

SHAPES: Mapping[str, tuple[tuple[int, ...], ...]] = {  # the preferred one first
    "Image": ((2, 3, 4), (1, 3, 4), (1, 4, 4), (4, 2, 3), (3, 4, 4), (4, 4, 4), (1, 8, 8), (8, 2, 2), (16, 2, 2)),
    "Vec": ((5,), (4,), (6,), (8,), (9,), (12,), (16,)),
    "Seq": ((3, 2), (2, 4), (4, 3), (4, 4)),
}
SIZES = (2, 1, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # for Nat formals
BATCH = 8  # samples from which a model is initialised
WHOLE = 64  # elements of a flow that the interpreter takes as a whole
INTERPRETED, RUN = 4e8, 1.5e10  # multiplications of the interpreter, and of a module in a round trip

NOTHING, TIGHT, LOOSE = 0.0, 1e-10, 1e-9
EXTREMES = {
    "softplus": -25.0,
    "exp": -25.0,
    "signed": -25.0,
    "signed_exp": -25.0,
    "sigmoid": -30.0,
    "raw": -(2.0**-20),
}
"""Raw numbers at the end of each parametrisation; 0 for the others."""


@dataclass(frozen=True)
class Row:
    """One comparison: `worst` is what was found, `allowed` what is."""

    check: str
    where: str
    worst: float
    allowed: float
    ok: bool


@dataclass(frozen=True)
class Verification:
    """All comparisons of one definition; `notes` say what was left out or measured in another way."""

    name: str
    rows: tuple[Row, ...]
    ok: bool
    notes: tuple[str, ...]


def verify(
    program: Program,
    name: str | None = None,
    sizes: Mapping[str, int] = {},
    seed: int = 0,
    module: type[nn.Module] | None = None,
) -> Verification:
    """Check the generated module of `name` (default: the last definition) against the interpreter and autograd.

    `sizes` replace defaults of Nat formals; `module` is tested instead of what the generator writes. The same seed
    gives the same rows. Raises SpecError where the program is refused, ValueError where no small shape fits.
    """
    core, _ = program.core()
    target = name or core.main[-1].rpartition("::")[2]
    cls = program.compile(target, **sizes) if module is None else module
    key = core.find(target)
    assert key is not None
    run = _Run(core, key, dict(sizes), seed, cls)
    with torch.random.fork_rng(devices=[]):
        definition = core.definitions[key]
        if isinstance(definition, ir.Layer):
            run.layer_alone(definition)
        else:
            run.flow(definition)
    return Verification(target, tuple(run.rows), all(r.ok for r in run.rows), tuple(dict.fromkeys(run.notes)))


@dataclass
class _Run:
    """The state of one verification."""

    core: ir.Program
    key: str
    sizes: Mapping[str, int]
    seed: int
    cls: type[nn.Module]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def row(self, where: str, check: str, worst: float, allowed: float) -> None:
        """Note one comparison."""
        self.rows.append(Row(check, where, worst, allowed, worst <= allowed))

    def layer_alone(self, layer: ir.Layer) -> None:
        """A layer that was asked for by name; sizes without a value are 2, directions take both values."""
        free = [f for f in layer.formals if f.type in ("Dir", "Nat") and f.default is None and f.name not in self.sizes]
        choices: list[tuple[Argument, ...]] = [("lower", "upper") if f.type == "Dir" else (2,) for f in free]
        for values in product(*choices):
            args: dict[str, Argument] = {**self.sizes, **{f.name: v for f, v in zip(free, values, strict=True)}}
            self.layer(layer, _fitting(layer, args, lambda env: _whole(layer, env)), None)

    def flow(self, flow: ir.Flow) -> None:
        """Each distinct layer on a small shape, then the flow as a whole."""
        env = _fitting(flow, self.sizes, lambda e: interpret.parameters(self.core, self.key, e.dims, self.sizes))
        model = _build(self.cls, flow, env, None).eval()
        uses = interpret.layers(self.core, flow, env, "")
        done: set[str] = set()
        for (_, layer, place), module in zip(uses, _layers(model), strict=True):
            small = _smaller(layer, place)
            mark = f"{layer.name_span.file} {_title(layer, small)} {sorted(small.numbers.items())}"
            if mark not in done:
                done.add(mark)
                self.layer(layer, small, module)
        where, count = f"{flow.name} on {list(env.dims)}", math.prod(env.dims)
        work = float(sum(p.numel() for p in model.parameters())) * count  # no kernel is applied more often
        prover = Prover(self.core)
        proof = prover.prove(self.key, prover.defaults(self.key) or {})
        assert isinstance(proof, FlowProof) and proof.bijection is not None
        x = _inside(proof.bijection.domain, (2, *env.dims), self.seed)
        if count <= WHOLE and work * count <= INTERPRETED:
            for kind in ("initial", "normal"):
                _draw(model, kind, self.seed, self.batch(proof, model), 0.5)
                raw = {k: v for u, m in zip(uses, _layers(model), strict=True) for k, v in _raw(m, u[0]).items()}
                raw |= _estimated(model, interpret.estimates(self.core, flow, env))
                with _one_thread():
                    self.interpreted(model, env, x, raw, f"{where}, {kind} weights")
        else:
            self.notes.append(f"{where} is too large for the interpreter, its layers were tested at small sizes")
        if work <= RUN:
            _draw(model, "initial", self.seed, self.batch(proof, model))
            self.round_trip(model, x, f"{where}, 2 samples")
        else:
            self.notes.append(f"{where}: no round trip, it would take too long")

    def batch(self, proof: FlowProof, model: nn.Module) -> Tensor:
        """What a flow is initialised from."""
        shape, levels = (BATCH, *cast("tuple[int, ...]", model.event_shape)), cast("int", getattr(model, "levels", 0))
        if levels:
            return torch.randint(0, levels, shape, generator=torch.Generator().manual_seed(self.seed))
        assert proof.bijection is not None
        return _inside(proof.bijection.domain, shape, self.seed)

    def interpreted(self, model: nn.Module, env: Env, x: Tensor, raw: interpret.Raw, where: str) -> None:
        """A whole flow against the interpreter."""
        row = partial(self.row, where)
        walk = partial(interpret.evaluate_flow, self.core, self.key, shape=env.dims, args=self.sizes, raw=raw)
        runs = [walk(v.flatten().tolist()) for v in x]
        z, log_det = model(x)
        value, dense = _wide([r.value for r in runs]), torch.stack([_dense(model, v) for v in x])
        row("value", _relative(z.flatten(1), value), TIGHT)
        row("jacobian", _relative(dense, _wide([r.jacobian for r in runs])), TIGHT)
        if log_det is None:
            return
        exact, allowed = torch.linalg.slogdet(dense).logabsdet, _digits(dense)
        row("log_det", _relative(log_det, exact), allowed)
        row("log_det of the interpreter", _relative(log_det, _wide([r.log_det for r in runs])), allowed)
        if hasattr(model, "log_prob") and not getattr(model, "levels", 0):
            latent = cast("tuple[int, ...]", model.latent_shape)
            prior = _wide([interpret.log_prior(self.core, self.key, r.value, latent, raw) for r in runs])
            row("log_prob", _relative(cast("Callable[[Tensor], Tensor]", model.log_prob)(x), prior + exact), allowed)

    def layer(self, layer: ir.Layer, env: Env, like: nn.Module | None) -> None:
        """Three draws of weights at the sizes of `env`; `like` is the module where the flow uses it."""
        acts = {name: bound.act for name, bound in env.acts.items()}
        proof = check_layer(layer, {**env.numbers, **env.orders, **acts})
        module = _build(self.cls if like is None else type(like), layer, env, like).eval()
        for kind in ("initial", "normal", "adversarial"):
            _draw(module, kind, self.seed, _inside(REAL, (BATCH, *env.dims), self.seed))
            if kind == "adversarial":
                _to_the_ends(layer, env, module, self.seed)
            with _one_thread():
                self.drawn(layer, env, proof, module, f"{_title(layer, env)}, {kind} weights")
        for param in (p for p in layer.params if p.name in getattr(module, "assumed", ())):
            place = cast("tuple[str, ...]", module.names).index(param.name)
            stored = module.get_parameter(cast("tuple[str, ...]", module.members)[place]).detach()
            diagonal = _diagonal(module, param, env)
            where = (0,) if diagonal is None else (0,) * diagonal.dim()  # all of a row, or one entry
            missed = _unnoticed(module, env, stored if diagonal is None else diagonal, where)
            word = "det" if param.factored else "diag"
            self.row(_title(layer, env), f"calls that take a {word}({param.name}) of 0", missed, NOTHING)

    def drawn(self, layer: ir.Layer, env: Env, proof: LayerProof, module: nn.Module, where: str) -> None:
        """One layer with one draw of weights."""
        row = partial(self.row, where)
        x, raw = _inside(REAL, (2, *env.dims), self.seed), _raw(module, "")
        weights, worst = Weights(layer, env, raw), 0.0
        for param in (p for p in layer.params if not isinstance(p.kind, (ir.Normalize, ir.Perm, ir.NetParam))):
            found = cast("Callable[[str], Tensor]", module.effective)(param.name)
            wanted = [v for m in weights.members(param.indices) for v in weights.of(param.name, m)]
            worst = max(worst, _relative(found.flatten(), _wide(wanted)))
        row("effective weights", worst, TIGHT)
        outputs = [apply_layer(layer, env, variables(v.flatten().tolist()), raw, "") for v in x]
        expected = _wide([[dual.row(len(duals)) for dual in duals] for duals in outputs])
        z, log_det = module(x)
        row("value", _relative(z.flatten(1), _wide([[dual.value for dual in duals] for duals in outputs])), TIGHT)
        dense = torch.stack([_dense(module, v) for v in x])
        row("jacobian", _relative(dense, expected), TIGHT)
        keys = _keys(proof, env)
        outside = torch.maximum(dense.abs(), expected.abs())[:, ~_allowed(proof, env, keys)]
        row("structure", float(outside.max()) if outside.numel() else 0.0, NOTHING)
        if not proof.composed:
            diagonal = cast("Callable[[Tensor], Tensor]", module.jacobian_diagonal)(x).detach().flatten(1)
            row("jacobian_diagonal", _relative(diagonal, dense.diagonal(dim1=1, dim2=2)), TIGHT)
            row("diagonal in its proved interval", _excess(proof, diagonal), NOTHING)
        places = torch.tensor(sorted(range(len(keys)), key=keys.__getitem__))
        exact = _wide([_log_abs_det(d[places][:, places].tolist()) for d in dense])
        # in the order of the proof a triangular matrix has its determinant on the diagonal, whatever its condition
        row("log_det", _relative(log_det, exact), _digits(dense) if proof.composed else LOOSE)
        self.round_trip(module, x, where)

    def round_trip(self, module: nn.Module, x: Tensor, where: str) -> None:
        """The residual of the inverse, and its error where the weights let z determine x."""
        row = partial(self.row, where)
        with torch.no_grad():
            z, log_det = module(x)
            nudge = 1e-10 * (1.0 + z.abs()) * torch.where(torch.rand_like(z) < 0.5, -1.0, 1.0)
            found, moved = _invert(module, z), _invert(module, z + nudge)
            # how much farther x moves than z, relative to their sizes: 1e10 times as much loses every digit
            gain = math.inf if moved is None else _relative(moved[0], x) / 1e-10
            if found is None:
                gain = max(float(1.0 / torch.linalg.svdvals(_dense(module, v)).amin()) for v in x)
                self.notes.append("an inverse may miss its tolerance where it is ill-conditioned; it said so there")
                row("residual", math.inf if gain < 1e10 else 0.0, TIGHT)
                return
            row("residual", float(((module(found[0])[0] - z).abs() / (1.0 + z.abs())).max()), TIGHT)
            allowed = max(LOOSE, 1e-9 * gain)
            if allowed < 1e-3:
                row("inverse(forward(x)) = x", _relative(found[0], x), allowed)
            else:
                self.notes.append("with diagonals near 0 an inverse is tested by its residual: z hardly determines x")
            if log_det is not None:
                row("log_det of both directions", _relative(module(found[0])[1], -found[1]), LOOSE)


def _digits(dense: Tensor) -> float:
    """What rounding of the entries does to log-determinants of matrices [B, D, D]: more, the worse their condition."""
    spread = torch.linalg.svdvals(dense)
    return max(LOOSE, 1e-15 * len(dense[0]) * float((spread.amax(1) / spread.amin(1)).max()))


def _keys(proof: LayerProof, env: Env) -> list[tuple[int, ...]]:
    """The key of every element in the order of the proof."""
    order = proof.order
    assert order is not None
    if len(order.rows[0]) != len(env.dims):  # `on S`: diagonal layers, any order will do
        order = DEFAULT_ORDER[{1: "Vec", 2: "Seq", 3: "Image"}[len(env.dims)]]
    places = product(*map(range, env.dims))
    return [tuple(sum(a * b for a, b in zip(row, p, strict=True)) for row in order.rows) for p in places]


def _allowed(proof: LayerProof, env: Env, keys: Sequence[tuple[int, ...]]) -> Tensor:
    """Which entries of the Jacobian may differ from 0: the diagonal, and later outputs of a lower layer."""
    split = proof.layer.split
    if split is not None:
        places = part_places(split, evaluate_size(split.start, env.sizes, 0), env.dims)
        owner = {place: part for part, own in zip(proof.parts, places, strict=True) for place in own}
        cells = range(len(owner))
        return torch.tensor([[p == q or owner[q].name in owner[p].reads for q in cells] for p in cells])
    off = proof.jacobian.off
    sign = 0 if off == NONE else 1 if env.directions.get(off, off) == "lower" else -1
    rows = [[p == q or sign * ((a > b) - (a < b)) > 0 for q, b in enumerate(keys)] for p, a in enumerate(keys)]
    return torch.tensor(rows) | (off == DENSE)


def _excess(proof: LayerProof, diagonal: Tensor) -> float:
    """How far the diagonal leaves the interval of the proof, rounding aside."""
    signed = proof.jacobian.diag
    found = diagonal.abs() if signed.monomial else diagonal
    over = torch.maximum(signed.interval.lo - found, found - signed.interval.hi) - 1e-12 * found.abs()
    return float(over.clamp(min=0.0).max())


def _fitting(definition: ir.Definition, args: Mapping[str, Argument], test: Callable[[Env], object]) -> Env:
    """The definition at its own shape, or at the first small one on which its sizes are whole numbers."""
    for shape in _shapes(definition.shape, None):
        try:
            env = bind(definition, shape, args)
            test(env)
        except ValueError:
            continue
        return env
    raise ValueError(f"no small shape fits {definition.name} on {definition.shape}")


def _shapes(shape: ir.Shape, rank: int | None) -> list[tuple[int, ...]]:
    """Small shapes that may fit the pattern."""
    fixed = [d.constant for d in shape.dims] or [None] * 3
    if None not in fixed:
        return [tuple(c for c in fixed if c is not None)]
    kind = {1: "Vec", 2: "Seq"}.get(rank or 3, "Image") if shape.kind == "Any" else shape.kind
    tried = [tuple(s if c is None else c for s, c in zip(small, fixed, strict=False)) for small in SHAPES[kind]]
    return list(dict.fromkeys(tried))


def _smaller(layer: ir.Layer, env: Env) -> Env:
    """The same use of a layer at sizes that the interpreter takes, every quotient still whole."""
    names = [f.name for f in layer.formals if f.type == "Nat"]
    choices = [[n for n in SIZES if n <= env.sizes[k]] or [env.sizes[k]] for k in names]
    for shape in _shapes(layer.shape, len(env.dims)):
        for values in product(*choices):
            try:
                there = bind(layer, shape, dict(zip(names, values, strict=True)))
                small = replace(env, dims=shape, sizes={**env.sizes, **there.sizes})
                _whole(layer, small)
            except ValueError:
                continue
            return small
    return env


def _whole(layer: ir.Layer, env: Env) -> None:
    """ValueError where a size of the layer is not a whole number >= 1."""
    extents(layer, [name for name, _ in layer.indices], env.sizes)
    for param in layer.params:
        if isinstance(param.kind, ir.NetParam):
            bind_net(param.kind, env)
            continue
        param_shape(layer, param, env.dims, env.sizes)
        env.shape(param.source)


def _title(layer: ir.Layer, env: Env) -> str:
    values: dict[str, object] = {**env.sizes, **env.directions, **env.numbers}
    values |= {**{k: o.name for k, o in env.orders.items()}, **{k: a.act for k, a in env.acts.items()}}
    shown = [f"{f.name} = {values[f.name]}" for f in layer.formals if f.name in values]
    return f"{layer.name}{'(' if shown else ''}{', '.join(shown)}{')' if shown else ''} on {list(env.dims)}"


def _build(cls: type[nn.Module], definition: ir.Definition, env: Env, like: nn.Module | None) -> nn.Module:
    """An instance in float64; activations and initialisations are those of `like`."""
    known = inspect.signature(cls).parameters
    own = [n for n in known if n not in ("shape", "device", "dtype")]
    values: dict[str, object] = {**env.sizes, **env.numbers, **env.directions}
    values |= {name: order.rows for name, order in env.orders.items()}
    kwargs: dict[str, object] = {"dtype": torch.float64}
    for formal in definition.formals:
        name = next(n for n in own if n.rstrip("_") == formal.name.rstrip("_"))
        kept = [getattr(like, n) for n in (f"{formal.name}_", formal.name) if hasattr(like, n)]
        if formal.name in values or kept:
            kwargs[name] = values[formal.name] if formal.name in values else kept[0]
    return cls(env.dims, **kwargs) if "shape" in known else cls(**kwargs)


def _layers(model: nn.Module) -> list[nn.Module]:
    """The layers of a flow in its order, without the nets of heads."""
    return [m for m in model.modules() if hasattr(m, "set_effective")]


def _raw(module: nn.Module, prefix: str) -> dict[str, list[float]]:
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


def _estimated(model: nn.Module, prefixes: Sequence[str]) -> dict[str, list[float]]:
    """What is stored outside of layers, under the names of the spec: statistics of the data, a learned prior."""
    found = [m for m in model.modules() if type(m).__name__ == "DataStandardize"]
    kept = {p + k: v for p, m in zip(prefixes, found, strict=True) for k, v in m.state_dict().items()}
    kept |= {k: v for k, v in model.state_dict().items() if k.startswith("prior.")}
    return {k: v.double().flatten().tolist() for k, v in kept.items() if not k.endswith("pending")}


@torch.no_grad()
def _draw(model: nn.Module, kind: str, seed: int, batch: Tensor, std: float = 1.0) -> None:
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


@torch.no_grad()
def _to_the_ends(layer: ir.Layer, env: Env, module: nn.Module, seed: int) -> None:
    """Half of the diagonals go to an end of their sets: zeros in centre taps, the smallest scales."""
    made = torch.Generator().manual_seed(seed)
    for param in layer.params:
        place = _diagonal(module, param, env)
        if place is not None:
            end = EXTREMES.get(param.bound.via, 0.0) if param.bound is not None else 0.0
            place.copy_(torch.where(torch.rand(place.shape, generator=made) < 0.5, end, place))


def _diagonal(module: nn.Module, param: ir.Param, env: Env) -> Tensor | None:
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


def _unnoticed(module: nn.Module, env: Env, diagonal: Tensor, entry: tuple[int, ...]) -> float:
    """How many of the calls that must refuse a 0 at `entry` of an assumed diagonal or matrix take it."""
    z = torch.zeros(1, *env.dims, dtype=torch.float64)
    kept, diagonal[entry] = diagonal[entry].clone(), 0.0
    state = {key: value.clone() for key, value in module.state_dict().items()}
    missed = 0
    for call in (lambda: cast("Callable[[Tensor], object]", module.inverse)(z), lambda: module.load_state_dict(state)):
        try:
            call()
            missed += 1
        except ValueError as error:
            if type(error).__name__ != "AssumptionError":
                raise
    diagonal[entry] = kept
    return float(missed)


def _inside(domain: Interval, shape: tuple[int, ...], seed: int) -> Tensor:
    """Numbers inside the domain: normal ones on R, else uniform ones."""
    made = torch.Generator().manual_seed(seed + 1)
    if domain == REAL:
        return torch.randn(shape, generator=made, dtype=torch.float64)
    share = 0.02 + 0.96 * torch.rand(shape, generator=made, dtype=torch.float64)
    return max(domain.lo, -3.0) + (min(domain.hi, 3.0) - max(domain.lo, -3.0)) * share


def _wide(values: Sequence[object]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _relative(found: Tensor, expected: Tensor) -> float:
    """max |found - expected| / (1 + max |expected|); inf where a number is missing."""
    if not expected.numel():
        return 0.0
    off = float((found - expected).detach().abs().max() / (1.0 + expected.detach().abs().max()))
    return off if math.isfinite(off) else math.inf


def _invert(module: nn.Module, z: Tensor) -> tuple[Tensor, Tensor] | None:
    """The inverse; None where the module says that it missed its tolerance."""
    try:
        return cast("Callable[[Tensor], tuple[Tensor, Tensor]]", module.inverse)(z)
    except RuntimeError as error:
        if type(error).__name__ != "InversionError":
            raise
        return None


def _dense(module: nn.Module, x: Tensor) -> Tensor:
    """The Jacobian at one x by reverse differentiation."""
    with torch.enable_grad():
        point = x.detach().unsqueeze(0).requires_grad_()
        rows = [torch.autograd.grad(y, point, retain_graph=True)[0].flatten() for y in module(point)[0].flatten()]
        return torch.stack(rows)


def _log_abs_det(matrix: Sequence[Sequence[float]]) -> float:
    """log |det| by elimination with exact fractions: right however near 0 a diagonal is. Zeros cost nothing."""
    rows = [{k: Fraction(v) for k, v in enumerate(row) if v} for row in matrix]
    total = 0.0
    for column in range(len(rows)):
        pivot = next((row for row in rows if row.get(column)), None)
        if pivot is None:
            return -math.inf
        rows.remove(pivot)
        top = pivot.pop(column)
        total += math.log(abs(top.numerator)) - math.log(top.denominator)
        for row in rows:
            if row.get(column):
                factor = row.pop(column) / top
                for k, v in pivot.items():
                    row[k] = row.get(k, Fraction(0)) - factor * v
    return total


@contextmanager
def _one_thread() -> Iterator[None]:
    """Threads only cost on a few dozen elements."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
