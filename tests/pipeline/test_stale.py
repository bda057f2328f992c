"""Scores are those of the images that are there: files replaced under the same names never bring the old ones back."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio

import labelfree
from labelfree.progress import Silent
from tests.satellite.files import write_tif

SMALL = [
    "backbone.name=test_resnet", "evaluate.sizes=[32]", "evaluate.draws=2", "evaluate.labels_per_class=[1]", "evaluate.protocols=[knn]",
    "evaluate.arms=[statistics, random]", "data.leak_limit=1.0",
    "evaluate.primary={arm: random, against: statistics, protocol: knn, budget: 1, metric: accuracy}",
]  # fmt: skip
BANDS = ("red", "green", "blue", "nir")


def image(seed: int, more: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).integers(300, 3000, (4, 32, 32)) + more).astype("uint16")


def write(root: Path, seed: int, apart: int) -> None:
    """4 images to pretrain on and 16 of two classes, the second brighter by `apart`."""
    lines = ["path,label,split"]
    for i in range(20):
        write_tif(root / f"{i}.tif", image(seed + i, apart * (i >= 4 and i % 2)), BANDS, placed=False)
        lines.append(f"{i}.tif,,pretrain" if i < 4 else f"{i}.tif,{'ab'[i % 2]},{'train' if i < 12 else 'test'}")
    (root / "splits.csv").write_text("\n".join(lines))


def other_pixels(root: Path) -> None:
    write(root, 1000, 0)


def other_scale(root: Path) -> None:
    for i in range(20):
        with rasterio.open(root / f"{i}.tif", "r+") as file:
            file.scales, file.offsets = (1e-4,) * 4, (-0.1,) * 4


def other_unlabelled(root: Path) -> None:
    for i in range(4):
        write_tif(root / f"{i}.tif", image(i, 20000), BANDS, placed=False)


def other_labels(root: Path) -> None:
    table = (root / "splits.csv").read_text()
    (root / "splits.csv").write_text(table.replace("5.tif,b", "5.tif,a").replace("14.tif,a", "14.tif,b"))


def scores(run: Path) -> list[list[str]]:
    with (run / "results.csv").open(newline="") as stream:
        return [row[1:] for row in csv.reader(stream)]  # but for the run's name


@pytest.mark.parametrize(
    "change",
    [other_pixels, pytest.param(other_scale, marks=pytest.mark.slow), pytest.param(other_unlabelled, marks=pytest.mark.slow), other_labels],
    ids=lambda change: change.__name__,
)
def test_a_comparison_of_changed_images_is_a_fresh_one(tmp_path: Path, change: Callable[[Path], None]) -> None:
    root = tmp_path / "images"
    root.mkdir()
    write(root, 0, 4000)
    recipe = ["satellite_simclr", [f"data.root={root}", *SMALL]]
    labelfree.evaluate(*recipe, out=tmp_path / "run", say=Silent())
    change(root)
    labelfree.evaluate(*recipe, out=tmp_path / "run", say=Silent())
    labelfree.evaluate(*recipe, out=tmp_path / "fresh", say=Silent())
    assert scores(tmp_path / "run") == scores(tmp_path / "fresh")
    old, fresh = (pq.read_table(tmp_path / name / "predictions.parquet").drop_columns(["run"]) for name in ("run", "fresh"))
    assert old.equals(fresh)
