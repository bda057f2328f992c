"""Decoders of volumes: MONAI's convolution blocks on levels of features, whatever network they come from."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from labelfree.errors import RecipeError
from labelfree.transfer.maps.base import to_shape
from labelfree.transfer.maps.layout import FINEST, Body, Grid, Layout

LIBRARY = "monai"
SIDE = 3  # of a convolution, in cells
STEEPEST = 4  # stride of one rise; what is left to the next level is interpolated, for weights go with the stride cubed


def usual(layout: Layout) -> str:
    """Whatever the levels are: those of a ViT are brought to strides first, as UNETR does (Hatamizadeh et al. 2022, arXiv:2103.10504)."""
    return "unet3d"


class VolumeUnet(Body):
    """3D U-Net (Cicek et al. 2016, arXiv:1606.06650), blocks with a shortcut as in SwinUNETR (Hatamizadeh et al. 2022, arXiv:2201.01266).

    From the coarsest level on a transposed convolution rises by the stride to the next finer one, and a block joins the two; the last one
    works on every voxel, FINEST wide, the one below twice that, and so on up to `width`. `strides`: of each rise along each axis, coarsest
    first, so that voxels may be longer along one.
    """

    axes = 3

    def __init__(self, pixels: Sequence[int], levels: Sequence[int], width: int, strides: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.strides = [tuple(stride) for stride in strides]
        channels = [min(width, FINEST << step) for step in range(len(levels) + 1)]
        self.out = channels[0]
        self.narrow = nn.ModuleList(nn.Conv3d(level, own, 1) for level, own in zip(levels, channels[1:], strict=True))
        risen = list(zip(channels[:0:-1], channels[-2::-1], self.strides, strict=True))
        self.rise = nn.ModuleList(nn.ConvTranspose3d(before, after, stride, stride) for before, after, stride in risen)
        beside = [*channels[-2:0:-1], sum(pixels)] if levels else [sum(pixels)]
        joined = [after for _, after, _ in risen] or channels
        self.join = nn.ModuleList(_block(after * bool(levels) + skip, after) for after, skip in zip(joined, beside, strict=True))

    @staticmethod
    def placed(layout: Layout) -> dict[str, Any]:
        return {"strides": [list(stride) for stride in strides_of(layout)]}

    def forward(self, pixels: list[Tensor], levels: list[Tensor], shape: Grid) -> Tensor:
        if not levels:
            alone: Tensor = self.join[0](torch.cat(pixels, 1))
            return alone
        narrowed = [narrow(level) for narrow, level in zip(self.narrow, levels, strict=True)]
        x = narrowed[-1]
        for rise, join, stride, level in zip(self.rise, self.join, self.strides, [*narrowed[-2::-1], None], strict=True):
            x = rise(x)
            if level is None:
                x = join(torch.cat([to_shape(x, shape), *pixels], 1))
            else:
                grid = _meeting(tuple(x.shape[2:]), tuple(level.shape[2:]), stride)
                x = join(torch.cat([to_shape(x, grid), to_shape(level, grid)], 1))
        return x


def strides_of(layout: Layout) -> list[Grid]:
    """Of the rises from the coarsest level to every voxel. Where all levels have one grid each rise but the last doubles it, as far as
    there are voxels.
    """
    if not layout.equal:
        finer = [layout.shape, *layout.grids]
        return [_ratio(there, here) for there, here in zip(finer[-2::-1], finer[:0:-1], strict=True)]
    at, strides = layout.grids[0], list[Grid]()
    for _ in layout.grids[1:]:
        strides.append(tuple(2 if 2 * cells <= voxels else 1 for cells, voxels in zip(at, layout.shape, strict=True)))
        at = tuple(map(int.__mul__, at, strides[-1]))
    return [*strides, _ratio(layout.shape, at)]


def _ratio(fine: Grid, coarse: Grid) -> Grid:
    return tuple(min(STEEPEST, max(1, round(cells / fewer))) for cells, fewer in zip(fine, coarse, strict=True))


def _meeting(risen: Grid, level: Grid, stride: Grid) -> Grid:
    """The cells where a level joins: its own, where what rose has as many but for those that a whole stride adds to odd sides."""
    near = [0 <= cells - fewer < step or cells < fewer for cells, fewer, step in zip(risen, level, stride, strict=True)]
    return level if all(near) else risen


def _block(before: int, after: int) -> nn.Module:
    """Two convolutions beside a shortcut."""
    block: nn.Module = _library("networks.blocks.dynunet_block").UnetResBlock(3, before, after, SIDE, 1, "instance")
    return block


def _library(module: str) -> Any:
    """A module of MONAI."""
    try:
        return import_module(f"{LIBRARY}.{module}")
    except ImportError as error:
        raise RecipeError(
            f"evaluate.protocols: frozen and finetune need {LIBRARY} for volumes, which is not installed: pip install 'labelfree[medical]'."
        ) from error
