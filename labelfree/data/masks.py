"""Masks: images whose numbers name what each pixel shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from labelfree.domain import Row, Sample
from labelfree.errors import DataError


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


def numbers_in(mask: np.ndarray) -> Counter[int]:
    """How many pixels have each whole number; of colours, how many values."""
    values, counts = np.unique(mask, return_counts=True)
    return Counter(dict(zip(map(int, values[np.isfinite(values)]), map(int, counts[np.isfinite(values)]), strict=True)))


def spatial(mask: np.ndarray, axes: int) -> tuple[int, ...]:
    """The size of a mask without the axis of its colours, for images of so many spatial axes."""
    return tuple(mask.shape[:axes])
