"""Nothing in a program becomes code: every name that means something to Python or to a module, in every place."""

from __future__ import annotations

import ast
import builtins
import keyword
import re

import pytest
import torch
from torch import nn

import mintdsl
from mintdsl.codegen.helpers import IMPORTS, helpers
from mintdsl.codegen.naming import ARGUMENTS, LOCALS, MEMBERS, class_name
from mintdsl.core.scope import BUILTIN
from mintdsl.runtime.loading import load_class
from mintdsl.syntax import tables

PLACES = (
    "layer", "scale", "map", "bias", "statistic", "family", "index", "let", "member_let", "variable",
    "nat", "real", "act", "init", "direction", "size", "ordering", "own_act", "own_variable", "passed", "outer",
    "label", "looped", "constant", "space", "net", "classes",
)  # fmt: skip
TEXT = """mint 1
const {constant} = 2
act {passed}({own_variable}) = {own_variable} + 0.5 * tanh({own_variable})
layer {layer}({nat}: Nat = {constant}, {real}: Real = 0.5, {act}: Act = {passed}, {init}: Init = normal(std = 0.1),
  {direction}: Dir = lower, {ordering}: Order = raster) on Image[C, {size}, W] ensures {direction}, diag > 0, invertible
{{
  order {ordering}
  index {index} : {nat}
  space {space} = Image[C, {size}, W]
  act {own_act}({own_variable}) = {own_variable} + {real} * tanh({own_variable})
  param {scale} : scale with diag != 0 via signed_exp
  param {bias} : bias on {space} init {init}
  param {statistic} : normalize
  param {family}[{index}] : conv 3x3 {direction} with diag >= 0 init {init}
  param {map} : conv 1x1 {direction} with diag > 0
  let {member_let} = {real} + {bias}
  map {variable} {{
    let {let}[{index}] = {act}({family}[{index}]({variable}) + {bias})
    return {statistic}({variable}) + sum[{index}]({let}[{index}]) + {map}({own_act}({variable})) + {scale} * {scale}
      + {member_let}
  }}
}}
net {net}({classes}: Nat) from Image[C, H, W] to Vec[{classes}] {{
  param {map} : linear from Vec[C] to Vec[{classes}]
  map {variable} -> {map}(mean_pool({variable}))
}}
flow {outer} on Image[1, 2, 2] {{
  {layer}({act} = {passed})
  {label}: {layer}({nat} = 1, {direction} = upper)
  repeat 2 {{ {looped}: {layer}  repeat 2 {{ {layer} }} }}
  classify {net}({classes} = 3)
}}
"""
PLAIN = {place: f"plain_{place}" for place in PLACES}

DUNDERS = [f"__{word}__" for word in (
    "init", "new", "class", "dict", "doc", "name", "module", "slots", "call", "getattr", "setattr", "import",
    "builtins", "file", "all", "annotations", "del", "hash", "eq", "reduce", "getstate", "setstate", "repr", "version",
    "main", "",
)]  # fmt: skip
GENERATED = """
    self cls x w y z s __a __A __x_ ___ _0 l O I _ __ ___ p_ p_x kept kept_2 kept_3 factory shape device dtype x_in u_in
    d_x d_ d_d_x y_term y_term_2 y_zeros plain_let_in d_plain_map anchor_lower_3x3 anchor_plain_direction_3x3
    plain_scale_sign plain_statistic_mean plain_statistic_var plain_statistic_count own_plain_passed
    act_own_plain_passed act_tanh tanh_value own_h_value blocks plain_layer_0 plain_layer_1 repeat_0 pair prior
    levels functional fronts match case type print exec eval open input nan inf e j True_ None_ E1 e1 x1 _x1 X torch nn
""".split()
WORDS = sorted(
    {
        *keyword.kwlist, *keyword.softkwlist, *dir(builtins), *dir(nn.Module), *helpers(), *LOCALS, *ARGUMENTS,
        *MEMBERS, *(name for name, _ in IMPORTS), *dir(torch.Tensor)[::9], *DUNDERS, *GENERATED,
    }
)  # fmt: skip
LANGUAGE = {*tables.load().words, *BUILTIN, "C", "H", "W", "head"}
NAMES = [word for word in WORDS if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", word) and word not in LANGUAGE]
PROGRAMS = 36
"""Programs of the short test: every name once. The long one has every name in every place."""


def program(first: int, step: int) -> dict[str, str]:
    """Names for all places, from the list on, `step` apart; places that share a scope get different ones."""
    chosen: dict[str, str] = {}
    at = first
    for place in PLACES:
        while NAMES[at % len(NAMES)] in chosen.values():
            at += 1
        chosen[place] = NAMES[at % len(NAMES)]
        at += step
    return chosen


def generated(names: dict[str, str]) -> tuple[str, nn.Module]:
    """The module's text, and an instance."""
    loaded = mintdsl.loads(TEXT.format(**names))
    report = loaded.check()
    assert report.ok, (names, [(d.code, d.title) for d in report.diagnostics])
    text = loaded.generate()
    cls = load_class(text, class_name(names["outer"]))
    return text, cls(dtype=torch.float64).eval()


def calls(text: str) -> set[str]:
    """What a module calls, by its last name; not the program's own layers: attributes of `self`, variables of loops."""
    tree = ast.parse(text)
    targets = (node.target for node in ast.walk(tree) if isinstance(node, ast.For))
    loops = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    called = (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {name.split(".")[-1] for name in called if not name.startswith("self.") and name.split(".")[0] not in loops}


IMPORTED = {line for _, line in IMPORTS} | {"from __future__ import annotations"}


def only_definitions(text: str) -> None:
    """A module is a docstring, imports of torch and the standard library, classes, functions and constants."""
    tree = ast.parse(text)
    first, *rest = tree.body
    assert isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    for node in rest:
        match node:
            case ast.Import(names=names):
                assert {f"import {n.name}" for n in names} <= IMPORTED
            case ast.ImportFrom(module=module, names=names):
                assert {f"from {module} import {n.name}" for n in names} <= IMPORTED
            case ast.ClassDef():
                for inner in node.body:
                    docstring = isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant)
                    assert docstring or isinstance(inner, (ast.FunctionDef, ast.AnnAssign, ast.Assign)), ast.unparse(
                        inner
                    )
            case ast.FunctionDef() | ast.Assign():
                pass
            case _:
                pytest.fail(ast.unparse(node))


@torch.no_grad()
def filled(model: nn.Module) -> nn.Module:
    """The same numbers in the same order, whatever they are called."""
    made = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=made, dtype=tensor.dtype) * 0.3
            tensor.copy_(drawn.abs() + 0.5 if tensor.dim() == 1 and tensor.numel() == 1 else drawn.abs())
    return model


OWN = (("act_", ""), ("", "_value"), ("", "_slope"))  # the functions of an activation that is passed
PLAIN_TEXT, PLAIN_MODEL = generated(PLAIN)
CALLED = calls(PLAIN_TEXT)
INPUT = torch.linspace(-1, 1, 8, dtype=torch.float64).reshape(2, 1, 2, 2)
with torch.no_grad():
    EXPECTED = filled(PLAIN_MODEL)(INPUT)[0]
    LOGITS = PLAIN_MODEL.logits(INPUT)


def compare(names: dict[str, str]) -> None:
    text, model = generated(names)
    only_definitions(text)
    own = {*map(class_name, (names["layer"], names["net"])), *(f"{a}own_{names['passed']}{b}" for a, b in OWN)}
    assert calls(text) - own <= CALLED
    with torch.no_grad():
        torch.testing.assert_close(filled(model)(INPUT)[0], EXPECTED)
        torch.testing.assert_close(model.logits(INPUT), LOGITS)


@pytest.mark.parametrize("number", range(PROGRAMS))
def test_names(number: int) -> None:
    compare(program(number * len(NAMES) // PROGRAMS, 1))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(0, len(NAMES), 8))
def test_every_name_in_every_place(number: int) -> None:
    for first in range(number, min(number + 8, len(NAMES))):
        compare(program(first, 17))


def test_all_names_are_tried() -> None:
    tried = {name for n in range(PROGRAMS) for name in program(n * len(NAMES) // PROGRAMS, 1).values()}
    assert len(tried) == len(NAMES)
    assert {"self", "x", "w", "__init__", "lambda", "torch"} <= set(NAMES)
