"""GENERATED scenes that say nothing about the Earth: one place on two dates, and a GeoPackage of polygons with a class and a date."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelfree.errors import DataError
from labelfree_satellite.generated_patches import BANDS, COVERS, SIDE, patch

PLOTS = 14  # a side; each is one patch
LABELLED = 64  # plots with a polygon
MARGIN = 10  # pixels between a polygon and the edge of its plot
DATES = {"20220410": ("2022-04-14", 0.25, 0.05, 0.85), "20220720": ("2022-07-12", 0.85, 0.02, 1.0)}  # polygons' date, season, haze, sun
CRS, LEFT, TOP, METRES = "EPSG:32632", 600_000, 5_300_000, 10


def generate_scenes(directory: Path, seed: int = 0) -> None:
    """Write `tile_DATE.tif` for both dates, 13 bands of reflectance × 10000, and `fields.gpkg` with the fields `cover` and `seen`."""
    try:
        import geopandas
        from shapely.geometry import box
    except ImportError as error:
        raise DataError("variant 'scenes': geopandas is needed to write polygons; pip install 'labelfree[satellite]'.") from error
    directory.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng([seed, 1])
    covers = draw.permutation(np.arange(PLOTS**2) % len(COVERS)).reshape(PLOTS, PLOTS)
    for day, (_, season, haze, sun) in DATES.items():
        _write(directory / f"tile_{day}.tif", _scene(covers, seed, season, haze, sun))
    chosen = np.sort(draw.choice(PLOTS**2, LABELLED, replace=False))
    shapes, table = [], {"cover": [], "seen": []}  # type: ignore[var-annotated]
    for number, plot in enumerate(chosen.tolist()):
        row, column = divmod(plot, PLOTS)
        left, top = LEFT + METRES * (SIDE * column + MARGIN), TOP - METRES * (SIDE * row + MARGIN)
        wide = METRES * (SIDE - 2 * MARGIN)
        shapes.append(box(left, top - wide, left + wide, top))
        table["cover"].append(list(COVERS)[covers[row, column]])
        table["seen"].append([seen for seen, *_ in DATES.values()][number % len(DATES)])
    geopandas.GeoDataFrame(table, geometry=shapes, crs=CRS).to_crs(4326).to_file(directory / "fields.gpkg")


def _scene(covers: np.ndarray, seed: int, season: float, haze: float, sun: float) -> np.ndarray:
    """(bands, H, W): every plot the same ground on every date, for its generator starts alike."""
    rows = []
    for row in range(PLOTS):
        plots = [
            patch(np.random.default_rng([seed, row, column]), int(covers[row, column]), season, haze, sun)[0] for column in range(PLOTS)
        ]
        rows.append(np.concatenate(plots, axis=2))
    return np.concatenate(rows, axis=1)


def _write(path: Path, reflectance: np.ndarray) -> None:
    import rasterio
    from rasterio.transform import from_origin

    bands, height, width = reflectance.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": bands, "dtype": "uint16", "nodata": 0, "tiled": True}
    where = {"crs": CRS, "transform": from_origin(LEFT, TOP, METRES, METRES)}
    with rasterio.open(path, "w", **profile, **where, compress="deflate", predictor=2, zlevel=1) as file:
        file.write((reflectance * 10_000).round().clip(1, 65_535).astype(np.uint16))
        file.descriptions = BANDS
        file.update_tags(generated="by labelfree_satellite, not an observation")
