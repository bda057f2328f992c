"""Masks: what their numbers stand for is told once for the whole set, and what cannot be told is asked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.data.colours import COLOURED
from labelfree.data.label_formats.mask_numbers import mask_numbers
from labelfree.data.masks import MINUS_ONE, MaskCounts, whole_numbers
from labelfree.domain import IGNORE
from labelfree.errors import DataError
from labelfree.progress import Silent


def numbers(*masks: dict[int, int], suffix: str = ".png") -> dict[str, MaskCounts]:
    return {f"{place}{suffix}": MaskCounts(Counter(mask), Counter()) for place, mask in enumerate(masks)}


def disc(side: int, *, instances: bool = False) -> np.ndarray:
    """A disc of 255, or a hundred squares of a number each."""
    if instances:
        return np.kron(np.arange(1, 101, dtype=np.uint8).reshape(10, 10), np.pad(np.ones((side // 10 - 4,) * 2, np.uint8), 2))
    rows, columns = np.mgrid[:side, :side] - side / 2
    return np.where(rows**2 + columns**2 < (side / 3) ** 2, 255, 0).astype(np.uint8)


def test_255_alone_is_foreground_and_beside_other_numbers_ignore() -> None:
    alone = mask_numbers(numbers({0: 90, 255: 10}, {0: 100}))
    assert alone.names == {255: "foreground"} and not alone.ignored
    beside = mask_numbers(numbers({0: 90, 255: 10}, {0: 90, 1: 10}))  # one mask of the set is enough
    assert beside.names == {1: "1"} and beside.ignored == {255}


@pytest.mark.parametrize("levels", [(0, 128, 255), (0, 127, 255), (0, 85, 170, 255), (0, 64, 128, 191, 255)])
def test_gray_levels_at_even_steps_are_asked_about(levels: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"even steps of gray: say what each is with data\.classes=\{"):
        mask_numbers(numbers(dict.fromkeys(levels, 10)))
    said = mask_numbers(numbers(dict.fromkeys(levels, 10)), {str(level): "ignore" if level == 255 else f"k{level}" for level in levels[1:]})
    assert said.ignored == {255} and set(said.names.values()) == {f"k{level}" for level in levels[1:-1]}


def test_numbers_below_0_name_no_class_unless_they_are_named() -> None:
    found = mask_numbers(numbers({0: 9, 1: 9, -9999: 9}))
    assert found.names == {1: "1"} and found.ignored == {-9999} and "Masks hold -9999: numbers below 0" in found.notes[0]
    assert mask_numbers(numbers({0: 9, 1: 9, -2: 9}), {"-2": "ice"}).names == {1: "1", -2: "ice"}


def test_minus_one_is_asked_about_wherever_it_stands(tmp_path: Path) -> None:
    for dtype in (np.int8, np.int16, np.int64, np.float32):
        read = whole_numbers(tmp_path / "a.npy", np.array([[0, -1], [1, 255 if dtype != np.int8 else 2]], dtype))
        assert read[0, 1] == MINUS_ONE and read[1, 0] == 1 and (read != IGNORE).all()
    declared = whole_numbers(tmp_path / "a.tif", np.array([[0, -1]], np.int16), nodata=-1)
    assert declared.tolist() == [[0, IGNORE]]  # the file itself says that nobody knows
    held = numbers({0: 9, 1: 9, MINUS_ONE: 9}, {0: 9})
    for instances in ("auto", True):
        with pytest.raises(DataError, match=r"holds -1: say data\.classes=\{-1: ignore\}"):
            mask_numbers(held, instances=instances)
    ignored = mask_numbers(held, {"-1": "ignore"})
    assert ignored.names == {1: "1"} and ignored.name(MINUS_ONE) is None and not ignored.notes
    assert mask_numbers(held, {"-1": "ice"}).name(MINUS_ONE) == "ice"


def test_a_binary_mask_of_0_and_1_has_a_class_1() -> None:
    assert mask_numbers(numbers({0: 1, 1: 1})).names == {1: "1"}


def test_a_number_that_is_named_leaves_255_what_it_is() -> None:
    named = mask_numbers(numbers({0: 9, 1: 9, 255: 9}), {"1": "water"})
    assert named.names == {1: "water"} and named.ignored == {255} and len(named.notes) == 1
    assert "Masks hold 3, which data.classes does not name" in mask_numbers(numbers({0: 9, 1: 9, 3: 9}), {"1": "water"}).notes[0]
    with pytest.raises(DataError, match="even steps of gray"):
        mask_numbers(numbers({0: 9, 128: 9, 255: 9}), {"128": "rust"})
    assert mask_numbers(numbers({0: 9, 255: 9}), {"255": "pit"}).names == {255: "pit"}


def test_jpeg_masks_are_refused() -> None:
    with pytest.raises(DataError, match=r"0\.jpg: 1 masks are JPEG"):
        mask_numbers(numbers({0: 9, 255: 9}, suffix=".jpg"))


@pytest.mark.parametrize("how", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
def test_masks_that_were_enlarged_as_pictures_are_refused(how: Image.Resampling) -> None:
    smoothed = np.asarray(Image.fromarray(disc(80)).resize((120, 120), how))
    with pytest.raises(DataError, match=r"a\.png: holds [0-9]+ numbers, most of them between others on edges: it was smoothed"):
        mask_numbers({"a.png": MaskCounts.of(smoothed)})


@pytest.mark.parametrize(
    "mask", [disc(120), disc(200, instances=True), np.arange(64, dtype=np.uint8).reshape(8, 8).repeat(8, 0).repeat(8, 1)]
)
def test_masks_as_they_were_drawn_are_not(mask: np.ndarray) -> None:
    assert len(mask_numbers({"a.png": MaskCounts.of(mask)}, instances=False).names) == len(set(mask.ravel().tolist()) - {0})


def test_numbers_that_tell_objects_apart_are_no_classes_and_a_note_says_so() -> None:
    squares = disc(200, instances=True)
    masks = {f"{place}.png": MaskCounts.of(squares * (squares <= 90 + place)) for place in range(5)}
    masks["5.png"] = MaskCounts.of(np.zeros((8, 8), np.uint8))
    few = MaskCounts.of(np.eye(8, dtype=np.uint8))
    found = mask_numbers(masks | {"6.png": few})
    assert found.instances and found.called == ["object"] and found.name(7) == "object" and found.name(0) == "background"
    assert "up to 94 in one" in found.notes[0] and "say data.instances=false" in found.notes[0]
    assert mask_numbers(masks, {"object": "nucleus", "255": "ignore"}).called == ["nucleus"]
    assert mask_numbers(masks, {"255": "ignore"}).name(255) is None
    with pytest.raises(DataError, match=r"data\.classes: 3 is the number of an object"):
        mask_numbers(masks, {"3": "rust"}, instances=True)
    assert not mask_numbers(masks, {"3": "rust"}).instances
    classes = mask_numbers(masks, instances=False)
    assert (
        len(classes.names) == 94 and "94 numbers, each a class; where they tell objects apart, say data.instances=true" in classes.notes[0]
    )


def test_many_classes_are_no_objects() -> None:
    """Organs: the same numbers in every image; land cover: each number in many pieces; heights: gaps between them."""
    organs = {f"{place}.png": MaskCounts.of(disc(200, instances=True)) for place in range(5)}
    pieces = {f"{place}.png": MaskCounts.of(np.random.default_rng(place).integers(0, 40 + place, (64, 64))) for place in range(5)}
    gaps = {f"{place}.png": MaskCounts.of(2 * disc(200, instances=True)) for place in range(5)}
    assert not any(mask_numbers(masks).instances for masks in (organs, pieces, gaps))


def test_one_class_above_a_number() -> None:
    smoothed = np.asarray(Image.fromarray(disc(80)).resize((120, 120), Image.Resampling.BILINEAR))
    found = mask_numbers({"a.jpg": MaskCounts.of(smoothed)}, {">127": "pit"})
    assert (found.name(127), found.name(128), found.called) == ("background", "pit", ["pit"])
    with pytest.raises(DataError, match=r"data\.classes: `>127` names all that masks hold; remove the other keys"):
        mask_numbers({"a.jpg": MaskCounts.of(smoothed)}, {">127": "pit", "3": "rust"})


def test_colours_that_are_named_are_classes(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    colours = np.zeros((3, 4, 6, 3), np.uint8)
    colours[0, 0], colours[0, 1, 0], colours[1, 0] = (255, 0, 0), (9, 9, 9), (255, 255, 255)
    colours[2, 0, 0], colours[2, 1, 0] = (0, 0, 255), (1, 2, 3)
    for name, mask in zip("abc", colours, strict=True):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (4, 6), np.uint8)).save(tmp_path / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    said = ['data.classes={"#ff0000": water, "#ffffff": ignore, "#0000FF": sky, "#090909": water}']
    found = labelfree.annotations(tmp_path, tmp_path / "masks", domain="satellite", overrides=said, say=Silent())
    assert found.images["a.png"].pixels() == {"water": 7} and found.images["b.png"].ignored_mask().sum() == 6
    assert found.classes == ("sky", "water") and len(found.faults) == 1
    assert "c.png: holds #010203, which data.classes does not name; name it, or call it ignore" in found.faults[0]


def test_masks_all_of_colours_that_nobody_named_are_asked_about() -> None:
    named = numbers({0: 9, COLOURED + 0xFF0000: 4}, {0: 5, COLOURED + 0xFF0000: 3, COLOURED + 0x00FF00: 1})
    with pytest.raises(DataError, match=r"0\.png: is a picture in colours \(#ff0000\); say what each shows with data\.classes="):
        mask_numbers(named)
    with pytest.raises(DataError, match=r"is a picture in colours"):
        mask_numbers({"0.png": named["0.png"]})
    some = mask_numbers(named, {"#ff0000": "field"})
    assert list(some.faults) == ["1.png"], "a mask that says more than was named is left out alone"


def test_colours_and_fractions_are_one_sentence(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8), np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "masks").mkdir()
    colours = np.zeros((8, 8, 3), np.uint8)
    Image.fromarray(colours + np.uint8(1)).save(tmp_path / "masks" / "b.png")  # gray in three channels
    colours[0, 0] = (255, 0, 0)
    Image.fromarray(colours).save(tmp_path / "masks" / "a.png")
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "masks" / "c.tif")
    found = labelfree.annotations(tmp_path, tmp_path / "masks", domain="satellite", say=Silent())
    assert found.images["b.png"].pixels() == {"1": 64} and len(found.faults) == 2
    assert (
        "a.png: is a picture in colours (#ff0000); say what each shows with data.classes=" in found.faults[0]
        and "c.tif: holds fractions" in found.faults[1]
    )


def test_a_folder_of_masks_is_matched_by_stem_whatever_it_is_dressed_with(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for name in ("07", "08", "09"):
        Image.fromarray(noise.integers(0, 255, (8, 9), np.uint8)).save(tmp_path / "images" / f"{name}.png")
    Image.fromarray(np.eye(8, 9, dtype=np.uint8) * 255).save(tmp_path / "masks" / "07_mask.png")
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(tmp_path / "masks" / "mask-08.tif")
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(tmp_path / "masks" / "10.png")
    found = labelfree.annotations(tmp_path, tmp_path / "masks", domain="satellite", overrides=["data.classes={255: pit}"], say=Silent())
    states = {name.rpartition("/")[2]: image.state for name, image in found.images.items()}
    assert states == {"07.png": "objects", "08.png": "negative", "09.png": "unlabelled"}
    assert found.images["images/07.png"].pixels() == {"pit": 8} and found.classes == ("pit",)
    assert len(found.faults) == 1 and found.faults[0].startswith("masks/10.png: there is no such image")
