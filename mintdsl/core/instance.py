"""Definitions at concrete sizes: whole quotients, parameter counts, limits.

The proof holds for all sizes; here the sizes of one use are put in, before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from math import prod

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.bends import too_few_or_many
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.counts import Counts, Sizes, count, low_rank_count, prior_counts
from mintdsl.core.known_sizes import bind_sizes, left_sizes
from mintdsl.core.live import at_positions, live_conv
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order
from mintdsl.core.walks import bends
from mintdsl.diagnostics.model import Bag, Fix, Label
from mintdsl.source import Span


@dataclass(slots=True)
class Instances:
    """Evaluates definitions at concrete sizes; each (definition, shape, sizes, order) once."""

    program: ir.Program
    bag: Bag
    done: dict[tuple[object, ...], Counts | None] = field(default_factory=dict)
    masks: dict[tuple[ir.Conv, int, Order], int] = field(default_factory=dict)
    work: int = 0

    def of(
        self,
        key: str,
        dims: Sizes,
        nats: Mapping[str, int],
        orders: Mapping[str, Order],
        use: Span,
        places: tuple[Sizes, ...] = (),
        given: Sizes | None = None,
    ) -> Counts | None:
        """The counts of definition `key` on a shape; None when a size is not whole or too large (reported).

        `places` are the sizes of all inputs and results of a net that is a parameter, `given` those of a context.
        """
        named = tuple(sorted(nats.items())), tuple(sorted((k, v.name) for k, v in orders.items()))
        place = (key, dims, places, given, *named)
        if place not in self.done:
            definition = self.program.callable(key)
            self.work += len(definition.steps if isinstance(definition, ir.Flow) else definition.params) + 1
            if self.work > limits.INSTANCES.most:
                self._too_much(use)
                return None
            values = {**nats, **bind_sizes(definition.shape, dims)}
            context = None if isinstance(definition, ir.Net) else definition.given
            if context is not None and given is not None:
                values = {**bind_sizes(context.shape, given), **values}
                if self._dims(context.shape, dims, values, context.span, use) is None:
                    return None
            if isinstance(definition, ir.Net):
                for pattern, sizes in zip(definition.places, places, strict=False):
                    values |= bind_sizes(pattern, sizes)
            if definition.shape.dims and self._dims(definition.shape, dims, values, definition.shape_span, use) is None:
                return None
            if isinstance(definition, (ir.Layer, ir.Net)):
                self.done[place] = self._layer(definition, dims, values, orders, use)
            else:
                self.done[place] = self._steps(definition.steps, values, orders, given)
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
            self.masks[key] = live_conv(kind, channels, order)
        return self.masks[key]

    def size(
        self, value: Nat, values: Mapping[str, int], span: Span, use: Span, what: str, least: int = 1
    ) -> int | None:
        """`value` as a whole number >= `least`."""
        ratio = value.evaluate(values)
        if ratio.bottom == 1 and least <= ratio.top <= limits.SIZE.most:
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
        if isinstance(layer, ir.Layer) and layer.split is not None:
            cut = [self._dims(shape, dims, values, layer.split.span, use) for shape in layer.split.shapes]
            if None in cut or self._empty(layer, layer.split, dims, values, use):
                return None
        if not self._bends(layer, values, use):
            return None
        for param in layer.params:
            copies = 1
            for index in param.indices:
                copies *= extents[index]
            owner = layer if isinstance(layer, ir.Net) else None
            one = self._param(param, dims, values, order, orders, use, owner)
            if one is None:
                return None
            total += one.times(copies)
            if total.steps > limits.STEPS.most:
                self.bag.error(
                    "E0307",
                    param.span,
                    f"up to here `{layer.name}` holds {total.steps:,} nets, those inside of nets counted each time",
                    f"the limit is {limits.STEPS.shown}",
                    notes=("nothing was allocated",),
                )
                return None
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

    def _empty(self, layer: ir.Layer, split: ir.Split, dims: Sizes, values: Mapping[str, int], use: Span) -> bool:
        """Whether a part of a mask has no place at these sizes; reported if so."""
        if split.functional is None:
            return False
        *factors, shift = split.functional
        count = len(split.parts)
        found = {shift % count}
        for factor, size in zip(factors, dims, strict=True):
            found = {(value + factor * k) % count for value in found for k in range(min(size, count))}
        start = self.size(split.start, values, split.span, use, "the part that comes first", 0)
        missing = [p for k, p in enumerate(split.parts) if ((start or 0) + k) % count not in found]
        if missing:
            title = f"the part `{missing[0]}` of `{split.how}` has no place on {layer.shape} of sizes {list(dims)}"
            also = (Label(use, "at this use"),) if use.file else ()
            self.bag.error("E0305", split.span, title, "an empty part", also=also)
        return bool(missing)

    def _bends(self, owner: ir.Layer | ir.Net, values: Mapping[str, int], use: Span) -> bool:
        """Whether every elementwise bijection has numbers enough and not too many; reported if not."""
        for node in bends(owner):
            what = f"the number of {BIJECTIONS[node.bijection].count}"
            count = self.size(node.count, values, node.span, use, what)
            problem = None if count is None else too_few_or_many(node.bijection, count, node.options)
            if problem is not None:
                also = (Label(use, "at this use"),) if use not in (node.span, Span("", 0, 0)) else ()
                self.bag.error("E0305", node.span, *problem, also=also)
            if count is None or problem is not None:
                return False
        return True

    def _param(
        self,
        param: ir.Param,
        dims: Sizes,
        values: Mapping[str, int],
        order: Order | None,
        orders: Mapping[str, Order],
        use: Span,
        owner: ir.Net | None,
    ) -> Counts | None:
        """The numbers of one member of a family, of a layer or of the net `owner`."""
        if isinstance(param.kind, ir.NetParam):
            return self._net(param.kind, dims, values, orders, param.span, use)
        if isinstance(param.kind, ir.LayerParam):
            return self._applied(param, param.kind, dims, values, orders, use)
        source = self._dims(param.source, dims, values, param.span, use)
        target = self._dims(param.target, dims, values, param.span, use)
        if source is None or target is None:
            return None
        if isinstance(param.kind, ir.Attention):
            heads = self.size(param.kind.heads, values, param.span, use, "the number of heads")
            if heads is None:
                return None
            if source[-1] % heads:
                title = f"{source[-1]} / {heads} is not a whole number: the heads share the {source[-1]} channels"
                self.bag.error("E0303", param.span, title, f"{heads} heads do not divide them")
                return None
        rank = param.kind.rank if isinstance(param.kind, (ir.Conv, ir.Dense)) else None
        if rank is not None:
            low = self.size(rank, values, param.span, use, "the rank")
            n = target[-1] if isinstance(param.kind, ir.Dense) else target[0]
            if low is not None and low > n:
                title = f"`{param.name}` has a rank of {low}, and {n} channels: no matrix of theirs has more than {n}"
                also = (Label(use, "at this use"),) if use not in (param.span, Span("", 0, 0)) else ()
                fix = Fix("leave the rank out: `with det != 0` then stores the whole matrix")
                self.bag.error("E0305", param.span, title, f"at most {n}", also=also, fixes=(fix,))
            return None if low is None or low > n else low_rank_count(param, low, n)
        if isinstance(param.kind, ir.Dense) and param.kind.direction is not None and owner is not None:
            if (param.source, param.target) != (owner.shape, owner.shape):
                return self._between(param, owner, dims[0], source[0], target[0], use)
        if isinstance(param.kind, ir.Perm) and not self._drawn("perm", param.kind.axis, source, use):
            return None
        live = self._live(param, source[0] if source else 1, order)
        if live is None:
            self._too_much(use)
            return None
        return count(param, param.kind, source, target, order, live)

    def _net(
        self,
        kind: ir.NetParam,
        dims: Sizes,
        values: Mapping[str, int],
        orders: Mapping[str, Order],
        span: Span,
        use: Span,
    ) -> Counts | None:
        """The numbers of a net at its places."""
        places = [self._dims(s, dims, values, span, use) for s in (*kind.sources, *kind.targets)]
        arguments = self._arguments(kind.args, values, orders, span, {})
        known = tuple(place for place in places if place is not None)
        if arguments is None or len(known) != len(places):
            return None
        inner = self.of(kind.definition, known[0], *arguments, span, known)
        return inner and inner._replace(modules=0)

    def _applied(
        self,
        param: ir.Param,
        kind: ir.LayerParam,
        dims: Sizes,
        values: Mapping[str, int],
        orders: Mapping[str, Order],
        use: Span,
    ) -> Counts | None:
        """The numbers of a layer that a formula applies; it is a layer of its own."""
        place = self._dims(kind.place, dims, values, param.span, use)
        least = {f.name: f.least for f in kind.layer.formals}
        arguments = self._arguments(kind.args, values, orders, param.span, least)
        if place is None or arguments is None:
            return None
        given = None if kind.given is None else self._dims(kind.given, dims, values, param.span, use)
        return self.of(kind.definition, place, *arguments, param.span, given=given)

    def _between(self, param: ir.Param, owner: ir.Net, data: int, source: int, target: int, use: Span) -> Counts | None:
        """A masked matrix to or from hidden units; each position of the data needs one, or a dependency is lost."""
        assert isinstance(param.kind, ir.Dense)
        stored = target * source
        for shape, size in ((param.target, target), (param.source, source)):
            if not _own(shape, owner) and size < data - 1:
                lost = f"the last of {data} results cannot read input {size + 1}"
                self.bag.error(
                    "E0305",
                    param.span,
                    f"`{shape}` has {size} hidden units for {data - 1} positions: {lost}",
                    "too few units",
                    also=(Label(use, "at this use"),) if use.file else (),
                    notes=("hidden unit k stands at position 1 + k mod (D - 1)",),
                )
                return None
        if stored > limits.PARAMETERS.most:
            return Counts(stored, stored, 0)  # too many, whatever the mask keeps
        self.work += data
        outputs, inputs = (
            at_positions(size, data, _own(shape, owner))
            for shape, size in ((param.target, target), (param.source, source))
        )
        below = [0, *accumulate(inputs)]
        live = sum(n * below[min(p + (not param.kind.strict), len(inputs))] for p, n in enumerate(outputs))
        return Counts(stored, live, 0)

    def _arguments(
        self,
        args: tuple[tuple[str, ir.Argument], ...],
        values: Mapping[str, int],
        orders: Mapping[str, Order],
        span: Span,
        least: Mapping[str, int],
    ) -> tuple[dict[str, int], dict[str, Order]] | None:
        """The sizes and orders among the arguments of a use; `least` are the least values of sizes."""
        nats: dict[str, int] = {}
        inner_orders: dict[str, Order] = {}
        for name, value in args:
            if isinstance(value, Nat):
                size = self.size(value, values, span, span, f"`{name}`", least.get(name, 1))
                if size is None:
                    return None
                nats[name] = size
            elif isinstance(value, Order):
                inner_orders[name] = value
            elif isinstance(value, ir.FormalOrder) and value.name in orders:
                inner_orders[name] = orders[value.name]
        return nats, inner_orders

    def _dims(self, shape: ir.Shape, dims: Sizes, values: Mapping[str, int], span: Span, use: Span) -> Sizes | None:
        if shape.kind == "Any":
            return dims
        sizes = [self.size(d, values, span, use, "a size") for d in shape.dims]
        known = tuple(s for s in sizes if s is not None)
        return known if len(known) == len(sizes) else None

    # ------------------------------------------------------------ flows

    def _steps(
        self, steps: tuple[ir.Step, ...], values: Mapping[str, int], orders: Mapping[str, Order], given: Sizes | None
    ) -> Counts | None:
        total = Counts(0, 0, 0)
        for step in steps:
            one = self._step(step, values, orders, given)
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

    def _step(
        self, step: ir.Step, values: Mapping[str, int], orders: Mapping[str, Order], given: Sizes | None
    ) -> Counts | None:
        match step.op:
            case ir.Use() | ir.Classify():
                return self._use(step, step.op, values, orders, given)
            case ir.Repeat():
                count = self.size(step.op.count, values, step.span, step.span, "the number of copies")
                inner = self._steps(step.op.steps, values, orders, given)
                return None if count is None or inner is None else inner.times(count)
            case ir.Pair():
                return self._steps(step.op.steps, values, orders, given)
            case ir.Squeeze() | ir.Patches() | ir.Flatten() | ir.Pad() | ir.FactorOut():
                found = [self.size(n, values, step.span, step.span, "a size") for n in left_sizes(step)]
                if None in found:
                    return None
                one = Counts(0, 0, 0, 1)
                if not isinstance(step.op, ir.FactorOut) or step.op.prior is None:
                    return one
                inner = self._net(step.op.prior, (), values, orders, step.span, step.span)
                return inner and one + inner
            case ir.Ode(field=field):
                inner = self._net(field, (), values, orders, step.span, step.span)
                return inner and Counts(0, 0, 0, 1) + inner
            case ir.Prior(per=per, left=left):
                sizes, *gone = (self._shape(shape, values, step) for shape in (step.shape, *left))
                known = [s for s in gone if s is not None]
                return prior_counts(sizes, per, known) if sizes is not None and len(known) == len(gone) else None
            case ir.Permute(axis=axis):
                return Counts(0, 0, 0, 1) if self._permuted(axis, values, step) else None
            case _:
                return Counts(0, 0, 0, 1)

    def _shape(self, shape: ir.Shape, values: Mapping[str, int], step: ir.Step) -> Sizes | None:
        if shape.kind == "Any":
            return ()
        return self._dims(shape, (), values, step.span, step.span)

    def _permuted(self, axis: str, values: Mapping[str, int], step: ir.Step) -> bool:
        """Whether a permutation is small enough to be drawn and kept; reported if not."""
        dims = self._shape(step.shape, values, step)
        return dims is not None and self._drawn("permute", axis, dims, step.span)

    def _drawn(self, what: str, axis: str, dims: Sizes, use: Span) -> bool:
        """Whether a permutation of an axis, or of all entries, is small enough; reported if not."""
        along = 1 if axis == "channel" and len(dims) == 2 else 0
        size = prod(dims) if axis == "all" else prod(dims[along : along + 1])
        if size > limits.PERMUTED.most:
            title, label = f"`{what}` of {size:,} entries", f"more than {limits.PERMUTED.shown}"
            self.bag.error("E0307", use, title, label, notes=("nothing was allocated",))
        return size <= limits.PERMUTED.most

    def _use(
        self,
        step: ir.Step,
        use: ir.Use | ir.Classify,
        values: Mapping[str, int],
        orders: Mapping[str, Order],
        given: Sizes | None,
    ) -> Counts | None:
        dims = self._shape(step.shape, values, step)
        if dims is None:
            return None
        least = {f.name: f.least for f in self.program.callable(use.definition).formals}
        arguments = self._arguments(use.args, values, orders, step.span, least)
        return None if arguments is None else self.of(use.definition, dims, *arguments, step.span, given=given)


def _own(shape: ir.Shape, owner: ir.Net) -> bool:
    """Whether its elements stand at the positions of the data, and at all of them."""
    return shape == owner.shape or shape.each is not None
