"""The syntax tree of formulas: names, numbers, operators, applications; and of shapes and calls, made of them."""

from __future__ import annotations

from typing import TypeAlias

from mintdsl.records import field, record
from mintdsl.source import Span


@record
class Name:
    """An identifier: `x`, `elu`, also the function `logit`."""

    id: str
    span: Span = field(compare=False, repr=False)


@record
class Number:
    """A literal; `text` keeps how it was written (`1e-12`), for the formatter."""

    value: int | float
    text: str
    span: Span = field(compare=False, repr=False)


@record
class Neg:
    """`-e`"""

    operand: Expr
    span: Span = field(compare=False, repr=False)


@record
class Binary:
    """`left op right` with op one of `+ - * /`; `op_span` covers the operator."""

    op: str
    left: Expr
    right: Expr
    span: Span = field(compare=False, repr=False)
    op_span: Span = field(compare=False, repr=False)


@record
class Arg:
    """An argument: `e`, `name = e` (cmp is "="), or `name <= e` (cmp is the comparison)."""

    name: Name | None
    cmp: str | None
    value: Expr
    span: Span = field(compare=False, repr=False)


@record
class Apply:
    """`fn(args)`"""

    fn: Expr
    args: tuple[Arg, ...]
    span: Span = field(compare=False, repr=False)


@record
class At:
    """`base[indices]`"""

    base: Expr
    indices: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)


@record
class Reduce:
    """`sum[i, j](body)` or `chain[l](body)`; `word` is "sum" or "chain"."""

    word: str
    indices: tuple[Name, ...]
    body: Expr
    span: Span = field(compare=False, repr=False)


@record
class Tuple:
    """`(a, b)`: several results of a net, or a tuple of numbers."""

    items: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)


Expr: TypeAlias = Name | Number | Neg | Binary | Apply | At | Reduce | Tuple


@record
class Call:
    """A name with options, outside formulas: `Mint(K = 4)`, `normal`, `series(terms = 10)`."""

    name: Name
    args: tuple[Arg, ...]
    span: Span = field(compare=False, repr=False)


@record
class Shape:
    """`Image[C, H, W]`, or the name of a space (no dims)."""

    name: Name
    dims: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)
