"""The flat latent of a multi-scale flow."""

from __future__ import annotations

import pytest
import torch

from mintdsl.runtime.steps import flat_latent, flat_shape, latent_parts

SHAPES = ((2, 4, 3), (5,), (2, 3))


@pytest.mark.parametrize("batch", [0, 1, 4])
def test_parts_stand_one_after_the_other(batch: int) -> None:
    parts = [torch.randn(batch, *shape) for shape in SHAPES]
    z = flat_latent(parts)
    assert z.shape == (batch, *flat_shape(SHAPES)) == (batch, 24 + 5 + 6)
    assert torch.equal(z[:, :24], parts[0].reshape(batch, 24)) and torch.equal(z[:, 24:29], parts[1])
    found = latent_parts(z, SHAPES)
    assert all(torch.equal(a, b) for a, b in zip(found, parts, strict=True))


def test_a_latent_of_another_size_is_refused() -> None:
    with pytest.raises(RuntimeError, match="split"):
        latent_parts(torch.zeros(2, 34), SHAPES)
