"""YOLO's text files: rows, names of classes in every form, and folders as tools lay them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labelfree.data.label_formats.sources import listing_of
from labelfree.errors import DataError
from tests.label_formats.folders import boxes, picture, read, written

ROW = "0 0.2 0.5 0.2 0.25\n"  # 10 to 30 of 100 pixels, 30 to 50 of 80
BOXES = [("pit", 10, 30, 30, 50)]
NAMES = {"names": ["pit", "scratch"], "train": "images"}


def found(root: Path, row: str, content: Any = NAMES) -> Any:
    written(root, "labels/a.txt", row)
    return read(written(root, "data.yaml", content), picture(root, "images/a.png"))


@pytest.mark.parametrize(
    "names",
    [
        ["pit", "scratch"],
        {0: "pit", 1: "scratch"},
        {"1": "scratch", "0": "pit"},
        {"0": "pit", "7": "scratch"},
        {"0": " pit ", "1.0": "scratch"},
    ],
)
def test_names_as_a_list_or_by_number(tmp_path: Path, names: Any) -> None:
    got = found(tmp_path, ROW, {"names": names, "train": "images"})
    assert (boxes(got.images["images/a.png"]), got.faults, sorted(got.classes)) == (BOXES, (), ["pit", "scratch"])
    assert got.ids["pit"] == 0


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("pit", "names is neither a list nor numbers and names; write `names: [scratch, pit]`."),
        (None, "names is neither a list nor numbers and names"),
        ({"pit": 0}, "names has a key that is no number of its own; write `0: scratch`."),
        ({"0": "pit", "0.0": "scratch"}, "names has a key that is no number of its own"),
        ({"0.5": "pit"}, "names has a key that is no number of its own"),
        (["pit", "pit"], "two classes are called 'pit'; rename or join them."),
        ([True, "pit"], "YAML reads a name of a class as True; put it in quotes."),
        ([None, "pit"], "YAML reads a name of a class as None; put it in quotes."),
    ],
)
def test_names_that_cannot_be_told_are_one_sentence(tmp_path: Path, names: Any, sentence: str) -> None:
    with pytest.raises(DataError) as said:
        found(tmp_path, ROW, {"names": names, "train": "images"})
    assert f"data.yaml: {sentence}" in str(said.value)


def test_yaml_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    for text in ("names: [", "names: 2020-13-45", "\t- x"):
        with pytest.raises(DataError, match=r"data\.yaml: is no YAML"):
            listing_of(written(tmp_path, "data.yaml", text), tmp_path)
    assert listing_of(written(tmp_path, "data.yaml", "name: pit"), tmp_path) is None


POLYGON = "1 0.1 0.1 0.3 0.1 0.3 0.3 0.1 0.3\n"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("0 0.5 0.5 0.2 0.2 0.9", "holds six numbers: a prediction with its score, or half a corner"),
        ("0 0.5 0.5 0.2", "holds 4 numbers; a box has five, a polygon seven or more, an odd number"),
        ("0 0.5 0.5 0.2 0.2 0.3 0.3 0.4", "holds 8 numbers; a box has five, a polygon seven or more, an odd number"),
        ("0", "holds 1 numbers; a box has five"),
        ("5 0.5 0.5 0.2 0.2", "is of class 5, which data.yaml does not name"),
        ("-1 0.5 0.5 0.2 0.2", "is of class -1, which data.yaml does not name"),
        ("0.5 0.5 0.5 0.2 0.2", "is of class 0.5, which data.yaml does not name"),
        ("pit 0.5 0.5 0.2 0.2", "holds 'pit', which is no number"),
        ("0 0,5 0.5 0.2 0.2", "holds '0,5', which is no number"),
        ("0 nan 0.5 0.2 0.2", "holds 'nan', which is no number"),
        ("0 50 40 20 10", "gives pixels where shares of the picture's width and height are meant, or leaves the picture"),
        ("0 0.1 0.1 0.3 0.1 0.3 1.5", "gives pixels where shares of the picture's width and height are meant, or leaves the picture"),
        ("0 0.5 0.5 -0.2 0.2", "has a negative width or height"),
        ("0 0.5 0.5 0 0.2", "has no area"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3", "has no area"),
    ],
)
def test_a_faulty_row_is_named_and_left_out(tmp_path: Path, row: str, sentence: str) -> None:
    got = found(tmp_path, f"\n{row}\n{POLYGON}")
    assert len(got.faults) == 1 and got.faults[0].startswith("labels/a.txt: line 2 ") and sentence in got.faults[0]
    assert boxes(got.images["images/a.png"]) == [("scratch", 10, 8, 30, 24)]


def test_an_empty_file_is_a_negative_and_a_missing_one_says_nothing(tmp_path: Path) -> None:
    for name, row in (("a", ROW), ("b", ""), ("c", " \n\n")):
        written(tmp_path, f"labels/{name}.txt", row)
    got = read(written(tmp_path, "data.yaml", NAMES), picture(tmp_path, *(f"images/{name}.png" for name in "abcd")))
    assert [image.state for image in got.images.values()] == ["objects", "negative", "negative", "unlabelled"] and got.faults == ()


@pytest.mark.parametrize("path", ["/content/datasets/set", r"C:\set", "../elsewhere", ".", "", None, 5, "/", "\0", "x" * 999])
def test_the_path_of_another_computer(tmp_path: Path, path: Any) -> None:
    assert boxes(found(tmp_path, ROW, {**NAMES, "path": path}).images["images/a.png"]) == BOXES


def test_a_yaml_that_lies_elsewhere_names_the_folder(tmp_path: Path) -> None:
    root = picture(tmp_path / "set", "images/a.png")
    written(root, "labels/a.txt", ROW)
    for named in (str(root), "../set", "/gone"):  # the last: where images lie is looked at too
        file = written(tmp_path, "config/data.yaml", {**NAMES, "path": named})
        assert boxes(read(file, root).images["images/a.png"]) == BOXES


@pytest.mark.parametrize("prefix", ["", "../", "./"])
def test_splits_are_those_of_the_folders_named(tmp_path: Path, prefix: str) -> None:
    """Some tools write ../train/images for the folder train/images beside the file."""
    for part in ("train", "valid", "test"):
        written(tmp_path, f"{part}/labels/in_{part}.txt", ROW)
        picture(tmp_path, f"{part}/images/in_{part}.png")
    content = {"names": ["pit"], "train": f"{prefix}train/images", "val": f"{prefix}valid/images", "test": f"{prefix}test/images"}
    got = read(written(tmp_path, "data.yaml", content), tmp_path)
    assert {image.path.stem: image.split for image in got.images.values()} == {"in_train": "train", "in_valid": "dev", "in_test": "test"}
    same = read(written(tmp_path, "data.yaml", {"names": ["pit"], "train": "train/images", "val": "train/images"}), tmp_path)
    assert {image.split for image in same.images.values()} == {""}  # one folder for both tells nothing


def test_a_folder_with_the_names_beside_or_above(tmp_path: Path) -> None:
    picture(tmp_path, "images/a.png")
    written(tmp_path, "labels/a.txt", ROW)
    assert listing_of(tmp_path / "labels", tmp_path) is None  # text files may be anything
    for place in ("labels/classes.txt", "classes.txt", "obj.names"):
        file = written(tmp_path, place, "\ufeffpit\r\nscratch\r\n")
        assert boxes(read(tmp_path / "labels", tmp_path).images["images/a.png"]) == BOXES
        file.unlink()
    written(tmp_path, "labels/classes.txt", "\n")
    with pytest.raises(DataError, match=r"classes\.txt: names no class; write one a line, that of number 0 first\."):
        listing_of(tmp_path / "labels", tmp_path)


def test_a_folder_with_its_yaml(tmp_path: Path) -> None:
    found(tmp_path, ROW)
    written(tmp_path, "README.txt", "Exported today.")
    written(tmp_path, "labels/train.txt", "data/images/a.png\n")  # lists images
    assert boxes(read(tmp_path, tmp_path).images["images/a.png"]) == BOXES
    written(tmp_path, "other.yml", json.dumps(NAMES))
    with pytest.raises(DataError, match=r"data\.yaml and other\.yml both name classes; name the one that holds\."):
        listing_of(tmp_path, tmp_path)


def test_text_files_beside_their_images(tmp_path: Path) -> None:
    picture(tmp_path, "set/a.png", "set/b.png")
    written(tmp_path, "set/a.txt", ROW)
    written(tmp_path, "set/notes.txt", "bought in May")
    got = read(written(tmp_path, "data.yaml", {"names": ["pit"], "train": "set"}), tmp_path)
    assert (boxes(got.images["set/a.png"]), got.faults, got.images["set/b.png"].state) == (BOXES, (), "unlabelled")


def test_a_set_without_labels_is_one_sentence(tmp_path: Path) -> None:
    picture(tmp_path, "images/a.png")
    with pytest.raises(DataError, match=r"data\.yaml: no text files of labels lie in .*; bring its folders `images` and `labels`\."):
        listing_of(written(tmp_path, "data.yaml", NAMES), tmp_path)


def test_key_points_are_told_and_not_taken_for_corners(tmp_path: Path) -> None:
    """Without `kpt_shape` a box with two key points would be a polygon of four corners."""
    content = {**NAMES, "kpt_shape": [2, 2]}
    got = found(tmp_path, "0 0.2 0.5 0.2 0.25 0.15 0.5 0.25 0.5\n", content)
    assert (boxes(got.images["images/a.png"]), got.notes, got.faults) == (BOXES, ("data.yaml: boxes are read, key points are not.",), ())
    assert "line 1 holds 5 numbers; a box with its key points has 9" in found(tmp_path, ROW, content).faults[0]
    for shape in (5, [2], [0, 3], ["a", "b"]):
        with pytest.raises(DataError, match="kpt_shape is not two numbers"):
            found(tmp_path, ROW, {**NAMES, "kpt_shape": shape})


@pytest.mark.parametrize("folder", ["gone", "\0", "x" * 999, "C:\\set", 5, None, ["gone", "images"]])
def test_folders_that_are_not_there_are_no_fault(tmp_path: Path, folder: Any) -> None:
    got = found(tmp_path, ROW, {"names": ["pit"], "train": folder, "val": "gone too"})
    assert (boxes(got.images["images/a.png"]), got.faults) == (BOXES, ())


def test_two_files_of_one_image_are_named(tmp_path: Path) -> None:
    picture(tmp_path, "images/a.png")
    for part in ("one", "two"):
        written(tmp_path, f"labels/{part}/a.txt", ROW)
    got = read(written(tmp_path, "data.yaml", NAMES), tmp_path)
    assert got.faults == ("labels/one/a.txt and labels/two/a.txt: each may be a.png; keep one, or name each with its folder.",)
    assert got.images["images/a.png"].state == "unlabelled"


def split_of_lists(root: Path, train: str, val: str, labels: tuple[str, ...] = ("a", "b", "c")) -> dict[str, str]:
    """The split of each image of a set with two lists of images."""
    for name in labels:
        written(root, f"labels/{name}.txt", ROW)
        picture(root, f"images/{name}.png")
    written(root, "train.txt", train)
    written(root, "lists/held_out.txt", val)
    got = read(written(root, "data.yaml", {"names": ["pit"], "train": "train.txt", "val": "lists/held_out.txt"}), root)
    assert got.faults == ()
    return {image.path.stem: image.split for image in got.images.values()}


@pytest.mark.parametrize("folder", ["./images/", "images/", "/content/set/images/", "C:\\set\\images\\", "../set/images/", ""])
def test_lists_of_images_tell_splits(tmp_path: Path, folder: str) -> None:
    got = split_of_lists(tmp_path, f"{folder}a.png\n\n{folder}gone.png\n", f"\ufeff{folder}b.jpg\r\n")
    assert got == {"a": "train", "b": "dev", "c": ""}


def test_a_list_takes_as_many_folders_as_tell_images_apart(tmp_path: Path) -> None:
    names = ("one/a", "two/a")
    got = split_of_lists(tmp_path, "/x/images/one/a.png\n", "/x/images/two/b.png\n/x/images/two/a.png\n", names)
    assert got == {"a": "dev"}  # both are called so
    with pytest.raises(DataError, match=r"^train\.txt line 2 \(a\.png\): its labels may be labels/one/a\.txt and labels/two/a\.txt; write"):
        split_of_lists(tmp_path, "\na.png\n", "images/two/a.png\n", names)


def test_lists_that_contradict_each_other_or_tell_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^held_out\.txt line 1 \(images/a\.png\): is in the list of train already; keep it in one\.$"):
        split_of_lists(tmp_path, "images/a.png\n", "images/a.png\n")
    assert set(split_of_lists(tmp_path, "images/a.png\n", "").values()) == {""}  # one split alone tells nothing
    content = {"names": ["pit"], "train": "train.txt", "val": "lists/held_out.txt"}
    assert read(written(tmp_path, "data.yaml", content), tmp_path).notes == (
        "held_out.txt: no image in it has a text file of labels, so that it says nothing of splits.",
    )


def test_one_list_for_all_parts_tells_nothing(tmp_path: Path) -> None:
    written(tmp_path, "labels/a.txt", ROW)
    written(tmp_path, "all.txt", "images/a.png\n")
    file = written(tmp_path, "data.yaml", {"names": ["pit"], "train": "all.txt", "val": "all.txt"})
    got = read(file, picture(tmp_path, "images/a.png"))
    assert (got.images["images/a.png"].split, got.faults) == ("", ())


def test_a_list_beside_a_folder(tmp_path: Path) -> None:
    for name in ("train/labels/a", "val/labels/b"):
        written(tmp_path, f"{name}.txt", ROW)
        picture(tmp_path, f"{name.replace('labels', 'images')}.png")
    written(tmp_path, "held.txt", "val/images/b.png\n")
    got = read(written(tmp_path, "data.yaml", {"names": ["pit"], "train": "train/images", "val": "held.txt"}), tmp_path)
    assert {image.path.stem: image.split for image in got.images.values()} == {"a": "train", "b": "dev"}


def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, *given: object, **named: object) -> str:
        raise PermissionError(13, "Permission denied")

    written(tmp_path, "labels/a.txt", ROW)
    file = written(tmp_path, "labels/classes.txt", "pit\n")
    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(DataError, match=r"classes\.txt: cannot be read \(Permission denied\); make it readable, or take it out\.$"):
        listing_of(file.parent, tmp_path)


def test_texts_that_are_no_rows_of_numbers_are_no_labels(tmp_path: Path) -> None:
    """A README lists nothing; a faulty row is still one."""
    written(tmp_path, "classes.txt", "pit\n")
    written(tmp_path, "README.roboflow.txt", "\nRoboflow - v1 2024-01-31 9:12am\n\n3 images were exported.\n")
    written(tmp_path, "a.txt", "pit 0.5 0.5 0.2 0.2\n")
    got = read(tmp_path, picture(tmp_path, "a.png", "README.roboflow.png"))
    assert got.images["README.roboflow.png"].state == "unlabelled"
    assert len(got.faults) == 1 and "a.txt: line 1 holds 'pit', which is no number" in got.faults[0]
