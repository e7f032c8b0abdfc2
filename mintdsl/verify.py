"""A generated module against its meaning: the reference interpreter, autograd, exact determinants, its own inverse.

Everything runs in float64. Each layer that the program uses is built anew on a small shape and held against the
interpreter with three draws of weights; a flow too large for the interpreter is tested by its round trip as well.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import product
from typing import cast

import torch
from torch import Tensor, nn

from mintdsl.core import ir
from mintdsl.core.dual import variables
from mintdsl.core.instance import anchor
from mintdsl.core.interpret import evaluate_flow, parameters
from mintdsl.core.interpret_layer import apply_layer
from mintdsl.core.interpret_weights import Argument, Env, Weights, bind, extents, param_shape, sign_shape
from mintdsl.core.interval import REAL, Interval
from mintdsl.core.orders import DEFAULT_ORDER, Order
from mintdsl.driver import Program
from mintdsl.proof.check import Bindings, LayerProof
from mintdsl.proof.jacobian import DENSE, NONE
from mintdsl.proof.prover import FlowProof, Prover

SMALL_IMAGES = ((2, 3, 4), (3, 3, 3), (1, 3, 4), (4, 2, 3), (4, 4, 4), (6, 2, 2), (8, 2, 2), (12, 2, 2), (16, 2, 2))
SMALL_FLOW_IMAGES = ((1, 4, 4), (2, 4, 4), (3, 4, 4), (4, 4, 4), (1, 8, 8), *SMALL_IMAGES)
SMALL_VECTORS = ((5,), (6,), (4,), (8,), (9,), (12,), (16,))
SMALL_SEQUENCES = ((3, 2), (2, 4), (4, 3), (4, 4))
SMALL_SIZES = (2, 1, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
LARGEST = 64  # elements of a flow that the interpreter still takes as a whole
WORK = 4e8  # multiplications of the interpreter for one flow
REAL_WORK = 5e10  # of a module at its real shape, for a round trip

EXACT, CLOSE, TIGHT, LOOSE = 0.0, 1e-12, 1e-10, 1e-9


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
    gives the same rows. Raises SpecError where the program is refused, ValueError where a formal has no value.
    """
    core, _ = program.core()
    target = name or core.main[-1].rpartition("::")[2]
    cls = program.compile(target, **sizes) if module is None else module
    key = core.find(target)
    assert key is not None
    run = _Run(core, key, dict(sizes), seed, cls)
    with torch.random.fork_rng(devices=[]):
        run.all()
    rows = tuple(run.rows)
    return Verification(target, rows, all(r.ok for r in rows), tuple(dict.fromkeys(run.notes)))


# ---------------------------------------------------------------- what is tested


@dataclass(frozen=True)
class _Use:
    """A layer where a flow uses it: its environment (sizes of that place) and what its proof depends on."""

    path: str
    layer: ir.Layer
    env: Env
    proof: LayerProof


@dataclass
class _Run:
    """The state of one verification."""

    core: ir.Program
    key: str
    sizes: dict[str, int]
    seed: int
    cls: type[nn.Module]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def all(self) -> None:
        """Every layer, then the flow."""
        definition = self.core.definitions[self.key]
        prover = Prover(self.core)
        bindings = prover.defaults(self.key)
        missing = [f.name for f in definition.formals if f.default is None and f.name not in self.sizes]
        missing = [n for n in missing if not (isinstance(definition, ir.Layer) and _type(definition, n) == "Dir")]
        if bindings is None or missing:
            raise ValueError(f"{definition.name} needs values of {', '.join(missing)}: verify a flow that uses it")
        if isinstance(definition, ir.Layer):
            for use in self._of_layer(definition, prover, bindings):
                self._layer(use, None)
            return
        shape = self._flow_shape(definition)
        env = bind(definition, shape, dict(self.sizes))
        model = self._build(self.cls, definition, env, shape)
        modules = dict(model.named_modules())
        done = set()
        for use in self._uses(definition, env, prover, bindings, ""):
            small = self._small(use)
            mark = _mark(small)
            if mark not in done:
                done.add(mark)
                self._layer(small, modules.get(use.path))
        self._flow(definition, model, env)

    # ------------------------------------------------------------ uses

    def _of_layer(self, layer: ir.Layer, prover: Prover, bindings: Bindings) -> Iterator[_Use]:
        proof = prover.prove(self.key, bindings)
        assert isinstance(proof, LayerProof)
        free = [f.name for f in layer.formals if f.type == "Dir" and f.default is None]
        for directions in product(("lower", "upper"), repeat=len(free)):
            args: dict[str, Argument] = {**self.sizes, **dict(zip(free, directions, strict=True))}
            env = _first(layer, args, _shapes(layer.shape, SMALL_IMAGES))
            yield self._small(_Use("", layer, env, proof))

    def _uses(self, flow: ir.Flow, env: Env, prover: Prover, bindings: Bindings, prefix: str) -> Iterator[_Use]:
        """The layers of a flow, each copy of a repeat once."""
        dims = env.dims

        def walk(steps: Sequence[ir.Step], copies: str) -> Iterator[_Use]:
            nonlocal dims
            for step in steps:
                match step.op:
                    case ir.Use() as use:
                        callee = self.core.definitions[use.definition]
                        inner = bind(callee, dims, dict(use.args), env)
                        own = {**(prover.defaults(use.definition) or {}), **prover.bindings_of(use, bindings)}
                        path = f"{prefix}{step.name}{copies}"
                        if isinstance(callee, ir.Layer):
                            proof = prover.prove(use.definition, own)
                            assert isinstance(proof, LayerProof)
                            yield _Use(path, callee, inner, proof)
                        else:
                            yield from self._uses(callee, inner, prover, own, path + ".")
                            dims = _result(self.core, callee, inner)
                    case ir.Repeat(steps=block):
                        yield from walk(block, copies + ".0")
                    case ir.Pair(steps=block):
                        yield from walk(block, copies)
                    case ir.Squeeze() as squeeze:
                        dims = _squeezed(squeeze, dims)
                    case _:
                        pass

        yield from walk(flow.steps, "")

    def _small(self, use: _Use) -> _Use:
        """The same use with sizes that the interpreter takes, every quotient still whole."""
        layer, env = use.layer, use.env
        names = [f.name for f in layer.formals if f.type == "Nat"]
        choices = [[n for n in SMALL_SIZES if n <= env.sizes[k]] or [env.sizes[k]] for k in names]
        for shape in _shapes(layer.shape, SMALL_IMAGES, len(env.dims)):
            for values in sorted(product(*choices), key=lambda v: (max(v, default=0) > 2, math.prod(v))):
                small = _resized(layer, env, shape, dict(zip(names, values, strict=True)))
                if small is not None:
                    return replace(use, env=small)
        return use  # a concrete shape

    def _flow_shape(self, flow: ir.Flow) -> tuple[int, ...]:
        """The flow's shape; where it is symbolic the first small one on which every step has whole sizes."""
        for shape in _shapes(flow.shape, SMALL_FLOW_IMAGES):
            try:
                parameters(self.core, self.key, shape, dict(self.sizes))
            except ValueError:
                continue
            return shape
        raise ValueError(f"no small shape fits {flow.name} on {flow.shape}")

    # ------------------------------------------------------------ building

    def _build(
        self,
        cls: type[nn.Module],
        definition: ir.Definition,
        env: Env,
        shape: tuple[int, ...],
        like: nn.Module | None = None,
    ) -> nn.Module:
        """An instance in float64; activations and initialisations are those of `like`."""
        known = inspect.signature(cls).parameters
        values: dict[str, object] = {**env.sizes, **env.numbers, **env.directions}
        values |= {name: order.rows for name, order in env.orders.items()}
        kwargs: dict[str, object] = {"dtype": torch.float64}
        for formal in definition.formals:
            name = formal.name if formal.name in known else f"{formal.name}_"
            if formal.name in values:
                kwargs[name] = values[formal.name]
            elif like is not None:
                stored = next(
                    (getattr(like, n) for n in (name, formal.name, f"{formal.name}_") if hasattr(like, n)), None
                )
                if stored is not None:
                    kwargs[name] = stored
        concrete = bool(definition.shape.dims) and all(d.constant is not None for d in definition.shape.dims)
        return cls(**kwargs) if concrete else cls(shape, **kwargs)

    # ------------------------------------------------------------ one layer

    def _layer(self, use: _Use, like: nn.Module | None) -> None:
        cls = self.cls if like is None else type(like)
        small = self._build(cls, use.layer, use.env, use.env.dims, like)
        for kind in ("initial", "normal", "adversarial"):
            where = f"{_title(use)}, {kind} weights"
            self._draw(small, use, kind)
            with _one_thread():
                _LayerTest(self, use, small, where, kind).run()

    @torch.no_grad()
    def _draw(self, module: nn.Module, use: _Use, kind: str) -> None:
        made = torch.Generator().manual_seed(self.seed)
        if kind == "initial":
            cast("Callable[[], None]", module.reset_parameters)()
            return
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=made, dtype=torch.float64))
        for name, b in module.named_buffers():
            if name.endswith("_sign"):
                b.copy_(torch.where(torch.rand(b.shape, generator=made) < 0.5, -1.0, 1.0))
        if kind == "adversarial":
            for param, raw in zip(use.layer.params, module.parameters(), strict=True):
                place = _diagonal(param, raw, use.env)
                if place is not None:
                    extreme = _EXTREMES.get(param.bound.via, 0.0) if param.bound is not None else 0.0
                    chosen = torch.rand(place.shape, generator=made) < 0.5
                    place.copy_(torch.where(chosen, extreme, place))

    # ------------------------------------------------------------ the flow

    def _flow(self, flow: ir.Flow, model: nn.Module, env: Env) -> None:
        concrete = bool(flow.shape.dims) and all(d.constant is not None for d in flow.shape.dims)
        count = math.prod(env.dims)
        weights = sum(p.numel() for p in model.parameters())
        proof = Prover(self.core).prove(self.key, Prover(self.core).defaults(self.key) or {})
        assert isinstance(proof, FlowProof)
        domain = REAL if proof.bijection is None else proof.bijection.domain
        if count <= LARGEST and float(weights) * count * count <= WORK:
            for kind in ("initial", "normal"):
                self._draw_flow(model, kind)
                with _one_thread():
                    self._whole_flow(flow, model, env, domain, f"{flow.name} on {list(env.dims)}, {kind} weights")
        elif concrete or count > LARGEST:
            self.notes.append(
                f"{flow.name} on {list(env.dims)} is too large for the interpreter: layers, and a round trip"
            )
        work = float(weights) * count  # an upper bound: kernels are applied at every element
        if work > REAL_WORK:
            self.notes.append(f"no round trip of {flow.name} on {list(env.dims)}: too slow here")
            return
        self._draw_flow(model, "initial")
        x = _inside(domain, (2, *env.dims), self.seed)
        where = f"{flow.name} on {list(env.dims)}, 2 samples"
        with torch.no_grad():
            z, log_det = model(x)
            self._inverse_rows(model, x, z, log_det, where, proof.bijection is not None and proof.bijection.codomain)

    def _draw_flow(self, model: nn.Module, kind: str) -> None:
        with torch.no_grad():
            torch.manual_seed(self.seed)
            for m in model.modules():
                reset = getattr(m, "reset_parameters", None)
                if reset is not None:
                    reset()
            if kind == "normal":
                for p in model.parameters():
                    p.copy_(0.5 * torch.randn(p.shape, dtype=torch.float64))

    def _whole_flow(self, flow: ir.Flow, model: nn.Module, env: Env, domain: Interval, where: str) -> None:
        x = _inside(domain, (2, *env.dims), self.seed)
        raw = _raw(parameters(self.core, self.key, env.dims, dict(self.sizes)), model)
        z, log_det = model(x)
        expected = [
            evaluate_flow(self.core, self.key, v.flatten().tolist(), env.dims, dict(self.sizes), raw) for v in x
        ]
        value, jacobian = _tensor([r.value for r in expected]), _tensor([r.jacobian for r in expected])
        self.row("value", where, _relative(z.flatten(1), value), TIGHT)
        dense = torch.stack([_dense(model, v) for v in x])
        self.row("jacobian", where, _relative(dense, jacobian), TIGHT)
        exact = _tensor([_slogdet(d) for d in dense])
        self.row("log_det against slogdet", where, _relative(log_det, exact), LOOSE)
        self.row(
            "log_det against interpreter", where, _relative(log_det, _tensor([r.log_det for r in expected])), LOOSE
        )
        if hasattr(model, "log_prob") and not getattr(model, "levels", 0):
            base = (-0.5 * value * value - 0.5 * math.log(2 * math.pi)).sum(1)
            self.row(
                "log_prob", where, _relative(cast("Callable[[Tensor], Tensor]", model.log_prob)(x), base + exact), LOOSE
            )

    def _inverse_rows(self, model: nn.Module, x: Tensor, z: Tensor, log_det: Tensor, where: str, onto: object) -> None:
        from_z, inverse_log_det = _invert(model, z)
        if from_z is None or inverse_log_det is None:
            self.row("inverse", where, math.inf, LOOSE)
            return
        self.row("inverse(forward(x)) = x", where, _relative(from_z, x), LOOSE)
        self.row("log_det of both directions", where, _relative(log_det, -inverse_log_det), LOOSE)
        self.row("residual", where, _residual(model(from_z)[0], z), TIGHT)

    # ------------------------------------------------------------ rows

    def row(self, check: str, where: str, worst: float, allowed: float) -> None:
        """Note one comparison."""
        self.rows.append(Row(check, where, worst, allowed, worst <= allowed))


_EXTREMES = {"softplus": -25.0, "exp": -25.0, "signed": -25.0, "signed_exp": -25.0, "sigmoid": -30.0}
"""Raw numbers next to the end of a parametrisation; 0 for the others."""


# ---------------------------------------------------------------- one layer, one draw of weights


@dataclass
class _LayerTest:
    run_: _Run
    use: _Use
    module: nn.Module
    where: str
    kind: str

    def run(self) -> None:
        """Every row of this draw."""
        use, env, module = self.use, self.use.env, self.module
        x = _inside(REAL, (2, *env.dims), self.run_.seed)
        raw = _raw(parameters_of(use.layer, env), module)
        weights = Weights(use.layer, env, raw)
        self._effective(weights)
        jacobians, values = [], []
        for v in x:
            outputs = apply_layer(use.layer, env, variables(v.flatten().tolist()), raw, "")
            values.append([d.value for d in outputs])
            jacobians.append([d.row(len(outputs)) for d in outputs])
        expected = _tensor(jacobians)
        z, log_det = module(x)
        dense = torch.stack([_dense(module, v) for v in x])
        self._row("value", _relative(z.detach().flatten(1), _tensor(values)), TIGHT)
        self._row("jacobian", _relative(dense, expected), TIGHT)
        self._structure(dense, expected)
        diagonal = cast("Callable[[Tensor], Tensor]", module.jacobian_diagonal)(x).detach().flatten(1)
        own = dense.diagonal(dim1=1, dim2=2)
        self._row("jacobian_diagonal", _relative(diagonal, own), TIGHT)
        self._bounds(diagonal)
        self._row("log_det against the determinant", _relative(log_det, self._determinants(dense)), LOOSE)
        self._inverse(x, z.detach(), dense)

    def _row(self, check: str, worst: float, allowed: float) -> None:
        self.run_.row(check, self.where, worst, allowed)

    def _effective(self, weights: Weights) -> None:
        found = 0.0
        names = cast("tuple[str, ...]", self.module.names)
        for param, name in zip(self.use.layer.params, names, strict=True):
            value = cast("Callable[[str], Tensor]", self.module.effective)(name).detach().flatten()
            wanted = [v for m in weights.members(param.indices) for v in weights.of(param.name, m)]
            found = max(found, _relative(value, _tensor(wanted)))
        self._row("effective weights", found, CLOSE)

    def _keys(self) -> list[tuple[int, ...]] | None:
        """The order key of every element; None where the proof found no order."""
        off = self.use.proof.jacobian.off
        if off == DENSE:
            return None
        order = self._order()
        if order is None:
            return None
        places = product(*map(range, self.use.env.dims))
        return [tuple(sum(a * b for a, b in zip(row, p, strict=True)) for row in order.rows) for p in places]

    def _order(self) -> Order | None:
        order = self.use.layer.order
        if isinstance(order, ir.FormalOrder):
            return self.use.env.orders[order.name]
        rank = len(self.use.env.dims)
        if len(order.rows[0]) != rank:  # `on S`: such layers are diagonal, and the order does not matter
            order = DEFAULT_ORDER[{1: "Vec", 2: "Seq", 3: "Image"}[rank]]
        return order

    def _structure(self, dense: Tensor, expected: Tensor) -> None:
        """Entries outside of the proved triangle are exactly 0, by autograd and by the interpreter."""
        keys = self._keys()
        if keys is None:
            return
        off = str(self.use.proof.jacobian.off)
        sign = {"lower": 1, "upper": -1}.get(self.use.env.directions.get(off, off), 0)
        allowed = torch.tensor(
            [
                [p == q or (sign != 0 and off != NONE and (a > b if sign > 0 else a < b)) for q, b in enumerate(keys)]
                for p, a in enumerate(keys)
            ]
        )
        outside = torch.maximum(dense.abs(), expected.abs())[:, ~allowed]
        self._row("structure", float(outside.max()) if outside.numel() else 0.0, EXACT)

    def _bounds(self, diagonal: Tensor) -> None:
        """The diagonal lies in the interval of the proof, up to rounding."""
        signed = self.use.proof.jacobian.diag
        interval = signed.interval
        found = diagonal.abs() if signed.monomial else diagonal
        if signed.monomial and not interval.nonnegative:
            return
        slack = 1e-12 * found.abs()
        excess = torch.maximum(interval.lo - found, found - interval.hi).clamp(min=0.0)
        self._row("diagonal in its proved interval", float((excess - slack).clamp(min=0.0).max()), EXACT)

    def _determinants(self, dense: Tensor) -> Tensor:
        keys = self._keys()
        rows = sorted(range(dense.shape[-1]), key=lambda p: keys[p] if keys is not None else (p,))
        chosen = torch.tensor(rows)
        return _tensor([_log_abs_det(d[chosen][:, chosen].tolist()) for d in dense])

    def _inverse(self, x: Tensor, z: Tensor, dense: Tensor) -> None:
        try:
            gain = float(torch.linalg.matrix_norm(torch.linalg.inv(dense), ord=math.inf).max())
        except RuntimeError:
            gain = math.inf
        size = (1.0 + float(z.abs().max())) / (1.0 + float(x.abs().max()))
        hopeless = not gain < 1e10  # rounding of z alone moves x by gain * 1e-16, and that enters the residual again
        found, inverse_log_det = _invert(self.module, z)
        if found is None or inverse_log_det is None:
            if hopeless:
                self.run_.notes.append(
                    "where the inverse Jacobian exceeds 1e10 an inverse may miss its tolerance; it raised there, as it must"
                )
            self._row("residual", 0.0 if hopeless else math.inf, TIGHT)
            return
        with torch.no_grad():
            again, back = self.module(found)
        self._row("residual", _residual(again, z), TIGHT)
        self._row("log_det of both directions", _relative(back, -inverse_log_det), LOOSE)
        allowed = max(LOOSE, 4e-11 * gain * size)  # a residual of 1e-11 (1 + |z|) moves x by gain times as much
        if self.kind == "adversarial" or not allowed < 1e-3:
            self.run_.notes.append("with diagonals near 0 an inverse is tested by its residual: z hardly determines x")
            return
        self._row("inverse(forward(x)) = x", _relative(found, x), allowed)


def parameters_of(layer: ir.Layer, env: Env) -> dict[str, tuple[int, ...]]:
    """Shapes of a layer's raw tensors by name: its parameters, then its sign buffers."""
    found = {p.name: param_shape(layer, p, env.dims, env.sizes) for p in layer.params}
    for p in layer.params:
        signs = sign_shape(layer, p, env.dims, env.sizes)
        if signs is not None:
            found[f"{p.name}_sign"] = signs
    return found


# ---------------------------------------------------------------- sizes


def _type(definition: ir.Definition, formal: str) -> str:
    return next(f.type for f in definition.formals if f.name == formal)


def _shapes(shape: ir.Shape, images: Sequence[tuple[int, ...]], rank: int | None = None) -> Sequence[tuple[int, ...]]:
    """Shapes to try, the preferred one first; the only one where the pattern is concrete."""
    constants = [d.constant for d in shape.dims]
    known = tuple(c for c in constants if c is not None)
    if shape.dims and len(known) == len(constants):
        return (known,)
    kind = shape.kind if shape.kind != "Any" else {1: "Vec", 2: "Seq", 3: "Image", None: "Image"}[rank]
    tried = {"Image": images, "Vec": SMALL_VECTORS, "Seq": SMALL_SEQUENCES}[kind]
    fixed = [
        tuple(c if c is not None else size for c, size in zip(constants, sizes, strict=True)) if constants else sizes
        for sizes in tried
    ]
    return tuple(dict.fromkeys(fixed))


def _first(layer: ir.Layer, args: Mapping[str, Argument], shapes: Sequence[tuple[int, ...]]) -> Env:
    """The layer at the first shape that fits."""
    for shape in shapes:
        try:
            env = bind(layer, shape, args)
            _whole(layer, env)
        except ValueError:
            continue
        return env
    raise ValueError(f"no small shape fits {layer.name} on {layer.shape}")


def _whole(layer: ir.Layer, env: Env) -> None:
    """ValueError where a size of the layer is not a whole number >= 1."""
    extents(layer, [name for name, _ in layer.indices], env.sizes)
    for param in layer.params:
        param_shape(layer, param, env.dims, env.sizes)
        env.shape(param.source)


def _resized(layer: ir.Layer, env: Env, shape: tuple[int, ...], sizes: Mapping[str, int]) -> Env | None:
    """`env` at other sizes, if they fit."""
    try:
        there = bind(layer, shape, dict(sizes))
        small = replace(env, dims=shape, sizes={**env.sizes, **there.sizes})
        _whole(layer, small)
    except ValueError:
        return None
    return small


def _mark(use: _Use) -> tuple[object, ...]:
    """What distinguishes one small instance from another."""
    env, formals = use.env, {f.name for f in use.layer.formals}
    sizes = tuple(sorted((k, v) for k, v in env.sizes.items() if k in formals))
    acts = tuple(sorted((k, repr(v.act), tuple(sorted(v.env.numbers.items()))) for k, v in env.acts.items()))
    others = (tuple(sorted(env.numbers.items())), tuple(sorted(env.directions.items())))
    orders = tuple(sorted((k, v.rows) for k, v in env.orders.items()))
    return (use.layer.name, use.layer.name_span.file, env.dims, sizes, acts, others, orders)


def _title(use: _Use) -> str:
    env, layer = use.env, use.layer
    shown = []
    for f in layer.formals:
        if f.type == "Nat":
            shown.append(f"{f.name} = {env.sizes[f.name]}")
        elif f.type == "Dir":
            shown.append(f"{f.name} = {env.directions[f.name]}")
        elif f.type == "Real":
            shown.append(f"{f.name} = {env.numbers[f.name]:g}")
        elif f.type == "Order":
            shown.append(f"{f.name} = {env.orders[f.name].name}")
        elif f.type == "Act":
            shown.append(f"{f.name} = {env.acts[f.name].act}")
    arguments = f"({', '.join(shown)})" if shown else ""
    return f"{layer.name}{arguments} on {list(env.dims)}"


def _result(core: ir.Program, flow: ir.Flow, env: Env) -> tuple[int, ...]:
    """The shape that leaves a flow."""
    dims = env.dims
    for step in flow.steps:
        match step.op:
            case ir.Use() as use:
                callee = core.definitions[use.definition]
                if isinstance(callee, ir.Flow):
                    dims = _result(core, callee, bind(callee, dims, dict(use.args), env))
            case ir.Squeeze() as squeeze:
                dims = _squeezed(squeeze, dims)
            case _:
                pass
    return dims


def _squeezed(op: ir.Squeeze, dims: tuple[int, ...]) -> tuple[int, ...]:
    c, h, w = dims
    f = op.factor
    return (c // (f * f), h * f, w * f) if op.undo else (c * f * f, h // f, w // f)


# ---------------------------------------------------------------- numbers


def _diagonal(param: ir.Param, raw: Tensor, env: Env) -> Tensor | None:
    """A view of the raw diagonal of a scale or a map; None for biases and maps without one."""
    match param.kind:
        case ir.Elementwise(kind="bias"):
            return None
        case ir.Elementwise():
            return raw
        case ir.Conv(direction=direction) as conv:
            if direction is None or conv.strict:
                return None
            row, column = anchor(conv, env.directions.get(direction, direction))
            return raw[..., row, column].diagonal(dim1=-2, dim2=-1)
        case ir.Dense(direction=direction, strict=strict):
            return None if direction is None or strict else raw.diagonal(dim1=-2, dim2=-1)
        case _:
            return None


def _inside(domain: Interval, shape: tuple[int, ...], seed: int) -> Tensor:
    """Numbers inside the domain: normal ones on R, uniform ones in a box."""
    made = torch.Generator().manual_seed(seed + 1)
    if math.isfinite(domain.lo) and math.isfinite(domain.hi):
        share = 0.02 + 0.96 * torch.rand(shape, generator=made, dtype=torch.float64)
        return domain.lo + (domain.hi - domain.lo) * share
    x = torch.randn(shape, generator=made, dtype=torch.float64)
    if math.isfinite(domain.lo):
        return domain.lo + x.exp()
    return domain.hi - x.exp() if math.isfinite(domain.hi) else x


def _raw(keys: Mapping[str, tuple[int, ...]], module: nn.Module) -> dict[str, list[float]]:
    """The state dict under the spec's names: a name that Python needs for itself has an underscore more there."""
    values = list(module.state_dict().values())
    if [tuple(v.shape) for v in values] != list(keys.values()):
        raise ValueError(f"the module's state dict does not hold {', '.join(keys)} of the sizes of the spec")
    return {key: value.double().flatten().tolist() for key, value in zip(keys, values, strict=True)}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Threads only cost on a few dozen elements."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _tensor(values: Sequence[float] | Sequence[Sequence[float]] | Sequence[Sequence[Sequence[float]]]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _relative(found: Tensor, expected: Tensor) -> float:
    """max |found - expected| / (1 + max |expected|); inf where a number is missing."""
    if expected.numel() == 0:
        return 0.0
    off = (found.detach() - expected.detach()).abs().max() / (1.0 + expected.detach().abs().max())
    return float(off) if math.isfinite(float(off)) else math.inf


def _residual(found: Tensor, z: Tensor) -> float:
    """max |f(x) - z| / (1 + |z|)."""
    return float(((found.detach() - z).abs() / (1.0 + z.abs())).max()) if z.numel() else 0.0


def _invert(module: nn.Module, z: Tensor) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """The inverse without gradients; Nones where it was not found."""
    try:
        with torch.no_grad():
            return cast("Callable[[Tensor], tuple[Tensor, Tensor]]", module.inverse)(z)
    except RuntimeError as error:
        if type(error).__name__ != "InversionError":
            raise
        return None, None


def _dense(module: nn.Module, x: Tensor) -> Tensor:
    """The Jacobian at one x by reverse differentiation, [D, D]."""
    point = x.detach().unsqueeze(0).requires_grad_()
    y = module(point)[0].flatten()
    rows = [torch.autograd.grad(v, point, retain_graph=True, allow_unused=True)[0] for v in y]
    return torch.stack([torch.zeros(point.numel()).double() if r is None else r.flatten() for r in rows])


def _slogdet(jacobian: Tensor) -> float:
    return float(torch.linalg.slogdet(jacobian).logabsdet)


def _log_abs_det(rows: Sequence[Sequence[float]]) -> float:
    """log |det| by exact rational elimination: right however near 0 the diagonal is. Zeros cost nothing."""
    left = [{k: Fraction(v) for k, v in enumerate(row) if v} for row in rows]
    total = 0.0
    while left:
        column = min((min(row) for row in left if row), default=None)
        pivot = next((row for row in left if row and column in row), None)
        if pivot is None or column is None or not all(left):
            return -math.inf
        left.remove(pivot)
        top = pivot[column]
        total += math.log(abs(top.numerator)) - math.log(top.denominator)
        for row in left:
            if column in row:
                factor = row.pop(column) / top
                for k, v in pivot.items():
                    if k != column:
                        changed = row.get(k, Fraction(0)) - factor * v
                        if changed:
                            row[k] = changed
                        else:
                            row.pop(k, None)
    return total
