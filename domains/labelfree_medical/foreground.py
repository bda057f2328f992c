"""What of an image is not the air around the patient: the smallest box around it, with a margin."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labelfree_medical.amounts import with_one_scale
from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    import numpy as np

AIR = 0.1  # of the way from the smallest value to the 99th percentile: below lie air and its noise
ENOUGH = 2**20  # voxels to tell a percentile by
MARGIN = 2  # voxels around the box, where there are as many


def foreground_box(stored: Stored) -> tuple[slice, ...]:
    """A slice an axis around all voxels that any channel shows as more than air, by what was measured; all where none is."""
    import numpy as np

    stored = with_one_scale(stored)
    sizes = stored.data.shape[1:]
    whole, shown = tuple(slice(0, size) for size in sizes), np.zeros(sizes, dtype=bool)
    if stored.measured is not None and not stored.measured.any():
        return whole
    for channel, direction in zip(stored.data, np.sign(np.asarray(stored.scale, dtype=float)), strict=True):
        values = channel if direction >= 0 else -channel.astype(np.float32)
        seen = values.ravel(order="K") if stored.measured is None else values[stored.measured]
        low, high = float(seen.min()), float(np.percentile(seen[:: 1 + seen.size // ENOUGH], 99))
        shown |= values > low + AIR * (high - low)
    if stored.measured is not None:
        shown &= stored.measured
    if not shown.any():
        return whole
    box = []
    for axis, size in enumerate(sizes):
        there = np.flatnonzero(shown.any(axis=tuple(other for other in range(shown.ndim) if other != axis)))
        box.append(slice(max(0, int(there[0]) - MARGIN), min(size, int(there[-1]) + 1 + MARGIN)))
    return tuple(box)


def cropped(stored: Stored, box: tuple[slice, ...], mask: np.ndarray | None = None) -> tuple[Stored, np.ndarray | None]:
    """The part of an image and of its mask in a box, placed where it lies."""
    import numpy as np

    stored = with_one_scale(stored)
    affine = stored.affine
    if affine is not None:
        moved = np.eye(4)
        moved[: len(box), 3] = [part.start for part in box]
        affine = affine @ moved
    measured = None if stored.measured is None else stored.measured[box]
    return replace(stored, data=stored.data[:, *box], affine=affine, measured=measured), None if mask is None else mask[box]
