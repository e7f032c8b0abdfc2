"""The helpers of `mintdsl.runtime`, as text: those that a module uses are copied into it, in their files' order.

The runtime is read, not imported: it needs torch, the generator does not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

from mintdsl.codegen.emit import WIDTH
from mintdsl.records import record

FILES = (
    "families",
    "schedule",
    "activations",
    "parametrise",
    "norms",
    "factors",
    "conv_inverse",
    "circulant",
    "exponential",
    "masks",
    "inits",
    "batch",
    "steps",
    "fibre",
    "inverse",
    "implicit",
    "trace_series",
    "protocols",
    "statistics",
    "assumptions",
    "nets",
    "extern",
    "positions",
    "fronts",
    "masked_conv",
    "dominant",
    "layer",
    "chain",
    "low_rank",
    "residual",
    "cayley",
    "ode",
    "certify",
    "parts",
    "bends",
    "splines",
    "mixtures",
    "priors",
    "flow",
    "from_data",
)
_RUNTIME = Path(__file__).resolve().parent.parent / "runtime"


@record
class Helper:
    """One top-level definition: its text, and every name it mentions."""

    name: str
    text: str
    mentions: frozenset[str]


@cache
def helpers() -> dict[str, Helper]:
    """Every top-level function, class and constant of the runtime, in order."""
    found: dict[str, Helper] = {}
    for file in FILES:
        source = (_RUNTIME / f"{file}.py").read_text(encoding="utf-8")
        lines = source.splitlines()
        for node in ast.parse(source).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                name, first = node.name, min([node.lineno, *(d.lineno for d in node.decorator_list)])
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name, first = node.targets[0].id, node.lineno
            else:
                continue
            assert node.end_lineno is not None
            text = "\n".join(lines[first - 1 : node.end_lineno])
            found[name] = Helper(name, text, _mentions(node))
    return found


def _mentions(node: ast.AST) -> frozenset[str]:
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    # annotations are strings at run time, but a reader wants the classes they name
    return frozenset(names)


# A text, a comment, or a name that is no attribute: what the generator writes has nothing else with letters.
_PIECES = re.compile(
    r"""\"{3}[^"]*(?:"{1,2}[^"]+)*\"{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|#[^\n]*|(?<![.\w])([A-Za-z_]\w*)"""
)


def mentioned(text: str) -> frozenset[str]:
    """Every name that a piece of a module mentions. It is not parsed: the tree of a large module takes gigabytes."""
    return frozenset(match[1] for match in _PIECES.finditer(text) if match[1])


def needed(names: Iterable[str]) -> list[Helper]:
    """The helpers among `names`, and those that they use, in the order of the runtime."""
    table = helpers()
    wanted: set[str] = set()
    stack = [n for n in names if n in table]
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack.extend(m for m in table[name].mentions if m in table)
    return [helper for name, helper in table.items() if name in wanted]


IMPORTS = (
    ("math", "import math"),
    ("functools", "import functools"),
    ("heapq", "import heapq"),
    ("itertools", "import itertools"),
    ("random", "import random"),
    ("Callable", "from collections.abc import Callable"),
    ("Iterable", "from collections.abc import Iterable"),
    ("Iterator", "from collections.abc import Iterator"),
    ("Mapping", "from collections.abc import Mapping"),
    ("Sequence", "from collections.abc import Sequence"),
    ("AbstractContextManager", "from contextlib import AbstractContextManager"),
    ("contextmanager", "from contextlib import contextmanager"),
    ("Fraction", "from fractions import Fraction"),
    ("partial", "from functools import partial"),
    ("ModuleType", "from types import ModuleType"),
    ("NamedTuple", "from typing import NamedTuple"),
    ("Protocol", "from typing import Protocol"),
    ("torch", "import torch"),
    ("Tensor", "from torch import Tensor"),
    ("nn", "from torch import nn"),
    ("FunctionCtx", "from torch.autograd.function import FunctionCtx"),
    ("Distribution", "from torch.distributions import Distribution"),
    ("Independent", "from torch.distributions import Independent"),
    ("Normal", "from torch.distributions import Normal"),
    ("SigmoidTransform", "from torch.distributions import SigmoidTransform"),
    ("Transform", "from torch.distributions import Transform"),
    ("TransformedDistribution", "from torch.distributions import TransformedDistribution"),
    ("Uniform", "from torch.distributions import Uniform"),
    ("conv2d_weight", "from torch.nn.grad import conv2d_weight"),
    ("RemovableHandle", "from torch.utils.hooks import RemovableHandle"),
    ("constraints", "from torch.distributions import constraints"),
)


def imports(used: Collection[str]) -> str:
    """The import lines that the names need, grouped and sorted as linters want them."""
    plain: dict[bool, list[str]] = {False: [], True: []}
    froms: dict[tuple[bool, str], list[str]] = {}
    for name, line in IMPORTS:
        if name not in used:
            continue
        words = line.split()
        torch_side = words[1].startswith("torch")
        if words[0] == "import":
            plain[torch_side].append(line)
        else:
            froms.setdefault((torch_side, words[1]), []).append(" ".join(words[3:]))
    groups = []
    for side in (False, True):
        lines = sorted(plain[side])
        lines += [_from(m, sorted(n)) for (s, m), n in sorted(froms.items()) if s == side]
        if lines:
            groups.append("\n".join(lines))
    return "\n\n".join(groups)


def _from(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    return line if len(line) <= WIDTH else "\n".join([f"from {module} import (", *(f"    {n}," for n in names), ")"])
