"""Classification as the tests of this folder speak of it: plain arrays in, the seam's objects out."""

from __future__ import annotations

import numpy as np

from labelfree.transfer.tasks import Weights, find_task
from labelfree.transfer.tasks.classification import Classes

TASK = find_task("classification")
METRICS = tuple(TASK.metrics)


def classes(positions: np.ndarray, count: int) -> Classes:
    """Targets of so many classes called `class 0`, `class 1` …"""
    return Classes(positions, count, tuple(f"class {k}" for k in range(count)))


def measure(metric: str, scores: np.ndarray, positions: np.ndarray) -> float:
    """A metric of (n, K) class scores, every row counted once."""
    return TASK.metrics[metric].value(TASK.answers(scores, classes(positions, scores.shape[1])))


def resampled(metric: str, scores: np.ndarray, positions: np.ndarray, groups: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The same on resamplings of groups: (B,)."""
    return TASK.metrics[metric](TASK.answers(scores, classes(positions, scores.shape[1])), Weights(counts, groups))
