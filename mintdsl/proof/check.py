"""The checker of layers: each formula's class by one rule a node, the derivation, and where a property was lost.

A layer is proved once for all values of its Nat and Dir formals and its shape (directions stay symbols, `K` is only
known to be at least 1), and once for each distinct value of its other formals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.claim_words import INVERSES, ITERATIVE, weakest
from mintdsl.core.constraints import kept_by
from mintdsl.core.coupled import coupled
from mintdsl.core.interval import NONNEGATIVE, REAL, ZERO, Interval, number
from mintdsl.core.live import determined
from mintdsl.core.nat import Nat
from mintdsl.core.norms import EUCLIDEAN, in_norm, mixed_norms, norm_of, norm_of_map
from mintdsl.core.postorder import postorder
from mintdsl.core.walks import expressions, moving_maps, needed_lets, variables
from mintdsl.diagnostics.model import Bag, Diagnostic
from mintdsl.proof.acts import defined_facts, registered_facts, size_of
from mintdsl.proof.claims import Proved, blame_of, check_claim
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.inverses import inverse_of
from mintdsl.proof.jacobian import (
    DENSE,
    NONE,
    PLUS,
    VARIABLE,
    Atom,
    Chain,
    Fibre,
    Jacobian,
    Signed,
    Smooth,
    constant,
    family,
)
from mintdsl.proof.layer_proof import Bindings as Bindings, LayerProof as LayerProof, conclusion_of
from mintdsl.proof.links import later, links
from mintdsl.proof.net_values import check_values
from mintdsl.proof.orders import Working, fitting_order, resolved_order, working_order
from mintdsl.proof.reads import alike, strict_reads
from mintdsl.proof.rules import algebra, bends, cayley, exponential, modules, nets, residual
from mintdsl.proof.rules.algebra import ActFacts
from mintdsl.proof.rules.apply import apply_layer, whole_chain
from mintdsl.proof.rules.chain import composed, permuted, why_regular
from mintdsl.proof.rules.flows import triangular
from mintdsl.proof.rules.parts import Part, joined, placed
from mintdsl.proof.steepness import limited, steepness_of
from mintdsl.proof.undefined import Undefined, divides_by_zero, no_norm
from mintdsl.records import record, replace
from mintdsl.source import NOWHERE, Span


def check_layer(
    layer: ir.Layer, bindings: Bindings, applied: Mapping[str, LayerProof] = MappingProxyType({})
) -> LayerProof:
    """Prove what the formula gives, then compare with the claims.

    `applied` has the proofs of the layers that it applies, by the names of its parameters.
    """
    declared = resolved_order(layer, bindings)
    working = working_order(layer, declared, tuple(moving_maps(layer)))
    walk = _Walk(layer, layer.variable, bindings, working, {}, {}, {}, {}, applied, norm_of(layer))
    parts: list[Part] = []
    try:
        fitting_order(layer, declared)
        check_values([kind for _, kind in ir.net_params(layer)], bindings)
        if layer.split is None:
            proofs = [walk.let(item) for item in layer.lets]
            jacobian, derivation = walk.formula(layer.result)
            premises: tuple[Derivation, ...] = (*proofs, derivation)
        else:
            for variable, result in layer.results:
                one = replace(walk, variable=variable, lets={})
                proofs = [one.let(item) for item in needed_lets(result, layer)]
                own, derivation = one.formula(result)
                reads = tuple(v for v in variables(result, layer) if v != variable and v in layer.split.parts)
                shown = f"{own.describe()}; reads {', '.join(reads) or 'no other part'}"
                whole = Derivation("PART", result.span, shown, (*proofs, derivation), title=f"part {variable}")
                parts.append(Part(variable, own, reads, result.span, whole))
            premises = tuple(part.derivation for part in parts)
    except Undefined as undefined:
        nothing = Jacobian(DENSE, Signed(PLUS, REAL), Fibre.UNKNOWN, Signed(PLUS, REAL), smooth=Smooth.KINKS)
        failed = Derivation("FAIL", layer.name_span, undefined.diagnostic.title)
        return LayerProof(layer, nothing, None, failed, (undefined.diagnostic,), undefined.diagnostic, working)
    if layer.split is None:
        bijection = triangular(jacobian) if jacobian.off != DENSE else composed(jacobian)
        blame = blame_of(layer, jacobian, bijection)
    else:
        jacobian, bijection, blame = joined(parts)
    contracting = {node.subject for premise in premises for node in premise.nodes() if node.rule in ("RES", "CAYLEY")}
    solved = contracting or any(node.rule == "DOMINANT" for premise in premises for node in premise.nodes())
    inverted = ITERATIVE if solved else inverse_of(jacobian, [part.jacobian for part in parts])
    kind = weakest(INVERSES, inverted, *(p.inverse for p in applied.values()))
    units = all(part.jacobian.unit for part in parts)
    preserving = units and bijection is not None if parts else jacobian.unit
    bag = Bag()
    if parts and bijection is not None:
        coupled(layer, bag)
    if parts and contracting:
        bag.add(later(next(iter(contracting)), "the inverse of a residual sum or Cayley map in a part"))
    for name, proof in applied.items():
        if proof.contracting:
            bag.add(later(layer.param(name).span, f"`{proof.layer.name}`, {proof.contracting},"))
    found = walk.working.order if walk.working.found else None
    proved = Proved(jacobian, bijection, kind, preserving, found, tuple(part.jacobian for part in parts), walk.norm)
    for claim in layer.claims:
        failed_claim = check_claim(layer, claim, proved, blame)
        if failed_claim is not None:
            bag.add(failed_claim)
    whole_links = applied or any(isinstance(node, ir.Exponential) for node in expressions(layer))
    linked = not parts and bijection is not None and (jacobian.chain is not Chain.NONE or whole_links)
    taken = links(layer, contracting) if linked else ()
    if isinstance(taken, Diagnostic):
        bag.add(taken)
        taken = ()
    conclusion = conclusion_of(jacobian, bijection)
    rule = "JOIN" if parts else "CLASS" if bijection is None else "CHAIN" if jacobian.off == DENSE else "I-TRI"
    triangle = found is not None and jacobian.off not in (NONE, DENSE)
    note = f"in the order {found}, found from the taps" if triangle else ""
    whole = Derivation(rule, layer.name_span, conclusion, premises, note, title=f"layer {layer.name}")
    raw = [p for p in layer.params if p.bound and kept_by(p.bound.quantity, p.bound.cmp, p.bound.via).assumed]
    stored = [f"{p.bound.quantity}({family(p.name, p.indices)}) != 0 of {layer.name}" for p in raw if p.bound]
    assumed = tuple(dict.fromkeys([*stored, *(a for proof in applied.values() for a in proof.assumptions)]))
    acts, below = tuple(walk.acts.values()), tuple(applied.items())
    return LayerProof(
        layer, jacobian, bijection, whole, bag.sorted(), blame, working, assumed, acts, kind, tuple(parts), taken, below
    )


Proof = tuple[Jacobian, Derivation]


@record
class _Walk:
    layer: ir.Layer | None
    variable: str
    bindings: Bindings
    working: Working
    lets: dict[str, Jacobian]
    acts: dict[int, tuple[ir.DefinedAct, Derivation]]
    diagonals: dict[str, Signed]
    named: dict[str | Span, Derivation]  # what lets stand for, by name and by the places where they are read
    applied: Mapping[str, LayerProof] = MappingProxyType({})
    norm: float = EUCLIDEAN  # the order of the one in which Lipschitz constants are followed

    def let(self, item: ir.Let) -> Derivation:
        jacobian, derivation = self.formula(item.value)
        self.lets[item.name], self.named[item.name] = jacobian, derivation
        title = f"{item.name}[{', '.join(item.indices)}] =" if item.indices else f"{item.name} ="
        return Derivation("LET", item.span, jacobian.describe(), (derivation,), title=title)

    def formula(self, root: ir.Expr) -> Proof:
        """The class of a formula and its derivation, every node after its operands."""
        done: list[Proof] = []
        for node in postorder(root):
            done.append(self._expr(node.expr, [done[k] for k in node.operands]))
        return done[-1]

    def _expr(self, node: ir.Expr, below: Sequence[Proof]) -> Proof:
        match node:
            case ir.Var(name=name):
                if name == self.variable:
                    return self._leaf("VAR", node.span, VARIABLE)
                return self._leaf("CONST", node.span, constant(Signed(PLUS, REAL)), f"{name}, held fixed")
            case ir.Given(name=name):
                return self._leaf("CONST", node.span, constant(Signed(PLUS, REAL)), f"{name}, given")
            case ir.Scalar():
                return self._leaf("CONST", node.span, constant(Signed(PLUS, self._scalar(node))))
            case ir.Value():
                return self._value(node)
            case ir.Ref():
                assert self.layer is not None
                let = self.layer.let(node.name)
                jacobian = self.lets[node.name].rename(dict(zip(let.indices, node.indices, strict=True)))
                self.named[node.span] = self.named[node.name]
                return self._leaf("LET", node.span, jacobian)
            case ir.Linear():
                return self._linear(node, below[0])
            case ir.Exponential():
                return self._exponential(node, below[0])
            case ir.Cayley():
                result = cayley.cayley(*below[0], node.span, self.named, self.mixed)
                return self._node("CAYLEY", node.span, result, below, f"lip of g <= {number(below[0][0].lip)}")
            case ir.Apply():
                return self._apply(node, below[0])
            case ir.Neg():
                result, derivation = self._node("NEG", node.span, algebra.negate(below[0][0]), below)
                return result, replace(derivation, split=-residual.split_of(below[0][1], self.named))
            case ir.Binary():
                return self._binary(node, below)
            case ir.Spread() | ir.Pick():
                spread = isinstance(node, ir.Spread)
                return self._node("PICK", node.span, placed(below[0][0], node.span, spread=spread), below)
            case ir.Bend():
                info, (argument, *params) = BIJECTIONS[node.bijection], [fact for fact, _ in below]
                own = [at and self.layer is not None and self.layer.split is None for at in node.own]
                spans = [one.span for one in (node, *node.params)]
                result = bends.bend(argument, params, info, node.options, own=own, spans=spans)
                return self._node("ACT-P", node.span, result, below, f"slope in {info.slope(*node.options)}")
            case ir.Join() | ir.Pool() | ir.Delay() | ir.MaxMin() | ir.Swish():
                raise AssertionError("a join is no formula of one variable, and the others stand in nets")
            case ir.Call() | ir.Chain() | ir.Concat():
                return self._net(node, below)
            case ir.Inline():
                return self._applied(node, below[0])
            case ir.Sum():
                result = algebra.total(below[0][0], node.indices, span=node.span)
                return self._node("SUM", node.span, result, below, f"over {', '.join(node.indices)}")
            case _:
                assert_never(node)

    @property
    def mixed(self) -> tuple[str, ...]:
        """A note where the maps of the layer are bounded in several norms."""
        return () if self.layer is None else mixed_norms(self.layer)

    def _leaf(self, rule: str, span: Span, jacobian: Jacobian, conclusion: str = "", note: str = "") -> Proof:
        return jacobian, Derivation(rule, span, conclusion or jacobian.describe(), (), note, fact=jacobian)

    def _node(self, rule: str, span: Span, jacobian: Jacobian, below: Sequence[Proof], note: str = "") -> Proof:
        premises = tuple(derivation for _, derivation in below)
        return jacobian, Derivation(rule, span, jacobian.describe(), premises, note, fact=jacobian)

    # ------------------------------------------------------------ leaves

    def _scalar(self, node: ir.Scalar) -> Interval:
        match node.value:
            case float() as value:
                return Interval(value, value)
            case Nat() as nat:
                return size_of(nat)
            case str() as name:
                bound = self.bindings.get(name)
                return Interval(bound, bound) if isinstance(bound, float) else REAL

    def _diagonal(self, param: ir.Param, indices: tuple[str, ...]) -> Signed:
        """The diagonal of a map, or the values of a scale, at the indices of the use."""
        if param.name not in self.diagonals:  # ties of ties: each is followed once
            self.diagonals[param.name] = self._own_diagonal(param)
        return self.diagonals[param.name].rename(dict(zip(param.indices, indices, strict=True)))

    def _own_diagonal(self, param: ir.Param) -> Signed:
        if param.pivot is not None:
            assert self.layer is not None
            renaming = dict(zip(param.pivot.indices, param.indices, strict=True))
            places = [(self.layer.param(o.name), tuple(renaming[i] for i in o.indices)) for o in param.pivot.others]
            return modules.tied(param.pivot.sign, [self._diagonal(other, where) for other, where in places])
        if param.bound is None:
            return Signed(frozenset({Atom(param.name, param.indices)}), NONNEGATIVE)
        via = kept_by(param.bound.quantity, param.bound.cmp, param.bound.via)
        free_sign = via.signed or via.assumed or param.limited
        interval = Interval(0.0, self._limit(param)) if param.limited else param.bound.interval
        return Signed(frozenset({Atom(param.name, param.indices)}) if free_sign else PLUS, interval)

    def _limit(self, param: ir.Param) -> float:
        """The bound of the norm of a parameter, in its own norm; inf without one. Raises where it is not positive."""
        if param.bound is None or not param.limited:
            return math.inf
        value = self.bindings.get(param.bound.formal) if param.bound.formal else param.bound.numbers[0]
        limit = value if isinstance(value, float) else math.inf
        if not limit > 0:
            raise Undefined(no_norm(param.name, limit, param.bound.span))
        return limit

    def _value(self, node: ir.Value) -> Proof:
        assert self.layer is not None
        param = self.layer.param(node.param)
        assert isinstance(param.kind, ir.Elementwise)
        if param.kind.kind == "bias":
            return self._leaf("CONST", node.span, constant(Signed(PLUS, REAL)))
        values = self._diagonal(param, node.indices)
        return self._leaf("CONST", node.span, constant(values), f"constant in {values}", _why(param))

    # ------------------------------------------------------------ maps and activations

    def _linear(self, node: ir.Linear, below: Proof) -> Proof:
        assert self.layer is not None
        argument = below[0]
        param = self.layer.param(node.param)
        kind = param.kind
        if isinstance(kind, ir.Normalize):
            result = modules.normalized(argument, kind.eps)
            return self._node("BN", node.span, result, [below], f"statistics frozen: slope in {result.diag}")
        if isinstance(kind, ir.Perm):
            why = modules.not_triangular(param.name, node.span, param.span)
            return self._node("PERM", node.span, permuted(argument, why), [below], f"entries moved along {kind.axis}")
        assert isinstance(kind, (ir.Conv, ir.Dense))
        direction = None if kind.direction is None else self.working.direction(kind.direction)
        diagonal = Signed(PLUS, ZERO) if kind.strict else Signed(PLUS, REAL)
        if direction is not None and not kind.strict:
            diagonal = self._diagonal(param, node.indices)
        decided = determined(kind, param.bound) if param.bound is not None and param.factored else None
        result = modules.apply_map(
            argument,
            direction,
            kind.strict,
            diagonal,
            name=param.name,
            span=node.span,
            declared=param.span,
            cycle=self.working.cycle,
            determinant=param.bound.interval if param.bound and decided else None,
            limit=self._limit(param) if norm_of_map(param) == self.norm else math.inf,
        )
        if param.bound is not None and decided is not None:
            return self._node(decided, node.span, result, [below], why_regular(decided, kind, param.bound))
        slopes = f"diag({param.name}) in {diagonal}" if direction and not kind.strict else "no diagonal"
        note = f"{direction or 'dense'} map, {slopes}"
        if param.limited:
            note = f"{param.name}: dense map, lip <= {number(self._limit(param))}{in_norm(norm_of_map(param))}"
        rule = "BASIC" if replace(argument, dense_why=None, sign_why=None) == VARIABLE else "COMP"
        return self._node(rule, node.span, result, [below], f"{note}, {_why(param)}" if _why(param) else note)

    def _exponential(self, node: ir.Exponential, below: Proof) -> Proof:
        assert self.layer is not None
        param = self.layer.param(node.param)
        name, limit = param.name, self._limit(param)
        steep = exponential.unbounded(name, limit, node.span, param.span)
        if steep is not None:
            raise Undefined(steep)
        why = modules.not_triangular(f"exp({name})", node.span, param.span)
        result = exponential.exponential(below[0], limit if norm_of_map(param) == self.norm else math.inf, why)
        note = f"{name}: dense map, lip <= {number(limit)}{in_norm(norm_of_map(param))}"
        return self._node("EXP", node.span, result, [below], note)

    def _net(self, node: ir.Call | ir.Chain | ir.Concat, below: Sequence[Proof]) -> Proof:
        """A net, a chain of nets, or channels stacked."""
        assert self.layer is not None
        arguments = [jacobian for jacobian, _ in below]
        steep = steepness_of(node, self.layer, self.bindings, [e.lip for e in arguments], self.norm)
        strict: list[str | None] = []
        (lip,), name, known = steep.lips, "concat", steep.lips[0] < math.inf
        if not isinstance(node, ir.Concat):
            name, kind = node.param, self.layer.param(node.param).kind
            assert isinstance(kind, ir.NetParam)
            output = node.output if isinstance(node, ir.Call) else 0
            order, found = self.working.order, bool(self.working.found)
            strict = strict_reads(kind, output, self.layer.shape, order, self.bindings, found=found)
            known = lip < math.inf or limited(kind.net)
        result = nets.apply_net(arguments, name=name, span=node.span, strict=strict, lip=lip)
        note = f"{name}: a net, lip <= {number(lip)}{in_norm(self.norm)}" if known else ""
        result, derivation = self._node("NET", node.span, result, below, note)
        return result, replace(derivation, free=steep.free if known else None)

    def _applied(self, node: ir.Inline, below: Proof) -> Proof:
        """A layer applied: by its own proof, and in its direction where that is one of the order at hand."""
        assert self.layer is not None
        kind, proof = self.layer.param(node.param).kind, self.applied[node.param]
        assert isinstance(kind, ir.LayerParam)
        inner, way = proof.jacobian, DENSE
        if not proof.parts and not inner.diag.monomial:
            given = str(dict(kind.args).get(inner.off, inner.off))  # a formal direction has the value of the use
            way = given if inner.off == NONE or alike(proof.order, self.working.order) else DENSE
        if proof.parts:  # of a layer in parts only what it is as a whole
            inner = replace(inner, smooth=Smooth.KINKS)
        if proof.bijection is None:
            inner = replace(inner, range=Signed(PLUS, REAL))
        inner = replace(inner, lip=proof.lip(self.norm))
        whole = whole_chain(proof.bijection, preserving=proof.preserving)
        name, blame = proof.layer.name, proof.blame
        result = apply_layer(below[0], inner, way, whole, name=name, span=node.span, blame=blame)
        return self._node("APPLY", node.span, result, [below], f"{name}: {proof.derivation.conclusion}")

    def _apply(self, node: ir.Apply, below: Proof) -> Proof:
        facts = self.act_facts(node.act, below[0].range.forget().interval, node.span)
        result = algebra.activate(below[0], facts, span=node.span, declared=None)
        return self._node("ACT", node.span, result, [below], f"{facts.name}: slope in {facts.slope}")

    def act_facts(self, act: ir.Act, argument: Interval, span: Span) -> ActFacts:
        """The facts of `act` for arguments in `argument`; raises where it is not defined there."""
        match act:
            case ir.FormalAct():
                bound = self.bindings[act.name]
                assert isinstance(bound, (ir.BuiltinAct, ir.DefinedAct)), act
                return replace(self.act_facts(bound, argument, span), name=f"{act.name} = {bound}")
            case ir.DefinedAct():
                if id(act) not in self.acts:
                    inner = _Walk(None, act.variable, self.bindings, self.working, {}, self.acts, {}, {})
                    self.acts[id(act)] = (act, inner.formula(act.body)[1])
                body = self.acts[id(act)][1].fact
                assert body is not None
                return defined_facts(act.name, body)
            case ir.BuiltinAct():
                return registered_facts(act, argument, self.bindings, span)

    # ------------------------------------------------------------ arithmetic

    def _binary(self, node: ir.Binary, below: Sequence[Proof]) -> Proof:
        left, right = below[0][0], below[1][0]
        spans, cycle = (node.left.span, node.right.span), self.working.cycle
        match node.op:
            case "+":
                result = algebra.add(left, right, span=node.span, spans=spans, cycle=cycle)
                return self._added(node, result, below, "")
            case "-":
                result = algebra.add(left, algebra.negate(right), span=node.span, spans=spans, op="-", cycle=cycle)
                return self._added(node, result, below, "of the negated term")
            case "*":
                result = algebra.multiply(left, right, span=node.span, spans=spans, cycle=cycle)
                return self._node("MUL", node.span, result, below)
            case _:
                if not right.range.interval.one_signed:
                    raise Undefined(divides_by_zero(right.range, node.right.span))
                result = algebra.multiply(left, algebra.reciprocal(right), span=node.span, spans=spans, cycle=cycle)
                return self._node("DIV", node.span, result, below)

    def _added(self, node: ir.Binary, total: Jacobian, below: Sequence[Proof], note: str) -> Proof:
        """A sum or difference, of this class by rule ADD: it may be residual."""
        left, right = (residual.split_of(derivation, self.named) for _, derivation in below)
        split = residual.of_a_term(total) if total.off == NONE else left + (-right if node.op == "-" else right)
        found = residual.residual(total, split)
        if found is not None:
            text = f"slopes of the terms of one coordinate in {split.own}, lip of the others <= {number(split.rest)}"
            text = f"lip of the branch <= {number(split.rest)}, less than 1" if split.own.unit else text
            result, derivation = self._node("RES", node.span, found, below, text)
        else:
            result, derivation = self._node("ADD", node.span, total, below, note)
            if total.off == DENSE and total.chain is Chain.NONE:
                why = residual.steep(derivation, split, self.named, self.mixed)
                result = total if why is None else replace(total, sign_why=why)
        return result, replace(derivation, fact=result, split=split)


def _why(param: ir.Param) -> str:
    if param.pivot is not None:
        return "TIE"
    if param.bound is None or param.bound.numbers or param.limited:
        return ""
    return f"{param.name}: {param.bound.cmp}"


def act_slope(act: ir.BuiltinAct | ir.DefinedAct) -> Interval | None:
    """Bounds of the slope of an activation on its whole domain; None where they depend on formals."""
    if isinstance(act, ir.BuiltinAct):
        numbers = tuple(o for o in act.options if isinstance(o, float))
        return ACTIVATIONS[act.name].slope_bounds(numbers) if len(numbers) == len(act.options) else None
    try:
        return _Walk(None, "", {}, Working(None), {}, {}, {}, {}).act_facts(act, REAL, NOWHERE).slope
    except KeyError:  # a formal without a value
        return None
