"""What a pool knows of each image without its pixels: a digest for exact copies, a thumbnail for near ones, its place on the ground."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from labelfree.data.measured_pixels import pack
from labelfree.data.moments import moments
from labelfree.data.same_values import trace
from labelfree.domain import Place, Sample

THUMB = 32


@dataclass(frozen=True)
class Facts:
    """What was seen of one image when it was decoded."""

    digest: str
    most: float
    trace: np.ndarray
    thumb: np.ndarray
    crs: str
    bounds: tuple[float, float, float, float]
    spacing: tuple[float, ...]
    moments: np.ndarray


@dataclass(frozen=True)
class PoolIndex:
    """One line an image in `digests`, `most` (R,), `traces` (R, k), `thumbs` (R, 32, 32), `crs`, `bounds` (R, 4), `spacing` (R, d),
    `moments` (R, C, 2), the whole image's in stored numbers; one line an entry in the rest.

    Entries are images, or tiles cut from them: `row_of` (E,) names the image, `shape` (E, d) the entry's spatial size, `corner` (E, d)
    its first pixel in the image. `holes` (E + 1,): where the bits of its measured pixels stand in the store's `measured.bin`, no bytes
    where all are.
    `digest`, `thumb`, `places` look the image up for each entry: tiles of one image share them.
    """

    digests: np.ndarray
    most: np.ndarray
    traces: np.ndarray
    thumbs: np.ndarray
    crs: np.ndarray
    bounds: np.ndarray
    spacing: np.ndarray
    moments: np.ndarray
    row_of: np.ndarray
    shape: np.ndarray
    corner: np.ndarray
    offsets: np.ndarray
    checks: np.ndarray
    holes: np.ndarray

    @property
    def digest(self) -> np.ndarray:
        """(E,) hash of all that the whole image says."""
        return self.digests[self.row_of]

    @property
    def thumb(self) -> np.ndarray:
        """(E, 32, 32) float32 channel-mean gray of the whole image, averaged over areas."""
        return self.thumbs if len(self.thumbs) == len(self.row_of) else self.thumbs[self.row_of]

    def place(self, row: int) -> Place | None:
        """Where image `row` lies, None without coordinates."""
        if not self.crs[row] or not np.isfinite(self.bounds[row]).all():
            return None
        left, bottom, right, top = map(float, self.bounds[row])
        return Place(str(self.crs[row]), (left, bottom, right, top))

    def place_of(self, entry: int) -> Place | None:
        """Where an entry lies, None without coordinates: a tile of a raster that has north up."""
        row = int(self.row_of[entry])
        whole = self.place(row)
        down, across = self.spacing[row][-2:] if self.spacing.shape[1] >= 2 else (np.nan, np.nan)
        if whole is None or not np.isfinite(down + across) or not self._cut[row]:
            return whole
        (y, x), (height, width) = self.corner[entry][-2:], self.shape[entry][-2:]
        left, top = whole.bounds[0] + float(x * across), whole.bounds[3] - float(y * down)
        return Place(whole.crs, (left, top - float(height * down), left + float(width * across), top))

    @cached_property
    def _cut(self) -> np.ndarray:
        """(R,) whether an image was cut into several entries, or padded."""
        several = np.bincount(self.row_of, minlength=len(self.digests)) > 1
        several[self.row_of[(self.corner != 0).any(1)]] = True
        return several


def facts(sample: Sample, stored: np.ndarray, measured: np.ndarray | None) -> Facts:
    """Digest, trace, thumbnail and place of one decoded image. `stored`: its numbers as the pool holds them, `measured` there."""
    pixels = sample.data.numpy()
    bounds = sample.bounds or (np.nan,) * 4
    spacing = sample.spacing or (np.nan,) * (pixels.ndim - 1)
    return Facts(
        digest(sample), largest(sample), trace(sample), thumbnail(pixels), sample.crs or "", bounds, spacing, moments(stored, measured)
    )


def largest(sample: Sample) -> float:
    """The largest value of a sample, without sign, in physical units; what was not measured is filled, and no larger."""
    pixels = sample.data.numpy().reshape(len(sample.data), -1)
    ends = np.stack([pixels.min(axis=1), pixels.max(axis=1)]).astype(np.float64)
    return float(np.abs(ends * np.array(sample.scale) + np.array(sample.offset)).max())


def digest(sample: Sample) -> str:
    """Hash of all that an image says: shape, stored numbers, what they stand for, where they are measured."""
    pixels = sample.data.numpy()
    meant = (pixels.shape, sample.channels, sample.scale, sample.offset, sample.unit)
    seen = hashlib.blake2b(repr(meant).encode(), digest_size=16)
    seen.update(np.ascontiguousarray(pixels).data.cast("B") if pixels.size else b"")
    seen.update(pack(None if sample.measured is None else sample.measured.numpy()))
    return seen.hexdigest()


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """(C, *spatial) to (32, 32) float32: mean over channels (and over the slices of a volume), averaged over areas."""
    gray = pixels.mean(axis=tuple(range(pixels.ndim - 2)), dtype=np.float32)
    gray = np.nan_to_num(gray, nan=0.0, posinf=0.0, neginf=0.0)
    rows, columns = (_areas(side) for side in gray.shape)
    return (rows @ gray @ columns.T).astype(np.float32)


@lru_cache(maxsize=64)
def _areas(side: int) -> np.ndarray:
    """(32, side) weights that average a line of `side` pixels over 32 equal stretches; mirror-symmetric, so poses commute with it."""
    edges = np.linspace(0, side, THUMB + 1)[:, None]
    pixel = np.arange(side)[None]
    overlap = np.clip(np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel), 0, None)
    return (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
