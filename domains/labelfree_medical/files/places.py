"""Where files of volumes say that their voxels lie: affines to RAS+, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.errors import DataError

if TYPE_CHECKING:
    import numpy as np

FLAT = 1e-4  # of a box's volume that the three steps span at least; the cosines of a sheared volume stay far above
APART = 0.1  # steps by which corners of the same grid may differ: rounding stays below
UNPLACED = (
    "No file says which axis is left and right: volumes stay as stored, slices are cut by the order of axes, and masks lie voxel by voxel."
)


def placed(affine: np.ndarray, path: Path, header: str) -> np.ndarray:
    """The affine (4, 4) itself. Raises `DataError` naming the file where it places nothing; `header`: what it was read of."""
    import numpy as np

    steps = np.asarray(affine, dtype=float)[:3, :3]
    if not np.isfinite(affine).all():
        wrong = "holds numbers that are not finite"
    elif not (sizes := np.linalg.norm(steps, axis=0)).all():
        wrong = "has a step of zero length"
    elif abs(np.linalg.det(steps / sizes)) < FLAT:
        wrong = "lays all voxels into one plane"
    else:
        return np.asarray(affine, dtype=float)
    raise DataError(f"{path}: its affine ({header}) {wrong} and does not place it in space; export it again, or set data.on_error=skip.")


def steps_of(affine: np.ndarray) -> tuple[float, ...]:
    """mm along each of the three axes of an affine."""
    import numpy as np

    return tuple(float(size) for size in np.linalg.norm(affine[:3, :3], axis=0))


def affine_of(steps: np.ndarray, origin: np.ndarray, signs: tuple[float, float, float] = (-1.0, -1.0, 1.0)) -> np.ndarray:
    """(4, 4) in RAS+ of `steps` (3, 3), a column an axis, and the first voxel's centre; `signs` of their axes there: LPS by default."""
    import numpy as np

    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps, origin
    return np.diag([*signs, 1.0]) @ affine


def corners(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(8, 3): where the centres of a volume's outermost voxels lie."""
    import numpy as np

    ends = np.stack(np.meshgrid(*[(0, size - 1) for size in shape], [1], indexing="ij"), -1).reshape(-1, 4)
    return np.asarray((affine @ ends.T).T[:, :3])
