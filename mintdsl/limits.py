"""Every limit of the language, in one table: what is counted, the most that is allowed, and the code that says so.

A program within these limits is checked in a time that grows linearly with its length; `docs/limits.md` lists them.
Limits that are part of a construct's meaning (the factor of a squeeze, the levels of `dequantize`) stand with it.
"""

from __future__ import annotations

from typing import NamedTuple


class Limit(NamedTuple):
    """At most `most` of `what`; more is answered by `code`, or by a refusal to read the file where that is empty."""

    most: int
    what: str
    code: str

    @property
    def shown(self) -> str:
        """The number as people write it: `100`, `2,000,000`, `2^33`."""
        power = self.most.bit_length() - 1
        return f"2^{power}" if power > 20 and self.most == 1 << power else f"{self.most:,}"


# ---------------------------------------------------------------- text

FILE = Limit(2_000_000, "bytes of a file", "E0107")
FILES = Limit(1_000, "files of a program", "E0205")
TOKENS = Limit(500_000, "words, numbers, signs and comments of a program, all files together", "E0107")
NESTING = Limit(
    100, "brackets, calls or signs inside each other, activations written out; `a + b - c` counts as one", "E0107"
)
NAME = Limit(255, "characters of a name", "E0107")
INTEGER = Limit(10**15, "the value of a whole number", "E0106")
MESSAGES = Limit(1_000, "messages of one severity; further ones are left out", "")
HINTS = Limit(20, "unknown names for which similar ones are looked up", "")

# ---------------------------------------------------------------- definitions

BLOCKS = Limit(100, "flows and blocks of steps inside each other", "E0107")
LOOPS = Limit(16, "repeats inside each other in one flow: the module has as many loops", "E0107")
WRITTEN_OUT = Limit(1_000, "operations of an activation, those of the activations it uses included", "E0107")
OPERATIONS = Limit(
    100_000, "operations of a layer or net, its activations and nets, and the layers it applies, written out", "E0107"
)
FORMALS = Limit(100, "formals of a definition", "E0107")
PARAMS = Limit(5_000, "parameters of a layer", "E0107")
INDICES = Limit(64, "indices of a layer", "E0107")
NETS = Limit(32, "nets, and layers applied in formulas, inside each other", "E0107")
KEYS = Limit(16, "keys of an order", "E0107")
BOUND = Limit(8, "indices bound at one place, and indices of one parameter", "E0107")
TIES = Limit(2_000, "ties of a layer", "E0107")
PARTS = Limit(64, "parts of a split", "E0107")
FACTORS = Limit(16, "factors of a tie", "E0107")
TIED = Limit(64, "ties that build on each other", "E0107")
SIGNS = Limit(1_000, "factors of a tie, those of the ties it builds on written out", "E0107")
PROOFS = Limit(
    1_000_000,
    "operations and steps proved: of each definition, for each value of its Act, Order and Real formals",
    "E0107",
)
INSTANCES = Limit(1_000_000, "parameters and steps counted: of each definition, at each of its sizes", "E0107")

# ---------------------------------------------------------------- sizes

TERMS = Limit(64, "terms of a size such as `2 * K + C`", "E0305")
DEGREE = Limit(32, "factors of a term of a size", "E0305")
COEFFICIENT = Limit(10**18, "the value of a number in a size", "E0305")
SIZE = Limit(2**40, "the value of a size", "E0305")
TAPS = Limit(4096, "taps of a kernel, rows times columns", "E0306")
DILATION = Limit(4096, "rows, or columns, from one tap of a kernel to the next", "E0306")
STRIDE = Limit(64, "rows, or columns, that a kernel moves from one output to the next", "E0306")
STEPS = Limit(100_000, "layers and steps of a flow, repeated ones counted each time", "E0307")
COPIES = Limit(
    1_000, "steps written out anew in one flow, of the further copies of repeated blocks that change the shape", "E0307"
)
PERMUTED = Limit(2**24, "entries that one `permute` moves: of its axis, or all", "E0307")
PARAMETERS = Limit(2**33, "numbers that a layer or flow holds", "E0307")
SERIES = Limit(10_000, "terms of a series of traces that are always taken", "E0305")
PROBES = Limit(10_000, "random vectors that estimate a trace", "E0305")

LIMITS: dict[str, Limit] = {name: value for name, value in globals().items() if isinstance(value, Limit)}
