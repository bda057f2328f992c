"""LabelMe's JSON: rectangles from any corner, masks as pictures in text, objects of several parts."""

from __future__ import annotations

import base64
import io
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelfree.data.label_formats.labelme import read_labelme
from labelfree.data.label_formats.sources import listing_of
from labelfree.errors import DataError
from tests.label_formats.folders import boxes, labelme, picture, read, written


def found(root: Path, *shapes: dict[str, Any], **further: Any) -> Any:
    return read(written(root, "json/a.json", labelme(list(shapes), **further)), picture(root, "images/a.png"))


def shape(kind: str, points: list[Any], label: str = "pit", **further: Any) -> dict[str, Any]:
    return {"label": label, "shape_type": kind, "points": points, **further}


def stamped(pixels: np.ndarray, mode: str = "L") -> str:
    """A mask as LabelMe keeps it: a PNG as base64 text."""
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8) * 255).convert(mode).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


CORNERS = [(10.5, 20), (30, 20), (30, 44), (10.5, 44)]


@pytest.mark.parametrize(
    "points", [*([CORNERS[i], CORNERS[(i + 2) % 4]] for i in range(4)), *([*CORNERS[i:], *CORNERS[:i]] for i in range(4))]
)
def test_rectangles_from_any_corner_and_of_four_points(tmp_path: Path, points: list[tuple[float, float]]) -> None:
    got = found(tmp_path, shape("rectangle", [list(point) for point in points]))
    assert (boxes(got.images["images/a.png"]), got.faults) == ([("pit", 10.5, 20, 30, 44)], ())


@pytest.mark.parametrize("mode", ["L", "1", "RGB"])
def test_a_mask_lies_at_its_first_point(tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).random((7, 5)) > 0.5
    got = found(tmp_path, shape("mask", [[20, 30], [24, 36]], mask=stamped(pixels, mode)))
    right = np.zeros((80, 100), bool)
    right[30:37, 20:25] = pixels
    assert np.array_equal(got.images["images/a.png"].objects[0].mask(80, 100), right) and got.faults == ()


def test_shapes_of_one_group_and_label_are_one_object(tmp_path: Path) -> None:
    """Whatever their kinds; another label of the same group is another object, and so is a shape without a group."""
    stain = np.ones((4, 6), bool)
    parts = [
        shape("rectangle", [[10, 10], [20, 20]], group_id=1),
        shape("polygon", [[40, 10], [50, 10], [50, 20], [40, 20]], group_id=1),
        shape("mask", [[60, 60], [65, 63]], group_id=1, mask=stamped(stain)),
        shape("rectangle", [[70, 10], [80, 20]], "stain", group_id=1),
        shape("rectangle", [[0, 0], [5, 5]]),
        shape("rectangle", [[0, 70], [5, 75]], group_id=None),
        shape("rectangle", [[90, 0], [95, 5]], group_id=0),
    ]
    for order in itertools.permutations(parts[:3]):
        got = found(tmp_path, *order, *parts[3:])
        assert boxes(got.images["images/a.png"]) == [
            ("pit", 0, 0, 5, 5), ("pit", 0, 70, 5, 75), ("pit", 10, 10, 66, 64), ("pit", 90, 0, 95, 5), ("stain", 70, 10, 80, 20),
        ]  # fmt: skip
        assert got.images["images/a.png"].pixels() == {"pit": 100 + 100 + 24 + 3 * 25, "stain": 100}


def test_a_corner_far_away_beside_a_mask_of_its_group_costs_nothing(tmp_path: Path) -> None:
    """Drawn before it is cut off, the wedge would take a step a pixel: terabytes."""
    far = shape("polygon", [[50, 10], [1e12, 10], [50, 20]], group_id=1)
    got = found(tmp_path, far, shape("mask", [[0, 0], [1, 1]], group_id=1, mask=stamped(np.ones((2, 2)))))
    right = np.zeros((80, 100), bool)
    right[10:20, 50:], right[:2, :2] = True, True
    assert np.array_equal(got.images["images/a.png"].objects[0].mask(80, 100), right)


@pytest.mark.parametrize("kind", ["line", "linestrip", "point", "points"])
def test_what_encloses_nothing_is_named_and_no_negative(tmp_path: Path, kind: str) -> None:
    got = found(tmp_path, shape(kind, [[1, 1], [9, 9], [9, 1]], "edge"))
    assert got.notes == (f"1 line or point encloses nothing and is not used (images/a.png, shape 1 ({kind} edge)).",)
    assert (got.images["images/a.png"].state, got.images["images/a.png"].objects) == ("objects", ())


@pytest.mark.parametrize(
    ("faulty", "sentence"),
    [
        (shape("polygon", [[1, 1], [5, 5]]), "shape 1 (polygon pit) has 2 corners, three are the least"),
        (shape("polygon", [[1, 1], [5]]), "shape 1 (polygon pit) has points that are not pairs of numbers"),
        (shape("polygon", [[1, 1], [5, 5], [9, float("nan")]]), "shape 1 (polygon pit) has points that are not pairs of numbers"),
        (shape("rectangle", [[1, 1]]), "shape 1 (rectangle pit) has fewer than two corners"),
        (shape("rectangle", [[1, 1], [1, 9]]), "shape 1 (rectangle pit) has no area"),
        (shape("rectangle", [[101, 1], [130, 9]]), "shape 1 (rectangle pit) lies wholly outside its image"),
        (shape("circle", [[1, 1]]), "shape 1 (circle pit) is not given by its middle and a point on its rim"),
        (shape("circle", [[9, 9], [9, 9]]), "shape 1 (circle pit) has no area"),
        (shape("blob", [[1, 1]]), "shape 1 (blob pit) is of a kind that is not read"),
        (shape("rectangle", [[1, 1], [9, 9]], " "), "shape 1 (rectangle) has no label"),
        (shape("mask", [[1, 1]], mask="AAAA"), "shape 1 (mask pit) has a mask that is no picture"),
        (shape("mask", [[1, 1]], mask=None), "shape 1 (mask pit) has a mask that is no picture"),
        (shape("mask", [], mask=stamped(np.ones((2, 2)))), "shape 1 (mask pit) is a mask without the point at which it begins"),
        (shape("mask", [[99, 1]], mask=stamped(np.ones((2, 2)))), "shape 1 (mask pit) leaves its picture of 100 x 80 pixels"),
        (shape("mask", [[9, 1]], mask=stamped(np.zeros((2, 2)))), "shape 1 (mask pit) holds no pixel"),
    ],
)
def test_a_faulty_shape_is_named_and_left_out(tmp_path: Path, faulty: dict[str, Any], sentence: str) -> None:
    got = found(tmp_path, faulty, shape("rectangle", [[1, 1], [9, 9]], "stain"))
    assert got.faults == (f"a.json: {sentence}; correct or remove what is faulty, it is left out.",)
    assert boxes(got.images["images/a.png"]) == [("stain", 1, 1, 9, 9)]


def test_flags_are_classes_of_the_whole_image(tmp_path: Path) -> None:
    image = found(tmp_path, flags={"rework": True, "dark": False}).images["images/a.png"]
    assert (image.state, image.labels) == ("objects", ("rework",))
    assert found(tmp_path, flags={"rework": False}).images["images/a.png"].state == "negative"


@pytest.mark.parametrize("size", [(None, None), (0, 0), ("x", 80), (float("inf"), 80)])
def test_a_size_that_is_none_is_not_listed(tmp_path: Path, size: tuple[Any, Any]) -> None:
    got = found(tmp_path, shape("rectangle", [[1, 1], [9, 9]]), imageWidth=size[0], imageHeight=size[1])
    assert (boxes(got.images["images/a.png"]), got.faults) == ([("pit", 1, 1, 9, 9)], ())


def test_a_file_named_after_another_image_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.json: is named after another image than the one in it \(imagePath \.\.\\b\.png\); rename one"):
        found(tmp_path, imagePath="..\\b.png")
    assert found(tmp_path, imagePath="D:\\x\\a.JPG").faults == ()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is no JSON ("),
        ({"other": 1}, "is no LabelMe file (no shapes, or no imagePath); take it out of the folder, or export it again."),
        (labelme([], "c.png"), "is named after another image than the one in it (imagePath c.png); rename one of them."),
    ],
)
def test_one_broken_file_among_sound_ones_is_a_fault(tmp_path: Path, content: Any, sentence: str) -> None:
    """Nobody knows what its image holds: it is no negative, and not as if nobody had looked."""
    broken = written(tmp_path, "json/a.json", content)
    sound = written(tmp_path, "json/b.json", labelme([shape("rectangle", [[1, 1], [9, 9]])], "b.png"))
    got = read(broken.parent, picture(tmp_path, "a.png", "b.png"))
    assert got.counts == {"pit": 1} and got.images["a.png"].ignored_mask().all()
    assert got.faults[0].startswith(f"{broken}") and sentence in got.faults[0]
    assert got.faults[1:] == ("a.json: nothing in it can be read; correct or remove what is faulty, it is left out.",)
    sound.unlink()
    with pytest.raises(DataError, match=re.escape(sentence)):
        read_labelme([broken], broken.parent)


def test_a_folder_of_other_json_is_one_sentence(tmp_path: Path) -> None:
    picture(tmp_path, "a.png")
    odd = written(tmp_path, "json/b.json", {"other": 1})
    written(tmp_path, "json/a.json", {"images": [], "annotations": []})
    with pytest.raises(DataError, match=r"holds 2 JSON files, and a\.json is not one of LabelMe's; name the file of labels"):
        listing_of(odd.parent, tmp_path)
    written(tmp_path, "json/labels.txt", "pit\n")  # which LabelMe itself asks for
    written(tmp_path, "json/a.json", labelme([]))
    odd.unlink()
    assert listing_of(odd.parent, tmp_path) is not None
