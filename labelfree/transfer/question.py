"""What a comparison asks: which rows may be learned from, which are scored, and in whose classes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labelfree.errors import DataError


@dataclass(frozen=True)
class Question:
    """One classification data set, asked with and without a test split.

    `ids`, `groups`, `targets`: one item for each entry of the evaluation pool; `groups[i]` is None where a row is its own group,
    `targets[i]` is a position in `classes`. `train`, `score`: positions of the entries that labels are drawn from and that are
    scored; `score=None` means cross-validation over `train`. `contents`: a digest of each entry's pixels, so that answers are found again
    only for the same images. Raises DataError when nothing can be asked.
    """

    dataset: str
    split: str
    ids: tuple[str, ...]
    groups: tuple[str | None, ...]
    targets: np.ndarray
    classes: tuple[str, ...]
    train: np.ndarray
    score: np.ndarray | None
    seed: int = 0
    contents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.train) == 0:
            raise DataError(f"{self.dataset}: no labelled row to learn from. Name a file of labels with data.labels=labels.csv.")
        if self.score is not None and len(self.score) == 0:
            raise DataError(f"{self.dataset}: no row of split {self.split!r} has a label. Check the split column, or set data.holdout.")
        counts = np.bincount(self.targets[self.train], minlength=len(self.classes))
        if len(self.classes) < 2 or (counts > 0).sum() < 2:
            only = self.classes[int(counts.argmax())]
            raise DataError(f"{self.dataset}: labels of one class only ({only}). A comparison needs two classes or more.")
        if (counts == 0).any():
            empty = self.classes[int(counts.argmin())]
            raise DataError(f"{self.dataset}: class {empty!r} has no labelled row to learn from. Label some, or take the class out.")

    @property
    def crossed(self) -> bool:
        """Whether scores come from cross-validation."""
        return self.score is None

    @cached_property
    def group_names(self) -> np.ndarray:
        """(n,) the group of each entry; a row without one is its own group."""
        return np.array([f"group:{group}" if group is not None else f"row:{row}" for group, row in zip(self.groups, self.ids, strict=True)])

    @cached_property
    def images(self) -> str:
        """What tells this pool's features from another's."""
        return hashlib.sha256(repr((self.ids, self.contents)).encode()).hexdigest()[:12]

    @cached_property
    def digest(self) -> str:
        """Changes whenever an answer to this question could."""
        parts = [self.dataset, self.split, self.classes, self.seed, self.images, self.groups, self.targets.tolist(), self.train.tolist()]
        parts.append(None if self.score is None else self.score.tolist())
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
