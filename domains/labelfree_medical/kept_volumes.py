"""Volumes and their masks as they are kept in memory for their slices, and how much of it they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from labelfree_medical.masks.grids import Grid


@dataclass(frozen=True)
class Prepared:
    """An image as it is learnt from. `whole`: the grid on which its files hold it, where masks must cover it. `steps`: (4, 4), an index of
    a volume and 1 to one of that grid; None of pictures. `spacing`: mm along the axes of that grid.
    """

    image: Stored
    whole: Grid
    steps: np.ndarray | None = None
    spacing: tuple[float, ...] | None = None


def image_bytes(prepared: Prepared) -> int:
    """How much memory an image takes."""
    return prepared.image.data.nbytes


def mask_bytes(mask: Tensor) -> int:
    """How much memory a mask takes."""
    return mask.nbytes
