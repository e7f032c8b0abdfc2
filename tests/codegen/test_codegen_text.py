"""The text of generated modules: deterministic, formatted, clean, self-contained; no spec text becomes code."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from codegen_oracle import compile_text, source
from codegen_programs import HEAD, PROGRAMS

import mintdsl

ROOT = Path(__file__).parents[2]
LIBRARY = ("mintnet/mnist_small.mint", "mintnet/mint.mint", "cinc/conv.mint", "emerging/pair.mint")
LIBRARY += ("mintnet/mnist_classifier.mint", "std/batch_norm.mint")

HASHES = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import mintdsl
from codegen_programs import PROGRAMS
for name in ("tie_three", "family_three", "act_passed", "flow_image", "names_of_classes", "flow_repeat_of_several"):
    print(name, hashlib.sha256(mintdsl.loads(PROGRAMS[name]).generate().encode()).hexdigest())
"""


@cache
def texts() -> dict[str, str]:
    """Every program, and the library."""
    found = {name: source(text) for name, text in PROGRAMS.items()}
    for file in LIBRARY:
        found[file.replace("/", "_").removesuffix(".mint")] = mintdsl.load(ROOT / "specs" / file).generate()
    return found


def test_same_bytes_in_every_process() -> None:
    outputs = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", HASHES, str(Path(__file__).parent)]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1] and len(outputs[0].splitlines()) == 6
    name, digest = outputs[0].splitlines()[0].split()
    assert digest == hashlib.sha256(source(PROGRAMS[name]).encode()).hexdigest()


def test_formatted_and_clean(tmp_path: Path) -> None:
    for name, text in texts().items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--line-length", "120", "--target-version", "py311", "--no-cache", str(tmp_path)]
    done = subprocess.run([*ruff, "format", "--check", *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    lint = ["check", "--select", "E,F,I,B,UP", "--output-format", "concise"]
    done = subprocess.run([*ruff, *lint, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


def test_imports_only_torch_and_the_standard_library() -> None:
    for name, text in texts().items():
        lines = [line for line in text.splitlines() if line.lstrip().startswith(("import ", "from "))]
        roots = {line.split()[1].split(".")[0] for line in lines}
        assert roots <= {"torch"} | set(sys.stdlib_module_names), name
        assert "import_module" not in text and "__import__" not in text and "mintdsl." not in text, name


def test_only_what_is_used_is_copied() -> None:
    for name, text in list(texts().items())[::8]:
        tree = ast.parse(text)
        defined = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        classes = [n for n in tree.body if isinstance(n, ast.ClassDef)]
        roots = {n.name for n in classes if any(ast.unparse(b) == "nn.Module" for b in n.bases)}
        assert defined - used <= roots, (name, defined - used - roots)


def test_reading_order() -> None:
    """Header, classes in the order of use with forward first, helpers last."""
    text = source(PROGRAMS["flow_of_library"])
    assert text.startswith('"""F')
    names = [n.name for n in ast.parse(text).body if isinstance(n, (ast.ClassDef, ast.FunctionDef))]
    assert names.index("Mint") < names.index("MintPair") < names.index("F" if "F" in names else "F_")
    assert names.index("Mint") < names.index("family_conv")
    layer = next(n for n in ast.parse(text).body if isinstance(n, ast.ClassDef) and n.name == "Mint")
    assert [n.name for n in layer.body if isinstance(n, ast.FunctionDef)][:2] == ["forward", "inverse"]
    assert "# rule TIE, mint.mint:23" in text


def test_one_class_per_definition() -> None:
    text = source(PROGRAMS["flow_sizes_divided"])
    classes = [n.name for n in ast.parse(text).body if isinstance(n, ast.ClassDef)]
    assert classes.count("A") == 1 and classes.count("G") == 1


def test_tracebacks_show_the_text() -> None:
    import inspect
    import traceback

    cls = mintdsl.loads(PROGRAMS["tie_three"]).compile("A", K=3)
    assert inspect.getsource(cls).startswith("class A(nn.Module):")
    try:
        cls((1, 2, 2))(torch.zeros(1))
    except ValueError as error:
        assert "flatten_batch(x, self.event_shape" in "".join(traceback.format_exception(error))


# ---------------------------------------------------------------- hostile text

HOSTILE = [
    '""" + __import__("os").system("touch owned") + """',
    "'''",
    'ends with a quote"',
    "ends with a backslash \\",
    "\\N{BULLET} \\x41 \\u0041 \\",
    "{self} {0} %s {{}}",
    "tab\there\x0bvertical\x0cfeed\x85next\u2028line\u2029paragraph",
    "caf\u00e9 \u6f22\u5b57 \u202e right to left \u200b zero width \U0001f600",
    "# type: ignore  # noqa: E501",
    '"""',
    '\\"""',
    '"' * 7,
]


@pytest.mark.parametrize("words", HOSTILE)
def test_doc_comments_stay_comments(words: str) -> None:
    text = (
        HEAD
        + f"""
## {words}
## {words}
layer A on Vec[D] ensures lower, invertible {{
  ## {words}
  param V : linear lower with diag > 0
  map x -> V(x) + tanh(V(x))  # {words}
}}
## {words}
flow F on Vec[3] {{ A  prior normal }}"""
    )
    module = source(text)
    reference = source(text.replace(words, "plain"))
    assert structure(module) == structure(reference)
    compile(module, "module", "exec")
    at = compile_text(text)
    assert at.build()(torch.zeros(2, 3, dtype=torch.float64))[0].shape == (2, 3)


def structure(text: str) -> str:
    """The tree without docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0].value.value = ""
    dumped = ast.dump(tree)
    return "".join(dumped.split(hash_of(text))) if hash_of(text) else dumped


def hash_of(text: str) -> str:
    return text.partition("spec_hash ")[2].partition("\n")[0]


@pytest.mark.parametrize(
    "file", ['a"""b.mint', "a'b.mint", "new\nline.mint", "back\\slash.mint", "\u202emint", "{x}.mint"]
)
def test_file_names_stay_names(file: str) -> None:
    text = HEAD + "layer A on Vec[D] ensures invertible { param s : scale with diag > 0 map x -> s * x + tanh(x) }"
    module = mintdsl.loads(text, file).generate()
    assert structure(module) == structure(mintdsl.loads(text, "plain.mint").generate()).replace(
        "plain.mint", shown(module)
    )


def shown(module: str) -> str:
    """How the file is called in the messages of a module."""
    return module.partition('self.event_shape, "x", "')[2].partition(":")[0]


def test_formulas_in_comments() -> None:
    """Formulas are quoted in comments, on one line."""
    text = (
        HEAD
        + """
layer A on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  map x -> V(x)   # a comment with """
        + '"""'
        + """
    + tanh(
        V(x))
}"""
    )
    module = source(text)
    ast.parse(module)
    assert all(len(line) <= 120 for line in module.splitlines())


@pytest.mark.parametrize("length", [40, 110])
def test_long_names(length: int) -> None:
    name = "a" * length
    text = (
        HEAD
        + f"""
layer {name.capitalize()} on Image[C, H, W] ensures lower, invertible {{
  index {name}i : 2
  param {name}w[{name}i] : conv 3x3 lower with diag >= 0
  param {name}b : bias
  map x {{
    let {name}u[{name}i] = tanh({name}w[{name}i](x) + {name}b)
    return x + sum[{name}i]({name}u[{name}i])
  }}
}}
flow F on Image[1, 2, 2] {{ {name}: {name.capitalize()}  prior normal }}"""
    )
    at = compile_text(text)
    assert at.build()(torch.zeros(2, 1, 2, 2, dtype=torch.float64))[1].shape == (2,)
