"""Whether the band that a file tags as alpha is a mask: decided once a file, by its numbers, for the tag says little.

GDAL tags the fourth of four byte bands as alpha unasked, so near infrared comes as alpha too; and a mask may have soft edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from labelfree_satellite.headers import opened

WHOLE = 2048 * 2048  # pixels; up to that many a band is looked at whole
PARTS, SIDE = 6, 256  # of a larger one so many windows along each axis, of this side
MOSTLY = 0.5  # of the pixels that are not transparent hold the opaque number
OPAQUE = (255.0, 65535.0)  # what programs write for opaque, besides the largest number of the type, and 1 in real numbers


def opaque_number(source: Path | str, band: int) -> float | None:
    """The number that stands for opaque in `band` (from 1) of a file; None where the band is no mask but a measurement.

    A mask holds one number in most of its pixels that are not 0. Where that is none of the numbers that are written for opaque, or there is
    none, it is a mask only if the pixels that it takes out hold nothing: near infrared over water is 0 and 1, above what other bands show.
    """
    return _opaque_number(source, band, source.stat().st_mtime_ns if isinstance(source, Path) else 0)


@lru_cache(maxsize=4096)
def _opaque_number(source: Path | str, band: int, changed: int) -> float | None:
    with opened(source) as file:
        seen = _band_numbers(file, band)
        shown = seen[seen > 0]
        opaque = float(shown.max()) if shown.size else 1.0
        if shown.size and (shown == opaque).mean() < MOSTLY:
            return None
        if shown.size and opaque in (*OPAQUE, np.iinfo(seen.dtype).max if seen.dtype.kind in "ui" else 1.0):
            return opaque
        hidden = seen <= 0
        others = (_band_numbers(file, number) for number in range(1, file.count + 1) if number != band)
        return opaque if all(not hidden.any() or np.ptp(other[hidden]) == 0 for other in others) else None


def _band_numbers(file: Any, band: int) -> np.ndarray:
    """The numbers of a band: all, or of windows spread over a large file, the same whatever window of it is read."""
    return np.concatenate([file.read(band, window=part).ravel() for part in _parts(file.height, file.width)])


def _parts(height: int, width: int) -> Iterator[Any]:
    if height * width <= WHOLE:
        yield None
        return
    tops, lefts = (np.linspace(0, max(0, length - SIDE), PARTS).astype(int).tolist() for length in (height, width))
    for top, left in product(tops, lefts):
        yield (top, min(top + SIDE, height)), (left, min(left + SIDE, width))
