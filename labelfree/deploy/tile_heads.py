"""What heads of features on tiles share: an image is looked at in rows of tiles, read where it lies; none has to stand in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones.weights import accepted
from labelfree.data.measured_pixels import finite
from labelfree.data.moments import joined, two_pixels
from labelfree.data.windows import windowed
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.loaded_head import WHO, LoadedHead
from labelfree.domain import Domain, Row, Sample, Window, extent_of
from labelfree.errors import DataError
from labelfree.installed_domains import key_for
from labelfree.transfer.encoders import PIXELS, Encoder
from labelfree.transfer.tiles.base import TileHead
from labelfree.transfer.tiles.features import input_size
from labelfree.transfer.tiles.tiling import covering, cut, cut_all

T = TypeVar("T")
Reads = Callable[[int, int], Sample]  # slices of an image from a first to before a last along its first spatial axis
Wanted = Callable[[int, int], np.ndarray]  # (n, *rest) bool, where anything is asked at all
Corner = tuple[int, ...]
SLICES = 2**24  # pixels of an image that are read together for its statistics


class TilesHead(LoadedHead[T]):
    """A head that looks at tiles of one size, beside its network."""

    head: TileHead

    def __init__(self, path: Path, card: HeadCard, domain: Domain, encoder: Encoder, head: TileHead) -> None:
        self.device = torch.device(getattr(encoder, "device", "cpu"))
        super().__init__(path, card, domain, encoder, head.to(self.device))

    def corners(self, size: tuple[int, ...]) -> list[int]:
        """First slices of the rows of tiles that an image of this size is looked at in."""
        return covering(size[0], self.card.shape[0])

    def whole(self, read: Reads, size: tuple[int, ...]) -> Tensor | None:
        """(1, C, 2): of an image that is read in slices two pixels with its mean and standard deviation, where the network's input goes by
        them (`Encoder.by_image`).
        """
        if not self.encoder.by_image:
            return None
        step = max(1, SLICES // int(np.prod(size[1:])))
        parts = (finite(read(start, min(start + step, size[0]))) for start in range(0, size[0], step))
        told = joined(self._measured(part) for part in parts if part.empty < 1)
        return torch.from_numpy(two_pixels(told)[None]).float()

    def _measured(self, sample: Sample) -> tuple[np.ndarray, np.ndarray | None]:
        """Physical numbers (C, *spatial), and where they are measured."""
        return accepted(self.card.images, sample, WHO).numpy(), None if sample.measured is None else sample.measured.numpy()

    def looked_at(self, sample: Sample, known: np.ndarray, first: int, whole: Tensor | None) -> Iterator[tuple[list[Corner], list[Tensor]]]:
        """All tiles of one row of them, some at a time: where each begins in the sample, and the levels of their features.

        `first`: slice of the sample, of all that the row shows, that it begins with. `known`: (n, *rest) bool; a tile without any is left
        out. `whole`: what the method of that name gives. Raises DataError for an image that this head does not take.
        """
        side = self.card.shape
        pixels, there = self._measured(sample)
        measured = None if there is None else there[None]
        room = max(1, PIXELS // (4 * int(np.prod(side))))
        asked = ((first, *rest) for rest in product(*map(covering, known.shape[1:], side[1:])))
        shown = [corner for corner in asked if cut(known[None], corner, side).any()]
        for start in range(0, len(shown), room):
            corners = shown[start : start + room]
            yield corners, self._levels(pixels, measured, corners, whole)

    def _levels(self, pixels: np.ndarray, measured: np.ndarray | None, corners: list[Corner], whole: Tensor | None) -> list[Tensor]:
        side = self.card.shape
        physical = torch.from_numpy(cut_all(pixels, corners, side))
        there: Tensor | None = None
        if measured is not None:
            there = torch.from_numpy(cut_all(measured, corners, side)[:, 0])
        known = None if whole is None else whole.expand(len(corners), -1, -1)
        return [level.to(self.device) for level in self.encoder.maps(physical, there, input_size(side, self.size), known)]


@dataclass(frozen=True)
class Slices:
    """An image read in slices along its first spatial axis. `first`: a part that begins at its first pixel; `size`: of all of it."""

    first: Sample
    size: tuple[int, ...]
    read: Reads


def slices(domain: Domain, row: Row) -> Slices:
    """A scene is read where it lies, anything else stands in memory. Raises DataError where it cannot be read, or nothing is measured."""
    size = None if row.window else extent_of(domain)(row)
    if size is None:
        return in_memory(domain.read(row), domain.name)
    scene = size

    def read(start: int, stop: int) -> Sample:
        return domain.read(windowed(row, Window((start, *(0,) * (len(scene) - 1)), (stop - start, *scene[1:]))))

    return Slices(read(0, 1), scene, read)


def in_memory(sample: Sample, domain: str) -> Slices:
    """Of an image that `domain` read. Raises DataError where nothing of it is measured."""
    if sample.empty == 1:
        told = f"{sample.source or 'this image'}: none of its pixels holds a measurement"
        raise DataError(f"{told}; leave it out, or correct what {key_for('gaps', domain)} says.")
    whole = sample.with_one_scale()

    def read(start: int, stop: int) -> Sample:
        measured = None if whole.measured is None else whole.measured[start:stop]
        return replace(whole, data=whole.data[:, start:stop], measured=measured)

    return Slices(whole, tuple(whole.data.shape[1:]), read)


def known_pixels(sample: Sample, wanted: np.ndarray | None) -> np.ndarray:
    """(n, *rest) bool: what is measured of the sample's slices, and `wanted`."""
    asked = np.ones(tuple(sample.data.shape[1:]), bool) if wanted is None else wanted
    return asked if sample.measured is None else asked & sample.measured.numpy()
