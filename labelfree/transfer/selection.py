"""Choosing input size, preparation and setting inside a label budget, by one rule for every arm (docs/protocol.md, 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from labelfree.data.splits import folds
from labelfree.errors import DataError
from labelfree.transfer.protocols import PREPARATIONS, Fit, HeadProtocol, Protocol, one_thread
from labelfree.transfer.tasks import Metric, Targets, Task
from labelfree.transfer.unlabelled import Learner

if TYPE_CHECKING:
    from labelfree.transfer.question import Question

INNER_FOLDS = 5
HALVES = 2  # in which answers are held out where a fold costs a training
Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Grid:
    """The search points, the same for every arm. `settings`: for each protocol, from the strongest regularisation to the weakest."""

    preparations: tuple[str, ...] = PREPARATIONS
    settings: Mapping[str, tuple[float, ...]] | None = None

    def of(self, protocol: Protocol) -> tuple[float, ...]:
        """The protocol's settings."""
        return protocol.settings if self.settings is None else self.settings[protocol.name]

    def prepared(self, protocol: HeadProtocol) -> tuple[str, ...]:
        """The preparations that the protocol may be searched with."""
        return tuple(kind for kind in self.preparations if kind in protocol.preparations)

    def trail(self, protocol: Protocol, setting: float) -> tuple[float, ...]:
        """What to go through to reach `setting` as the search did: a warm start leaves a trace in a solution of finite tolerance."""
        settings = self.of(protocol)
        return settings[: settings.index(setting) + 1] if setting in settings else (setting,)


@dataclass(frozen=True)
class Choice:
    """What the labels of one budget chose. `inner`: its cross-validated score, None where there were too few labels to search.

    `held`: (n, width) the outputs that score was made of, one for each of the budget's rows, from the folds it was not learned in.
    """

    size: int
    preparation: str
    setting: float
    inner: float | None = None
    held: np.ndarray | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Search:
    """By what settings are chosen: the protocol and its grid, and the `metric` of the task that the answers are judged by.

    `learner`: the protocol beside unlabelled images, for the budget whose rows are searched; None: it needs none.
    """

    task: Task
    protocol: HeadProtocol
    metric: Metric
    grid: Grid
    learner: Learner | None = None

    def choose(
        self, features: Mapping[int, np.ndarray], blocks: tuple[int, ...], targets: Targets, inner: Folds | None
    ) -> dict[int, Choice]:
        """The best settings at each input size. `features`: size -> (n, D) of the budget's rows.

        Score: the metric on the held-out answers of all folds together. Ties go to the stronger regularisation, then to the first
        preparation. Without inner folds: the defaults.
        """
        if inner is None:
            return {size: Choice(size, self.grid.prepared(self.protocol)[0], self.protocol.default) for size in features}
        with one_thread():
            return {size: self._best_at(size, rows, blocks, targets, inner) for size, rows in features.items()}

    def best(self, choices: Mapping[int, Choice], order: Sequence[int]) -> Choice:
        """The best over sizes, ties to the smaller size. Without scores: the first of `order`, the recipe's own."""
        if any(choices[size].inner is None for size in order):
            return choices[order[0]]
        ranked = [choices[size] for size in sorted(order)]  # max keeps the first of equals
        return max(ranked, key=lambda choice: self.metric.sign * (choice.inner or 0.0))

    def answer(self, choice: Choice, learn: np.ndarray, targets: Targets, judge: np.ndarray, blocks: tuple[int, ...]) -> Fit:
        """Outputs for the rows `judge` (m, D) from all rows of the budget, `learn` (n, D), with the settings chosen."""
        protocol = self.at(choice.size)
        preparation = protocol.prepare(choice.preparation, learn, blocks)
        trail = self.grid.trail(self.protocol, choice.setting)
        with one_thread():
            return list(protocol.path(preparation(learn), targets, preparation(judge), trail))[-1]

    def at(self, size: int, held: np.ndarray | None = None) -> HeadProtocol:
        """What learns at this input size. `held`: positions of the budget's rows that are held out."""
        return self.protocol if self.learner is None else self.learner(size, held)

    def _best_at(self, size: int, rows: np.ndarray, blocks: tuple[int, ...], targets: Targets, inner: Folds) -> Choice:
        held: dict[tuple[int, int], np.ndarray] = {}  # (position of setting, of preparation) -> (n, width), in the order ties are broken
        settings = self.grid.of(self.protocol)
        kinds = self.grid.prepared(self.protocol)
        for second, kind in enumerate(kinds):
            for learn, judge in inner:
                protocol = self.at(size, judge)
                preparation = protocol.prepare(kind, rows[learn], blocks)
                path = protocol.path(preparation(rows[learn]), targets[learn], preparation(rows[judge]), settings)
                for first, fit in enumerate(path):
                    held.setdefault((first, second), np.zeros((len(rows), fit.output.shape[1])))[judge] = fit.output
        scores = {at: self.metric.value(self.task.answers(output, targets)) for at, output in held.items()}
        winner = max(sorted(scores), key=lambda at: self.metric.sign * scores[at])
        return Choice(size, kinds[winner[1]], settings[winner[0]], scores[winner], held[winner])


def inner_folds(strata: np.ndarray, groups: np.ndarray, seed: int) -> Folds | None:
    """Group-stratified folds of a budget's rows, min(5, groups a stratum); None below two, or where groups mix strata past folding."""
    try:
        return folds(strata, groups.tolist(), 1, seed)[0]
    except DataError:
        return None


def inner_halves(question: Question, rows: np.ndarray, seed: int) -> Folds | None:
    """Two group-stratified folds of a budget's `rows`, both of which teach something; None where one group alone does.

    They are balanced over whether rows teach anything at all: of few labels a class may have a single row.
    """
    teaches, groups = [frozenset(["something"] if classes else []) for classes in question.taught_by(rows)], question.group_names[rows]
    try:
        return folds([str(len(each)) for each in teaches], groups.tolist(), 1, seed, taught=teaches, most=HALVES)[0]
    except DataError:
        return _alternate_groups(np.array(teaches, bool), groups)


def _alternate_groups(teaches: np.ndarray, groups: np.ndarray) -> Folds | None:
    """Halves of every second group that teaches and every second other one, where balanced ones leave a half that teaches nothing."""
    teachers = np.unique(groups[teaches])
    if len(teachers) < HALVES:
        return None
    others = np.setdiff1d(groups, teachers)
    first = np.isin(groups, [*teachers[::2], *others[1::2]])
    return [(np.flatnonzero(~half), np.flatnonzero(half)) for half in (first, ~first)]
