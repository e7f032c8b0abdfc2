"""The kernel: it accepts what is proved, and of changed certificates only those that are still true."""

from __future__ import annotations

import ast
import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from kernel_certificates import CLAIMS, MUTATORS, Example, examples, mutant
from kernel_harmless import harmless

import mintdsl
from mintdsl.core import ir
from mintdsl.core.canonical import Statement, digest
from mintdsl.proof.certificate import certificate
from mintdsl.proof.check import LayerProof
from mintdsl.proof.claims import Proved, check_claim, flow_claim
from mintdsl.proof.kernel import TRUSTED, Refused, recheck
from mintdsl.proof.kernel.facts import ACTS, SETS
from mintdsl.proof.kernel.layers import diagonals
from mintdsl.proof.prover import Prover

Json = Any
KERNEL = Path(mintdsl.__file__).parent / "proof" / "kernel"


def program(text: str) -> tuple[ir.Program, str]:
    core, bag = mintdsl.loads("mint 1\n" + text).core()
    assert not bag.has_errors, bag.sorted()
    return core, core.main[-1]


def statement_of(text: str) -> Json:
    return json.loads(json.dumps(Statement(*program(text)).data()))


def certified(text: str) -> Json:
    core, key = program(text)
    return json.loads(json.dumps(certificate(core, key, Prover(core))))


def forged(statement: Json, *proofs: Json) -> Json:
    return {"certificate": 1, "hash": digest(statement), "statement": statement, "proofs": list(proofs)}


def refused(certificate: Json, statement: Json) -> str:
    with pytest.raises(Refused) as problem:
        recheck(certificate, statement)
    return str(problem.value)


# ---------------------------------------------------------------- what is proved


def test_every_proved_program_is_accepted() -> None:
    found = examples()
    assert len(found) >= 150
    for one in found:
        names = recheck(*one.read())
        assert names[-1] == one.read()[1]["definitions"][-1]["name"]


def test_the_examples_use_every_rule_and_every_claim() -> None:
    certificates = [one.read()[0] for one in examples()]
    rules = {
        step[0]
        for found in certificates
        for proof in found["proofs"]
        for steps in [
            *(s for one in proof.get("formulas", []) for s in (*(steps for _, steps in one["lets"]), one["result"])),
            *proof.get("acts", {}).values(),
        ]
        for step in steps
    }
    arithmetic = {"NEG", "ADD", "SUM", "MUL", "DIV"}
    maps = {"BASIC", "COMP", "ACT", "ACT-P", "BN", "PERM", "DET", "HALF-PLANE", "CIRCULANT", "EXP", "PICK", "NET"}
    maps |= {"APPLY", "RES", "DOMINANT", "LOWRANK", "CAYLEY"}
    assert rules == {"VAR", "CONST", "LET"} | maps | arithmetic
    definitions = [d for found in certificates for d in found["statement"]["definitions"]]
    steps = json.dumps([d["steps"] for d in definitions if d["kind"] == "flow"])
    words = (
        "squeeze",
        "permute",
        "reverse",
        "transpose",
        "flatten",
        "patches",
        "logit",
        "standardize",
        "pad",
        "factor",
        "repeat",
        "pair",
        "use",
        "inverse",
    )
    assert all(f'"{word}"' in steps for word in words)
    claims = {claim[0] for d in definitions for claim in d.get("claims", [])}
    assert claims >= {claim[0] for claim in CLAIMS}
    assert any(proof.get("order") for found in certificates for proof in found["proofs"])
    assert any(proof["assumes"] for found in certificates for proof in found["proofs"])


def test_the_kernel_imports_the_standard_library_and_itself() -> None:
    for path in KERNEL.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import():
                    names = [alias.name for alias in node.names]
                case ast.ImportFrom():
                    assert node.level == 0
                    names = [node.module or ""]
                case _:
                    continue
            for name in names:
                assert name.startswith("mintdsl.proof.kernel") or name.split(".")[0] in sys.stdlib_module_names


def test_the_kernel_runs_where_nothing_else_is(tmp_path: Path) -> None:
    folder = tmp_path / "mintdsl" / "proof" / "kernel"
    shutil.copytree(KERNEL, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for package in (tmp_path / "mintdsl", tmp_path / "mintdsl" / "proof"):
        (package / "__init__.py").touch()
    one = next(e for e in examples() if "Mnist" in e.label)
    (tmp_path / "certificate.json").write_text(one.certificate)
    code = (
        f"import json, sys; sys.path.insert(0, {str(tmp_path)!r}); from mintdsl.proof.kernel import recheck; "
        f"read = json.load(open({str(tmp_path / 'certificate.json')!r})); print(recheck(read, read['statement'])[-1])"
    )
    found = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == one.read()[1]["definitions"][-1]["name"]


def test_what_is_trusted_is_listed_by_its_place() -> None:
    heads = [line.partition(":")[0] for line in TRUSTED]
    places = "reading meaning splines mixtures solvers parameters activations numbers rules Python"
    assert heads == places.split()


# ---------------------------------------------------------------- what is changed


def test_mutants_are_refused_or_harmless() -> None:
    made: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    found = examples()
    for k, one in enumerate(found):
        for name in [n for n in MUTATORS if n != "strengthen_a_claim"][k % 3 :: 3]:
            seed = f"{name} {k}"
            other = found[random.Random(seed).randrange(len(found))]
            changed = mutant(name, one, other, seed)
            if changed is None:
                continue
            made[name] += 1
            original, statement = one.read()
            try:
                recheck(changed, statement)
            except Refused:
                continue
            accepted[name] += 1
            assert harmless(changed, original), (name, one.label)
    print(f"\n{made.total()} mutants, {made.total() - accepted.total()} refused, {accepted.total()} harmless")
    print("\n".join(f"  {name}: {made[name]}, harmless {accepted[name]}" for name in MUTATORS if made[name]))
    assert made.total() >= 2000 and all(made[name] >= 20 for name in MUTATORS if name != "strengthen_a_claim")
    assert accepted["forget_a_bound"] and accepted["change_number"]  # weaker facts are no errors


def test_sharper_numbers_are_found_a_third_way() -> None:
    """Nudges of bounds and flags: accepted where they widen, or where the checker rounds further than is needed."""
    made = accepted = sharper = 0
    found = [one for one in examples() if len(one.certificate) < 20_000]
    for k, one in enumerate(found):
        for number in range(12):
            changed = mutant(("change_number", "flip_a_flag")[number % 2], one, one, f"{k} {number}")
            original, statement = one.read()
            if changed is None:
                continue
            made += 1
            try:
                recheck(changed, statement)
            except Refused:
                continue
            accepted += 1
            assert harmless(changed, original), one.label
            sharper += not harmless(original, changed)
    print(f"\n{made} nudges, {made - accepted} refused, {accepted} harmless")
    assert accepted >= 50


def test_harmless_is_no_empty_word() -> None:
    """Most mutants are not implied by their original, and none of these is accepted."""
    found = examples()[:60]
    harmful = 0
    for k, one in enumerate(found):
        for name in ("change_number", "change_off", "change_own", "flip_a_flag", "rename_a_rule", "swap_facts"):
            changed = mutant(name, one, found[k - 1], f"{name} {k}")
            original, statement = one.read()
            if changed is not None and not harmless(changed, original):
                harmful += 1
                refused(changed, statement)
    assert harmful >= 200


def test_stronger_claims() -> None:
    """With a claim more in the statement and its hash, the certificate is refused for the spec; the kernel itself
    refuses it where the checker would."""
    held = failed = 0
    for k, one in enumerate(examples()):
        for number in range(6):
            changed = mutant("strengthen_a_claim", one, one, f"{k} {number}")
            original, statement = one.read()
            assert changed is not None
            if changed == original:
                continue
            assert "another statement" in refused(changed, statement)
            try:
                recheck(changed, changed["statement"])
            except Refused as problem:
                failed += 1
                assert "does not follow" in str(problem)
            else:
                held += 1
                assert claims_hold(one, changed["statement"])
    print(f"\n{failed} stronger claims refused, {held} hold")
    assert failed >= 300 and held >= 100


def claims_hold(one: Example, statement: Json) -> bool:
    """Whether the checker proves the claims of a changed statement, of every definition and each of its proofs."""
    place = one.label.partition(": ")[2]
    core, _ = one.program.core()
    for used in Prover(core).used([place]):
        name = used.key.rpartition("::")[2]
        definition = next(d for d in statement["definitions"] if d["name"].partition("#")[0] == name)
        for what, cmp, value, strict, word in definition["claims"]:
            if what == "lip":  # the kernel's arithmetic is exact, the checker's is rounded outwards
                value *= 1 + 1e-12
            claim = ir.Claim(what, cmp, value, strict, word)
            if isinstance(used.proof, LayerProof):
                one_proof = used.proof
                found = one_proof.working.order if one_proof.working.found else None
                own = tuple(part.jacobian for part in one_proof.parts)
                known = one_proof.bijection, one_proof.inverse, one_proof.preserving, found, own
                proved = Proved(one_proof.jacobian, *known)
                problem = check_claim(used.proof.layer, claim, proved, None)
            else:
                problem = flow_claim(claim, used.proof.bijection, used.proof.passage, used.proof.log_det, {})
            if problem is not None:
                return False
    return True


def test_certificates_of_other_programs_are_refused() -> None:
    found = examples()
    chosen = [found[k] for k in range(0, len(found), len(found) // 14)]
    assert len(chosen) >= 12
    for one, other in permutations(chosen, 2):
        (mine, statement), (theirs, _) = one.read(), other.read()
        refused(theirs, statement)
        refused(theirs | {"statement": statement}, statement)
        mixed = mine | {"proofs": theirs["proofs"]}
        try:
            recheck(mixed, statement)
        except Refused:
            continue
        assert harmless(mixed, mine)  # two programs with one formula


# ---------------------------------------------------------------- certificates forged by hand

WHOLE = ["-inf", "inf", True, True]
POSITIVE = [[], [0.0, "inf", True, True]]
BIJECTION = {"from": WHOLE, "onto": WHOLE}


def fact(off: str = "<diagonal>", **parts: Json) -> Json:
    constant = {"diag": [[], [0.0, 0.0, False, False]], "own": "constant", "image": None, "range": [[], WHOLE]}
    return {"off": off, **constant, "lip": 0.0, "smooth": 2, **parts}


VARIABLE = ["VAR", fact(diag=[[], [1.0, 1.0, False, False]], own="affine", lip=1.0)]


def layer_proof(steps: Json, **parts: Json) -> Json:
    common = {"definition": "L", "bindings": {}, "order": None, "acts": {}, "assumes": []}
    return common | {"formulas": [{"lets": [], "result": steps}], "map": BIJECTION} | parts


def test_a_constant_stated_weaker_is_not_onto() -> None:
    statement = statement_of(
        "layer L on Vec[D] ensures invertible { param b : bias\n map x -> softplus(x) + identity(b) }"
    )
    half, image = [[], [0.0, 1.0, True, True]], [0.0, "inf", True, True]
    steps = [
        VARIABLE,
        ["ACT", fact(diag=half, own="injective", image=image, range=[[], image], lip=1.0)],
        ["CONST", fact(diag=[[], [0.0, 1.0, False, False]])],
        ["ACT", fact(diag=[[], [0.0, 1.0, False, False]], own="onto")],
        ["ADD", fact(diag=[[], [0.0, 2.0, True, True]], own="onto", lip=1.0)],
    ]
    assert "node 3" in refused(forged(statement, layer_proof(steps)), statement)


def test_a_dense_fact_says_nothing_of_the_diagonal() -> None:
    statement = statement_of("act h(u) = sin(u)\nlayer L on Vec[D] ensures volume_preserving { map x -> h(x) }")
    one = {"diag": [[], [1.0, 1.0, False, False]], "lip": 1.0}
    between = [[], [-1.0, 1.0, False, False]]
    act = [["VAR", fact("<dense>", own="affine", **one)], ["ACT", fact("<dense>", own="affine", range=between, **one)]]
    steps = [VARIABLE, ["ACT", fact(own="onto", range=between, **one)]]
    assert "activation 0, node 0" in refused(forged(statement, layer_proof(steps, acts={"0": act})), statement)


def test_a_formal_direction_has_no_order_but_the_declared_one() -> None:
    statement = statement_of(
        "layer L(tri: Dir) on Image[2, H, W] ensures invertible {\n  param t : scale with diag > 0\n"
        "  param A : conv 1x1 tri with diag > 0\n  param B : conv 1x1 upper with diag > 0\n"
        "  map x -> t * x + A(elu(B(x))) }"
    )
    above = [-1.0, "inf", True, True]
    after = {"diag": POSITIVE, "lip": "inf", "smooth": 1}
    steps = [
        ["CONST", fact(range=POSITIVE)],
        VARIABLE,
        ["MUL", fact(diag=POSITIVE, own="affine", lip="inf")],
        VARIABLE,
        ["BASIC", fact("lower", diag=POSITIVE, own="affine", lip="inf")],
        ["ACT", fact("lower", own="injective", image=above, range=[[], above], **after)],
        ["COMP", fact("lower", own="unknown", **after)],
        ["ADD", fact("lower", own="onto", **after)],
    ]
    for rows in ([[-1, 0, 0], [0, -1, 0], [0, 0, -1]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]):
        refused(forged(statement, layer_proof(steps, order=rows)), statement)


def test_a_sign_that_meets_itself_is_one() -> None:
    """W[i, j] has the sign of A[i] A[j], so W[k, k] and what is tied to it are >= 0, whatever the sign of A[k]."""
    statement = statement_of(
        "layer L(K: Nat) on Vec[D] { index i, j, k : K\n  param A[i], W[i, j], P[k] : linear lower\n"
        "  tie diag(W[i, j]) * diag(A[i]) * diag(A[j]) >= 0\n  tie diag(P[k]) * diag(W[k, k]) >= 0\n"
        "  map x -> sum[k](A[k](P[k](x))) }"
    )
    params = {p["name"]: p for p in statement["definitions"][-1]["params"]}
    found = diagonals(params)
    assert found["W"].signs == {("A", ("i",)), ("A", ("j",))}
    assert found["P"] == (frozenset(), found["A"].span)
    free = {"own": "unknown", "lip": "inf"}
    above = [0.0, "inf", False, True]
    steps = [
        VARIABLE,
        ["BASIC", fact("lower", diag=[[["A", ["k"]]], above], **free)],
        ["COMP", fact("lower", diag=[[], above], **free)],
        ["SUM", fact("lower", diag=[[], above], **free)],
    ]
    assert "node 1" in refused(forged(statement, layer_proof(steps, map=None)), statement)
    steps[1][1]["diag"][0] = []
    assert "node 2" in refused(forged(statement, layer_proof(steps, map=None)), statement)
    steps[2][1]["diag"][0] = [["A", ["k"]]]
    steps[3][1]["diag"][1][0] = "-inf"
    steps[3][1]["diag"][1][2] = True
    assert recheck(forged(statement, layer_proof(steps, map=None)), statement) == ["L"]


TWO_WAYS = (
    "order spatial = (w, h)\nlayer L on Image[C, H, W] ensures invertible {\n  param t : scale with diag >= 1\n"
    "  param V : conv 3x1 strict lower\n  param W : conv 1x3 strict upper\n  order spatial\n"
    "  map x -> t * x + V(W(x)) + W(x) }"
)


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        [[0, 1, 1]],
        [[0, 1, 0]],
        [[0, -1, -1]],
        [[0.0, 1.0, -1.0]],
        [[0, True, -1]],
        [[0, 1]],
        [["0", "1", "-1"]],
    ],
)
def test_an_order_must_be_one_of_the_taps(rows: Json) -> None:
    written = certified(TWO_WAYS)
    assert recheck(written, written["statement"]) == ["L"]
    good = json.loads(json.dumps(written))
    good["proofs"][0]["order"] = [[5, 1, -1], [0, 1, 0]]
    with pytest.raises(Refused):
        recheck(good, good["statement"])  # channels are mixed by both maps, either way
    written["proofs"][0]["order"] = rows
    refused(written, written["statement"])


@pytest.mark.parametrize("claim", [["contractive", "", 0.0], ["diag", ">", 5.0], ["diag", "!=", 1.0], ["", "", 0.0]])
def test_claims_without_a_meaning_do_not_hold(claim: Json) -> None:
    statement = statement_of("layer L on Vec[D] { map x -> x }")
    written = certified("layer L on Vec[D] { map x -> x }")
    statement["definitions"][-1]["claims"] = [[*claim, False, ""]]
    assert "does not follow" in refused(forged(statement, *written["proofs"]), statement)


def test_a_second_act_formal_and_unknown_words_are_refused() -> None:
    text = "layer L on Vec[D] ensures lower { param W : linear lower with diag > 0\n map x -> W(tanh(x)) }"
    for path, new in (
        (("params", 0, "with", 0), "<= 0"),
        (("params", 0, "with", 2), "cosine"),
        (("results", 0, 1, 1, 0), "pool"),
        (("results", 0, 1, 1, 1, "act"), "softsign"),
        (("results", 0, 1, 1, 2), -1),
        (("results", 0, 1, 2, 1), "V"),
        (("order", "space"), "Seq"),
    ):
        written = certified(text)
        changed = written["statement"]["definitions"][-1]
        for step in path[:-1]:
            changed = changed[step]
        changed[path[-1]] = new
        refused(forged(written["statement"], *written["proofs"]), written["statement"])


def test_a_factor_stands_in_the_outermost_flow_only() -> None:
    """The elaborator refuses these; the kernel does so by itself, since a step of two parts means nothing to it."""
    text = "flow G on Vec[4] { factor half }\nflow F on Vec[4] ensures invertible { G }"
    half = ["factor_0", ["factor", "first"], ["Vec", [[[2, 1, []]]]]]
    for found in (
        ["repeat", [[1, 1, []]], [half]],
        ["pair", [half]],
        ["factor", "both"],
        ["factor", "first", "Net"],
        ["factor"],
    ):
        written = certified("flow F on Vec[4] ensures invertible { factor half }")
        written["statement"]["definitions"][-1]["steps"] = [["it", found, half[2]]]
        refused(forged(written["statement"], *written["proofs"]), written["statement"])
    written = certified(text.replace("factor half", "standardize(mean = 0, std = 1)"))
    assert recheck(written, written["statement"]) == ["G", "F"]
    written["statement"]["definitions"][0]["steps"].insert(0, half)
    assert "outermost" in refused(forged(written["statement"], *written["proofs"]), written["statement"])


def test_a_factor_by_a_net_names_one_that_fits() -> None:
    """One input, two results, all of the shape of the half; and it claims no bound and no box."""
    net = "net N from Vec[D] to (Vec[D], Vec[D]) { param V : linear\n map x -> (V(x), x) }\n"
    text = f"{net}layer A on Vec[D] ensures invertible {{ map x -> 2 * x }}\n"
    whole = f"{text}flow F on Vec[4] ensures invertible {{ A  factor half (prior = N) }}"
    written = certified(whole)
    assert recheck(written, written["statement"]) == ["A", "F"]
    half, wide = ["Vec", [[[2, 1, []]]]], ["Vec", [[[4, 1, []]]]]
    kind = ["net", "N", [], [half], [half, half]]
    for found in (
        "N",
        ["net", "A", [], [half], [half, half]],
        ["net", "M", [], [half], [half, half]],
        ["net", "N", [], [half], [half]],
        ["net", "N", [], [half, half], [half, half]],
        ["net", "N", [], [half], [half, wide]],
        ["net", "N", [], [wide], [wide, wide]],
        ["net", "N", [half], [half, half]],
        None,
    ):
        written = certified(whole)
        step = written["statement"]["definitions"][-1]["steps"][-1]
        assert step[1] == ["factor", "first", kind]
        step[1] = ["factor", "first", found]
        refused(forged(written["statement"], *written["proofs"]), written["statement"])
    for name, value in (("lip", 1e300), ("volume_preserving", True), ("log_det", "none")):
        written = certified(whole)
        written["proofs"][-1][name] = value
        refused(written, written["statement"])
    written = certified(f"{net}flow F on Vec[4] ensures injective {{ factor half  logit(0.1) }}")
    steps = written["statement"]["definitions"][-1]["steps"]
    steps[0][1] = ["factor", "first", kind]  # the logit would get values of all of R
    (net_too,) = (d for d in certified(whole)["statement"]["definitions"] if d["name"] == "N")
    written["statement"]["definitions"].insert(0, net_too)
    assert "outside its domain" in refused(forged(written["statement"], *written["proofs"]), written["statement"])


def test_the_lipschitz_bound_of_what_leaves_is_no_smaller() -> None:
    written = certified("flow F on Vec[4] ensures invertible { factor half  standardize(mean = 0, std = 4) }")
    assert written["proofs"][-1]["lip"] == 1.0
    written["proofs"][-1]["lip"] = 0.25000001
    refused(written, written["statement"])


@pytest.mark.parametrize("nothing", [None, [], {}, "", 0, [1, 2, 3, 4], {"certificate": 1}, {"proofs": []}])
def test_what_is_no_certificate_is_refused(nothing: Json) -> None:
    statement = statement_of("layer L on Vec[D] { map x -> x }")
    refused(nothing, statement)
    for proofs in (nothing, [nothing], [{"definition": nothing}]):
        refused({**forged(statement), "proofs": proofs}, statement)


@pytest.mark.parametrize("field", ["volume_preserving", "evaluation_only", "inverse", "log_det", "lip", "assumes"])
@pytest.mark.parametrize("value", [None, 5, "no", 1, 0, [], {}, "exact ", 1e400])
def test_each_part_of_a_conclusion_is_checked(field: str, value: Json) -> None:
    written = certified(
        "layer A on Vec[D] { param S : linear strict lower\n map x -> x + S(x) }\nflow F on Vec[3] { A }"
    )
    before = written["proofs"][-1][field]
    if (value, type(value)) != (before, type(before)):
        written["proofs"][-1][field] = value
        refused(written, written["statement"])


def test_the_tables_are_those_of_the_registries() -> None:
    """The same names in both; the facts are compared by `test_kernel_rules`."""
    from mintdsl.core.activations import ACTIVATIONS
    from mintdsl.core.constraints import CONSTRAINTS

    assert set(ACTS) == set(ACTIVATIONS)
    ready = {c.cmp if c.quantity == "diag" else f"{c.quantity} {c.cmp}": c.via for c in CONSTRAINTS if c.ready}
    assert {cmp: tuple(v.name for v in via if v.ready) for cmp, via in ready.items()} == {
        cmp: via for cmp, (_, via) in SETS.items()
    }


# ---------------------------------------------------------------- size


def timed(certificate: Json, statement: Json) -> float:
    before = time.process_time()
    recheck(certificate, statement)
    return time.process_time() - before


def chain(text: str, start: int, block: int, copies: int) -> Json:
    """The certificate of a formula in which `block` nodes from `start` on stand again and again, each on the last."""
    written = certified(text)
    layer, proof = written["statement"]["definitions"][-1], written["proofs"][-1]
    nodes, steps = layer["results"][0][1], proof["formulas"][0]["result"]
    for _ in range(copies):
        base, last = len(nodes), len(nodes) - 1
        for node in nodes[start : start + block]:
            # operands inside the block move with it, those before it become the last node so far
            nodes.append([n if type(n) is not int else n - start + base if n >= start else last for n in node])
        steps += steps[start : start + block]
    written["hash"] = digest(written["statement"])
    return written


@pytest.mark.parametrize(
    ("text", "start", "block", "copies"),
    [
        ("layer L on Vec[D] ensures diagonal { map x -> -(-(x)) }", 1, 2, 5000),
        ("layer L on Vec[D] { map x -> tanh(tanh(x)) }", 2, 1, 10_000),
        (
            "layer L on Vec[D] ensures lower, diag > 0, invertible { param t : scale with diag > 0\n"
            " param W : linear lower with diag >= 0\n map x -> t * x + W(x) + W(x) }",
            6,
            3,
            2000,
        ),
    ],
)
def test_long_formulas(text: str, start: int, block: int, copies: int) -> None:
    written = chain(text, start, block, copies)
    assert timed(written, written["statement"]) < 10


def test_long_flows() -> None:
    text = (
        "layer A on Vec[D] { param t : scale with diag >= 0.5, diag <= 0.9\n map x -> t * x }\nflow F on Vec[3] { A A }"
    )
    written = certified(text)
    steps = written["statement"]["definitions"][-1]["steps"]
    steps += steps[1:] * 10_000
    written["proofs"][-1]["lip"] = 1e-300
    written["hash"] = digest(written["statement"])
    assert timed(written, written["statement"]) < 10


def test_nested_repeats_have_numbers_of_bounded_size() -> None:
    for std in ("0.3", "3"):
        inner = f"standardize(mean = 0.5, std = {std})"
        for _ in range(6):
            inner = f"repeat 6 {{ {inner} }}"
        written = certified(f"flow F on Image[1, 2, 2] ensures invertible {{ {inner} }}")
        assert timed(written, written["statement"]) < 5


def test_long_chains_of_ties() -> None:
    """Each pivot's sign is found once, however many ties need it, and without recursion."""
    n = 1500
    names = [f"A{k}" for k in range(n)]
    layer = statement_of("layer L on Vec[D] ensures lower { param A0 : linear lower\n map x -> A0(x) }")
    definition = layer["definitions"][-1]
    first = definition["params"][0]
    ties = [None, *([[], [[a, []], [a, []]], 1] for a in names[:-1])]
    definition["params"] = [first | {"name": name, "tie": tie} for name, tie in zip(names, ties, strict=True)][::-1]
    definition["results"][0][1][1][1] = names[-1]
    written = certified("layer L on Vec[D] ensures lower { param A0 : linear lower with diag >= 0\n map x -> A0(x) }")
    assert timed(forged(layer, *written["proofs"]), layer) < 5
    definition["params"][-1]["tie"] = [[], [[names[-1], []]], 1]
    assert "CycleError" in refused(forged(layer, *written["proofs"]), layer)


RESIDUAL = (
    "layer A(a: Real = 0.9) on Vec[D] ensures invertible { param V : linear with lip <= a\n"
    "param W : linear with lip <= 1 map x -> x - W(tanh(V(x))) }"
)


def limits_of(found: Json, word: str, value: Json) -> None:
    """The facts of a certificate with another `lip` where one below 2 stands."""
    for one in found["proofs"][0]["formulas"]:
        for _, fact in one["result"]:
            if fact[word] not in ("inf", 0.0) and fact[word] < 1:
                fact[word] = value


@pytest.mark.parametrize("limit", [1.0, 1.5, 0.0, -0.5])
def test_a_branch_that_is_no_contraction_is_refused(limit: float) -> None:
    written = certified(RESIDUAL)
    assert recheck(written, written["statement"]) == ["A"]
    written["proofs"][0]["bindings"]["a"]["real"] = limit
    written["statement"]["definitions"][0]["formals"][0][2]["real"] = limit
    written["hash"] = digest(written["statement"])
    refused(written, written["statement"])
    limits_of(written, "lip", max(limit, 0.0))  # what follows for these numbers, and RES all the same
    refused(written, written["statement"])


def test_a_residual_sum_without_a_log_det_has_none() -> None:
    written = certified(RESIDUAL + "\nflow F on Vec[3] ensures invertible { A log_det exact  A }")
    assert written["proofs"][-1]["log_det"] == "none" and recheck(written, written["statement"])[-1] == "F"
    written["proofs"][-1]["log_det"] = "exact"
    refused(written, written["statement"])


CAYLEY = (
    "net N(h: Act = tanh) from Vec[D] to Vec[D] { param V : linear with lip <= 0.9\nparam W : linear with lip <= 0.9\n"
    "map x -> W(h(V(x))) }\nlayer A on Vec[D] ensures invertible { param n : net N map x -> cayley(n)(x) }\n"
    "layer B(a: Real = 0.5) on Vec[D] ensures invertible, lip < 3.1 { param M : linear with lip <= a\n"
    "map x { let y = cayley(M)(x)\nreturn y } }\nflow F on Vec[3] ensures invertible, log_det estimate {\n"
    "A log_det series(terms = 3, probes = 0)  B(direction = inverse) log_det roulette(first = 1)\n"
    "B log_det series(bits_per_dim <= 1e-3) prior normal }"
)


def cayley_certificate() -> Json:
    written = certified(CAYLEY)
    assert recheck(written, written["statement"]) == ["A", "B", "F"]
    return written


@pytest.mark.parametrize("limit", [1.0, 1.5, 0.9999, None])
def test_a_cayley_map_of_no_contraction_is_refused(limit: float | None) -> None:
    """Whatever is stated of the branch and of the map; with 0.9999 the claim of its slopes falls."""
    for lip in (None, 0.999, "inf"):
        written = cayley_certificate()
        (layer,) = (d for d in written["statement"]["definitions"] if d["name"] == "B")
        layer["params"][0]["with"] = None if limit is None else ["lip <=", [limit], "spectral"]
        for proof in written["proofs"][1:2]:
            for _, fact in [*proof["formulas"][0]["lets"][0][1], *proof["formulas"][0]["result"]]:
                if lip is not None and fact["off"] == "<dense>":
                    fact["lip"] = lip if fact.get("chain") or lip != "inf" else limit or "inf"
        written["hash"] = digest(written["statement"])
        refused(written, written["statement"])


def test_a_steep_net_makes_no_cayley_map() -> None:
    written = cayley_certificate()
    net_in(written, "N")["params"][0]["with"][1][0] = 1.2  # 1.08 with the other map
    written["hash"] = digest(written["statement"])
    refused(written, written["statement"])


def test_a_cayley_map_is_that_of_a_branch() -> None:
    """Of nothing else in the formula: not of the variable, whose slope is 1."""
    written = cayley_certificate()
    (layer,) = (d for d in written["statement"]["definitions"] if d["name"] == "A")
    (_, nodes), steps = layer["results"][0], written["proofs"][0]["formulas"][0]["result"]
    assert [node[0] for node in nodes] == ["var", "net", "cayley"] and steps[-1][0] == "CAYLEY"
    nodes[-1][1] = 0
    written["hash"] = digest(written["statement"])
    refused(written, written["statement"])


@pytest.mark.parametrize("word", ["RES", "NET", "EXP", "CHAIN", "ADD"])
def test_a_cayley_map_follows_by_its_own_rule(word: str) -> None:
    written = cayley_certificate()
    written["proofs"][0]["formulas"][0]["result"][-1][0] = word
    refused(written, written["statement"])


def test_the_series_of_a_cayley_map_has_its_own_bounds() -> None:
    """Odd powers, twice: 3 terms miss 2 (L^7 / 7 + L^9 / 9 + ...), and a roulette goes on with more than L^4."""
    written = cayley_certificate()
    flow = written["proofs"][-1]
    series, (terms, keep, bias), (more, _, _) = (
        flow["estimates"]["A_0"],
        flow["estimates"]["B_0"],
        flow["estimates"]["B_1"],
    )
    missed = 2 * sum(0.81 ** (2 * k - 1) / (2 * k - 1) for k in range(4, 400))
    assert series[:2] == [3, 0.0] and series[2] == pytest.approx(missed, rel=1e-6)
    assert (terms, bias) == (1, 0.0) and keep == pytest.approx((1 + 0.5**4) / 2) and more == 4
    for name, changed, good in (
        ("A_0", [3, 0.0, missed * 1.001], True),
        ("A_0", [3, 0.0, missed * 0.999], False),
        ("A_0", [3, 0.0, missed / 2], False),
        ("A_0", [4, 0.0, missed], False),
        ("B_0", [1, 0.07, 0.0], True),
        ("B_0", [1, 0.0625, 0.0], False),
        ("B_0", [1, 0.06, 0.0], False),
        ("B_1", [3, 0.0, 0.001], False),
        ("B_1", [more, 0.0, 0.0], False),
    ):
        other = json.loads(json.dumps(written))
        other["proofs"][-1]["estimates"][name] = changed
        total = sum(one[2] for one in other["proofs"][-1]["estimates"].values())
        if "bias" in other["proofs"][-1]:
            other["proofs"][-1]["bias"] = total * 1.01
        if good:
            assert recheck(other, other["statement"])[-1] == "F"
        else:
            refused(other, other["statement"])


def test_no_direction_of_a_cayley_map_is_a_formula() -> None:
    text = CAYLEY[: CAYLEY.index("flow F")] + "flow F on Vec[3] { B(direction = inverse) log_det exact }"
    written = certified(text)
    assert written["proofs"][-1]["inverse"] == "iterative" and recheck(written, written["statement"])[-1] == "F"
    written["proofs"][-1]["inverse"] = "closed_form"
    refused(written, written["statement"])


def test_a_cayley_map_without_a_log_det_has_none() -> None:
    text = CAYLEY[: CAYLEY.index("flow F")] + "flow F on Vec[3] ensures invertible { A log_det exact  B }"
    written = certified(text)
    assert written["proofs"][-1]["log_det"] == "none" and recheck(written, written["statement"])[-1] == "F"
    written["proofs"][-1]["log_det"] = "exact"
    refused(written, written["statement"])


SHARES = (
    "layer A(a: Real = 0.9, b: Real = 0.3) on Vec[D] ensures invertible { param V, W : linear with lip <= b\n"
    "param t : scale with diag >= 0.5, diag <= 2 map x { let u = V(x) - leaky_relu(x, a) - t * x\n return W(x) + u } }"
)


@pytest.mark.parametrize(("least", "share", "good"), [(0.5, 0.65, True), (0.5, 0.72, False), (0.2, 0.56, False)])
def test_the_shares_of_a_residual_sum_add_up(least: float, share: float, good: bool) -> None:
    """Slopes of what reads one coordinate are at least `least` and 0.9, the other two terms have `share` each."""
    written = certified(SHARES)
    (layer,), proof = written["statement"]["definitions"], written["proofs"][0]
    next(p for p in layer["params"] if p["name"] == "t")["with"][1][0] = least
    layer["formals"][1][2]["real"] = proof["bindings"]["b"]["real"] = share
    text = json.dumps(proof["formulas"]).replace("0.3", repr(share)).replace("0.5", repr(least))
    weaker = json.loads(text)
    for one in weaker:
        for _, fact in [*one["result"], *(step for _, steps in one["lets"] for step in steps)]:
            if fact["off"] == "<dense>" and fact["lip"] not in (share, "inf"):
                fact["lip"] = "inf"
    proof["formulas"] = weaker
    written["hash"] = digest(written["statement"])
    if good:
        assert recheck(written, written["statement"]) == ["A"]
    else:
        refused(written, written["statement"])


STEEP_NET = (
    "net Link(h: Act) from Vec[D] to Vec[D] { param W : linear with lip <= 0.9 map x -> h(W(x)) }\n"
    "net N from Vec[D], Vec[D] to Vec[D] { index l : 2\n param V, U : linear with lip <= 0.5\n"
    "param M : linear from Vec[2 * D] to Vec[D] with lip <= 0.9\n param s : scale with lip <= 0.5\n"
    "param again[l] : net Link(h = silu)\n"
    "map x, y -> s * M(concat(V(x), tanh(U(y)))) - chain[l](again[l])(x) * 0.25 }\n"
    "layer A on Vec[D] ensures invertible { param n : net N from Vec[D], Vec[D] to Vec[D]\n map x -> x + n(x, x) }"
)  # 2 * 0.5 * 0.9 * 0.5 + (0.9 * 1.09984)^2 / 4 = 0.695


def net_in(written: Json, name: str) -> Json:
    return next(d for d in written["statement"]["definitions"] if d["name"] == name)


def judged(written: Json, *, good: bool) -> None:
    """Of x + n(x) with a changed net: taken or not, where 1 - 1e-9 is claimed of the net, and nothing of the sum."""
    for _, fact in written["proofs"][0]["formulas"][0]["result"]:
        if fact["off"] == "<dense>":
            fact["lip"] = 1 - 1e-9 if not fact.get("chain") else "inf"
    written["hash"] = digest(written["statement"])
    if good:
        assert recheck(written, written["statement"]) == ["A"]
    else:
        refused(written, written["statement"])


@pytest.mark.parametrize(
    ("net", "param", "limit", "good"),
    [
        ("N", "M", 1.5, True), ("N", "M", 1.6, False), ("N", "s", 0.83, True), ("N", "s", 0.85, False),
        ("N", "V", 1.15, True), ("N", "V", 1.2, False), ("Link", "W", 1.34, True), ("Link", "W", 1.36, False),
        ("N", "U", None, False), ("Link", "W", None, False), ("N", "s", None, False),
    ],
)  # fmt: skip
def test_every_bound_in_a_net_counts(net: str, param: str, limit: float | None, good: bool) -> None:
    """The least limits with which the branch is no contraction lie between these."""
    written = certified(STEEP_NET)
    found = next(p for p in net_in(written, net)["params"] if p["name"] == param)
    found["with"] = None if limit is None else ["lip <=", [limit], "spectral"]
    judged(written, good=good)


@pytest.mark.parametrize(("word", "to"), [("act", "softplus"), ("act", "gelu"), ("index", 1)])
def test_functions_and_lengths_of_chains_in_a_net_count(word: str, to: str | int) -> None:
    """Less from softplus, more from gelu, or from one silu, whose bound is below 1 with that of its map."""
    written = certified(STEEP_NET.replace("- chain", "+ 2.2 * chain"))
    if word == "act":
        found = next(p for p in net_in(written, "N")["params"] if p["name"] == "again")
        found["kind"][2] = [["h", {"act": to, "options": []}]]
    else:
        net_in(written, "N")["indices"][0][1][0][0] = to
    written["hash"] = digest(written["statement"])
    if to == "softplus":
        assert recheck(written, written["statement"]) == ["A"]
    else:
        refused(written, written["statement"])


@pytest.mark.parametrize(
    ("limit", "word", "good"),
    [(1.11, "clip_swish", True), (1.112, "clip_swish", False), (0.5, "clip_swish", True), (0.5, "swish", False)],
)
def test_the_bound_of_both_sides_of_a_swish_is_1(limit: float, word: str, good: bool) -> None:
    """0.9 * 1.11 < 1 <= 0.9 * 1.112; of a function that the kernel does not know nothing is bounded."""
    written = certified(
        "net N from Vec[D] to Vec[D] { param V : linear with lip <= 0.9\n"
        "param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.9 map x -> W(clip_swish(V(x))) }\n"
        "layer A on Vec[D] ensures invertible { param n : net N map x -> x + n(x) }"
    )
    net = net_in(written, "N")
    next(p for p in net["params"] if p["name"] == "W")["with"] = ["lip <=", [limit], "spectral"]
    (formula,) = net["results"]
    next(node for node in formula if node[0] == "clip_swish")[0] = word
    judged(written, good=good)


@pytest.mark.parametrize(
    ("what", "value", "good"),
    [
        ("clip", 0.449, True), ("clip", 0.451, False), ("lip", 0.636, True), ("lip", 0.637, False),
        ("with", None, True), ("with", ["!= 0", [], "raw"], True), ("indices", ["l"], False),
        ("kind", ["bias", "channel"], False), ("kind", ["normalize", 1e-5, 0.1], False), ("from", ["Vec", []], False),
        ("from", ["Vec", [[[2, 1, []]]]], False), ("from", ["Vec", [[[1, 1, ["D"]]]]], False),
        ("node", ["swish"], False), ("node", ["swish", 0], False), ("node", ["swish", "b", "b"], False),
        ("node", ["mish", "b"], False), ("node", ["clip_swish", "b", "b"], False), ("node", ["swish", "c"], False),
        ("node", ["swish", ["b"]], False),
    ],
)  # fmt: skip
def test_a_learned_swish_is_as_steep_as_one_that_is_not(what: str, value: Json, good: bool) -> None:
    """0.449 + 0.5 * 1.09984 < 1 <= 0.451 + 0.5 * 1.09984, and so for the other map; of one number alone."""
    written = certified(
        "net N from Vec[D] to Vec[D] { param V : linear with lip <= 0.5\nparam b : scale on Vec[1] with diag > 0\n"
        "param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.3\n"
        "map x -> W(clip_swish(x, beta = b)) + swish(V(x), beta = b) }\n"
        "layer A on Vec[D] ensures invertible { param n : net N map x -> x + n(x) }"
    )
    net = net_in(written, "N")
    named = {p["name"]: p for p in net["params"]}
    match what:
        case "clip":
            named["W"]["with"] = ["lip <=", [value], "spectral"]
        case "lip":
            named["V"]["with"] = ["lip <=", [value], "spectral"]
        case "node":
            node = next(node for node in net["results"][0] if node[0] == "swish")
            node[:-1] = value
        case _:
            named["b"][what] = value
    judged(written, good=good)


def test_a_learned_swish_reads_what_its_argument_reads() -> None:
    """Elementwise, it keeps the direction of a strict map; both sides of it stand at other places."""
    written = certified(
        "net N from Vec[D] to Vec[D] { param V : linear strict lower\nparam b : scale on Vec[1] with diag > 0\n"
        "map x -> swish(V(x), beta = b) }\n"
        "layer A on Vec[D] ensures diag == 1, invertible { param n : net N map x -> x + n(x) }"
    )
    assert recheck(written, written["statement"]) == ["A"]
    node = next(node for node in net_in(written, "N")["results"][0] if node[0] == "swish")
    node[0] = "clip_swish"
    written["hash"] = digest(written["statement"])
    refused(written, written["statement"])


@pytest.mark.parametrize(
    ("what", "value", "good"),
    [
        ("limit", 1.11, True), ("limit", 1.112, False), ("with", None, False),
        ("with", ["> 0", [], "softplus"], False), ("with", ["length == 1", [], "abs"], False),
        ("with", ["lip <=", [1], "spectral"], False), ("kind", "bias", False),
        ("from", ["Vec", [[[3, 1, []]]]], False), ("from", ["Vec", [[[1, 1, ["D"]]]]], False),
        ("indices", ["l"], False), ("node", "concat", False),
    ],
)  # fmt: skip
def test_weights_of_length_1_bound_what_is_stacked(what: str, value: Json, good: bool) -> None:
    """0.9 * 1.11 < 1 <= 0.9 * 1.112: the larger of two bounds of 0.9, as long as the weights are as many, and kept."""
    written = certified(
        "net N from Vec[D] to Vec[D] { param V : linear with lip <= 0.9\nparam w : scale on Vec[2] with length == 1\n"
        "param W : linear from Vec[2 * D] to Vec[D] with lip <= 1 map x -> W(concat(V(x), 0.9 * x, weights = w)) }\n"
        "layer A on Vec[D] ensures invertible { param n : net N map x -> x + n(x) }"
    )
    net = net_in(written, "N")
    limited, weights = (next(p for p in net["params"] if p["name"] == name) for name in "Ww")
    match what:
        case "limit":
            limited["with"] = ["lip <=", [value], "spectral"]
        case "kind":
            weights["kind"][0] = value
        case "node":
            node = next(node for node in net["results"][0] if node[0] == "weighted")
            node[:2] = [value]
        case _:
            weights[what] = value
    judged(written, good=good)


def test_a_residual_sum_needs_the_bounds_that_the_statement_has() -> None:
    written = certified(RESIDUAL)
    for param in written["statement"]["definitions"][0]["params"]:
        param["with"] = None
    written["hash"] = digest(written["statement"])
    refused(written, written["statement"])
    written = certified(RESIDUAL)
    written["proofs"][0]["formulas"][0]["result"][-1][0] = "ADD"
    refused(written, written["statement"])


def test_what_wraps_around_has_no_direction_and_no_anchor_that_decides() -> None:
    """Statement and certificate forged alike: a masked kernel, factors at the anchor, and a form for circles alone."""
    head = "layer A on Image[C, H, W] ensures invertible { param W : conv 3x3 "
    for kind, old, new, why in (
        ("lower with diag > 0", '[1, 1], "lower"', '[1, 1], "circular", "lower"', "no direction"),
        ("(anchor = top_left) with det != 0", "[0, 0], null", '[0, 0], "circular", null', "wraps around"),
    ):
        found = certified(f"{head}{kind} map x -> W(x) }}")
        changed = json.loads(json.dumps(found["statement"]).replace(old, new))
        assert changed != found["statement"]
        assert why in refused(forged(changed, *found["proofs"]), changed)


def test_a_stride_stands_in_no_layer() -> None:
    """Statement and certificate forged alike: a map of the layer that leaves pixels out, whatever is kept of it."""
    for kind in ("conv 3x3 with lip <= 0.5", "conv 1x1 with det != 0", "conv 3x3 lower with diag > 0"):
        found = certified(f"layer A on Image[C, H, W] {{ param W : {kind} map x -> 2 * x + W(x) }}")
        changed = json.loads(json.dumps(found["statement"]))
        changed["definitions"][-1]["params"][0]["stride"] = [2, 2]
        assert "stands in a layer" in refused(forged(changed, *found["proofs"]), changed)


@pytest.mark.parametrize(
    ("mask", "bound", "formula"),
    [(" lower", "diag > 0", "W(x)"), ("", "det != 0", "W(x)"), ("", "lip <= 0.5", "x + W(x)")],
)
def test_an_anchor_is_a_tap_of_its_kernel(mask: str, bound: str, formula: str) -> None:
    """Statement and certificate forged alike: where no tap meets its own pixel, the diagonal is 0."""
    head = "layer A on Image[C, H, W] ensures invertible { param W : conv 2x3"
    found = certified(f"{head}{mask} (anchor = (1, 2)) with {bound} map x -> {formula} }}")
    recheck(found, found["statement"])
    written = json.dumps(found["statement"])
    outside = ["[2, 0]", "[0, 3]", "[-1, 2]", "[1, 2.0]", "[1, true]", "[1]", "[1, 2, 0]", '"12"', '"centre"']
    for anchor in outside + ['"corner"'] * (mask == ""):
        changed = json.loads(written.replace("[2, 3], [1, 2]", f"[2, 3], {anchor}"))
        assert json.dumps(changed) != written
        refused(forged(changed, *found["proofs"]), changed)
    for edge in ("[0, 1]", "[1, 1]") if bound == "det != 0" else ():
        changed = json.loads(written.replace("[2, 3], [1, 2]", f"[2, 3], {edge}"))
        assert "both sides" in refused(forged(changed, *found["proofs"]), changed)


def test_only_the_dominant_form_decides_where_taps_lie_on_both_sides() -> None:
    """Statement and certificate forged alike: factors at the anchor, a matrix, more taps; a rule and an inverse."""
    text = (
        "layer A on Image[C, H, W] ensures invertible { param W : conv 3x3 with det != 0 via dominant map x -> W(x) }"
    )
    kind = '["conv", [3, 3], [1, 1], null, false]'
    for old, new, why in (
        ('"dominant"', '"plu"', "both sides"),
        ('"dominant"', '"raw"', "both sides"),
        ('["det != 0", [], "dominant"]', '["det == 1", [], "dominant"]', "nothing is known"),
        ('["det != 0", [], "dominant"]', '["det == 1", [], "householder"]', "both sides"),
        (kind, '["linear", null, false]', "no other taps"),
        (kind, '["conv", [1, 1], [0, 0], null, false]', "no other taps"),
        (kind, '["conv", [3, 3], [0, 0], null, false]', "does not follow by HALF-PLANE"),
        (kind, '["conv", [3, 3], [1, 1], "circular", null, false]', "does not follow by CIRCULANT"),
        (kind, '["conv", [3, 3], [1, 1], [0, 1], null, false]', "no kernel"),
    ):
        found = certified(text)
        changed = json.loads(json.dumps(found["statement"]).replace(old, new))
        assert changed != found["statement"]
        assert why in refused(forged(changed, *found["proofs"]), changed)
    for other in ("HALF-PLANE", "CIRCULANT", "DET", "COMP"):
        found = certified(text)
        found["proofs"][0]["formulas"][0]["result"][-1][0] = other
        assert "does not follow by DOMINANT" in refused(found, found["statement"])
    parts = (
        "layer A on Image[C, H, W] ensures inverse iterative { space Q = Image[C / 2, H, W] param W : conv 3x3 on Q "
        "with det != 0 via dominant map x { let (a, b) = split(x, channel) return join(W(a), b) } }"
    )
    for claimed in (text.replace("invertible", "inverse iterative"), parts):
        found = certified(claimed)
        assert recheck(found, found["statement"]) == ["A"]
        changed = json.loads(json.dumps(found["statement"]).replace('"iterative"', '"closed_form"'))
        assert changed != found["statement"]
        refused(forged(changed, *found["proofs"]), changed)
        found["proofs"][0]["inverse"] = "closed_form"
        refused(found, found["statement"])


def test_a_map_with_a_rank_keeps_only_what_its_forms_keep() -> None:
    """Statement and certificate forged alike: a form of whole matrices, another constraint, a mask, more taps, no rank,
    a rank where there was none, and the rule of a whole matrix."""
    text = "layer A on Image[C, H, W] { param W : conv 1x1 (rank = 2) with det != 0 map x -> W(x) }"
    found = certified(text)
    recheck(found, found["statement"])
    rank, written = ', "rank": [[2, 1, []]]', json.dumps(found["statement"])
    assert rank in written
    for old, new, why in (
        ('"woodbury"', '"plu"', "this is not kept"),
        ('["det != 0", [], "woodbury"]', '["det == 1", [], "householder"]', "this is not kept"),
        ("[0, 0], null", '[0, 0], "lower"', "is no matrix"),
        ("[1, 1], ", "[2, 2], ", "is no matrix"),
        (rank, "", "has no rank"),
    ):
        changed = json.loads(written.replace(old, new))
        assert changed != found["statement"]
        assert why in refused(forged(changed, *found["proofs"]), changed)
    plain = certified(text.replace(" (rank = 2)", ""))
    changed = json.loads(json.dumps(plain["statement"]))
    changed["definitions"][0]["params"][0]["rank"] = [[2, 1, []]]
    assert "this is not kept" in refused(forged(changed, *plain["proofs"]), changed)
    found["proofs"] = json.loads(json.dumps(found["proofs"]).replace('"LOWRANK"', '"DET"'))
    refused(found, found["statement"])


# ---------------------------------------------------------------- nets have values


@pytest.mark.parametrize(
    "name",
    ["net_divides_by_zero", "net_log_outside", "net_with_an_activation_log_outside", "factor_net_divides_by_zero"],
)
def test_nets_that_are_no_functions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a checker would write that did not ask whether nets have values everywhere."""
    for module in ("check", "prover"):
        monkeypatch.setattr(f"mintdsl.proof.{module}.check_values", lambda nets, bindings: None)
    text = (Path(__file__).parent / "refused" / f"{name}.mint").read_text(encoding="utf-8")
    written = certified(text.partition("mint 1\n")[2])
    with pytest.raises(Refused, match="outside its domain|0"):
        recheck(written, written["statement"])


AUTOREGRESSIVE = """
net N from Vec[D] to (Own, Own, Vec[D]) {
  space Own = Vec[2 * D] (degrees = own)
  param W, K : linear strict lower from Vec[D] to Own
  param S : linear strict lower
  map x -> (W(x), K(x), S(x))
}
layer L on Vec[D] ensures lower, invertible {
  param n : net N from Vec[D] to (Vec[2 * D], Vec[2 * D], Vec[D])
  map x {
    let (w, k, d) = n(x)
    return rq_spline(x, widths = w, heights = k, slopes = d)
  }
}"""
TRIPLE = [[[1, 1, ["D"]]], [[2, 1, ["D"]]], [[3, 1, ["D"]]]]  # D, 2 D, 3 D


def spoiled(what: str) -> Json:
    """The statement of a program that is none, beside the certificate of the true one."""
    found = statement_of(AUTOREGRESSIVE)
    net, layer = found["definitions"]
    one, params = [[1, 1, []]], {p["name"]: p for p in net["params"]}
    match what:
        case "not strict":
            params["K"]["kind"][-1] = False
        case "the other way":
            params["W"]["kind"][1] = "upper"
        case "hidden units":
            net["to"][1] = net["to"][1][:2]
            params["K"]["to"] = params["K"]["to"][:2]
        case "hidden units at the use":
            layer["params"][0]["kind"][4][0] = layer["params"][0]["kind"][4][0][:2]
        case "no multiple":
            params["W"]["to"][2] = one
        case "no multiple at the use":
            layer["params"][0]["kind"][4][0][1] = TRIPLE[2:]
        case "half an element":
            layer["params"][0]["kind"][4][1] = ["Vec", TRIPLE[:1], [[1, 2, []]]]
        case "placed elsewhere":
            (bend,) = (node for node in layer["results"][0][1] if node[0] == "rq_spline")
            bend[4] = [True, False, True]
        case "of a part":
            layer["split"] = ["halves", ["x"], [layer["on"]], [], None]
    return found


@pytest.mark.parametrize(
    "what",
    [
        "not strict",
        "the other way",
        "hidden units",
        "hidden units at the use",
        "no multiple",
        "no multiple at the use",
        "half an element",
        "placed elsewhere",
        "of a part",
    ],
)
def test_numbers_of_bijections_stand_before_what_they_bend(what: str) -> None:
    original, statement = certified(AUTOREGRESSIVE), spoiled(what)
    recheck(original, original["statement"])
    problem = refused(original | {"statement": statement, "hash": digest(statement)}, statement)
    assert "does not follow" in problem
