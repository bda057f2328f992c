"""Metrics beside what chance would score: of every arm, with their intervals, where the task knows chance."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from labelfree.training.files import read_json, write_json
from labelfree.transfer.claims.claims import interval_of
from labelfree.transfer.claims.scores import Point, Scores, read_scores
from labelfree.transfer.tasks import Metric, TaskWords

FILE = "chance.json"


@dataclass(frozen=True)
class BesideChance:
    """One metric of one point. `low`, `high`: 95 % bounds, None where the scored images allow none. `beyond`: whether all of the interval
    is better than `chance`, which is the mean over its cells.
    """

    arm: str
    protocol: str
    budget: str
    metric: str
    mean: float
    low: float | None
    high: float | None
    chance: float
    beyond: bool


def save_chance(folder: Path) -> list[BesideChance]:
    """Write chance.json of a run whose scores are there. No file where the task knows no chance."""
    path = folder / FILE
    path.unlink(missing_ok=True)
    metric = str(read_json(folder / "claims.json")["table"][0]["metric"])
    scores = read_scores(folder, metric)
    known = [each for each in scores.task.metrics.values() if each.chance is not None]
    rows = [_beside(replace(scores, metric=each, _resampled={}), point) for each in known for point in scores.cells]
    if rows:
        write_json(path, [asdict(row) for row in rows])
    return rows


def beside_words(row: BesideChance, words: TaskWords) -> str:
    """A row in one line."""
    metric = words.metric(row.metric)
    unit = f" {metric.of_scores}" if metric.of_scores else ""
    mean, chance = (f"{metric.scale * value:.1f}{unit}" for value in (row.mean, row.chance))
    span = (
        "no interval"
        if row.low is None or row.high is None
        else f"95 % interval {metric.scale * row.low:.1f} to {metric.scale * row.high:.1f}"
    )
    return f"{row.arm}, {words.protocol(row.protocol).words}: {metric.words} {mean} ({span}), chance {chance}."


def _beside(scores: Scores, point: Point) -> BesideChance:
    metric, interval = scores.metric, interval_of(scores, point)
    low, high = (value if math.isfinite(value) else None for value in (interval.low, interval.high))
    chance = _chance(scores, point, metric)
    return BesideChance(*point, metric.name, interval.mean, low, high, chance, beyond(low, high, chance, metric))


def _chance(scores: Scores, point: Point, metric: Metric) -> float:
    assert metric.chance is not None
    return float(np.mean([metric.chance(cell.answers) for cell in scores.cells[point].values()]))


def beyond(low: float | None, high: float | None, chance: float, metric: Metric) -> bool:
    """Whether an interval lies wholly on the better side of chance."""
    if low is None or high is None:
        return False
    return low > chance if metric.higher_is_better else high < chance
