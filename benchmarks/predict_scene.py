"""A map of a whole scene, 10,980 x 10,980 pixels of 4 bands as a Sentinel-2 tile has: peak memory and minutes of `labelfree predict`.

    python benchmarks/predict_scene.py --out /tmp/scene
    python benchmarks/predict_scene.py --out /tmp/scene --head patches      # how anomalous each pixel is, instead of its class

The scene is generated strip by strip (964 MB of uint16), the head has drawn weights (of patches 500 drawn ones) on a small CNN with drawn
weights (`--network`), for neither changes what a prediction costs. `labelfree predict` runs in a process of its own, whose largest resident
size is printed with the minutes it took and with what it takes before the first image; stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from rasterio.transform import from_origin
from torch import Tensor

from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import write_head
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.maps.linear import PixelLinear
from labelfree.transfer.network_inputs import NetworkInput, OfStored
from labelfree.transfer.patches.memory import CoresetHead
from labelfree.transfer.patches.tokens import PatchTokens
from labelfree.transfer.tiles.base import TileHead
from labelfree.views import PerChannel

BANDS, CLASSES = ("blue", "green", "red", "nir"), ("water", "wood", "field", "town")
ONES, ZEROS, MEAN, STD = (1.0,) * 4, (0.0,) * 4, (1000.0,) * 4, (500.0,) * 4
STRIP = 512


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--out", type=Path, required=True)
    asked.add_argument("--side", type=int, default=10_980)
    asked.add_argument("--tile", type=int, default=256)
    asked.add_argument("--network", default="test_resnet")
    asked.add_argument("--head", choices=HEADS, default="maps")
    given = asked.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    scene, head = given.out / "scene.tif", given.out / f"{given.head}.safetensors"
    if not scene.is_file():
        generate(scene, given.side)
    write(head, given.network, given.tile, HEADS[given.head])
    subprocess.run([sys.executable, "-c", f"import labelfree; labelfree.load_head({str(head)!r})"], check=True)
    idle = peak_gib()
    before = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "labelfree", "predict", head, scene, "--out", given.out / f"predictions-{given.head}"], check=True
    )
    minutes = (time.monotonic() - before) / 60
    size = 4 * 2 * given.side**2 / 2**30
    took = f"peak {peak_gib():.2f} GiB, {idle:.2f} of them Python, torch and the head; {minutes:.1f} minutes"
    print(f"{given.side:,} x {given.side:,} pixels, 4 bands ({size:.2f} GiB): {took}")


def peak_gib() -> float:
    """The largest resident size of any process that was waited for."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def generate(file: Path, side: int) -> None:
    """Smooth fields with noise, a strip at a time."""
    draw, columns = np.random.default_rng(0), np.arange(side)
    form = {
        "driver": "GTiff",
        "count": 4,
        "height": side,
        "width": side,
        "dtype": "uint16",
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
    }
    part = file.with_suffix(".making.tif")
    with rasterio.open(part, "w", **form, crs="EPSG:32632", transform=from_origin(500_000, 5_400_000, 10, 10)) as opened:
        for top in range(0, side, STRIP):
            rows = np.arange(top, min(top + STRIP, side))[:, None]
            waves = [np.sin(rows / (40 + 9 * band)) + np.sin(columns / (60 + 7 * band)) for band in range(4)]
            pixels = 1000 + 400 * np.stack(waves) + draw.normal(0, 30, (4, len(rows), side))
            opened.write(pixels.clip(1, 3000).astype(np.uint16), window=((top, top + len(rows)), (0, side)))
    part.replace(file)


def pixel_head(levels: list[Tensor], side: int) -> tuple[TileHead, dict[str, Any]]:
    """A class for each pixel, and what its card says of it."""
    widths = [level.shape[1] for level in levels]
    head = PixelLinear().head({"width": len(CLASSES), "widths": widths})
    head.load_state_dict({"weight": torch.randn(len(CLASSES), sum(widths)), "bias": torch.zeros(len(CLASSES))})
    return head, {"task": "segmentation", "protocol": "linear", "classes": CLASSES}


def patches_head(levels: list[Tensor], side: int) -> tuple[TileHead, dict[str, Any]]:
    """How far each patch is from 500, and what its card says of it."""
    width = sum(part.shape[1] for part in PatchTokens((side, side))(levels, (side, side)))
    head = CoresetHead(500, width)
    head.bank = torch.randn(500, width)
    return head, {"task": "anomaly", "protocol": "coreset", "classes": ("normal", "anomalous")}


Made = Callable[[list[Tensor], int], tuple[TileHead, dict[str, Any]]]
HEADS: dict[str, Made] = {"maps": pixel_head, "patches": patches_head}


def write(file: Path, network: str, side: int, made: Made) -> None:
    """A head's file, as a run would leave it."""
    torch.manual_seed(0)
    backbone = build(network, 4)
    encoder = NetworkEncoder("random", backbone, OfStored(ONES, ZEROS, NetworkInput(PerChannel(MEAN, STD))), (side,))
    head, told = made(encoder.maps(torch.rand(1, 4, side, side) * 1000, None, (side, side)), side)
    images = WeightCard(
        network, BANDS, "stored", ONES, ZEROS, MEAN, STD, side, domain="satellite", arm="random", dtype="uint16", low=ZEROS,
        high=(3000.0,) * 4, reader={"bands": list(BANDS)},
    )  # fmt: skip
    kept = encoder.kept()
    card = HeadCard(
        images=images, shape=(side, side), parts=tuple(part.told for part in kept), config=dict(head.config), labels={"drawn": 0}, **told
    )
    write_head(file, card, head.state_dict(), [part.tensors for part in kept])


if __name__ == "__main__":
    main()
