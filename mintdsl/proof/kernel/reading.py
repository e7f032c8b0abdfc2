"""Numbers and intervals as they stand in a certificate: one form each, anything else is refused."""

from __future__ import annotations

import json
from fractions import Fraction
from math import inf, isfinite
from typing import Any

from mintdsl.proof.kernel.exact import REAL, Number, Signed, Span, exact

Json = Any  # data of a certificate: its form is tested as it is read


class Refused(Exception):
    """A certificate that does not prove what it says; the message names the place and the reason."""


def text(value: Json) -> str:
    """Canonical JSON: equal data gives equal text, and 1, 1.0 and true are different."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def read_number(value: Json) -> Number:
    """A float, or an infinity as a word."""
    if value in ("inf", "-inf"):
        return float(value)
    if type(value) not in (int, float) or not isfinite(value) or value != float(value):
        raise Refused(f"{value!r} is no number")
    return exact(value)


def read_span(value: Json) -> Span:
    """An interval with at least one member; infinite ends are open."""
    lo, hi, lo_open, hi_open = value
    span = Span(read_number(lo), read_number(hi), lo_open, hi_open)
    infinite = (span.lo == -inf, span.hi == inf)
    empty = not span.lo <= span.hi or (span.lo == span.hi and (lo_open or hi_open))
    if {type(lo_open), type(hi_open)} != {bool} or empty or (infinite[0] > lo_open) or (infinite[1] > hi_open):
        raise Refused("an interval whose ends are not in order")
    return span


def read_signed(value: Json) -> Signed:
    """Signs, each once, and an interval."""
    signs, span = value
    found = frozenset((param, tuple(where)) for param, where in signs)
    if len(found) != len(signs) or any(type(part) is not list for part in (signs, *(where for _, where in signs))):
        raise Refused("a product of signs has another form than it should")
    return Signed(found, read_span(span))


def read_size(size: Json) -> Span:
    """A sum of terms (numerator, denominator, symbols), where each symbol is a whole number from 1 on."""
    value = sum((Fraction(top, bottom) for top, bottom, _ in size), Fraction(0))
    if not any(symbols for _, _, symbols in size):
        return Span(value, value)
    return Span(value, inf, False, True) if len(size) == 1 and value > 0 else REAL
