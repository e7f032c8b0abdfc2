"""Changes of a syntax tree at one place. Every node is a frozen record, so a change makes new nodes up to the root."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import TypeVar

from mintdsl.records import replace
from mintdsl.source import Source
from mintdsl.syntax import ast
from mintdsl.syntax.format import format_module
from mintdsl.syntax.parse import parse

Path = tuple[tuple[str, int | None], ...]
"""From the root to a node: a field, and a place in it where the field is a tuple."""

N = TypeVar("N")


def fields(node: object) -> tuple[str, ...]:
    """The fields of a record of the tree; none for other values."""
    names: tuple[str, ...] = getattr(type(node), "__match_args__", ())
    return tuple(n for n in names if not n.endswith("span"))


def walk(node: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every record below `node`, itself first."""
    if not fields(node):
        return
    yield path, node
    for name in fields(node):
        value = getattr(node, name)
        if isinstance(value, tuple):
            for place, item in enumerate(value):
                yield from walk(item, (*path, (name, place)))
        else:
            yield from walk(value, (*path, (name, None)))


def sites(root: object, kind: type[N]) -> list[tuple[Path, N]]:
    """Every node of a kind with its path."""
    return [(path, node) for path, node in walk(root) if isinstance(node, kind)]


def put(root: N, path: Path, new: object) -> N:
    """The tree with another node at `path`; None takes a node out of a tuple."""
    if not path:
        return new  # type: ignore[return-value]
    (name, place), rest = path[0], path[1:]
    value = getattr(root, name)
    if place is None:
        return replace(root, **{name: put(value, rest, new)})
    items = list(value)
    if not rest and new is None:
        del items[place]
    else:
        items[place] = put(items[place], rest, new)
    return replace(root, **{name: tuple(items)})


def at(root: object, path: Path) -> object:
    """The node at a path."""
    for name, place in path:
        root = getattr(root, name) if place is None else getattr(root, name)[place]
    return root


def change_one(
    root: ast.Module,
    rng: Random,
    kind: type[N],
    change: Callable[[N], object | None],
    within: tuple[type, ...] = (),
) -> ast.Module | None:
    """Change one node of a kind, chosen among those for which `change` gives something new; None if there is none.

    `within` restricts to nodes below one of some kinds.
    """
    found = [path for path, _ in sites(root, kind) if not within or _below(root, path, within)]
    rng.shuffle(found)
    for path in found:
        node = at(root, path)
        new = change(node)  # type: ignore[arg-type]
        if new is not None and new != node:
            return put(root, path, new)
    return None


def expressions(root: object) -> Iterator[tuple[Path, ast.Expr]]:
    """Every expression of the formulas below `root` that stands for a value."""
    for path, body in sites(root, ast.Map):
        for place, item in enumerate(body.lets):
            yield from _values((*path, ("lets", place), ("value", None)), item.value)
        yield from _values((*path, ("result", None)), body.result)


def _values(path: Path, node: ast.Expr) -> Iterator[tuple[Path, ast.Expr]]:
    yield path, node
    match node:
        case ast.Neg():
            yield from _values((*path, ("operand", None)), node.operand)
        case ast.Binary():
            yield from _values((*path, ("left", None)), node.left)
            yield from _values((*path, ("right", None)), node.right)
        case ast.Apply():
            for place, arg in enumerate(node.args):
                yield from _values((*path, ("args", place), ("value", None)), arg.value)
        case ast.Reduce():
            yield from _values((*path, ("body", None)), node.body)
        case _:
            pass


def _below(root: object, path: Path, kinds: tuple[type, ...]) -> bool:
    return any(isinstance(at(root, path[:n]), kinds) for n in range(len(path)))


def text_of(module: ast.Module) -> str:
    """The text of a tree; comments are lost."""
    return format_module(replace(module, comments=()), Source("<tree>", ""))


def tree_of(text: str) -> ast.Module | None:
    """The tree of a text; None if it does not parse."""
    module, diagnostics = parse(Source("<text>", text))
    return None if diagnostics else module
