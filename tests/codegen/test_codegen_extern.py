"""Extern nets: what a constructor takes, what a call checks, and that the user's module is part of the model."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import torch
from codegen_oracle import compile_text, data_of, dense_jacobian, worst
from torch import Tensor, nn

import mintdsl
from mintdsl.tools.show import lines
from mintdsl.verify.run import verify

torch.set_num_threads(1)

COUPLING = """mint 1
extern net CondNet from Vec[N] to (Vec[N], Vec[N])
layer Coupling on Vec[D] ensures invertible {
  space Half = Vec[D / 2]
  param n : net CondNet from Half to (Half, Half)
  map x {
    let (a, b) = split(x, halves)
    let (s, m) = n(a)
    return join(a, b * exp(tanh(s)) + m)
  }
}
"""
ONE = COUPLING + "flow F on Vec[6] ensures invertible { Coupling  prior normal }"
MANY = (
    COUPLING
    + "flow F(K: Nat = 2) on Vec[6] ensures invertible { repeat K { Coupling  reverse(axis = all) }  prior normal }"
)


class Net(nn.Module):
    """A net of the user's, with whatever stands in it."""

    def __init__(self, *inside: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 16), *inside, nn.GELU(), nn.Linear(16, 6))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.body(x).chunk(2, -1)


def fresh(sources: tuple[tuple[int, ...], ...], targets: tuple[tuple[int, ...], ...]) -> Net:
    assert (sources, targets) == (((3,),), ((3,), (3,)))
    return Net()


def model_of(text: str, given: object, **options: object) -> nn.Module:
    return compile_text(text).cls(cond_net=given, **options).eval()


def test_a_module_for_one_place() -> None:
    net = Net()
    model = model_of(ONE, net)
    assert type(model).externs == ("cond_net",)
    assert model.Coupling_0.n.module is net
    assert [k for k in model.state_dict() if k.startswith("Coupling_0.n.module.body.0")]
    assert set(model.parameters()) == set(net.parameters())


@pytest.mark.parametrize("given", [fresh, Net()], ids=["callable", "module"])
def test_a_flow_is_what_its_jacobian_says(given: object) -> None:
    model = model_of(ONE if isinstance(given, nn.Module) else MANY, given, dtype=torch.float64)
    at = compile_text(ONE)
    x = data_of(at, 4)
    z, log_det = model(x)
    dense = torch.stack([dense_jacobian(model, row) for row in x])
    assert worst(log_det, torch.linalg.slogdet(dense).logabsdet) <= 1e-12
    back, inverse_det = model.inverse(z)
    assert worst(back, x) <= 1e-12 and worst(inverse_det, -log_det) <= 1e-12
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1) + log_det
    assert worst(model.log_prob(x), expected) <= 1e-12


def test_one_module_at_several_places_is_refused() -> None:
    net = Net()
    for given in (net, lambda *_: net):
        with pytest.raises(ValueError, match=r"one module stands at several places of F \(the extern net CondNet \("):
            model_of(MANY, given)
    model_of(MANY, net, K=1)
    with pytest.raises(ValueError, match="would share its weights"):  # a part of it is shared
        model_of(MANY, lambda *_: Net(net.body[0]))
    both = "layer A on Vec[D] { param b : bias  param n : net N  param m : net M  map x -> x + n(b) + m(b) }"
    cls = compile_text(f"mint 1 extern net N from S to S extern net M from S to S {both}", (3,)).cls
    linear = nn.Linear(3, 3)
    with pytest.raises(ValueError, match=r"the extern net . \(<text>:1\) and the extern net"):
        cls((3,), n=linear, m=linear)
    cls((3,), n=linear, m=nn.Linear(3, 3))
    cls((3,), n=nn.Tanh(), m=nn.Tanh())


@pytest.mark.parametrize(
    ("given", "found"),
    [(3, "int"), (None, "NoneType"), (lambda *_: torch.tanh, "a callable that makes")],
)
def test_what_is_no_module_is_refused(given: object, found: str) -> None:
    with pytest.raises(TypeError, match=r"the extern net CondNet \(<text>:2\) takes an nn.Module") as caught:
        model_of(ONE, given)
    assert found in str(caught.value) and "\n" not in str(caught.value)


def test_a_module_is_needed() -> None:
    with pytest.raises(TypeError, match="cond_net"):
        compile_text(ONE).cls()


class Gives(nn.Module):
    """A module that gives what it is told to."""

    def __init__(self, what: object) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> object:
        return self.what


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (torch.zeros(2, 3), "promises 2 results, its module gave 1"),
        ((torch.zeros(2, 3),) * 3, "promises 2 results, its module gave 3"),
        ((torch.zeros(2, 3), torch.zeros(2, 4)), "result 2, promises shape [2, 3], its module gave [2, 4]"),
        ((torch.zeros(3), torch.zeros(2, 3)), "result 1, promises shape [2, 3], its module gave [3]"),
        ((torch.zeros(1, 3), torch.zeros(2, 3)), "result 1, promises shape [2, 3], its module gave [1, 3]"),
        ((torch.zeros(2, 3), None), "result 2, promises a tensor, its module gave a NoneType"),
        (
            (torch.zeros(2, 3).long(), torch.zeros(2, 3)),
            "result 1, promises floating numbers, its module gave torch.int64",
        ),
    ],
)
def test_results_are_checked(what: object, message: str) -> None:
    model = model_of(ONE, Gives(what))
    for call in (model, model.inverse):
        with pytest.raises(ValueError) as caught:
            call(torch.zeros(2, 6))
        assert str(caught.value).startswith("the extern net CondNet (<text>:2)")
        assert message in str(caught.value) and "\n" not in str(caught.value)


CHANGING = [
    (nn.Dropout(0.5), "Dropout in the extern net CondNet (<text>:2) is random in training mode"),
    (nn.AlphaDropout(0.5), "AlphaDropout in the extern net"),
    (nn.BatchNorm1d(16), "BatchNorm1d in the extern net CondNet (<text>:2) depends on the rest of the batch"),
]


@pytest.mark.parametrize(("inside", "message"), CHANGING, ids=lambda case: str(case)[:9])
def test_an_inverse_needs_a_function(inside: nn.Module, message: str) -> None:
    model = model_of(ONE, Net(inside)).train()
    x = torch.randn(5, 6)
    z, _ = model(x)  # training goes on
    model.log_prob(x).sum().backward()
    for call in (lambda: model.inverse(z), lambda: model.Coupling_0.inverse(z), lambda: model.sample((2,))):
        with pytest.raises(RuntimeError) as caught:
            call()
        assert message in str(caught.value) and "eval()" in str(caught.value)
    model.eval()
    z, _ = model(x)
    assert worst(model.inverse(z)[0], x) <= 1e-5
    model.train()
    model.Coupling_0.n.module.eval()
    assert worst(model.inverse(z)[0], x) <= 1e-5


def test_what_does_not_change_is_inverted_in_training_mode() -> None:
    for inside in (nn.Dropout(0.0), nn.LayerNorm(16), nn.Identity()):
        model = model_of(ONE, Net(inside)).train()
        x = torch.randn(5, 6)
        assert worst(model.inverse(model(x)[0])[0], x) <= 1e-5
    model = model_of(ONE, Net(nn.BatchNorm1d(16, track_running_stats=False)))
    with pytest.raises(RuntimeError, match="let it track running statistics"):
        model.inverse(torch.zeros(5, 6))


def test_copies_and_freezing() -> None:
    model = model_of(MANY, fresh)
    x = torch.randn(4, 6)
    z = model(x)[0]
    other = copy.deepcopy(model)
    assert torch.equal(other(x)[0], z)
    other.load_state_dict(model_of(MANY, fresh).state_dict(), strict=True)
    assert not torch.equal(other(x)[0], z)
    again = pickle.loads(pickle.dumps(model.Coupling_0[0].n.module))
    assert torch.equal(again(x[:, :3])[0], model.Coupling_0[0].n.module(x[:, :3])[0])
    with model.frozen():
        assert torch.equal(model(x)[0], z) and worst(model.inverse(z)[0], x) <= 1e-5
    assert [path for path, _, _ in model.trace(x)] == ["Coupling_0.0", "Coupling_0.1"]


def test_dtypes() -> None:
    model = model_of(ONE, Net(), dtype=torch.float64)
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    x = torch.randn(4, 6)
    narrow = model.float()
    z, log_det = narrow(x.double())  # the module keeps its own digits, and the rest those of x
    assert z.dtype == log_det.dtype == torch.float64
    assert worst(narrow.inverse(z)[0], x.double()) <= 1e-12
    with torch.autocast("cpu", torch.bfloat16):
        z, log_det = narrow(x)
        assert worst(narrow.inverse(z)[0], x) <= 1e-5 and log_det.dtype == torch.float32


def test_compiles_in_one_graph() -> None:
    torch._dynamo.reset()
    model = model_of(MANY, fresh)
    x = torch.randn(4, 6)
    z, log_det = torch.compile(model, fullgraph=True, backend="eager")(x)
    assert worst(z, model(x)[0]) <= 1e-6 and worst(log_det, model(x)[1]) <= 1e-6
    inverse = torch.compile(model.inverse, fullgraph=True, backend="eager")
    assert worst(inverse(z)[0], x) <= 1e-5
    log_prob = torch.compile(model.log_prob, fullgraph=True, backend="eager")
    assert worst(log_prob(x), model.log_prob(x)) <= 1e-6
    program = torch.export.export(
        model, (x,), dynamic_shapes={"x": {0: torch.export.Dim("batch", min=2)}}, strict=False
    )
    more = torch.randn(7, 6)
    assert worst(program.module()(more)[0], model(more)[0]) <= 1e-6


def test_meta_and_empty() -> None:
    model = model_of(MANY, fresh, device="meta")
    assert all(p.is_meta for p in model.parameters())
    assert model(torch.zeros(2, 6, device="meta"))[0].is_meta
    assert model_of(MANY, fresh)(torch.zeros(0, 6))[0].shape == (0, 6)


def test_it_trains() -> None:
    torch.manual_seed(0)
    model = model_of(MANY, fresh).train()
    data = 2.0 + 0.5 * torch.randn(256, 6)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(40):
        loss = -model.log_prob(data).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_check_says_whose_parameters_are_not_counted() -> None:
    program = mintdsl.loads(ONE)
    (line,) = [line for line in lines(program.check(), program.core()[0], {}) if line.startswith("F ")]
    assert line.endswith("| 0 parameters (0 live) besides those of CondNet")


def test_verify_says_that_a_stand_in_was_tested() -> None:
    found = verify(mintdsl.loads(ONE))
    assert found.ok
    assert "CondNet: extern, so a stand-in with random weights took the place of your module" in found.notes


def test_the_example_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
    section = page.partition("**A network of your own.**")[2]
    spec, code = (section.partition(f"```{kind}\n")[2].partition("```")[0] for kind in ("mint", "python"))
    (tmp_path / "images.mint").write_text(spec, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Tensor] = {}
    exec(compile(code, "docs/language.md", "exec"), names)
    assert names["log_det"].shape == (2,)
    assert worst(names["x_again"], names["x"]) <= 1e-5
