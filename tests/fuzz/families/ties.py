"""Index families, sums over them, and ties: the Mint block and its relatives; rules SUM and TIE."""

from __future__ import annotations

from random import Random

from mintdsl.records import replace
from mintdsl.syntax import ast

from .. import phrases
from ..draft import Draft, wrapped
from ..edit import change_one, put, sites
from ..registry import FLOOR, INJECTIVE, ONTO, STRICT, WEAK, mutant, production
from .maps import mapped


def summed(draft: Draft, need: str) -> str:
    """`sum[i](e)` with an `e` of this kind, in which parameters may carry the index."""
    index = draft.index()
    with draft.bound((index,)):
        body = draft.make(need)
    return f"sum[{index}]({body})"


@production(FLOOR, {"rule:SUM"})
def sum_floor(draft: Draft) -> str:
    """A sum of steep terms."""
    return summed(draft, FLOOR)


@production(ONTO, {"rule:SUM"})
def sum_onto(draft: Draft) -> str:
    """A sum of terms that are onto."""
    return summed(draft, ONTO)


@production(WEAK, {"rule:SUM"})
def sum_weak(draft: Draft) -> str:
    """A sum of increasing terms."""
    return summed(draft, draft.pick((WEAK, INJECTIVE)))


@production(STRICT, {"rule:SUM"})
def sum_strict(draft: Draft) -> str:
    """A sum of strict terms."""
    return summed(draft, STRICT)


@production(ONTO, {"rule:SUM"}, weight=0.7)
def sum_of_lets(draft: Draft) -> str:
    """A let with an index, used at that index and at another of the same extent."""
    index = draft.index()
    with draft.bound((index,)):
        name = draft.let(draft.make(ONTO))
        other = [i for i, e in draft.indices.items() if e == draft.indices[index] and i not in draft.taken]
    if f"[{index}]" in name and other and draft.chance(0.6):
        again = draft.pick(other)
        return f"sum[{index}]({name}) + sum[{again}](elu({name.replace(f'[{index}]', f'[{again}]')}))"
    return f"sum[{index}]({name})"


# ---------------------------------------------------------------- ties


@production(WEAK, {"rule:TIE", "rule:SUM"}, when=mapped, weight=8)
def tied_block(draft: Draft) -> str:
    """W_n h(... sum W_2 h(W_1 e)): maps in a row whose signs a tie binds, with or without indices."""
    depth = draft.rng.choice((2, 2, 3, 3, 4))
    with draft.closed():
        return _block(draft, depth, draft.chance(0.6))


def _block(draft: Draft, depth: int, family: bool) -> str:
    """Level k carries the indices k - 1 and k, and is summed over k - 1."""
    h = draft.rng.choice([a for a in phrases.acts(phrases.increasing) if not a.options])
    act, swap = h.name, 1
    if draft.chance(0.2):  # a decreasing activation after each map but the last
        act = draft.sketch.fresh("f")
        draft.sketch.items.append(f"act {act}(u) = -{h.name}(u)")
        swap = -1
    indices = _indices(draft, depth - 1) if family else []
    names, scales = [], set()
    for level in range(depth):
        kind = phrases.map_kind(draft)
        if draft.chance(0.1):
            kind = "scale (per = channel)"
        carried = tuple(reversed(indices[max(level - 1, 0) : level + 1]))
        names.append(draft.param("V", kind, carried, phrases.init(draft, kind[0] != "s")))
        scales |= {level} if kind[0] == "s" else set()
    subtract = draft.chance(0.2)
    groups = [names[:2], names[2:]] if depth == 4 else [names]
    signs = [swap ** (len(g) - 1) for g in groups]
    signs[-1] *= (-1 if subtract else 1) * (swap if depth == 4 else 1)
    for group, sign in zip(groups, signs, strict=True):
        _tie(draft, group, sign)
    text = draft.make(WEAK) if draft.chance(0.3) else "x"
    for level, name in enumerate(names):
        text = f"{name} * {wrapped(text)}" if level in scales else f"{name}({text})"
        if family and level:
            text = f"sum[{indices[level - 1]}]({text})"
        if level == depth - 1:
            break
        if draft.chance(0.4):
            text = f"{text} + {draft.param('b', 'bias', indices[level : level + 1])}"
        text = f"{act}({text})"
        if draft.chance(0.4):
            bound = draft.sketch.fresh("u") + (f"[{indices[level]}]" if family else "")
            draft.lets.append(f"let {bound} = {text}")
            text = bound
    return f"-{wrapped(text)}" if subtract else text


def _tie(draft: Draft, names: list[str], sign: int) -> None:
    """A tie of these factors that asks for the sign, written in one of its forms."""
    factors = [f"diag({n})" for n in (reversed(names) if draft.chance(0.7) else names)]
    if draft.chance(0.15):
        factors[0], sign = f"-{factors[0]}", -sign
    draft.members.append(f"tie {' * '.join(factors)} {'>=' if sign > 0 else '<='} 0")


def _indices(draft: Draft, count: int) -> list[str]:
    """Some indices of one extent."""
    extent = draft.pick(("2", "2", "3", "1"))
    found = [i for i, e in draft.indices.items() if e == extent and i not in draft.taken]
    while len(found) < count:
        name = draft.sketch.fresh("i")
        draft.indices[name] = extent
        found.append(name)
    return found[:count]


@production(WEAK, {"rule:TIE"}, weight=2)
def tied_scales(draft: Draft) -> str:
    """s * h(r * e) with tied scales."""
    one, two = (draft.param("s", "scale", indices=()) for _ in range(2))
    cmp = draft.pick((">=", ">=", "<="))
    draft.members.append(f"tie diag({one}) * diag({two}) {cmp} 0")
    sign = "-" if cmp == "<=" else ""
    h = draft.rng.choice(phrases.acts(phrases.increasing))
    with draft.closed():
        return f"{sign}{one} * {phrases.called(draft, h, f'{two} * {wrapped(draft.make(WEAK))}')}"


@production(WEAK, {"rule:TIE"}, when=mapped, weight=2)
def tied_to_bound(draft: Draft) -> str:
    """A map tied to one with a constraint, perhaps shared by two ties."""
    with draft.closed():
        first = draft.param(
            "V", phrases.map_kind(draft), tail=phrases.constraint(draft, draft.pick(("", FLOOR, WEAK)) or WEAK)
        )
        second = draft.param("V", phrases.map_kind(draft))
        draft.members.append(f"tie diag({second}) * diag({first}) >= 0")
        text = f"{second}(tanh({first}(x)))"
        if draft.chance(0.5):
            third = draft.param("V", phrases.map_kind(draft))
            draft.members.append(f"tie diag({third}) * diag({second}) >= 0")
            text += f" + {third}(elu({second}({draft.make(WEAK)})))"
        return text


# ---------------------------------------------------------------- mutants


def _drop(module: ast.Module, rng: Random, kind: type) -> ast.Module | None:
    found = [path for path, _ in sites(module, kind)]
    return put(module, rng.choice(found), None) if found else None


@mutant({"rule:TIE"}, weight=3)
def drop_tie(module: ast.Module, rng: Random) -> ast.Module | None:
    """A tie goes."""
    return _drop(module, rng, ast.Tie)


@mutant({"rule:TIE"}, weight=2)
def drop_factor(module: ast.Module, rng: Random) -> ast.Module | None:
    """A tie loses a factor."""

    def less(found: ast.Tie) -> ast.Tie | None:
        product = found.product
        return (
            replace(found, product=rng.choice((product.left, product.right)))
            if isinstance(product, ast.Binary)
            else None
        )

    return change_one(module, rng, ast.Tie, less)


@mutant({"rule:TIE"}, weight=3)
def turn_tie(module: ast.Module, rng: Random) -> ast.Module | None:
    """A tie asks for the other sign."""
    return change_one(module, rng, ast.Tie, lambda t: replace(t, cmp={">=": "<=", "<=": ">="}.get(t.cmp, ">=")))


@mutant({"rule:TIE", "rule:SUM"}, weight=3)
def other_index(module: ast.Module, rng: Random) -> ast.Module | None:
    """An index at a use, in a tie or of a let becomes another one, or two change places."""
    names = [n.id for _, i in sites(module, ast.Index) for n in i.names]

    def other(found: ast.At) -> ast.At | None:
        if len(found.indices) > 1 and rng.random() < 0.5:
            return replace(found, indices=found.indices[::-1])
        place = rng.randrange(len(found.indices))
        items = list(found.indices)
        items[place] = ast.Name(rng.choice(names), found.span)
        return replace(found, indices=tuple(items))

    return change_one(module, rng, ast.At, other) if names else None


@mutant({"rule:SUM"}, weight=2)
def move_sum(module: ast.Module, rng: Random) -> ast.Module | None:
    """A sum moves inside an activation or map, or out of it."""

    def inwards(found: ast.Reduce) -> object | None:
        body = found.body
        if isinstance(body, ast.Apply) and body.args:
            inner = replace(found, body=body.args[0].value)
            return replace(body, args=(replace(body.args[0], value=inner), *body.args[1:]))
        return None

    def outwards(found: ast.Apply) -> object | None:
        if found.args and isinstance(found.args[0].value, ast.Reduce):
            inner = found.args[0].value
            return replace(inner, body=replace(found, args=(replace(found.args[0], value=inner.body), *found.args[1:])))
        return None

    return change_one(module, rng, ast.Reduce, inwards) or change_one(module, rng, ast.Apply, outwards)


@mutant({"rule:SUM"})
def drop_index(module: ast.Module, rng: Random) -> ast.Module | None:
    """A family loses an index where it is declared and used."""
    found = [b for _, b in sites(module, ast.Binder) if b.indices]
    if not found:
        return None
    chosen = rng.choice(found)
    place = rng.randrange(len(chosen.indices))

    def less(node: ast.At) -> ast.Expr | None:
        if isinstance(node.base, ast.Name) and node.base.id == chosen.name.id and len(node.indices) > place:
            rest = node.indices[:place] + node.indices[place + 1 :]
            return replace(node, indices=rest) if rest else node.base
        return None

    result = change_one(
        module,
        rng,
        ast.Binder,
        lambda b: replace(b, indices=b.indices[:place] + b.indices[place + 1 :]) if b == chosen else None,
    )
    while result is not None:
        following = change_one(result, rng, ast.At, less)
        if following is None or following == result:
            break
        result = following
    return result
