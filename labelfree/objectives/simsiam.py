"""SimSiam: Exploring Simple Siamese Representation Learning (Chen and He 2021, arXiv:2011.10566)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones import Backbone
from labelfree.domain import Default
from labelfree.objectives.base import Alarm, Crops, Objective, Situation, Step, Views, in_fp32
from labelfree.objectives.heads import mlp
from labelfree.objectives.measures import similarities
from labelfree.objectives.options import Count, Positive


class SimSiam(Objective):
    """A predictor tells one view's projection from the other's, which takes no gradient. No negatives and no momentum encoder.

    Views: two global crops, each (B, C, *spatial). The predictor's learning rate does not decay (section 4.2 of the paper); it is
    `predictor_rate` times the others' peak. A predictor that keeps up is what holds a network that has weights already from collapse
    (Grill et al. 2020, section 5; docs/methods.md has the figures).
    """

    backbone: Backbone
    fewest = 2
    why_fewest = "SimSiam's BatchNorm compares the images of a batch with each other, and of one image's two views it makes opposites"
    cause = "too high a learning rate for a method that only the stop-gradient and the predictor keep from collapse"
    fix = "raise pretrain.options.predictor_rate, lower pretrain.lr, or take a larger pretrain.batch_size"
    alarms = (Alarm("projection_rank", cause, fix, least=1.15),)  # behind BatchNorm, sound projections vary along many directions

    def __init__(
        self, backbone: Backbone, *, hidden: Count = 2048, out: Count = 2048, bottleneck: Count = 512, predictor_rate: Positive = 1.0
    ) -> None:
        super().__init__()
        self.crops = Crops(globals=2)
        self.backbone = backbone
        self.projector = mlp(backbone.dim, hidden, out, layers=3, norm_out=True)
        self.predictor = mlp(out, bottleneck, out)
        self.steady = {"predictor": predictor_rate}

    @classmethod
    def rules(cls, at: Situation) -> dict[str, Default]:
        if at.optimiser not in ("auto", "adamw" if at.continues else "sgd"):
            return {}  # the rates below belong to their optimiser
        if at.continues:
            return {
                "optimiser": Default("adamw", "small even steps keep what the weights know"),
                "options.predictor_rate": Default(10.0, "a predictor that keeps up holds what the weights know"),
            }
        return {
            "optimiser": Default("sgd", "the paper's, from random weights"),
            "lr": Default(0.05 * at.batch_size / 256, "0.05 x batch / 256, the paper's"),
            "weight_decay": Default(1e-4, "the paper's"),
        }

    def forward(self, views: Views) -> Step:
        embedded = self.backbone.embed(views.globals)
        z = self.projector(embedded)
        p1, p2 = self.predictor(z).chunk(2)
        z1, z2 = z.detach().chunk(2)  # the stop-gradient
        loss = negative_cosine(p1, z2) / 2 + negative_cosine(p2, z1) / 2
        return Step(loss, similarities(z1, z2), embedded.detach())


def negative_cosine(p: Tensor, z: Tensor) -> Tensor:
    """D(p, z), eq. 1 of the paper, averaged over the rows of `p` and `z` (N, D): -1 where they agree. In fp32."""
    with in_fp32(p):
        return -F.cosine_similarity(p.float(), z.float(), dim=-1).mean()
