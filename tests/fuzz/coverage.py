"""Which constructs a checked program uses: registry entries from its typed core, rules from its derivations."""

from __future__ import annotations

from collections.abc import Iterator

from mintdsl.core import ir
from mintdsl.core.constraints import CONSTRAINTS
from mintdsl.core.orders import DIRECTIONS, ORDERS, Order
from mintdsl.core.steps import MASKS
from mintdsl.proof.derivation import Derivation

from .subject import Subject

NOTED = ("TIE",)
"""Rules that a derivation names in the note of the leaf where they apply."""


def rules_of(tree: Derivation) -> Iterator[str]:
    """The rules that a derivation uses, once for each use."""
    yield tree.rule
    yield from (rule for rule in NOTED if rule in tree.note)
    for premise in tree.premises:
        yield from rules_of(premise)


def constructs_of(subject: Subject) -> set[str]:
    """The constructs that an accepted program uses."""
    found: set[str] = set()
    for result in subject.report.results:
        found |= {f"rule:{rule}" for rule in rules_of(result.proof.derivation)}
    for definition in subject.core.definitions.values():
        found |= {f"formal:{f.type}" for f in definition.formals}
        found |= {f"shape:{definition.shape.kind}"}
        if definition.given is not None:
            found.add("given:layer" if isinstance(definition, ir.Layer) else "given:flow")
        for formal in definition.formals:
            if formal.default is not None:
                found |= set(_argument(formal.default))
        if isinstance(definition, ir.Layer):
            found |= set(_layer(definition))
        else:
            found |= {f"flow claim:{c.what}" for c in definition.claims}
            found |= set(_steps(definition.steps))
    return found


def _layer(layer: ir.Layer) -> Iterator[str]:
    for claim in layer.claims:
        yield f"claim:{claim.what}"
    if isinstance(layer.order, Order):
        yield from _argument(layer.order)
    for param in layer.params:
        yield f"shape:{param.target.kind}"
        if isinstance(param.kind, ir.NetParam):
            inner = [p.kind for p in param.kind.net.params]
            yield from ["option:stride"] if any(isinstance(k, ir.Conv) and k.stride != (1, 1) for k in inner) else []
        if isinstance(param.kind, ir.NetParam | ir.LayerParam):
            continue
        yield from _argument(param.init)
        match param.kind:
            case ir.Elementwise(kind=word):
                yield f"kind:{word}"
            case ir.Conv(direction=direction, dilation=dilation, circular=circular, rank=rank) as conv:
                yield "kind:conv"
                yield from ["option:rank"] if rank is not None else []
                yield from ["option:dilation"] if dilation != (1, 1) else []
                yield from ["option:boundary"] if circular else []
                yield from (f"anchor:{word}" for word in _anchors(conv))
                yield f"direction:{direction}"
            case ir.Dense(direction=direction, rank=rank):
                yield "kind:linear"
                yield from ["option:rank"] if rank is not None else []
                yield f"direction:{direction}"
            case ir.Normalize():
                yield "kind:normalize"
            case ir.Perm():
                yield "kind:perm"
        if param.bound is not None:
            kept = param.bound.quantity, param.bound.cmp
            text = next(c.text for c in CONSTRAINTS if (c.quantity, c.cmp) == kept)
            yield f"constraint:{text}:{param.bound.via}"
    if layer.split is not None:
        yield f"mask:{layer.split.how if layer.split.how in MASKS else 'declared'}"
    for root in (*(item.value for item in layer.lets), layer.result):
        yield from _expression(root)


def _expression(node: ir.Expr) -> Iterator[str]:
    match node:
        case ir.Apply(act=act, arg=inner):
            yield from _argument(act)
            yield from _expression(inner)
        case (
            ir.Linear(arg=inner)
            | ir.Exponential(arg=inner)
            | ir.Cayley(branch=inner)
            | ir.Neg(arg=inner)
            | ir.Sum(body=inner)
            | ir.Pool(arg=inner)
            | ir.MaxMin(arg=inner)
            | ir.Swish(arg=inner)
        ):
            yield from _expression(inner)
        case ir.Binary(left=left, right=right):
            yield from _expression(left)
            yield from _expression(right)
        case ir.Bend():
            for one in (node.arg, *node.params):
                yield from _expression(one)
        case ir.Join(parts=parts):
            for part in parts:
                yield from _expression(part)
        case ir.Pick(arg=inner) | ir.Inline(arg=inner):
            yield from _expression(inner)
        case _:
            pass


def _anchors(conv: ir.Conv) -> Iterator[str]:
    """The words for the anchor of a kernel of several rows and columns; `given` where there is none."""
    (rows, columns), anchor = conv.size, conv.anchor
    if min(rows, columns) == 1 or anchor == "corner":
        yield from [anchor] if anchor == "corner" else []
        return
    vertical = {0: "top", rows - 1: "bottom"}.get(anchor[0])
    horizontal = {0: "left", columns - 1: "right"}.get(anchor[1])
    middle = (2 * anchor[0] + 1, 2 * anchor[1] + 1) == conv.size
    yield f"{vertical}_{horizontal}" if vertical and horizontal else "centre" if middle else "given"


def _argument(value: ir.Argument) -> Iterator[str]:
    match value:
        case ir.BuiltinAct(name=name):
            yield f"act:{name}"
        case ir.DefinedAct(body=body):
            yield from _expression(body)
        case ir.InitCall(name=name, formal=False):
            yield f"init:{name}"
        case Order(name=name):
            yield f"order:{name if name in ORDERS else 'declared'}"
        case str() if value in DIRECTIONS:
            yield f"direction:{value}"
        case _:
            pass


def _steps(steps: tuple[ir.Step, ...]) -> Iterator[str]:
    for step in steps:
        yield f"shape:{step.shape.kind}"
        match step.op:
            case ir.Use(args=args):
                for _, value in args:
                    yield from _argument(value)
            case ir.Squeeze(undo=undo):
                yield "step:unsqueeze" if undo else "step:squeeze"
            case ir.Repeat(steps=inner):
                yield "step:repeat"
                yield from _steps(inner)
            case ir.Pair(steps=inner):
                yield "step:pair"
                yield from _steps(inner)
            case ir.Prior(name=name):
                yield "step:prior"
                yield f"prior:{name}"
            case ir.FactorOut():
                yield "step:factor"
            case ir.StandardizeData():
                yield "step:standardize"
            case ir.Ode(method=method):
                yield "step:ode"
                yield f"solver:{method}"
            case other:
                yield f"step:{type(other).__name__.lower()}"
