"""Features as directions: rows of unit length, read block by block, so that a memory map of any size has room."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labelfree.errors import DataError

BLOCK = 2**24  # numbers read at once: 64 MiB in single precision


def directions(features: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
    """(len(rows), D) float32 of unit length; a row of zeros stays one. Raises DataError for a row that is not finite."""
    block = np.array(features[rows], dtype=np.float32)
    block /= _lengths(block, np.arange(len(features))[rows])[:, None]
    return block


def lengths(features: np.ndarray) -> np.ndarray:
    """(n,) float32 length of each row, just above 0 for a row of zeros. Raises DataError for a row that is not finite."""
    found = np.empty(len(features), np.float32)
    for block in blocks(*features.shape):
        found[block] = _lengths(np.asarray(features[block], np.float32), np.arange(block.start, block.stop))
    return found


def _lengths(vectors: np.ndarray, positions: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.linalg.norm(vectors, axis=1)
    if not np.isfinite(found).all():
        position = positions[np.isfinite(found).argmin()]
        raise DataError(f"features: row {position} (from 0) is not finite; embed that image again, or take it out.")
    return np.maximum(found, np.finfo(np.float32).tiny)


def blocks(count: int, width: int) -> Iterator[slice]:
    """Slices of `count` rows of `width` numbers, as many rows at once as fit in a block."""
    step = max(1, BLOCK // max(1, width))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def sample(rows: np.ndarray, most: int, seed: int | list[int]) -> np.ndarray:
    """The rows, or `most` of them drawn at random, in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
