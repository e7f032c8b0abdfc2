"""What a well-formed document is: HTML whose elements nest, LaTeX whose braces and environments do, Markdown tables."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta"}
BLOCKS = {"p", "ul", "ol", "dl", "pre", "div", "section", "details", "h1", "h2", "nav", "aside", "main"}
PHRASING = {"a", "code", "span", "mark", "em"}
CHILDREN = {"ul": {"li"}, "ol": {"li"}, "dl": {"dt", "dd"}}


class Page(HTMLParser):
    """Reads a page and asserts that every element is closed where it may stand."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.deepest = 0
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parent = self.open[-1] if self.open else ""
        assert parent not in CHILDREN or tag in CHILDREN[parent], (parent, tag, self.getpos())
        if tag in BLOCKS:
            assert not {"p", "summary", "span", "code", "a", "pre", "h1", "h2"} & set(self.open), (tag, self.getpos())
        elif self.open and "body" in self.open and tag not in {"li", "dt", "dd", "summary"}:
            assert tag in PHRASING, (tag, self.getpos())
        assert tag != "a" or "a" not in self.open
        if tag == "summary":
            assert parent == "details"
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        values = dict(attrs)
        assert len(values) == len(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "a":
            self.links.append(str(values["href"]))
        if tag not in VOID:
            self.open.append(tag)
            self.deepest = max(self.deepest, len(self.open))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, (tag, self.open, self.getpos())
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def check_html(text: str) -> Page:
    """The page, if it is well-formed, holds no script and links only to itself."""
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert len(page.ids) == len(set(page.ids)), "an id stands twice"
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert all(link.startswith("#") for link in page.links)
    assert not page.tags & {"script", "iframe", "img", "link", "object", "embed", "form", "svg"}
    assert not any(name.startswith("on") or name in ("src", "style") for name in page.attributes)
    assert page.deepest < 300, "browsers stop at 512"
    return page


# ---------------------------------------------------------------- LaTeX

TEXT = {
    "textbackslash", "textasciicircum", "textasciitilde", "textless", "textgreater", "textbar", "textendash",
    "textemdash", "char", "section", "paragraph", "newtheorem", "itshape", "raggedright", "small", "footnotesize",
    "noindent", "emph", "textit", "textbf", "textsf", "maketitle", "cite", "bibitem", "item", "hangindent",
    "hangafter", "hline", "endhead", "lean", "by", "note", "infer", "setlength", "itemsep", "hspace", "linewidth",
    "arraybackslash", "par", "ss", "r", "c", "v", "H", "i", "j",
}  # fmt: skip
MATH = {
    "sum", "frac", "odot", "cdot", "infty", "mathbb", "mathrm", "mathit", "operatorname", "in", "geq", "leq", "neq",
    "times", "to", "Rightarrow", "exp", "log", "tanh", "sin", "lvert", "rvert", "langle", "rangle", "pm", "circ",
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "mu", "nu", "xi", "pi",
    "rho", "sigma", "tau", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Xi", "Pi", "Sigma", "Phi", "Psi",
    "Omega",
}  # fmt: skip
EITHER = {"allowbreak", "begin", "end", "texttt", "mbox", "ensuremath", "dots"}
ENVIRONMENTS = {
    "document", "theorem", "align*", "longtable", "itemize", "flushleft", "thebibliography",
}  # fmt: skip
_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|.", re.DOTALL)
MATH_GROUPS = {"ensuremath"}
TEXT_GROUPS = {"texttt", "mbox"}


def check_latex(text: str) -> None:
    """Braces, environments and dollars are balanced, every command is known and stands in its mode, rows are whole."""
    assert text.isascii()
    first, _, rest = text.partition("\n")
    assert first.startswith("% ") and "%" not in first[1:]
    preamble, body = rest.split(r"\begin{document}")
    assert body.endswith("\\end{document}\n")
    check_body(body.removesuffix("\\end{document}\n"))
    assert set(re.findall(r"\\usepackage(?:\[[^]]*\])?\{([^}]*)\}", preamble)) == {
        "geometry",
        "amsmath,amssymb,array,longtable",
    }


def check_body(body: str) -> None:
    """The same of a part of a document."""
    stack: list[tuple[str, str]] = []  # what is open, and the mode around it
    mode, pending, cells = "text", "", 0
    tokens = _TOKEN.findall(body)
    i = 0
    while i < len(tokens):
        token = tokens[i]
        i += 1
        if token in (r"\begin", r"\end"):
            name = ""
            assert tokens[i] == "{"
            while tokens[i + 1] != "}":
                name += tokens[i + 1]
                i += 1
            i += 2
            assert name in ENVIRONMENTS, name
            if token == r"\begin":
                stack.append((name, mode))
                mode = "math" if name == "align*" else mode
                if name == "longtable":  # its columns
                    depth = 0
                    while True:
                        depth += {"{": 1, "}": -1}.get(tokens[i], 0)
                        i += 1
                        if depth == 0:
                            break
                cells = 0
            else:
                opened, mode = stack.pop()
                assert opened == name, (opened, name)
                assert name != "longtable" or cells == 0
            continue
        match token:
            case "{":
                stack.append(("{", mode))
                mode = "math" if pending in MATH_GROUPS else "text" if pending in TEXT_GROUPS else mode
            case "}":
                opened, mode = stack.pop()
                assert opened == "{", (opened, body[:200])
            case "$":
                if stack and stack[-1][0] == "$":
                    _, mode = stack.pop()
                else:
                    assert mode == "text"
                    stack.append(("$", mode))
                    mode = "math"
            case "^" | "_":
                assert mode == "math", tokens[max(i - 20, 0) : i]
            case "&":
                assert stack[-1][0] in ("longtable", "align*")
                cells += 1
            case "#" | "~" | "%" | '"':
                raise AssertionError(token)
            case "\\\\":
                assert stack[-1][0] in ("longtable", "align*")
                assert stack[-1][0] == "align*" or cells == 3
                cells = 0
            case r"\hline":
                pass
            case _ if token.startswith("\\") and token[1:2].isalpha():
                word = token[1:].rstrip("*")
                assert word in TEXT | MATH | EITHER, token
                assert word in EITHER or (word in MATH) == (mode == "math"), (token, mode, "".join(tokens[i - 30 : i]))
            case _ if token.startswith("\\"):
                assert token[1] in "{}$&#%_,'^~\"`=.", token
                assert token != r"\," or mode == "math"
        pending = token[1:] if token.startswith("\\") else ""
    assert stack == []


# ---------------------------------------------------------------- Markdown


def check_markdown(text: str) -> None:
    """Tables have as many cells in every row as in their head; fences are closed; nothing of HTML is left."""
    fence, cells = "", 0
    for line in text.splitlines():
        mark = re.match(r"(`{3,})[^`]*$", line)
        if fence:
            fence = "" if mark and line == fence else fence
            continue
        if mark:
            fence = mark[1]
            continue
        if line.startswith("|"):
            plain = line.replace("\\|", "")
            assert cells in (0, plain.count("|")), line
            cells = plain.count("|")
        else:
            cells = 0
        outside = re.sub(r"(`+)(?:(?!`).)*?.*?(?<!`)\1(?!`)", "", line)
        assert not re.search(r"(?<!\\)[<]", outside), line
    assert fence == ""
