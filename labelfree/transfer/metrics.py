"""Classification metrics, on the scored rows and on thousands of resamplings of their groups at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RESAMPLINGS = 2000
CHUNK = 4_000_000  # numbers held at once


@dataclass(frozen=True)
class Tally:
    """(..., K) weights of rows: rightly called class k, called class k, and of class k."""

    hits: np.ndarray
    called: np.ndarray
    support: np.ndarray

    def weighted(self, counts: np.ndarray) -> Tally:
        """From one row a group (G, K) to one row a resampling (B, K), `counts` (B, G) saying how often each group was drawn."""
        return Tally(counts @ self.hits, counts @ self.called, counts @ self.support)


def tally(scores: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> Tally:
    """(G, K) counts for each group. `scores`: (n, K); a tie goes to the first class. `groups`: (n,) in 0…G-1."""
    called = scores.argmax(1)
    shape = (int(groups.max()) + 1, scores.shape[1])
    right = called == targets
    out = Tally(np.zeros(shape), np.zeros(shape), np.zeros(shape))
    np.add.at(out.hits, (groups[right], targets[right]), 1)
    np.add.at(out.called, (groups, called), 1)
    np.add.at(out.support, (groups, targets), 1)
    return out


def accuracy(counts: Tally) -> np.ndarray:
    """Share of rows called right."""
    return counts.hits.sum(-1) / counts.support.sum(-1)


def balanced_accuracy(counts: Tally) -> np.ndarray:
    """Mean recall over the classes that occur."""
    return _mean(counts.hits, counts.support)


def macro_f1(counts: Tally) -> np.ndarray:
    """Mean F1 over the classes that occur or are called."""
    return _mean(2 * counts.hits, counts.called + counts.support)


def auroc(scores: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve, ties counted half; one class against the rest, averaged over classes, when there are more than two.

    `scores`: (n, K). `weights`: (B, n). Returns (B,), NaN where no class has both positives and negatives.
    """
    classes = range(scores.shape[1]) if scores.shape[1] > 2 else (1,)
    total, defined = np.zeros(len(weights)), np.zeros(len(weights))
    for label in classes:
        order = np.argsort(scores[:, label], kind="stable")
        ranked = scores[order, label]
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])  # rows of equal score share one step of the curve
        chosen, positive = weights[:, order], (targets[order] == label).astype(np.float64)
        ups = np.add.reduceat(chosen * positive, starts, axis=1)
        downs = np.add.reduceat(chosen * (1 - positive), starts, axis=1)
        pairs = ups.sum(1) * downs.sum(1)
        ordered = (ups * (np.cumsum(downs, 1) - downs / 2)).sum(1)
        both = pairs > 0
        total[both] += ordered[both] / pairs[both]
        defined += both
    return np.divide(total, defined, out=np.full(len(total), np.nan), where=defined > 0)


COUNTED: dict[str, Callable[[Tally], np.ndarray]] = {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy, "macro_f1": macro_f1}
RANKED: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {"auroc": auroc}
METRICS = (*COUNTED, *RANKED)


def measure(metric: str, scores: np.ndarray, targets: np.ndarray) -> float:
    """The metric of (n, K) class scores on all rows."""
    return float(resampled(metric, scores, targets, np.zeros(len(targets), int), np.ones((1, 1)))[0])


def resampled(metric: str, scores: np.ndarray, targets: np.ndarray, groups: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The metric on each resampling: (B,).

    `groups`: (n,) in 0…G-1; every row of a group goes with it. `counts`: (B, G), how often each group was drawn.
    """
    per_row = metric in RANKED
    step = max(1, CHUNK // max(1, len(targets) if per_row else counts.shape[1]))
    table = None if per_row else tally(scores, targets, groups)
    parts = []
    for start in range(0, len(counts), step):
        drawn = counts[start : start + step].astype(np.float64)
        if table is None:
            parts.append(RANKED[metric](scores, targets, drawn[:, groups]))
        else:
            parts.append(COUNTED[metric](table.weighted(drawn)))
    return np.concatenate(parts)


def resamplings(groups: int, seed: int, times: int = RESAMPLINGS) -> np.ndarray:
    """(times, groups) uint16: how often each group is drawn when `groups` of them are drawn with replacement."""
    generator = np.random.default_rng([seed, groups])
    return np.stack([np.bincount(generator.integers(groups, size=groups), minlength=groups) for _ in range(times)]).astype(np.uint16)


def _mean(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    known = whole > 0
    shares = np.divide(part, whole, out=np.zeros_like(part), where=known)
    return shares.sum(-1) / known.sum(-1)
