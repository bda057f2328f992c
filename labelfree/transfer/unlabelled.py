"""Images beside a question that may be learned from without their labels: never one that is scored, nor a copy or relative of one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from labelfree.data.same_values import same_values
from labelfree.transfer.protocols import HeadProtocol

if TYPE_CHECKING:
    from labelfree.data.pool import Pool
    from labelfree.domain import Row
    from labelfree.transfer.question import Question

MOST = 20_000  # images to learn from; a graph of more takes minutes for each network and input size

Learner = Callable[[int, np.ndarray | None], HeadProtocol]


@dataclass(frozen=True)
class Unlabelled:
    """`pool`, `entries`: u whole images. `ids`, `groups`: one of each. `copies`: (p, 2), which image holds the pixels of which of the
    question's rows; an image that is such a row is its own copy.
    """

    question: Question
    pool: Pool
    entries: np.ndarray
    ids: tuple[str, ...]
    groups: tuple[str | None, ...]
    copies: np.ndarray

    def __len__(self) -> int:
        return len(self.entries)

    def same_as(self, rows: np.ndarray) -> np.ndarray:
        """(u,) bool: images that are one of these rows of the question, or hold the same pixels."""
        same = np.zeros(len(self), bool)
        same[self.copies[np.isin(self.copies[:, 1], rows), 0]] = True
        names = {self.question.ids[row] for row in rows}
        return same | np.fromiter((name in names for name in self.ids), bool, len(self))

    def related_to(self, rows: np.ndarray) -> np.ndarray:
        """(u,) bool: those, and images that share a group with one of the rows."""
        groups = {self.question.groups[row] for row in rows} - {None}
        return self.same_as(rows) | np.fromiter((group in groups for group in self.groups), bool, len(self))

    def only(self, kept: np.ndarray) -> Unlabelled:
        """The images `kept`, (u,) bool."""
        number = np.cumsum(kept) - 1
        copies = self.copies[kept[self.copies[:, 0]]]
        names = np.flatnonzero(kept)
        return replace(
            self,
            entries=self.entries[kept],
            ids=tuple(self.ids[at] for at in names),
            groups=tuple(self.groups[at] for at in names),
            copies=np.stack([number[copies[:, 0]], copies[:, 1]], 1),
        )

    @cached_property
    def digest(self) -> str:
        """Changes whenever what is learned from the images could."""
        contents = self.pool.index.digest[self.entries].tolist()
        return hashlib.sha256(repr((self.ids, self.groups, contents, self.copies.tolist())).encode()).hexdigest()[:16]


def unlabelled_beside(question: Question, pool: Pool, rows: Sequence[Row], images: Pool) -> Unlabelled:
    """Those of `rows` that `pool` holds, whole, and that neither are nor are related to what `question` scores.

    `images`: the evaluation pool, an entry for each of the question's rows.
    """
    groups = {row.id: row.group for row in rows} | dict(zip(question.ids, question.groups, strict=True))
    entries = pool.entries(rows)
    ids = tuple(pool.images[pool.row_of[entry]].id for entry in entries)
    pairs = same_values(pool.index.traces[pool.row_of[entries]], images.index.traces[images.row_of])
    copies = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    found = Unlabelled(question, pool, entries, ids, tuple(groups[name] for name in ids), copies)
    return found.only(~found.related_to(question.train if question.score is None else question.score))


class Beside:
    """A protocol beside one encoder's `features` (size -> (u, D)) of unlabelled images, to which it is bound once a size."""

    def __init__(
        self, protocol: HeadProtocol, unlabelled: Unlabelled, features: Callable[[int], np.ndarray], blocks: tuple[int, ...]
    ) -> None:
        self.protocol, self.unlabelled, self.features, self.blocks = protocol, unlabelled, features, blocks
        self.bound: dict[int, HeadProtocol] = {}

    def learner(self, rows: np.ndarray) -> Learner:
        """For the labelled `rows` of one budget: (size, positions among `rows` that are held out) -> the protocol without the images that
        are these rows, or are related to those held out.
        """
        labelled = self.unlabelled.same_as(rows)

        def at(size: int, held: np.ndarray | None = None) -> HeadProtocol:
            if size not in self.bound:
                self.bound[size] = self.protocol.beside(self.features(size), self.blocks)
            return self.bound[size].without(labelled if held is None else labelled | self.unlabelled.related_to(rows[held]))

        return at
