"""Where counter-examples are looked for: small sizes and both directions of a definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, product
from math import prod
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.canonical import reachable
from mintdsl.core.interpret import layers
from mintdsl.core.interpret_env import Argument, Env, Given, any_context, bind, evaluate_size
from mintdsl.core.interpret_weights import param_shape, sign_shape
from mintdsl.core.nat import Nat
from mintdsl.core.orders import DIRECTIONS, Order
from mintdsl.core.places import part_places
from mintdsl.core.postorder import below, operands
from mintdsl.core.walks import expressions
from mintdsl.proof.counterexample.knobs import Knob, Part, is_plain, knobs
from mintdsl.records import record, replace

MOST = 4  # sizes that are tried
DIRECTED = 8  # with directions
LARGEST = 16  # coordinates
LONGEST = 24  # layers of one flow
SIZES = range(1, 5)


@record
class Setting:
    """A definition with sizes and directions chosen, and the numbers that are still free.

    `shapes` are those of the stored tensors. `making` is the cost of all weights and `cost` that of one evaluation, in
    nodes of a formula. An `affine` map has one Jacobian everywhere.
    """

    program: ir.Program
    key: str
    dims: tuple[int, ...]
    args: Mapping[str, Argument]
    shown: tuple[tuple[str, str | int | float], ...]
    parts: tuple[Part, ...]
    knobs: tuple[Knob, ...]
    shapes: Mapping[str, tuple[int, ...]]
    making: int
    cost: int
    affine: bool

    @property
    def definition(self) -> ir.Definition:
        """What is evaluated."""
        return self.program.definitions[self.key]

    @property
    def given(self) -> Given | None:
        """The context at which it is evaluated: zeros."""
        return any_context(self.definition, self.dims, self.args)

    @property
    def size(self) -> int:
        """How many coordinates an input has."""
        return prod(self.dims)

    def direction(self, word: str) -> str:
        """`lower` or `upper`, also for a Dir formal."""
        value = self.args.get(word, word)
        return value if isinstance(value, str) else word

    def order(self) -> Order | None:
        """The order of a layer."""
        if isinstance(self.definition, ir.Flow):
            return None
        order = self.definition.order
        found = order if isinstance(order, Order) else self.args.get(order.name)
        return found if isinstance(found, Order) else None

    def part_of_each(self) -> list[int] | None:
        """For each flat element the number of its part, in the order in which parts are written; None without parts."""
        split = self.definition.split if isinstance(self.definition, ir.Layer) else None
        if split is None:
            return None
        sizes = {name: value for name, value in self.args.items() if isinstance(value, int)}
        found = [0] * self.size
        for k, places in enumerate(part_places(split, evaluate_size(split.start, sizes, 0), self.dims)):
            for place in places:
                found[place] = k
        return found

    def index(self, element: int) -> tuple[int, ...]:
        """The index of a flat element."""
        found: list[int] = []
        for extent in reversed(self.dims):
            element, position = divmod(element, extent)
            found.insert(0, position)
        return tuple(found)


def settings(program: ir.Program, key: str, bindings: Mapping[str, ir.Argument]) -> Iterator[Setting]:
    """The smallest sizes at which the definition makes sense, each with all directions."""
    definition = program.definitions[key]
    inside = isinstance(definition, ir.Flow) and bool(definition.normal)
    if inside or any(ir.used_below(used) for used in _layers(program, key)):
        return  # the numbers of a net, or of a layer inside of another, are not tried
    coupled = not isinstance(definition, ir.Layer) or any(
        isinstance(e, ir.Linear | ir.Exponential | ir.Join) for e in expressions(definition)
    )
    smallest = None
    fitting, count = 0, 0
    for dims, nats in _sizes(definition):
        smallest = smallest or dims
        if not coupled and dims != smallest:
            continue  # every coordinate goes its own way
        # one coordinate is lower and upper at once
        for directions in islice(_directions(definition), 1 if prod(dims) == 1 else None):
            try:
                yield _setting(program, key, dims, {**bindings, **nats, **directions})
            except ValueError:
                break  # these sizes do not fit, or a constraint admits no plain number
            count += 1
            if count == DIRECTED:
                return
        else:
            fitting += 1
            if fitting == MOST:
                return


def _sizes(definition: ir.Definition) -> Iterator[tuple[tuple[int, ...], dict[str, int]]]:
    """Sizes of the shape and values of the Nat formals, the smallest first."""
    shape = definition.shape
    nats = [formal.name for formal in definition.formals if formal.type == "Nat"]
    symbols = list(dict.fromkeys([*(s for d in shape.dims for s in sorted(d.symbols)), *nats]))
    if len(symbols) > 6:
        return
    for sizes in sorted(product(SIZES, repeat=len(symbols)), key=lambda sizes: (prod(sizes), sum(sizes), sizes)):
        values = dict(zip(symbols, sizes, strict=True))
        own = {name: values[name] for name in nats}
        if shape.kind == "Any":
            yield (1,), own
            yield (2,), own
            continue
        try:
            dims = tuple(evaluate_size(size, values) for size in shape.dims)
        except ValueError:
            continue
        if prod(dims) <= LARGEST:
            yield dims, own


def _directions(definition: ir.Definition) -> Iterator[dict[str, str]]:
    formals = [formal for formal in definition.formals if formal.type == "Dir"]
    words = [sorted(DIRECTIONS, key=lambda word: word != formal.default) for formal in formals]
    for chosen in product(*words):
        yield {formal.name: word for formal, word in zip(formals, chosen, strict=True)}


def _setting(program: ir.Program, key: str, dims: tuple[int, ...], args: Mapping[str, Argument]) -> Setting:
    definition = program.definitions[key]
    env = bind(definition, dims, args, given=any_context(definition, dims, args))
    if _length(program, definition, env) > LONGEST:
        raise ValueError("too many layers")
    parts = tuple(Part(prefix, _sized(layer, own), own) for prefix, layer, own in layers(program, definition, env, ""))
    shapes: dict[str, tuple[int, ...]] = {}
    for prefix, layer, place in parts:
        if layer.split is not None:
            part_places(layer.split, 0, place.dims)  # the sizes have to fit
        for param in layer.params:
            shape = param_shape(layer, param, place.dims, place.sizes)
            ends = ("_mean", "_var") if isinstance(param.kind, ir.Normalize) else ("",)
            shapes |= {f"{prefix}{param.name}{end}": shape for end in ends}
            signs = sign_shape(layer, param, place.dims, place.sizes)
            if signs is not None:
                shapes[f"{prefix}{param.name}_sign"] = signs
    free = tuple(knob for part in parts for knob in knobs(part))
    cost = 1 + sum(_work(layer, place) for _, layer, place in parts) * (prod(dims) + 2) // 8
    cost += prod(dims) ** 3 // 32  # of a determinant
    numbers = sum(map(prod, shapes.values()))
    tied = any(param.pivot is not None for _, layer, _ in parts for param in layer.params)
    making = 1 + len(free) // 8 + (numbers if tied else 0)
    if isinstance(definition, ir.Flow):  # each evaluation makes all weights anew
        cost += 8 * len(parts) + numbers
    affine = isinstance(definition, ir.Layer) and _affine(definition)
    return Setting(program, key, dims, args, _shown(definition, dims, env), parts, free, shapes, making, cost, affine)


def _sized(layer: ir.Layer, env: Env) -> ir.Layer:
    """The layer with numbers for the sizes of its parameters and families, which are then looked up faster."""

    def shape(symbolic: ir.Shape) -> ir.Shape:
        return replace(symbolic, dims=tuple(Nat.of(evaluate_size(size, env.sizes)) for size in symbolic.dims))

    return replace(
        layer,
        indices=tuple((name, Nat.of(evaluate_size(extent, env.sizes))) for name, extent in layer.indices),
        params=tuple(replace(p, source=shape(p.source), target=shape(p.target)) for p in layer.params),
    )


def _shown(definition: ir.Definition, dims: tuple[int, ...], env: Env) -> tuple[tuple[str, str | int | float], ...]:
    """Sizes and values of formals, as a reader needs them."""
    found: dict[str, str | int | float] = {}
    if definition.shape.kind == "Any":
        found[definition.shape.name] = f"Vec[{dims[0]}]"
    if definition.given is not None:
        found[definition.given.name] = 0
    for size in definition.shape.dims:
        found |= {name: env.sizes[name] for name in sorted(size.symbols) if name in env.sizes}
    for name in (formal.name for formal in definition.formals):
        if name in env.orders:
            found[name] = env.orders[name].name
        if name in env.acts:
            found[name] = str(env.acts[name].act)
        for table in (env.sizes, env.numbers, env.directions):
            if name in table:
                found[name] = table[name]
    return tuple(found.items())


def _length(program: ir.Program, definition: ir.Definition, env: Env) -> int:
    """How many layers a flow has, without a list of them."""

    def of(steps: tuple[ir.Step, ...]) -> int:
        total = 0
        for step in steps:
            match step.op:
                case ir.Use(definition=used):
                    total += _length(program, program.definitions[used], env)
                case ir.Repeat(count=count, steps=inner):
                    known = count.symbols <= set(env.sizes)
                    total += of(inner) * (evaluate_size(count, env.sizes) if known else 1)
                case ir.Pair(steps=inner):
                    total += of(inner)
                case _:
                    total += 1
        return total

    return of(definition.steps) if isinstance(definition, ir.Flow) else 1


def _work(layer: ir.Layer, env: Env) -> int:
    """How many nodes of the formula are evaluated; a kernel counts by its entries."""
    extents = {name: evaluate_size(extent, env.sizes) for name, extent in layer.indices}

    waiting = [(layer.result, 1), *((let.value, prod(extents[i] for i in let.indices)) for let in layer.lets)]
    total = 0
    while waiting:
        node, times = waiting.pop()
        total += times
        if isinstance(node, ir.Linear | ir.Exponential):
            param = layer.param(node.param)
            total += times * (prod(param_shape(layer, param, env.dims, env.sizes)[len(param.indices) :]) // 4)
        inner = times * prod(extents[i] for i in node.indices) if isinstance(node, ir.Sum) else times
        waiting += ((operand, inner) for operand in operands(node))
    return total


def _layers(program: ir.Program, key: str) -> Iterator[ir.Layer]:
    """The layers that a definition uses, or itself."""
    used = (program.callable(place) for place in reachable(program, key))
    return (definition for definition in used if isinstance(definition, ir.Layer))


def _affine(layer: ir.Layer) -> bool:
    """Whether the formula only scales and adds; a product with a parameter or number counts as scaling."""

    def fixed(root: ir.Expr) -> bool:
        return not any(isinstance(node, ir.Var | ir.Ref) for node in below(root))

    def scales(node: ir.Expr) -> bool:
        match node:
            case ir.Apply(arg=arg):
                return fixed(arg)
            case ir.Binary(op="*", left=left, right=right):
                return fixed(left) or fixed(right)
            case ir.Binary(op="/", right=right):
                return fixed(right)
            case _:
                return True

    return all(map(scales, expressions(layer)))


def plain(program: ir.Program, key: str, bindings: Mapping[str, ir.Argument]) -> bool:
    """Whether no number in the formulas is so large or small that others could vanish beside it by rounding alone."""

    def act(value: ir.Act) -> bool:
        match value:
            case ir.BuiltinAct(options=options):
                return all(is_plain(option) for option in options if isinstance(option, float))
            case ir.DefinedAct(body=body):
                return all(map(expr, below(body)))
            case ir.FormalAct():
                return True  # its value is among the bindings
            case other:
                assert_never(other)

    def expr(node: ir.Expr) -> bool:
        match node:
            case ir.Scalar(value=float() as value):
                return is_plain(value)
            case ir.Apply():
                return act(node.act)
            case _:
                return True

    def step(one: ir.Step) -> bool:
        match one.op:
            case ir.Use(definition=used, args=args):
                return plain(program, used, dict(args))
            case ir.Repeat(steps=steps) | ir.Pair(steps=steps):
                return all(map(step, steps))
            case ir.Standardize(mean=mean, std=std):
                return all(map(is_plain, (*mean, *std)))
            case _:
                return True

    for value in bindings.values():
        if isinstance(value, float) and not is_plain(value):
            return False
        if isinstance(value, ir.BuiltinAct | ir.DefinedAct) and not act(value):
            return False
    definition = program.definitions[key]
    if isinstance(definition, ir.Flow):
        return all(map(step, definition.steps))
    return all(map(expr, expressions(definition)))
