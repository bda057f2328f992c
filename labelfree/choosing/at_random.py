"""Random choice: what the others are measured against."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labelfree.choosing.base import Strategy
from labelfree.choosing.candidates import Candidates, Choice
from labelfree.choosing.spread import Spread


class Random(Strategy):
    """Open images in random order, not stratified by anything but the groups."""

    name = "random"
    words = "at random"
    needs_features = False

    def picks(self, candidates: Candidates, spread: Spread, seed: int) -> Iterator[Choice]:
        order = np.random.default_rng(seed).permutation(len(candidates))
        while spread.left():
            position = spread.best(order)
            if position is not None:
                yield Choice(position, self.name, f"drawn at random (seed {seed})")
