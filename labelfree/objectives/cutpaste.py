"""CutPaste: Self-Supervised Learning for Anomaly Detection and Localization (Li et al. 2021, arXiv:2104.04015)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.backbones import Backbone
from labelfree.objectives.base import Crops, Objective, Step, Views, in_fp32
from labelfree.objectives.heads import mlp
from labelfree.objectives.options import Count, Weight


class CutPaste(Objective):
    """The network says of each view in which way it was altered, if at all, and of each token how much of it was.

    Views: one global crop (B, C, *spatial) as it is, then one altered in each of `kinds` ways, with `altered` pixels. Of the standard ways
    the first two, CutPaste and CutPaste-Scar, make the paper's three classes; the third is blotches of Perlin noise, as in DRAEM
    (Zavrtanik et al. 2021, arXiv:2108.07610). Where anomalies lie is asked besides: the weight of that loss is `where`. It takes labels
    that it makes itself, so that it can go on with what another objective began (`backbone.init`).
    """

    backbone: Backbone
    cause = "too high a learning rate, or anomalies that one glance tells"
    fix = "lower pretrain.lr or lengthen pretrain.warmup"

    def __init__(self, backbone: Backbone, *, kinds: Count = 3, hidden: Count = 512, where: Weight = 1.0) -> None:
        super().__init__()
        self.crops = Crops(globals=1 + kinds, altered=True)
        self.backbone = backbone
        self.kind = mlp(backbone.dim, hidden, 1 + kinds)
        self.token = nn.Linear(backbone.token_dim, 1) if where else None
        self.weight = where

    def forward(self, views: Views) -> Step:
        features = self.backbone(views.globals)
        logits = self.kind(features.pooled)
        loss, right = which_kind(logits)
        logs = {"kind_loss": loss.detach(), "told_right": right}
        if self.token is not None and features.tokens is not None and views.altered is not None:
            tokens = self.token(features.tokens.movedim(1, -1)).squeeze(-1)  # (V * B, *grid)
            place = where_altered(tokens, views.altered)
            loss = loss + self.weight * place
            logs["where_loss"] = place.detach()
        return Step(loss, logs, features.pooled.detach())


def which_kind(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy of `logits` (V * B, V), view-major: view 0 is as it was, view k was altered in the k-th way. In fp32.

    With it the share that is told right, without gradient.
    """
    ways = logits.shape[1]
    kind = torch.arange(ways, device=logits.device).repeat_interleave(len(logits) // ways)  # (V * B,)
    with in_fp32(logits):
        return F.cross_entropy(logits.float(), kind), (logits.detach().argmax(1) == kind).float().mean()


def where_altered(logits: Tensor, altered: Tensor) -> Tensor:
    """Binary cross entropy of a logit for each token, (N, *grid), with the share of it that was `altered` (N, *spatial). In fp32."""
    with in_fp32(logits):
        share = F.interpolate(altered[:, None].float(), size=logits.shape[1:], mode="area")[:, 0]
        return F.binary_cross_entropy_with_logits(logits.float(), share)
