"""Formulas of the typed core, and the values that formals and options take: shapes, activations, initialisations."""

from __future__ import annotations

from typing import TypeAlias

from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order
from mintdsl.records import field, record
from mintdsl.source import Span

# ---------------------------------------------------------------- shapes and values of formals


@record
class Shape:
    """`kind` is Image (C, H, W), Vec (D), Seq (T, D), or Any (`on S`, no dims, `name` S).

    `part` is the place in the list of parts of a split by a mask: such a part keeps the whole layout, and only the
    places of the mask count. `each`, of a Vec in a definition on Vec[D], says that element e stands at position
    e // each of D, and there are each * D elements; a space of one element a position is that Vec itself.
    """

    kind: str
    dims: tuple[Nat, ...]
    name: str = field(default="", compare=False)
    part: int | None = None
    each: Nat | None = None

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates of an index, as orders and ties use them."""
        return {"Image": ("c", "h", "w"), "Vec": ("i",), "Seq": ("t", "d"), "Any": ("s",)}[self.kind]

    def axis(self, word: str) -> int:
        """Which of the sizes a step that moves entries means by `channel` or `time`."""
        return 1 if word == "channel" and self.kind == "Seq" else 0

    def __str__(self) -> str:
        whole = f"{self.kind}[{', '.join(map(str, self.dims))}]" if self.dims else self.name
        if self.each is not None:
            return f"{whole} (degrees = own)"
        return whole if self.part is None else f"part {self.part} of {whole}"


Direction: TypeAlias = str  # "lower", "upper", or the name of a Dir formal: both words are reserved


@record
class BuiltinAct:
    """A registered activation with its options: numbers, or names of Real formals."""

    name: str
    options: tuple[float | str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.options))})" if self.options else self.name


@record
class DefinedAct:
    """An activation given by an expression in `Var`."""

    __slots__ = ("written",)
    name: str
    variable: str
    body: Expr

    def __str__(self) -> str:
        return self.name

    def __hash__(self) -> int:
        return hash((self.name, self.variable))  # it is hashed at every use, and the body may be long


@record
class FormalAct:
    """An Act formal of the enclosing definition."""

    name: str

    def __str__(self) -> str:
        return self.name


Act: TypeAlias = BuiltinAct | DefinedAct | FormalAct


@record
class InitCall:
    """An initialisation and its options; `formal` names an Init formal instead."""

    name: str
    options: tuple[float | str, ...] = ()
    formal: bool = False

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.options))})" if self.options else self.name


@record
class FormalOrder:
    """An Order formal of the enclosing definition."""

    name: str


Argument: TypeAlias = Nat | float | Direction | Act | InitCall | Order | FormalOrder


@record
class Formal:
    """A formal of a definition; `type` is Nat, Real, Dir, Order, Act or Init.

    `least` is the least value of a Nat: 1, for sizes, or 0 where it only says which part of a split comes first.
    """

    __slots__ = ("default_pair",)
    name: str
    type: str
    default: Argument | None
    least: int
    span: Span = field(compare=False, repr=False)


# ---------------------------------------------------------------- formulas


@record
class Var:
    """A variable of the map: that of a layer or activation, a part of it, or an input of a net, which `name` tells."""

    name: str
    span: Span = field(compare=False, repr=False)


@record
class Given:
    """The context of a layer, constant to everything that is proved; `name` is its name."""

    name: str
    span: Span = field(compare=False, repr=False)


@record
class Scalar:
    """A number, a size, or a Real formal (by name)."""

    value: float | Nat | str
    span: Span = field(compare=False, repr=False)


@record
class Value:
    """A scale or bias used as a value: `t`, `b1[j]`."""

    param: str
    indices: tuple[str, ...]
    span: Span = field(compare=False, repr=False)


@record
class Linear:
    """A conv or linear applied: `W2[i, j](e)`."""

    param: str
    indices: tuple[str, ...]
    arg: Expr
    span: Span = field(compare=False, repr=False)


@record
class Apply:
    """An activation applied: `h(e)`."""

    act: Act
    arg: Expr
    span: Span = field(compare=False, repr=False)


@record
class Neg:
    """`-e`"""

    arg: Expr
    span: Span = field(compare=False, repr=False)


@record
class Binary:
    """`left op right`, op one of `+ - * /`, elementwise."""

    op: str
    left: Expr
    right: Expr
    span: Span = field(compare=False, repr=False)


@record
class Sum:
    """`sum[i, j](e)`"""

    indices: tuple[str, ...]
    body: Expr
    span: Span = field(compare=False, repr=False)


@record
class Ref:
    """A `let`, at indices of the place of use."""

    name: str
    indices: tuple[str, ...]
    span: Span = field(compare=False, repr=False)


@record
class Spread:
    """`spread(a)`: a part of a split by a mask in its places, 0 elsewhere."""

    arg: Var
    span: Span = field(compare=False, repr=False)


@record
class Pick:
    """`pick(e, b)`: of e, the places of the part b."""

    arg: Expr
    part: str
    span: Span = field(compare=False, repr=False)


@record
class Join:
    """`join(a, e)`: the parts of a split, in their order, put together; the result of a layer only."""

    parts: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)


@record
class Pool:
    """`mean_pool(e)`: `source` Image[C, H, W] to Vec[C]; nets only."""

    arg: Expr
    source: Shape
    span: Span = field(compare=False, repr=False)


@record
class MaxMin:
    """`maxmin(e)`: channels 2k and 2k + 1 of `shape` become their maximum and their minimum; nets only."""

    arg: Expr
    shape: Shape
    span: Span = field(compare=False, repr=False)


@record
class Swish:
    """`swish(e, beta = b)`, e sigmoid(b e) on `source`, or `clip_swish(e, beta = b)`, `twice`: in twice the channels
    that of e, then that of -e, divided by 1.1 * 1.004; nets only.

    `beta` is the scale on Vec[1] whose number stands for b; empty for 1.
    """

    arg: Expr
    source: Shape
    span: Span = field(compare=False, repr=False)
    beta: str = ""
    twice: bool = False


@record
class Call:
    """Result `output` of a net: `n(a, y)`. Results that a `let` takes apart are calls with the same arguments."""

    param: str
    indices: tuple[str, ...]
    args: tuple[Expr, ...]
    output: int
    span: Span = field(compare=False, repr=False)


@record
class Chain:
    """`chain[l](B[l])(e)`: the nets of a family one after the other, B[0] first."""

    param: str
    index: str
    arg: Expr
    span: Span = field(compare=False, repr=False)


@record
class Inline:
    """A layer applied: `Mint(K = 4)(e)`. The parameter holds which, and its parameters are its own at each use."""

    param: str
    arg: Expr
    span: Span = field(compare=False, repr=False)


@record
class Concat:
    """`concat(a, b, ...)`, of these `shapes`: channels stacked; a Vec is repeated at each pixel or token.

    `weights` is the scale, `with length == 1`, whose numbers multiply them, one each; none where it is empty.
    """

    args: tuple[Expr, ...]
    shapes: tuple[Shape, ...]
    span: Span = field(compare=False, repr=False)
    weights: str = ""


@record
class Delay:
    """`delay(e)`: each token of `shape`, a Seq, one place later, zeros first; nets only."""

    arg: Expr
    shape: Shape
    span: Span = field(compare=False, repr=False)


@record
class Bend:
    """`rq_spline(e, widths = w, heights = k, slopes = d)`: the elementwise `bijection` of that name on `shape`.

    `params` and `options` stand in the order of the registry. Channel c * count + k of a parameter is number k of
    channel c of e, `count` for each element; of some parameters there are fewer. `own` tells of each whether those of
    an element of a Vec stand at its position.
    """

    bijection: str
    arg: Expr
    params: tuple[Expr, ...]
    count: Nat
    options: tuple[float, ...]
    shape: Shape
    own: tuple[bool, ...]
    span: Span = field(compare=False, repr=False)


Formula: TypeAlias = Var | Given | Scalar | Value | Linear | Apply | Neg | Binary | Sum | Ref


@record
class Exponential:
    """`exp(W)(e)`: the exponential of a linear map that keeps the shape, applied."""

    param: str
    arg: Expr
    span: Span = field(compare=False, repr=False)


@record
class Cayley:
    """`cayley(n)(x)`: (I - g)(I + g)^-1 x, g the map of the variable that the formula `branch`, n(x), writes."""

    branch: Expr
    span: Span = field(compare=False, repr=False)


Moved: TypeAlias = Join | Spread | Pick | Delay | Concat | Pool | MaxMin | Swish
Expr: TypeAlias = Formula | Exponential | Cayley | Moved | Call | Chain | Inline | Bend


@record
class Let:
    """`let name[indices] = value`"""

    name: str
    indices: tuple[str, ...]
    value: Expr
    span: Span = field(compare=False, repr=False)
