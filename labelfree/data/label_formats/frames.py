"""The frame that people drew in: the picture as its pixels are stored, or turned upright as its EXIF says."""

from __future__ import annotations

import logging
import struct
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelfree.data.label_formats.regions import Corners, Everything, Outline, Region, Runs
from labelfree.foreign_logs import quieter

if TYPE_CHECKING:
    from PIL import Image

TURNED = {".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".png", ".webp", ".heic"}  # files that may bear an EXIF orientation
ORIENTATION = 0x0112
IN_FRONT = {"exif", "Raw profile type exif"}  # what Pillow calls the EXIF of a PNG that stands before its pixels
ON_THEIR_SIDE = (5, 6, 7, 8)
BACK = {6: 8, 8: 6}  # turns that undo others; the rest undo themselves


def orientation(path: Path) -> int:
    """What EXIF says of how a picture is to be turned: 1 (not at all) to 8."""
    if path.suffix.lower() not in TURNED or not path.is_file():
        return 1
    written = path.stat()
    return _orientation(path, written.st_mtime_ns, written.st_size)


@lru_cache(maxsize=1024)  # a scene shows its polygons in many windows
def _orientation(path: Path, changed: int, size: int) -> int:
    from PIL import Image

    try:
        # what is wrong with it its reader tells; Pillow also logs of every raster with many channels that it is none of its own
        with quieter(["PIL"], logging.CRITICAL), warnings.catch_warnings(action="ignore"), Image.open(path) as picture:
            late = picture.format == "PNG" and IN_FRONT.isdisjoint(picture.info)
            said = (_behind_pixels(path) if late else picture.getexif()).get(ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):
        return 1
    return said if said in range(1, 9) else 1


def _behind_pixels(png: Path) -> Image.Exif:
    """The EXIF of a PNG that stands behind its pixels, which Pillow would decode all to come to it."""
    from PIL import Image

    exif = Image.Exif()
    with png.open("rb") as stream:
        stream.seek(8)
        while len(head := stream.read(8)) == 8:
            length = int.from_bytes(head[:4], "big")
            if head[4:] == b"eXIf":
                exif.load(stream.read(length))
                break
            stream.seek(length + 4, 1)  # a sum for control follows
    return exif


def upright_size(size: tuple[int, int], turn: int) -> tuple[int, int]:
    """(width, height) of the upright picture."""
    return (size[1], size[0]) if turn in ON_THEIR_SIDE else size


@dataclass(frozen=True)
class Turned:
    """Brings what was drawn on the upright picture onto the stored one, of `width` x `height` pixels. `turn`: as EXIF numbers it.

    With the turn that `BACK` gives for it, what was drawn on the stored one onto the upright one.
    """

    turn: int
    width: int
    height: int

    def points(self, points: np.ndarray) -> np.ndarray:
        """(n, 2)."""
        x, y, w, h = points[:, 0], points[:, 1], self.width, self.height
        across, down = {
            1: (x, y), 2: (w - x, y), 3: (w - x, h - y), 4: (x, h - y), 5: (y, x), 6: (y, h - x), 7: (w - y, h - x), 8: (w - y, x),
        }[self.turn]  # fmt: skip
        return np.stack([across, down], 1)

    def pixels(self, upright: np.ndarray) -> np.ndarray:
        """(height, width) of the stored picture."""
        picture = upright.T if self.turn in ON_THEIR_SIDE else upright
        return picture[:: -1 if self.turn in (3, 4, 6, 7) else 1, :: -1 if self.turn in (2, 3, 7, 8) else 1]

    def box(self, box: Corners) -> Corners:
        (x0, y0), (x1, y1) = self.points(np.array([box[:2], box[2:]], float))
        return float(min(x0, x1)), float(min(y0, y1)), float(max(x0, x1)), float(max(y0, y1))

    def region(self, region: Region) -> Region:
        if isinstance(region, Outline):
            return region.placed(self.points)
        if isinstance(region, Runs):
            return Runs.of(self.pixels(region.mask(region.height, region.width)))
        assert isinstance(region, Everything)
        return replace(region)
