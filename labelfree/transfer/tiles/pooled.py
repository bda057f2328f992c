"""A large image as one vector: overlapping tiles are looked at, each at the image's own resolution, and their features are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from labelfree.data.moments import moments, two_pixels
from labelfree.domain import Size
from labelfree.transfer.encoders import PIXELS, Concatenated, Encoder, Kept
from labelfree.transfer.tiles.features import input_size
from labelfree.transfer.tiles.tiling import covering, cut, cut_all

if TYPE_CHECKING:
    from labelfree.data.pool import Pool

POOLED = 2  # numbers of an image for one of a tile


class PooledTiles:
    """Another encoder of whole images, asked about an image's tiles of `side` pixels: of each number the largest, then how far that is
    above the mean over them.

    Of what one tile alone shows a mean keeps one part in so many, and the largest keeps it all; what lies above the image's own mean does
    not depend on what most of it shows (docs/decisions/0019-large-pictures.md). A tile where nothing is measured is left out. A tile of an
    image that is normalised by its own statistics takes those of the whole. `encoder`: one that does not consist of parts. `sizes`: what a
    tile is shown at.
    """

    def __init__(self, encoder: Encoder, side: int) -> None:
        self.encoder, self.side = encoder, side
        self.arm, self.backbone, self.seed, self.sizes = encoder.arm, encoder.backbone, encoder.seed, encoder.sizes
        self.by_image = encoder.by_image

    @property
    def blocks(self) -> tuple[int, ...]:
        return self.encoder.blocks * POOLED

    @property
    def digest(self) -> str:
        return f"{self.encoder.digest} tiles of {self.side}, largest and above the mean"

    def features(self, pool: Pool, entries: Sequence[int], size: int) -> np.ndarray:
        """One image after the other, some tiles at a time, so memory does not grow with either."""
        rows = []
        for entry in map(int, entries):
            measured = pool.measured([entry])
            rows.append(self._pooled(pool.pixels(entry), None if measured is None else measured[0].numpy(), size))
        return torch.stack(rows).numpy()

    def embed(self, stored: Tensor, size: Size, measured: Tensor | None = None, whole: Tensor | None = None) -> Tensor:
        """(B, 2D), of images of any size. `whole`: not asked for, these are whole."""
        known = [None] * len(stored) if measured is None else list(measured.numpy())
        return torch.stack([self._pooled(pixels, there, size) for pixels, there in zip(stored.numpy(), known, strict=True)])

    def kept(self) -> list[Kept]:
        return [Kept({**part.told, "tile": self.side}, part.tensors) for part in self.encoder.kept()]

    def maps(self, stored: Tensor, measured: Tensor | None, size: Size, whole: Tensor | None = None) -> list[Tensor]:
        return self.encoder.maps(stored, measured, size, whole)

    def _pooled(self, pixels: np.ndarray, measured: np.ndarray | None, size: Size) -> Tensor:
        """(2D,) float32 of one image (C, *spatial), `measured` (*spatial) bool or everywhere."""
        side = (self.side,) * (pixels.ndim - 1)
        shown = input_size(side, size) if isinstance(size, int) else size
        known = None if measured is None or measured.all() else measured[None]
        corners = [each for each in product(*map(covering, pixels.shape[1:], side)) if known is None or cut(known, each, side).any()]
        whole = torch.from_numpy(two_pixels(moments(pixels, measured))[None]).float() if self.by_image else None
        most = max(1, PIXELS // int(np.prod(np.maximum(side, shown))))
        total, largest = torch.zeros(()), torch.tensor(-torch.inf)
        for start in range(0, len(corners), most):
            some = corners[start : start + most]
            there = None if known is None else torch.from_numpy(cut_all(known, some, side)[:, 0])
            of_image = None if whole is None else whole.expand(len(some), -1, -1)
            told = self.encoder.embed(torch.from_numpy(cut_all(pixels, some, side)), shown, there, of_image)
            total, largest = total + told.double().sum(0), torch.maximum(largest, told.amax(0))
        return torch.cat([largest, largest - (total / len(corners)).float()])


def in_tiles(encoder: Encoder, side: int | None) -> Encoder:
    """The encoder asked about tiles of `side` pixels, of one that consists of parts each of these; None: about whole images, as it is."""
    if side is None:
        return encoder
    if isinstance(encoder, Concatenated):
        return Concatenated(encoder.arm, [in_tiles(part, side) for part in encoder.parts])
    return PooledTiles(encoder, side)
