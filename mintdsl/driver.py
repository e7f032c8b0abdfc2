"""The pipeline: the only file that knows the order of the stages.

text -> syntax tree -> names and typed core -> proofs -> instances -> module text
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.elaborate import elaborate
from mintdsl.core.instance import Counts, Instances
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order
from mintdsl.core.scope import shortened
from mintdsl.core.walks import layer_written, uses
from mintdsl.diagnostics.model import Bag, Diagnostic, Label, Severity
from mintdsl.files import FileProblem, Loaded, load_path, load_text
from mintdsl.proof.prover import FlowProof, Proof, Prover
from mintdsl.records import record
from mintdsl.source import NOWHERE, Source, Span
from mintdsl.syntax import ast

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


class SpecError(Exception):
    """A program that was refused where a module was asked for; `diagnostics` say why."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...], text: str) -> None:
        super().__init__(text)
        self.diagnostics = diagnostics


@record
class Checked:
    """One definition of the main file: its proof, and its counts where its sizes are known."""

    key: str
    name: str
    proof: Proof
    counts: Counts | None


@record
class Report:
    """The outcome of `check`: diagnostics of all stages, and what is proved of each definition."""

    diagnostics: tuple[Diagnostic, ...]
    results: tuple[Checked, ...]
    sources: Mapping[str, Source]

    @property
    def ok(self) -> bool:
        """Whether everything asked for is proved."""
        return not any(d.severity is Severity.ERROR for d in self.diagnostics)

    def __getitem__(self, name: str) -> Checked:
        return next(r for r in self.results if r.name == name)


@dataclass(slots=True)
class Program:
    """A loaded program. Loading never raises for a faulty program: its diagnostics come with `check`."""

    main: str
    sources: dict[str, Source]
    modules: dict[str, ast.Module]
    resolved: dict[tuple[str, str], str]
    loading: Bag
    _core: tuple[ir.Program, Bag] | None = field(default=None, repr=False)

    def core(self) -> tuple[ir.Program, Bag]:
        """The typed core and the diagnostics up to it."""
        if self._core is None:
            bag = Bag()
            bag.extend(self.loading.sorted())
            self._core = (elaborate(self.modules, self.resolved, self.main, bag), bag)
        return self._core

    def check(self, name: str | None = None, **sizes: int) -> Report:
        """Check one definition, or everything in the main file; `sizes` replace defaults of Nat formals."""
        core, found = self.core()
        bag = Bag()
        bag.extend(found.sorted())
        keys = self._asked(core, name, sizes, bag)
        prover = Prover(core)
        instances = Instances(core, bag)
        results = []
        if not _too_much_to_prove(core, keys, prover, bag):
            results = [r for key in keys if (r := _check(core, key, prover, instances, sizes, bag)) is not None]
        for used in prover.done.values():
            bag.extend(used.diagnostics)
        return Report(bag.sorted(), tuple(results), self.sources)

    def _asked(self, core: ir.Program, name: str | None, sizes: Mapping[str, int], bag: Bag) -> tuple[str, ...]:
        if name is None:
            keys = core.main
        else:
            key = core.find(name)
            if key is None:
                keys = ()
                if not bag.has_errors:
                    self._unknown(core, name, bag)
            else:
                keys = (key,)
        known = {f.name for key in keys for f in core.definitions[key].formals if f.type == "Nat"}
        for size, value in sizes.items():
            if size in known and not 1 <= value <= limits.SIZE.most:
                label = f"sizes go from 1 to {limits.SIZE.shown}"
                bag.error("E0305", self._start(), f"the size given for `{size}` is out of range", label)
            if size not in known and not bag.has_errors:
                bag.error(
                    "E0209",
                    self._start(),
                    f"`{size}` is no size of {f'`{name}`' if name else 'this file'}",
                    "given from outside",
                )
        return keys

    def _unknown(self, core: ir.Program, name: str, bag: Bag) -> None:
        from mintdsl.syntax.suggest import suggest

        names = [k.rpartition("::")[2] for k in core.definitions]
        close = suggest(name, names)
        title = f"no layer or flow `{name}` in this file" + (f"; did you mean `{close[0]}`?" if close else "")
        bag.error(
            "E0201",
            self._start(),
            title,
            "asked for from outside",
            notes=(f"it defines: {', '.join(shortened(names)) or 'none'}",),
        )

    def _start(self) -> Span:
        return Span(self.main, 0, 0)

    def generate(self, name: str | None = None, **sizes: int) -> str:
        """The text of the PyTorch module; raises SpecError when the program is refused."""
        from mintdsl.codegen.generate import generate

        report = self.check(name, **sizes)
        core, _ = self.core()
        target = name or next((k.rpartition("::")[2] for k in reversed(core.main)), None)
        diagnostics = report.diagnostics
        if report.ok:
            diagnostics += self._unfit(core, report, target)
        if any(d.severity is Severity.ERROR for d in diagnostics):
            from mintdsl.diagnostics.render import render

            raise SpecError(diagnostics, "\n" + render(diagnostics, self.sources, color=False, width=100))
        assert target is not None
        key = core.find(target)
        assert key is not None
        return generate(core, key, sizes, self.sources)

    def _unfit(self, core: ir.Program, report: Report, target: str | None) -> tuple[Diagnostic, ...]:
        """Why an accepted program still has no module: nothing in it, or nothing proved of it."""
        bag = Bag()
        checked = next((r for r in report.results if r.name == target), None)
        if target is None:
            bag.error("E0201", self._start(), "this file defines no layer and no flow", "nothing to generate")
        elif checked is None or checked.proof.bijection is None:
            key = core.find(target)
            span = core.definitions[key].name_span if key else self._start()
            bag.error(
                "E0601",
                span,
                f"`{target}` is not proved invertible, so it has no module",
                "nothing claimed, nothing proved",
            )
        else:
            self._one_name_each(core, checked.key, bag)
        return bag.sorted()

    def _one_name_each(self, core: ir.Program, key: str, bag: Bag) -> None:
        """Activations that are passed as arguments become functions of the module: two of them cannot share a name."""
        from mintdsl.codegen.generate import passed_acts

        first: dict[str, ir.DefinedAct] = {}
        for act in passed_acts(core, key):
            other = first.setdefault(act.name, act)
            if other is not act:
                title = f"two activations called `{act.name}` are passed as arguments: their module needs two names"
                also = (Label(other.body.span, "and by this formula"),)
                bag.error("E0204", act.body.span, title, "defined by this formula", also=also)

    def compile(self, name: str | None = None, **sizes: int) -> type[nn.Module]:
        """The generated class, built in memory; its source is shown in tracebacks."""
        from mintdsl.codegen.naming import class_name
        from mintdsl.runtime.loading import load_class

        source = self.generate(name, **sizes)
        target = name or self.core()[0].main[-1].rpartition("::")[2]
        return load_class(source, class_name(target))


def load(path: str | Path) -> Program:
    """Load the program at `path` and everything it imports. Raises FileProblem when the file cannot be read."""
    return _program(str(path), load_path(path))


def loads(text: str, file: str = "<text>") -> Program:
    """Load a program from its text; relative imports start at the current folder."""
    return _program(file, load_text(text, file))


def _program(file: str, loaded: Loaded) -> Program:
    return Program(file, loaded.sources, loaded.modules, loaded.resolved, loaded.found)


# ---------------------------------------------------------------- checking


def _too_much_to_prove(core: ir.Program, keys: Sequence[str], prover: Prover, bag: Bag) -> bool:
    """Whether the definitions, for all values of Act, Order and Real formals that reach them, are too long to prove."""
    seen: set[tuple[str, tuple[tuple[str, ir.Argument], ...]]] = set()
    waiting = [(key, bindings) for key in keys if (bindings := prover.defaults(key)) is not None]
    work = 0
    while waiting:
        key, bindings = waiting.pop()
        place = (key, tuple(sorted(bindings.items(), key=lambda item: item[0])))
        if place in seen:
            continue
        seen.add(place)
        definition = core.definitions[key]
        if isinstance(definition, ir.Layer):
            work += layer_written(definition).size
        else:
            for use in uses(definition.steps):
                work += 1
                if isinstance(use, ir.Use):
                    waiting.append((use.definition, prover.bindings_of(use, bindings)))
        if work > limits.PROOFS.most:
            title = "there is too much to prove: activations are written out, and each value of a formal is a proof"
            bag.error("E0107", definition.name_span, title, f"more than {limits.PROOFS.shown} operations up to here")
            return True
    return False


def _check(
    core: ir.Program, key: str, prover: Prover, instances: Instances, sizes: Mapping[str, int], bag: Bag
) -> Checked | None:
    definition = core.definitions[key]
    bindings = prover.defaults(key)
    if bindings is None:  # proved at its uses: a formal without a default decides
        formal = next(f for f in definition.formals if f.default is None and f.type not in ("Nat", "Dir", "Init"))
        bag.error(
            "W0601",
            definition.name_span,
            f"`{definition.name}` is not checked by itself: `{formal.name}` has no value here",
            "checked only where it is used",
            also=(Label(formal.span, f"an {formal.type} without a default"),),
            severity=Severity.WARNING,
        )
        return None
    proof = prover.prove(key, bindings)
    counts = None
    nats = _nats(definition, sizes)
    dims = _dims(definition, nats) if nats is not None else None
    if nats is not None and dims is not None and proof.bijection is not None:
        orders = {f.name: f.default for f in definition.formals if isinstance(f.default, Order)}
        counts = instances.of(key, dims, nats, orders, NOWHERE)
    return Checked(key, definition.name, proof, counts)


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


__all__ = ["Checked", "FileProblem", "FlowProof", "Label", "Program", "Report", "SpecError", "load", "loads"]
