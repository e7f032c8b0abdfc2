"""A layer as a class: value with diagonal, inverse, weights, constructor, effective values."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.codegen import shapes
from mintdsl.codegen.autoregressive import write_autoregressive, write_substituted_inverse
from mintdsl.codegen.by_fronts import FRONTS, START, write_fronts
from mintdsl.codegen.by_position import write_positions
from mintdsl.codegen.chain import write_chain
from mintdsl.codegen.constructor import write_constructor, write_masks
from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.coupling import INVERSE, write_coupling, write_coupling_diagonal, write_inverse
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.lower.calls import whole
from mintdsl.codegen.lower.code import Code
from mintdsl.codegen.lower.formula import Lowering
from mintdsl.codegen.naming import Names
from mintdsl.codegen.residual import write_cayley_methods, write_certify, write_residual_methods
from mintdsl.codegen.weights import write_raw, write_reset, write_weights
from mintdsl.core import ir
from mintdsl.core.from_data import waits
from mintdsl.proof.jacobian import NONE
from mintdsl.proof.steepness import limited

WEIGHTS = "tuple[Tensor, ...]"


def write_layer(c: LayerContext) -> None:
    """The whole class: forward and inverse first."""
    parts = [write_coupling] if c.split is not None else [_forward, _inverse, _value]
    if c.residual:
        parts = [write_residual_methods, _residual_value]
    elif c.cayley:
        parts = [write_cayley_methods, _branch]
    elif c.composed:
        parts = [lambda c: write_chain(c, INVERSE)]
    elif c.autoregressive:
        parts = [write_autoregressive]
    elif c.solved:
        parts += [_rests, _fibre, _bound]
    parts += [write_weights, write_constructor, write_reset, _protocol, write_raw]
    with c.write.block(f"class {c.layer.name}(nn.Module):"):
        _docstring(c)
        if c.names.extern:
            c.write()
            write_externs(c.names, c.write)
        for part in parts:
            c.write()
            part(c)


def _docstring(c: LayerContext) -> None:
    layer, proof, result = c.layer, c.proofs[0], ir.formulas(c.layer)[-1]
    order = layer.order.name if isinstance(layer.order, ir.FormalOrder) else str(proof.working)
    off = proof.jacobian.off
    shape = "diagonal" if off == NONE else f"{off} triangular in {order}"
    if proof.parts:
        shape = f"block triangular in its parts {', '.join(part.name for part in proof.parts)}"
    elif c.residual:
        shape = "a residual sum, its branch a contraction"
    elif c.cayley:
        shape = "a Cayley map, its branch a contraction"
    elif c.composed:
        shape = "a composition of bijections"
    else:
        shape = f"{shape}, diagonal in {proof.jacobian.diag}"
    lines = [
        *(layer.doc or c.text(result.span)).split("\n"),
        "",
        f"Proved ({c.where(layer.name_span)}): {shape};",
        f"{proof.derivation.conclusion}{', in evaluation mode' if proof.evaluation_only else ''}.",
        *assumption_lines(proof.assumptions),
    ]
    c.write.doc("\n".join(lines))


def assumption_lines(assumptions: Sequence[str]) -> list[str]:
    """What a docstring says of the assumptions of a proof."""
    if not assumptions:
        return []
    return [
        f"The proof assumes {', '.join(assumptions)}; tested when weights are loaded or set and before each inverse, "
        "not by forward, whose log_det is -inf where such a diagonal is 0."
    ]


def _forward(c: LayerContext) -> None:
    write = c.write
    with write.block("def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:"):
        if c.statistics:
            write('"""f(x) and log |det df/dx|; in training mode with the batch\'s statistics, a surrogate."""')
        else:
            write(f'"""f(x) and log |det df/dx|; x [*, *event_shape]{c.shown_context}, log_det [*]."""')
        c.write_no_context()
        c.write_batch("x")
        write(f"y, diagonal = self.value(x, {c.weights})")
        log = "log_det_of(diagonal)" if c.sign == "1.0" else "log_abs_det(diagonal)"
        write(f"return unflatten_batch(y, lead), unflatten_batch({log}, lead)")


def write_net(c: LayerContext) -> None:
    """The class of a net: its results, nothing else."""
    write, net = c.write, c.layer
    assert isinstance(net, ir.Net)
    inputs = ["x", *(f"x_{k}" for k in range(2, len(net.inputs) + 1))]
    results = ["y", *(f"y_{k}" for k in range(2, len(net.results) + 1))]
    with write.block(f"class {net.name}(nn.Module):"):
        text = (net.doc or c.text(net.results[-1].span)).split("\n")
        write.doc("\n".join([*text, "", "A net: nothing is claimed of it."]))
        write()
        given = "Tensor" if len(results) == 1 else "tuple[Tensor, ...]"
        write.call("def forward", ["self", *(f"{x}: Tensor" for x in inputs)], f" -> {given}:")
        with write.indented():
            shown = ", ".join(name for name, _ in net.inputs)
            write(f'"""{shown}, each [*, *its shape], to [*, *its result]."""')
            for k, (x, (name, shape)) in enumerate(zip(inputs, net.inputs, strict=True)):
                size = "self.event_shape" if k == 0 else shapes.shape(shape, c.members)
                lead = "_" if k else "lead"
                write(f'{x}, {lead} = flatten_batch({x}, {size}, "{name}", "{c.where(net.shape_span)}")')
            lowering = _lowering(c, "plain")
            values = lowering.run()
            lines = [f"{y} = {whole(lowering, v, s)}" for y, v, s in zip(results, values, net.targets, strict=True)]
            if c.params:
                write("w = as_wide_as(x, self.effective_weights())")
            _statements(c, lowering, lines)
            for line in lines:
                write(line)
            write("return " + ", ".join(f"unflatten_batch({y}, lead)" for y in results))
        if c.key in c.followed:
            write_positions(c, c.followed[c.key])
        for part in (write_weights, write_constructor, write_reset):
            write()
            part(c)
        if c.buffers:
            write()
            write_masks(c)
            write()
            write_loading(write, assuming=False, masked=True)


def write_extern(c: LayerContext) -> None:
    """The class of an extern net: the module that the user gives, and tests of what it makes."""
    write, net = c.write, c.layer
    assert isinstance(net, ir.Net)
    inputs = [name for name, _ in net.inputs]
    with write.block(f"class {net.name}(nn.Module):"):
        write.doc("\n".join([*(net.doc or f"The extern net {net.name}.").split("\n"), "", "Nothing is claimed of it."]))
        write()
        write_externs(c.names, write)
        write()
        given = "Tensor" if len(net.targets) == 1 else "tuple[Tensor, ...]"
        write.call("def forward", ["self", *(f"{x}: Tensor" for x in inputs)], f" -> {given}:")
        with write.indented():
            write(f'"""{", ".join(inputs)}, each [*, *its shape], to [*, *its result]."""')
            for k, x in enumerate(inputs):
                where = c.where(net.shape_span)
                write(f'{x}, {"_" if k else "lead"} = flatten_batch({x}, self.sources[{k}], "{x}", "{where}")')
            write.call("results = given_results", ["self", *inputs], "")
            if len(net.targets) == 1:
                write("return unflatten_batch(results[0], lead)")
            else:
                write("return tuple(unflatten_batch(y, lead) for y in results)")
        for part in (write_weights, write_constructor, write_reset):
            write()
            part(c)


def write_externs(names: Names, write: Writer) -> None:
    """The modules of extern nets that a constructor takes."""
    write.tuple("externs = ", [f'"{name}"' for name in names.extern.values()])


def write_initialize(write: Writer, owner: str, levels: int = 0) -> None:
    """`initialize` of a layer or flow."""
    data = f"integers 0..{levels - 1} [*, *event_shape]" if levels else "x [*, *event_shape]"
    with write.block(f"def initialize(self, batch: Tensor, context: Tensor | None = None) -> {owner}:"):
        write('"""Set what data decide, once before training; what is set already stays. All or nothing: ValueError.')
        write()
        write(f"The batch is {data}.")
        write('"""')
        write("initialize_from_data(self, batch, context)")
        write("return self")


def _from_data(c: LayerContext) -> None:
    how, write = c.from_data, c.write
    if waits(c.layer):
        write()
        write_initialize(write, c.layer.name)
    if how is None:
        return
    write()
    with write.block("def set_from_batch(self, x: Tensor) -> None:"):
        write('"""Give the values of x mean 0 and deviation 1; ValueError names the layer and the channel."""')
        fields = [f'"{how.scale}"', f'"{how.bias}"']
        fields += [f"{k}={v}" for k, v in (("inside", how.inside), ("divides", how.divides))]
        write(f"set_affine(self, FromData({', '.join(fields)}, subtracts={how.subtracts}), x)")


def write_loading(write: Writer, *, assuming: bool, masked: bool) -> None:
    """Methods around stored numbers: what is assumed of them, and the masks, which are not among them."""
    if assuming:
        with write.block("def check_assumptions(self) -> None:"):
            write('"""Test what the proof assumes of stored numbers; AssumptionError names the worst one."""')
            write("check_assumptions(self)")
        write()
    arguments = ("self", "state_dict: dict[str, object]", "prefix: str", "*rest: object")
    write.call("def _load_from_state_dict", arguments, " -> None:")
    with write.indented():
        if assuming:
            write('"""A state that breaks an assumption is refused before anything of it is copied."""')
            write("check_state(self, state_dict, prefix, rest[0])")
        else:
            write('"""Masks are not stored: a module from the meta device gets them with its numbers."""')
        write("super()._load_from_state_dict(state_dict, prefix, *rest)")
        if masked:
            write("carry_masks(self, masks_of(self))")


def _inverse(c: LayerContext) -> None:
    if c.reading is not None:
        write_substituted_inverse(c, c.reading)
        return
    if c.convolved is not None:
        write_inverse(c, FRONTS, START)
        c.write()
        write_fronts(c, c.convolved)
        return
    how = "Algorithm 1 of MintNet, then fibre sweeps, which reach x from any start."
    if c.proofs[0].jacobian.off == NONE:
        how = "Every element alone: a bracketed scalar solve."
    write_inverse(c, how)


def _lowering(c: LayerContext, mode: str) -> Lowering:
    attributes = {p.name: c.member(p.name) for p in c.layer.params}
    lowering = Lowering(c.layer, mode, c.names.local, c.members, attributes, c.anchors, c.steepest)
    lowering.dense, lowering.indices = c.dense, {p.name: f"{c.member(p.name)}_index" for p in c.perms}
    return lowering


def _statements(c: LayerContext, lowering: Lowering, results: Sequence[str]) -> None:
    """Unpack the weights that the statements use, then the statements that the results need."""
    words, lines = set(_words("\n".join(results))), []
    for line in reversed(lowering.lines):
        target, _, source = line.partition(" = ")
        if line.startswith("#") or words & set(_words(target)):
            lines.append(line)
            words |= set(_words(source))
    local = {p.name: c.names.local[p.name] for p in c.params}
    names = [n if n in words or f"d_{n}" in words else "_" for n in c.carried]
    if set(names) - {"_"}:
        c.write(f"{', '.join(names)} = w" if len(names) > 1 else f"({names[0]},) = w")
    for param in c.maps:
        if f"d_{local[param.name]}" in words:
            c.write(f"d_{local[param.name]} = {c.diagonal(param, local[param.name])}")
    for line in reversed(lines):
        c.write(line)


def _full(code: Code, like: str) -> str:
    """`code` in the shape of the variable."""
    if code.rank == 0:
        return f"torch.full_like({like}, {code.text})"
    return code.text if code.batch else f"{code.wrapped}.expand_as({like})"


def _value(c: LayerContext) -> None:
    write = c.write
    lowering = _lowering(c, "value")
    value, diagonal = lowering.run_layer()
    with write.block(f"def value(self, x: Tensor, w: {WEIGHTS}) -> tuple[Tensor, Tensor]:"):
        write('"""f(x) and the diagonal of its Jacobian, both [B, *event_shape]."""')
        lines = [f"y = {_full(value, 'x')}", f"diagonal = {_full(diagonal, 'x')}"]
        _statements(c, lowering, lines)
        shown = " ".join(c.text(ir.formulas(c.layer)[-1].span).split())
        write(f"# {shown if len(shown) <= 100 else shown[:97] + '...'}")
        for line in lines:
            write(line)
        write("return y, diagonal")


def _residual_value(c: LayerContext) -> None:
    _write_map(c, "value", "f(x)")


def _branch(c: LayerContext) -> None:
    _write_map(c, "branch", "g(x)")


def _write_map(c: LayerContext, name: str, shown: str) -> None:
    """The method that evaluates the formula."""
    lowering = _lowering(c, "plain")
    value, _ = lowering.run_layer()
    with c.write.block(f"def {name}(self, x: Tensor, w: {WEIGHTS}) -> Tensor:"):
        c.write(f'"""{shown} [B, *event_shape]."""')
        lines = [f"return {_full(value, 'x')}"]
        _statements(c, lowering, lines)
        c.write(lines[0])


def _rests(c: LayerContext) -> None:
    lowering = _lowering(c, "rests")
    lowering.run_layer()
    with c.write.block(f"def rests(self, x: Tensor, w: {WEIGHTS}) -> {WEIGHTS}:"):
        c.write('"""What each map adds from the other elements, frozen at x."""')
        if lowering.rests:
            _statements(c, lowering, lowering.rests)
        if len(lowering.rests) == 1:
            c.write(f"return ({lowering.rests[0]},)")
        else:
            c.write.call("return ", lowering.rests, "")


def _fibre(c: LayerContext) -> None:
    lowering = _lowering(c, "fibre")
    value, diagonal = lowering.run_layer()
    with c.write.block(f"def fibre(self, s: Tensor, rests: {WEIGHTS}, w: {WEIGHTS}) -> tuple[Tensor, Tensor]:"):
        c.write('"""Every element alone as a function of its own value s, the others frozen; and its slope."""')
        lines = [f"y = {_full(value, 's')}", f"slope = {_full(diagonal, 's')}"]
        _statements(c, lowering, lines)
        for line in lines:
            c.write(line)
        c.write("return y, slope")


def _bound(c: LayerContext) -> None:
    lowering = _lowering(c, "bound")
    _, diagonal = lowering.run_layer()
    with c.write.block(f"def slope_bound(self, w: {WEIGHTS}) -> Tensor | None:"):
        c.write('"""Supremum of |diagonal| over all x, per element; None where these weights do not give one."""')
        if not lowering.bounded or diagonal.rank == 0:
            c.write("return None")
            return
        _statements(c, lowering, [diagonal.text])
        c.write(f"return {diagonal.text}")


def _protocol(c: LayerContext) -> None:
    write = c.write
    if c.split is not None and c.diagonal_shown:
        write_coupling_diagonal(c)
    elif c.diagonal_shown:
        with write.block(f"def jacobian_diagonal(self, x: Tensor{c.optional}) -> Tensor:"):
            write('"""The diagonal of the Jacobian at x, shaped as x."""')
            c.write_batch("x")
            write(f"return unflatten_batch(self.value(x, {c.weights})[1], lead)")
    if c.diagonal_shown:
        write()
    with write.block("def effective(self, name: str) -> Tensor:"):
        write('"""The masked, tied and constrained value of a parameter."""')
        write(f"return effective_{c.effective}(self, name)")
    write()
    with write.block("def set_effective(self, name: str, value: Tensor) -> None:"):
        write('"""Make `value` the effective value of a parameter; ValueError, and no change, if it cannot be."""')
        write(f"set_effective_{c.effective}(self, name, value)")
    _from_data(c)
    if c.limited or any(limited(kind.net) for _, kind in ir.net_params(c.layer)):
        write()
        write_certify(write)
    if c.buffers:
        write()
        write_masks(c)
    if c.assuming or c.buffers:
        write()
        write_loading(write, assuming=c.assuming, masked=bool(c.buffers))


def _words(text: str) -> list[str]:
    return "".join(ch if ch.isalnum() or ch == "_" else " " for ch in text).split()
