"""Where the grammar's tables and the packaged specs are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent


def resource(name: Literal["grammars", "specs"]) -> Path:
    """The folder of that name."""
    inside = _PACKAGE / "_resources" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
