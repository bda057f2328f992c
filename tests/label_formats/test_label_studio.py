"""Label Studio's export: shapes in percent, brushes against bits written by hand, answers, skipped tasks, and names of uploads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from labelfree.data.label_formats.label_studio import _brushed
from labelfree.data.label_formats.sources import listing_of
from labelfree.errors import DataError
from tests.label_formats.folders import boxes, brushed, label_studio, picture, read, written

PIXELS = st_numpy.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def found(root: Path, content: list[dict[str, Any]], *pictures: str) -> Any:
    return read(written(root, "export.json", content), picture(root, *(pictures or ("a.png",))))


def rectangle(**further: Any) -> dict[str, Any]:
    return {"type": "rectanglelabels", "value": {"x": 10, "y": 25, "width": 40, "height": 50, "rectanglelabels": ["pit"], **further}}


def test_shapes_in_percent(tmp_path: Path) -> None:
    got = found(
        tmp_path,
        label_studio(
            [
                rectangle(),
                {"type": "polygonlabels", "value": {"points": [[10, 10], [20, 10], [20, 30]], "polygonlabels": ["stain"]}},
                {"type": "ellipselabels", "value": {"x": 50, "y": 50, "radiusX": 10, "radiusY": 5, "ellipselabels": ["bubble"]}},
            ]
        ),
    )
    assert got.faults == ()
    assert boxes(got.images["a.png"]) == [("bubble", 40, 36, 60, 44), ("pit", 10, 20, 50, 60), ("stain", 10, 8, 20, 24)]


def test_a_turned_rectangle_becomes_the_one_around_it(tmp_path: Path) -> None:
    """90 degrees about its upper left corner (50, 20), clockwise: 20 wide and 10 high become 10 wide to the left, and 20 down."""
    got = found(tmp_path, label_studio([rectangle(x=50, y=25, width=20, height=12.5, rotation=90)]))
    assert boxes(got.images["a.png"]) == [("pit", 40, 20, 50, 40)]
    got = found(tmp_path, label_studio([rectangle(x=50, y=25, width=20, height=12.5, rotation=30)]))
    assert boxes(got.images["a.png"]) == [("pit", 45, 20, pytest.approx(67.320508), pytest.approx(38.660254))]


@given(PIXELS, st.sampled_from([(3, 4, 8, 16), (1, 1, 1, 1), (16, 16, 16, 16)]), st.sampled_from([1, 4, 8, 16]))
def test_a_brush_gives_back_its_pixels(pixels: np.ndarray, counters: tuple[int, int, int, int], word: int) -> None:
    height, width = pixels.shape
    assert np.array_equal(_brushed(brushed(pixels, counters, word), width, height), pixels)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PIXELS, st.data())
def test_a_brush_cut_off_or_of_another_size_is_a_sentence(tmp_path: Path, pixels: np.ndarray, data: st.DataObject) -> None:
    height, width = pixels.shape
    stored = brushed(pixels)
    with pytest.raises(ValueError, match="has run lengths of .* pixels for a picture of|cut off"):
        _brushed(stored, width + 1, height)
    with pytest.raises(ValueError, match="has run lengths that are cut off"):
        _brushed(stored[: data.draw(st.integers(0, len(stored) - 1))], width, height)


def test_brushed_pixels_become_a_mask(tmp_path: Path) -> None:
    pixels = np.zeros((80, 100), bool)
    pixels[5:9, 30:60] = pixels[40:70, 2:4] = True
    got = found(tmp_path, label_studio([{"type": "brushlabels", "value": {"rle": brushed(pixels), "brushlabels": ["pit"]}}]))
    assert got.images["a.png"].pixels() == {"pit": pixels.sum()} and boxes(got.images["a.png"]) == [("pit", 2, 5, 60, 70)]
    nothing = [{"type": "brushlabels", "value": {"rle": brushed(pixels & False), "brushlabels": ["pit"]}}]
    assert "result 1 (brush pit) holds no pixel" in found(tmp_path, label_studio(nothing)).faults[0]


@pytest.mark.parametrize(
    ("address", "file", "matched"),
    [
        ("/data/upload/1/0a1b2c3d-a.png", "a.png", True),
        ("/data/upload/1/0a1b2c3d-a.png", "0a1b2c3d-a.png", True),
        ("upload/1/0a1b2c3d-a.png", "deep/a.png", True),
        ("/data/local-files/?d=lot1/a.png", "lot1/a.png", True),
        ("/data/local-files/?d=lot1%2Fa%20b.png", "lot1/a b.png", True),
        (r"/data/local-files/?d=lot1\a.png", "lot1/a.png", True),
        ("s3://bucket/deep/a.png", "a.png", True),
        ("https://host/x/a%C3%B6.png?key=1", "aö.png", True),
        ("/data/local-files/?d=0a1b2c3d-a.png", "a.png", False),  # no upload: its own name
        ("/data/upload/1/0a1b2c3-a.png", "a.png", False),  # seven digits
        ("/data/upload/1/0A1B2C3D-a.png", "a.png", False),
    ],
)
def test_addresses_and_uploaded_names(tmp_path: Path, address: str, file: str, matched: bool) -> None:
    got = found(tmp_path, label_studio([rectangle()], address), file)
    assert (got.images[file].state == "objects") is matched and bool(got.faults) is not matched


def test_an_upload_is_first_looked_for_under_its_own_name(tmp_path: Path) -> None:
    got = found(tmp_path, label_studio([rectangle()]), "a.png", "0a1b2c3d-a.png")
    assert [name for name, image in got.images.items() if image.objects] == ["0a1b2c3d-a.png"]


def task(number: int, answers: list[Any], name: str) -> dict[str, Any]:
    return {
        "id": number,
        "data": {"image": f"/data/local-files/?d={name}"},
        "annotations": answers,
        "predictions": [{"result": [rectangle()]}],
    }


def test_states_of_tasks(tmp_path: Path) -> None:
    """An answer without shapes is a negative. A skipped task, one that nobody answered and predictions say nothing."""
    one = {"result": label_studio([rectangle()])[0]["annotations"][0]["result"]}
    tasks = [
        task(1, [one], "a.png"), task(2, [{"result": []}], "b.png"), task(3, [{"result": [], "was_cancelled": True}], "c.png"),
        task(4, [], "d.png"), task(5, [one, {"result": []}], "e.png"), task(6, [one, {"result": [], "was_cancelled": True}], "f.png"),
    ]  # fmt: skip
    got = found(tmp_path, tasks, *(f"{letter}.png" for letter in "abcdef"))
    states = {name[0]: image.state for name, image in got.images.items()}
    assert states == {"a": "objects", "b": "negative", "c": "unlabelled", "d": "unlabelled", "e": "unlabelled", "f": "objects"}
    assert got.faults == ("export.json: task 5 has answers of 2 annotators; keep one, nobody can tell which is right.",)


def test_choices_are_classes_of_the_whole_image(tmp_path: Path) -> None:
    got = found(tmp_path, label_studio([{"type": "choices", "value": {"choices": ["rework", "dark"]}}]))
    image = got.images["a.png"]
    assert (image.state, image.labels, image.objects) == ("objects", ("rework", "dark"), ())


def test_classes_may_stand_in_a_result_of_their_own(tmp_path: Path) -> None:
    place = {"x": 10, "y": 25, "width": 40, "height": 50}
    results = [{"id": "r", "type": "rectangle", "value": place}, {"id": "r", "type": "labels", "value": {**place, "labels": ["pit"]}}]
    assert boxes(found(tmp_path, label_studio(results)).images["a.png"]) == [("pit", 10, 20, 50, 60)]


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (rectangle(width=-5), "result 1 (rectangle pit) has a negative size"),
        (rectangle(width=0), "result 1 (rectangle pit) has no area"),
        (rectangle(x=None), "result 1 (rectangle pit) has no numbers as x, y, width, height"),
        (rectangle(x=200), "result 1 (rectangle pit) lies wholly outside its image"),
        (rectangle(rotation="x"), "result 1 (rectangle pit) is turned by what is no number"),
        (rectangle(rectanglelabels=[]), "result 1 (rectangle) has no classes"),
        (rectangle(rectanglelabels=["pit", "stain"]), "result 1 (rectangle pit stain) has 2 classes"),
        (
            {"type": "polygonlabels", "value": {"points": [[1, 1], [2, 2]], "polygonlabels": ["pit"]}},
            "result 1 (polygon pit) has 2 corners",
        ),
        (
            {"type": "polygonlabels", "value": {"points": [[1, 1], [2]], "polygonlabels": ["pit"]}},
            "has points that are not pairs of numbers",
        ),
        (
            {"type": "videorectangle", "value": {"sequence": [], "labels": ["pit"]}},
            "result 1 (videorectangle) is of a kind that is not read",
        ),
        ({**rectangle(), "original_width": 0}, "result 1 (rectangle pit) does not say how large its picture is"),
    ],
)
def test_a_faulty_result_is_named_and_left_out(tmp_path: Path, result: dict[str, Any], sentence: str) -> None:
    got = found(tmp_path, label_studio([result]))
    assert len(got.faults) == 1 and sentence in got.faults[0] and got.faults[0].startswith("export.json: task 7: result 1")
    assert got.images["a.png"].ignored_mask().all() or got.images["a.png"].size is None  # nobody knows what is there


def test_results_of_two_sizes_are_named(tmp_path: Path) -> None:
    got = found(tmp_path, label_studio([rectangle(), {**rectangle(), "original_width": 50}]))
    assert "result 2 (rectangle pit) is drawn on 50 x 80 pixels, and what stands before it on 100 x 80" in got.faults[0]
    assert got.counts == {"pit": 1}


def test_points_and_vectors_enclose_nothing(tmp_path: Path) -> None:
    got = found(tmp_path, label_studio([{"type": "keypointlabels", "value": {"x": 1, "y": 1, "keypointlabels": ["tip"]}}]))
    assert got.notes == ("1 line or point encloses nothing and is not used (a.png, result 1 (keypoint tip)).",)
    assert (got.images["a.png"].state, got.images["a.png"].lines, got.faults) == ("objects", 1, ())


def test_texts_and_ratings_leave_a_negative(tmp_path: Path) -> None:
    got = found(tmp_path, label_studio([{"type": "textarea", "value": {"text": ["fine"]}}, {"type": "rating", "value": {"rating": 3}}]))
    assert (got.images["a.png"].state, got.faults) == ("negative", ())


@pytest.mark.parametrize("kind", ["textarea", "choices", "rating", "number", "taxonomy", "relation"])
def test_what_is_said_of_a_shape_is_no_shape_and_no_class_of_the_image(tmp_path: Path, kind: str) -> None:
    """Label Studio repeats the shape's id and place in it."""
    said = {"text": ["deep"], "choices": ["deep"], "rating": 3, "number": 3, "taxonomy": [["deep"]]}
    place = {"x": 10, "y": 25, "width": 40, "height": 50, "rotation": 0}
    drawn = {**rectangle(), "id": "r"}
    for result in ({"id": "r", "type": kind, "value": {**place, **said}}, {"id": "r", "type": kind, "value": said},
                   {"id": "other", "type": kind, "value": {**place, **said}}):  # fmt: skip
        got = found(tmp_path, label_studio([result, drawn]))
        image = got.images["a.png"]
        assert (boxes(image), image.labels, image.unused, got.faults) == ([("pit", 10, 20, 50, 60)], (), (), ())


@pytest.mark.parametrize(
    ("data", "said"), [({"text": "hello"}, "names no picture"), ({"one": "a.png", "two": "b.png"}, "names 2 pictures")]
)
def test_a_task_is_one_picture(tmp_path: Path, data: dict[str, str], said: str) -> None:
    content = [{"id": 3, "data": data, "annotations": [{"result": []}]}]
    assert found(tmp_path, content).faults == (f"export.json: task 3 {said} in its data; export tasks of one picture each.",)


def test_broken_answers_are_one_sentence(tmp_path: Path) -> None:
    content = [{"id": 3, "data": {"image": "a.png"}, "annotations": 5}]
    with pytest.raises(DataError, match=r"^export\.json: task 3: annotations is no list of records; export it again\.$"):
        listing_of(written(tmp_path, "export.json", json.dumps(content)), tmp_path)


def test_the_short_form_is_one_sentence(tmp_path: Path) -> None:
    place = {"x": 1, "y": 1, "width": 9, "height": 9, "rectanglelabels": ["pit"], "original_width": 100, "original_height": 80}
    content = [{"id": 1, "image": "/data/upload/1/0a1b2c3d-b.png"}, {"id": 2, "image": "/data/upload/1/0a1b2c3d-a.png", "label": [place]}]
    with pytest.raises(DataError, match=r"export\.json: is Label Studio's short form \(JSON-MIN\), which does not tell .*; export JSON\.$"):
        listing_of(written(tmp_path, "export.json", content), tmp_path)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_turned_view_moves_nothing(tmp_path: Path, degrees: int) -> None:
    """Label Studio turns back what was drawn before it writes it."""
    content = label_studio([{**rectangle(), "image_rotation": degrees}])
    assert boxes(found(tmp_path, content).images["a.png"]) == [("pit", 10, 20, 50, 60)]
