"""What the results of a net read: from which positions of each input, in the order of the net.

The position of an element is its key in the order: the index of a Vec, the token of a Seq. Other Vecs of a net have
positions too, by which its masks are made: as many elements of a space with `degrees = own` at each position, hidden
units in turn. A class is a set of words: "=" (the same position), a direction (positions before, or after, it), or ANY.
Nothing else is known of a net.
"""

from __future__ import annotations

from collections.abc import Mapping

from mintdsl.core import ir
from mintdsl.core.orders import ORDERS, Order
from mintdsl.core.postorder import Node, postorder
from mintdsl.records import record

Reads = frozenset[str]
NOTHING: Reads = frozenset()
SAME: Reads = frozenset({"="})
ANY: Reads = frozenset({"*"})


def after(outer: Reads, inner: Reads) -> Reads:
    """What is read through `outer` of something that reads `inner`."""
    if not outer or not inner:
        return NOTHING
    found: set[str] = set()
    for a in outer:
        for b in inner:
            found |= {b} if a == "=" else {a} if b in ("=", a) else ANY
    return ANY if "*" in found or len(found - {"="}) > 1 else frozenset(found)


def both(a: Reads, b: Reads) -> Reads:
    """What is read by two expressions together."""
    joined = a | b
    return ANY if "*" in joined or len(joined - {"="}) > 1 else joined


@record
class Scope:
    """Where a net is used: what its Dir formals are called there, and its order."""

    words: Mapping[str, str]
    order: Order | None


def alike(a: Order | None, b: Order | None) -> bool:
    """Whether two orders are one, whatever they are called."""
    return a is not None and b is not None and (a.space, a.rows) == (b.space, b.rows)


def positional(order: Order | None) -> bool:
    """Whether positions of this order are followed through nets."""
    return order is not None and (order.space == "Vec" or order.rows == ORDERS["time"].rows and order.space == "Seq")


def scope_of(kind: ir.NetParam, outer: Scope, orders: Mapping[str, Order]) -> tuple[Scope, dict[str, Order]]:
    """The scope of a net that is a parameter, and its own Order formals."""
    args = dict(kind.args)
    words = {n: outer.words.get(v, v) for n, v in args.items() if isinstance(v, str)}
    own: dict[str, Order] = {}
    for name, value in args.items():
        found = orders.get(value.name) if isinstance(value, ir.FormalOrder) else value
        if isinstance(found, Order):
            own[name] = found
    order = kind.net.order
    return Scope(words, order if isinstance(order, Order) else own.get(order.name)), own


def standing(kind: ir.NetParam, output: int, data: ir.Shape) -> bool:
    """Whether a result stands at the positions of `data` where the net is used, and does so for the net too.

    A result on another Vec than the first input has the positions of hidden units, also where it has the same size.
    """
    pattern, target = kind.net.targets[output], kind.targets[output]
    if data.kind == "Seq":
        return target == data
    own = pattern == kind.net.shape or pattern.each is not None
    return own and (target == data or target.each is not None)


def strict_reads(
    kind: ir.NetParam,
    output: int,
    shape: ir.Shape,
    order: Order | None,
    bindings: Mapping[str, ir.Argument],
    *,
    found: bool,
) -> list[str | None]:
    """The direction in which a result of a net in a layer on `shape` reads each argument strictly.

    "" for none, None if not known. `found`: the order is not the declared one.
    """
    scope = Scope({}, order)
    orders = {name: value for name, value in bindings.items() if isinstance(value, Order)}
    own = positional(order) and not found and alike(scope_of(kind, scope, orders)[0].order, order)
    own = own and standing(kind, output, shape)
    ways: list[str | None] = []
    for source, reads in zip(kind.sources, net_reads(kind, scope, orders)[output], strict=True):
        way = next(iter(reads), "") if len(reads) < 2 else None
        ways.append("" if way == "" else way if own and source == shape and way not in ("=", "*", None) else None)
    return ways


def net_reads(kind: ir.NetParam, outer: Scope, orders: Mapping[str, Order]) -> list[list[Reads]]:
    """For each result of a net, what it reads of each input; ANY where its order is not that of `outer`."""
    scope, own = scope_of(kind, outer, orders)
    return _Walk(kind.net, scope, own, {}, {}).results()


@record
class _Walk:
    net: ir.Net
    scope: Scope
    orders: Mapping[str, Order]
    lets: dict[str, list[Reads]]
    inner: dict[str, list[list[Reads]]]

    def results(self) -> list[list[Reads]]:
        if self.net.extern:
            return [[ANY for _ in self.net.inputs] for _ in self.net.targets]
        for item in self.net.lets:
            self.lets[item.name] = self.formula(item.value)
        return [self.formula(result) for result in self.net.results]

    def formula(self, root: ir.Expr) -> list[Reads]:
        """What a formula reads of each input."""
        done: list[list[Reads]] = []
        for node in postorder(root):
            done.append([self.of(node, k, done) for k in range(len(self.net.inputs))])
        return done[-1]

    def of(self, node: Node, k: int, done: list[list[Reads]]) -> Reads:
        """What a node reads of input k."""
        below = [done[place][k] for place in node.operands]
        joined = NOTHING
        for one in below:
            joined = both(joined, one)
        match node.expr:
            case ir.Var(name=name):
                own, shape = self.net.inputs[k]
                followed = shape == self.net.shape or (self.tokens and shape.kind == "Seq")
                return NOTHING if own != name else SAME if followed else ANY
            case ir.Ref(name=name):
                return self.lets[name][k]
            case ir.Linear(param=name):
                return after(self.map(name), joined)
            case ir.Delay():
                return after(frozenset({"lower"}) if self.tokens else ANY, joined)
            case ir.Concat(shapes=shapes):
                side = self.tokens and all(s.kind == "Seq" or not b for s, b in zip(shapes, below, strict=True))
                return joined if side else after(ANY, joined)
            case ir.Pool() | ir.MaxMin() | ir.Swish(twice=True) | ir.Bend():
                return after(ANY, joined)
            case ir.Call(param=name, output=output):
                found = NOTHING
                for place, one in enumerate(below):
                    found = both(found, after(self.inside(name, place, output), one))
                return found
            case ir.Chain(param=name):
                return after(self.inside(name, 0, 0), joined)  # again and again it reads no more
            case _:
                return joined

    @property
    def tokens(self) -> bool:
        """Whether positions are tokens."""
        return positional(self.scope.order) and self.scope.order is not None and self.scope.order.space == "Seq"

    def map(self, name: str) -> Reads:
        """What a map reads of its argument."""
        param = self.net.param(name)
        match param.kind:
            case ir.Dense(direction=str() as word, strict=strict) if positional(self.scope.order) and not self.tokens:
                own = frozenset({self.scope.words.get(word, word)})
                return own if strict else own | SAME
            case ir.Attention(direction=str() as word) if self.tokens:
                return frozenset({self.scope.words.get(word, word)}) | SAME
            case ir.Dense(direction=None) | ir.LayerNorm() if self.tokens:
                return SAME
            case _:
                return ANY

    def aligned(self, shape: ir.Shape) -> bool:
        """Whether the elements of this shape are those of the data, or tokens."""
        return positional(self.scope.order) and (shape == self.net.shape or self.tokens)

    def inside(self, name: str, place: int, output: int) -> Reads:
        """What a result of a net in this one reads of one of its inputs."""
        kind = self.net.param(name).kind
        assert isinstance(kind, ir.NetParam)
        if name not in self.inner:
            self.inner[name] = net_reads(kind, self.scope, self.orders)
        reads = self.inner[name][output][place]
        same = alike(scope_of(kind, self.scope, self.orders)[0].order, self.scope.order)
        known = self.aligned(kind.sources[place]) and (self.tokens or standing(kind, output, self.net.shape))
        apart = not (same and known)
        return after(ANY, reads) if apart and reads else reads
