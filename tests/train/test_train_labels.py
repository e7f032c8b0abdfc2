"""Training with labels: classifiers, and densities of images given their class."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import mintdsl
from mintdsl.data import load
from mintdsl.train import TrainSettings, accuracy, evaluate, fit, silent

CLASSIFIER = """mint 1
import "mintnet/mint.mint" { Mint }
import "std/heads.mint" { PooledLinear }
flow Small on Image[1, 28, 28] {
  standardize(mean = 0.5, std = 0.5)
  pad channels to 2
  squeeze 7
  pair { Mint(K = 1, tri = lower, h = leaky_relu(0.01))  Mint(K = 1, tri = upper, h = leaky_relu(0.01)) }
  classify PooledLinear(classes = CLASSES)
}
"""
CONDITIONAL = """mint 1
net Means from Vec[M] to (Vec[D], Vec[D]) {
  param Vm, Va : linear from Vec[M] to Vec[D] init zeros
  map y -> (Vm(y), Va(y))
}
layer Given on Vec[D] given y : Vec[M] ensures diag > 0, invertible {
  param n : net Means from Vec[M] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(y)
    return x * exp(a) + m
  }
}
layer Norm on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0 via exp init from_data
  param b : bias init from_data
  map x -> s * x + b
}
flow Classes on Image[1, 28, 28] given y : Vec[10] ensures invertible {
  dequantize 256
  logit(0.05)
  flatten
  Norm
  Given
  prior normal
}
"""


def compiled(text: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return mintdsl.loads(text).compile()()


@pytest.fixture(scope="module")
def data() -> tuple[Tensor, Tensor]:
    found = load("embedded")
    return found.images, found.labels


def test_a_classifier_learns(data: tuple[Tensor, Tensor]) -> None:
    model = compiled(CLASSIFIER.replace("CLASSES", "10"))
    test = load("embedded", "test")
    before = evaluate(model, test.images, test.labels)
    history = fit(model, *data, settings=TrainSettings(steps=60, learning_rate=1e-2), progress=silent)
    assert history.unit == "nats" and abs(before - math.log(10)) < 0.7
    assert evaluate(model, test.images, test.labels) < 0.7 * before
    assert accuracy(model, test.images, test.labels) > 0.5


def test_a_density_given_the_class_learns_the_classes(data: tuple[Tensor, Tensor]) -> None:
    """The right classes cost fewer bits than wrong ones; before training they cost the same."""
    model = compiled(CONDITIONAL)
    test = load("embedded", "test")
    history = fit(model, *data, settings=TrainSettings(steps=1, learning_rate=1e-9), progress=silent)
    wrong = (test.labels + 1) % 10
    assert abs(evaluate(model, test.images, test.labels) - evaluate(model, test.images, wrong)) < 1e-4
    history = fit(model, *data, settings=TrainSettings(steps=60, learning_rate=3e-2), progress=silent)
    assert history.unit == "bits/dim"
    assert evaluate(model, test.images, test.labels) + 0.1 < evaluate(model, test.images, wrong)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (None, "Classes has a context, Vec[10]: training needs the labels of the images."),
        (torch.zeros(3), "Labels must be an int64 tensor of shape [4], one of each image, not float32 [3]."),
        (torch.tensor([0, 1, 2, 10]), "Label 10 is no class of Classes, which has a context, Vec[10]."),
        (torch.tensor([0, -1, 2, 10]), "Label -1 is no class of Classes, which has a context, Vec[10]."),
    ],
)
def test_wrong_labels_are_one_sentence(data: tuple[Tensor, Tensor], labels: Tensor | None, sentence: str) -> None:
    model = compiled(CONDITIONAL)
    with pytest.raises(ValueError) as caught:
        fit(model, data[0][:4], labels, settings=TrainSettings(steps=1), progress=silent)
    assert str(caught.value) == sentence
    with pytest.raises(ValueError) as caught:
        evaluate(model, data[0][:4], labels)
    assert str(caught.value) == sentence


def test_more_classes_than_logits(data: tuple[Tensor, Tensor]) -> None:
    model = compiled(CLASSIFIER.replace("CLASSES", "3"))
    with pytest.raises(ValueError, match="Label 9 is no class of Small, which has 3 of them"):
        fit(model, *data, settings=TrainSettings(steps=1, batch_size=512), progress=silent)


def test_labels_of_other_models_are_not_looked_at(data: tuple[Tensor, Tensor]) -> None:
    text = CONDITIONAL.replace(" given y : Vec[10]", "").replace("  Norm\n  Given\n", "")
    model = compiled(text.replace("prior normal", "prior learned_normal(per = element)"))
    assert evaluate(model, *data) == evaluate(model, data[0])
