"""How large an image is read and where it lies, as its header tells: no pixel is decoded."""

from __future__ import annotations

from pathlib import Path

from labelfree.domain import Row, Sample
from labelfree_satellite.grids import WHOLE, Grid
from labelfree_satellite.headers import grid_in, header, picture_grid
from labelfree_satellite.pictures import SUFFIXES as PICTURES
from labelfree_satellite.pictures import placed_beside, sixteen_bit


def frame_of(row: Row, coarser: bool) -> Sample | None:
    """A sample without channels, (0, H, W); None where only reading tells. `coarser`: whether a large image may be read so."""
    import torch

    whole = row.window is None and row.path.suffix.lower() in PICTURES  # windows of pictures are read as those of rasters
    found = _picture(row.path) if whole else _raster(row.where)
    if found is None:
        return None
    (height, width), grid = found
    if row.window is None and coarser and height * width > WHOLE:
        return None
    size = (height, width) if row.window is None else (row.window.height, row.window.width)
    affine = None if grid is None else grid.affine(size, row.window)
    return Sample(torch.empty(0, *size), (), (), (), "", crs=None if grid is None else grid.crs, affine=affine, source=row.id)


def _raster(path: Path | str) -> tuple[tuple[int, int], Grid | None] | None:
    """(height, width) of a raster, and where it lies."""
    return header(path, lambda file: (file.shape, grid_in(file)))


def _picture(path: Path) -> tuple[tuple[int, int], Grid | None] | None:
    """(height, width) of a picture, and where it lies."""
    from PIL import Image

    try:
        if sixteen_bit(path):
            return _raster(path)
        with Image.open(path) as image:
            size = image.height, image.width
        return size, picture_grid(path) if placed_beside(path) else None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
