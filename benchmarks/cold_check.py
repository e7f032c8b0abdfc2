"""The cost of a first `mint check`: the CPU time of whole processes, and the modules that are slow to import.

python benchmarks/cold_check.py [SPEC]
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 20
TOP = 15
BUDGET = 0.3


def run(arguments: list[str], home: str) -> tuple[float, str]:
    """User and system seconds of one process, and what it wrote to stderr."""
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": home, "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *arguments], cwd=home, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} exited with {done.returncode}\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stderr


def slow_imports(log: str) -> list[tuple[int, str]]:
    """Microseconds that each module took by itself, without what it imports; the slowest first."""
    rows = [
        line.removeprefix("import time:").split("|") for line in log.splitlines() if line.startswith("import time:")
    ]
    return sorted(((int(own), name.strip()) for own, _, name in rows if own.strip().isdigit()), reverse=True)


def main() -> None:
    """Measure and print."""
    spec = str(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "specs" / "mintnet" / "mnist_small.mint")
    check = ["-m", "mintdsl.tools.cli", "check", spec]
    with tempfile.TemporaryDirectory() as home:
        run(check, home)  # compiles what is not compiled yet
        times = [run(check, home)[0] for _ in range(RUNS)]
        python = statistics.median(run(["-c", "pass"], home)[0] for _ in range(RUNS))
        _, log = run(["-X", "importtime", *check], home)
    rows = slow_imports(log)
    print(f"mint check {Path(spec).name}: median {statistics.median(times):.3f} s of CPU, lowest {min(times):.3f}")
    print(f"  ({RUNS} processes with an empty home; starting Python alone takes {python:.3f} s; the aim is {BUDGET} s)")
    print(f"imports, in ms without what they import ({sum(own for own, _ in rows) / 1000:.0f} in all, while traced):")
    for own, name in rows[:TOP]:
        print(f"  {own / 1000:6.1f}  {name}")


if __name__ == "__main__":
    main()
