"""Frozen records: what `dataclass(frozen=True, slots=True)` makes, without compiling source text at import.

There are over a hundred record classes between the text and the proof; as dataclasses they would take longer to
import than a program takes to check. Fields declared with `field(compare=False)` neither compare nor show.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, FrozenInstanceError, field
from typing import TypeVar, cast, dataclass_transform

T = TypeVar("T")

__all__ = ["field", "record", "replace"]


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make `cls` a frozen record of its annotated fields, with slots, equality, hash and repr."""
    names = tuple(cls.__annotations__)
    space = {key: value for key, value in cls.__dict__.items() if key not in (*names, "__dict__", "__weakref__")}
    given = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
    hidden = {name for name, value in given.items() if isinstance(value, Field) and not value.compare}
    defaults = {name: value.default if isinstance(value, Field) else value for name, value in given.items()}
    space |= {
        "__slots__": names,
        "__match_args__": names,
        "_shown": tuple(name for name in names if name not in hidden),
        "_defaults": {name: value for name, value in defaults.items() if value is not MISSING},
        "__init__": _init,
        "__eq__": _eq,
        "__hash__": _hash,
        "__repr__": _repr,
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__getstate__": _getstate,
        "__setstate__": _setstate,
    }
    return cast("type[T]", type(cls.__name__, cls.__bases__, space))


def replace(value: T, /, **changes: object) -> T:
    """A copy of a record with some fields changed."""
    names = type(value).__match_args__  # type: ignore[attr-defined]
    kept = {name: getattr(value, name) for name in names}
    return type(value)(**{**kept, **changes})


def _init(self: object, *args: object, **named: object) -> None:
    names: tuple[str, ...] = type(self).__match_args__  # type: ignore[attr-defined]
    if len(args) > len(names):
        raise TypeError(f"{type(self).__name__} takes {', '.join(names)}")
    for name, value in zip(names, args, strict=False):
        object.__setattr__(self, name, value)
    if len(args) == len(names) and not named:
        return
    defaults = type(self)._defaults  # type: ignore[attr-defined]
    for name in names[len(args) :]:
        if name in named:
            object.__setattr__(self, name, named.pop(name))
        elif name in defaults:
            object.__setattr__(self, name, defaults[name])
        else:
            raise TypeError(f"{type(self).__name__} needs {name}")
    if named:
        raise TypeError(f"{type(self).__name__} has no field {', '.join(named)}")


def _key(self: object) -> tuple[object, ...]:
    return tuple([getattr(self, name) for name in type(self)._shown])  # type: ignore[attr-defined]


def _eq(self: object, other: object) -> bool:
    return _key(self) == _key(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: object) -> int:
    return hash((type(self), _key(self)))


def _repr(self: object) -> str:
    names = type(self)._shown  # type: ignore[attr-defined]
    return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


def _refuse(self: object, name: str, value: object = None) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _getstate(self: object) -> tuple[object, ...]:
    return tuple([getattr(self, name) for name in type(self).__match_args__])  # type: ignore[attr-defined]


def _setstate(self: object, state: tuple[object, ...]) -> None:
    for name, value in zip(type(self).__match_args__, state, strict=True):  # type: ignore[attr-defined]
        object.__setattr__(self, name, value)
