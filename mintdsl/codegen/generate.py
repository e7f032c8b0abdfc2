"""Typed core and proofs to the text of one standalone module: classes in reading order, helpers after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isinf

from mintdsl.codegen.act import write_act
from mintdsl.codegen.autoregressive import followed, is_autoregressive, is_bent
from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.convolution import convolved
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.flow import FlowWriter
from mintdsl.codegen.helpers import imports, mentioned, needed
from mintdsl.codegen.layer import write_extern, write_layer, write_net
from mintdsl.codegen.naming import Names, class_name, names_of, with_externs
from mintdsl.codegen.reading import Followed, Reading
from mintdsl.codegen.residual import together
from mintdsl.core import ir
from mintdsl.core.canonical import reachable, spec_hash
from mintdsl.core.from_data import pending
from mintdsl.core.walks import uses
from mintdsl.proof.check import Bindings, LayerProof, act_slope
from mintdsl.proof.prover import FlowProof, Proof, Prover
from mintdsl.records import replace
from mintdsl.source import Source, Span

VERSION = "0.1.0"


def generate(program: ir.Program, key: str, sizes: Mapping[str, int], sources: Mapping[str, Source]) -> str:
    """The module of definition `key`; everything it uses must be proved. `sizes` replace defaults of Nat formals."""
    return _Generator(program, key, sizes, sources).run()


def passed_acts(program: ir.Program, key: str) -> list[ir.DefinedAct]:
    """The different activations of the program that are arguments or defaults: they become functions."""
    found: dict[ir.DefinedAct, None] = {}
    for place in reachable(program, key):
        definition = program.callable(place)
        for formal in definition.formals:
            if isinstance(formal.default, ir.DefinedAct):
                found[formal.default] = None
        inner = uses(definition.steps) if isinstance(definition, ir.Flow) else ir.used_below(definition)
        for use in inner:
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
    readings: dict[str, Reading] = field(default_factory=dict)
    followed: dict[str, Followed] = field(default_factory=dict)

    def run(self) -> str:
        keys = reachable(self.program, self.key)
        classes = _classes(keys)
        taken = set(classes.values())
        own = {key: names_of(self.program.callable(key), taken) for key in keys}
        names = with_externs(self.program, own, taken)
        proofs, bindings = self._proofs(keys)
        digest, waiting = spec_hash(self.program, self.key), pending(self.program, keys)
        self.follow(keys, proofs)
        body = Writer()
        for key in keys:
            definition = self.program.callable(key)
            body()
            body()
            if isinstance(definition, ir.Layer):
                layer = replace(definition, name=classes[key])
                found = [p for p in proofs[key] if isinstance(p, LayerProof)]
                write_layer(self._context(layer, found, bindings[key], names, key, body, classes))
            elif isinstance(definition, ir.Net):
                net = replace(definition, name=classes[key])
                context = self._context(net, (), (), names, key, body, classes)
                (write_extern if net.extern else write_net)(context)
            else:
                proof = together([p for p in proofs[key] if isinstance(p, FlowProof)])
                sizes = self.sizes if key == self.key else {}
                FlowWriter(
                    key, definition, proof, self.program, body, self._where, digest, sizes, names, classes, waiting
                ).run()
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

    def _context(
        self,
        owner: ir.Layer | ir.Net,
        proofs: Sequence[LayerProof],
        bindings: Sequence[Bindings],
        names: Mapping[str, Names],
        key: str,
        body: Writer,
        classes: Mapping[str, str],
    ) -> LayerContext:
        places = self._where, self._text
        made = LayerContext(owner, proofs, bindings, names[key], body, *places, self._steepest, classes, names)
        made.key, made.followed = key, self.followed
        if isinstance(owner, ir.Layer):
            made.autoregressive = is_autoregressive(owner, proofs)
            made.reading = self.readings.get(key)
            made.convolved = convolved(owner, proofs, bindings)
        return made

    def follow(self, keys: Sequence[str], proofs: Mapping[str, Sequence[Proof]]) -> None:
        """Find the layers that are inverted position by position, and the nets that are followed for them."""
        for key in keys:
            layer, known = self.program.callable(key), [p for p in proofs[key] if isinstance(p, LayerProof)]
            if not isinstance(layer, ir.Layer) or not (is_autoregressive(layer, known) or is_bent(layer, known)):
                continue
            found = followed(layer, known)
            if found is None or any(self.followed.get(name, net) != net for name, net in found[1].items()):
                continue  # a net has one way to be followed
            self.readings[key] = found[0]
            self.followed |= found[1]

    def _header(self, digest: str) -> str:
        main = self.key.rpartition("::")[0].replace("\\", "/").rsplit("/", 1)[-1]
        name = self.key.rpartition("::")[2]
        shown = "".join(c for c in main if c.isalnum() or c in "._-<>")
        return (
            f'"""{name}, generated by mintdsl {VERSION} from {shown}, edition 1.  Edit the spec, not this file.\n\n'
            f'spec_hash {digest}\n"""'
        )

    # ------------------------------------------------------------ proofs of every use

    def _proofs(self, keys: Sequence[str]) -> tuple[dict[str, list[Proof]], dict[str, list[Bindings]]]:
        found: dict[str, list[Proof]] = {k: [] for k in keys}
        used: dict[str, list[Bindings]] = {k: [] for k in keys}
        for one in Prover(self.program).used([self.key]):
            found[one.key].append(one.proof)
            used[one.key].append(one.bindings)
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
