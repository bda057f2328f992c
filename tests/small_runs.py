"""Small pictures of two classes, and a run of seconds that compares on them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import labelfree
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent

SMALL = [
    "backbone.name=test_resnet", "pretrain.steps=2", "pretrain.minutes=null", "pretrain.batch_size=8", "pretrain.options={hidden: 32}",
    "evaluate.sizes=[32]", "evaluate.draws=1", "evaluate.labels_per_class=[1, 2]", "evaluate.arms=[statistics, random, domain]",
    "data.leak_limit=1.0",  # stripes of two kinds do look alike
    "evaluate.primary={arm: domain, against: random, protocol: linear, budget: 2, metric: accuracy}",
]  # fmt: skip


def picture(kind: int, seed: int, side: int = 32) -> np.ndarray:
    """(side, side, 3) uint8: stripes across or along."""
    draw = np.random.default_rng(seed)
    stripes = np.sin(np.arange(side) * (0.5 + draw.random()))[None, :, None] * 80
    image = 120 + (stripes if kind else stripes.transpose(1, 0, 2)) + draw.normal(0, 12, (side, side, 3))
    return image.clip(0, 255).astype(np.uint8)


def folder_of(root: Path, labelled: int = 24, unlabelled: int = 30, side: int = 32) -> Path:
    """A folder of pictures; `labels.csv` names the class of the first ones."""
    root.mkdir(parents=True, exist_ok=True)
    names = [(f"{'wl'[i % 2]}{i:02d}.png", "along" if i % 2 else "across") for i in range(labelled)]
    for i, (name, _) in enumerate(names):
        Image.fromarray(picture(i % 2, i, side)).save(root / name)
    for i in range(unlabelled):
        Image.fromarray(picture(i % 2, 100 + i, side)).save(root / f"u{i:02d}.png")
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label"), *names])
    return root


def run_on(folder: Path, out: Path, *overrides: str, small: Sequence[str] = SMALL) -> Run:
    return labelfree.run(
        "satellite_simclr", [f"data.root={folder}", f"data.labels={folder / 'labels.csv'}", *small, *overrides], out, say=Silent()
    )


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
