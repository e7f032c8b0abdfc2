"""The library of specs, and the programs that must be refused, with the reason that is given today."""

from __future__ import annotations

from pathlib import Path

import pytest

import mintdsl
from mintdsl.driver import Report

ROOT = Path(__file__).resolve().parents[1]
SPECS = sorted((ROOT / "specs").rglob("*.mint"))
REFUSED = Path(__file__).parent / "programs" / "refused"

PROVED = {
    "cinc/cifar10",
    "cinc/conv",
    "cinc/imagenet32",
    "cinc/imagenet64",
    "cinc/quad",
    "emerging/autoregressive",
    "emerging/cifar10",
    "emerging/pair",
    "emerging/periodic",
    "flowpp/flowpp",
    "ffjord/ffjord",
    "ffjord/tabular",
    "ffjord/toy2d",
    "finc/cifar10",
    "finc/unit",
    "glow/glow",
    "glow/imagenet32",
    "glow/mnist",
    "iaf/iaf",
    "idensenet/idensenet",
    "impflow/impflow",
    "iresnet/block",
    "iresnet/cifar10",
    "iresnet/cifar10_classifier",
    "iresnet/mnist",
    "iresnet/mnist_classifier",
    "jet/jet",
    "maf/maf",
    "mintnet/cifar10",
    "mintnet/imagenet32",
    "mintnet/mint",
    "mintnet/mnist",
    "mintnet/mnist_small",
    "mintnet/mnist_classifier",
    "mintnet/cifar10_classifier",
    "monotone/block",
    "monotone/mnist",
    "monotone/toy2d",
    "nice/nice",
    "nsf/autoregressive",
    "nsf/nsf",
    "realnvp/realnvp",
    "residual_flow/residual_flow",
    "std/actnorm",
    "std/batch_norm",
    "std/butterfly",
    "std/circular",
    "std/dominant",
    "std/conv_exp",
    "std/extern",
    "std/heads",
    "std/inv1x1",
    "std/inverse_flow",
    "std/mint_coupling",
    "std/nets",
    "std/woodbury",
    "tarflow/tarflow",
}
"""The specs that this version proves in full; the others wait for constructs that are only read."""

COUNTS = {
    ("glow/glow", "Glow"): (43_951_788, 43_951_788, 288),
    ("glow/imagenet32", "ImageNet32"): (65_925_996, 65_925_996, 432),
    ("cinc/cifar10", "CInCCifar10"): (113_837_676, 113_790_636, 288),
    ("cinc/imagenet32", "ImageNet32"): (170_754_828, 170_684_268, 432),
    ("cinc/imagenet64", "ImageNet64"): (276_364_572, 276_075_132, 576),
    ("emerging/cifar10", "EmergingCifar10"): (44_725_932, 44_631_852, 480),
    ("finc/cifar10", "FInCCifar10"): (44_169_516, 44_156_076, 384),
    ("mintnet/mnist", "Mnist"): (805_272, 437_200, 40),
    ("mintnet/cifar10", "Cifar10"): (27_460_944, 14_013_510, 42),
    ("mintnet/imagenet32", "ImageNet32"): (27_460_944, 14_013_510, 42),
    ("mintnet/mnist_small", "MnistSmall"): (61_716, 36_660, 12),
    ("mintnet/mnist_classifier", "MnistClassifier"): (26_684_618, 13_600_106, 77),
    ("mintnet/cifar10_classifier", "Cifar10Classifier"): (26_830_538, 13_746_026, 77),
    ("flowpp/flowpp", "FlowppCifar10"): (14_289_564, 14_289_564, 27),
    ("nsf/nsf", "NsfCifar10"): (11_769_534, 11_769_534, 63),
}
"""Parameters stored, parameters that a mask lets through, layers."""

LATER = "E0901"
REASONS: dict[str, tuple[str, str]] = {
    "activation_defined_not_monotone": ("E0406", "h(x)"),
    "activation_not_monotone": ("E0406", "h(W(x))"),
    "context_missing": ("E0215", "Maf(width = 64)"),
    "coupling_reads_itself": ("E0402", "s(b)"),
    "density_after_pad": ("E0604", "prior normal"),
    "dequantize_late": ("E0605", "dequantize 256"),
    "determinant_free": ("E0409", "W(x)"),
    "diagonal_can_vanish": ("E0401", "B(h(A(x)))"),
    "direction_is_not_an_order": ("E0211", "tri"),
    "directions_mixed": ("E0402", "U(elu(L(x)))"),
    "division_not_exact": ("E0303", "MintPair(K = K / 4)"),
    "import_escapes": ("E0205", '"./../../../secret.mint"'),
    "index_not_bound": ("E0408", "j"),
    "lipschitz_too_large": ("E0416", "x + V2(elu(V1(x)))"),
    "logit_of_reals": ("E0606", "logit(1e-6)"),
    "made_not_strict": ("E0402", "a(x)"),
    "net_shape": ("E0301", "*"),
    "not_onto": ("E0602", "invertible"),
    "order_not_declared": ("E0201", "cincs"),
    "pair_of_two_lowers": ("E0603", "pair { Mint(K = 4, tri = lower) Mint(K = 4, tri = lower) }"),
    "parts_in_a_circle": ("E0412", "a * exp(s(b))"),
    "prior_inside": ("E0604", "Inner"),
    "roulette_poisson": ("E0612", "law = poisson"),
    "sign_difference": ("E0403", "W(x)"),
    "sign_no_tie": ("E0404", "sum[j](W2[i, j](h(W1[j](x))))"),
    "squeeze_odd": ("E0302", "squeeze 2"),
    "two_sided_convolution": ("E0701", "det != 0"),
    "unknown_name": ("E0201", "shfit"),
    "use_of_a_net": ("E0208", "ConvNet"),
}
"""For each refused program the code and the text under its primary label; without text where it is only not built."""


def name(path: Path) -> str:
    return path.relative_to(ROOT / "specs").with_suffix("").as_posix()


def found(report: Report) -> list[tuple[str, str]]:
    return [(d.code, " ".join(report.sources[d.primary.file].slice(d.primary).split())) for d in report.diagnostics]


@pytest.mark.parametrize("path", SPECS, ids=name)
def test_specs(path: Path) -> None:
    report = mintdsl.load(path).check()
    if name(path) in PROVED:
        assert found(report) == []
        assert report.ok and (report.results or name(path) in ("std/heads", "std/nets"))  # nets claim nothing
    else:
        assert {code for code, _ in found(report)} == {LATER}


@pytest.mark.parametrize(("spec", "definition"), COUNTS)
def test_parameter_counts(spec: str, definition: str) -> None:
    counts = mintdsl.load(ROOT / "specs" / f"{spec}.mint").check()[definition].counts
    assert counts is not None
    assert counts[:3] == COUNTS[spec, definition]


def test_counts_at_another_size() -> None:
    spec = mintdsl.load(ROOT / "specs" / "mintnet" / "mnist_small.mint")
    small, large = (spec.check(K=k)["MnistSmall"].counts for k in (16, 32))
    assert small is not None and large is not None
    assert small.modules == large.modules
    assert small.stored < large.stored


def test_every_refused_program_has_its_reason() -> None:
    assert {path.stem for path in REFUSED.glob("*.mint")} == set(REASONS)


@pytest.mark.parametrize("stem", REASONS)
def test_refused(stem: str) -> None:
    report = mintdsl.load(REFUSED / f"{stem}.mint").check()
    code, text = REASONS[stem]
    assert not report.ok
    if code == LATER:
        assert {code for code, _ in found(report)} == {LATER}
    else:
        assert found(report) == [(code, text)]
