"""An arm of a comparison that knows words: the text side beside its weight file, applied to features that were kept already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from labelfree.backbones.weight_card import card_beside
from labelfree.domain import Size
from labelfree.language.reading import load_text_side, require_taught_beside, text_file
from labelfree.language.towers import TextSide
from labelfree.training.files import digest_of

AT_ONCE = 8192  # images


@dataclass(frozen=True, eq=False)
class ArmTowers:
    """Both towers of an arm, where its images have been through the first: pooled features in, unit vectors of the shared space out.

    A comparison reads an arm's features once (`transfer.features.extract`), and what asks in words goes on from these:

        towers = towers_of(encoder)                                         # None: the arm has no text tower
        images = towers.images(extract(encoder, pool, size, folder, say))   # (n, dim) float32, of length 1
        texts = towers.texts(["a river beside a town"])                     # (m, dim) float32, of length 1
        logits = towers.scale * images @ texts.T + towers.bias              # as the objective left them

    `weights`: the file of the image tower, for sentences. `digest`: of all that is beside it. `size`: what the image tower was shown
    when both were taught, None where nobody tells. No text is kept. Works on the host.
    """

    weights: Path
    side: TextSide
    digest: str
    size: Size | None = None

    @property
    def dim(self) -> int:
        """Width of the shared space."""
        return self.side.of_images.out_features

    @property
    def scale(self) -> float:
        """What a cosine is multiplied by to be a logit."""
        return float(self.side.scale)

    @property
    def bias(self) -> float:
        """What is added then; 0 of CLIP."""
        return float(self.side.bias)

    @torch.inference_mode()
    def images(self, features: np.ndarray) -> np.ndarray:
        """(n, D) features as the arm's encoder gives them -> (n, dim) float32 of length 1; rows without a direction stay zeros.

        Raises DataError where the text tower was taught beside another network.
        """
        require_taught_beside(self.side, features.shape[1], self.weights)
        found = np.empty((len(features), self.dim), np.float32)
        for start in range(0, len(features), AT_ONCE):
            rows = torch.from_numpy(np.asarray(features[start : start + AT_ONCE], np.float32))
            found[start : start + AT_ONCE] = F.normalize(self.side.images(rows).float(), dim=-1).numpy()
        return found

    def texts(self, sentences: Sequence[str]) -> np.ndarray:
        """(m, dim) float32 of length 1."""
        found: np.ndarray = self.side.embed(sentences).numpy()
        return found


def towers_beside(weights: Path) -> ArmTowers | None:
    """Of a weight file; None where no text side lies beside it. Raises DataError where that is broken."""
    file = text_file(weights)
    if not file.is_file():
        return None
    card = card_beside(weights)
    return ArmTowers(weights, load_text_side(weights), digest_of(file), None if card is None else card.size)
