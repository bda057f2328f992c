"""CLIP: Learning Transferable Visual Models From Natural Language Supervision (Radford et al. 2021, arXiv:2103.00020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from labelfree.backbones import Backbone
from labelfree.domain import Default
from labelfree.objectives.base import Situation
from labelfree.objectives.distributed import ALONE, Ranks, everyone
from labelfree.objectives.image_text import AS_LEFT, ImageText, taught_facts
from labelfree.objectives.info_nce import info_nce
from labelfree.objectives.options import Count, Positive, Weight


class CLIP(ImageText):
    """Each image picks its caption among those of the batch, and each caption its image."""

    called = "clip"
    loss: CLIPLoss
    why_fewest = "CLIP compares the pairs of a batch with each other, and with one pair its loss is always 0"

    def __init__(
        self, backbone: Backbone, *, text: str = "small", out: Count = 256, image_rate: Weight = 1.0, temperature: Positive = 0.07
    ) -> None:
        super().__init__(backbone, text, out, image_rate)
        self.loss = CLIPLoss(temperature)

    @classmethod
    def rules(cls, at: Situation) -> dict[str, Default]:
        facts = taught_facts(at.options)
        left = {"options.temperature": Default(1 / facts["scale"], AS_LEFT)} if facts.get("objective") == cls.called else {}
        return {**super().rules(at), **left}

    def after_step(self, progress: float) -> None:
        self.loss.clamp_scale()


class CLIPLoss(nn.Module):
    """Each image picks its text among those of every rank, and each text its image; the temperature is learned.

    Images and texts: (N, D) embeddings, row i of one belongs to row i of the other. `ids`: (N,) integers, equal where captions are.
    """

    largest = math.log(100)  # section 2.5: scales beyond 100 made training unstable

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def forward(self, images: Tensor, texts: Tensor, ids: Tensor | None = None) -> Tensor:
        return clip_loss(images, texts, self.log_scale.exp(), ids, everyone())

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """Called once an optimiser step, after it."""
        self.log_scale.clamp_(max=self.largest)


def clip_loss(images: Tensor, texts: Tensor, scale: Tensor | float, ids: Tensor | None = None, ranks: Ranks = ALONE) -> Tensor:
    """Symmetric cross entropy, figure 3 of the paper: this rank's rows against every rank's columns. In fp32.

    `images`, `texts`: (N, D). `ids`: (N,) integers of the captions: a caption that says the same as a row's own is not its negative.
    """
    all_images, all_texts = ranks.gather(torch.stack([images, texts]).float())  # (world * N, D) each, gradients kept
    partner = ranks.columns(len(images), images.device)
    same = None if ids is None else (ids, ranks.gather_constant(ids[None])[0])
    of_images = info_nce(images, all_texts, partner, scale, same)
    of_texts = info_nce(texts, all_images, partner, scale, same)
    return (of_images + of_texts) / 2
