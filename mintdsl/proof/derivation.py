"""The proof: a tree of rule applications."""

from __future__ import annotations

from mintdsl.proof.jacobian import Jacobian, Split
from mintdsl.records import record
from mintdsl.source import Span


@record
class Derivation:
    """`subject` has the property `conclusion` by `rule`, from the `premises`.

    Of a formula `fact` is its class, of a sum `split` what rule RES asks of its terms, and of a net without a bound of
    its Lipschitz constant `free` the place where that was lost.
    """

    rule: str
    subject: Span
    conclusion: str
    premises: tuple[Derivation, ...] = ()
    note: str = ""
    title: str = ""
    fact: Jacobian | None = None
    split: Split | None = None
    free: Span | None = None

    def nodes(self) -> list[Derivation]:
        """All nodes of the tree, premises before what they prove, from left to right."""
        found: list[Derivation] = []
        stack = [self]
        while stack:
            node = stack.pop()
            found.append(node)
            stack.extend(node.premises)
        return found[::-1]

    def rules(self) -> frozenset[str]:
        """The rules that the tree uses."""
        return frozenset(node.rule for node in self.nodes())
