"""What heads of maps say, image by image: a file on each image's grid, and a table of what each shows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelfree.deploy.asked_image import open_image
from labelfree.deploy.coco_file import ENDING, keep_objects, write_coco
from labelfree.deploy.coco_file import UNFINISHED as UNFINISHED_OBJECTS
from labelfree.deploy.growing_tables import SKIPPED, TABLE, UNFINISHED, fill, number
from labelfree.deploy.input_images import InputImages
from labelfree.deploy.map_heads import MapsHead, Strip, whole_map
from labelfree.domain import MapWriter, Row, WritesMaps
from labelfree.errors import DataError
from labelfree.progress import Progress

MAPS = "maps"  # the folder of them
PACKED = ".gz"  # an ending behind another


def write_maps(
    head: MapsHead, images: InputImages, out: Path, say: Progress, region: Path | None = None, vector: Path | None = None
) -> tuple[list[Path], dict[str, Any]]:
    """`maps/<image>` as the domain writes them, and `predictions.csv`: path, map, and the share of each class in percent of the pixels of
    which anything is said.

    `region`: a file of shapes outside of which nothing is said. `vector`: a file that gets the maps as shapes on the ground, or for
    pictures (.json) as objects of COCO. Scenes are read, predicted and written in strips. Returns the files, and how many images there
    are. Raises DataError naming the image that does not fit the head.
    """
    if not isinstance(images.domain, WritesMaps):
        raise DataError(f"{images.domain.name}: this domain writes no maps of classes; use head.predict(image) of labelfree.load_head.")
    names = map_names(images.rows)
    coco = out / UNFINISHED_OBJECTS if vector is not None and vector.suffix.lower() == ENDING else None
    work = _Work(head, images, images.domain, region, say, coco)

    def answer(row: Row) -> list[str] | str:
        made = work.map(row, out / MAPS / names[row.id])
        if isinstance(made, str):
            return made
        files, shares = made
        return [files[0].relative_to(out).as_posix(), *(number(100 * share) for share in shares)]

    skipped = fill(out, ["path", "map", *(f"percent_{name}" for name in head.classes)], images.rows, say, answer)
    part = out / UNFINISHED
    written = [out / TABLE, *([out / SKIPPED] if skipped else [])]
    if coco is not None and vector is not None:
        written.insert(0, write_coco(vector, coco, head.classes))
    elif vector is not None:
        with part.open(newline="", encoding="utf-8") as stream:
            maps = [(row["path"], out / row["map"]) for row in csv.DictReader(stream)]
        written.insert(0, images.domain.outlines(maps, vector, head.classes))
    part.replace(out / TABLE)
    return written, {"images": len(images.rows) - skipped, "skipped": skipped}


@dataclass(frozen=True)
class _Work:
    """Makes the map of one image."""

    head: MapsHead
    images: InputImages
    domain: WritesMaps
    region: Path | None
    say: Progress
    coco: Path | None

    def map(self, row: Row, path: Path) -> tuple[list[Path], list[float]] | str:
        """The files, and the share of each class; or why the image is left out."""
        asked = open_image(self.images, row, self.region)
        if isinstance(asked, str):
            return asked
        image = asked.slices
        writer: MapWriter = self.domain.open_map(image.first, image.size, path, self.head.classes, row)
        left = sum(corner + self.head.card.shape[0] > writer.done for corner in self.head.corners(image.size))
        strips = self.head.strips(image.read, image.size, writer.done, asked.wanted)
        if self.coco is not None and tuple(image.first.data.shape[1:]) != image.size:
            raise DataError(f"{row.called}: is too large for objects of a picture; name polygons on the ground, --vector F.gpkg.")
        kept = list[Strip]()
        for strip in strips if left < 2 else self.say.track(strips, path.name, left):
            writer.write(strip.start, strip.numbers, strip.confidence)
            kept += [strip] if self.coco is not None else []
        files = writer.close()
        if self.coco is not None:
            keep_objects(self.coco, row.id, whole_map(kept, self.head.classes))
        return files, (writer.counts / max(1, writer.counts.sum())).tolist()


def map_names(rows: Sequence[Row]) -> dict[str, str]:
    """Of each image what its map is called: the image's name without its ending, with it where two would be called the same."""
    plain = {row.id: _without_ending(row.id.partition("#")[0]) + row.id.partition("#")[2] for row in rows}
    often = Counter(plain.values())
    return {name: safe_path(short if often[short] == 1 else name) for name, short in plain.items()}


def _without_ending(name: str) -> str:
    """`a/b.tif` and `a/b.nii.gz` to `a/b`."""
    path = Path(name)
    return (path.with_suffix("") if path.suffix.lower() == PACKED else path).with_suffix("").as_posix()


def safe_path(name: str) -> str:
    """A path below a folder, of characters that every file system takes."""
    parts = [re.sub(r"[^\w.,+ -]+", "-", part) for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts)
