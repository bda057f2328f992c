"""A run whose classes are compared in tiles: it tells how many, leaves a head that looks in tiles too, and is not the run without."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.errors import DataError, RecipeError
from labelfree.progress import Silent
from tests.small_runs import folder_of, run_on, table

TILE = 32
IN_TILES = ["evaluate.sizes=auto", f"evaluate.tile={TILE}", "evaluate.minutes=20"]

pytestmark = pytest.mark.slow


def test_a_run_in_tiles_from_the_recipe_to_a_prediction(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images", labelled=12, unlabelled=20, side=80)
    run = run_on(folder, tmp_path / "run", *IN_TILES)
    notes = json.loads((run.folder / "notes.json").read_text())
    assert any(f"evaluate.tile={TILE}: every arm looks at each labelled image in 9 overlapping tiles" in note for note in notes)
    assert "tiles of 32 x 32 pixels at its own resolution" in (run.folder / "report.html").read_text()
    assert {row["size"] for row in table(run.folder / "results.csv") if row["arm"] == "random"} == {str(TILE)}
    head = labelfree.load_head(run.folder)
    assert head.card.tile == TILE and "looks at an image in overlapping tiles" in (run.folder / "heads/recommended.md").read_text()
    pixels = np.array(Image.open(folder / "u00.png"))
    rows = table(labelfree.predict(run.folder, folder / "u00.png", tmp_path / "out", say=Silent()).files[0])
    assert rows[0]["class"] == head.predict(folder / "u00.png").name and pixels.shape[:2] == (80, 80)
    with pytest.raises(DataError, match="looks at images in tiles of 32 pixels, and a student sees them whole"):
        labelfree.distil(run.folder, folder, "test_resnet", out=tmp_path / "student", steps=1, say=Silent())


def test_training_the_network_along_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images")
    with pytest.raises(RecipeError, match="finetune trains its network on whole images"):
        run_on(folder, tmp_path / "run", *IN_TILES, "evaluate.protocols=[linear, finetune]")
    assert not list(tmp_path.glob("run/**/*.npy"))
