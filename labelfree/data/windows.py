"""Scenes too large to be read whole: each becomes rows of its own, one a window, known to pool and leak guard like any other image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from labelfree.data.tiles import SIDE, starts
from labelfree.domain import Row, Window
from labelfree.errors import DataError

MOST_WINDOWS = 200_000  # rows of windows; more than a pretraining on few machines looks at, and all that memory should hold
Extent = Callable[[Row], tuple[int, int] | None]


def in_windows(
    rows: Sequence[Row],
    extent: Extent,
    side: int | None = None,
    most: int = MOST_WINDOWS,
    tell: Callable[[str], object] = lambda sentence: None,
) -> list[Row]:
    """The rows, those of scenes replaced by a row for each window of `side` pixels (default 256, at most the scene's own).

    `extent`: size of an image that is read in windows, None for one that is read whole. Rows with a label stay whole. Of more than `most`
    windows each scene keeps its share, drawn at random, and `tell` is told.
    """
    sizes = [None if row.window or row.label is not None or row.mask or row.boxes else extent(row) for row in rows]
    counts = [0 if size is None else prod(len(starts(length, min(side or SIDE, *size))) for length in size) for size in sizes]
    share = min(1.0, most / max(1, sum(counts)))
    if share < 1:
        tell(f"{sum(counts):,} windows in {sum(map(bool, counts)):,} scenes: {share:.1%} of each scene's are drawn at random.")
    found = []
    for row, size, count in zip(rows, sizes, counts, strict=True):
        found += [row] if size is None else _windows(row, size, min(side or SIDE, *size), max(1, round(share * count)))
    return found


def lenient(extent: Extent) -> Extent:
    """Sizes of scenes; one that cannot be told is left to the reader, whose faults are counted."""

    def known(row: Row) -> tuple[int, int] | None:
        try:
            return extent(row)
        except DataError:
            return None

    return known


def _windows(row: Row, size: tuple[int, int], side: int, most: int) -> list[Row]:
    """Windows of one scene, `most` of them, in the order of rows and columns: the same ones of scenes of one size, so that dates meet."""
    tops, lefts = (starts(extent, side) for extent in size)
    count = len(tops) * len(lefts)
    draw = np.random.default_rng((*size, side))
    chosen = range(count) if most >= count else sorted(draw.choice(count, most, replace=False).tolist())
    return [windowed(row, Window(tops[i // len(lefts)], lefts[i % len(lefts)], side, side)) for i in chosen]


def windowed(row: Row, window: Window) -> Row:
    """A row for a part of the row's image; its group is the scene, unless it has one."""
    identity = f"{row.id}#{window.top},{window.left},{window.height}x{window.width}"
    return replace(row, id=identity, window=window, group=row.group or row.id)


def glance(row: Row, extent: Extent, side: int = SIDE) -> Row:
    """The row, or its middle window where the image is a scene: what a first look reads."""
    size = None if row.window else extent(row)
    if size is None:
        return row
    height, width = (min(side, length) for length in size)
    return windowed(row, Window((size[0] - height) // 2, (size[1] - width) // 2, height, width))
