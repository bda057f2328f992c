"""Which patches of a tile show the image, measured, and not what it was padded with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from labelfree.data.tiles import shared
from labelfree.transfer.patches.tokens import means_of
from labelfree.transfer.tiles.features import Tiles

HALF = 0.5  # of a patch's pixels, that have to be known


def known_cells(tiles: Tiles, tile: int, grid: Sequence[int]) -> np.ndarray:
    """(*grid) bool of a tile, by its number."""
    image, corner = int(tiles.tiling.image[tile]), tiles.tiling.corner[tile].tolist()
    measured = tiles.pool.measured([image])
    known = np.ones(tiles.tiling.shapes[image], bool) if measured is None else measured[0].numpy()
    return cells_of(known, corner, tiles.tiling.side, grid)


def cells_of(known: np.ndarray, corner: Sequence[int], side: Sequence[int], grid: Sequence[int]) -> np.ndarray:
    """(*grid) bool: the cells, half of whose pixels are `known` (*spatial), of the tile of `side` pixels that begins at `corner`.

    Where no cell has half, those that have most: of a narrow image something is said.
    """
    there, inside = shared(corner, side, known.shape)
    pixels = np.zeros(tuple(side), np.float32)
    pixels[inside] = known[there]
    share = means_of(torch.from_numpy(pixels)[None, None], grid)[0, 0]
    found: np.ndarray = mostly_known(share[None])[0].numpy()
    return found


def mostly_known(share: Tensor) -> Tensor:
    """(B, *grid) bool: cells whose known `share` is half, or the most that there is in a tile."""
    most = share.flatten(1).amax(1).view(-1, *(1,) * (share.ndim - 1))
    return (share >= most.clamp(max=HALF) - 1e-6) & (share > 0)
