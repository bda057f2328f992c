"""Slices of volumes as pictures: which voxels lie in an axial, coronal or sagittal plane, and which way up a viewer shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from labelfree_medical.stored import ImageFiles, Stored

if TYPE_CHECKING:
    import numpy as np

RIGHT, ANTERIOR, SUPERIOR = 0, 1, 2  # of RAS+
ACROSS = {"axial": SUPERIOR, "coronal": ANTERIOR, "sagittal": RIGHT}  # the direction in which slices of a plane follow each other
SHOWN = {  # directions in which a viewer's rows go down and its columns go right: the patient's right is on the left
    "axial": (ANTERIOR, RIGHT),
    "coronal": (SUPERIOR, RIGHT),
    "sagittal": (SUPERIOR, ANTERIOR),
}


class Slice(NamedTuple):
    """One slice of a volume: the `number`-th of `count` at equal distances in a plane."""

    plane: str
    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.plane}-{self.number + 1:0{len(str(self.count))}d}-of-{self.count}"

    @classmethod
    def of(cls, text: str) -> Slice:
        """What `str` gave. Raises ValueError."""
        plane, number, _, count = text.split("-")
        return cls(plane, int(number) - 1, int(count))


def slice_of(volume: Stored, chosen: Slice) -> Stored:
    """(C, rows, columns) of a volume (C, *spatial), turned as a viewer shows it; `spacing` along rows and columns.

    A volume that no file places is cut along its stored axes, the first for axial ones.
    """
    axes = _axes(volume.affine)
    across = axes[ACROSS[chosen.plane]]
    if across != 0 and _along_first(volume):
        volume = _in_physical_units(volume)
    at = _position(volume, chosen)
    spacing = volume.spacing
    directions = SHOWN[chosen.plane]
    return replace(
        volume,
        data=cut(volume, volume.data, chosen, first=1),
        scale=_of_slice(volume.scale, at),
        offset=_of_slice(volume.offset, at),
        affine=None,
        spacing=None if spacing is None else tuple(spacing[axes[direction]] for direction in directions),
        measured=None if volume.measured is None else cut(volume, volume.measured, chosen, first=0),
    )


def cut(volume: Stored, array: np.ndarray, chosen: Slice, first: int) -> np.ndarray:
    """That slice of any array on the grid of a volume. `first`: how many axes stand before the spatial ones."""
    import numpy as np

    axes = _axes(volume.affine)
    across = axes[ACROSS[chosen.plane]]
    rows, columns = (axes[direction] for direction in SHOWN[chosen.plane])
    plane = np.take(array, _position(volume, chosen), axis=first + across)
    left = [axis for axis in range(3) if axis != across]
    if left.index(rows) > left.index(columns):
        plane = np.swapaxes(plane, first, first + 1)
    for place, axis in ((first, rows), (first + 1, columns)):
        if _ascends(volume, axis):  # viewers go from superior to inferior, anterior to posterior, right to left
            plane = np.flip(plane, place)
    return np.ascontiguousarray(plane)


def depth(image: ImageFiles, plane: str, read: Callable[[ImageFiles], Stored]) -> int:
    """How many slices a volume has in a plane: of a series as many as files, whichever plane they lie in; a header or else `read` tells."""
    if len(image.files) > 1 and not image.channels:
        return len(image.files)
    if image.path.name.lower().endswith((".nii", ".nii.gz")):
        import nibabel

        header = nibabel.load(image.path)  # type: ignore[attr-defined]
        return int(header.shape[_axes(header.affine)[ACROSS[plane]]])
    volume = read(image)
    return int(volume.data.shape[1 + _axes(volume.affine)[ACROSS[plane]]])


def _position(volume: Stored, chosen: Slice) -> int:
    """Index of a slice along the axis that its plane lies across."""
    return int((chosen.number + 0.5) * volume.data.shape[1 + _axes(volume.affine)[ACROSS[chosen.plane]]] / chosen.count)


def _axes(affine: np.ndarray | None) -> tuple[int, int, int]:
    """Which spatial axis runs nearest to right, to anterior and to superior."""
    if affine is None:
        return 2, 1, 0
    from itertools import permutations

    import numpy as np

    steps = np.abs(np.asarray(affine)[:3, :3])
    steps = steps / np.maximum(np.linalg.norm(steps, axis=0), 1e-12)
    return max(permutations(range(3)), key=lambda axes: sum(steps[direction, axis] for direction, axis in enumerate(axes)))


def _ascends(volume: Stored, axis: int) -> bool:
    """Whether indices along an axis grow toward right, anterior or superior."""
    if volume.affine is None:
        return False
    direction = _axes(volume.affine).index(axis)
    return bool(volume.affine[direction][axis] > 0)


def _of_slice(numbers: Sequence[Any], at: int) -> tuple[float, ...]:
    """One number a channel, of those that a volume may have for each step along its first axis."""
    return tuple(number if isinstance(number, int | float) else number[at] for number in numbers)


def _along_first(volume: Stored) -> bool:
    """Whether steps along the first axis have scales of their own."""
    return not all(isinstance(number, int | float) for number in (*volume.scale, *volume.offset))


def _in_physical_units(volume: Stored) -> Stored:
    """The same with one scale for all of it: a plane across slices of different scales has none."""
    import numpy as np

    scale, offset = (
        np.stack([np.broadcast_to(np.asarray(number, np.float32), volume.data.shape[1:2]) for number in numbers])[..., None, None]
        for numbers in (volume.scale, volume.offset)
    )
    ones = (1.0,) * len(volume.channels)
    return replace(volume, data=volume.data.astype(np.float32) * scale + offset, scale=ones, offset=tuple(0.0 for _ in ones))
