"""How images become pool entries: whole, or cut into tiles of one size, as many as the space allows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, prod
from typing import NamedTuple

import numpy as np

from labelfree.domain import Size, sides

WHOLE = {2: 512, 3: 128}  # axes -> images of one size up to this side are stored whole
SIDE = {2: 256, 3: 96}  # axes -> side of a tile; in voxels a volume soon outgrows any memory
BORDER = 1 / 8  # of a tile, that may be left out where an image is little larger than a tile


class Tile(NamedTuple):
    """A part of an image: its first pixel along each axis (before the image where it was padded), and its pixels, (C, *spatial).

    `measured`: (*spatial) bool, None where all of it is.
    """

    corner: tuple[int, ...]
    pixels: np.ndarray
    measured: np.ndarray | None = None


@dataclass(frozen=True)
class Cut:
    """What is cut from one image: tiles of side `tile`, or of one side an axis (None: the image itself), at most `most` of them."""

    tile: Size | None
    most: int | None = None

    def __call__(self, pixels: np.ndarray, identity: str, measured: np.ndarray | None = None) -> list[Tile]:
        """(C, *spatial), and where it is `measured` (*spatial), to tiles of (C, *tile); smaller images are padded by reflection."""
        if self.tile is None:
            return [Tile((0,) * (pixels.ndim - 1), pixels, measured)]
        extent = self.size(pixels.shape[1:])
        lacking = [max(0, length - side) for length, side in zip(extent, pixels.shape[1:], strict=True)]
        padding = [(0, 0), *((less // 2, (less + 1) // 2) for less in lacking)]
        padded = np.pad(pixels, padding, mode="reflect") if any(lacking) else pixels
        known = None if measured is None else np.pad(measured, padding[1:], mode="reflect")
        corners = list(product(*(starts(side, length) for side, length in zip(padded.shape[1:], extent, strict=True))))
        if self.most is not None and len(corners) > self.most:
            draw = np.random.default_rng(int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "big"))
            corners = [corners[i] for i in sorted(draw.choice(len(corners), self.most, replace=False))]
        tiles = []
        for corner in corners:
            part = tuple(slice(first, first + length) for first, length in zip(corner, extent, strict=True))
            where = tuple(first - before for first, (before, _) in zip(corner, padding[1:], strict=True))
            tiles.append(Tile(where, padded[:, *part], None if known is None else known[part]))
        return tiles

    def size(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Spatial size of an entry cut from an image of this size."""
        return shape if self.tile is None else sides(self.tile, len(shape))

    def count(self, shape: tuple[int, ...]) -> int:
        """How many tiles an image of this size holds."""
        return 1 if self.tile is None else prod(map(_count, shape, sides(self.tile, len(shape))))


def _count(side: int, tile: int) -> int:
    """How many tiles show all of an axis, but for a border too narrow to be worth another."""
    return max(1, ceil(side / tile - BORDER))


def starts(side: int, tile: int) -> list[int]:
    """Evenly spread first pixels of the tiles along one axis; they overlap where they must, and several touch the borders."""
    count = _count(side, tile)
    if count == 1:
        return [(side - tile) // 2]
    return [round(i * (side - tile) / (count - 1)) for i in range(count)]


def shared(corner: Sequence[int], side: Sequence[int], extent: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a part of `side` pixels that begins at `corner` and an image of `extent` pixels meet: in the image, and in the part."""
    ends = []
    for first, length, whole in zip(corner, side, extent, strict=True):
        low = max(0, first)
        ends.append((low, max(low, min(first + length, whole))))
    inside = tuple(slice(low - first, high - first) for (low, high), first in zip(ends, corner, strict=True))
    return tuple(slice(low, high) for low, high in ends), inside


def by(shape: int | Sequence[int]) -> str:
    """A size for people: 128 x 96, or 64 where it is one number."""
    return str(shape) if isinstance(shape, int) else " x ".join(map(str, shape))


def auto_tile(shapes: Sequence[tuple[int, ...]], spacings: Sequence[Sequence[float] | None] = (), cubes: bool = False) -> Size | None:
    """The tile for images of these spatial sizes: none for small ones of one size, else 256 (volumes: 96) or what they allow.

    Nine images in ten are at least as large as the tile; a few very small ones are padded rather than setting the size for all.
    `spacings`: extent of a voxel of each; in volumes a tile is as long along every axis, in fewer voxels where these are longer, but no
    longer than they are along that axis: of small volumes it shows nearly all. `cubes`: none of its sides but the depth is longer than
    the shortest of these.
    """
    dims = len(shapes[0])
    if dims not in SIDE:
        return None
    if len(set(shapes)) == 1 and max(shapes[0]) <= WHOLE[dims]:
        return None
    times = _voxel_lengths(spacings, dims)
    shortest = int(_nine_in_ten([min(shape[-2] * times[-2], shape[-1] * times[-1]) for shape in shapes]))
    side = min(SIDE[dims], shortest) if dims == 2 or cubes else SIDE[dims]
    tile = [max(1, round(side / time)) for time in times]
    if dims == 3:
        tile = [min(length, int(_nine_in_ten([shape[axis] for shape in shapes]))) for axis, length in enumerate(tile)]
    return tile[0] if len(set(tile)) == 1 else tuple(tile)


def _nine_in_ten(lengths: Sequence[float]) -> float:
    """What nine in ten reach."""
    return float(np.quantile(lengths, 0.1, method="lower"))


def _voxel_lengths(spacings: Sequence[Sequence[float] | None], dims: int) -> tuple[float, ...]:
    """How many times as long as its shortest side a voxel is along each axis; 1 in pictures, and where nobody knows."""
    known = [spacing for spacing in spacings if spacing is not None and len(spacing) == dims]
    if dims == 2 or not known or len(known) < len(spacings):
        return (1.0,) * dims
    typical = np.median(np.array(known, dtype=np.float64), axis=0)
    return tuple((typical / typical.min()).tolist()) if (typical > 0).all() else (1.0,) * dims
