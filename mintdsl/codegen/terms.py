"""The maps of parts as chains of links: the terms that each takes from elsewhere, and the logarithm of its scale.

`terms_b` of a module computes those of the part b; forward and inverse apply and undo the links with them, so they
cannot disagree.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.lower.bends import options
from mintdsl.codegen.lower.code import Code, rank_of
from mintdsl.codegen.lower.formula import Lowering
from mintdsl.codegen.naming import LOCALS
from mintdsl.core import ir, walks
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.links import WHOLE, Link, links
from mintdsl.core.walks import needed_lets, variables
from mintdsl.records import record, replace

SCALES = ("*", "/")


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
    lowering.indices = {p.name: f"{c.member(p.name)}_index" for p in c.perms}
    lowering.around, lowering.dense = reads[0] if reads else name, c.dense
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
    used = set(c.names.local.values())
    for link in found:
        if isinstance(link.operand, (ir.Inline, ir.Linear, ir.Exponential)) and link.word in WHOLE:
            steps.append((link.word, link.operand.param))
            continue
        written: list[str] = []
        for base, operand in zip(_bases(link), link.taken, strict=True):
            value = values[id(operand)]
            if _stands_alone(value, lowering):
                written.append(value.wrapped)
                continue
            term = value.text if value.text.isidentifier() else _term(base, used)
            if term not in names:
                used.add(term)
                names.append(term)
                terms.append(value)
            written.append(term)
        if isinstance(link.operand, ir.Bend) and link.word in BIJECTIONS:
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
    """Whether forward and inverse can write a number themselves: it names no tensor, and nothing made on the way."""
    named = (lowering.taken - LOCALS) | {lowering.around}
    return code.rank == 0 and not named.intersection(_words(code.text))


def _bases(link: Link) -> tuple[str, ...]:
    """What the terms of a link are called."""
    match link.word:
        case word if word == "neg" or word in WHOLE:
            return ()
        case word if word in BIJECTIONS:
            return BIJECTIONS[word].parameters
        case word:
            return ("scale" if word in SCALES else "shift",)


def _term(base: str, used: set[str]) -> str:
    name, number = base, 2
    while name in used:
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
        if _stands_alone(value, lowering):
            return Code(f"math.log(abs({value.text}))")
        if value.rank == 0:
            like = f"dtype={lowering.around}.dtype, device={lowering.around}.device"
            return replace(value, text=f"torch.as_tensor({value.text}, {like}).abs().log()", atom=True)
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


def log_of(chain: Chain) -> str:
    """The logarithm of the scale, as forward and inverse know it."""
    assert chain.log_scale is not None
    return "log_scale" if "log_scale" in chain.names else chain.log_scale.text


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


def in_short(write: Writer, value: str, at: str) -> str:
    """`value`, or where that gets long `at`, which a line of its own gives it: Python nests 200 brackets at most."""
    if len(value) <= 80:
        return value
    write(f"{at} = {value}")
    return at


def _words(text: str) -> list[str]:
    return "".join(ch if ch.isalnum() or ch == "_" else " " for ch in text).split()
