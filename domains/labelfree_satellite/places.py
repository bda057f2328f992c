"""Places of several coordinate systems on one map: longitude and latitude of the middle, width and height in metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.domain import Place
from labelfree_satellite.reader import quiet_rasterio

EARTH = 6_371_008.8  # metres, mean radius
LONLAT = "EPSG:4326"
A_DEGREE = np.radians(1) * EARTH  # metres along a meridian


def on_the_ground(places: Sequence[Place]) -> np.ndarray:
    """(n, 4): longitude and latitude of the middle in degrees, width and height in metres."""
    quiet_rasterio()
    from rasterio.crs import CRS
    from rasterio.warp import transform

    found = np.empty((len(places), 4))
    bounds = np.array([place.bounds for place in places]).reshape(-1, 4)
    names = np.array([place.crs for place in places])
    for name in np.unique(names):
        mine = names == name
        left, bottom, right, top = bounds[mine].T
        crs = CRS.from_user_input(str(name))
        longitude, latitude = map(np.array, transform(crs, LONLAT, (left + right) / 2, (bottom + top) / 2))
        if crs.is_geographic:
            width, height = (right - left) * A_DEGREE * np.cos(np.radians(latitude)), (top - bottom) * A_DEGREE
        else:
            metres = crs.linear_units_factor[1]
            width, height = (right - left) * metres, (top - bottom) * metres
        found[mine] = np.stack([longitude, latitude, width, height], axis=1)
    return found


def on_one_map(places: Sequence[Place]) -> list[Place]:
    """Boxes of longitude and latitude around the middles, as wide and high as the places are: tiles that touch in one system still do."""
    longitude, latitude, width, height = on_the_ground(places).T
    across, up = width / 2 / A_DEGREE / np.cos(np.radians(latitude)), height / 2 / A_DEGREE
    boxes = np.stack([longitude - across, latitude - up, longitude + across, latitude + up], axis=1)
    return [Place(LONLAT, (left, bottom, right, top)) for left, bottom, right, top in boxes.tolist()]
