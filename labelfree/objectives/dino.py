"""DINO: Emerging Properties in Self-Supervised Vision Transformers (Caron et al. 2021, arXiv:2104.14294)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.backbones import Backbone, statistics_kept
from labelfree.domain import Default
from labelfree.errors import RecipeError
from labelfree.objectives.base import Alarm, Crops, Objective, Situation, Step, Views
from labelfree.objectives.distributed import everyone
from labelfree.objectives.heads import PrototypeHead
from labelfree.objectives.measures import answers
from labelfree.objectives.momentum import cosine, momentum_copy, move_towards
from labelfree.objectives.prototypes import TOO_WARM, cross_view_loss, prototype_rules


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
    cause = "too high a learning rate"
    fix = "lower pretrain.lr or lengthen pretrain.warmup"
    alarms = (
        TOO_WARM,
        Alarm(
            "information",
            "the teacher is centred too little: one prototype takes every image",
            "lower pretrain.options.centre_momentum, 0.9 in the paper, or lower pretrain.lr",
            least=0.005,
        ),
    )

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
        self.exports = student_or_teacher(exports)
        self.register_buffer("centre", torch.zeros(prototypes))
        self.register_buffer("batch_centre", torch.zeros(prototypes), persistent=False)

    @classmethod
    def rules(cls, at: Situation) -> dict[str, Default]:
        return prototype_rules(at)

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
        loss = cross_view_loss(torch.cat(student), target, self.student_temperature)
        return Step(loss, {**answers(target), "centre_norm": self.centre.norm()}, embedded.detach())

    def before_step(self, progress: float) -> None:
        if progress < self.freeze_prototypes:
            self.head.cancel_prototype_gradient()

    def after_step(self, progress: float) -> None:
        momentum = cosine(*self.momentum, progress)
        move_towards(self.teacher["backbone"], self.backbone, momentum)
        move_towards(self.teacher["head"], self.head, momentum)
        self.centre.lerp_(self.batch_centre, 1 - self.centre_momentum)  # eq. 4

    def exported(self) -> nn.Module:
        return self.backbone if self.exports == "student" else self.teacher["backbone"]


def student_or_teacher(exports: str) -> str:
    """The option `exports`, or RecipeError."""
    if exports not in ("student", "teacher"):
        raise RecipeError(f"pretrain.options.exports: {exports!r} is neither student nor teacher.")
    return exports
