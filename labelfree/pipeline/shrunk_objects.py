"""Labelled objects and whole images that a recipe shrinks until something may be lost: told before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.data.object_sizes import object_sizes
from labelfree.data.pool import Pool
from labelfree.data.set_labels import SetLabels
from labelfree.domain import Row, Size, sides
from labelfree.planning.costs import input_sizes
from labelfree.planning.small_objects import lost_in_comparison, lost_in_pretraining, squeezed
from labelfree.recipe import Recipe
from labelfree.transfer.tasks import Task
from labelfree.transfer.tiles.tiling import Tiling


def shrunk_objects(
    recipe: Recipe, task: Task, labels: SetLabels, train: Sequence[Row], view: Size, pool: Pool, images: Pool | None, comparing: bool
) -> list[str]:
    """What views of size `view` of the `pool` that is pretrained on, and the largest input size of the comparison over `images`, make of
    objects on the rows `train`; where there is none, what the latter makes of whole images.
    """
    shape = pool.index.shape
    if shape.shape[1] != 2:
        return []
    on_tiles = any(task.protocol(name).on_tiles for name in recipe.evaluate.protocols)
    objects = object_sizes(train, labels)
    if not len(objects):
        if not comparing or images is None or on_tiles or recipe.evaluate.tile is not None:
            return []
        said = squeezed(list(map(tuple, images.index.shape.tolist())), max(_sizes(recipe, images)))
        return [] if said is None else [said]
    alike = (shape == shape[0]).all()  # tiles, or whole images of one size
    found = [lost_in_pretraining(objects, view, tuple(shape[0].tolist()) if alike else None)]
    if comparing and images is not None:
        tile: Size | None = Tiling.of_pool(images.index).side if on_tiles else recipe.evaluate.tile
        size = max(_sizes(recipe, images) if tile is None or recipe.evaluate.sizes != "auto" else sides(tile, 2))
        found.append(lost_in_comparison(objects, size, tile))
    return [sentence for sentence in found if sentence is not None]


def _sizes(recipe: Recipe, images: Pool) -> Sequence[int]:
    """The input sizes that arms may choose from."""
    given = recipe.evaluate.sizes
    return input_sizes(int(np.median(images.index.shape.min(axis=1)))) if given == "auto" else given
