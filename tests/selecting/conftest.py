"""A folder of pictures of three kinds, a network to look at them with, and answers for a table that was written for them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import save

KINDS = ("field", "roof", "water")
Answer = Callable[..., Path]


def picture(kind: int, number: int) -> np.ndarray:
    """(32, 32, 3) uint8: a colour of the kind, and noise of its own."""
    colour = np.full(3, 60) + 120 * (np.arange(3) == kind)
    return np.clip(colour + np.random.default_rng([kind, number]).normal(0, 25, (32, 32, 3)), 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """48 pictures: 16 fields, 16 roofs, 16 waters, as their names tell."""
    root = tmp_path / "images"
    root.mkdir()
    for at in range(48):
        Image.fromarray(picture(at % 3, at)).save(root / f"{at:02d}_{KINDS[at % 3]}.png")
    return root


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights that reads pictures."""
    torch.manual_seed(0)
    rgb, ones, zeros = ("red", "green", "blue"), (1.0,) * 3, (0.0,) * 3
    file = tmp_path_factory.mktemp("weights") / "small.safetensors"
    ends = {"dtype": "uint8", "low": zeros, "high": ones}
    return save(
        build("test_resnet", 3),
        WeightCard("test_resnet", rgb, "display", (1 / 255,) * 3, zeros, (0.5,) * 3, (0.2,) * 3, 32, domain="satellite", **ends),
        file,
    )


@pytest.fixture
def answer(tmp_path: Path) -> Answer:
    """Writes the labels.csv that a person makes of a select.csv: each image's kind, all but the first `skipped`."""

    def write(table: Path, skipped: int = 0) -> Path:
        file = tmp_path / f"labels-{table.parent.name}.csv"
        with table.open(encoding="utf-8", newline="") as given, file.open("w", encoding="utf-8", newline="") as made:
            lines = csv.writer(made)
            lines.writerow(["path", "label", "group", "split", "chosen", "state"])
            for number, row in enumerate(csv.DictReader(given)):
                kind, state = ("", "skipped") if number < skipped else (row["path"].split("_")[1].removesuffix(".png"), "")
                lines.writerow([row["path"], kind, row["group"], row["split"], row["chosen"], state])
        return file

    return write
