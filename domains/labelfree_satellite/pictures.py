"""Pictures of 8 bits through Pillow: colours, transparency, and where a file beside them says that they lie."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.data.content import BESIDE

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
OPAQUE = 128  # of 255: the edge of a soft mask is where half shows through


def sixteen_bit(path: Path) -> bool:
    """Pillow narrows 16-bit colour PNGs to 8 bit without a word; the header tells them."""
    with path.open("rb") as file:
        head = file.read(25)
    return head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 25 and head[24] == 16


def read_picture(path: Path) -> tuple[np.ndarray, list[str | None], np.ndarray | None]:
    """(C, H, W) uint8, names of the channels, and (H, W) bool where it is transparent, None where nowhere.

    Palettes become colours, CMYK becomes RGB. Transparency that hides a whole picture with contents was not meant, and hides nothing.
    """
    from PIL import Image

    with Image.open(path) as image:
        gray = image.mode in ("1", "L", "LA") or (image.mode == "P" and _gray_palette(image))
        clear = _transparent(image)
        pixels = np.array(image.convert("L" if gray else "RGB"))
    names: list[str | None] = ["gray"] if gray else ["red", "green", "blue"]
    data = np.ascontiguousarray(pixels[None] if gray else pixels.transpose(2, 0, 1))
    if clear is not None and (not clear.any() or (clear.all() and np.ptp(data) > 0)):
        clear = None
    return data, names, clear


def _transparent(image: Any) -> np.ndarray | None:
    if not image.has_transparency_data:
        return None
    return np.array(image.convert("RGBA").getchannel("A")) < OPAQUE


def _gray_palette(image: Any) -> bool:
    colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def placed_beside(path: Path) -> bool:
    """Whether a world file or GDAL's metadata lies beside a picture: then its header tells where it lies."""
    beside = _telling(path.parent, path.parent.stat().st_mtime_ns)
    stem, end = path.stem.lower(), path.suffix[1:].lower()
    worlds = (f"{stem}.{suffix}" for suffix in (f"{end[0]}{end[-1]}w", f"{end}w", "wld", f"{end[0]}{end[-1]}wx"))
    return bool(beside) and (f"{path.name.lower()}.aux.xml" in beside or any(world in beside for world in worlds))


@lru_cache(maxsize=256)
def _telling(folder: Path, changed: int) -> frozenset[str]:
    """Names in a folder, in lower case, of files that may say where a picture lies: listed once, for a look beside each takes its time."""
    return frozenset(name for entry in os.scandir(folder) if (name := entry.name.lower()).endswith(BESIDE))


def esri_world(path: Path) -> tuple[float, float, float, float, float, float] | None:
    """The affine map from pixels to coordinates in a .jgwx or the like: so Esri writes maps that turn, and GDAL reads none of them."""
    for file in _esri_worlds(path):
        try:
            a, d, b, e, x, y = map(float, file.read_text(encoding="utf-8", errors="replace").split())
        except (OSError, ValueError):
            continue
        return a, b, x - (a + b) / 2, d, e, y - (d + e) / 2  # a world file tells the middle of the first pixel
    return None


def _esri_worlds(path: Path) -> list[Path]:
    end = path.suffix[1:]
    return [path.with_suffix(form(f".{end[0]}{end[-1]}wx")) for form in (str.lower, str.upper)]
