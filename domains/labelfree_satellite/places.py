"""Places of several coordinate systems on one map: longitude and latitude of the middle, width and height in metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.domain import Place
from labelfree_satellite.headers import quiet_rasterio

EARTH = 6_371_008.8  # metres, mean radius
LONLAT = "EPSG:4326"
A_DEGREE = np.radians(1) * EARTH  # metres along a meridian


def on_the_ground(places: Sequence[Place]) -> np.ndarray:
    """(n, 4): longitude and latitude of the middle in degrees, width and height in metres; NaN where nobody knows where on Earth that is.

    Measured between the middles of opposite edges: a map's metres are not those of the ground everywhere.
    """
    quiet_rasterio()
    from rasterio.warp import transform

    found = np.full((len(places), 4), np.nan)
    bounds = np.array([place.bounds for place in places]).reshape(-1, 4)
    names = np.array([place.crs for place in places])
    for name in np.unique(names):
        mine = np.flatnonzero(names == name)
        left, bottom, right, top = bounds[mine].T
        x, y = (left + right) / 2, (bottom + top) / 2
        points = np.concatenate([x, left, right, x, x]), np.concatenate([y, y, y, bottom, top])
        try:
            longitude, latitude = (np.array(values).reshape(5, -1) for values in transform(str(name), LONLAT, *points))
        except Exception:  # a local system; rasterio's own errors of GDAL are private
            continue
        width = _metres(longitude[1], latitude[1], longitude[2], latitude[2])
        height = _metres(longitude[3], latitude[3], longitude[4], latitude[4])
        there = np.stack([longitude[0], latitude[0], width, height], axis=1)
        found[mine] = np.where(np.isfinite(there).all(1, keepdims=True), there, np.nan)
    return found


def _metres(east: np.ndarray, north: np.ndarray, other_east: np.ndarray, other_north: np.ndarray) -> np.ndarray:
    """Great-circle distances between points in degrees (haversine)."""
    a, b = np.radians(north), np.radians(other_north)
    chord = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.radians(other_east - east) / 2) ** 2
    distance: np.ndarray = 2 * EARTH * np.arcsin(np.sqrt(np.clip(chord, 0, 1)))
    return distance


def on_one_map(places: Sequence[Place]) -> list[Place]:
    """Boxes of longitude and latitude around the middles, as wide and high as the places are: tiles that touch in one system still do.

    Places of a local system stay as they are.
    """
    longitude, latitude, width, height = on_the_ground(places).T
    across, up = width / 2 / A_DEGREE / np.cos(np.radians(latitude)), height / 2 / A_DEGREE
    boxes = np.stack([longitude - across, latitude - up, longitude + across, latitude + up], axis=1)
    return [Place(LONLAT, tuple(box)) if np.isfinite(box).all() else place for place, box in zip(places, boxes.tolist(), strict=True)]
