"""What holds for every strategy."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelfree.choosing import Candidates, Choice, Strategy, find_strategy, strategy_names
from labelfree.choosing.auto import Auto
from labelfree.choosing.spread import Spread
from labelfree.errors import DataError, RecipeError
from tests.choosing.folders import copies_of, folder, folders

ALL = ("auto", "cover", "margin", "random", "typical")
every_strategy = pytest.mark.parametrize("name", ALL)


def may_give(candidates: Candidates) -> list[int]:
    return [row for row in range(len(candidates)) if candidates.open[row] and row not in candidates.labelled]


def test_the_strategies_are_found_by_name() -> None:
    assert set(ALL) <= set(strategy_names())
    assert [find_strategy(name).name for name in ALL] == list(ALL)


def test_an_unknown_strategy_is_told_the_nearest() -> None:
    with pytest.raises(RecipeError, match="'typcal' is not installed; did you mean typical?"):
        find_strategy("typcal")
    with pytest.raises(RecipeError, match="'zzz' is not installed; installed: auto, cover"):
        find_strategy("zzz")


@every_strategy
@given(candidates=folders(), budget=st.integers(0, 50))
@settings(max_examples=40)
def test_open_images_are_given_once_each_and_all_where_the_budget_is_above_them(name: str, candidates: Candidates, budget: int) -> None:
    positions = [choice.position for choice in find_strategy(name).choose(candidates, budget, 0)]
    assert len(set(positions)) == len(positions) == min(budget, len(may_give(candidates)))
    assert set(positions) <= set(may_give(candidates))


@every_strategy
@given(candidates=folders(copies=True), budget=st.integers(1, 50))
@settings(max_examples=40)
def test_no_choice_is_the_near_duplicate_of_one_labelled_or_chosen(name: str, candidates: Candidates, budget: int) -> None:
    choices = find_strategy(name).choose(candidates, budget, 0)
    known = candidates.labelled.tolist()
    for choice in choices:
        assert candidates.too_like(choice.position, known) is None
        known.append(choice.position)
    if len(choices) < budget:  # then nothing else could be given
        assert all(candidates.too_like(row, known) is not None for row in may_give(candidates) if row not in known)


@every_strategy
@given(candidates=folders(), budget=st.integers(1, 30))
@settings(max_examples=40)
def test_a_group_gives_no_more_than_its_part_while_another_has_one_left(name: str, candidates: Candidates, budget: int) -> None:
    left = Counter(int(candidates.groups[row]) for row in may_give(candidates))
    given_by = Counter(candidates.groups[candidates.labelled].tolist())
    part = math.ceil(budget / max(1, len(left)))
    for choice in find_strategy(name).choose(candidates, budget, 0):
        group = int(candidates.groups[choice.position])
        behind = [other for other in left if left[other] and given_by[other] < part]
        assert group in behind or not behind
        if not behind:
            part = max(part, given_by[group] + 1)  # the quota rose for all
            assert given_by[group] == min(given_by[other] for other in left if left[other])
        left[group] -= 1
        given_by[group] += 1


@every_strategy
@given(candidates=folders(copies=True), budget=st.integers(1, 30), seed=st.integers(0, 3))
@settings(max_examples=20)
def test_the_same_again_for_the_same_seed(name: str, candidates: Candidates, budget: int, seed: int) -> None:
    again = replace(candidates, features=candidates.features.copy())
    assert find_strategy(name).choose(candidates, budget, seed) == find_strategy(name).choose(again, budget, seed)


@every_strategy
def test_closed_rows_without_a_label_have_no_part_in_a_choice(name: str) -> None:
    kept = folder(60, [3, 8])
    wild = np.random.default_rng(1).normal(size=(20, kept.features.shape[1])).astype(np.float32)
    more = Candidates(
        features=np.concatenate([kept.features, wild]),
        groups=np.arange(80),
        open=np.arange(80) < 60,
        labelled=kept.labelled,
        codes=kept.codes,
        outputs=np.concatenate([kept.outputs, np.full((20, 3), 1 / 3)]),
        classes=kept.classes,
    )
    if name == "random":  # a draw depends on how many rows there are
        assert {choice.position for choice in find_strategy(name).choose(more, 80, 0)} == set(range(60)) - {3, 8}
    else:
        assert find_strategy(name).choose(more, 12, 0) == find_strategy(name).choose(kept, 12, 0)


@every_strategy
def test_lengths_of_features_change_nothing(name: str) -> None:
    candidates = folder(50, [1, 2])
    longer = replace(candidates, features=candidates.features * np.float32(4))  # exact in binary
    assert find_strategy(name).choose(longer, 9, 0) == find_strategy(name).choose(candidates, 9, 0)


@every_strategy
def test_a_memory_map_and_an_array_give_the_same(name: str, tmp_path) -> None:
    candidates = folder(70, [0])
    np.save(tmp_path / "features.npy", candidates.features)
    mapped = replace(candidates, features=np.load(tmp_path / "features.npy", mmap_mode="r"))
    assert find_strategy(name).choose(mapped, 11, 0) == find_strategy(name).choose(candidates, 11, 0)


@pytest.mark.parametrize("name", ["typical", "cover"])
def test_features_that_are_not_finite_are_named_by_row(name: str) -> None:
    candidates = folder(30)
    candidates.features[17, 2] = np.nan
    with pytest.raises(DataError, match=r"row 17 \(from 0\) is not finite"):
        find_strategy(name).choose(candidates, 5, 0)


@pytest.mark.parametrize("name", ["typical", "cover"])
def test_features_without_length_or_all_the_same_are_chosen_from_too(name: str) -> None:
    candidates = replace(folder(12), features=np.zeros((12, 4), np.float32))
    assert [choice.position for choice in find_strategy(name).choose(candidates, 3, 0)] == [0, 1, 2]


class Silly(Strategy):
    """A strategy of someone else's whose values are no numbers."""

    name = "silly"
    words = "by nothing"

    def picks(self, candidates: Candidates, spread: Spread, seed: int):
        while spread.left():
            position = spread.best(np.full(len(candidates), np.nan))
            if position is not None:
                yield Choice(position, self.name, "no reason")


def test_a_strategy_of_ones_own_keeps_the_rules_without_doing_anything_for_them() -> None:
    candidates = folder(8, [0], groups=[0, 0, 0, 1, 1, 1, 2, 2], closed=[3], too_like=copies_of([0, 0, 2, 3, 4, 4, 6, 7]))
    assert [choice.position for choice in Silly().choose(candidates, 9, 0)] == [2, 4, 6, 7]


def test_reasons_are_short_and_name_their_strategy() -> None:
    for name in ALL:
        for choice in find_strategy(name).choose(folder(60, range(6), groups=np.arange(60) % 7), 20, 0):
            assert choice.strategy in ("cover", "margin", "random", "typical")
            assert 10 < len(choice.reason) < 120 and "\n" not in choice.reason
    assert Auto().choose(folder(60), 1)[0].strategy == "typical"
