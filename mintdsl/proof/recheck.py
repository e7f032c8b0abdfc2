"""A certificate against a program that is read anew: strict reading, comparison of the statements, then the kernel.

Nothing of the checker takes part. What the certificate says of the program is compared with the program itself and
not used; only its proofs are, and the kernel tests each step of them.
"""

from __future__ import annotations

import json
import re

from mintdsl.core import ir
from mintdsl.core.canonical import FORMAT, Statement, digest, dumps
from mintdsl.proof.kernel import Refused, recheck
from mintdsl.proof.kernel.reading import Json
from mintdsl.records import record

LARGEST = 64 * 2**20
DEEPEST = 500
"""Brackets inside each other: five times what the deepest program needs."""

_FIELDS = ("certificate", "hash", "statement", "proofs")
_PARTS = {
    "formals": "its formals",
    "on": "its shape",
    "given": "its context",
    "to": "its result",
    "order": "its order",
    "indices": "its indices",
    "lets": "the formula of a `let`",
    "results": "its formula",
    "split": "how it cuts its variable into parts",
    "claims": "its claims",
    "steps": "its steps",
    "kind": "what it is",
}


class CertificateError(Exception):
    """A certificate that does not prove what it should; the message says which part is wrong."""


@record
class Certified:
    """One definition with one binding of its formals: its claims, and how many steps prove them."""

    name: str
    kind: str
    claims: tuple[str, ...]
    steps: int


@record
class Rechecked:
    """What a certificate proves of a program: `definitions` in the order of proof, the target last."""

    target: str
    hash: str
    definitions: tuple[Certified, ...]

    @property
    def steps(self) -> int:
        """How many steps the kernel tested."""
        return sum(one.steps for one in self.definitions)


# ---------------------------------------------------------------- reading


def parse(text: str | bytes) -> Json:
    """The data of a certificate's text: UTF-8, plain JSON, no key twice, no number that is not finite."""
    if len(text) > LARGEST:
        raise CertificateError(f"not a certificate: larger than {LARGEST // 2**20} MiB")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CertificateError(f"not JSON: no UTF-8 text (byte {error.start})") from None
    _shallow(text)
    try:
        data: Json = json.loads(text, parse_constant=_constant, parse_float=_finite, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise CertificateError(f"not JSON: {error.msg}, line {error.lineno}, column {error.colno}") from None
    except ValueError as error:
        raise CertificateError(f"not JSON: {str(error).partition(';')[0]}") from None
    return data


def _shallow(text: str) -> None:
    """Refuse deep nesting before anything recurses on it."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', text, re.DOTALL):
        if match[0] in "[{":
            depth += 1
            if depth > DEEPEST:
                raise CertificateError(f"not a certificate: more than {DEEPEST} brackets inside each other")
        elif match[0] in "]}":
            depth -= 1


def _constant(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {digits[:40]} is too large")
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {json.dumps(name)[:80]} stands twice in one object")
        found[name] = value
    return found


# ---------------------------------------------------------------- checking


def check_certificate(program: ir.Program, data: Json, name: str | None = None) -> Rechecked:
    """What the certificate `data`, which is to be one of `name`, proves of `program`; else CertificateError."""
    stated, proofs, stated_hash = _form(data)
    target = _target(stated)
    if name not in (None, target):
        raise CertificateError(f"another definition: the certificate is for `{target}`, not for `{name}`")
    key = program.find(target)
    if key is None:
        raise CertificateError(f"another program: the certificate is for `{target}`, which is not defined here")
    statement: Json = Statement(program, key).data()
    found = digest(statement)
    if digest(stated) != stated_hash:
        raise CertificateError("edited: its hash is not that of its statement")
    if found != stated_hash:
        there = f"hash {found[:16]} here, {stated_hash[:16]} in the certificate"
        raise CertificateError(f"another program: {_difference(stated, statement)} ({there})")
    try:
        recheck(data, statement)
    except Refused as refused:
        raise CertificateError(f"a step does not follow: {refused}") from None
    definitions = {d["name"]: d for d in statement["definitions"]}
    return Rechecked(target, found, tuple(_certified(definitions[p["definition"]], p) for p in proofs))


def _form(data: Json) -> tuple[Json, Json, str]:
    """Statement, proofs and hash of what has the outer form of a certificate."""
    if not isinstance(data, dict) or "certificate" not in data:
        raise CertificateError("not a certificate: it does not say `certificate`")
    if _plain(data["certificate"]) != str(FORMAT):
        raise CertificateError(f"not a certificate of format {FORMAT}, which this version reads")
    missing = [name for name in _FIELDS if name not in data]
    if missing or len(data) != len(_FIELDS):
        names = ", ".join(missing) or ", ".join(sorted(map(str, set(data) - set(_FIELDS))))
        raise CertificateError(
            f"not a certificate: {names[:80]} {'is missing' if missing else 'does not belong there'}"
        )
    stated, found = data["statement"], data["hash"]
    if not isinstance(stated, dict) or not isinstance(found, str) or not isinstance(data["proofs"], list):
        raise CertificateError("not a certificate: its statement, its proofs or its hash have another form")
    _plain(data)
    return stated, data["proofs"], found


def _plain(data: Json) -> str:
    """Canonical text of what may not be plain data."""
    try:
        return dumps(data)
    except (ValueError, TypeError, RecursionError):
        raise CertificateError("not a certificate: not plain data") from None


def _target(stated: Json) -> str:
    match stated.get("definitions"):
        case [*_, {"name": str(name)}]:
            return name
        case _:
            raise CertificateError("not a certificate: its statement defines nothing")


def _objects(data: Json) -> list[dict[str, Json]]:
    return [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []


def _certified(definition: Json, proof: Json) -> Certified:
    """What the kernel has tested, and so has the form that it should."""
    claims = tuple(str(ir.Claim(*claim)) for claim in definition["claims"])
    name, kind = definition["name"], definition["kind"]
    if kind == "flow":
        return Certified(name, kind, claims, _count(definition["steps"]))
    formulas = [steps for one in proof["formulas"] for steps in (*(s for _, s in one["lets"]), one["result"])]
    return Certified(name, kind, claims, sum(map(len, [*proof["acts"].values(), *formulas])))


def _count(steps: Json) -> int:
    """The steps of a flow, those inside blocks too."""
    total, stack = 0, list(steps)
    while stack:
        total += 1
        _, (word, *rest), _ = stack.pop()
        if word in ("repeat", "pair"):
            stack.extend(rest[-1])
    return total


# ---------------------------------------------------------------- which part differs


def _difference(stated: Json, found: Json) -> str:
    """The first part of the program that the certificate states in another way."""
    if dumps(stated.get("edition")) != dumps(found["edition"]):
        return "its edition differs"
    theirs = {d["name"]: d for d in _objects(stated.get("definitions")) if isinstance(d.get("name"), str)}
    ours = {d["name"]: d for d in found["definitions"]}
    for name, definition in ours.items():
        if name not in theirs:
            return f"`{name}` is used here, and is not in the certificate"
        if dumps(theirs[name]) != dumps(definition):
            return f"`{name}` differs in {_part(theirs[name], definition)}"
    for name in theirs:
        if name not in ours:
            return f"the certificate uses `{name}`, which this program does not"
    if dumps(stated.get("acts")) != dumps(found["acts"]):
        return f"the activation{_act(stated.get('acts'), found['acts'])} differs"
    return "its definitions stand in another order, or have other parts"


def _part(theirs: Json, ours: Json) -> str:
    for name, value in ours.items():
        if name != "params" and (name not in theirs or dumps(theirs[name]) != dumps(value)):
            return _PARTS.get(name, "its form")
    known = {dumps(p.get("name")): p for p in _objects(theirs.get("params"))}
    for param in _objects(ours.get("params")):
        other = known.get(dumps(param["name"]))
        if other is None or dumps(other) != dumps(param):
            return f"the parameter `{param['name']}`"
    return "its parameters"


def _act(theirs: Json, ours: Json) -> str:
    for i, act in enumerate(ours):
        if not isinstance(theirs, list) or i >= len(theirs) or dumps(theirs[i]) != dumps(act):
            return f" `{act[0]}`"
    return ""
