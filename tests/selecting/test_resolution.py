"""What an audit is said to resolve is what it resolves, by simulation and by another's formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from labelfree.selecting.resolution import half_width, resolution, smallest_difference


@pytest.mark.parametrize(("images", "accuracy"), [(20, 0.8), (100, 0.8), (100, 0.5), (1000, 0.95)])
def test_half_width_is_wilsons(images: int, accuracy: float) -> None:
    z, p = stats.norm.ppf(0.975), round(accuracy * images) / images
    expected = z / (1 + z**2 / images) * np.sqrt(p * (1 - p) / images + z**2 / (4 * images**2))
    assert half_width(images, accuracy) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("images", [30, 100, 400])
def test_an_accuracy_is_within_the_half_width_as_often_as_said(images: int) -> None:
    right = np.random.default_rng(0).binomial(images, 0.8, 40_000) / images
    wilson = (right + stats.norm.ppf(0.975) ** 2 / (2 * images)) / (1 + stats.norm.ppf(0.975) ** 2 / images)  # the interval's middle
    assert np.mean(np.abs(wilson - 0.8) <= half_width(images)) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("images", "disagreement"), [(100, 0.2), (300, 0.2), (200, 0.4)])
def test_a_difference_of_that_size_is_found_four_times_in_five(images: int, disagreement: float) -> None:
    difference = smallest_difference(images, disagreement)
    assert difference is not None
    better, worse = (disagreement + difference) / 2, (disagreement - difference) / 2
    drawn = np.random.default_rng(0).choice([1.0, -1.0, 0.0], (20_000, images), p=[better, worse, 1 - better - worse])
    t = drawn.mean(1) / (drawn.std(1, ddof=1) / np.sqrt(images))
    found = np.mean(t > stats.t.ppf(0.975, images - 1))
    assert 0.79 <= found <= 0.95  # above, as the variance is bounded by the share of disagreement


def test_few_images_tell_nothing_apart() -> None:
    assert smallest_difference(1) is None and smallest_difference(20) is None
    assert next(line for line in resolution(20, 20) if "disagree" in line).endswith("cannot be told apart by so few.")


def test_sentences() -> None:
    assert list(resolution(100, 100)) == [
        "100 audit images: an accuracy of 80 % will be known to ±7.8 points (95 %).",
        "Two arms that disagree on 20 % of images can be told apart from a difference of 12.7 points on (power 0.8).",
    ]
    assert (
        list(resolution(100, 7))[-1] == "They are of 7 groups: as images of a group resemble each other, intervals will be wider than that."
    )
