"""DINO: Emerging Properties in Self-Supervised Vision Transformers (Caron et al. 2021, arXiv:2104.14294)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones import Backbone, statistics_kept
from labelfree.domain import Default
from labelfree.objectives.base import Alarm, Crops, Situation, Step, Views
from labelfree.objectives.distillation import Distillation
from labelfree.objectives.distributed import everyone
from labelfree.objectives.heads import PrototypeHead
from labelfree.objectives.measures import teacher_entropies
from labelfree.objectives.momentum import HELD
from labelfree.objectives.options import AnyNumber, Count, Exports, Positive, Several, Share
from labelfree.objectives.prototypes import TOO_WARM, cross_view_loss, prototype_rules


class DINO(Distillation):
    """A student sees every crop and predicts what a slowly moving teacher says of the global ones.

    Views: two global crops (2B, C, *spatial) and `local_crops` small ones, which only the student sees and which never move
    BatchNorm's running statistics.
    """

    centre: Tensor
    batch_centre: Tensor
    rate_from_weights = HELD
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
        prototypes: Several = 1024,
        hidden: Count = 2048,
        bottleneck: Count = 256,
        local_crops: AnyNumber = 4,
        student_temperature: Positive = 0.1,
        teacher_temperature: Positive = 0.04,
        momentum: Share = 0.99,
        final_momentum: Share = 1.0,
        centre_momentum: Share = 0.9,
        freeze_prototypes: Share = 0.05,
        exports: Exports = "student",
    ) -> None:
        super().__init__()
        self.crops = Crops(globals=2, locals=local_crops)
        self.backbone = backbone
        self.head = PrototypeHead(backbone.dim, prototypes, hidden, bottleneck)
        self.copied("head", exports=exports)
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.momentum = (momentum, final_momentum)
        self.centre_momentum = centre_momentum
        self.freeze_prototypes = freeze_prototypes
        self.register_buffer("centre", torch.zeros(prototypes))
        self.register_buffer("batch_centre", torch.zeros(prototypes), persistent=False)

    @classmethod
    def rules(cls, at: Situation) -> dict[str, Default]:
        return prototype_rules(at)

    def forward(self, views: Views) -> Step:
        with torch.no_grad():
            teacher = self.teacher["head"](self.teacher["backbone"].embed(views.globals)).float()  # (2B, K)
            target = centred(teacher, self.centre, self.teacher_temperature)
            if self.training:
                self.batch_centre = everyone().mean(teacher.mean(0))
        embedded = self.backbone.embed(views.globals)
        student = [self.head(embedded)]
        if views.locals is not None:
            with statistics_kept(self.backbone):
                student.append(self.head(self.backbone.embed(views.locals)))
        loss = cross_view_loss(torch.cat(student), target, self.student_temperature)
        return Step(loss, {**teacher_entropies(target), "centre_norm": self.centre.norm()}, embedded.detach())

    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        self.centre.lerp_(self.batch_centre, 1 - self.centre_momentum)  # eq. 4


def centred(teacher: Tensor, centre: Tensor, temperature: float) -> Tensor:
    """The teacher's answers: sharpened probabilities (N, K) of its logits (N, K) less the `centre` (K,)."""
    return F.softmax((teacher - centre) / temperature, dim=-1)
