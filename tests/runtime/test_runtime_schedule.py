"""The schedule of a solve: the smallest functional, held against all smaller ones and against the dependency graph."""

from __future__ import annotations

import itertools
import random
import time

import pytest
import torch

from mintdsl.runtime.masks import index_differences, kept_entries
from mintdsl.runtime.schedule import front_count, front_functional, front_numbers, kept_differences

RASTER = ((0, 1, 0), (0, 0, 1), (1, 0, 0))
PIXELS = ((0, 1, 0), (0, 0, 1))
CHANNEL_MAJOR = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
CORNER = ((0, 1, 1), (1, 0, 0))
CINC = ((0, 1, 1), (-1, 0, 0))

Order = tuple[tuple[int, ...], ...]
Map = tuple[Order, str, tuple[int, ...], tuple[int, ...]]
Differences = set[tuple[int, ...]]


def all_differences(maps: list[Map], shape: tuple[int, ...]) -> Differences:
    """Every difference between an output and another index that a mask lets it read, from the masks themselves."""
    found = set()
    for order, direction, size, anchor in maps:
        channels = (shape[0], shape[0])
        mask = kept_entries(order, direction, True, channels, size, anchor)
        found |= {tuple(d) for d in index_differences(channels, size, anchor)[mask].tolist()}
    return {d for d in found if all(abs(v) < n for v, n in zip(d, shape, strict=True))}


def schedule(maps: list[Map], shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    kept = frozenset().union(*(kept_differences(*m, shape) for m in maps))
    functional = front_functional(kept, shape)
    return functional, front_count(functional, shape)


def dot(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


def longest_path(differences: Differences, functional: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Elements on the longest path of dependencies, by walking the index grid."""
    places = sorted(itertools.product(*map(range, shape)), key=lambda p: dot(functional, p))
    length: dict[tuple[int, ...], int] = {}
    for p in places:
        before = (length.get(tuple(a - b for a, b in zip(p, d, strict=True)), 0) for d in differences)
        length[p] = 1 + max(before, default=0)
    return max(length.values())


def smaller(differences: Differences, shape: tuple[int, ...], fronts: int) -> list[tuple[int, ...]]:
    """Every integer functional that is positive on all differences and has fewer fronts."""
    boxes = [range(-((fronts - 1) // (n - 1)), (fronts - 1) // (n - 1) + 1) if n > 1 else range(1) for n in shape]
    found = []
    for w in itertools.product(*boxes):
        if front_count(w, shape) < fronts and all(dot(w, d) > 0 for d in differences):
            found.append(w)
    return found


def check(maps: list[Map], shape: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
    differences = all_differences(maps, shape)
    functional, fronts = schedule(maps, shape)
    assert all(dot(functional, d) > 0 for d in differences)
    assert smaller(differences, shape, fronts) == []
    numbers = front_numbers(functional, shape, torch.device("cpu"))
    assert int(numbers.min()) == 1 and int(numbers.max()) == fronts
    for p in itertools.product(*map(range, shape)):
        for d in differences:
            q = tuple(a - b for a, b in zip(p, d, strict=True))
            if all(0 <= v < n for v, n in zip(q, shape, strict=True)):
                assert numbers[p] > numbers[q]
    path = longest_path(differences, functional, shape)
    assert path <= fronts
    return functional, fronts, path


@pytest.mark.parametrize("shape", [(1, 3, 3), (2, 3, 4), (4, 7, 7), (3, 2, 5), (5, 4, 2), (2, 1, 6), (3, 5, 1)])
def test_channel_major(shape: tuple[int, int, int]) -> None:
    """4(C-1) + 2(H-1) + W, exactly the longest path (rules, item 7), where all nine taps fit."""
    channels, height, width = shape
    for direction, sign in (("lower", 1), ("upper", -1)):
        functional, fronts, path = check([(CHANNEL_MAJOR, direction, (3, 3), (1, 1))], shape)
        assert path == fronts
        if height > 1 and width > 1:
            assert fronts == 4 * (channels - 1) + 2 * (height - 1) + width
            assert functional == ((0 if channels == 1 else 4 * sign), 2 * sign, sign)


def test_the_figure_of_the_mint_layer() -> None:
    assert schedule([(CHANNEL_MAJOR, "lower", (3, 3), (1, 1))], (4, 7, 7)) == ((4, 2, 1), 31)  # of 196 elements
    assert schedule([(CHANNEL_MAJOR, "lower", (3, 3), (1, 1))], (256, 7, 7)) == ((4, 2, 1), 1039)


NAMED = [
    ([(PIXELS, "lower", (3, 3), (1, 1))], (4, 5, 6), (0, 2, 1), 2 * 4 + 6),  # channels tie: pixel blocks
    ([(((0, 1, 1),), "lower", (3, 3), (2, 2))], (3, 5, 6), (0, 1, 1), 5 + 6 - 1),
    ([(CORNER, "lower", (3, 3), (2, 2))], (1, 5, 6), (0, 1, 1), 5 + 6 - 1),
    ([(CORNER, "upper", (3, 3), (0, 0))], (1, 5, 6), (0, -1, -1), 5 + 6 - 1),
    ([(CINC, "lower", (3, 3), (2, 2))], (3, 4, 4), (-1, 3, 3), 3 * (4 + 4 - 1)),  # one channel after the other
    ([(RASTER, "lower", (3, 3), (1, 1))], (3, 4, 5), (1, 6, 3), 3 * (2 * 3 + 5)),
    ([(RASTER, "lower", (1, 1), (0, 0))], (6, 3, 3), (1, 0, 0), 6),
    ([(RASTER, "upper", (1, 3), (0, 1))], (1, 3, 6), (0, 0, -1), 6),
    ([(RASTER, "lower", (3, 1), (1, 0))], (1, 6, 3), (0, 1, 0), 6),
    ([(((1,),), "lower", (), ())], (7,), (1,), 7),
    ([(((-1,),), "lower", (), ())], (7,), (-1,), 7),
    ([(CHANNEL_MAJOR, "lower", (3, 3), (1, 1))], (1, 1, 1), (0, 0, 0), 1),
    ([(CHANNEL_MAJOR, "lower", (5, 5), (2, 2))], (2, 4, 4), (9, 3, 1), 9 + 3 * 3 + 4),
    ([(CHANNEL_MAJOR, "lower", (7, 7), (3, 3))], (2, 2, 2), (4, 2, 1), 4 + 2 + 2),  # most taps do not fit
]


@pytest.mark.parametrize(("maps", "shape", "functional", "fronts"), NAMED)
def test_named_kernels(maps: list[Map], shape: tuple[int, ...], functional: tuple[int, ...], fronts: int) -> None:
    found = check(maps, shape)
    assert found[0] == functional and found[1] == fronts == found[2]


def test_maps_of_one_layer_share_a_functional() -> None:
    small, large = (CHANNEL_MAJOR, "lower", (3, 3), (1, 1)), (CHANNEL_MAJOR, "lower", (1, 9), (0, 4))
    assert check([small, large], (2, 3, 6))[0] == (5, 2, 1)
    # masked in two directions, and yet one order makes all of their taps positive
    left_then_down = [(RASTER, "lower", (1, 3), (0, 1)), (RASTER, "upper", (3, 1), (1, 0))]
    functional, fronts, path = check(left_then_down, (1, 4, 5))
    assert functional == (0, -1, 1) and fronts == path == 4 + 5 - 1
    up = (((0, -1, 0), (0, 0, 1)), "lower", (2, 2), (0, 1))
    assert check([left_then_down[0], up], (1, 4, 5))[0] == (0, -1, 1)


def test_a_circle_is_refused() -> None:
    both = [(RASTER, "lower", (1, 3), (0, 1)), (RASTER, "upper", (1, 3), (0, 1))]
    with pytest.raises(ValueError, match="circle"):
        schedule(both, (1, 3, 3))
    for circle in ({(1,), (-2,)}, {(0, 1, -1), (0, -1, 0), (0, 0, 1)}, {(1, 0, 0), (-1, 1, 0), (-1, -1, 0)}):
        with pytest.raises(ValueError, match="circle"):
            front_functional(frozenset(circle), (3,) * len(min(circle)))


def test_nothing_depends_on_nothing() -> None:
    assert front_functional(frozenset(), (3, 4, 5)) == (0, 0, 0)
    assert front_count((0, 0, 0), (3, 4, 5)) == 1


@pytest.mark.parametrize("seed", range(60))
def test_no_smaller_functional_exists(seed: int) -> None:
    """Random orders, kernels, anchors and directions on small shapes, one to three maps in one order."""
    made = random.Random(seed)
    shape = tuple(made.randint(1, 4) for _ in range(3))
    order = tuple(tuple(made.randint(-2, 2) for _ in range(3)) for _ in range(made.randint(1, 3)))
    maps: list[Map] = []
    for _ in range(made.randint(1, 3)):
        size = (made.randint(1, 4), made.randint(1, 4))
        anchor = (made.randrange(size[0]), made.randrange(size[1]))
        maps.append((order, "lower", size, anchor))
    if made.random() < 0.5:
        maps = [(o, "upper", s, a) for o, _, s, a in maps]
    check(maps, shape)


@pytest.mark.parametrize("seed", range(40))
def test_arbitrary_differences(seed: int) -> None:
    """Sets that no single order made, positive in some hidden functional; also sets without one."""
    made = random.Random(1000 + seed)
    shape = tuple(made.randint(2, 5) for _ in range(3))
    hidden = tuple(made.randint(-3, 3) for _ in range(3))
    count = made.randint(1, 6)
    box = [range(1 - n, n) for n in shape]
    positive = [d for d in itertools.product(*box) if dot(hidden, d) > 0]
    if not positive:
        return
    differences = set(made.sample(positive, min(count, len(positive))))
    functional = front_functional(frozenset(differences), shape)
    assert all(dot(functional, d) > 0 for d in differences)
    fronts = front_count(functional, shape)
    assert fronts <= front_count(hidden, shape)
    assert smaller(differences, shape, fronts) == []
    circle = differences | {tuple(-v for v in d) for d in differences}
    with pytest.raises(ValueError, match="circle"):
        front_functional(frozenset(circle), shape)


def test_large_kernels_and_shapes_are_quick() -> None:
    cases: list[tuple[list[Map], tuple[int, ...]]] = [
        ([(CHANNEL_MAJOR, "lower", (7, 7), (3, 3))], (384, 32, 32)),
        ([(RASTER, "lower", (7, 7), (3, 3))], (384, 32, 32)),
        ([(CORNER, "upper", (7, 7), (0, 0))], (384, 64, 64)),
        ([(CHANNEL_MAJOR, "lower", (7, 7), (3, 3))], (8, 1000, 8)),
        ([(CHANNEL_MAJOR, "lower", (7, 7), (3, 3))], (2, 8, 4096)),
        ([(((3, 5, 7), (2, -3, 1), (1, 0, 0)), "upper", (7, 5), (3, 2))], (2, 2000, 3)),
        ([(((5, 3, 7), (0, 1, -1), (1, 0, 0)), "lower", (7, 7), (6, 0))], (300, 64, 64)),
    ]
    kept_differences.cache_clear()
    front_functional.cache_clear()
    start = time.process_time()
    found = [schedule(maps, shape) for maps, shape in cases]
    assert time.process_time() - start < 3.0
    start = time.process_time()
    assert [schedule(maps, shape) for maps, shape in cases] == found
    assert time.process_time() - start < 0.05
    assert found[0] == ((16, 4, 1), 16 * 383 + 4 * 31 + 32)
