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
from labelfree.language import load_towers
from labelfree.language.reading import text_file
from labelfree.training.files import digest_of

Images = Callable[[Iterable[Sample]], Tensor]  # n images to vectors (n, D)
Sentences = Callable[[Sequence[str]], Tensor]  # n sentences to vectors (n, D), beside those of images
OF_VECTORS = ("architecture", "options", "pooling", "channels", "unit", "size", "dims", "mean", "std", "normalisation")  # of a weight card


@dataclass(frozen=True)
class Checkpoint:
    """`digest`: of all that decides a vector; two files that agree in it give the same ones. `dim`: D of its vectors. `sentences`: None
    without a text tower; with one both are in the space that the towers share.
    """

    file: Path
    digest: str
    network: LoadedBackbone
    dim: int
    images: Images
    sentences: Sentences | None = None

    def of_images(self, samples: Iterable[Sample]) -> Tensor:
        """(n, D) float32 of length one. Raises DataError for images that the weights do not take."""
        return unit(self.images(samples))

    def of_text(self, text: str) -> Tensor:
        """(1, D) float32 of length one. Raises DataError where the weights know no words."""
        if self.sentences is None:
            way = "search by --image, or make the index by weights that were taught with captions"
            raise DataError(f"--text: {self.file} has no text tower, so its vectors know no words; {way}.")
        return unit(self.sentences([text]))


def open_checkpoint(weights: Path) -> Checkpoint:
    """Of a run folder or a weight file, and of the text tower beside it. Raises DataError where there is none, or one is broken."""
    file = backbone_file(weights.expanduser())
    if not text_file(file).is_file():
        network = load(file)
        return Checkpoint(file, _digest(network, file), network, network.dim, network.embed)
    towers = load_towers(file)
    digest = _digest(towers.backbone, file, text_file(file))
    return Checkpoint(file, digest, towers.backbone, towers.dim, towers.embed, towers.embed_texts)


def unit(vectors: Tensor) -> Tensor:
    """Vectors (n, D) of length one, float32; those of zeros stay."""
    return F.normalize(vectors.float().cpu(), dim=1)


def _digest(network: LoadedBackbone, *files: Path) -> str:
    card = asdict(network.card)
    told = json.dumps([*map(digest_of, files), *(card[name] for name in OF_VECTORS)], sort_keys=True, default=str)
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
