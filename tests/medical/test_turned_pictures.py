"""Pictures are read upright, and what was drawn on them lies where it was drawn, whichever way up that was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from labelfree_medical import Medical
from PIL import Image, ImageOps

from labelfree.data.manifest import load_manifest
from labelfree.data.set_labels import SetLabels
from labelfree.recipe import Data

ORIENTATION = 274


@pytest.mark.parametrize("drawn", ["upright", "stored", "no size"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_drawn_box_lies_on_what_it_was_drawn_on(tmp_path: Path, turn: int, drawn: str) -> None:
    pixels = np.zeros((30, 40), np.uint8)
    pixels[4:9, 25:37] = 255
    stored, exif = Image.fromarray(pixels), Image.Exif()
    exif[ORIENTATION] = turn
    stored.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))
    if drawn == "stored" and stored.size == upright.shape[::-1]:
        pytest.skip("sizes do not tell which way up it was drawn")
    shown = pixels if drawn == "stored" else upright
    rows, columns = np.nonzero(shown)
    box = [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
    size = {} if drawn == "no size" else {"width": shown.shape[1], "height": shown.shape[0]}
    content = {
        "images": [{"id": 1, "file_name": "a.png", **size}],
        "categories": [{"id": 1, "name": "nodule"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": box}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    domain = Medical()
    manifest = load_manifest(Data(root=tmp_path, labels=tmp_path / "coco.json"), domain)
    (row,) = manifest.rows
    picture = domain.read(row).data[0].numpy()
    assert picture.shape == upright.shape and np.array_equal(picture > 0, upright > 0)
    labels = SetLabels(manifest, domain).boxes(manifest.rows)
    assert not labels.faults
    left, top, right, bottom = np.rint(labels.boxes(row).corners[0]).astype(int).tolist()
    found = np.zeros_like(upright, bool)
    found[top:bottom, left:right] = True
    assert np.array_equal(found, upright > 0)
    targets = domain.read_targets(row, domain.read(row))
    assert [round(side) for side in targets.boxes[0].tolist()] == [top, left, bottom, right]
