"""How far down a ranked gallery the first right answer of a query stands, where several may be right and several equally near."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

DECIMALS = 6  # of a cosine in float32: what differs by less is equally near
NUMBERS = 2**22  # of one block of cosines


@dataclass(frozen=True)
class Standing:
    """Of Q queries, each (Q,): `right` answers that the gallery holds; wrong ones `ahead` of the nearest right one; wrong ones `tied` with
    it; right ones `level` with it, itself among them.

    Equally near answers stand in an order drawn at random, and what is told is the mean over all of these orders: a model that finds
    everything equally near is worth exactly what chance is.
    """

    right: np.ndarray
    ahead: np.ndarray
    tied: np.ndarray
    level: np.ndarray

    def within(self, first: int) -> np.ndarray:
        """(Q,) the probability that a right answer is among the `first` of the gallery."""
        return 1 - missed(self.level, self.tied + self.level, first - self.ahead)

    @property
    def rank(self) -> np.ndarray:
        """(Q,) the place of the first right answer, from 1 on: a mean, which may lie between two places."""
        mean: np.ndarray = self.ahead + (self.tied + self.level + 1) / (self.level + 1)
        return mean


def missed(right: np.ndarray, size: np.ndarray | int, first: np.ndarray | int) -> np.ndarray:
    """(Q,) the probability that none of the `right` ones is among the `first` of `size` answers in random order: hypergeometric, exact."""
    right, size, first = np.broadcast_arrays(np.asarray(right, np.float64), size, np.clip(first, 0, size))
    probability = np.ones(right.shape)
    for place in range(int(first.max(initial=0))):
        left = np.maximum(size - place, 1)
        probability = np.where(place < first, probability * np.clip((left - right) / left, 0, 1), probability)
    return probability


def chance_rank(right: np.ndarray, weights: np.ndarray, size: int) -> float:
    """The place by which half of the queries have met a right answer, were galleries of `size` in random order; NaN without a query.

    `right`, `weights`: (Q,) right answers of each query, and how much it counts.
    """
    if not len(right):
        return float("nan")
    kinds, kind = np.unique(right, return_inverse=True)
    shares = np.bincount(kind, weights) / weights.sum()
    going = np.ones(len(kinds))
    for place in range(size):
        going = going * np.clip((size - place - kinds) / (size - place), 0, 1)
        if shares @ going <= 0.5 + 1e-12:
            return float(place + 1)
    return float(size)


def standing(queries: np.ndarray, gallery: np.ndarray, right: Callable[[int, int], np.ndarray]) -> Standing:
    """Of queries (Q, D) in a gallery (G, D) of vectors of length 1.

    `right`: (start, end) -> (end - start, G) bool, which answers of these queries are right; at least one of each.
    """
    found = [np.zeros(len(queries), np.int64) for _ in range(4)]
    step = max(1, NUMBERS // max(1, len(gallery)))
    columns = gallery.astype(np.float64).T
    for start in range(0, len(queries), step):
        end = min(start + step, len(queries))
        near, good = np.round(queries[start:end].astype(np.float64) @ columns, DECIMALS), right(start, end)
        best = np.where(good, near, -np.inf).max(1, keepdims=True)
        parts = good, near > best, (near == best) & ~good, (near == best) & good
        for column, part in zip(found, parts, strict=True):
            column[start:end] = part.sum(1)
    return Standing(*found)
