"""Images and masks of one name and two endings, and masks whose names only end in a word of masks."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from labelfree.data.manifest import Manifest, load_manifest
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain


def picture(path: Path, mask: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(crc32(path.name.encode()))
    pixels = draw.integers(0, 255, (16, 16), dtype=np.uint8)
    if mask:
        pixels[:] = 0
        pixels[4:8, 4:8] = 255
        pixels[4, 4] = 90  # an edge that was resized
    Image.fromarray(pixels).save(path)


class Pictures(PillowDomain):
    """Reads BMP too."""

    def files(self, root: Path) -> list[Path]:
        return sorted(path for path in root.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".bmp"})


def load(root: Path) -> Manifest:
    return load_manifest(Data(root=root), Pictures())


@pytest.mark.parametrize("folders", [("crack/Imgs", "free/Imgs"), ("crack", "free")])
def test_a_mask_may_be_called_as_its_image_is_but_for_the_ending(folders: tuple[str, str], tmp_path: Path) -> None:
    for folder in folders:
        for number in range(4):
            picture(tmp_path / folder / f"{number}.jpg")
            if number < 3:
                picture(tmp_path / folder / f"{number}.png", mask=True)
    rows = load(tmp_path).rows
    assert len(rows) == 8 and {row.label for row in rows} == {"crack", "free"}
    assert all((row.mask is not None) == (row.path.stem != "3") and row.path.suffix == ".jpg" for row in rows)
    assert all(Path(row.mask) == row.path.with_suffix(".png") for row in rows if row.mask)


def test_masks_of_several_classes_and_images_of_two_kinds(tmp_path: Path) -> None:
    for number in range(4):
        image = tmp_path / f"{number}.{'jpg' if number < 2 else 'bmp'}"
        picture(image)
        Image.fromarray((np.arange(256).reshape(16, 16) // 64).astype(np.uint8)).save(image.with_suffix(".png"))
    rows = load(tmp_path).rows
    assert [row.path.name for row in rows] == ["0.jpg", "1.jpg", "2.bmp", "3.bmp"] and all(row.mask for row in rows)


def test_pictures_under_two_endings_are_named(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"{number}.jpg")
        picture(tmp_path / f"{number}.png")
    made = load(tmp_path)
    assert len(made.rows) == 8 and not any(row.mask for row in made.rows)
    assert any("4 names stand under two endings, such as 0.jpg and 0.png: both count as images" in note for note in made.notes)


@pytest.mark.parametrize("suffix", ["_mask0", "_mask_1", "_label0", "Mask", "_anno", "-GT", "_mask"])
def test_words_of_masks_at_the_end_of_a_name(suffix: str, tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"img{number}.png")
        picture(tmp_path / f"img{number}{suffix}.png", mask=True)
    rows = load(tmp_path).rows
    assert [row.path.name for row in rows] == [f"img{number}.png" for number in range(4)]
    assert all(Path(str(row.mask)).name == f"{row.path.stem}{suffix}.png" for row in rows)


def test_words_of_masks_within_a_name_are_none(tmp_path: Path) -> None:
    for name in ("gasmask", "unmask", "bitmap", "roadmap", "gasmask2"):
        picture(tmp_path / f"{name}.png")
    assert len(load(tmp_path).rows) == 5
