"""Labelled objects that a recipe shrinks until they may be lost: told before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.data.object_sizes import object_sizes
from labelfree.data.pool import Pool
from labelfree.data.set_labels import SetLabels
from labelfree.domain import Row, Size, sides
from labelfree.planning.costs import input_sizes
from labelfree.planning.small_objects import lost_in_comparison, lost_in_pretraining
from labelfree.recipe import Recipe
from labelfree.transfer.tasks import Task
from labelfree.transfer.tiles.tiling import Tiling


def shrunk_objects(
    recipe: Recipe, task: Task, labels: SetLabels, train: Sequence[Row], view: Size, pool: Pool, images: Pool | None, comparing: bool
) -> list[str]:
    """What views of size `view` of the `pool` that is pretrained on, and the largest input size of the comparison over `images`, make of
    objects on the rows `train`.
    """
    shape = pool.index.shape
    objects = object_sizes(train, labels) if shape.shape[1] == 2 else None
    if objects is None or not len(objects):
        return []
    alike = (shape == shape[0]).all()  # tiles, or whole images of one size
    found = [lost_in_pretraining(objects, view, tuple(shape[0].tolist()) if alike else None)]
    if comparing and images is not None:
        tile: Size | None = recipe.evaluate.tile
        if any(task.protocol(name).on_tiles for name in recipe.evaluate.protocols):
            tile = Tiling.of_pool(images.index).side
        size = max(_sizes(recipe, images) if tile is None or recipe.evaluate.sizes != "auto" else sides(tile, 2))
        found.append(lost_in_comparison(objects, size, tile))
    return [sentence for sentence in found if sentence is not None]


def _sizes(recipe: Recipe, images: Pool) -> Sequence[int]:
    """The input sizes that arms may choose from."""
    given = recipe.evaluate.sizes
    return input_sizes(int(np.median(images.index.shape.min(axis=1)))) if given == "auto" else given
