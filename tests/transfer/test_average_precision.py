"""Average precision against faster-coco-eval, and under weights against the same on repeated images."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelfree.data.boxes import ANY, Boxes, Detections
from labelfree.transfer.tasks.average_precision import RECALLS, class_precisions, precision_curves, recalls_up_to
from labelfree.transfer.tasks.box_matches import FALSE, IGNORED, MATCHED, OVERLAPS, SIZES, matches
from labelfree.transfer.tasks.weights import Weights, resamplings
from tests.transfer.detections import TASK, Pair, answers, coco, example, measure, resampled, stats

SETS = {
    "seed": st.integers(0, 10_000), "images": st.integers(1, 12), "classes": st.integers(1, 5),
    "ties": st.booleans(), "regions": st.booleans(),
}  # fmt: skip


@given(**SETS)
@settings(max_examples=60, deadline=None)
def test_every_metric_equals_faster_coco_eval(seed: int, images: int, classes: int, ties: bool, regions: bool) -> None:
    made = example(seed, images, classes, ties, regions)
    table, expected = answers(made, classes), stats(made, classes)
    assert {name: measure(name, table) for name in TASK.metrics} == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(**SETS)
@settings(max_examples=25, deadline=None)
def test_each_class_and_its_curve_equal_faster_coco_eval(seed: int, images: int, classes: int, ties: bool, regions: bool) -> None:
    made = example(seed, images, classes, ties, regions)
    table = answers(made, classes)
    precision = coco(made, classes).eval["precision"][..., -1]  # (overlaps, recalls, classes, sizes)
    for at, size in enumerate(SIZES):
        expected = np.where(precision[:, :, :, at] < -0.5, np.nan, precision[:, :, :, at]).mean((0, 1))
        np.testing.assert_allclose(class_precisions(table, Weights.once(images), size)[0], expected, atol=1e-9)
    for level in (0, 5):
        for label, curve in enumerate(precision_curves(table, OVERLAPS[level])):
            expected = precision[level, :, label, 0]
            if expected[0] < -0.5:
                assert curve is None
            else:
                np.testing.assert_allclose(curve, expected, atol=1e-9)
    assert len(RECALLS) == precision.shape[1]


@given(seed=st.integers(0, 10_000), images=st.integers(2, 10), classes=st.integers(1, 4))
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("metric", TASK.metrics)
def test_a_resampling_is_the_metric_of_the_images_it_repeats(metric: str, seed: int, images: int, classes: int) -> None:
    made, groups = example(seed, images, classes), np.arange(images) // 2
    counts = resamplings(int(groups.max()) + 1, seed, times=6)
    found = resampled(metric, answers(made, classes), groups, counts)
    repeated = [[made[at] for at in np.repeat(np.arange(images), drawn[groups])] for drawn in counts]
    np.testing.assert_allclose(found, [stats(images, classes)[metric] for images in repeated], atol=1e-9)


def test_equal_scores_come_in_the_order_of_their_images_under_weights_too() -> None:
    """Within an image no score is there twice, so that an image that is repeated stands beside itself in either reading."""
    made = [
        (Detections.of([[0, 0, 40, 40]], [0], [0.5]), Boxes.of([[0, 0, 40, 40]] if at % 3 else [[100, 100, 140, 140]], [0]))
        for at in range(9)
    ]
    counts = resamplings(9, 3, times=20)
    found = resampled("map", answers(made, 1), np.arange(9), counts)
    repeated = [[made[at] for at in np.repeat(np.arange(9), drawn)] for drawn in counts]
    np.testing.assert_allclose(found, [stats(images, 1)["map"] for images in repeated], atol=1e-9)
    assert len(set(found.round(9))) > 5


def test_recalls_are_counted_as_a_search_finds_them() -> None:
    objects = np.arange(1, 1500)
    recall = np.arange(1500)[:, None].clip(max=objects) / objects
    np.testing.assert_array_equal(recalls_up_to(recall), np.searchsorted(RECALLS, recall, side="right"))


def one(found: list[list[float]], drawn: list[list[float]], ignored: list[bool] | None = None, label: list[int] | None = None) -> Pair:
    """An image of one class; found boxes have falling scores."""
    scores = [0.9 - 0.1 * at for at in range(len(found))]
    return Detections.of(found, [0] * len(found), scores), Boxes.of(drawn, label or [0] * len(drawn), ignored)


def test_an_object_goes_to_the_strongest_box_and_a_second_one_is_false() -> None:
    said = matches(*one([[0, 0, 10, 9], [0, 0, 10, 10]], [[0, 0, 10, 10]]))[:, 0]
    assert said[:, 0].tolist() == [MATCHED, FALSE] and said[:, 8].tolist() == [MATCHED, FALSE]  # 0.9 reaches 0.9
    assert said[:, 9].tolist() == [FALSE, MATCHED]


def test_what_is_found_in_an_ignored_region_counts_nowhere_however_often() -> None:
    inside = [[10, 10, 20, 20], [30, 30, 45, 40], [10, 10, 20, 20]]
    assert (matches(*one(inside, [[0, 0, 100, 100]], [True]))[:, 0] == IGNORED).all()
    assert (matches(*one(inside, [[0, 0, 100, 100]], [True], [ANY]))[:, 0] == IGNORED).all()
    assert (matches(*one(inside, [[0, 0, 100, 100]], [True], [1]))[:, 0] == FALSE).all()  # a crowd of another class
    half = matches(*one([[90, 0, 110, 10]], [[0, 0, 100, 100]], [True]))[0, 0]
    assert half.tolist() == [IGNORED] + [FALSE] * 9  # half of it lies inside


def test_an_object_goes_before_a_region_that_is_ignored() -> None:
    found, drawn = one([[0, 0, 10, 10]], [[0, 0, 100, 100], [0, 0, 10, 8]], [True, False])
    said = matches(found, drawn)[0, 0]
    assert said[:7].tolist() == [MATCHED] * 7 and said[7:].tolist() == [IGNORED] * 3


def test_negatives_cost_precision_and_absent_classes_are_left_out_of_the_mean() -> None:
    good, alarm = one([[0, 0, 40, 40]], [[0, 0, 40, 40]]), one([[0, 0, 40, 40]], [])
    assert measure("map", answers([good], 1)) == pytest.approx(1)
    assert measure("map", answers([alarm, good], 1)) == pytest.approx(1 / 2)  # equally sure, and first
    assert measure("map", answers([good], 3)) == pytest.approx(1)
    assert np.isnan(measure("map", answers([alarm], 1)))
    assert np.isnan(measure("ap_large", answers([good], 1)))
    assert measure("map", answers([one([], [[0, 0, 40, 40]])], 1)) == 0


def test_the_hundred_strongest_of_an_image_count() -> None:
    corners = [[0, 0, 40, 40], *([[200, 200, 240, 240]] * 100)]
    found = Detections.of(corners, [0] * 101, np.linspace(0.1, 0.9, 101))
    table = answers([(found, Boxes.of([[0, 0, 40, 40]], [0]))], 1)
    assert len(table["score"][0]) == 100 and measure("map", table) == 0


def test_the_file_of_answers_alone_gives_coco_the_same() -> None:
    """docs/protocol.md, 18: predictions.parquet holds detections and ground truth."""
    made = example(5, images=8, classes=3)
    again = []
    for row in answers(made, 3).to_pylist():
        found = Detections.of(np.reshape(row["corners"], (-1, 4)), row["label"], row["score"])
        again.append((found, Boxes.of(np.reshape(row["drawn"], (-1, 4)), row["drawn_label"], row["drawn_ignored"])))
    assert stats(again, 3) == pytest.approx(stats(made, 3), nan_ok=True)


def test_two_thousand_resamplings_of_five_hundred_images_take_seconds() -> None:
    made = [pair for seed in range(5) for pair in example(seed, images=100, classes=10)]
    table = answers(made, 10)
    counts = resamplings(len(made), 0)
    start = perf_counter()
    found = resampled("map", table, np.arange(len(made)), counts)
    assert perf_counter() - start < 10  # 1 s on an idle core
    assert np.isfinite(found).all() and abs(found.mean() - measure("map", table)) < 0.02
