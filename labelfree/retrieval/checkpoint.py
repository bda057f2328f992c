"""The weights that an index is made by: they put images into one space, and sentences where they have a text tower."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones.weights import LoadedBackbone, backbone_file, load
from labelfree.domain import Sample
from labelfree.errors import DataError
from labelfree.training.files import digest_of

Sentences = Callable[[Sequence[str]], Tensor]  # n sentences to vectors (n, D), beside those of images
OF_VECTORS = ("architecture", "options", "pooling", "channels", "unit", "size", "dims", "mean", "std", "normalisation")  # of a weight card


@dataclass(frozen=True)
class Checkpoint:
    """`digest`: of all that decides a vector; two files that agree in it give the same ones. `sentences`: None without a text tower."""

    file: Path
    digest: str
    images: LoadedBackbone
    sentences: Sentences | None = None

    def of_images(self, samples: Iterable[Sample]) -> Tensor:
        """(n, D) float32 of length one. Raises DataError for images that the weights do not take."""
        return unit(self.images.embed(samples))

    def of_text(self, text: str) -> Tensor:
        """(1, D) float32 of length one. Raises DataError where the weights know no words."""
        if self.sentences is None:
            way = "search by --image, or make the index by weights that were taught with captions"
            raise DataError(f"--text: {self.file} has no text tower, so its vectors know no words; {way}.")
        return unit(self.sentences([text]))


def open_checkpoint(weights: Path) -> Checkpoint:
    """Of a run folder or a weight file. Raises DataError where there is none."""
    file = backbone_file(weights.expanduser())
    images = load(file)
    return Checkpoint(file, _digest(images, file), images)


def unit(vectors: Tensor) -> Tensor:
    """Vectors (n, D) of length one, float32; those of zeros stay."""
    return F.normalize(vectors.float().cpu(), dim=1)


def _digest(images: LoadedBackbone, file: Path) -> str:
    card = asdict(images.card)
    told = json.dumps([digest_of(file), *(card[name] for name in OF_VECTORS)], sort_keys=True, default=str)
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
