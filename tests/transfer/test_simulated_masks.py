"""Intervals of metrics of masks on made-up confusions where the truth is known: they cover it as often as stated, and equal arms are told
apart no more often than stated (docs/protocol.md, 11, 12 and 18).

Each image has its share of an object, its difficulty (shared within a scene), and what one arm happens to see better on it than another;
each draw of labels makes an arm better or worse. What is called is then drawn pixel by pixel.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from labelfree.transfer.claims.intervals import Interval, from_folds, from_test
from labelfree.transfer.tasks import Weights
from labelfree.transfer.tasks.weights import resamplings
from tests.transfer.masks import TASK

PIXELS = 1000  # of an image
DRAWS, FOLDS = 5, 5
METRICS = ("mean_iou", "dice", "dice_per_image")
BETTER = 0.4  # log odds by which an arm that is better sees more


def confusions(generator: np.random.Generator, scenes: int, images: int, draws: int, better: float) -> np.ndarray:
    """(draws, 2 arms, scenes * images, 2, 2) pixels; one image of five shows no object."""
    count = scenes * images
    shown = generator.random(count) < 0.8
    support = np.where(shown, generator.binomial(PIXELS, generator.beta(1.5, 6, count)), 0)
    ease = np.repeat(generator.normal(0, 0.7, scenes), images) + generator.normal(0, 0.5, count)
    taste = np.repeat(generator.normal(0, 0.3, (1, 2, scenes)), images, axis=2) + generator.normal(0, 0.3, (1, 2, count))
    luck = generator.normal(0, 0.15, (draws, 2, 1))
    skill = ease + taste + luck + np.array([better, 0.0])[:, None]
    hits = generator.binomial(support, expit(1 + skill))
    false = generator.binomial(PIXELS - support, expit(-3 - skill))
    return np.stack([PIXELS - support - false, false, support - hits, hits], axis=-1).reshape(draws, 2, count, 2, 2)


def table(pixels: np.ndarray) -> pa.Table:
    """Answers of (n, 2, 2) confusions."""
    offsets = pa.array(np.arange(0, pixels.size + 1, 4, dtype=np.int32))
    columns = {"confusion": pa.ListArray.from_arrays(offsets, pa.array(pixels.ravel())), "background": pa.array([True] * len(pixels))}
    return pa.table(columns)


@cache
def truth(metric: str, better: float) -> float:
    """The difference of the two arms on very many scenes and draws."""
    worlds = confusions(np.random.default_rng(99), scenes=3000, images=2, draws=40, better=better)
    measured = TASK.metrics[metric]
    return float(np.mean([measured.value(table(first)) - measured.value(table(second)) for first, second in worlds]))


@cache
def with_a_test_split(better: float, worlds: int = 250, scenes: int = 40) -> dict[str, list[Interval]]:
    """The intervals of many worlds, of each metric."""
    of_scene, once = np.repeat(np.arange(scenes), 2), np.ones((1, scenes), np.uint16)
    resampled = [np.concatenate([once, resamplings(scenes, seed, times=300)]) for seed in range(20)]  # one for all worlds would lean
    found: dict[str, list[Interval]] = {metric: [] for metric in METRICS}
    for seed in range(worlds):
        drawn = confusions(np.random.default_rng([1, seed]), scenes, 2, DRAWS, better)
        weights, tables = Weights(resampled[seed % 20], of_scene), [(table(first), table(second)) for first, second in drawn]
        for metric in METRICS:
            measured = TASK.metrics[metric]
            differences = np.array([measured(first, weights) - measured(second, weights) for first, second in tables])
            found[metric].append(from_test(differences[:, :1], differences[:, 1:].mean(0), scenes))
    return found


@cache
def fold_differences(better: float, worlds: int = 150, scenes: int = 40) -> dict[str, list[np.ndarray]]:
    """(J,) of repeated cross-validation in many worlds, of each metric: draws fold the same scenes anew, and learn anew."""
    found: dict[str, list[np.ndarray]] = {metric: [] for metric in METRICS}
    for seed in range(worlds):
        generator = np.random.default_rng([2, seed])
        drawn = confusions(generator, scenes, 2, DRAWS, better)
        folds = np.array([generator.permutation(scenes) for _ in range(DRAWS)]) * FOLDS // scenes  # (draws, scenes) fold of each
        counts = np.arange(FOLDS)[:, None, None] == folds  # a fold is a weighting: its scenes once, the others never
        arms = [
            [(Weights(counts[:, draw].astype(np.uint16), np.repeat(np.arange(scenes), 2)), table(arm)) for arm in arms]
            for draw, arms in enumerate(drawn)
        ]
        for metric in METRICS:
            measured = TASK.metrics[metric]
            pairs = [[measured(answers, weights) for weights, answers in both] for both in arms]
            found[metric].append(np.concatenate([first - second for first, second in pairs]))
    return found


@pytest.mark.parametrize("better", [0.0, BETTER])
@pytest.mark.parametrize("metric", METRICS)
def test_intervals_with_a_test_split_cover_the_truth_as_often_as_stated(metric: str, better: float) -> None:
    """With arms that are equal, what is not covered is a false claim."""
    known = truth(metric, better) if better else 0.0
    found = with_a_test_split(better)[metric]
    covered = np.mean([interval.low <= known <= interval.high for interval in found])
    assert 0.909 <= covered <= 0.991  # 0.95 and three standard errors of 250
    if better:
        assert np.mean([interval.p < 0.05 for interval in found]) > 0.5  # and they find what there is


@pytest.mark.parametrize("metric", METRICS)
def test_cross_validation_of_masks_makes_no_more_false_claims_than_stated(metric: str) -> None:
    folds = fold_differences(0.0)[metric]
    false = np.mean([from_folds(differences, FOLDS).p < 0.05 for differences in folds])
    naive = np.mean([abs(d.mean()) > 2 * d.std(ddof=1) / np.sqrt(len(d)) for d in folds])
    assert false <= 0.103  # 0.05 and three standard errors of 150
    assert naive > 0.15  # folds that share images and are taken as independent claim far more: these worlds can tell


@pytest.mark.parametrize("metric", METRICS)
def test_cross_validation_of_masks_covers_a_true_difference(metric: str) -> None:
    known, folds = truth(metric, BETTER), fold_differences(BETTER)[metric]
    covered = [interval.low <= known <= interval.high for interval in (from_folds(differences, FOLDS) for differences in folds)]
    assert np.mean(covered) >= 0.897
