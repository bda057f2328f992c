"""K-center greedy: Active Learning for Convolutional Neural Networks: A Core-Set Approach (Sener & Savarese 2018, arXiv:1708.00489)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labelfree.choosing.base import Strategy
from labelfree.choosing.candidates import Candidates, Choice
from labelfree.choosing.directions import blocks, directions, lengths
from labelfree.choosing.spread import Spread


class Cover(Strategy):
    """Each image is the one farthest from all that are labelled or chosen before it (algorithm 1 of the paper).

    Where nothing is labelled, the first is the one nearest to the middle of all.
    """

    name = "cover"
    words = "as the farthest from all labelled images"

    def picks(self, candidates: Candidates, spread: Spread, seed: int) -> Iterator[Choice]:
        if not spread.left():
            return
        nearer = Nearer(candidates.features)
        if len(candidates.labelled):
            nearer.to(directions(candidates.features, candidates.labelled))
        else:
            middle = Nearer(candidates.features)
            middle.to(mean_direction(candidates))
            if (first := spread.best(-middle.distance)) is not None:
                yield Choice(first, self.name, "nothing is labelled yet, and this image is nearest to the middle of all")
                nearer.to(directions(candidates.features, np.array([first])))
        while spread.left():
            position = spread.best(nearer.distance)
            if position is not None:
                apart = nearer.distance[position]
                yield Choice(position, self.name, f"far from all labelled images (distance {apart:.2f} of at most 2)")
                nearer.to(directions(candidates.features, np.array([position])))


class Nearer:
    """`distance` (n,) of each row's direction to the nearest of the centres so far; infinite before the first. `features`: (n, D)."""

    def __init__(self, features: np.ndarray) -> None:
        self._features = features
        self._lengths = lengths(features)  # kept: each centre is one pass over a file that may not fit into memory
        self.distance = np.full(len(features), np.inf)

    def to(self, centres: np.ndarray) -> None:
        """More centres (c, D), each a direction."""
        for block in blocks(len(self._features), max(centres.shape)):
            along = (np.asarray(self._features[block], np.float32) @ centres.T).max(axis=1)
            cosine = along.astype(np.float64) / self._lengths[block]
            distance = np.sqrt(np.maximum(0, 2 - 2 * cosine)).round(4)  # rounded, so that equals stay equal on any machine
            np.minimum(self.distance[block], distance, out=self.distance[block])


def mean_direction(candidates: Candidates) -> np.ndarray:
    """(1, D) the direction of the mean of the directions of all rows that take part."""
    rows, width = candidates.taking_part, candidates.features.shape[1]
    total = np.zeros((1, width))
    for block in blocks(len(rows), width):
        total += directions(candidates.features, rows[block]).sum(axis=0, dtype=np.float64)
    return directions(total, slice(None))
