"""The rules of the kernel beside those of the checker, on random facts.

Two copies of the rules, written apart, on floats that are rounded outwards and on exact numbers: what the checker
concludes must be implied by what the kernel concludes.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from math import exp, inf, isinf
from typing import Any

import pytest
from kernel_harmless import fact_implied, order_holds

from mintdsl.core import ir
from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.constraints import CONSTRAINTS
from mintdsl.core.interval import POSITIVE, REAL as EVERYTHING, ZERO, Interval
from mintdsl.core.nat import Nat
from mintdsl.proof import jacobian as j, passages
from mintdsl.proof.acts import defined_facts, registered_facts
from mintdsl.proof.inverses import inverse_kind, inverse_of_part
from mintdsl.proof.jacobian import Atom, Fibre, Jacobian, Smooth
from mintdsl.proof.kernel import exact, facts, flows, layers, rules
from mintdsl.proof.kernel.exact import Signed, Span
from mintdsl.proof.kernel.reading import Refused, read_size
from mintdsl.proof.kernel.rules import Fact
from mintdsl.proof.rules import algebra, bends, flows as flow_rules, modules
from mintdsl.proof.rules.chain import composed, permuted
from mintdsl.proof.undefined import Undefined, divides_by_zero
from mintdsl.source import NOWHERE

Json = Any

# ---------------------------------------------------------------- random facts of the checker

ENDS = (
    -inf,
    -1e308,
    -7.3,
    -2.0,
    -1.0,
    -0.1,
    -1e-200,
    -5e-324,
    0.0,
    5e-324,
    1e-200,
    0.1,
    0.25,
    1 / 3,
    1.0,
    1.5,
    1e200,
    inf,
)
ATOMS = (Atom("a", ("i",)), Atom("b", ()), Atom("c", ("i", "k")))
IMAGES = [a.image for a in ACTIVATIONS.values() if a.image != EVERYTHING]


def interval(generator: random.Random) -> Interval:
    lo, hi = sorted((generator.choice(ENDS), generator.choice(ENDS)))
    if lo == hi:
        return Interval(lo, hi) if not isinf(lo) else EVERYTHING
    return Interval(lo, hi, generator.random() < 0.5, generator.random() < 0.5)


def signed(generator: random.Random) -> j.Signed:
    atoms = frozenset(a for a in ATOMS if generator.random() < 0.2)
    found = interval(generator)
    return j.Signed(frozenset() if found.is_zero else atoms, found)


def random_fact(generator: random.Random) -> Jacobian:
    """One that some function has: its parts do not contradict each other."""
    values, smooth = signed(generator), generator.choice(list(Smooth))
    lip = generator.choice((0.0, 0.1, 1.0, 1 / 3, 1e200, inf))
    off = generator.choice((j.NONE, j.NONE, "lower", "upper", "tri", j.DENSE))
    if off == j.DENSE:
        chain = generator.choice((j.Chain.NONE, j.Chain.NONE, *j.Chain))
        values = j.Signed(j.PLUS, EVERYTHING) if chain else values
        return Jacobian(off, j.Signed(j.PLUS, EVERYTHING), Fibre.UNKNOWN, values, lip=lip, smooth=smooth, chain=chain)
    diag = j.Signed(j.PLUS, j.ZERO) if generator.random() < 0.2 else signed(generator)
    if diag.interval.is_zero:
        if off == j.NONE:
            return j.constant(values)
        return Jacobian(off, diag, Fibre.CONST, values, lip=lip, smooth=smooth)
    fibre = generator.choice((Fibre.AFFINE, Fibre.FORMULA, Fibre.ONTO, Fibre.IMAGE, Fibre.UNKNOWN, Fibre.UNKNOWN))
    image = generator.choice(IMAGES) if fibre is Fibre.IMAGE else EVERYTHING
    found = j.settled(Jacobian(off, diag, fibre, values, image, lip, smooth))
    met = EVERYTHING if found.fibre in j.ONTO else found.image if found.fibre is Fibre.IMAGE else None
    return found if met is None else j.replace(found, range=j.Signed(j.PLUS, met))


def span(found: Interval) -> Span:
    return Span(exact.exact(found.lo), exact.exact(found.hi), found.lo_open, found.hi_open)


def read_signed(found: j.Signed) -> Signed:
    return Signed(frozenset((a.param, a.indices) for a in found.monomial), span(found.interval))


def read(found: Jacobian) -> Fact:
    """The same fact in the kernel."""
    image = span(found.image) if found.fibre is Fibre.IMAGE else None
    lip, smooth, chain = exact.exact(found.lip), int(found.smooth), int(found.chain)
    diag, values = read_signed(found.diag), read_signed(found.range)
    return Fact(found.off, diag, found.fibre.value, image, values, lip, smooth, chain)


def write_span(found: Span) -> Json:
    return list(found)


def write_signed(found: Signed) -> Json:
    return [sorted([param, list(where)] for param, where in found.signs), write_span(found.span)]


def write(found: Fact) -> Json:
    """As in a certificate, except that numbers stay exact."""
    return {
        "off": found.off,
        "diag": write_signed(found.diag),
        "own": found.own,
        "image": None if found.image is None else write_span(found.image),
        "range": write_signed(found.values),
        "lip": found.lip,
        "smooth": found.smooth,
        "chain": found.chain,
    }


WHY = modules.not_triangular("P", NOWHERE, NOWHERE)
SPANS = {"span": NOWHERE, "spans": (NOWHERE, NOWHERE)}
MAP = {"name": "W", "span": NOWHERE, "declared": NOWHERE, "cycle": ""}
Pair = tuple[Callable[[], Jacobian], Callable[[], Fact]]


def random_rule(name: str, generator: random.Random) -> Pair:
    """A rule on random facts, in the checker and in the kernel."""
    a, b = random_fact(generator), random_fact(generator)
    p, q = read(a), read(b)
    match name:
        case "ADD":
            return lambda: algebra.add(a, b, **SPANS), lambda: rules.add(p, q)
        case "ADD of a negated term":
            return lambda: algebra.add(a, algebra.negate(b), **SPANS), lambda: rules.subtract(p, q)
        case "NEG":
            return lambda: algebra.negate(a), lambda: rules.negated(p)
        case "MUL":
            return lambda: algebra.multiply(a, b, **SPANS), lambda: rules.multiply(p, q)
        case "DIV":
            return lambda: divided(a, b), lambda: rules.divide(p, q)
        case "SUM":
            indices = generator.choice((("i",), ("k",), ("i", "k"), ("l",)))
            return lambda: algebra.total(a, indices, span=NOWHERE), lambda: rules.total(p, indices)
        case "BN":
            eps = generator.choice((1e-5, 0.3, 4.0, 1e-300, 1e300, 5e-324))
            return lambda: modules.normalized(a, eps), lambda: rules.normalized(p, Fraction(eps))
        case "COMP":
            direction, strict = generator.choice((None, "lower", "upper", "tri")), generator.random() < 0.3
            diagonal = j.Signed(j.PLUS, j.ZERO) if strict else signed(generator)
            return (
                lambda: modules.apply_map(a, direction, strict, diagonal, **MAP),
                lambda: rules.mapped(p, direction, exact.ANY if direction is None else read_signed(diagonal)),
            )
        case "DET":
            inside = generator.choice((None, POSITIVE, j.ONE))
            kept = Signed(exact.PLUS, exact.REAL if inside is None else span(inside))
            return (
                lambda: modules.apply_map(a, None, False, j.Signed(j.PLUS, EVERYTHING), **MAP, determinant=inside),
                lambda: rules.mapped(p, None, kept),
            )
        case "ACT-P":
            fixed = generator.random() < 0.6
            params = [random_fact(generator) for _ in range(3)]
            params = [j.constant(one.range) if fixed else one for one in params]
            own = [generator.random() < 0.8 for _ in params]
            if generator.random() < 0.5:  # parameters that read earlier elements: mostly those of one direction
                way = generator.choice((a.off, "lower", "lower", "tri"))
                strict = j.Jacobian(way, j.Signed(j.PLUS, ZERO), j.Fibre.CONST, j.Signed(j.PLUS, EVERYTHING))
                params = [strict if generator.random() < 0.7 else one for one in params]
            floor, others = generator.choice((1e-5, 1e-3, 0.1, 1 / 3, 0.4999)), [read(one) for one in params]
            info = generator.choice(list(BIJECTIONS.values()))
            options = (3.0, floor)[: len(info.options)]
            steep = exact.Span(Fraction(floor) ** 3 / 2, 4 / Fraction(floor)) if options else exact.POSITIVE
            return (
                lambda: bends.bend(a, params, info, options, own=own, spans=[NOWHERE] * 4),
                lambda: rules.bent(p, others, own, steep, 2 - len(options) // 2, solved=info.formula),
            )
        case "PERM":
            return lambda: permuted(a, WHY), lambda: rules.permuted(p)
        case "ACT":
            return acts(generator.choice(list(ACTIVATIONS)), a, p, generator)
        case _:
            defined = defined_facts("h", b)
            body = facts.Elementwise(
                q.diag.forgotten, q.values.forgotten, q.met or q.values.forgotten, q.met and exact.REAL, q.smooth
            )
            return lambda: algebra.activate(a, defined, span=NOWHERE, declared=None), lambda: rules.activate(p, body)


def divided(a: Jacobian, b: Jacobian) -> Jacobian:
    if not b.range.interval.one_signed:
        raise Undefined(divides_by_zero(b, NOWHERE))
    return algebra.multiply(a, algebra.reciprocal(b), **SPANS)


def acts(name: str, a: Jacobian, p: Fact, generator: random.Random) -> Pair:
    options = tuple(generator.choice((0.01, 1.0, 2.5, 1e-300)) for _ in ACTIVATIONS[name].options)
    if (
        a.fibre in (Fibre.CONST, Fibre.UNKNOWN) and generator.random() < 0.8
    ):  # arguments in its domain, more often than by chance
        domain = ACTIVATIONS[name].domain
        lo, hi = sorted(generator.uniform(0.001, 0.999) if domain.lo == 0 else generator.uniform(-40, 40) for _ in "ab")
        a = j.replace(a, range=j.Signed(a.range.monomial if domain.lo else j.PLUS, Interval(lo, hi, lo != hi, False)))
        p = p._replace(values=read_signed(a.range))
    argument = a.range.forget().interval

    def checker() -> Jacobian:
        found = registered_facts(ir.BuiltinAct(name, options), argument, {}, NOWHERE)
        return algebra.activate(a, found, span=NOWHERE, declared=None)

    def kernel() -> Fact:
        found = facts.registered(name, list(options), span(argument))
        if found is None:
            raise Refused
        return rules.activate(p, found)

    return checker, kernel


NAMES = (
    "ADD",
    "ADD of a negated term",
    "NEG",
    "MUL",
    "DIV",
    "SUM",
    "BN",
    "COMP",
    "DET",
    "PERM",
    "ACT-P",
    "ACT",
    "ACT of the program",
)


@pytest.mark.parametrize("name", NAMES)
def test_the_checker_concludes_no_more_than_the_kernel(name: str) -> None:
    generator = random.Random(name)
    compared = refused = 0
    for _ in range(1500):
        checker, kernel = random_rule(name, generator)
        try:
            found = kernel()
        except Refused:
            refused += 1
            with pytest.raises(Undefined):
                checker()
            continue
        compared += 1
        concluded = checker()
        assert fact_implied(write(read(concluded)), write(found))
        assert read(concluded).allows(found)  # and the kernel sees it
        assert concluded.chain == found.chain
    print(f"\n{name}: {compared} compared, {refused} undefined in both")
    assert compared >= 300


def test_renaming_and_ties() -> None:
    generator = random.Random(5)
    for _ in range(500):
        found = [signed(generator) for _ in range(generator.randrange(3))]
        one_way = [s for s in found if s.interval.nonnegative or s.interval.nonpositive]
        sign = generator.choice((-1, 1))
        assert read_signed(modules.tied(sign, one_way)).allows(rules.tied(sign, [read_signed(s) for s in one_way]))
        names = {"i": "k", "k": "i"}
        fact = random_fact(generator)
        assert read_signed(fact.diag.rename(names)) == read_signed(fact.diag).renamed(names)


def test_bijections_are_the_same() -> None:
    generator = random.Random(6)
    proved = 0
    for _ in range(3000):
        fact = random_fact(generator)
        bijection = composed(fact) if fact.off == j.DENSE else flow_rules.triangular(fact)
        known = flows.whole(read(fact))
        assert (bijection is None) == (known.domain is None)
        if bijection is not None:
            proved += 1
            assert (span(bijection.domain), bijection.codomain is not None) == (known.domain, known.onto)
            inside = fact.range.forget().interval if bijection.codomain is None else bijection.codomain
            assert span(inside) == known.inside
            assert inverse_kind(fact) == known.inverse
            if fact.off != j.DENSE:
                assert inverse_of_part(fact) == flows.triangular(read(fact), ("affine", "formula")).inverse
            assert fact.unit == known.preserving
    assert proved >= 200


def test_compositions_are_the_same() -> None:
    generator = random.Random(7)
    boxes = (EVERYTHING, Interval(0, 1, True, True), Interval(0, inf, True), Interval(-1, 2, True, True))
    composed = seams = 0
    for _ in range(3000):
        steps = []
        for _ in range(generator.randrange(2, 5)):
            padded, lip = generator.random() < 0.2, generator.choice((0.1, 1.0, 1 / 3, 3.0, inf))
            inside = generator.choice(boxes)
            image = None if padded else generator.choice((None, inside))
            kind = generator.choice(facts.INVERSES)
            flags = {"preserving": generator.random() < 0.5, "evaluation": generator.random() < 0.3}
            step = flow_rules.Passage(
                generator.choice(boxes),
                image,
                inside,
                inverse=kind,
                lip=lip,
                padded=padded,
                assumptions=(kind,),
                **flags,
            )
            steps.append(step)
        checker: flow_rules.Passage | str = steps[0]
        for step in steps[1:]:
            checker = flow_rules.compose(checker, step) if isinstance(checker, flow_rules.Passage) else checker
        try:
            kernel = known(steps[0])
            for step in steps[1:]:
                kernel = kernel.then(known(step))
        except Refused:
            seams += 1
            assert isinstance(checker, str)
            continue
        composed += 1
        assert isinstance(checker, flow_rules.Passage)
        assert known(checker)._replace(lip=0) == kernel._replace(lip=0)
        assert kernel.lip <= exact.exact(checker.lip)
    assert composed >= 300 and seams >= 300


def test_what_leaves_on_the_way_is_the_same() -> None:
    """Rule FACTOR: the checker looks at every beginning that ends in a part, the kernel at what follows as g x id."""
    generator = random.Random(8)
    boxes = (EVERYTHING, Interval(0, 1, True, True), Interval(-1, 2, True, True))
    words: Counter[str] = Counter()
    for _ in range(8000):
        segments: list[list[flow_rules.Passage]] = [[]]
        for _ in range(generator.randrange(2, 7)):
            word, inside = generator.choice(("part", "move", "step", "step")), generator.choice(boxes)
            if word == "part":
                segments.append([])
                continue
            lip, image = generator.choice((0.25, 0.5, 1.0, 2.0, inf)), generator.choice((None, inside, inside))
            step = flow_rules.Passage(generator.choice(boxes), image, inside, lip=lip, why="a reason")
            segments[-1].append(flow_rules.permutation() if word == "move" else step)
        found = factored_by_the_checker(segments)
        try:
            whole = factored_by_the_kernel(segments)
        except Refused:
            words["refused"] += 1
            assert found is None
            continue
        assert found is not None
        if whole is None:
            words["moved"] += 1
            assert found.domain is None and found.lip == 1
            continue
        words["onto" if whole.onto else "not onto"] += 1
        same = {} if whole.onto else {"inside": whole.inside}
        assert known(found)._replace(lip=0, **same) == whole._replace(lip=0)
        assert whole.lip <= exact.exact(found.lip)
        if len(segments) > 1 and 1 < whole.lip < inf:
            words["bounded"] += 1
            assert found.lip <= whole.lip * (1 + Fraction(1, 2**40))
    assert min(words[word] for word in ("refused", "moved", "onto", "not onto", "bounded")) >= 200, words


def factored_by_the_checker(segments: list[list[flow_rules.Passage]]) -> flow_rules.Passage | None:
    chain, left = flow_rules.IDENTITY, []
    for segment in segments:
        for step in segment:
            after = flow_rules.compose(chain, step)
            if isinstance(after, str):
                return None
            chain = after
        left.append(chain)
    return flow_rules.factored(chain, left[:-1])


def factored_by_the_kernel(segments: list[list[flow_rules.Passage]]) -> flows.Known | None:
    whole: flows.Known | None = None
    for segment in reversed(segments):
        part: flows.Known | None = None
        for step in segment:
            part = flows.joined(part, None if step.domain is None else known(step))
        whole = flows.joined(part, whole and whole.beside())
    return whole


def known(passage: flow_rules.Passage) -> flows.Known:
    assert passage.domain is not None
    return flows.Known(
        span(passage.domain),
        span(passage.inside if passage.image is None else passage.image),
        passage.image is not None,
        exact.exact(passage.lip),
        passage.preserving,
        passage.inverse,
        "none" if passage.padded else "exact",
        passage.evaluation,
        passage.assumptions,
    )


@pytest.mark.parametrize("lip", [1e-300, 0.3, 0.999, 1.0, 1.001, 3.0, inf])
@pytest.mark.parametrize("count", [Nat.of(1), Nat.of(7), Nat.of(10_000), Nat.of(10_001), Nat.symbol("K")])
def test_powers_of_lipschitz_bounds(lip: float, count: Nat) -> None:
    once = flows.IDENTITY._replace(lip=exact.exact(lip))
    size = read_size([[r.top, r.bottom, list(m)] for m, r in count.terms])
    found = once.copies(size.lo, size.hi).lip
    assert found <= exact.exact(passages.power(lip, count))
    assert found >= Fraction(lip) ** 10_000 if lip < 1 else found >= lip


def test_sizes_and_sets_are_the_same() -> None:
    from mintdsl.proof.acts import size_of

    a, b, c = Nat.symbol("A"), Nat.symbol("B"), Nat.of(3)
    for size in (c, Nat.of(0), a, a * b, a + b, a * c, (a * a).over(3), a - c, Nat.of(-2) * a, Nat.of(5).over(2)):
        terms = [[r.top, r.bottom, list(m)] for m, r in size.terms]
        assert read_size(terms).within(span(size_of(size)))
    numbers = {0: (), 1: (0.3,), 2: (0.3, 7.0)}
    for constraint in CONSTRAINTS:
        for via in constraint.via if constraint.quantity == "diag" else ():
            found, free = facts.constrained(constraint.cmp, list(numbers[constraint.bounds]), via.name)
            assert found == span(constraint.interval(*numbers[constraint.bounds]))
            assert free == (via.signed or via.assumed) and (via.name in facts.ASSUMED) == via.assumed
    with pytest.raises(Refused, match="cosine"):
        facts.constrained("> 0", [], "cosine")


def test_orders_found_are_tested_tap_by_tap() -> None:
    """Against a walk over all taps, for orders that fit and orders that do not."""
    generator = random.Random(8)
    fit = other = 0
    for _ in range(1500):
        rows, declared = ([row(generator) for _ in range(generator.choice((1, 2, 3)))] for _ in "ab")
        size = generator.choice(([1, 1], [3, 3], [2, 3], [1, 5]))
        anchor = generator.choice(("corner", [generator.randrange(size[0]), generator.randrange(size[1])]))
        channels = generator.choice(([[1, 1, []]], [[3, 1, []]], [[1, 1, ["C"]]], [[1, 1, ["A", "B"]], [1, 1, []]]))
        kind = ["conv", size, anchor, generator.choice(("lower", "upper")), generator.random() < 0.5]
        param = {"name": "W", "kind": kind, "from": ["Image", [channels, [], []]]}
        if generator.random() < 0.4:  # one that has a chance
            rows = [[v * {"lower": 1, "upper": -1}[kind[3]] for v in one] for one in declared]
            rows.insert(generator.randrange(len(rows) + 1), generator.choice(([0, 0, 0], row(generator))))
        most = 40 if channels[0][2] else channels[0][0] - 1
        expected = order_holds(rows, {"order": {"order": declared}, "params": [param]}, {}, most)
        try:
            layers.follows(rows, declared, param)
        except Refused:
            other += 1
            assert not expected
        else:
            fit += 1
            assert expected
    assert fit >= 200 and other >= 200


def row(generator: random.Random) -> list[int]:
    return [generator.choice((-2, -1, 0, 0, 1, 3)) for _ in range(3)]


def test_an_exponential_is_no_steeper_than_exp_of_its_bound() -> None:
    for bound in (0.25, 0.95, 1.0, 2.0, 4.0):
        found = rules.exponential(rules.VARIABLE, Fraction(bound))
        assert exp(bound) * (1 - 1e-15) <= found.lip <= exp(bound) * (1 + 1e-15)
        assert found.chain == 1 and found.off == rules.DENSE


def test_an_exponential_needs_a_bound_and_a_map_of_one_space() -> None:
    shape, other = ["Vec", [[[1, 1, ["D"]]]]], ["Vec", [[[7, 1, []]]]]
    good = {
        "name": "M",
        "kind": ["linear", None, False],
        "from": shape,
        "to": shape,
        "with": ["lip <=", [4.0], "spectral"],
    }
    assert layers.steepness(good) == 4
    bad = (
        {"with": None},
        {"with": ["lip <=", [4.5], "spectral"]},
        {"with": ["det != 0", [], "plu"]},
        {"to": other},
        {"kind": ["linear", "lower", False]},
        {"kind": ["linear", None, True]},
        {"kind": ["perm", "channel", 0]},
    )
    for change in bad:
        with pytest.raises(Refused):
            layers.steepness(good | change)


def test_only_what_is_onto_has_an_inverse_direction() -> None:
    box = flows.Known(exact.REAL, exact.UNIT, True, Fraction(1), preserving=True, inverse="iterative")
    found = box.inverted()
    assert (found.domain, found.inside, found.onto, found.lip) == (exact.UNIT, exact.REAL, True, inf)
    assert found.inverse == "closed_form" and found.preserving
    for lost in (box._replace(onto=False), box._replace(domain=None)):
        with pytest.raises(Refused):
            lost.inverted()
