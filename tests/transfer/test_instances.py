"""Objects told apart, and matched: against torchmetrics, and against the definition written out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.detection import panoptic_quality

from labelfree.transfer.tasks.instances import flood, matched, peaks, watershed
from labelfree.transfer.tasks.masks import Masks
from tests.transfer.masks import TASK, UNKNOWN, measure, resampled


def disks(centres: list[tuple[int, ...]], radius: float, shape: tuple[int, ...] = (64, 64), stretch: float = 1.0) -> np.ndarray:
    """(*spatial) number of the disk or ball that a pixel lies in, of several the nearest; `stretch`: of the first axis."""
    places = np.indices(shape).astype(float)
    places[0] *= stretch
    shift = np.array(centres, dtype=float)
    shift[:, 0] *= stretch
    apart = np.stack([((places.T - centre) ** 2).sum(-1).T for centre in shift])
    return np.where(apart.min(0) <= radius**2, apart.argmin(0) + 1, 0)


def paired(first: np.ndarray, second: np.ndarray) -> float:
    """Least share of an object of `first` that one object of `second` covers."""
    return min(float(np.bincount(second[first == number]).max() / (first == number).sum()) for number in range(1, first.max() + 1))


def test_touching_disks_are_cut_where_they_touch() -> None:
    truth = disks([(20, 20), (20, 35), (36, 27), (50, 50)], 9)
    found = watershed((truth > 0).astype(np.uint8), [1])
    assert found.max() == 4
    assert ((found > 0) == (truth > 0)).all()
    assert paired(truth, found) > 0.95


def test_touching_balls_are_cut_and_long_pixels_are_known() -> None:
    truth = disks([(8, 16, 14), (8, 16, 30)], 9, (16, 32, 44), stretch=2)
    found = watershed((truth > 0).astype(int), [1], spacing=(2.0, 1.0, 1.0))
    assert found.max() == 2
    assert paired(truth, found) > 0.95


def test_a_ragged_or_long_object_is_one() -> None:
    ragged = disks([(32, 32)], 20) > 0
    ragged[12:14, 30] = True
    long = np.zeros((64, 64), bool)
    long[30:33, 4:60] = True
    assert watershed(ragged.astype(int), [1]).max() == 1
    assert watershed(long.astype(int), [1]).max() == 1


def test_classes_that_touch_are_other_objects() -> None:
    mask = np.zeros((10, 10), int)
    mask[:, :5], mask[:, 5:] = 1, 2
    found = watershed(mask, [1, 2])
    assert (found == np.where(mask == 1, 1, 2)).all()
    assert watershed(mask, [2]).max() == 1
    assert watershed(np.zeros((5, 5), int), [1]).max() == 0


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_every_pixel_hangs_on_the_top_it_reaches_by_the_highest_way(seed: int) -> None:
    """Against the definition: of each top the best lowest point of a way to each pixel, by relaxing until nothing changes."""
    generator = np.random.default_rng(seed)
    height = generator.permutation(81).reshape(9, 9).astype(float)  # all different: no ties
    height[generator.random((9, 9)) < 0.2] = 0
    tops = peaks(height, 15.0)
    found, ways = flood(height, tops), []
    for number in range(1, tops.max() + 1):
        reach = np.where(tops == number, np.inf, 0.0)
        for _ in range(81):
            padded = np.pad(reach, 1)
            best = np.max([padded[1 + i : 10 + i, 1 + j : 10 + j] for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
            reach = np.where(tops == number, np.inf, np.minimum(best, height))
        ways.append(reach)
    if not ways:
        return
    reached = np.max(ways, axis=0) > 0
    assert ((found > 0) == reached).all()
    chosen = np.take_along_axis(np.array(ways), np.maximum(found - 1, 0)[None], 0)[0]
    assert (chosen[reached] == np.max(ways, axis=0)[reached]).all()


def test_a_peak_rises_above_the_way_to_a_higher_one() -> None:
    ridge = np.array([[0, 3, 2.5, 6, 4, 5.5, 0]])
    assert (peaks(ridge, 1.0) > 0).tolist() == [[False, False, False, True, False, True, False]]
    assert (peaks(ridge, 0.5) > 0).sum() == 3
    assert (peaks(ridge, 2.0) > 0).sum() == 1


def scene(seed: int, unknown: bool) -> tuple[np.ndarray, ...]:
    """Numbers and classes of true objects, and of called ones that were moved, melted together, lost or of the wrong class."""
    generator = np.random.default_rng(seed)
    truth, called = np.zeros((2, 24, 24), dtype=np.int32)
    for number in range(1, generator.integers(2, 9)):
        top, left, height, width = *generator.integers(0, 18, 2), *generator.integers(3, 8, 2)
        truth[top : top + height, left : left + width] = number
        if generator.random() < 0.8:
            down, right = generator.integers(0, 3, 2)
            called[top + down : top + height, left + right : left + width + 1] = number if generator.random() < 0.8 else 1
    classes = np.concatenate([[0], generator.integers(1, 3, 9)])
    wrong = np.where(np.arange(10) == generator.integers(1, 10), 3 - classes, classes)
    mask = classes[truth]
    if unknown:
        hidden = np.zeros(truth.shape, bool)
        hidden[:, : generator.integers(1, 12)] = True
        truth, mask = np.where(hidden, UNKNOWN, truth), np.where(hidden, UNKNOWN, mask)
    return truth, mask, called, np.where(called > 0, wrong[called], 0)


@given(seed=st.integers(0, 10_000), unknown=st.booleans())
@settings(max_examples=60, deadline=None)
def test_panoptic_quality_equals_torchmetrics(seed: int, unknown: bool) -> None:
    truth, mask, called, called_mask = scene(seed, unknown)
    found, false, missed, overlap = matched(truth, mask, called, called_mask, 3).tallies[1:].T
    pairs = [torch.from_numpy(np.stack(pair, -1).astype(np.int64)) for pair in ((called_mask, called), (mask, np.maximum(truth, 0)))]
    settings_ = {"things": {1, 2}, "stuffs": {0}, "allow_unknown_preds_category": False, "return_per_class": True}
    expected = panoptic_quality(pairs[0][None], pairs[1][None], **settings_)[0].numpy()  # things before stuffs
    count = found + (false + missed) / 2
    np.testing.assert_allclose(np.divide(overlap, count, out=np.zeros(2), where=count > 0), expected[:2], rtol=1e-6)


@given(seed=st.integers(0, 10_000), unknown=st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_aggregated_jaccard_index_equals_its_definition(seed: int, unknown: bool) -> None:
    truth, mask, called, called_mask = scene(seed, unknown)
    known = truth != UNKNOWN
    true_objects = [set(np.flatnonzero(known & (truth == number))) for number in np.unique(truth[known & (truth > 0)])]
    called_objects = [set(np.flatnonzero(known & (called == number))) for number in np.unique(called[known & (called > 0)])]
    intersection, union, used = 0, 0, set()
    for true in true_objects:
        scores = [len(true & other) / len(true | other) for other in called_objects]
        best = int(np.argmax(scores)) if scores else -1
        if best < 0 or scores[best] == 0:
            union += len(true)
            continue
        intersection, union = intersection + len(true & called_objects[best]), union + len(true | called_objects[best])
        used.add(best)
    union += sum(len(other) for at, other in enumerate(called_objects) if at not in used)
    assert matched(truth, mask, called, called_mask, 3).jaccard == (intersection, union)


def told_apart(truths: list[np.ndarray], called: list[np.ndarray]) -> object:
    """Answers of one class of objects; `truths`: their numbers."""
    seen = [(truth > 0).astype(np.int16) for truth in truths]
    targets = Masks(np.arange(len(truths)), 2, ("background", "cell"), lambda entry: seen[entry], lambda entry: truths[entry])
    return TASK.answers(called, targets)


def test_melted_objects_cost_quality_that_pixels_do_not_show() -> None:
    truth = disks([(20, 20), (20, 40)], 9)
    apart, melted = (truth > 0).astype(np.uint8), (truth > 0).astype(np.uint8)
    melted[12:29, 20:40] = 1
    table = told_apart([truth], [apart])
    assert measure("pq", table) > 0.95
    assert measure("aji", table) > 0.95
    worse = told_apart([truth], [melted])
    assert measure("pq", worse) < 0.5 < measure("dice", worse)
    assert measure("aji", worse) < measure("aji", table)


def test_objects_are_pooled_under_weights_and_images_without_any_have_false_ones_only() -> None:
    truth, nothing = disks([(20, 20), (40, 40)], 9), np.zeros((64, 64), int)
    half = (truth == 1).astype(np.uint8)
    table = told_apart([truth, nothing], [half, half])
    assert table["aji"].to_pylist() == pytest.approx([(truth == 1).sum() / (truth > 0).sum(), None])
    counts = np.array([[1, 0], [1, 1], [1, 3], [0, 1]])
    found = resampled("pq", table, np.arange(2), counts)
    assert found == pytest.approx([1 / 1.5, 1 / 2, 1 / 3, 0.0])
    assert all(more >= less for more, less in pairwise(found))


def test_answers_without_objects_told_apart_know_no_quality_of_objects() -> None:
    truth = (disks([(20, 20)], 9) > 0).astype(np.int16)
    table = TASK.answers([truth], Masks(np.arange(1), 2, ("background", "cell"), lambda entry: truth))
    assert np.isnan([measure("pq", table), measure("aji", table), measure("hd95", table)]).all()
