"""The asker of captions: the gallery of what is said of scored images, and where both lie in an arm's shared space."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelfree.data.budgets import Budget
from labelfree.domain import Size
from labelfree.language.arm_towers import ArmTowers
from labelfree.language.tokens import Tokenizer
from labelfree.training.timing import Stopwatch
from labelfree.transfer.asking import Asker, Trial
from labelfree.transfer.captions.base import CaptionProtocol, asked_towers
from labelfree.transfer.cells import Cell, CellKey
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.features import extract
from labelfree.transfer.question import Question
from labelfree.transfer.setup import Part, Setup
from labelfree.transfer.tasks.retrieval import Captioned, SharedSpace

if TYPE_CHECKING:
    from labelfree.data.pool import Pool
    from labelfree.progress import Progress

PREPARATION = "unit length"


class CaptionAsker(Asker[CaptionProtocol]):
    """Of protocols of captions."""

    @cached_property
    def towers(self) -> ArmTowers:
        """Both towers of the arm."""
        towers = asked_towers(self.encoder)
        assert towers is not None, "an arm without a text tower is not asked"
        return towers

    def content(self, protocol: CaptionProtocol) -> str:
        return f"{self.key} {self.towers.digest}"

    def compute(self, key: CellKey, protocol: CaptionProtocol, part: Part) -> Cell:
        task, targets, judge = self.question.task, self.question.targets, part.judge
        assert isinstance(targets, Captioned)
        size = shown_at(self.towers.size, self.sizes[0])
        features = self.read(self.encoder, self.question, self.images, self.folder, self.say, size, judge)
        texts, says = gallery([targets.captions[entry] for entry in targets.values[judge]], self.towers.side.tower.tokenizer)
        answers = task.answers(SharedSpace(*protocol.place(self.towers, features, texts), says), targets[judge])
        return Cell(judge, answers, size, 0, PREPARATION, protocol.default, None, True, {})

    @staticmethod
    def read(encoder: Encoder, question: Question, images: Pool, folder: Path, say: Progress, size: int, rows: np.ndarray) -> np.ndarray:
        """(n, D) features of the scored `rows`, kept."""
        return extract(encoder, images, size, folder / "features", say, f"{question.digest} {len(rows)} scored", rows.tolist())

    @classmethod
    def points(cls, setup: Setup, protocol: CaptionProtocol) -> float:
        return 1.0

    @classmethod
    def reading_seconds(cls, trial: Trial, encoder: Encoder) -> float:
        """Measured by reading: nothing can be cut, and the run needs these features."""
        towers, watch = asked_towers(encoder), Stopwatch()
        if towers is not None:
            size = shown_at(towers.size, trial.smallest(encoder))
            cls.read(encoder, trial.question, trial.images, trial.folder, trial.say, size, trial.first.judge)
        return watch.lap().seconds

    @classmethod
    def cell_seconds(cls, trial: Trial, protocols: Sequence[CaptionProtocol]) -> dict[tuple[CaptionProtocol, Budget], float]:
        return {(protocol, labels): 0.0 for protocol in protocols for labels in trial.setup.budgets}


def shown_at(taught: Size | None, otherwise: int) -> int:
    """The longest side at which images are shown: as when both towers were taught, where that is known."""
    return otherwise if taught is None else taught if isinstance(taught, int) else max(taught)


def gallery(captions: Sequence[Sequence[str]], tokenizer: Tokenizer) -> tuple[list[str], list[np.ndarray]]:
    """The different texts among captions, each once, and of each image the positions of those that it carries.

    Two captions are one text where the text tower is given the same numbers for both, as in training, where such are no negatives of each
    other (`same_captions`): it cannot tell them apart.
    """
    said = list(dict.fromkeys(caption for of_image in captions for caption in of_image))
    place: dict[bytes, int] = {}
    text_of = {caption: place.setdefault(row.tobytes(), len(place)) for caption, row in zip(said, _numbers(said, tokenizer), strict=True)}
    texts = {text: caption for caption, text in reversed(text_of.items())}  # the first spelling stands for all
    says = [np.unique([text_of[caption] for caption in of_image]).astype(np.int64) for of_image in captions]
    return [texts[text] for text in range(len(texts))], says


def _numbers(captions: Sequence[str], tokenizer: Tokenizer) -> np.ndarray:
    """(N, L) what the text tower is given."""
    numbers: np.ndarray = tokenizer(captions).numbers.numpy()
    return numbers
