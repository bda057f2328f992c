"""The images that an export is tried on: those of the head's run whose labels its task reads, whatever file they are in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import labelfree
from labelfree.deploy.exports.labelled_images import trial_images
from labelfree.transfer.protocols import Head, find_protocol
from tests.deploy.made_heads import scene, vector_head


def test_a_head_of_good_or_not_is_tried_on_what_is_drawn(tmp_path: Path) -> None:
    """No image has a class: a COCO file lists four of six, and draws a box on one."""
    images, run = tmp_path / "images", tmp_path / "run"
    images.mkdir()
    for at in range(6):
        scene(images / f"{at}.tif", 32, 32, seed=at)
    listed = [{"id": at, "file_name": f"{at}.tif", "width": 32, "height": 32} for at in range(4)]
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 4, 9, 9], "area": 81}
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"images": listed, "annotations": [box], "categories": [{"id": 1, "name": "pit"}]}))
    (run / "heads").mkdir(parents=True)
    (run / "recipe.yaml").write_text(f"domain: satellite\ndata: {{root: {images}, labels: {labels}}}\n")
    tensors = {"mean": torch.zeros(8), "blocks": torch.tensor([8]), "weight": torch.ones(2, 8), "bias": torch.zeros(2)}
    head = vector_head(run / "heads" / "linear.safetensors", Head(find_protocol("linear"), tensors), ("anomalous", "normal"))
    tried = trial_images(labelfree.load_head(head), [], (), tmp_path / "out", print)
    assert {row.id: row.label for row in tried.rows} == {f"{at}.tif": "anomalous" if at == 1 else "normal" for at in range(4)}


@pytest.mark.parametrize(("pixels", "expected"), [(2**26, range(12)), (5 * 32 * 32, [0, 2, 5, 8, 11]), (1, [0, 3, 7, 11])])
def test_of_large_images_fewer_are_tried(pixels: int, expected: Sequence[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that cannot be read says nothing of the others' size."""
    files = [tmp_path / f"{at:02d}.tif" for at in range(12)]
    for at, file in enumerate(files):
        scene(file, 32, 32, seed=at)
    files[0].write_bytes(files[0].read_bytes()[:200])
    tensors = {"mean": torch.zeros(8), "blocks": torch.tensor([8]), "weight": torch.ones(2, 8), "bias": torch.zeros(2)}
    head = vector_head(tmp_path / "linear.safetensors", Head(find_protocol("linear"), tensors), ("a", "b"))
    monkeypatch.setattr("labelfree.deploy.exports.labelled_images.MOST_PIXELS", pixels)
    tried = trial_images(labelfree.load_head(head), files, (), tmp_path / "out", print)
    assert [Path(row.id).name for row in tried.rows] == [f"{at:02d}.tif" for at in expected]
