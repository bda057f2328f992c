"""The exact scan: every vector of an index against a query, none left out by a shortcut."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from labelfree.choosing.large import faiss_for

BLOCK = 2**16  # rows that one thread scans at a time


class Scan:
    """Vectors in memory: float32, of 100,000 and more float16 in blocks, which faiss scans on all threads that it may use.

    `blocks`: (n, D) each, of length one, `rows` in all. Raises RecipeError where faiss is needed and not installed.
    """

    def __init__(self, blocks: Iterable[np.ndarray], rows: int, dim: int) -> None:
        self.rows, self.dim, self.faiss = rows, dim, faiss_for(rows)
        kept = np.float32 if self.faiss is None else np.float16
        side = max(1, min(rows, BLOCK))
        self.blocks: list[Any] = []
        waiting, filled = np.empty((side, dim), kept), 0
        for block in blocks:
            for start in range(0, len(block), side):
                part = block[start : start + side]
                fits = min(len(part), side - filled)
                waiting[filled : filled + fits] = part[:fits]
                filled += fits
                if filled == side:
                    self.blocks.append(self._held(waiting))
                    waiting[: len(part) - fits] = part[fits:]
                    filled = len(part) - fits
        if filled:
            self.blocks.append(self._held(waiting[:filled]))

    def nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Of queries (n, D) of length one the cosines and the numbers of the `k` most alike rows, both (n, k), the most alike first.

        Of rows that are equally alike the first come first. k is at most the number of rows.
        """
        queries, k = np.ascontiguousarray(queries, np.float32), min(k, self.rows)
        starts = range(0, self.rows, BLOCK)
        if self.faiss is None:
            found = [_best(queries @ block.T, k) for block in self.blocks]
        else:
            with ThreadPoolExecutor(self.faiss.omp_get_max_threads()) as threads:
                found = list(threads.map(lambda block: block.search(queries, min(k, block.ntotal)), self.blocks))
        scores = np.concatenate([each for each, _ in found], axis=1)
        rows = np.concatenate([numbers + start for start, (_, numbers) in zip(starts, found, strict=True)], axis=1)
        order = np.lexsort((rows, -scores), axis=1)[:, :k]
        return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)

    def _held(self, vectors: np.ndarray) -> Any:
        """A copy of one block, as it is scanned."""
        if self.faiss is None:
            return vectors.copy()
        block = self.faiss.IndexScalarQuantizer(self.dim, self.faiss.ScalarQuantizer.QT_fp16, self.faiss.METRIC_INNER_PRODUCT)
        block.is_trained = True  # float16 has nothing to learn
        block.add_sa_codes(vectors.view(np.uint8))  # its codes are these numbers
        return block


def _best(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` largest of each row of (n, m), of equal ones the first, with their positions."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), order
