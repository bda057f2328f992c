"""What a head answers for images, and what a student is to learn of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from labelfree.deploy.loaded_head import VectorHead
from labelfree.domain import Row, Sample


@dataclass(frozen=True)
class Answers:
    """For n images. `shares`: (n, K) scores of the classes, which sum to 1; `called`: the class that is called for each."""

    shares: np.ndarray
    called: tuple[str, ...]

    def agree(self, others: Sequence[str | None]) -> int:
        """How often the class that is called is the other one."""
        return sum(mine == theirs for mine, theirs in zip(self.called, others, strict=True))


def answers_of(head: VectorHead, samples: Iterable[Sample]) -> Answers:
    """A head of classes asked about images."""
    predictions = list(head.predictions(samples))
    shares = np.array([[each.scores[name] for name in head.classes] for each in predictions]).reshape(-1, len(head.classes))
    return Answers(shares, tuple(str(each.name) for each in predictions))


def softened(shares: np.ndarray, temperature: float) -> np.ndarray:
    """Shares (n, K) at a temperature: softmax(z / T), where they are softmax(z) (Hinton et al. 2015, arXiv:1503.02531)."""
    powers = shares.astype(np.float64) ** (1 / temperature)
    soft: np.ndarray = powers / powers.sum(1, keepdims=True)
    return soft


def targets_of(answers: Answers, rows: Sequence[Row], classes: Sequence[str], temperature: float) -> np.ndarray:
    """(n, K) float32 shares that a student is taught: softened answers, and the class alone where a row has one of these labels."""
    soft, place = softened(answers.shares, temperature), {name: at for at, name in enumerate(classes)}
    for at, row in enumerate(rows):
        if row.label in place:
            soft[at] = np.arange(len(classes)) == place[row.label]
    return soft.astype(np.float32)


def milliseconds(head: VectorHead, samples: Sequence[Sample]) -> float:
    """How long a head takes for one of a few images that are read already."""
    answers_of(head, samples)
    began = time.perf_counter()
    answers_of(head, samples)
    return 1000 * (time.perf_counter() - began) / len(samples)


def numbers(head: VectorHead) -> int:
    """How many numbers its networks hold."""
    return sum(tensor.numel() for part in head.encoder.kept() for tensor in part.tensors.values())
