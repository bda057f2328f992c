"""Features as directions: rows of unit length, read block by block, so that a memory map of any size has room."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labelfree.errors import DataError

BLOCK = 2**24  # numbers read at once: 64 MiB in single precision


def directions(features: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
    """(len(rows), D) float32 of unit length; a row of zeros stays one. Raises DataError for a row that is not finite."""
    block = np.array(features[rows], dtype=np.float32)
    lengths = np.linalg.norm(block, axis=1)
    if not np.isfinite(lengths).all():
        at = int(np.flatnonzero(~np.isfinite(lengths))[0])
        position = range(len(features))[rows][at] if isinstance(rows, slice) else int(rows[at])
        raise DataError(f"features: row {position} (from 0) is not finite; embed that image again, or take it out.")
    block /= np.maximum(lengths, np.finfo(np.float32).tiny)[:, None]
    return block


def blocks(count: int, width: int) -> Iterator[slice]:
    """Slices of `count` rows of `width` numbers, as many rows at once as fit in a block."""
    step = max(1, BLOCK // max(1, width))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def sample(rows: np.ndarray, most: int, seed: int | list[int]) -> np.ndarray:
    """The rows, or `most` of them drawn at random, in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
