"""The families of the language, one file each: importing this package registers their productions and mutants."""

from . import acts, arithmetic, flows, found, layers, maps, nets, products, ties, values

__all__ = ["acts", "arithmetic", "flows", "found", "layers", "maps", "nets", "products", "ties", "values"]
