"""A layer that splits its variable as a class: the parts' own maps as chains of links, undone from their ends.

`terms_b` computes what the map of the part b takes from the other parts, and the logarithm of its scale; forward and
inverse apply and undo the links with these terms, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from graphlib import TopologicalSorter

from mintdsl.codegen import shapes
from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.lower.code import Code, rank_of
from mintdsl.codegen.lower.formula import Lowering
from mintdsl.codegen.lower.splines import options
from mintdsl.codegen.naming import LOCALS
from mintdsl.core import ir, walks
from mintdsl.core.links import Link, links
from mintdsl.core.walks import needed_lets, variables
from mintdsl.records import record, replace

SCALES = ("*", "/")
INVERSE = (
    "self",
    "z: Tensor",
    "context: Tensor | None = None",
    "*",
    "tol: float | None = None",
    "max_iter: int | None = None",
    "fixed: tuple[int, float] | None = None",
)


@record
class Chain:
    """The own map of a part: its links, each with the name of its term, and what the terms are made of."""

    part: str
    name: str
    steps: tuple[tuple[str, str], ...]
    reads: tuple[str, ...]
    lines: tuple[str, ...]
    terms: tuple[Code, ...]
    names: tuple[str, ...]
    log_scale: Code | None

    @property
    def moves(self) -> bool:
        """Whether the part is changed at all."""
        return bool(self.steps)


def coupling_parts(c: LayerContext) -> list[Chain]:
    """The chains of a layer's parts, in their order."""
    assert isinstance(c.layer, ir.Layer)
    return [chain_of(c, variable, result) for variable, result in c.layer.results]


def chain_of(c: LayerContext, variable: str, result: ir.Expr) -> Chain:
    layer, name = c.layer, c.names.local.get(variable, "x")
    assert isinstance(layer, ir.Layer)
    found, _ = links(layer, variable, result)
    operands = [operand for link in found for operand in link.taken]
    read = [v for v in variables(result, layer) if v != variable]
    parts = {v: c.names.local[v] for v in layer.split.parts} if layer.split is not None else {variable: name}
    reads = tuple(local for v, local in parts.items() if v in read)
    attributes = {p.name: c.member(p.name) for p in layer.params}
    lowering = Lowering(layer, "plain", c.names.local, c.members, attributes, c.anchors, c.steepest)
    lowering.around = reads[0] if reads else name
    rank = rank_of(layer.shape)
    lowering.variables = {v: Code(local, (), True, rank) for v, local in parts.items()}
    lowering.begin()
    wanted = {item.name for operand in operands for item in needed_lets(operand, layer)}
    for item in layer.lets:
        if item.name in wanted:
            lowering.let(item)
    values: dict[int, Code] = {}
    for link in found:
        for base, operand in zip(_bases(link), link.taken, strict=True):
            lowering.at = base
            values[id(operand)] = lowering.expr(operand)[0]
    steps: list[tuple[str, str]] = []
    terms: list[Code] = []
    names: list[str] = []
    for link in found:
        written: list[str] = []
        for base, operand in zip(_bases(link), link.taken, strict=True):
            value = values[id(operand)]
            if _stands_alone(value, lowering):
                written.append(value.wrapped)
                continue
            term = value.text if value.text.isidentifier() else _term(base, names, c)
            if term not in names:
                names.append(term)
                terms.append(value)
            written.append(term)
        if isinstance(link.operand, ir.Spline) and link.word == "spline":
            written.append(options(link.operand))
        steps.append((link.word, ", ".join(written)))
    log_scale = _log_scale(layer, found, lowering)
    if log_scale is not None and not _stands_alone(log_scale, lowering):
        names.append("log_scale")
        terms.append(log_scale)
    return Chain(
        variable, name, tuple(steps), reads, tuple(lowering.lines), tuple(terms), tuple(names), log_scale
    )  # fmt: skip


def _stands_alone(code: Code, lowering: Lowering) -> bool:
    """Whether forward and inverse can write a number themselves: nothing in it was named on the way."""
    return code.rank == 0 and not (lowering.taken - LOCALS).intersection(_words(code.text))


def _bases(link: Link) -> tuple[str, ...]:
    """What the terms of a link are called."""
    if link.word == "spline":
        return ("widths", "heights", "slopes")
    return () if link.operand is None else ("scale" if link.word in SCALES else "shift",)


def _term(base: str, names: Sequence[str], c: LayerContext) -> str:
    name, number = base, 2
    while name in names or name in c.names.local.values():
        name, number = f"{base}_{number}", number + 1
    return name


def _log_scale(layer: ir.Layer, found: Sequence[Link], lowering: Lowering) -> Code | None:
    """log |product of the scales|: of exp and sigmoid without them, so that nothing underflows."""
    scales = [(link.word, link.operand) for link in found if link.word in SCALES and link.operand is not None]
    logs, total = _Logs.of([operand for _, operand in scales], layer, lowering), None
    for word, operand in scales:
        log = logs.log(operand)
        if word == "/":
            log = lowering.algebra.neg(log)
        total = log if total is None else lowering.algebra.binary("+", total, log)
    return total


def _factors(root: ir.Expr) -> Iterator[ir.Expr]:
    """What a product is made of: signs, picks, products and quotients taken apart."""
    waiting = [root]
    while waiting:
        match waiting.pop():
            case ir.Neg(arg=arg) | ir.Pick(arg=arg):
                waiting.append(arg)
            case ir.Binary(op="*" | "/", left=left, right=right):
                waiting += (right, left)
            case other:
                yield other


@record
class _Logs:
    """Logarithms of products. Those of `lets` that hold an exp or a sigmoid are lines of their own, one each."""

    lowering: Lowering
    lets: dict[str, Code]

    @staticmethod
    def of(operands: Sequence[ir.Expr], layer: ir.Layer, lowering: Lowering) -> _Logs:
        """Ready for these operands."""
        closed: set[str] = set()  # lets whose logarithm is not taken of the value
        for item in layer.lets:
            if not item.indices and any(_is_closed(factor, closed) for factor in _factors(item.value)):
                closed.add(item.name)
        needed: set[str] = set()
        waiting = list(operands)
        while waiting:
            for factor in _factors(waiting.pop()):
                if isinstance(factor, ir.Ref) and factor.name in closed - needed:
                    needed.add(factor.name)
                    waiting.append(layer.let(factor.name).value)
        logs = _Logs(lowering, {})
        for item in layer.lets:
            if item.name in needed:
                log = logs.log(item.value)
                logs.lets[item.name] = lowering.name(f"log_{lowering.local[item.name]}", log)
        return logs

    def log(self, node: ir.Expr) -> Code:
        """log |node|; only what stands in brackets makes it recurse."""
        lowering = self.lowering
        match node:
            case ir.Apply(act=ir.BuiltinAct(name="exp"), arg=arg):
                return lowering.expr(arg)[0]
            case ir.Apply(act=ir.BuiltinAct(name="sigmoid"), arg=arg):
                inner = lowering.expr(arg)[0]
                if inner.rank:
                    return replace(inner, text=f"nn.functional.logsigmoid({inner.text})", atom=True)
            case ir.Neg(arg=arg) | ir.Pick(arg=arg):
                return self.log(arg)
            case ir.Ref(name=name) if name in self.lets:
                return self.lets[name]
            case ir.Binary(op="*" | "/"):
                first, operations = walks.chain(node, "*/")
                total = self.log(first)
                for one in operations:
                    total = lowering.algebra.binary("+" if one.op == "*" else "-", total, self.log(one.right))
                return total
            case _:
                pass
        value = lowering.expr(node)[0]
        if value.rank == 0:
            return Code(f"math.log(abs({value.text}))")
        return replace(value, text=f"{value.wrapped}.abs().log()", atom=True)


def _is_closed(factor: ir.Expr, lets: Container[str]) -> bool:
    """Whether the logarithm of a factor is that of its parts."""
    match factor:
        case ir.Apply(act=ir.BuiltinAct(name="exp" | "sigmoid")):
            return True
        case ir.Ref(name=name):
            return name in lets
        case _:
            return False


# ---------------------------------------------------------------- methods


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
        if c.assumed:
            write("check_assumptions(self)  # what the proof assumes of stored numbers")
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
            value = chain.name
            for word, term in chain.steps:
                if word == "spline":
                    value = _bent(c, chain, f"y_{chain.name}", "rq_spline", [value, *term.split(", ")])
                else:
                    value = applied(value, word, term)
            if value != f"y_{chain.name}":
                write(f"y_{chain.name} = {value}")
            _log_det(c, chain, "+")
        whole = _joined(c, [f"y_{chain.name}" if chain.moves else chain.name for chain in chains])
        write(f"return unflatten_batch({whole}, lead), unflatten_batch(log_det, lead)")


def _inverse(c: LayerContext, chains: Sequence[Chain]) -> None:
    write = c.write
    write.call("def inverse", INVERSE, " -> tuple[Tensor, Tensor]:")
    with write.indented():
        write('"""x with f(x) = z and log |det dx/dz|, in closed form, one part after the other."""')
        c.write_no_context()
        c.write_batch("z")
        _begin(c, chains, "z")
        by_name = {chain.name: chain for chain in chains}
        graph = {chain.name: chain.reads for chain in chains}
        for name in TopologicalSorter(graph).static_order():
            chain = by_name[name]
            if not chain.moves:
                continue
            _call(c, chain)
            value = chain.name
            for word, term in reversed(chain.steps):
                if word == "spline":
                    value = _bent(c, chain, chain.name, "rq_spline_inverse", [value, *term.split(", ")])
                else:
                    value = undone(value, word, term)
            if value != chain.name:
                write(f"{chain.name} = {value}")
            _log_det(c, chain, "-")
        whole = _joined(c, [chain.name for chain in chains])
        write(f"return unflatten_batch({whole}, lead), unflatten_batch(log_det, lead)")


def _begin(c: LayerContext, chains: Sequence[Chain], whole: str) -> None:
    split = _split(c)
    names = ", ".join(chain.name for chain in chains)
    count, start = len(chains), _start(c)
    if split.functional is None:
        how = "strided" if split.how == "strided" else "blocks"
        c.write(f"{names} = split_{how}({whole}, {_axis(c)}, {count}{start})")
    else:
        c.write(f"{' = '.join(chain.name for chain in chains)} = {whole}  # each counts at its own places only")
    if c.carried and any(chain.terms for chain in chains):
        c.write(f"w = {c.weights}")
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


def log_of(chain: Chain) -> str:
    """The logarithm of the scale, as forward and inverse know it."""
    assert chain.log_scale is not None
    return "log_scale" if "log_scale" in chain.names else chain.log_scale.text


def _bent(c: LayerContext, chain: Chain, name: str, helper: str, arguments: Sequence[str]) -> str:
    """A spline, whose slope depends on the value that it meets."""
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


def write_terms(c: LayerContext, chain: Chain) -> None:
    write = c.write
    arguments = [f"{name}: Tensor" for name in chain.reads or (chain.name,)]
    arguments += ["w: tuple[Tensor, ...]"] if c.carried else []
    write.call(f"def terms_{chain.name}", ["self", *arguments], " -> tuple[Tensor, ...]:")
    with write.indented():
        others = "parts" if isinstance(c.layer, ir.Layer) and c.layer.split is not None else "coordinates"
        write.doc(f"What the map of `{chain.part}` takes from the other {others}: {', '.join(chain.names)}.")
        used = set(_words("\n".join([*chain.lines, *(term.text for term in chain.terms)])))
        unpacked = [name if name in used else "_" for name in c.carried]
        if set(unpacked) - {"_"}:
            write(f"{', '.join(unpacked)} = w" if len(unpacked) > 1 else f"({unpacked[0]},) = w")
        for line in chain.lines:
            write(line)
        for name, term in zip(chain.names, chain.terms, strict=True):
            if term.text != name:
                write(f"{name} = {term.text}")
        write(f"return ({chain.names[0]},)" if len(chain.names) == 1 else f"return {', '.join(chain.names)}")


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
            last = max((k for k, (word, _) in enumerate(chain.steps) if word == "spline"), default=-1)
            value, slope = chain.name, f"torch.ones_like({chain.name})"
            for k, (word, term) in enumerate(chain.steps):
                if word == "spline":
                    write.call(f"y_{chain.name}, log_slope = rq_spline", [value, *term.split(", ")], "")
                    write(f"slope_{chain.name} = ({slope}) * log_slope.exp()")
                    value, slope = f"y_{chain.name}", f"slope_{chain.name}"
                    continue
                value = applied(value, word, term) if k < last else value
                slope = applied(slope, word, term) if word in SCALES else slope
                slope = f"-({slope})" if word in ("neg", "from") else slope
            if slope != f"slope_{chain.name}":
                write(f"slope_{chain.name} = {slope}")
        whole = _joined(c, [f"slope_{chain.name}" for chain in chains])
        write(f"return unflatten_batch({whole}, lead)")


def applied(value: str, word: str, term: str) -> str:
    match word:
        case "neg":
            return f"-({value})"
        case "from":
            return f"{term} - ({value})" if " " in value else f"{term} - {value}"
        case "+" | "-":
            return f"{value} {word} {term}"
        case _:
            return f"({value}) {word} {term}" if " " in value or value.startswith("-") else f"{value} {word} {term}"


def undone(value: str, word: str, term: str) -> str:
    opposite = {"+": "-", "-": "+", "*": "/", "/": "*"}
    return applied(value, opposite.get(word, word), term)


def _words(text: str) -> list[str]:
    return "".join(ch if ch.isalnum() or ch == "_" else " " for ch in text).split()
