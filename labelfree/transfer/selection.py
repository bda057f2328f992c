"""Choosing input size, preparation and probe setting inside a label budget, by one rule for every arm (docs/protocol.md, 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelfree.data.splits import folds
from labelfree.errors import DataError
from labelfree.transfer.metrics import measure
from labelfree.transfer.preparation import PREPARATIONS, prepare
from labelfree.transfer.probes import PROBES, Scored
from labelfree.transfer.threads import one_thread

INNER_FOLDS = 5
Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Grid:
    """The search points, the same for every arm. `settings`: for each protocol, from the strongest regularisation to the weakest."""

    preparations: tuple[str, ...] = PREPARATIONS
    settings: Mapping[str, tuple[float, ...]] | None = None

    def of(self, protocol: str) -> tuple[float, ...]:
        """The protocol's settings."""
        return PROBES[protocol].settings if self.settings is None else self.settings[protocol]

    def trail(self, protocol: str, setting: float) -> tuple[float, ...]:
        """What to go through to reach `setting` as the search did: a warm start leaves a trace in a solution of finite tolerance."""
        settings = self.of(protocol)
        return settings[: settings.index(setting) + 1] if setting in settings else (setting,)


@dataclass(frozen=True)
class Choice:
    """What the labels of one budget chose. `inner`: its cross-validated score, None where there were too few labels to search."""

    size: int
    preparation: str
    setting: float
    inner: float | None = None


def inner_folds(targets: np.ndarray, groups: np.ndarray, seed: int) -> Folds | None:
    """Group-stratified folds of a budget's rows, min(5, groups a class); None below two, or where groups mix classes past folding."""
    try:
        return folds(targets, groups.tolist(), 1, seed)[0]
    except DataError:
        return None


def choose(
    features: Mapping[int, np.ndarray],
    blocks: tuple[int, ...],
    targets: np.ndarray,
    classes: int,
    inner: Folds | None,
    protocol: str,
    metric: str,
    grid: Grid,
) -> dict[int, Choice]:
    """The best settings at each input size. `features`: size -> (n, D) of the budget's rows.

    Score: `metric` on the held-out class scores of all folds together. Ties go to the stronger regularisation, then to the first
    preparation. Without inner folds: the defaults.
    """
    if inner is None:
        return {size: Choice(size, grid.preparations[0], PROBES[protocol].default) for size in features}
    with one_thread():
        return {size: _best_at(size, rows, blocks, targets, classes, inner, protocol, metric, grid) for size, rows in features.items()}


def best(choices: Mapping[int, Choice], order: Sequence[int]) -> Choice:
    """The best over sizes: the highest score, ties to the smaller size. Without scores: the first of `order`, the recipe's own."""
    if any(choices[size].inner is None for size in order):
        return choices[order[0]]
    return max((choices[size] for size in sorted(order)), key=lambda choice: choice.inner or 0.0)  # max keeps the first of equals


def answer_with(
    choice: Choice,
    learn: np.ndarray,
    targets: np.ndarray,
    judge: np.ndarray,
    blocks: tuple[int, ...],
    classes: int,
    protocol: str,
    grid: Grid,
) -> Scored:
    """Class scores of the rows `judge` (m, D) from all rows of the budget, `learn` (n, D), with the settings chosen."""
    preparation = prepare(choice.preparation, learn, blocks)
    with one_thread():
        path = PROBES[protocol].path(preparation(learn), targets, preparation(judge), classes, grid.trail(protocol, choice.setting))
        return list(path)[-1]


def _best_at(
    size: int,
    rows: np.ndarray,
    blocks: tuple[int, ...],
    targets: np.ndarray,
    classes: int,
    inner: Folds,
    protocol: str,
    metric: str,
    grid: Grid,
) -> Choice:
    held: dict[tuple[int, int], np.ndarray] = {}  # (position of setting, of preparation) -> (n, K), in the order ties are broken
    settings = grid.of(protocol)
    for second, kind in enumerate(grid.preparations):
        for learn, judge in inner:
            preparation = prepare(kind, rows[learn], blocks)
            path = PROBES[protocol].path(preparation(rows[learn]), targets[learn], preparation(rows[judge]), classes, settings)
            for first, scored in enumerate(path):
                held.setdefault((first, second), np.zeros((len(rows), classes)))[judge] = scored.scores
    scores = {at: measure(metric, table, targets) for at, table in held.items()}
    winner = max(sorted(scores), key=lambda at: scores[at])
    return Choice(size, grid.preparations[winner[1]], settings[winner[0]], scores[winner])
