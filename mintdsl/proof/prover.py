"""Proofs of flows: every step a bijection, every seam without a gap.

Each definition is proved once for each distinct value of its formals that are not sizes or directions; a `repeat`
once, whatever its count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.claim_words import ABSENT, EXACT
from mintdsl.core.interval import REAL, UNIT, Interval, product_above
from mintdsl.core.nat import Nat
from mintdsl.core.walks import uses
from mintdsl.diagnostics.model import Bag, Diagnostic, Fix, Label
from mintdsl.proof.check import Bindings, LayerProof, check_layer
from mintdsl.proof.claims import flow_claim
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.lipschitz import ode_passage
from mintdsl.proof.log_dets import Silent, estimate_of, silent_in_a_density
from mintdsl.proof.net_values import check_values
from mintdsl.proof.passages import boxes, in_words, power
from mintdsl.proof.rules.flows import (
    IDENTITY,
    Bijection,
    Passage,
    compose,
    conditioned,
    factored,
    inverse,
    logit,
    logit_domain,
    padding,
    paired,
    permutation,
    scaling,
)
from mintdsl.proof.rules.series import Estimate, added_bias, total_bias
from mintdsl.proof.undefined import Undefined
from mintdsl.records import record, replace
from mintdsl.source import Span


@record
class FlowProof:
    """What is proved of a flow: one to one on `domain`; a bijection onto `codomain` unless that is None.

    `passage` has what holds of its steps together. `excused`: a step failed, and that was reported where it is defined.
    `silent` has the steps without a log-det for which one can be asked, `estimates` those whose log-det is estimated,
    by name.
    """

    flow: ir.Flow
    bijection: Bijection | None
    passage: Passage
    derivation: Derivation
    diagnostics: tuple[Diagnostic, ...]
    excused: bool = False
    silent: Mapping[str, Silent] = MappingProxyType({})
    estimates: Mapping[str, Estimate] = MappingProxyType({})

    @property
    def log_det(self) -> str:
        """The kind of the log-determinant."""
        return ABSENT if self.passage.absent else self.passage.log_det

    @property
    def inverse(self) -> str:
        """The kind of the inverse: the weakest of the steps."""
        return self.passage.inverse

    @property
    def evaluation_only(self) -> bool:
        """Whether it holds for frozen statistics, that is in evaluation mode, only (rule BN)."""
        return self.passage.evaluation

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the proof takes for granted and the module tests."""
        return self.passage.assumptions


Proof = LayerProof | FlowProof


@record
class Proved:
    """One definition with one binding of its formals, and its proof."""

    key: str
    bindings: Bindings
    proof: Proof


Key = tuple[str, tuple[tuple[str, ir.Argument], ...]]


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
                self.done[place] = self.check(definition, bindings)
            else:
                self.done[place] = _FlowWalk(self, definition, bindings).run()
        return self.done[place]

    def check(self, layer: ir.Layer, bindings: Bindings) -> LayerProof:
        """The proof of a layer with those of the layers that its formula applies."""
        applied: dict[str, LayerProof] = {}
        for param, use in ir.applied_layers(layer):
            proof = self.prove(use.definition, self.bindings_of(use, bindings))
            assert isinstance(proof, LayerProof)
            applied[param.name] = proof
        return check_layer(layer, bindings, applied)

    def used(self, keys: Sequence[str]) -> list[Proved]:
        """`keys` with the defaults of their formals and what they use, each distinct proof once, those used first."""
        found: dict[int, Proved] = {}
        stack = [(k, b, False) for k in reversed(keys) if (b := self.defaults(k)) is not None]
        while stack:
            key, bindings, ready = stack.pop()
            proof = self.prove(key, bindings)
            definition = self.program.definitions[key]
            if ready:
                found.setdefault(id(proof), Proved(key, bindings, proof))
            elif id(proof) not in found:
                stack.append((key, bindings, True))
                fresh: dict[int, tuple[str, Bindings]] = {}
                for use in used_layers(definition):
                    inner = self.bindings_of(use, bindings)
                    fresh.setdefault(id(self.prove(use.definition, inner)), (use.definition, inner))
                stack.extend((k, b, False) for place, (k, b) in reversed(fresh.items()) if place not in found)
        return list(found.values())

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

    def bindings_of(self, use: ir.Use | ir.LayerParam, outer: Bindings) -> Bindings:
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


def used_layers(definition: ir.Definition) -> list[ir.Use | ir.LayerParam]:
    """The layers and flows that the steps of a flow use, or the layers that the formula of a layer applies."""
    if isinstance(definition, ir.Layer):
        return [use for _, use in ir.applied_layers(definition)]
    return [use for use in uses(definition.steps) if isinstance(use, ir.Use)]


@dataclass(slots=True)
class _FlowWalk:
    """One run over the steps of a flow; `broken` once a step is not known to be one to one, `lost` tells the steps at
    which what a claim says was lost, `left` has the passages after which a part left, `silent` the steps that have no
    log-det because none was asked for, `estimates` how those are estimated of which that was asked, both by name."""

    prover: Prover
    flow: ir.Flow
    bindings: Bindings
    bag: Bag = field(default_factory=Bag)
    excused: bool = False
    broken: bool = False
    lost: dict[str, Span] = field(default_factory=dict)
    left: list[Passage] = field(default_factory=list)
    silent: dict[str, Silent] = field(default_factory=dict)
    estimates: dict[str, Estimate] = field(default_factory=dict)

    def run(self) -> FlowProof:
        try:
            check_values([net for net in uses(self.flow.steps) if isinstance(net, ir.NetParam)], self.bindings)
        except Undefined as undefined:
            self.bag.add(undefined.diagnostic)
        kept, premises = self._block(self.flow.steps, IDENTITY)
        passage = factored(kept, self.left)
        if passage.why and not kept.why:
            self.lost.setdefault("onto", self.flow.left[0].span)
        bijection = None
        if not self.broken:
            image = REAL if passage.domain is None else passage.image
            bijection = Bijection(passage.domain or REAL, image, passage.why)
        conclusion = in_words(bijection)
        whole = Derivation("I-COMP", self.flow.name_span, conclusion, premises, title=f"flow {self.flow.name}")
        if passage.absent and isinstance(self.flow.steps[-1].op, ir.Prior):
            self._no_density(self.flow.steps[-1], passage)
        proof = FlowProof(self.flow, bijection, passage, whole, (), self.excused, self.silent, self.estimates)
        for claim in self.flow.claims if not (self.bag.has_errors or self.excused) else ():
            failed = flow_claim(claim, bijection, passage, proof.log_det, self.lost)
            if failed is not None:
                self.bag.add(failed)
        return replace(proof, diagnostics=self.bag.sorted())

    # ------------------------------------------------------------ steps

    def _block(self, steps: Sequence[ir.Step], passage: Passage) -> tuple[Passage, tuple[Derivation, ...]]:
        """The passage through `passage` and `steps`, and the derivation of each step."""
        derivations = []
        for step in steps:
            passage, derivation = self._step(step, passage)
            derivations.append(derivation)
        return passage, tuple(derivations)

    def _step(self, step: ir.Step, before: Passage) -> tuple[Passage, Derivation]:
        def leaf(rule: str, own: Passage, text: str) -> tuple[Passage, Derivation]:
            return self._after(before, own, step.span), Derivation(rule, step.span, text)

        match step.op:
            case ir.Dequantize(levels=levels):
                return leaf("DEQUANT", IDENTITY, f"ints({levels}) -> unit, by noise; outside the bijection")
            case ir.Prior(name=name):
                beside = ", standard normal where it left through a net" if self.flow.normal else ""
                return leaf("PRIOR", IDENTITY, f"the latent is {name}{beside}; outside the bijection")
            case ir.Standardize(std=std):
                return leaf("SCALE", scaling(std), "elementwise affine with fixed numbers: bijection")
            case ir.StandardizeData():
                return leaf("SCALE", scaling(()), "elementwise affine with numbers of the data, std > 0: bijection")
            case ir.Pad(extra=extra):
                return leaf("PAD", padding(extra), f"injective, {extra} zero channels; left inverse: drop them")
            case ir.Classify(definition=net):
                return leaf("HEAD", IDENTITY, f"the head {net.rpartition('::')[2]}; outside the bijection")
            case ir.Move():
                return leaf("PERM", permutation(), f"{step.shape} -> {step.result}: bijection, log-det 0")
            case ir.FactorOut(prior=prior):
                after, log_det = before, "0"
                if prior is not None:
                    after = self._after(before, conditioned(), step.span)
                    log_det = f"-sum s, where (m, s) = {prior.net.name}(kept) and what leaves is (u - m) exp(-s)"
                self.left.append(after)
                text = f"{step.shape} -> {step.result} and what leaves for the latent: bijection, log-det {log_det}"
                return after, Derivation("FACTOR", step.span, text)
            case ir.Logit(alpha=alpha):
                return leaf("LOGIT", logit(alpha), f"bijection of {logit_domain(alpha)} onto R, elementwise")
            case ir.Repeat(count=count, steps=steps):
                once, inner = self._block(steps, replace(before, lip=1.0, bias=0.0))
                last, after, copies = before, once, 1
                while boxes(after) != boxes(last) and not self.broken and copies != count.constant:
                    last, copies = after, copies + 1  # what a copy meets is settled after a few
                    after, _ = self._block(steps, after)
                lip = product_above(before.lip, power(once.lip, count))
                bias = added_bias(before.bias, total_bias(once.bias, count.constant))
                once = replace(after, lip=lip, bias=bias)
                text = f"{count} copies, proved once"
                return once, Derivation("REPEAT", step.span, text, inner, title=f"repeat {count}")
            case ir.Pair(steps=steps):
                good = self._pair(step, steps)
                after, inner = self._block(steps, before)
                text = "one lower, one upper: bijection" if good else "no pair: nothing is proved"
                return after, Derivation("PAIR", step.span, text, inner, title="pair")
            case ir.Use():
                return self._use(step, step.op, before)
            case ir.Ode():
                return self._ode(step, step.op, before)
            case _:
                assert_never(step.op)

    def _after(self, before: Passage, step: Passage, span: Span) -> Passage:
        """Rule I-COMP; a seam that does not fit is reported, and the chain goes on as it was."""
        after = compose(before, step)
        if isinstance(after, Passage):
            if after.why and not before.why:
                self.lost.setdefault("onto", span)
            if before.preserving and not after.preserving:
                self.lost.setdefault("volume_preserving", span)
            if (after.absent, after.log_det) != (before.absent, before.log_det) or step.bias:
                self.lost.setdefault("log_det", span)
            if after.inverse != before.inverse:
                self.lost["inverse"] = span
            return after
        self.broken = True
        domain, arriving = step.domain, after
        assert domain is not None
        takes = "unit" if domain.within(Interval(-1, 2)) and UNIT.within(domain) else str(domain)
        self.bag.error(
            "E0606",
            span,
            f"this step takes `{takes}`, the step before gives `{'real' if 'inf' in arriving else arriving}`",
            f"defined on {domain}, gets {arriving}",
            notes=("domains are ints(n), unit, positive, real; a smaller one may enter a larger one, not the reverse",),
        )
        return before

    def _ode(self, step: ir.Step, op: ir.Ode, before: Passage) -> tuple[Passage, Derivation]:
        own, text = ode_passage(step, op, self.bindings)
        title = f"ode {op.field.net.name} by {op.method}(until = {op.until:g}, tol = {op.tol:g})"
        if isinstance(own, Diagnostic):
            self.broken = True
            self.bag.add(own)
        after = before if isinstance(own, Diagnostic) else self._after(before, own, step.span)
        return after, Derivation("ODE", step.span, text, (), title=title)

    def _use(self, step: ir.Step, use: ir.Use, before: Passage) -> tuple[Passage, Derivation]:
        proof = self.prover.prove(use.definition, self.prover.bindings_of(use, self.bindings))
        name = use.definition.rpartition("::")[2]
        if proof.bijection is None:
            self.broken = True
            self._not_invertible(step, name, proof)
            return before, Derivation("USE", step.span, "nothing is proved", (), title=name)
        own = _passage(proof, proof.bijection)
        if isinstance(proof, FlowProof):
            for inner in list(proof.silent.values())[:1]:
                self.silent[step.name] = inner
        elif proof.contracting and not use.log_det.kind:
            own = replace(own, silent=True)
            self.silent[step.name] = Silent(step.span, proof.layer, proof.contracting)
        premises: tuple[Derivation, ...] = ()
        if isinstance(proof, LayerProof) and use.log_det.kind not in ("", EXACT):
            found = estimate_of(use.log_det, proof)
            if isinstance(found, Diagnostic):
                self.bag.add(found)
            else:
                own = replace(own, bias=found.bias, log_det=found.kind)
                self.estimates[step.name] = found
                premises = (Derivation(use.log_det.kind.upper(), use.log_det.span, f"log-det: {found.said}"),)
        rule, conclusion = "USE", proof.derivation.conclusion
        if use.inverted:
            undone = inverse(own)
            if undone is None:
                self.broken = True
                self._not_onto(step, name, proof)
                return before, Derivation("INVERSE", step.span, "nothing is proved", (), title=name)
            own, rule, conclusion = undone, "INVERSE", in_words(Bijection(undone.domain or REAL, undone.image))
        after = self._after(before, own, step.span)
        return after, Derivation(rule, step.span, conclusion, premises, title=self._title(step, use))

    def _not_onto(self, step: ir.Step, name: str, proof: Proof) -> None:
        assert proof.bijection is not None
        self.bag.error(
            "E0609",
            step.span,
            f"`{name}` is injective only: what it does not reach has no inverse",
            "its inverse direction is no step",
            notes=(f"rule INVERSE needs a layer onto a fixed box; here {proof.bijection.why_not_onto}",),
            fixes=(Fix(f"make `{name}` onto: a slope with a positive lower bound, or affine in its own coordinate"),),
        )

    def _no_density(self, prior: ir.Step, passage: Passage) -> None:
        """A prior where there is no log-det: the step that makes the dimension grow, or the steps that have none."""
        if passage.padded:
            also = (Label(self.lost["log_det"], "raises the dimension: the flow is injective only"),)
            title = "a flow that pads has no density: it takes no prior"
            self.bag.error("E0604", prior.span, title, "no log_prob exists here", also=also)
            return
        for silent in dict.fromkeys(self.silent.values()):
            self.bag.add(silent_in_a_density(silent, prior))

    def _title(self, step: ir.Step, use: ir.Use) -> str:
        name = use.definition.rpartition("::")[2]
        directions = [f"{k} = {v}" for k, v in use.args if isinstance(v, str)]
        sizes = [f"{k} = {v}" for k, v in use.args if isinstance(v, Nat)]
        shown = sizes + directions + ["direction = inverse"] * use.inverted
        return f"{name}({', '.join(shown)})" if shown else name

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

    def _pair(self, step: ir.Step, steps: Sequence[ir.Step]) -> bool:
        """Whether rule PAIR holds of the steps; reported if not."""
        found: list[tuple[str, str]] = []
        labels: list[Label] = []
        for inner in steps:
            if not isinstance(inner.op, ir.Use):
                return self._bad_pair(inner.span, "this step is no layer")
            proof = self.prover.prove(inner.op.definition, self.prover.bindings_of(inner.op, self.bindings))
            if not isinstance(proof, LayerProof):
                return self._bad_pair(inner.span, "a flow, not a layer")
            if proof.parts:
                return self._bad_pair(inner.span, "this layer cuts its variable into parts; a pair has one order")
            direction = dict(inner.op.args).get(proof.jacobian.off, proof.jacobian.off.strip("<>"))
            found.append((str(direction), str(proof.order)))
            labels.append(Label(inner.span, f"{direction} in {proof.order}"))
        why = paired(found)
        if why:
            return self._bad_pair(step.span, why, labels if len(found) == 2 else ())
        return True

    def _bad_pair(self, span: Span, why: str, also: Sequence[Label] = ()) -> bool:
        self.broken = True
        self.bag.error(
            "E0603",
            span,
            f"`pair` takes one lower and one upper layer of one order; {why}",
            why,
            also=tuple(also),
            fixes=(Fix("use `tri = lower` for one and `tri = upper` for the other"),) if also else (),
        )
        return False


def _passage(proof: Proof, bijection: Bijection) -> Passage:
    """A definition as a step."""
    if isinstance(proof, FlowProof):
        return replace(proof.passage, domain=bijection.domain, image=bijection.codomain)
    jacobian = proof.jacobian
    return Passage(
        bijection.domain,
        bijection.codomain,
        jacobian.range.forget().interval if bijection.codomain is None else bijection.codomain,
        proof.preserving,
        proof.inverse,
        proof.lip(),
        evaluation=proof.evaluation_only,
        why=bijection.why_not_onto,
        assumptions=proof.assumptions,
        both_solved=proof.cayley is not None,
    )
