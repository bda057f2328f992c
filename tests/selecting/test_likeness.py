"""Near-duplicates of taken images are those that the leak guard would find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.near_duplicates import near_pairs, prints
from labelfree.data.pool_index import PoolIndex
from labelfree.selecting.likeness import Likeness

NONE = np.empty(0)
BLANK = PoolIndex(NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE)


def index(thumbs: np.ndarray) -> PoolIndex:
    """What a pool knows of images with these thumbnails; equal thumbnails are of equal images."""
    traces = np.column_stack([np.ones(len(thumbs)), np.sqrt((thumbs**2).sum((1, 2))), thumbs.reshape(len(thumbs), -1)[:, [0, 7, 99, 500]]])
    return replace(BLANK, thumbs=thumbs, traces=traces)


def noise(count: int, seed: int = 0) -> np.ndarray:
    draw: np.ndarray = np.random.default_rng(seed).normal(100, 20, (count, 32, 32)).astype(np.float32)
    return draw


@pytest.mark.slow
@given(st.integers(0, 50), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.floats(0, 12)), min_size=1, max_size=6))
def test_finds_what_the_leak_guard_finds(seed: int, repeats: list[tuple[int, int, float]]) -> None:
    base = noise(8, seed)
    more = [np.rot90(base[of], pose) if pose < 4 else np.rot90(base[of], pose)[:, ::-1] for of, pose, _ in repeats]
    thumbs = np.concatenate([base, np.stack(more) + noise(len(more), seed + 1) / 20 * np.array([s for *_, s in repeats])[:, None, None]])
    thumbs = thumbs.astype(np.float32)
    likeness = Likeness(index(thumbs), [str(at) for at in range(len(thumbs))], [])
    likeness.copies_only = False
    expected = {(i, j) for i, j, _ in near_pairs(prints(thumbs), prints(thumbs)) if i != j}
    for candidate in range(len(thumbs)):
        others = [at for at in range(len(thumbs)) if at != candidate]
        found = likeness(candidate, others)
        assert (found is not None) == any(i == candidate for i, _ in expected)
        assert found is None or (candidate, found) in expected


def test_those_taken_count_without_being_asked() -> None:
    thumbs = np.concatenate([noise(50), noise(50)[[2]][:, :, ::-1]])
    names = [str(at) for at in range(51)]
    assert Likeness(index(thumbs), names, [])(50, [0, 1]) is None
    assert Likeness(index(thumbs), names, [2])(50, [0, 1]) == 2
    assert Likeness(index(thumbs), names, [2])(50, []) == 2


def test_where_all_look_alike_only_copies_are_told() -> None:
    part = noise(1)[0]
    thumbs = np.stack([part + noise(1, seed)[0] / 200 for seed in range(1, 40)] + [part + noise(1, 39)[0] / 200]).astype(np.float32)
    likeness = Likeness(index(thumbs), [str(at) for at in range(len(thumbs))], [])
    assert likeness.note is not None and likeness.note.startswith("Cannot tell near-duplicates here: ")
    assert likeness(0, [1, 2, 3]) is None and likeness(39, [1, 38]) == 38


def test_an_image_without_structure_is_not_judged() -> None:
    ramp = np.broadcast_to(np.linspace(0, 100, 32, dtype=np.float32), (2, 32, 32)) * np.array([1, 1.5], np.float32)[:, None, None]
    likeness = Likeness(index(np.concatenate([noise(4), ramp])), list("abcdef"), [])
    assert likeness(4, [5]) is None and likeness.note is None


@pytest.mark.parametrize("count", [1, 2])
def test_one_image_alone(count: int) -> None:
    assert Likeness(index(noise(count)), list("ab")[:count], [])(0, []) is None
