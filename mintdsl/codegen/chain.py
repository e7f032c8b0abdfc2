"""Layers that are compositions of bijections (rule CHAIN): forward and inverse, link by link."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mintdsl.codegen.context import LayerContext, is_kernel
from mintdsl.codegen.lower.code import Code, moved
from mintdsl.codegen.lower.formula import Lowering
from mintdsl.codegen.shapes import real
from mintdsl.core import ir
from mintdsl.core.claim_words import CLOSED
from mintdsl.core.orders import Order
from mintdsl.core.walks import constant
from mintdsl.records import record


def write_chain(c: LayerContext, arguments: Sequence[str]) -> None:
    """`forward`, and `inverse` with these arguments."""
    write = c.write
    with write.block("def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:"):
        shape = f"; x [*, *event_shape]{c.shown_context}, log_det [*]"
        surrogate = "; in training mode with the batch's statistics, a surrogate"
        write(f'"""f(x) and log |det df/dx|{surrogate if c.statistics else shape}."""')
        c.write_no_context()
        c.write_batch("x")
        links = _Links(c, "y", _lowering(c))
        _body(c, links.forward(), f"# {_shown(c)}", "y, log_det = x, no_log_det(x)")
        write("return unflatten_batch(y, lead), unflatten_batch(log_det, lead)")
    write()
    write.call("def inverse", arguments, " -> tuple[Tensor, Tensor]:")
    with write.indented():
        how = "in closed form, " if all(p.inverse == CLOSED for p in c.proofs) else ""
        write(f'"""x with f(x) = z, {how}link by link, and log |det dx/dz|."""')
        c.write_no_context()
        if c.statistics:
            write("frozen_statistics(self)  # rule BN: the proof is of evaluation mode")
        if c.assuming:
            write("check_assumptions(self)  # what the proof assumes of stored numbers")
        if c.names.extern:
            write("one_function(self)")
        c.write_batch("z")
        links = _Links(c, "x", _lowering(c))
        with_exactly = any(isinstance(p.kind, (ir.Conv, ir.Dense)) for p in c.params)
        comment, start = f"# the links of {_shown(c)}, the last one first", "x, log_det = z, no_log_det(z)"
        _body(c, links.inverse(), comment, start, "with exactly(z):" if with_exactly else "")
        if any(is_kernel(p) and (p.factored or c.directed(p)) for p in c.params):
            with write.block("if fixed is None:"):
                write(f"check_solution(self, x, z, tol{', context' if c.given is not None else ''})")
        write("return unflatten_batch(x, lead), unflatten_batch(log_det, lead)")


def applied_lines(c: LayerContext, param: str, at: str, value: str, *, inverse: bool) -> list[str]:
    """The lines of a layer that is applied to `value`, whose result is called `at`, with its log-det."""
    module, kind = c.member(param), c.layer.param(param).kind
    assert isinstance(kind, ir.LayerParam)
    arguments = f"{value}, context" if kind.given is not None else value
    call = f".inverse({arguments}, tol=tol, max_iter=max_iter, fixed=fixed)" if inverse else f"({arguments})"
    return [f"{at}, change = {module}{call}", "log_det = log_det + change"]


def _shown(c: LayerContext) -> str:
    text = " ".join(c.text(ir.formulas(c.layer)[-1].span).split())
    return text if len(text) <= 80 else text[:77] + "..."


def _lowering(c: LayerContext) -> Lowering:
    """For what is constant: the lets without the variable, and the constant operands of links."""
    fixed: dict[str, bool] = {}
    for item in c.layer.lets:
        fixed[item.name] = constant(item.value, fixed)
    attributes = {p.name: c.member(p.name) for p in c.layer.params}
    made = Lowering(c.layer, "plain", c.names.local, c.members, attributes, c.anchors, c.steepest)
    made.dense, made.indices = c.dense, {p.name: f"{c.member(p.name)}_index" for p in c.perms}
    made.begin()
    for item in c.layer.lets:
        if fixed[item.name]:
            made.let(item)
    made.at, made.constants = "y", fixed
    return made


def _body(c: LayerContext, lines: Sequence[str], comment: str, start: str, block: str = "") -> None:
    """Unpack the weights that the lines use, then the lines, without those of lets that none uses."""
    words, kept = {"y", "x", "log_det"}, []
    for line in reversed(lines):
        target, _, source = line.partition(" = ")
        if words & set(_words(target)):
            kept.append(line)
            words |= set(_words(source))
    names = [name if name in words else "_" for name in c.carried]
    if set(names) - {"_"}:
        unpacked = ", ".join(names) + ("," if len(names) == 1 else "")
        c.write(f"{unpacked if len(names) > 1 else f'({unpacked})'} = {c.weights}")
    c.write(comment)
    c.write(start)
    if block:
        c.write(block)
    c.write.depth += bool(block)
    for line in reversed(kept):
        c.write(line)
    c.write.depth -= bool(block)


@record
class _Links:
    """Writes the links on the variable `at`; the lowering collects the lines."""

    c: LayerContext
    at: str
    lowering: Lowering

    def forward(self) -> list[str]:
        for link in self.found():
            self.link(link, inverse=False)
        return self.lowering.lines

    def inverse(self) -> list[str]:
        for link in reversed(self.found()):
            self.link(link, inverse=True)
        return self.lowering.lines

    def found(self) -> tuple[ir.Expr, ...]:
        """The links, which do not depend on the values of formals."""
        return next(p.links for p in self.c.proofs if p.linked)

    def step(self, value: str) -> None:
        self.lowering.lines.append(f"{self.at} = {value}")

    def log_det(self, sign: str, text: str, *, inverse: bool) -> None:
        sign = {"+": "-", "-": "+"}[sign] if inverse else sign
        self.lowering.lines.append(f"log_det = log_det {sign} {text}")

    def link(self, node: ir.Expr, *, inverse: bool) -> None:
        """The lines of one link: it moves the variable, and adds its log-det to that of the direction."""
        match node:
            case ir.Neg():
                self.step(f"-{self.at}")
            case ir.Binary():
                self.binary(node, inverse=inverse)
            case ir.Apply(act=ir.BuiltinAct(name="leaky_relu", options=(option,))):
                a = real(option, self.c.members)
                if inverse:
                    self.step(f"leaky_relu_value({self.at}, 1.0 / {a})")
                self.log_det("+", f"log_abs_det(leaky_relu_slope({self.at}, {a}))", inverse=inverse)
                if not inverse:
                    self.step(f"leaky_relu_value({self.at}, {a})")
            case ir.Apply():
                pass  # the identity
            case ir.Inline(param=name):
                self.lowering.lines += applied_lines(self.c, name, self.at, self.at, inverse=inverse)
            case ir.Exponential(param=name):
                value, log_det = self.c.exponential(self.c.layer.param(name), self.at, inverse=inverse)
                self.log_det("+", log_det, inverse=inverse)
                self.step(value)
            case ir.Linear():
                self.map(self.c.layer.param(node.param), inverse=inverse)
            case _:
                raise AssertionError(node)

    def binary(self, node: ir.Binary, *, inverse: bool) -> None:
        """A constant shift or factor."""
        right = constant(node.right, self.lowering.constants)
        code = self.constant(node.right if right else node.left)
        at, text, scale = self.at, code.text, f"scaling_log_det({code.text}, {self.at})"
        wrapped = code.wrapped
        match node.op:
            case "+":
                self.step(f"{at} - {wrapped}" if inverse else f"{at} + {text}")
            case "-" if right:
                self.step(f"{at} + {text}" if inverse else f"{at} - {wrapped}")
            case "-":
                self.step(f"{wrapped} - {at}")
            case "*":
                self.step(f"{at} / {wrapped}" if inverse else f"{wrapped} * {at}")
                self.log_det("+", scale, inverse=inverse)
            case "/":
                self.step(f"{wrapped} * {at}" if inverse else f"{at} / {wrapped}")
                self.log_det("-", scale, inverse=inverse)
            case other:
                raise AssertionError(other)

    def constant(self, node: ir.Expr) -> Code:
        """A constant operand, with a name where it is long."""
        code, _ = self.lowering.expr(node)
        if len(code.text) <= 24:
            return code
        return self.lowering.name("term", code)

    def map(self, param: ir.Param, *, inverse: bool) -> None:
        """A permutation, a map whose determinant is kept, a triangular one, or frozen statistics."""
        c, at, kind, name = self.c, self.at, param.kind, self.c.names.local[param.name]
        if isinstance(kind, ir.Perm):
            order = self.lowering.indices[param.name] + (".argsort()" if inverse else "")
            self.step(moved(param, at, order))
            return
        if isinstance(kind, ir.Normalize):
            scale, shift = f"{name}_scale", f"{name}_shift"
            made = f'normalizer(self, "{param.name}", {at}, {kind.eps!r}, {kind.momentum!r})'
            self.lowering.lines.append(f"{scale}, {shift} = {made}")
            self.step(f"({at} - {shift}) / {scale}" if inverse else f"{scale} * {at} + {shift}")
            self.log_det("+", f"scaling_log_det({scale}, {at})", inverse=inverse)
            return
        if param.factored:
            value, log_det = c.moved_by(param, at, inverse=inverse)
            self.step(value)
        else:
            assert isinstance(kind, (ir.Conv, ir.Dense)) and kind.direction is not None
            log_det = f'factors_log_det("triangle", {name}, {at}{c.tap(param)})'
            if isinstance(kind, ir.Conv) and is_kernel(param):
                mask, tap = f"{c.order}, {c.direction(kind.direction)}", c.anchors[param.name]
                apart = "" if kind.dilation == (1, 1) else f", dilation={kind.dilation}"
                solved = f"solve_masked({name}, {at}, {mask}, {tap}{apart})"
                self.step(solved if inverse else f"family_conv({at}, {name}, {tap}{apart})")
            else:
                matrix = f"matrix_of({name})" if isinstance(kind, ir.Conv) else name
                solved = f"solve_triangle({matrix}, {at}, upper={self.upper(kind.direction)})"
                self.step(solved if inverse else f"times_matrix({matrix}, {at})")
        self.log_det("+", log_det, inverse=inverse)

    def upper(self, direction: str) -> str:
        """Whether the matrix of a direction has its entries above the diagonal: known, or asked of the module."""
        order = self.c.layer.order
        if not isinstance(order, Order) or direction not in ("lower", "upper"):
            return f"reads_later({self.c.order}, {self.c.direction(direction)})"
        first = next((row[0] for row in order.rows if row[0]), 1)
        return str((direction == "upper") == (first > 0))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)
