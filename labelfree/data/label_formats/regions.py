"""Regions of an image: outlines and run lengths, their boxes, and the one way in which they become pixels.

Coordinates are pixels of the picture from the outer edge of its first pixel: (0, 0) is that corner, (0.5, 0.5) the middle of that pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

Corners = tuple[float, float, float, float]  # x0, y0, x1, y1
ROUND = 64  # corners that a circle is drawn with; a multiple of four, so that its box is exact
MOST_PIXELS = 2**32  # run lengths are kept in 32 bits
Map = Callable[[np.ndarray], np.ndarray]  # (n, 2) points x, y of one frame to those of another
Frame = tuple[int, int, int, int]  # top, left, bottom, right: the pixels of a picture between them
FAR = 4  # frames' worth of pixels, and SMALL ones, that may be drawn of an outline beside the frame that shows it
SMALL = 1 << 20


class Patch(NamedTuple):
    """Part of a picture: (down, across) bool, the first of which lies at (top, left)."""

    top: int
    left: int
    pixels: np.ndarray

    @property
    def place(self) -> tuple[slice, slice]:
        """Where it lies in its picture."""
        down, across = self.pixels.shape
        return slice(self.top, self.top + down), slice(self.left, self.left + across)

    def within(self, frame: Frame) -> Patch:
        """What a frame shows of it."""
        top, left, bottom, right = frame
        first, start = max(top, self.top), max(left, self.left)
        pixels = self.pixels[first - self.top : max(first, bottom) - self.top, start - self.left : max(start, right) - self.left]
        return Patch(first, start, pixels)

    def on(self, height: int, width: int) -> np.ndarray:
        """(height, width) bool: the picture with it."""
        whole = np.zeros((height, width), bool)
        whole[self.place] = self.pixels
        return whole


NOTHING = Patch(0, 0, np.zeros((0, 0), bool))


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

    def patch(self, frame: Frame) -> Patch:
        """What a frame of its picture shows of it: a part of `mask`, at the cost of that part."""
        ...


@dataclass(frozen=True, eq=False)
class Outline:
    """The inside of polygons, all of them together. `rings`: (n, 2) float64 points x, y of each.

    `holes`: which of the rings take out what those before them enclose; () where none does.
    """

    rings: tuple[np.ndarray, ...]
    holes: tuple[bool, ...] = ()

    @property
    def box(self) -> Corners | None:
        points = np.concatenate(self.rings)
        (x0, y0), (x1, y1) = points.min(0), points.max(0)
        return float(x0), float(y0), float(x1), float(y1)

    @property
    def content(self) -> bytes:
        return b"|".join(ring.tobytes() for ring in self.rings) + bytes(self.holes)

    def mask(self, height: int, width: int) -> np.ndarray:
        return self.patch((0, 0, height, width)).on(height, width)

    def patch(self, frame: Frame) -> Patch:
        if not self.rings:
            return NOTHING
        if len(self.rings) == 1:
            return _inside(self.rings[0], frame)
        top, left, bottom, right = _around(np.concatenate(self.rings), frame)
        whole = np.zeros((max(0, bottom - top), max(0, right - left)), bool)
        for ring, hole in zip(self.rings, self.holes or (False,) * len(self.rings), strict=True):
            part = _inside(ring, frame)
            whole[Patch(part.top - top, part.left - left, part.pixels).place][part.pixels] = not hole
        return Patch(top, left, whole)

    @property
    def straight(self) -> bool:
        """Whether its corners lie on lines, so that it encloses nothing."""
        return all(_straight(ring) for ring in self.rings)

    def cut(self, width: int, height: int) -> Outline:
        """Itself; where it reaches further beyond a picture than the picture is large, cut off there: drawing it costs its length."""
        low, high = np.array([-width, -height], float), np.array([2 * width, 2 * height], float)
        if all((ring >= low).all() and (ring <= high).all() for ring in self.rings):
            return self
        cut = [_within(ring, low, high) for ring in self.rings]
        left = [place for place, ring in enumerate(cut) if len(ring) > 2]
        return Outline(tuple(cut[place] for place in left), tuple(self.holes[place] for place in left) if self.holes else ())

    def placed(self, onto: Map) -> Outline:
        """The same outline in another frame."""
        return Outline(tuple(onto(ring) for ring in self.rings), self.holes)


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
        _fit(_lengths(counts).tolist(), height, width)
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

    def patch(self, frame: Frame) -> Patch:
        if self.box is None:
            return NOTHING
        x0, y0, x1, y1 = map(int, self.box)
        down, across = y1 - y0, x1 - x0
        columns, rows = np.divmod(np.cumsum(_lengths(self.counts)), self.height)  # of edges: each turns outside into inside, or back
        edges = ((columns - x0) * down + (rows - y0).clip(0, down)).clip(0, down * across)  # the same within the box alone
        runs = np.diff(edges, prepend=0, append=down * across)
        return Patch(y0, x0, np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(across, down).T).within(frame)

    @property
    def _coco(self) -> dict[str, object]:
        return {"size": [self.height, self.width], "counts": self.counts}


def _lengths(counts: bytes) -> np.ndarray:
    """(n,) int64 lengths outside and inside in turn. Raises `ValueError` where a text is none of COCO's."""
    signs = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    if not len(signs) or signs.min() < 0 or signs.max() > 63:
        raise ValueError("has run lengths that are no text of COCO's")
    last = (signs & 32) == 0
    begins = np.flatnonzero(np.concatenate([[True], last[:-1]]))
    place = np.arange(len(signs)) - begins[np.cumsum(last) - last]
    if not last[-1] or place.max() > 6:
        raise ValueError("has run lengths that are cut off")
    steps: np.ndarray = np.add.reduceat((signs & 31) << 5 * place, begins)
    ends = np.flatnonzero(last)
    steps -= np.where(signs[ends] & 16, np.int64(1) << 5 * (place[ends] + 1), 0)
    steps[1::2], steps[2::2] = np.cumsum(steps[1::2]), np.cumsum(steps[2::2])
    return steps


def _fit(lengths: Sequence[int], height: int, width: int) -> None:
    """Raises `ValueError` where run lengths are not those of a picture."""
    if min(lengths, default=-1) < 0 or sum(lengths) != height * width or not 0 < height * width < MOST_PIXELS:
        raise ValueError(f"has run lengths of {sum(lengths):,} pixels for a picture of {width} x {height}")


def _around(points: np.ndarray, frame: Frame) -> Frame:
    """The part of a frame that lies around points x, y."""
    top, left, bottom, right = frame
    (x0, y0), (x1, y1) = np.floor(points.min(0)), np.ceil(points.max(0)) + 1  # edges are rounded to a fifth of a pixel
    return max(top, int(y0)), max(left, int(x0)), min(bottom, int(y1)), min(right, int(x1))


def _inside(ring: np.ndarray, frame: Frame) -> Patch:
    """What a frame shows of a ring's inside, as COCO's tools draw it in the whole picture.

    Of a ring that reaches far beyond the frame a part is drawn, whose long edges may be off by a pixel.
    """
    from faster_coco_eval.core import mask as coco

    top, left, bottom, right = _around(ring, frame)
    if top >= bottom or left >= right:
        return NOTHING
    down, across = bottom - top, right - left
    first, start = (max(0, int(corner)) for corner in np.floor(ring.min(0))[::-1])
    if (bottom - first) * (right - start) > FAR * down * across + SMALL:
        ring = _within(ring, np.array([left - across, top - down], float), np.array([right + across, bottom + down], float))
        if len(ring) < 3:
            return NOTHING
    drawn = coco.frPyObjects([ring.reshape(-1).tolist()], bottom, right)[0]
    return Runs(bottom, right, drawn["counts"]).patch((top, left, bottom, right))


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

    def patch(self, frame: Frame) -> Patch:
        top, left, bottom, right = frame
        return Patch(top, left, np.ones((bottom - top, right - left), bool))


@dataclass(frozen=True)
class Seen:
    """A region as a window of its picture shows it, whose first pixel lies at (top, left)."""

    region: Region
    top: int
    left: int

    @property
    def box(self) -> Corners | None:
        box = self.region.box
        return box and (box[0] - self.left, box[1] - self.top, box[2] - self.left, box[3] - self.top)

    @property
    def content(self) -> bytes:
        return f"{self.top} {self.left} ".encode() + self.region.content

    def mask(self, height: int, width: int) -> np.ndarray:
        return self.patch((0, 0, height, width)).on(height, width)

    def patch(self, frame: Frame) -> Patch:
        top, left, bottom, right = frame
        found = self.region.patch((top + self.top, left + self.left, bottom + self.top, right + self.left))
        return Patch(found.top - self.top, found.left - self.left, found.pixels)


def union(regions: Iterable[Region], height: int, width: int) -> np.ndarray:
    """(height, width) bool: all of the regions, each drawn where it lies."""
    whole = np.zeros((height, width), bool)
    for region in regions:
        patch = region.patch((0, 0, height, width))
        whole[patch.place] |= patch.pixels
    return whole


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
