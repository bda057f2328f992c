"""Which tiles a head of maps learns from: those of which anything is known, those with objects often enough to be learned."""

from __future__ import annotations

from math import ceil

import numpy as np

from labelfree.domain import IGNORE
from labelfree.transfer.maps.learning import Learn


def with_objects(learn: Learn, share: float) -> np.ndarray:
    """(t,) numbers of the budget's tiles, those that show an object several times where fewer than `share` of them do (nnU-Net, Isensee
    et al. 2021, draws a third of its patches so). `share` above 0: tiles of which nothing is known are left out, as of slices that nobody
    drew.
    """
    if not share:
        return learn.tiles
    seen = np.array([_seen(learn, int(tile)) for tile in learn.tiles])
    shown, empty = learn.tiles[seen[:, 1]], learn.tiles[seen[:, 0] & ~seen[:, 1]]
    if not len(shown):
        return empty
    times = max(1, ceil(share / (1 - share) * len(empty) / len(shown)))
    return np.concatenate([np.tile(shown, times), empty])


def _seen(learn: Learn, tile: int) -> tuple[bool, bool]:
    """Whether anything is known of a tile, and whether it shows an object."""
    present = np.unique(learn.masks([tile], np.zeros(1, bool)))
    return bool((present != IGNORE).any()), bool(np.isin(present, learn.objects).any())
