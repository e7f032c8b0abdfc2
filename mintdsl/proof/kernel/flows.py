"""Flows: what follows from the steps, each one to one, and of the seams between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import inf
from typing import NamedTuple

from mintdsl.proof.kernel.exact import ANY, ONE, PLUS, REAL, Number, Signed, Span, above, plus, times
from mintdsl.proof.kernel.facts import INVERSES, LOG_DETS
from mintdsl.proof.kernel.fields import lipschitz
from mintdsl.proof.kernel.reading import Json, Refused, read_number, read_size, text
from mintdsl.proof.kernel.rules import DENSE, NONE, ONTO, Fact, constant


class Known(NamedTuple):
    """What is checked of a definition or of steps: one to one on the box `domain`, with values in the box `inside`.

    `domain` None: not known to be one to one; `onto`: it takes all values of `inside`. Of a layer also the fact of its
    result, and the order in which that is triangular; of one in parts the fact of each, and the directions in which
    the parts that it reads come before it: "diagonal" as well where there are none. `residual`: it is one by rule RES
    or CAYLEY, and a flow may leave open how its log-det is computed. `bias`: what that may be off, in nats for each
    dimension. `contraction`, by rule RES: a bound < 1 of the norm of I - J / d, d amid the slopes of what is not the
    branch; by rule CAYLEY, where `odd`, one of that of the branch. `solved`: a Cayley map is in it, a solve both
    ways. `lip` is in the norm of its `metric`: 2 but for layers.
    """

    domain: Span | None
    inside: Span
    onto: bool
    lip: Number
    preserving: bool = False
    inverse: str = "closed_form"
    log_det: str = "exact"
    evaluation: bool = False
    assumes: tuple[str, ...] = ()
    fact: Fact | None = None
    order: Json = None
    parts: tuple[tuple[Fact, set[str]], ...] = ()
    residual: bool = False
    bias: Number = Fraction(0)
    contraction: Number | None = None
    odd: bool = False
    solved: bool = False
    metric: float = 2

    def steep(self, metric: float) -> Number:
        """How steep it is in the norm of this metric; what acts on each coordinate alone is as steep in all."""
        alone = self.fact is not None and self.fact.off == NONE
        return self.lip if alone or metric == self.metric else inf

    def then(self, step: Known) -> Known:
        """Rule I-COMP: what arrives must lie in the step's domain; where it is less than that, it is not onto."""
        if step.domain is None or not self.inside.within(step.domain):
            raise Refused("a step gets values outside its domain")
        return Known(
            self.domain,
            step.inside,
            self.onto and self.inside == step.domain and step.onto,
            above(times(self.lip, step.lip)),
            self.preserving and step.preserving,
            max(self.inverse, step.inverse, key=INVERSES.index),
            next(k for k, v in LOG_DETS.items() if LOG_DETS[self.log_det] | LOG_DETS[step.log_det] <= v),
            self.evaluation or step.evaluation,
            tuple(dict.fromkeys((*self.assumes, *step.assumes))),
            bias=above(plus(self.bias, step.bias)) if self.bias or step.bias else Fraction(0),
        )

    def inverted(self) -> Known:
        """Rule INVERSE: of a map onto a box; it is undone by the map itself, and nothing bounds how steep it is."""
        if self.domain is None or not self.onto:
            raise Refused("only a map that is onto has an inverse direction")
        how = self.inverse if self.solved else "closed_form"
        return self._replace(
            domain=self.inside, inside=self.domain, lip=inf, inverse=how, fact=None, order=None, parts=()
        )

    def beside(self) -> Known:
        """Rule FACTOR: this map on some entries, the others stay as they are, in the same box."""
        same = self.domain == self.inside
        inside, onto = self.inside if same else REAL, self.onto and same
        return self._replace(inside=inside, onto=onto, lip=max(Fraction(1), self.lip), fact=None, order=None, parts=())

    def copies(self, low: Number, high: Number) -> Known:
        """As many copies, one after the other; all but the first get what lies inside, so two show every seam."""
        power = self.lip if self.lip <= 1 else inf
        if low == high <= 10_000 and self.lip < inf:
            power = above(Fraction(self.lip) ** int(low))
        return (self if low == high == 1 else self.then(self))._replace(lip=power, bias=times(self.bias, high))


def rest(lip: Fraction, terms: int, *, odd: bool) -> Number:
    """A bound of the sum of lip^k / k over all k > terms, or of 2 lip^k / k over the odd ones of at least 2 terms + 1.

    Some of them, and a geometric series beyond.
    """
    step, weight = (2, 2) if odd else (1, 1)
    power, total, k = Fraction(1), Fraction(0), step * terms + (1 - step)
    for _ in range(k):
        power = Fraction(above(power * lip))
    while True:
        k, power = k + step, Fraction(above(power * lip**step))
        beyond = weight * power / (k * (1 - lip**step))  # that of this term on
        if beyond * 2**50 <= total or k > step * terms + 1000 * step:
            return above(total + beyond)
        total = Fraction(above(total + weight * power / k))


def joined(first: Known | None, second: Known | None) -> Known | None:
    """One after the other, where None only moves entries."""
    return second if first is None else first if second is None else first.then(second)


def triangular(fact: Fact, closed: Sequence[str] = ("affine",)) -> Known:
    """Rule I-TRI: what follows for a layer whose result has this fact; `closed` are the kinds inverted by a formula."""
    if fact.off == DENSE or not fact.diag.span.one_signed:
        return Known(None, REAL, False, fact.lip, fact=fact)
    whole = fact.met if fact.off == NONE or fact.met == REAL else None
    return Known(
        REAL,
        whole or fact.values.forgotten,
        whole is not None,
        fact.lip,
        preserving=fact.diag.span in (ONE, ONE.minus()),
        inverse="iterative" if fact.off != NONE else "closed_form" if fact.own in closed else "elementwise",
        fact=fact,
    )


def applied(f: Fact, inner: Known, way: str, metric: float) -> Fact:
    """Rule APPLY: a layer after f, triangular in the direction `way` of the order at hand unless that is DENSE."""
    fact = inner.fact
    values = ANY if inner.domain is None else Signed(PLUS, inner.inside if fact is None else fact.values.forgotten)
    if f.constant:
        return constant(values)
    lip, off = times(f.lip, inner.steep(metric)), f.off if way == NONE else way if f.off in (NONE, way) else DENSE
    if fact is None or off == DENSE:
        one = inner.domain is not None and inner.onto and inner.inside == REAL
        chain = min(f.chained, 1 + inner.preserving) if one else 0
        smooth = 0 if fact is None else min(f.smooth, fact.smooth)
        return Fact(DENSE, ANY, "unknown", None, values, lip, smooth, chain)
    own, image = (fact.own, fact.image) if f.own in ONTO else ("unknown", None)
    own = f.own if own == "affine" or (own, f.own) == ("formula", "onto") else own
    return Fact(off, fact.diag.times(f.diag), own, image, values, lip, min(f.smooth, fact.smooth)).settled()


def whole(fact: Fact, closed: Sequence[str] = ("affine",)) -> Known:
    """What follows for a layer whose result has this fact: by rule CHAIN if it is dense, else by I-TRI."""
    if fact.off != DENSE or not fact.chain:
        return triangular(fact, closed)
    return Known(REAL, REAL, True, fact.lip, preserving=fact.chain == 2, fact=fact)


IDENTITY = Known(REAL, REAL, True, Fraction(1), preserving=True)


class Flows(NamedTuple):
    """The definitions and activations of a statement, what is proved so far, what of that was used, and the flows
    with a factor.

    `stated` are the terms, the probability to go on and the bias of the log-dets that a flow estimates, by step; `met`
    the steps that do.
    """

    definitions: Mapping[str, Json]
    done: dict[str, Known]
    used: set[str]
    halved: set[str]
    acts: Json
    stated: Json
    met: set[str]

    def run(self, steps: Json, bindings: Json) -> Known | None:
        """What is known of steps; None where they only move entries, whatever box they lie in."""
        known: Known | None = None
        for name, (word, *rest), _ in steps:
            known = joined(known, self.step(name, word, rest, bindings))
        return known

    def flow(self, steps: Json, bindings: Json) -> Known | None:
        """What is known of all steps of a flow; those after a factor act on the half that it keeps."""
        known: Known | None = None
        end = len(steps)
        for n in reversed([n for n, (_, op, _) in enumerate(steps) if op[:2] in FACTORS]):
            known = joined(self.run(steps[n + 1 : end], bindings), known)
            known, end = joined(self.leaving(steps[n]), known and known.beside()), n
        return joined(self.run(steps[:end], bindings), known)

    def leaving(self, step: Json) -> Known | None:
        """Rule FACTOR: a half is moved away, or also scaled and shifted by what a net makes of the other half."""
        match step:
            case _, [_, _], _:
                return None
            case _, [_, _, ["net", name, _, sources, targets]], half:
                if self.definitions[name]["kind"] in ("net", "extern") and (sources, targets) == ([half], [half, half]):
                    return Known(REAL, REAL, True, inf)
        raise Refused("a factor has no prior, or a net from the half that is kept to mean and log-scale of the other")

    def step(self, name: str, word: str, rest: Json, bindings: Json) -> Known | None:
        """Rules SCALE, PAD, LOGIT, PAIR, ODE, and what is proved of a definition."""
        match word, rest:
            case _ if word in STILL:
                return None
            case "standardize", [_, std] if min(std) > 0:
                return Known(REAL, REAL, True, 1 / Fraction(min(std)))
            case "standardize", ["data"]:  # some std > 0
                return Known(REAL, REAL, True, inf)
            case "pad", _:
                return Known(REAL, REAL, False, Fraction(1), log_det="none")
            case "logit", [alpha] if 0 < alpha < 0.5:
                margin = Fraction(alpha) / (1 - 2 * Fraction(alpha))
                return Known(Span(-margin, 1 + margin, True, True), REAL, True, inf)
            case "repeat", [count, inner]:
                once = self.run(inner, bindings)
                return once and once.copies(*read_size(count)[:2])
            case "ode", [["net", name, _, [state, time], [result]] as net, _, until, tol, how]:
                draws = how[1] if how[0] == "hutchinson" and len(how) == 2 else 0
                if state != result or text(time) != TIME or not 0 < until < inf or not 0 < tol < 1:
                    raise Refused("an ode of another form than it should have")
                if how != ["exact"] and not (type(draws) is int and draws > 0):
                    raise Refused("an ode does not say how its log-det is computed")
                if not lipschitz(self.definitions, self.acts, net, until, bindings):
                    raise Refused(f"the field {name} is not known to be Lipschitz")
                kind = "estimated" if draws else "solver"
                return Known(REAL, REAL, True, inf, inverse="solver", log_det=kind)
            case "pair", [inner]:
                self.pair(inner, bindings)
                return self.run(inner, bindings)
            case "use", [callee, args, *how]:
                known = self.use(callee, args, bindings)
                if how:
                    return known if how == ["exact"] else self.estimated(name, how, known)
                return known._replace(log_det="none") if known.residual else known
            case "inverse", [callee, args, *how] if self.definitions[callee]["kind"] == "layer":
                forward = self.step(name, "use", [callee, args, *how], bindings)
                return forward and forward.inverted()
            case _:
                raise Refused(f"no rule for a step {word!r}")

    def estimated(self, name: str, how: Json, known: Known) -> Known:
        """Rules SERIES and ROULETTE: what is stated of the estimate at a step must follow for its contraction."""
        (kind, asked), (terms, keep, bias) = how, self.stated[name]
        q, off, lip = read_number(keep), read_number(bias), known.contraction
        whole = all(type(n) is int for n in (terms, asked["terms"], asked["probes"])) and asked["probes"] >= 0
        if lip is None or not whole or terms < 1 or asked["terms"] not in (0, terms):
            raise Refused(f"{name}: its log-det is not estimated as stated")
        if kind == "series":
            most = inf if asked["terms"] else LN2 * Fraction(asked["bits"])
            good = q == 0 and rest(Fraction(lip), terms, odd=known.odd) <= off <= most
        else:
            ratio = Fraction(lip) ** (4 if known.odd else 2)
            good = kind == "roulette" and ratio < q < 1 and asked["keep"] in (0, keep) and off == 0
        if not good:
            raise Refused(f"{name}: the bound of its log-det, or its variance, does not follow")
        self.met.add(name)
        faults = frozenset({"bias"} if off else ()) | ({"noise"} if q or asked["probes"] else set())
        return known._replace(log_det=next(k for k, v in LOG_DETS.items() if v == faults), bias=off)

    def use(self, name: str, args: Json, bindings: Json) -> Known:
        """What is known of a definition that a step uses."""
        if name in self.halved:
            raise Refused(f"{name} has a factor, which only the outermost flow may have")
        known = self.known(name, args, bindings)
        if known.domain is None:
            raise Refused(f"nothing is proved of {name} with these arguments")
        return known._replace(lip=known.steep(2), metric=2)

    def known(self, name: str, args: Json, bindings: Json) -> Known:
        """What is known of a definition with the values that a use gives its formals."""
        types = {formal: kind for formal, kind, _ in self.definitions[name]["formals"]}
        inner = {n: bindings[v["formal"]] if "formal" in v else v for n, v in args if types[n] in BOUND}
        place = text([name, inner])
        if place not in self.done:
            raise Refused(f"nothing is proved of {name} with these arguments")
        self.used.add(place)
        return self.done[place]

    def pair(self, steps: Json, bindings: Json) -> None:
        """Rule PAIR: one lower and one upper layer of one order; the inverse of a lower one is lower."""
        found = []
        for _, (word, *rest), _ in steps:
            known = self.use(rest[0], rest[1], bindings) if word in ("use", "inverse") else None
            if known is None or known.fact is None:
                raise Refused("a pair takes two layers")
            given = {name: value["direction"] for name, value in rest[1] if "direction" in value}
            found.append((given.get(known.fact.off, known.fact.off), known.order))
        if sorted(direction for direction, _ in found) != ["lower", "upper"] or found[0][1] != found[1][1]:
            raise Refused("a pair takes one lower and one upper layer of one order")


LN2 = Fraction(6931471805599453, 10**16)  # a little less than log(2)
OUTSIDE = ("dequantize", "prior", "classify")  # of the bijection
MOVES = ("squeeze", "unsqueeze", "permute", "reverse", "transpose", "flatten", "patches")  # of entries: rule PERM
STILL = OUTSIDE + MOVES
TIME = '["Vec",[[[1,1,[]]]]]'  # the shape of the time
FACTORS = (["factor", "first"], ["factor", "second"])
BOUND = ("Act", "Order", "Real")  # the types of formals that a proof depends on
