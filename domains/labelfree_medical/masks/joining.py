"""Several files that are one mask together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from labelfree.domain import IGNORE
from labelfree.errors import DataError


def joined(masks: Mapping[Path, np.ndarray]) -> np.ndarray:
    """(*spatial) int32: the class that any of these, on one grid, shows; `IGNORE` where none does and one of them knows nothing.

    Raises `DataError` naming two files that show classes in the same voxels.
    """
    shown, whose = np.zeros((2, *next(iter(masks.values())).shape), np.int32)
    unknown = np.zeros(shown.shape, bool)
    for place, (path, numbers) in enumerate(masks.items()):
        drawn = (numbers != 0) & (numbers != IGNORE)
        twice = drawn & (shown != 0)
        if twice.any():
            other = list(masks)[int(whose[twice][0])]
            raise DataError(
                f"{path}: overlaps {other.name} in {int(twice.sum()):,} voxels, and each voxel has one class; name one file in a column "
                "mask of data.labels, or save the segments in one file (.seg.nrrd, DICOM-SEG), where what they share is a class."
            )
        shown[drawn], whose[drawn] = numbers[drawn], place
        unknown |= numbers == IGNORE
    shown[unknown & (shown == 0)] = IGNORE
    return shown
