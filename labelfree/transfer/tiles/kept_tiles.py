"""Features of tiles that are read when they are first asked for, and kept: of large images few tiles are ever learned from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import inf
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labelfree.progress import Progress, Silent
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.tiles.features import Asked, Change, Maps, Tiles, bytes_each, kept_maps, kept_name, looked_at, read_maps

LONG = 256  # tiles, from which on a person is told that they are read


class KeptTiles:
    """What `Maps` tells of all tiles, of those that were read; each reading is a folder of its own, found again by the next run.

    `change`: what is kept of levels. `room`: bytes on disk; what finds none is computed whenever it is asked for.
    """

    def __init__(
        self,
        encoder: Encoder,
        tiles: Tiles,
        size: int,
        folder: Path,
        say: Progress,
        images: str = "",
        change: Change | None = None,
        room: float = inf,
    ) -> None:
        self.encoder, self.tiles, self.size, self.folder, self.say, self.images = encoder, tiles, size, folder, say, images
        self.change, self.room = change, room
        name = kept_name(encoder, tiles, size, images, change)
        self.readings: list[Maps] = [kept_maps(place) for place in sorted(folder.glob(f"{name}-*"))]

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return self.readings[0].widths if self.readings else tuple(level.shape[1] for level in self.levels([0], np.zeros(1, bool)))

    def read(self, straight: np.ndarray, mirrored: np.ndarray) -> None:
        """Have these tiles, and mirror images of those, by their numbers: as many as there is room for."""
        asked = Asked(*(self.missing(side, numbers) for side, numbers in enumerate((straight, mirrored)))).first(self._left())
        if len(asked):
            say = self.say if len(asked) >= LONG else Silent()
            found = read_maps(self.encoder, self.tiles, self.size, self.folder, say, self.images, asked, self.change)
            self.readings.append(found)

    def levels(self, tiles: Sequence[int] | np.ndarray, mirrored: np.ndarray) -> list[Tensor]:
        """(b, C_l, *grid_l) float32 of each level, finest first. `mirrored`: (b,) bool. What is not there yet is read."""
        numbers, turned = np.asarray(tiles), np.asarray(mirrored, bool)
        self.read(numbers[~turned], numbers[turned])
        where = self._where()[turned.astype(np.int64), numbers]
        found: list[Tensor] = []
        for reading in np.unique(where):
            here = where == reading
            levels = self._of(int(reading), numbers[here], turned[here])
            found = found or [level.new_empty(len(numbers), *level.shape[1:]) for level in levels]
            for whole, level in zip(found, levels, strict=True):
                whole[torch.from_numpy(here)] = level
        return found

    def _of(self, reading: int, numbers: np.ndarray, turned: np.ndarray) -> list[Tensor]:
        """Kept by a reading; by none: computed, as it would be kept."""
        if reading >= 0:
            return self.readings[reading].levels(numbers, turned)
        levels, exact = looked_at(self.encoder, self.tiles, numbers, turned, self.size, self.change)
        return [level if whole else level.half().float() for level, whole in zip(levels, exact, strict=True)]

    def _left(self) -> int | None:
        """How many more there is room for; None: any number."""
        if self.room == inf:
            return None
        return max(0, int(self.room / self.each) - int((self._where() >= 0).sum()))

    @cached_property
    def each(self) -> int:
        """Bytes that the features of a tile take on disk."""
        return bytes_each(self.encoder, self.tiles, self.size, self.change)

    def _where(self) -> np.ndarray:
        """(2, t): the reading that holds each tile and its mirror image, -1 for none."""
        where = np.full((2, len(self.tiles.tiling)), -1, np.int64)
        for number, reading in enumerate(self.readings):
            where[reading.rows >= 0] = number
        return where

    def missing(self, side: int, numbers: np.ndarray) -> np.ndarray:
        """Of these tiles (`side` 0), or of these mirror images (1), those that were not read."""
        wanted = np.unique(np.asarray(numbers, np.int64))
        return wanted[self._where()[side, wanted] < 0]
