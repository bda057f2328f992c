"""`labelfree data check`: every kind of fault is found and named, and a sound set has none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from labelfree.data.faults import find_faults
from labelfree.data.manifest import load_manifest
from labelfree.data.masks import read_mask
from labelfree.data.pool import build_pool
from labelfree.domain import Row, Sample
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain, texture, write
from tests.planning.folders import table, voc

DOMAIN = PillowDomain()


def make(root: Path) -> None:
    draw = np.random.default_rng(0)
    lines = ["path,label,split"]
    for i in range(8):
        write(root / f"{i}.png", texture(draw, 16))
        lines.append(f"{i}.png,{'ab'[i % 2]},{('train', 'test')[i // 6]}")
    (root / "splits.csv").write_text("\n".join(lines))


def faults(root: Path) -> list[str]:
    return find_faults(load_manifest(Data(root=root), DOMAIN), DOMAIN.read, Silent()).faults


def test_a_sound_set_has_no_faults(tmp_path: Path) -> None:
    make(tmp_path)
    assert faults(tmp_path) == []


def test_every_fault_is_named(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "0.png").write_bytes(b"broken")
    write(tmp_path / "1.png", np.full((16, 16, 3), 7))
    write(tmp_path / "2.png", texture(np.random.default_rng(5), 16, 4))
    (tmp_path / "6.png").write_bytes((tmp_path / "3.png").read_bytes())
    (tmp_path / "4.png").write_bytes((tmp_path / "5.png").read_bytes())
    found = faults(tmp_path)
    expected = [
        "0.png: cannot be read",
        "2.png: 4 channels, others have 3. Name what the files hold with reader.",
        "1.png: every channel holds one value only",
        "6.png (test) has the same content as 3.png (train)",
        "5.png has the same content as 4.png, labelled 'a' there and 'b' here",
    ]
    assert len(found) == len(expected)
    for fact in expected:
        assert any(fact in sentence for sentence in found), fact


def holed(row: Row, gone: set[str]) -> Sample:
    """A picture, those of `gone` without a measurement."""
    sample = DOMAIN.read(row)
    if row.id not in gone:
        return sample
    return replace(sample, data=torch.zeros_like(sample.data), measured=torch.zeros(sample.data.shape[1:], dtype=torch.bool))


def test_empty_images_are_left_out_before_anything_is_compared(tmp_path: Path) -> None:
    make(tmp_path)
    manifest = load_manifest(Data(root=tmp_path), DOMAIN)
    found = find_faults(manifest, lambda row: holed(row, {"0.png", "7.png"}), Silent())
    assert found.faults == []  # train and test: both empty are no copies of each other, and hold no single value
    assert found.notes[0] == "2 of 8 hold a measurement in less than half of their pixels, such as 0.png; a run leaves them out."
    found = find_faults(manifest, lambda row: holed(row, {"1.png", "3.png", "5.png"}), Silent())
    assert found.faults == ["Class 'b' has 0 labels to learn from; at least 2 are needed."]


def test_images_that_are_all_empty_are_a_fault_here_as_in_a_run(tmp_path: Path) -> None:
    make(tmp_path)
    manifest = load_manifest(Data(root=tmp_path), DOMAIN)
    gone = {row.id for row in manifest.rows}
    [said] = find_faults(manifest, lambda row: holed(row, gone), Silent()).faults
    with pytest.raises(DataError) as told:
        build_pool(manifest.rows, lambda row: holed(row, gone), {}, tmp_path / "pools", say=Silent())
    assert said == str(told.value) and "each of 8 images, such as 0.png, so none is left" in said


def test_a_class_without_enough_labels(tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path / "9.png", texture(np.random.default_rng(9), 16))
    with (tmp_path / "splits.csv").open("a") as file:
        file.write("\n9.png,rare,train\n")
    assert faults(tmp_path) == ["Class 'rare' has 1 labels to learn from; at least 2 are needed."]


def annotated(root: Path, header: str, cells: list[tuple[str, ...]]) -> None:
    """Eight textures of 16 x 16 pixels and a table with these cells beside their paths."""
    draw = np.random.default_rng(1)
    for i in range(8):
        write(root / "images" / f"{i}.png", texture(draw, 16))
    table(root / "splits.csv", f"path,{header}", [(f"images/{i}.png", *cells[i]) for i in range(8)])


def square(root: Path, name: str, side: int = 16, value: int = 1) -> None:
    mask = np.zeros((side, side), dtype=np.uint8)
    mask[:2] = value
    write(root / "masks" / name, mask)


def test_masks_of_another_size_missing_broken_or_not_of_their_label(tmp_path: Path) -> None:
    for i in range(6):
        square(tmp_path, f"{i}.png")
    square(tmp_path, "1.png", side=12)
    square(tmp_path, "2.png", value=0)
    (tmp_path / "masks" / "3.png").write_bytes(b"broken")
    for i in (6, 7):
        square(tmp_path, f"{i}.png")
    (tmp_path / "masks" / "5.png").unlink()
    annotated(tmp_path, "label,mask,split", [("crack", f"masks/{i}.png", "train") for i in range(8)])
    found = faults(tmp_path)
    assert len(found) == 3  # six masks could be read, and five of six are too few to say that the sixth is odd
    for fact in (
        "1.png: 12 x 12 pixels, its image images/1.png has 16 x 16",
        "3.png: cannot be read",
        "images/5.png: its mask masks/5.png is missing",
    ):
        assert any(fact in sentence for sentence in found), fact


@pytest.mark.parametrize(("usual", "odd", "said"), [(1, 0, "marks no pixel"), (0, 1, "marks pixels")])
def test_a_mask_that_contradicts_its_label(tmp_path: Path, usual: int, odd: int, said: str) -> None:
    draw, rows = np.random.default_rng(2), []
    for i in range(12):
        write(tmp_path / f"{i}.jpg", texture(draw, 16))
        square(tmp_path, f"{i}.png", value=odd if i == 4 else usual)
        rows.append((f"{i}.jpg", "crack", f"masks/{i}.png"))
    table(tmp_path / "splits.csv", "path,label,mask", rows)
    found = faults(tmp_path)
    assert len(found) == 1 and f"4.png: {said}, but its image 4.jpg is labelled 'crack', and 11 of 12 masks" in found[0]


def test_a_palette_of_a_mask_stays_numbers(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 5], [5, 0]], dtype=np.uint8)).convert("P")
    image.putpalette([200, 0, 0] * 256)
    image.save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png", DOMAIN.read).max() == 5
    with pytest.raises(DataError, match="no such mask"):
        read_mask(tmp_path / "n.png", DOMAIN.read)


def test_boxes_without_area_missing_or_no_annotation(tmp_path: Path) -> None:
    for i in range(7):
        voc(tmp_path / "xml" / f"{i}.xml", ("ship", 0, 0, 16, 16))
    voc(tmp_path / "xml" / "1.xml", ("ship", 3, 3, 3, 9), ("ship", 1, 1, 5, 5))
    voc(tmp_path / "xml" / "2.xml", ("ship", 3, 3, 40, 9))
    (tmp_path / "xml" / "3.xml").write_text("<annotation><object><name>ship</name></object></annotation>")
    (tmp_path / "xml" / "4.xml").write_text("no annotation")
    (tmp_path / "xml" / "5.xml").write_text('<!DOCTYPE a [<!ENTITY x "xx">]><annotation>&x;</annotation>')
    annotated(tmp_path, "boxes,split", [(f"xml/{i}.xml", "train") for i in range(8)])
    found = faults(tmp_path)
    assert len(found) == 5
    for fact in (
        "1.xml: object 1 (ship) has no area; correct",
        "3.xml: object 1 (ship) has no four numbers in bndbox",
        "4.xml: is no XML",
        "5.xml: defines XML entities",
        "images/7.png: its boxes xml/7.xml are missing",
    ):
        assert any(fact in sentence for sentence in found), fact


def test_a_polygon_in_a_cell_is_no_missing_file(tmp_path: Path) -> None:
    annotated(tmp_path, "boxes,split", [("[[1.5, 2.0, 3.0, 4.5]]", "train")] * 8)
    assert faults(tmp_path) == []


def test_with_an_audit_one_label_teaches_a_class_and_none_is_no_fault(tmp_path: Path) -> None:
    rows = [("0.png", "a", "", "typical"), ("1.png", "b", "", "typical"), ("2.png", "a", "test", "audit"), ("3.png", "c", "test", "audit")]
    for i in range(4):
        write(tmp_path / f"{i}.png", np.random.default_rng(i).integers(0, 255, (16, 16, 3)))
    table(tmp_path / "splits.csv", "path,label,split,chosen", rows)
    assert faults(tmp_path) == []
    table(tmp_path / "splits.csv", "path,label,split", [row[:3] for row in rows])
    assert [text.partition(" has")[0] for text in faults(tmp_path)] == ["Class 'a'", "Class 'b'", "Class 'c'"]
