"""Copies by what they measure: the same values as uint16 with an offset, as int16 or as float32, in any file format."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from labelfree.domain import Sample

SIGNS = 4  # sums over an image, each with its own signs
TOGETHER = 2**22  # numbers that are looked at together, in float64: of a volume some slices at a time
LIKE = 2e-6  # of the length of an image's values: what rounding to float32 may move a sum


def trace(sample: Sample) -> np.ndarray:
    """(2 + SIGNS,) float64 by which `same_values` tells images apart: a mark of the size, the length of the values, signed sums of them.

    Values are physical, and 0 where there is no measurement. Sums are taken with random signs +-1, products of one sign an axis, so that
    images which differ anywhere have other sums.
    """
    pixels, gaps = sample.data.numpy(), None if sample.measured is None else ~sample.measured.numpy()
    channel_signs, *axes = _signs(pixels.shape)
    sums, squares = np.zeros(SIGNS), 0.0
    step = max(1, TOGETHER // max(1, int(np.prod(pixels.shape[2:]))))  # along the first spatial axis
    for stored, scale, offset, signs in zip(pixels, sample.scale, sample.offset, channel_signs, strict=True):
        for part in (slice(start, start + step) for start in range(0, len(stored), step)):
            values = stored[part].astype(np.float64) * scale + offset  # in float32 an offset would leave dark values a few digits
            if gaps is not None:
                values[gaps[part]] = 0.0
            if stored.dtype.kind == "f":
                values[~np.isfinite(values)] = 0.0
            flat = values.ravel()
            squares += float(flat @ flat)
            lines = [axes[0][part], *axes[1:]]
            summed = values @ lines[-1]  # (*spatial[:-1], SIGNS)
            for others in reversed(lines[:-1]):
                summed = (summed * others).sum(axis=-2)
            sums += summed * signs
    return np.array([_size(pixels.shape), squares**0.5, *sums])


def same_values(traces: np.ndarray, others: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (i, j) of rows of `traces` and `others` (n, 2 + SIGNS) that are of images of equal size and equal values, in order."""
    if not len(traces) or not len(others):
        return []
    order = np.argsort(others[:, 1], kind="stable")
    lengths = others[order, 1]
    slack = LIKE * traces[:, 1]
    first, last = np.searchsorted(lengths, traces[:, 1] - slack, "left"), np.searchsorted(lengths, traces[:, 1] + slack, "right")
    pairs = []
    for i in np.flatnonzero(last > first):
        near = order[first[i] : last[i]]
        like = (others[near, 0] == traces[i, 0]) & (np.abs(others[near, 2:] - traces[i, 2:]) <= slack[i]).all(axis=1)
        pairs += [(int(i), int(j)) for j in np.sort(near[like])]
    return pairs


def groups_of_copies(traces: np.ndarray) -> list[list[int]]:
    """Positions of images that hold the same values, in lists of two or more."""
    if not len(traces):
        return []
    different, which = np.unique(traces, axis=0, return_inverse=True)  # thousands of blank images are one
    leader = list(range(len(different)))
    for i, j in same_values(different, different):
        if i < j and leader[j] == j:
            leader[j] = leader[i]
    members: dict[int, list[int]] = {}
    for position, number in enumerate(which.ravel().tolist()):
        members.setdefault(leader[number], []).append(position)
    return [group for group in members.values() if len(group) > 1]


@lru_cache(maxsize=64)
def _signs(shape: tuple[int, ...]) -> list[np.ndarray]:
    """For each axis (length, SIGNS) of +-1, the same on every machine."""
    draw = np.random.default_rng([len(shape), *shape])
    return [draw.integers(0, 2, (length, SIGNS)) * 2.0 - 1.0 for length in shape]


@lru_cache(maxsize=1024)
def _size(shape: tuple[int, ...]) -> float:
    """A number that tells sizes apart, the same in every process."""
    return float(np.random.default_rng([len(shape), *shape]).integers(2**52))
