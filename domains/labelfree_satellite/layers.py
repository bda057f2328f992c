"""Layers of scenes, kept open from window to window: a JPEG 2000 tile is decoded once and not for each of the windows that lie in it."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from labelfree_satellite.gaps import Gaps
from labelfree_satellite.grids import Grid
from labelfree_satellite.headers import quiet_rasterio

MOST_OPEN = max(16, 512 // (os.cpu_count() or 1))  # layers open in a thread: a scene's at least, and few enough for all threads together


class _Open(threading.local):
    """Each thread has files of its own, for they may not be shared."""

    def __init__(self) -> None:
        self.layers: OrderedDict[tuple[Any, ...], tuple[Any, ExitStack]] = OrderedDict()


_open = _Open()


def opened_on(source: str, grid: Grid, categories: bool, coarser: float, gaps: Gaps) -> Any:
    """A layer as if it had been written on `grid`, open for reading in this thread.

    `coarser`: how many pixels of the grid one that is wanted covers. Numbers that name `categories` take the nearest pixel, others are
    interpolated, or averaged where the layer is finer. `gaps`: what is no measurement besides what the file says.
    """
    rasterio = quiet_rasterio()
    from rasterio.enums import Resampling
    from rasterio.transform import Affine
    from rasterio.vrt import WarpedVRT

    wanted = Affine(*grid.transform)
    key = (source, _changed(source), grid, categories, gaps, coarser)
    if key in _open.layers:
        _open.layers.move_to_end(key)
        return _open.layers[key][0]
    with ExitStack() as stack:
        file = stack.enter_context(rasterio.open(source))
        finer = abs(wanted.a) * coarser > 1.5 * abs(file.transform.a)
        how = Resampling.nearest if categories else Resampling.average if finer else Resampling.bilinear
        nodata = gaps.of_layer(file.nodata, file.dtypes[0])
        place = {"crs": grid.crs, "transform": wanted, "height": grid.height, "width": grid.width}
        layer = stack.enter_context(WarpedVRT(file, **place, resampling=how, src_nodata=nodata, nodata=nodata))
        _open.layers[key] = layer, stack.pop_all()
    while len(_open.layers) > MOST_OPEN:
        _open.layers.popitem(last=False)[1][1].close()
    return layer


def _changed(source: str) -> int:
    """When a file was written last; 0 inside an archive."""
    path = Path(source)
    return path.stat().st_mtime_ns if path.is_file() else 0
