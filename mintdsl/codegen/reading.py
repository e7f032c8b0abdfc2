"""Which formulas can be followed position by position, and how they read what becomes known there.

A position is an element of a Vec with its hidden units, or a token of a Seq.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mintdsl.core import ir
from mintdsl.core.postorder import below, operands, postorder

Roots = Sequence[ir.Expr]


class Unfit(Exception):
    """A formula that is not followed position by position."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A net that is followed: which of its inputs move, and whether its results are strict in them."""

    moving: frozenset[int]
    strict: bool


def variables_of(owner: ir.Layer | ir.Net, followed: Followed | None) -> frozenset[str]:
    """The variables that become known position by position."""
    if isinstance(owner, ir.Layer):
        return frozenset({owner.variable})
    assert followed is not None
    return frozenset(name for k, (name, _) in enumerate(owner.inputs) if k in followed.moving)


@dataclass(slots=True)
class Reading:
    """What a walk over the formulas of an owner finds, whatever is written of it.

    `depends` tells of each node whether it moves, by its identity; `lets` that of each let.
    """

    owner: ir.Layer | ir.Net
    variables: frozenset[str]
    nets: Mapping[str, Followed]
    depends: dict[int, bool] = field(default_factory=dict)
    lets: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [*(item.name for item in self.owner.lets)]
        for place, root in enumerate(ir.formulas(self.owner)):
            done: list[bool] = []
            for node in postorder(root):
                match node.expr:
                    case ir.Var(name=name):
                        done.append(name in self.variables)
                    case ir.Ref(name=name):
                        done.append(self.lets[name])
                    case _:
                        done.append(any(done[k] for k in node.operands))
                self.depends[id(node.expr)] = done[-1]
            if place < len(names):
                self.lets[names[place]] = done[-1]

    @property
    def tokens(self) -> bool:
        """Whether positions are tokens."""
        return self.owner.shape.kind == "Seq"

    def moves(self, node: ir.Expr) -> bool:
        """Whether a node depends on what becomes known."""
        return self.depends[id(node)]

    def strict(self, node: ir.Expr) -> bool:
        """Whether a node that moves reads positions before its own only."""
        match node:
            case ir.Linear(param=name):
                kind = self.owner.param(name).kind
                return isinstance(kind, ir.Dense) and kind.strict
            case ir.Delay():
                return True
            case ir.Call(param=name):
                return self.net(name).strict
            case _:
                return False

    def net(self, name: str) -> Followed:
        """What is known of a net that is a parameter; Unfit where it is not followed."""
        kind = self.owner.param(name).kind
        assert isinstance(kind, ir.NetParam)
        if kind.definition not in self.nets:
            raise Unfit
        return self.nets[kind.definition]

    def reached(self, roots: Roots) -> Iterator[ir.Expr]:
        """The nodes evaluated for `roots`, lets entered once: not what is constant, nor what is below a strict node."""
        waiting, seen = [*roots], set[str]()
        while waiting:
            node = waiting.pop()
            yield node
            if not self.moves(node) or self.strict(node):
                continue
            if isinstance(node, ir.Ref):
                if node.name not in seen:
                    seen.add(node.name)
                    waiting.append(self.owner.let(node.name).value)
                continue
            waiting += operands(node)

    def stricts(self, roots: Roots) -> list[ir.Expr]:
        """The strict nodes on the way to `roots`, and on the way to their arguments."""
        found: dict[int, ir.Expr] = {}
        waiting = [*roots]
        while waiting:
            fresh: list[ir.Expr] = []
            for node in self.reached(waiting):
                if self.moves(node) and self.strict(node) and id(node) not in found:
                    found[id(node)] = node
                    fresh += operands(node)
            waiting = fresh
        return list(found.values())[::-1]

    def checked(self, roots: Roots) -> bool:
        """Whether `roots` are strict in all that moves; Unfit where a node cannot be followed."""
        whole_ = [*roots, *(arg for node in self.stricts(roots) for arg in operands(node))]
        for node in self.reached(whole_):
            if self.moves(node):
                self._check(node)
        return not any(isinstance(node, ir.Var) and self.moves(node) for node in self.reached(roots))

    def _check(self, node: ir.Expr) -> None:
        match node:
            case ir.Var() | ir.Apply() | ir.Neg() | ir.Binary() | ir.Swish(twice=False):
                return
            case ir.Ref(indices=()) | ir.Linear(indices=()) | ir.Call(indices=()):
                if isinstance(node, ir.Linear):
                    self._check_map(self.owner.param(node.param))
                if isinstance(node, ir.Call):
                    moving = self.net(node.param).moving
                    if moving != frozenset(k for k, arg in enumerate(node.args) if self.moves(arg)):
                        raise Unfit
                return
            case ir.Chain(param=name):
                if len(self.owner.param(name).indices) == 1 and not self.net(name).strict:
                    return
            case ir.Delay() if self.tokens:
                return
            case _:
                pass
        raise Unfit

    def _check_map(self, param: ir.Param) -> None:
        match param.kind:
            case ir.Dense(direction=direction):
                # a matrix of a Vec is masked, one of tokens acts on each alone
                good = direction is None if self.tokens else direction is not None
                if good and not param.indices and param.source.kind == self.owner.shape.kind:
                    return
            case ir.Attention(direction=str()) | ir.LayerNorm() if self.tokens:
                return
            case _:
                pass
        raise Unfit


def follow(owner: ir.Layer | ir.Net, variables: frozenset[str], found: dict[str, Followed]) -> Reading:
    """The reading of an owner whose nets are followed; these are added to `found`. Unfit where one cannot be."""
    reading = Reading(owner, variables, found)
    for node in below(*ir.formulas(owner)):
        if not isinstance(node, ir.Call | ir.Chain) or not reading.moves(node):
            continue
        kind = owner.param(node.param).kind
        assert isinstance(kind, ir.NetParam)
        args = node.args if isinstance(node, ir.Call) else (node.arg,)
        moving = frozenset(k for k, arg in enumerate(args) if reading.moves(arg))
        known = found.get(kind.definition)
        if kind.net.extern:
            raise Unfit
        if known is None:
            own = variables_of(kind.net, Followed(moving, False))
            inner = follow(kind.net, own, found)  # no deeper than nets lie in each other
            found[kind.definition] = Followed(moving, inner.checked(kind.net.results))
        elif known.moving != moving:
            raise Unfit
    return reading
