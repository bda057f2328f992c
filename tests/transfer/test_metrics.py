from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from labelfree.transfer.tasks.weights import Weights, resamplings
from tests.transfer.classes import METRICS, measure, resampled


def oracle(metric: str, scores: np.ndarray, targets: np.ndarray) -> float:
    called = scores.argmax(1)
    if metric == "accuracy":
        return sklearn_metrics.accuracy_score(targets, called)
    if metric == "balanced_accuracy":
        return sklearn_metrics.recall_score(targets, called, labels=np.unique(targets), average="macro")
    if metric == "macro_f1":
        return sklearn_metrics.f1_score(targets, called, average="macro")
    if metric == "brier":
        return sklearn_metrics.mean_squared_error(np.eye(scores.shape[1])[targets], scores) * scores.shape[1]
    if metric == "ece":
        return calibration_error(scores.max(1), called == targets)
    if scores.shape[1] == 2:
        return sklearn_metrics.roc_auc_score(targets, scores[:, 1])
    known = [k for k in range(scores.shape[1]) if 0 < (targets == k).sum() < len(targets)]
    return float(np.mean([sklearn_metrics.roc_auc_score(targets == k, scores[:, k]) for k in known]))


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Guo et al. 2017, eq. 3, bin by bin; scores beyond 1 stand in the last one."""
    edges = [*np.arange(bins) / bins, np.inf]
    gaps = 0.0
    for low, high in pairwise(edges):
        held = (confidence > low) & (confidence <= high)
        gaps += abs(right[held].sum() - confidence[held].sum())
    return gaps / len(right)


def example(seed: int, rows: int, classes: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = generator.integers(classes, size=rows)
    targets[:2] = [0, 1]
    scores = generator.random((rows, classes)) + 0.5 * np.eye(classes)[targets]
    return (np.round(scores, 1) if ties else scores), targets


@given(st.integers(0, 10_000), st.integers(4, 40), st.integers(2, 5), st.booleans())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("metric", METRICS)
def test_metrics_equal_scikit_learn(metric: str, seed: int, rows: int, classes: int, ties: bool) -> None:
    scores, targets = example(seed, rows, classes, ties)
    assert measure(metric, scores, targets) == pytest.approx(oracle(metric, scores, targets), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_a_resampling_is_the_metric_of_the_rows_it_repeats(metric: str) -> None:
    scores, targets = example(3, 30, 3, ties=True)
    groups = np.arange(30) // 3
    counts = resamplings(10, seed=7, times=25)
    found = resampled(metric, scores, targets, groups, counts)
    for value, drawn in zip(found, counts, strict=True):
        rows = np.repeat(np.arange(30), drawn[groups])
        assert value == pytest.approx(oracle(metric, scores[rows], targets[rows]), abs=1e-12)


def test_resamplings_draw_as_many_groups_as_there_are_and_repeat_under_a_seed() -> None:
    counts = resamplings(13, seed=5)
    assert counts.shape == (2000, 13)
    assert (counts.sum(1) == 13).all()
    assert (counts == resamplings(13, seed=5)).all()
    assert (counts != resamplings(13, seed=6)).any()


def test_scores_that_are_what_they_say_have_no_calibration_error() -> None:
    """Two classes: of ten images called with 0.8 eight are right, of ten called with 0.6 six."""
    scores = np.array([[0.8, 0.2]] * 10 + [[0.6, 0.4]] * 10)
    targets = np.array([0] * 8 + [1] * 2 + [0] * 6 + [1] * 4)
    assert measure("ece", scores, targets) == pytest.approx(0, abs=1e-12)
    sure = np.round(scores)
    assert measure("ece", sure, targets) == pytest.approx(0.3)
    assert measure("brier", sure, targets) == pytest.approx(2 * 0.3)


def test_auroc_without_negatives_is_undefined() -> None:
    assert np.isnan(measure("auroc", np.array([[0.2, 0.8], [0.4, 0.6]]), np.array([1, 1])))


def test_weights_tally_what_their_lines_sum() -> None:
    """Sums are taken by group first; the table of weights itself, line by line, says the same."""
    generator = np.random.default_rng(0)
    groups = generator.integers(7, size=40)
    weights = Weights(resamplings(7, 1, 50), groups)
    values, columns, chosen = generator.normal(size=40), generator.integers(3, size=40), generator.random(40) < 0.5
    table = np.concatenate(list(weights.lines()))
    np.testing.assert_allclose(weights.sums(values), table @ values)
    np.testing.assert_array_equal(weights.tally(columns, 3, chosen), table[:, chosen] @ np.eye(3)[columns[chosen]])
