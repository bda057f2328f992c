"""Tens of thousands of annotations are read in seconds: nothing grows with the square of their number, or with the size of pictures."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from labelfree.data.label_formats.annotated import AnnotatedImage, AnnotatedObject
from labelfree.data.label_formats.listed import ListedImage
from labelfree.data.label_formats.matching import Images, match
from labelfree.data.label_formats.regions import Runs, rectangle
from tests.label_formats.folders import coco, picture, read, written

MANY = 10_000
PICTURES = 50
SECONDS = 15  # on a busy machine; a quiet one needs a tenth of it


def outlines(root: Path) -> Path:
    annotations = [
        {"image_id": 1 + place % PICTURES, "bbox": [x, y, 9, 9], "segmentation": [[x, y, x + 9, y, x + 9, y + 9, x, y + 9]]}
        for place, (x, y) in enumerate(np.random.default_rng(0).integers(0, 70, (MANY, 2)).tolist())
    ]
    return written(root, "coco.json", coco([{"file_name": f"{place}.png"} for place in range(PICTURES)], annotations))


def run_lengths(root: Path) -> Path:
    annotations = [{"image_id": 1 + place % PICTURES, "segmentation": {"size": [80, 100], "counts": "T3X1de7"}} for place in range(MANY)]
    return written(root, "coco.json", coco([{"file_name": f"{place}.png"} for place in range(PICTURES)], annotations))


def brushes(root: Path) -> Path:
    """On pictures said to be of 900 million pixels: each brush is as large as it is, not as its picture."""
    shape = '<mask label="pit" left="20000" top="9000" width="4" height="3" rle="2, 4, 6"/>'
    images = "".join(
        f'<image name="{place}.png" width="30000" height="30000">{shape * (MANY // PICTURES)}</image>' for place in range(PICTURES)
    )
    return written(root, "a.xml", f"<annotations>{images}</annotations>")


def rows(root: Path) -> Path:
    lines = [f"{place % PICTURES}.png,pit,{place % 60},5,{place % 60 + 9},14" for place in range(MANY)]
    return written(root, "boxes.csv", "\n".join(["path,label,xmin,ymin,xmax,ymax", *lines]))


@pytest.mark.parametrize(("write", "objects"), [(outlines, MANY), (run_lengths, MANY), (rows, MANY), (brushes, 0)])
def test_annotations_are_read_in_seconds(tmp_path: Path, write: Callable[[Path], Path], objects: int) -> None:
    root = picture(tmp_path, *(f"{place}.png" for place in range(PICTURES)))
    source, started = write(root), time.perf_counter()
    found = read(source, root)
    assert time.perf_counter() - started < SECONDS
    assert found.counts.total() == objects and len(found.faults) == (0 if objects else PICTURES)


def test_names_are_matched_in_seconds() -> None:
    """A film of as many frames, and as many images of one name in folders of their own."""
    root, started = Path("root"), time.perf_counter()
    frames = [ListedImage(f"frame {number}", "", frame=number) for number in range(MANY)]
    assert len(match(frames, Images((root / f"frame_{number:06d}.png" for number in range(MANY)), root))[0]) == MANY
    named = [ListedImage(f"{number}/image.png", "") for number in range(MANY)]
    assert len(match(named, Images((root / f"{number}/image.png" for number in range(MANY)), root))[0]) == MANY
    assert time.perf_counter() - started < SECONDS


def test_pixels_of_many_objects_cost_what_they_cover() -> None:
    """Drawn over the whole of a large picture each, they would take minutes."""
    corners = np.random.default_rng(0).integers(0, 6_000 // 8 - 1, (4_000, 2)) * 8
    boxes = {(x, y): rectangle(x, y, x + 8, y + 8) for x, y in corners.tolist()}
    patch = np.ones((8, 8), bool)
    runs = [Runs.at(patch, x, y, 6_000, 6_000) for x, y in list(boxes)[:1_000]]
    objects = [AnnotatedObject("ab"[place % 2], (0, 0, 1, 1), region) for place, region in enumerate(boxes.values())]
    brushes = [AnnotatedObject("brush", (0, 0, 1, 1), region) for region in runs]
    image, started = AnnotatedImage("a", Path("a"), "objects", (6_000, 6_000), (*objects, *brushes)), time.perf_counter()
    assert image.pixels() == {"a": 64 * len(objects[::2]), "b": 64 * len(objects[1::2]), "brush": 64 * 1_000}
    assert time.perf_counter() - started < SECONDS
