"""What heads of maps say of whole images: tiles answered one after the other, blended where they overlap, in strips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labelfree.data.tiles import shared
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.tiling import Tiling, tent
from labelfree.transfer.tiles.training import tiles_at_once


@dataclass(frozen=True)
class PredictedMaps:
    """Class maps of images, each made when it is asked for: a sequence as long as `images`.

    `levels`: (tile numbers) -> what the head sees of them, on the head's device.
    """

    fitted: Fitted
    tiling: Tiling
    images: np.ndarray
    levels: Callable[[np.ndarray], list[Tensor]]

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[at] for at in range(len(self)))

    def __getitem__(self, at: int) -> np.ndarray:
        """(*spatial) uint8 (int16 from 256 classes on): the class of each pixel."""
        strips = [strip.argmax(0).astype(np.uint8 if len(strip) <= 256 else np.int16) for strip in self.strips(at)]
        return np.concatenate(strips)

    def strips(self, at: int) -> Iterator[np.ndarray]:
        """(K, n, *rest) float32 class shares of one image, which sum to 1, from its first slice on: no more stands in memory."""
        image = int(self.images[at])
        side, shape = self.tiling.side, self.tiling.shapes[image]
        numbers = self.tiling.of_images([image])
        corners = self.tiling.corner[numbers]
        firsts, top = np.unique(corners[:, 0]).tolist(), 0
        blend: Blend | None = None
        for first, following in zip(firsts, [*firsts[1:], shape[0]], strict=True):
            start, stop = max(0, first), max(0, following)
            blend, top = blend and blend.moved(start - top), start
            for told, tiles in self._told(numbers[corners[:, 0] == first]):
                blend = blend or Blend.empty(told.shape[1], (min(side[0], shape[0]), *shape[1:]), side)
                for shares, (row, *rest) in zip(told, self.tiling.corner[tiles].tolist(), strict=True):
                    blend.add(shares, (row - top, *rest))
            assert blend is not None
            yield blend.mean(slice(0, stop - top))

    @torch.inference_mode()
    def _told(self, numbers: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(b, K, *side) class shares of tiles, and their numbers."""
        side = self.tiling.side
        batch = tiles_at_once(side)
        for start in range(0, len(numbers), batch):
            part = numbers[start : start + batch]
            yield self.fitted.head.eval()(self.levels(part), side).float().softmax(1).cpu().numpy(), part


@dataclass(frozen=True)
class Blend:
    """A weighted mean of overlapping tiles, of slices that may move on. `total`: (K, *spatial) sums, `weight`: (*spatial), `tent`: (*side)
    weights in a tile.
    """

    total: np.ndarray
    weight: np.ndarray
    tent: np.ndarray

    @classmethod
    def empty(cls, classes: int, shape: Sequence[int], side: Sequence[int]) -> Blend:
        return cls(np.zeros((classes, *shape), np.float32), np.zeros(tuple(shape), np.float32), tent(side).astype(np.float32))

    def add(self, shares: np.ndarray, corner: Sequence[int]) -> None:
        """(K, *side) of the tile that begins at `corner`; what lies outside the image is left out."""
        there, inside = shared(corner, shares.shape[1:], self.weight.shape)
        self.total[:, *there] += shares[:, *inside] * self.tent[inside]
        self.weight[there] += self.tent[inside]

    def moved(self, by: int) -> Blend:
        """Begun `by` slices later: the first ones are final."""
        if by == 0:
            return self
        fresh = Blend(np.zeros_like(self.total), np.zeros_like(self.weight), self.tent)
        fresh.total[:, : len(self.weight) - by] = self.total[:, by:]
        fresh.weight[: len(self.weight) - by] = self.weight[by:]
        return fresh

    def mean(self, slices: slice) -> np.ndarray:
        """(K, n, *rest)."""
        return self.total[:, slices] / self.weight[slices]
