"""Which boxes images hold: one answer for the same objects, whichever file they are kept in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelfree.data.box_labels import BoxLabels, box_labels
from labelfree.data.boxes import ANY
from labelfree.data.label_formats.listed import BACKGROUND, IGNORED, Drawn, ListedImage
from labelfree.data.label_formats.regions import rectangle
from labelfree.data.manifest import load_manifest
from labelfree.data.set_labels import SetLabels
from labelfree.domain import Row, Sample, Window
from labelfree.errors import DataError
from labelfree.reader_settings import domain_with
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain

SIZE = (40, 50)
Corners = tuple[float, float, float, float]


def sample_of(shape: tuple[int, ...]) -> Sample:
    return Sample(torch.zeros(1, *shape), ("a",), (1.0,), (0.0,), "stored")


def labels_of(rows: Sequence[Row], shape: tuple[int, ...] = SIZE, **keys: object) -> BoxLabels:
    return box_labels(rows, PillowDomain(), lambda row: sample_of(row.window.size if row.window else shape), **keys)  # type: ignore[arg-type]


def listed(name: str, *objects: tuple[str, Corners], kind: str = "object", **known: object) -> Row:
    """An image on which these boxes are drawn."""
    drawn = [Drawn(of, box, f"object {place}", kind) for place, (of, box) in enumerate(objects)]  # type: ignore[arg-type]
    return Row(name, Path(name), boxes="coco.json", listed=ListedImage(name, f"coco.json: {name}", (50, 40), drawn, **known))  # type: ignore[arg-type]


def told(labels: BoxLabels, row: Row) -> list[tuple[str, bool, list[float]]]:
    """Class ("any" of ignored regions of all), whether it is ignored, and corners of each box."""
    boxes = labels.boxes(row)
    names = ["any" if at == ANY else labels.classes[at] for at in boxes.label]
    return list(zip(names, boxes.ignored.tolist(), boxes.corners.tolist(), strict=True))


def test_classes_are_sorted_and_negatives_hold_nothing() -> None:
    rows = [listed("a", ("rust", (1, 2, 11, 12)), ("pit", (0, 0, 20, 10)), ("rust", (30, 30, 40, 40))), listed("b")]
    found = labels_of(rows)
    assert found.classes == ("pit", "rust")
    assert found.objects == {"a": {"rust": 2, "pit": 1}, "b": {}}
    assert told(found, rows[0]) == [
        ("rust", False, [1, 2, 11, 12]), ("pit", False, [0, 0, 20, 10]), ("rust", False, [30, 30, 40, 40]),
    ]  # fmt: skip
    assert len(found.boxes(rows[1])) == 0 and found.boxes(rows[1]).corners.shape == (0, 4)


def test_crowds_are_ignored_for_their_class_and_what_is_called_ignore_for_all() -> None:
    row = listed("a", ("pit", (0, 0, 20, 10)), (IGNORED, (20, 0, 30, 10)))
    assert row.listed is not None
    row.listed.drawn += [Drawn("pit", (0, 20, 50, 40), "a crowd", "crowd"), Drawn("rust", (0, 10, 9, 19), "another", "crowd")]
    found = labels_of([row])
    assert found.classes == ("pit",) and found.objects == {"a": {"pit": 1}}
    assert sorted(told(found, row)) == [
        ("any", True, [0, 10, 9, 19]),  # nobody drew an object of its class
        ("any", True, [20, 0, 30, 10]),
        ("pit", False, [0, 0, 20, 10]),
        ("pit", True, [0, 20, 50, 40]),
    ]


def test_outlines_and_boxes_around_them_are_the_same() -> None:
    boxed = listed("a", ("pit", (3, 4, 20, 10)))
    outlined = listed("a", ("pit", (3, 4, 20, 10)))
    assert outlined.listed is not None
    outlined.listed.drawn = [Drawn("pit", (3, 4, 20, 10), "object 0", region=rectangle(3, 4, 20, 10))]
    assert told(labels_of([boxed]), boxed) == told(labels_of([outlined]), outlined)


def test_a_class_that_nobody_looked_for_is_left_out_and_what_is_drawn_of_it_ignored() -> None:
    rows = [listed("a", ("pit", (0, 0, 20, 10)), ("cloud", (30, 0, 40, 10))), listed("b", ("cloud", (0, 0, 9, 9)))]
    found = labels_of(rows, absent=["cloud"])
    assert found.classes == ("pit",) and found.objects == {"a": {"pit": 1}, "b": {}}
    assert told(found, rows[0])[1] == ("any", True, [30, 0, 40, 10]) and told(found, rows[1]) == [("any", True, [0, 0, 9, 9])]
    assert found.notes == ("data.absent: cloud is left out; where it is drawn, boxes are neither right nor wrong.",)
    assert labels_of(rows, absent=["snow"]).faults == ("data.absent: no class is called 'snow' (cloud, pit).",)
    assert found.digest != labels_of(rows).digest


def test_where_nobody_knows_what_lies_outside_no_box_there_is_an_alarm() -> None:
    row, empty = listed("a", ("pit", (0, 0, 20, 10)), outside="ignore"), listed("b", (BACKGROUND, (0, 0, 9, 9)), outside="ignore")
    found = labels_of([row, empty])
    assert told(found, row) == [("pit", False, [0, 0, 20, 10]), ("any", True, [0, 0, 50, 40])]
    assert list(found.objects) == ["a"]  # nothing is known of the other
    assert "On 2 images nobody knows what lies outside" in found.notes[0]


def test_an_object_called_background_is_none() -> None:
    row = listed("a", ("pit", (0, 0, 20, 10)), (BACKGROUND, (20, 0, 50, 40)))
    assert labels_of([row]).classes == ("pit",) and len(labels_of([row]).boxes(row)) == 1


def test_what_is_faulty_is_told_and_left_out() -> None:
    half = listed("a", ("pit", (0, 0, 20, 10)), ("pit", (90, 90, 99, 99)))
    broken = listed("b", ("pit", (90, 90, 99, 99)))
    lines = listed("c", ("pit", (0, 0, 9, 9)), kind="line")
    classes = Row("d", Path("d"), listed=ListedImage("d", "coco.json: d", labels=("pit",)))
    found = labels_of([half, broken, lines, classes])
    assert found.objects == {"a": {"pit": 1}} and len(found.faults) == 2
    assert all("lies wholly outside its image" in fault for fault in found.faults)
    with pytest.raises(DataError, match="b: is not listed among the labels"):
        found.boxes(broken)


def test_a_window_shows_boxes_in_its_own_pixels() -> None:
    row = Row("a", Path("a"), boxes="coco.json", window=Window((10, 20), (20, 20)), listed=listed("a", ("pit", (15, 5, 30, 25))).listed)
    assert told(labels_of([row]), row) == [("pit", False, [0, 0, 10, 15])]


def save(path: Path, mask: np.ndarray) -> str:
    Image.fromarray(mask).save(path)
    return str(path)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_numbered_objects_have_the_boxes_around_their_pixels(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    generator = np.random.default_rng(seed)
    mask, boxes = np.zeros(SIZE, np.uint16), []
    for place, number in enumerate(generator.permutation(500)[:6] + 1):
        x0, y0 = generator.integers(0, 6, size=2) + np.array([16 * (place % 3), 18 * (place // 3)])
        x1, y1 = x0 + generator.integers(1, 9), y0 + generator.integers(1, 9)
        mask[y0:y1, x0:x1] = number
        boxes.append([float(x0), float(y0), float(x1), float(y1)])
    row = Row("a", Path("a"), mask=save(tmp_path_factory.mktemp("m") / "a.png", mask))
    found = labels_of([row], instances=True)
    assert found.classes == ("object",) and sorted(found.boxes(row).corners.tolist()) == sorted(boxes)


def test_masks_of_classes_have_no_boxes(tmp_path: Path) -> None:
    mask = Row("a", Path("a"), mask=save(tmp_path / "a.png", np.eye(40, 50, dtype=np.uint8)))
    with pytest.raises(DataError, match="masks name classes and do not tell objects apart"):
        labels_of([mask])
    drawn = listed("b", ("pit", (0, 0, 20, 10)))
    beside = labels_of([mask, drawn])
    assert list(beside.objects) == ["b"] and beside.notes[-1].startswith("1 masks name classes")


def test_what_is_drawn_goes_before_a_mask(tmp_path: Path) -> None:
    row = listed("a", ("pit", (0, 0, 20, 10)))
    both = Row("a", Path("a"), mask=save(tmp_path / "a.png", np.eye(40, 50, dtype=np.uint8)), boxes="coco.json", listed=row.listed)
    assert told(labels_of([both]), both) == told(labels_of([row]), row)


def test_a_coco_file_from_disk_gives_boxes_negatives_and_crowds(tmp_path: Path) -> None:
    for name in "ab":
        Image.new("RGB", (64, 48)).save(tmp_path / f"{name}.png")
    about = {
        "images": [{"id": at, "file_name": f"{name}.png", "width": 64, "height": 48} for at, name in enumerate("ab", start=1)],
        "categories": [{"id": 7, "name": "ship"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "bbox": [4, 5, 10, 20], "area": 200, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 7, "bbox": [30, 5, 20, 20], "area": 400, "iscrowd": 1, "segmentation": {
                "size": [48, 64], "counts": [30 * 48 + 5, *[20, 28] * 19, 20, 695]}},
        ],
    }  # fmt: skip
    (tmp_path / "labels.json").write_text(json.dumps(about))
    domain = domain_with("satellite", {}, {})
    heard: list[str] = []
    manifest = load_manifest(Data(root=tmp_path, labels=tmp_path / "labels.json"), domain)
    found = SetLabels(manifest, domain, tell=heard.append).boxes(manifest.rows)
    first, second = sorted(manifest.rows, key=lambda row: row.id)
    assert found.classes == ("ship",) and found.objects == {"a.png": {"ship": 1}, "b.png": {}}
    assert told(found, first) == [("ship", False, [4, 5, 14, 25]), ("ship", True, [30, 5, 50, 25])]
    assert len(found.boxes(second)) == 0 and not heard


def test_how_a_tables_corners_are_counted_is_told_to_those_who_look_at_boxes(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    corners = "<xmin>0</xmin><ymin>5</ymin><xmax>14</xmax><ymax>25</ymax>"
    (tmp_path / "a.xml").write_text(f"<annotation><object><name>ship</name><bndbox>{corners}</bndbox></object></annotation>")
    (tmp_path / "labels.csv").write_text("path,label,boxes\na.png,harbour,a.xml\n")
    domain, heard = domain_with("satellite", {}, {}), list[str]()
    manifest = load_manifest(Data(root=tmp_path, labels=tmp_path / "labels.csv"), domain)
    assert not any("corners" in note for note in manifest.notes)
    found = SetLabels(manifest, domain, tell=heard.append).boxes(manifest.rows)
    assert heard == ["VOC's corners say 0, so that pixels are counted from 0 and corners are taken as they are."]
    assert told(found, manifest.rows[0]) == [("ship", False, [0, 5, 14, 25])]
