"""What an unknown name may have meant: names of the right kind only, at most three, wherever a name is read."""

from __future__ import annotations

import re

import pytest

import mintdsl
from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.claim_words import CLAIMS
from mintdsl.core.inits import INITS
from mintdsl.core.kinds import KINDS
from mintdsl.core.orders import ORDERS
from mintdsl.core.scope import BUILTIN
from mintdsl.core.steps import PRIORS, SHAPES, STEPS
from mintdsl.diagnostics.model import Diagnostic, Safety
from mintdsl.syntax import tables
from mintdsl.syntax.suggest import HABITS, MOST, suggest

FILE = """mint 1
const alpha = 2
space Alphb = Vec[4]
order alphc = (h, w, c)
act alphd = tanh
net Alphe from Image[C, H, W] to Vec[2] {{
  param f : linear from Vec[C] to Vec[2]
  map x -> f(mean_pool(x))
}}
layer Alphf(alphg: Nat = 2, alphh: Dir = lower, alphi: Act = tanh, alphj: Order = alphc) on Image[C, H, W] {{
  order {order}
  index alphk : alpha
  space Alphl = Image[C, H, {size}]
  param alphm : scale on {shape} with diag > 0
  param alphn, alpho[{index}] : conv 3x3 strict {direction} init {init}
  map x {{
    let alphp = {name} * x
    return alphp + tanh({map}(x)) + {act}(x) + sum[alphk](alpho[alphk](alphn(x)))
  }}
}}
flow Alphq on Image[2, 4, 4] {{
  {step}({argument} = 3)
  classify {head}
}}
"""
SOUND = {
    "order": "alphj", "size": "W", "shape": "Image[C, H, W]", "index": "alphk", "direction": "alphh", "init": "zeros",
    "name": "alphm", "map": "alphn", "act": "alphd", "step": "Alphf", "argument": "alphg", "head": "Alphe",
}  # fmt: skip
WORDS = {name for names in (ACTIVATIONS, INITS, KINDS, ORDERS, PRIORS, SHAPES, STEPS, CLAIMS) for name in names}


def first(text: str) -> Diagnostic:
    return mintdsl.loads(text).check().diagnostics[0]


def suggested(diagnostic: Diagnostic) -> list[str]:
    """All names that a diagnostic suggests."""
    note = next((n for n in diagnostic.notes if n.startswith("similar names: ")), "")
    single = re.findall(r"did you mean `(\w+)`", diagnostic.title)
    return re.findall(r"`(\w+)`", note) or single


def test_the_program_is_sound() -> None:
    assert mintdsl.loads(FILE.format(**SOUND)).check().diagnostics == ()


@pytest.mark.parametrize(
    ("place", "written", "kinds"),
    [
        ("order", "alphx", {"alphc", "alphj"}),
        ("size", "alphx", {"alpha", "alphg"}),
        ("shape", "Alphx", {"Alphb", "Alphl"}),
        ("index", "alphx", {"alphk"}),
        ("direction", "alphx", {"alphh"}),
        ("name", "alphx", {"alpha", "alphg", "alphm"}),
        ("map", "alphx", {"alphd", "alphi", "alphn", "alpho"}),
        ("act", "alphx", {"alphd", "alphi", "alphn", "alpho"}),
        ("step", "Alphx", {"Alphf", "Alphq"}),
        ("argument", "alphx", {"alphg", "alphh", "alphi", "alphj"}),
        ("head", "Alphx", {"Alphe"}),
    ],
)
def test_only_names_of_the_right_kind(place: str, written: str, kinds: set[str]) -> None:
    found = first(FILE.format(**{**SOUND, place: written}))
    names = suggested(found)
    assert found.title.startswith("unknown ") and set(names) <= kinds and len(names) == min(len(kinds), MOST)
    (fix,) = found.fixes
    assert fix.edits[0].text == names[0]
    assert (fix.safety is Safety.SAFE) == (len(names) == 1)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("mint 1\nlayer A on Vec[D] { param W : liner lower\n map x -> x }", "linear"),
        ("mint 1\nlayer A on Vec[D] { param s : scale with diag > 0 via sofplus\n map x -> s * x }", "softplus"),
        ("mint 1\nlayer A on Vec[D] { param s : scale (pr = channel)\n map x -> s * x }", "per"),
        ("mint 1\nlayer A on Vec[D] { param s : scale (per = chanel)\n map x -> s * x }", "channel"),
        ("mint 1\nlayer A on Vec[D] { param s : scale with dig > 0\n map x -> s * x }", "diag"),
        ("mint 1\nlayer A(K: Nt) on Vec[D] { map x -> x }", "Nat"),
        ("mint 1\nlayer A(tri: Dir) on Vec[D] ensures tr { param W : linear tri\n map x -> W(x) }", "tri"),
        ("mint 1\nlayer A on Vec[D] ensures invertble { map x -> x }", "invertible"),
        ("mint 1\nlayer A on Imge[C, H, W] { map x -> x }", "Image"),
        ("mint 1\nlayer A on Vec[D] { map x -> sigmod(x) }", "sigmoid"),
        ("mint 1\nlayer A on Vec[D] { param Wq : linear lower\n tie diag(Wp) >= 0\n map x -> Wq(x) }", "Wq"),
        ("mint 1\nflow F on Vec[2] { prior nomal }", "normal"),
        ("mint 1\nflow F on Image[2, 2, 2] { standardize(men = 0, std = 1) }", "mean"),
        ("mint 1\nflow F on Image[2, 2, 2] { sqeeze 2 }", "squeeze"),
        ('mint 1\nimport "cinc/cnv.mint" { CInC }', "cinc/conv.mint"),
        ('mint 1\nimport "cinc/conv.mint" { CInc }', "CInC"),
        ("mint 1\nlyer A on Vec[D] { map x -> x }", "layer"),
    ],
)
def test_every_place_suggests(text: str, meant: str) -> None:
    found = first(text)
    assert any(meant in e.text for fix in found.fixes for e in fix.edits), found.title


def test_at_most_three_and_the_closest_first() -> None:
    names = ["abcd", "abce", "abcf", "abcg", "abxx"]
    assert suggest("abcx", names) == ("abcd", "abce", "abcf")
    assert suggest("abc", ["abd", "abcd", "xyz"]) == ("abcd", "abd")
    assert suggest("tanh", ["tanh"]) == () and suggest("a", ["b"]) == ()


def test_habits_are_of_words_that_exist() -> None:
    types = {"Nat", "Real"}
    assert set(HABITS.values()) <= WORDS | types
    assert not set(HABITS) & ({name.lower() for name in WORDS} | set(BUILTIN) | set(tables.load().words))
    assert suggest("Gaussian", PRIORS) == ("normal",) and suggest("gaussian", ORDERS) == ()


def test_what_is_there_is_listed_where_nothing_is_close() -> None:
    found = first(FILE.format(**{**SOUND, "index": "k"}))
    assert found.notes == ("known here: `alphk`",) and not found.fixes
