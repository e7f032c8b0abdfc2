"""The section "Numerical" of `mint prove`, and the same for `mint check --output json`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from mintdsl.core import ir
from mintdsl.diagnostics.render import printable
from mintdsl.proof.numerics import UNITS, Numerics, numerics
from mintdsl.proof.prover import Prover
from mintdsl.tools.proof_document import NUMERICAL, Numbers
from mintdsl.tools.show import Json, Terminal, located, wrap
from mintdsl.tools.support import of_formals

FORMULA = (
    "To first order in the unit of rounding u, x comes back within the sum over the steps of (P_k a_k + P_(k-1) b_k) "
    "u m: P_k is the product of the inverse bounds of the first k steps, step k is evaluated within a_k u m forth and "
    "b_k u m back, entry by entry, and m >= 1 is the largest term that occurs, products of sums multiplied out."
)


def of_definition(program: ir.Program, prover: Prover, key: str, sizes: Mapping[str, int]) -> Numerics | None:
    """What is known of a definition with its defaults; None where it is not proved one to one."""
    bindings = prover.defaults(key)
    if bindings is None or prover.prove(key, bindings).bijection is None:
        return None
    return numerics(prover, key, bindings, of_formals(program.definitions[key], sizes))


def numerics_of(
    program: ir.Program, prover: Prover, keys: Sequence[str], sizes: Mapping[str, int]
) -> tuple[tuple[Numbers, ...], str]:
    """What is known of the definitions `keys`, and what the errors in it mean where there are some."""
    found, bounded = [], False
    for key in keys:
        known = of_definition(program, prover, key, sizes)
        if known is not None:
            definition = program.definitions[key]
            kind = "layer" if isinstance(definition, ir.Layer) else "flow"
            found.append(Numbers(f"{kind} {printable(definition.name)} on {located(definition)}", tuple(rows(known))))
            bounded |= 0 < known.rounding < math.inf
    return tuple(found), FORMULA if bounded else ""


def numerics_text(found: Sequence[Numbers], formula: str, at: Terminal) -> list[str]:
    """The section of the text of a proof."""
    lines = [*(at.style("bold", part) for part in wrap(NUMERICAL, at.width)), ""]
    for one in found:
        lines.append(f"  {one.title}")
        for name, text in one.rows:
            first, *rest = wrap(text, at.width - 17)
            lines += [f"    {name:<11}  {first}", *(" " * 17 + part for part in rest)]
        lines.append("")
    if formula:
        lines += [*(f"  {part}" for part in wrap(formula, at.width - 2)), ""]
    return lines


def rows(found: Numerics) -> Iterator[tuple[str, str]]:
    """What is said of each quantity."""
    on_data = math.isinf(found.lip) and math.isfinite(found.data)
    why = found.why_data or found.why_lip  # rather what also stands in the way on data
    if why and why == found.why_inverse:
        yield "no bound", f"neither of the map nor of its inverse: {why}"
        return
    if on_data:
        yield "the map", f"Lipschitz bound {found.data:.4g} on data in [0, 1]; none beyond: {found.why_lip}"
    else:
        yield "the map", _bound(found.lip, why)
    yield "the inverse", _bound(found.inverse, found.why_inverse)
    condition = found.data_condition if on_data else found.condition
    if math.isfinite(condition):
        yield "condition", f"at most {condition:.4g}" + (" on data in [0, 1]" if on_data else "")
    if math.isfinite(found.rounding) and found.steps:
        yield "round trip", round_trip(found)


def _bound(value: float, why: str) -> str:
    return f"Lipschitz bound {value:.4g}" if math.isfinite(value) else f"no bound: {why}"


def round_trip(found: Numerics) -> str:
    """The error of x after the map and its inverse."""
    if not found.rounding and not found.solved:
        return "exact: entries only move"
    parts = " and ".join(f"{found.round_trip(name):.2g} m in {name}" for name in UNITS)
    solves = f", plus {found.solved:.3g} times the tolerance of its solves, relative to 1 + |z|" if found.solved else ""
    steps = f"{found.steps} step{'s' * (found.steps != 1)}"
    return f"x comes back within {parts}, to first order, over {steps}{solves}"


def numerics_json(found: Numerics | None) -> dict[str, Json] | None:
    """The same as an object; null stands for no bound."""
    if found is None:
        return None

    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "lip": number(found.lip),
        "lip_on_unit": number(found.data),
        "lip_inverse": number(found.inverse),
        "condition": number(found.condition),
        "condition_on_unit": number(found.data_condition),
        "round_trip": {name: number(found.round_trip(name)) for name in UNITS},
        "round_trip_solves": number(found.solved),
        "steps": found.steps,
        "why_no_lip": found.why_lip or None,
        "why_no_lip_on_unit": found.why_data or None,
        "why_no_lip_inverse": found.why_inverse or None,
    }
