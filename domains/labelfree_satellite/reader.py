"""Files to samples: GeoTIFF of any band count and dtype through rasterio, 8-bit pictures through Pillow. The stored dtype is kept."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from labelfree.domain import Window
from labelfree.errors import DataError
from labelfree_satellite.grids import Grid, fitting
from labelfree_satellite.quality import quality
from labelfree_satellite.units import unit_of

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
SUFFIXES = PICTURES | {".tif", ".tiff", ".jp2", ".img", ".vrt"}
ALPHA = "alpha"
ADDRESS = re.compile(r"(?:https?|ftp|s3|gs|az|oss)://|/vsi\w+/")  # as rasterio and GDAL write them
ELSEWHERE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_HTTP_TIMEOUT": 60, "GDAL_HTTP_MAX_RETRY": 3, "GDAL_HTTP_RETRY_DELAY": 1}
T = TypeVar("T")


@dataclass
class Raster:
    """What a file holds. `data`: (C, H, W) in its stored dtype. `names`: one a band, None where the file does not say.

    `scale`, `offset`: the file's own, None where it has none. `spacing`: pixel size down and across, in the unit of the CRS.
    """

    data: np.ndarray
    names: list[str | None]
    picture: bool = False
    scale: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None
    units: tuple[str, ...] = ()
    crs: str | None = None
    bounds: tuple[float, float, float, float] | None = None
    spacing: tuple[float, float] | None = None
    nodata: float | None = None
    tags: dict[str, str] = field(default_factory=dict)


def open_raster(path: Path | str, window: Window | None = None, coarser: bool = True) -> Raster:
    """Decode one file, or a window of it; a text is an address elsewhere. A raster larger than `WHOLE` may be read `coarser`.

    Raises `DataError` naming it when it is missing, broken, truncated or complex.
    """
    if isinstance(path, Path) and not path.is_file():
        raise DataError(f"{path}: there is no such file; correct the path in the table, or data.root.")
    try:
        plain = isinstance(path, Path) and window is None and path.suffix.lower() in PICTURES and not _sixteen_bit(path)
        raster = _picture(path) if isinstance(path, Path) and plain else _rasterio(path, window, coarser)
    except DataError:
        raise
    except ImportError as error:
        raise DataError(f"{path}: rasterio is needed to read it; pip install 'labelfree[satellite]'.") from error
    except Exception as error:  # decoders raise whatever they like at broken bytes
        reason = str(error.__cause__ or error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(path, str):
            raise DataError(_unreachable(path, reason)) from error
        raise DataError(f"{path}: is truncated or broken ({reason}); fetch it again, or set data.on_error=skip.") from error
    if np.iscomplexobj(raster.data):
        raise DataError(f"{path}: holds complex numbers; save amplitude (and phase) as bands of their own and read those.")
    if 0 in raster.data.shape:
        raise DataError(f"{path}: has no pixels; remove it, or set data.on_error=skip.")
    return raster


def _sixteen_bit(path: Path) -> bool:
    """Pillow narrows 16-bit colour PNGs to 8 bit without a word; the header tells them."""
    with path.open("rb") as file:
        head = file.read(25)
    return head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 25 and head[24] == 16


def _picture(path: Path) -> Raster:
    """An 8-bit picture: palettes become colours, transparency is left out, CMYK becomes RGB."""
    from PIL import Image

    try:
        opened = Image.open(path)
    except Image.DecompressionBombError:  # an orthophoto may well be this large
        return _rasterio(path)
    with opened as image:
        gray = image.mode in ("1", "L", "LA") or (image.mode == "P" and _gray_palette(image))
        pixels = np.array(image.convert("L" if gray else "RGB"))
    names: list[str | None] = ["gray"] if gray else ["red", "green", "blue"]
    return Raster(np.ascontiguousarray(pixels[None] if gray else pixels.transpose(2, 0, 1)), names, picture=True)


def _gray_palette(image: Any) -> bool:
    colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


@cache
def quiet_rasterio() -> Any:
    """rasterio, without its warning at each file that has no coordinates. Imported on first use."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    return rasterio


@contextmanager
def _opened(path: Path | str) -> Iterator[Any]:
    """The file, open; one elsewhere with patience, and without a look at what else lies there."""
    rasterio = quiet_rasterio()
    with rasterio.Env(**(ELSEWHERE if isinstance(path, str) else {})), rasterio.open(path) as file:
        yield file


def _rasterio(path: Path | str, window: Window | None = None, coarser: bool = False) -> Raster:
    from rasterio.enums import Resampling

    with _opened(path) as file:
        part = None if window is None else ((window.top, window.top + window.height), (window.left, window.left + window.width))
        palette = file.colormap(1) if file.count == 1 and file.colorinterp[0].name == "palette" else None
        picture = Path(path).suffix.lower() in PICTURES  # tiles are cut of those: they have no cheap windows
        shown = (file.height, file.width) if window is None else (window.height, window.width)
        size = fitting(*shown) if coarser and window is None and not picture else shown
        how = Resampling.nearest if palette is not None else Resampling.average
        data = file.read(window=part, out_shape=(file.count, *size), resampling=how)
        if palette is not None:
            table = np.array([palette.get(index, (0, 0, 0, 255))[:3] for index in range(256)], dtype=np.uint8)
            return _placed(
                file, Raster(np.ascontiguousarray(table[data[0]].transpose(2, 0, 1)), ["red", "green", "blue"], picture=True), window
            )
        picture = picture or data.dtype == np.uint8
        outside = _outside(file, part, size)
        raster = Raster(data, _names(file, data, picture), picture, units=tuple(unit or "" for unit in file.units))
        for number, name in enumerate(raster.names):
            if name == ALPHA:
                outside |= data[number] == 0
            elif clouds := quality(name or ""):  # a layer of codes, exported as a band: never averaged
                outside |= clouds(file.read(number + 1, window=part, out_shape=size, resampling=Resampling.nearest))
                raster.names[number] = ALPHA
        if any(scale != 1 for scale in file.scales) or any(file.offsets):
            raster.scale, raster.offset = tuple(file.scales), tuple(file.offsets)
        fill(raster, [missing | outside for missing in _unmeasured(raster, file.nodatavals)])
        return _placed(file, raster, window)


def _outside(file: Any, part: Any, size: tuple[int, int]) -> np.ndarray:
    """(h, w) bool: pixels that a mask inside the file (or a .msk beside it) takes out. Alpha is believed by its numbers alone."""
    from rasterio.enums import MaskFlags

    flags = set(file.mask_flag_enums[0])
    if MaskFlags.per_dataset not in flags or MaskFlags.alpha in flags:
        return np.zeros(size, dtype=bool)
    return np.asarray(file.dataset_mask(window=part, out_shape=size)) == 0


def measured(path: Path, window: Window) -> float:
    """Share of a window that holds measurements."""
    return 1 - float(open_raster(path, window).tags.get("nodata_share", 0))


def _names(file: Any, data: np.ndarray, picture: bool) -> list[str | None]:
    """Band descriptions first, then colour tags.

    A gray tag on the first of many bands is only TIFF's default. GDAL tags the fourth of four byte bands as alpha
    unasked, so alpha is believed where it is a mask: near infrared is not.
    """
    names: list[str | None] = []
    for band, description, colour in zip(data, file.descriptions, file.colorinterp, strict=True):
        if description:
            names.append(description)
        elif colour.name == ALPHA:
            names.append(ALPHA if np.isin(band, (0, np.iinfo(band.dtype).max if band.dtype.kind in "ui" else 1)).all() else None)
        elif colour.name in ("red", "green", "blue", "nir", "coastal", "pan", "rededge"):
            names.append(colour.name)
        else:
            names.append("gray" if picture and file.count == 1 else None)
    known = [name for name in names if name]
    return names if len(set(known)) == len(known) else [None] * len(names)


def _placed(file: Any, raster: Raster, window: Window | None = None) -> Raster:
    """Coordinates and tags of an open file, or of a window of it."""
    if (grid := _grid(file)) is not None:
        height, width = raster.data.shape[1:]
        raster.crs, raster.bounds, raster.spacing = grid.crs, grid.bounds(window), grid.spacing_of((height, width), window)
        raster.tags["spacing_unit"] = unit_of(grid.crs)[0]
    raster.nodata = file.nodata
    return raster


def _grid(file: Any) -> Grid | None:
    """Where an open file's pixels lie; None without coordinates."""
    if file.crs is None or file.transform.is_identity:
        return None
    return Grid(file.crs.to_string(), tuple(file.transform)[:6], file.height, file.width)


def grid_of(path: Path | str) -> Grid | None:
    """Where a raster's pixels lie, as its header tells; None without coordinates, and for what rasterio does not open."""
    return _header(path, _grid)


def size_of(path: Path | str) -> tuple[int, int] | None:
    """(height, width) that a raster's header tells; None for what rasterio does not open."""
    return _header(path, lambda file: (file.height, file.width))


def _header(path: Path | str, tell: Callable[[Any], T]) -> T | None:
    try:
        with _opened(path) as file:
            return tell(file)
    except Exception as error:  # what is wrong with a file is said when it is read; an address may answer next time, so say it now
        if isinstance(path, str):
            raise DataError(_unreachable(path, (str(error).splitlines() or [type(error).__name__])[0])) from error
        return None


def _unreachable(address: str, reason: str) -> str:
    return f"{address}: cannot be read ({reason}); check address, network and credentials, or set data.on_error=skip."


def _unmeasured(raster: Raster, nodata: Sequence[float | None]) -> list[np.ndarray]:
    """(H, W) bool a band: pixels that are not finite or hold the file's nodata value."""
    found = []
    for band, value in zip(raster.data, nodata, strict=True):
        missing = ~np.isfinite(band) if band.dtype.kind == "f" else np.zeros(band.shape, dtype=bool)
        found.append(missing | (band == value) if value is not None and np.isfinite(value) else missing)
    return found


def fill(raster: Raster, unmeasured: Sequence[np.ndarray]) -> None:
    """Pixels without a measurement take their band's median, so that -9999 or NaN never reach a mean or a loss; their share is noted."""
    empty = 0
    for band, missing in zip(raster.data, unmeasured, strict=True):
        if missing.any():
            band[missing] = np.median(band[~missing]) if not missing.all() else 0
            empty += int(missing.sum())
    if empty:
        raster.tags["nodata_share"] = f"{empty / raster.data.size:.6f}"


def selected(
    path: Path | str, raster: Raster, wanted: Sequence[str] | None, names: Sequence[str | None]
) -> tuple[list[int], tuple[str, ...]]:
    """Which bands to take and what they are called: (positions, names).

    `wanted`: names that the recipe or card gives. Where the file names its bands they are matched by name, in the order
    wanted; where it does not, `wanted` lists all of them in stored order, `-` for one to leave out.
    """
    if wanted is None:
        kept = [index for index, name in enumerate(names) if name != ALPHA]
        return kept, tuple(names[index] or f"band_{index + 1}" for index in kept)
    told = {name for name in names if name and name != ALPHA}
    agrees = len(wanted) == len(names) and all(name in (None, ALPHA, want) for name, want in zip(names, wanted, strict=True))
    if set(wanted) & told and not agrees:
        absent = [name for name in wanted if name not in names and name != "-"]
        if absent:
            held = ", ".join(name or f"band_{index + 1}" for index, name in enumerate(names))
            raise DataError(f"{path}: no band {', '.join(absent)}; it holds {held}; correct data.bands or remove the file.")
        return [names.index(name) for name in wanted if name != "-"], tuple(name for name in wanted if name != "-")
    count = len(names)
    if count == len(wanted) + 1 and names[-1] == ALPHA:
        count -= 1
    if count != len(wanted):
        given = f"{count} bands, data.bands (or the card) names {len(wanted)}"
        raise DataError(f"{path}: {given}; use data.bands to name what the file holds, `-` for a band to leave out.")
    kept = [index for index in range(count) if wanted[index] != "-"]
    return kept, tuple(wanted[index] for index in kept)
