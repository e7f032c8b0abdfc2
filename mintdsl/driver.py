"""The pipeline: the only file that knows the order of the stages, and the only one below `tools` that reads files.

text -> syntax tree -> names and typed core -> proofs -> instances -> module text
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mintdsl.core import ir
from mintdsl.core.elaborate import elaborate
from mintdsl.core.instance import Counts, Instances, KnownSizes, known_sizes
from mintdsl.core.orders import Order
from mintdsl.core.scope import article
from mintdsl.diagnostics.model import Bag, Diagnostic, Fix, Label, Severity
from mintdsl.proof.prover import FlowProof, Proof, Prover
from mintdsl.records import record
from mintdsl.resources import resource
from mintdsl.source import NOWHERE, Source, Span
from mintdsl.syntax import allow, ast
from mintdsl.syntax.parse import parse

if TYPE_CHECKING:
    from torch import nn

    from mintdsl.core.canonical import Json
    from mintdsl.proof.recheck import Rechecked

MAX_BYTES = 2 * 2**20
MAX_FILES = 1000
RECURSION = 60_000


class FileProblem(Exception):
    """A program that cannot be read at all: missing, a directory, not text."""


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
            with _deep():
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
        with _deep():
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
        for size in sizes:
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
            notes=(f"it defines: {', '.join(names) or 'none'}",),
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
        with _deep():
            key = core.find(target)
            assert key is not None
            return generate(core, key, sizes, self.sources)

    def _unfit(self, core: ir.Program, report: Report, target: str | None) -> tuple[Diagnostic, ...]:
        """Why an accepted program still has no module: nothing in it, or nothing proved of it."""
        checked = next((r for r in report.results if r.name == target), None)
        if checked is not None and checked.proof.bijection is not None:
            return ()
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
        with _deep():
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
        with _deep():
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
    text = _read(Path(path))
    return _load(text, str(path), Path(path).resolve().parent)


def loads(text: str, file: str = "<text>") -> Program:
    """Load a program from its text; relative imports start at the current folder."""
    return _load(text, file, Path.cwd())


def _read(path: Path) -> str:
    if path.is_dir():
        raise FileProblem(f"{path} is a folder; give a .mint file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FileProblem(f"{path} is {path.stat().st_size / 2**20:.1f} MiB; the limit is {MAX_BYTES // 2**20} MiB")
        data = path.read_bytes()
    except FileNotFoundError:
        raise FileProblem(f"{path}: no such file") from None
    except OSError as error:
        raise FileProblem(f"{path}: {error.strerror}") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileProblem(f"{path} is not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise FileProblem(f"{path} is a binary file")
    return text


# ---------------------------------------------------------------- imports


def _load(text: str, file: str, root: Path) -> Program:
    program = Program(file, {}, {}, {}, Bag())
    loader = _Loader(program, root.resolve(), resource("specs").resolve())
    with _deep():
        loader.add(file, text, root, ())
    return program


@dataclass(slots=True)
class _Loader:
    program: Program
    root: Path
    library: Path
    by_path: dict[Path, str] = field(default_factory=dict)

    def add(self, file: str, text: str, folder: Path, chain: tuple[str, ...]) -> None:
        source = Source(file, text)
        module, diagnostics = parse(source)
        self.program.sources[file] = source
        self.program.modules[file] = module
        self.program.loading.extend(diagnostics)
        for item in module.items:
            if isinstance(item, ast.Import):
                self._import(file, item, folder, (*chain, file))

    def _import(self, file: str, item: ast.Import, folder: Path, chain: tuple[str, ...]) -> None:
        bag = self.program.loading
        relative = item.path.startswith(("./", "../"))
        inside = folder.is_relative_to(self.library)
        root = self.library if inside or not relative else self.root
        try:
            path = ((folder if relative else self.library) / item.path).resolve()
        except (OSError, ValueError):
            path = self.library / "?"
        if not path.is_relative_to(root) or Path(item.path).is_absolute():
            bag.error(
                "E0205",
                item.path_span,
                f'the import "{item.path}" leaves the {"program" if relative else "packaged library"}',
                "a relative import stays below the root of the program" if relative else "not below specs/",
                notes=("a path that starts with ./ or ../ is relative; any other names a file of the packaged specs",),
            )
            return
        known = self.by_path.get(path)
        shown = known or self._shown(path)
        if shown in chain:
            cycle = " -> ".join([*chain[chain.index(shown) :], shown])
            bag.error("E0203", item.path_span, f"files import each other: {cycle}", "closes the circle")
            return
        if known is None:
            if len(self.by_path) >= MAX_FILES:
                bag.error("E0205", item.path_span, f"a program has at most {MAX_FILES} files", "one too many")
                return
            try:
                if path.suffix != ".mint":
                    raise FileProblem(f"{item.path}: not a .mint file")
                text = _read(path)
            except FileProblem as problem:
                self._missing(item, relative, str(problem))
                return
            self.by_path[path] = shown
            self.add(shown, text, path.parent, chain)
        self.program.resolved[(file, item.path)] = shown

    def _shown(self, path: Path) -> str:
        if path.is_relative_to(self.library):
            return path.relative_to(self.library).as_posix()
        main = Path(self.program.main)
        return (
            (main.parent / path.relative_to(self.root)).as_posix()
            if main.name != "<text>"
            else path.relative_to(self.root).as_posix()
        )

    def _missing(self, item: ast.Import, relative: bool, problem: str) -> None:
        from mintdsl.syntax.suggest import meant, others, suggest

        names = [p.relative_to(self.library).as_posix() for p in sorted(self.library.glob("*/*.mint"))]
        close = () if relative else suggest(item.path, names)
        title = f'cannot import "{item.path}"' + (f'; did you mean "{close[0]}"?' if close else "")
        label = "no such file" if "no such file" in problem else problem
        fixes = meant(item.path_span, close, quote='"')
        self.program.loading.error("E0202", item.path_span, title, label, notes=others(close), fixes=fixes)


# ---------------------------------------------------------------- checking


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
        bag.extend(_blind(core, key, definition, *known))
    return Checked(key, definition.name, proof, counts)


def _counts(core: ir.Program, key: str, instances: Instances, known: KnownSizes) -> Counts | None:
    """The parameters of a definition; sizes that do not fit are reported."""
    dims, nats = known
    orders = {f.name: f.default for f in core.definitions[key].formals if isinstance(f.default, Order)}
    return instances.of(key, dims, nats, orders, NOWHERE)


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


class _deep:
    """Room for deep formulas: the walks recurse on the tree, and a sum of 2,000 terms is 2,000 deep."""

    def __enter__(self) -> None:
        self.before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(self.before, RECURSION))

    def __exit__(self, *_: object) -> None:
        sys.setrecursionlimit(self.before)


__all__ = ["Checked", "FileProblem", "FlowProof", "Label", "Program", "Report", "SpecError", "load", "loads"]
