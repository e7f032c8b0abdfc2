"""The families of the language, one file each: importing this package registers their productions and mutants."""

from . import (
    acts,
    arithmetic,
    chains,
    data,
    flows,
    found,
    given,
    layers,
    maps,
    nets,
    parts,
    products,
    scales,
    splines,
    ties,
    values,
)

__all__ = [
    "acts",
    "arithmetic",
    "chains",
    "data",
    "flows",
    "found",
    "given",
    "layers",
    "maps",
    "nets",
    "parts",
    "products",
    "scales",
    "splines",
    "ties",
    "values",
]
