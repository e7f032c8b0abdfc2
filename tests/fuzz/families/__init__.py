"""The families of the language, one file each: importing this package registers their productions and mutants."""

from . import (
    acts,
    applied,
    arithmetic,
    chains,
    data,
    flows,
    found,
    layers,
    maps,
    nets,
    parts,
    products,
    scales,
    ties,
    values,
)

__all__ = [
    "acts",
    "applied",
    "arithmetic",
    "chains",
    "data",
    "flows",
    "found",
    "layers",
    "maps",
    "nets",
    "parts",
    "products",
    "scales",
    "ties",
    "values",
]
