"""Whether numbers can be what their unit says: a scale is believed where the pixels do not contradict it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.errors import DataError
from labelfree_satellite.sensors import REFLECTIVE_NM, Band

LOOKED_AT = 4096  # pixels a band
BRIGHTEST = {"reflectance": 2.0, "display": 2.0, "dB": 100.0}  # what half of an image never exceeds: fresh snow reflects about 1
DARKEST = 1e-3  # what some pixel of an image in real numbers exceeds: deep water reflects 0.01
TENS = (100.0, 10_000.0)  # reflectance is written in percent, or times 10,000


def require_plausible(
    where: object,
    data: np.ndarray,
    measured: np.ndarray | None,
    scale: Sequence[float],
    offset: Sequence[float],
    unit: str,
    bands: Sequence[Band | None],
) -> None:
    """Raises DataError where the stored numbers (C, H, W), times scale plus offset, cannot be in `unit`; thermal bands are not judged.

    `measured`: (H, W) bool, None: all. `bands`: what is known of each channel.
    """
    if unit not in BRIGHTEST:
        return
    judged = [index for index, band in enumerate(bands) if band is None or band.nm < REFLECTIVE_NM or unit == "dB"]
    if not judged or (measured is not None and not measured.any()):
        return
    known = slice(None) if measured is None else measured.ravel()
    pixels = [data[index].reshape(-1)[known] for index in judged]
    stored = np.stack([band[:: max(1, len(band) // LOOKED_AT)] for band in pixels]).astype(np.float64)
    physical = np.abs(stored * np.array(scale)[judged, None] + np.array(offset)[judged, None])
    middle, most = float(np.median(physical)), float(physical.max())
    dark = data.dtype.kind == "f" and unit != "dB" and 0 < most < DARKEST
    if middle <= BRIGHTEST[unit] and not dark:
        return
    top = float(np.abs(stored).max())
    if unit == "reflectance" and not dark:
        times = next((ten for ten in TENS if top / ten <= BRIGHTEST[unit]), TENS[-1])
        way = f"data.unit='reflectance × {times:g}'"
    else:
        way = f"data.unit={unit}" if dark else "data.unit=… with their scale, such as 'display × 255'"
    would = f"as {unit} half of the pixels would be above {middle:,.4g}" if not dark else f"as {unit} none would be above {most:.2g}"
    raise DataError(
        f"{where}: {data.dtype} numbers up to {top:,.6g} are not what their unit says ({would}); "
        f"say what they are with {way} (data.unit=stored: nobody knows)."
    )
