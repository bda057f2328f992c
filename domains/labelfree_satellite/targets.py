"""Labels of pixels on the grid of an image: masks by coordinates or pixel by pixel, boxes as they were drawn. Predictions as files.

No heavy package is imported before a file is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.domain import IGNORE, Row, Sample, Targets
from labelfree.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from labelfree.data.label_formats.annotated import AnnotatedImage
    from labelfree.data.label_formats.regions import Corners
    from labelfree_satellite.grids import Grid


def read_targets(row: Row, sample: Sample) -> Targets:
    """`labelfree.domain.ReadsTargets`. A class that a mask declares as nodata, and what lies outside it, is `IGNORE`."""
    import torch

    mask = torch.from_numpy(_mask(Path(row.mask), row, sample)) if row.mask else None
    if row.boxes is None:
        return Targets(mask)
    drawn, (height, width) = _drawn(row, sample), sample.data.shape[1:]
    boxes = torch.tensor([_corners(each.box) for each in drawn.objects], dtype=torch.float32)
    ignored = torch.tensor([_corners(region.box or (0, 0, width, height)) for region in drawn.ignored], dtype=torch.float32)
    return Targets(mask, boxes.view(-1, 4), tuple(each.name for each in drawn.objects), ignored.view(-1, 4))


def _mask(path: Path, row: Row, sample: Sample) -> np.ndarray:
    """(H, W) int32 on the sample's grid."""

    from labelfree.data.masks import in_window, read_numbers, whole_numbers
    from labelfree.data.tiles import by
    from labelfree_satellite.headers import grid_in, header

    nodata, theirs = header(path, lambda file: (file.nodata, grid_in(file))) or (None, None)
    numbers = whole_numbers(path, read_numbers(path, _first_band), nodata)
    size, ours = tuple(sample.data.shape[1:]), _grid(sample)
    if theirs is not None and ours is not None:
        mask = _placed(path, numbers, theirs, ours)
        if row.window is None and (mask == IGNORE).all():
            raise DataError(f"{path}: lies nowhere on its image {row.called}, or knows no class there; correct the pair in the table.")
        return mask
    numbers = in_window(numbers, size, row.window)
    if numbers.shape != size:
        sizes = f"{by(numbers.shape)} pixels, its image {row.called} has {by(size)}"
        raise DataError(f"{path}: {sizes}; give a mask of that size, or one with coordinates.")
    return numbers


def _first_band(row: Row) -> Sample:
    """A raster that is no picture, as its numbers stand."""
    import torch

    from labelfree_satellite.reader import open_raster

    return Sample(torch.from_numpy(open_raster(row.path, coarser=False).data[:1]), ("mask",), (1.0,), (0.0,), "class")


def _placed(path: Path, numbers: np.ndarray, theirs: Grid, ours: Grid) -> np.ndarray:
    """A mask on its own grid, brought onto the image's: each pixel takes the class at its centre."""
    import numpy as np

    from labelfree_satellite.headers import LOCAL, quiet_rasterio

    alike = (theirs.crs, theirs.height, theirs.width) == (ours.crs, ours.height, ours.width)
    if alike and np.allclose(theirs.transform, ours.transform, rtol=0, atol=min(ours.spacing) / 1000):
        return numbers
    rasterio = quiet_rasterio()
    from rasterio.transform import Affine
    from rasterio.warp import Resampling, reproject

    if LOCAL in (theirs.crs, ours.crs) and theirs.crs != ours.crs:
        systems = f"lies in {theirs.crs}, its image in {ours.crs}"
        raise DataError(f"{path}: {systems}, and nobody knows how the two relate; name the system of both.")
    mask = np.full((ours.height, ours.width), IGNORE, np.int32)
    try:
        reproject(
            numbers, mask, src_transform=Affine(*theirs.transform), dst_transform=Affine(*ours.transform), src_crs=theirs.crs,
            dst_crs=ours.crs, resampling=Resampling.nearest, src_nodata=IGNORE, dst_nodata=IGNORE,
        )  # fmt: skip
    except rasterio.errors.RasterioError as error:
        systems = f"from {theirs.crs} to {ours.crs}"
        raise DataError(f"{path}: cannot be brought {systems} ({error}); save it in the system of its image.") from error
    return mask


def _drawn(row: Row, sample: Sample) -> AnnotatedImage:
    """What is drawn on the row's image, in the sample's pixels. What is faulty is left out: `labelfree data check` names it."""
    from labelfree.data.label_formats.annotated import Placing

    if row.listed is None:
        raise DataError(f"{row.boxes}: boxes are read from Pascal VOC's .xml in a table, or from a file of labels (docs/labels.md).")
    height, width = sample.data.shape[1:]
    return Placing().image(row.id, row.path, row.listed, lambda path: (height, width), row.window)


def _corners(box: Corners) -> tuple[float, ...]:
    """(top, left, bottom, right)."""
    x0, y0, x1, y1 = box
    return y0, x0, y1, x1


def write(prediction: Tensor, sample: Sample, path: Path) -> list[Path]:
    """`labelfree.domain.Writes`: GeoTIFF where the sample has coordinates; else PNG for classes, TIFF for scores."""
    import numpy as np

    from labelfree.data.tiles import by

    numbers = prediction.detach().cpu().numpy()
    size = tuple(sample.data.shape[1:])
    if numbers.shape[-2:] != size or numbers.ndim not in (2, 3):
        raise DataError(f"{path}: a prediction of {by(numbers.shape)}, its image {sample.source} has {by(size)} pixels.")
    grid = _grid(sample)
    numbers = _smallest(numbers) if numbers.dtype.kind in "uib" else numbers.astype(np.float32, copy=False)
    picture = grid is None and numbers.ndim == 2 and numbers.dtype in (np.uint8, np.uint16)
    file = path.with_name(f"{path.name}.png" if picture else f"{path.name}.tif")
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.stem}.making{file.suffix}")
    if picture:
        from PIL import Image

        Image.fromarray(numbers).save(part)
    else:
        _write_tif(part, numbers if numbers.ndim == 3 else numbers[None], grid)
    part.replace(file)
    return [file]


def _smallest(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers in the smallest type that holds them: viewers open bytes best."""
    import numpy as np

    low, high = (int(numbers.min()), int(numbers.max())) if numbers.size else (0, 0)
    types = (np.uint8, np.uint16, np.int16, np.int32)
    return numbers.astype(next((kind for kind in types if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max), np.float64))


def _write_tif(file: Path, bands: np.ndarray, grid: Grid | None) -> None:
    from labelfree_satellite.headers import quiet_rasterio

    rasterio = quiet_rasterio()
    from rasterio.transform import Affine

    count, height, width = bands.shape
    place: dict[str, Any] = {}
    if grid is not None:
        place = {"crs": grid.crs, "transform": Affine(*grid.transform)}
    form = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype, "compress": "deflate"}
    with rasterio.open(file, "w", **form, **place) as opened:
        opened.write(bands)


def grid_of_sample(sample: Sample, height: int, width: int) -> Grid | None:
    """Where an image of this size lies whose first pixel is the sample's; None without coordinates."""
    from labelfree_satellite.grids import Grid

    return None if sample.crs is None or sample.affine is None else Grid.of(sample.affine, sample.crs, height, width)


def _grid(sample: Sample) -> Grid | None:
    """Where the sample's pixels lie; None without coordinates."""
    height, width = sample.data.shape[1:]
    return grid_of_sample(sample, height, width)
