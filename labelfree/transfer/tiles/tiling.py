"""Images of any size as tiles of one: overlapping where an image is larger, padded where it is smaller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import ceil, prod
from typing import TYPE_CHECKING

import numpy as np

from labelfree.data.tiles import auto_tile, shared
from labelfree.domain import sides

if TYPE_CHECKING:
    from labelfree.data.pool_index import PoolIndex

OVERLAP = 1 / 4  # of a tile, at least, between neighbours: where predictions are blended
LEAST = 128  # pixels of a side, however small some pictures are
WHOLE_STEPS = 32  # sides of tiles that are no image's own, in pixels: whole strides of a network


@dataclass(frozen=True)
class Tiling:
    """The tiles of a set of images, numbered through. `side`: (axes) pixels of each; `shapes`: spatial size of each image."""

    side: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, shapes: Sequence[Sequence[int]], spacings: Sequence[Sequence[float] | None] = ()) -> Tiling:
        """Small images of one size are a tile each; else a tile is as large as nine images in ten allow, in whole strides. Of pictures at
        least LEAST pixels where half of them have as many: a few crops do not cut up all the others, they are padded.

        `spacings`: extent of a voxel of each: a tile has fewer voxels where these are longer.
        """
        sizes = tuple(tuple(map(int, shape)) for shape in shapes)
        tile = auto_tile(sizes, spacings, cubes=True)
        if tile is None:
            return cls(sizes[0], sizes)
        typical = int(np.median([min(size) for size in sizes])) if len(sizes[0]) == 2 else 0
        least = max(1, min(LEAST, typical))
        return cls(tuple(ceil(max(length, least) / WHOLE_STEPS) * WHOLE_STEPS for length in sides(tile, len(sizes[0]))), sizes)

    @classmethod
    def of_pool(cls, index: PoolIndex) -> Tiling:
        """Of a pool of whole images."""
        return cls.of(index.shape.tolist(), index.spacing[index.row_of].tolist())

    @cached_property
    def _numbered(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        corners = [list(product(*map(covering, shape, self.side))) for shape in self.shapes]
        counts = np.array([len(each) for each in corners])
        image = np.repeat(np.arange(len(corners)), counts)
        return image, np.array([corner for each in corners for corner in each]), np.concatenate([[0], np.cumsum(counts)])

    @property
    def image(self) -> np.ndarray:
        """(t,) which image each tile shows."""
        return self._numbered[0]

    @property
    def corner(self) -> np.ndarray:
        """(t, axes) the image's pixel that a tile begins with; before its first where the image is smaller."""
        return self._numbered[1]

    def __len__(self) -> int:
        return len(self.image)

    def of_images(self, images: Sequence[int] | np.ndarray) -> np.ndarray:
        """The tiles of these images, one image after the other."""
        first = self._numbered[2]
        return np.concatenate([np.arange(first[image], first[image + 1]) for image in images])


def covering(length: int, tile: int) -> list[int]:
    """First pixels of tiles that show all of an axis, evenly spread, neighbours sharing a quarter at least; padded on both sides where
    the axis is shorter.
    """
    if length <= tile:
        return [(length - tile) // 2]
    step = max(1, int(tile * (1 - OVERLAP)))
    count = ceil((length - tile) / step) + 1
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def cut(pixels: np.ndarray, corner: Sequence[int], side: Sequence[int]) -> np.ndarray:
    """The tile of (C, *spatial) that begins at `corner`; what lies outside the image is its reflection."""
    before = [max(0, -first) for first in corner]
    after = [max(0, first + length - extent) for first, length, extent in zip(corner, side, pixels.shape[1:], strict=True)]
    part = pixels[:, *shared(corner, side, pixels.shape[1:])[0]]
    if not any(before) and not any(after):
        return part
    return np.pad(part, [(0, 0), *zip(before, after, strict=True)], mode="symmetric")


def cut_all(pixels: np.ndarray, corners: Sequence[Sequence[int]], side: Sequence[int]) -> np.ndarray:
    """(n, C, *side): the tiles of (C, *spatial) that begin at `corners`, a copy."""
    return np.stack([cut(pixels, corner, side) for corner in corners])


def tiles_of(shape: Sequence[int], side: Sequence[int]) -> int:
    """How many tiles show an image of this spatial size."""
    return prod(len(covering(length, tile)) for length, tile in zip(shape, side, strict=True))


def tent(side: Sequence[int]) -> np.ndarray:
    """(*side) weights of a tile's pixels where tiles overlap: 1 in the middle, falling along each axis to near 0 at the edges."""
    weights = np.ones(1)
    for length in side:
        ramp = 1 - np.abs(np.arange(length) + 0.5 - length / 2) / (length / 2)
        weights = np.multiply.outer(weights, np.maximum(ramp, 1e-3))
    return weights[0]
