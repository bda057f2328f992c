"""Where on Earth places lie, as their coordinate systems tell: in degrees of any datum, in metres or feet, stretched or local."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from labelfree.domain import Place
from labelfree_satellite.grids import unit_of
from labelfree_satellite.headers import quiet_rasterio

LONLAT = "EPSG:4326"


def with_outlines(places: Sequence[Place]) -> list[Place]:
    """The places with their outlines on Earth; those of local systems, and those that a map shows outside the Earth, with a unit alone."""
    outlined = list(places)
    by_system: dict[str, list[int]] = defaultdict(list)
    for position, place in enumerate(places):
        by_system[place.crs].append(position)
    for system, positions in by_system.items():
        _, unit = unit_of(system)
        outlines = _outlines(system, np.array([places[position].bounds for position in positions]))
        known = np.isfinite(outlines).all((1, 2))
        for position, outline, on_earth in zip(positions, outlines.reshape(-1, 10).tolist(), known, strict=True):
            outlined[position] = places[position]._replace(outline=tuple(outline) if on_earth else None, unit=unit)
    return outlined


def _outlines(system: str, bounds: np.ndarray) -> np.ndarray:
    """(n, 5, 2) longitude and latitude of the middles and corners of boxes (n, 4); NaN where there is none on Earth."""
    left, bottom, right, top = bounds.T
    x = np.stack([(left + right) / 2, left, right, right, left], axis=1)
    y = np.stack([(bottom + top) / 2, bottom, bottom, top, top], axis=1)
    if not _on_earth(system):
        return np.full((*x.shape, 2), np.nan)
    outlines = _lonlat(system, x.ravel(), y.ravel()).reshape(-1, 5, 2)
    middle, corners = outlines[:, :1], outlines[:, 1:]
    opposite = corners[:, [2, 3, 0, 1]] - middle  # at the rim of a map of the world a corner may lie outside: mirror the other one
    opposite[..., 0] = (opposite[..., 0] + 180) % 360 - 180
    outlines[:, 1:] = np.where(np.isfinite(corners), corners, middle - opposite)
    return outlines


@lru_cache(maxsize=256)
def _on_earth(system: str) -> bool:
    """Whether a way leads from a system to longitude and latitude: none does from local grids and from other planets."""
    quiet_rasterio()
    from rasterio.crs import CRS
    from rasterio.warp import transform

    try:
        crs = CRS.from_string(system)
        transform(crs, LONLAT, [np.nan], [np.nan])  # fails where there is no way at all
    except Exception:  # rasterio's own errors of GDAL are private
        return False
    return bool(crs.is_projected or crs.is_geographic)


def _lonlat(system: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n, 2) longitude and latitude in degrees; NaN where the map shows no point of the Earth."""
    from rasterio.warp import transform

    try:
        lonlat = np.stack(transform(system, LONLAT, x, y), axis=1)
    except Exception:  # one point that fails takes all with it: look for it
        if len(x) == 1:
            return np.full((1, 2), np.nan)
        half = len(x) // 2
        return np.concatenate([_lonlat(system, x[:half], y[:half]), _lonlat(system, x[half:], y[half:])])
    return np.where(np.isfinite(lonlat).all(1, keepdims=True), lonlat, np.nan)
