"""Which file a listed image is: names as tools on other computers write them; what could be two is named and not guessed."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.label_formats.listed import Drawn, ListedImage
from labelfree.data.label_formats.matching import Images, match, same_stem

ROOT = Path("root")


def matched(names: list[str], files: list[str]) -> tuple[dict[str, str], list[str]]:
    """Listed name -> file under the root, and the sentences."""
    found, faults = match([ListedImage(name, name) for name in names], Images([ROOT / file for file in files], ROOT))
    return {names[place]: path.relative_to(ROOT).as_posix() for place, path in found.items()}, faults


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.png", "a.png"),
        ("a.png", "deep/er/a.png"),
        ("train/a.png", "a.png"),
        ("x/y/a.png", "z/a.png"),
        ("a.jpg", "a.png"),
        ("a.PNG", "a.png"),
        ("a", "a.png"),
        (r"C:\\data\\set\\a.png", "images/a.png"),
        ("/home/me/a.png", "images/a.png"),
        ("./a.png", "a.png"),
        ("../images/a.png", "images/a.png"),
        ("a.b.c.png", "a.b.c.tif"),
        ("scan.nii.gz", "scan.nii.gz"),
        ("scan.nii.gz", "scan.png"),
        (unicodedata.normalize("NFD", "möwe.png"), unicodedata.normalize("NFC", "möwe.png")),
        (unicodedata.normalize("NFC", "möwe.png"), unicodedata.normalize("NFD", "möwe.png")),
    ],
)
def test_suffix_and_folder_never_count(name: str, file: str) -> None:
    assert matched([name], [file, "other.png"]) == ({name: file}, [])


@pytest.mark.parametrize(
    ("names", "files", "right"),
    [
        (["A/0.png", "B/0.png"], ["images/A/0.png", "images/B/0.png"], {"A/0.png": "images/A/0.png", "B/0.png": "images/B/0.png"}),
        (["a.png"], ["a.png", "old/a.png"], {"a.png": "a.png"}),
        (["a.jpg", "a.png"], ["a.png", "a.jpg"], {"a.jpg": "a.jpg", "a.png": "a.png"}),
    ],
)
def test_folders_and_endings_tell_files_of_one_name_apart(names: list[str], files: list[str], right: dict[str, str]) -> None:
    assert matched(names, files) == (right, [])


def test_a_base_name_in_two_folders_is_named() -> None:
    assert matched(["a.png"], ["x/a.png", "y/a.png"]) == ({}, ["a.png: fits root/x/a.png, root/y/a.png; name it with its folder."])
    assert matched(["z/a.png"], ["x/a.png", "y/a.png"]) == ({}, ["z/a.png: fits root/x/a.png, root/y/a.png; name it with its folder."])
    assert matched(["a.bmp"], ["a.png", "a.jpg"]) == ({}, ["a.bmp: fits root/a.jpg, root/a.png; name it with its folder."])


def test_nothing_is_given_by_elimination() -> None:
    """That one of two files is another's does not make the second this one's."""
    found, faults = matched(["x/a.png", "a.png"], ["x/a.png", "y/a.png"])
    assert found == {"x/a.png": "x/a.png"}
    assert faults == ["a.png: fits root/x/a.png, root/y/a.png; name it with its folder."]


def test_one_file_that_two_listed_images_fit_is_nobodys() -> None:
    assert matched(["train/a.png", "val/a.png"], ["a.png"]) == (
        {},
        ["train/a.png and val/a.png: each may be a.png; keep one, or name each with its folder."],
    )
    assert matched([f"{number}/a.png" for number in range(50)], ["a.png"])[1] == [
        "0/a.png, 1/a.png, 2/a.png and 47 more: each may be a.png; keep one, or name each with its folder."
    ]
    found, faults = matched(["a.png", "a.jpg"], ["a.png"])
    assert found == {"a.png": "a.png"} and faults == ["a.jpg: its image a.png is that of a.png already; keep one."]


def test_stems_that_disagree_are_other_images() -> None:
    for name in ("a1.png", "A.png", "a .png", "", "/", "..", ".png"):
        assert matched([name], ["a.png"]) == ({}, [f"{name}: there is no such image; correct its name, or bring the image."])


NAMES = st.lists(
    st.builds(
        "{}{}{}".format, st.sampled_from(["", "x/", "y/", "x/y/", "C:\\x\\"]), st.sampled_from("abc"), st.sampled_from([".png", ".jpg"])
    ),
    max_size=6,
    unique=True,
)


@given(NAMES, NAMES, st.randoms())
def test_the_order_plays_no_part(names: list[str], files: list[str], draw: random.Random) -> None:
    files = [file for file in files if "\\" not in file]
    found, faults = matched(names, files)
    assert len(set(found.values())) == len(found)  # no file twice
    mixed, mixed_files = draw.sample(names, len(names)), draw.sample(files, len(files))
    again, again_faults = matched(mixed, mixed_files)
    assert again == found and len(again_faults) == len(faults)
    for file in found.values():
        assert found.get(file, file) == file  # a listed image of the very path has it


def test_frames_are_found_by_the_number_their_name_ends_in() -> None:
    box = [Drawn("car", (0, 0, 1, 1), "track 0")]
    listed = [ListedImage(f"frame {number}", f"frame {number}", drawn=box, frame=number) for number in (0, 7, 12)]
    listed += [ListedImage("frame 8", "frame 8", frame=8)]  # nobody drew on it, and nobody took it out of the film
    files = ["frame_000000.png", "f/frame7.png", "g/frame_000007.png", "frame_120.png"]
    found, faults = match(listed, Images([ROOT / file for file in files], ROOT))
    assert {place: path.name for place, path in found.items()} == {0: "frame_000000.png"}
    assert faults == [
        "frame 7: fits root/f/frame7.png, root/g/frame_000007.png; name it with its folder.",
        "frame 12: there is no such image; correct its name, or bring the image.",
    ]


@pytest.mark.parametrize(
    ("written", "file", "same"),
    [
        ("a.png", "a.xml", True),
        ("a", "a.xml", True),
        (r"..\x\a.jpg", "a.json", True),
        ("a.v1.png", "a.v1.xml", True),
        ("a.v1", "a.v1.xml", True),
        ("scan.nii.gz", "scan.xml", True),
        (unicodedata.normalize("NFC", "ö.png"), unicodedata.normalize("NFD", "ö") + ".xml", True),
        ("b.png", "a.xml", False),
        ("A.png", "a.xml", False),
        ("a1.png", "a.xml", False),
    ],
)
def test_same_stem(written: str, file: str, same: bool) -> None:
    assert same_stem(written, Path(file)) is same
