"""The checker of layers: one walk over a formula gives its class, its derivation, and where a property was lost.

A layer is proved once for all values of its Nat and Dir formals and its shape (directions stay symbols, `K` is only
known to be at least 1), and once for each distinct value of its other formals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from mintdsl.core import ir
from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.constraints import CONSTRAINTS
from mintdsl.core.interval import NONNEGATIVE, REAL, ZERO, Interval
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order
from mintdsl.core.walks import chain
from mintdsl.diagnostics.model import Bag, Diagnostic, Label
from mintdsl.proof.acts import defined_facts, registered_facts
from mintdsl.proof.claims import blame_of, check_claim
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.jacobian import DENSE, NONE, PLUS, VARIABLE, Atom, Fibre, Jacobian, Monomial, Signed, constant
from mintdsl.proof.rules import algebra, modules
from mintdsl.proof.rules.algebra import ActFacts
from mintdsl.proof.rules.flows import Bijection, triangular
from mintdsl.proof.undefined import Undefined, divides_by_zero
from mintdsl.records import record, replace
from mintdsl.source import NOWHERE, Span

Bindings = Mapping[str, ir.Argument]


@record
class LayerProof:
    """What is proved of a layer. `bijection` is None when not even injectivity follows."""

    layer: ir.Layer
    jacobian: Jacobian
    bijection: Bijection | None
    derivation: Derivation
    diagnostics: tuple[Diagnostic, ...]
    blame: Diagnostic | None

    @property
    def proved(self) -> bool:
        """Whether every claim holds."""
        return not self.diagnostics

    @property
    def evaluation_only(self) -> bool:
        """Whether it holds for frozen statistics, that is in evaluation mode, only (rule BN)."""
        return any(isinstance(p.kind, ir.Normalize) for p in self.layer.params)

    @property
    def closed_form(self) -> bool:
        """Whether the layer is affine in each element alone, so that its inverse is a formula."""
        return self.jacobian.off == NONE and self.jacobian.fibre is Fibre.AFFINE


def check_layer(layer: ir.Layer, bindings: Bindings) -> LayerProof:
    """Prove what the formula gives, then compare with the claims."""
    walk = _Walk(layer, bindings, {})
    try:
        _fitting_order(layer, bindings)
        proofs = [walk.let(item) for item in layer.lets]
        jacobian, derivation = walk.expr(layer.result)
    except Undefined as undefined:
        nothing = Jacobian(DENSE, Signed(PLUS, REAL), Fibre.UNKNOWN, Signed(PLUS, REAL))
        failed = Derivation("FAIL", layer.name_span, undefined.diagnostic.title)
        return LayerProof(layer, nothing, None, failed, (undefined.diagnostic,), undefined.diagnostic)
    bijection = triangular(jacobian)
    blame = blame_of(layer, jacobian, bijection)
    bag = Bag()
    for claim in layer.claims:
        failed_claim = check_claim(layer, claim, jacobian, bijection, blame)
        if failed_claim is not None:
            bag.add(failed_claim)
    conclusion = _conclusion(jacobian, bijection)
    rule = "I-TRI" if bijection is not None else "CLASS"
    premises = (*proofs, derivation)
    whole = Derivation(rule, layer.name_span, conclusion, premises, title=f"layer {layer.name}")
    return LayerProof(layer, jacobian, bijection, whole, bag.sorted(), blame)


def _fitting_order(layer: ir.Layer, bindings: Bindings) -> None:
    """An order given as an argument must be one of the layer's index set."""
    order = resolved_order(layer, bindings)
    if order is not None and layer.shape.kind not in ("Any", order.space):
        label = Label(layer.shape_span, f"this layer acts on {layer.shape}", primary=True)
        title = f"the order `{order.name}` is one of {order.space}, the layer `{layer.name}` acts on {layer.shape}"
        raise Undefined(Diagnostic("E0304", title, (label,)))


def _conclusion(jacobian: Jacobian, bijection: Bijection | None) -> str:
    match bijection:
        case None:
            return jacobian.describe()
        case Bijection(codomain=Interval() as image):
            return f"bijection of {'R^D' if image == REAL else f'R^D onto {image}^D'}"
        case _:
            return "injective, perhaps not onto"


Proof = tuple[Jacobian, Derivation]


@record
class _Walk:
    layer: ir.Layer | None
    bindings: Bindings
    lets: dict[str, Jacobian]

    def let(self, item: ir.Let) -> Derivation:
        jacobian, derivation = self.expr(item.value)
        self.lets[item.name] = jacobian
        title = f"{item.name}[{', '.join(item.indices)}] =" if item.indices else f"{item.name} ="
        return Derivation("LET", item.span, jacobian.describe(), (derivation,), title=title)

    def expr(self, node: ir.Expr) -> Proof:
        match node:
            case ir.Var():
                return VARIABLE, Derivation("VAR", node.span, VARIABLE.describe())
            case ir.Scalar():
                return self._leaf("CONST", node.span, constant(Signed(PLUS, self._scalar(node))))
            case ir.Value():
                return self._value(node)
            case ir.Ref():
                assert self.layer is not None
                let = self.layer.let(node.name)
                jacobian = self.lets[node.name].rename(dict(zip(let.indices, node.indices, strict=True)))
                return jacobian, Derivation("LET", node.span, jacobian.describe())
            case ir.Linear():
                return self._linear(node)
            case ir.Apply():
                return self._apply(node)
            case ir.Neg():
                inner, proof = self.expr(node.arg)
                return self._node("NEG", node.span, algebra.negate(inner), proof)
            case ir.Binary():
                return self._binary(node)
            case ir.Pool():
                raise AssertionError("only nets pool, and nothing is proved of nets")
            case ir.Sum():
                inner, proof = self.expr(node.body)
                result = algebra.total(inner, node.indices, span=node.span)
                return self._node("SUM", node.span, result, proof, note=f"over {', '.join(node.indices)}")

    def _leaf(self, rule: str, span: Span, jacobian: Jacobian) -> Proof:
        return jacobian, Derivation(rule, span, jacobian.describe())

    def _node(self, rule: str, span: Span, jacobian: Jacobian, *premises: Derivation, note: str = "") -> Proof:
        return jacobian, Derivation(rule, span, jacobian.describe(), premises, note)

    # ------------------------------------------------------------ leaves

    def _scalar(self, node: ir.Scalar) -> Interval:
        match node.value:
            case float() as value:
                return Interval(value, value)
            case Nat() as nat:
                return _size(nat)
            case str() as name:
                bound = self.bindings.get(name)
                return Interval(bound, bound) if isinstance(bound, float) else REAL

    def _diagonal(self, param: ir.Param, indices: tuple[str, ...]) -> Signed:
        """The diagonal of a map, or the values of a scale, at the indices of the use."""
        if param.pivot is not None:
            renaming = dict(zip(param.pivot.indices, indices, strict=True))
            monomial: Monomial = PLUS
            interval = NONNEGATIVE if param.pivot.sign > 0 else -NONNEGATIVE
            result = Signed(monomial, interval)
            for other in param.pivot.others:
                assert self.layer is not None
                places = tuple(renaming[i] for i in other.indices)
                sign = self._diagonal(self.layer.param(other.name), places)
                if sign.interval.nonpositive and not sign.interval.is_zero:
                    result = -result
                result = Signed(result.monomial ^ sign.monomial, result.interval)
            return result
        if param.bound is None:
            return Signed(frozenset({Atom(param.name, indices)}), NONNEGATIVE)
        constraint = next(c for c in CONSTRAINTS if c.quantity == "diag" and c.cmp == param.bound.cmp)
        via = next(v for v in constraint.via if v.name == param.bound.via)
        atoms: Monomial = frozenset({Atom(param.name, indices)}) if via.signed else PLUS
        return Signed(atoms, param.bound.interval)

    def _value(self, node: ir.Value) -> Proof:
        assert self.layer is not None
        param = self.layer.param(node.param)
        assert isinstance(param.kind, ir.Elementwise)
        if param.kind.kind == "bias":
            return self._leaf("CONST", node.span, constant(Signed(PLUS, REAL)))
        values = self._diagonal(param, node.indices)
        return constant(values), Derivation("CONST", node.span, f"constant in {values}", note=_why(param))

    # ------------------------------------------------------------ maps and activations

    def _linear(self, node: ir.Linear) -> Proof:
        assert self.layer is not None
        argument, proof = self.expr(node.arg)
        param = self.layer.param(node.param)
        kind = param.kind
        if isinstance(kind, ir.Normalize):
            result = modules.normalized(argument, kind.eps)
            return self._node("BN", node.span, result, proof, note=f"statistics frozen: slope in {result.diag}")
        assert isinstance(kind, (ir.Conv, ir.Dense))
        direction, strict = kind.direction, kind.strict
        if direction is not None and direction not in ("lower", "upper"):
            bound = self.bindings.get(direction)
            direction = bound if isinstance(bound, str) else direction
        diagonal = Signed(PLUS, ZERO) if strict else Signed(PLUS, REAL)
        if direction is not None and not strict:
            diagonal = self._diagonal(param, node.indices)
        result = modules.apply_map(
            argument,
            direction,
            strict,
            diagonal,
            name=param.name,
            span=node.span,
            declared=param.span,
            argument_label="",
        )
        note = f"{direction or 'dense'} map, " + (
            f"diag({param.name}) in {diagonal}" if direction and not strict else "no diagonal"
        )
        rule = "BASIC" if argument == VARIABLE else "COMP"
        return self._node(rule, node.span, result, proof, note=f"{note}, {_why(param)}" if _why(param) else note)

    def _apply(self, node: ir.Apply) -> Proof:
        argument, proof = self.expr(node.arg)
        facts = self.act_facts(node.act, argument.range.forget().interval, node.span)
        result = algebra.activate(argument, facts, span=node.span, declared=None)
        return self._node("ACT", node.span, result, proof, note=f"{facts.name}: slope in {facts.slope}")

    def act_facts(self, act: ir.Act, argument: Interval, span: Span) -> ActFacts:
        """The facts of `act` for arguments in `argument`; raises where it is not defined there."""
        match act:
            case ir.FormalAct():
                bound = self.bindings[act.name]
                assert isinstance(bound, (ir.BuiltinAct, ir.DefinedAct)), act
                return replace(self.act_facts(bound, argument, span), name=f"{act.name} = {bound}")
            case ir.DefinedAct():
                body, _ = _Walk(None, self.bindings, {}).expr(act.body)
                return defined_facts(act.name, body)
            case ir.BuiltinAct():
                return registered_facts(act, argument, self.bindings, span)

    # ------------------------------------------------------------ arithmetic

    def _binary(self, node: ir.Binary) -> Proof:
        first, operations = chain(node)
        result = self.expr(first)
        for operation in operations:
            result = self._operation(operation, result, self.expr(operation.right))
        return result

    def _operation(self, node: ir.Binary, one: Proof, other: Proof) -> Proof:
        (left, left_proof), (right, right_proof) = one, other
        spans = (node.left.span, node.right.span)
        premises = (left_proof, right_proof)
        match node.op:
            case "+":
                return self._node("ADD", node.span, algebra.add(left, right, span=node.span, spans=spans), *premises)
            case "-":
                result = algebra.add(left, algebra.negate(right), span=node.span, spans=spans, op="-")
                return self._node("ADD", node.span, result, *premises, note="of the negated term")
            case "*":
                return self._node(
                    "MUL", node.span, algebra.multiply(left, right, span=node.span, spans=spans), *premises
                )
            case _:
                if not right.range.interval.one_signed:
                    raise Undefined(divides_by_zero(right, node.right.span))
                result = algebra.multiply(left, algebra.reciprocal(right), span=node.span, spans=spans)
                if not right.strict:
                    # 1/e of a map that reads its own coordinate: its slope is not derived
                    unknown = Signed(PLUS, REAL)
                    result = replace(
                        result, off=DENSE if right.off == DENSE else result.off, diag=unknown, fibre=Fibre.UNKNOWN
                    )
                return self._node("DIV", node.span, result, *premises)


def _size(nat: Nat) -> Interval:
    """Sizes are at least 1, so a product of them is at least its coefficient."""
    if len(nat.terms) != 1:
        return REAL
    (_, ratio), *_ = nat.terms
    least = ratio.top / ratio.bottom
    return Interval(math.nextafter(least, 0.0) if ratio.bottom != 1 else least, math.inf) if least > 0 else REAL


def _why(param: ir.Param) -> str:
    if param.pivot is not None:
        return "TIE"
    return f"{param.name}: {param.bound.cmp}" if param.bound is not None and not param.bound.numbers else ""


def resolved_order(layer: ir.Layer, bindings: Bindings) -> Order | None:
    """The order of a layer, a formal replaced by its value."""
    if isinstance(layer.order, Order):
        return layer.order
    bound = bindings.get(layer.order.name)
    return bound if isinstance(bound, Order) else None


def act_slope(act: ir.BuiltinAct | ir.DefinedAct) -> Interval | None:
    """Bounds of the slope of an activation on its whole domain; None where they depend on formals."""
    if isinstance(act, ir.BuiltinAct):
        numbers = tuple(o for o in act.options if isinstance(o, float))
        return ACTIVATIONS[act.name].slope_bounds(numbers) if len(numbers) == len(act.options) else None
    try:
        return _Walk(None, {}, {}).act_facts(act, REAL, NOWHERE).slope
    except KeyError:  # a formal without a value
        return None
