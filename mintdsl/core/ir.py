"""The typed core: what a program means once names, shapes and ties are settled.

Definitions are elaborated once, with their Nat and Dir formals symbolic. Formals of the other types stay references
(`FormalAct("h")`), bound anew for each distinct value that the program uses.
"""

from __future__ import annotations

from typing import TypeAlias

from mintdsl.core.interval import Interval
from mintdsl.core.map_kinds import (
    Attention as Attention,
    Conv as Conv,
    Dense as Dense,
    Elementwise as Elementwise,
    LayerNorm as LayerNorm,
    MapKind as MapKind,
    Normalize as Normalize,
    Perm as Perm,
    Ready as Ready,
)
from mintdsl.core.nat import Nat
from mintdsl.core.ops import (
    SILENT as SILENT,
    Classify as Classify,
    Dequantize as Dequantize,
    Flatten as Flatten,
    LogDet as LogDet,
    Logit as Logit,
    Move as Move,
    Moves as Moves,
    Pad as Pad,
    Patches as Patches,
    Permute as Permute,
    Prior as Prior,
    Reverse as Reverse,
    Single as Single,
    Squeeze as Squeeze,
    Standardize as Standardize,
    StandardizeData as StandardizeData,
    Transpose as Transpose,
    Use as Use,
)
from mintdsl.core.orders import Order
from mintdsl.core.terms import (
    Act as Act,
    Apply as Apply,
    Argument as Argument,
    Bend as Bend,
    Binary as Binary,
    BuiltinAct as BuiltinAct,
    Call as Call,
    Cayley as Cayley,
    Chain as Chain,
    Concat as Concat,
    DefinedAct as DefinedAct,
    Delay as Delay,
    Direction as Direction,
    Exponential as Exponential,
    Expr as Expr,
    Formal as Formal,
    FormalAct as FormalAct,
    FormalOrder as FormalOrder,
    Given as Given,
    InitCall as InitCall,
    Inline as Inline,
    Join as Join,
    Let as Let,
    Linear as Linear,
    MaxMin as MaxMin,
    Neg as Neg,
    Pick as Pick,
    Pool as Pool,
    Ref as Ref,
    Scalar as Scalar,
    Shape as Shape,
    Spread as Spread,
    Sum as Sum,
    Swish as Swish,
    Value as Value,
    Var as Var,
)
from mintdsl.records import derived, field, record
from mintdsl.source import Span
from mintdsl.syntax import ast

# ---------------------------------------------------------------- parameters


@record
class NetParam:
    """A net with parameters of its own: `definition` is its key, `net` what it means, `args` its formals' values.

    It takes one tensor for each of `sources` and gives one for each of `targets`.
    """

    definition: str
    args: tuple[tuple[str, Argument], ...]
    sources: tuple[Shape, ...]
    targets: tuple[Shape, ...]
    net: Net = field(compare=False, repr=False)


@record
class LayerParam:
    """A layer that a formula applies, with parameters of its own: `definition` is its key, `layer` what it means.

    It acts on `place`; `args` are its formals' values, `given` the shape of the context that it gets, if it takes one.
    """

    definition: str
    args: tuple[tuple[str, Argument], ...]
    place: Shape
    given: Shape | None
    layer: Layer = field(compare=False, repr=False)


Kind: TypeAlias = MapKind | NetParam | LayerParam


@record
class Bound:
    """A constraint on the diagonal, determinant or norm: which (`cmp` as in the registry), its numbers, how it is kept.

    `formal` is the Real formal that stands where a number would; then `numbers` is empty, and `interval` all of R.
    """

    cmp: str
    numbers: tuple[float, ...]
    via: str
    interval: Interval
    span: Span = field(compare=False, repr=False)
    quantity: str = "diag"
    formal: str = ""


@record
class Factor:
    """A factor `diag(name[indices])` of a tie."""

    name: str
    indices: tuple[str, ...]


@record
class Pivot:
    """How a tie binds this parameter: its diagonal is |raw| * sign * the signs of `others` (sign(0) = 0)."""

    indices: tuple[str, ...]
    others: tuple[Factor, ...]
    sign: int
    span: Span = field(compare=False, repr=False)


@record
class Param:
    """A parameter or family of parameters, acting from `source` to `target`.

    `summed` are the indices that a sum contracts where it is used: with the inputs they make the fan in.
    """

    name: str
    indices: tuple[str, ...]
    kind: Kind
    source: Shape
    target: Shape
    bound: Bound | None
    pivot: Pivot | None
    init: InitCall
    summed: tuple[str, ...]
    doc: str | None
    span: Span = field(compare=False, repr=False)

    @property
    def factored(self) -> bool:
        """Whether it is a square matrix with a constraint on its determinant."""
        return self.bound is not None and self.bound.quantity == "det"

    @property
    def limited(self) -> bool:
        """Whether its norm is constrained."""
        return self.bound is not None and self.bound.quantity == "lip"


# ---------------------------------------------------------------- definitions


@record
class Claim:
    """A claim: `what` is a class word or a quantity; `cmp` and `value` for a bound, `word` for a kind."""

    what: str
    cmp: str = ""
    value: float = 0.0
    strict: bool = False
    word: str = ""
    span: Span = field(default=Span("", 0, 0), compare=False, repr=False)

    def __str__(self) -> str:
        if self.cmp:
            return f"{self.what} {self.cmp} {self.value:g}"
        if self.word:
            return f"{self.what} {self.word}"
        return f"strict {self.what}" if self.strict else self.what


@record
class Context:
    """`given name : shape`: what a layer or flow takes besides its variable. It is constant to the proof."""

    name: str
    shape: Shape
    span: Span = field(compare=False, repr=False)


@record
class Split:
    """How a layer's variable is cut into `parts`, named in the order in which they are written.

    `how` is a registered mask or the name of a declared one. A place belongs to the part at
    (residue - start) mod (number of parts); `residue` of blocks is the number of the block, of strided parts the
    channel, and of a mask `functional` the value of that combination of coordinates (the last entry a constant).
    """

    how: str
    parts: tuple[str, ...]
    shapes: tuple[Shape, ...]
    start: Nat
    functional: tuple[int, ...] | None
    span: Span = field(compare=False, repr=False)


@record
class Layer:
    """A layer: parameters, `lets` in order, and the result, as functions of one variable on `shape`.

    The layers that its formula applies are its last parameters, named by callee and ordinal.

    With a `split` the formulas read its parts and not the variable, and the result is a `Join`.
    """

    __slots__ = ("bends", "nested", "tables", "written")
    name: str
    formals: tuple[Formal, ...]
    shape: Shape
    claims: tuple[Claim, ...]
    order: Order | FormalOrder
    indices: tuple[tuple[str, Nat], ...]
    params: tuple[Param, ...]
    variable: str
    lets: tuple[Let, ...]
    result: Expr
    split: Split | None
    given: Context | None
    doc: str | None
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)
    shape_span: Span = field(compare=False, repr=False)

    @property
    def results(self) -> tuple[tuple[str, Expr], ...]:
        """Each variable with the formula of what becomes of it: one, or one for each part of the split."""
        if self.split is None:
            return ((self.variable, self.result),)
        assert isinstance(self.result, Join)
        return tuple(zip(self.split.parts, self.result.parts, strict=True))

    def param(self, name: str) -> Param:
        """The parameter called `name`."""
        return derived(self, "tables", _tables)[0][name]

    def let(self, name: str) -> Let:
        """The let called `name`."""
        return derived(self, "tables", _tables)[1][name]


@record
class Net:
    """A net: parameters, lets, and `results`, each in a shape of `targets`, of its `inputs`. It claims nothing.

    An `extern` net has only its shapes: the user gives its module, so every result may read all of every input.
    """

    __slots__ = ("bends", "nested", "tables", "written")
    name: str
    formals: tuple[Formal, ...]
    inputs: tuple[tuple[str, Shape], ...]
    targets: tuple[Shape, ...]
    order: Order | FormalOrder
    indices: tuple[tuple[str, Nat], ...]
    params: tuple[Param, ...]
    lets: tuple[Let, ...]
    results: tuple[Expr, ...]
    doc: str | None
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)
    shape_span: Span = field(compare=False, repr=False)
    extern: bool = False

    @property
    def shape(self) -> Shape:
        """The shape of the first input."""
        return self.inputs[0][1]

    @property
    def places(self) -> tuple[Shape, ...]:
        """The shapes whose sizes a use binds: those of the inputs, then those of the results."""
        return (*(shape for _, shape in self.inputs), *self.targets)

    def param(self, name: str) -> Param:
        """The parameter called `name`."""
        return derived(self, "tables", _tables)[0][name]

    def let(self, name: str) -> Let:
        """The let called `name`."""
        return derived(self, "tables", _tables)[1][name]


def formulas(owner: Layer | Net) -> tuple[Expr, ...]:
    """The values of the lets, then the results."""
    return (*(item.value for item in owner.lets), *(owner.results if isinstance(owner, Net) else (owner.result,)))


def net_params(owner: Layer | Net) -> tuple[tuple[Param, NetParam], ...]:
    """The parameters that are nets."""
    return tuple((p, p.kind) for p in owner.params if isinstance(p.kind, NetParam))


def applied_layers(owner: Layer | Net) -> tuple[tuple[Param, LayerParam], ...]:
    """The parameters that are layers which the formula applies, one for each application."""
    return tuple((p, p.kind) for p in owner.params if isinstance(p.kind, LayerParam))


def used_below(owner: Layer | Net) -> tuple[NetParam | LayerParam, ...]:
    """The nets and layers among the parameters."""
    return tuple(p.kind for p in owner.params if isinstance(p.kind, (NetParam, LayerParam)))


def _tables(owner: Layer | Net) -> tuple[dict[str, Param], dict[str, Let]]:
    return {p.name: p for p in owner.params}, {item.name: item for item in owner.lets}


@record
class FactorOut:
    """Half of the channels, coordinates or features leave for the latent; `keep` is the half that goes on.

    With a net `prior` what leaves is (u - m) exp(-s), where the net makes m and s of the half that goes on.
    """

    keep: str
    prior: NetParam | None = None


@record
class Ode:
    """The value at `until` of the solution of dz/dt = field(z, t) that starts at t = 0 in the variable.

    `method` is a solver of the registry and `tol` its tolerance of a step; the trace of the field's Jacobian is exact,
    or estimated with `probes` draws of noise.
    """

    field: NetParam
    method: str
    until: float
    tol: float
    probes: int | None = None


@record
class Repeat:
    """`count` copies of the steps, each with parameters of its own."""

    count: Nat
    steps: tuple[Step, ...]


@record
class Pair:
    """One lower and one upper layer of one order."""

    steps: tuple[Step, ...]


Op: TypeAlias = Single | FactorOut | Ode | Repeat | Pair


@record
class Step:
    """A step of a flow: `name` is its key in state dicts, `shape` what enters, `result` what leaves."""

    name: str
    op: Op
    shape: Shape
    result: Shape
    span: Span = field(compare=False, repr=False)


@record
class Flow:
    """A flow: its steps in order.

    What it ends in is the last shape; where parts leave on the way, the latent is flat: what left first, in order, then
    the last shape.
    """

    __slots__ = ("halved",)
    name: str
    formals: tuple[Formal, ...]
    shape: Shape
    claims: tuple[Claim, ...]
    steps: tuple[Step, ...]
    given: Context | None
    doc: str | None
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)
    shape_span: Span = field(compare=False, repr=False)

    @property
    def left(self) -> tuple[Step, ...]:
        """The steps at which a part leaves; each part has the shape that its step leaves for the others."""
        return derived(self, "halved", lambda own: tuple(s for s in own.steps if isinstance(s.op, FactorOut)))

    @property
    def normal(self) -> tuple[int, ...]:
        """The numbers of the parts that leave through a net: in the latent these are standard normal."""
        ops = (step.op for step in self.left)
        return tuple(k for k, op in enumerate(ops) if isinstance(op, FactorOut) and op.prior is not None)


Definition: TypeAlias = Layer | Flow


@record
class Program:
    """Every elaborated layer and flow by key (`file::name`), the nets, and which definitions the main file makes."""

    definitions: dict[str, Definition]
    nets: dict[str, Net]
    main: tuple[str, ...]
    modules: dict[str, ast.Module] = field(compare=False, repr=False)

    def callable(self, key: str) -> Definition | Net:
        """The layer, flow or net of a key."""
        return self.nets[key] if key in self.nets else self.definitions[key]

    def find(self, name: str) -> str | None:
        """The key of the definition called `name` that the main file defines, else of an imported one."""
        keys = [k for k in (*self.main, *self.definitions) if k.rpartition("::")[2] == name]
        return keys[0] if keys else None
