"""An activation that the program defines, as two functions: value and derivative."""

from __future__ import annotations

from mintdsl.codegen.emit import Writer
from mintdsl.codegen.lower.formula import ONE, ZERO, Lowering
from mintdsl.core import ir
from mintdsl.core.orders import DEFAULT_ORDER

_NOWHERE = ir.Shape("Vec", ())


def write_act(act: ir.DefinedAct, write: Writer, steepest: str) -> None:
    """`NAME_value`, `NAME_slope` and `act_NAME`."""
    span = act.body.span
    layer = ir.Layer(
        act.name, (), _NOWHERE, (), DEFAULT_ORDER["Vec"], (), (), "v", (), act.body, None, span, span, span
    )
    lowering = Lowering(layer, "value", {}, lambda _: None)
    value, slope = lowering.run()
    for name, code, doc in (
        ("value", value, "by its formula in the spec"),
        ("slope", slope, "derivative of the formula"),
    ):
        with write.block(f"def {act.name}_{name}(x: Tensor) -> Tensor:"):
            write(f'"""{act.name}, {doc}."""')
            for line in lowering.lines:
                if line.split(" = ")[0] in code.text or any(line.split(" = ")[0] in later for later in lowering.lines):
                    write(line)
            if code in (ONE, ZERO) or not code.batch:
                write(f"return torch.full_like(x, {code.text})")
            else:
                write(f"return {code.text}")
        write()
        write()
    with write.block(f"def act_{act.name}() -> Activation:"):
        write(f'"""{act.name} as a value of type Act."""')
        write(f"return Activation({act.name}_value, {act.name}_slope, {steepest})")
