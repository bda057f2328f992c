"""Rows of a table that `data.where` takes, and names in a table that say less than a path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labelfree.data.manifest import Manifest, load_manifest
from labelfree.errors import DataError
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain, texture, write


def image(file: Path, seed: int = 0) -> None:
    write(file, texture(np.random.default_rng(seed), 16))


def load(**data: object) -> Manifest:
    return load_manifest(Data.model_validate(data), PillowDomain())


def products(root: Path) -> Path:
    """Two products in one table, as VisA lists its objects; the masks of bad ones beside them."""
    lines = []
    for number, (product, good) in enumerate((product, good) for product in ("candle", "pcb") for good in (True, True, False)):
        name = f"{product}/images/{number}.png"
        image(root / name, number)
        image(root / f"{product}/masks/{number}.png", 50 + number)
        lines.append(f"{product},{'normal' if good else 'anomaly'},{name},{'' if good else f'{product}/masks/{number}.png'}")
    (root / "tables").mkdir()
    (root / "tables/all.csv").write_text("\n".join(["object,label,image,mask", *lines]), encoding="utf-8")
    return root


def test_rows_of_one_product_are_taken_and_images_of_others_left(tmp_path: Path) -> None:
    products(tmp_path)
    every = load(root=tmp_path, labels=tmp_path / "tables/all.csv")
    assert len(every.rows) == 6 and any("`object` tells 2 sets apart (candle 3, pcb 3)" in note for note in every.notes)
    found = load(root=tmp_path, labels=tmp_path / "tables/all.csv", where={"object": "candle"})
    assert [row.id for row in found.rows] == [f"candle/images/{number}.png" for number in range(3)]
    assert not any("sets apart" in note for note in found.notes)
    inside = load(root=tmp_path / "candle", labels=tmp_path / "tables/all.csv", where={"object": ["candle"]})
    assert [row.id for row in inside.rows] == [f"images/{number}.png" for number in range(3)]
    assert inside.rows[2].mask == str(tmp_path / "candle/masks/2.png")
    with pytest.raises(DataError, match=r"6 of the 6 files .*`object` tells 2 sets apart"):
        load(root=tmp_path / "candle", labels=tmp_path / "tables/all.csv")
    boxes = "product,path,label,xmin,ymin,xmax,ymax\n"
    boxes += "".join(f"{'candle' if number < 3 else 'pcb'},{row.id},dent,1,1,5,5\n" for number, row in enumerate(every.rows))
    (tmp_path / "boxes.csv").write_text(boxes, encoding="utf-8")
    drawn = load(root=tmp_path, labels=tmp_path / "boxes.csv", where={"product": "pcb"})
    assert [row.id for row in drawn.rows] == [f"pcb/images/{number}.png" for number in range(3, 6)] and all(
        row.listed for row in drawn.rows
    )


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"objekt": "pcb"}, r"all\.csv has no column 'objekt'; did you mean object\?"),
        ({"object": "candel"}, r"no row of all\.csv has 'candel' in `object`; did you mean candle\?"),
        ({"object": "pcb", "image": "candle/images/0.png"}, "no row of all.csv has all of it"),
    ],
)
def test_rows_that_are_not_there(tmp_path: Path, where: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=f"data.where: {said}"):
        load(root=products(tmp_path), labels=tmp_path / "tables/all.csv", where=where)


def test_rows_of_no_table_cannot_be_taken(tmp_path: Path) -> None:
    image(tmp_path / "a/1.png")
    (tmp_path / "coco.json").write_text('{"images": [], "annotations": [], "categories": []}', encoding="utf-8")
    with pytest.raises(DataError, match="data.where: .* has no table of labels"):
        load(root=tmp_path, where={"object": "x"})
    with pytest.raises(DataError, match=r"data\.where: .*coco\.json is no table"):
        load(root=tmp_path, labels=tmp_path / "coco.json", where={"object": "x"})


def test_a_name_without_its_folder_is_looked_for(tmp_path: Path) -> None:
    for name in ("lot1/a.png", "lot2/b.png", "lot2/c.png", "lot1/c.png"):
        image(tmp_path / name)
    (tmp_path / "labels.csv").write_text("path,label\na.png,x\nb.png,y\n", encoding="utf-8")
    found = load(root=tmp_path, labels=tmp_path / "labels.csv")
    assert {row.id: row.label for row in found.rows if row.label} == {"lot1/a.png": "x", "lot2/b.png": "y"}
    (tmp_path / "labels.csv").write_text("path,label\na.png,x\nc.png,y\n", encoding="utf-8")
    with pytest.raises(DataError, match=r'"c\.png" fits lot1/c\.png, lot2/c\.png; write its folder and ending'):
        load(root=tmp_path, labels=tmp_path / "labels.csv")
