"""Windows of a scene in JPEG 2000 files, one thread: layers kept open from window to window, against opened for each.

    OMP_NUM_THREADS=1 python benchmarks/windows.py

The scene is generated: three bands of 4,096 pixels a side in tiles of 1,024, as Sentinel-2 has them. Cells that
benchmarks/results/windows.csv holds for the same machine, commit and versions are not measured again.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from cells import RESULTS, append, found, place
from labelfree_satellite import Satellite, layers
from rasterio.transform import from_origin

from labelfree.data.windows import in_windows
from labelfree.domain import Row

TABLE = RESULTS / "windows.csv"
SIDE, BANDS, WINDOWS = 4096, ("B02", "B03", "B04"), 64
OPEN = {"kept open": layers.MOST_OPEN, "opened for each window": 1}  # layers a thread holds; with one, three bands put each other out


def main() -> None:
    cells = [{"layers": name, "windows": str(WINDOWS), **place("rasterio")} for name in OPEN]
    missing = [cell for cell in cells if not found(TABLE, cell)]
    print(f"Expected: {len(missing)} of {len(cells)} cells to measure, about 1 minute.", flush=True)
    if missing:
        for cell in missing:
            with tempfile.TemporaryDirectory() as folder:  # one each: what the other cell left open is not found again
                write(Path(folder) / "scene")
                append(TABLE, cell | {"seconds": f"{measured(Path(folder) / 'scene', OPEN[cell['layers']]):.1f}"})
    print("\n| layers | s for 64 windows of 256 pixels |\n|---|---|")
    for cell in cells:
        row = found(TABLE, cell)
        assert row is not None
        print(f"| {row['layers']} | {row['seconds']} |")


def write(folder: Path) -> None:
    """Blocks with noise: what a lossless codec has some work with."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    blocks = np.kron(draw.integers(500, 4000, (SIDE // 8, SIDE // 8)), np.ones((8, 8), dtype=int))
    data = (blocks + draw.integers(0, 60, (SIDE, SIDE))).astype(np.uint16)
    profile = {"driver": "JP2OpenJPEG", "count": 1, "height": SIDE, "width": SIDE, "dtype": "uint16", "QUALITY": 100, "REVERSIBLE": True}
    where = {"crs": "EPSG:32632", "transform": from_origin(600_000, 5_400_000, 10, 10), "BLOCKXSIZE": 1024, "BLOCKYSIZE": 1024}
    for band in BANDS:
        with rasterio.open(folder / f"x_{band}.jp2", "w", **profile, **where) as file:
            file.write(data, 1)


def measured(folder: Path, most: int) -> float:
    """Seconds to read the first rows of windows."""
    domain = Satellite()
    rows = in_windows([Row("scene", folder)], domain.extent)[:WINDOWS]
    layers.MOST_OPEN = most
    begun = time.perf_counter()
    for row in rows:
        domain.read(row)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
