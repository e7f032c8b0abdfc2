"""The statement of a proof: the elaborated definitions that one uses, as plain data, and its hash.

Spans, comments and file names leave no trace, so a statement is the same wherever its files lie. Formulas are lists of
nodes, operands before what uses them, named by their place in the list; activations that the program defines are
listed once and named by theirs. Numbers are exact: floats keep all their digits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order
from mintdsl.core.postorder import postorder
from mintdsl.core.walks import uses

FORMAT = 1
"""Of certificates; the kernel has a number of its own."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def reachable(program: ir.Program, key: str) -> list[str]:
    """The definitions that `key` uses, those used first first, itself last."""
    found: dict[str, None] = {}
    stack: list[tuple[str, bool]] = [(key, False)]
    while stack:
        place, ready = stack.pop()
        if ready or place in found:
            found.setdefault(place)
            continue
        stack.append((place, True))
        definition = program.callable(place)
        if isinstance(definition, ir.Flow):
            below = dict.fromkeys(use.definition for use in uses(definition.steps))
            stack.extend((name, False) for name in reversed(below) if name not in found)
    return list(found)


def names(keys: Sequence[str]) -> dict[str, str]:
    """A name for each key; where two files define one name, that asked for (the last key) keeps it."""
    found: dict[str, str] = {}
    for key in reversed(keys):
        name = base = key.rpartition("::")[2]
        number = 2
        while name in found.values():
            name, number = f"{base}#{number}", number + 1
        found[key] = name
    return found


def digest(statement: Json) -> str:
    """SHA-256 of canonical JSON."""
    return hashlib.sha256(dumps(statement).encode()).hexdigest()


def dumps(value: Json) -> str:
    """JSON with sorted keys and no spaces: equal data gives equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def spec_hash(program: ir.Program, key: str) -> str:
    """The hash of the statement of `key`; its generated module carries the same."""
    return digest(Statement(program, key).data())


@dataclass(slots=True)
class Statement:
    """Writes the definitions of one target; `act` gives the place of an activation in the list."""

    program: ir.Program
    key: str
    acts: list[Json] = field(default_factory=list)
    places: dict[int | str, int] = field(default_factory=dict)  # by identity, and by text
    known: dict[str, str] = field(default_factory=dict)

    def data(self) -> dict[str, Json]:
        """`acts` and `definitions`, each after what it uses; the target is the last definition."""
        keys = reachable(self.program, self.key)
        self.known = names(keys)
        definitions = [self._definition(key) for key in keys]
        return {"edition": 1, "acts": self.acts, "definitions": definitions}

    def _definition(self, key: str) -> Json:
        definition = self.program.callable(key)
        data: dict[str, Json] = {
            "name": self.known[key],
            "formals": [[f.name, f.type, self.argument(f.default)] for f in definition.formals],
            "on": _shape(definition.shape),
        }
        match definition:
            case ir.Layer():
                data |= self._body("layer", definition)
                data |= {"claims": _claims(definition.claims)}
            case ir.Net():
                data |= self._body("net", definition)
                data |= {"to": _shape(definition.target)}
            case ir.Flow():
                data |= {"kind": "flow", "claims": _claims(definition.claims), "steps": self._steps(definition.steps)}
            case _:
                assert_never(definition)
        return data

    def _body(self, kind: str, layer: ir.Layer | ir.Net) -> dict[str, Json]:
        return {
            "kind": kind,
            "order": self.argument(layer.order),
            "indices": [[name, _nat(extent)] for name, extent in layer.indices],
            "params": [self._param(p) for p in layer.params],
            "lets": [[item.name, list(item.indices), self.formula(item.value)] for item in layer.lets],
            "result": self.formula(layer.result),
        }

    # ------------------------------------------------------------ parameters and formulas

    def _param(self, param: ir.Param) -> Json:
        bound, pivot = param.bound, param.pivot
        return {
            "name": param.name,
            "indices": list(param.indices),
            "kind": _kind(param.kind),
            "from": _shape(param.source),
            "to": _shape(param.target),
            "with": None if bound is None else [_constraint(bound), list(bound.numbers), bound.via],
            "tie": None
            if pivot is None
            else [list(pivot.indices), [[f.name, list(f.indices)] for f in pivot.others], pivot.sign],
            "init": self.argument(param.init),
            "summed": list(param.summed),
        }

    def formula(self, root: ir.Expr) -> Json:
        """The nodes of a formula: a word, what it carries, the places of its operands."""
        return [self._node(node.expr, list(node.operands)) for node in postorder(root)]

    def _node(self, node: ir.Expr, below: list[Json]) -> Json:
        match node:
            case ir.Var():
                return ["var"]
            case ir.Scalar():
                return _scalar(node.value)
            case ir.Value():
                return ["value", node.param, list(node.indices)]
            case ir.Ref():
                return ["let", node.name, list(node.indices)]
            case ir.Linear():
                return ["map", node.param, list(node.indices), *below]
            case ir.Apply():
                return ["act", self.act(node.act), *below]
            case ir.Neg():
                return ["neg", *below]
            case ir.Binary():
                return [node.op, *below]
            case ir.Sum():
                return ["sum", list(node.indices), *below]
            case ir.Pool():
                return ["pool", *below]
            case _:
                assert_never(node)

    def act(self, act: ir.Act) -> Json:
        """A registered activation with its options, a formal, or the place of one that the program defines."""
        match act:
            case ir.BuiltinAct():
                return {"act": act.name, "options": list(act.options)}
            case ir.FormalAct():
                return {"formal": act.name}
            case ir.DefinedAct():
                if id(act) not in self.places:
                    written: Json = [act.name, self.formula(act.body)]  # the activations in it come first
                    text = dumps(written)
                    if text not in self.places:
                        self.places[text] = len(self.acts)
                        self.acts.append(written)
                    self.places[id(act)] = self.places[text]
                return {"defined": self.places[id(act)]}
            case _:
                assert_never(act)

    def argument(self, value: ir.Argument | None) -> Json:
        """A value of a formal."""
        match value:
            case None:
                return None
            case Nat():
                return {"nat": _nat(value)}
            case float():
                return {"real": value + 0.0}  # -0 is 0
            case str():
                return {"direction": value}
            case Order():
                return {"order": [list(row) for row in value.rows], "space": value.space}
            case ir.FormalOrder():
                return {"formal": value.name}
            case ir.InitCall():
                return {"init": value.name, "options": list(value.options), "formal": value.formal}
            case _:
                return self.act(value)

    # ------------------------------------------------------------ flows

    def _steps(self, steps: Sequence[ir.Step]) -> list[Json]:
        return [[step.name, self._op(step.op), _shape(step.result)] for step in steps]

    def _op(self, op: ir.Op) -> Json:
        match op:
            case ir.Use() | ir.Classify():
                word = "use" if isinstance(op, ir.Use) else "classify"
                return [word, self.known[op.definition], [[k, self.argument(v)] for k, v in op.args]]
            case ir.Squeeze():
                return ["unsqueeze" if op.undo else "squeeze", op.factor, op.layout]
            case ir.Logit():
                return ["logit", op.alpha]
            case ir.Dequantize():
                return ["dequantize", op.levels]
            case ir.Standardize():
                return ["standardize", list(op.mean), list(op.std)]
            case ir.Pad():
                return ["pad", op.extra]
            case ir.Prior():
                return ["prior", op.name]
            case ir.Repeat():
                return ["repeat", _nat(op.count), self._steps(op.steps)]
            case ir.Pair():
                return ["pair", self._steps(op.steps)]
            case _:
                assert_never(op)


def _scalar(value: float | Nat | str) -> Json:
    if isinstance(value, Nat):
        return ["size", _nat(value)]
    return ["formal", value] if isinstance(value, str) else ["number", value]


def _nat(size: Nat) -> Json:
    """Terms: numerator, denominator, symbols."""
    return [[ratio.top, ratio.bottom, list(monomial)] for monomial, ratio in size.terms]


def _shape(shape: ir.Shape) -> Json:
    return [shape.kind, [_nat(d) for d in shape.dims]]


def _kind(kind: ir.Kind) -> Json:
    match kind:
        case ir.Elementwise():
            return [kind.kind, kind.per]
        case ir.Conv():
            return ["conv", list(kind.size), kind.anchor, kind.direction, kind.strict]
        case ir.Dense():
            return ["linear", kind.direction, kind.strict]
        case ir.Normalize():
            return ["normalize", kind.eps, kind.momentum]
        case ir.Perm():
            return ["perm", kind.axis, kind.seed]
        case _:
            assert_never(kind)


def _constraint(bound: ir.Bound) -> str:
    return bound.cmp if bound.quantity == "diag" else f"{bound.quantity} {bound.cmp}"


def _claims(claims: Sequence[ir.Claim]) -> Json:
    return [[c.what, c.cmp, c.value, c.strict, c.word] for c in claims]
