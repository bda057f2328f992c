"""Large pictures that a comparison looks at in tiles: what is told of them, and what is refused before anything is trained."""

from __future__ import annotations

from labelfree.data.pool import Pool
from labelfree.errors import RecipeError
from labelfree.transfer.tiles.tiling import tiles_of


def tiled_images(tile: int | None, images: Pool) -> list[str]:
    """How many tiles of `evaluate.tile` pixels these images are looked at in; nothing where there is no such tile.

    Raises RecipeError for volumes.
    """
    if tile is None:
        return []
    shapes = images.index.shape
    if shapes.shape[1] != 2:
        raise RecipeError("evaluate.tile: pictures are looked at in tiles, and these are volumes; leave it out.")
    counts = [tiles_of(shape, (tile, tile)) for shape in shapes.tolist()]
    each = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
    return [
        f"evaluate.tile={tile}: every arm looks at each labelled image in {each} overlapping tiles of {tile} x {tile} pixels "
        f"({sum(counts):,} in all); budgets and scores count whole images."
    ]
