"""The same objects written in every format are the same annotations, and the order in which they stand plays no part."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelfree.data.label_formats.annotated import Annotations
from tests.label_formats.folders import HEIGHT, WIDTH, coco, cvat, label_studio, labelme, picture, read, voc, written

Boxes = dict[str, list[tuple[str, int, int, int, int]]]  # image -> class and corners of each object
CLASSES = ["pit", "scratch", "stain"]
IMAGES = ["a.png", "b.png", "c.png"]


@st.composite
def box(draw: st.DrawFn) -> tuple[str, int, int, int, int]:
    """Two pixels wide or more: VOC writes one pixel as it writes a click."""
    x0, y0 = draw(st.integers(1, WIDTH - 2)), draw(st.integers(1, HEIGHT - 2))
    return draw(st.sampled_from(CLASSES)), x0, y0, draw(st.integers(x0 + 2, WIDTH)), draw(st.integers(y0 + 2, HEIGHT))


SETS = st.dictionaries(st.sampled_from(IMAGES), st.lists(box(), max_size=4), min_size=1).filter(lambda boxes: any(boxes.values()))


def as_coco(root: Path, boxes: Boxes, outlines: bool = False) -> Path:
    images = [{"file_name": name} for name in boxes]
    annotations = [
        {"image_id": place, "category_id": CLASSES.index(name), "bbox": [x0, y0, x1 - x0, y1 - y0]}
        | ({"segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]]} if outlines else {})
        for place, drawn in enumerate(boxes.values(), start=1)
        for name, x0, y0, x1, y1 in drawn
    ]
    return written(root, "coco.json", coco(images, annotations, dict(enumerate(CLASSES))))


def as_outlines(root: Path, boxes: Boxes) -> Path:
    return as_coco(root, boxes, outlines=True)


def as_yolo(root: Path, boxes: Boxes) -> Path:
    for image, drawn in boxes.items():
        rows = [
            f"{CLASSES.index(name)} {(x0 + x1) / 200:.8f} {(y0 + y1) / 160:.8f} {(x1 - x0) / 100:.8f} {(y1 - y0) / 80:.8f}"
            for name, x0, y0, x1, y1 in drawn
        ]
        written(root, f"labels/{image[0]}.txt", "\n".join(rows))
    return written(root, "data.yaml", {"names": CLASSES, "train": "."})


def as_voc(root: Path, boxes: Boxes) -> Path:
    for image, drawn in boxes.items():
        written(root, f"labels/{image[0]}.xml", voc([(name, x0 + 1, y0 + 1, x1, y1) for name, x0, y0, x1, y1 in drawn], image))
    return root / "labels"


def as_cvat(root: Path, boxes: Boxes) -> Path:
    images = [
        cvat("".join(f'<box label="{name}" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}"/>' for name, x0, y0, x1, y1 in drawn), image)
        for image, drawn in boxes.items()
    ]
    inside = "".join(text.removeprefix("<annotations>").removesuffix("</annotations>") for text in images)
    return written(root, "annotations.xml", f"<annotations>{inside}</annotations>")


def as_labelme(root: Path, boxes: Boxes) -> Path:
    for image, drawn in boxes.items():
        shapes = [{"label": name, "shape_type": "rectangle", "points": [[x1, y0], [x0, y1]]} for name, x0, y0, x1, y1 in drawn]
        written(root, f"labels/{image[0]}.json", labelme(shapes, image))
    return root / "labels"


def as_label_studio(root: Path, boxes: Boxes) -> Path:
    tasks = []
    for image, drawn in boxes.items():
        values = [
            {"x": 100 * x0 / WIDTH, "y": 100 * y0 / HEIGHT, "width": 100 * (x1 - x0) / WIDTH, "height": 100 * (y1 - y0) / HEIGHT}
            for _, x0, y0, x1, y1 in drawn
        ]
        results = [
            {"type": "rectanglelabels", "value": {**value, "rectanglelabels": [each[0]]}} for value, each in zip(values, drawn, strict=True)
        ]
        tasks += label_studio(results, f"/data/local-files/?d={image}")
    return written(root, "export.json", tasks)


def as_table(root: Path, boxes: Boxes) -> Path:
    rows = [",".join(map(str, (image, *each))) for image, drawn in boxes.items() for each in drawn or [("", "", "", "", "")]]
    return written(root, "boxes.csv", "\n".join(["path,label,xmin,ymin,xmax,ymax", *rows]))


FORMATS = [as_coco, as_outlines, as_yolo, as_voc, as_cvat, as_labelme, as_label_studio, as_table]


def objects(found: Annotations) -> dict[str, tuple[str, list[tuple[str, ...]]]]:
    """Image -> its state and its objects: classes and corners within a thousandth of a pixel, and the pixels inside."""
    return {
        name: (
            image.state,
            sorted((each.name, *(f"{corner:.3f}" for corner in each.box), str(each.mask(HEIGHT, WIDTH).sum())) for each in image.objects),
        )
        for name, image in found.images.items()
    }


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(boxes=SETS, draw=st.randoms())
@pytest.mark.parametrize("write", FORMATS)
def test_every_format_and_order_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, write: Callable[[Path, Boxes], Path], boxes: Boxes, draw: random.Random
) -> None:
    root = picture(tmp_path_factory.mktemp("set"), *IMAGES)
    found = read(write(root, boxes), root)
    right = {
        image: (
            "unlabelled" if image not in boxes else "objects" if boxes[image] else "negative",
            sorted(
                (name, *(f"{corner:.3f}" for corner in (x0, y0, x1, y1)), str((x1 - x0) * (y1 - y0)))
                for name, x0, y0, x1, y1 in boxes.get(image, [])
            ),
        )
        for image in IMAGES
    }
    assert (objects(found), found.faults) == (right, ())
    mixed = {image: draw.sample(boxes[image], len(boxes[image])) for image in draw.sample(sorted(boxes), len(boxes))}
    again = read(write(root, mixed), root)
    assert (objects(again), again.classes, again.ids) == (right, found.classes, found.ids)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(corners=st.lists(st.tuples(st.integers(0, WIDTH), st.integers(0, HEIGHT)), min_size=3, max_size=6, unique=True))
def test_every_format_draws_the_same_outline(tmp_path: Path, corners: list[tuple[int, int]]) -> None:
    flat = [coordinate for corner in corners for coordinate in corner]
    shares = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in corners]
    root = picture(tmp_path, "a.png")
    points = ";".join(f"{x},{y}" for x, y in corners)
    results = [{"type": "polygonlabels", "value": {"points": shares, "polygonlabels": ["pit"]}}]
    written(root, "a.txt", " ".join(["0", *(f"{coordinate / 100:.12f}" for pair in shares for coordinate in pair)]))
    found = [
        read(source, root).images["a.png"]
        for source in (
            written(root, "coco.json", coco([{"file_name": "a.png"}], [{"segmentation": [flat]}])),
            written(root, "a.xml", cvat(f'<polygon label="pit" points="{points}"/>')),
            written(root, "a.json", labelme([{"label": "pit", "shape_type": "polygon", "points": [list(corner) for corner in corners]}])),
            written(root, "export.json", label_studio(results)),
            written(root, "data.yaml", {"names": ["pit"], "train": "."}),
        )
    ]
    for image in found:
        assert len(image.objects) == len(found[0].objects)
        if image.objects:
            assert np.allclose(image.objects[0].box, found[0].objects[0].box, atol=1e-6)
            assert (image.objects[0].mask(HEIGHT, WIDTH) != found[0].objects[0].mask(HEIGHT, WIDTH)).sum() <= len(corners)  # rounding
