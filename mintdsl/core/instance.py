"""Definitions at concrete sizes: whole quotients, parameter counts, limits.

The proof holds for all sizes; here the sizes of one use are put in, before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order
from mintdsl.diagnostics.model import Bag, Label
from mintdsl.source import Span


class Counts(NamedTuple):
    """Numbers of parameters: all that are stored, and those that a mask lets through; of layers; of all steps."""

    stored: int
    live: int
    modules: int
    steps: int = 0

    def __add__(self, other: object) -> Counts:
        assert isinstance(other, Counts)
        stored, live, modules, steps = (a + b for a, b in zip(self, other, strict=True))
        return Counts(stored, live, modules, steps)

    def times(self, n: int) -> Counts:
        """n copies."""
        return Counts(self.stored * n, self.live * n, self.modules * n, self.steps * n)


Sizes = tuple[int, ...]
KnownSizes = tuple[Sizes, dict[str, int]]  # of the shape, and of the formals


@dataclass(slots=True)
class Instances:
    """Evaluates definitions at concrete sizes; each (definition, shape, sizes, order) once."""

    program: ir.Program
    bag: Bag
    done: dict[tuple[object, ...], Counts | None] = field(default_factory=dict)
    masks: dict[tuple[ir.Conv, int, Order], int] = field(default_factory=dict)
    work: int = 0

    def of(
        self, key: str, dims: Sizes, nats: Mapping[str, int], orders: Mapping[str, Order], use: Span
    ) -> Counts | None:
        """The counts of definition `key` on a shape; None when a size is not whole or too large (reported)."""
        place = (key, dims, tuple(sorted(nats.items())), tuple(sorted((k, v.name) for k, v in orders.items())))
        if place not in self.done:
            definition = self.program.callable(key)
            self.work += len(definition.steps if isinstance(definition, ir.Flow) else definition.params) + 1
            if self.work > limits.INSTANCES.most:
                self._too_much(use)
                return None
            values = {**nats, **_bind(definition.shape, dims)}
            if definition.shape.dims and self._dims(definition.shape, dims, values, definition.shape_span, use) is None:
                return None
            if isinstance(definition, (ir.Layer, ir.Net)):
                self.done[place] = self._layer(definition, dims, values, orders, use)
            else:
                self.done[place] = self._flow(definition, values, orders, use)
        return self.done[place]

    def _too_much(self, use: Span) -> None:
        self.bag.error("E0107", use, "definitions are used at too many different sizes to be counted", "one too many")

    def _live(self, param: ir.Param, channels: int, order: Order | None) -> int | None:
        """What the mask of a convolution keeps, worked out once for each; None if that is too much work."""
        kind = param.kind
        if not isinstance(kind, ir.Conv) or kind.direction is None or order is None:
            return 0
        key = (kind, channels, order)
        if key not in self.masks:
            self.work += kind.size[0] * kind.size[1]
            if self.work > limits.INSTANCES.most:
                return None
            self.masks[key] = _live_conv(kind, channels, order)
        return self.masks[key]

    def size(self, value: Nat, values: Mapping[str, int], span: Span, use: Span, what: str) -> int | None:
        """`value` as a whole number >= 1."""
        ratio = value.evaluate(values)
        if ratio.bottom == 1 and 1 <= ratio.top <= limits.SIZE.most:
            return ratio.top
        where = ", ".join(f"{name} = {values[name]}" for name in sorted(value.symbols))
        if ratio.bottom != 1:
            top = f"{value}".rsplit(" / ", 1)[0]
            shown = f"{ratio.top} / {ratio.bottom}"
            title = f"{shown} is not a whole number: `{value}`" + (f" with {where}" if where else "")
            label, code = f"`{top}` does not divide exactly", "E0303"
        else:
            title = f"{what} is {ratio.top}" + (f": `{value}` with {where}" if where else "")
            label, code = "too small" if ratio.top < 1 else "too large", "E0305"
            title += "; sizes are at least 1" if ratio.top < 1 else f"; sizes go up to {limits.SIZE.shown}"
        also = (Label(use, "at this use"),) if use not in (span, Span("", 0, 0)) else ()
        self.bag.error(code, span, title, label, also=also)
        return None

    # ------------------------------------------------------------ layers

    def _layer(
        self, layer: ir.Layer | ir.Net, dims: Sizes, values: Mapping[str, int], orders: Mapping[str, Order], use: Span
    ) -> Counts | None:
        extents = {}
        for name, extent in layer.indices:
            size = self.size(extent, values, layer.name_span, use, f"the extent of the index `{name}`")
            if size is None:
                return None
            extents[name] = size
        order = layer.order if isinstance(layer.order, Order) else orders.get(layer.order.name)
        total = Counts(0, 0, 1, 1)
        for param in layer.params:
            source = self._dims(param.source, dims, values, param.span, use)
            target = self._dims(param.target, dims, values, param.span, use)
            if source is None or target is None:
                return None
            copies = 1
            for index in param.indices:
                copies *= extents[index]
            live = self._live(param, source[0] if source else 1, order)
            if live is None:
                self._too_much(use)
                return None
            one = _count(param, source, target, order, live)
            total += Counts(one.stored * copies, one.live * copies, 0)
            if total.stored > limits.PARAMETERS.most:
                self.bag.error(
                    "E0307",
                    param.span,
                    f"`{param.name}` alone would hold {one.stored * copies:,} numbers",
                    f"{one.stored * copies * 4 / 2**30:,.0f} GiB in float32",
                    also=(Label(use, "at this use"),) if use.file else (),
                    notes=(f"the limit of one layer is {limits.PARAMETERS.shown} parameters; nothing was allocated",),
                )
                return None
        return total

    def _dims(self, shape: ir.Shape, dims: Sizes, values: Mapping[str, int], span: Span, use: Span) -> Sizes | None:
        if shape.kind == "Any":
            return dims
        sizes = [self.size(d, values, span, use, "a size") for d in shape.dims]
        known = tuple(s for s in sizes if s is not None)
        return known if len(known) == len(sizes) else None

    # ------------------------------------------------------------ flows

    def _flow(self, flow: ir.Flow, values: Mapping[str, int], orders: Mapping[str, Order], use: Span) -> Counts | None:
        return self._steps(flow.steps, values, orders)

    def _steps(
        self, steps: tuple[ir.Step, ...], values: Mapping[str, int], orders: Mapping[str, Order]
    ) -> Counts | None:
        total = Counts(0, 0, 0)
        for step in steps:
            one = self._step(step, values, orders)
            if one is None:
                return None
            total += one
            if total.steps > limits.STEPS.most or total.stored > limits.PARAMETERS.most:
                self.bag.error(
                    "E0307",
                    step.span,
                    f"up to here there are {total.steps:,} steps, and {total.stored:,} parameters",
                    f"limits: {limits.STEPS.shown} steps, {limits.PARAMETERS.shown} parameters",
                    notes=("nothing was allocated",),
                )
                return None
        return total

    def _step(self, step: ir.Step, values: Mapping[str, int], orders: Mapping[str, Order]) -> Counts | None:
        match step.op:
            case ir.Use() | ir.Classify():
                return self._use(step, step.op, values, orders)
            case ir.Repeat():
                count = self.size(step.op.count, values, step.span, step.span, "the number of copies")
                inner = self._steps(step.op.steps, values, orders)
                return None if count is None or inner is None else inner.times(count)
            case ir.Pair():
                return self._steps(step.op.steps, values, orders)
            case ir.Squeeze() | ir.Pad():
                return Counts(0, 0, 0, 1) if self._shape(step.result, values, step) is not None else None
            case _:
                return Counts(0, 0, 0, 1)

    def _shape(self, shape: ir.Shape, values: Mapping[str, int], step: ir.Step) -> Sizes | None:
        if shape.kind == "Any":
            return ()
        return self._dims(shape, (), values, step.span, step.span)

    def _use(
        self, step: ir.Step, use: ir.Use | ir.Classify, values: Mapping[str, int], orders: Mapping[str, Order]
    ) -> Counts | None:
        dims = self._shape(step.shape, values, step)
        if dims is None:
            return None
        nats: dict[str, int] = {}
        inner_orders: dict[str, Order] = {}
        for name, value in use.args:
            if isinstance(value, Nat):
                size = self.size(value, values, step.span, step.span, f"`{name}`")
                if size is None:
                    return None
                nats[name] = size
            elif isinstance(value, Order):
                inner_orders[name] = value
            elif isinstance(value, ir.FormalOrder) and value.name in orders:
                inner_orders[name] = orders[value.name]
        return self.of(use.definition, dims, nats, inner_orders, step.span)


def known_sizes(definition: ir.Definition, sizes: Mapping[str, int]) -> KnownSizes | None:
    """The sizes of the shape and of the formals, where all are known."""
    nats = _nats(definition, sizes)
    dims = _dims(definition, nats) if nats is not None else None
    return None if nats is None or dims is None else (dims, nats)


def _nats(definition: ir.Definition, sizes: Mapping[str, int]) -> dict[str, int] | None:
    values = {}
    for formal in definition.formals:
        if formal.type != "Nat":
            continue
        default = formal.default.constant if isinstance(formal.default, Nat) else None
        value = sizes.get(formal.name, default)
        if value is None:
            return None
        values[formal.name] = value
    return values


def _dims(definition: ir.Definition, nats: Mapping[str, int]) -> tuple[int, ...] | None:
    if definition.shape.kind == "Any" or not all(d.symbols <= set(nats) for d in definition.shape.dims):
        return None
    ratios = [d.evaluate(nats) for d in definition.shape.dims]
    return tuple(r.top for r in ratios) if all(r.bottom == 1 for r in ratios) else None


def _bind(shape: ir.Shape, dims: Sizes) -> dict[str, int]:
    """Values of the symbols that a shape binds."""
    bound = {}
    for pattern, size in zip(shape.dims, dims, strict=False):
        if len(pattern.terms) == 1 and len(pattern.symbols) == 1:
            symbol = next(iter(pattern.symbols))
            if pattern == Nat.symbol(symbol):
                bound[symbol] = size
    return bound


# ---------------------------------------------------------------- counting


def _count(param: ir.Param, source: Sizes, target: Sizes, order: Order | None, live: int) -> Counts:
    """Numbers of one parameter; `live` are those that the mask of a convolution keeps."""
    match param.kind:
        case ir.Normalize() | ir.Perm():
            return Counts(0, 0, 0)  # statistics and permutations are buffers
        case ir.Elementwise(per=per):
            n = 1
            channel = target[-1:] if param.target.kind == "Seq" else target[:1]
            for d in target if per == "element" else channel:
                n *= d
            fixed = param.bound is not None and param.bound.cmp == "== 1"
            return Counts(n, 0 if fixed else n, 0)
        case ir.Conv() as conv:
            rows, columns = conv.size
            stored = target[0] * source[0] * rows * columns
            if conv.direction is None or order is None:
                return Counts(stored, _free(param, source[0], stored), 0)
            return Counts(stored, live - _fixed(param, source[0]), 0)
        case ir.Dense() as dense:
            stored = target[-1] * source[-1]
            if dense.direction is None or order is None:
                return Counts(stored, _free(param, source[-1], stored), 0)
            n = source[-1]
            later = order.compare((1,) * 1) if len(order.rows[0]) == 1 else 0
            off = n * (n - 1) // 2 if later else 0
            return Counts(stored, off + (0 if dense.strict else n) - _fixed(param, n), 0)


def _free(param: ir.Param, n: int, stored: int) -> int:
    """Of `stored` numbers of an unmasked map those that count; triangles and reflections leave some of n n unused."""
    if not param.factored or param.bound is None:
        return stored
    half = n * (n - 1) // 2
    unit = {"unit_lower": half, "unit_upper": half, "householder": half}
    return unit.get(param.bound.via, half + n if param.bound.via in ("lower", "upper") else stored)


def _fixed(param: ir.Param, diagonal: int) -> int:
    return diagonal if param.bound is not None and param.bound.cmp == "== 1" else 0


def _live_conv(conv: ir.Conv, channels: int, order: Order) -> int:
    """Entries that a mask keeps: of each tap the channel differences whose key is later, and the diagonal."""
    row, column = anchor(conv, "lower" if conv.direction != "upper" else "upper")
    sign = -1 if conv.direction == "upper" else 1
    taps = ((row - u, column - v) for u in range(conv.size[0]) for v in range(conv.size[1]))
    return (0 if conv.strict else channels) + sum(_later(order, sign, *tap, channels) for tap in taps)


def _later(order: Order, sign: int, dh: int, dw: int, channels: int) -> int:
    """Pairs of channels (o, i) for which the key of (o - i, dh, dw) has this sign."""
    kept, first, last = 0, 1 - channels, channels - 1  # the differences whose key is 0 so far
    for a, *rest in order.rows:
        a, b = sign * a, sign * (rest[0] * dh + rest[1] * dw)
        if a == 0 and b:
            return kept + (_pairs(channels, first, last) if b > 0 else 0)
        if a:
            below, root = divmod(-b, a)  # a * d + b > 0 for d beyond -b / a, on the side of the sign of a
            exact = root == 0
            if a > 0:
                kept += _pairs(channels, max(first, below + 1), last)
            else:
                kept += _pairs(channels, first, min(last, below - 1 if exact else below))
            if not exact or not first <= below <= last:
                return kept
            first = last = below
    return kept


def _pairs(channels: int, first: int, last: int) -> int:
    """Pairs of channels whose difference lies from `first` to `last`."""

    def up_to(difference: int) -> int:
        if difference < 0:
            return (channels + difference) * (channels + difference + 1) // 2
        return channels**2 - (channels - 1 - difference) * (channels - difference) // 2

    return up_to(last) - up_to(first - 1) if first <= last else 0


def anchor(conv: ir.Conv, direction: str) -> tuple[int, int]:
    """The tap (row, column) that meets the pixel itself."""
    rows, columns = conv.size
    word = conv.anchor
    if word == "corner":
        word = "bottom_right" if direction == "lower" else "top_left"
    match word:
        case "centre":
            return rows // 2, columns // 2
        case "bottom_right":
            return rows - 1, columns - 1
        case "bottom_left":
            return rows - 1, 0
        case "top_right":
            return 0, columns - 1
        case "top_left":
            return 0, 0
        case _:
            raise AssertionError(word)
