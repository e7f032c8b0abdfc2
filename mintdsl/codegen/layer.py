"""A layer as a class: constructor, value with diagonal, inverse, weights, effective values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mintdsl.codegen import shapes
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.lower.formula import ONE, ZERO, Lowering
from mintdsl.core import ir
from mintdsl.core.instance import anchor
from mintdsl.core.constraints import CONSTRAINTS, Parametrisation
from mintdsl.core.nat import Nat
from mintdsl.proof.check import LayerProof
from mintdsl.proof.jacobian import NONE
from mintdsl.source import Span


@dataclass(slots=True)
class LayerWriter:
    """Writes the class of one layer. `proofs` are all that the program uses, one per binding of its formals."""

    layer: ir.Layer
    proofs: Sequence[LayerProof]
    write: Writer
    where: Callable[[Span], str]
    text: Callable[[Span], str]
    steepest: Callable[[ir.Act], str | None]
    anchors: dict[str, str] = field(default_factory=dict)
    masks: dict[tuple[object, ...], str] = field(default_factory=dict)

    def run(self) -> None:
        """The whole class."""
        layer, write = self.layer, self.write
        for param in layer.params:
            self.anchors[param.name] = self._anchor(param)
        with write.block(f"class {layer.name}(nn.Module):"):
            self._docstring()
            write()
            self._forward()
            write()
            self._inverse()
            write()
            self._value()
            if not self._affine:
                write()
                self._rests()
                write()
                self._fibre()
                write()
                self._bound()
            write()
            self._weights()
            write()
            self._constructor()
            write()
            self._reset()
            write()
            self._protocol()

    # ------------------------------------------------------------ what the proof says

    @property
    def _affine(self) -> bool:
        return all(p.closed_form for p in self.proofs)

    @property
    def _sign(self) -> str:
        """The sign of the diagonal: `1.0`, `-1.0`, or None where the weights decide."""
        intervals = [p.jacobian.diag for p in self.proofs]
        if all(d.interval.positive and not d.monomial for d in intervals):
            return "1.0"
        return "-1.0" if all(d.interval.negative and not d.monomial for d in intervals) else "None"

    @property
    def _maps(self) -> list[ir.Param]:
        return [p for p in self.layer.params if not isinstance(p.kind, ir.Elementwise)]

    def _directed(self, param: ir.Param) -> bool:
        return not isinstance(param.kind, ir.Elementwise) and param.kind.direction is not None

    def _anchor(self, param: ir.Param) -> str:
        kind = param.kind
        if not isinstance(kind, ir.Conv):
            return "()"
        if kind.anchor == "corner":
            assert kind.direction is not None
            if kind.direction not in ("lower", "upper"):
                return f"self.anchor_{kind.size[0]}x{kind.size[1]}"
        direction = kind.direction if kind.direction in ("lower", "upper") else "lower"
        return str(anchor(kind, str(direction)))

    def _lowering(self, mode: str) -> Lowering:
        return Lowering(self.layer, mode, self.anchors, self.steepest)

    # ------------------------------------------------------------ text

    def _docstring(self) -> None:
        layer = self.layer
        proof = self.proofs[0]
        lines = [layer.doc or f"{self.text(layer.result.span)}", ""]
        lines.append(f"Proved ({self.where(layer.name_span)}): {_class(layer, proof)};")
        lines.append(f"{proof.derivation.conclusion}.")
        self.write.doc("\n".join(_wrap(lines)))

    def _forward(self) -> None:
        write = self.write
        with write.block("def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:"):
            write('"""f(x) and log |det df/dx|; x [*, *event_shape], log_det [*]."""')
            write("no_context(context, type(self).__name__)")
            write(f'x, lead = flatten_batch(x, self.event_shape, "x", "{self.where(self.layer.shape_span)}")')
            write("y, diagonal = self.value(x, self.effective_weights())")
            diagonal = "diagonal.expand_as(x)" if self._constant_diagonal else "diagonal"
            log = f"{diagonal}.log().flatten(1).sum(1)" if self._sign == "1.0" else f"log_abs_det({diagonal})"
            write(f"log_det = {log}")
            write("return unflatten_batch(y, lead), unflatten_batch(log_det, lead)")

    @property
    def _constant_diagonal(self) -> bool:
        _, diagonal = self._lowering("value").run()
        return not diagonal.batch

    def _inverse(self) -> None:
        write = self.write
        write("def inverse(")
        write(
            "    self, z: Tensor, context: Tensor | None = None, *, tol: float | None = None, max_iter: int | None = None"
        )
        with write.block(") -> tuple[Tensor, Tensor]:"):
            if self._affine:
                write('"""x with f(x) = z, in closed form (affine in each element alone), and log |det dx/dz|."""')
            else:
                write('"""x with f(x) = z and log |det dx/dz|.')
                write()
                write("Algorithm 1 of MintNet, then fibre sweeps, which reach x from any start. The residual")
                write(
                    "max |f(x) - z| / (1 + |z|) of each sample is tested against `tol`: InversionError if it is missed."
                )
                write('"""')
            write("no_context(context, type(self).__name__)")
            write(f'z, lead = flatten_batch(z, self.event_shape, "z", "{self.where(self.layer.shape_span)}")')
            if self._affine:
                write("x, log_det = invert_affine(self, z)")
            else:
                write(f"x, log_det = invert_layer(self, z, tol, max_iter, sign={self._sign})")
            write("return unflatten_batch(x, lead), unflatten_batch(log_det, lead)")

    def _unpack(self, used: set[str]) -> None:
        names = [p.name if p.name in used else "_" for p in self.layer.params]
        if not names or set(names) == {"_"}:
            return
        self.write(f"{', '.join(names)} = w" if len(names) > 1 else f"({names[0]},) = w")

    def _statements(self, lowering: Lowering, results: Sequence[str]) -> None:
        """Unpack what the statements use, then the statements."""
        body = "\n".join([*lowering.lines, *results])
        words = set(_words(body))
        needs = {p.name for p in self.layer.params if p.name in words or f"d_{p.name}" in words}
        self._unpack(needs)
        for param in self._maps:
            if f"d_{param.name}" in words:
                anchor = self.anchors[param.name]
                extra = "" if anchor == "()" else f", {anchor}"
                self.write(f"d_{param.name} = diagonal_of({param.name}{extra})")
        for line in lowering.lines:
            self.write(line)

    def _value(self) -> None:
        write = self.write
        lowering = self._lowering("value")
        value, diagonal = lowering.run()
        with write.block("def value(self, x: Tensor, w: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:"):
            write('"""f(x) and the diagonal of its Jacobian, both [B, *event_shape]."""')
            result = diagonal.text if diagonal not in (ONE, ZERO) else "torch.ones_like(x)"
            lines = [*lowering.lines, f"y = {value.text}", f"diagonal = {result}"]
            self._statements(lowering, lines[-2:])
            write(f"# {_clip(' '.join(self.text(self.layer.result.span).split()))}")
            write(lines[-2])
            write(lines[-1])
            write(
                "return y, diagonal" if diagonal.batch or diagonal in (ONE, ZERO) else "return y, diagonal.expand_as(x)"
            )

    def _rests(self) -> None:
        write = self.write
        lowering = self._lowering("rests")
        lowering.run()
        with write.block("def rests(self, x: Tensor, w: tuple[Tensor, ...]) -> tuple[Tensor, ...]:"):
            write('"""What each map adds from the other elements, frozen at x."""')
            self._statements(lowering, lowering.rests)
            parts = lowering.rests
            if not parts:
                write("return ()")
            elif len(parts) == 1:
                write(f"return ({parts[0]},)")
            else:
                write.call("return ", parts, "")

    def _fibre(self) -> None:
        write = self.write
        lowering = self._lowering("fibre")
        value, diagonal = lowering.run()
        header = (
            "def fibre(self, s: Tensor, rests: tuple[Tensor, ...], w: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:"
        )
        with write.block(header):
            write('"""Every element alone as a function of its own value s, the others frozen; and its slope."""')
            result = diagonal.text if diagonal not in (ONE, ZERO) else "torch.ones_like(s)"
            lines = [f"y = {value.text}", f"slope = {result}"]
            self._statements(lowering, lines)
            write(lines[0])
            write(lines[1])
            write("return y, slope" if diagonal.batch or diagonal in (ONE, ZERO) else "return y, slope.expand_as(s)")

    def _bound(self) -> None:
        write = self.write
        lowering = self._lowering("bound")
        _, diagonal = lowering.run()
        with write.block("def slope_bound(self, w: tuple[Tensor, ...]) -> Tensor | None:"):
            write('"""Supremum of |diagonal| over all x, per element; None where these weights do not give one."""')
            if not lowering.bounded or diagonal in (ZERO, ONE) and not self.layer.params:
                write("return None")
                return
            self._statements(lowering, [diagonal.text])
            if diagonal.rank:
                write(f"return {diagonal.text}")
            else:
                write(f"return torch.as_tensor({diagonal.text})")

    # ------------------------------------------------------------ weights

    def _weights(self) -> None:
        write = self.write
        with write.block("def effective_weights(self) -> tuple[Tensor, ...]:"):
            names = ", ".join(p.name for p in self.layer.params) or "none"
            write(f'"""Effective weights: masked, tied, constrained: {names}."""')
            write("return layer_weights(self)")
        write()
        with write.block("def make_weights(self) -> tuple[Tensor, ...]:"):
            write('"""Effective weights from the raw parameters."""')
            for param in self._by_ties():
                self._effective(param)
            names = [p.name for p in self.layer.params]
            write(f"return ({', '.join(names)}{',' if len(names) == 1 else ''})")

    def _by_ties(self) -> list[ir.Param]:
        """Parameters after those that their tie needs."""
        done: list[ir.Param] = []
        waiting = list(self.layer.params)
        while waiting:
            for param in waiting:
                others = {f.name for f in param.pivot.others} if param.pivot else set()
                if others <= {d.name for d in done}:
                    done.append(param)
                    waiting.remove(param)
                    break
        return done

    def _effective(self, param: ir.Param) -> None:
        name, write = param.name, self.write
        raw = f"self.{name}"
        if isinstance(param.kind, ir.Elementwise):
            write(f"{name} = {self._diagonal_value(param, raw)}{self._rule(param)}")
            return
        if self._directed(param):
            raw = f"torch.where(self.{self._mask(param)}, {raw}, 0.0)"
        if param.bound is None and param.pivot is None:
            write(f"{name} = {raw}")
            return
        anchor = self.anchors[name]
        extra = "" if anchor == "()" else f", {anchor}"
        value = self._diagonal_value(param, f"diagonal_of(self.{name}{extra})")
        if param.pivot is not None:
            write(self._rule(param).strip())
            write(f"sign = {self._tie_sign(param)}")
        write.call(
            f"{name} = with_diagonal",
            [raw, value, *([anchor] if extra else [])],
            "" if param.pivot else self._rule(param),
        )

    def _rule(self, param: ir.Param) -> str:
        if param.pivot is not None:
            return f"  # rule TIE, {self.where(param.pivot.span)}"
        if param.bound is not None:
            return f"  # diag {_constraint_text(param.bound)}, {self.where(param.bound.span)}"
        return ""

    def _diagonal_value(self, param: ir.Param, raw: str) -> str:
        if param.pivot is not None:
            if isinstance(param.kind, ir.Elementwise):
                return f"tied({raw}, {self._tie_sign(param)})"
            return f"tied({raw}, sign)"
        if param.bound is None:
            return raw
        via = _via(param.bound)
        if via.name == "unit":
            return f"torch.ones_like({raw})"
        numbers = "".join(f", {n!r}" for n in param.bound.numbers)
        sign = f", self.{param.name}_sign" if via.signed else ""
        return f"{via.runtime}({raw}{sign}{numbers})"

    def _tie_sign(self, param: ir.Param) -> str:
        """The product of the signs of the other factors, at the pivot's indices."""
        assert param.pivot is not None
        letters = {i: c for i, c in zip(param.pivot.indices, "ijklmnopqrstu", strict=False)}
        own = "".join(letters.values())
        event = self._implicit(param)
        operands, inputs = [], []
        for factor in param.pivot.others:
            other = self.layer.param(factor.name)
            code = factor.name if isinstance(other.kind, ir.Elementwise) else self._diagonal_text(other)
            operands.append(f"{code}.sign()")
            inputs.append("".join(letters[i] for i in factor.indices) + self._implicit(other))
        sign = "-" if param.pivot.sign < 0 else ""
        missing = [c for c in own + event if not any(c in i for i in inputs)]
        if missing:
            operands.append(
                f"torch.ones_like(self.{param.name})"
                if isinstance(param.kind, ir.Elementwise)
                else f"torch.ones_like({self._diagonal_text(param, raw=True)})"
            )
            inputs.append(own + event)
        if not operands:
            return f"{sign}torch.ones_like({self._diagonal_text(param, raw=True)})"
        return f'{sign}torch.einsum("{",".join(inputs)}->{own + event}", {", ".join(operands)})'

    def _diagonal_text(self, param: ir.Param, *, raw: bool = False) -> str:
        name = f"self.{param.name}" if raw else param.name
        if isinstance(param.kind, ir.Elementwise):
            return name
        anchor = self.anchors[param.name]
        return f"diagonal_of({name})" if anchor == "()" else f"diagonal_of({name}, {anchor})"

    def _implicit(self, param: ir.Param) -> str:
        """Letters of the axes of a diagonal."""
        if isinstance(param.kind, ir.Elementwise) and param.kind.per == "element" and param.target.kind == "Image":
            return "chw"
        return "c"

    def _mask(self, param: ir.Param) -> str:
        kind = param.kind
        assert isinstance(kind, (ir.Conv, ir.Dense))
        size = kind.size if isinstance(kind, ir.Conv) else ()
        key = (size, self.anchors[param.name], kind.direction, kind.strict, param.source)
        if key not in self.masks:
            name = "kept" if not self.masks else f"kept_{len(self.masks) + 1}"
            self.masks[key] = name
        return self.masks[key]

    # ------------------------------------------------------------ constructor

    def _constructor(self) -> None:
        layer, write = self.layer, self.write
        concrete = bool(layer.shape.dims) and all(d.constant is not None for d in layer.shape.dims)
        args = ["self"] if concrete else ["self", "shape: tuple[int, ...]"]
        args += [formal_text(f, self.layer.name) for f in layer.formals]
        args += ["*", "device: torch.device | str | None = None", "dtype: torch.dtype | None = None"]
        write.call("def __init__", args, " -> None:")
        write.depth += 1
        write("super().__init__()")
        write(f"self.event_shape = {shapes.shape(layer.shape) if concrete else 'tuple(shape)'}")
        write('self.latent_shape, self.context_shape, self.path = self.event_shape, None, ""')
        write("self.kept_weights: tuple[Tensor, ...] | None = None")
        write("self.last_inverse: InverseInfo | None = None") if not self._affine else None
        names = ", ".join(f'"{p.name}"' for p in layer.params)
        write(f"self.names = ({names}{',' if len(layer.params) == 1 else ''})")
        unpack_shape(layer.shape, layer.formals, layer.name, write)
        for formal in layer.formals:
            write_formal(formal, write)
        if layer.indices:
            pairs = ", ".join(f'"{n}": {shapes.size(e)}' for n, e in layer.indices)
            write(f"self.extents = {{{pairs}}}")
        if isinstance(layer.order, ir.FormalOrder):
            write(f"self.order = {layer.order.name}")
        self._corners()
        write('factory = {"device": device, "dtype": dtype}')
        for param in layer.params:
            shape = self._raw_shape(param)
            write(f"self.{param.name} = nn.Parameter(torch.empty({shape}, **factory))")
            if param.bound is not None and _via(param.bound).signed:
                sign_shape = self._sign_shape(param)
                write(f'self.register_buffer("{param.name}_sign", torch.ones({sign_shape}, **factory))')
        self._register_masks()
        self._fronts()
        write("self.reset_parameters()")
        write.depth -= 1

    def _corners(self) -> None:
        done = set()
        for param in self._maps:
            kind = param.kind
            if isinstance(kind, ir.Conv) and self.anchors[param.name].startswith("self."):
                if self.anchors[param.name] not in done:
                    assert kind.direction is not None
                    self.write(f"{self.anchors[param.name]} = corner_tap({kind.direction}, {kind.size})")
                done.add(self.anchors[param.name])

    def _raw_shape(self, param: ir.Param) -> str:
        extents = dict(self.layer.indices)
        parts = [shapes.size(extents[i]) for i in param.indices]
        source, target = param.source, param.target
        match param.kind:
            case ir.Elementwise(per=per):
                if target.kind == "Any":
                    tail = "self.event_shape" if per == "element" else "self.event_shape[:1]"
                    return f"({', '.join([*parts, '*' + tail])},)"
                parts += [shapes.size(d) for d in (target.dims if per == "element" else target.dims[:1])]
            case ir.Conv(size=size):
                parts += [shapes.size(target.dims[0]), shapes.size(source.dims[0]), *map(str, size)]
            case ir.Dense():
                parts += [shapes.size(target.dims[0]), shapes.size(source.dims[0])]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"

    def _sign_shape(self, param: ir.Param) -> str:
        if isinstance(param.kind, ir.Elementwise):
            return self._raw_shape(param)
        extents = dict(self.layer.indices)
        parts = [shapes.size(extents[i]) for i in param.indices] + [shapes.size(param.target.dims[0])]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"

    def _order(self) -> str:
        return shapes.order(self.layer.order)

    def _register_masks(self) -> None:
        done = set()
        for param in self._maps:
            if not self._directed(param):
                continue
            mask, kind = self._mask(param), param.kind
            if mask in done:
                continue
            done.add(mask)
            assert isinstance(kind, (ir.Conv, ir.Dense)) and kind.direction is not None
            channels = f"({shapes.size(param.target.dims[0])}, {shapes.size(param.source.dims[0])})"
            args = [self._order(), _bare(kind.direction), str(kind.strict), channels]
            if isinstance(kind, ir.Conv):
                args += [str(kind.size), self.anchors[param.name]]
            self.write.call(f"{mask} = kept_entries", args, "")
            self.write(f'self.register_buffer("{mask}", {mask}.to(device), persistent=False)')

    def _fronts(self) -> None:
        if self._affine:
            return
        direction = self.proofs[0].jacobian.off
        if direction == NONE:
            self.write("self.functional, self.fronts = (0,) * len(self.event_shape), 1")
            return
        kernels = []
        for param in self._maps:
            if self._directed(param):
                size = param.kind.size if isinstance(param.kind, ir.Conv) else ()
                kernels.append(f"({size}, {self.anchors[param.name]})")
        listed = ", ".join(dict.fromkeys(kernels))
        args = [self._order(), _bare(direction), f"({listed},)", "self.event_shape"]
        self.write.call("self.functional = front_functional", args, "")
        self.write("self.fronts = front_count(self.functional, self.event_shape)  # the longest path of dependencies")

    # ------------------------------------------------------------ initialisation and effective values

    def _reset(self) -> None:
        write, layer = self.write, self.layer
        write("@torch.no_grad()")
        with write.block("def reset_parameters(self) -> None:"):
            write('"""Draw initial values (`init` in the spec)."""')
            if not layer.params:
                write("return")
            for param in layer.params:
                self._initialise(param)

    def _initialise(self, param: ir.Param) -> None:
        name, init, write = param.name, param.init, self.write
        map_ = param
        if init.name == "fan_in_uniform" and not init.formal and init.options and init.options[0]:
            map_ = self.layer.param(str(init.options[0]))
        place = self._place(map_)
        if init.name == "ones" and param.bound is None and param.pivot is None:
            write(f"self.{name}.fill_(1.0)")
            return
        if init.name == "zeros" and param.bound is None and param.pivot is None:
            write(f"self.{name}.zero_()")
            return
        function = shapes.init_object(init)
        target = f"self.{name}"
        if param.bound is None or _via(param.bound).name == "unit":
            if function.startswith("partial("):
                inner, options = function[8:-1].split(", ", 1)
                write(f"{inner}({target}, {place}, {options})")
            else:
                write(f"{function}({target}, {place})")
            return
        self._initialise_bound(param, function, place)

    def _initialise_bound(self, param: ir.Param, function: str, place: str) -> None:
        """Draw effective values, fold the diagonal into its set, store the raw ones."""
        write, name = self.write, param.name
        assert param.bound is not None
        via = _via(param.bound)
        write(f"value = torch.empty_like(self.{name})")
        if function.startswith("partial("):
            inner, options = function[8:-1].split(", ", 1)
            write(f"{inner}(value, {place}, {options})")
        else:
            write(f"{function}(value, {place})")
        anchor = self.anchors[name]
        drawn = (
            "value" if isinstance(param.kind, ir.Elementwise) else self._diagonal_text(param).replace(name, "value", 1)
        )
        low = max([2.0**-19, *param.bound.numbers[:1]]) if param.bound.cmp != ">= 0" else 0.0
        low = param.bound.numbers[0] if param.bound.numbers else low
        numbers = "".join(f", {n!r}" for n in param.bound.numbers)
        high = f", max={param.bound.numbers[1]!r}" if len(param.bound.numbers) == 2 else ""
        folded = f"{drawn}.abs().clamp(min={low!r}{high})"
        if via.signed:
            write(f"self.{name}_sign.copy_(torch.where({drawn} < 0, -1.0, 1.0))")
            raw = f"{via.runtime}_inverse({folded})[0]"
        else:
            raw = f"{via.runtime}_inverse({folded}{numbers})"
        if isinstance(param.kind, ir.Elementwise):
            write(f"self.{name}.copy_({raw})")
        else:
            extra = "" if anchor == "()" else f", {anchor}"
            write(f"self.{name}.copy_(with_diagonal(value, {raw}{extra}))")

    def _place(self, param: ir.Param) -> str:
        kind = param.kind
        if isinstance(kind, ir.Elementwise):
            return "Place(1, 1)"
        taps = "" if isinstance(kind, ir.Dense) or kind.size == (1, 1) else f" * {kind.size[0] * kind.size[1]}"
        free = [i for i in param.indices if i not in param.summed]
        extents = dict(self.layer.indices)

        def fan(channels: Nat, indices: Sequence[str]) -> str:
            total = channels
            for index in indices:
                total = total * extents[index]
            return _local(total, self.layer) + taps

        anchor = "" if self.anchors[param.name] == "()" else f", {self.anchors[param.name]}"
        return f"Place({fan(param.source.dims[0], param.summed)}, {fan(param.target.dims[0], free)}{anchor})"

    def _protocol(self) -> None:
        write = self.write
        with write.block("def jacobian_diagonal(self, x: Tensor) -> Tensor:"):
            write('"""The diagonal of the Jacobian at x, shaped as x."""')
            write(f'x, lead = flatten_batch(x, self.event_shape, "x", "{self.where(self.layer.shape_span)}")')
            write("return unflatten_batch(self.value(x, self.effective_weights())[1], lead)")
        write()
        with write.block("def effective(self, name: str) -> Tensor:"):
            write('"""The masked, tied and constrained value of a parameter."""')
            write("return effective_value(self, name)")
        write()
        with write.block("def set_effective(self, name: str, value: Tensor) -> None:"):
            write(
                '"""Make `value` the effective value of a parameter; ValueError, and no change, if it is not allowed."""'
            )
            write("set_effective_value(self, name, value)")
        write()
        with write.block("def raw(self, name: str, value: Tensor) -> dict[str, Tensor]:"):
            write('"""Raw tensors that give a parameter this effective value."""')
            for param in self.layer.params:
                self._raw(param)
            write("return {name: value}")

    def _raw(self, param: ir.Param) -> None:
        name, write = param.name, self.write
        if param.bound is None and param.pivot is None:
            return
        via = _via(param.bound) if param.bound is not None else None
        if via is not None and via.name == "unit":
            return
        with write.block(f'if name == "{name}":'):
            drawn = (
                "value"
                if isinstance(param.kind, ir.Elementwise)
                else self._diagonal_text(param).replace(name, "value", 1)
            )
            anchor = self.anchors[name]
            extra = "" if anchor == "()" else f", {anchor}"
            assert via is not None or param.pivot is not None
            if via is None:
                raw = f"{drawn}.abs()"  # the signs follow the tie; set_effective tests the result
                signs = ""
            elif via.signed:
                write(f"raw, sign = {via.runtime}_inverse({drawn})")
                raw, signs = "raw", f', "{name}_sign": sign'
            else:
                assert param.bound is not None
                numbers = "".join(f", {n!r}" for n in param.bound.numbers)
                raw, signs = f"{via.runtime}_inverse({drawn}{numbers})", ""
            if not isinstance(param.kind, ir.Elementwise):
                raw = f"with_diagonal(value, {raw}{extra})"
            write(f'return {{"{name}": {raw}{signs}}}')


# ---------------------------------------------------------------- shared with flows


def formal_text(formal: ir.Formal, owner: str) -> str:
    """A formal as a parameter of a constructor."""
    kind = {
        "Nat": "int",
        "Real": "float",
        "Dir": "str",
        "Order": "tuple[tuple[int, ...], ...]",
        "Act": "Activation | None",
        "Init": "Init | None",
    }[formal.type]
    if formal.default is None:
        return f"{formal.name}: {kind.replace(' | None', '')}"
    if formal.type in ("Act", "Init"):
        return f"{formal.name}: {kind} = None"
    return f"{formal.name}: {kind} = {shapes.argument(formal.default)}"


def write_formal(formal: ir.Formal, write: Writer) -> None:
    """Keep a formal as an attribute; acts and inits get their default here, where the helpers are defined."""
    name = formal.name
    if formal.type in ("Act", "Init") and formal.default is not None:
        write(f"self.{shapes.attribute(name)} = {shapes.argument(formal.default)} if {name} is None else {name}")
    else:
        write(f"self.{shapes.attribute(name)} = {name}")


def unpack_shape(shape: ir.Shape, formals: Sequence[ir.Formal], owner: str, write: Writer) -> None:
    """Bind the sizes of the shape to their names."""
    if shape.kind == "Any" or all(d.constant is not None for d in shape.dims):
        return
    names = []
    taken = {f.name for f in formals}
    for dim in shape.dims:
        symbol = (
            next(iter(dim.symbols)) if len(dim.symbols) == 1 and dim == Nat.symbol(next(iter(dim.symbols))) else "_"
        )
        names.append(symbol if symbol not in taken else "_")
    left = ", ".join(names)
    write(f"{left}{',' if len(names) == 1 else ''} = shape" if len(names) > 1 else f"({left},) = shape")
    for position, (dim, name) in enumerate(zip(shape.dims, names, strict=True)):
        if name == "_":
            write(f"if shape[{position}] != {shapes.size(dim)}:")
            write(
                f'    raise ValueError(f"{owner}: size {position} of shape must be {{{shapes.size(dim)}}}, not {{shape[{position}]}}")'
            )


def _via(bound: ir.Bound) -> Parametrisation:
    constraint = next(c for c in CONSTRAINTS if c.quantity == "diag" and c.cmp == bound.cmp)
    return next(v for v in constraint.via if v.name == bound.via)


def _constraint_text(bound: ir.Bound) -> str:
    if bound.cmp == ">= <=":
        return f"in [{bound.numbers[0]!r}, {bound.numbers[1]!r}]"
    return f"{bound.cmp} {bound.numbers[0]!r}" if bound.numbers else bound.cmp


def _class(layer: ir.Layer, proof: LayerProof) -> str:
    order = layer.order.name if isinstance(layer.order, ir.FormalOrder) else f"{layer.order.name} {layer.order}"
    off = proof.jacobian.off
    shape = "diagonal" if off == "diagonal" else f"{off} triangular in {order}"
    return f"{shape}, diagonal in {proof.jacobian.diag}"


def _wrap(lines: Sequence[str]) -> list[str]:
    return [part for line in lines for part in line.split("\n")]


def _clip(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "..."


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "_" else " " for c in text).split()


def _bare(direction: str) -> str:
    return f'"{direction}"' if direction in ("lower", "upper") else f"self.{shapes.attribute(direction)}"


def _local(total: Nat, layer: ir.Layer) -> str:
    """A size inside reset_parameters, where the names of the constructor are gone."""
    text = shapes.size(total)
    words = text.split(" ")
    formals = {f.name for f in layer.formals}
    dims = {str(d): i for i, d in enumerate(layer.shape.dims)}
    return " ".join(
        f"self.{shapes.attribute(w)}" if w in formals else f"self.event_shape[{dims[w]}]" if w in dims else w
        for w in words
    )
