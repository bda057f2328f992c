"""Features of the images that are chosen from: one row an image, on disk, computed once for a network and a pool."""

from __future__ import annotations

import numpy as np

from labelfree.backbones.weights import load
from labelfree.data.folders import cache_folder
from labelfree.data.pool import Pool
from labelfree.domain import Size, in_proportion, sides
from labelfree.errors import DataError, RecipeError
from labelfree.pipeline.network_encoders import Networks, channels_lacking
from labelfree.pipeline.starts import Starts
from labelfree.planning.costs import input_sizes
from labelfree.progress import Progress
from labelfree.recipe import BackboneSettings
from labelfree.selecting.images import Images
from labelfree.selecting.weights import Weights
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.features import extracted


def image_features(weights: Weights, images: Images, say: Progress) -> np.ndarray:
    """(n, D) float32, a memory map: of each image, the mean over its tiles where it was cut. Raises DataError where weights do not fit."""
    pool = images.pool
    starts = Starts(BackboneSettings(), images.domain, pool.fingerprint(), pool.scale, pool.offset)
    encoder = _encoder(weights, starts, pool, say)
    file = extracted(encoder, pool, encoder.sizes[0], cache_folder() / "features", say, pool.folder.name)
    entries: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
    return entries if len(entries) == len(pool.images) else _mean_of_tiles(entries, pool)


def _encoder(weights: Weights, starts: Starts, pool: Pool, say: Progress) -> NetworkEncoder:
    side = int(np.median(pool.index.shape[:, -2:].min(axis=1)))
    size = input_sizes(side, starts.dims)[0]
    if weights.file is None:
        found = Networks(starts, (size,)).photographic(weights.name, size)
        if isinstance(found, str):
            raise DataError(f"--weights {weights.name}: {found}, or name a run folder.")
        return found
    where = f"--weights {weights.file}"
    if lacking := channels_lacking(weights.file, starts, where):
        say.say(f"{where} knows {', '.join(lacking)}, which these images lack: it is shown the mean that it knows.")
    return Networks(starts, (_accepted(weights, size, starts.dims),)).of_file(weights.name, weights.file)


def _accepted(weights: Weights, size: int, dims: int) -> int:
    """The input size that is asked for, or the one that a network was taught at where it takes no other."""
    assert weights.file is not None and weights.card is not None
    taught: Size = weights.card.size
    backbone = load(weights.file).backbone
    try:
        backbone.require_size(in_proportion(taught, size), "--weights")
    except RecipeError:
        return max(sides(taught, dims))
    return size


def _mean_of_tiles(entries: np.ndarray, pool: Pool) -> np.ndarray:
    """(images, D): mean of each image's entries, which stand together."""
    starts = np.flatnonzero(np.diff(pool.row_of, prepend=-1))
    ends = [*starts[1:].tolist(), len(entries)]
    return np.stack([entries[start:end].mean(axis=0) for start, end in zip(starts.tolist(), ends, strict=True)])
