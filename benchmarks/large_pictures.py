"""Good and defect on large GENERATED pictures, shrunk whole against looked at in tiles: ImageNet's network alone, scored on dev.

    python benchmarks/large_pictures.py [--side 768] [--tiles 256 128]

Textures of 12 bits under uneven light; half of the pictures have one scratch of 20 to 48 or one pit of 15 to 28 pixels. 40 labelled ones,
40 that are scored, lots of four apart. About 4 minutes on one idle core.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import mean

import numpy as np
from PIL import Image

import labelfree
from labelfree.progress import Silent

FULL = 4095
LOTS = {"pretrain": 3, "train": 10, "dev": 10}  # of four pictures, two of them good
SETTINGS = [
    "evaluate.on=dev", "evaluate.arms=[statistics, imagenet]", "evaluate.labels_per_class=[5, 10]", "data.leak_limit=1.0",
    "evaluate.primary={arm: imagenet, against: statistics, protocol: linear, budget: 10, metric: accuracy}",
]  # fmt: skip


def surface(lot: np.random.Generator, part: np.random.Generator, side: int) -> np.ndarray:
    """(side, side) gray levels: grain along the lot's direction, light that falls off to one side, noise of the sensor."""
    down, across = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    angle, stretch, rough = lot.uniform(0, np.pi), lot.choice([1.0, 4.0, 16.0]), lot.uniform(1.0, 2.0)
    along, beside = across * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - across * np.sin(angle)
    frequency = np.hypot(along * stretch, beside)
    frequency[0, 0] = np.inf
    grain = np.fft.irfft2(np.fft.rfft2(part.standard_normal((side, side))) * frequency ** (-rough / 2), s=(side, side))
    y, x = np.mgrid[:side, :side] / side - 0.5
    turn = lot.uniform(0, 2 * np.pi)
    light = part.uniform(0.8, 1.2) * (1 + part.uniform(0.2, 0.6) * (x * np.cos(turn) + y * np.sin(turn)))
    return np.asarray(FULL * (0.42 + 0.05 * grain / grain.std()) * light)


def spoilt(levels: np.ndarray, draw: np.random.Generator, scratch: bool) -> np.ndarray:
    """The same with one defect somewhere inside."""
    side = len(levels)
    row, column = draw.uniform(40, side - 40, 2)
    angle, (y, x) = draw.uniform(0, np.pi), np.mgrid[:side, :side] + 0.5
    along = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
    beside = (y - row) * np.cos(angle) - (x - column) * np.sin(angle)
    if scratch:
        share = (draw.uniform(1.3, 2.0) - abs(beside)).clip(0, 1) * (draw.uniform(10, 24) - abs(along)).clip(0, 1)
        return levels * (1 + share * (draw.choice([0.55, 1.5]) - 1))
    radius = draw.uniform(7.5, 14)
    return np.asarray(levels * (1 + (radius - np.hypot(along, beside)).clip(0, 1) * (0.35 * along / radius - 0.4)))


def write(folder: Path, side: int) -> None:
    """Pictures, and `splits.csv`."""
    rows, lot = [], 0
    for split, count in LOTS.items():
        for _ in range(count):
            for number in range(4):
                draw = np.random.default_rng([lot, number])
                levels = surface(np.random.default_rng(lot), draw, side)
                levels = spoilt(levels, draw, number == 2) if number > 1 else levels
                levels += draw.standard_normal(levels.shape) * np.sqrt(levels.clip(0) / 2.5 + 16)
                Image.fromarray(levels.round().clip(0, FULL).astype(np.uint16)).save(folder / f"{lot:02d}_{number}.png")
                rows.append((f"{lot:02d}_{number}.png", ("good", "defect")[number > 1], f"lot{lot:02d}", split))
            lot += 1
    with (folder / "splits.csv").open("w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([("path", "label", "group", "split"), *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=768)
    parser.add_argument("--tiles", type=int, nargs="+", default=[256, 128])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        images = Path(temporary) / "pictures"
        images.mkdir()
        write(images, asked.side)
        for tile in ("null", *asked.tiles):
            settings = [f"data.root={images}", *SETTINGS, f"evaluate.tile={tile}"]
            run = labelfree.run("inspection_simclr", ["data.card=null", *settings], Path(temporary) / f"run-{tile}", say=Silent())
            found = defaultdict(list)
            for row in csv.DictReader((run.folder / "results.csv").open(encoding="utf-8")):
                if row["metric"] == "accuracy" and row["flags"] != "envelope":
                    found[row["arm"], row["protocol"], row["budget"]].append(float(row["value"]))
            told = "; ".join(f"{' '.join(key)} {mean(values):.1%}" for key, values in sorted(found.items()))
            print(f"{'whole' if tile == 'null' else f'tiles of {tile}'}: {told}", flush=True)


if __name__ == "__main__":
    main()
