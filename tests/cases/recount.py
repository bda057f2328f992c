"""Counts the pixels of a case again with rasterio and numpy alone, as `pool.*.from` says they were counted: the witness of its numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio

KNOWN = {"files", "without", "stack", "bands", "named", "pages", "measured", "scale", "offset", "tile", "empty"}
Bands = tuple[np.ndarray, np.ndarray]  # (C, H, W) float64 as stored, and bool: measured


class Recount(NamedTuple):
    """How many images or windows, and of each channel mean and standard deviation of its measured pixels."""

    count: int
    mean: list[float]
    std: list[float]


def recount(data: Path, how: Mapping[str, Any]) -> Recount:
    """`how`: the block `from`. ValueError for a key that is not understood."""
    if unknown := set(how) - KNOWN:
        raise ValueError(f"from: {sorted(unknown)} are not understood")
    images = _scenes(data, how) if "stack" in how else _files(data, how)
    parts = [part for image in images for part in _windows(image, how.get("tile")) if _kept(part[1], how.get("empty", 1.0))]
    channels = [np.concatenate([pixels[i][measured[i]] for pixels, measured in parts]) for i in range(len(parts[0][0]))]
    numbers = [channel * how.get("scale", 1.0) + how.get("offset", 0.0) for channel in channels]
    return Recount(len(parts), [float(channel.mean()) for channel in numbers], [float(channel.std()) for channel in numbers])


def _files(data: Path, how: Mapping[str, Any]) -> Iterator[Bands]:
    """One image a file."""
    for path in sorted(set(data.glob(how["files"])) - {data / name for name in how.get("without", ())}):
        names = [f"GTIFF_DIR:{page + 1}:{path}" for page in range(how["pages"])] if "pages" in how else [str(path)]
        pixels, measured = _measured([_opened(name, how.get("named")) for name in names], how["measured"])
        yield pixels, measured


def _scenes(data: Path, how: Mapping[str, Any]) -> Iterator[Bands]:
    """One image a folder, which holds a file a band."""
    for folder in how["stack"]:
        files = [_only(file for file in (data / folder).iterdir() if re.search(rf"(^|_){band}[_.]", file.name)) for band in how["bands"]]
        yield _measured([_opened(str(file), None) for file in files], how["measured"])


def _only(found: Iterator[Path]) -> Path:
    (one,) = found
    return one


def _opened(name: str, bands: list[str] | None) -> tuple[np.ndarray, float | None]:
    """Bands of a file, all or those of these names, and its nodata value."""
    with rasterio.open(name) as source:
        indexes = [source.descriptions.index(band) + 1 for band in bands] if bands else None
        return source.read(indexes).astype(np.float64), source.nodata


def _measured(opened: list[tuple[np.ndarray, float | None]], rule: str) -> Bands:
    pixels = np.concatenate([bands for bands, _ in opened])
    declared = np.concatenate([np.full(len(bands), np.nan if nodata is None else nodata) for bands, nodata in opened])
    return RULES[rule](pixels, declared)


def _without_nodata(pixels: np.ndarray, declared: np.ndarray) -> Bands:
    return pixels, (pixels != declared[:, None, None]) & np.isfinite(pixels)


def _without_alpha(pixels: np.ndarray, declared: np.ndarray) -> Bands:
    return pixels[:-1], np.broadcast_to(pixels[-1] > 0, pixels[:-1].shape)


def _without_zeros(pixels: np.ndarray, declared: np.ndarray) -> Bands:
    return pixels, np.broadcast_to((pixels != 0).any(axis=0), pixels.shape)


RULES: Mapping[str, Callable[[np.ndarray, np.ndarray], Bands]] = {
    "all": lambda pixels, declared: (pixels, np.ones(pixels.shape, dtype=bool)),
    "nodata": _without_nodata,
    "nonzero": _without_zeros,
    "alpha": _without_alpha,
}


def _windows(image: Bands, side: int | None) -> Iterator[Bands]:
    """The image, or its whole windows of `side` pixels."""
    if side is None:
        yield image
        return
    height, width = image[0].shape[1:]
    for top in range(0, height - side + 1, side):
        for left in range(0, width - side + 1, side):
            yield tuple(part[:, top : top + side, left : left + side] for part in image)  # type: ignore[misc]


def _kept(measured: np.ndarray, empty: float) -> bool:
    """Whether no more than this share of it holds no measurement."""
    return 1 - measured.mean() <= empty
