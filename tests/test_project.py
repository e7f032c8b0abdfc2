"""The house rules that a program can check, and the wheel."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch

import mintdsl
from mintdsl.codegen.generate import VERSION

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mintdsl"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

# Imports point upwards in this list; what stands on one line does not import each other. "" is `mintdsl` itself.
LAYERS = (
    ("source", "records", "resources", "limits"),
    ("diagnostics",),
    ("syntax",),
    ("core",),
    ("proof",),
    ("codegen",),
    ("files",),
    ("driver",),
    ("",),
    ("runtime",),
    ("interop", "data", "verify", "train"),
    ("tools",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# What `mint check` loads.
LIGHT = {name for names in LAYERS[: RANK[""] + 1] for name in names}
HEAVY = {"torch", "numpy", "pydantic", "networkx", "PIL", "tqdm", "graphviz", "click", "lark"}

READS_AND_WRITES = (
    "files.py",
    "resources.py",
    "syntax/tables.py",
    "codegen/helpers.py",
    "diagnostics/codes.py",
    "train/pictures.py",
    "data/",
    "tools/",
)
IO_MODULES = {"builtins", "glob", "http", "importlib", "io", "os", "pathlib", "shutil", "socket", "subprocess"}
IO_MODULES |= {"tempfile", "urllib"}
IO_CALLS = {"open", "print", "input"}
IO_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink"}
RUNS_TEXT = {"exec", "eval", "compile", "__import__"}

LONGEST = 450
# Still too long: these may shrink, not grow.
TOO_LONG = {"interop/mintnet.py": 480}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / module).read_text(encoding="utf-8"))


def layer(module: str) -> str:
    """The layer of a file, or of a dotted name below `mintdsl`."""
    first = module.removesuffix(".py").replace("/", ".").split(".")[0]
    return first if first in RANK else ""


def imports(module: str, *, types: bool) -> Iterator[tuple[str, bool, int]]:
    """Each imported name, whether it is imported on first use only, and its line; with or without `TYPE_CHECKING`."""

    def walk(node: ast.AST, lazy: bool) -> Iterator[tuple[str, bool, int]]:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            if types:
                for child in node.body:
                    yield from walk(child, lazy)
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, lazy, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, f"{module}:{node.lineno} is a relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", lazy, node.lineno
        for child in ast.iter_child_nodes(node):
            yield from walk(child, lazy or isinstance(node, ast.FunctionDef))

    yield from walk(tree(module), False)


def test_every_file_has_a_layer() -> None:
    assert [module for module in MODULES if layer(module) == ""] == ["__init__.py", "__main__.py"]


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    own = layer(module)
    for name, lazy, line in imports(module, types=True):
        if not name.startswith("mintdsl."):
            continue
        other = layer(name.removeprefix("mintdsl."))
        if other == own or (own, other, lazy) == ("driver", "runtime", True):
            continue  # Program.compile runs what was generated
        if module != "__main__.py":  # the door to the command line
            assert RANK[other] < RANK[own], f"{module}:{line} imports {name}"
        if own == "runtime":
            pytest.fail(f"{module}:{line}: the runtime imports only torch and itself, not {name}")


@pytest.mark.parametrize("module", [m for m in MODULES if layer(m) in LIGHT])
def test_checking_needs_no_library(module: str) -> None:
    for name, _, line in imports(module, types=False):
        assert name.split(".")[0] not in HEAVY, f"{module}:{line} imports {name}"


@pytest.mark.parametrize("module", [m for m in MODULES if layer(m) == "runtime"])
def test_the_runtime_needs_only_torch(module: str) -> None:
    for name, _, line in imports(module, types=True):
        first = name.split(".")[0]
        own = {"torchdiffeq"} if module == "runtime/ode.py" else set()  # in a function, for continuous flows only
        assert first in {"torch", "mintdsl", *own, *sys.stdlib_module_names}, f"{module}:{line} imports {name}"


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith(READS_AND_WRITES)])
def test_files_are_read_and_written_in_few_places(module: str) -> None:
    if module != "codegen/naming.py":  # names to avoid, from builtins and keyword
        for name, _, line in imports(module, types=False):
            assert name.split(".")[0] not in IO_MODULES, f"{module}:{line} imports {name}"
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in IO_CALLS, f"{module}:{node.lineno} calls {node.func.id}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in IO_METHODS, f"{module}:{node.lineno} uses .{node.attr}"
            stream = isinstance(node.value, ast.Name) and node.value.id == "sys" and node.attr.startswith("std")
            assert not stream, f"{module}:{node.lineno} uses sys.{node.attr}"


@pytest.mark.parametrize("module", [m for m in MODULES if m != "runtime/loading.py"])
def test_text_becomes_code_in_one_place(module: str) -> None:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in RUNS_TEXT, f"{module}:{node.lineno} calls {node.func.id}"


@pytest.mark.parametrize("module", MODULES)
def test_a_file_says_what_it_is(module: str) -> None:
    empty = module.endswith("__init__.py") and not tree(module).body
    assert empty or ast.get_docstring(tree(module)), f"{module} has no docstring"


@pytest.mark.parametrize("module", MODULES)
def test_a_file_is_short(module: str) -> None:
    lines = len((PACKAGE / module).read_text(encoding="utf-8").splitlines())
    assert lines <= TOO_LONG.get(module, LONGEST), f"{module} has {lines} lines"


@pytest.mark.parametrize("module", MODULES)
def test_no_signature_says_any(module: str) -> None:
    for node in ast.walk(tree(module)):
        if not isinstance(node, ast.FunctionDef):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        for part in [node.returns, *(a.annotation for a in arguments if a is not None)]:
            words = ast.walk(part) if part is not None else ()
            assert not any(isinstance(w, ast.Name) and w.id == "Any" for w in words), f"{module}:{node.lineno}"


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {line.split(">")[0] for line in project["dependencies"]}
    known = {*sys.stdlib_module_names, *declared, "mintdsl", "PIL", "torchdiffeq"}
    adapted = {line.split(">")[0] for line in project["optional-dependencies"]["interop"]} | {"pytorch_lightning"}
    for module in MODULES:
        for name, _, line in imports(module, types=True):
            if module != "tools/grammar.py":  # for development only; it needs lark
                also = adapted if layer(module) == "interop" else set()
                assert name.split(".")[0] in known | also, f"{module}:{line} imports {name}"


def test_there_is_one_version() -> None:
    version = mintdsl.__version__
    assert VERSION == version
    assert version in mint("--version")


def test_pages_link_to_what_exists() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        text = "".join(page.read_text(encoding="utf-8").split("```")[::2])
        for target in re.findall(r"\]\(([^)#:]+)\)", re.sub("`[^`]*`", "", text)):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
        for path in re.findall(r"`([a-z_]+/[a-z_/]+\.[a-z]+)`", text):
            assert (ROOT / path).exists() or (PACKAGE / path).exists(), f"{page.name} names {path}"


def test_constraints_pin_what_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"}
    extras = project["optional-dependencies"]
    wanted = {re.split(r"[>\[]", line)[0] for line in [*project["dependencies"], *extras["dev"], *extras["interop"]]}
    assert wanted <= pinned


def blocks(language: str) -> list[str]:
    """The blocks of the README that are marked with `language`."""
    parts = (ROOT / "README.md").read_text(encoding="utf-8").split("```")[1::2]
    return [body for mark, _, body in (part.partition("\n") for part in parts) if mark == language]


def mint(*arguments: str) -> str:
    """What a command writes."""
    command = [sys.executable, "-m", "mintdsl.tools.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.stdout


def occurs(part: str, whole: str) -> bool:
    """Whether the lines of `part` are lines of `whole`, in their order; `whole` may have others between them."""
    rest = iter(whole.splitlines())
    return all(any(line == other for other in rest) for line in part.splitlines())


def test_the_readme_shows_real_text() -> None:
    (spec,) = blocks("mint")
    proof, refused = blocks("text")
    generated, _ = blocks("python")
    assert occurs(spec, (ROOT / "specs" / "mintnet" / "mint.mint").read_text(encoding="utf-8"))
    assert occurs(proof, mint("prove", "mintnet/mint.mint", "Mint"))
    assert occurs(generated, mint("build", "mintnet/mint.mint", "Mint"))
    assert occurs(refused, mint("check", "tests/programs/refused/sign_no_tie.mint"))


@pytest.mark.slow
def test_the_readme_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    _, example = blocks("python")
    names: dict[str, torch.Tensor] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert torch.allclose(names["x"], names["x_again"], atol=1e-4)
    assert names["bits"].shape == (2,)


CHECK = """
import json, resource, runpy, sys
sys.argv = ["mint", "check", "mintnet/mnist_small.mint"]
try:
    runpy.run_module("mintdsl.tools.cli", run_name="__main__", alter_sys=True)
    code = None
except SystemExit as stop:
    code = stop.code
import mintdsl
usage = resource.getrusage(resource.RUSAGE_SELF)
print()
print(json.dumps({"code": code or 0, "file": mintdsl.__file__, "modules": sorted(sys.modules),
                  "cpu": usage.ru_utime + usage.ru_stime}))
"""


@pytest.mark.slow
def test_the_wheel_works_without_the_checkout(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = (tmp_path / "dist").glob("mintdsl-*.whl")
    installed = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(installed), str(wheel)], check=True)
    for part in ("py.typed", "_resources/grammars/mint.tables.json", "_resources/specs/mintnet/mint.mint"):
        assert (installed / "mintdsl" / part).is_file()
    assert list((installed / "mintdsl" / "data" / "embedded").glob("*.gz"))
    assert list((installed / "mintdsl" / "diagnostics" / "pages").glob("*.md"))

    elsewhere, home = tmp_path / "elsewhere", tmp_path / "home"
    elsewhere.mkdir()
    home.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", CHECK], cwd=elsewhere, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    text, _, last = done.stdout.rstrip().rpartition("\n")
    outcome = json.loads(last)
    assert outcome["code"] == 0, text + done.stderr
    assert "MnistSmall" in text
    assert Path(outcome["file"]).is_relative_to(installed)
    assert not {"torch", "numpy", "pydantic", "networkx"} & set(outcome["modules"])
    assert not list(home.iterdir())
    print(f"mint check mintnet/mnist_small.mint: {outcome['cpu']:.2f} s of CPU")
