"""Whether class scores are what they say: of images called with a score of 0.8, eight in ten should be called right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from labelfree.transfer.tasks.base import flat
from labelfree.transfer.tasks.weights import Weights

BINS = 15  # of equal width


@dataclass(frozen=True)
class Reliability:
    """(B, BINS) weights of the rows whose largest score falls into each bin: of all, times that score, and of those called right."""

    rows: np.ndarray
    confidence: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, answers: pa.Table, weights: Weights) -> Reliability:
        scores, targets = flat(answers["scores"]).astype(np.float64), answers["target"].to_numpy()
        largest = scores.max(1)
        place = np.clip(np.ceil(largest * BINS).astype(int) - 1, 0, BINS - 1)  # a bin holds its upper end
        here = np.eye(BINS)[place]
        right = (scores.argmax(1) == targets)[:, None]
        sums = weights.column_sums(np.concatenate([here, here * largest[:, None], here * right], 1))
        return cls(*np.split(sums, 3, axis=1))


def ece(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Expected calibration error: |share called right - mean score| of each bin, averaged over rows (Guo et al. 2017, arXiv:1706.04599)."""
    bins = Reliability.of(answers, weights)
    gap: np.ndarray = np.abs(bins.right - bins.confidence).sum(1) / bins.rows.sum(1)
    return gap


def brier(answers: pa.Table, weights: Weights) -> np.ndarray:
    """Mean squared distance of the scores from 1 for the class and 0 for the others, summed over classes: 0 to 2 (Brier 1950)."""
    scores, targets = flat(answers["scores"]).astype(np.float64), answers["target"].to_numpy()
    distance = np.square(scores - np.eye(scores.shape[1])[targets]).sum(1)
    return weights.mean(distance, np.ones(len(distance), bool))
