"""What can be known to be wrong with a recipe before an image is read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

from labelfree.backbones import Backbone, build
from labelfree.backbones.build import read_state
from labelfree.backbones.imagenet import elsewhere, require_tag, way_to
from labelfree.data.positives import check_positives
from labelfree.domain import sides
from labelfree.errors import RecipeError
from labelfree.language.prompts import read_templates
from labelfree.objectives.registry import make_objective, require_batch
from labelfree.pipeline.arm_encoders import arm_network
from labelfree.pipeline.captions import require_words
from labelfree.pipeline.inputs import domain_for
from labelfree.pipeline.network_encoders import said_of
from labelfree.pipeline.own_views import require_factory
from labelfree.pipeline.starts import imagenet_source, slicewise_settings
from labelfree.pipeline.teachers import named_teacher
from labelfree.recipe import ArmSpec, BackboneSettings, Evaluate, Recipe
from labelfree.transfer.arms import arm_kind
from labelfree.transfer.tasks.registry import check_question, task_for
from labelfree.weight_names import weight_file

Tell = Callable[[str], object]
SIDE = 64  # of an image of zeros that a network is shown


def check(recipe: Recipe, *, pretraining: bool = True, comparing: bool = True, tell: Tell | None = None) -> None:
    """Objective and its options, arms and their files, backbone, published weights, domain, card: those that what is to be done needs.

    `tell`: is told of weights of published arms that are not on this machine; None: they are fetched. Raises RecipeError or DataError.
    """
    domain, _ = domain_for(recipe)
    if comparing:
        check_question(recipe.evaluate)
        require_words(recipe)
    backbone = build(recipe.backbone.name, 3, options=recipe.backbone.options)  # three channels: what weights are published for
    if comparing:
        _require_maps(recipe.evaluate, backbone)
    if pretraining:
        settings = recipe.pretrain
        check_positives(recipe.data.positives, domain)
        make_objective(settings.objective, backbone, settings.options)
        if isinstance(settings.batch_size, int):
            require_batch(settings.objective, settings.batch_size)
        if teacher := named_teacher(recipe):
            teacher.load()
    for network, source in _sources(recipe, backbone, pretraining, comparing):
        build(network.name, 3, init=source, options=network.options)
    if comparing and recipe.evaluate.prompts is not None:
        read_templates(recipe.evaluate.prompts)
    if comparing and recipe.evaluate.tile_views is not None:
        require_factory(recipe.evaluate.tile_views)
    for arm in recipe.evaluate.arms if comparing else ():
        if not isinstance(arm, str) and arm.file is None:
            _require_published(arm, recipe, tell)


def _require_published(arm: ArmSpec, recipe: Recipe, tell: Tell | None) -> None:
    """Raises RecipeError where nobody publishes the weights of an arm, or they cannot be had."""
    key, network = f"evaluate.arms: {arm.name}", arm_network(recipe.backbone, arm)
    with said_of(key):
        require_tag(network.name)
        fetched = tell is not None and elsewhere(network.name)
        backbone = build(network.name, 3, init="random" if fetched else "imagenet", options=network.options)
        _require_maps(recipe.evaluate, backbone)
    if tell is not None and fetched:
        offline = f"without a network {way_to(network.name)}"
        tell(f"{key}: the weights of {network.name} are not on this machine and a run will fetch them; {offline}.")


def _require_maps(settings: Evaluate, backbone: Backbone) -> None:
    """Raises RecipeError where a protocol needs feature maps and the network has none: a comparison comes after a pretraining."""
    task = task_for(settings)
    if any(task.protocol(name).on_tiles for name in settings.protocols):
        with torch.inference_mode(), suppress(AssertionError, RuntimeError, ValueError):  # another size may do, which is known later
            backbone.eval().pyramid(torch.zeros(1, backbone.channels, *sides(SIDE, backbone.dims)))


def _sources(recipe: Recipe, backbone: Backbone, pretraining: bool, comparing: bool) -> list[tuple[BackboneSettings, str | Path]]:
    """Networks that arms start with and where their weights come from; files that they continue from or are made of are looked at here."""
    own, sources = recipe.backbone, list[tuple[BackboneSettings, str | Path]]()
    init, plain = own.init, own if backbone.dims == 2 else slicewise_settings(own)
    for arm in recipe.evaluate.arms:
        if not isinstance(arm, str):
            if comparing and arm.file is not None and not arm.file.is_file():
                raise RecipeError(f"evaluate.arms: {arm.file} of the arm {arm.name} does not exist.")
            continue
        kind = arm_kind(arm)
        if comparing and kind.baseline:
            network = plain if kind.reads == "rgb" else own
            sources.append((network, imagenet_source(network)))
        if pretraining and kind.pretrained and kind.init == "imagenet":
            if init == "imagenet":
                sources.append((own, imagenet_source(own)))
            elif (file := weight_file(init)) is not None:
                read_state(file)  # whether it fits the images' channels is known when they are
            elif init != "random":
                sources.append((own, init))
    return [pair for at, pair in enumerate(sources) if pair not in sources[:at]]
