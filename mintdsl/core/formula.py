"""Formulas: syntax trees of `map`, `let` and `act` to typed core expressions.

Every expression has the shape of an elementwise formula, or none when it is a number. What cannot be typed is
reported once and becomes None, so that one mistake gives one message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mintdsl import limits
from mintdsl.core import bends, calls, ir
from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.nat import Nat
from mintdsl.core.scope import BUILTIN, Entry, article, unknown
from mintdsl.core.steps import CONDITIONER_FUNCTIONS, STRUCTURAL
from mintdsl.core.structure import HANDLED, structural
from mintdsl.core.typed import Bound, Typed
from mintdsl.core.values import IndexName, RealFormal, Values, Variable, describe, not_yet, too_many
from mintdsl.diagnostics.model import Fix, Label, Severity
from mintdsl.source import Span
from mintdsl.syntax import ast
from mintdsl.syntax.chains import chain

# The activation of a name and its options. It is handed in: an activation of the program is itself a formula.
FindAct = Callable[[ast.Name, tuple[ast.Arg, ...], Span, Values], ir.Act | None]
# A layer, with its arguments, applied to the typed argument of a node. It is handed in: it is elaborated by a formula.
ApplyLayer = Callable[[ast.Apply, Entry, ast.Call, Typed | None], Typed | None]


@dataclass(slots=True)
class Formula:
    """Elaborates formulas of one definition."""

    values: Values
    act: FindAct
    net: bool = False
    summed: dict[str, set[str]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    free: dict[str, Span] = field(default_factory=dict)
    sums: dict[str, Span] = field(default_factory=dict)
    split: ir.Split | None = None
    whole: str = ""  # the variable that is cut into parts
    read: dict[str, Span] = field(default_factory=dict)  # variables, where they are read first
    layer: ApplyLayer | None = None  # of a layer's formula, which may apply others
    direct: set[str] = field(default_factory=set)  # sums with nothing but linear operations since: they contract

    def let(self, item: ast.Let) -> list[Bound | None]:
        """A `let`, with its indices free in its value: what each of its names is bound to."""
        if len(item.names) > 1:
            return self._apart(item)
        self.free = {}
        for index in item.indices:
            if self._index(index):
                self.free[index.id] = index.span
        crowded = too_many(len(self.free), limits.BOUND, item.span, self.values.bag)
        typed = None if crowded else self.expr(item.value)
        self.free = {}
        if typed is None:
            return [None]
        name = item.names[0].id
        return [Bound(ir.Let(name, tuple(i.id for i in item.indices), typed.expr, item.span), typed.shape)]

    def _apart(self, item: ast.Let) -> list[Bound | None]:
        """`let (a, b) = n(x)`: one name for each result of a net."""
        match item.value:
            case ast.Apply(fn=ast.Name() as name) as value if self._net(name) is not None:
                param = self._net(name)
                assert param is not None
                found = calls.apart(item, self._call(value, name, param, ()), self.values)
            case other:
                found = None
                typed = self.expr(other)
                if typed is not None:
                    self._bad(other.span, "names in brackets take the results of a net apart, and this is none")
        if found is None:
            return [None] * len(item.names)
        pairs = zip(item.names, found, strict=True)
        return [Bound(ir.Let(name.id, (), typed.expr, item.span), typed.shape) for name, typed in pairs]

    def _net(self, name: ast.Name) -> ir.Param | None:
        """The parameter of this name, if it is a net."""
        param = self.values.names.values.get(name.id)
        return param if isinstance(param, ir.Param) and isinstance(param.kind, ir.NetParam) else None

    def expr(self, node: ast.Expr) -> Typed | None:
        """The typed form of `node`."""
        match node:
            case ast.Number():
                number = self.values.number(node)
                return None if number is None else Typed(ir.Scalar(number, node.span), None)
            case ast.Name():
                return self._name(node, (), node.span)
            case ast.At():
                if not isinstance(node.base, ast.Name):
                    return self._bad(node.span, "only a name takes indices")
                indices = self._indices(node.indices)
                return None if indices is None else self._name(node.base, indices, node.span)
            case ast.Neg():
                inner = self.expr(node.operand)
                return None if inner is None else Typed(ir.Neg(inner.expr, node.span), inner.shape)
            case ast.Binary():
                return self._binary(node)
            case ast.Apply():
                return self._apply(node)
            case ast.Reduce():
                return self._reduce(node)
            case ast.Tuple():
                not_yet(self.values.bag, node.span, "a tuple in a formula")

    # ------------------------------------------------------------ names

    def _name(self, name: ast.Name, indices: tuple[str, ...], span: Span) -> Typed | None:
        values = self.values
        value = values.names.values.get(name.id)
        match value:
            case Variable():
                return self._variable(name, value, indices, span)
            case ir.Param():
                self.used.add(name.id)
                if not isinstance(value.kind, ir.Elementwise):
                    return self._bad(span, f"`{name.id}` is a map, and is not applied", Fix("apply it to the variable"))
                if not calls.family(name, value.indices, indices, span, self.values):
                    return None
                if value.kind.kind == "bias" and any(i in self.direct for i in indices):
                    summed = ", ".join(i for i in indices if i in self.direct)
                    values.bag.error(
                        "W0402",
                        span,
                        f"`{name.id}` is summed over `{summed}`: one bias without that index says the same",
                        "every value of the index adds a bias of its own",
                        fixes=(Fix(f"declare `{name.id}` without `{summed}`"),),
                        severity=Severity.WARNING,
                    )
                return Typed(ir.Value(name.id, indices, span), value.target)
            case Bound():
                self.used.add(name.id)
                if not calls.family(name, value.let.indices, indices, span, self.values):
                    return None
                return Typed(ir.Ref(name.id, indices, span), value.shape)
            case IndexName():
                return self._bad(span, f"`{name.id}` is an index: it stands in brackets, not in formulas")
            case RealFormal():
                return self._no_indices(name, indices, span, Typed(ir.Scalar(value.name, span), None))
            case Nat():
                return self._no_indices(name, indices, span, Typed(ir.Scalar(value, span), None))
            case None if name.id in values.names.sizes:
                return self._no_indices(name, indices, span, Typed(ir.Scalar(values.names.sizes[name.id], span), None))
            case None:
                pass
            case _:
                return self._bad(span, f"`{name.id}` is {describe(value)}, not a value")
        if values.names.silent(name.id):
            return None
        entry = values.names.scope.entries.get(name.id)
        if entry is not None:
            constant = values.entry(entry)
            if isinstance(constant, Nat) and constant.constant is not None:
                return Typed(ir.Scalar(float(constant.constant), span), None)
            if isinstance(constant, float):
                return Typed(ir.Scalar(constant, span), None)
            if constant is not None:
                self._bad(span, f"`{name.id}` is {article(entry.kind)}, not a value")
            return None
        if name.id in BUILTIN:
            fixes = (Fix("apply it to the variable"),) if name.id in ACTIVATIONS else ()
            return self._bad(span, f"`{name.id}` is {BUILTIN[name.id]}, not a value", *fixes)
        self._unknown(name)
        return None

    def _variable(self, name: ast.Name, value: Variable, indices: tuple[str, ...], span: Span) -> Typed | None:
        if value.given:
            self.used.add(name.id)
            return self._no_indices(name, indices, span, Typed(ir.Given(name.id, span), value.shape))
        self.read.setdefault(name.id, span)
        if self.split is not None and name.id == self.whole:
            parts = ", ".join(f"`{part}`" for part in self.split.parts)
            also = (Label(self.split.span, "cut into parts here"),)
            self.values.bag.error(
                "E0213",
                span,
                f"`{name.id}` is cut into parts: formulas read these",
                "read as a whole",
                also=also,
                fixes=(Fix(f"read its parts: {parts}"),),
            )
            return None
        return self._no_indices(name, indices, span, Typed(ir.Var(name.id, span), value.shape))

    def _unknown(self, name: ast.Name, *, applied: bool = False) -> None:
        names = self.values.names
        params = [(n, v) for n, v in names.values.items() if isinstance(v, ir.Param)]
        known = [n for n, param in params if isinstance(param.kind, ir.Elementwise) is not applied]
        if applied:
            known += [*names.named((ir.BuiltinAct, ir.DefinedAct, ir.FormalAct), "act"), *ACTIVATIONS]
        else:
            known += [*names.sizes, *names.named((Variable, Bound, Nat, float, RealFormal), "const")]
        unknown(name, known, self.values.bag, names.where, what="function" if applied else "name")

    def _bad(self, span: Span, title: str, *fixes: Fix) -> None:
        self.values.bag.error("E0213", span, title, "not a formula", fixes=fixes)

    def _no_indices(self, name: ast.Name, indices: tuple[str, ...], span: Span, typed: Typed) -> Typed | None:
        return typed if calls.family(name, (), indices, span, self.values) else None

    # ------------------------------------------------------------ indices

    def _index(self, name: ast.Name) -> IndexName | None:
        value = self.values.names.values.get(name.id)
        if isinstance(value, IndexName):
            return value
        if not self.values.names.silent(name.id):
            candidates = (n for n, v in self.values.names.values.items() if isinstance(v, IndexName))
            unknown(name, candidates, self.values.bag, "the indices of this layer", what="index")
        return None

    def _indices(self, nodes: tuple[ast.Expr, ...]) -> tuple[str, ...] | None:
        names = []
        for node in nodes:
            if not isinstance(node, ast.Name):
                self.values.bag.error("E0408", node.span, "an index is a name", "declare it with `index i : K`")
                return None
            if self._index(node) is None:
                return None
            if node.id not in self.free and node.id not in self.sums:
                self.values.bag.error(
                    "E0408",
                    node.span,
                    f"the index `{node.id}` is not bound here",
                    f"no `sum[{node.id}](...)` or `let ...[{node.id}]` around this use",
                    also=(Label(self.values.names.places[node.id], "declared here"),),
                    fixes=(Fix(f"contract it: `sum[{node.id}](...)`"),),
                )
                return None
            names.append(node.id)
        return tuple(names)

    def _reduce(self, node: ast.Reduce) -> Typed | None:
        if node.word == "chain":
            return self._bad(node.span, "`chain` makes a function of a family", Fix("apply it: `chain[l](B[l])(x)`"))
        added = []
        for index in node.indices:
            if self._index(index) is None:
                return None
            if index.id in self.sums or index.id in self.free:
                self.values.bag.error("E0408", index.span, f"the index `{index.id}` is bound already", "bound twice")
                return None
            self.sums[index.id] = index.span
            self.direct.add(index.id)
            added.append(index.id)
        bound = len(self.sums) + len(self.free)
        body = None if too_many(bound, limits.BOUND, node.span, self.values.bag) else self.expr(node.body)
        for name in added:
            del self.sums[name]
            self.direct.discard(name)
        if body is None:
            return None
        if body.shape is None:
            return self._bad(node.span, "a sum of numbers: multiply by the size instead")
        return Typed(ir.Sum(tuple(added), body.expr, node.span), body.shape)

    # ------------------------------------------------------------ operators and applications

    def _binary(self, node: ast.Binary) -> Typed | None:
        first, operations = chain(node)
        left = self.expr(first)
        for operation in operations:
            right = self.expr(operation.right)
            left = None if left is None or right is None else self._operation(operation, left, right)
        return left

    def _operation(self, node: ast.Binary, left: Typed, right: Typed) -> Typed | None:
        shape = self._join(left, right, node)
        if shape is _MISMATCH:
            return None
        assert not isinstance(shape, str)
        return Typed(ir.Binary(node.op, left.expr, right.expr, node.span), shape)

    def _join(self, left: Typed, right: Typed, node: ast.Binary) -> ir.Shape | None | str:
        if left.shape is None or right.shape is None or left.shape == right.shape:
            return left.shape or right.shape
        self.values.bag.error(
            "E0301",
            node.op_span,
            f"shapes do not match: `{left.shape}` {node.op} `{right.shape}`",
            "elementwise",
            also=(Label(node.left.span, str(left.shape)), Label(node.right.span, str(right.shape))),
            notes=(f"`{node.op}` is elementwise and never broadcasts",),
        )
        return _MISMATCH

    def _apply(self, node: ast.Apply) -> Typed | None:
        layer = calls.callee(node, self.values)
        if layer is not None:
            return self._layer(node, *layer)
        match node.fn:
            case ast.Name() as name:
                indices: tuple[str, ...] = ()
            case ast.At(base=ast.Name() as name):
                found = self._indices(node.fn.indices)
                if found is None:
                    self._arguments(node)
                    return None
                indices = found
            case ast.Reduce(word="chain") as fn:
                return self._chained(node, fn)
            case ast.Apply(fn=ast.Name(id="exp")) as fn:
                place = "in a net" if self.net else "at each value of an index" if self.sums or self.free else ""
                args = [self._inside(arg.value) for arg in node.args]
                return calls.exponential(node, fn, args, self.used, place, self.values)
            case ast.Apply(fn=ast.Name(id="cayley")) as fn:
                place = "in a net" if self.net else "at each value of an index" if self.sums or self.free else ""
                args = [self._inside(arg.value) for arg in node.args]
                return calls.cayley(node, fn, args, self.used, place, self.values)
            case _:
                return self._bad(node.fn.span, "only a name can be applied")
        value = self.values.names.values.get(name.id)
        net = self._net(name)
        if net is not None:
            return calls.single(node, name, self._call(node, name, net, indices), self.values)
        if isinstance(value, ir.Param):
            return self._linear(node, name, value, indices)
        if value is None and not self.values.names.silent(name.id):
            entry = self.values.names.scope.entries.get(name.id)
            if entry is None and name.id == "mean_pool" and self.net:
                return calls.pooled(node, [self._inside(arg.value) for arg in node.args], self.values)
            if entry is None and name.id == "maxmin" and self.net:
                return calls.maxmin(node, [self._inside(arg.value) for arg in node.args], self.values)
            if entry is None and (name.id == "clip_swish" or (name.id == "swish" and calls.learned(node))):
                return calls.swish(node, name.id, self._inside, self.used, self.values, net=self.net)
            if entry is None and name.id == "delay" and self.net:
                return calls.delay(node, [self._inside(arg.value) for arg in node.args], self.values)
            if entry is None and name.id == "cayley":
                self._arguments(node)
                return self._bad(node.span, "a Cayley map is no value", calls.cayley_fix(node, self.values))
            if entry is None and name.id == "concat":
                return calls.concat(node, self._inside, self.used, self.values, net=self.net)
            if entry is None and name.id in HANDLED and not self.net:
                return structural(node, name.id, self.split, self.expr, self.values)
            if entry is None and name.id in BIJECTIONS:
                return bends.bend(node, BIJECTIONS[name.id], self._inside, self.values)
            if entry is None and name.id in (*STRUCTURAL, *CONDITIONER_FUNCTIONS):
                not_yet(self.values.bag, node.span, f"the function `{name.id}`")
        if value is None and self.values.names.silent(name.id):
            self._arguments(node)
            return None
        if self.values.names.unknown(name.id) and name.id not in BUILTIN:
            return self._unknown(name, applied=True)
        if indices:
            return self._bad(node.fn.span, f"`{name.id}` takes no indices")
        act = self.act(name, node.args[1:], node.fn.span, self.values)
        if not node.args or node.args[0].name is not None:
            if act is not None:
                self.values.bag.error("E0210", node.span, f"`{name.id}` needs an argument", "nothing to apply it to")
            return None
        argument = self._inside(node.args[0].value)
        if act is None or argument is None:
            return None
        return Typed(ir.Apply(act, argument.expr, node.span), argument.shape)

    def _layer(self, node: ast.Apply, entry: Entry, call: ast.Call) -> Typed | None:
        """A layer applied."""
        if self.layer is None:
            not_yet(self.values.bag, node.span, "a layer applied in a net or an activation")
        if self.sums or self.free:
            not_yet(self.values.bag, node.span, "a layer applied for each value of an index")
        args = [self._inside(arg.value) for arg in node.args if arg.name is None]
        return self.layer(node, entry, call, args[0] if args else None)

    def _call(self, node: ast.Apply, name: ast.Name, param: ir.Param, indices: tuple[str, ...]) -> list[Typed] | None:
        self.used.add(name.id)
        args = [self._inside(arg.value) for arg in node.args]
        return calls.call(node, name, param, indices, args, self.values)

    def _chained(self, node: ast.Apply, fn: ast.Reduce) -> Typed | None:
        """`chain[l](B[l])(e)`"""
        args = [self._inside(arg.value) for arg in node.args]
        match fn.indices, fn.body:
            case (index,), ast.At(base=ast.Name() as name, indices=(ast.Name(id=given),)) if given == index.id:
                pass
            case _:
                return self._bad(fn.span, "a chain follows one index of a family", Fix("write `chain[l](B[l])(x)`"))
        if self._index(index) is None:
            return None
        param = self._net(name)
        if param is None:
            if not self.values.names.silent(name.id):
                self._bad(fn.body.span, f"`{name.id}` is no family of nets")
            return None
        self.used.add(name.id)
        if not calls.family(name, param.indices, (index.id,), fn.body.span, self.values):
            return None
        return calls.chained(node, fn, param, index.id, args[0] if args else None, self.values)

    def _inside(self, node: ast.Expr) -> Typed | None:
        """The argument of a map or activation: the sums around it contract nothing in there."""
        outer, self.direct = self.direct, set()
        result = self.expr(node)
        self.direct = outer
        return result

    def _arguments(self, node: ast.Apply) -> None:
        for arg in node.args:
            self.expr(arg.value)

    def _linear(self, node: ast.Apply, name: ast.Name, param: ir.Param, indices: tuple[str, ...]) -> Typed | None:
        self.used.add(name.id)
        if isinstance(param.kind, ir.Elementwise):
            self._arguments(node)
            word, sign = ("scale", "*") if param.kind.kind == "scale" else ("bias", "+")
            title = f"`{name.id}` is a {word}, which is {'multiplied' if sign == '*' else 'added'} and not applied"
            return self._bad(node.span, title, Fix(f"write `{name.id} {sign} ...`", text=sign))
        if len(node.args) != 1 or node.args[0].name is not None:
            self.values.bag.error("E0210", node.span, f"`{name.id}` takes one argument", f"{len(node.args)} given")
            return None
        argument = self._inside(node.args[0].value)
        if argument is None or not calls.family(name, param.indices, indices, node.fn.span, self.values):
            return None
        for own, used in zip(param.indices, indices, strict=True):
            if used in self.direct:
                self.summed.setdefault(name.id, set()).add(own)
        if argument.shape is None:
            return self._bad(node.args[0].span, f"`{name.id}` acts on a tensor, this is a number")
        if argument.shape != param.source:
            self.values.bag.error(
                "E0301",
                node.args[0].value.span,
                f"shapes do not match: `{name.id}` takes `{param.source}`, this is `{argument.shape}`",
                str(argument.shape),
                also=(Label(param.span, f"`{name.id}` is declared here"),),
            )
            return None
        return Typed(ir.Linear(name.id, indices, argument.expr, node.span), param.target)


_MISMATCH = "mismatch"
