"""Stored numbers as amounts: one scale for all slices, windows of physical values, and a volume's own mean and spread."""

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


def windowed(stored: Stored, low: float, high: float) -> Stored:
    """Physical values below and above the window as its ends; the stored dtype is kept where it holds both ends exactly."""
    import numpy as np

    stored = with_one_scale(stored)
    ends = [sorted(((low - b) / a, (high - b) / a)) for a, b in zip(_plain(stored.scale), _plain(stored.offset), strict=True)]
    exact = stored.data.dtype.kind == "f" or all(end == int(end) for pair in ends for end in pair)
    if not exact:
        ones = (1.0,) * len(stored.data)
        data = np.clip(physical(stored), low, high)
        return replace(stored, data=data, scale=ones, offset=tuple(0.0 for _ in ones))
    return replace(stored, data=np.stack([_clipped(channel, *pair) for channel, pair in zip(stored.data, ends, strict=True)]))


def standardised(stored: Stored) -> Stored:
    """(x - mean) / std of each channel over what was measured, float32; a constant one becomes 0."""
    import numpy as np

    values = physical(stored)
    for channel in values:
        seen = (channel if stored.measured is None else channel[stored.measured]).astype(np.float64)
        spread = seen.std()
        channel -= seen.mean().astype(np.float32)
        channel /= spread if spread > 0 else 1.0
    if stored.measured is not None:
        values[:, ~stored.measured] = 0
    ones = (1.0,) * len(values)
    return replace(stored, data=values, scale=ones, offset=tuple(0.0 for _ in ones), unit="standard deviations")


def _clipped(channel: np.ndarray, low: float, high: float) -> np.ndarray:
    """A channel between two stored numbers, of which its dtype may not hold those further out than its own ends."""
    import numpy as np

    if channel.dtype.kind == "f":
        return np.clip(channel, low, high)
    limits = np.iinfo(channel.dtype)
    return np.clip(channel, int(np.clip(low, limits.min, limits.max)), int(np.clip(high, limits.min, limits.max)))


def _beside(numbers: Sequence[Any], stored: Stored) -> np.ndarray:
    """Numbers of a channel, or of each slice of one, shaped to meet (C, *spatial)."""
    import numpy as np

    values = np.asarray(numbers, dtype=np.float32)
    return values.reshape(*values.shape, *(1,) * (stored.data.ndim - values.ndim))


def _plain(numbers: Sequence[Any]) -> list[float]:
    return [float(number) for number in numbers]
