"""The data of a diagnostic.

The title states the fact and must still make sense alone (an editor's problem list shows nothing else);
labels point at the causes, exactly one of them primary; notes give the rule; fixes give the edit; an example shows
numbers for which a claim fails.
"""

from __future__ import annotations

from enum import Enum

from mintdsl import limits
from mintdsl.records import record
from mintdsl.source import Span


class Severity(Enum):
    """How bad it is: an error stops the proof, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Safety(Enum):
    """Whether a fix may be applied without asking: same meaning, other meaning, or only shown."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    DISPLAY = "display"


@record
class Label:
    """A place and what is to be seen there; shown as `^^^` when primary, else as `---`."""

    span: Span
    text: str
    primary: bool = False


@record
class Edit:
    """Replace `span` by `text`; an empty span inserts."""

    span: Span
    text: str


@record
class Fix:
    """A repair: a title that reads after "help:", and the edits that make it.

    Where the stage at fault knows what to add and not where, `text` is what: a member of the definition, or a function
    around an argument. `syntax/repairs.py` finds the place.
    """

    title: str
    edits: tuple[Edit, ...] = ()
    safety: Safety = Safety.DISPLAY
    text: str = ""


@record
class Tensor:
    """Numbers with a name, flat in row-major order."""

    name: str
    shape: tuple[int, ...]
    numbers: tuple[float, ...]


@record
class Example:
    """Numbers for which what is claimed of `definition` fails; the interpreter confirmed them.

    `settings` are sizes and values of formals, `parameters` effective tensors, and `raw` the stored ones that give
    them, by their keys in the state dict. `inputs` are x, and x' or a value z that is never reached. `kind` says in a
    word what fails, `seen` what is to be seen there.
    """

    definition: str
    settings: tuple[tuple[str, str | int | float], ...]
    parameters: tuple[Tensor, ...]
    raw: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    kind: str
    seen: str


@record
class Diagnostic:
    """One message. `code` is listed in `mintdsl.diagnostics.codes`, which also gives the severity."""

    code: str
    title: str
    labels: tuple[Label, ...]
    notes: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    severity: Severity = Severity.ERROR
    example: Example | None = None

    @property
    def primary(self) -> Span:
        """The span of the primary label."""
        return next(label.span for label in self.labels if label.primary)


class Bag:
    """Collects diagnostics; one message per code and place, and of each severity no more than anybody reads.

    A bag for a part of a program is made with that of the whole as `parent`.
    """

    def __init__(self, parent: Bag | None = None) -> None:
        self._seen: dict[tuple[str, Span], Diagnostic] = {}
        self._count = dict.fromkeys(Severity, 0)
        self._hints: list[None] = [None] * limits.HINTS.most if parent is None else parent._hints

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep `diagnostic`, unless the same code was reported at the same place, or there are too many."""
        key = (diagnostic.code, diagnostic.primary)
        if key not in self._seen and self._count[diagnostic.severity] < limits.MESSAGES.most:
            self._seen[key] = diagnostic
            self._count[diagnostic.severity] += 1

    def hint(self) -> bool:
        """Whether to look for names that may have been meant: that is slow, and done for the first mistakes only."""
        return bool(self._hints) and self._hints.pop() is None

    def __contains__(self, diagnostic: Diagnostic) -> bool:
        """Whether the same code was reported at the same place."""
        return (diagnostic.code, diagnostic.primary) in self._seen

    def error(
        self,
        code: str,
        span: Span,
        title: str,
        label: str = "",
        *,
        also: tuple[Label, ...] = (),
        notes: tuple[str, ...] = (),
        fixes: tuple[Fix, ...] = (),
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Shorthand for a diagnostic with one primary label at `span`; `also` are secondary labels."""
        labels = (Label(span, label, primary=True), *also)
        self.add(Diagnostic(code, title, labels, notes, fixes, severity))

    def extend(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """Keep each of `diagnostics`."""
        for diagnostic in diagnostics:
            self.add(diagnostic)

    @property
    def has_errors(self) -> bool:
        """Whether anything worse than a warning was reported."""
        return self._count[Severity.ERROR] > 0

    def sorted(self) -> tuple[Diagnostic, ...]:
        """All of them, by file and place."""
        return tuple(sorted(self._seen.values(), key=lambda d: (d.primary, d.code)))
