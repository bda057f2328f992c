"""The inspection domain: `labelfree.domain.Domain` for pictures of parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.domain import Default, Defaults, Finding, Fingerprint, Row, Sample, Shown, require
from labelfree.errors import DataError
from labelfree_inspection.direction import mirror
from labelfree_inspection.settings import KEYS_FOR, Reader

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from labelfree.views import Augmentation

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


class Inspection:
    """Pictures of parts: gray and colour, 8 to 16 bits, of any size. The arguments are the keys of `Reader`."""

    name = "inspection"
    packages: tuple[str, ...] = ("pillow", "tifffile", "imagecodecs")
    quiet: Mapping[str, str] = {}
    keys_for = KEYS_FOR
    Reader = Reader
    positives: Mapping[str, str] = {
        "light": 'tell the light in names of files or folders, as in "lamp1" and "lamp2", or give each part a column `group` in a table',
        "neighbours": "cut images into tiles (pool.tile)",
    }
    choosing = ("smallest_defect",)  # it says how views are made, not what a picture is

    def __init__(self, **settings: Any) -> None:
        self.reader = require(Reader, **settings)

    def settings(self) -> Mapping[str, Any]:
        return {"domain": self.name, **self.reader.model_dump(mode="json")}

    def files(self, root: Path) -> list[Path]:
        return sorted(file for file in root.rglob("*") if file.suffix.lower() in ENDINGS)

    def read(self, row: Row) -> Sample:
        import numpy as np
        import torch
        from PIL import Image

        try:
            with Image.open(row.path) as picture:
                data = np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)
        except OSError as error:
            raise DataError(f"{row.called}: {error}.") from error
        channels = ("gray",) if len(data) == 1 else ("red", "green", "blue")
        ones = (1.0,) * len(channels)
        return Sample(torch.from_numpy(np.ascontiguousarray(data)), channels, ones, (0.0,) * len(channels), "of 255", source=row.id)

    def rgb(self, channels: Sequence[str]) -> tuple[int, int, int] | None:
        return (0, 0, 0) if len(channels) == 1 else (0, 1, 2)

    def matches(self, channels: Sequence[str], known: Sequence[str], once: bool = False) -> tuple[int | None, ...]:
        return tuple(known.index(channel) if channel in known else None for channel in channels)

    def render(self, x: Tensor, channels: Sequence[str], unit: str, measured: Tensor | None = None) -> Tensor | None:
        return x[:, list(self.rgb(channels) or (0, 0, 0))] / 255

    def augment(self, fingerprint: Fingerprint) -> Augmentation:
        from labelfree_inspection.augmentation import augmentation

        return augmentation(fingerprint, smallest_defect=self.reader.smallest_defect)

    def mirror(self, classes: Sequence[str]) -> Default:
        return mirror(classes)

    def partners(self, kind: str, images: Sequence[Shown], within: float | None) -> list[list[int]]:
        from labelfree_inspection.pairs import KINDS

        return KINDS[kind](images, within)

    def missing(self, channels: Sequence[str]) -> list[str]:
        return []

    def plan(self, fingerprint: Fingerprint) -> Defaults:
        return {}

    def preview(self, sample: Sample) -> np.ndarray:
        shown = self.render(sample.physical()[None], sample.channels, sample.unit)
        assert shown is not None
        return (shown[0].clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()

    @staticmethod
    def diagnose() -> list[Finding]:
        return []

    def generate(self, directory: Path, seed: int = 0, variant: str = "") -> None:
        from labelfree_inspection.generated_parts import generate

        generate(directory, seed, variant)
