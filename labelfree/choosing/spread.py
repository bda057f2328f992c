"""What may still be taken: spread over groups, never twice the same picture."""

from __future__ import annotations

import math

import numpy as np

from labelfree.choosing.candidates import Candidates

LAST = float(np.finfo(np.float64).min)


class Spread:
    """The images that may still be chosen, as a choice goes on.

    A group gives at most ceil(budget / groups with an open image), those labelled in it counted. Once every group that has an image
    left has given as many, the quota rises just so far that one may give again: nothing is refused for the quota alone.

    `budget`: images asked for.
    """

    def __init__(self, candidates: Candidates, budget: int) -> None:
        self.budget = budget
        self._too_like = candidates.too_like
        self._free = candidates.open.copy()
        self._free[candidates.labelled] = False
        groups, self._group = np.unique(candidates.groups, return_inverse=True)
        self._given = np.bincount(self._group[candidates.labelled], minlength=len(groups))
        self._quota = math.ceil(budget / max(1, len(np.unique(self._group[self._free]))))
        self._known = candidates.labelled.tolist()  # labelled or taken
        self._stop = len(self._known) + budget

    def left(self) -> bool:
        """Whether the budget is not used up and an image may be taken."""
        return len(self._known) < self._stop and bool(self._free.any())

    def ready(self) -> np.ndarray:
        """(n,) bool: what may be taken next. None where nothing is left at all."""
        ready = self._free & (self._given < self._quota)[self._group]
        if ready.any() or not self._free.any():
            return ready
        self._quota = int(self._given[self._group[self._free]].min()) + 1
        return self.ready()

    def take(self, position: int) -> bool:
        """Takes an image that is ready; False where it is the near-duplicate of one labelled or taken, and then it is out for good."""
        self._free[position] = False
        if self._too_like(position, self._known) is not None:
            return False
        self._given[self._group[position]] += 1
        self._known.append(position)
        return True

    def best(self, worth: np.ndarray, rows: np.ndarray | None = None) -> int | None:
        """Takes the image that is worth most, the first of equals, and says which; None where none of them could be taken.

        `worth`: (n,), or one value for each of the ascending positions `rows`. The next best takes the place of a near-duplicate; what is
        worth no number comes last.
        """
        ready = self.ready()
        left = np.where(ready if rows is None else ready[rows], np.nan_to_num(worth, nan=LAST, neginf=LAST), -np.inf)
        while len(left) and left[at := int(left.argmax())] > -np.inf:
            position = at if rows is None else int(rows[at])
            if self.take(position):
                return position
            left[at] = -np.inf
        return None
