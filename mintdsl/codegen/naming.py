"""Names of a spec that Python or the generated class needs for itself get an underscore."""

from __future__ import annotations

import builtins
import keyword
from dataclasses import replace

from mintdsl.core import ir

OWN = frozenset(
    "x w s y z self rests diagonal slope lead log_det context shape device dtype factory value sign raw torch nn F math "
    "Tensor partial functools tol max_iter forward inverse effective_weights make_weights fibre slope_bound effective set_effective "
    "jacobian_diagonal reset_parameters event_shape latent_shape context_shape path kept_weights last_inverse names extents "
    "order functional fronts train eval parameters buffers modules children named_parameters state_dict load_state_dict "
    "to cpu cuda float double half apply register_buffer register_parameter add_module training requires_grad_ zero_grad "
    "share_memory type extra_repr kept".split()
)


def pythonic(layer: ir.Layer) -> ir.Layer:
    """The layer with parameters and lets renamed where their names are taken."""
    renames = {
        name: f"{name}_"
        for name in (*(p.name for p in layer.params), *(let.name for let in layer.lets))
        if name in OWN
        or keyword.iskeyword(name)
        or hasattr(builtins, name)
        or name.startswith(("kept_", "anchor_", "d_"))
    }
    if not renames:
        return layer

    def new(name: str) -> str:
        return renames.get(name, name)

    def expr(node: ir.Expr) -> ir.Expr:
        match node:
            case ir.Value():
                return replace(node, param=new(node.param))
            case ir.Linear():
                return replace(node, param=new(node.param), arg=expr(node.arg))
            case ir.Ref():
                return replace(node, name=new(node.name))
            case ir.Neg() | ir.Apply():
                return replace(node, arg=expr(node.arg))
            case ir.Binary():
                return replace(node, left=expr(node.left), right=expr(node.right))
            case ir.Sum():
                return replace(node, body=expr(node.body))
            case ir.Var() | ir.Scalar():
                return node

    def pivot(value: ir.Pivot | None) -> ir.Pivot | None:
        if value is None:
            return None
        return replace(value, others=tuple(replace(f, name=new(f.name)) for f in value.others))

    def init(value: ir.InitCall) -> ir.InitCall:
        if value.name != "fan_in_uniform":
            return value
        return replace(value, options=tuple(new(o) if isinstance(o, str) else o for o in value.options))

    return replace(
        layer,
        params=tuple(replace(p, name=new(p.name), pivot=pivot(p.pivot), init=init(p.init)) for p in layer.params),
        lets=tuple(replace(item, name=new(item.name), value=expr(item.value)) for item in layer.lets),
        result=expr(layer.result),
    )
