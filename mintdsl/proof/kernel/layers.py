"""A layer of the statement beside the facts that a certificate gives for the nodes of its formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from graphlib import CycleError, TopologicalSorter
from math import inf
from typing import NamedTuple

from mintdsl.proof.kernel.exact import ANY, NONNEGATIVE, PLUS, POSITIVE, REAL, ZERO, Number, Signed, Span, point
from mintdsl.proof.kernel.facts import ASSUMED, INVERSES, Elementwise, constrained, metric, norm, registered
from mintdsl.proof.kernel.flows import Flows, Known, applied, whole
from mintdsl.proof.kernel.nets import operands, order_of, read_by, standing
from mintdsl.proof.kernel.reading import Json, Refused, read_size, text
from mintdsl.proof.kernel.rules import (
    DENSE,
    NONE,
    VARIABLE,
    Fact,
    Terms,
    activate,
    add,
    bent,
    cayley,
    constant,
    divide,
    exponential,
    mapped,
    multiply,
    negated,
    network,
    normalized,
    permuted,
    placed,
    read_fact,
    subtract,
    term,
    tied,
    total,
)
from mintdsl.proof.kernel.steepness import Net, Steep
from mintdsl.proof.kernel.taps import determinant, differences, follows, steepness

BINARY = {"+": ("ADD", add), "-": ("ADD", subtract), "*": ("MUL", multiply), "/": ("DIV", divide)}


class Scope(NamedTuple):
    """What the names in a formula mean. `used` collects the activations that formulas name."""

    bindings: Json
    params: Mapping[str, Json]
    diagonals: Mapping[str, Signed]
    directions: Mapping[str, str | None]
    variable: str
    acts: dict[str, Fact]
    lets: dict[str, tuple[list[str], Fact, Terms]]
    used: set[str]
    nets: Mapping[str, Json]
    place: Json  # the shape, and the order where that is the declared one
    order: Json
    layers: Mapping[str, Known]  # that the formula applies
    layer: Json
    table: Json  # the activations that the program defines
    metric: float  # of the norm in which Lipschitz constants are followed

    def formula(self, nodes: Json, steps: Json, where: str) -> tuple[Fact, Terms]:
        """The fact stated for the last node, each checked against those of its operands, and its terms."""
        facts: dict[int, Fact] = {}
        terms: dict[int, Terms] = {}
        for k, ((word, *rest), (rule, stated)) in enumerate(zip(nodes, steps, strict=True)):
            name, found = self.node(word, rest, facts)
            facts[k] = read_fact(stated)
            terms[k] = term(facts[k]) if facts[k].off == NONE else self.terms(word, rest, facts[k], terms)
            terms[k] = terms[k]._replace(branch=facts[rest[0]].lip) if word == "cayley" else terms[k]
            if rule == "RES" and name == "ADD" and found.off == DENSE and not found.chain and terms[k].residual:
                name, found = rule, found._replace(chain=1)
            if rule != name or not facts[k].allows(found):
                raise Refused(f"{where}, node {k}: what is stated does not follow by {name}")
        return facts[len(nodes) - 1], terms[len(nodes) - 1]

    def terms(self, word: str, rest: Json, fact: Fact, terms: Mapping[int, Terms]) -> Terms:
        """The terms of a node, as rule RES takes them."""
        match word, rest:
            case "+", [a, b]:
                return terms[a].plus(terms[b])
            case "-", [a, b]:
                return terms[a].plus(terms[b].minus())
            case "neg", [arg]:
                return terms[arg].minus()
            case "let", [name, _]:
                return self.lets[name][2]
            case _:
                return term(fact)

    def node(self, word: str, rest: Json, facts: Mapping[int, Fact]) -> tuple[str, Fact]:
        """The rule of a node, and what follows by it."""
        match word, rest:
            case "var", [name]:
                return ("VAR", VARIABLE) if name == self.variable else ("CONST", constant(ANY))
            case "given", []:
                return "CONST", constant(ANY)
            case "number", [value]:
                return "CONST", constant(Signed(PLUS, point(value)))
            case "formal", [name]:
                return "CONST", constant(Signed(PLUS, point(self.bindings[name]["real"])))
            case "size", [size]:
                return "CONST", constant(Signed(PLUS, read_size(size)))
            case "value", [name, indices]:
                bias = self.params[name]["kind"][0] == "bias"
                return "CONST", constant(ANY if bias else self.diagonal(name, indices))
            case "let", [name, indices]:
                declared, fact, _ = self.lets[name]
                names = renaming(declared, indices)
                return "LET", fact._replace(diag=fact.diag.renamed(names), values=fact.values.renamed(names))
            case "map", [name, indices, arg]:
                return self.mapped(name, indices, facts[arg])
            case "exp", [name, arg]:
                found, param = exponential(facts[arg], steepness(self.params[name])), self.params[name]
                known = found.constant or norm(param["with"], self.metric) < inf
                return "EXP", found if known else found._replace(lip=inf)
            case "cayley", [arg]:
                return "CAYLEY", cayley(facts[arg])
            case "act", [act, arg]:
                return "ACT", activate(facts[arg], self.act(act, facts[arg].values.forgotten))
            case "rq_spline", [bins, bound, floor, *given]:
                own, arg, *params = operands(given, self.layer["split"])
                if len(params) != 3 or not bound > 0 or not 0 < Fraction(floor) * read_size(bins).lo < 1:
                    raise Refused("a spline of another form than it should have")
                slope = Span(Fraction(floor) ** 3 / 2, 4 / Fraction(floor))
                return "ACT-P", bent(facts[arg], [facts[param] for param in params], own, slope, 1, solved=True)
            case "mix_logistic", [count, *given]:
                own, arg, *params = operands(given, self.layer["split"])
                if len(params) != 3 or read_size(count).hi < 1:
                    raise Refused("a mixture of another form than it should have")
                return "ACT-P", bent(facts[arg], [facts[param] for param in params], own, POSITIVE, 2, solved=False)
            case "neg", [arg]:
                return "NEG", negated(facts[arg])
            case "+" | "-" | "*" | "/", [a, b]:
                name, rule = BINARY[word]
                return name, rule(facts[a], facts[b])
            case "net", [name, _, output, *args]:
                given = [facts[arg] for arg in args]
                return "NET", network(given, self.strict(name, output), self.steep(word, rest, facts))
            case "chain", [name, _, arg]:
                return "NET", network([facts[arg]], self.strict(name, 0), self.steep(word, rest, facts))
            case "concat", [_, *args]:
                return "NET", network([facts[a] for a in args], [None] * len(args), self.steep(word, rest, facts))
            case "layer", [name, arg]:
                return "APPLY", applied(facts[arg], self.layers[name], self.way(name), self.metric)
            case "sum", [indices, arg]:
                return "SUM", total(facts[arg], indices)
            case ("spread", [arg]) | ("pick", [_, arg]):
                return "PICK", placed(facts[arg], word == "spread")
            case _:
                raise Refused(f"no rule for a node {word!r}")

    def diagonal(self, name: str, indices: Sequence[str]) -> Signed:
        """The diagonal of a parameter, or the values of a scale, at the indices of a use."""
        return self.diagonals[name].renamed(renaming(self.params[name]["indices"], indices))

    def mapped(self, name: str, indices: Sequence[str], f: Fact) -> tuple[str, Fact]:
        """A map applied to an expression; BASIC is the rule where that is the variable itself, or has its fact."""
        kind, *options = self.params[name]["kind"]
        if kind == "normalize":
            return "BN", normalized(f, Fraction(options[0]))
        if kind == "perm":
            return "PERM", permuted(f)
        if rule := determinant(self.params[name]):
            return rule, mapped(f, None, self.diagonal(name, indices))
        direction = self.directions[name]
        diagonal = ANY if direction is None else self.diagonal(name, indices)
        result = mapped(f, direction, diagonal, norm(self.params[name]["with"], self.metric))
        return "BASIC" if f == VARIABLE else "COMP", result

    def way(self, name: str) -> str:
        """The direction in the order at hand of a layer that is applied, DENSE where it has none there."""
        inner, args = self.layers[name], dict(self.params[name]["kind"][2])
        if inner.fact is None or inner.fact.diag.signs:
            return DENSE
        off = inner.fact.off
        same = off == NONE or text(inner.order) == text(self.order)
        return str(args[off]["direction"] if off in args else off) if same else DENSE

    def strict(self, name: str, output: int) -> list[str | None]:
        """For each argument of a net the one direction in which it is read, "" where it is not; None: not known."""
        kind, (shape, order) = self.params[name]["kind"], self.place
        found = read_by(self.nets, kind, order, {})[output]
        same = order is not None and order_of(self.nets[kind[1]], dict(kind[2]), order) == order
        fits = [same and source == shape and standing(self.nets[kind[1]], kind, output, shape) for source in kind[3]]
        ways = [next(iter(reads), "") if len(reads) < 2 else "?" for reads in found]
        return [
            "" if way == "" else way if fit and way not in "=?" else None for way, fit in zip(ways, fits, strict=True)
        ]

    def steep(self, word: str, rest: Json, facts: Mapping[int, Fact]) -> Number:
        """How steep a net, a chain of nets or channels stacked are."""
        place = Net(self.layer, self.bindings, self.nets, self.table, 1, self.metric)
        return place.applied(word, rest, {k: Steep((fact.lip,)) for k, fact in facts.items()}).lips[0]

    def act(self, act: Json, argument: Span) -> Elementwise:
        """What is known of an activation for arguments in `argument`."""
        act = self.bindings[act["formal"]] if "formal" in act else act
        if "defined" in act:
            place = str(act["defined"])
            self.used.add(place)
            body = self.acts[place]
            values = body.values.forgotten
            whole = REAL if body.met is not None else None
            return Elementwise(body.diag.forgotten, values, body.met or values, whole, body.smooth)
        options = [self.bindings[o]["real"] if isinstance(o, str) else o for o in act["options"]]
        found = registered(act["act"], options, argument)
        if found is None:
            raise Refused(f"{act['act']} gets arguments outside its domain")
        return found

    def values(self, nodes: Json) -> Fact:
        """What a formula of a net gives, of anything that inputs and maps give; refused where it may have no value."""
        facts: dict[int, Fact] = {}
        for k, (word, *rest) in enumerate(nodes):
            match word, rest:
                case "act", [act, arg]:
                    act = self.bindings[act["formal"]] if "formal" in act else act
                    if "defined" in act and str(act["defined"]) not in self.acts:
                        self.acts[str(act["defined"])] = self.values(self.table[act["defined"]][1])
                    facts[k] = activate(facts[arg], self.act(act, facts[arg].values.forgotten))
                case (("number" | "formal" | "size" | "value" | "let" | "neg" | "+" | "-" | "*" | "/"), _):
                    _, facts[k] = self.node(word, rest, facts)
                case _:
                    facts[k] = constant(ANY)
        return facts[len(nodes) - 1]


def functions(uses: Sequence[Json], bindings: Json, acts: Json, nets: Mapping[str, Json]) -> None:
    """Of rule NET: that each net that is used, and each in it, has a value for every input."""
    work, seen = [(use, bindings) for use in uses], set()
    while work:
        (_, name, args, _, _), outer = work.pop()
        own = {n: outer[v["formal"]] if v and "formal" in v else v for n, v in args}
        if nets[name]["kind"] == "extern" or (place := text([name, own])) in seen:
            continue
        seen.add(place)
        params = {p["name"]: given(p, own) for p in nets[name]["params"]}
        scope = Scope(own, params, diagonals(params), {}, "", {}, {}, set(), nets, None, None, {}, nets[name], acts, 2)
        for let, indices, nodes in nets[name]["lets"]:
            fact = scope.values(nodes)
            scope.lets[let] = (indices, fact, term(fact))
        for nodes in nets[name]["results"]:
            scope.values(nodes)
        work += [(p["kind"], own) for p in params.values() if p["kind"][0] == "net"]


def renaming(names: Sequence[str], indices: Sequence[str]) -> dict[str, str]:
    """From the indices that something is declared with to those of a use."""
    return dict(zip(names, indices, strict=True))


def diagonals(params: Mapping[str, Json]) -> dict[str, Signed]:
    """The diagonal of each parameter at the indices it is declared with; pivots of ties after the other factors."""
    found: dict[str, Signed] = {}
    factors = {name: param["tie"][1] if param["tie"] else [] for name, param in params.items()}
    for name in TopologicalSorter({n: [f for f, _ in fs] for n, fs in factors.items()}).static_order():
        param, sign = params[name], frozenset({(name, tuple(params[name]["indices"]))})
        if param["tie"]:
            here = renaming(param["tie"][0], param["indices"])
            uses = [(f, renaming(params[f]["indices"], [here[i] for i in where])) for f, where in factors[name]]
            found[name] = tied(param["tie"][2], [found[f].renamed(names) for f, names in uses])
        elif param["with"]:
            span, free = constrained(*param["with"])
            found[name] = Signed(sign if free else PLUS, span)
        else:
            strict = param["kind"][-1] is True
            found[name] = Signed(PLUS, ZERO) if strict else Signed(sign, NONNEGATIVE)
    return found


def check_layer(layer: Json, acts: Json, proof: Json, others: Flows) -> Known:
    """What is proved of a layer; each formula must be proved node by node."""
    params = {p["name"]: given(p, proof["bindings"]) for p in layer["params"]}
    for p in params.values():
        if "stride" in p:
            raise Refused(f"{p['name']} has a stride, and stands in a layer")
        if p["kind"][0] == "conv":
            differences(p)  # refuses what is no kernel
    written = {name: (indices, nodes) for name, indices, nodes in layer["lets"]}
    formulas = [nodes for *_, nodes in (*layer["lets"], *layer["results"])]
    maps = {node[1] for nodes in formulas for node in nodes if node[0] == "map"}
    bindings, declared = proof["bindings"], layer["order"]
    ordered = declared if "order" in declared else bindings[declared["formal"]]
    if layer["on"][0] not in ("Any", ordered["space"]):
        raise Refused(f"{layer['name']}: its order is one of {ordered['space']}")
    order = ordered["order"]
    kinds = {name: params[name]["kind"] for name in maps}
    directions = {name: kind[-2] if kind[0] in ("conv", "linear") else None for name, kind in kinds.items()}
    if proof["order"] is not None:
        masked = [name for name, direction in directions.items() if direction is not None]
        if {directions[name] for name in masked} != {"lower", "upper"}:
            raise Refused(f"{layer['name']}: an order is stated where the declared one does")
        for name in masked:
            follows(proof["order"], order, params[name])
        order, directions = proof["order"], directions | dict.fromkeys(masked, "lower")
    place = [layer["on"], ordered if proof["order"] is None else None]
    uses = {name: p["kind"] for name, p in params.items() if p["kind"][0] == "layer"}
    below = {name: others.known(callee, args, bindings) for name, (_, callee, args, _) in uses.items()}
    made, nets = diagonals(params), others.definitions
    way = metric(layer, nets)
    functions([p["kind"] for p in params.values() if p["kind"][0] == "net"], bindings, acts, nets)
    scope = Scope(bindings, params, made, directions, "", {}, {}, set(), nets, place, order, below, layer, acts, way)
    for place, steps in sorted(proof["acts"].items(), key=lambda item: int(item[0])):
        body = acts[int(place)][1]
        argument = next((node[1] for node in body if node[0] == "var"), "")
        scope.acts[place] = scope._replace(variable=argument).formula(body, steps, f"activation {place}")[0]
    found, reads = [], {}
    for (variable, nodes), one in zip(layer["results"], proof["formulas"], strict=True):
        if set(one) != {"lets", "result"}:
            raise Refused(f"{layer['name']}: a proof of a formula has other parts than it should")
        part = scope._replace(variable=variable, lets={})
        for name, steps in one["lets"]:
            indices, body = written[name]
            if name in part.lets:
                raise Refused(f"{layer['name']}: `{name}` is proved twice")
            part.lets[name] = (indices, *part.formula(body, steps, f"{layer['name']}, {name}"))
        fact, terms = part.formula(nodes, one["result"], f"{layer['name']}, result")
        read = {
            node[1] for body in (nodes, *(written[name][1] for name in part.lets)) for node in body if node[0] == "var"
        }
        found.append(whole(fact) if layer["split"] is None else whole(fact, ("affine", "formula")))
        reads[variable] = read - {variable}
    if scope.used != set(proof["acts"]):
        raise Refused(f"{layer['name']}: facts of activations that nothing uses")
    assumed = [p for p in layer["params"] if p["with"] and p["with"][2] in ASSUMED]
    places = [f"{p['name']}[{', '.join(p['indices'])}]" if p["indices"] else p["name"] for p in assumed]
    evaluation = any(p["kind"][0] == "normalize" for p in layer["params"])
    what = ["det" if determinant(p) else "diag" for p in assumed]
    pairs = zip(what, places, strict=True)
    assumes = tuple(f"{word}({place}) != 0 of {layer['name'].partition('#')[0]}" for word, place in pairs)
    known = found[0] if layer["split"] is None else joined(found, reads)
    inner = list(below.values())
    steps = [step for one in proof["formulas"] for part in (*one["lets"], [0, one["result"]]) for step in part[1]]
    rules = {rule for rule, _ in steps}
    solved, summed = "CAYLEY" in rules, bool(rules & {"RES", "CAYLEY"})
    own = "iterative" if summed or "DOMINANT" in rules else known.inverse
    odd = layer["split"] is None and terms.branch is not None
    lip = terms.branch if odd else terms.contraction if layer["split"] is None and terms.residual else None
    return known._replace(
        residual=summed,
        contraction=lip,
        odd=odd,
        solved=solved or any(one.solved for one in inner),
        inverse=max((own, *(one.inverse for one in inner)), key=INVERSES.index),
        evaluation=evaluation or any(one.evaluation for one in inner),
        assumes=tuple(dict.fromkeys((*assumes, *(a for one in inner for a in one.assumes)))),
        order=order,
        metric=way,
    )


def given(param: Json, bindings: Json) -> Json:
    """A parameter with the number of its constraint, where a formal gives that."""
    if not param["with"] or not isinstance(param["with"][1], dict):
        return param
    what, number, via = param["with"]
    return param | {"with": [what, [bindings[number["formal"]]["real"]], via]}


def joined(found: Sequence[Known], reads: Mapping[str, set[str]]) -> Known:
    """Rule JOIN: what follows for a layer of the maps of its parts, and of which parts each reads."""
    names, parts = list(reads), []
    for k, (known, read) in enumerate(zip(found, reads.values(), strict=True)):
        places = [names.index(name) for name in read]
        sides = {"lower": all(p < k for p in places), "upper": all(p > k for p in places), "diagonal": not places}
        assert known.fact is not None
        parts.append((known.fact, {word for word, holds in sides.items() if holds}))
    try:
        TopologicalSorter(reads).prepare()
    except CycleError:
        found, parts = [known._replace(domain=None) for known in found], []
    inside = found[0].inside
    for known in found[1:]:
        inside = inside.hull(known.inside)
    return Known(
        REAL if all(known.domain is not None for known in found) else None,
        inside,
        all(known.onto and known.inside == inside for known in found),
        inf if any(reads.values()) else max(known.lip for known in found),
        preserving=all(known.preserving for known in found),
        inverse=max((known.inverse for known in found), key=INVERSES.index),
        parts=tuple(parts),
    )
