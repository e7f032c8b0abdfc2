"""Walks over formulas of the typed core that do not recurse: chains of operators are as deep as the text is long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.postorder import below, operands, postorder
from mintdsl.diagnostics.model import Bag
from mintdsl.records import derived
from mintdsl.syntax import ast


def chain(node: ir.Expr, ops: str = "+-*/") -> tuple[ir.Expr, list[ir.Binary]]:
    """The first operand of a chain of `ops` such as `a + b * c - d`, and its operations, innermost first."""
    operations: list[ir.Binary] = []
    while isinstance(node, ir.Binary) and node.op in ops:
        operations.append(node)
        node = node.left
    operations.reverse()
    return node, operations


def constant(node: ir.Expr, lets: Mapping[str, bool]) -> bool:
    """Whether `node` contains no variable; `lets` tells that of each let."""
    waiting = [node]
    while waiting:
        match waiting.pop():
            case ir.Var():
                return False
            case ir.Ref(name=name):
                if not lets[name]:
                    return False
            case ir.Scalar() | ir.Value():
                pass
            case other:
                waiting += operands(other)
    return True


def expressions(layer: ir.Layer) -> Iterator[ir.Expr]:
    """Every expression of the formula and its lets; those of activations are not part of it."""
    return below(layer.result, *(item.value for item in layer.lets))


def _through_lets(root: ir.Expr, layer: ir.Layer | ir.Net) -> Iterator[ir.Var | ir.Ref]:
    """The variables and lets that a formula reads; each let is entered once."""
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        match waiting.pop():
            case ir.Var() as variable:
                yield variable
            case ir.Ref(name=name) as ref:
                if name not in seen:
                    seen.add(name)
                    yield ref
                    waiting.append(layer.let(name).value)
            case other:
                waiting += operands(other)


def variables(root: ir.Expr, layer: ir.Layer | ir.Net) -> dict[str, None]:
    """The variables that a formula reads, through lets too, each once."""
    return {node.name: None for node in _through_lets(root, layer) if isinstance(node, ir.Var)}


def needed_lets(root: ir.Expr, layer: ir.Layer | ir.Net) -> list[ir.Let]:
    """The lets that a formula needs, through other lets too, in their order."""
    needed = {node.name for node in _through_lets(root, layer) if isinstance(node, ir.Ref)}
    return [item for item in layer.lets if item.name in needed]


def moving_maps(layer: ir.Layer | ir.Net) -> dict[str, None]:
    """The maps of a layer that are applied to something that depends on the variable, each once, in order."""
    return {node.param: None for node in _moving(layer) if isinstance(node, ir.Linear)}


def moving_nets(layer: ir.Layer | ir.Net) -> dict[str, None]:
    """The nets of a layer that are applied to something that depends on the variable."""
    return {node.param: None for node in _moving(layer) if isinstance(node, (ir.Call, ir.Chain))}


def _moving(layer: ir.Layer | ir.Net) -> list[ir.Expr]:
    """The nodes that depend on the variable and are no variable themselves."""
    fixed: dict[str, bool] = {}
    found: list[ir.Expr] = []
    names = [*(item.name for item in layer.lets), ""]
    for name, formula in zip(names, ir.formulas(layer), strict=False):
        done: list[bool] = []  # whether each node is constant
        for node in postorder(formula):
            match node.expr:
                case ir.Var():
                    done.append(False)
                case ir.Ref(name=let):
                    done.append(fixed[let])
                case other:
                    done.append(all(done[k] for k in node.operands))
                    if not done[-1]:
                        found.append(other)
        fixed[name] = done[-1]
    return found


def bends(owner: ir.Layer | ir.Net) -> tuple[ir.Bend, ...]:
    """The elementwise bijections with parameters in formulas, one for each of their kinds, numbers and options."""

    def found(own: ir.Layer | ir.Net) -> tuple[ir.Bend, ...]:
        nodes = (node for node in below(*ir.formulas(own)) if isinstance(node, ir.Bend))
        return tuple({(node.bijection, node.count, node.options): node for node in nodes}.values())

    return derived(owner, "bends", found)


def uses(steps: Sequence[ir.Step]) -> Iterator[ir.Use | ir.Classify | ir.NetParam]:
    """Every layer, flow and net that the steps use, in order."""
    waiting = list(reversed(steps))
    while waiting:
        match waiting.pop().op:
            case ir.Use() | ir.Classify() as use:
                yield use
            case ir.FactorOut(prior=ir.NetParam() as net) | ir.Ode(field=net):
                yield net
            case ir.Repeat(steps=inner) | ir.Pair(steps=inner):
                waiting.extend(reversed(inner))
            case _:
                pass


class Written(NamedTuple):
    """Formulas with their activations written out: operations and operands, and operations inside each other."""

    size: int
    depth: int


def act_written(act: ir.DefinedAct) -> Written:
    """An activation of the program with those that it uses written out."""
    return derived(act, "written", lambda own: written_out([own.body]))


def layer_written(layer: ir.Layer | ir.Net) -> Written:
    """The formulas of a layer or net, activations, nets and layers that it applies written out."""
    return derived(layer, "written", _layer_written)


def _layer_written(layer: ir.Layer | ir.Net) -> Written:
    own = written_out(ir.formulas(layer))
    extents = dict(layer.indices)
    size = own.size
    for param, kind in ir.net_params(layer):
        copies = 1
        for index in param.indices:
            copies *= extents[index].constant or 1
        size += copies * layer_written(kind.net).size
    size += sum(layer_written(kind.layer).size for _, kind in ir.applied_layers(layer))
    return Written(size, own.depth)


def nested(owner: ir.Layer | ir.Net) -> int:
    """How deep nets, and layers that are applied, lie in each other, the owner included if it is a net.

    Those inside were counted before.
    """
    return derived(owner, "nested", _nested)


def _nested(owner: ir.Layer | ir.Net) -> int:
    below = (nested(one) + isinstance(one, ir.Layer) for one in inside(owner))
    return isinstance(owner, ir.Net) + max(below, default=0)


def inside(owner: ir.Layer | ir.Net) -> list[ir.Layer | ir.Net]:
    """The nets and layers among the parameters of one."""
    return [kind.net if isinstance(kind, ir.NetParam) else kind.layer for kind in ir.used_below(owner)]


def with_applied(layer: ir.Layer) -> Iterator[ir.Layer]:
    """A layer, and those that formulas apply in it."""
    yield layer
    for _, kind in ir.applied_layers(layer):
        yield from with_applied(kind.layer)


def too_deep(owner: ir.Layer | ir.Net, name: ast.Name, bag: Bag) -> bool:
    """Whether too many nets and layers lie in each other; reported if so."""
    depth = nested(owner)
    if depth > limits.NETS.most:
        title = f"`{name.id}` is nested too deeply: {depth} nets, or layers that are applied, lie in each other"
        bag.error("E0107", name.span, title, f"more than {limits.NETS.shown}")
    return depth > limits.NETS.most


def written_out(formulas: Iterable[ir.Expr]) -> Written:
    """The extent of `formulas`; a chain of operators counts as one level, as it does where text is read."""
    size = deepest = 0
    waiting = [(formula, 0) for formula in formulas]
    while waiting:
        node, depth = waiting.pop()
        size, deepest = size + 1, max(deepest, depth)
        match node:
            case ir.Binary():
                first, operations = chain(node)
                size += len(operations) - 1
                waiting += [(first, depth + 1), *((one.right, depth + 1) for one in operations)]
            case ir.Apply(act, arg):
                if isinstance(act, ir.DefinedAct):
                    inner = act_written(act)
                    size, deepest = size + inner.size, max(deepest, depth + inner.depth)
                waiting.append((arg, depth + 1))
            case other:
                waiting += [(below, depth + 1) for below in operands(other)]
    return Written(size, deepest)


def too_much(written: Written, most: limits.Limit, name: ast.Name, bag: Bag) -> bool:
    """Whether the formulas of `name` have more operations than `most`, or too deep ones; reported if so."""
    if written.size > most.most:
        title = f"`{name.id}` has {written.size:,} operations, its activations written out"
        bag.error("E0107", name.span, title, f"more than {most.shown}")
        return True
    if written.depth > limits.NESTING.most:
        title = (
            f"`{name.id}` is nested too deeply: {written.depth} operations in each other, its activations written out"
        )
        bag.error("E0107", name.span, title, f"more than {limits.NESTING.shown}")
        return True
    return False
