"""`mint prove --support`: what each output can see, in words and a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod

from mintdsl.core import ir
from mintdsl.core.counts import Sizes
from mintdsl.core.nat import Nat
from mintdsl.diagnostics.render import printable
from mintdsl.proof.stages import Apply, Network, Pair, centre, flat, network, pairs, place
from mintdsl.proof.support import Growth, Support, growth, support
from mintdsl.tools.show import Terminal, located, wrap

MOST_ROWS = 12
HEAD = ("pairs", "centre sees", "worst output sees", "with blind spots")


def support_text(program: ir.Program, keys: Sequence[str], sizes: Mapping[str, int], at: Terminal) -> list[str]:
    """The section on support for the definitions `keys`."""
    title = "Support: what each output can see through the masks, over all weights"
    lines = [*(at.style("bold", part) for part in wrap(title, at.width)), ""]
    for key in keys:
        definition = program.definitions[key]
        kind = "layer" if isinstance(definition, ir.Layer) else "flow"
        lines.append(f"  {kind} {printable(definition.name)} on {located(definition)}")
        try:
            net = network(program, key, known_sizes(definition, sizes), of_formals(definition, sizes))
            said = [*_whole(support(net)), *_pairs(net, at)]
        except ValueError as problem:
            said = wrap(f"not computed: {problem}", at.width - 4)
        lines += [f"    {line}".rstrip() for line in said] + [""]
    return lines


def known_sizes(definition: ir.Definition, sizes: Mapping[str, int]) -> Sizes:
    """The sizes of a definition's shape. ValueError when they are not numbers."""
    values = of_formals(definition, sizes)
    dims = definition.shape.dims
    if not dims or any(not d.symbols <= set(values) for d in dims):
        raise ValueError(f"`{definition.shape}` leaves sizes open; ask for a flow on a shape of numbers that uses it")
    ratios = [d.evaluate(values) for d in dims]
    if any(r.bottom != 1 or r.top < 1 for r in ratios):
        raise ValueError(f"the sizes of `{definition.shape}` are not whole")
    return tuple(r.top for r in ratios)


def of_formals(definition: ir.Definition, sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes given, and the defaults of the others."""
    values = {name: size for name, size in sizes.items() if any(f.name == name for f in definition.formals)}
    for formal in definition.formals:
        if isinstance(formal.default, Nat) and formal.default.constant is not None:
            values.setdefault(formal.name, formal.default.constant)
    return values


def index(text: str, dims: Sizes) -> int:
    """The output that `c,h,w` names. ValueError for one that does not exist."""
    if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", text):
        raise ValueError(f"--support {text[:60]}: give an output such as {','.join('0' for _ in dims)}, or centre")
    where = tuple(int(part) for part in text.split(","))
    if len(where) != len(dims) or any(a >= n for a, n in zip(where, dims, strict=True)):
        last = ",".join(str(n - 1) for n in dims)
        raise ValueError(f"--support {text}: outputs go from {','.join('0' for _ in dims)} to {last}")
    return flat(where, dims)


def spot(output: int, dims: Sizes) -> str:
    """`(0, 14, 14)`"""
    return f"({', '.join(map(str, place(output, dims)))})"


# ---------------------------------------------------------------- words


def _whole(found: Support) -> list[str]:
    """What the outputs of a whole definition see."""
    inputs, outputs = prod(found.inputs), prod(found.outputs)
    watched = f"{len(found.watched)} sampled outputs" if found.sampled else f"{outputs:,} outputs"
    lines = []
    if found.sampled:
        lines.append(f"sampled: {len(found.watched)} of {outputs:,} outputs, first, middle and last along each axis")
    if not found.blind:
        return [*lines, f"each of {watched} sees each of {inputs:,} inputs"]
    middle, worst = centre(found.outputs), worst_of(found)
    best = max(zip(found.counts, found.watched, strict=True), key=lambda pair: (pair[0], -pair[1]))
    return [
        *lines,
        f"{len(found.blind):,} of {watched} have blind spots among the {inputs:,} inputs",
        f"the centre {spot(middle, found.outputs)} sees {found.count(middle):,}",
        f"the worst, such as {spot(worst, found.outputs)}, sees {found.count(worst):,}",
        f"the best, such as {spot(best[1], found.outputs)}, sees {best[0]:,}",
    ]


def worst_of(found: Support) -> int:
    """The first of the outputs that see fewest inputs."""
    return min(zip(found.counts, found.watched, strict=True))[1]


def _pairs(net: Network, at: Terminal) -> Iterator[str]:
    """For each pair of a definition, what copies of it see."""
    said: set[tuple[object, ...]] = set()
    for pair in pairs(net.stages):
        names = [_name(stage) for stage in pair.stages if isinstance(stage, Apply)]
        found = growth([pair], pair.dims)
        about = (pair.dims, tuple(names), tuple(s.counts for s in found.after))
        if about in said:
            continue
        said.add(about)
        yield ""
        shape = ", ".join(map(str, pair.dims))
        yield at.style("bold", f"copies of the pair {printable(' and '.join(names))} alone, on [{shape}]")
        yield from _table(found, pair, at)


def _name(stage: Apply) -> str:
    """`Mint(tri = upper)`"""
    directions = ", ".join(f"{name} = {word}" for name, word in stage.env.directions.items())
    named = ", ".join(filter(None, (directions, "direction = inverse" * stage.inverted)))
    return f"{stage.layer.name}({named})" if named else stage.layer.name


def _table(found: Growth, pair: Pair, at: Terminal) -> Iterator[str]:
    total, middle = prod(pair.dims), centre(pair.dims)
    rows = []
    for n in shown(found):
        one = found.after[n - 1]
        blind = f"{len(one.blind):,} of {len(one.watched):,}" if one.blind else "none"
        rows.append((f"{n}", f"{one.count(middle):,} of {total:,}", f"{min(one.counts):,} of {total:,}", blind))
    widths = [max(len(row[i]) for row in (HEAD, *rows)) for i in range(len(HEAD))]
    yield "  " + at.style("faint", "  ".join(f"{h:>{w}}" for h, w in zip(HEAD, widths, strict=True)))
    for row in rows:
        yield "  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
    yield from (f"  {part}" for part in wrap(conclusion(found, total, middle), at.width - 6))


def shown(found: Growth) -> list[int]:
    """The numbers of copies that a table lists: all, or ever fewer of many."""
    made = len(found.after)
    if made <= MOST_ROWS:
        return list(range(1, made + 1))
    return sorted({n for n in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96) if n < made} | {made})


def conclusion(found: Growth, total: int, middle: int) -> str:
    """`the centre sees all 784 inputs after 5 pairs, every output after 9`"""
    first = next((n for n, one in enumerate(found.after, 1) if one.count(middle) == total), None)
    made = len(found.after)
    some = "each sampled output" if found.after[0].sampled else "every output"
    head = f"the centre sees all {total:,} inputs after {_count(first)}" if first is not None else ""
    if found.enough is not None:
        return f"{head}, {some} after {found.enough}"
    head = f"{head}; " if head else ""
    if found.stuck:
        return f"{head}no number of pairs is enough: after {_count(made)} one more adds nothing"
    return f"{head}{_count(made)} are not enough; more were not tried"


def _count(n: int) -> str:
    return f"{n} pair{'s' * (n != 1)}"
