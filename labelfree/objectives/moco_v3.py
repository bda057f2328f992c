"""MoCo v3: An Empirical Study of Training Self-Supervised Vision Transformers (Chen et al. 2021, arXiv:2104.02057)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelfree.backbones import Backbone
from labelfree.domain import Default
from labelfree.objectives.base import Crops, Objective, Situation, Step, Views
from labelfree.objectives.distributed import ALONE, Ranks, everyone
from labelfree.objectives.heads import mlp
from labelfree.objectives.info_nce import info_nce
from labelfree.objectives.measures import similarities
from labelfree.objectives.momentum import cosine, first_momentum, follow, slow_copies
from labelfree.objectives.options import Count, Positive, Share


class MoCoV3(Objective):
    """A predicted query attracts its key, the other view seen by a slow encoder; the batch's other keys repel. No queue.

    Views: two global crops, each (B, C, *spatial), either of which is query and key in turn. `freeze_patches`: a ViT's random patch
    projection is not trained, which keeps it stable (section 4.2 of the paper).
    """

    backbone: Backbone
    slow: Any  # a ModuleDict: `backbone` has methods that nn.Module does not know of
    cause = "too high a learning rate"
    fix = "lower pretrain.lr, or lengthen pretrain.warmup"
    fewest, repels = 2, True
    why_fewest = "MoCo v3 compares the images of a batch with each other, and with one image its loss is always 0"

    def __init__(
        self,
        backbone: Backbone,
        *,
        temperature: Positive = 0.2,
        momentum: Share = 0.99,
        final_momentum: Share = 1.0,
        hidden: Count = 2048,
        out: Count = 256,
        freeze_patches: bool = False,
    ) -> None:
        super().__init__()
        self.crops = Crops(globals=2)
        self.backbone = backbone
        patches = backbone.patch_embedding()
        if freeze_patches and patches is not None:
            patches.requires_grad_(False)
        self.projector = mlp(backbone.dim, hidden, out, layers=3, norm_out=True)
        self.predictor = mlp(out, hidden, out, norm_out=True)
        self.slow = slow_copies(self, "backbone", "projector")
        self.temperature = temperature
        self.momentum = (momentum, final_momentum)

    @classmethod
    def rules(cls, at: Situation) -> dict[str, Default]:
        random_vit = at.transformer and not at.continues
        why = "a random patch projection is kept as it is, for stability" if random_vit else "there is no random patch projection"
        return {"options.momentum": first_momentum(at), "options.freeze_patches": Default(random_vit, why)}

    def forward(self, views: Views) -> Step:
        embedded = self.backbone.embed(views.globals)
        q1, q2 = self.predictor(self.projector(embedded)).chunk(2)
        with torch.no_grad():
            k1, k2 = self.slow["projector"](self.slow["backbone"].embed(views.globals)).chunk(2)
        loss = ctr(q1, k2, self.temperature, everyone()) + ctr(q2, k1, self.temperature, everyone())
        return Step(loss, similarities(q1, k2), embedded.detach())

    def after_step(self, progress: float) -> None:
        follow(self.slow, self, cosine(*self.momentum, progress))


def ctr(queries: Tensor, keys: Tensor, temperature: float, ranks: Ranks = ALONE) -> Tensor:
    """Algorithm 1's `ctr`: 2T times InfoNCE of this rank's `queries` (N, D) against every rank's `keys` (N, D). In fp32."""
    everyones = ranks.gather_constant(keys[None])[0]  # (world * N, D)
    return 2 * temperature * info_nce(queries, everyones, ranks.columns(len(queries), queries.device), 1 / temperature)
