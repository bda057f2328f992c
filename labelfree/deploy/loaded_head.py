"""A head from its file alone: it knows which images it takes, refuses others with a sentence, and answers for one or for many.

Heads of vectors are here, those of maps in `deploy.map_heads`, of boxes in `deploy.box_heads`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones.weights import accepted
from labelfree.data.measured_pixels import finite
from labelfree.deploy.head_card import HeadCard
from labelfree.domain import Domain, Row, Sample
from labelfree.planning.recognition import domain_of_file
from labelfree.transfer.encoders import NO_SIZE, PIXELS, Encoder
from labelfree.transfer.protocols import Head
from labelfree.transfer.tasks import Task, find_task
from labelfree.transfer.tasks.multilabel import SEPARATOR

T = TypeVar("T")
VALUE = "value"  # what the numbers of a task without classes are called
WHO = "this head"


@dataclass(frozen=True)
class Prediction:
    """What a head says of one image. `name`: the class that is called, by its threshold where the head has one, else that of the largest
    score; where images may be of several classes those called, as `a|b`, "" for none; None where the task has no classes. `scores`: of
    every class (they sum to 1 where an image is of one), or the numbers that the task tells.
    """

    name: str | None
    scores: dict[str, float]

    @property
    def score(self) -> float:
        """Of the class that is called, of several the lowest, of none the highest of all; without classes the first number."""
        if self.name is None:
            return next(iter(self.scores.values()))
        if self.name in self.scores:
            return self.scores[self.name]
        return min((self.scores[name] for name in self.name.split(SEPARATOR) if name), default=max(self.scores.values()))


class LoadedHead(Generic[T]):
    """What every head shares; T is what it says of one image. `card`: what the head says of itself. `domain`: reads its images."""

    def __init__(self, path: Path, card: HeadCard, domain: Domain, encoder: Encoder, head: Any) -> None:
        self.path, self.card, self.domain, self.encoder, self.head = path, card, domain, encoder, head

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes it tells apart."""
        return self.card.classes

    def predict(self, image: str | Path | Sample) -> T:
        """What an image shows: a file, or what `labelfree.read` returns. Raises DataError for an image that this head does not take."""
        raise NotImplementedError

    def read(self, image: str | Path | Sample) -> Sample:
        """An image as this head's reader sees it."""
        return image if isinstance(image, Sample) else self.domain.read(self.row(image))

    def row(self, image: str | Path) -> Row:
        """What its reader is asked for."""
        return domain_of_file(image, self.card.images.domain, self.card.images.reader)[1]

    @property
    def size(self) -> int:
        """The longest side of what its network is shown, 0 where it has none."""
        return next(iter(self.encoder.sizes), NO_SIZE)


class VectorHead(LoadedHead[Prediction]):
    """A head that says one thing of an image. `head`: outputs (n, K) from features (n, D)."""

    head: Head

    @cached_property
    def task(self) -> Task:
        """That its answers are of."""
        return find_task(self.card.task)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """What the numbers of an output are called: classes, else `value`, `value_2` …"""
        width = self.head(np.zeros((1, sum(self.encoder.blocks)), np.float32)).shape[1]
        return self.classes or tuple(VALUE if at == 1 else f"{VALUE}_{at}" for at in range(1, width + 1))

    def predict(self, image: str | Path | Sample) -> Prediction:
        return next(self.predictions([self.read(image)]))

    def predictions(self, samples: Iterable[Sample]) -> Iterator[Prediction]:
        """Of each image in turn; as many as PIXELS hold are looked at together, so any number of them goes through bounded memory."""
        waiting = list[tuple[Tensor, Tensor | None]]()
        for sample in map(finite, samples):
            physical, measured = accepted(self.card.images, sample, WHO), sample.measured
            if waiting and (waiting[0][0].shape != physical.shape or (len(waiting) + 1) * physical[0].numel() > PIXELS):
                yield from self._of(waiting)
                waiting.clear()
            waiting.append((physical, measured))
        if waiting:
            yield from self._of(waiting)

    @torch.inference_mode()
    def _of(self, images: list[tuple[Tensor, Tensor | None]]) -> Iterator[Prediction]:
        """Of images of one size."""
        physical = torch.stack([image for image, _ in images])
        known = [torch.ones(image.shape[1:], dtype=torch.bool) if there is None else there for image, there in images]
        measured = None if all(there is None for _, there in images) else torch.stack(known)
        for output in self.head(self.encoder.embed(physical, self.size, measured)).tolist():
            scores = dict(zip(self.columns, output, strict=True))
            yield Prediction(self.called(scores) if self.classes else None, scores)

    def called(self, scores: Mapping[str, float]) -> str:
        """The class that is looked for from its threshold on; without one as the task calls it."""
        alarm, threshold = self.card.alarm, self.card.threshold
        if threshold is None:
            return self.task.called(scores)
        return alarm if scores[alarm] >= threshold else max(scores.keys() - {alarm}, key=scores.__getitem__)
