"""The parser's machine: it moves over the LALR tables with stacks of its own, so nesting costs no recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias, cast

from mintdsl.syntax import ast
from mintdsl.syntax.tables import END, Rule, Tables

Reduce: TypeAlias = Callable[[Rule, list[object], int, int], object]
"""Makes the value of a rule from its children and the characters they cover."""

# The rules that hold themselves: what they build can be as deep as the text is long.
_NESTING = frozenset({"expr", "term", "unary", "postfix", "atom", "bare_step"})
# Chains such as `a + b - c`, however long, are walked from their end, so they count as one.
_CHAINS = frozenset({"add", "sub", "mul", "div"})


class Machine:
    """One run of the parser. The stacks are parallel: symbol n led to `states[n + 1]`."""

    def __init__(self, table: Tables, reduce: Reduce) -> None:
        self.table = table
        self.reduce = reduce
        self.states = [0]
        self.symbols: list[str] = []
        self.values: list[object] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.heights: list[int] = []
        self.height = 0
        """Of the highest formula or block of steps so far, in operators, calls and braces."""

    def feed(self, kind: str, value: object, start: int, end: int) -> bool:
        """Take one token, or answer False if it cannot stand here; reductions before it are kept."""
        rows, states = self.table.states, self.states
        while True:
            action = rows[states[-1]].get(kind)
            if action is None:
                return False
            if action >= 0:
                self._push(action, kind, value, start, end, 0)
                return True
            self._reduce(self.table.rules[-1 - action], start)
            if kind == END and states[-1] == self.table.end:
                return True

    def settle(self, kinds: Iterable[str]) -> None:
        """Reduce what is complete, as if a token of the first kind that can stand here came next."""
        for kind in kinds:
            if self.accepts(kind):
                while (action := self.table.states[self.states[-1]][kind]) < 0 and self.states[-1] != self.table.end:
                    self._reduce(self.table.rules[-1 - action], self.ends[-1])
                return

    def _push(self, state: int, symbol: str, value: object, start: int, end: int, height: int) -> None:
        self.states.append(state)
        self.symbols.append(symbol)
        self.values.append(value)
        self.starts.append(start)
        self.ends.append(end)
        self.heights.append(height)

    def _reduce(self, rule: Rule, next_start: int) -> None:
        size = rule.size
        if size == 1 and rule.single and rule.keep == (0,):
            # The value stays as it is: most reductions are of this kind.
            state = self.table.states[self.states[-2]][rule.origin]
            self.states[-1], self.symbols[-1] = state, rule.origin
            return
        if size == 0:
            start = end = self.ends[-1] if self.ends else next_start
            children: list[object] = [None] * len(rule.keep)
            height = 0
        else:
            # Documentation stands before a definition, not in it.
            first = 1 if size > 1 and self.symbols[-size] == "doc" else 0
            start, end = self.starts[first - size], self.ends[-1]
            children = self._children(rule, self.values[-size:])
            height = max(self.heights[-size:])
            if rule.name in _CHAINS and isinstance(children[0], ast.Binary):
                height = max(self.heights[-size] - 1, self.heights[-1])
            self.pop(len(self.symbols) - size)
        if rule.origin.startswith("__"):
            value: object = children
        elif rule.single and len(children) == 1:
            value = children[0]
        else:
            value = self.reduce(rule, children, start, end)
            if rule.origin in _NESTING and size > 1:
                height += 1
                self.height = max(self.height, height)
        self._push(self.table.states[self.states[-1]][rule.origin], rule.origin, value, start, end, height)

    def _children(self, rule: Rule, values: list[object]) -> list[object]:
        children: list[object] = []
        positions = rule.keep
        if rule.size > 1 and rule.origin.startswith("__") and 0 in rule.splice:
            # A list grows in place: copying it for each item would be quadratic.
            children = cast("list[object]", values[0])
            positions = positions[1:]
        for position in positions:
            if position is None:
                children.append(None)
            elif position in rule.splice:
                children.extend(cast("list[object]", values[position]))
            else:
                children.append(values[position])
        return children

    def survives(self, kinds: Iterable[str]) -> bool:
        """Whether tokens of these kinds could follow: simulated, nothing changes."""
        rows, states = self.table.states, list(self.states)
        for kind in kinds:
            while True:
                action = rows[states[-1]].get(kind)
                if action is None:
                    return False
                if action >= 0:
                    states.append(action)
                    break
                rule = self.table.rules[-1 - action]
                del states[len(states) - rule.size :]
                states.append(rows[states[-1]][rule.origin])
                if kind == END and states[-1] == self.table.end:
                    break
        return True

    def accepts(self, kind: str) -> bool:
        """Whether a token of this kind could stand here."""
        return self.survives((kind,))

    def expected(self) -> frozenset[str]:
        """The kinds of token that could stand here."""
        return frozenset(kind for kind in self.table.states[self.states[-1]] if kind.isupper() and self.accepts(kind))

    def goes(self, depth: int, symbol: str) -> bool:
        """Whether `symbol` can follow the first `depth` symbols."""
        return symbol in self.table.states[self.states[depth]]

    def pop(self, depth: int) -> None:
        """Forget all but the first `depth` symbols."""
        del self.states[depth + 1 :], self.symbols[depth:], self.values[depth:]
        del self.starts[depth:], self.ends[depth:], self.heights[depth:]

    def put(self, symbol: str, value: object, start: int, end: int) -> None:
        """Push a nonterminal as if it had been read."""
        self._push(self.table.states[self.states[-1]][symbol], symbol, value, start, end, 0)
