"""A failing program made small: things are taken out, or replaced by simpler ones, while the same check still fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from mintdsl.records import replace
from mintdsl.syntax import ast

from .edit import Path, expressions, put, sites, text_of, tree_of, walk

OPTIONAL = ("items", "claims", "members", "steps", "lets", "args", "formals", "constraints", "binders", "keys", "names")


def shrunk(text: str, fails: Callable[[str], bool], seconds: float) -> str:
    """The smallest text found within that time; `fails` says whether a text still shows the fault."""
    until = time.monotonic() + seconds
    tree = tree_of(text)
    if tree is None:
        return text
    best = text
    progress = True
    while progress and time.monotonic() < until:
        progress = False
        for smaller in candidates(tree):
            if time.monotonic() > until:
                break
            try:
                tried = text_of(smaller)
            except (AttributeError, IndexError, TypeError):  # a tree that is no program
                continue
            if len(tried) < len(best) and fails(tried):
                best, tree, progress = tried, smaller, True
                break
    return best


def candidates(tree: ast.Module) -> Iterator[ast.Module]:
    """Simpler trees, the boldest first."""
    for path, _ in walk(tree):
        if path and path[-1][0] in OPTIONAL and path[-1][1] is not None:
            yield put(tree, path, None)
    for path, op in (*sites(tree, ast.Repeat), *sites(tree, ast.Pair)):
        yield from _unwrapped(tree, path, op.steps)
    for path, node in expressions(tree):
        yield from (put(tree, path, part) for part in _parts(node, tree))
    for path, param in sites(tree, ast.Param):
        for change in ({"init": None}, {"constraints": ()}, {"place": None}):
            if any(getattr(param, k) != v for k, v in change.items()):
                yield put(tree, path, replace(param, **change))
    for path, kind in sites(tree, ast.KindMap):
        if kind.size not in (None, (1, 1)):
            yield put(tree, path, replace(kind, size=(1, 1), args=()))
        if kind.args:
            yield put(tree, path, replace(kind, args=()))
    for path, step in sites(tree, ast.Step):
        if step.label is not None:
            yield put(tree, path, replace(step, label=None))
    for path, number in sites(tree, ast.Number):
        if number.text not in ("1", "0"):
            yield put(tree, path, ast.Number(1, "1", number.span))


def _unwrapped(tree: ast.Module, path: Path, steps: tuple[ast.Step, ...]) -> Iterator[ast.Module]:
    """The steps of a block without the block."""
    outer, (name, place) = path[:-2], path[-2]
    if place is None or name != "steps":
        return
    from .edit import at

    owner = at(tree, outer)
    before = owner.steps  # type: ignore[attr-defined]
    yield put(tree, outer, replace(owner, steps=(*before[:place], *steps, *before[place + 1 :])))


def _parts(node: ast.Expr, tree: ast.Module) -> Iterator[ast.Expr]:
    match node:
        case ast.Neg(operand=inner) | ast.Reduce(body=inner):
            yield inner
        case ast.Binary(left=left, right=right):
            yield left
            yield right
        case ast.Apply(args=args) if args:
            yield args[0].value
        case _:
            pass
    variables = [m.args[0].id for _, m in sites(tree, ast.Map)]
    if variables and not isinstance(node, (ast.Name, ast.Number)):
        yield ast.Name(variables[0], tree.span)
