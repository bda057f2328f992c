"""Patches of an image as vectors: cells of some levels of a network, brought to one grid (Roth et al. 2022, arXiv:2106.08265)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.data.tiles import by
from labelfree.transfer.maps.base import to_shape

STRIDE = 8  # pixels of the network's input from one patch to the next, of the finest level that is read
CELLS = 8  # along the longest side, at least: of small images a finer level is read
LEVELS = 2  # that are read: the paper's second and third stage of a ResNet
AROUND = 3  # cells along each axis whose mean a patch is
PLAIN = 4  # pixels from one patch to the next of what has a cell for every pixel


@dataclass(frozen=True)
class PatchTokens:
    """What is kept of a network's levels. `shown`: spatial size of what the network is shown."""

    shown: tuple[int, ...]

    @property
    def __name__(self) -> str:
        """By which files of features are told apart."""
        return f"patches of {by(self.shown)}"

    def __call__(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> list[Tensor]:
        """Levels (B, C_l, *grid_l) of tiles of `shape`, finest first -> (B, D_k, *grid), on one grid: what comes of the network's coarser
        levels, and what comes of levels with a cell for every pixel, as plain statistics have.
        """
        plain = [level for level in levels if _by_pixels(level, shape)]
        read = [level.float() for level in self.read([level for level in levels if not _by_pixels(level, shape)])]
        grid = tuple(read[0].shape[2:]) if read else tuple(ceil(side / PLAIN) for side in shape)
        parts = [[to_shape(around(level), grid) for level in read], [means_of(level.float(), grid) for level in plain]]
        return [torch.cat(part, 1) for part in parts if part]

    def read(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Of a network's levels, finest first, those that patches are made of: two stages of a CNN, the last two of a ViT's blocks."""
        step = min(STRIDE, max(self.shown) / CELLS)
        coarse = [level for level in levels if max(self.shown) / max(level.shape[2:]) > 0.99 * step] or list(levels[-1:])
        equal = len({tuple(level.shape[2:]) for level in coarse}) == 1
        return coarse[-LEVELS:] if equal else coarse[:LEVELS]

    @staticmethod
    def plain(levels: Sequence[Tensor], shape: tuple[int, ...]) -> tuple[bool, ...]:
        """Of each part that `levels` give, whether it comes of levels with a cell for every pixel."""
        return tuple(sorted({_by_pixels(level, shape) for level in levels}))


def around(level: Tensor) -> Tensor:
    """(B, C, *grid) -> the mean of each cell and those around it, 0 beyond the edge."""
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[level.ndim - 3]
    mean: Tensor = pool(level, AROUND, stride=1, padding=AROUND // 2)
    return mean


def means_of(maps: Tensor, grid: Sequence[int]) -> Tensor:
    """(B, C, *spatial) -> (B, C, *grid): means over cells, as adaptive pooling has them, in operations that every runtime has."""
    for axis, cells in enumerate(grid, start=2):
        length = maps.shape[axis]
        first = torch.tensor([cell * length // cells for cell in range(cells)])[:, None]
        last = torch.tensor([-(-(cell + 1) * length // cells) for cell in range(cells)])[:, None]
        within = ((torch.arange(length) >= first) & (torch.arange(length) < last)).to(maps)
        rows = maps.ndim - 2  # counted from the first, as the older of torch's exporters must have it
        maps = ((within / within.sum(1, keepdim=True)) @ maps.movedim(axis, rows)).movedim(rows, axis)
    return maps


def _by_pixels(level: Tensor, shape: tuple[int, ...]) -> bool:
    return tuple(level.shape[2:]) == tuple(shape)
