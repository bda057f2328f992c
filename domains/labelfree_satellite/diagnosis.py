"""Whether this machine can read rasters, and what keeps the libraries that do so from printing."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

from labelfree.domain import Finding

QUIET = {
    "CPL_LOG": os.devnull,  # GDAL's own words, where no library catches them
    "PROJ_DEBUG": "0",  # PROJ's, which rasterio does not catch while a file is opened
}


def raster_reader() -> Finding:
    """The package that GeoTIFF is read with."""
    try:
        installed = version("rasterio")
    except PackageNotFoundError:
        fact = "rasterio is not installed: only JPEG and PNG can be read"
        return Finding("GeoTIFF", "warning", fact, "pip install 'labelfree[satellite]'")
    import rasterio

    return Finding("GeoTIFF", "ok", f"rasterio {installed}, GDAL {rasterio.__gdal_version__}")
