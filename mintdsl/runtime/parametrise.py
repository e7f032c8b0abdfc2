"""Raw tensors into constrained values, and back.

Each function is total: every finite raw tensor, in every floating dtype, maps into the set as numbers of that dtype,
with finite gradients. A set of which the dtype holds no number is refused.

Each inverse is a right inverse: function(inverse(value)) is value up to rounding. That is exact for abs, within 4 units
of the upper bound for sigmoid, and else within 3 units of the value plus |raw| units of the part that an exp makes,
since raw is rounded too. A value that the parametrisation does not reach is refused, never moved.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mintdsl.runtime.activations import softplus_value


def round_up(number: float, dtype: torch.dtype) -> float:
    """Smallest number of `dtype` that is >= `number`, so that a stored bound keeps the promise of the real one.

    ValueError if all finite ones are smaller.
    """
    info = torch.finfo(dtype)
    if number > info.max:
        raise ValueError(f"no number of {dtype} is >= {number!r}")
    if number == 0.0 or number < -info.max:
        return 0.0 if number == 0.0 else -info.max
    exponent = math.frexp(number)[1]
    spacing = max(math.ldexp(info.eps, exponent - 1), info.smallest_normal * info.eps)
    return math.ceil(number / spacing) * spacing


def softplus_inverse(value: Tensor) -> Tensor:
    """Raw r with softplus(r) = value >= 0; -800 for 0, where softplus is 0 in every dtype."""
    return torch.where(value > 0, value + torch.log(-torch.expm1(-value)), -800.0)


def bounded_exp(raw: Tensor) -> Tensor:
    """exp(raw) with raw cut to [-60, 60], in float16 to where exp is finite, and the result to positive numbers."""
    info = torch.finfo(raw.dtype)
    top = min(60.0, -round_up(-math.log(info.max), raw.dtype))
    return raw.clamp(-60.0, top).exp().clamp(min=info.smallest_normal * info.eps)


def readable(value: Tensor) -> bool:
    """Whether a tensor's numbers can be looked at: not on the meta device, not fake, not while a graph is traced."""
    return not (value.is_meta or torch.compiler.is_compiling() or type(value).__name__ == "FakeTensor")


def bounded_log(value: Tensor, what: str) -> Tensor:
    """Raw r with bounded_exp(r) = value. ValueError names `what` for values outside [exp(-60), exp(60)]."""
    raw = value.log()
    if readable(raw) and not bool((raw.abs() <= 60.0 + 1e-6).all()):
        raise ValueError(f"{what} must lie in [exp(-60), exp(60)] to be stored by exp")
    return raw.clamp(-60.0, 60.0)


def wide_values(value: Tensor, low: float, high: float, what: str) -> Tensor:
    """`value` in float64, where the inverses work; ValueError if an entry is not finite or outside [low, high]."""
    wide = value.detach().double()
    if readable(wide) and bool((~torch.isfinite(wide) | (wide < low) | (wide > high)).any()):
        upper = "" if high == math.inf else f" and <= {high!r}"
        raise ValueError(f"{what} must be finite, >= {low!r}{upper}")
    return wide


def at_least_softplus(raw: Tensor, m: float) -> Tensor:
    """m + softplus(raw), in [m, max]."""
    low = round_up(m, raw.dtype)
    return (low + softplus_value(raw)).clamp(low, torch.finfo(raw.dtype).max)


def at_least_softplus_inverse(value: Tensor, m: float) -> Tensor:
    """Raw tensor of at_least_softplus. ValueError for values below m."""
    low = round_up(m, value.dtype)
    return softplus_inverse(wide_values(value, low, math.inf, "the value") - low).to(value.dtype)


def at_least_abs(raw: Tensor, m: float) -> Tensor:
    """max(|raw|, m), the form of the MintNet code. No gradient reaches a raw entry below m."""
    return raw.abs().clamp(min=round_up(m, raw.dtype))


def at_least_abs_inverse(value: Tensor, m: float) -> Tensor:
    """Raw tensor of at_least_abs. ValueError for values below m."""
    return wide_values(value, round_up(m, value.dtype), math.inf, "the value").to(value.dtype)


def at_least_exp(raw: Tensor, m: float) -> Tensor:
    """m + exp(raw), raw cut to [-60, 60]."""
    low = round_up(m, raw.dtype)
    return (low + bounded_exp(raw)).clamp(low, torch.finfo(raw.dtype).max)


def at_least_exp_inverse(value: Tensor, m: float) -> Tensor:
    """Raw tensor of at_least_exp. ValueError for values below m, or not reached by exp of [-60, 60]."""
    low = round_up(m, value.dtype)
    excess = wide_values(value, low, math.inf, "the value") - low
    # an excess lost in the rounding of the value may as well be the smallest one
    lost = (excess < math.exp(-60.0)) & (value.double() * torch.finfo(value.dtype).eps > math.exp(-60.0))
    return bounded_log(torch.where(lost, math.exp(-60.0), excess), f"the value minus {low!r}").to(value.dtype)


def positive_softplus(raw: Tensor) -> Tensor:
    """2^-20 + softplus(raw): positive with a floor that every dtype can hold."""
    return at_least_softplus(raw, 2.0**-20)


def positive_softplus_inverse(value: Tensor) -> Tensor:
    """Raw tensor of positive_softplus. ValueError for values below 2^-20."""
    return at_least_softplus_inverse(value, 2.0**-20)


def positive_exp(raw: Tensor) -> Tensor:
    """exp(raw), raw cut to [-60, 60]."""
    return bounded_exp(raw)


def positive_exp_inverse(value: Tensor) -> Tensor:
    """Raw tensor of positive_exp. ValueError outside [exp(-60), exp(60)]; relative error: |raw| rounding units."""
    return bounded_log(wide_values(value, 0.0, math.inf, "the value"), "the value").to(value.dtype)


def unit_softplus(raw: Tensor) -> Tensor:
    """v / |v| along the last axis, v = 2^-20 + softplus(raw): squares that add up to 1, after all rounding to no more.

    It is made in float64, smaller by what rounding to its dtype, a sum of n squares (n / 4 units) and the other steps
    can add. An entry that is far smaller than another one may become 0.
    """
    v = at_least_softplus(raw.double(), 2.0**-20)
    v = v / v.detach().amax(-1, keepdim=True)
    below = 1.0 - torch.finfo(raw.dtype).eps - (raw.shape[-1] / 4 + 4) * torch.finfo(torch.float64).eps
    length: Tensor = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return (below * v / length).to(raw.dtype)


def unit_softplus_inverse(value: Tensor) -> Tensor:
    """Raw tensor of unit_softplus, whose largest v is at least 1. ValueError for values that have not the length 1, or
    with an entry below 2^-100."""
    wide = wide_values(value, 2.0**-100, 1.0, "the value")
    length: Tensor = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
    allowed = 8.0 * torch.finfo(value.dtype).eps + value.shape[-1] * torch.finfo(torch.float64).eps
    if readable(wide) and bool(((length - 1.0).abs() > allowed).any()):
        raise ValueError("the squares of the value must add up to 1")
    grown = wide * (2.0**-19 / wide.amin(-1, keepdim=True)).clamp(min=1.0)
    return softplus_inverse(grown - 2.0**-20).to(value.dtype)


def of_length_one(value: Tensor) -> Tensor:
    """`value` folded to positive numbers and divided by its length along the last axis: initial values."""
    wide = folded(value, 2.0**-19).double()
    length: Tensor = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
    return (wide / length).to(value.dtype)


def nonnegative_abs(raw: Tensor) -> Tensor:
    """|raw|."""
    return raw.abs()


def nonnegative_abs_inverse(value: Tensor) -> Tensor:
    """Raw tensor of nonnegative_abs. ValueError for negative values."""
    return wide_values(value, 0.0, math.inf, "the value").to(value.dtype)


def nonnegative_square(raw: Tensor) -> Tensor:
    """raw * raw, cut at the largest number. A product, because the derivative of pow overflows before it is cut."""
    return (raw * raw).clamp(max=torch.finfo(raw.dtype).max)


def nonnegative_square_inverse(value: Tensor) -> Tensor:
    """Raw tensor of nonnegative_square. ValueError for negative values."""
    return wide_values(value, 0.0, math.inf, "the value").sqrt().to(value.dtype)


def nonzero_signed(raw: Tensor, sign: Tensor) -> Tensor:
    """sign * (2^-20 + softplus(raw)); `sign` is a buffer of +1 and -1 that is set, not trained."""
    return sign * positive_softplus(raw)


def nonzero_signed_inverse(value: Tensor) -> tuple[Tensor, Tensor]:
    """(raw, sign) of nonzero_signed. ValueError for values nearer to 0 than 2^-20."""
    return positive_softplus_inverse(value.abs()), value.sign()


def nonzero_signed_exp(raw: Tensor, sign: Tensor) -> Tensor:
    """sign * exp(raw), raw cut to [-60, 60]; `sign` as in nonzero_signed."""
    return sign * bounded_exp(raw)


def nonzero_signed_exp_inverse(value: Tensor) -> tuple[Tensor, Tensor]:
    """(raw, sign) of nonzero_signed_exp. ValueError for magnitudes outside [exp(-60), exp(60)]."""
    return positive_exp_inverse(value.abs()), value.sign()


def between_sigmoid(raw: Tensor, m: float, M: float) -> Tensor:
    """m + (M - m) sigmoid(raw), in [m, M]. Weighted from both ends, which neither overflows nor rounds M away."""
    low, high = round_up(m, raw.dtype), -round_up(-M, raw.dtype)
    if low > high:
        raise ValueError(f"no number of {raw.dtype} lies in [{m!r}, {M!r}]")
    return (low * torch.sigmoid(-raw) + high * torch.sigmoid(raw)).clamp(low, high)


def between_sigmoid_inverse(value: Tensor, m: float, M: float) -> Tensor:
    """Raw tensor of between_sigmoid, cut to [-200, 200] at the ends. ValueError for values outside [m, M]."""
    low, high = round_up(m, value.dtype), -round_up(-M, value.dtype)
    wide = wide_values(value, low, high, "the value")
    if low == high:
        return torch.zeros_like(value)
    return ((wide - low) / (high - wide)).log().clamp(-200.0, 200.0).to(value.dtype)


def folded(value: Tensor, low: float, high: float = math.inf) -> Tensor:
    """|value| cut to the numbers of its dtype in [low, high]: initial values that a parametrisation can store."""
    most = torch.finfo(value.dtype).max if high == math.inf else -round_up(-high, value.dtype)
    return value.abs().clamp(round_up(low, value.dtype), most)


def away_from_zero(value: Tensor) -> Tensor:
    """`value` with entries nearer to 0 than 2^-19 moved there: for initial values that are stored as they are."""
    return value.abs().clamp(min=2.0**-19).copysign(value)


def tied(raw: Tensor, sign: Tensor) -> Tensor:
    """|raw| * sign, `sign` the product of the signs of the other factors of the tie, with sign(0) = 0."""
    return raw.abs() * sign


def tied_inverse(value: Tensor, sign: Tensor) -> Tensor:
    """Raw tensor of tied. ValueError where a value has another sign than the tie demands."""
    if not bool((value.sign() == value.sign().abs() * sign).all()):
        raise ValueError(
            "a tied value must have the sign that the other factors of its tie give, and be 0 where one is 0"
        )
    return wide_values(value.abs(), 0.0, math.inf, "the value").to(value.dtype)
