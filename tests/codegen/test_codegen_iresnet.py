"""Invertible residual networks of the library at small widths: classifiers, which have no log-det, train and invert."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from codegen_oracle import compile_text, compiled, draw, worst
from codegen_programs import HEAD
from torch import Tensor, nn

import mintdsl
from mintdsl.resources import resource
from mintdsl.verify import verify

torch.set_num_threads(1)

SPECS = resource("specs") / "iresnet"
CLASSIFIER = """
layer A(bound: Real = 0.8) on Image[C, H, W] ensures invertible {
  param V : conv 3x3 with lip <= bound
  param W : conv 1x1 with lip <= 1
  map x -> x + W(elu(V(x)))
}
net Head from Image[C, H, W] to Vec[3] {
  param W : linear from Vec[C] to Vec[3]
  map x -> W(mean_pool(x))
}
flow Inner on Image[C, H, W] ensures invertible { repeat 2 { A } }
flow F on Image[2, 4, 4] ensures invertible { Inner  squeeze 2  A(bound = 0.5) log_det exact  classify Head }"""


def images(count: int, *shape: int) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


def test_a_classifier_without_a_log_det() -> None:
    model = draw(compile_text(HEAD + CLASSIFIER).build(), std=3.0)
    x = images(5, 2, 4, 4).double()
    z, log_det = model(x)
    assert log_det is None and z.shape == (5, 8, 2, 2)
    back, log_det = model.inverse(z)
    assert log_det is None and worst(back, x) <= 1e-9
    assert worst(model.inverse(z, fixed=(200, 1.0))[0], x) <= 1e-9
    one = model.Inner_0.A_0[0](x)
    assert one[1] is None and model.Inner_0.A_0[0].inverse(one[0])[1] is None
    assert model.A_0(z)[1].shape == (5,), "this use says how"
    assert [path for path, _, log_det in model.trace(x) if log_det is not None] == ["A_0"]
    assert model.logits(x).shape == (5, 3)
    assert not hasattr(model, "log_prob")
    again = pickle.loads(pickle.dumps(copy.deepcopy(model).state_dict()))
    assert sorted(again) == sorted(model.state_dict())


def test_a_layer_knows_the_kinds_of_log_dets() -> None:
    at = compiled("residual_matrices")
    x = images(3, *at.shape).double()
    assert at.build(log_det="none")(x)[1] is None
    with pytest.raises(ValueError, match='log_det is "exact", "none" or a TraceSeries, not \'series\''):
        at.build(log_det="series")


def trained(model: nn.Module, x: Tensor, labels: Tensor, steps: int) -> list[float]:
    """Losses of a classifier that is trained on one batch."""
    model.train()
    optimiser, losses = torch.optim.Adam(model.parameters(), lr=3e-2), []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model.logits(x), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_a_classifier_of_the_library() -> None:
    """At 2 channels and one block a scale: some steps lower the loss, and the bijection still inverts."""
    model = mintdsl.load(SPECS / "mnist_classifier.mint").compile("IResNetMnistClassifier", count=1, width=2)()
    x, labels = images(4, 1, 28, 28), torch.arange(4)
    model.initialize(x)
    losses = trained(model, x, labels, 8)
    assert losses[-1] < losses[0] - 0.1
    model.eval()
    with torch.no_grad():
        z, log_det = model(x)
        back, _ = model.inverse(z)
    assert log_det is None
    assert worst(back.double(), x.double()) <= 1e-3
    for one in model.certify():
        assert one.lower <= one.upper <= one.limit * (1 + 1e-7)
    with pytest.raises(ValueError, match="z is no image of any x"):
        model.inverse(torch.randn(z.shape, generator=torch.Generator().manual_seed(2)))


def test_norms_stay_below_their_limits_however_weights_are_trained() -> None:
    """300 steps of Adam towards images as large as can be; the true norms are singular values of dense Jacobians."""
    text = """
layer A on Image[C, H, W] ensures invertible {
  param V : conv 3x3 with lip <= 0.9
  param W : conv 2x2 (anchor = top_left) with lip <= 0.8
  map x -> x + W(tanh(V(x)))
}"""
    model = compile_text(HEAD + text, (2, 4, 3)).build(torch.float32, log_det="none")
    optimiser, x = torch.optim.Adam(model.parameters(), lr=0.1), images(4, 2, 4, 3)
    for _ in range(300):
        optimiser.zero_grad()
        y = model(x)[0] - x
        (-y.square().mean()).backward()
        optimiser.step()
    for one, (name, tap) in zip(model.certify(), (("V", (1, 1)), ("W", (0, 0))), strict=True):
        kernel = model.effective(name).detach().double()
        units = torch.eye(24, dtype=torch.float64).reshape(24, 2, 4, 3)
        pads = (tap[1], kernel.shape[3] - 1 - tap[1], tap[0], kernel.shape[2] - 1 - tap[0])
        dense = nn.functional.conv2d(nn.functional.pad(units, pads), kernel).flatten(1)
        exact = float(torch.linalg.matrix_norm(dense, 2))
        assert 0.8 * one.limit <= exact <= one.upper <= one.limit


def test_verification_of_a_classifier() -> None:
    report = verify(mintdsl.loads(HEAD + CLASSIFIER))
    assert report.ok
