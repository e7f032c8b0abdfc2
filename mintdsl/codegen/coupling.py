"""A layer that splits its variable as a class: the parts' own maps as chains of links, undone from their ends.

`terms_b` computes what the map of the part b takes from the other parts, and the logarithm of its scale; forward and
inverse apply and undo the links with these terms, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from graphlib import TopologicalSorter

from mintdsl.codegen import shapes
from mintdsl.codegen.chain import applied_lines
from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.lower.code import Code, rank_of
from mintdsl.codegen.lower.formula import Lowering
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
    return [_chain(c, variable, result) for variable, result in c.layer.results]


def _chain(c: LayerContext, variable: str, result: ir.Expr) -> Chain:
    layer, name = c.layer, c.names.local[variable]
    assert isinstance(layer, ir.Layer) and layer.split is not None
    found, _ = links(layer, variable, result)
    operands = [link.operand for link in found if link.operand is not None and link.word != "layer"]
    read = [v for v in variables(result, layer) if v != variable]
    reads = tuple(c.names.local[v] for v in layer.split.parts if v in read)
    attributes = {p.name: c.member(p.name) for p in layer.params}
    lowering = Lowering(layer, "plain", c.names.local, c.members, attributes, c.anchors, c.steepest)
    lowering.around = reads[0] if reads else name
    rank = rank_of(layer.shape)
    lowering.variables = {v: Code(c.names.local[v], (), True, rank) for v in layer.split.parts}
    lowering.begin()
    wanted = {item.name for operand in operands for item in needed_lets(operand, layer)}
    for item in layer.lets:
        if item.name in wanted:
            lowering.let(item)
    values: dict[int, Code] = {}
    for link in found:
        lowering.at = "scale" if link.word in SCALES else "shift"
        if link.operand is not None and link.word != "layer":
            values[id(link.operand)] = lowering.expr(link.operand)[0]
    steps: list[tuple[str, str]] = []
    terms: list[Code] = []
    names: list[str] = []
    for link in found:
        if link.operand is None or isinstance(link.operand, ir.Inline):
            steps.append((link.word, "" if link.operand is None else c.member(link.operand.param)))
            continue
        value = values[id(link.operand)]
        if _stands_alone(value, lowering):
            steps.append((link.word, value.wrapped))
            continue
        term = value.text if value.text.isidentifier() else _term(link, names, c)
        if term not in names:
            names.append(term)
            terms.append(value)
        steps.append((link.word, term))
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


def _term(link: Link, names: Sequence[str], c: LayerContext) -> str:
    base = "scale" if link.word in SCALES else "shift"
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


def write_coupling(c: LayerContext) -> None:
    """forward, inverse, and the terms of each part."""
    chains = coupling_parts(c)
    _forward(c, chains)
    c.write()
    _inverse(c, chains)
    for chain in chains:
        if chain.terms:
            c.write()
            _terms(c, chain)


def _forward(c: LayerContext, chains: Sequence[Chain]) -> None:
    write = c.write
    with write.block("def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:"):
        write('"""f(x) and log |det df/dx|; x [*, *event_shape], log_det [*]."""')
        write("no_context(context, type(self).__name__)")
        write(f'x, lead = flatten_batch(x, self.event_shape, "x", "{c.where(c.layer.shape_span)}")')
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
        write("no_context(context, type(self).__name__)")
        if c.assuming:
            write("check_assumptions(self)  # what the proof assumes of stored numbers")
        write(f'z, lead = flatten_batch(z, self.event_shape, "z", "{c.where(c.layer.shape_span)}")')
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
        write(f"return unflatten_batch({whole}, lead), unflatten_batch(log_det, lead)")


def _stepped(c: LayerContext, chain: Chain, at: str, *, inverse: bool) -> None:
    """The links of a part, or what undoes them from their end; those between layers in one line. `at` is the result."""
    value = chain.name
    for word, term in reversed(chain.steps) if inverse else chain.steps:
        if word == "layer":
            for line in applied_lines(term, at, value, inverse=inverse):
                c.write(line)
            value = at
        else:
            value = _undone(value, word, term) if inverse else _applied(value, word, term)
    if value != at:
        c.write(f"{at} = {value}")


def _begin(c: LayerContext, chains: Sequence[Chain], whole: str) -> None:
    split = _split(c)
    names = ", ".join(chain.name for chain in chains)
    count, start = len(chains), _start(c)
    if split.functional is None:
        how = "strided" if split.how == "strided" else "blocks"
        c.write(f"{names} = split_{how}({whole}, {_axis(c)}, {count}{start})")
    else:
        c.write(f"{' = '.join(chain.name for chain in chains)} = {whole}  # each counts at its own places only")
    if c.params and any(chain.terms for chain in chains):
        c.write("w = self.effective_weights()")
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
    weights = ["w"] if c.params else []
    return ", ".join([*(chain.reads or (chain.name,)), *weights])


def _log_det(c: LayerContext, chain: Chain, sign: str) -> None:
    if chain.log_scale is None:
        return
    log = "log_scale" if "log_scale" in chain.names else chain.log_scale.text
    c.write(f"log_det = log_det {sign} log_det_term({log}, {chain.name}{_kept(c, chain)})")


def _kept(c: LayerContext, chain: Chain) -> str:
    """Which places of a part of a mask count."""
    split = _split(c)
    if split.functional is None:
        return ""
    return f", self.residues == {shapes.residue(split, chain.part, c.members)}"


def _terms(c: LayerContext, chain: Chain) -> None:
    write = c.write
    arguments = [f"{name}: Tensor" for name in chain.reads or (chain.name,)]
    arguments += ["w: tuple[Tensor, ...]"] if c.params else []
    write.call(f"def terms_{chain.name}", ["self", *arguments], " -> tuple[Tensor, ...]:")
    with write.indented():
        write(f'"""What the map of `{chain.part}` takes from the other parts: {", ".join(chain.names)}."""')
        used = set(_words("\n".join([*chain.lines, *(term.text for term in chain.terms)])))
        local = [c.names.local[p.name] for p in c.params]
        unpacked = [name if name in used else "_" for name in local]
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
    with write.block("def jacobian_diagonal(self, x: Tensor) -> Tensor:"):
        write('"""The slope of each element in itself, the others held fixed, shaped as x."""')
        write(f'x, lead = flatten_batch(x, self.event_shape, "x", "{c.where(c.layer.shape_span)}")')
        _begin(c, chains, "x")
        write.lines.pop()  # there is no log_det here
        for chain in chains:
            scales = [(word, term) for word, term in chain.steps if word in SCALES or word in ("neg", "from")]
            if chain.terms and scales:
                _call(c, chain)
            value = f"torch.ones_like({chain.name})"
            for word, term in scales:
                value = _applied(value, word, term) if word in SCALES else f"-({value})"
            write(f"slope_{chain.name} = {value}")
        whole = _joined(c, [f"slope_{chain.name}" for chain in chains])
        write(f"return unflatten_batch({whole}, lead)")


def _applied(value: str, word: str, term: str) -> str:
    match word:
        case "neg":
            return f"-({value})"
        case "from":
            return f"{term} - ({value})" if " " in value else f"{term} - {value}"
        case "+" | "-":
            return f"{value} {word} {term}"
        case _:
            return f"({value}) {word} {term}" if " " in value or value.startswith("-") else f"{value} {word} {term}"


def _undone(value: str, word: str, term: str) -> str:
    opposite = {"+": "-", "-": "+", "*": "/", "/": "*"}
    return _applied(value, opposite.get(word, word), term)


def _words(text: str) -> list[str]:
    return "".join(ch if ch.isalnum() or ch == "_" else " " for ch in text).split()
