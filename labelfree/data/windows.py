"""Scenes too large to be read whole: each becomes rows of its own, one a window, known to pool and leak guard like any other image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

from labelfree.data.tiles import SIDE, starts
from labelfree.domain import Row, Window

Extent = Callable[[Row], tuple[int, int] | None]


def in_windows(rows: Sequence[Row], extent: Extent, side: int | None = None) -> list[Row]:
    """The rows, those of scenes replaced by a row for each window of `side` pixels (default 256, at most the scene's own).

    `extent`: size of an image that is read in windows, None for one that is read whole. Rows with a label stay whole.
    """
    found = []
    for row in rows:
        size = None if row.window or row.label is not None or row.mask or row.boxes else extent(row)
        found += [row] if size is None else _windows(row, size, min(side or SIDE, *size))
    return found


def _windows(row: Row, size: tuple[int, int], side: int) -> list[Row]:
    corners = product(*(starts(extent, side) for extent in size))
    return [windowed(row, Window(top, left, side, side)) for top, left in corners]


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
