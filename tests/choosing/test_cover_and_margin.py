from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances

from labelfree.choosing import directions
from labelfree.choosing.at_random import Random
from labelfree.choosing.cover import Cover
from labelfree.choosing.margin import Margin
from labelfree.errors import DataError, RecipeError
from tests.choosing.folders import folder


@pytest.mark.parametrize("block", [2**24, 50])
@pytest.mark.parametrize("labelled", [(), (4, 9, 30)])
def test_cover_is_k_center_greedy_over_the_matrix_of_distances(
    monkeypatch: pytest.MonkeyPatch, labelled: tuple[int, ...], block: int
) -> None:
    monkeypatch.setattr(directions, "BLOCK", block)
    candidates = folder(90, labelled, closed=(7, 8))
    unit = candidates.features.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    apart = pairwise_distances(unit)
    free = [row for row in range(90) if row not in (7, 8, *labelled)]
    known, expected = list(labelled), []
    if not known:
        middle = unit[free].mean(0)
        expected.append(max(free, key=lambda row: unit[row] @ middle))
        known += expected
    while len(expected) < 12:
        expected.append(max((row for row in free if row not in known), key=lambda row: apart[row, known].min()))
        known.append(expected[-1])
    choices = Cover().choose(candidates, 12, 0)
    assert [choice.position for choice in choices] == expected
    farthest = apart[expected[-1], known[:-1]].min()
    assert choices[-1].reason == f"far from all labelled images (distance {farthest:.2f} of at most 2)"


def test_margin_takes_the_smallest_difference_first_and_names_both_classes() -> None:
    scores = np.array([[0.9, 0.06, 0.04], [0.16, 0.40, 0.44], [0.5, 0.3, 0.2], [0.34, 0.33, 0.33], [0.335, 0.335, 0.33]])
    candidates = replace(folder(5), outputs=scores, classes=("river", "forest", "pasture"))
    choices = Margin().choose(candidates, 4, 0)
    assert [choice.position for choice in choices] == [4, 3, 1, 2]
    assert choices[2].reason == "the head hesitates between pasture and forest (0.44, 0.40)"
    unnamed = Margin().choose(replace(candidates, classes=()), 3, 0)
    assert unnamed[2].reason == "the head hesitates between class 2 and class 1 (0.44, 0.40)"


def test_margin_says_what_it_needs() -> None:
    candidates = folder(5)
    with pytest.raises(RecipeError, match="margin asks a head what it hesitates about, and there is none; take typical first"):
        Margin().choose(replace(candidates, outputs=None), 2, 0)
    with pytest.raises(RecipeError, match="margin needs a head of two classes or more"):
        Margin().choose(replace(candidates, outputs=np.ones((5, 1))), 2, 0)
    broken = candidates.outputs.copy()
    broken[3] = np.nan
    with pytest.raises(DataError, match=r"outputs: row 3 \(from 0\) is not finite"):
        Margin().choose(replace(candidates, outputs=broken), 2, 0)


def test_random_draws_every_image_as_often_as_any_other() -> None:
    candidates, draws = folder(20), 2000
    counts = np.bincount([choice.position for seed in range(draws) for choice in Random().choose(candidates, 5, seed)], minlength=20)
    assert np.abs(counts - draws * 5 / 20).max() < 5 * (draws * 0.25 * 0.75) ** 0.5  # five standard deviations
    assert Random().choose(candidates, 1, 4)[0].reason == "drawn at random (seed 4)"
