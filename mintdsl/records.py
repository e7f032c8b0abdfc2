"""Frozen records: what `dataclass(frozen=True, slots=True)` makes, without compiling source text at import.

There are over a hundred record classes between the text and the proof; as dataclasses they would take longer to
import than a program takes to check. Fields declared with `field(compare=False)` neither compare nor show.

A formula is a tree as deep as it is long, so equality, hash and repr walk it with stacks of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, FrozenInstanceError, field
from typing import TypeVar, cast, dataclass_transform

T = TypeVar("T")
V = TypeVar("V")

__all__ = ["derived", "field", "parts", "pieces", "record", "replace"]


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make `cls` a frozen record of its annotated fields, with slots, equality, hash and repr.

    A class may name further `__slots__`: places for what is derived from the fields when it is first asked for.
    """
    names = tuple(cls.__annotations__)
    more: tuple[str, ...] = cls.__dict__.get("__slots__", ())
    space = {key: value for key, value in cls.__dict__.items() if key not in (*names, *more, "__dict__", "__weakref__")}
    given = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
    hidden = {name for name, value in given.items() if isinstance(value, Field) and not value.compare}
    defaults = {name: value.default if isinstance(value, Field) else value for name, value in given.items()}
    space |= {
        "__slots__": (*names, *more),
        "__match_args__": names,
        "_shown": tuple(name for name in names if name not in hidden),
        "_defaults": {name: value for name, value in defaults.items() if value is not MISSING},
        "__init__": _init,
        "__eq__": _eq,
        "__hash__": cls.__dict__.get("__hash__", _hash),
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


def derived(value: T, slot: str, make: Callable[[T], V]) -> V:
    """What `make` gives for a record, made once and kept in its further slot `slot`."""
    if not hasattr(value, slot):
        object.__setattr__(value, slot, make(value))
    return cast("V", getattr(value, slot))


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


def parts(value: object) -> tuple[object, ...] | None:
    """The parts of a tuple or record; None of anything else, which is compared and shown as it is."""
    if value.__class__ is tuple:
        return cast("tuple[object, ...]", value)
    names = getattr(value.__class__, "_shown", None)
    return None if names is None else tuple([getattr(value, name) for name in names])


def _eq(self: object, other: object) -> object:
    if other.__class__ is not self.__class__:
        return NotImplemented
    waiting = [(self, other)]
    while waiting:
        left, right = waiting.pop()
        if isinstance(left, tuple) and isinstance(right, tuple):
            if len(left) != len(right):
                return False
            pairs = list(zip(left, right, strict=True))
        else:
            names: tuple[str, ...] = left.__class__._shown  # type: ignore[attr-defined]
            pairs = [(getattr(left, name), getattr(right, name)) for name in names]
        for a, b in pairs:
            if a is b:
                continue
            kind = a.__class__
            if kind is b.__class__ and (kind is tuple or hasattr(kind, "_shown")):
                waiting.append((a, b))
            elif a != b:
                return False
    return True


def _hash(self: object) -> int:
    found: list[object] = []
    waiting: list[object] = [self]
    while waiting:
        value = waiting.pop()
        inner = parts(value)
        if inner is None:
            found.append(value)
        else:
            found.append((value.__class__, len(inner)))
            waiting.extend(inner)
    return hash(tuple(found))


def _repr(self: object) -> str:
    return "".join(pieces(self))


class _Text(str):
    """Text to be written as it is, among values that are to be shown."""


def pieces(value: object) -> Iterator[str]:
    """The repr of a record or tuple in pieces: of a large one the whole may be too much at once."""
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if item.__class__ is _Text:
            yield cast("str", item)
        elif item.__class__ is tuple:
            inner = cast("tuple[object, ...]", item)
            row: list[object] = [part for one in inner for part in (_Text(", "), one)][1:]
            waiting += [_Text(",)" if len(inner) == 1 else ")"), *reversed(row), _Text("(")]
        elif (names := getattr(item.__class__, "_shown", None)) is not None:
            row = []
            for name in names:
                row += [_Text(f", {name}=" if row else f"{name}="), getattr(item, name)]
            waiting += [_Text(")"), *reversed(row), _Text(f"{item.__class__.__name__}(")]
        else:
            yield repr(item)


def _refuse(self: object, name: str, value: object = None) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _getstate(self: object) -> tuple[object, ...]:
    return tuple([getattr(self, name) for name in type(self).__match_args__])  # type: ignore[attr-defined]


def _setstate(self: object, state: tuple[object, ...]) -> None:
    for name, value in zip(type(self).__match_args__, state, strict=True):  # type: ignore[attr-defined]
        object.__setattr__(self, name, value)
