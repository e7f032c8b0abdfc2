"""Generated modules inside the libraries that people use, one file a library; importing this imports only torch.

    from mintdsl.interop.nflows import Bijection, Density

`Bijection` makes of any generated module, layer or flow, one transform of the library; `Density` makes of a flow with
a prior one of the library's flows. `distributions` is for torch itself; `lightning` trains; `mintnet` exchanges
state dicts with MintNet's authors. docs/interop.md shows each.
"""

from mintdsl.interop.bijection import InteropError

__all__ = ["InteropError"]
