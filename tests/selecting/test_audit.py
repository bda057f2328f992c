"""The audit is a random sample: whatever the groups, the same whichever way rows come, and every image as likely as any other."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.errors import DataError
from labelfree.selecting.audit import draw_audit

Sizes = st.lists(st.integers(1, 12), min_size=1, max_size=20)


def images(sizes: list[int]) -> tuple[list[str], list[str]]:
    """Ids, and the group of each: group number g has sizes[g] images."""
    groups = [f"group {g}" for g, size in enumerate(sizes) for _ in range(size)]
    return [f"{number:04d}.png" for number in range(len(groups))], groups


@given(Sizes, st.integers(0, 3), st.data())
def test_as_many_as_asked_for_each_once(sizes: list[int], seed: int, data: st.DataObject) -> None:
    ids, groups = images(sizes)
    count = data.draw(st.integers(0, len(ids)))
    drawn = draw_audit(ids, groups, count, seed)
    assert len(drawn) == len(set(drawn)) == count and all(0 <= position < len(ids) for position in drawn)


@given(Sizes, st.data())
def test_the_order_of_rows_plays_no_part(sizes: list[int], data: st.DataObject) -> None:
    ids, groups = images(sizes)
    count = data.draw(st.integers(0, len(ids)))
    order = data.draw(st.permutations(range(len(ids))))
    mixed = draw_audit([ids[at] for at in order], [groups[at] for at in order], count, 0)
    assert [ids[order[at]] for at in mixed] == [ids[at] for at in draw_audit(ids, groups, count, 0)]


@given(st.lists(st.integers(1, 12), min_size=2, max_size=20), st.integers(0, 3))
def test_groups_stay_to_be_chosen_from(sizes: list[int], seed: int) -> None:
    ids, groups = images(sizes)
    count = max(1, sum(sorted(sizes)[: len(sizes) // 5]))  # no more than a fifth of the groups holds, whichever they are
    assert len({groups[at] for at in draw_audit(ids, groups, count, seed)}) <= max(2, -(-len(sizes) // 5)) < len(sizes) + (len(sizes) < 3)


@pytest.mark.parametrize(("times", "within"), [(1, 0.08), (5, 0.02)])
def test_every_image_is_as_likely_whatever_the_size_of_its_group(times: int, within: float) -> None:
    """But for what a ratio estimate costs, which falls with the number of groups."""
    sizes = ([1] * 60 + [6] * 30 + [30] * 8) * times
    ids, groups = images(sizes)
    size = dict(zip(dict.fromkeys(groups), sizes, strict=True))
    counts = Counter(size[groups[at]] for seed in range(600 // times) for at in draw_audit(ids, groups, 40, seed))
    share = {of: count / counts.total() for of, count in counts.items()}
    assert share == {1: pytest.approx(60 / 480, abs=within), 6: pytest.approx(180 / 480, abs=within), 30: pytest.approx(0.5, abs=within)}


def test_few_large_groups_do_not_make_it_up() -> None:
    ids, groups = images([500, 500, 500, 500, 500])
    assert len({groups[at] for at in draw_audit(ids, groups, 50, 0)}) == 2


def test_images_that_are_their_own_group_are_a_plain_sample() -> None:
    ids, groups = images([1] * 500)
    drawn = np.array([draw_audit(ids, groups, 50, seed) for seed in range(400)])
    assert np.bincount(drawn.ravel(), minlength=500).std() == pytest.approx(np.sqrt(400 * 0.1 * 0.9), rel=0.15)


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(DataError, match=r"^--audit 3: only 2 images without a label"):
        draw_audit(["a", "b"], ["a", "b"], 3, 0)
    with pytest.raises(
        DataError, match=r"^--audit 3: no images without a label.*; add images, or score on labelled ones with split=test\.$"
    ):
        draw_audit([], [], 3, 0)
