"""Scenes of any size, read window by window on one grid: layers of several resolutions become one stack, clouds and gaps a mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.domain import Window
from labelfree.errors import DataError
from labelfree_satellite.gaps import QUALITY, Gaps
from labelfree_satellite.grids import Grid, fitting, unit_of
from labelfree_satellite.headers import quiet_rasterio
from labelfree_satellite.layers import opened_on
from labelfree_satellite.products import Product, find_product
from labelfree_satellite.reader import Raster


@lru_cache(maxsize=64)
def open_scene(path: Path, resolution: float | None, gaps: Gaps = Gaps()) -> Scene:
    """The scene that a product is: looked for once, read many times. Raises DataError where the path is none."""
    product = find_product(path)
    if product is None:
        raise DataError(f"{path}: is neither a SAFE nor a folder with a file a band of one scene; name the images in it instead.")
    return Scene(product, resolution=resolution, gaps=gaps)


class Scene:
    """A product on a grid. `bands`: which layers, in order; default all. `resolution`: of the grid, in the unit of its CRS; default the
    finest layer's. `gaps`: what stands for no measurement besides what the files declare.

    Raises DataError naming the product when a band or a coordinate system is missing.
    """

    def __init__(self, product: Product, bands: Sequence[str] | None = None, resolution: float | None = None, gaps: Gaps = Gaps()) -> None:
        lacking = [band for band in bands or () if band not in product.layers]
        if lacking:
            raise DataError(f"{product.path}: no band {', '.join(lacking)}; it holds {', '.join(product.layers)}.")
        self.product = product
        self.bands = tuple(bands or product.layers)
        self.gaps = replace(gaps, zero=gaps.zero or product.sensor is not None)
        self.grid, self.dtype = self._grid(resolution)

    def _grid(self, resolution: float | None) -> tuple[Grid, str]:
        finest: Any = None
        dtypes = set()
        for band in self.bands:
            with self._opened(band) as file:
                if file.crs is None:
                    raise DataError(f"{self.product.path}: {band} has no coordinate system, so its layers cannot be laid over each other.")
                dtypes.add(file.dtypes[0])
                if finest is None or abs(file.transform.a) < abs(finest[1].a):
                    finest = (file.crs.to_string(), file.transform, file.height, file.width)
        crs, transform, height, width = finest
        if resolution is not None:
            factor = resolution / abs(transform.a)
            height, width = max(1, round(height / factor)), max(1, round(width / factor))
            transform = (transform.a * factor, transform.b * factor, transform.c, transform.d * factor, transform.e * factor, transform.f)
        return Grid(crs, tuple(transform)[:6], height, width), np.result_type(*dtypes).name

    @contextmanager
    def _opened(self, band: str) -> Iterator[Any]:
        rasterio = quiet_rasterio()
        try:
            file = rasterio.open(self.product.layers[band])
        except (rasterio.errors.RasterioError, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            wrong = f"{band} is truncated or broken ({reason})"
            raise DataError(f"{self.product.path}: {wrong}; fetch it again, remove it, or set data.on_error=skip.") from error
        with file:
            yield file

    def read(self, window: Window | None = None, shape: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stored numbers (C, h, w) of a window, default the whole, where each layer has none (C, h, w), and where clouds lie (h, w).

        `shape`: read it coarser, as for an overview. Layers of other resolutions are interpolated linearly, or averaged where they are
        finer; masks take the nearest pixel.
        """
        at = self.grid.at(window)
        size = shape or (at.height, at.width)
        data = np.empty((len(self.bands), *size), dtype=self.dtype)
        missing = np.zeros(data.shape, dtype=bool)
        for number, band in enumerate(self.bands):
            data[number], missing[number] = self._layer(self.product.layers[band], at, size, categories=False)
        return data, missing, self._clouds(at, size)

    def share_measured(self, window: Window) -> float:
        """Share of a window without clouds, by the product's mask alone; 1 where it has none."""
        return 1 - float(self._clouds(window, (window.height, window.width)).mean())

    def _clouds(self, at: Window, size: tuple[int, int]) -> np.ndarray:
        """(h, w) bool: cloud, shadow or gap by the product's mask."""
        if not self.product.mask:
            return np.zeros(size, dtype=bool)
        codes, _ = self._layer(self.product.mask, at, size, categories=True)
        return QUALITY[self.product.mask_kind](codes)

    def raster(self, window: Window | None = None, coarser: bool = True) -> Raster:
        """A window, default the whole, as the reader gives a file; what is larger than `WHOLE` may be read `coarser`."""
        at = self.grid.at(window)
        size = fitting(at.height, at.width) if coarser else (at.height, at.width)
        data, missing, clouds = self.read(at, size)
        place = {"crs": self.grid.crs, "bounds": self.grid.bounds(at), "spacing": self.grid.spacing_of(size, at)}
        beyond = self.gaps.outside(data)
        outside = clouds if beyond is None else clouds | beyond
        image = Raster(data, list(self.bands), outside=outside, missing=missing, **place)  # type: ignore[arg-type]
        tags = {"date": self.product.date, "tile": self.product.tile, "spacing_unit": unit_of(self.grid.crs)[0]}
        image.tags.update({key: value for key, value in tags.items() if value})
        return image

    def _layer(self, source: str, at: Window, size: tuple[int, int], categories: bool) -> tuple[np.ndarray, np.ndarray]:
        """One layer on the grid, and where it has not been measured."""
        from rasterio.windows import Window as Part

        gaps = Gaps() if categories else self.gaps
        layer = opened_on(source, self.grid, categories, at.width / size[1], gaps)
        part = Part(at.left, at.top, at.width, at.height)  # type: ignore[call-arg]
        pixels = layer.read(1, window=part, out_shape=size, resampling=layer.resampling)
        missing = gaps.missing(pixels[None], (layer.nodata,))
        return pixels, np.zeros(size, dtype=bool) if missing is None else missing[0]
