"""Edits for the repairs that a message names: the place in the text for a tie, a constraint, a direction, a function.

The stages that refuse a program know what it means and not how it is written. A fix that comes without edits gets them
here, from the syntax tree around the primary label, where one definite change of the text makes the repair. What the
change makes is another program, so none of these fixes is safe, save a misspelled name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from mintdsl.diagnostics.model import Diagnostic, Edit, Label, Safety
from mintdsl.records import replace
from mintdsl.source import Source, Span
from mintdsl.syntax import ast
from mintdsl.syntax.lexer import scan
from mintdsl.syntax.parse import parse
from mintdsl.syntax.site import Edits, Site, around, constrained, directed
from mintdsl.syntax.walk import name_of, nodes, params, steps, within

MOST = 200
"""Nobody repairs more at once, and each looks through its whole definition."""


def complete(
    found: Sequence[Diagnostic], modules: Mapping[str, ast.Module], sources: Mapping[str, Source]
) -> tuple[Diagnostic, ...]:
    """`found`, with edits for fixes that had none; of very many diagnostics only the first are looked at."""
    first, rest = found[:MOST], found[MOST:]
    done = (_complete(d, modules, sources) if any(not f.edits for f in d.fixes) else d for d in first)
    return (*done, *rest)


def _complete(found: Diagnostic, modules: Mapping[str, ast.Module], sources: Mapping[str, Source]) -> Diagnostic:
    repair, span = REPAIRS.get(found.code), found.primary
    items = modules[span.file].items if span.file in modules else ()
    item = next((i for i in items if within(span, i.span)), None)
    if repair is None or item is None:
        return found
    fixes = []
    for fix in found.fixes:
        edits = () if fix.edits else repair(Site(found, fix, item, sources[span.file]))
        if edits:
            fix = replace(fix, edits=edits, safety=Safety.SAFE if fix.safety is Safety.SAFE else Safety.UNSAFE)
        if found.code == "E0404" and fix.text and not any(fix.text in e.text for e in edits):
            fix = replace(fix, title="make the signs positive: `with diag > 0`")  # no factor can take them
        fixes.append(fix if fix.edits else replace(fix, safety=Safety.DISPLAY))
    labels = _free_signs(item, found) if found.code == "E0404" else ()
    return replace(found, fixes=tuple(fixes), labels=(*found.labels, *labels))


def _free_signs(item: ast.Item, found: Diagnostic) -> tuple[Label, ...]:
    """Labels at the declarations of the parameters whose signs are not bound."""
    names = {name for fix in found.fixes for name, _ in _factors(fix.text)}
    binders = [b for p in params(item) for b in p.binders if b.name.id in names]
    return tuple(Label(b.span, "its sign is free") for b in binders)


# ---------------------------------------------------------------- repairs of formulas, by code


def _positive(site: Site) -> Edits:
    """E0411, E0401: the values at the label made positive: by a constraint if it is a scale, else by `exp`."""
    node = site.at(site.primary)
    param = site.param(name_of(node.expr)) if node is not None and isinstance(node.expr, ast.Name | ast.At) else None
    if param is not None and isinstance(param.kind, ast.KindMap) and param.kind.name.id == "scale":
        if not site.tied(param.binders[0].name.id) and (edits := constrained(param, ">")):
            return edits
    return around(site.primary, "exp(", ")") if node is not None else ()


def _vanishing(site: Site) -> Edits:
    """E0401: the input added to the result, or a factor that is never 0."""
    own = site.body is not None and site.primary == site.body.result.span
    return _scaled(site) if own else _positive(site)


def _scaled(site: Site) -> Edits:
    """E0401, E0602: `t * x +` in front of the result."""
    body = site.body
    if body is None or not isinstance(site.item, ast.Layer):
        return ()
    t = site.fresh("t")
    term, spine = f"{t} * {body.args[0].id} + ", body.result
    while isinstance(spine, ast.Binary) and spine.op == "+":
        spine = spine.left
    brackets = isinstance(spine, ast.Binary) and spine.op == "-"  # or the term would be added to its left side alone
    edits = around(body.result.span, f"{term}(", ")") if brackets else (Edit(body.result.span.begin(), term),)
    return (*site.member(f"param {t} : scale with diag > 0"), *edits)


def _opposite(site: Site) -> Edits:
    """E0403: `+` for the `-` in front of the term, or the term without its own `-`."""
    node, start = site.at(site.primary), site.primary.start
    if node is None:
        return ()
    if isinstance(node.parent, ast.Binary) and node.parent.op == "-" and node.parent.right is node.expr:
        return (Edit(node.parent.op_span, "+"),)
    return (Edit(Span(site.primary.file, start, start + 1), ""),) if isinstance(node.expr, ast.Neg) else ()


def _untied(site: Site) -> Edits:
    """E0404: the tie that the fix gives, if one of its factors is free to take the sign; else signs made positive."""
    factors = _factors(site.fix.text)
    declared = {b.name.id: p for p in params(site.item) for b in p.binders}
    if not factors or not set(declared) >= {name for name, _ in factors}:
        return ()
    indices = {index for _, found in factors for index in found}
    per_element = any(_per_element(declared[name]) for name, _ in factors)
    for name, found in factors:
        param = declared[name]
        carries = indices == set(found) and (_per_element(param) or not per_element)
        if carries and not param.constraints and not site.tied(name):
            return site.member(site.fix.text)
    edits: Edits = ()
    names = {name for name, _ in factors}
    for param in (p for p in params(site.item) if names & {b.name.id for b in p.binders}):
        if [c.cmp for c in param.constraints] != ["!="] or not names >= {b.name.id for b in param.binders}:
            return ()
        edits += constrained(param, ">")
    return edits


def _factors(tie: str) -> list[tuple[str, tuple[str, ...]]]:
    """The parameters and indices of a tie's factors."""
    module, _ = parse(Source("", f"mint 1 layer A on S {{ {tie} map x -> x }}"))
    factors = []
    for node in nodes(module.items[0], ties=True) if tie and module.items else ():
        match node.expr:
            case ast.Apply(fn=ast.Name(id="diag"), args=(ast.Arg(value=ast.Name() | ast.At() as factor),)):
                indices = factor.indices if isinstance(factor, ast.At) else ()
                factors.append((name_of(factor), tuple(name_of(i) for i in indices)))
            case _:
                pass
    return factors


def _per_element(param: ast.Param) -> bool:
    """Whether the diagonal has a value for each element, and not only for each channel."""
    kind = param.kind
    return isinstance(kind, ast.KindMap) and kind.name.id == "scale" and not kind.args


def _outside(site: Site) -> Edits:
    """E0407: the function of the fix around the argument."""
    node = site.at(site.primary)
    if node is None or not isinstance(node.expr, ast.Apply) or not node.expr.args or not site.fix.text:
        return ()
    return around(node.expr.args[0].value.span, f"{site.fix.text}(", ")")


def _unbound(site: Site) -> Edits:
    """E0408: a sum over the index around the map or value that carries it."""
    node = site.at(site.primary)
    whole = site.at(node.parent.span) if node is not None and node.parent is not None else None
    if node is None or whole is None or not isinstance(whole.expr, ast.At):
        return ()
    applied = isinstance(whole.parent, ast.Apply) and whole.parent.fn is whole.expr
    span = whole.parent.span if applied and whole.parent is not None else whole.expr.span
    return around(span, f"sum[{name_of(node.expr)}](", ")")


def _dense(site: Site) -> Edits:
    """E0409: a direction and a diagonal for a map that has neither and keeps the shape."""
    node = site.at(site.primary)
    param = site.param(name_of(node.expr)) if node is not None and isinstance(node.expr, ast.Apply) else None
    if param is None or not isinstance(param.kind, ast.KindMap) or param.place is not None or param.constraints:
        return ()
    if any(arg.name is not None and arg.name.id == "boundary" for arg in param.kind.args):
        return ()  # what wraps around has no direction
    direction = directed(site, param.kind)
    return (*direction, *constrained(param, ">")) if direction else ()


def _strict(site: Site) -> Edits:
    """E0410: `strict` for the one map of a factor, if nothing else uses it."""
    everywhere = [n.expr for n in nodes(site.item)]
    used = [e.id for e in everywhere if isinstance(e, ast.Name)]
    for label in reversed([label for label in site.found.labels if not label.primary]):
        inside = {name_of(e) for e in everywhere if isinstance(e, ast.Apply) and within(e.span, label.span)}
        maps = [p for name in inside if (p := site.param(name)) is not None]
        if len(maps) != 1 or not isinstance(kind := maps[0].kind, ast.KindMap) or kind.direction is None or kind.strict:
            continue
        name = maps[0].binders[0].name.id
        if not maps[0].constraints and used.count(name) == 1 and not site.tied(name):
            return (Edit(kind.direction.span.begin(), "strict "),)
    return ()


def _no_formula(site: Site) -> Edits:
    """E0213: a map applied to the variable; a scale or bias that was applied written with its operator."""
    node, sign = site.at(site.primary), site.fix.text
    if node is None:
        return ()
    if not sign:
        if not site.fix.title.startswith("apply it"):
            return ()  # a formula of another form has to be written
        acts = (m for m in (site.item, *getattr(site.item, "members", ())) if isinstance(m, ast.ActDefined))
        act = next((a for a in acts if within(site.primary, a.span)), None)
        variable = act.variable if act is not None else site.body.args[0] if site.body is not None else None
        return around(site.primary, "", f"({variable.id})")[1:] if variable is not None else ()
    if not isinstance(node.expr, ast.Apply) or len(node.expr.args) != 1:
        return ()
    argument, above = node.expr.args[0].value, node.parent
    left, right = node.expr.fn.span.end, argument.span
    edits: Edits = (Edit(Span(right.file, left, left), f" {sign} "),)
    if not isinstance(argument, ast.Binary | ast.Neg):  # its brackets are not needed
        edits = (
            Edit(Span(right.file, left, right.start), f" {sign} "),
            Edit(Span(right.file, right.end, site.primary.end), ""),
        )
    if isinstance(above, ast.Neg) or (isinstance(above, ast.Binary) and above.op != "+"):
        before, after = around(site.primary, "(", ")")
        edits = (before, *edits, after)
    return edits


# ---------------------------------------------------------------- repairs of declarations and steps, by code


def _imported(site: Site) -> Edits:
    """E0207: the name that the imported file defines, here and wherever this file uses the other one."""
    tokens, _ = scan(site.primary.file, site.source.text)
    name = site.text(site.primary)
    found = (t for t in tokens if t.kind == "NAME" and t.text == name)
    return tuple(Edit(Span(site.primary.file, t.start, t.end), site.fix.text) for t in found)


def _direction(site: Site) -> Edits:
    """E0211: a direction behind `strict`; the type Dir for a formal that stands where a direction is needed."""
    kind = site.kind()
    if kind is not None:
        return directed(site, kind) if site.fix.text == "lower" else ()
    formals = site.item.formals if isinstance(site.item, ast.Layer | ast.Net) else ()
    formal = next((f for f in formals if f.name.id == site.text(site.primary)), None)
    if formal is None or site.fix.text != "Dir":
        return ()
    default = () if formal.default is None else (Edit(formal.default.span, "lower"),)
    return (Edit(formal.type.span, "Dir"), *default)


def _size(site: Site) -> Edits:
    """E0306: no size where the kind has none."""
    kind = site.kind()
    name = kind.name.span if kind is not None else None
    match = re.match(r"\s*\d+x\d+", site.source.text[name.end :]) if name is not None else None
    return (Edit(Span(name.file, name.end, name.end + match.end()), ""),) if name is not None and match else ()


def _no_diagonal(site: Site) -> Edits:
    """E0701: a direction for a dense map that is constrained, or no constraint for what has no diagonal."""
    param = next(
        (p for p in params(site.item) if p.constraints and p.constraints[0].span.start == site.primary.start), None
    )
    if param is None or not isinstance(param.kind, ast.KindMap):
        return ()
    if site.fix.text == "lower":
        return directed(site, param.kind) if param.place is None else ()
    end = (param.place or param.kind).span
    return (Edit(Span(end.file, end.end, param.constraints[-1].span.end), ""),)


def _unused(site: Site) -> Edits:
    """W0201: the parameter taken out of its declaration, or with it, if nothing else speaks of it."""
    span = site.primary
    param = next((p for p in params(site.item) if within(span, p.span)), None)
    binder = next((b for b in param.binders if b.span == span), None) if param is not None else None
    if param is None or binder is None or site.mentions(binder.name.id) != 1:
        return ()
    if len(param.binders) == 1:
        return (Edit(_line(site.source, param.span), ""),) if param.doc is None else ()
    at = param.binders.index(binder)
    start = param.binders[at - 1].span.end if at else span.start
    return (Edit(Span(span.file, start, span.end if at else param.binders[1].span.start), ""),)


def _line(source: Source, span: Span) -> Span:
    """`span` with the whole of its lines if nothing else stands on them."""
    start = source.text.rfind("\n", 0, span.start) + 1
    end = source.text.find("\n", span.end) + 1 or len(source.text)
    alone = not source.text[start : span.start].strip() and not source.text[span.end : end].strip()
    return Span(span.file, start, end) if alone else span


def _summed_bias(site: Site) -> Edits:
    """W0402: the bias without its index, where it is declared and where it is used."""
    node = site.at(site.primary)
    if node is None or not isinstance(node.expr, ast.At) or len(node.expr.indices) != 1:
        return ()
    name = name_of(node.expr)
    binder = next((b for p in params(site.item) for b in p.binders if b.name.id == name), None)
    if binder is None or site.mentions(name) != 2:
        return ()
    spans = ((binder.name.span.end, binder.span.end), (node.expr.base.span.end, node.expr.span.end))
    return tuple(Edit(Span(site.primary.file, start, end), "") for start, end in spans)


def _pair(site: Site) -> Edits:
    """E0603: the other direction for the second layer, where both are given the same one."""
    step = next((s for s in steps(site.item) if s.span == site.primary), None)
    inner = step.op.steps if step is not None and isinstance(step.op, ast.Pair) else ()
    arguments = [arg.value for s in inner if isinstance(s.op, ast.Use) for arg in s.op.call.args]
    given = [a for a in arguments if isinstance(a, ast.Name) and a.id in ("lower", "upper")]
    if len(inner) != 2 or len(given) != 2 or given[0].id != given[1].id:
        return ()
    return (Edit(given[1].span, "upper" if given[1].id == "lower" else "lower"),)


def _moved(site: Site, step: ast.Step, place: Span, before: str, after: str) -> Edits:
    """A step taken out, with the line that it leaves empty, and put at `place`."""
    text, span = site.source.text, step.span
    start = len(text[: span.start].rstrip(" \t"))
    end = len(text) - len(text[span.end :].lstrip(" \t"))
    alone = text[start - 1 : start] == "\n" and text[end : end + 1] == "\n"
    gone = Span(span.file, start, end + 1) if alone else Span(span.file, span.start, end)
    return Edit(gone, ""), Edit(place, f"{before}{site.text(span)}{after}")


def _to_the_end(site: Site) -> Edits:
    """E0604: a step of the flow itself, moved behind the others."""
    own = site.item.steps if isinstance(site.item, ast.Flow) else ()
    step = next((s for s in own[:-1] if s.span == site.primary), None)
    if step is None:
        return ()
    end = own[-1].span
    lines = "\n" in site.text(Span(end.file, own[0].span.start, end.end))
    return _moved(site, step, Span(end.file, end.end, end.end), "\n  " if lines else "  ", "")


def _to_the_start(site: Site) -> Edits:
    """E0605: a step of the flow itself, moved in front of the others."""
    own = site.item.steps if isinstance(site.item, ast.Flow) else ()
    step = next((s for s in own[1:] if s.span == site.primary), None)
    if step is None:
        return ()
    lines = "\n" in site.text(Span(step.span.file, own[0].span.start, step.span.end))
    return _moved(site, step, own[0].span.begin(), "", "\n  " if lines else "  ")


REPAIRS: dict[str, Callable[[Site], Edits]] = {
    "E0207": _imported,
    "E0211": _direction,
    "E0213": _no_formula,
    "E0306": _size,
    "E0401": _vanishing,
    "E0403": _opposite,
    "E0404": _untied,
    "E0407": _outside,
    "E0408": _unbound,
    "E0409": _dense,
    "E0410": _strict,
    "E0411": _positive,
    "E0602": _scaled,
    "E0603": _pair,
    "E0604": _to_the_end,
    "E0605": _to_the_start,
    "E0701": _no_diagonal,
    "W0201": _unused,
    "W0402": _summed_bias,
}
"""For each code with such repairs: the edits, or none where no change of the text is definite."""
