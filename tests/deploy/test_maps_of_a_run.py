"""From masks to a head that maps new pictures, with nothing left of the run. A run of pixels: half a minute on one busy core."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.deploy.head_file import read_card
from labelfree.progress import Silent
from tests.small_runs import table

SMALL = [
    "backbone.name=test_resnet", "data.leak_limit=1.0", "data.holdout=0.3", "evaluate.draws=1", "evaluate.labels_per_class=[4]",
    "evaluate.arms=[statistics, random]", "evaluate.protocols=[linear]",
    "evaluate.primary={arm: statistics, against: random, protocol: linear, budget: 4, metric: mean_iou}",
]  # fmt: skip


def disc(seed: int, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A picture (side, side, 3) with a disc of another colour, and (side, side) bool where that is."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    middle, radius = draw.integers(15, side - 15, 2), draw.integers(8, 14)
    there = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < radius**2
    pixels = 90 + draw.normal(0, 10, (side, side, 3))
    pixels[there] += (60, 10, -20)
    return pixels.clip(0, 255).astype(np.uint8), there


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recommended head of a run on twelve masks; the run is gone."""
    root = tmp_path_factory.mktemp("discs")
    for part in ("pictures", "masks"):
        (root / part).mkdir()
    for at in range(12):
        pixels, there = disc(at)
        Image.fromarray(pixels).save(root / "pictures" / f"l{at:02d}.png")
        Image.fromarray((255 * there).astype(np.uint8)).save(root / "masks" / f"l{at:02d}.png")
    for at in range(12):
        Image.fromarray(disc(100 + at)[0]).save(root / "pictures" / f"u{at:02d}.png")
    rows = [(f"l{at:02d}.png", root / "masks" / f"l{at:02d}.png") for at in range(12)]
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "mask"), *rows])
    given = [f"data.root={root / 'pictures'}", f"data.labels={root / 'labels.csv'}", *SMALL]
    run = labelfree.run("satellite_simclr", given, root / "run", say=Silent())
    head = Path(shutil.copy(run.folder / "heads" / "recommended.safetensors", root / "kept.safetensors"))
    shutil.rmtree(run.folder)
    return head


def test_new_pictures_are_mapped_as_they_are(kept: Path, tmp_path: Path) -> None:
    head = labelfree.load_head(kept)
    assert head.classes == ("background", "foreground") and read_card(kept).task == "segmentation"
    (tmp_path / "new").mkdir()
    for at in range(4):
        Image.fromarray(disc(200 + at)[0]).save(tmp_path / "new" / f"{at}.png")
    labelfree.predict(kept, tmp_path / "new", tmp_path / "out", say=Silent())
    for row in table(tmp_path / "out" / "predictions.csv"):
        said, there = np.asarray(Image.open(tmp_path / "out" / row["map"])) == 1, disc(200 + int(row["path"][0]))[1]
        assert (said & there).sum() / (said | there).sum() > 0.9
        assert float(row["percent_foreground"]) == pytest.approx(100 * said.mean(), abs=1e-3)
