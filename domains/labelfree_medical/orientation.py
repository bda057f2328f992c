"""Volumes turned so that their axes go to the right, to the front and up (RAS+), by flips and changes of order alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labelfree_medical.amounts import with_one_scale
from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    import numpy as np


def upright_volume(stored: Stored, mask: np.ndarray | None = None) -> tuple[Stored, np.ndarray | None]:
    """The volume and its mask (*spatial) in RAS+ order, as near as its own axes lie; anything that no affine places stays as it is."""
    import numpy as np
    from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

    if stored.affine is None or stored.data.ndim != 4:
        return stored, mask
    stored = with_one_scale(stored)
    turn = io_orientation(stored.affine)

    def turned(values: np.ndarray) -> np.ndarray:
        return np.asarray(apply_orientation(values, turn))

    affine = stored.affine @ inv_ornt_aff(turn, stored.data.shape[1:])
    data = np.moveaxis(turned(np.moveaxis(stored.data, 0, -1)), -1, 0)
    steps = stored.spacing and tuple(step for _, step in sorted(zip(turn[:, 0], stored.spacing, strict=True)))
    measured = None if stored.measured is None else turned(stored.measured)
    return (
        replace(stored, data=data, affine=affine, spacing=steps, measured=measured, axes="xyz"),
        None if mask is None else turned(mask),
    )
