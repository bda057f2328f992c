"""What a comparison asks: which rows may be learned from, which are scored, and of which task."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from labelfree.data.chosen import PLAIN, Standing
from labelfree.errors import DataError

if TYPE_CHECKING:
    from labelfree.transfer.tasks.base import Targets, Task


@dataclass(frozen=True)
class Question:
    """One data set of one task, asked with and without a test split.

    `ids`, `groups`, `strata`, `targets`, `taught`: one item for each entry of the evaluation pool; `groups[i]` is None where a row is
    its own group; budgets and folds are balanced over `strata`, and folds leave what is `taught` (empty: the strata) to every training
    part. `train`, `score`: positions of the entries that labels are drawn from and that are scored; `score=None` means cross-validation
    over `train`, in which those of `learn_only` are never scored. `contents`: a digest of each entry's pixels, so that answers are found
    again only for the same images. `standing`: what its scores are worth. `dims`: spatial axes of the images. Raises DataError when nothing
    can be asked.
    """

    dataset: str
    split: str
    task: Task
    ids: tuple[str, ...]
    groups: tuple[str | None, ...]
    strata: tuple[str, ...]
    targets: Targets
    train: np.ndarray
    score: np.ndarray | None
    seed: int = 0
    contents: tuple[str, ...] = ()
    learn_only: tuple[int, ...] = ()
    standing: Standing = PLAIN
    taught: tuple[frozenset[str], ...] = ()
    dims: int = 2

    def __post_init__(self) -> None:
        if len(self.train) == 0 and self.task.learns:
            raise DataError(f"{self.dataset}: no labelled row to learn from. Name a file of labels with data.labels=labels.csv.")
        if self.score is not None and len(self.score) == 0:
            raise DataError(f"{self.dataset}: no row of split {self.split!r} has a label. Check the split column, or set data.holdout.")
        self.task.check(self)

    @property
    def crossed(self) -> bool:
        """Whether scores come from cross-validation."""
        return self.score is None

    def strata_of(self, rows: np.ndarray) -> list[str]:
        """The strata of some entries."""
        return [self.strata[row] for row in rows]

    def teaching(self, rows: np.ndarray) -> np.ndarray:
        """Those of some entries that heads learn from, and that budgets count."""
        learnt = self.task.learnt
        return rows if not learnt else rows[np.isin(np.array(self.strata, object)[rows], learnt)]

    def taught_by(self, rows: np.ndarray) -> list[frozenset[str]]:
        """The classes that each of some entries teaches."""
        return [self.taught[row] if self.taught else frozenset([self.strata[row]]) for row in rows]

    @cached_property
    def stratum_codes(self) -> np.ndarray:
        """(n,) the strata as positions among their sorted names."""
        codes: np.ndarray = np.unique(np.array(self.strata), return_inverse=True)[1]
        return codes

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
        parts = [self.dataset, self.split, self.task.name, self.strata, self.seed, self.images, self.groups]
        parts += [self.targets.values.tolist(), self.train.tolist(), None if self.score is None else self.score.tolist()]
        parts += [self.targets.content] if self.targets.content else []
        parts += [self.learn_only] if self.learn_only else []  # an earlier run without any finds its answers again
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
