"""Nearest neighbours among directions."""

from __future__ import annotations

import numpy as np

from labelfree.choosing.directions import blocks, directions
from labelfree.choosing.large import faiss_for

EVERY_ROW = slice(None)
FEW = 2000  # rows against as many others: so few are found sooner by one thread, on a busy machine by far


def nearest(queries: np.ndarray, among: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of `among` (n, D), a memory map or not, that are nearest to each of `queries` (q, D), nearest first.

    Returns: distances (q, k) between directions, 0 to 2, and positions (q, k); a query that stands in `among` finds itself. k is cut to n.
    Memory: the queries, a block of rows and, below LARGE rows, all of them.
    """
    k, faiss = min(k, len(among)), faiss_for(len(among))
    asked = directions(queries, EVERY_ROW)
    if faiss is None:
        from sklearn.neighbors import NearestNeighbors
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1 if len(asked) * len(among) <= FEW**2 else None):
            found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(directions(among, EVERY_ROW))
            distances, positions = found.kneighbors(asked)
        return distances, positions
    heap = faiss.ResultHeap(len(asked), k)
    for block in blocks(len(among), among.shape[1]):
        squares, positions = faiss.knn(asked, directions(among, block), k)
        heap.add_result(squares, positions + block.start)
    heap.finalize()
    return np.sqrt(np.maximum(heap.D, 0)), heap.I
