"""What every format gives: the pixels of one picture as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.errors import DataError

if TYPE_CHECKING:
    import numpy as np

GRAY = ("gray",)
COLOURS = ("red", "green", "blue")
HALF = 0.5  # of full opacity: the edge of a soft mask is where half shows through


@dataclass(frozen=True)
class Picture:
    """`data`: (C, rows, columns) whole or real numbers as stored. `hidden`: (rows, columns) bool, where it is transparent.

    `bits`: how many of its bits hold something, where the file itself says so. `notes`: sentences on how it was understood.
    `zero_is_white`: smaller numbers are brighter, up to the largest of a depth that the file alone does not tell.
    """

    data: np.ndarray
    channels: tuple[str, ...]
    hidden: np.ndarray | None = None
    bits: int | None = None
    notes: tuple[str, ...] = ()
    zero_is_white: bool = False


def picture_bytes(picture: Picture) -> int:
    """How much memory a picture takes."""
    return picture.data.nbytes


def picture_of(samples: np.ndarray, path: Path, bits: int | None = None, alpha: bool | None = None, notes: tuple[str, ...] = ()) -> Picture:
    """(rows, columns[, samples]) as a picture: gray or red, green and blue; a second or a fourth sample is transparency.

    `alpha`: whether the last sample is, where the file tells. Any other number of samples is called by number.
    """
    import numpy as np

    data = samples[None] if samples.ndim == 2 else np.moveaxis(samples, -1, 0)
    hidden = None
    if len(data) in (2, 4) if alpha is None else alpha and len(data) > 1:
        hidden, data = _hidden(data[-1], data[:-1]), data[:-1]
    channels = {1: GRAY, 3: COLOURS}.get(len(data)) or tuple(f"channel {at}" for at in range(1, len(data) + 1))
    return Picture(np.ascontiguousarray(native(data, path)), channels, hidden, bits, notes)


def native(data: np.ndarray, path: Path) -> np.ndarray:
    """The same numbers in a type of this machine that networks and pools know. Raises `DataError` for numbers of two parts."""
    import numpy as np

    kind, width = data.dtype.kind, data.dtype.itemsize
    if kind == "c":
        raise DataError(f"{path}: holds complex numbers; save its magnitude or its phase as a picture.")
    if kind == "b":
        return data.astype(np.uint8)
    if kind == "f" and width == 2:
        return data.astype(np.float32)
    if (kind, width) in (("u", 1), ("u", 2), ("i", 2), ("i", 4), ("f", 4), ("f", 8)):
        return data.astype(data.dtype.newbyteorder("="), copy=False)
    if kind == "i" and width == 1:
        return data.astype(np.int16)
    if data.size and (data.max() > 2**31 - 1 or data.min() < -(2**31)):
        raise DataError(f"{path}: holds whole numbers beyond 32 bits; save them as real numbers.")
    return data.astype(np.int32)


def _hidden(opacity: np.ndarray, shown: np.ndarray) -> np.ndarray | None:
    """Where it is transparent; None where nowhere, or where transparency hides a whole picture with contents and cannot be meant."""
    import numpy as np

    full = 1 if opacity.dtype.kind in "fb" else np.iinfo(opacity.dtype).max
    hidden: np.ndarray = opacity < HALF * full
    if not hidden.any() or (hidden.all() and np.ptp(shown) > 0):
        return None
    return hidden


def broken(path: Path, error: Exception | str) -> DataError:
    """What to say of bytes that are not what they should be."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return DataError(f"{path}: is truncated or broken ({reason}); fetch it again, or set data.on_error=skip.")


def lacking(path: Path, package: str) -> DataError:
    """What to say where what decodes a file is not installed: nothing else is tried, since others change levels without a word."""
    return DataError(f"{path}: {package} is needed to read it with every level; pip install 'labelfree[inspection]'.")
