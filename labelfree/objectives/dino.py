"""DINO: Emerging Properties in Self-Supervised Vision Transformers (Caron et al. 2021, arXiv:2104.14294)."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.backbones import Backbone, statistics_kept
from labelfree.errors import RecipeError
from labelfree.objectives.base import Crops, Objective, Step, Views, in_fp32
from labelfree.objectives.distributed import everyone
from labelfree.objectives.heads import PrototypeHead
from labelfree.objectives.momentum import cosine, momentum_copy, move_towards


class DINO(Objective):
    """A student sees every crop and predicts what a slowly moving teacher says of the global ones.

    Views: two global crops (2B, C, *spatial) and `local_crops` small ones, which only the student sees and which never move
    BatchNorm's running statistics. `exports`: "student" or "teacher", the one whose backbone is saved (docs/methods.md says why).
    `freeze_prototypes`: share of the run in which the student's last layer stands still.
    """

    backbone: Backbone
    teacher: Any  # a ModuleDict: `backbone` has methods that nn.Module does not know of
    centre: Tensor
    batch_centre: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        prototypes: int = 1024,
        hidden: int = 2048,
        bottleneck: int = 256,
        local_crops: int = 4,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        momentum: float = 0.99,
        final_momentum: float = 1.0,
        centre_momentum: float = 0.9,
        freeze_prototypes: float = 0.05,
        exports: str = "student",
    ) -> None:
        if exports not in ("student", "teacher"):
            raise RecipeError(f"pretrain.options.exports: {exports!r} is neither student nor teacher.")
        super().__init__()
        self.crops = Crops(globals=2, locals=local_crops)
        self.backbone = backbone
        self.head = PrototypeHead(backbone.dim, prototypes, hidden, bottleneck)
        self.teacher = momentum_copy(nn.ModuleDict({"backbone": self.backbone, "head": self.head}))
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.momentum = (momentum, final_momentum)
        self.centre_momentum = centre_momentum
        self.freeze_prototypes = freeze_prototypes
        self.exports = exports
        self.register_buffer("centre", torch.zeros(prototypes))
        self.register_buffer("batch_centre", torch.zeros(prototypes), persistent=False)

    def forward(self, views: Views) -> Step:
        with torch.no_grad():
            teacher = self.teacher["head"](self.teacher["backbone"].embed(views.globals)).float()  # (2B, K)
            target = F.softmax((teacher - self.centre) / self.teacher_temperature, dim=-1)
            if self.training:
                self.batch_centre = everyone().mean(teacher.mean(0))
        embedded = self.backbone.embed(views.globals)
        student = [self.head(embedded)]
        if views.locals is not None:
            with statistics_kept(self.backbone):
                student.append(self.head(self.backbone.embed(views.locals)))
        loss = dino_loss(torch.cat(student).float(), target, self.student_temperature)
        entropy = -(target * target.clamp_min(1e-12).log()).sum(-1).mean() / math.log(target.shape[-1])
        return Step(loss, {"teacher_entropy": entropy, "centre_norm": self.centre.norm()}, embedded.detach())

    def before_step(self, progress: float) -> None:
        if progress < self.freeze_prototypes:
            self.head.cancel_prototype_gradient()

    def after_step(self, progress: float) -> None:
        move_towards(self.teacher["backbone"], self.backbone, cosine(*self.momentum, progress))
        move_towards(self.teacher["head"], self.head, cosine(*self.momentum, progress))
        self.centre.lerp_(self.batch_centre, 1 - self.centre_momentum)  # eq. 4

    def exported(self) -> nn.Module:
        return self.backbone if self.exports == "student" else self.teacher["backbone"]


def dino_loss(student: Tensor, target: Tensor, student_temperature: float) -> Tensor:
    """Cross entropy between teacher and student, averaged over all pairs of different views (eq. 3 of the paper).

    `student`: (V * B, K) logits of all crops, view-major, the global ones first. `target`: (G * B, K) teacher probabilities
    of the global crops, already centred and sharpened.
    """
    n_globals = 2
    batch = len(target) // n_globals
    with in_fp32(student):
        log_p = F.log_softmax(student.float() / student_temperature, dim=-1).unflatten(0, (-1, batch))  # (V, B, K)
        q = target.float().unflatten(0, (n_globals, batch))  # (G, B, K)
        cross_entropy = -torch.einsum("gbk,vbk->gv", q, log_p) / batch
    same = torch.eye(n_globals, log_p.shape[0], dtype=torch.bool, device=student.device)
    return cross_entropy[~same].mean()
