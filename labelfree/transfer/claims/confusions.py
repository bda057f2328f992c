"""What was taken for what at the primary's point: confusions summed over all that was scored there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labelfree.training.files import read_json, write_json
from labelfree.transfer.claims.scores import read_scores
from labelfree.transfer.tasks import Task
from labelfree.transfer.tasks.confusion import class_scores

FILE = "confusion.json"


def save_confusions(folder: Path) -> Path | None:
    """Write confusion.json of a run whose claims are saved: of both arms of its primary a table by [truth, called], from
    predictions.parquet. None, and no file, where nothing was claimed or answers are not classes.

    `counted` is what the tables count, `times` in how many scorings each image stands: draws times seeds. `shares`: what the
    task says of each class besides.
    """
    path = folder / FILE
    path.unlink(missing_ok=True)
    primary = read_json(folder / "claims.json").get("primary")
    if not primary:
        return None
    scores = read_scores(folder, primary["metric"])
    tables, times = {}, {}
    for arm in (primary["arm"], primary["against"]):
        point = (arm, primary["protocol"], str(primary["budget"]))
        found = [scores.task.confusion(cell.answers) for cell in scores.cells.get(point, {}).values()]
        told = [table for table in found if table is not None]
        if not told:
            return None
        tables[arm] = sum(told[1:], told[0]).tolist()
        times[arm] = len(scores.draws(point)) * len(scores.seeds(point))
    names = read_json(folder / "classes.json")
    facts = {"protocol": primary["protocol"], "budget": str(primary["budget"]), "counted": scores.task.counted, "classes": names}
    if scores.task.class_shares:
        facts["shares"] = {arm: _shares(scores.task, table, names) for arm, table in tables.items()}
    write_json(path, {**facts, "times": times, "arms": tables})
    return path


def _shares(task: Task, table: Sequence[Sequence[int]], names: Sequence[str]) -> dict[str, list[float | None]]:
    """What the task says of each class besides: words -> a share a class, None where it is not defined."""
    scored = class_scores(np.array(table), names)
    shares = {word: [getattr(one, field) for one in scored] for word, field in task.class_shares.items()}
    return {word: [None if math.isnan(share) else share for share in of] for word, of in shares.items()}
