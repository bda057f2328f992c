"""What was found on a prepared volume, put back where its files hold it: turned, resampled and with what was cut off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from labelfree_medical.masks.grids import Grid
    from labelfree_medical.stored import ImageFiles

NEAR = 1.0  # prepared voxels from the last one, within which it still tells: a resampled grid may end before the stored one
SNAP = 4  # digits of an index that count


@dataclass(frozen=True)
class Original:
    """How a volume is stored. `steps`: (4, 4), an index of the prepared volume and 1 to one of `grid`. `series`: its files, where they are
    of DICOM. `spacing`: mm along each axis, where no file places it.
    """

    grid: Grid
    steps: np.ndarray
    spacing: tuple[float, ...] | None = None
    series: ImageFiles | None = None

    def restored(self, values: np.ndarray, outside: int) -> np.ndarray:
        """(*prepared) -> (*grid.size): of each stored voxel the value of the nearest prepared one, `outside` where there was none."""
        import numpy as np

        back = np.linalg.inv(self.steps)
        along = [int(axis) for axis in np.abs(back[:3, :3]).argmax(1)]  # of each prepared axis the stored one
        for axis, stored in enumerate(along):
            count = values.shape[axis]
            places = np.round(back[axis, stored] * np.arange(self.grid.size[stored]) + back[axis, 3], SNAP)
            values = values.take(np.floor(places + 0.5).astype(np.int64).clip(0, count - 1), axis)
            np.moveaxis(values, axis, 0)[(places < -NEAR) | (places > count - 1 + NEAR)] = outside
        return np.ascontiguousarray(values.transpose(np.argsort(along)))

    def save(self, file: Path, values: np.ndarray) -> None:
        """As NIfTI on the grid. Its place is told in both ways that readers look at, where both can tell it."""
        import nibabel
        import numpy as np

        affine = np.diag([*(self.spacing or (1.0,) * 3), 1.0]) if self.grid.affine is None else self.grid.affine
        image = nibabel.Nifti1Image(values, affine)  # type: ignore[attr-defined,no-untyped-call]
        image.header.set_xyzt_units("mm")
        code = 0 if self.grid.affine is None else 1
        image.set_qform(affine, code)
        if not np.allclose(image.get_qform(), affine, atol=1e-3):  # grids that are not rectangular
            image.set_qform(None)
        image.set_sform(affine, code)
        nibabel.save(image, file)  # type: ignore[attr-defined]
