"""The whole numbers that an image holds whose voxels name classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelfree.data import masks
from labelfree.domain import IGNORE
from labelfree.errors import DataError
from labelfree_medical.stored import Stored

ROUNDING = 1e-3  # of a whole number saved as a fraction


def whole_numbers(path: Path, stored: Stored) -> np.ndarray:
    """(C, *spatial) int32: numbers within rounding of whole ones, `IGNORE` where nothing was measured.

    Raises `DataError` naming the file where it holds fractions, or numbers too large.
    """
    numbers = _scaled(stored)
    if numbers.dtype.kind == "f":
        rounded = np.rint(numbers)
        apart = np.abs(numbers - rounded) > ROUNDING
        if apart.any():
            raise DataError(
                f"{path}: holds fractions ({numbers[apart][0]:.3g}); save a mask whose whole numbers name the class of each voxel."
            )
        numbers = rounded
    whole = masks.whole_numbers(path, numbers)
    if stored.measured is not None:
        whole[:, ~stored.measured] = IGNORE
    return whole


def one_number_a_voxel(path: Path, stored: Stored) -> np.ndarray:
    """(*spatial) int32 as `whole_numbers` gives them. Raises `DataError` for channels that differ."""
    numbers = whole_numbers(path, stored)
    if (numbers != numbers[:1]).any():
        raise DataError(f"{path}: holds {len(numbers)} channels that differ; save one number a voxel, or segments as .seg.nrrd.")
    return np.asarray(numbers[0])


def _scaled(stored: Stored) -> np.ndarray:
    """The numbers that the file means: those stored, by its scale; gray levels of a picture as they are."""
    if stored.unit == "display":
        return stored.data
    scale, offset = np.asarray(stored.scale, float), np.asarray(stored.offset, float)
    if (scale == 1).all() and (offset == 0).all():
        return stored.data
    beside = (*scale.shape, *(1,) * (stored.data.ndim - scale.ndim))
    return stored.data * scale.reshape(beside) + offset.reshape(beside)
