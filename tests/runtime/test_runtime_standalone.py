"""The helpers as a generated module carries them: top-level definitions sliced into one text, in any order."""

from __future__ import annotations

import ast
import builtins
import dis
from pathlib import Path
from types import CodeType

import torch

import mintdsl.runtime.inverse

FILES = ["activations", "batch", "fibre", "implicit", "inits", "inverse", "masks", "parametrise"]
HEADER = """from __future__ import annotations
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple
import torch
from torch import Tensor, nn
from torch.nn import functional as F
"""


def pieces() -> dict[str, str]:
    found: dict[str, str] = {}
    folder = Path(mintdsl.runtime.inverse.__file__).parent
    for name in FILES:
        text = (folder / f"{name}.py").read_text()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                assert node.name not in found, f"{node.name} is defined twice"
                assert ast.get_docstring(node), f"{node.name} has no docstring"
                marks = [ast.unparse(mark) for mark in node.decorator_list]
                found[node.name] = "\n".join([*(f"@{m}" for m in marks), ast.get_source_segment(text, node) or ""])
            else:
                assert isinstance(node, ast.Import | ast.ImportFrom | ast.Expr | ast.Assign), (
                    f"{name}: {ast.unparse(node)}"
                )
    return found


def globals_read(code: CodeType) -> set[str]:
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return names.union(*(globals_read(c) for c in code.co_consts if isinstance(c, CodeType)))


def test_sliced_text_is_complete_and_runs() -> None:
    found = pieces()
    namespace: dict[str, object] = {"__name__": "standalone"}
    text = HEADER + "\n\n".join(found[name] for name in sorted(found))
    code = compile(text, "standalone", "exec")
    exec(code, namespace)
    known = set(namespace) | set(dir(builtins)) | {"__annotations__", "__module__", "__qualname__"}
    assert globals_read(code) <= known
    invert = namespace["invert_elementwise"]
    assert callable(invert)
    x, _, _ = invert(lambda s: (s.sinh(), s.cosh()), torch.linspace(-9, 9, 7, dtype=torch.float64)[None])
    torch.testing.assert_close(x[0], torch.asinh(torch.linspace(-9, 9, 7, dtype=torch.float64)))
