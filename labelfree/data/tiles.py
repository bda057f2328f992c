"""How images become pool entries: whole, or cut into tiles of one size, as many as the space allows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import NamedTuple

import numpy as np

WHOLE = 512  # images of one size up to this side are stored whole
SIDE = 256
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
    """What is cut from one image: tiles of side `tile` (None: the image itself), at most `most` of them."""

    tile: int | None
    most: int | None = None

    def __call__(self, pixels: np.ndarray, identity: str, measured: np.ndarray | None = None) -> list[Tile]:
        """(C, H, W), and where it is `measured` (H, W), to tiles of (C, tile, tile); smaller images are padded by reflection."""
        if self.tile is None or pixels.ndim != 3:
            return [Tile((0,) * (pixels.ndim - 1), pixels, measured)]
        padding = [(0, 0)] + [(max(0, self.tile - side) // 2, (max(0, self.tile - side) + 1) // 2) for side in pixels.shape[1:]]
        padded = np.pad(pixels, padding, mode="reflect") if any(map(any, padding)) else pixels
        known = None if measured is None else np.pad(measured, padding[1:], mode="reflect")
        corners = list(product(*(starts(side, self.tile) for side in padded.shape[1:])))
        if self.most is not None and len(corners) > self.most:
            draw = np.random.default_rng(int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "big"))
            corners = [corners[i] for i in sorted(draw.choice(len(corners), self.most, replace=False))]
        above, before = padding[1][0], padding[2][0]
        side = self.tile
        parts = [(top, left, (slice(top, top + side), slice(left, left + side))) for top, left in corners]
        return [Tile((top - above, left - before), padded[:, *part], None if known is None else known[part]) for top, left, part in parts]

    def size(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Spatial size of an entry cut from an image of this size."""
        return shape if self.tile is None else (self.tile, self.tile)

    def count(self, shape: tuple[int, ...]) -> int:
        """How many tiles an image of this size holds."""
        return 1 if self.tile is None else int(np.prod([_count(side, self.tile) for side in shape]))


def _count(side: int, tile: int) -> int:
    """How many tiles show all of an axis, but for a border too narrow to be worth another."""
    return max(1, ceil(side / tile - BORDER))


def starts(side: int, tile: int) -> list[int]:
    """Evenly spread first pixels of the tiles along one axis; they overlap where they must, and several touch the borders."""
    count = _count(side, tile)
    if count == 1:
        return [(side - tile) // 2]
    return [round(i * (side - tile) / (count - 1)) for i in range(count)]


def by(shape: Sequence[int]) -> str:
    """A size for people: 128 x 96."""
    return " x ".join(map(str, shape))


def auto_tile(shapes: Sequence[tuple[int, ...]]) -> int | None:
    """The tile for images of these spatial sizes: none for small ones of one size (and for volumes), else 256 or what they allow.

    Nine images in ten are at least as large as the tile; a few very small ones are padded rather than setting the size for all.
    """
    if any(len(shape) != 2 for shape in shapes) or (len(set(shapes)) == 1 and max(shapes[0]) <= WHOLE):
        return None
    return min(SIDE, int(np.quantile([min(shape) for shape in shapes], 0.1, method="lower")))
