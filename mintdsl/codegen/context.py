"""What the writers of one layer share: names, anchors, masks, and what the proof says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mintdsl.codegen import shapes
from mintdsl.codegen.convolution import Convolved
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.naming import Names
from mintdsl.codegen.reading import Followed, Reading
from mintdsl.core import ir
from mintdsl.core.constraints import Parametrisation, kept_by
from mintdsl.core.from_data import FromData, from_data
from mintdsl.core.live import determined
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order
from mintdsl.proof.check import Bindings, LayerProof
from mintdsl.source import Span


@dataclass(slots=True)
class LayerContext:
    """`proofs` are all that the program uses, one for each of `bindings`; `where` and `text` read the spec."""

    layer: ir.Layer | ir.Net
    proofs: Sequence[LayerProof]
    bindings: Sequence[Bindings]
    names: Names
    write: Writer
    where: Callable[[Span], str]
    text: Callable[[Span], str]
    steepest: Callable[[ir.BuiltinAct | ir.DefinedAct], float | None]
    classes: Mapping[str, str]
    every: Mapping[str, Names]  # of all definitions of the module, by key
    key: str = ""
    autoregressive: bool = False
    reading: Reading | None = None  # of a layer that is inverted position by position
    followed: Mapping[str, Followed] = field(default_factory=dict)  # the nets of these, by key
    convolved: Convolved | None = None  # of a layer that is inverted front by front
    anchors: dict[str, str] = field(default_factory=dict)
    masks: dict[tuple[object, ...], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for param in self.layer.params:
            self.anchors[param.name] = self._anchor(param)
            if self.directed(param):
                self.mask(param)

    # ------------------------------------------------------------ what the proof says

    @property
    def affine(self) -> bool:
        """Whether every element is an affine function of itself alone."""
        return all(p.closed_form for p in self.proofs)

    @property
    def sign(self) -> str:
        """The sign of the diagonal: `1.0`, `-1.0`, or None where the weights decide."""
        diagonals = [p.jacobian.diag for p in self.proofs]
        if all(d.interval.positive and not d.monomial for d in diagonals):
            return "1.0"
        return "-1.0" if all(d.interval.negative and not d.monomial for d in diagonals) else "None"

    # ------------------------------------------------------------ names

    def member(self, name: str) -> str:
        """`self.NAME` of a parameter or formal."""
        return f"self.{self.names.member[name]}"

    @property
    def members(self) -> dict[str, str]:
        """Formals and sizes as seen by the methods."""
        found = {f.name: self.member(f.name) for f in self.layer.formals}
        for attribute, shape in places(self.layer):
            for position, dim in enumerate(shape.dims):
                if dim.symbols and dim == Nat.symbol(next(iter(dim.symbols))):
                    found.setdefault(next(iter(dim.symbols)), f"self.{attribute}[{position}]")
        return found

    @property
    def given(self) -> ir.Context | None:
        """The context that it declares."""
        return self.layer.given if isinstance(self.layer, ir.Layer) else None

    @property
    def carried(self) -> list[str]:
        """What the methods take besides x, by their variables: the parameters, then the context."""
        return [*(self.names.local[p.name] for p in self.params), *(self.names.local[g.name] for g in self.contexts)]

    @property
    def contexts(self) -> list[ir.Context]:
        """The context, or none."""
        return [] if self.given is None else [self.given]

    @property
    def weights(self) -> str:
        """What is carried, as the public methods make it."""
        if self.given is None:
            return "self.effective_weights()"
        return "(*self.effective_weights(), context)" if self.params else "(context,)"

    def write_batch(self, name: str) -> None:
        """Test the shape of an argument, and of the context if there is one; fold their leading dimensions."""
        place = f'"{name}", "{self.where(self.layer.shape_span)}"'
        if self.given is None:
            self.write(f"{name}, lead = flatten_batch({name}, self.event_shape, {place})")
            return
        arguments = [name, "context", "self.event_shape", "self.context_shape", place]
        self.write.call(f"{name}, context, lead = flatten_with_context", arguments, "")

    @property
    def optional(self) -> str:
        """The argument for the context of a method that has none otherwise."""
        return "" if self.given is None else ", context: Tensor | None = None"

    @property
    def shown_context(self) -> str:
        """The context in the docstring of forward."""
        return "" if self.given is None else ", context [*, *context_shape]"

    def write_no_context(self) -> None:
        """Refuse a context where none is declared."""
        if self.given is None:
            self.write("no_context(context, type(self).__name__)")

    def direction(self, direction: str) -> str:
        """A direction as the methods and the constructor know it."""
        return f'"{direction}"' if direction in ("lower", "upper") else self.member(direction)

    @property
    def order(self) -> str:
        """The rows of the layer's order."""
        order = self.layer.order
        return self.member(order.name) if isinstance(order, ir.FormalOrder) else shapes.order(order)

    @property
    def params(self) -> list[ir.Param]:
        """Parameters that hold a tensor: all but statistics, permutations and what is a module of its own."""
        apart = (ir.Normalize, ir.Perm, ir.NetParam, ir.LayerParam, ir.LayerNorm, ir.Attention)
        return [p for p in self.layer.params if not isinstance(p.kind, apart)]

    @property
    def perms(self) -> list[ir.Param]:
        """Fixed permutations."""
        return [p for p in self.layer.params if isinstance(p.kind, ir.Perm)]

    @property
    def factored(self) -> list[ir.Param]:
        """Matrices that are kept as factors."""
        return [p for p in self.params if p.factored]

    @property
    def effective(self) -> str:
        """The kind of the helpers that show and set effective values."""
        if any(rank_of(p) is not None for p in self.params):
            return "low_rank"
        return "matrix" if self.factored else "value"

    @property
    def limited(self) -> list[ir.Param]:
        """Maps whose norm is bounded."""
        return [p for p in self.maps if p.limited]

    @property
    def composed(self) -> bool:
        """Whether it is inverted link by link: a composition (rule CHAIN), or with layers that it applies."""
        return self.split is None and any(p.linked for p in self.proofs)

    @property
    def residual(self) -> bool:
        """Whether it is a residual sum, inverted by Banach iteration (rule RES)."""
        return any(p.residual is not None for p in self.proofs)

    @property
    def cayley(self) -> bool:
        """Whether it is a Cayley map, a Banach iteration both ways (rule CAYLEY)."""
        return any(p.cayley is not None for p in self.proofs)

    @property
    def contracting(self) -> bool:
        """Whether it is inverted by Banach iteration, and a use says how its log-det is computed."""
        return self.residual or self.cayley

    def proved_value(self, value: ir.Argument) -> str:
        """A value of a formal that a proof depends on, as the module compares it."""
        match value:
            case ir.BuiltinAct() | ir.DefinedAct():
                return f'"{value}"'
            case Order():
                return shapes.order(value)
            case _:
                return repr(value)

    @property
    def split(self) -> ir.Split | None:
        """How the variable is cut into parts."""
        return self.layer.split if isinstance(self.layer, ir.Layer) else None

    @property
    def solved(self) -> bool:
        """Whether the layer itself is inverted by a solve."""
        return isinstance(self.layer, ir.Layer) and self.split is None and not self.affine and not self.composed

    @property
    def diagonal_shown(self) -> bool:
        """Whether it has a diagonal that its module computes."""
        return not any(p.linked for p in self.proofs)

    @property
    def buffers(self) -> list[str]:
        """Buffers that are not stored: masks of maps, the mask of a split, permutations."""
        masked = self.split is not None and self.split.functional is not None
        moves = [f"{self.names.member[p.name]}_index" for p in self.perms]
        return [*self.masks.values(), *(["residues"] if masked else []), *moves]

    @property
    def statistics(self) -> list[ir.Param]:
        """Running statistics."""
        return [p for p in self.layer.params if isinstance(p.kind, ir.Normalize)]

    @property
    def from_data(self) -> FromData | None:
        """What data decide, and how."""
        return from_data(self.layer)

    @property
    def assumed(self) -> list[ir.Param]:
        """Parameters whose diagonal is stored as it is and assumed not to be 0."""
        return [p for p in self.params if p.bound is not None and via(p.bound).assumed]

    @property
    def assuming(self) -> bool:
        """Whether the proof assumes something of stored numbers, here or in a layer that is applied."""
        return any(p.assumptions for p in self.proofs)

    @property
    def maps(self) -> list[ir.Param]:
        """Parameters that are applied."""
        return [p for p in self.params if not isinstance(p.kind, ir.Elementwise)]

    def form(self, param: ir.Param) -> list[str]:
        """The first and last arguments of the helpers of factors: the form, and the order of the rows."""
        assert param.bound is not None
        name = param.bound.via
        if rank_of(param) is not None and name == "raw":
            name = "low_rank"
        return [f'"{name}"', f", {self.member(param.name)}_order" if name == "plu" else ""]

    def tap(self, param: ir.Param, keyword: str = "") -> str:
        """A last argument of the helpers of factors: the anchor, where it is not that of a 1x1 kernel or a matrix."""
        if not is_kernel(param):
            return ""
        return f", {keyword}{self.anchors[param.name]}"

    def kernel(self, param: ir.Param) -> str:
        """The anchor and the dilation, as last arguments of the helpers of kernels whose anchor is kept as factors."""
        assert isinstance(param.kind, ir.Conv)
        return f", {self.anchors[param.name]}, {param.kind.dilation}"

    @property
    def dense(self) -> dict[str, str]:
        """The matrices of parameters that are kept as factors, for maps of constants."""
        found = {}
        for param in self.factored:
            form, order = self.form(param)
            if rank_of(param) is not None:
                tap = ", (0, 0)" if isinstance(param.kind, ir.Conv) else ""
                found[param.name] = f"dense_low_rank({form}, {self.names.local[param.name]}{tap})"
                continue
            tap = self.tap(param, "tap=")
            found[param.name] = f"dense_factors({form}, {self.names.local[param.name]}{order}{tap})"
        return found

    def moved_by(self, param: ir.Param, at: str, *, inverse: bool) -> tuple[str, str]:
        """What a map whose determinant is kept, or its inverse, makes of `at`, and its log |det|."""
        assert param.bound is not None and isinstance(param.kind, (ir.Conv, ir.Dense))
        (form, order), name = self.form(param), self.names.local[param.name]
        verb = "solve" if inverse else "apply"
        log_det = f"factors_log_det({form}, {name}, {at}{self.tap(param)})"
        match determined(param.kind, param.bound):
            case "CIRCULANT":
                place = f"{name}, {at}{self.kernel(param)}"
                return f"{verb}_circular({place})", f"circular_log_det({place})"
            case "DOMINANT":
                place = f"{name}, {at}{self.kernel(param)}"
                return f"{verb}_dominant({place})", f'dominant_log_det({place}, "{param.name}")'
            case "LOWRANK":
                return f"{verb}_low_rank({form}, {name}, {at})", f"low_rank_log_det({form}, {name}, {at})"
            case "HALF-PLANE":
                return f"{verb}_kernel({form}, {name}, {at}{self.kernel(param)}{order})", log_det
            case _:
                return f"{verb}_factors({form}, {name}, {at}{order})", log_det

    def exponential(self, param: ir.Param, at: str, *, inverse: bool) -> tuple[str, str]:
        """What the exponential of a map of bounded norm, or its inverse, makes of `at`, and its log-det."""
        weight, tap = self.names.local[param.name], self.anchors[param.name]
        bound = param.bound
        assert bound is not None
        limit = self.member(bound.formal) if bound.formal else repr(bound.numbers[0])
        conv = param.kind if isinstance(param.kind, ir.Conv) else None
        apart = f", dilation={conv.dilation}" if conv is not None and conv.dilation != (1, 1) else ""
        around = f"{apart}, circular=True" if conv is not None and conv.circular else ""
        place = f", {tap}" if tap else ""
        name = "undo_exponential" if inverse else "apply_exponential"
        log_det = f"exponential_log_det({weight}, {at}{place}{around})"
        return f"{name}({weight}, {at}, {limit}{place}{around or apart})", log_det

    def directed(self, param: ir.Param) -> bool:
        """Whether a map is masked."""
        return isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.direction is not None

    def _anchor(self, param: ir.Param) -> str:
        kind = param.kind
        if not isinstance(kind, ir.Conv):
            return ""
        if kind.anchor == "corner":
            return f"self.anchor_{kind.direction}_{kind.size[0]}x{kind.size[1]}"
        return str(kind.anchor)

    def mask(self, param: ir.Param) -> str:
        """The buffer that masks a map; maps of one kind share it."""
        kind = param.kind
        assert isinstance(kind, (ir.Conv, ir.Dense))
        size = kind.size if isinstance(kind, ir.Conv) else ()
        apart = kind.dilation if isinstance(kind, ir.Conv) else ()
        key = (size, self.anchors[param.name], apart, kind.direction, kind.strict, param.source, param.target)
        return self.masks.setdefault(key, "kept" if not self.masks else f"kept_{len(self.masks) + 1}")

    def diagonal(self, param: ir.Param, name: str) -> str:
        """The diagonal of the tensor `name` of a parameter."""
        if isinstance(param.kind, ir.Elementwise):
            return name
        tap = self.anchors[param.name]
        return f"diagonal_of({name}, {tap})" if tap else f"diagonal_of({name})"

    def with_diagonal(self, param: ir.Param, name: str, diagonal: str) -> list[str]:
        """Arguments of with_diagonal."""
        tap = self.anchors[param.name]
        return [name, diagonal, tap] if tap else [name, diagonal]


def takes_context_shape(owner: ir.Layer | ir.Net | ir.Flow) -> bool:
    """Whether the constructor has to be told the shape of the context: its own shape and formals do not say it."""
    if isinstance(owner, ir.Net) or owner.given is None:
        return False
    known = {f.name for f in owner.formals} | set(_bound(owner.shape))
    return any(not size.symbols <= known for size in owner.given.shape.dims)


def context_shape(owner: ir.Layer | ir.Net | ir.Flow, names: Mapping[str, str]) -> str:
    """The shape of the context, as the constructor knows it."""
    if isinstance(owner, ir.Net) or owner.given is None:
        return "None"
    if owner.given.shape.kind == "Any":
        return "self.event_shape"
    return "tuple(context_shape)" if takes_context_shape(owner) else shapes.shape(owner.given.shape, names)


def places(owner: ir.Layer | ir.Net | ir.Flow) -> list[tuple[str, ir.Shape]]:
    """The shapes that bind sizes of a definition, each with the attribute that holds it.

    Of a net those of its further inputs and of its results too, where they name a size that none before does.
    """
    found = [("event_shape", owner.shape)]
    if not isinstance(owner, ir.Net) and owner.given is not None and takes_context_shape(owner):
        found.append(("context_shape", owner.given.shape))
    if isinstance(owner, ir.Net):
        known = {f.name for f in owner.formals} | set(_bound(owner.shape))
        for number, shape in enumerate(owner.places[1:], 2):
            if not set(_bound(shape)) <= known:
                found.append((f"shape_{number}", shape))
                known |= set(_bound(shape))
    return found


def _bound(shape: ir.Shape) -> list[str]:
    """The sizes that a shape names alone."""
    return [symbol for dim in shape.dims for symbol in dim.symbols if dim == Nat.symbol(symbol)]


def is_kernel(param: ir.Param) -> bool:
    """Whether it is a convolution larger than 1x1."""
    return isinstance(param.kind, ir.Conv) and param.kind.size != (1, 1)


def rank_of(param: ir.Param) -> Nat | None:
    """The rank d of a map I + U V that is stored as U and V."""
    return param.kind.rank if isinstance(param.kind, (ir.Conv, ir.Dense)) else None


def is_circular(param: ir.Param) -> bool:
    """Whether it is a convolution whose taps wrap around."""
    return isinstance(param.kind, ir.Conv) and param.kind.circular


def is_dominant(param: ir.Param) -> bool:
    """Whether it is a convolution that is inverted by steps, as its anchor outweighs its other taps."""
    if param.bound is None or not param.factored or not isinstance(param.kind, (ir.Conv, ir.Dense)):
        return False
    return determined(param.kind, param.bound) == "DOMINANT"


def via(bound: ir.Bound) -> Parametrisation:
    """The parametrisation of a constraint."""
    return kept_by(bound.quantity, bound.cmp, bound.via)
