"""How the log-det of a layer may be computed at its use: `log_det series(terms = 10)` behind it in a flow."""

from __future__ import annotations

from math import isfinite

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.option_values import bind_options
from mintdsl.core.options import Option, nat, real
from mintdsl.core.scope import unknown
from mintdsl.core.values import Values, not_yet
from mintdsl.diagnostics.model import Fix
from mintdsl.records import record
from mintdsl.syntax import ast


@record
class LogDetWord:
    """A kind of log-det at a use, with its options; `ready` when this version can prove and generate it."""

    name: str
    summary: str
    options: tuple[Option, ...] = ()
    ready: bool = True


_PROBES = nat("probes", 1)
_ALL = (
    LogDetWord("exact", "the dense Jacobian, for at most 4096 elements"),
    LogDetWord(
        "series",
        "tr J - tr J^2 / 2 + ...: `terms` of them, or as many as `bits_per_dim <= e` asks for; traces by random probes,"
        " `probes = 0`: exact traces",
        (nat("terms"), _PROBES),
    ),
    LogDetWord(
        "roulette",
        "the whole series, unbiased: the `first` terms, and each further one with probability `keep`",
        (nat("first"), real("keep", 0.0, positive=True), _PROBES),
    ),
    LogDetWord("hutchinson", "the trace along an ode, by random probes", (_PROBES,), ready=False),
)
LOG_DET_WORDS: dict[str, LogDetWord] = {word.name: word for word in _ALL}
BITS = "bits_per_dim"
POISSON = ("law", "poisson", "mean", "rate")
"""How a Poisson number of terms is asked for elsewhere."""


def log_det_of(written: ast.Call | None, callee: ir.Definition | ir.Net | None, values: Values) -> ir.LogDet | None:
    """How the log-det is computed at a use, of the kind "" where it is not said; None where that was reported."""
    if written is None:
        return ir.SILENT
    name = written.name
    word = LOG_DET_WORDS.get(name.id)
    if word is None:
        known = [w.name for w in LOG_DET_WORDS.values() if w.ready]
        unknown(name, known, values.bag, "the kinds of log-dets at a use", code="E0209", what="kind of log-det")
        return None
    if not word.ready:
        not_yet(values.bag, written.span, f"`log_det {word.name}` at a use")
    if not word.options and written.args:
        values.bag.error("E0209", written.span, f"`log_det {word.name}` takes no arguments", "no arguments here")
        return None
    if isinstance(callee, ir.Flow):
        title = f"`log_det` stands behind a layer; `{callee.name}` is a flow"
        fix = Fix(f"write it behind the layers of `{callee.name}`")
        values.bag.error("E0209", written.span, title, "behind a flow here", fixes=(fix,))
        return None
    return _estimate(word, written, values) if word.options else ir.LogDet(word.name)


def _estimate(word: LogDetWord, written: ast.Call, values: Values) -> ir.LogDet | None:
    bounds = [arg for arg in written.args if word.name == "series" and arg.name is not None and arg.name.id == BITS]
    rest = tuple(arg for arg in written.args if arg not in bounds)
    options = tuple(o for o in word.options if not (bounds and o.name == "terms"))
    if word.name == "roulette" and not _geometric(rest, values):
        return None
    found = bind_options(rest, options, f"`{word.name}`", written.span, values)
    bits = _bits(bounds, values) if bounds else 0.0
    if found is None or bits is None:
        return None
    terms, probes, keep = found.get("terms", found.get("first", 0)), found["probes"], found.get("keep", 0.0)
    if isinstance(keep, str):
        not_yet(values.bag, written.span, "a `keep` that a formal gives")
    assert isinstance(terms, int) and isinstance(probes, int) and isinstance(keep, float)
    if keep >= 1:
        title = f"`keep` is a probability, and less than 1, not {keep:g}"
        values.bag.error("E0209", written.span, title, "it would never stop")
        return None
    if not bounds and not 1 <= terms <= limits.SERIES.most:
        least, most = 1, limits.SERIES.shown
        title = f"`{word.name}` takes from {least} to {most} terms, not {terms}"
        values.bag.error("E0305", written.span, title, f"from {least} to {most}")
        return None
    if probes > limits.PROBES.most:
        title = f"`{word.name}` takes at most {limits.PROBES.shown} probes, not {probes}"
        values.bag.error("E0305", written.span, title, "`probes = 0` takes exact traces")
        return None
    return ir.LogDet(word.name, terms, bits, keep, probes, written.span)


def _geometric(args: tuple[ast.Arg, ...], values: Values) -> bool:
    """Whether nobody asks for another law of the number of terms than the geometric one."""
    for arg in args:
        name = arg.name if arg.name is not None else arg.value if isinstance(arg.value, ast.Name) else None
        if name is not None and name.id in POISSON:
            values.bag.error(
                "E0612",
                arg.span,
                "the number of terms of `roulette` is geometric: with a Poisson one the variance is infinite",
                "another law",
                notes=("its tail falls faster than every power, so the terms that it weighs up have no second moment",),
                fixes=(Fix("say with which probability a further term is taken: `keep = q`, q > L^2"),),
            )
            return False
    return True


def _bits(bounds: list[ast.Arg], values: Values) -> float | None:
    """The most that the truncation may cost, in bits for each dimension."""
    if len(bounds) > 1:
        values.bag.error("E0204", bounds[1].span, f"option `{BITS}` is given twice", "given again here")
        return None
    (arg,) = bounds
    if arg.cmp != "<=":
        values.bag.error("E0209", arg.span, f"`{BITS}` is a bound: `{BITS} <= e`", "write `<=`")
        return None
    value = values.number(arg.value)
    if value is not None and not (value > 0 and isfinite(value)):
        values.bag.error("E0209", arg.span, f"the bound must be > 0, it is {value:g}", "not positive")
        return None
    return value
