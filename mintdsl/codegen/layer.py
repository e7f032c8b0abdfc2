"""A layer as a class: value with diagonal, inverse, weights, constructor, effective values."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.codegen.chain import write_chain
from mintdsl.codegen.constructor import write_constructor, write_masks
from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.lower.code import Code
from mintdsl.codegen.lower.formula import Lowering
from mintdsl.codegen.weights import write_raw, write_reset, write_weights
from mintdsl.core import ir
from mintdsl.proof.jacobian import NONE

WEIGHTS = "tuple[Tensor, ...]"


def write_layer(c: LayerContext) -> None:
    """The whole class: forward and inverse first."""
    parts = [_forward, _inverse, _value]
    if c.composed:
        parts = [lambda c: write_chain(c, INVERSE)]
    elif not c.affine:
        parts += [_rests, _fibre, _bound]
    parts += [write_weights, write_constructor, write_reset, _protocol, write_raw]
    with c.write.block(f"class {c.layer.name}(nn.Module):"):
        _docstring(c)
        for part in parts:
            c.write()
            part(c)


def _docstring(c: LayerContext) -> None:
    layer, proof = c.layer, c.proofs[0]
    order = layer.order.name if isinstance(layer.order, ir.FormalOrder) else str(proof.working)
    off = proof.jacobian.off
    shape = "diagonal" if off == NONE else f"{off} triangular in {order}"
    shape = "a composition of bijections" if c.composed else f"{shape}, diagonal in {proof.jacobian.diag}"
    lines = [
        *(layer.doc or c.text(layer.result.span)).split("\n"),
        "",
        f"Proved ({c.where(layer.name_span)}): {shape};",
        f"{proof.derivation.conclusion}{', in evaluation mode' if c.statistics else ''}.",
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
            write('"""f(x) and log |det df/dx|; x [*, *event_shape], log_det [*]."""')
        write("no_context(context, type(self).__name__)")
        write(f'x, lead = flatten_batch(x, self.event_shape, "x", "{c.where(c.layer.shape_span)}")')
        write("y, diagonal = self.value(x, self.effective_weights())")
        log = "log_det_of(diagonal)" if c.sign == "1.0" else "log_abs_det(diagonal)"
        write(f"return unflatten_batch(y, lead), unflatten_batch({log}, lead)")


INVERSE = (
    "self",
    "z: Tensor",
    "context: Tensor | None = None",
    "*",
    "tol: float | None = None",
    "max_iter: int | None = None",
    "fixed: tuple[int, float] | None = None",
)


def write_net(c: LayerContext) -> None:
    """The class of a net: a value, nothing else."""
    write, layer = c.write, c.layer
    with write.block(f"class {layer.name}(nn.Module):"):
        write.doc(
            "\n".join([*(layer.doc or c.text(layer.result.span)).split("\n"), "", "A net: nothing is claimed of it."])
        )
        write()
        with write.block("def forward(self, x: Tensor) -> Tensor:"):
            write('"""x [*, *event_shape] to [*, *result]."""')
            write(f'x, lead = flatten_batch(x, self.event_shape, "x", "{c.where(layer.shape_span)}")')
            lowering = _lowering(c, "plain")
            value, _ = lowering.run()
            line = f"y = {_full(value, 'x')}"
            if c.params:
                write("w = self.make_weights()")
            _statements(c, lowering, [line])
            write(line)
            write("return unflatten_batch(y, lead)")
        for part in (write_weights, write_constructor, write_reset):
            write()
            part(c)
        if c.masks:
            write()
            write_masks(c)
            write()
            write_loading(write, assuming=False, masked=True)


def _frozen_statistics(c: LayerContext) -> None:
    if c.statistics:
        c.write("frozen_statistics(self)  # rule BN: the proof is of evaluation mode")


def _checked_assumptions(c: LayerContext) -> None:
    if c.assumed:
        c.write("check_assumptions(self)  # what the proof assumes of stored numbers")


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
    write = c.write
    write.call("def inverse", INVERSE, " -> tuple[Tensor, Tensor]:")
    with write.indented():
        if c.affine:
            write('"""x with f(x) = z, in closed form (affine in each element alone), and log |det dx/dz|."""')
        else:
            how = "Algorithm 1 of MintNet, then fibre sweeps, which reach x from any start."
            if c.proofs[0].jacobian.off == NONE:
                how = "Every element alone: a bracketed scalar solve."
            write('"""x with f(x) = z and log |det dx/dz|.')
            write()
            write(f"{how} The residual")
            write("max |f(x) - z| / (1 + |z|) of each sample is tested against `tol`: InversionError if it is missed.")
            write("fixed = (steps, divisor): that many damped steps as the authors of MintNet take them, untested.")
            write('"""')
        write("no_context(context, type(self).__name__)")
        _frozen_statistics(c)
        _checked_assumptions(c)
        write(f'z, lead = flatten_batch(z, self.event_shape, "z", "{c.where(c.layer.shape_span)}")')
        if c.affine:
            write("x, log_det = invert_affine(self, z)")
        else:
            with write.block("if fixed is not None:"):
                write("x, log_det = fixed_inverse(self, z, *fixed)")
            with write.block("else:"):
                write(f"x, log_det = invert_layer(self, z, tol, max_iter, sign={c.sign})")
        write("return unflatten_batch(x, lead), unflatten_batch(log_det, lead)")


def _lowering(c: LayerContext, mode: str) -> Lowering:
    lowering = Lowering(c.layer, mode, c.names.local, c.members, c.anchors, c.steepest)
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
    names = [n if n in words or f"d_{n}" in words else "_" for n in local.values()]
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
    value, diagonal = lowering.run()
    with write.block(f"def value(self, x: Tensor, w: {WEIGHTS}) -> tuple[Tensor, Tensor]:"):
        write('"""f(x) and the diagonal of its Jacobian, both [B, *event_shape]."""')
        lines = [f"y = {_full(value, 'x')}", f"diagonal = {_full(diagonal, 'x')}"]
        _statements(c, lowering, lines)
        shown = " ".join(c.text(c.layer.result.span).split())
        write(f"# {shown if len(shown) <= 100 else shown[:97] + '...'}")
        for line in lines:
            write(line)
        write("return y, diagonal")


def _rests(c: LayerContext) -> None:
    lowering = _lowering(c, "rests")
    lowering.run()
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
    value, diagonal = lowering.run()
    with c.write.block(f"def fibre(self, s: Tensor, rests: {WEIGHTS}, w: {WEIGHTS}) -> tuple[Tensor, Tensor]:"):
        c.write('"""Every element alone as a function of its own value s, the others frozen; and its slope."""')
        lines = [f"y = {_full(value, 's')}", f"slope = {_full(diagonal, 's')}"]
        _statements(c, lowering, lines)
        for line in lines:
            c.write(line)
        c.write("return y, slope")


def _bound(c: LayerContext) -> None:
    lowering = _lowering(c, "bound")
    _, diagonal = lowering.run()
    with c.write.block(f"def slope_bound(self, w: {WEIGHTS}) -> Tensor | None:"):
        c.write('"""Supremum of |diagonal| over all x, per element; None where these weights do not give one."""')
        if not lowering.bounded or diagonal.rank == 0:
            c.write("return None")
            return
        _statements(c, lowering, [diagonal.text])
        c.write(f"return {diagonal.text}")


def _protocol(c: LayerContext) -> None:
    write = c.write
    if not c.composed:
        with write.block("def jacobian_diagonal(self, x: Tensor) -> Tensor:"):
            write('"""The diagonal of the Jacobian at x, shaped as x."""')
            write(f'x, lead = flatten_batch(x, self.event_shape, "x", "{c.where(c.layer.shape_span)}")')
            write("return unflatten_batch(self.value(x, self.effective_weights())[1], lead)")
        write()
    with write.block("def effective(self, name: str) -> Tensor:"):
        write('"""The masked, tied and constrained value of a parameter."""')
        write(f"return effective_{'matrix' if c.factored else 'value'}(self, name)")
    write()
    with write.block("def set_effective(self, name: str, value: Tensor) -> None:"):
        write('"""Make `value` the effective value of a parameter; ValueError, and no change, if it cannot be."""')
        write(f"set_effective_{'matrix' if c.factored else 'value'}(self, name, value)")
    if c.masks or c.perms:
        write()
        write_masks(c)
    if c.assumed or c.masks or c.perms:
        write()
        write_loading(write, assuming=bool(c.assumed), masked=bool(c.masks or c.perms))


def _words(text: str) -> list[str]:
    return "".join(ch if ch.isalnum() or ch == "_" else " " for ch in text).split()
