"""Proofs as documents: one golden a form, every accepted program in every form, hostile texts, large proofs.

Set UPDATE_GOLDENS=1 to write the goldens anew after a wanted change, and read the difference.
"""

from __future__ import annotations

import os
import re
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tools_documents import check_html, check_latex, check_markdown

import mintdsl
from mintdsl.proof.prover import Prover
from mintdsl.resources import resource
from mintdsl.tools import proofs
from mintdsl.tools.proof_document import LONGEST, Document, document, trees
from mintdsl.tools.proof_forms import FORMS
from mintdsl.tools.proof_html import html
from mintdsl.tools.proof_latex import latex, source_of
from mintdsl.tools.proof_markdown import code, markdown
from mintdsl.tools.proof_svg import drawing
from mintdsl.tools.proof_words import numbers
from mintdsl.tools.scene import Rect, Words, bounds, svg, text_width
from mintdsl.tools.show import Terminal

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden" / "proofs"
ACCEPTED = sorted((TESTS / "proof" / "accepted").glob("*.mint"))
PLAIN = Terminal(color=False, width=110, boxes=True)
SMALL = """mint 1
act soft(u) = 0.5 * u + 0.5 * elu(u)

## s(x) = t*x + A h(B x)
layer Small(h: Act = soft) on Vec[D] ensures lower, diag > 0, invertible {
  param t    : scale with diag >= 0.5
  param A, B : linear lower
  tie diag(A) * diag(B) >= 0
  map x {
    let u = h(B(x))
    return t * x + A(u)                # A(u) has the sign of the tie
  }
}
flow Two on Vec[8] ensures invertible {
  repeat 2 { Small  Small(h = tanh) }
  prior normal
}
"""
UNPROVED = """mint 1
layer S on Vec[D] ensures lower, diag > 0, invertible {
  param A, B : linear lower
  map x -> A(elu(B(x)))
}
flow F on Vec[4] ensures invertible { S }
"""


def proof(program: mintdsl.Program, name: str | None = None) -> Document | None:
    report = program.check(name)
    core, _ = program.core()
    keys = core.main if name is None else (core.find(name),)
    found = Prover(core).used([key for key in keys if key is not None])
    return document(found, core, program.sources, report.diagnostics) if found else None


def shown(text: str, file: str = "small.mint") -> Document:
    found = proof(mintdsl.loads(text, file))
    assert found is not None
    return found


def text_of(found: Document) -> str:
    return "\n".join(proofs.text(found, PLAIN)) + "\n"


def check_svg(found: Document) -> ET.Element:
    scene = drawing(found)
    root = ET.fromstring(svg(scene))
    right, bottom = bounds(scene.shapes)
    assert right <= scene.width and bottom <= scene.height
    assert svg(drawing(found)) == svg(scene)
    return root


# ---------------------------------------------------------------- goldens


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "svg", "html"])
def test_goldens(form: str) -> None:
    found = shown(SMALL)
    write = FORMS[form].write
    written = text_of(found) if write is None else write(found)
    path = GOLDEN / f"small{FORMS[form].suffix}"
    if form == "html":  # how it looks is one constant
        written = re.sub(r"<style>.*?</style>", "<style></style>", written, flags=re.DOTALL)
    if os.environ.get("UPDATE_GOLDENS"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")
    assert FORMS[form].heads == () or written.encode().startswith(FORMS[form].heads)


# ---------------------------------------------------------------- the document


def test_steps_are_numbered_in_the_order_of_proof() -> None:
    found = shown(SMALL)
    assert [section.name for section in found.sections] == ["Small", "Small", "Two"]
    for section in found.sections:
        assert [step.number for step in section.steps] == list(range(1, len(section.steps) + 1))
        for step in section.steps:
            assert all(n < step.number for n in step.premises)
            assert [section.steps[n - 1].node for n in step.premises] == list(step.node.premises)
    steps = found.sections[0].steps
    named = [step for step in steps if step.text == "u" and step.node.rule == "LET"]
    assert [steps[int(str(step.refers)) - 1].text for step in named] == ["u ="]
    assert [step.refers for step in found.sections[2].steps if step.node.rule == "USE"] == ["Small", "Small"]
    assert steps[0].text == "0.5" and found.sections[0].roots[0] < found.sections[0].roots[1] == len(steps)


def test_every_formula_stands_at_its_steps() -> None:
    for path in [*ACCEPTED, resource("specs") / "mintnet/mint.mint"]:
        found = proof(mintdsl.load(path))
        for section in found.sections if found else ():
            for formula in section.formulas:
                assert [s.expr for s in formula.steps].count(None) == 0
                for step in formula.steps:
                    assert step.expr is not None and step.expr.span == step.node.subject


@pytest.mark.parametrize("deepest", [1, 2, 5, 100])
def test_every_step_stands_once_in_the_trees(deepest: int) -> None:
    for section in shown(SMALL).sections:
        for root in section.roots:
            steps = section.tree(root)
            rows = [row for tree in trees(steps, deepest) for row in tree]
            assert max(row.depth for row in rows) <= deepest
            assert sorted(row.step.number for row in rows if not row.below) == [step.number for step in steps]


def test_comments_are_no_part_of_an_expression() -> None:
    text = SMALL.replace("t * x + A(u)", "t * x  # <b>`|$\n     + A(u)")
    assert any(step.text == "t * x + A(u)" for step in shown(text).sections[0].steps)
    for write in (text_of, markdown, latex):
        assert "<b>" not in write(shown(text))
    assert "<b>" not in html(shown(text)) and "# &lt;b&gt;`|$" in html(shown(text))


def test_what_is_not_proved_is_not_called_proved() -> None:
    found = shown(UNPROVED)
    assert [section.holds for section in found.sections] == [False, False]
    assert found.hash == "" and not found.holds
    text = text_of(found)
    assert text.count("NOT PROVED") == 2 and ": proved" not in text
    written = markdown(found)
    assert "| proved |" not in written and written.count("**NOT PROVED**") == 4 and "error[E0401]" in written
    assert "begin{theorem}" not in latex(found) and "E0401" in latex(found)
    page = check_html(html(found))
    assert "bad" in html(found) and '<span class="good">' not in html(found)
    assert any("error[E0401]" in part for part in page.text)
    words = [shape.text for shape in drawing(found).shapes if isinstance(shape, Words)]
    assert words.count("NOT PROVED") == 2 and "proved" not in words


def test_a_formula_without_a_value_is_shown() -> None:
    found = shown("mint 1\nlayer S on Vec[D] ensures invertible { map x -> log(x) }\n")
    for write in (text_of, markdown, html):
        assert "FAIL" in write(found)
    check_latex(latex(found))
    check_svg(found)


def test_assumptions_are_named() -> None:
    found = shown("mint 1\nlayer S on Vec[D] ensures injective {\n  param n : normalize\n  map x -> n(x)\n}\n")
    assert "in evaluation mode" in text_of(found) and "evaluation mode" in latex(found)
    raw = "param w : scale with diag != 0 via raw\n  map x -> w * x"
    found = shown(f"mint 1\nlayer S on Vec[D] ensures invertible {{\n  {raw}\n}}\n")
    verdict = "proved under a checked assumption diag(w) != 0 of S"
    assert found.sections[0].verdict == verdict
    for write in (text_of, markdown, html):
        assert verdict in write(found).replace("\\", "") and "the module checks" in write(found)
    assert r"checked assumption $\operatorname{diag}(w)$ $\neq$ 0" in latex(found)
    assert verdict in [shape.text for shape in drawing(found).shapes if isinstance(shape, Words)]


def test_numbers() -> None:
    assert numbers(()) == ""
    assert numbers((3,)) == "(3)"
    assert numbers((1, 2, 3)) == "(1), (2), (3)"
    assert numbers((1, 2, 3, 4, 9)) == "(1) to (4), (9)"
    assert numbers(range(2, 100, 2)) == "(2), (4), (6), ..., (98)"


# ---------------------------------------------------------------- all programs in all forms


@pytest.mark.parametrize("path", [*ACCEPTED, *sorted(resource("specs").glob("mintnet/*.mint"))], ids=lambda p: p.stem)
def test_every_accepted_program_in_every_form(path: Path) -> None:
    found = proof(mintdsl.load(path))
    if found is None:  # all of it is proved where it is used
        return
    assert max(map(len, text_of(found).splitlines())) <= 120
    check_latex(latex(found))
    check_markdown(markdown(found))
    page = check_html(html(found))
    check_svg(found)
    for section in found.sections:
        assert any(section.name in part for part in page.text)


def test_every_refused_program_in_every_form() -> None:
    for path in sorted((TESTS / "proof" / "refused").glob("*.mint")):
        program = mintdsl.load(path)
        core, found = program.core()
        shown_ = proof(program) if not found.has_errors and core.main else None
        if shown_ is not None:
            text_of(shown_)
            check_latex(latex(shown_))
            check_markdown(markdown(shown_))
            check_html(html(shown_))
            check_svg(shown_)


def test_nothing_overlaps_in_a_drawing() -> None:
    for found in (shown(SMALL), proof(mintdsl.load(resource("specs") / "mintnet/mnist_small.mint"))):
        assert found is not None
        shapes = drawing(found).shapes
        boxes = [r for r in shapes if isinstance(r, Rect) and 40 < r.height < 50]
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
                assert apart, (a, b)
        for word in (w for w in shapes if isinstance(w, Words)):
            wide = text_width(word.text, word.size, bold=word.bold)
            left = word.x - (wide if word.anchor == "r" else 0.0)
            for box in boxes:
                if box.y <= word.y <= box.y + box.height and left < box.x + box.width and word.x > box.x:
                    assert left >= box.x and left + wide <= box.x + box.width + 1, word


def test_the_page_links_steps_to_their_source() -> None:
    written = html(shown(SMALL))
    (place,) = set(re.findall(r'<a href="#(p0-\d+-\d+)"><code>t \* x \+ A\(u\)</code>', written))
    marked = re.search(rf'<span id="{place}">(.*?)</span>\s*#', written, re.DOTALL)
    assert marked and re.sub("<[^>]*>", "", marked[1]).rstrip() == "t * x + A(u)"
    assert "return <mark>t * x + A(u)</mark>" in written
    listing = re.findall(r'<pre class="text"><code>(.*?)</code></pre>', written, re.DOTALL)
    assert [re.sub("<[^>]*>", "", part).replace("&gt;", ">") for part in listing] == [SMALL]
    assert "default-src 'none'" in written and "prefers-color-scheme: dark" in written and "@media print" in written


# ---------------------------------------------------------------- hostile texts

HOSTILE = (
    "</code><script>alert(1)</script>", "]]> --> <!--", "\\end{document}\\input{/etc/passwd}$x$ %", "``` ```` `",
    "| a | b |\n# no heading", "\u202eevil\u2066 \u200b", "&amp; ' \" < >", "[link](http://example.org) @someone #1",
    "{\\bf x} ~ ^ _ & %%%", "\u00e9\u03c0\u4e2d\U0001f600 \u2211",
)  # fmt: skip


@pytest.mark.parametrize("words", HOSTILE)
def test_texts_of_a_program_stay_texts(words: str) -> None:
    doc = "\n".join(f"## {line}" for line in words.split("\n"))
    text = SMALL.replace("## s(x) = t*x + A h(B x)", doc).replace("# A(u) has", f"# {' '.join(words.split())}")
    found = shown(text, file=f"a {words.replace('/', '')}.mint")
    assert found.holds
    check_latex(latex(found))
    check_markdown(markdown(found))
    page = check_html(html(found))
    root = check_svg(found)
    assert latex(found).count(r"\end{document}") == 1 and r"\input" not in latex(found)
    whole = "".join([*page.text, *root.itertext(), text_of(found), markdown(found), latex(found)])
    assert not set("\u202e\u2066\u200b") & set(whole)


def test_words_as_code() -> None:
    assert code("a") == "`a`" and code("`") == "`` ` ``" and code("a``b") == "```a``b```" and code("") == "`  `"


def test_a_name_of_a_file_ends_no_comment() -> None:
    assert html(shown(SMALL)).splitlines()[1] == "<!-- Proof of Two, written by mint prove. -->"
    assert latex(shown(SMALL)).splitlines()[0] == "% Proof of Two, written by mint prove."


# ---------------------------------------------------------------- large proofs

LAYER = (
    "mint 1\nlayer L on Vec[D] ensures diag > 0, invertible {{\n  param t : scale with diag > 0\n  map x -> {}\n}}\n"
)
LARGE = {
    "a long sum": LAYER.format(" + ".join(["t * x"] * 2000)),
    "a deep composition": LAYER.format("t * x + " + "softplus(" * 90 + "x" + ")" * 90),
    "a long flow": LAYER.format("t * x") + "flow F on Vec[4] ensures invertible {\n" + "  L\n" * 10_000 + "}\n",
    "deep blocks": LAYER.format("t * x") + "flow F on Vec[4] ensures invertible {" + "repeat 1 {" * 8 + "L" + "}" * 9,
}


@pytest.mark.parametrize("name", LARGE)
def test_large_proofs(name: str) -> None:
    found = shown(LARGE[name])
    start = time.process_time()
    sizes = {"text": len(text_of(found)), "markdown": len(markdown(found)), "svg": len(svg(drawing(found)))}
    written = latex(found)
    page = html(found)
    assert time.process_time() - start < 30
    count = sum(len(section.steps) for section in found.sections)
    for form, size in {**sizes, "latex": len(written), "html": len(page)}.items():
        assert size < 40_000 + 4_000 * count, form
    assert max(len(step.text) for section in found.sections for step in section.steps) <= LONGEST + 5
    check_html(page)
    check_latex(written)


def test_citations() -> None:
    assert source_of("change of variables") == ("", "", "")
    assert source_of("Banach, Fund. Math. 3 (1922)")[1] == "Banach, Fund. Math. 3 (1922)"
    key, paper, place = source_of("in flows Dinh et al., ICLR 2017, arXiv:1605.08803, section 4.1")
    assert key == "arxiv1605.08803" and place == "section 4.1"
    assert paper == "Dinh, Sohl-Dickstein, Bengio, Real NVP, ICLR 2017, arXiv:1605.08803"


def test_a_formula_of_a_part_names_the_parts_that_it_reads() -> None:
    text = """mint 1
layer Cond on Vec[D] ensures lower, diag > 0, invertible {
  space Half = Vec[D / 2]
  param W : linear on Half
  map x {
    let (a, b) = split(x, halves)
    let s = W(a)
    return join(a, b * exp(tanh(s)))
  }
}
"""
    found = proof(mintdsl.loads(text), "Cond")
    assert found is not None
    for write in (latex, markdown):
        assert r"W\,a" in write(found) and r"W\,b" not in write(found)
