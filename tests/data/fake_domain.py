"""A domain for the tests of the data rooms: PNG and JPEG through Pillow, nothing more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from labelfree.domain import Row, Sample
from labelfree.errors import DataError

SUFFIXES = {".png", ".jpg", ".jpeg"}
NAMES = {1: ("gray",), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "nir")}


class PillowDomain:
    """Reads 8-bit images; bands are named by their count."""

    name = "pillow"

    def read(self, row: Row) -> Sample:
        try:
            pixels = np.asarray(Image.open(row.path))
        except OSError as error:
            raise DataError(f"{row.path}: cannot be read ({error}).") from error
        pixels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
        bands = len(pixels)
        return Sample(torch.from_numpy(pixels.copy()), NAMES[bands], (1 / 255,) * bands, (0.0,) * bands, "relative")

    def settings(self) -> dict[str, str]:
        return {"reader": "pillow"}

    def files(self, root: Path) -> list[Path]:
        return sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)

    def generate(self, directory: Path, seed: int = 0, variant: str = "") -> None:
        draw = np.random.default_rng(seed)
        for i in range(4):
            write(directory / f"{i}.png", draw.integers(0, 255, (8, 8, 3)))
        rows = "".join(f"{i}.png,{'ab'[i % 2]},{('train', 'train', 'test', 'test')[i]}\n" for i in range(4))
        (directory / "splits.csv").write_text("path,label,split\n" + rows)


def write(path: Path, pixels: np.ndarray) -> Path:
    """Save (H, W) or (H, W, C) numbers from 0 to 255 as PNG or JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels).astype(np.uint8)).save(path)
    return path


def texture(draw: np.random.Generator, side: int = 64, channels: int = 3) -> np.ndarray:
    """(side, side, channels) blocky noise: structure that survives the shrinking to a 32 x 32 thumbnail."""
    return np.kron(draw.integers(0, 255, (side // 4, side // 4, channels)), np.ones((4, 4, 1), dtype=int))
