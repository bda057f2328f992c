"""TypiClust: Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets (Hacohen et al. 2022, arXiv:2202.02794)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from labelfree.choosing.base import Strategy
from labelfree.choosing.candidates import Candidates, Choice
from labelfree.choosing.clusters import clusters
from labelfree.choosing.directions import directions, sample
from labelfree.choosing.neighbours import nearest
from labelfree.choosing.spread import Spread

MOST_PARTS = 500  # the paper's cap
FEWEST = 5  # images of a part that is not called small
NEIGHBOURS = 20
JUDGED = 5_000  # images of a part whose neighbours are looked for


class Judged(NamedTuple):
    """Images of a part: ascending positions (m,) and how typical each is (m,)."""

    rows: np.ndarray
    typicality: np.ndarray


class Typical(Strategy):
    """As many parts of alike images as there will be labels; of each part without a label, the largest first, its most typical image.

    Parts of fewer than five images come last. A part of more than 5,000 images is judged by so many of them, drawn at random.
    """

    name = "typical"
    words = "as the most typical of alike images"

    def picks(self, candidates: Candidates, spread: Spread, seed: int) -> Iterator[Choice]:
        if not spread.left():
            return
        rows = candidates.taking_part
        count = min(len(candidates.labelled) + spread.budget, MOST_PARTS, len(rows))
        part = np.full(len(candidates), -1, np.int32)
        part[rows] = clusters(candidates.features, rows, count, seed)
        sizes = np.bincount(part[rows], minlength=count)
        labels = np.bincount(part[candidates.labelled], minlength=count)
        judged: dict[int, Judged] = {}
        while spread.left():
            ready = spread.ready()
            chosen = next_part(sizes, labels, np.bincount(part[ready], minlength=count) > 0)
            if chosen not in judged or not ready[judged[chosen].rows].any():
                members = np.flatnonzero(part == chosen)
                rows = members if sizes[chosen] <= JUDGED else sample(members[ready[members]], JUDGED, [seed, chosen])
                judged[chosen] = Judged(rows, typicality(directions(candidates.features, rows)))
            position = spread.best(judged[chosen].typicality, judged[chosen].rows)
            if position is not None:
                yield Choice(position, self.name, reason(position, judged[chosen], int(sizes[chosen]), int(labels[chosen])))
                labels[chosen] += 1


def next_part(sizes: np.ndarray, labels: np.ndarray, ready: np.ndarray) -> int:
    """The part to choose from, of those that are ready: not a small one, fewest labels, largest, first. All (parts,)."""
    order = np.lexsort((-sizes, labels, sizes < FEWEST, ~ready))
    return int(order[0])


def typicality(vectors: np.ndarray) -> np.ndarray:
    """(m,) the inverse of the mean distance to the 20 nearest others; infinite among copies. `vectors`: (m, D)."""
    if len(vectors) < 2:
        return np.ones(len(vectors))
    distances, _ = nearest(vectors, vectors, NEIGHBOURS + 1)
    mean = distances[:, 1:].mean(axis=1).round(6)  # the first is the image itself; rounded, so that equals stay equal on any machine
    with np.errstate(divide="ignore"):
        return 1 / mean


def reason(position: int, judged: Judged, size: int, labels: int) -> str:
    """Why this image of a part of `size` images, of which `labels` had a label or were chosen before."""
    if size == 1:
        return "an image unlike all others"
    most = position == judged.rows[judged.typicality.argmax()]
    drawn = f"{len(judged.rows):,} drawn from " if len(judged.rows) < size else ""
    known = f"{labels:,} of them labelled or chosen before" if labels else "none of them is labelled"
    return f"{'the most typical' if most else 'a typical one'} of {drawn}{size:,} alike images; {known}"
