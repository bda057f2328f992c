"""The asker of tokens: answers to questions about whole images."""

from __future__ import annotations

from functools import cached_property
from itertools import product
from typing import ClassVar

import numpy as np

from labelfree.data.budgets import Budget
from labelfree.training.timing import Stopwatch
from labelfree.transfer.arms import is_baseline
from labelfree.transfer.asking import TRIAL, Asker, Trial
from labelfree.transfer.cells import Cell, CellKey
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.features import extract
from labelfree.transfer.setup import Part, Setup
from labelfree.transfer.tasks.vqa import Questions, Said, said_by
from labelfree.transfer.tokens.places import Places
from labelfree.transfer.tokens.protocols import TokenProtocol


class TokenAsker(Asker[TokenProtocol]):
    """Of protocols of tokens, which are read when the first missing cell asks for them."""

    told: ClassVar[set[str]] = set()  # questions of which it was said what no label answers
    guessed: ClassVar[dict[tuple[str, str, Budget, int, int], Said]] = {}  # without an image: the same for every arm

    @cached_property
    def tokens(self) -> np.ndarray:
        """(images, places, D)."""
        places = Places(self.encoder)
        flat = extract(places, self.images, self.sizes[0], self.folder / "features", self.say, self.question.images)  # type: ignore[arg-type]
        return flat.reshape(len(flat), places.count(self.images), -1)

    def compute(self, key: CellKey, protocol: TokenProtocol, part: Part) -> Cell:
        rows, judge, task = part.learn(key.budget), part.judge, self.question.task
        taught, asked = self._asked(rows), self._asked(judge)
        alone = (self.question.digest, protocol.name, key.budget, part.draw, part.fold)
        said = self.guessed.get(alone)
        if said is None:
            tokens = self.tokens if protocol.sees else np.zeros((len(self.images), 0, 0), np.float32)
            said = protocol.answer(tokens[rows], taught, tokens[judge], asked, part.seed)
        if not protocol.sees:
            self.guessed[alone] = said
        self._tell(key.budget, rows, judge)
        answers, size = task.answers(said, self.question.targets[judge]), self.sizes[0]
        metrics = task.metrics_of(self.question.targets)
        envelope = {size: {name: metric.value(answers) for name, metric in metrics.items()}} if is_baseline(key.arm) else {}
        return Cell(judge, answers, size, len(rows), "standardised", protocol.default, None, True, envelope)

    @classmethod
    def points(cls, setup: Setup, protocol: TokenProtocol) -> float:
        return 1.0

    @classmethod
    def reading_seconds(cls, trial: Trial, encoder: Encoder) -> float:
        places, size, entries = Places(encoder), trial.smallest(encoder), list(range(min(TRIAL, len(trial.images))))
        places.features(trial.images, entries[:1], size)  # first calls are slow
        watch = Stopwatch()
        places.features(trial.images, entries, size)
        return watch.lap().seconds / len(entries) * len(trial.images)

    @classmethod
    def cell_seconds(cls, trial: Trial, protocols: list[TokenProtocol]) -> dict[tuple[TokenProtocol, Budget], float]:  # type: ignore[override]
        """Of made-up tokens."""
        seconds = {}
        for protocol, labels in product(protocols, trial.setup.budgets):
            rows = trial.first.learn(labels)
            targets = trial.question.targets[rows]
            assert isinstance(targets, Questions)
            tokens = np.random.default_rng(0).normal(size=(len(rows), 16, 64)).astype(np.float32)
            watch = Stopwatch()
            protocol.answer(tokens, targets.asked, tokens, targets.asked, 0)
            seconds[protocol, labels] = watch.lap().seconds
        return seconds

    def _asked(self, rows: np.ndarray) -> tuple[tuple[tuple[str, str], ...], ...]:
        targets = self.question.targets[rows]
        assert isinstance(targets, Questions)
        return targets.asked

    def _tell(self, labels: Budget, rows: np.ndarray, judge: np.ndarray) -> None:
        """Once: how many scored questions no label of the largest budget answers."""
        if labels != self.setup.budgets[-1] or self.question.digest in self.told:
            return
        self.told.add(self.question.digest)
        known, asked = said_by(self._asked(rows)), [answer for each in self._asked(judge) for _, answer in each]
        if lost := sum(answer not in known for answer in asked):
            self.say.say(f"{lost:,} of {len(asked):,} scored questions have an answer that no labelled image has: they count as wrong.")
