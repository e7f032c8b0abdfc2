"""The node of each rule of the grammar, made from the values of its parts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from mintdsl import limits
from mintdsl.source import Span
from mintdsl.syntax import ast
from mintdsl.syntax.lexer import Token
from mintdsl.syntax.tables import Rule

# The grammar fixes what the children of a rule are; the type checker cannot know it, the tests of the trees do.
Children: TypeAlias = "list[Any]"

_SUMS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


class Poison:
    """Stands for a part that did not parse."""


POISON = Poison()


class Header:
    """The first line of a file, if it has one."""

    def __init__(self, edition: int, span: Span) -> None:
        self.edition = edition
        self.span = span


class Builder:
    """Builds nodes for one file; `report` hears of numbers that are out of range."""

    def __init__(self, file: str, report: Callable[[Span, str], None]) -> None:
        self.file = file
        self.report = report
        self.poisoned: set[str] = set()
        """Definitions that were read to their end but have no map."""

    def node(self, rule: Rule, children: list[object], start: int, end: int) -> object:
        """The value of `rule`: called by the parser when it has read all its parts."""
        span = Span(self.file, start, end)
        c = cast(Children, children)
        made = self._formula(rule.name, c, span)
        if made is None:
            made = self._part(rule.name, c, span)
        if made is None:
            made = self._step(rule.name, c, span)
        if made is None:
            made = self._definition(rule.name, c, span)
        if made is None:
            raise AssertionError(f"no node for the rule {rule.name}")
        return made

    # ------------------------------------------------------------ leaves

    def _span(self, token: Token) -> Span:
        return Span(self.file, token.start, token.end)

    def _name(self, token: Token) -> ast.Name:
        return ast.Name(token.text, self._span(token))

    def _maybe_name(self, token: Token | None) -> ast.Name | None:
        return None if token is None else self._name(token)

    def _number(self, token: Token) -> ast.Number:
        return ast.Number(self.value(token.kind, token.text, token), token.text, self._span(token))

    def value(self, kind: str, digits: str, token: Token) -> int | float:
        """The number that `digits` write; one instead of a number that no float holds, or an integer too large."""
        if kind == "FLOAT":
            number = float(digits)
            lost = not number and digits.lower().partition("e")[0].strip("0.")
            if math.isfinite(number) and not lost:
                return number
        else:
            # Python refuses to convert thousands of digits, leading zeros included.
            digits = digits.lstrip("0") or "0"
            if len(digits) <= 16 and int(digits) <= limits.INTEGER.most:
                return int(digits)
        self.report(self._span(token), digits)
        return 1

    # ------------------------------------------------------------ rules

    def _formula(self, rule: str, c: Children, span: Span) -> object:
        match rule:
            case "name" | "logit_fn":
                return self._name(c[0]) if c else ast.Name("logit", span)
            case "int" | "float":
                return self._number(c[0])
            case "apply":
                return ast.Apply(c[0], c[1], span)
            case "at":
                return ast.At(c[0], tuple(c[1:]), span)
            case "add" | "sub" | "mul" | "div":
                return ast.Binary(_SUMS[rule], c[0], c[2], span, self._span(c[1]))
            case "neg":
                return ast.Neg(c[0], span)
            case "sum" | "chain":
                return ast.Reduce(rule, c[0], c[1], span)
            case "tuple":
                return ast.Tuple(tuple(c), span)
            case "args":
                return tuple(
                    a if isinstance(a, ast.Arg) else ast.Arg(None, None, a, a.span) for a in c if a is not None
                )
            case "options" | "option_name" | "kind_of":
                return c[0]
            case "arg_named":
                return ast.Arg(self._name(c[0]), "=", c[1], span)
            case "arg_bound":
                return ast.Arg(self._name(c[0]), c[1].text, c[2], span)
            case "names":
                return tuple(self._name(token) for token in c)
            case "shape":
                return ast.Shape(self._name(c[0]), tuple(dim for dim in c[1:] if dim is not None), span)
            case "shapes" | "results" | "given" | "ensures" | "constraints" | "block":
                return tuple(c)
            case "call_":
                return ast.Call(self._name(c[0]), c[1] or (), span)
            case "nat":
                return self._number(c[0]) if c[0].kind == "INT" else self._name(c[0])
        return None

    def _part(self, rule: str, c: Children, span: Span) -> object:
        match rule:
            case "param":
                doc, *binders, kind, place, constraints, init = c
                return ast.Param(tuple(binders), kind, place, constraints or (), init, doc, span)
            case "binder":
                return ast.Binder(self._name(c[0]), c[1] or (), span)
            case "kind_map":
                name, size, strict, direction, args = c
                maybe = self._maybe_name(direction)
                return ast.KindMap(self._name(name), self._size(size), strict is not None, maybe, args or (), span)
            case "kind_net":
                return ast.KindNet(c[0], span)
            case "between":
                return ast.Place(c[0], c[1], False, span)
            case "endo":
                return ast.Place((c[0],), (c[0],), True, span)
            case "constraint":
                return ast.Constraint(self._name(c[0]), c[1].text, c[2], c[3], span)
            case "init" | "log_det":
                return c[0]
            case "let":
                names, indices = c[0]
                return ast.Let(names, indices, c[1], span)
            case "pat_name":
                return (self._name(c[0]),), ()
            case "pat_family":
                return (self._name(c[0]),), c[1]
            case "pat_tuple":
                return tuple(self._name(token) for token in c), ()
            case "body_expr":
                return ast.Map(c[0], (), c[1], False, span)
            case "body_block":
                return ast.Map(c[0], tuple(c[1:-1]), c[-1], True, span)
            case "index":
                return ast.Index(c[0], c[1], span)
            case "order_use":
                return ast.OrderUse(self._name(c[0]), span)
            case "tie":
                return ast.Tie(c[0], c[1].text, c[2], span)
        return None

    def _size(self, token: Token | None) -> tuple[int, int] | None:
        if token is None:
            return None
        rows, columns = token.text.split("x")
        return int(self.value("INT", rows, token)), int(self.value("INT", columns, token))

    def _step(self, rule: str, c: Children, span: Span) -> object:
        op: ast.Op
        match rule:
            case "use":
                op = ast.Use(c[0], c[1])
            case "dequantize" | "logit" | "patches":
                op = ast.Simple(rule, c[0], ())
            case "squeeze" | "unsqueeze":
                op = ast.Simple(rule, c[0], c[1] or ())
            case "standardize" | "permute" | "reverse":
                op = ast.Simple(rule, None, c[0] or ())
            case "flatten":
                op = ast.Simple(rule, None, ())
            case "pad":
                op = ast.Pad(self._name(c[0]), c[1])
            case "repeat":
                op = ast.Repeat(c[0], c[1])
            case "pair":
                op = ast.Pair(c[0])
            case "factor":
                op = ast.Factor(self._name(c[0]), c[1] or ())
            case "ode":
                op = ast.Ode(c[0], c[1], c[2])
            case "prior":
                op = ast.Prior(c[0])
            case "classify":
                op = ast.Classify(c[0])
            case "labelled":
                return ast.Step(self._name(c[0]), c[1].op, span)
            case _:
                return None
        return ast.Step(None, op, span)

    def _definition(self, rule: str, c: Children, span: Span) -> object:
        match rule:
            case "start":
                return c
            case "edition":
                return Header(int(self.value("INT", c[0].text, c[0])), span)
            case "import_":
                return ast.Import(c[0].text[1:-1], self._span(c[0]), c[1], span)
            case "doc":
                return "\n".join(token.text[2:].removeprefix(" ").rstrip() for token in c)
            case "formals":
                return tuple(formal for formal in c if formal is not None)
            case "formal":
                return ast.Formal(self._name(c[0]), self._name(c[1]), c[2], span)
            case "context":
                return ast.Context(self._name(c[0]), c[1], span)
            case "claim_class":
                return ast.ClaimClass(c[0] is not None, self._name(c[1]), span)
            case "claim_bound":
                return ast.ClaimBound(self._name(c[0]), c[1].text, c[2], span)
            case "claim_kind":
                return ast.ClaimKind(self._name(c[0]), self._name(c[1]), span)
            case "reserved":
                return POISON
            case "const":
                return ast.Const(self._name(c[1]), c[2], c[0], span)
            case "space":
                return ast.Space(self._name(c[1]), c[2], c[3] or (), c[0], span)
            case "order_def":
                return ast.OrderDef(self._name(c[1]), tuple(c[2:]), c[0], span)
            case "mask":
                return ast.Mask(self._name(c[1]), c[2], c[3], c[0], span)
            case "act_named":
                return ast.ActNamed(self._name(c[1]), self._name(c[2]), c[3] or (), c[0], span)
            case "act_defined":
                return ast.ActDefined(self._name(c[1]), self._name(c[2]), c[3], c[0], span)
            case "extern":
                return ast.Extern(self._name(c[1]), c[2], c[3], c[0], span)
            case "layer" | "net" if c[-1] is POISON:
                self.poisoned.add(c[1].text)
                return POISON
            case "layer":
                doc, name, formals, shape, given, claims, *members, body = c
                args = formals or (), shape, given or (), claims or (), tuple(members), body
                return ast.Layer(self._name(name), *args, doc, span)
            case "net":
                doc, name, formals, inputs, outputs, *members, body = c
                return ast.Net(self._name(name), formals or (), inputs, outputs, tuple(members), body, doc, span)
            case "flow":
                doc, name, formals, shape, given, claims, steps = c
                return ast.Flow(self._name(name), formals or (), shape, given or (), claims or (), steps, doc, span)
        return None
