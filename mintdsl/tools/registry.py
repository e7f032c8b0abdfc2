"""`mint list` and `mint explain`: tables and entries straight from the registries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.claim_words import CLAIMS
from mintdsl.core.constraints import CONSTRAINTS
from mintdsl.core.inits import INITS
from mintdsl.core.kinds import KINDS
from mintdsl.core.options import Option
from mintdsl.core.orders import ORDERS
from mintdsl.core.steps import PRIORS, STEPS
from mintdsl.diagnostics.codes import CODES, page
from mintdsl.diagnostics.defects import DEFECTS, Defect
from mintdsl.driver import load
from mintdsl.proof.rules import RULES
from mintdsl.resources import resource
from mintdsl.syntax.suggest import suggest
from mintdsl.tools.show import Terminal, table, wrap


class Listing(NamedTuple):
    """A table: the names of its columns and its rows, the name first."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def _state(ready: bool) -> str:
    return "" if ready else "not yet"


def _options(options: Iterable[Option]) -> str:
    return ", ".join(map(str, options))


def _rules() -> Listing:
    return Listing(("rule", "statement"), tuple((r.name, r.statement) for r in RULES.values()))


def _codes() -> Listing:
    rows = tuple((c.code, c.severity.value, c.rule, c.title) for c in CODES.values())
    return Listing(("code", "severity", "rule", "what it says"), rows)


def _activations() -> Listing:
    rows = []
    for a in ACTIVATIONS.values():
        defaults = tuple(float(o.default) for o in a.options if isinstance(o.default, (int, float)))
        slope = str(a.slope_bounds(defaults)) if len(defaults) == len(a.options) else "by option"
        rows.append((a.name, slope, str(a.image), str(a.domain), _options(a.options), a.smooth, a.formula))
    return Listing(("activation", "slope", "image", "domain", "options", "smooth", "formula"), tuple(rows))


def _bijections() -> Listing:
    rows = []
    for b in BIJECTIONS.values():
        given = ", ".join(f"{name} ({count})" for name, count in zip(b.parameters, b.per, strict=True))
        rows.append((b.name, b.slope_text, given, _options(b.options), b.summary))
    return Listing(
        ("bijection", "slope", "parameters, and values for each element", "options", "what it is"), tuple(rows)
    )


def _constraints() -> Listing:
    rows = tuple((c.text, _state(c.ready), ", ".join(v.name for v in c.via if v.ready)) for c in CONSTRAINTS)
    return Listing(("constraint", "", "kept by (the default first)"), rows)


def _claims() -> Listing:
    rows = tuple(
        (c.name, "layers and flows" if c.flows else "layers", ", ".join(c.forms), c.summary) for c in CLAIMS.values()
    )
    return Listing(("claim", "of", "forms", "what it says"), rows)


def _parametrisations() -> Listing:
    rows = tuple((v.name, c.text, _state(v.ready and c.ready), v.formula) for c in CONSTRAINTS for v in c.via)
    return Listing(("parametrisation", "keeps", "", "value of a raw number r"), rows)


def _kinds() -> Listing:
    rows = tuple(
        (
            k.name,
            _state(k.ready),
            ", ".join(k.spaces),
            k.init,
            k.summary + (f"; {o}" if (o := _options(k.options)) else ""),
        )
        for k in KINDS.values()
    )
    return Listing(("kind", "", "on", "default init", "what it is; options"), rows)


def _inits() -> Listing:
    rows = tuple((i.name, _state(i.ready), _options(i.options), i.summary) for i in INITS.values())
    return Listing(("init", "", "options", "what it does"), rows)


def _steps() -> Listing:
    rows = [(s.name, _state(s.ready), _options(s.options), s.summary) for s in STEPS.values()]
    rows += [(f"prior {p.name}", _state(p.ready), _options(p.options), p.summary) for p in PRIORS.values()]
    return Listing(("step", "", "options", "what it does"), tuple(rows))


def _orders() -> Listing:
    rows = tuple((o.name, o.space, str(o)) for o in ORDERS.values())
    return Listing(("order", "on", "key, compared from the left"), rows)


def _specs() -> Listing:
    folder = resource("specs")
    rows = []
    for path in sorted(folder.glob("*/*.mint")):
        report = load(path).check()
        codes = {d.code for d in report.diagnostics}
        state = "proved" if report.ok else "not yet" if "E0901" in codes else "refused"
        comments = [x[1:].strip() for x in path.read_text(encoding="utf-8").splitlines() if x.startswith("# ")]
        rows.append((path.relative_to(folder).as_posix(), state, " ".join(comments[:1])))
    return Listing(("spec", "", "what it is"), tuple(rows))


def _defects() -> Listing:
    rows = tuple((d.name, d.code, d.rule, d.seen) for d in DEFECTS.values())
    return Listing(("defect", "code", "rule", "seen in"), rows)


LISTS: dict[str, Callable[[], Listing]] = {
    "rules": _rules,
    "codes": _codes,
    "defects": _defects,
    "activations": _activations,
    "bijections": _bijections,
    "claims": _claims,
    "constraints": _constraints,
    "parametrisations": _parametrisations,
    "kinds": _kinds,
    "inits": _inits,
    "steps": _steps,
    "orders": _orders,
    "specs": _specs,
}


def list_text(what: str, at: Terminal) -> list[str]:
    """One registry as a table."""
    found = LISTS[what]()
    return table(found.head, found.rows, at)


# ---------------------------------------------------------------- explain


class Unknown(Exception):
    """A word that no registry has; `near` are names like it."""

    def __init__(self, word: str, near: Sequence[str]) -> None:
        super().__init__(word)
        self.near = near


def explain(word: str, at: Terminal) -> list[str]:
    """Every entry called `word`: a code's page, a rule, a defect, or a name of the language. Raises Unknown."""
    if word.upper() in CODES:
        return _page(page(word.upper()), at)
    if word.upper() in RULES:
        return _rule(word.upper(), at)
    if word.lower() in DEFECTS:
        return _defect(DEFECTS[word.lower()], at)
    lines: list[str] = []
    for what, listing in LISTS.items():
        if what in ("rules", "codes", "defects", "specs"):
            continue
        found = listing()
        for row in found.rows:
            if word in (row[0], row[0].removeprefix("prior ")) or " ".join(word.split()) == row[0].split(",")[0]:
                lines += [*([""] if lines else []), *_entry(found.head, row, at)]
    if not lines:
        names = [*CODES, *RULES, *(r[0] for w, x in LISTS.items() if w != "specs" for r in x().rows)]
        raise Unknown(word, suggest(word, names))
    return lines


def _entry(head: Sequence[str], row: Sequence[str], at: Terminal) -> list[str]:
    state = [v for h, v in zip(head, row, strict=True) if not h and v]
    note = f" ({state[0]} in this version)" if state else ""
    lines = [at.style("bold", f"{head[0]} {row[0]}{note}")]
    pairs = [(h, v) for h, v in zip(head[1:], row[1:], strict=True) if h and v]
    width = max((len(h) for h, _ in pairs), default=0)
    for name, value in pairs:
        first, *rest = wrap(value, at.width - width - 4)
        lines += [f"  {name:<{width}}  {first}", *(" " * (width + 4) + part for part in rest)]
    return lines


def _rule(name: str, at: Terminal) -> list[str]:
    rule = RULES[name]
    said = (("statement", rule.statement), ("hypotheses", rule.hypotheses), ("source", rule.citation))
    programs = (("proved by it", rule.accepted), ("stopped by it", rule.refused))
    return _told(f"rule {name}", said, programs, at)


def _defect(defect: Defect, at: Terminal) -> list[str]:
    said = (("seen in", defect.seen), ("what it did", defect.effect), ("why not here", defect.why))
    programs = ((f"refused, {defect.code}", defect.refused), (f"proved, rule {defect.rule}", defect.accepted))
    return _told(f"defect {defect.name}", said, programs, at)


def _told(head: str, said: Iterable[tuple[str, str]], programs: Iterable[tuple[str, str]], at: Terminal) -> list[str]:
    """A heading, sentences with titles, programs with titles."""
    lines = [at.style("bold", head), ""]
    for title, body in said:
        first, *rest = wrap(body, at.width - 16)
        lines += [f"  {title:<12}  {first}", *(" " * 16 + part for part in rest)]
    for title, program in programs:
        lines += ["", f"  {title}", "", *(f"    {x}" for x in program.rstrip("\n").split("\n"))]
    return lines


def _page(text: str, at: Terminal) -> list[str]:
    """Markdown as it is; headings stand out and fences are dropped on a terminal with colours."""
    if not at.color:
        return text.rstrip("\n").split("\n")
    lines, inside = [], False
    for line in text.rstrip("\n").split("\n"):
        if line.startswith("```"):
            inside = not inside
        elif inside:
            lines.append(at.style("cyan", f"    {line}"))
        else:
            lines.append(at.style("bold", line.lstrip("# ")) if line.startswith("#") else line)
    return lines
