"""A generated module against its meaning: the reference interpreter, autograd, exact determinants, its own inverse.

Everything runs in float64. Each layer that the program uses is built anew on a small shape and held against the
interpreter with three draws of weights; a flow too large for the interpreter is tested by its round trip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import product
from typing import cast

import torch
from torch import Tensor, nn

from mintdsl.core import interpret, ir
from mintdsl.core.canonical import extern_nets
from mintdsl.core.dual import variables
from mintdsl.core.interpret_env import Argument, Env, evaluate_size
from mintdsl.core.interpret_layer import apply_layer
from mintdsl.core.interpret_weights import Weights
from mintdsl.core.interval import REAL
from mintdsl.core.orders import DEFAULT_ORDER
from mintdsl.core.places import part_places
from mintdsl.driver import Program
from mintdsl.proof.check import LayerProof
from mintdsl.proof.jacobian import DENSE, NONE
from mintdsl.proof.prover import FlowProof, Prover
from mintdsl.verify import models

BATCH = 8  # samples from which a model is initialised
WHOLE = 64  # elements of a flow that the interpreter takes as a whole
INTERPRETED, RUN = 4e8, 1.5e10  # multiplications of the interpreter, and of a module in a round trip

NOTHING, TIGHT, LOOSE = 0.0, 1e-10, 1e-9
SOLVED, SLOPES, SOLVER = 1e-5, 1e-3, 1e-9
"""How near values, and slopes where the field has kinks, come to those of the interpreter, which takes equal steps, and
the tolerance of the solver then."""
STEPS = 100.0
"""How many tolerances of its solver a continuous flow may miss in a round trip."""


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
    gives the same rows. Raises SpecError where the program is refused, NoShape where no small shape fits.
    """
    core, _ = program.core()
    target = name or core.main[-1].rpartition("::")[2]
    cls = program.compile(target, **sizes) if module is None else module
    key = core.find(target)
    assert key is not None
    run = _Run(core, key, dict(sizes), seed, cls)
    names = extern_nets(core, key)
    if names:
        run.notes.append(f"{', '.join(names)}: extern, so a stand-in with random weights took the place of your module")
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
    missed: float = 0.0  # by the series that are log-dets, in nats

    def row(self, where: str, check: str, worst: float, allowed: float) -> None:
        """Note one comparison."""
        self.rows.append(Row(check, where, worst, allowed, worst <= allowed))

    def layer_alone(self, layer: ir.Layer) -> None:
        """A layer that was asked for by name; sizes without a value are 2, directions take both values."""
        free = [f for f in layer.formals if f.type in ("Dir", "Nat") and f.default is None and f.name not in self.sizes]
        choices: list[tuple[Argument, ...]] = [("lower", "upper") if f.type == "Dir" else (2,) for f in free]
        for values in product(*choices):
            args: dict[str, Argument] = {**self.sizes, **{f.name: v for f, v in zip(free, values, strict=True)}}
            self.layer(layer, models.fitting(layer, args, lambda env: models.whole(layer, env)), None)

    def flow(self, flow: ir.Flow) -> None:
        """Each distinct layer on a small shape, then the flow as a whole."""
        env = models.fitting(
            flow, self.sizes, lambda e: interpret.parameters(self.core, self.key, e.dims, self.sizes, e.given)
        )
        model = models.build(self.cls, flow, env, None).eval()
        self.missed = models.settle(model)
        if self.missed:
            self.notes.append("estimated log-dets were tested without chance: series of exact traces, truncated")
        uses = interpret.layers(self.core, flow, env, "")
        done: set[str] = set()
        for (_, layer, place), module in zip(uses, models.layers(model), strict=True):
            small = models.smaller(layer, place)
            mark = f"{layer.name_span.file} {models.title(layer, small)} {sorted(small.numbers.items())}"
            if mark not in done:
                done.add(mark)
                self.layer(layer, small, module)
        where, count = f"{flow.name} on {list(env.dims)}", math.prod(env.dims)
        work = float(sum(p.numel() for p in model.parameters())) * count  # no kernel is applied more often
        prover = Prover(self.core)
        proof = prover.prove(self.key, prover.defaults(self.key) or {})
        assert isinstance(proof, FlowProof) and proof.bijection is not None
        x = models.inside(proof.bijection.domain, (2, *env.dims), self.seed)
        if count <= WHOLE and work * count <= INTERPRETED:
            std = models.spread((layer for _, layer, _ in uses), 0.5)
            for kind in ("initial", "normal"):
                models.draw(model, kind, self.seed, self.batch(proof, model), std)
                raw = {
                    k: v
                    for u, m in zip(uses, models.layers(model), strict=True)
                    for k, v in models.raw(m, u[0]).items()
                }
                raw |= models.estimated(model, interpret.estimates(self.core, flow, env))
                raw |= models.step_nets(model, [f"{flow.left[k].name}." for k in flow.normal])
                raw |= models.field_weights(model, interpret.fields(self.core, flow, env))
                with _one_thread(), models.tight(model, SOLVER):
                    self.interpreted(model, env, x, raw, f"{where}, {kind} weights")
        else:
            apart = ", its layers were tested at small sizes" if done else ""
            self.notes.append(f"{where} is too large for the interpreter{apart}")
        if work <= RUN and self.missed < math.inf:
            models.draw(model, "initial", self.seed, self.batch(proof, model))
            self.round_trip(model, x, f"{where}, 2 samples")
        else:
            self.notes.append(f"{where}: no round trip, it would take too long")

    def batch(self, proof: FlowProof, model: nn.Module) -> Tensor:
        """What a flow is initialised from."""
        shape, levels = (BATCH, *cast("tuple[int, ...]", model.event_shape)), cast("int", getattr(model, "levels", 0))
        if levels:
            return torch.randint(0, levels, shape, generator=torch.Generator().manual_seed(self.seed))
        assert proof.bijection is not None
        return models.inside(proof.bijection.domain, shape, self.seed)

    def interpreted(self, model: nn.Module, env: Env, x: Tensor, raw: interpret.Raw, where: str) -> None:
        """A whole flow against the interpreter."""
        row = partial(self.row, where)
        walk = partial(
            interpret.evaluate_flow, self.core, self.key, shape=env.dims, args=self.sizes, raw=raw, given=env.given
        )
        runs = [walk(v.flatten().tolist()) for v in x]
        z, log_det = model(x)
        value, dense = _wide([r.value for r in runs]), torch.stack([_dense(model, v) for v in x])
        solved, slopes = (SOLVED, SLOPES) if models.solvers(model) else (NOTHING, NOTHING)
        row("value", _relative(z.flatten(1), value), max(TIGHT, solved))
        row("jacobian", _relative(dense, _wide([r.jacobian for r in runs])), max(TIGHT, slopes))
        if log_det is None:
            return
        exact, allowed = torch.linalg.slogdet(dense).logabsdet, max(_digits(dense), slopes) + self.missed
        if math.isinf(allowed):
            self.notes.append(f"{where}: a Jacobian is singular to within rounding, its log_det cannot be compared")
        row("log_det", _relative(log_det, exact), allowed)
        row("log_det of the interpreter", _relative(log_det, _wide([r.log_det for r in runs])), allowed)
        if hasattr(model, "log_prob") and not getattr(model, "levels", 0):
            density = partial(
                interpret.log_prior,
                self.core,
                self.key,
                shape=env.dims,
                args=self.sizes,
                raw=raw,
                given=env.given,
            )
            prior = _wide([density(r.value) for r in runs])
            row("log_prob", _relative(cast("Callable[[Tensor], Tensor]", model.log_prob)(x), prior + exact), allowed)

    def layer(self, layer: ir.Layer, env: Env, like: nn.Module | None) -> None:
        """Three draws of weights at the sizes of `env`; `like` is the module where the flow uses it."""
        acts = {name: bound.act for name, bound in env.acts.items()}
        proof = Prover(self.core).check(layer, {**env.numbers, **env.orders, **acts})
        module = models.build(self.cls if like is None else type(like), layer, env, like).eval()
        std = models.spread([layer], 1.0)
        for kind in ("initial", "normal", "adversarial"):
            models.draw(module, kind, self.seed, models.inside(REAL, (BATCH, *env.dims), self.seed), std)
            if kind == "adversarial":
                models.to_the_ends(layer, env, module, self.seed)
            with _one_thread():
                self.drawn(layer, env, proof, module, f"{models.title(layer, env)}, {kind} weights")
        for param in (p for p in layer.params if p.name in getattr(module, "assumed", ())):
            place = cast("tuple[str, ...]", module.names).index(param.name)
            stored = module.get_parameter(cast("tuple[str, ...]", module.members)[place]).detach()
            diagonal = models.diagonal(module, param, env)
            where = (0,) if diagonal is None else (0,) * diagonal.dim()  # all of a row, or one entry
            hit = (stored if diagonal is None else diagonal)[where]
            broken = torch.zeros_like(hit)
            if isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.rank is not None:
                broken[0] = -stored[1, 0] / stored[1, 0].square().sum()  # of I + V U the first column is (0, ...)
            missed = _unnoticed(module, env, hit, broken)
            word = "det" if param.factored else "diag"
            self.row(models.title(layer, env), f"calls that take a {word}({param.name}) of 0", missed, NOTHING)

    def drawn(self, layer: ir.Layer, env: Env, proof: LayerProof, module: nn.Module, where: str) -> None:
        """One layer with one draw of weights."""
        row = partial(self.row, where)
        x, raw = models.inside(REAL, (2, *env.dims), self.seed), models.raw(module, "")
        weights, worst = Weights(layer, env, raw), 0.0
        for param in (
            p for p in layer.params if not isinstance(p.kind, (ir.Normalize, ir.Perm, ir.NetParam, ir.LayerParam))
        ):
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
        if not proof.linked:
            diagonal = cast("Callable[[Tensor], Tensor]", module.jacobian_diagonal)(x).detach().flatten(1)
            row("jacobian_diagonal", _relative(diagonal, dense.diagonal(dim1=1, dim2=2)), TIGHT)
            row("diagonal in its proved interval", _excess(proof, diagonal), NOTHING)
        places = torch.tensor(sorted(range(len(keys)), key=keys.__getitem__))
        exact = _wide([_log_abs_det(d[places][:, places].tolist()) for d in dense])
        # in the order of the proof a triangular matrix has its determinant on the diagonal, whatever its condition
        row("log_det", _relative(log_det, exact), _digits(dense) if proof.linked else LOOSE)
        self.round_trip(module, x, where)

    def round_trip(self, module: nn.Module, x: Tensor, where: str) -> None:
        """The residual of the inverse, and its error where the weights let z determine x."""
        row, solvers = partial(self.row, where), models.tolerances(module)
        if solvers:
            self.solved(module, solvers, x, where)
            return
        with torch.no_grad():
            z, log_det = module(x)
            nudge = 1e-10 * (1.0 + z.abs()) * torch.where(torch.rand_like(z) < 0.5, -1.0, 1.0)
            moved, found = _invert(module, z + nudge), _invert(module, z)
            bound = models.error_bound(module, z)
            # how much farther x moves than z, relative to their sizes: 1e10 times as much loses every digit
            gain = math.inf if moved is None else _relative(moved[0], x) / 1e-10
            if found is None:
                dense = torch.stack([_dense(module, v) for v in x])
                gain = float(1.0 / torch.linalg.svdvals(dense).amin()) if torch.isfinite(dense).all() else 0.0
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
            if bound is not None:
                beyond = models.size_in(module, found[0] - x) - bound
                row("error of the inverse beyond its bound", float(beyond.clamp(min=0.0).max()), NOTHING)

    def solved(self, module: nn.Module, solvers: Sequence[tuple[float, int]], x: Tensor, where: str) -> None:
        """A round trip through continuous flows: what it misses is measured, nothing bounds it."""
        tol = max(own for own, _ in solvers)
        with torch.no_grad():
            z, log_det = module(x)
            back, other = cast("Callable[[Tensor], tuple[Tensor, Tensor]]", module.inverse)(z)
            self.row(where, "inverse(forward(x)) = x, measured", _relative(back, x), STEPS * tol)
            if log_det is not None and not any(probes for _, probes in solvers):
                self.row(where, "log_det of both directions", _relative(log_det, -other), STEPS * tol)
        self.notes.append(f"solvers work to a tolerance of {tol:g} a step; the round trip is measured, not bounded")


def _digits(dense: Tensor) -> float:
    """What rounding of the entries does to log-determinants of matrices [B, D, D]: more, the worse their condition.

    inf where a matrix is singular to within rounding: then no digit of its log-determinant is left to compare.
    """
    if not torch.isfinite(dense).all():
        return LOOSE  # an entry overflowed: the comparison itself fails
    spread = torch.linalg.svdvals(dense)
    found = max(LOOSE, 1e-15 * len(dense[0]) * float((spread.amax(1) / spread.amin(1)).max()))
    return found if found < 1 else math.inf


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
        mixed = {part.name: {*part.reads, *([part.name] if part.jacobian.off != NONE else [])} for part in proof.parts}
        cells = range(len(owner))
        return torch.tensor([[p == q or owner[q].name in mixed[owner[p].name] for q in cells] for p in cells])
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


def _unnoticed(module: nn.Module, env: Env, place: Tensor, broken: Tensor) -> float:
    """How many of the calls that must refuse `broken` numbers at a place of an assumed diagonal or matrix take them."""
    z = torch.zeros(1, *env.dims, dtype=torch.float64)
    kept = place.clone()
    place.copy_(broken)
    state = {key: value.clone() for key, value in module.state_dict().items()}
    missed = 0
    for call in (lambda: cast("Callable[[Tensor], object]", module.inverse)(z), lambda: module.load_state_dict(state)):
        try:
            call()
            missed += 1
        except ValueError as error:
            if type(error).__name__ != "AssumptionError":
                raise
    place.copy_(kept)
    return float(missed)


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
    """log |det| by elimination with exact fractions: right however near 0 a diagonal is. Zeros cost nothing.

    nan where an entry overflowed.
    """
    if not all(math.isfinite(v) for row in matrix for v in row):
        return math.nan
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
