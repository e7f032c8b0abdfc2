"""What a net of the statement reads, a second time: which positions q of its inputs reach position p of a result.

A position is the index of a Vec or the token of a Seq. A shape with a third entry, a Vec of that many elements for each
one of the first input, has so many at each position. A set holds "=" where q = p may be read, the word of a direction
where q before (after) p may, ALL where nothing is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product

from mintdsl.proof.kernel.reading import Json, Refused, text

Set = frozenset[str]
ALL: Set = frozenset({"?"})
TIME = {"order": [[1, 0]], "space": "Seq"}


def union(sets: Sequence[Set]) -> Set:
    """All that is read; of two directions nothing is known."""
    words = frozenset().union(*sets)
    return ALL if len(words - {"="}) > 1 else words


def through(first: Set, then: Set) -> Set:
    """What is read by something that reads `then` of what reads `first`: each direction goes on as itself only."""
    pairs = [(a, b) for a in first for b in then]
    return union([frozenset({b if a == "=" else a}) if "=" in (a, b) or a == b else ALL for a, b in pairs])


def read_by(nets: Mapping[str, Json], kind: Json, outer: Json, words: Mapping[str, str]) -> list[list[Set]]:
    """For each result of a net that is a parameter, what it reads of each input."""
    _, name, args, _, _ = kind
    net, given = nets[name], dict(args)
    if net["kind"] == "extern":  # a module that the user gives
        return [[ALL for _ in net["from"]] for _ in net["to"]]
    order = order_of(net, given, outer)
    own = {formal: words.get(v["direction"], v["direction"]) for formal, v in args if v and "direction" in v}
    params = {p["name"]: p for p in net["params"]}
    lets: dict[str, list[Set]] = {}
    token, inputs = order == TIME, len(net["from"])
    vector = order is not None and order["space"] == "Vec"

    def placed(shape: Json) -> bool:
        return token or (vector and shape == net["from"][0])

    def mapped(param: Json) -> Set:
        word, *rest = param["kind"]
        sides = [param["from"], param["to"]]
        if word == "linear" and any(len(side) > 2 and not shared(side, net["from"][0]) for side in sides):
            return ALL
        if word == "linear" and rest[0] is not None and vector:
            return frozenset({own.get(rest[0], rest[0])} | (set() if rest[1] else {"="}))
        if word == "attention" and rest[1] is not None and token:
            return frozenset({own.get(rest[1], rest[1]), "="})
        return frozenset({"="}) if token and (word == "layer_norm" or rest[:1] == [None]) else ALL

    def called(name: str, output: int, below: Sequence[Set]) -> Set:
        inner = params[name]["kind"]
        found = read_by(nets, inner, order, own)[output]
        known = order is not None and order_of(nets[inner[1]], dict(inner[2]), order) == order
        there = token or standing(nets[inner[1]], inner, output, net["from"][0])
        fits = [known and there and placed(source) for source in inner[3]]
        return union([through(b, r if fit else ALL) for b, r, fit in zip(below, found, fits, strict=True) if r])

    def formula(nodes: Json, k: int) -> Set:
        done: list[Set] = []
        for word, *rest in nodes:
            match word, rest:
                case "input", [place]:
                    shape = net["from"][k]  # of another shape: its elements have no positions of this net
                    known = shape == net["from"][0] or (token and shape[0] == "Seq")
                    found: Set = frozenset() if place != k else frozenset({"="}) if known else ALL
                case "let", [name, _]:
                    found = lets[name][k]
                case "number" | "formal" | "size" | "value", _:
                    found = frozenset()
                case "map", [name, _, arg]:
                    found = through(done[arg], mapped(params[name]))
                case "delay", [arg]:
                    found = through(done[arg], frozenset({"lower"}) if token else ALL)
                case "net", [name, _, output, *args]:
                    found = called(name, output, [done[arg] for arg in args])
                case "chain", [name, _, arg]:
                    found = called(name, 0, [done[arg]])
                case "act" | "sum" | "swish", [_, arg]:
                    found = done[arg]
                case "neg" | "+" | "-" | "*" | "/", args:
                    found = union([done[arg] for arg in args])
                case ("concat", [kinds, *args]) | ("weighted", [_, kinds, *args]) if token:
                    beside = all(kind == "Seq" or not done[arg] for kind, arg in zip(kinds, args, strict=True))
                    found = union([done[arg] if beside else through(done[arg], ALL) for arg in args])
                case ("concat", [_, *args]) | ("weighted", [_, _, *args]):
                    found = union([through(done[arg], ALL) for arg in args])
                case "rq_spline" | "mix_logistic", [*_, arg, first, second, third]:
                    found = union([through(done[place], ALL) for place in (arg, first, second, third)])
                case "clip_swish", [*_, arg]:
                    found = through(done[arg], ALL)
                case _, args:
                    found = union([through(done[arg], ALL) for arg in args])
            done.append(found)
        return done[-1]

    for name, _, nodes in net["lets"]:
        lets[name] = [formula(nodes, k) for k in range(inputs)]
    return [[formula(nodes, k) for k in range(inputs)] for nodes in net["results"]]


def operands(given: Sequence[Json], split: Json) -> list[Json]:
    """Which parameters of a bijection stand where what they bend does, of a split none; and the operands."""
    own, *rest = given if type(given[0]) is list else [[False] * (len(given) - 1), *given]
    if len(own) != len(rest) - 1 or {type(at) for at in own} - {bool}:
        raise Refused("positions of parameters that it does not have")
    return [own if split is None else [False] * len(own), *rest]


def standing(net: Json, kind: Json, output: int, data: Json) -> bool:
    """Whether a result stands at the positions of `data` where a net is used, and for the net at those of its input."""
    result, target, own = net["to"][output], kind[4][output], net["from"][0]
    if target == data:
        return data[0] == "Seq" or result == own or shared(result, own)
    return shared(result, own) and shared(target, data)


def shared(shape: Json, data: Json) -> bool:
    """Whether it has a third entry, and as many elements for each one of `data`: sums of products are compared."""
    if len(shape) != 3 or [shape[0], data[0]] != ["Vec", "Vec"]:
        return False
    total: dict[str, Fraction] = defaultdict(Fraction)
    for sign, one, other in ((1, shape[2], data[1][0]), (-1, shape[1][0], [[1, 1, []]])):
        for (a, b, names), (c, d, more) in product(one, other):
            total[text(sorted([*names, *more]))] += sign * Fraction(a, b) * Fraction(c, d)
    return not any(total.values()) and all(bottom == 1 for _, bottom, _ in shape[2])


def order_of(net: Json, given: Mapping[str, Json], outer: Json) -> Json:
    """The order of a net; None where it is not that of the place of its use."""
    order = given.get(net["order"]["formal"]) if "formal" in net["order"] else net["order"]
    return order if outer is not None and text(order) == text(outer) else None
