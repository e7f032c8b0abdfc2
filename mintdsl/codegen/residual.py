"""Residual sums (rule RES) and Cayley maps (rule CAYLEY): both directions, bounds of norms, log-dets of uses."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from mintdsl.codegen import shapes
from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.coupling import INVERSE
from mintdsl.codegen.emit import Writer
from mintdsl.core import ir
from mintdsl.core.constraints import kept_by
from mintdsl.core.norms import EUCLIDEAN, WORDS, norm_of, norm_of_map
from mintdsl.core.walks import expressions
from mintdsl.proof.prover import FlowProof
from mintdsl.proof.rules.series import Estimate
from mintdsl.records import replace

RESULT = "tuple[Tensor, Tensor | None]"
FORWARD = ["self", "x: Tensor", "context: Tensor | None = None"]
FORWARD += ["*", "tol: float | None = None", "max_iter: int | None = None"]
"""The arguments of the forward direction where that is a solve too."""


def write_residual_methods(c: LayerContext) -> None:
    """`forward` and `inverse`."""
    write, passed = c.write, ", context" if c.given is not None else ""
    with write.block(f"def forward(self, x: Tensor, context: Tensor | None = None) -> {RESULT}:"):
        write(f'"""f(x) and log |det df/dx|, found as self.log_det says; x [*, *event_shape]{c.shown_context}."""')
        c.write_no_context()
        c.write_batch("x")
        write(f"y, log_det = residual_forward(self, x{passed})")
        write("return unflatten_batch(y, lead), with_lead(log_det, lead)")
    _write_inverse(
        c,
        "residual",
        ("x with f(x) = z and log |det dx/dz|. Banach iteration, whose number of steps the contraction gives.",),
        f"The error of x is at most tol |1 + |z|| in {WORDS[norm_of(c.layer)]}: InversionError if missed.",
    )


def _write_inverse(c: LayerContext, kind: str, doc: tuple[str, ...], promised: str) -> None:
    """`inverse` of a layer of this kind, with the lines that say what it is and the one that says what it promises."""
    write, named = c.write, ", context=context" if c.given is not None else ""
    write()
    write.call("def inverse", INVERSE, f" -> {RESULT}:")
    with write.indented():
        write(f'"""{doc[0]}')
        for line in (*doc[1:], "", promised):
            write(line) if line else write()
        write("fixed = (steps, divisor): that many steps, untested; the divisor is not used.")
        write('"""')
        c.write_no_context()
        if c.names.extern:
            write("one_function(self)")
        c.write_batch("z")
        with write.block("if fixed is not None:"):
            write(f"x, log_det = fixed_{kind}(self, z, fixed[0]{named})")
        with write.block("else:"):
            write(f"x, log_det = invert_{kind}(self, z, tol, max_iter{named})")
        write("return unflatten_batch(x, lead), with_lead(log_det, lead)")


def write_cayley_methods(c: LayerContext) -> None:
    """`forward` and `inverse` of a Cayley map."""
    write = c.write
    write.call("def forward", FORWARD, f" -> {RESULT}:")
    with write.indented():
        write(
            '"""f(x) = w - g(w), w + g(w) = x by a tested Banach iteration, and log |det df/dx| as self.log_det says.'
        )
        write()
        write(f"x [*, *event_shape]{c.shown_context}; tol and max_iter are those of `inverse`.")
        write('"""')
        c.write_no_context()
        if c.names.extern:
            write("one_function(self)")
        c.write_batch("x")
        write(f"y, log_det = cayley_forward(self, x, {'context' if c.given is not None else 'None'}, tol, max_iter)")
        write("return unflatten_batch(y, lead), with_lead(log_det, lead)")
    _write_inverse(
        c,
        "cayley",
        (
            "x = w + g(w), w - g(w) = z by Banach iteration, whose number of steps the contraction gives, and",
            "log |det dx/dz|.",
        ),
        f"The error of w is at most tol |1 + |z|| in {WORDS[norm_of(c.layer)]}, that of x twice that: "
        "InversionError if missed.",
    )


def is_cayley(program: ir.Program, op: ir.Op) -> bool:
    """Whether a step uses a Cayley map, both directions of which are solves."""
    callee = program.definitions[op.definition] if isinstance(op, ir.Use) else None
    return isinstance(callee, ir.Layer) and any(isinstance(node, ir.Cayley) for node in expressions(callee))


def write_contraction(c: LayerContext) -> None:
    """The bound of the branch that the proof gives: one number, or one for each proved value of the formals."""
    found: list[tuple[float, float] | float]
    if c.cayley:
        target, rule = "self.contraction", "# rule CAYLEY: lip(g) is at most the contraction"
        found = [proof.cayley for proof in c.proofs if proof.cayley is not None]
    else:
        target, rule = (
            "self.divisor, self.contraction",
            "# rule RES: lip(x - f(x) / divisor) is at most the contraction",
        )
        splits = [proof.residual for proof in c.proofs]
        found = [(split.divisor, split.contraction) for split in splits if split is not None]
    c.write(f"{rule}, in {WORDS[norm_of(c.layer)]}")
    c.write(f"self.norm_order = {_order(norm_of(c.layer))}")
    if len(set(found)) == 1:
        c.write(f"{target} = {found[0]!r}")
        return
    deciding = [f for f in c.layer.formals if f.type in ("Act", "Order", "Real")]
    given = shapes.listed([c.member(f.name) + (".name" if f.type == "Act" else "") for f in deciding])
    cases = [shapes.listed([c.proved_value(bindings[f.name]) for f in deciding]) for bindings in c.bindings]
    table = dict(zip(cases, found, strict=True))
    c.write.braces("bounds = ", [f"{case}: {value!r}" for case, value in table.items()])
    c.write(f"{target} = bounds[{given}]")


def _order(order: float | None) -> str:
    """The order of a norm, in generated text."""
    return 'float("inf")' if order == inf else repr(order)


def limit(c: LayerContext, param: ir.Param) -> str:
    """The bound of the norm of a parameter."""
    assert param.bound is not None
    return c.member(param.bound.formal) if param.bound.formal else repr(param.bound.numbers[0])


def image(c: LayerContext, param: ir.Param) -> str:
    """The size of the images of a convolution."""
    return shapes.listed([shapes.size(d, c.members) for d in param.source.dims[1:]])


def circular_det(c: LayerContext, param: ir.Param) -> str:
    """What the tests of a circular kernel want to know of it."""
    assert isinstance(param.kind, ir.Conv)
    return f"CircularDet({c.anchors[param.name]}, {param.kind.dilation}, {image(c, param)})"


def limits(c: LayerContext) -> list[str]:
    """For each bounded map what `certified_norms` wants to know of it."""
    found = []
    for param in c.limited:
        place = ""
        if isinstance(param.kind, ir.Conv):
            place = f", {image(c, param)}, {c.anchors[param.name]}"
            place += f", dilation={param.kind.dilation}" if param.kind.dilation != (1, 1) else ""
            place += ", circular=True" if param.kind.circular else ""
            place += f", stride={param.kind.stride}" if param.kind.stride != (1, 1) else ""
        order = norm_of_map(param)
        place += f", norm={_order(order)}" if order not in (None, EUCLIDEAN) else ""
        found.append(f'"{param.name}": NormLimit({limit(c, param)}{place})')
    return found


def write_certify(write: Writer, *, estimated: bool = False) -> None:
    """`certify` of a layer or flow; `estimated`: it has log-dets that are not exact."""
    found = "CertifiedNorm | LogDetBound" if estimated else "CertifiedNorm"
    with write.block(f"def certify(self) -> list[{found}]:"):
        more = "and each log-det that is estimated, with bounds of its error" if estimated else ""
        what = "Each bounded map with its limit, and its norm from below (power iteration) and from above"
        write.doc(f"{what};\n{more}." if more else f"{what}.")
        write(f"return {'[*certified_norms(self), *log_det_bounds(self)]' if estimated else 'certified_norms(self)'}")


def series_text(estimate: Estimate) -> str:
    """How a log-det is estimated, as an argument of a layer."""
    keep = f", keep={estimate.keep!r}" if estimate.keep else ""
    probes = f", probes={estimate.probes}" if estimate.probes != 1 else ""
    return f"log_det=TraceSeries({estimate.terms}{keep}{probes})"


def together(proofs: Sequence[FlowProof]) -> FlowProof:
    """One proof for all values of the formals of a flow: its log-dets are estimated well enough for each of them."""
    first, *others = proofs
    estimates, passage = dict(first.estimates), first.passage
    for other in others:
        passage = replace(passage, bias=max(passage.bias, other.passage.bias))
        for name, one in other.estimates.items():
            terms, keep = max(one.terms, estimates[name].terms), max(one.keep, estimates[name].keep)
            estimates[name] = replace(one, terms=terms, keep=keep)
    return replace(first, estimates=estimates, passage=passage) if others else first


def spectral(c: LayerContext, param: ir.Param, raw: str) -> str:
    """The effective value of a parameter whose norm is bounded."""
    match param.kind:
        case ir.Conv() | ir.Dense() if param.bound is not None and norm_of_map(param) != EUCLIDEAN:
            axes = 4 if isinstance(param.kind, ir.Conv) else 2
            phases = ""
            if isinstance(param.kind, ir.Conv) and param.kind.stride != (1, 1) and norm_of_map(param) == 1.0:
                phases = f", Phases({c.anchors[param.name]}, {param.kind.dilation}, {param.kind.stride})"
            how = kept_by(param.bound.quantity, param.bound.cmp, param.bound.via).runtime
            return f"{how}({raw}, {limit(c, param)}, {axes}{phases})"
        case ir.Conv(dilation=dilation, stride=stride) if stride != (1, 1):
            place = f"{image(c, param)}, {c.anchors[param.name]}, {dilation}, {stride}"
            return f"spectral_strided({raw}, {limit(c, param)}, {place})"
        case ir.Conv(dilation=dilation, circular=circular):
            around = f", circular={dilation}" if circular else ""
            return f"spectral_conv({raw}, {limit(c, param)}, {image(c, param)}{around})"
        case ir.Dense():
            return f"spectral_matrix({raw}, {limit(c, param)})"
        case _:
            return f"spectral_scale({raw}, {limit(c, param)})"
