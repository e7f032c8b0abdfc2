"""Layers applied in formulas, `Mint(K = 4)(e)`: each use is a parameter of its own, named by callee and number.

What cannot be typed is reported once and becomes None.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mintdsl.core import ir
from mintdsl.core.flow_uses import Resolve, bind_arguments, direction_of, fits, gets_context
from mintdsl.core.scope import Entry
from mintdsl.core.typed import Typed
from mintdsl.core.values import Values, not_yet
from mintdsl.diagnostics.model import Fix, Label
from mintdsl.syntax import ast


@dataclass(slots=True)
class Applied:
    """The layers that the formula of a layer applies, so far."""

    values: Values
    resolve: Resolve
    given: ir.Context | None
    params: dict[str, ir.Param] = field(default_factory=dict)
    ordinals: dict[str, int] = field(default_factory=dict)

    def apply(self, node: ast.Apply, entry: Entry, call: ast.Call, arg: Typed | None) -> Typed | None:
        """`call` applied to `arg`, the typed argument of `node`."""
        values, name = self.values, call.name
        assert isinstance(entry.item, ast.Layer)
        if len(node.args) != 1 or node.args[0].name is not None:
            title = f"`{name.id}` is a layer, and is not applied"
            fix = Fix(f"apply it to one formula: `{name.id}(...)(x)`")
            values.bag.error("E0210", node.span, title, "a layer without its one argument", fixes=(fix,))
            return None
        layer = self.resolve(entry, name.span)
        if layer is None or arg is None:
            return None
        assert isinstance(layer, ir.Layer)
        way = direction_of(call, layer, values)
        if way is None:
            return None
        if way[1]:
            not_yet(values.bag, node.span, "a layer applied in a formula in its inverse direction")
        arguments = bind_arguments(way[0], layer, values)
        if arguments is None:
            return None
        if arg.shape is None:
            title = f"`{name.id}` acts on a tensor, this is a number"
            values.bag.error("E0213", node.args[0].span, title, "not a formula")
            return None
        if arg.shape.part is not None:
            not_yet(values.bag, node.span, "a layer applied to a part of a mask")
        if not fits(layer, arguments, arg.shape):
            values.bag.error(
                "E0301",
                node.args[0].value.span,
                f"`{name.id}` is on `{layer.shape}`, here it gets `{arg.shape}`",
                str(arg.shape),
                also=(Label(layer.name_span, f"declared on {layer.shape}"),),
            )
            return None
        if not gets_context(node.span, name, layer, arguments, arg.shape, self.given, "the layer", values.bag):
            return None
        taken = self.given.shape if self.given is not None and layer.given is not None else None
        kind = ir.LayerParam(entry.key, arguments, arg.shape, taken, layer)
        param = self._fresh(name.id)
        init = ir.InitCall("")  # each parameter of the layer has its own
        self.params[param] = ir.Param(
            param, (), kind, arg.shape, arg.shape, None, None, init, (), None, node.span
        )  # fmt: skip
        return Typed(ir.Inline(param, arg.expr, node.span), arg.shape)

    def _fresh(self, word: str) -> str:
        """The name of the next application of a layer, as of the steps of a flow."""
        number = self.ordinals.get(word, 0)
        while f"{word}_{number}" in self.values.names.values:
            number += 1
        self.ordinals[word] = number + 1
        return f"{word}_{number}"
