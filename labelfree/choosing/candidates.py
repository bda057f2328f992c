"""What a strategy chooses from, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np


def unlike(candidate: int, others: Sequence[int]) -> int | None:
    """No image is the near-duplicate of another: what holds where nobody looked."""
    return None


@dataclass(frozen=True)
class Candidates:
    """The images of a folder, as rows of features.

    Args:
        features: (n, D) floats, may be a memory map; directions count, lengths do not.
        groups: (n,) int, one number a group (a scene, a patient).
        open: (n,) bool, may be chosen. A row that is neither open nor labelled (one kept for an audit) has no part in anything.
        labelled: (m,) positions that have a label, each once.
        codes: (m,) int class of each, from 0.
        outputs: (n, K) class scores of the head so far, each row sums to 1; None where there is no head.
        classes: the name of each code; those nobody has labelled yet may stand among them.
        too_like: (candidate, other positions) -> the position of one of the others that it is a near-duplicate of, or None.
    """

    features: np.ndarray
    groups: np.ndarray
    open: np.ndarray
    labelled: np.ndarray
    codes: np.ndarray
    outputs: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    too_like: Callable[[int, Sequence[int]], int | None] = unlike

    def __len__(self) -> int:
        return len(self.features)

    @cached_property
    def taking_part(self) -> np.ndarray:
        """Ascending positions of the rows that are open or labelled."""
        part = self.open.copy()
        part[self.labelled] = True
        return np.flatnonzero(part)

    @property
    def seen(self) -> int:
        """How many classes have a label."""
        return len(np.unique(self.codes))


class Choice(NamedTuple):
    """An image to label: its position, the strategy that picked it, and why, in words a person understands."""

    position: int
    strategy: str
    reason: str
