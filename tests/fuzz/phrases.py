"""Pieces of text that several families write, taken from the registries: constraints, inits, activations, maps."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from mintdsl.core.activations import ACTIVATIONS, Activation
from mintdsl.core.constraints import CONSTRAINTS, Constraint
from mintdsl.core.inits import INITS
from mintdsl.core.interval import REAL, Interval

from .draft import Draft
from .registry import FLOOR, FREE, ONTO, WEAK

LOWEST = ("0.25", "0.5", "1", "0.9", "1e-3", "1e-12", "2")


def diagonal_kind(constraint: Constraint, signed: bool) -> str:
    """What a factor under this constraint keeps of an increasing map."""
    interval = constraint.interval(*(1.0, 2.0)[: constraint.bounds])
    if signed:
        return FREE
    return FLOOR if interval.lo > 0 else ONTO if interval.positive else WEAK


def diagonal_covers(kind: str) -> set[str]:
    """The constraints on `diag` that are of this kind."""
    return {
        f"constraint:{c.text}:{v.name}"
        for c in CONSTRAINTS
        if c.ready and c.quantity == "diag"
        for v in c.via
        if v.ready and diagonal_kind(c, v.signed) == kind
    }


def constraint(draft: Draft, kind: str, top: float | None = None) -> str:
    """A ` with diag ...` of this kind; `top` asks for an upper bound below it."""
    fit = [
        (c, v)
        for c in CONSTRAINTS
        if c.ready and c.quantity == "diag" and (top is None or c.bounds == 2)
        for v in c.via
        if v.ready and diagonal_kind(c, v.signed) == kind
    ]
    found, via = draft.rng.choice(fit)
    default = via is found.via[0] and draft.chance(0.5)
    how = "" if default else f" via {via.name}"
    match found.bounds:
        case 0:
            return f" with diag {found.cmp}{how}"
        case 1:
            return f" with diag {found.cmp} {draft.pick(LOWEST)}{how}"
        case _:
            low = draft.rng.choice((0.05, 0.25, 0.5))
            high = draft.rng.choice((0.75, 1.0, 2.0, 4.0)) if top is None else top
            return f" with diag >= {low}, diag <= {high}{how}"


def init(draft: Draft, is_map: bool) -> str:
    """Nothing, or an ` init ...` that fits."""
    if draft.chance(0.5):
        return ""
    names = [i for i in INITS.values() if i.ready and (is_map or not i.maps) and i.name != "from_data"]
    if not is_map:
        names = [i for i in names if i.name != "fan_in_uniform"]
    chosen = draft.rng.choice(names)
    options = [o for o in chosen.options if o.type == "real"]
    if options and draft.chance(0.5):
        return f" init {chosen.name}({options[0].name} = {draft.pick(('0.1', '0.5', '1.5'))})"
    formals = [f.split(":")[0].strip() for f in draft.formals if ": Init" in f]
    if formals and is_map and draft.chance(0.5):
        return f" init {formals[0]}"
    return f" init {chosen.name}"


# ---------------------------------------------------------------- activations


def acts(test: Callable[[Activation], bool]) -> list[Activation]:
    """The registered activations with some property, which is judged with the options' defaults."""
    return [a for a in ACTIVATIONS.values() if test(a)]


def slope(act: Activation) -> Interval:
    """The slope of an activation at the defaults of its options."""
    return act.slope_bounds(tuple(float(str(o.default)) for o in act.options))


def increasing(act: Activation) -> bool:
    """Increasing on all of R."""
    return slope(act).nonnegative and act.domain == REAL


def strictly(act: Activation) -> bool:
    """Strictly increasing on all of R."""
    return slope(act).positive and act.domain == REAL


def steep(act: Activation) -> bool:
    """With a slope that is bounded from below."""
    return slope(act).lo > 0 and act.domain == REAL


def folded(act: Activation) -> bool:
    """Neither increasing nor decreasing, with a bounded slope."""
    return slope(act).lo < 0 < slope(act).hi and act.domain == REAL


def positive(act: Activation) -> bool:
    """With values > 0 only."""
    return act.image.positive and act.domain == REAL


def inverse_pairs() -> list[tuple[Activation, Activation]]:
    """(inner, outer): the image of `inner` is the domain of `outer`, which ends in R."""
    outer = acts(lambda a: a.domain != REAL and a.image == REAL)
    return [(i, o) for o in outer for i in acts(strictly) if i.image == o.domain]


def called(draft: Draft, act: Activation, argument: str) -> str:
    """`act(argument)`, with options now and then; a Real formal may be one."""
    options = ""
    reals = [f.split(":")[0].strip() for f in draft.formals if ": Real" in f]
    for _ in act.options:
        if reals and draft.chance(0.6):
            options += f", {reals[0]}"
        elif draft.chance(0.6):
            options += f", {draft.pick(('0.1', '0.5', '2', '1', '0.01'))}"
    return f"{act.name}({argument}{options})"


# ---------------------------------------------------------------- maps

ODD = ((3, 3), (3, 3), (1, 1), (1, 3), (3, 1))
EVEN = ((2, 2), (2, 3), (3, 2), (1, 2), (2, 1))
CORNERS = ("bottom_right", "bottom_left", "top_right", "top_left")


def spaced(rng: Random) -> str:
    """Now and then a dilation, as a further option."""
    return rng.choice(("", "", "", ", dilation = 2", ", dilation = (1, 2)", ", dilation = (3, 1)"))


def any_tap(rng: Random, rows: int, columns: int) -> str:
    """An anchor by its row and column."""
    return f"({rng.randrange(rows)}, {rng.randrange(columns)})"


def map_kind(draft: Draft, *, strict: bool = False, dense: bool = False) -> str:
    """`conv 3x3 lower (anchor = corner)` or `linear lower`: a map that acts on the layer's shape."""
    direction = draft.direction
    if draft.chance(draft.sketch.risk / 2):
        direction = draft.pick(("lower", "upper"))
    words = "" if dense else (" strict" if strict else "") + f" {direction}"
    if draft.space == "Vec":
        return f"linear{words}"
    if draft.chance(0.6):
        rows, columns = draft.rng.choice(ODD)
        anchors = ["centre", "centre", "centre", *CORNERS]
    else:
        rows, columns = draft.rng.choice(EVEN)
        anchors = list(CORNERS)
    anchors += [any_tap(draft.rng, rows, columns)] * 2
    if not dense:
        anchors += ["corner", "corner"]
    anchor = draft.pick(anchors)
    apart = spaced(draft.rng)
    options = "" if anchor == "centre" and not apart and draft.chance(0.7) else f" (anchor = {anchor}{apart})"
    return f"conv {rows}x{columns}{words}{options}"
