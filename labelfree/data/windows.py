"""Scenes too large to be read whole: each becomes rows of its own, one a window, known to pool and leak guard like any other image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from pathlib import Path

import numpy as np

from labelfree.data.tiles import SIDE, starts
from labelfree.domain import Affine, Row, Sample, Size, Window, sides
from labelfree.errors import DataError

MOST_WINDOWS = 200_000  # rows of windows; more than a pretraining on few machines looks at, and all that memory should hold
Extent = Callable[[Row], tuple[int, ...] | None]


def in_windows(
    rows: Sequence[Row],
    extent: Extent,
    side: Size | None = None,
    most: int = MOST_WINDOWS,
    tell: Callable[[str], object] = lambda sentence: None,
) -> list[Row]:
    """The rows, those of scenes replaced by a row for each window of `side` pixels (default that of a tile, at most the scene's own).

    `extent`: spatial size of an image that is read in windows, None for one that is read whole. Rows with a label stay whole, and windows
    that rows name already are not made twice. Of more than `most` windows each scene keeps its share, drawn at random, and `tell` is told.
    """
    sizes = [None if row.window or row.label is not None or row.mask or row.boxes else extent(row) for row in rows]
    there = {row.id for row in rows if row.window}  # a table may list some
    counts = [0 if size is None else prod(map(len, _starts(size, window_size(size, side)))) for size in sizes]
    share = min(1.0, most / max(1, sum(counts)))
    if share < 1:
        tell(f"{sum(counts):,} windows in {sum(map(bool, counts)):,} scenes: {share:.1%} of each scene's are drawn at random.")
    windows = []
    for row, size, count in zip(rows, sizes, counts, strict=True):
        parts = [row] if size is None else _windows(row, size, window_size(size, side), max(1, round(share * count)))
        windows += parts if size is None else [part for part in parts if part.id not in there]
    return windows


def window_of(path: Path) -> tuple[Path, Window] | None:
    """The scene and the part of it that a row's path names as its id does, `scene.tif#0,256,128x128`; None for any other path."""
    scene, _, part = str(path).rpartition("#")
    window = Window.of(part) if scene else None
    return None if window is None or path.exists() or not Path(scene).exists() else (Path(scene), window)


def lenient(extent: Extent) -> Extent:
    """Sizes of scenes; one that cannot be told is left to the reader, whose faults are counted."""

    def known(row: Row) -> tuple[int, ...] | None:
        try:
            return extent(row)
        except DataError:
            return None

    return known


def window_size(size: tuple[int, ...], side: Size | None = None) -> tuple[int, ...]:
    """The windows of an image of this size: `side` pixels, or one number an axis, at most its own; squares along the last two axes."""
    if side is None or isinstance(side, int):
        plane = min(side or SIDE[len(size)], *size[-2:])
        return (*(min(plane, length) for length in size[:-2]), plane, plane)
    return tuple(map(min, sides(side, len(size)), size))


def windows_over(row: Row, size: tuple[int, ...], side: Size | None = None) -> list[Row]:
    """A row for each window of an image of this spatial size, in the order of its axes; `side` as in `in_windows`."""
    window = window_size(size, side)
    return [windowed(row, Window(corner, window)) for corner in product(*_starts(size, window))]


def _starts(size: tuple[int, ...], window: tuple[int, ...]) -> list[list[int]]:
    return [starts(length, side) for length, side in zip(size, window, strict=True)]


def _windows(row: Row, size: tuple[int, ...], window: tuple[int, ...], most: int) -> list[Row]:
    """Windows of one scene, `most` of them, in the order of its axes: the same ones of scenes of one size, so that dates meet."""
    corners = list(product(*_starts(size, window)))
    draw = np.random.default_rng((*size, *dict.fromkeys(window)))
    chosen = range(len(corners)) if most >= len(corners) else sorted(draw.choice(len(corners), most, replace=False).tolist())
    return [windowed(row, Window(corners[i], window)) for i in chosen]


def part_of(sample: Sample, window: Window) -> Sample:
    """The part of a sample that a window is, which knows where it lies. The window does not leave it."""
    part = tuple(slice(first, first + length) for first, length in zip(window.start, window.size, strict=True))
    whole = tuple(sample.data.shape[1:])
    return replace(
        sample,
        data=sample.data[:, *part],
        measured=None if sample.measured is None else sample.measured[part],
        affine=None if sample.affine is None else _moved(sample.affine, window.start),
        bounds=None if sample.bounds is None else _bounds(sample.bounds, whole, window),
    )


def _moved(affine: Affine, start: tuple[int, ...]) -> Affine:
    """From indices that begin at `start` to the world."""
    *rows, last = affine
    return (*((*row[:-1], row[-1] + sum(step * first for step, first in zip(row, start, strict=False))) for row in rows), last)


def _bounds(bounds: tuple[float, float, float, float], size: tuple[int, ...], window: Window) -> tuple[float, float, float, float]:
    """Of a part of a north-up image of this size, whose rows go down."""
    left, bottom, right, top = bounds
    across, down = (right - left) / size[-1], (top - bottom) / size[-2]
    first, last = left + window.left * across, left + (window.left + window.width) * across
    return first, top - (window.top + window.height) * down, last, top - window.top * down


def windowed(row: Row, window: Window) -> Row:
    """A row for a part of the row's image; its group is the scene, unless it has one."""
    return replace(row, id=f"{row.id}#{window}", window=window, group=row.group or row.id)


def glance(row: Row, extent: Extent, side: int | None = None) -> Row:
    """The row, or its middle window where the image is a scene: what a first look reads."""
    size = None if row.window else extent(row)
    if size is None:
        return row
    window = tuple(min(side or SIDE[len(size)], length) for length in size)
    return windowed(row, Window(tuple((length - part) // 2 for length, part in zip(size, window, strict=True)), window))
