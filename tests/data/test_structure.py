"""Names that say how a data set is laid out are never classes, and masks are no images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labelfree.data.manifest import Manifest, load_manifest
from labelfree.data.structure import are_structural, masks_among
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain, write


def load(root: Path, names: list[str]) -> Manifest:
    for name in names:
        write(root / name, np.full((4, 4), 1))
    return load_manifest(Data(root=root), PillowDomain())


@pytest.mark.parametrize(
    "images, masks",
    [("images", "masks"), ("Images", "Labels"), ("img_dir", "ann_dir"), ("JPEGImages", "SegmentationClass"), ("imgs", "ground_truth"),
     ("image", "gt"), ("rgb", "annotations"), ("train_images", "train_masks"), ("images_256", "masks_256"), ("tiles", "label"),
     ("images_png", "annotations_png"), ("train/images", "train/masks"), ("data/images", "data/masks")],
)  # fmt: skip
def test_masks_beside_images_are_left_out(tmp_path: Path, images: str, masks: str) -> None:
    found = load(tmp_path, [f"{folder}/{i}.png" for folder in (images, masks) for i in range(4)])
    assert [row.id for row in found.rows] == [f"{images}/{i}.png" for i in range(4)]
    assert not found.labelled and not found.class_folders and "4 files are masks" in found.notes[0]


@pytest.mark.parametrize(
    "names, kept",
    [
        (["1.png", "2.png", "masks/1.png", "masks/2.png"], ["1.png", "2.png"]),
        (["1.png", "1_mask.png", "2.png", "2_mask.png"], ["1.png", "2.png"]),
        (["images/img_1.png", "images/img_2.png", "masks/mask_1.png", "masks/mask_2.png"], ["images/img_1.png", "images/img_2.png"]),
        (["images/1.png", "images/2.png", "masks/1_mask.png", "masks/2_mask.png"], ["images/1.png", "images/2.png"]),
        (["s/7/images/7.png", "s/7/masks/a.png", "s/7/masks/b.png", "s/8/images/8.png", "s/8/masks/c.png"],
         ["s/7/images/7.png", "s/8/images/8.png"]),
        (["images/a/1.png", "images/b/2.png", "masks/a/1.png", "masks/b/2.png"], ["images/a/1.png", "images/b/2.png"]),
        (["masks/1.png", "masks/2.png"], ["masks/1.png", "masks/2.png"]),  # nothing but masks: somebody wants them
        (["bits_mask.png", "other.png"], ["bits_mask.png", "other.png"]),
    ],
)  # fmt: skip
def test_masks_by_their_names(tmp_path: Path, names: list[str], kept: list[str]) -> None:
    assert [row.id for row in load(tmp_path, names).rows] == kept


def test_splits_with_images_and_masks(tmp_path: Path) -> None:
    names = [f"{split}/{kind}/{i}.png" for split in ("train", "val") for kind in ("images", "masks") for i in range(3)]
    found = load(tmp_path, names)
    assert [(row.id, row.label, row.split) for row in found.rows] == [
        (f"{split}/images/{i}.png", None, role) for split, role in (("train", "train"), ("val", "dev")) for i in range(3)
    ]
    assert "Folder names are taken as splits: train, val. 3 images of dev and test are not pretrained on." in found.notes


@pytest.mark.parametrize("above", ["images/", "train/", "images/train/", "data/images/"])
def test_classes_below_a_layout_are_classes(tmp_path: Path, above: str) -> None:
    found = load(tmp_path, [f"{above}{name}/{i}.png" for name in ("forest", "water") for i in range(3)])
    assert found.classes == ("forest", "water") and len(found.labelled) == 6


def test_splits_below_images(tmp_path: Path) -> None:
    found = load(tmp_path, [f"images/{split}/{name}/{i}.png" for split in ("train", "test") for name in ("a", "b") for i in range(2)])
    assert {(row.split, row.label) for row in found.rows} == {(split, name) for split in ("train", "test") for name in ("a", "b")}
    flat = load(tmp_path / "flat", [f"flat/{split}/{i}.png" for split in ("train", "val", "test") for i in range(2)])
    assert not flat.labelled


@pytest.mark.parametrize(
    "names, structural",
    [
        (["images", "extra"], True), (["train", "val"], True), (["rgb", "masks", "dsm"], True), (["images"], True),
        (["label", "bottle", "can"], False), (["tile", "wood", "carpet", "label"], False), (["forest", "label"], False),
        (["train", "bus", "car"], False), (["Imagery_of_fields", "forest"], False), (["1", "2"], False), ([], False),
    ],
)  # fmt: skip
def test_a_set_of_names_is_structural_or_not(names: list[str], structural: bool) -> None:
    assert are_structural(set(names)) is structural


def test_classes_called_label_and_tile_stay(tmp_path: Path) -> None:
    found = load(tmp_path, [f"{name}/{name}{i}.png" for name in ("label", "tile", "wood", "can") for i in range(3)])
    assert found.classes == ("can", "label", "tile", "wood") and len(found.rows) == 12


def test_classes_that_differ_in_capitals_are_told(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / f"{i}.png", np.full((4, 4), i))
    (tmp_path / "splits.csv").write_text("path,label\n0.png,maize\n1.png,Maize\n2.png,wheat\n")
    found = load_manifest(Data(root=tmp_path), PillowDomain())
    assert found.classes == ("Maize", "maize", "wheat")
    assert found.notes == ("Classes that differ in capitals alone are kept apart: Maize, maize.",)


def test_many_files_take_no_time() -> None:
    files = [(f"scene{i % 500}", kind, f"{i}.png") for i in range(25_000) for kind in ("images", "masks")]
    assert len(masks_among(files)) == 25_000


@pytest.mark.parametrize(
    "names, kept",
    [
        ([f"images/{i}.png" for i in range(3)] + [f"buildings/{i}.png" for i in range(3)], [f"images/{i}.png" for i in range(3)]),
        ([f"sat/{i}.png" for i in range(3)] + [f"map/{i}.png" for i in range(3)], [f"sat/{i}.png" for i in range(3)]),
        (["image_1.png", "image_2.png", "mask_1.png", "mask_2.png"], ["image_1.png", "image_2.png"]),
        (["1_sat.jpg", "1_mask.png", "2_sat.jpg", "2_mask.png"], ["1_sat.jpg", "2_sat.jpg"]),
        (["s1/image.png", "s1/mask.png", "s2/image.png", "s2/mask.png"], ["s1/image.png", "s2/image.png"]),
        (["images/1.png", "images/2.png", "more/3.png", "more/4.png"], ["images/1.png", "images/2.png", "more/3.png", "more/4.png"]),
    ],
)  # fmt: skip
def test_forms_of_the_same_images_are_told_by_the_files_names(tmp_path: Path, names: list[str], kept: list[str]) -> None:
    found = load(tmp_path, names)
    assert [row.id for row in found.rows] == kept and not found.labelled


def test_dates_beside_masks_are_no_classes(tmp_path: Path) -> None:
    found = load(tmp_path, [f"{name}/{i}.png" for name in ("A", "B", "label") for i in range(3)])
    assert len(found.rows) == 6 and not found.labelled
    assert "not taken as classes, for they hold files of the same names, with masks beside them" in found.notes[-1]


@pytest.mark.parametrize("inner", ["images", "images/tiles", "data/images"])
def test_a_layout_below_classes_is_looked_through(tmp_path: Path, inner: str) -> None:
    found = load(tmp_path, [f"{name}/{inner}/{i}.png" for name in ("forest", "water") for i in range(3)])
    assert found.classes == ("forest", "water") and len(found.labelled) == 6


def test_masks_of_each_class_leave_the_classes(tmp_path: Path) -> None:
    names = [f"{s}/{c}/{kind}/{i}.png" for s in ("train", "val") for c in ("a", "b") for kind in ("images", "masks") for i in range(2)]
    found = load(tmp_path, names)
    assert found.classes == ("a", "b") and len(found.rows) == 8 and {row.split for row in found.rows} == {"train", "dev"}


def test_splits_below_classes_are_splits(tmp_path: Path) -> None:
    found = load(tmp_path, [f"{name}/{split}/{i}.png" for name in ("a", "b") for split in ("train", "test") for i in range(2)])
    assert {(row.label, row.split) for row in found.rows} == {(name, split) for name in ("a", "b") for split in ("train", "test")}


def test_one_folder_that_an_archive_made_is_looked_through(tmp_path: Path) -> None:
    found = load(tmp_path, [f"EuroSAT/{name}/{i}.png" for name in ("a", "b") for i in range(2)])
    assert found.classes == ("a", "b")


def test_few_images_beside_class_folders_have_no_label_and_many_make_them_none(tmp_path: Path) -> None:
    classes = [f"{name}/{i}.png" for name in ("a", "b") for i in range(4)]
    found = load(tmp_path / "few", [*classes, "overview.png"])
    assert found.classes == ("a", "b") and [row.id for row in found.rows if row.label is None] == ["overview.png"]
    assert found.notes[-1] == "1 image outside these folders has no label, such as overview.png."
    many = load(tmp_path / "many", [*classes, *(f"{i}.png" for i in range(6))])
    assert not many.labelled and many.notes[-1] == "Folder names are not taken as classes, for 6 images lie outside any folder."


def test_folders_within_folders_that_give_no_labels_are_told(tmp_path: Path) -> None:
    found = load(tmp_path, [f"{region}/{name}/{i}.png" for region in ("n", "s") for name in ("a", "b") for i in range(2)])
    assert not found.labelled and "not taken as classes, for images lie in folders within folders, such as n/a/0.png" in found.notes[-1]


def test_a_layout_without_images_is_no_empty_class(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "all.txt").touch()
    assert load(tmp_path, [f"{name}/{i}.png" for name in ("a", "b") for i in range(2)]).classes == ("a", "b")
