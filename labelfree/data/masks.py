"""Masks: images whose numbers name what each pixel shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelfree.data.colours import number_of_colours
from labelfree.data.tiles import by, shared
from labelfree.domain import IGNORE, Domain, ReadsTargets, Row, Sample, Window
from labelfree.errors import DataError

MOST_LISTED = 1 << 16  # numbers between the least and the largest of a mask, up to which each has a place in a table
MINUS_ONE = int(np.iinfo(np.int32).min)  # what a stored -1 is read as: `IGNORE` is ours, and whoever wrote it may mean a class
FEWEST_LEVELS = 4  # numbers in a mask, up to which no edge can be smoothed
FEWEST_OBJECTS = 21  # numbers above 0 in a mask, below which nobody can tell objects from classes


def read_mask(path: Path, read: Callable[[Row], Sample]) -> np.ndarray:
    """The stored numbers of a mask: (*spatial); (*spatial, C) for a picture in colours. Raises `DataError` naming the file.

    Palettes stay numbers: a reader of images would turn them into colours. What is no picture goes through the domain's `read`.
    """
    from PIL import Image

    from labelfree.data.pool import read_sample  # which imports torch: a table of masks needs none

    if not path.is_file():
        raise DataError(f"{path}: there is no such mask; correct the path in the table.")
    try:
        with Image.open(path) as opened:
            return np.asarray(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        sample = read_sample(read, Row(path.name, path, mask=str(path)))
    if isinstance(sample, DataError):
        raise sample
    return sample.data[0].numpy()


def read_numbers(path: Path, read: Callable[[Row], Sample]) -> np.ndarray:
    """A mask whose whole numbers name what each pixel shows, (*spatial); gray in three channels is gray, a colour the number of it.

    Raises `DataError` naming the file where it is missing, broken, or holds fractions.
    """
    mask = read_mask(path, read)
    if mask.ndim == 3 and mask.shape[-1] in (2, 3, 4) and read_as_picture(path):
        mask = mask[..., 0] if mask.shape[-1] == 2 else number_of_colours(mask[..., :3])
    if mask.dtype.kind == "f" and not (np.isnan(mask) | (mask == np.rint(mask))).all():
        raise DataError(f"{path}: holds fractions; save a mask whose whole numbers name the class of each pixel.")
    return mask


def mask_on_image(row: Row, sample: Sample, domain: Domain | None, read: Callable[[Row], Sample]) -> np.ndarray:
    """(*spatial) int32: the numbers of a row's mask on the grid of its image, `IGNORE` where its file says that nobody knows.

    Placed by the domain where it can (coordinates), else pixel by pixel. Raises `DataError` naming a mask that is broken or does not fit.
    """
    path, size = Path(str(row.mask)), tuple(sample.data.shape[1:])
    if isinstance(domain, ReadsTargets):
        placed = domain.read_targets(replace(row, boxes=None, listed=None), sample).mask
        assert placed is not None
        numbers: np.ndarray = placed.numpy()
    else:
        numbers = in_window(whole_numbers(path, read_numbers(path, read)), size, row.window)
    require_size(path, numbers, size, row.id)
    return numbers


def whole_numbers(path: Path, numbers: np.ndarray, nodata: float | None = None) -> np.ndarray:
    """As int32, `IGNORE` where a number is `nodata` or none, `MINUS_ONE` where it is -1. Raises `DataError` for numbers too large."""
    if nodata is None and numbers.dtype.kind in "iub" and np.can_cast(numbers.dtype, np.int32):
        return _with_minus_one(numbers.astype(np.int32))
    unknown = np.isnan(numbers) if numbers.dtype.kind == "f" else np.zeros(numbers.shape, bool)
    if nodata is not None:
        unknown |= numbers == nodata
    most = np.iinfo(np.int32).max
    if (numbers[~unknown] > most).any():
        raise DataError(f"{path}: holds numbers above {most:,}; number the classes from 0.")
    return np.where(unknown, IGNORE, _with_minus_one(np.where(unknown, 0, numbers).astype(np.int32))).astype(np.int32)


def _with_minus_one(numbers: np.ndarray) -> np.ndarray:
    return np.where(numbers == -1, np.int32(MINUS_ONE), numbers)


def in_window(numbers: np.ndarray, size: tuple[int, ...], window: Window | None) -> np.ndarray:
    """The part of a scene's mask that a window shows; a mask of the window's own `size` is that part already."""
    if window is None or numbers.shape == size or numbers.ndim != len(window.start):
        return numbers
    return numbers[tuple(slice(first, first + length) for first, length in zip(window.start, window.size, strict=True))]


def read_as_picture(path: Path) -> bool:
    """Whether Pillow reads a file, so that a third axis of it is colours and no depth."""
    from PIL import Image

    try:
        with Image.open(path):
            return True
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def mapped(numbers: np.ndarray, onto: Callable[[int], int]) -> np.ndarray:
    """(*spatial) int32: each number replaced; `onto` is asked once for each that is there."""
    low, high = (int(numbers.min()), int(numbers.max())) if numbers.size else (0, 0)
    if high - low < MOST_LISTED:
        there = np.flatnonzero(np.bincount((numbers - low).reshape(-1), minlength=1))
        table = np.zeros(high - low + 1, np.int32)
        table[there] = [onto(int(number) + low) for number in there]
        return table[numbers - low]
    found, where = np.unique(numbers, return_inverse=True)
    return np.array([onto(int(number)) for number in found], np.int32)[where].reshape(numbers.shape)


@dataclass(frozen=True)
class MaskCounts:
    """How many pixels of a mask have each number, and how many of those lie between a lower and a higher one: shades of a smoothed edge.

    `apart`: whether its numbers count on from 1, each in one piece, as numbers of objects do; None where it has too few to tell.
    """

    numbers: Counter[int]
    between: Counter[int]
    apart: bool | None = None

    def __add__(self, other: MaskCounts) -> MaskCounts:
        """Those of another part of the same mask too."""
        apart = None if self.apart is None and other.apart is None else False not in (self.apart, other.apart)
        return MaskCounts(self.numbers + other.numbers, self.between + other.between, apart)

    @classmethod
    def of(cls, mask: np.ndarray) -> MaskCounts:
        known = mask[np.isfinite(mask) & (mask != IGNORE)]
        numbers = _counted(known)
        between = _counted(mask[_between(mask) & (mask != IGNORE)]) if len(numbers) > FEWEST_LEVELS else Counter[int]()
        return cls(numbers, between, _apart(mask, [number for number in numbers if number > 0]))


def _counted(numbers: np.ndarray) -> Counter[int]:
    low, high = (int(numbers.min()), int(numbers.max())) if numbers.size else (0, 0)
    if numbers.dtype.kind in "iub" and high - low < MOST_LISTED:
        counts = np.bincount(numbers.astype(np.int64) - low, minlength=1)
        return Counter({int(place) + low: int(counts[place]) for place in np.flatnonzero(counts)})
    values, counts = np.unique(numbers, return_counts=True)
    return Counter(dict(zip(map(int, values), map(int, counts), strict=True)))


def _apart(mask: np.ndarray, marked: list[int]) -> bool | None:
    """Whether numbers above 0 count on from 1, each in one piece, corners touching; None of few."""
    from scipy import ndimage

    if len(marked) < FEWEST_OBJECTS:
        return None
    if max(marked) != len(marked):
        return False
    corners = np.ones((3,) * mask.ndim)
    numbers = mask.astype(np.int32)
    boxes = ndimage.find_objects(numbers.clip(0))
    return all(ndimage.label(numbers[box] == number, corners)[1] == 1 for number, box in enumerate(boxes, start=1))


def _between(mask: np.ndarray) -> np.ndarray:
    """(*spatial) bool: pixels with a lower neighbour on one side along an axis and a higher one on the other."""
    found = np.zeros(mask.shape, bool)
    for axis in range(mask.ndim):
        rolled = np.moveaxis(mask.astype(np.float64), axis, 0)
        before, here, after = rolled[:-2], rolled[1:-1], rolled[2:]
        np.moveaxis(found, axis, 0)[1:-1] |= ((before < here) & (here < after)) | ((before > here) & (here > after))
    return found


def require_size(path: str | Path, mask: np.ndarray, size: tuple[int, ...], image: str) -> None:
    """Raises `DataError` naming both sizes where a mask is not as large as its image."""
    if spatial(mask, len(size)) != size:
        raise DataError(f"{path}: {by(spatial(mask, len(size)))} pixels, its image {image} has {by(size)}; save a mask of that size.")


def spatial(mask: np.ndarray, axes: int) -> tuple[int, ...]:
    """The size of a mask without the axis of its colours, for images of so many spatial axes."""
    return tuple(mask.shape[:axes])


def cut_mask(mask: np.ndarray, corner: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """The part of a mask (*spatial) of this `shape` whose first pixel lies at `corner`; what lies outside the mask is `IGNORE`."""
    part = np.full(tuple(shape), IGNORE, mask.dtype)
    there, inside = shared(corner, shape, mask.shape)
    part[inside] = mask[there]
    return part
