"""A layer that is affine in each coordinate, with terms that read the coordinates before it, as a class.

`terms_x` computes what the map takes from other coordinates, and the logarithm of its scale; forward, inverse and the
solver apply and undo the same links with them. Where the terms are followed position by position, the inverse starts
from what substitution gives: there each position is undone once everything that it reads is known. Elementwise
bijections may be among those links; then the layer is written as any other but for that start.
"""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.codegen.by_fronts import FRONTS, START, write_fronts
from mintdsl.codegen.by_position import ByPosition, write_begin
from mintdsl.codegen.context import LayerContext
from mintdsl.codegen.coupling import write_inverse
from mintdsl.codegen.emit import Writer
from mintdsl.codegen.lower.bends import options
from mintdsl.codegen.reading import Followed, Reading, Unfit, follow
from mintdsl.codegen.terms import SCALES, Chain, applied, chain_of, in_short, log_of, undone, write_terms
from mintdsl.core import ir
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.links import Link, links
from mintdsl.core.orders import Order
from mintdsl.core.walks import constant
from mintdsl.proof.check import LayerProof
from mintdsl.proof.jacobian import DENSE, NONE, Fibre
from mintdsl.proof.reads import positional

WORDS = ("+", "-", "*", "/", "from", "neg")
Followers = tuple[Reading, dict[str, Followed]]


def is_autoregressive(layer: ir.Layer, proofs: Sequence[LayerProof]) -> bool:
    """Whether a layer is a chain of links whose operands read other coordinates."""
    affine = all(p.jacobian.fibre is Fibre.AFFINE for p in proofs)
    found = _links_to_others(layer, proofs) if affine else ()
    return bool(found) and all(link.word in WORDS for link in found)


def is_bent(layer: ir.Layer, proofs: Sequence[LayerProof]) -> bool:
    """Whether a layer is such a chain with elementwise bijections in it, whose numbers stand at their elements."""
    found = _links_to_others(layer, proofs)
    bends = [link.operand for link in found if isinstance(link.operand, ir.Bend) and link.word in BIJECTIONS]
    words = all(link.word in (*WORDS, *BIJECTIONS) for link in found)
    return bool(bends) and words and all(all(bend.own) for bend in bends)


def _links_to_others(layer: ir.Layer, proofs: Sequence[LayerProof]) -> Sequence[Link]:
    """The links of a layer that is a chain of them around its variable, and reads other coordinates; else none."""
    if layer.split is not None or any(p.jacobian.off in (NONE, DENSE) or p.composed for p in proofs):
        return ()
    found, end = links(layer, layer.variable, layer.result)
    lets: dict[str, bool] = {}
    for item in layer.lets:
        lets[item.name] = constant(item.value, lets)
    reads = any(not constant(operand, lets) for link in found for operand in link.taken)
    return found if isinstance(end, ir.Var) and reads else ()


def followed(layer: ir.Layer, proofs: Sequence[LayerProof]) -> Followers | None:
    """How an autoregressive layer is followed position by position, and the nets in it; None where it is not."""
    order = layer.order
    if not isinstance(order, Order) or not positional(order) or layer.shape.kind != order.space:
        return None
    if any(p.working.found for p in proofs) or len({p.jacobian.off for p in proofs}) != 1:
        return None
    nets: dict[str, Followed] = {}
    try:
        reading = follow(layer, frozenset({layer.variable}), nets)
        strict = reading.checked(_operands(layer))
    except Unfit:
        return None
    return (reading, nets) if strict else None


def _operands(layer: ir.Layer) -> list[ir.Expr]:
    """The operands of the links, from the variable outwards."""
    found, _ = links(layer, layer.variable, layer.result)
    return [operand for link in found for operand in link.taken]


def write_autoregressive(c: LayerContext) -> None:
    """forward, inverse, what the solver needs, and the terms."""
    layer = c.layer
    assert isinstance(layer, ir.Layer)
    one = chain_of(c, layer.variable, layer.result)
    _forward(c, one)
    c.write()
    how = "Algorithm 1 of MintNet, here exact once every position has had its turn, then fibre sweeps."
    if c.reading is not None:
        write_substituted_inverse(c, c.reading)
    elif c.convolved is not None:
        write_inverse(c, FRONTS, START)
        c.write()
        write_fronts(c, c.convolved)
    else:
        write_inverse(c, how)
    c.write()
    _solver(c, one)
    c.write()
    write_terms(c, one)


def write_substituted_inverse(c: LayerContext, reading: Reading) -> None:
    """The inverse of a layer that is followed position by position, and the substitution that it starts from."""
    how = "One position after the other, each undone with what it reads; steps of Algorithm 1 refine that."
    write_inverse(c, how, ", start=self.substituted")
    c.write()
    _substituted(c, reading)


def _forward(c: LayerContext, chain: Chain) -> None:
    write = c.write
    with write.block("def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:"):
        write(f'"""f(x) and log |det df/dx|; x [*, *event_shape]{c.shown_context}, log_det [*]."""')
        c.write_no_context()
        c.write_batch("x")
        write(f"{_terms(chain)} = self.terms_x(x{f', {c.weights}' if c.carried else ''})")
        write(f"y = {_moved(write, chain, 'x', 'y')}")
        log_det = f"log_det_term({log_of(chain)}, x)" if chain.log_scale is not None else "zero_log_det(x)"
        write(f"return unflatten_batch(y, lead), unflatten_batch({log_det}, lead)")


def _terms(chain: Chain) -> str:
    return ", ".join(chain.names) if len(chain.names) > 1 else f"({chain.names[0]},)"


def _moved(write: Writer, chain: Chain, value: str, at: str) -> str:
    for word, term in chain.steps:
        value = in_short(write, applied(value, word, term), at)
    return value


def _slope(write: Writer, chain: Chain, like: str) -> str:
    """The slope of each element in itself."""
    value = f"torch.ones_like({like})"
    for word, term in chain.steps:
        if word in SCALES:
            value = applied(value, word, term)
        elif word in ("neg", "from"):
            value = f"-({value})"
        value = in_short(write, value, "slope")
    return value


def _solver(c: LayerContext, chain: Chain) -> None:
    """`value`, `rests`, `fibre`, `slope_bound`: the terms are what each element takes from the others."""
    write, weights = c.write, "w: tuple[Tensor, ...]"
    given = "x, w" if c.carried else "x"
    with write.block(f"def value(self, x: Tensor, {weights}) -> tuple[Tensor, Tensor]:"):
        write('"""f(x) and the diagonal of its Jacobian, both [B, *event_shape]."""')
        write(f"return self.fibre(x, self.terms_x({given}), w)")
    write()
    with write.block(f"def rests(self, x: Tensor, {weights}) -> tuple[Tensor, ...]:"):
        write('"""What each element takes from the others, frozen at x."""')
        write(f"return self.terms_x({given})")
    write()
    arguments = ["self", "s: Tensor", "rests: tuple[Tensor, ...]", weights]
    write.call("def fibre", arguments, " -> tuple[Tensor, Tensor]:")
    with write.indented():
        write('"""Every element alone as a function of its own value s, the others frozen; and its slope."""')
        used = {term for _, term in chain.steps}
        names = [name if name in used else "_" for name in chain.names]
        write(f"{', '.join(names) if len(names) > 1 else f'({names[0]},)'} = rests")
        slope = _slope(write, chain, "s")
        write(f"return {_moved(write, chain, 's', 's')}, {slope}")
    write()
    with write.block(f"def slope_bound(self, {weights}) -> Tensor | None:"):
        write('"""Supremum of |diagonal| over all x, per element: there is none, and none is needed."""')
        write("return None")


def _substituted(c: LayerContext, reading: Reading) -> None:
    """The inverse by substitution, position by position."""
    layer, write = c.layer, c.write
    assert isinstance(layer, ir.Layer)
    roots = _operands(layer)
    by = ByPosition(c, reading, roots)
    x = {layer.variable: "x_now"}
    lines, values = by.emitted(roots, x)
    puts = by.puts(x)
    terms = iter(values)
    found, _ = links(layer, layer.variable, layer.result)
    undoing = [(link, [next(terms).wrapped for _ in link.taken]) for link in found]
    with write.block("def substituted(self, z: Tensor, w: tuple[Tensor, ...]) -> Tensor:"):
        write('"""x [B, *event_shape] with f(x) = z, one position after the other: what it reads is known by then."""')
        write(f"positions = Positions(self.event_shape[0], {_ascending(c, reading)})")
        write_begin(c, by)
        apart, together = ("unbind(1)", "stack(x, 1)") if reading.tokens else ("T.contiguous().split(1)", "cat(x).T")
        write(f"apart, x = z.{apart}, [z] * positions.number")
        with write.block("for position, place in enumerate(positions.places):"):
            for line in lines:
                write(line)
            value = "apart[place]"
            for link, taken in reversed(undoing):
                if isinstance(link.operand, ir.Bend) and link.word in BIJECTIONS:
                    # elements beside each other, with their numbers, are channels of a batch
                    arguments = [f"({value}).T" if " " in value else f"{value}.T", *(f"{term}.T" for term in taken)]
                    write.call(f"x_now = {link.word}_inverse", [*arguments, options(link.operand)], "[0].T")
                    value = "x_now"
                else:
                    value = in_short(write, undone(value, link.word, *taken or [""]), "x_now")
            write(f"x[place] = x_now = {value}" if value != "x_now" else "x[place] = x_now")
            for line in puts:
                write(line)
        write(f"return torch.{together}")


def _ascending(c: LayerContext, reading: Reading) -> str:
    """Whether positions become known from the first on."""
    order = c.layer.order
    assert isinstance(order, Order)
    forwards = next((row[0] for row in order.rows if row[0]), 1) > 0
    direction = c.proofs[0].jacobian.off.strip("<>")
    if direction in ("lower", "upper"):
        return str((direction == "lower") == forwards)
    return f'{c.direction(direction)} == "{"lower" if forwards else "upper"}"'
