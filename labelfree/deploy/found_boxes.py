"""What heads of boxes find, written as people open it: a COCO file, a table of boxes, and rectangles on the ground."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.data.label_formats.listed import BACKGROUND
from labelfree.deploy.asked_image import open_image
from labelfree.deploy.box_heads import BoxesHead, FoundBoxes
from labelfree.deploy.coco_file import ENDING, keep_line, lines_of, write_coco
from labelfree.deploy.coco_file import UNFINISHED as UNFINISHED_OBJECTS
from labelfree.deploy.growing_tables import SKIPPED, TABLE, UNFINISHED, fill, number
from labelfree.deploy.input_images import InputImages
from labelfree.domain import BoxesOnGround, Row, Sample, WritesBoxes
from labelfree.errors import DataError
from labelfree.progress import Progress
from labelfree.training.files import whole_file

COCO, BOXES = "boxes.json", "boxes.csv"
EDGES = ("x0", "y0", "x1", "y1")


def write_boxes(
    head: BoxesHead, images: InputImages, out: Path, say: Progress, region: Path | None = None, vector: Path | None = None
) -> tuple[list[Path], dict[str, Any]]:
    """`boxes.csv`: path, class, score and edges in pixels, a row a box; `boxes.json`: the same as COCO has it; `predictions.csv`: path, and
    how many objects of each class, a row an image.

    `region`: a file of shapes outside of which nothing is looked for. `vector`: a file that gets the boxes as rectangles on the ground; for
    pictures (.json) it is the COCO file. Scenes are read in rows of tiles. Returns the files, and how many images there are. Raises
    DataError naming the image that does not fit the head.
    """
    picture = vector is not None and vector.suffix.lower() == ENDING
    coco, shapes = (vector, None) if picture and vector is not None else (out / COCO, vector)
    if shapes is not None and not isinstance(images.domain, WritesBoxes):
        raise DataError(f"{images.domain.name}: this domain writes no boxes on the ground; leave --vector out, and see {COCO}.")
    noted = out / UNFINISHED_OBJECTS
    work = _Work(head, images, region, noted, on_ground=shapes is not None)

    def answer(row: Row) -> list[int] | str:
        counted = work.image(row)
        return counted if isinstance(counted, str) else [sum(counted), *counted]

    skipped = fill(out, ["path", "objects", *(f"objects_{name}" for name in head.classes)], images.rows, say, answer)
    lines = lines_of(noted)
    written = [_table(out / BOXES, lines, head.classes), coco, out / TABLE, *([out / SKIPPED] if skipped else [])]
    if shapes is not None:
        assert isinstance(images.domain, WritesBoxes)
        written.insert(0, images.domain.rectangles(list(_on_ground(lines, head.classes)), shapes))
    (out / UNFINISHED).replace(out / TABLE)
    write_coco(coco, noted, (BACKGROUND, *head.classes))  # last, for it takes the notes away that all else is made of
    return written, {"images": len(images.rows) - skipped, "skipped": skipped}


@dataclass(frozen=True)
class _Work:
    """Finds the boxes of one image and notes them. `on_ground`: its coordinates are needed."""

    head: BoxesHead
    images: InputImages
    region: Path | None
    noted: Path
    on_ground: bool

    def image(self, row: Row) -> list[int] | str:
        """How many objects of each class; or why the image is left out."""
        asked = open_image(self.images, row, self.region)
        if isinstance(asked, str):
            return asked
        image, place = asked.slices, _place(asked.slices.first)
        if self.on_ground and place is None:
            raise DataError(f"{row.called}: has no coordinates, so its boxes do not lie on the ground; leave --vector out, and see {COCO}.")
        found = self.head.found(image.read, image.size, asked.wanted)
        keep_line(self.noted, {"image": row.id, "size": image.size, "objects": list(_annotations(found)), "place": place})
        counts = Counter(found.names)
        return [counts[name] for name in self.head.classes]


def _annotations(found: FoundBoxes) -> Iterator[dict[str, Any]]:
    """As COCO has them, without their numbers."""
    for (left, top, right, bottom), label, score in zip(found.corners.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True):
        width, height = round(right - left, 2), round(bottom - top, 2)
        yield {
            "category_id": label + 1,
            "bbox": [round(left, 2), round(top, 2), width, height],
            "area": round(width * height, 2),
            "iscrowd": 0,
            "score": round(score, 4),
        }


def _table(file: Path, lines: list[dict[str, Any]], classes: tuple[str, ...]) -> Path:
    """A row a box."""
    with whole_file(file) as part, part.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["path", "class", "score", *EDGES])
        for line in lines:
            for each, edges in zip(line["objects"], _corners(line).tolist(), strict=True):
                rows.writerow([line["image"], classes[each["category_id"] - 1], number(each["score"]), *map(number, edges)])
    return file


def _on_ground(lines: list[dict[str, Any]], classes: tuple[str, ...]) -> Iterator[BoxesOnGround]:
    for line in lines:
        called = [classes[each["category_id"] - 1] for each in line["objects"]]
        scores = [each["score"] for each in line["objects"]]
        yield BoxesOnGround(line["image"], line["place"]["crs"], line["place"]["affine"], _corners(line), called, scores)


def _corners(line: dict[str, Any]) -> np.ndarray:
    boxes = np.array([each["bbox"] for each in line["objects"]], np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)


def _place(sample: Sample) -> dict[str, Any] | None:
    """Where an image lies, as JSON keeps it; None without coordinates."""
    return None if sample.crs is None or sample.affine is None else {"crs": sample.crs, "affine": sample.affine}
