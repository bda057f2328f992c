"""Where in the image a view lies: crops and the symmetries of the grid. Any dtype; a draw can be replayed on masks and boxes.

Boxes are one tensor (n, 2 * axes) an image, in pixels from its edge, first corner then last, x first as torchvision writes them:
x1, y1, x2, y2, and x1, y1, z1, x2, y2, z2 in a volume. What leaves a view is cut off; a box of which nothing is left has no extent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from labelfree.device_copies import beside
from labelfree.errors import DataError
from labelfree.views.base import Range, ViewOp, uniform


class Geometry(ViewOp):
    """An op that moves pixels: the same draw can be replayed on masks, of any integer dtype, and on boxes."""

    def on(self, shape: Sequence[int]) -> Geometry:
        """What of it keeps the spatial shape of images: itself, unless it exchanges axes of different lengths."""
        return self

    def apply_boxes(self, boxes: Sequence[Tensor], shape: Sequence[int], params: Any) -> list[Tensor]:
        """Boxes of each sample of a batch of images of the spatial `shape`, where they are in the view."""
        raise NotImplementedError


@dataclass(frozen=True)
class CropDraw:
    """Where to crop, before the image's shape is known.

    `size`: of the view. `area`: (n,) share of the image. `stretch`: (n, 3) log-scale of each axis. `place`: (n, 3) position of the crop, 0
    first to 1 last, among those that the image leaves free, and `overlap` with the crop `near`; `inside`: it lies within that one.
    """

    size: int | Sequence[int]
    area: Tensor
    stretch: Tensor
    place: Tensor
    near: CropDraw | None = None
    overlap: float = 0.0
    inside: bool = False

    def sizes(self, axes: int) -> tuple[int, ...]:
        """The view's along each axis."""
        return (self.size,) * axes if isinstance(self.size, int) else tuple(self.size)

    def boxes(self, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """First corner and side of each crop in pixels, (n, axes) each; a crop never leaves the image."""
        axes = len(shape)
        whole = self.area.new_tensor(shape).log()
        outer = None if self.near is None else self.near.boxes(shape)
        limit = outer[1].log() if outer is not None and self.inside else whole
        side = (self.area.log() + whole.sum())[:, None] / axes + _balanced(self.stretch[:, :axes])
        view = whole.new_tensor(self.sizes(axes)).log()
        side = side + (view - view.mean() if (view != view[0]).any() else 0.0)
        for _ in range(axes - 1):  # what does not fit along one axis goes to the others, so that the area stays as drawn
            over = (side - limit).clamp(min=0)
            free = (side < limit).float()
            side = side - over + free * over.sum(1, keepdim=True) / free.sum(1, keepdim=True).clamp(min=1)
        side = torch.minimum(side, limit).exp()
        first, last = torch.zeros_like(side), whole.exp() - side
        if outer is not None:
            at, extent = outer
            common = side if self.inside else _common(side, extent, self.overlap)
            first, last = torch.maximum(first, at + common - side), torch.minimum(last, at + extent - common)
        return first + self.place[:, :axes] * (last - first), side


class ResizedCrop(Geometry):
    """A random part of each image, resized to `size` (Szegedy et al. 2015, arXiv:1409.4842).

    Its area is uniform in `scale`, its aspect log-uniform in `ratio` about that of a view. Input (B, C, *spatial), 2D or 3D; output
    (B, C, *size).
    Floating point is interpolated linearly, after averaging over blocks of pixels where a view is much coarser than the
    image, so that nothing aliases; integers take the nearest pixel, so that the draw of an image can be replayed on its mask.
    """

    def __init__(self, size: int | Sequence[int], scale: Range = (0.2, 1.0), ratio: Range = (3 / 4, 4 / 3)) -> None:
        super().__init__()
        self.size = size
        self.scale = scale
        self.ratio = ratio

    def draw(self, n: int, generator: Generator) -> CropDraw:
        area = uniform(n, self.scale, generator)
        stretch = uniform(3 * n, (math.log(self.ratio[0]) / 2, math.log(self.ratio[1]) / 2), generator).view(n, 3)
        return CropDraw(self.size, area, stretch, uniform(3 * n, (0.0, 1.0), generator).view(n, 3))

    def draw_near(self, first: CropDraw, overlap: float, generator: Generator) -> CropDraw:
        """As `draw`; each crop shares at least `overlap` (0 to 1) of the smaller of the two with the crop `first` of the same image, or as
        much as their shapes allow.
        """
        return replace(self.draw(len(first.area), generator), near=first, overlap=overlap)

    def draw_inside(self, outer: CropDraw, generator: Generator) -> CropDraw:
        """As `draw`; each crop lies within the crop `outer` of the same image, and is no larger."""
        return replace(self.draw(len(outer.area), generator), near=outer, inside=True)

    def apply(self, x: Tensor, params: CropDraw) -> Tensor:  # type: ignore[override]
        (start, side), sizes = params.boxes(x.shape[2:]), params.sizes(x.ndim - 2)
        if not x.is_floating_point():
            return nearest(x, start, side, sizes)
        blocks = (side / side.new_tensor(sizes)).log().mean(1).exp().round().clamp(min=1).int()
        different = blocks.unique().tolist()  # known without waiting: draws lie on the host
        if len(different) == 1:
            return linear(_coarser(x, different[0]), start / different[0], side / different[0], sizes)
        views = x.new_empty(len(x), x.shape[1], *sizes)
        for block in different:
            rows = (blocks == block).nonzero().flatten()
            there = beside(rows, x)
            views[there] = linear(_coarser(x[there], block), start[rows] / block, side[rows] / block, sizes)
        return views

    def apply_boxes(self, boxes: Sequence[Tensor], shape: Sequence[int], params: CropDraw) -> list[Tensor]:
        start, side = params.boxes(shape)
        size = start.new_tensor(params.sizes(len(shape)))
        transformed = []
        for row, given in enumerate(boxes):
            low, high = corners(given, len(shape))
            times, begin = (size / side[row]).to(given), start[row].to(given)
            transformed.append(from_corners((low - begin) * times, (high - begin) * times, size.to(given)))
        return transformed


def _balanced(stretch: Tensor) -> Tensor:
    """Log-scales (n, axes) that keep the area: in 2D the log-ratio of the sides is uniform, as the first column was drawn."""
    if stretch.shape[1] == 2:
        return torch.stack([-stretch[:, 0], stretch[:, 0]], dim=1)
    return stretch - stretch.mean(1, keepdim=True)


def _common(side: Tensor, other: Tensor, overlap: float) -> Tensor:
    """How much two crops (n, axes) share along each axis, at least, so that it is `overlap` of the smaller one's volume."""
    shorter = torch.minimum(side, other)
    share = overlap * torch.minimum(side.prod(1), other.prod(1)) / shorter.prod(1)
    return shorter * share.clamp(max=1)[:, None] ** (1 / side.shape[1])


def _coarser(x: Tensor, block: int) -> Tensor:
    """Means over blocks of `block` pixels a side; a last incomplete block is the mean of what it holds."""
    if block == 1:
        return x
    pool = F.avg_pool2d if x.ndim == 4 else F.avg_pool3d
    return pool(x, block, ceil_mode=True, count_include_pad=False)


def _positions(start: Tensor, side: Tensor, axis: int, size: int) -> Tensor:
    """Centres of a view's pixels along one axis of the image, in pixels from its edge: (B, size)."""
    steps = (torch.arange(size, device=start.device) + 0.5) / size
    return start[:, axis, None] + steps * side[:, axis, None]


def linear(x: Tensor, start: Tensor, side: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Crops of (B, C, *spatial) resampled to (B, C, *shape) by linear interpolation; edge pixels go on outside."""
    if len(shape) == 3:
        return torch.stack([_axis_by_axis(*each, shape) for each in zip(x, start, side, strict=True)])
    start, side = beside(start, x), beside(side, x)
    grid = x.new_empty(len(x), *shape, 2)  # grid_sample wants x first
    for axis, size in enumerate(shape):
        along = (_positions(start, side, axis, size) * (2 / x.shape[2 + axis]) - 1).to(x)
        grid[..., 1 - axis] = along[:, :, None] if axis == 0 else along[:, None]
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _axis_by_axis(sample: Tensor, start: Tensor, side: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A crop of one volume (C, D, H, W): each axis of the part that it needs times a matrix, in a fraction of grid_sample's time."""
    weights = []
    for axis, size in enumerate(shape):
        last = sample.shape[1 + axis] - 1
        at = (_positions(start[None], side[None], axis, size)[0] - 0.5).clamp(0, last)
        first, end = int(at[0]), min(int(at[-1]) + 1, last) + 1
        weights.append(beside((1 - (at[:, None] - torch.arange(first, end)).abs()).clamp(min=0), sample).to(sample))
        sample = sample.narrow(1 + axis, first, end - first)
    deep, high, wide = weights  # (size, what the part has along this axis) each
    sample = (deep @ sample.flatten(2)).unflatten(2, sample.shape[2:])
    return high @ sample @ wide.mT


def nearest(x: Tensor, start: Tensor, side: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Crops of (B, C, *spatial) of any dtype, each pixel taken from the nearest one of the image."""
    start, side = beside(start, x), beside(side, x)
    for axis, size in enumerate(shape):
        index = _positions(start, side, axis, size).floor().long().clamp(0, x.shape[2 + axis] - 1)
        index = index.view(len(x), 1, *(size if other == axis else 1 for other in range(len(shape))))
        wanted = list(x.shape)
        wanted[2 + axis] = size
        x = x.gather(2 + axis, index.expand(wanted))
    return x


class Dihedral(Geometry):
    """Flips along the allowed axes and, with `transpose`, exchange of the last two: with both axes, the 8 poses of a square.

    Input and output: (B, C, *spatial) of any dtype. `axes` count from the end: -1 is left-right, -2 up-down.
    Leave an axis out where its direction means something (laterality, gravity). `transpose` needs square images.
    """

    def __init__(self, axes: Sequence[int] = (-1, -2), transpose: bool = True) -> None:
        super().__init__()
        self.axes = tuple(axes)
        self.transpose = transpose

    def on(self, shape: Sequence[int]) -> Dihedral:
        return self if shape[-1] == shape[-2] else Dihedral(self.axes, transpose=False)

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n, axes + 1) bool: which axes to flip, and whether to transpose."""
        coins = torch.rand(n, len(self.axes) + 1, generator=generator) < 0.5
        coins[:, -1] &= self.transpose
        return coins

    def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
        if self.transpose and x.shape[-1] != x.shape[-2]:
            shape = f"{x.shape[-2]} by {x.shape[-1]}"
            raise DataError(f"Dihedral: {shape} pixels cannot be transposed within a batch; crop to squares, or set transpose=False.")
        code = (params.long() * 2 ** torch.arange(params.shape[1])).sum(1)
        posed = torch.empty_like(x)
        for pose, coins in enumerate(product((False, True), repeat=params.shape[1])):
            flips = [axis for axis, coin in zip(self.axes, reversed(coins[1:]), strict=True) if coin]
            rows = (code == pose).nonzero().flatten()
            if len(rows):
                rows = beside(rows, x)
                posed[rows] = _posed(x[rows], flips, transpose=coins[0])
        return posed

    def apply_boxes(self, boxes: Sequence[Tensor], shape: Sequence[int], params: Tensor) -> list[Tensor]:
        transformed = []
        for coins, given in zip(params.tolist(), boxes, strict=True):
            low, high = corners(given, len(shape))
            size = given.new_tensor(shape)
            for axis, coin in zip(self.axes, coins, strict=False):
                if coin:
                    low[:, axis], high[:, axis] = size[axis] - high[:, axis], size[axis] - low[:, axis]
            if coins[-1]:
                order = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
                low, high, size = low[:, order], high[:, order], size[order]
            transformed.append(from_corners(low, high, size))
        return transformed


def unmirrored(ops: Sequence[ViewOp], axis: int | None) -> list[ViewOp]:
    """The ops without flips along `axis`, counted from the end, or along any where it is None; turns by quarters that make flips go too."""
    kept = []
    for op in ops:
        if isinstance(op, Dihedral):
            axes = [] if axis is None else [each for each in op.axes if each != axis]
            if not axes:
                continue
            op = Dihedral(axes, transpose=op.transpose and axis not in (None, -1, -2))
        kept.append(op)
    return kept


def corners(boxes: Tensor, axes: int) -> tuple[Tensor, Tensor]:
    """First and last corner of boxes (n, 2 * axes), (n, axes) each, in the order of the image's axes: y before x."""
    return boxes[:, :axes].flip(1), boxes[:, axes:].flip(1)


def from_corners(low: Tensor, high: Tensor, size: Tensor) -> Tensor:
    """The boxes again, cut off at the edges of an image of this `size`."""
    zero = torch.zeros_like(size)
    return torch.cat([low.clamp(zero, size).flip(1), high.clamp(zero, size).flip(1)], dim=1)


def _posed(x: Tensor, flips: list[int], transpose: bool) -> Tensor:
    x = x.flip(flips) if flips else x
    return x.transpose(-1, -2) if transpose else x
