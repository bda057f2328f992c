"""NumPy arrays (.npy): height maps and pictures that a script saved."""

from __future__ import annotations

from pathlib import Path

from labelfree.errors import DataError
from labelfree_inspection.files.picture import Picture, picture_of


def decode(path: Path, page: int | None) -> Picture:
    """(rows, columns) or (rows, columns, samples); colours that stand first are put last."""
    import numpy as np

    data = np.load(path, allow_pickle=False, mmap_mode="r")
    if data.ndim == 3 and data.shape[0] in (1, 3) and data.shape[2] not in (1, 2, 3, 4):
        data = np.moveaxis(data, 0, -1)
    if data.ndim not in (2, 3):
        raise DataError(f"{path}: has {data.ndim} axes; save each picture as a file of its own, rows x columns[ x colours].")
    return picture_of(np.array(data), path, bits=1 if data.dtype == bool else None)


def size(path: Path, page: int | None) -> tuple[int, int]:
    """(rows, columns)."""
    import numpy as np

    shape = np.load(path, allow_pickle=False, mmap_mode="r").shape
    first = len(shape) == 3 and shape[0] in (1, 3) and shape[2] not in (1, 2, 3, 4)
    return shape[1:3] if first else shape[:2]
