"""Certificates against programs: round trips, other places and layouts, and every way in which they can be wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mintdsl
from mintdsl import SpecError
from mintdsl.core import canonical
from mintdsl.proof import recheck
from mintdsl.proof.kernel import check as kernel
from mintdsl.proof.recheck import CertificateError, parse
from mintdsl.resources import resource

ACCEPTED = sorted((Path(__file__).parent / "accepted").glob("*.mint"))
SPECS = resource("specs")
OWN = """mint 1
## A doc comment.
act leaky(u) = 0.1 * u + 0.9 * softplus(u)
layer A(h: Act = leaky) on Vec[D] ensures lower, diag > 0, invertible {
  param t : scale with diag >= 0.5
  param W : linear lower with diag > 0
  map x { let u = h(W(x))  return t * x + u }
}
flow F(K: Nat = 4) on Vec[8] ensures invertible {
  repeat K { A  A(h = elu) }
  first: A
}
"""


def program(text: str = OWN) -> mintdsl.Program:
    return mintdsl.loads(text)


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return json.loads(json.dumps(program().certificate()))


def refused(data: object, text: str = OWN) -> str:
    with pytest.raises(CertificateError) as caught:
        program(text).check_certificate(data)  # type: ignore[arg-type]
    return str(caught.value)


def test_the_formats_agree() -> None:
    assert kernel.FORMAT == str(canonical.FORMAT)


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda p: p.stem)
def test_every_accepted_program_has_a_certificate(path: Path) -> None:
    loaded = mintdsl.load(path)
    core, _ = loaded.core()
    for name in (k.rpartition("::")[2] for k in core.main):
        try:
            data = loaded.certificate(name)
        except SpecError:  # proved only where it is used
            assert any(f.default is None for f in core.definitions[core.find(name) or ""].formals)
            continue
        done = mintdsl.load(path).check_certificate(json.dumps(data).encode())
        assert done.target == name == done.definitions[-1].name


def test_what_is_said(data: dict[str, Any]) -> None:
    done = program().check_certificate(data)
    assert done.hash == data["hash"] and [d.name for d in done.definitions] == ["A", "A", "F"]
    assert done.definitions[0].claims == ("lower", "diag > 0", "invertible")
    flow = done.definitions[-1]
    assert (flow.kind, flow.claims, flow.steps) == ("flow", ("invertible",), 4)
    assert program().check_certificate(data, K=7) == done
    with pytest.raises(SpecError, match="no size"):
        program().check_certificate(data, L=7)


def test_sizes_have_to_fit() -> None:
    text = OWN.replace("repeat K {", "repeat K / 2 {")
    data = program(text).certificate()
    program(text).check_certificate(data, K=2)
    with pytest.raises(SpecError, match="not a whole number"):
        program(text).check_certificate(data, K=3)


def test_places_layout_and_comments_leave_no_trace(tmp_path: Path) -> None:
    text = (SPECS / "mintnet/mnist_small.mint").read_text(encoding="utf-8")
    data = mintdsl.load(SPECS / "mintnet/mnist_small.mint").certificate()
    inner = tmp_path / "some" / "other folder"
    inner.mkdir(parents=True)
    (inner / "own.mint").write_text((SPECS / "mintnet/mint.mint").read_text(encoding="utf-8"), encoding="utf-8")
    moved = text.replace('"mintnet/mint.mint"', '"./own.mint"')
    assert moved != text
    untidy = "".join(f"{line}   # note {i}\n\n" for i, line in enumerate(moved.splitlines()))
    (inner / "net.mint").write_text(untidy.replace("\n\n", "\n\n## doc\n", 0), encoding="utf-8")
    loaded = mintdsl.load(inner / "net.mint")
    assert loaded.certificate() == data
    assert loaded.check_certificate(data).hash == data["hash"]
    assert "note" not in json.dumps(data) and str(tmp_path) not in json.dumps(loaded.certificate())


def test_without_a_proof_there_is_no_certificate() -> None:
    for text, says in (
        ("mint 1\n", "no layer and no flow"),
        ("mint 1\nlayer", "E01"),
        ("mint 1\nlayer S on Vec[D] ensures invertible { map x -> tanh(x) }\n", "E0602"),
        ("mint 1\nlayer S(h: Act) on Vec[D] { map x -> h(x) }\n", "only where it is used"),
    ):
        with pytest.raises(SpecError, match=says):
            mintdsl.loads(text).certificate()
    with pytest.raises(SpecError, match="no layer or flow"):
        program().certificate("B")
    assert program("mint 1\nlayer S on Vec[D] ensures lower { map x -> 0 * x }\n").certificate()["proofs"]


# ---------------------------------------------------------------- other programs


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("diag >= 0.5", "diag >= 0.25", "`A` differs in the parameter `t`"),
        ("ensures lower, diag > 0, invertible", "ensures lower, invertible", "`A` differs in its claims"),
        ("t * x + u", "u + t * x", "`A` differs in its formula"),
        ("h(W(x))", "h(h(W(x)))", "`A` differs in the formula of a `let`"),
        ("0.1 * u", "0.2 * u", "the activation `leaky` differs"),
        ("repeat K", "repeat 2 * K", "`F` differs in its steps"),
        ("K: Nat = 4", "K: Nat = 5", "`F` differs in its formals"),
        ("Vec[8]", "Vec[9]", "`F` differs in its shape"),
        ("flow F", "flow G", "for `F`, which is not defined here"),
        ("first: A", "", "`F` differs in its steps"),
        ("A  A(h = elu) }\n  first: A", "first: A }", "`F` differs in its steps"),
    ],
)  # fmt: skip
def test_another_program_is_named(data: dict[str, Any], old: str, new: str, says: str) -> None:
    message = refused(data, OWN.replace(old, new))
    assert message.startswith("another program: ") and says in message
    assert ("hash " in message) == ("not defined" not in message)


def test_faulty_programs_are_not_checked(data: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        program(OWN + "layer").check_certificate(data)


# ---------------------------------------------------------------- edited certificates


def edited(data: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    other = copy.deepcopy(data)
    change(other)
    return other


def rehashed(data: dict[str, Any]) -> dict[str, Any]:
    from mintdsl.core.canonical import digest

    return {**data, "hash": digest(data["statement"])}


def first(data: dict[str, Any]) -> dict[str, Any]:
    """What proves the formula of the first definition."""
    return data["proofs"][0]["formulas"][0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: first(c)["result"][-1].__setitem__(0, "MUL"), "node 4: what is stated does not follow by ADD"),
        (lambda c: first(c)["result"][-1][1].__setitem__("lip", 0.0), "node 4: what is stated does not follow"),
        (lambda c: first(c)["result"].pop(), "shorter than"),
        (lambda c: c["proofs"][0].pop("acts"), "other parts than it should"),
        (lambda c: c["proofs"][0]["formulas"][0].__setitem__("lets", 3), "not in the form of a certificate"),
        (lambda c: c["proofs"].pop(), "the last proof is not of the definition"),
        (lambda c: c["proofs"].pop(0), ""),
        (lambda c: c["proofs"].clear(), "the last proof is not of the definition"),
        (lambda c: c["proofs"].insert(0, 7), "not in the form of a certificate"),
        (lambda c: c["proofs"][-1]["map"].__setitem__("onto", [0.0, 1.0, True, True]), "its conclusion"),
    ],
)  # fmt: skip
def test_edited_proofs_do_not_pass(data: dict[str, Any], change: Callable[[dict[str, Any]], object], says: str) -> None:
    message = refused(edited(data, change))
    assert message.startswith("a step does not follow: ") and says in message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.__setitem__("hash", "0" * 64), "edited: its hash"),
        (lambda c: c["statement"]["definitions"][0].__setitem__("name", "B"), "edited: its hash"),
        (lambda c: c.__setitem__("certificate", 2), "format 1"),
        (lambda c: c.__setitem__("certificate", True), "format 1"),
        (lambda c: c.__setitem__("certificate", 1.0), "format 1"),
        (lambda c: c.pop("proofs"), "proofs is missing"),
        (lambda c: c.__setitem__("more", 1), "more does not belong there"),
        (lambda c: c.__setitem__("statement", []), "another form"),
        (lambda c: c.__setitem__("statement", {}), "defines nothing"),
        (lambda c: c["statement"].__setitem__("definitions", [7]), "defines nothing"),
        (lambda c: c.__setitem__("hash", None), "another form"),
        (lambda c: c.__setitem__("proofs", {}), "another form"),
        (lambda c: c["proofs"].append(float("nan")), "not plain data"),
        (lambda c: c["proofs"].append(object()), "not plain data"),
        (lambda c: c["proofs"].append(c), "not plain data"),
    ],
)  # fmt: skip
def test_what_is_no_certificate(data: dict[str, Any], change: Callable[[dict[str, Any]], object], says: str) -> None:
    assert says in refused(edited(data, change))


def test_true_is_not_one(data: dict[str, Any]) -> None:
    """Python says True == 1 == 1.0; a statement is compared as text."""
    for value in (True, 1.0):
        changed = edited(data, lambda c, v=value: c["statement"].__setitem__("edition", v))  # type: ignore[misc]
        assert "edition differs" in refused(rehashed(changed))


def test_hashed_again_it_is_still_another_program(data: dict[str, Any]) -> None:
    for change in (
        lambda c: c["statement"]["definitions"][0]["params"][0].__setitem__("with", None),
        lambda c: c["statement"]["definitions"].insert(0, 3),
        lambda c: c["statement"]["definitions"][0].pop("params"),
        lambda c: c["statement"]["definitions"][0].__setitem__("params", "?"),
        lambda c: c["statement"].pop("acts"),
        lambda c: c["statement"].__setitem__("acts", 3),
        lambda c: c["statement"].__setitem__("more", 3),
        lambda c: c["statement"]["definitions"].pop(0),
        lambda c: c["statement"]["definitions"].insert(0, {"name": "Z"}),
        lambda c: c["statement"]["definitions"].insert(0, {"name": []}),
    ):
        assert refused(rehashed(edited(data, change))).startswith("another program: ")


# ---------------------------------------------------------------- strict reading


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1, column 1"),
        ("{", "line 1, column 2"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": 1e999}', "1e999 is too large"),
        ('{"a": -1e999}', "-1e999 is too large"),
        ("9" * 5000, "digits"),
        ('{"a": 1, "a": 1}', 'the key "a" stands twice'),
        ('[{"b": {"\\u0061": 1, "a": 2}}]', 'the key "a" stands twice'),
        ("[" * 501, "more than 500 brackets"),
        ('[{"a":' * 300, "more than 500 brackets"),
        ("[" * 10**6, "more than 500 brackets"),
        ("\ufeff{}", "not JSON"),
        ("{'a': 1}", "not JSON"),
        ("[1,]", "not JSON"),
        ("[1] 2", "not JSON"),
        (b"\xff\xfe", "no UTF-8 text (byte 0)"),
        (b'"\xed\xa0\x80"', "no UTF-8 text (byte 1)"),
        (b"{}\x00", "not JSON"),
    ],
)
def test_reading_is_strict(text: str | bytes, says: str) -> None:
    with pytest.raises(CertificateError) as caught:
        parse(text)
    assert says in str(caught.value) and str(caught.value).startswith("not ")
    with pytest.raises(CertificateError):
        program().check_certificate(text)


def test_large_texts_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recheck, "LARGEST", 2**20)
    with pytest.raises(CertificateError, match="larger than 1 MiB"):
        parse(b" " * (2**20 + 1))
    assert parse(b" " * (2**20 - 2) + b"{}") == {}


def test_brackets_in_strings_are_no_nesting() -> None:
    assert parse('["' + "[{" * 1000 + '", "\\"[[", "\\\\"]') == ["[{" * 1000, '"[[', "\\"]
    assert parse("[" * 500 + "]" * 500)


def test_unterminated_strings_take_linear_time() -> None:
    with pytest.raises(CertificateError, match="not JSON"):
        parse('"' + '\\"' * 500_000)
