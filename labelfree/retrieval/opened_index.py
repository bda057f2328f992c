"""An index that is asked: its vectors in memory, its weights and its reader, each made ready when it is first needed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from labelfree.domain import Domain, Row
from labelfree.errors import DataError
from labelfree.reader_settings import domain_with
from labelfree.retrieval.checkpoint import Checkpoint, open_checkpoint
from labelfree.retrieval.index_folder import IndexCard, IndexFolder
from labelfree.retrieval.scan import Scan


class Hit(NamedTuple):
    """One image that was found. `score`: cosine of its vector and the query's. `row`: what its domain reads; `outline`: longitude and
    latitude of its middle and its four corners, where its domain knows them.
    """

    score: float
    row: Row
    outline: tuple[float, ...] | None


class Index:
    """Vectors of images, made by `labelfree.index`. `weights`: by which it is asked, default those that it was made by."""

    def __init__(self, folder: IndexFolder, weights: Path | None = None) -> None:
        self.folder, self.weights = folder, weights

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.folder.path

    @property
    def card(self) -> IndexCard:
        """What it says of itself."""
        return self.folder.card

    def __len__(self) -> int:
        return len(self.folder)

    @cached_property
    def domain(self) -> Domain:
        """That reads its images as they were read."""
        return domain_with(self.card.domain, self.card.reader)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """Raises DataError where the weights are not there, or are others."""
        file = self.weights or Path(self.card.weights)
        if self.weights is None and not file.is_file():
            raise DataError(f"{self.path}: the weights that it was made by are not at {file} any more; name them with --weights.")
        checkpoint = open_checkpoint(file)
        require_same_checkpoint(self.folder, checkpoint)
        return checkpoint

    @cached_property
    def scan(self) -> Scan:
        """All vectors, in memory."""
        return Scan(self.folder.blocks(), len(self), self.card.dim)

    def nearest(self, queries: np.ndarray | Tensor, k: int = 20) -> tuple[np.ndarray, np.ndarray]:
        """Of queries (n, D) of length one the cosines and the row numbers of the `k` most alike vectors, both (n, k), or all there are."""
        return self.scan.nearest(np.asarray(queries), k)

    def hits(self, query: np.ndarray | Tensor, k: int = 20) -> list[Hit]:
        """The `k` images most alike a query (1, D), the most alike first."""
        scores, numbers = self.nearest(query, k)
        entries = self.folder.entries(numbers[0].tolist())
        return [Hit(score, entry.row, entry.outline) for score, entry in zip(scores[0].tolist(), entries, strict=True)]


def require_same_checkpoint(index: IndexFolder, checkpoint: Checkpoint) -> None:
    """Raises DataError where an index was made by other weights."""
    card = index.card
    if checkpoint.digest != card.checkpoint:
        made = f"was made by another checkpoint ({card.architecture} {card.checkpoint}, then at {card.weights})"
        way = "their vectors do not compare, so name those weights or another index"
        raise DataError(f"{index.path}: {made} than {checkpoint.file} ({checkpoint.digest}); {way}.")
