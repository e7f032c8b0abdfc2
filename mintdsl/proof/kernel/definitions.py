"""Layers and flows: what follows from the facts of a result, and from the steps of a flow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from math import inf
from typing import NamedTuple

from mintdsl.proof.kernel.exact import ONE, REAL, Number, Span, times
from mintdsl.proof.kernel.facts import ASSUMED, INVERSES, LOG_DETS
from mintdsl.proof.kernel.formulas import Scope, order_of, size_span
from mintdsl.proof.kernel.reading import Json
from mintdsl.proof.kernel.rules import DENSE, NONE, Fact, Refused


class Known(NamedTuple):
    """What is checked of one definition; `domain` None: not injective, `image` None: its image is no fixed box."""

    domain: Span | None
    image: Span | None
    preserving: bool
    inverse: str
    log_det: str
    lip: Number
    evaluation: bool
    assumes: tuple[str, ...]
    fact: Fact | None = None
    order: Json = None


def check_layer(statement: Json, layer: Json, proof: Json) -> Known:
    scope = Scope(statement, proof, layer, {}, {})
    for (name, indices, nodes), steps in zip(layer["lets"], proof["lets"], strict=True):
        scope.lets[name] = (indices, scope.formula(nodes, steps, f"{layer['name']}, {name}"))
    fact = scope.formula(layer["result"], proof["result"], f"{layer['name']}, result")
    if {str(place) for place in scope.acts} != set(proof["acts"]):
        raise Refused(f"{layer['name']}: facts of activations that nothing uses")
    domain, image = None, None
    if fact.off != DENSE and fact.diag.span.one_signed:  # rule I-TRI
        domain = REAL
        if fact.own in ("affine", "onto"):
            image = REAL
        elif fact.own == "injective" and fact.off == NONE:
            image = fact.image
    unit = fact.off != DENSE and fact.diag.span in (ONE, ONE.minus())
    inverse = "iterative" if fact.off != NONE else "closed_form" if fact.own == "affine" else "elementwise"
    assumed = [p for p in layer["params"] if p["with"] is not None and p["with"][2] in ASSUMED]
    where = (f"[{', '.join(p['indices'])}]" if p["indices"] else "" for p in assumed)
    assumes = tuple(
        f"diag({p['name']}{at}) != 0 of {layer['name'].partition('#')[0]}" for p, at in zip(assumed, where, strict=True)
    )
    evaluation = any(p["kind"][0] == "normalize" for p in layer["params"])
    order = proof["order"] or order_of(layer, proof["bindings"])
    return Known(domain, image, unit, inverse, "exact", fact.lip, evaluation, assumes, fact, order)


def check_flow(statement: Json, flow: Json, proof: Json, done: Mapping[str, Known]) -> Known:
    state = Known(None, None, True, "closed_form", "exact", Fraction(1), False, ())
    state = run(statement, flow["steps"], proof["bindings"], done, state)
    return state if state.domain is not None else state._replace(domain=REAL, image=REAL)


def run(statement: Json, steps: Json, bindings: Json, done: Mapping[str, Known], state: Known) -> Known:
    """The state after `steps`: every seam is tested, kinds and bounds are those of the weakest step."""
    for _, (word, *rest), _ in steps:
        match word, rest:
            case "dequantize" | "prior" | "classify" | "squeeze" | "unsqueeze", _:
                pass
            case "standardize", [_, std]:
                state = enter(state, REAL)._replace(lip=times(state.lip, 1 / Fraction(min(std))), preserving=False)
            case "pad", _:
                state = enter(state, REAL)._replace(image=None, preserving=False, log_det="none")
            case "logit", [alpha]:
                margin = Fraction(alpha) / (1 - 2 * Fraction(alpha))
                state = enter(state, Span(-margin, 1 + margin, True, True))
                state = state._replace(image=REAL if state.image is not None else None, lip=inf, preserving=False)
            case "repeat", [count, inner]:
                once = run(statement, inner, bindings, done, state._replace(lip=Fraction(1)))
                if (once.domain, once.image) != (state.domain, state.image):
                    again = run(statement, inner, bindings, done, once)  # a third copy would meet what this one does
                    once = again._replace(lip=once.lip)
                copies = size_span(count)
                state = once._replace(lip=times(state.lip, power(once.lip, copies)))
            case "pair", [inner]:
                pair(statement, inner, bindings, done)
                state = run(statement, inner, bindings, done, state)
            case "use", [name, args]:
                state = use(callee(statement, name, args, bindings, done), state, name)
            case _:
                raise Refused(f"no rule for a step {word!r}")
    return state


def enter(state: Known, domain: Span) -> Known:
    """The seam in front of a step: what arrives lies in its domain; less than all of it is not onto."""
    if state.domain is None:
        return state._replace(domain=domain, image=domain)
    if not (state.image or REAL).within(domain):
        raise Refused("a step gets values outside its domain")
    return state if state.image in (None, domain) else state._replace(image=None)


def use(known: Known, state: Known, name: str) -> Known:
    if known.domain is None:
        raise Refused(f"nothing is proved of {name}")
    state = enter(state, known.domain)
    return state._replace(
        image=known.image if state.image is not None else None,
        preserving=state.preserving and known.preserving,
        inverse=max(state.inverse, known.inverse, key=INVERSES.index),
        log_det=max(state.log_det, known.log_det, key=LOG_DETS.index),
        lip=times(state.lip, known.lip),
        evaluation=state.evaluation or known.evaluation,
        assumes=tuple(dict.fromkeys((*state.assumes, *known.assumes))),
    )


def power(lip: Number, copies: Span) -> Number:
    if lip == 1:
        return lip
    if copies.lo != copies.hi or copies.hi > 10_000:
        return inf if lip > 1 else lip
    return lip if lip == inf else lip ** int(copies.lo)


def pair(statement: Json, steps: Json, bindings: Json, done: Mapping[str, Known]) -> None:
    found = []
    for _, (word, *rest), _ in steps:
        known = callee(statement, rest[0], rest[1], bindings, done) if word == "use" else None
        if known is None or known.fact is None:
            raise Refused("a pair takes two layers")
        given = {name: value.get("direction") for name, value in rest[1] if isinstance(value, dict)}
        found.append((given.get(known.fact.off, known.fact.off), known.order))
    if {d for d, _ in found} != {"lower", "upper"} or len(found) != 2 or found[0][1] != found[1][1]:
        raise Refused("a pair takes one lower and one upper layer of one order")


def callee(statement: Json, name: str, args: Json, outer: Json, done: Mapping[str, Known]) -> Known:
    """What is known of a definition with the values that a step gives its formals."""
    types = {formal: kind for formal, kind, _ in definition_of(statement, name)["formals"]}
    inner = {n: outer[v["formal"]] if "formal" in v else v for n, v in args if types[n] in ("Act", "Order", "Real")}
    place = key(name, inner)
    if place not in done:
        raise Refused(f"nothing is proved of {name} with these arguments")
    return done[place]


def key(name: str, bindings: Json) -> str:
    return json.dumps([name, bindings], sort_keys=True)


def definition_of(statement: Json, name: str) -> Json:
    return next(d for d in statement["definitions"] if d["name"] == name)
