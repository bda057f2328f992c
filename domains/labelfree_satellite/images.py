"""Images under a folder: rasters, pictures, and products (SAFE folders and zips, folders with a file a band), each as one."""

from __future__ import annotations

import os
from pathlib import Path

from labelfree.data.walk import Walk
from labelfree.errors import DataError
from labelfree_satellite.products import find_product, is_product
from labelfree_satellite.reader import SUFFIXES

KINDS = "GeoTIFF, JPEG 2000, PNG, JPEG, WebP, BMP, .img and .vrt files, Sentinel-2 SAFE folders and zips, and folders with a file a band"
_UNPACK = "unpack each archive into a folder of its own"
_CONVERT = "convert them to GeoTIFF (gdal_translate IN OUT.tif, one variable a file or band)"
_WARP = "convert them to GeoTIFF (gdal_translate IN OUT.tif)"
ADVICE = {  # ending -> what to do with files that are not read
    **dict.fromkeys((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst", ".z"), _UNPACK),
    **dict.fromkeys((".nc", ".nc4", ".cdf", ".hdf", ".hdf4", ".hdf5", ".h4", ".h5", ".he5", ".grib", ".grib2", ".grb", ".grb2"), _CONVERT),
    **dict.fromkeys((".zarr", ".n1", ".dim", ".npy", ".npz", ".mat"), _CONVERT),
    **dict.fromkeys((".ecw", ".sid", ".ntf", ".nitf", ".bil", ".bip", ".bsq", ".envi", ".asc", ".pix", ".gif", ".heic", ".avif"), _WARP),
    **dict.fromkeys((".las", ".laz", ".copc"), "make rasters of these point clouds first (pdal's writers.gdal)"),
}


def images_under(root: Path) -> list[Path]:
    """All of them, sorted; every real folder is read once, and no folder of labelfree. Raises DataError where the root is a product."""
    if root.is_dir() and find_product(root) is not None:
        raise DataError(f"{root}: is one scene itself; give the folder that holds it.")
    products: list[Path] = []

    def enter(folder: Path) -> bool:
        if not is_product(folder):
            return True
        products.append(folder)
        return False

    files = [folder / name for folder, names in Walk(root, enter) for name in names]
    images = [file for file in files if file.suffix.lower() in SUFFIXES or (file.suffix.lower() == ".zip" and is_product(file))]
    return sorted([*images, *_once(products)])


def _once(products: list[Path]) -> list[Path]:
    """Each real folder one time: links to one that is there give way."""
    first: dict[str, Path] = {}
    for path in sorted(products, key=lambda path: (path.is_symlink(), path)):
        first.setdefault(os.path.realpath(path), path)
    return list(first.values())
