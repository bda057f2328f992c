"""Domains that list a folder themselves: several files an image, several images a file, what is none, and what cannot be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from labelfree.data.content import content_key
from labelfree.data.copies import same_files
from labelfree.data.faults import find_faults
from labelfree.data.manifest import load_manifest
from labelfree.domain import PART, Contents, Row, Sample
from labelfree.errors import DataError, RecipeError
from labelfree.progress import Silent
from labelfree.recipe import Data


class Stacks:
    """Each folder of `PATIENT/SERIES/*.npy` is an image; `*.txt` in one is a report, and a folder with `broken` in its name is refused."""

    name = "stacks"

    def __init__(self, mixed: str = "", slices: int = 0, left_out: tuple[str, ...] = (), whole: tuple[str, ...] = ()) -> None:
        self.mixed, self.slices, self.left_out, self.whole = mixed, slices, left_out, whole

    def contents(self, root: Path) -> Contents:
        rows, names, faults = [], dict[str, list[str]](), {}
        for folder in sorted({file.parent for file in root.rglob("*.npy")}):
            files = tuple(sorted(folder.glob("*.npy")))
            base, patient = files[0].relative_to(root).as_posix(), folder.relative_to(root).parts[0]
            if "broken" in folder.name:
                faults[base] = f"{files[0]}: a slice is missing; fetch it again."
            if "broken" in folder.name or folder.name in self.left_out:
                continue
            keys = [f"{PART}{number}" for number in range(self.slices)] or [""]
            mine = [Row(f"{base}#{key}" if key else base, files[0], group=patient, key=key, files=files) for key in keys]
            rows += mine
            for name in (f"id {patient}", f"uid {folder.name}", *([patient] if patient in self.whole else ())):
                names.setdefault(name, []).extend(row.id for row in mine)
        reports = list(root.rglob("*.txt"))
        return Contents(
            rows=tuple(rows),
            files=frozenset([*root.rglob("*.npy"), *reports]),
            aside=tuple(f"{report.name}: a report." for report in reports),
            faults=faults,
            mixed=self.mixed,
            names={name: tuple(ids) for name, ids in names.items()},
            classes={"1": "lesion"},
            notes=("Groups are patients.",),
        )

    def files(self, root: Path) -> list[Path]:
        return sorted({row.path for row in self.contents(root).rows})

    def read(self, row: Row) -> Sample:
        data = np.stack([np.load(file) for file in row.files or (row.path,)])
        if PART in row.key:
            data = data[int(row.key[1:]) % len(data)][None]
        return Sample(torch.from_numpy(data), tuple(map(str, range(len(data)))), (1.0,) * len(data), (0.0,) * len(data), "stored")

    def settings(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two patients, one of whom came twice, with three series of two slices; a report and a broken series."""
    draw = np.random.default_rng(0)
    for name in ("ann/one", "ann/two", "bob/three", "bob/broken"):
        (tmp_path / name).mkdir(parents=True)
        for number in range(2):
            np.save(tmp_path / name / f"{number}.npy", draw.normal(size=(8, 8)))
    (tmp_path / "ann" / "one" / "report.txt").write_text("fine")
    return tmp_path


def labelled(root: Path, table: str, domain: Stacks | None = None) -> dict[str, str | None]:
    (root / "labels.csv").write_text(f"path,label\n{table}")
    manifest = load_manifest(Data(root=root, labels=root / "labels.csv"), domain or Stacks())  # type: ignore[arg-type]
    return {row.id: row.label for row in manifest.rows}


def test_a_folder_gives_the_domains_rows_and_what_it_says_besides(root):
    manifest = load_manifest(Data(root=root), Stacks())
    assert [row.id for row in manifest.rows] == ["ann/one/0.npy", "ann/two/0.npy", "bob/three/0.npy"]
    assert [row.group for row in manifest.rows] == ["ann", "ann", "bob"]
    assert manifest.aside == ("report.txt: a report.",)
    assert manifest.renamed == {"1": "lesion"} and "Groups are patients." in manifest.notes
    assert not manifest.class_folders  # a patient's folder is no class


def test_what_cannot_be_trusted_ends_a_run_or_is_left_out(root):
    manifest = load_manifest(Data(root=root), Stacks())
    assert list(manifest.faults) == ["bob/broken/0.npy"]
    with pytest.raises(DataError, match=r"broken.0\.npy: a slice is missing.*data\.on_error=skip"):
        manifest.require_usable("fail")
    manifest.require_usable("skip")


def test_data_check_names_what_cannot_be_trusted(root):
    manifest = load_manifest(Data(root=root), Stacks())
    found = find_faults(manifest, Stacks().read, Silent(), domain=Stacks())
    assert [fault for fault in found.faults if "a slice is missing" in fault] == found.faults


def test_images_that_are_no_one_set_are_never_mixed(root):
    manifest = load_manifest(Data(root=root), Stacks(mixed="two kinds; choose with reader.kind."))
    with pytest.raises(RecipeError, match=r"reader\.kind"):
        manifest.require_usable("skip")


@pytest.mark.parametrize(
    "cells", [("ann/one", "bob/three"), ("ann/one/1.npy", "bob/three/0.npy"), ("uid one", "uid three"), ("ann/one", "id bob")]
)
def test_a_table_may_name_a_folder_a_slice_or_what_the_domain_calls_an_image(root, cells):
    found = labelled(root, f"{cells[0]},sick\n{cells[1]},well\n")
    assert found == {"ann/one/0.npy": "sick", "bob/three/0.npy": "well", "ann/two/0.npy": None}


def test_a_patient_stands_for_all_images_of_his(root):
    found = labelled(root, "id ann,sick\nid bob,well\n")
    assert found == {"ann/one/0.npy": "sick", "ann/two/0.npy": "sick", "bob/three/0.npy": "well"}


def test_images_that_a_table_leaves_out_stay_in_the_group_that_it_gives_to_their_patient(root):
    (root / "labels.csv").write_text("path,label,group\nann/one,well,A7\nbob/three,sick,B1\n")
    manifest = load_manifest(Data(root=root, labels=root / "labels.csv"), Stacks())
    assert {row.id: row.group for row in manifest.rows} == {"ann/one/0.npy": "A7", "ann/two/0.npy": "A7", "bob/three/0.npy": "B1"}


def test_studies_that_a_table_tells_apart_stay_apart(root):
    (root / "labels.csv").write_text("path,label,group\nann/one,well,first\nann/two,sick,second\n")
    manifest = load_manifest(Data(root=root, labels=root / "labels.csv"), Stacks())
    assert {row.id: row.group for row in manifest.rows} == {"ann/one/0.npy": "first", "ann/two/0.npy": "second", "bob/three/0.npy": "bob"}


def test_a_folder_of_several_images_is_no_name(root):
    with pytest.raises(DataError, match=r'row 2: "ann" holds 2 images \(ann/one/0\.npy, ann/two/0\.npy\)'):
        labelled(root, "ann,sick\nbob,well\n")


def test_a_place_that_the_domain_takes_as_a_word_for_all_its_images_is_one(root):
    assert labelled(root, "ann,well\nbob/three,sick\n", Stacks(whole=("ann",))) == {
        "ann/one/0.npy": "well", "ann/two/0.npy": "well", "bob/three/0.npy": "sick",
    }  # fmt: skip


def test_slices_of_a_volume_share_its_label(root):
    found = labelled(root, "ann/one,sick\nbob/three/1.npy,well\n", Stacks(slices=2))
    assert [label for name, label in sorted(found.items())] == ["sick", "sick", None, None, "well", "well"]


def test_rows_of_what_a_choice_leaves_out_are_passed_over(root):
    domain = Stacks(left_out=("two",))
    assert labelled(root, "ann/one,sick\nann/two,sick\nbob/three,well\n", domain) == {"ann/one/0.npy": "sick", "bob/three/0.npy": "well"}


def test_a_name_that_nothing_has_is_told(root):
    with pytest.raises(DataError, match=r'row 3: "carl"'):
        labelled(root, "ann/one,sick\ncarl,well\n")


def test_the_key_of_a_pool_knows_every_file_of_an_image(root):
    rows = load_manifest(Data(root=root), Stacks()).rows
    before = content_key(rows, Stacks().read, {})
    np.save(rows[0].files[1], np.zeros((9, 8)))
    assert content_key(rows, Stacks().read, {}) != before


def test_images_that_share_a_file_are_no_copies(root):
    assert same_files(load_manifest(Data(root=root), Stacks(slices=2)).rows, Silent()) == []
