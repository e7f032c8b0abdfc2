"""`mint new`: a starter spec for the user to edit."""

from __future__ import annotations

import re

import mintdsl
from mintdsl.tools.fixes import formatted

_TEXT = """\
mint 1

# {name}: a flow with a layer of its own. Try:
#
#   mint check {file}            is it invertible?
#   mint prove {file}            why?
#   mint draw {file}             the architecture
#   mint build {file} -o model.py    a PyTorch module, to own

## A masked residual block: y = t * x + V(h(U(x) + b)).
##
## U and V are convolutions that see only earlier positions (tri = lower) or only later ones (tri = upper),
## so the Jacobian is triangular and its diagonal is t + diag(V) * h' * diag(U).
## The tie binds the sign of diag(V) * diag(U): delete it, and `mint check` shows what goes wrong.
layer {name}Block(tri: Dir, h: Act = elu) on Image[C, H, W] ensures tri, diag > 0, invertible {{
  param t : scale        with diag >= 1e-3
  param U : conv 3x3 tri
  param b : bias
  param V : conv 3x3 tri init near_identity(std = 0.01)

  tie diag(V) * diag(U) >= 0

  map x -> t * x + V(h(U(x) + b))
}}

## One lower and one upper block: every output may depend on every input.
flow {name}Pair on Image[C, H, W] ensures invertible {{
  pair {{
    {name}Block(tri = lower)
    {name}Block(tri = upper)
  }}
}}

## Images of 28 x 28 grey levels to normal noise of the same size.
flow {name}(depth: Nat = 2) on Image[1, 28, 28] ensures invertible {{
  dequantize 256                     # 0..255 to the unit interval
  logit(0.05)                        # the unit interval to R
  repeat depth {{ {name}Pair }}
  squeeze 2                          # Image[4, 14, 14]
  repeat depth {{ {name}Pair }}
  squeeze 2                          # Image[16, 7, 7]
  repeat depth {{ {name}Pair }}
  prior normal
}}
"""


def starter(name: str, file: str) -> str:
    """The text of a new program whose flow is called `name`; raises ValueError for what cannot be a name."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,40}", name):
        raise ValueError(f"{name[:60]}: a name is a letter, then letters, digits and _, at most 41")
    shown = re.sub(r"[^\w./-]", "_", file, flags=re.ASCII)
    program = mintdsl.loads(_TEXT.format(name=name[:1].upper() + name[1:], file=shown))
    if not program.check().ok:  # only a name of the language can spoil it
        raise ValueError(f"{name}: this name means something in the language; choose another")
    return formatted(program)  # where comments stand depends on the length of the name
