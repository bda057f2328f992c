"""Both towers of a weight file, ready to be asked: images and captions as unit vectors of one space."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones.weights import LoadedBackbone, backbone_file, load
from labelfree.domain import Sample, Size
from labelfree.language.files import load_text_side, require_taught_beside
from labelfree.language.towers import TextSide


class Towers:
    """An image tower that knows its channels, unit and normalisation, and a text tower that knows its tokenizer.

    They work on the GPU where there is one, and answer on the host. The logit of an image and a caption is scale * cosine + bias.
    """

    def __init__(self, backbone: LoadedBackbone, side: TextSide) -> None:
        self.backbone, self.side = backbone, side.to(backbone.device)
        self.scale, self.bias = float(side.scale), float(side.bias)

    @property
    def dim(self) -> int:
        """Width of the shared space."""
        return self.side.of_images.out_features

    @torch.inference_mode()
    def embed(self, images: Sample | Tensor | Sequence[Sample] | Iterable[Sample], size: Size | None = None) -> Tensor:
        """Images as unit vectors (N, dim); what may be given, and what is refused, is as in `LoadedBackbone.embed`."""
        return self.project(self.backbone.embed(images, size))

    @torch.inference_mode()
    def project(self, pooled: Tensor) -> Tensor:
        """What the backbone gave for images, (N, its width), as unit vectors (N, dim)."""
        return F.normalize(self.side.images(pooled.to(self.backbone.device)).float(), dim=-1).cpu()

    def embed_texts(self, captions: Sequence[str]) -> Tensor:
        """Captions as unit vectors (N, dim)."""
        return self.side.embed(captions)


def load_towers(path: str | Path) -> Towers:
    """Both towers of a weight file, or of a run's folder. Raises DataError where a file is missing, is broken or has no text tower."""
    weights = backbone_file(Path(path).expanduser())
    side = load_text_side(weights)
    backbone = load(weights)
    require_taught_beside(side, backbone.dim, weights)
    return Towers(backbone, side)
