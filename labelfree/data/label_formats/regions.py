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
MOST_PIXELS = 2**32  # run lengths are kept in 32 bits
Map = Callable[[np.ndarray], np.ndarray]  # (n, 2) points x, y of one frame to those of another


class Region(Protocol):
    """Part of an image."""

    @property
    def box(self) -> Corners | None:
        """The box around it; None where it holds no pixel."""
        ...

    @property
    def content(self) -> bytes:
        """What tells it from others."""
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

    @property
    def content(self) -> bytes:
        return b"|".join(ring.tobytes() for ring in self.rings)

    def mask(self, height: int, width: int) -> np.ndarray:
        from faster_coco_eval.core import mask as coco

        if not self.rings:
            return np.zeros((height, width), bool)
        parts = coco.frPyObjects([ring.reshape(-1).tolist() for ring in self.rings], height, width)
        return np.asarray(coco.decode(coco.merge(parts)), bool)

    @property
    def straight(self) -> bool:
        """Whether its corners lie on lines, so that it encloses nothing."""
        return all(_straight(ring) for ring in self.rings)

    def cut(self, width: int, height: int) -> Outline:
        """Itself; where it reaches further beyond a picture than the picture is large, cut off there: drawing it costs its length."""
        low, high = np.array([-width, -height], float), np.array([2 * width, 2 * height], float)
        if all((ring >= low).all() and (ring <= high).all() for ring in self.rings):
            return self
        return Outline(tuple(cut for ring in self.rings if len(cut := _within(ring, low, high)) > 2))

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
    def at(cls, patch: np.ndarray, left: int, top: int, height: int, width: int) -> Runs:
        """Those of a bool array (down, across) whose first pixel lies at (left, top). Raises `ValueError` where it leaves the picture."""
        down, across = patch.shape
        if left < 0 or top < 0 or left + across > width or top + down > height:
            raise ValueError(f"leaves its picture of {width} x {height} pixels")
        columns, rows = np.nonzero(patch.T)
        places = (columns + left) * height + rows + top  # rising, down the columns
        ends = np.flatnonzero(np.diff(places, append=-1) != 1)
        begins = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
        edges = np.stack([places[begins], places[ends] + 1], 1).reshape(-1)
        lengths = np.diff(edges, prepend=0, append=height * width).tolist()
        return cls.from_list(height, width, lengths[:-1] if lengths[-1] == 0 else lengths)

    @classmethod
    def from_list(cls, height: int, width: int, lengths: Sequence[int]) -> Runs:
        """Those of lengths outside and inside in turn, down the columns. Raises `ValueError` where they are not those of such a picture."""
        _fit(lengths, height, width)
        from faster_coco_eval.core import mask as coco

        return cls(height, width, coco.frPyObjects({"size": [height, width], "counts": list(lengths)}, height, width)["counts"])

    @classmethod
    def from_text(cls, height: int, width: int, counts: bytes) -> Runs:
        """Those of COCO's text: six bits a sign, the lowest first, each length less the one before the last.

        Raises `ValueError` where they are not those of such a picture: decoding them would read beyond it.
        """
        signs = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
        if not len(signs) or signs.min() < 0 or signs.max() > 63:
            raise ValueError("has run lengths that are no text of COCO's")
        last = (signs & 32) == 0
        begins = np.flatnonzero(np.concatenate([[True], last[:-1]]))
        place = np.arange(len(signs)) - begins[np.cumsum(last) - last]
        if not last[-1] or place.max() > 6:
            raise ValueError("has run lengths that are cut off")
        steps = np.add.reduceat((signs & 31) << 5 * place, begins)
        ends = np.flatnonzero(last)
        steps -= np.where(signs[ends] & 16, np.int64(1) << 5 * (place[ends] + 1), 0)
        steps[1::2], steps[2::2] = np.cumsum(steps[1::2]), np.cumsum(steps[2::2])
        _fit(steps.tolist(), height, width)
        return cls(height, width, counts)

    @property
    def box(self) -> Corners | None:
        from faster_coco_eval.core import mask as coco

        x, y, width, height = (float(number) for number in coco.toBbox(self._coco))
        return (x, y, x + width, y + height) if width > 0 and height > 0 else None

    @property
    def content(self) -> bytes:
        return self.counts

    def mask(self, height: int, width: int) -> np.ndarray:
        from faster_coco_eval.core import mask as coco

        if (height, width) != (self.height, self.width):
            raise ValueError(f"run lengths of {self.width} x {self.height} pixels for a picture of {width} x {height}")
        return np.asarray(coco.decode(self._coco), bool)

    @property
    def _coco(self) -> dict[str, object]:
        return {"size": [self.height, self.width], "counts": self.counts}


def _fit(lengths: Sequence[int], height: int, width: int) -> None:
    """Raises `ValueError` where run lengths are not those of a picture."""
    if min(lengths, default=-1) < 0 or sum(lengths) != height * width or not 0 < height * width < MOST_PIXELS:
        raise ValueError(f"has run lengths of {sum(lengths):,} pixels for a picture of {width} x {height}")


def _straight(ring: np.ndarray) -> bool:
    """Whether the corners of a ring lie on one line, to a billionth of its length."""
    from_first = ring - ring[0]
    far = from_first[np.argmax((from_first**2).sum(1))]
    across = from_first[:, 0] * far[1] - from_first[:, 1] * far[0]
    return bool(np.abs(across).max() <= 1e-9 * (far**2).sum())


def _within(ring: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """A ring cut off at the sides of a box, one after the other (Sutherland and Hodgman 1974, doi:10.1145/360767.360802)."""
    for axis in (0, 1):
        for sign, limit in ((1, low[axis]), (-1, -high[axis])):
            inside = sign * ring[:, axis] - limit
            before, last = np.roll(inside, 1), np.roll(ring, 1, axis=0)
            crosses = (inside > 0) != (before > 0)
            with np.errstate(divide="ignore", invalid="ignore"):
                crossing = last + (before / (before - inside))[:, None] * (ring - last)
            ring = np.stack([crossing, ring], 1)[np.stack([crosses, inside > 0], 1)]
    return ring


@dataclass(frozen=True)
class Everything:
    """The whole picture."""

    box: Corners | None = None
    content: bytes = b""

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
