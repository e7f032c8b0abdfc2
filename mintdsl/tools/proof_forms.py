"""The forms of a proof, and which one a command line asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mintdsl.driver import Report, SpecError
from mintdsl.records import record
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


def written(asked: Asked, report: Report, form: str, *, brief: bool, at: Terminal, to_file: bool) -> str | None:
    """The proof in a form; None when there is nothing to show, as the diagnostics say."""
    from mintdsl.proof.prover import Prover
    from mintdsl.tools import fixes

    core, _ = asked.program.core()
    keys = core.main if asked.name is None else (core.find(asked.name),)
    with fixes.deep():
        if form == "json":
            if not report.ok:
                return None
            from mintdsl.tools.certificates import text

            try:
                return text(asked.program.certificate(asked.target))
            except SpecError as error:
                raise Usage(error.diagnostics[-1].title) from None
        found = Prover(core).used([key for key in keys if key is not None and key in core.definitions])
        if not found and report.ok and to_file:
            raise Usage("nothing to prove: the file defines no layer and no flow")
        if not found:
            return "nothing to prove\n" if report.ok else None
        shown = document(found, core, report.sources, report.diagnostics)
        write = FORMS[form].write
        if write is not None:
            return write(shown)
        from mintdsl.tools import proofs

        plain = Terminal(color=False, width=110, boxes=True)
        return "\n".join(proofs.text(shown, plain if to_file else at, brief=brief)) + "\n"
