"""FrEIA: generated modules in SequenceINN and GraphINN, alone and between its own modules."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from conftest import Library
from interop_modules import DENSITIES, Conditional, base_log_prob, build, class_of, dense_log_det, losses, some, worst
from torch import nn

from mintdsl.interop import InteropError


def net(inputs: int, outputs: int) -> nn.Module:
    """A small subnet for FrEIA's couplings."""
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))


@pytest.mark.parametrize("program", [*DENSITIES, "image layer", "no prior"])
def test_sequence_of_one_bijection(program: str, library: Library) -> None:
    library("FrEIA")
    from FrEIA.framework import SequenceINN

    from mintdsl.interop.freia import Bijection

    module = build(program)
    inn = SequenceINN(*module.event_shape)
    inn.append(Bijection, module=module)
    assert inn.shapes[-1] == tuple(module.latent_shape)
    x = some(module)
    (z, jac), (expected, log_det) = inn(x), module(x)
    assert worst(z, expected) <= 1e-12 and worst(jac, log_det) <= 1e-12
    back, inverse_jac = inn(z, rev=True)
    assert worst(back, module.inverse(z)[0]) <= 1e-12 and worst(inverse_jac, module.inverse(z)[1]) <= 1e-12
    assert torch.equal(inn(x, jac=False)[0], z)
    if program in DENSITIES:
        assert worst(base_log_prob(z) + jac, model_density(module, x)) <= 1e-12


def model_density(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The density of the reals, as the module has it."""
    return model.distribution().log_prob(x)


def sequence():
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import AllInOneBlock, PermuteRandom, RNVPCouplingBlock

    from mintdsl.interop.freia import Bijection

    torch.manual_seed(2)
    inn = SequenceINN(3)
    inn.append(RNVPCouplingBlock, subnet_constructor=net)
    inn.append(Bijection, module=partial(class_of("vector layer"), tri="lower"))
    inn.append(PermuteRandom, seed=1)
    inn.append(AllInOneBlock, subnet_constructor=net)
    inn.append(Bijection, module=build("vector layer"))
    return inn.double()


def test_sequence_with_modules_of_freia(library: Library) -> None:
    library("FrEIA")
    inn, x = sequence(), some(build("vector layer"))
    z, jac = inn(x)
    assert worst(jac, dense_log_det(lambda v: inn(v)[0], x)) <= 1e-12
    back, inverse_jac = inn(z, rev=True)
    assert worst(back, x) <= 1e-9 and worst(inverse_jac, -jac) <= 1e-9

    def loss() -> torch.Tensor:
        z, jac = inn(x)
        return -(base_log_prob(z) + jac).mean()

    first, last = losses([p for p in inn.parameters() if p.requires_grad], loss)
    assert last < first - 0.1
    fresh = sequence()
    fresh.load_state_dict(inn.state_dict())
    assert torch.equal(fresh(x)[1], inn(x)[1])
    assert torch.equal(copy.deepcopy(inn)(x)[1], inn(x)[1])


def test_graph_with_split_and_condition(library: Library) -> None:
    """Ours beside a coupling of theirs in one branch each, then one that takes the condition."""
    library("FrEIA")
    from FrEIA.framework import ConditionNode, GraphINN, InputNode, Node, OutputNode
    from FrEIA.modules import Concat, NICECouplingBlock, Split

    from mintdsl.interop.freia import Bijection

    torch.manual_seed(2)
    start, condition = InputNode(6, name="x"), ConditionNode(2, name="c")
    split = Node(start, Split, {"section_sizes": [3, 3], "dim": 0}, name="split")
    ours = Node(split.out0, Bijection, {"module": build("vector layer")}, name="ours")
    theirs = Node(split.out1, NICECouplingBlock, {"subnet_constructor": net}, name="theirs")
    given = Node(theirs, Bijection, {"module": Conditional()}, conditions=condition, name="given")
    joined = Node([ours.out0, given.out0], Concat, {"dim": 0}, name="joined")
    inn = GraphINN([start, condition, split, ours, theirs, given, joined, OutputNode(joined, name="z")]).double()
    x, c = torch.rand(4, 6, dtype=torch.float64), torch.rand(4, 2, dtype=torch.float64)
    z, jac = inn(x, c=[c])
    rows = [dense_log_det(lambda v, k=k: inn(v, c=[c[k : k + 1]])[0], x[k : k + 1]) for k in range(4)]
    assert worst(jac, torch.cat(rows)) <= 1e-12
    back, inverse_jac = inn(z, c=[c], rev=True)
    assert worst(back, x) <= 1e-9 and worst(inverse_jac, -jac) <= 1e-9


def test_stack_on_images(library: Library) -> None:
    library("FrEIA")
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import Flatten, HaarDownsampling, RNVPCouplingBlock

    from mintdsl.interop.freia import Bijection

    inn = SequenceINN(2, 2, 4)
    inn.append(Bijection, module=class_of("image layer"))
    inn.append(HaarDownsampling)
    inn.append(RNVPCouplingBlock, subnet_constructor=lambda i, o: nn.Conv2d(i, o, 3, padding=1))
    inn.append(Bijection, module=class_of("image layer"))
    inn.append(Flatten)
    x = torch.rand(4, 2, 2, 4, dtype=torch.float64)
    z, jac = inn.double()(x)
    assert z.shape == (4, 16)
    assert worst(jac, dense_log_det(lambda v: inn(v)[0], x)) <= 1e-10
    assert worst(inn(z, rev=True)[0], x) <= 1e-9


def test_what_does_not_fit_is_said_at_construction(library: Library) -> None:
    library("FrEIA")
    from FrEIA.framework import SequenceINN

    from mintdsl.interop.freia import Bijection

    module = build("reals")
    with pytest.raises(InteropError, match=r"Reals is on \(3,\), not on \(4,\)"):
        SequenceINN(4).append(Bijection, module=module)
    with pytest.raises(InteropError, match="takes one input, not 2"):
        Bijection([(3,), (3,)], module=module)
    with pytest.raises(InteropError, match=r"Reals takes conditions of the shapes \[\], not \[\(2,\)\]"):
        Bijection([(3,)], [(2,)], module=module)
    with pytest.raises(InteropError, match=r"Conditional takes conditions of the shapes \[\(2,\)\], not \[\]"):
        Bijection([(3,)], module=Conditional())
