"""Sentences of a proof that several of its forms share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mintdsl.core import ir
from mintdsl.core.interval import REAL
from mintdsl.core.norms import in_norm, norm_of
from mintdsl.proof.check import LayerProof
from mintdsl.proof.jacobian import DENSE, NONE, Fibre, Jacobian, Smooth
from mintdsl.tools.proof_document import ASSUMED, Section, Step
from mintdsl.tools.show import class_of, facts, open_sizes


class Given(NamedTuple):
    """What a proof is for all of: sizes, shapes and directions; and the values that the other formals have."""

    shapes: tuple[str, ...]
    sizes: tuple[str, ...]
    directions: tuple[str, ...]
    values: tuple[tuple[str, ir.Argument], ...]


def given(section: Section) -> Given:
    """What stands before the statement of a definition."""
    definition = section.definition
    sizes = open_sizes(definition)
    sizes += [f.name for f in definition.formals if f.type == "Nat"]  # a default is one of the values
    directions = tuple(f.name for f in definition.formals if f.type == "Dir")
    values = tuple((k, v) for k, v in section.proved.bindings.items() if not isinstance(v, ir.FormalOrder))
    shapes = (definition.shape.name,) if definition.shape.kind == "Any" else ()
    return Given(shapes, tuple(dict.fromkeys(sizes)), directions, values)


def consequences(section: Section) -> list[str]:
    """What is proved of a definition, as sentences without a subject."""
    proof = section.proved.proof
    said = facts(proof, None)
    found = []
    if isinstance(proof, LayerProof):
        found.append(f"Jacobian: {class_of(proof, str(proof.working))}")
    found.append(said.conclusion)
    if said.proved:
        found += [f"log-determinant: {said.log_det}", f"inverse: {said.inverse}"]
    if section.assumptions:
        found.append(f"assumed: {', '.join(section.assumptions)}; {ASSUMED}")
    return found


def numbers(premises: Sequence[int]) -> str:
    """`(1), (2), (4)`; runs and long lists are shortened."""
    runs: list[list[int]] = []
    for number in premises:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts: list[str] = []
    for run in runs:
        parts += [f"({n})" for n in run] if len(run) < 4 else [f"({run[0]}) to ({run[-1]})"]
    return ", ".join(parts) if len(parts) <= 12 else ", ".join([*parts[:3], "...", parts[-1]])


def kind_of(param: ir.Param) -> str:
    """A parameter in a few words."""
    match param.kind:
        case ir.Elementwise(kind=word, per=per):
            return f"{word}, one number for each {per}"
        case ir.Conv(size=(rows, columns), circular=True):
            return f"{rows}x{columns} convolution, circular"
        case ir.Conv(size=(rows, columns), stride=(down, right)) if (down, right) != (1, 1):
            return f"{rows}x{columns} convolution, unmasked, stride {down}x{right}"
        case ir.Conv(size=(rows, columns), direction=direction, strict=strict):
            mask = "unmasked" if direction is None else f"masked {'strictly ' if strict else ''}{direction}"
            return f"{rows}x{columns} convolution, {mask}"
        case ir.Dense(direction=direction, strict=strict):
            mask = "unmasked" if direction is None else f"masked {'strictly ' if strict else ''}{direction}"
            return f"matrix, {mask}"
        case ir.Normalize():
            return "normalization by running statistics"
        case ir.Perm(axis=axis, seed=seed):
            return f"fixed permutation of {axis}, seed {seed}"
        case ir.LayerNorm():
            return "layer normalization"
        case ir.Attention():
            return "attention"
        case ir.NetParam(net=net):
            return f"net {net.name}"
        case ir.LayerParam(layer=layer):
            return f"layer {layer.name}"
        case _:
            return str(type(param.kind).__name__).lower()


def known(fact: Jacobian, section: Section) -> list[tuple[str, str]]:
    """All that a step of a formula knows, name and value."""
    own = {
        Fibre.CONST: "does not depend on it",
        Fibre.AFFINE: "affine",
        Fibre.FORMULA: "one to one, onto R, its inverse a formula",
        Fibre.ONTO: "one to one, onto R",
        Fibre.IMAGE: f"one to one, onto {fact.image}",
        Fibre.UNKNOWN: "nothing",
    }[fact.fibre]
    smooth = {Smooth.ANALYTIC: "analytic", Smooth.C1: "once continuously differentiable", Smooth.KINKS: "with kinks"}
    found = [("class", fact.describe())]
    if not fact.constant:
        found.append(("in its own coordinate", own))
    if fact.range.interval != REAL:
        found.append(("values", f"in {fact.range}"))
    if fact.lip != float("inf"):
        layer = section.definition
        where = in_norm(norm_of(layer)) if isinstance(layer, ir.Layer) else ""
        found.append(("Lipschitz bound", f"{fact.lip:.6g}{where}"))
    return [*found, ("smoothness", smooth[fact.smooth])]


_KINDS = {
    "PERM": "permutation",
    "LOGIT": "diagonal",
    "SCALE": "diagonal",
    "PAD": "pad",
    "FACTOR": "permutation",
    "DEQUANT": "data",
    "PRIOR": "prior",
    "HEAD": "head",
    "FAIL": "dense",
}


def kind_of_step(step: Step, section: Section) -> str:
    """What the Jacobian of a step looks like, in the words of the drawings; nothing where that is not said."""
    fact = step.fact
    proof = section.proved.proof
    if fact is None and isinstance(proof, LayerProof) and step.node is proof.derivation:
        fact = proof.jacobian
    if fact is None:
        return _KINDS.get(step.node.rule, "")
    if fact.constant:
        return "constant"
    return {NONE: "diagonal", DENSE: "dense", "lower": "lower", "upper": "upper"}.get(fact.off, "triangular")
