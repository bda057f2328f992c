"""COCO's JSON: ids, crowds, run lengths and outlines as tools write them, each fault one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelfree.data.label_formats.sources import listing_of
from labelfree.errors import DataError
from tests.label_formats.folders import boxes, coco, picture, read, written

BOX = {"bbox": [10, 10, 20, 15]}
A = {"file_name": "a.png"}


def found(root: Path, content: Any, *pictures: str) -> Any:
    return read(written(root, "coco.json", content), picture(root, *(pictures or ("a.png",))))


def test_names_go_with_ids_whatever_their_order_and_kind(tmp_path: Path) -> None:
    """Ids may be 0, large, with a point, or text; "7" and 7 are one."""
    annotations = [
        {**BOX, "id": "x", "image_id": "7", "category_id": 0}, {**BOX, "id": 2**60, "image_id": 7.0, "category_id": "stain"},
        {**BOX, "id": 2**60 + 1, "image_id": 2**62, "category_id": "03"},
    ]  # fmt: skip
    content = coco([{**A, "id": 7}, {"file_name": "b.png", "id": 2**62}], annotations)
    content["categories"] = [{"id": "stain", "name": "stain"}, {"id": 0, "name": "pit"}, {"id": "03", "name": "crack"}]
    got = found(tmp_path, content, "a.png", "b.png")
    assert got.faults == () and dict(got.counts) == {"crack": 1, "pit": 1, "stain": 1} and got.ids == {"pit": 0}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"images": [{**A, "id": 1}, {**A, "id": 1}]}, "image id 1 stands for 2 of them; give each its own."),
        ({"images": [{**A, "id": 1}, {**A, "id": "1"}]}, "image id 1 stands for 2 of them; give each its own."),
        ({"annotations": [{**BOX, "id": 4}] * 3}, "annotation id 4 stands for 3 of them; give each its own."),
        (
            {"annotations": [{**BOX, "id": 4}, {**BOX, "id": 4}, {**BOX, "id": 5}, {**BOX, "id": 5}]},
            "(and 1 further ids); give each its own.",
        ),
        ({"categories": [{"id": 1, "name": "pit"}, {"id": 1, "name": "stain"}]}, "category id 1 stands for 2 of them; give each its own."),
        ({"categories": [{"id": 1, "name": "pit"}, {"id": 2, "name": " pit"}]}, "two categories are called 'pit'; rename or join them."),
        ({"categories": [{"id": 1, "name": ""}]}, "category 1 has no name; give it one."),
        ({"categories": [{"name": "pit"}]}, "a category has no id; give each its own."),
        ({"images": [A]}, "an image has no id; give each its own."),
        ({"images": [{**A, "id": True}]}, "an image has no id; give each its own."),
        ({"images": [{"id": 1}]}, "image 1 has no file_name; give it one."),
        ({"images": [{"id": 1, "file_name": 5}]}, "image 1 has no file_name; give it one."),
        ({"annotations": {"1": BOX}}, "annotations is no list of records; export it again."),
        ({"annotations": [BOX, 5]}, "annotations is no list of records; export it again."),
        ({"categories": "pit"}, "categories is no list of records; export it again."),
    ],
)
def test_ids_that_stand_for_two_things_are_one_sentence(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    file = written(tmp_path, "coco.json", {**coco([A], [BOX]), **change})
    with pytest.raises(DataError, match=rf"^{re.escape(str(file))}: .*{re.escape(sentence)}$"):
        listing_of(file, tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1: is no JSON"),
        ("{", "line 1: is no JSON"),
        ('{"images": [],\n"annotations": [}', "line 2: is no JSON"),
        ("[" * 10**5, "is nested beyond reason"),
        ("9" * 5000, "is no JSON"),
        ('{"images": [{"id": ' + "9" * 5000 + "}]}", "is no JSON"),
    ],
)
def test_broken_json_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        listing_of(written(tmp_path, "coco.json", text), tmp_path)
    (tmp_path / "coco.json").write_bytes(json.dumps(coco([A], [BOX])).encode("utf-16"))
    with pytest.raises(DataError, match="is no text in UTF-8; export it again"):
        listing_of(tmp_path / "coco.json", tmp_path)
    with pytest.raises(DataError, match="is no text in UTF-8; export it again"):
        listing_of(written(tmp_path, "coco.json", coco([{"file_name": "\ud800.png"}], [])), tmp_path)  # half a letter
    assert listing_of(written(tmp_path, "coco.json", coco([{"file_name": "\U0001f600.png"}], [])), tmp_path) is not None
    (tmp_path / "coco.json").write_bytes(json.dumps(coco([A], [BOX])).encode("utf-8-sig"))
    assert listing_of(tmp_path / "coco.json", tmp_path) is not None


def test_states_of_images(tmp_path: Path) -> None:
    """Listed without annotations: a negative. Not listed: unlabelled. With a crowd alone, or only what is faulty: neither."""
    names = [f"{letter}.png" for letter in "abcde"]
    annotations = [BOX, {**BOX, "image_id": 3, "iscrowd": 1}, {"bbox": [1, 1, -5, 5], "image_id": 4}]
    got = found(tmp_path, coco([{"file_name": name} for name in names[:4]], annotations), *names)
    assert [image.state for image in got.images.values()] == ["objects", "negative", "objects", "objects", "unlabelled"]
    assert got.images["c.png"].crowds == 1 and got.images["c.png"].ignored_mask().sum() == 300  # what the crowd covers
    assert got.images["d.png"].ignored_mask().all()  # nobody knows what is there


@pytest.mark.parametrize(("said", "crowd"), [(1, 1), (0, 0), (True, 1), (False, 0), ("1", 1), ("0", 0), (None, 0)])
def test_crowds(tmp_path: Path, said: Any, crowd: int) -> None:
    image = found(tmp_path, coco([A], [{**BOX, "iscrowd": said}])).images["a.png"]
    assert (image.crowds, len(image.objects)) == (crowd, 1 - crowd)


RUNS = {"size": [80, 100], "counts": [810, 15, 7175]}


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        ({"bbox": [10, 10, -5, 5]}, "has its corners swapped (or a negative size)"),
        ({"bbox": [10, 10, 0, 5]}, "has no area"),
        ({"bbox": [100, 10, 5, 5]}, "lies wholly outside its image"),
        ({"bbox": [10, 10, 2e6, 5]}, "has a corner more than 1,000,000 pixels away"),
        ({"bbox": [10, 10, 5]}, "has a bbox that is not four numbers"),
        ({"bbox": [10, 10, float("nan"), 5]}, "has a bbox that is not four numbers"),
        ({"bbox": [10, float("inf"), 5, 5]}, "has a bbox that is not four numbers"),
        ({"bbox": "10 10 5 5"}, "has a bbox that is not four numbers"),
        ({}, "has neither a box nor an outline"),
        ({"segmentation": [[1, 1, 5, 5]]}, "has a polygon of 2 corners, three are the least"),
        ({"segmentation": [[1, 1, 5, 5, 9]]}, "has a polygon that is not pairs of numbers"),
        ({"segmentation": [[1, 1, 5, 5, 9, 9]]}, "has no area"),
        ({"segmentation": [[1, 1, 5, 5, 9, None]]}, "has a polygon that is not pairs of numbers"),
        ({"segmentation": "polygon"}, "has a segmentation that is neither polygons nor run lengths"),
        ({"segmentation": {**RUNS, "size": [100, 80]}}, "has run lengths for 80 x 100 pixels, its image is listed with 100 x 80"),
        ({"segmentation": {**RUNS, "size": [40, 50]}}, "has run lengths for 50 x 40 pixels, its image is listed with 100 x 80"),
        ({"segmentation": {**RUNS, "counts": [810, 15]}}, "has run lengths of 825 pixels for a picture of 100 x 80"),
        ({"segmentation": {**RUNS, "counts": [810.5, 15, 7174.5]}}, "has run lengths that are neither a text nor a list of whole numbers"),
        ({"segmentation": {**RUNS, "counts": "ooo"}}, "has run lengths that are cut off"),
        ({"segmentation": {**RUNS, "counts": "T3"}}, "has run lengths of 100 pixels for a picture of 100 x 80"),
        ({"segmentation": {**RUNS, "counts": "ü"}}, "has run lengths that are no text of COCO's"),
        ({"segmentation": {**RUNS, "counts": [8000]}}, "holds no pixel"),
        ({"segmentation": {"counts": [810, 15, 7175]}}, "has run lengths without the size of their picture"),
        ({"bbox": [1, 1, 9, 9], "segmentation": [[60, 60, 70, 60, 70, 70]]}, "has a box that is not the one around its outline"),
        ({"bbox": [60, 60, 70, 70], "segmentation": [[60, 60, 70, 60, 70, 70]]}, "has a box that is not the one around its outline"),
        ({"category_id": 9}, "belongs to category 9, which is not listed"),
    ],
)
def test_a_faulty_annotation_is_named_and_left_out(tmp_path: Path, annotation: dict[str, Any], sentence: str) -> None:
    annotation = annotation if annotation.keys() & {"bbox"} or "category_id" not in annotation else {**BOX, **annotation}
    got = found(tmp_path, coco([A], [{**BOX, "category_id": 2}, annotation]))
    assert len(got.faults) == 1
    said = got.faults[0].replace("annotation 2 (pit)", "annotation 2")
    assert said == f"coco.json: image 1 (a.png): annotation 2 {sentence}; correct or remove what is faulty, it is left out."
    assert boxes(got.images["a.png"]) == [("scratch", 10, 10, 30, 25)]


def test_each_fault_of_an_image_is_one_sentence(tmp_path: Path) -> None:
    got = found(tmp_path, coco([A], [{"bbox": [1, 1, 0, 1]}] * 50))
    assert len(set(got.faults)) == 50 == len(got.images["a.png"].unused)


def test_annotations_of_no_listed_image_are_named(tmp_path: Path) -> None:
    got = found(tmp_path, coco([A], [BOX, {**BOX, "image_id": 99}, {**BOX, "image_id": None}]))
    assert got.faults == (
        "coco.json: annotation 2 belongs to image 99, which is not listed; remove it or list the image.",
        "coco.json: annotation 3 belongs to image None, which is not listed; remove it or list the image.",
    )


def test_run_lengths_without_a_box_and_a_listed_size(tmp_path: Path) -> None:
    pixels = np.zeros((80, 100), bool)
    pixels[10:25, 10] = True
    for entry in ({"width": 0, "height": 0}, {"width": None, "height": None}, {"width": 100, "height": 80}):
        got = found(tmp_path, coco([{**A, **entry}], [{"segmentation": RUNS}]))
        assert got.faults == () and np.array_equal(got.images["a.png"].objects[0].mask(80, 100), pixels)
        assert boxes(got.images["a.png"]) == [("pit", 10, 10, 11, 25)]
    got = found(tmp_path, coco([{**A, "width": 0, "height": 0}], [{"segmentation": {**RUNS, "size": [40, 200]}}]))
    assert "is listed with 200 x 40 pixels, a.png has 100 x 80" in got.faults[0]


def test_an_outline_that_leaves_the_image_is_cut_off_there(tmp_path: Path) -> None:
    got = found(tmp_path, coco([A], [{"segmentation": [[-50, -50, 50, -50, 50, 40, -50, 40]]}]))
    assert boxes(got.images["a.png"]) == [("pit", 0, 0, 50, 40)] and got.images["a.png"].pixels() == {"pit": 2000}
    assert got.faults == () and got.notes == (
        "1 object reaches beyond its image and is cut off at the border (a.png, annotation 1 (pit)).",
    )


@pytest.mark.parametrize("bbox", [[60, 60, 10, 10], [59, 59, 12, 12], [60, 60, 9, 9], [58, 58, 16, 14]])
def test_a_loose_or_rounded_box_is_taken_as_it_is(tmp_path: Path, bbox: list[int]) -> None:
    got = found(tmp_path, coco([A], [{"bbox": bbox, "segmentation": [[60, 60, 70, 60, 70, 70]]}]))
    x, y, width, height = bbox
    assert (boxes(got.images["a.png"]), got.faults) == ([("pit", x, y, x + width, y + height)], ())


def test_flat_polygons_are_read_too(tmp_path: Path) -> None:
    assert boxes(found(tmp_path, coco([A], [{"segmentation": [1, 1, 9, 1, 9, 9]}])).images["a.png"]) == [("pit", 1, 1, 9, 9)]


def test_classes_are_renamed_joined_and_ignored(tmp_path: Path) -> None:
    content = coco([A], [BOX, {**BOX, "category_id": 2}, {**BOX, "category_id": 3}], {1: "pit", 2: "scratch", 3: "dust"})
    file = written(tmp_path, "coco.json", content)
    got = read(file, picture(tmp_path, "a.png"), {"pit": "defect", "scratch": "defect", "dust": "ignore"})
    assert dict(got.counts) == {"defect": 2} and got.classes == ("defect",) and got.images["a.png"].ignored_mask().sum() == 300
    got = read(file, tmp_path, {"dirt": "ignore"})
    assert got.faults == ("data.classes: no object is of class 'dirt' (there is dust, pit, scratch); correct the name.",)
