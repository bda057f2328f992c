"""What a run costs in time and disk: small formulas from counts, said before anything begins."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from labelfree.data.tiles import Cut
from labelfree.domain import Size
from labelfree.transfer.tiles.tiling import tiles_of

CELL_SECONDS = 0.3  # a probe with its search: about 260 of them take 80 s at 1,280 dimensions and ten classes
SPREAD_SECONDS = 5e-4  # a probe with its search that also learns from unlabelled images, for each of them: 3 to 5 s for 8,000, ten classes
GRAPH_SECONDS = 3e-4  # for each of them, once a network and input size: 2 s for 8,000, 5 s for 20,000
CHECKPOINT_COPIES = 4  # weights, momentum copy and two moments of AdamW
WEIGHTS_GB = 0.02
REPORT_GB, RESULTS_GB = 0.05, 0.1
FEWEST_IMAGES = 8  # a batch
PIXELS_A_SECOND = 2e6  # through EfficientNet-Lite0 on one core, as measured; a GPU needs a small part of it
LARGEST = {2: 256, 3: 128}  # axes -> pixels; the largest input size that `auto` offers
LARGEST_VIEW = {2: 224, 3: 96}  # axes -> pixels a side of a view that is pretrained on
TIMES = {2: (2, 1, 3), 3: (1, 2)}  # axes -> times the images' own size; in a volume twice the side is eight times the work


def input_sizes(side: int, dims: int = 2) -> tuple[int, ...]:
    """What `evaluate.sizes: auto` offers for images of this side: twice their own size first, then once and three times.

    For volumes once, then twice.
    """
    native = min(LARGEST[dims], max(32, round(side / 32) * 32))
    return tuple(dict.fromkeys(min(LARGEST[dims], times * native) for times in TIMES[dims]))


def probe_seconds(networks: int, protocols: int, budgets: int, draws: int, crossed: bool) -> float:
    """For the probes of a comparison, with and without a test split."""
    return networks * protocols * budgets * draws * (5 if crossed else 1) * CELL_SECONDS


def spread_seconds(networks: int, protocols: int, budgets: int, draws: int, crossed: bool, images: int, sizes: int = 3) -> float:
    """For the probes of protocols that learn from so many unlabelled `images` too, beyond `probe_seconds`."""
    cells = budgets * draws * (5 if crossed else 1)
    return networks * protocols * (cells * SPREAD_SECONDS * images + sizes * GRAPH_SECONDS * images)


def feature_seconds(networks: int, images: int, side: int, slices: int = 1, dims: int = 2) -> float:
    """For the features of `images` of this side at the input sizes of `auto`, on this machine's processors. `slices`: of a volume, whose
    slices a network of pictures sees one by one; then `dims` is 3.
    """
    pixels = slices * sum(size**2 for size in input_sizes(side, dims))
    return networks * images * pixels / (PIXELS_A_SECOND * (os.cpu_count() or 1))


def tile_seconds(networks: int, images: int, shapes: Sequence[tuple[int, ...]], tile: int) -> float:
    """For the features of `images` of these sizes that are looked at in overlapping tiles of one side, on this machine's processors."""
    tiles = float(np.mean([tiles_of(shape, (tile, tile)) for shape in shapes]))
    return networks * images * tiles * tile**2 / (PIXELS_A_SECOND * (os.cpu_count() or 1))


def run_gigabytes(pretrainings: int, comparing: bool) -> float:
    """Of a run's folder: checkpoints, weights, results, report."""
    return REPORT_GB + pretrainings * CHECKPOINT_COPIES * WEIGHTS_GB + (RESULTS_GB if comparing else 0.0)


def pool_entries(images: int, shapes: Sequence[tuple[int, ...]], tile: Size | None) -> int:
    """How many entries a pool of `images` of these spatial sizes holds: the images, or the tiles cut from them."""
    return round(images * float(np.mean([Cut(tile).count(shape) for shape in shapes])))


def pool_bytes(images: int, shapes: Sequence[tuple[int, ...]], channels: int, itemsize: int, tile: Size | None) -> float:
    """The size of that pool."""
    pixels = float(np.mean([Cut(tile).count(shape) * np.prod(Cut(tile).size(shape)) for shape in shapes]))
    return images * pixels * channels * itemsize
