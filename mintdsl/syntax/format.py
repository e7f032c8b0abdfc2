"""Syntax tree to text in the one canonical layout; comments and single blank lines stay where they were."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import assert_never

from mintdsl.source import Source, Span
from mintdsl.syntax import ast, flat
from mintdsl.syntax.layout import INDENT, Line, Page, bracketed, broken, called, fits, surely_long
from mintdsl.syntax.lexer import scan
from mintdsl.syntax.parse import parse

# The gaps allowed before kind, place, constraints and init where neighbouring parameters are aligned.
WIDEST_GAPS = (0, 24, 16, 24, 24)


def format_module(module: ast.Module, source: Source) -> str:
    """The text of `module`, which was parsed from `source` without errors; an empty source has no comments."""
    text = _Formatter(module, source).text()
    # A comment inside a construct moves to its end; how that is laid out without it shows only the next time.
    for _ in range(4 if module.comments else 0):
        source = Source(source.file, text)
        again = _Formatter(parse(source)[0], source).text()
        if again == text:
            break
        text = again
    return text


class _Formatter:
    def __init__(self, module: ast.Module, source: Source) -> None:
        self.module = module
        self.source = source
        self.page = Page(source, module.comments)
        self.tokens, _ = scan(source.file, source.text)

    def text(self) -> str:
        page, module = self.page, self.module
        if module.edition is not None:
            start = module.edition_span.start if module.edition_span else 0
            page.write([Line(0, f"mint {module.edition}", start)])
        before: ast.Item | None = None
        for item in module.items:
            self._item(item, module.edition is not None if before is None else _apart(before, item))
            before = item
        page.flush(len(self.source.text) + 1, 0)
        return page.text()

    # ------------------------------------------------------------ places of tokens

    def _token(self, kind: str, start: int, step: int) -> int:
        """Where the next token of `kind` stands from `start`, forwards or backwards."""
        at = bisect_left(self.tokens, start, key=lambda token: token.start)
        while 0 <= at < len(self.tokens):
            if self.tokens[at].kind == kind:
                return self.tokens[at].start
            at += step
        return start

    def _doc(self, doc: str | None, span: Span, indent: int) -> list[Line]:
        if doc is None:
            return []
        lines = doc.split("\n")
        at = bisect_left(self.tokens, span.start, key=lambda token: token.start) - len(lines)
        first = max(at, 0)
        starts = [token.start for token in self.tokens[first : first + len(lines)]] + [span.start] * len(lines)
        return [Line(indent, f"## {line}".rstrip(), start) for line, start in zip(lines, starts, strict=False)]

    # ------------------------------------------------------------ definitions

    def _item(self, item: ast.Item, blank: bool) -> None:
        page = self.page
        match item:
            case ast.Import(path=path, names=names, span=span):
                text = f'import "{path}" {{ {flat.names(names)} }}'
                if fits(0, text) and not page.commented(span):
                    page.write([Line(0, text, span.start)], blank=blank)
                    return
                page.open([Line(0, f'import "{path}" {{', span.start)], blank=blank)
                for number, name in enumerate(names, 1):
                    page.write([Line(INDENT, name.id + "," * (number < len(names)), name.span.start)])
                page.close(span.end - 1, 0)
            case ast.Const(name, value):
                page.write(self._value(item, f"const {name.id} = ", value, ""), blank=blank)
            case ast.OrderDef(name, keys, _, span):
                page.write(self._value(item, f"order {name.id} = ", ast.Tuple(keys, span), ""), blank=blank)
            case ast.Mask(name, value, modulus):
                page.write(self._value(item, f"mask {name.id} = ", value, f" mod {flat.expr(modulus)}"), blank=blank)
            case ast.Space() | ast.ActNamed() | ast.ActDefined():
                page.write(self._shared(item, 0), blank=blank)
            case ast.Extern(name, inputs, outputs, doc, span):
                head = f"extern net {name.id}"
                parts = [
                    (f"from {flat.shapes(inputs)}", inputs[0].span),
                    (f"to {flat.results(outputs)}", outputs[0].span),
                ]
                page.write([*self._doc(doc, span, 0), *self._header(head, (), parts, span, None)], blank=blank)
            case ast.Layer() | ast.Flow():
                self._definition(item, self._on(item), blank)
            case ast.Net(inputs=inputs, outputs=outputs):
                parts = [
                    (f"from {flat.shapes(inputs)}", inputs[0].span),
                    (f"to {flat.results(outputs)}", outputs[0].span),
                ]
                self._definition(item, parts, blank)
            case _:
                assert_never(item)

    def _value(self, item: ast.Const | ast.OrderDef | ast.Mask, head: str, value: ast.Expr, tail: str) -> list[Line]:
        return self._doc(item.doc, item.span, 0) + broken(self.page, 0, head, value, tail, item.span.start)

    def _shared(self, item: ast.Space | ast.ActNamed | ast.ActDefined, indent: int) -> list[Line]:
        """Definitions that may also stand inside a layer or net."""
        start = item.span.start
        doc = self._doc(item.doc, item.span, indent)
        match item:
            case ast.Space(name, shape, options):
                return [*doc, Line(indent, f"space {name.id} = {flat.shape(shape)}{flat.spaced(options)}", start)]
            case ast.ActNamed(name, base, args):
                call = ast.Call(base, args, base.span.to(item.span))
                return doc + called(self.page, indent, f"act {name.id} = ", call, "", start)
            case ast.ActDefined(name, variable, value):
                return doc + broken(self.page, indent, f"act {name.id}({variable.id}) = ", value, "", start)
            case _:
                assert_never(item)

    def _on(self, item: ast.Layer | ast.Flow) -> list[tuple[str, Span]]:
        parts = [(f"on {flat.shape(item.shape)}", item.shape.span)]
        if item.given:
            given = ", ".join(f"{context.name.id} : {flat.shape(context.shape)}" for context in item.given)
            parts.append((f"given {given}", item.given[0].span.to(item.given[-1].span)))
        if item.claims:
            claims = ", ".join(flat.claim(claim) for claim in item.claims)
            parts.append((f"ensures {claims}", item.claims[0].span.to(item.claims[-1].span)))
        return parts

    def _definition(self, item: ast.Layer | ast.Net | ast.Flow, parts: list[tuple[str, Span]], blank: bool) -> None:
        page, span = self.page, item.span
        brace = self._token("LBRACE", parts[-1][1].end, 1)
        head = f"{type(item).__name__.lower()} {item.name.id}"
        lines = self._header(head, item.formals, parts, span, brace)
        page.open([*self._doc(item.doc, span, 0), *lines], blank=blank)
        if isinstance(item, ast.Flow):
            self._steps(item.steps, INDENT)
        else:
            self._members(item.members)
            self._map(item.body)
        page.close(span.end - 1, 0)

    def _header(
        self, head: str, formals: Sequence[ast.Formal], parts: list[tuple[str, Span]], span: Span, brace: int | None
    ) -> list[Line]:
        """The lines before a definition's braces: one if it fits, else one for each part."""
        listed = f"({', '.join(flat.formal(formal) for formal in formals)})" if formals else ""
        end = "" if brace is None else " {"
        text = " ".join([head + listed, *(text for text, _ in parts)]) + end
        whole = Span(span.file, span.start, parts[-1][1].end if brace is None else brace)
        if fits(0, text) and not self.page.commented(whole):
            return [Line(0, text, span.start)]
        before_parts = Span(span.file, span.start, parts[0][1].start)
        if fits(0, head + listed) and not (formals and self.page.commented(before_parts)):
            lines = [Line(0, head + listed, span.start)]
        else:
            lines = [Line(0, f"{head}(" if formals else head, span.start)]
            lines += [Line(INDENT, flat.formal(formal) + ",", formal.span.start) for formal in formals]
            if formals:
                lines.append(Line(0, ")", self._token("RPAR", formals[-1].span.end, 1)))
        lines += [Line(INDENT, text, place.start) for text, place in parts]
        return lines if brace is None else [*lines, Line(0, "{", brace)]

    # ------------------------------------------------------------ members

    def _members(self, members: Sequence[ast.Member]) -> None:
        page = self.page
        run: list[ast.Param] = []
        for member in members:
            if isinstance(member, ast.Param):
                if run and not self._adjacent(run[-1], member):
                    self._params(run)
                    run = []
                run.append(member)
                continue
            self._params(run)
            run = []
            start = member.span.start
            match member:
                case ast.Index(names, extent):
                    page.write(broken(page, INDENT, f"index {flat.names(names)} : ", extent, "", start))
                case ast.OrderUse(name):
                    page.write([Line(INDENT, f"order {name.id}", start)])
                case ast.Tie(product, cmp, bound):
                    page.write(broken(page, INDENT, "tie ", product, f" {cmp} {flat.expr(bound)}", start))
                case ast.Let():
                    self._let(member, INDENT)
                case ast.Space() | ast.ActNamed() | ast.ActDefined():
                    page.write(self._shared(member, INDENT))
                case _:
                    assert_never(member)
        self._params(run)

    def _adjacent(self, above: ast.Param, below: ast.Param) -> bool:
        """Whether nothing stands between two parameters but, perhaps, a comment behind the first."""
        gap = self.source.text[above.span.end : below.span.start]
        lines = gap.split("\n")
        return below.doc is None and not any(line.strip() == "" or "#" in line for line in lines[1:-1])

    def _params(self, run: Sequence[ast.Param]) -> None:
        if not run:
            return
        rows = [_cells(param) for param in run]
        lines = _columns(rows, len(rows[0]))
        if not all(fits(INDENT, line) for line in lines):
            lines = _columns(rows, 2)
        for param, line, row in zip(run, lines, rows, strict=True):
            doc = self._doc(param.doc, param.span, INDENT)
            if fits(INDENT, line) and not self.page.commented(param.span):
                self.page.write([*doc, Line(INDENT, line, param.span.start)])
            else:
                before = line[: line.index(":", len(row[0])) + 2]
                self.page.write(doc + self._long_param(param, before))

    def _long_param(self, param: ast.Param, before: str) -> list[Line]:
        """A parameter on several lines: its kind, then the rest, as much on a line as fits."""
        page, start = self.page, param.span.start
        if isinstance(param.kind, ast.KindNet):
            lines = called(page, INDENT, f"{before}net ", param.kind.call, "", start)
        elif fits(INDENT, before + flat.kind(param.kind)) or not param.kind.args:
            lines = [Line(INDENT, before + flat.kind(param.kind), start)]
        else:
            kind = param.kind
            bare = flat.kind(ast.KindMap(kind.name, kind.size, kind.strict, kind.direction, (), kind.span))
            lines = bracketed(page, INDENT, f"{before}{bare} (", kind.args, ")", start, kind.span)
        commented = page.commented(param.span)
        pieces: list[tuple[str, int]] = []
        if param.place:
            place = flat.place(param.place)
            if not commented and fits(INDENT, f"{lines[-1].text} {place}"):
                lines[-1] = lines[-1]._replace(text=f"{lines[-1].text} {place}")
            else:
                pieces.append((place, param.place.span.start))
        for number, item in enumerate(param.constraints):
            comma = "," if number + 1 < len(param.constraints) else ""
            pieces.append((("" if number else "with ") + flat.constraint(item) + comma, item.span.start))
        if param.init:
            pieces.append((f"init {flat.call(param.init)}", param.init.span.start))
        for number, (text, begin) in enumerate(pieces):
            last = lines[-1]
            if number and not commented and fits(last.indent, f"{last.text} {text}"):
                lines[-1] = last._replace(text=f"{last.text} {text}")
            else:
                lines.append(Line(2 * INDENT, text, begin))
        return lines

    def _let(self, item: ast.Let, indent: int) -> None:
        self.page.write(broken(self.page, indent, f"let {flat.pattern(item)} = ", item.value, "", item.span.start))

    def _map(self, item: ast.Map) -> None:
        page, start = self.page, item.span.start
        head = f"map {flat.names(item.args)}"
        if not item.braces:
            page.write(broken(page, INDENT, f"{head} -> ", item.result, "", start))
            return
        page.open([Line(INDENT, f"{head} {{", start)])
        for let in item.lets:
            self._let(let, 2 * INDENT)
        begin = self._token("RETURN", item.result.span.start, -1)
        page.write(broken(page, 2 * INDENT, "return ", item.result, "", begin))
        page.close(item.span.end - 1, INDENT)

    # ------------------------------------------------------------ steps

    def _one_line(self, step: ast.Step, indent: int) -> bool:
        """Whether a step stays on one line: it fits, and its braces were on one line before."""
        if isinstance(step.op, ast.Repeat | ast.Pair) and "\n" in self.source.slice(step.span):
            return False
        if surely_long(self.source, step.span) or self.page.commented(step.span):
            return False
        return fits(indent, flat.step(step))

    def _steps(self, steps: Sequence[ast.Step], indent: int) -> None:
        groups: list[list[ast.Step]] = [[step] for step in steps[:1]]
        for above, step in pairwise(steps):
            if self.source.text and "\n" not in self.source.text[above.span.end : step.span.start]:
                groups[-1].append(step)
            else:
                groups.append([step])
        for group in groups:
            if not surely_long(self.source, group[0].span.to(group[-1].span)):
                text = "  ".join(flat.step(step) for step in group)
                if fits(indent, text) and all(self._one_line(step, indent) for step in group):
                    self.page.write([Line(indent, text, group[0].span.start)])
                    continue
            for step in group:
                self._step(step, indent)

    def _step(self, step: ast.Step, indent: int) -> None:
        page, start = self.page, step.span.start
        label = f"{step.label.id}: " if step.label else ""
        if self._one_line(step, indent):
            page.write([Line(indent, flat.step(step), start)])
            return
        log_det = ""
        match step.op:
            case ast.Repeat(_, steps) | ast.Pair(steps):
                head = f"repeat {flat.expr(step.op.count)}" if isinstance(step.op, ast.Repeat) else "pair"
                page.open([Line(indent, f"{label}{head} {{", start)])
                self._steps(steps, indent + INDENT)
                page.close(step.span.end - 1, indent)
                return
            case ast.Use(call, ending):
                log_det = f" log_det {flat.call(ending)}" if ending else ""
                lines = called(page, indent, label, call, log_det, start)
            case ast.Ode(call, solver, ending):
                lines = called(page, indent, f"{label}ode ", call, "", start)
                if solver:
                    lines += called(page, indent + INDENT, "by ", solver, "", solver.span.start)
                if ending:
                    lines += called(page, indent + INDENT, "log_det ", ending, "", ending.span.start)
            case ast.Prior(call):
                lines = called(page, indent, f"{label}prior ", call, "", start)
            case ast.Classify(call):
                lines = called(page, indent, f"{label}classify ", call, "", start)
            case ast.Simple(word, value, options) if options:
                head = f"{word} {flat.expr(value)} (" if value is not None else f"{word}("
                lines = bracketed(page, indent, label + head, options, ")", start, step.span)
            case ast.Factor(part, options) if options:
                lines = bracketed(page, indent, f"{label}factor {part.id} (", options, ")", start, step.span)
            case ast.Simple(word, value) if word == "logit" and value is not None:
                lines = broken(page, indent, f"{label}logit(", value, ")", start)
            case ast.Simple() | ast.Factor() | ast.Pad():
                lines = [Line(indent, flat.step(step), start)]
            case _:
                assert_never(step.op)
        page.write(lines)


def _apart(above: ast.Item, below: ast.Item) -> bool:
    """Whether an empty line stands between two definitions: always, but between short ones of one kind."""
    acts = ast.ActNamed | ast.ActDefined
    if isinstance(above, acts) and isinstance(below, acts):
        return below.doc is not None
    if isinstance(below, ast.Import):
        return not isinstance(above, ast.Import)
    short = isinstance(below, ast.Const | ast.Space | ast.OrderDef | ast.Mask | ast.Extern)
    return not (short and type(above) is type(below)) or below.doc is not None


def _cells(param: ast.Param) -> list[str]:
    """Names, kind, place, constraints and init; an init without constraints stands in their column."""
    binders = ", ".join(flat.binder(binder) for binder in param.binders)
    place = flat.place(param.place) if param.place else ""
    init = f"init {flat.call(param.init)}" if param.init else ""
    constraints = ", ".join(flat.constraint(item) for item in param.constraints)
    tail = [f"with {constraints}", init] if constraints else [init, ""]
    return [f"param {binders}", f": {flat.kind(param.kind)}", place, *tail]


def _columns(rows: list[list[str]], aligned: int) -> list[str]:
    """The rows as lines; cells of the first `aligned` columns begin in one place."""
    lines = [row[0] for row in rows]
    for column in range(1, len(rows[0])):
        ends = [len(line) for line, row in zip(lines, rows, strict=True) if row[column]]
        wide = column < aligned and max(ends, default=0) - min(ends, default=0) <= WIDEST_GAPS[column]
        if not wide:
            aligned = 0  # columns behind ragged ones would only look odd
        for number, row in enumerate(rows):
            if row[column]:
                line = lines[number]
                lines[number] = f"{line:<{max(ends)}} {row[column]}" if wide else f"{line} {row[column]}"
    return lines
