"""Pascal VOC's XML: corners that count from 1 or from 0, names that other computers wrote."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from labelfree.data.label_formats.sources import listing_of
from labelfree.errors import DataError
from tests.label_formats.folders import boxes, picture, read, voc, written


def found(root: Path, *contents: str) -> Any:
    names = [f"{letter}.png" for letter in "abc"[: len(contents)]]
    for name, content in zip(names, contents, strict=True):
        written(root, f"Annotations/{name[0]}.xml", content)
    return read(root / "Annotations", picture(root, *names))


def test_corners_count_from_1_unless_one_of_the_set_says_0(tmp_path: Path) -> None:
    one = voc([("rust", 1, 1, 100, 80), ("rust", 11, 21, 40, 50)])
    got = found(tmp_path, one)
    assert boxes(got.images["a.png"]) == [("rust", 0, 0, 100, 80), ("rust", 10, 20, 40, 50)] and got.notes == got.faults == ()
    got = found(tmp_path, one, voc([("rust", 0, 4, 40, 40)], "b.png"))
    assert boxes(got.images["a.png"]) == [("rust", 1, 1, 100, 80), ("rust", 11, 21, 40, 50)]
    assert got.notes == ("VOC's corners say 0, so that pixels are counted from 0 and corners are taken as they are.",)


def test_a_click_is_no_object(tmp_path: Path) -> None:
    got = found(tmp_path, voc([("pit", 5, 6, 5, 6), ("pit", 5, 6, 6, 7)]))
    assert boxes(got.images["a.png"]) == [("pit", 4, 5, 6, 7)] and "object 1 (pit) has no area" in got.faults[0]


@pytest.mark.parametrize(
    ("objects", "sentence"),
    [
        ([("pit", 30, 10, 10, 20)], "object 1 (pit) has its corners swapped"),
        ([("pit", 10, 10, 9, 20)], "object 1 (pit) has its corners swapped"),
        ([("pit", 10, 10, 20, 9)], "object 1 (pit) has its corners swapped"),
        ([("pit", 130, 10, 150, 20)], "object 1 (pit) lies wholly outside its image"),
        ([("pit", "x", 10, 150, 20)], "object 1 (pit) has no four numbers in bndbox (xmin, ymin, xmax, ymax)"),
        ([("", 10, 10, 30, 20)], "object 1 (without a name) has no class"),
    ],
)
def test_a_faulty_object_is_named_and_left_out(tmp_path: Path, objects: list[Any], sentence: str) -> None:
    got = found(tmp_path, voc([*objects, ("stain", 11, 11, 20, 20)]))
    assert got.faults == (f"a.xml: {sentence}; correct or remove what is faulty, it is left out.",)
    assert boxes(got.images["a.png"]) == [("stain", 10, 10, 20, 20)]


def test_a_rotated_box_of_other_tools_is_named(tmp_path: Path) -> None:
    odd = "<annotation><object><name>pit</name><robndbox><cx>5</cx><cy>5</cy><w>2</w></robndbox></object></annotation>"
    assert "object 1 (pit) has no four numbers in bndbox" in found(tmp_path, odd).faults[0]


def test_parts_of_an_object_are_no_objects(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></part></object>"
    got = found(tmp_path, voc([("person", 11, 11, 20, 20)]).replace("</object>", part))
    assert dict(got.counts) == {"person": 1}


@pytest.mark.parametrize("name", ["a.jpg", "a.PNG", r"C:\set\a.jpg", "/home/me/a.png", "a", "", " a.png "])
def test_a_file_belongs_to_the_image_of_its_own_stem(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, voc([("pit", 11, 11, 20, 20)], name)).images["a.png"].objects


@pytest.mark.parametrize("name", ["b.png", "A.png", "a1.png", "a.b.png"])
def test_a_file_named_after_another_image_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        DataError, match=rf"a\.xml: is named after another image than the one in it \(<filename> {name}\); rename one of them\.$"
    ):
        found(tmp_path, voc([("pit", 11, 11, 20, 20)], name))


def test_letters_with_marks_in_either_form(tmp_path: Path) -> None:
    """macOS stores names decomposed, other computers write them composed."""
    composed, apart = unicodedata.normalize("NFC", "möwe"), unicodedata.normalize("NFD", "möwe")
    written(tmp_path, f"Annotations/{apart}.xml", voc([("gull", 11, 11, 20, 20)], f"{composed}.png"))
    got = read(tmp_path / "Annotations", picture(tmp_path, f"{apart}.png"))
    assert got.faults == () and dict(got.counts) == {"gull": 1}


@pytest.mark.parametrize("size", [(0, 0), (100, 80)])
def test_a_listed_size_of_zero_is_none(tmp_path: Path, size: tuple[int, int]) -> None:
    assert found(tmp_path, voc([("pit", 11, 11, 20, 20)], size=size)).faults == ()
    assert "is listed with 80 x 100 pixels, a.png has 100 x 80" in found(tmp_path, voc([("pit", 11, 11, 20, 20)], size=(80, 100))).faults[0]


def test_what_gdal_leaves_beside_images_is_passed_over(tmp_path: Path) -> None:
    written(tmp_path, "Annotations/a.png.aux.xml", "<PAMDataset/>")
    assert found(tmp_path, voc([("pit", 11, 11, 20, 20)])).counts == {"pit": 1}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("<annotation><object>", "is no XML ("),
        ("<other/>", "is no VOC annotation (it begins with <other>); take it out of the folder, or export it as VOC."),
        (voc([], "c.png"), "is named after another image than the one in it (<filename> c.png); rename one of them."),
    ],
)
def test_one_broken_file_among_sound_ones_is_a_fault(tmp_path: Path, content: str, sentence: str) -> None:
    """Nobody knows what its image holds: it is no negative, and not as if nobody had looked."""
    sound, broken = voc([("pit", 11, 11, 20, 20)], "b.png"), content
    got = found(tmp_path, broken, sound)
    assert got.counts == {"pit": 1} and got.images["a.png"].ignored_mask().all()
    assert got.faults[0].startswith(f"{tmp_path / 'Annotations/a.xml'}: {sentence}")
    assert got.faults[1:] == ("a.xml: nothing in it can be read; correct or remove what is faulty, it is left out.",)
    written(tmp_path, "Annotations/b.xml", broken.replace("c.png", "d.png"))
    with pytest.raises(DataError, match=re.escape(f"a.xml: {sentence}")):
        listing_of(tmp_path / "Annotations", tmp_path)
