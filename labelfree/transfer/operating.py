"""Operating points: a threshold that false alarms are bounded by, chosen on scores that nothing was learned from (docs/protocol.md, 17)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import floor, nextafter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from labelfree.transfer.question import Question

LEVEL = 0.95


@dataclass(frozen=True)
class Counts:
    """What a threshold does: of `positives` so many `missed`, and of `negatives` so many `false_alarms`."""

    missed: float
    positives: float
    false_alarms: float
    negatives: float

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.missed + other.missed,
            self.positives + other.positives,
            self.false_alarms + other.false_alarms,
            self.negatives + other.negatives,
        )

    def over(self, times: int) -> Counts:
        """The mean of so many."""
        return Counts(self.missed / times, self.positives / times, self.false_alarms / times, self.negatives / times)


class Alarms(ABC):
    """Scores of what may raise an alarm, and whether it should."""

    @abstractmethod
    def threshold(self, most: float) -> float | None:
        """The lowest one that keeps false alarms at `most` here; None where there is nothing to set it by."""

    @abstractmethod
    def at(self, threshold: float) -> Counts:
        """What it does here: a score of at least as much is an alarm."""


@dataclass(frozen=True)
class BinaryAlarms(Alarms):
    """`scores` (n,) float64 and `positive` (n,) bool of n images or, where images share groups, of n groups."""

    scores: np.ndarray
    positive: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, positive: np.ndarray, groups: np.ndarray) -> BinaryAlarms:
        """`groups`: (rows,) of each row. A group scores as high as its highest row, and is positive where any of its rows is."""
        places, which = np.unique(groups, return_inverse=True)
        highest, found = np.full(len(places), -np.inf), np.zeros(len(places), bool)
        np.maximum.at(highest, which, scores)
        np.logical_or.at(found, which, positive)
        return cls(highest, found)

    def threshold(self, most: float) -> float | None:
        """In the middle between the highest negative that may raise no alarm and the next score above it."""
        negatives = np.sort(self.scores[~self.positive])[::-1]
        allowed = floor(most * len(negatives) + 1e-9)
        if not len(negatives) or not self.positive.any():
            return None
        if allowed >= len(negatives):
            return 0.0
        last = float(negatives[allowed])
        above = self.scores[self.scores > last]
        middle = (last + (float(above.min()) if len(above) else 1.0)) / 2
        return middle if middle > last else nextafter(last, np.inf)

    def at(self, threshold: float) -> Counts:
        called = self.scores >= threshold
        missed, false = int((self.positive & ~called).sum()), int((~self.positive & called).sum())
        return Counts(missed, int(self.positive.sum()), false, int((~self.positive).sum()))


@dataclass(frozen=True)
class Rule:
    """`most`: false alarms, at most. `positive`: the class that an alarm is about, by its position."""

    most: float
    positive: int

    def threshold(self, question: Question, rows: np.ndarray, held: pa.Table | None) -> float | None:
        """Set by `held` answers for labelled rows of the question, which they were not learned from; None where there are none."""
        if held is None:
            return None
        return question.task.alarms(held, self.positive, question.group_names[rows]).threshold(self.most)

    def flags(self, threshold: float | None) -> list[str]:
        """What results.csv keeps of a cell's threshold."""
        return [f"alarm={self.positive}", *([] if threshold is None else [f"threshold={threshold!r}"])]


@dataclass(frozen=True)
class Share:
    """`count` of `whole` with exact bounds (Clopper and Pearson 1934): `low`, `high` two-sided 95 %, `at_most` one-sided 95 %.

    A `count` that is a mean over draws may be no whole number; the bounds are those of the beta distribution all the same.
    """

    count: float
    whole: float
    low: float
    high: float
    at_most: float

    @classmethod
    def of(cls, count: float, whole: float) -> Share:
        from scipy.special import betaincinv

        def upper(level: float) -> float:
            return float(betaincinv(count + 1, whole - count, level)) if count < whole else 1.0

        tail = (1 - LEVEL) / 2
        low = float(betaincinv(count, whole - count + 1, tail)) if count > 0 else 0.0
        return cls(count, whole, low, upper(1 - tail), upper(LEVEL))
