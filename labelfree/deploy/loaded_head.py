"""A head from its file alone: it knows which images it takes, refuses others with a sentence, and answers for one or for many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones.weights import accepted
from labelfree.data.measured_pixels import finite
from labelfree.deploy.encoders import encoder_of
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import find_head, read_card, read_tensors
from labelfree.domain import Domain, Sample
from labelfree.errors import DataError
from labelfree.planning.recognition import domain_of_file
from labelfree.reader_settings import domain_with
from labelfree.transfer.encoders import PIXELS, Encoder
from labelfree.transfer.protocols import Head, find_protocol

VALUE = "value"  # what the numbers of a task without classes are called
WHO = "this head"


@dataclass(frozen=True)
class Prediction:
    """What a head says of one image. `name`: the class of the largest score, None where the task has no classes. `scores`: of every class
    (they sum to 1), or the numbers that the task tells.
    """

    name: str | None
    scores: dict[str, float]

    @property
    def score(self) -> float:
        """Of the class that is called; without classes the first number."""
        return self.scores[self.name] if self.name is not None else next(iter(self.scores.values()))


class LoadedHead:
    """`card`: what the head says of itself. `domain`: reads its images. `head`: outputs (n, K) from features (n, D)."""

    def __init__(self, path: Path, card: HeadCard, domain: Domain, encoder: Encoder, head: Head) -> None:
        self.path, self.card, self.domain, self.encoder, self.head = path, card, domain, encoder, head

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes it tells apart."""
        return self.card.classes

    @property
    def columns(self) -> tuple[str, ...]:
        """What the numbers of an output are called: classes, else `value`, `value_2` …"""
        width = self.head(np.zeros((1, sum(self.encoder.blocks)), np.float32)).shape[1]
        return self.classes or tuple(VALUE if at == 1 else f"{VALUE}_{at}" for at in range(1, width + 1))

    def predict(self, image: str | Path | Sample) -> Prediction:
        """What an image shows: a file, or what `labelfree.read` returns. Raises DataError for an image that this head does not take."""
        return next(self.predictions([image if isinstance(image, Sample) else self.read(image)]))

    def predictions(self, samples: Iterable[Sample]) -> Iterator[Prediction]:
        """Of each image in turn; as many as PIXELS hold are looked at together, so any number of them goes through bounded memory."""
        for outputs in self.outputs(samples):
            yield from map(self.told, outputs)

    def told(self, output: np.ndarray) -> Prediction:
        """An output (K,) in words."""
        scores = dict(zip(self.columns, map(float, output), strict=True))
        return Prediction(max(scores, key=scores.__getitem__) if self.classes else None, scores)

    def read(self, path: str | Path) -> Sample:
        """An image as this head's reader sees it."""
        row = domain_of_file(path, self.card.images.domain, self.card.images.reader)[1]
        return self.domain.read(row)

    def outputs(self, samples: Iterable[Sample]) -> Iterator[np.ndarray]:
        """(b, K) for every batch of images of one size, in the order given."""
        waiting = list[tuple[Tensor, Tensor | None]]()
        for sample in map(finite, samples):
            physical, measured = accepted(self.card.images, sample, WHO), sample.measured
            if waiting and (waiting[0][0].shape != physical.shape or len(waiting) * physical[0].numel() > PIXELS):
                yield self._of(waiting)
                waiting.clear()
            waiting.append((physical, measured))
        if waiting:
            yield self._of(waiting)

    def _of(self, images: list[tuple[Tensor, Tensor | None]]) -> np.ndarray:
        physical = torch.stack([image for image, _ in images])
        known = [torch.ones(image.shape[1:], dtype=torch.bool) if there is None else there for image, there in images]
        measured = None if all(there is None for _, there in images) else torch.stack(known)
        size = next(iter(self.encoder.sizes), 0)
        outputs: np.ndarray = self.head(self.encoder.embed(physical, size, measured)).numpy()
        return outputs


def load_head(given: str | Path) -> LoadedHead:
    """The head in a file, or the recommended one of a run folder. Raises DataError where there is none, or it cannot be made here."""
    path = find_head(given)
    card = read_card(path)
    domain = domain_with(card.images.domain, card.images.reader)
    head, parts = read_tensors(path, len(card.parts))
    try:
        encoder = encoder_of(card, domain, parts)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return LoadedHead(path, card, domain, encoder, Head(find_protocol(card.protocol), head))


