"""The real libraries, each where it is installed, and the side effects of zuko only while a test asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType

import pytest
from torch.distributions import Distribution, Transform
from torch.distributions.transforms import _InverseTransform

Library = Callable[[str], ModuleType]


@contextmanager
def effects_of_zuko() -> Iterator[None]:
    """What `import zuko` changes in torch, undone at the end: it would hide errors from the tests of others."""
    validates, constraints = Distribution._validate_args, Distribution.arg_constraints
    name = _InverseTransform.__name__
    zuko = pytest.importorskip("zuko", reason="zuko is not installed: `make interop` installs it and runs this")
    Distribution.set_default_validate_args(False)
    Distribution.arg_constraints = {}
    Transform.call_and_ladj = zuko.transforms._call_and_ladj
    _InverseTransform.__name__ = "Inverse"
    try:
        yield
    finally:
        Distribution.set_default_validate_args(validates)
        Distribution.arg_constraints = constraints
        del Transform.call_and_ladj
        _InverseTransform.__name__ = name


@pytest.fixture
def library() -> Iterator[Library]:
    """Imports a library by name, or skips the test with the reason."""
    with ExitStack() as stack:

        def imported(name: str) -> ModuleType:
            if name == "zuko":
                stack.enter_context(effects_of_zuko())
            reason = f"{name} is not installed: `make interop` installs it and runs this"
            return pytest.importorskip(name, reason=reason)

        yield imported
