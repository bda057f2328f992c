"""The masks of one budget beside cached features of tiles: what a protocol of maps is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labelfree.data.masks import cut_mask
from labelfree.transfer.tiles.learning import LearnTiles


@dataclass(frozen=True, kw_only=True)
class Learn(LearnTiles):
    """With masks. `mask_of`: the (*spatial) mask of an image, by its position in the pool. `objects`: positions of the classes that are no
    background.
    """

    mask_of: Callable[[int], np.ndarray]
    objects: Sequence[int] = ()

    def masks(self, tiles: Sequence[int] | np.ndarray, mirrored: np.ndarray) -> Tensor:
        """(b, *shape) int64 positions among the classes, IGNORE where nobody knows."""
        tiling = self.all_tiles.tiling
        parts = []
        for tile, turned in zip(np.asarray(tiles).tolist(), np.asarray(mirrored).tolist(), strict=True):
            part = cut_mask(self.mask_of(int(tiling.image[tile])), tiling.corner[tile].tolist(), tiling.side)
            parts.append(np.ascontiguousarray(part[..., ::-1]) if turned else part)
        return torch.from_numpy(np.stack(parts).astype(np.int64))
