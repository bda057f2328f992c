"""Metrics of confusions against scikit-learn and torchmetrics, and under weights against repeated images."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from torchmetrics.functional.segmentation import dice_score
from torchmetrics.functional.segmentation import mean_iou as mean_iou_of

from labelfree.transfer.tasks.confusion import class_scores, confusion, confusions
from labelfree.transfer.tasks.weights import Weights, resamplings
from tests.transfer.masks import TASK, UNKNOWN, answers, example, measure, resampled

OF_CONFUSIONS = ("mean_iou", "dice", "dice_per_image", "accuracy", "empty_kept", "absent_kept")
SIZES = {"seed": st.integers(0, 10_000), "images": st.integers(1, 12), "classes": st.integers(2, 5), "dims": st.integers(1, 3)}


def known_pixels(truths: list[np.ndarray], called: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All known pixels of all images in one line."""
    truth, guess = (np.concatenate([mask.ravel() for mask in side]) for side in (truths, called))
    return truth[truth != UNKNOWN], guess[truth != UNKNOWN]


@given(**SIZES)
@settings(max_examples=40, deadline=None)
def test_pooled_metrics_equal_scikit_learn(seed: int, images: int, classes: int, dims: int) -> None:
    truths, called = example(seed, images, classes, dims=dims)
    table, (truth, guess) = answers(truths, called, classes), known_pixels(truths, called)
    assert measure("accuracy", table) == pytest.approx(sklearn_metrics.accuracy_score(truth, guess))
    assert measure("mean_iou", table) == pytest.approx(sklearn_metrics.jaccard_score(truth, guess, average="macro", zero_division=0))
    objects = sorted(set(np.unique(np.concatenate([truth, guess])).tolist()) - {0})
    expected = sklearn_metrics.f1_score(truth, guess, labels=objects, average="macro", zero_division=0) if objects else np.nan
    assert measure("dice", table) == pytest.approx(expected, nan_ok=True)  # Dice of pixels is F1


@given(**SIZES)
@settings(max_examples=40, deadline=None)
def test_mean_iou_and_dice_of_each_image_equal_torchmetrics(seed: int, images: int, classes: int, dims: int) -> None:
    truths, called = example(seed, images, classes, dims=dims)
    truths = [np.where(truth == UNKNOWN, 0, truth) for truth in truths]  # torchmetrics knows of no unknown pixels
    truth, guess = (torch.from_numpy(np.stack(side)).long().reshape(images, -1) for side in (truths, called))
    expected = dice_score(guess, truth, classes, include_background=False, average="macro", input_format="index")
    shown = torch.tensor([bool((mask > 0).any()) for mask in truths])
    table = answers(truths, called, classes)
    assert measure("dice_per_image", table) == pytest.approx(float(expected[shown].mean()), nan_ok=True)
    together = mean_iou_of(guess.reshape(1, -1), truth.reshape(1, -1), classes, per_class=True, input_format="index")[0]
    assert measure("mean_iou", table) == pytest.approx(float(together[together >= 0].mean()))  # -1: in neither


@given(seed=st.integers(0, 10_000), images=st.integers(1, 8), classes=st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_confusion_equals_scikit_learn(seed: int, images: int, classes: int) -> None:
    truths, called = example(seed, images, classes)
    truth, guess = known_pixels(truths, called)
    found = confusions(answers(truths, called, classes)).sum(0)
    np.testing.assert_array_equal(found, sklearn_metrics.confusion_matrix(truth, guess, labels=range(classes)))


def test_producers_and_users_accuracy_are_recall_and_precision_of_each_class() -> None:
    truths, called = example(3, images=6, classes=4)
    truth, guess = known_pixels(truths, called)
    table = confusions(answers(truths, called, 4)).sum(0)
    scores = class_scores(table, ("a", "b", "c", "d"))
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(truth, guess)
    assert [score.name for score in scores] == ["a", "b", "c", "d"]
    assert [score.users for score in scores] == pytest.approx(precision)
    assert [score.producers for score in scores] == pytest.approx(recall)
    assert [score.dice for score in scores] == pytest.approx(f1)
    assert [score.pixels for score in scores] == support.tolist()
    assert [score.iou for score in scores] == pytest.approx(sklearn_metrics.jaccard_score(truth, guess, average=None))
    assert [score.called for score in scores] == np.bincount(guess, minlength=4).tolist()


def test_a_class_that_is_nowhere_has_no_scores() -> None:
    lost = class_scores(np.array([[5, 0], [0, 0]]), ("ground", "water"))[1]
    assert (lost.pixels, lost.called) == (0, 0)
    assert np.isnan([lost.iou, lost.dice, lost.producers, lost.users]).all()


@given(seed=st.integers(0, 10_000), images=st.integers(2, 12), classes=st.integers(2, 4))
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("metric", OF_CONFUSIONS)
def test_a_resampling_is_the_metric_of_the_images_it_repeats(metric: str, seed: int, images: int, classes: int) -> None:
    table, groups = answers(*example(seed, images, classes), classes), np.arange(images) // 2
    counts = resamplings(int(groups.max()) + 1, seed, times=15)
    found = resampled(metric, table, groups, counts)
    again = [measure(metric, table.take(np.repeat(np.arange(images), drawn[groups]))) for drawn in counts]
    np.testing.assert_allclose(found, again, rtol=1e-12)


def one_class(hits: int, missed: int, false: int, rest: int) -> np.ndarray:
    """(2, 2): background and one class."""
    return np.array([[rest, false], [missed, hits]])


def of_confusions(*tables: np.ndarray, background: bool = True) -> pa.Table:
    """Answers of which nothing but these (K, K) tables is known."""
    rows = [{"confusion": table.ravel().tolist(), "background": background} for table in tables]
    return pa.Table.from_pylist(rows, schema=TASK.answer_schema)


def test_images_whose_reference_is_empty_are_counted_apart() -> None:
    kept, alarmed, seen = one_class(0, 0, 0, 100), one_class(0, 0, 7, 93), one_class(10, 10, 0, 80)
    table = of_confusions(kept, alarmed, seen)
    assert measure("dice_per_image", table) == pytest.approx(20 / 30)  # of the one image that shows the class
    assert measure("empty_kept", table) == pytest.approx(1 / 2)
    assert measure("dice", table) == pytest.approx(20 / 37)  # pooled, a false alarm counts wherever it is
    assert np.isnan(measure("empty_kept", of_confusions(seen)))
    assert np.isnan(measure("dice_per_image", of_confusions(kept)))


def test_an_image_of_which_nothing_is_known_is_not_an_empty_one() -> None:
    assert np.isnan(measure("empty_kept", of_confusions(one_class(0, 0, 0, 0))))


def test_where_nothing_is_background_the_first_class_counts_as_the_others_do() -> None:
    table = np.array([[30, 10], [20, 40]])
    assert measure("dice", of_confusions(table, background=False)) == pytest.approx((60 / 90 + 80 / 110) / 2)
    assert measure("dice", of_confusions(table)) == pytest.approx(80 / 110)
    assert np.isnan(measure("empty_kept", of_confusions(table, background=False)))


def test_pixels_that_nobody_knows_count_nowhere() -> None:
    truth, called = np.array([[0, 1], [UNKNOWN, UNKNOWN]], dtype=np.int16), np.array([[0, 1], [0, 1]], dtype=np.uint8)
    np.testing.assert_array_equal(confusion(truth, called, 2), np.eye(2))


def test_a_called_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 4\) pixels was answered with one of \(4, 5\)"):
        confusion(np.zeros((4, 4), np.int16), np.zeros((4, 5), np.uint8), 2)


def test_column_sums_are_what_the_lines_of_weights_sum() -> None:
    generator = np.random.default_rng(0)
    weights = Weights(resamplings(7, 1, 50), generator.integers(7, size=40))
    values, lines = generator.normal(size=(40, 6)), np.concatenate(list(weights.lines()))
    np.testing.assert_allclose(weights.column_sums(values), lines @ values)
    chosen = generator.random(40) < 0.3
    holed = np.where(chosen, values[:, 0], np.nan)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(weights.mean(holed, chosen), lines[:, chosen] @ values[chosen, 0] / lines[:, chosen].sum(1))
