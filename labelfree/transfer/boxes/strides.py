"""Levels of any pyramid at the strides that a detector looks at: a CNN's stages, the equal grids of a ViT, statistics of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.transfer.maps.base import to_shape

STRIDES = (4, 8, 16, 32)  # pixels to one cell of a level
USUAL = 8  # the finest one, as detectors are published
SMALL = 16  # pixels of a box's shorter side, two usual cells; rsod from 20 images, 30 s of one core: 8 gives AP50 50, 4 gives 28
OFTEN = 0.1  # where more than one box in ten is small, a finer level is needed

Frame = tuple[int, int]  # height, width in whole cells of the coarsest level


def strides_for(sides: Tensor) -> tuple[int, ...]:
    """Those a detector of boxes with these shorter `sides` (n,) looks at: from 8 on, from 4 where one in ten is shorter than 16 pixels."""
    fine = bool((sides < SMALL).float().mean() > OFTEN)
    return STRIDES if fine else tuple(stride for stride in STRIDES if stride >= USUAL)


def reduced(levels: list[Tensor], shape: tuple[int, ...]) -> list[Tensor]:
    """What is kept of levels (B, C_l, *grid_l), finest first, of tiles of `shape`: no cell finer than the finest of STRIDES.

    A level with a cell for every pixel, as of statistics, joins all others, averaged over their cells; where there are no others it is
    averaged over cells of STRIDES.
    """
    coarse = [level for level in levels if stride_of(level, shape) > 0.75 * STRIDES[0]]
    if not coarse:
        return [torch.cat([_to_grid(level, grid) for level in levels], 1) for grid in (_grid(shape, stride) for stride in STRIDES)]
    pixels = [level for level in levels if stride_of(level, shape) <= 1]
    return [torch.cat([level, *(_to_grid(each, tuple(level.shape[2:])) for each in pixels)], 1) for level in coarse]


def sources(levels: Sequence[Tensor], shape: tuple[int, ...], strides: Sequence[int]) -> list[int]:
    """Which level is brought to each of the `strides`: the nearest, of equals the finer. Of equal grids the last ones, in their order."""
    if len({tuple(level.shape[2:]) for level in levels}) == 1:
        last = range(len(levels))[-len(strides) :]
        return [*last, *[len(levels) - 1] * (len(strides) - len(last))]
    own = [math.log2(stride_of(level, shape)) for level in levels]
    return [min(range(len(own)), key=lambda at: abs(own[at] - math.log2(stride))) for stride in strides]


def at_stride(level: Tensor, stride: int, shape: tuple[int, ...]) -> Tensor:
    """A level of tiles of `shape`, brought to `stride` pixels a cell of their frame."""
    return _to_grid(level, _grid(shape, stride))


def frame_of(shape: tuple[int, ...]) -> Frame:
    """What tiles of `shape` are looked at as: their sides rounded up to whole cells of the coarsest stride."""
    height, width = (-(-side // STRIDES[-1]) * STRIDES[-1] for side in shape)
    return height, width


def stride_of(level: Tensor, shape: tuple[int, ...]) -> float:
    """Pixels to one cell of a level of tiles of `shape`, along the axis that has most."""
    return max(side / cells for side, cells in zip(shape, level.shape[2:], strict=True))


def _grid(shape: tuple[int, ...], stride: int) -> tuple[int, ...]:
    return tuple(side // stride for side in frame_of(shape))


def _to_grid(level: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Averaged over larger cells, or linear between the centres of larger ones."""
    rows, columns = grid
    finer = level.shape[2] >= rows and level.shape[3] >= columns
    return F.adaptive_avg_pool2d(level, (rows, columns)) if finer else to_shape(level, grid)
