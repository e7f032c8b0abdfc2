"""A flow or layer as a tree of blocks with shapes, proofs and parameters at concrete sizes: what `mint draw` draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.claim_words import CLOSED, ESTIMATED, EXACT, INVERSES, LOG_DETS, SOLVED, SOLVER, weakest
from mintdsl.core.counts import Counts, prior_counts
from mintdsl.core.instance import Instances
from mintdsl.core.interval import REAL
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order
from mintdsl.diagnostics.model import Bag
from mintdsl.diagnostics.render import printable
from mintdsl.proof.check import Bindings, LayerProof
from mintdsl.proof.jacobian import DENSE, NONE
from mintdsl.proof.log_dets import estimate_of
from mintdsl.proof.prover import Proof, Prover
from mintdsl.proof.rules.flows import logit_domain
from mintdsl.proof.rules.series import Estimate
from mintdsl.tools.show import coordinates, facts

MAX_BLOCKS = 2000
_CLOSED = INVERSES[CLOSED]
OUTSIDE = "outside the bijection"


class TooLarge(Exception):
    """More blocks than a drawing can show."""


@dataclass(frozen=True, slots=True)
class Block:
    """One step. `kind` is lower, upper, triangular (not yet decided which), diagonal, permutation, pad, data, prior,
    head, dense, or group (with `parts`).

    `copies` is how often it stands in a row: a number, or text where a size is open. `counts` are of one copy.
    """

    title: str
    kind: str
    proof: str
    log_det: str
    inverse: str
    shape: str
    result: str
    counts: Counts | None
    parts: tuple[Block, ...] = ()
    copies: str = "1"
    pair: bool = False


@dataclass(frozen=True, slots=True)
class Architecture:
    """The whole: a title, what is proved, and the blocks in order.

    `given` is the context's name and shape, or empty.
    """

    name: str
    conclusion: str
    log_det: str
    inverse: str
    shape: str
    result: str
    counts: Counts | None
    blocks: tuple[Block, ...]
    given: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """The values of names inside one definition at one use."""

    nats: Mapping[str, int]
    words: Mapping[str, str]  # Dir formals
    bindings: Bindings
    given: ir.Context | None = None


def architecture(program: ir.Program, key: str, sizes: Mapping[str, int]) -> Architecture:
    """The blocks of definition `key`, which is proved; sizes that are not known stay symbols."""
    build = _Build(program, Prover(program), Instances(program, Bag()))
    definition = program.definitions[key]
    nats = dict(sizes)
    for formal in definition.formals:
        if isinstance(formal.default, Nat) and formal.default.constant is not None:
            nats.setdefault(formal.name, formal.default.constant)
    bindings = build.prover.defaults(key) or {}
    proof = build.prover.prove(key, bindings)
    place = _Place(nats, {}, bindings, definition.given)
    said = facts(proof, coordinates(definition, sizes))
    if isinstance(definition, ir.Flow):
        blocks = build.steps(definition.steps, place)
        shape, result = build.shape(definition.shape, place), build.latent(definition, place)
        counts = _total(blocks)
    else:
        orders = {k: v for k, v in bindings.items() if isinstance(v, Order)}
        counts = build.counts(key, definition.shape, nats, orders, place, definition)
        shape = result = build.shape(definition.shape, place)
        blocks = (build.layer(definition.name, proof, shape, counts, {}),)
    context = definition.given
    given = "" if context is None else f"{context.name}: {build.shape(context.shape, place)}"
    return Architecture(
        definition.name, said.conclusion, said.log_det, said.inverse, shape, result, counts, blocks, given
    )


def _total(blocks: Sequence[Block]) -> Counts | None:
    total = Counts(0, 0, 0)
    for block in blocks:
        if block.counts is None or not block.copies.isdigit():
            return None
        total += block.counts.times(int(block.copies))
    return total


@dataclass(slots=True)
class _Build:
    program: ir.Program
    prover: Prover
    instances: Instances
    made: int = field(default=0)

    # ------------------------------------------------------------ sizes

    def number(self, value: Nat, place: _Place) -> int | None:
        if not value.symbols <= set(place.nats):
            return None
        ratio = value.evaluate(place.nats)
        return ratio.top if ratio.bottom == 1 else None

    def text(self, value: Nat, place: _Place) -> str:
        number = self.number(value, place)
        return str(value) if number is None else str(number)

    def shape(self, shape: ir.Shape, place: _Place) -> str:
        if not shape.dims:
            return shape.name or shape.kind
        return f"{shape.kind}[{', '.join(self.text(d, place) for d in shape.dims)}]"

    def latent(self, flow: ir.Flow, place: _Place) -> str:
        """The shape of the latent: the last one, or flat where parts left."""
        last = flow.steps[-1].result
        if not flow.left:
            return self.shape(last, place)
        parts = [*(step.result for step in flow.left), last]
        sizes = [[self.number(d, place) for d in part.dims] for part in parts]
        known = [prod(n for n in row if n is not None) for row in sizes if None not in row]
        if len(known) < len(parts):
            return "flat, of " + " and ".join(self.shape(part, place) for part in parts)
        return f"Vec[{sum(known)}]"

    def counts(
        self,
        key: str,
        shape: ir.Shape,
        nats: Mapping[str, int],
        orders: Mapping[str, Order],
        place: _Place,
        callee: ir.Definition | ir.Net,
    ) -> Counts | None:
        dims = self.numbers(shape, place)
        if dims is None or any(f.type == "Nat" and f.name not in nats for f in callee.formals):
            return None
        given = None
        if not isinstance(callee, ir.Net) and callee.given is not None and place.given is not None:
            given = self.numbers(place.given.shape, place)
            if given is None:
                return None
        return self.instances.of(key, dims, nats, orders, callee.name_span, given=given)

    def numbers(self, shape: ir.Shape, place: _Place) -> tuple[int, ...] | None:
        """The sizes of a shape, where all are known."""
        dims = tuple(n for d in shape.dims if (n := self.number(d, place)) is not None)
        return dims if len(dims) == len(shape.dims) else None

    # ------------------------------------------------------------ steps

    def steps(self, steps: Sequence[ir.Step], place: _Place) -> tuple[Block, ...]:
        return tuple(self.step(step, place) for step in steps)

    def step(self, step: ir.Step, place: _Place) -> Block:
        self.made += 1
        if self.made > MAX_BLOCKS:
            raise TooLarge(f"more than {MAX_BLOCKS:,} steps: too many to draw; write equal ones with `repeat`")
        before, after = self.shape(step.shape, place), self.shape(step.result, place)
        none = Counts(0, 0, 0)
        match step.op:
            case ir.Dequantize(levels=levels):
                proof = f"adds uniform noise; {OUTSIDE}"
                return Block(f"dequantize {levels}", "data", proof, "", "", before, after, none)
            case ir.Prior(name=name, per=per, left=left):
                latent = (step.shape, *left)
                sizes, *gone = (tuple(n for d in s.dims if (n := self.number(d, place)) is not None) for s in latent)
                known = all(len(n) == len(s.dims) > 0 for n, s in zip((sizes, *gone), latent, strict=True))
                counts = none if not per else prior_counts(sizes, per, gone) if known else None
                return Block(f"prior {name}", "prior", OUTSIDE, "", "", before, after, counts)
            case ir.Logit(alpha=alpha):
                proof = f"bijection of {logit_domain(alpha)} onto R, elementwise"
                return Block(f"logit({alpha:g})", "diagonal", proof, "exact", _CLOSED, before, after, none)
            case ir.Move() as move:
                return Block(_move(move), "permutation", "moves entries", "0", _CLOSED, before, after, none)
            case ir.Standardize() | ir.StandardizeData():
                proof = "bijection of R, elementwise"
                return Block("standardize", "diagonal", proof, "exact", _CLOSED, before, after, none)
            case ir.FactorOut(keep=keep, prior=prior):
                half = f"the {'second' if keep == 'first' else 'first'} half leaves"
                if prior is None:
                    proof = f"{half} for the latent: bijection"
                    return Block("factor half", "permutation", proof, "0", _CLOSED, before, after, none)
                nats = {k: n for k, v in prior.args if isinstance(v, Nat) and (n := self.number(v, place)) is not None}
                net_ = self.program.callable(prior.definition)
                counts = self.counts(prior.definition, prior.sources[0], nats, {}, place, net_)
                proof = f"{half}, scaled and shifted by a net: bijection"
                title = f"factor half, prior {prior.net.name}"
                return Block(title, "lower", proof, "exact", _CLOSED, before, after, counts)
            case ir.Ode(field=field, method=method, probes=probes):
                nats = {k: n for k, v in field.args if isinstance(v, Nat) and (n := self.number(v, place)) is not None}
                net_ = self.program.callable(field.definition)
                counts = self.counts(field.definition, field.sources[0], nats, {}, place, net_)
                log_det = LOG_DETS[SOLVER if probes is None else ESTIMATED]
                title, proof = f"ode {field.net.name} by {method}", "its field is Lipschitz: bijection"
                return Block(title, "composed", proof, log_det, INVERSES[SOLVED], before, after, counts)
            case ir.Pad(extra=extra):
                proof = f"injective only: {extra} zero channels"
                return Block(f"pad, {extra} channels", "pad", proof, "none", "drops them", before, after, none)
            case ir.Classify(definition=net, args=args):
                nats = {k: n for k, v in args if isinstance(v, Nat) and (n := self.number(v, place)) is not None}
                counts = self.counts(net, step.shape, nats, {}, place, self.program.callable(net))
                title = f"classify {net.rpartition('::')[2]}"
                return Block(title, "head", OUTSIDE, "", "", before, after, counts)
            case ir.Repeat(count=count, steps=inner):
                return _repeated(self.steps(inner, place), self.text(count, place), before, after)
            case ir.Pair(steps=inner):
                parts = self.steps(inner, place)
                proof = "one lower, one upper: bijection"
                slowest = max((p.inverse for p in parts), key=_slowness)
                return Block("pair", "group", proof, "exact", slowest, before, after, _total(parts), parts, pair=True)
            case ir.Use():
                return self.use(step, step.op, place)

    def use(self, step: ir.Step, use: ir.Use, place: _Place) -> Block:
        definition = self.program.definitions[use.definition]
        bindings = self.prover.bindings_of(use, place.bindings)
        proof = self.prover.prove(use.definition, bindings)
        nats = {k: n for k, v in use.args if isinstance(v, Nat) and (n := self.number(v, place)) is not None}
        orders = {k: v for k, v in bindings.items() if isinstance(v, Order)}
        words = {k: place.words.get(v, v) for k, v in use.args if isinstance(v, str)}
        counts = self.counts(use.definition, step.shape, nats, orders, place, definition)
        title = self.title(definition, use, place, words)
        before, after = self.shape(step.shape, place), self.shape(step.result, place)
        if definition.given is not None:
            title = f"{title} given {definition.given.name}"
        if isinstance(definition, ir.Layer):
            block = self.layer(title, proof, before, counts, words)
            asked = isinstance(proof, LayerProof) and use.log_det.kind not in ("", EXACT)
            found = estimate_of(use.log_det, proof) if isinstance(proof, LayerProof) and asked else None
            if isinstance(found, Estimate):
                block = replace(block, log_det=LOG_DETS[found.kind])
            return replace(block, proof=f"inverse of: {block.proof}", inverse=_CLOSED) if use.inverted else block
        bound = dict(nats)
        sizes = [*zip(definition.shape.dims, step.shape.dims, strict=False)]
        if definition.given is not None and place.given is not None:
            sizes += zip(definition.given.shape.dims, place.given.shape.dims, strict=False)
        for pattern, size in sizes:
            number = self.number(size, place)
            if number is not None and len(pattern.symbols) == 1 and pattern == Nat.symbol(*pattern.symbols):
                bound[next(iter(pattern.symbols))] = number
        inner = self.steps(definition.steps, _Place(bound, words, bindings, definition.given))
        said = facts(proof, None)
        pair = len(inner) == 1 and inner[0].pair
        parts = inner[0].parts if pair else inner
        title = f"{title}: pair" if pair else title
        return Block(
            title, "group", said.conclusion, said.log_det, said.inverse, before, after, counts, parts, pair=pair
        )

    def title(self, definition: ir.Definition, use: ir.Use, place: _Place, words: Mapping[str, str]) -> str:
        """Name and arguments; defaults and initialisations are left out."""
        default = {f.name: f.default for f in definition.formals}
        shown = []
        for name, value in use.args:
            if isinstance(value, (ir.InitCall, ir.FormalOrder)) or value == default.get(name):
                continue
            if isinstance(value, Nat):
                text = self.text(value, place)
                shown.append(name if text == name else f"{name} = {text}")
            elif isinstance(value, Order):
                shown.append(f"{name} = {value.name}")
            else:
                shown.append(f"{name} = {words.get(name, value)}")
        shown += ["direction = inverse"] * use.inverted
        return printable(f"{definition.name}({', '.join(shown)})" if shown else definition.name)

    def layer(self, title: str, proof: Proof, shape: str, counts: Counts | None, words: Mapping[str, str]) -> Block:
        self.made += 1
        assert isinstance(proof, LayerProof)
        jacobian, bijection = proof.jacobian, proof.bijection
        direction = words.get(jacobian.off, jacobian.off)
        if bijection is None:
            return Block(title, "dense", "nothing is proved", "", "", shape, shape, counts)
        mode = ", in evaluation mode" if proof.evaluation_only else ""
        kind = {NONE: "diagonal", DENSE: "composed", "upper": "upper", "lower": "lower"}.get(direction, "triangular")
        known = direction if direction in ("lower", "upper") else f"{direction}-triangular"
        what = f"diagonal in {jacobian.diag}" if direction == NONE else f"{known}, diagonal in {jacobian.diag}"
        if direction == DENSE:
            what = "block triangular in its parts" if proof.parts else "a bijection by composition"
        what += mode
        if bijection.codomain is None:
            what = f"injective only; {what}"
        elif bijection.codomain != REAL:
            what = f"onto {bijection.codomain}^D; {what}"
        return Block(
            title, kind, what, "0" if proof.preserving else "exact", INVERSES[proof.inverse], shape, shape, counts
        )


def _move(move: ir.Moves) -> str:
    """A step that moves entries as it is written; a layout that is not the default stays out."""
    match move:
        case ir.Squeeze(factor=factor, undo=undo):
            return f"{'unsqueeze' if undo else 'squeeze'} {factor}"
        case ir.Permute(axis=axis, seed=seed):
            return f"permute(axis = {axis}, seed = {seed})"
        case ir.Reverse(axis=axis):
            return f"reverse(axis = {axis})"
        case ir.Transpose(first=first, second=second):
            return f"transpose({first}, {second})"
        case ir.Flatten():
            return "flatten"
        case ir.Patches(size=size):
            return f"patches {size}"
        case other:
            assert_never(other)


def _slowness(inverse: str) -> int:
    return ("", "drops them", *INVERSES.values()).index(inverse)


def _repeated(parts: tuple[Block, ...], count: str, before: str, after: str) -> Block:
    """A repeat of one group is that group with a count on it."""
    if len(parts) == 1 and parts[0].copies == "1":
        (only,) = parts
        return Block(
            only.title, only.kind, only.proof, only.log_det, only.inverse, before, after, only.counts, only.parts,
            count, only.pair,
        )  # fmt: skip
    slowest = max((p.inverse for p in parts), key=_slowness, default="")
    kinds = {shown: kind for kind, shown in LOG_DETS.items()}
    dets = {p.log_det for p in parts} - {"0"}
    log_det = LOG_DETS[weakest(LOG_DETS, *(kinds.get(shown, EXACT) for shown in dets))] if dets else "0"
    return Block(
        "repeat", "group", "each step proved once", log_det, slowest, before, after, _total(parts), parts, count
    )
