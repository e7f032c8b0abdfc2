"""The syntax tree: one frozen node per construct of the grammar.

Two trees are equal when their programs are, wherever the text stands: spans do not compare.
Names bound and names used are both `Name`; resolution is the business of `core.names`.
"""

from __future__ import annotations

from typing import TypeAlias

from mintdsl.records import field, record
from mintdsl.source import Span
from mintdsl.syntax.expressions import (
    Apply as Apply,
    Arg as Arg,
    At as At,
    Binary as Binary,
    Call as Call,
    Expr as Expr,
    Name as Name,
    Neg as Neg,
    Number as Number,
    Reduce as Reduce,
    Shape as Shape,
    Tuple as Tuple,
)

# ---------------------------------------------------------------- definitions


@record
class Import:
    """`import "path" { names }`; `path` without its quotes."""

    path: str
    path_span: Span = field(compare=False, repr=False)
    names: tuple[Name, ...]
    span: Span = field(compare=False, repr=False)


@record
class Const:
    """`const NAME = e`"""

    name: Name
    value: Expr
    doc: str | None
    span: Span = field(compare=False, repr=False)


@record
class Space:
    """`space NAME = shape (options)`"""

    name: Name
    shape: Shape
    options: tuple[Arg, ...]
    doc: str | None
    span: Span = field(compare=False, repr=False)


@record
class OrderDef:
    """`order NAME = (key, key, ...)`"""

    name: Name
    keys: tuple[Expr, ...]
    doc: str | None
    span: Span = field(compare=False, repr=False)


@record
class Mask:
    """`mask NAME = e mod n`"""

    name: Name
    value: Expr
    modulus: Expr
    doc: str | None
    span: Span = field(compare=False, repr=False)


@record
class ActNamed:
    """`act NAME = base(args)`"""

    name: Name
    base: Name
    args: tuple[Arg, ...]
    doc: str | None
    span: Span = field(compare=False, repr=False)


@record
class ActDefined:
    """`act NAME(variable) = e`"""

    name: Name
    variable: Name
    value: Expr
    doc: str | None
    span: Span = field(compare=False, repr=False)


@record
class Formal:
    """`name : type = default` in the brackets after a definition's name."""

    name: Name
    type: Name
    default: Expr | None
    span: Span = field(compare=False, repr=False)


@record
class Context:
    """`name : shape` after `given`."""

    name: Name
    shape: Shape
    span: Span = field(compare=False, repr=False)


@record
class ClaimClass:
    """`lower`, `strict upper`, `invertible`, ... after `ensures`."""

    strict: bool
    name: Name
    span: Span = field(compare=False, repr=False)


@record
class ClaimBound:
    """`diag > 0`, `lip < 1`, ... after `ensures`."""

    name: Name
    cmp: str
    value: Expr
    span: Span = field(compare=False, repr=False)


@record
class ClaimKind:
    """`log_det exact`, `inverse closed_form` after `ensures`."""

    name: Name
    kind: Name
    span: Span = field(compare=False, repr=False)


Claim: TypeAlias = ClaimClass | ClaimBound | ClaimKind


@record
class Layer:
    """`layer NAME(formals) on shape given ... ensures ... { members map }`"""

    name: Name
    formals: tuple[Formal, ...]
    shape: Shape
    given: tuple[Context, ...]
    claims: tuple[Claim, ...]
    members: tuple[Member, ...]
    body: Map
    doc: str | None
    span: Span = field(compare=False, repr=False)


@record
class Net:
    """`net NAME(formals) from shapes to results { members map }`; `tuple_result` for `to (A, B)`."""

    name: Name
    formals: tuple[Formal, ...]
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    members: tuple[Member, ...]
    body: Map
    doc: str | None
    span: Span = field(compare=False, repr=False)


@record
class Extern:
    """`extern net NAME from shapes to results`"""

    name: Name
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    doc: str | None
    span: Span = field(compare=False, repr=False)


@record
class Flow:
    """`flow NAME(formals) on shape given ... ensures ... { steps }`"""

    name: Name
    formals: tuple[Formal, ...]
    shape: Shape
    given: tuple[Context, ...]
    claims: tuple[Claim, ...]
    steps: tuple[Step, ...]
    doc: str | None
    span: Span = field(compare=False, repr=False)


Item: TypeAlias = Import | Const | Space | OrderDef | Mask | ActNamed | ActDefined | Layer | Net | Extern | Flow


# ---------------------------------------------------------------- members


@record
class Index:
    """`index i, j : K`"""

    names: tuple[Name, ...]
    extent: Expr
    span: Span = field(compare=False, repr=False)


@record
class OrderUse:
    """`order NAME` inside a layer or net."""

    name: Name
    span: Span = field(compare=False, repr=False)


@record
class Binder:
    """`W2[i, j]` in a `param`."""

    name: Name
    indices: tuple[Name, ...]
    span: Span = field(compare=False, repr=False)


@record
class KindMap:
    """`conv 3x3 strict tri (anchor = corner)`; `size` is (rows, columns)."""

    name: Name
    size: tuple[int, int] | None
    strict: bool
    direction: Name | None
    args: tuple[Arg, ...]
    span: Span = field(compare=False, repr=False)


@record
class KindNet:
    """`net Cond(width = 64)`"""

    call: Call
    span: Span = field(compare=False, repr=False)


@record
class Place:
    """`from A, B to (C, D)`, or `on S` (`endo`: inputs = outputs = (S,))."""

    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    endo: bool
    span: Span = field(compare=False, repr=False)


@record
class Constraint:
    """`diag >= 1e-3 via abs` after `with`."""

    name: Name
    cmp: str
    value: Expr
    via: Call | None
    span: Span = field(compare=False, repr=False)


@record
class Param:
    """`param binders : kind place with constraints init call`"""

    binders: tuple[Binder, ...]
    kind: KindMap | KindNet
    place: Place | None
    constraints: tuple[Constraint, ...]
    init: Call | None
    doc: str | None
    span: Span = field(compare=False, repr=False)


@record
class Tie:
    """`tie product cmp bound`"""

    product: Expr
    cmp: str
    bound: Expr
    span: Span = field(compare=False, repr=False)


@record
class Let:
    """`let a = e`, `let u[j] = e` (indices), `let (a, b) = e` (several names)."""

    names: tuple[Name, ...]
    indices: tuple[Name, ...]
    value: Expr
    span: Span = field(compare=False, repr=False)


@record
class Map:
    """`map x -> e`, or `map x { lets return e }` (`braces`)."""

    args: tuple[Name, ...]
    lets: tuple[Let, ...]
    result: Expr
    braces: bool
    span: Span = field(compare=False, repr=False)


Member: TypeAlias = Index | Space | ActNamed | ActDefined | OrderUse | Param | Tie | Let


# ---------------------------------------------------------------- steps of a flow


@record
class Use:
    """`Mint(K = 4) log_det series(terms = 10)`"""

    call: Call
    log_det: Call | None


@record
class Simple:
    """A built-in step that is a word and options: dequantize, logit, standardize, squeeze, unsqueeze,
    permute, reverse, flatten, patches. `value` is its number or expression, if it takes one."""

    word: str
    value: Expr | None
    args: tuple[Arg, ...]


@record
class Pad:
    """`pad channels to 16`"""

    axis: Name
    size: Expr


@record
class Repeat:
    """`repeat n { steps }`"""

    count: Expr
    steps: tuple[Step, ...]


@record
class Pair:
    """`pair { lower upper }`"""

    steps: tuple[Step, ...]


@record
class Factor:
    """`factor half (keep = first, prior = P)`"""

    part: Name
    args: tuple[Arg, ...]


@record
class Ode:
    """`ode Field by dopri5(tol = 1e-5) log_det hutchinson(probes = 1)`"""

    field: Call
    by: Call | None
    log_det: Call | None


@record
class Prior:
    """`prior normal`"""

    call: Call


@record
class Classify:
    """`classify NET(classes = 10)`"""

    call: Call


Op: TypeAlias = Use | Simple | Pad | Repeat | Pair | Factor | Ode | Prior | Classify


@record
class Step:
    """One step of a flow, with its label if it has one."""

    label: Name | None
    op: Op
    span: Span = field(compare=False, repr=False)


# ---------------------------------------------------------------- files


@record
class Comment:
    """An ignored `#` comment and where it stood; the formatter puts it back."""

    text: str
    span: Span


@record
class Module:
    """One file. `poisoned` are names whose definition did not parse: uses of them are not reported again."""

    edition: int | None
    edition_span: Span | None = field(compare=False, repr=False)
    items: tuple[Item, ...]
    comments: tuple[Comment, ...] = field(compare=False)
    poisoned: frozenset[str] = field(compare=False)
    span: Span = field(compare=False, repr=False)
    tokens: int = field(default=0, compare=False, repr=False)
