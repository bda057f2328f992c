"""Near-duplicates of images that are taken already: a second label of the same picture teaches nothing (docs/protocol.md, 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.data.leaks import LIMIT_SHARE
from labelfree.data.near_duplicates import LIKE, Prints, alike_by_chance, poses, prints
from labelfree.data.pool_index import PoolIndex
from labelfree.data.same_values import same_values

SAMPLED = 4000  # images that chance is told by


class Likeness:
    """Which image that is taken a candidate repeats. Prints are made of images asked for alone, so memory does not grow with the pool.

    `groups`: a name an image. `taken`: positions that count as taken whatever else is. Where random pairs of different groups look alike
    as often as a leak may be, only exact copies are told, and `note` says so.
    """

    def __init__(self, index: PoolIndex, groups: Sequence[str], taken: Sequence[int]) -> None:
        self.index, self.taken = index, list(taken)
        self._prints: dict[int, Prints] = {}
        some = np.unique(np.linspace(0, len(groups) - 1, min(SAMPLED, len(groups))).astype(int))
        self.chance = alike_by_chance(prints(index.thumbs[some]), [groups[i] for i in some])
        self.copies_only = self.chance > LIMIT_SHARE

    @property
    def note(self) -> str | None:
        """What to say where near-duplicates cannot be told."""
        if not self.copies_only:
            return None
        return (
            f"Cannot tell near-duplicates here: {self.chance:.1%} of random pairs of different groups look as much alike, so that only "
            "exact copies of labelled images are kept out."
        )

    def __call__(self, candidate: int, others: Sequence[int] | np.ndarray) -> int | None:
        """The first of `others`, or of those taken, that `candidate` is a copy or near-duplicate of; None where there is none."""
        known = np.array([int(other) for other in (*others, *self.taken) if other != candidate], dtype=np.int64)
        copies = same_values(self.index.traces[[candidate]], self.index.traces[known])
        if copies:
            return int(known[copies[0][1]])
        if self.copies_only or not len(known) or not self._print(candidate).judged[0]:
            return None
        high = np.concatenate([self._print(other).high for other in known.tolist()]).reshape(len(known), -1)  # zero where not judged
        turned = np.concatenate([pose.reshape(1, -1) for pose in poses(self._print(candidate).high)])
        alike = np.flatnonzero((high @ turned.T).max(axis=1) >= LIKE)
        return int(known[alike[0]]) if len(alike) else None

    def _print(self, position: int) -> Prints:
        if position not in self._prints:
            self._prints[position] = prints(self.index.thumbs[[position]])
        return self._prints[position]
