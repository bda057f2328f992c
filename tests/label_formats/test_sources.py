"""The format of a file or folder of labels: told by what it holds, never by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labelfree.data.label_formats.sources import listing_of
from labelfree.errors import DataError
from tests.label_formats.folders import coco, cvat, label_studio, labelme, picture, voc, written

FORMS: dict[str, tuple[str, Any]] = {
    "COCO": ("labels.json", coco([{"file_name": "a.png"}], [])),
    "LabelMe": ("labels.json", labelme([], image="labels.png")),
    "Label Studio": ("labels.json", label_studio([])),
    "CVAT": ("labels.xml", cvat("")),
    "VOC": ("labels.xml", voc([], "labels.png")),
    "a table of objects": ("labels.csv", "path,label,xmin,ymin,xmax,ymax\na.png,pit,1,1,9,9\n"),
    "YOLO": ("labels.yaml", {"names": ["pit"], "train": "."}),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_name_for_every_format(tmp_path: Path, form: str) -> None:
    written(picture(tmp_path, "a.png"), "a.txt", "0 0.5 0.5 0.1 0.1\n")
    listing = listing_of(written(tmp_path, *FORMS[form]), tmp_path)
    assert listing is not None and listing.form == form


@pytest.mark.parametrize("form", ["COCO", "LabelMe", "Label Studio", "CVAT", "VOC"])
def test_a_folder_that_holds_one_file(tmp_path: Path, form: str) -> None:
    name, content = FORMS[form]
    written(tmp_path, f"labels/deep/{name}", content)
    listing = listing_of(tmp_path / "labels", tmp_path)
    assert listing is not None and listing.form == form


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.json", {}),
        ("c.json", []),
        ("c.json", [{"image_id": 1, "bbox": [1, 1, 9, 9], "score": 0.5}]),
        ("c.json", 5),
        ("c.json", {"images": []}),
        ("c.json", {"type": "FeatureCollection", "features": []}),
        ("c.xml", "<kml/>"),
        ("c.yaml", "domain: satellite"),
        ("c.yaml", "- 1"),
        ("c.yaml", ""),
        ("c.csv", "path,label\na.png,pit\n"),
        ("c.gpkg", "x"),
        ("c.parquet", "x"),
    ],
)
def test_what_is_of_no_format_is_left_to_others(tmp_path: Path, name: str, content: Any) -> None:
    assert listing_of(written(tmp_path, name, content), tmp_path) is None


def test_folders_without_labels_are_left_to_others(tmp_path: Path) -> None:
    picture(tmp_path, "masks/a.png")
    written(tmp_path, "masks/.hidden.json", "{")
    assert listing_of(tmp_path / "masks", tmp_path) is None


def test_a_folder_of_several_kinds_is_one_sentence(tmp_path: Path) -> None:
    written(tmp_path, "labels/a.json", labelme([]))
    written(tmp_path, "labels/a.xml", voc([]))
    with pytest.raises(DataError, match=r"labels: holds labels of several kinds \(\.json, \.xml\); name the file or the folder of one\.$"):
        listing_of(tmp_path / "labels", tmp_path)


def test_a_folder_of_two_files_of_cvat_is_one_sentence(tmp_path: Path) -> None:
    for name in ("b.xml", "c.xml"):
        written(tmp_path, f"labels/{name}", cvat("", f"{name}.png"))
    said = r"labels: holds {} XML files, and b\.xml is CVAT's, which keeps all images in one; name that file\.$"
    with pytest.raises(DataError, match=said.format(2)):
        listing_of(tmp_path / "labels", tmp_path)
    written(tmp_path, "labels/a.xml", "<annotations>")
    with pytest.raises(DataError, match=said.format(3)):
        listing_of(tmp_path / "labels", tmp_path)


@pytest.mark.parametrize("form", ["COCO", "LabelMe", "Label Studio", "CVAT", "VOC"])
def test_texts_for_people_are_no_labels(tmp_path: Path, form: str) -> None:
    name, content = FORMS[form]
    written(tmp_path, f"labels/{name}", content)
    written(tmp_path, "labels/README.roboflow.txt", "Exported on 2024-01-31: 3 images, 2 classes.\n")
    listing = listing_of(tmp_path / "labels", tmp_path)
    assert listing is not None and listing.form == form
    written(tmp_path, "labels/a.txt", "0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError, match=r"holds labels of several kinds"):
        listing_of(tmp_path / "labels", tmp_path)
