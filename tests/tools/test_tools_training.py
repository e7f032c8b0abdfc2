"""`mint train` and `mint sample`, as short as they can be."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from mintdsl.tools.cli import cli

HEAD = """mint 1
layer Affine on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0 via exp init from_data
  param b : bias init from_data
  map x -> s * x + b
}
net Means from Vec[M] to Vec[D] {
  param V : linear from Vec[M] to Vec[D] init zeros
  map y -> V(y)
}
layer Given on Vec[D] given y : Vec[M] ensures diag > 0, invertible {
  param n : net Means from Vec[M] to Vec[D]
  map x -> x + n(y)
}
layer Residual on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(x)
}
net Head(classes: Nat) from Vec[D] to Vec[classes] {
  param V : linear from Vec[D] to Vec[classes]
  map x -> V(x)
}
"""
FLOWS = {
    "plain": "flow F on Image[1, 28, 28] ensures invertible"
    " { dequantize 256  logit(0.05)  flatten  Affine  prior normal }",
    "given": "flow F on Image[1, 28, 28] given y : Vec[10] ensures invertible"
    " { dequantize 256  logit(0.05)  flatten  Affine  Given  prior normal }",
    "head": "flow F on Image[1, 28, 28] { flatten  standardize(mean = 0.3, std = 0.3)  classify Head(classes = 10) }",
    "any": "flow F on Image[C, H, W] ensures invertible { dequantize 256  logit(0.05)  flatten  Affine  prior normal }",
    "estimated": "flow F on Image[1, 28, 28] ensures invertible, log_det estimate"
    " { dequantize 256  logit(0.05)  flatten  Residual log_det series(bits_per_dim <= 0.001)  Affine  prior normal }",
    "none": "flow F on Image[1, 28, 28] ensures invertible { flatten  Affine }",
    "reals": "flow F on Image[1, 28, 28] ensures invertible { flatten  Affine  prior normal }",
    "other": "flow F on Image[1, 8, 8] ensures invertible { dequantize 256  flatten  Affine  prior normal }",
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FLOWS.items():
        Path(f"{name}.mint").write_text(HEAD + text + "\n")


def run(*args: str) -> Result:
    return CliRunner().invoke(cli, list(args))


@pytest.mark.parametrize("name", ["plain", "given", "any"])
def test_trained_and_sampled(name: str) -> None:
    trained = run("train", f"{name}.mint", "--steps", "3", "-o", "w.pt")
    assert trained.exit_code == 0, trained.output
    assert "F on embedded: 512 images, 3 steps of 64" in trained.output
    assert "bits/dim (one draw of the dequantisation noise: an upper bound)" in trained.output
    assert Path("w.png").exists()
    sampled = run("sample", f"{name}.mint", "--weights", "w.pt", "-n", "2", "-o", "s.png")
    assert sampled.exit_code == 0, sampled.output
    assert f"s.png: {20 if name == 'given' else 2} samples" in sampled.output
    assert Image.open("s.png").size[0] > 28
    again = run("sample", f"{name}.mint", "--weights", "w.pt", "-n", "2", "-o", "again.png")
    assert again.exit_code == 0 and Path("again.png").read_bytes() == Path("s.png").read_bytes()


def test_the_error_of_log_dets_stands_beside_bits_per_dim() -> None:
    """Eight terms are the fewest that miss at most 0.001 log 2 of the sum of 2^-k / k; the deviation: sqrt(2 / D)."""
    trained = run("train", "estimated.mint", "--steps", "2")
    assert trained.exit_code == 0, trained.output
    flat = " ".join(trained.output.split())
    assert "log-dets estimated: bias at most 0.00" in flat
    bias = float(flat.partition("bias at most ")[2].split()[0].rstrip(","))
    missed = [sum(2**-k / k for k in range(n + 1, 200)) / math.log(2) for n in (7, 8)]
    assert missed[0] > 0.001 and bias == pytest.approx(missed[1], rel=0.05)
    spread = float(flat.partition("of one image at most ")[2].split()[0])
    assert spread == pytest.approx((2 / 784) ** 0.5, rel=0.05)


def test_a_classifier_says_its_accuracy() -> None:
    trained = run("train", "head.mint", "--steps", "60", "--learning-rate", "0.01")
    assert trained.exit_code == 0, trained.output
    said = next(line for line in trained.output.splitlines() if "images are right" in line)
    assert float(said.split()[2]) > 50
    assert run("sample", "head.mint", "--weights", "F.pt").exit_code == 2


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("train", "none.mint"), "F ends in neither `prior` nor `classify`, so there is nothing to train it for"),
        (("train", "reals.mint"), "F does not start with `dequantize 256`"),
        (("train", "other.mint"), "F takes Image[1, 8, 8], and embedded has images of Image[1, 28, 28]"),
        (("train", "plain.mint", "--data", "minst"), "Did you mean 'mnist'?"),
        (("train", "plain.mint", "--steps", "0"), "`steps` must be greater than or equal to 1, not 0"),
        (("train", "plain.mint", "--device", "nowhere"), "nowhere"),
        (("train", "plain.mint", "--data", "cifar10", "--root", "."), "CIFAR-10 was not found"),
        (("sample", "plain.mint", "--weights", "plain.mint"), "plain.mint was not written by mint train"),
        (("sample", "plain.mint", "--weights", "w.pt"), "w.pt: No such file or directory"),
    ],
)
def test_usage(args: tuple[str, ...], sentence: str) -> None:
    done = run(*args)
    assert done.exit_code == 2, done.output
    assert sentence in done.output


def test_weights_of_another_program() -> None:
    assert run("train", "plain.mint", "--steps", "1", "-o", "w.pt").exit_code == 0
    Path("plain.mint").write_text(HEAD + FLOWS["plain"].replace("0.05", "0.06"))
    assert (
        "F is another program now than the one that was trained"
        in run("sample", "plain.mint", "--weights", "w.pt").output
    )
    Path("plain.mint").write_text(HEAD + FLOWS["plain"])
    for label, flow, sentence in (("1", "plain", "is not given a class"), ("10", "given", "has the classes 0 to 9")):
        assert run("train", f"{flow}.mint", "--steps", "1", "-o", "w.pt").exit_code == 0
        assert sentence in run("sample", f"{flow}.mint", "--weights", "w.pt", "--label", label).output
    torch.save({"format": "else"}, "v.pt")
    assert "v.pt was not written by mint train" in run("sample", "plain.mint", "--weights", "v.pt").output
