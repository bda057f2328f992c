"""Where in an image something is wrong: distances of its patches, tile by tile, as one map of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.data.tiles import shared
from labelfree.transfer.maps.base import to_shape
from labelfree.transfer.maps.prediction import Blend

SIGMA = 0.5  # of the Gaussian that maps are smoothed by, in patches: the paper's 4 pixels at a patch every 8
REACH = 4.0  # of the Gaussian, in its sigmas


@dataclass(frozen=True)
class Seen:
    """One tile: where it begins, the distances of its patches (*grid), and which of these are known (*grid)."""

    corner: tuple[int, ...]
    distances: np.ndarray
    known: np.ndarray


class HeatMap:
    """A map that grows by rows of tiles, from the first slice of an image on; beside it one row of tiles stands in memory.

    `heat`: (*spatial) float32 distances at every pixel, NaN where nothing is known. Tiles of `side` pixels are blended where they overlap.
    """

    def __init__(self, size: tuple[int, ...], side: tuple[int, ...]) -> None:
        self.heat = np.full(size, np.nan, np.float32)
        self._side, self._top = side, 0
        self._blend = Blend.empty(1, (min(side[0], size[0]), *size[1:]), side)

    def add(self, first: int, tiles: Sequence[Seen], known: np.ndarray) -> None:
        """The next row of tiles, which begins with slice `first` of the image; `known`: (n, *rest) bool, of those of its slices that exist.

        What a later row shows too is final when that is there.
        """
        start = max(0, first)
        self._blend, self._top = self._blend.moved(start - self._top), start
        for tile in tiles:
            corner = (tile.corner[0] - start, *tile.corner[1:])
            there, inside = shared(corner, self._side, known.shape)
            shown = np.zeros(self._side, bool)
            shown[inside] = known[there]
            parts = (torch.from_numpy(part)[None] for part in (tile.distances, tile.known, shown))
            self._blend.add(at_pixels(*parts).numpy(), corner)
        total, weight = self._blend.total[0, : len(known)], self._blend.weight[: len(known)]
        said = known & (weight > 0)
        np.divide(total, weight, out=self.heat[start : start + len(known)], where=said)


def heat_map(tiles: Sequence[Seen], side: tuple[int, ...], known: np.ndarray) -> np.ndarray:
    """(*spatial) float32 of an image of which all `tiles` are there, from the first row of them on: see `HeatMap`. `known`: (*spatial)."""
    made = HeatMap(known.shape, side)
    for first in sorted({tile.corner[0] for tile in tiles}):
        row = [tile for tile in tiles if tile.corner[0] == first]
        made.add(first, row, known[max(0, first) : first + side[0]])
    return made.heat


def at_pixels(distances: Tensor, cells: Tensor, known: Tensor) -> Tensor:
    """(B, *side) of tiles: distances (B, *grid) at every pixel, linear between patches and smoothed, in operations that every runtime has.

    `cells`: (B, *grid), which patches are known; the others have no say, and where none is known near, the mean of all has. `known`:
    (B, *side), over which pixels is smoothed.
    """
    side, grid = tuple(known.shape[1:]), tuple(distances.shape[1:])
    there = cells.to(distances)
    told = torch.stack([torch.where(cells, distances, 0.0), there], 1)
    total, weight = to_shape(told, side).unbind(1)
    mean = told[:, 0].flatten(1).sum(1) / there.flatten(1).sum(1).clamp(min=1)
    heat = torch.where(weight > 1e-3, total / weight.clamp(min=1e-3), mean.view(-1, *(1,) * len(side)))
    return _smoothed(heat, known.to(distances), [SIGMA * length / count for length, count in zip(side, grid, strict=True)])


def _smoothed(heat: Tensor, known: Tensor, sigmas: Sequence[float]) -> Tensor:
    """By a Gaussian, over what is `known` (B, *side) of `heat` alone."""
    convolve = (F.conv1d, F.conv2d, F.conv3d)[len(sigmas) - 1]
    both = torch.stack([heat * known, known], 1)
    for axis, sigma in enumerate(sigmas):
        reach = int(REACH * sigma + 0.5)
        weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2).to(heat)
        shape, padding = [2, 1, *[1] * len(sigmas)], [0] * len(sigmas)
        shape[2 + axis], padding[axis] = len(weights), reach
        both = convolve(both, (weights / weights.sum()).repeat(2).view(shape), padding=padding, groups=2)
    total, weight = both.unbind(1)
    return total / weight.clamp(min=1e-6)
