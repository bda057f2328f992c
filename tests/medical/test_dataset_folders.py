"""Folders with a `dataset.json`: nnU-Net 1 and 2 and the Decathlon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelfree_medical.masks.dataset_json import NAME, read_description
from labelfree_medical.masks.folders import dataset_of, list_dataset
from labelfree_medical.stored import Listing

from labelfree.errors import DataError

VERSION_2 = {
    "channel_names": {"0": "T1", "1": "T2"},
    "labels": {"background": 0, "organ": 1, "lesion": 2, "ignore": 3},
    "file_ending": ".nii.gz",
}
VERSION_1 = {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "liver"}}


def folder(root: Path, described: dict[str, Any], *files: str) -> Path:
    """`files` are empty: nothing opens them to list them."""
    (root / NAME).write_text(json.dumps(described), encoding="utf-8")
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def listed(root: Path) -> Listing:
    listing = list_dataset(root)
    assert listing is not None
    return listing


def channels(name: str, count: int = 2, part: str = "imagesTr") -> list[str]:
    return [f"{part}/{name}_{number:04d}.nii.gz" for number in range(count)]


def test_nnunet_pairs_channels_and_masks(tmp_path: Path) -> None:
    files = [*channels("a"), *channels("b"), *channels("c", part="imagesTs"), "labelsTr/a.nii.gz", "labelsTr/b.nii.gz"]
    listing = listed(folder(tmp_path, VERSION_2, *files))
    assert [image.path.name for image in listing.images] == ["a_0000.nii.gz", "b_0000.nii.gz", "c_0000.nii.gz"]
    assert {image.channels for image in listing.images} == {("T1", "T2")} and {image.modality for image in listing.images} == {"MR"}
    assert [image.mask and image.mask.name for image in listing.images] == ["a.nii.gz", "b.nii.gz", None]
    assert {image.split for image in listing.images} == {""} and not listing.untrusted
    assert listing.classes == {0: "background", 1: "organ", 2: "lesion", 3: "ignore"} and listing.ignore == 3
    told = "dataset.json: 2 of 3 images have a mask for segmentation (organ, lesion; 3 is `ignore`, neither learnt nor scored)."
    assert listing.notes == (told,)


def test_what_is_ignored_may_be_minus_one_and_no_class_may(tmp_path: Path) -> None:
    described = VERSION_2 | {"labels": {"background": 0, "organ": 1, "ignore": -1}}
    assert listed(folder(tmp_path, described, *channels("a"))).ignore == -1
    with pytest.raises(DataError, match="labels gives 'organ' the number -1"):
        listed(folder(tmp_path, VERSION_2 | {"labels": {"background": 0, "organ": -1}}))


def test_masks_of_its_test_images_make_them_the_test_set(tmp_path: Path) -> None:
    files = [*channels("a"), *channels("c", part="imagesTs"), "labelsTr/a.nii.gz", "labelsTs/c.nii.gz"]
    assert [image.split for image in listed(folder(tmp_path, VERSION_2, *files)).images] == ["train", "test"]


def test_a_case_without_a_channel_and_a_mask_without_images_are_faults(tmp_path: Path) -> None:
    listing = listed(folder(tmp_path, VERSION_2, *channels("a"), *channels("b", 1), *channels("c", 3), "labelsTr/d.nii.gz"))
    assert [image.path.name for image in listing.images] == ["a_0000.nii.gz"]
    lacks, beyond, alone = (each.sentence for each in listing.untrusted)
    assert "b_0000.nii.gz: case b has no T2 (_0001); add it" in lacks
    assert "case c has a channel _0002 that dataset.json does not name" in beyond
    assert "d.nii.gz: is the mask of a case without images" in alone


def test_pictures_may_hold_all_channels_in_one_file(tmp_path: Path) -> None:
    colours = {"channel_names": {"0": "R", "1": "G", "2": "B"}, "labels": {"background": 0, "cell": 1}, "file_ending": ".png"}
    (image,) = listed(folder(tmp_path, colours, "imagesTr/a_0000.png", "labelsTr/a.png")).images
    assert (image.kind, image.channels, image.mask) == ("picture", ("red", "green", "blue"), tmp_path / "labelsTr/a.png")


def test_regions_name_each_number_after_all_of_them(tmp_path: Path) -> None:
    labels = {"background": 0, "whole tumour": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}
    listing = listed(folder(tmp_path, VERSION_2 | {"labels": labels, "regions_class_order": [1, 2, 3]}, *channels("a")))
    assert listing.classes == {
        0: "background", 1: "whole tumour", 2: "whole tumour + core", 3: "whole tumour + core + enhancing", 4: "ignore",
    }  # fmt: skip
    assert listing.ignore == 4 and "regions overlap (whole tumour, core, enhancing)" in listing.notes[1]


def test_version_1_names_cases_without_their_channels(tmp_path: Path) -> None:
    pairs = {"training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}], "test": ["./imagesTs/b.nii.gz"]}
    files = [*channels("a", 1), *channels("b", 1, "imagesTs"), "labelsTr/a.nii.gz"]
    listing = listed(folder(tmp_path, VERSION_1 | pairs, *files))
    assert [(image.path.name, image.mask is not None, image.modality) for image in listing.images] == [
        ("a_0000.nii.gz", True, "CT"), ("b_0000.nii.gz", False, "CT"),
    ]  # fmt: skip
    assert listing.classes == {0: "background", 1: "liver"}


def test_version_2_may_name_cases_anywhere(tmp_path: Path) -> None:
    cases = {"a": {"images": ["x/a1.nii.gz", "x/a2.nii.gz"], "label": "y/a.nii.gz"}, "b": {"images": ["x/b1.nii.gz", "x/b2.nii.gz"]}}
    listing = listed(folder(tmp_path, VERSION_2 | {"dataset": cases}, "x/a1.nii.gz", "x/a2.nii.gz", "y/a.nii.gz", "x/b1.nii.gz"))
    (image,) = listing.images
    assert (image.files, image.mask) == ((tmp_path / "x/a1.nii.gz", tmp_path / "x/a2.nii.gz"), tmp_path / "y/a.nii.gz")
    assert "case b has no T2" in listing.untrusted[0].sentence


def test_the_decathlon_names_files_of_several_channels(tmp_path: Path) -> None:
    described = {
        "modality": {"0": "FLAIR", "1": "T1w"}, "labels": {"0": "background", "1": "tumour"}, "numTraining": 2,
        "training": [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in ("a_001", "a_002")],
        "test": ["./imagesTs/a_003.nii.gz"],
    }  # fmt: skip
    files = ["imagesTr/a_001.nii.gz", "imagesTr/._a_001.nii.gz", "labelsTr/a_001.nii.gz", "imagesTr/a_002.nii.gz", "imagesTs/a_003.nii.gz"]
    listing = listed(folder(tmp_path, described, *files))
    assert [(image.path.name, image.channels, image.mask is not None) for image in listing.images] == [
        ("a_001.nii.gz", ("FLAIR", "T1w"), True), ("a_002.nii.gz", ("FLAIR", "T1w"), False), ("a_003.nii.gz", ("FLAIR", "T1w"), False),
    ]  # fmt: skip
    assert "dataset.json: names a file that is not there (a_002.nii.gz)" in listing.untrusted[0].sentence


def test_an_image_finds_the_folder_that_names_its_channels(tmp_path: Path) -> None:
    folder(tmp_path, VERSION_2, *channels("a"))
    assert dataset_of(tmp_path / "imagesTr/a_0000.nii.gz") == tmp_path
    assert dataset_of(tmp_path / "a.nii.gz") is None and list_dataset(tmp_path / "imagesTr") is None


def test_another_dataset_json_is_none_of_these(tmp_path: Path) -> None:
    assert list_dataset(folder(tmp_path, {"labels": ["a", "b"]})) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"labels": ["background"]}, "labels is no table of classes"),
        ({"labels": {"organ": "one"}}, "labels gives 'organ' the number 'one'"),
        ({"channel_names": {}}, "channel_names names no channels"),
        ({"channel_names": {"first": "T1"}}, "channel_names names no channels"),
        ({"training": {"a": "b"}}, "training is no list"),
        ({"training": ["a.nii.gz"]}, "training holds 'a.nii.gz'"),
        ({"dataset": ["a"]}, "dataset is no table of cases"),
    ],
)
def test_what_is_broken_is_named_by_its_key(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        list_dataset(folder(tmp_path, VERSION_2 | change))
    assert str(tmp_path / NAME) in str(caught.value)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=6,
)
KEYS = ("channel_names", "modality", "labels", "file_ending", "training", "test", "dataset")


@given(st.dictionaries(st.sampled_from(KEYS), junk))
def test_anything_else_is_none_of_these_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    file = tmp_path_factory.mktemp("any") / NAME
    file.write_text(json.dumps(content), encoding="utf-8")
    try:
        described = read_description(file)
    except DataError as error:
        assert str(error).startswith(str(file)) and "\n" not in str(error)
    else:
        assert described is None or (described.channels and all(isinstance(name, str) for name in described.classes.values()))


def test_the_folder_above_one_data_set_is_that_one_and_above_several_asks_which(tmp_path: Path) -> None:
    for name in ("Dataset001_A", "Dataset002_B"):
        (tmp_path / name).mkdir()
    folder(tmp_path / "Dataset001_A", VERSION_2, *channels("a"))
    assert list_dataset(tmp_path) is None
    folder(tmp_path / "Dataset002_B", VERSION_2, *channels("a"))
    with pytest.raises(DataError, match="holds 2 data sets"):
        list_dataset(tmp_path)
    (tmp_path / "only").mkdir()
    (tmp_path / "Dataset001_A").rename(tmp_path / "only" / "Dataset001_A")
    assert len(listed(tmp_path / "only").images) == 1


def test_a_case_that_version_1_lists_and_lacks_is_a_fault(tmp_path: Path) -> None:
    pairs = {"training": [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in "ab"]}
    listing = listed(folder(tmp_path, VERSION_1 | pairs, *channels("a", 1), "labelsTr/a.nii.gz"))
    assert len(listing.images) == 1 and "names a file that is not there (b.nii.gz)" in listing.untrusted[0].sentence
