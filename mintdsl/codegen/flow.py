"""A flow as a class: its steps in order, their inverses in reverse, and the density around them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from mintdsl.codegen import shapes
from mintdsl.codegen.constructor import (
    drop_unused_sizes,
    signature,
    write_checked_formals,
    write_checked_sizes,
    write_formals,
    write_sizes,
)
from mintdsl.codegen.context import context_shape, places
from mintdsl.codegen.coupling import INVERSE
from mintdsl.codegen.density import write_density
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.inner import concrete
from mintdsl.codegen.layer import assumption_lines, write_externs, write_initialize, write_loading
from mintdsl.codegen.members import Members, axis_of
from mintdsl.codegen.naming import Names, loop_names
from mintdsl.codegen.residual import is_cayley, write_certify
from mintdsl.core import ir
from mintdsl.core.canonical import reachable
from mintdsl.core.claim_words import ABSENT, EXACT, LOG_DETS
from mintdsl.core.interval import REAL
from mintdsl.core.known_sizes import left_sizes, tiles
from mintdsl.core.nat import Nat
from mintdsl.core.steps import AXES
from mintdsl.core.walks import uses
from mintdsl.proof.prover import FlowProof
from mintdsl.proof.rules.series import bits_per_dim
from mintdsl.proof.steepness import limited
from mintdsl.source import Span


@dataclass(slots=True)
class FlowWriter:
    """Writes the class of one flow; `sizes` replace the defaults of its Nat formals.

    `every` has the names of all definitions of the module, `classes` their classes, `waiting` those set by data.
    """

    key: str
    flow: ir.Flow
    proof: FlowProof
    program: ir.Program
    write: Writer
    where: Callable[[Span], str]
    digest: str
    sizes: Mapping[str, int]
    every: Mapping[str, Names]
    classes: Mapping[str, str]
    waiting: Collection[str]

    @property
    def _pending(self) -> bool:
        """Whether something in the flow waits for data."""
        return self.key in self.waiting

    @property
    def names(self) -> Names:
        """Its own names."""
        return self.every[self.key]

    def run(self) -> None:
        """The whole class."""
        write = self.write
        with write.block(f"class {self.classes[self.key]}(nn.Module):"):
            self._docstring()
            write()
            if self.names.extern:
                write_externs(self.names, write)
                write()
            self._constructor()
            write()
            self._forward()
            write()
            self._inverse()
            write()
            self._protocol()

    @property
    def _body(self) -> list[ir.Step]:
        """The steps of the bijection: without noise and prior."""
        return [s for s in self.flow.steps if not isinstance(s.op, (ir.Dequantize, ir.Prior, ir.Classify))]

    @property
    def _solves(self) -> bool:
        """Whether a layer stands in its inverse direction."""
        return any(isinstance(use, ir.Use) and use.inverted for use in uses(self.flow.steps))

    @property
    def _head(self) -> ir.Step | None:
        return next((s for s in self.flow.steps if isinstance(s.op, ir.Classify)), None)

    @property
    def _prior(self) -> ir.Prior | None:
        return next((s.op for s in self.flow.steps if isinstance(s.op, ir.Prior)), None)

    @property
    def _absent(self) -> str:
        """Why there is no log-det; nothing where there is one."""
        return self.proof.passage.absent

    @property
    def _log_det(self) -> str:
        return "None" if self._absent else "Tensor"

    @property
    def _accuracy(self) -> str:
        """How far the log-det is from being exact, in words; nothing where it is exact."""
        bias = self.proof.passage.bias
        if self.proof.log_det in (EXACT, ABSENT):
            return ""
        return LOG_DETS[self.proof.log_det] + (f" ({bits_per_dim(bias)})" if bias else "")

    @property
    def _levels(self) -> int:
        return next((s.op.levels for s in self.flow.steps if isinstance(s.op, ir.Dequantize)), 0)

    def _docstring(self) -> None:
        flow = self.flow
        lines = [flow.doc or f"The flow {flow.name}.", ""]
        lines.append(f"Proved ({self.where(flow.name_span)}): {self.proof.derivation.conclusion}.")
        if self.proof.evaluation_only:
            lines.append("This holds in evaluation mode, for frozen statistics (rule BN).")
        lines += assumption_lines(self.proof.assumptions)
        log_det = f"none, {self._absent}" if self._absent else self._accuracy or "exact"
        lines.append(f"log_det: {log_det}; inverse: {self.proof.inverse}.")
        if self._solves:
            lines.append("Layers in their inverse direction are solved in `forward`, their residuals tested.")
        self.write.doc("\n".join(part for line in lines for part in line.split("\n")))

    # ------------------------------------------------------------ constructor

    def _constructor(self) -> None:
        flow, write, names = self.flow, self.write, self.names
        start = len(write.lines)
        more = places(flow)[1:]
        arguments = signature(flow.shape, flow.formals, names, self.sizes, [word for word, _ in more])
        write.call("def __init__", arguments, " -> None:")
        write.depth += 1
        write("super().__init__()")
        write(f"self.event_shape = {shapes.shape(flow.shape, {}) if concrete(flow.shape) else 'tuple(shape)'}")
        write_sizes(flow.shape, flow.formals, names, self.classes[self.key], write, more)
        result = self._body[-1].result if self._body else flow.shape
        if flow.left:
            parts = [*(step.result for step in flow.left), result]
            write.tuple("self.latent_parts = ", [shapes.shape(part, names.argument) for part in parts])
            write("self.latent_shape = flat_shape(self.latent_parts)")
        else:
            write(f"self.latent_shape = {shapes.shape(result, names.argument) if result.dims else 'self.event_shape'}")
        write(f'self.context_shape, self.path = {context_shape(flow, names.argument)}, ""')
        write_formals(flow.formals, names, write)
        write_checked_formals(flow.formals, names, self.classes[self.key], write)
        write_checked_sizes(_sizes(self._body), names, self.classes[self.key], write)
        if self._prior:
            write(f"self.levels = {self._levels}  # of the integers that log_prob takes; 0: reals")
            write(f'self.spec_hash = "{self.digest}"')
            write(f"self.not_onto = {self._not_onto()}")
        if _uses(self._body) or flow.normal or self._head is not None or (self._prior is not None and self._prior.per):
            write('factory = {"device": device, "dtype": dtype}')
        proof, program = self.proof, self.program
        members = Members(flow, names, program, write, self.every, self.classes, proof.silent, proof.estimates)
        members.run([*self._body, *(() if self._head is None else (self._head,))])
        listed = self._names(self._body)
        write.tuple("self.steps = ", listed)
        if self._prior is not None:
            members.prior(self._prior)
        if self._prior and self.proof.assumptions:
            write("self.checks = False  # inside checking() densities test the assumptions too")
        if names.extern:
            write("own_weights(self)")
        if self._prior or self._pending:
            write("name_paths(self)")
        write.depth -= 1
        drop_unused_sizes(write, start)

    def _not_onto(self) -> str:
        bijection = self.proof.bijection
        if bijection is None or bijection.codomain == REAL:
            return '""'
        return '"' + bijection.why_not_onto.replace('"', "'") + '"'

    def _names(self, steps: Sequence[ir.Step]) -> list[str]:
        names = []
        for step in steps:
            match step.op:
                case ir.Use() | ir.StandardizeData() | ir.Ode() | ir.FactorOut(prior=ir.NetParam()):
                    names.append(f'"{self.names.member[step.name]}"')
                case ir.Repeat() | ir.Pair():
                    names += self._names(step.op.steps)
                case _:
                    names.append(f'"{step.name}"')
        return names

    # ------------------------------------------------------------ forward and inverse

    def _forward(self) -> None:
        write = self.write
        with write.block(
            f"def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, {self._log_det}]:"
        ):
            shown = ", context [*, *context_shape]" if self.flow.given is not None else ""
            write(f'"""z and log |det dz/dx|; x [*, *event_shape]{shown}, log_det [*]."""')
            self._batch("x", "self.event_shape", "x")
            if not self._absent:
                write("log_det = zero_log_det(x)")
            if self.flow.left:
                write("parts = []  # of the latent: what leaves, in order, then the rest")
            self._run(self._body, forward=True, lists={})
            if self.flow.left:
                write("x = flat_latent([*parts, x])")
            self._return()

    def _batch(self, name: str, shape: str, argument: str) -> None:
        """Test the shape of an argument and of the context; fold their leading dimensions."""
        place = f'"{argument}", "{self.where(self.flow.shape_span)}"'
        if self.flow.given is None:
            self.write("no_context(context, type(self).__name__)")
            self.write(f"x, lead = flatten_batch({name}, {shape}, {place})")
        else:
            arguments = [name, "context", shape, "self.context_shape", place]
            self.write.call("x, context, lead = flatten_with_context", arguments, "")

    def _initialized(self) -> None:
        if self._pending:
            self.write("check_initialized(self)")

    def _return(self) -> None:
        if self._absent:
            self.write(f"return unflatten_batch(x, lead), None  # no log-det: {self._absent}")
        else:
            self.write("return unflatten_batch(x, lead), unflatten_batch(log_det, lead)")

    def _inverse(self) -> None:
        write = self.write
        write.call("def inverse", INVERSE, f" -> tuple[Tensor, {self._log_det}]:")
        with write.indented():
            write('"""x and log |det dx/dz|; iterative steps test their residual against `tol` (InversionError)."""')
            if self.names.extern:
                write("one_function(self)")
            if self._solves and self.proof.assumptions:
                write("check_assumptions(self)  # what the proof assumes of stored numbers")
            self._initialized()
            self._batch("z", "self.latent_shape", "z")
            if not self._absent:
                write("log_det = zero_log_det(x)")
            if self.flow.left:
                write("*parts, x = latent_parts(x, self.latent_parts)")
            self._run(self._body, forward=False, lists={})
            self._return()

    def _run(self, steps: Sequence[ir.Step], *, forward: bool, lists: Mapping[str, str]) -> None:
        """Statements of a block; `lists` gives the variable of a module inside its loops."""
        for step in steps if forward else reversed(steps):
            match step.op:
                case ir.Use() | ir.StandardizeData() | ir.Ode():
                    module = lists.get(step.name, f"self.{self.names.member[step.name]}")
                    given = ", context" if self._takes_context(step.op) else ""
                    solved = forward == (isinstance(step.op, ir.Use) and step.op.inverted)
                    options = ""
                    if not forward and (solved or is_cayley(self.program, step.op)):
                        options = ", tol=tol, max_iter=max_iter" + ", fixed=fixed" * solved
                    call = f"{module}{'.inverse' if solved else ''}(x{given}{options})"
                    if forward or solved:
                        self._apply(call)
                        continue
                    with self.write.block("with exactly(x):"):  # what undoes a solve is not rounded to 16 bits
                        self._apply(call)
                case ir.Logit(alpha=alpha):
                    self._apply(f"{'logit_step' if forward else 'logit_inverse'}(x, {alpha!r})")
                case ir.Standardize():
                    function = "standardize" if forward else "unstandardize"
                    self._apply(f"{function}(x, {_numbers(step.op.mean)}, {_numbers(step.op.std)})")
                case ir.Pad(extra=extra):
                    self.write(f"x = {'pad_channels' if forward else 'drop_channels'}(x, {extra})")
                case ir.Squeeze(factor=factor, layout=layout, undo=undo):
                    name = "squeeze" if forward != undo else "unsqueeze"
                    how = "" if layout == "colour_fast" else f', "{layout}"'
                    note = f"  # {step.shape} to {step.result}" if forward else ""
                    self.write(f"x = {name}(x, {factor}{how}){note}")
                case ir.FactorOut():
                    self._factor(step, step.op, forward=forward)
                case ir.Permute():
                    module = f"self.{self.names.member[step.name]}"
                    self.write(f"x = {module}{'' if forward else '.inverse'}(x)")
                case ir.Reverse(axis=axis):
                    axes = range(1, len(step.shape.dims) + 1) if axis == "all" else [axis_of(step, axis)]
                    self.write(f"x = x.flip({', '.join(map(str, axes))})")
                case ir.Transpose(first=first, second=second):
                    one, other = (AXES[step.shape.kind].index(word) + 1 for word in (first, second))
                    note = f"  # {step.shape} to {step.result}" if forward else ""
                    self.write(f"x = x.transpose({one}, {other}){note}")
                case ir.Flatten():
                    whole = f".unflatten(1, {self._listed(step.shape.dims)})"
                    self.write(f"x = x{'.flatten(1)' if forward else whole}")
                case ir.Patches(size=size):
                    note = f"  # {step.shape} to {step.result}" if forward else ""
                    rows = "" if forward else f", {self._listed(tiles(step.shape, size))}"
                    self.write(f"x = {'patches' if forward else 'unpatch'}(x, {size}{rows}){note}")
                case ir.Repeat() if not _empty(step):
                    self._loop(step.op, forward=forward, lists=lists)
                case ir.Pair():
                    self._run(step.op.steps, forward=forward, lists=lists)
                case _:
                    pass

    def _takes_context(self, op: ir.Op) -> bool:
        callee = self.program.definitions[op.definition] if isinstance(op, ir.Use) else None
        return callee is not None and callee.given is not None

    def _factor(self, step: ir.Step, factor: ir.FactorOut, *, forward: bool) -> None:
        axis, first = 2 if step.shape.kind == "Seq" else 1, factor.keep == "first"
        if forward:
            self.write(f"{'x, part' if first else 'part, x'} = x.chunk(2, {axis})  # {step.result} goes on")
        part = "part" if forward else "parts.pop()"
        if factor.prior is not None:
            net = f"self.{self.names.member[step.name]}"
            note = "  # (part - mean) exp(-log_scale), both made of x" if forward else ""
            self._apply(f"{'leave' if forward else 'return'}_normal({part}, *{net}(x)){note}", "part")
            part = "part"
        if forward:
            self.write("parts.append(part)")
        else:
            self.write(f"x = torch.cat(({f'x, {part}' if first else f'{part}, x'}), {axis})")

    def _apply(self, call: str, what: str = "x") -> None:
        self.write(f"{what}, {'_' if self._absent else 'term'} = {call}")
        if not self._absent:
            self.write("log_det = log_det + term")

    def _loop(self, repeat: ir.Repeat, *, forward: bool, lists: Mapping[str, str]) -> None:
        names = _uses(repeat.steps)
        if not names:
            with self.write.block(f"for _ in range({self._count(repeat)}):"):
                self._run(repeat.steps, forward=forward, lists=lists)
            return
        sources = [lists.get(n, f"self.{self.names.member[n]}") for n in names]
        variables = loop_names(names, lists.values())
        walked = sources if forward else [f"reversed({s})" for s in sources]
        over = walked[0] if len(walked) == 1 else f"zip({', '.join(walked)}, strict=True)"
        header = f"for {', '.join(variables)} in {over}:"
        if len(header) + 4 * self.write.depth > 120:  # too many steps for one line
            self.write.call("blocks = zip", [*walked, "strict=True"], "")
            header = f"for {', '.join(variables)} in blocks:"
        with self.write.block(header):
            self._run(repeat.steps, forward=forward, lists={**lists, **dict(zip(names, variables, strict=True))})

    def _count(self, repeat: ir.Repeat) -> str:
        return shapes.size(repeat.count, {f.name: f"self.{self.names.member[f.name]}" for f in self.flow.formals})

    def _listed(self, sizes: Sequence[Nat]) -> str:
        """Sizes as the methods know them: by those of the flow's own shape, and its formals."""
        known = {f.name: f"self.{self.names.member[f.name]}" for f in self.flow.formals}
        for place, size in enumerate(self.flow.shape.dims):
            for symbol in size.symbols if len(size.symbols) == 1 and size == Nat.symbol(*size.symbols) else ():
                known.setdefault(symbol, f"self.event_shape[{place}]")
        return shapes.listed([shapes.size(size, known) for size in sizes])

    # ------------------------------------------------------------ density

    def _protocol(self) -> None:
        write = self.write
        optional, passed = (", context: Tensor | None = None", ", context") if self.flow.given is not None else ("", "")
        with write.block(f"def trace(self, x: Tensor{optional}) -> list[tuple[str, Tensor, Tensor]]:"):
            write('"""(path, output, log_det) of every layer, in order."""')
            write(f"return trace_flow(self, x{passed})")
        write()
        with write.block("def frozen(self) -> AbstractContextManager[nn.Module]:"):
            write('"""Compute effective weights once for everything inside `with model.frozen():`."""')
            write("return frozen_weights(self)")
        below = [self.program.callable(key) for key in reachable(self.program, self.key)]
        below_flows = [flow for flow in below if isinstance(flow, ir.Flow)]
        layers = [layer for layer in below if isinstance(layer, ir.Layer)]
        nets = [kind.net for layer in layers for _, kind in ir.net_params(layer)]
        if any(p.limited for layer in layers for p in layer.params) or any(map(limited, nets)):
            write()
            write_certify(write, estimated=bool(self._accuracy))
        if any(has_ode(flow.steps) for flow in below_flows):
            write()
            with write.block("def energies(self) -> AbstractContextManager[Energy]:"):
                write('"""Inside, continuous flows take the integrals of |f|^2 and |df/dz|^2: regularisers."""')
                write("return measured_energies(self)")
        if self._head is not None:
            write()
            with write.block(f"def logits(self, x: Tensor{optional}) -> Tensor:"):
                write('"""The head of the last z, [*, classes]: for cross-entropy."""')
                write(f"return self.head(self.forward(x{passed})[0])")
        if self._pending:
            write()
            write_initialize(write, self.classes[self.key], self._levels if self._prior else 0)
        if self.proof.assumptions:
            write()
            write_loading(write, assuming=True, masked=False)
        if self._prior:
            conditional, assuming = self.flow.given is not None, bool(self.proof.assumptions)
            pending, accuracy = self._pending, self._accuracy
            write_density(write, self._levels, accuracy, assuming=assuming, pending=pending, given=conditional)


def _numbers(values: tuple[float, ...]) -> str:
    return f"({values[0]!r},)" if len(values) == 1 else repr(values)


def _sizes(steps: Sequence[ir.Step]) -> list[Nat]:
    """The sizes that steps leave, and the numbers of copies."""
    found: list[Nat] = []
    for step in steps:
        found += left_sizes(step)
        match step.op:
            case ir.Repeat(count=count, steps=inner):
                found += [count, *_sizes(inner)]
            case ir.Pair(steps=inner):
                found += _sizes(inner)
            case _:
                pass
    return found


def _empty(step: ir.Step) -> bool:
    """Whether a step is a repeat of nothing."""
    return isinstance(step.op, ir.Repeat) and all(map(_empty, step.op.steps))


def has_ode(steps: Sequence[ir.Step]) -> bool:
    """Whether one of the steps is a continuous flow."""
    inner = [step.op.steps for step in steps if isinstance(step.op, (ir.Repeat, ir.Pair))]
    return any(isinstance(step.op, ir.Ode) for step in steps) or any(map(has_ode, inner))


def _uses(steps: Sequence[ir.Step]) -> list[str]:
    names = []
    for step in steps:
        match step.op:
            case ir.Use() | ir.StandardizeData() | ir.Ode():
                names.append(step.name)
            case ir.Repeat() | ir.Pair():
                names += _uses(step.op.steps)
            case _:
                pass
    return names
