"""Distillation of features: a student of one's own learns what a trained network says (Hinton et al. 2015, arXiv:1503.02531, of answers;
cosines of features after a projection as in AM-RADIO, Ranzinger et al. 2024, arXiv:2312.06709).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.backbones import Backbone
from labelfree.errors import RecipeError
from labelfree.objectives.base import Alarm, Crops, Objective, Situation, Step, Views, Widths, in_fp32
from labelfree.objectives.distributed import everyone
from labelfree.objectives.measures import similarities, unit_std
from labelfree.objectives.options import Count, Weight

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Distill(Objective):
    """What the student says of a crop, projected, points where the teacher's answer to the same crop points: pooled features and tokens.

    Views: one global crop (B, C, *spatial), and `taught` of it. Of the teacher's answers their mean over all crops so far is taken away:
    what it says of every image tells none from another. Its tokens are brought to the student's grid; where either network has no map of
    tokens, pooled features alone are learnt. `pooled`, `tokens`: weights of the two losses. The teacher belongs to the training and not to
    this module: no optimiser, checkpoint or exported file holds it.
    """

    backbone: Backbone
    batches: Tensor
    centre: Tensor
    token_centre: Tensor
    learns_from = "teacher"
    alarms = (
        Alarm(
            "teacher_spread",
            "the teacher gives all images nearly the same answer: these are not the numbers that it was taught by, or it never was",
            "name a teacher of such images with pretrain.options.teacher, or say what the files hold in reader",
            least=0.02,
        ),
    )

    def __init__(
        self,
        backbone: Backbone,
        taught: Widths | None = None,
        *,
        teacher: str = "imagenet",
        teacher_network: str | None = None,
        teacher_size: Count | None = None,
        pooled: Weight = 1.0,
        tokens: Weight = 1.0,
    ) -> None:
        super().__init__()
        widths = Widths(backbone.dim, backbone.token_dim) if taught is None else taught
        self.crops = Crops(globals=1)
        self.backbone = backbone
        self.projection = nn.Linear(backbone.dim, widths.pooled)
        self.token_projection = nn.Linear(backbone.token_dim, widths.tokens) if widths.tokens and tokens else None
        self.weights = (pooled, tokens)
        self.register_buffer("batches", torch.zeros(()))
        self.register_buffer("centre", torch.zeros(widths.pooled))
        self.register_buffer("token_centre", torch.zeros(widths.tokens or 0))
        self.register_buffer("batch_centre", torch.zeros(widths.pooled), persistent=False)
        self.register_buffer("batch_token_centre", torch.zeros(widths.tokens or 0), persistent=False)

    @classmethod
    def check(cls, options: Mapping[str, Any], at: Situation) -> None:
        if not options["pooled"] and not options["tokens"]:
            raise RecipeError("pretrain.options.pooled: it is 0, and so is pretrain.options.tokens, so nothing is learnt; raise one.")

    def forward(self, views: Views) -> Step:
        assert views.taught is not None, "what the teacher says is missing"
        features, taught = self.backbone(views.globals), views.taught
        said = self.projection(features.pooled)
        target = taught.pooled.float() - self.centre
        loss = self.weights[0] * misdirection(said, target)
        logs = similarities(said, target)
        logs = {name: logs[name] for name in ("positive_similarity", "negative_similarity", "separation")}
        if self.training:
            self.batch_centre = everyone().mean(taught.pooled.float().mean(0))
        if self.token_projection is not None and features.tokens is not None and taught.tokens is not None:
            said = self.token_projection(features.tokens.movedim(1, -1))  # (B, *grid, D)
            answers = on_grid(taught.tokens.float(), features.tokens.shape[2:]).movedim(1, -1)
            apart = misdirection(said, answers - self.token_centre)
            loss = loss + self.weights[1] * apart
            logs["token_similarity"] = 1 - apart.detach()
            if self.training:
                self.batch_token_centre = everyone().mean(answers.flatten(0, -2).mean(0))
        return Step(loss, {**logs, "teacher_spread": unit_std(taught.pooled)}, features.pooled.detach())

    def after_step(self, progress: float) -> None:
        self.batches += 1
        self.centre.lerp_(self.batch_centre, 1 / self.batches)
        self.token_centre.lerp_(self.batch_token_centre, 1 / self.batches)


def misdirection(said: Tensor, target: Tensor) -> Tensor:
    """1 - cosine of the last dimension of `said` and `target` (..., D), averaged over the others: 0 to 2. In fp32."""
    with in_fp32(said):
        return 1 - F.cosine_similarity(said.float(), target.float(), dim=-1).mean()


def on_grid(tokens: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Tokens (B, D, *there) on another `grid`: averages of cells along an axis that gets fewer, linear between them where it gets more."""
    fewer = tuple(min(size, wanted) for size, wanted in zip(tokens.shape[2:], grid, strict=True))
    if fewer != tuple(tokens.shape[2:]):
        tokens = F.interpolate(tokens, size=fewer, mode="area")
    if fewer != tuple(grid):
        tokens = F.interpolate(tokens, size=tuple(grid), mode=LINEAR[len(grid)], align_corners=False)
    return tokens
