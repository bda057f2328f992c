"""Labelled images as fine-tuning sees them: never twice the same part, pose and light, as far as their field's views allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Generator, Tensor

from labelfree.domain import sides
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.network_inputs import OfStored
from labelfree.views import PerChannel, ViewPipeline

if TYPE_CHECKING:
    from labelfree.data.pool import Pool

LEAST_SHOWN = 0.5  # of an image's area, in any view: what it is called may lie in one corner of it


@dataclass(frozen=True)
class LabelledViews:
    """The images of one budget, `entries` of a pool, and their `targets`: (n,) positions of classes, sets of them, (n, K) whole numbers 0
    and 1, or shares of them that another head answered, (n, K) floating point. `size`: the network's input size.
    """

    network: NetworkEncoder
    pool: Pool
    entries: np.ndarray
    targets: np.ndarray
    size: int

    def __len__(self) -> int:
        return len(self.entries)

    def inputs(self, rows: Sequence[int] | np.ndarray, generator: Generator) -> Tensor:
        """(b, C, *size) of some of the images, by their positions among these: a view of each, where the field knows any."""
        wanted = [int(self.entries[row]) for row in rows]
        if self.pool.uniform:
            return self._view(self.pool.batch(wanted), self.pool.measured(wanted), generator)
        return torch.cat([self._view(self.pool[entry][None], self.pool.measured([entry]), generator) for entry in wanted])

    def classes(self, rows: Sequence[int] | np.ndarray) -> Tensor:
        """(b,) int64 positions of their classes, (b, K) int64 sets, or (b, K) float32 shares."""
        wanted = self.targets[np.asarray(rows)]
        return torch.from_numpy(wanted.astype(np.float32 if self.shares else np.int64))

    @property
    def shares(self) -> bool:
        """Whether targets are shares of classes, which add up to 1."""
        return np.issubdtype(self.targets.dtype, np.floating)

    def _view(self, stored: Tensor, measured: Tensor | None, generator: Generator) -> Tensor:
        """Of images (b, C, *spatial) of one size; crops, poses and what light and air do are made in physical units."""
        reads = self.network.prepare
        if self._views is None or not isinstance(reads, OfStored):
            return self.network.shown(stored, measured, self.size)
        size = sides(reads.shown.sized(self.size, stored.shape[2:]), stored.ndim - 2)
        there = stored.to(self.network.device)
        known = None if measured is None else measured.to(self.network.device)
        (seen,) = self._views.each(there, 1, size, self._shares, generator, measured=(known, None))
        return reads.shown(seen.physical, size, seen.measured)

    @property
    def _shares(self) -> tuple[float, float]:
        """Of an image's area that a view may show."""
        assert self.network.augmentation is not None
        least, most = self.network.augmentation.global_scale
        return max(least, LEAST_SHOWN), max(most, LEAST_SHOWN)

    @cached_property
    def _views(self) -> ViewPipeline | None:
        """Up to physical units: each network normalises as it does otherwise, and is shown all of its channels."""
        reads, augmentation = self.network.prepare, self.network.augmentation
        if augmentation is None or not isinstance(reads, OfStored):
            return None
        channels = len(reads.scale)
        as_it_is = PerChannel((0.0,) * channels, (1.0,) * channels)
        return ViewPipeline(replace(augmentation, late=()), as_it_is, reads.scale, reads.offset).to(self.network.device)
