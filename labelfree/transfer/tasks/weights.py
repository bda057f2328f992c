"""Weights of scored rows: how often each counts in thousands of resamplings of their groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from labelfree.transfer.tasks.shares import share

RESAMPLINGS = 2000
CHUNK = 4_000_000  # numbers held at once


@dataclass(frozen=True)
class Weights:
    """(B, n) weights of n rows, one line a resampling; every row of a group goes with it.

    `counts`: (B, G), how often each group was drawn. `groups`: (n,) in 0…G-1. The (B, n) table itself is never held: sums are tallied by
    group first, and what cannot be (a ranking) takes `lines`.
    """

    counts: np.ndarray
    groups: np.ndarray

    @classmethod
    def once(cls, rows: int) -> Weights:
        """Every row counts once: what a score without resampling is."""
        return cls(np.ones((1, 1)), np.zeros(rows, int))

    @classmethod
    def resampled(cls, groups: np.ndarray, count: int, seed: int, times: int = RESAMPLINGS) -> Weights:
        """`count` groups drawn with replacement, `times` over."""
        return cls(resamplings(count, seed, times), groups)

    def __len__(self) -> int:
        return len(self.counts)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Weighted sums of (n,) values: (B,)."""
        return self._weighed(np.bincount(self.groups, values, self.counts.shape[1])[:, None])[:, 0]

    def column_sums(self, values: np.ndarray) -> np.ndarray:
        """Weighted sums of each column of (n, K) values: (B, K)."""
        table = np.zeros((self.counts.shape[1], values.shape[1]))
        np.add.at(table, self.groups, values)
        return self._weighed(table)

    def mean(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Weighted mean of (n,) values over some rows, (n,) bool: (B,), NaN where these weigh nothing."""
        return share(self.sums(np.where(rows, values, 0.0)), self.sums(rows.astype(np.float64)))

    def tally(self, columns: np.ndarray, width: int, rows: np.ndarray | None = None) -> np.ndarray:
        """(B, width) weight of the rows that fall into each column. `columns`: (n,) in 0…width-1; `rows`: (n,) bool, those to count."""
        chosen = slice(None) if rows is None else rows
        table = np.zeros((self.counts.shape[1], width))
        np.add.at(table, (self.groups[chosen], columns[chosen]), 1)
        return self._weighed(table)

    def lines(self) -> Iterator[np.ndarray]:
        """The (B, n) table in blocks of lines."""
        for block in self.blocks(len(self.groups)):
            yield block[:, self.groups]

    def blocks(self, width: int) -> Iterator[np.ndarray]:
        """The counts in blocks of lines, (b, G) float64, as many as there is room for tables of `width` numbers a line."""
        step = max(1, CHUNK // max(1, width))
        for start in range(0, len(self.counts), step):
            yield self.counts[start : start + step].astype(np.float64)

    def _weighed(self, table: np.ndarray) -> np.ndarray:
        """(G, K) sums of each group -> (B, K) of each resampling."""
        return np.concatenate([block @ table for block in self.blocks(self.counts.shape[1])])


def resamplings(groups: int, seed: int, times: int = RESAMPLINGS) -> np.ndarray:
    """(times, groups) uint16: how often each group is drawn when `groups` of them are drawn with replacement."""
    generator = np.random.default_rng([seed, groups])
    return np.stack([np.bincount(generator.integers(groups, size=groups), minlength=groups) for _ in range(times)]).astype(np.uint16)
