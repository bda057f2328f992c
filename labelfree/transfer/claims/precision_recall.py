"""Precision over recall at the primary's point, of each class: mean over all that was scored there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labelfree.training.files import read_json, write_json
from labelfree.transfer.claims.scores import Point, Scores, read_scores
from labelfree.transfer.tasks import Weights, find_task
from labelfree.transfer.words import TaskWords

FILE = "precision_recall.json"
DIGITS = 4  # behind the point


def save_precision_recall(folder: Path) -> Path | None:
    """Write precision_recall.json of a run whose claims are saved: of both arms of its primary, for each curve of the task, precision at
    rising recalls of each class and their mean, from predictions.parquet. None, and no file, where nothing was claimed or the task draws
    no such curve.

    Curves are means over draws and seeds; folds of a draw are taken together. null: the class has no object there. `scores`: of each
    class besides, by the words of the metric.
    """
    path = folder / FILE
    path.unlink(missing_ok=True)
    primary = read_json(folder / "claims.json").get("primary")
    if not primary or not find_task(TaskWords.of(folder).name).curves:
        return None
    scores = read_scores(folder, primary["metric"])
    points = {arm: (arm, primary["protocol"], str(primary["budget"])) for arm in (primary["arm"], primary["against"])}
    if not all(point in scores.cells for point in points.values()):
        return None
    facts = {"protocol": primary["protocol"], "budget": str(primary["budget"]), "classes": read_json(folder / "classes.json")}
    write_json(path, {**facts, "arms": {arm: _of_arm(scores, point) for arm, point in points.items()}})
    return path


def _of_arm(scores: Scores, point: Point) -> dict[str, object]:
    """Curves and scores of one arm."""
    tables = [scores.whole(point, seed, draw).answers for draw in scores.draws(point) for seed in scores.seeds(point)]
    curves = {}
    for words, curve in scores.task.curves.items():
        classes = [_mean(of) for of in zip(*map(curve, tables), strict=True)]
        curves[words] = {"mean": _plain(_mean(classes)), "classes": [_plain(each) for each in classes]}
    of_classes = {}
    for words, metric in scores.task.class_metrics.items():
        values = [metric(table, Weights.once(len(table)))[0] for table in tables]
        of_classes[words] = [_plain(_mean([None if np.isnan(one) else np.array(one) for one in of])) for of in zip(*values, strict=True)]
    return {"curves": curves, "scores": of_classes}


def _mean(of: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The mean of those that are known; None of none."""
    known = [each for each in of if each is not None]
    return np.mean(known, axis=0) if known else None


def _plain(numbers: np.ndarray | None) -> object:
    return None if numbers is None else np.round(numbers, DIGITS).tolist()
