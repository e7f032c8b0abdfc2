"""Orders of an index set: keys of integer functionals, compared lexicographically; keys may tie."""

from __future__ import annotations

from mintdsl.records import record

COORDINATES = {"Image": ("c", "h", "w"), "Vec": ("i",), "Seq": ("t", "d")}


@record
class Order:
    """`rows` are coefficients of the coordinates of `space` (Image: c, h, w), most significant first."""

    name: str
    space: str
    rows: tuple[tuple[int, ...], ...]

    def compare(self, difference: tuple[int, ...]) -> int:
        """Sign of the key of an index difference: +1 later, -1 earlier, 0 tied."""
        for row in self.rows:
            value = sum(a * b for a, b in zip(row, difference, strict=True))
            if value:
                return 1 if value > 0 else -1
        return 0

    def __str__(self) -> str:
        names = COORDINATES[self.space]
        return "(" + ", ".join(_row(row, names) for row in self.rows) + ")"


def _row(row: tuple[int, ...], names: tuple[str, ...]) -> str:
    text = ""
    for value, name in zip(row, names, strict=True):
        if value:
            sign = "-" if value < 0 else "+"
            size = "" if abs(value) == 1 else f"{abs(value)} * "
            text += f" {sign} {size}{name}" if text else f"{'-' if value < 0 else ''}{size}{name}"
    return text or "0"


_ALL = (
    Order("raster", "Image", ((0, 1, 0), (0, 0, 1), (1, 0, 0))),
    Order("channel_major", "Image", ((1, 0, 0), (0, 1, 0), (0, 0, 1))),
    Order("corner", "Image", ((0, 1, 1), (1, 0, 0))),
    Order("natural", "Vec", ((1,),)),
    Order("time", "Seq", ((1, 0),)),
)

ORDERS: dict[str, Order] = {o.name: o for o in _ALL}
DEFAULT_ORDER = {"Image": ORDERS["raster"], "Vec": ORDERS["natural"], "Seq": ORDERS["time"], "Any": ORDERS["raster"]}
DIRECTIONS = ("lower", "upper")
