"""One encoder at work on a comparison's cells: each is read from disk, or computed and kept. Askers of vectors."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import numpy as np
import pyarrow as pa

from labelfree.data.budgets import Budget
from labelfree.training.timing import Stopwatch
from labelfree.transfer.arms import is_baseline
from labelfree.transfer.cells import Cell, CellKey, read_cell, write_cell
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.features import extract
from labelfree.transfer.protocols import HeadProtocol, Protocol, one_thread
from labelfree.transfer.question import Question
from labelfree.transfer.selection import INNER_FOLDS, Choice, Search
from labelfree.transfer.setup import Part, Setup, parts_of
from labelfree.transfer.tiles.tiling import tiles_of
from labelfree.transfer.unlabelled import Beside, Unlabelled

if TYPE_CHECKING:
    from labelfree.data.pool import Pool
    from labelfree.progress import Progress

P = TypeVar("P", bound=Protocol)
TRIAL = 32  # images, or tiles, that the speed of an encoder is measured on


@dataclass(frozen=True)
class Trial:
    """What the speed of a comparison is measured on, before it is carried out. `folder`: of the run."""

    setup: Setup
    question: Question
    encoders: Sequence[Encoder]
    images: Pool
    unlabelled: Unlabelled | None
    folder: Path
    say: Progress

    def smallest(self, encoder: Encoder) -> int:
        """The smallest input size of an encoder."""
        return min(self.setup.sizes_of(encoder))

    def looks(self, pool: Pool, entries: Sequence[int] | np.ndarray) -> np.ndarray:
        """(n,) how often a network looks at each of the pool's `entries`: once, or at each of its tiles."""
        tile = self.setup.tile
        if tile is None:
            return np.ones(len(entries))
        return np.array([tiles_of(shape, (tile,) * len(shape)) for shape in pool.index.shape[np.asarray(entries)].tolist()])

    @cached_property
    def folds(self) -> int:
        """Of one draw."""
        return sum(part.draw == 0 for part in parts_of(self.question, self.setup.draws))

    @cached_property
    def first(self) -> Part:
        """The first draw's first fold."""
        return next(iter(parts_of(self.question, self.setup.draws)))


class Asker(Generic[P]):
    """What is the same whatever a protocol learns from. `images`: the evaluation pool, an entry for each of the question's rows.

    `longest`: seconds that one training by steps takes the slowest arm, at most, where time is short.
    """

    longest: ClassVar[float] = math.inf

    def __init__(
        self,
        question: Question,
        encoder: Encoder,
        setup: Setup,
        images: Pool,
        folder: Path,
        say: Progress,
        unlabelled: Unlabelled | None,
    ) -> None:
        self.question, self.encoder, self.setup, self.images, self.folder, self.say = question, encoder, setup, images, folder, say
        self.sizes = setup.sizes_of(encoder)
        self.unlabelled = unlabelled
        self.key = hashlib.sha256(
            repr((question.digest, encoder.digest, self.sizes, setup.grid, setup.metric, *sorted(setup.steps.items()))).encode()
        ).hexdigest()[:16]

    def cell(self, key: CellKey, protocol: P, part: Part) -> Cell:
        """From disk, or computed and written."""
        return read_cell(key.path(self.folder / "cells"), self.content(protocol)) or self.computed(key, protocol, part)

    def computed(self, key: CellKey, protocol: P, part: Part) -> Cell:
        """Computed and written, whatever lies there."""
        return self.written(key, protocol, self.compute(key, protocol, part))

    def written(self, key: CellKey, protocol: P, cell: Cell) -> Cell:
        """The same, kept for the next start."""
        write_cell(key.path(self.folder / "cells"), cell, self.content(protocol))
        return cell

    def content(self, protocol: P) -> str:
        """What a cell of this protocol depends on."""
        return self.key

    def compute(self, key: CellKey, protocol: P, part: Part) -> Cell:
        """Learn from the labels of the cell's budget, and answer for the rows that are scored."""
        raise NotImplementedError

    @classmethod
    def points(cls, setup: Setup, protocol: P) -> float:
        """How many times as long as with one setting, preparation and input size a cell of this setup takes."""
        raise NotImplementedError

    @classmethod
    def step_seconds(cls, trial: Trial, protocols: Sequence[P]) -> dict[P, list[float]]:
        """By protocol that trains its heads by steps, how long one takes each arm at its smallest input size."""
        return {}

    @classmethod
    def trainings(cls, setup: Setup, protocol: P) -> float:
        """How many times as long as one training at the smallest input size those for one head take."""
        return cls.points(setup, protocol)

    @classmethod
    def reading_seconds(cls, trial: Trial, encoder: Encoder) -> float:
        """For all images through an encoder at its smallest input size, from a trial on a few."""
        raise NotImplementedError

    @classmethod
    def cell_seconds(cls, trial: Trial, protocols: Sequence[P]) -> dict[tuple[P, Budget], float]:
        """For one cell of each protocol and budget with one setting, preparation and input size."""
        raise NotImplementedError


class VectorAsker(Asker[HeadProtocol]):
    """Of protocols of vectors; features are read when the first missing cell asks for them."""

    @cached_property
    def features(self) -> dict[int, np.ndarray]:
        """By input size, those that were asked for."""
        return {}

    @cached_property
    def beside(self) -> dict[str, Beside | None]:
        """By name the protocols that were asked for, bound to unlabelled images."""
        return {}

    def content(self, protocol: HeadProtocol) -> str:
        return f"{self.key} {self.unlabelled.digest}" if self.unlabelled and self._bound(protocol) else self.key

    def compute(self, key: CellKey, protocol: HeadProtocol, part: Part) -> Cell:
        task, targets, blocks = self.question.task, self.question.targets, self.encoder.blocks
        rows, judge = part.learn(key.budget), part.judge
        search = search_among(rows, self.question, self.setup, protocol, self._bound(protocol))
        learn = {size: self._at(size)[rows] for size in self.sizes}
        choices = search.choose(learn, blocks, targets[rows], part.inner(key.budget))
        choice = search.best(choices, self.sizes)

        def answers(chosen: Choice) -> tuple[pa.Table, bool]:
            fit = search.answer(chosen, learn[chosen.size], targets[rows], self._at(chosen.size)[judge], blocks)
            return task.answers(fit.output.astype(np.float32), targets[judge]), fit.converged

        scored, converged = answers(choice)
        envelope = {}
        if is_baseline(key.arm):  # what an ImageNet arm could have had, had it chosen its input size by the final score
            tables = {size: scored if size == choice.size else answers(choices[size])[0] for size in self.sizes}
            metrics = task.metrics_of(targets)
            envelope = {size: {name: metric.value(table) for name, metric in metrics.items()} for size, table in tables.items()}
        held = None if choice.held is None else task.answers(choice.held.astype(np.float32), targets[rows])
        return Cell(
            judge, scored, choice.size, len(rows), choice.preparation, choice.setting, choice.inner, converged, envelope, rows, held
        )

    @classmethod
    def points(cls, setup: Setup, protocol: HeadProtocol) -> float:
        return len(setup.grid.of(protocol)) * max(1, len(setup.sizes)) * len(setup.grid.prepared(protocol)) * INNER_FOLDS

    @classmethod
    def reading_seconds(cls, trial: Trial, encoder: Encoder) -> float:
        looks, size = trial.looks(trial.images, range(len(trial.images))), trial.smallest(encoder)
        entries = list(range(max(1, int((looks.cumsum() <= TRIAL).sum()))))
        encoder.features(trial.images, entries[:1], size)  # first calls are slow
        watch = Stopwatch()
        encoder.features(trial.images, entries, size)
        beside = trial.looks(trial.unlabelled.pool, trial.unlabelled.entries) if trial.unlabelled and _read_beside(trial) else np.zeros(1)
        return watch.lap().seconds / looks[entries].sum() * float(looks.sum() + beside.sum())

    @classmethod
    def cell_seconds(cls, trial: Trial, protocols: Sequence[HeadProtocol]) -> dict[tuple[HeadProtocol, Budget], float]:
        """Of made-up features in which classes differ."""
        generator = np.random.default_rng(0)
        width = max((sum(encoder.blocks) for encoder in trial.encoders), default=1)
        rest = generator.normal(size=(_read_beside(trial), width)).astype(np.float32)
        seconds = {}
        for labels in trial.setup.budgets:
            targets = trial.question.targets[trial.first.learn(labels)]
            rows = generator.normal(size=(len(targets), width)) / np.sqrt(width)
            signal = targets.vectors()[:, :width]
            rows[:, : signal.shape[1]] += 0.5 * signal / max(1.0, float(np.abs(signal).max()))
            for protocol in protocols:
                learner = protocol.beside(rest, (width,)) if len(rest) and protocol.reads_rest else protocol
                settings = trial.setup.grid.of(protocol)
                watch = Stopwatch()
                with one_thread():
                    list(learner.path(rows, targets, rows, settings))
                seconds[protocol, labels] = watch.lap().seconds / len(settings)
        return seconds

    def _bound(self, protocol: HeadProtocol) -> Beside | None:
        if protocol.name not in self.beside:
            self.beside[protocol.name] = bound_to(self.unlabelled, protocol, self.encoder, self.folder, self.say)
        return self.beside[protocol.name]

    def _at(self, size: int) -> np.ndarray:
        if size not in self.features:
            self.features[size] = extract(self.encoder, self.images, size, self.folder / "features", self.say, self.question.images)
        return self.features[size]


def _read_beside(trial: Trial) -> int:
    """How many unlabelled images are read besides."""
    asked = any(protocol.reads_rest for protocol in trial.setup.protocols)
    return len(trial.unlabelled) if trial.unlabelled is not None and asked else 0


def search_among(rows: np.ndarray, question: Question, setup: Setup, protocol: HeadProtocol, beside: Beside | None) -> Search:
    """How settings of a protocol are chosen among the labelled `rows` of one budget. `beside`: the protocol bound to unlabelled images."""
    task = question.task
    return Search(task, protocol, task.metrics[setup.metric], setup.grid, beside.learner(rows) if beside else None)


def bound_to(unlabelled: Unlabelled | None, protocol: HeadProtocol, encoder: Encoder, folder: Path, say: Progress) -> Beside | None:
    """The protocol beside the encoder's features of the unlabelled images, which are kept in `folder`; None: it reads none."""
    if unlabelled is None or not protocol.reads_rest:
        return None

    def features(size: int) -> np.ndarray:
        return extract(encoder, unlabelled.pool, size, folder / "features", say, unlabelled.digest, unlabelled.entries.tolist())

    return Beside(protocol, unlabelled, features, encoder.blocks)
