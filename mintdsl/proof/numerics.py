"""Numerical invertibility, beside the algebraic one: Lipschitz bounds of a map and its inverse, and what rounding does.

The bounds hold for all inputs and all admissible weights, in the Euclidean and in the maximum norm alike, as each
step that has one acts on every element alone or moves elements. A triangular layer has none: 1/lo of its diagonal
bounds the diagonal of the inverse, not the inverse.

Round trip. Let P_k be the product of the inverse bounds of the first k steps, P_0 = 1. If step k is evaluated within
a_k u m forth and b_k u m back, in the maximum norm, u the unit of rounding and m >= 1 the largest term that occurs
(products of sums multiplied out), then to first order in u the recovered x is off by at most

    sum over k of (P_k a_k + P_(k-1) b_k) u m.

A step that is inverted by a solve to a residual of r (1 + |z|) has P_k r (1 + |z_k|) in place of the term of b_k.
For e_(k-1) <= b_k u m + lip(F_k^-1) (a_k u m + e_k), where e_k is the error behind step k, and e_n = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.interval import Interval, number
from mintdsl.core.links import links
from mintdsl.core.nat import Nat
from mintdsl.core.norms import EUCLIDEAN, WORDS
from mintdsl.core.walks import bends, expressions
from mintdsl.proof.check import Bindings, LayerProof, act_slope
from mintdsl.proof.dominated import dominated
from mintdsl.proof.jacobian import NONE
from mintdsl.proof.prover import Prover
from mintdsl.records import record, replace

LEAVES = (ir.Var, ir.Given, ir.Value, ir.Scalar, ir.Ref)
UNITS = {"float32": 2.0**-24, "float64": 2.0**-53}


@record
class Numerics:
    """What is known of a map made of `steps` steps.

    `lip` and `inverse` are Lipschitz bounds, `data` one of the map on inputs in [0, 1]; inf where there is none, and
    then `why_lip`, `why_inverse`, `why_data` say why. `rounding` and `solved` bound the error of a round trip by
    rounding * u * m + solved * r (1 + |z|). `unit`: inputs in [0, 1] stay there.
    """

    steps: int = 0
    lip: float = 1.0
    data: float = 1.0
    inverse: float = 1.0
    rounding: float = 0.0
    solved: float = 0.0
    unit: bool = True
    why_lip: str = ""
    why_inverse: str = ""
    why_data: str = ""

    @property
    def condition(self) -> float:
        """lip(F) lip(F^-1): how much larger a relative error may become; inf without a bound."""
        return times(self.lip, self.inverse)

    @property
    def data_condition(self) -> float:
        """The same with the map on inputs in [0, 1] only."""
        return times(self.data, self.inverse)

    def round_trip(self, dtype: str) -> float:
        """The part of the error that rounding makes, for m = 1."""
        return times(self.rounding, UNITS[dtype])

    def then(self, after: Numerics) -> Numerics:
        """The composition, this map first."""
        return Numerics(
            self.steps + after.steps,
            times(self.lip, after.lip),
            times(self.data, after.data if self.unit else after.lip),
            times(self.inverse, after.inverse),
            plus(self.rounding, times(self.inverse, after.rounding)),
            plus(self.solved, times(self.inverse, after.solved)),
            self.unit and after.unit,
            self.why_lip or after.why_lip,
            self.why_inverse or after.why_inverse,
            self.why_data or (after.why_data if self.unit else after.why_lip),
        )

    def on_a_part(self) -> Numerics:
        """The same where it acts on some entries and leaves the others as they are; an entry that stays is exact."""
        return replace(self, lip=max(1.0, self.lip), data=max(1.0, self.data), inverse=max(1.0, self.inverse))

    def power(self, count: int) -> Numerics:
        """`count` copies in a row, by repeated squaring."""
        result, square = Numerics(), self
        while count:
            if count % 2:
                result = result.then(square)
            square, count = square.then(square), count // 2
        return result


def times(a: float, b: float) -> float:
    """An upper bound of the product of two numbers >= 0; 0 times no bound is 0."""
    if a == 0 or b == 0:
        return 0.0
    product = a * b
    return product if a == 1 or b == 1 or math.isinf(product) else math.nextafter(product, math.inf)


def plus(a: float, b: float) -> float:
    """An upper bound of the sum of two numbers >= 0."""
    return a + b if a == 0 or b == 0 else math.nextafter(a + b, math.inf)


def over(a: float, b: float) -> float:
    """An upper bound of the quotient of two numbers > 0."""
    return a if b == 1 else math.nextafter(a / b, math.inf) if b else math.inf


# ---------------------------------------------------------------- definitions


def numerics(prover: Prover, key: str, bindings: Bindings, sizes: Mapping[str, int]) -> Numerics:
    """What is known of the definition `key`, which is proved; `sizes` are the sizes that are known."""
    definition = prover.program.definitions[key]
    match definition:
        case ir.Layer():
            proof = prover.prove(key, bindings)
            assert isinstance(proof, LayerProof)
            return layer_numerics(proof, bindings, sizes)
        case ir.Flow():
            return _steps(prover, definition.steps, bindings, sizes)
        case other:
            assert_never(other)


def _steps(prover: Prover, steps: Sequence[ir.Step], bindings: Bindings, sizes: Mapping[str, int]) -> Numerics:
    total, before = Numerics(), []
    for step in steps:
        if isinstance(step.op, ir.FactorOut):  # what follows acts on a half
            before.append(total.then(_factor(step.op)))
            total = Numerics()
        else:
            total = total.then(_step(prover, step, bindings, sizes))
    for part in reversed(before):
        total = part.then(total.on_a_part())
    return total


def _step(prover: Prover, step: ir.Step, bindings: Bindings, sizes: Mapping[str, int]) -> Numerics:
    match step.op:
        case ir.Dequantize() | ir.Prior() | ir.Classify():
            return Numerics()  # outside the bijection
        case ir.Move() | ir.Pad():
            return Numerics(steps=1)  # moves entries and adds zeros, exactly
        case ir.Ode(field=field):
            none = math.inf
            why = (
                f"how steep the flow of the field `{field.net.name}` is depends on its weights, and its inverse is "
                "computed to solver tolerance; `mint verify` measures the round trip"
            )
            return Numerics(1, none, none, none, none, none, False, why, why, why)
        case ir.FactorOut():
            raise AssertionError("stands between the steps of a flow, not in a block")
        case ir.Standardize(std=std):
            return _affine(std)
        case ir.StandardizeData():
            why, none = "`standardize` takes its deviation from the data; as a number it has a bound", math.inf
            return Numerics(1, none, none, none, none, none, False, why, why, why)
        case ir.Logit(alpha=alpha):
            return logit_numerics(alpha)
        case ir.Repeat(count=count, steps=inner):
            block = _steps(prover, inner, bindings, sizes)
            copies = _number(count, sizes)
            return block.power(copies) if copies is not None else _open(block, count)
        case ir.Pair(steps=inner):
            return _steps(prover, inner, bindings, sizes)
        case ir.Use(definition=key, args=args):
            callee = prover.program.definitions[key]
            known = {name: n for name, v in args if isinstance(v, Nat) and (n := _number(v, sizes)) is not None}
            for pattern, size in zip(callee.shape.dims, step.shape.dims, strict=False):
                value = _number(size, sizes)
                if value is not None and len(pattern.symbols) == 1 and pattern == Nat.symbol(*pattern.symbols):
                    known.setdefault(next(iter(pattern.symbols)), value)
            found = numerics(prover, key, prover.bindings_of(step.op, bindings), known)
            return _undone(found) if step.op.inverted else found
        case other:
            assert_never(other)


def _undone(layer: Numerics) -> Numerics:
    """A layer in its inverse direction: its bounds change places; what rounding does to the solve has none."""
    none, why = math.inf, "a layer in its inverse direction is solved, and nothing bounds what rounding does to that"
    return Numerics(
        1, layer.inverse, layer.inverse, layer.lip, none, none, False, layer.why_inverse, layer.why_lip or why, why
    )


def _factor(op: ir.FactorOut) -> Numerics:
    """Half of the entries leave, exactly, or by a net: then nothing bounds the step, as for a coupling."""
    if op.prior is None:
        return Numerics(steps=1)
    none = math.inf
    why = (
        f"what leaves is scaled by exp(-s), where the net `{op.prior.net.name}` makes s of what goes on, so nothing "
        "bounds its slope; a `factor` without a prior of its own moves entries exactly"
    )
    return Numerics(1, none, none, none, none, none, False, why, why, why)


def _number(size: Nat, sizes: Mapping[str, int]) -> int | None:
    if not size.symbols <= set(sizes):
        return None
    ratio = size.evaluate(sizes)
    return ratio.top if ratio.bottom == 1 and ratio.top >= 1 else None


def _open(block: Numerics, count: Nat) -> Numerics:
    """A number of copies that is not known: only what does not grow with it."""
    why = f"`repeat {count}` is not a known number of copies"
    lip = 1.0 if block.lip <= 1 else math.inf
    inverse = 1.0 if block.inverse <= 1 else math.inf
    return replace(
        block,
        lip=lip,
        data=lip,
        inverse=inverse,
        rounding=math.inf if block.rounding else 0.0,
        solved=math.inf if block.solved else 0.0,
        why_lip=block.why_lip or (why if lip > 1 else ""),
        why_inverse=block.why_inverse or (why if inverse > 1 else ""),
        why_data=block.why_lip or (why if lip > 1 else ""),
    )


# ---------------------------------------------------------------- steps


def _affine(std: tuple[float, ...]) -> Numerics:
    """(x - mean) / std, and z std + mean."""
    lip, inverse = over(1.0, min(std)), max(std)
    return Numerics(1, lip, lip, inverse, plus(2.0, times(inverse, 2.0)), unit=False)


def logit_numerics(alpha: float) -> Numerics:
    """log(s / (1 - s)), s = a + (1 - 2a) x: slope (1 - 2a) / (s (1 - s)), least in the middle, no bound at the ends.

    Both logarithms are taken of numbers within 3 roundings. On the way back s - a loses digits where a is near 1/2.
    """
    inner = Interval(1.0, 1.0) - Interval(2 * alpha, 2 * alpha)
    product = Interval(alpha, alpha) * (Interval(1.0, 1.0) - Interval(alpha, alpha))
    data = (inner * product.reciprocal()).hi
    inverse = (Interval(4.0, 4.0) * inner).reciprocal().hi
    back = times(6.0, inner.reciprocal().hi)
    why = f"`logit({alpha:g})` grows without bound towards the ends of its domain"
    return Numerics(1, math.inf, data, inverse, plus(back, times(inverse, 16.0)), unit=False, why_lip=why)


def layer_numerics(proof: LayerProof, bindings: Bindings, sizes: Mapping[str, int]) -> Numerics:
    """A layer that acts on every element alone has the bounds of its slopes; a triangular one has none.

    An operation is one rounding and a function counts for 4, in each term of a sum. What is affine in each element
    is inverted as (z - f(0)) / slope, anything else by a solve.
    """
    layer, jacobian = proof.layer, proof.jacobian
    if proof.applied:
        return _applying(proof)
    if proof.parts:
        return _coupled(layer, "dense in a part") if proof.linked else _coupling(proof)
    if proof.residual is not None:
        return _contracting(proof, over(1.0, math.nextafter(proof.residual.least - proof.residual.rest, 0.0)))
    if proof.cayley is not None:
        return _contracting(proof, jacobian.lip)
    if proof.composed and (bounds := dominated(proof)) is not None:
        return _in_one_norm(layer, "a composition with dominant kernels", bounds, EUCLIDEAN)
    if jacobian.off != NONE:
        return _coupled(layer, "dense" if proof.composed else "triangular")
    slopes = jacobian.diag.interval
    low, high = sorted((abs(slopes.lo), abs(slopes.hi)))
    if not slopes.one_signed:
        low = 0.0
    inverse = over(1.0, low) if low else math.inf
    count = sum(
        4.0 if isinstance(n, (ir.Apply, ir.Linear)) else 1.0 for n in expressions(layer) if not isinstance(n, LEAVES)
    )
    if ir.net_params(layer) or bends(layer):
        count = math.inf  # nothing bounds what rounding does in a net, or to the knots of narrow bins
    for _, extent in layer.indices:
        count = times(count, float(_number(extent, sizes) or math.inf))
    rounding, solved = plus(count + 2, times(inverse, 2 * count)), 0.0
    if not proof.closed_form:
        rounding, solved = times(inverse, count), inverse
    why_lip = "" if math.isfinite(high) else _unbounded(layer, bindings)
    why_inverse = "" if low else _vanishing(layer, bindings)
    return Numerics(1, high, high, inverse, rounding, solved, False, why_lip, why_inverse, why_lip)


def _coupled(layer: ir.Layer, shape: str) -> Numerics:
    free = [p.name for p in layer.params if isinstance(p.kind, (ir.Conv, ir.Dense))]
    weights = f"nothing bounds the weights of `{free[0]}` off the diagonal" if free else "its off-diagonal part is free"
    why = f"`{layer.name}` is {shape} and {weights}; a bound on them would give one, which this version cannot state"
    none = math.inf
    return Numerics(1, none, none, none, none, none, False, why, why, why)


def _contracting(proof: LayerProof, inverse: float) -> Numerics:
    """A residual sum or Cayley map has bounds, `inverse` that of its inverse, but in the norm of its maps only."""
    more = (
        f"; the last steps of its inverse are made in float64 and its error is at most "
        f"{'2 ' * (proof.cayley is not None)}tol |1 + |z|| in that norm, to which float32 adds "
        f"{UNITS['float32']:.1e} |x|"
    )
    return _in_one_norm(proof.layer, proof.contracting, (proof.jacobian.lip, inverse), proof.norm, more)


def _in_one_norm(layer: ir.Layer, what: str, bounds: tuple[float, float], norm: float, more: str = "") -> Numerics:
    """Bounds of a map and of its inverse that hold in one norm only are said, not counted with."""
    lip, inverse = map(number, bounds)
    none = math.inf
    why = (
        f"`{layer.name}` is {what}: its Lipschitz constant is at most {lip} and that of its inverse at most {inverse}, "
        f"in {WORDS[norm]} only{more}"
    )
    return Numerics(1, none, none, none, none, none, False, why, why, why)


def _applying(proof: LayerProof) -> Numerics:
    """A layer whose formula applies others."""
    names = ", ".join(dict.fromkeys(f"`{inner.layer.name}`" for _, inner in proof.applied))
    none = math.inf
    why = (
        f"`{proof.layer.name}` applies {names} in its formula, and this version bounds compositions of the steps of a "
        "flow only"
    )
    return Numerics(1, none, none, none, none, none, False, why, why, why)


def _coupling(proof: LayerProof) -> Numerics:
    """No bound of a coupling is known without one of what it takes from the other parts.

    A bounded scale gives none: x_b = (y_b - m) / s, and s varies with x_a, so the slope of x_b grows with y_b
    (Behrmann et al., Understanding and Mitigating Exploding Inverses, AISTATS 2021, arXiv:2006.09347).
    """
    name, none = proof.layer.name, math.inf
    moving = [part.name for part in proof.parts if not part.jacobian.unit]
    part = moving[0] if moving else ""
    words = {link.word for v, result in proof.layer.results if v == part for link in links(proof.layer, v, result)[0]}
    if not moving:
        why = f"`{name}` adds what nothing bounds the slope of; an additive coupling of bounded slope has a bound"
    elif "mix_logistic" in words:
        why = f"`{name}` bends `{part}` by mixtures, whose slopes have no bound away from 0"
    elif "rq_spline" in words and not words & {"*", "/"}:
        why = (
            f"`{name}` bends `{part}` by splines, and nothing bounds the slope of what makes their bins; with a bound "
            "on that there would be one, since splines end in the identity"
        )
    else:
        why = (
            f"`{name}` scales `{part}` by what varies with the other parts, so the slope of its inverse grows with the "
            f"value of `{part}`, even where the scale is bounded; an additive coupling of bounded slope has a bound"
        )
    return Numerics(1, none, none, none, none, none, False, why, why, why)


# ---------------------------------------------------------------- why there is no bound


def _unbounded(layer: ir.Layer, bindings: Bindings) -> str:
    """Why a layer has no bound of its slope, and what would give one."""
    scale = _scale(layer, lambda bound: math.isinf(bound.hi)) or _scale(layer, lambda bound: bound.lo <= 0)
    if scale is not None:
        return f"`{scale}` of `{layer.name}` may be as large as it likes; `with diag >= m, diag <= M` bounds it"
    act = _act(layer, bindings, lambda slope: math.isinf(slope.hi) or math.isinf(slope.lo))
    if act is not None:
        return f"the slope of `{act}` in `{layer.name}` has no upper bound; an activation of bounded slope has one"
    bend = _bend(layer, lambda slope: math.isinf(slope.hi))
    if bend is not None:
        return f"the slope of `{bend}` in `{layer.name}` has no upper bound"
    total = next((node for node in expressions(layer) if isinstance(node, ir.Sum)), None)
    if total is not None:
        names = ", ".join(total.indices)
        return (
            f"`{layer.name}` sums over {names}, and its proof holds for any number of terms; two or three `+` have one"
        )
    return f"the slope of `{layer.name}` has no upper bound"


def _vanishing(layer: ir.Layer, bindings: Bindings) -> str:
    """Why the slope of a layer comes near 0, and what would keep it away."""
    scale = _scale(layer, lambda bound: bound.lo <= 0)
    if scale is not None:
        return f"`{scale}` of `{layer.name}` may be as near to 0 as it likes; `with diag >= m` gives it a floor"
    normal = next((p.name for p in layer.params if isinstance(p.kind, ir.Normalize)), None)
    if normal is not None:
        return f"the running variance of `{normal}` in `{layer.name}` has no upper bound, so its slope has no floor"
    act = _act(layer, bindings, lambda slope: slope.lo <= 0 <= slope.hi)
    if act is not None:
        return f"the slope of `{act}` in `{layer.name}` comes near 0; a term `t * x`, t with `diag >= m`, gives a floor"
    bend = _bend(layer, lambda slope: slope.lo <= 0)
    if bend is not None:
        return (
            f"the slope of `{bend}` in `{layer.name}` comes near 0; a term `t * x`, t with `diag >= m`, gives a floor"
        )
    return f"the slope of `{layer.name}` has no lower bound away from 0"


def _scale(layer: ir.Layer, loose: Callable[[Interval], bool]) -> str | None:
    """The first scale whose values are kept in no interval that is tight enough."""
    for param in layer.params:
        if isinstance(param.kind, ir.Elementwise) and param.kind.kind == "scale":
            if param.bound is None or loose(param.bound.interval):
                return param.name
    return None


def _act(layer: ir.Layer, bindings: Bindings, loose: Callable[[Interval], bool]) -> str | None:
    """The first activation whose slope is loose."""
    for node in expressions(layer):
        if isinstance(node, ir.Apply):
            act = bindings.get(node.act.name) if isinstance(node.act, ir.FormalAct) else node.act
            if isinstance(act, (ir.BuiltinAct, ir.DefinedAct)):
                slope = act_slope(act)
                if slope is not None and loose(slope):
                    return str(act)
    return None


def _bend(layer: ir.Layer, loose: Callable[[Interval], bool]) -> str | None:
    """The first elementwise bijection with parameters whose slope is loose."""
    return next((n.bijection for n in bends(layer) if loose(BIJECTIONS[n.bijection].slope(*n.options))), None)
