"""K-center greedy: Active Learning for Convolutional Neural Networks: A Core-Set Approach (Sener & Savarese 2018, arXiv:1708.00489)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labelfree.choosing.base import Strategy
from labelfree.choosing.candidates import Candidates, Choice
from labelfree.choosing.directions import blocks, directions
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
        distance = np.full(len(candidates), np.inf)  # to the nearest image that is labelled or chosen
        if len(candidates.labelled):
            closer(distance, candidates, directions(candidates.features, candidates.labelled))
        elif (first := spread.best(-from_middle(candidates))) is not None:
            yield Choice(first, self.name, "nothing is labelled yet, and this image is nearest to the middle of all")
            closer(distance, candidates, directions(candidates.features, np.array([first])))
        while spread.left():
            position = spread.best(distance)
            if position is not None:
                yield Choice(position, self.name, f"far from all labelled images (distance {distance[position]:.2f} of at most 2)")
                closer(distance, candidates, directions(candidates.features, np.array([position])))


def closer(distance: np.ndarray, candidates: Candidates, centres: np.ndarray) -> None:
    """Shortens `distance` (n,) of every row to that of the nearest of `centres` (c, D), which are directions."""
    width = max(candidates.features.shape[1], len(centres))
    for block in blocks(len(candidates), width):
        cosine = (directions(candidates.features, block) @ centres.T).max(axis=1)
        np.minimum(distance[block], apart(cosine), out=distance[block])


def from_middle(candidates: Candidates) -> np.ndarray:
    """(n,) distance of each row's direction to the mean direction of the rows that take part."""
    rows, width = candidates.taking_part, candidates.features.shape[1]
    total = np.zeros(width)
    for block in blocks(len(rows), width):
        total += directions(candidates.features, rows[block]).sum(axis=0, dtype=np.float64)
    distance = np.full(len(candidates), np.inf)
    closer(distance, candidates, directions(total[None], slice(None)))
    return distance


def apart(cosine: np.ndarray) -> np.ndarray:
    """Distance between directions whose cosine this is, rounded, so that equals stay equal on any machine."""
    distance: np.ndarray = np.sqrt(np.maximum(0, 2 - 2 * cosine.astype(np.float64))).round(4)
    return distance
