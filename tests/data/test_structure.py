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
