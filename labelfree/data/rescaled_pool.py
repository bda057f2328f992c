"""A pool read as if its numbers were stored on another scale, as those of the images it is looked at beside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from labelfree.data.pool_reader import Pool


class RescaledPool(Pool):
    """`pool` whose entries come in float32 and mean the same with other `scale` and `offset` (one number a channel each)."""

    def __init__(self, pool: Pool, scale: tuple[float, ...], offset: tuple[float, ...]) -> None:
        self.__dict__.update(pool.__dict__)
        per_channel = [torch.tensor(numbers, dtype=torch.float64) for numbers in (pool.scale, pool.offset, scale, offset)]
        own_scale, own_offset, other_scale, other_offset = per_channel
        self.times, self.plus = own_scale / other_scale, (own_offset - other_offset) / other_scale
        self.scale, self.offset = scale, offset

    def __getitem__(self, entry: int) -> Tensor:
        return self._restored(super().__getitem__(entry)[None])[0]

    def batch(self, entries: Sequence[int] | np.ndarray | Tensor) -> Tensor:
        return self._restored(super().batch(entries))

    def whole(self, entries: Sequence[int] | np.ndarray | Tensor) -> Tensor:
        return self._restored(super().whole(entries))

    def _restored(self, stored: Tensor) -> Tensor:
        """(B, C, *spatial)."""
        shape = (1, -1, *(1,) * (stored.ndim - 2))
        return (stored.double() * self.times.view(shape) + self.plus.view(shape)).float()
