"""What heads of maps say of whole images: tiles answered one after the other, blended where they overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labelfree.data.tiles import shared
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.tiling import Tiling, tent

BATCH = 8  # tiles at once


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
        shares = self.shares(at)
        return shares.argmax(0).astype(np.uint8 if len(shares) <= 256 else np.int16)

    @torch.inference_mode()
    def shares(self, at: int) -> np.ndarray:
        """(K, *spatial) float32 class shares of one image, which sum to 1."""
        image = int(self.images[at])
        side, shape = self.tiling.side, self.tiling.shapes[image]
        numbers = self.tiling.of_images([image])
        blend: Blend | None = None
        for start in range(0, len(numbers), BATCH):
            part = numbers[start : start + BATCH]
            told = self.fitted.head.eval()(self.levels(part), side).float().softmax(1).cpu().numpy()
            blend = blend or Blend.empty(told.shape[1], shape, side)
            for shares, corner in zip(told, self.tiling.corner[part].tolist(), strict=True):
                blend.add(shares, corner)
        assert blend is not None
        return blend.mean()


@dataclass(frozen=True)
class Blend:
    """A weighted mean of overlapping tiles. `total`: (K, *spatial) sums, `weight`: (*spatial), `tent`: (*side) weights in a tile."""

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

    def mean(self) -> np.ndarray:
        """(K, *spatial)."""
        return self.total / self.weight
