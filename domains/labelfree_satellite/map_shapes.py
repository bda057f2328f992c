"""Between maps and shapes: where a map is wanted at all, and what it shows as polygons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from labelfree.domain import Sample
from labelfree.errors import DataError
from labelfree_satellite.targets import grid_of_sample

if TYPE_CHECKING:
    import numpy as np

ROWS = 1024  # of a map that stand in memory at once
FORMATS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".shp": "ESRI Shapefile", ".fgb": "FlatGeobuf"}


def region(file: Path, sample: Sample, size: tuple[int, ...]) -> Callable[[int, int], np.ndarray]:
    """`labelfree.domain.WritesMaps`: pixels whose centre lies in a shape of a vector file."""
    import geopandas

    height, width = size
    grid = grid_of_sample(sample, height, width)
    if grid is None:
        raise DataError(f"{sample.source or 'this image'}: has no coordinates, so no region of {file} can be found on it.")
    try:
        frame = geopandas.read_file(file)
    except Exception as error:  # drivers raise whatever they like at broken files
        raise DataError(f"{file}: cannot be read as vector data ({str(error).splitlines()[0]}); give a GeoPackage.") from error
    if frame.crs is None:
        raise DataError(f"{file}: does not say in which coordinate system its shapes lie; export it again with one.")
    shapes = [shape for shape in frame.to_crs(grid.crs).geometry if shape is not None and not shape.is_empty]
    if not shapes:
        raise DataError(f"{file}: holds no shape.")

    def wanted(start: int, stop: int) -> np.ndarray:
        from rasterio.features import geometry_mask
        from rasterio.transform import Affine

        transform = Affine(*grid.transform) @ Affine.translation(0, start)
        inside: np.ndarray = geometry_mask(shapes, (stop - start, width), transform, invert=True)
        return inside

    return wanted


def outlines(maps: Sequence[tuple[str, Path]], file: Path, classes: Sequence[str]) -> Path:
    """`labelfree.domain.WritesMaps`: a polygon a patch of one class, with the class and its mean confidence (0 to 1) as score."""
    require_format(file)
    found = []
    for name, map_file in maps:
        if map_file.suffix != ".tif":
            raise DataError(
                f"{name}: has no coordinates, so it has no polygons on the ground; name a .json for objects of COCO, or leave --vector out."
            )
        found.append((name, _crs(map_file), list(_polygons(map_file, classes))))
    return write_shapes(found, file)


def require_format(file: Path) -> None:
    """Raises `DataError` for a file that is written in no known format."""
    if file.suffix.lower() not in FORMATS:
        raise DataError(f"{file}: polygons are written as {', '.join(FORMATS)}; name such a file.")


def write_shapes(images: Sequence[tuple[str, Any, Sequence[tuple[Any, str, float]]]], file: Path) -> Path:
    """Of each image its name, the system of its coordinates, and shapes with class and score; all in the first image's system."""
    import geopandas
    import pandas

    frames, system = [], None
    for name, crs, records in images:
        system = system or crs
        columns = {"path": [name] * len(records), "class": [each[1] for each in records], "score": [each[2] for each in records]}
        frame = geopandas.GeoDataFrame(columns, geometry=[each[0] for each in records], crs=crs)
        frames.append(frame if crs == system else frame.to_crs(system))
    together = geopandas.GeoDataFrame(pandas.concat(frames, ignore_index=True), geometry="geometry", crs=system)
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{file.stem}.making-", dir=file.parent) as making:  # a Shapefile is several files
        together.to_file(Path(making) / file.name, driver=FORMATS[file.suffix.lower()], index=False)
        for part in Path(making).iterdir():
            part.replace(file.parent / part.name)
    return file


def _crs(map_file: Path) -> Any:
    import rasterio

    with rasterio.open(map_file) as opened:
        return opened.crs


def _polygons(map_file: Path, classes: Sequence[str]) -> Iterator[tuple[Any, str, float]]:
    """Of one map; the raster is gone through line by line."""
    import rasterio
    from rasterio.features import shapes
    from shapely.geometry import shape

    from labelfree.data.label_formats.listed import BACKGROUND

    with rasterio.open(map_file) as numbers, rasterio.open(map_file.with_name(f"{map_file.stem}_confidence.tif")) as confidence:
        for outline, number in shapes(rasterio.band(numbers, 1), mask=None, transform=numbers.transform):
            if number == numbers.nodata or classes[int(number)] == BACKGROUND:
                continue
            patch = shape(outline)
            yield patch, classes[int(number)], round(_mean(confidence, patch) / 100, 4)


def _mean(confidence: Any, patch: Any) -> float:
    """Mean of the pixels whose centre lies in a polygon, a strip at a time."""
    from rasterio.features import geometry_mask
    from rasterio.windows import Window, from_bounds

    box = from_bounds(*patch.bounds, transform=confidence.transform).round_offsets().round_lengths()
    box = box.intersection(Window(0, 0, confidence.width, confidence.height))
    total, count = 0.0, 0
    for top in range(int(box.row_off), int(box.row_off + box.height), ROWS):
        strip = Window(box.col_off, top, box.width, min(ROWS, int(box.row_off + box.height) - top))
        values = confidence.read(1, window=strip)
        inside = geometry_mask([patch], values.shape, confidence.window_transform(strip), invert=True) & (values != confidence.nodata)
        total, count = total + float(values[inside].sum()), count + int(inside.sum())
    return total / max(1, count)
