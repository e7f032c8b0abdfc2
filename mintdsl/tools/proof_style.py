"""How a proof in HTML looks: light and dark, on a screen and on paper. The colours are those of the drawings."""

from __future__ import annotations

from mintdsl.tools.layout import COLOURS

_DARK = {
    "lower": ("#16263a", "#7db2ef"),
    "upper": ("#36230f", "#f0a565"),
    "triangular": ("#10292e", "#6cc3d3"),
    "diagonal": ("#12291f", "#6fcb9f"),
    "permutation": ("#241d36", "#b7a0ec"),
    "pad": ("#2e270c", "#dcbb55"),
    "composed": ("#331a2c", "#e08cc4"),
    "dense": ("#381817", "#f08f8a"),
    "data": ("#22262d", "#a3acba"),
    "prior": ("#22262d", "#a3acba"),
    "head": ("#22262d", "#a3acba"),
}


def style() -> str:
    """The style sheet."""
    light = [f"--{kind}: {fill}; --{kind}-line: {line};" for kind, (fill, line) in COLOURS.items()]
    dark = [f"--{kind}: {fill}; --{kind}-line: {line};" for kind, (fill, line) in _DARK.items()]
    chips = [f".k.{kind} {{ background: var(--{kind}); border-color: var(--{kind}-line); }}" for kind in COLOURS]
    parts = (":root {", *light, _LIGHT, "}", "@media (prefers-color-scheme: dark) { :root {", *dark, _NIGHT, "} }")
    return "\n".join([*parts, _REST.strip("\n"), *chips, _PRINT.strip("\n")])


_LIGHT = """\
--ink: #1f2530; --soft: #5a6372; --faint: #8a93a1; --rule: #dfe3e9; --page: #ffffff; --panel: #f7f8fa;
--link: #2a68b0; --good: #24805a; --bad: #bb3530; --mark: #ffe9a8; color-scheme: light;"""
_NIGHT = """\
--ink: #e4e7ec; --soft: #a9b1bd; --faint: #7b8492; --rule: #31363f; --page: #15181d; --panel: #1b1f25;
--link: #7db2ef; --good: #6fcb9f; --bad: #f08f8a; --mark: #5c4a12; color-scheme: dark;"""

_REST = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 Inter, "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif; }
code, pre { font-family: "JetBrains Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 0.86em; }
pre code { font-size: inherit; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
main { padding: 2rem 1.6rem; max-width: 64rem; min-width: 0; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 0.4rem; }
h2 { font-size: 1.25rem; margin: 3rem 0 0.2rem; padding-top: 0.8rem; border-top: 1px solid var(--rule); }
h1 code, h2 code { font-size: 0.95em; }
.at, .settled, .doc, .small { color: var(--soft); margin: 0.2rem 0; }
.doc { white-space: pre-line; font-style: italic; unicode-bidi: isolate; }
.small { font-size: 0.9rem; }
nav ul, .follows { margin: 0.6rem 0; padding-left: 1.2rem; }
.claims { list-style: none; display: flex; flex-wrap: wrap; gap: 0.4rem; padding: 0; margin: 0.8rem 0; }
.claims li { border: 1px solid var(--rule); border-radius: 6px; padding: 0.1rem 0.6rem; }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 600; }
.tree, .tree ol { list-style: none; margin: 0; padding: 0; }
.tree { margin: 1rem 0 0; padding-left: 1.3rem; }
.tree ol { margin-left: -0.75rem; padding-left: 1.6rem; border-left: 1px solid var(--rule); }
.tree li { position: relative; }
summary { list-style: none; cursor: pointer; border-radius: 4px; }
summary::-webkit-details-marker { display: none; }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; }
.card > summary { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 21rem) 4.6rem; gap: 0.2rem 0.9rem;
  align-items: baseline; padding: 0.16rem 0.3rem; }
.card > summary:hover, .card[open] > summary { background: var(--panel); }
.e { overflow-wrap: anywhere; }
.e a { color: inherit; }
.n { color: var(--faint); font-size: 0.75rem; margin-right: 0.5em; font-family: inherit; }
.k { border-left: 3px solid var(--rule); border-radius: 3px; padding: 0 0.45rem; font-size: 0.85rem;
  overflow-wrap: anywhere; }
.r { font-size: 0.75rem; letter-spacing: 0.03em; color: var(--soft); text-align: right; }
.sub > summary { position: absolute; left: -1.15rem; top: 0.22rem; width: 1.1rem; height: 1.4rem; text-align: center;
  color: var(--faint); line-height: 1.4rem; font-size: 0.8rem; }
.sub > summary::before { content: "\\25B8"; }
.sub[open] > summary::before { content: "\\25BE"; }
.sub > summary:hover { color: var(--ink); }
.why { border: 1px solid var(--rule); border-radius: 8px; padding: 0.7rem 0.9rem; margin: 0.2rem 0 0.6rem;
  font-size: 0.9rem; background: var(--panel); }
.why dl, .facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.1rem 1rem;
  margin: 0 0 0.6rem; }
.why dt, .facts dt { color: var(--soft); }
.why dd, .facts dd { margin: 0; overflow-wrap: anywhere; }
.why p { margin: 0.4rem 0; }
.inference { display: inline-block; max-width: 100%; margin: 0.5rem 0; text-align: center; }
.inference > span { display: block; padding: 0.15rem 0.6rem; }
.inference > span + span { border-top: 1.5px solid var(--ink); }
.excerpt { margin: 0.6rem 0 0; overflow-x: auto; unicode-bidi: isolate; direction: ltr; }
mark, .source :target, li:target > .card > summary { background: var(--mark); color: inherit; border-radius: 2px; }
.rules dt { font-weight: 600; margin-top: 1.2rem; }
.rules dd { margin: 0; }
.rules dt:target { background: var(--mark); }
.hash { overflow-wrap: anywhere; }
.diagnostics { border-left: 3px solid var(--bad); padding-left: 0.8rem; overflow-x: auto; }
.sources { border-top: 1px solid var(--rule); background: var(--panel); padding: 1rem; min-width: 0; }
.sources h2 { border: 0; margin: 0.6rem 0; padding: 0; font-size: 0.95rem; color: var(--soft); }
.source { display: flex; gap: 0.9rem; }
.source pre { margin: 0; line-height: 1.55; }
.source .numbers { color: var(--faint); text-align: right; user-select: none; }
.source .text { overflow-x: auto; flex: 1; unicode-bidi: isolate; direction: ltr; }
@media (min-width: 75rem) {
  .page { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }
  .sources { border-top: 0; border-left: 1px solid var(--rule); position: sticky; top: 0; height: 100vh;
    align-self: start; overflow: auto; }
}
@media (max-width: 44rem) {
  .card > summary { grid-template-columns: minmax(0, 1fr) auto; }
  .k { grid-row: 2; grid-column: 1 / -1; }
}
.k.constant { color: var(--soft); }
"""
_PRINT = """
@media print {
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .page { display: block; }
  .sources { position: static; height: auto; break-before: page; background: none; border: 0; padding: 0; }
  .source .text { white-space: pre-wrap; overflow: visible; }
  .sub > summary { display: none; }
  .sub::details-content { content-visibility: visible; }
  .card > summary, .rules dd { break-inside: avoid; }
  h2 { break-after: avoid; }
  a { color: inherit; }
}
"""
