"""Typed core and proofs to the text of one standalone module: classes in reading order, helpers after them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf

from mintdsl.codegen.act import write_act
from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.flow import FlowWriter
from mintdsl.codegen.helpers import imports, mentioned, needed
from mintdsl.codegen.layer import write_layer, write_net
from mintdsl.codegen.naming import class_name, flow_names, layer_names
from mintdsl.core import ir
from mintdsl.proof.check import Bindings, LayerProof, act_slope
from mintdsl.proof.prover import FlowProof, Prover
from mintdsl.records import replace
from mintdsl.source import Source, Span

VERSION = "0.1.0"


def generate(program: ir.Program, key: str, sizes: Mapping[str, int], sources: Mapping[str, Source]) -> str:
    """The module of definition `key`; everything it uses must be proved. `sizes` replace defaults of Nat formals."""
    return _Generator(program, key, sizes, sources).run()


def spec_hash(program: ir.Program, key: str) -> str:
    """SHA-256 of the elaborated definitions that `key` uses, spans aside."""
    parts = [repr((k, program.callable(k))) for k in _reachable(program, key)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _reachable(program: ir.Program, key: str) -> list[str]:
    """The definitions that `key` uses, those used first first, itself last."""
    found: list[str] = []

    def visit(place: str) -> None:
        definition = program.callable(place)
        if isinstance(definition, ir.Flow):
            for use in _uses(definition.steps):
                visit(use.definition)
        if place not in found:
            found.append(place)

    visit(key)
    return found


def _uses(steps: Sequence[ir.Step]) -> list[ir.Use | ir.Classify]:
    uses: list[ir.Use | ir.Classify] = []
    for step in steps:
        match step.op:
            case ir.Use() | ir.Classify():
                uses.append(step.op)
            case ir.Repeat() | ir.Pair():
                uses += _uses(step.op.steps)
            case _:
                pass
    return uses


def _classes(keys: Sequence[str]) -> dict[str, str]:
    """The class of each definition; a name that two files define gets a number."""
    classes: dict[str, str] = {}
    for key in reversed(keys):  # the definition asked for keeps its name
        name = base = class_name(key.rpartition("::")[2])
        number = 2
        while name in classes.values():
            name, number = f"{base}_{number}", number + 1
        classes[key] = name
    return classes


@dataclass(slots=True)
class _Generator:
    program: ir.Program
    key: str
    sizes: Mapping[str, int]
    sources: Mapping[str, Source]

    def run(self) -> str:
        keys = _reachable(self.program, self.key)
        classes = _classes(keys)
        proofs, bindings = self._proofs(keys)
        digest = spec_hash(self.program, self.key)
        body = Writer()
        for key in keys:
            definition = self.program.callable(key)
            body()
            body()
            if isinstance(definition, ir.Layer):
                layer = replace(definition, name=classes[key])
                found = [p for p in proofs[key] if isinstance(p, LayerProof)]
                names = layer_names(layer)
                write_layer(
                    LayerContext(layer, found, bindings[key], names, body, self._where, self._text, self._steepest)
                )
            elif isinstance(definition, ir.Net):
                net = replace(definition, name=classes[key])
                write_net(LayerContext(net, (), (), layer_names(net), body, self._where, self._text, self._steepest))
            else:
                proof = next(p for p in proofs[key] if isinstance(p, FlowProof))
                sizes = self.sizes if key == self.key else {}
                names = flow_names(definition)
                FlowWriter(key, definition, proof, self.program, body, self._where, digest, sizes, names, classes).run()
        for act in self._passed(keys):
            body()
            body()
            write_act(act, f"own_{act.name}", body, self._steepest(act))
        text = body.text().lstrip("\n")
        mentions = mentioned(text)
        helpers = needed(mentions)
        rest = "\n\n\n".join(h.text for h in helpers)
        parts = [self._header(digest), "from __future__ import annotations", imports(mentions, helpers)]
        title = "# ---- helpers: the same for every module that mintdsl generates"
        tail = f"\n\n{title}\n\n\n{rest}\n" if helpers else "\n"
        return "\n\n".join(parts) + "\n\n\n" + text.rstrip("\n") + "\n" + tail

    def _header(self, digest: str) -> str:
        main = self.key.rpartition("::")[0].replace("\\", "/").rsplit("/", 1)[-1]
        name = self.key.rpartition("::")[2]
        shown = "".join(c for c in main if c.isalnum() or c in "._-<>")
        return (
            f'"""{name}, generated by mintdsl {VERSION} from {shown}, edition 1.  Edit the spec, not this file.\n\n'
            f'spec_hash {digest}\n"""'
        )

    # ------------------------------------------------------------ proofs of every use

    def _proofs(self, keys: Sequence[str]) -> tuple[dict[str, list[LayerProof | FlowProof]], dict[str, list[Bindings]]]:
        prover = Prover(self.program)
        found: dict[str, list[LayerProof | FlowProof]] = {k: [] for k in keys}
        used: dict[str, list[Bindings]] = {k: [] for k in keys}

        def visit(key: str, bindings: Bindings) -> None:
            proof = prover.prove(key, bindings)
            if any(p is proof for p in found[key]):
                return
            found[key].append(proof)
            used[key].append(bindings)
            definition = self.program.definitions[key]
            if isinstance(definition, ir.Flow):
                for use in _uses(definition.steps):
                    if isinstance(use, ir.Classify):
                        continue  # nothing is proved of a head
                    visit(use.definition, prover.bindings_of(use, bindings))

        visit(self.key, prover.defaults(self.key) or {})
        return found, used

    # ------------------------------------------------------------ activations

    def _passed(self, keys: Sequence[str]) -> list[ir.DefinedAct]:
        """Activations of the program that are arguments or defaults: they become functions."""
        values: list[ir.Argument | None] = []
        for key in keys:
            definition = self.program.callable(key)
            values += [f.default for f in definition.formals]
            if isinstance(definition, ir.Flow):
                values += [value for use in _uses(definition.steps) for _, value in use.args]
        found: dict[str, ir.DefinedAct] = {}
        for value in values:
            if isinstance(value, ir.DefinedAct) and found.setdefault(value.name, value) != value:
                raise ValueError(f"two activations called {value.name} are passed as arguments: rename one")
        return list(found.values())

    def _steepest(self, act: ir.BuiltinAct | ir.DefinedAct) -> float | None:
        """The supremum of |slope|; None where it is infinite or depends on formals."""
        slope = act_slope(act)
        return None if slope is None or isinf(slope.symmetric().hi) else slope.symmetric().hi

    # ------------------------------------------------------------ places

    def _where(self, span: Span) -> str:
        source = self.sources.get(span.file)
        name = "".join(c for c in span.file.replace("\\", "/").rsplit("/", 1)[-1] if c.isalnum() or c in "._-<>")
        return f"{name}:{source.position(span.start).line}" if source else name

    def _text(self, span: Span) -> str:
        source = self.sources.get(span.file)
        text = source.slice(span) if source else ""
        return "".join(c if c.isprintable() else " " for c in text.replace("\n", " "))
