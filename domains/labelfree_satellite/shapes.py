"""Polygons as masks and boxes of a window, for segmentation and detection; `polygons.chips` is what classification takes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.data.boxes import Box
from labelfree.domain import Window
from labelfree.errors import DataError
from labelfree_satellite.grids import Grid
from labelfree_satellite.vectors import ShapeFields, read_vectors

IGNORE = 255  # in a mask: nobody knows what is there


class Polygons:
    """The shapes of a vector file with the class in `fields.label`, asked for by grid and window.

    `classes`: names in the order of their numbers, sorted; `fields.background` is the last where it is given.
    `notes`: sentences on shapes that are left out.
    Raises DataError naming file and field for what is missing.
    """

    def __init__(self, file: Path, fields: ShapeFields) -> None:
        self.fields = fields
        self.frame, self.outlines, self.notes = read_vectors(file, fields)
        named = sorted(self.frame[fields.label].unique())
        if len(named) >= IGNORE:
            raise DataError(f"{file}: {len(named)} classes in {fields.label}; a mask holds {IGNORE - 1}. Name another field.")
        self.classes: tuple[str, ...] = (*named, fields.background) if fields.background is not None else tuple(named)
        self._placed = lru_cache(maxsize=8)(self._in_system)

    def mask(self, grid: Grid, window: Window | None = None) -> np.ndarray:
        """(h, w) uint8: the number of each pixel's class, by its centre; where shapes overlap that of the later one.

        Outside every shape, and in shapes without a class, 255: to be ignored; with `fields.background` its number outside every shape.
        """
        from rasterio.features import rasterize
        from rasterio.transform import Affine

        at = grid.at(window)
        frame, outlines = self._placed(grid.crs)
        where = {"out_shape": (at.height, at.width), "transform": Affine(*grid.transform) @ Affine.translation(at.left, at.top)}
        outside = IGNORE if self.fields.background is None else len(self.classes) - 1
        numbers = [(shape, self.classes.index(name)) for shape, name in zip(frame.geometry, frame[self.fields.label], strict=True)]
        known = [(shape, IGNORE) for shape in outlines.geometry]  # first, so that those with a class lie above
        mask: np.ndarray = rasterize([*known, *numbers], fill=outside, dtype="uint8", **where)
        return mask

    def boxes(self, grid: Grid, window: Window | None = None) -> list[Box]:
        """The shapes that a window shows a part of, as boxes in its pixels, cut off at its edges."""
        at = grid.at(window)
        frame, _ = self._placed(grid.crs)
        clipped = []
        for (left, bottom, right, top), name in zip(frame.geometry.bounds.to_numpy(), frame[self.fields.label], strict=True):
            corners = np.array([grid.pixel(x, y) for x in (left, right) for y in (bottom, top)]) - (at.left, at.top)
            (x1, y1), (x2, y2) = corners.min(0).clip(0, (at.width, at.height)), corners.max(0).clip(0, (at.width, at.height))
            if x2 > x1 and y2 > y1:
                clipped.append(Box(name, float(x1), float(y1), float(x2), float(y2)))
        return clipped

    def _in_system(self, crs: str) -> tuple[Any, Any]:
        """The table with and that without regard to classes, in a coordinate system."""
        return self.frame.to_crs(crs), self.outlines.to_crs(crs)
