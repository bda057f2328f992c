"""What was taken for what at the primary's point: confusions summed over all that was scored there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from labelfree.training.files import read_json, write_json
from labelfree.transfer.claims.primary_point import primary_point
from labelfree.transfer.tasks import Task
from labelfree.transfer.tasks.confusion import class_scores

FILE = "confusion.json"


def save_confusions(folder: Path) -> Path | None:
    """Write confusion.json of a run whose claims are saved: of both arms of its primary a table by [truth, called], from
    predictions.parquet. None, and no file, where nothing was claimed or answers are not classes.

    `counted` is what the tables count, `times` in how many scorings each image stands: draws times seeds. `shares`: what the
    task says of each class besides; `means`: by metrics that are means over images.
    """
    path = folder / FILE
    path.unlink(missing_ok=True)
    at = primary_point(folder)
    if at is None:
        return None
    tables, task = {}, at.scores.task
    for arm, answers in at.answers.items():
        told = [table for table in map(task.confusion, answers) if table is not None]
        if not told:
            return None
        tables[arm] = sum(told[1:], told[0]).tolist()
    names = read_json(folder / "classes.json")
    facts = {**at.told(), "counted": task.counted, "classes": names}
    if task.class_shares:
        facts["shares"] = {arm: _shares(task, table, names) for arm, table in tables.items()}
    if means := {arm: found for arm, answers in at.answers.items() if (found := _means(task, answers, len(names)))}:
        facts["means"] = means
    write_json(path, {**facts, "times": at.times, "arms": tables})
    return path


def _shares(task: Task, table: Sequence[Sequence[int]], names: Sequence[str]) -> dict[str, list[float | None]]:
    """What the task says of each class besides: words -> a share a class, None where it is not defined."""
    scored = class_scores(np.array(table), names)
    shares = {word: [getattr(one, field) for one in scored] for word, field in task.class_shares.items()}
    return {word: list(map(_known, of)) for word, of in shares.items()}


def _means(task: Task, answers: Sequence[pa.Table], classes: int) -> dict[str, list[float | None]]:
    """Metric -> its mean of each class over all that was scored; those that are known of any class."""
    together = pa.concat_tables(answers)
    found = {name: list(map(_known, of(together, classes).tolist())) for name, of in task.class_means.items()}
    return {name: of for name, of in found.items() if any(value is not None for value in of)}


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number
