"""BYOL: Bootstrap Your Own Latent (Grill et al. 2020, arXiv:2006.07733)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones import Backbone
from labelfree.domain import Default
from labelfree.objectives.base import Crops, Objective, Situation, Step, Views, in_fp32
from labelfree.objectives.heads import mlp
from labelfree.objectives.measures import similarities
from labelfree.objectives.momentum import HELD, cosine, first_momentum, follow, slow_copies
from labelfree.objectives.options import Count, Share


class BYOL(Objective):
    """The online network predicts what the target network, its moving average, says of another view. There are no negatives.

    Views: two global crops, each (B, C, *spatial). The average runs over parameters, once an optimiser step; the target sees batches
    in training mode, so that its BatchNorm has statistics of its own.
    """

    backbone: Backbone
    target: Any  # a ModuleDict: `backbone` has methods that nn.Module does not know of
    cause = "the target follows too fast, or too high a learning rate"
    fix = "raise pretrain.options.momentum towards 1, or lower pretrain.lr"
    rate_from_weights = HELD
    fewest = 2
    small_batch = 16  # measured: docs/pretraining.md
    why_fewest = "BYOL's BatchNorm compares the images of a batch with each other, and of one image's two views it makes opposites"

    def __init__(
        self, backbone: Backbone, *, hidden: Count = 4096, out: Count = 256, momentum: Share = 0.99, final_momentum: Share = 1.0
    ) -> None:
        super().__init__()
        self.crops = Crops(globals=2)
        self.backbone = backbone
        self.projector = mlp(backbone.dim, hidden, out)
        self.predictor = mlp(out, hidden, out)
        self.target = slow_copies(self, "backbone", "projector")
        self.momentum = (momentum, final_momentum)

    @classmethod
    def rules(cls, at: Situation) -> dict[str, Default]:
        return {"options.momentum": first_momentum(at)}

    def forward(self, views: Views) -> Step:
        embedded = self.backbone.embed(views.globals)
        projected = self.projector(embedded)
        p1, p2 = self.predictor(projected).chunk(2)
        with torch.no_grad():
            z1, z2 = self.target["projector"](self.target["backbone"].embed(views.globals)).chunk(2)
        loss = regression_loss(p1, z2) + regression_loss(p2, z1)
        return Step(loss, similarities(*projected.chunk(2)), embedded.detach())

    def after_step(self, progress: float) -> None:
        follow(self.target, self, cosine(*self.momentum, progress))


def regression_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """2 - 2 * cosine, eq. 2 of the paper, averaged over the rows of `prediction` and `target` (N, D). In fp32."""
    with in_fp32(prediction):
        return 2 - 2 * F.cosine_similarity(prediction.float(), target.float(), dim=-1).mean()
