"""The kernel: re-checks a certificate, with rules and tables of its own and exact rational arithmetic.

It imports nothing of the checker and reads plain data only. Each fact of a certificate must follow, by the rule of its
node, from the facts stated for the node's operands; a weaker fact than follows is true as well, and what is built on it
is checked in turn. `TRUSTED` lists what it takes for granted.
"""

from __future__ import annotations

from mintdsl.proof.kernel.check import recheck
from mintdsl.proof.kernel.facts import TRUSTED
from mintdsl.proof.kernel.reading import Refused

__all__ = ["TRUSTED", "Refused", "recheck"]
