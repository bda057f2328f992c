"""Which pixels hold no measurement: not finite, a number that file or recipe declares, outside a swath, clouds in a layer of codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from labelfree.errors import DataError

USUAL = (-9999.0, -99999.0, -999999.0, -32767.0, -32768.0, -2147483648.0)  # numbers that programs write where nothing was measured
LARGE = 1e19  # of either sign: 1e20, 9.97e36 and the largest float stand for "no data" in many formats

SCL_UNUSABLE = (0, 1, 3, 8, 9, 10)  # no data, saturated, cloud shadow, clouds of medium and high probability, cirrus (Sen2Cor's classes)
QA_UNUSABLE = 0b11111  # fill, dilated cloud, cirrus, cloud, cloud shadow (Landsat Collection 2, QA_PIXEL)
QA60_CLOUDS = 1 << 10 | 1 << 11  # opaque clouds, cirrus (Sentinel-2, as Earth Engine exports it)

# By the name of the layer: where its codes say that a pixel is of no use.
QUALITY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "scl": lambda codes: np.isin(codes, SCL_UNUSABLE),
    "qa_pixel": lambda codes: (codes.astype(np.int64) & QA_UNUSABLE) > 0,
    "qa60": lambda codes: (codes.astype(np.int64) & QA60_CLOUDS) > 0,
}


@dataclass(frozen=True)
class Gaps:
    """What stands for no measurement.

    `values`: numbers that the recipe declares besides the file's (`reader.nodata`); none and `believed=False`: no number does.
    `zero`: whether 0 in all bands does whatever files declare, as Sentinel-2 and Landsat products mark what lies outside the swath.
    """

    values: tuple[float, ...] = ()
    believed: bool = True
    zero: bool = False

    def declared(self, of_file: float | None) -> tuple[float, ...]:
        """The numbers that stand for no measurement in a band whose file declares `of_file`."""
        numbers = (*(() if of_file is None or not np.isfinite(of_file) else (of_file,)), *self.values)
        return numbers if self.believed else ()

    def of_layer(self, of_file: float | None, dtype: str) -> float | None:
        """The one number that a layer of a product is resampled around; its fill value is 0 by the agencies' definition."""
        numbers = (number for number in self.declared(of_file) if _fits(number, dtype))
        return next(numbers, 0.0 if self.zero and self.believed else None)

    def missing(self, data: np.ndarray, of_file: Sequence[float | None]) -> np.ndarray | None:
        """(C, H, W) bool: where bands (C, H, W) hold no number, or one that is declared; None where nothing is missing."""
        missing = np.zeros(data.shape, dtype=bool)
        for band, band_missing, value in zip(data, missing, of_file, strict=True):
            if band.dtype.kind == "f":
                band_missing |= ~np.isfinite(band)
            for number in self.declared(value):
                band_missing |= band == (np.asarray(number).astype(band.dtype) if band.dtype.kind == "f" else number)
        return missing if missing.any() else None

    def outside(self, data: np.ndarray) -> np.ndarray | None:
        """(H, W) bool: where all bands (C, H, W) hold 0 that is no measurement by the sensor's own definition; None where it may be one."""
        return np.asarray((data == 0).all(axis=0)) if self.zero and self.believed else None


def zeros_together(missing: np.ndarray, data: np.ndarray) -> np.ndarray:
    """`missing` (C, H, W) without the 0 of single bands: over deep water near infrared may well be 0, and only 0 in all bands is a gap."""
    return missing & ((data != 0) | missing.all(axis=0))


def measured_mask(missing: np.ndarray | None, outside: Sequence[np.ndarray | None], picture: bool) -> np.ndarray | None:
    """(H, W) bool, None where all is measured. `missing`: (C, H, W) of the bands in use, `outside`: (H, W) masks each.

    A pixel needs all of its bands; in a picture any, for colours may well hold the number that stands for none: pure red has no blue.
    """
    empty: list[np.ndarray] = [mask for mask in outside if mask is not None]
    if missing is not None:
        empty.append(np.asarray(missing.all(axis=0) if picture else missing.any(axis=0)))
    if not empty:
        return None
    valid: np.ndarray = ~np.logical_or.reduce(empty)
    return None if valid.all() else valid


def require_bands(where: object, missing: np.ndarray | None, kept: Sequence[int], names: Sequence[str]) -> None:
    """Raises DataError where one of the bands in use holds nothing at all and others do: it would take every pixel of them along."""
    if missing is None:
        return
    empty = [missing[index].all() for index in kept]
    if any(empty) and not all(empty):
        lost = ", ".join(name for name, nothing in zip(names, empty, strict=True) if nothing)
        raise DataError(f"{where}: {lost} holds no measurement, other bands do; leave it out with reader.bands=[…], `-` in its place.")


def require_declared(where: object, data: np.ndarray, gaps: Gaps) -> None:
    """Raises DataError where numbers that nobody declared can only stand for missing ones: -9999, the largest float."""
    if data.dtype.kind == "u" or data.dtype == np.int8 or not gaps.believed:
        return
    low, high = data.min(), data.max()  # what was declared is filled with the mean by now
    for number in (low, high):
        if float(number) in USUAL or abs(float(number)) > LARGE:
            share, shown = float((data == number).any(axis=0).mean()), int(number) if data.dtype.kind == "i" else f"{number:.9g}"
            raise DataError(
                f"{where}: holds {shown} in {share:.1%} of its pixels, which looks like missing data that the file does not declare; "
                f"set reader.nodata={shown} (reader.nodata=none: it is a measurement)."
            )


def quality(name: str) -> Callable[[np.ndarray], np.ndarray] | None:
    """What tells useless pixels by the codes of a layer of this name; None where it is no such layer."""
    return QUALITY.get(re.sub(r"[\s-]+", "_", name.strip().lower()))


def _fits(number: float, dtype: str) -> bool:
    """Whether numbers of this type can hold it."""
    kind = np.dtype(dtype)
    return kind.kind == "f" or (float(number).is_integer() and np.iinfo(kind).min <= number <= np.iinfo(kind).max)
