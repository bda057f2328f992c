"""What a run claims, in a form that is printed and stored."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from labelfree.transfer.labels_saved import LabelsSaved


@dataclass(frozen=True)
class Comparison:
    """One arm against another at one point. `low`, `high`: 95 % bounds; None where the labels allow none."""

    arm: str
    against: str
    protocol: str
    budget: str
    metric: str
    mean: float
    low: float | None
    high: float | None
    se: float | None
    df: float
    p: float
    parts: dict[str, float]
    undertrained: bool
    withheld: str = ""

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `no significant difference`, or `no claim` (undertrained, or withheld for the reason given)."""
        if self.undertrained or self.withheld:
            return "no claim"
        if self.low is not None and self.low > 0:
            return "better"
        return "worse" if self.high is not None and self.high < 0 else "no significant difference"


@dataclass(frozen=True)
class TableRow:
    """One point of one curve. `x`: labels a class. `size`: the input size chosen most often.

    `undertrained`: how many cells had a solver that did not converge.
    """

    arm: str
    backbone: str
    protocol: str
    budget: str
    x: float
    n_labels: float
    metric: str
    mean: float
    low: float | None
    high: float | None
    draws: int
    seeds: int
    size: int
    undertrained: int


@dataclass(frozen=True)
class Claims:
    """`primary` is the only claim; `comparisons` and `table` are exploratory.

    `resolvable`: the "smallest difference these labels can resolve". `undertrained`, `notes`: sentences. `caption`: of the table.
    """

    headline: str
    primary: Comparison | None
    resolvable: float | None
    labels_saved: LabelsSaved | None
    table: list[TableRow]
    comparisons: list[Comparison]
    strongest_imagenet: dict[str, Any] | None
    envelope: list[dict[str, Any]]
    undertrained: list[str]
    caption: str
    method: str
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: no infinities, and what is printed of `labels_saved` beside its numbers."""
        plain = asdict(self)
        if self.primary is not None:
            plain["primary"]["verdict"] = self.primary.verdict
        for row, comparison in zip(plain["comparisons"], self.comparisons, strict=True):
            row["verdict"] = comparison.verdict
        saved = self.labels_saved
        if saved is not None:
            plain["labels_saved"]["text"] = str(saved)
            numbers = {"ratio": saved.ratio, "low": saved.low, "high": saved.high}
            plain["labels_saved"]["words"] = {key: saved.words(value) for key, value in numbers.items() if value is not None}
        finite: dict[str, Any] = _finite(plain)
        return finite


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
