"""The step `ode NET by dopri5(until = 1, tol = 1e-5) log_det exact`: its field, its solver, how the trace is made."""

from __future__ import annotations

from math import isfinite

from mintdsl.core import ir
from mintdsl.core.flow_moves import Made
from mintdsl.core.flow_uses import Resolve
from mintdsl.core.net_params import ode_field
from mintdsl.core.option_values import bind_options
from mintdsl.core.options import nat
from mintdsl.core.scope import unknown
from mintdsl.core.solvers import SOLVERS, TRACES
from mintdsl.core.values import Values, not_yet
from mintdsl.diagnostics.model import Edit, Fix, Safety
from mintdsl.source import Span
from mintdsl.syntax import ast

PROBES = (nat("probes", 1),)


def ode(op: ast.Ode, step: ast.Step, shape: ir.Shape, resolve: Resolve, values: Values) -> Made | None:
    """A continuous flow; it keeps the shape."""
    solver, trace = _solver(op, step, values), _trace(op, step, values)
    field = ode_field(op.field, shape, values, resolve)
    if solver is None or trace is None or field is None:
        return None
    return ir.Ode(field, *solver, trace or None), shape


def _solver(op: ast.Ode, step: ast.Step, values: Values) -> tuple[str, float, float] | None:
    """The method, the end of the time, and the tolerance; without `by` the first of the registry."""
    name = next(iter(SOLVERS)) if op.by is None else op.by.name.id
    if op.by is not None and name not in SOLVERS:
        unknown(op.by.name, SOLVERS, values.bag, "the solvers", code="E0209", what="solver")
        return None
    given, span = ((), step.span) if op.by is None else (op.by.args, op.by.span)
    options = bind_options(given, SOLVERS[name].options, f"`{name}`", span, values)
    if options is None:
        return None
    until, tol = options["until"], options["tol"]
    if not isinstance(until, float) or not isinstance(tol, float):
        not_yet(values.bag, span, "a formal as end time or tolerance of a solver")
        return None
    if not isfinite(until) or not tol < 1:
        title = f"`{name}(until = {until:g}, tol = {tol:g})`: the time is finite, the tolerance below 1"
        values.bag.error("E0209", span, title, "out of range")
        return None
    return name, until, tol


def _trace(op: ast.Ode, step: ast.Step, values: Values) -> int | None:
    """The number of draws for the trace, 0 where it is exact; None where something was reported."""
    bag, written = values.bag, op.log_det
    if written is None:
        end = Span(step.span.file, step.span.end, step.span.end)
        bag.error(
            "E0611",
            step.span,
            "an `ode` has to say how its log-det is computed",
            "no `log_det` here",
            notes=(
                "the log-det is the integral of the trace of the field's Jacobian: `exact` takes as many products with "
                "that Jacobian at each time as there are elements, `hutchinson(probes = n)` takes n and is an "
                "unbiased estimate",
            ),
            fixes=(Fix("write `log_det exact` behind it", (Edit(end, " log_det exact"),), Safety.UNSAFE),),
        )
        return None
    word = written.name
    if word.id not in TRACES:
        what = "the kinds of log-dets of an `ode`"
        unknown(word, TRACES, bag, what, code="E0209", what="kind of log-det")
        return None
    options = () if word.id == "exact" else PROBES
    bound = bind_options(written.args, options, f"`log_det {word.id}`", written.span, values)
    if bound is None:
        return None
    probes = bound.get("probes", 0)
    assert isinstance(probes, int)
    if word.id != "exact" and not 1 <= probes <= 4096:
        bag.error("E0209", written.span, f"`hutchinson(probes = {probes})`: from 1 to 4096 draws", "number of draws")
        return None
    return probes
