"""What a comparison will compute: budgets, draws, input sizes and search points, decided once and kept with the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from labelfree.data.budgets import NO_LABELS, Budget, budget, draw_order, largest, usable_budgets
from labelfree.data.splits import folds
from labelfree.language.prompts import Prompts
from labelfree.transfer.encoders import NO_SIZE, Encoder
from labelfree.transfer.operating import Rule
from labelfree.transfer.protocols import Protocol
from labelfree.transfer.question import Question
from labelfree.transfer.selection import Folds, Grid, inner_folds
from labelfree.transfer.tasks.registry import find_metric

if TYPE_CHECKING:
    from labelfree.recipe import Evaluate


@dataclass(frozen=True)
class Setup:
    """The plan of a comparison. `sizes`: input sizes in the recipe's order, for every arm that has any. `steps`: by protocol, how many
    a head that is trained by steps takes, where time is short. `alarm`: by which thresholds are set, None: by none. `dims`: spatial axes
    of the images. `tile`: side of the
    tiles that an image is looked at in, None: it is looked at whole. `prompts`: how classes are asked for in words.
    """

    budgets: tuple[Budget, ...]
    draws: int
    sizes: tuple[int, ...]
    grid: Grid
    protocols: tuple[Protocol, ...]
    metric: str
    notes: tuple[str, ...] = ()
    steps: Mapping[str, int] = field(default_factory=dict)
    alarm: Rule | None = None
    dims: int = 2
    tile: int | None = None
    prompts: Prompts | None = None

    def times(self, size: int) -> float:
        """How many times the work of the smallest input size this one is: it grows with the area, of volumes with the voxels."""
        return (size / min(self.sizes)) ** self.dims

    def draws_of(self, labels: Budget) -> range:
        """`all` labels, and none, can be drawn in one way only."""
        return range(1 if labels in ("all", NO_LABELS) else self.draws)

    def budgets_of(self, protocol: Protocol) -> tuple[Budget, ...]:
        """Those that a protocol is asked at."""
        return self.budgets if protocol.learns else (NO_LABELS,)

    def asked(self, protocols: Sequence[Protocol]) -> list[tuple[Budget, list[Protocol]]]:
        """Of these protocols those that are asked at each budget, budgets rising."""
        found = [(labels, [one for one in protocols if labels in self.budgets_of(one)]) for labels in (NO_LABELS, *self.budgets)]
        return [(labels, ones) for labels, ones in found if ones]

    def sizes_of(self, encoder: Encoder) -> tuple[int, ...]:
        """The input sizes that are left of those an encoder may be asked for."""
        return tuple(size for size in encoder.sizes if size in self.sizes) or (NO_SIZE,)

    def share_told_of(self, protocol: Protocol) -> float:
        """Of an arm's cells of a protocol the share whose thresholds are told."""
        if self.alarm is None or protocol.name != self.alarm.protocol:
            return 0.0
        return len(self.draws_of(self.alarm.budget)) / sum(len(self.draws_of(labels)) for labels in self.budgets)

    @property
    def sized(self) -> Setup:
        """This setup with a sentence among its notes for each protocol that takes the first of several input sizes."""
        if len(self.sizes) < 2:
            return self
        taken = f"takes input size {self.sizes[0]}, the first of {', '.join(map(str, self.sizes))}"
        return replace(self, notes=(*self.notes, *(f"{one.words}: {taken}, as {one.one_size}." for one in self.protocols if one.one_size)))

    def to_dict(self) -> dict[str, object]:
        return {
            "budgets": list(self.budgets),
            "draws": self.draws,
            "sizes": list(self.sizes),
            "preparations": list(self.grid.preparations),
            "settings": {protocol.name: list(self.grid.of(protocol)) for protocol in self.protocols},
            "notes": list(self.notes),
            **({"steps": dict(self.steps)} if self.steps else {}),
        }

    def restored(self, stored: dict) -> Setup:
        """This setup with what an earlier start of the same run had decided."""
        grid = Grid(tuple(stored["preparations"]), {protocol: tuple(values) for protocol, values in stored["settings"].items()})
        budgets, sizes, notes = (tuple(stored[name]) for name in ("budgets", "sizes", "notes"))
        return replace(self, budgets=budgets, draws=stored["draws"], sizes=sizes, grid=grid, notes=notes, steps=stored.get("steps", {}))


def make_setup(question: Question, settings: Evaluate, sizes: tuple[int, ...], prompts: Prompts | None = None) -> Setup:
    """The whole plan of the recipe's `evaluate` section, before anything is cut for time. Budgets that labels can't fill are dropped."""
    metric = find_metric(question.task, settings.primary.metric, question.targets)
    kept, notes = _budgets(question, settings)
    named = dict.fromkeys((*settings.protocols, *question.task.always))
    protocols = tuple(map(question.task.protocol, named))
    grid = Grid(settings={protocol.name: protocol.settings for protocol in protocols})
    alarm = alarm_rule(settings, question, kept)
    return Setup(
        tuple(kept), settings.draws, sizes, grid, protocols, metric.name, tuple(notes),
        alarm=alarm, dims=question.dims, tile=settings.tile, prompts=prompts,
    )  # fmt: skip


def _budgets(question: Question, settings: Evaluate) -> tuple[list[Budget], list[str]]:
    """The recipe's budgets that labels can fill, and a sentence for each one dropped; where nothing is learnt from labels the one of none,
    called "all".
    """
    if not question.task.learns:
        return ["all"], []
    words, in_all, taught = question.task.budget, question.task.counts_in_all, question.teaching(question.train)
    kept, notes = usable_budgets(settings.labels_per_class, question.strata_of(taught), words.many, words.stratum, in_all)
    counts = [[len(rows) for rows in part.order.values()] for part in parts_of(question, settings.draws)]
    least = min(sum(part) if in_all else min(part) for part in counts)
    for labels in [size for size in kept if size != "all" and size > least]:
        kept.remove(labels)
        notes.append(f"Budget of {labels} {words.many} dropped: a training part has {least}{'' if in_all else f' of one {words.stratum}'}.")
    return kept or ["all"], notes


def alarm_rule(settings: Evaluate, question: Question, budgets: Sequence[Budget]) -> Rule | None:
    """By what thresholds are set; None where the recipe asks for none. `budgets`: those that labels can fill.

    Raises RecipeError where these labels have no operating point.
    """
    if settings.max_false_alarms is None:
        return None
    primary, positive = settings.primary, question.task.alarm(question.targets[question.train], str(settings.alarm))
    claimed = primary.budget if primary.budget in budgets else largest(budgets)
    return Rule(settings.max_false_alarms, positive, (primary.arm, primary.against), primary.protocol, claimed)


def _repeats(question: Question, draws: int) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    rows = question.train
    aside = np.flatnonzero(np.isin(rows, question.learn_only))
    groups, taught = question.group_names[rows].tolist(), question.taught_by(rows)
    return folds(question.stratum_codes[rows], groups, draws, question.seed, learn_only=aside, taught=taught)


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
        task = self.question.task
        return budget(self.order, labels, task.counts_in_all, task.empty_stratum)

    @cached_property
    def _folds(self) -> dict[Budget, Folds | None]:
        return {}

    def inner(self, labels: Budget) -> Folds | None:
        """The folds in which this budget's settings are chosen, the same for every arm."""
        if labels not in self._folds:
            rows = self.learn(labels)
            self._folds[labels] = inner_folds(self.question.stratum_codes[rows], self.question.group_names[rows], self.seed)
        return self._folds[labels]

    @property
    def seed(self) -> int:
        return self.question.seed + 1000 * self.draw + self.fold


def parts_of(question: Question, draws: int) -> Iterator[Part]:
    """Every draw, and without a test split every fold of every draw; one alone where nothing is learnt from labels."""
    if not question.task.learns:
        assert question.score is not None, "what learns nothing has no folds"
        yield Part(question, 0, 0, {}, question.score)
        return
    if question.score is not None:
        for draw in range(draws):
            yield Part(question, draw, 0, _order(question, question.train, draw), question.score)
        return
    for draw, repeat in enumerate(_repeats(question, draws)):
        for fold, (learn, judge) in enumerate(repeat):
            yield Part(question, draw, fold, _order(question, question.train[learn], draw), question.train[judge])


def _order(question: Question, labelled: np.ndarray, draw: int) -> dict[str, list[int]]:
    rows = question.teaching(labelled)
    order = draw_order(
        question.strata_of(rows), question.group_names[rows].tolist(), [question.ids[row] for row in rows], question.seed, draw
    )
    return {name: [int(rows[at]) for at in positions] for name, positions in order.items()}
