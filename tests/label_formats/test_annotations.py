"""`labelfree.annotations`: what is drawn, in the pixels of what `labelfree.read` returns, from a file, a folder or a recipe's `data`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.errors import DataError
from labelfree.progress import Silent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures; on the first a box and an outline, the second negative, the third a crowd, the fourth not listed."""
    noise = np.random.default_rng(0)
    for name in "abcd":
        Image.fromarray(noise.integers(0, 255, (30, 40), np.uint8)).save(tmp_path / f"{name}.png")
    images = [{"id": place, "file_name": f"{name}.png", "width": 40, "height": 30} for place, name in enumerate("abc")]
    drawn = [
        {"id": 1, "image_id": 0, "category_id": 5, "bbox": [2, 3, 10, 4]},
        {"id": 2, "image_id": 0, "category_id": 6, "bbox": [20, 10, 10, 10], "segmentation": [[20, 10, 30, 10, 30, 20, 20, 20]]},
        {"id": 3, "image_id": 2, "category_id": 5, "bbox": [0, 0, 5, 5], "iscrowd": 1},
    ]
    categories = [{"id": 5, "name": "pit"}, {"id": 6, "name": "dust"}]
    (tmp_path / "coco.json").write_text(json.dumps({"images": images, "annotations": drawn, "categories": categories}))
    return tmp_path


def test_a_file_of_labels_stands_for_the_images_in_its_folder(folder: Path) -> None:
    found = labelfree.annotations(folder / "coco.json", domain="satellite", say=Silent())
    assert {name: image.state for name, image in found.images.items()} == {
        "a.png": "objects", "b.png": "negative", "c.png": "objects", "d.png": "unlabelled",
    }  # fmt: skip
    pit, dust = found.images["a.png"].objects
    assert (pit.name, pit.box, dust.name, dust.box) == ("pit", (2, 3, 12, 7), "dust", (20, 10, 30, 20))
    image = labelfree.read(folder / "a.png", domain="satellite")
    assert dust.mask(*image.data.shape[1:]).sum() == 100 == found.images["a.png"].pixels()["dust"]
    assert found.images["c.png"].ignored_mask().sum() == 25 and not found.images["c.png"].objects
    assert found.classes == ("dust", "pit") and found.ids == {"pit": 5, "dust": 6} and not found.faults


def test_classes_are_called_as_their_owner_says(folder: Path) -> None:
    keys = {"data.classes": {"pit": "defect", "dust": "ignore"}, "data.absent": ["defect"]}
    found = labelfree.annotations(folder, folder / "coco.json", domain="satellite", overrides=keys, say=Silent())
    assert found.classes == ("defect",) and found.ids == {"defect": 5} and found.absent == ("defect",)
    assert [each.name for each in found.images["a.png"].objects] == ["defect"]
    assert found.images["a.png"].ignored_mask().sum() == 100


def test_a_class_that_no_object_bears_is_named(folder: Path) -> None:
    found = labelfree.annotations(folder, folder / "coco.json", domain="satellite", overrides=["data.classes={pitt: defect}"], say=Silent())
    assert found.faults == ("data.classes: no object is of class 'pitt' (there is dust, pit); correct the name.",)


def test_a_table_without_drawn_objects_is_refused(folder: Path) -> None:
    (folder / "labels.csv").write_text("path,label\na.png,good\n")
    with pytest.raises(DataError, match=r"labels\.csv: holds no drawn objects; read are COCO"):
        labelfree.annotations(folder, folder / "labels.csv", domain="satellite", say=Silent())


def test_the_manifest_changes_with_what_is_drawn(folder: Path) -> None:
    def digest() -> str:
        return labelfree.show_data(folder, [f"data.labels={folder / 'coco.json'}"], "satellite", say=Silent()).manifest.digest

    first, again = digest(), digest()
    content = json.loads((folder / "coco.json").read_text())
    content["annotations"][1]["segmentation"][0][0] = 21
    (folder / "coco.json").write_text(json.dumps(content))
    assert first == again != digest()


def test_groups_of_a_table_of_objects_keep_images_together(folder: Path) -> None:
    (folder / "objects.csv").write_text(
        "path,label,xmin,ymin,xmax,ymax,group\na.png,pit,1,1,5,5,lot 1\na.png,pit,6,6,9,9,lot 1\nb.png,,,,,,lot 2\n"
    )
    survey = labelfree.show_data(folder, [f"data.labels={folder / 'objects.csv'}"], "satellite", say=Silent())
    assert {row.id: row.group for row in survey.manifest.rows} == {"a.png": "lot 1", "b.png": "lot 2", "c.png": None, "d.png": None}


def test_where_images_have_classes_alone_one_without_is_a_negative(folder: Path) -> None:
    tags = "".join(
        f'<image name="{name}.png" width="40" height="30">{tag}</image>' for name, tag in (("a", '<tag label="ok"/>'), ("b", ""))
    )
    (folder / "tags.xml").write_text(f"<annotations>{tags}</annotations>")
    found = labelfree.annotations(folder, folder / "tags.xml", domain="satellite", overrides={"data.classes": {"ok": "good"}}, say=Silent())
    assert [image.state for image in found.images.values()] == ["objects", "negative", "unlabelled", "unlabelled"]
    assert found.images["a.png"].labels == ("good",) and not found.faults
