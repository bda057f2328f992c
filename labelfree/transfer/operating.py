"""Operating points: a threshold that false alarms are bounded by, chosen on scores that nothing was learned from (docs/protocol.md, 17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelfree.transfer.alarms import ANY_CLASS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from labelfree.data.budgets import Budget
    from labelfree.transfer.cells import CellKey
    from labelfree.transfer.question import Question

LEVEL = 0.95


@dataclass(frozen=True)
class Rule:
    """`most`: false alarms, at most. `positive`: the class that an alarm is about, by its position, or ANY_CLASS.

    `arms`, `protocol`, `budget`: the primary's point, which thresholds are told of; where nothing is held out anyway, it is held out there.
    """

    most: float
    positive: int
    arms: tuple[str, ...]
    protocol: str
    budget: Budget

    def name(self, classes: Sequence[str]) -> str:
        """Of that class; "" of any."""
        return "" if self.positive == ANY_CLASS else classes[self.positive]

    def told_of(self, key: CellKey) -> bool:
        """Whether it is told what the threshold of this cell does."""
        return key.arm in self.arms and (key.protocol, key.budget) == (self.protocol, self.budget)

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
