"""Folders that are no classes: those called as groups are, and those of images that nobody sorted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelfree.data.manifest import Manifest, load_manifest
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain, texture, write


def image(file: Path, seed: int = 0) -> None:
    write(file, texture(np.random.default_rng(seed), 16))


def load(**data: object) -> Manifest:
    return load_manifest(Data.model_validate(data), PillowDomain())


class Lots(PillowDomain):
    """A field whose people call folders `lot` and a number."""

    def names_group(self, folder: str) -> bool:
        return folder.startswith("lot")


def test_folders_that_are_called_as_groups_are_no_classes(tmp_path: Path) -> None:
    """They are looked through, whether folders of classes lie in them or around them, and group where that is asked for."""
    for number, name in enumerate(("lot1/a/1.png", "lot1/b/1.png", "lot2/a/1.png", "lot2/b/1.png")):
        image(tmp_path / "inside" / name, number)
        image(tmp_path / "around" / "/".join(name.split("/")[place] for place in (1, 0, 2)), number)
    for number, name in enumerate(("lot1/1.png", "lot1/2.png", "lot2/1.png", "lot2/2.png")):
        image(tmp_path / "alone" / name, number)
    for layout in ("inside", "around"):
        said = load_manifest(Data(root=tmp_path / layout), Lots())
        assert said.classes == ("a", "b") and said.class_folders and not any(row.group for row in said.rows)
        assert any("lot1, lot2 are called as what belongs together is: data.group_folders=true" in note for note in said.notes)
        grouped = load_manifest(Data(root=tmp_path / layout, group_folders=True), Lots())
        assert {row.group for row in grouped.rows} == {"lot1", "lot2"} and all(str(row.group) in row.id for row in grouped.rows)
    plain = load_manifest(Data(root=tmp_path / "alone"), Lots())
    assert not plain.classes and "Folder names are not taken as classes, for they say which images belong together" in plain.notes[0]
    assert load_manifest(Data(root=tmp_path / "alone", class_folders=True), Lots()).classes == ("lot1", "lot2")


def test_a_folder_of_unsorted_images_is_no_class(tmp_path: Path) -> None:
    for number, name in enumerate(f"{folder}/{n}.png" for folder in ("good", "dent", "Unlabelled") for n in range(3)):
        image(tmp_path / name, number)
    found = load(root=tmp_path)
    assert found.classes == ("dent", "good") and [row.label for row in found.rows if row.id.startswith("Unl")] == [None] * 3
    assert any("Images in Unlabelled/ have no label" in note for note in found.notes)
