"""Blind borders: flows whose convolutions cannot reach across an image, whatever the weights.

A bound, not a walk over the grid: the first output of an axis sees no input beyond what the layers reach together,
the last one none before. It costs a few steps for each layer, and where it decides nothing, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.counts import Sizes
from mintdsl.core.interpret_env import Argument, Env, bind_layer
from mintdsl.core.live import differences
from mintdsl.core.orders import Order
from mintdsl.core.postorder import operands
from mintdsl.core.walks import with_applied
from mintdsl.diagnostics.model import Diagnostic, Fix, Label, Severity
from mintdsl.proof.stages import Append, Apply, Beyond, Copies, Leave, Mix, Move, Network, Pair, Stage, network
from mintdsl.records import record

MAX_COPIES = 1000


@record
class Window:
    """The rows and columns that an output may see; of what a layer adds, how far it reads from its own place."""

    top: int
    left: int
    bottom: int
    right: int

    def moved(self, by: Window, times: int = 1) -> Window:
        """Wider by `times` the offsets of `by`."""
        return Window(
            self.top + times * by.top,
            self.left + times * by.left,
            self.bottom + times * by.bottom,
            self.right + times * by.right,
        )

    def united(self, other: Window) -> Window:
        """The smallest window around both."""
        return Window(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )


HERE = Window(0, 0, 0, 0)
EVERYWHERE = Window(-(2**62), -(2**62), 2**62, 2**62)


def blind_border(program: ir.Program, key: str, dims: Sizes, args: Mapping[str, Argument]) -> tuple[Diagnostic, ...]:
    """W0602 for a flow on an image, when some of its outputs surely miss a border of the image."""
    flow = program.definitions[key]
    if isinstance(flow, ir.Flow) and flow.left:
        return ()  # a latent of several parts has no one border
    stages, outputs = _image(network(program, key, dims, args))
    if not any(isinstance(p.kind, ir.Conv) for layer in _layers(stages) for p in layer.params):
        return ()
    _, height, width = outputs
    first = _back(stages, HERE)
    last = _back(stages, Window(height - 1, width - 1, height - 1, width - 1))
    missed = (
        (dims[1] - 1 - first.bottom, dims[1], "first", "last", "row"),
        (last.top, dims[1], "last", "first", "row"),
        (dims[2] - 1 - first.right, dims[2], "first", "last", "column"),
        (last.left, dims[2], "last", "first", "column"),
    )
    count, size, end, other, axis = max(missed, key=lambda row: row[0] / row[1])
    if count <= 0:
        return ()
    seen = size - count
    return (
        Diagnostic(
            "W0602",
            f"no output in the {end} {axis} of the latent sees the {other} {count} of {size} {axis}s, for any weights",
            (
                Label(flow.name_span, f"its layers reach over {seen} {axis}s at most", primary=True),
                Label(flow.shape_span, f"{size} {axis}s"),
            ),
            ("a bound from kernels, masks and squeezes alone; `mint prove --support` shows what each output can see",),
            (Fix("repeat the layers more often, take larger kernels, or squeeze between them"),),
            Severity.WARNING,
        ),
    )


def _image(net: Network) -> tuple[Sequence[Stage], Sizes]:
    """The stages up to the last image, and its sizes; none where what follows may mix its entries."""
    if any(map(_solved, net.stages)):
        return (), net.outputs  # an inverse may see as far as it likes
    for place, stage in enumerate(net.stages):
        if isinstance(stage, Move) and isinstance(stage.op, (ir.Flatten, ir.Patches)):
            rest = [p for layer in _layers(net.stages[place:]) for p in layer.params]
            mixes = any(isinstance(p.kind, (ir.Conv, ir.Dense)) for p in rest)
            mixes = mixes or any(isinstance(s, Mix) for s in _flattened(net.stages[place:]))
            return () if mixes else net.stages[:place], stage.dims
    return net.stages, net.outputs


def _solved(stage: Stage) -> bool:
    """Whether a layer stands in its inverse direction in a stage."""
    inner = stage.stages if isinstance(stage, (Copies, Pair)) else ()
    return isinstance(stage, Apply) and stage.inverted or any(map(_solved, inner))


def _layers(stages: Sequence[Stage]) -> Iterator[ir.Layer]:
    for stage in stages:
        match stage:
            case Apply(layer=layer):
                yield from with_applied(layer)
            case Copies(stages=inner) | Pair(stages=inner):
                yield from _layers(inner)
            case Move() | Append() | Mix():
                pass
            case Leave() | Beyond():
                raise AssertionError("flows whose parts leave are not looked at")
            case other:
                assert_never(other)


def _back(stages: Sequence[Stage], window: Window) -> Window:
    """What may be seen in front of the stages of what may be seen behind them; it may stand over the borders."""
    for stage in reversed(stages):
        match stage:
            case Apply(layer=layer, env=env):
                window = window.moved(_reach(layer, env))
            case Move(op=op, dims=dims):
                window = _moved(op, dims, window)
            case Append():
                pass
            case Mix():
                window = EVERYWHERE
            case Leave() | Beyond():
                raise AssertionError("flows whose parts leave are not looked at")
            case Pair(stages=inner):
                window = _back(inner, window)
            case Copies(count=count, stages=inner):
                window = _copies(inner, count, window)
            case other:
                assert_never(other)
    return window


def _moved(op: ir.Moves, dims: Sizes, window: Window) -> Window:
    """What may be seen of an image of sizes `dims` in front of a step that moves its entries."""
    top, left, bottom, right = window.top, window.left, window.bottom, window.right
    match op:
        case ir.Squeeze(factor=f, undo=True):
            return Window(top // f, left // f, bottom // f, right // f)
        case ir.Squeeze(factor=f):  # a channel may stand for any pixel of its block
            return Window(top * f, left * f, bottom * f + f - 1, right * f + f - 1)
        case ir.Reverse(axis="all"):
            _, height, width = dims
            return Window(height - 1 - bottom, width - 1 - right, height - 1 - top, width - 1 - left)
        case ir.Transpose() if "channel" not in (op.first, op.second):
            return Window(left, top, right, bottom)
        case ir.Permute(axis="all") | ir.Transpose():
            return EVERYWHERE
        case ir.Reverse() | ir.Permute():
            return window  # of the channels
        case ir.Flatten() | ir.Patches():
            raise AssertionError("no image leaves it")
        case other:
            assert_never(other)


def _copies(stages: Sequence[Stage], count: int, window: Window) -> Window:
    """Copies of layers add up; with moves between them they are taken one by one, a huge number as seeing all."""
    if not any(isinstance(s, Move) for s in _flattened(stages)):
        return window.moved(_back(stages, HERE), count)
    if count > MAX_COPIES:
        return EVERYWHERE
    for _ in range(count):
        window = _back(stages, window)
    return window


def _flattened(stages: Sequence[Stage]) -> Iterator[Stage]:
    for stage in stages:
        if isinstance(stage, (Copies, Pair)):
            yield from _flattened(stage.stages)
        else:
            yield stage


# ---------------------------------------------------------------- layers


def _reach(layer: ir.Layer, env: Env) -> Window:
    """How far a layer reads at most."""
    lets: dict[str, Window | None] = {}

    def of(node: ir.Expr) -> Window | None:
        """None for what does not depend on the variable."""
        match node:
            case ir.Var():
                return HERE
            case ir.Scalar() | ir.Value() | ir.Given():
                return None
            case ir.Ref(name=name):
                return lets[name]
            case ir.Linear():
                inner, kind = of(node.arg), layer.param(node.param).kind
                if inner is None or not isinstance(kind, ir.Conv):
                    return inner
                if kind.circular:
                    return EVERYWHERE
                param = layer.param(node.param)
                return inner.moved(_kernel(kind, env.shape(param.source)[0], env.shape(param.target)[0], layer, env))
            case ir.Exponential():
                return None if of(node.arg) is None else EVERYWHERE
            case ir.Cayley():
                return EVERYWHERE
            case ir.Apply() | ir.Neg() | ir.Pool() | ir.MaxMin() | ir.Swish() | ir.Delay() | ir.Spread() | ir.Pick():
                return of(node.arg)
            case ir.Inline():
                inner, applied = of(node.arg), layer.param(node.param).kind
                assert isinstance(applied, ir.LayerParam)
                return inner and inner.moved(_reach(applied.layer, bind_layer(applied, env)))
            case ir.Join() | ir.Bend():
                known = [window for window in map(of, operands(node)) if window is not None]
                return reduce(Window.united, known) if known else None
            case ir.Call() | ir.Chain() | ir.Concat():
                args = (node.arg,) if isinstance(node, ir.Chain) else node.args
                return None if all(of(arg) is None for arg in args) else EVERYWHERE
            case ir.Sum():
                return of(node.body)
            case ir.Binary():
                left, right = of(node.left), of(node.right)
                return left.united(right) if left is not None and right is not None else left or right
            case other:
                assert_never(other)

    for item in layer.lets:
        lets[item.name] = of(item.value)
    return of(layer.result) or HERE


def _kernel(conv: ir.Conv, inputs: int, outputs: int, layer: ir.Layer, env: Env) -> Window:
    """How far the entries that a mask keeps read from their own place.

    A key grows or falls with the channel, so at each place the kept differences of channels go on to one of the two
    ends, which are therefore the only ones to look at.
    """
    order, later, word = None, 1, "lower"
    if conv.direction is not None:
        order = layer.order if isinstance(layer.order, Order) else env.look(env.orders, layer.order.name)
        fixed = conv.direction in ("lower", "upper")
        word = conv.direction if fixed else env.look(env.directions, conv.direction)
        later = 1 if word == "lower" else -1
    reach = HERE
    for dh, dw in differences(conv, word):
        down, right = -dh, -dw
        ends = (1 - inputs, outputs - 1)
        if order is None or any(order.compare((channel, -down, -right)) == later for channel in ends):
            reach = reach.united(Window(down, right, down, right))
    return reach
