"""The modules that a flow is made of: those of its steps and its prior, in its constructor."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mintdsl.codegen import shapes
from mintdsl.codegen.context import takes_context_shape
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.inner import concrete, net_arguments, passed_on
from mintdsl.codegen.naming import Names
from mintdsl.codegen.residual import series_text
from mintdsl.core import ir
from mintdsl.core.flow_moves import entries
from mintdsl.proof.rules.series import Estimate

PRIOR_CLASSES = {"normal": "NormalPrior", "logistic": "LogisticPrior", "learned_normal": "LearnedNormalPrior"}


@dataclass(slots=True)
class Members:
    """Writes the members of one flow; `every` has the names of all definitions, `classes` their classes.

    `silent` has the names of the steps whose log-det nobody asks for, `estimates` how some others are estimated.
    """

    flow: ir.Flow
    names: Names
    program: ir.Program
    write: Writer
    every: Mapping[str, Names]
    classes: Mapping[str, str]
    silent: Collection[str]
    estimates: Mapping[str, Estimate]

    def run(self, steps: Sequence[ir.Step], counts: Sequence[str] = ()) -> None:
        """A member for each step that has a module, or as many as the repeats around it say."""
        for step in steps:
            match step.op:
                case ir.Use() | ir.Classify():
                    self._module(step, step.op, counts)
                case ir.StandardizeData():
                    shape = shapes.shape(step.shape, self.names.argument)
                    self._made(step, "DataStandardize", [shape, "**factory"], counts)
                case ir.Repeat():
                    self.run(step.op.steps, [*counts, shapes.size(step.op.count, self.names.argument)])
                case ir.Pair():
                    self.run(step.op.steps, counts)
                case ir.FactorOut(prior=ir.NetParam() as net):
                    args = net_arguments(net, self.names, self.flow.formals, self.every[net.definition])
                    self._made(step, self.classes[net.definition], args, counts)
                case ir.Ode():
                    self._ode(step, step.op, counts)
                case ir.Permute(axis=axis, seed=seed):
                    size = entries(step.shape) if axis == "all" else step.shape.dims[step.shape.axis(axis)]
                    args = [shapes.size(size, self.names.argument), f"seed={seed}", f"axis={axis_of(step, axis)}"]
                    place = f"self.{self.names.member[step.name]}"
                    self.write.call(f"{place} = Permutation", [*args, "device=device"], "")
                case _:
                    pass

    def _module(self, step: ir.Step, use: ir.Use | ir.Classify, counts: Sequence[str]) -> None:
        callee, names = self.program.callable(use.definition), self.names.argument
        args = [] if concrete(callee.shape) else [shapes.shape(step.shape, names) if step.shape.dims else "shape"]
        if takes_context_shape(callee):
            args.append("self.context_shape")
        inner = self.every[use.definition].argument
        defaults = {f.name: f.default for f in callee.formals}
        # acts and inits of this flow's formals are made by write_formals: take them from there
        here = {
            **names,
            **{f.name: f"self.{self.names.member[f.name]}" for f in self.flow.formals if f.type in ("Act", "Init")},
        }
        args += [f"{inner[n]}={shapes.argument(v, here)}" for n, v in use.args if defaults[n] != v]
        args += ['log_det="none"'] * (step.name in self.silent and isinstance(callee, ir.Layer))
        args += [series_text(self.estimates[step.name])] if step.name in self.estimates else []
        args += [*passed_on(self.every[use.definition]), "**factory"]
        self._made(step, self.classes[use.definition], args, counts)

    def _ode(self, step: ir.Step, ode: ir.Ode, counts: Sequence[str]) -> None:
        """The module that solves the equation, around the net of its field."""
        net = ode.field
        inner = net_arguments(net, self.names, self.flow.formals, self.every[net.definition])
        field = f"{self.classes[net.definition]}({', '.join(inner)})"
        numbers = [f'method="{ode.method}"', f"until={ode.until!r}", f"tol={ode.tol!r}", f"probes={ode.probes or 0}"]
        self._made(step, "OdeStep", [field, shapes.shape(step.shape, self.names.argument), *numbers], counts)

    def _made(self, step: ir.Step, cls: str, args: Sequence[str], counts: Sequence[str]) -> None:
        """Make the module of a step, or as many as the repeats around it say."""
        made = f"{cls}({', '.join(args)})"
        for count in reversed(counts):
            made = f"nn.ModuleList({made} for _ in range({count}))"
        place = f"self.{self.names.member[step.name]}"
        line = f"{place} = {made}"
        if len(line) + 8 <= 120:
            self.write(line)
        elif counts:
            self.write(f"{place} = nn.ModuleList(")
            inner_made = f"{cls}({', '.join(args)})"
            for count in reversed(counts[1:]):
                inner_made = f"nn.ModuleList({inner_made} for _ in range({count}))"
            self.write(f"    {inner_made} for _ in range({counts[0]})")
            self.write(")")
        else:
            self.write.call(f"{place} = {cls}", args, "")

    def prior(self, prior: ir.Prior) -> None:
        """The prior of the flow: on the whole latent, or beside parts that left through nets, which are normal."""
        flow, name = self.flow, PRIOR_CLASSES[prior.name]
        own = [f"self.latent_parts[{k}]" for k in range(len(flow.left)) if k not in flow.normal]
        parts = shapes.listed([*own, "self.latent_parts[-1]"]) if flow.normal else "self.latent_parts"
        options = f', "{prior.per}"' if prior.per else ""
        options += f", {parts}" if prior.per == "channel" and own else ""
        options += ", **factory" if prior.per else ""
        if not flow.normal or prior.name == "normal":
            self.write(f"self.prior = {name}(self.latent_shape{options})")
            return
        shape = f"flat_shape({parts})" if own else "self.latent_parts[-1]"
        normal = f"normal={shapes.listed([str(k) for k in flow.normal])}"
        rest = f"rest={name}({shape}{options})"
        self.write.call("self.prior = PartsPrior", ["self.latent_parts", normal, rest], "")


def axis_of(step: ir.Step, axis: str) -> int | None:
    """The axis of a batch that a step moves entries along; None for all."""
    return None if axis == "all" else step.shape.axis(axis) + 1
