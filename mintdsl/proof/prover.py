"""Proofs of flows: every step a bijection, every seam without a gap.

Each definition is proved once for each distinct value of its formals that are not sizes or directions; a `repeat`
once, whatever its count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, nextafter

from mintdsl.core import ir
from mintdsl.core.interval import REAL, UNIT, Interval, product_above
from mintdsl.core.nat import Nat
from mintdsl.core.outcomes import ABSENT, CLOSED, EXACT, INVERSES, weakest
from mintdsl.diagnostics.model import Bag, Diagnostic, Fix, Label
from mintdsl.proof.check import Bindings, LayerProof, check_layer
from mintdsl.proof.claims import flow_claim
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.rules.flows import Bijection, logit_domain
from mintdsl.records import record, replace
from mintdsl.source import Span


@record
class FlowProof:
    """What is proved of a flow: one to one on `domain`; a bijection onto `codomain` unless that is None.

    `inverse` names the weakest kind among its steps. `lip` bounds its Lipschitz constant. `excused`: a step failed, and
    that was reported where it is defined. `padded`: the dimension grows, so there is no log-det. `evaluation_only`: it
    holds for frozen statistics (rule BN). `assumptions` are taken for granted, and tested by the module.
    """

    flow: ir.Flow
    bijection: Bijection | None
    volume_preserving: bool
    inverse: str
    derivation: Derivation
    diagnostics: tuple[Diagnostic, ...]
    lip: float = inf
    excused: bool = False
    padded: bool = False
    evaluation_only: bool = False
    assumptions: tuple[str, ...] = ()

    @property
    def log_det(self) -> str:
        """The kind of the log-determinant."""
        return ABSENT if self.padded else EXACT


Proof = LayerProof | FlowProof
Key = tuple[str, tuple[tuple[str, ir.Argument], ...]]


@dataclass(slots=True)
class _State:
    """What is known of the steps so far."""

    image: Interval | None  # None: not a fixed box
    domain: Interval | None = None
    injective: bool = True
    preserving: bool = True
    inverse: str = CLOSED
    lip: float = 1.0
    padded: bool = False
    evaluation: bool = False
    why: str = ""
    assumptions: dict[str, None] = field(default_factory=dict)  # a set that keeps its order


@dataclass(slots=True)
class Prover:
    """Proves definitions of one program, each at most once per binding."""

    program: ir.Program
    done: dict[Key, Proof] = field(default_factory=dict)

    def prove(self, key: str, bindings: Bindings) -> Proof:
        """The proof of the definition `key` with its Act, Order and Real formals bound."""
        place = (key, tuple(sorted(bindings.items(), key=lambda item: item[0])))
        if place not in self.done:
            definition = self.program.definitions[key]
            if isinstance(definition, ir.Layer):
                self.done[place] = check_layer(definition, bindings)
            else:
                self.done[place] = _FlowWalk(self, definition, bindings).run()
        return self.done[place]

    def defaults(self, key: str) -> Bindings | None:
        """The default values of the formals that a proof depends on; None if one has none."""
        bindings: dict[str, ir.Argument] = {}
        for formal in self.program.definitions[key].formals:
            if formal.type in ("Nat", "Dir", "Init"):
                continue
            if formal.default is None:
                return None
            bindings[formal.name] = formal.default
        return bindings

    def bindings_of(self, use: ir.Use, outer: Bindings) -> Bindings:
        """The bindings inside a used definition: its arguments, formals of the user replaced by their values."""
        types = {f.name: f.type for f in self.program.definitions[use.definition].formals}
        bindings: dict[str, ir.Argument] = {}
        for name, value in use.args:
            if types[name] in ("Nat", "Dir", "Init"):
                continue
            if isinstance(value, (ir.FormalAct, ir.FormalOrder)):
                value = outer[value.name]
            bindings[name] = value
        return bindings


@dataclass(slots=True)
class _FlowWalk:
    prover: Prover
    flow: ir.Flow
    bindings: Bindings
    bag: Bag = field(default_factory=Bag)
    excused: bool = False

    def run(self) -> FlowProof:
        state = _State(image=None)
        premises = [self._step(step, state) for step in self.flow.steps]
        bijection = None
        domain = state.domain or REAL
        if state.injective:
            image = state.image if state.domain is not None else REAL
            bijection = Bijection(domain, image, state.why)
        conclusion = _conclusion(bijection)
        whole = Derivation("I-COMP", self.flow.name_span, conclusion, tuple(premises), title=f"flow {self.flow.name}")
        proof = FlowProof(
            self.flow,
            bijection,
            state.preserving,
            state.inverse,
            whole,
            (),
            state.lip,
            self.excused,
            state.padded,
            state.evaluation,
            tuple(state.assumptions),
        )
        for claim in self.flow.claims if not (self.bag.has_errors or self.excused) else ():
            failed = flow_claim(claim, bijection, state.preserving, proof.log_det, state.inverse, state.lip)
            if failed is not None:
                self.bag.add(failed)
        return replace(proof, diagnostics=self.bag.sorted())

    # ------------------------------------------------------------ steps

    def _step(self, step: ir.Step, state: _State) -> Derivation:
        match step.op:
            case ir.Dequantize(levels=levels):
                return Derivation("DEQUANT", step.span, f"ints({levels}) -> unit, by noise; outside the bijection")
            case ir.Prior(name=name):
                return Derivation("PRIOR", step.span, f"the latent is {name}; outside the bijection")
            case ir.Standardize(std=std):
                self._enter(step.span, REAL, state)
                state.image, state.preserving = (REAL if state.image is not None else None), False
                state.lip = product_above(state.lip, nextafter(1.0 / min(std), inf))
                return Derivation("SCALE", step.span, "elementwise affine with fixed numbers: bijection")
            case ir.Pad(extra=extra):
                self._enter(step.span, REAL, state)
                state.image, state.preserving, state.padded = None, False, True
                state.why = state.why or f"`pad` appends {extra} channels that are always 0"
                return Derivation("PAD", step.span, f"injective, {extra} zero channels; left inverse: drop them")
            case ir.Classify(definition=net):
                return Derivation("HEAD", step.span, f"the head {net.rpartition('::')[2]}; outside the bijection")
            case ir.Squeeze():  # moves entries, whatever box they lie in
                return Derivation("PERM", step.span, f"{step.shape} -> {step.result}: bijection, log-det 0")
            case ir.Logit(alpha=alpha):
                domain = logit_domain(alpha)
                self._enter(step.span, domain, state)
                state.image, state.preserving = (REAL if state.image is not None else None), False
                state.lip = inf  # at the ends of its domain
                return Derivation("LOGIT", step.span, f"bijection of {domain} onto R, elementwise")
            case ir.Repeat(count=count, steps=steps):
                entering = (state.domain, state.image)
                before, state.lip = state.lip, 1.0
                inner = tuple(self._step(s, state) for s in steps)
                state.lip = product_above(before, _power(state.lip, count))
                if state.injective and (state.domain, state.image) != entering:
                    lip = state.lip
                    for s in steps:  # the second copy meets what the first leaves; a third would meet the same
                        self._step(s, state)
                    state.lip = lip
                return Derivation("REPEAT", step.span, f"{count} copies, proved once", inner, title=f"repeat {count}")
            case ir.Pair():
                return self._pair(step, step.op, state)
            case ir.Use():
                return self._use(step, step.op, state)

    def _enter(self, span: Span, domain: Interval, state: _State) -> None:
        """The seam in front of a step: what arrives must lie in its domain; less than that is not onto."""
        if state.domain is None:
            state.domain = domain
            state.image = domain
            return
        if state.image is None:
            if domain != REAL:
                self._seam(span, "values that are not known to lie in a smaller set", domain, state)
            return
        if not state.image.within(domain):
            self._seam(span, f"values in {state.image}", domain, state)
        elif state.image != domain:
            state.why = state.why or f"a step leaves {state.image}, the next one is a bijection of {domain}"
            state.image = None

    def _seam(self, span: Span, arriving: str, domain: Interval, state: _State) -> None:
        state.injective = False
        takes = "unit" if domain.within(Interval(-1, 2)) and UNIT.within(domain) else str(domain)
        self.bag.error(
            "E0606",
            span,
            f"this step takes `{takes}`, the step before gives `{'real' if 'inf' in arriving else arriving}`",
            f"defined on {domain}, gets {arriving}",
            notes=("domains are ints(n), unit, positive, real; a smaller one may enter a larger one, not the reverse",),
        )

    def _use(self, step: ir.Step, use: ir.Use, state: _State) -> Derivation:
        proof = self.prover.prove(use.definition, self.prover.bindings_of(use, self.bindings))
        name = use.definition.rpartition("::")[2]
        bijection = proof.bijection
        if bijection is None:
            state.injective = False
            self._not_invertible(step, name, proof)
            return Derivation("USE", step.span, "nothing is proved", (), title=name)
        self._enter(step.span, bijection.domain, state)
        state.evaluation |= proof.evaluation_only
        state.assumptions |= dict.fromkeys(f"{a} in {name}" if " in " not in a else a for a in proof.assumptions)
        if isinstance(proof, FlowProof):
            state.padded |= proof.padded
            state.preserving &= proof.volume_preserving
            state.lip = product_above(state.lip, proof.lip)
        else:
            state.preserving &= proof.jacobian.unit
            state.lip = product_above(state.lip, proof.jacobian.lip)
        state.inverse = weakest(INVERSES, state.inverse, proof.inverse)
        if bijection.codomain is None:
            state.why = state.why or bijection.why_not_onto
            state.image = None
        elif state.image is not None:
            state.image = bijection.codomain
            if bijection.codomain != REAL:
                state.why = state.why or bijection.why_not_onto
        return Derivation("USE", step.span, proof.derivation.conclusion, (), title=self._title(step, use))

    def _title(self, step: ir.Step, use: ir.Use) -> str:
        name = use.definition.rpartition("::")[2]
        directions = [f"{k} = {v}" for k, v in use.args if isinstance(v, str)]
        sizes = [f"{k} = {v}" for k, v in use.args if isinstance(v, Nat)]
        return f"{name}({', '.join(sizes + directions)})" if use.args else name

    def _not_invertible(self, step: ir.Step, name: str, proof: Proof) -> None:
        blame = proof.blame if isinstance(proof, LayerProof) else None
        if proof.diagnostics or (isinstance(proof, FlowProof) and proof.excused):
            self.excused = True  # reported where it is claimed
            return
        label = Label(step.span, f"so `{name}` is no step of a flow")
        if blame is not None:
            self.bag.add(replace(blame, labels=(*blame.labels, label)))
            return
        self.bag.error("E0601", step.span, f"`{name}` is not proved invertible", "nothing is proved of this step")

    def _pair(self, step: ir.Step, pair: ir.Pair, state: _State) -> Derivation:
        premises = tuple(self._step(s, state) for s in pair.steps)
        found: list[tuple[str, str, ir.Step]] = []
        for inner in pair.steps:
            if not isinstance(inner.op, ir.Use):
                self._bad_pair(inner.span, "this step is no layer", ())
                state.injective = False
                continue
            definition = self.prover.program.definitions[inner.op.definition]
            bindings = self.prover.bindings_of(inner.op, self.bindings)
            proof = self.prover.prove(inner.op.definition, bindings)
            if not isinstance(definition, ir.Layer) or not isinstance(proof, LayerProof):
                self._bad_pair(inner.span, "a flow, not a layer", ())
                state.injective = False
                continue
            direction = dict(inner.op.args).get(proof.jacobian.off, proof.jacobian.off.strip("<>"))
            found.append((str(direction), str(proof.order), inner))
        if len(pair.steps) != 2:
            self._bad_pair(step.span, f"this one has {len(pair.steps)}", ())
            state.injective = False
        elif len(found) == 2:
            (a, order_a, first), (b, order_b, second) = found
            labels = (Label(first.span, f"{a} in {order_a}"), Label(second.span, f"{b} in {order_b}"))
            if {a, b} != {"lower", "upper"}:
                both = f"both are {a}" if a == b else f"they are {a} and {b}"
                fix = Fix("use `tri = lower` for one and `tri = upper` for the other")
                self._bad_pair(step.span, both, labels, fix)
                state.injective = False
            elif order_a != order_b:
                self._bad_pair(step.span, "their orders differ", labels)
                state.injective = False
        return Derivation("PAIR", step.span, "one lower, one upper: bijection", premises, title="pair")

    def _bad_pair(self, span: Span, why: str, also: tuple[Label, ...], *fixes: Fix) -> None:
        self.bag.error(
            "E0603",
            span,
            f"`pair` takes one lower and one upper layer of one order; {why}",
            why,
            also=also,
            fixes=fixes,
        )


def _conclusion(bijection: Bijection | None) -> str:
    if bijection is None:
        return "nothing is proved"
    if bijection.codomain is None:
        return f"injective only: {bijection.why_not_onto}"
    if bijection.domain == REAL and bijection.codomain == REAL:
        return "bijection of R^D"
    return (
        f"bijection of {bijection.domain}^D onto {'R^D' if bijection.codomain == REAL else f'{bijection.codomain}^D'}"
    )


def _power(lip: float, count: Nat) -> float:
    """A bound of `lip` to the power of a number of copies that may not be known."""
    if lip == 1.0:
        return 1.0
    if count.constant is None or count.constant > 10_000:
        return inf if lip > 1.0 else lip
    total = 1.0
    for _ in range(count.constant):
        total = product_above(total, lip)
    return total
