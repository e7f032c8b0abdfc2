"""`python -m tests.fuzz --accepted 20000 --mutants 20000 --seed 0 --seconds 7200 --jobs 2 --out found`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .cases import MUTANT, PROGRAM
from .run import Settings, reproduce, run


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


def main() -> int:
    """0 where nothing failed, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--accepted", type=int, default=20000, help="accepted programs to examine")
    parser.add_argument("--mutants", type=int, default=20000, help="mutants to try")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--seconds", type=float, default=7200.0, help="stop after this time")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, help="folder for failing programs")
    parser.add_argument("--attack", type=float, default=0.05, help="share of cases that the adversary attacks")
    parser.add_argument("--only", type=int, help="one case again, by its number")
    parser.add_argument("--mutant", action="store_true", help="that number is a mutant's")
    args = parser.parse_args()
    if args.only is not None:
        outcome = reproduce(MUTANT if args.mutant else PROGRAM, args.seed, args.only, say)
        return 1 if outcome.failures else 0
    settings = Settings(args.accepted, args.mutants, args.seed, args.seconds, args.jobs, args.out, args.attack)
    programs, mutants = run(settings, say)
    return 1 if programs.failing or mutants.failing else 0


if __name__ == "__main__":
    sys.exit(main())
