"""Whether rasters show one place: names tell nothing of that, headers do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labelfree_satellite.grids import Grid
from labelfree_satellite.headers import grid_in, header

ASKED = 32  # headers read of one folder; a product of single bands has fewer


def one_scene(sources: Sequence[str]) -> bool:
    """Whether files are bands of one scene: one band each, in one coordinate system, their edges within a pixel of the coarsest.

    Files without coordinates never are. What cannot be opened is passed over while others are: reading it says what is wrong.
    """
    first: Grid | None = None
    for source in sources[:ASKED]:
        facts = _header(source)
        if facts is None:
            continue
        bands, grid = facts
        if bands != 1 or grid is None or (first is not None and not _same_ground(first, grid)):
            return False
        first = first or grid
    return first is not None


def apart(source: str, others: Sequence[str]) -> int:
    """How many of `others` lie in another place than `source`; those without coordinates do not count."""
    mine = _header(source)
    if mine is None or mine[1] is None:
        return 0
    grids = [facts[1] for other in others if (facts := _header(other)) is not None]
    return sum(grid is not None and grid.crs == mine[1].crs and not _meet(mine[1], grid) for grid in grids)


def _header(source: str) -> tuple[int, Grid | None] | None:
    """How many bands a raster has, and its grid (None without coordinates); None for what cannot be opened."""
    return header(Path(source), lambda file: (file.count, grid_in(file)))


def _same_ground(one: Grid, other: Grid) -> bool:
    pixel = max(*one.spacing, *other.spacing)
    return one.crs == other.crs and all(abs(a - b) <= pixel * 1.001 for a, b in zip(one.bounds(), other.bounds(), strict=True))


def _meet(one: Grid, other: Grid) -> bool:
    a, b = one.bounds(), other.bounds()
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
