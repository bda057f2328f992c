"""What can be known to be wrong with a recipe before an image is read."""

from __future__ import annotations

from pathlib import Path

from labelfree.backbones import build
from labelfree.errors import RecipeError
from labelfree.objectives.registry import make_objective
from labelfree.pipeline.preparing import domain_for
from labelfree.recipe import Recipe
from labelfree.transfer.arms import arm_kind


def check(recipe: Recipe) -> None:
    """Objective and its options, arms and their files, backbone, ImageNet weights, domain, card. Raises RecipeError or DataError."""
    domain_for(recipe)
    inits: set[str | Path] = {"random"}
    for arm in recipe.evaluate.arms:
        if not isinstance(arm, str):
            if not arm.weights.is_file():
                raise RecipeError(f"evaluate.arms: {arm.weights} of the arm {arm.name} does not exist.")
        elif arm_kind(arm).init == "imagenet":
            inits.add(recipe.backbone.init)
    for init in inits:  # three channels: what weights are published for
        backbone = build(recipe.backbone.name, 3, init=init, options=recipe.backbone.options)
    make_objective(recipe.pretrain.objective, backbone, recipe.pretrain.options)
