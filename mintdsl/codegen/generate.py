"""Typed core and proofs to the text of one standalone module: classes in reading order, helpers after them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isinf

from mintdsl.codegen.act import write_act
from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.flow import FlowWriter
from mintdsl.codegen.helpers import imports, mentioned, needed
from mintdsl.codegen.layer import write_layer, write_net
from mintdsl.codegen.naming import class_name, names_of
from mintdsl.core import ir
from mintdsl.core.walks import uses
from mintdsl.proof.check import Bindings, LayerProof, act_slope
from mintdsl.proof.prover import FlowProof, Prover
from mintdsl.records import pieces, replace
from mintdsl.source import Source, Span

VERSION = "0.1.0"


def generate(program: ir.Program, key: str, sizes: Mapping[str, int], sources: Mapping[str, Source]) -> str:
    """The module of definition `key`; everything it uses must be proved. `sizes` replace defaults of Nat formals."""
    return _Generator(program, key, sizes, sources).run()


def spec_hash(program: ir.Program, key: str) -> str:
    """SHA-256 of the elaborated definitions that `key` uses, spans aside."""
    digest = hashlib.sha256()
    for number, place in enumerate(_reachable(program, key)):
        digest.update(b"\n" if number else b"")
        for piece in pieces((place, program.callable(place))):
            digest.update(piece.encode())
    return digest.hexdigest()


def _reachable(program: ir.Program, key: str) -> list[str]:
    """The definitions that `key` uses, those used first first, itself last."""
    found: dict[str, None] = {}
    path = [(key, _used(program, key))]
    while path:
        place, rest = path[-1]
        following = next((used for used in rest if used not in found), None)
        if following is not None:
            path.append((following, _used(program, following)))
        else:
            path.pop()
            found[place] = None
    return list(found)


def _used(program: ir.Program, key: str) -> Iterator[str]:
    definition = program.callable(key)
    return (use.definition for use in uses(definition.steps)) if isinstance(definition, ir.Flow) else iter(())


def passed_acts(program: ir.Program, key: str) -> list[ir.DefinedAct]:
    """The different activations of the program that are arguments or defaults: they become functions."""
    found: dict[ir.DefinedAct, None] = {}
    for place in _reachable(program, key):
        definition = program.callable(place)
        for formal in definition.formals:
            if isinstance(formal.default, ir.DefinedAct):
                found[formal.default] = None
        if isinstance(definition, ir.Flow):
            for use in uses(definition.steps):
                for _, value in use.args:
                    if isinstance(value, ir.DefinedAct):
                        found[value] = None
    return list(found)


def _classes(keys: Sequence[str]) -> dict[str, str]:
    """The class of each definition; a name that two files define gets a number."""
    names = _numbered([class_name(key.rpartition("::")[2]) for key in reversed(keys)])
    return dict(zip(reversed(keys), names, strict=True))  # the definition asked for keeps its name


def _numbered(names: Sequence[str]) -> list[str]:
    """The names, those that came before with a number behind."""
    found: dict[str, None] = {}
    numbers: dict[str, int] = {}
    for base in names:
        name, number = base, numbers.get(base, 2)
        while name in found:
            name, number = f"{base}_{number}", number + 1
        numbers[base] = number
        found[name] = None
    return list(found)


@dataclass(slots=True)
class _Generator:
    program: ir.Program
    key: str
    sizes: Mapping[str, int]
    sources: Mapping[str, Source]

    def run(self) -> str:
        keys = _reachable(self.program, self.key)
        classes = _classes(keys)
        taken = set(classes.values())
        names = {key: names_of(self.program.callable(key), taken) for key in keys}
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
                write_layer(
                    LayerContext(layer, found, bindings[key], names[key], body, self._where, self._text, self._steepest)
                )
            elif isinstance(definition, ir.Net):
                net = replace(definition, name=classes[key])
                write_net(LayerContext(net, (), (), names[key], body, self._where, self._text, self._steepest))
            else:
                proof = next(p for p in proofs[key] if isinstance(p, FlowProof))
                sizes = self.sizes if key == self.key else {}
                FlowWriter(key, definition, proof, self.program, body, self._where, digest, sizes, names, classes).run()
        for act in passed_acts(self.program, self.key):
            body()
            body()
            write_act(act, f"own_{act.name}", body, self._steepest(act))
        text = body.text().lstrip("\n")
        mine = mentioned(text)
        helpers = needed(mine)
        rest = "\n\n\n".join(h.text for h in helpers)
        lines = imports(mine.union(*(h.mentions for h in helpers)))
        parts = [self._header(digest), "from __future__ import annotations", lines]
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
        seen: set[int] = set()  # the prover keeps its proofs, so no two have one id

        def visit(key: str, bindings: Bindings) -> None:
            proof = prover.prove(key, bindings)
            if id(proof) in seen:
                return
            seen.add(id(proof))
            found[key].append(proof)
            used[key].append(bindings)
            definition = self.program.definitions[key]
            if isinstance(definition, ir.Flow):
                for use in uses(definition.steps):
                    if isinstance(use, ir.Classify):
                        continue  # nothing is proved of a head
                    visit(use.definition, prover.bindings_of(use, bindings))

        visit(self.key, prover.defaults(self.key) or {})
        return found, used

    # ------------------------------------------------------------ activations

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
