"""Opening rasters, and what their headers tell without a pixel being read."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from labelfree.errors import DataError
from labelfree_satellite.grids import Grid
from labelfree_satellite.pictures import esri_world

ADDRESS = re.compile(r"(?:https?|ftp|s3|gs|az|oss)://|/vsi\w+/")  # as rasterio and GDAL write them
ELSEWHERE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_HTTP_TIMEOUT": 60, "GDAL_HTTP_MAX_RETRY": 3, "GDAL_HTTP_RETRY_DELAY": 1}
LOCAL = "local"  # the coordinate system of a world file that nobody names
T = TypeVar("T")


@cache
def quiet_rasterio() -> Any:
    """rasterio, without its warning at each file that has no coordinates. Imported on first use."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    return rasterio


@contextmanager
def opened(path: Path | str) -> Iterator[Any]:
    """The file, open; one elsewhere with patience, and without a look at what else lies there."""
    rasterio = quiet_rasterio()
    with rasterio.Env(**(ELSEWHERE if isinstance(path, str) else {})), rasterio.open(path) as file:
        yield file


@contextmanager
def opened_pages(path: Path | str) -> Iterator[list[Any]]:
    """The pages of a TIFF, open, when it keeps its bands as several of them; else the file alone.

    Raises `DataError` where pages differ in size or type. Overviews, masks and thumbnails (smaller copies of all bands) are no pages.
    """
    with opened(path) as file:
        names = file.subdatasets if file.driver == "GTiff" else []
        if len(names) < 2:
            yield [file]
            return
        with ExitStack() as stack:
            first, *others = (stack.enter_context(quiet_rasterio().open(name)) for name in names)
            pages = [first, *(page for page in others if not _thumbnail(page, first))]
            forms = {(page.height, page.width, page.dtypes) for page in pages}
            if len(forms) > 1:
                sizes = ", ".join(f"{page.height} x {page.width} {page.dtypes[0]}" for page in pages)
                raise DataError(f"{path}: {len(pages)} pages that differ ({sizes}); keep the one that is meant, or save all as bands.")
            yield pages


def _thumbnail(page: Any, first: Any) -> bool:
    """Whether a page shows what the first shows, in colours and smaller. A smaller page of one band may be a band of another resolution."""
    return bool(first.count >= 3 and page.count == first.count and page.height < first.height and page.width < first.width)


def grid_in(file: Any) -> Grid | None:
    """Where an open file's pixels lie; None without coordinates."""
    if file.crs is None or file.transform.is_identity:
        return None
    return Grid(file.crs.to_string(), tuple(file.transform)[:6], file.height, file.width)


def picture_grid(path: Path) -> Grid | None:
    """Where a picture lies by the world file or the metadata beside it; with a world file alone its system is `LOCAL`."""

    def tell(file: Any) -> Grid | None:
        transform = esri_world(path) if file.transform.is_identity else tuple(file.transform)[:6]
        if transform is None:
            return None
        crs = file.crs.to_string() if file.crs is not None else _projection_beside(path) or LOCAL
        return Grid(crs, transform, file.height, file.width)

    return header(path, tell)


def _projection_beside(path: Path) -> str | None:
    """The coordinate system in a .prj beside a picture."""
    from rasterio.crs import CRS

    for file in (path.with_suffix(".prj"), path.with_suffix(".PRJ")):
        try:
            return str(CRS.from_wkt(file.read_text(encoding="utf-8", errors="replace"), morph_from_esri_dialect=True).to_string())
        except Exception:  # none there, or none that GDAL knows; rasterio's own errors of GDAL are private
            continue
    return None


def grid_of(path: Path | str) -> Grid | None:
    """Where a raster's pixels lie, as its header tells; None without coordinates, and for what rasterio does not open."""
    return header(path, grid_in)


def size_of(path: Path | str) -> tuple[int, int] | None:
    """(height, width) that a raster's header tells; None for what rasterio does not open."""
    return header(path, lambda file: (file.height, file.width))


def header(path: Path | str, tell: Callable[[Any], T]) -> T | None:
    """What `tell` says of the open file; None for what rasterio does not open."""
    try:
        with opened(path) as file:
            return tell(file)
    except Exception as error:  # what is wrong with a file is said when it is read; an address may answer next time, so say it now
        if isinstance(path, str):
            raise DataError(unreachable(path, (str(error).splitlines() or [type(error).__name__])[0])) from error
        return None


def unreachable(address: str, reason: str) -> str:
    """What to say of an address that does not answer."""
    return f"{address}: cannot be read ({reason}); check address, network and credentials, or set data.on_error=skip."
