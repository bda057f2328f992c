"""Features of tiles that are read when they are first asked for, and kept: of large images few tiles are ever learned from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labelfree.progress import Progress, Silent
from labelfree.transfer.boxes.strides import reduced
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.tiles.features import Asked, Maps, Tiles, kept_maps, kept_name, read_maps

LONG = 256  # tiles, from which on a person is told that they are read


class KeptTiles:
    """What `Maps` tells of all tiles, of those that were read; each reading is a folder of its own, found again by the next run."""

    def __init__(self, encoder: Encoder, tiles: Tiles, size: int, folder: Path, say: Progress, images: str = "") -> None:
        self.encoder, self.tiles, self.size, self.folder, self.say, self.images = encoder, tiles, size, folder, say, images
        name = kept_name(encoder, tiles, size, images, reduced)
        self.readings: list[Maps] = [kept_maps(place) for place in sorted(folder.glob(f"{name}-*"))]

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        if not self.readings:
            self.read(np.arange(1), np.arange(0))
        return self.readings[0].widths

    def read(self, straight: np.ndarray, mirrored: np.ndarray) -> None:
        """Have these tiles, and mirror images of those, by their numbers."""
        asked = Asked(*(self._missing(side, numbers) for side, numbers in enumerate((straight, mirrored))))
        if len(asked):
            say = self.say if len(asked) >= LONG else Silent()
            found = read_maps(self.encoder, self.tiles, self.size, self.folder, say, self.images, asked, reduced)
            self.readings.append(found)

    def levels(self, tiles: Sequence[int] | np.ndarray, mirrored: np.ndarray) -> list[Tensor]:
        """(b, C_l, *grid_l) float32 of each level, finest first. `mirrored`: (b,) bool. What is not there yet is read."""
        numbers, turned = np.asarray(tiles), np.asarray(mirrored, bool)
        self.read(numbers[~turned], numbers[turned])
        where = self._where()[turned.astype(np.int64), numbers]
        found: list[Tensor] = []
        for reading in np.unique(where):
            here = where == reading
            levels = self.readings[reading].levels(numbers[here], turned[here])
            found = found or [level.new_empty(len(numbers), *level.shape[1:]) for level in levels]
            for whole, level in zip(found, levels, strict=True):
                whole[torch.from_numpy(here)] = level
        return found

    def _where(self) -> np.ndarray:
        """(2, t): the reading that holds each tile and its mirror image, -1 for none."""
        where = np.full((2, len(self.tiles.tiling)), -1, np.int64)
        for number, reading in enumerate(self.readings):
            where[reading.rows >= 0] = number
        return where

    def _missing(self, side: int, numbers: np.ndarray) -> np.ndarray:
        wanted = np.unique(np.asarray(numbers, np.int64))
        return wanted[self._where()[side, wanted] < 0]
