"""An activation that the program passes as an argument, as functions: value and derivative."""

from __future__ import annotations

from mintdsl.codegen.emit import Writer
from mintdsl.codegen.lower.formula import Lowering
from mintdsl.core import ir
from mintdsl.core.orders import DEFAULT_ORDER

_ANY = ir.Shape("Any", (), "R")


def write_act(act: ir.DefinedAct, name: str, write: Writer, steepest: float | None) -> None:
    """`NAME_value`, `NAME_slope` and `act_NAME`; such an activation mentions no formals."""
    span = act.body.span
    layer = ir.Layer(
        act.name, (), _ANY, (), DEFAULT_ORDER["Vec"], (), (), "x", (), act.body, None, None, None, span, span, span
    )
    for suffix, doc in (("value", "by its formula in the spec"), ("slope", "the derivative of the formula")):
        lowering = Lowering(layer, "value", {}, {}, {}, {}, lambda _: None)
        value, slope = lowering.run_layer()
        code = value if suffix == "value" else slope
        with write.block(f"def {name}_{suffix}(x: Tensor) -> Tensor:"):
            write(f'"""{act.name}, {doc}."""')
            for line in lowering.lines:
                write(line)
            write(f"return {code.text}" if code.rank else f"return torch.full_like(x, {code.text})")
        write()
        write()
    with write.block(f"def act_{name}() -> Activation:"):
        write(f'"""{act.name} as a value of type Act."""')
        bound = "math.inf" if steepest is None else repr(steepest)
        write(f'return Activation({name}_value, {name}_slope, {bound}, "{act.name}")')
