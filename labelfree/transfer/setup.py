"""What a comparison will compute: budgets, draws, input sizes and search points, decided once and kept with the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from labelfree.data.budgets import Budget, budget, draw_order, usable_budgets
from labelfree.data.splits import folds
from labelfree.transfer.encoders import NO_SIZE, Encoder
from labelfree.transfer.protocols import find_protocol
from labelfree.transfer.question import Question
from labelfree.transfer.selection import Folds, Grid, inner_folds

if TYPE_CHECKING:
    from labelfree.recipe import Evaluate


@dataclass(frozen=True)
class Setup:
    """The plan of a comparison. `sizes`: input sizes in the recipe's order, for every arm that has any."""

    budgets: tuple[Budget, ...]
    draws: int
    sizes: tuple[int, ...]
    grid: Grid
    protocols: tuple[str, ...]
    metric: str
    notes: tuple[str, ...] = ()

    def draws_of(self, labels: Budget) -> range:
        """`all` labels can be drawn in one way only."""
        return range(1 if labels == "all" else self.draws)

    def sizes_of(self, encoder: Encoder) -> tuple[int, ...]:
        """The input sizes that are left of those an encoder may be asked for."""
        return tuple(size for size in encoder.sizes if size in self.sizes) or (NO_SIZE,)

    def to_dict(self) -> dict[str, object]:
        return {
            "budgets": list(self.budgets),
            "draws": self.draws,
            "sizes": list(self.sizes),
            "preparations": list(self.grid.preparations),
            "settings": {protocol: list(self.grid.of(protocol)) for protocol in self.protocols},
            "notes": list(self.notes),
        }

    def restored(self, stored: dict) -> Setup:
        """This setup with what an earlier start of the same run had decided."""
        grid = Grid(tuple(stored["preparations"]), {protocol: tuple(values) for protocol, values in stored["settings"].items()})
        budgets, sizes, notes = (tuple(stored[name]) for name in ("budgets", "sizes", "notes"))
        return replace(self, budgets=budgets, draws=stored["draws"], sizes=sizes, grid=grid, notes=notes)


def make_setup(question: Question, settings: Evaluate, sizes: tuple[int, ...]) -> Setup:
    """The whole plan of the recipe's `evaluate` section, before anything is cut for time. Budgets that labels can't fill are dropped."""
    words = question.task.budget
    kept, notes = usable_budgets(settings.labels_per_class, question.strata_of(question.train), words.many, words.stratum)
    rarest = min(min(len(rows) for rows in part.order.values()) for part in parts_of(question, settings.draws))
    for labels in [size for size in kept if size != "all" and size > rarest]:
        kept.remove(labels)
        notes.append(f"Budget of {labels} {words.many} dropped: a training part has {rarest} of one {words.stratum}.")
    kept = kept or ["all"]
    grid = Grid(settings={protocol: find_protocol(protocol).settings for protocol in settings.protocols})
    return Setup(tuple(kept), settings.draws, sizes, grid, tuple(settings.protocols), settings.primary.metric, tuple(notes))


def _repeats(question: Question, draws: int) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    rows = question.train
    aside = np.flatnonzero(np.isin(rows, question.learn_only))
    return folds(question.stratum_codes[rows], question.group_names[rows].tolist(), draws, question.seed, learn_only=aside)


@dataclass(frozen=True)
class Part:
    """One draw of labels and the rows it's scored on. `order`: positions of each stratum's rows in the order they're labelled."""

    question: Question
    draw: int
    fold: int
    order: dict[str, list[int]]
    judge: np.ndarray

    def learn(self, labels: Budget) -> np.ndarray:
        """Positions of the labelled rows of one budget."""
        return budget(self.order, labels)

    @cached_property
    def _folds(self) -> dict[Budget, Folds | None]:
        return {}

    def inner(self, labels: Budget) -> Folds | None:
        """The folds in which this budget's settings are chosen, the same for every arm."""
        if labels not in self._folds:
            rows = self.learn(labels)
            seed = self.question.seed + 1000 * self.draw + self.fold
            self._folds[labels] = inner_folds(self.question.stratum_codes[rows], self.question.group_names[rows], seed)
        return self._folds[labels]


def parts_of(question: Question, draws: int) -> Iterator[Part]:
    """Every draw, and without a test split every fold of every draw."""
    if question.score is not None:
        for draw in range(draws):
            yield Part(question, draw, 0, _order(question, question.train, draw), question.score)
        return
    for draw, repeat in enumerate(_repeats(question, draws)):
        for fold, (learn, judge) in enumerate(repeat):
            yield Part(question, draw, fold, _order(question, question.train[learn], draw), question.train[judge])


def _order(question: Question, rows: np.ndarray, draw: int) -> dict[str, list[int]]:
    order = draw_order(
        question.strata_of(rows), question.group_names[rows].tolist(), [question.ids[row] for row in rows], question.seed, draw
    )
    return {name: [int(rows[at]) for at in positions] for name, positions in order.items()}
