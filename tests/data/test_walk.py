"""Every real folder is read once, and none that labelfree wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from labelfree.data.inventory import take_inventory
from labelfree.data.manifest import load_manifest
from labelfree.data.walk import Walk
from labelfree.domain import Row
from labelfree.errors import DataError
from labelfree.recipe import Data
from tests.data.fake_domain import SUFFIXES, PillowDomain, write


class Walking(PillowDomain):
    """The domain of these tests, following links as the contract's walk does, with advice for archives."""

    kinds = "PNG and JPEG"
    advice: ClassVar = {".tar": "unpack each", ".tar.gz": "unpack each", ".gz": "unpack each", ".zarr": "convert them"}

    def files(self, root: Path) -> list[Path]:
        return sorted(folder / name for folder, names in Walk(root) for name in names if Path(name).suffix.lower() in SUFFIXES)


def image(path: Path, value: int = 0) -> Path:
    return write(path, np.full((4, 4), value))


def run(folder: Path, **more: object) -> Path:
    """A folder that holds a run with a picture of its own."""
    image(folder / "pictures" / "views-domain-0.png")
    (folder / "state.json").write_text(json.dumps({"recipe": "abc", "status": "finished", **more}))
    return folder


def ids(root: Path, **data: object) -> list[str]:
    return [row.id for row in load_manifest(Data(root=root, **data), Walking()).rows]  # type: ignore[arg-type]


def test_links_to_a_parent_or_into_the_folder_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for i in range(3):
        image(root / "sub" / f"{i}.png", i)
    (root / "sub" / "up").symlink_to(root)
    (root / "sub" / "further").symlink_to(tmp_path)
    (root / "again").symlink_to(root / "sub")
    assert ids(root) == ["sub/0.png", "sub/1.png", "sub/2.png"]
    (note,) = take_inventory(root, Walking()).notes
    assert note.startswith("3 links to folders that are read already") and "again/" in note and "sub/up/" in note


def test_links_to_folders_elsewhere_are_followed_once(tmp_path: Path) -> None:
    root, far = tmp_path / "data", tmp_path / "far" / "years"
    image(root / "0.png")
    image(far / "2021" / "1.png")
    (root / "a").symlink_to(far)
    (root / "b").symlink_to(far / "2021")
    (root / "c").symlink_to(far)
    (far / "2021" / "up").symlink_to(tmp_path / "far")
    (far / "2021" / "back").symlink_to(root)
    assert ids(root) == ["0.png", "a/2021/1.png"]
    assert ids(root) == ids(root)
    assert ids(far) == ["2021/1.png", "2021/back/0.png"]


def test_links_that_lead_to_each_other_end(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    image(one / "1.png"), image(other / "2.png")
    (one / "over").symlink_to(other)
    (other / "over").symlink_to(one)
    assert ids(one) == ["1.png", "over/2.png"]


def test_a_link_to_a_file_is_that_file_and_the_root_may_be_a_link(tmp_path: Path) -> None:
    file = image(tmp_path / "far" / "1.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.png").symlink_to(file)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "nowhere").symlink_to(tmp_path / "gone")
    assert ids(tmp_path / "data") == ids(tmp_path / "link") == ["x.png"]


@pytest.mark.parametrize("name", ["runs/first", "a/b/mine", "x"])
def test_folders_that_hold_runs_are_not_read(tmp_path: Path, name: str) -> None:
    image(tmp_path / "1.png")
    run(tmp_path / name)
    assert ids(tmp_path) == ["1.png"]
    assert load_manifest(Data(root=tmp_path), Walking()).notes == (f"1 folder holds a run of labelfree and is not read ({name}/).",)


def test_runs_of_other_programs_are_read(tmp_path: Path) -> None:
    for folder, state in (("runs/1", {"epoch": 3}), ("2", ["recipe", "status"])):
        image(tmp_path / folder / "1.png")
        (tmp_path / folder / "state.json").write_text(json.dumps(state))
    image(tmp_path / "3" / "1.png")
    (tmp_path / "3" / "state.json").write_text("no json")
    assert len(ids(tmp_path)) == 3


def test_a_domain_that_walks_by_itself_reads_no_run_either(tmp_path: Path) -> None:
    image(tmp_path / "1.png")
    run(tmp_path / "runs" / "first")
    assert take_inventory(tmp_path, PillowDomain()).files == [tmp_path / "1.png"]


def test_pools_and_the_cache_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELFREE_CACHE", str(tmp_path / "cache"))
    image(tmp_path / "1.png"), image(tmp_path / "cache" / "generated" / "x" / "2.png"), image(tmp_path / "pools" / "abc" / "3.png")
    for name in ("meta.json", "index.npz", "data.npy"):
        (tmp_path / "pools" / "abc" / name).touch()
    assert ids(tmp_path) == ["1.png"]
    assert ids(tmp_path / "cache" / "generated" / "x") == ["2.png"]  # named by its owner


def test_a_run_is_no_folder_of_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mine: is the folder of a run of labelfree, not one of images; name the folder that holds"):
        ids(run(tmp_path / "mine"))


def test_runs_beside_class_folders_are_no_empty_class(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        image(tmp_path / name)
    run(tmp_path / "runs" / "first")
    (tmp_path / "again").symlink_to(tmp_path / "a")
    found = load_manifest(Data(root=tmp_path), Walking())
    assert found.classes == ("a", "b") and found.class_folders


def test_what_was_seen_is_named_where_no_image_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no image that the pillow domain reads\. It reads PNG and JPEG\.$"):
        ids(tmp_path)
    for name in ("a.tar", "b.TAR", "c.tar.gz", "notes", "d.dat"):
        (tmp_path / name).touch()
    (tmp_path / "x.zarr" / "0").mkdir(parents=True)
    (tmp_path / "x.zarr" / "0" / "0.0").touch()
    with pytest.raises(DataError) as error:
        ids(tmp_path)
    said = str(error.value)
    assert "2 files that end in .tar," in said and "1 file that ends in .zarr" in said and "1 file without an ending" in said
    assert ".tar, .tar.gz: unpack each" in said and ".zarr: convert them" in said and said.endswith(".")


def test_files_of_such_kinds_beside_images_are_told_once(tmp_path: Path) -> None:
    for name in ("a.tar", "sub/b.tar", "readme.txt", "labels.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    image(tmp_path / "1.png")
    (tmp_path / "labels.csv").write_text("path,label\n1.png,x\n")
    notes = ("2 files that end in .tar are not read: unpack each.",)
    assert load_manifest(Data(root=tmp_path), Walking()).notes == notes
    assert load_manifest(Data(root=tmp_path, labels=tmp_path / "labels.csv"), Walking()).notes == notes
    assert load_manifest(Data(root=tmp_path), Walking()).rows == [Row("1.png", tmp_path / "1.png")]


def test_links_that_lead_to_themselves_hide_nothing_else(tmp_path: Path) -> None:
    image(tmp_path / "1.png")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "x.png").symlink_to("x.png")
    assert ids(tmp_path) == ["1.png", "x.png"]  # the second is one that cannot be read, which is said then
    assert take_inventory(tmp_path, Walking()).notes == ()


@pytest.mark.parametrize("name", ["$RECYCLE.BIN", "System Volume Information", "lost+found", "@eaDir", "__MACOSX", ".Trash"])
def test_folders_of_disks_are_neither_images_nor_classes(tmp_path: Path, name: str) -> None:
    for file in ("a/1.png", "a/2.png", "b/1.png", "b/2.png", f"{name}/1.png", f"{name}/2.png"):
        image(tmp_path / file)
    assert load_manifest(Data(root=tmp_path), Walking()).classes == ("a", "b")


def test_what_lies_within_a_folder_of_another_kind_is_no_image(tmp_path: Path) -> None:
    image(tmp_path / "1.png"), image(tmp_path / "x.zarr" / "0" / "2.png")
    (tmp_path / "a.tif.gz").touch()
    assert ids(tmp_path) == ["1.png"]
    assert len(take_inventory(tmp_path, Walking()).notes) == 2
