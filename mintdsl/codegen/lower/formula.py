"""Formulas to tensor statements: value, diagonal of the Jacobian, fibres, bounds.

An expression with free indices i, j on Image[C, H, W] is a tensor [B, i, j, C, H, W], its index axes in the order of
declaration; constants have no batch axis. A sum of applied maps is one convolution with the families folded into
channel groups; its diagonal a small contraction over the same families, by the rule that the checker used (COMP, SUM).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mintdsl.codegen.lower import bends, calls
from mintdsl.codegen.lower.code import ONE, ZERO, Algebra, Code, act_functions, letters, moved, rank_of, shown
from mintdsl.codegen.lower.maps import map_of
from mintdsl.codegen.naming import LOCALS
from mintdsl.codegen.shapes import event, real, size
from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.walks import chain, constant
from mintdsl.records import replace

LINE = 84  # characters of two operands on one line


@dataclass(slots=True)
class Lowering:
    """One walk over the formula of a layer or net.

    `mode` is value, rests, fibre, bound, or plain: no diagonal (nets).
    """

    layer: ir.Layer | ir.Net
    mode: str
    local: dict[str, str]
    members: dict[str, str]
    attributes: dict[str, str]
    anchors: dict[str, str]
    steepest: Callable[[ir.BuiltinAct | ir.DefinedAct], float | None]
    variable: Code | None = None
    variables: dict[str, Code] = field(default_factory=dict)  # parts of the variable
    around: str = ""  # a tensor whose batch, dtype and device are those at hand; the input if empty
    named: dict[int, Code] = field(default_factory=dict)  # arguments of exp and sigmoid: logarithms of factors
    spread: dict[str, Code] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    lets: dict[str, tuple[Code, Code]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    rests: list[str] = field(default_factory=list)
    at: str = "y"
    bounded: bool = True
    rank: int = field(init=False)
    order: tuple[str, ...] = field(init=False)
    algebra: Algebra = field(init=False)
    numbers: dict[str, int] = field(default_factory=dict)  # of names, the next number that may be free
    constants: dict[str, bool] = field(default_factory=dict)  # of lets, whether they do not contain the variable
    dense: dict[str, str] = field(default_factory=dict)  # of parameters that are kept as factors, their matrix
    indices: dict[str, str] = field(default_factory=dict)  # of permutations, their buffer
    called: dict[tuple[object, ...], list[Code]] = field(default_factory=dict)  # results of nets, each made once

    def __post_init__(self) -> None:
        self.order = tuple(name for name, _ in self.layer.indices)
        self.algebra = Algebra(self.order)
        self.rank = len(self.event)

    @property
    def event(self) -> str:
        """Letters of the event axes."""
        return "chw" if self.layer.shape.kind == "Image" else "c"

    @property
    def input(self) -> str:
        """The variable of the map in the method at hand, of a net its first input."""
        return self.around or ("s" if self.mode == "fibre" else "x")

    def run_layer(self) -> tuple[Code, Code]:
        """Statements for every let, then value and diagonal of the result."""
        assert isinstance(self.layer, ir.Layer)
        self._lets()
        return self.expr(self.layer.result)

    def run(self) -> list[Code]:
        """Statements for every let, then the value of each result of a net."""
        assert isinstance(self.layer, ir.Net)
        self._lets()
        return [self.expr(result)[0] for result in self.layer.results]

    def _lets(self) -> None:
        self.begin()
        for let in self.layer.lets:
            self.let(let)
        self.at = "y"

    def begin(self) -> None:
        """The names of parameters and lets are taken."""
        self.taken |= set(self.local.values()) | LOCALS

    def let(self, let: ir.Let) -> None:
        """Statements for a let."""
        self.at = self.local[let.name]
        if self.mode in ("value", "plain"):
            self.lines.append(f"# {shown(let)}")
        value, diagonal = self.expr(let.value)
        self.constants[let.name] = self._constant(let.value)
        if self.mode != "bound" or self.constants[let.name]:
            if value.text != self.local[let.name]:
                self.lines.append(f"{self.local[let.name]} = {value.text}")
            value = replace(value, text=self.local[let.name], atom=True)
        if diagonal.rank and self.mode in ("value", "fibre", "bound"):
            diagonal = self.name(f"d_{self.local[let.name]}", diagonal)
        self.lets[let.name] = (value, diagonal)

    # ------------------------------------------------------------ naming and layout

    def name(self, wanted: str, code: Code) -> Code:
        """Assign `code` to a variable."""
        if code.text == wanted or (code.atom and code.text.isidentifier()):
            return code
        name = self.fresh(wanted)
        self.lines.append(f"{name} = {code.text}")
        return replace(code, text=name, atom=True)

    def fresh(self, wanted: str) -> str:
        """A variable that is called like this, or nearly."""
        name, n = wanted, self.numbers.get(wanted, 2)
        while name in self.taken:
            name, n = f"{wanted}_{n}", n + 1
        self.numbers[wanted] = n
        self.taken.add(name)
        return name

    def _short(self, a: Code, b: Code) -> tuple[Code, Code]:
        """The operands of a line, the longer one named first where the line would be too long."""
        for _ in range(2):
            if len(a.text) + len(b.text) <= LINE:
                break
            if len(a.text) >= len(b.text):
                a = self.name(f"{self.at}_term", a)
            else:
                b = self.name(f"{self.at}_term", b)
        return a, b

    def _binary(self, op: str, a: Code, b: Code) -> Code:
        return self.algebra.binary(op, *self._short(a, b))

    def _add(self, a: Code, b: Code) -> Code:
        return self.algebra.add(*(a, b) if ZERO in (a, b) else self._short(a, b))

    def _sub(self, a: Code, b: Code) -> Code:
        return self.algebra.sub(*(a, b) if ZERO in (a, b) else self._short(a, b))

    def mul(self, a: Code, b: Code) -> Code:
        return ZERO if ZERO in (a, b) else self.algebra.mul(*self._short(a, b))

    # ------------------------------------------------------------ expressions

    def expr(self, node: ir.Expr) -> tuple[Code, Code]:
        """Value and diagonal of `node`; in mode bound the value is unused and the diagonal a bound of its magnitude."""
        if id(node) in self.named:
            return self.named[id(node)], ZERO
        if isinstance(node, ir.Binary):
            return self._chain(node)
        if self.mode == "bound" and self._constant(node):
            return self._plain(node), ZERO
        match node:
            case ir.Var(name=name):
                own = ZERO if self.mode in ("plain", "constant") else ONE
                found = self.variable or self.variables.get(name)
                return found or calls.variable(self, node, self.rank), own
            case ir.Given():
                return calls.given(self, node), ZERO
            case ir.Scalar():
                return self._scalar(node), ZERO
            case ir.Value():
                return self._value(node), ZERO
            case ir.Ref():
                return self._ref(node)
            case ir.Neg():
                value, diagonal = self.expr(node.arg)
                return self.algebra.neg(value), diagonal if self.mode == "bound" else self.algebra.neg(diagonal)
            case ir.Apply():
                return self._apply(node)
            case ir.Linear():
                return self._contract(node, ())
            case ir.Sum():
                return self._sum(node.body, node.indices)
            case ir.Spread(arg=arg):
                return calls.spread(self, arg), ZERO
            case ir.Pick():
                return self.expr(node.arg)  # what stands at other places is not looked at
            case ir.Cayley(branch=branch):  # its module makes the map of it
                return self.expr(branch)
            case ir.Join() | ir.Inline() | ir.Exponential():
                raise AssertionError("parts of a join, layers that are applied and exponentials are written one by one")
            case ir.Call() | ir.Chain() if self.mode == "bound":
                return ZERO, ZERO  # it reads the variable, so strictly
            case ir.Call() | ir.Chain():
                return calls.call(self, node) if isinstance(node, ir.Call) else calls.chained(self, node), ZERO
            case ir.Concat() | ir.Delay() | ir.Pool() | ir.MaxMin() | ir.Swish():
                return calls.rearranged(self, node), ZERO
            case ir.Bend():
                return bends.lowered(self, node)

    def _plain(self, node: ir.Expr) -> Code:
        """The value of a node that does not contain the variable, in mode bound, where values are not tracked."""
        self.mode = "constant"  # a bound has no input to take the dtype and device of
        value, _ = self.expr(node)
        self.mode = "bound"
        return value

    def _scalar(self, node: ir.Scalar) -> Code:
        match node.value:
            case float() as value:
                text = repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
                return Code(text, atom=value >= 0)
            case Nat() as nat:
                text = size(nat, self.members)
                return Code(text, atom=" " not in text)
            case str() as name:
                return Code(real(name, self.members))

    def _value(self, node: ir.Value) -> Code:
        param = self.layer.param(node.param)
        assert isinstance(param.kind, ir.Elementwise)
        code = self.algebra.sort(Code(self.local[node.param], node.indices, False, rank_of(param.target)))
        if param.kind.per == "channel" and param.target.kind == "Any":
            return replace(code, text=f"by_channel({code.text}, self.event_shape)")
        if param.kind.per == "channel" and param.target.kind == "Image":
            return replace(code, text=f"{code.text}[..., None, None]")
        if param.kind.per == "channel" and param.target.kind == "Seq" and code.families:
            return replace(code, text=f"{code.text}[..., None, :]")
        return code

    def _ref(self, node: ir.Ref) -> tuple[Code, Code]:
        let = self.layer.let(node.name)
        renaming = dict(zip(let.indices, node.indices, strict=True))
        value, diagonal = self.lets[node.name]
        return tuple(
            self.algebra.sort(replace(c, families=tuple(renaming[i] for i in c.families))) for c in (value, diagonal)
        )  # type: ignore[return-value]

    def _chain(self, node: ir.Binary) -> tuple[Code, Code]:
        """A chain of operators, from its first operand on; in mode bound, what is constant at its start in one."""
        first, operations = chain(node)
        at = 0
        if self.mode == "bound" and self._constant(first):
            while at < len(operations) and self._constant(operations[at].right):
                at += 1
            result = self._plain(operations[at - 1] if at else first), ZERO
        else:
            result = self.expr(first)
        for operation in operations[at:]:
            result = self._arithmetic(operation, result, self.expr(operation.right))
        return result

    def _arithmetic(self, node: ir.Binary, left: tuple[Code, Code], right: tuple[Code, Code]) -> tuple[Code, Code]:
        (a, da), (b, db) = left, right
        if self.mode == "bound":
            return self._bound_arithmetic(node, (a, da), (b, db))
        match node.op:
            case "+":
                return self._binary("+", a, b), self._add(da, db)
            case "-":
                return self._binary("-", a, b), self._sub(da, db)
            case "*":
                return self._binary("*", a, b), self._add(self.mul(da, b), self.mul(a, db))
            case _:
                quotient = self._binary("/", a, b)
                top = da if db == ZERO else self._sub(da, self.mul(quotient, db))
                return quotient, ZERO if top == ZERO else self._binary("/", top, b)

    def _bound_arithmetic(
        self, node: ir.Binary, left: tuple[Code, Code], right: tuple[Code, Code]
    ) -> tuple[Code, Code]:
        (a, da), (b, db) = left, right
        if node.op in "+-":
            return ZERO, self._add(da, db)
        factor, diagonal = (b, da) if db == ZERO else (a, db)
        if diagonal == ZERO:
            return ZERO, ZERO
        if (
            not (da == ZERO or db == ZERO)
            or (node.op == "/" and db != ZERO)
            or factor.batch
            or not self._constant(node.right if factor is b else node.left)
        ):
            self.bounded = False  # a factor that varies with x has no bound here
            return ZERO, ZERO
        absolute = f"abs({factor.text})" if factor.rank == 0 else f"{factor.wrapped}.abs()"
        magnitude = replace(factor, text=absolute, atom=True)
        return ZERO, self._binary("/", diagonal, magnitude) if node.op == "/" else self.mul(magnitude, diagonal)

    def _apply(self, node: ir.Apply) -> tuple[Code, Code]:
        argument, diagonal = self.expr(node.arg)
        if self.mode == "bound":
            if diagonal == ZERO:
                return ZERO, ZERO
            if isinstance(node.act, ir.FormalAct):
                return ZERO, self.mul(Code(f"{self.members[node.act.name]}.steepest"), diagonal)
            steepest = self.steepest(node.act)
            if steepest is None:  # no finite bound
                self.bounded = False
                return ZERO, ZERO
            return ZERO, diagonal if steepest == 1.0 else self.mul(Code(repr(steepest)), diagonal)
        if argument.rank == 0:
            like = "torch.float64" if self.mode == "constant" else f"{self.input}.dtype, device={self.input}.device"
            argument = replace(argument, text=f"torch.as_tensor({argument.text}, dtype={like})")
        if isinstance(node.act, ir.DefinedAct):
            return self._inline(node.act, argument, diagonal)
        value, slope = act_functions(node.act, self.members)
        if self.variables and isinstance(node.act, ir.BuiltinAct) and node.act.name in ("exp", "sigmoid"):
            argument = self.named[id(node.arg)] = self.name(f"{self.at}_in", argument)
        if diagonal != ZERO and self.mode in ("value", "fibre"):
            argument = self.name(f"{self.at}_in", argument)
            slopes = replace(argument, text=slope(argument.text), atom=True)
            diagonal = self.mul(slopes, diagonal)
        return replace(argument, text=value(argument.text), atom=True), diagonal

    def inline(self, act: ir.DefinedAct, argument: Code) -> Code:
        """The value of an activation of the program at an argument."""
        return self._inline(act, argument, ZERO)[0]

    def _inline(self, act: ir.DefinedAct, argument: Code, diagonal: Code) -> tuple[Code, Code]:
        """An activation of the program is written out: its formula in the place of its name."""
        argument = self.name(f"{self.at}_in", argument)
        outer, self.variable = self.variable, argument
        around, self.named = self.named, {}  # the body has other values at each call
        value, slope = self.expr(act.body)
        self.variable, self.named = outer, around
        if value.rank == 0:
            value = replace(argument, text=f"torch.full_like({argument.text}, {value.text})", atom=True)
        return value, ZERO if diagonal == ZERO else self.mul(slope, diagonal)

    def _constant(self, node: ir.Expr) -> bool:
        return constant(node, self.constants)

    # ------------------------------------------------------------ sums and maps

    def _sum(self, body: ir.Expr, indices: tuple[str, ...]) -> tuple[Code, Code]:
        match body:
            case ir.Linear():
                return self._contract(body, indices)
            case ir.Neg():
                value, diagonal = self._sum(body.arg, indices)
                return self.algebra.neg(value), diagonal if self.mode == "bound" else self.algebra.neg(diagonal)
            case ir.Binary(op="+" | "-"):
                return self._sum_of_terms(body, indices)
            case ir.Sum():
                return self._sum(body.body, (*body.indices, *indices))
            case _:
                value, diagonal = self.expr(body)
                return self.algebra.total(value, indices), self.algebra.total(diagonal, indices)

    def _sum_of_terms(self, body: ir.Expr, indices: tuple[str, ...]) -> tuple[Code, Code]:
        terms: list[ir.Binary] = []
        while isinstance(body, ir.Binary) and body.op in "+-":
            terms.append(body)
            body = body.left
        value, diagonal = self._sum(body, indices)
        for term in reversed(terms):
            b, db = self._sum(term.right, indices)
            plus = term.op == "+" or self.mode == "bound"
            diagonal = self._add(diagonal, db) if plus else self._sub(diagonal, db)
            value = ZERO if self.mode == "bound" else self._binary(term.op, value, b)
        return value, diagonal

    def _contract(self, node: ir.Linear, summed: tuple[str, ...]) -> tuple[Code, Code]:
        """`sum[summed](W[...](e))`: one folded map, and its diagonal."""
        argument, diagonal = self.expr(node.arg)
        param = self.layer.param(node.param)
        kind = param.kind
        if isinstance(kind, ir.Ready):
            return self.algebra.total(calls.applied(self, param, argument), summed), ZERO
        if isinstance(kind, ir.Normalize):
            value, slope = self._normalize(param, kind, argument, diagonal)
            return self.algebra.total(value, summed), self.algebra.total(slope, summed)
        if isinstance(kind, ir.Perm):  # of a constant: anything else it makes dense
            shape = event(param.source, self.layer, self.members)
            full = replace(argument, text=f"spread({argument.text}, {shape})", atom=True)
            text = moved(param, self.name("term", full).text, self.indices[param.name])
            return self.algebra.total(replace(argument, text=text, atom=True), summed), ZERO
        assert isinstance(kind, (ir.Conv, ir.Dense))
        has_diagonal = kind.direction is not None and not kind.strict
        d_param = Code(f"d_{self.local[param.name]}", node.indices, False, 1)
        d_out = self._diagonal(d_param, diagonal, summed) if has_diagonal and diagonal != ZERO else ZERO
        if self.mode == "bound":
            return ZERO, d_out
        if self.mode == "fibre":
            own = self._diagonal(d_param, argument, summed) if has_diagonal else ZERO
            rest = self._rest(node, argument, summed)
            return self._add(own, rest), d_out
        value = map_of(self, node, param, argument, summed)
        if self.mode == "rests":
            value = self.name(f"{self.at}_out", value)
            own = self._diagonal(d_param, argument, summed) if has_diagonal else ZERO
            self.rests.append(self._sub(value, own).text)
        return value, d_out

    def _normalize(self, param: ir.Param, kind: ir.Normalize, argument: Code, diagonal: Code) -> tuple[Code, Code]:
        """Scale and shift of the statistics: affine in each element."""
        name = self.local[param.name]
        if self.mode == "bound":
            scale = Code(f'running_scale(self, "{param.name}", {kind.eps!r})', (), False, self.rank)
            return ZERO, self.mul(scale, diagonal)
        argument = self.name(f"{self.at}_in", argument)
        left = f"{name}_scale, {name}_shift"
        self.lines.append(
            f'{left} = normalizer(self, "{param.name}", {argument.text}, {kind.eps!r}, {kind.momentum!r})'
        )
        scale = Code(f"{name}_scale", (), False, self.rank)
        value = self._binary("*", scale, argument)
        value = self._binary("+", value, Code(f"{name}_shift", (), False, self.rank))
        return value, self.mul(scale, diagonal)

    def _rest(self, node: ir.Linear, argument: Code, summed: tuple[str, ...]) -> Code:
        kept = tuple(i for i in self.order if i in (*node.indices, *argument.families) and i not in summed)
        code = Code(f"rests[{len(self.rests)}]", kept, True, self.rank)
        self.rests.append(code.text)
        return code

    def _diagonal(self, d_param: Code, other: Code, summed: tuple[str, ...]) -> Code:
        """sum over `summed` of diag(W) times a diagonal (or values): the contraction of rules COMP and SUM."""
        if self.mode == "bound":
            d_param = replace(d_param, text=f"{d_param.text}.abs()")
        named = letters((*d_param.families, *other.families, *summed))
        kept = tuple(i for i in self.order if i in (*d_param.families, *other.families) and i not in summed)
        lost = [i for i in summed if i not in (*d_param.families, *other.families)]
        if other == ONE or (other.rank == 0):
            result = self.algebra.sort(self.algebra.total(d_param, tuple(i for i in summed if i in d_param.families)))
            if self.rank > 1:
                result = replace(result, text=f"{result.wrapped}[..., None, None]", atom=True)
            result = replace(result, rank=self.rank)
            result = result if other == ONE else self.mul(other, result)
        elif not other.families and not d_param.families and not summed:
            text = f"{d_param.text}[:, None, None]" if self.rank > 1 else d_param.text
            result = self.mul(replace(d_param, text=text, rank=self.rank), other)
        else:
            first = "".join(named[i] for i in d_param.families) + "c"
            lead = "b" if other.batch else ""
            second = lead + "".join(named[i] for i in other.families) + self.event
            output = lead + "".join(named[i] for i in kept) + self.event
            if len(other.text) > 45:
                other = self.name(f"{self.at}_term", other)
            text = f'torch.einsum("{first},{second}->{output}", {d_param.text}, {other.text})'
            result = Code(text, kept, other.batch, self.rank)
        for index in lost:
            result = self.mul(Code(f'self.extents["{index}"]'), result)
        return result
