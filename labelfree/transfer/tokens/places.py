"""What a network says of the places of an image: its coarsest level on a few cells an axis, as features that are kept once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.errors import RecipeError
from labelfree.transfer.encoders import PIXELS, Concatenated, Encoder, in_batches

if TYPE_CHECKING:
    from labelfree.data.pool import Pool

CELLS = {1: 16, 2: 4, 3: 3}  # along each axis, by how many there are


class Places:
    """An encoder of tokens: (n, places * D), one place after the other. A network without maps has one place, its vector."""

    by_image = False

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.arm, self.backbone, self.seed, self.sizes = encoder.arm, encoder.backbone, encoder.seed, encoder.sizes
        self.digest = f"{encoder.digest} places"

    def features(self, pool: Pool, entries: Sequence[int], size: int) -> np.ndarray:
        axes = pool[int(entries[0])].ndim - 1
        batch = max(1, PIXELS // max(1, size) ** axes) if size else 64
        return in_batches(pool, entries, batch, lambda stored, measured: self._places(self.encoder, stored, measured, size))

    def count(self, pool: Pool) -> int:
        """Places an image."""
        return int(self._places(self.encoder, pool[0][None], pool.measured([0]), self.sizes[0] if self.sizes else 0, flat=False).shape[1])

    def _places(self, encoder: Any, stored: Tensor, measured: Tensor | None, size: int, flat: bool = True) -> Tensor:
        parts = encoder.parts if isinstance(encoder, Concatenated) else [encoder]
        levels = [_level(part, stored, measured, size if part.sizes else 0) for part in parts]
        most = max(level.shape[2] for level in levels)
        joined = torch.cat([level if level.shape[2] == most else level.expand(-1, -1, most) for level in levels], 1).transpose(1, 2)
        return joined.flatten(1) if flat else joined


def _level(encoder: Any, stored: Tensor, measured: Tensor | None, size: int) -> Tensor:
    """(B, D, places)."""
    try:
        level = encoder.maps(stored, measured, size)[-1]
    except RecipeError:  # no maps: what it says of the whole
        return torch.as_tensor(encoder.embed(stored, size, measured))[..., None]
    cells = tuple(min(CELLS[level.ndim - 2], side) for side in level.shape[2:])
    pool: Any = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[level.ndim - 3]
    means: Tensor = pool(level.float(), cells).flatten(2)
    return means
