"""Who asks in words: from kept features to scores of classes, with no label learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from labelfree.data.budgets import NO_LABELS, Budget
from labelfree.domain import sides
from labelfree.errors import DataError
from labelfree.language.arm_towers import ArmTowers
from labelfree.transfer.asking import Asker, Trial, VectorAsker
from labelfree.transfer.cells import Cell, CellKey
from labelfree.transfer.encoders import Encoder, towers_of
from labelfree.transfer.features import extract
from labelfree.transfer.protocols import HeadProtocol
from labelfree.transfer.protocols.zeroshot import AS_IT_IS, Zeroshot
from labelfree.transfer.setup import Part, Setup


class WordsAsker(Asker[Zeroshot]):
    """Of protocols that ask in words. The features are those that protocols of vectors read."""

    @cached_property
    def towers(self) -> ArmTowers:
        """Of the encoder; protocols suit no other."""
        towers = towers_of(self.encoder)
        if towers is None:
            raise DataError(f"{self.encoder.arm}: has no text tower, so it cannot be asked in words.")
        return towers

    @cached_property
    def size(self) -> int:
        """Of the input sizes the one nearest to that of the pretraining, for no label tells which is better; of equals the smaller."""
        taught = self.towers.size
        return self.sizes[0] if taught is None else min(self.sizes, key=lambda size: (abs(size - max(sides(taught, 1))), size))

    @cached_property
    def classes(self) -> np.ndarray:
        """(K, dim) of length 1."""
        prompts = self.setup.prompts
        assert prompts is not None, "a protocol of words was asked without prompts"
        return prompts.vectors(self.question.task.legend(self.question.targets), self.towers.texts)

    @cached_property
    def vectors(self) -> np.ndarray:
        """(n, dim) of length 1, of all images of the evaluation pool."""
        return self.towers.images(extract(self.encoder, self.images, self.size, self.folder / "features", self.say, self.question.images))

    def content(self, protocol: Zeroshot) -> str:
        prompts = self.setup.prompts
        return f"{self.key} {self.towers.digest} {'' if prompts is None else prompts.digest}"

    def compute(self, key: CellKey, protocol: Zeroshot, part: Part) -> Cell:
        rows = part.judge
        scores = protocol.scores(self.vectors[rows], self.classes, self.towers.scale)
        answers = self.question.task.answers(scores.astype(np.float32), self.question.targets[rows])
        return Cell(rows, answers, self.size, 0, AS_IT_IS, protocol.default, None, True, {})

    @classmethod
    def points(cls, setup: Setup, protocol: Zeroshot) -> float:
        return 1.0

    @classmethod
    def reading_seconds(cls, trial: Trial, encoder: Encoder) -> float:
        """Features are read by protocols of vectors too, and counted there where any is asked."""
        shared = any(protocol.needs == HeadProtocol.needs for protocol in trial.setup.protocols)
        return 0.0 if shared else VectorAsker.reading_seconds(trial, encoder)

    @classmethod
    def cell_seconds(cls, trial: Trial, protocols: Sequence[Zeroshot]) -> dict[tuple[Zeroshot, Budget], float]:
        """A product of two matrices."""
        return {(protocol, NO_LABELS): 0.0 for protocol in protocols}
