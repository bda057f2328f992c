"""The head that is asked where it hesitates is the linear probe of a comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from labelfree.domain import Row
from labelfree.selecting.head_so_far import class_scores


def rows(labels: str) -> list[Row]:
    return [Row(f"{at}", Path(f"{at}"), label=label) for at, label in enumerate(labels)]


def features(count: int = 60, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 12)).astype(np.float32)


def test_one_label_a_class_is_scikit_learns_regression() -> None:
    x, labelled = features(), np.array([4, 9, 20])
    scores = class_scores(x, labelled, rows("abc"), ["4", "9", "20"], 0)
    centred = x - x[labelled].mean(0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    expected = LogisticRegression(C=10, max_iter=1000, tol=1e-8).fit(unit[labelled], list("abc")).predict_proba(unit)
    np.testing.assert_allclose(scores, expected, atol=2e-3)


def test_scores_sum_to_one_and_follow_the_labels() -> None:
    x = features()
    x[:30, 0] += 8
    labelled = np.arange(20, 40)
    scores = class_scores(x, labelled, rows("b" * 10 + "a" * 10), [str(at) for at in labelled], 0)
    assert scores.shape == (60, 2) and scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    assert (scores[:30].argmax(1) == 1).all() and (scores[30:].argmax(1) == 0).all()


def test_one_class_is_certain() -> None:
    assert class_scores(features(), np.array([1, 2]), rows("aa"), ["1", "2"], 0).tolist() == [[1.0]] * 60
