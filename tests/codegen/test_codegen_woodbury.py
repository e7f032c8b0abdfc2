"""Woodbury transformations of the library against the formulas of the paper, maps of low rank against dense ones."""

from __future__ import annotations

import random

import pytest
import torch
from codegen_oracle import compile_text, dense_jacobian, draw, source, worst
from codegen_programs import HEAD, LOW_RANK
from torch import Tensor, nn

import mintdsl
from mintdsl.resources import resource

torch.set_num_threads(1)

SPEC = resource("specs") / "std" / "woodbury.mint"
FREE = HEAD + LOW_RANK["low_rank_raw"]
KEPT = FREE.replace("via raw ", "")
SHAPE, RANKS = (5, 3, 4), {"channels": 3, "pixels": 2}


def built(name: str, std: float = 0.5) -> nn.Module:
    cls = mintdsl.load(SPEC).compile(name)
    return draw(cls(SHAPE, **RANKS, dtype=torch.float64).eval(), 2, std)


def as_published(x: Tensor, factors: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """The ME transformation and its log-det, transcribed: x + U (V x) along the channels, the rows, the columns."""
    log_det = torch.zeros((), dtype=x.dtype)
    for (u, v), axis in zip(factors, (1, 3, 2), strict=True):  # [n, d], [d, n]
        moved = x.movedim(axis, -1)
        x = (moved + (moved @ v.T) @ u.T).movedim(-1, axis)
        copies = x[0].numel() // len(u)
        log_det = log_det + copies * torch.log(torch.linalg.det(torch.eye(len(v), dtype=x.dtype) + v @ u).abs())
    return x, log_det


def test_the_transformation_of_the_paper() -> None:
    model = built("WoodburyMERaw")
    stored = [model.get_parameter(f"{name}.A").detach() for name in ("channels", "width", "height")]
    x = torch.randn(3, *SHAPE, dtype=torch.float64)
    expected, expected_det = as_published(x, [(pair[0].T, pair[1]) for pair in stored])
    z, log_det = model(x)
    assert worst(z, expected) <= 1e-12 and worst(log_det, expected_det.expand(3)) <= 1e-10
    assert worst(log_det[0], torch.linalg.slogdet(dense_jacobian(model, x[0]))[1]) <= 1e-10
    back, inverse_log_det = model.inverse(z)
    assert worst(back, x) <= 1e-9 and worst(inverse_log_det, -log_det) <= 1e-10


def test_the_same_map_regular_by_construction() -> None:
    """Any regular pair of the paper has a form by reflections: the matrices are copied, values and log-dets agree."""
    free, kept = built("WoodburyMERaw"), built("WoodburyME")
    for name in ("channels", "width", "height"):
        kept.get_submodule(name).set_effective("A", free.get_submodule(name).effective("A"))
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    (z, log_det), (expected, expected_det) = kept(x), free(x)
    assert worst(z, expected) <= 1e-10 and worst(log_det, expected_det) <= 1e-10
    assert worst(kept.inverse(z)[0], x) <= 1e-9


def test_parameters_are_those_of_the_formula() -> None:
    """2 d (C + H + W) of the paper; by construction reflections leave a triangle of each factor unused."""
    program, sizes, d = mintdsl.load(SPEC), {"C": 12, "H": 16, "W": 8}, 4
    text = (
        'mint 1\nimport "std/woodbury.mint" {{ {0} }}\nflow F on Image[12, 16, 8] {{ {0}(channels = 4, pixels = 4) }}'
    )
    for name, unused in (("WoodburyMERaw", 0), ("WoodburyME", 3 * d * (d + 1) // 2)):
        counts = mintdsl.loads(text.format(name)).check("F").results[0].counts
        assert counts is not None and counts.stored == 2 * d * sum(sizes.values()) == counts.live + unused
        model = program.compile(name)((12, 16, 8), channels=d, pixels=d)
        assert sum(p.numel() for p in model.parameters()) == counts.stored
        assert worst(model(torch.ones(1, 12, 16, 8))[0], torch.ones(1, 12, 16, 8)) <= 0.1  # near the identity at first


@pytest.mark.parametrize("text", [KEPT, FREE], ids=["kept", "free"])
def test_dense_jacobian_log_det_and_inverse_at_random_shapes(text: str) -> None:
    made = random.Random("low rank")
    for seed in range(8):
        rank, shape = made.randint(1, 4), (made.randint(4, 7), made.randint(1, 3), made.randint(1, 2))
        at = compile_text(text.replace("rank = 2", f"rank = {rank}"))
        model = draw(at.cls(shape, dtype=torch.float64).eval(), seed, 0.7)
        x = torch.randn(2, *shape, dtype=torch.float64)
        z, log_det = model(x)
        jacobian = dense_jacobian(model, x[0])
        assert worst(log_det[0], torch.linalg.slogdet(jacobian)[1]) <= 1e-10
        assert worst(model.inverse(z)[0], x) <= 1e-10 * max(1.0, 1e-3 * float(torch.linalg.cond(jacobian)))


def test_extremes_of_raw_numbers() -> None:
    """Whatever finite numbers are stored, the log-det is finite, and in float32 and bfloat16 too."""
    at = compile_text(KEPT)
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        for value in (0.0, 80.0, -80.0, 1e4, -1e4, 1e30, -1e30):
            model = at.cls((4, 1, 2), dtype=dtype)
            with torch.no_grad():
                model.W.fill_(value)
            log_det = model(torch.zeros(1, 4, 1, 2, dtype=dtype))[1]
            assert torch.isfinite(log_det).all() and log_det.dtype == dtype


@pytest.mark.parametrize("text", [KEPT, FREE], ids=["kept", "free"])
def test_set_effective_is_all_or_nothing(text: str) -> None:
    at = compile_text(text)
    layer = draw(at.cls((4, 1, 1), dtype=torch.float64), 3)
    u, v = torch.randn(2, 4, 2, dtype=torch.float64)
    target = (torch.eye(4, dtype=torch.float64) + u @ v.T)[..., None, None]
    layer.set_effective("W", target)
    assert worst(layer.effective("W"), target) <= 1e-13
    state = {key: value.clone() for key, value in layer.state_dict().items()}
    singular = torch.diag(torch.tensor([0.0, 1.0, 1.0, 1.0], dtype=torch.float64))[..., None, None]
    whole = 3.0 * torch.eye(4, dtype=torch.float64)[..., None, None]  # of rank 4 beside the identity
    for value in (singular, whole, target * torch.nan, target[:2]):
        with pytest.raises(ValueError, match="W"):
            layer.set_effective("W", value)
        assert all(torch.equal(value, state[key]) for key, value in layer.state_dict().items())


def test_a_singular_pair_stored_as_it_is_is_found() -> None:
    model = compile_text(FREE).cls((3, 1, 2), dtype=torch.float64)
    pair = torch.zeros(2, 2, 3, dtype=torch.float64)
    pair[0, 0, 1], pair[1, 0, 1] = -2.0, 0.5  # I + V U has a 0 on its diagonal
    with pytest.raises(ValueError, match=r"A: the proof assumes that det\(W\) is finite and not 0"):
        model.load_state_dict({"W": pair})
    with torch.no_grad():
        model.W.copy_(pair)
    x = torch.ones(1, 3, 1, 2, dtype=torch.float64)
    assert torch.isinf(model(x)[1]).all()
    for call in (lambda: model.inverse(x), model.check_assumptions):
        with pytest.raises(ValueError, match=r"det\(W\)"):
            call()


def test_a_rank_above_the_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="A: a rank of 2 on 1 channels"):
        compile_text(KEPT).cls((1, 2, 2))


def test_compiled_as_one_graph() -> None:
    model, x = draw(compile_text(KEPT).cls((3, 2, 2)), 1), torch.randn(2, 3, 2, 2)
    run = torch.compile(model, fullgraph=True, backend="eager")
    assert all(worst(a, b) <= 1e-5 for a, b in zip(run(x), model(x), strict=True))
    back = torch.compile(lambda z: model.inverse(z)[0], fullgraph=True, backend="eager")
    assert worst(back(model(x)[0].detach()), x) <= 1e-3


def test_the_text_reads_like_the_formula() -> None:
    text = source(HEAD + LOW_RANK["low_rank"])
    assert 'y = apply_low_rank("woodbury", W, y)' in text
    assert 'check_rank("A", d, C)' in text
    moved = source(HEAD + LOW_RANK["flow_transposed"])
    assert "x = x.transpose(2, 3)  # Image[2, 3, 4] to Image[2, 4, 3]" in moved
