"""The forms of a proof, and which one a command line asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mintdsl.core import ir
from mintdsl.driver import Report, SpecError
from mintdsl.records import record, replace
from mintdsl.tools.programs import Asked, Usage
from mintdsl.tools.proof_document import Document, document
from mintdsl.tools.show import Terminal


@record
class Form:
    """One form: what a file of it is called, how its name ends, and how every such file begins."""

    title: str
    suffix: str
    heads: tuple[bytes, ...]
    write: Callable[[Document], str] | None = None


def _markdown(found: Document) -> str:
    from mintdsl.tools.proof_markdown import markdown

    return markdown(found)


def _latex(found: Document) -> str:
    from mintdsl.tools.proof_latex import latex

    return latex(found)


def _svg(found: Document) -> str:
    from mintdsl.tools.proof_svg import drawing
    from mintdsl.tools.scene import svg

    return svg(drawing(found))


def _html(found: Document) -> str:
    from mintdsl.tools.proof_html import html

    return html(found)


NOTHING = "nothing to prove\n"
# Text needs a terminal's width, and a certificate the program itself: these two have no function of the document.
FORMS = {
    "text": Form("proof", ".txt", (b"layer ", b"flow ")),
    "markdown": Form("proof", ".md", (b"# Proof of ",), _markdown),
    "latex": Form("proof", ".tex", (b"% Proof of ",), _latex),
    "svg": Form("drawing of the proof", ".svg", (b"<svg ",), _svg),
    "html": Form("proof", ".html", (b"<!DOCTYPE html>\n<!-- Proof of ",), _html),
    "json": Form("certificate", ".json", (b'{\n  "certificate":',)),
}


def chosen(form: str | None, out: str | None, asked: Asked, *, force: bool) -> tuple[str, Path | None]:
    """The form that is asked for and the file to write; Usage where the two do not fit or the file is another's."""
    if out is None or out == "-":
        return form or "text", None
    path = Path(out)
    by_suffix = {known.suffix: name for name, known in FORMS.items()}
    found = form or by_suffix.get(path.suffix.lower())
    if found is None:
        raise Usage(f"{out}: the name must end in {', '.join(by_suffix)}; or choose a form with --format")
    if "\0" in out:
        raise Usage(f"{out[:200]!r} is no path")
    if any(Path(file).exists() and path.exists() and path.samefile(file) for file in asked.program.sources):
        raise Usage(f"{path} is a file of the program itself")
    if path.is_dir():
        raise Usage(f"{path} is a folder; give a file")
    if path.exists() and not force and not _begins(path, FORMS[found].heads):
        raise Usage(f"{path} is no {FORMS[found].title} written before; --force overwrites it")
    return found, path


def _begins(path: Path, heads: tuple[bytes, ...]) -> bool:
    with path.open("rb") as file:
        start = file.read(max(map(len, heads)))
    return not start or start.startswith(heads)


@record
class Wanted:
    """What the text of a proof leaves out (`brief`: the rules) and adds (`support`: what outputs can see)."""

    brief: bool = False
    support: bool = False


def written(asked: Asked, report: Report, form: str, wanted: Wanted, at: Terminal) -> str | None:
    """The proof in a form; None when there is nothing to show, as the diagnostics say."""
    from mintdsl.proof.prover import Prover
    from mintdsl.tools import numerics

    core, _ = asked.program.core()
    names = core.main if asked.name is None else (core.find(asked.name),)
    keys = [key for key in names if key is not None and key in core.definitions]
    if form == "json":
        return _certificate(asked) if report.ok else None
    prover = Prover(core)
    found = prover.used(keys)
    if not found:
        return NOTHING if report.ok else None
    shown = document(found, core, report.sources, report.diagnostics)
    if report.ok:
        numerical, formula = numerics.numerics_of(core, prover, keys, asked.sizes)
        shown = replace(shown, numerical=numerical, formula=formula)
    write = FORMS[form].write
    return write(shown) if write is not None else _text(shown, core, keys, asked, wanted, at)


def _certificate(asked: Asked) -> str:
    from mintdsl.tools.certificates import text

    try:
        return text(asked.program.certificate(asked.target))
    except SpecError as error:
        raise Usage(error.diagnostics[-1].title) from None


def _text(shown: Document, core: ir.Program, keys: Sequence[str], asked: Asked, wanted: Wanted, at: Terminal) -> str:
    from mintdsl.tools import numerics, proofs, support

    more = numerics.numerics_text(shown.numerical, shown.formula, at) if shown.numerical else []
    if wanted.support and shown.holds:
        more += support.support_text(core, keys, asked.sizes, at)
    return "\n".join(proofs.text(shown, at, more, brief=wanted.brief)) + "\n"
