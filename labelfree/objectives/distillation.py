"""What DINO and DINOv2 share: a student, and a slow copy of it whose answers it learns to give."""

from __future__ import annotations

from typing import Any

from torch import nn

from labelfree.backbones import Backbone
from labelfree.errors import RecipeError
from labelfree.objectives.base import Objective
from labelfree.objectives.heads import PrototypeHead
from labelfree.objectives.momentum import cosine, follow, slow_copies


class Distillation(Objective):
    """`teacher` holds slow copies of the backbone and of every head, each under its own name.

    `momentum`: of the first and the last step. `freeze_prototypes`: share of the run in which the student's last layers stand still.
    `exports`: "student" or "teacher", the one whose backbone is saved (docs/methods.md says why).
    """

    backbone: Backbone
    teacher: Any  # a ModuleDict: `backbone` has methods that nn.Module does not know of
    momentum: tuple[float, float]
    freeze_prototypes: float
    exports: str

    def copied(self, *heads: str, exports: str) -> None:
        """Make the teacher, of the backbone and these heads. Raises RecipeError for another export."""
        if exports not in ("student", "teacher"):
            raise RecipeError(f"pretrain.options.exports: {exports!r} is neither student nor teacher.")
        self.exports = exports
        self.teacher = slow_copies(self, "backbone", *heads)

    def before_step(self, progress: float) -> None:
        if progress < self.freeze_prototypes:
            for head in self.children():
                if isinstance(head, PrototypeHead):
                    head.cancel_prototype_gradient()

    def after_step(self, progress: float) -> None:
        follow(self.teacher, self, cosine(*self.momentum, progress))

    def exported(self) -> nn.Module:
        return self.backbone if self.exports == "student" else self.teacher["backbone"]
