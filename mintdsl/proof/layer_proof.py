"""What is proved of a layer, and what follows from that."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from mintdsl.core import ir
from mintdsl.core.claim_words import CLOSED, EXACT, ITERATIVE
from mintdsl.core.interval import REAL, Interval
from mintdsl.core.norms import EUCLIDEAN, norm_of
from mintdsl.core.orders import Order
from mintdsl.diagnostics.model import Diagnostic
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.jacobian import NONE, Chain, Jacobian, Split
from mintdsl.proof.orders import Working
from mintdsl.proof.rules.flows import Bijection
from mintdsl.proof.rules.parts import Part
from mintdsl.records import record

Bindings = Mapping[str, ir.Argument]


@record
class LayerProof:
    """What is proved of a layer. `bijection` is None when not even injectivity follows.

    `order` is the one in which the Jacobian is triangular, `found` when it is not the declared one. `assumptions` are
    what the proof takes for granted and the module tests. `acts` are the derivations of activations that the program
    defines, in the order in which they were needed. `links`, of a composition, stand from the variable outwards.
    `applied` are the proofs of the layers that the formula applies, by the names of its parameters.
    """

    layer: ir.Layer
    jacobian: Jacobian
    bijection: Bijection | None
    derivation: Derivation
    diagnostics: tuple[Diagnostic, ...]
    blame: Diagnostic | None
    working: Working = Working(None)
    assumptions: tuple[str, ...] = ()
    acts: tuple[tuple[ir.DefinedAct, Derivation], ...] = ()
    inverse: str = ITERATIVE
    parts: tuple[Part, ...] = ()
    links: tuple[ir.Expr, ...] = ()
    applied: tuple[tuple[str, LayerProof], ...] = ()

    @property
    def preserving(self) -> bool:
        """Whether volumes are preserved."""
        if self.parts:
            return self.bijection is not None and all(part.jacobian.unit for part in self.parts)
        return self.jacobian.unit

    @property
    def proved(self) -> bool:
        """Whether every claim holds."""
        return not self.diagnostics

    @property
    def order(self) -> Order | None:
        """The order in which the Jacobian is triangular; None where a formal decides."""
        return self.working.order

    @property
    def evaluation_only(self) -> bool:
        """Whether it holds for frozen statistics, that is in evaluation mode, only (rule BN)."""
        own = any(isinstance(p.kind, ir.Normalize) for p in self.layer.params)
        return own or any(proof.evaluation_only for _, proof in self.applied)

    @property
    def closed_form(self) -> bool:
        """Whether the layer is affine in each element alone, so that its inverse is a formula."""
        return self.inverse == CLOSED and not self.linked

    @property
    def composed(self) -> bool:
        """Whether it is a bijection by composition only (rule CHAIN): inverted link by link, its Jacobian dense."""
        return self.jacobian.chain is not Chain.NONE

    @property
    def linked(self) -> bool:
        """Whether the module goes through it link by link, so that it has no diagonal to show."""
        inside = any(part.jacobian.chain is not Chain.NONE for part in self.parts)
        return self.composed or inside or bool(self.applied)

    @property
    def residual(self) -> Split | None:
        """The terms of a residual sum (rule RES), up to constants; None where the layer is none."""
        for node in self.derivation.nodes() if self.links else ():
            if node.rule == "RES" and node.subject == self.links[0].span:
                return node.split
        return None

    @property
    def cayley(self) -> float | None:
        """The bound of the branch of a Cayley map (rule CAYLEY); None where the layer is none."""
        for node in self.derivation.nodes() if self.links else ():
            if node.rule == "CAYLEY" and node.subject == self.links[0].span and node.premises[0].fact is not None:
                return node.premises[0].fact.lip
        return None

    @property
    def norm(self) -> float:
        """The order of the norm in which the Lipschitz constants of its formula are followed: 2, 1 or inf."""
        return norm_of(self.layer)

    def lip(self, norm: float = EUCLIDEAN) -> float:
        """A Lipschitz constant in the norm of this order; what acts on each coordinate alone has one for all."""
        alone = self.jacobian.off == NONE and not self.parts
        return self.jacobian.lip if alone or norm == self.norm else inf

    @property
    def contracting(self) -> str:
        """What it is, if its inverse is a Banach iteration and its log-det that of a dense Jacobian."""
        return "a residual sum" if self.residual is not None else "a Cayley map" if self.cayley is not None else ""

    @property
    def log_det(self) -> str:
        """The kind of the log-determinant."""
        return EXACT


def conclusion_of(jacobian: Jacobian, bijection: Bijection | None) -> str:
    """What is proved of a layer, in words."""
    match bijection:
        case None:
            return jacobian.describe()
        case Bijection(codomain=Interval() as image):
            return f"bijection of {'R^D' if image == REAL else f'R^D onto {image}^D'}"
        case _:
            return "injective, perhaps not onto"
