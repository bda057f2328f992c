"""Several files that are one mask together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from labelfree.domain import IGNORE
from labelfree.errors import DataError

SAME = 0.5  # of the voxels that two files mark together: above, both drew one thing
SMALLER = "where two of them overlap, the smaller structure is taken"  # said wherever files are joined


def joined(masks: Mapping[Path, np.ndarray]) -> np.ndarray:
    """(*spatial) int32: the class that any of these, on one grid, shows; `IGNORE` where none does and one of them knows nothing.

    Where several do it is the class of fewer voxels: a lesion lies within its organ, and borders of neighbours meet.
    Raises `DataError` naming two files of which each marks mostly what the other does.
    """
    shown = np.zeros(next(iter(masks.values())).shape, np.int32)
    unknown = np.zeros(shown.shape, bool)
    drawn = list[tuple[int, Path, int]]()  # how many voxels a file marks as a class
    for path, numbers in masks.items():
        found, counts = np.unique(numbers, return_counts=True)
        drawn += [(count, path, number) for number, count in zip(found.tolist(), counts.tolist(), strict=True) if number not in (0, IGNORE)]
        unknown |= numbers == IGNORE
    for count, path, number in sorted(drawn, reverse=True):
        here = masks[path] == number
        _require_another(count, path, shown[here], drawn)
        shown[here] = number
    shown[unknown & (shown == 0)] = IGNORE
    return shown


def _require_another(count: int, path: Path, below: np.ndarray, drawn: list[tuple[int, Path, int]]) -> None:
    """Raises `DataError` where most of what is about to be drawn, `count` voxels, is all that another file drew there."""
    for number, shared in zip(*np.unique(below[below != 0], return_counts=True), strict=True):
        whole, other = next((size, file) for size, file, held in drawn if held == number)
        if shared > SAME * (whole + count - shared):
            raise DataError(
                f"{path}: overlaps {other.name} in {shared:,} voxels, more than half of what both mark, so they may have drawn one thing; "
                "name the file that counts in a column mask of data.labels, or save the segments in one file (.seg.nrrd, DICOM-SEG), where "
                "what they share is a class."
            )
