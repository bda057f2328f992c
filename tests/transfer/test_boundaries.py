"""Distances of boundaries against every pair of pixels, and against MONAI where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from labelfree.transfer.tasks.boundaries import NEAR, ROUNDING, UNDEFINED, Boundary, boundaries, edges
from tests.transfer.masks import UNKNOWN, answers, example, measure, resampled


def lines(truth: np.ndarray, called: np.ndarray, position: int, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of both boundaries of a class, by erosion: (n, axes), (m, axes)."""
    regions = (truth == position, np.where(truth == UNKNOWN, UNKNOWN, called) == position)
    first, second = (np.argwhere(region & ~binary_erosion(region)) * spacing for region in regions)
    return first, second


def oracle(truth: np.ndarray, called: np.ndarray, position: int, spacing: np.ndarray, tolerance: float) -> Boundary:
    """The same from the distances of all pairs of pixels."""
    diagonal = float(np.sqrt(((spacing * truth.shape) ** 2).sum()))
    near, tolerance = (reach * ROUNDING for reach in (max(NEAR * diagonal, spacing.max()), tolerance))
    first, second = lines(truth, called, position, spacing)
    if not len(first):
        return UNDEFINED
    if not len(second):
        return Boundary(0.0, diagonal, diagonal, 0.0)
    apart = cdist(first, second)
    missed, astray = apart.min(1), apart.min(0)
    recall, precision = (missed <= near).mean(), (astray <= near).mean()
    f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    every = np.concatenate([missed, astray])
    hd95 = max(np.percentile(missed, 95), np.percentile(astray, 95))
    return Boundary(f, float(every.mean()), float(hd95), float((every <= tolerance).mean()))


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4), dims=st.integers(2, 3), lengths=st.lists(st.floats(0.3, 4), min_size=3))
@settings(max_examples=40, deadline=None)
def test_boundaries_equal_all_pairs_of_pixels(seed: int, classes: int, dims: int, lengths: list[float]) -> None:
    truth, called = (side[0] for side in example(seed, 1, classes, side=12, dims=dims))
    spacing = np.array(lengths[:dims])
    found = boundaries(truth, called, range(1, classes), spacing, 2.0)
    expected = [oracle(truth, called, position, spacing, 2.0) for position in range(1, classes)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (10.0, 2.5), (0.8, 0.8, 5.0)])
def test_boundaries_equal_monai(spacing: tuple[float, ...]) -> None:
    monai = pytest.importorskip("monai.metrics", reason="MONAI belongs to the extra `medical`", exc_type=ImportError)
    import torch

    tolerance, compared = 1.01 * max(spacing), 0  # no distance of pixels is this, where MONAI's float32 would round
    for seed in range(12):
        sides = example(seed, 1, 2, side=24 if len(spacing) == 2 else 12, dims=len(spacing))
        truth, called = (np.where(side[0] == UNKNOWN, 0, side[0]) for side in sides)
        if not (truth > 0).any() or not (called > 0).any():
            continue
        masks = [torch.from_numpy(np.stack([mask == 0, mask == 1])[None]) for mask in (called, truth)]
        hd95 = float(monai.compute_hausdorff_distance(*masks, percentile=95, spacing=spacing))
        mean = float(monai.compute_average_surface_distance(*masks, symmetric=True, spacing=spacing))
        surface = float(monai.compute_surface_dice(*masks, class_thresholds=[tolerance], spacing=spacing))
        dice = float(monai.compute_dice(*masks, include_background=False))
        (found,) = boundaries(truth, called, range(1, 2), spacing, tolerance)
        assert (found.boundary_distance, found.hd95, found.surface_dice) == pytest.approx((mean, hd95, surface), rel=1e-5)
        assert measure("dice_per_image", answers([truth.astype(np.int16)], [called], 2)) == pytest.approx(dice)
        compared += 1
    assert compared > 3


def test_what_monai_drops_from_its_mean_counts_here() -> None:
    """A structure that was missed: MONAI's distance is infinite or NaN, which its mean leaves out, so that missing it would pay."""
    monai = pytest.importorskip("monai.metrics", reason="MONAI belongs to the extra `medical`", exc_type=ImportError)
    import torch

    hit, missed, empty = square(30, 30), np.zeros((100, 100), np.int16), np.zeros((100, 100), np.int16)
    metric = monai.HausdorffDistanceMetric(percentile=95, reduction="mean")
    for truth, called in ((hit, square(30, 33)), (hit, missed), (empty, hit)):
        metric(*(torch.from_numpy(np.stack([mask == 0, mask == 1])[None]) for mask in (called, truth)))
    assert float(metric.aggregate()) == pytest.approx(3.0)  # of three images, one of which was missed whole
    table = answers([hit, hit, empty], [square(30, 33), missed, hit], 2, spacing=np.ones((3, 2)), unit="mm")
    assert measure("hd95", table) == pytest.approx((3.0 + np.hypot(100, 100)) / 2)  # the empty reference is told apart:
    assert measure("empty_kept", table) == 0.0


def square(top: int, left: int, side: int = 20, size: int = 100) -> np.ndarray:
    mask = np.zeros((size, size), dtype=np.int16)
    mask[top : top + side, left : left + side] = 1
    return mask


def of_one(truth: np.ndarray, called: np.ndarray, spacing: tuple[float, ...] = (1.0, 1.0), tolerance: float = 1.0) -> Boundary:
    """Of class 1 alone."""
    (found,) = boundaries(truth, called, range(1, 2), spacing, tolerance)
    return found


def test_a_square_moved_by_three_pixels_of_ten_metres() -> None:
    found = of_one(square(30, 30), square(30, 33), (10.0, 10.0))
    assert found.hd95 == pytest.approx(30.0)
    assert 0 < found.boundary_distance < 30
    assert found.boundary_f < 1  # 0.75 % of a diagonal of 1,414 m are 10.6 m
    assert of_one(square(30, 30), square(30, 30), (10.0, 10.0)) == (1.0, 0.0, 0.0, 1.0)


def test_surface_dice_counts_what_lies_within_the_tolerance() -> None:
    """Of the 76 edge pixels of each square 17 on the top and 17 on the bottom line stay; the others lie 3 away, or less by a corner."""
    first, second = square(30, 30), square(30, 33)
    assert of_one(first, second, tolerance=0.0).surface_dice == pytest.approx(34 / 76)
    assert of_one(first, second, tolerance=3.0).surface_dice == 1.0
    assert of_one(first, second, (10.0, 0.1), tolerance=0.29).surface_dice < 1.0
    assert of_one(first, second, (10.0, 0.1), tolerance=0.3).surface_dice == 1.0  # 3 pixels of 0.1 mm, which floats make a little more


def test_a_slice_of_five_millimetres_is_as_far_as_it_is() -> None:
    truth, called = np.zeros((20, 20, 6), np.int16), np.zeros((20, 20, 6), np.uint8)
    truth[5:15, 5:15, 2], called[5:15, 5:15, 3] = 1, 1
    assert of_one(truth, called, (0.8, 0.8, 5.0)).hd95 == pytest.approx(5.0)
    assert of_one(truth, called, (0.8, 0.8, 5.0), tolerance=4.9).surface_dice == 0.0


def test_a_missed_object_lies_the_diagonal_away() -> None:
    found = of_one(square(30, 30), np.zeros((100, 100), np.uint8), (3.0, 4.0))
    assert found == pytest.approx((0.0, 500.0, 500.0, 0.0))


def test_an_image_without_objects_has_no_boundaries_to_miss() -> None:
    truth = np.zeros((100, 100), dtype=np.int16)
    assert np.isnan(of_one(truth, square(30, 30))).all()
    table = answers([truth, square(30, 30)], [square(30, 30)] * 2, 2, spacing=np.full((2, 2), 10.0), unit="m")
    assert measure("hd95", table) == 0.0
    assert measure("boundary_f", table) == 1.0


def test_a_class_called_where_its_reference_is_empty_moves_no_mean_and_is_told_apart() -> None:
    truth, both = square(30, 30), square(30, 30)
    both[70:80, 70:80] = 2
    table = answers([truth, both], [both, both], 3, spacing=np.ones((2, 2)), unit="mm")
    assert (measure("hd95", table), measure("surface_dice", table)) == (0.0, 1.0)
    assert measure("absent_kept", table) == 0.0  # the one class that one image lacks was called there
    assert measure("absent_kept", answers([truth, both], [truth, both], 3)) == 1.0
    assert np.isnan(measure("absent_kept", answers([both], [both], 3)))


def test_cases_of_one_group_are_resampled_together() -> None:
    """Two volumes of one patient, one of another: a resampling of the second alone is that volume's score."""
    truths = [square(30, 30)] * 3
    table = answers(truths, [square(30, 30 + shift) for shift in (2, 4, 6)], 2, spacing=np.ones((3, 2)), unit="mm")
    found = resampled("hd95", table, np.array([0, 0, 1]), np.array([[1, 1], [2, 0], [0, 2]]))
    assert found == pytest.approx([4.0, 3.0, 6.0])


def test_what_is_called_where_nobody_knows_moves_no_boundary() -> None:
    truth, called = square(30, 30), square(30, 30)
    truth[60:], called[70:80] = UNKNOWN, 1
    assert of_one(truth, called) == (1.0, 0.0, 0.0, 1.0)


def test_the_edge_of_an_image_is_an_edge_of_what_it_cuts() -> None:
    assert edges(np.ones((4, 5), bool)).sum() == 2 * (4 + 5) - 4


def test_weights_go_by_the_images_that_have_boundaries() -> None:
    truths = [square(30, 30), square(10, 10), np.zeros((100, 100), np.int16)]
    table = answers(truths, [square(30, 34), square(12, 10), truths[2]], 2, spacing=np.ones((3, 2)), unit="m")
    groups, counts = np.arange(3), np.array([[1, 1, 1], [2, 0, 5], [0, 0, 3]])
    found = resampled("hd95", table, groups, counts)
    assert found[:2] == pytest.approx([3.0, 4.0])
    assert np.isnan(found[2])
