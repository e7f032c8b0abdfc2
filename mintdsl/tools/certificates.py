"""`mint check-proof`, and certificates as files: JSON that a person can read and a version control system compare."""

from __future__ import annotations

import sys
from pathlib import Path

from mintdsl.core.canonical import Json
from mintdsl.diagnostics.render import printable
from mintdsl.driver import FileProblem, SpecError
from mintdsl.proof.kernel import TRUSTED
from mintdsl.proof.recheck import LARGEST, CertificateError, Rechecked
from mintdsl.tools import show
from mintdsl.tools.programs import Asked, Usage
from mintdsl.tools.show import Terminal, table, wrap

WIDTH = 118


def text(data: Json) -> str:
    """JSON in which what fits on a line stands on one, and keys keep their order."""
    return "\n".join(_lines(data, "")) + "\n"


def _lines(data: Json, indent: str) -> list[str]:
    import json

    whole = json.dumps(data, ensure_ascii=True, allow_nan=False)
    if len(indent) + len(whole) <= WIDTH or not isinstance(data, (list, dict)) or not data:
        return [whole]
    if isinstance(data, dict):
        left, right, parts = "{", "}", [(json.dumps(name) + ": ", value) for name, value in data.items()]
    else:
        left, right, parts = "[", "]", [("", value) for value in data]
    found = [left]
    for i, (lead, value) in enumerate(parts):
        first, *rest = _lines(value, indent + "  ")
        inner = [indent + "  " + lead + first, *rest]
        inner[-1] += "," if i < len(parts) - 1 else ""
        found += inner
    return [*found, indent + right]


# ---------------------------------------------------------------- checking


def checked(asked: Asked, proof: str, *, trusted: bool, at: Terminal) -> tuple[bool, list[str]]:
    """Whether the certificate in the file `proof` holds of the program, and what to say."""
    data = _read(proof, asked)
    try:
        found = asked.program.check_certificate(data, asked.name, **asked.sizes)
    except SpecError as error:
        return False, list(show.diagnostics(error.diagnostics, asked.program.sources, err=True))
    except CertificateError as error:
        return False, [f"mint: {printable(proof)}: {printable(str(error))}"]
    return True, [*_report(found, at), *(_trusted(at) if trusted else ())]


def _read(proof: str, asked: Asked) -> bytes:
    if proof == "-":
        if asked.program.main == "<stdin>":
            raise Usage("SPEC and PROOF cannot both be standard input")
        return sys.stdin.buffer.read(LARGEST + 1)
    path = Path(proof)
    try:
        if path.is_dir():
            raise FileProblem(f"{proof} is a folder; give a certificate")
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        raise FileProblem(f"{proof[:200]}: no such file") from None
    except ValueError:
        raise FileProblem(f"{proof[:200]!r} is no path") from None


def _report(found: Rechecked, at: Terminal) -> list[str]:
    rows = [(one.kind, one.name, f"{one.steps:,}", ", ".join(one.claims) or "none") for one in found.definitions]
    claims = sum(len(one.claims) for one in found.definitions)
    count = f"{len(found.definitions):,} definition{'s' * (len(found.definitions) != 1)}"
    return [
        at.style("bold", f"{found.target}: proved by the certificate"),
        *table(("", "definition", "steps", "claims"), rows, at),
        f"checked: {count}, {claims:,} claims, {found.steps:,} steps",
        f"hash: {found.hash}",
    ]


def _trusted(at: Terminal) -> list[str]:
    lines = ["", at.style("bold", "Taken for granted")]
    for line in TRUSTED:
        first, *rest = wrap(line, at.width - 2)
        lines += [f"  {first}", *(f"    {part}" for part in rest)]
    return lines
