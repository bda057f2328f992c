"""Files to rasters: GeoTIFF of any band count and dtype through rasterio, 8-bit pictures through Pillow. The stored dtype is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.domain import Affine, Window
from labelfree.errors import DataError
from labelfree_satellite.alpha import opaque_number
from labelfree_satellite.gaps import Gaps, quality, zeros_together
from labelfree_satellite.grids import Grid, fitting, unit_of
from labelfree_satellite.headers import grid_in, opened_pages, picture_grid, unreachable
from labelfree_satellite.pictures import SUFFIXES as PICTURES
from labelfree_satellite.pictures import placed_beside, read_picture, sixteen_bit

SUFFIXES = PICTURES | {".tif", ".tiff", ".jp2", ".img", ".vrt"}
ALPHA = "alpha"


@dataclass
class Raster:
    """What a file holds. `data`: (C, H, W) in its stored dtype. `names`: one a band, None where the file does not say.

    `outside`: (H, W) bool, what masks, transparency and clouds take out, None: nothing. `missing`: (C, H, W) bool, where bands hold a
    number that stands for no measurement, None: nowhere.
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
    affine: Affine | None = None
    outside: np.ndarray | None = None
    missing: np.ndarray | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Declaration:
    """What recipe and card tell of files: `names` of all bands in stored order ("-": left out), None where they say nothing; `gaps`."""

    names: tuple[str, ...] | None = None
    gaps: Gaps = field(default_factory=Gaps)

    def name(self, band: int, count: int) -> str | None:
        """The name of one of `count` bands; None where these are not those that were named."""
        return self.names[band] if self.names is not None and len(self.names) == count and self.names[band] != "-" else None


def open_raster(path: Path | str, window: Window | None = None, coarser: bool = True, declaration: Declaration = Declaration()) -> Raster:
    """Decode one file, or a window of it; a text is an address elsewhere. A raster larger than `WHOLE` may be read `coarser`.

    Raises `DataError` naming it when it is missing, broken, truncated or complex.
    """
    if isinstance(path, Path) and not path.is_file():
        raise DataError(f"{path}: there is no such file; correct the path in the table, or data.root.")
    try:
        plain = isinstance(path, Path) and window is None and path.suffix.lower() in PICTURES and not sixteen_bit(path)
        raster = _picture(path) if isinstance(path, Path) and plain else _rasterio(path, window, coarser, declaration)
    except DataError:
        raise
    except ImportError as error:
        raise DataError(f"{path}: rasterio is needed to read it; pip install 'labelfree[satellite]'.") from error
    except Exception as error:  # decoders raise whatever they like at broken bytes
        reason = str(error.__cause__ or error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(path, str):
            raise DataError(unreachable(path, reason)) from error
        raise DataError(f"{path}: is truncated or broken ({reason}); fetch it again, or set data.on_error=skip.") from error
    if np.iscomplexobj(raster.data):
        seen = f"holds complex numbers ({raster.data.dtype}), as single-look radar does; real ones are read"
        raise DataError(f"{path}: {seen}. Save amplitude or intensity (and phase) as bands of their own.")
    if 0 in raster.data.shape:
        raise DataError(f"{path}: has no pixels; remove it, or set data.on_error=skip.")
    return raster


def _picture(path: Path) -> Raster:
    """An 8-bit picture, where transparency hides it, and its place if a file beside it tells."""
    from PIL import Image

    try:
        data, names, clear = read_picture(path)
    except Image.DecompressionBombError:  # an orthophoto may well be this large
        return _rasterio(path)
    raster = Raster(data, names, picture=True, outside=clear)
    if placed_beside(path) and (grid := picture_grid(path)) is not None:
        _place(raster, grid)
    return raster


def _rasterio(path: Path | str, window: Window | None = None, coarser: bool = False, declaration: Declaration = Declaration()) -> Raster:
    from rasterio.enums import Resampling

    with opened_pages(path) as pages:
        file = pages[0]
        part = None if window is None else ((window.top, window.top + window.height), (window.left, window.left + window.width))
        palette = file.colormap(1) if file.count == 1 and file.colorinterp[0].name == "palette" else None
        picture = Path(path).suffix.lower() in PICTURES  # tiles are cut of those: they have no cheap windows
        shown = (file.height, file.width) if window is None else (window.height, window.width)
        size = fitting(*shown) if coarser and window is None and not picture else shown
        nodata = tuple(value for page in pages for value in page.nodatavals)
        how = Resampling.nearest if palette is not None or declaration.gaps.values else Resampling.average  # no mean of gaps and ground
        data = np.concatenate([page.read(window=part, out_shape=(page.count, *size), resampling=how) for page in pages])
        outside = _masked(file, part, size)
        if palette is not None:
            raster = _coloured(data[0], palette, declaration.gaps.declared(nodata[0]), outside)
        else:
            raster = Raster(data, _names(pages, picture or data.dtype == np.uint8), picture or data.dtype == np.uint8)
            raster.units = tuple(unit or "" for page in pages for unit in page.units)
            if len(pages) == 1:
                outside |= _by_bands(raster, file, path, declaration, lambda band: file.read(band, window=part, out_shape=size))
            raster.outside = outside if outside.any() else None
            raster.missing = _missing(raster, declaration.gaps, nodata)
        scales, offsets = ([value for page in pages for value in getattr(page, name)] for name in ("scales", "offsets"))
        if palette is None and (any(scale != 1 for scale in scales) or any(offsets)):
            raster.scale, raster.offset = tuple(scales), tuple(offsets)
        if (grid := grid_in(file)) is not None:
            _place(raster, grid, window)
        return raster


def _coloured(indices: np.ndarray, palette: dict[int, tuple[int, ...]], nodata: Sequence[float], outside: np.ndarray) -> Raster:
    """A raster of numbers that stand for colours, as colours; (H, W) to (3, H, W). A colour without opacity is no measurement."""
    table = np.zeros((max(max(palette), int(indices.max())) + 1, 4), dtype=np.uint8)
    table[list(palette)] = list(palette.values())
    rgba = table[indices]
    hidden = outside | np.isin(indices, nodata) | (rgba[..., 3] == 0)
    colours = np.ascontiguousarray(rgba[..., :3].transpose(2, 0, 1))
    return Raster(colours, ["red", "green", "blue"], True, outside=hidden if hidden.any() else None)


def _by_bands(raster: Raster, file: Any, path: Path | str, declaration: Declaration, read: Any) -> np.ndarray:
    """(H, W) bool: what bands take out that are masks themselves, alpha and layers of codes; they are named `ALPHA` from here on."""
    outside = np.zeros(raster.data.shape[1:], dtype=bool)
    count = len(raster.names)
    for number, colour in enumerate(file.colorinterp):
        name, given = raster.names[number], declaration.name(number, count)
        sure = ALPHA in ((file.descriptions[number] or "").strip().lower(), given)
        if colour.name == ALPHA and name == ALPHA and given not in (None, ALPHA):
            raster.names[number] = given  # its owner says that it is a band, so 0 in it hides nothing
        elif ALPHA in (name, given):
            opaque = opaque_number(path, number + 1)
            if opaque is None and not sure:
                raster.names[number] = None
                continue
            outside |= raster.data[number] < (opaque or raster.data[number].max()) / 2
            raster.names[number] = ALPHA
        elif clouds := quality(name or given or ""):  # never averaged: codes are no amounts
            outside |= clouds(read(number + 1))
            raster.names[number] = ALPHA
    return outside


def _missing(raster: Raster, gaps: Gaps, nodata: Sequence[float | None]) -> np.ndarray | None:
    """(C, H, W) bool: where bands hold no measurement; None where none does. Masks among the bands have their own meaning of 0."""
    missing = gaps.missing(raster.data, nodata)
    if missing is None:
        return None
    bands = [number for number, name in enumerate(raster.names) if name != ALPHA]
    missing[bands] = zeros_together(missing[bands], raster.data[bands])
    return missing


def _masked(file: Any, part: Any, size: tuple[int, int]) -> np.ndarray:
    """(h, w) bool: pixels that a mask inside the file (or a .msk beside it) takes out. Alpha is another matter: see `alpha`."""
    from rasterio.enums import MaskFlags

    flags = set(file.mask_flag_enums[0])
    if MaskFlags.per_dataset not in flags or MaskFlags.alpha in flags:
        return np.zeros(size, dtype=bool)
    return np.asarray(file.dataset_mask(window=part, out_shape=size)) == 0


def _names(pages: Sequence[Any], picture: bool) -> list[str | None]:
    """Band descriptions first, then colour tags. A gray tag on the first of many bands is only TIFF's default."""
    names: list[str | None] = []
    count = sum(page.count for page in pages)
    for page in pages:
        for description, colour in zip(page.descriptions, page.colorinterp, strict=True):
            if description:
                names.append(description)
            elif colour.name in (ALPHA, "red", "green", "blue", "nir", "coastal", "pan", "rededge"):
                names.append(colour.name)
            else:
                names.append("gray" if picture and count == 1 else None)
    known = [name for name in names if name]
    return names if len(set(known)) == len(known) else [None] * len(names)


def _place(raster: Raster, grid: Grid, window: Window | None = None) -> None:
    """Coordinates of a raster that was read from a grid, or from a window of it."""
    height, width = raster.data.shape[1:]
    raster.crs, raster.bounds, raster.spacing = grid.crs, grid.bounds(window), grid.spacing_of((height, width), window)
    raster.affine = grid.affine((height, width), window)
    raster.tags["spacing_unit"] = unit_of(grid.crs)[0]


def select_bands(path: str, raster: Raster, wanted: Sequence[str] | None, names: Sequence[str | None]) -> tuple[list[int], tuple[str, ...]]:
    """Which bands to take and what they are called: (positions, names).

    `wanted`: names that the recipe or card gives. Where the file names its bands they are matched by name, in the order
    wanted; where it does not, `wanted` lists all of them in stored order, `-` for one to leave out.
    """
    if wanted is None:
        kept = [index for index, name in enumerate(names) if name != ALPHA]
        return kept, tuple(names[index] or f"band_{index + 1}" for index in kept)
    named = {name for name in names if name and name != ALPHA}
    agrees = len(wanted) == len(names) and all(name in (None, ALPHA, want) for name, want in zip(names, wanted, strict=True))
    if set(wanted) & named and not agrees:
        absent = [name for name in wanted if name not in names and name != "-"]
        if absent:
            held = ", ".join(name or f"band_{index + 1}" for index, name in enumerate(names))
            raise DataError(f"{path}: no band {', '.join(absent)}; it holds {held}; correct reader.bands or remove the file.")
        return _without_masks([names.index(name) for name in wanted if name != "-"], [name for name in wanted if name != "-"])
    count = len(names)
    if count == len(wanted) + 1 and names[-1] == ALPHA:
        count -= 1
    if count != len(wanted):
        given = f"{count} bands, reader.bands (or the card) names {len(wanted)}"
        raise DataError(f"{path}: {given}; use reader.bands to name what the file holds, `-` for a band to leave out.")
    kept = [index for index in range(count) if wanted[index] != "-"]
    return _without_masks(kept, [wanted[index] for index in kept])


def _without_masks(kept: Sequence[int], names: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """A band that its owner names alpha is a mask and no channel."""
    both = [(index, name) for index, name in zip(kept, names, strict=True) if name != ALPHA]
    return [index for index, _ in both], tuple(name for _, name in both)
