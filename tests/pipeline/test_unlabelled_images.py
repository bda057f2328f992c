"""Runs whose heads also learn from the unlabelled images: which images these are, and how they are read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import labelfree
from labelfree.deploy.loading import load_head
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from tests.small_runs import picture

ARMS = "evaluate.arms=[statistics, random]"
SMALL = [
    "backbone.name=test_resnet", "evaluate.sizes=[32]", "evaluate.draws=1", "evaluate.labels_per_class=[2]", ARMS,
    "evaluate.protocols=[linear, propagate]", "data.leak_limit=1.0",  # stripes of two kinds do look alike
    "evaluate.primary={arm: random, against: statistics, protocol: propagate, budget: 2, metric: accuracy}",
]  # fmt: skip


def folder_of(root: Path, rest: int, split: bool) -> Path:
    """24 labelled pictures of two classes and `rest` without a label, one of which is a copy of a labelled one."""
    root.mkdir()
    lines = ["path,label,split"]
    for at in range(24):
        Image.fromarray(picture(at % 2, at)).save(root / f"l{at:02}.png")
        lines.append(f"l{at:02}.png,{'along' if at % 2 else 'across'},{('train' if at < 12 else 'test') if split else ''}")
    for at in range(rest):
        Image.fromarray(picture(at % 2, at if at == 3 else 100 + at)).save(
            root / f"u{at:02}.png"
        )  # l03.png is labelled, train where there is a split
        lines.append(f"u{at:02}.png,,")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def compared(root: Path, out: Path, *more: str) -> Run:
    asked = [f"data.root={root}", f"data.labels={root / 'labels.csv'}", *SMALL, *more]
    return labelfree.evaluate("satellite_simclr", asked, out, say=Silent())


def answers(run: Run, protocol: str) -> np.ndarray:
    table = pq.read_table(run.folder / "predictions.parquet")
    column = table.filter(np.array(table["protocol"].to_pylist()) == protocol)["scores"].combine_chunks()
    return column.flatten().to_numpy().reshape(-1, 2)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("folds") / "pictures", 40, split=False)


@pytest.fixture(scope="module")
def by_folds(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return compared(pictures, tmp_path_factory.mktemp("runs") / "run")


@pytest.mark.parametrize("split", [False, True], ids=["folds", "given split"])
def test_every_arm_is_compared_beside_the_pool_and_the_head_is_kept(tmp_path: Path, by_folds: Run, split: bool) -> None:
    run = compared(folder_of(tmp_path / "pictures", 40, split), tmp_path / "run") if split else by_folds
    with run.results.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["arm"], row["protocol"]) for row in rows} == {(a, p) for a in ("statistics", "random") for p in ("linear", "propagate")}
    assert not any("undertrained" in row["flags"] for row in rows)
    head = load_head(run.folder / "heads" / "propagate.safetensors").head
    scores = head(np.random.default_rng(0).normal(size=(3, len(head.mean))).astype(np.float32))
    np.testing.assert_allclose(scores.sum(1).numpy(), 1, atol=1e-5)
    assert "labels spread over" in run.report.read_text(encoding="utf-8")  # type: ignore[union-attr]


def test_a_tiled_pool_is_read_again_whole_and_gives_the_same(tmp_path: Path, pictures: Path, by_folds: Run) -> None:
    tiled = compared(pictures, tmp_path / "tiled", "pool.tile=16")
    np.testing.assert_allclose(answers(tiled, "propagate"), answers(by_folds, "propagate"), atol=1e-5)


def test_copies_of_scored_images_change_nothing(tmp_path: Path, by_folds: Run) -> None:
    """The pool's copy of l03.png is dropped; a folder without it gives the same."""
    root = folder_of(tmp_path / "pictures", 40, split=False)
    (root / "u03.png").unlink()
    table = (root / "labels.csv").read_text().splitlines()
    (root / "labels.csv").write_text("\n".join(line for line in table if not line.startswith("u03")) + "\n")
    two = compared(root, tmp_path / "two")
    assert json.loads((by_folds.folder / "leaks.json").read_text())["exact"]
    np.testing.assert_allclose(answers(by_folds, "propagate"), answers(two, "propagate"), atol=1e-5)


def test_too_few_unlabelled_images_are_said_and_not_used(tmp_path: Path) -> None:
    run = compared(folder_of(tmp_path / "pictures", 8, split=False), tmp_path / "run")
    notes = json.loads((run.folder / "notes.json").read_text())
    assert "propagate: 7 images without a label may be learned from, fewer than 20, so the labelled ones alone are." in notes


def test_of_very_many_a_random_part_is_learned_from_and_said(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelfree.pipeline.unlabelled_images.MOST", 25)
    run = compared(pictures, tmp_path / "run")
    # of 40 images without a label one is a copy of a labelled one, and is not pretrained on
    assert "propagate: a random 25 of the 39 images pretrained on are learned from." in json.loads((run.folder / "notes.json").read_text())
