"""Every form a data set is kept in becomes the same kind of table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from labelfree.data.folders import generated_root
from labelfree.data.manifest import Manifest, load_manifest, manifest_from_dataset
from labelfree.errors import DataError
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain, write

DOMAIN = PillowDomain()


def image(path: Path, value: int = 0) -> Path:
    return write(path, np.full((4, 4), value))


def load(**data: object) -> Manifest:
    return load_manifest(Data.model_validate(data), DOMAIN)


def test_class_folders(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        image(tmp_path / name)
    found = load(root=tmp_path)
    assert [(row.id, row.label) for row in found.rows] == [("a/1.png", "a"), ("a/2.png", "a"), ("b/1.png", "b"), ("b/2.png", "b")]
    assert found.classes == ("a", "b") and found.class_folders and not found.given_split


def test_sub_folders_may_be_groups(tmp_path: Path) -> None:
    for name in ("lot1/a.png", "lot1/b.png", "lot2/a.png", "loose.png"):
        image(tmp_path / name)
    (tmp_path / "labels.csv").write_text("path,label,group\nlot1/a.png,x,mine\nlot2/a.png,y,\n", encoding="utf-8")
    found = load(root=tmp_path, labels=tmp_path / "labels.csv", group_folders=True)
    assert {row.id: row.group for row in found.rows} == {
        "lot1/a.png": "mine", "lot1/b.png": "lot1", "lot2/a.png": "lot2", "loose.png": None,
    }  # fmt: skip
    assert "Images of one folder belong together: 2 folders are groups (lot1, lot2)." in found.notes
    with pytest.raises(DataError, match="data.group_folders: no image without a group lies in a folder"):
        load(root=tmp_path / "lot1", group_folders=True)


def test_sub_folders_may_be_no_classes(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        image(tmp_path / name)
    found = load(root=tmp_path, class_folders=False)
    assert [(row.id, row.label) for row in found.rows] == [(f"{name}.png", None) for name in ("a/1", "a/2", "b/1", "b/2")]
    assert not found.class_folders and not found.notes


def test_a_place_is_a_group_unless_one_is_given(tmp_path: Path) -> None:
    for name in "abc":
        image(tmp_path / f"{name}.png")
    (tmp_path / "labels.csv").write_text(
        "path,label,place,group,date\na.png,x,wood,,20220701\nb.png,,wood,,2022-04-01T10:00\nc.png,x,lake,g,\n"
    )
    rows = load(root=tmp_path, labels=tmp_path / "labels.csv").rows
    assert [(row.place, row.group, row.date) for row in rows] == [
        ("wood", "wood", "2022-07-01"), ("wood", "wood", "2022-04-01"), ("lake", "g", None),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["05.06.22", "2022-13-01", "June", "202207"])
def test_a_date_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.csv").write_text(f"path,date\n{image(tmp_path / 'a.png').name},{text}\n")
    with pytest.raises(DataError, match=rf"labels.csv row 2: date '{text}' is none; write 2022-07-01"):
        load(root=tmp_path, labels=tmp_path / "labels.csv")


def test_split_folders(tmp_path: Path) -> None:
    for name in ("train/a/1.png", "train/b/1.png", "test/a/2.png", "val/b/2.png"):
        image(tmp_path / name)
    found = load(root=tmp_path)
    assert {(row.split, row.label) for row in found.rows} == {("train", "a"), ("train", "b"), ("test", "a"), ("dev", "b")}
    assert found.given_split


@pytest.mark.parametrize(
    "names", [["1.png", "2.png"], ["x/1.png", "2.png"], ["s1/1.png", "s2/1.png", "s3/1.png"], ["a/b/1.png", "c/2.png"]]
)
def test_other_folders_have_no_labels(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        image(tmp_path / name)
    found = load(root=tmp_path)
    assert len(found.rows) == len(names) and not found.labelled and not found.class_folders


def test_an_empty_class_folder_is_one_sentence(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        image(tmp_path / name)
    (tmp_path / "c").mkdir()
    with pytest.raises(DataError, match=r"c: class folder without an image"):
        load(root=tmp_path)


def test_labels_pretrain_rows_are_unknown(tmp_path: Path) -> None:
    for i in range(3):
        image(tmp_path / f"{i}.png")
    (tmp_path / "splits.csv").write_text("path,label,split\n0.png,secret,pretrain\n1.png,a,train\n2.png,b,test\n")
    found = load(root=tmp_path)
    assert found.rows[0].label is None and found.classes == ("a", "b") and found.given_split
    (tmp_path / "splits.csv").write_text("path,label,split\n0.png,,pretrain\n1.png,a,train\n2.png,b,test\n")
    assert load(root=tmp_path) == found and load(root=tmp_path).digest == found.digest


def test_paths_under_root_beside_the_table_absolute_and_from_windows(tmp_path: Path) -> None:
    root, beside, far = tmp_path / "images", tmp_path / "tables", tmp_path / "far"
    image(root / "a.png"), image(root / "sub" / "b.png"), image(root / "rest.png")
    image(beside / "c.png"), image(far / "d.png")
    labels = beside / "labels.csv"
    labels.write_text(f"path,label\na.png,x\nsub\\b.png,y\nc.png,x\n{far / 'd.png'},y\n")
    found = load(root=root, labels=labels)
    ids = {row.id: row.label for row in found.rows}
    assert ids == {"a.png": "x", "sub/b.png": "y", "c.png": "x", (far / "d.png").as_posix(): "y", "rest.png": None}
    assert len(found.notes) == 1 and "2 of 4 paths lie outside" in found.notes[0]


def test_an_absolute_path_inside_the_root_gets_a_relative_id(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(f"path,label\n{tmp_path / 'a.png'},x\n")
    found = load(root=tmp_path, labels=tmp_path / "labels.csv")
    assert [row.id for row in found.rows] == ["a.png"] and not found.notes


def test_labels_alone_make_their_folder_the_root(tmp_path: Path) -> None:
    image(tmp_path / "a.png"), image(tmp_path / "b.png")
    (tmp_path / "labels.csv").write_text("path,label\na.png,x\n")
    found = load(labels=tmp_path / "labels.csv")
    assert {row.id: row.label for row in found.rows} == {"a.png": "x", "b.png": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\na.png,x\nmissing.png,y\n", 'labels.csv row 3: "missing.png" is not under'),
        ("path,label\na.png,x\nmissing.png,y\n", "; put it back, or take its row out."),
        ("path,label\nmissing.png,y\n", "; correct the paths, or set data.root to the folder that they begin in."),
        ("path,label\na.png,x\na.png,x\n", 'rows 2 and 3: both name "a.png"'),
        ("path,label\na.png,x\n./a.png,y\n", "with labels 'x' and 'y'"),
        ("path,label\n/nowhere/a.png,x\n", 'row 2: "/nowhere/a.png" does not exist'),
    ],
)
def test_faulty_rows_are_named(tmp_path: Path, text: str, said: str) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError) as error:
        load(root=tmp_path, labels=tmp_path / "labels.csv")
    assert said in str(error.value) and str(error.value).endswith(".")


def test_items_of_an_archive_are_found(tmp_path: Path) -> None:
    np.savez(tmp_path / "all.npz", images=np.zeros((2, 4, 4)))
    (tmp_path / "splits.csv").write_text("path,label,split\nall.npz#images[0],x,train\nall.npz#images[1],y,test\n")
    assert [row.id for row in load(root=tmp_path).rows] == ["all.npz#images[0]", "all.npz#images[1]"]


def test_a_cards_paths_may_not_leave_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    image(root / "a.png"), image(tmp_path / "out.png")
    (root / "splits.csv").write_text("path,label,split\na.png,x,train\n../out.png,y,test\n")
    assert len(load(root=root).rows) == 2
    with pytest.raises(DataError, match=r'row 3: "../out.png" leaves the data root'):
        load(root=root, card="eurosat-rgb")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"root": "/no/such/folder"}, "data.root: /no/such/folder does not exist."),
        ({}, "nothing to read"),
        ({"card": "eurosat-rgb"}, "data.root=DIR"),
        ({"card": "eurosat-rbg"}, "did you mean eurosat-rgb?"),
    ],
)
def test_nothing_to_read(data: dict[str, str], said: str) -> None:
    with pytest.raises(DataError) as error:
        load(**data)
    assert said in str(error.value)


def test_folder_without_images_and_root_that_is_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image that the pillow domain reads"):
        load(root=tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        load(root=image(tmp_path / "a.png"))


def test_the_generated_sample_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELFREE_CACHE", str(tmp_path / "cache"))
    found = load(card="generated-satellite")
    assert Counter(row.split for row in found.rows) == {"train": 2, "test": 2} and found.name == "generated-satellite"
    before = (found.root / "0.png").stat().st_mtime_ns
    assert load(card="generated-satellite").root == found.root and (found.root / "0.png").stat().st_mtime_ns == before
    assert generated_root(DOMAIN, "rgb") != found.root
    assert not list(found.root.parent.glob(".making-*"))


def test_a_generated_card_gives_way_to_a_folder(tmp_path: Path) -> None:
    image(tmp_path / "mine.png")
    assert [row.id for row in load(root=tmp_path, card="generated-satellite").rows] == ["mine.png"]


class Pairs(torch.utils.data.Dataset):
    """Four 3-channel items, two classes and one without a label."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int | None]:
        return torch.full((3, 5, 6), i, dtype=torch.uint8), None if i == 3 else i % 2


def test_a_users_own_dataset() -> None:
    found = manifest_from_dataset(Pairs(), ["red", "green", "blue"], groups=["p", "p", "q", "q"], unit="display")
    assert [row.label for row in found.rows] == ["0", "1", "0", None] and found.classes == ("0", "1")
    assert [row.group for row in found.rows] == ["p", "p", "q", "q"]
    assert found.read is not None
    sample = found.read(found.rows[2])
    assert sample.channels == ("red", "green", "blue") and sample.data.shape == (3, 5, 6) and (sample.data == 2).all()
    with pytest.raises(DataError, match="3 labels for 4 items"):
        manifest_from_dataset(Pairs(), ["a", "b", "c"], labels=[0, 1, 0])
    with pytest.raises(DataError, match="2 channels first were announced"):
        wrong = manifest_from_dataset(Pairs(), ["a", "b"])
        assert wrong.read is not None
        wrong.read(wrong.rows[0])


def test_renaming_a_group_takes_all_its_rows_along(tmp_path: Path) -> None:
    for i in range(3):
        image(tmp_path / f"{i}.png")
    (tmp_path / "labels.csv").write_text("path,label,group\n0.png,x,A\n1.png,,A\n2.png,y,\n")
    found = load(root=tmp_path, labels=tmp_path / "labels.csv").with_groups({"0.png": "new", "2.png": "other"})
    assert [row.group for row in found.rows] == ["new", "new", "other"]


def test_eurosat_rgb_as_card_and_as_labels(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    root = real_data("eurosat_rgb")
    by_card = load(root=root, card="eurosat-rgb")
    assert Counter(row.split for row in by_card.rows) == {"pretrain": 7411, "train": 1000, "dev": 589, "test": 800}
    assert len(by_card.classes) == 10 and not any(row.label for row in by_card.subset("pretrain"))
    few = by_card.subset("train")[::20]
    labels = tmp_path / "labels.csv"
    labels.write_text("path;label\n" + "".join(f"{row.id};{row.label}\n" for row in few))
    own = load(root=root, labels=labels)
    assert len(own.rows) == len(by_card.rows) and len(own.labelled) == len(few) and not own.given_split


def test_names_without_their_ending_are_found(tmp_path: Path) -> None:
    for name in ("images/img_01.png", "images/img_02.png", "x.y.png"):
        image(tmp_path / name)
    (tmp_path / "labels.csv").write_text("image_id,label\nimg_01,a\nimages/img_02,b\nx.y,a\n")
    found = load(root=tmp_path, labels=tmp_path / "labels.csv")
    assert {row.id: row.label for row in found.rows} == {"images/img_01.png": "a", "images/img_02.png": "b", "x.y.png": "a"}
    image(tmp_path / "more" / "img_01.png")
    with pytest.raises(DataError, match=r'labels.csv: "img_01" fits images/img_01.png, more/img_01.png; write its folder and ending'):
        load(root=tmp_path, labels=tmp_path / "labels.csv")


def test_a_table_may_name_its_column_of_labels(tmp_path: Path) -> None:
    image(tmp_path / "1.png"), image(tmp_path / "2.png")
    (tmp_path / "t.csv").write_text("path,crop\n1.png,maize\n2.png,wheat\n")
    assert load(root=tmp_path, labels=tmp_path / "t.csv", label_field="crop").classes == ("maize", "wheat")


def test_masks_that_a_table_lists_are_no_images(tmp_path: Path) -> None:
    for name in ("images/1.png", "images/2.png", "masks/1.png", "masks/2.png", "boxes/1.png"):
        image(tmp_path / name)
    table = tmp_path / "labels.csv"
    table.write_text("path,label,mask,boxes\nimages/1.png,a,masks/1.png,boxes/1.png\n")
    found = load(root=tmp_path, labels=table)
    assert [row.id for row in found.rows] == ["images/1.png", "images/2.png"]  # the name of its folder says what masks/2.png is
    assert "1 file is a mask" in found.notes[0] and "masks/" in found.notes[0]


def test_a_table_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    image(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"^data\.labels: .*none\.csv does not exist .*data\.root"):
        load(root=tmp_path, labels=tmp_path / "none.csv")


@pytest.mark.parametrize("begin", ["C:\\data\\", "C:\\data\\fields\\", "/home/ann/data/", "data/", "file:///x/", "D:/"])
def test_paths_of_another_machine_are_found_by_how_they_end(tmp_path: Path, begin: str) -> None:
    for name in ("a/1.png", "b/1.png", "c.png"):
        image(tmp_path / name)
    sign = "\\" if "\\" in begin else "/"
    lines = [f"{begin}a{sign}1.png,x", f"{begin}b{sign}1.png,y", f"{begin}c.png,x"]
    (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    found = load(root=tmp_path, labels=tmp_path / "labels.csv")
    assert {row.id: row.label for row in found.rows} == {"a/1.png": "x", "b/1.png": "y", "c.png": "x"}
    assert "no path is there as it is written" in found.notes[0]


def test_one_ending_must_fit_all_paths(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        image(tmp_path / name)
    (tmp_path / "labels.csv").write_text("path,label\n/x/a.png,x\n/x/y/b.png,y\n")
    with pytest.raises(DataError, match=r"do not exist: row 2: \"/x/a.png\", row 3: .*; there is a.png; correct the paths\.$"):
        load(root=tmp_path, labels=tmp_path / "labels.csv")


@pytest.mark.parametrize("written", ["A.PNG", "a.jpg", "sub/A.png"])
def test_a_name_that_differs_in_capitals_or_ending_is_proposed(tmp_path: Path, written: str) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(f"path,label\n{written},x\n")
    with pytest.raises(DataError, match=r"; there is a\.png; correct the paths\.$"):
        load(root=tmp_path, labels=tmp_path / "labels.csv")


def test_accents_are_found_whichever_way_they_are_written(tmp_path: Path) -> None:
    image(tmp_path / "W\u00e4lder.png")
    (tmp_path / "labels.csv").write_text("path,label\nWa\u0308lder.png,x\n", encoding="utf-8")
    assert load(root=tmp_path, labels=tmp_path / "labels.csv").labelled[0].path == tmp_path / "W\u00e4lder.png"
