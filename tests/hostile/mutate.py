"""Mutations of every program of the repository: none may raise, hang, or take much memory.

python -m tests.hostile.mutate --seconds 600 --seed 0

Each mutant is loaded and checked, its messages are rendered in all forms, its text is formatted, and what is accepted
is generated and compiled. A failure is made small and saved.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import mintdsl  # noqa: E402
from mintdsl.core.scope import BUILTIN  # noqa: E402
from mintdsl.diagnostics.render import render  # noqa: E402
from mintdsl.files import FileProblem, as_text  # noqa: E402
from mintdsl.source import Source  # noqa: E402
from mintdsl.syntax import tables  # noqa: E402
from mintdsl.syntax.format import format_module  # noqa: E402
from mintdsl.syntax.lexer import scan  # noqa: E402
from mintdsl.syntax.parse import parse  # noqa: E402
from mintdsl.tools import forms, proof_forms, show  # noqa: E402
from mintdsl.tools.programs import Asked  # noqa: E402

CPU = 5.0
"""Seconds that one mutant may take."""
MEMORY = 2**30
"""Bytes that all mutants together may take at their peak."""
MINIMISE = 60.0
"""Seconds spent on making a failing mutant small."""

NUMBERS = ["0", "1", "2", "3", "-1", "1e-30", "1e30", "1e308", "1e-400", "1e400", "0.5", "0.0", "00", "1" * 400]
NUMBERS += ["1000000000000000", "1000000000000001", "1099511627776", "3x3", "0x0", "1x4096", "65x65", "99999x99999"]
HOSTILE = [
    '"',
    "'",
    '"""',
    "\\",
    "\\N{BULLET}",
    "{",
    "}",
    "{}",
    "{0}",
    "%s",
    "#",
    "##",
    "\n",
    "\r",
    "\t",
    "\x00",
    "\x1b[2J",
]
HOSTILE += [
    "\u202e",
    "\u2028",
    "\u0085",
    "\ufeff",
    "\ud800",
    "\U0001f600",
    "e\u0301",
    "é",
    "@",
    "**",
    "$",
    "`",
    ";",
    "?",
]
HOSTILE += ["/*", "//", "nan", "inf", "None", "self", "x", "w", "__class__", "lambda", "eval", "torch", "import os"]
HOSTILE += [
    'import "./a.mint" { A }',
    'import "mintnet/mint.mint" { Mint, MintPair }',
    "(" * 30,
    ")" * 30,
    "{ " * 20,
    "- " * 60,
]
BYTES = [
    b"\x00",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r",
    b"\x7f",
    b"\xe2\x80\xa8",
    b"\xf0\x9f\x98\x80",
]


class TooSlow(BaseException):
    """A mutant used up its time. No Exception: nothing may catch it on the way."""


def programs() -> list[str]:
    """The texts that are mutated."""
    folders = (ROOT / "specs", ROOT / "tests" / "proof", ROOT / "tests" / "programs")
    return [path.read_text(encoding="utf-8") for folder in folders for path in sorted(folder.rglob("*.mint"))]


def dictionary(texts: list[str]) -> list[str]:
    """All words of the language and of its programs, numbers, and hostile pieces."""
    words = {*tables.load().words, *BUILTIN}
    found = {token.text for text in texts for token in scan("", text)[0] if len(token.text) < 40}
    return sorted(words | found) + NUMBERS + HOSTILE


# ---------------------------------------------------------------- mutations


class Mutator:
    """Makes mutants; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.texts = programs()
        self.words = dictionary(self.texts)
        self.lines = [line for text in self.texts for line in text.splitlines(keepends=True)]
        self.tokens = [[token.text for token in scan("", text)[0]] for text in self.texts]

    def mutant(self) -> str | bytes:
        """A program with one to six mutations, of its bytes, of its tokens, or of tokens into others of their kind."""
        times = self.choose.choice((1, 1, 1, 2, 2, 3, 6))
        how = self.choose.random()
        if how < 0.2:
            data = self.choose.choice(self.texts).encode()
            for _ in range(times):
                data = self.bytes(data)
            return data
        text = self.choose.choice(self.texts)
        for _ in range(times):
            text = self.text(text) if how < 0.5 else self.like(text)
        return text

    def like(self, text: str) -> str:
        """One mutation that often leaves a program: a token, or a line, instead of one of its kind."""
        choose = self.choose
        tokens, _ = scan("", text)
        lines = text.splitlines(keepends=True)
        if not tokens:
            return text
        token = choose.choice(tokens)
        match choose.randrange(8):
            case 0 | 1 | 2:
                others = [other.text for other in tokens if other.kind == token.kind]
                return text[: token.start] + choose.choice(others) + text[token.end :]
            case 3:
                sign = choose.choice("+-*/") if token.kind in ("PLUS", "MINUS", "STAR", "SLASH") else token.text
                number = choose.choice(NUMBERS) if token.kind in ("INT", "FLOAT", "SIZE") else sign
                return text[: token.start] + number + text[token.end :]
            case 4:
                names = [other for other in tokens if other.kind == "NAME"]
                if not names:
                    return text
                place = choose.choice(names)
                return text[: place.start] + choose.choice(self.words) + text[place.end :]
            case 5:
                del lines[choose.randrange(len(lines))]
                return "".join(lines)
            case 6:
                words = choose.choice(lines).split()
                alike = [line for line in self.lines if words and line.split()[:1] == words[:1]]
                lines.insert(choose.randrange(len(lines) + 1), choose.choice(alike) if alike else "\n")
                return "".join(lines)
            case _:
                a, b = choose.randrange(len(lines)), choose.randrange(len(lines))
                lines[a], lines[b] = lines[b], lines[a]
                return "".join(lines)

    def bytes(self, data: bytes) -> bytes:
        """One mutation of bytes: flip, delete, insert, copy, swap, cut off."""
        choose = self.choose
        at, end = sorted((choose.randrange(len(data) + 1), choose.randrange(len(data) + 1)))
        end = min(end, at + choose.choice((1, 2, 8, 64)))
        match choose.randrange(7):
            case 0:
                return data[:at] + data[end:]
            case 1:
                return data[:at] + choose.choice(BYTES) + data[at:]
            case 2:
                return data[:at] + bytes([choose.randrange(256)]) + data[at + 1 :]
            case 3:
                return data[:at] + data[at:end] * choose.choice((2, 3, 50)) + data[end:]
            case 4:
                other = choose.choice(self.texts).encode()
                cut = choose.randrange(len(other) + 1)
                return data[:at] + other[cut : cut + 80] + data[at:]
            case 5:
                return data[:at]
            case _:
                return data[:at] + data[at:end][::-1] + data[end:]

    def text(self, text: str) -> str:
        """One mutation of tokens: delete, insert, replace, copy, swap, move, splice, cut off, or repeat many times."""
        choose = self.choose
        places = [(token.start, token.end) for token in scan("", text)[0]]
        if not places:
            return text + choose.choice(self.words)
        first = choose.randrange(len(places))
        last = min(first + choose.choice((0, 0, 0, 1, 3, 12)), len(places) - 1)
        start, end = places[first][0], places[last][1]
        part = text[start:end]
        match choose.randrange(10):
            case 0:
                return text[:start] + text[end:]
            case 1:
                return f"{text[:start]}{choose.choice(self.words)} {text[start:]}"
            case 2:
                return f"{text[:start]}{choose.choice(self.words)}{text[end:]}"
            case 3:
                return f"{text[:end]} {part}{text[end:]}"
            case 4:
                a, b = choose.choice(places), choose.choice(places)
                (a, b) = sorted((a, b))
                if a[1] > b[0]:
                    return text
                return text[: a[0]] + text[b[0] : b[1]] + text[a[1] : b[0]] + text[a[0] : a[1]] + text[b[1] :]
            case 5:
                to = choose.choice(places)[0]
                rest = text[:start] + " " * (end - start) + text[end:]
                return f"{rest[:to]} {part} {rest[to:]}"
            case 6:
                tokens = choose.choice(self.tokens)
                cut = choose.randrange(len(tokens) + 1)
                piece = " ".join(tokens[cut : cut + choose.choice((1, 3, 10, 40))])
                return f"{text[:start]}{piece} {text[start:]}"
            case 7:
                cut = choose.choice(self.tokens)
                at = choose.randrange(len(cut) + 1)
                return text[:start] + " ".join(cut[at:])
            case 8:
                return text[:start]
            case _:
                return text[:start] + f"{part} " * choose.choice((5, 40, 400, 4000)) + text[end:]


# ---------------------------------------------------------------- what is asked of a mutant


def survive(mutant: str | bytes) -> str:
    """Put a mutant through everything; what became of it, in a word. Whatever it raises is a failure."""
    try:
        text = as_text(mutant, "it") if isinstance(mutant, bytes) else mutant
    except FileProblem:
        return "no text"
    program = mintdsl.loads(text, "mutant.mint")
    report = program.check()
    render(report.diagnostics, report.sources, color=True, width=100)
    for form in forms.FORMS.values():
        for line in form(Asked(program, None, {}), report):
            assert len(line) < 10**7
    if not any(d.primary.file == "mutant.mint" and d.code.startswith("E01") for d in report.diagnostics):
        _formats(text)
    if not report.ok:
        return "refused"
    core, _ = program.core()
    show.lines(report, core, {})
    if all(map(_short, report.results)):
        wanted, at = proof_forms.Wanted(False, False), show.Terminal(False, 100, True)
        for name in ("text", "markdown", "latex", "html"):
            proof_forms.written(Asked(program, None, {}), report, name, wanted, at)
    if not core.main:
        return "accepted"
    try:
        source = program.generate()
    except mintdsl.SpecError as error:
        assert error.diagnostics
        return "accepted"
    compile(source, "module", "exec")
    return "generated"


def _short(result: mintdsl.driver.Checked) -> bool:
    span = result.proof.derivation.subject
    return span.end - span.start < 2000


def _formats(text: str) -> None:
    source = Source("mutant.mint", text)
    module, found = parse(source)
    if found:
        return
    after = Source("mutant.mint", format_module(module, source))
    again, errors = parse(after)
    assert errors == () and again == module, "formatting changed the program"


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """TooSlow after so many seconds of CPU."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def outcome(mutant: str | bytes, seconds: float = CPU) -> tuple[str, str]:
    """What became of a mutant, and what went wrong: empty, or the error and where it was raised.

    It has so many seconds for each 100 kB: the work is linear.
    """
    peak = memory()
    try:
        with alarm(seconds * max(1.0, len(mutant) / 1e5)):
            word = survive(mutant)
    except TooSlow:
        return "failed", "too slow"
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "mintdsl" in f.filename]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "mutate.py"
        return "failed", f"{type(error).__name__} in {where}"
    if memory() > max(peak, START + MEMORY):
        return "failed", "too much memory"
    return word, ""


def memory() -> int:
    """The most bytes that this process had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


START = memory()


def smallest(mutant: str | bytes, wrong: str) -> str | bytes:
    """A part of a mutant that fails in the same way: lines, then words, then characters are left out while it does."""
    until = time.monotonic() + MINIMISE
    seconds = CPU if wrong == "too slow" else 2 * CPU

    def fails(candidate: str | bytes) -> bool:
        return outcome(candidate, seconds)[1] == wrong

    if wrong == "too much memory":
        return mutant  # the peak stays: it cannot be tried again
    text = mutant.decode("latin-1") if isinstance(mutant, bytes) else mutant
    back: Callable[[str], str | bytes] = (lambda t: t.encode("latin-1")) if isinstance(mutant, bytes) else (lambda t: t)
    for pattern in (r"[^\n]*\n|[^\n]+", r"\s+|\w+|[^\w\s]", r"(?s)."):
        parts = re.findall(pattern, text)
        size = max(len(parts) // 2, 1)
        while size and time.monotonic() < until:
            at = 0
            while at < len(parts) and time.monotonic() < until:
                fewer = parts[:at] + parts[at + size :]
                if fails(back("".join(fewer))):
                    parts = fewer
                else:
                    at += size
            size //= 2
        text = "".join(parts)
    return back(text)


def run(seed: int, *, seconds: float = 0.0, count: int = 0, out: Path | None = None) -> tuple[Counter[str], list[str]]:
    """Mutants for so many seconds, or so many of them; what became of them, and the failures, made small."""
    mutator = Mutator(seed)
    until = time.monotonic() + seconds
    done: Counter[str] = Counter()
    failures: dict[str, str] = {}
    while (done.total() < count) if count else (time.monotonic() < until):
        mutant = mutator.mutant()
        word, wrong = outcome(mutant)
        done[word] += 1
        if wrong and wrong not in failures:
            small = smallest(mutant, wrong)
            failures[wrong] = f"{wrong}: {small!r}"
            if out is not None:
                out.mkdir(parents=True, exist_ok=True)
                data = small if isinstance(small, bytes) else small.encode("utf-8", "surrogatepass")
                (out / f"{len(failures):03}-{re.sub(r'[^a-zA-Z0-9]+', '-', wrong)}.mint").write_bytes(data)
            print(failures[wrong][:2000], flush=True)
    return done, list(failures.values())


def main() -> int:
    """Mutate for a while and print the counts; 1 if something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("build") / "mutants")
    asked = parser.parse_args()
    done, failures = run(asked.seed, seconds=asked.seconds, out=asked.out)
    words = ", ".join(f"{count:,} {word}" for word, count in done.most_common())
    print(f"{done.total():,} mutants of {len(programs())} programs in {asked.seconds:g} s (seed {asked.seed}): {words}")
    print(f"peak memory {memory() / 2**20:.0f} MiB; {len(failures)} kinds of failure")
    return 1 if failures or memory() > MEMORY else 0


if __name__ == "__main__":
    raise SystemExit(main())
