"""Facts as they stand in a certificate."""

from __future__ import annotations

from math import inf
from typing import Any

from mintdsl.proof.kernel.exact import Number, Span, exact
from mintdsl.proof.kernel.rules import Fact, Refused, Signed

Json = Any  # data of a certificate: its form is tested as it is read


def read_number(value: Json) -> Number:
    if value in ("inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused(f"{value!r} is no number")
    return exact(value)


def read_span(value: Json) -> Span:
    lo, hi, lo_open, hi_open = value
    span = Span(read_number(lo), read_number(hi), lo_open, hi_open)
    ends_open = lo_open in (True, False) and hi_open in (True, False)
    if not ends_open or not span.lo <= span.hi or (span.lo == -inf and not lo_open) or (span.hi == inf and not hi_open):
        raise Refused("an interval whose ends are not in order")
    return span


def read_signed(value: Json) -> Signed:
    return Signed(frozenset((p, tuple(where)) for p, where in value[0]), read_span(value[1]))


def read_fact(value: Json) -> Fact:
    if set(value) != {"off", "diag", "own", "image", "range", "lip", "smooth"}:
        raise Refused("a fact has other fields than it should")
    image = None if value["image"] is None else read_span(value["image"])
    diag, values = read_signed(value["diag"]), read_signed(value["range"])
    return Fact(value["off"], diag, value["own"], image, values, read_number(value["lip"]), value["smooth"])
