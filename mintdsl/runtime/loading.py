"""Build a class from generated text, so that tracebacks and inspect show the text."""

from __future__ import annotations

import hashlib
import linecache
import sys
import types

from torch import nn


def load_class(source: str, name: str) -> type[nn.Module]:
    """The class `name` of a generated module. Its source appears in tracebacks; instances pickle in this process."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    module_name = f"mintdsl_generated_{digest}"
    if module_name not in sys.modules:
        file = f"<{module_name}.py>"
        module = types.ModuleType(module_name)
        module.__file__ = file
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        sys.modules[module_name] = module
        exec(compile(source, file, "exec"), module.__dict__)
    found = getattr(sys.modules[module_name], name)
    assert isinstance(found, type) and issubclass(found, nn.Module)
    return found
