"""Maps of classes written strip by strip: a Cloud-Optimized GeoTIFF on the image's grid, or for a picture without coordinates a PNG.

Confidence stands in a file of its own: the COG driver takes a second band beside a colour table for transparency.
"""

from __future__ import annotations

import colorsys
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.domain import NOTHING, Row, Sample
from labelfree.errors import DataError
from labelfree_satellite.targets import grid_of_sample

if TYPE_CHECKING:
    import numpy as np

    from labelfree_satellite.grids import Grid

NODATA = 255
CACHE = 64  # MB of blocks that GDAL may hold; by itself it takes a twentieth of the machine's memory
BLOCK = 512  # pixels a side of a file's tiles
GOLDEN = 0.618034  # of a turn between the hues of two classes


def open_map(sample: Sample, size: tuple[int, ...], path: Path, classes: Sequence[str], row: Row) -> ClassRaster | ClassPicture:
    """`labelfree.domain.WritesMaps`."""
    if len(classes) > NODATA:
        raise DataError(f"{path}: a map of {len(classes)} classes; a file of bytes holds {NODATA} beside nodata.")
    height, width = size
    grid = grid_of_sample(sample, height, width)
    return ClassPicture(path, size, classes) if grid is None else ClassRaster(path, grid, classes)


class ClassRaster:
    """`<path>.tif`, classes by number with their colours and names, and `<path>_confidence.tif`, in percent; 255 is nodata in both.

    What is written goes at once into plain files beside them, from which an interrupted map goes on.
    """

    def __init__(self, path: Path, grid: Grid, classes: Sequence[str]) -> None:
        self.path, self.grid, self.classes = path, grid, tuple(classes)
        self.files = (path.with_name(f"{path.name}.tif"), path.with_name(f"{path.name}_confidence.tif"))
        self.parts = tuple(file.with_name(f".{file.stem}.making.tif") for file in self.files)
        self.mark = path.with_name(f".{path.name}.making.rows")
        self.done, self.counts = self._begun()

    def write(self, start: int, numbers: np.ndarray, confidence: np.ndarray) -> None:
        import numpy as np

        there = numbers != NOTHING
        percent = np.where(there, np.rint(100 * confidence), NODATA).astype(np.uint8)
        for part, rows in zip(self.parts, (np.where(there, numbers, NODATA).astype(np.uint8), percent), strict=True):
            with _opened(part, "r+") as file:
                file.write(rows, 1, window=((start, start + len(rows)), (0, self.grid.width)))
        self.done, self.counts = start + len(numbers), self.counts + counted(numbers, len(self.classes))
        self._note()

    def close(self) -> list[Path]:
        from rasterio import Env, shutil

        for part, file, kind in zip(self.parts, self.files, ("nearest", "average"), strict=True):
            whole = file.with_name(f".{file.stem}.whole.tif")
            with _reporting(file), Env(GDAL_CACHEMAX=CACHE):
                shutil.copy(part, whole, driver="COG", compress="deflate", blocksize=BLOCK, overview_resampling=kind, bigtiff="if_safer")
            whole.replace(file)
        for part in (*self.parts, self.mark):
            part.unlink(missing_ok=True)
        return list(self.files)

    def _note(self) -> None:
        """What is written, for the next start; whole or as before."""
        part = self.mark.with_name(f"{self.mark.name}.part")
        part.write_text(json.dumps([self.done, self.counts.tolist()]), encoding="utf-8")
        part.replace(self.mark)

    def _begun(self) -> tuple[int, np.ndarray]:
        """Rows that are there from an earlier start, and what they show; else empty files are made."""
        import numpy as np

        if self.mark.is_file() and all(part.is_file() for part in self.parts):
            done, counts = json.loads(self.mark.read_text(encoding="utf-8"))
            return int(done), np.array(counts)
        from labelfree_satellite.headers import quiet_rasterio

        quiet_rasterio()
        from rasterio.transform import Affine

        self.path.parent.mkdir(parents=True, exist_ok=True)
        form = {"driver": "GTiff", "count": 1, "dtype": "uint8", "nodata": NODATA, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
        place = {"height": self.grid.height, "width": self.grid.width, "crs": self.grid.crs, "transform": Affine(*self.grid.transform)}
        names = dict(enumerate(self.classes))
        for part, band in zip(self.parts, ("class", "confidence"), strict=True):
            with _opened(part, "w", **form, **place, bigtiff="if_safer", sparse_ok=True) as file:
                file.set_band_description(1, band)
                file.update_tags(classes=", ".join(f"{number}={name}" for number, name in names.items()))
                if band == "class":
                    file.write_colormap(1, {number: (*colour, 255) for number, colour in enumerate(colours(len(names)))})
                    file.update_tags(1, **{f"class_{number}": name for number, name in names.items()})
                else:
                    file.update_tags(1, unit="percent")
        return 0, np.zeros(len(self.classes), np.int64)


class ClassPicture:
    """`<path>.png`, a palette picture of classes by number, and `<path>_confidence.png`, in percent; 255 is nodata in both."""

    def __init__(self, path: Path, size: tuple[int, ...], classes: Sequence[str]) -> None:
        import numpy as np

        self.path, self.classes, self.done = path, tuple(classes), 0
        self.counts = np.zeros(len(classes), np.int64)
        self.bands = {name: np.full(size, NODATA, np.uint8) for name in (f"{path.name}.png", f"{path.name}_confidence.png")}

    def write(self, start: int, numbers: np.ndarray, confidence: np.ndarray) -> None:
        import numpy as np

        there = numbers != NOTHING
        shown, percent = self.bands.values()
        shown[start : start + len(numbers)] = np.where(there, numbers, NODATA)
        percent[start : start + len(numbers)] = np.where(there, np.rint(100 * confidence), NODATA)
        self.done, self.counts = start + len(numbers), self.counts + counted(numbers, len(self.classes))

    def close(self) -> list[Path]:
        from PIL import Image, PngImagePlugin

        self.path.parent.mkdir(parents=True, exist_ok=True)
        told = PngImagePlugin.PngInfo()
        told.add_text("classes", ", ".join(f"{number}={name}" for number, name in enumerate(self.classes)))
        files = list[Path]()
        for name, band in self.bands.items():
            file = self.path.with_name(name)
            picture = Image.fromarray(band)
            if not files:  # the classes
                palette = [*colours(len(self.classes)), *[(128, 128, 128)] * (256 - len(self.classes))]
                picture.putpalette([number for colour in palette for number in colour])
            part = file.with_name(f".{file.stem}.making.png")
            picture.save(part, pnginfo=told)
            part.replace(file)
            files.append(file)
        return files


def counted(numbers: np.ndarray, classes: int) -> np.ndarray:
    """(K,) how many pixels show each class."""
    import numpy as np

    return np.bincount(numbers[numbers != NOTHING].ravel(), minlength=classes)


def colours(count: int) -> list[tuple[int, int, int]]:
    """A colour for each class: hues a golden part of a turn apart, so that neighbours in number differ most."""
    shades = (colorsys.hsv_to_rgb((0.08 + at * GOLDEN) % 1, 0.65, 0.95 if at % 2 else 0.75) for at in range(count))
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in shades]


@contextmanager
def _reporting(file: Path) -> Iterator[None]:
    from rasterio.errors import RasterioError

    try:
        yield
    except RasterioError as error:
        raise DataError(f"{file}: cannot be written ({error}); free some space, and the same command goes on.") from error


@contextmanager
def _opened(file: Path, mode: str, **form: Any) -> Iterator[Any]:
    from labelfree_satellite.headers import quiet_rasterio

    rasterio = quiet_rasterio()
    with _reporting(file), rasterio.Env(GDAL_CACHEMAX=CACHE), rasterio.open(file, mode, **form) as opened:
        yield opened
