"""Captions of a run: which images have one, and what the objective is given of them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

import torch

from labelfree.domain import Row, Size
from labelfree.errors import DataError, RecipeError
from labelfree.language.arm_towers import ArmTowers
from labelfree.language.beginnings import tokenizer_of
from labelfree.language.reading import text_file
from labelfree.objectives.registry import make_objective, objective_class, options_given
from labelfree.pretraining.captions import Captions
from labelfree.recipe import ArmSpec, Pretrain, Recipe
from labelfree.samples import PART
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.tasks.registry import find_task


def reads_captions(recipe: Recipe) -> bool:
    """Whether the recipe's objective learns from captions."""
    return bool(objective_class(recipe.pretrain.objective).reads_text)


def require_words(recipe: Recipe) -> None:
    """Raises RecipeError where a task is asked in words alone, and no arm will have a text tower: told before hours of pretraining."""
    settings = recipe.evaluate
    if settings.task == "auto" or reads_captions(recipe):
        return
    task = find_task(settings.task)
    named = [arm.file for arm in settings.arms if isinstance(arm, ArmSpec) and arm.file is not None]
    if all(task.protocol(name).needs == "captions" for name in settings.protocols) and not any(text_file(file).is_file() for file in named):
        raise RecipeError(
            f"evaluate.task: {task.name} asks arms that know words, and {recipe.pretrain.objective} teaches none; set "
            "pretrain.objective=clip or siglip, or name a weight file with its text tower beside it in evaluate.arms."
        )


def with_captions(recipe: Recipe, rows: Sequence[Row], *, pretraining: bool) -> tuple[list[Row], list[str]]:
    """Those rows of the pool that the objective can learn from, and a sentence on the others.

    Raises DataError where none has a caption and is to be learnt from.
    """
    if not reads_captions(recipe):
        return list(rows), []
    said = [row for row in rows if row.captions]
    if not said and pretraining:
        raise DataError(
            f"pretrain.objective: {recipe.pretrain.objective} learns from captions, and no image to pretrain on has one; add a column "
            "`text` to the table, or name what says it with data.captions (docs/language.md)."
        )
    if len(said) in (0, len(rows)):
        return list(rows), []
    return said, [f"{len(rows) - len(said):,} of {len(rows):,} images to pretrain on have no caption and are not learnt from."]


def words_said(recipe: Recipe, rows: Iterable[Row]) -> set[str]:
    """The words of the captions that the objective reads: views must not turn what they name."""
    if not reads_captions(recipe):
        return set()
    return {word for captions in {row.captions for row in rows} for said in captions for word in re.findall(r"[^\W\d_]+", said.casefold())}


def untaught_towers(settings: Pretrain, encoder: NetworkEncoder, seed: int, size: Size) -> ArmTowers:
    """Both towers of a pretraining before its first step: the untrained network and the text side that its objective would begin with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        side = make_objective(settings.objective, encoder.network, settings.options).exported_text()  # type: ignore[arg-type]
    assert side is not None, "the objective reads captions"
    return ArmTowers(Path(encoder.arm), side.eval().requires_grad_(False), f"untaught {seed} {settings.options}", size)


def captions_for(recipe: Recipe, rows: Sequence[Row], learnt: Container[int]) -> tuple[Captions | None, list[str]]:
    """What is said of each pool entry that is learnt from, as the numbers of the recipe's text tower, and sentences on it; None where
    captions are not read. `rows`: of all entries; tiles of an image are counted as one.
    """
    objective = objective_class(recipe.pretrain.objective)
    if not objective.reads_text:
        return None, []
    tokenizer = tokenizer_of(options_given(recipe.pretrain.objective, recipe.pretrain.options)[objective.reads_text])
    said = [row.captions if entry in learnt else () for entry, row in enumerate(rows)]
    captions = Captions.of(said, tokenizer)
    images = {(row.where, row.key.partition(PART)[0], row.item): entry for entry, row in enumerate(rows) if said[entry]}
    total, different = sum(len(said[entry]) for entry in images.values()), len({caption for of_image in said for caption in of_image})
    cut = sum(int(captions.cut[captions.first[entry] :][: captions.count[entry]].sum()) for entry in images.values())
    told = f"captions: {total:,} of {len(images):,} images, {different:,} different; one of each is drawn at every step"
    longer = f"; {cut:,} are longer than {tokenizer.longest} tokens, and what follows is not read" if cut else ""
    return captions, [f"{told}{longer}."]
