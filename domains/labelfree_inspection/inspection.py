"""The inspection domain: `labelfree.domain.Domain` for pictures of parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.data.kept import Kept
from labelfree.domain import Default, Defaults, Finding, Fingerprint, Levels, Row, Sample, Shown, require
from labelfree.errors import DataError
from labelfree_inspection.colours import rgb_positions, uniting
from labelfree_inspection.depth import Depth
from labelfree_inspection.diagnosis import PACKAGES, readers
from labelfree_inspection.direction import mirror
from labelfree_inspection.files.picture import picture_bytes
from labelfree_inspection.lots import names_lot
from labelfree_inspection.settings import BYTES, KEYS_FOR, LEVELS, Reader

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from labelfree.views import Augmentation

READER = 3  # raise it when `read` returns something else for the same file: pools are made anew
PAGE = "page "  # how channels are called that are pages of a TIFF


class Inspection:
    """Pictures of parts: gray and colour, 1 to 16 bits, height maps, of any size. The arguments are the keys of `Reader`.

    Channels: "gray"; "red", "green", "blue"; "page 1", … of a TIFF's pages; `reader.channels` names others. Units: "of 255" of pictures
    with 8 bits and fewer; "grey levels", as they are stored, of more; "stored" of real numbers, such as heights.
    Raises RecipeError naming the key.
    """

    name = "inspection"
    prompts = Path(__file__).parent / "prompts.txt"
    packages = PACKAGES
    quiet: Mapping[str, str] = {}
    keys_for = KEYS_FOR
    Reader = Reader
    kinds = "PNG, BMP, JPEG, JPEG 2000, TIFF, WebP, PGM, PPM and .npy files"
    advice: Mapping[str, str] = {
        **dict.fromkeys((".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar"), "unpack each archive into a folder of its own"),
        **dict.fromkeys((".raw", ".bin", ".dat"), "their size and depth stand nowhere; have the camera write TIFF or PNG"),
        **dict.fromkeys((".avi", ".mp4", ".mkv", ".mov", ".gif"), "save single pictures of these films as PNG"),
        **dict.fromkeys((".exr", ".hdr", ".heic", ".avif", ".jxl", ".jls"), "convert them to TIFF or PNG"),
    }
    positives: Mapping[str, str] = {
        "light": 'tell the light in names of files or folders, as in "lamp1" and "lamp2", or give each part a column `group` in a table',
        "neighbours": "cut images into tiles (pool.tile)",
    }
    choosing = ("smallest_defect", "only_light")  # they say how views are made, not what a picture is

    def __init__(self, **settings: Any) -> None:
        self.reader = require(Reader, **settings)
        self.depth = None if self.reader.depth is None else Depth(self.reader.depth, self.reader.shift or 0)
        self._kept = Kept(picture_bytes)  # what can only be decoded whole, while windows of it are asked for

    def settings(self) -> Mapping[str, Any]:
        return {"domain": self.name, "reader": READER, **self.reader.model_dump(mode="json")}

    def files(self, root: Path) -> list[Path]:
        from labelfree.data.walk import Walk
        from labelfree_inspection.files import ENDINGS

        return sorted(folder / name for folder, names in Walk(root) for name in names if name.lower().endswith(ENDINGS))

    def names_group(self, folder: str) -> bool:
        return names_lot(folder)

    def extent(self, row: Row) -> tuple[int, ...] | None:
        from labelfree_inspection.reading import extent

        return extent(row.path, self.reader)

    def read(self, row: Row) -> Sample:
        from labelfree_inspection.reading import read_sample

        return read_sample(row, self.reader, self._kept)

    def frame(self, row: Row) -> Sample | None:
        import torch

        from labelfree_inspection.files import size_of

        try:
            size = row.window.size if row.window else size_of(row.path, self.reader.page)
        except (DataError, OSError):
            return None  # what is wrong with it is said when it is read
        return Sample(torch.empty(0, *size), (), (), (), "", source=row.id)

    def settling(self, samples: Iterable[Sample]) -> Mapping[str, Default]:
        from labelfree_inspection.settling import settled

        return settled(samples, self.reader)

    def uniting(self, channels: Mapping[tuple[str, ...], int]) -> Mapping[str, Default]:
        return uniting(channels, self.reader.colour)

    def recognises(self, sample: Sample) -> str | None:
        """Nothing in a picture tells that it shows a part."""
        return None

    def rgb(self, channels: Sequence[str]) -> tuple[int, int, int] | None:
        return rgb_positions(channels)

    def matches(self, channels: Sequence[str], known: Sequence[str], once: bool = False) -> tuple[int | None, ...]:
        names = [str(name).lower() for name in known]
        return tuple(names.index(channel.lower()) if channel.lower() in names else None for channel in map(str, channels))

    def white(self, fingerprint: Fingerprint) -> float:
        """The number that stands for white: of whole numbers the largest of their depth, of real ones the largest that was seen."""
        if fingerprint.unit == BYTES:
            return 255.0
        return float(self.depth.white) if self.depth is not None else max(fingerprint.high, default=1.0)

    def levels(self, unit: str) -> Levels | None:
        if unit == BYTES:
            return Levels(255)
        return Levels(self.depth.white, 2**self.depth.shift) if unit == LEVELS and self.depth is not None else None

    def render(self, x: Tensor, channels: Sequence[str], unit: str, measured: Tensor | None = None) -> Tensor | None:
        from labelfree_inspection.rendering import render

        return render(x, channels, unit, None if self.depth is None else float(self.depth.white), measured)

    def preview(self, sample: Sample) -> np.ndarray:
        from labelfree_inspection.rendering import preview

        return preview(sample.physical(), sample.channels, sample.unit, sample.measured)

    def augment(self, fingerprint: Fingerprint) -> Augmentation:
        from labelfree_inspection.augmentation import augmentation

        return augmentation(fingerprint, self.white(fingerprint), self.reader.smallest_defect, self.reader.only_light)

    def mirror(self, classes: Sequence[str]) -> Default:
        return mirror(classes)

    def partners(self, kind: str, images: Sequence[Shown], within: float | None) -> list[list[int]]:
        from labelfree_inspection.pairs import KINDS

        return KINDS[kind](images, within)

    def missing(self, channels: Sequence[str]) -> list[str]:
        if not any(str(channel).startswith(PAGE) for channel in channels):
            return []
        return [f"Pages are channels without names; reader.channels names the {len(channels)} of them, such as lights of one part."]

    def plan(self, fingerprint: Fingerprint) -> Defaults:
        return {}

    @staticmethod
    def diagnose() -> list[Finding]:
        """Whether TIFF and pictures of more than 8 bits can be read here."""
        return readers()

    def generate(self, directory: Path, seed: int = 0, variant: str = "") -> None:
        from labelfree_inspection.generated_parts import generate

        generate(directory, seed, variant)
