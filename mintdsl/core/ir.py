"""The typed core: what a program means once names, shapes and ties are settled.

Definitions are elaborated once, with their Nat and Dir formals symbolic. Formals of the other types stay references
(`FormalAct("h")`), bound anew for each distinct value that the program uses.
"""

from __future__ import annotations

from typing import TypeAlias

from mintdsl.core.interval import Interval
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order
from mintdsl.core.terms import (
    Act as Act,
    Apply as Apply,
    Argument as Argument,
    Binary as Binary,
    BuiltinAct as BuiltinAct,
    DefinedAct as DefinedAct,
    Direction as Direction,
    Expr as Expr,
    Formal as Formal,
    FormalAct as FormalAct,
    FormalOrder as FormalOrder,
    InitCall as InitCall,
    Let as Let,
    Linear as Linear,
    Neg as Neg,
    Pool as Pool,
    Ref as Ref,
    Scalar as Scalar,
    Shape as Shape,
    Sum as Sum,
    Value as Value,
    Var as Var,
)
from mintdsl.records import derived, field, record
from mintdsl.source import Span
from mintdsl.syntax import ast

# ---------------------------------------------------------------- parameters


@record
class Elementwise:
    """A scale or a bias; `per` is "element" or "channel"."""

    kind: str
    per: str


@record
class Conv:
    """`size` (rows, columns), `anchor` the word of the option, `direction` None when unmasked."""

    size: tuple[int, int]
    anchor: str
    direction: Direction | None
    strict: bool


@record
class Dense:
    """A matrix; `direction` None when unmasked."""

    direction: Direction | None
    strict: bool


@record
class Normalize:
    """(x - mean) / sqrt(var + eps) per channel, of running statistics; a map of its own only in evaluation."""

    eps: float
    momentum: float


@record
class Perm:
    """A fixed permutation along `axis` (channel, time or all), drawn from `seed` (`core.permutations`)."""

    axis: str
    seed: int


Kind: TypeAlias = Elementwise | Conv | Dense | Normalize | Perm


@record
class Bound:
    """A constraint on the diagonal or determinant: which (`cmp` as in the registry), its numbers, how it is kept."""

    cmp: str
    numbers: tuple[float, ...]
    via: str
    interval: Interval
    span: Span = field(compare=False, repr=False)
    quantity: str = "diag"


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
class Layer:
    """A layer: parameters, `lets` in order, and the result, as functions of one variable on `shape`."""

    __slots__ = ("tables", "written")
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
    doc: str | None
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)
    shape_span: Span = field(compare=False, repr=False)

    def param(self, name: str) -> Param:
        """The parameter called `name`."""
        return derived(self, "tables", _tables)[0][name]

    def let(self, name: str) -> Let:
        """The let called `name`."""
        return derived(self, "tables", _tables)[1][name]


@record
class Net:
    """A net of one input: parameters, lets, and the result, from `shape` to `target`. It claims nothing."""

    __slots__ = ("tables", "written")
    name: str
    formals: tuple[Formal, ...]
    shape: Shape
    target: Shape
    order: Order | FormalOrder
    indices: tuple[tuple[str, Nat], ...]
    params: tuple[Param, ...]
    variable: str
    lets: tuple[Let, ...]
    result: Expr
    doc: str | None
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)
    shape_span: Span = field(compare=False, repr=False)

    def param(self, name: str) -> Param:
        """The parameter called `name`."""
        return derived(self, "tables", _tables)[0][name]

    def let(self, name: str) -> Let:
        """The let called `name`."""
        return derived(self, "tables", _tables)[1][name]


def _tables(owner: Layer | Net) -> tuple[dict[str, Param], dict[str, Let]]:
    return {p.name: p for p in owner.params}, {item.name: item for item in owner.lets}


@record
class Use:
    """A layer or flow as a step; `definition` is its key in the program."""

    definition: str
    args: tuple[tuple[str, Argument], ...]


@record
class Squeeze:
    """Space to channels; `undo` is unsqueeze. `layout` is colour_fast, colour_slow or alternate."""

    factor: int
    layout: str
    undo: bool


@record
class Logit:
    """Elementwise logit(alpha + (1 - 2 alpha) x)."""

    alpha: float


@record
class Dequantize:
    """Integers 0..levels-1 to the unit interval, with uniform noise."""

    levels: int


@record
class Standardize:
    """(x - mean) / std, one number or one a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@record
class Pad:
    """Zero channels appended, `extra` of them: injective only."""

    extra: int


@record
class Classify:
    """A net on the last shape, trained by cross-entropy; no part of the bijection."""

    definition: str
    args: tuple[tuple[str, Argument], ...]


@record
class Repeat:
    """`count` copies of the steps, each with parameters of its own."""

    count: Nat
    steps: tuple[Step, ...]


@record
class Pair:
    """One lower and one upper layer of one order."""

    steps: tuple[Step, ...]


@record
class Prior:
    """The distribution of the latent."""

    name: str


Op: TypeAlias = Use | Squeeze | Standardize | Pad | Classify | Logit | Dequantize | Repeat | Pair | Prior


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
    """A flow: its steps in order."""

    name: str
    formals: tuple[Formal, ...]
    shape: Shape
    claims: tuple[Claim, ...]
    steps: tuple[Step, ...]
    doc: str | None
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)
    shape_span: Span = field(compare=False, repr=False)


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
        keys = [k for k in self.main if k.rpartition("::")[2] == name]
        keys += [k for k in self.definitions if k.rpartition("::")[2] == name]
        return keys[0] if keys else None
