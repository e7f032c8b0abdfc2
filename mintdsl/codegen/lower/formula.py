"""Formulas to tensor statements: value, diagonal of the Jacobian, fibres, bounds.

An expression with free indices i, j on Image[C, H, W] is a tensor [B, i, j, C, H, W], its index axes in the order of
declaration; constants have no batch axis. A sum of applied maps is one convolution with the families folded into
channel groups; its diagonal a small contraction over the same families, by the rule that the checker used (COMP, SUM).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from mintdsl.codegen.shapes import attribute, real, size
from mintdsl.core import ir
from mintdsl.core.nat import Nat

LETTERS = "ijklmnopqrstuvxyz"


@dataclass(frozen=True, slots=True)
class Code:
    """A tensor expression: `families` are its index axes, `batch` whether it has a batch axis, `rank` of the event.

    `atom` says that it needs no brackets. Rank 0 is a plain number.
    """

    text: str
    families: tuple[str, ...] = ()
    batch: bool = False
    rank: int = 0
    atom: bool = True

    @property
    def wrapped(self) -> str:
        """With brackets where an operator needs them."""
        return self.text if self.atom else f"({self.text})"


ZERO = Code("0.0")
ONE = Code("1.0")


@dataclass(slots=True)
class Lowering:
    """One walk over the formula of a layer. `mode` is value, rests, fibre or bound."""

    layer: ir.Layer
    mode: str
    anchors: dict[str, str]
    steepest: Callable[[ir.Act], str | None]
    lines: list[str] = field(default_factory=list)
    lets: dict[str, tuple[Code, Code]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    rests: list[str] = field(default_factory=list)
    at: str = "y"
    bounded: bool = True

    @property
    def event(self) -> str:
        """Letters of the event axes."""
        return "chw" if self.layer.shape.kind == "Image" else "c"

    @property
    def rank(self) -> int:
        return len(self.event)

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.layer.indices)

    def run(self) -> tuple[Code, Code]:
        """Statements for every let, then value and diagonal of the result."""
        self.taken |= {p.name for p in self.layer.params} | {"x", "w", "y", "s", "z"}
        for let in self.layer.lets:
            self.at = let.name
            if self.mode == "value":
                self.lines.append(f"# {_source(let)}")
            value, diagonal = self.expr(let.value)
            if self.mode != "bound":
                value = self._name(let.name, value)
            if diagonal not in (ZERO, ONE) and self.mode in ("value", "fibre", "bound"):
                diagonal = self._name(f"d_{let.name}", diagonal)
            self.lets[let.name] = (value, diagonal)
        self.at = "y"
        return self.expr(self.layer.result)

    # ------------------------------------------------------------ naming and layout

    def _name(self, wanted: str, code: Code) -> Code:
        """Assign `code` to a variable."""
        if code.text == wanted or (code.atom and code.text.isidentifier()):
            return code
        name, n = wanted, 2
        while name in self.taken:
            name, n = f"{wanted}_{n}", n + 1
        self.taken.add(name)
        self.lines.append(f"{name} = {code.text}")
        return replace(code, text=name, atom=True)

    def _sorted(self, code: Code) -> Code:
        """With its index axes in the order of declaration."""
        order = tuple(i for i in self.order if i in code.families)
        if order == code.families:
            return code
        first = 1 if code.batch else 0
        axes = [*range(first), *(first + code.families.index(i) for i in order)]
        axes += range(len(axes), len(axes) + code.rank)
        return replace(code, text=f"{code.wrapped}.permute({', '.join(map(str, axes))})", families=order, atom=True)

    def _align(self, code: Code, families: tuple[str, ...], batch: bool) -> Code:
        """With singleton axes so that it broadcasts against `families`."""
        if code.rank == 0 or code.families == families or not code.families and not code.batch:
            return code
        code = self._sorted(code)
        missing = [i for i in families if i not in code.families]
        if not missing:
            return code
        inner = (
            families
            if code.batch
            else tuple(i for i in families if families.index(i) >= families.index(code.families[0]))
        )
        index = [":"] * code.batch + [":" if i in code.families else "None" for i in inner]
        while index and index[-1] == ":":
            index.pop()
        if "None" not in index:
            return code
        return replace(code, text=f"{code.wrapped}[{', '.join(index)}]", atom=True, families=families)

    def _binary(self, op: str, a: Code, b: Code) -> Code:
        families = tuple(i for i in self.order if i in a.families or i in b.families)
        batch = a.batch or b.batch
        a, b = self._align(a, families, batch), self._align(b, families, batch)
        left = a.wrapped if op in "*/" else a.text
        right = b.wrapped if op in "*/-" else b.text
        return Code(f"{left} {op} {right}", families, batch, max(a.rank, b.rank), atom=False)

    def _add(self, a: Code, b: Code) -> Code:
        if a == ZERO:
            return b
        return a if b == ZERO else self._binary("+", a, b)

    def _sub(self, a: Code, b: Code) -> Code:
        if b == ZERO:
            return a
        return self._neg(b) if a == ZERO else self._binary("-", a, b)

    def _mul(self, a: Code, b: Code) -> Code:
        if ZERO in (a, b):
            return ZERO
        if a == ONE:
            return b
        return a if b == ONE else self._binary("*", a, b)

    def _neg(self, a: Code) -> Code:
        return a if a == ZERO else replace(a, text=f"-{a.wrapped}", atom=False)

    # ------------------------------------------------------------ expressions

    def expr(self, node: ir.Expr) -> tuple[Code, Code]:
        """Value and diagonal of `node`; in mode bound the value is unused and the diagonal a bound of its magnitude."""
        match node:
            case ir.Var():
                return Code("s" if self.mode == "fibre" else "x", (), True, self.rank), ONE
            case ir.Scalar():
                return self._scalar(node), ZERO
            case ir.Value():
                return self._value(node), ZERO
            case ir.Ref():
                return self._ref(node)
            case ir.Neg():
                value, diagonal = self.expr(node.arg)
                return self._neg(value), diagonal if self.mode == "bound" else self._neg(diagonal)
            case ir.Binary():
                return self._arithmetic(node)
            case ir.Apply():
                return self._apply(node)
            case ir.Linear():
                return self._contract(node, ())
            case ir.Sum():
                return self._sum(node.body, node.indices)

    def _scalar(self, node: ir.Scalar) -> Code:
        match node.value:
            case float() as value:
                text = repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
                return Code(text, atom=value >= 0)
            case Nat() as nat:
                text = size(nat)
                dims = {str(d): f"self.event_shape[{i}]" for i, d in enumerate(self.layer.shape.dims)}
                for symbol in nat.symbols:
                    text = _replace_word(text, symbol, dims.get(symbol, f"self.{attribute(symbol)}"))
                return Code(text, atom=text.isidentifier())
            case str() as name:
                return Code(real(name))

    def _value(self, node: ir.Value) -> Code:
        param = self.layer.param(node.param)
        assert isinstance(param.kind, ir.Elementwise)
        code = Code(node.param, node.indices, False, self.rank)
        if param.kind.per == "channel" and self.rank > 1:
            code = replace(code, text=f"{node.param}[..., None, None]")
        return self._sorted(code)

    def _ref(self, node: ir.Ref) -> tuple[Code, Code]:
        let = self.layer.let(node.name)
        renaming = dict(zip(let.indices, node.indices, strict=True))
        value, diagonal = self.lets[node.name]
        return tuple(
            self._sorted(replace(c, families=tuple(renaming[i] for i in c.families))) for c in (value, diagonal)
        )  # type: ignore[return-value]

    def _arithmetic(self, node: ir.Binary) -> tuple[Code, Code]:
        (a, da), (b, db) = self.expr(node.left), self.expr(node.right)
        if self.mode == "bound":
            return self._bound_arithmetic(node, (a, da), (b, db))
        match node.op:
            case "+":
                return self._add_values(a, b), self._add(da, db)
            case "-":
                return self._sub_values(a, b), self._sub(da, db)
            case "*":
                return self._binary("*", a, b), self._add(self._mul(da, b), self._mul(a, db))
            case _:
                return self._binary("/", a, b), ZERO if da == ZERO else self._binary("/", da, b)

    def _add_values(self, a: Code, b: Code) -> Code:
        return self._binary("+", a, b)

    def _sub_values(self, a: Code, b: Code) -> Code:
        return self._binary("-", a, b)

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
            or factor.batch
            or not _constant(node.right if factor is b else node.left, self.layer)
        ):
            self.bounded = False  # a factor that varies with x has no bound here
            return ZERO, ZERO
        magnitude = replace(
            factor, text=f"abs({factor.text})" if factor.rank == 0 else f"{factor.wrapped}.abs()", atom=True
        )
        return ZERO, self._binary("/", diagonal, magnitude) if node.op == "/" else self._mul(magnitude, diagonal)

    def _apply(self, node: ir.Apply) -> tuple[Code, Code]:
        argument, diagonal = self.expr(node.arg)
        if self.mode == "bound":
            steepest = self.steepest(node.act)
            if diagonal == ZERO:
                return ZERO, ZERO
            if steepest is None:
                self.bounded = False
                return ZERO, ZERO
            return ZERO, self._mul(Code(steepest), diagonal) if steepest != "1.0" else diagonal
        value, slope = _act_functions(node.act)
        if argument.rank == 0:
            argument = replace(argument, text=f"torch.as_tensor({argument.text}, dtype=x.dtype, device=x.device)")
        if diagonal != ZERO and self.mode in ("value", "fibre"):
            argument = self._name(f"{self.at}_in", argument)
            slopes = replace(argument, text=slope(argument.text), atom=True)
            diagonal = self._mul(slopes, diagonal)
        return replace(argument, text=value(argument.text), atom=True), diagonal

    # ------------------------------------------------------------ sums and maps

    def _sum(self, body: ir.Expr, indices: tuple[str, ...]) -> tuple[Code, Code]:
        match body:
            case ir.Linear():
                return self._contract(body, indices)
            case ir.Neg():
                value, diagonal = self._sum(body.arg, indices)
                return self._neg(value), diagonal if self.mode == "bound" else self._neg(diagonal)
            case ir.Binary(op="+" | "-"):
                (a, da), (b, db) = self._sum(body.left, indices), self._sum(body.right, indices)
                if self.mode == "bound":
                    return ZERO, self._add(da, db)
                plus = body.op == "+"
                return (
                    self._add_values(a, b) if plus else self._sub_values(a, b),
                    self._add(da, db) if plus else self._sub(da, db),
                )
            case ir.Sum():
                return self._sum(body.body, (*body.indices, *indices))
            case _:
                value, diagonal = self.expr(body)
                return self._total(value, indices), self._total(diagonal, indices)

    def _total(self, code: Code, indices: tuple[str, ...]) -> Code:
        """Sum over index axes; an index that it lacks counts its extent."""
        if code == ZERO:
            return ZERO
        present = [i for i in indices if i in code.families]
        if present:
            first = 1 if code.batch else 0
            axes = tuple(first + code.families.index(i) for i in present)
            families = tuple(i for i in code.families if i not in present)
            shown = str(axes[0]) if len(axes) == 1 else str(axes)
            code = replace(code, text=f"{code.wrapped}.sum({shown})", families=families, atom=True)
        for index in indices:
            if index not in present:
                code = self._mul(Code(f"self.extents[{index!r}]".replace("'", '"')), code)
        return code

    def _contract(self, node: ir.Linear, summed: tuple[str, ...]) -> tuple[Code, Code]:
        """`sum[summed](W[...](e))`: one folded map, and its diagonal."""
        argument, diagonal = self.expr(node.arg)
        param = self.layer.param(node.param)
        kind = param.kind
        assert isinstance(kind, (ir.Conv, ir.Dense))
        has_diagonal = kind.direction is not None and not kind.strict
        d_param = Code(f"d_{param.name}", node.indices, False, 1)
        d_out = self._diagonal(d_param, diagonal, summed) if has_diagonal and diagonal != ZERO else ZERO
        if self.mode == "bound":
            return ZERO, d_out
        if self.mode == "fibre":
            own = self._diagonal(d_param, argument, summed) if has_diagonal else ZERO
            rest = self._rest(node, argument, summed)
            return self._add(own, rest), d_out
        value = self._map(node, param, argument, summed)
        if self.mode == "rests":
            value = self._name(f"{self.at}_out", value)
            own = self._diagonal(d_param, argument, summed) if has_diagonal else ZERO
            self.rests.append(self._sub(value, own).text)
        return value, d_out

    def _rest(self, node: ir.Linear, argument: Code, summed: tuple[str, ...]) -> Code:
        families = set(node.indices) | set(argument.families)
        kept = tuple(i for i in self.order if i in families and i not in summed)
        code = Code(f"rests[{len(self.rests)}]", kept, True, self.rank)
        self.rests.append(code.text)
        return code

    def _diagonal(self, d_param: Code, other: Code, summed: tuple[str, ...]) -> Code:
        """sum over `summed` of diag(W) times a diagonal (or values): the contraction of rules COMP and SUM."""
        if self.mode == "bound":
            d_param = replace(d_param, text=f"{d_param.text}.abs()")
        letters = self._letters((*d_param.families, *other.families, *summed))
        kept = tuple(i for i in self.order if i in (*d_param.families, *other.families) and i not in summed)
        lost = [i for i in summed if i not in (*d_param.families, *other.families)]
        if other == ONE or (other.rank == 0):
            result = self._total(d_param, tuple(i for i in summed if i in d_param.families))
            result = self._sorted(result)
            if self.rank > 1:
                result = replace(result, text=f"{result.wrapped}[..., None, None]", atom=True)
            result = replace(result, rank=self.rank)
            result = result if other == ONE else self._mul(other, result)
        elif not other.families and not d_param.families and not summed:
            scale = replace(
                d_param, text=f"{d_param.text}[:, None, None]" if self.rank > 1 else d_param.text, rank=self.rank
            )
            result = self._mul(scale, other)
        else:
            first = "".join(letters[i] for i in d_param.families) + "c"
            lead = "b" if other.batch else ""
            second = lead + "".join(letters[i] for i in other.families) + self.event
            output = lead + "".join(letters[i] for i in kept) + self.event
            text = f'torch.einsum("{first},{second}->{output}", {d_param.text}, {other.text})'
            result = Code(text, kept, other.batch, self.rank)
        for index in lost:
            result = self._mul(Code(f'self.extents["{index}"]'), result)
        return result

    def _letters(self, indices: Sequence[str]) -> dict[str, str]:
        used: dict[str, str] = {}
        for index in dict.fromkeys(indices):
            own = index if len(index) == 1 and index in LETTERS and index not in used.values() else ""
            used[index] = own or next(c for c in LETTERS if c not in used.values() and c not in indices)
        return used

    def _map(self, node: ir.Linear, param: ir.Param, argument: Code, summed: tuple[str, ...]) -> Code:
        """The value of the folded map."""
        weight = Code(param.name, node.indices, False, 4 if isinstance(param.kind, ir.Conv) else 2)
        only_weight = tuple(i for i in summed if i in weight.families and i not in argument.families)
        if only_weight:
            weight = self._total(weight, only_weight)
        only_argument = tuple(i for i in summed if i in argument.families and i not in weight.families)
        if only_argument:
            argument = self._total(argument, only_argument)
        lost = [i for i in summed if i not in (*only_weight, *only_argument, *weight.families)]
        if not argument.batch:
            gaps = ", ".join([":", *["None"] * len(argument.families)])
            zeros = "torch.zeros_like(x)" + (f"[{gaps}]" if argument.families else "")
            argument = Code(f"{argument.text} + {zeros}", argument.families, True, self.rank, atom=False)
        both = [i for i in self.order if i in weight.families and i in argument.families]
        inputs = [i for i in both if i in summed]
        shared = [i for i in both if i not in summed]
        outputs = [i for i in self.order if i in weight.families and i not in both]
        rest = [i for i in self.order if i in argument.families and i not in both]
        weight = self._layout(weight, (*shared, *outputs, *inputs))
        argument = self._layout(argument, (*rest, *shared, *inputs))
        extra = ""
        if inputs:
            extra += f", inputs={len(inputs)}"
        if shared:
            extra += f", shared={len(shared)}"
        if isinstance(param.kind, ir.Conv):
            text = f"family_conv({argument.text}, {weight.text}, {self.anchors[param.name]}{extra})"
        else:
            text = f"family_linear({argument.text}, {weight.text}{extra})"
        result = self._sorted(Code(text, (*rest, *shared, *outputs), True, self.rank))
        for index in lost:
            result = self._mul(Code(f'self.extents["{index}"]'), result)
        return result

    def _layout(self, code: Code, families: tuple[str, ...]) -> Code:
        """With its index axes in the order `families`."""
        if code.families == families:
            return code
        first = 1 if code.batch else 0
        axes = [*range(first), *(first + code.families.index(i) for i in families)]
        axes += range(len(axes), len(axes) + code.rank)
        return replace(code, text=f"{code.wrapped}.permute({', '.join(map(str, axes))})", families=families, atom=True)


def _act_functions(act: ir.Act) -> tuple[Callable[[str], str], Callable[[str], str]]:
    match act:
        case ir.FormalAct():
            return (
                lambda v: f"self.{attribute(act.name)}.value({v})",
                lambda v: f"self.{attribute(act.name)}.slope({v})",
            )
        case ir.BuiltinAct():
            options = "".join(f", {real(o)}" for o in act.options)
            return lambda v: f"{act.name}_value({v}{options})", lambda v: f"{act.name}_slope({v}{options})"
        case ir.DefinedAct():
            return lambda v: f"{act.name}_value({v})", lambda v: f"{act.name}_slope({v})"


def _constant(node: ir.Expr, layer: ir.Layer) -> bool:
    """Whether `node` does not contain the variable."""
    match node:
        case ir.Var():
            return False
        case ir.Scalar() | ir.Value():
            return True
        case ir.Ref():
            return _constant(layer.let(node.name).value, layer)
        case ir.Linear() | ir.Apply() | ir.Neg():
            return _constant(node.arg, layer)
        case ir.Binary():
            return _constant(node.left, layer) and _constant(node.right, layer)
        case ir.Sum():
            return _constant(node.body, layer)


def _replace_word(text: str, word: str, by: str) -> str:
    return " ".join(by if part == word else part for part in text.split(" "))


def _source(let: ir.Let) -> str:
    return f"{let.name}[{', '.join(let.indices)}]" if let.indices else let.name
