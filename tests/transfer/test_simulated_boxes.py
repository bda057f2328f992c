"""Intervals of average precision on made-up detections where the truth is known: they cover it as often as stated, and equal arms are told
apart no more often than stated (docs/protocol.md, 11, 12 and 18).

Each image has its objects, its difficulty (shared within a scene), and what one arm happens to see better on it than another; each draw of
labels makes an arm better or worse. What is found, how well its box fits, how sure it is, and what false boxes are as sure, is then drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from labelfree.transfer.claims.intervals import Interval, from_folds, from_test
from labelfree.transfer.tasks import Weights
from labelfree.transfer.tasks.box_matches import OVERLAPS, SIZES
from labelfree.transfer.tasks.weights import resamplings
from tests.transfer.detections import TASK

CLASSES, DRAWS, FOLDS = 2, 5, 5
SCENES, IMAGES = 40, 2  # images of a scene
METRICS = ("map", "ap50")
BETTER = 0.5  # log odds by which an arm that is better finds more


def worlds(generator: np.random.Generator, scenes: int, draws: int, better: float) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Answers of two arms for each draw; one image of five shows no object."""
    count = scenes * IMAGES
    objects = np.where(generator.random(count) < 0.8, 1 + generator.poisson(2, count), 0)
    image = np.repeat(np.arange(count), objects)
    label = generator.integers(CLASSES, size=len(image))
    ease = np.repeat(generator.normal(0, 0.7, scenes), IMAGES) + generator.normal(0, 0.5, count)
    taste = np.repeat(generator.normal(0, 0.3, (2, scenes)), IMAGES, axis=1) + generator.normal(0, 0.3, (2, count))
    shown = np.zeros((count, CLASSES, len(SIZES)), np.int64)
    np.add.at(shown, (image, label), 1)
    for _ in range(draws):
        skill = ease + taste + generator.normal(0, 0.15, (2, 1)) + np.array([[better], [0.0]])
        yield tuple(answered(generator, image, label, shown, of) for of in skill)  # type: ignore[misc]


def answered(generator: np.random.Generator, image: np.ndarray, label: np.ndarray, shown: np.ndarray, skill: np.ndarray) -> pa.Table:
    """The columns that metrics read, of an arm with this skill on each image."""
    found = generator.random(len(image)) < expit(1 + skill[image])
    fit = 0.45 + 0.55 * expit(generator.normal(skill[image], 1))  # intersection over union
    false = np.repeat(np.arange(len(skill)), generator.poisson(2 * expit(-skill)))
    at = np.concatenate([image[found], false])
    score = expit(np.concatenate([1 + skill[image[found]], np.full(len(false), -1.0)]) + generator.normal(0, 1, len(at)))
    called = np.concatenate([label[found], generator.integers(CLASSES, size=len(false))])
    hits = np.concatenate([fit[found, None] >= OVERLAPS, np.zeros((len(false), len(OVERLAPS)), bool)])
    order = np.argsort(at, kind="stable")
    matches = np.repeat(hits[order][:, None], len(SIZES), axis=1).astype(np.int8)
    ends = np.concatenate([[0], np.cumsum(np.bincount(at, minlength=len(skill)))])
    lists = {
        "score": _lists(ends, score[order].astype(np.float32)),
        "label": _lists(ends, called[order]),
        "matches": _lists(ends * len(SIZES) * len(OVERLAPS), matches),
    }
    return pa.table(lists | {"objects": _lists(np.arange(len(skill) + 1) * CLASSES * len(SIZES), shown)})


def _lists(ends: np.ndarray, numbers: np.ndarray) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), pa.array(np.ascontiguousarray(numbers).ravel()))


@cache
def truth(metric: str, better: float) -> float:
    """The difference of the two arms on very many scenes and draws."""
    measured = TASK.metrics[metric]
    pairs = worlds(np.random.default_rng(99), scenes=3000, draws=20, better=better)
    return float(np.mean([measured.value(first) - measured.value(second) for first, second in pairs]))


@cache
def with_a_test_split(better: float, count: int = 150) -> dict[str, list[Interval]]:
    """The intervals of many worlds, of each metric: a quarter of a minute, for each draw of each world is resampled for both arms."""
    of_scene, once = np.repeat(np.arange(SCENES), IMAGES), np.ones((1, SCENES), np.uint16)
    resampled = [np.concatenate([once, resamplings(SCENES, seed, times=150)]) for seed in range(20)]  # one for all worlds would lean
    found: dict[str, list[Interval]] = {metric: [] for metric in METRICS}
    for seed in range(count):
        weights, pairs = Weights(resampled[seed % 20], of_scene), list(worlds(np.random.default_rng([1, seed]), SCENES, DRAWS, better))
        for metric in METRICS:
            measured = TASK.metrics[metric]
            differences = np.array([measured(first, weights) - measured(second, weights) for first, second in pairs])
            found[metric].append(from_test(differences[:, :1], differences[:, 1:].mean(0), SCENES))
    return found


@cache
def fold_differences(better: float, count: int = 150) -> dict[str, list[np.ndarray]]:
    """(J,) of repeated cross-validation in many worlds, of each metric: draws fold the same scenes anew, and learn anew."""
    found: dict[str, list[np.ndarray]] = {metric: [] for metric in METRICS}
    for seed in range(count):
        generator = np.random.default_rng([2, seed])
        pairs = list(worlds(generator, SCENES, DRAWS, better))
        folds = np.array([generator.permutation(SCENES) for _ in range(DRAWS)]) * FOLDS // SCENES  # (draws, scenes) fold of each
        counts = np.arange(FOLDS)[:, None, None] == folds  # a fold is a weighting: its scenes once, the others never
        weights = [Weights(counts[:, draw].astype(np.uint16), np.repeat(np.arange(SCENES), IMAGES)) for draw in range(DRAWS)]
        for metric in METRICS:
            measured = TASK.metrics[metric]
            differences = [measured(first, of) - measured(second, of) for of, (first, second) in zip(weights, pairs, strict=True)]
            found[metric].append(np.concatenate(differences))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("better", [0.0, BETTER])
@pytest.mark.parametrize("metric", METRICS)
def test_intervals_with_a_test_split_cover_the_truth_as_often_as_stated(metric: str, better: float) -> None:
    """With arms that are equal, what is not covered is a false claim."""
    known = truth(metric, better) if better else 0.0
    found = with_a_test_split(better)[metric]
    covered = np.mean([interval.low <= known <= interval.high for interval in found])
    assert covered >= 0.897  # 0.95 and three standard errors of 150
    if better:
        assert np.mean([interval.p < 0.05 for interval in found]) > 0.5  # and they find what there is


@pytest.mark.parametrize("metric", METRICS)
def test_cross_validation_of_boxes_makes_no_more_false_claims_than_stated(metric: str) -> None:
    folds = fold_differences(0.0)[metric]
    false = np.mean([from_folds(differences, FOLDS).p < 0.05 for differences in folds])
    naive = np.mean([abs(d.mean()) > 2 * d.std(ddof=1) / np.sqrt(len(d)) for d in folds])
    assert false <= 0.103  # 0.05 and three standard errors of 150
    assert naive > 0.15  # folds that share images and are taken as independent claim far more: these worlds can tell


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
def test_cross_validation_of_boxes_covers_a_true_difference(metric: str) -> None:
    known, folds = truth(metric, BETTER), fold_differences(BETTER)[metric]
    covered = [interval.low <= known <= interval.high for interval in (from_folds(differences, FOLDS) for differences in folds)]
    assert np.mean(covered) >= 0.897
