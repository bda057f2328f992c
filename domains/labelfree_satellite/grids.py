"""Pixels on the ground: a coordinate system and the unit that it counts in, an affine map and a size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from labelfree.domain import Affine, Window

WHOLE = 2048 * 2048  # pixels; what is larger is read window by window, or coarser where it has one label
UNKNOWN_UNITS = ("", "unknown", "unnamed")  # of systems whose unit nobody knows


def fitting(height: int, width: int) -> tuple[int, int]:
    """The size of an image of this shape that holds at most `WHOLE` pixels."""
    factor = max(1.0, math.sqrt(height * width / WHOLE))
    return max(1, int(height / factor)), max(1, int(width / factor))


@dataclass(frozen=True)
class Grid:
    """What every layer is read on. `transform`: six numbers of the affine map from pixels to `crs`."""

    crs: str
    transform: tuple[float, float, float, float, float, float]
    height: int
    width: int

    @classmethod
    def of(cls, affine: Affine, crs: str, height: int, width: int) -> Grid:
        """The grid whose pixels' centres `affine` leads to from (row, column)."""
        (b, a, x), (e, d, y), _ = affine
        return cls(crs, (a, b, x - (a + b) / 2, d, e, y - (d + e) / 2), height, width)

    @property
    def spacing(self) -> tuple[float, float]:
        """Size of a pixel down and across, in the unit of the CRS."""
        a, b, _, d, e, _ = self.transform
        return math.hypot(b, e), math.hypot(a, d)

    def at(self, window: Window | None) -> Window:
        """The window, default the whole."""
        return window or Window((0, 0), (self.height, self.width))

    def spacing_of(self, size: tuple[int, int], window: Window | None = None) -> tuple[float, float]:
        """`spacing` of a window, default the whole, that is read as (height, width) pixels."""
        at, (down, across) = self.at(window), self.spacing
        return down * at.height / size[0], across * at.width / size[1]

    def affine(self, size: tuple[int, int], window: Window | None = None) -> Affine:
        """From (row, column) of a window, default the whole, that is read as (height, width) pixels, to x and y of their centres."""
        at = self.at(window)
        a, b, c, d, e, f = self.transform
        down, across = at.height / size[0], at.width / size[1]
        left, top = at.left + across / 2, at.top + down / 2
        return (b * down, a * across, a * left + b * top + c), (e * down, d * across, d * left + e * top + f), (0.0, 0.0, 1.0)

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """(column, row) of a point of the CRS, in pixels from the grid's upper left corner."""
        a, b, c, d, e, f = self.transform
        shear = a * e - b * d
        return (e * (x - c) - b * (y - f)) / shear, (a * (y - f) - d * (x - c)) / shear

    def bounds(self, window: Window | None = None) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) of the grid, or of a window of it."""
        at = self.at(window)
        a, b, c, d, e, f = self.transform
        corners = [(x, y) for x in (at.left, at.left + at.width) for y in (at.top, at.top + at.height)]
        east, north = [a * x + b * y + c for x, y in corners], [d * x + e * y + f for x, y in corners]
        return min(east), min(north), max(east), max(north)


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
    if name.lower() in UNKNOWN_UNITS and factor == 1:
        return "", None
    return name, None if crs.is_geographic else float(factor)
