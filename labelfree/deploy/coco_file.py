"""Objects of images in a COCO file: boxes that were found, or every connected patch of one class in a map, with its score."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.data.label_formats.listed import BACKGROUND
from labelfree.deploy.map_heads import ClassMap
from labelfree.errors import DataError
from labelfree.training.files import write_json

ENDING = ".json"
UNFINISHED = "objects.making.jsonl"


def keep_objects(file: Path, name: str, said: ClassMap) -> None:
    """Append one image with its objects as a line; the same image again replaces nothing and is dropped when the file is made."""
    keep_line(file, {"image": name, "size": said.numbers.shape, "objects": objects(name, said)})


def keep_line(file: Path, image: Mapping[str, Any]) -> None:
    """Append one image: what it is called, its `size` (height, width), and its `objects`, annotations without their numbers."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(f"\n{json.dumps(image)}\n")  # on a line of its own, though the last one was cut off


def lines_of(file: Path) -> list[dict[str, Any]]:
    """What `keep_line` noted, each image once; none where there was no image."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    noted = {each["image"]: each for line in text.splitlines() if (each := _whole(line)) is not None}
    return list(noted.values())


def objects(name: str, said: ClassMap) -> list[dict[str, Any]]:
    """COCO annotations without their numbers: `segmentation` as compressed run lengths, `bbox` x, y, width, height, `area`, `score`."""
    from faster_coco_eval.core import mask as coco
    from scipy import ndimage

    if said.numbers.ndim != 2:
        raise DataError(f"{name}: has {said.numbers.ndim} spatial axes, and COCO knows pictures alone; leave --vector out.")
    found = []
    for number, called in enumerate(said.classes):
        if called == BACKGROUND:
            continue
        patches, _ = ndimage.label(said.numbers == number)
        for patch, (rows, columns) in enumerate(ndimage.find_objects(patches), start=1):
            there = patches == patch
            runs = coco.encode(np.asfortranarray(there.astype(np.uint8)))
            found.append(
                {
                    "category_id": number,
                    "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
                    "area": int(there.sum()),
                    "segmentation": {"size": list(runs["size"]), "counts": runs["counts"].decode("ascii")},
                    "iscrowd": 0,
                    "score": round(float(said.confidence[there].mean()), 4),
                }
            )
    return found


def write_coco(file: Path, lines: Path, classes: Sequence[str]) -> Path:
    """The COCO file of all images that are noted in `lines`, which go then."""
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for at, each in enumerate(lines_of(lines), start=1):
        height, width = each["size"]
        images.append({"id": at, "file_name": each["image"], "height": height, "width": width})
        annotations += [{"id": len(annotations) + more, "image_id": at, **one} for more, one in enumerate(each["objects"], start=1)]
    categories = [{"id": number, "name": name} for number, name in enumerate(classes) if name != BACKGROUND]
    write_json(file, {"images": images, "annotations": annotations, "categories": categories})
    lines.unlink(missing_ok=True)
    return file


def _whole(line: str) -> dict[str, Any] | None:
    """A line as it was noted; None for one that was cut off."""
    try:
        told: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return told
