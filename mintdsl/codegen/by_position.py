"""Formulas at one position after the other: what inverses by substitution are made of.

A map whose formula reads a position only through what is strict (a strict matrix, `delay`, a net that is strict) can be
followed position by position: `begin` makes ready what is remembered, `predict` gives the results at a position from
what came before it, `absorb` takes in the variable there. A net that is not strict in itself, such as one layer of a
transformer, has `at` in the place of the last two. So each weight is used once, and attention keeps keys and values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.lower.calls import result_name, whole
from mintdsl.codegen.lower.code import ZERO, Code, act_functions
from mintdsl.codegen.lower.formula import Lowering
from mintdsl.codegen.naming import LOCALS
from mintdsl.codegen.position_rows import shifted, stacks
from mintdsl.codegen.reading import Followed, Reading, Roots, variables_of
from mintdsl.codegen.shapes import size
from mintdsl.core import ir
from mintdsl.core.calls import concatenated
from mintdsl.core.postorder import operands, postorder
from mintdsl.records import replace


@dataclass(slots=True)
class Memory:
    """Something that is remembered: its variable, and the text that makes it."""

    name: str
    text: str


class ByPosition:
    """Writes the methods of one owner; `roots` are its results, or the operands of a layer's links."""

    def __init__(self, c: LayerContext, reading: Reading, roots: Roots) -> None:
        self.c, self.reading, self.roots = c, reading, roots
        self.owner = reading.owner
        self.stricts = reading.stricts(roots)
        self.memories: dict[object, Memory] = {}
        self.units: dict[ir.Shape, str] = {}
        self.start = self._lowering()
        for item in self.owner.lets:
            if not reading.lets[item.name]:
                self.start.let(item)
        self.stacks = stacks(reading, self.stricts)
        self.sums: dict[int, ir.Linear] = {}  # of a matrix and of what does not move
        self.added: dict[int, str] = {}  # the latter, by the matrix
        for key, (matrix, fixed) in shifted(reading, roots, self.stricts).items():
            code, _ = self.start.expr(fixed)
            if code.rank == 1 and not code.families:
                self.sums[key], self.added[id(matrix)] = matrix, code.text

    def _lowering(self) -> Lowering:
        c = self.c
        attributes = {p.name: c.member(p.name) for p in c.layer.params}
        made = Lowering(c.layer, "plain", c.names.local, c.members, attributes, c.anchors, c.steepest)
        made.dense, made.indices = c.dense, {p.name: f"{c.member(p.name)}_index" for p in c.perms}
        made.around = self.like
        made.begin()
        return made

    @property
    def like(self) -> str:
        """A tensor of the batch, dtype and device at hand."""
        return "z" if isinstance(self.owner, ir.Layer) else "x"

    # ------------------------------------------------------------ what is remembered

    def remembered(self, key: object, wanted: str, text: str) -> str:
        """The variable of something remembered, made by `text`."""
        if key not in self.memories:
            taken = {memory.name for memory in self.memories.values()} | LOCALS
            params = {self.c.names.local[p.name] for p in self.owner.params}
            taken |= set(self.start.local.values()) - (params if wanted in params else set())
            name, number = wanted, 2
            while name in taken:
                name, number = f"{wanted}_{number}", number + 1
            self.memories[key] = Memory(name, text)
            self.start.taken.add(name)
        return self.memories[key].name

    def units_of(self, shape: ir.Shape) -> str:
        """The units of a Vec in the order of their positions."""
        if shape not in self.units:
            hidden = shape != self.owner.shape and shape.each is None
            name = self.start.fresh("hidden" if hidden else "data")
            count = size(shape.dims[0], self.c.members)
            self.start.lines.append(f"{name} = positions.units({count}, {self.like}, hidden={hidden})")
            self.units[shape] = name
        return self.units[shape]

    def fixed(self, node: ir.Expr, shape: ir.Shape | None) -> Code:
        """What does not move, at a position."""
        code, _ = self.start.expr(node)
        assert not code.families  # a sum that moves is not followed
        if code.rank == 0:
            made = words([line.partition(" = ")[0] for line in self.start.lines])
            if not words([code.text]) & {self.like, *made}:
                return code  # a number
            return Code(self.remembered(id(node), f"{self.start.at}_fixed", code.text))
        if self.reading.tokens:
            text = f"FixedTokens({code.text}, positions)"
        else:
            assert shape is not None
            text = f"FixedUnits({code.text}, {self.units_of(shape)})"
        wanted = code.text if code.text.isidentifier() else f"{self.start.at}_fixed"
        return Code(f"{self.remembered(id(node), wanted, text)}.at(position)", (), True, 1)

    def rows(self, node: ir.Expr) -> str:
        """The variable of what remembers the arguments of a node."""
        match node:
            case ir.Linear(param=name):
                param, local = self.owner.param(name), self.c.names.local[name]
                if isinstance(param.kind, ir.Attention):
                    made = f"AttentionRows({self.c.member(name)}, positions, {self.like})"
                    return self.remembered(id(node), local, made)
                units = f"({self.units_of(param.target)}, {self.units_of(param.source)})"
                stack = self.stacks.get(id(node), (node,))
                weights = listed([self.c.names.local[one.param] for one in stack])
                added = listed([self.added.get(id(one), "None") for one in stack])
                made = f"MaskedRows({weights}, {added}, {units}, {self.like})"
                local = "_".join(self.c.names.local[one.param] for one in stack)
                return self.remembered(tuple(map(id, stack)), local, made)
            case ir.Delay(shape=shape):
                channels = size(shape.dims[-1], self.c.members)
                return self.remembered(id(node), "before", f"DelayedRows({channels}, {self.like})")
            case ir.Call(param=name):
                kind = self.owner.param(name).kind
                assert isinstance(kind, ir.NetParam)
                args = []
                for arg, shape in zip(node.args, kind.sources, strict=True):
                    moves = self.reading.moves(arg)
                    args.append(self.like if moves else whole(self.start, self.start.expr(arg)[0], shape))
                made = f"{self.c.member(name)}.begin({', '.join([*args, 'positions'])})"
                return self.remembered((name, node.args), self.c.names.local[name], made)
            case ir.Chain(param=name):
                nets = self.c.member(name)
                made = f"[net.begin({self.like}, positions) for net in {nets}]"
                return self.remembered(id(node), self.c.names.local[name], made)
            case _:
                raise AssertionError(node)

    # ------------------------------------------------------------ one method

    def emitted(self, roots: Roots, variables: Mapping[str, str]) -> tuple[list[str], list[Code]]:
        """Statements, and the values of `roots` at a position."""
        step = _Step(self, self._lowering(), variables)
        needed = {node.name for node in self.reading.reached(roots) if isinstance(node, ir.Ref)}
        for item in self.owner.lets:
            if item.name in needed and self.reading.lets[item.name]:
                step.let(item)
        step.lowering.at = "y"
        return step.lowering.lines, [step.value(root) for root in roots]

    def puts(self, variables: Mapping[str, str]) -> list[str]:
        """The statements that take in the variable at a position."""
        arguments = [arg for node in self.stricts for arg in operands(node) if self.reading.moves(arg)]
        lines, values = self.emitted(arguments, variables)
        texts = dict(zip(map(id, arguments), (value.text for value in values), strict=True))
        done: set[str] = set()
        for node in self.stricts:
            name = self.rows(node)
            if name in done:
                continue
            done.add(name)
            moving = [texts[id(arg)] for arg in operands(node) if self.reading.moves(arg)]
            if isinstance(node, ir.Call):
                lines.append(f"{self.c.member(node.param)}.absorb(position, {name}, {', '.join(moving)})")
            else:
                lines.append(f"{name}.put(position, {moving[0]})")
        return lines


@dataclass(slots=True)
class _Step:
    """The statements of one method at a position; `variables` are the texts of what becomes known there."""

    by: ByPosition
    lowering: Lowering
    variables: Mapping[str, str]
    shapes: dict[str, ir.Shape | None] = field(default_factory=dict)  # of lets
    called: dict[object, list[str]] = field(default_factory=dict)

    def let(self, item: ir.Let) -> None:
        """A statement for a let that moves."""
        self.lowering.at = local = self.lowering.local[item.name]
        code, self.shapes[item.name] = self.shaped(item.value)
        if code.text != local:
            self.lowering.lines.append(f"{local} = {code.text}")

    def value(self, root: ir.Expr) -> Code:
        """The text of a formula at a position."""
        return self.shaped(root)[0]

    def shaped(self, root: ir.Expr) -> tuple[Code, ir.Shape | None]:
        """The same with the shape that it is a position of."""
        reading, nodes = self.by.reading, postorder(root)
        needed = [False] * len(nodes)
        needed[-1] = True
        for place in range(len(nodes) - 1, -1, -1):
            node = nodes[place].expr
            if needed[place] and reading.moves(node) and not reading.strict(node):
                for k in nodes[place].operands:
                    needed[k] = id(node) not in self.by.sums or nodes[k].expr is self.by.sums[id(node)]
        shapes: list[ir.Shape | None] = []
        done: list[Code] = []
        for place, one in enumerate(nodes):
            shapes.append(self._shape(one.expr, [shapes[k] for k in one.operands]))
            if not needed[place]:
                done.append(ZERO)
            elif reading.moves(one.expr):
                code = self._moving(one.expr, [done[k] for k in one.operands])
                done.append(self.lowering.name(f"{self.lowering.at}_term", code) if len(code.text) > 90 else code)
            else:
                done.append(self.by.fixed(one.expr, shapes[-1]))
        return done[-1], shapes[-1]

    def _shape(self, node: ir.Expr, below: Sequence[ir.Shape | None]) -> ir.Shape | None:
        owner = self.by.owner
        match node:
            case ir.Var(name=name):
                return owner.shape if isinstance(owner, ir.Layer) else dict(owner.inputs)[name]
            case ir.Given():
                return owner.given.shape if isinstance(owner, ir.Layer) and owner.given is not None else None
            case ir.Linear(param=name) | ir.Value(param=name):
                return owner.param(name).target
            case ir.Call(param=name) | ir.Chain(param=name):
                kind = owner.param(name).kind
                assert isinstance(kind, ir.NetParam)
                return kind.targets[node.output if isinstance(node, ir.Call) else 0]
            case ir.Ref(name=name):
                return self.shapes[name] if name in self.shapes else self._of_let(name)
            case ir.Concat(shapes=shapes):
                return concatenated(shapes)
            case ir.Pool(source=source):
                return ir.Shape("Vec", source.dims[:1])
            case ir.Swish(source=source, twice=twice):
                return concatenated((source, source)) if twice else source
            case _:
                return next((shape for shape in below if shape is not None), None)

    def _of_let(self, name: str) -> ir.Shape | None:
        """The shape of a let that does not move; those that it needs come before it."""
        for item in self.by.owner.lets:
            if item.name not in self.shapes:
                shapes: list[ir.Shape | None] = []
                for node in postorder(item.value):
                    shapes.append(self._shape(node.expr, [shapes[k] for k in node.operands]))
                self.shapes[item.name] = shapes[-1]
            if item.name == name:
                break
        return self.shapes[name]

    def _moving(self, node: ir.Expr, below: Sequence[Code]) -> Code:
        """A node that moves, of its operands."""
        by, lowering = self.by, self.lowering
        if by.reading.strict(node):
            if isinstance(node, ir.Call):
                return Code(self._results(node, [])[node.output], (), True, 1)
            return Code(self._stacked(node), (), True, 1)
        match node:
            case ir.Var(name=name):
                return Code(self.variables[name], (), True, 1)
            case ir.Ref(name=name):
                return Code(lowering.local[name], (), True, 1)
            case ir.Neg():
                return lowering.algebra.neg(below[0])
            case ir.Binary(left=left) if id(node) in by.sums:
                return below[0] if left is by.sums[id(node)] else below[1]
            case ir.Binary(op=op):
                return lowering.algebra.binary(op, *below)
            case ir.Apply(act=act):
                return self._act(act, below[0])
            case ir.Swish(beta=beta):
                bent, local = lowering.name(f"{lowering.at}_bent", below[0]).text, by.c.names.local[beta]
                number = by.remembered((beta,), local, local)
                return Code(f"{bent} * torch.sigmoid({number} * {bent})", (), True, 1, atom=False)
            case ir.Linear(param=name):
                return Code(self._map(node, by.owner.param(name), below[0].text), (), True, 1)
            case ir.Call():
                moving = [code.text for code, arg in zip(below, node.args, strict=True) if by.reading.moves(arg)]
                return Code(self._results(node, moving)[node.output], (), True, 1)
            case ir.Chain(param=name):
                return Code(f"chain_at({by.c.member(name)}, position, {by.rows(node)}, {below[0].text})", (), True, 1)
            case _:
                raise AssertionError(node)

    def _act(self, act: ir.Act, argument: Code) -> Code:
        if isinstance(act, ir.DefinedAct):
            return self.lowering.inline(act, argument)
        value, _ = act_functions(act, self.lowering.members)
        return replace(argument, text=value(argument.text), atom=True)

    def _map(self, node: ir.Linear, param: ir.Param, argument: str) -> str:
        by = self.by
        if isinstance(param.kind, ir.LayerNorm):
            return f"{by.c.member(param.name)}({argument})"
        if isinstance(param.kind, ir.Dense) and by.reading.tokens:
            local = by.c.names.local[param.name]
            return f"nn.functional.linear({argument}, {by.remembered((param.name,), local, local)})"
        return f"{by.rows(node)}.through(position, {argument})"

    def _stacked(self, node: ir.Expr) -> str:
        """A strict matrix or a delay; matrices that are made together have variables."""
        stack, name = self.by.stacks.get(id(node), (node,)), self.by.rows(node)
        if len(stack) == 1:
            return f"{name}.at(position)"
        if name not in self.called:
            self.called[name] = [self.lowering.fresh(f"y_{self.by.c.names.local[one.param]}") for one in stack]
            self.lowering.lines.append(f"{', '.join(self.called[name])} = {name}.each(position)")
        return self.called[name][next(k for k, one in enumerate(stack) if one is node)]

    def _results(self, node: ir.Call, moving: Sequence[str]) -> list[str]:
        """The variables of the results of a net, which is called once."""
        key = (node.param, node.args)
        if key not in self.called:
            kind, name = self.by.owner.param(node.param).kind, self.by.rows(node)
            assert isinstance(kind, ir.NetParam)
            results = [result_name(self.lowering, node, k) for k in range(len(kind.targets))]
            word = "predict" if self.by.reading.strict(node) else "at"
            call = f"{self.by.c.member(node.param)}.{word}({', '.join(['position', name, *moving])})"
            listed = f"({results[0]},)" if len(results) == 1 else ", ".join(results)
            self.lowering.lines.append(f"{listed} = {call}")
            self.called[key] = results
        return self.called[key]


# ---------------------------------------------------------------- nets


def write_positions(c: LayerContext, followed: Followed) -> None:
    """The methods of a net that is followed: `begin`, and `predict` and `absorb`, or `at`."""
    net, write = c.layer, c.write
    assert isinstance(net, ir.Net)
    reading = Reading(net, variables_of(net, followed), c.followed)
    by = ByPosition(c, reading, net.results)
    inputs = ["x", *(f"x_{k}" for k in range(2, len(net.inputs) + 1))]
    known = {name: x for k, (x, (name, _)) in enumerate(zip(inputs, net.inputs, strict=True)) if k in followed.moving}
    lines, values = by.emitted(net.results, known)
    results = [value.text for value in values]
    if sum(map(len, results)) > 80:  # too long for one line
        names = ["y", *(f"y_{k}" for k in range(2, len(results) + 1))]
        lines += [f"{name} = {text}" for name, text in zip(names, results, strict=True)]
        results = names
    puts = by.puts(known)
    moving = [f"{x}: Tensor" for x in known.values()]

    def method(name: str, arguments: Sequence[str], result: str, doc: str, body: Sequence[str]) -> None:
        write()
        write.call(f"def {name}", ["self", "position: int", "memory: tuple[object, ...]", *arguments], f" -> {result}:")
        with write.indented():
            write(f'"""{doc}"""')
            names = [memory.name for memory in by.memories.values()]
            if len(names) == 1:
                write(f"({names[0]},) = memory")
            elif names:
                write.call("", names, " = memory")
            for line in body:
                write(line)

    write()
    arguments = [*(f"{x}: Tensor" for x in inputs), "positions: Positions"]
    write.call("def begin", ["self", *arguments], " -> tuple[object, ...]:")
    with write.indented():
        gone = ", ".join(known)
        write(f'"""Ready to follow {gone} position by position: what is remembered, of nothing yet."""')
        write_begin(c, by)
    tuple_ = f"return {listed(results)}"
    if followed.strict:
        doc = "The results at this position, of what came before it."
        method("predict", [], "tuple[Tensor, ...]", doc, [*lines, tuple_])
        method("absorb", moving, "None", "Take in this position.", puts or ["pass"])
    else:
        doc = "The results at this position, which is taken in."
        body = [*lines, f"results = {listed(results)}", *puts, "return results"] if puts else [*lines, tuple_]
        method("at", moving, "tuple[Tensor, ...]", doc, body)


def write_begin(c: LayerContext, by: ByPosition) -> None:
    """The statements that make what is remembered."""
    texts = [memory.text for memory in by.memories.values()]
    used = words([*_pruned(by.start.lines, words(texts)), *texts])
    if isinstance(c.layer, ir.Net) and c.params:
        c.write(f"w = as_wide_as({by.like}, self.effective_weights())")
    unpacked = [name if name in used else "_" for name in c.carried]
    if set(unpacked) - {"_"}:
        c.write(f"{', '.join(unpacked)} = w" if len(unpacked) > 1 else f"({unpacked[0]},) = w")
    for line in _pruned(by.start.lines, words(texts)):
        c.write(line)
    made = [memory.text for memory in by.memories.values()]
    if isinstance(c.layer, ir.Net):
        c.write.tuple("return ", made)
    elif made:
        names = ", ".join(memory.name for memory in by.memories.values())
        c.write(f"{names} = {made[0]}") if len(made) == 1 else c.write.tuple(f"{names} = ", made)


def _pruned(lines: Sequence[str], used: set[str]) -> list[str]:
    """The statements that make what is used, without those of lets that nothing here needs."""
    found, wanted = [], set(used)
    for line in reversed(lines):
        target, _, source = line.partition(" = ")
        if not line.startswith("#") and wanted & words([target]):
            found.append(line)
            wanted |= words([source])
    return found[::-1]


def listed(parts: Sequence[str]) -> str:
    """A tuple as text."""
    return "()" if not parts else f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def words(lines: Sequence[str]) -> set[str]:
    """The names in some text."""
    return set(re.findall(r"\w+", "\n".join(lines)))
