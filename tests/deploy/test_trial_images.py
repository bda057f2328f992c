"""Which images an export is tried on where nobody names any."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from labelfree.deploy.exports.labelled_images import trial_images
from tests.data.fake_domain import PillowDomain, texture, write


@pytest.mark.parametrize(("task", "count"), [("classification", 4), ("detection", 4), ("anomaly", 4)])
def test_good_or_not_is_a_label_of_drawn_images(tmp_path: Path, task: str, count: int) -> None:
    """Where no image has a class, those with and those without an object are the two, as in the run."""
    for number in range(6):
        write(tmp_path / f"set/{number}.png", texture(np.random.default_rng(number), 16))
    images = [{"id": number, "file_name": f"{number}.png", "width": 16, "height": 16} for number in range(4)]
    drawn = [{"id": number, "image_id": number, "category_id": 1, "bbox": [2, 2, 6, 6]} for number in range(2)]
    coco = {"images": images, "annotations": drawn, "categories": [{"id": 1, "name": "pit"}]}
    (tmp_path / "set/coco.json").write_text(json.dumps(coco), encoding="utf-8")
    run = tmp_path / "run"
    (run / "heads").mkdir(parents=True)
    data = json.dumps({"root": str(tmp_path / "set"), "labels": str(tmp_path / "set/coco.json")})
    (run / "recipe.yaml").write_text(f"domain: inspection\ndata: {data}\n", encoding="utf-8")
    head = SimpleNamespace(path=run / "heads/a.safetensors", card=SimpleNamespace(task=task), domain=PillowDomain())
    tried = trial_images(head, (), (), tmp_path / "out", print)  # type: ignore[arg-type]
    assert len(tried.rows) == count and {row.id for row in tried.rows} == {f"{number}.png" for number in range(4)}
