"""Arrays of files as `Stored` holds them: dtypes that torch knows, what was not measured, names of channels, one volume of several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.errors import DataError
from labelfree_medical.colours import GRAY
from labelfree_medical.stored import ImageFiles, Stored

if TYPE_CHECKING:
    import numpy as np

UNIT = "stored"  # none of these formats says what its numbers measure


def plain(data: np.ndarray, path: Path) -> np.ndarray:
    """The array in its dtype, or in the next one that torch has, in this machine's byte order.

    Raises `DataError` naming the file where it holds no real numbers.
    """
    import numpy as np

    kind, size = data.dtype.kind, data.dtype.itemsize
    if kind == "c":
        raise DataError(f"{path}: holds complex numbers; save their magnitude (and phase) as images of their own.")
    if kind not in "iufb":
        raise DataError(f"{path}: holds {data.dtype}, and images are numbers; save them as such.")
    if kind == "b":
        return data.astype(np.uint8)
    if kind == "f" and size > 8:
        return data.astype(np.float64)
    return data.astype(data.dtype.newbyteorder("="), order="K", copy=True)


def without_gaps(data: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """(C, *spatial) with 0 where no number stands (NaN, infinite), and (*spatial) bool, where all channels have one; None: everywhere.

    `data` may be changed. Raises `DataError` naming the file where there is no number at all.
    """
    import numpy as np

    if data.size == 0:
        raise DataError(f"{path}: has no pixels; remove it, or set data.on_error=skip.")
    if data.dtype.kind != "f":
        return data, None
    known = np.isfinite(data)
    if known.all():
        return data, None
    measured = known.all(axis=0)
    if not measured.any():
        raise DataError(f"{path}: holds no number, all is NaN; export it again, or set data.on_error=skip.")
    data[~known] = 0
    return data, measured


def frame(shape: tuple[int, ...], unit: str, affine: np.ndarray | None, spacing: tuple[float, ...] | None) -> Stored:
    """An image without its channels, (0, *spatial): its size and place."""
    import numpy as np

    return Stored(np.empty((0, *shape), dtype=np.uint8), (), (), (), unit, affine, spacing)


def names_of(count: int, given: Sequence[str], path: Path) -> tuple[str, ...]:
    """What channels are called: as a folder's own description names them, else by colour or number.

    Raises `DataError` naming the file where it holds another number of them.
    """
    if given:
        if len(given) != count:
            raise DataError(f"{path}: holds {count} channels, and {', '.join(given)} are named; correct dataset.json or the file.")
        return tuple(given)
    return GRAY if count == 1 else tuple(f"channel_{number + 1}" for number in range(count))


def times(path: Path, count: int) -> tuple[ImageFiles, ...]:
    """The volumes of a series in time, an image each, that stay together in every split."""
    return tuple(ImageFiles(path, (path,), "volume", key=f"time[{number}]", study=path.as_posix()) for number in range(count))


def position(key: str) -> tuple[str, int]:
    """What a key names and the position in it: "train_images[3]" is ("train_images", 3). Raises `DataError` for any other text."""
    found = re.fullmatch(r"(.*)\[(\d+)\]", key)
    if found is None:
        raise DataError(f'"{key}" names no image of a file; write it as images[0].')
    return found[1], int(found[2])


def chosen(count: int, image: ImageFiles, timed: bool = True) -> int | None:
    """Which of `count` volumes an image is; None: all of them, as channels.

    `timed`: whether they are an image each. Raises `DataError` naming the file where the key names none of them.
    """
    if image.key:
        number = position(image.key)[1]
        if number >= count:
            raise DataError(f"{image.path}: has {count} volumes, none {image.key}; correct the path.")
        return number
    if timed and count > 1 and not image.channels:
        raise DataError(f"{image.path}: holds {count} images in time; name one, as in {image.path.name}#time[0].")
    return None
