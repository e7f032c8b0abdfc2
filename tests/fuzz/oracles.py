"""Everything that must hold of an accepted program, checked on numbers. The checks of one subject end in `Verdict`."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import cast

import torch
from torch import Tensor, nn

from mintdsl.core import interpret, ir
from mintdsl.core.interpret_ode import STEPS as INTERPRETED
from mintdsl.core.interval import REAL, Interval
from mintdsl.proof.certificate import certificate
from mintdsl.proof.check import LayerProof
from mintdsl.proof.jacobian import NONE
from mintdsl.proof.kernel import Refused as Disproved, recheck
from mintdsl.proof.prover import Prover
from mintdsl.proof.rules.parts import Part
from mintdsl.records import replace

from . import solved, tensors
from .claims import claims_hold
from .continuous import solvers_hold
from .draws import KINDS, MODERATE, POINTS, Loader, end_draw, inputs, raw_draws
from .facts import Failure, Sight, excess_of, grows
from .initial import density, ready
from .meaning import Formula, Used, Weights, part_of_each, ranked, run_flow
from .subject import Subject, build, continuous, layer_proof, layers_of, truncation
from .tensors import Field, variable

NODES = 5
"""Subexpressions of a layer that are judged beside its lets and its result."""


@dataclass
class Verdict:
    """What the oracles found: failures, how many checks were made, inverses that honestly missed."""

    failures: list[Failure] = field(default_factory=list)
    checks: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def add(self, check: str, failures: Iterator[Failure]) -> None:
        """Run one group of checks."""
        self.checks[check] += 1
        self.failures += failures

    def compare(self, check: str, where: str, off: Tensor, allowed: Tensor) -> None:
        """Note a comparison of tensors, elementwise; what is not a number is not compared."""
        self.checks[check] += 1
        bad = (off > allowed) & torch.isfinite(allowed)
        if bool(bad.any()):
            worst = int(torch.where(bad, off, -1.0).argmax())
            shown = f"off by {off.flatten()[worst]:.3g}, allowed {allowed.expand_as(off).flatten()[worst]:.3g}"
            self.failures.append(Failure(check, where, shown))


@dataclass
class _Trial:
    subject: Subject
    rng: Random
    made: torch.Generator
    verdict: Verdict
    raw: dict[str, Tensor] = field(default_factory=dict)

    # ------------------------------------------------------------ layers

    def layer(self, used: Used) -> None:
        """One layer as it is used: its class and the class of its subexpressions."""
        draws, size = len(KINDS), math.prod(used.env.dims)
        given = inputs(draws, size, self.made)
        weights = Weights(used.layer, used.env, self.raw, used.prefix)
        proof = layer_proof(used)
        sight = Sight(weights, given, _later(weights, proof))
        chosen = self._chosen(used.layer)
        facts = {id(n): layer_proof(used, replace(used.layer, result=n, claims=())) for n in chosen}

        def watch(node: ir.Expr, at: Mapping[str, int], found: Field) -> None:
            if id(node) in facts:
                name = self._shown(used.layer, node)
                part = facts[id(node)]
                sight.later = _later(weights, part)
                self.verdict.add("subexpression", sight.judge(part.jacobian, found, at, name))

        x = variable(given.x, POINTS)
        found = Formula(used.env, x, weights, watch).layer()
        where = f"layer {used.layer.name} on {list(used.env.dims)}"
        sight.later = _later(weights, proof)
        self.verdict.add("layer", sight.judge(proof.jacobian, found, {}, where))
        if proof.proved:
            self.verdict.add("claims", claims_hold(used, proof, sight, found, where))
        self.verdict.checks["facts"] += sight.checks

        def evaluate(at: Tensor) -> Field:
            moderate = {k: v[:MODERATE] for k, v in self.raw.items()}
            return Formula(used.env, variable(at, 0), Weights(used.layer, used.env, moderate, used.prefix)).layer()

        if proof.bijection is not None:
            self.verdict.add("onto", grows(proof.jacobian, evaluate, given.x[:MODERATE, 0], where))

    def _chosen(self, layer: ir.Layer) -> list[ir.Expr]:
        if layer.split is not None:
            return []  # each part has formulas of its own
        nodes = [n for root in (*(item.value for item in layer.lets), layer.result) for n in _below(root)]
        some = self.rng.sample(nodes, min(NODES, len(nodes)))
        return [*(item.value for item in layer.lets), *some]

    def _shown(self, layer: ir.Layer, node: ir.Expr) -> str:
        source = self.subject.report.sources.get(node.span.file)
        text = " ".join(source.slice(node.span).split()) if source else type(node).__name__
        return f"`{text}` in layer {layer.name}"

    # ------------------------------------------------------------ the module

    def module(self, model: nn.Module) -> None:
        """The generated module in float64 against the meaning of the program."""
        subject, loader = self.subject, Loader(self.subject.uses, model)
        size = math.prod(subject.env.dims)
        bijection = subject.proof.bijection
        domain = REAL if bijection is None else bijection.domain
        kinds = KINDS[:MODERATE] if continuous(model) else KINDS  # a solver takes steps without end for larger weights
        given = inputs(len(kinds), size, self.made, domain)
        points, raw = self._near(model, given.x[:, :POINTS]), {k: v[: len(kinds)] for k, v in self.raw.items()}
        found = run_flow(subject.core, subject.definition, subject.env, raw, variable(points, POINTS))
        self._boxes(found)
        for draw, kind in enumerate(kinds):
            if kind == "initial" and continuous(model):
                continue  # solving takes its time, and these weights are small as well
            loader.load(self.raw, draw)
            self._effective(model, draw, kind)
            self._values(model, points[draw], found, draw, kind)

    def _near(self, model: nn.Module, x: Tensor) -> Tensor:
        """Inputs that are not far out where a solver meets them: there it takes steps without end."""
        return x.clamp(-3.0, 3.0) if continuous(model) else x

    def _effective(self, model: nn.Module, draw: int, kind: str) -> None:
        for used, module in zip(self.subject.uses, layers_of(model), strict=True):
            weights = Weights(used.layer, used.env, self.raw, used.prefix)
            for param in used.layer.params:
                if isinstance(param.kind, ir.Normalize | ir.Perm | ir.NetParam | ir.LayerParam):
                    continue
                got = cast("Callable[[str], Tensor]", module.effective)(param.name).detach()
                for member in weights.members(param.indices):
                    if isinstance(param.kind, ir.Elementwise):
                        if param.kind.kind == "bias":
                            continue
                        mine = weights.diagonal(param.name, member)[draw]
                        theirs = got[member].flatten()[weights.slots(param)]
                    elif param.kind.direction is None:
                        continue
                    elif isinstance(param.kind, ir.Conv):
                        row, column = weights.anchor(param.kind)
                        mine = weights.diagonal(param.name, member)[draw]
                        theirs = (
                            torch.zeros_like(mine)
                            if param.kind.strict
                            else got[member][..., row, column].diagonal()[weights.slots(param)]
                        )
                        mine = torch.zeros_like(mine) if param.kind.strict else mine
                    else:
                        mine = weights.matrix(param.name, member)[draw]
                        theirs = got[member]
                    where = f"{param.name}{list(member)} of {used.layer.name}, {kind} weights"
                    self.verdict.compare(
                        "effective weights", where, (mine - theirs).abs(), 1e-12 * (1e-300 + mine.abs())
                    )

    def _values(self, model: nn.Module, x: Tensor, found: Field, draw: int, kind: str) -> None:
        subject, verdict = self.subject, self.verdict
        where = f"{subject.definition.name} on {list(subject.env.dims)}, {kind} weights"
        size = x.shape[-1]
        copies = x.repeat_interleave(size, 0) if draw < MODERATE else x
        point = copies.reshape(-1, *subject.env.dims).requires_grad_()
        z, log_det = model(point)
        flat = z.flatten(1)
        each = size if draw < MODERATE else 1
        value, error = found.value[draw], found.error[draw]
        verdict.compare("value", where, (flat[::each] - value).detach().abs(), 32 * error + 1e-300)
        outputs = flat.shape[1]
        if draw < MODERATE and outputs == size:
            rows = flat.reshape(POINTS, size, size).diagonal(dim1=1, dim2=2).sum()
            jacobian = torch.autograd.grad(rows, point)[0].reshape(POINTS, size, size)
            mine = found.jacobian[draw]
            scale = mine.abs().amax((1, 2))
            allowed = (1e-8 + 100 * found.rough[draw]) * scale + 1e-13 * found.gain[draw] + 1e-300
            allowed = allowed.reshape(-1, 1, 1)
            verdict.compare("jacobian", where, (jacobian - mine).abs(), allowed)
            if isinstance(subject.definition, ir.Layer):
                self._structure(jacobian, where)
        if log_det is not None:
            self._log_det(log_det.detach()[::each], found, draw, where, truncation(model))

    def _structure(self, jacobian: Tensor, where: str) -> None:
        used = self.subject.uses[0]
        proof = layer_proof(used)
        weights = Weights(used.layer, used.env, self.raw, used.prefix)
        if proof.jacobian.off not in ("<dense>",):
            allowed = torch.eye(jacobian.shape[-1], dtype=torch.bool)
            if used.layer.split is not None:
                own = part_of_each(used.layer.split, used.env)
                names = used.layer.split.parts
                seen = [(*part.reads, *([part.name] if _mixes(part) else [])) for part in proof.parts]
                read = [{names.index(name) for name in part} for part in seen]
                allowed = allowed | torch.tensor([[q in read[p] for q in own] for p in own])
            elif proof.jacobian.off != "<diagonal>":
                later = _later(weights, proof)
                allowed = allowed | (later if weights.direction(proof.jacobian.off) == "lower" else later.T)
            outside = (jacobian * ~allowed).abs().nan_to_num(0.0)
            self.verdict.compare("structure of the module", where, outside, torch.zeros_like(outside))

    def _log_det(self, log_det: Tensor, found: Field, draw: int, where: str, missed: float) -> None:
        mine = found.jacobian[draw]
        good = torch.isfinite(mine).all(-1).all(-1) & torch.isfinite(found.rough[draw])
        good = good & torch.isfinite(found.error[draw]).all(-1)
        if draw >= MODERATE or mine.shape[-1] != mine.shape[-2] or not bool(good.any()):
            return
        spread = torch.linalg.svdvals(mine.nan_to_num(0.0))
        condition = spread[:, 0] / spread[:, -1]
        exact = torch.linalg.slogdet(mine.nan_to_num(0.0)).logabsdet
        allowed = missed + 1e-9 * (1 + exact.abs()) + (1e-14 + found.rough[draw]) * 10 * mine.shape[-1] * condition
        good = good & (condition < 1e10) & (spread[:, -1] > 1e-250)  # slopes below underflow
        # a slope that underflows stands as the least number, which a steep factor beside it makes large
        good = good & (tensors.LEAST * found.gain[draw] < 1e-12 * spread[:, -1])
        allowed = torch.where(good, allowed, torch.inf)
        self.verdict.compare("log_det", where, (log_det - exact).abs().nan_to_num(torch.inf), allowed)

    def _boxes(self, found: Field) -> None:
        bijection = self.subject.proof.bijection
        if bijection is None or bijection.codomain is None or bijection.codomain == REAL:
            return
        over = excess_of(bijection.codomain, found.value)
        where = f"values of {self.subject.definition.name} in {bijection.codomain}"
        self.verdict.compare("codomain", where, over.nan_to_num(-1.0), 4 * found.error + 1e-12)

    def certificate(self) -> None:
        """The kernel follows what the checker proved."""
        subject = self.subject
        if subject.proof.diagnostics:
            return
        data = json.loads(json.dumps(certificate(subject.core, subject.key, Prover(subject.core))))
        self.verdict.checks["certificate"] += 1
        try:
            recheck(data, data["statement"])
        except Disproved as refused:
            self.verdict.failures.append(Failure("certificate", subject.definition.name, str(refused)))

    # ------------------------------------------------------------ inverses

    def inverse(self, model: nn.Module) -> None:
        """There and back, and back from anywhere in the codomain."""
        subject = self.subject
        loader = Loader(subject.uses, model)
        draw = self.rng.choice((0, 1, 1))
        loader.load(self.raw, draw)
        bijection = subject.proof.bijection
        assert bijection is not None
        size = math.prod(subject.env.dims)
        where = f"{subject.definition.name} on {list(subject.env.dims)}, {KINDS[draw]} weights"
        x = inputs(1, size, self.made, bijection.domain).x[0, :POINTS].reshape(POINTS, *subject.env.dims)
        x = self._near(model, x)
        with torch.no_grad():
            z = model(x[:2])[0]
            if bijection.codomain is not None:
                z = torch.cat([z, self._aims(bijection.codomain, z)])
            self._back(model, z, bijection.domain, draw, where)

    def _aims(self, codomain: Interval, z: Tensor) -> Tensor:
        share = torch.rand(z.shape, generator=self.made, dtype=torch.float64)
        if codomain == REAL:
            return 8 * (share - 0.5)
        low, high = max(codomain.lo, -4.0), min(codomain.hi, 4.0)
        return low + (high - low) * (0.05 + 0.9 * share)

    def _back(self, model: nn.Module, z: Tensor, domain: Interval, draw: int, where: str) -> None:
        verdict = self.verdict
        if not bool(torch.isfinite(z).all()):
            return
        verdict.checks["inverse"] += len(z)
        inverse = cast("Callable[[Tensor], tuple[Tensor, Tensor | None]]", model.inverse)
        try:
            self._there(model, z, *inverse(z), domain, draw, where)
            return
        except (RuntimeError, ValueError) as error:
            if not _honest(error):
                raise
        for goal in z.split(1):
            try:
                self._there(model, goal, *inverse(goal), domain, draw, where)
            except (RuntimeError, ValueError) as error:
                if not _honest(error):
                    raise
                verdict.checks["inverse missed"] += 1
                verdict.notes.append(f"missed: {where}: {error}")

    def _there(
        self, model: nn.Module, z: Tensor, x: Tensor, log_det: Tensor | None, domain: Interval, draw: int, where: str
    ) -> None:
        """Whether what the inverse returned leads back, by the meaning of the program."""
        verdict, subject = self.verdict, self.subject
        raw = {k: v[draw : draw + 1] for k, v in self.raw.items()}
        point = variable(x.flatten(1).unsqueeze(0), len(x))
        back = run_flow(subject.core, subject.definition, subject.env, raw, point, missed=1e-11)
        off = (back.value[0] - z.flatten(1)).abs()
        allowed = 32 * back.error[0]
        verdict.compare("residual of the inverse", where, off.nan_to_num(torch.inf), allowed)
        verdict.compare("domain", where, excess_of(domain, x.flatten(1)), 1e-9 * (1 + x.flatten(1).abs()))
        if log_det is not None:
            forward = model(x)[1]
            slack = 1e-6 * (1 + log_det.abs()) + 100 * math.prod(subject.env.dims) * back.rough[0]
            slack = torch.where(torch.isfinite(forward), slack, torch.inf)  # x rounded to an end of its box
            verdict.compare("log_det of both directions", where, (forward + log_det).abs(), slack)

    def density(self, model: nn.Module) -> None:
        """Moderate weights and inputs: the prior is the one that the program names."""
        subject, draw = self.subject, self.rng.choice((0, 1))
        Loader(subject.uses, model).load(self.raw, draw)
        bijection = subject.proof.bijection
        domain = REAL if bijection is None else bijection.domain
        x = inputs(1, math.prod(subject.env.dims), self.made, domain).x[0, :2].reshape(2, *subject.env.dims)
        density(subject, model, {k: v[draw] for k, v in self.raw.items()}, x, self.verdict.compare)

    def solvers(self, model: nn.Module) -> None:
        """Each continuous flow by itself: estimates, gradients, and that its field is Lipschitz."""
        solvers_hold(self.subject, model, self.raw, self.rng.choice((0, 1, 2)), self.made, self.verdict.compare)

    def fail(self, check: str, where: str, shown: str) -> None:
        """Note a failure that is no comparison."""
        self.verdict.failures.append(Failure(check, where, shown))

    # ------------------------------------------------------------ other precisions

    def narrow(self, model: nn.Module) -> None:
        """float32: constraints hold exactly, values agree with float64 as far as rounding allows."""
        subject, loader = self.subject, Loader(self.subject.uses, model)
        wide = {k: v[:1].float().double() for k, v in self.raw.items()}
        loader.load(wide, 0)
        bijection = subject.proof.bijection
        domain = REAL if bijection is None else bijection.domain
        given = inputs(1, math.prod(subject.env.dims), self.made, domain)
        x = self._near(model, given.x[:, :2]).float().double()
        with tensors.single_precision():
            found = run_flow(subject.core, subject.definition, subject.env, wide, variable(x, 0))
        z = model(x[0].float().reshape(2, *subject.env.dims))[0].detach().double().flatten(1)
        where = f"{subject.definition.name} on {list(subject.env.dims)}, float32"
        allowed = 32 * found.error[0]
        allowed = torch.where(torch.isfinite(z), allowed, torch.inf)  # exp of a large number is infinite there
        self.verdict.compare("value in float32", where, (z - found.value[0]).abs(), allowed)

    @torch.no_grad()
    def ends(self, model: nn.Module, dtype: torch.dtype) -> None:
        """Weights at the ends of a dtype: every parametrisation is total, and its set is kept exactly."""
        subject = self.subject
        loader = Loader(subject.uses, model)
        for key, tensor in loader.places:
            if key.endswith(("_sign", "_order")):
                continue
            drawn = end_draw(tensor.shape, dtype, self.made)
            tensor.copy_(drawn.abs() if key.endswith("_var") else drawn)
        for used, module in zip(subject.uses, layers_of(model), strict=True):
            weights = Weights(used.layer, used.env, self.raw, used.prefix)
            for param in used.layer.params:
                if isinstance(param.kind, ir.Normalize | ir.Perm | ir.NetParam | ir.LayerParam):
                    continue
                if param.factored:  # a product may overflow, its factors may not
                    place = cast("tuple[str, ...]", module.names).index(param.name)
                    got = cast("Callable[[], tuple[Tensor, ...]]", module.effective_weights)()[place].double()
                    if ranked(param):
                        got = got[1]
                    elif isinstance(param.kind, ir.Conv):
                        row, column = weights.anchor(param.kind)
                        got = got[..., row, column]
                else:
                    got = cast("Callable[[str], Tensor]", module.effective)(param.name).double()
                where = f"{param.name} of {used.layer.name}, {dtype}"
                self.verdict.checks["ends"] += 1
                if not bool(torch.isfinite(got).all()):
                    self.verdict.failures.append(Failure("total", where, "an effective weight is not finite"))
                if param.bound is None:
                    continue
                if param.limited:  # no entry of the map is larger than the norm
                    entries, rounding = got, 0.0
                    if isinstance(param.kind, ir.Conv) and param.kind.circular:  # taps that meet may cancel
                        entries = weights.expanded(param, got.reshape(-1, *got.shape[-4:]))
                        rounding = 1e-14 * float(got.abs().max())
                    if bool((entries.abs() > weights.limits(param.bound)[0] + rounding).any()):
                        self.verdict.failures.append(
                            Failure("constraint", where, "an effective weight is above its limit")
                        )
                    continue
                match param.kind:
                    case ir.Conv() if param.bound.via == "dominant":  # orthogonal: zeros on its diagonal say nothing
                        got = torch.linalg.svdvals(got)
                    case ir.Conv() if param.factored:
                        got = got.diagonal(dim1=-2, dim2=-1)
                    case ir.Conv() as conv:
                        row, column = weights.anchor(conv)
                        got = got[..., row, column].diagonal(dim1=-2, dim2=-1)
                    case ir.Dense():
                        got = got.diagonal(dim1=-2, dim2=-1)
                    case _:
                        pass
                signed = param.bound.cmp == "!= 0" or param.bound.via == "householder"
                kept = got.abs() if signed else got
                interval = param.bound.interval
                low = kept <= interval.lo if interval.lo_open else kept < interval.lo
                if param.bound.via == "raw":  # nothing keeps it; the module tests it before an inverse
                    low = low & False
                if bool((low | (kept > interval.hi)).any()):
                    shown = f"{float(kept.min()):.9g} .. {float(kept.max()):.9g} is not in {interval}"
                    self.verdict.failures.append(Failure("constraint", where, shown))

    # ------------------------------------------------------------ the reference interpreter

    def reference(self) -> None:
        """The tensor meaning against the interpreter, at one input."""
        subject = self.subject
        if math.prod(subject.env.dims) > 12:
            return
        draw = self.rng.randrange(MODERATE)
        bijection = subject.proof.bijection
        domain = REAL if bijection is None else bijection.domain
        x = inputs(1, math.prod(subject.env.dims), self.made, domain).x[:, :1]
        raw = {k: v[draw : draw + 1] for k, v in self.raw.items()}
        with solved.equal_steps(INTERPRETED):
            mine = run_flow(subject.core, subject.definition, subject.env, raw, variable(x, 1))
        if not bool(torch.isfinite(mine.error).all()):
            return  # it left a domain by rounding, which the interpreter does not evaluate
        plain = {k: v.flatten().tolist() for k, v in raw.items()}
        try:
            other = interpret.evaluate_flow(
                subject.core,
                subject.key,
                x.flatten().tolist(),
                subject.env.dims,
                subject.args,
                plain,
                given=subject.env.given,
            )
        except ValueError as error:
            if "is defined on" not in str(error):
                raise
            return  # what is positive became 0 by rounding; the interpreter does not go on from there
        where = f"{subject.definition.name} on {list(subject.env.dims)}, {KINDS[draw]} weights"
        value = torch.tensor(other.value, dtype=torch.float64)
        self.verdict.compare("interpreter", where, (mine.value[0, 0] - value).abs(), 32 * mine.error[0, 0] + 1e-300)
        jacobian = torch.tensor(other.jacobian, dtype=torch.float64)
        allowed = (1e-8 + 100 * mine.rough) * mine.jacobian[0, 0].abs().max() + 1e-13 * mine.gain + 1e-300
        self.verdict.compare("interpreter's jacobian", where, (mine.jacobian[0, 0] - jacobian).abs(), allowed)


def _honest(error: Exception) -> bool:
    """Whether an inverse says that it missed its tolerance, or that padded channels did not come back as 0."""
    return type(error).__name__ == "InversionError" or "z is no image of any x" in str(error)


def _below(node: ir.Expr) -> Iterator[ir.Expr]:
    yield node
    match node:
        case (
            ir.Linear(arg=inner)
            | ir.Exponential(arg=inner)
            | ir.Cayley(branch=inner)
            | ir.Apply(arg=inner)
            | ir.Neg(arg=inner)
            | ir.Sum(body=inner)
        ):
            yield from _below(inner)
        case ir.Binary(left=left, right=right):
            yield from _below(left)
            yield from _below(right)
        case _:
            pass


def examine(subject: Subject, seed: str) -> Verdict:
    """Every oracle on one subject; the same for the same seed."""
    rng = Random(seed)
    made = torch.Generator().manual_seed(rng.getrandbits(48))
    verdict = Verdict()
    trial = _Trial(subject, rng, made, verdict)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.getrandbits(48))
        model = None if subject.model is None else build(subject, torch.float64)
        if model is not None:
            ready(subject, model, rng, made, verdict.compare, trial.fail)
        trial.raw = raw_draws(subject, model, made)
        if rng.random() < 0.2:
            trial.certificate()
        seen: set[str] = set()
        for used in subject.uses:
            env = used.env
            mark = f"{used.layer.name} {env.dims} {env.sizes} {env.directions} {env.acts} {env.orders} {env.numbers}"
            if mark not in seen:
                seen.add(mark)
                trial.layer(used)
        if model is not None:
            trial.module(model)
            trial.density(model)
            if subject.proof.bijection is not None:
                trial.inverse(model)
            if continuous(model):
                trial.solvers(model)
            if rng.random() < 0.3:
                trial.reference()
            trial.ends(model, torch.float64)
            if rng.random() < 0.5:
                small = build(subject, torch.float32)
                trial.narrow(small)
                trial.ends(small, torch.float32)
    return verdict


def _later(weights: Weights, proof: LayerProof) -> Tensor:
    """Which places come after which, in the order in which the proof says that the Jacobian is triangular."""
    later = weights.later(proof.order if proof.working.found else None)
    split = proof.layer.split
    if split is None:
        return later
    # what happens inside of a part is not followed: its places count as before and after each other
    own = part_of_each(split, weights.env)
    inside = [[p == q and _mixes(proof.parts[p]) for q in own] for p in own] if proof.parts else []
    return later | torch.tensor(inside) if inside else later


def _mixes(part: Part) -> bool:
    """Whether entries of a part read others of it."""
    return part.jacobian.off != NONE
