"""How large the pixels of ultrasound are: said of regions of a picture, never of all of it (PS3.3 C.8.5.5, US Region Calibration)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labelfree_medical.dicom.elements import Numbers, number, value_of, whole

REGIONS = "SequenceOfUltrasoundRegions"
TISSUE = 1  # RegionSpatialFormat: two dimensions of space; others are curves over time
CENTIMETRES = 3  # PhysicalUnitsXDirection and …YDirection
MOST = 0.5  # share of a picture that its region covers at least, so that the size of its pixels is that of the picture's
BY_REGION = "the pixels of ultrasound are measured in the one region that covers most of each picture (PhysicalDeltaX, PhysicalDeltaY)"


def spacing_of_region(dataset: Any) -> Numbers | None:
    """Millimetres between rows and between columns of the only region; None where there are several, or it is not most of the picture."""
    regions: Sequence[Any] = value_of(dataset, REGIONS) or ()
    if len(regions) != 1 or not _is_tissue(regions[0]):
        return None
    region = regions[0]
    height, width = _extent(region, "Y"), _extent(region, "X")
    if min(height, width) < 1 or height * width < MOST * whole(dataset, "Rows") * whole(dataset, "Columns"):
        return None
    down, across = _step(region, "Y"), _step(region, "X")
    return (down, across) if min(down, across) > 0 else None


def _extent(region: Any, axis: str) -> int:
    """Pixels along an axis."""
    return 1 + whole(region, f"RegionLocationMax{axis}1") - whole(region, f"RegionLocationMin{axis}0")


def _step(region: Any, axis: str) -> float:
    """Millimetres; the file says centimetres, below 0 where an axis points the other way."""
    return 10 * abs(number(region, f"PhysicalDelta{axis}", 0))


def _is_tissue(region: Any) -> bool:
    units = (whole(region, f"PhysicalUnits{axis}Direction") for axis in "XY")
    return whole(region, "RegionSpatialFormat") == TISSUE and all(unit == CENTIMETRES for unit in units)
