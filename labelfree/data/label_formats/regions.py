"""Regions of an image: outlines and run lengths, their boxes, and the one way in which they become pixels.

Coordinates are pixels of the picture from the outer edge of its first pixel: (0, 0) is that corner, (0.5, 0.5) the middle of that pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Corners = tuple[float, float, float, float]  # x0, y0, x1, y1
ROUND = 64  # corners that a circle is drawn with; a multiple of four, so that its box is exact
Map = Callable[[np.ndarray], np.ndarray]  # (n, 2) points x, y of one frame to those of another


class Region(Protocol):
    """Part of an image."""

    @property
    def box(self) -> Corners | None:
        """The box around it; None where it holds no pixel."""
        ...

    def mask(self, height: int, width: int) -> np.ndarray:
        """(height, width) bool."""
        ...


@dataclass(frozen=True, eq=False)
class Outline:
    """The inside of polygons, all of them together. `rings`: (n, 2) float64 points x, y of each."""

    rings: tuple[np.ndarray, ...]

    @property
    def box(self) -> Corners | None:
        points = np.concatenate(self.rings)
        (x0, y0), (x1, y1) = points.min(0), points.max(0)
        return float(x0), float(y0), float(x1), float(y1)

    def mask(self, height: int, width: int) -> np.ndarray:
        from faster_coco_eval.core import mask as coco

        parts = coco.frPyObjects([ring.reshape(-1).tolist() for ring in self.rings], height, width)
        return np.asarray(coco.decode(coco.merge(parts)), bool)

    def placed(self, onto: Map) -> Outline:
        """The same outline in another frame."""
        return Outline(tuple(onto(ring) for ring in self.rings))


@dataclass(frozen=True)
class Runs:
    """Pixels as COCO keeps them: compressed run lengths down the columns of a picture of `height` x `width`."""

    height: int
    width: int
    counts: bytes

    @classmethod
    def of(cls, pixels: np.ndarray) -> Runs:
        """Those of a (height, width) bool array."""
        from faster_coco_eval.core import mask as coco

        height, width = pixels.shape
        return cls(height, width, coco.encode(np.asfortranarray(pixels, np.uint8))["counts"])

    @classmethod
    def from_list(cls, height: int, width: int, lengths: Sequence[int]) -> Runs:
        """Those of lengths outside and inside in turn, down the columns. Raises `ValueError` where they are not those of such a picture."""
        if min(lengths, default=-1) < 0 or sum(lengths) != height * width:
            raise ValueError(f"run lengths of {sum(lengths):,} pixels for {height * width:,}")
        from faster_coco_eval.core import mask as coco

        return cls(height, width, coco.frPyObjects({"size": [height, width], "counts": list(lengths)}, height, width)["counts"])

    @property
    def box(self) -> Corners | None:
        from faster_coco_eval.core import mask as coco

        x, y, width, height = (float(number) for number in coco.toBbox(self._coco))
        return (x, y, x + width, y + height) if width > 0 and height > 0 else None

    def mask(self, height: int, width: int) -> np.ndarray:
        from faster_coco_eval.core import mask as coco

        if (height, width) != (self.height, self.width):
            raise ValueError(f"run lengths of {self.width} x {self.height} pixels for a picture of {width} x {height}")
        return np.asarray(coco.decode(self._coco), bool)

    @property
    def _coco(self) -> dict[str, object]:
        return {"size": [self.height, self.width], "counts": self.counts}


@dataclass(frozen=True)
class Everything:
    """The whole picture."""

    box: Corners | None = None

    def mask(self, height: int, width: int) -> np.ndarray:
        return np.ones((height, width), bool)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Outline:
    """A box as an outline."""
    return Outline((np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float),))


def ellipse(x: float, y: float, across: float, down: float, degrees: float = 0.0) -> Outline:
    """An ellipse of two radii about (x, y), turned clockwise as one sees it."""
    turns = 2 * np.pi * np.arange(ROUND) / ROUND
    return turned(Outline((np.stack([x + across * np.cos(turns), y + down * np.sin(turns)], 1),)), (x, y), degrees)


def turned(outline: Outline, about: tuple[float, float], degrees: float) -> Outline:
    """An outline turned clockwise, as one sees it, about a point."""
    if not degrees:
        return outline
    angle = np.deg2rad(degrees)
    rotation = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])  # y points down
    return outline.placed(lambda points: (points - about) @ rotation + about)
