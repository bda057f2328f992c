"""The generated parts: repeatable, split by lot, most of them good, defects where masks and boxes say."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from labelfree_inspection import generated_parts
from labelfree_inspection.generated_parts import DEFECTS, FULL, MAKERS, MATERIALS, SIDE, generate, parts, photograph
from PIL import Image

from labelfree.data.table_cells import captions_in
from labelfree.errors import DataError

FEW = {"pretrain": 2, "train": 1, "dev": 1, "test": 1}  # lots


def written(directory: Path, variant: str, seed: int = 3, lots: dict[str, int] = FEW) -> Path:
    """A small sample of a kind: fewer lots."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generated_parts, "SPLITS", lots)
        generate(directory, seed, variant)
    return directory


@pytest.fixture(scope="module", params=["", "8bit", "lights"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("parts"), request.param)


def table(directory: Path) -> list[dict[str, str]]:
    with (directory / "splits.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(directory: Path) -> dict[str, bytes]:
    return {file.relative_to(directory).as_posix(): file.read_bytes() for file in sorted(directory.rglob("*")) if file.is_file()}


def test_notes_name_the_defect(made: Path) -> None:
    for row in table(made):
        captions = captions_in(row["text"])
        assert len(captions) == 2
        assert all(row["label"] in caption.lower() for caption in captions) or row["label"] == "good"
        said = " ".join(captions).lower()
        assert row["label"] != "good" or not any(defect in said for defect in ("scratch", "pit", "inclusion", "patch"))


@pytest.mark.parametrize("variant", ["", "8bit", "lights"])
def test_same_seed_same_files(variant: str, tmp_path: Path) -> None:
    one = {"pretrain": 1}
    first, again, other = (contents(written(tmp_path / name, variant, seed, one)) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first == again and first.keys() == other.keys() and first != other
    assert b"GENERATED" in first["GENERATED.txt"]


def test_lots_never_straddle_splits_and_most_parts_are_good(made: Path) -> None:
    splits, kinds = defaultdict(set), defaultdict[str, Counter[str]](Counter)
    for row in table(made):
        splits[row["group"]].add(row["split"])
        kinds[row["split"]][row["label"]] += 1
    assert all(len(found) == 1 for found in splits.values()) and len(splits) == sum(FEW.values())
    assert all(set(found) == {"good", *DEFECTS} for found in kinds.values()) and set(kinds) == set(FEW)
    assert all(found.most_common(1)[0][0] == "good" for found in kinds.values())


def test_masks_and_boxes_belong_to_their_images(made: Path) -> None:
    bits = 8 if np.asarray(Image.open(made / table(made)[0]["path"])).dtype == np.uint8 else 12
    for row in table(made):
        image, mask = (np.asarray(Image.open(made / row[key])) for key in ("path", "mask"))
        assert image.shape == mask.shape == (SIDE, SIDE) and 2**bits / 16 < image.mean() < 0.7 * 2**bits and image.max() < 2**bits
        boxes = list(ElementTree.parse(made / row["boxes"]).iter("object"))
        assert {box.findtext("name") for box in boxes} == ({row["label"]} - {"good"})
        inside = np.zeros_like(mask)
        for box in boxes:
            left, top, right, bottom = (int(box.findtext(f"bndbox/{key}") or -1) for key in ("xmin", "ymin", "xmax", "ymax"))
            assert 0 <= left < right <= SIDE and 0 <= top < bottom <= SIDE and mask[top:bottom, left:right].any()
            inside[top:bottom, left:right] = 1
        assert set(np.unique(mask)) == ({0} if row["label"] == "good" else {0, DEFECTS.index(row["label"]) + 1})
        assert not mask[inside == 0].any()


def test_another_lamp_shows_the_same_part(tmp_path: Path) -> None:
    rows = table(written(tmp_path, "lights", lots={"train": 1}))
    first, second = ([row for row in rows if row["path"].startswith(f"images/{lamp}/")] for lamp in ("lamp1", "lamp2"))
    assert len(first) == len(second) == 16 and [row["mask"] for row in first] == [row["mask"] for row in second]
    for one, other in zip(first, second, strict=True):
        levels = [np.asarray(Image.open(tmp_path / row["path"])).astype(float) for row in (one, other)]
        slow = [np.asarray(Image.fromarray(x).resize((4, 4), Image.Resampling.BOX)) for x in levels]
        assert np.abs(slow[0] / slow[0].mean() - slow[1] / slow[1].mean()).max() > 0.05, "the light is the same"
        fine = [
            x - np.asarray(Image.fromarray(s).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for x, s in zip(levels, slow, strict=True)
        ]
        assert np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1] > 0.7, "the surface is another"


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defect_changes_the_surface_where_its_mask_says(kind: str) -> None:
    for seed in range(12):
        surface = MATERIALS[seed % 3](np.random.default_rng(seed), np.random.default_rng(seed + 99))
        for defect in MAKERS[kind](np.random.default_rng(seed)):
            changed = np.abs(surface * defect.share * (defect.surface - 1))
            assert defect.mask.any() and changed[defect.mask].mean() > 0.02 and not changed[defect.share == 0].any()
            assert 0.001 < defect.mask.mean() < 0.15
            rows, columns = np.nonzero(defect.mask)
            assert max(np.ptp(rows), np.ptp(columns)) >= 2


def test_noise_is_that_of_a_sensor() -> None:
    """Shot noise grows as the root of the light; nothing but saturation is cut off."""
    part = next(parts(0, 0))
    flat = part._replace(surface=np.full((SIDE, SIDE), 0.3))
    levels = [photograph(flat, seed, 0).astype(float) for seed in range(2)]
    for one in levels:
        apart = one[:, 1:] - one[:, :-1]
        expected = np.sqrt(2 * (one.mean() / generated_parts.ELECTRONS + generated_parts.READ**2))
        assert abs(apart.std() / expected - 1) < 0.1 and one.max() < FULL


def test_unknown_variants_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"variant 'rgb': the generated sample comes as '' \(12 bits, one lamp\), '8bit', 'lights'"):
        generate(tmp_path, variant="rgb")
