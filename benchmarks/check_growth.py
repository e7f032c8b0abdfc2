"""The growth of `check`: programs of n, 2n and 4n parts, a family for each way in which a program can be long.

python benchmarks/check_growth.py [FAMILY ...]

The runs of one family are interleaved, in one process; seconds are medians of loading and checking together. A ratio
of 2 is linear growth, 4 quadratic.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "hostile")]

import hostile_large as large  # noqa: E402

import mintdsl  # noqa: E402

RUNS = 3
PARTS = {"arguments": 10_000, "files": 125, "parameters": 1_250, "ties": 1_000}
"""The smallest n of a family, where it is not the usual one; four times it is within the limits."""
USUAL = 2_500
STEEP = 3.0


def seconds(run: Callable[[], mintdsl.Program]) -> float:
    """CPU seconds of loading a program and checking all of it."""
    gc.collect()
    begin = time.process_time()
    report = run().check()
    end = time.process_time()
    assert not any(d.code == "E0107" for d in report.diagnostics), report.diagnostics
    return end - begin


def measured(name: str, folder: Path) -> list[float]:
    """The medians at n, 2n and 4n."""
    sizes = [PARTS.get(name, USUAL) * times for times in (1, 2, 4)]
    if name == "files":
        runs = [_of_files(folder / str(size), size) for size in sizes]
    else:
        runs = [_of_text(large.FAMILIES[name](size)) for size in sizes]
    times = [[seconds(run) for run in runs] for _ in range(RUNS)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def _of_text(text: str) -> Callable[[], mintdsl.Program]:
    return lambda: mintdsl.loads(text)


def _of_files(folder: Path, size: int) -> Callable[[], mintdsl.Program]:
    folder.mkdir()
    for file, text in large.files(size).items():
        (folder / file).write_text(text, encoding="utf-8")
    return lambda: mintdsl.load(folder / "f0.mint")


def main() -> None:
    """Measure and print; exit 1 where growth is clearly steeper than linear."""
    names = sys.argv[1:] or [*large.FAMILIES, "files"]
    print(f"load and check, median of {RUNS} interleaved runs; ratios of each doubling (2 is linear)")
    print(f"{'family':<20} {'parts':>7} {'seconds at n, 2n, 4n':>26}   ratios")
    steep = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            found = measured(name, Path(folder))
            ratios = [after / before for before, after in zip(found, found[1:], strict=False)]
            columns = " ".join(f"{value:8.2f}" for value in found)
            print(f"{name:<20} {4 * PARTS.get(name, USUAL):>7,} {columns}   {'  '.join(f'{r:.1f}' for r in ratios)}")
            if max(ratios) > STEEP and found[-1] > 0.5:
                steep.append(name)
    if steep:
        raise SystemExit(f"steeper than linear: {', '.join(steep)}")


if __name__ == "__main__":
    main()
