"""Masks: what their numbers stand for is told once for the whole set, and what cannot be told is asked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.data.label_formats.mask_numbers import mask_numbers
from labelfree.errors import DataError
from labelfree.progress import Silent


def numbers(*masks: dict[int, int], suffix: str = ".png") -> dict[Path, Counter[int]]:
    return {Path(f"{place}{suffix}"): Counter(mask) for place, mask in enumerate(masks)}


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


def test_a_binary_mask_of_0_and_1_has_a_class_1() -> None:
    assert mask_numbers(numbers({0: 1, 1: 1})).names == {1: "1"}


def test_jpeg_and_smoothed_masks_are_refused() -> None:
    with pytest.raises(DataError, match=r"0\.jpg: 1 masks are JPEG"):
        mask_numbers(numbers({0: 9, 255: 9}, suffix=".jpg"))
    smoothed = {0: 5000, 255: 3000, **dict.fromkeys(range(1, 255), 5)}
    with pytest.raises(DataError, match=r"0\.png: holds 256 numbers, most of them on edges: it was smoothed"):
        mask_numbers(numbers(smoothed))


def test_many_numbers_of_like_size_are_no_smoothed_edge() -> None:
    assert len(mask_numbers(numbers(dict.fromkeys(range(200), 50))).names) == 199


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
