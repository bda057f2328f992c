"""Stored numbers as amounts: one scale for all slices, and the windows in which radiologists look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    import numpy as np

# Hounsfield units, low and high, as radiologists set them (level ± half the width).
WINDOWS: dict[str, tuple[float, float]] = {
    "abdomen": (-150.0, 250.0),
    "bone": (-500.0, 1300.0),
    "brain": (0.0, 80.0),
    "lung": (-1350.0, 150.0),
    "mediastinum": (-125.0, 225.0),
}


def physical(stored: Stored) -> np.ndarray:
    """(C, *spatial) float32: stored * scale + offset, where each slice along the first axis may have its own."""
    return stored.data.astype("float32") * _beside(stored.scale, stored) + _beside(stored.offset, stored)


def with_one_scale(stored: Stored) -> Stored:
    """Itself; where scale or offset differ by slice the same in float32 physical units, as turned and resampled ones cannot keep them."""
    if all(isinstance(number, (int, float)) for number in (*stored.scale, *stored.offset)):
        return stored
    ones = (1.0,) * len(stored.data)
    return replace(stored, data=physical(stored), scale=ones, offset=tuple(0.0 for _ in ones))


def _beside(numbers: Sequence[Any], stored: Stored) -> np.ndarray:
    """Numbers of a channel, or of each slice of one, shaped to meet (C, *spatial)."""
    import numpy as np

    values = np.asarray(numbers, dtype=np.float32)
    return values.reshape(*values.shape, *(1,) * (stored.data.ndim - values.ndim))
