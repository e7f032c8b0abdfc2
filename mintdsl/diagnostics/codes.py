"""The registry of diagnostic codes: what each one says in general, and the page that explains it.

Codes are permanent: 01 syntax, 02 names and files, 03 shapes and sizes, 04 signs and triangularity, 06 claims and
flows, 07 constraints, 09 constructs that are only read; E is an error, W a warning.
"""

from __future__ import annotations

from typing import NamedTuple

from mintdsl.diagnostics.model import Severity


class Code(NamedTuple):
    """One kind of message. `rule` is the rule of the calculus whose hypothesis failed, or empty."""

    code: str
    severity: Severity
    title: str
    rule: str


def _all(*rows: tuple[str, str, str]) -> dict[str, Code]:
    severity = {"E": Severity.ERROR, "W": Severity.WARNING}
    return {code: Code(code, severity[code[0]], title, rule) for code, title, rule in rows}


CODES: dict[str, Code] = _all(
    ("E0101", "something else was expected here", ""),
    ("E0102", "a bracket is not closed", ""),
    ("E0103", "a character that means nothing here", ""),
    ("E0104", "a reserved word cannot be a name", ""),
    ("E0105", "a word of another language", ""),
    ("E0106", "a number that cannot be read", ""),
    ("E0107", "the program is too large or nested too deeply", ""),
    ("E0110", "the edition is missing", ""),
    ("E0111", "the edition is not known", ""),
    ("E0201", "unknown name", ""),
    ("E0202", "a file cannot be imported", ""),
    ("E0203", "files import each other", ""),
    ("E0204", "defined or given twice", ""),
    ("E0205", "an import leaves the program", ""),
    ("E0206", "a name of the language cannot be redefined", ""),
    ("E0207", "the imported file does not define this name", ""),
    ("E0208", "a step of a flow is a layer or a flow", ""),
    ("E0209", "an argument or option that does not fit", ""),
    ("E0210", "an argument is missing", ""),
    ("E0211", "a value of another type is needed", ""),
    ("E0212", "a definition needs itself", ""),
    ("E0213", "this is not a formula", ""),
    ("E0214", "this is no claim", ""),
    ("E0215", "a layer's context is missing", ""),
    ("E0301", "shapes do not match", ""),
    ("E0302", "a squeeze or a patch does not divide", "PERM"),
    ("E0303", "a size is not a whole number", ""),
    ("E0304", "wrong kind of shape", ""),
    ("E0305", "a size is too small or too large", ""),
    ("E0306", "a size or anchor of a kernel that does not fit", ""),
    ("E0307", "the network is too large", ""),
    ("E0308", "a flow, layer or net contains itself", ""),
    ("E0401", "the diagonal of the Jacobian may vanish", "I-TRI"),
    ("E0402", "lower and upper triangular maps are mixed", "COMP"),
    ("E0403", "terms of a sum have diagonals of opposite sign", "ADD"),
    ("E0404", "signs are not tied to each other", "SUM"),
    ("E0405", "a tie that cannot be solved", "TIE"),
    ("E0406", "the activation is not monotone", "ACT"),
    ("E0407", "a function outside its domain", "ACT"),
    ("E0408", "an index is not bound, or does not fit", ""),
    ("E0409", "a dense map: nothing proves it invertible", "BASIC"),
    ("E0410", "both factors read the own coordinate", "MUL"),
    ("E0411", "the divisor may be 0", "DIV"),
    ("E0412", "parts read each other in a circle", "JOIN"),
    ("E0413", "a part is lost", "JOIN"),
    ("E0414", "a bijection by composition is lost", "CHAIN"),
    ("E0415", "an elementwise bijection whose parameters read what it bends", "ACT-P"),
    ("E0416", "the branch of a residual sum or Cayley map is no contraction", "RES"),
    ("E0417", "the exponential of a map without a bound of its norm", "EXP"),
    ("E0601", "a claim is not proved", "I-TRI"),
    ("E0602", "injective, but not onto", "I-TRI"),
    ("E0603", "a pair takes one lower and one upper layer", "PAIR"),
    ("E0604", "a prior stands last in the outermost flow", ""),
    ("E0605", "dequantize stands first", ""),
    ("E0606", "values outside the domain of the next step", "I-COMP"),
    ("E0607", "a factor stands in the outermost flow, outside of blocks", "FACTOR"),
    ("E0608", "a density with a residual layer without a `log_det`", "RES"),
    ("E0609", "a layer that is not onto has no inverse direction", "INVERSE"),
    ("E0610", "the field of a continuous flow is not proved Lipschitz", "ODE"),
    ("E0611", "a continuous flow without a `log_det`", "ODE"),
    ("E0612", "a roulette of infinite variance", "ROULETTE"),
    ("E0613", "a series for a log-det that has a formula", "SERIES"),
    ("E0701", "a constraint that cannot be kept", ""),
    ("E0710", "what cannot be initialised from data", ""),
    ("E0901", "not yet in this version", ""),
    ("W0101", "an allow comment that allows nothing", ""),
    ("W0201", "a parameter or context is never used", ""),
    ("W0402", "a bias is summed over an index it need not carry", ""),
    ("W0601", "a definition is proved only where it is used", ""),
    ("W0602", "some outputs never see a border of the image", ""),
)


def page(code: str) -> str:
    """The explanation of `code` in Markdown; raises KeyError for a code that does not exist."""
    from importlib.resources import files  # slow to import, and needed by nobody else

    known = CODES[code].code
    return files("mintdsl.diagnostics").joinpath("pages", f"{known}.md").read_text(encoding="utf-8")
