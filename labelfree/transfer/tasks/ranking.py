"""How well scores rank what is positive above what is not, under many weights of rows at once. Rows of equal score share one step."""

from __future__ import annotations

import numpy as np


def area_under_roc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) area under the ROC curve, ties counted half; NaN where positives or negatives weigh nothing.

    `scores`: (n,), `positive`: (n,) bool, `weights`: (B, n).
    """
    ups, downs = _steps(scores, positive, weights)
    pairs = ups.sum(1) * downs.sum(1)
    ordered = (ups * (np.cumsum(downs, 1) - downs / 2)).sum(1)
    return np.divide(ordered, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def average_precision(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) mean of the precision at each positive, without interpolation; NaN where positives weigh nothing. Arguments as above."""
    ups, downs = _steps(-scores, positive, weights)  # from the highest score on
    return precision_of_steps(ups, downs)


def precision_of_steps(ups: np.ndarray, downs: np.ndarray) -> np.ndarray:
    """(B,) average precision of positives and negatives (B, n) that are reached step by step, the surest first."""
    found, called, whole = np.cumsum(ups, 1), np.cumsum(ups + downs, 1), ups.sum(1)
    precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
    return np.divide((ups * precision).sum(1), whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _steps(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of positives and of negatives at each score that there is, the lowest first: (B, m)."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    chosen, ours = weights[:, order], positive[order].astype(np.float64)
    return np.add.reduceat(chosen * ours, starts, axis=1), np.add.reduceat(chosen * (1 - ours), starts, axis=1)
