"""Whether numbers can be what their unit says: a scale is believed where the pixels do not contradict it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from labelfree.errors import DataError
from labelfree_satellite.sensors import REFLECTIVE_NM, Band

LOOKED_AT = 1024  # pixels a band
MOST_PIXELS = 0.9  # of a band's pixels: glints and dead detectors may be beyond anything
ORDINARY = 5  # times the darkest image that is believed
HOLDS = 5  # times the brightest, up to which an integer type that holds no more is taken for well scaled
TENS = (100.0, 10_000.0)  # reflectance is written in percent, or times 10,000


class Range(NamedTuple):
    """Limits of numbers in a unit. `bright`: what `MOST` of an image never exceed. `dark`: what some pixel in real numbers exceeds.

    `reach`: what the largest number that an integer type holds must stand for at least.
    """

    bright: float
    dark: float = 0.0
    reach: float = 0.0


RANGES = {
    "reflectance": Range(2.0, dark=2e-4, reach=0.1),  # fresh snow reflects about 1, deep water in short-wave infrared 0.001
    "display": Range(2.0, dark=1 / 255, reach=0.02),  # from 0 to 1
    "dB": Range(100.0),
}


def require_plausible(
    where: object,
    data: np.ndarray,
    measured: np.ndarray | None,
    scale: Sequence[float],
    offset: Sequence[float],
    unit: str,
    bands: Sequence[Band | None],
    usual: tuple[float, float] | None = None,
    declared: bool = False,
) -> None:
    """Raises DataError where the stored numbers (C, H, W), times scale plus offset, cannot be in `unit`; thermal bands are not judged.

    `measured`: (H, W) bool, None: all. `bands`: what is known of each channel. `usual`: scale and offset of the sensor's own integers.
    `declared`: the file tells its scale, which may fit its own numbers alone.
    """
    if unit not in RANGES:
        return
    judged = [index for index, band in enumerate(bands) if band is None or band.nm < REFLECTIVE_NM or unit == "dB"]
    if not judged or (measured is not None and not measured.any()):
        return
    known = slice(None) if measured is None else measured.ravel()
    pixels = [data[index].reshape(-1)[known] for index in judged]
    stored = np.stack([band[:: max(1, len(band) // LOOKED_AT)] for band in pixels]).astype(np.float64)
    times, plus = np.array(scale)[judged, None], np.array(offset)[judged, None]
    whole = float(np.iinfo(data.dtype).max) if data.dtype.kind in "ui" and not declared else None
    fault = _fault(stored, whole, times, plus, unit)
    if fault is not None:
        usual_scales: set[tuple[float, float] | None] = {(band.scale, band.offset) for index in judged if (band := bands[index])} or {usual}
        way = _way(stored, whole, unit, usual_scales.pop() if len(usual_scales) == 1 else None)
        raise DataError(
            f"{where}: {data.dtype} numbers up to {np.abs(stored).max():,.6g} are not what their unit says (as {unit} {fault}); "
            f"say what they are with {way} (reader.unit=stored: nobody knows)."
        )


def _fault(
    stored: np.ndarray, whole: float | None, scale: np.ndarray | float, offset: np.ndarray | float, unit: str, strict: bool = False
) -> str | None:
    """What contradicts the unit of numbers (bands, pixels); `whole`: the largest that their integer type holds, None: they are real.

    `strict`: judge as what is proposed is judged, by an ordinary image.
    """
    limits, physical = RANGES[unit], stored * scale + offset
    sizes = np.abs(physical)
    rank = int(MOST_PIXELS * (sizes.shape[1] - 1))
    bright, most = float(np.median(np.partition(sizes, rank, axis=1)[:, rank])), float(sizes.max())
    reach = float(np.abs(whole * scale + offset).max()) if whole is not None else np.inf
    if bright > (limits.bright if strict or reach > HOLDS * limits.bright else reach):  # clouds saturate integers of a sensor's own scale
        return f"a tenth of the pixels would be above {bright:,.4g}"
    if whole is None and 0 < most < limits.dark * (ORDINARY if strict else 1):
        return f"none would be above {most:.2g}"
    if reach < limits.reach:
        return f"none could be above {reach:.2g}"
    if unit == "dB" and most and physical.min() >= 0:
        return "none would be below 0, where land and water lie"
    return None


def _way(stored: np.ndarray, whole: float | None, unit: str, usual: tuple[float, float] | None) -> str:
    """What to set so that stored numbers (bands, pixels) become plausible."""
    if unit == "dB":
        tenths = [f"reader.unit='dB × {1 / scale:g}'" for scale in (0.1, 0.01) if _fault(stored, whole, scale, 0.0, unit) is None]
        if tenths:
            return tenths[0]
        return "reader.unit=amplitude or reader.unit=power, or convert them to decibels"
    top = float(np.abs(stored).max())
    bits = 2.0 ** np.ceil(np.log2(top + 1)) - 1  # all of the bits that the largest number needs
    tens = [(1 / ten, 0.0) for ten in (*TENS, bits)] if unit == "reflectance" else [(1 / bits, 0.0)]
    for scale, offset in [*([usual] if usual else []), (1.0, 0.0), *tens]:
        if _fault(stored, whole, scale, offset, unit, strict=True) is None:
            return f"reader.unit={_written(unit, scale, offset)}"
    return "reader.unit=… with their scale"


def _written(unit: str, scale: float, offset: float) -> str:
    """As `reader.unit` takes it."""
    if (scale, offset) == (1.0, 0.0):
        return unit
    plus = f" {'-' if offset < 0 else '+'} {abs(offset):g}" if offset else ""
    return f"'{unit} × {1 / scale:.9g}{plus}'"
