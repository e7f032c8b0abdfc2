"""A layer that splits its variable as a class: the parts' own maps as chains of links, undone from their ends.

`terms_b` computes what the map of the part b takes from the other parts, and the logarithm of its scale; forward and
inverse apply and undo the links with these terms, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from graphlib import TopologicalSorter

from mintdsl.codegen import shapes
from mintdsl.codegen.chain import applied_lines
from mintdsl.codegen.context import LayerContext, is_kernel
from mintdsl.codegen.lower.code import moved
from mintdsl.codegen.terms import SCALES, Chain, applied, coupling_parts, in_short, log_of, undone, write_terms
from mintdsl.core import ir
from mintdsl.core.bijections import BIJECTIONS

INVERSE = (
    "self",
    "z: Tensor",
    "context: Tensor | None = None",
    "*",
    "tol: float | None = None",
    "max_iter: int | None = None",
    "fixed: tuple[int, float] | None = None",
)


def write_inverse(c: LayerContext, how: str, start: str = "") -> None:
    """`inverse` of a layer that is not split: in closed form, or by the solver, of which `how` and `start` say more."""
    write = c.write
    write.call("def inverse", INVERSE, " -> tuple[Tensor, Tensor]:")
    with write.indented():
        if c.affine:
            write('"""x with f(x) = z, in closed form (affine in each element alone), and log |det dx/dz|."""')
        else:
            write('"""x with f(x) = z and log |det dx/dz|.')
            write()
            write(f"{how} The residual")
            write("max |f(x) - z| / (1 + |z|) of each sample is tested against `tol`: InversionError if it is missed.")
            write("fixed = (steps, divisor): that many damped steps as the authors of MintNet take them, untested.")
            write('"""')
        c.write_no_context()
        if c.statistics:
            write("frozen_statistics(self)  # rule BN: the proof is of evaluation mode")
        if c.assuming:
            write("check_assumptions(self)  # what the proof assumes of stored numbers")
        if c.names.extern:
            write("one_function(self)")
        if c.from_data is not None:
            write("check_initialized(self)")
        c.write_batch("z")
        passed, named = (", context", ", context=context") if c.given is not None else ("", "")
        if c.affine:
            write(f"x, log_det = invert_affine(self, z{passed})")
        else:
            with write.block("if fixed is not None:"):
                write(f"x, log_det = fixed_inverse(self, z, *fixed{named})")
            with write.block("else:"):
                write(f"x, log_det = invert_layer(self, z, tol, max_iter, sign={c.sign}{named}{start})")
        write("return unflatten_batch(x, lead), unflatten_batch(log_det, lead)")


def write_coupling(c: LayerContext) -> None:
    """forward, inverse, and the terms of each part."""
    chains = coupling_parts(c)
    _forward(c, chains)
    c.write()
    _inverse(c, chains)
    for chain in chains:
        if chain.terms:
            c.write()
            write_terms(c, chain)


def _forward(c: LayerContext, chains: Sequence[Chain]) -> None:
    write = c.write
    with write.block("def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:"):
        write(f'"""f(x) and log |det df/dx|; x [*, *event_shape]{c.shown_context}, log_det [*]."""')
        c.write_no_context()
        c.write_batch("x")
        _begin(c, chains, "x")
        for chain in chains:
            if not chain.moves:
                continue
            _call(c, chain)
            _stepped(c, chain, f"y_{chain.name}", inverse=False)
            _log_det(c, chain, "+")
        whole = _joined(c, [f"y_{chain.name}" if chain.moves else chain.name for chain in chains])
        write(f"return unflatten_batch({whole}, lead), unflatten_batch(log_det, lead)")


def _inverse(c: LayerContext, chains: Sequence[Chain]) -> None:
    write = c.write
    write.call("def inverse", INVERSE, " -> tuple[Tensor, Tensor]:")
    with write.indented():
        how = "in closed form, " if c.affine else ""
        write(f'"""x with f(x) = z and log |det dx/dz|, {how}one part after the other."""')
        c.write_no_context()
        if c.assuming:
            write("check_assumptions(self)  # what the proof assumes of stored numbers")
        if c.names.extern:
            write("one_function(self)")
        c.write_batch("z")
        _begin(c, chains, "z")
        by_name = {chain.name: chain for chain in chains}
        graph = {chain.name: chain.reads for chain in chains}
        for name in TopologicalSorter(graph).static_order():
            chain = by_name[name]
            if not chain.moves:
                continue
            _call(c, chain)
            _stepped(c, chain, chain.name, inverse=True)
            _log_det(c, chain, "-")
        whole = _joined(c, [chain.name for chain in chains])
        if any(is_kernel(p) and p.factored for p in c.params):
            write(f"x = {whole}")
            with write.block("if fixed is None:"):
                write(f"check_solution(self, x, z, tol{', context' if c.given is not None else ''})")
            whole = "x"
        write(f"return unflatten_batch({whole}, lead), unflatten_batch(log_det, lead)")


def _stepped(c: LayerContext, chain: Chain, at: str, *, inverse: bool) -> None:
    """The links of a part, or what undoes them from their end; those between layers in one line. `at` is the result."""
    value = chain.name
    for word, term in reversed(chain.steps) if inverse else chain.steps:
        if word == "layer":
            for line in applied_lines(c, term, at, value, inverse=inverse):
                c.write(line)
            value = at
        elif word in ("det", "exp"):
            _matrix(c, word, c.layer.param(term), at, value, inverse=inverse)
            value = at
        elif word == "perm":
            order = f"{c.member(term)}_index" + (".argsort()" if inverse else "")
            c.write(f"{at} = {moved(c.layer.param(term), value, order)}")
            value = at
        elif word in BIJECTIONS:
            helper = f"{word}_inverse" if inverse else word
            value = _bent(c, chain, at, helper, [value, *term.split(", ")])
        else:
            value = in_short(c.write, undone(value, word, term) if inverse else applied(value, word, term), at)
    if value != at:
        c.write(f"{at} = {value}")


def _matrix(c: LayerContext, word: str, param: ir.Param, at: str, value: str, *, inverse: bool) -> None:
    """A map whose determinant is kept, or an exponential, with its log-det; undone without rounding to 16 bits."""
    if not value.isidentifier():
        c.write(f"{at} = {value}")
        value = at
    moved, log_det = (c.exponential if word == "exp" else c.moved_by)(param, value, inverse=inverse)
    with c.write.block(f"with exactly({value}):") if inverse else nullcontext():
        c.write(f"log_det = log_det {'-' if inverse else '+'} {log_det}")
        c.write(f"{at} = {moved}")


def _begin(c: LayerContext, chains: Sequence[Chain], whole: str) -> None:
    split = _split(c)
    names = ", ".join(chain.name for chain in chains)
    count, start = len(chains), _start(c)
    if split.functional is None:
        how = "strided" if split.how == "strided" else "blocks"
        c.write(f"{names} = split_{how}({whole}, {_axis(c)}, {count}{start})")
    else:
        c.write(f"{' = '.join(chain.name for chain in chains)} = {whole}  # each counts at its own places only")
    used = [c.names.local[term] for chain in chains for word, term in chain.steps if word in ("det", "exp")]
    terms = any(chain.terms for chain in chains)
    if c.carried and terms:
        c.write(f"w = {c.weights}")
    if used:
        kept = [name if name in used else "_" for name in c.carried]
        unpacked = ", ".join(kept) if len(kept) > 1 else f"({kept[0]},)"
        c.write(f"{unpacked} = {'w' if terms else c.weights}")
    c.write(f"log_det = zero_log_det({whole})")


def _split(c: LayerContext) -> ir.Split:
    assert isinstance(c.layer, ir.Layer) and c.layer.split is not None
    return c.layer.split


def _start(c: LayerContext) -> str:
    start = _split(c).start
    return "" if start.constant == 0 else f", {shapes.size(start, c.members)}"


def _axis(c: LayerContext) -> int:
    return {"Image": 1, "Vec": 1, "Seq": 2}[c.layer.shape.kind]


def _joined(c: LayerContext, parts: Sequence[str]) -> str:
    split, listed = _split(c), ", ".join(parts)
    if split.functional is not None:
        return f"join_masked(({listed}), self.residues{_start(c)})"
    how = "strided" if split.how == "strided" else "blocks"
    return f"join_{how}(({listed}), {_axis(c)}{_start(c)})"


def _call(c: LayerContext, chain: Chain) -> None:
    if chain.terms:
        names = ", ".join(chain.names) if len(chain.names) > 1 else f"({chain.names[0]},)"
        c.write(f"{names} = self.terms_{chain.name}({_arguments(c, chain)})")


def _arguments(c: LayerContext, chain: Chain) -> str:
    weights = ["w"] if c.carried else []
    return ", ".join([*(chain.reads or (chain.name,)), *weights])


def _log_det(c: LayerContext, chain: Chain, sign: str) -> None:
    if chain.log_scale is None:
        return
    c.write(f"log_det = log_det {sign} log_det_term({log_of(chain)}, {chain.name}{_kept(c, chain)})")


def _bent(c: LayerContext, chain: Chain, name: str, helper: str, arguments: Sequence[str]) -> str:
    """An elementwise bijection, whose slope depends on the value that it meets."""
    c.write.call(f"{name}, log_slope = {helper}", arguments, "")
    sign = "-" if helper.endswith("inverse") else "+"
    c.write(f"log_det = log_det {sign} log_det_term(log_slope, {chain.name}{_kept(c, chain)})")
    return name


def _kept(c: LayerContext, chain: Chain) -> str:
    """Which places of a part of a mask count."""
    split = _split(c)
    if split.functional is None:
        return ""
    return f", self.residues == {shapes.residue(split, chain.part, c.members)}"


def write_coupling_diagonal(c: LayerContext) -> None:
    """`jacobian_diagonal`: the scale of each element, the other parts held fixed."""
    write, chains = c.write, coupling_parts(c)
    with write.block(f"def jacobian_diagonal(self, x: Tensor{c.optional}) -> Tensor:"):
        write('"""The slope of each element in itself, the others held fixed, shaped as x."""')
        c.write_batch("x")
        _begin(c, chains, "x")
        write.lines.pop()  # there is no log_det here
        for chain in chains:
            if chain.terms and any(word not in "+-" for word, _ in chain.steps):
                _call(c, chain)
            last = max((k for k, (word, _) in enumerate(chain.steps) if word in BIJECTIONS), default=-1)
            value, slope = chain.name, f"torch.ones_like({chain.name})"
            for k, (word, term) in enumerate(chain.steps):
                if word in BIJECTIONS:
                    write.call(f"y_{chain.name}, log_slope = {word}", [value, *term.split(", ")], "")
                    write(f"slope_{chain.name} = ({slope}) * log_slope.exp()")
                    value, slope = f"y_{chain.name}", f"slope_{chain.name}"
                    continue
                if k < last:
                    value = in_short(write, applied(value, word, term), f"y_{chain.name}")
                slope = applied(slope, word, term) if word in SCALES else slope
                slope = f"-({slope})" if word in ("neg", "from") else slope
                slope = in_short(write, slope, f"slope_{chain.name}")
            if slope != f"slope_{chain.name}":
                write(f"slope_{chain.name} = {slope}")
        whole = _joined(c, [f"slope_{chain.name}" for chain in chains])
        write(f"return unflatten_batch({whole}, lead)")
