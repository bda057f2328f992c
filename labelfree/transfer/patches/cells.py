"""Which patches of a tile show the image, measured, and not what it was padded with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from labelfree.data.tiles import shared
from labelfree.transfer.patches.tokens import AROUND, means_of
from labelfree.transfer.tiles.features import Tiles

HALF = 0.5  # of a patch's pixels, that have to be known


def known_cells(tiles: Tiles, tile: int, grid: Sequence[int]) -> np.ndarray:
    """(*grid) bool of a tile, by its number."""
    image, corner = int(tiles.tiling.image[tile]), tiles.tiling.corner[tile].tolist()
    measured = tiles.pool.measured([image])
    if measured is None:
        return cells_of(np.ones(tiles.tiling.shapes[image], bool), corner, tiles.tiling.side, grid)
    return cells_of(measured[0].numpy(), corner, tiles.tiling.side, grid, ~measured[0].numpy())


def cells_of(
    known: np.ndarray, corner: Sequence[int], side: Sequence[int], grid: Sequence[int], gap: np.ndarray | None = None
) -> np.ndarray:
    """(*grid) bool: the cells, half of whose pixels are `known` (*spatial), of the tile of `side` pixels that begins at `corner`.

    Where no cell has half, those that have most: of a narrow image something is said. `gap`: (*spatial) bool, where nothing was measured
    and a filling was looked at; cells beside it are left out where others are known, for a patch is a mean over its neighbours.
    """
    from scipy.ndimage import maximum_filter

    found = mostly_known(torch.from_numpy(_share(known, corner, side, grid)[None]))[0].numpy()
    if gap is None or not gap.any():
        return found
    beside = maximum_filter(_share(gap, corner, side, grid) > HALF, size=AROUND)
    return found & ~beside if (found & ~beside).any() else found


def _share(pixels: np.ndarray, corner: Sequence[int], side: Sequence[int], grid: Sequence[int]) -> np.ndarray:
    """(*grid) of each cell of a tile the share of its pixels that are True in (*spatial); none outside of the image."""
    there, inside = shared(corner, side, pixels.shape)
    tile = np.zeros(tuple(side), np.float32)
    tile[inside] = pixels[there]
    share: np.ndarray = means_of(torch.from_numpy(tile)[None, None], grid)[0, 0].numpy()
    return share


def mostly_known(share: Tensor) -> Tensor:
    """(B, *grid) bool: cells whose known `share` is half, or the most that there is in a tile."""
    most = share.flatten(1).amax(1).view(-1, *(1,) * (share.ndim - 1))
    return (share >= most.clamp(max=HALF) - 1e-6) & (share > 0)
