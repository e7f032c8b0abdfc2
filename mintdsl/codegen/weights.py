"""Effective weights, their initial values, and the way back from effective to raw."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from mintdsl.codegen import shapes
from mintdsl.codegen.context import LayerContext, is_circular, is_kernel, rank_of, via
from mintdsl.codegen.inner import channels
from mintdsl.codegen.residual import circular_det, spectral
from mintdsl.core import from_data, ir
from mintdsl.core.nat import Nat


def write_weights(c: LayerContext) -> None:
    """`effective_weights` and `make_weights`."""
    write = c.write
    with write.block("def effective_weights(self) -> tuple[Tensor, ...]:"):
        names = ", ".join(p.name for p in c.params) or "none"
        write.doc(f"Masked, tied and constrained: {names}.")
        write("return layer_weights(self)")
    write()
    with write.block("def make_weights(self) -> tuple[Tensor, ...]:"):
        write('"""Effective weights from the raw parameters."""')
        for param in _by_ties(c):
            _effective(c, param)
        write(f"return {shapes.listed([c.names.local[p.name] for p in c.params])}" if c.params else "return ()")


def _by_ties(c: LayerContext) -> list[ir.Param]:
    """Parameters after those that their tie needs."""
    place = {p.name: n for n, p in enumerate(c.params)}
    waits = {p.name: {f.name for f in p.pivot.others} if p.pivot is not None else set() for p in c.params}
    serves: dict[str, list[str]] = {}
    for name, needed in waits.items():
        for other in needed:
            serves.setdefault(other, []).append(name)
    ready = [place[name] for name, needed in waits.items() if not needed]
    result = []
    while ready:  # a heap: the first in the order of declaration
        param = c.params[heappop(ready)]
        result.append(param)
        for name in serves.get(param.name, ()):
            waits[name].discard(param.name)
            if not waits[name]:
                heappush(ready, place[name])
    return result


def _effective(c: LayerContext, param: ir.Param) -> None:
    name, raw, write = c.names.local[param.name], c.member(param.name), c.write
    masked = f"torch.where(self.{c.mask(param)}, {raw}, 0.0)" if c.directed(param) else raw
    if param.pivot is not None:
        write(f"# rule TIE, {c.where(param.pivot.span)}")
        write(f"sign = {_tie_sign(c, param)}")
        value = f"tied({c.diagonal(param, raw)}, sign)"
    elif param.bound is not None and param.limited:
        write(f"# lip <= {param.bound.formal or repr(param.bound.numbers[0])}, {c.where(param.bound.span)}")
        write(f"{name} = {spectral(c, param, raw)}")
        return
    elif param.bound is not None and via(param.bound).assumed:
        what, where = f"{param.bound.quantity} {_constraint(param.bound)}", c.where(param.bound.span)
        write(f"# {what} is assumed, {where}: check_assumptions tests it")
        write(f"{name} = {masked}")
        return
    elif param.bound is not None and param.bound.via == "dominant":
        write(f"# det != 0: other taps give way to the anchor, {c.where(param.bound.span)}")
        write(f"{name} = dominant_kernel({raw}, {raw}_sign, {c.anchors[param.name]})")
        return
    elif rank_of(param) is not None:
        assert param.bound is not None
        write(f"# det != 0 by the diagonal of a factor of I + V U, {c.where(param.bound.span)}")
        write(f"{name} = regular_low_rank({raw}, {raw}_sign)")
        return
    elif param.bound is not None:
        write(f"# {param.bound.quantity} {_constraint(param.bound)}{_kept(param)}, {c.where(param.bound.span)}")
        value = _constrained(c, param, c.diagonal(param, raw))
    elif isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.norm:
        write(f"{name} = weight_normed({raw}, {raw}_gain, {_map_axes(param)})")
        return
    else:
        write(f"{name} = {masked}")
        return
    if isinstance(param.kind, ir.Elementwise):
        write(f"{name} = {value}")
    else:
        write.call(f"{name} = with_diagonal", c.with_diagonal(param, masked, value), "")


def _map_axes(param: ir.Param) -> int:
    """How many axes behind that of the output channels."""
    return 3 if isinstance(param.kind, ir.Conv) else 1


def _constraint(bound: ir.Bound) -> str:
    if bound.cmp == ">= <=":
        return f"in [{bound.numbers[0]!r}, {bound.numbers[1]!r}]"
    return f"{bound.cmp} {bound.numbers[0]!r}" if bound.numbers else bound.cmp


def _constrained(c: LayerContext, param: ir.Param, raw: str) -> str:
    assert param.bound is not None
    how = via(param.bound)
    if how.name.startswith("unit"):
        return f"torch.ones_like({raw})"
    sign = f", {c.member(param.name)}_sign" if how.signed else ""
    return f"{how.runtime}({raw}{sign}{_numbers(param.bound)})"


def _kept(param: ir.Param) -> str:
    if not param.factored or param.bound is None:
        return ""
    where = " at the anchor" if is_kernel(param) else ""
    return f"{where} by the diagonal of its factors ({param.bound.via})"


def _numbers(bound: ir.Bound) -> str:
    return "".join(f", {n!r}" for n in bound.numbers)


def _tie_sign(c: LayerContext, param: ir.Param) -> str:
    """The product of the signs of the other factors, at the pivot's indices."""
    assert param.pivot is not None
    letters = dict(zip(param.pivot.indices, "ijklmnopqrstu", strict=False))
    wanted = "".join(letters.values()) + _axes(param)
    operands, inputs = [], []
    for factor in param.pivot.others:
        other = c.layer.param(factor.name)
        operands.append(f"{c.diagonal(other, c.names.local[factor.name])}.sign()")
        inputs.append("".join(letters[i] for i in factor.indices) + _axes(other))
    minus = "-" if param.pivot.sign < 0 else ""
    if any(letter not in "".join(inputs) for letter in wanted) or not operands:
        operands.append(f"torch.ones_like({c.diagonal(param, c.member(param.name))})")
        inputs.append(wanted)
    if len(operands) == 1 and inputs[0] == wanted:
        return minus + operands[0]
    return f'{minus}torch.einsum("{",".join(inputs)}->{wanted}", {", ".join(operands)})'


def _axes(param: ir.Param) -> str:
    """Letters of the axes of a diagonal."""
    whole = isinstance(param.kind, ir.Elementwise) and param.kind.per == "element"
    if param.target.kind == "Any":
        return "..." if whole else "c"
    return {"Image": "chw", "Seq": "tc", "Vec": "c"}[param.target.kind] if whole else "c"


# ---------------------------------------------------------------- initial values


def write_reset(c: LayerContext) -> None:
    """`reset_parameters`."""
    c.write("@torch.no_grad()")
    with c.write.block("def reset_parameters(self) -> None:"):
        c.write('"""Draw initial values (`init` in the spec)."""')
        for param in c.statistics:
            for name, fill in (("mean", "0.0"), ("var", "1.0"), ("count", "0")):
                c.write(f'self.get_buffer("{param.name}_{name}").fill_({fill})')
        for param in c.params:
            _initialise(c, param)
        if c.from_data is not None:
            c.write('self.get_buffer("pending").fill_(True)')
        if not c.params and not c.statistics:
            c.write("return")


def _initialise(c: LayerContext, param: ir.Param) -> None:
    init, raw, write = param.init, c.member(param.name), c.write
    source = param
    if init.name == "fan_in_uniform" and not init.formal and init.options and init.options[0]:
        source = c.layer.param(str(init.options[0]))
    if init.formal:
        function, options = c.member(init.name), ""
    elif init.name == from_data.NAME:  # until data come
        scale = isinstance(param.kind, ir.Elementwise) and param.kind.kind == "scale"
        function, options = ("fill_ones" if scale else "fill_zeros"), ""
    else:
        function, options = shapes.init_call(init, c.members)
    place = f"{_place(c, source)}{', ' + options if options else ''}"
    if rank_of(param) is not None:
        _initialise_low_rank(c, param)
        return
    if isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.norm:
        write.call(function, [raw, place], "")
        write(f"{raw}_gain.copy_(length_of({raw}, {_map_axes(param)}))")
        write(f"{raw}.copy_(pointing({raw}, {_map_axes(param)}))")
        return
    if (
        param.bound is None
        or param.limited
        or via(param.bound).name == "unit"
        or (param.factored and via(param.bound).assumed)
    ):
        write.call(function, [raw, place], "")
        return
    # draw effective values, fold the diagonal into its set, store the raw ones
    write(f"value = torch.empty_like({raw})")
    write.call(function, ["value", place], "")
    if param.factored:
        write(f"stored, sign, order = factorise({c.form(param)[0]}, value{c.tap(param)})")
        for key, found in {raw: "stored", **factor_buffers(c, param)}.items():
            write(f"{key}.copy_({found})")
        return
    how, bound = via(param.bound), param.bound
    drawn = c.diagonal(param, "value")
    if how.joint:
        write(f"{raw}.copy_({how.runtime}_inverse(of_length_one({drawn})))")
        return
    if how.assumed:
        inverse = f"away_from_zero({drawn})"
        if not isinstance(param.kind, ir.Elementwise):
            inverse = f"with_diagonal({', '.join(c.with_diagonal(param, 'value', inverse))})"
        write.call(f"{raw}.copy_", [inverse], "")
        return
    low = bound.numbers[0] if bound.numbers else 0.0 if bound.cmp == ">= 0" else 2.0**-19
    low += 2.0**-86 if how.name == "exp" else 0.0  # exp of at least -60 gives no less
    high = f", {bound.numbers[1]!r}" if len(bound.numbers) == 2 else ""
    write(f"drawn = folded({drawn}, {low!r}{high})")
    if how.signed:
        write(f"{raw}_sign.copy_(torch.where({drawn} < 0, -1.0, 1.0))")
        inverse = f"{how.runtime}_inverse(drawn)[0]"
    else:
        inverse = f"{how.runtime}_inverse(drawn{_numbers(bound)})"
    if not isinstance(param.kind, ir.Elementwise):
        inverse = f"with_diagonal({', '.join(c.with_diagonal(param, 'value', inverse))})"
    write.call(f"{raw}.copy_", [inverse], "")


def _initialise_low_rank(c: LayerContext, param: ir.Param) -> None:
    """Draw U and V, and store them or the form that keeps the determinant."""
    assert param.bound is not None
    raw, write = c.member(param.name), c.write
    std = shapes.real(param.init.options[0], c.members) if param.init.options else "0.0"
    if via(param.bound).assumed:
        write(f"low_rank_near_identity({raw}, {std})")
        return
    write(f"value = torch.empty_like({raw})")
    write(f"low_rank_near_identity(value, {std})")
    write("stored, sign = woodbury_form(value)")
    for key, found in {raw: "stored", **factor_buffers(c, param)}.items():
        write(f"{key}.copy_({found})")


def factor_buffers(c: LayerContext, param: ir.Param) -> dict[str, str]:
    """The buffers of a matrix that is kept as factors, and what of factorise goes there."""
    assert param.bound is not None
    signs = {f"{c.member(param.name)}_sign": "sign"} if via(param.bound).signed else {}
    return signs | ({f"{c.member(param.name)}_order": "order"} if param.bound.via == "plu" else {})


def _place(c: LayerContext, param: ir.Param) -> str:
    kind = param.kind
    if not isinstance(kind, (ir.Conv, ir.Dense)):
        return "Place(1, 1)"
    taps = "" if isinstance(kind, ir.Dense) or kind.size == (1, 1) else f" * {kind.size[0] * kind.size[1]}"
    extents = dict(c.layer.indices)

    def fan(channels: Nat, indices: Sequence[str]) -> str:
        total = channels
        for index in indices:
            total = total * extents[index]
        text = shapes.size(total, c.members)
        return f"({text}){taps}" if taps and " + " in text else text + taps

    free = [i for i in param.indices if i not in param.summed]
    tap = f", {c.anchors[param.name]}" if c.anchors[param.name] else ""
    return f"Place({fan(channels(param.source), param.summed)}, {fan(channels(param.target), free)}{tap})"


# ---------------------------------------------------------------- from effective to raw


def write_raw(c: LayerContext) -> None:
    """`raw`: the raw tensors behind an effective value."""
    write = c.write
    with write.block("def raw(self, name: str, value: Tensor) -> dict[str, Tensor]:"):
        write('"""Raw tensors, by attribute, that give a parameter this effective value."""')
        for param in c.params:
            if (param.bound is not None and not param.limited) or param.pivot is not None:
                _raw(c, param)
            elif isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.norm:
                key, axes = c.names.member[param.name], _map_axes(param)
                with write.block(f'if name == "{param.name}":'):
                    write(f'return {{"{key}": pointing(value, {axes}), "{key}_gain": length_of(value, {axes})}}')
        write("return {self.members[self.names.index(name)]: value}")


def _raw(c: LayerContext, param: ir.Param) -> None:
    write, key = c.write, c.names.member[param.name]
    how = via(param.bound) if param.bound is not None else None
    if how is not None and how.name == "unit":
        return
    with write.block(f'if name == "{param.name}":'):
        if param.factored:
            _raw_factors(c, param)
            return
        drawn, signs = c.diagonal(param, "value"), ""
        if how is not None and how.assumed:
            write(f'assume_nonzero(self.path or type(self).__name__, name, {drawn}, "given")')
            write(f'return {{"{key}": value}}')
            return
        if how is None:
            raw = f"{drawn}.abs()"  # the sign follows the tie; set_effective tests the result
        elif how.signed:
            write(f"raw, sign = {how.runtime}_inverse({drawn})")
            raw, signs = "raw", f', "{key}_sign": sign'
        else:
            assert param.bound is not None
            raw = f"{how.runtime}_inverse({drawn}{_numbers(param.bound)})"
        if not isinstance(param.kind, ir.Elementwise):
            if raw != "raw":
                write(f"raw = {raw}")
            raw = f"with_diagonal({', '.join(c.with_diagonal(param, 'value', 'raw'))})"
        write(f'return {{"{key}": {raw}{signs}}}')


def _raw_factors(c: LayerContext, param: ir.Param) -> None:
    """The factors behind a matrix."""
    write, key = c.write, c.names.member[param.name]
    assert param.bound is not None
    rank = rank_of(param)
    if rank is not None:
        write(f"pair = pair_of(value, {shapes.size(rank, c.members)}).to(value.dtype)")
        if via(param.bound).assumed:
            where = ["self.path or type(self).__name__", "name", "low_rank_regularity(pair)", '"given"', '"det"']
            write.call("assume_nonzero", where, "")
            write(f'return {{"{key}": pair}}')
            return
        write("stored, sign = woodbury_form(pair)")
        write(f'return {{"{key}": stored, "{key}_sign": sign}}')
        return
    if via(param.bound).assumed:
        regular = f"regularity(value{c.tap(param)})"
        if is_circular(param):
            regular = f"circular_regularity(value, {circular_det(c, param)})"
        write.call("assume_nonzero", ["self.path or type(self).__name__", "name", regular, '"given"', '"det"'], "")
        write(f'return {{"{key}": value}}')
        return
    write(f"stored, sign, order = factorise({c.form(param)[0]}, value{c.tap(param)})")
    parts = {f"self.{key}": "stored", **factor_buffers(c, param)}
    write("return {" + ", ".join(f'"{k.removeprefix("self.")}": {v}' for k, v in parts.items()) + "}")
