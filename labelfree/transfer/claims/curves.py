"""The curves of two arms at the primary's point, and how they move from resampling to resampling: what labels saved are read from."""

from __future__ import annotations

import numpy as np

from labelfree.transfer.claims.labels_saved import FEWEST_DRAWS, LabelsSaved, bounds, labels_saved
from labelfree.transfer.claims.scores import Point, Scores
from labelfree.transfer.tasks import RESAMPLINGS


def saved_at(scores: Scores, point: Point, against: str) -> LabelsSaved | None:
    """Labels saved at the primary's point, with its interval from joint resamplings of draws and groups."""
    arm, protocol, _ = point
    labelled = {budget: scores.x((name, proto, budget)) for name, proto, budget in scores.cells if (name, proto) == (arm, protocol)}
    budgets = sorted(labelled, key=lambda budget: labelled[budget])
    x = np.array([labelled[budget] for budget in budgets])
    at = budgets.index(point[2])
    if not x[at]:
        return None  # nothing was learnt from labels
    curves, resampled = [], []
    draws = max(len(scores.draws((arm, protocol, budget))) for budget in budgets)
    generator = np.random.default_rng([scores.seed, draws])
    drawn = generator.integers(draws, size=(RESAMPLINGS, draws))  # the same draws for both arms and all budgets
    for name in (arm, against):
        points: list[Point] = [(name, protocol, budget) for budget in budgets]
        curves.append(scores.metric.sign * np.array([[scores.pooled(point).mean() for point in points]]))
        means = [resampled_mean(scores.resampled(point).mean(1), drawn) for point in points]
        resampled.append(scores.metric.sign * np.stack(means, 1))
    ratio = float(labels_saved(x, curves[0], curves[1], at)[0])
    low, high = None, None
    if draws >= FEWEST_DRAWS:
        known = np.isfinite(resampled[0]).all(1) & np.isfinite(resampled[1]).all(1)
        low, high = bounds(labels_saved(x, resampled[0][known], resampled[1][known], at))
    return LabelsSaved(float(x[at]), ratio, low, high, float(x[0] / x[at]), float(x[-1] / x[at]))


def resampled_mean(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(R, B) values of draws and (B, R') drawn draws -> (B,) means; a budget of one draw has only that one."""
    if len(values) == 1:
        return values[0]
    mean: np.ndarray = values[drawn, np.arange(len(drawn))[:, None]].mean(1)
    return mean
