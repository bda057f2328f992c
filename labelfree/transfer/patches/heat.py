"""Where in an image something is wrong: distances of its patches, tile by tile, as one map of its pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from labelfree.transfer.maps.base import to_shape
from labelfree.transfer.maps.prediction import Blend

SIGMA = 0.5  # of the Gaussian that maps are smoothed by, in patches: the paper's 4 pixels at a patch every 8


@dataclass(frozen=True)
class Seen:
    """One tile: where it begins, the distances of its patches (*grid), and which of these are known (*grid)."""

    corner: tuple[int, ...]
    distances: np.ndarray
    known: np.ndarray


def heat_map(tiles: Iterable[Seen], side: tuple[int, ...], known: np.ndarray) -> np.ndarray:
    """(*spatial) float32 distances at every pixel of an image, NaN where it is not `known` (*spatial): linear between patches, tiles of
    `side` pixels blended where they overlap, and smoothed.
    """
    blend = Blend.empty(1, known.shape, side)
    cell: np.ndarray = np.ones(known.ndim)
    for tile in tiles:
        cell = np.array(side) / np.array(tile.distances.shape)
        blend.add(_at_pixels(tile, side)[None], tile.corner)
    seen = known & (blend.weight > 0)
    heat = blend.total[0] / np.where(blend.weight > 0, blend.weight, 1)
    return np.where(seen, _smoothed(heat, seen, SIGMA * cell), np.nan).astype(np.float32)


def _at_pixels(tile: Seen, side: tuple[int, ...]) -> np.ndarray:
    """(*side), unknown patches having no say; where none is known near, the mean of all."""
    told = np.stack([np.where(tile.known, tile.distances, 0.0), tile.known]).astype(np.float32)
    total, weight = to_shape(torch.from_numpy(told)[:, None], side)[:, 0].numpy()
    mean = float(tile.distances[tile.known].mean()) if tile.known.any() else 0.0
    return np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), mean)


def _smoothed(heat: np.ndarray, seen: np.ndarray, sigma: Sequence[float] | np.ndarray) -> np.ndarray:
    """By a Gaussian, over what is seen alone."""
    from scipy.ndimage import gaussian_filter

    weight = gaussian_filter(seen.astype(np.float32), sigma, mode="constant")
    total = gaussian_filter(np.where(seen, heat, 0).astype(np.float32), sigma, mode="constant")
    smooth: np.ndarray = total / np.maximum(weight, 1e-6)
    return smooth
