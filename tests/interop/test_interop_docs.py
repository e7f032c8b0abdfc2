"""The examples of docs/interop.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from conftest import Library
from interop_modules import worst

PAGE = (Path(__file__).parents[2] / "docs" / "interop.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
LIBRARIES = {"torch.distributions": "torch", "Lightning": "lightning"}


def example(section: str) -> str:
    (text,) = re.findall(r"^```python\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)
    return text


def test_each_library_has_an_example() -> None:
    assert list(SECTIONS) == [
        "The examples",
        "torch.distributions",
        "zuko",
        "nflows",
        "normflows",
        "FrEIA",
        "Lightning",
    ]


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*logging interval")
@pytest.mark.filterwarnings("ignore:.*isinstance.*LeafSpec", "ignore:.*have no `val_dataloader`")
@pytest.mark.parametrize("section", list(SECTIONS)[1:])
def test_example(section: str, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library(LIBRARIES.get(section, section))
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, object] = {}
    exec(compile(example("The examples") + example(section), f"docs/interop.md, {section}", "exec"), names)
    if section == "FrEIA":
        assert worst(names["x_again"], names["x"]) <= 1e-3 and names["log_det"].shape == (8,)
    elif section == "Lightning":
        assert names["trainer"].global_step == 4
        assert torch.isfinite(names["trainer"].callback_metrics["train_bits_per_dim"])
    else:
        assert names["samples"].shape == (5, 3)
        scored = names["loss"] if section == "normflows" else names["nats"].mean()
        assert bool(torch.isfinite(scored)) and scored.requires_grad
