"""The pool: images decoded once into a memory-mapped store, read from there in batches without any per-image decoding."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelfree.data.measured_pixels import unpack
from labelfree.data.moments import two_pixels
from labelfree.data.pool_store import map_data, read_bits, read_index
from labelfree.data.scales import Stored
from labelfree.domain import Channel, Fingerprint, Place, Row, Sample, Shown, Size, as_size
from labelfree.errors import DataError

CHUNK = 32 * 2**20  # numbers looked at together when statistics are taken
MOST_NUMBERS = 2**30  # numbers looked at in all; beyond that entries are taken at equal distances


class Pool:
    """A store opened for reading. Entries are whole images, or tiles of them; all are in the stored dtype.

    `rows`: the manifest row of each entry. `skipped`: (row id, reason) of images that could not be read, `empty`: rows of those left out
    for want of measurements.
    `scale`, `offset`: one number a channel, physical = stored * scale + offset. `channels` know what they show, as the files told.
    """

    def __init__(self, folder: Path, meta: dict[str, Any], rows: Sequence[Row]) -> None:
        """`rows`: the manifest rows the store was asked for; those that were skipped or sampled away are left out."""
        self.folder = folder
        self.channels: tuple[Channel, ...] = tuple(Channel(*known) for known in meta["channels"])
        self.scale: tuple[float, ...] = tuple(meta["scale"])
        self.offset: tuple[float, ...] = tuple(meta["offset"])
        self.unit: str = meta["unit"]
        self.tile: Size | None = None if meta["tile"] is None else as_size(meta["tile"])
        self.skipped: list[tuple[str, str]] = [(identity, reason) for identity, reason in meta["skipped"]]
        self.index = read_index(folder)
        by_id = {row.id: row for row in rows}
        self.empty: list[Row] = [by_id[identity] for identity in meta["empty"]]
        self.images: list[Row] = [by_id[identity] for identity in meta["ids"]]
        self.row_of: np.ndarray = self.index.row_of
        self.uniform = bool((self.index.shape == self.index.shape[0]).all())

    @cached_property
    def _data(self) -> np.ndarray:
        return map_data(self.folder)

    @cached_property
    def _bits(self) -> np.ndarray:
        return read_bits(self.folder)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_data", "_bits")}  # a worker opens the files itself

    @cached_property
    def rows(self) -> list[Row]:
        """The row of each entry."""
        return [self.images[i] for i in self.row_of]

    @cached_property
    def _entries(self) -> dict[str, list[int]]:
        entries: dict[str, list[int]] = {}
        for entry, row in enumerate(self.row_of):
            entries.setdefault(self.images[row].id, []).append(entry)
        return entries

    def entries(self, rows: Sequence[Row]) -> np.ndarray:
        """Positions of all entries of these rows, in the rows' order; rows that the pool does not hold have none."""
        return np.array([entry for row in rows for entry in self._entries.get(row.id, ())], dtype=np.int64)

    @property
    def dtype(self) -> torch.dtype:
        """The stored dtype."""
        return torch.from_numpy(np.empty(0, self._data.dtype)).dtype

    @property
    def stored(self) -> Stored:
        """How its numbers are stored."""
        return Stored(str(self._data.dtype), self.scale, self.offset)

    def __len__(self) -> int:
        return len(self.row_of)

    def __getitem__(self, entry: int) -> Tensor:
        """One entry: (C, *spatial), stored dtype, a copy."""
        return torch.from_numpy(self._pixels(range(len(self))[entry]).copy())

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def batch(self, entries: Sequence[int] | np.ndarray | Tensor) -> Tensor:
        """Several entries: (B, C, *spatial), stored dtype, a copy. Only where all entries have one size."""
        if not self.uniform:
            raise DataError(f"{self.folder.name}: images differ in size and cannot be batched; set pool.tile to a side in pixels.")
        return torch.from_numpy(self._data[np.asarray(entries, dtype=np.int64)])

    def measured(self, entries: Sequence[int] | np.ndarray | Tensor) -> Tensor | None:
        """Where these entries, of one size, are measured: (B, *spatial) bool; None where everywhere."""
        masks = [self._measured(int(entry)) for entry in entries]
        if all(mask is None for mask in masks):
            return None
        whole = np.ones(tuple(self.index.shape[int(entries[0])]), dtype=bool)
        return torch.from_numpy(np.stack([whole if mask is None else mask for mask in masks]))

    def whole(self, entries: Sequence[int] | np.ndarray | Tensor) -> Tensor:
        """(B, C, 2) float32: of the images that these entries are parts of, two pixels in stored numbers that have their mean and standard
        deviation.
        """
        return torch.from_numpy(two_pixels(self.index.moments[self.row_of[np.asarray(entries)]])).float()

    def _measured(self, entry: int) -> np.ndarray | None:
        start, stop = self.index.holes[entry : entry + 2]
        return unpack(self._bits[start:stop], tuple(self.index.shape[entry])) if stop > start else None

    def sample(self, entry: int) -> Sample:
        """One entry as the domain shows it."""
        mask = self._measured(range(len(self))[entry])
        there = None if mask is None else torch.from_numpy(mask)
        spacing = tuple(map(float, self.index.spacing[self.row_of[entry]]))
        known = spacing if np.isfinite(spacing).all() else None
        return Sample(self[entry], self.channels, self.scale, self.offset, self.unit, spacing=known, measured=there)

    def places(self) -> dict[str, Place]:
        """Where each image lies, by row id; images without coordinates are left out."""
        places = ((row.id, self.index.place(i)) for i, row in enumerate(self.images))
        return {identity: place for identity, place in places if place is not None}

    def shown(self, entries: Sequence[int] | np.ndarray) -> list[Shown]:
        """What these entries show: image and place of each."""
        index = self.index
        return [Shown(self.images[index.row_of[e]], index.place_of(e), tuple(map(int, index.corner[e]))) for e in map(int, entries)]

    def fingerprint(self, entries: Sequence[int] | np.ndarray | None = None) -> Fingerprint:
        """What these entries (default: all) look like, in physical units; pixels without a measurement are left out."""
        chosen = np.arange(len(self)) if entries is None else np.asarray(entries, dtype=np.int64)
        if len(chosen) == 0:
            raise DataError("No image is left to measure: the pretraining pool is empty.")
        mean, std, low, high = self._statistics(chosen)
        scale, offset = np.array(self.scale), np.array(self.offset)
        shapes, images = self.index.shape[chosen], np.unique(self.row_of[chosen])
        digest = hashlib.blake2b("".join(sorted(self.index.digests[images])).encode(), digest_size=16).hexdigest()
        spacing = np.median(self.index.spacing[images], axis=0)
        ends = np.sort([low * scale + offset, high * scale + offset], axis=0)  # a scale may be negative
        return Fingerprint(
            count=len(chosen),
            channels=self.channels,
            dtype=str(self._data.dtype),
            unit=self.unit,
            scale=self.scale,
            offset=self.offset,
            smallest=tuple(map(int, shapes.min(axis=0))),
            largest=tuple(map(int, shapes.max(axis=0))),
            mean=tuple(map(float, mean * scale + offset)),
            std=tuple(map(float, std * np.abs(scale))),
            spacing=tuple(map(float, spacing)) if np.isfinite(spacing).all() else None,
            digest=digest,
            low=tuple(map(float, ends[0])),
            high=tuple(map(float, ends[1])),
        )

    def _pixels(self, entry: int) -> np.ndarray:
        if self.uniform:
            return self._data[entry]
        start, stop = self.index.offsets[entry : entry + 2]
        return self._data[start:stop].reshape(len(self.channels), *self.index.shape[entry])

    def _statistics(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Mean, standard deviation, least and largest of each channel in stored numbers, merged over chunks (Chan et al. 1979)."""
        numbers = len(self.channels) * self.index.shape[chosen].prod(axis=1).sum()
        chosen = np.sort(chosen)[:: max(1, int(np.ceil(numbers / MOST_NUMBERS)))]
        each = int(max(1, CHUNK // max(1, numbers // len(chosen))))
        count = len(self.channels)
        n, mean, m2, low, high = np.zeros(count), np.zeros(count), np.zeros(count), np.full(count, np.inf), np.full(count, -np.inf)
        for start in range(0, len(chosen), each):
            pixels = [self._known(entry) for entry in chosen[start : start + each]]
            for channel in range(count):
                values = np.concatenate([pixel[channel] for pixel in pixels]).astype(np.float64)
                values = values[np.isfinite(values)]
                if values.size == 0:
                    continue
                total, delta = n[channel] + values.size, values.mean() - mean[channel]
                m2[channel] += values.var() * values.size + delta**2 * n[channel] * values.size / total
                mean[channel] += delta * values.size / total
                n[channel] = total
                low[channel], high[channel] = min(low[channel], values.min()), max(high[channel], values.max())
        return mean, np.sqrt(m2 / np.maximum(n, 1)), np.where(n > 0, low, 0.0), np.where(n > 0, high, 0.0)

    def _known(self, entry: int) -> np.ndarray:
        """The measured pixels of an entry, (C, n) stored numbers."""
        pixels, mask = self._pixels(entry).reshape(len(self.channels), -1), self._measured(entry)
        return pixels if mask is None else pixels[:, mask.ravel()]
