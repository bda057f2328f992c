"""Boxes found in images that have coordinates, as rectangles on the ground."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.domain import BoxesOnGround
from labelfree_satellite.map_shapes import require_format, write_shapes

if TYPE_CHECKING:
    import numpy as np


def rectangles(images: Sequence[BoxesOnGround], file: Path) -> Path:
    """`labelfree.domain.WritesBoxes`: a polygon a box, its sides along the image's rows and columns."""
    from shapely import polygons

    require_format(file)
    found = []
    for image in images:
        shapes = polygons(_on_ground(image)) if len(image.corners) else []
        scores = [round(float(score), 4) for score in image.scores]
        found.append((image.name, image.crs, list(zip(shapes, image.called, scores, strict=True))))
    return write_shapes(found, file)


def _on_ground(image: BoxesOnGround) -> np.ndarray:
    """(n, 4, 2): the corners of each box, one after the other, x first. Whole numbers of the affine are middles of pixels."""
    import numpy as np

    left, top, right, bottom = np.asarray(image.corners, np.float64).T - 0.5
    places = np.stack(
        [np.stack([row, column, np.ones_like(row)]) for row, column in ((top, left), (top, right), (bottom, right), (bottom, left))]
    )
    world = np.asarray(image.affine, np.float64)[:2] @ places
    return np.moveaxis(world, (0, 1, 2), (1, 2, 0))
