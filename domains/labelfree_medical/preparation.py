"""What is done to every image before it is pooled: turned, cropped, resampled; after each step it lies where it lay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from labelfree_medical.colours import in_colour, in_gray
from labelfree_medical.foreground import cropped, foreground_box
from labelfree_medical.kept_volumes import Prepared
from labelfree_medical.masks.grids import Grid
from labelfree_medical.orientation import upright_volume
from labelfree_medical.resampling import with_spacing
from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Preparation:
    """Steps in their order. Pure: what comes out depends on the image and these fields alone.

    `orientation`: "ras" turns the axes of volumes to the right, to the front and up. `crop`: "foreground" leaves out the air around the
    patient. `spacing`: mm along each axis after turning, None for one that stays; one number stands for all. `colour`: "gray" and "rgb"
    bring gray and coloured images to the same channels. What was not measured has no part in any of it.
    """

    orientation: Literal["ras", "stored"] = "ras"
    crop: Literal["none", "foreground"] = "none"
    spacing: float | tuple[float | None, ...] | None = None
    colour: Literal["stored", "gray", "rgb"] = "stored"

    def apply(self, stored: Stored, mask: np.ndarray | None = None, called: str = "image") -> tuple[Stored, np.ndarray | None]:
        """The image, and a mask (*spatial) that lies voxel by voxel on it, both prepared and in C order.

        `called`: the file, in sentences. Raises `DataError` naming it where a step needs what no file says.
        """
        if self.colour != "stored":
            stored = in_gray(stored) if self.colour == "gray" else in_colour(stored)
        if self.orientation == "ras":
            stored, mask = upright_volume(stored, mask)
        if self.crop == "foreground":
            stored, mask = cropped(stored, foreground_box(stored), mask)
        if self.spacing is not None:
            count = stored.data.ndim - 1
            wanted = (self.spacing,) * count if isinstance(self.spacing, (int, float)) else self.spacing
            stored, mask = with_spacing(stored, wanted, mask, called)
        measured = None if stored.measured is None else _in_order(stored.measured)
        return replace(stored, data=_in_order(stored.data), measured=measured), None if mask is None else _in_order(mask)


def prepare_volume(stored: Stored, preparation: Preparation, called: str) -> Prepared:
    """A volume prepared, and where its voxels lie among the stored ones, whether or not a file places these in a patient."""
    import numpy as np

    placed = stored if stored.affine is not None else replace(stored, affine=np.eye(4))
    image = preparation.apply(placed, called=called)[0]
    assert placed.affine is not None and image.affine is not None
    steps = np.linalg.inv(placed.affine) @ image.affine
    return Prepared(image if stored.affine is not None else replace(image, affine=None), Grid.of(stored), steps, stored.spacing)


def _in_order(values: np.ndarray) -> np.ndarray:
    """The same in C order: flipped arrays cannot become tensors."""
    import numpy as np

    return np.ascontiguousarray(values)
