"""Near-duplicates of images that are taken already: a second label of the same picture teaches nothing (docs/protocol.md, 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.data.leaks import LIMIT_SHARE
from labelfree.data.near_duplicates import BLOCK, LIKE, alike_by_chance, near_pairs, poses, prints
from labelfree.data.pool_index import THUMB, PoolIndex
from labelfree.data.same_values import same_values

SAMPLED = 4000  # images that chance is told by


class Likeness:
    """Which image that is taken a candidate repeats.

    `groups`: a name an image. `taken`: positions that count as taken whatever else is. Where random pairs of different groups look alike
    as often as a leak may be, only exact copies are told, and `note` says so. Prints are made of images that are asked about alone, so
    that memory does not grow with the pool.
    """

    def __init__(self, index: PoolIndex, groups: Sequence[str], taken: Sequence[int]) -> None:
        self.index, self.taken = index, list(taken)
        some = np.unique(np.linspace(0, len(groups) - 1, min(SAMPLED, len(groups))).astype(int))
        self.chance = alike_by_chance(prints(index.thumbs[some]), [groups[i] for i in some])
        self.copies_only = self.chance > LIMIT_SHARE
        self._at: dict[int, int] = {}  # position -> row of its print
        self._high = np.empty((0, THUMB * THUMB), np.float32)  # with room for more below the rows that are filled

    @property
    def note(self) -> str | None:
        """What to say where near-duplicates cannot be told."""
        if not self.copies_only:
            return None
        return (
            f"Cannot tell near-duplicates here: {self.chance:.1%} of random pairs of different groups look as much alike, so that only "
            "exact copies of labelled images are kept out."
        )

    def __call__(self, candidate: int, others: Sequence[int]) -> int | None:
        """One of `others`, or of those taken, that `candidate` is a copy or near-duplicate of; None where there is none."""
        known = [other for other in dict.fromkeys((*others, *self.taken)) if other != candidate]
        if copies := same_values(self.index.traces[[candidate]], self.index.traces[known]):
            return known[copies[0][1]]
        mine = prints(self.index.thumbs[[candidate]])
        if self.copies_only or not known or not mine.judged[0]:
            return None
        turned = np.stack([pose.reshape(-1) for pose in poses(mine.high)])
        alike = (self._prints(known)[: len(self._at)] @ turned.T).max(axis=1) >= LIKE
        return next((other for other in known if alike[self._at[other]]), None)

    def repeats(self, positions: Sequence[int]) -> list[tuple[int, int]]:
        """Pairs of an image and one at `positions` that it is a near-duplicate of; none where these cannot be told."""
        if self.copies_only:
            return []
        mine, thumbs, pairs = prints(self.index.thumbs[positions]), self.index.thumbs, []
        for start in range(0, len(thumbs), BLOCK):
            for i, j, _ in near_pairs(prints(thumbs[start : start + BLOCK]), mine):
                if start + i != positions[j]:
                    pairs.append((start + i, positions[j]))
        return pairs

    def _prints(self, positions: Sequence[int]) -> np.ndarray:
        """(at least as many as were asked for so far, 1024); zero where an image has too little structure."""
        missing = [position for position in positions if position not in self._at]
        if missing:
            made = prints(self.index.thumbs[missing]).high.reshape(len(missing), -1)
            count = len(self._at)
            if count + len(made) > len(self._high):
                self._high = np.concatenate([self._high[:count], np.empty((count + len(made), THUMB * THUMB), np.float32)])
            self._high[count : count + len(made)] = made
            self._at.update({position: count + n for n, position in enumerate(missing)})
        return self._high
