"""2D slices of volumes as they are looked at: front or head up, the patient's right on the left side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from labelfree.errors import DataError
from labelfree_medical.orientation import upright_volume
from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    import numpy as np

Plane = Literal["axial", "coronal", "sagittal"]
ACROSS: dict[str, int] = {"sagittal": 0, "coronal": 1, "axial": 2}  # of right, anterior, superior: the axis that a plane is cut across


def slice_of(
    stored: Stored, plane: Plane, number: int, mask: np.ndarray | None = None, called: str = ""
) -> tuple[Stored, np.ndarray | None]:
    """One slice (C, rows, columns) and its part of the mask.

    Its affine takes (row, column, 0, 1) to mm in RAS+; its third column is the step to the next slice. Raises `DataError` naming the
    file where nothing places the volume, or there is no such slice.
    """
    import numpy as np

    if stored.affine is None or stored.data.ndim != 4:
        raise DataError(f"{called}: nothing says how it lies, so it has no known planes; leave reader.slices out for such files.")
    volume, turned = upright_volume(stored, mask)
    assert volume.affine is not None
    across = ACROSS[plane]
    count = volume.data.shape[1 + across]
    if not 0 <= number < count:
        raise DataError(f"{called}: has {count} {plane} slices, none of number {number}; correct the path.")
    down, along = {"sagittal": (2, 1), "coronal": (2, 0), "axial": (1, 0)}[plane]

    def cut(values: np.ndarray) -> np.ndarray:
        lying = np.take(values, number, axis=values.ndim - 3 + across)
        lying = lying.swapaxes(-1, -2)  # rows, the higher axis of the two, before columns
        return lying[..., ::-1, ::-1]

    steps, ends = volume.affine[:3, :3], np.zeros(3)
    ends[[down, along, across]] = volume.data.shape[1 + down] - 1, volume.data.shape[1 + along] - 1, number
    affine = np.eye(4)
    affine[:3, :3] = np.stack([-steps[:, down], -steps[:, along], steps[:, across]], axis=1)
    affine[:3, 3] = steps @ ends + volume.affine[:3, 3]
    spacing = volume.spacing and (volume.spacing[down], volume.spacing[along])
    measured = None if volume.measured is None else cut(volume.measured)
    picture = replace(volume, data=cut(volume.data), affine=affine, spacing=spacing, measured=measured)
    return picture, None if turned is None else cut(turned)
