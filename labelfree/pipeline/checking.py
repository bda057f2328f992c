"""What can be known to be wrong with a recipe before an image is read."""

from __future__ import annotations

from pathlib import Path

from labelfree.backbones import build
from labelfree.backbones.build import read_state
from labelfree.data.positives import check_positives
from labelfree.errors import RecipeError
from labelfree.objectives.registry import make_objective
from labelfree.pipeline.preparing import domain_for
from labelfree.pipeline.starts import imagenet_source
from labelfree.recipe import Recipe
from labelfree.transfer.arms import arm_kind, is_baseline


def check(recipe: Recipe) -> None:
    """Objective and its options, arms and their files, backbone, ImageNet weights, domain, card. Raises RecipeError or DataError."""
    domain, _ = domain_for(recipe)
    check_positives(recipe.data.positives, domain)
    init = recipe.backbone.init
    sources: set[str | Path] = {"random"}
    for arm in recipe.evaluate.arms:
        if not isinstance(arm, str):
            if not arm.weights.is_file():
                raise RecipeError(f"evaluate.arms: {arm.weights} of the arm {arm.name} does not exist.")
        elif is_baseline(arm) or (arm_kind(arm).init, init) == ("imagenet", "imagenet"):
            sources.add(imagenet_source(recipe.backbone))
    if init not in ("imagenet", "random"):
        read_state(Path(init))  # whether it fits the images' bands is known when they are
    for source in sources:  # three channels: what weights are published for
        backbone = build(recipe.backbone.name, 3, init=source, options=recipe.backbone.options)
    make_objective(recipe.pretrain.objective, backbone, recipe.pretrain.options)
