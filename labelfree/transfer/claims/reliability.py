"""Whether class scores are what they say, at the primary's point: bins of scores, and calibration with its intervals."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.training.files import write_json
from labelfree.transfer.claims.claims import interval_of
from labelfree.transfer.claims.primary_point import PrimaryPoint, primary_point
from labelfree.transfer.claims.scores import Point

FILE = "reliability.json"


def save_reliability(folder: Path) -> Path | None:
    """Write reliability.json of a run whose claims are saved: of both arms of its primary, from predictions.parquet, for each bin of the
    largest score how many `rows` fall into it, their mean score (`confidence`) and the share called right (`accuracy`), null in a bin of
    none; and the task's metrics of calibration with 95 % bounds. None, and no file, where nothing was claimed or a task has no such
    metrics.
    """
    path = folder / FILE
    path.unlink(missing_ok=True)
    at = primary_point(folder)
    if at is None or not at.scores.task.calibration:
        return None
    write_json(
        path, {**at.told(), "times": at.times, "arms": {arm: {**_bins(at, arm), "metrics": _measured(at, arm)} for arm in at.answers}}
    )
    return path


def _bins(at: PrimaryPoint, arm: str) -> dict[str, Any]:
    """Of all cells together."""
    rows, confidence, right = np.sum([at.scores.task.reliability(answers) for answers in at.answers[arm]], axis=0)
    held = rows > 0
    means = {"confidence": confidence, "accuracy": right}
    shares = {name: np.divide(sums, rows, out=np.zeros_like(sums), where=held) for name, sums in means.items()}
    told = {name: [float(one) if known else None for one, known in zip(of, held, strict=True)] for name, of in shares.items()}
    return {"rows": rows.astype(int).tolist(), **told}


def _measured(at: PrimaryPoint, arm: str) -> dict[str, dict[str, float | None]]:
    """Metric -> its mean over draws and seeds, and bounds; None where these labels allow none."""
    point: Point = (arm, at.protocol, at.budget)
    found = {}
    for name in at.scores.task.calibration:
        scores = replace(at.scores, metric=at.scores.task.metrics[name], _resampled={})
        interval = interval_of(scores, point)
        numbers = {"mean": interval.mean, "low": interval.low, "high": interval.high}
        found[name] = {key: value if math.isfinite(value) else None for key, value in numbers.items()}
    return found
