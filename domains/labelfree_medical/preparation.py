"""What is done to every image before it is pooled: turned, cropped, resampled, windowed, normalised, each step placed in space still."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from labelfree_medical.amounts import standardised, windowed
from labelfree_medical.colours import in_colour, in_gray
from labelfree_medical.foreground import cropped, foreground_box
from labelfree_medical.orientation import upright_volume
from labelfree_medical.planes import Plane, numbers, slice_of
from labelfree_medical.resampling import with_spacing
from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Slices:
    """2D slices in place of volumes: all of a plane, or each of `every`."""

    plane: Plane
    every: int = 1


@dataclass(frozen=True)
class Preparation:
    """Steps in their order. Pure: what comes out depends on the image and these fields alone.

    `colour`: "gray" and "rgb" bring gray and coloured images to the same channels. `orientation`: "ras" turns the axes of volumes to the
    right, to the front and up. `crop`: "foreground" leaves out the air around the patient. `spacing`: mm along each axis after turning,
    None for one that stays; one number stands for all. `window`: physical values, low and high, beyond which all is alike. `normalise`:
    "volume" gives each channel mean 0 and spread 1. What was not measured has no part in any of it. `slices`: cut after all that, by
    number.
    """

    colour: Literal["stored", "gray", "rgb"] = "stored"
    orientation: Literal["ras", "stored"] = "ras"
    crop: Literal["none", "foreground"] = "none"
    spacing: float | tuple[float | None, ...] | None = None
    window: tuple[float, float] | None = None
    normalise: Literal["none", "volume"] = "none"
    slices: Slices | None = None

    def apply(
        self, stored: Stored, mask: np.ndarray | None = None, number: int | None = None, called: str = "image"
    ) -> tuple[Stored, np.ndarray | None]:
        """The image, and a mask (*spatial) that lies voxel by voxel on it, both prepared.

        `number`: the slice to cut where there are `slices`. `called`: the file, in sentences. Raises `DataError` naming it where a step
        needs what no file says.
        """
        stored, mask = self._before_windows(stored, mask, called)
        if self.window is not None:
            stored = windowed(stored, *self.window)
        if self.normalise == "volume":
            stored = standardised(stored)
        if self.slices is not None and number is not None:
            stored, mask = slice_of(stored, self.slices.plane, number, mask, called)
        return _lying(stored), mask if mask is None else _whole(mask)

    def numbers(self, stored: Stored, called: str = "image") -> range:
        """Of a stored volume the slices that `apply` takes a number of; none where there are no `slices`."""
        if self.slices is None:
            return range(0)
        prepared = self._before_windows(stored, None, called)[0]
        return numbers(prepared, self.slices.plane, self.slices.every, called)

    def _before_windows(self, stored: Stored, mask: np.ndarray | None, called: str) -> tuple[Stored, np.ndarray | None]:
        """The steps up to those that change where voxels lie."""
        stored = {"stored": lambda given: given, "gray": in_gray, "rgb": in_colour}[self.colour](stored)
        if self.orientation == "ras":
            stored, mask = upright_volume(stored, mask)
        if self.crop == "foreground":
            stored, mask = cropped(stored, foreground_box(stored), mask)
        if self.spacing is not None:
            count = stored.data.ndim - 1
            wanted = (self.spacing,) * count if isinstance(self.spacing, (int, float)) else self.spacing
            stored, mask = with_spacing(stored, wanted, mask, called)
        return stored, mask


def _lying(stored: Stored) -> Stored:
    """The same with its arrays in C order: flipped ones cannot become tensors."""
    return replace(stored, data=_whole(stored.data), measured=None if stored.measured is None else _whole(stored.measured))


def _whole(values: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.ascontiguousarray(values)
