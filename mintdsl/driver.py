"""The pipeline: the only file that knows the order of the stages.

text -> syntax tree -> names and typed core -> proofs -> instances -> module text
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.counts import Counts
from mintdsl.core.elaborate import elaborate
from mintdsl.core.instance import Instances
from mintdsl.core.known_sizes import KnownSizes, known_sizes
from mintdsl.core.orders import Order
from mintdsl.core.scope import article, shortened
from mintdsl.core.walks import layer_written
from mintdsl.diagnostics.model import Bag, Diagnostic, Fix, Label, Severity
from mintdsl.files import FileProblem, Loaded, load_path, load_text
from mintdsl.proof.prover import FlowProof, Proof, Prover, used_layers
from mintdsl.records import record
from mintdsl.source import NOWHERE, Source, Span
from mintdsl.syntax import allow, ast

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from mintdsl.core.canonical import Json
    from mintdsl.proof.recheck import Rechecked


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
            _report(prover, bag)
        whole = self.main if name is None and not sizes and not bag.has_errors else None
        shown = allow.apply(self._repaired(bag.sorted()), self.modules, self.sources, whole)
        return Report(shown, tuple(results), self.sources)

    def _repaired(self, found: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
        if not found:
            return found
        from mintdsl.syntax.repairs import complete

        return complete(found, self.modules, self.sources)

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
        self._refuse(diagnostics)
        assert target is not None
        key = core.find(target)
        assert key is not None
        return generate(core, key, sizes, self.sources)

    def _unfit(self, core: ir.Program, report: Report, target: str | None) -> tuple[Diagnostic, ...]:
        """Why an accepted program still has no module: nothing in it, or nothing proved of it."""
        checked = next((r for r in report.results if r.name == target), None)
        if checked is not None and checked.proof.bijection is not None:
            return self._one_name_each(core, checked.key)
        return self._without(core, target, "module", "is not proved invertible")

    def _without(self, core: ir.Program, target: str | None, what: str, why: str) -> tuple[Diagnostic, ...]:
        bag = Bag()
        if target is None:
            bag.error("E0201", self._start(), "this file defines no layer and no flow", "nothing to generate")
        else:
            key = core.find(target)
            span = core.definitions[key].name_span if key else self._start()
            bag.error("E0601", span, f"`{target}` {why}, so it has no {what}", "nothing claimed, nothing proved")
        return bag.sorted()

    def _one_name_each(self, core: ir.Program, key: str) -> tuple[Diagnostic, ...]:
        """Activations that are passed as arguments become functions of the module: two of them cannot share a name."""
        from mintdsl.codegen.generate import passed_acts

        bag = Bag()
        first: dict[str, ir.DefinedAct] = {}
        for act in passed_acts(core, key):
            other = first.setdefault(act.name, act)
            if other is not act:
                title = f"two activations called `{act.name}` are passed as arguments: their module needs two names"
                also = (Label(other.body.span, "and by this formula"),)
                bag.error("E0204", act.body.span, title, "defined by this formula", also=also)
        return bag.sorted()

    def certificate(self, name: str | None = None) -> dict[str, Json]:
        """The proof of a definition (the last of the file by default) as data; raises SpecError when it is refused."""
        from mintdsl.proof.certificate import certificate

        core, _ = self.core()
        target = name or next((k.rpartition("::")[2] for k in reversed(core.main)), None)
        report = self.check(target)
        diagnostics = report.diagnostics
        if report.ok and not any(r.name == target for r in report.results):
            diagnostics += self._without(core, target, "certificate", "is proved only where it is used")
        self._refuse(diagnostics)
        assert target is not None
        key = core.find(target)
        assert key is not None
        return certificate(core, key, Prover(core))

    def check_certificate(self, data: Json | bytes, name: str | None = None, **sizes: int) -> Rechecked:
        """What a certificate (its data or its text) proves of `name`, by the kernel and not by the checker.

        Without a name it may be of any definition. Raises SpecError when the program is faulty, and
        `proof.recheck.CertificateError` when the certificate does not prove it.
        """
        from mintdsl.proof import recheck

        core, found = self.core()
        bag = Bag()
        bag.extend(found.sorted())
        self._refuse(bag.sorted())
        read = recheck.parse(data) if isinstance(data, (str, bytes)) else data
        done = recheck.check_certificate(core, read, name)
        for key in self._asked(core, done.target, sizes, bag):
            known = known_sizes(core.definitions[key], sizes)
            if known is not None:
                _counts(core, key, Instances(core, bag), known)
        self._refuse(bag.sorted())
        return done

    def _refuse(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """Raise SpecError if there is an error among `diagnostics`."""
        if any(d.severity is Severity.ERROR for d in diagnostics):
            from mintdsl.diagnostics.render import render

            raise SpecError(diagnostics, "\n" + render(diagnostics, self.sources, color=False, width=100))

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
        for use in used_layers(definition):
            work += 1
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
            also=(Label(formal.span, f"{article(formal.type)} without a default"),),
            fixes=(Fix(f"a default, `{formal.name}: {formal.type} = ...`, lets it be checked here too"),),
            severity=Severity.WARNING,
        )
        return None
    proof = prover.prove(key, bindings)
    known = known_sizes(definition, sizes)
    counts = _counts(core, key, instances, known) if known is not None and proof.bijection is not None else None
    if known is not None and counts is not None and isinstance(definition, ir.Flow):
        bag.extend(_blind(core, key, definition, known.dims, known.nats))
    return Checked(key, definition.name, proof, counts)


def _counts(core: ir.Program, key: str, instances: Instances, known: KnownSizes) -> Counts | None:
    """The parameters of a definition; sizes that do not fit are reported."""
    orders = {f.name: f.default for f in core.definitions[key].formals if isinstance(f.default, Order)}
    return instances.of(key, known.dims, known.nats, orders, NOWHERE, given=known.given)


def _blind(
    core: ir.Program, key: str, flow: ir.Flow, dims: tuple[int, ...], nats: Mapping[str, int]
) -> tuple[Diagnostic, ...]:
    """A warning for a density of images that surely has blind spots."""
    if len(dims) != 3 or not any(isinstance(step.op, ir.Prior) for step in flow.steps):
        return ()
    from mintdsl.proof.reach import blind_border

    return blind_border(core, key, dims, nats)


def _report(prover: Prover, bag: Bag) -> None:
    """What the proofs found, with counter-examples."""
    for (key, bindings), proof in [*prover.done.items()]:
        for diagnostic in proof.diagnostics:
            if diagnostic not in bag:
                from mintdsl.proof.counterexample.search import with_example

                bag.add(with_example(prover, key, dict(bindings), diagnostic))


__all__ = ["Checked", "FileProblem", "FlowProof", "Label", "Program", "Report", "SpecError", "load", "loads"]
