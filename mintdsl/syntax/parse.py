"""Text to syntax tree, with every syntax error of the file and never an exception."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import cast

from mintdsl import limits
from mintdsl.diagnostics.model import Bag, Diagnostic, Edit, Fix, Safety
from mintdsl.source import Source, Span
from mintdsl.syntax import ast, tables, words
from mintdsl.syntax.build import POISON, Builder, Header
from mintdsl.syntax.lexer import UNKNOWN, Token, scan
from mintdsl.syntax.lr import Machine
from mintdsl.syntax.tables import END

MOST_ERRORS = 50
QUIET = 2
"""Tokens to read after an error before the next one is believed to be another mistake."""
EDITION = 1


class _TooMuch(Exception):
    """Reading stops: the text is too deep, or has too many errors."""


def parse(source: Source) -> tuple[ast.Module, tuple[Diagnostic, ...]]:
    """The module in `source` and what is wrong with its syntax; after errors, all that is sound."""
    reader = _Reader(source)
    module = reader.read()
    return module, reader.bag.sorted()


class _Reader:
    """Drives the machine over the tokens of one file and recovers from errors."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.bag = Bag()
        self.builder = Builder(source.file, self._number)
        self.machine = Machine(tables.load(), self.builder.node)
        self.tokens: list[Token] = []
        self.poisoned: set[str] = set()
        self.quiet = 0
        self.errors = 0
        self.mistaken: set[str] = set()
        """Reserved words that were already reported as names."""
        self.stuck = (-1, -1)

    def read(self) -> ast.Module:
        """The whole file."""
        text = self.source.text
        if len(text) > limits.FILE.most:
            title = f"the file is too large: {len(text):,} characters, {limits.FILE.shown} are allowed"
            self.bag.error("E0107", self._span(0, 0), title)
            return self._module(None, [], [])
        self.tokens, comments = scan(self.source.file, text)
        self.tokens.append(Token(END, "", len(text), len(text)))
        try:
            self._check_limits(comments)
            header, *items = self._run()
        except _TooMuch:
            self.poisoned |= words.all_defined(self.tokens)
            return self._module(None, [], comments)
        module = self._module(cast("Header | None", header), items, comments)
        self._check_edition(module)
        return module

    def _module(self, header: Header | None, items: list[object], comments: list[ast.Comment]) -> ast.Module:
        sound = tuple(cast("ast.Item", item) for item in items if item is not POISON)
        edition, span = (header.edition, header.span) if header else (None, None)
        poisoned = frozenset(self.poisoned | self.builder.poisoned)
        whole = self._span(0, len(self.source.text))
        return ast.Module(edition, span, sound, tuple(comments), poisoned, whole, len(self.tokens) + len(comments))

    def _span(self, start: int, end: int) -> Span:
        return Span(self.source.file, start, end)

    # ------------------------------------------------------------ checks beside the grammar

    def _number(self, span: Span, digits: str) -> None:
        from mintdsl.syntax.messages import DIGITS_HELP

        shown = digits if len(digits) <= 24 else f"{digits[:12]}... ({len(digits)} digits)"
        small = not digits.isdigit() and float(digits) == 0
        self.bag.error(
            "E0106", span, f"the number {shown} is too {'small' if small else 'large'}", notes=(DIGITS_HELP,)
        )

    def _check_limits(self, comments: Sequence[ast.Comment]) -> None:
        """Tokens, the length of names, and brackets inside each other."""
        if len(self.tokens) - 1 + len(comments) > limits.TOKENS.most:
            label = f"more than {limits.TOKENS.shown} words, numbers, signs and comments"
            self.bag.error("E0107", self._span(0, 0), "the program is too large", label)
            raise _TooMuch
        depth = 0
        for token in self.tokens:
            if token.kind == "NAME" and len(token.text) > limits.NAME.most:
                title = f"a name of {len(token.text):,} characters; {limits.NAME.shown} are allowed"
                self.bag.error("E0107", self._span(token.start, token.end), title, "too long")
                raise _TooMuch
            if token.kind in words.OPENERS:
                depth += 1
                if depth > limits.NESTING.most:
                    self._too_deep(token)
            elif token.kind in words.CLOSERS and depth:
                depth -= 1

    def _too_deep(self, token: Token) -> None:
        title = f"nested too deeply: more than {limits.NESTING.shown} brackets, calls or signs inside each other"
        note = "name parts of the formula with `let`, or sum over an index"
        self.bag.error("E0107", self._span(token.start, token.end), title, "one too many", notes=(note,))
        raise _TooMuch

    def _check_edition(self, module: ast.Module) -> None:
        span = module.edition_span
        if span is None:
            first = self.tokens[0]
            if any(d.primary.start <= first.end for d in self.bag.sorted()) and first.kind != END:
                return  # the first line is broken in another way, and reported
            if first.kind == "MINT":
                return
            at = self._span(first.start, first.start)
            text = self.source.text
            break_before = "\n" if first.kind == END and text and not text.endswith("\n") else ""
            fix = Fix("begin with the edition", (Edit(at, f"{break_before}mint {EDITION}\n\n"),), Safety.SAFE)
            shown = self._span(first.start, first.end)
            title = f"the file does not say which edition it is written in: `mint {EDITION}`"
            self.bag.error("E0110", shown, title, "the edition stands before this", fixes=(fix,))
        elif module.edition != EDITION:
            title = f"edition {module.edition} is not known; this version reads edition {EDITION}"
            edit = Edit(span, f"mint {EDITION}")
            fix = Fix(f"read it as edition {EDITION}", (edit,), Safety.UNSAFE)
            self.bag.error("E0111", span, title, "not known here", fixes=(fix,))

    # ------------------------------------------------------------ reading

    def _run(self) -> list[object]:
        machine, tokens = self.machine, self.tokens
        at = 0
        while True:
            token = tokens[at]
            kind = token.kind
            if kind is not UNKNOWN and kind not in words.LATER and machine.feed(kind, token, token.start, token.end):
                if machine.height > limits.NESTING.most:
                    self._too_deep(token)
                if kind == END:
                    return cast("list[object]", machine.values[-1])
                at += 1
                self.quiet -= 1
            else:
                at = self._recover(at)

    def _recover(self, at: int) -> int:
        """Report the token at `at`, repair or skip, and say where to read on."""
        from mintdsl.syntax import messages  # here, so that sound programs need not load it

        token = self.tokens[at]
        if self.machine.symbols and self.machine.symbols[-1] == "RBRACE":
            self.machine.settle(("LAYER", "PARAM", "RBRACE", END))
        place = messages.Place(self.source, self.machine, self.tokens, at)
        fault = messages.explain(place)
        word = token.text if fault.diagnostic.code == "E0104" else ""
        if (self.quiet <= 0 or token.kind is UNKNOWN) and word not in self.mistaken - {""}:
            self.errors += 1
            if self.errors > MOST_ERRORS:
                raise _TooMuch
            self.bag.add(fault.diagnostic)
        self.mistaken.add(word)
        if fault.instead is not None:
            for kind in fault.instead:
                if kind == token.kind:
                    return at  # marks were put before the token
                stand_in = Token(kind, token.text if kind == "NAME" else _text(kind), token.start, token.end)
                self.machine.feed(kind, stand_in, token.start, token.end)
            if token.kind == END:
                return at
            if token.kind is UNKNOWN and not fault.instead:
                self.quiet = QUIET
            return at + 1
        self.quiet = QUIET
        return self._resume(at)

    # ------------------------------------------------------------ panic

    def _lists(self) -> list[tuple[int, str]]:
        """The lists being read, innermost first: how many symbols stand before the next element, and of what."""
        machine = self.machine
        lists: list[tuple[int, str]] = []
        for depth in range(len(machine.symbols), -1, -1):
            for element in ("item", "member", "step", "let"):
                if machine.goes(depth, element):
                    # Below the elements read so far lies the state of the empty list.
                    if not (lists and lists[-1][0] == depth + 1 and machine.symbols[depth].startswith("__")):
                        lists.append((depth, element))
                    break
            if lists and lists[-1][1] == "item":
                break
        return lists

    def _resume(self, at: int) -> int:
        """Skip to a token that begins an element of a list being read, and forget what lies between."""
        lists = self._lists()
        if (at, len(self.machine.states)) == self.stuck:
            at += 1  # the same place twice: it is no place to go on
        after_map = "RBRACE" in self.machine.expected() and "MAP" in self.machine.symbols
        braces = 0
        inner = 0
        while True:
            token = self.tokens[at]
            depth, element = lists[inner]
            if token.kind == END or token.kind in words.ONLY_ITEMS or self._is_net_item(at):
                return self._go(lists[-1][0], at)
            if token.kind == "LBRACE":
                braces += 1
            elif token.kind == "RBRACE" and braces:
                braces -= 1
            elif braces:
                pass
            elif token.kind == "RBRACE" and after_map:
                return at
            elif token.kind == "RBRACE" and element == "step":
                return self._go(depth, at)
            elif token.kind == "RBRACE" and element in ("member", "let"):
                return self._without_map(lists, inner, at)
            elif after_map:
                pass
            elif self._begins(element, at):
                return self._go(depth, at)
            elif element == "let" and token.kind in words.MEMBERS - {"LET", "DOC"} and inner + 1 < len(lists):
                return self._go(lists[inner + 1][0], at)
            at += 1

    def _is_net_item(self, at: int) -> bool:
        token, before = self.tokens[at], self.tokens[at - 1].kind if at else ""
        return token.kind == "NET" and before not in ("COLON", "EXTERN") and self._first_on_line(at)

    def _first_on_line(self, at: int) -> bool:
        return at == 0 or "\n" in self.source.text[self.tokens[at - 1].end : self.tokens[at].start]

    def _begins(self, element: str, at: int) -> bool:
        token = self.tokens[at]
        match element:
            case "item":
                return token.kind in words.ITEMS
            case "member":
                return token.kind in words.MEMBERS
            case "step":
                return token.kind in words.STEPS or (token.kind == "NAME" and self._first_on_line(at))
        return token.kind in words.LETS

    def _go(self, depth: int, at: int) -> int:
        machine = self.machine
        if depth < len(machine.symbols):
            first = bisect_left(self.tokens, machine.starts[depth], key=lambda token: token.start)
            self.poisoned.update(words.defined(self.tokens[first:at]))
        elif not machine.survives((self.tokens[at].kind,)):
            at += 1
        machine.pop(depth)
        self.stuck = (at, len(machine.states))
        return min(at, len(self.tokens) - 1)

    def _without_map(self, lists: list[tuple[int, str]], inner: int, at: int) -> int:
        """A `}` came where the map, or its result, was still to come: the definition is poisoned, its rest read."""
        machine = self.machine
        depth, element = lists[inner]
        if element == "let":
            depth = lists[inner + 1][0]
        machine.pop(depth)
        token = self.tokens[at]
        machine.put("body", POISON, token.start, token.start)
        return at + 1 if element == "let" else at


def _text(kind: str) -> str:
    """The text of a token that was not there."""
    return {"CMP": "==", "STRING": '""'}.get(kind, "")
