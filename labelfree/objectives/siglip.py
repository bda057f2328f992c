"""SigLIP: Sigmoid Loss for Language Image Pre-Training (Zhai et al. 2023, arXiv:2303.15343)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.backbones import Backbone
from labelfree.domain import Default
from labelfree.objectives.base import Situation, in_fp32
from labelfree.objectives.blockwise import Pairs, RowLoss, by_blocks, held_at_once
from labelfree.objectives.distributed import ALONE, Ranks, everyone
from labelfree.objectives.image_text import AS_LEFT, ImageText, taught_facts
from labelfree.objectives.options import Count, LogOdds, Positive, Weight


class SigLIP(ImageText):
    """Every image with every caption of the batch is a question of its own: do they belong together?"""

    called = "siglip"
    loss: SigLIPLoss
    why_fewest = "SigLIP learns from pairs that do not belong together, and one pair has none"

    def __init__(
        self,
        backbone: Backbone,
        *,
        text: str = "small",
        out: Count = 256,
        image_rate: Weight = 1.0,
        scale: Positive = 10.0,
        bias: LogOdds = -10.0,
    ) -> None:
        super().__init__(backbone, text, out, image_rate)
        self.loss = SigLIPLoss(scale, bias)

    @classmethod
    def rules(cls, at: Situation) -> dict[str, Default]:
        prior = Default(-math.log(at.batch_size), f"one of {at.batch_size} pairs belongs together: the log of that")
        facts = taught_facts(at.options)
        left = {f"options.{key}": Default(facts[key], AS_LEFT) for key in ("scale", "bias")} if facts.get("objective") == cls.called else {}
        return {**super().rules(at), "options.bias": prior, **left}


class SigLIPLoss(nn.Module):
    """Every image with every text of every rank is a question of its own: do they belong together? Scale and bias are learned.

    Images and texts: (N, D) embeddings, row i of one belongs to row i of the other. `ids`: (N,) integers, equal where captions are.
    `bias`: where it starts. The paper's -10 suits batches of tens of thousands; for smaller ones take the log of the prior, ln(1 / pairs).
    """

    def __init__(self, scale: float = 10.0, bias: float = -10.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def forward(self, images: Tensor, texts: Tensor, ids: Tensor | None = None) -> Tensor:
        return siglip_loss(images, texts, self.log_scale.exp(), self.bias, ids, everyone())


def siglip_loss(
    images: Tensor, texts: Tensor, scale: Tensor | float, bias: Tensor, ids: Tensor | None = None, ranks: Ranks = ALONE
) -> Tensor:
    """Sigmoid loss, section 3.2 of the paper: the sum over this rank's images and every rank's texts, over N. In fp32.

    `images`, `texts`: (N, D). `bias`: scalar tensor. `ids`: (N,) integers of the captions: an image with another's copy of its own caption
    is left out. It is no negative, and as a positive it would be the same pair once more: a caption that occurs k times would weigh k^2,
    so that general captions ("no finding") would drown the telling ones, and the bias would no longer start near the prior.
    """
    with in_fp32(images):
        rows, texts = F.normalize(images.float(), dim=-1), F.normalize(texts.float(), dim=-1)
        columns = ranks.gather(texts[None])[0]  # (world * N, D), gradients kept
        same = None if ids is None else (ids, ranks.gather_constant(ids[None])[0])
        pairs = Pairs(ranks.columns(len(images), images.device), ids=same)
        if not held_at_once(rows, columns):
            return by_blocks(Sigmoid(), scale * rows, columns, pairs, bias).mean()
        logits = pairs.leave_out_(scale * rows @ columns.T + bias)  # (N, world * N)
        z = torch.full_like(logits, -1.0).scatter_(1, pairs.partner[:, None], 1.0)  # 1: they belong together, -1: they do not
        return -F.logsigmoid(z * logits).sum(1).mean()


class Sigmoid(RowLoss):
    """-sum over the row of log sigmoid(z * logits), z = 1 for the partner and -1 for every other column."""

    def value_(self, logits: Tensor, partner: Tensor) -> Tensor:
        flipped = _flipped_(logits, partner)  # -z * logits
        return torch.logaddexp(flipped, flipped.new_zeros(()), out=flipped).sum(1)  # -log sigmoid(x) = ln(e^-x + e^0)

    def derivative_(self, logits: Tensor, partner: Tensor, value: Tensor) -> Tensor:
        return _flipped_(_flipped_(logits, partner).sigmoid_(), partner)


def _flipped_(x: Tensor, partner: Tensor) -> Tensor:
    """The partner's entry with the other sign, in place."""
    return x.scatter_(1, partner[:, None], -x.gather(1, partner[:, None]))
