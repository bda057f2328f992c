"""Distances of boundaries against every pair of pixels, and against MONAI where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from labelfree.transfer.tasks.boundaries import TOLERANCE, boundary, edges
from tests.transfer.masks import UNKNOWN, answers, example, measure, resampled


def lines(truth: np.ndarray, called: np.ndarray, position: int, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of both boundaries of a class, by erosion: (n, axes), (m, axes)."""
    regions = (truth == position, np.where(truth == UNKNOWN, UNKNOWN, called) == position)
    first, second = (np.argwhere(region & ~binary_erosion(region)) * spacing for region in regions)
    return first, second


def oracle(truth: np.ndarray, called: np.ndarray, classes: range, spacing: np.ndarray) -> tuple[float, float, float]:
    """Boundary F-score, mean distance and HD95 from the distances of all pairs of pixels."""
    diagonal, found = float(np.sqrt(((spacing * truth.shape) ** 2).sum())), []
    near = max(TOLERANCE * diagonal, spacing.max())
    for position in classes:
        first, second = lines(truth, called, position, spacing)
        if not len(first) and not len(second):
            continue
        if not len(first) or not len(second):
            found.append((0.0, diagonal, diagonal))
            continue
        apart = cdist(first, second)
        missed, astray = apart.min(1), apart.min(0)
        recall, precision = (missed <= near).mean(), (astray <= near).mean()
        f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        mean = (missed.sum() + astray.sum()) / (len(missed) + len(astray))
        found.append((f, mean, max(np.percentile(missed, 95), np.percentile(astray, 95))))
    return tuple(np.mean(found, axis=0).tolist())


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4), dims=st.integers(2, 3), lengths=st.lists(st.floats(0.3, 4), min_size=3))
@settings(max_examples=40, deadline=None)
def test_boundaries_equal_all_pairs_of_pixels(seed: int, classes: int, dims: int, lengths: list[float]) -> None:
    truth, called = (side[0] for side in example(seed, 1, classes, side=12, dims=dims))
    spacing = np.array(lengths[:dims])
    found = boundary(truth, called, range(1, classes), spacing)
    if (truth > 0).any():
        assert found == pytest.approx(oracle(truth, called, range(1, classes), spacing), rel=1e-9)
    else:
        assert found is None


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (10.0, 2.5)])
def test_boundaries_equal_monai(spacing: tuple[float, float]) -> None:
    monai = pytest.importorskip("monai.metrics", reason="MONAI belongs to the extra `medical`", exc_type=ImportError)
    import torch

    for seed in range(12):
        truth, called = (np.where(side[0] == UNKNOWN, 0, side[0]) for side in example(seed, 1, 2, side=24))
        if not (truth > 0).any() or not (called > 0).any():
            continue
        masks = [torch.from_numpy(np.stack([mask == 0, mask == 1])[None]) for mask in (called, truth)]
        hd95 = float(monai.compute_hausdorff_distance(*masks, percentile=95, spacing=spacing))
        mean = float(monai.compute_average_surface_distance(*masks, symmetric=True, spacing=spacing))
        dice = float(monai.compute_dice(*masks, include_background=False))
        found = boundary(truth, called, [1], spacing)
        assert found is not None
        assert (found.distance, found.hd95) == pytest.approx((mean, hd95), rel=1e-5)
        assert measure("dice_per_image", answers([truth.astype(np.int16)], [called], 2)) == pytest.approx(dice)


def square(top: int, left: int, side: int = 20, size: int = 100) -> np.ndarray:
    mask = np.zeros((size, size), dtype=np.int16)
    mask[top : top + side, left : left + side] = 1
    return mask


def test_a_square_moved_by_three_pixels_of_ten_metres() -> None:
    found = boundary(square(30, 30), square(30, 33), [1], (10.0, 10.0))
    assert found is not None
    assert found.hd95 == pytest.approx(30.0)
    assert 0 < found.distance < 30
    assert found.f < 1  # 0.75 % of a diagonal of 1,414 m are 10.6 m
    same = boundary(square(30, 30), square(30, 30), [1], (10.0, 10.0))
    assert same == (1.0, 0.0, 0.0)


def test_a_missed_object_lies_the_diagonal_away() -> None:
    found = boundary(square(30, 30), np.zeros((100, 100), np.uint8), [1], (3.0, 4.0))
    assert found == pytest.approx((0.0, 500.0, 500.0))


def test_an_image_without_objects_has_no_boundaries_to_miss() -> None:
    truth = np.zeros((100, 100), dtype=np.int16)
    assert boundary(truth, square(30, 30), [1], (1.0, 1.0)) is None
    table = answers([truth, square(30, 30)], [square(30, 30)] * 2, 2, spacing=np.full((2, 2), 10.0), unit="m")
    assert table["hd95"].to_pylist() == [None, 0.0]
    assert measure("hd95", table) == 0.0
    assert measure("boundary_f", table) == 1.0


def test_what_is_called_where_nobody_knows_moves_no_boundary() -> None:
    truth, called = square(30, 30), square(30, 30)
    truth[60:], called[70:80] = UNKNOWN, 1
    assert boundary(truth, called, [1], (1.0, 1.0)) == (1.0, 0.0, 0.0)


def test_the_edge_of_an_image_is_an_edge_of_what_it_cuts() -> None:
    assert edges(np.ones((4, 5), int)).sum() == 2 * (4 + 5) - 4


def test_weights_go_by_the_images_that_have_boundaries() -> None:
    truths = [square(30, 30), square(10, 10), np.zeros((100, 100), np.int16)]
    table = answers(truths, [square(30, 34), square(12, 10), truths[2]], 2, spacing=np.ones((3, 2)), unit="m")
    groups, counts = np.arange(3), np.array([[1, 1, 1], [2, 0, 5], [0, 0, 3]])
    found = resampled("hd95", table, groups, counts)
    assert found[:2] == pytest.approx([3.0, 4.0])
    assert np.isnan(found[2])
