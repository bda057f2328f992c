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
DOWN_ALONG_ACROSS: dict[str, str] = {
    "axial": "yxz",
    "coronal": "zxy",
    "sagittal": "zyx",
}  # axes of rows and columns, and the one cut across
ORDER = "xyz"  # of the axes of a volume, x from side to side, z along the body


def axis_across(volume: Stored, plane: Plane) -> int:
    """Which spatial axis a plane is cut across. `volume`: upright, or placed by nothing."""
    return _order(volume).index(DOWN_ALONG_ACROSS[plane][2])


def slice_of(
    stored: Stored, plane: Plane, number: int, mask: np.ndarray | None = None, called: str = ""
) -> tuple[Stored, np.ndarray | None]:
    """One slice (C, rows, columns) and its part of the mask.

    Its affine takes (row, column, 0, 1) to mm in RAS+; its third column is the step to the next slice. What nothing places is cut by the
    order of its axes, as if x went to the left, y to the back and z up. Raises `DataError` naming the file where there is no such slice.
    """
    import numpy as np

    volume, turned = upright_volume(stored, mask)
    placed = volume.affine is not None
    down, along, across = (_order(volume).index(axis) for axis in DOWN_ALONG_ACROSS[plane])
    count = volume.data.shape[1 + across]
    if not 0 <= number < count:
        raise DataError(f"{called}: has {count} {plane} slices, none of number {number}; correct the path.")
    up, toward_left = placed or plane != "axial", placed  # such axes are turned: to go down, and to the patient's left or back

    def cut(values: np.ndarray) -> np.ndarray:
        lying = np.take(values, number, axis=values.ndim - 3 + across)
        lying = lying if down < along else lying.swapaxes(-1, -2)
        return lying[..., :: -1 if up else 1, :: -1 if toward_left else 1]

    affine = None
    if volume.affine is not None:
        steps, ends = volume.affine[:3, :3], np.zeros(3)
        ends[[down, along, across]] = volume.data.shape[1 + down] - 1, volume.data.shape[1 + along] - 1, number
        affine = np.eye(4)
        affine[:3, :3] = np.stack([-steps[:, down], -steps[:, along], steps[:, across]], axis=1)
        affine[:3, 3] = steps @ ends + volume.affine[:3, 3]
    spacing = volume.spacing and (volume.spacing[down], volume.spacing[along])
    measured = None if volume.measured is None else cut(volume.measured)
    picture = replace(volume, data=cut(volume.data), affine=affine, spacing=spacing, measured=measured)
    return picture, None if turned is None else cut(turned)


def _order(volume: Stored) -> str:
    return ORDER if volume.affine is not None else volume.axes
