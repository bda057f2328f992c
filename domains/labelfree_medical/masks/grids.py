"""Where the voxels of an image or a mask lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from labelfree_medical.stored import Axes, Stored

PLACED = (4, 4)  # the shape of an affine in space


@dataclass(frozen=True)
class Grid:
    """`size`: voxels along each spatial axis, three or two. `affine`: (4, 4), three indices and 1 to mm in RAS+; None where no file tells.

    `axes`: the order in which files of this kind store three of them; where nothing has coordinates it alone tells which is which.
    Two axes with an affine are a slice: rows and columns of a volume whose first axis has one voxel.
    """

    size: tuple[int, ...]
    affine: np.ndarray | None = None
    axes: Axes = "xyz"

    @classmethod
    def of(cls, image: Stored) -> Grid:
        """That of an image, whose data are (C, *spatial)."""
        import numpy as np

        affine = None if image.affine is None else np.asarray(image.affine, float)
        size = tuple(int(length) for length in image.data.shape[1:])
        return cls(size, affine if affine is not None and affine.shape == PLACED else None, image.axes)

    @property
    def spatial(self) -> tuple[int, int, int]:
        """Its size along three axes."""
        first, second, third = (1,) * (3 - len(self.size)) + self.size
        return first, second, third

    @property
    def spacing(self) -> tuple[float, ...]:
        """mm along three axes of a grid with an affine."""
        import numpy as np

        return tuple(map(float, np.linalg.norm(self._affine[:3, :3], axis=0)))

    @property
    def centre(self) -> Any:
        """(3,) mm: the middle of a grid with an affine."""
        import numpy as np

        return (self._affine @ [*((np.array(self.spatial) - 1) / 2), 1])[:3]

    @property
    def _affine(self) -> np.ndarray:
        assert self.affine is not None
        return self.affine
