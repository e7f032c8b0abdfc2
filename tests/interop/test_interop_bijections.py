"""Every adapter of a bijection, called as its library calls it: the module's numbers, in the library's direction."""

from __future__ import annotations

import copy
import importlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import Library
from interop_modules import (
    BIJECTIONS,
    Conditional,
    build,
    class_of,
    dense_log_det,
    some,
    worst,
)
from torch import Tensor, nn

from mintdsl.interop import InteropError
from mintdsl.interop.distributions import transform

ROOT = Path(__file__).parents[2]
Way = Callable[[Tensor], tuple[Tensor, Tensor]]
LIBRARIES = ["torch", "zuko", "nflows", "normflows", "FrEIA"]
MODULES = {"zuko": "zuko", "nflows": "nflows", "normflows": "normflows", "FrEIA": "freia"}


def adapter(name: str, module: nn.Module, **options: object) -> nn.Module:
    """The Bijection of a library."""
    cls = importlib.import_module(f"mintdsl.interop.{MODULES[name]}").Bijection
    if name != "FrEIA":
        return cls(module, **options)
    conditions = None if getattr(module, "context_shape", None) is None else [module.context_shape]
    return cls([module.event_shape], conditions, module=module)


def ways(name: str, made: nn.Module, context: Tensor | None = None) -> tuple[Way, Way]:
    """Data to latent and latent to data, each with the log-det of its direction, as the library itself has them."""
    if name in ("torch", "zuko"):
        found = transform(made, context) if name == "torch" else made(context)

        def there(x: Tensor) -> tuple[Tensor, Tensor]:
            z = found(x)
            return z, found.log_abs_det_jacobian(x, z)

        def back(z: Tensor) -> tuple[Tensor, Tensor]:
            x = found.inv(z)
            return x, found.inv.log_abs_det_jacobian(z, x)

        return (found.call_and_ladj if name == "zuko" else there), back
    if name == "nflows":
        return partial(made, context=context), partial(made.inverse, context=context)
    if name == "normflows":
        return partial(made.inverse, context=context), partial(made, context=context)

    def run(x: Tensor, rev: bool) -> tuple[Tensor, Tensor]:
        (y,), jac = made((x,), c=None if context is None else [context], rev=rev)
        return y, jac

    return partial(run, rev=False), partial(run, rev=True)


def both(name: str, module: nn.Module, context: Tensor | None = None) -> tuple[Way, Way]:
    return ways(name, module if name == "torch" else adapter(name, module), context)


@pytest.mark.parametrize("program", BIJECTIONS)
@pytest.mark.parametrize("name", LIBRARIES)
def test_values_are_those_of_the_module(name: str, program: str, library: Library) -> None:
    library(name)
    module = build(program)
    x = some(module)
    there, back = both(name, module)
    z, log_det = there(x)
    expected, expected_det = module(x)
    assert worst(z, expected) <= 1e-12 and worst(log_det, expected_det) <= 1e-12
    assert worst(log_det, dense_log_det(lambda v: there(v)[0], x)) <= 1e-10
    again, inverse_det = back(z)
    expected, expected_det = module.inverse(z)
    assert worst(again, expected) <= 1e-12 and worst(inverse_det, expected_det) <= 1e-12
    assert worst(again, x) <= 1e-9 and worst(inverse_det, -log_det) <= 1e-9


@pytest.mark.parametrize("program", BIJECTIONS)
@pytest.mark.parametrize("name", LIBRARIES)
def test_gradients_are_those_of_the_module(name: str, program: str, library: Library) -> None:
    library(name)
    module = build(program)
    there, back = both(name, module)
    x = some(module).requires_grad_()
    inputs = [x, *module.parameters()]
    for way, own in ((there, module), (back, module.inverse)):
        start = x if own is module else module(some(module, seed=6))[0].detach().requires_grad_()
        inputs[0] = start
        value, log_det = way(start)
        expected, expected_det = own(start)
        found = torch.autograd.grad(value.sin().sum() + log_det.sum(), inputs, allow_unused=True)
        wanted = torch.autograd.grad(expected.sin().sum() + expected_det.sum(), inputs, allow_unused=True)
        assert any(g is not None and bool(g.any()) for g in found[1:])
        for mine, its in zip(found, wanted, strict=True):
            assert (mine is None) == (its is None)
            assert mine is None or worst(mine, its) <= 1e-12


@pytest.mark.parametrize("program", ["reals", "images"])
@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dtype(name: str, program: str, dtype: torch.dtype, library: Library) -> None:
    library(name)
    module = build(program)
    made = module.to(dtype) if name == "torch" else adapter(name, module).to(dtype)
    there, back = ways(name, made)
    z, log_det = there(some(module, dtype=dtype))
    assert z.dtype == log_det.dtype == dtype
    again, inverse_det = back(z)
    assert again.dtype == inverse_det.dtype == dtype


@pytest.mark.parametrize("name", LIBRARIES)
def test_device(name: str, library: Library) -> None:
    library(name)
    module = build("images")
    made = module.to("meta") if name == "torch" else adapter(name, module).to("meta")
    z, log_det = ways(name, made)[0](torch.zeros(2, 1, 4, 4, device="meta", dtype=torch.float64))
    assert z.is_meta and log_det.is_meta


@pytest.mark.parametrize("name", LIBRARIES)
def test_autocast(name: str, library: Library) -> None:
    library(name)
    module = build("images").float()
    there, _ = both(name, module)
    x = some(module, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        z, log_det = there(x)
        expected, expected_det = module(x)
    assert log_det.dtype == torch.float32
    assert torch.equal(z, expected) and torch.equal(log_det, expected_det)


@pytest.mark.parametrize("name", LIBRARIES)
def test_empty_batch(name: str, library: Library) -> None:
    library(name)
    module = build("images")
    there, back = both(name, module)
    z, log_det = there(some(module, 0))
    assert z.shape == (0, 4, 2, 2) and log_det.shape == (0,)
    assert back(z)[0].shape == (0, 1, 4, 4)


@pytest.mark.parametrize("name", LIBRARIES[1:])
def test_state_dict_and_deepcopy(name: str, library: Library) -> None:
    library(name)
    made, fresh = adapter(name, build("reals")), adapter(name, build("reals", seed=1))
    x = some(made.module)
    expected = ways(name, made)[0](x)[0]
    assert set(made.state_dict()) == {f"module.{key}" for key in made.module.state_dict()}
    assert {*made.parameters()} == {*made.module.parameters()}
    fresh.load_state_dict(made.state_dict())
    assert torch.equal(ways(name, fresh)[0](x)[0], expected)
    copied = copy.deepcopy(made)
    with torch.no_grad():
        for p in made.parameters():
            p.add_(1.0)
    assert torch.equal(ways(name, copied)[0](x)[0], expected)
    assert not torch.equal(ways(name, made)[0](x)[0], expected)


@pytest.mark.parametrize("name", ["torch", "zuko"])
def test_leading_dimensions(name: str, library: Library) -> None:
    library(name)
    module = build("images")
    there, back = both(name, module)
    x = some(module, 6).reshape(2, 3, 1, 4, 4)
    z, log_det = there(x)
    assert z.shape == (2, 3, 4, 2, 2) and log_det.shape == (2, 3)
    assert worst(back(z)[0], x) <= 1e-9


# ---------------------------------------------------------------- contexts


@pytest.mark.parametrize("name", LIBRARIES)
def test_context_reaches_the_module(name: str, library: Library) -> None:
    library(name)
    module = Conditional()
    x, context = some(module), some(module, seed=8)[:, :2]
    there, back = both(name, module, context)
    z, log_det = there(x)
    expected, expected_det = module(x, context)
    assert torch.equal(z, expected) and torch.equal(log_det, expected_det)
    again, inverse_det = back(z)
    assert worst(again, x) <= 1e-14 and worst(inverse_det, -log_det) <= 1e-14
    other, _ = both(name, module, context + 1.0)
    assert worst(other(x)[0], z) > 0.1


@pytest.mark.parametrize("name", LIBRARIES)
def test_context_is_broadcast(name: str, library: Library) -> None:
    library(name)
    module = Conditional()
    x, context = some(module), some(module, seed=8)[:1, :2]
    z, _ = both(name, module, context)[0](x)
    assert torch.equal(z, module(x, context.expand(4, 2))[0])


@pytest.mark.parametrize("name", LIBRARIES)
def test_context_that_does_not_fit(name: str, library: Library) -> None:
    library(name)
    module, x = Conditional(), some(Conditional())
    for context, text in (
        (None, r"Conditional needs a context that ends in \[2\]"),
        (torch.zeros(4, 5, dtype=torch.float64), r"context has shape \[4, 5\], but must end in \[2\]"),
        (torch.zeros(3, 2, dtype=torch.float64), r"leading dimensions of x and context, \[4\] and \[3\]"),
    ):
        for way in both(name, module, context):
            with pytest.raises(InteropError, match=text.replace("of x", "of [xz]")):
                way(x)


@pytest.mark.parametrize("name", LIBRARIES)
def test_context_that_is_not_wanted(name: str, library: Library) -> None:
    library(name)
    module = build("reals")
    x, context = some(module), torch.zeros(4, 2, dtype=torch.float64)
    for way in both(name, module, context):
        with pytest.raises(InteropError, match="Reals takes no context"):
            way(x)
    if name == "torch":
        assert torch.equal(transform(module, context, ignore_context=True)(x), module(x)[0])
    elif name != "FrEIA":  # whose graph says which module gets which condition
        there, back = ways(name, adapter(name, module, ignore_context=True), context)
        assert torch.equal(there(x)[0], module(x)[0]) and worst(back(there(x)[0])[0], x) <= 1e-9


# ---------------------------------------------------------------- modules that cannot be adapted


@pytest.mark.parametrize("name", LIBRARIES)
def test_padded_flows_have_no_log_det(name: str, library: Library) -> None:
    library(name)
    module = build("padded")
    with pytest.raises(InteropError, match="F has no log-det: it raises the dimension from 4 to 12"):
        transform(module) if name == "torch" else adapter(name, module)


@pytest.mark.parametrize("name", LIBRARIES)
def test_other_modules(name: str, library: Library) -> None:
    library(name)
    module = nn.Linear(3, 3)
    module.event_shape = (3,)
    with pytest.raises(InteropError, match="Linear is no generated layer or flow: it has no latent_shape"):
        transform(module) if name == "torch" else adapter(name, module)


@pytest.mark.parametrize("name", LIBRARIES)
def test_shapes(name: str, library: Library) -> None:
    library(name)
    there, back = both(name, build("images"))
    with pytest.raises(InteropError, match=r"Images: x has shape \[2, 4, 4\], but must end in \[1, 4, 4\]"):
        there(torch.zeros(2, 4, 4, dtype=torch.float64))
    with pytest.raises(InteropError, match=r"Images: z has shape \[2, 1, 4, 4\], but must end in \[4, 2, 2\]"):
        back(torch.zeros(2, 1, 4, 4, dtype=torch.float64))


@pytest.mark.parametrize("name", LIBRARIES)
def test_statistics_of_a_batch_are_no_bijection(name: str, library: Library) -> None:
    """As the module's log_prob has it: what a batch norm does to a batch in training has another Jacobian."""
    library(name)
    module = build("batch norm")
    x = some(module)
    there, back = both(name, module)
    expected = module(x)[0]
    module.train()
    for way in (there, back):
        with pytest.raises(RuntimeError, match="evaluation mode"):
            way(x)
    next(m for m in module.modules() if hasattr(m, "statistics")).statistics = "running"
    assert torch.equal(there(x)[0], expected)


def test_importing_interop_imports_no_library() -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import mintdsl.interop, mintdsl.interop.distributions; "
        "print(*{m.split('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mintdsl"] or set(done.stdout.split()) == {"mintdsl", "torch"}


def test_classes_stay_what_they_are() -> None:
    """Adapters add nothing to generated modules."""
    module = build("reals")
    before = set(vars(module))
    transform(module)(some(module))
    assert set(vars(module)) == before and type(module) is class_of("reals")


@pytest.mark.parametrize("name", ["nflows", "normflows", "FrEIA"])
def test_compiles_in_one_graph(name: str, library: Library) -> None:
    library(name)
    torch._dynamo.reset()
    made = adapter(name, build("images"))
    x = some(made.module)
    found = torch.compile(ways(name, made)[0], fullgraph=True, backend="eager")(x)
    expected = made.module(x)
    assert worst(found[0], expected[0]) <= 1e-12 and worst(found[1], expected[1]) <= 1e-12


@pytest.mark.parametrize("name", LIBRARIES[1:])
def test_pickles(name: str, library: Library) -> None:
    library(name)
    made = adapter(name, build("reals"))
    again, x = pickle.loads(pickle.dumps(made)), some(made.module)
    assert torch.equal(ways(name, again)[0](x)[0], ways(name, made)[0](x)[0])


@pytest.mark.parametrize("name", LIBRARIES)
def test_no_inverse_outside_of_the_image(name: str, library: Library) -> None:
    """What is injective only has no data for some latents: an error, never a number."""
    library(name)
    _, back = both(name, build("injective"))
    with pytest.raises(RuntimeError, match="A_0"):
        back(torch.full((2, 3), 2.0, dtype=torch.float64))
