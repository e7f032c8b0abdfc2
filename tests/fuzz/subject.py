"""A program under test: what the checker says of it, its generated module, and the sizes at which it is tried."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

import mintdsl
from mintdsl.codegen.naming import class_name
from mintdsl.core import ir
from mintdsl.core.interpret_env import Argument, BoundAct, Env, Given, any_context, bind
from mintdsl.driver import Report, SpecError
from mintdsl.proof.check import LayerProof
from mintdsl.proof.prover import Proof, Prover
from mintdsl.proof.rules.series import rest
from mintdsl.runtime.stand_in import stand_ins

from .draft import SHAPES
from .meaning import Used, uses

HELPERS = "# ---- helpers"
MOST = 16


class Refused(Exception):
    """The program is not accepted; `code` is the first error's."""

    def __init__(self, code: str, report: Report | None = None) -> None:
        super().__init__(code)
        self.code, self.report = code, report


@dataclass(frozen=True)
class Subject:
    """An accepted program. `model` is None where nothing invertible is proved, so that there is no module."""

    text: str
    program: mintdsl.driver.Program
    core: ir.Program
    key: str
    report: Report
    proof: Proof
    env: Env
    args: Mapping[str, Argument]
    uses: tuple[Used, ...]
    model: type[nn.Module] | None

    @property
    def definition(self) -> ir.Definition:
        """The last definition of the program."""
        return self.core.definitions[self.key]


def subject_of(text: str, rng: Random) -> Subject:
    """Check a program, generate its module and choose sizes. Refused if it is not accepted."""
    program = mintdsl.loads(text)
    report = program.check()
    if not report.ok:
        raise Refused(next(d.code for d in report.diagnostics if d.severity.name == "ERROR"), report)
    core, _ = program.core()
    if not core.main:
        raise Refused("empty", report)
    key = core.main[-1]
    definition = core.definitions[key]
    prover = Prover(core)
    bindings = prover.defaults(key)
    if bindings is None:
        raise Refused("open", report)  # proved where it is used, and it is not used
    proof = prover.prove(key, bindings)
    try:
        source = program.generate()
    except SpecError as error:
        source = ""
        if proof.bijection is not None:
            raise Refused(error.diagnostics[-1].code, report) from None
    env, args = sizes(core, definition, rng)
    found = tuple(uses(core, definition, env))
    model = loaded(source, class_name(key.rpartition("::")[2])) if source else None
    return Subject(text, program, core, key, report, proof, env, args, found, model)


def sizes(core: ir.Program, definition: ir.Definition, rng: Random) -> tuple[Env, dict[str, Argument]]:
    """A small shape and values of the formals without one. Refused where no small shape fits."""
    args: dict[str, Argument] = {}
    for formal in definition.formals:
        if formal.type == "Dir" and (formal.default is None or rng.random() < 0.5):
            args[formal.name] = rng.choice(("lower", "upper"))
        if formal.type == "Nat" and formal.default is None:
            args[formal.name] = rng.choice((1, 2, 3))
    fixed = [d.constant for d in definition.shape.dims]
    if fixed and None not in fixed:
        shapes = [tuple(c for c in fixed if c is not None)]
    else:
        kind = definition.shape.kind if definition.shape.kind in SHAPES else rng.choice(list(SHAPES))
        shapes = rng.sample(SHAPES[kind], len(SHAPES[kind]))
    for shape in shapes:
        try:
            given = any_context(definition, shape, args)
            if given is not None:
                given = given._replace(values=tuple(rng.gauss(0, 1.5) for _ in given.values))
            env = bind(definition, shape, args, given=given)
            found = uses(core, definition, env)
            for used in found:
                if used.layer.split is not None:  # its parts have to be equal
                    [used.env.shape(part) for part in used.layer.split.shapes]
        except ValueError:
            continue
        if max([math.prod(env.dims), *(math.prod(u.env.dims) for u in found)]) <= 2 * MOST:
            return env, args
    raise Refused("large")


def bindings_of(used: Used) -> dict[str, ir.Argument]:
    """The values of a used layer's formals on which its proof depends."""
    acts = {name: _closed(bound) for name, bound in used.env.acts.items()}
    return {**used.env.numbers, **used.env.orders, **acts}


def _closed(bound: BoundAct) -> ir.Act:
    act, env = bound
    return _closed(env.acts[act.name]) if isinstance(act, ir.FormalAct) else act


def layer_proof(used: Used, layer: ir.Layer | None = None) -> LayerProof:
    """What is proved of a layer as it is used here."""
    return Prover(used.program).check(used.layer if layer is None else layer, bindings_of(used))


# ---------------------------------------------------------------- modules


@lru_cache(maxsize=256)
def _code(text: str) -> types.CodeType:
    return compile(text, "<helpers>", "exec", dont_inherit=True, flags=_annotations())


def _annotations() -> int:
    import __future__

    return __future__.annotations.compiler_flag


def loaded(source: str, name: str) -> type[nn.Module]:
    """The class of a generated module: its text, run piece by piece, so that helpers are compiled once for all."""
    head, _, helpers = source.partition(HELPERS)
    module = types.ModuleType("generated")
    space = module.__dict__
    start = head.index("\n\n\n")  # docstring and imports
    exec(_code(head[:start]), space)
    for piece in helpers.partition("\n")[2].split("\n\n\n"):
        exec(_code(piece), space)
    exec(compile(head[start:], "<generated>", "exec", dont_inherit=True, flags=_annotations()), space)
    found = space[name]
    assert isinstance(found, type) and issubclass(found, nn.Module)
    return found


def build(subject: Subject, dtype: torch.dtype) -> nn.Module:
    """An instance of the model with its initial weights, in evaluation mode."""
    assert subject.model is not None
    definition = subject.definition
    concrete = definition.shape.dims and all(d.constant is not None for d in definition.shape.dims)
    where = () if concrete else (subject.env.dims,)
    made = {**subject.args, **stand_ins(subject.model)}
    if subject.env.given is not None and "context_shape" in inspect.signature(subject.model.__init__).parameters:
        made["context_shape"] = subject.env.given.dims
    model = subject.model(*where, **made, dtype=dtype).eval()
    if subject.env.given is not None:
        condition(model, subject.env.given)
    for layer in estimated(model):  # the truncated series with exact traces: nothing is random
        layer.log_det = layer.log_det._replace(keep=0.0, probes=0)
    for step in continuous(model):  # exact traces, and gradients of the steps of the solver
        step.probes, step.adjoint = 0, False
    return model


def continuous(model: nn.Module) -> list[Any]:
    """The continuous flows of a model."""
    return [m for m in model.modules() if type(m).__name__ == "OdeStep"]


def estimated(model: nn.Module) -> list[Any]:
    """The layers of a model whose log-det is estimated."""
    return [m for m in model.modules() if isinstance(getattr(m, "log_det", None), tuple)]


def truncation(model: nn.Module) -> float:
    """What truncated series may miss of the log-det of a model."""
    return sum(math.prod(m.event_shape) * rest(m.contraction, m.log_det.terms) for m in estimated(model))


def condition(model: nn.Module, given: Given) -> None:
    """Every module of a model that takes a context gets this one where its caller gives none."""
    context = torch.tensor(given.values, dtype=torch.float64).reshape(given.dims)
    for module in model.modules():
        if getattr(module, "context_shape", None) is not None:
            cls = type(module)
            own = {n: _with(getattr(cls, n), context) for n in CONDITIONAL if hasattr(cls, n)}
            module.__class__ = type(cls.__name__, (cls,), own)  # a copy of the module keeps its class


CONDITIONAL = ("forward", "inverse", "jacobian_diagonal", "log_prob", "initialize")


def _with(method: Callable[..., object], given: Tensor) -> Callable[..., object]:
    def call(self: nn.Module, x: Tensor, context: Tensor | None = None, **options: object) -> object:
        return method(self, x, given.to(x.dtype) if context is None else context, **options)

    return call


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The layers of a model, in the order of `uses`."""
    return [m for m in model.modules() if hasattr(m, "set_effective")]
