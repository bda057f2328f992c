"""Small rasters written for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

from labelfree.domain import Row

SENTINEL = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")


def write_tif(path: Path, data: np.ndarray, names: tuple[str, ...] | None = None, placed: bool = True, **profile: Any) -> Path:
    """(C, H, W) as GeoTIFF at 10 m in UTM 32N, or without coordinates."""
    where = {"crs": "EPSG:32632", "transform": from_origin(500_000, 5_300_000, 10, 10)} if placed else {}
    count, height, width = data.shape
    with rasterio.open(path, "w", driver="GTiff", count=count, height=height, width=width, dtype=data.dtype, **where | profile) as file:
        file.write(data)
        if names:
            file.descriptions = names
    return path


def numbers(count: int, dtype: str = "uint16", side: int = 8) -> np.ndarray:
    """(count, side, side) whose band k holds values around 1000 (k + 1), or around k + 1 in bytes."""
    step = 1 if dtype in ("uint8", "int8") else 1000
    values = (np.arange(count) + 1)[:, None, None] * step + np.random.default_rng(0).integers(0, 2, (count, side, side))
    return values.astype(dtype)


def row(path: Path) -> Row:
    return Row(path.name, path)
