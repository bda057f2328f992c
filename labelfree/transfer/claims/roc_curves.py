"""How many are found at each rate of false alarms, at the primary's point: mean over all that was scored there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelfree.training.files import write_json
from labelfree.transfer.claims.primary_point import primary_point

FILE = "roc.json"
DIGITS = 4  # behind the point


def save_roc(folder: Path) -> Path | None:
    """Write roc.json of a run whose claims are saved: of both arms of its primary the share found at rising rates of false alarms, 0 to 1
    in equal steps, mean over the cells that have both kinds. None, and no file, where nothing was claimed or the task draws no such curve.
    """
    path = folder / FILE
    path.unlink(missing_ok=True)
    at = primary_point(folder)
    if at is None:
        return None
    curves = {arm: [curve for table in tables if (curve := at.scores.task.roc(table)) is not None] for arm, tables in at.answers.items()}
    if not all(curves.values()):
        return None
    write_json(path, {**at.told(), "arms": {arm: np.round(np.mean(of, axis=0), DIGITS).tolist() for arm, of in curves.items()}})
    return path
