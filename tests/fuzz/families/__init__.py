"""The families of the language, one file each: importing this package registers their productions and mutants."""

from . import acts, arithmetic, chains, flows, found, layers, maps, products, ties, values

__all__ = ["acts", "arithmetic", "chains", "flows", "found", "layers", "maps", "products", "ties", "values"]
