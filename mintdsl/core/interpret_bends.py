"""Elementwise bijections with parameters by their definitions: which of the numbers belong to which element."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from mintdsl.core.dual import Dual
from mintdsl.core.interpret_mixtures import mixed
from mintdsl.core.interpret_splines import splined

BENT: Mapping[str, Callable[..., Dual]] = {"rq_spline": splined, "mix_logistic": mixed}
"""For each bijection its value at one element, from the element, the numbers of each parameter, and the options."""


def bent(
    name: str, values: Sequence[Dual], raw: Sequence[Sequence[Dual]], dims: Sequence[int], options: Sequence[float]
) -> list[Dual]:
    """Each element of `values`, of sizes `dims`, by its own numbers of the parameters `raw`.

    Number k of channel c is channel c * count + k of a parameter, if it has `count` for each element.
    """
    pixels = dims[1] * dims[2] if len(dims) == 3 else 1
    found = []
    for place in range(math.prod(dims)):
        channel, pixel = divmod(place, pixels)
        own = []
        for numbers in raw:
            count = len(numbers) // math.prod(dims)
            own.append([numbers[(channel * count + k) * pixels + pixel] for k in range(count)])
        found.append(BENT[name](values[place % len(values)], *own, *options))
    return found
