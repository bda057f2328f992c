"""What a head of patches learns from: kept patches of tiles of normal images, and which of them show the image itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labelfree.transfer.patches.cells import known_cells
from labelfree.transfer.tiles.learning import LearnTiles

TILES = 16  # looked at together


@dataclass(frozen=True, kw_only=True)
class LearnPatches(LearnTiles):
    """`plain`: of each part of a patch's vector whether it holds plain numbers of channels, which are on scales of their own."""

    plain: tuple[bool, ...]

    def patches(self) -> Iterator[Tensor]:
        """(n, D) patches of each of the tiles in turn: those that show the image, where it is measured."""
        self.maps.read(self.tiles, self.tiles[:0])
        for start in range(0, len(self.tiles), TILES):
            tiles = self.tiles[start : start + TILES]
            parts = torch.cat(self.levels(tiles, np.zeros(len(tiles), bool)), 1)
            for tile, of in zip(tiles.tolist(), parts, strict=True):
                known = torch.from_numpy(known_cells(self.all_tiles, tile, tuple(of.shape[1:])))
                yield of[:, known].T
