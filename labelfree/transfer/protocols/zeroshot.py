"""Classes asked for in words: cosines with prompt ensembles (Radford et al. 2021, arXiv:2103.00020, section 3.1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import softmax
from torch import Tensor

from labelfree.language.arm_towers import ArmTowers
from labelfree.transfer.encoders import towers_of
from labelfree.transfer.protocols.base import HeadProtocol

if TYPE_CHECKING:
    from labelfree.transfer.encoders import Encoder

AS_IT_IS = "as_it_is"  # features are neither centred nor scaled: the text side was taught beside them so


class Zeroshot(HeadProtocol):
    """An image is of the class whose vector lies at the smallest angle: the mean of unit text vectors of a prompt ensemble.

    Scores: softmax of the cosines times the scale that the objective learnt. No label is learnt from, so an arm has one row; only arms with
    a text tower have it. Called *prompted*, for classes that training captions name are none that were never seen (docs/protocol.md, 21).
    """

    name = "zeroshot"
    words, title = "prompted", "prompted in words, no label learnt"
    reading = "prompted: an image is of the class whose words lie nearest to it in the space of both towers, no label is learnt from"
    method = (
        "Prompted: cosine with the mean text vector of each class's prompts, softmax with the objective's scale; no label is learnt from, "
        "and of several input sizes the one nearest to the pretraining's is taken."
    )
    shared = ""
    needs = "words"
    learns = False
    settings = (1.0,)
    default = 1.0
    preparations = (AS_IT_IS,)

    def suits(self, encoder: Encoder) -> bool:
        return towers_of(encoder) is not None

    def scores(self, images: np.ndarray, classes: np.ndarray, scale: float) -> np.ndarray:
        """(n, K) that sum to 1, of unit vectors of images (n, dim) and of classes (K, dim)."""
        found: np.ndarray = softmax(scale * images.astype(np.float64) @ classes.T.astype(np.float64), axis=1)
        return found

    def tensors(self, towers: ArmTowers, classes: np.ndarray, width: int) -> dict[str, Tensor]:
        """Of a head that answers as `scores` does: `projection` (dim, D), `classes` (K, dim) of length 1, `scale`. `width`: D."""
        return {
            "mean": torch.zeros(width),
            "blocks": torch.tensor([width]),
            "projection": towers.side.of_images.weight.detach().float().clone(),
            "classes": torch.from_numpy(classes).float(),
            "scale": torch.tensor(towers.scale),
        }

    def outputs(self, tensors: Mapping[str, Any], features: Tensor) -> Tensor:
        images = F.normalize(F.linear(features, tensors["projection"]), dim=1)
        scores: Tensor = (tensors["scale"] * images @ tensors["classes"].T).softmax(1)
        return scores
