"""DINOv2: Learning Robust Visual Features without Supervision (Oquab et al. 2024, arXiv:2304.07193)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from labelfree.backbones import Backbone, statistics_kept
from labelfree.device_copies import beside
from labelfree.domain import Default
from labelfree.errors import RecipeError
from labelfree.objectives.base import Alarm, Crops, Situation, Step, Views
from labelfree.objectives.distillation import Distillation
from labelfree.objectives.distributed import everyone
from labelfree.objectives.heads import PrototypeHead
from labelfree.objectives.ibot import at_hidden, hidden_blocks, ibot_loss
from labelfree.objectives.koleo import koleo_loss
from labelfree.objectives.measures import teacher_entropies
from labelfree.objectives.options import AnyNumber, Count, Exports, Positive, Several, Share, Weight
from labelfree.objectives.prototypes import TOO_WARM, cross_view_loss, prototype_rules, sinkhorn_knopp

MOST_A_ROW = 16  # prototypes that a row's answer is spread over at least, as in the paper: 65,536 for 4,096 crops


class DINOv2(Distillation):
    """DINO on whole images, iBOT on hidden patches and KoLeo on embeddings; Sinkhorn-Knopp balances the teacher instead of a centre.

    Views: two global crops (2B, C, *spatial) and `local_crops` small ones. In a `mask_share` of the global crops, `least_masked` to
    `most_masked` of the tokens are hidden from the student, which says what the teacher says there. The two heads are separate.
    A network without token map is refused.
    """

    cause = "too high a learning rate, or too little KoLeo"
    fix = "lower pretrain.lr, lengthen pretrain.warmup, or raise pretrain.options.koleo"
    fewest = 2
    why_fewest = "DINOv2's Sinkhorn-Knopp shares the prototypes out among the images of a batch, and with one image among its two views"
    alarms = (
        TOO_WARM,
        Alarm("information", "the teacher gives every image the same answer; the rate is too high", "lower pretrain.lr", least=0.005),
    )

    def __init__(
        self,
        backbone: Backbone,
        *,
        prototypes: Several = 1024,
        hidden: Count = 2048,
        bottleneck: Count = 256,
        local_crops: AnyNumber = 4,
        student_temperature: Positive = 0.1,
        teacher_temperature: Positive = 0.04,
        momentum: Share = 0.99,
        final_momentum: Share = 1.0,
        freeze_prototypes: Share = 0.05,
        mask_share: Share = 0.5,
        least_masked: Share = 0.1,
        most_masked: Share = 0.5,
        ibot: Weight = 1.0,
        koleo: Weight = 0.1,
        exports: Exports = "student",
    ) -> None:
        super().__init__()
        self.crops = Crops(globals=2, locals=local_crops)
        self.backbone = backbone
        self.head = PrototypeHead(backbone.dim, prototypes, hidden, bottleneck)
        self.patch_head = PrototypeHead(backbone.token_dim, prototypes, hidden, bottleneck)
        self.mask_token = nn.Parameter(torch.zeros(backbone.token_dim)) if backbone.transformer else None
        self.copied("head", "patch_head", exports=exports)
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.momentum = (momentum, final_momentum)
        self.freeze_prototypes = freeze_prototypes
        self.mask_share = mask_share
        self.mask_ratio = (least_masked, most_masked)
        self.weights = (ibot, koleo)

    @classmethod
    def rules(cls, at: Situation) -> dict[str, Default]:
        rules = prototype_rules(at)
        most = MOST_A_ROW * 2 * at.batch_size  # Sinkhorn-Knopp gives every prototype the same share of a batch's rows
        if most < rules["options.prototypes"].value:
            rules["options.prototypes"] = Default(most, f"{MOST_A_ROW} for each of a batch's global crops: more could not be told apart")
        if at.continues:
            rules["options.koleo"] = Default(0.0, "what weights know is spread already: pushing neighbours apart tears classes")
        return rules

    @classmethod
    def check(cls, options: Mapping[str, Any], at: Situation) -> None:
        least, most = options["least_masked"], options["most_masked"]
        if least > most:
            raise RecipeError(f"pretrain.options.least_masked: {least:g} is more than pretrain.options.most_masked, {most:g}; swap them.")

    def forward(self, views: Views) -> Step:
        ranks = everyone()
        with torch.no_grad():
            taught = self.teacher["backbone"](views.globals)
            if taught.tokens is None or taught.tokens.shape[1] != self.backbone.token_dim:
                raise RecipeError("backbone.name: DINOv2 hides patches and this network has no map of tokens; take a ViT (vit_…).")
            target = sinkhorn_knopp(self.teacher["head"](taught.pooled), self.teacher_temperature, ranks)  # (2B, K)
            hidden = views.hidden
            if hidden is None:
                hidden = hidden_blocks(len(taught.tokens), taught.tokens.shape[2:], self.mask_share, self.mask_ratio)
            patch_target = sinkhorn_knopp(self.teacher["patch_head"](at_hidden(taught.tokens, hidden)), self.teacher_temperature, ranks)
        features = self.backbone(views.globals, beside(hidden, views.globals), self.mask_token)
        student = [self.head(features.pooled)]
        if views.locals is not None:
            with statistics_kept(self.backbone):
                student.append(self.head(self.backbone.embed(views.locals)))
        patches = self.patch_head(at_hidden(features.tokens, hidden))
        dino = cross_view_loss(torch.cat(student), target, self.student_temperature)
        ibot = ibot_loss(patches, patch_target, hidden, self.student_temperature)
        koleo = torch.stack([koleo_loss(view, ranks) for view in features.pooled.chunk(2)]).sum()  # per view
        loss = dino + self.weights[0] * ibot + self.weights[1] * koleo
        logs = {"dino_loss": dino.detach(), "ibot_loss": ibot.detach(), "koleo_loss": koleo.detach(), **teacher_entropies(target)}
        return Step(loss, logs, features.pooled.detach())
