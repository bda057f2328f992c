"""Shapes of a vector file as objects drawn on scenes, in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.data.label_formats.listed import BACKGROUND, Drawn, ListedImage, Outside
from labelfree.data.label_formats.regions import Outline
from labelfree.domain import Window
from labelfree_satellite.grids import Grid
from labelfree_satellite.vectors import ShapeFields, Vectors

GRIDS = 8  # whose shapes are kept in pixels; dates of one place share one


class DrawnShapes:
    """The shapes of a vector file with the class in `fields.label`, asked for by grid and window.

    Outside of all shapes nobody knows what is there, unless `fields.background` is given: then it is background, as are shapes of the class
    so called, and shapes without a class are ignored where no other lies.
    """

    def __init__(self, file: Path, vectors: Vectors, fields: ShapeFields) -> None:
        self.file, self.fields = file, fields
        self.frame = vectors.frame
        self.unknown = vectors.outlines[vectors.outlines[fields.label].isna()] if fields.background is not None else None
        self._on = lru_cache(maxsize=GRIDS)(self._in_pixels)

    def listed(self, scene: str, grid: Grid, window: Window | None, known_on: Mapping[int, str]) -> ListedImage:
        """A scene as the file lists it, with those shapes drawn on it, in pixels of all of it, that a window shows.

        `known_on`: of shapes with a date the scene nearest to it. On others nobody knows: something else may have stood there then.
        """
        import shapely

        at = grid.at(window)
        drawn, tree = self._on(grid)
        places = sorted(tree.query(shapely.box(at.left, at.top, at.left + at.width, at.top + at.height)).tolist())
        then = [known_on.get(place, scene) == scene for place in places]
        of = [drawn[place] if known else _unknown(drawn[place]) for place, known in zip(places, then, strict=True)]
        outside: Outside = "ignore" if self.fields.background is None else "background"
        return ListedImage(scene, self.file.name, (grid.width, grid.height), of, outside=outside)

    def _in_pixels(self, grid: Grid) -> tuple[list[Drawn], Any]:
        """All shapes on a grid, in the order of the file, those without a class last; and a tree of them."""
        import shapely

        def to_pixels(points: np.ndarray) -> np.ndarray:
            return np.stack(grid.pixel(points[:, 0], points[:, 1]), 1)  # type: ignore[arg-type]

        known = shapely.transform(np.asarray(self.frame.geometry.to_crs(grid.crs)), to_pixels)
        shapes, names = list(known), [BACKGROUND if name == self.fields.background else name for name in self.frame[self.fields.label]]
        wheres = [f"feature {number + 1}" for number in range(len(shapes))]
        if self.unknown is not None and len(self.unknown):
            rest = shapely.transform(np.asarray(self.unknown.geometry.to_crs(grid.crs)), to_pixels)
            shapes, names, wheres = [*shapes, *rest], names + [""] * len(rest), wheres + ["a feature without a class"] * len(rest)
        return [_drawn(*each) for each in zip(shapes, names, wheres, strict=True)], shapely.STRtree(shapes)


def _drawn(shape: Any, name: str, where: str) -> Drawn:
    """A shape in pixels as an object; a line or a point encloses nothing."""
    parts = [part for part in _parts(shape) if part.geom_type == "Polygon" and part.area > 0]
    if not parts:
        return Drawn(name, None, where, "line")
    rings, holes = list[np.ndarray](), list[bool]()
    for part in sorted(parts, key=lambda part: -part.area):  # an island lies in the hole of a larger part
        rings += [np.array(ring.coords)[:-1, :2] for ring in (part.exterior, *part.interiors)]
        holes += [False] + [True] * len(part.interiors)
    outline = Outline(tuple(rings), tuple(holes) if any(holes) else ())
    return Drawn(name, outline.box, where, "object" if name else "unknown", outline)


def _unknown(drawn: Drawn) -> Drawn:
    return replace(drawn, kind="unknown") if drawn.kind == "object" else drawn


def _parts(shape: Any) -> list[Any]:
    return [inner for part in shape.geoms for inner in _parts(part)] if hasattr(shape, "geoms") else [shape]
