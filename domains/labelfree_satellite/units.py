"""The unit in which a coordinate system counts: asked of the system itself, never of its name."""

from __future__ import annotations

from functools import lru_cache

UNKNOWN = ("", "unknown", "unnamed")


@lru_cache(maxsize=256)
def unit_of(system: str) -> tuple[str, float | None]:
    """The unit of coordinates, such as ("US survey foot", 0.3048006): its name, "" where nobody knows, and its metres, None for angles too.

    `system`: as rasterio writes it, a code or WKT. Of a system with heights the unit across.
    """
    from rasterio.crs import CRS

    try:
        crs = CRS.from_string(system)
        name, factor = crs.units_factor
    except Exception:  # rasterio's own errors of GDAL are private; who knows no system knows no unit
        return "", None
    if name.lower() in UNKNOWN and factor == 1:
        return "", None
    return name, None if crs.is_geographic else float(factor)
