"""What a run's files say was scored, as arrays: draws, seeds and folds of any arm, and the same on resampled groups."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labelfree.data.budgets import NO_LABELS
from labelfree.errors import DataError
from labelfree.transfer.tables import CROSSED, ENVELOPE
from labelfree.transfer.tasks import Metric, Task, TaskWords, Weights, find_task
from labelfree.transfer.tasks.registry import find_metric
from labelfree.transfer.tasks.weights import resamplings

KEYS = ("arm", "protocol", "budget", "split", "seed", "draw", "fold", "group", "row_id")  # columns that say whose answer a row is
Point = tuple[str, str, str]  # arm, protocol, budget: a point of a curve


@dataclass(frozen=True)
class Prediction:
    """The answers of one cell, a row a scored image; `groups`: (n,) positions among the scored groups."""

    answers: pa.Table
    groups: np.ndarray


@dataclass(frozen=True)
class Scores:
    """All predictions of a run. `cells`: point -> (seed, draw, fold) -> prediction. `results`: the rows of results.csv. `words`: how the
    task speaks of this run's labels.
    """

    task: Task
    words: TaskWords
    cells: dict[Point, dict[tuple[int, int, int], Prediction]]
    results: list[dict[str, str]]
    group_count: int
    crossed: bool
    metric: Metric
    seed: int = 0
    _resampled: dict[tuple[Point, int, int], np.ndarray] = field(default_factory=dict)

    @cached_property
    def counts(self) -> np.ndarray:
        """(2000, G) resamplings of the scored groups: one stream for all arms and budgets."""
        return resamplings(self.group_count, self.seed)

    @cached_property
    def folds(self) -> int:
        """Folds of one draw."""
        return 1 + max(fold for cells in self.cells.values() for _, _, fold in cells)

    def seeds(self, point: Point) -> list[int]:
        return sorted({seed for seed, _, _ in self.cells[point]})

    def draws(self, point: Point) -> list[int]:
        return sorted({draw for _, draw, _ in self.cells[point]})

    def values(self, point: Point) -> np.ndarray:
        """(R, S, F) the metric of each draw, seed and fold."""
        cells, folds, seeds = self.cells[point], range(self.folds), self.seeds(point)
        return np.array([[[self._value(cells[seed, draw, fold]) for fold in folds] for seed in seeds] for draw in self.draws(point)])

    def judged(self, point: Point) -> tuple[np.ndarray, np.ndarray | None]:
        """(R, S, F) values and (R, S, B) resampled ones, None where folds are what varies. Where nothing was learnt folds are none: each
        row was scored once, and groups are resampled as with a test split.
        """
        if point[2] == str(NO_LABELS):
            return self.pooled(point)[..., None], self.resampled(point)
        return self.values(point), None if self.crossed else self.resampled(point)

    def _value(self, cell: Prediction) -> float:
        return self.metric.value(cell.answers)

    def resampled(self, point: Point) -> np.ndarray:
        """(R, S, B) the metric of each draw and seed on resampled groups, out-of-fold predictions of a draw taken together."""
        return np.stack([np.stack([self._resample(point, seed, draw) for seed in self.seeds(point)]) for draw in self.draws(point)])

    def pooled(self, point: Point) -> np.ndarray:
        """(R, S) the metric of each draw and seed, out-of-fold predictions taken together."""
        cells = [[self.whole(point, seed, draw) for seed in self.seeds(point)] for draw in self.draws(point)]
        return np.array([[self._value(cell) for cell in row] for row in cells])

    def whole(self, point: Point, seed: int, draw: int) -> Prediction:
        """All folds of a draw taken together."""
        parts = [self.cells[point][seed, draw, fold] for fold in range(self.folds)]
        return Prediction(pa.concat_tables([part.answers for part in parts]), np.concatenate([part.groups for part in parts]))

    def _resample(self, point: Point, seed: int, draw: int) -> np.ndarray:
        key = (point, seed, draw)
        if key not in self._resampled:
            cell = self.whole(point, seed, draw)
            self._resampled[key] = self.metric(cell.answers, Weights(self.counts, cell.groups))
        return self._resampled[key]

    def of_arm(self, arm: str) -> Scores:
        """Those of one arm alone, in tables of their own: what the others take of memory can be given back."""
        cells = {
            point: {key: Prediction(cell.answers.take(np.arange(len(cell.answers))), cell.groups.copy()) for key, cell in keys.items()}
            for point, keys in self.cells.items()
            if point[0] == arm
        }
        return replace(self, cells=cells, results=[row for row in self.results if row["arm"] == arm], _resampled={})

    def rows(self, envelope: bool = False) -> list[dict[str, str]]:
        """Rows of results.csv in the claimed metric: what was scored, or what only draws the envelope."""
        return [row for row in self.results if row["metric"] == self.metric.name and (row["flags"] == ENVELOPE) == envelope]

    def labels(self, point: Point) -> float:
        """Mean number of labels of a point."""
        return float(np.mean([int(row["n_labels"]) for row in self.rows() if (row["arm"], row["protocol"], row["budget"]) == point]))

    def x(self, point: Point) -> float:
        """Labels of a point, as the task counts them."""
        return self.task.axis(self.labels(point), next(iter(self.cells[point].values())).answers)


def paired(first: np.ndarray, second: np.ndarray, seeds: tuple[Sequence[int], Sequence[int]]) -> np.ndarray:
    """Differences (R, S, …) of two arms on the same draws; an arm of one seed is repeated, others are paired by seed number."""
    if first.shape[1] > 1 and second.shape[1] > 1:
        common = sorted(set(seeds[0]) & set(seeds[1]))
        if not common:
            raise DataError(f"The arms share no seed ({list(seeds[0])} and {list(seeds[1])}). Pretrain both with the same pretrain.seeds.")
        first, second = (
            side[:, [list(numbers).index(seed) for seed in common]] for side, numbers in zip((first, second), seeds, strict=True)
        )
    return first - second


def read_scores(folder: Path, metric: str, seed: int = 0) -> Scores:
    """The scores of a run folder. Raises DataError where a file is missing or isn't one of ours."""
    results, predictions = folder / "results.csv", folder / "predictions.parquet"
    for path in (results, predictions):
        if not path.is_file():
            raise DataError(f"{path}: missing. `labelfree evaluate` writes it; `labelfree resume {folder}` goes on with an unfinished run.")
    with results.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    try:
        task = find_task(rows[0]["task"])
        table = pq.read_table(predictions, columns=[*KEYS, *task.answer_schema.names])
        group, row_id = table["group"].to_pylist(), table["row_id"].to_pylist()
        names = {name: _plain(table[name]) for name in ("arm", "protocol", "budget", "split")}
        numbers = {name: table[name].to_numpy() for name in ("seed", "draw", "fold")}
        answers = table.select(task.answer_schema.names)
    except (OSError, LookupError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{predictions}: not a table of predictions ({error}). Run `labelfree evaluate` again.") from error
    owners = np.array([f"group:{name}" if name is not None else f"row:{row}" for name, row in zip(group, row_id, strict=True)])
    groups, place_of = np.unique(owners, return_inverse=True)
    cells: dict[Point, dict[tuple[int, int, int], Prediction]] = {}
    for start, end in _runs(*names.values(), numbers["seed"], numbers["draw"], numbers["fold"]):
        point = tuple(str(names[name][start]) for name in ("arm", "protocol", "budget"))
        key = tuple(int(numbers[name][start]) for name in ("seed", "draw", "fold"))
        cells.setdefault(point, {})[key] = Prediction(answers.slice(start, end - start), place_of[start:end])  # type: ignore[arg-type,index]
    _same_cells(rows, cells, folder)
    crossed = bool(len(owners)) and names["split"][0] == CROSSED
    return Scores(task, TaskWords.of(folder), cells, rows, len(groups), crossed, find_metric(task, metric), seed)


def _same_cells(rows: Sequence[dict[str, str]], cells: dict[Point, dict[tuple[int, int, int], Prediction]], folder: Path) -> None:
    """Raises DataError where results.csv and predictions.parquet were not left by one comparison, or one of them was cut off."""
    whole = not any(None in row.values() for row in rows)
    scored = {
        ((row["arm"], row["protocol"], row["budget"]), tuple(row[name] for name in ("seed", "draw", "fold")))
        for row in rows
        if whole and row["flags"] != ENVELOPE
    }
    answered = {(point, tuple(map(str, key))) for point, keys in cells.items() for key in keys}
    if scored != answered:
        raise DataError(
            f"{folder}: results.csv and predictions.parquet do not hold the same scores; one was cut off or is another run's. "
            "Copy the run again, or run `labelfree evaluate` there."
        )


def _plain(column: pa.ChunkedArray) -> np.ndarray:
    return np.array(column.to_pylist(), dtype=object)


def _runs(*columns: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of rows in which no column changes."""
    if len(columns[0]) == 0:
        return []
    changes = np.zeros(len(columns[0]) - 1, bool)
    for column in columns:
        changes |= column[1:] != column[:-1]
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(columns[0])]
    return list(pairwise(edges))
