"""Small data sets written by a test: pictures, a file of labels beside them, and what is read of both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labelfree.data.label_formats.annotated import AnnotatedImage, Annotations, Placing
from labelfree.data.label_formats.listed import Listing
from labelfree.data.label_formats.rows import rows_of_listing
from labelfree.data.label_formats.sources import listing_of
from labelfree.domain import Row

WIDTH, HEIGHT = 100, 80
PICTURES = {".png", ".jpg", ".jpeg", ".tif"}


def picture(root: Path, *names: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """Black pictures of a size (width, height) in a folder, which is given back."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size).save(root / name)
    return root


def written(root: Path, name: str, content: Any) -> Path:
    """A file of labels: text as it is, anything else as JSON."""
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def stored_size(path: Path) -> tuple[int, int]:
    """(height, width) of a picture as its pixels are stored."""
    with Image.open(path) as stored:
        return stored.height, stored.width


def read(source: Path, root: Path, classes: Mapping[str, str] | None = None) -> Annotations:
    """What a file or folder of labels says of the pictures under a root."""
    listing = listing_of(source, root)
    assert listing is not None, f"{source} is of no format"
    pictures = sorted(path for path in root.rglob("*") if path.suffix.lower() in PICTURES)
    return placed(listing, source, pictures, root, classes)


def placed(listing: Listing, source: Path, pictures: Sequence[Path], root: Path, classes: Mapping[str, str] | None = None) -> Annotations:
    """A listing on the rows that a manifest has of these pictures, as their pixels are stored; but for the note that sums it up."""
    rows, named = rows_of_listing(listing, source, [Row(path.relative_to(root).as_posix(), path) for path in pictures], root, classes or {})
    placing, images = Placing(), dict[str, AnnotatedImage]()
    for row in rows:
        images[row.id] = AnnotatedImage(row.id, row.path)
        if row.listed is not None:
            images[row.id] = placing.image(row.id, row.path, row.listed, stored_size)
    said, told = (*named.faults, *placing.faults), (*named.notes[1:], *placing.notes())
    return Annotations(images, named.classes, named.ids, named.form, (), said, told)


def boxes(image: AnnotatedImage) -> list[tuple[Any, ...]]:
    """(class, x0, y0, x1, y1) of the objects of an image, in order."""
    return sorted((each.name, *(round(corner, 6) for corner in each.box)) for each in image.objects)


def coco(images: list[dict[str, Any]], annotations: list[dict[str, Any]], names: Mapping[int, str] | None = None) -> dict[str, Any]:
    """A COCO file. Images and annotations get ids, sizes and classes where they have none."""
    return {
        "images": [{"id": place, "width": WIDTH, "height": HEIGHT, **image} for place, image in enumerate(images, start=1)],
        "annotations": [
            {"id": place, "image_id": 1, "category_id": 1, **annotation} for place, annotation in enumerate(annotations, start=1)
        ],
        "categories": [{"id": number, "name": name} for number, name in (names or {1: "pit", 2: "scratch"}).items()],
    }


def labelme(shapes: list[dict[str, Any]], image: str = "a.png", **further: Any) -> dict[str, Any]:
    """A LabelMe file."""
    return {"version": "5.4.1", "imagePath": image, "imageWidth": WIDTH, "imageHeight": HEIGHT, "shapes": shapes, **further}


def label_studio(results: list[dict[str, Any]], address: str = "/data/upload/1/0a1b2c3d-a.png") -> list[dict[str, Any]]:
    """An export of one task with one answer; each result is drawn on a picture of the usual size."""
    sized = [{"original_width": WIDTH, "original_height": HEIGHT, **result} for result in results]
    return [{"id": 7, "data": {"image": address}, "annotations": [{"id": 1, "result": sized}]}]


def brushed(pixels: np.ndarray, counters: tuple[int, int, int, int] = (3, 4, 8, 16), word: int = 8) -> list[int]:
    """The bytes in which Label Studio keeps a brush: red, green, blue and alpha of each pixel along the rows, as counted runs."""
    values = np.repeat(np.where(pixels, 2**word - 1, 0).reshape(-1), 4).tolist()
    bits = f"{len(values):032b}{word - 1:05b}{''.join(f'{counter - 1:04b}' for counter in counters)}"
    runs = [(value, len(list(same))) for value, same in groupby(values)]
    for value, length in runs:
        while length:
            kind = next((kind for kind, counter in enumerate(counters) if length <= 2**counter), len(counters) - 1)
            taken = min(length, 2 ** counters[kind])
            if taken < 3:  # one value after the other
                bits += f"0{kind:02b}{taken - 1:0{counters[kind]}b}{f'{value:0{word}b}' * taken}"
            else:
                bits += f"1{kind:02b}{taken - 1:0{counters[kind]}b}{value:0{word}b}"
            length -= taken
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def voc(objects: list[tuple[str, float, float, float, float]], filename: str = "a.png", size: tuple[int, int] = (WIDTH, HEIGHT)) -> str:
    """A VOC file of objects (class, xmin, ymin, xmax, ymax)."""
    drawn = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for name, x0, y0, x1, y1 in objects
    )
    stored = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>1</depth></size>"
    return f"<annotation><filename>{filename}</filename>{stored}{drawn}</annotation>"


def cvat(shapes: str, name: str = "a.png") -> str:
    """A CVAT file of one image with these shapes."""
    return f'<annotations><image id="0" name="{name}" width="{WIDTH}" height="{HEIGHT}">{shapes}</image></annotations>'
