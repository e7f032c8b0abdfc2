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
        else:
            below = dict.fromkeys(kind.definition for kind in ir.used_below(definition))
        stack.extend((name, False) for name in reversed(below) if name not in found)
    return list(found)


def extern_nets(program: ir.Program, key: str) -> list[str]:
    """The names of the extern nets that `key` uses: their modules are given by the user."""
    return [program.nets[k].name for k in reachable(program, key) if k in program.nets and program.nets[k].extern]


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
    inputs: tuple[str, ...] = ()  # of the net at hand

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
        }
        if not isinstance(definition, ir.Net) and definition.given is not None:
            data["given"] = [definition.given.name, _shape(definition.given.shape)]
        match definition:
            case ir.Layer():
                data |= self._body("layer", definition)
                data |= {"on": _shape(definition.shape), "claims": _claims(definition.claims)}
                data |= {"results": [[name, self.formula(result)] for name, result in definition.results]}
                data |= {"split": _split(definition.split)}
            case ir.Net():
                self.inputs = tuple(name for name, _ in definition.inputs)
                data |= self._body("extern" if definition.extern else "net", definition)
                data |= {"from": [_shape(shape) for _, shape in definition.inputs]}
                data |= {"to": [_shape(shape) for shape in definition.targets]}
                data |= {"results": [self.formula(result) for result in definition.results]}
                self.inputs = ()
            case ir.Flow():
                data |= {
                    "kind": "flow",
                    "on": _shape(definition.shape),
                    "claims": _claims(definition.claims),
                    "steps": self._steps(definition.steps),
                }
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
        }

    # ------------------------------------------------------------ parameters and formulas

    def _param(self, param: ir.Param) -> Json:
        bound, pivot = param.bound, param.pivot
        data: dict[str, Json] = {
            "name": param.name,
            "indices": list(param.indices),
            "kind": self._kind(param.kind),
            "from": _shape(param.source),
            "to": _shape(param.target),
            "with": None if bound is None else [_constraint(bound), _numbers(bound), bound.via],
            "tie": None
            if pivot is None
            else [list(pivot.indices), [[f.name, list(f.indices)] for f in pivot.others], pivot.sign],
            "init": self.argument(param.init),
            "summed": list(param.summed),
        }
        if isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.norm:
            data["norm"] = "weight"
        if isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.rank is not None:
            data["rank"] = _nat(param.kind.rank)
        if isinstance(param.kind, ir.Conv) and param.kind.stride != (1, 1):
            data["stride"] = list(param.kind.stride)
        return data

    def _kind(self, kind: ir.Kind) -> Json:
        match kind:
            case ir.Elementwise():
                return [kind.kind, kind.per]
            case ir.Conv():
                apart: list[Json] = [] if kind.dilation == (1, 1) else [list(kind.dilation)]
                tap: Json = kind.anchor if kind.anchor == "corner" else list(kind.anchor)
                apart += ["circular"] if kind.circular else []
                return ["conv", list(kind.size), tap, *apart, kind.direction, kind.strict]
            case ir.Dense():
                return ["linear", kind.direction, kind.strict]
            case ir.LayerNorm():
                return ["layer_norm", kind.eps]
            case ir.Attention():
                return ["attention", _nat(kind.heads), kind.direction]
            case ir.Normalize():
                return ["normalize", kind.eps, kind.momentum]
            case ir.Perm():
                return ["perm", kind.axis, kind.seed]
            case ir.NetParam():
                sources, targets = ([_shape(shape) for shape in shapes] for shapes in (kind.sources, kind.targets))
                return ["net", self.known[kind.definition], self.arguments(kind.args), sources, targets]
            case ir.LayerParam():
                return ["layer", self.known[kind.definition], self.arguments(kind.args), _shape(kind.place)]
            case _:
                assert_never(kind)

    def formula(self, root: ir.Expr) -> Json:
        """The nodes of a formula: a word, what it carries, the places of its operands."""
        return [self._node(node.expr, list(node.operands)) for node in postorder(root)]

    def _node(self, node: ir.Expr, below: list[Json]) -> Json:
        match node:
            case ir.Var():
                return ["input", self.inputs.index(node.name)] if node.name in self.inputs else ["var", node.name]
            case ir.Given():
                return ["given"]
            case ir.Scalar():
                return _scalar(node.value)
            case ir.Value():
                return ["value", node.param, list(node.indices)]
            case ir.Ref():
                return ["let", node.name, list(node.indices)]
            case ir.Linear():
                return ["map", node.param, list(node.indices), *below]
            case ir.Exponential():
                return ["exp", node.param, *below]
            case ir.Cayley():
                return ["cayley", *below]
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
            case ir.MaxMin():
                return ["maxmin", *below]
            case ir.Swish(beta=beta, twice=twice):
                return ["clip_swish" if twice else "swish", *([beta] if beta else []), *below]
            case ir.Spread():
                return ["spread", *below]
            case ir.Pick():
                return ["pick", node.part, *below]
            case ir.Join():
                raise AssertionError("each part of a join is written as a result of its own")
            case ir.Delay():
                return ["delay", *below]
            case ir.Call():
                return ["net", node.param, list(node.indices), node.output, *below]
            case ir.Chain():
                return ["chain", node.param, node.index, *below]
            case ir.Bend(bijection=name, count=count, options=options):
                own: list[Json] = [list(node.own)] if any(node.own) else []
                return [name, _nat(count), *options, *own, *below]
            case ir.Inline():
                return ["layer", node.param, *below]
            case ir.Concat():
                word: list[Json] = ["weighted", node.weights] if node.weights else ["concat"]
                return [*word, [shape.kind for shape in node.shapes], *below]
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
                    inputs, self.inputs = self.inputs, ()  # its variable may be called like an input
                    written: Json = [act.name, self.formula(act.body)]  # the activations in it come first
                    self.inputs = inputs
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

    def arguments(self, args: Sequence[tuple[str, ir.Argument]]) -> Json:
        """The values of formals at a use."""
        return [[name, self.argument(value)] for name, value in args]

    # ------------------------------------------------------------ flows

    def _steps(self, steps: Sequence[ir.Step]) -> list[Json]:
        return [[step.name, self._op(step.op), _shape(step.result)] for step in steps]

    def _op(self, op: ir.Op) -> Json:
        match op:
            case ir.Use() | ir.Classify():
                how = _log_det(op.log_det) if isinstance(op, ir.Use) else []
                word = "classify" if isinstance(op, ir.Classify) else "inverse" if op.inverted else "use"
                return [word, self.known[op.definition], self.arguments(op.args), *how]
            case ir.Squeeze():
                return ["unsqueeze" if op.undo else "squeeze", op.factor, op.layout]
            case ir.Permute():
                return ["permute", op.axis, op.seed]
            case ir.Reverse():
                return ["reverse", op.axis]
            case ir.Transpose():
                return ["transpose", op.first, op.second]
            case ir.Flatten():
                return ["flatten"]
            case ir.Patches():
                return ["patches", op.size]
            case ir.Logit():
                return ["logit", op.alpha]
            case ir.Dequantize():
                return ["dequantize", op.levels]
            case ir.Standardize():
                return ["standardize", list(op.mean), list(op.std)]
            case ir.StandardizeData():
                return ["standardize", "data"]
            case ir.Pad():
                return ["pad", op.extra]
            case ir.FactorOut():
                return ["factor", op.keep] if op.prior is None else ["factor", op.keep, self._kind(op.prior)]
            case ir.Ode():
                trace: list[Json] = ["exact"] if op.probes is None else ["hutchinson", op.probes]
                return ["ode", self._kind(op.field), op.method, op.until, op.tol, trace]
            case ir.Prior():
                return ["prior", op.name, op.per] if op.per else ["prior", op.name]
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
    """Kind and sizes, and how many elements stand at each position where they have a layout of their own."""
    own = [] if shape.each is None else [_nat(shape.each)]
    return [shape.kind, [_nat(d) for d in shape.dims], *own]


def _split(split: ir.Split | None) -> Json:
    """How a variable is cut: the shapes of the parts tell the rest of a split into blocks."""
    if split is None:
        return None
    functional: Json = None if split.functional is None else [*split.functional]
    return [split.how, list(split.parts), [_shape(s) for s in split.shapes], _nat(split.start), functional]


def _constraint(bound: ir.Bound) -> str:
    return bound.cmp if bound.quantity == "diag" else f"{bound.quantity} {bound.cmp}"


def _numbers(bound: ir.Bound) -> Json:
    """The numbers of a constraint, or the formal that gives one."""
    return {"formal": bound.formal} if bound.formal else list(bound.numbers)


def _log_det(how: ir.LogDet) -> list[Json]:
    """How a log-det is computed at a use, as far as the use says it."""
    if how.kind in ("", "exact"):
        return [how.kind] if how.kind else []
    return [how.kind, {"terms": how.terms, "bits": how.bits, "keep": how.keep, "probes": how.probes}]


def _claims(claims: Sequence[ir.Claim]) -> Json:
    return [[c.what, c.cmp, c.value, c.strict, c.word] for c in claims]
