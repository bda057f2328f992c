"""Masks that a folder lays out beside its images: by class folders as of anomaly benchmarks, or each beside its image."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from labelfree.data.manifest import Manifest, load_manifest
from labelfree.data.normal import is_normal, only_normal
from labelfree.data.set_labels import SetLabels
from labelfree.errors import DataError
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain, texture, write


class Pictures(PillowDomain):
    """Reads BMP too."""

    def files(self, root: Path) -> list[Path]:
        return sorted(path for path in root.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".bmp"})


def image(file: Path, seed: int = 0) -> None:
    write(file, texture(np.random.default_rng(seed), 16))


def mask(file: Path, pixels: int = 4) -> None:
    marked = np.zeros((16, 16))
    marked[2 : 2 + pixels, 3:6] = 255
    write(file, marked)


def loaded(root: Path, **said: object) -> Manifest:
    return load_manifest(Data(root=root, **said), Pictures())  # type: ignore[arg-type]


def benchmark(root: Path) -> Path:
    """As MVTec AD lays a class of objects out; equal names everywhere."""
    for number in range(3):
        image(root / f"train/good/{number:03}.png", number)
        image(root / f"test/good/{number:03}.png", 10 + number)
        for defect in ("cut", "hole"):
            image(root / f"test/{defect}/{number:03}.png", 20 + number)
            mask(root / f"ground_truth/{defect}/{number:03}_mask.png", 4 if defect == "cut" else 6)
    return root


@pytest.mark.parametrize("inside", ["", "bottle"])
def test_ground_truth_in_folders_of_classes(tmp_path: Path, inside: str) -> None:
    benchmark(tmp_path / inside)
    made = loaded(tmp_path)
    rows = {row.id.removeprefix(f"{inside}/"): row for row in made.rows}
    assert len(rows) == 12 and made.classes == ("cut", "good", "hole") and made.given_split
    assert {name: row.split for name, row in rows.items()} == {name: name.split("/")[0] for name in rows}
    assert rows["test/good/000.png"].mask is None and is_normal(rows["test/good/000.png"])
    for defect, pixels in (("cut", 12), ("hole", 18)):
        row = rows[f"test/{defect}/001.png"]
        assert row.mask == str(tmp_path / inside / f"ground_truth/{defect}/001_mask.png") and is_normal(row) is False
        told = SetLabels(made, Pictures()).pixels(made.rows)
        assert next(n for name, n in told.pixels[row.id].items() if name != "background") == pixels
    assert only_normal(made.rows)  # all that may be learnt from is good
    assert any("6 files are masks of images" in note for note in made.notes) and not any("left out" in note for note in made.notes)


def test_without_a_mask_an_image_has_none_and_a_mask_of_none_is_told(tmp_path: Path) -> None:
    benchmark(tmp_path)
    (tmp_path / "ground_truth/cut/000_mask.png").unlink()
    mask(tmp_path / "ground_truth/hole/777_mask.png")
    made = loaded(tmp_path)
    assert {row.id for row in made.rows if row.mask is None and not is_normal(row)} == {"test/cut/000.png"}
    assert any("1 file is a mask" in note and "ground_truth/hole/" in note for note in made.notes)


@pytest.mark.parametrize(("ending", "mark"), [(".bmp", "_label"), (".png", "_GT"), (".png", "_mask")])
def test_each_image_beside_its_mask_in_folders_of_a_lot(tmp_path: Path, ending: str, mark: str) -> None:
    for lot in ("lot01", "lot02", "lot03"):
        for part in range(4):
            image(tmp_path / f"{lot}/Part{part}.jpg", part)
            mask(tmp_path / f"{lot}/Part{part}{mark}{ending}", pixels=part)  # of the first nothing is marked
    made = loaded(tmp_path)
    assert len(made.rows) == 12 and made.classes == () and {row.group for row in made.rows} == {"lot01", "lot02", "lot03"}
    assert {row.id: Path(str(row.mask)).relative_to(tmp_path).as_posix() for row in made.rows} == {
        f"{lot}/Part{part}.jpg": f"{lot}/Part{part}{mark}{ending}" for lot in ("lot01", "lot02", "lot03") for part in range(4)
    }
    assert any("stay together" in note for note in made.notes)


def test_masks_beside_images_of_a_given_split(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "train", "test")):
        image(tmp_path / f"{split}/{10000 + number}.png", number)
        mask(tmp_path / f"{split}/{10000 + number}_GT.png", number)
    made = loaded(tmp_path)
    assert [(row.split, row.group, Path(str(row.mask)).name) for row in made.rows] == [
        ("test", None, "10002_GT.png"), ("train", None, "10000_GT.png"), ("train", None, "10001_GT.png"),
    ]  # fmt: skip


def test_a_table_of_objects_splits_and_masks(tmp_path: Path) -> None:
    lines = ["object,split,label,image,mask"]
    for number in range(4):
        image(tmp_path / f"candle/Data/Images/Normal/{number}.JPG", number)
        lines.append(f"candle,{'train' if number < 3 else 'test'},normal,candle/Data/Images/Normal/{number}.JPG,")
        image(tmp_path / f"candle/Data/Images/Anomaly/{number}.JPG", 10 + number)
        mask(tmp_path / f"candle/Data/Masks/Anomaly/{number}.png")
        lines.append(f"candle,test,anomaly,candle/Data/Images/Anomaly/{number}.JPG,candle/Data/Masks/Anomaly/{number}.png")
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text("\n".join(lines))
    made = loaded(tmp_path, labels=tmp_path / "split_csv/1cls.csv")
    assert len(made.rows) == 8 and [is_normal(row) for row in made.rows].count(True) == 4
    assert {row.split for row in made.rows if is_normal(row) is False} == {"test"} and only_normal(made.rows)
    assert SetLabels(made, Pictures()).pixels([row for row in made.rows if row.mask]).pixels.keys() == {
        row.id for row in made.rows if not is_normal(row)
    }


def test_a_folder_of_masks_without_classes_is_left_to_its_owner(tmp_path: Path) -> None:
    image(tmp_path / "images/1.png")
    mask(tmp_path / "masks/1.png")
    made = loaded(tmp_path)
    assert made.rows[0].mask is None and any("data.labels" in note or "column `mask`" in note for note in made.notes)
    with pytest.raises(DataError, match="data.normal=images"):
        loaded(tmp_path, normal="images/nowhere")


def test_masks_in_a_folder_beside_their_images(tmp_path: Path) -> None:
    """As DAGM has them: `Train/Label/0001_label.PNG` is the mask of `Train/0001.PNG`."""
    for split in ("Train", "Test"):
        for number in range(4):
            image(tmp_path / f"{split}/{number:04}.png", number + 10 * (split == "Test"))
        mask(tmp_path / f"{split}/Label/0001_label.png")
    rows = {row.id: row for row in loaded(tmp_path).rows}
    assert len(rows) == 8 and {name for name, row in rows.items() if row.mask} == {"Train/0001.png", "Test/0001.png"}
    assert rows["Test/0001.png"].mask == str(tmp_path / "Test/Label/0001_label.png")


def test_masks_in_a_folder_called_as_their_image(tmp_path: Path) -> None:
    """As MVTec LOCO has them; of an image with several nobody guesses."""
    benchmark(tmp_path)
    image(tmp_path / "test/loose/000.png", 40)
    image(tmp_path / "test/loose/001.png", 41)
    mask(tmp_path / "ground_truth/loose/000/000.png")
    mask(tmp_path / "ground_truth/loose/001/000.png")
    mask(tmp_path / "ground_truth/loose/001/001.png")
    made = loaded(tmp_path)
    rows = {row.id: row for row in made.rows}
    assert rows["test/loose/000.png"].mask == str(tmp_path / "ground_truth/loose/000/000.png")
    assert rows["test/loose/001.png"].mask is None and any("2 files are masks" in note for note in made.notes)


def test_ground_truth_inside_the_test_and_splits_that_are_public_or_private(tmp_path: Path) -> None:
    """As MVTec AD 2 lays a class of objects out: what is private has no label."""
    for number in range(3):
        image(tmp_path / f"train/good/{number}_regular.png", number)
        image(tmp_path / f"validation/good/{number}_regular.png", 10 + number)
        image(tmp_path / f"test_public/good/{number}_regular.png", 20 + number)
        image(tmp_path / f"test_public/bad/{number}_regular.png", 30 + number)
        mask(tmp_path / f"test_public/ground_truth/bad/{number}_regular_mask.png")
        image(tmp_path / f"test_private/{number}_regular.png", 40 + number)
    made = loaded(tmp_path)
    assert Counter((row.split, is_normal(row), row.mask is not None) for row in made.rows) == {
        ("train", True, False): 3, ("dev", True, False): 3, ("test", True, False): 3, ("test", None, True): 3, ("test", None, False): 3,
    }  # fmt: skip
